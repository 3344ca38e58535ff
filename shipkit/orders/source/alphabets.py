"""How well a text reads as names and addresses: the evidence by which a code page is found.

A file does not say its code page, and a name has few letters beyond ASCII. So each of these letters
counts: whether a language has it, whether that language writes it next to the letters
around it, and whether the country of the row speaks the language. Detectors that are made for long
texts have too little to go on in an orders file (see docs/dependencies.md).
"""

from __future__ import annotations

import itertools
import re
import tomllib
import unicodedata
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

__all__ = ["PAGES", "countries_in", "foreign_words", "text_score"]

_WORDS: Final = Path(__file__).parents[1] / "data" / "words" / "letters.toml"
_WORD: Final = re.compile(r"[^\x00-\x40\[-`{-\x7f]+(?:'[^\x00-\x40\[-`{-\x7f]+)*")
_CELL: Final = re.compile(r'[,;\t|"\r\n]+')

# The weights were set on files of invented orders in all of the code pages: no file may be read
# wrongly without a question, and as few as possible may need one.
_LETTER: Final = 1.0
_BESIDE: Final = 0.8
_KNOWN_WORD: Final = 3.0
_COUNTRY: Final = 2.0
_OTHER_LETTER: Final = -2.0
_SYMBOL: Final = -3.0
_CONTROL: Final = -8.0
_CASE: Final = -3.0
_CROWDED: Final = -2.0
_TWO_SCRIPTS: Final = -5.0
_COMMON_SIGN: Final = 2.0

_SIGNS: Final = {
    "cp932": ((0x88, 0x97, 0.5), (0x98, 0x9F, -0.7), (0xE0, 0xEA, -0.7)),
    "euc_jp": ((0xB0, 0xCF, 0.5), (0xD0, 0xF4, -0.7)),
    "gb18030": ((0xB0, 0xD7, 0.5), (0xD8, 0xF7, -0.7)),
    "big5": ((0xA4, 0xC6, 0.5), (0xC9, 0xF9, -0.7)),
    "cp949": ((0xB0, 0xC8, 1.0), (0xCA, 0xFD, -2.0)),
}
"""First bytes of the signs that a standard of East Asia lists as usual and as rare."""


@dataclass(frozen=True)
class _Language:
    countries: frozenset[str]
    pages: tuple[str, ...]
    letters: frozenset[str]
    pairs: frozenset[str]
    words: frozenset[str]


@cache
def _languages() -> tuple[_Language, ...]:
    read = tomllib.loads(_WORDS.read_text(encoding="utf-8"))
    return tuple(_language(facts) for facts in read.values())


def _language(facts: dict[str, str]) -> _Language:
    words = facts["words"].split()
    return _Language(
        countries=frozenset(facts["countries"].split()),
        pages=tuple(facts["pages"].split()),
        letters=frozenset(letter for word in words for letter in word if not letter.isascii()),
        # A blank marks the beginning and the end of a word.
        pairs=frozenset(pair for word in words for pair in _pairs(word)),
        words=frozenset(words),
    )


def _pairs(word: str) -> Iterator[str]:
    padded = f" {word} "
    return (padded[place : place + 2] for place in range(len(padded) - 1))


@cache
def _speakers(page: str) -> tuple[_Language, ...]:
    return tuple(language for language in _languages() if page in language.pages)


PAGES: Final = tuple(dict.fromkeys(page for known in _languages() for page in known.pages))
"""Every code page that is tried."""


def countries_in(line: str, codes: dict[str, str]) -> frozenset[str]:
    """Return the countries that cells of a line name. `codes`: name or code in lower case -> code.

    The codes of US states ("DE", "IL") are countries too: a line that names the US has no other.
    """
    found = {codes.get(cell.strip().lower(), "") for cell in _CELL.split(line)} - {""}
    return frozenset({"US"} if "US" in found else found)


def foreign_words(text: str) -> list[str]:
    """Return the words of a text that have letters or marks beyond ASCII."""
    return [word for word in _WORD.findall(text) if not word.isascii()]


def text_score(text: str, page: str, countries: AbstractSet[str] = frozenset()) -> float:
    """Return how well a text reads: above 0 like names and addresses, below 0 like garbage.

    Parameters
    ----------
    page
        The code page that the text was decoded from, whose languages are asked.
    countries
        Countries of the row.
    """
    return sum(_word_score(word, page, frozenset(countries)) for word in foreign_words(text))


@lru_cache(maxsize=200_000)
def _word_score(word: str, page: str, countries: frozenset[str]) -> float:
    base = _shape(word)
    if not _speakers(page):  # any language
        return base
    if page in _SIGNS:
        (language,) = _speakers(page)[:1]
        spoken = _COUNTRY if countries & language.countries else 0.0
        return base + spoken + sum(_sign(letter, page, language) for letter in word)
    lower = word.lower()
    return base + max(_in_language(lower, known, countries) for known in _speakers(page))


def _in_language(word: str, language: _Language, countries: frozenset[str]) -> float:
    score = _COUNTRY if countries & language.countries else 0.0
    if word in language.words:
        score += _KNOWN_WORD
    padded = f" {word} "
    for place in range(1, len(padded) - 1):
        letter = padded[place]
        if letter.isascii() or not unicodedata.category(letter).startswith(("L", "M")):
            continue
        if letter not in language.letters:
            score += _OTHER_LETTER
            continue
        score += _LETTER
        for pair in (padded[place - 1 : place + 1], padded[place : place + 2]):
            if pair in language.pairs:
                score += _BESIDE
            elif not pair.replace(" ", "").isascii() and _is_crowded(pair):
                score += _CROWDED / 2  # each such pair is seen twice
    return score


def _is_crowded(pair: str) -> bool:
    """Return whether two letters beyond ASCII follow one another in Latin script."""
    return len(pair.strip()) == 2 and all("\x80" <= letter < "\u0250" for letter in pair)


def _sign(letter: str, page: str, language: _Language) -> float:
    if letter.isascii():
        return 0.0
    if letter in language.letters:
        return _COMMON_SIGN
    if unicodedata.category(letter)[0] in "PZS":
        return -1.0 if unicodedata.category(letter)[0] == "S" else 0.0
    lead = letter.encode(page, errors="replace")[0]
    for first, last, weight in _SIGNS[page]:
        if first <= lead <= last and len(letter.encode(page)) == 2:
            return weight
    return -2.5


def _shape(word: str) -> float:
    """Return what speaks against a word in any language: symbols, two scripts, odd capitals."""
    score = 0.0
    scripts = set()
    for place, letter in enumerate(word):
        kind = unicodedata.category(letter)
        if kind[0] in "LM":
            scripts.add(_script(letter))
        elif not letter.isascii():
            score += _mark(word, place, kind)
    if len(scripts - {""}) > 1:
        score += _TWO_SCRIPTS
    return score + _capitals(word)


def _mark(word: str, place: int, kind: str) -> float:
    """Return the weight of a character that is no letter."""
    letter = word[place]
    if kind in {"Cc", "Cn", "Co", "Cs"} or letter == "\ufffd":
        return _CONTROL
    before, after = word[:place], word[place + 1 :]
    if letter == "\u2019":  # O’Neil, d’Arc, Jane’s: after one or two letters, or before an s
        usual = not before or not after or len(before) <= 2 or after.lower() == "s"
        return 1.5 if usual else _SYMBOL / 2
    if letter in "ºª°" and not after and (before.isdecimal() or before.lower() == "n"):
        return 0.5  # "5º", "Nº"
    if letter in "\u2013\u2014\u201c\u201d\u2018\u2026" and not (before and after):
        return 1.5
    if letter in "\u00a0\u3000" and not (before and after):
        return 0.0
    return _SYMBOL * 2 if "\u2500" <= letter <= "\u259f" else _SYMBOL


def _capitals(word: str) -> float:
    """Return the weight of capitals after small letters and of small letters among capitals."""
    score = 0.0
    for first, second in itertools.pairwise(word):
        if first.islower() and second.isupper() and not (first.isascii() and second.isascii()):
            score += _CASE
    capitals = sum(letter.isupper() for letter in word)
    small = sum(letter.islower() and letter not in "ßŉĸ" for letter in word)
    if capitals == len(word) > 2 and not any(map(str.isascii, word)) and word[0] >= "\u0370":
        score += _CASE  # names in these scripts are rarely written in capitals only
    odd = 0 < small < capitals and any(c.islower() and not c.isascii() for c in word)
    return score + (_CASE if odd else 0.0)


@lru_cache(maxsize=70_000)
def _script(letter: str) -> str:
    """Return a name of the script of a letter, empty for marks that join any."""
    if unicodedata.category(letter).startswith("M"):
        return ""
    name = unicodedata.name(letter, "").split(" ")[0].removesuffix("WIDTH")
    east_asian = {"CJK", "HIRAGANA", "KATAKANA", "HALF", "FULL", "KATAKANA-HIRAGANA", "HALFWIDTH"}
    return "EAST" if name in east_asian else name
