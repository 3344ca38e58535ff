"""A ledger as read from disk: every file checked, every link to the one before verified.

A gap is never read as "not sent yet". That reading would send rows again that are already bought.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.purchasing.store.entries import ENTRIES, metadata
from shipkit.purchasing.store.segments import Head, Part, corrupt, read_head

__all__ = ["Chain", "ChainLink", "read_chain"]

_GENESIS = 0
"""The sequence number before the first segment."""

_OF_A_NOTE: Final = ENTRIES.names[:-1]
"""Columns of the entries that move no row: a part's first row group; most parts have none."""

_TRIES = 8
"""A reader next to a running job may see a file vanish between listing and reading."""


@dataclass(frozen=True)
class ChainLink:
    """One part as read: its columns, and the digests at its two ends."""

    part: Part
    table: pa.Table
    previous: str
    """SHA-256 of the segment before it."""
    sha256: str
    """SHA-256 of the last segment that it covers."""
    notes: pa.Table | None
    """The entries that move no row, all columns but the label bytes; None where there are none.

    Read with the rest: a running job may remove the file a moment later.
    """


@dataclass(frozen=True)
class Chain:
    """The whole ledger, oldest entries first."""

    links: tuple[ChainLink, ...]
    generation: int
    """The highest of any file in the folder."""
    sequence: int
    """Number of the last segment."""
    sha256: str
    """SHA-256 of the last segment."""
    segments: dict[int, Part]
    """Every segment file that exists, by sequence. Those with labels remain after compaction."""
    spare: tuple[Part, ...]
    """Files that a compaction has replaced."""

    @property
    def table(self) -> pa.Table:
        """The columns that were read, in the order of writing."""
        return (
            pa.concat_tables([link.table for link in self.links])
            if self.links
            else ENTRIES.empty_table().drop_columns(["labels"])
        )

    def notes(self) -> pa.Table:
        """Return the entries that move no row (the job's own, and surplus), oldest first."""
        none = ENTRIES.empty_table().drop_columns(["labels"])
        found = [link.notes for link in self.links if link.notes is not None]
        return pa.concat_tables([none, *found])


def read_chain(folder: Path, genesis: str, columns: Sequence[str] | None = None) -> Chain:
    """Return the ledger of a job's folder, every link checked.

    Parameters
    ----------
    folder
        The job's folder.
    genesis
        The digest that the first segment must name as its previous one: the manifest's.
    columns
        Columns to read; default: all but the label bytes.

    Raises
    ------
    CheckpointCorrupt
        A part is missing, altered or unreadable.
    """
    wanted = columns or ENTRIES.names[:-1]
    for _ in range(_TRIES - 1):
        try:
            return _read_chain(folder, genesis, wanted)
        except FileNotFoundError:
            continue
    return _read_chain(folder, genesis, wanted)


def _read_chain(folder: Path, genesis: str, columns: Sequence[str]) -> Chain:
    head = read_head(folder)  # before the listing: what HEAD names must then be in the listing
    segments_folder = folder / "segments"
    parts = [
        part
        for name in sorted(os.listdir(segments_folder))  # noqa: PTH208 - up to 100,000 names
        if (part := Part.of(segments_folder / name))
    ]
    by_first: dict[int, list[Part]] = {}
    for part in parts:
        by_first.setdefault(part.first, []).append(part)
    links: list[ChainLink] = []
    sequence, sha, used = _GENESIS, genesis, set[Path]()
    while candidates := by_first.get(sequence + 1):
        link = _next_link(candidates, sha, columns)
        links.append(link)
        used.add(link.part.path)
        sequence, sha = link.part.last, link.sha256
    _check_end(folder, head, sequence, sha, parts)
    segments = {part.first: part for part in parts if not part.compacted}
    spare = tuple(part for part in parts if part.path not in used and not part.labelled)
    return Chain(
        tuple(links), max((p.generation for p in parts), default=0), sequence, sha, segments, spare
    )


def _next_link(candidates: list[Part], previous: str, columns: Sequence[str]) -> ChainLink:
    """Read the part that covers most; what it replaces may still be there."""
    part = max(candidates, key=lambda p: (p.last, p.generation))
    data, sha = part.load()
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        meta = metadata(file)
        # The files are small: handing them to threads takes longer than reading them.
        table = file.read(columns=list(columns), use_threads=False)
        notes = file.read_row_group(0, columns=_OF_A_NOTE) if meta["notes"] else None
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise corrupt(part.path, f"cannot be read ({error})") from error
    if meta["previous"] != previous:
        raise corrupt(part.path, "does not follow the one before it")
    return ChainLink(part, table, previous, meta["last"] if part.compacted else sha, notes)


def _check_end(folder: Path, head: Head, sequence: int, sha: str, parts: Iterable[Part]) -> None:
    """Check that nothing is missing after the last link: no later part, and nothing HEAD names."""
    later = [part for part in parts if part.first > sequence + 1]
    if later or head.sequence > sequence:
        raise corrupt(
            folder / "segments", f"has no segment {sequence + 1:08} (HEAD names {head.sequence:08})"
        )
    if head.sequence == sequence and head.sha256 != sha:
        raise corrupt(folder / "HEAD", f"names a different segment {sequence:08} than the one here")
