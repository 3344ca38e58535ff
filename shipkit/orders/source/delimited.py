"""Delimited text files (CSV, TSV and similar) into a table of text cells.

DuckDB reads a well-formed file in parallel, every column as text. A file that it refuses (ragged
rows, mixed line ends, stray quotes, a preamble) is read again in Python, record by record, and
every repair is noted.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import duckdb

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import one
from shipkit.common.words import counted, row_list
from shipkit.errors import SourceError
from shipkit.orders.cells import Cells, Note, base_names, find_header, put, text_columns

__all__ = ["read_delimited"]

_CHUNK = 1 << 20
_SAMPLE = 1 << 17
_DELIMITERS = ",;\t|"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LONGEST_RECORD = 500
"""Lines of a file that one record may have. A quote that is never closed would swallow the rest."""


def read_delimited(
    schema: StageSchema,
    path: Path,
    table: str,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool = True,
) -> Cells:
    """Read a delimited file into `table`, every column as text.

    Raises
    ------
    SourceError
        The file is empty, binary, damaged, not in `encoding`, or has a quote that is never closed.
    """
    seen = _scan(path, encoding)
    with tempfile.TemporaryDirectory(prefix="shipkit-") as folder:
        plain = _as_utf8(path, Path(folder), seen)
        form = _text_form(plain, path.name, delimiter, header=header)
        read = _fast(schema, plain, table, form) or _slow(schema, plain, table, form, path.name)
    return Cells(
        relation=read.relation,
        headings=form.headings,
        kind="tsv" if form.delimiter == "\t" else "csv",
        sha256=seen.sha256,
        delimiter=form.delimiter,
        encoding=seen.encoding,
        notes=(*seen.notes, *form.notes, *read.notes),
        broken=tuple(read.broken),
    )


# -- bytes -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scan:
    """What one pass over the bytes of a file found."""

    sha256: str
    packed: bool
    encoding: str
    """utf-8, utf-8-sig, utf-16, utf-16-le, utf-16-be, cp1252; or the one that was given."""
    mixed: bool = False
    """Whether to decode line by line, as UTF-8 where possible."""
    notes: tuple[Note, ...] = ()


def _scan(path: Path, wanted: str | None) -> _Scan:
    sha = _sha256(path)
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with _opened(path, packed=packed) as file:
            head = file.read(8192)
            if not head:
                raise SourceError(
                    f"{path.name} is empty (0 bytes).", fix="Export it again, or check the path."
                )
            found = _by_mark(head)
            if wanted is not None:
                _prove(path, packed, wanted)
                return _Scan(
                    sha,
                    packed,
                    "utf-8-sig"
                    if found == "utf-8-sig" and codecs.lookup(wanted).name == "utf-8"
                    else wanted,
                )
            if found is None or found == "utf-8-sig":
                _refuse_binary(path, head)
                file.seek(0)
                bad = _first_bad_line(file)
                if bad is None:
                    return _Scan(sha, packed, found or "utf-8")
                note = Note(
                    "read",
                    f"{path.name} is not UTF-8 (first in line {bad}); such lines were read as "
                    "Windows-1252. Pass encoding= if names look wrong.",
                )
                return _Scan(sha, packed, "cp1252", mixed=True, notes=(note,))
            return _Scan(sha, packed, found, notes=(Note("read", f"{path.name} is UTF-16."),))
    except (gzip.BadGzipFile, EOFError, OSError) as error:
        if packed:
            raise SourceError(
                f"{path.name} is a damaged gzip file: {error}.",
                fix="Download or compress it again.",
            ) from None
        raise


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _opened(path: Path, *, packed: bool) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb")


def _by_mark(head: bytes) -> str | None:
    """Return the encoding that a byte order mark names, or UTF-16 if every other byte is NUL."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    even, odd = head[0:2000:2], head[1:2000:2]
    if len(odd) > 3 and odd.count(0) > 0.7 * len(odd) and even.count(0) == 0:
        return "utf-16-le"
    if len(odd) > 3 and even.count(0) > 0.7 * len(even) and odd.count(0) == 0:
        return "utf-16-be"
    return None


def _refuse_binary(path: Path, head: bytes) -> None:
    controls = sum(1 for byte in head if byte < 9 or 13 < byte < 32)
    if b"\0" in head or controls > max(8, len(head) / 20):
        raise SourceError(
            f"{path.name} is not a text file.",
            fix="Save the orders as CSV or XLSX, and check that the file extension is right.",
        )


def _first_bad_line(file: IO[bytes]) -> int | None:
    """Return the number of the first line that is not UTF-8, or None when all are."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    while chunk := file.read(_CHUNK):
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            return lines + bytes(error.object).count(b"\n", 0, error.start)
        lines += chunk.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return lines
    return None


def _prove(path: Path, packed: bool, encoding: str) -> None:
    """Raise SourceError unless the whole file is text in `encoding`."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
    except LookupError:
        raise SourceError(
            f"Unknown encoding {encoding!r}.",
            fix="Common ones: utf-8, utf-16, cp1252 (Windows), latin-1.",
        ) from None
    lines = 1
    with _opened(path, packed=packed) as file:
        try:
            while chunk := file.read(_CHUNK):
                lines += decoder.decode(chunk).count("\n")
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            raise SourceError(
                f"{path.name} is not {encoding}: {error} (after line {lines}).",
                fix="Leave encoding= out to have it detected, or pass another one.",
            ) from None


def _as_utf8(path: Path, folder: Path, seen: _Scan) -> Path:
    """Return a UTF-8 file with the same text: the file itself if it is one."""
    if (
        seen.encoding in {"utf-8", "utf-8-sig"}
        and not seen.packed
        and not set("*?[{") & set(str(path))
    ):
        return path
    made = folder / "cells.csv"
    with _opened(path, packed=seen.packed) as source, made.open("wb") as target:
        if seen.mixed:
            target.writelines(_line_by_line(source))
        else:
            text = io.TextIOWrapper(source, encoding=seen.encoding, newline="")
            while chunk := text.read(_CHUNK):
                target.write(chunk.encode("utf-8", errors="replace"))
    return made


def _line_by_line(source: IO[bytes]) -> Any:
    for line in source:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            yield _windows(line)
        else:
            yield line


def _windows(line: bytes) -> bytes:
    try:
        return line.decode("cp1252").encode()
    except UnicodeDecodeError:  # one of five bytes that are undefined in Windows-1252
        return line.decode("latin-1").encode()


# -- form ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _TextForm:
    """How a text file is laid out."""

    delimiter: str
    headings: tuple[str, ...]
    skip: int
    """Records before the first data record, the header included."""
    simple: bool
    """Whether the header is the first record, or there is none: then DuckDB can try."""
    header: bool
    notes: tuple[Note, ...] = ()


def _text_form(path: Path, name: str, delimiter: str | None, *, header: bool) -> _TextForm:
    sample = _sample(path)
    first_line = sample.partition("\n")[0].strip().lower()
    marked = first_line.startswith("sep=") and len(first_line) == 5  # Excel's own hint
    if delimiter is not None and len(delimiter) != 1:
        raise SourceError(
            f"The delimiter {delimiter!r} is not one character.",
            fix="Pass one, such as ',', ';' or '\\t'.",
        )
    used = delimiter or (first_line[4] if marked else _sniff(sample))
    rows = _records(sample, used)
    filled = [place for place, row in enumerate(rows) if any(cell.strip() for cell in row)]
    if not filled or (marked and len(filled) < 2):
        raise SourceError(f"{name} contains no text.", fix="Export it again, or check the path.")
    first = 1 if marked else 0
    if not header:
        width = Counter(len(row) for row in rows[first:] if row).most_common(1)[0][0]
        return _TextForm(
            used,
            tuple(f"Column {n}" for n in range(1, width + 1)),
            first,
            simple=not marked,
            header=False,
        )
    place = first + find_header(rows[first:])
    notes = (
        (Note("dropped", f"{counted(place, 'row')} above the header of {name}.", place),)
        if place > first
        else ()
    )
    headings = tuple(cell.strip().lstrip("\ufeff") for cell in rows[place])
    return _TextForm(
        used,
        headings,
        place + 1,
        simple=place == 0 and bool(sample.split("\n", 1)[0].strip()),
        header=True,
        notes=notes,
    )


def _sample(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
        whole = not file.read(1)
    text = head.decode("utf-8-sig", errors="ignore")
    return text if whole else text[: text.rfind("\n") + 1] or text


def _records(sample: str, delimiter: str, most: int = 200) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
            rows.append(row)
            if len(rows) >= most:
                break
    except csv.Error:
        pass
    return rows


def _sniff(sample: str) -> str:
    """Return the delimiter that splits most lines into the same number of cells, more than one."""
    best, score = ",", 0.0
    for mark in _DELIMITERS:
        widths = Counter(len(row) for row in _records(sample, mark) if row)
        width, count = max(
            widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]), default=(1, 0)
        )
        if width > 1 and count / widths.total() * (2 - 1 / width) > score:
            best, score = mark, count / widths.total() * (2 - 1 / width)
    return best


# -- reading ---------------------------------------------------------------------------------------


@dataclass
class _Read:
    relation: Relation
    notes: list[Note] = field(default_factory=list)
    broken: list[Mapping[str, Any]] = field(default_factory=list)


def _fast(schema: StageSchema, path: Path, table: str, form: _TextForm) -> _Read | None:
    """Let DuckDB read the file; None when it is not well-formed."""
    if not form.simple:
        return None
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in base_names(len(form.headings)))
    sql = f"""
        SELECT * FROM read_csv(
            $path,
            auto_detect = false,
            delim = $delimiter,
            quote = '"',
            escape = '"',
            header = {str(form.header).lower()},
            columns = {{{columns}}},
            hive_partitioning = false,
            max_line_size = 16777216
        )
    """
    try:
        relation = schema.table(table, sql, {"path": str(path), "delimiter": form.delimiter})
    except duckdb.Error:
        return None
    if not _adds_up(schema, path, relation, form):
        # The careful reader names the line.
        return None
    return _Read(relation)


def _holds_records(cell: str, form: _TextForm) -> bool:
    """Return whether a cell with line breaks has a line with as many delimiters as the headings.

    Then a stray quote made whole records part of the cell.
    """
    most = len(form.headings) - 1
    return (
        most > 1
        and "\n" in cell
        and any(line.count(form.delimiter) >= most for line in cell.split("\n"))
    )


def _adds_up(schema: StageSchema, path: Path, relation: Relation, form: _TextForm) -> bool:
    """Return whether the records have the delimiters and the line ends that the file has.

    DuckDB accepts a blank cell beyond the headings, and a stray quote that a later one closes.
    """
    if any(_holds_records(cell, form) for cell in form.headings):
        return False
    width, delimiter = len(form.headings), form.delimiter.encode()
    count = int(one(schema.con, f"SELECT count(*) FROM {relation.sql}")[0]) + form.header
    marks = lines = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            marks += chunk.count(delimiter)
            lines += chunk.count(b"\n")
    if lines > count and _has_merged(schema, relation, form):
        return False
    inside = marks - count * (width - 1) - sum(cell.count(form.delimiter) for cell in form.headings)
    if not inside or width == 1:
        return True
    cells = " + ".join(
        f"coalesce(sum(len({name}) - len(replace({name}, $delimiter, ''))), 0)"
        for name in base_names(width)
    )
    found = one(schema.con, f"SELECT {cells} FROM {relation.sql}", {"delimiter": form.delimiter})
    return int(found[0]) == inside


def _has_merged(schema: StageSchema, relation: Relation, form: _TextForm) -> bool:
    """Return whether a cell with line breaks may hold whole records."""
    width = len(form.headings)
    if width < 3:
        return False
    cells = " OR ".join(
        f"(contains({name}, chr(10)) "
        f"AND len({name}) - len(replace({name}, $delimiter, '')) >= $most)"
        for name in base_names(width)
    )
    found = schema.con.execute(
        f"SELECT 1 FROM {relation.sql} WHERE {cells} LIMIT 1",
        {"delimiter": form.delimiter, "most": width - 1},
    ).fetchone()
    return found is not None


def _slow(schema: StageSchema, path: Path, table: str, form: _TextForm, name: str) -> _Read:
    """Read record by record, make every record as wide as the header, and note each repair."""
    width = len(form.headings)
    notes: list[Note] = []
    broken: list[Mapping[str, Any]] = []
    rows: list[list[str | None]] = []
    short: list[int] = []
    wrapped: list[int] = []
    spare = _trailing_delimiters(path, form)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=form.delimiter)
        before = 0
        try:
            for place, record in enumerate(reader):
                if reader.line_num - before > _LONGEST_RECORD:
                    _refuse_open_quote(name, before + 1)
                if reader.line_num - before > 1 and any(
                    _holds_records(cell, form) for cell in record
                ):
                    _refuse_merged(name, before + 1, reader.line_num)
                before = reader.line_num
                if place < form.skip or not record:
                    continue
                number, inside = len(rows) + 1, _unwrapped(record, form)
                if inside is not None:
                    wrapped.append(number)
                rows.append(_widened(inside or record, width, number, broken, short, spare))
        except csv.Error as error:
            raise SourceError(
                f"{name}, line {reader.line_num}: {error}.",
                fix="Correct that line, or export the file again.",
            ) from None
    _drop_footer(rows, short, width, notes)
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
    return _Read(put(schema, table, text_columns(rows, width)), notes, broken)


def _unwrapped(record: list[str], form: _TextForm) -> list[str] | None:
    """Return the cells of a row that was put in quotes as a whole, None for any other row.

    Excel does this to lines with a quote if its list separator is not the file's delimiter.
    """
    width = len(form.headings)
    if len(record) != 1 or width < 3 or record[0].count(form.delimiter) < width - 1:
        return None
    inside = next(csv.reader([record[0]], delimiter=form.delimiter), [])
    return inside if len(inside) == width else None


def _trailing_delimiters(path: Path, form: _TextForm) -> int:
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
    rows: list[list[str | None]], short: list[int], width: int, notes: list[Note]
) -> None:
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
    if dropped:
        shown = ", ".join(f'"{text}"' for text in reversed(dropped) if text)
        text = f"{counted(len(dropped), 'row')} below the orders (a footer)"
        text += f": {shown}." if shown else "."
        notes.append(Note("dropped", text, len(dropped)))


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
