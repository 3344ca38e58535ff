"""New cells into a delimited text file, every other byte as it was.

Records are found by counting quotes, never decoded and encoded again, so odd quoting, spaces and
mixed line ends survive. Delimiters, quotes and line ends are ASCII; UTF-16 passes through UTF-8 on
its way.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from shipkit.errors import WriteBackError
from shipkit.orders.cells import unique_names
from shipkit.outputs.writeback.additions import Additions
from shipkit.outputs.writeback.origin import SourceFile

__all__ = ["Layout", "appended", "layout_of", "records", "write_text"]

_LINES_ABOVE = 200
"""How many lines may stand above the headings."""


@dataclass(frozen=True)
class Layout:
    """How a file is laid out, found in a first pass."""

    delimiter: bytes
    header: int | None
    """Place of the record of headings; None when there is none."""
    headings: tuple[str, ...]
    width: int
    """Cells in the widest record from the headings on."""
    count: int
    """Records below the headings, empty lines not counted."""
    quote_all: bool
    even: bool = False
    """Every record below the headings is as wide as the widest: none needs widening."""
    codec: str = "utf-8"
    """Of the bytes that are passed on; UTF-16 is passed on as UTF-8."""
    probe: dict[int, list[str]] = field(default_factory=dict)
    """Some lines of the file, to compare with what was read."""


def write_text(
    file: SourceFile, dest: Path, new: Additions, compare: Mapping[int, Sequence[str | None]]
) -> None:
    """Write `dest`: the text file with the new cells; packed when its name ends in ``.gz``. Raises WriteBackError.

    `compare` holds some lines as they were read, to be sure that line and record are the same.
    """
    with file.open() as source:
        layout = layout_of(
            _utf8_lines(source, file.encoding),
            file.delimiter,
            file.columns if file.header else (),
            compare,
            encoding=file.encoding,
        )
    for line, cells in compare.items():
        there = layout.probe.get(line, [])
        if [cell or None for cell in there[: len(cells)]] != [
            cell or None for cell in cells[: len(there)]
        ]:
            raise WriteBackError(
                f"Line {line} of {file.path.name} is not where it was.",
                fix="Write to a new format: write_back('orders_shipped.xlsx').",
            )
    mark, encoding = _utf16_mark(file)
    with file.open() as source, _created(dest) as out:
        made = appended(_utf8_lines(source, file.encoding), layout, new)
        out.write(mark)
        out.writelines(
            made if encoding is None else (record.decode().encode(encoding) for record in made)
        )


def layout_of(
    lines: Iterable[bytes],
    delimiter: str,
    columns: Sequence[str],
    wanted: Iterable[int],
    *,
    encoding: str = "utf-8",
) -> Layout:
    """Return the layout of a file whose headings became `columns` when it was read; `wanted` lines are kept to compare."""
    mark, wanted = delimiter.encode(), set(wanted)
    codec = "utf-8" if encoding.startswith(("utf-16", "utf-8")) else encoding
    probe: dict[int, list[str]] = {}
    header, headings, width, count, quote_all = _none_above(columns)
    narrowest: int | None = None
    for place, record in enumerate(records(lines)):
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
        if count in wanted:
            probe[count] = _decoded(body, delimiter, codec)
    if headings and header is None:
        raise WriteBackError(
            "The line of headings was not found in the source.",
            fix="Write to a new format, such as write_back('orders_shipped.xlsx').",
        )
    return Layout(mark, header, headings, width, count, quote_all, narrowest == width, codec, probe)


def appended(lines: Iterable[bytes], layout: Layout, new: Additions) -> Iterator[bytes]:
    """Yield the file's records with the new cells: in the column that has the heading, else behind the last one."""
    places = {
        heading: layout.headings.index(heading)
        for heading in new.headings
        if heading in layout.headings
    }
    behind = [heading for heading in new.headings if heading not in places]
    suffixes = (
        new.joined(behind, layout.delimiter.decode(), quote_all=layout.quote_all)
        if behind
        else iter(())
    )
    inside = (
        (dict(zip(new.headings, cells, strict=True)) for cells in new.lines())
        if places
        else iter(())
    )
    blank = layout.delimiter.join([b'""' if layout.quote_all else b""] * len(behind))
    mark = layout.delimiter
    number = 0
    for place, record in enumerate(records(lines)):
        body = record.rstrip(b"\r\n")
        if layout.header is not None and place <= layout.header:
            cell = _quoter(layout)
            yield (
                _widened(body, layout, layout.delimiter.join(map(cell, behind)))
                + record[len(body) :]
                if place == layout.header and behind
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
        if behind:
            suffix = next(suffixes, None)
            cells = blank if suffix is None else suffix.encode(layout.codec, errors="replace")
            body = body + mark + cells if layout.even else _widened(body, layout, cells)
        yield body + end


def records(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole records with their line ends: a record goes on while a quote is open."""
    held: list[bytes] = []
    is_open = False
    for line in lines:
        if line.count(b'"') % 2:
            is_open = not is_open
        if is_open:
            held.append(line)
        elif held:
            yield b"".join([*held, line])
            held = []
        else:
            yield line
    if held:
        yield b"".join(held)


def _utf8_lines(file: io.BufferedIOBase, encoding: str) -> Iterator[bytes]:
    """Yield the lines of `file` as bytes in which delimiters, quotes and line ends are ASCII."""
    if encoding.startswith("utf-16"):
        text = codecs.getreader(encoding)(cast("IO[bytes]", file)).read()
        yield from (line.encode() for line in io.StringIO(text, newline=""))
        return
    for line in file:
        if line.count(b"\r") > line.endswith(
            b"\r\n"
        ):  # line ends of another age, alone or mixed in
            yield from line.splitlines(keepends=True)
        else:
            yield line


def _utf16_mark(file: SourceFile) -> tuple[bytes, str | None]:
    """Return the byte order mark and the exact encoding of a UTF-16 file; nothing for any other."""
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
    """Return the start of a first pass: headings are looked for unless the columns were numbered for want of any."""
    numbered = list(columns) == [f"Column {n}" for n in range(1, len(columns) + 1)]
    return None, () if numbered else tuple(columns), len(columns), 0, False


def _are_headings(cells: Sequence[str], columns: Sequence[str]) -> bool:
    """Return whether a record became `columns` when it was read; one file of several may have only some of them."""
    names = unique_names(
        [cell.strip().lstrip("\ufeff") for cell in cells], ("row_number", "source_file")
    )
    return names == list(columns) or (len(names) > 1 and set(names) <= set(columns))


def _raw_cells(body: bytes, delimiter: bytes) -> list[bytes]:
    """Return the cells as they stand, quotes and all: joined by the delimiter they are the record again."""
    parts = body.split(delimiter)
    if b'"' not in body:
        return parts
    cells: list[bytes] = []
    held: list[bytes] = []
    for part in parts:
        held.append(part)
        if sum(p.count(b'"') for p in held) % 2 == 0:
            cells.append(delimiter.join(held))
            held = []
    return [*cells, delimiter.join(held)] if held else cells


def _decoded(body: bytes, delimiter: str, codec: str) -> list[str]:
    text = _text(body.removeprefix(codecs.BOM_UTF8), codec)
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


def _text(body: bytes, codec: str) -> str:
    for name in ("utf-8", codec):  # a Windows file may hold lines of UTF-8
        try:
            return body.decode(name)
        except UnicodeDecodeError:
            pass
    return body.decode("latin-1")


def _quoter(layout: Layout) -> Callable[[str], bytes]:
    special = {*layout.delimiter.decode(), '"', "\r", "\n"}

    def quoted(text: str) -> bytes:
        if layout.quote_all or not special.isdisjoint(text):
            text = '"' + text.replace('"', '""') + '"'
        return text.encode(layout.codec, errors="replace")

    return quoted


def _widened(body: bytes, layout: Layout, suffix: bytes) -> bytes:
    """Return a record as wide as the widest, then `suffix`."""
    return body + layout.delimiter * (layout.width - _width(body, layout.delimiter) + 1) + suffix


def _width(body: bytes, delimiter: bytes) -> int:
    """Return how many cells a record has: delimiters inside quotes do not count."""
    outside = b"".join(body.split(b'"')[::2]) if b'"' in body else body
    return outside.count(delimiter) + 1


def _filled(body: bytes, layout: Layout, number: int, values: Mapping[int, str]) -> bytes:
    """Return the record with `values` (place -> text) in columns that the source has; what stands there is never replaced by something else."""
    if not values:
        return body
    cell = _quoter(layout)
    raw = _raw_cells(body, layout.delimiter)
    raw += [b""] * (max(values) + 1 - len(raw))
    for place, text in values.items():
        there = raw[place].strip().strip(b'"').strip()
        if text and there not in {b"", text.encode()}:
            raise WriteBackError(
                f"Line {number} has {layout.headings[place]} already: it is not replaced by "
                "another value.",
                fix='Name another heading: write_back(columns={"tracking_numbers": "Tracking '
                'number 2"}).',
            )
        if text and not there:
            raw[place] = cell(text)
    return layout.delimiter.join(raw)
