"""Read a text file record by record, and repair what a strict reader refuses.

Every repair is noted with its rows. A row whose cells may be in the wrong columns is a problem.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from shipkit.common.relation import StageSchema
from shipkit.common.words import counted, row_list
from shipkit.errors import SourceError
from shipkit.orders.cells import Note, put, text_columns
from shipkit.orders.line_account import Aside, SourceLines, set_aside
from shipkit.orders.source.cell_places import CellPlaces, problem
from shipkit.orders.source.strict_text import TextRead
from shipkit.orders.source.text_bytes import line_count
from shipkit.orders.source.text_cells import TextDialect
from shipkit.orders.source.text_form import TextForm
from shipkit.orders.source.text_records import TextRecord, is_comment, records

__all__ = ["read_carefully"]

_CHUNK: Final = 50_000
"""Rows that are Python lists at a time: a million would take gigabytes."""
_FOOTERS: Final = 50
"""Rows at the end of a file that may be footers."""
_DELIMITERS: Final = ",;\t| "
_REPAIRS: Final = {
    "wrapped": "in quotes as a whole ({}): cut into cells like the others.",
    "quote": "with a quote that is not closed or not written twice ({}): read as text.",
    "delimiter": "with another delimiter than the rest of the file ({}): cut by it.",
}


def read_carefully(
    schema: StageSchema, path: Path, table: str, form: TextForm, name: str
) -> TextRead:
    """Read record by record, make every record as wide as the header, and note each repair.

    Raises
    ------
    SourceError
        There is no row below the headings of the file called `name`.
    """
    reader = _CarefulReader(form)
    with path.open(encoding="utf-8-sig", newline="") as file:
        for record in records(
            islice(file, form.first - 1, None), form.dialect, form.width, form.shapes
        ):
            reader.add(record)
    aside = [*form.aside, *reader.aside()]
    rows = len(reader.starts)
    if not rows:
        raise SourceError(
            f"{name} has a header row and no data rows.", fix="Export it again with orders in it."
        )
    first, last = form.headings_at
    lines = SourceLines(
        total=line_count(path),
        rows=rows,
        headings=form.heading_lines,
        inside=reader.breaks + last - first + 1 - len(form.heading_lines),
        aside=tuple(aside),
        starts=np.array(reader.starts),
    )
    relation = put(schema, table, reader.table())
    return TextRead(relation, lines, list(reader.notes()), list(reader.problems()))


class _CarefulReader:
    """The rows of a file, as they are read, and what was repaired in them."""

    def __init__(self, form: TextForm) -> None:
        self.form = form
        self.width = len(form.headings)
        self.starts = array("q")
        """The line in which each row begins."""
        self.breaks = 0
        """Line breaks inside cells."""
        self._rows: list[Sequence[str]] = []
        self._tables: list[pa.Table] = []
        self._blank: list[int] = []
        self._comments: list[int] = []
        self._footer: Aside | None = None
        self._repaired: dict[str, list[int]] = {}
        self._doubts: dict[int, str] = {}
        self._places = CellPlaces(form)

    def add(self, record: TextRecord) -> None:
        """Add a record: a row, a blank line or a comment."""
        first = record.first + self.form.first - 1
        cells: Sequence[str] = record.cells
        if len(cells) != self.width:
            if not any(cells) or not any(cell.strip() for cell in cells):
                self._set_aside(self._blank, first, record)
                return
            if len(cells) < self.width and is_comment(record.text):
                self._set_aside(self._comments, first, record)
                return
            record = self._cut_off(self._of_another_delimiter(record))
            cells = record.cells
        self.starts.append(first)
        self.breaks += record.last - record.first
        row = len(self.starts)
        if record.repaired:
            self._repaired.setdefault(record.repaired, []).append(row)
        if record.doubt:
            self._doubts[row] = record.doubt
        if len(cells) != self.width:
            self._places.add(row, list(cells))
            cells = [*cells, *[""] * (self.width - len(cells))][: self.width]
        self._rows.append(cells)
        if len(self._rows) >= _CHUNK:
            self._flush(_FOOTERS)

    def _set_aside(self, lines: list[int], first: int, record: TextRecord) -> None:
        lines.extend(range(first, first + record.last - record.first + 1))

    def _of_another_delimiter(self, record: TextRecord) -> TextRecord:
        """Return a record that is cut by another delimiter, if its cells are then as they should.

        Files that were put together from several have rows like this.
        """
        if len(record.cells) > 2 or self.width < 4:
            return record
        for mark in _DELIMITERS:
            if mark == self.form.delimiter or record.text.count(mark) < self.width - 1:
                continue
            cells, state = TextDialect(mark).cut(record.text)
            if (state, len(cells)) == ("whole", self.width) and not self.form.shapes.misfits(cells):
                return replace(record, cells=cells, repaired="delimiter")
        return record

    def _cut_off(self, record: TextRecord) -> TextRecord:
        """Return a record in quotes as a whole whose end is lost with the cells that it has.

        It has fewer than a row, and they look like the first ones of a row.
        """
        shapes, parts = self.form.shapes, record.cells[0].split(self.form.delimiter)
        if len(record.cells) != 1 or len(parts) < 2 or not shapes.columns or shapes.misfits(parts):
            return record
        return replace(record, cells=parts, repaired="wrapped")

    def _flush(self, keep: int) -> None:
        done = self._rows[: len(self._rows) - keep]
        self._rows = self._rows[len(done) :]
        self._tables.append(text_columns(done, self.width))

    def aside(self) -> Iterator[Aside]:
        """Yield the lines that are no rows; rows at the end that are a footer are dropped."""
        if self._blank:
            yield set_aside("blank", self._blank)
        if self._comments:
            yield set_aside("comment", self._comments)
        dropped: list[str] = []
        while self._rows and self._is_footer(len(self.starts)):
            dropped.append(next((cell for cell in self._rows.pop() if cell), ""))
            self._places.remove(len(self.starts))
            self._doubts.pop(len(self.starts), None)
            line = self.starts.pop()
        if dropped:
            shown = ", ".join(f'"{text.strip()}"' for text in reversed(dropped))
            text = f"{counted(len(dropped), 'row')} below the orders (a footer): {shown}."
            yield set_aside("footer", range(line, line + len(dropped)), text)

    def _is_footer(self, row: int) -> bool:
        """Whether the last row has one cell, such as "83 record(s) downloaded".

        A cell without a blank may be the number of an order whose row was cut off, and a text
        whose quote is not closed its beginning: that row stays, and waits for what it lacks.
        """
        if row in self._doubts or row in self._repaired.get("quote", ())[-1:]:
            return False
        texts = [cell.strip() for cell in self._rows[-1] if cell and cell.strip()]
        short = self._places.is_short(row)
        if self.width < 3 or not short or len(texts) != 1 or " " not in texts[0]:
            return False
        # With as many blanks or commas as a row, or a few bars, it may be an order in one piece.
        most = {**dict.fromkeys(", ", max(self.width - 1, 3)), **dict.fromkeys(";\t|", 4)}
        return all(texts[0].count(mark) < count for mark, count in most.items())

    def table(self) -> pa.Table:
        """Return all rows; they are gone from here."""
        self._flush(0)
        return pa.concat_tables(self._tables)

    def notes(self) -> Iterator[Note]:
        """Yield what was repaired."""
        for kind, rows in self._repaired.items():
            text = f"{counted(len(rows), 'row')} {_REPAIRS[kind].format(row_list(rows))}"
            yield Note("repaired", text, len(rows))
        short = self._places.short_rows
        if short:
            text = (
                f"{counted(len(short), 'row')} with fewer cells than the header "
                f"({row_list(short)}): the missing cells are empty."
            )
            yield Note("repaired", text, len(short))

    def problems(self) -> Iterator[Mapping[str, Any]]:
        """Yield the rows whose cells are not certain."""
        fix = "Correct the quotes of these lines: close each one, or write it twice inside a cell."
        for row, doubt in self._doubts.items():
            yield problem(row, "stray_quote", f"{doubt}, so the row is not certain", fix)
        for row in self._repaired.get("quote", ()):
            if row not in self._doubts:
                text = "a quote is not closed or not written twice; it is read as part of the text"
                yield {**problem(row, "stray_quote", text, fix), "severity": "warning"}
        yield from self._places.problems(len(self.starts))
