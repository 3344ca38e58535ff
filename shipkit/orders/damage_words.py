"""What spreadsheets and programs write in place of a text: dates, errors, words for nothing."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

from shipkit.orders.expressions import quote, quoted_list

__all__ = ["DATES", "damage_words", "date_sql", "plain_damage_words", "plain_sql", "plain_words"]

_WORDS: Final = Path(__file__).parent / "data" / "words" / "damage.toml"


@cache
def _lists() -> dict[str, str]:
    return tomllib.loads(_WORDS.read_text(encoding="utf-8"))


@cache
def damage_words(name: str) -> frozenset[str]:
    """Return a list of ``damage.toml``, such as ``months``, ``errors`` or ``nothing``."""
    return frozenset(word.replace("_", " ") for word in _lists()[name].split())


def plain_words(text: str) -> str:
    """Return a text in lower case without the marks around and between its words."""
    words = re.sub(_MARKS, " ", text.lower()).split()
    return " ".join(words) or text.lower().strip()


def plain_sql(x: str) -> str:
    """Return SQL of what :func:`plain_words` returns for a text whose blanks are spaces."""
    words = f"trim(regexp_replace(lower({x}), {quote(_MARKS)}, ' ', 'g'))"
    return f"coalesce(nullif({words}, ''), lower(trim({x})))"


@cache
def plain_damage_words(name: str) -> frozenset[str]:
    """Return a list of ``damage.toml`` as :func:`plain_words` writes them."""
    return frozenset(map(plain_words, damage_words(name)))


_MARKS: Final = r"[\s.,;:!*()\[\]_-]+"
_DAY: Final = "[0-9]{1,2}"
_YEAR: Final = "(?:19|20)?[0-9]{2}"
_CLOCK: Final = r"(?:[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?: ?[AP]M)?Z?)?"


_GERMAN_MONTH: Final = "jan|jän|feb|mrz|mär|apr|mai|jun|jul|aug|sep|okt|nov|dez"


def _dates(month: str) -> tuple[str, ...]:
    return (
        # 2-Jan, 3-mai, 5.Jan, 2. Jan, 02-Jan-26, 2 January 2026; Jan-02, Jan 2, 2026
        rf"{_DAY}(?:-|\. ?){month}\.?(?:[- .]{{1,2}}{_YEAR})?{_CLOCK}",
        rf"{_DAY} {month}\.? (?:19|20)[0-9]{{2}}{_CLOCK}",
        rf"{month}\.?-{_DAY}",
        rf"{month}\.? {_DAY}, ?(?:19|20)[0-9]{{2}}{_CLOCK}",
        rf"{month}\.?[- ](?:19|20)[0-9]{{2}}",
        # Mrz 12: Excel in German makes it of 3-12. "Mar 12" may be a street of Valencia.
        rf"(?:{_GERMAN_MONTH})\.? [0-9]{{2}}",
        # 1月2日, and a time: 12:30:00
        f"{_DAY}月{_DAY}日",
        f"{_DAY}:[0-9]{{2}}:[0-9]{{2}}",
        # 2026-01-02, 1/2/2026, 01.02.2026, with or without a time
        rf"(?:19|20)[0-9]{{2}}[-/.]{_DAY}[-/.]{_DAY}{_CLOCK}",
        *(rf"{_DAY}{mark}{_DAY}{mark}(?:19|20)[0-9]{{2}}{_CLOCK}" for mark in ("-", "/", r"\.")),
    )


# The longest first: the first alternative that fits is taken.
_MONTHS: Final = "|".join(sorted(damage_words("months"), key=lambda month: (-len(month), month)))

DATES: Final = _dates(f"(?:{_MONTHS})")
"""Whole cells that are dates, as patterns of Python."""

_WORD: Final = "[^0-9 .,:/-]{3,}"
_SHAPE: Final = "|".join(_dates(_WORD))


def date_sql(x: str) -> str:
    """Return SQL of whether a text is a date: the same as :data:`DATES`.

    The month is looked up among the words: a pattern of all of them takes milliseconds to compile,
    in each statement again.
    """
    months = quoted_list(sorted(damage_words("months")))
    return rf"""CASE
        WHEN regexp_full_match({x}, '(?i){_SHAPE}')
        THEN regexp_extract({x}, '{_WORD}') = ''
            OR lower(regexp_extract({x}, '{_WORD}')) IN ({months})
        ELSE false
    END"""
