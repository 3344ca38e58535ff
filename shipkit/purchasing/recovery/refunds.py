"""Asks what became of the refunds of voided shipments, and records it in the job's ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from shipkit.carriers.accounts import Account, Accounts
from shipkit.carriers.protocol import Carrier, RefundsLater, later_refunds
from shipkit.common.pool import each
from shipkit.errors import CarrierError, CheckpointLocked, CheckpointWriteError
from shipkit.models import Refund
from shipkit.purchasing.account import account_of, require_account
from shipkit.purchasing.purchase_entry import purchase_in
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import (
    LedgerEntry,
    bought_in,
    followed,
    label_cents_in,
    last_entries,
    micros,
    paid_back_in,
    refund_in,
    rejected_in,
    voided_in,
    with_decided,
    with_refund,
    with_voided,
)
from shipkit.purchasing.store.ledger import Ledger
from shipkit.state import RowState

__all__ = ["record_refunds", "still_paid", "update_refunds", "voided_entry"]


async def update_refunds(store: JobStore, carrier: Carrier | Accounts) -> None:
    """Ask what became of the refunds that were asked for, and record it.

    Nothing is done while another process has the job: it is asked again with the next look. An
    account that does not answer leaves its rows as they are.
    """
    results = store.results()
    waiting = pc.equal(results.column("refund"), Refund.SUBMITTED.value)
    rows = pc.indices_nonzero(pc.fill_null(waiting, False)).to_pylist()  # noqa: FBT003 - a fill value
    accounts = Accounts.of(carrier)
    if any(later_refunds(account.carrier) for account in accounts):
        rows += _rows_undecided(store)
    if not rows:
        return
    require_account(store.manifest, accounts)
    with suppress(CheckpointLocked, CheckpointWriteError), store.own("refunds") as ledger:
        await record_refunds(store, accounts, ledger, store.last_entries_of(rows))


def _rows_undecided(store: JobStore) -> list[int]:
    """Return the rows with voided labels whose refund is not known, though that of others may be.

    Those of which nothing is known but that it is asked for are not among them.
    """
    names = ("row", "state", "details", "tracking_numbers")
    table = store.chain(names).table
    last = table.take(last_entries(table))
    some = last.filter(pc.match_substring_regex(last.column("details"), '"voided"|"rejected"'))
    found = []
    for line in some.select(list(names)).to_pylist():
        numbers = voided_in(line["details"])
        if line["state"] == RowState.VOIDED:
            numbers = bought_in(line) if label_cents_in(line) else ()
        decided = {*paid_back_in(line["details"]), *rejected_in(line["details"])}
        refund = refund_in(line["details"])
        asked = line["state"] == RowState.SHIPPED and refund is None
        is_open = refund == Refund.REJECTED and label_cents_in(line) and {*numbers} - decided
        if numbers and (asked or is_open):
            found.append(line["row"])
    return found


async def record_refunds(
    store: JobStore, accounts: Accounts, ledger: Ledger, asked: Mapping[int, dict[str, Any]]
) -> None:
    """Record what became of the refunds of some rows, by their last entries."""

    async def one(row: int) -> None:
        own = account_of(store, accounts, row)
        later = later_refunds(own.carrier)
        if later is None:
            return
        last = asked[row]
        try:
            decided = await _decided(own, later, last)
        except CarrierError:  # it stays as it was known
            return
        details = last["details"]
        known = (paid_back_in(details), rejected_in(details))
        news = decided.is_final and decided.refund != refund_in(details)
        if ledger.state(row) != last["state"] or not (
            news or (decided.back, decided.rejected) != known
        ):
            return
        in_part = last["state"] == RowState.SHIPPED
        made = _refunded_in_part(last, decided) if in_part else voided_entry(last, decided.refund)
        if label_cents_in(last):
            made = made._replace(
                charged_cents=still_paid(last, decided.back),
                details=with_decided(made.details, decided.back, decided.rejected),
            )
        await ledger.record([made._replace(event="refund", at=_at(last))], urgent=False)

    await each(one, list(asked), at_once=sum(a.pacer.concurrency for a in accounts))
    await ledger.settled()


@dataclass(frozen=True)
class _Decided:
    """What became of the refund of a row's voided labels."""

    refund: Refund | None
    """Of all of them: one that is rejected counts for all, and so does one that is not decided."""
    back: tuple[str, ...] = ()
    """Labels whose money is back; () where labels have no prices of their own."""
    rejected: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        return self.refund in (Refund.REFUNDED, Refund.REJECTED)


async def _decided(own: Account, later: RefundsLater, entry: Mapping[str, Any]) -> _Decided:
    """Ask what became of the refund of a row's voided labels, of each where it has a price."""
    in_part = entry["state"] == RowState.SHIPPED
    numbers = voided_in(entry["details"]) if in_part else bought_in(entry)
    purchase = purchase_in(dict(entry))

    async def asked(some: tuple[str, ...]) -> Refund | None:
        about = purchase.model_copy(update={"tracking_numbers": some})
        return await own.pacer.repeat(lambda: later.refund_state(about))

    if not label_cents_in(entry):
        return _Decided(await asked(numbers))
    known = paid_back_in(entry["details"])
    states = {n: Refund.REFUNDED if n in known else await asked((n,)) for n in numbers}
    rejected = tuple(n for n, state in states.items() if state == Refund.REJECTED)
    back = tuple(n for n, state in states.items() if state == Refund.REFUNDED)
    if rejected:
        return _Decided(Refund.REJECTED, back, rejected)
    return _Decided(Refund.REFUNDED if len(back) == len(states) else Refund.SUBMITTED, back)


def still_paid(entry: Mapping[str, Any], back: Sequence[str]) -> int | None:
    """Return the charge of a row without the labels whose money is back.

    It is whole where all of it is back: then the row is not counted, and its charge is the record.
    """
    cents = label_cents_in(entry)
    if not cents:
        charged: int | None = entry["charged_cents"]
        return charged
    left = cents.keys() - {*back}
    return sum(cents[number] for number in left or cents)


def voided_entry(entry: dict[str, Any], refund: Refund | None) -> LedgerEntry:
    """Return the entry that voids a row. It keeps numbers, charge and labels for the record."""
    details = with_refund(entry["details"], refund)
    back = paid_back_in(entry["details"]) if refund in Refund.owed() else ()
    made = followed(entry, event="voided", state=RowState.VOIDED)
    made = made._replace(charged_cents=still_paid(entry, back))
    if not voided_in(details):
        return made._replace(details=details)
    return made._replace(
        details=with_voided(details, ()),
        tracking_numbers=bought_in(entry),
        code=None,
        message=None,
        fix=None,
    )


def _refunded_in_part(entry: dict[str, Any], decided: _Decided) -> LedgerEntry:
    """Return the entry of a shipped row with what became of the refund of its voided labels."""
    known = (*paid_back_in(entry["details"]), *rejected_in(entry["details"]))
    back = [number for number in decided.back if number not in known]
    refused = [number for number in decided.rejected if number not in known]
    said: list[tuple[Sequence[str], str]] = [
        (back, "refunded, and the charge no longer counts it"),
        (refused, "rejected"),
    ]
    if not label_cents_in(entry) and decided.refund is not None:
        said = [(voided_in(entry["details"]), decided.refund.value)]
    words = " ".join(
        f"The carrier's answer about the refund of {', '.join(numbers)}: {what}."
        for numbers, what in said
        if numbers
    )
    return followed(entry, event="refund", state=RowState.SHIPPED)._replace(
        # Without a decision about all it is asked for again.
        details=with_refund(entry["details"], decided.refund if decided.is_final else None),
        message=f"{entry['message']} {words}" if entry["message"] else words,
    )


def _at(entry: dict[str, Any]) -> int:
    """Return when a row was voided: to learn what became of the money is no later void."""
    return micros(entry["at"])
