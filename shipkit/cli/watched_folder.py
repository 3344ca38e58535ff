"""The files of a watched folder: which are complete and due, and where they go when they were run.

Files come and go while the folder is read, and other machines write into it: a file that vanishes,
a name that is not text, a clock that is ahead or a folder that cannot be reached for a moment is no
reason to stop.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import stat_result
from pathlib import Path

__all__ = ["STILL_S", "WatchedFolder", "free_path", "moved", "takes"]

_ENDINGS = (
    ".csv",
    ".tsv",
    ".txt",
    ".xlsx",
    ".xlsm",
    ".xls",
    ".ods",
    ".parquet",
    ".json",
    ".ndjson",
    ".jsonl",
)
STILL_S = 2.0
"""A file is run when it has not grown for this long; until then it may still be uploading."""
_EMPTY_S = 60.0
"""An empty file may be an upload that is about to begin; after this long it is one that failed."""
_LONGEST_WAIT_S = 600.0
"""Longest wait before a file is run again after the carrier or this machine failed."""


@dataclass
class WatchedFolder:
    """A folder, what is known about its files, and when each is due."""

    path: Path
    every_s: float
    """Seconds between two looks: the first wait before a file is run again."""
    _again: dict[Path, tuple[float, float]] = field(default_factory=dict)
    """File -> the earliest time to run it again, and the last wait."""
    _seen: dict[Path, tuple[tuple[int, int], float]] = field(default_factory=dict)
    """File -> size and time of its last change, and when they were first seen."""

    @property
    def done(self) -> Path:
        """The folder of files that were run."""
        return self.path / "done"

    @property
    def failed(self) -> Path:
        """The folder of files that could not be run."""
        return self.path / "failed"

    @property
    def waiting(self) -> list[Path]:
        """Files that will be run again."""
        return [path for path in self._again if path.exists()]

    def ready(self) -> list[Path]:
        """Return the files that are complete and due, oldest first.

        Raises
        ------
        OSError
            The folder cannot be read.
        """
        clock = time.monotonic()
        due = [
            (stat.st_mtime, path)
            for path, stat in self._files()
            if self._still_s(path, stat) >= (STILL_S if stat.st_size else _EMPTY_S)
            and self._again.get(path, (0.0, 0.0))[0] <= clock
        ]
        return [path for _, path in sorted(due)]

    def growing(self) -> bool:
        """Return whether some file may still be uploading."""
        return any(self._still_s(path, stat) < STILL_S for path, stat in self._files())

    def put_off(self, path: Path) -> None:
        """Let a file wait before it is run again, twice as long each time."""
        wait = min(2 * self._again.get(path, (0.0, self.every_s))[1], _LONGEST_WAIT_S)
        self._again[path] = (time.monotonic() + wait, wait)

    def _still_s(self, path: Path, stat: stat_result) -> float:
        """Return how many seconds a file has not changed.

        A time in the future, which files from other machines and archives have, says nothing. Such
        a file is still from the moment at which it was first seen as it is.
        """
        age = time.time() - stat.st_mtime
        if age >= 0:
            return age
        now, state = time.monotonic(), (stat.st_size, stat.st_mtime_ns)
        known = self._seen.get(path)
        if known is None or known[0] != state:
            self._seen[path] = (state, now)
            return 0.0
        return now - known[1]

    def _files(self) -> Iterator[tuple[Path, stat_result]]:
        for path in self.path.iterdir():
            if not takes(path):
                continue
            try:
                if path.is_file():
                    yield path, path.stat()
            except OSError:  # it was taken away meanwhile
                continue


def takes(path: Path) -> bool:
    """Return whether a file of the folder would be run, by its name."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(_ENDINGS) and not name.startswith((".", "~$"))


def moved(path: Path, folder: Path) -> Path:
    """Move a file into a folder, which may be on another disk, and return its new path."""
    free = free_path(folder / path.name)
    shutil.move(path, free)
    return free


def free_path(path: Path) -> Path:
    """Return `path`, or the first numbered variant of it that does not exist."""
    stem, dot, ending = path.name.partition(".")
    n, free = 1, path
    while free.exists():
        n += 1
        free = path.with_name(f"{stem}-{n}{dot}{ending}")
    return free
