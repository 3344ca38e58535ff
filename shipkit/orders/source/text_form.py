"""How a text file is laid out: its delimiter, its headings, and what is above them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from shipkit.common.words import counted
from shipkit.errors import SourceError
from shipkit.orders.cells import find_header
from shipkit.orders.lines import Aside, set_aside

__all__ = ["TextForm", "text_form"]

_SAMPLE = 1 << 17
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class TextForm:
    """How a text file is laid out."""

    delimiter: str
    headings: tuple[str, ...]
    skip: int
    """Records before the first data record, the header included."""
    simple: bool
    """Whether the header is the first record, or there is none: then DuckDB can try."""
    header: bool
    headings_at: tuple[int, int] = (1, 0)
    """The first and the last line of the headings; (1, 0) without any."""
    aside: tuple[Aside, ...] = ()
    """The lines above the headings, or Excel's hint of the delimiter."""


def text_form(path: Path, name: str, delimiter: str | None, *, header: bool) -> TextForm:
    """Find the delimiter and the headings in the first lines of a UTF-8 file called `name`.

    Raises
    ------
    SourceError
        The file has no text, or `delimiter` is not one character.
    """
    sample = _sample(path)
    first_line = sample.partition("\n")[0].strip().lower()
    marked = first_line.startswith("sep=") and len(first_line) == 5  # Excel's own hint
    if delimiter is not None and len(delimiter) != 1:
        raise SourceError(
            f"The delimiter {delimiter!r} is not one character.",
            fix="Pass one, such as ',', ';' or '\\t'.",
        )
    used = delimiter or (first_line[4] if marked else _sniff(sample))
    rows, ends = _records(sample, used)
    filled = [place for place, row in enumerate(rows) if any(cell.strip() for cell in row)]
    if not filled or (marked and len(filled) < 2):
        raise SourceError(f"{name} contains no text.", fix="Export it again, or check the path.")
    first = 1 if marked else 0
    if not header:
        width = Counter(len(row) for row in rows[first:] if row).most_common(1)[0][0]
        return TextForm(
            used,
            tuple(f"Column {n}" for n in range(1, width + 1)),
            first,
            simple=not marked,
            header=False,
            aside=_above(1, 1) if marked else (),
        )
    place = first + find_header(rows[first:])
    above = ends[place - 1] if place else 0
    headings = tuple(cell.strip().lstrip("\ufeff") for cell in rows[place])
    return TextForm(
        used,
        headings,
        place + 1,
        simple=place == 0 and bool(sample.split("\n", 1)[0].strip()),
        header=True,
        headings_at=(above + 1, ends[place]),
        aside=_above(above, place - first) if above else (),
    )


def _above(lines: int, rows: int) -> tuple[Aside, ...]:
    """Return the `lines` above the headings; `rows` of them are not Excel's hint `sep=;`."""
    note = f"{counted(rows, 'row')} above the header." if rows else "Excel's hint of the delimiter."
    return (set_aside("above the headings", range(1, lines + 1), note),)


def _sample(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
        whole = not file.read(1)
    text = head.decode("utf-8-sig", errors="ignore")
    return text if whole else text[: text.rfind("\n") + 1] or text


def _records(sample: str, delimiter: str, most: int = 200) -> tuple[list[list[str]], list[int]]:
    """Return the first records of a file, and the line in which each of them ends."""
    rows: list[list[str]] = []
    ends: list[int] = []
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            rows.append(row)
            ends.append(reader.line_num)
            if len(rows) >= most:
                break
    except csv.Error:
        pass
    return rows, ends


def _sniff(sample: str) -> str:
    """Return the delimiter that splits most lines into the same number of cells, more than one."""
    best, score = ",", 0.0
    for mark in _DELIMITERS:
        widths = Counter(len(row) for row in _records(sample, mark)[0] if row)
        width, count = max(
            widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]), default=(1, 0)
        )
        if width > 1 and count / widths.total() * (2 - 1 / width) > score:
            best, score = mark, count / widths.total() * (2 - 1 / width)
    return best
