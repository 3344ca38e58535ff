"""Add cells to a delimited text file and leave every other byte as it was.

Records are cut where Python's csv cuts them. They are never parsed and written again, so that
unusual quoting, spaces and mixed line ends survive. Delimiters, quotes and line ends are ASCII in
every supported encoding but UTF-16, which is converted to UTF-8 and back.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from shipkit.errors import WriteBackError
from shipkit.orders.cells import unique_names
from shipkit.orders.source.encodings import line_text
from shipkit.outputs.writeback.additions import Additions
from shipkit.outputs.writeback.origin import SourceFile

__all__ = ["DelimitedLayout", "appended", "layout_of", "records", "write_text"]

_LINES_ABOVE = 200
"""How many lines above the headings are searched: reports begin with a title and a date range."""


@dataclass(frozen=True)
class DelimitedLayout:
    """How a file is laid out, as a first pass over it found."""

    delimiter: bytes
    header: int | None
    """Index of the record of headings; None if the file has no headings."""
    headings: tuple[str, ...]
    width: int
    """How many cells the widest record has, headings included."""
    count: int
    """How many records follow the headings, without empty lines."""
    quote_all: bool
    even: bool = False
    """Whether all records below the headings have `width` cells, so that none needs filling up."""
    codec: str = "utf-8"
    """Encoding of the records as they are handled here: UTF-8 for a UTF-16 file."""
    moved: int | None = None
    """The first row that is not what was read, None if there is none."""


def write_text(
    file: SourceFile, dest: Path, new: Additions, compare: Mapping[int, Sequence[str | None]]
) -> None:
    """Write the text file `file` with the new cells to `dest`, compressed if that ends in ``.gz``.

    `compare` holds some rows as they were read, by number. Raises WriteBackError when they are not
    where they were: numbers must not be written to another order's row.
    """
    with file.open() as source:
        layout = layout_of(
            _utf8_lines(source, file.encoding),
            file.delimiter,
            file.columns if file.header else (),
            compare,
            encoding=file.encoding,
        )
    if layout.count < len(compare):
        raise WriteBackError(
            f"{file.path.name} has {layout.count:,} rows and {len(compare):,} were read.",
            fix="Write another format: write_back('orders_shipped.xlsx').",
        )
    if layout.moved is not None:
        raise WriteBackError(
            f"Row {layout.moved} of {file.path.name} is not where it was when the file was read.",
            fix="Write another format: write_back('orders_shipped.xlsx').",
        )
    mark, encoding = _utf16_mark(file)
    with file.open() as source, _created(dest) as out:
        made = appended(_utf8_lines(source, file.encoding), layout, new)
        out.write(mark)
        out.writelines(
            made if encoding is None else (record.decode().encode(encoding) for record in made)
        )


def _same(there: Sequence[str], read: Sequence[str | None]) -> bool:
    """Return whether a record of the file has the cells that were read.

    A short record has its last cells empty. Cells beyond the headings were not read.
    """
    padded = [*there, *[""] * (len(read) - len(there))]
    return [cell or None for cell in padded[: len(read)]] == [cell or None for cell in read]


def layout_of(
    lines: Iterable[bytes],
    delimiter: str,
    columns: Sequence[str],
    compare: Mapping[int, Sequence[str | None]],
    *,
    encoding: str = "utf-8",
) -> DelimitedLayout:
    """Return the layout of a file whose headings were named `columns` when it was read.

    `compare` holds rows as they were read, by number: the first that differs is `moved`.
    """
    mark = delimiter.encode()
    codec = "utf-8" if encoding.startswith(("utf-16", "utf-8")) else encoding
    moved: int | None = None
    header, headings, width, count, quote_all = _none_above(columns)
    narrowest: int | None = None
    for place, record in enumerate(records(lines, mark)):
        body = record.rstrip(b"\r\n")
        if header is None and count == 0 and headings and place < _LINES_ABOVE:
            cells = _decoded(body, delimiter, codec)
            if _are_headings(cells, columns):
                header, headings, width = place, tuple(cells), len(cells)
                quote_all = all(
                    raw.lstrip(b"\xef\xbb\xbf").startswith(b'"') for raw in _raw_cells(body, mark)
                )
            continue
        if not body:
            continue
        count += 1
        cells_here = _width(body, mark)
        if cells_here != narrowest:
            narrowest = cells_here if narrowest is None else min(narrowest, cells_here)
            width = max(width, cells_here)
        if moved is None and count in compare:
            same = _same(_decoded(body, delimiter, codec), compare[count])
            moved = None if same else count
    if headings and header is None:
        raise WriteBackError(
            "The headings were not found in the orders file.",
            fix="Write another format: write_back('orders_shipped.xlsx').",
        )
    return DelimitedLayout(
        mark, header, headings, width, count, quote_all, narrowest == width, codec, moved
    )


def appended(lines: Iterable[bytes], layout: DelimitedLayout, new: Additions) -> Iterator[bytes]:
    """Yield the records of the file with the new cells.

    A new cell goes into the existing column with its heading, otherwise after the last column.
    """
    places = {
        heading: layout.headings.index(heading)
        for heading in new.headings
        if heading in layout.headings
    }
    appended_headings = [heading for heading in new.headings if heading not in places]
    suffixes = (
        new.joined(appended_headings, layout.delimiter.decode(), quote_all=layout.quote_all)
        if appended_headings
        else iter(())
    )
    inside = (
        (dict(zip(new.headings, cells, strict=True)) for cells in new.lines())
        if places
        else iter(())
    )
    blank = layout.delimiter.join([b'""' if layout.quote_all else b""] * len(appended_headings))
    mark = layout.delimiter
    number = 0
    for place, record in enumerate(records(lines, mark)):
        body = record.rstrip(b"\r\n")
        if layout.header is not None and place <= layout.header:
            cell = _quoter(layout)
            yield (
                _widened(body, layout, layout.delimiter.join(map(cell, appended_headings)))
                + record[len(body) :]
                if place == layout.header and appended_headings
                else record
            )
            continue
        if not body:
            yield record
            continue
        number += 1
        end = record[len(body) :]
        if places:
            values = next(inside, {})
            body = _filled(
                body,
                layout,
                number,
                {at: values[heading] for heading, at in places.items() if values.get(heading)},
            )
        if appended_headings:
            suffix = next(suffixes, None)
            # "replace": a service title may have a character that the file's encoding lacks.
            cells = blank if suffix is None else suffix.encode(layout.codec, errors="replace")
            body = body + mark + cells if layout.even else _widened(body, layout, cells)
        yield body + end


def records(lines: Iterable[bytes], delimiter: bytes) -> Iterator[bytes]:
    """Yield whole records with their line ends; a record continues while a quote is open."""
    held: list[bytes] = []
    for line in lines:
        if not held and b'"' not in line:
            yield line
            continue
        held.append(line)
        if not _cut(b"".join(held), delimiter)[1]:
            yield b"".join(held)
            held = []
    if held:
        yield b"".join(held)


def _cut(body: bytes, delimiter: bytes) -> tuple[list[bytes], bool]:
    """Return the cells of a record with their quotes, and whether its last quote is open.

    As in Python's csv, which reads the files that DuckDB refuses, a quote opens a cell only as
    its first character: an inch mark within a cell is text.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    cells: list[bytes] = []
    start = 0
    while True:
        at = start
        if body.startswith(b'"', start):
            at = _closing(body, start + 1)
            if at < 0:
                return [*cells, body[start:]], True
        end = body.find(delimiter, at)
        if end < 0:
            return [*cells, body[start:]], False
        cells.append(body[start:end])
        start = end + len(delimiter)


def _closing(body: bytes, at: int) -> int:
    """Return the place after the quote that closes a cell; -1 when none does."""
    while (found := body.find(b'"', at)) >= 0:
        if not body.startswith(b'"', found + 1):
            return found + 1
        at = found + 2
    return -1


def _utf8_lines(file: io.BufferedIOBase, encoding: str) -> Iterator[bytes]:
    """Yield the lines of `file` as bytes in which delimiters, quotes and line ends are ASCII."""
    if encoding.startswith("utf-16"):
        text = codecs.getreader(encoding)(cast("IO[bytes]", file)).read()
        yield from (line.encode() for line in io.StringIO(text, newline=""))
        return
    for line in file:
        # A lone \r is a line end too (classic Mac OS, and exports that mix several files).
        if line.count(b"\r") > line.endswith(b"\r\n"):
            yield from line.splitlines(keepends=True)
        else:
            yield line


def _utf16_mark(file: SourceFile) -> tuple[bytes, str | None]:
    """Return the byte order mark and the exact encoding of a UTF-16 file, else ``(b"", None)``."""
    if not file.encoding.startswith("utf-16"):
        return b"", None
    if file.encoding != "utf-16":
        return b"", file.encoding
    with file.open() as source:
        mark = source.read(2)
    return mark, "utf-16-be" if mark == codecs.BOM_UTF16_BE else "utf-16-le"


def _created(dest: Path) -> IO[bytes]:
    return (
        cast("IO[bytes]", gzip.open(dest, "wb"))
        if dest.suffix.lower() in {".gz", ".gzip"}
        else dest.open("wb")
    )


def _none_above(columns: Sequence[str]) -> tuple[None, tuple[str, ...], int, int, bool]:
    """Return the initial values of a first pass.

    There are no headings to look for if the reader had to number the columns.
    """
    numbered = list(columns) == [f"Column {n}" for n in range(1, len(columns) + 1)]
    return None, () if numbered else tuple(columns), len(columns), 0, False


def _are_headings(cells: Sequence[str], columns: Sequence[str]) -> bool:
    """Return whether a record holds the headings that were named `columns` by the reader.

    Of several files read together, one may have only some of the columns.
    """
    names = unique_names(
        [cell.strip().lstrip("\ufeff") for cell in cells], ("row_number", "source_file")
    )
    return names == list(columns) or (len(names) > 1 and set(names) <= set(columns))


def _raw_cells(body: bytes, delimiter: bytes) -> list[bytes]:
    """Return the cells with their quotes; joined by the delimiter they are the record again."""
    return _cut(body, delimiter)[0] if b'"' in body else body.split(delimiter)


def _decoded(body: bytes, delimiter: str, codec: str) -> list[str]:
    text = _text(body.removeprefix(codecs.BOM_UTF8), codec)
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


def _text(body: bytes, codec: str) -> str:
    """Return a record as the reader read it: each of its lines has its own encoding."""
    return "".join(line_text(line, codec) for line in body.splitlines(keepends=True))


def _quoter(layout: DelimitedLayout) -> Callable[[str], bytes]:
    special = {*layout.delimiter.decode(), '"', "\r", "\n"}

    def quoted(text: str) -> bytes:
        if layout.quote_all or not special.isdisjoint(text):
            text = '"' + text.replace('"', '""') + '"'
        return text.encode(layout.codec, errors="replace")

    return quoted


def _widened(body: bytes, layout: DelimitedLayout, suffix: bytes) -> bytes:
    """Return a record filled up to the width of the widest, followed by `suffix`."""
    return body + layout.delimiter * (layout.width - _width(body, layout.delimiter) + 1) + suffix


def _width(body: bytes, delimiter: bytes) -> int:
    """Return how many cells a record has: delimiters inside quotes do not count."""
    return len(_cut(body, delimiter)[0]) if b'"' in body else body.count(delimiter) + 1


def _filled(body: bytes, layout: DelimitedLayout, number: int, values: Mapping[int, str]) -> bytes:
    """Return the record with `values` (column index -> text) in existing columns.

    Raises WriteBackError for a cell that already has another value: it is never overwritten.
    """
    if not values:
        return body
    cell = _quoter(layout)
    raw = _raw_cells(body, layout.delimiter)
    raw += [b""] * (max(values) + 1 - len(raw))
    for place, text in values.items():
        there = raw[place].strip().strip(b'"').strip()
        if text and there not in {b"", text.encode()}:
            raise WriteBackError(
                f"Row {number} already has another value in {layout.headings[place]!r}. It is not "
                "overwritten.",
                fix='Choose another heading: write_back(columns={"tracking_numbers": "Tracking '
                'number 2"}).',
            )
        if text and not there:
            raw[place] = cell(text)
    return layout.delimiter.join(raw)
