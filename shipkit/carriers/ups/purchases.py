"""Purchases after UPS's answer was read: the format of labels, parts of one shipment joined."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from shipkit.carriers.ups.json_values import Unreadable
from shipkit.errors import AnswerLost, LabelError
from shipkit.models import Label, LabelFormat, LabelSpec, Purchase

__all__ = ["in_format", "joined", "read_answer"]

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


async def in_format(purchase: Purchase, label: LabelSpec) -> Purchase:
    """Return `purchase` with its labels in the format of `label`.

    A label that cannot be converted stays as UPS sent it, with a warning: it is paid for.
    """
    if not any(one.kind == "label" and one.format is not label.format for one in purchase.labels):
        return purchase
    labels, warnings = await asyncio.to_thread(_converted, purchase.labels, label.format)
    return purchase.model_copy(
        update={"labels": labels, "warnings": (*purchase.warnings, *warnings)}
    )


def _converted(
    labels: Iterable[Label], wanted: LabelFormat
) -> tuple[tuple[Label, ...], tuple[str, ...]]:
    from shipkit.render.convert import can_convert, convert

    done, warnings = [], []
    for label in labels:
        made = label
        if (
            label.kind == "label"
            and label.format is not wanted
            and can_convert(label.format, wanted)
        ):
            try:
                data = convert(label.data, label.format, wanted)
                made = label.model_copy(update={"data": data, "format": wanted})
            except LabelError as error:
                warnings.append(
                    f"label of {label.tracking_number} stays {label.format.value.upper()}: "
                    f"{error.message}"
                )
        done.append(made)
    return tuple(done), tuple(warnings)


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
