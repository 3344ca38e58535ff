"""Add cells to one sheet of an .xlsx or .xlsm file by inserting into that sheet's XML.

A library that loads a workbook and saves it drops what it does not know (charts, images, pivot
caches, newer formats). Here every other part of the file is copied as it is, and the sheet keeps
every byte it had.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat
from xml.sax.saxutils import escape

import pyarrow as pa

from shipkit.common.xlsx import escaped
from shipkit.errors import WriteBackError
from shipkit.orders.line_account import SourceLines
from shipkit.orders.source.spreadsheets import sheet_parts
from shipkit.outputs.writeback.additions import Additions, existing_columns
from shipkit.outputs.writeback.origin import SourceFile

__all__ = ["WorksheetIndex", "read_sheet", "spliced", "write_workbook"]

_REFERENCE = re.compile(r"([A-Z]+)(\d+)$")
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*ref="([A-Z]+)\d+:([A-Z]+)(\d+)"')
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_CHARACTER = re.compile(rb"&#(\d+|[xX][0-9A-Fa-f]+);")


@dataclass
class _Cell:
    start: int
    end: int
    style: str | None
    empty: bool
    """Whether it has neither a value nor a formula."""
    text: str | None


@dataclass
class _Row:
    number: int
    start: int
    tag_end: int
    """Where its start tag ends."""
    close: int
    """Where its end tag begins; for ``<row/>`` where that tag ends."""
    hollow: bool
    """Whether it is ``<row/>``."""
    next_cell: dict[int, int]
    """Wanted column -> start of the first cell after it."""
    found: dict[int, _Cell]
    """Wanted column -> the existing cell."""


@dataclass
class WorksheetIndex:
    """Byte positions of the rows and cells of a sheet, as one pass over its XML found them."""

    prefix: str
    rows: dict[int, _Row]
    """Row number of the sheet -> the row with the headings, and all rows below it."""
    places: dict[str, int]
    """Heading to write -> its column, from 1, where the sheet has it."""
    header_style: str | None
    last_column: int


def write_workbook(file: SourceFile, dest: Path, new: Additions, lines: SourceLines) -> list[int]:
    """Write the workbook `file` with the new cells in the sheet that was read to `dest`.

    Parameters
    ----------
    lines
        Where its rows are in the sheet, as the reader that loaded them found.

    Returns
    -------
    list of int
        The column of each new heading, from 0.

    Raises
    ------
    WriteBackError
        The sheet's XML cannot be extended, or a cell already has another value.
    """
    try:
        with zipfile.ZipFile(file.path) as book:
            part = _sheet_part(book, file.sheet)
            xml = book.read(part)
            sheet = read_sheet(xml, _shared_strings(book), lines, new.headings, file.columns)
            changed, columns = spliced(xml, sheet, new, lines)
            with zipfile.ZipFile(dest, "w", zipfile.ZIP_DEFLATED) as out:
                for info in book.infolist():
                    out.writestr(info, changed if info.filename == part else book.read(info))
    except (zipfile.BadZipFile, KeyError, expat.ExpatError, ET.ParseError) as error:
        raise WriteBackError(
            f"{file.path.name} cannot be extended: {error}.", fix=file.other_format
        ) from None
    return [column - 1 for column in columns]


def read_sheet(
    xml: bytes,
    shared: Sequence[str],
    lines: SourceLines,
    wanted: Sequence[str],
    names: Sequence[str],
) -> WorksheetIndex:
    """Return where the rows and cells of a sheet are.

    Parameters
    ----------
    wanted
        The headings to write.
    names
        The sheet's headings, made unique when it was read.
    """
    return _Reader(xml, shared, lines, wanted, names).sheet()


def spliced(
    xml: bytes, sheet: WorksheetIndex, new: Additions, lines: SourceLines
) -> tuple[bytes, list[int]]:
    """Return the sheet's XML with the new cells, and the column of each heading, from 1."""
    # A heading that the sheet has keeps its column; the others follow the last column, in order.
    columns: list[int] = []
    for heading in new.headings:
        behind = max([sheet.last_column, *columns]) + 1
        columns.append(sheet.places.get(heading, behind))
    inserts: list[tuple[int, int, bytes]] = []
    if lines.headings:
        inserts += _inserts(
            xml,
            sheet,
            sheet.rows[lines.headings[-1]],
            [
                (column, heading, sheet.header_style)
                for column, heading in zip(columns, new.headings, strict=True)
                if heading not in sheet.places
            ],
        )
    texts = new.texts()
    values = zip(*(_values(new.table, texts, name) for name in new.headings), strict=True)
    for line, cells in enumerate(values, start=1):
        given = [
            (column, value, None)
            for column, value in zip(columns, cells, strict=True)
            if value is not None and value != ""
        ]
        if not given:
            continue
        row = sheet.rows.get(lines.line_of(line))
        if row is None:
            raise WriteBackError(
                f"Row {line} of the orders has no row in the sheet.",
                fix="Write another format: write_back('orders_shipped.csv').",
            )
        inserts += _inserts(xml, sheet, row, given)
    inserts += _dimension(xml, max(columns))
    return _applied(xml, inserts), columns


def _values(table: pa.Table, texts: pa.Table, name: str) -> list[Any]:
    """Return the cells of a column: numbers as numbers, all else as text."""
    kind = table.schema.field(name).type
    number = pa.types.is_decimal(kind) or pa.types.is_floating(kind) or pa.types.is_integer(kind)
    cells: list[Any] = (table if number else texts).column(name).to_pylist()
    return cells


# -- reading ---------------------------------------------------------------------------------------


class _Reader:
    """One pass over a sheet with expat, which reports the byte position of every tag."""

    def __init__(
        self,
        xml: bytes,
        shared: Sequence[str],
        lines: SourceLines,
        wanted: Sequence[str],
        names: Sequence[str],
    ) -> None:
        self._xml, self._shared, self._wanted, self._names = xml, shared, wanted, names
        self._header = lines.headings[-1] if lines.headings else None
        self._first = self._header or lines.first
        self._rows: dict[int, _Row] = {}
        self._places: dict[str, int] = {}
        self._style: str | None = None
        self._prefix, self._last_column, self._number = "", 0, 0
        self._row: _Row | None = None
        self._cells: dict[int, _Cell] = {}
        self._cell: tuple[int, int, dict[str, str]] | None = None
        self._value: list[str] | None = None
        self._held, self._column = "", 0
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def sheet(self) -> WorksheetIndex:
        self._parser.Parse(readable(self._xml), True)  # noqa: FBT003 - expat's "this is all"
        if self._header is not None and self._header not in self._rows:
            raise WriteBackError(
                f"The sheet has no row {self._header}, where its headings were.",
                fix="Write another format: write_back('orders_shipped.csv').",
            )
        for reference in _MERGED.finditer(self._xml):
            if int(reference[3]) >= self._first:  # a cell inside a merged range is not shown
                self._last_column = max(self._last_column, _column_number(reference[2].decode()))
        return WorksheetIndex(
            self._prefix, self._rows, self._places, self._style, self._last_column
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        at, name = self._parser.CurrentByteIndex, tag.rpartition(":")[2]
        if name == "row":
            self._prefix = tag[: -len("row")]
            number = self._number = int(attributes.get("r") or self._number + 1)
            end = self._xml.index(b">", at) + 1
            self._row = _Row(
                number, at, end, end, self._xml[end - 2 : end] == b"/>", next_cell={}, found={}
            )
            self._cells, self._column = {}, 0
        elif name == "c":
            match = _REFERENCE.match(attributes.get("r", ""))
            self._column = _column_number(match[1]) if match else self._column + 1
            self._cell, self._held, self._formula = (at, self._column, attributes), "", False
        elif name == "f" and self._cell:
            self._formula = True
        elif name in {"v", "t"} and self._cell:
            self._value = []

    def _characters(self, text: str) -> None:
        if self._value is not None:
            self._value.append(text)

    def _end(self, tag: str) -> None:
        at, name = self._parser.CurrentByteIndex, tag.rpartition(":")[2]
        if name in {"v", "t"} and self._value is not None:
            self._held += "".join(self._value)
            self._value = None
        elif name == "c" and self._cell:
            start, column, attributes = self._cell
            text = (
                self._shared[int(self._held)]
                if attributes.get("t") == "s" and self._held
                else self._held
            )
            tag_end = self._xml.index(b">", start) + 1
            end = (
                tag_end
                if self._xml[tag_end - 2 : tag_end] == b"/>"
                else self._xml.index(b">", at) + 1
            )
            empty = not self._held and not self._formula
            self._cells[column] = _Cell(start, end, attributes.get("s"), empty, text or None)
            self._cell = None
        elif name == "row" and self._row:
            self._row.close = self._row.tag_end if self._row.hollow else at
            self._finish(self._row)

    def _finish(self, row: _Row) -> None:
        if row.number < self._first:
            return
        if row.number == self._header:
            self._read_headings()
        for column in self._places.values():
            row.next_cell[column] = min(
                (c.start for place, c in self._cells.items() if place > column), default=row.close
            )
            if column in self._cells:
                row.found[column] = self._cells[column]
        self._last_column = max(self._last_column, *self._cells, 0)
        self._rows[row.number] = row

    def _read_headings(self) -> None:
        width = max(self._cells, default=0)
        cells = [self._cells.get(column) for column in range(1, width + 1)]
        headings = [(cell.text or "") if cell else "" for cell in cells]
        found = existing_columns(self._wanted, headings, self._names)
        self._places = {heading: place + 1 for heading, place in found.items()}
        filled = [column for column, cell in self._cells.items() if cell.text]
        self._style = self._cells[max(filled)].style if filled else None


def readable(xml: bytes) -> bytes:
    """Return XML without what XML 1.0 forbids and other programs write; positions stay."""
    xml = _FORBIDDEN.sub(lambda found: b" " * len(found[0]), xml)
    return _CHARACTER.sub(
        lambda found: found[0] if _allowed(found[1]) else b" " * len(found[0]), xml
    )


def _allowed(number: bytes) -> bool:
    code = int(number[1:], 16) if number[:1] in b"xX" else int(number)
    return code in (9, 10, 13) or (code >= 32 and code not in (0xFFFE, 0xFFFF))


def _sheet_part(book: zipfile.ZipFile, name: str | None) -> str:
    parts = sheet_parts(book)
    if name and name not in parts:
        raise WriteBackError(
            f"The workbook has no sheet {name!r}.", fix=f"Its sheets are {', '.join(parts)}."
        )
    return parts[name] if name else next(iter(parts.values()))


def _shared_strings(book: zipfile.ZipFile) -> list[str]:
    name = next((n for n in book.namelist() if n.lower() == "xl/sharedstrings.xml"), None)
    if name is None:
        return []
    made = []
    # The Python docs on XML security: expat from 2.4.1 on limits the expansion of entities.
    for _, item in ET.iterparse(io.BytesIO(readable(book.read(name)))):  # noqa: S314 - see above
        if item.tag.endswith("}si"):
            made.append("".join(_runs(item)))
            item.clear()
    return made


def _runs(item: ET.Element) -> Iterator[str]:
    for child in item:
        if child.tag.endswith("}t"):
            yield child.text or ""
        elif child.tag.endswith("}r"):
            yield from (t.text or "" for t in child if t.tag.endswith("}t"))


# -- writing ---------------------------------------------------------------------------------------


def _inserts(
    xml: bytes, sheet: WorksheetIndex, row: _Row, given: Sequence[tuple[int, Any, str | None]]
) -> list[tuple[int, int, bytes]]:
    """Return the changes to a row, each as (start, end, new bytes)."""
    appended, made = b"", []
    for column, value, style in sorted(given, key=lambda item: item[0]):
        cell = row.found.get(column)
        if cell is not None and not cell.empty:
            if cell.text != str(value):
                raise WriteBackError(
                    f"Cell {_column_name(column)}{row.number} already has another value or a "
                    "formula. It is not overwritten.",
                    fix='Choose another heading: write_back(columns={"tracking_numbers": "Tracking '
                    'number 2"}).',
                )
            continue
        data = _cell_xml(sheet.prefix, column, row.number, value, cell.style if cell else style)
        if cell is not None:
            made.append((cell.start, cell.end, data))
        elif column in row.next_cell and not row.hollow:
            made.append((row.next_cell[column], row.next_cell[column], data))
        else:
            appended += data
    # "spans" is an optional hint at the first and last column of a row (ECMA-376 part 1,
    # 18.3.1.73). It is wrong once a cell was added after the last one, so it is removed.
    tag = re.sub(rb'\sspans="[^"]*"', b"", xml[row.start : row.tag_end])
    if row.hollow:
        closing = f"</{sheet.prefix}row>".encode()
        return [(row.start, row.tag_end, tag[:-2].rstrip() + b">" + appended + closing)]
    made.append((row.start, row.tag_end, tag))
    return [*made, (row.close, row.close, appended)] if appended else made


def _cell_xml(prefix: str, column: int, row: int, value: Any, style: str | None) -> bytes:
    """Return a cell with the style of the one it replaces.

    Text is inline, so that the table of shared strings, another part of the file, stays as it is.
    """
    look = f' s="{style}"' if style else ""
    name = f"{_column_name(column)}{row}"
    if isinstance(value, Decimal | int | float) and not isinstance(value, bool):
        return f'<{prefix}c r="{name}"{look}><{prefix}v>{value}</{prefix}v></{prefix}c>'.encode()
    text = escape(escaped(str(value)))
    return (
        f'<{prefix}c r="{name}"{look} t="inlineStr"><{prefix}is><{prefix}t '
        f'xml:space="preserve">{text}</{prefix}t></{prefix}is></{prefix}c>'
    ).encode()


def _dimension(xml: bytes, last_column: int) -> list[tuple[int, int, bytes]]:
    """Return the change that widens the sheet's declared range, which some readers rely on."""
    found = re.search(rb'<(?:\w+:)?dimension ref="([A-Z]+\d+):([A-Z]+)(\d+)"', xml)
    if not found or _column_number(found[2].decode()) >= last_column:
        return []
    return [(found.start(2), found.end(2), _column_name(last_column).encode())]


def _applied(xml: bytes, inserts: list[tuple[int, int, bytes]]) -> bytes:
    parts, at = [], 0
    for start, end, data in sorted(inserts, key=lambda change: change[:2]):
        parts += [xml[at:start], data]
        at = end
    return b"".join([*parts, xml[at:]])


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _column_name(number: int) -> str:
    name = ""
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name
