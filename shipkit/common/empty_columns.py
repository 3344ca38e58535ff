"""Columns without a value, kept once for all of a type.

Of the fields of a shipment and of the columns of a preview, an order file fills a few. Arrow keeps
an array of a full length for each of the others, with those of all its parts where it is nested:
more than half of the memory of a million orders, and each statement goes through it.
"""

from __future__ import annotations

import pyarrow as pa

__all__ = ["without_copies"]


def without_copies(table: pa.Table) -> pa.Table:
    """Return `table` with one array for all the columns of a type that hold nothing."""
    empty: dict[pa.DataType, pa.ChunkedArray] = {}
    columns = []
    for column in table.columns:
        if column.null_count < table.num_rows:
            columns.append(column)
            continue
        if column.type not in empty:
            empty[column.type] = pa.chunked_array([pa.nulls(table.num_rows, column.type)])
        columns.append(empty[column.type])
    return pa.Table.from_arrays(columns, schema=table.schema)
