"""The bytes of a text file: its encoding, and the same text as UTF-8."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from shipkit.errors import SourceError
from shipkit.orders.cells import Note

__all__ = ["CHUNK", "Scan", "as_utf8", "line_count", "scan"]

CHUNK = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Scan:
    """What one pass over the bytes of a file found."""

    sha256: str
    packed: bool
    encoding: str
    """utf-8, utf-8-sig, utf-16, utf-16-le, utf-16-be, cp1252; or the one that was given."""
    mixed: bool = False
    """Whether to decode line by line, as UTF-8 where possible."""
    notes: tuple[Note, ...] = ()


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
            found = _by_mark(head)
            if wanted is not None:
                _prove(path, packed, wanted)
                return Scan(
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
                    return Scan(sha, packed, found or "utf-8")
                note = Note(
                    "read",
                    f"{path.name} is not UTF-8 (first in line {bad}); such lines were read as "
                    "Windows-1252. Pass encoding= if names look wrong.",
                )
                return Scan(sha, packed, "cp1252", mixed=True, notes=(note,))
            return Scan(sha, packed, found, notes=(Note("read", f"{path.name} is UTF-16."),))
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


def opened(path: Path, *, packed: bool) -> IO[bytes]:
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
    while chunk := file.read(CHUNK):
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
        and not seen.packed
        and not set("*?[{") & set(str(path))
    ):
        return path
    made = folder / "cells.csv"
    with opened(path, packed=seen.packed) as source, made.open("wb") as target:
        if seen.mixed:
            target.writelines(_line_by_line(source))
        else:
            text = io.TextIOWrapper(source, encoding=seen.encoding, newline="")
            while chunk := text.read(CHUNK):
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


def line_count(path: Path) -> int:
    r"""Return the number of lines of a UTF-8 file, as an editor numbers them.

    A line ends with ``\n``, ``\r\n`` or a lone ``\r``; text behind the last end is a line.
    """
    ends, last = 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            ends += chunk.count(b"\n")
            if b"\r" in chunk:
                ends += chunk.count(b"\r") - chunk.count(b"\r\n")
            ends -= last == b"\r" and chunk.startswith(b"\n")
            last = chunk[-1:]
    return ends + (last not in b"\r\n")
