"""Where a database puts what does not fit in memory: a folder of this process, for this user's eyes only, gone when the process ends."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

__all__ = ["bounded"]

_PREFIX = "shipkit-spill-"


@cache
def bounded() -> dict[str, str]:
    """Return the settings of a DuckDB database that may grow: half of the machine's memory, the rest on disk.

    Without them it would spill addresses into the working directory.
    """
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _sweep(Path(folder).parent)
    return {"memory_limit": "50%", "temp_directory": folder}


def _sweep(parent: Path) -> None:
    """Remove the folders of this user's processes that were killed: they could not do it themselves."""
    if os.name != "posix":  # elsewhere asking whether a process lives may end it
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
