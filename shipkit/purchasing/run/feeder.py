"""Chooses what is sent next and writes its intents, durable before anything is sent and only a little ahead of the calls."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Any

from shipkit.models import Shipment
from shipkit.purchasing.run.run_state import RunState, moved, wait
from shipkit.schema import shipment_from_row
from shipkit.state import JobStatus, RowState

__all__ = ["Feeder"]

_REFILL_S = 0.02
"""Intents are written ahead for about this long, so that commits stay off the critical path and a kill leaves few in doubt."""


class Feeder:
    """The untouched rows in the order of the plan, and those that came back; each reserved, then written, then ready."""

    def __init__(self, run: RunState) -> None:
        self._run = run
        self.ready: deque[tuple[int, Shipment]] = deque()
        """Intent durable, call not begun."""
        self.filled = asyncio.Event()
        self._source = run.rows.dicts(run.ledger.rows(RowState.PENDING))
        self._writing: list[tuple[int, Shipment]] = []
        self._held: tuple[int, dict[str, Any] | None] | None = None
        """The next row, when the limits do not allow it yet."""
        self._exhausted = False

    @property
    def done(self) -> bool:
        """Whether nothing is left to choose from."""
        return self._exhausted and not self._run.again and self._held is None

    async def feed(self) -> None:
        """Write intents as they are wanted, until cancelled."""
        run = self._run
        while True:
            batch = self._next_batch(self._wanted())
            if not batch:
                run.hungry.clear()
                run.changed.set()
                await wait(run.hungry, 0.25)
                continue
            self._writing = batch
            await run.ledger.record(
                [
                    moved(
                        row,
                        "intent",
                        RowState.IN_FLIGHT,
                        attempt=attempt,
                        reference=run.store.reference(row, attempt),
                    )
                    for row, attempt in (
                        (row, int(run.ledger.attempts[row]) + 1) for row, _ in batch
                    )
                ]
            )
            self.ready.extend(batch)
            self._writing = []
            self.filled.set()

    def take_back(self) -> None:
        """Make pending again what has an intent and was provably not sent."""
        unsent, self._writing = [*self.ready, *self._writing], []
        self.ready.clear()
        run = self._run
        for row, _ in unsent if not run.ledger.broken else ():
            run.ledger.record(
                [moved(row, "not_sent", RowState.PENDING, **run.attempt(row))], urgent=False
            )
            run.spend.release(row)

    def _wanted(self) -> int:
        """Return how many intents to write now: enough for the calls that could start before the next commit ends, and no more."""
        run, pacer = self._run, self._run.pacer
        if run.stop or pacer.pause_s > 0:
            return 0
        ahead, refill = self._ahead(pacer.allowed / run.call_s if run.call_s else None)
        low = ahead if pacer.rate_per_s else max(0, pacer.allowed - pacer.active) + ahead
        return low + refill - len(self.ready) if len(self.ready) < low else 0

    def _ahead(self, calls_per_s: float | None) -> tuple[int, int]:
        """Return how many intents must be ready, so that no call waits for a commit, and how many more make one commit worth its while.

        By the pace that is possible, not the one that was reached: else a slow disk would make the
        run slower, and that the supply smaller. Never more than the concurrency: a kill leaves
        them to be looked up.
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
        """Return up to `count` shipments whose price is reserved."""
        run, batch = self._run, list[tuple[int, Shipment]]()
        while len(batch) < count and run.stop is None and (chosen := self._choose()):
            row, fields = chosen
            if refusal := run.spend.refusal(row):
                if not (batch or run.ledger.count(RowState.IN_FLIGHT) or run.doubts.doubts):
                    run.halt(JobStatus.PAUSED, refusal)
                break
            self._held = None
            shipment = self._shipment(row, fields)
            if shipment is not None:
                run.spend.reserve(row)
                batch.append((row, shipment))
        return batch

    def _choose(self) -> tuple[int, dict[str, Any] | None] | None:
        """Hold the next row and return it, None when there is none. What came back goes first, and is read anew."""
        if self._held is None and self._run.again:
            self._held = (self._run.again.pop(0), None)
        if self._held is None:
            self._held = next(self._source, None)
            self._exhausted = self._held is None
        return self._held

    def _shipment(self, row: int, fields: dict[str, Any] | None) -> Shipment | None:
        """Return the shipment of a row; one that cannot be made is set aside, before anything is sent."""
        try:
            return self._run.rows.one(row) if fields is None else shipment_from_row(fields)
        except (ValueError, TypeError, KeyError) as error:
            text = f"The plan's row cannot be read as a shipment: {type(error).__name__}."
            line = moved(
                row,
                "skipped",
                RowState.SKIPPED,
                code="row_unreadable",
                message=text,
                fix="Correct the row in the source and run it again.",
            )
            self._run.ledger.record([line])
            return None
