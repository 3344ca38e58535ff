"""How a text file is laid out: its dialect, its headings, and what is above them."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from shipkit.common.words import counted
from shipkit.errors import SourceError
from shipkit.orders.cells import SkippedRows, find_header
from shipkit.orders.fields import recognise
from shipkit.orders.line_account import Aside, set_aside
from shipkit.orders.source.heading_rows import HeadingRows, explaining_rows, find_headings
from shipkit.orders.source.text_cells import TextDialect
from shipkit.orders.source.text_records import ColumnShapes, TextRecord, is_comment, records

__all__ = ["TextForm", "text_form"]

_SAMPLE: Final = 1 << 17
_MOST: Final = 200
"""Records of the sample that are looked at."""
_DELIMITERS: Final = ",;\t|"
_RARE: Final = "^~\x1f"
_WRAPPED: Final = 0.6
"""Share of lines in quotes as a whole, for the file to be one of them."""
_COLUMNS_OF_BLANKS: Final = re.compile(r"\S {2,}\S")


@dataclass(frozen=True)
class TextForm:
    """How a text file is laid out."""

    dialect: TextDialect
    headings: tuple[str, ...]
    width: int
    """How many cells most records have."""
    first: int
    """The first line below the headings."""
    simple: bool
    """Whether the header is the first line, or there is none: then DuckDB can try."""
    header: bool
    shapes: ColumnShapes
    headings_at: tuple[int, int] = (1, 0)
    """The first and the last line of the headings; (1, 0) without any."""
    aside: tuple[Aside, ...] = ()
    """The lines above the headings, or Excel's hint of the delimiter."""
    heading_lines: tuple[int, ...] = ()
    """The first line of each record of the headings."""
    seen: HeadingRows | None = None
    """What the lines around the headings say."""
    skipped: tuple[SkippedRows, ...] = ()
    """Rows that explain the headings."""

    @property
    def delimiter(self) -> str:
        """The character between two cells."""
        return self.dialect.delimiter


def text_form(path: Path, name: str, delimiter: str | None, *, header: bool) -> TextForm:
    """Find the dialect and the headings in the first lines of a UTF-8 file called `name`.

    Raises
    ------
    SourceError
        The file has no text, `delimiter` is not one character, or the columns are aligned by
        spaces.
    """
    if delimiter is not None and len(delimiter) != 1:
        raise SourceError(
            f"The delimiter {delimiter!r} is not one character.",
            fix="Pass one, such as ',', ';' or '\\t'.",
        )
    lines = _sample(path)
    marked = _hint(lines[0] if lines else "")
    below = lines[1:] if marked else lines
    if not any(line.strip() for line in below):
        raise SourceError(f"{name} contains no text.", fix="Export it again, or check the path.")
    inside = _unwrapped_lines(below)
    dialect = _dialect(inside, delimiter or marked)
    found, shapes, width = _first_records(below, inside, dialect)
    if delimiter is None and width == 1:
        _refuse_aligned(below, name)
    above = len(lines) - len(below)
    if not header:
        return TextForm(
            dialect,
            tuple(f"Column {n}" for n in range(1, width + 1)),
            width,
            above + 1,
            simple=dialect.plain and not marked,
            header=False,
            shapes=shapes,
            aside=_above(1, 0) if marked else (),
        )
    rows = _rows(found, dialect)
    seen = find_headings(rows)
    top, own = found[seen.top], found[seen.place]
    if delimiter is None and marked is None:
        _refuse_uneven(found, seen.place, width, name)
    first, last = top.first + above, own.last + above
    named = [found[index] for index in range(seen.top, seen.place + 1) if any(rows[index])]
    return TextForm(
        dialect,
        seen.headings,
        width,
        last + 1,
        simple=dialect.plain and first == 1 and len(named) == 1 and own.repaired is None,
        header=True,
        shapes=shapes,
        headings_at=(first, last),
        aside=_above(first - 1, seen.top) if first > 1 else (),
        heading_lines=tuple(record.first + above for record in named),
        seen=seen,
        skipped=explaining_rows(
            [
                sum(1 for n in range(seen.place + 1, index + 1) if any(rows[n]))
                for index in seen.explaining
            ],
            [found[index].first + above for index in seen.explaining],
        ),
    )


def _rows(found: Sequence[TextRecord], dialect: TextDialect) -> list[list[str]]:
    """Return the cells of the records; a comment above the headings may be as wide as they are."""
    rows = [[_heading(cell, dialect) for cell in record.cells] for record in found]
    place = find_header(rows)
    below = next((n for n in range(place + 1, len(found)) if any(rows[n])), place)
    if is_comment(found[place].text):
        here, there = (recognise(rows[n]).roles for n in (place, below))
        if len(there) > len(here):
            rows[place] = []
    return rows


def _sample(path: Path) -> list[str]:
    """Return the first lines of the file, with their ends."""
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
        whole = not file.read(1)
    text = head.decode("utf-8-sig", errors="ignore")
    text = text if whole else text[: text.rfind("\n") + 1] or text
    return list(io.StringIO(text, newline=""))


def _hint(line: str) -> str | None:
    """Return the delimiter of Excel's own hint ``sep=;`` in the first line, None without it."""
    found = re.fullmatch(r'"?sep=(.)"?[,;\t|]*', line.rstrip("\r\n"), re.IGNORECASE)
    return found[1] if found else None


def _above(lines: int, rows: int) -> tuple[Aside, ...]:
    """Return the `lines` above the headings; `rows` of them are not Excel's hint ``sep=;``."""
    note = f"{counted(rows, 'row')} above the header." if rows else "Excel's hint of the delimiter."
    return (set_aside("above the headings", range(1, lines + 1), note),)


def _heading(cell: str, dialect: TextDialect) -> str:
    """Return a heading without quotes that are not closed, and without marks around it."""
    text = cell.strip().lstrip("\ufeff").strip()
    return text.replace(dialect.quote, "").strip() if dialect.quote == '"' else text


# -- dialect ---------------------------------------------------------------------------------------


def _dialect(lines: Sequence[str], delimiter: str | None) -> TextDialect:
    """Return the dialect in which most records have the same number of cells, more than one."""
    text = "".join(lines)
    best, most = TextDialect(delimiter or ","), 0.0
    for marks in (delimiter,) if delimiter else (_DELIMITERS, _RARE, " "):
        for dialect in _dialects(text, marks):
            score = _score(lines, dialect)
            # Of two that fit equally well the first, which is the more common, is right.
            if score > most * 1.001:
                best, most = dialect, score
        if most:
            break
    return replace(best, blank=_blanks(lines, best))


def _blanks(lines: Sequence[str], dialect: TextDialect) -> bool:
    """Whether a blank follows each delimiter, as people write lists."""
    cells = [
        cell
        for record in islice(records(lines, dialect, 0), _MOST)
        for cell in _raw(record.text, dialect.delimiter)
    ]
    blanks = sum(cell[:1] == " " for cell in cells)
    return dialect.delimiter != " " and blanks > 0.95 * len(cells)


def _raw(text: str, delimiter: str) -> list[str]:
    """Return what follows each delimiter that is not in quotes."""
    outside = re.sub(r'"[^"]*"', '"', text)
    return outside.split(delimiter)[1:]


def _dialects(text: str, marks: str) -> Iterator[TextDialect]:
    """Yield the dialects that a text may be written in."""
    for mark in marks:
        if mark not in text:
            continue
        edge = rf"[{re.escape(mark)}\r\n]"
        escaped = TextDialect(mark, backslash=True)
        apostrophes = TextDialect(mark, quote="'")
        if re.search(rf"{edge}\\N{edge}", text):  # MySQL's empty cell
            yield escaped
        if all(line[:1] == line.rstrip()[-1:] == "'" for line in text.splitlines()):
            yield apostrophes
        yield TextDialect(mark)
        if '\\"' in text or f"\\{mark}" in text:
            yield escaped
        if re.search(rf"{edge}'[^'\n]*'{edge}", text):
            yield apostrophes


def _score(lines: Sequence[str], dialect: TextDialect) -> float:
    widths = Counter(
        (len(record.cells), bool(record.doubt))
        for record in islice(records(lines, dialect, 0), _MOST)
        if record.cells
    )
    clean = {width: count for (width, doubt), count in widths.items() if not doubt}
    width, count = max(
        clean.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]), default=(1, 0)
    )
    if width < 2 or (dialect.delimiter == " " and count < 0.9 * widths.total()):
        return 0.0
    # A backslash or a quote that is not needed as such leaves everything as it is.
    return count / widths.total() * (2 - 1 / width)


def _unwrapped_lines(lines: Sequence[str]) -> Sequence[str]:
    """Return the inside of the lines, where most of them are in quotes as a whole."""
    plain = TextDialect("\n")
    filled = [line for line in islice(lines, _MOST) if line.strip()]
    inside = [plain.unwrapped(line.rstrip("\r\n")) for line in filled]
    wrapped = [line for line in inside if line and any(mark in line for mark in _DELIMITERS)]
    return [f"{line}\n" for line in wrapped] if len(wrapped) >= _WRAPPED * len(filled) else lines


def _first_records(
    lines: Sequence[str], inside: Sequence[str], dialect: TextDialect
) -> tuple[list[TextRecord], ColumnShapes, int]:
    """Return the first records, what the cells of their columns look like, and their width."""
    first = list(islice(records(inside, dialect, 0), _MOST))
    widths = Counter(len(record.cells) for record in first if any(record.cells))
    width = max(widths, key=lambda width: (widths[width] * (width > 1), width), default=1)
    single = [
        record.cells
        for record in islice(records(lines, dialect, width), _MOST)
        if record.first == record.last and record.repaired != "quote" and not record.doubt
    ]
    shapes = ColumnShapes.of(single[1:], width)
    return list(islice(records(lines, dialect, width, shapes), _MOST)), shapes, width


def _refuse_uneven(found: Sequence[TextRecord], place: int, width: int, name: str) -> None:
    """Raise SourceError where no delimiter divides the lines, and headings would be a guess."""
    filled = [record for record in found if any(record.cells)]
    even = sum(len(record.cells) == width for record in filled)
    if place > 4 and even < 0.5 * len(filled):
        raise SourceError(
            f"{name}: no delimiter divides its lines into the same number of cells.",
            fix="Pass delimiter=, or export the orders as CSV with quotes around texts.",
        )


def _refuse_aligned(lines: Sequence[str], name: str) -> None:
    """Raise SourceError for a table whose columns are aligned by spaces."""
    filled = [line for line in lines if line.strip()]
    aligned = sum(bool(_COLUMNS_OF_BLANKS.search(line.strip())) for line in filled)
    if len(filled) > 1 and aligned >= 0.8 * len(filled):
        raise SourceError(
            f"{name} has no delimiter: its columns are aligned by spaces.",
            fix="Export it as CSV; or open it in Excel with Data > From Text, and save it as XLSX.",
        )
