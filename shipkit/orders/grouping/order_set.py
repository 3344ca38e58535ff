"""The orders of a source, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation
from shipkit.common.sql import quoted
from shipkit.orders.cells import Note
from shipkit.orders.columns import Column
from shipkit.orders.source import Loaded

__all__ = ["FixedOrders", "OrderSet"]


@dataclass(frozen=True)
class FixedOrders:
    """What grouping decides from all lines, for a file that is read alone."""

    order_key: str | None
    """The heading of the column that names the order."""
    single: bool
    """Whether every order is one line in all files."""
    filled: frozenset[str]
    """As in :class:`OrderSet`."""


@dataclass(frozen=True)
class OrderSet:
    """The orders of a source, in the database.

    The relations are views where every order is one line; otherwise they are stored.
    """

    loaded: Loaded = field(repr=False)
    orders: Relation = field(repr=False)
    """One row per order: ``row_number`` and ``row_numbers`` of its lines, ``source_file``, then the
    source's columns by key, as in its first line."""
    all_lines: Relation = field(repr=False)
    """Every line: ``order_row`` (the order's row number), ``row_number``, ``source_file``, then the
    source's columns by key."""
    shipping_lines: Relation = field(repr=False)
    """The lines that are shipped, with the columns of `all_lines`."""
    count: int
    """Number of orders."""
    order_key: Column | None
    """The column that names the order; None where each line is an order."""
    single: bool
    """Whether every order is one line."""
    problems: pa.Table = field(repr=False)
    each_row: bool = False
    """Whether each line is an order because the layout or a person says so."""
    repeats: Relation | None = field(default=None, repr=False)
    """``row_number`` -> ``first_row`` of lines that are equal in every cell; None without any."""
    keeps_repeats: bool = False
    """Whether a person decided what becomes of equal lines."""
    notes: tuple[Note, ...] = field(default=(), repr=False)
    """What was left out."""
    filled: frozenset[str] = field(default=frozenset(), repr=False)
    """Keys of the columns that belong to an order and are filled down into its lines."""
    not_shipped: int = 0
    """How many lines were sold but are not shipped, or are there again."""

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """The database."""
        return self.loaded.con

    @property
    def columns(self) -> tuple[Column, ...]:
        """The source's columns."""
        return self.loaded.columns

    @property
    def line_columns(self) -> tuple[Column, ...]:
        """The columns that a filter can name: the source's own, row_number and source_file."""
        return (
            *self.columns,
            Column("row_number", "row_number", "BIGINT"),
            Column("source_file", "source_file", "VARCHAR"),
        )

    def line_cells(self, keys: Sequence[str]) -> pa.Table:
        """Return columns of all lines, after ``_order``, the row number of the order."""
        wanted = ", ".join(["order_row AS _order", *(quoted(key) for key in keys)])
        return self.con.sql(f"SELECT {wanted} FROM {self.all_lines.sql}").to_arrow_table()

    def lines(self, row_numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return the lines with these row numbers as dicts by key, in source order."""
        wanted = ", ".join(["row_number", *(quoted(column.key) for column in self.columns)])
        found = self.con.execute(
            f"""
            SELECT {wanted}
            FROM {self.shipping_lines.sql}
            WHERE list_contains($rows, row_number)
            ORDER BY row_number
            """,
            {"rows": list(row_numbers)},
        )
        names = [str(item[0]) for item in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
