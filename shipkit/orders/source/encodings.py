"""The encoding of a text file, found by what its bytes say, and its lines as text.

A file that is UTF-8 is read as it is. Any other is decoded line by line: a line that is UTF-8 stays
UTF-8 (programs append to each other's files), another is read in the code page in which the names
and addresses of the file read best. Where two code pages read nearly as well, the words on which
they differ are doubtful, and their rows wait.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shipkit.common.places import country_codes
from shipkit.orders.source.alphabets import PAGES, countries_in, foreign_words, text_score

__all__ = [
    "CodePage",
    "code_page",
    "ends_as_dos",
    "line_text",
    "title_of",
    "without_end_of_dos",
    "without_nul",
]

_END_OF_DOS: Final = b"\x1a"
"""Ctrl-Z: what programs of DOS write at the end of a file."""

_USUAL: Final = {
    "cp1252": 2.0,
    **dict.fromkeys(("mac_roman", "mac_cyrillic", "koi8-u", "iso8859-5", "iso8859-6"), -1.0),
    **dict.fromkeys(("iso8859-8", "cp437", "cp737", "cp775", "cp850", "cp852"), -1.0),
    **dict.fromkeys(("cp857", "cp862", "cp866", "cp1125"), -1.0),
}
"""What a code page has in advance: most files come from Windows in the West, few from DOS."""
_CLEAR: Final = 2.5
"""How much better than the next a code page must read."""
_POOR: Final = -1.5
"""A line that reads worse than this in the code page of its file is tried in the others."""
_FIRST: Final = 60
_MOST: Final = 400
"""Different lines that are looked at: by all code pages, and by those that are left."""
_TITLES: Final = {
    "cp1252": "Windows-1252 (Western Europe)",
    "cp1250": "Windows-1250 (Central Europe)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "cp1257": "Windows-1257 (Baltic)",
    "cp1258": "Windows-1258 (Vietnamese)",
    "cp874": "Windows-874 (Thai)",
    "cp932": "Shift-JIS (Japanese)",
    "euc_jp": "EUC-JP (Japanese)",
    "iso2022_jp_ext": "ISO-2022-JP (Japanese)",
    "iso2022_kr": "ISO-2022-KR (Korean)",
    "gb18030": "GB18030 (Chinese)",
    "big5": "Big5 (Chinese)",
    "cp949": "Windows-949 (Korean)",
    "mac_roman": "Mac Roman",
}


def title_of(page: str) -> str:
    """Return the name of a code page for people."""
    return _TITLES.get(page, page)


_MANY_BYTES: Final = re.compile(
    rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_SHOWN: Final = 3


@dataclass(frozen=True)
class CodePage:
    """The code page of a file that is not UTF-8.

    Parameters
    ----------
    name
        Of the code page that reads best; None: the lines are UTF-8 but for a few bytes.
    rivals
        Others that read nearly as well, the best first.
    examples
        Some words as `name` reads them.
    doubtful
        Cell as `name` reads it -> rival -> the cell as that one reads it, where they differ.
    """

    name: str | None
    rivals: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    doubtful: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def code_page(lines: Iterable[bytes]) -> CodePage:
    """Return the code page in which `lines`, none of them UTF-8, read best.

    Parameters
    ----------
    lines
        Lines of the file that are not UTF-8. Those that look like broken UTF-8 are no evidence.
    """
    seen = list(dict.fromkeys(line for line in lines if not is_broken_utf8(line)))
    few = seen[:_FIRST]
    if not few:
        return CodePage(None)
    scores = {page: _score(few, page) for page in PAGES}
    ranked = sorted(PAGES, key=lambda page: -scores[page])
    if len(seen) > len(few):
        left = ranked[:6]
        scores = {page: _score(seen[:_MOST], page) for page in left}
        ranked = sorted(left, key=lambda page: -scores[page])
    best, *others = ranked
    rivals = tuple(
        page
        for page in others
        if scores[page] > scores[best] - _CLEAR and any(_differ(few, best, page))
    )
    words = list(dict.fromkeys(word for line in few for word in foreign_words(_read(line, best))))
    return CodePage(best, rivals, tuple(words[:_SHOWN]), _doubtful(seen, best, rivals))


def _score(lines: Sequence[bytes], page: str) -> float:
    codes = country_codes()
    total = _USUAL.get(page, 0.0)
    for line in lines:
        text = _read(line, page)
        total += text_score(text, page, countries_in(text, codes))
    return total


def _read(line: bytes, page: str) -> str:
    return line.decode(page, errors="replace")


def _differ(lines: Iterable[bytes], page: str, other: str) -> Iterable[bool]:
    return (_read(line, page) != _read(line, other) for line in lines)


def _doubtful(
    lines: Sequence[bytes], page: str, rivals: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return word -> code page -> how that one reads it, for words that are read in two ways."""
    found: dict[str, dict[str, str]] = {}
    for line in lines if rivals else ():
        ours = _read(line, page)
        for rival in rivals:
            theirs = _read(line, rival)
            if theirs == ours:
                continue
            pairs = zip(_cells(ours), _cells(theirs), strict=False)
            for cell, other in pairs:
                if cell != other:
                    found.setdefault(cell, {})[rival] = other
    return found


def _cells(text: str) -> list[str]:
    return re.split(r'[,;\t|"\r\n]+', text)


def line_text(line: bytes, page: str) -> str:
    """Return a line of a file whose code page is `page`, or ``utf-8``.

    Letters that cannot be known are U+FFFD, which stops the row.
    """
    line = without_nul(line).removeprefix(codecs.BOM_UTF8)
    if line.isascii():
        return line.decode("ascii")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if page.startswith("utf-8") or is_broken_utf8(line):
        return line.decode("utf-8", errors="replace")
    text = _read(line, page)
    score = text_score(text, page)
    if score > _POOR:
        return text
    countries = countries_in(text, country_codes())
    others = {name: text_score(_read(line, name), name, countries) for name in PAGES}
    best = max(others, key=lambda name: others[name])
    if others[best] > max(score, 0.0) + _CLEAR:
        return _read(line, best)
    return text


def is_broken_utf8(line: bytes) -> bool:
    """Return whether a line is UTF-8 but for a few bytes: most have a letter of one script."""
    found = _MANY_BYTES.findall(line)
    whole = sum(map(len, found))
    rest = sum(byte > 0x7F for byte in line) - whole
    if not found or whole < 2 * rest:
        return False
    text = b"".join(found).decode("utf-8", errors="replace")
    return text_score(text, "utf-8") >= 0.0


def ends_as_dos(line: bytes) -> bool:
    """Return whether a line is the end of a file of DOS: Ctrl-Z alone, or without a line end.

    In front of a line end it is a letter that a program did not know, and a part of the cell.
    """
    return line.endswith(_END_OF_DOS) or line.rstrip(b"\r\n") == _END_OF_DOS


def without_end_of_dos(line: bytes) -> bytes:
    """Return a line without the Ctrl-Z that ends a file of DOS."""
    before, _, after = line.rpartition(_END_OF_DOS)
    return before + after if ends_as_dos(line) else line


def without_nul(line: bytes) -> bytes:
    """Return a line without NUL bytes; between two letters, one is a letter that was lost."""
    line = without_end_of_dos(line)
    if b"\0" not in line:
        return line
    lost = re.sub(rb"(?<=[^\W_])\0+(?=[^\W_])", "\ufffd".encode(), line)
    return lost.replace(b"\0", b"")
