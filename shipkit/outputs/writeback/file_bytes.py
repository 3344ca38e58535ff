"""The bytes of a text file as lines in which delimiters, quotes and line ends are ASCII."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from shipkit.errors import WriteBackError
from shipkit.orders.source.encodings import line_text, without_end_of_dos
from shipkit.outputs.writeback.origin import SourceFile

__all__ = ["TextBytes"]

_WIDE: Final = ("utf_16", "utf_32")
_STATES: Final = ("iso2022", "hz", "utf_7")
"""Encodings in which the byte of a quote may be part of a letter."""
_PACKED: Final = frozenset({".gz", ".gzip"})


class _Out(Protocol):
    def writelines(self, lines: Iterator[bytes], /) -> object: ...


class TextBytes:
    """A text file that is read as lines of bytes and written in the same encoding.

    A file in which those bytes are not ASCII (UTF-16, EBCDIC) is handled as UTF-8, and converted
    back if that gives exactly its bytes.
    """

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        name = codecs.lookup(file.encoding).name.replace("-", "_")
        self._codec = "utf-8" if name.startswith("utf_8") else file.encoding
        self._converted = name.startswith((*_WIDE, *_STATES)) or not _is_ascii(file.encoding)
        if not self._converted and file.delimiter == "|" and not _is_narrow(file.encoding):
            # In the code pages of China, Japan and Korea "|" may be the second half of a letter.
            raise _cannot_convert(file)

    @contextmanager
    def lines(self) -> Iterator[Iterator[bytes]]:
        """Provide the lines with their ends; a lone carriage return is one too."""
        with self.file.open() as source:
            yield _converted(source, self.file) if self._converted else _split(source)

    def decoded(self, data: bytes) -> str:
        """Return some of the bytes of a line as text."""
        return data.decode(errors="replace") if self._converted else line_text(data, self._codec)

    def encoded(self, text: str) -> bytes:
        """Return text as bytes of a line. Raises WriteBackError for a letter the file lacks."""
        try:
            data = text.encode(self.file.encoding if self._converted else self._codec)
        except UnicodeEncodeError as error:
            raise WriteBackError(
                f"{error.object[error.start : error.end]!r} in {text!r} cannot be written in "
                f"{self.file.encoding}, the encoding of {self.file.path.name}.",
                fix="Choose other columns or headings with columns=. " + self.file.other_format,
            ) from None
        return text.encode() if self._converted else data

    @contextmanager
    def created(self, dest: Path) -> Iterator[_Out]:
        """Provide what lines are written to, packed as the file is."""
        own = self.file.path
        packed = dest.suffix.lower() in _PACKED or (
            own.suffix == dest.suffix and _starts_packed(own)
        )
        with dest.open("wb") as plain:
            if packed:
                # Without a name and a time: the file is written under a temporary one.
                with gzip.GzipFile("", "wb", fileobj=plain, mtime=0) as out:
                    yield self._recoded(out.write)
            else:
                yield self._recoded(plain.write)

    def _recoded(self, write: Callable[[bytes], object]) -> _Out:
        return _Recoded(write, self._back() if self._converted else None)

    def _back(self) -> tuple[bytes, str]:
        return _mark_and_encoding(self.file)


class _Recoded:
    """Writes lines, converted from UTF-8 to another encoding if there is one."""

    def __init__(self, write: Callable[[bytes], object], back: tuple[bytes, str] | None) -> None:
        self._write, self._back = write, back

    def writelines(self, lines: Iterator[bytes], /) -> None:
        if self._back is None:
            for line in lines:
                self._write(line)
            return
        mark, encoding = self._back
        self._write(mark)
        for line in lines:
            self._write(_encoded(line.decode(errors="surrogatepass"), encoding))


def _split(source: io.BufferedIOBase) -> Iterator[bytes]:
    for given in source:
        line = without_end_of_dos(given)  # or cells that are added would be behind it
        # A lone \r is a line end too (classic Mac OS, and exports that mix several files).
        if line.count(b"\r") > line.endswith(b"\r\n"):
            yield from line.splitlines(keepends=True)
        else:
            yield line


def _converted(source: io.BufferedIOBase, file: SourceFile) -> Iterator[bytes]:
    mark, encoding = _mark_and_encoding(file)
    data = source.read()
    try:
        text = data[len(mark) :].decode(encoding, errors=_errors(encoding))
        lines = list(io.StringIO(text, newline=""))
        exact = mark + b"".join(_encoded(line, encoding) for line in lines) == data
    except UnicodeError:
        exact = False
    if not exact:
        raise _cannot_convert(file)
    yield from (line.encode(errors="surrogatepass") for line in lines)


def _encoded(text: str, encoding: str) -> bytes:
    return text.encode(encoding, errors=_errors(encoding))


def _errors(encoding: str) -> str:
    return "surrogatepass" if encoding.startswith("utf-16") else "strict"


def _mark_and_encoding(file: SourceFile) -> tuple[bytes, str]:
    """Return the byte order mark of a file, and the encoding of what follows it."""
    name = codecs.lookup(file.encoding).name
    if name != "utf-16":
        return b"", name
    with file.open() as source:
        mark = source.read(2)
    if mark not in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        return b"", "utf-16-le"
    return mark, "utf-16-be" if mark == codecs.BOM_UTF16_BE else "utf-16-le"


def _is_ascii(encoding: str) -> bool:
    """Return whether ASCII text has the same bytes in an encoding."""
    text = bytes(range(128))
    return text.decode(encoding, errors="replace") == text.decode("ascii")


def _is_narrow(encoding: str) -> bool:
    """Return whether letters are UTF-8 or single bytes, so that ``|`` is never half of one."""
    return codecs.lookup(encoding).name.startswith("utf-8") or all(
        len(bytes([byte, 0x7C]).decode(encoding, errors="replace")) == 2 for byte in range(128, 256)
    )


def _starts_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _cannot_convert(file: SourceFile) -> WriteBackError:
    return WriteBackError(
        f"{file.path.name} cannot be extended and keep all other bytes, because of its encoding "
        f"{file.encoding}.",
        fix=file.other_format,
    )
