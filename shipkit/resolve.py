"""Choices made before a plan exists: edits, rows set aside, and services chosen by rule.

Pure over the shipments table but for :func:`choose_services`, which asks the carrier what each service costs.
The fingerprint of a plan is taken after this stage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.base import Carrier, Pacer
from shipkit.errors import CarrierError, InputError
from shipkit.models import Address, Rate, ServiceLevel
from shipkit.plan import Edit
from shipkit.table import SHIPMENTS, problems_table, shipment_from_row

__all__ = ["EDITABLE", "apply_edits", "choose_services", "is_rule", "skipped_rows", "without_edited"]

_PARCEL_FIELDS = ("weight_lb", "length_in", "width_in", "height_in", "packaging", "declared_value_cents")
_TEXT_FIELDS = (
    "name", "company", "phone", "email", "address_line1", "address_line2", "address_line3", "city", "state", "postal_code", "country", "description",
)
EDITABLE = ("service", "residential", "ship_date", "signature", "saturday_delivery", *_TEXT_FIELDS, *_PARCEL_FIELDS)
"""Fields that ``session.edit(clause, field=value)`` may set."""

_RULE = re.compile(r"^(cheapest|fastest)(?: within (\d+) days?)?$")


def apply_edits(table: pa.Table, edits: Sequence[Edit], indexes: Mapping[int, np.ndarray[Any, Any]]) -> pa.Table:
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
    numbers, fields = problems.column("row_number").to_pylist(), problems.column("field").to_pylist()
    keep = [(n, (f or "").rsplit(".", 1)[-1].split("[")[0]) not in settled for n, f in zip(numbers, fields, strict=True)]
    return problems.filter(pa.array(keep, pa.bool_()))


def skipped_rows(edits: Sequence[Edit], indexes: Mapping[int, np.ndarray[Any, Any]]) -> dict[int, str]:
    """Return index -> reason for all rows that a person set aside."""
    return {
        int(row): edit.reason or f"set aside ({edit.clause})"
        for position, edit in enumerate(edits) if edit.action == "skip"
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


async def choose_services(table: pa.Table, carrier: Carrier, shipper: Address, pacer: Pacer | None = None) -> tuple[pa.Table, pa.Table]:
    """Return `table` with each rule replaced by the service it chooses, and the problems of rows where none fits."""
    services = table.column("service").to_pylist()
    rows = [i for i, service in enumerate(services) if is_rule(service)]
    problems: list[dict[str, Any]] = []
    for i in rows:
        row = table.slice(i, 1).to_pylist()[0]
        rule = services[i]
        services[i], why = await _choose(rule, row, carrier, shipper, pacer)
        if why:
            problems.append({
                "row_number": row["row_number"], "field": "service", "value": rule, "problem": why, "severity": "error", "code": "no_service_fits",
                "fix": "Name a service for this row, or relax the rule.",
            })
    if rows:
        table = table.set_column(SHIPMENTS.get_field_index("service"), SHIPMENTS.field("service"), pa.array(services, pa.string()))
    return table, problems_table(problems)


async def _choose(rule: str, row: dict[str, Any], carrier: Carrier, shipper: Address, pacer: Pacer | None) -> tuple[str | None, str | None]:
    try:
        shipment = shipment_from_row({**row, "service": ServiceLevel.GROUND.value})
    except ValueError:
        return None, None  # validation says what the row lacks
    try:
        rates = await (pacer.repeat(lambda: carrier.shop(shipment, shipper)) if pacer else carrier.shop(shipment, shipper))
    except CarrierError as error:
        return None, error.message
    found = _RULE.match(rule)
    assert found is not None  # noqa: S101 - is_rule chose this row
    best = _best(rates, found[1], int(found[2]) if found[2] else None)
    return (best.service.value, None) if best else (None, f"no service of {carrier.identity} fits {rule!r}")


def _best(rates: Sequence[Rate], aim: str, days: int | None) -> Rate | None:
    fitting = [r for r in rates if days is None or (r.transit_days is not None and r.transit_days <= days)]
    far = 10**6
    if aim == "cheapest":
        return min(fitting, key=lambda r: (r.cost_cents, r.transit_days if r.transit_days is not None else far, r.service.value), default=None)
    return min(fitting, key=lambda r: (r.transit_days if r.transit_days is not None else far, r.cost_cents, r.service.value), default=None)


def _set(table: pa.Table, rows: np.ndarray[Any, Any], name: str, value: Any) -> pa.Table:
    if name not in EDITABLE:
        raise InputError(f"A shipment has no field {name!r} that can be edited.", fix=f"Editable: {', '.join(EDITABLE)}.")
    if name in _PARCEL_FIELDS:
        return _set_parcel(table, rows, name, value)
    kind = SHIPMENTS.field(name).type
    try:
        new = pa.scalar(_typed(name, value), kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError) as error:
        raise InputError(f"{name}={value!r} does not fit: {error}.", fix=f"Give a {kind} value.") from None
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[rows] = True
    column = pc.if_else(pa.array(mask), new, table.column(name))
    return table.set_column(SHIPMENTS.get_field_index(name), SHIPMENTS.field(name), column)


def _set_parcel(table: pa.Table, rows: np.ndarray[Any, Any], name: str, value: Any) -> pa.Table:
    try:
        number = value if value is None or name == "packaging" else int(value) if name.endswith("_cents") else float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name}={value!r} is not a number.", fix="Give a number in the unit of the field's name.") from None
    parcels = table.column("parcels").to_pylist()
    for row in rows:
        first, *rest = parcels[row] or [dict.fromkeys(_PARCEL_FIELDS)]
        parcels[row] = [{**first, name: number}, *rest]
    return table.set_column(SHIPMENTS.get_field_index("parcels"), SHIPMENTS.field("parcels"), pa.array(parcels, SHIPMENTS.field("parcels").type))


def _typed(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "service":
        if is_rule(str(value)):
            return str(value)
        found = ServiceLevel.parse(str(value))
        if found is None:
            raise ValueError(f"unknown service, known are {', '.join(s.value for s in ServiceLevel)}")
        return found.value
    return str(value) if name in _TEXT_FIELDS or name == "signature" else value


