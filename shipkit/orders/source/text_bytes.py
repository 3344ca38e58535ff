"""The bytes of a text file: its encoding, and the same text as UTF-8."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from shipkit.common.words import counted
from shipkit.errors import SourceError
from shipkit.orders.cells import Note
from shipkit.orders.source.encodings import (
    CodePage,
    code_page,
    ends_as_dos,
    line_text,
    title_of,
    without_nul,
)

__all__ = ["CHUNK", "Scan", "as_utf8", "line_and_mark_counts", "line_count", "scan"]

CHUNK = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ESCAPES = re.compile(rb"\x1b\$(?:[@AB]|\)C|\([CDPQ])")
"""How a text in ISO-2022 begins words of Japanese, Chinese or Korean."""
_SEAM = b"\n" + codecs.BOM_UTF8


@dataclass(frozen=True)
class Scan:
    """What one pass over the bytes of a file found."""

    sha256: str
    packed: bool
    encoding: str
    """utf-8, utf-8-sig, utf-16, utf-16-le, utf-16-be, a code page; or the one that was given."""
    by_line: bool = False
    """Whether to decode line by line: see :func:`.encodings.line_text`."""
    notes: tuple[Note, ...] = ()
    doubtful: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """Cells that another code page reads as other words, as here and as there."""


def scan(path: Path, wanted: str | None) -> Scan:
    """Read the file once: its hash, and its encoding if `wanted` is None.

    Raises
    ------
    SourceError
        The file is empty, binary, damaged, or not in the encoding that is `wanted`.
    """
    sha = _sha256(path)
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with opened(path, packed=packed) as file:
            head = file.read(8192)
            if not head:
                raise SourceError(
                    f"{path.name} is empty (0 bytes).", fix="Export it again, or check the path."
                )
            _refuse_database(path, head)
            _refuse_xml(path, head)
            found = _by_mark(path, head)
            if wanted is not None:
                _prove(path, packed, wanted)
                as_named = codecs.lookup(wanted).name == "utf-8"
                return Scan(
                    sha, packed, "utf-8-sig" if found == "utf-8-sig" and as_named else wanted
                )
            if found is None and not _ESCAPES.search(head):
                _refuse_binary(path, head)
            elif found not in (None, "utf-8-sig"):
                return Scan(sha, packed, found, notes=(Note("read", f"{path.name} is UTF-16."),))
            file.seek(0)
            return _of_bytes(file, path.name, sha, packed, found or "utf-8")
    except (gzip.BadGzipFile, EOFError, OSError) as error:
        if packed:
            raise SourceError(
                f"{path.name} is a damaged gzip file: {error}.",
                fix="Download or compress it again.",
            ) from None
        raise


def _of_bytes(file: IO[bytes], name: str, sha: str, packed: bool, encoding: str) -> Scan:
    """Return what the bytes of a file say that is neither UTF-16 nor binary."""
    facts = _facts(file)
    notes: tuple[Note, ...] = ()
    if facts.nul:
        notes += (_counted_note(facts.nul, "NUL byte", facts.first_nul, name, "removed"),)
    if facts.marks:
        text = "byte order mark within the text"
        notes += (_counted_note(facts.marks, text, facts.first_mark, name, "removed"),)
    if facts.ends_as_dos:
        notes += (Note("repaired", f"{name}: Ctrl-Z at its end removed."),)
    if facts.escapes:
        return _with_escapes(file, name, sha, packed)
    if facts.first_bad is None:
        return Scan(sha, packed, encoding, by_line=bool(notes), notes=notes)
    file.seek(0)
    lines = [line for line in file if not _is_utf8(line)]
    page = code_page(without_nul(line) for line in lines)
    return Scan(
        sha,
        packed,
        page.name or encoding,
        by_line=True,
        notes=(*notes, *_page_notes(page, name, facts.first_bad, len(lines))),
        doubtful=page.doubtful,
    )


def _with_escapes(file: IO[bytes], name: str, sha: str, packed: bool) -> Scan:
    """Return the encoding of a file in which escapes change the alphabet: ISO-2022."""
    for page in ("iso2022_jp_ext", "iso2022_kr"):
        file.seek(0)
        decoder = codecs.getincrementaldecoder(page)()
        try:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeError:
            continue
        return Scan(sha, packed, page, notes=(Note("read", f"{name} is {title_of(page)}."),))
    raise SourceError(
        f"{name} has the escapes of ISO-2022 and is not readable as Japanese or Korean text.",
        fix="Export it as UTF-8, or name its encoding: load(path, encoding=...).",
    )


def _counted_note(count: int, what: str, line: int, name: str, done: str) -> Note:
    place = "in" if count == 1 else "first in"
    return Note("repaired", f"{name}: {counted(count, what)} {done} ({place} line {line}).", count)


def _page_notes(page: CodePage, name: str, line: int, count: int) -> Iterator[Note]:
    """Yield what the load report says of a file that is not UTF-8."""
    if page.name is None:
        yield Note(
            "read",
            f"{name} is UTF-8, but {counted(count, 'line')} (first line {line}) "
            f"{'has' if count == 1 else 'have'} broken letters; they are shown as \ufffd.",
            count,
        )
        return
    shown = ", ".join(page.examples)
    yield Note(
        "read",
        f"{name} is not UTF-8 (first in line {line}): such lines are read as "
        f"{title_of(page.name)}{f', by words such as {shown}' if shown else ''}.",
        count,
    )
    if page.doubtful:
        rivals = " or ".join(title_of(rival) for rival in page.rivals[:2])
        yield Note(
            "assumed",
            f"the code page of {name} is not certain: it may be {rivals}. Rows with such letters "
            f'wait; load it with encoding="{page.name}" if they read well.',
            len(page.doubtful),
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def opened(path: Path, *, packed: bool) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb")


def _by_mark(path: Path, head: bytes) -> str | None:
    """Return the encoding that a byte order mark or the places of NUL bytes tell; else None."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise SourceError(f"{path.name} is UTF-32.", fix="Save it as UTF-8.")
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    if b"\0" not in head:
        return None
    return next((name for name in ("utf-16-le", "utf-16-be") if _reads_as(head, name)), None)


def _reads_as(head: bytes, encoding: str) -> bool:
    """Return whether the beginning of a file is text in UTF-16 without a byte order mark.

    Delimiters, line ends and digits are ASCII in any language: half of them would be NUL bytes
    if they were read in another way.
    """
    text = head[: len(head) // 2 * 2].decode(encoding, errors="replace")
    plain = sum(" " <= letter <= "~" or letter in "\t\r\n" for letter in text)
    broken = text.count("\ufffd") + text.count("\0")
    return len(text) > 3 and broken <= 1 and plain > len(text) / 5


def _refuse_database(path: Path, head: bytes) -> None:
    if head.startswith(b"SQLite format 3\0"):
        raise SourceError(
            f"{path.name} is a SQLite database, not a file of orders.",
            fix=f'Name its table, in Python: sk.Database("sqlite:///{path}", table="..."). Or '
            "export the table as CSV.",
        )


def _refuse_xml(path: Path, head: bytes) -> None:
    """Refuse XML that is no workbook: its tags would be read as rows of one column."""
    if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<?xml"):
        raise SourceError(
            f"{path.name} is an XML document, not a table.",
            fix="Export the orders as CSV, XLSX or JSON; or open the file in Excel and save it as "
            ".xlsx.",
        )


def _refuse_binary(path: Path, head: bytes) -> None:
    controls = sum(1 for byte in head if 0 < byte < 9 or 13 < byte < 32)
    if head.count(0) > len(head) / 2 or controls > max(8, len(head) / 20):
        raise SourceError(
            f"{path.name} is not a text file.",
            fix="Save the orders as CSV or XLSX, and check that the file extension is right.",
        )


@dataclass
class _ByteFacts:
    """What is in a file that is not in a clean one: how often, and first in which line."""

    first_bad: int | None = None
    nul: int = 0
    first_nul: int = 0
    marks: int = 0
    first_mark: int = 0
    escapes: bool = False
    ends_as_dos: bool = False
    """Whether Ctrl-Z ends the file, as programs of DOS do."""


def _facts(file: IO[bytes]) -> _ByteFacts:
    """Return the first line that is not UTF-8, and the NUL bytes and marks of the file."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    facts, lines, tail, end = _ByteFacts(), 1, b"", b""
    while chunk := file.read(CHUNK):
        if facts.first_bad is None:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                facts.first_bad = lines + bytes(error.object).count(b"\n", 0, error.start)
        facts.escapes = facts.escapes or bool(b"\x1b" in chunk and _ESCAPES.search(chunk))
        if b"\0" in chunk:
            nul = chunk.count(b"\0")
            facts.first_nul = facts.first_nul or lines + chunk.count(b"\n", 0, chunk.find(b"\0"))
            facts.nul += nul
        # A line that begins with a byte order mark: files were put one behind the other.
        # One byte is found far sooner than four: text in Latin letters has none of these.
        if _SEAM[1:2] in chunk and (seam := (tail + chunk).count(_SEAM)):
            place = chunk.find(_SEAM) + 1
            facts.first_mark = facts.first_mark or lines + chunk.count(b"\n", 0, place)
            facts.marks += seam
        lines += chunk.count(b"\n")
        tail = chunk[-3:]
        end = (end + chunk[-4:])[-4:]
    facts.ends_as_dos = any(map(ends_as_dos, end.splitlines(keepends=True)[-1:]))
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        facts.first_bad = facts.first_bad or lines
    return facts


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


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
    with opened(path, packed=packed) as file:
        try:
            while chunk := file.read(CHUNK):
                lines += decoder.decode(chunk).count("\n")
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            raise SourceError(
                f"{path.name} is not {encoding}: {error} (after line {lines}).",
                fix="Leave encoding= out to have it detected, or pass another one.",
            ) from None


def as_utf8(path: Path, folder: Path, seen: Scan) -> Path:
    """Return a UTF-8 file with the same text: the file itself if it is one."""
    if (
        seen.encoding in {"utf-8", "utf-8-sig"}
        and not seen.by_line
        and not seen.packed
        and not set("*?[{") & set(str(path))
    ):
        return path
    made = folder / "cells.csv"
    with opened(path, packed=seen.packed) as source, made.open("wb") as target:
        if seen.by_line:
            target.writelines(line_text(line, seen.encoding).encode() for line in source)
        else:
            # A half of a pair of UTF-16 is a lost letter, which stops its row.
            text = io.TextIOWrapper(source, seen.encoding, errors="replace", newline="")
            while chunk := text.read(CHUNK):
                target.write(chunk.replace("\0", "").encode("utf-8", errors="replace"))
    return made


def line_count(path: Path) -> int:
    """Return the number of lines of a UTF-8 file: see :func:`line_and_mark_counts`."""
    return line_and_mark_counts(path, None)[0]


def line_and_mark_counts(path: Path, mark: str | None) -> tuple[int, int, bool]:
    r"""Return the number of lines of a UTF-8 file, of a character, and whether there are quotes.

    A line ends with ``\n``, ``\r\n`` or a lone ``\r``; text behind the last end is a line.
    """
    ends, marks, quotes, last = 0, 0, False, b"\n"
    byte = mark.encode() if mark else None
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            ends += chunk.count(b"\n")
            marks += chunk.count(byte) if byte else 0
            quotes = quotes or b'"' in chunk
            if b"\r" in chunk:
                ends += chunk.count(b"\r") - chunk.count(b"\r\n")
            ends -= last == b"\r" and chunk.startswith(b"\n")
            last = chunk[-1:]
    return ends + (last not in b"\r\n"), marks, quotes
