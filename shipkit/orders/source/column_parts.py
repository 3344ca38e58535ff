"""Decide the types of a wide table in parts.

DuckDB plans a query over a view in a time that grows with the columns of the view, and a query of
many counts in one that grows with the square of their number. Each part of the columns gets a
narrow view of its own, so that the time grows with the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shipkit.common.relation import Relation, StageSchema
from shipkit.orders.source import celltypes
from shipkit.orders.source.celltypes import ColumnReading, ColumnSpec
from shipkit.orders.source.decimal_marks import FileMarks
from shipkit.orders.source.rows_aside import RowsAside
from shipkit.orders.source.text_view import as_text

__all__ = ["decided"]

_PART: Final = 32
"""Columns of a part: with more, or fewer, each of them takes longer (1.5 ms; 2.8 ms with 64)."""


def decided(
    schema: StageSchema,
    cells: Relation,
    aside: RowsAside,
    data: Relation,
    columns: Sequence[ColumnSpec],
    units: Sequence[str],
) -> list[ColumnReading]:
    """Return how each of `columns`, text columns of the cells, is read.

    Parameters
    ----------
    data
        All columns of the cells as text, without the rows in `aside`.
    units
        The columns that name the units of others.
    """
    if len(columns) <= 2 * _PART:
        return celltypes.decide(schema.con, data, columns)
    parts = [columns[start : start + _PART] for start in range(0, len(columns), _PART)]
    tables = []
    for number, part in enumerate(parts):
        names = dict.fromkeys([*(column.name for column in part), *units])
        text = as_text(schema, cells, [*names], view=f"part_{number}")
        tables.append(aside.without(schema, text, view=f"part_{number}_of_orders"))
    marks = FileMarks(
        schema.con,
        {
            name: table
            for table, part in zip(tables, parts, strict=True)
            for name in celltypes.with_marks(part)
        },
    )
    made = [
        reading
        for table, part in zip(tables, parts, strict=True)
        for reading in celltypes.decide(schema.con, table, part, marks)
    ]
    for table in reversed(tables):
        schema.remove_view(table)
    return made
