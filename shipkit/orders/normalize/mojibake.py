"""Text that was UTF-8 and was read in another encoding: "MÃ¼ller", "Zo√´", also twice.

ftfy reads it again; what it leaves of three code pages is read here. A run of their letters is
read again only if all of it becomes letters that names have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

__all__ = ["read_again"]

_RUN: Final = re.compile(r"[^\x00-\x7f]+")
_FURTHER: Final = ("cp850", "cp437", "cp1251")
_LATIN: Final = re.compile("[\u00a0-\u017f\u0218-\u021b\u1ea0-\u1ef9\u2010-\u2026\u20ac\u2122]+")
_CYRILLIC: Final = re.compile("[\u0400-\u045f]{3,}")
_TWICE: Final = 2


def read_again(text: str) -> str:
    """Return `text` as it was before it was read in a wrong encoding; the same if it was not.

    Examples
    --------
    >>> read_again("ZoÃ« MÃ¼ller"), read_again("João NÃO"), read_again("Zo├½")
    ('Zoë Müller', 'João NÃO', 'Zoë')
    """
    import ftfy  # a tenth of a second to import, for cells that few files have

    again = str(ftfy.fix_encoding(text, _certain()))
    for _ in range(_TWICE):
        for page in _FURTHER:
            again = _read(again, page)
    return again


@cache
def _certain() -> Any:
    """Return ftfy's settings without its guesses at bytes that became blanks or were lost."""
    import ftfy

    return ftfy.TextFixerConfig(restore_byte_a0=False, replace_lossy_sequences=False)


def _read(text: str, page: str) -> str:
    """Return `text` with each run of letters that is UTF-8 read as `page` as it was."""
    return _RUN.sub(lambda found: _plain(found, page), text)


def _plain(found: re.Match[str], page: str) -> str:
    run, table = found[0], _table(page)
    try:
        plain = bytes(table[letter] for letter in run).decode("utf-8")
    except (KeyError, UnicodeDecodeError):
        return run
    if _LATIN.fullmatch(plain):
        # "Рі" may be the beginning of a Ukrainian word: it is no word next to a Latin letter.
        around = found.string[: found.start()][-1:] + found.string[found.end() :][:1]
        return plain if page != "cp1251" or any(map(str.isalpha, around)) else run
    return plain if page == "cp1251" and _CYRILLIC.fullmatch(plain) else run


@cache
def _table(page: str) -> Mapping[str, int]:
    """Return letter -> byte. A byte that `page` leaves open is the control with its number."""
    table = {bytes([byte]).decode(page, errors="ignore"): byte for byte in range(0x80, 0x100)}
    return {chr(byte): byte for byte in range(0x80, 0xA0)} | table
