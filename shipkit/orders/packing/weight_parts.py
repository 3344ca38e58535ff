"""A weight in two columns: 1 lb and 4 oz, or 0.5 lb that is written again as 8 oz."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shipkit.common.sql import one, quoted
from shipkit.orders.columns import Column
from shipkit.orders.grouping import OrderSet
from shipkit.orders.units import WEIGHTS

__all__ = ["are_twice", "unclear_sql", "without_repeats"]

Weights = Sequence[tuple[Column, str | None]]

_IN_ONE: Final[dict[tuple[str, str], float]] = {("lb", "oz"): 16, ("kg", "g"): 1000}
"""Units of the two columns -> how many of the second are one of the first."""
_TWICE: Final = {
    pair: WEIGHTS.convert(1.0, *pair)
    for pair in (("kg", "lb"), ("g", "lb"), ("g", "oz"), ("kg", "oz"))
}
"""Units of two columns that are never parts of one weight, but say it twice."""
_ROUNDED: Final = 0.03
"""How far the same weight in two columns may differ, as a share: "0.4" kg and "391" g."""


def without_repeats(orders: OrderSet, weights: Weights) -> list[tuple[Column, str | None]]:
    """Return the columns to add up: only the first where the second repeats it in another unit."""
    parts = _parts(weights)
    if parts is None or are_twice(weights):
        return list(weights)
    large, small, size = parts
    both = f"{large} > 0 AND {small} > 0"
    repeated, filled = one(
        orders.con,
        f"SELECT count(*) FILTER ({both} AND {_repeats(large, small, size)}), "
        f"count(*) FILTER ({both}) FROM {orders.all_lines.sql}",
    )
    return list(weights[:1] if filled and repeated == filled else weights)


def are_twice(weights: Weights) -> bool:
    """Return whether two columns give one weight in two systems: the first that is filled is it."""
    return tuple(unit for _, unit in weights) in _TWICE


def unclear_sql(weights: Weights) -> str | None:
    """Return SQL that is true of a line whose two weights cannot be the parts of one; None for one.

    Parts are a whole number of pounds, and fewer ounces than a pound has. Kilograms and pounds are
    the same weight twice.
    """
    parts = _parts(weights)
    if parts is None:
        return None
    large, small, size = parts
    if are_twice(weights):
        return f"{large} > 0 AND {small} > 0 AND NOT {_repeats(large, small, size)}"
    return f"{large} > 0 AND {small} > 0 AND ({large} <> floor({large}) OR {small} >= {size})"


def _parts(weights: Weights) -> tuple[str, str, float] | None:
    """Return SQL of the larger and the smaller of two parts, and how the units relate."""
    if len(weights) != 2:
        return None
    (first, unit), (second, smaller) = weights
    size = (_IN_ONE | _TWICE).get((unit or "", smaller or ""))
    if size is None:
        return None
    large, small = (f"TRY_CAST({quoted(column.key)} AS DOUBLE)" for column in (first, second))
    return large, small, size


def _repeats(large: str, small: str, size: float) -> str:
    return f"abs({large} * {size} - {small}) <= {_ROUNDED} * {small}"
