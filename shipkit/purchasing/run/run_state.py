"""What the parts of one run share: ledger, carrier, pace, limits, rows in doubt, why it stops."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier
from shipkit.purchasing.reconcile import Reconciler
from shipkit.purchasing.signals import Control, Progress
from shipkit.purchasing.spend import Spend
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.purchasing.store.ledger import Ledger, now_us
from shipkit.purchasing.store.planrows import PlanRows
from shipkit.state import JobStatus, RowState

__all__ = ["Options", "RunState", "moved", "wait"]

_SMOOTHING = 0.1
"""Weight of the newest call in the smoothed duration."""


@dataclass(frozen=True)
class Options:
    """The options of a run, with every default already applied."""

    pacer: Pacer
    control: Control
    on_error: str
    """``continue`` or ``halt``."""
    progress: Callable[[Progress], None] | None
    timeout_s: float
    """The longest a carrier call should take."""
    grace_s: float
    """How long a row must be in doubt before a look-up may conclude absence."""
    resend: str
    """``proven``, ``ask`` or ``never``."""


class RunState:
    """One run of a job by the process that owns it. Used by one event loop."""

    def __init__(self, store: JobStore, ledger: Ledger, carrier: Carrier, options: Options) -> None:
        self.store, self.ledger, self.carrier, self.options = store, ledger, carrier, options
        self.manifest, self.pacer, self.control = store.manifest, options.pacer, options.control
        self.began = time.monotonic()
        self.rows = PlanRows(store.path)
        quotes = pq.read_table(
            store.path / "quotes.parquet", columns=["cost_cents", "currency"], partitioning=None
        )
        self.spend = Spend(
            ledger,
            quotes.column("cost_cents").fill_null(0).to_numpy(),
            quotes.column("currency"),
            self.manifest.limits,
        )
        self.again: list[int] = []
        """Rows that are pending again and go first."""
        self.doubts = Reconciler(
            store,
            ledger,
            carrier,
            pacer=self.pacer,
            rows=self.rows,
            spend=self.spend,
            grace_s=options.grace_s,
            resend=options.resend,
            again=self.send_again,
        )
        self.changed = asyncio.Event()
        """Set when anything has happened that may end the run."""
        self.hungry = asyncio.Event()
        """Set when intents are wanted."""
        self.stop: tuple[JobStatus, str] | None = None
        """Why nothing more is sent: the status to end with, and the reason in words."""
        self.last_error: str | None = None
        self.note: str | None = None
        """What the run is waiting for, in words."""
        self.bought = 0
        """Shipments bought by this run."""
        self.call_s: float | None = None
        """Smoothed duration of a carrier call in seconds, None before the first has ended."""

    def halt(self, status: JobStatus, reason: str) -> None:
        """Stop sending. The first reason is kept, except that a cancellation replaces any other."""
        if self.stop is None or status is JobStatus.CANCELLED:
            self.stop = (status, reason)
        self.poke()

    def poke(self) -> None:
        """Wake everything that waits for a change."""
        self.changed.set()
        self.hungry.set()

    def call_took(self, seconds: float) -> None:
        """Take note of the duration of a call."""
        self.call_s = (
            seconds if self.call_s is None else self.call_s + _SMOOTHING * (seconds - self.call_s)
        )

    def send_again(self, row: int) -> None:
        """Send `row` once more, under its next reference."""
        self.again.append(row)
        self.poke()

    def attempt(self, row: int) -> dict[str, Any]:
        """Return the fields of a ledger entry that say which attempt it is about: the last one."""
        attempt = int(self.ledger.attempts[row])
        return {
            "attempt": attempt,
            "reference": self.store.reference(row, attempt),
            "watch": self.ledger.watch.get(row),
        }


def moved(row: int, event: str, state: RowState, **fields: Any) -> LedgerEntry:
    """Return the ledger entry that moves `row` to `state` now."""
    return LedgerEntry(row=row, event=event, state=state.value, at=now_us(), **fields)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for `event`, but not longer than `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
