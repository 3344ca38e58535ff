"""The lines of an order packed to one shipment: weights and quantities added up, parcels and customs items made of the lines.

What is not certain is asked. A weight column in an order of several lines may be of one unit, of
the line or of the whole order: the layout says which, or the heading ("item weight", "order
weight"), or a person (``map(weights="unit")``); nobody: the order waits.

:func:`pack` stands before the mapping and adds the columns ``packed_weight_lb`` and
``packed_quantity``, which templates see too; :func:`finish` stands after it and splits parcels and
adds customs items where the mapping left one parcel and none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import duckdb
import pyarrow as pa

from shipkit.common.sql import clear, one, quoted
from shipkit.errors import MappingError
from shipkit.models import Address
from shipkit.orders import expressions as sql
from shipkit.orders.fields import Column
from shipkit.orders.grouping import OrderSet
from shipkit.orders.mapping.mapped import CUSTOMS_DEFAULTS, Mapped, MappingSpec
from shipkit.orders.packing.customs_items import declared, said_of_customs
from shipkit.orders.packing.lines import Found, numeric, over
from shipkit.orders.packing.skus import put_skus
from shipkit.schema import PROBLEMS

__all__ = ["Packed", "finish", "pack", "parcel_limit_lb"]

WEIGHT: Final = "packed_weight_lb"
QUANTITY: Final = "packed_quantity"
_BASES: Final = ("unit", "line", "order")
_POUNDS: Final = {"lb": 1.0, "oz": 1 / 16, "kg": 1 / 0.45359237, "g": 1 / 453.59237}


@dataclass(frozen=True)
class Packed:
    """What the mapping reads: the selected orders, with their weight and quantity beside them where they have lines to add up."""

    relation: str
    columns: tuple[Column, ...]
    spec: MappingSpec
    """What the mapping is told."""
    given: MappingSpec
    """What was said."""
    problems: pa.Table = field(repr=False)
    fed: Mapping[str, str] = field(default_factory=dict)
    """Key of a source column -> field of the shipment, beyond what the mapping knows."""
    lines: bool = False
    """Whether the table ``packed_lines`` was made: the lines with weight, quantity and SKU."""

    def note(self, mapped: Mapped) -> Mapped:
        """Return `mapped` with what packing met."""
        return replace(
            mapped,
            problems=pa.concat_tables([mapped.problems, self.problems]),
            fields={**mapped.fields, **self.fed},
        )


def parcel_limit_lb(rule: str | None) -> float | None:
    """Return the weight limit of a parcel that a rule says, in pounds; None for one parcel an order.

    Examples
    --------
    >>> parcel_limit_lb("max 40 lb"), parcel_limit_lb("one")
    (40.0, None)
    """
    if rule is None or rule.strip().lower() == "one":
        return None
    found = re.fullmatch(r"max\s+([0-9]+(?:\.[0-9]+)?)\s*(lbs?|oz|kg|g)", rule.strip().lower())
    if found is None or not float(found[1]):
        raise MappingError(
            f"parcels={rule!r} is not a rule.", fix='Write parcels="one" or parcels="max 40 lb".'
        )
    return float(found[1]) * _POUNDS["lb" if found[2].startswith("lb") else found[2]]


def pack(con: duckdb.DuckDBPyConnection, orders: OrderSet, spec: MappingSpec) -> Packed:
    """Return what the mapping shall read: ``selected`` itself, or the view ``packed`` with the added-up columns.

    Raises
    ------
    MappingError
        A rule, or the table of SKUs, cannot be used.
    """
    if spec.weights is not None and spec.weights not in _BASES:
        raise MappingError(
            f"weights={spec.weights!r} is not known.",
            fix="Say what a weight is of: unit, line or order.",
        )
    parcel_limit_lb(spec.parcels)
    said_of_customs(spec)
    clear(con, "packed", "packed_orders", "packed_lines", "sku_table")
    found = Found.of(orders, spec)
    mapped = replace(
        spec,
        defaults={
            name: value for name, value in spec.defaults.items() if name not in CUSTOMS_DEFAULTS
        },
    )
    if spec.skus is not None:
        put_skus(con, spec.skus)
        if found.sku is None:
            raise MappingError(
                "skus: the orders have no column that is recognised as the SKU.",
                fix='Name it: map(columns={"sku": "<heading>"}, skus=...).',
            )
    if not found.needed(orders, spec):
        return Packed("selected", orders.columns, mapped, spec, PROBLEMS.empty_table())
    _put_lines(con, found, skus=spec.skus is not None)
    _put_orders(con, found)
    dims = (
        [column for role in ("length", "width", "height") for column, _ in found.of_role(role)]
        if not orders.single
        else []
    )
    shown = ", ".join(
        f"CASE WHEN o.same_{n} THEN s.{quoted(column.key)} END AS {quoted(column.key)}"
        for n, column in enumerate(dims)
    )
    _put_same(con, dims)
    con.execute(
        f"CREATE VIEW packed AS SELECT s.*{f' REPLACE ({shown})' if shown else ''}, w.weight_lb "
        f"AS {WEIGHT}, w.quantity AS {QUANTITY} "
        "FROM selected s LEFT JOIN packed_orders w ON w.order_row = "
        f"s.row_number{' LEFT JOIN packed_same o ON o.order_row = s.row_number' if dims else ''}",
    )
    told = {
        name: heading
        for name, heading in spec.columns.items()
        if not re.fullmatch(r"(item_)?weight(_\w+)?", name)
    }
    weighed = bool(found.weights) or spec.skus is not None
    return Packed(
        "packed",
        (
            *orders.columns,
            *([Column(WEIGHT, WEIGHT, "DOUBLE", None, "lb")] if weighed else []),
            Column(QUANTITY, QUANTITY, "DOUBLE"),
        ),
        replace(mapped, columns={**told, "weight_lb": WEIGHT}) if weighed else mapped,
        spec,
        _problems(con, found, dims, skus=spec.skus is not None),
        {column.key: "parcels[0].weight_lb" for column, _ in found.weights},
        lines=True,
    )


# -- lines and their sums --------------------------------------------------------------------------


def _put_lines(con: duckdb.DuckDBPyConnection, found: Found, *, skus: bool) -> None:
    """Make ``packed_lines``: order_row, row_number, quantity, own_lb (as the cell says), sku, and what the table of SKUs says of it."""
    own = _added([_pounds(column, unit, found.unit) for column, unit in found.weights])
    quantity = f"greatest({numeric(found.quantity)}, 0)" if found.quantity is not None else "1.0"
    sku = (
        f"nullif(trim(CAST({quoted(found.sku.key)} AS VARCHAR)), '')"
        if found.sku is not None
        else "NULL::VARCHAR"
    )
    table = (
        "LEFT JOIN sku_table t ON t.sku_key = upper(l.sku)"
        if skus
        else "LEFT JOIN (SELECT NULL::VARCHAR AS sku_key, NULL::DOUBLE AS weight_lb) t ON false"
    )
    con.execute(f"""
        CREATE TABLE packed_lines AS
        WITH l AS (SELECT order_row, row_number, {quantity} AS quantity, {own} AS own_lb, {sku} AS sku FROM shipping_lines)
        SELECT l.*, t.sku_key, t.weight_lb AS sku_lb FROM l {table}
    """)


def _put_orders(con: duckdb.DuckDBPyConnection, found: Found) -> None:
    """Make ``packed_orders``: order_row, weight_lb, quantity; and ``line_lb`` of each line, where weights are of units or lines."""
    each = {"unit": "own_lb * quantity", "line": "own_lb"}.get(found.basis or "", "NULL::DOUBLE")
    con.execute(
        "ALTER TABLE packed_lines ADD COLUMN line_lb DOUBLE; UPDATE packed_lines SET line_lb = "
        f"coalesce({each}, sku_lb * quantity)"
    )
    summed = "CASE WHEN count(*) FILTER (line_lb IS NULL) = 0 THEN sum(line_lb) END"
    whole = {
        "order": f"coalesce(arg_min(own_lb, row_number), {summed})",
        None: (
            f"CASE WHEN count(*) = 1 THEN coalesce(min(own_lb), {summed}) WHEN count(own_lb) = 0 "
            f"THEN {summed} END"
        ),
    }
    con.execute(
        f"CREATE TABLE packed_orders AS SELECT order_row, {whole.get(found.basis, summed)} AS "
        "weight_lb, sum(quantity) AS quantity, count(*) AS lines, "
        "count(own_lb) AS weighed, count(DISTINCT own_lb) AS weights FROM packed_lines GROUP BY "
        "order_row",
    )


def _put_same(con: duckdb.DuckDBPyConnection, dims: Sequence[Column]) -> None:
    clear(con, "packed_same")
    if dims:
        same = ", ".join(
            (
                f"count(DISTINCT {quoted(c.key)}) < 2 AND (count(*) = 1 OR count({quoted(c.key)}) "
                f"IN (0, 1, count(*))) AS same_{n}"
            )
            for n, c in enumerate(dims)
        )
        con.execute(
            f"CREATE TABLE packed_same AS SELECT order_row, {same} FROM shipping_lines GROUP BY "
            "order_row"
        )


def _pounds(column: Column, unit: str | None, unit_column: Column | None) -> str:
    """Return SQL of a line's weight cell in pounds; null when it cannot be read."""
    cell = quoted(column.key)
    if unit_column is not None:
        text = f"CAST({cell} AS VARCHAR)"
        return sql.measure(
            f"CASE WHEN {sql.is_number(text)} THEN concat_ws(' ', {text}, "
            f"{quoted(unit_column.key)}) ELSE {text} END",
            weight=True,
        )
    if column.type == "VARCHAR":
        read = (
            f"CASE WHEN {sql.is_number(cell)} THEN {sql.convert(sql.number(cell), unit)} END"
            if unit not in (None, "lb")
            else "NULL"
        )
        return f"coalesce({read}, {sql.measure(cell, weight=True)})"
    value = f"CAST({cell} AS DOUBLE)"
    return (
        f"CASE WHEN isfinite({value}) THEN "
        f"{sql.convert(value, unit) if unit not in (None, 'lb') else value} END"
    )


def _added(texts: Sequence[str]) -> str:
    """Return SQL of a sum in which a missing part counts nothing, and that is null when all are missing."""
    if not texts:
        return "NULL::DOUBLE"
    total = " + ".join(f"coalesce({text}, 0)" for text in texts)
    return (
        texts[0]
        if len(texts) == 1
        else f"CASE WHEN coalesce({', '.join(texts)}) IS NOT NULL THEN {total} END"
    )


# -- what a person must know -----------------------------------------------------------------------


def _problems(
    con: duckdb.DuckDBPyConnection, found: Found, dims: Sequence[Column], *, skus: bool
) -> pa.Table:
    heading = found.weights[0][0].name if found.weights else ""
    asked: list[tuple[str, dict[str, str]]] = []

    def ask(
        condition: str,
        value: str,
        problem: str,
        severity: str,
        code: str,
        fix: str,
        table: str = "packed_orders",
    ) -> None:
        asked.append(
            (
                (
                    f"SELECT order_row AS row_number, 'parcels[0].weight_lb' AS field, {value} AS "
                    f"value, {problem} AS problem, $fix AS fix, '{severity}' AS severity, "
                    f"'{code}' AS code "
                    f"FROM {table} WHERE {condition}"
                ),
                {"fix": fix},
            )
        )

    title = sql.quote(heading)
    if found.weights and found.basis is None:
        ask(
            "lines > 1 AND weighed > 0",
            title,
            f"'the order has ' || lines || ' lines, and it is not said whether \"' || {title} || "
            "'\" is the weight of a unit, of the line or of the order'",
            "error",
            "weight_basis_unknown",
            'Say which: map(weights="unit"), "line" or "order".',
        )
    if found.basis == "order":
        ask(
            "weights > 1",
            title,
            "'the lines of the order give ' || weights || ' different weights of the whole order'",
            "error",
            "weight_of_order_differs",
            'Correct the cells, or say what the weight is of: map(weights="line").',
        )
    if found.basis in ("unit", "line"):
        missing = (
            "(SELECT order_row, list(row_number ORDER BY row_number) AS numbers, count(*) AS "
            "missing, any_value(n) AS n FROM (SELECT *, count(*) OVER (PARTITION BY order_row) AS "
            "n FROM packed_lines) WHERE line_lb IS NULL GROUP BY order_row)"
        )
        ask(
            "missing < n",
            "NULL",
            "'no weight (or quantity) in line ' || array_to_string(numbers, ', ') || ', so the "
            "order has none'",
            "warning",
            "weight_missing_in_lines",
            "Fill the cells, or give a table of SKU weights: map(skus=...).",
            missing,
        )
    if skus:
        taken = (
            "(SELECT order_row, string_agg(DISTINCT sku, ', ') AS skus, sum(line_lb) AS lb FROM "
            "packed_lines JOIN packed_orders o USING (order_row) WHERE own_lb IS NULL AND sku_lb "
            "IS NOT NULL AND o.weight_lb IS NOT NULL GROUP BY order_row)"
        )
        ask(
            "true",
            "round(lb, 4)::VARCHAR",
            "round(lb, 2) || ' lb are from the table of SKUs (' || skus || ')'",
            "warning",
            "weight_from_sku",
            "Nothing to do if the table is right.",
            taken,
        )
        unknown = (
            "(SELECT order_row, min(row_number) AS line, string_agg(DISTINCT coalesce(sku, "
            "'(none)'), ', ') AS skus FROM packed_lines WHERE line_lb IS NULL AND own_lb IS NULL "
            "AND sku_key IS NULL GROUP BY order_row)"
        )
        ask(
            "true",
            "skus",
            "'no weight in line ' || line || ', and the table of SKUs does not have ' || skus",
            "warning",
            "sku_unknown",
            "Add it to the table, or fill the weight.",
            unknown,
        )
    tables = [
        con.sql(f"{text} ORDER BY 1", params=params).to_arrow_table().cast(PROBLEMS)
        for text, params in asked
    ]
    tables += [_unit_assumed(con, found), _dims_differ(con, dims)]
    return _selected_only(con, pa.concat_tables(tables))


def _unit_assumed(con: duckdb.DuckDBPyConnection, found: Found) -> pa.Table:
    """Return a warning, at the first order, when no heading names the unit and pounds are assumed."""
    if not found.weights or found.unit is not None or any(unit for _, unit in found.weights):
        return PROBLEMS.empty_table()
    heading = found.weights[0][0].name
    first = one(con, "SELECT min(row_number) FROM selected")[0]
    row = {
        "row_number": first,
        "field": "parcels[0].weight_lb",
        "value": heading,
        "severity": "warning",
        "code": "weight_unit_assumed",
        "problem": f'the heading "{heading}" names no unit: all rows are taken as pounds',
        "fix": (
            f'Say the unit: map(columns={{"weight_oz": "{heading}"}}), or weight_lb if pounds are '
            "right."
        ),
    }
    return pa.Table.from_pylist([row] if first is not None else [], schema=PROBLEMS)


def _dims_differ(con: duckdb.DuckDBPyConnection, dims: Sequence[Column]) -> pa.Table:
    if not dims:
        return PROBLEMS.empty_table()
    same = " AND ".join(f"same_{n}" for n in range(len(dims)))
    return con.sql(f"""
        SELECT order_row AS row_number, 'parcels[0].length_in' AS field, NULL AS value, 'the lines have different dimensions; none were taken for the parcel' AS problem,
        'Give the parcel in a template, or boxes in a table of SKUs: map(skus=...).' AS fix, 'warning' AS severity, 'dimensions_differ' AS code
        FROM packed_same WHERE NOT ({same}) ORDER BY 1
    """).to_arrow_table().cast(PROBLEMS)  # fmt: skip


def _selected_only(con: duckdb.DuckDBPyConnection, problems: pa.Table) -> pa.Table:
    con.register("packing_problems", problems)
    try:
        return (
            con.sql(
                "SELECT p.* FROM packing_problems p SEMI JOIN selected s ON s.row_number = "
                "p.row_number ORDER BY p.row_number"
            )
            .to_arrow_table()
            .cast(PROBLEMS)
        )
    finally:
        con.unregister("packing_problems")


# -- parcels ------------------------------------------------------------------------------


def finish(
    con: duckdb.DuckDBPyConnection,
    table: pa.Table,
    packed: Packed,
    orders: OrderSet,
    shipper: Address,
) -> pa.Table:
    """Return the shipments with parcels made by the rule and customs items made of the lines.

    A shipment with several parcels, or with customs, stays as the mapping made it: a template has
    the last word.
    """
    if packed.lines and packed.given.skus is not None:
        table = _boxed(con, table, packed.given)
    else:
        limit = parcel_limit_lb(packed.given.parcels)
        table = (
            over(
                con,
                table,
                f"SELECT * REPLACE (CASE WHEN len(parcels) = 1 THEN {_split('parcels[1]', limit)} "
                "ELSE parcels END AS parcels) FROM packed_shipments",
            )
            if limit
            else table
        )
    return declared(con, table, Found.of(orders, packed.given), lines=packed.lines, shipper=shipper)


def _split(parcel: str, limit_lb: float | None) -> str:
    """Return SQL of a list of equal parcels, none over the limit, made of one."""
    if limit_lb is None:
        return f"[{parcel}]"
    count = f"CAST(ceil({parcel}.weight_lb / {limit_lb!r} - 1e-9) AS BIGINT)"
    cents = f"{parcel}.declared_value_cents"
    share = f"{cents} // n + CASE WHEN i < {cents} % n THEN 1 ELSE 0 END"
    made = (
        f"{{weight_lb: {parcel}.weight_lb / n, length_in: {parcel}.length_in, width_in: "
        f"{parcel}.width_in, height_in: {parcel}.height_in, packaging: {parcel}.packaging, "
        f"declared_value_cents: {share}, description: {parcel}.description}}"
    )
    split = (
        made.replace(" n ", f" {count} ")
        .replace("/ n,", f"/ {count},")
        .replace("// n", f"// {count}")
        .replace("% n", f"% {count}")
    )
    return (
        f"CASE WHEN {parcel}.weight_lb > {limit_lb!r} AND {parcel}.weight_lb <= "
        f"{limit_lb * 200!r} THEN list_transform(range({count}), lambda i: {split}) ELSE "
        f"[{parcel}] END"
    )


def _boxed(con: duckdb.DuckDBPyConnection, table: pa.Table, spec: MappingSpec) -> pa.Table:
    """Put goods that ship in boxes of their own into parcels of their own, the rest into common ones."""
    limit = parcel_limit_lb(spec.parcels)
    dims = ", ".join(f"{name}: t.{name}" for name in ("length_in", "width_in", "height_in"))
    box = (
        f"{{weight_lb: l.line_lb / (l.quantity * t.boxes), {dims}, packaging: 'package', "
        "declared_value_cents: NULL::BIGINT, description: l.sku}"
    )
    rest = "struct_update(p.parcels[1], weight_lb := coalesce(b.rest_lb, p.parcels[1].weight_lb)"
    rest += (
        "".join(
            f", {name} := coalesce(p.parcels[1].{name}, b.only_{name})"
            for name in ("length_in", "width_in", "height_in")
        )
        + ")"
    )
    return over(
        con,
        table,
        f"""
        WITH goods AS (
            SELECT l.order_row, l.row_number, l.quantity, l.line_lb, t.boxes, t.length_in, t.width_in, t.height_in, t.boxes IS NOT NULL AND l.quantity > 0 AS own_box,
                CASE WHEN t.boxes IS NOT NULL AND l.quantity > 0 THEN list_transform(range(CAST(l.quantity * t.boxes AS BIGINT)), lambda i: {box}) ELSE [] END AS boxes_of
            FROM packed_lines l LEFT JOIN sku_table t USING (sku_key)
        ), b AS (
            SELECT order_row, flatten(list(boxes_of ORDER BY row_number)) AS own, sum(line_lb) FILTER (NOT own_box) AS rest_lb, count(*) FILTER (NOT own_box) AS common,
                {", ".join(f"CASE WHEN count(*) = 1 AND min(quantity) = 1 THEN min({name}) END AS only_{name}" for name in ("length_in", "width_in", "height_in"))}
            FROM goods GROUP BY order_row
        )
        SELECT p.* REPLACE (
            CASE WHEN len(p.parcels) <> 1 OR b.order_row IS NULL OR abs(p.parcels[1].weight_lb - w.weight_lb) > 1e-6 THEN p.parcels
                WHEN b.common = 0 THEN b.own ELSE list_concat({_split(f"({rest})", limit)}, b.own) END AS parcels)
        FROM packed_shipments p LEFT JOIN b ON b.order_row = p.row_number LEFT JOIN packed_orders w ON w.order_row = p.row_number
    """,
    )
