"""What a run is told from outside, and what it tells: stop requests from any thread, and progress."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Control", "Progress"]


@dataclass(frozen=True)
class Progress:
    """How a run stands. Counts are the whole job's."""

    done: int
    """Rows that need nothing more: shipped, failed, voided, given to a person."""
    total: int
    """Rows that were to be bought."""
    shipped: int
    failed: int
    in_doubt: int
    spent_cents: int
    currency: str
    rate_per_s: float
    """Labels per second of this run."""
    elapsed_s: float
    last_error: str | None = None
    note: str | None = None
    """What the run waits for, in words."""


class Control:
    """Stops a run from any thread. What is asked before the run begins counts too."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._wish: str | None = None
        self._tell: Callable[[], None] | None = None

    def pause(self) -> None:
        """Stop sending; what is in flight is finished and recorded. Resumable."""
        self._ask("pause")

    def stop_now(self) -> None:
        """Cancel what is in flight too: it becomes in doubt, and is looked up on resume."""
        self._ask("stop")

    def cancel(self) -> None:
        """Stop sending, finish what is in flight, and end the job for good."""
        self._ask("cancel")

    @property
    def wish(self) -> str | None:
        """What was asked: ``pause``, ``stop``, ``cancel`` or None."""
        return self._wish

    def listen(self, tell: Callable[[], None] | None) -> None:
        """Call `tell` when something is asked, and now if something was."""
        with self._guard:
            self._tell = tell
        if tell and self._wish:
            tell()

    def _ask(self, wish: str) -> None:
        with self._guard:
            if self._wish in (None, "pause") or wish == "stop":
                self._wish = "cancel" if self._wish == "cancel" and wish == "pause" else wish
            tell = self._tell
        if tell:
            tell()
