"""What spreadsheets and programs write in place of a text: dates, errors, words for nothing."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["DATES", "damage_words"]

_WORDS: Final = Path(__file__).parent / "data" / "words" / "damage.toml"


@cache
def _lists() -> dict[str, str]:
    return tomllib.loads(_WORDS.read_text(encoding="utf-8"))


@cache
def damage_words(name: str) -> frozenset[str]:
    """Return a list of ``damage.toml``: ``months``, ``errors``, ``booleans`` or ``nothing``."""
    return frozenset(word.replace("_", " ") for word in _lists()[name].split())


# The longest first: the first alternative that fits is taken.
_MONTHS: Final = "|".join(sorted(damage_words("months"), key=lambda month: (-len(month), month)))
_DAY: Final = "[0-9]{1,2}"
_YEAR: Final = "(?:19|20)?[0-9]{2}"
_CLOCK: Final = r"(?:[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?: ?[AP]M)?Z?)?"

DATES: Final = (
    # 2-Jan, 3-mai, 5.Jan, 2. Jan, 02-Jan-26, 2 January 2026; Jan-02, Jan 2, 2026
    rf"{_DAY}(?:-|\. ?)(?:{_MONTHS})\.?(?:[- .]{{1,2}}{_YEAR})?{_CLOCK}",
    rf"{_DAY} (?:{_MONTHS})\.? (?:19|20)[0-9]{{2}}{_CLOCK}",
    rf"(?:{_MONTHS})\.?-{_DAY}",
    rf"(?:{_MONTHS})\.? {_DAY}, ?(?:19|20)[0-9]{{2}}{_CLOCK}",
    rf"(?:{_MONTHS})\.?[- ](?:19|20)[0-9]{{2}}",
    # 2026-01-02, 1/2/2026, 01.02.2026, with or without a time
    rf"(?:19|20)[0-9]{{2}}[-/.]{_DAY}[-/.]{_DAY}{_CLOCK}",
    *(rf"{_DAY}{mark}{_DAY}{mark}(?:19|20)[0-9]{{2}}{_CLOCK}" for mark in ("-", "/", r"\.")),
)
"""Whole cells that are dates, as patterns that Python and DuckDB (RE2) read alike."""
