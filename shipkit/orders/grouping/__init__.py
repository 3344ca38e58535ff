"""From lines to orders: grouped by order number, with the order's cells filled down.

Exports write an order of several items as several lines, and fill the address often only in the
first one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema, count, fresh
from shipkit.common.sql import one, quoted
from shipkit.common.words import counted
from shipkit.orders.cells import Note
from shipkit.orders.fields import Column, phrase
from shipkit.orders.grouping.order_problems import ambiguous_numbers, conflicts, key_sql, notices
from shipkit.orders.layouts import not_shipped_sql, order_key_columns
from shipkit.orders.source import Loaded
from shipkit.schema import problems_table

__all__ = ["OrderSet", "group"]

_LINE_ROLES: Final = frozenset(
    {
        "sku",
        "item_name",
        "item_price",
        "item_weight",
        "quantity",
        "requires_shipping",
        "weight",
        "length",
        "width",
        "height",
        "hs_code",
        "origin_country",
    }
)
"""Roles of a line, not of its order: an empty cell stays empty, and is never filled down."""
_LINE_WORDS: Final = ("lineitem", "line item", "item", "product", "variant")
_ADDRESS: Final = ("name", "company", "address_line1", "city", "postal_code")


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
    notes: tuple[Note, ...] = field(default=(), repr=False)
    """What was left out."""
    not_shipped: int = 0
    """How many lines were sold but are not shipped."""

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


def group(loaded: Loaded, order_key: str | None = None) -> OrderSet:
    """Group the lines of a source to orders.

    Parameters
    ----------
    loaded
        The source.
    order_key
        Heading or key of the column that names the order; by default the one recognised as the
        order number. Without one, each line is an order.

    Returns
    -------
    OrderSet
        Lines with one order number and two recipients or addresses are a problem of that order,
        never silently merged.

    Raises
    ------
    SourceError
        There is no column `order_key`; the message names the nearest one.

    Notes
    -----
    A line with an empty order number belongs to the order above it if it has no address of its own;
    otherwise it is an order by itself. Where a layout knows that its order numbers repeat
    ("DOORDASH"), lines are one order only if further cells agree too, and a number that several
    orders have is a problem of each of them: neither merging nor splitting would be safe.
    """
    key = (
        loaded.column(order_key)
        if order_key
        else next((column for column in loaded.columns if column.role == "order_id"), None)
    )
    with fresh(loaded.con, "orders") as schema:
        return _grouped(schema, loaded, key, named=order_key is not None)


def _grouped(schema: StageSchema, loaded: Loaded, key: Column | None, *, named: bool) -> OrderSet:
    by_heading = {column.name: column.key for column in loaded.columns}
    left_out = not_shipped_sql(loaded.layout, by_heading)
    each_row = not named and loaded.layout is not None and loaded.layout.layout.each_row
    if key is None or each_row or _each_line_its_own(loaded, key):
        orders = _single_lines(schema, loaded, key, left_out)
    else:
        agreeing = () if named else order_key_columns(loaded.layout, loaded.names)
        also = [loaded.column(heading) for heading in agreeing]
        groups = _find_groups(schema, loaded, key, also)
        orders = _filled(schema, loaded, groups, key, left_out)
        problems = [conflicts(loaded, groups, key)]
        problems += [ambiguous_numbers(orders, key, also)] if also else []
        orders = replace(orders, problems=pa.concat_tables(problems))
    not_shipped = _not_shipped(orders) if left_out else 0
    text = f"{counted(not_shipped, 'line')} sold but not shipped (such as gift cards)."
    return replace(
        orders,
        problems=pa.concat_tables([orders.problems, *notices(orders)]),
        notes=(Note("dropped", text, not_shipped),) if not_shipped else (),
        not_shipped=not_shipped,
    )


def _single_lines(
    schema: StageSchema, loaded: Loaded, key: Column | None, left_out: str | None
) -> OrderSet:
    """Return each line as an order: views, nothing is stored."""
    lines = schema.view(
        "all_lines",
        f"""
        SELECT row_number AS order_row, *
        FROM {loaded.lines.sql}
        WHERE NOT ({left_out or "false"})
        """,
    )
    orders = schema.view(
        "orders",
        f"""
        SELECT row_number, [row_number] AS row_numbers, * EXCLUDE (row_number, order_row)
        FROM {lines.sql}
        """,
    )
    return OrderSet(
        loaded,
        orders,
        all_lines=lines,
        shipping_lines=lines,
        count=count(loaded.con, orders) if left_out else loaded.rows,
        order_key=key,
        single=True,
        problems=problems_table(),
    )


# -- which lines are one order ---------------------------------------------------------------------


def _each_line_its_own(loaded: Loaded, key: Column) -> bool:
    lines, different = one(
        loaded.con, f"SELECT count(*), count(DISTINCT {key_sql(key)}) FROM {loaded.lines.sql}"
    )
    return bool(lines == different)


def _find_groups(
    schema: StageSchema, loaded: Loaded, key: Column, also: Sequence[Column]
) -> Relation:
    """Return ``row_number`` -> ``order_row`` of lines with one number that agree in `also`."""
    address = [
        f"CAST({quoted(column.key)} AS VARCHAR)"
        for column in loaded.columns
        if column.role in _ADDRESS and column.key != key.key
    ]
    has_address = f"coalesce({', '.join(address)}) IS NOT NULL" if address else "true"
    further = "".join(
        f" || chr(31) || coalesce(CAST({quoted(column.key)} AS VARCHAR), '')" for column in also
    )
    return schema.table(
        "groups",
        f"""
        WITH named AS (
            SELECT row_number, {key_sql(key)}{further} AS name, {has_address} AS has_address
            FROM {loaded.lines.sql}
        ),
        -- The line above decides where a line without a number and an address belongs.
        anchored AS (
            SELECT
                row_number,
                coalesce(
                    last_value(
                        CASE WHEN name IS NOT NULL OR has_address THEN row_number END IGNORE NULLS
                    ) OVER (
                        ORDER BY row_number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                    ),
                    row_number
                ) AS anchor
            FROM named
        ),
        keyed AS (
            SELECT a.row_number, coalesce('k' || n.name, 'r' || a.anchor) AS order_key
            FROM anchored a
            JOIN named n ON n.row_number = a.anchor
        )
        SELECT row_number, min(row_number) OVER (PARTITION BY order_key) AS order_row
        FROM keyed
        ORDER BY row_number
        """,
    )


# -- cells of the order, filled down ---------------------------------------------------------------


def _filled(
    schema: StageSchema, loaded: Loaded, groups: Relation, key: Column, left_out: str | None
) -> OrderSet:
    """Return the orders, with the cells that belong to an order filled down into its lines.

    An order keeps the numbers of all its lines. One without any line to ship is left out.
    """
    con = loaded.con
    filled = _columns_of_orders(loaded, groups, key)
    firsts = ", ".join(
        f"arg_min({quoted(column.key)}, row_number) AS {quoted(column.key)}"
        for column in loaded.columns
        if column.key in filled
    )
    heads = schema.table(
        "heads",
        f"""
        SELECT order_row, list(row_number ORDER BY row_number) AS row_numbers, {firsts}
        FROM {loaded.lines.sql}
        JOIN {groups.sql} USING (row_number)
        GROUP BY order_row
        """,
    )
    cells = ", ".join(
        f"coalesce(l.{quoted(column.key)}, h.{quoted(column.key)}) AS {quoted(column.key)}"
        if column.key in filled
        else f"l.{quoted(column.key)}"
        for column in loaded.columns
    )
    lines = schema.table(
        "all_lines",
        f"""
        SELECT g.order_row, l.row_number, l.source_file, {cells}
        FROM {loaded.lines.sql} l
        JOIN {groups.sql} g ON g.row_number = l.row_number
        JOIN {heads.sql} h ON h.order_row = g.order_row
        ORDER BY l.row_number
        """,
    )
    shipped = schema.view(
        "shipping_lines", f"SELECT * FROM {lines.sql} WHERE NOT ({left_out or 'false'})"
    )
    if left_out:
        con.execute(f"""
            DELETE FROM {lines.sql}
            WHERE order_row NOT IN (SELECT order_row FROM {shipped.sql})
        """)
    orders = schema.view(
        "orders",
        f"""
        SELECT l.row_number, h.row_numbers, l.* EXCLUDE (row_number, order_row)
        FROM {lines.sql} l
        JOIN {heads.sql} h ON h.order_row = l.row_number
        ORDER BY l.row_number
        """,
    )
    return OrderSet(
        loaded,
        orders,
        all_lines=lines,
        shipping_lines=shipped,
        count=count(con, orders),
        order_key=key,
        single=False,
        problems=problems_table(),
    )


def _columns_of_orders(loaded: Loaded, groups: Relation, key: Column) -> set[str]:
    """Return the keys of the columns that say something about the order, not about one line."""
    filled, unknown = set(), []
    for column in loaded.columns:
        if column.key == key.key or (column.role and column.role not in _LINE_ROLES):
            filled.add(column.key)
        elif column.role is None and not phrase(column.name).startswith(_LINE_WORDS):
            unknown.append(column)
    return filled | _constant(loaded, groups, unknown)


def _constant(loaded: Loaded, groups: Relation, columns: Sequence[Column]) -> set[str]:
    """Return the keys of columns that never have two values within an order."""
    if not columns:
        return set()
    spread = ", ".join(
        f"min({quoted(column.key)}) IS DISTINCT FROM max({quoted(column.key)}) AS c{place}"
        for place, column in enumerate(columns)
    )
    varies = one(
        loaded.con,
        f"""
        WITH spread AS (
            SELECT {spread}
            FROM {loaded.lines.sql}
            JOIN {groups.sql} USING (row_number)
            GROUP BY order_row
        )
        SELECT {", ".join(f"bool_or(c{place})" for place in range(len(columns)))} FROM spread
        """,
    )
    return {column.key for column, differs in zip(columns, varies, strict=True) if not differs}


def _not_shipped(orders: OrderSet) -> int:
    """Return how many lines were sold but are not shipped."""
    return count(orders.con, orders.loaded.lines) - count(orders.con, orders.shipping_lines)
