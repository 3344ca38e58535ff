"""The words that headings of orders are made of: the files in ``data/words``, read on first use.

A file holds the words of one concern. Phrases are in lower case and without accents, as
:func:`shipkit.orders.fields.phrase` writes a heading.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from shipkit.orders.units import LENGTHS, WEIGHTS
from shipkit.schema import FLAT

__all__ = ["UNITS", "WEIGHT_UNITS", "Vocabulary", "vocabulary", "word_file"]

UNITS: Final = {**WEIGHTS.words, **LENGTHS.words}
"""Word at the end of a heading -> unit."""

WEIGHT_UNITS: Final = frozenset(WEIGHTS.to_base)

_ROLE_FILES: Final = ("orders", "items", "parcels")
"""Files of roles that belong to no party."""


@dataclass(frozen=True)
class Vocabulary:
    """The words of headings.

    Parameters
    ----------
    spellings
        Word -> the words that it stands for.
    dropped
        Words that say nothing about the meaning of a column.
    recipient, buyer
        Names of the parties that an order may be sent to.
    others
        A heading with one of these words is about another party or thing, never the recipient.
    alone_is_a_name
        Headings that name a party and nothing else: the name of the recipient.
    by_phrase, by_address_phrase
        Phrase -> role, and the place of its group. Addresses belong to a party, the others do not.
    text_endings
        Last words of headings whose columns are text, whatever digits they hold.
    """

    spellings: Mapping[str, Sequence[str]]
    dropped: frozenset[str]
    recipient: tuple[str, ...]
    buyer: tuple[str, ...]
    others: frozenset[str]
    alone_is_a_name: frozenset[str]
    by_phrase: Mapping[str, tuple[str, int]]
    by_address_phrase: Mapping[str, tuple[str, int]]
    text_endings: frozenset[str]


@cache
def vocabulary() -> Vocabulary:
    """Return the words of headings."""
    spelling, parties = word_file("spelling"), word_file("parties")
    roles: dict[str, Any] = {}
    for name in _ROLE_FILES:
        roles |= word_file(name)
    roles |= {leaf.name: (leaf.spec.headings,) for leaf in FLAT if leaf.spec.headings}
    return Vocabulary(
        spellings={word: whole.split() for word, whole in spelling["glued"].items()},
        dropped=frozenset(spelling["dropped"]),
        recipient=tuple(parties["recipient"]),
        buyer=tuple(parties["buyer"]),
        others=frozenset(parties["others"]),
        alone_is_a_name=frozenset(parties["alone_is_a_name"]),
        by_phrase=_index(roles),
        by_address_phrase=_index(word_file("address")),
        text_endings=frozenset(word_file("values")["text_endings"]),
    )


@cache
@cache
def word_file(name: str) -> dict[str, Any]:
    """Return the words of one concern: the content of ``data/words/<name>.toml``."""
    file = resources.files("shipkit.orders") / "data" / "words" / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _index(table: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, tuple[str, int]]:
    return {
        words: (role, tier)
        for role, tiers in table.items()
        for tier, group in enumerate(tiers)
        for words in group
    }
