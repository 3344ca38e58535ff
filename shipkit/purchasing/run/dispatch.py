"""Calls the carrier at the pace in force and books each outcome: the place where money is spent."""

from __future__ import annotations

import asyncio
import json
import logging

from shipkit.carriers.protocol import repeats_by_key
from shipkit.errors import AnswerLost, CarrierError, CheckpointWriteError, PartlyBought
from shipkit.models import Purchase, Shipment
from shipkit.purchasing.purchase_entry import purchase_entry
from shipkit.purchasing.run.feeder import Feeder
from shipkit.purchasing.run.first_step import FirstStep, NotBought, called
from shipkit.purchasing.run.run_state import RunState, moved
from shipkit.state import STATE_AFTER, JobStatus, Outcome, RowState

__all__ = ["Dispatcher"]

log = logging.getLogger("shipkit.purchasing.run")

_EVENT = {RowState.FAILED: "failed", RowState.PENDING: "not_sent", RowState.IN_DOUBT: "in_doubt"}


class Dispatcher:
    """Starts carrier calls and keeps track of those in progress."""

    def __init__(self, run: RunState, feeder: Feeder) -> None:
        self._run, self._feeder = run, feeder
        self._calls: set[asyncio.Task[None]] = set()
        self._first_step = FirstStep(run)

    async def dispatch(self) -> None:
        """Start calls, as many and as fast as the pace allows, until something stops the run."""
        run, feeder = self._run, self._feeder
        while True:
            while not feeder.ready:
                feeder.filled.clear()
                run.hungry.set()
                await feeder.filled.wait()
            await self._first_step.admit()
            # Waiting for the pacer can take minutes: the run may have been stopped meanwhile, and
            # the feeder may have taken back what was ready.
            if run.stop is not None or not feeder.ready:
                self._first_step.dismiss()
                if run.stop is not None:
                    return
                continue
            call = asyncio.create_task(self._ship(*feeder.ready.popleft()))
            self._calls.add(call)
            call.add_done_callback(self._called)
            run.hungry.set()

    def cancel(self) -> None:
        """Cancel the calls in progress. Their rows are in doubt: the carrier may have acted."""
        for call in self._calls:
            call.cancel()

    async def ended(self) -> None:
        """Wait until no call is in progress."""
        while self._calls:
            await asyncio.wait(self._calls)

    def _called(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not call.cancelled() and (error := call.exception()) is not None:
            # shipkit itself failed after the carrier had answered. The row stays in flight on disk,
            # which is the truth: it is looked up on resume.
            self._log_unbooked(error)
            reason = (
                f"shipkit failed ({type(error).__name__}: {error}); rows in flight are looked up "
                "on resume"
            )
            self._run.halt(
                JobStatus.FAILED, str(error) if isinstance(error, CheckpointWriteError) else reason
            )
        self._run.poke()

    def _log_unbooked(self, error: BaseException) -> None:
        """Log a defect with its traceback; a full disk, which every row in flight meets, once."""
        if not isinstance(error, CheckpointWriteError):
            log.error("a row could not be booked: %s", type(error).__name__, exc_info=error)
        elif self._run.stop is None:
            log.error("rows could not be booked: %s", error)

    async def _ship(self, row: int, shipment: Shipment) -> None:
        """Buy one row and book the outcome."""
        run, attempt = self._run, int(self._run.ledger.attempts[row])
        reference, manifest = run.store.reference(row, attempt), run.manifest
        try:
            async with self._first_step.sent_under(row, shipment, reference) as key:
                # Before this line a repeat is free; after it a repeat may buy a second label.
                answer = await called(
                    run, lambda: run.carrier.ship(shipment, manifest.shipper, key, manifest.label)
                )
        except NotBought as held:
            if held.error is None:
                self._feeder.put_back(row)
            else:
                self._book_error(row, attempt, reference, held.error, seen=held.seen)
            return
        if isinstance(answer, CarrierError):
            self._book_error(row, attempt, reference, answer)
        else:
            self._book(row, attempt, reference, answer)

    def _book(self, row: int, attempt: int, reference: str, purchase: Purchase) -> None:
        """Record a purchase."""
        run = self._run
        run.pacer.saw(None)
        entry = purchase_entry(
            purchase,
            row=row,
            event="result",
            state=RowState.SHIPPED,
            attempt=attempt,
            reference=reference,
            quoted_cents=int(run.spend.quoted[row]),
            currency=run.spend.currency(row),
            watch=run.ledger.watch.get(row),
        )
        # Not awaited: until the entry is durable the row is in flight on disk, so a crash now leads
        # to a look-up that adopts the shipment. Waiting would only slow the run down.
        run.ledger.record([entry], urgent=False)
        cents = entry.charged_cents or 0
        run.spend.charge(row, cents)
        run.bought += 1
        if drift := run.spend.drifted(row, cents):
            run.halt(JobStatus.PAUSED, drift)

    def _book_error(
        self,
        row: int,
        attempt: int,
        reference: str,
        error: CarrierError,
        seen: CarrierError | None = None,
    ) -> None:
        """Record an error, and do with the row what its outcome allows.

        `seen` is what the pace learns of, where that is another error.
        """
        run = self._run
        refused = error.refused if isinstance(error, PartlyBought) else None
        if (
            error.outcome is Outcome.REJECTED
            and repeats_by_key(run.carrier)
            and row in run.ledger.watch
        ):
            # An earlier try may have bought: the refusal is about this one only.
            refused, seen = error.message, seen or error
            error = AnswerLost(
                f"{error.message} This was a repeat: what the first try bought is not known.",
                carrier_code=error.carrier_code,
                transaction_id=error.transaction_id,
            )
        state = STATE_AFTER[error.outcome]
        details = json.dumps({"transaction_id": error.transaction_id})
        entry = moved(
            row,
            _EVENT[state],
            state,
            attempt=attempt,
            reference=reference,
            code=error.carrier_code or error.code,
            message=error.message,
            fix=error.fix,
            details=details if error.transaction_id else None,
            watch=run.ledger.watch.get(row),
        )
        run.ledger.record([entry], urgent=False)
        run.last_error = error.message
        run.pacer.saw(seen or error)
        if state is RowState.IN_DOUBT:
            # It may have been bought, so its reservation stays.
            run.doubts.add(row, refused=refused)
        else:
            run.spend.release(row)
        if state is RowState.PENDING:
            run.send_again(row)
        if state is RowState.FAILED and run.options.on_error == "halt":
            run.halt(JobStatus.PAUSED, f"halted at the first failed row: {error.message}")
        if run.pacer.broken:
            run.halt_account(run.pacer.broken)
