"""Phone numbers of all countries: how many digits they have, and texts that only fill a cell.

Lengths and prefixes are those of phonenumberslite (Google's libphonenumber), which is loaded when a
phone abroad is first seen. Only lengths are compared: which area codes exist changes too often.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

__all__ = ["PLACEHOLDERS", "PhoneNumbers", "phone_numbers"]

PLACEHOLDERS: Final = (
    *(digit * length for digit in "0123456789" for length in range(5, 16)),
    *("12345", "123456", "1234567", "12345678", "123456789", "1234567890", "0123456789"),
    *("9876543210", "987654321", "0987654321"),
)
"""Digits that people type where a form demands a number. None of them is called a phone."""


_FURTHER: Final = {"MX": (11,)}
"""Mexican mobiles had a 1 before the area code until 2019, and many still do."""


@dataclass(frozen=True)
class PhoneNumbers:
    """The phone numbers of a country."""

    code: str
    """Calling code, without plus."""
    trunk: str
    """What is dialed before a number within the country; empty where nothing is."""
    lengths: tuple[int, ...]
    """How many digits a number can have, without code and trunk prefix."""


@cache
def phone_numbers(country: str) -> PhoneNumbers | None:
    """Return the numbers of a country, None for one that the library does not know.

    Examples
    --------
    >>> phone_numbers("GB")
    PhoneNumbers(code='44', trunk='0', lengths=(7, 9, 10))
    """
    from phonenumbers import PhoneMetadata

    found = PhoneMetadata.metadata_for_region(country, None)
    if found is None or found.general_desc is None:
        return None
    # Without those that are enough within a town only.
    lengths = {*found.general_desc.possible_length, *_FURTHER.get(country, ())} - {-1}
    return PhoneNumbers(
        str(found.country_code), found.national_prefix or "", tuple(sorted(lengths))
    )
