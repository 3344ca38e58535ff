"""Where DuckDB puts what does not fit in memory: a private folder, removed with the process."""

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
    """Return settings for a DuckDB database that may outgrow the memory.

    It may use half of the machine's memory and puts the rest into a folder that only this user can
    read. By default DuckDB would write addresses into ``.tmp`` in the working directory.
    """
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _sweep(Path(folder).parent)
    return {"memory_limit": "50%", "temp_directory": folder}


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
