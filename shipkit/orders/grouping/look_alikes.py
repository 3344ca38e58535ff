"""Shipments that look like lines of one order, though no order number says so.

Compared are the shipments and not the cells: a template, or columns that a person named, may have
filled them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.kept_plans import run
from shipkit.common.relation import Relation, StageSchema, count, scratch
from shipkit.common.sql import one, quoted
from shipkit.orders.columns import ADDRESS_ROLES, Column
from shipkit.orders.expressions import quote
from shipkit.orders.grouping.order_set import OrderSet
from shipkit.orders.grouping.repeated_rows import repeated_problems, rows_text
from shipkit.orders.heading_text import phrase
from shipkit.orders.order_headings import ALONE, may_name_an_order, order_number_tier
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["look_alikes"]

_READ: Final = (
    "row_number",
    "row_numbers",
    "order_id",
    "name",
    "company",
    "address_line1",
    "address_line2",
    "address_line3",
    "city",
    "postal_code",
    "ship_date",
)
_ITEM: Final = frozenset(
    {"sku", "item_name", "quantity", "item_price", "item_weight", "item_weight_part"}
)
_EACH_ROW: Final = "If each row is an order of its own: map(each_row=True)."


def look_alikes(
    con: duckdb.DuckDBPyConnection,
    table: pa.Table,
    orders: OrderSet,
    selected: Sequence[int] | None = None,
    named: Mapping[str, str] | None = None,
) -> pa.Table:
    """Return problems of shipments that may be lines of one order, and of rows that are repeated.

    Parameters
    ----------
    table
        The shipments, without those that a person set aside.
    selected
        The row numbers of the orders that the filter keeps. The others are compared too, by their
        cells: one of them may be a line of an order that is kept. None: all are kept.
    named
        Field -> the heading of its column, where a person named it.
    """
    shipments = table.select(list(_READ))
    repeats = None if orders.keeps_repeats else orders.repeats
    # A record of an API is one order: its items came in a list of their own.
    known = orders.each_row or bool(orders.loaded.item_columns)
    asked = not known and not _numbered(shipments, orders)
    spelled = orders.order_key is not None and _spelled_in_two_ways(shipments)
    if repeats is None and not asked and not spelled:
        return problems_table()
    others = _not_selected(orders, selected, named or {})
    alone = [problems_table()]
    if spelled and not others:
        ask = partial(run, con, shipments=shipments)
        alone.append(_one_number_in_two_ways(ask, "shipments"))
        if repeats is None and not asked:
            return pa.concat_tables(alone)
    con.register("shipments_read", shipments)
    con.register("selected_rows", pa.table({"row_number": pa.array(selected or (), pa.int64())}))
    try:
        with scratch(con, "look_alikes") as schema:
            rows = schema.table("shipments", f"SELECT * FROM shipments_read {others}")
            found = [] if repeats is None else [repeated_problems(schema, repeats, rows)]
            if asked:
                found += _asked(schema, rows, orders)
            if spelled and others:
                found.append(_one_number_in_two_ways(_in_database(schema), rows.sql))
            problems = pa.concat_tables([*found, *alone])
            here = pc.is_in(problems.column("row_number"), shipments.column("row_number"))
            return problems.filter(here) if others else problems
    finally:
        con.unregister("shipments_read")
        con.unregister("selected_rows")


def _not_selected(
    orders: OrderSet, selected: Sequence[int] | None, named: Mapping[str, str]
) -> str:
    """Return SQL that adds what the cells of orders say that the filter leaves out."""
    if selected is None or len(selected) >= orders.count:
        return ""
    cells: dict[str, str] = {}
    for column in orders.columns:
        for role in (column.role, *(r for r, n in named.items() if n in (column.name, column.key))):
            if role is not None:
                cells.setdefault(role, f"nullif(trim({quoted(column.key)}::VARCHAR), '')")
    parts = [cells[role] for role in ("first_name", "last_name") if role in cells]
    if "name" not in cells and parts:
        cells["name"] = f"nullif(concat_ws(' ', {', '.join(parts)}), '')"
    texts = [role for role in _READ if role in cells and not role.startswith(("row_", "ship_"))]
    if "address_line1" not in texts:
        return ""
    listed = ", ".join(["row_number", *(f"{cells[role]} AS {role}" for role in texts)])
    return f"""
        UNION ALL BY NAME
        SELECT {listed}
        FROM {orders.orders.sql}
        ANTI JOIN selected_rows USING (row_number)
    """


def _numbered(shipments: pa.Table, orders: OrderSet) -> bool:
    """Return whether every shipment has an order number of its own, so that nothing is asked."""
    if _may_count_lines(orders) or shipments.column("order_id").null_count:
        return False
    return orders.order_key is not None


def _may_count_lines(orders: OrderSet) -> bool:
    """Return whether the order number may be a running number of lines: a bare "Order", 1, 2, 3."""
    key = orders.order_key
    if key is None or not orders.single:
        return False
    return order_number_tier(phrase(key.name).split()) == ALONE and bool(_candidates(orders))


_PADDED: Final = "^[# 0]"


def _spelled_in_two_ways(shipments: pa.Table) -> bool:
    """Return whether some order numbers begin with a mark or a zero and others do not.

    Nearly every file writes all of them in one way, and has to be asked no more.
    """
    keys = shipments.column("order_id").combine_chunks().drop_null()
    padded = pc.sum(pc.match_substring_regex(keys, _PADDED)).as_py() or 0
    zeros = pc.sum(pc.match_substring_regex(keys, "^#? *0")).as_py() or 0
    return 0 < padded < len(keys) or 0 < zeros < len(keys)


def _one_number_in_two_ways(ask: _Ask, rows: str) -> pa.Table:
    """Return a warning for shipments to one recipient under numbers such as 0001, 1 and #1."""
    return _problems(
        ask,
        f"""
        SELECT unnest(numbers) AS row_number, keys[1] AS value,
            {rows_text("numbers")} || ' may be one order: their numbers are '
                || array_to_string(keys[:5], ', ') || ', to one recipient' AS problem
        FROM (
            SELECT list(row_number ORDER BY row_number) AS numbers,
                list(DISTINCT order_id ORDER BY order_id) AS keys
            FROM {rows}
            WHERE order_id IS NOT NULL AND coalesce(name, company) IS NOT NULL
            GROUP BY regexp_replace(order_id, '^[# 0]+', ''), lower(coalesce(name, company)),
                lower(address_line1), left(postal_code, 5)
            HAVING count(DISTINCT order_id) > 1
        )
        """,
        "If it is one order, leave the others out with where(...).",
        "order_number_alike",
        "warning",
    )


def _asked(schema: StageSchema, rows: Relation, orders: OrderSet) -> list[pa.Table]:
    found = []
    if _may_count_lines(orders):
        found.append(_under_another_number(schema, rows, orders))
    alike = _same_recipient(schema, rows, orders)
    if alike is not None:
        found.append(_alike_problems(schema, alike, orders))
    if orders.order_key is None:
        found += [_same_number(schema, rows), _without_recipient(schema, rows, orders)]
    return found


# -- one number, several shipments -----------------------------------------------------------------


def _same_number(schema: StageSchema, rows: Relation) -> pa.Table:
    """Return a problem for each shipment whose order number another one has, from a template."""
    return _problems(
        _in_database(schema),
        f"""
        SELECT unnest(numbers) AS row_number, order_id AS value,
            {rows_text("numbers")} || ' have the order number ' || order_id
                || ' and are not one order' AS problem
        FROM (
            SELECT order_id, list(row_number ORDER BY row_number) AS numbers
            FROM {rows.sql}
            WHERE order_id IS NOT NULL
            GROUP BY order_id
            HAVING count(*) > 1
        )
        """,
        f'Name its column: map(columns={{"order_id": "<heading>"}}). {_EACH_ROW}',
        "order_number_repeated",
    )


# -- one recipient, no number ----------------------------------------------------------------------


def _same_recipient(schema: StageSchema, rows: Relation, orders: OrderSet) -> Relation | None:
    """Return row numbers of shipments without a number to one recipient, ``numbers`` a group.

    The name, the first five characters of the postal code and the digits of the street are
    compared: "1 Main St." and "1 Main Street" are one address. Another day is another order.
    """
    day = next((column for column in orders.columns if column.role == "order_date"), None)
    dates = f"left({quoted(day.key)}::VARCHAR, 10)" if day else "NULL"
    repeats = "(SELECT NULL::BIGINT AS row_number, NULL::BIGINT AS first_row)"
    found = schema.table(
        "alike",
        f"""
        WITH named AS (
            SELECT
                row_number,
                ship_date,
                translate(strip_accents(lower(coalesce(name, company))), ' .,-''"#/', '') AS who,
                lower(left(coalesce(postal_code, city), 5)) AS place,
                concat_ws(' ', address_line1, address_line2, address_line3) AS street
            FROM {rows.sql}
            WHERE order_id IS NULL AND coalesce(name, company) IS NOT NULL
                AND address_line1 IS NOT NULL
        ),
        several AS (
            SELECT n.*
            FROM named n
            SEMI JOIN (SELECT who, place FROM named GROUP BY ALL HAVING count(*) > 1) t
                ON n.who IS NOT DISTINCT FROM t.who AND n.place IS NOT DISTINCT FROM t.place
        ),
        housed AS (
            SELECT s.*, d.day, r.first_row,
                coalesce(
                    nullif(regexp_replace(street, '[^0-9]', '', 'g'), ''),
                    regexp_replace(lower(street), '[^\\pL]', '', 'g')
                ) AS house
            FROM several s
            JOIN (SELECT row_number, {dates} AS day FROM {orders.orders.sql}) d USING (row_number)
            LEFT JOIN {orders.repeats.sql if orders.repeats else repeats} r USING (row_number)
        )
        SELECT list(row_number ORDER BY row_number) AS numbers
        FROM housed
        GROUP BY who, place, house, ship_date, day
        -- Rows that are equal in every cell are asked about as such.
        HAVING count(*) > 1
            AND (count(first_row) < count(*) OR count(DISTINCT first_row) > 1)
        ORDER BY numbers[1]
        """,
    )
    return found if count(schema.con, found) else None


def _alike_problems(schema: StageSchema, alike: Relation, orders: OrderSet) -> pa.Table:
    return _problems(
        _in_database(schema),
        f"""
        SELECT unnest(numbers) AS row_number, NULL AS value,
            {rows_text("numbers")}
                || ' have the same recipient and address: they may be lines of one order' AS problem
        FROM {alike.sql}
        """,
        _fix(_number_column(schema, alike, orders)),
        "order_key_missing",
    )


def _fix(column: Column | None) -> str:
    heading = "<heading>" if column is None else column.name
    looks = "" if column is None else f' ("{column.name}" is the same in these rows)'
    return (
        f"Name the column of the order number{looks}: "
        f'map(columns={{"order_id": "{heading}"}}). {_EACH_ROW}'
    )


def _number_column(schema: StageSchema, alike: Relation, orders: OrderSet) -> Column | None:
    """Return the column that is the same in the rows of each group and differs between others."""
    columns = [
        column
        for column in orders.columns
        if column.role is None or column.role == "order_id"
        if column.role not in ADDRESS_ROLES
    ]
    if not columns:
        return None
    spread = ", ".join(
        f"count(DISTINCT l.{quoted(c.key)}::VARCHAR) AS d{n}, count(l.{quoted(c.key)}) AS c{n}"
        for n, c in enumerate(columns)
    )
    same = ", ".join(
        f"bool_and(d{n} = 1 AND c{n} = lines), count(DISTINCT v{n})" for n in range(len(columns))
    )
    values = ", ".join(f"min(l.{quoted(c.key)}::VARCHAR) AS v{n}" for n, c in enumerate(columns))
    everywhere = ", ".join(f"count(DISTINCT {quoted(c.key)}::VARCHAR)" for c in columns)
    lines = orders.loaded.lines.sql
    groups, total, *facts = one(
        schema.con,
        f"""
        WITH groups AS (SELECT numbers[1] AS head, unnest(numbers) AS row_number FROM {alike.sql}),
        spread AS (
            SELECT g.head, count(*) AS lines, {spread}, {values}
            FROM groups g
            JOIN {lines} l USING (row_number)
            GROUP BY g.head
        )
        SELECT count(*), sum(lines), {same} FROM spread
        """,
    )
    all_rows, *distinct = one(schema.con, f"SELECT count(*), {everywhere} FROM {lines}")
    orders_then = all_rows - total + groups
    fitting = [
        column
        for n, column in enumerate(columns)
        if facts[2 * n] and facts[2 * n + 1] == groups and distinct[n] == orders_then
    ]
    return min(fitting, key=_rank, default=None)


def _rank(column: Column) -> int:
    words = phrase(column.name).split()
    if order_number_tier(words) is not None:
        return 0
    return 1 if may_name_an_order(words) else 2


# -- a number of lines next to the number of orders ------------------------------------------------


def _candidates(orders: OrderSet) -> Sequence[Column]:
    return [
        column
        for column in orders.columns
        if column.role is None and may_name_an_order(phrase(column.name).split())
    ]


def _under_another_number(schema: StageSchema, rows: Relation, orders: OrderSet) -> pa.Table:
    """Return a problem where "Order" counts lines and another column repeats for each recipient."""
    found = [problems_table()]
    for column in _candidates(orders):
        number = f"nullif(trim({quoted(column.key)}::VARCHAR), '')"
        groups = f"""
            SELECT
                l.number AS value,
                list(row_number ORDER BY row_number) AS numbers,
                count(DISTINCT lower(concat_ws('|', name, address_line1, postal_code))) AS places
            FROM {rows.sql}
            JOIN (SELECT row_number, {number} AS number FROM {orders.loaded.lines.sql}) l
                USING (row_number)
            WHERE l.number IS NOT NULL
            GROUP BY 1
            HAVING count(*) > 1
        """
        several, elsewhere = one(
            schema.con, f"SELECT count(*), count(*) FILTER (places > 1) FROM ({groups})"
        )
        if not several or elsewhere:
            continue
        key = orders.order_key
        found.append(
            _problems(
                _in_database(schema),
                f"""
                SELECT unnest(numbers) AS row_number, value,
                    {rows_text("numbers")} || {quote(f' have the same "{column.name}", recipient ')}
                        || {quote(f'and address; "{key.name if key else ""}" may number lines')}
                        AS problem
                FROM ({groups})
                """,
                _fix(column),
                "order_key_missing",
            )
        )
        break
    return pa.concat_tables(found)


# -- lines without a recipient ---------------------------------------------------------------------


def _without_recipient(schema: StageSchema, rows: Relation, orders: OrderSet) -> pa.Table:
    """Return a problem for items without a recipient below a row that has one, and for that row."""
    items = [column.key for column in orders.columns if column.role in _ITEM]
    nobody = "coalesce(name, company, address_line1, city, postal_code, order_id) IS NULL"
    if not items or not one(schema.con, f"SELECT count(*) FROM {rows.sql} WHERE {nobody}")[0]:
        return problems_table()
    item = f"coalesce({', '.join(f'{quoted(key)}::VARCHAR' for key in items)}) IS NOT NULL"
    return _problems(
        _in_database(schema),
        f"""
        WITH below AS (
            SELECT
                row_number,
                bare AND has_item AS bare,
                last_value(CASE WHEN NOT bare THEN row_number END IGNORE NULLS)
                    OVER (ORDER BY row_number) AS head
            FROM (SELECT row_number, {nobody} AS bare FROM {rows.sql})
            JOIN (SELECT row_number, {item} AS has_item FROM {orders.loaded.lines.sql})
                USING (row_number)
        ),
        groups AS (
            SELECT head, list_prepend(head, list(row_number ORDER BY row_number)) AS numbers
            FROM below
            WHERE bare AND head IS NOT NULL
            GROUP BY head
        )
        SELECT unnest(numbers) AS row_number, NULL AS value,
            {rows_text("numbers")} || ' may be lines of one order: only row ' || head
                || ' has a recipient' AS problem
        FROM groups
        """,
        _fix(None),
        "order_key_missing",
    )


_Ask = Callable[[str], pa.Table]
"""Runs a statement, where the tables are that it reads."""


def _in_database(schema: StageSchema) -> _Ask:
    return lambda query: schema.con.sql(query).to_arrow_table()


def _problems(ask: _Ask, query: str, fix: str, code: str, severity: str = "error") -> pa.Table:
    """Return problems of the rows, values and texts that `query` gives."""
    found = ask(
        f"""
        SELECT row_number, 'order_id' AS field, value::VARCHAR AS value, problem,
            {quote(fix)} AS fix, {quote(severity)} AS severity, {quote(code)} AS code
        FROM ({query})
        ORDER BY row_number
        """
    )
    return found.cast(PROBLEMS)
