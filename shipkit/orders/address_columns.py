"""Columns that belong to an address by their place or their neighbours, whatever their names.

A file says more of an address than its headings do: a column between street and city is a part of
the address, and "Cabin Street" next to "Cabin City" is another address.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Final

from shipkit.orders.columns import Column
from shipkit.orders.fields import recognise
from shipkit.orders.heading_text import heading_words
from shipkit.orders.instructions import Instruction, another_address, part_of_address

__all__ = ["by_place"]

_WIDEST: Final = 3
"""Columns between two of an address; with more between them, they are not next to each other."""

_WORDS: Final = ("VARCHAR", "BIGINT", "INTEGER", "SMALLINT")
"""Types of columns that may be a part of an address. A coordinate is a DOUBLE."""


def by_place(
    columns: Sequence[Column], read: Collection[str], unread: Sequence[Column]
) -> dict[str, Instruction]:
    """Return what unread columns look like by their place: key -> a part, or another address.

    Parameters
    ----------
    columns
        All columns, in the order of the file.
    read
        Keys of those that the address is made of.
    unread
        Those that are not understood.
    """
    among = dict(_among(columns, read, {column.key for column in unread}))
    parts = {
        column.key: part_of_address(near_street=among[column.key])
        for column in unread
        if column.key in among and column.type in _WORDS
    }
    return {**parts, **dict.fromkeys(_other_streets(unread), another_address())}


def _among(
    columns: Sequence[Column], read: Collection[str], unread: Collection[str]
) -> Iterator[tuple[str, bool]]:
    """Yield the keys of the columns between two of the address, and whether a street is next.

    A weight in between says that the second column is elsewhere, where ``columns=`` found it.
    """
    places = [place for place, column in enumerate(columns) if column.key in read]
    for first, second in pairwise(places):
        between = [column.key for column in columns[first + 1 : second]]
        near = _is_street(columns[first]) or _is_street(columns[second])
        if len(between) <= _WIDEST and all(key in unread for key in between):
            yield from ((key, near) for key in between)


def _is_street(column: Column) -> bool:
    roles = recognise([column.name]).roles
    return any(role.startswith("address_line") for role in roles)


def _other_streets(unread: Sequence[Column]) -> Iterator[str]:
    """Yield the keys of streets that have a city or a postal code of the same name next to them."""
    found: dict[str, dict[str, str]] = {}
    for column in unread:
        for owner, role in _owners(heading_words(column.name)):
            found.setdefault(owner, {})[role] = column.key
    for roles in found.values():
        if "address_line1" in roles and len(roles) > 1:
            yield roles["address_line1"]


def _owners(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield whose address a heading may be of, and the role: ("cabin", "city") of "Cabin City"."""
    for size in range(1, len(words)):
        for owner, rest in ((words[:size], words[size:]), (words[-size:], words[:-size])):
            for role in {"address_line1", "city", "postal_code"} & {
                *recognise([" ".join(rest)]).roles
            }:
                yield " ".join(owner), role
