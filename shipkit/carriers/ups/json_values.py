"""Values of UPS's JSON answers, read leniently, because UPS writes them loosely.

Seen in recorded answers of 2024: a bare object where a list of one is declared, ``""`` where an
object is declared, and numbers as text (``"10.0"``).
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from shipkit.models import Money

__all__ = [
    "Unreadable",
    "at",
    "date_of",
    "listed",
    "money_of",
    "number_of",
    "text_of",
    "texts_of",
]

_CURRENCY: Final = re.compile("[A-Z]{3}")
_GROUPED: Final = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?")


class Unreadable(ValueError):
    """An answer without what its kind must have. The text never holds the answer itself."""


def text_of(value: Any) -> str:
    """Return a text or number as text; anything else is an empty text."""
    return "" if value is None or isinstance(value, dict | list | bool) else str(value).strip()


def texts_of(value: Any) -> list[str]:
    """Return the texts of a list, or of a single text, that are not empty."""
    return [t for t in map(text_of, value if isinstance(value, list) else [value]) if t]


def number_of(value: Any) -> Decimal | None:
    """Return a number that may be written as text, with separators of thousands.

    A comma elsewhere may be a decimal one: "9,95" without it would be a hundredfold price.
    """
    text = text_of(value)
    if "," in text:
        text = text.replace(",", "") if _GROUPED.fullmatch(text) else ""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def date_of(value: Any) -> dt.date | None:
    """Return a date of eight digits, with or without dashes."""
    text = text_of(value).replace("-", "")
    if len(text) != 8:
        return None
    try:
        return dt.datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return None


def money_of(value: Any) -> Money | None:
    """Return an object with MonetaryValue and CurrencyCode as money, None without one of them.

    No currency is assumed: an account in Canada pays in CAD.
    """
    if value is None:
        return None
    amount = number_of(at(value, "MonetaryValue"))
    currency = text_of(at(value, "CurrencyCode")).upper()
    if amount is None or not _CURRENCY.fullmatch(currency):
        return None
    return Money(amount=amount, currency=currency)


def at(value: Any, *path: str) -> Any:
    """Return the value at `path`, None where a part of it is missing, empty or not an object."""
    for name in path:
        if not isinstance(value, dict):
            value = value[0] if isinstance(value, list) and len(value) == 1 else None
            if not isinstance(value, dict):
                return None
        value = value.get(name)
    return None if value == "" else value


def listed(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; of a bare object that should have been a list, that one."""
    if isinstance(value, list):
        return [entry for entry in value if isinstance(entry, dict)]
    return [value] if isinstance(value, dict) else []
