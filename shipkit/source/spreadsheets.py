"""Workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods) into a table of text cells: what a person sees, without ".0" behind whole numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from shipkit.cells import Cells, Note, find_header, put, text_columns, text_of
from shipkit.errors import SourceError
from shipkit.fields import recognise

__all__ = ["read_spreadsheet"]


def read_spreadsheet(con: duckdb.DuckDBPyConnection, path: Path, table: str, *, sheet: str | int | None = None, header: bool = True) -> Cells:
    """Read one sheet of a workbook: the one named, or the one that looks most like orders.

    Raises
    ------
    SourceError
        The workbook is damaged or protected, has no such sheet, or the sheet is empty.
    """
    import python_calamine

    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        name, rows, notes = _chosen(book, path.name, sheet)
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise SourceError(f"{path.name} cannot be read as a workbook: {error}.", fix="Open it and save it again as .xlsx, without a password.") from None
    if not rows:
        raise SourceError(f"Sheet {name!r} of {path.name} is empty.", fix=f"Name another: load(..., sheet=...). It has: {', '.join(book.sheet_names)}.")
    width = max(len(row) for row in rows)
    text = [[text_of(value) for value in row] + [None] * (width - len(row)) for row in rows]
    if header:
        place = find_header(text[:30])
        headings, body = tuple(cell or "" for cell in text[place]), text[place + 1 :]
        notes += [Note("dropped", f"{place} lines above the headings of sheet {name!r}.", place)] if place else []
    else:
        headings, body = tuple(f"Column {n}" for n in range(1, width + 1)), text
    while body and not any(body[-1]):
        body.pop()
    put(con, table, text_columns(body, width))
    return Cells(table=table, headings=headings, kind=path.suffix.lstrip(".").lower(), sha256=hashlib.sha256(path.read_bytes()).hexdigest(), sheet=name, notes=tuple(notes))


def _chosen(book: Any, file: str, sheet: str | int | None) -> tuple[str, list[list[Any]], list[Note]]:
    """Return name, rows and notes of the sheet to read."""
    names: list[str] = list(book.sheet_names)
    if isinstance(sheet, int) and 0 <= sheet < len(names):
        sheet = names[sheet]
    if sheet is not None and sheet not in names:
        raise SourceError(f"{file} has no sheet {sheet!r}.", fix=f"It has: {', '.join(names)}.", sheets=names)
    if isinstance(sheet, str):
        return sheet, _rows(book, sheet), []
    if len(names) == 1:
        return names[0], _rows(book, names[0]), []
    read = {name: _rows(book, name) for name in names}
    best = max(names, key=lambda name: _likeness(read[name]))
    return best, read[best], [Note("assumed", f"Sheet {best!r} looks like the orders; {file} also has: {', '.join(n for n in names if n != best)}.")]


def _rows(book: Any, name: str) -> list[list[Any]]:
    return list(book.get_sheet_by_name(name).to_python(skip_empty_area=False))


def _likeness(rows: Sequence[Sequence[Any]]) -> tuple[int, int]:
    """Return how many headings are recognised, and how many lines there are."""
    if not rows:
        return (-1, 0)
    head = [[text_of(value) for value in row] for row in rows[:30]]
    found = recognise([cell or "" for cell in head[find_header(head)]])
    return len(found.roles) + len(found.ambiguous), len(rows)
