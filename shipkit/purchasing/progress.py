"""The progress bar of a job: in a terminal, in a notebook, or none at all."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Self

from shipkit.models import Money
from shipkit.purchasing.run import Progress

__all__ = ["Watcher", "watcher"]

Callback = Callable[[Progress], None]


class Watcher(AbstractContextManager["Watcher"]):
    """A progress bar for one job. Drawn on stderr, so that stdout has nothing but results."""

    def __init__(self, total: int, label: str) -> None:
        bar = _bar_class()
        self._bar = bar(total=total, desc=label, unit="label", leave=True, dynamic_ncols=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def __call__(self, progress: Progress) -> None:
        """Draw `progress`."""
        self._bar.total = progress.total
        self._bar.n = progress.done
        facts = [str(Money.from_cents(progress.spent_cents, progress.currency))]
        facts += [
            f"{count:,} {name}"
            for name, count in (("failed", progress.failed), ("in doubt", progress.in_doubt))
            if count
        ]
        self._bar.set_postfix_str(", ".join(facts), refresh=False)
        self._bar.refresh()


def watcher(
    progress: Callback | bool | None, total: int, label: str
) -> AbstractContextManager[Callback | None]:
    """Return the callback that shows the progress of a job, as a context manager.

    Parameters
    ----------
    progress
        The caller's own callback; None for a bar in a notebook or a terminal; False for nothing.
    total
        How many labels the job has to buy.
    label
        The text in front of the bar.
    """
    if callable(progress):
        return nullcontext(progress)
    if progress is False or (progress is None and not (_in_notebook() or sys.stderr.isatty())):
        return nullcontext(None)
    return Watcher(total, label)


def _bar_class() -> Any:
    if _in_notebook():
        try:
            import ipywidgets  # noqa: F401 - only whether it is there
            from tqdm.notebook import tqdm as notebook_bar
        except ImportError:
            pass
        else:
            return notebook_bar
    from tqdm import tqdm

    return tqdm


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell else None
    return type(found).__name__ == "ZMQInteractiveShell"
