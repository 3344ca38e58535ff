"""What shipments ask for that a card has no surcharge for: their prices are without it.

A card of an account's contract often has transport only. A price that leaves out what was asked
for, with nothing to show it, looks cheaper than a card that has it.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.models import Signature

if TYPE_CHECKING:
    from shipkit.carriers.ratecard.card import RateCard
    from shipkit.models import Shipment

__all__ = ["unpriced_in", "unpriced_of"]

_INCLUDED_CENTS: Final = 10_000
"""Carriers insure the first 100 of a parcel for nothing."""
_NAMES: Final = (
    "signature",
    "Saturday delivery",
    "payment on delivery",
    "declared value",
    "additional handling",
)


def unpriced_of(card: RateCard, shipment: Shipment) -> tuple[str, ...]:
    """Return the warning of one shipment, none where the card prices what it asks for."""
    cod = shipment.cod_amount
    asked = (
        str(shipment.signature) not in _signatures(card),
        bool(shipment.saturday_delivery) and not _has(card, "saturday"),
        cod is not None and cod.cents > 0,
        not _has(card, "declared_value")
        and any(
            parcel.declared_value is not None and parcel.declared_value.cents > _INCLUDED_CENTS
            for parcel in shipment.parcels
        ),
        any(parcel.additional_handling for parcel in shipment.parcels),
    )
    text = "" if card.is_synthetic else _text(asked)
    return (text,) if text else ()


def unpriced_in(card: RateCard, table: pa.Table) -> pa.Array:
    """Return the warnings of a shipments table, empty where there is none."""
    rows = table.num_rows
    found = np.zeros(rows, np.uint8)
    if not card.is_synthetic:
        for bit, asked in enumerate(_asked(card, table)):
            if asked is not None:
                found |= asked.astype(np.uint8) << (len(_NAMES) - 1 - bit)
    if not found.any():
        return pa.repeat(pa.scalar(""), rows)
    texts = pa.array([_text(flags) for flags in product((False, True), repeat=len(_NAMES))])
    return texts.take(pa.array(found))


def _asked(card: RateCard, table: pa.Table) -> list[npt.NDArray[np.bool_] | None]:
    """Return which rows ask for each of the names without a price; None: no row does."""
    names = table.column_names

    def where(name: str, test: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_] | None:
        return np.asarray(pc.fill_null(test, False)) if name in names else None  # noqa: FBT003

    signature = saturday = cod = None
    if "signature" in names:
        known = pa.array(sorted(_signatures(card)), pa.string())
        column = pc.fill_null(table.column("signature").cast(pa.string()), str(Signature.NONE))
        signature = where("signature", pc.invert(pc.is_in(column, value_set=known)))
    if "saturday_delivery" in names and not _has(card, "saturday"):
        saturday = where("saturday_delivery", table.column("saturday_delivery").cast(pa.bool_()))
    if "cod_amount_cents" in names:
        cents = table.column("cod_amount_cents").cast(pa.int64())
        cod = where("cod_amount_cents", pc.greater(cents, 0))
    return [signature, saturday, cod, *_of_parcels(card, table)]


def _of_parcels(card: RateCard, table: pa.Table) -> list[npt.NDArray[np.bool_] | None]:
    if "parcels" not in table.column_names:
        return [None, None]
    lists = table.column("parcels")
    fields = {field.name for field in lists.type.value_type}
    parents = np.asarray(pc.list_parent_indices(lists))
    parcels = pc.list_flatten(lists)
    found: list[npt.NDArray[np.bool_] | None] = []
    for name, wanted in (
        ("declared_value_cents", not _has(card, "declared_value")),
        ("additional_handling", True),
    ):
        if not wanted or name not in fields:
            found.append(None)
            continue
        column = pc.struct_field(parcels, name)
        asked = column if pa.types.is_boolean(column.type) else pc.greater(column, _INCLUDED_CENTS)
        rows = parents[np.asarray(pc.fill_null(asked, False), dtype=bool)]  # noqa: FBT003
        flags = np.zeros(table.num_rows, dtype=bool)
        flags[rows] = True
        found.append(flags)
    return found


def _signatures(card: RateCard) -> set[str]:
    """Return the signatures that cost what the card says, and none at all."""
    return {str(Signature.NONE), *(str(s) for rule in card.surcharges for s in rule.signature)}


def _has(card: RateCard, name: str) -> bool:
    return any(getattr(rule, name) for rule in card.surcharges)


def _text(asked: tuple[bool, ...]) -> str:
    names = ", ".join(name for name, one in zip(_NAMES, asked, strict=True) if one)
    many = "them" if sum(asked) > 1 else "it"
    words = f"the card has no price for {names}, and this price does not include {many}"
    return words if names else ""
