"""Writing label files: whole or not at all, in the order asked for, a few labels in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import uuid4

from shipkit.errors import LabelError
from shipkit.models import LabelFormat
from shipkit.render.convert import convert
from shipkit.render.merge import PdfMerger

__all__ = [
    "Page",
    "Parcels",
    "StoredLabel",
    "as_page",
    "one_label_a_file",
    "whole_file",
    "write_in_parts",
    "write_together",
]


class StoredLabel(Protocol):
    """A label as the job keeps it: the carrier's bytes, and the shipment of the plan they belong to."""

    @property
    def row(self) -> int:
        """Place of the shipment in the plan, 0-based."""

    @property
    def tracking_number(self) -> str:
        """The parcel's number."""

    @property
    def format(self) -> str:
        """A :class:`~shipkit.models.LabelFormat`."""

    @property
    def data(self) -> bytes:
        """The file as the carrier sent it."""

    @property
    def kind(self) -> str:
        """``label`` or ``document``."""

    @property
    def parcel_index(self) -> int:
        """Which parcel of the shipment."""


class Parcels(NamedTuple):
    """All labels of one shipment, in the order of its parcels."""

    row: int
    labels: tuple[StoredLabel, ...]


class Page(NamedTuple):
    """One label in the format of the file."""

    data: bytes
    name: str
    """What it is, for an error: "Row 17, 1Z..."."""


def write_together(path: Path, pages: Iterable[Page], target: LabelFormat) -> None:
    """Write `pages` as one file: a PDF with a page a label, or ZPL one after the other."""
    with whole_file(path) as temporary:
        if target == LabelFormat.PDF:
            with PdfMerger() as merger:
                for page in pages:
                    with _named(page.name):
                        merger.add(page.data)
                merger.save(temporary)
            return
        with temporary.open("wb") as file:
            for page in pages:
                file.write(page.data)
                if not page.data.endswith(b"\n"):
                    file.write(b"\n")


def write_in_parts(
    name: Callable[[int], Path],
    shipments: Iterable[Parcels],
    pages: Callable[[Parcels], list[Page]],
    limit: int,
    target: LabelFormat,
) -> list[Path]:
    """Write at most `limit` labels a file; a shipment is never torn apart, so one with more parcels gets a file to itself."""
    paths: list[Path] = []
    batch: list[Page] = []
    for parcels in shipments:
        more = pages(parcels)
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
    """Return whether a file of this format holds a single label (a picture)."""
    return target in {LabelFormat.PNG, LabelFormat.GIF}


def as_page(label: StoredLabel, target: LabelFormat, name: str) -> Page:
    """Return a label in the format `target`; an error begins with `name`."""
    with _named(name):
        return Page(convert(label.data, LabelFormat(label.format), target), name)


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except LabelError as error:
        raise LabelError(f"{name}: {error.message}", fix=error.fix) from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what stands there at the end becomes `path` by one rename, on an error nothing does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{uuid4().hex}.tmp")
        try:
            yield temporary
            _sync(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise LabelError(
            f"{path} cannot be written: {error.strerror or error}.",
            fix="Close it where it is open, or choose another path. No label is lost.",
        ) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
