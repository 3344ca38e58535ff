"""How the columns of several files are read, decided once from all of their rows.

Types are decided on whole columns: one "25/03" settles "04/03". A file that is read alone, on
another machine, is given the decisions instead of making its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from shipkit.common.relation import StageSchema
from shipkit.errors import SourceError
from shipkit.orders.cells import Cells, base_names, unique_names
from shipkit.orders.layouts import LayoutMatch
from shipkit.orders.source.column_reading import ColumnReading
from shipkit.orders.source.loaded import Loaded
from shipkit.orders.source.text_view import kinds_of_cells, text_of_cell

__all__ = ["FixedColumns"]

_WHOLE: Final = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_WIDER: Final = (
    (_WHOLE, _WHOLE),
    (_WHOLE, ("DOUBLE",)),
    (("FLOAT",), ("DOUBLE",)),
    (("TIMESTAMP",), ("TIMESTAMP",)),
)
"""Beginnings of types: cells of the first are the same values as the second."""
_NOTHING: Final = '"NULL"'
"""The type of a column without a cell."""


@dataclass(frozen=True)
class FixedColumns:
    """The columns of all files, and how each is read."""

    headings: tuple[str, ...]
    """As the files have them, made unique."""
    kinds: tuple[str, ...] = field(repr=False)
    """The DuckDB type of the cells of each."""
    readings: tuple[ColumnReading, ...] = field(repr=False)
    layout: LayoutMatch | None = field(repr=False)

    @classmethod
    def of(cls, loaded: Loaded) -> FixedColumns:
        """Return the decisions that were made for a source."""
        return cls(
            loaded.names,
            tuple(kinds_of_cells(loaded.cells).values()),
            loaded.readings,
            loaded.layout,
        )

    def fitted(self, schema: StageSchema, cells: Cells, name: str) -> Cells:
        """Return cells with these columns in this order; those that a file lacks are empty.

        Raises
        ------
        SourceError
            The file has a column that the others had not, or one of another type.
        """
        own = unique_names(cells.titles or cells.headings, ("row_number", "source_file"))
        new = [heading for heading in own if heading not in self.headings]
        if new:
            raise SourceError(
                f"{name} has the column {new[0]!r}, which was not there when the files were read "
                "once.",
                fix="Read them once more, with this file: sk.read_once(files).",
            )
        here = dict(zip(own, base_names(len(own)), strict=True))
        found = kinds_of_cells(cells.relation)
        wanted = [
            self._cell(name, heading, kind, here.get(heading), found)
            for heading, kind in zip(self.headings, self.kinds, strict=True)
        ]
        columns = ", ".join(
            f"{cell} AS {column}"
            for cell, column in zip(wanted, base_names(len(wanted)), strict=True)
        )
        return replace(
            cells,
            relation=schema.view("fitted", f"SELECT {columns}, rowid FROM {cells.relation.sql}"),
            headings=self.headings,
            titles=None,
            # Lines of headings that come again are in the order of the file's own columns.
            again=cells.again if tuple(own) == self.headings else (),
        )

    def _cell(
        self, name: str, heading: str, kind: str, own: str | None, found: dict[str, str]
    ) -> str:
        if own is None or found[own] == _NOTHING:
            return f"CAST(NULL AS {kind})"
        if found[own] == kind:
            return own
        if kind == "VARCHAR":
            return text_of_cell(own, found[own])
        if any(found[own].startswith(old) and kind.startswith(new) for old, new in _WIDER):
            return f"CAST({own} AS {kind})"
        raise SourceError(
            f"The column {heading!r} of {name} is {found[own]}, and was {kind} when the files "
            "were read once.",
            fix="Write it with one type in all files, or read them once more.",
        )
