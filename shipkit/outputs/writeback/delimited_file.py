"""Add cells to a delimited text file and leave every other byte as it was.

Records are never parsed and written again, so that unusual quoting, spaces and mixed line ends
survive. Which lines are which row is what the reader of the orders found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shipkit.errors import WriteBackError
from shipkit.orders.line_account import SourceLines
from shipkit.outputs.writeback.additions import Additions, existing_columns
from shipkit.outputs.writeback.file_bytes import TextBytes
from shipkit.outputs.writeback.file_records import (
    FileRecord,
    cells_of,
    raw_cells,
    records,
    rewrapped,
    unwrapped,
    width_of,
)
from shipkit.outputs.writeback.origin import SourceFile

__all__ = ["DelimitedLayout", "appended", "layout_of", "write_text"]


@dataclass(frozen=True)
class DelimitedLayout:
    """How a file is laid out, as a first pass over it found."""

    delimiter: bytes
    headings: tuple[str, ...]
    """Empty if the file has none."""
    width: int
    """How many cells the widest row has, headings included."""
    quote_all: bool
    even: bool
    """Whether all rows have `width` cells, so that none needs filling up."""
    blanks: bool = False
    """Whether a quote opens a cell after blanks as well."""

    def width_of(self, body: bytes) -> int:
        """Return how many cells a record has."""
        return width_of(body, self.delimiter, blanks=self.blanks)


def write_text(file: SourceFile, dest: Path, new: Additions, lines: SourceLines) -> list[int]:
    """Write the text file `file` with the new cells to `dest`.

    Parameters
    ----------
    lines
        Where its rows are, as the reader that loaded them found.

    Returns
    -------
    list of int
        The column of each new heading, from 0.
    """
    text = TextBytes(file)
    with text.lines() as source:
        layout = layout_of(source, file, lines, text.decoded)
    places = existing_columns(new.headings, layout.headings, file.columns)
    behind = [heading for heading in new.headings if heading not in places]
    with text.lines() as source, text.created(dest) as out:
        out.writelines(appended(source, layout, new, lines, places, text.encoded))
    places |= {heading: layout.width + place for place, heading in enumerate(behind)}
    return [places[heading] for heading in new.headings]


def layout_of(
    source: Iterable[bytes],
    file: SourceFile,
    lines: SourceLines,
    decoded: Callable[[bytes], str],
) -> DelimitedLayout:
    """Return the layout of a file. Raises WriteBackError when a row is not where it was read."""
    mark = file.delimiter.encode()
    headings: tuple[str, ...] = ()
    quote_all, width = False, 0
    widths, after_blanks = _Widths(), _Widths()
    for record in records(source, lines):
        if record.row is None:
            continue
        body = record.body
        if record.row == 0:
            headings = tuple(cells_of(body, mark, decoded))
            quote_all = all(cell.startswith(b'"') for cell in raw_cells(body, mark))
            width = len(headings)
            continue
        body = unwrapped(body, mark, len(headings)) or body
        cells = width_of(body, mark)
        widths.add(cells)
        after_blanks.add(width_of(body, mark, blanks=True) if b' "' in body else cells)
    blanks = bool(headings) and after_blanks.most <= width < widths.most
    found = after_blanks if blanks else widths
    width = max(width, found.most)
    return DelimitedLayout(mark, headings, width, quote_all, found.least in {None, width}, blanks)


@dataclass
class _Widths:
    """The least and the most cells of a record."""

    least: int | None = None
    most: int = 0

    def add(self, cells: int) -> None:
        if cells != self.least:
            self.least = cells if self.least is None else min(self.least, cells)
            self.most = max(self.most, cells)


def appended(
    source: Iterable[bytes],
    layout: DelimitedLayout,
    new: Additions,
    lines: SourceLines,
    places: Mapping[str, int],
    encoded: Callable[[str], bytes],
) -> Iterator[bytes]:
    """Yield the records of the file with the new cells.

    Parameters
    ----------
    places
        Heading -> the existing column that gets its cells; all others come after the last column.
    """
    behind = [heading for heading in new.headings if heading not in places]
    suffixes = new.joined(behind, layout.delimiter.decode(), quote_all=layout.quote_all)
    inside = new.lines(list(places)) if places else iter(())
    cell = _quoter(layout, encoded)
    for record in records(source, lines):
        body = record.body
        if record.row is None or (record.row == 0 and not behind):
            yield body + record.end
            continue
        if record.row == 0:
            yield _widened(body, layout, layout.delimiter.join(map(cell, behind))) + record.end
            continue
        whole = unwrapped(body, layout.delimiter, len(layout.headings))
        row = whole if whole is not None else body
        if places:
            values = dict(zip(places.values(), next(inside), strict=True))
            row = _filled(row, layout, record, values, cell)
        if behind:
            cells = encoded(next(suffixes))
            plain = layout.even and whole is None
            row = row + layout.delimiter + cells if plain else _widened(row, layout, cells)
        yield (row if whole is None else rewrapped(row)) + record.end


def _quoter(layout: DelimitedLayout, encoded: Callable[[str], bytes]) -> Callable[[str], bytes]:
    special = {*layout.delimiter.decode(), '"', "\r", "\n"}

    def quoted(text: str) -> bytes:
        if layout.quote_all or not special.isdisjoint(text):
            text = '"' + text.replace('"', '""') + '"'
        return encoded(text)

    return quoted


def _widened(body: bytes, layout: DelimitedLayout, suffix: bytes) -> bytes:
    """Return a record filled up to the width of the widest, followed by `suffix`."""
    return body + layout.delimiter * (layout.width - layout.width_of(body) + 1) + suffix


def _filled(
    body: bytes,
    layout: DelimitedLayout,
    record: FileRecord,
    values: Mapping[int, str],
    cell: Callable[[str], bytes],
) -> bytes:
    """Return the record with `values` (column -> text) in existing columns.

    Raises WriteBackError for a cell that already has another value: it is never overwritten.
    """
    wanted = {place: text for place, text in values.items() if text}
    if not wanted:
        return body
    raw = raw_cells(body, layout.delimiter, blanks=layout.blanks)
    raw += [b""] * (max(wanted) + 1 - len(raw))
    for place, text in wanted.items():
        there = raw[place].strip().strip(b'"').strip()
        if there and there != cell(text).strip(b'"'):
            raise WriteBackError(
                f"Row {record.row} already has another value in {layout.headings[place]!r} (line "
                f"{record.line}). It is not overwritten.",
                fix='Choose another heading: write_back(columns={"tracking_numbers": "Tracking '
                'number 2"}).',
            )
        if not there:
            raw[place] = cell(text)
    return layout.delimiter.join(raw)
