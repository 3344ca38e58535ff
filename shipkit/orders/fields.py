"""What the headings of a table mean: which column fills which field.

Two headings that fit one role equally well are a question for the user, never a guess. What one
heading means is in :mod:`shipkit.orders.heading_meaning`, what it means next to others in
:mod:`shipkit.orders.heading_neighbours`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from shipkit.orders.columns import KIND, keys
from shipkit.orders.heading_meaning import Match, read_heading, role_of_any_party, words_of
from shipkit.orders.heading_neighbours import Candidates, read_together
from shipkit.orders.heading_text import without_repeats
from shipkit.orders.heading_words import vocabulary
from shipkit.orders.origin_headings import origin_field

__all__ = ["Recognition", "column_kinds", "recognise"]


@dataclass(frozen=True)
class Recognition:
    """What the headings mean: one column per role, and the roles that several columns fit."""

    roles: Mapping[str, Match] = field(default_factory=dict)
    ambiguous: Mapping[str, list[str]] = field(default_factory=dict)


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
    return _recognised(tuple(headings))


@lru_cache(maxsize=512)
def _recognised(headings: tuple[str, ...]) -> Recognition:
    """Return what `headings` mean; a preview asks it of the same ones twenty times."""
    candidates: Candidates = {}
    originals = _without_copy_numbers(headings)
    records = {heading.rpartition("/")[0] for heading in headings}
    for index, (heading, key) in enumerate(zip(headings, keys(headings), strict=True)):
        found = read_heading(without_repeats(originals[index]), key, index)
        # Above "Delivery Address/Street", "Delivery Address" is what the record is called.
        if found is not None and not (heading in records and found.match.role == "address_line1"):
            named = replace(found, match=replace(found.match, name=heading))
            candidates.setdefault(found.match.role, []).append(named)
    read_together(headings, originals, candidates)
    roles: dict[str, Match] = {}
    ambiguous: dict[str, list[str]] = {}
    for role, group in candidates.items():
        best = min((c.match.party, c.tier) for c in group)
        first = [c.match for c in group if (c.match.party, c.tier) == best]
        if role == "name" and words_of(first[0].name) == ["name"]:
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
        base = read_heading(found["base"], "", 0)
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


def _kind(heading: str) -> str | None:
    words = words_of(heading)
    read = read_heading(heading, "", 0)
    if read is not None:
        return KIND[read.match.role]
    bare = role_of_any_party(words)
    if bare is not None:
        return KIND[bare]
    if origin_field(heading) is not None:  # "02" is the name of a warehouse
        return "text"
    if words and words[-1] in vocabulary().text_endings:
        return "text"
    return None
