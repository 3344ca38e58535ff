"""Purchases after UPS's answer was read: parts of one shipment joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from shipkit.carriers.ups.json_values import Unreadable
from shipkit.errors import AnswerLost
from shipkit.models import Purchase

__all__ = ["joined", "read_answer"]

T = TypeVar("T")


def read_answer(reader: Callable[[Any], T], body: Any) -> T:
    """Return ``reader(body)``. An answer without what its kind must have is a lost answer.

    UPS answered, so it may have acted: this is never "refused".
    """
    try:
        return reader(body)
    except ValueError as error:
        # Unreadable, or pydantic's error, whose text would show the answer and with it an address.
        what = str(error) if isinstance(error, Unreadable) else "a value is impossible"
        raise AnswerLost(
            f"UPS's answer cannot be used: {what}. It may have acted.",
            fix="The row is looked up by its reference before anything is sent again.",
        ) from None


def joined(one: Purchase, other: Purchase) -> Purchase:
    """Return two parts of one shipment as one purchase."""
    numbers = tuple(dict.fromkeys([*one.tracking_numbers, *other.tracking_numbers]))
    kept = {label.tracking_number for label in one.labels}
    return one.model_copy(
        update={
            "tracking_numbers": numbers,
            "labels": (
                *one.labels,
                *[label for label in other.labels if label.tracking_number not in kept],
            ),
            "warnings": tuple(dict.fromkeys([*one.warnings, *other.warnings])),
        }
    )
