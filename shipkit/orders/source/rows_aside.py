"""Rows of a table of cells that are set aside before types are decided: they are no orders.

A reader names them (:class:`~shipkit.orders.cells.SkippedRows`): hidden rows, a line that explains
the headings. Headings that are repeated further down, as in a printed report, are found here, in
every source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.words import counted, listed
from shipkit.orders.cells import Cells, SkippedRows, base_names
from shipkit.orders.expressions import quote
from shipkit.orders.lines import Aside, SourceLines, rows_aside

__all__ = ["RowsAside"]

_ENOUGH: Final = 2
"""Cells that must equal their headings: a product may be called "Product", a row not so often."""


@dataclass(frozen=True)
class RowsAside:
    """The rows that are set aside, with their reasons."""

    parts: tuple[SkippedRows, ...]

    @classmethod
    def of(cls, schema: StageSchema, text: Relation, cells: Cells) -> RowsAside:
        """Return the rows to set aside of a table of cells as text."""
        named = {row for each in cells.skipped for row in each.rows}
        repeated = [row for row in _repeated(schema, text, cells) if row not in named]
        parts = list(cells.skipped)
        if repeated:
            where = listed([str(row) for row in repeated], 5)
            note = f"{counted(len(repeated), 'row')} with the headings again (row {where})."
            parts.append(SkippedRows("headings again", tuple(repeated), note))
        return cls(tuple(parts))

    @property
    def count(self) -> int:
        """The number of rows."""
        return sum(len(each.rows) for each in self.parts)

    def lines(self, sources: Sequence[SourceLines]) -> list[Aside]:
        """Return the rows as lines of their files, for the account of lines."""
        return [
            aside
            for each in self.parts
            for aside in rows_aside(each.reason, each.rows, sources, each.note)
        ]

    def without(self, schema: StageSchema, text: Relation) -> Relation:
        """Return the rows of `text` that are left: itself when nothing is set aside."""
        if not self.parts:
            return text
        rows = pa.table({"row": [row for each in self.parts for row in each.rows]})
        schema.con.register("rows_set_aside", rows)
        try:
            aside = schema.table("set_aside", "SELECT row FROM rows_set_aside")
        finally:
            schema.con.unregister("rows_set_aside")
        return schema.view(
            "cells_of_orders",
            f"SELECT * FROM {text.sql} WHERE row_number NOT IN (SELECT row FROM {aside.sql})",
        )


def _repeated(schema: StageSchema, text: Relation, cells: Cells) -> list[int]:
    """Return the rows whose every filled cell is the heading of its column."""
    headings = list(zip(base_names(len(cells.headings)), cells.headings, strict=True))
    named = [(name, heading.strip().lower()) for name, heading in headings if heading.strip()]
    if len(named) < _ENOUGH or any(cells.relation.columns.get(c) != "VARCHAR" for c, _ in named):
        return []
    enough = max(_ENOUGH, (len(named) + 1) // 2)
    # The first conditions fail for nearly every row, so the others cost nothing.
    same = " AND ".join(
        f"coalesce(lower(trim({name})) IN ({quote(heading)}, ''), true)" for name, heading in named
    )
    filled = " + ".join(f"({name} IS NOT NULL)::INTEGER" for name, _ in named)
    found = schema.con.execute(
        f"SELECT row_number FROM {text.sql} WHERE {same} AND {filled} >= {enough} "
        "ORDER BY row_number"
    ).fetchall()
    return [int(row) for (row,) in found]
