"""Choose the sheet of a workbook that has the orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shipkit.common.cell_text import text_of
from shipkit.errors import SourceError
from shipkit.orders.cells import Note, find_header
from shipkit.orders.fields import recognise
from shipkit.orders.source.sheet_model import Book

__all__ = ["chosen_sheet"]


def chosen_sheet(book: Book, file: str, sheet: str | int | None) -> tuple[str, list[Note]]:
    """Return the sheet to read, and notes about the choice.

    Raises
    ------
    SourceError
        There is no such sheet.
    """
    names = book.names
    if isinstance(sheet, int) and 0 <= sheet < len(names):
        sheet = names[sheet]
    if sheet is not None and sheet not in names:
        raise SourceError(
            f"{file} has no sheet {sheet!r}.", fix=f"Sheets: {', '.join(names)}.", sheets=names
        )
    if isinstance(sheet, str):
        return sheet, []
    if len(names) == 1:
        return names[0], []
    read = {name: book.sheet(name).rows for name in book.visible}
    best = max(read, key=lambda name: _likeness(read[name]))
    others = ", ".join(name for name in names if name != best)
    return best, [Note("assumed", f"the orders are in sheet {best!r}; {file} also has: {others}.")]


def _likeness(rows: Sequence[Sequence[Any]]) -> tuple[int, int]:
    """Return how many headings are recognised, and how many rows there are."""
    if not rows:
        return (-1, 0)
    head = [[text_of(value) for value in row] for row in rows[:30]]
    found = recognise([cell or "" for cell in head[find_header(head)]])
    return len(found.roles) + len(found.ambiguous), len(rows)
