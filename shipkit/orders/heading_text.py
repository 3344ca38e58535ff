"""The text of a heading as words: spellings, abbreviations and languages are made one.

"Ship-To ZIP", "shipToZip", "SHIPTOZIP" and "Lieferadresse PLZ" are the same words. A word that is
not known is cut into words that are ("rechnungsadresse", "toname"); what other languages call a
concept is in ``data/words/languages.toml``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise
from typing import Any, Final

from shipkit.common.words import without_accents

__all__ = [
    "heading_words",
    "phrase",
    "spelled",
    "without_explaining_notes",
    "without_explanation",
    "without_note",
    "without_repeats",
    "word_file",
]

_ROLE_FILES: Final = ("address", "orders", "items", "parcels")
_POSSESSIVE: Final = re.compile(r"['’]s\b")
_NUMERO: Final = re.compile(r"(?i)\bn\s?\.?\s?[°ºª]\.?|№")
_FOOTNOTE_MARK: Final = re.compile(r"[¹²³⁰⁴-⁹]")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""Where a new word begins in "shipToZip" and "USState"."""
_RUN: Final = re.compile(r"[^\W\d_]+|\d+")
_NOTE: Final = re.compile(r"\s*[(\[（【](?![\d\s]*[)\]）】])[^()\[\]（）【】]*[)\]）】]")
_MARKUP: Final = re.compile(r"(?i)</?(?:br|b|i|u|em|strong|span|small|sup|p)\s*/?>")
_EXPLAINED: Final = re.compile(r"\s*(?:[:;=,–—]|\s-)\s+")
"""What is between a heading and its explanation: "State: 2 letters", "Zip - required"."""
_SHAPE: Final = re.compile(r"(?i)^(?:\d+|two|three|five)[ -](?:digits?|letters?|characters?)\s+")
"""How many signs a cell has, in front of a heading: "5-digit ZIP"."""
_SHORT_PIECES: Final = frozenset({"to", "id", "no", "by"})
_SHORTEST_JOINED: Final = 5
"""Letters of the shortest word that is cut: "toname" is two words, "toil" is one."""


@cache
def word_file(name: str) -> dict[str, Any]:
    """Return the words of one concern: the content of ``data/words/<name>.toml``."""
    file = resources.files("shipkit.orders") / "data" / "words" / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def phrase(heading: str) -> str:
    """Return a heading as English words in lower case: what its spellings have in common.

    Examples
    --------
    >>> phrase("ShipToZip"), phrase("Empfänger PLZ"), phrase("Code postal (livraison)")
    ('ship to zip', 'recipient postal code', 'postal code shipping')
    """
    return " ".join(heading_words(heading))


@lru_cache(maxsize=20_000)
def heading_words(heading: str) -> tuple[str, ...]:
    """Return the words of a heading, in English where they are known."""
    whole = _languages().whole.get(spelled(heading))
    if whole is not None:
        return tuple(whole.split())
    words = [piece for token in _tokens(heading) for piece in _pieces(token)]
    languages = _languages()
    bare = [word for word in words if word not in languages.articles]
    translated = list(_translated(bare))
    if not languages.foreign.intersection(bare):  # "LA" may be Los Angeles
        translated = list(_translated(words))
    return tuple(word for word in translated if word not in languages.dropped) or tuple(words)


def spelled(heading: str) -> str:
    """Return the plain words of a heading, in its own language and spelling."""
    return " ".join(_tokens(heading))


def without_repeats(heading: str) -> str:
    """Return a heading that is a path without the names that the next one repeats.

    Examples
    --------
    >>> without_repeats("Delivery Address/Country/Country Code"), without_repeats("City/State/Zip")
    ('Delivery Address/Country Code', 'City/State/Zip')
    """
    parts = heading.split("/")
    kept = [
        part
        for part, following in pairwise([*parts, ""])
        if not _tokens(part) or _tokens(following)[: len(_tokens(part))] != _tokens(part)
    ]
    return "/".join(kept) if len(parts) > 1 else heading


def without_note(heading: str) -> str:
    """Return a heading without a note in brackets, a footnote mark, its second line, or HTML.

    A number in brackets is no note: "Address (2)" is the second line.

    Examples
    --------
    >>> without_note("Zip Code (5 digits)"), without_note("Address (2)")
    ('Zip Code', 'Address (2)')
    """
    heading = _MARKUP.sub(" ", heading).strip()
    first = heading.splitlines()[0] if heading else ""
    return _NOTE.sub("", first).strip() or first


def without_explanation(heading: str) -> str:
    """Return a heading without words that only say how its cells are written.

    Examples
    --------
    >>> without_explanation("State: 2 letters"), without_explanation("5-digit ZIP")
    ('State', 'ZIP')
    >>> without_explanation("Recipient: Zip"), without_explanation("Address - 2")
    ('Recipient: Zip', 'Address - 2')
    """
    heading = _SHAPE.sub("", heading.strip())
    sign = _EXPLAINED.search(heading)
    if sign is None:
        return heading
    return heading[: sign.start()] if _only_explains(heading[sign.end() :]) else heading


def without_explaining_notes(heading: str) -> str:
    """Return a heading without the notes in brackets that only say how its cells are written.

    Examples
    --------
    >>> without_explaining_notes("Weight (lb) (see help)"), without_explaining_notes("Weight (lb)")
    ('Weight (lb)', 'Weight (lb)')
    """
    return _NOTE.sub(lambda found: "" if _only_explains(found[0]) else found[0], heading).strip()


def _only_explains(note: str) -> bool:
    words = _tokens(note)
    explains = frozenset(word_file("spelling")["explaining"])
    known = explains.union(word_file("spelling")["next_to_explaining"])
    return bool(explains.intersection(words)) and all(
        word in known or word.isdigit() for word in words
    )


def _tokens(heading: str) -> list[str]:
    """Return the runs of letters and of digits of a heading, in lower case without accents."""
    heading = _POSSESSIVE.sub("", heading)
    if not heading.isascii():
        heading = without_accents(_FOOTNOTE_MARK.sub("", _NUMERO.sub(" number ", heading)))
    spaced = _HUMP.sub(" ", heading.strip())
    return _RUN.findall(spaced.replace("#", " number ").lower())


# -- one spelling of each word ---------------------------------------------------------------------


class _Languages:
    """What words stand for.

    Attributes
    ----------
    whole
        Headings that mean something as a whole only.
    single
        Word -> the words that it stands for.
    stems
        First letter -> the beginnings of words and the words they stand for, the longest first.
    several
        First word -> the phrases that begin with it, the longest first.
    dropped
        Words that say nothing about the meaning of a column.
    articles
        Words that are left out next to a word of another language.
    foreign
        Words of other languages.
    known
        Words that a longer one may be made of.
    """

    def __init__(self) -> None:
        given, spelling = dict(word_file("languages")), word_file("spelling")  # shared by threads
        self.dropped = frozenset(spelling["dropped"])
        self.articles = frozenset(word for text in spelling["articles"] for word in _tokens(text))
        self.whole = {spelled(text): meaning for text, meaning in given.pop("whole").items()}
        self.single = {word: tuple(text.split()) for word, text in spelling["glued"].items()}
        stems = {spelled(text): meaning for text, meaning in given.pop("stems").items()}
        self.stems: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
        for stem in sorted(stems, key=len, reverse=True):
            self.stems.setdefault(stem[0], []).append((stem, tuple(stems[stem].split())))
        english = {*self.single}
        phrases: dict[tuple[str, ...], tuple[str, ...]] = {}
        for words in given.values():
            for text, meaning in words.items():
                tokens = _tokens(text)
                parts = tuple(word for word in tokens if word not in self.articles) or (*tokens,)
                if len(parts) == 1:
                    self.single.setdefault(parts[0], tuple(meaning.split()))
                else:
                    phrases.setdefault(parts, tuple(meaning.split()))
        self.several: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
        for parts in sorted(phrases, key=len, reverse=True):
            self.several.setdefault(parts[0], []).append((parts, phrases[parts]))
        foreign = {*self.single, *(word for parts in phrases for word in parts)} - english
        self.foreign = frozenset(w for w in foreign if len(w) > 2 or not w.isascii())
        self.known = frozenset(
            {*self.single}
            | {word for parts in phrases for word in parts if len(word) > 3 or not word.isascii()}
            | {word for name in _ROLE_FILES for word in _words_within(word_file(name))}
            | {*_words_within(word_file("parties"))}
            | {*spelling["joined"]}
        )


def _words_within(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _tokens(value)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _words_within(each)
    elif isinstance(value, Sequence):
        for each in value:
            yield from _words_within(each)


@cache
def _languages() -> _Languages:
    return _Languages()


def _pieces(token: str) -> Sequence[str]:
    """Return the known words that a token is made of, or the token itself."""
    known = _languages().known
    if token in known or token.isdigit():
        return (token,)
    if token.isascii() and len(token) < _SHORTEST_JOINED:
        return (token,)
    return _cut(token) or (token,)


@lru_cache(maxsize=20_000)
def _cut(token: str) -> tuple[str, ...]:
    """Return a token as the fewest known words, which may be joined by the "s" of German."""
    known = _languages().known
    best: list[tuple[str, ...] | None] = [()] + [None] * len(token)
    for end in range(1, len(token) + 1):
        for start in range(end):
            before, piece = best[start], token[start:end]
            if before is None:
                continue
            if piece in known and (len(piece) > 2 or piece in _SHORT_PIECES or not piece.isascii()):
                made = (*before, piece)
            elif piece == "s" and before and len(before[-1]) > 4 and end < len(token):
                made = before
            else:
                continue
            other = best[end]
            if other is None or len(made) < len(other):
                best[end] = made
    found = best[-1] or ()
    # One short word next to another is chance: "toad" is no "to ad".
    return found if sum(len(piece) > 2 or not piece.isascii() for piece in found) else ()


def _translated(words: Sequence[str]) -> Iterator[str]:
    languages = _languages()
    place = 0
    while place < len(words):
        for parts, meaning in languages.several.get(words[place], ()):
            if tuple(words[place : place + len(parts)]) == parts:
                yield from meaning
                place += len(parts)
                break
        else:
            yield from _one_translated(words[place])
            place += 1


def _one_translated(word: str) -> Sequence[str]:
    languages = _languages()
    if word in languages.single or word in languages.known:
        return languages.single.get(word, (word,))
    for stem, meaning in languages.stems.get(word[0], ()):
        if word.startswith(stem):
            return meaning
    return (word,)
