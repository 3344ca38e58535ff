"""Workbooks that are markup: HTML tables and XML spreadsheets, which shops save as .xls."""

from __future__ import annotations

import datetime as dt
import email
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from shipkit.errors import SourceError
from shipkit.orders.source.number_formats import number_format
from shipkit.orders.source.sheet_model import Book, Look, SheetTable
from shipkit.orders.source.xlsx_look import parsed_xml

__all__ = ["MarkupBook", "markup_book", "markup_kind"]

_SPREADSHEET: Final = "urn:schemas-microsoft-com:office:spreadsheet"
_HTML_START: Final = re.compile(
    r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*"
    r"<(?:!doctype\s+html|html|head|meta|style|body|table|div|center|font|script|title|h[1-6])\b",
    re.IGNORECASE | re.DOTALL,
)
_CHARSET: Final = re.compile(rb"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_NAMED_FORMATS: Final = {"Percent": "0.00%", "Euro Currency": '#,##0.00 "€"'}
"""Formats of an XML spreadsheet that have a name and show more than the value."""


class MarkupBook(Book):
    """A workbook whose sheets were read as a whole."""

    def __init__(
        self, sheets: Mapping[str, SheetTable], looks: Mapping[str, Look], **given: Any
    ) -> None:
        super().__init__(names=list(sheets), **given)
        self._sheets, self._looks = sheets, looks

    def sheet(self, name: str) -> SheetTable:
        """Return the values of a sheet."""
        return self._sheets[name]

    def look(self, name: str) -> Look:
        """Return the look of a sheet."""
        return self._looks[name]


def markup_kind(head: bytes) -> str | None:
    """Return ``xml``, ``html`` or ``mhtml`` by the first bytes of a file, None for another kind."""
    text = _decoded(head[:4096], strict=False).lstrip("\ufeff")
    if _SPREADSHEET in text and text.lstrip().startswith("<"):
        return "xml"
    if re.match(r"(?:MIME-Version:|From: <Saved by)", text):
        return "mhtml"
    return "html" if _HTML_START.match(text) else None


def markup_book(path: Path, kind: str) -> MarkupBook:
    """Read a workbook of the given kind.

    Raises
    ------
    SourceError
        It is damaged, or a web page without a table.
    """
    data = path.read_bytes()
    if kind == "xml":
        return _xml_book(data, path.name)
    parts = _web_parts(data) if kind == "mhtml" else [_decoded(data)]
    tables: list[_HtmlTable] = []
    title = ""
    for part in parts:
        reader = _TableReader()
        reader.feed(part)
        reader.close()
        tables += [table for table in reader.tables if table.rows]
        title = title or reader.title.strip()
    if not any(len(row) > 1 for table in tables for row in table.rows):
        named = f" ({title!r})" if title else ""
        raise SourceError(
            f"{path.name} is a web page without a table of orders{named}.",
            fix="Export the orders again as CSV or XLSX; an expired login also gives a web page.",
        )
    names = [f"Table {number}" for number in range(1, len(tables) + 1)]
    return MarkupBook(
        {name: SheetTable(name, table.rows) for name, table in zip(names, tables, strict=True)},
        {name: table.look for name, table in zip(names, tables, strict=True)},
        visible=names,
        kind="html",
    )


def _decoded(data: bytes, *, strict: bool = True) -> str:
    """Return text by its mark, else by the charset that it names, else UTF-8 or Windows-1252."""
    for mark, name in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(name, "ignore")
    if data[1:2] == b"\0" or data[:1] == b"\0":
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be", "ignore")
    named = _CHARSET.search(data[:4096])
    for name in ("utf-8", named[1].decode("ascii") if named else "cp1252", "cp1252"):
        try:
            return data.decode(name, "strict" if strict else "ignore")
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1")


def _web_parts(data: bytes) -> list[str]:
    """Return the pages of a web archive."""
    return [
        _decoded(bytes(part.get_payload(decode=True) or b""))
        for part in email.message_from_bytes(data).walk()
        if part.get_content_type() == "text/html"
    ]


# -- HTML ------------------------------------------------------------------------------------------


@dataclass
class _HtmlTable:
    rows: list[list[Any]] = field(default_factory=list)
    look: Look = field(default_factory=Look)
    taken: set[tuple[int, int]] = field(default_factory=set)
    """Places that a cell of an earlier row or column spans."""
    column: int = 0


@dataclass
class _HtmlCell:
    table: _HtmlTable
    across: int
    down: int
    struck: bool
    text: list[str] = field(default_factory=list)
    struck_text: list[str] = field(default_factory=list)


class _TableReader(HTMLParser):
    """Reads every table of a page; text of a table inside a cell is not part of that cell."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[_HtmlTable] = []
        self.title = ""
        self._open: list[_HtmlTable] = []
        self._cells: list[_HtmlCell | None] = []
        self._silent, self._struck = 0, 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        style = given.get("style", "").replace(" ", "").lower()
        if tag in {"style", "script"}:
            self._silent += 1
        elif tag == "title":
            self._in_title = True
        elif tag == "table":
            table = _HtmlTable()
            self.tables.append(table)
            self._open.append(table)
            self._cells.append(None)
        elif tag == "tr" and self._open:
            self._end_cell()
            table = self._open[-1]
            table.rows.append([])
            table.column = 0
            if "display:none" in style or "hidden" in given:
                table.look.hidden_rows[len(table.rows) - 1] = "hidden"
        elif tag in {"td", "th"} and self._open:
            self._end_cell()
            self._begin_cell(given, style)
        elif tag in {"br", "p", "div", "li"} and self._cells and self._cells[-1]:
            self._cells[-1].text.append("\n")
        elif tag in {"s", "strike", "del"}:
            self._struck += 1

    def _begin_cell(self, given: Mapping[str, str], style: str) -> None:
        table = self._open[-1]
        if not table.rows:
            table.rows.append([])
        row = len(table.rows) - 1
        while (row, table.column) in table.taken:
            table.column += 1
        if "display:none" in style or "hidden" in given:
            table.look.hidden_columns.add(table.column)
        struck = "line-through" in style
        self._cells[-1] = _HtmlCell(
            table, _span(given.get("colspan")), _span(given.get("rowspan")), struck
        )

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "script"}:
            self._silent = max(0, self._silent - 1)
        elif tag == "title":
            self._in_title = False
        elif tag in {"td", "th", "tr"}:
            self._end_cell()
        elif tag in {"s", "strike", "del"}:
            self._struck = max(0, self._struck - 1)
        elif tag == "table" and self._open:
            self._end_cell()
            self._open.pop()
            self._cells.pop()

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        if self._silent or not self._cells or self._cells[-1] is None:
            return
        cell = self._cells[-1]
        cell.text.append(re.sub(r"\s+", " ", data))
        if self._struck and data.strip():
            cell.struck_text.append(data)

    def _end_cell(self) -> None:
        cell = self._cells[-1] if self._cells else None
        if cell is None:
            return
        self._cells[-1] = None
        table = cell.table
        row, column = len(table.rows) - 1, table.column
        lines = (line.strip(" ") for line in "".join(cell.text).split("\n"))
        text = "\n".join(line for line in lines if line).replace("\xa0", " ").strip()
        cells = table.rows[row]
        cells += [None] * (column + cell.across - len(cells))
        cells[column] = text or None
        if cell.struck or cell.struck_text:
            table.look.crossed.add((row, column))
        if cell.down > 1:
            table.look.merged.append((row, column, row + cell.down - 1, column + cell.across - 1))
        table.taken.update(
            (below, beside)
            for below in range(row + 1, row + cell.down)
            for beside in range(column, column + cell.across)
        )
        table.column = column + cell.across


def _span(given: str | None) -> int:
    return min(int(given), 1000) if given and given.isdigit() and int(given) else 1


# -- XML spreadsheets ------------------------------------------------------------------------------


def _xml_book(data: bytes, name: str) -> MarkupBook:
    root = parsed_xml(data, name)
    formats, crossed = _xml_styles(root)
    sheets: dict[str, SheetTable] = {}
    looks: dict[str, Look] = {}
    visible: list[str] = []
    for worksheet in (e for e in root if _tag(e) == "Worksheet"):
        title = _given(worksheet, "Name") or f"SheetTable {len(sheets) + 1}"
        sheet, look = SheetTable(title, []), Look()
        table = next((e for e in worksheet if _tag(e) == "Table"), None)
        if table is not None:
            _read_xml_table(table, sheet, look, formats, crossed)
        if any(_tag(e) == "AutoFilterColumn" for e in worksheet.iter()):
            look.hidden_rows = dict.fromkeys(look.hidden_rows, "filtered")
        sheets[title], looks[title] = sheet, look
        shown = [e.text for e in worksheet.iter() if _tag(e) == "Visible"]
        if not any("Hidden" in (text or "") for text in shown):
            visible.append(title)
    if not sheets:
        raise SourceError(
            f"{name} is an XML spreadsheet without a sheet.",
            fix="Export the orders as CSV or XLSX.",
        )
    return MarkupBook(sheets, looks, visible=visible or list(sheets), kind="xml")


def _xml_styles(root: ET.Element) -> tuple[dict[str, Any], set[str]]:
    formats, crossed = {}, set()
    for style in (e for e in root.iter() if _tag(e) == "Style"):
        name = _given(style, "ID") or ""
        for part in style:
            code = _given(part, "Format") if _tag(part) == "NumberFormat" else None
            if code and (made := number_format(_NAMED_FORMATS.get(code, code))).tells:
                formats[name] = made
            if _tag(part) == "Font" and _given(part, "StrikeThrough") == "1":
                crossed.add(name)
    return formats, crossed


def _read_xml_table(
    table: ET.Element,
    sheet: SheetTable,
    look: Look,
    formats: Mapping[str, Any],
    crossed: set[str],
) -> None:
    column_styles: dict[int, str] = {}
    at = 0
    for given in (e for e in table if _tag(e) == "Column"):
        at = _index(given, at)
        span = int(_given(given, "Span") or 0) + 1
        if _given(given, "Hidden") == "1" or _given(given, "Width") == "0":
            look.hidden_columns.update(range(at, at + span))
        style = _given(given, "StyleID")
        if style:
            column_styles |= dict.fromkeys(range(at, at + min(span, 1000)), style)
        at += span
    row = 0
    for element in (e for e in table if _tag(e) == "Row"):
        row = _index(element, row)
        sheet.rows += [[] for _ in range(row + 1 - len(sheet.rows))]
        if _given(element, "Hidden") == "1" or _given(element, "Height") == "0":
            look.hidden_rows[row] = "hidden"
        for column, cell in _xml_cells(element):
            _read_xml_cell(cell, sheet.rows[row], (row, column), look)
            style = _given(cell, "StyleID") or _given(element, "StyleID")
            style = style or column_styles.get(column, "")
            if style in formats:
                look.formats[row, column] = formats[style]
            if style in crossed:
                look.crossed.add((row, column))
        row += int(_given(element, "Span") or 0) + 1


def _xml_cells(row: ET.Element) -> Iterator[tuple[int, ET.Element]]:
    column = 0
    for cell in (e for e in row if _tag(e) == "Cell"):
        column = _index(cell, column)
        yield column, cell
        column += int(_given(cell, "MergeAcross") or 0) + 1


def _read_xml_cell(cell: ET.Element, cells: list[Any], place: tuple[int, int], look: Look) -> None:
    row, column = place
    cells += [None] * (column + 1 - len(cells))
    data = next((e for e in cell if _tag(e) == "Data"), None)
    down = int(_given(cell, "MergeDown") or 0)
    if down:
        across = int(_given(cell, "MergeAcross") or 0)
        look.merged.append((row, column, row + down, column + across))
    if data is None:
        if _given(cell, "Formula"):
            look.odd[place] = None
        return
    text = "".join(data.itertext())
    if _given(data, "Type") == "Error":
        look.odd[place] = text or "an error"
        return
    cells[column] = _xml_value(_given(data, "Type"), text)
    digits = text.strip().lstrip("-")
    if isinstance(cells[column], float) and digits.isdigit() and len(digits) > 15:
        look.exact[place] = text.strip() if digits[15:].strip("0") else f"{int(text):.14e}"


def _xml_value(kind: str | None, text: str) -> Any:
    try:
        if kind == "Number":
            return float(text)
        if kind == "DateTime":
            return dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    return text.strip() == "1" if kind == "Boolean" else text or None


def _tag(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _given(element: ET.Element, name: str) -> str | None:
    return element.get(f"{{{_SPREADSHEET}}}{name}", element.get(name))


def _index(element: ET.Element, at: int) -> int:
    given = _given(element, "Index")
    return int(given) - 1 if given and given.isdigit() else at
