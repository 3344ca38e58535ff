"""Lines to orders: grouped by order key, cells filled down, line numbers kept.

An :class:`OrderSet` has three relations (views, or tables where orders have several lines):
``orders`` (a row for each order: its first line's cells, filled), ``all_lines`` (every line with
``order_row``, the row number of its order's first line) and ``shipping_lines`` (those that ship).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema, count, fresh
from shipkit.common.sql import one, quoted
from shipkit.orders.cells import Note
from shipkit.orders.expressions import number
from shipkit.orders.fields import Column, phrase
from shipkit.orders.layouts import not_shipped_sql, order_key_columns
from shipkit.orders.source import Loaded
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["OrderSet", "group"]

_LINE_ROLES = frozenset(
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
"""Roles of one line: an empty cell there is empty, never the first line's value."""
_LINE_WORDS = ("lineitem", "line item", "item", "product", "variant")
_PLACE = {
    "name": "recipient",
    "first_name": "recipient",
    "last_name": "recipient",
    "address_line1": "address",
    "city": "address",
    "postal_code": "address",
    "country": "address",
}
"""Roles that say who gets it, and where; an order has one of each."""
_ADDRESS = ("name", "company", "address_line1", "city", "postal_code")


@dataclass(frozen=True)
class OrderSet:
    """Orders in the database."""

    loaded: Loaded = field(repr=False)
    orders: Relation = field(repr=False)
    """A row for each order: ``row_number``, ``row_numbers``, ``source_file``, then the source's columns by key."""
    all_lines: Relation = field(repr=False)
    """Every line: ``order_row`` (the order's row number), ``row_number``, then as in ``orders``."""
    shipping_lines: Relation = field(repr=False)
    """The lines that are shipped, with the columns of ``all_lines``."""
    count: int
    order_key: Column | None
    single: bool
    """Every order is one line."""
    problems: pa.Table = field(repr=False)
    notes: tuple[Note, ...] = field(default=(), repr=False)
    """What grouping left out."""

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
        """The columns that a filter can name: the source's own, ``row_number`` and ``source_file``."""
        return (
            *self.columns,
            Column("row_number", "row_number", "BIGINT"),
            Column("source_file", "source_file", "VARCHAR"),
        )

    def line_cells(self, keys: Sequence[str]) -> pa.Table:
        """Return the cells of all lines: ``_order`` (the order's row number), then the columns asked for."""
        wanted = ", ".join(["order_row AS _order", *(quoted(key) for key in keys)])
        return self.con.sql(f"SELECT {wanted} FROM {self.all_lines.sql}").to_arrow_table()

    def lines(self, row_numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return the lines with these row numbers, as dicts by key, in source order: what a template calls ``lines``."""
        wanted = ", ".join(["row_number", *(quoted(column.key) for column in self.columns)])
        found = self.con.execute(
            f"SELECT {wanted} FROM {self.shipping_lines.sql} "
            "WHERE list_contains($rows, row_number) ORDER BY row_number",
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
        Heading or key of the column that names the order (default: the one recognised as such;
        without any, each line is an order).

    Returns
    -------
    OrderSet
        An order key with two recipients or addresses is a problem of that order, not a silent
        merge.

    Notes
    -----
    A line with an empty order key belongs to the order above it when it has no address of its own;
    else it is an order by itself. Where a layout says that its order numbers repeat ("DOORDASH"),
    lines are one order only when further cells agree too, and a number that several orders have is
    a problem of each: neither a merge nor a split is guessed.
    """
    key = (
        loaded.column(order_key)
        if order_key
        else next((column for column in loaded.columns if column.role == "order_id"), None)
    )
    with fresh(loaded.con, "orders") as schema:
        return _grouped(schema, loaded, key, named=order_key is not None)


def _grouped(schema: StageSchema, loaded: Loaded, key: Column | None, *, named: bool) -> OrderSet:
    con = loaded.con
    left_out = not_shipped_sql(
        loaded.layout, {column.name: column.key for column in loaded.columns}
    )
    each_row = not named and loaded.layout is not None and loaded.layout.layout.each_row
    single = key is None or each_row or _each_line_its_own(loaded, key)
    if single:
        lines = schema.view(
            "all_lines",
            f"SELECT row_number AS order_row, * FROM {loaded.lines.sql} "
            f"WHERE NOT ({left_out or 'false'})",
        )
        orders = schema.view(
            "orders",
            "SELECT row_number, [row_number] AS row_numbers, * EXCLUDE (row_number, order_row) "
            f"FROM {lines.sql}",
        )
        made = OrderSet(
            loaded,
            orders,
            lines,
            shipping_lines=lines,
            count=loaded.rows,
            order_key=key,
            single=True,
            problems=problems_table(),
        )
    else:
        assert key is not None  # noqa: S101 - `single` holds otherwise
        beside = (
            [loaded.column(heading) for heading in order_key_columns(loaded.layout, loaded.names)]
            if not named
            else []
        )
        groups = _find_groups(schema, loaded, key, beside)
        made = _filled(schema, loaded, groups, key, left_out)
        problems = [_conflicts(loaded, groups, key)]
        problems += [_one_number_for_several(made, key, beside)] if beside else []
        made = replace(made, problems=pa.concat_tables(problems))
    return replace(
        made,
        count=count(con, made.orders) if left_out or not single else loaded.rows,
        problems=pa.concat_tables([made.problems, *_notices(made)]),
        notes=_left_out(made) if left_out else (),
    )


def _notices(orders: OrderSet) -> list[pa.Table]:
    """Return what the layout says a person should know of an order ("cancelled in the shop")."""
    con, loaded = orders.con, orders.loaded
    by_words = {phrase(column.name): column for column in loaded.columns}
    found = []
    for notice in loaded.layout.layout.notices if loaded.layout else ():
        column = by_words.get(phrase(notice.heading))
        if column is None:
            continue
        cell = f"nullif(trim(CAST({quoted(column.key)} AS VARCHAR)), '')"
        listed = {
            "filled": "",
            "nonzero": f" AND coalesce(TRY_CAST({number(cell)} AS DOUBLE), 1) <> 0",
        }.get(str(notice.when), f" AND lower({cell}) IN (SELECT unnest($texts))")
        params = {
            "field": column.key,
            "problem": notice.problem,
            "fix": notice.fix,
            "severity": notice.severity,
            "code": notice.code,
        }
        found.append(
            con.sql(
                f"SELECT order_row AS row_number, $field AS field, min({cell}) AS value, $problem "
                "AS problem, $fix AS fix, $severity AS severity, $code AS code "
                f"FROM {orders.all_lines.sql} WHERE {cell} IS NOT NULL{listed} GROUP BY order_row ORDER BY 1",
                params=params
                | (
                    {}
                    if isinstance(notice.when, str)
                    else {"texts": [text.lower() for text in notice.when]}
                ),
            )
            .to_arrow_table()
            .cast(PROBLEMS)
        )
    return found


def _left_out(orders: OrderSet) -> tuple[Note, ...]:
    """Say how many lines are sold and not shipped."""
    lines = count(orders.con, orders.loaded.lines)
    shipped = count(orders.con, orders.shipping_lines)
    return (
        (
            Note(
                "dropped",
                f"{lines - shipped:,} lines that are sold and not shipped.",
                lines - shipped,
            ),
        )
        if lines > shipped
        else ()
    )


def _key_sql(key: Column) -> str:
    return f"nullif(trim(CAST({quoted(key.key)} AS VARCHAR)), '')"


def _each_line_its_own(loaded: Loaded, key: Column) -> bool:
    lines, named = one(
        loaded.con, f"SELECT count(*), count(DISTINCT {_key_sql(key)}) FROM {loaded.lines.sql}"
    )
    return bool(lines == named)


def _find_groups(
    schema: StageSchema, loaded: Loaded, key: Column, beside: Sequence[Column]
) -> Relation:
    """Return a table of row_number and order_row. Lines are one order when they have one order number and agree in the columns `beside` it."""
    address = [quoted(c.key) for c in loaded.columns if c.role in _ADDRESS and c.key != key.key]
    has_address = (
        f"coalesce({', '.join(f'CAST({c} AS VARCHAR)' for c in address)}) IS NOT NULL"
        if address
        else "true"
    )
    return schema.table(
        "groups",
        f"""
        WITH named AS (SELECT row_number, {_key_sql(key)}{_agreeing(beside)} AS k, {has_address} AS has_address FROM {loaded.lines.sql}),
        anchored AS (
            SELECT row_number, coalesce(last_value(CASE WHEN k IS NOT NULL OR has_address THEN row_number END IGNORE NULLS)
                OVER (ORDER BY row_number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), row_number) AS anchor
            FROM named
        ),
        keyed AS (SELECT a.row_number, coalesce('k' || n.k, 'r' || a.anchor) AS g FROM anchored a JOIN named n ON n.row_number = a.anchor)
        SELECT row_number, min(row_number) OVER (PARTITION BY g) AS order_row FROM keyed ORDER BY row_number
    """,
    )  # fmt: skip - one line in file order decides where an unnamed line belongs


def _agreeing(beside: Sequence[Column]) -> str:
    return "".join(
        f" || chr(31) || coalesce(CAST({quoted(column.key)} AS VARCHAR), '')" for column in beside
    )


def _one_number_for_several(orders: OrderSet, key: Column, beside: Sequence[Column]) -> pa.Table:
    """Return a problem for each order whose number another order of the source has too: which is which, nobody could say later."""
    return orders.con.sql(f"""
        WITH heads AS (SELECT DISTINCT order_row, {_key_sql(key)} AS k FROM {orders.all_lines.sql} WHERE order_row = row_number)
        SELECT order_row AS row_number, 'order_id' AS field, k AS value,
            count(*) OVER (PARTITION BY k) || ' orders have the number ''' || k || ''' and differ in their other cells.' AS problem,
            $fix AS fix, 'error' AS severity, 'order_number_not_unique' AS code
        FROM heads WHERE k IS NOT NULL QUALIFY count(*) OVER (PARTITION BY k) > 1 ORDER BY 1
    """, params={"fix": (
        "Give each order a number of its own in the file; or, where they are one order, make "
        f"{', '.join(column.name for column in beside)} the same."
    )}).to_arrow_table().cast(PROBLEMS)  # fmt: skip


def _filled(
    schema: StageSchema, loaded: Loaded, groups: Relation, key: Column, left_out: str | None
) -> OrderSet:
    """Return the orders with the order's cells filled down into its lines.

    An order keeps the numbers of all its lines; one of which no line ships is no order here.
    """
    con, columns = loaded.con, loaded.columns
    filled = {column.key for column in columns if _belongs_to_order(column, key)}
    unknown = [
        column
        for column in columns
        if column.key not in filled
        and column.role not in _LINE_ROLES
        and not phrase(column.name).startswith(_LINE_WORDS)
    ]
    filled |= _constant(loaded, groups, unknown)
    heads = ", ".join(
        f"arg_min({quoted(c.key)}, row_number) AS {quoted(c.key)}"
        for c in columns
        if c.key in filled
    )
    firsts = schema.table(
        "heads",
        f"SELECT order_row, list(row_number ORDER BY row_number) AS row_numbers, {heads} "
        f"FROM {loaded.lines.sql} JOIN {groups.sql} USING (row_number) GROUP BY order_row",
    )
    cells = ", ".join(
        f"coalesce(l.{quoted(c.key)}, h.{quoted(c.key)}) AS {quoted(c.key)}"
        if c.key in filled
        else f"l.{quoted(c.key)}"
        for c in columns
    )
    lines = schema.table(
        "all_lines",
        f"SELECT g.order_row, l.row_number, l.source_file, {cells} FROM {loaded.lines.sql} l "
        f"JOIN {groups.sql} g ON g.row_number = l.row_number "
        f"JOIN {firsts.sql} h ON h.order_row = g.order_row ORDER BY l.row_number",
    )
    shipped = schema.view(
        "shipping_lines", f"SELECT * FROM {lines.sql} WHERE NOT ({left_out or 'false'})"
    )
    if left_out:
        con.execute(
            f"DELETE FROM {lines.sql} WHERE order_row NOT IN (SELECT order_row FROM {shipped.sql})"
        )
    orders = schema.view(
        "orders",
        "SELECT l.row_number, h.row_numbers, l.* EXCLUDE (row_number, order_row) "
        f"FROM {lines.sql} l JOIN {firsts.sql} h ON h.order_row = l.row_number "
        "ORDER BY l.row_number",
    )
    return OrderSet(
        loaded,
        orders,
        lines,
        shipped,
        count=0,
        order_key=key,
        single=False,
        problems=problems_table(),
    )


def _belongs_to_order(column: Column, key: Column) -> bool:
    return column.key == key.key or (column.role is not None and column.role not in _LINE_ROLES)


def _constant(loaded: Loaded, groups: Relation, columns: Sequence[Column]) -> set[str]:
    """Return the keys of columns that never hold two values within an order: they say something about the order."""
    if not columns:
        return set()
    spread = ", ".join(
        f"min({quoted(c.key)}) IS DISTINCT FROM max({quoted(c.key)}) AS {quoted(c.key)}"
        for c in columns
    )
    several = ", ".join(f"bool_or({quoted(c.key)})" for c in columns)
    row = one(
        loaded.con,
        f"SELECT {several} FROM (SELECT {spread} FROM {loaded.lines.sql} "
        f"JOIN {groups.sql} USING (row_number) GROUP BY order_row)",
    )
    return {column.key for column, varies in zip(columns, row, strict=True) if not varies}


def _conflicts(loaded: Loaded, groups: Relation, key: Column) -> pa.Table:
    """Return a problem for each order whose lines name two recipients or addresses, or that stands in two files."""
    tables = [
        _differing(loaded, groups, column, _PLACE[column.role])
        for column in loaded.columns
        if column.role in _PLACE and column.key != key.key
    ]
    if len(loaded.origin.paths) > 1:
        tables.append(_in_two_files(loaded, groups, key))
    found = pa.concat_tables([table for table in tables if table is not None] or [problems_table()])
    return _first_of_each(found)


def _differing(loaded: Loaded, groups: Relation, column: Column, what: str) -> pa.Table:
    said = "recipients" if what == "recipient" else "addresses"
    cell = quoted(column.key)
    same = f"regexp_replace(lower(CAST({cell} AS VARCHAR)), '[^\\p{{L}}\\p{{N}}]', '', 'g')"
    if column.role == "postal_code":
        same = f"left(ltrim({same}, '0'), 4)"
    return loaded.con.sql(f"""
        WITH cells AS (SELECT g.order_row, l.row_number, CAST(l.{cell} AS VARCHAR) AS value, {same} AS same FROM {loaded.lines.sql} l JOIN {groups.sql} g USING (row_number) WHERE l.{cell} IS NOT NULL),
        first AS (SELECT order_row, arg_min(same, row_number) AS same, arg_min(value, row_number) AS value, min(row_number) AS row_number FROM cells GROUP BY order_row),
        other AS (SELECT c.order_row, min(c.row_number) AS row_number, arg_min(c.value, c.row_number) AS value FROM cells c JOIN first f USING (order_row) WHERE c.same <> f.same GROUP BY c.order_row)
        SELECT o.order_row AS row_number, $field AS field, o.value AS value,
            'Lines ' || f.row_number || ' and ' || o.row_number || ' have the same order key and different {said}.' AS problem,
            'Correct one of the lines, or give one of them another order key.' AS fix, 'error' AS severity, 'order_conflict' AS code
        FROM other o JOIN first f USING (order_row) ORDER BY 1
    """, params={"field": column.role}).to_arrow_table().cast(PROBLEMS)  # fmt: skip


def _in_two_files(loaded: Loaded, groups: Relation, key: Column) -> pa.Table:
    return loaded.con.sql(f"""
        WITH files AS (SELECT g.order_row, l.source_file, min(l.row_number) AS row_number, any_value({_key_sql(key)}) AS k FROM {loaded.lines.sql} l JOIN {groups.sql} g USING (row_number) GROUP BY ALL)
        SELECT order_row AS row_number, 'order_id' AS field, any_value(k) AS value,
            'The order stands in ' || string_agg(source_file || ' (line ' || row_number || ')', ' and ' ORDER BY row_number) || '.' AS problem,
            'Load it from one file only.' AS fix, 'error' AS severity, 'order_in_two_files' AS code
        FROM files GROUP BY order_row HAVING count(*) > 1 ORDER BY 1
    """).to_arrow_table().cast(PROBLEMS)  # fmt: skip


def _first_of_each(problems: pa.Table) -> pa.Table:
    """Keep one conflict for each order, code and kind of problem text: a different address is one thing, however many cells differ."""
    if problems.num_rows < 2:
        return problems
    seen: set[tuple[Any, Any]] = set()
    kept = []
    for place, (row, text) in enumerate(
        zip(
            problems.column("row_number").to_pylist(),
            problems.column("problem").to_pylist(),
            strict=True,
        )
    ):
        if (row, text) not in seen:
            seen.add((row, text))
            kept.append(place)
    return problems.take(kept)
