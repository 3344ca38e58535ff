"""What a row asks for that its account does not offer: one check for every carrier.

An option that a carrier has no place for would be dropped in silence, so its rows wait with a
reason. What an account offers is what it declares (``Capabilities.options``); that holds for the
package's own carriers and for installed ones alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.accounts import Account, Accounts
from shipkit.common.customs_borders import is_customs_border
from shipkit.models import Address
from shipkit.schema import OPTIONS, Leaf, asked_for, problems_table

__all__ = ["asking_rows", "unable_rows", "unsupported"]


class _Ask(NamedTuple):
    """What some rows ask for: an option, or another thing that a carrier may have no place for."""

    name: str
    path: str
    """The field that a problem names."""
    values: Mapping[int, str]
    """Index of a row -> what it asks for, as text."""
    instead: str
    """What to do, as the start of a sentence."""
    part_of: str = ""


def unsupported(table: pa.Table, accounts: Accounts, shipper: Address) -> pa.Table:
    """Return a problem for each row that asks its account for something that it does not offer."""
    if accounts.alone:
        return problems_table(_unsupported_by(accounts.only, table, shipper))
    found = []
    for account in accounts:
        start = pc.starts_with(table.column("service"), f"{account.name}:")
        own = table.filter(pc.fill_null(start, False))  # noqa: FBT003 - a fill value
        found += _unsupported_by(account, own, shipper)
    return problems_table(found)


def unable_rows(table: pa.Table, account: Account, shipper: Address) -> dict[int, str]:
    """Return the rows that ask for something that an account does not offer, and for what."""
    found = dict[int, str]()
    for ask in _missing(table, account, shipper):
        found |= dict.fromkeys(ask.values, f"it does not offer {ask.name}")
    if not account.carrier.capabilities.multi_parcel:
        found |= dict.fromkeys(_several_parcels(table), "it sells one parcel per shipment")
    return found


def _unsupported_by(account: Account, table: pa.Table, shipper: Address) -> list[dict[str, Any]]:
    found = []
    reported: set[tuple[int, str]] = set()
    for ask in _missing(table, account, shipper):
        found += [
            _unsupported(
                table,
                row,
                ask.path,
                value,
                f"{account.name} does not offer {ask.name}",
                f"{ask.instead}, or use another carrier.",
            )
            for row, value in ask.values.items()
            if (row, ask.part_of) not in reported  # an account goes with its payer
        ]
        reported |= {(row, ask.name) for row in ask.values}
    if not account.carrier.capabilities.multi_parcel:
        counts = pc.list_value_length(table.column("parcels"))
        found += [
            _unsupported(
                table,
                row,
                "parcels",
                str(counts[row].as_py()),
                f"{account.name} sells one parcel per shipment",
                "Give each parcel a row of its own, or use another carrier.",
            )
            for row in _several_parcels(table)
        ]
    return found


def _unsupported(
    table: pa.Table, row: int, field: str, value: str, problem: str, fix: str
) -> dict[str, Any]:
    return {
        "row_number": table.column("row_number")[row].as_py(),
        "field": field,
        "value": value,
        "problem": problem,
        "fix": fix,
        "severity": "error",
        "code": "option_not_supported",
    }


def _missing(table: pa.Table, account: Account, shipper: Address) -> Iterator[_Ask]:
    """Yield what rows ask for and `account` does not declare to offer."""
    offered = account.carrier.capabilities.options
    for leaf in OPTIONS:
        if leaf.name not in offered:
            column = asked_for(table, leaf)
            rows = _asking(column, leaf)
            if rows and leaf.name in _FOR_CUSTOMS:
                rows = _at_a_border(table, shipper, rows)
            if rows and leaf.name == "duties_bill_to":
                rows = [row for row in rows if not _receiver_pays_anyway(table, row)]
            yield _Ask(
                leaf.name,
                leaf.path,
                {row: str(column[row].as_py()) for row in rows},
                f"Clear the cell, edit the row ({leaf.name}=None)",
                leaf.spec.part_of,
            )
    for name, (path, instead, find) in _FURTHER.items():
        if name not in offered:
            yield _Ask(name, path, find(table, shipper), instead)


def asking_rows(table: pa.Table, leaf: Leaf) -> list[int]:
    """Return the rows that ask for an option."""
    return _asking(asked_for(table, leaf), leaf)


def _asking(column: pa.ChunkedArray, leaf: Leaf) -> list[int]:
    if leaf.spec.kind == "flag":
        return _rows_where(column)
    if leaf.spec.kind == "choice":
        return _rows_where(pc.not_equal(column, leaf.spec.nothing))
    return _rows_where(pc.is_valid(column))


def _several_parcels(table: pa.Table) -> list[int]:
    """Return the rows that have more than one parcel."""
    return _rows_where(pc.greater(pc.list_value_length(table.column("parcels")), 1))


def _rows_where(flags: Any) -> list[int]:
    rows: list[int] = pc.indices_nonzero(pc.fill_null(flags, False)).to_pylist()  # noqa: FBT003 - a fill value
    return rows


# -- what is no option -----------------------------------------------------------------------------


def _declared_values(table: pa.Table, _: Address) -> dict[int, str]:
    return _of_parcels(table, "declared_value_cents", lambda cents: pc.greater(cents, 0))


def _packagings(table: pa.Table, _: Address) -> dict[int, str]:
    return _of_parcels(table, "packaging", lambda names: pc.not_equal(names, "package"))


def _of_parcels(
    table: pa.Table, column: str, asks: Callable[[pa.Array], pa.Array]
) -> dict[int, str]:
    """Return what the first parcel asks for that asks at all, by row."""
    parcels = table.column("parcels").combine_chunks()
    values = pc.struct_field(pc.list_flatten(parcels), column)
    at = pc.indices_nonzero(pc.fill_null(asks(values), False))  # noqa: FBT003 - a fill value
    rows = pc.list_parent_indices(parcels).take(at).to_pylist()
    found: dict[int, str] = {}
    for row, value in zip(rows, values.take(at).to_pylist(), strict=True):
        found.setdefault(row, str(value))
    return found


def _references(table: pa.Table, _: Address) -> dict[int, str]:
    named = table.column("references")
    rows = _rows_where(pc.greater(pc.list_value_length(named), 0))
    return {
        row: ", ".join(f"{pair['key']}: {pair['value']}" for pair in named[row].as_py())
        for row in rows
    }


def _origins(table: pa.Table, shipper: Address) -> dict[int, str]:
    """Return the rows that leave from another place than the shipper's."""
    column, own = table.column("ship_from"), shipper.model_dump()
    places = {row: column[row].as_py() for row in _rows_where(pc.is_valid(column))}
    return {row: place["city"] or "" for row, place in places.items() if place != own}


def _days(table: pa.Table, _: Address) -> dict[int, str]:
    column = table.column("ship_date")
    return {row: str(column[row].as_py()) for row in _rows_where(pc.is_valid(column))}


def _customs(table: pa.Table, shipper: Address) -> dict[int, str]:
    """Return the rows with papers for a customs border; within one they are not needed."""
    rows = _at_a_border(table, shipper, _rows_where(pc.is_valid(table.column("customs"))))
    return {row: table.column("country")[row].as_py() or "" for row in rows}


_FOR_CUSTOMS: Final = frozenset(
    {
        "ioss_number",
        *(f"{side}_{kind}" for side in ("sender", "recipient") for kind in ("tax_id", "eori")),
        "itn",
        *(leaf.name for leaf in OPTIONS if "duties_bill_to" in (leaf.name, leaf.spec.part_of)),
    }
)
"""What is of no use where no customs border is crossed: an export fills it in each row."""


def _at_a_border(table: pa.Table, shipper: Address, rows: list[int]) -> list[int]:
    """Return which of `rows` cross a customs border."""
    names = ["ship_from", "country", "postal_code"]
    own = {"country": shipper.country, "postal_code": shipper.postal_code}
    lines = table.select(names).take(np.asarray(rows, dtype=np.int64)).to_pylist()
    return [
        row
        for row, line in zip(rows, lines, strict=True)
        if is_customs_border(
            *(
                (place["country"] or "", place["postal_code"] or "")
                for place in (line["ship_from"] or own, line)
            )
        )
    ]


def _receiver_pays_anyway(table: pa.Table, row: int) -> bool:
    """Return whether the receiver is to pay duties, as carriers without a choice have it.

    An account of the receiver is an option of its own.
    """
    customs = table.column("customs")[row].as_py() or {}
    payers = (table.column("duties_bill_to")[row].as_py(), customs.get("duties_payer"))
    return all(payer in (None, "", "receiver") for payer in payers)


_FURTHER: Final[Mapping[str, tuple[str, str, Callable[[pa.Table, Address], Mapping[int, str]]]]] = {
    "declared_value": (
        "parcels[0].declared_value",
        "Clear the cell, edit the row (declared_value=None)",
        _declared_values,
    ),
    "packaging": (
        "parcels[0].packaging",
        'Clear the cell, edit the row (packaging="package")',
        _packagings,
    ),
    "references": ("references", "Leave them out of map(references=...)", _references),
    "ship_from": ("ship_from", "Let it leave from the shipper's address", _origins),
    "ship_date": ("ship_date", "Clear the cell, edit the row (ship_date=None)", _days),
    "customs": ("customs", "Choose a service within the country", _customs),
}
"""Name -> the field, what to do instead, and which rows ask for it: the names of
:data:`shipkit.schema.FURTHER_OPTIONS`."""
