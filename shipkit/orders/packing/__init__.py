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

from shipkit.common.relation import Relation, StageSchema, fresh
from shipkit.common.sql import one, quoted
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

    relation: Relation
    columns: tuple[Column, ...]
    spec: MappingSpec
    """What the mapping is told."""
    given: MappingSpec
    """What was said."""
    problems: pa.Table = field(repr=False)
    fed: Mapping[str, str] = field(default_factory=dict)
    """Key of a source column -> field of the shipment, beyond what the mapping knows."""
    lines: Relation | None = None
    """The lines with weight, quantity and SKU; None where there is nothing to add up."""
    sums: Relation | None = None
    """Weight and quantity of each order, where there are `lines`."""
    skus: Relation | None = None
    """The table of SKUs that was given."""

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


def pack(
    con: duckdb.DuckDBPyConnection, orders: OrderSet, selected: Relation, spec: MappingSpec
) -> Packed:
    """Return what the mapping shall read: the `selected` orders, with the added-up columns where there are any.

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
    found = Found.of(orders, spec)
    with fresh(con, "packing") as schema:
        return _packed(schema, orders, selected, spec, found)


def _packed(
    schema: StageSchema, orders: OrderSet, selected: Relation, spec: MappingSpec, found: Found
) -> Packed:
    con = schema.con
    mapped = replace(
        spec,
        defaults={
            name: value for name, value in spec.defaults.items() if name not in CUSTOMS_DEFAULTS
        },
    )
    skus = put_skus(schema, spec.skus) if spec.skus is not None else None
    if skus is not None and found.sku is None:
        raise MappingError(
            "skus: the orders have no column that is recognised as the SKU.",
            fix='Name it: map(columns={"sku": "<heading>"}, skus=...).',
        )
    if not found.needed(orders, spec):
        same = schema.view("packed", f"SELECT * FROM {selected.sql}")
        return Packed(same, orders.columns, mapped, spec, PROBLEMS.empty_table())
    lines = _put_lines(schema, found, skus)
    sums = _put_orders(schema, lines, found)
    dims = (
        [column for role in ("length", "width", "height") for column, _ in found.of_role(role)]
        if not orders.single
        else []
    )
    shown = ", ".join(
        f"CASE WHEN o.same_{n} THEN s.{quoted(column.key)} END AS {quoted(column.key)}"
        for n, column in enumerate(dims)
    )
    agreeing = _put_same(schema, orders, dims) if dims else None
    dims_join = (
        f" LEFT JOIN {agreeing.sql} o ON o.order_row = s.row_number" if agreeing is not None else ""
    )
    relation = schema.view(
        "packed",
        f"SELECT s.*{f' REPLACE ({shown})' if shown else ''}, w.weight_lb AS {WEIGHT}, "
        f"w.quantity AS {QUANTITY} FROM {selected.sql} s "
        f"LEFT JOIN {sums.sql} w ON w.order_row = s.row_number{dims_join}",
    )
    told = {
        name: heading
        for name, heading in spec.columns.items()
        if not re.fullmatch(r"(item_)?weight(_\w+)?", name)
    }
    weighed = bool(found.weights) or spec.skus is not None
    problems = [
        *_asked(con, lines, sums, found, skus=skus is not None),
        _unit_assumed(con, selected, found),
        *([_dims_differ(con, agreeing, dims)] if agreeing is not None else []),
    ]
    return Packed(
        relation,
        (
            *orders.columns,
            *([Column(WEIGHT, WEIGHT, "DOUBLE", None, "lb")] if weighed else []),
            Column(QUANTITY, QUANTITY, "DOUBLE"),
        ),
        replace(mapped, columns={**told, "weight_lb": WEIGHT}) if weighed else mapped,
        spec,
        _selected_only(con, selected, pa.concat_tables(problems)),
        {column.key: "parcels[0].weight_lb" for column, _ in found.weights},
        lines=lines,
        sums=sums,
        skus=skus,
    )


# -- lines and their sums --------------------------------------------------------------------------


def _put_lines(schema: StageSchema, found: Found, skus: Relation | None) -> Relation:
    """Return the lines: order_row, row_number, quantity, own_lb (as the cell says), sku, and what the table of SKUs says of it."""
    own = _added([_pounds(column, unit, found.unit) for column, unit in found.weights])
    quantity = f"greatest({numeric(found.quantity)}, 0)" if found.quantity is not None else "1.0"
    sku = (
        f"nullif(trim(CAST({quoted(found.sku.key)} AS VARCHAR)), '')"
        if found.sku is not None
        else "NULL::VARCHAR"
    )
    table = (
        f"LEFT JOIN {skus.sql} t ON t.sku_key = upper(l.sku)"
        if skus is not None
        else "LEFT JOIN (SELECT NULL::VARCHAR AS sku_key, NULL::DOUBLE AS weight_lb) t ON false"
    )
    each = {"unit": "own_lb * quantity", "line": "own_lb"}.get(found.basis or "", "NULL::DOUBLE")
    return schema.table(
        "lines",
        f"""
        WITH l AS (
            SELECT order_row, row_number, {quantity} AS quantity, {own} AS own_lb, {sku} AS sku
            FROM {found.orders.shipping_lines.sql}
        ),
        weighed AS (SELECT l.*, t.sku_key, t.weight_lb AS sku_lb FROM l {table})
        SELECT *, coalesce({each}, sku_lb * quantity)::DOUBLE AS line_lb FROM weighed
        """,
    )


def _put_orders(schema: StageSchema, lines: Relation, found: Found) -> Relation:
    """Return the orders: order_row, weight_lb, quantity, and how many lines there are, with a weight, and different weights."""
    summed = "CASE WHEN count(*) FILTER (line_lb IS NULL) = 0 THEN sum(line_lb) END"
    whole = {
        "order": f"coalesce(arg_min(own_lb, row_number), {summed})",
        None: (
            f"CASE WHEN count(*) = 1 THEN coalesce(min(own_lb), {summed}) WHEN count(own_lb) = 0 "
            f"THEN {summed} END"
        ),
    }
    return schema.table(
        "orders",
        f"SELECT order_row, {whole.get(found.basis, summed)} AS weight_lb, "
        "sum(quantity) AS quantity, count(*) AS lines, count(own_lb) AS weighed, "
        f"count(DISTINCT own_lb) AS weights FROM {lines.sql} GROUP BY order_row",
    )


def _put_same(schema: StageSchema, orders: OrderSet, dims: Sequence[Column]) -> Relation:
    """Return for each order whether its lines agree in each dimension."""
    same = ", ".join(
        (
            f"count(DISTINCT {quoted(c.key)}) < 2 AND (count(*) = 1 OR count({quoted(c.key)}) "
            f"IN (0, 1, count(*))) AS same_{n}"
        )
        for n, c in enumerate(dims)
    )
    return schema.table(
        "agreeing",
        f"SELECT order_row, {same} FROM {orders.shipping_lines.sql} GROUP BY order_row",
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


def _asked(
    con: duckdb.DuckDBPyConnection, lines: Relation, sums: Relation, found: Found, *, skus: bool
) -> list[pa.Table]:
    heading = found.weights[0][0].name if found.weights else ""
    asked: list[tuple[str, dict[str, str]]] = []

    def ask(
        condition: str,
        value: str,
        problem: str,
        severity: str,
        code: str,
        fix: str,
        table: str = sums.sql,
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
            f"n FROM {lines.sql}) WHERE line_lb IS NULL GROUP BY order_row)"
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
            f"{lines.sql} JOIN {sums.sql} o USING (order_row) WHERE own_lb IS NULL AND sku_lb "
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
            f"'(none)'), ', ') AS skus FROM {lines.sql} WHERE line_lb IS NULL AND own_lb IS NULL "
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
    return [
        con.sql(f"{text} ORDER BY 1", params=params).to_arrow_table().cast(PROBLEMS)
        for text, params in asked
    ]


def _unit_assumed(con: duckdb.DuckDBPyConnection, selected: Relation, found: Found) -> pa.Table:
    """Return a warning, at the first order, when no heading names the unit and pounds are assumed."""
    if not found.weights or found.unit is not None or any(unit for _, unit in found.weights):
        return PROBLEMS.empty_table()
    heading = found.weights[0][0].name
    first = one(con, f"SELECT min(row_number) FROM {selected.sql}")[0]
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


def _dims_differ(
    con: duckdb.DuckDBPyConnection, agreeing: Relation, dims: Sequence[Column]
) -> pa.Table:
    same = " AND ".join(f"same_{n}" for n in range(len(dims)))
    return con.sql(f"""
        SELECT order_row AS row_number, 'parcels[0].length_in' AS field, NULL AS value, 'the lines have different dimensions; none were taken for the parcel' AS problem,
        'Give the parcel in a template, or boxes in a table of SKUs: map(skus=...).' AS fix, 'warning' AS severity, 'dimensions_differ' AS code
        FROM {agreeing.sql} WHERE NOT ({same}) ORDER BY 1
    """).to_arrow_table().cast(PROBLEMS)  # fmt: skip


def _selected_only(
    con: duckdb.DuckDBPyConnection, selected: Relation, problems: pa.Table
) -> pa.Table:
    con.register("packing_problems", problems)
    try:
        return (
            con.sql(
                f"SELECT p.* FROM packing_problems p SEMI JOIN {selected.sql} s "
                "ON s.row_number = p.row_number ORDER BY p.row_number"
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
    if packed.lines is not None and packed.sums is not None and packed.skus is not None:
        table = _boxed(con, table, packed.lines, packed.sums, packed.skus, packed.given)
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


def _boxed(
    con: duckdb.DuckDBPyConnection,
    table: pa.Table,
    lines: Relation,
    sums: Relation,
    skus: Relation,
    spec: MappingSpec,
) -> pa.Table:
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
            FROM {lines.sql} l LEFT JOIN {skus.sql} t USING (sku_key)
        ), b AS (
            SELECT order_row, flatten(list(boxes_of ORDER BY row_number)) AS own, sum(line_lb) FILTER (NOT own_box) AS rest_lb, count(*) FILTER (NOT own_box) AS common,
                {", ".join(f"CASE WHEN count(*) = 1 AND min(quantity) = 1 THEN min({name}) END AS only_{name}" for name in ("length_in", "width_in", "height_in"))}
            FROM goods GROUP BY order_row
        )
        SELECT p.* REPLACE (
            CASE WHEN len(p.parcels) <> 1 OR b.order_row IS NULL OR abs(p.parcels[1].weight_lb - w.weight_lb) > 1e-6 THEN p.parcels
                WHEN b.common = 0 THEN b.own ELSE list_concat({_split(f"({rest})", limit)}, b.own) END AS parcels)
        FROM packed_shipments p LEFT JOIN b ON b.order_row = p.row_number LEFT JOIN {sums.sql} w ON w.order_row = p.row_number
    """,
    )
