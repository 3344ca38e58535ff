"""The notebook face: one panel, a view of a session with a way out."""

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

    It shows rows, filter, mode, count and total by service, problems, and a button that says what
    it buys and for how much; then progress, money spent, Pause, Resume, Cancel, labels and
    results. The job runs in the background, so other cells can run. A job that was interrupted or
    reopened has its panel too. Beside it stands a record as plain HTML for static pages.

    Where ipywidgets is not installed, the same is said as a table with the commands to type.

    Parameters
    ----------
    session
        Orders that are not priced yet are priced, which buys nothing.
    """
    from shipkit.job import Job
    from shipkit.session import BatchSession

    _listen_quietly()
    if isinstance(session, Job):
        session = BatchSession.of(session)
    if find_spec("ipywidgets") is None:
        from shipkit.notebook.static import StaticPanel

        return StaticPanel(session)
    from shipkit.notebook.widget import Panel

    return Panel(session)


def _listen_quietly() -> None:
    """Keep Python from printing log lines that nobody listens to: from the background they would land in whichever cell runs."""
    log = logging.getLogger("shipkit")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
