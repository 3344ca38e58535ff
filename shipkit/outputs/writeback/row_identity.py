"""What tells that a row of a database is still the order that was loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.cell_text import text_of
from shipkit.orders.database.dialect import kind_of
from shipkit.outputs.writeback.origin import stored_rows
from shipkit.purchasing.store import JobStore

__all__ = ["Identity", "identity_of", "is_compared", "same_cell"]


@dataclass(frozen=True)
class Identity:
    """The columns that are compared, and their cells as they were loaded."""

    columns: tuple[str, ...]
    stored: pa.Table = field(repr=False)

    def of(self, row: int) -> tuple[str | None, ...]:
        """Return the cells of a row."""
        return tuple(self.stored.column(name)[row - 1].as_py() for name in self.columns)


def identity_of(
    store: JobStore, key: Sequence[str], written: Mapping[str, str], types: Mapping[str, str]
) -> Identity:
    """Return what is compared: the order number, or all that was loaded if no column has it.

    A key of the table says which row it is, and not which order: keys are new when a table
    is filled again.

    Parameters
    ----------
    written
        Result column -> column of the table that is written.
    types
        The columns of the table -> their types.
    """
    stored = stored_rows(store)
    own = [name for name in stored.column_names[2:] if is_compared(types.get(name))]
    orders = _order_of_rows(store, stored.num_rows)
    for name in own:
        cells = stored.column(name)
        differ = pc.and_(pc.is_valid(orders), pc.not_equal(pc.fill_null(cells, ""), orders))
        if orders.null_count < len(orders) and not pc.any(differ).as_py():
            return Identity(() if name in key else (name,), stored)
    rest = tuple(name for name in own if name not in key and name not in written.values())
    return Identity(rest, stored)


def _order_of_rows(store: JobStore, count: int) -> pa.Array:
    """Return the order number of each row; null for a row of no shipment."""
    numbers = store.plan.column("row_numbers")
    orders: list[str | None] = [None] * count
    for order, rows in zip(
        store.plan.column("order_id").to_pylist(), numbers.to_pylist(), strict=True
    ):
        for row in rows:
            orders[row - 1] = order
    return pa.array(orders, pa.string())


def is_compared(kind: str | None) -> bool:
    """Return whether the cells of a column of this type are compared: texts and numbers.

    Drivers give dates, times and binary values in ways of their own.
    """
    return kind is not None and (kind == "" or kind_of(kind) in {"text", "integer", "number"})


def same_cell(there: Any, text: str | None) -> bool:
    """Return whether a value of a database is the text that was loaded from it or written to it.

    Numbers are compared as numbers.

    Examples
    --------
    >>> same_cell(10.5, "10.50"), same_cell("1Z99 ", "1Z99"), same_cell("1Z9", "1Z99")
    (True, True, False)
    """
    if there is None or text is None:
        return not there and not text
    found = str(text_of(there) or "")
    if found.strip() == text.strip():
        return True
    try:
        return Decimal(found) == Decimal(text)
    except InvalidOperation:
        return False
