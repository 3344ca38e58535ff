"""Cut the lines of a text file into records, one way for every reader.

A record is a line, or several where a cell in quotes has line breaks. A quote that is not closed
would make one cell of the lines that follow: where these look like records of their own, they are,
and the quote is text.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from shipkit.orders.source.text_cells import TORN, TextDialect, readings

__all__ = ["ColumnShapes", "TextRecord", "is_comment", "records"]

_LONGEST: Final = 500
"""Lines of a file that one record may have."""
_TORN: Final = re.compile(TORN)
_COMMENT: Final = re.compile(r"#[ \ta-zA-Z!]|//|--[ -]")
_ENOUGH: Final = 0.6
"""Share of the cells that must look like their columns, for a line inside a cell to be a row."""


@dataclass(frozen=True, slots=True)
class TextRecord:
    """The cells of a record, and the lines that it is made of."""

    first: int
    last: int
    text: str
    cells: list[str]
    repaired: str | None = None
    """What was not as it should be: ``quote`` or ``wrapped``."""
    doubt: str | None = None
    """Why the cells are not certain: the row must wait."""


@dataclass(frozen=True)
class ColumnShapes:
    """What the cells of each column look like: digits, letters, a point, an at sign."""

    columns: tuple[frozenset[str], ...] = ()
    rows: int = 0

    @classmethod
    def of(cls, rows: Sequence[Sequence[str]], width: int) -> ColumnShapes:
        """Return the shapes of the rows with `width` cells."""
        full = [row for row in rows if len(row) == width]
        columns = zip(*full, strict=True) if full else ()
        return cls(tuple(frozenset(map(_shape, column)) for column in columns), len(full))

    def misfits(self, cells: Sequence[str]) -> int:
        """Return how many of the cells look like none of their column."""
        return sum(
            _shape(cell) not in shapes
            for cell, shapes in zip(cells, self.columns, strict=False)
            if cell.strip()
        )

    def like_a_row(self, cells: Sequence[str]) -> bool:
        """Whether cells of the right number look like those of other rows."""
        if not self.columns:
            return True
        fits = sum(_shape(cell) in shapes for cell, shapes in zip(cells, self.columns, strict=True))
        return fits >= _ENOUGH * len(cells)


def is_comment(text: str) -> bool:
    """Whether a line looks like a comment: ``# made by``; an order number ``#1001`` does not."""
    return bool(_COMMENT.match(text))


def _shape(cell: str) -> str:
    """Return what a cell looks like: ``d`` for digits, ``a`` for letters, ``da`` for both, ..."""
    text = cell.strip()
    shape = "d" if any(map(str.isdigit, text)) else ""
    shape += "a" if any(map(str.isalpha, text)) else ""
    if shape == "d":
        shape += "." if "." in text or "," in text else ""
    return shape + ("@" if "@" in text else "")


@dataclass
class _Lines:
    """The lines of a file with their numbers; the next ones can be looked at before their turn."""

    source: Iterator[str]
    number: int = 0
    ahead: deque[str] = field(default_factory=deque)

    def next(self) -> str | None:
        line = self.ahead.popleft() if self.ahead else next(self.source, None)
        self.number += line is not None
        return line

    def peek(self, place: int) -> str | None:
        """Return the line `place` lines below the current one."""
        while len(self.ahead) <= place:
            line = next(self.source, None)
            if line is None:
                return None
            self.ahead.append(line)
        return self.ahead[place]

    def skip(self, count: int) -> None:
        for _ in range(count):
            self.next()


def records(
    lines: Iterable[str], dialect: TextDialect, width: int, shapes: ColumnShapes | None = None
) -> Iterator[TextRecord]:
    """Yield the records of a file; blank lines are records without cells.

    Parameters
    ----------
    lines
        The lines with their ends, as a text file with ``newline=""`` yields them.
    width
        How many cells a record has: of several readings, the one with so many is right.
    shapes
        What the cells of each column look like, if that is known.
    """
    source, doubtful = _Lines(iter(lines)), 0
    reader = _RecordReader(dialect, width, shapes or ColumnShapes())
    while (line := source.next()) is not None:
        text = line.rstrip("\r\n")
        number = source.number
        if not text:
            yield TextRecord(number, number, "", [])
            continue
        if dialect.simple(text):
            record = TextRecord(number, number, text, dialect.split(text))
        else:
            record = reader.read(line, source)
        if record.doubt == _TWO_WAYS:
            doubtful = max(doubtful, reader.doubtful_to)
        elif number <= doubtful and record.doubt is None:
            record = replace(record, doubt=_TWO_WAYS)
        yield record


_TWO_WAYS: Final = (
    "a quote opens here and is closed some lines below, and the lines between look like rows of "
    "their own"
)
_PART: Final = "some lines inside a cell look like rows of their own"
_UNREAD: Final = "the quotes of the row can be read in no way or in several ways"


@dataclass
class _RecordReader:
    """Reads the records that have quotes."""

    dialect: TextDialect
    width: int
    shapes: ColumnShapes
    doubtful_to: int = 0
    """The last line that may belong to the record before."""

    def read(self, line: str, source: _Lines) -> TextRecord:
        """Return the record that begins with `line`."""
        number, text = source.number, line.rstrip("\r\n")
        unwrapped = self._unwrapped(number, number, text)
        if unwrapped is not None:
            return unwrapped
        cells, state = self.dialect.cut(text)
        if state == "whole":
            doubt = _UNREAD if _TORN.search("\x1f".join(cells)) else None
            return TextRecord(number, number, text, cells, None, doubt)
        if state == "open":
            joined = self._joined(line, source)
            if joined is not None:
                return joined
            loose = self._loosely_joined(line, source)
            if loose is not None:
                return loose
        found = self.readings(text)
        if len(found) == 1:
            return TextRecord(number, number, text, found[0], "quote")
        cells = found[0] if found else self.dialect.split(text)
        return TextRecord(number, number, text, cells, None, _UNREAD)

    def readings(self, text: str) -> list[list[str]]:
        return readings(text, self.width, self.dialect)

    def _unwrapped(self, first: int, last: int, text: str) -> TextRecord | None:
        """Return the record of a row that was put in quotes as a whole, None of any other."""
        inside = self.dialect.unwrapped(text) if self.width > 2 else None
        if inside is None or inside.count(self.dialect.delimiter) < 2:
            return None
        cells, state = self.dialect.cut(inside)
        if state != "whole":
            found = self.readings(inside)
            if len(found) != 1:
                return None
            cells = found[0]
        return TextRecord(first, last, inside, cells, "wrapped")

    def _joined(self, opening: str, source: _Lines) -> TextRecord | None:
        """Return the record of several lines whose quotes close as they should, or None."""
        first, lines = source.number, [opening]
        for place in range(_LONGEST):
            line = source.peek(place)
            if line is None:
                return None
            lines.append(line)
            if self.dialect.quote not in line:
                continue
            whole = _text(lines)
            cells, state = self.dialect.cut(whole)
            if state == "torn":
                return None
            if state == "whole":
                break
        else:
            return None
        last = first + len(lines) - 1
        record = self._unwrapped(first, last, whole) or TextRecord(first, last, whole, cells)
        like = [self._like_a_row(line.rstrip("\r\n")) for line in lines[1:]]
        text = opening.rstrip("\r\n")
        alone = self.readings(text)
        if all(like) and len(alone) == 1 and self.width > 1:
            self.doubtful_to = record.last
            return TextRecord(first, first, text, alone[0], "quote", _TWO_WAYS)
        source.skip(len(lines) - 1)
        if any(like):
            return replace(record, doubt=_PART)
        return record

    def _loosely_joined(self, opening: str, source: _Lines) -> TextRecord | None:
        """Return a record of several lines, one with a quote that is not written twice."""
        first, lines = source.number, [opening]
        for place in range(20):
            line = source.peek(place)
            if line is None or self._like_a_row(line.rstrip("\r\n")):
                return None
            lines.append(line)
            if self.dialect.quote not in line:
                continue
            found = self.readings(_text(lines))
            if len(found) == 1 and not any(map(self._open, found[0])):
                source.skip(len(lines) - 1)
                doubt = any(line.count(self.dialect.delimiter) > 1 for line in lines[1:-1])
                last = first + len(lines) - 1
                whole = _text(lines)
                return TextRecord(first, last, whole, found[0], "quote", _PART if doubt else None)
        return None

    def _open(self, cell: str) -> bool:
        """Whether a cell is text of several lines that begins with a quote as part of it."""
        return cell.startswith(self.dialect.quote) and "\n" in cell

    def _like_a_row(self, text: str) -> bool:
        inside = self.dialect.unwrapped(text)
        if inside is not None and inside.count(self.dialect.delimiter) > 1:
            text = inside
        cells, state = self.dialect.cut(text)
        if state != "whole":
            found = self.readings(text)
            cells = found[0] if len(found) == 1 else []
        return len(cells) == self.width > 2 and self.shapes.like_a_row(cells)


def _text(lines: Sequence[str]) -> str:
    """Return lines as one text, without the end of the last."""
    return "".join([*lines[:-1], lines[-1].rstrip("\r\n")])
