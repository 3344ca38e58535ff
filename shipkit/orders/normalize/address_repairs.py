"""The second query: phones, ZIPs and long address lines of the rows that need more."""

from __future__ import annotations

from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.places import plain_zip_sql, zip_with_zeros_sql
from shipkit.orders import expressions as sql

__all__ = ["repair_addresses", "replaced"]

_LINES: Final = ("address_line1", "address_line2", "address_line3")
_READ: Final = (
    "postal_code",
    "phone",
    *_LINES,
    "american",
    "state",
    "country",
    "fixed_phone",
    "fixed_zip",
)


def repair_addresses(con: duckdb.DuckDBPyConnection, normal: pa.Table, line: int) -> pa.Table:
    """Return `normal` with its phones, ZIPs and address lines repaired, and what they were.

    The columns ``was_zip`` and ``was_phone`` have the texts that a warning shows; ``split`` is true
    where address lines were split.

    Parameters
    ----------
    normal
        A result of :func:`shipkit.orders.normalize.cell_pass.normal_select`.
    line
        The most characters of an address line.
    """
    for name, kind in (("was_zip", pa.string()), ("was_phone", pa.string()), ("split", pa.bool_())):
        normal = normal.append_column(name, pa.nulls(normal.num_rows, kind))
    places = pc.indices_nonzero(normal.column("repair"))
    if not len(places):
        return normal
    rows = normal.select(list(_READ)).take(places).append_column("place", places)
    con.register("repair_rows", rows)
    try:
        repaired = con.sql(_repairs(line)).to_arrow_table()
    finally:
        con.unregister("repair_rows")
    return replaced(normal, repaired)


def _repairs(line: int) -> str:
    """Return the statement that repairs ``repair_rows``."""
    phone = sql.digits_phone("phone", "(american OR country = 'CA')")
    state = "CASE WHEN country <> 'US' THEN country ELSE state END"  # a territory is its own state
    longest = ", ".join(f"length({name})" for name in _LINES)
    lines = ",\n            ".join(
        f"CASE WHEN split THEN lines[{n}] ELSE {name} END AS {name}"
        for n, name in enumerate(_LINES, start=1)
    )
    return f"""
        WITH read AS (
            SELECT
                *,
                CASE WHEN phone IS NOT NULL THEN {phone} END AS digits,
                CASE WHEN american THEN {zip_with_zeros_sql("postal_code", state)} END AS padded,
                CASE WHEN american THEN {plain_zip_sql("postal_code")} ELSE postal_code END
                    AS plain,
                CASE WHEN greatest({longest}) > {line} THEN {sql.wrapped_lines(_LINES, line)} END
                    AS lines
            FROM repair_rows
        ),
        judged AS (
            SELECT
                *,
                lines IS NOT NULL
                    AND len(lines) <= 3
                    AND len(list_filter(lines, lambda l: length(l) > {line})) = 0 AS split
            FROM read
        )
        SELECT
            place,
            digits AS phone,
            CASE WHEN digits IS NULL THEN phone END AS was_phone,
            fixed_phone OR coalesce(digits <> phone, false) AS fixed_phone,
            coalesce(padded, plain) AS postal_code,
            CASE WHEN padded IS NOT NULL THEN postal_code END AS was_zip,
            fixed_zip OR coalesce(padded IS NULL AND plain <> postal_code, false) AS fixed_zip,
            split,
            {lines}
        FROM judged
        ORDER BY place
    """


def replaced(normal: pa.Table, repaired: pa.Table) -> pa.Table:
    """Return `normal` with the columns of `repaired` put in at its places."""
    mask = np.zeros(normal.num_rows, dtype=bool)
    mask[repaired.column("place").to_numpy()] = True
    chosen = pa.array(mask)
    for name in repaired.column_names:
        if name == "place":
            continue
        at = normal.column_names.index(name)
        column = normal.column(at)
        values = repaired.column(name).cast(column.type).combine_chunks()
        normal = normal.set_column(at, name, pc.replace_with_mask(column, chosen, values))
    return normal
