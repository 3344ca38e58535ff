"""Add cells to one sheet of an .xlsx or .xlsm file by inserting into that sheet's XML.

A library that loads a workbook and saves it drops what it does not know (charts, images, pivot
caches, newer formats). Here every other part of the file is copied as it is, and the sheet keeps
every byte it had.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat
from xml.sax.saxutils import escape

from shipkit.errors import WriteBackError
from shipkit.orders.cells import unique_names
from shipkit.orders.source.spreadsheets import sheet_parts
from shipkit.outputs.writeback.additions import Additions
from shipkit.outputs.writeback.origin import SourceFile

__all__ = ["WorksheetIndex", "read_sheet", "spliced", "write_workbook"]

_HEADER_WITHIN = 200
"""How many rows above the headings are searched, as in a text file."""
_REFERENCE = re.compile(r"([A-Z]+)(\d+)$")


@dataclass
class _Cell:
    start: int
    end: int
    style: str | None
    empty: bool
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
    header: int
    """Number of the row with the headings."""
    headings: dict[int, str]
    """Column number -> heading."""
    header_style: str | None
    rows: list[_Row]
    """The row with the headings and all rows below it."""
    last_column: int
    texts: dict[int, dict[int, str]] = field(default_factory=dict)
    """Row number -> column number -> text, to compare with what was read."""

    def row_of_line(self) -> Iterator[_Row | None]:
        """Yield the row of each order line; None where the XML has no row for it.

        Blank rows count: the reader numbers them too.
        """
        number = self.header
        for row in self.rows[1:]:
            while number + 1 < row.number:
                number += 1
                yield None
            number = row.number
            yield row


def write_workbook(
    file: SourceFile, dest: Path, new: Additions, compare: Mapping[int, Sequence[str | None]]
) -> None:
    """Write the workbook `file` with the new cells in the sheet that was read to `dest`.

    `compare` holds some rows as they were read, by number. Raises WriteBackError when they are not
    where they were: numbers must not be written to another order's row.
    """
    with zipfile.ZipFile(file.path) as book:
        part = _sheet_part(book, file.sheet)
        xml = book.read(part)
        changed = spliced(
            xml, read_sheet(xml, _shared_strings(book), file.columns, new.headings), new, compare
        )
        with zipfile.ZipFile(dest, "w", zipfile.ZIP_DEFLATED) as out:
            for info in book.infolist():
                out.writestr(info, changed if info.filename == part else book.read(info))


def read_sheet(
    xml: bytes, shared: Sequence[str], columns: Sequence[str], wanted: Sequence[str]
) -> WorksheetIndex:
    """Return where the rows and cells of a sheet are. Raises WriteBackError without headings."""
    return _Reader(xml, shared, columns, wanted).sheet()


def spliced(
    xml: bytes, sheet: WorksheetIndex, new: Additions, compare: Mapping[int, Sequence[str | None]]
) -> bytes:
    """Return the sheet's XML with the new cells."""
    by_line = list(sheet.row_of_line())
    _refuse_moved(by_line, sheet, compare)
    places = {
        i: column
        for column, text in sheet.headings.items()
        for i, heading in enumerate(new.headings)
        if text == heading
    }
    # A heading that the sheet has keeps its column; the others follow the last column, in order.
    columns = [places.get(i, 0) for i in range(len(new.headings))]
    for i in range(len(columns)):
        columns[i] = columns[i] or max(sheet.last_column, *columns) + 1
    inserts: list[tuple[int, int, bytes]] = []
    head = sheet.rows[0]
    inserts += _inserts(
        xml,
        sheet,
        head,
        [
            (columns[i], heading, sheet.header_style)
            for i, heading in enumerate(new.headings)
            if i not in places
        ],
    )
    values = zip(*(new.table.column(name).to_pylist() for name in new.headings), strict=True)
    for line, (row, cells) in enumerate(zip(by_line, values, strict=False), start=1):
        given = [
            (columns[i], value, None)
            for i, value in enumerate(cells)
            if value is not None and value != ""
        ]
        if given and row is None:
            raise WriteBackError(
                f"Row {line} of the orders has no row in the sheet.",
                fix="Write another format: write_back('orders_shipped.csv').",
            )
        if given and row is not None:
            inserts += _inserts(xml, sheet, row, given)
    inserts += _dimension(xml, max(columns))
    return _applied(xml, inserts)


# -- reading ---------------------------------------------------------------------------------------


class _Reader:
    """One pass over a sheet with expat, which reports the byte position of every tag."""

    def __init__(
        self, xml: bytes, shared: Sequence[str], columns: Sequence[str], wanted: Sequence[str]
    ) -> None:
        self._xml, self._shared, self._columns, self._wanted = (
            xml,
            shared,
            list(columns),
            set(wanted),
        )
        self._rows: list[_Row] = []
        self._texts: dict[int, dict[int, str]] = {}
        self._header: tuple[int, dict[int, str], str | None] | None = None
        self._prefix, self._last_column = "", 0
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
        self._parser.Parse(self._xml, True)  # noqa: FBT003 - expat's "this is all"
        if self._header is None:
            raise WriteBackError(
                "The headings were not found in the sheet.",
                fix="Write another format: write_back('orders_shipped.csv').",
            )
        number, headings, style = self._header
        return WorksheetIndex(
            self._prefix, number, headings, style, self._rows, self._last_column, self._texts
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        at, name = self._parser.CurrentByteIndex, tag.rpartition(":")[2]
        if name == "row":
            self._prefix = tag[: -len("row")]
            number = int(attributes.get("r") or (self._row.number if self._row else 0) + 1)
            end = self._xml.index(b">", at) + 1
            self._row = _Row(
                number, at, end, end, self._xml[end - 2 : end] == b"/>", next_cell={}, found={}
            )
            self._cells, self._column = {}, 0
        elif name == "c":
            match = _REFERENCE.match(attributes.get("r", ""))
            self._column = _column_number(match[1]) if match else self._column + 1
            self._cell, self._held = (at, self._column, attributes), ""
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
            self._cells[column] = _Cell(
                start, end, attributes.get("s"), not self._held, text or None
            )
            self._cell = None
        elif name == "row" and self._row:
            self._row.close = self._row.tag_end if self._row.hollow else at
            self._finish(self._row)

    def _finish(self, row: _Row) -> None:
        texts = {column: cell.text for column, cell in self._cells.items() if cell.text}
        if self._header is None:
            if row.number > _HEADER_WITHIN or not self._is_header(texts):
                return
            style = self._cells[max(texts)].style
            self._header = (
                row.number,
                {column: text for column, text in texts.items() if text in self._wanted},
                style,
            )
        wanted = self._header[1]
        for column in wanted:
            row.next_cell[column] = min(
                (c.start for place, c in self._cells.items() if place > column), default=row.close
            )
            if column in self._cells:
                row.found[column] = self._cells[column]
        self._last_column = max(self._last_column, *self._cells, 0)
        self._rows.append(row)
        self._texts[row.number] = texts

    def _is_header(self, texts: dict[int, str]) -> bool:
        """Return whether a row holds the headings, unlike titles above them."""
        width = max(len(self._columns), *texts, 1)
        names = unique_names(
            [texts.get(column, "").strip() for column in range(1, width + 1)],
            ("row_number", "source_file"),
        )
        return bool(texts) and names[: len(self._columns)] == self._columns


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
    with book.open(name) as file:
        # The Python docs on XML security: expat from 2.4.1 on limits the expansion of entities.
        for _, item in ET.iterparse(file):  # noqa: S314 - see above
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


# -- lines and rows --------------------------------------------------------------------------------


def _refuse_moved(
    by_line: Sequence[_Row | None],
    sheet: WorksheetIndex,
    compare: Mapping[int, Sequence[str | None]],
) -> None:
    """Raise WriteBackError when the rows of the sheet are not those that were read."""
    for line, cells in compare.items():
        row = by_line[line - 1] if line <= len(by_line) else None
        if not _alike(sheet.texts[row.number] if row else {}, cells):
            raise WriteBackError(
                f"Row {line} is not where it was in the sheet when it was read.",
                fix="Write another format: write_back('orders_shipped.csv').",
            )


def _alike(texts: dict[int, str], cells: Sequence[str | None]) -> bool:
    """Return whether a row holds the words of an order line.

    Numbers and dates are not compared: a sheet stores them otherwise than they were read.
    """
    words = {text.strip() for text in texts.values()}
    return all(
        cell.strip() in words for cell in cells if cell and re.match(r"[A-Za-z]", cell.strip())
    )


# -- writing ---------------------------------------------------------------------------------------


def _inserts(
    xml: bytes, sheet: WorksheetIndex, row: _Row, given: Sequence[tuple[int, Any, str | None]]
) -> list[tuple[int, int, bytes]]:
    """Return the changes to a row, each as (start, end, new bytes)."""
    appended, made = b"", []
    for column, value, style in sorted(given, key=lambda item: item[0]):
        cell = row.found.get(column)
        if cell is not None and not cell.empty:
            if cell.text != _text(value):
                raise WriteBackError(
                    f"Cell {_column_name(column)}{row.number} already has another value. It is not "
                    "overwritten.",
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
    # XML 1.0 cannot hold other control characters, not even escaped.
    text = escape("".join(c for c in _text(value) if c >= " " or c in "\t\n"))
    return (
        f'<{prefix}c r="{name}"{look} t="inlineStr"><{prefix}is><{prefix}t '
        f'xml:space="preserve">{text}</{prefix}t></{prefix}is></{prefix}c>'
    ).encode()


def _text(value: Any) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(value, "strftime") else str(value)


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
