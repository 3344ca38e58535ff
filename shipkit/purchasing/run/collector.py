"""Python's garbage collector during a run: it looks at new objects less often.

Fifty purchases in flight are some twenty thousand objects, which live for as long as the carrier
takes. By default the collector looks at what is new after 700 of them, finds that they are alive,
counts them as old, and for all these "old" ones then looks through the whole process: a tenth of
the CPU time of a purchase, in pauses of a tenth of a second, to find nothing.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["calm_collector"]

_NEW_OBJECTS: Final = 5_000
"""How many there may be before the collector looks at them."""


class _Runs:
    """The runs of this process that are under way, and what was set before the first of them."""

    lock = threading.Lock()
    count = 0
    before: tuple[int, int, int] | None = None


@contextmanager
def calm_collector() -> Iterator[None]:
    """Let the collector wait for more new objects while the block runs.

    What a person has set is left alone: a collector that waits for as many by itself, or is off
    (0), and what is set during the block. Blocks of several threads may overlap.
    """
    with _Runs.lock:
        _Runs.count += 1
        before = gc.get_threshold()
        if _Runs.count == 1 and 0 < before[0] < _NEW_OBJECTS:
            _Runs.before = before
            gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        with _Runs.lock:
            _Runs.count -= 1
            if _Runs.count == 0 and _Runs.before is not None:
                if gc.get_threshold() == (_NEW_OBJECTS, *_Runs.before[1:]):
                    gc.set_threshold(*_Runs.before)
                _Runs.before = None
