"""A purchase as the ledger stores it: charge, tracking numbers and labels in one entry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shipkit.models import ChargeBasis, Purchase
from shipkit.purchasing.store.entries import LabelBytes, LedgerEntry
from shipkit.purchasing.store.ledger import now_us
from shipkit.state import RowState

__all__ = ["label_bytes", "purchase_entry", "purchase_in"]


def purchase_entry(
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
    """Return the ledger entry of a shipment: charge, tracking numbers and labels in one entry.

    One entry is in one commit, so a crash leaves all of it or nothing. Where the carrier does not
    return a charge, the quote is taken and marked ``estimated``.
    """
    charge, at = purchase.charge, now_us()
    numbers, labels = purchase.tracking_numbers, label_bytes(purchase)
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
        service=purchase.service,
        charged_cents=quoted_cents if charge is None else charge.cents,
        currency=currency if charge is None else charge.currency,
        charge_basis=(ChargeBasis.ESTIMATED if charge is None else charge.basis).value,
        billed_weight_lb=None if charge is None else charge.billed_weight_lb,
        details=_details(purchase),
        watch=watch,
        labels=labels or None,
    )


def _details(purchase: Purchase) -> str | None:
    details: dict[str, Any] = {"warnings": list(purchase.warnings)} if purchase.warnings else {}
    charge, cents = purchase.charge, purchase.label_cents
    numbers = purchase.tracking_numbers
    apart = len({*numbers}) == len(numbers) == len(cents) > 1
    if charge is not None and apart and sum(cents) == charge.cents:
        details["label_cents"] = dict(zip(numbers, cents, strict=True))
    return json.dumps(details) if details else None


def label_bytes(purchase: Purchase) -> list[LabelBytes]:
    """Return the labels of a purchase as the ledger stores them."""
    numbers = purchase.tracking_numbers
    return [
        LabelBytes(
            label.tracking_number,
            label.format.value,
            label.kind,
            numbers.index(label.tracking_number) if label.tracking_number in numbers else 0,
            label.data,
        )
        for label in purchase.labels
    ]


def purchase_in(entry: Mapping[str, Any]) -> Purchase:
    """Return the purchase that an entry is about, as far as a void or a refund needs it."""
    return Purchase(
        shipment_id=entry["shipment_id"],
        tracking_numbers=tuple(entry["tracking_numbers"]),
        service=entry["service"] or None,
    )
