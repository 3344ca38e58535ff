"""What one heading may mean, recognised by whole words and never by a part of one.

A heading is cut into words ("ShipToZip", "ship-to zip" and "Ship To Zip" are the same three), the
party ("ship to", "billing") and the unit ("oz") are taken off, and the rest must be a known phrase
as a whole. So ``statement`` is not a state, and ``order_total`` is not an order number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from shipkit.orders.columns import KIND
from shipkit.orders.currencies import without_currency
from shipkit.orders.heading_text import (
    heading_words,
    spelled,
    without_explaining_notes,
    without_explanation,
    without_note,
    word_file,
)
from shipkit.orders.heading_words import UNITS, WEIGHT_UNITS, vocabulary
from shipkit.orders.order_headings import order_number_tier
from shipkit.orders.quantity_headings import quantity_role

__all__ = [
    "Candidate",
    "Match",
    "names_money",
    "read_heading",
    "role_of_any_party",
    "weight_words",
    "words_of",
]


@dataclass(frozen=True)
class Match:
    """A heading that was recognised.

    Parameters
    ----------
    role
        What its column holds, one of :data:`shipkit.orders.columns.KIND`.
    name, key
        The heading and its key.
    unit
        The unit or currency that it names.
    index
        Its place among the headings.
    party
        0: it names the recipient; 1: no party; 2: the buyer.
    """

    role: str
    name: str
    key: str = ""
    unit: str | None = None
    index: int = 0
    party: int = 1


@dataclass(frozen=True)
class Candidate:
    """What a heading may mean, and how well it fits.

    Parameters
    ----------
    tier
        Place of the phrase's group in the list of its role: the first fits best.
    """

    match: Match
    tier: int


def read_heading(heading: str, key: str, index: int) -> Candidate | None:
    """Return what the heading of a column may mean, or None."""
    found = _meaning(heading)
    return found and replace(found, match=replace(found.match, key=key, index=index))


@lru_cache(maxsize=4096)  # the same headings are read for each table that a file may begin with
def _meaning(heading: str) -> Candidate | None:
    """Return what a heading may mean, or None; a note in it is left out at the second try."""
    words = words_of(heading)
    found = _read_words(words, heading)
    if found is None and len(words) > 1 and words[: len(words) // 2] * 2 == words:  # "State 州"
        found = _read_words(words[: len(words) // 2], heading)
    plain = without_explaining_notes(heading)
    if found is None and plain != heading.strip():
        found = _read_words(words_of(plain), heading)
        # "Weight (lb) (see help)" has its unit in another note, and "Weight (max)" has none.
        if found is not None and found.match.role in MEASURED and found.match.unit is None:
            found = None
    if found is not None:
        return found
    short = without_explanation(without_note(heading))
    if short == heading.strip() or _says_more(heading, short):
        return None
    again = _read_words(words_of(short), heading)
    if again is not None and again.match.role == "name":
        again = _part_of_a_name(heading, again)
    # "Weight (stone)" is no weight in pounds.
    return None if again is None or again.match.role in MEASURED else again


MEASURED = frozenset({"weight", "item_weight", "length", "width", "height", "dimensions"})
"""Roles whose columns have a unit in their heading."""


_IN_BRACKETS: Final = re.compile(r"[(\[（【]([^()\[\]（）【】]+)[)\]）】]")


def _part_of_a_name(heading: str, name: Candidate) -> Candidate:
    """Return a name, or the part of one that its note says: "Shipping Name (First Name)"."""
    note = _IN_BRACKETS.search(heading)
    part = note and _read_words(words_of(note[1]), heading)
    if part is None or part.match.role not in ("first_name", "last_name"):
        return name
    return replace(name, match=replace(name.match, role=part.match.role))


def _says_more(heading: str, short: str) -> bool:
    """Return whether the note of a heading names a party: "Zip (billing)"."""
    note = {*words_of(heading)} - {*words_of(short)}
    known = vocabulary()
    parties = {word for name in (*known.recipient, *known.buyer) for word in name.split()}
    return bool(note & known.others) or bool(note & (parties - {"to"}) and len(note) == 1)


def _read_words(words: list[str], heading: str) -> Candidate | None:
    priced = _priced(heading)
    if priced is not None:
        role, tier, currency = priced
        return Candidate(Match(role, heading, unit=currency), tier)
    whole = " ".join(words)
    if whole not in vocabulary().by_phrase and "gross" in words and "weight" in words:
        whole = " ".join(word for word in words if word != "gross")
    if whole in vocabulary().by_phrase:
        role, tier = vocabulary().by_phrase[whole]
        return Candidate(Match(role, heading), tier)
    measured = _measure(words)
    if measured is not None:
        role, tier, unit = measured
        return Candidate(Match(role, heading, unit=unit), tier)
    addressed = _address(words)
    if addressed is not None:
        role, party, tier = addressed
        return Candidate(Match(role, heading, party=party), tier)
    counted = quantity_role(words) or quantity_role(spelled(heading).split())
    if counted is not None:
        return Candidate(Match(counted[0], heading), counted[1])
    of_line = _of_a_line(words)
    if of_line is not None:
        return Candidate(Match(of_line[0], heading), of_line[1])
    order = order_number_tier(words)
    return None if order is None else Candidate(Match("order_id", heading), order)


_LINE_ROLES = frozenset(
    {"quantity", "sku", "item_name", "item_price", "item_weight", "hs_code", "origin_country"}
)


def _of_a_line(words: list[str]) -> tuple[str, int] | None:
    """Return role and tier of what a line of an order has: "Order Lines/Quantity"."""
    for prefix in vocabulary().lines:
        size = len(prefix)
        rest = words[size:]
        if rest and tuple(words[:size]) == prefix:
            found = vocabulary().by_phrase.get(" ".join(rest)) or quantity_role(rest)
            if found is not None and found[0] in _LINE_ROLES:
                return found
    return None


def _measure(words: list[str]) -> tuple[str, int, str] | None:
    """Return role, tier and unit of a heading that ends in a unit: "Weight (oz)", "Grams"."""
    if "weight" in words:  # "Weight [lb] (gross)", "Gross Shipment Weight (lb)"
        words = [word for word in words if word != "gross"]
    if not words or words[-1] not in UNITS:
        return None
    unit = UNITS[words[-1]]
    rest = words[:-1]
    if not rest and words[-1] in weight_words("units"):  # "Grams", "KG"
        return "weight", 1, unit
    of_item = " ".join(rest) in {"line item", "lineitem", "item", "product", "variant"}
    if of_item and words[-1] in _WRITTEN_OUT:  # "line_item.grams"
        return "item_weight", 1, unit
    if unit in WEIGHT_UNITS and " ".join(rest) in weight_words("on_the_scale") | weight_words(
        "only_with_unit"
    ):
        return "weight", 0, unit
    if rest and rest[-1] == "in":  # "weight in oz"
        rest = rest[:-1]
    role, tier = vocabulary().by_phrase.get(" ".join(rest)) or _of_a_line(rest) or ("", 0)
    fits = unit in WEIGHT_UNITS if role in {"weight", "item_weight"} else unit not in WEIGHT_UNITS
    return (role, tier, unit) if role in MEASURED and fits else None


_WRITTEN_OUT: Final = frozenset({"lbs", "ounces", "grams", "kilograms"})
"""Units that mean a weight behind "Item", in the plural as exports write them."""


@lru_cache(maxsize=8)
def weight_words(name: str) -> frozenset[str]:
    """Return a list of ``weights.toml``."""
    return frozenset(word_file("weights")[name])


def names_money(headings: Sequence[str]) -> bool:
    """Return whether a heading is about money, so that a bare "Gross" may be an amount."""
    return any(weight_words("money").intersection(heading_words(heading)) for heading in headings)


def _priced(heading: str) -> tuple[str, int, str] | None:
    """Return role, tier and currency of a heading that ends in one: "Declared Value (EUR)"."""
    found = without_currency(heading)
    if found is None:
        return None
    role, tier = vocabulary().by_phrase.get(" ".join(words_of(found[0])), ("", 0))
    return (role, tier, found[1]) if KIND.get(role) == "amount" else None


def _address(words: list[str]) -> tuple[str, int, int] | None:
    """Return role, party and tier of a heading about a person or a place."""
    known = vocabulary()
    if known.others.intersection(words) or " ".join(words) in known.states_of_orders:
        return None
    if " ".join(words) in known.alone_is_a_name:
        return "name", 0, 1
    whole = _place(words)
    for party, names in ((0, known.recipient), (2, known.buyer)):
        for name in names:
            for given in _without_containers(words):
                rest = _without(given, name.split())
                found = _place(rest) if rest else None
                if found:
                    return found[0], party, found[1]
    found = whole or next(filter(None, map(_place, _without_containers(words))), None)
    return (found[0], 1, found[1]) if found else None


def _without_containers(words: list[str]) -> list[list[str]]:
    """Return the words, and what is left without words that only say which record it is."""
    found = [words]
    left = words
    while left and (left[0] in vocabulary().containers or left[0].isdigit()):
        left = left[1:]
        found.append(left)
    if left[:1] == ["address"]:
        found.append(left[1:])
    if len(left) > 2 and left[-1] == "address":  # "Vorname Lieferadresse"
        found.append(left[:-1])
    if len(left) > 2 and left[1].isdigit():  # "addresses.0.city"
        found.append([left[0], *left[2:]])
    return [each for each in found if each]


def _without(words: list[str], party: list[str]) -> list[str] | None:
    """Return `words` without `party` at their beginning or end, None when it is at neither."""
    size = len(party)
    if words[:size] == party:
        return words[size:]
    if words[-size:] == party:
        return words[:-size]
    return None


def _place(words: list[str]) -> tuple[str, int] | None:
    found = vocabulary().by_address_phrase.get(" ".join(words))
    if found is None and words[:1] == ["address"]:  # "Shipping Address City"
        found = vocabulary().by_address_phrase.get(" ".join(words[1:]))
    return found


def role_of_any_party(words: Iterable[str]) -> str | None:
    """Return the address role of a heading of any party ("Billing Zip", "Sender Phone")."""
    left = [word for word in words if word not in vocabulary().others]
    found = _address(left) if left else None
    return found[0] if found else None


def words_of(heading: str) -> list[str]:
    """Return the words of a heading as a list."""
    return list(heading_words(heading))
