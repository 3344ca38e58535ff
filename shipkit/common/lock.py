"""Locks on folders: one owner at a time across processes and threads, freed when the owner dies.

The lock is the operating system's own (``flock``, ``LockFileEx``), so a killed process cannot leave
it behind. A small file next to it says who holds it, for the message that others get.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from shipkit.errors import CheckpointLocked, CheckpointWriteError

__all__ = ["Holder", "held", "holder_of"]

_LOCK = "LOCK"
_HOLDER = "LOCK.json"
_POLL_S = 0.02


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock."""

    pid: int
    host: str
    since: str
    """ISO 8601, UTC."""
    what: str = ""
    """What it does: ``execute``, ``void``, ``write_back``, ..."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def held(
    folder: Path, *, what: str, wait_s: float = 1.0, named: str | None = None
) -> Iterator[None]:
    """Hold the lock of `folder` for a block.

    Parameters
    ----------
    what
        What the lock is held for; others see it in :class:`Holder`.
    wait_s
        How long to wait for another holder, in seconds.
    named
        What to call the folder in an error; default: its name.

    Raises
    ------
    CheckpointLocked
        Another process or thread holds the lock; the message says which.
    CheckpointWriteError
        The folder cannot be written, or its file system has no real locks (some network folders).
    """
    lock = _lock(folder)
    try:
        lock.acquire(timeout=wait_s, poll_interval=_POLL_S)
    except Timeout:
        holder = _read_holder(folder)
        raise CheckpointLocked(
            f"{named or folder.name} is in use by {holder or 'another process'}.",
            fix="Wait until that process has finished, or stop it. Nothing was sent from here.",
            holder=asdict(holder) if holder else None,
        ) from None
    except (NotImplementedError, OSError) as error:
        raise CheckpointWriteError(
            f"The folder {folder} cannot be locked: {error}.",
            fix="Set SHIPKIT_HOME to a folder on a local disk that you may write.",
        ) from error
    try:
        _refuse_fake_locks(folder)
        _write_holder(folder, what)
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / _HOLDER).unlink()
        lock.release()


def holder_of(folder: Path) -> Holder | None:
    """Return who holds the lock of `folder`, None when no one does."""
    if not (folder / _LOCK).exists():
        return None
    probe = _lock(folder)
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return _read_holder(folder) or Holder(0, "unknown", "unknown")
    except OSError:  # a read-only folder: no process can own what it cannot write
        return None
    probe.release()
    return None


def _lock(folder: Path) -> FileLock:
    # No fallback to a lock that exists only as a file: a kill would leave it behind, and the job
    # could never be resumed. Every owner has an instance of its own, so that threads exclude each
    # other; a forked child's copy does not count as held (filelock takes care of that).
    return FileLock(folder / _LOCK, thread_local=False, fallback_to_soft=False, mode=0o600)


def _refuse_fake_locks(folder: Path) -> None:
    """Check that the lock, which is held now, cannot be taken a second time.

    Some network file systems grant every lock. Two owners of one job would buy its rows twice.
    """
    probe = _lock(folder)
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return
    probe.release()
    raise CheckpointWriteError(
        f"The folder {folder} gives the same lock twice.",
        fix="Set SHIPKIT_HOME to a folder on a local disk.",
    )


def _write_holder(folder: Path, what: str) -> None:
    holder = Holder(
        os.getpid(),
        socket.gethostname(),
        dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        what,
    )
    fresh = folder / f"{_HOLDER}.{os.getpid()}"
    try:
        # Renamed, so that a reader never sees half of it. Not synced: it is about a live process.
        fresh.write_text(json.dumps(asdict(holder)), encoding="utf-8")
        fresh.replace(folder / _HOLDER)
    except OSError as error:
        raise CheckpointWriteError(
            f"The folder {folder} cannot be written: {error}.",
            fix="Free disk space, or correct the folder's permissions, then resume.",
        ) from error


def _read_holder(folder: Path) -> Holder | None:
    try:
        return Holder(**json.loads((folder / _HOLDER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
