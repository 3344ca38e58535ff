"""A table of SKUs: what a unit weighs, its dimensions, and in how many boxes of its own it ships."""

from __future__ import annotations

from typing import Any, Final

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import quoted
from shipkit.errors import MappingError, SourceError
from shipkit.orders import expressions as sql
from shipkit.orders import source
from shipkit.orders.fields import Column, phrase

__all__ = ["put_skus"]

_BOXES: Final = frozenset({"boxes", "box count", "parcels", "packages", "cartons", "own boxes"})


def put_skus(schema: StageSchema, given: Any) -> Relation:
    """Return the table of SKUs of a frame, list of dicts or file: sku_key, weight_lb, length_in, width_in, height_in, boxes.

    Its headings are recognised as those of orders are; a SKU with `boxes` ships by itself in so
    many parcels of these dimensions.

    Raises
    ------
    MappingError
        It cannot be read, has no SKU or weight column, a cell is not a number, or a SKU stands in
        it twice with different values.
    """
    try:
        read = source.load(given, layout=False)
    except SourceError as error:
        raise MappingError(f"skus: {error.message}", fix=error.fix) from None
    by_role = {column.role: column for column in read.columns if column.role}
    weight = by_role.get("weight") or by_role.get("item_weight")
    if "sku" not in by_role or weight is None:
        raise MappingError(
            f"skus: the table has no column for the {'weight' if 'sku' in by_role else 'SKU'}.",
            fix="Give it the headings sku, weight_lb (or weight_oz), and if you like length_in, "
            "width_in, height_in, boxes.",
        )
    boxes = next((column for column in read.columns if phrase(column.name) in _BOXES), None)
    sizes = ", ".join(
        f"{_measured(by_role[role]) if role in by_role else 'NULL::DOUBLE'} AS {role}_in"
        for role in ("length", "width", "height")
    )
    found = read.con.sql(f"""
        SELECT DISTINCT upper(trim(CAST({quoted(by_role["sku"].key)} AS VARCHAR))) AS sku_key, {_measured(weight)} AS weight_lb, {sizes},
        {f"CAST({quoted(boxes.key)} AS BIGINT)" if boxes else "NULL::BIGINT"} AS boxes FROM {read.lines.sql} WHERE nullif(trim(CAST({quoted(by_role["sku"].key)} AS VARCHAR)), '') IS NOT NULL ORDER BY 1
    """).to_arrow_table()
    read.con.close()
    _refuse_doubt(found.to_pylist(), read)
    schema.con.register("sku_rows", found)
    try:
        return schema.table(
            "skus",
            "SELECT * REPLACE (CASE WHEN boxes > 0 THEN boxes END AS boxes) FROM sku_rows",
        )
    finally:
        schema.con.unregister("sku_rows")


def _measured(column: Column) -> str:
    weight = column.role in {"weight", "item_weight"}
    cell = quoted(column.key)
    if column.type == "VARCHAR":
        return sql.measure(cell, weight=weight)
    return (
        sql.convert(f"CAST({cell} AS DOUBLE)", column.unit)
        if column.unit not in (None, "lb", "in")
        else f"CAST({cell} AS DOUBLE)"
    )


def _refuse_doubt(rows: list[dict[str, Any]], read: source.Loaded) -> None:
    bad = [problem for problem in read.problems.to_pylist() if problem["severity"] == "error"]
    if bad:
        raise MappingError(
            f"skus: row {bad[0]['row_number']}, {bad[0]['field']} {bad[0]['value']!r}: "
            f"{bad[0]['problem']}",
            fix="Correct the cell.",
        )
    seen: set[str] = set()
    for row in rows:
        if row["sku_key"] in seen:
            raise MappingError(
                f"skus: {row['sku_key']!r} stands in the table twice, with different values.",
                fix="Keep one of the lines.",
            )
        seen.add(row["sku_key"])
        if row["weight_lb"] is not None and row["weight_lb"] <= 0:
            raise MappingError(
                f"skus: {row['sku_key']!r} weighs {row['weight_lb']}.",
                fix="Give a weight above nothing.",
            )
