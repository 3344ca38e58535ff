"""What the parts of one run share: the books, the carrier and its pace, what was said, and why it stops."""

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
from shipkit.purchasing.store.ledger import Ledger, now_us
from shipkit.purchasing.store.planrows import PlanRows
from shipkit.purchasing.store.segments import LedgerEntry
from shipkit.state import JobStatus, RowState

__all__ = ["Options", "RunState", "moved", "wait"]


@dataclass(frozen=True)
class Options:
    """How a run is made, settled: nothing here is a default any more."""

    pacer: Pacer
    control: Control
    on_error: str
    progress: Callable[[Progress], None] | None
    timeout_s: float
    grace_s: float
    resend: str


class RunState:
    """One run of a job by its owner. Lives on one event loop."""

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
        """Rows that came back and may be sent once more."""
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
        self.changed, self.hungry = asyncio.Event(), asyncio.Event()
        """Something ended; intents are wanted."""
        self.stop: tuple[JobStatus, str] | None = None
        self.last_error: str | None = None
        self.note: str | None = None
        """What the run waits for, in words."""
        self.bought = 0
        self.call_s: float | None = None
        """Smoothed duration of a call; None before the first ended."""

    def halt(self, status: JobStatus, reason: str) -> None:
        """Stop sending. The first reason stands, but cancelling is final."""
        if self.stop is None or status is JobStatus.CANCELLED:
            self.stop = (status, reason)
        self.poke()

    def poke(self) -> None:
        """Something moved: whoever waits looks again."""
        self.changed.set()
        self.hungry.set()

    def call_took(self, seconds: float) -> None:
        """Take note of how long a call took."""
        self.call_s = (
            seconds if self.call_s is None else self.call_s + 0.1 * (seconds - self.call_s)
        )

    def send_again(self, row: int) -> None:
        """Send `row` once more, under its next reference."""
        self.again.append(row)
        self.poke()

    def attempt(self, row: int) -> dict[str, Any]:
        """Return what a line says about the row's last attempt."""
        attempt = int(self.ledger.attempts[row])
        return {
            "attempt": attempt,
            "reference": self.store.reference(row, attempt),
            "watch": self.ledger.watch.get(row),
        }


def moved(row: int, event: str, state: RowState, **fields: Any) -> LedgerEntry:
    """Return the line that moves `row` to `state` now."""
    return LedgerEntry(row=row, event=event, state=state.value, at=now_us(), **fields)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for `event`, so long at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
