"""The words that headings of orders are made of: the files in ``data/words``, read on first use.

A file holds the words of one concern. Its phrases are read as headings are, so that each means
all of its spellings (:mod:`shipkit.orders.heading_text`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from shipkit.models import NUMBERED_REFERENCES
from shipkit.orders.heading_text import phrase, word_file
from shipkit.orders.units import LENGTHS, WEIGHTS
from shipkit.schema import FLAT, Leaf

__all__ = [
    "UNITS",
    "WEIGHT_UNITS",
    "Vocabulary",
    "asks_for_nothing",
    "cells_under",
    "headings_of",
    "option_words",
    "vocabulary",
    "word_file",
]

UNITS: Final = {**WEIGHTS.words, **LENGTHS.words}
"""Word at the end of a heading -> unit."""

WEIGHT_UNITS: Final = frozenset(WEIGHTS.to_base)

_LEAVES: Final = {leaf.flat: leaf for leaf in FLAT}

_CODE_LENGTH: Final = 2
"""Letters in the code of a country, and in that of a state."""

_ROLE_FILES: Final = ("orders", "items", "parcels", "customs")
"""Files of roles that belong to no party."""


@dataclass(frozen=True)
class Vocabulary:
    """The words of headings.

    Parameters
    ----------
    recipient, buyer
        Names of the parties that an order may be sent to.
    containers
        Words before a party that only say which record a column belongs to.
    lines
        Words before what a line of an order has.
    others
        A heading with one of these words is about another party or thing, never the recipient.
    alone_is_a_name
        Headings that name a party and nothing else: the name of the recipient.
    states_of_orders
        Headings that say what became of an order: "Order State" is no part of an address.
    by_phrase, by_address_phrase
        Phrase -> role, and the place of its group. Addresses belong to a party, the others do not.
    text_endings
        Last words of headings whose columns are text, whatever digits they hold.
    """

    recipient: tuple[str, ...]
    buyer: tuple[str, ...]
    containers: frozenset[str]
    lines: tuple[tuple[str, ...], ...]
    others: frozenset[str]
    alone_is_a_name: frozenset[str]
    states_of_orders: frozenset[str]
    by_phrase: Mapping[str, tuple[str, int]]
    by_address_phrase: Mapping[str, tuple[str, int]]
    text_endings: frozenset[str]


@cache
def vocabulary() -> Vocabulary:
    """Return the words of headings."""
    parties = word_file("parties")
    roles: dict[str, Any] = {}
    for name in _ROLE_FILES:
        roles |= word_file(name)
    narrow = _narrow_headings()
    for leaf in FLAT:
        if headings := headings_of(leaf):
            roles[leaf.name] = (headings, narrow.get(leaf.name, ()))
    return Vocabulary(
        recipient=tuple(phrase(text) for text in parties["recipient"]),
        buyer=tuple(phrase(text) for text in parties["buyer"]),
        containers=frozenset(parties["containers"]),
        lines=tuple(tuple(phrase(text).split()) for text in parties["lines"]),
        others=frozenset(parties["others"]),
        alone_is_a_name=frozenset(phrase(text) for text in parties["alone_is_a_name"]),
        states_of_orders=frozenset(
            phrase(text) for text in word_file("order_states")["columns"]["state"]["headings"]
        ),
        by_phrase=_index(roles),
        by_address_phrase=_index(word_file("address")),
        text_endings=frozenset(word_file("values")["text_endings"]),
    )


def headings_of(leaf: Leaf) -> tuple[str, ...]:
    """Return the headings that mean a field: those of its Spec, and those of options.toml."""
    return (*leaf.spec.headings, *option_words(leaf).get("headings", ()))


def cells_under(field: str, heading: str) -> Mapping[str, str]:
    """Return what yes and no mean under a heading that asks for one value of a field.

    Examples
    --------
    >>> cells_under("signature", "Adult Signature Required")["y"]
    'adult'
    """
    known = _narrow_headings().get(field, {})
    words = f" {phrase(heading)} "
    best = max((narrow for narrow in known if f" {narrow} " in words), key=len, default=None)
    if best is None:
        return {}
    # "Ship To Is Commercial" is one; "Residential / Commercial Flag" asks for no single value.
    others = words.replace(f" {best} ", "  ", 1)
    return (
        {} if any(f" {word} " in others for word in _OTHER_VALUES.get(field, ())) else known[best]
    )


_OTHER_VALUES: Final = {"residential": ("residential", "residence", "home", "house", "private")}
"""Field -> words of its other values in headings."""


@cache
def _narrow_headings() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Return field -> heading -> cell -> what it means there."""
    values = word_file("values")
    made: dict[str, dict[str, Mapping[str, str]]] = {}
    for each in values["under"]:
        words = {
            word: each[answer].format(word) for answer in ("yes", "no") for word in values[answer]
        }
        made.setdefault(each["field"], {}).update(
            {phrase(heading): words for heading in each["headings"]}
        )
    return made


def option_words(leaf: Leaf) -> Mapping[str, Any]:
    """Return what options.toml says of a field: its headings, and the words of its cells."""
    given = word_file("options")
    if leaf.name in NUMBERED_REFERENCES:  # the headings are alike, but for their number
        headings = given["reference"]["headings"]
        return {"headings": [text.replace("{n}", leaf.name[-1]) for text in headings]}
    return _with_each_language(leaf.flat)


def asks_for_nothing(field: str | None) -> tuple[str, ...]:
    """Return the cells of an option that ask for nothing, in lower case; none for other fields.

    A dash in a column of names is a problem, and in one of options it is none. Two letters in a
    column of places are a code: NA is Namibia, and Naples.
    """
    leaf = _LEAVES.get(field or "")
    if leaf is None:
        return ()
    known = option_words(leaf)
    if not (known or leaf.spec.option or leaf.name == "email"):
        return ()
    words = (*known.get("no", ()), *word_file("options")["nothing"])
    if leaf.name.endswith(("country", "state")):
        return tuple(word for word in words if not (len(word) == _CODE_LENGTH and word.isalpha()))
    return words


@cache
def _with_each_language(option: str) -> Mapping[str, Any]:
    """Return what options.toml says of an option, with the words for yes and no in full."""
    values = word_file("values")

    def words(found: Any) -> Any:
        if isinstance(found, dict):
            return {key: words(value) for key, value in found.items()}
        each = ([*values[w[1:-1]]] if w in ("{yes}", "{no}") else [w] for w in found)
        return [word for group in each for word in group]

    return {key: words(found) for key, found in word_file("options").get(option, {}).items()}


def _index(table: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, tuple[str, int]]:
    return {
        phrase(words): (role, tier)
        for role, tiers in reversed([*table.items()])
        for tier, group in reversed([*enumerate(tiers)])
        for words in group
    }
