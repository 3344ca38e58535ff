"""What the cells of states of orders say: "Cancelled - no refund", "noch nicht versendet".

A cell is read in parts, as punctuation cuts it. A word counts unless its part denies it, and what
is right to ship ("no refund") is taken away before the rest is read. The words are in
``data/words/order_states.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from shipkit.common.words import without_accents
from shipkit.orders.heading_text import word_file

__all__ = ["Cell", "Entry", "is_expected", "meaning_of", "plain", "state_words", "within"]

Entry = Mapping[str, Any]
"""A table of order_states.toml, with its words as :func:`plain` writes them."""

_PART_END: Final = re.compile(r"[,;|/()\[\]\n.。、，；（）]|\s[-–—]+\s")


class Cell(NamedTuple):
    """The plain text of a cell, as a whole and in the parts that punctuation makes."""

    text: str
    parts: tuple[str, ...]

    @classmethod
    def of(cls, value: str) -> Cell:
        """Return a cell as it is read.

        Examples
        --------
        >>> Cell.of("Storniert - keine Erstattung")
        Cell(text='storniert keine erstattung', parts=('storniert', 'keine erstattung'))
        >>> Cell.of("1.0").text
        '1'
        """
        bit = _bit(value)
        text = plain(value) if bit is None else bit
        parts = tuple(filter(None, map(plain, _PART_END.split(value)))) if bit is None else ()
        return cls(text, parts or (text,))

    def without(self, word: str) -> Cell:
        """Return what is left of the cell without a word."""
        return Cell(_without(self.text, word), tuple(_without(part, word) for part in self.parts))


def _without(text: str, word: str) -> str:
    found = f" {word} " if word.isascii() else word
    return " ".join(f" {text} ".replace(found, "  ").split())


def _bit(cell: str) -> str | None:
    """Return "0" or "1" for a cell that is one of them: 0.0 of pandas, 1.00, or a sign: ✓, ×."""
    sign = _signs().get(cell.strip())
    if sign is not None:
        return sign
    try:
        number = float(cell)
    except ValueError:
        return None
    return str(int(number)) if number in (0, 1) else None


@cache
def _signs() -> Mapping[str, str]:
    """Return the signs that people write for yes and no, which have no letter: ✓ -> "1"."""
    values = word_file("values")
    return {
        sign: bit
        for answer, bit in (("no", "0"), ("yes", "1"))
        for sign in values[answer]
        if not plain(sign) or sign == "〇"
    }


def meaning_of(cell: Cell, meanings: Sequence[Entry]) -> Entry | None:
    """Return the first meaning that a cell has, None for one that is right to ship."""
    for meaning in meanings:
        if any(within(cell.text, word) for word in meaning.get("unless", ())):
            continue
        for word in meaning["words"]:
            if not _fits(cell, word, meaning):
                continue
            if meaning.get("state"):
                return meaning
            cell = cell.without(word)
    return None


def is_expected(cell: Cell, meanings: Sequence[Entry]) -> bool:
    """Return whether a cell is a state that is known, right to ship or not."""
    return any(_known(cell, word) for word in state_words()["expected"]) or any(
        _fits(cell, word, meaning) or _plainly_denied(cell, word)
        for meaning in meanings
        for word in meaning["words"]
    )


def _known(cell: Cell, word: str) -> bool:
    """Return whether a cell is an expected state: "new" is that of "New order", not "New claim".

    Phrases may have more around them ("Awaiting shipment from store"), single words may not.
    """
    words = state_words()
    return any(
        part == word
        or (
            within(part, word)
            and not _denials_around(part, word)
            and (" " in word or not word.isascii() or words["usual"].issuperset(_letters(part)))
        )
        for part in (cell.text, *cell.parts)
    )


def _letters(part: str) -> list[str]:
    return [each for each in part.split() if not each.isdigit()]


def _denials_around(part: str, word: str) -> bool:
    return bool(state_words()["denials"].intersection(_without(part, word).split()))


def _fits(cell: Cell, word: str, meaning: Entry) -> bool:
    """Return whether a cell has a word of a meaning, in the way that the meaning is read."""
    if not within(cell.text, word):
        return False
    if meaning.get("match") == "whole":
        return any(
            within(part, word) and meaning["parts"].issuperset(_letters(part))
            for part in (cell.text, *cell.parts)
        )
    having = [part for part in cell.parts if within(part, word)] or [cell.text]
    return not all(_denies(part, word) for part in having)


def _denies(part: str, word: str) -> bool:
    """Return whether a part of a cell denies its word: "not yet shipped", "cancelled: no"."""
    words = state_words()
    start = part.find(word) if not word.isascii() else f" {part} ".find(f" {word} ")
    before, after = part[:start].split(), part[start + len(word) :].split()
    if len(after) == 1 and not before and after[0] in words["denials"]:
        return True
    if part[:start].endswith(tuple(words["denying_signs"])):
        return True
    while before and before[-1] in words["links"]:
        before.pop()
    return bool(before) and before[-1] in words["denials"]


def _plainly_denied(cell: Cell, word: str) -> bool:
    """Return whether a part of a cell only denies a word: "not on hold", "nicht storniert"."""
    words = state_words()
    return any(
        within(part, word)
        and _denies(part, word)
        and (
            words["denials"] | words["denying_signs"] | words["links"] | words["usual"]
        ).issuperset(_without(part, word).split())
        for part in cell.parts
    )


def within(text: str, part: str) -> bool:
    """Return whether `part` is in `text` as whole words; in scripts without spaces, anywhere."""
    return f" {part} " in f" {text} " if part.isascii() else part in text


def plain(text: str) -> str:
    """Return lower-case words without accents and punctuation: "Annulée!" -> "annulee"."""
    return " ".join(re.findall(r"[^\W_]+", without_accents(text).casefold()))


@cache
def state_words() -> dict[str, Any]:
    """Return what order_states.toml says, with its words as :func:`plain` writes them."""
    given, values = word_file("order_states"), word_file("values")
    expected = _plainly(given["expected"])
    denials = frozenset(expected["denials"])
    noes = [word for word in values["no"] if not word[0].isdigit()]
    parts = {part for word in expected["words"] for part in word.split()}
    return {
        "neutral": frozenset(_plainly([*word_file("instructions")["neutral"], *noes])) | {""},
        "yes": frozenset(_plainly([*values["yes"], *values["settled"]])) - {""},
        "expected": expected["words"],
        "denials": denials,
        "denying_signs": frozenset(expected["denying_signs"]),
        "links": frozenset(expected["links"]),
        "of_orders": frozenset(expected["of_orders"]),
        "usual": frozenset({*parts, *expected["of_orders"], *expected["around"]}) - denials,
        "columns": {kind: _plainly(entry) for kind, entry in given["columns"].items()},
        "meaning": [_meant(entry, given["groups"]) for entry in given["meaning"]],
        "flag": [_plainly(entry) for entry in given["flag"]],
        "unnamed": _unnamed(given, expected["words"]),
        "named": _named(given),
    }


def _named(given: Entry) -> Mapping[str, Entry]:
    """Return the states that a heading may be by itself: "Vorbestellung", "暂停发货"."""
    unclear = {plain(word) for word in given["unnamed"]["unclear"]}
    found: dict[str, Entry] = {}
    for meaning in given["meaning"]:
        of_orders = {"state", "way"}.intersection(meaning["columns"]) and "state" in meaning
        if of_orders and "match" not in meaning and "unless_role" not in meaning:
            for word in {*map(plain, meaning["words"])} - unclear:
                found.setdefault(word, {**meaning, "when": "named"})
    return found


def _unnamed(given: Entry, expected: Collection[str]) -> Entry:
    """Return the words by which a column of states is known that is not called one."""
    words = _plainly(given["unnamed"])
    asking = {
        plain(word)
        for meaning in given["meaning"]
        if "state" in meaning["columns"] and "state" in meaning and "match" not in meaning
        for word in meaning["words"]
    }
    return {
        "without": words["without"],
        "asking": frozenset(asking).difference(words["unclear"]),
        "known": frozenset(expected),
    }


def _meant(entry: Entry, groups: Mapping[str, Collection[str]]) -> Entry:
    """Return a meaning with the words of the groups that it names: "@documents"."""
    named = [groups[word[1:]] if word[0] == "@" else [word] for word in entry["words"]]
    made: Entry = _plainly({**entry, "words": [word for group in named for word in group]})
    parts = (part for word in made["words"] for part in word.split())
    return {**made, "parts": frozenset({*parts, *made.get("around", ())})}


def _plainly(value: Any) -> Any:
    """Return data with the words of its lists as :func:`plain` writes them."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {
            key: _plainly(each) if isinstance(each, list) else each for key, each in value.items()
        }
    return value
