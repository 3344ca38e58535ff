"""Writes that survive a crash: the few file operations everything durable is made of.

One small object, so that a test can record what it does, cut the record at any place and see what
is left.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["PRIVATE", "Disk", "make_private"]

PRIVATE = 0o700
"""Mode of every folder: labels and addresses are private data."""

_PRIVATE_FILE = 0o600
_TEMPORARY = ".tmp-"


def make_private(folder: Path) -> None:
    """Make `folder` (and its parents), readable by its owner only."""
    for parent in reversed([parent for parent in folder.parents if not parent.exists()]):
        parent.mkdir(
            mode=PRIVATE, exist_ok=True
        )  # `parents=True` would make them readable by everybody
    folder.mkdir(mode=PRIVATE, exist_ok=True)


class Disk:
    """The file operations of a job, in the order in which they must reach the disk."""

    def publish(self, folder: Path, name: str, data: bytes) -> None:
        """Make `folder/name` hold `data`, entirely or not at all, and return when a power cut cannot undo it."""
        temporary = folder / f"{_TEMPORARY}{name}"
        self.write(temporary, data)
        self.rename(temporary, folder / name)
        self.sync_folder(folder)

    def write(self, path: Path, data: bytes) -> None:
        """Write a new file and sync it."""
        fd = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0), _PRIVATE_FILE
        )
        try:
            _write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file or folder its final name; an existing file is replaced, an existing folder refused."""
        if old.is_dir():
            old.rename(new)
        else:
            old.replace(new)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in `folder` durable, where the system has that."""
        if os.name == "nt":
            return
        fd = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def patch(self, path: Path, offset: int, data: bytes) -> None:
        """Overwrite bytes inside an existing file. Not synced: the reader must be able to live without it."""
        fd = os.open(path, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            os.lseek(fd, offset, os.SEEK_SET)
            _write_all(fd, data)
        finally:
            os.close(fd)

    def sync(self, path: Path) -> None:
        """Make the content of an existing file durable."""
        fd = os.open(path, os.O_RDWR)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def remove(self, path: Path) -> None:
        """Remove a file; one that is gone already is fine."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
