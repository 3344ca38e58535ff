"""The notebook interface: a panel on a session, and plots."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shipkit.job import Job
    from shipkit.session import BatchSession

__all__ = ["panel"]


def panel(session: BatchSession | Job) -> Any:
    """Return a panel on a session, or on a job, for a notebook cell.

    It shows the filter, the mode, the number of labels and the total by service, problems, and a
    button that says what it buys and for how much; once approved, progress, money spent, Pause,
    Resume, Cancel, labels and results. The job runs in the background, so that other cells can
    run. A job that was interrupted or opened again has a panel too. Below the panel is a record in
    plain HTML, for static pages.

    Without ipywidgets, the same is shown as a table with commands to type.

    Parameters
    ----------
    session
        The session or job to show. Orders that are not priced yet are priced, which buys nothing.
    """
    from shipkit.job import Job
    from shipkit.session import BatchSession

    _silence_log()
    if isinstance(session, Job):
        session = BatchSession.of(session)
    if find_spec("ipywidgets") is None:
        from shipkit.notebook.static_panel import StaticPanel

        return StaticPanel(session)
    from shipkit.notebook.live_panel import LivePanel

    return LivePanel(session)


def _silence_log() -> None:
    """Keep Python from printing warnings logged in the background into whichever cell runs.

    Python does that for a logger without any handler (``logging.lastResort``).
    """
    log = logging.getLogger("shipkit")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
