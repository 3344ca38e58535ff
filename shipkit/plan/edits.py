"""What a person changed: values set by ``session.edit``, and rows set aside.

All of it works on the shipments table alone.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.places import country_code, country_code3
from shipkit.common.plain_values import plain_value
from shipkit.common.words import counted
from shipkit.errors import InputError
from shipkit.models import Address, Money
from shipkit.orders.normalize.markup import without_invisible
from shipkit.plan.plan import Edit
from shipkit.schema import (
    EDITABLE,
    SHIPMENTS,
    WAREHOUSE,
    Leaf,
)
from shipkit.services import ServiceList, UnknownService

__all__ = ["apply_edits", "check_edit", "demand_clear_weight", "skipped_rows", "without_edited"]

_EDITED = {leaf.name: leaf for leaf in EDITABLE} | {
    leaf.column: leaf for leaf in EDITABLE if leaf.column != leaf.name
}
"""Name that ``session.edit`` takes -> the field; an amount may be given in minor units, too."""


def apply_edits(
    table: pa.Table,
    edits: Sequence[Edit],
    indexes: Mapping[int, np.ndarray[Any, Any]],
    offered: ServiceList,
    warehouses: Mapping[str, Address] | None = None,
) -> pa.Table:
    """Return `table` with every edit's fields set on its rows.

    Parameters
    ----------
    warehouses
        The places that an edit of ``warehouse`` may name.
    offered
        The services that an edit of ``service`` may name.
    indexes
        Position in `edits` -> indexes of the rows it changes.
    """
    for position, edit in enumerate(edits):
        rows = indexes.get(position)
        if rows is None or not len(rows):
            continue
        for name, value in edit.fields:
            if name == WAREHOUSE.name:
                table = _set_origin(table, rows, _origin(value, warehouses or {}))
            else:
                table = _set(table, rows, name, value, offered)
    return table


def without_edited(problems: pa.Table, edits: Sequence[Edit]) -> pa.Table:
    """Return `problems` without those about fields that an edit has set since.

    Validation checks the new value.
    """
    if not edits or not problems.num_rows:
        return problems
    settled = {(row, name) for edit in edits for name, _ in edit.fields for row in edit.row_numbers}
    numbers, fields = (
        problems.column("row_number").to_pylist(),
        problems.column("field").to_pylist(),
    )
    keep = [
        (n, (f or "").rsplit(".", 1)[-1].split("[")[0]) not in settled
        for n, f in zip(numbers, fields, strict=True)
    ]
    return problems.filter(pa.array(keep, pa.bool_()))


def skipped_rows(
    edits: Sequence[Edit], indexes: Mapping[int, np.ndarray[Any, Any]]
) -> dict[int, str]:
    """Return index -> reason for all rows that were set aside."""
    return {
        int(row): edit.reason or f"set aside ({edit.clause})"
        for position, edit in enumerate(edits)
        if edit.action == "skip"
        for row in indexes.get(position, ())
    }


def check_edit(
    name: str,
    value: Any,
    offered: ServiceList,
    warehouses: Mapping[str, Address] | None = None,
) -> None:
    """Raise InputError where `name` is not editable or cannot hold `value`."""
    if name == WAREHOUSE.name:
        _origin(value, warehouses or {})
        return
    _value(_editable(name), name, value, offered)


def demand_clear_weight(counts: Sequence[int]) -> None:
    """Raise InputError where the weight of a row with several parcels is edited."""
    several = sum(count > 1 for count in counts)
    if several:
        raise InputError(
            f"{counted(several, 'row')} of these {'has' if several == 1 else 'have'} several "
            "parcels, and weight_lb may be of each or of all.",
            fix="Leave them out of the clause (AND parcels = 1), or give the weights of parcels: "
            'by columns with map(parcels="each") or "shared", or in a template.',
        )


def _editable(name: str) -> Leaf:
    if name in _EDITED:
        return _EDITED[name]
    raise InputError(
        f"A shipment has no field {name!r} that can be edited.",
        fix=f"Editable: {', '.join(leaf.name for leaf in EDITABLE)}.",
    )


def _set(
    table: pa.Table, rows: np.ndarray[Any, Any], name: str, value: Any, offered: ServiceList
) -> pa.Table:
    leaf = _editable(name)
    new = _value(leaf, name, value, offered)
    if leaf.group == "parcels":
        return _set_parcel(table, rows, leaf, new)
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[rows] = True
    column = pc.if_else(pa.array(mask), pa.scalar(new, leaf.arrow.type), table.column(leaf.column))
    return table.set_column(SHIPMENTS.get_field_index(leaf.column), leaf.arrow, column)


def _origin(name: Any, warehouses: Mapping[str, Address]) -> Address | None:
    """Return the address of a warehouse; None, the shipper's, for None or an empty text."""
    if plain_value(name) is None or not str(name).strip():
        return None
    found = [each for each in warehouses if each.casefold() == str(name).strip().casefold()]
    if len(found) == 1:
        return warehouses[found[0]]
    raise InputError(
        f"No warehouse is called {name!r}.",
        fix=f"Known: {', '.join(sorted(warehouses)) or 'none'}. Give it: "
        "map(warehouses={...}), or a section [shippers.NAME] of the config file.",
    )


def _set_origin(table: pa.Table, rows: np.ndarray[Any, Any], place: Address | None) -> pa.Table:
    """Let rows leave from a place; None is the shipper's."""
    field = SHIPMENTS.field("ship_from")
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[rows] = True
    new = pa.nulls(1, field.type) if place is None else pa.array([place.model_dump()], field.type)
    changed = pc.if_else(pa.array(mask), new[0], table.column(field.name))
    return table.set_column(SHIPMENTS.get_field_index(field.name), field, changed)


def _set_parcel(table: pa.Table, rows: np.ndarray[Any, Any], leaf: Leaf, value: Any) -> pa.Table:
    """Set a field of every parcel, as a column does; an amount is of the row, and is divided.

    Whether a weight is of each parcel or of all is not known: those of several parcels are empty
    then, and the row waits (:func:`demand_clear_weight` refuses the edit where it can).
    """
    kind = SHIPMENTS.field("parcels").type
    parcels = table.column("parcels").to_pylist()
    for row in rows:
        boxes = parcels[row] or [{}]
        values = [value] * len(boxes)
        if leaf.spec.kind == "amount" and value is not None:
            # Whole cents, and none lost: the first parcels take one more.
            each, more = divmod(value, len(boxes))
            values = [each + (place < more) for place in range(len(boxes))]
        elif leaf.spec.kind == "weight" and len(boxes) > 1:
            values = [None] * len(boxes)
        parcels[row] = [{**box, leaf.column: one} for box, one in zip(boxes, values, strict=True)]
    at = SHIPMENTS.get_field_index("parcels")
    return table.set_column(at, SHIPMENTS.field("parcels"), pa.array(parcels, kind))


def _value(leaf: Leaf, name: str, value: Any, offered: ServiceList) -> Any:
    """Return `value` as the field's column holds it. Raises InputError where it does not fit."""
    try:
        value = plain_value(value)
        if value is None:
            return None
        if isinstance(value, bool) and leaf.spec.kind in {"weight", "length", "amount"}:
            raise TypeError("it is a flag")
        match leaf.spec.kind:
            case "service":
                value = offered.read(str(value))
            case "weight" | "length":
                value = plain_value(float(value))
            case "date":
                value = _day(value)
            case "amount":
                value = int(value) if name.endswith("_cents") else Money.of(value).cents
            case "choice":
                value = str(value)
                if value not in leaf.spec.words:
                    raise ValueError(f"use one of {', '.join(leaf.spec.words)}")
                if not leaf.required and value == leaf.spec.nothing:
                    return None  # what an empty cell means
            case "country" if leaf.spec.option:
                value = country_code(str(value))
                if country_code3(value) is None:
                    raise ValueError("it is not a country")
            case "text" | "code" | "country":
                value = _text(str(value))
        return pa.scalar(value, leaf.arrow.type).as_py()
    except UnknownService as no:
        raise InputError(f"{no.problem}.", fix=no.fix) from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError, ArithmeticError) as error:
        raise InputError(
            f"{name}={value!r} cannot be used: {error}.", fix=f"Give {_KINDS[leaf.spec.kind]}."
        ) from None


def _text(text: str) -> str | None:
    """Return a text as it would be read from a cell: without invisible marks, and None if empty.

    Raises
    ------
    ValueError
        It has characters that no label can print.
    """
    shown = without_invisible(text).strip()
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in shown):
        raise ValueError("it has a character that cannot be printed")
    return shown or None


def _day(value: Any) -> Any:
    """Return the day of a date, a moment, or a text such as 2026-11-02."""
    if isinstance(value, str):
        return dt.date.fromisoformat(value.strip())
    if not isinstance(value, dt.date):
        raise TypeError(f"it is a {type(value).__name__}")
    return value.date() if isinstance(value, dt.datetime) else value


_KINDS = {
    "service": "a service or a service rule",
    "weight": "a number of pounds",
    "length": "a number of inches",
    "amount": "an amount of money, such as '12.50'",
    "date": "a date, such as 2026-11-02",
    "flag": "a flag: True or False",
    "choice": "a known word",
    "text": "text",
    "code": "text",
    "country": "a two-letter country code",
}
