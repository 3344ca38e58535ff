"""Where labels are saved and in which format.

Contradicting options are refused before the first label is read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shipkit.common.words import listed
from shipkit.errors import LabelError
from shipkit.models import LabelFormat
from shipkit.outputs.labels.label_files import one_label_a_file

__all__ = ["Destination"]


@dataclass(frozen=True)
class Destination:
    """Where labels are saved, and in which format (None: the format they were bought in)."""

    path: Path
    per: str | None
    format: LabelFormat | None
    folder: bool

    @classmethod
    def of(
        cls,
        path: Path,
        *,
        per: str | None,
        split: int | None,
        format: str | None,  # noqa: A002 - the public name
    ) -> Destination:
        """Return what the options mean. Raises LabelError if they contradict each other."""
        if per not in {None, "shipment", "parcel"}:
            raise LabelError(
                f"per={per!r} is not known.", fix='Use per="shipment" or per="parcel".'
            )
        if split is not None and (split < 1 or per):
            raise LabelError(
                (
                    "split cannot be combined with per."
                    if per
                    else f"split must be at least 1, not {split}."
                ),
                fix="Give split the most labels per file, without per.",
            )
        asked = _format(format, f"format={format!r}") if format else None
        if per or not path.suffix or path.is_dir():
            return cls._in_folder(path, per, split, asked)
        return cls._one_file(path, split, asked)

    @classmethod
    def _in_folder(
        cls, path: Path, per: str | None, split: int | None, asked: LabelFormat | None
    ) -> Destination:
        suffix = path.suffix.lower().lstrip(".")
        if per and suffix in set(LabelFormat) and not path.is_dir():
            raise LabelError(
                f'{path}: per="{per}" writes several files, and this is a file name.',
                fix=f'Give a folder: save("{path.stem}", per="{per}", format="{suffix}").',
            )
        if path.exists() and not path.is_dir():
            raise LabelError(
                f"{path} is not a folder, and a folder of label files is wanted there.",
                fix="Use another name, or one that ends in .pdf for a single file.",
            )
        return cls(path, per or (None if split else "shipment"), asked, folder=True)

    @classmethod
    def _one_file(cls, path: Path, split: int | None, asked: LabelFormat | None) -> Destination:
        named = _format(path.suffix.lstrip("."), str(path))
        if asked and asked != named:
            raise LabelError(
                f"{path}: the name ends in {named.value}, but format is {asked.value}.",
                fix="Leave format out, or change the name.",
            )
        if split and one_label_a_file(named):
            raise LabelError(
                f"{path}: a {named.value.upper()} file holds one label.",
                fix=f'Use a folder: save("{path.stem}", per="parcel", format="{named.value}").',
            )
        return cls(path, None, named, folder=False)

    def part(self, target: LabelFormat) -> Callable[[int], Path]:
        """Return a function that gives the path of part 1, 2, ... of a split."""
        if one_label_a_file(target):
            raise LabelError(
                f"{self.path}: a {target.value.upper()} file holds one label.",
                fix='Use per="parcel" instead of split.',
            )
        base, suffix = (
            (self.path / "labels", target.value)
            if self.folder
            else (self.path.with_suffix(""), self.path.suffix.lstrip("."))
        )
        return lambda number: base.with_name(f"{base.name}-{number:03}.{suffix}")

    def leftovers(self, paths: Sequence[Path], target: LabelFormat) -> list[str]:
        """Return a note on files of an earlier, longer split: they would be printed again."""
        if self.per or len(paths) == 0 or paths[0] == self.path:
            return []
        name = self.part(target)
        stale = list(
            itertools.takewhile(
                Path.exists, (name(number) for number in itertools.count(len(paths) + 1))
            )
        )
        return (
            [
                (
                    f"Left from an earlier save: {listed([path.name for path in stale])}. Remove "
                    "them before you print the folder."
                )
            ]
            if stale
            else []
        )


def _format(name: str, asked: str) -> LabelFormat:
    try:
        return LabelFormat(name.lower())
    except ValueError:
        raise LabelError(
            f"{asked}: labels are saved as {', '.join(LabelFormat)}.",
            fix="Use one of these suffixes, or the name of a folder without a dot.",
        ) from None
