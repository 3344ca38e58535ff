"""Finds out what became of rows in doubt: bought, not bought, or a question for a person.

A row is in doubt when a request may have reached the carrier and no usable answer came back. It is
looked up by its reference, at growing intervals:

* found: the shipment is *adopted*, and the row is shipped. Sending it again would buy it twice.
* not found, by a look-up that began later than the *grace*: it was not bought. It is sent again
  under a new reference where the carrier declares that absence is proof and the job's policy is
  ``proven``; otherwise the row goes to review.
* not found earlier than that: nothing is concluded. The request may still be on its way.

A carrier with a step before the purchase (:data:`~shipkit.carriers.protocol.Recovery`) is asked by
the id or the key of that step instead, and a row that is sent again buys under the same one: the
carrier itself sells one label, so no second reference has to be watched. Where a key makes the
request repeatable, a refusal of the repeat says nothing about the first try: that row goes to
review, and only a person gives its key up.

All times are monotonic and start when this process took over the job, so setting the clock back
changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier, later_refunds, preparer, repeats_by_key
from shipkit.errors import AnswerLost, CarrierError, LabelNotShown, PartlyBought
from shipkit.models import Purchase, Refund
from shipkit.purchasing.late_shipments import ever_surplus
from shipkit.purchasing.purchase_entry import label_bytes, purchase_entry
from shipkit.purchasing.spend import Spend
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import (
    REPEAT_REFUSED,
    LedgerEntry,
    followed,
    is_owed,
    is_usable,
    voided_in,
    with_refund,
)
from shipkit.purchasing.store.ledger import Ledger, now_us
from shipkit.purchasing.store.planrows import PlanRows
from shipkit.state import RowState

__all__ = ["Doubt", "Reconciler"]

log = logging.getLogger("shipkit.purchasing.reconcile")

_FIRST_LOOK_S = 1.0
_LONGEST_LOOK_S = 30.0
_GROWTH = 1.7
"""Each look-up waits this much longer than the one before, up to `_LONGEST_LOOK_S`."""
_LONGEST_PROOF_S = 600.0
"""The longest a run waits for proof of absence. A row that needs longer goes to review instead."""
_UNREACHABLE_S = 30.0
"""How long look-ups may keep failing, after absence could be concluded, before the run gives up."""
_AFTER_S = 0.01
"""Added to the moment of conclusion, so that a timer that fires early does not waste a look-up."""


@dataclass
class Doubt:
    """One row in doubt. Times are monotonic seconds."""

    row: int
    since: float
    """From when the grace counts."""
    next_at: float
    """When to look it up next."""
    delay_s: float
    """How long the last wait was planned to be."""
    looks: int = 0
    """How many look-ups were made, failed ones included."""
    error: str | None = None
    """Why the last look-up failed, None when it was answered."""
    refused: str | None = None
    """The words of the carrier when it refused the same request again."""


class Reconciler:
    """Settles the rows in doubt of a job that this process owns.

    Parameters
    ----------
    store, ledger, carrier, pacer, rows, spend
        The job, its open ledger, the carrier and its pace, the plan's rows, the spend limits.
    grace_s
        How long after a row became doubtful a look-up must begin before it may conclude absence.
    resend
        The job's policy: ``proven`` sends again after proof of absence, ``ask`` and ``never`` leave
        the row to a person.
    again
        Called with a row that is pending again and may be sent.
    mine
        Tells which rows of the plan `carrier` sells; default: all of them.
    clock
        Monotonic seconds.
    """

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
        mine: Callable[[int], bool] = lambda _: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._ledger, self._carrier, self._pacer = store, ledger, carrier, pacer
        self._rows, self._spend, self._again, self._clock = rows, spend, again, clock
        self._grace_s, self._mine = grace_s, mine
        self._by_id, self._by_key = preparer(carrier) is not None, repeats_by_key(carrier)
        self._refunds_later = later_refunds(carrier) is not None
        proof = carrier.absence_is_proof_after_s
        self._proof_s = (
            proof
            if resend == "proven" and proof is not None and proof <= _LONGEST_PROOF_S
            else None
        )
        self.doubts: dict[int, Doubt] = {}
        """The rows in doubt that this run looks after."""
        self.known_surplus: set[str] = set(ever_surplus(store))
        """Shipments that were reported as surplus before, voided ones included."""

    @property
    def conclude_after_s(self) -> float:
        """How long a row must have been in doubt when a look-up begins that may conclude absence.

        The grace, and where the carrier can prove absence, no less than the time it needs for that.
        """
        return max(self._grace_s, self._proof_s or 0.0)

    def add(self, row: int, since: float | None = None, refused: str | None = None) -> None:
        """Look after `row` from now on. The grace counts from `since`, by default from now.

        `refused` has the words of the carrier, where it refused a repeat.
        """
        now = self._clock()
        delay = min(_FIRST_LOOK_S, max(self._grace_s / 4, 0.05))
        began = now if since is None else since
        self.doubts[row] = Doubt(row, began, now + delay, delay, refused=refused)

    def due(self, now: float) -> list[Doubt]:
        """Return the doubts that should be looked up at `now`."""
        return [doubt for doubt in self.doubts.values() if doubt.next_at <= now]

    def unlooked(self) -> list[Doubt]:
        """Return the doubts that were never looked up."""
        return [doubt for doubt in self.doubts.values() if doubt.looks == 0]

    def give_up(self, now: float) -> None:
        """Stop looking up rows whose look-ups keep failing: they stay in doubt for the next run."""
        late = self.conclude_after_s + _UNREACHABLE_S
        for doubt in [d for d in self.doubts.values() if d.error and now - d.since > late]:
            del self.doubts[doubt.row]

    async def look(self, doubt: Doubt) -> None:
        """Look one row up at the carrier, and record what follows from the answer."""
        row, attempt = doubt.row, int(self._ledger.attempts[doubt.row])
        await self._pacer.enter()
        # The beginning counts, not the end: a look-up that began inside the grace may have read the
        # carrier's books before the purchase landed there, however long its answer took.
        began = self._clock()
        part: PartlyBought | LabelNotShown | None = None
        try:
            found, doubt.error = await self._find(row, attempt), None
        except (PartlyBought, LabelNotShown) as error:
            found, part, doubt.error = [], error, None
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
            self._absent(row, attempt, part, doubt.refused)
        else:
            self._postpone(doubt)

    async def watch(self) -> None:
        """Look up the references that were given up, and report late shipments as surplus."""
        watched = [item for item in self._ledger.watch.items() if self._mine(item[0])]
        # One id in all attempts: what is bought under it is the row's own shipment, unless a person
        # gave its key up, which adds a second attempt to the list.
        under_one_id = {
            row
            for row, _ in watched
            if self._by_id and self._ledger.state(row) is not RowState.SKIPPED
        }
        given_up = [
            row
            for row, attempts in watched
            if row in under_one_id
            and self._by_key
            and len(attempts) > 1
            and row not in self._ledger.prepared
        ]
        entries = await asyncio.to_thread(self._store.last_entries_of, given_up) if given_up else {}
        for row, attempts in watched:
            if row in under_one_id and row not in entries:
                continue
            own = entries[row]["shipment_id"] if row in entries else None
            for attempt, key in self._given_up(row, attempts):
                await self._pacer.enter()
                try:
                    found = await self._find(row, attempt, key)
                except PartlyBought as error:
                    found = [error.purchase]
                except CarrierError as error:
                    log.info("a look-up of an old reference failed: %s", error.code)
                    continue
                finally:
                    self._pacer.leave()
                others = [p for p in found if not p.voided and p.shipment_id != own]
                self._surplus(row, attempt, others)

    async def review(self, row: int) -> None:
        """Look up a row that waits for a person once more. If it is found, it is shipped."""
        attempt = int(self._ledger.attempts[row])
        await self._pacer.enter()
        try:
            found = await self._find(row, attempt)
        except CarrierError:
            return
        finally:
            self._pacer.leave()
        if found:
            self._adopt(row, attempt, found)

    async def fetch_labels(self) -> None:
        """Ask again for label files that did not come with their purchases.

        Only for carriers that are read by an id: elsewhere a look-up is a search, which may find
        another shipment.
        """
        rows = self.unlabelled()
        if not rows:
            return
        await self._ledger.settled()
        entries = await asyncio.to_thread(self._store.last_entries_of, rows)
        await asyncio.gather(*(self._fetch_label(row, last) for row, last in entries.items()))

    def unlabelled(self) -> list[int]:
        """Return the rows whose label files can be asked for again."""
        return sorted(filter(self._mine, self._ledger.unlabelled)) if self._by_id else []

    async def _fetch_label(self, row: int, last: Mapping[str, Any]) -> None:
        await self._pacer.enter()
        try:
            found = await self._find(row, last["attempt"], key=last["shipment_id"])
        except PartlyBought as error:  # and the rest was refused
            found = [error.purchase]
        except CarrierError as error:
            log.info("a label could not be asked for: %s", error.code)
            return
        finally:
            self._pacer.leave()
        gone = voided_in(last["details"])
        labels = [label for purchase in found for label in label_bytes(purchase)]
        if labels := [one for one in labels if is_usable(one.tracking_number, one.kind, gone)]:
            entry = followed(last, event="labels", state=RowState.SHIPPED)
            self._ledger.record([entry._replace(labels=labels)], urgent=False)

    async def _find(self, row: int, attempt: int, key: str | None = None) -> list[Purchase]:
        try:
            return await self._carrier.find(
                key or self._key(row, attempt), self._store.manifest.label, self._rows.one(row)
            )
        except CarrierError:
            raise
        except Exception as error:  # a defect in the carrier's code says nothing about the row
            log.warning("a look-up failed in the carrier's code", exc_info=error)
            raise AnswerLost(
                f"The carrier's answer to a look-up could not be read ({type(error).__name__})."
            ) from error

    def _key(self, row: int, attempt: int) -> str:
        """Return what the carrier finds a purchase by: our reference, or what it prepared."""
        reference = self._store.reference(row, attempt)
        return self._ledger.prepared.get(row, reference) if self._by_id else reference

    def _given_up(self, row: int, attempts: Sequence[int]) -> list[tuple[int, str | None]]:
        """Return the attempts to look up again, each with what it was sent under.

        With an id, all attempts were sent under the same. With a key, an attempt was sent under its
        own or under that of the one before it, which is the one that is prepared.
        """
        if self._by_id and not self._by_key:
            return [(attempts[-1], None)]
        references = [(attempt, self._store.reference(row, attempt)) for attempt in attempts]
        prepared = self._ledger.prepared.get(row) if self._by_key else None
        return [*references, *([(attempts[-1], prepared)] if prepared else [])]

    def _adopt(self, row: int, attempt: int, found: Sequence[Purchase]) -> None:
        """Book a shipment that was found; a valid one is preferred to one already voided."""
        valid = [purchase for purchase in found if not purchase.voided]
        chosen = (valid or list(found))[0]
        entry = purchase_entry(
            chosen,
            row=row,
            event="adopted",
            state=RowState.VOIDED if chosen.voided else RowState.SHIPPED,
            attempt=attempt,
            reference=self._store.reference(row, attempt),
            quoted_cents=int(self._spend.quoted[row]),
            currency=self._spend.currency(row),
            watch=self._ledger.watch.get(row),
        )
        if chosen.voided and self._refunds_later:
            details = with_refund(entry.details, Refund.SUBMITTED)
            entry = entry._replace(details=details)
        self._ledger.record([entry], urgent=False)
        if is_owed(entry.details):
            self._spend.owe(row, entry.charged_cents or 0)
        elif chosen.voided:  # as after a resume, where voided rows do not count either
            self._spend.release(row)
        else:
            self._spend.charge(row, entry.charged_cents or 0)
        self.doubts.pop(row, None)
        self._surplus(row, attempt, valid[1:])

    def _absent(
        self,
        row: int,
        attempt: int,
        part: PartlyBought | LabelNotShown | None,
        refused: str | None,
    ) -> None:
        """Record that the carrier does not have the shipment, and send it again or ask a person.

        Of a shipment that is bought in part, the carrier does not have the rest. A label that is
        there and not shown is returned by the same request with its key.
        """
        again = self._proof_s is not None and refused is None
        again = again and not (isinstance(part, LabelNotShown) and part.final)
        watch = self._ledger.watch.get(row)
        if again and (self._by_key or not self._by_id):
            # Proof can be wrong: the given-up reference is looked up again at the end of every run,
            # and a shipment that turns up under it can be voided. With a key, the list says that
            # a try may have bought, so that a refusal of the next one proves nothing.
            watch = [*(watch or ()), attempt]
        entry = LedgerEntry(
            row=row,
            event="absent" if again else "review",
            state=(RowState.PENDING if again else RowState.REVIEW).value,
            attempt=attempt,
            reference=self._store.reference(row, attempt),
            at=now_us(),
            watch=watch,
        )
        if not again:
            entry = entry._replace(
                code="not_found",
                message="The carrier never answered and does not find the shipment by its "
                "reference.",
                fix="Check the carrier's own shipping history, then decide: resend or skip.",
            )
        if refused is not None:
            entry = entry._replace(
                code=REPEAT_REFUSED,
                message="The repeat was refused, which says nothing about the first try: "
                f"{refused}",
                fix="Look for the label in the carrier's own history, then decide: resend buys "
                "under a new key, skip sets the row aside.",
            )
        if not again and isinstance(part, LabelNotShown):
            entry = entry._replace(
                code=part.code,
                message=part.message,
                fix="Decide: resend sends the same request with its key; skip leaves the label as "
                "it is.",
            )
        if not again and isinstance(part, PartlyBought):
            entry = entry._replace(
                code=part.code,
                message=f"{part.message} Bought: {', '.join(part.purchase.tracking_numbers)}."
                + (f" The rest was refused: {refused}" if refused else ""),
                fix="Decide: resend buys the rest; skip, then void_surplus() voids what is bought.",
            )
        self._ledger.record([entry], urgent=False)
        self.doubts.pop(row, None)
        if again:
            self._spend.release(row)
            self._again(row)

    def _surplus(self, row: int, attempt: int, purchases: Sequence[Purchase]) -> None:
        """Report shipments in addition to the adopted one, each of them once."""
        for purchase in purchases:
            if purchase.shipment_id in self.known_surplus:
                continue
            self.known_surplus.add(purchase.shipment_id)
            entry = LedgerEntry(
                row=row,
                event="surplus",
                state=None,
                attempt=attempt,
                reference=self._store.reference(row, attempt),
                at=now_us(),
                shipment_id=purchase.shipment_id,
                tracking_numbers=purchase.tracking_numbers,
                details=json.dumps({"shipment_id": purchase.shipment_id, "row": row}),
                message="The carrier has one more shipment for this row than the one adopted.",
                fix="Void it: session.void_surplus().",
            )
            self._ledger.record([entry], urgent=False)

    def _postpone(self, doubt: Doubt) -> None:
        """Plan the next look-up, not later than absence can be concluded."""
        now = self._clock()
        doubt.delay_s = min(doubt.delay_s * _GROWTH, _LONGEST_LOOK_S)
        doubt.next_at = now + doubt.delay_s
        conclude = doubt.since + self.conclude_after_s
        if doubt.error is None and now < conclude < doubt.next_at:
            doubt.next_at = conclude + _AFTER_S
