"""Voids shipments at the carrier and records it in the job's ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shipkit.carriers.accounts import Accounts
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier, later_refunds
from shipkit.carriers.send_gate import guarded
from shipkit.common.object_store import StoreError
from shipkit.common.pool import each
from shipkit.common.words import counted
from shipkit.errors import (
    AuthenticationFailed,
    CarrierError,
    CarrierRejected,
    CarrierUnreachable,
    CheckpointCorrupt,
)
from shipkit.models import Refund
from shipkit.purchasing.account import account_of, require_account
from shipkit.purchasing.late_shipments import surplus
from shipkit.purchasing.purchase_entry import purchase_in
from shipkit.purchasing.recovery.refunds import record_refunds, still_paid, voided_entry
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import (
    LabelBytes,
    LedgerEntry,
    bought_in,
    followed,
    label_cents_in,
    paid_back_in,
    refund_in,
    voided_in,
    with_decided,
    with_refund,
    with_voided,
)
from shipkit.purchasing.store.ledger import Ledger, now_us
from shipkit.state import RowState

__all__ = ["VoidOutcome", "refuse_silence", "void_rows", "void_surplus"]

_FILED_AT_ONCE = 500
"""Rows whose label files are in memory at a time."""


@dataclass(frozen=True)
class VoidOutcome:
    """The outcome of a request to void."""

    voided: int
    already: int
    """How many were voided before."""
    refused: dict[int, CarrierError]
    """Row -> the carrier's answer. The ledger keeps none, and the row is as shipped as before,
    where it is not `in_part`."""
    in_part: frozenset[int] = frozenset()
    """Which of the refused rows have lost labels, now or before. Of them the ledger has the labels
    that are left, and the answer."""
    labels: int = 0
    """How many labels the rows in part have lost now."""


def refuse_silence(outcome: VoidOutcome) -> None:
    """Raise an error when not one label was voided because the carrier did not answer.

    Raises
    ------
    CarrierUnreachable
        Voiding again is safe: the carrier accepts it for what is voided already.
    AuthenticationFailed
        The carrier refused the credentials.
    """
    errors = list(outcome.refused.values())
    some = outcome.voided or outcome.labels
    if not errors or some or any(isinstance(e, CarrierRejected) for e in errors):
        return
    if isinstance(errors[0], AuthenticationFailed):
        raise errors[0]
    words = errors[0].message.replace(" It may have acted.", "")
    raise CarrierUnreachable(
        f"No answer for {counted(len(errors), 'shipment')}: {words} Nothing more is recorded as "
        "voided.",
        fix="Check the network, then void again: what is voided already is not voided twice.",
    )


async def void_rows(
    store: JobStore, carrier: Carrier | Accounts, rows: Sequence[int], *, pacer: Pacer | None = None
) -> VoidOutcome:
    """Void the shipments of some rows, each at its own account, and record it in the ledger.

    It can be repeated: rows that are not shipped are left out, and the carrier accepts voiding what
    is already voided, so a crash between its answer and the ledger is harmless. Of a voided row
    whose refund was asked for it is asked what became of it; a rejected one is asked for again, and
    where that is refused it is asked what became of the row's other labels.

    Parameters
    ----------
    rows
        Indices in the plan.
    pacer
        The pace of a single carrier; default: its own.

    Returns
    -------
    VoidOutcome
        Rows that the carrier refuses to void are in it; they are not raised.

    Raises
    ------
    JobError
        The job belongs to another account, environment or carrier.
    CheckpointLocked
        A process runs the job.
    """
    accounts = Accounts.of(carrier, pacer)
    require_account(store.manifest, accounts)
    with store.own("void") as ledger, guarded(ledger.gate):
        wanted = [row for row in dict.fromkeys(rows) if ledger.state(row) is RowState.SHIPPED]
        already = [row for row in set(rows) if ledger.state(row) is RowState.VOIDED]
        entries = store.last_entries_of([*wanted, *already])
        refunds = {row: refund_in(entries[row]["details"]) for row in already}
        again = [row for row in already if refunds[row] == Refund.REJECTED]
        refused: dict[int, CarrierError] = {}
        lost: dict[int, int] = {}
        parts: dict[int, LedgerEntry] = {}

        async def one(row: int) -> None:
            done: list[str] = []  # a repeat that is not answered undoes nothing

            async def attempt() -> Any:
                try:
                    return await own.carrier.void(purchase_in(entries[row]))
                except CarrierError as error:
                    done.extend(error.voided)
                    raise

            try:
                own = account_of(store, accounts, row)
                refund = await own.pacer.repeat(attempt)
            except CarrierError as error:
                labels = _Labels.of(entries[row], done, error)
                if ledger.state(row) is not RowState.SHIPPED or not labels.voided:
                    refused[row] = error
                    return
                if labels.left:
                    refused[row], lost[row] = error, labels.lost
                    later = later_refunds(own.carrier) is not None
                    parts[row] = _voided_in_part(entries[row], labels, error, later=later)
                    await ledger.record([parts[row]], urgent=False)
                    return
                # Where the carrier decides about the money later, it is asked what became of it.
                refund = Refund.SUBMITTED if later_refunds(own.carrier) else None
            # Only after the carrier's answer: a row recorded too early would be paid for and look
            # voided.
            # A carrier of another package may answer with something of its own.
            known = refund if isinstance(refund, Refund) else None
            await ledger.record([voided_entry(entries[row], known)], urgent=False)

        at_once = sum(account.pacer.concurrency for account in accounts)
        await each(one, [*wanted, *again], at_once=at_once)
        await ledger.settled()
        await _file_labels(store, ledger, parts)
        # A rejected refund that is refused again says nothing of the row's other labels.
        asked = {
            row: entries[row]
            for row in already
            if refunds[row] == Refund.SUBMITTED or row in refused
        }
        await record_refunds(store, accounts, ledger, asked)
    voided = len(wanted) - len(refused.keys() & set(wanted))
    return VoidOutcome(
        voided=voided,
        already=len(already),
        refused=refused,
        in_part=frozenset(lost),
        labels=sum(lost.values()),
    )


async def void_surplus(store: JobStore, carrier: Carrier | Accounts) -> int:
    """Void the shipments that exist in addition to the adopted ones, and return how many.

    Raises
    ------
    JobError
        The job belongs to another account, environment or carrier.
    CheckpointLocked
        A process runs the job.
    CarrierError
        The carrier refused one, or could not be reached. Those before it are voided and recorded.
    """
    accounts = Accounts.of(carrier)
    require_account(store.manifest, accounts)
    count = 0
    with store.own("void") as ledger, guarded(ledger.gate):
        for entry in surplus(store).to_pylist():
            await account_of(store, accounts, entry["row"]).carrier.void(purchase_in(entry))
            await ledger.record(
                [
                    LedgerEntry(
                        row=entry["row"],
                        event="surplus_voided",
                        state=None,
                        at=now_us(),
                        shipment_id=entry["shipment_id"],
                    )
                ]
            )
            count += 1
    return count


@dataclass(frozen=True)
class _Labels:
    """The labels of a row whose void was not answered with success."""

    bought: tuple[str, ...]
    """All of them, in the order of the parcels."""
    voided: tuple[str, ...]
    """Those that are voided, now or before."""
    left: tuple[str, ...]
    lost: int
    """How many are voided now."""

    @classmethod
    def of(cls, entry: dict[str, Any], done: Sequence[str], error: CarrierError) -> _Labels:
        numbers, bought = tuple(entry["tracking_numbers"]), bought_in(entry)
        before = voided_in(entry["details"])
        now = [number for number in numbers if number in done]
        voided = tuple(number for number in bought if number in before or number in now)
        left = tuple(number for number in numbers if number not in now)
        if now and not left:
            # A row that was found by its reference may not know all of its labels.
            left = tuple(n for n in dict.fromkeys(error.not_voided) if n not in voided)
            bought = (*bought, *(number for number in left if number not in bought))
        return cls(bought, voided, left, len(now))


def _voided_in_part(
    entry: dict[str, Any], labels: _Labels, error: CarrierError, *, later: bool
) -> LedgerEntry:
    """Return the entry of a row that lost some labels to a void.

    The row has the others: what is printed, written back and handed over are those. Where labels
    have prices of their own, the charge is that of the labels whose money is not back.

    Parameters
    ----------
    later
        Whether the carrier decides later about the money.
    """
    count = len(labels.voided)
    details = with_voided(with_refund(entry["details"], None), labels.voided, of=labels.bought)
    back = paid_back_in(entry["details"]) if later else labels.voided
    known = bool(label_cents_in(entry)) and {*labels.bought} == {*bought_in(entry)}
    counts = "still counts" if later or not known else "no longer counts"
    return followed(entry, event="voided_in_part", state=RowState.SHIPPED)._replace(
        tracking_numbers=labels.left,
        charged_cents=still_paid(entry, back) if known else entry["charged_cents"],
        details=with_decided(details, back, ()) if known else details,
        # What was no refusal has our own code: a program must tell an outage from a no.
        code=(isinstance(error, CarrierRejected) and error.carrier_code) or error.code,
        message=f"{counted(count, 'label')} of {len(labels.bought)} voided "
        f"({', '.join(labels.voided)}), and the charge {counts} "
        f"{'it' if count == 1 else 'them'}. {error.message}",
        fix=error.fix,
    )


async def _file_labels(store: JobStore, ledger: Ledger, parts: Mapping[int, LedgerEntry]) -> None:
    """Record the entries of rows that lost labels again, with the label files that are left.

    An older shipkit prints what the last entry of a row has, and does not know that labels of a
    shipped row can be voided.
    """
    rows = [row for row, part in parts.items() if part.label_sequence is not None]
    if store.pruned:
        return
    for start in range(0, len(rows), _FILED_AT_ONCE):
        chosen = rows[start : start + _FILED_AT_ONCE]
        try:
            stored = await asyncio.to_thread(lambda some: list(store.labels(some)), chosen)
        except (CheckpointCorrupt, OSError, StoreError):  # this version prints none that is voided
            continue
        left: dict[int, list[LabelBytes]] = {row: [] for row in chosen}
        for one in stored:
            label = (one.tracking_number, one.format, one.kind, one.parcel_index, one.data)
            left[one.row].append(LabelBytes(*label))
        filed = [
            parts[row]._replace(labels=labels or None, label_sequence=None)
            for row, labels in left.items()
        ]
        await ledger.record(filed)
