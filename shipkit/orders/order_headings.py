"""Which headings name the number of an order: nouns and number words, in many languages.

The words are in ``data/words/order_keys.toml``. Headings are made of a few words in any order
("Numer zamówienia", "Order No", "Bestellnummer"), so the parts are listed and not the headings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from shipkit.common.words import without_accents
from shipkit.orders.heading_words import word_file

__all__ = ["may_name_an_order", "order_number_tier"]

NAMED, ALONE, QUALIFIED = 0, 1, 2
"""Tiers: a noun with a number word, a noun alone, and a noun with a qualifier."""


class _Words(NamedTuple):
    nouns: frozenset[str]
    numbers: frozenset[str]
    fillers: frozenset[str]
    qualifiers: frozenset[str]
    maybe: frozenset[str]
    not_maybe: frozenset[str]


@cache
def _words() -> _Words:
    given = word_file("order_keys")
    plain = {name: {*map(_plain, given[name])} for name in _Words._fields}
    return _Words(
        *(
            frozenset(words | {word.replace(" ", "") for word in words if not word.isascii()})
            for words in plain.values()
        )
    )


def _plain(word: str) -> str:
    """Return a word as headings are cut: Thai vowel signs, for one, separate words."""
    return " ".join(re.findall(r"[^\W\d_]+", without_accents(word).lower()))


def order_number_tier(words: Sequence[str]) -> int | None:
    """Return how clearly a heading, given as words, names the number of an order; None: not at all.

    Examples
    --------
    >>> order_number_tier(["numer", "zamowienia"]), order_number_tier(["auftrag"])
    (0, 1)
    >>> order_number_tier(["web", "order", "id"]), order_number_tier(["order", "date"])
    (2, None)
    """
    return _tier(tuple(words))


@cache
def _tier(words: tuple[str, ...]) -> int | None:
    known = _words()
    if "of" in words and "orders" in words:  # how many there are
        return None
    left = [word for word in words if word not in known.fillers]
    for size in (2, 1):  # "sales order" before "order"
        for start in range(len(left) - size + 1):
            noun = " ".join(left[start : start + size])
            before, after = left[:start], left[start + size :]
            if noun in known.nouns:
                found = _by_others(before, after, noun)
            elif size == 1 and (glued := _glued(noun)) is not None:
                found = _by_others([*before, *glued, "number"], after, noun)
            else:
                continue
            if found is not None:
                return found
    joined = "".join(left)
    return None if joined.isascii() or _glued(joined) is None else NAMED


def _by_others(before: Sequence[str], after: Sequence[str], noun: str) -> int | None:
    """Return the tier by the words around the noun, None where one of them is something else."""
    known = _words()
    rest = [*before, *after]
    others = [word for word in rest if word not in known.numbers]
    if not others:
        return NAMED if rest else ALONE
    qualified = " ".join(others) in known.qualifiers or known.qualifiers.issuperset(others)
    # "Web order" is one, "Order source" and "Customer orders" are not.
    numbered = len(others) < len(rest) or (not after and noun != "orders")
    return QUALIFIED if qualified and numbered else None


def _glued(word: str) -> list[str] | None:
    """Return the qualifiers of a word such as "kundenauftragsnummer", None for another word."""
    known = _words()
    for size in range(len(word) - 1, 0, -1):
        for noun, number in ((word[:size], word[size:]), (word[size:], word[:size])):
            # "Sono" and "orderc" are no such words; one Chinese character is.
            short = word.isascii() and (len(noun) < 3 or len(number) < 2)
            if number not in known.numbers or short:
                continue
            if noun in known.nouns:
                return []
            for cut in range(1, len(noun)):
                if noun[:cut] in known.qualifiers and noun[cut:] in known.nouns:
                    return [noun[:cut]]
    return None


def may_name_an_order(words: Sequence[str]) -> bool:
    """Return whether a heading may name an order, or something that only some orders have one of.

    Examples
    --------
    >>> may_name_an_order(["invoice", "number"]), may_name_an_order(["invoice", "date"])
    (True, False)
    """
    known, own = _words(), {*words}
    named = bool(own & known.maybe) or order_number_tier(words) is not None
    return named and not own & known.not_maybe
