"""What a person sees of a sheet of an .xlsx file, read from the sheet's own XML.

python-calamine gives values only. Everything here is found with patterns in one pass over the
bytes: a parser takes several times as long, and a sheet with a character that XML does not allow
would be refused.
"""

from __future__ import annotations

import itertools
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from shipkit.errors import SourceError
from shipkit.orders.source.number_formats import BUILT_IN, NumberFormat, number_format
from shipkit.orders.source.sheet_model import Look

__all__ = ["XlsxLooks", "column_number", "parsed_xml", "sheet_parts"]

_RELATION: Final = re.compile(r"\{.*\}id$")
_ROW: Final = re.compile(rb"<(?:\w+:)?row\b([^>]*)>")
_COLUMN: Final = re.compile(rb"<(?:\w+:)?col\b([^>]*)>")
_MERGED: Final = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_HIDDEN: Final = re.compile(rb'\shidden="(?:1|true)"|\sht="0(?:\.0+)?"|\swidth="0(?:\.0+)?"')
_NUMBER: Final = re.compile(rb'\sr="(\d+)"')
_GROUPED: Final = re.compile(rb'\soutlineLevel="[1-7]"')
_RANGE: Final = re.compile(rb'\smin="(\d+)"|\smax="(\d+)"')
_NO_VALUE: Final = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\s[^>]*/>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></|</(?:\w+:)?c>)"
)
_ERROR: Final = re.compile(
    rb'<(?:\w+:)?c\s[^>]*\bt="e"[^>]*>(?:(?!</(?:\w+:)?c>).)*?<(?:\w+:)?v>([^<]+)<', re.DOTALL
)
_PLACE: Final = re.compile(rb'<(?:\w+:)?c\s[^>]*\br="([A-Z]+)([0-9]+)"')
_LAST_ROW: Final = re.compile(rb' r="[A-Z]*([0-9]{1,12})"')
_COLUMN_OF_CELL: Final = re.compile(rb'\sr="([A-Z]{1,3})[0-9]')
_THREE_LETTERS: Final = re.compile(rb'\sr="[A-Z]{3}[0-9]')
_TWO_LETTERS: Final = 702
"""The columns up to ZZ."""
_MOST_CELLS: Final = 50_000_000
_MOST_COLUMNS: Final = 2_000
_LONG: Final = re.compile(rb">(-?\d{16,})</(?:\w+:)?v>")
_STYLE: Final = re.compile(rb'\bs="(\d+)"')
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class _XlsxStyles:
    formats: Mapping[int, NumberFormat] = field(default_factory=dict)
    """Style -> its number format, where that shows more than the value."""
    crossed: frozenset[int] = frozenset()


class XlsxLooks:
    """The looks of the sheets of one .xlsx or .xlsm file."""

    def __init__(self, path: Path) -> None:
        self._book = zipfile.ZipFile(path)
        self._parts = sheet_parts(self._book)
        self._styles: _XlsxStyles | None = None

    def close(self) -> None:
        """Close the file."""
        self._book.close()

    def __call__(self, name: str) -> Look:
        """Return the look of a sheet; nothing is known of one that is not a worksheet."""
        part = self._parts.get(name)
        if part is None or part not in self._book.namelist():
            return Look()
        if self._styles is None:
            self._styles = _styles(self._book)
        xml = _with_references(self._book.read(part))
        look = Look(
            hidden_rows=_hidden_rows(xml, filtered=self._is_filtered(part, xml)),
            hidden_columns=_hidden_columns(xml),
            merged=_merged(xml),
            exact=dict(_exact(xml)),
            odd=dict(_odd_cells(xml)),
        )
        _add_styles(look, xml, self._styles)
        return look

    def refuse_far_cells(self, name: str) -> None:
        """Raise SourceError for a sheet with a cell so far away that what is between fills memory.

        The reader of values makes a rectangle of all cells from A1 on.
        """
        part = self._parts.get(name)
        if part is None or part not in self._book.namelist():
            return
        xml = self._book.read(part)
        last = _LAST_ROW.match(xml, xml.rfind(b' r="'))
        rows = int(last[1]) if last else 0
        if rows * _TWO_LETTERS <= _MOST_CELLS and not _THREE_LETTERS.search(xml):
            return
        columns = max(map(column_number, {*_COLUMN_OF_CELL.findall(xml)}), default=0)
        # A filled cell takes more bytes than one.
        if rows * columns > len(xml) and (rows * columns > _MOST_CELLS or columns > _MOST_COLUMNS):
            corner = f"{_letters(columns).decode()}{rows}"
            raise SourceError(
                f"Sheet {name!r} reaches to cell {corner}, and nearly all of it is empty: it is "
                "too large to read.",
                fix="Delete the cells that are far from the table (Ctrl+End goes to the last), "
                "save the workbook and load it again.",
            )

    def _is_filtered(self, part: str, xml: bytes) -> bool:
        """Return whether a filter of the sheet, or of a table in it, leaves rows out."""
        if b"filterColumn" in xml:
            return True
        folder, _, name = part.rpartition("/")
        relations = f"{folder}/_rels/{name}.rels"
        if relations not in self._book.namelist():
            return False
        targets = (
            posixpath.normpath(posixpath.join(folder, str(each.get("Target"))))
            for each in parsed_xml(self._book.read(relations), relations)
            if "/table" in str(each.get("Type"))
        )
        known = {*self._book.namelist()}
        return any(t in known and b"filterColumn" in self._book.read(t) for t in targets)


def sheet_parts(book: zipfile.ZipFile) -> dict[str, str]:
    """Return the sheets of an .xlsx or .xlsm file: name -> name of its part in the zip file."""
    relations_part = "xl/_rels/workbook.xml.rels"
    root = parsed_xml(book.read("xl/workbook.xml"), "xl/workbook.xml")
    relations = {
        e.get("Id"): str(e.get("Target"))
        for e in parsed_xml(book.read(relations_part), relations_part)
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


def parsed_xml(xml: bytes, part: str) -> ET.Element:
    """Return a part of a workbook as a tree; characters that XML does not allow are left out.

    Raises
    ------
    SourceError
        It is damaged.
    """
    try:
        return ET.fromstring(xml)  # noqa: S314 - the user's own file, and expat bounds expansion
    except (ET.ParseError, ValueError):
        pass
    try:
        return ET.fromstring(_NOT_XML.sub("", xml.decode("utf-8", "ignore")))  # noqa: S314
    except (ET.ParseError, ValueError) as error:
        raise SourceError(
            f"The workbook is damaged: {part}: {error}.",
            fix="Open it in Excel or LibreOffice, save it as .xlsx and load it again.",
        ) from None


def column_number(letters: bytes) -> int:
    """Return the number of a column: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _with_references(xml: bytes) -> bytes:
    """Return a sheet whose cells all say where they are: some programs leave that out."""
    first = re.search(rb"<(?:\w+:)?c\b[^>]*>", xml)
    if first is None or _PLACE.match(first[0]):
        return xml
    row, column = 0, 0

    def placed(tag: re.Match[bytes]) -> bytes:
        nonlocal row, column
        if tag[2] == b"row":
            number = _NUMBER.search(tag[3])
            row, column = int(number[1]) if number else row + 1, 0
            return tag[0]
        column += 1
        return b'<%s%s r="%s%d"%s>' % (tag[1] or b"", tag[2], _letters(column), row, tag[3])

    return re.sub(rb"<(\w+:)?(row|c)\b([^>]*)>", placed, xml)


def _letters(number: int) -> bytes:
    name = b""
    while number:
        number, rest = divmod(number - 1, 26)
        name = bytes([65 + rest]) + name
    return name


# -- rows and columns that are not shown -----------------------------------------------------------


def _hidden_rows(xml: bytes, *, filtered: bool) -> dict[int, str]:
    zero_height = re.search(rb'<(?:\w+:)?sheetFormatPr\b[^>]*\szeroHeight="(?:1|true)"', xml)
    if not (zero_height or b" hidden=" in xml or b' ht="0' in xml):
        return {}
    found, number = {}, 0
    for row in _ROW.finditer(xml):
        given = _NUMBER.search(row[1])
        number = int(given[1]) if given else number + 1
        if _HIDDEN.search(row[1]) or (zero_height and b"hidden=" not in row[1]):
            grouped = "collapsed" if _GROUPED.search(row[1]) else "hidden"
            found[number - 1] = "filtered" if filtered else grouped
    return found


def _hidden_columns(xml: bytes) -> set[int]:
    head = xml[: max(xml.find(b"sheetData"), 0)]
    hidden: set[int] = set()
    for column in _COLUMN.finditer(head):
        if _HIDDEN.search(column[1]):
            first, last = (int(a or b) for a, b in sorted(_RANGE.findall(column[1]), reverse=True))
            hidden.update(range(first - 1, min(last, 16_384)))
    return hidden


def _merged(xml: bytes) -> list[tuple[int, int, int, int]]:
    start = xml.find(b"mergeCells")  # behind the cells, so that these are not searched
    return [
        (int(m[2]) - 1, column_number(m[1]) - 1, int(m[4]) - 1, column_number(m[3]) - 1)
        for m in (_MERGED.finditer(xml, start) if start >= 0 else ())
    ]


# -- cells -----------------------------------------------------------------------------------------


def _styles(book: zipfile.ZipFile) -> _XlsxStyles:
    if "xl/styles.xml" not in book.namelist():
        return _XlsxStyles()
    root = parsed_xml(book.read("xl/styles.xml"), "xl/styles.xml")
    codes = dict(BUILT_IN)
    codes |= {
        int(e.get("numFmtId", 0)): str(e.get("formatCode", "")) for e in _children(root, "numFmts")
    }
    crossed_fonts = {
        place for place, font in enumerate(_children(root, "fonts")) if _is_struck(font)
    }
    formats, crossed = {}, set()
    for place, style in enumerate(_children(root, "cellXfs")):
        code = codes.get(int(style.get("numFmtId", 0)))
        if code and (made := number_format(code)).tells:
            formats[place] = made
        if int(style.get("fontId", 0)) in crossed_fonts:
            crossed.add(place)
    return _XlsxStyles(formats, frozenset(crossed))


def _children(root: ET.Element, name: str) -> Iterator[ET.Element]:
    return itertools.chain.from_iterable(e for e in root if e.tag.endswith(f"}}{name}"))


def _is_struck(font: ET.Element) -> bool:
    return any(e.tag.endswith("}strike") and e.get("val", "1") not in {"0", "false"} for e in font)


def _add_styles(look: Look, xml: bytes, styles: _XlsxStyles) -> None:
    """Add the cells whose style shows more than the value, or strikes it through."""
    wanted = {*styles.formats, *styles.crossed}
    if not wanted:
        return
    # The numbers of styles are tried in the pattern, so that other cells cost nearly nothing.
    numbers = b"|".join(b"%d" % number for number in sorted(wanted))
    cells = re.compile(rb'<(?:\w+:)?c\s(?=[^>]*\bs="(?:%s)")([^>]*)(?<!/)>' % numbers)
    for found in cells.finditer(xml):
        place, style = _PLACE.match(found[0]), _STYLE.search(found[1])
        if place is None or style is None:
            continue
        cell = int(place[2]) - 1, column_number(place[1]) - 1
        if (given := styles.formats.get(int(style[1]))) is not None:
            look.formats[cell] = given
        if int(style[1]) in styles.crossed:
            look.crossed.add(cell)


def _exact(xml: bytes) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the cells with a whole number of more digits than a spreadsheet keeps.

    Programs that write workbooks write all digits of an order number. Excel itself keeps 15 and
    fills up with zeros: that number is given as rounded, which it is.
    """
    for found in _LONG.finditer(xml):
        place = _cell_before(xml, found.start())
        if place is None:
            continue
        digits = found[1].decode()
        rounded = not digits.lstrip("-")[15:].strip("0")
        yield place, f"{int(digits):.14e}" if rounded else digits


def _odd_cells(xml: bytes) -> Iterator[tuple[tuple[int, int], str | None]]:
    """Yield the place and error text of each cell with an error; None for a missing value."""
    for found in _ERROR.finditer(xml) if b't="e"' in xml else ():
        place = _PLACE.match(found[0])
        if place:
            yield (int(place[2]) - 1, column_number(place[1]) - 1), found[1].decode()
    if not any(mark in xml for mark in (b"<f>", b"<f ", b":f>", b":f ")):
        return
    for found in _NO_VALUE.finditer(xml):
        start = max(xml.rfind(b"<c ", 0, found.start()), xml.rfind(b"<x:c ", 0, found.start()))
        place = _PLACE.match(xml, max(start, 0))
        # t="str" marks a formula whose value is text, and an empty text is a value.
        if place and b't="str"' not in xml[place.start() : found.start()]:
            yield (int(place[2]) - 1, column_number(place[1]) - 1), None


def _cell_before(xml: bytes, at: int) -> tuple[int, int] | None:
    """Return the place of the cell that begins before `at`."""
    start = max(xml.rfind(b"<c ", 0, at), xml.rfind(b":c ", 0, at))
    if start >= 0 and xml[start : start + 1] == b":":
        start = xml.rfind(b"<", 0, start)
    place = _PLACE.match(xml, max(start, 0))
    return (int(place[2]) - 1, column_number(place[1]) - 1) if place else None
