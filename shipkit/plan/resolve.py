"""The last decisions before a plan: edits, rows set aside, and services chosen by rule.

Only :func:`choose_services` and :func:`shop` ask the carrier for prices; the rest works on the
shipments table alone. The plan's fingerprint is taken after this stage.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier, table_shopper
from shipkit.carriers.quoting import shop_each
from shipkit.errors import InputError
from shipkit.models import Address, Money
from shipkit.plan import outage
from shipkit.plan.plan import Edit
from shipkit.schema import EDITABLE, OPTIONS, SHIPMENTS, Leaf, problems_table
from shipkit.services import ServiceList, ServiceRule, UnknownService

__all__ = [
    "apply_edits",
    "best_offers",
    "check_edit",
    "choose_services",
    "shop",
    "skipped_rows",
    "unsupported",
    "without_edited",
]

_EDITED = {leaf.name: leaf for leaf in EDITABLE} | {
    leaf.column: leaf for leaf in EDITABLE if leaf.column != leaf.name
}
"""Name that ``session.edit`` takes -> the field; an amount may be given in minor units, too."""


def apply_edits(
    table: pa.Table,
    edits: Sequence[Edit],
    indexes: Mapping[int, np.ndarray[Any, Any]],
    offered: ServiceList,
) -> pa.Table:
    """Return `table` with every edit's fields set on its rows.

    Parameters
    ----------
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


async def choose_services(
    table: pa.Table,
    carrier: Carrier,
    shipper: Address,
    pacer: Pacer | None = None,
    *,
    places_of: Callable[[pa.Table], Mapping[int, Sequence[str]]] | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Return `table` with each rule replaced by the service it chooses, and the problems.

    A row for which no service fits keeps a null service and has a problem.

    Parameters
    ----------
    places_of
        Returns row number -> the kinds of places of its address that not every service goes to: a
        service that does not go there is not chosen.
    """
    services, offered = table.column("service"), carrier.services.of_shipper(shipper.country)
    rules = {
        text: rule
        for text in pc.unique(services.drop_null()).to_pylist()
        if (rule := offered.rule(text)) is not None
    }
    rows = np.flatnonzero(
        np.asarray(pc.is_in(services, value_set=pa.array(list(rules), pa.string())))
    )
    if not len(rows):
        return table, problems_table()
    asked = table.take(pa.array(rows))
    closed: dict[int, set[str]] = {}
    if places_of is not None and any(entry.not_to for entry in offered):
        closed = _closed(asked, offered, places_of(asked))
    offers = _without_closed(await shop(asked, carrier, shipper, pacer), closed)
    chosen = np.full(len(rows), None, dtype=object)
    for text, rule in rules.items():
        of_rule = np.asarray(pc.equal(asked.column("service"), text))
        best = best_offers(offers, rule)
        at = np.asarray(best.column("row"))
        keep = of_rule[at]
        chosen[at[keep]] = best.column("service").to_numpy(zero_copy_only=False)[keep]
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[rows] = True
    named = pa.array(chosen, pa.string())
    replaced = pc.replace_with_mask(services.combine_chunks(), pa.array(mask), named)
    table = table.set_column(
        SHIPMENTS.get_field_index("service"), SHIPMENTS.field("service"), replaced
    )
    return table, _unfitting(
        asked, offers, np.flatnonzero(np.asarray(pc.is_null(named)) & ~_weightless(asked)), carrier
    )


def _closed(
    asked: pa.Table, offered: ServiceList, kinds: Mapping[int, Sequence[str]]
) -> dict[int, set[str]]:
    """Return index of a row -> the services that do not go to its address."""
    if not kinds:
        return {}
    rows = {number: row for row, number in enumerate(asked.column("row_number").to_pylist())}
    return {
        rows[number]: {entry.code for entry in offered if {*entry.not_to}.intersection(here)}
        for number, here in kinds.items()
    }


def _without_closed(offers: pa.Table, closed: Mapping[int, set[str]]) -> pa.Table:
    """Return the offers without those of services that do not go to the address of their row.

    A row that no service goes to keeps its offers: validation says why it waits.
    """
    if not closed:
        return offers
    special = pc.is_in(offers.column("row").cast(pa.int64()), pa.array(list(closed), pa.int64()))
    at = pc.indices_nonzero(special).to_pylist()
    some = offers.take(pa.array(at, pa.int64())).select(["row", "service"]).to_pylist()
    going = {offer["row"] for offer in some if offer["service"] not in closed[offer["row"]]}
    keep = np.ones(offers.num_rows, dtype=bool)
    for place, offer in zip(at, some, strict=True):
        keep[place] = offer["row"] not in going or offer["service"] not in closed[offer["row"]]
    return offers.filter(pa.array(keep))


async def shop(
    table: pa.Table, carrier: Carrier, shipper: Address, pacer: Pacer | None = None
) -> pa.Table:
    """Return :data:`shipkit.carriers.quoting.SHOPPED`: each shipment priced by every service.

    Asks for the whole table at once where the carrier can, else shipment by shipment.
    """
    at_once = table_shopper(carrier)
    if at_once is not None:
        return await outage.answered(at_once.shop_table(table, shipper, pacer))
    return await shop_each(
        carrier.shop, table, shipper, concurrency=carrier.pace.concurrency, pacer=pacer
    )


def best_offers(offers: pa.Table, rule: ServiceRule) -> pa.Table:
    """Return the best offer of each row of a shop table that has one that fits `rule`.

    The cheapest offer wins a tie by being faster, the fastest by being cheaper.
    """
    fits = pc.is_valid(offers.column("cost_cents"))
    if rule.of:
        fits = pc.and_(fits, pc.is_in(offers.column("service"), value_set=pa.array(rule.of)))
    if rule.within_days is not None:
        soon = pc.less_equal(offers.column("transit_days"), rule.within_days)
        fits = pc.and_(fits, pc.fill_null(soon, False))  # noqa: FBT003 - a fill value
    offers = offers.filter(fits)
    cents, days = (
        np.asarray(pc.fill_null(offers.column(name).cast(pa.int64()), _FAR))
        for name in ("cost_cents", "transit_days")
    )
    first, second = (cents, days) if rule.aim == "cheapest" else (days, cents)
    name = np.asarray(pc.rank(offers.column("service"))) if offers.num_rows else cents
    rows = np.asarray(offers.column("row"))
    order = np.lexsort((name, second, first, rows))
    _, start = np.unique(rows[order], return_index=True)
    return offers.take(pa.array(order[start]))


_FAR = 10**9
"""Larger than any price or transit time, so that unknown values sort last."""


def _weightless(table: pa.Table) -> np.ndarray[Any, Any]:
    """Return which rows have no weight. Validation reports it, and one problem is enough."""
    parcels = table.column("parcels").combine_chunks()
    lacking: np.ndarray[Any, Any] = np.asarray(pc.fill_null(pc.list_value_length(parcels), 0)) == 0
    weights = pc.struct_field(pc.list_flatten(parcels), "weight_lb")
    lacking[
        np.asarray(pc.list_parent_indices(parcels))[
            ~np.asarray(pc.fill_null(pc.greater(weights, 0), False))  # noqa: FBT003 - a fill value
        ]
    ] = True
    return lacking


def _unfitting(
    asked: pa.Table, offers: pa.Table, rows: np.ndarray[Any, Any], carrier: Carrier
) -> pa.Table:
    """Return a problem for each of `rows`: the carrier's reason, or that no service fits."""
    without = offers.filter(pc.is_null(offers.column("cost_cents")))
    said = dict(
        zip(without.column("row").to_pylist(), without.column("problem").to_pylist(), strict=True)
    )
    silent = {offers.column("row")[place].as_py() for place in outage.unanswered_quotes(offers)}
    lines = asked.select(["row_number", "service"]).take(pa.array(rows, pa.int64())).to_pylist()
    return problems_table(
        [
            {
                "row_number": line["row_number"],
                "field": "service",
                "value": line["service"],
                "severity": "error",
                "code": outage.CODE if row in silent else "no_service_fits",
                "problem": said.get(row)
                or f"no service of {carrier.identity} fits {line['service']!r}",
                "fix": "Preview again once the carrier answers."
                if row in silent
                else "Name a service for this row, or relax the rule.",
            }
            for row, line in zip(rows.tolist(), lines, strict=True)
        ]
    )


def unsupported(table: pa.Table, carrier: Carrier) -> pa.Table:
    """Return a problem for each row that asks `carrier` for something that it does not offer."""
    name, able = carrier.identity.name, carrier.capabilities
    found = []
    for leaf in OPTIONS:
        if leaf.name in able.options:
            continue
        column = table.column(leaf.column)
        found += [
            _unsupported(
                table,
                row,
                leaf.path,
                str(column[row].as_py()),
                f"{name} does not offer {leaf.name}",
                f"Clear the cell, edit the row ({leaf.name}=None), or use another carrier.",
            )
            for row in _rows_where(column if leaf.spec.kind == "flag" else pc.is_valid(column))
        ]
    if not able.multi_parcel:
        counts = pc.list_value_length(table.column("parcels"))
        found += [
            _unsupported(
                table,
                row,
                "parcels",
                str(counts[row].as_py()),
                f"{name} sells one parcel per shipment",
                "Give each parcel a row of its own, or use another carrier.",
            )
            for row in _rows_where(pc.greater(counts, 1))
        ]
    return problems_table(found)


def _rows_where(flags: Any) -> list[int]:
    rows: list[int] = pc.indices_nonzero(pc.fill_null(flags, False)).to_pylist()  # noqa: FBT003 - a fill value
    return rows


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


def check_edit(name: str, value: Any, offered: ServiceList) -> None:
    """Raise InputError where `name` is not editable or cannot hold `value`."""
    _value(_editable(name), name, value, offered)


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


def _set_parcel(table: pa.Table, rows: np.ndarray[Any, Any], leaf: Leaf, value: Any) -> pa.Table:
    """Set a field of the first parcel."""
    kind = SHIPMENTS.field("parcels").type
    parcels = table.column("parcels").to_pylist()
    for row in rows:
        first, *rest = parcels[row] or [{}]
        parcels[row] = [{**first, leaf.column: value}, *rest]
    at = SHIPMENTS.get_field_index("parcels")
    return table.set_column(at, SHIPMENTS.field("parcels"), pa.array(parcels, kind))


def _value(leaf: Leaf, name: str, value: Any, offered: ServiceList) -> Any:
    """Return `value` as the field's column holds it. Raises InputError where it does not fit."""
    try:
        value = _plain(value)
        if value is None:
            return None
        match leaf.spec.kind:
            case "service":
                value = offered.read(str(value))
            case "weight" | "length":
                value = _plain(float(value))
            case "date":
                value = _day(value)
            case "amount":
                value = int(value) if name.endswith("_cents") else Money.of(value).cents
            case "choice":
                value = str(value)
                if value not in leaf.spec.words:
                    raise ValueError(f"use one of {', '.join(leaf.spec.words)}")
            case "text" | "code" | "country":
                value = str(value)
        return pa.scalar(value, leaf.arrow.type).as_py()
    except UnknownService as no:
        raise InputError(f"{no.problem}.", fix=no.fix) from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError, ArithmeticError) as error:
        raise InputError(
            f"{name}={value!r} cannot be used: {error}.", fix=f"Give {_KINDS[leaf.spec.kind]}."
        ) from None


def _plain(value: Any) -> Any:
    """Return one value as plain Python: a whole number has no ".0", as in a spreadsheet's cell.

    Raises
    ------
    TypeError, ValueError
        It is more than one value, or not a number (NaN).
    """
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    value = value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value
    if isinstance(value, bytes) or (hasattr(value, "__len__") and not isinstance(value, str)):
        raise TypeError(f"it is a {type(value).__name__}")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("it is not a number")
        return int(value) if value.is_integer() else value
    return value


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
