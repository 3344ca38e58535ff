"""Finds out what became of rows in doubt: looked up by reference, adopted, sent again by policy, or given to a person.

The carrier's answer to a look-up that *began* later than the grace (longer than the client's
time-out plus the carrier's processing) may conclude absence; an earlier one may only adopt. Time
is monotonic and starts anew with every owner of the job, so a clock that is set back changes
nothing.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier
from shipkit.errors import AnswerLost, CarrierError
from shipkit.models import ChargeBasis, Purchase, ServiceLevel
from shipkit.purchasing.spend import Spend
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.ledger import Ledger, now_us
from shipkit.purchasing.store.planrows import PlanRows
from shipkit.purchasing.store.segments import LabelBytes, LedgerEntry, last_lines
from shipkit.state import RowState

__all__ = ["Doubt", "Reconciler", "late_rows", "purchase_line", "surplus"]

log = logging.getLogger("shipkit.purchasing.reconcile")

_FIRST_LOOK_S = 1.0
_LONGEST_LOOK_S = 30.0
_LONGEST_PROOF_S = 600.0
"""A run waits this long for a proof of absence; a row that needs longer goes to a person."""
_UNREACHABLE_S = 30.0
"""After the time to conclude, how long look-ups may go on failing before the run ends without them."""
_MAY_TURN_UP = [RowState.IN_FLIGHT.value, RowState.IN_DOUBT.value, RowState.REVIEW.value]


@dataclass
class Doubt:
    """One row in doubt: since when absence may be counted, and when it is looked up next. Monotonic seconds."""

    row: int
    since: float
    next_at: float
    delay_s: float
    looks: int = 0
    error: str | None = None


class Reconciler:
    """Looks after the rows in doubt of a job that somebody owns."""

    def __init__(
        self,
        store: JobStore,
        ledger: Ledger,
        carrier: Carrier,
        *,
        pacer: Pacer,
        rows: PlanRows,
        spend: Spend,
        grace_s: float,
        resend: str,
        again: Callable[[int], None],
    ) -> None:
        self._store, self._ledger, self._carrier, self._pacer = store, ledger, carrier, pacer
        self._rows, self._spend, self._again = rows, spend, again
        self._grace_s = grace_s
        proof = carrier.absence_is_proof_after_s
        self._proof_s = (
            proof
            if resend == "proven" and proof is not None and proof <= _LONGEST_PROOF_S
            else None
        )
        self.doubts: dict[int, Doubt] = {}
        self.known_surplus: set[str] = set(_ever_surplus(store))
        """Shipments reported already, voided ones included."""

    @property
    def conclude_after_s(self) -> float:
        """When absence may be concluded: after the grace, and where the carrier can prove it, not before its proof."""
        return max(self._grace_s, self._proof_s or 0.0)

    def add(self, row: int, since: float | None = None) -> None:
        """Look after `row` from now on."""
        now = time.monotonic()
        delay = min(_FIRST_LOOK_S, max(self._grace_s / 4, 0.05))
        self.doubts[row] = Doubt(row, now if since is None else since, now + delay, delay)

    def due(self, now: float) -> list[Doubt]:
        """Return what is to be looked up at `now`."""
        return [doubt for doubt in self.doubts.values() if doubt.next_at <= now]

    def unlooked(self) -> list[Doubt]:
        """Return what was never looked up."""
        return [doubt for doubt in self.doubts.values() if doubt.looks == 0]

    def give_up(self, now: float) -> None:
        """Leave rows whose look-ups keep failing: they stay in doubt, for the next run."""
        late = self.conclude_after_s + _UNREACHABLE_S
        for doubt in [d for d in self.doubts.values() if d.error and now - d.since > late]:
            del self.doubts[doubt.row]

    async def look(self, doubt: Doubt) -> None:
        """Ask the carrier about one row in doubt, and record what follows."""
        row, attempt = doubt.row, int(self._ledger.attempts[doubt.row])
        await self._pacer.enter()
        began = time.monotonic()
        try:
            found = await self._find(row, attempt)
            doubt.error = None
        except CarrierError as error:
            doubt.error = error.message
            self._postpone(doubt)
            return
        finally:
            doubt.looks += 1
            self._pacer.leave()
        if found:
            self._adopt(row, attempt, found)
        elif began - doubt.since >= self.conclude_after_s:
            self._absent(row, attempt)
        else:
            self._postpone(doubt)

    async def watch(self) -> None:
        """Look up the references of attempts that were concluded absent; what turned up is reported as surplus."""
        for row, attempts in list(self._ledger.watch.items()):
            for attempt in attempts:
                await self._pacer.enter()
                try:
                    found = await self._find(row, attempt)
                except CarrierError as error:
                    log.info("a look-up of an old reference failed: %s", error.code)
                    continue
                finally:
                    self._pacer.leave()
                self._surplus(row, attempt, [purchase for purchase in found if not purchase.voided])

    async def review(self, row: int) -> None:
        """Look once more for a row that waits for a person: found means shipped."""
        attempt = int(self._ledger.attempts[row])
        try:
            found = await self._find(row, attempt)
        except CarrierError:
            return
        if found:
            self._adopt(row, attempt, found)

    async def _find(self, row: int, attempt: int) -> list[Purchase]:
        try:
            return await self._carrier.find(
                self._store.reference(row, attempt), self._store.manifest.label, self._rows.one(row)
            )
        except CarrierError:
            raise
        except Exception as error:  # a defect in the carrier's code tells nothing about the row
            log.warning("a look-up failed in the carrier's code", exc_info=error)
            raise AnswerLost(
                f"The carrier's answer to a look-up could not be read ({type(error).__name__})."
            ) from error

    def _adopt(self, row: int, attempt: int, found: Sequence[Purchase]) -> None:
        standing = [purchase for purchase in found if not purchase.voided]
        chosen = (standing or list(found))[0]
        state = RowState.VOIDED if chosen.voided else RowState.SHIPPED
        line = purchase_line(
            chosen,
            row=row,
            event="adopted",
            state=state,
            attempt=attempt,
            reference=self._store.reference(row, attempt),
            quoted_cents=int(self._spend.quoted[row]),
            currency=self._spend.currency(row),
            watch=self._ledger.watch.get(row),
        )
        self._ledger.record([line], urgent=False)
        self._spend.charge(row, 0 if chosen.voided else line.charged_cents or 0)
        self.doubts.pop(row, None)
        self._surplus(row, attempt, standing[1:])

    def _absent(self, row: int, attempt: int) -> None:
        reference = self._store.reference(row, attempt)
        again = self._proof_s is not None
        watch = (
            [*self._ledger.watch.get(row, ()), attempt] if again else self._ledger.watch.get(row)
        )
        line = LedgerEntry(
            row=row,
            event="absent" if again else "review",
            state=(RowState.PENDING if again else RowState.REVIEW).value,
            attempt=attempt,
            reference=reference,
            at=now_us(),
            watch=watch,
            code=None if again else "not_found",
            message=None
            if again
            else "The carrier never answered, and does not find the shipment by its reference.",
            fix=None
            if again
            else "Look at the carrier's own shipping history; then say resend, or set it aside.",
        )
        self._ledger.record([line], urgent=False)
        self.doubts.pop(row, None)
        if again:
            self._spend.release(row)
            self._again(row)

    def _surplus(self, row: int, attempt: int, purchases: Sequence[Purchase]) -> None:
        """Report shipments that nobody asked for twice: they can be voided."""
        for purchase in purchases:
            if purchase.shipment_id in self.known_surplus:
                continue
            self.known_surplus.add(purchase.shipment_id)
            facts = {"shipment_id": purchase.shipment_id, "row": row}
            line = LedgerEntry(
                row=row,
                event="surplus",
                state=None,
                attempt=attempt,
                reference=self._store.reference(row, attempt),
                at=now_us(),
                shipment_id=purchase.shipment_id,
                tracking_numbers=purchase.tracking_numbers,
                details=json.dumps(facts),
                message="The carrier has one more shipment of this row than was adopted.",
                fix="Give it back: session.void_surplus().",
            )
            self._ledger.record([line], urgent=False)

    def _postpone(self, doubt: Doubt) -> None:
        now = time.monotonic()
        doubt.delay_s = min(doubt.delay_s * 1.7, _LONGEST_LOOK_S)
        conclude = doubt.since + self.conclude_after_s
        doubt.next_at = now + doubt.delay_s
        if doubt.error is None and now < conclude < doubt.next_at:
            doubt.next_at = conclude + 0.01


def late_rows(store: JobStore) -> int:
    """Return how many rows have something that may still turn up at the carrier: an old reference, a doubt, a decision to make."""
    table = store.chain(("row", "state", "watch")).table
    last = table.take(last_lines(table))
    doubtful = pc.is_in(last.column("state"), value_set=pa.array(_MAY_TURN_UP))
    return int(pc.sum(pc.or_(doubtful, pc.is_valid(last.column("watch")))).as_py() or 0)


def _ever_surplus(store: JobStore) -> list[str]:
    notes = store.notes()
    found: list[str] = (
        notes.filter(pc.equal(notes.column("event"), "surplus")).column("shipment_id").to_pylist()
    )
    return found


def surplus(store: JobStore) -> pa.Table:
    """Return the shipments that exist at the carrier beside the adopted ones, and were not voided yet."""
    notes = store.notes()
    found = notes.filter(pc.equal(notes.column("event"), "surplus"))
    gone = notes.filter(pc.equal(notes.column("event"), "surplus_voided")).column("shipment_id")
    return found.filter(
        pc.invert(pc.is_in(found.column("shipment_id"), value_set=gone.combine_chunks()))
    )


def purchase_line(
    purchase: Purchase,
    *,
    row: int,
    event: str,
    state: RowState,
    attempt: int,
    reference: str,
    quoted_cents: int,
    currency: str,
    watch: Sequence[int] | None = None,
) -> LedgerEntry:
    """Return the line that books a shipment: charge, numbers and label bytes together, so that one commit keeps all or nothing.

    A charge that the carrier does not tell is estimated from the quote, and marked so.
    """
    charge, at = purchase.charge, now_us()
    numbers = purchase.tracking_numbers
    labels = [
        LabelBytes(
            label.tracking_number,
            label.format.value,
            label.kind,
            numbers.index(label.tracking_number) if label.tracking_number in numbers else 0,
            label.data,
        )
        for label in purchase.labels
    ]
    return LedgerEntry(
        row=row,
        event=event,
        state=state.value,
        attempt=attempt,
        reference=reference,
        at=at,
        shipped_at=at,
        shipment_id=purchase.shipment_id,
        tracking_numbers=numbers,
        service=_service(purchase.service),
        charged_cents=quoted_cents if charge is None else charge.cents,
        currency=currency if charge is None else charge.currency,
        charge_basis=(ChargeBasis.ESTIMATED if charge is None else charge.basis).value,
        billed_weight_lb=None if charge is None else charge.billed_weight_lb,
        details=json.dumps({"warnings": list(purchase.warnings)}) if purchase.warnings else None,
        watch=watch,
        labels=labels or None,
    )


def _service(service: ServiceLevel | None) -> str | None:
    return None if service is None else service.value
