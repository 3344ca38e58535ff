"""Parcels of packed orders: heavy ones split by a rule, goods in boxes of their own."""

from __future__ import annotations

import re
from typing import Final

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation
from shipkit.common.sql import arrow
from shipkit.errors import MappingError
from shipkit.orders.packing.lines import Sums
from shipkit.orders.units import WEIGHTS
from shipkit.schema import PARCELS, SHIPMENTS

__all__ = ["box", "parcel_limit_lb", "split_heavy", "with_shipments"]

_MOST_PARCELS: Final = 200
"""More parcels than this are a wrong unit or a wrong rule, and the parcel stays whole.

200 is what UPS accepts in one shipment (Shipping.yaml, Package).
"""

_SIDES: Final = ("length_in", "width_in", "height_in")


def parcel_limit_lb(rule: str | None) -> float | None:
    """Return the most pounds that a parcel may weigh by a rule, None for one parcel per order.

    Examples
    --------
    >>> parcel_limit_lb("max 40 lb"), parcel_limit_lb("one")
    (40.0, None)
    """
    if rule is None or rule.strip().lower() in ("one", "each", "shared"):
        return None
    found = re.fullmatch(r"max\s+([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)", rule.strip().lower())
    unit = WEIGHTS.unit(found[2]) if found else None
    if found is None or unit is None or not float(found[1]):
        raise MappingError(
            f"parcels={rule!r} is not a packing rule.",
            fix='Write parcels="one" or "max 40 lb"; where a column says how many parcels an order '
            'is, "each" or "shared".',
        )
    return WEIGHTS.convert(float(found[1]), unit)


def split_heavy(con: duckdb.DuckDBPyConnection, table: pa.Table, limit_lb: float) -> pa.Table:
    """Return the shipments with a single parcel over the limit split into equal ones."""
    return with_shipments(
        con,
        table,
        f"""
        WITH counted AS (
            SELECT *, parcels[1] AS parcel, {_count("parcels[1]", limit_lb)} AS parts
            FROM shipments
        )
        SELECT * EXCLUDE (parcel, parts) REPLACE (
            CASE WHEN len(parcels) = 1 THEN {_SPLIT} ELSE parcels END AS parcels
        )
        FROM counted
        """,
    )


def box(
    con: duckdb.DuckDBPyConnection,
    table: pa.Table,
    sums: Sums,
    skus: Relation,
    limit_lb: float | None,
) -> pa.Table:
    """Return the shipments with goods that have boxes of their own in parcels of their own.

    The rest of an order goes into a common parcel, split by the limit. An order whose weight is not
    known, or whose parcel does not have the weight of its lines, stays as it is.
    """
    sides = ", ".join(f"{side}: s.{side}" for side in _SIDES)
    # A single unit takes its dimensions from the table; several may lie in the parcel in any way.
    only = ", ".join(
        f"CASE WHEN count(*) = 1 AND min(quantity) = 1 THEN min({side}) END AS only_{side}"
        for side in _SIDES
    )
    common_sides = ", ".join(
        f"{side} := coalesce(t.parcels[1].{side}, g.only_{side})" for side in _SIDES
    )
    return with_shipments(
        con,
        table,
        f"""
        WITH matched AS (
            SELECT
                l.order_row,
                l.row_number,
                l.sku,
                l.quantity,
                l.line_lb,
                s.boxes,
                {", ".join(f"s.{side}" for side in _SIDES)},
                s.boxes IS NOT NULL AND l.quantity > 0 AS has_boxes
            FROM {sums.lines.sql} l
            LEFT JOIN {skus.sql} s USING (sku_key)
        ),
        boxed AS (
            SELECT
                *,
                CASE
                    WHEN has_boxes THEN list_transform(
                        range(CAST(quantity * boxes AS BIGINT)),
                        lambda _: {{
                            weight_lb: s.line_lb / (s.quantity * s.boxes),
                            {sides},
                            packaging: 'package',
                            description: s.sku
                        }}
                    )
                    ELSE []
                END AS own_boxes
            FROM matched s
        ),
        goods AS (
            SELECT
                order_row,
                flatten(list(own_boxes ORDER BY row_number)) AS own_boxes,
                sum(line_lb) FILTER (NOT has_boxes) AS common_lb,
                count(*) FILTER (NOT has_boxes) AS common_lines,
                {only}
            FROM boxed
            GROUP BY order_row
        ),
        packed AS (
            SELECT
                t.*,
                list_transform(g.own_boxes, lambda b: {{{_box_fields()}}}) AS own_boxes,
                g.common_lines,
                struct_update(
                    t.parcels[1],
                    weight_lb := coalesce(g.common_lb, t.parcels[1].weight_lb),
                    {common_sides}
                ) AS parcel,
                coalesce(
                    len(t.parcels) = 1 AND abs(t.parcels[1].weight_lb - w.weight_lb) <= 1e-6,
                    false
                ) AS as_weighed
            FROM shipments t
            LEFT JOIN goods g ON g.order_row = t.row_number
            LEFT JOIN {sums.orders.sql} w ON w.order_row = t.row_number
        ),
        counted AS (
            SELECT *, {_count("parcel", limit_lb)} AS parts FROM packed
        )
        SELECT * EXCLUDE (own_boxes, common_lines, parcel, as_weighed, parts) REPLACE (
            CASE
                WHEN NOT as_weighed THEN parcels
                WHEN common_lines = 0 THEN own_boxes
                ELSE list_concat({_SPLIT}, own_boxes)
            END AS parcels
        )
        FROM counted
        """,
    )


def _box_fields() -> str:
    """Return the fields of a box `b` of its own; it asks for the options of its order."""
    own = {"weight_lb", *_SIDES, "packaging", "description"}
    return ", ".join(
        f"{leaf.column}: b.{leaf.column}"
        if leaf.column in own
        else f"{leaf.column}: t.parcels[1].{leaf.column}"
        if leaf.spec.option
        else f"{leaf.column}: NULL::BIGINT"
        for leaf in PARCELS
    )


def _count(parcel: str, limit_lb: float | None) -> str:
    """Return SQL of how many parcels the limit makes of one; null for no limit or no weight."""
    if limit_lb is None:
        return "NULL::BIGINT"
    # The fraction keeps 80 lb in two parcels of 40 lb when a sum of doubles is a hair above 80.
    return f"TRY_CAST(ceil({parcel}.weight_lb / {limit_lb!r} - 1e-9) AS BIGINT)"


def _split_fields() -> str:
    """Return the fields of one of `parts` equal parcels, the `i`-th, made of `parcel`."""
    made = {
        "weight_lb": "parcel.weight_lb / parts",
        # Whole cents, and none lost: the first parcels take one more.
        "declared_value_cents": (
            "parcel.declared_value_cents // parts"
            " + CASE WHEN i < parcel.declared_value_cents % parts THEN 1 ELSE 0 END"
        ),
    }
    return ", ".join(
        f"{leaf.column}: {made.get(leaf.column, f'parcel.{leaf.column}')}" for leaf in PARCELS
    )


_SPLIT: Final = f"""
    CASE
        WHEN parts BETWEEN 2 AND {_MOST_PARCELS}
        THEN list_transform(range(parts), lambda i: {{{_split_fields()}}})
        ELSE [parcel]
    END
"""
"""SQL of a list of parcels made of the columns ``parcel`` and ``parts``."""


def with_shipments(con: duckdb.DuckDBPyConnection, table: pa.Table, query: str) -> pa.Table:
    """Return what `query` makes of the shipments in `table`, which it reads as ``shipments``."""
    con.register("shipments", table)
    try:
        made = arrow(con, f"{query} ORDER BY row_number", rows=table.num_rows)
        return made.cast(SHIPMENTS)
    finally:
        con.unregister("shipments")
