"""What a person sees of the sheets of an .ods file: its cells hold the text that they show."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from shipkit.errors import SourceError
from shipkit.orders.source.number_formats import plain_number
from shipkit.orders.source.sheet_model import Look

__all__ = ["OdsLooks", "ShownText"]

_BLANK_ROWS: Final = 10_000
"""A sheet ends with a row that is repeated a million times: of repeated rows, no more are read."""
_JUST_A_NUMBER: Final = re.compile(r"[-+]?(?!0\d)[\d.,\s\u2019']*\d(?:[.,]\d*)?(?:E[-+]?\d+)?")


@dataclass(frozen=True)
class ShownText:
    """The text that a cell with a number shows, in place of a number format."""

    text: str
    code: str | None = None
    """The code of its currency."""

    def shown(self, value: float | str) -> str | None:
        """Return the text, None where it is no more than the value."""
        if isinstance(value, str) or _JUST_A_NUMBER.fullmatch(self.text) or self.code:
            return None
        return self.text

    def unit(self, value: float) -> str | None:
        """Return the number and the unit behind it, None without one."""
        found = re.search(r"\d\s*([^\W\d_]+|[\"″'′])\s*$", self.text)
        return f"{plain_number(value)} {found[1]}" if found else None

    def currency(self, value: float) -> str | None:
        """Return the amount and its currency; dollars are what is assumed."""
        if self.code in {None, "USD"}:
            return None
        return f"{self.code} {plain_number(value)}"


@dataclass
class _OdsStyles:
    hidden_tables: set[str] = field(default_factory=set)
    crossed: set[str] = field(default_factory=set)


class OdsLooks:
    """The looks of the sheets of one .ods file."""

    def __init__(self, path: Path) -> None:
        self.hidden_sheets: set[str] = set()
        self._looks: dict[str, Look] = {}
        with zipfile.ZipFile(path) as book, book.open("content.xml") as file:
            try:
                self._read(ET.iterparse(file, ("start", "end")))  # noqa: S314 - the user's own file
            except ET.ParseError as error:
                raise SourceError(
                    f"{path.name} is damaged: content.xml: {error}.",
                    fix="Open it in LibreOffice, save it as .xlsx and load that.",
                ) from None

    def __call__(self, name: str) -> Look:
        """Return the look of a sheet."""
        return self._looks.get(name, Look())

    def _read(self, events: Iterator[tuple[str, ET.Element]]) -> None:
        styles, groups = _OdsStyles(), 0
        table: _OdsTable | None = None
        for event, element in events:
            tag = element.tag.rpartition("}")[2]
            if event == "start":
                if tag == "table" and table is None:
                    table = _OdsTable(_get(element, "name") or "", styles)
                    if (_get(element, "style-name") or "") in styles.hidden_tables:
                        self.hidden_sheets.add(table.name)
                elif tag == "table-row-group" and _get(element, "display") == "false":
                    groups += 1
                continue
            if tag == "style":
                _add_style(styles, element)
            elif tag == "table-row-group" and _get(element, "display") == "false":
                groups -= 1
            elif tag == "table-column" and table:
                table.add_column(element)
            elif tag == "table-row" and table:
                table.add_row(element, collapsed=groups > 0)
                element.clear()
            elif tag == "table" and table and _get(element, "name") == table.name:
                self._looks[table.name] = table.look
                table = None
                element.clear()


class _OdsTable:
    """One sheet, while it is read."""

    def __init__(self, name: str, styles: _OdsStyles) -> None:
        self.name, self.look = name, Look()
        self._styles, self._row, self._column = styles, 0, 0

    def add_column(self, element: ET.Element) -> None:
        count = _count(element, "number-columns-repeated")
        if _get(element, "visibility") in {"collapse", "filter"}:
            self.look.hidden_columns.update(range(self._column, min(self._column + count, 16_384)))
        self._column += count

    def add_row(self, element: ET.Element, *, collapsed: bool) -> None:
        count = _count(element, "number-rows-repeated")
        visibility = _get(element, "visibility")
        reason = {"collapse": "hidden", "filter": "filtered"}.get(visibility or "")
        if reason is None and collapsed:
            reason = "collapsed"
        for row in range(self._row, self._row + min(count, _BLANK_ROWS)):
            if reason:
                self.look.hidden_rows[row] = reason
            self._add_cells(row, element)
        self._row += count

    def _add_cells(self, row: int, element: ET.Element) -> None:
        column = 0
        for cell in element:
            count = _count(cell, "number-columns-repeated")
            if len(cell) or _get(cell, "formula"):
                for place in range(column, column + min(count, 1000)):
                    self._add_cell(row, place, cell)
            column += count

    def _add_cell(self, row: int, column: int, cell: ET.Element) -> None:
        look, place = self.look, (row, column)
        texts = ["".join(p.itertext()) for p in cell if p.tag.endswith("}p")]
        kind = _get(cell, "value-type")
        if any(k.endswith("}value-type") and v == "error" for k, v in cell.attrib.items()):
            look.odd[place] = texts[0] if texts else "an error"
        elif _get(cell, "formula") and kind is None and not texts:
            look.odd[place] = None
        elif kind in {"float", "percentage", "currency"} and texts:
            look.formats[place] = ShownText(texts[0].strip(), _get(cell, "currency"))
        if _get(cell, "style-name") in self._styles.crossed:
            look.crossed.add(place)
        down = _count(cell, "number-rows-spanned")
        if down > 1:
            across = _count(cell, "number-columns-spanned")
            look.merged.append((row, column, row + down - 1, column + across - 1))


def _add_style(styles: _OdsStyles, element: ET.Element) -> None:
    name = _get(element, "name") or ""
    for part in element:
        if part.tag.endswith("}table-properties") and _get(part, "display") == "false":
            styles.hidden_tables.add(name)
        if part.tag.endswith("}text-properties"):
            line = _get(part, "text-line-through-style") or _get(part, "text-line-through-type")
            if line not in {None, "none"}:
                styles.crossed.add(name)


def _get(element: ET.Element, name: str) -> str | None:
    """Return an attribute by its name without the namespace, not LibreOffice's own copies."""
    return next(
        (
            value
            for key, value in element.attrib.items()
            if key.endswith(f"}}{name}") and "calcext" not in key
        ),
        None,
    )


def _count(element: ET.Element, name: str) -> int:
    given = _get(element, name)
    return int(given) if given and given.isdigit() else 1
