"""Merges the small files of a ledger into fewer, larger ones, in the background of the commits.

Without it a job of a million rows would end with tens of thousands of files. The ledger is valid
whatever happens to a compaction: the segments it replaces are removed only after it is durable,
and segments that hold label bytes are never removed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from shipkit.common.files import Disk
from shipkit.errors import CheckpointCorrupt
from shipkit.purchasing.store.chain import Chain
from shipkit.purchasing.store.entries import ENTRIES, encode, merge
from shipkit.purchasing.store.segments import Part, compaction_name, read_part

__all__ = ["COMPACT_AFTER", "Compactor"]

log = logging.getLogger("shipkit.purchasing.store.compaction")

COMPACT_AFTER = 64
"""Files of one size that are merged into one of the next.

With 64, a job of a million rows is opened from about a hundred files.
"""

_SPARE_FOR_S = 10.0
"""How long a file stays after a compaction replaced it, for other processes that are reading."""


@dataclass(frozen=True)
class _Range:
    """A gapless range of segments: a file, and for a fresh commit also its entries."""

    path: Path
    first: int
    last: int
    previous: str
    sha256: str
    table: pa.Table | None = None
    """Without label bytes; kept in memory for fresh commits only."""
    labelled: bool = True

    @property
    def level(self) -> int:
        """0 for segments, 1 for compactions of segments, 2 for compactions of those, and so on."""
        level, size = 0, self.last - self.first + 1
        while size >= COMPACT_AFTER:
            level, size = level + 1, size // COMPACT_AFTER
        return level

    def entries(self) -> pa.Table:
        """Return the entries without label bytes."""
        return read_part(self.path, ENTRIES.names[:-1]) if self.table is None else self.table


class Compactor:
    """Merges files on a thread of its own; everything below the public methods runs there."""

    def __init__(self, folder: Path, generation: int, chain: Chain, disk: Disk) -> None:
        self._folder, self._generation, self._disk = folder, generation, disk
        self._levels: dict[int, list[_Range]] = {}
        self._spare: list[tuple[float, Path]] = []
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="shipkit-compaction")
        self._pool.submit(self._begin, chain)

    def add(
        self, table: pa.Table, path: Path, sequence: int, previous: str, sha: str, *, labelled: bool
    ) -> None:
        """Take note of one commit."""
        self._pool.submit(
            self._place,
            _Range(
                path, sequence, sequence, previous, sha, table.drop_columns(["labels"]), labelled
            ),
        )

    def flatten(self, bare: Callable[[pa.Table], pa.Table] | None = None) -> None:
        """Merge everything into one file, changed by `bare`, and return when it is durable."""
        self._pool.submit(self._flatten, bare).result()

    def close(self) -> None:
        """Wait for work in progress, and remove what has been spare for long enough."""
        self._pool.submit(self._sweep)
        self._pool.shutdown(wait=True)

    def _begin(self, chain: Chain) -> None:
        """Take over what earlier owners wrote."""
        # What an earlier owner left to be removed has been spare since it ended.
        self._drop(chain.spare)
        for link in chain.links:
            part = link.part
            self._place(
                _Range(
                    part.path,
                    part.first,
                    part.last,
                    link.previous,
                    link.sha256,
                    None,
                    part.labelled,
                )
            )

    def _place(self, new: _Range) -> None:
        ranges = self._levels.setdefault(new.level, [])
        ranges.append(new)
        if len(ranges) < COMPACT_AFTER:
            return
        self._levels[new.level] = []
        if all(a.last + 1 == b.first for a, b in pairwise(ranges)):
            self._compact(ranges)

    def _flatten(self, bare: Callable[[pa.Table], pa.Table] | None) -> None:
        ranges = sorted(
            (one for level in self._levels.values() for one in level), key=lambda one: one.first
        )
        made = self._write(ranges, bare)
        self._spare += [
            (0.0, one.path) for one in ranges if not one.labelled and one.path != made.path
        ]
        self._levels = {made.level: [made]}
        self._sweep()

    def _compact(self, ranges: list[_Range]) -> None:
        try:
            made = self._write(ranges)
        except (OSError, CheckpointCorrupt) as error:
            # Not a reason to stop buying: the segments are all there, the next owner tries again.
            log.warning("compaction postponed: %s", error)
            return
        self._spare += [(time.monotonic(), one.path) for one in ranges if not one.labelled]
        self._sweep()
        self._place(made)

    def _write(
        self, ranges: list[_Range], bare: Callable[[pa.Table], pa.Table] | None = None
    ) -> _Range:
        first, last = ranges[0], ranges[-1]
        meta = {
            "generation": self._generation,
            "first": first.first,
            "to": last.last,
            "previous": first.previous,
            "last": last.sha256,
        }
        merged = merge([one.entries() for one in ranges])
        data = encode(bare(merged) if bare else merged, meta)
        path = self._folder / compaction_name(
            self._generation, first.first, last.last, sha256(data).hexdigest()
        )
        self._disk.publish(self._folder, path.name, data)
        return _Range(path, first.first, last.last, first.previous, last.sha256, labelled=False)

    def _drop(self, parts: Iterable[Part]) -> None:
        self._spare += [(0.0, part.path) for part in parts]

    def _sweep(self) -> None:
        limit = time.monotonic() - _SPARE_FOR_S
        for since, path in self._spare:
            if since <= limit:
                self._disk.remove(path)
        self._spare = [(since, path) for since, path in self._spare if since > limit]
