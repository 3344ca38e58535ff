"""Orders of several lines become one shipment: weights added up, parcels and customs items made.

A weight column in an order of several lines may be the weight of a unit, of a line or of the whole
order. The layout says which, or the heading ("item weight", "order weight"), or
``map(weights="unit")``; otherwise the order is held back with a question.

:func:`pack` runs before the mapping and adds the columns ``packed_weight_lb`` and
``packed_quantity``, which templates see too. :func:`finish` runs after normalising: it splits
parcels and adds customs items where the mapping left one parcel and no customs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import duckdb
import pyarrow as pa

from shipkit.common.places import US_DOMAIN
from shipkit.common.relation import Relation, StageSchema, fresh
from shipkit.common.sql import quoted
from shipkit.errors import MappingError
from shipkit.models import Address
from shipkit.orders.columns import Column
from shipkit.orders.grouping import OrderSet
from shipkit.orders.mapping.mapped import (
    CUSTOMS_DEFAULTS,
    Mapped,
    MappingQuestion,
    MappingSpec,
)
from shipkit.orders.packing.bundles import bundle_problems, bundle_questions
from shipkit.orders.packing.customs_items import add_customs, check_customs_defaults
from shipkit.orders.packing.lines import LineColumns, Sums, sum_lines
from shipkit.orders.packing.packing_problems import of_single_lines, packing_problems
from shipkit.orders.packing.parcels import box, parcel_limit_lb, split_heavy
from shipkit.orders.packing.quantity_problems import quantity_problems
from shipkit.orders.packing.skus import read_skus

__all__ = ["Packed", "finish", "pack", "parcel_limit_lb", "weight_columns"]

WEIGHT: Final = "packed_weight_lb"
QUANTITY: Final = "packed_quantity"
_BASES: Final = ("unit", "line", "order")


@dataclass(frozen=True)
class Packed:
    """What the mapping reads, and what the packing found.

    Parameters
    ----------
    relation, columns
        The selected orders, with added-up weights and quantities where there are any.
    spec
        The settings for the mapping.
    given
        The settings as they were given.
    problems
        :data:`shipkit.schema.PROBLEMS` of the selected orders.
    fed
        Key of a source column -> field of the shipment that it feeds through the packing.
    sums
        The lines and their sums; None where there was nothing to add up.
    questions
        What is asked about orders abroad.
    """

    relation: Relation
    columns: tuple[Column, ...]
    spec: MappingSpec
    given: MappingSpec
    problems: pa.Table = field(repr=False)
    fed: Mapping[str, str] = field(default_factory=dict)
    sums: Sums | None = None
    questions: tuple[MappingQuestion, ...] = ()

    def note(self, mapped: Mapped) -> Mapped:
        """Return `mapped` with the problems and fields of the packing."""
        return replace(
            mapped,
            problems=pa.concat_tables([mapped.problems, self.problems]),
            fields={**mapped.fields, **self.fed},
            questions=(*mapped.questions, *self.questions),
        )


def pack(
    con: duckdb.DuckDBPyConnection,
    orders: OrderSet,
    selected: Relation,
    spec: MappingSpec,
    home: str = "US",
) -> Packed:
    """Return what the mapping reads: the `selected` orders, with added-up columns if needed.

    Parameters
    ----------
    home
        The country that the orders are sent from.

    Raises
    ------
    MappingError
        A rule, or the table of SKUs, cannot be used.
    """
    if spec.weights is not None and spec.weights not in _BASES:
        raise MappingError(
            f"weights={spec.weights!r} is unknown.",
            fix='Say what a weight is of: weights="unit", "line" or "order".',
        )
    parcel_limit_lb(spec.parcels)
    check_customs_defaults(spec)
    with fresh(con, "packing") as schema:
        return _pack(schema, orders, selected, spec, US_DOMAIN if home in US_DOMAIN else (home,))


def weight_columns(orders: OrderSet, spec: MappingSpec) -> tuple[str, ...]:
    """Return the keys of the columns that weights are read from; empty ones may be left out."""
    return tuple(column.key for column, _ in LineColumns.of(orders, spec).weights)


def _pack(
    schema: StageSchema,
    orders: OrderSet,
    selected: Relation,
    spec: MappingSpec,
    home: Sequence[str],
) -> Packed:
    columns = LineColumns.of(orders, spec)
    others = {name: value for name, value in spec.defaults.items() if name not in CUSTOMS_DEFAULTS}
    mapping = replace(spec, defaults=others)
    skus = read_skus(schema, spec.skus) if spec.skus is not None else None
    if skus is not None and columns.sku is None:
        raise MappingError(
            "skus: no column of the orders was recognised as the SKU.",
            fix='Name it: map(columns={"sku": "<heading>"}, skus=...).',
        )
    counted = quantity_problems(schema, selected, orders, columns.counts, columns.per_unit)
    fed = {column.key: "quantity" for column in columns.counts.columns}
    if not columns.to_be_added_up:
        same = schema.view("packed", f"SELECT * FROM {selected.sql}")
        counted = pa.concat_tables([counted, of_single_lines(schema.con, selected, columns)])
        return Packed(same, orders.columns, mapping, spec, counted, fed)
    sums = sum_lines(schema, columns, skus)
    dimensions = [] if orders.single else _dimensions(columns)
    agreeing = _agreeing(schema, orders, dimensions) if dimensions else None
    weighed = bool(columns.weights) or skus is not None
    if weighed:
        named = {
            name: heading
            for name, heading in spec.columns.items()
            if not re.fullmatch(r"(item_)?weight(_\w+)?", name)
        }
        mapping = replace(mapping, columns={**named, "weight_lb": WEIGHT})
    return Packed(
        _packed_view(schema, selected, sums, dimensions, agreeing),
        (
            *orders.columns,
            *([Column(WEIGHT, WEIGHT, "DOUBLE", None, "lb")] if weighed else []),
            Column(QUANTITY, QUANTITY, "DOUBLE"),
        ),
        mapping,
        spec,
        pa.concat_tables(
            [
                packing_problems(schema.con, selected, columns, sums, agreeing),
                counted,
                of_single_lines(schema.con, selected, columns),
                bundle_problems(schema, selected, columns, sums),
            ]
        ),
        {**fed, **{column.key: "parcels[0].weight_lb" for column, _ in columns.weights}},
        sums,
        tuple(bundle_questions(schema, columns, home)),
    )


def _dimensions(columns: LineColumns) -> list[Column]:
    roles = ("length", "width", "height", "dimensions")
    return [column for role in roles for column, _ in columns.of_role(role)]


def _agreeing(schema: StageSchema, orders: OrderSet, dimensions: list[Column]) -> Relation:
    """Return order_row and, for each dimension, whether the lines of the order agree in it."""
    agree = ", ".join(
        f"count(DISTINCT {quoted(column.key)}) < 2"
        # The first line may be the only one that is filled; some of several is a disagreement.
        f" AND (count(*) = 1 OR count({quoted(column.key)}) IN (0, 1, count(*))) AS same_{n}"
        for n, column in enumerate(dimensions)
    )
    return schema.table(
        "agreeing",
        f"SELECT order_row, {agree} FROM {orders.shipping_lines.sql} GROUP BY order_row",
    )


def _packed_view(
    schema: StageSchema,
    selected: Relation,
    sums: Sums,
    dimensions: list[Column],
    agreeing: Relation | None,
) -> Relation:
    """Return the selected orders with their sums, and without dimensions that lines disagree in."""
    kept = ", ".join(
        f"CASE WHEN a.same_{n} THEN s.{quoted(column.key)} END AS {quoted(column.key)}"
        for n, column in enumerate(dimensions)
    )
    replaced, joined = "", ""
    if agreeing is not None:
        replaced = f"REPLACE ({kept})"
        joined = f"LEFT JOIN {agreeing.sql} a ON a.order_row = s.row_number"
    return schema.view(
        "packed",
        f"""
        SELECT s.* {replaced}, w.weight_lb AS {WEIGHT}, w.quantity AS {QUANTITY}
        FROM {selected.sql} s
        LEFT JOIN {sums.orders.sql} w ON w.order_row = s.row_number
        {joined}
        """,
    )


def finish(
    con: duckdb.DuckDBPyConnection,
    table: pa.Table,
    packed: Packed,
    orders: OrderSet,
    shipper: Address,
) -> pa.Table:
    """Return the shipments with parcels made by the rule, and customs items made of the lines.

    A shipment with several parcels, or with customs, stays as the mapping made it: a template has
    the last word.
    """
    limit = parcel_limit_lb(packed.given.parcels)
    if packed.sums is not None and packed.sums.skus is not None:
        table = box(con, table, packed.sums, packed.sums.skus, limit)
    elif limit is not None:
        table = split_heavy(con, table, limit)
    return add_customs(con, table, LineColumns.of(orders, packed.given), packed.sums, shipper)
