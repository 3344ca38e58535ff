"""The progress bar of a job: in a terminal, in a notebook, or none at all."""

from __future__ import annotations

import datetime as dt
import sys
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Self

from shipkit.common.html import block, escape
from shipkit.common.live_output import LiveOutput
from shipkit.common.words import total_text
from shipkit.purchasing.run import Progress

if TYPE_CHECKING:
    from shipkit.purchasing.result import BatchResult

__all__ = ["Bar", "watcher"]

Callback = Callable[[Progress], None]

_EVERY_S = 0.25
"""Most often that a bar in a notebook is drawn again: each time is a message to the browser."""


class Bar(AbstractContextManager["Bar"]):
    """A progress bar for one job."""

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __call__(self, progress: Progress) -> None:
        """Draw `progress`."""

    @abstractmethod
    def finish(self, result: BatchResult) -> None:
        """Draw how the run ended: also one that had nothing to do, and reported nothing."""


class TerminalBar(Bar):
    """A bar on stderr, so that stdout has nothing but results."""

    def __init__(self, total: int, label: str) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=total, desc=label, unit="label", leave=True, dynamic_ncols=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def __call__(self, progress: Progress) -> None:
        self._bar.total = progress.total
        self._bar.n = progress.done
        self._bar.set_postfix_str(_spent(progress), refresh=False)
        self._bar.refresh()

    def finish(self, result: BatchResult) -> None:
        self._bar.n = _done(result)
        self._bar.refresh()


class NotebookBar(Bar):
    """An output in plain HTML and text, which a saved notebook keeps as it was at the end."""

    def __init__(self, total: int, label: str) -> None:
        self._label = label
        self._output = LiveOutput()
        self._drawn = 0.0
        self._ended = False
        self._at = (0, 0, total)
        self._draw("starting")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._ended:
            self._draw("stopped" if kind is None else f"stopped: {kind.__name__}")

    def __call__(self, progress: Progress) -> None:
        self._at = (progress.done - progress.failed, progress.done, progress.total)
        if time.monotonic() - self._drawn >= _EVERY_S:
            self._draw(f"{_spent(progress)}; running, as of {dt.datetime.now(dt.UTC):%H:%M:%S} UTC")

    def finish(self, result: BatchResult) -> None:
        done = _done(result)
        self._at = (done - result.failed, done, done + result.in_doubt + result.remaining)
        self._ended = True
        failed = f", {result.failed:,} failed" if result.failed else ""
        self._draw(f"{total_text(result.totals)}{failed}; {result.status_text}")

    def _draw(self, facts: str) -> None:
        self._drawn = time.monotonic()
        labels, done, total = self._at
        text = f"{labels:,} of {total:,} labels, {facts}"
        bar = f'<progress value="{done}" max="{max(total, 1)}" style="width:14em"></progress>'
        self._output.show(
            {
                "text/plain": f"{self._label}: {text}",
                "text/html": block(
                    f"<div>{escape(self._label)} {bar} {escape(text)}</div>",
                    name="shipkit-progress",
                ),
            }
        )


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
    if progress is False:
        return nullcontext(None)
    if _in_notebook():
        return NotebookBar(total, label)
    return TerminalBar(total, label) if progress or sys.stderr.isatty() else nullcontext(None)


def _spent(progress: Progress) -> str:
    facts = [progress.spent]
    facts += [
        f"{count:,} {name}"
        for name, count in (("failed", progress.failed), ("in doubt", progress.in_doubt))
        if count
    ]
    return ", ".join(facts)


def _done(result: BatchResult) -> int:
    return result.shipped + result.failed + result.voided


def _in_notebook() -> bool:
    """Whether this is a kernel of Jupyter, or one that is derived from it (Colab, Databricks)."""
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell else None
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in type(found).__mro__)
