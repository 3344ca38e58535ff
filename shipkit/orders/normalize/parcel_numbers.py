"""Rows that say how many parcels they are: as many are made of the one that they describe."""

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.orders.mapping.column_questions import MOST_PARCELS
from shipkit.schema import PARCELS

__all__ = ["several_parcels"]
_DIVIDED: Final = {
    # Whole cents, and none lost: the first parcels take one more.
    "declared_value_cents": (
        "parcels[1].declared_value_cents // number_of_parcels"
        " + CASE WHEN i < parcels[1].declared_value_cents % number_of_parcels THEN 1 ELSE 0 END"
    ),
}


def several_parcels(con: duckdb.DuckDBPyConnection, normal: pa.Table, *, shared: bool) -> pa.Table:
    """Return `normal` with as many parcels as ``number_of_parcels`` of a row with one parcel.

    A template that writes several parcels has the last word. A declared value is of the row, and is
    divided between its parcels.

    Parameters
    ----------
    shared
        Whether the weight is of all parcels together, and is divided too.
    """
    divided = dict(_DIVIDED)
    if shared:
        divided["weight_lb"] = "parcels[1].weight_lb / number_of_parcels"
    parcel = ", ".join(
        f"{leaf.column}: {divided.get(leaf.column, f'parcels[1].{leaf.column}')}"
        for leaf in PARCELS
    )
    if not pc.any(pc.greater(normal.column("number_of_parcels"), 1)).as_py():
        return normal
    con.register("one_parcel", normal)
    try:
        return con.sql(
            f"""
            SELECT * REPLACE (
                CASE
                    WHEN number_of_parcels BETWEEN 2 AND {MOST_PARCELS} AND len(parcels) = 1
                    THEN list_transform(range(number_of_parcels), lambda i: {{{parcel}}})
                    ELSE parcels
                END AS parcels,
                CASE WHEN len(parcels) = 1 THEN number_of_parcels ELSE 1 END AS number_of_parcels
            )
            FROM one_parcel
            ORDER BY row_number
            """
        ).to_arrow_table()
    finally:
        con.unregister("one_parcel")
