"""Labels of a purchase in the format that was asked for, converted on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from shipkit.errors import LabelError
from shipkit.models import Label, LabelFormat, LabelSpec, Purchase

__all__ = ["in_format"]


async def in_format(purchase: Purchase, label: LabelSpec) -> Purchase:
    """Return `purchase` with its labels in the format of `label`.

    A label that cannot be converted stays as the carrier sent it, with a warning: it is paid for.
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
