"""What headings mean next to each other: "Customer" without a "Name", "Pounds" next to "Ounces".

Each function corrects what the headings may mean alone (:mod:`shipkit.orders.heading_meaning`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shipkit.orders.columns import PLACE_ROLES, WEIGHT_PARTS, keys
from shipkit.orders.heading_meaning import Candidate, Match, names_money, weight_words, words_of
from shipkit.orders.heading_text import phrase
from shipkit.orders.heading_words import UNITS, WEIGHT_UNITS

__all__ = ["Candidates", "read_together"]

Candidates = dict[str, list[Candidate]]
"""Role -> the headings that may have it."""


def read_together(
    headings: Sequence[str], originals: Sequence[str], candidates: Candidates
) -> None:
    """Change what headings may mean to what they mean next to each other.

    Parameters
    ----------
    headings
        All headings of the table.
    originals
        The same without the numbers of copies: "Zip" for "Zip_2".
    """
    _of_japan(candidates)
    _customer_alone(originals, candidates)
    _customer_of_a_contact(originals, candidates)
    _one_address(candidates)
    _weights_in_two(headings, candidates)
    _on_the_scale(headings, candidates)
    _second_phone(candidates)
    _zip_plus_4_alone(candidates)
    _house_number_next_to_street(originals, candidates)


def _of_japan(candidates: Candidates) -> None:
    """Read the half of a name and the block of an address as Japanese headings mean them.

    Next to a family name, a "name" (名) is the given name. Without a street, the block (番地) is
    all there is of one.
    """
    if "last_name" in candidates and "first_name" not in candidates:
        _rename(candidates, "name", "first_name", "名")
    if "address_line1" not in candidates:
        _rename(candidates, "house_number", "address_line1", "番地")


def _customer_alone(headings: Sequence[str], candidates: Candidates) -> None:
    """Read a bare "Customer" as the recipient, where no column names anyone or a recipient.

    Next to "Name" or "Ship To Address", it may be another person.
    """
    if {"name", "first_name", "last_name", "company"} & candidates.keys():
        return
    if any(c.match.party == 0 for role in PLACE_ROLES for c in candidates.get(role, ())):
        return
    made = keys(headings)
    alone = [
        Candidate(Match("name", heading, made[place], None, place, 2), 1)
        for place, heading in enumerate(headings)
        if words_of(heading) in (["customer"], ["buyer"])
    ]
    if alone:
        candidates["name"] = alone


_CONTACTS: Final = (["contact"], ["contact", "name"], ["contact", "person"], ["attention"])


_CUSTOMERS: Final = (
    *(["customer"], ["customer", "name"], ["client"], ["client", "name"], ["account", "name"]),
)


def _customer_of_a_contact(headings: Sequence[str], candidates: Candidates) -> None:
    """Read a "Customer" next to a "Contact" as the company that the contact works for.

    Not where the customer has an address of its own, or a column is called after companies.
    """
    names = [c for c in candidates.get("name", ()) if c.match.party != 2]
    if "company" in candidates or not names:
        return
    if not all(words_of(headings[c.match.index]) in _CONTACTS for c in names):
        return
    if any(c.match.party == 2 for role in PLACE_ROLES for c in candidates.get(role, ())):
        return
    made = keys(headings)
    found = [
        Candidate(Match("company", heading, made[place], None, place, names[0].match.party), 1)
        for place, heading in enumerate(headings)
        if words_of(heading) in _CUSTOMERS
    ]
    if len(found) == 1:
        candidates["company"] = found


def _one_address(candidates: Candidates) -> None:
    """Keep the parts of an address together: the buyer's line 2 never joins the recipient's line 1.

    Where two parties both have a street, city or postal code, the less preferred one has another
    address, and none of its parts is used.
    """
    parties = {
        role: {c.match.party for c in group}
        for role, group in candidates.items()
        if role in PLACE_ROLES
    }
    if parties.get("state") == {0, 1} and not any(0 in parties[r] for r in parties if r != "state"):
        # Next to the parts of an address, one of which is its state.
        kept = [c for c in candidates["state"] if phrase(c.match.name) not in _OF_TRANSPORT]
        candidates["state"] = kept
        parties["state"] = {c.match.party for c in kept}
    others: set[int] = set()
    for found in parties.values():
        others |= {party for party in found if party > min(found)}
    if any(0 in found or 1 in found for found in parties.values()):
        others.add(2)
    for role in parties:
        kept = [c for c in candidates[role] if c.match.party not in others]
        if kept:
            candidates[role] = kept
        else:
            del candidates[role]


_OF_TRANSPORT = frozenset({"shipping state", "shipment state", "delivery state"})
"""Headings that may say how far the transport is."""


_IN_TWO = (("lb", "oz"), ("kg", "g"))
"""Units of a weight that is written in two columns: 1 lb and 4 oz."""


_TWICE = (("kg", "lb"), ("g", "lb"), ("g", "oz"), ("kg", "oz"))
"""Units of a weight that is written twice: the metric column is read, and the other compared."""


def _weights_in_two(headings: Sequence[str], candidates: Candidates) -> None:
    """Read a column of pounds and one of ounces as the two parts of one weight.

    Their headings differ in the unit only: "Weight (lb)" and "Weight (oz)", "Pounds" and "Ounces".
    Alone, "Pounds" may be money.
    """
    bare = [
        (place, UNITS[words[0]])
        for place, words in enumerate(map(words_of, headings))
        if len(words) == 1 and UNITS.get(words[0]) in WEIGHT_UNITS
    ]
    named = {c.match.index for c in candidates.get("weight", [])}
    if {unit for _, unit in bare} in map(set, _IN_TWO) and named <= {place for place, _ in bare}:
        made = keys(headings)
        candidates["weight"] = [
            Candidate(Match("weight", headings[place], made[place], unit, place), 1)
            for place, unit in bare
        ]
    for role, part in WEIGHT_PARTS.items():
        ranks = ("kg", "lb", "g", "oz")
        pair = sorted(
            candidates.get(role, []),
            key=lambda c: ranks.index(c.match.unit) if c.match.unit in ranks else len(ranks),
        )
        if [c.match.unit for c in pair] == ["lb", "g"]:
            pair.reverse()
        if (
            tuple(c.match.unit for c in pair) in (*_IN_TWO, *_TWICE)
            and len({tuple(words_of(c.match.name)[:-1]) for c in pair}) == 1
        ):
            candidates[role] = pair[:1]
            candidates[part] = [replace(pair[1], match=replace(pair[1].match, role=part))]


def _on_the_scale(headings: Sequence[str], candidates: Candidates) -> None:
    """Read a bare "Gross" as the weight, where no column is one and none is about money."""
    if "weight" in candidates or "item_weight" in candidates:
        return
    words = [words_of(heading) for heading in headings]
    alone = [
        place for place, each in enumerate(words) if " ".join(each) in weight_words("on_the_scale")
    ]
    if not alone or names_money(headings):
        return
    made = keys(headings)
    candidates["weight"] = [
        Candidate(Match("weight", headings[place], made[place], None, place), 1) for place in alone
    ]


def _second_phone(candidates: Candidates) -> None:
    """Read a second phone of the recipient as the one for rows without the first."""
    group = candidates.get("phone", [])
    first = min(group, key=lambda c: (c.match.party, c.tier), default=None)
    if first is None:
        if "other_phone" in candidates:
            candidates["phone"] = [
                replace(each, match=replace(each.match, role="phone"))
                for each in candidates.pop("other_phone")
            ]
        return
    later = [
        each for each in group if each.match.party == first.match.party and each.tier > first.tier
    ]
    tier = min((each.tier for each in later), default=0)
    others = [each for each in later if each.tier == tier]
    if others and "other_phone" not in candidates:
        candidates["other_phone"] = [
            replace(each, match=replace(each.match, role="other_phone")) for each in others
        ]
        candidates["phone"] = [each for each in group if each not in others]
    same = [
        each for each in candidates.get("other_phone", []) if each.match.party == first.match.party
    ]
    if same:
        candidates["other_phone"] = same
    else:
        candidates.pop("other_phone", None)


def _zip_plus_4_alone(candidates: Candidates) -> None:
    """Read "ZIP+4" as the whole postal code, where no other column is one."""
    if "postal_code" not in candidates and "zip_plus_4" in candidates:
        candidates["postal_code"] = [
            replace(each, match=replace(each.match, role="postal_code"))
            for each in candidates.pop("zip_plus_4")
        ]


_OF_A_HOUSE: Final = re.compile(r"\s*(?:Hs|hs|HS)[. -]*(?:Nr|nr|NR|No|no|NO)\.?\s*")
"""Short for the number of a house in German, and for that of a tariff in English."""


def _house_number_next_to_street(headings: Sequence[str], candidates: Candidates) -> None:
    """Read "Hs. Nr." as the number of the house behind a street, and not as a tariff number."""
    streets = {each.match.index for each in candidates.get("address_line1", [])}
    found = [
        each
        for each in candidates.get("hs_code", [])
        if _OF_A_HOUSE.fullmatch(each.match.name) and each.match.index - 1 in streets
    ]
    if not found and "house_number" not in candidates:
        _number_behind_a_street(headings, candidates)
    if found and "house_number" not in candidates:
        candidates["house_number"] = [
            replace(each, match=replace(each.match, role="house_number")) for each in found
        ]
        candidates["hs_code"] = [each for each in candidates["hs_code"] if each not in found]
        if not candidates["hs_code"]:
            del candidates["hs_code"]


def _number_behind_a_street(headings: Sequence[str], candidates: Candidates) -> None:
    """Read a bare "Number" directly behind a "Street" as the number of the house.

    Behind an "Address", it may count anything.
    """
    streets = [
        each.match
        for each in candidates.get("address_line1", [])
        if words_of(headings[each.match.index]) in (["street"], ["street", "name"])
    ]
    if len(streets) != 1 or streets[0].index + 1 >= len(headings):
        return
    place = streets[0].index + 1
    taken = {each.match.index for group in candidates.values() for each in group}
    if place not in taken and words_of(headings[place]) == ["number"]:
        key = keys(headings)[place]
        match = Match("house_number", headings[place], key, None, place, streets[0].party)
        candidates["house_number"] = [Candidate(match, 0)]


def _rename(candidates: Candidates, role: str, meant: str, ending: str) -> None:
    group = candidates.get(role, [])
    if group and all(each.match.name.strip().endswith(ending) for each in group):
        candidates[meant] = [
            replace(each, match=replace(each.match, role=meant)) for each in candidates.pop(role)
        ]
