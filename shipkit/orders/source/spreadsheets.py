"""Workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods) into a table of text cells.

A cell is the text that a person sees: a whole number without ".0", a date without a time.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from shipkit.common.cell_text import text_of
from shipkit.common.relation import StageSchema
from shipkit.common.words import counted
from shipkit.errors import SourceError
from shipkit.orders.cells import Cells, Note, find_header, put, text_columns, unique_names
from shipkit.orders.fields import keys, recognise

__all__ = ["read_spreadsheet", "sheet_parts"]

_RELATION = re.compile(r"\{.*\}id$")
_NO_VALUE = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\s[^>]*/>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></|</(?:\w+:)?c>)"
)
_ERROR = re.compile(
    rb'<(?:\w+:)?c\s[^>]*\bt="e"[^>]*>(?:(?!</(?:\w+:)?c>).)*?<(?:\w+:)?v>([^<]+)<', re.DOTALL
)
_PLACE = re.compile(rb'<(?:\w+:)?c\s[^>]*\br="([A-Z]+[0-9]+)"')
_ODS_ERROR = b'calcext:value-type="error"'


def read_spreadsheet(
    schema: StageSchema,
    path: Path,
    table: str,
    *,
    sheet: str | int | None = None,
    header: bool = True,
) -> Cells:
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
        raise SourceError(
            f"{path.name} cannot be read as a workbook: {error}.",
            fix="Open it and save it again as .xlsx, without a password.",
        ) from None
    if not rows:
        raise SourceError(
            f"Sheet {name!r} of {path.name} is empty.",
            fix=f"Choose another: load(..., sheet=...). Sheets: {', '.join(book.sheet_names)}.",
        )
    width = max(len(row) for row in rows)
    text = [[text_of(value) for value in row] + [None] * (width - len(row)) for row in rows]
    place = -1
    if header:
        place = find_header(text[:30])
        headings, body = tuple(cell or "" for cell in text[place]), text[place + 1 :]
        notes += (
            [Note("dropped", f"{counted(place, 'row')} above the header of sheet {name!r}.", place)]
            if place
            else []
        )
    else:
        headings, body = tuple(f"Column {n}" for n in range(1, width + 1)), text
    while body and not any(body[-1]):
        body.pop()
    relation = put(schema, table, text_columns(body, width))
    broken = _without_value(path, name, headings, above=place + 1, count=len(body))
    notes += _ods_notes(path)
    return Cells(
        relation=relation,
        headings=headings,
        kind=path.suffix.lstrip(".").lower(),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        sheet=name,
        notes=tuple(notes),
        broken=broken,
    )


def sheet_parts(book: zipfile.ZipFile) -> dict[str, str]:
    """Return the sheets of an .xlsx or .xlsm file: name -> name of its part in the zip file."""
    root = ET.fromstring(book.read("xl/workbook.xml"))  # noqa: S314 - the user's own file, and expat bounds expansion
    relations = {
        e.get("Id"): str(e.get("Target"))
        for e in ET.fromstring(book.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    }
    found = {}
    for sheet in (e for e in root.iter() if e.tag.endswith("}sheet")):
        target = relations[
            next(value for key, value in sheet.attrib.items() if _RELATION.match(key))
        ]
        found[str(sheet.get("name"))] = (
            target.lstrip("/")
            if target.startswith("/")
            else posixpath.normpath(posixpath.join("xl", target))
        )
    return found


def _chosen(
    book: Any, file: str, sheet: str | int | None
) -> tuple[str, list[list[Any]], list[Note]]:
    """Return name, rows and notes of the sheet to read."""
    names: list[str] = list(book.sheet_names)
    if isinstance(sheet, int) and 0 <= sheet < len(names):
        sheet = names[sheet]
    if sheet is not None and sheet not in names:
        raise SourceError(
            f"{file} has no sheet {sheet!r}.", fix=f"Sheets: {', '.join(names)}.", sheets=names
        )
    if isinstance(sheet, str):
        return sheet, _rows(book, sheet), []
    if len(names) == 1:
        return names[0], _rows(book, names[0]), []
    read = {name: _rows(book, name) for name in _worksheets(book)}
    best = max(read, key=lambda name: _likeness(read[name]))
    return (
        best,
        read[best],
        [
            Note(
                "assumed",
                f"the orders are in sheet {best!r}; {file} also has: "
                f"{', '.join(n for n in names if n != best)}.",
            )
        ],
    )


def _worksheets(book: Any) -> list[str]:
    """Return the names of the visible worksheets, or of all when all are hidden."""
    sheets = [sheet for sheet in book.sheets_metadata if str(sheet.typ).endswith("WorkSheet")]
    seen = [sheet.name for sheet in sheets if str(sheet.visible).endswith(".Visible")]
    return seen or [sheet.name for sheet in sheets] or list(book.sheet_names)


def _rows(book: Any, name: str) -> list[list[Any]]:
    return list(book.get_sheet_by_name(name).to_python(skip_empty_area=False))


def _likeness(rows: Sequence[Sequence[Any]]) -> tuple[int, int]:
    """Return how many headings are recognised, and how many rows there are."""
    if not rows:
        return (-1, 0)
    head = [[text_of(value) for value in row] for row in rows[:30]]
    found = recognise([cell or "" for cell in head[find_header(head)]])
    return len(found.roles) + len(found.ambiguous), len(rows)


# -- cells that show something but have no value ---------------------------------------------------


def _without_value(
    path: Path, sheet: str, headings: Sequence[str], *, above: int, count: int
) -> tuple[Mapping[str, Any], ...]:
    """Return a problem for each cell with an error, or with a formula without a stored value.

    These cells are read as empty. Without the problem, a default could silently replace it.
    """
    if not zipfile.is_zipfile(path):
        return ()
    with zipfile.ZipFile(path) as book:
        if "xl/workbook.xml" not in book.namelist():
            return ()
        xml = book.read(sheet_parts(book)[sheet])
    names = keys(unique_names(headings, ("row_number", "source_file")))
    made = []
    for reference, shown in _odd_cells(xml):
        letters = reference.rstrip("0123456789")
        column, line = _column(letters), int(reference.removeprefix(letters)) - above
        if not 0 < line <= count or column > len(headings):
            continue
        heading = headings[column - 1]
        made.append(
            {
                "row_number": line,
                "field": names[column - 1],
                "value": shown,
                "severity": "error",
                "code": "cell_without_value",
                "problem": f"cell {reference} in column {heading!r} contains the error {shown}"
                if shown
                else f"cell {reference} in column {heading!r} is a formula whose value is not "
                "stored in the file",
                "fix": "Correct the formula, save the workbook and load it again."
                if shown
                else "Open the workbook in Excel or LibreOffice, save it and load it again.",
            }
        )
    return tuple(made)


def _odd_cells(xml: bytes) -> Iterator[tuple[str, str | None]]:
    """Yield the reference and error text of each cell with an error; None for a missing value."""
    for found in _ERROR.finditer(xml) if b't="e"' in xml else ():
        place = _PLACE.match(found[0])
        if place:
            yield place[1].decode(), found[1].decode()
    for found in _NO_VALUE.finditer(xml):
        start = max(xml.rfind(b"<c ", 0, found.start()), xml.rfind(b"<x:c ", 0, found.start()))
        place = _PLACE.match(xml, max(start, 0))
        # t="str" marks a formula whose value is text, and an empty text is a value.
        if place and b't="str"' not in xml[place.start() : found.start()]:
            yield place[1].decode(), None


def _column(letters: str) -> int:
    """Return the number of a column: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _ods_notes(path: Path) -> list[Note]:
    """Return a note of how many cells of an .ods file contain an error: they are read as empty."""
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as book:
        count = (
            book.read("content.xml").count(_ODS_ERROR) if "content.xml" in book.namelist() else 0
        )
    return (
        [
            Note(
                "assumed",
                f"{counted(count, 'cell')} of {path.name} with an error: read as empty.",
                count,
            )
        ]
        if count
        else []
    )
