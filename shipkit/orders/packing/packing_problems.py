"""What packing could not be sure of, as problems of the orders."""

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation
from shipkit.common.sql import one, quoted
from shipkit.orders.expressions import quote
from shipkit.orders.mapping.column_questions import unit_assumed
from shipkit.orders.packing.lines import LineColumns, Sums
from shipkit.orders.packing.weight_parts import are_twice, unclear_sql
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["of_single_lines", "packing_problems"]

_WEIGHT: Final = "parcels[0].weight_lb"
_SIDES: Final = ("length", "width", "height")


def packing_problems(
    con: duckdb.DuckDBPyConnection,
    selected: Relation,
    columns: LineColumns,
    sums: Sums,
    agreeing: Relation | None,
) -> pa.Table:
    """Return the problems of the selected orders (:data:`shipkit.schema.PROBLEMS`), by row.

    Parameters
    ----------
    agreeing
        For each order, whether its lines agree in each dimension; None when they need not.
    """
    queries = [*_of_weights(columns, sums), *_unclear_parts(columns)]
    if sums.skus is not None:
        queries += [_weight_from_sku(sums), _sku_unknown(sums)]
    if agreeing is not None:
        queries.append(_dimensions_differ(agreeing))
    found = [_of_selected(con, query, selected) for query in queries]
    found.append(_unit_assumed(con, selected, columns))
    return pa.concat_tables(found).sort_by("row_number")


def _of_selected(con: duckdb.DuckDBPyConnection, query: str, selected: Relation) -> pa.Table:
    """Return the problems that a query finds, of the selected orders."""
    found = con.sql(f"""
        SELECT p.*
        FROM ({query}) p
        SEMI JOIN {selected.sql} s ON s.row_number = p.row_number
        ORDER BY p.row_number
    """)
    return found.to_arrow_table().cast(PROBLEMS)


def _problem(
    source: str,
    *,
    problem: str,
    fix: str,
    code: str,
    value: str = "NULL::VARCHAR",
    field: str = _WEIGHT,
    severity: str = "warning",
) -> str:
    """Return a query of one problem per row of `source`, which is what follows FROM.

    Parameters
    ----------
    problem, value
        SQL expressions over `source`; the others are plain texts.
    """
    return f"""
        SELECT
            order_row AS row_number,
            {quote(field)} AS field,
            {value} AS value,
            {problem} AS problem,
            {quote(fix)} AS fix,
            {quote(severity)} AS severity,
            {quote(code)} AS code
        FROM {source}
    """


# -- weights ---------------------------------------------------------------------------------------


def _of_weights(columns: LineColumns, sums: Sums) -> list[str]:
    heading = quote(columns.weights[0][0].name) if columns.weights else "NULL"
    if columns.weights and columns.basis is None:
        return [
            _problem(
                f"{sums.orders.sql} WHERE lines > 1 AND weighed > 0",
                problem="'the order has ' || lines || ' lines, and \"' || "
                f"{heading} || '\" may be the weight of a unit, of a line or of the whole order'",
                fix='Say which: map(weights="unit"), map(weights="line") or map(weights="order").',
                code="weight_basis_unknown",
                value=heading,
                severity="error",
            )
        ]
    if columns.basis == "order":
        return [
            _problem(
                f"{sums.orders.sql} WHERE weights > 1",
                problem="'the lines of the order give ' || weights"
                " || ' different weights of the whole order'",
                fix='Correct the cells, or add them up with map(weights="line").',
                code="weight_of_order_differs",
                value=heading,
                severity="error",
            )
        ]
    return [_weight_missing(sums)] if columns.basis else []


def _unclear_parts(columns: LineColumns) -> list[str]:
    """Return the question about rows whose weight in two columns is no "1 lb and 4 oz"."""
    unclear = unclear_sql(columns.weights)
    if unclear is None:
        return []
    shown = " || ' and ' || ".join(
        f"format('{{:g}} in \"{{}}\"', {quoted(column.key)}::DOUBLE, {quote(column.name)})"
        for column, _ in columns.weights
    )
    said = "the weight may be the sum of both columns or the same in two units: "
    if are_twice(columns.weights):
        said = "the two columns give different weights: "
    return [
        _problem(
            f"{columns.orders.shipping_lines.sql} WHERE {unclear}",
            problem=f"{quote(said)} || {shown}",
            fix="Correct the cells, or name one of the columns: "
            f'map(columns={{"weight": "{columns.weights[0][0].name}"}}).',
            code="weight_parts_unclear",
            severity="error",
        )
    ]


def of_single_lines(
    con: duckdb.DuckDBPyConnection, selected: Relation, columns: LineColumns
) -> pa.Table:
    """Return a question about orders of one line with several units and one weight.

    A row that has the sides of a parcel has its weight, too.
    """
    if not columns.weights or columns.basis is not None or not columns.counts.columns:
        return problems_table()
    heading = columns.weights[0][0].name
    units = columns.counts.sql
    sides = [column for role in _SIDES for column, _ in columns.of_role(role)]
    measured = " AND ".join(f"{quoted(side.key)} IS NOT NULL" for side in sides) or "false"
    lines = columns.orders.shipping_lines.sql
    alone = "" if columns.orders.single else "QUALIFY count(*) OVER (PARTITION BY order_row) = 1"
    weighed = " OR ".join(f"{quoted(column.key)} IS NOT NULL" for column, _ in columns.weights)
    query = _problem(
        f"""(
            SELECT order_row, {units} AS units
            FROM (SELECT * FROM {lines} {alone})
            WHERE {units} > 1 AND ({weighed}) AND NOT ({measured})
        )""",
        problem=f"'the order has ' || format('{{:g}}', units) || ' units, and \"' || "
        f"{quote(heading)} || '\" may be the weight of a unit or of all'",
        fix='Say which: map(weights="unit"), or "line" for all of them.',
        code="weight_basis_unknown",
        value=quote(heading),
        severity="error",
    )
    return _of_selected(con, query, selected)


def _weight_missing(sums: Sums) -> str:
    """Return a warning for orders in which some of the lines have no weight."""
    return _problem(
        f"""(
            SELECT order_row, list(row_number ORDER BY row_number) AS numbers
            FROM {sums.lines.sql}
            WHERE line_lb IS NULL
            GROUP BY order_row
        ) JOIN {sums.orders.sql} USING (order_row) WHERE len(numbers) < lines""",
        problem="'weight or quantity is missing in line ' || array_to_string(numbers, ', ')"
        " || ', so the weight of the order is unknown'",
        fix="Fill in the cells, or give a table of SKU weights: map(skus=...).",
        code="weight_missing_in_lines",
    )


def _weight_from_sku(sums: Sums) -> str:
    return _problem(
        f"""(
            SELECT order_row, string_agg(DISTINCT sku, ', ') AS skus, sum(line_lb) AS lb
            FROM {sums.lines.sql}
            JOIN {sums.orders.sql} o USING (order_row)
            WHERE own_lb IS NULL AND sku_lb IS NOT NULL AND o.weight_lb IS NOT NULL
            GROUP BY order_row
        )""",
        problem="round(lb, 2) || ' lb come from the table of SKUs (' || skus || ')'",
        fix="No action is needed if the table is right.",
        code="weight_from_sku",
        value="round(lb, 4)::VARCHAR",
    )


def _sku_unknown(sums: Sums) -> str:
    return _problem(
        f"""(
            SELECT
                order_row,
                min(row_number) AS line,
                string_agg(DISTINCT coalesce(sku, '(none)'), ', ') AS skus
            FROM {sums.lines.sql}
            WHERE line_lb IS NULL AND own_lb IS NULL AND sku_key IS NULL
            GROUP BY order_row
        )""",
        problem="'weight is missing in line ' || line"
        " || ', and the table of SKUs does not list ' || skus",
        fix="Add the SKU to the table, or fill in the weight.",
        code="sku_unknown",
        value="skus",
    )


def _unit_assumed(
    con: duckdb.DuckDBPyConnection, selected: Relation, columns: LineColumns
) -> pa.Table:
    """Return a warning at the first order when pounds are assumed, because nothing names a unit."""
    if not columns.weights or columns.unit is not None or any(unit for _, unit in columns.weights):
        return problems_table()
    first, count = one(con, f"SELECT min(row_number), count(*) FROM {selected.sql}")
    if first is None:
        return problems_table()
    return problems_table([unit_assumed(first, columns.weights[0][0].name, count)])


# -- dimensions ------------------------------------------------------------------------------------


def _dimensions_differ(agreeing: Relation) -> str:
    same = " AND ".join(name for name in agreeing.columns if name.startswith("same_"))
    return _problem(
        f"{agreeing.sql} WHERE NOT ({same})",
        problem="'the lines have different dimensions, so the parcel has none'",
        fix="Give the parcel in a template, or boxes in a table of SKUs: map(skus=...).",
        code="dimensions_differ",
        field="parcels[0].length_in",
    )
