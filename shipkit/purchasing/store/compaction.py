"""Keeps the parts of a ledger few, beside the commits.

The chain stays valid whatever happens to a compaction: the segments it stands for are removed only
after it is durable, and never those that hold label bytes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from shipkit.common.files import Disk
from shipkit.errors import CheckpointCorrupt
from shipkit.purchasing.store.segments import (
    LINES,
    Chain,
    Part,
    compaction_name,
    encode,
    merge,
    read_part,
)

__all__ = ["COMPACT_AFTER", "Compactor"]

log = logging.getLogger("shipkit.purchasing.store.compaction")

COMPACT_AFTER = 64
"""Parts of one size that become one of the next: a million rows are opened from about a hundred parts."""

_SPARE_FOR_S = 10.0
"""How long a file stays after a compaction made it unnecessary, for readers from outside."""


@dataclass(frozen=True)
class _Run:
    """A gapless range of segments, as one part or as the lines of a fresh commit."""

    path: Path
    first: int
    last: int
    previous: str
    sha256: str
    table: pa.Table | None = None
    """State columns, kept in memory only for fresh commits."""
    labelled: bool = True

    @property
    def level(self) -> int:
        """0 for segments, 1 for compactions of segments, and so on."""
        level, size = 0, self.last - self.first + 1
        while size >= COMPACT_AFTER:
            level, size = level + 1, size // COMPACT_AFTER
        return level

    def lines(self) -> pa.Table:
        """Return the state columns."""
        return read_part(self.path, LINES.names[:-1]) if self.table is None else self.table


class Compactor:
    """Makes one part of 64 of a size, on a thread of its own: everything below runs there."""

    def __init__(self, folder: Path, generation: int, chain: Chain, disk: Disk) -> None:
        self._folder, self._generation, self._disk = folder, generation, disk
        self._levels: dict[int, list[_Run]] = {}
        self._spare: list[tuple[float, Path]] = []
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="shipkit-compaction")
        self._pool.submit(self._begin, chain)

    def add(
        self, table: pa.Table, path: Path, sequence: int, previous: str, sha: str, *, labelled: bool
    ) -> None:
        """Take note of one commit."""
        self._pool.submit(
            self._place,
            _Run(path, sequence, sequence, previous, sha, table.drop_columns(["labels"]), labelled),
        )

    def flatten(self) -> None:
        """Make one part of everything, and return when it is durable."""
        self._pool.submit(self._flatten).result()

    def close(self) -> None:
        """Wait for what runs, and remove what was spare for long enough."""
        self._pool.submit(self._sweep)
        self._pool.shutdown(wait=True)

    def _begin(self, chain: Chain) -> None:
        self._drop(chain.spare)
        for link in chain.links:
            part = link.part
            self._place(
                _Run(
                    part.path,
                    part.first,
                    part.last,
                    link.previous,
                    link.sha256,
                    None,
                    part.labelled,
                )
            )

    def _place(self, run: _Run) -> None:
        runs = self._levels.setdefault(run.level, [])
        runs.append(run)
        if len(runs) < COMPACT_AFTER:
            return
        self._levels[run.level] = []
        if all(a.last + 1 == b.first for a, b in pairwise(runs)):
            self._compact(runs)

    def _flatten(self) -> None:
        runs = sorted(
            (run for level in self._levels.values() for run in level), key=lambda run: run.first
        )
        made = self._write(runs)
        self._spare += [
            (0.0, run.path) for run in runs if not run.labelled and run.path != made.path
        ]
        self._levels = {made.level: [made]}
        self._sweep()

    def _compact(self, runs: list[_Run]) -> None:
        try:
            made = self._write(runs)
        except (
            OSError,
            CheckpointCorrupt,
        ) as error:  # the segments are all there; the next owner tries again
            log.warning("compaction postponed: %s", error)
            return
        self._spare += [(time.monotonic(), run.path) for run in runs if not run.labelled]
        self._sweep()
        self._place(made)

    def _write(self, runs: list[_Run]) -> _Run:
        first, last = runs[0], runs[-1]
        meta = {
            "generation": self._generation,
            "first": first.first,
            "to": last.last,
            "previous": first.previous,
            "last": last.sha256,
        }
        data = encode(merge([run.lines() for run in runs]), meta)
        path = self._folder / compaction_name(
            self._generation, first.first, last.last, sha256(data).hexdigest()
        )
        self._disk.publish(self._folder, path.name, data)
        return _Run(path, first.first, last.last, first.previous, last.sha256, None, labelled=False)

    def _drop(self, parts: Iterable[Part]) -> None:
        """Note what an earlier owner left behind: it is old enough."""
        self._spare += [(0.0, part.path) for part in parts]

    def _sweep(self) -> None:
        limit = time.monotonic() - _SPARE_FOR_S
        for since, path in self._spare:
            if since <= limit:
                self._disk.remove(path)
        self._spare = [(since, path) for since, path in self._spare if since > limit]
