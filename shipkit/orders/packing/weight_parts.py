"""A weight in two columns: 1 lb and 4 oz, or 0.5 lb that is written again as 8 oz."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shipkit.common.sql import one, quoted
from shipkit.orders.fields import Column
from shipkit.orders.grouping import OrderSet

__all__ = ["unclear_sql", "without_repeats"]

Weights = Sequence[tuple[Column, str | None]]

_IN_ONE: Final = {("lb", "oz"): 16, ("kg", "g"): 1000}
"""Units of the two columns -> how many of the second are one of the first."""
_ROUNDED: Final = 0.03
"""How far the same weight in two columns may differ, as a share: "0.4" kg and "391" g."""


def without_repeats(orders: OrderSet, weights: Weights) -> list[tuple[Column, str | None]]:
    """Return the columns to add up: only the first where the second repeats it in another unit."""
    parts = _parts(weights)
    if parts is None:
        return list(weights)
    large, small, size = parts
    both = f"{large} > 0 AND {small} > 0"
    repeated, filled = one(
        orders.con,
        f"SELECT count(*) FILTER ({both} AND {_repeats(large, small, size)}), "
        f"count(*) FILTER ({both}) FROM {orders.all_lines.sql}",
    )
    return list(weights[:1] if filled and repeated == filled else weights)


def unclear_sql(weights: Weights) -> str | None:
    """Return SQL that is true of a line whose two weights cannot be the parts of one; None for one.

    Parts are a whole number of pounds, and fewer ounces than a pound has.
    """
    parts = _parts(weights)
    if parts is None:
        return None
    large, small, size = parts
    return f"{large} > 0 AND {small} > 0 AND ({large} <> floor({large}) OR {small} >= {size})"


def _parts(weights: Weights) -> tuple[str, str, int] | None:
    """Return SQL of the larger and the smaller of two parts, and how the units relate."""
    if len(weights) != 2:
        return None
    (first, unit), (second, smaller) = weights
    size = _IN_ONE.get((unit or "", smaller or ""))
    if size is None:
        return None
    large, small = (f"TRY_CAST({quoted(column.key)} AS DOUBLE)" for column in (first, second))
    return large, small, size


def _repeats(large: str, small: str, size: int) -> str:
    return f"abs({large} * {size} - {small}) <= {_ROUNDED} * {small}"
