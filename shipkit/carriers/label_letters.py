"""Texts of an address that a label in Latin letters may not print.

Addresses abroad are written in Latin letters (IMM 122.1), and printers of labels have no others.
UPS has a rule of its own, which holds the row.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from shipkit.common.words import listed
from shipkit.models import Shipment

__all__ = ["letter_notes"]

_LATIN: Final = ("LATIN", "MODIFIER", "FULLWIDTH LATIN", "FEMININE", "MASCULINE", "MICRO", "KELVIN")
"""How the names of the letters begin that are Latin, or are used among them."""


def letter_notes(shipment: Shipment) -> tuple[str, ...]:
    """Return what to know of a recipient whose texts have other letters, or pictures."""
    to = shipment.ship_to
    texts = {"name": (to.name,), "company": (to.company,), "street": to.lines, "city": (to.city,)}
    strange = [
        name
        for name, given in texts.items()
        if any(text and not text.isascii() and _other_letters(text) for text in given)
    ]
    if not strange:
        return ()
    text = f"letters or signs of the recipient's {listed(strange)} may not be printed"
    return (f"{text}: write them in Latin letters",)


@lru_cache(maxsize=10_000)
def _other_letters(text: str) -> bool:
    """Return whether a text has letters that are not Latin, or pictures.

    Examples
    --------
    >>> [_other_letters(text) for text in ("Zoë Łukasz", "№ 5 – 3½ “Hof”", "Руиз", "Jo 😀")]
    [False, False, True, True]
    """
    for char in text:
        kind = unicodedata.category(char)
        if kind == "So" and char not in "°№©®™":
            return True
        if kind[0] == "L" and not unicodedata.name(char, "").startswith(_LATIN):
            return True
    return False
