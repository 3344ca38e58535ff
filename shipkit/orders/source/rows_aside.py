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
from shipkit.orders.line_account import Aside, SourceLines, rows_aside

__all__ = ["RowsAside"]

_ENOUGH: Final = 2
"""Cells that must equal their headings: a product may be called "Product", a row not so often."""
_FIRST: Final = 16
"""Conditions that are tested on their own."""


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

    def without(
        self, schema: StageSchema, text: Relation, view: str = "cells_of_orders"
    ) -> Relation:
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
            view,
            f"SELECT * FROM {text.sql} WHERE row_number NOT IN (SELECT row FROM {aside.sql})",
        )


def _repeated(schema: StageSchema, text: Relation, cells: Cells) -> list[int]:
    """Return the rows that are the headings again, or one of the other lines of them."""
    if any(kind != "VARCHAR" for kind in cells.relation.columns.values()):
        return []
    names = base_names(len(cells.headings))
    conditions = [_is_again(names, cells.headings, blank="true")]
    conditions += [_is_again(names, line, blank="{c} IS NULL") for line in cells.again]
    found = " OR ".join(f"({each})" for each in conditions if each)
    if not found:
        return []
    rows = schema.con.execute(
        f"SELECT row_number FROM {text.sql} WHERE {found} ORDER BY row_number"
    ).fetchall()
    return [int(row) for (row,) in rows]


def _is_again(names: Sequence[str], line: Sequence[str], blank: str) -> str | None:
    """Return SQL that is true of a row that repeats a line; a blank cell of it may be anything.

    The first conditions fail for nearly every row, so the others cost nothing.
    """
    cells = [(c, text.strip().lower()) for c, text in zip(names, line, strict=False)]
    filled = [(c, text) for c, text in cells if text]
    strict = blank != "true"
    if len(filled) < (1 if strict else _ENOUGH):
        return None
    same = [f"coalesce(lower(trim({c})) IN ({quote(text)}, ''), true)" for c, text in filled]
    others = [blank.replace("{c}", c) for c, text in cells if not text and strict]
    enough = len(filled) if strict else max(_ENOUGH, (len(filled) + 1) // 2)
    first, rest = same[:_FIRST], [*same[_FIRST:], *others]
    # Lists, because a chain of as many conditions as a wide table has columns is planned in a time
    # that grows with its square, and is refused from 1,000 on.
    count = f"list_count([{', '.join(c for c, _ in filled)}]) >= {enough}"
    return " AND ".join([*first, count, *([f"list_bool_and([{', '.join(rest)}])"] if rest else [])])
