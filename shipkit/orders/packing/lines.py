"""The lines of orders: which columns describe them, and what they weigh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import one, quoted
from shipkit.orders import expressions as sql
from shipkit.orders.columns import WEIGHT_PARTS, Column
from shipkit.orders.grouping import OrderSet
from shipkit.orders.heading_text import phrase
from shipkit.orders.layouts import summed_columns
from shipkit.orders.mapping.mapped import MappingSpec
from shipkit.orders.packing.quantities import Counts
from shipkit.orders.packing.weight_parts import are_twice, without_repeats
from shipkit.orders.units import LENGTHS, WEIGHTS

__all__ = ["LineColumns", "Sums", "sum_lines"]

_OF_THE_ORDER: Final = (
    "order weight",
    "total weight",
    "shipment weight",
    "package weight",
    "parcel weight",
    "box weight",
    "gross weight",
    "shipping weight",
    "ship weight",
    "carton weight",
    "package wt",
)
"""How a heading begins that names the weight of a whole order."""
_UNITS: Final = frozenset({*WEIGHTS.to_base, *LENGTHS.to_base})
"""Ends of a role that name its unit: ``weight_oz``, ``length_in``."""


@dataclass(frozen=True)
class LineColumns:
    """The columns that describe the lines of orders.

    Parameters
    ----------
    orders, spec
        What they were found in.
    weights
        The columns to add up for the weight of a line, each with its unit.
    basis
        What a weight is of: ``unit``, ``line`` or ``order``; None when it is not certain.
    quantity, sku, unit
        The columns of the quantity, of the SKU, and of the unit of `weights`.
    counts
        What is known of the units of a line besides `quantity`: which are left, refunded and so on.
    """

    orders: OrderSet = field(repr=False)
    spec: MappingSpec
    weights: tuple[tuple[Column, str | None], ...]
    basis: str | None
    quantity: Column | None
    sku: Column | None
    unit: Column | None
    counts: Counts

    @classmethod
    def of(cls, orders: OrderSet, spec: MappingSpec) -> LineColumns:
        """Return the columns that `spec`, the layout or the headings name, in this order."""
        whole, each = _columns(orders, spec, "weight"), _columns(orders, spec, "item_weight")
        if whole and each and "weight" not in spec.columns and _are_empty(orders, whole):
            whole = []
        basis = spec.weights or (_basis(whole, spec) if whole else "unit" if each else None)
        weights = without_repeats(orders, whole or each)

        def first(role: str) -> Column | None:
            return next((column for column, _ in _columns(orders, spec, role)), None)

        unit = first("weight_unit") if all(unit is None for _, unit in weights) else None
        counts = Counts.of(orders, spec, first("quantity"))
        return cls(orders, spec, tuple(weights), basis, counts.ordered, first("sku"), unit, counts)

    def of_role(self, role: str) -> list[tuple[Column, str | None]]:
        """Return the columns that give `role`, each with its unit."""
        return _columns(self.orders, self.spec, role)

    @property
    def per_unit(self) -> bool:
        """Whether the weight of a line depends on its quantity."""
        return self.basis == "unit" or self.spec.skus is not None

    @property
    def to_be_added_up(self) -> bool:
        """Whether there is anything to add up; not where each order is one line with its weight."""
        plain = (
            self.orders.single
            and not self.counts.others
            and self.spec.weights is None
            and len(self.weights) < 2
            and self.basis != "unit"
        )
        return self.spec.skus is not None or not plain


@dataclass(frozen=True)
class Sums:
    """The lines of orders and what they add up to.

    Parameters
    ----------
    lines
        ``order_row``, ``row_number``, ``quantity``, ``own_lb`` (what the weight cell says),
        ``sku``, ``sku_key`` and ``sku_lb`` (null where the table of SKUs does not list it), and
        ``line_lb``.
    orders
        ``order_row``, ``weight_lb`` (null when it is not known), ``quantity``, and how many
        ``lines`` there are, how many ``weighed``, and how many different ``weights``.
    skus
        The table of SKUs, when one was given.
    """

    lines: Relation
    orders: Relation
    skus: Relation | None


def sum_lines(schema: StageSchema, columns: LineColumns, skus: Relation | None) -> Sums:
    """Return the weight and quantity of each line, added up for each order."""
    lines = _lines(schema, columns, skus)
    return Sums(lines, _orders(schema, lines, columns.basis), skus)


# -- finding the columns ---------------------------------------------------------------------------


def _columns(orders: OrderSet, spec: MappingSpec, role: str) -> list[tuple[Column, str | None]]:
    """Return the columns that give `role`, each with its unit.

    What the settings name comes first, then what the layout names, then the headings. The parts of
    a weight ("weight_lb" and "weight_oz") are several.
    """
    given = []
    for name, heading in spec.columns.items():
        named, _, unit = name.rpartition("_")
        if name == role or (named == role and unit in _UNITS):
            column = orders.loaded.column(heading)
            given.append((column, column.unit_or(unit if named == role else None)))
    if given:
        return given
    by_name = {column.name: column for column in orders.columns}
    listed = summed_columns(spec.layout, role, list(by_name))
    return [(by_name[name], by_name[name].unit_or(unit)) for name, unit in listed] or [
        (column, column.unit)
        for each in (role, WEIGHT_PARTS.get(role))
        for column in orders.columns
        if each is not None and column.role == each
    ]


def _are_empty(orders: OrderSet, columns: Sequence[tuple[Column, str | None]]) -> bool:
    """Return whether no line has a cell of the columns."""
    filled = " OR ".join(f"{quoted(column.key)} IS NOT NULL" for column, _ in columns)
    return not one(orders.con, f"SELECT count(*) FILTER ({filled}) FROM {orders.all_lines.sql}")[0]


def _basis(weights: Sequence[tuple[Column, str | None]], spec: MappingSpec) -> str | None:
    """Return what the weight of a "Weight" column is of, None when it is not certain."""
    if spec.layout is not None and "weight" in spec.layout.fields:
        return spec.layout.layout.weight_of
    column = weights[0][0]
    texts = (phrase(column.name), phrase(column.explained))
    return "order" if any(words.startswith(_OF_THE_ORDER) for words in texts) else None


# -- adding up -------------------------------------------------------------------------------------


def _lines(schema: StageSchema, columns: LineColumns, skus: Relation | None) -> Relation:
    quantity = columns.counts.sql
    sku = "NULL::VARCHAR"
    if columns.sku is not None:
        sku = f"nullif(trim(CAST({quoted(columns.sku.key)} AS VARCHAR)), '')"
    cells = [_pounds(column, unit, columns.unit) for column, unit in columns.weights]
    own_lb = _sum(cells)
    if are_twice(columns.weights):
        own_lb = f"coalesce(nullif({cells[0]}, 0), {cells[1]})"
    weight = {"unit": "own_lb * quantity", "line": "own_lb"}.get(columns.basis or "", "NULL")
    listed = "(SELECT NULL::VARCHAR AS sku_key, NULL::DOUBLE AS weight_lb)"
    return schema.table(
        "lines",
        f"""
        WITH cells AS (
            SELECT order_row, row_number, {quantity} AS quantity, {own_lb} AS own_lb, {sku} AS sku
            FROM {columns.orders.shipping_lines.sql}
        ),
        matched AS (
            SELECT c.*, s.sku_key, s.weight_lb AS sku_lb
            FROM cells c
            LEFT JOIN {listed if skus is None else skus.sql} s ON s.sku_key = upper(c.sku)
        )
        SELECT *, coalesce({weight}, sku_lb * quantity)::DOUBLE AS line_lb
        FROM matched
        """,
    )


def _orders(schema: StageSchema, lines: Relation, basis: str | None) -> Relation:
    # One line without a weight leaves the order without one: a sum of the others is too small.
    summed = "CASE WHEN count(*) = count(line_lb) THEN sum(line_lb) END"
    weight = summed
    if basis == "order":
        weight = f"coalesce(arg_min(own_lb, row_number), {summed})"
    elif basis is None:
        weight = sql.case(
            ("count(*) = 1", f"coalesce(min(own_lb), {summed})"),
            ("count(own_lb) = 0", summed),
        )
    return schema.table(
        "orders",
        f"""
        SELECT
            order_row,
            {weight} AS weight_lb,
            sum(quantity) AS quantity,
            count(*) AS lines,
            count(own_lb) AS weighed,
            count(DISTINCT own_lb) AS weights
        FROM {lines.sql}
        GROUP BY order_row
        """,
    )


def _pounds(column: Column, unit: str | None, unit_column: Column | None) -> str:
    """Return SQL of a weight cell in pounds, null when it cannot be read."""
    cell = quoted(column.key)
    if unit_column is not None:
        text = f"CAST({cell} AS VARCHAR)"
        with_unit = f"concat_ws(' ', {text}, {quoted(unit_column.key)})"
        return sql.measure(sql.case((sql.is_number(text), with_unit), otherwise=text), weight=True)
    if column.type == "VARCHAR":
        with_unit = sql.measure(cell, weight=True)
        if unit in (None, "lb"):
            return with_unit
        bare = sql.case((sql.is_number(cell), sql.convert(sql.number(cell), unit)))
        return f"coalesce({bare}, {with_unit})"
    value = f"CAST({cell} AS DOUBLE)"
    return sql.case((f"isfinite({value})", sql.convert(value, unit or "lb")))


def _sum(texts: Sequence[str]) -> str:
    """Return SQL of a sum that takes a missing part as 0, and is null when all are missing."""
    if not texts:
        return "NULL::DOUBLE"
    if len(texts) == 1:
        return texts[0]
    total = " + ".join(f"coalesce({text}, 0)" for text in texts)
    return sql.case((f"coalesce({', '.join(texts)}) IS NOT NULL", total))
