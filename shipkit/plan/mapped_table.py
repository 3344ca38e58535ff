"""The shipments of a plan as a flat table that a person can read and keep."""

from __future__ import annotations

import pyarrow as pa

from shipkit.common.kept_plans import SMALL, run_small
from shipkit.common.memory_database import memory_database
from shipkit.common.sql import quoted

__all__ = ["as_mapped"]


def as_mapped(shipments: pa.Table) -> pa.Table:
    """Return the shipments of a plan with a column per value: no lists and no structs but one.

    Lists and structs become JSON, ``row_numbers`` excepted; ``parcel_count`` and ``weight_lb``
    (the total, null if a parcel has no weight) come before ``parcels``.
    """
    columns = []
    for column in shipments.schema:
        if column.name == "parcels":
            columns += [
                "len(parcels)::INTEGER AS parcel_count",
                """CASE
                       WHEN len(list_filter(parcels, lambda p: p.weight_lb IS NULL)) = 0
                       THEN list_sum(list_transform(parcels, lambda p: p.weight_lb))
                   END AS weight_lb""",
            ]
        nested = pa.types.is_nested(column.type) and column.name != "row_numbers"
        name = quoted(column.name)
        columns.append(f"to_json({name})::VARCHAR AS {name}" if nested else name)
    sql = f"SELECT {', '.join(columns)} FROM shipments"
    if shipments.num_rows <= SMALL:  # to open a database takes longer than to fill the columns
        return run_small(sql, shipments=shipments)
    with memory_database() as con:
        con.register("shipments", shipments)
        return con.sql(sql).to_arrow_table()
