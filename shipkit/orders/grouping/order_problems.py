"""What grouping finds wrong: conflicting lines, repeated order numbers, notices of the export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.relation import Relation
from shipkit.common.sql import one, quoted
from shipkit.orders.columns import Column
from shipkit.orders.expressions import number
from shipkit.orders.grouping.order_set import OrderSet
from shipkit.orders.grouping.repeated_rows import rows_text
from shipkit.orders.grouping.unlike_lines import once_of, unlike_lines
from shipkit.orders.heading_text import phrase
from shipkit.orders.layouts import Notice
from shipkit.orders.source import Loaded
from shipkit.schema import PROBLEMS, problems_table

__all__ = [
    "ambiguous_numbers",
    "conflicts",
    "cut_numbers",
    "key_sql",
    "named_after_goods",
    "notices",
    "unnumbered",
]

_DIGITS_KEPT: Final = 15
"""Significant digits of a number in a spreadsheet; it writes zeros for the others."""


def key_sql(key: Column) -> str:
    """Return SQL of the order number of a line, null when it is blank."""
    return f"nullif(trim(CAST({quoted(key.key)} AS VARCHAR)), '')"


def conflicts(loaded: Loaded, groups: Relation, key: Column) -> pa.Table:
    """Return a problem for each order whose lines differ in what it has once, or are in two files.

    Lines that are apart from each other in a file that keeps the others together are a warning.
    """
    columns = [
        (column, str(column.role), once)
        for column in loaded.columns
        if column.key != key.key and (once := once_of(column.role)) is not None
    ]
    lines = f"(FROM {groups.sql} JOIN {loaded.lines.sql} USING (row_number))"
    unlike = unlike_lines(loaded.con, lines, columns)
    if unlike is None:
        return problems_table()
    tables = [unlike.problems]
    if len(loaded.origin.paths) > 1:
        tables.append(_in_two_files(loaded, groups, key))
    if unlike.apart:
        tables.append(_apart(loaded, groups, key))
    return _first_of_each(pa.concat_tables(tables))


def _apart(loaded: Loaded, groups: Relation, key: Column) -> pa.Table:
    """Return a warning for the few orders whose lines are apart, where lines are kept together.

    A file that is sorted by product has most orders apart, which says nothing.
    """
    found = loaded.con.sql(f"""
        WITH orders AS (
            SELECT
                order_row,
                list(row_number ORDER BY row_number) AS numbers,
                max(row_number) - min(row_number) >= count(*) AS apart
            FROM {groups.sql}
            GROUP BY order_row
            HAVING count(*) > 1
        ),
        counted AS (
            SELECT *, sum(apart::INT) OVER () AS scattered, count(*) OVER () AS orders FROM orders
        )
        SELECT
            c.order_row AS row_number,
            'order_id' AS field,
            {key_sql(key)} AS value,
            {rows_text("c.numbers")} || ' have one order number and are not next to each other'
                AS problem,
            'No action is needed if they are one order; if not, give one another number.' AS fix,
            'warning' AS severity,
            'order_rows_apart' AS code
        FROM counted c
        JOIN {loaded.lines.sql} l ON l.row_number = c.order_row
        WHERE c.apart AND c.scattered <= greatest(c.orders - c.scattered, 1)
        ORDER BY 1
    """)
    return found.to_arrow_table().cast(PROBLEMS)


def _in_two_files(loaded: Loaded, groups: Relation, key: Column) -> pa.Table:
    """Return a problem for each order with lines in more than one file."""
    found = loaded.con.sql(f"""
        WITH files AS (
            SELECT
                g.order_row,
                l.source_file,
                min(l.row_number) AS row_number,
                any_value({key_sql(key)}) AS number
            FROM {loaded.lines.sql} l
            JOIN {groups.sql} g USING (row_number)
            GROUP BY ALL
        )
        SELECT
            order_row AS row_number,
            'order_id' AS field,
            any_value(number) AS value,
            'the order is in two files: ' || string_agg(
                source_file || ' (row ' || row_number || ')', ' and ' ORDER BY row_number
            ) AS problem,
            'Load it from one file only.' AS fix,
            'error' AS severity,
            'order_in_two_files' AS code
        FROM files
        GROUP BY order_row
        HAVING count(*) > 1
        ORDER BY 1
    """)
    return found.to_arrow_table().cast(PROBLEMS)


def cut_numbers(loaded: Loaded, key: Column) -> pa.Table:
    """Return a problem for each row whose long order number a spreadsheet cut to 15 digits.

    One number that ends in a zero says nothing; all of them do. One that ends in three zeros is
    damaged by itself: see the rules.
    """
    number = key_sql(key)
    longest = f"SELECT max(strlen({quoted(key.key)}::VARCHAR)) FROM {loaded.lines.sql}"
    if (one(loaded.con, longest)[0] or 0) <= _DIGITS_KEPT:
        return problems_table()
    long = f"""
        SELECT row_number, {number} AS number
        FROM {loaded.lines.sql}
        WHERE regexp_full_match({number}, '[1-9][0-9]{{{_DIGITS_KEPT},}}')
    """
    zeros, all_cut = one(
        loaded.con,
        f"""
        SELECT sum(strlen(number) - {_DIGITS_KEPT}),
            bool_and(ltrim(number[{_DIGITS_KEPT + 1}:], '0') = '')
        FROM (SELECT DISTINCT number FROM ({long}))
        """,
    )
    if not all_cut or zeros < 2:
        return problems_table()
    found = loaded.con.sql(f"""
        SELECT row_number, 'order_id' AS field, number AS value,
            number || ' is an order number that a spreadsheet cut to {_DIGITS_KEPT} digits; '
                || 'several orders may have become one' AS problem,
            'Export the orders again, or format the column as text before pasting the numbers.'
                AS fix,
            'error' AS severity, 'order_key_damaged' AS code
        FROM ({long})
        WHERE NOT (strlen(number) >= 18 AND suffix(number, '000'))
        ORDER BY 1
    """)
    return found.to_arrow_table().cast(PROBLEMS)


def named_after_goods(shipments: pa.Table, orders: OrderSet) -> pa.Table:
    """Return a problem for each shipment whose recipient is called like what was sold."""
    by_role = {column.role: column for column in orders.columns}
    things = [by_role[role] for role in ("sku", "item_name") if role in by_role]
    names = [
        column
        for column in orders.columns
        if phrase(column.name).split()[-1:] == ["name"] or column.role == "name"
    ]
    same = " OR ".join(
        f"lower({quoted(name.key)}::VARCHAR) = lower({quoted(thing.key)}::VARCHAR)"
        for name in names
        for thing in things
        if name.key != thing.key
    )
    if not same:
        return problems_table()
    cells = ", ".join(quoted(thing.key) for thing in things)
    rows = orders.con.sql(f"SELECT row_number, {cells} FROM {orders.orders.sql} WHERE {same}")
    goods = {
        number: {str(cell).casefold() for cell in row if cell is not None}
        for number, *row in rows.fetchall()
    }
    if not goods:
        return problems_table()
    numbers, called = (shipments.column(name).to_pylist() for name in ("row_number", "name"))
    return problems_table(
        [
            {
                "row_number": number,
                "field": "ship_to.name",
                "value": name,
                "problem": f'the name "{name}" is that of the goods',
                "fix": 'Name the column of the recipient: map(columns={"name": "<heading>"}).',
                "severity": "error",
                "code": "name_not_a_person",
            }
            for number, name in zip(numbers, called, strict=True)
            if name is not None and name.casefold() in goods.get(number, ())
        ]
    )


def unnumbered(shipments: pa.Table) -> pa.Table:
    """Return a warning for each shipment without an order number, where most have one.

    Its number may be lost; where most have none, the file has no such numbers.
    """
    keys = shipments.column("order_id")
    lost, most = keys.null_count, len(keys) - keys.null_count
    if not lost or lost >= most:
        return problems_table()
    numbers = shipments.filter(pc.is_null(keys)).column("row_number").to_pylist()
    return problems_table(
        [
            {
                "row_number": number,
                "field": "order_id",
                "problem": f"the order has no number, and {most:,} of {len(keys):,} have one",
                "fix": "Fill in the cell, or leave it: the order is known by its row.",
                "severity": "warning",
                "code": "order_key_missing",
            }
            for number in numbers
        ]
    )


def ambiguous_numbers(orders: OrderSet, key: Column, also: Sequence[Column]) -> pa.Table:
    """Return a problem for each order whose number another order of the source has too.

    Nothing could tell the two apart later: neither a re-import nor a confirmation to the shop.
    """
    same = ", ".join(column.name for column in also)
    found = orders.con.sql(
        f"""
        WITH heads AS (
            SELECT DISTINCT order_row, {key_sql(key)} AS number
            FROM {orders.all_lines.sql}
            WHERE order_row = row_number
        ),
        repeated AS (
            SELECT order_row, number, count(*) OVER (PARTITION BY number) AS orders
            FROM heads
            WHERE number IS NOT NULL
        )
        SELECT
            order_row AS row_number,
            'order_id' AS field,
            number AS value,
            orders || ' orders have the number ''' || number || ''' but differ in other cells'
                AS problem,
            $fix AS fix,
            'error' AS severity,
            'order_number_not_unique' AS code
        FROM repeated
        WHERE orders > 1
        ORDER BY 1
        """,
        params={
            "fix": (
                "Give each order a number of its own in the file; or, if they are one order, "
                f"make {same} the same."
            )
        },
    )
    return found.to_arrow_table().cast(PROBLEMS)


def _first_of_each(problems: pa.Table) -> pa.Table:
    """Keep one problem per order and text: two addresses are one fact, in however many cells."""
    if problems.num_rows < 2:
        return problems
    rows = problems.column("row_number").to_pylist()
    texts = problems.column("problem").to_pylist()
    firsts: dict[tuple[Any, Any], int] = {}
    for place, pair in enumerate(zip(rows, texts, strict=True)):
        firsts.setdefault(pair, place)
    return problems.take(list(firsts.values()))


def notices(orders: OrderSet) -> list[pa.Table]:
    """Return what the layout wants a person to know, such as a cancellation in the shop."""
    by_words = {phrase(column.name): column for column in orders.columns}
    layout = orders.loaded.layout
    return [
        _noticed(orders, column, notice)
        for notice in (layout.layout.notices if layout else ())
        if (column := by_words.get(phrase(notice.heading))) is not None
    ]


def _noticed(orders: OrderSet, column: Column, notice: Notice) -> pa.Table:
    cell = f"nullif(trim(CAST({quoted(column.key)} AS VARCHAR)), '')"
    params: dict[str, Any] = {
        "field": column.key,
        "problem": notice.problem,
        "fix": notice.fix,
        "severity": notice.severity,
        "code": notice.code,
    }
    if notice.when == "filled":
        condition = f"{cell} IS NOT NULL"
    elif notice.when == "nonzero":
        condition = f"coalesce(TRY_CAST({number(cell)} AS DOUBLE), 1) <> 0"
    else:
        condition = f"lower({cell}) IN (SELECT unnest($texts))"
        params["texts"] = [text.lower() for text in notice.when]
    found = orders.con.sql(
        f"""
        SELECT
            order_row AS row_number,
            $field AS field,
            min({cell}) AS value,
            $problem AS problem,
            $fix AS fix,
            $severity AS severity,
            $code AS code
        FROM {orders.all_lines.sql}
        WHERE {cell} IS NOT NULL AND {condition}
        GROUP BY order_row
        ORDER BY 1
        """,
        params=params,
    )
    return found.to_arrow_table().cast(PROBLEMS)
