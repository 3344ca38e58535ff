"""Callers of one object that take turns: threads, tasks and a background loop, first come first.

A session has one connection to its database, which refuses a second call at the same time, and
steps that must not mix: a filter must not change while the orders are priced. A
:class:`threading.RLock` would not do. It belongs to a thread, and a turn goes on in another one
(the background loop) after its caller has stopped waiting.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["Place", "Turns", "postponed_interrupts"]

_POLL_S = 0.1
"""How often a waiting thread wakes up: on Windows, Ctrl-C does not interrupt a longer wait."""
_held: ContextVar[tuple[_Turn, ...]] = ContextVar("_held", default=())
"""The turns that this thread or task has. Work that it starts sees them, too."""


class Turns:
    """One caller at a time, in the order in which they came.

    A caller that has the turn may take it again, also in work that it started; the turn ends when
    all of them have left. Ctrl-C may come at any place: a caller makes its place first, and leaves
    whatever became of it. Leaving twice is the same as once::

        place = Place()
        try:
            turns.enter(place)
            ...
        finally:
            turns.leave(place)
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[_Turn] = deque()
        """The first of them has its turn."""

    def enter(self, place: Place, *, may_wait: Callable[[], bool] = lambda: True) -> bool:
        """Wait for a turn. False, without one, if others have it and `may_wait` is false."""
        turn = self._join(place)
        if not turn.came.done() and not may_wait():
            return False
        while not turn.came.done():
            concurrent.futures.wait([turn.came], timeout=_POLL_S)
        place.begin()
        return True

    async def enter_async(self, place: Place) -> None:
        """Wait for a turn, and leave the event loop free meanwhile."""
        turn = self._join(place)
        while not turn.came.done():
            # Shielded, because a future that was cancelled could not say that the turn came.
            await asyncio.shield(asyncio.wrap_future(turn.came))
        place.begin()

    def leave(self, place: Place) -> None:
        """End the turn of this place, or wait for it no longer. May be repeated."""
        place.end()
        turn = place.turn
        if turn is not None:
            with self._guard:
                turn.places.discard(place)
                if not turn.places and turn in self._queue:
                    self._queue.remove(turn)
                self._call_next()

    @property
    def taken(self) -> bool:
        """Whether a caller has its turn."""
        return bool(self._queue)

    @property
    def waiting(self) -> int:
        """How many callers wait."""
        return max(len(self._queue) - 1, 0)

    def _join(self, place: Place) -> _Turn:
        """Give `place` the turn that is going on if its caller has it, else the last in the row."""
        with self._guard:
            going_on = self._queue[0] if self._queue else None
            if going_on is not None and going_on in _held.get():
                place.turn = going_on
                going_on.places.add(place)
            else:
                place.turn = _Turn(place)
                self._queue.append(place.turn)
                self._call_next()
            return place.turn

    def _call_next(self) -> None:
        if self._queue and not self._queue[0].came.done():
            self._queue[0].came.set_result(None)


class Place:
    """The place of one caller among those who wait, and then in a turn."""

    def __init__(self) -> None:
        self.turn: _Turn | None = None
        self._before = _held.get()

    def begin(self) -> None:
        """Note that this caller, and work that it starts, has the turn."""
        assert self.turn is not None  # noqa: S101 - it has joined
        _held.set((*self._before, self.turn))

    def end(self) -> None:
        """Note that it has the turn no longer."""
        _held.set(self._before)


class _Turn:
    """One turn, and the places of those who have not left it."""

    def __init__(self, place: Place) -> None:
        self.came: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.places = {place}


@contextmanager
def postponed_interrupts() -> Iterator[None]:
    """Raise a Ctrl-C that comes inside the block after it.

    For a few assignments that belong together. Only the main thread is interrupted, so in others
    there is nothing to do.
    """
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return
    came: list[tuple[Any, ...]] = []
    signal.signal(signal.SIGINT, lambda *given: came.append(given))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if came:
        usual(*came[0])
