"""Chooses what is sent next and writes its intent, durably, shortly before it is sent.

An intent says "this row may be on its way, under this reference". It must be on disk before the
request leaves. And there should be few of them ahead of the calls: after a kill, each is a row that
must be looked up.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from typing import Any

from shipkit.models import Shipment
from shipkit.purchasing.run.run_state import RunState, moved, wait
from shipkit.purchasing.run.waiting_returns import WaitingReturns
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.schema import shipment_from_row
from shipkit.services import mover_of
from shipkit.state import JobStatus, RowState

__all__ = ["Feeder"]

_REFILL_S = 0.02
"""One commit writes the intents for about this many seconds of calls, on top of the reserve.

Fewer would make a commit per call; more would leave more rows to look up after a kill.
"""

_IDLE_S = 0.25
"""How often the feeder looks by itself whether intents are wanted."""


class Feeder:
    """Feeds the dispatcher: a row is chosen, its price reserved, its intent written, then ready.

    Rows that came back (not sent, or proven absent) go before untouched ones, which are taken in
    the order of the plan. Return labels come last, each once its parcel is bought.
    """

    def __init__(self, run: RunState) -> None:
        self._run = run
        self.ready: deque[tuple[int, Shipment]] = deque()
        """Rows whose intent is durable and whose call has not begun."""
        self.filled = asyncio.Event()
        """Set when something became ready."""
        self._returns = WaitingReturns(run, run.rows_in(RowState.PENDING))
        self._source = run.rows.dicts(self._returns.others)
        self._writing: list[tuple[int, Shipment]] = []
        """Rows whose intents are being written."""
        self._held: tuple[int, dict[str, Any] | None] | None = None
        """The next row, when it was chosen but the limits do not allow it yet."""
        self._exhausted = False

    @property
    def done(self) -> bool:
        """Whether nothing is left to choose from, or to wait for."""
        left = self._run.again or self._held is not None
        return self._exhausted and not left and not self._returns.may_settle()

    async def feed(self) -> None:
        """Write intents as they are wanted, until cancelled."""
        run = self._run
        while True:
            batch = self._next_batch(self._wanted())
            if not batch:
                run.hungry.clear()
                run.changed.set()
                await wait(run.hungry, _IDLE_S)
                continue
            self._writing = batch
            await run.ledger.record([self._intent(row) for row, _ in batch])
            self.ready.extend(batch)
            self._writing = []
            self.filled.set()

    def take_back(self) -> None:
        """Make rows pending again that have an intent and whose call never began."""
        unsent, self._writing = [*self.ready, *self._writing], []
        self.ready.clear()
        for row, _ in unsent if not self._run.ledger.broken else ():
            self.put_back(row)

    def put_back(self, row: int) -> None:
        """Make a row pending again whose purchase was never sent."""
        run = self._run
        run.ledger.record(
            [moved(row, "not_sent", RowState.PENDING, **run.attempt(row))], urgent=False
        )
        run.spend.release(row)

    def _intent(self, row: int) -> LedgerEntry:
        """Return the entry that starts the next attempt of a row, under a reference of its own."""
        run = self._run
        attempt = int(run.ledger.attempts[row]) + 1
        return moved(
            row,
            "intent",
            RowState.IN_FLIGHT,
            attempt=attempt,
            reference=run.store.reference(row, attempt),
            # Only the last entry of a row counts after a restart: what is watched goes along.
            watch=run.ledger.watch.get(row),
            details=self._seller(row),
        )

    def _seller(self, row: int) -> str | None:
        """Return the account, the carrier and the service of an intent, for jobs with several."""
        run = self._run
        if run.name is None:
            return None
        service = run.store.services[row].as_py()
        mover = mover_of(service, run.carrier.services.carrier)
        return json.dumps({"account": run.name, "carrier": mover, "service": service})

    def _wanted(self) -> int:
        """Return how many intents to write now.

        Enough for the calls that can start before the next commit ends, and no more.
        """
        run, pacer = self._run, self._run.pacer
        if run.stop or pacer.pause_s > 0:
            return 0
        ahead, refill = self._ahead(pacer.allowed / run.call_s if run.call_s else None)
        low = ahead if pacer.rate_per_s else max(0, pacer.allowed - pacer.active) + ahead
        return low + refill - len(self.ready) if len(self.ready) < low else 0

    def _ahead(self, calls_per_s: float | None) -> tuple[int, int]:
        """Return how many intents must be ready, and how many more make a commit worth its while.

        Ready, so that no call waits for a commit. Both follow the pace that is possible, not the
        pace that was reached: otherwise a slow disk would slow the run, which would shrink the
        supply, which would slow the run further. Neither exceeds the concurrency.
        """
        pacer, commit_s = self._run.pacer, self._run.ledger.commit_s
        if pacer.rate_per_s:
            return 1 + math.ceil(pacer.rate_per_s * commit_s * 2), math.ceil(
                pacer.rate_per_s * 2 * _REFILL_S
            )
        if calls_per_s is None:  # nothing was answered yet, and the first answers come together
            return 1 + math.ceil(pacer.allowed / 4), 0
        return 1 + min(pacer.allowed, math.ceil(calls_per_s * commit_s * 2)), min(
            pacer.allowed, math.ceil(calls_per_s * _REFILL_S)
        )

    def _next_batch(self, count: int) -> list[tuple[int, Shipment]]:
        """Return up to `count` shipments whose prices are reserved."""
        run, batch = self._run, list[tuple[int, Shipment]]()
        while len(batch) < count and run.stop is None and (chosen := self._choose()):
            row, fields = chosen
            own = run.spend.account_refusal(row)
            if refusal := own or run.spend.refusal(row):
                # What is in flight or in doubt may still give its reservation back. Only when
                # there is no such row is the limit really reached.
                if not (batch or run.ledger.count(RowState.IN_FLIGHT) or run.shared.doubtful()):
                    run.halt_account(own) if own else run.halt(JobStatus.PAUSED, refusal)
                break
            self._held = None
            shipment = self._shipment(row, fields)
            if shipment is not None:
                run.spend.reserve(row)
                batch.append((row, shipment))
        return batch

    def _choose(self) -> tuple[int, dict[str, Any] | None] | None:
        """Return the next row and its columns, None when there is none.

        The columns of a row that came back are None: they are read again when it is sent.
        """
        if self._held is None and self._run.again:
            self._held = (self._run.again.pop(0), None)
        if self._held is None:
            self._held = next(self._source, None)
        if self._held is None and len(due := self._returns.take_due()):
            self._source = self._run.rows.dicts(due)
            self._held = next(self._source)
        self._exhausted = self._held is None
        return self._held

    def _shipment(self, row: int, fields: dict[str, Any] | None) -> Shipment | None:
        """Return a row as a shipment; skip the row and return None when it is not one."""
        try:
            return self._run.rows.one(row) if fields is None else shipment_from_row(fields)
        except (ValueError, TypeError, KeyError) as error:
            entry = moved(
                row,
                "skipped",
                RowState.SKIPPED,
                code="row_unreadable",
                message=f"The plan's row is not a shipment: {type(error).__name__}.",
                fix="Correct the row in the source and run it again.",
            )
            self._run.ledger.record([entry])
            return None
