"""Choices made before a plan exists: edits, rows set aside, and services chosen by rule.

Pure over the shipments table but for :func:`choose_services` and :func:`shop`, which ask the
carrier what each service costs. The fingerprint of a plan is taken after this stage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.protocol import Carrier, Pacer, shop_each
from shipkit.errors import InputError
from shipkit.models import Address, ServiceLevel
from shipkit.plan.plan import Edit
from shipkit.schema import SHIPMENTS, problems_table

__all__ = [
    "EDITABLE",
    "apply_edits",
    "best_offers",
    "choose_services",
    "is_rule",
    "shop",
    "skipped_rows",
    "without_edited",
]

_PARCEL_FIELDS = (
    "weight_lb",
    "length_in",
    "width_in",
    "height_in",
    "packaging",
    "declared_value_cents",
)
_TEXT_FIELDS = (
    "name",
    "company",
    "phone",
    "email",
    "address_line1",
    "address_line2",
    "address_line3",
    "city",
    "state",
    "postal_code",
    "country",
    "description",
)
EDITABLE = (
    "service",
    "residential",
    "ship_date",
    "signature",
    "saturday_delivery",
    *_TEXT_FIELDS,
    *_PARCEL_FIELDS,
)
"""Fields that ``session.edit(clause, field=value)`` may set."""

_RULE = re.compile(r"^(cheapest|fastest)(?: within (\d+) days?)?$")


def apply_edits(
    table: pa.Table, edits: Sequence[Edit], indexes: Mapping[int, np.ndarray[Any, Any]]
) -> pa.Table:
    """Return `table` with every edit's fields set on its rows.

    Parameters
    ----------
    indexes
        Position in `edits` -> indexes of the rows it changes.
    """
    for position, edit in enumerate(edits):
        rows = indexes.get(position)
        if rows is None or not len(rows):
            continue
        for name, value in edit.fields:
            table = _set(table, rows, name, value)
    return table


def without_edited(problems: pa.Table, edits: Sequence[Edit]) -> pa.Table:
    """Return `problems` without those about a field that an edit has since set: validation judges the new value."""
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
    """Return index -> reason for all rows that a person set aside."""
    return {
        int(row): edit.reason or f"set aside ({edit.clause})"
        for position, edit in enumerate(edits)
        if edit.action == "skip"
        for row in indexes.get(position, ())
    }


def is_rule(service: str | None) -> bool:
    """Return whether `service` is a rule for this stage rather than a service.

    Examples
    --------
    >>> is_rule("cheapest within 3 days"), is_rule("ground")
    (True, False)
    """
    return bool(service and _RULE.match(service))


async def choose_services(
    table: pa.Table, carrier: Carrier, shipper: Address, pacer: Pacer | None = None
) -> tuple[pa.Table, pa.Table]:
    """Return `table` with each rule replaced by the service it chooses, and the problems of rows where none fits."""
    services = table.column("service")
    rules = {rule: _RULE.match(rule) for rule in pc.unique(services).to_pylist() if is_rule(rule)}
    rows = np.flatnonzero(
        np.asarray(pc.is_in(services, value_set=pa.array(list(rules), pa.string())))
    )
    if not len(rows):
        return table, problems_table()
    asked = table.take(pa.array(rows))
    offers = await shop(asked, carrier, shipper, pacer)
    chosen = np.full(len(rows), None, dtype=object)
    for rule, found in rules.items():
        assert found is not None  # noqa: S101 - is_rule chose it
        of_rule = np.asarray(pc.equal(asked.column("service"), rule))
        best = best_offers(offers, found[1], int(found[2]) if found[2] else None)
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


async def shop(
    table: pa.Table, carrier: Carrier, shipper: Address, pacer: Pacer | None = None
) -> pa.Table:
    """Return the price of each shipment by every service that `carrier` sells for it (:data:`shipkit.carriers.protocol.SHOPPED`).

    In one statement where the carrier can (``carrier.shop_table``), else by asking for each
    shipment.
    """
    at_once = getattr(carrier, "shop_table", None)
    if at_once is not None:
        offers: pa.Table = await at_once(table, shipper, pacer)
        return offers
    return await shop_each(
        carrier.shop, table, shipper, concurrency=carrier.pace.concurrency, pacer=pacer
    )


def best_offers(offers: pa.Table, aim: str, within_days: int | None = None) -> pa.Table:
    """Return the best priced line of each row of a shop table that has one: ``cheapest`` (then fastest), or ``fastest`` (then cheapest)."""
    fits = pc.is_valid(offers.column("cost_cents"))
    if within_days is not None:
        fits = pc.and_(
            fits,
            pc.fill_null(pc.less_equal(offers.column("transit_days"), within_days), False),  # noqa: FBT003 - a fill value
        )
    offers = offers.filter(fits)
    cents, days = (
        np.asarray(pc.fill_null(offers.column(name).cast(pa.int64()), _FAR))
        for name in ("cost_cents", "transit_days")
    )
    first, second = (cents, days) if aim == "cheapest" else (days, cents)
    name = np.asarray(pc.rank(offers.column("service"))) if offers.num_rows else cents
    rows = np.asarray(offers.column("row"))
    order = np.lexsort((name, second, first, rows))
    _, start = np.unique(rows[order], return_index=True)
    return offers.take(pa.array(order[start]))


_FAR = 10**9
"""Slower and dearer than anything: what is not known comes last."""


def _weightless(table: pa.Table) -> np.ndarray[Any, Any]:
    """Return which rows have no weight: validation says so, and one problem is enough."""
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
    """Return a problem for each of `rows`: what the carrier said of it, or that no service fits."""
    without = offers.filter(pc.is_null(offers.column("cost_cents")))
    said = dict(
        zip(without.column("row").to_pylist(), without.column("problem").to_pylist(), strict=True)
    )
    lines = asked.select(["row_number", "service"]).take(pa.array(rows, pa.int64())).to_pylist()
    return problems_table(
        [
            {
                "row_number": line["row_number"],
                "field": "service",
                "value": line["service"],
                "severity": "error",
                "code": "no_service_fits",
                "problem": said.get(row)
                or f"no service of {carrier.identity} fits {line['service']!r}",
                "fix": "Name a service for this row, or relax the rule.",
            }
            for row, line in zip(rows.tolist(), lines, strict=True)
        ]
    )


def _set(table: pa.Table, rows: np.ndarray[Any, Any], name: str, value: Any) -> pa.Table:
    if name not in EDITABLE:
        raise InputError(
            f"A shipment has no field {name!r} that can be edited.",
            fix=f"Editable: {', '.join(EDITABLE)}.",
        )
    if name in _PARCEL_FIELDS:
        return _set_parcel(table, rows, name, value)
    kind = SHIPMENTS.field(name).type
    try:
        new = pa.scalar(_typed(name, value), kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError) as error:
        raise InputError(
            f"{name}={value!r} does not fit: {error}.", fix=f"Give a {kind} value."
        ) from None
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[rows] = True
    column = pc.if_else(pa.array(mask), new, table.column(name))
    return table.set_column(SHIPMENTS.get_field_index(name), SHIPMENTS.field(name), column)


def _set_parcel(table: pa.Table, rows: np.ndarray[Any, Any], name: str, value: Any) -> pa.Table:
    try:
        number = (
            value
            if value is None or name == "packaging"
            else int(value)
            if name.endswith("_cents")
            else float(value)
        )
    except (TypeError, ValueError):
        raise InputError(
            f"{name}={value!r} is not a number.",
            fix="Give a number in the unit of the field's name.",
        ) from None
    parcels = table.column("parcels").to_pylist()
    for row in rows:
        first, *rest = parcels[row] or [dict.fromkeys(_PARCEL_FIELDS)]
        parcels[row] = [{**first, name: number}, *rest]
    return table.set_column(
        SHIPMENTS.get_field_index("parcels"),
        SHIPMENTS.field("parcels"),
        pa.array(parcels, SHIPMENTS.field("parcels").type),
    )


def _typed(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "service":
        if is_rule(str(value)):
            return str(value)
        found = ServiceLevel.parse(str(value))
        if found is None:
            raise ValueError(
                f"unknown service, known are {', '.join(s.value for s in ServiceLevel)}"
            )
        return found.value
    return str(value) if name in _TEXT_FIELDS or name == "signature" else value
