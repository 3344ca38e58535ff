"""How much of the machine a database may use, and where it puts what does not fit in memory.

What does not fit goes into a private folder, which is removed with the process.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from shipkit.settings import Machine

__all__ = ["bounded", "cores", "private_folder", "shared_by", "threads"]

_PREFIX = "shipkit-spill-"
_SHARE_PERCENT = 50
_WORKERS: ContextVar[int] = ContextVar("workers", default=1)
"""How many processes do the same work on this machine."""


@contextmanager
def shared_by(workers: int) -> Iterator[None]:
    """Divide the memory and the cores of the machine by `workers` inside the block."""
    before = _WORKERS.set(max(1, workers))
    try:
        yield
    finally:
        _WORKERS.reset(before)


def bounded() -> dict[str, str]:
    """Return settings for a DuckDB database that may outgrow the memory.

    It may use half of the machine's memory, divided by the workers that share it, or
    ``SHIPKIT_MEMORY``, and puts the rest into a folder that only this user can read. By default
    DuckDB would write addresses into ``.tmp`` in the working directory.
    """
    limits = {"memory_limit": memory(), "temp_directory": str(_folder())}
    wanted = Machine.read().threads or (threads() if _WORKERS.get() > 1 else None)
    return limits | ({"threads": str(wanted)} if wanted else {})


def memory() -> str:
    """Return the memory limit of a database, as DuckDB writes it."""
    given = Machine.read().memory
    return given or f"{_SHARE_PERCENT / _WORKERS.get():.2f}%"


def threads() -> int:
    """Return how many threads the work of this process may use."""
    return Machine.read().threads or max(1, cores() // _WORKERS.get())


def cores() -> int:
    """Return the number of cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new folder that only this user can read; it is removed after the block."""
    folder = tempfile.mkdtemp(dir=_folder())
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    return _folder_of(os.getpid())


@cache
def _folder_of(pid: int) -> Path:
    """Return the folder of a process: one that was forked has its own."""
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{pid}-")
    atexit.register(_remove_own, folder, pid)
    _sweep(Path(folder).parent)
    return Path(folder)


def _remove_own(folder: str, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove the folders of killed processes of this user, which could not do it themselves."""
    # On Windows, os.kill ends the process whatever the signal: there is no harmless way to ask.
    if os.name != "posix":
        return
    for folder in parent.glob(f"{_PREFIX}*"):
        found = re.fullmatch(rf"{_PREFIX}(\d+)-\w+", folder.name)
        if found and not folder.is_symlink() and _is_gone(int(found[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
