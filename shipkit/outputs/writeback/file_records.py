"""The records of a delimited text file as bytes, and the row that each of them is."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from shipkit.errors import WriteBackError
from shipkit.orders.line_account import SourceLines

__all__ = [
    "FileRecord",
    "cells_of",
    "raw_cells",
    "records",
    "rewrapped",
    "unwrapped",
    "width_of",
]


class FileRecord(NamedTuple):
    """One record: a line of the file, or several when a cell has line breaks."""

    row: int | None
    """Row number; 0 for the headings, None for lines that are no row (blank, title, footer)."""
    line: int
    """The line that it begins in, from 1."""
    body: bytes
    end: bytes
    """Its line end."""


def records(source: Iterable[bytes], lines: SourceLines) -> Iterator[FileRecord]:
    """Yield the records of a file, each with its row. No byte is lost or changed.

    Where a record begins is what the reader found: a row ends before the next row, and before the
    next line that was set aside.

    Raises
    ------
    WriteBackError
        The file is shorter than it was.
    """
    numbers, rows = _begins(lines)
    place, wanted = 0, numbers[0] if numbers else 0
    held: list[bytes] = []
    row, first = None, 1
    for number, line in enumerate(source, start=1):
        if number == wanted:
            if held:
                yield _record(row, first, held)
            held, row, first = [], rows[place], number
            place += 1
            wanted = numbers[place] if place < len(numbers) else 0
        held.append(line)
    if held:
        yield _record(row, first, held)
    if wanted:
        raise WriteBackError(
            f"The file ends before line {wanted}. Nothing was written.",
            fix="Write another format: write_back('orders_shipped.xlsx').",
        )


def _begins(lines: SourceLines) -> tuple[list[int], list[int | None]]:
    """Return the lines that something begins in, and what: a row, headings (0), none (None)."""
    aside = [line for part in lines.aside for line in part.lines]
    if lines.starts is None:
        starts = np.arange(lines.first, lines.first + lines.rows)
    else:
        starts = np.asarray(lines.starts)
    numbers = np.concatenate([starts, np.array([*lines.headings, *aside], dtype=np.int64)])
    order = np.argsort(numbers, kind="stable")
    place = len(starts) + len(lines.headings)
    rows = [n + 1 if n < len(starts) else 0 if n < place else None for n in order.tolist()]
    return numbers[order].tolist(), rows


def _record(row: int | None, first: int, held: Sequence[bytes]) -> FileRecord:
    data = held[0] if len(held) == 1 else b"".join(held)
    body = data.rstrip(b"\r\n")
    return FileRecord(row, first, body, data[len(body) :])


def raw_cells(body: bytes, delimiter: bytes, *, blanks: bool = False) -> list[bytes]:
    """Return the cells with their quotes; joined by the delimiter they are the record again.

    Parameters
    ----------
    blanks
        Whether a quote opens a cell after blanks as well: ``1001, "Lee, Ada"``.
    """
    return _cells(body, delimiter, blanks)[0] if b'"' in body else body.split(delimiter)


def cells_of(body: bytes, delimiter: bytes, decoded: Callable[[bytes], str]) -> list[str]:
    """Return the cells of a record as text, without their quotes."""
    return [
        decoded(_unquoted(cell)).strip().lstrip("\ufeff") for cell in raw_cells(body, delimiter)
    ]


def width_of(body: bytes, delimiter: bytes, *, blanks: bool = False) -> int:
    """Return how many cells a record has: delimiters inside quotes do not count.

    A quote that is never closed is text.
    """
    if b'"' in body:
        cells, is_open = _cells(body, delimiter, blanks)
        if not is_open:
            return len(cells)
    return body.count(delimiter) + 1


def unwrapped(body: bytes, delimiter: bytes, width: int) -> bytes | None:
    """Return what is inside of a row that was put in quotes as a whole; None for any other row.

    Excel does this to lines with a quote if its list separator is not the file's delimiter.
    """
    if width < 3 or not body.startswith(b'"') or not body.rstrip().endswith(b'"'):
        return None
    cells = _cells(body, delimiter, blanks=False)[0]
    inside = _unquoted(cells[0])
    if len(cells) != 1 or width_of(inside, delimiter) != width:
        return None
    return inside


def rewrapped(inside: bytes) -> bytes:
    """Return a row in quotes as a whole, as it was before :func:`unwrapped`."""
    return b'"' + inside.replace(b'"', b'""') + b'"'


def _cells(body: bytes, delimiter: bytes, blanks: bool) -> tuple[list[bytes], bool]:
    """Return the cells of a record with their quotes, and whether its last quote is open.

    As in Python's csv, which reads the files that DuckDB refuses, a quote opens a cell only as
    its first character: an inch mark within a cell is text.
    """
    start = len(codecs.BOM_UTF8) if body.startswith(codecs.BOM_UTF8) else 0
    mark = start
    cells: list[bytes] = []
    while True:
        at = opened = start
        while blanks and body.startswith(b" ", opened):
            opened += 1
        if body.startswith(b'"', opened):
            at = _closing(body, opened + 1)
            if at < 0:
                return [*cells, body[start:]], True
        end = body.find(delimiter, at)
        first = 0 if start == mark else start  # a byte order mark stays with the first cell
        if end < 0:
            return [*cells, body[first:]], False
        cells.append(body[first:end])
        start = end + len(delimiter)


def _closing(body: bytes, at: int) -> int:
    """Return the place after the quote that closes a cell; -1 when none does."""
    while (found := body.find(b'"', at)) >= 0:
        if not body.startswith(b'"', found + 1):
            return found + 1
        at = found + 2
    return -1


def _unquoted(cell: bytes) -> bytes:
    """Return a cell without its quotes, as Python's csv reads it."""
    text = cell.removeprefix(codecs.BOM_UTF8)
    if not text.startswith(b'"'):
        return text
    end = _closing(text, 1)
    end = len(text) + 1 if end < 0 else end
    return text[1 : end - 1].replace(b'""', b'"') + text[end:]
