"""What the parts of one run share: ledger, carrier, pace, limits, rows in doubt, why it stops.

A job buys from one account, or from several. Each account of a run has a :class:`RunState` of its
own: its carrier, its pace and breaker, its rows in doubt. What belongs to the job as a whole is in
:class:`SharedState`: the spend limits, and the reason why everything stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier
from shipkit.plan.return_labels import parcel_places
from shipkit.purchasing.reconcile import Reconciler
from shipkit.purchasing.signals import Control, Progress
from shipkit.purchasing.spend import Spend
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import STATES, LedgerEntry
from shipkit.purchasing.store.ledger import Ledger, now_us
from shipkit.purchasing.store.planrows import PlanRows
from shipkit.schema import RETURN_OF
from shipkit.state import JobStatus, RowState

__all__ = ["Options", "RunState", "SharedState", "moved", "wait"]

_UNSETTLED = [
    STATES.index(state) for state in (RowState.PENDING, RowState.IN_DOUBT, RowState.REVIEW)
]
"""A row in flight is settled by this run: its call ends."""
_REVIEW = STATES.index(RowState.REVIEW)

_SMOOTHING = 0.1
"""Weight of the newest call in the smoothed duration."""


@dataclass(frozen=True)
class Options:
    """The options of a run, for one account, with every default already applied."""

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


class SharedState:
    """What all accounts of one run share."""

    def __init__(self, store: JobStore, ledger: Ledger) -> None:
        self._ledger = ledger
        self.spend = Spend.of(store, ledger)
        self.parcels = _parcels_of_returns(store)
        """The row of each return label's parcel, -1 for other rows; None without return labels."""
        self.runs: list[RunState] = []
        """The state of each account."""
        self.changed = asyncio.Event()
        """Set when anything has happened that may end the run."""
        self.stop: tuple[JobStatus, str] | None = None
        """Why nothing more is sent by any account: the status to end with, the reason in words."""

    def poke(self) -> None:
        """Wake everything that waits for a change."""
        self.changed.set()
        for run in self.runs:
            run.hungry.set()

    def may_settle(self, rows: np.ndarray[Any, np.dtype[np.int64]]) -> bool:
        """Return whether one of `rows` is settled, or may be in this run."""
        if not len(rows):
            return False
        states = self._ledger.states[rows]
        if not np.isin(states, _UNSETTLED).all():
            return True
        opened = rows[states != _REVIEW]
        return any(run.stop is None and run.are_mine(opened).any() for run in self.runs)

    def doubtful(self) -> bool:
        """Return whether a row in doubt may still release its reservation."""
        return any(run.doubts.doubts for run in self.runs if run.stop is None)


class RunState:
    """One account's part of a run, by the process that owns the job. Used by one event loop.

    Parameters
    ----------
    shared
        What it shares with the other accounts; default: it is the only one.
    name
        The account's name in the job, None for a job with one account.
    mine
        Which rows of the plan belong to the account; default: all.
    """

    def __init__(
        self,
        store: JobStore,
        ledger: Ledger,
        carrier: Carrier,
        options: Options,
        *,
        shared: SharedState | None = None,
        name: str | None = None,
        mine: np.ndarray[Any, np.dtype[np.bool_]] | None = None,
    ) -> None:
        self.store, self.ledger, self.carrier, self.options = store, ledger, carrier, options
        self.manifest, self.pacer, self.control = store.manifest, options.pacer, options.control
        self.name = name
        self.began = time.monotonic()
        self.rows = PlanRows(store.path)
        self.shared = shared or SharedState(store, ledger)
        self.shared.runs.append(self)
        self.spend, self.changed = self.shared.spend, self.shared.changed
        self._mine = mine
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
            mine=self.is_mine,
        )
        self.hungry = asyncio.Event()
        """Set when intents are wanted."""
        self.own_stop: str | None = None
        """Why nothing more is sent from this account, while others may go on."""
        self.last_error: str | None = None
        self.note: str | None = None
        """What the run is waiting for, in words."""
        self.bought = 0
        """Shipments bought by this run."""
        self.call_s: float | None = None
        """Smoothed duration of a carrier call in seconds, None before the first has ended."""

    @property
    def stop(self) -> tuple[JobStatus, str] | None:
        """Why nothing more is sent: the status to end with, and the reason in words."""
        if self.shared.stop is None and self.own_stop is not None:
            return JobStatus.PAUSED, self.own_stop
        return self.shared.stop

    def halt(self, status: JobStatus, reason: str) -> None:
        """Stop every account. The first reason is kept, but a cancellation replaces any other."""
        if self.shared.stop is None or status is JobStatus.CANCELLED:
            self.shared.stop = (status, reason)
        self.poke()

    def halt_account(self, reason: str) -> None:
        """Stop sending from this account only. The first reason is kept."""
        self.own_stop = self.own_stop or reason
        self.poke()

    def poke(self) -> None:
        """Wake everything that waits for a change."""
        self.shared.poke()

    def is_mine(self, row: int) -> bool:
        """Return whether a row of the plan belongs to this account."""
        return self._mine is None or bool(self._mine[row])

    def are_mine(
        self, rows: np.ndarray[Any, np.dtype[np.int64]]
    ) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which of `rows` belong to this account."""
        return np.ones(len(rows), dtype=bool) if self._mine is None else self._mine[rows]

    def rows_in(self, *states: RowState) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return this account's rows in any of `states`, ascending."""
        rows = self.ledger.rows(*states)
        return rows if self._mine is None else rows[self._mine[rows]]

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


def _parcels_of_returns(store: JobStore) -> np.ndarray[Any, np.dtype[np.int64]] | None:
    with pq.ParquetFile(store.path / "plan.parquet") as stored:
        if RETURN_OF not in stored.schema_arrow.names:
            return None
        if not pc.any(pc.is_valid(stored.read([RETURN_OF])[RETURN_OF])).as_py():
            return None
        places = parcel_places(stored.read(["row_number", RETURN_OF]))
    # A return label that was approved without its parcel is bought alone: an earlier job has that.
    if places is not None:
        places[np.isin(places, store.born_skipped.column("row").to_numpy())] = -1
    return places


def moved(row: int, event: str, state: RowState, **fields: Any) -> LedgerEntry:
    """Return the ledger entry that moves `row` to `state` now."""
    return LedgerEntry(row=row, event=event, state=state.value, at=now_us(), **fields)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for `event`, but not longer than `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
