"""From lines to orders: grouped by order number, with the order's cells filled down.

Exports write an order of several items as several lines, and fill the address often only in the
first one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema, count, fresh
from shipkit.common.sql import one, quoted
from shipkit.common.words import counted
from shipkit.orders.cells import Note
from shipkit.orders.columns import Column
from shipkit.orders.grouping.look_alikes import look_alikes
from shipkit.orders.grouping.order_problems import (
    ambiguous_numbers,
    conflicts,
    cut_numbers,
    key_sql,
    named_after_goods,
    notices,
    unnumbered,
)
from shipkit.orders.grouping.order_set import FixedOrders, OrderSet
from shipkit.orders.grouping.repeated_rows import check_repeated_rows, repeated_rows
from shipkit.orders.grouping.unlike_lines import Once, once_of, unlike_lines
from shipkit.orders.heading_text import phrase
from shipkit.orders.layouts import meanings, not_shipped_sql, order_key_columns
from shipkit.orders.quantity_headings import QUANTITIES
from shipkit.orders.source import Loaded
from shipkit.schema import problems_table

__all__ = [
    "FixedOrders",
    "Once",
    "OrderSet",
    "group",
    "look_alikes",
    "named_after_goods",
    "once_of",
    "order_key_of",
    "unlike_lines",
    "unnumbered",
]

_LINE_ROLES: Final = frozenset(
    {
        "sku",
        "item_name",
        "item_price",
        "item_weight",
        "item_weight_part",
        *QUANTITIES.values(),
        "requires_shipping",
        "weight",
        "weight_part",
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


def group(
    loaded: Loaded,
    order_key: str | None = None,
    *,
    each_row: bool = False,
    repeated_rows: str = "hold",
    fixed: FixedOrders | None = None,
) -> OrderSet:
    """Group the lines of a source to orders.

    Parameters
    ----------
    loaded
        The source.
    order_key
        Heading or key of the column that names the order; by default the one recognised as the
        order number. Without one, each line is an order.
    each_row
        Whether each line is an order, even if order numbers repeat.
    repeated_rows
        What becomes of lines that are equal in every cell: ``"hold"``, ``"keep"`` all of them, or
        ``"drop"`` all but the first.
    fixed
        What was decided with other files before; `order_key` is not looked for then.

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
    check_repeated_rows(repeated_rows)
    if fixed is None:
        key = order_key_of(loaded, order_key)
    else:
        key = None if fixed.order_key is None else loaded.column(fixed.order_key)
    each_row = each_row or (
        order_key is None and loaded.layout is not None and loaded.layout.layout.each_row
    )
    with fresh(loaded.con, "orders") as schema:
        return _grouped(
            schema,
            loaded,
            key,
            named=order_key is not None,
            each_row=each_row,
            repeated=repeated_rows,
            fixed=fixed,
        )


def order_key_of(loaded: Loaded, named: str | None = None) -> Column | None:
    """Return the column that names the order: the one that is `named`, else the one recognised.

    Two headings may name it equally well ("Order ID", "Order Name"). The first is taken if both
    tell the same lines apart; otherwise there is a question about them, and no order number.
    """
    if named:
        return loaded.column(named)
    known = next((column for column in loaded.columns if column.role == "order_id"), None)
    if known is not None:
        return known
    headings = meanings(loaded.names, loaded.layout).ambiguous.get("order_id", ())
    columns = [column for column in loaded.columns if column.name in {*headings}]
    if len(columns) < 2:
        return None
    numbers = [f"coalesce({key_sql(column)}, '')" for column in columns]
    whole, *each = one(
        loaded.con,
        f"SELECT count(DISTINCT concat_ws(chr(31), {', '.join(numbers)})), "
        f"{', '.join(f'count(DISTINCT {number})' for number in numbers)} FROM {loaded.lines.sql}",
    )
    return columns[0] if all(number == whole for number in each) else None


def _grouped(
    schema: StageSchema,
    loaded: Loaded,
    key: Column | None,
    *,
    named: bool,
    each_row: bool,
    repeated: str,
    fixed: FixedOrders | None,
) -> OrderSet:
    by_heading = {column.name: column.key for column in loaded.columns}
    flag = next((c.key for c in loaded.columns if c.role == "requires_shipping"), None)
    left_out = not_shipped_sql(loaded.layout, by_heading, flag)
    own = key is not None and _each_line_its_own(loaded, key)
    if fixed is not None:
        own = own and fixed.single
    single = (key is None and not loaded.item_columns) or each_row or own
    groups, also = None, []
    if not single:
        agreeing = () if named else order_key_columns(loaded.layout, loaded.names)
        also = [loaded.column(heading) for heading in agreeing]
        groups = _find_groups(schema, loaded, key, also)
    repeats = None if own else repeated_rows(schema, loaded.lines, loaded.columns, groups)
    again = "false"
    if repeats is not None and repeated == "drop":
        again = f"""row_number IN (
            SELECT row_number FROM {repeats.sql} WHERE row_number > first_row
        )"""
    not_shipped = " OR ".join(rule for rule in (left_out, again) if rule and rule != "false")
    if groups is None:
        orders = _single_lines(schema, loaded, key, not_shipped or None)
    else:
        of_orders = fixed.filled if fixed else _columns_of_orders(loaded, groups, key)
        orders = _filled(schema, loaded, groups, of_orders, not_shipped or None)
        orders = replace(orders, order_key=key, filled=frozenset(of_orders))
        problems = [] if key is None else [conflicts(loaded, groups, key)]
        problems += [ambiguous_numbers(orders, key, also)] if key is not None and also else []
        orders = replace(orders, problems=pa.concat_tables([problems_table(), *problems]))
    left_behind = _left_out(orders, left_out, again)
    cut = [cut_numbers(loaded, key)] if key is not None else []
    return replace(
        orders,
        problems=pa.concat_tables([orders.problems, *notices(orders), *cut]),
        each_row=each_row,
        repeats=repeats,
        keeps_repeats=repeated != "hold",
        notes=left_behind,
        not_shipped=sum(note.count or 0 for note in left_behind),
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
    schema: StageSchema, loaded: Loaded, key: Column | None, also: Sequence[Column]
) -> Relation:
    """Return ``row_number`` -> ``order_row`` of lines with one number that agree in `also`.

    A line without a number belongs to the order above if it has no address, or, where the source
    knows its columns of items, if it fills nothing else.
    """
    number = key_sql(key) if key is not None else "NULL::VARCHAR"
    address = [
        f"CAST({quoted(column.key)} AS VARCHAR)"
        for column in loaded.columns
        if (
            column.name not in loaded.item_columns
            if loaded.item_columns
            else column.role in _ADDRESS
        )
        and column != key
    ]
    has_address = f"coalesce({', '.join(address)}) IS NOT NULL" if address else "true"
    further = "".join(
        f" || chr(31) || coalesce(CAST({quoted(column.key)} AS VARCHAR), '')" for column in also
    )
    return schema.table(
        "groups",
        f"""
        WITH named AS (
            SELECT row_number, {number}{further} AS name, {has_address} AS has_address
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
    schema: StageSchema,
    loaded: Loaded,
    groups: Relation,
    filled: Collection[str],
    left_out: str | None,
) -> OrderSet:
    """Return the orders, with the cells that belong to an order filled down into its lines.

    An order keeps the numbers of all its lines. One without any line to ship is left out.
    """
    con = loaded.con
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
        order_key=None,
        single=False,
        problems=problems_table(),
    )


def _columns_of_orders(loaded: Loaded, groups: Relation, key: Column | None) -> set[str]:
    """Return the keys of the columns that say something about the order, not about one line."""
    filled, unknown = set(), []
    for column in loaded.columns:
        if column == key or (column.role and column.role not in _LINE_ROLES):
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


def _left_out(orders: OrderSet, not_shipped: str | None, again: str) -> tuple[Note, ...]:
    """Return notes of how many lines were sold but are not shipped, or are there again."""
    left = not_shipped or "false"
    rules = {
        "{} sold but not shipped (such as gift cards).": left,
        "{} equal to an earlier one in every cell.": f"({again}) AND NOT ({left})",
    }
    if not_shipped is None and again == "false":
        return ()
    counts = one(
        orders.con,
        f"SELECT {', '.join(f'count(*) FILTER ({rule})' for rule in rules.values())} "
        f"FROM {orders.loaded.lines.sql}",
    )
    return tuple(
        Note("dropped", text.format(counted(number, "line")), number)
        for text, number in zip(rules, counts, strict=True)
        if number
    )
