"""Which headings name the place that parcels leave from: a warehouse, or parts of an address."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

from shipkit.orders.heading_text import heading_words, phrase, without_note, word_file
from shipkit.orders.heading_words import vocabulary

__all__ = ["ORIGIN_FIELDS", "ORIGIN_PARTS", "WAREHOUSE_FIELD", "origin_field"]

WAREHOUSE_FIELD: Final = "warehouse"
"""The field of a row that names one of the known warehouses."""

ORIGIN_PARTS: Final = (
    "name",
    "company",
    "phone",
    "email",
    "address_line1",
    "address_line2",
    "address_line3",
    "city",
    "state",
    "postal_code",
    "country",
)
"""The parts of an origin that columns may give."""

ORIGIN_FIELDS: Final = {f"ship_from_{part}": part for part in ORIGIN_PARTS}
"""What ``map(columns={...})`` calls a part -> the field of the address."""


@lru_cache(maxsize=20_000)
def origin_field(heading: str) -> str | None:
    """Return what a heading gives of the origin: ``warehouse``, ``ship_from_city``, or None.

    Examples
    --------
    >>> [origin_field(each) for each in ("Ship From ZIP", "Sender: Address 1", "WH", "Ship To ZIP")]
    ['ship_from_postal_code', 'ship_from_address_line1', 'warehouse', None]
    """
    words = heading_words(without_note(heading))
    if " ".join(words) in _warehouse():
        return WAREHOUSE_FIELD
    for party in _parties():
        size = len(party)
        for rest, there in ((words[size:], words[:size]), (words[:-size], words[-size:])):
            part = _part(rest) if there == party else None
            if part is not None:
                return f"ship_from_{part}"
    return None


def _part(words: tuple[str, ...]) -> str | None:
    known = vocabulary().by_address_phrase
    shorter = words[1:] if words[:1] == ("address",) else ()
    found = known.get(" ".join(words)) or known.get(" ".join(shorter))
    return found[0] if found and found[0] in ORIGIN_PARTS else None


@cache
def _warehouse() -> frozenset[str]:
    return frozenset(map(phrase, word_file("origins")["warehouse"]))


@cache
def _parties() -> tuple[tuple[str, ...], ...]:
    return tuple(heading_words(text) for text in word_file("origins")["parties"])
