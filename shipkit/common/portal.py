"""Run async code from sync code, even inside a running event loop (Jupyter, an agent host).

Each :class:`Portal` has one background thread with one event loop. ``asyncio.run`` would fail
where a loop is already running, and a nested loop would need to patch asyncio.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["Portal"]

T = TypeVar("T")
_POLL_S = 0.1
"""How often a waiting thread wakes up: on Windows, Ctrl-C does not interrupt a longer wait."""


class Portal:
    """A background event loop that starts with the first call and ends with :meth:`close`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()

    def start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start `work` in the background and return its future at once."""
        return asyncio.run_coroutine_threadsafe(work, self._running_loop())

    def run(
        self, work: Coroutine[Any, Any, T], *, on_interrupt: Callable[[int], None] | None = None
    ) -> T:
        """Wait for `work` and return its result, from any thread, even one that runs a loop.

        Parameters
        ----------
        on_interrupt
            Called with 1 at the first Ctrl-C, 2 at the second, and so on, after which the wait
            continues. Without it, an interrupt cancels `work`, waits for it to end and is raised.

        Raises
        ------
        RuntimeError
            Called from the portal's own thread, which would wait for itself forever.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a portal cannot wait for itself: await the coroutine instead")
        future = self.start(work)
        interrupts = 0
        while True:
            try:
                return future.result(timeout=_POLL_S)
            except concurrent.futures.TimeoutError:
                if future.done():
                    return future.result()
            except KeyboardInterrupt:
                interrupts += 1
                if on_interrupt is None:
                    future.cancel()
                    concurrent.futures.wait([future], timeout=5)
                    raise
                on_interrupt(interrupts)

    def close(self) -> None:
        """Stop the loop and its thread. Safe to repeat."""
        with self._guard:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(timeout=5)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                ready = threading.Event()
                loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(loop, ready), name="shipkit-portal", daemon=True
                )
                self._thread.start()
                ready.wait()
                self._loop = loop
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
    asyncio.set_event_loop(loop)
    loop.call_soon(ready.set)
    try:
        loop.run_forever()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
