"""Checks that the fields, headings and services which the settings name exist."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from numbers import Rational, Real
from typing import Any, Final

from shipkit.common.plain_values import plain_value
from shipkit.errors import MappingError
from shipkit.orders.columns import KIND, Column
from shipkit.orders.mapping.mapped import CUSTOMS_DEFAULTS, LEAVES, ROLE_LEAVES, MappingSpec
from shipkit.orders.origin_headings import ORIGIN_FIELDS
from shipkit.orders.units import LENGTHS, WEIGHTS
from shipkit.services import UnknownService

__all__ = ["check_settings", "find_column", "given_defaults"]

_NAMED: Final = {
    *LEAVES,
    *ROLE_LEAVES,
    *KIND,
    *ORIGIN_FIELDS,
    "unit_price",
    *(f"weight_{unit}" for unit in WEIGHTS.to_base),
}
"""What ``map(columns={...})`` may name the column of."""
_UNITS: Final = frozenset({*WEIGHTS.to_base, *LENGTHS.to_base})


def check_settings(spec: MappingSpec, columns: Sequence[Column]) -> None:
    """Raise MappingError when the settings name a field, heading or service that does not exist."""
    for name in spec.columns:
        _check_field(name, _NAMED, "columns")
    for name in spec.defaults:
        _check_field(name, {*LEAVES, *CUSTOMS_DEFAULTS}, "defaults")
    for heading in (*spec.columns.values(), *spec.references.values(), *spec.ignore):
        find_column(columns, heading)
    for name, heading in spec.columns.items():
        _check_unit(name, find_column(columns, heading))
    for text in (spec.service, *spec.services.values(), spec.defaults.get("service")):
        if text is None:
            continue
        try:
            spec.offered.read(str(text))
        except UnknownService as unknown:
            raise MappingError(f"{unknown.problem}.", fix=unknown.fix) from None


def given_defaults(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults as plain values; one that is missing (None, NaN, NaT) is no default.

    Raises MappingError for what is not one value.
    """
    made = {}
    for name, value in defaults.items():
        _check_field(name, {*LEAVES, *CUSTOMS_DEFAULTS}, "defaults")  # a typo is told, if empty
        if _is_nan(value):
            continue
        try:
            plain = plain_value(value)
        except (TypeError, ValueError) as error:
            raise MappingError(
                f"defaults: {name}={value!r} cannot be used: {error}.", fix="Give one value."
            ) from None
        if plain is not None:
            made[name] = plain
    return made


def _is_nan(value: Any) -> bool:
    """Return whether a value is NaN: a float of Python or NumPy, or a Decimal."""
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, Real) and not isinstance(value, Rational) and math.isnan(value)


def find_column(columns: Sequence[Column], heading: str) -> Column:
    """Return the column with that heading or key. Raises MappingError, which names the nearest."""
    for column in columns:
        if heading in (column.name, column.key):
            return column
    names = [column.name for column in columns]
    raise MappingError(
        f"The orders have no column {heading!r}.",
        fix=f"{_nearest(heading, names)}Columns: {', '.join(names)}.",
    )


def _check_field(name: str, known: Collection[str], argument: str) -> None:
    if name not in known:
        raise MappingError(
            f"{argument}: {name!r} is not a field of a shipment.",
            fix=f"{_nearest(name, sorted(known))}Known: {', '.join(sorted(known))}.",
        )


def _check_unit(name: str, column: Column) -> None:
    """Refuse another unit for a column whose cells name their units: they were converted."""
    role, _, unit = name.rpartition("_")
    if column.own_units and role in ROLE_LEAVES and unit in _UNITS and unit != column.unit:
        raise MappingError(
            f"columns: {name!r} cannot be {column.name!r}: its cells name their units, and are "
            f"read in {column.unit}.",
            fix=f'Name it without a unit: map(columns={{"{role}": "{column.name}"}}).',
        )


def _nearest(name: str, known: Sequence[str]) -> str:
    lowered = [each.lower() for each in known]
    close = difflib.get_close_matches(name, known, 1, 0.5) or difflib.get_close_matches(
        name.lower(), lowered, 1, 0.5
    )
    return f"Did you mean {close[0]!r}? " if close else ""
