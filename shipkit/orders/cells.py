"""What every reader returns: a table of cells as the source has them, and notes about reading it.

Nothing is interpreted here: types, fields and orders come later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import quoted
from shipkit.orders.line_account import SourceLines

__all__ = [
    "EXPLAINING",
    "Cells",
    "Note",
    "SkippedRows",
    "base_names",
    "find_header",
    "put",
    "text_columns",
    "unique_names",
    "whole_text",
]


EXPLAINING = "explaining the headings"
"""The reason of rows that were set aside because they explain the headings."""


@dataclass(frozen=True)
class Note:
    """One thing that reading did or assumed, for the load report."""

    kind: str
    """``read`` (a fact, such as the encoding), ``repaired``, ``dropped``, ``assumed`` or
    ``columns`` (those that are not understood)."""
    text: str
    count: int = 1


@dataclass(frozen=True)
class SkippedRows:
    """Rows of a table of cells that are no orders, for one reason."""

    reason: str
    """In a few words: ``hidden``, ``explains the headings``."""
    rows: tuple[int, ...]
    """Their numbers, from 1."""
    note: str
    """A sentence for the load report."""


@dataclass(frozen=True)
class Cells:
    """The cells of a source.

    Text files have columns of text; tables that came with types (Parquet, DataFrames) keep them.
    """

    relation: Relation
    """Columns ``c1``, ``c2``, ... in source order."""
    headings: tuple[str, ...]
    """As the source has them, duplicate and empty ones included."""
    kind: str
    titles: tuple[str, ...] | None = None
    """What the headings mean with the lines around them, where that is more than they say."""
    again: tuple[tuple[str, ...], ...] = ()
    """Other lines of the headings, which may come again further down."""
    sha256: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    notes: tuple[Note, ...] = ()
    skipped: tuple[SkippedRows, ...] = field(default=(), repr=False)
    """Rows that are in `relation`, so that their numbers stay, and are not loaded."""
    lines: tuple[SourceLines, ...] = ()
    """The lines of each file; empty where each row is a line, as in a table of a database."""
    broken: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """Problems of single rows, as dicts of :data:`shipkit.schema.PROBLEMS`."""
    item_headings: frozenset[str] = frozenset()
    """A row that fills only these is a further item of the order above."""
    unread_index: str | None = None
    """The first value of a frame's index that was not read: whole numbers without a name."""


def base_names(count: int) -> list[str]:
    """Return the names of the columns of a table of cells."""
    return [f"c{place}" for place in range(1, count + 1)]


def put(schema: StageSchema, table: str, data: Any) -> Relation:
    """Store an Arrow table or reader whose columns are in source order as `table`."""
    con = schema.con
    con.register("incoming_cells", data)
    try:
        names = [str(row[0]) for row in con.execute("DESCRIBE incoming_cells").fetchall()]
        wanted = ", ".join(
            f"{quoted(old)} AS {new}"
            for old, new in zip(names, base_names(len(names)), strict=True)
        )
        return schema.table(table, f"SELECT {wanted} FROM incoming_cells")
    finally:
        con.unregister("incoming_cells")


def text_columns(rows: Sequence[Sequence[str | None]], width: int) -> pa.Table:
    """Return rows of text, each of `width` cells, as an Arrow table; empty cells are null."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    return pa.table(
        {
            name: _texts([value or None for value in column])
            for name, column in zip(base_names(width), columns, strict=True)
        }
    )


def whole_text(text: str) -> str:
    """Return `text` with half characters (lone surrogates) as escapes: they cannot be stored."""
    return text.encode(errors="backslashreplace").decode()


def _texts(values: Sequence[str | None]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        whole = [None if value is None else whole_text(value) for value in values]
        return pa.array(whole, pa.string())


def unique_names(headings: Sequence[str], reserved: Sequence[str]) -> list[str]:
    """Return the headings, unique without regard to case, and none of them `reserved`.

    A number is added to a duplicate; an empty heading is named after its place.

    Examples
    --------
    >>> unique_names(["Phone", "phone", "", "row_number"], ["row_number"])
    ['Phone', 'phone_2', 'column_3', 'row_number_2']
    """
    seen = {name.casefold() for name in reserved}
    made = []
    for place, heading in enumerate(headings, start=1):
        base = whole_text(heading).strip() or f"column_{place}"
        name, count = base, 1
        while name.casefold() in seen:
            count += 1
            name = f"{base}_{count}"
        seen.add(name.casefold())
        made.append(name)
    return made


def find_header(rows: Sequence[Sequence[str | None]]) -> int:
    """Return the index of the header row among the first rows of a source.

    Titles, blank rows and "Exported on ..." above a table fill one or two cells; headings fill
    most of the width. So the header is the first row that is about as full as the fullest one.
    """
    filled = [sum(1 for cell in row if cell and cell.strip()) for row in rows]
    widest = max((len(row) for row, count in zip(rows, filled, strict=True) if count), default=0)
    for place, count in enumerate(filled):
        if count and (count >= 0.6 * max(filled) or len(rows[place]) == widest == 1):
            return place
    return 0
