"""A lock for what each event loop does once, such as fetching a token that fifty rows need."""

from __future__ import annotations

import asyncio

__all__ = ["LoopLock"]


class LoopLock:
    """Makes a lock for the running event loop.

    An ``asyncio.Lock`` belongs to one loop, and an account may be used in several, one after the
    other: a session's own, and that of ``asyncio.run``.
    """

    def __init__(self) -> None:
        self._made: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    def here(self) -> asyncio.Lock:
        """Return the lock of the running loop."""
        loop = asyncio.get_running_loop()
        if self._made is None or self._made[0] is not loop:
            self._made = (loop, asyncio.Lock())
        return self._made[1]
