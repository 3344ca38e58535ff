"""What goes into a running job and what comes out: requests to stop it, and its progress."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from shipkit.common.words import total_text
from shipkit.models import Money

__all__ = ["Control", "Progress"]

_STRENGTH = {None: 0, "pause": 1, "cancel": 2, "stop": 3}
"""Requests that replace others. A second Ctrl-C must be able to stop even a job that is ending."""


@dataclass(frozen=True)
class Progress:
    """The progress of a run. Counts are those of the whole job, earlier runs included."""

    done: int
    """Rows that a run has nothing left to do for: shipped, failed, voided, in review."""
    total: int
    """Rows of the job without skipped ones."""
    shipped: int
    failed: int
    in_doubt: int
    spent_cents: int
    """In `currency`: what was charged in others is in `spent_besides`."""
    currency: str
    rate_per_s: float
    """Labels per second of this run."""
    elapsed_s: float
    last_error: str | None = None
    note: str | None = None
    """What the run is waiting for, in words."""
    spent_besides: tuple[Money, ...] = ()
    """What was charged in other currencies."""

    @property
    def spent(self) -> str:
        """What was charged, in every currency: ``$9.00 + 5.00 CAD``."""
        return total_text([Money.from_cents(self.spent_cents, self.currency), *self.spent_besides])


class Control:
    """Stops a run, from any thread. A request made before the run starts counts too."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._request: str | None = None
        self._notify: Callable[[], None] | None = None

    def pause(self) -> None:
        """Stop sending, finish and record what is in flight. The job can be resumed."""
        self._ask("pause")

    def stop_now(self) -> None:
        """Stop sending and cancel what is in flight: it is in doubt, and looked up on resume."""
        self._ask("stop")

    def cancel(self) -> None:
        """Stop sending, finish what is in flight, and end the job: it cannot be resumed."""
        self._ask("cancel")

    @property
    def request(self) -> str | None:
        """The request in force: ``pause``, ``stop``, ``cancel`` or None."""
        return self._request

    def listen(self, notify: Callable[[], None] | None) -> None:
        """Call `notify` at every request, and now if one was made before."""
        with self._guard:
            self._notify = notify
        if notify and self._request:
            notify()

    def _ask(self, request: str) -> None:
        """Make a request. A later, weaker one does not take back an earlier one."""
        with self._guard:
            if _STRENGTH[request] > _STRENGTH[self._request]:
                self._request = request
            notify = self._notify
        if notify:
            notify()
