"""What a column heading means, recognised by whole words and never by a part of one.

A heading is cut into words ("ShipToZip", "ship-to zip" and "Ship To Zip" are the same three), the
party ("ship to", "billing") and the unit ("oz") are taken off, and the rest must be a known phrase
as a whole. So ``statement`` is not a state, and ``order_total`` is not an order number. Two
headings that fit one role equally well are a question for the user, never a guess.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from shipkit.orders.currencies import without_currency
from shipkit.orders.heading_text import (
    heading_words,
    phrase,
    spelled,
    without_explanation,
    without_note,
    word_file,
)
from shipkit.orders.heading_words import UNITS, WEIGHT_UNITS, vocabulary
from shipkit.orders.order_headings import order_number_tier
from shipkit.orders.origin_headings import origin_field
from shipkit.orders.quantity_headings import QUANTITIES, quantity_role
from shipkit.schema import FLAT, NUMBER_OF_PARCELS

__all__ = [
    "ADDRESS_ROLES",
    "KIND",
    "PLACE_ROLES",
    "SYSTEM_COLUMNS",
    "WEIGHT_PARTS",
    "Column",
    "Match",
    "Recognition",
    "column_kinds",
    "keys",
    "names_money",
    "phrase",
    "recognise",
    "without_note",
]

SYSTEM_COLUMNS = ("row_number", "row_numbers", "source_file", "order_row", "rowid")
"""Columns that every relation has. A heading with one of these names gets a key with a number."""

_VALUES = {"date": "date", "flag": "flag", "amount": "amount", "count": "number"}
"""Kind of a field -> the kind of its column's values, where that is not text."""

WEIGHT_PARTS: Mapping[str, str] = {"weight": "weight_part", "item_weight": "item_weight_part"}
"""Role of a weight -> the role of a second column that is added to it: ounces next to pounds."""

KIND: Mapping[str, str] = {
    **{
        leaf.name: _VALUES.get(leaf.spec.kind, "text")
        for leaf in FLAT
        if leaf.spec.kind not in ("weight", "length") and leaf.flat == leaf.name
    },
    **dict.fromkeys(
        (
            "first_name",
            "middle_name",
            "last_name",
            "other_phone",
            "house_number",
            "house_number_addition",
            "city_state_zip",
            "zip_plus_4",
            "weight_unit",
            "dimension_unit",
            "dimensions",
            "sku",
            "item_name",
            "hs_code",
            "origin_country",
            "customs_reason",
            "customs_terms",
            "customs_invoice_number",
        ),
        "text",
    ),
    NUMBER_OF_PARCELS.name: "text",  # "1 of 3" is no number, and not passed over
    **dict.fromkeys(("weight", "item_weight", "length", "width", "height"), "number"),
    **dict.fromkeys(WEIGHT_PARTS.values(), "number"),
    **dict.fromkeys(QUANTITIES.values(), "number"),
    "order_date": "date",
    **dict.fromkeys(("order_total", "shipping_amount", "tax_amount", "item_price"), "amount"),
    "requires_shipping": "flag",
}
"""Role -> the kind of its values. Text is never read as a number; other kinds always get a type."""

ADDRESS_ROLES = (
    "name",
    "first_name",
    "middle_name",
    "last_name",
    "company",
    "phone",
    "other_phone",
    "email",
    "address_line1",
    "address_line2",
    "address_line3",
    "house_number",
    "house_number_addition",
    "city",
    "state",
    "postal_code",
    "city_state_zip",
    "zip_plus_4",
    "country",
    "residential",
)
"""Roles that belong to a party, so that "Billing Zip" is not the recipient's."""

PLACE_ROLES = (
    "address_line1",
    "address_line2",
    "address_line3",
    "house_number",
    "house_number_addition",
    "city",
    "state",
    "postal_code",
    "city_state_zip",
    "country",
)
"""Roles of the place of an address, whose columns are next to each other in most files."""


@dataclass(frozen=True)
class Column:
    """A column of the loaded orders.

    Parameters
    ----------
    name
        Its heading.
    key
        Its name in SQL and in templates.
    type
        Its DuckDB type.
    role, unit
        What its heading means, when that was recognised, and the unit of its numbers.
    own_units
        Whether its cells name their units: its numbers are in `unit`, whatever a person says.
    names_units
        Whether cells name their units, also next to a column of units.
    explained
        What a line under the headings says about it: "Package weight."
    """

    name: str
    key: str
    type: str
    role: str | None = None
    unit: str | None = None
    own_units: bool = False
    names_units: bool = False
    explained: str = ""

    def unit_or(self, named: str | None) -> str | None:
        """Return the unit of its numbers, where a person or a layout named one, or None."""
        return self.unit if self.own_units else named or self.unit


@dataclass(frozen=True)
class Match:
    """A heading that was recognised.

    Parameters
    ----------
    role
        What its column holds, one of :data:`KIND`.
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
class Recognition:
    """What the headings mean: one column per role, and the roles that several columns fit."""

    roles: Mapping[str, Match] = field(default_factory=dict)
    ambiguous: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Candidate:
    match: Match
    tier: int  # place of the phrase's group in the role's list


def keys(headings: Sequence[str]) -> list[str]:
    """Return a unique snake_case key for each heading.

    Examples
    --------
    >>> keys(["Ship City", "ShipCity", "Order #", ""])
    ['ship_city', 'ship_city_2', 'order', 'column_4']
    """
    taken: set[str] = set(SYSTEM_COLUMNS)
    made = []
    for place, heading in enumerate(headings, start=1):
        base = _snake(heading) or f"column_{place}"
        key, count = base, 1
        while key in taken:
            count += 1
            key = f"{base}_{count}"
        taken.add(key)
        made.append(key)
    return made


def recognise(headings: Sequence[str]) -> Recognition:
    """Return what the headings mean: a match for each role found, and the ambiguous roles.

    Examples
    --------
    >>> found = recognise(["Ship Zip", "Billing Zip", "Weight (oz)", "statement"])
    >>> {role: (match.name, match.unit) for role, match in found.roles.items()}
    {'postal_code': ('Ship Zip', None), 'weight': ('Weight (oz)', 'oz')}
    >>> dict(recognise(["Zip", "Postal Code"]).ambiguous)
    {'postal_code': ['Zip', 'Postal Code']}
    >>> {role: match.unit for role, match in recognise(["Pounds", "Ounces"]).roles.items()}
    {'weight': 'lb', 'weight_part': 'oz'}
    """
    candidates: dict[str, list[_Candidate]] = {}
    originals = _without_copy_numbers(headings)
    for index, (heading, key) in enumerate(zip(headings, keys(headings), strict=True)):
        found = _read(originals[index], key, index)
        if found is not None:
            named = replace(found, match=replace(found.match, name=heading))
            candidates.setdefault(found.match.role, []).append(named)
    _of_japan(candidates)
    _customer_alone(originals, candidates)
    _customer_of_a_contact(originals, candidates)
    _one_address(candidates)
    _weights_in_two(headings, candidates)
    _on_the_scale(headings, candidates)
    _second_phone(candidates)
    if "postal_code" not in candidates and "zip_plus_4" in candidates:  # "ZIP+4" alone has all
        candidates["postal_code"] = [
            replace(each, match=replace(each.match, role="postal_code"))
            for each in candidates.pop("zip_plus_4")
        ]
    _house_number_next_to_street(originals, candidates)
    roles: dict[str, Match] = {}
    ambiguous: dict[str, list[str]] = {}
    for role, group in candidates.items():
        best = min((c.match.party, c.tier) for c in group)
        first = [c.match for c in group if (c.match.party, c.tier) == best]
        if role == "name" and _words(first[0].name) == ["name"]:
            # Next to a buyer's name, a bare "Name" may be the product's or the order's.
            first += [c.match for c in group if c.match.party == 2]
        if len(first) == 1:
            roles[role] = first[0]
        else:
            ambiguous[role] = [match.name for match in first]
    return Recognition(roles, ambiguous)


def column_kinds(headings: Sequence[str]) -> list[str | None]:
    """Return the kind of each column by its heading alone, None where the heading does not tell.

    A kind is ``text``, ``number``, ``date``, ``amount`` or ``flag``. Columns that play no part in a
    shipment have one too: "Billing Zip", "SKU" and "Transaction ID" are text whatever they hold.

    Examples
    --------
    >>> column_kinds(["Billing Zip", "Weight", "Transaction ID", "Number of Items", "statement"])
    ['text', 'number', 'text', None, None]
    """
    return [_kind(heading) for heading in _without_copy_numbers(headings)]


_COPY = re.compile(r"^(?P<base>.*[^\W_])(?P<sign>[ ._:-]*\(?)(?P<number>[1-9])\)?$")
_BLOCK_ROLES = frozenset({"name", "city", "state", "postal_code", "country"})
"""Roles that show that a whole address is repeated: no label has a second city."""
_SECOND_OF_ONE = frozenset(
    {"address_line1", "address_line2", "address_line3", "phone", "email", "company"}
)
"""Roles that one address may have in two columns: "Address2" is its second line."""


def _without_copy_numbers(headings: Sequence[str]) -> list[str]:
    """Return the headings as they were before something made them unique with a number.

    pandas writes "Zip.1", DuckDB "Zip_1", Excel "Zip2", shipkit "Zip_2", people "Zip 2" and
    "Zip (2)". "Address2" is a copy of "Address" only where other parts of the address are repeated
    too.

    Examples
    --------
    >>> _without_copy_numbers(["Address", "Zip", "Address_2", "Zip_2"])
    ['Address', 'Zip', 'Address', 'Zip']
    >>> _without_copy_numbers(["Address", "Address2", "Zip"])
    ['Address', 'Address2', 'Zip']
    """
    known = {heading.strip().casefold() for heading in headings}
    copies: dict[int, tuple[str, str, str]] = {}
    for place, heading in enumerate(headings):
        found = _COPY.match(heading.strip())
        if found is None or found["base"].casefold() not in known:
            continue
        base = _read(found["base"], "", 0)
        # Excel counts from 2: "Address1" is a first line.
        is_zip_4 = base is not None and base.match.role == "postal_code" and found["number"] == "4"
        if base is not None and not is_zip_4 and (found["sign"] or found["number"] != "1"):
            copies[place] = found["base"], found["sign"], base.match.role
    is_block = any(role in _BLOCK_ROLES for _, _, role in copies.values())
    return [
        copies[place][0]
        if place in copies
        and (is_block or copies[place][1] == "." or copies[place][2] not in _SECOND_OF_ONE)
        else heading
        for place, heading in enumerate(headings)
    ]


def _words(heading: str) -> list[str]:
    return list(heading_words(heading))


def _snake(heading: str) -> str:
    # Python reads names in this form, and "½" is a letter of words but of no name.
    heading = unicodedata.normalize("NFKC", heading.strip())
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", heading)
    key = re.sub(r"[\W_]+", "_", spaced).strip("_").lower()
    if not key.isascii():
        key = "".join(sign for sign in key if f"_{sign}".isidentifier())
    return key if not key or key.isidentifier() else f"column_{key}"


def _read(heading: str, key: str, index: int) -> _Candidate | None:
    """Return what the heading of a column may mean, or None."""
    found = _meaning(heading)
    return found and replace(found, match=replace(found.match, key=key, index=index))


@lru_cache(maxsize=4096)  # the same headings are read for each table that a file may begin with
def _meaning(heading: str) -> _Candidate | None:
    """Return what a heading may mean, or None; a note in it is left out at the second try."""
    words = _words(heading)
    found = _read_words(words, heading)
    if found is None and len(words) > 1 and words[: len(words) // 2] * 2 == words:  # "State 州"
        found = _read_words(words[: len(words) // 2], heading)
    if found is not None:
        return found
    short = without_explanation(without_note(heading))
    if short == heading.strip() or _says_more(heading, short):
        return None
    again = _read_words(_words(short), heading)
    # "Weight (stone)" is no weight in pounds.
    return None if again is None or again.match.role in _MEASURED else again


_MEASURED = frozenset({"weight", "item_weight", "length", "width", "height", "dimensions"})
"""Roles whose columns have a unit in their heading."""


def _says_more(heading: str, short: str) -> bool:
    """Return whether the note of a heading names a party: "Zip (billing)"."""
    note = {*_words(heading)} - {*_words(short)}
    known = vocabulary()
    parties = {word for name in (*known.recipient, *known.buyer) for word in name.split()}
    return bool(note & known.others) or bool(note & (parties - {"to"}) and len(note) == 1)


def _read_words(words: list[str], heading: str) -> _Candidate | None:
    priced = _priced(heading)
    if priced is not None:
        role, tier, currency = priced
        return _Candidate(Match(role, heading, unit=currency), tier)
    whole = " ".join(words)
    if whole not in vocabulary().by_phrase and "gross" in words and "weight" in words:
        whole = " ".join(word for word in words if word != "gross")
    if whole in vocabulary().by_phrase:
        role, tier = vocabulary().by_phrase[whole]
        return _Candidate(Match(role, heading), tier)
    measured = _measure(words)
    if measured is not None:
        role, tier, unit = measured
        return _Candidate(Match(role, heading, unit=unit), tier)
    addressed = _address(words)
    if addressed is not None:
        role, party, tier = addressed
        return _Candidate(Match(role, heading, party=party), tier)
    counted = quantity_role(words) or quantity_role(spelled(heading).split())
    if counted is not None:
        return _Candidate(Match(counted[0], heading), counted[1])
    of_line = _of_a_line(words)
    if of_line is not None:
        return _Candidate(Match(of_line[0], heading), of_line[1])
    order = order_number_tier(words)
    return None if order is None else _Candidate(Match("order_id", heading), order)


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
    if not rest and words[-1] in _weights("units"):  # "Grams", "KG"
        return "weight", 1, unit
    of_item = " ".join(rest) in {"line item", "lineitem", "item", "product", "variant"}
    if of_item and words[-1] in _WRITTEN_OUT:  # "line_item.grams"
        return "item_weight", 1, unit
    if unit in WEIGHT_UNITS and " ".join(rest) in _weights("on_the_scale") | _weights(
        "only_with_unit"
    ):
        return "weight", 0, unit
    if rest and rest[-1] == "in":  # "weight in oz"
        rest = rest[:-1]
    role, tier = vocabulary().by_phrase.get(" ".join(rest)) or _of_a_line(rest) or ("", 0)
    fits = unit in WEIGHT_UNITS if role in {"weight", "item_weight"} else unit not in WEIGHT_UNITS
    return (role, tier, unit) if role in _MEASURED and fits else None


_WRITTEN_OUT: Final = frozenset({"lbs", "ounces", "grams", "kilograms"})
"""Units that mean a weight behind "Item", in the plural as exports write them."""


@lru_cache(maxsize=8)
def _weights(name: str) -> frozenset[str]:
    return frozenset(word_file("weights")[name])


def _priced(heading: str) -> tuple[str, int, str] | None:
    """Return role, tier and currency of a heading that ends in one: "Declared Value (EUR)"."""
    found = without_currency(heading)
    if found is None:
        return None
    role, tier = vocabulary().by_phrase.get(" ".join(_words(found[0])), ("", 0))
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


def _of_japan(candidates: dict[str, list[_Candidate]]) -> None:
    """Read the half of a name and the block of an address as Japanese headings mean them.

    Next to a family name, a "name" (名) is the given name. Without a street, the block (番地) is
    all there is of one.
    """
    if "last_name" in candidates and "first_name" not in candidates:
        _rename(candidates, "name", "first_name", "名")
    if "address_line1" not in candidates:
        _rename(candidates, "house_number", "address_line1", "番地")


def _customer_alone(headings: Sequence[str], candidates: dict[str, list[_Candidate]]) -> None:
    """Read a bare "Customer" as the recipient, where no column names anyone or a recipient.

    Next to "Name" or "Ship To Address", it may be another person.
    """
    if {"name", "first_name", "last_name", "company"} & candidates.keys():
        return
    if any(c.match.party == 0 for role in PLACE_ROLES for c in candidates.get(role, ())):
        return
    made = keys(headings)
    alone = [
        _Candidate(Match("name", heading, made[place], None, place, 2), 1)
        for place, heading in enumerate(headings)
        if _words(heading) in (["customer"], ["buyer"])
    ]
    if alone:
        candidates["name"] = alone


def _number_behind_a_street(
    headings: Sequence[str], candidates: dict[str, list[_Candidate]]
) -> None:
    """Read a bare "Number" directly behind a "Street" as the number of the house.

    Behind an "Address", it may count anything.
    """
    streets = [
        each.match
        for each in candidates.get("address_line1", [])
        if _words(headings[each.match.index]) in (["street"], ["street", "name"])
    ]
    if len(streets) != 1 or streets[0].index + 1 >= len(headings):
        return
    place = streets[0].index + 1
    taken = {each.match.index for group in candidates.values() for each in group}
    if place not in taken and _words(headings[place]) == ["number"]:
        key = keys(headings)[place]
        match = Match("house_number", headings[place], key, None, place, streets[0].party)
        candidates["house_number"] = [_Candidate(match, 0)]


_CONTACTS: Final = (["contact"], ["contact", "name"], ["contact", "person"], ["attention"])
_CUSTOMERS: Final = (
    *(["customer"], ["customer", "name"], ["client"], ["client", "name"], ["account", "name"]),
)


def _customer_of_a_contact(
    headings: Sequence[str], candidates: dict[str, list[_Candidate]]
) -> None:
    """Read a "Customer" next to a "Contact" as the company that the contact works for.

    Not where the customer has an address of its own, or a column is called after companies.
    """
    names = [c for c in candidates.get("name", ()) if c.match.party != 2]
    if "company" in candidates or not names:
        return
    if not all(_words(headings[c.match.index]) in _CONTACTS for c in names):
        return
    if any(c.match.party == 2 for role in PLACE_ROLES for c in candidates.get(role, ())):
        return
    made = keys(headings)
    found = [
        _Candidate(Match("company", heading, made[place], None, place, names[0].match.party), 1)
        for place, heading in enumerate(headings)
        if _words(heading) in _CUSTOMERS
    ]
    if len(found) == 1:
        candidates["company"] = found


def _second_phone(candidates: dict[str, list[_Candidate]]) -> None:
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


_OF_A_HOUSE: Final = re.compile(r"\s*(?:Hs|hs|HS)[. -]*(?:Nr|nr|NR|No|no|NO)\.?\s*")
"""Short for the number of a house in German, and for that of a tariff in English."""


def _house_number_next_to_street(
    headings: Sequence[str], candidates: dict[str, list[_Candidate]]
) -> None:
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


def _rename(candidates: dict[str, list[_Candidate]], role: str, meant: str, ending: str) -> None:
    group = candidates.get(role, [])
    if group and all(each.match.name.strip().endswith(ending) for each in group):
        candidates[meant] = [
            replace(each, match=replace(each.match, role=meant)) for each in candidates.pop(role)
        ]


def _one_address(candidates: dict[str, list[_Candidate]]) -> None:
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


def _weights_in_two(headings: Sequence[str], candidates: dict[str, list[_Candidate]]) -> None:
    """Read a column of pounds and one of ounces as the two parts of one weight.

    Their headings differ in the unit only: "Weight (lb)" and "Weight (oz)", "Pounds" and "Ounces".
    Alone, "Pounds" may be money.
    """
    bare = [
        (place, UNITS[words[0]])
        for place, words in enumerate(map(_words, headings))
        if len(words) == 1 and UNITS.get(words[0]) in WEIGHT_UNITS
    ]
    named = {c.match.index for c in candidates.get("weight", [])}
    if {unit for _, unit in bare} in map(set, _IN_TWO) and named <= {place for place, _ in bare}:
        made = keys(headings)
        candidates["weight"] = [
            _Candidate(Match("weight", headings[place], made[place], unit, place), 1)
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
            and len({tuple(_words(c.match.name)[:-1]) for c in pair}) == 1
        ):
            candidates[role] = pair[:1]
            candidates[part] = [replace(pair[1], match=replace(pair[1].match, role=part))]


def names_money(headings: Sequence[str]) -> bool:
    """Return whether a heading is about money, so that a bare "Gross" may be an amount."""
    return any(_weights("money").intersection(heading_words(heading)) for heading in headings)


def _on_the_scale(headings: Sequence[str], candidates: dict[str, list[_Candidate]]) -> None:
    """Read a bare "Gross" as the weight, where no column is one and none is about money."""
    if "weight" in candidates or "item_weight" in candidates:
        return
    words = [_words(heading) for heading in headings]
    alone = [
        place for place, each in enumerate(words) if " ".join(each) in _weights("on_the_scale")
    ]
    if not alone or names_money(headings):
        return
    made = keys(headings)
    candidates["weight"] = [
        _Candidate(Match("weight", headings[place], made[place], None, place), 1) for place in alone
    ]


def _kind(heading: str) -> str | None:
    words = _words(heading)
    read = _read(heading, "", 0)
    if read is not None:
        return KIND[read.match.role]
    bare = _about_a_place(words)
    if bare is not None:
        return KIND[bare]
    if origin_field(heading) is not None:  # "02" is the name of a warehouse
        return "text"
    if words and words[-1] in vocabulary().text_endings:
        return "text"
    return None


def _about_a_place(words: Iterable[str]) -> str | None:
    """Return the address role of a heading of any party ("Billing Zip", "Sender Phone")."""
    left = [word for word in words if word not in vocabulary().others]
    found = _address(left) if left else None
    return found[0] if found else None
