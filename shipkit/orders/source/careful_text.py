"""Read a text file record by record, and repair what a strict reader refuses."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shipkit.common.relation import StageSchema
from shipkit.common.words import counted, row_list
from shipkit.errors import SourceError
from shipkit.orders.cells import Note, put, text_columns
from shipkit.orders.lines import Aside, SourceLines, set_aside
from shipkit.orders.source.strict_text import TextRead, holds_records
from shipkit.orders.source.text_bytes import line_count
from shipkit.orders.source.text_form import TextForm

__all__ = ["read_carefully"]

_LONGEST_RECORD = 500
"""Lines of a file that one record may have. A quote that is never closed would swallow the rest."""


def read_carefully(
    schema: StageSchema, path: Path, table: str, form: TextForm, name: str
) -> TextRead:
    """Read record by record, make every record as wide as the header, and note each repair."""
    width = len(form.headings)
    notes: list[Note] = []
    broken: list[Mapping[str, Any]] = []
    rows: list[list[str | None]] = []
    short: list[int] = []
    wrapped: list[int] = []
    starts: list[int] = []
    blank: list[int] = []
    breaks = 0
    spare = _trailing_delimiters(path, form)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=form.delimiter)
        before = 0
        try:
            for place, record in enumerate(reader):
                if reader.line_num - before > _LONGEST_RECORD:
                    _refuse_open_quote(name, before + 1)
                if reader.line_num - before > 1 and any(
                    holds_records(cell, form) for cell in record
                ):
                    _refuse_merged(name, before + 1, reader.line_num)
                first, before = before + 1, reader.line_num
                if place < form.skip:
                    continue
                if not record:
                    blank.append(first)
                    continue
                starts.append(first)
                breaks += before - first
                number, inside = len(rows) + 1, _unwrapped(record, form)
                if inside is not None:
                    wrapped.append(number)
                rows.append(_widened(inside or record, width, number, broken, short, spare))
        except csv.Error as error:
            raise SourceError(
                f"{name}, line {reader.line_num}: {error}.",
                fix="Correct that line, or export the file again.",
            ) from None
    aside = [*form.aside, *([set_aside("blank", blank)] if blank else [])]
    aside += _drop_footer(rows, starts, short, width)
    if wrapped:
        text = (
            f"{counted(len(wrapped), 'row')} in quotes as a whole ({row_list(wrapped)}): cut into "
            "cells like the others."
        )
        notes.append(Note("repaired", text, len(wrapped)))
    if short:
        text = (
            f"{counted(len(short), 'row')} with fewer cells than the header ({row_list(short)}): "
            "the missing cells are empty."
        )
        notes.append(Note("repaired", text, len(short)))
    first, last = form.headings_at
    lines = SourceLines(
        total=line_count(path),
        rows=len(rows),
        headings=(first,) if form.header else (),
        inside=breaks + max(last - first, 0),
        aside=tuple(aside),
        starts=np.array(starts[: len(rows)]),
    )
    return TextRead(put(schema, table, text_columns(rows, width)), lines, notes, broken)


def _unwrapped(record: list[str], form: TextForm) -> list[str] | None:
    """Return the cells of a row that was put in quotes as a whole, None for any other row.

    Excel does this to lines with a quote if its list separator is not the file's delimiter.
    """
    width = len(form.headings)
    if len(record) != 1 or width < 3 or record[0].count(form.delimiter) < width - 1:
        return None
    inside = next(csv.reader([record[0]], delimiter=form.delimiter), [])
    return inside if len(inside) == width else None


def _trailing_delimiters(path: Path, form: TextForm) -> int:
    """Return how many cells more than the headings every full record has: delimiters at its end."""
    width = len(form.headings)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=form.delimiter)
        try:
            return min(
                (
                    len(record) - width
                    for place, record in enumerate(reader)
                    if place >= form.skip and len(record) >= width
                ),
                default=0,
            )
        except csv.Error:  # reading the rows names the line
            return 0


def _widened(
    record: list[str],
    width: int,
    number: int,
    broken: list[Mapping[str, Any]],
    short: list[int],
    spare: int,
) -> list[str | None]:
    if len(record) < width:
        short.append(number)
        return [*record, *[None] * (width - len(record))]
    extra = any(cell.strip() for cell in record[width:])
    if extra or len(record) > width + spare:
        broken.append(
            {
                "row_number": number,
                "field": None,
                "value": None,
                "severity": "error",
                "code": "too_many_cells",
                "problem": (
                    f"the row has {len(record)} cells and the header has {width}, so cells may "
                    "be in the wrong columns"
                ),
                "fix": (
                    "Put quotes around the cell that contains the delimiter, or remove the extra "
                    "cells."
                ),
            }
        )
    return list(record[:width])


def _drop_footer(
    rows: list[list[str | None]], starts: Sequence[int], short: list[int], width: int
) -> list[Aside]:
    """Drop rows at the end with one cell, such as "83 record(s) downloaded".

    A cell without a blank may be the number of an order whose row was cut off: that row stays, and
    waits for what it lacks.
    """
    dropped: list[str] = []
    while (
        width > 2
        and short
        and short[-1] == len(rows)
        and len(texts := [cell.strip() for cell in rows[-1] if cell and cell.strip()]) <= 1
        and (not texts or " " in texts[0])
    ):
        rows.pop()
        short.pop()
        dropped += texts or [""]
    if not dropped:
        return []
    shown = ", ".join(f'"{text}"' for text in reversed(dropped) if text)
    text = f"{counted(len(dropped), 'row')} below the orders (a footer)"
    text += f": {shown}." if shown else "."
    return [set_aside("footer", starts[len(rows) :], text)]


def _refuse_merged(name: str, first: int, last: int) -> None:
    raise SourceError(
        f'{name}, line {first}: a quote (") that is not closed in its line makes one cell of '
        f"lines {first}-{last}, which look like rows of their own.",
        fix="Close it or remove it; a quote that is part of a text is written twice.",
    )


def _refuse_open_quote(name: str, line: int) -> None:
    raise SourceError(
        f'{name}, line {line}: a quote (") is not closed within {_LONGEST_RECORD} lines.',
        fix="Close it; a quote that is part of a text is written twice.",
    )
