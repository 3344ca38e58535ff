"""Readers for options that are numbers, amounts of money or ages.

Each reader takes text and returns the value, or raises ValueError with a sentence that says which
values are allowed. The same readers check what is typed, what a ``--config`` file says, and the
options of ``shipkit mcp``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

__all__ = ["age", "amount", "at_least", "between", "fraction", "more_than_zero", "option_type"]

_LARGEST = 1_000_000_000
"""Above any count, rate or wait that makes sense; larger integers overflow the libraries below."""

_LONGEST_AGE_DAYS = 36_500


def at_least(least: int) -> Callable[[str], int]:
    """Return a reader for whole numbers from `least`."""
    return between(least, _LARGEST)


def between(least: int, most: int) -> Callable[[str], int]:
    """Return a reader for whole numbers from `least` to `most`."""

    def whole(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a whole number") from None
        if number < least:
            raise ValueError(f"must be at least {least}, not {number}")
        if number > most:
            raise ValueError(f"must be at most {most:,}, not {number}")
        return number

    return whole


def more_than_zero(most: float = _LARGEST) -> Callable[[str], float]:
    """Return a reader for numbers above 0 and up to `most`."""

    def positive(text: str) -> float:
        number = _finite(text)
        if number <= 0:
            raise ValueError(f"must be greater than 0, not {text}")
        if number > most:
            raise ValueError(f"must be at most {most:,g}, not {text}")
        return number

    return positive


def fraction(text: str) -> float:
    """Return a fraction such as 0.05. Raises ValueError."""
    number = _finite(text)
    if not 0 <= number <= 1:
        raise ValueError(f"must be between 0 and 1, e.g. 0.05 for 5 %, not {text}")
    return number


def amount(text: str) -> str:
    """Return an amount of money as it was written; the currency decides later on its decimals.

    Raises
    ------
    ValueError
        It is not an amount, or it is negative. Zero is allowed: it buys nothing.
    """
    try:
        value = Decimal(text.strip().replace("$", "").replace(",", ""))
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount; write it like 500 or 500.00") from None
    if not value.is_finite() or value >= _LARGEST:
        raise ValueError(f"{text!r} is not an amount; write it like 500 or 500.00")
    if value < 0:
        raise ValueError(f"must not be negative, but is {text}")
    return text


def age(text: str) -> dt.timedelta:
    """Return an age such as 90d, 12w or 36h. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,6})\s*([dwh])", text.strip().lower())
    if not match:
        raise ValueError(f"{text!r} is not an age; write it like 90d, 12w or 36h")
    unit = {"d": "days", "w": "weeks", "h": "hours"}[match[2]]
    found = dt.timedelta(**{unit: int(match[1])})
    if found > dt.timedelta(days=_LONGEST_AGE_DAYS):
        raise ValueError(f"{text!r} is more than {_LONGEST_AGE_DAYS:,} days")
    return found


def option_type(read: Callable[[str], object]) -> Callable[[str], object]:
    """Return `read` as a ``type=`` of argparse, which shows the text of this error only."""

    def typed(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return typed


def _finite(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a number")
    return number
