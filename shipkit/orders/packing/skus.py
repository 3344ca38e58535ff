"""A table of SKUs: what a unit weighs and measures, and how many boxes of its own it ships in."""

from __future__ import annotations

from typing import Any, Final

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import quoted
from shipkit.errors import MappingError, SourceError
from shipkit.orders import expressions as sql
from shipkit.orders import source
from shipkit.orders.columns import Column
from shipkit.orders.heading_text import phrase

__all__ = ["read_skus"]

_BOXES: Final = frozenset({"boxes", "box count", "parcels", "packages", "cartons", "own boxes"})


def read_skus(schema: StageSchema, given: Any) -> Relation:
    """Return a table of SKUs read from a frame, a list of dicts or a file.

    Its columns are ``sku_key`` (in upper case), ``weight_lb``, ``length_in``, ``width_in``,
    ``height_in`` and ``boxes``. Headings are recognised like those of orders. A SKU with `boxes`
    ships by itself, in that many parcels of these dimensions.

    Raises
    ------
    MappingError
        The table cannot be read or has no SKU or weight column, a cell is not a number, or a SKU is
        listed twice with different values.
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
            fix="Use the headings sku and weight_lb (or weight_oz), and optionally length_in, "
            "width_in, height_in and boxes.",
        )
    boxes = next((column for column in read.columns if phrase(column.name) in _BOXES), None)
    sides = {role: by_role.get(role) for role in ("length", "width", "height")}
    found = read.con.sql(
        f"""
        WITH skus AS (
            SELECT
                upper(trim(CAST({quoted(by_role["sku"].key)} AS VARCHAR))) AS sku_key,
                {_measured(weight)} AS weight_lb,
                {", ".join(f"{_measured(column)} AS {role}_in" for role, column in sides.items())},
                {"NULL" if boxes is None else quoted(boxes.key)}::BIGINT AS boxes
            FROM {read.lines.sql}
        )
        SELECT DISTINCT * REPLACE (CASE WHEN boxes > 0 THEN boxes END AS boxes)
        FROM skus
        WHERE sku_key <> ''
        ORDER BY sku_key
        """
    ).to_arrow_table()
    read.con.close()
    _check(found.to_pylist(), read)
    schema.con.register("sku_rows", found)
    try:
        return schema.table("skus", "SELECT * FROM sku_rows")
    finally:
        schema.con.unregister("sku_rows")


def _measured(column: Column | None) -> str:
    """Return SQL of a weight in pounds or a dimension in inches."""
    if column is None:
        return "NULL::DOUBLE"
    cell = quoted(column.key)
    if column.type == "VARCHAR":
        return sql.measure(cell, weight=column.role in {"weight", "item_weight"})
    number = f"CAST({cell} AS DOUBLE)"
    return number if column.unit is None else sql.convert(number, column.unit)


def _check(rows: list[dict[str, Any]], read: source.Loaded) -> None:
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
                f"skus: {row['sku_key']!r} is listed twice, with different values.",
                fix="Keep one of the rows.",
            )
        seen.add(row["sku_key"])
        if row["weight_lb"] is not None and row["weight_lb"] <= 0:
            raise MappingError(
                f"skus: the weight of {row['sku_key']!r} must be greater than 0, "
                f"not {row['weight_lb']:g}.",
                fix="Correct the weight.",
            )
