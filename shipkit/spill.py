"""Where a database puts what does not fit in memory: a folder of this process, for this user's eyes only, gone when the process ends."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache

__all__ = ["bounded"]


@cache
def bounded() -> dict[str, str]:
    """Return the settings of a DuckDB database that may grow: half of the machine's memory, the rest on disk.

    Without them it would spill addresses into the working directory.
    """
    folder = tempfile.mkdtemp(prefix="shipkit-spill-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return {"memory_limit": "50%", "temp_directory": folder}
