"""What a save wrote: counts, rows without a label, and notes to read before printing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shipkit.common.words import counted, row_list
from shipkit.outputs.labels.label_files import Parcels

__all__ = ["SavedLabels", "Tally"]

_NOTES = 10
"""Shipments whose labels stay as the carrier sent them that are named one by one."""


@dataclass(frozen=True)
class SavedLabels:
    """What :meth:`Labels.save` wrote."""

    paths: tuple[Path, ...]
    labels: int
    shipments: int
    missing: tuple[int, ...] = ()
    """Row numbers of bought shipments for which no label is stored."""
    notes: tuple[str, ...] = ()
    """What to know before printing."""

    @property
    def path(self) -> Path:
        """The file if there is only one, else the folder."""
        return self.paths[0] if len(self.paths) == 1 else self.paths[0].parent

    def __repr__(self) -> str:
        files = "" if len(self.paths) == 1 else f" in {len(self.paths):,} files"
        return "\n".join(
            [
                (
                    f"{counted(self.labels, 'label')} of "
                    f"{counted(self.shipments, 'shipment')}{files} -> {self.path}"
                ),
                *self.notes,
            ]
        )


class Tally:
    """Counts labels while they are written, and notices rows that have none."""

    def __init__(self, rows: Sequence[int], numbers: Sequence[int]) -> None:
        self._rows, self._numbers = rows, numbers
        self._seen: set[int] = set()
        self._labels = 0
        self._kept: list[str] = []

    def watch(self, shipments: Iterable[Parcels]) -> Iterator[Parcels]:
        """Yield `shipments`, counted."""
        for parcels in shipments:
            self._seen.add(parcels.row)
            self._labels += len(parcels.labels)
            yield parcels

    def left_as_sent(self, note: str) -> None:
        """Note a shipment whose labels could not be converted."""
        self._kept.append(note)

    def saved(self, paths: Sequence[Path], notes: Sequence[str]) -> SavedLabels:
        """Return what was written to `paths`."""
        missing = tuple(self._numbers[row] for row in self._rows if row not in self._seen)
        lost = (
            [
                (
                    f"{counted(len(missing), 'bought shipment')} without a stored label "
                    f"({row_list(missing, 10)}). The carrier can print them again."
                )
            ]
            if missing
            else []
        )
        kept = self._kept[:_NOTES]
        if len(self._kept) > _NOTES:
            kept.append(f"... and {counted(len(self._kept) - _NOTES, 'more shipment')} likewise.")
        return SavedLabels(
            tuple(paths), self._labels, len(self._seen), missing, (*lost, *kept, *notes)
        )
