"""Write label files: all or nothing, in the given order, with a few labels in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from shipkit.common.files import whole_file
from shipkit.errors import LabelError
from shipkit.models import LabelFormat
from shipkit.purchasing.store.results import StoredLabel
from shipkit.render.merge import PdfMerger

__all__ = [
    "Page",
    "Parcels",
    "label_file",
    "named",
    "one_label_a_file",
    "write_in_parts",
    "write_together",
]


class Parcels(NamedTuple):
    """All labels of one shipment, in the order of its parcels."""

    row: int
    labels: tuple[StoredLabel, ...]


class Page(NamedTuple):
    """One label in the format of the file."""

    data: bytes
    name: str
    """What it is, for an error message: "Row 17, 1Z..."."""


def write_together(path: Path, pages: Iterable[Page], target: LabelFormat) -> None:
    """Write `pages` as one file: a PDF with one page per label, or ZPL one after the other."""
    with label_file(path) as temporary:
        if target == LabelFormat.PDF:
            with PdfMerger() as merger:
                for page in pages:
                    with named(page.name):
                        merger.add(page.data)
                merger.save(temporary)
            return
        with temporary.open("wb") as file:
            for page in pages:
                file.write(page.data)
                if target == LabelFormat.ZPL and not page.data.endswith(b"\n"):
                    file.write(b"\n")


def write_in_parts(
    name: Callable[[int], Path],
    shipments: Iterable[list[Page]],
    limit: int,
    target: LabelFormat,
) -> list[Path]:
    """Write files of at most `limit` labels and return their paths.

    The parcels of a shipment stay together; one with more than `limit` parcels has its own file.
    """
    paths: list[Path] = []
    batch: list[Page] = []
    for more in shipments:
        if batch and len(batch) + len(more) > limit:
            paths.append(_flush(name(len(paths) + 1), batch, target))
            batch = []
        batch += more
    if batch:
        paths.append(_flush(name(len(paths) + 1), batch, target))
    return paths


def _flush(path: Path, pages: list[Page], target: LabelFormat) -> Path:
    write_together(path, pages, target)
    return path


def one_label_a_file(target: LabelFormat) -> bool:
    """Return whether a file of this format holds a single label (PNG and GIF do)."""
    return target in {LabelFormat.PNG, LabelFormat.GIF}


@contextmanager
def named(name: str) -> Iterator[None]:
    """Put what an error is about in front of a LabelError."""
    try:
        yield
    except LabelError as error:
        raise LabelError(f"{name}: {error.message}", fix=error.fix) from error


@contextmanager
def label_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file that becomes `path` when the block succeeds.

    Raises LabelError when the file cannot be written. The labels are kept by the job and can be
    saved again, so that the name of the file need not survive a power cut (``durable=False``):
    with one file per label that would be thousands of syncs of the folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, durable=False) as temporary:
            yield temporary
    except OSError as error:
        raise LabelError(
            f"{path} cannot be written: {error.strerror or error}.",
            fix="Close the file if it is open, or choose another path. No label is lost.",
        ) from error
