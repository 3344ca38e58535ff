"""Labels as the carrier sent them -> labels in the format of a file, over all cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from shipkit.errors import LabelError
from shipkit.models import LabelFormat
from shipkit.outputs.labels.label_files import Page, Parcels, named
from shipkit.purchasing.store.results import StoredLabel
from shipkit.render.convert import can_convert, convert

__all__ = ["Conversion", "ShipmentPages", "converted_ahead"]

Converted = TypeVar("Converted")

_THREADS = min(os.cpu_count() or 1, 8)
"""Conversions at a time. Pillow, numpy and zlib release Python's lock while they work."""
_AHEAD = 2 * _THREADS
"""Shipments converted before they are written, so that memory does not grow with the job."""


class ShipmentPages(NamedTuple):
    """The labels of one shipment in one format."""

    format: LabelFormat
    pages: list[Page]
    note: str | None = None
    """Why they are not in the format that was asked for."""


class Conversion:
    """Converts the labels of a job.

    Parameters
    ----------
    numbers
        The row numbers of the plan's rows, for error messages.
    asked
        The format asked for when the labels were bought, where that is known.
    """

    def __init__(self, numbers: Sequence[int], asked: LabelFormat | None) -> None:
        self._numbers = numbers
        self._asked = asked

    def target_of(self, label: StoredLabel) -> LabelFormat:
        """Return the format in which a label is saved when none is named.

        That is the format asked for, where the one that came can become it. Documents stay as they
        came.
        """
        sent = LabelFormat(label.format)
        asked = self._asked if label.kind == "label" else None
        return asked if asked and can_convert(sent, asked) else sent

    def pages(self, parcels: Parcels, target: LabelFormat) -> list[Page]:
        """Return the labels of a shipment as `target`.

        Raises
        ------
        LabelError
            A label cannot be converted; the message names its row and number.
        """
        return [self._page(label, target) for label in parcels.labels]

    def pages_or_as_sent(self, parcels: Parcels, format: LabelFormat | None) -> ShipmentPages:  # noqa: A002
        """Return the labels of a shipment as `format`, or as asked for where that is None.

        Labels that cannot become what was asked for stay as they came, with a note: they are paid
        for. A `format` that is named is kept to, and raises LabelError where it cannot be.
        """
        target = format or self.target_of(parcels.labels[0])
        try:
            return ShipmentPages(target, self.pages(parcels, target))
        except LabelError as error:
            sent = {LabelFormat(label.format) for label in parcels.labels}
            if format or len(sent) > 1 or target in sent:
                raise
            (only,) = sent
            note = f"Saved as {only.value.upper()}, as the carrier sent it: {error.message}"
            return ShipmentPages(only, self.pages(parcels, only), note)

    def label_as_asked(self, label: StoredLabel) -> StoredLabel:
        """Return a label in the format asked for, or as it came where it cannot be converted."""
        target = self.target_of(label)
        if target == label.format:
            return label
        try:
            data = convert(label.data, LabelFormat(label.format), target)
        except LabelError:
            return label
        return label._replace(format=target.value, data=data)

    def _page(self, label: StoredLabel, target: LabelFormat) -> Page:
        name = f"Row {self._numbers[label.row]}, {label.tracking_number}"
        with named(name):
            return Page(convert(label.data, LabelFormat(label.format), target), name)


def converted_ahead(
    shipments: Iterable[Parcels], convert_one: Callable[[Parcels], Converted]
) -> Iterator[tuple[Parcels, Converted]]:
    """Yield each shipment with what `convert_one` makes of it, in order, over all cores.

    A few shipments are converted before they are asked for. An error is raised in its turn.
    """
    waiting: deque[tuple[Parcels, Future[Converted]]] = deque()
    with ThreadPoolExecutor(_THREADS, "shipkit-labels") as threads:
        try:
            for parcels in shipments:
                waiting.append((parcels, threads.submit(convert_one, parcels)))
                if len(waiting) > _AHEAD:
                    done, converted = waiting.popleft()
                    yield done, converted.result()
            while waiting:
                done, converted = waiting.popleft()
                yield done, converted.result()
        finally:
            threads.shutdown(cancel_futures=True)
