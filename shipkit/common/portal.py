"""Run async code from sync code, even inside a running event loop (Jupyter, an agent host).

Each :class:`Portal` has one background thread with one event loop. ``asyncio.run`` would fail
where a loop is already running, and a nested loop would need to patch asyncio.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from importlib import import_module
from typing import Any, TypeVar

from shipkit.errors import InputError

__all__ = ["Portal", "demand_asyncio"]

T = TypeVar("T")
_POLL_S = 0.1
"""How often a waiting thread wakes up: on Windows, Ctrl-C does not interrupt a longer wait."""
_START_S = 30.0
"""A thread that has not started its loop after this time never will."""
_END_S = 5.0
_CANCEL_S = 60.0
"""How long an interrupted caller waits for its work to end."""


class Portal:
    """A background event loop that starts with the first call.

    It ends with :meth:`close`, or when nothing refers to the portal any more: a notebook cell that
    makes a session each time it runs leaves neither threads nor open files. Work in progress
    refers to its portal.
    """

    def __init__(self) -> None:
        self._background: _Background | None = None
        self._finalizer: weakref.finalize[..., Portal] | None = None
        self._guard = threading.Lock()
        self._at_end: list[Callable[[], Awaitable[None]]] = []

    def start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start `work` in the background and return its future at once.

        Cancelling the future cancels `work`. It is done when `work` has ended, not before.
        """
        future: _Answer[T] = _Answer()
        future.set_running_or_notify_cancel()
        self._running().call(self._answer(work, future))
        return future

    def run(
        self,
        work: Coroutine[Any, Any, T],
        *,
        on_interrupt: Callable[[int], None] | None = None,
        on_cancel: Callable[[], None] | None = None,
    ) -> T:
        """Wait for `work` and return its result, from any thread, even one that runs a loop.

        Parameters
        ----------
        on_interrupt
            Called with 1 at the first Ctrl-C, 2 at the second, and so on, after which the wait
            continues. Without it, an interrupt cancels `work`, waits for it to end and is raised;
            a second interrupt ends that wait.
        on_cancel
            Called when an interrupt has cancelled `work`, to end what does not await.

        Raises
        ------
        RuntimeError
            Called from the portal's own thread, which would wait for itself forever.
        """
        if self.here:
            work.close()
            raise RuntimeError("a portal cannot wait for itself: await the coroutine instead")
        future = self.start(work)
        interrupts = 0
        while True:
            try:
                return _waited(future)
            except KeyboardInterrupt:
                interrupts += 1
                if on_interrupt is None:
                    future.cancel()
                    if on_cancel is not None:
                        on_cancel()
                    concurrent.futures.wait([future], timeout=_CANCEL_S)
                    raise
                on_interrupt(interrupts)

    @property
    def here(self) -> bool:
        """Whether this thread runs the loop, so that it must not wait for other work on it."""
        background = self._background
        return background is not None and background.loop is _loop_of_this_thread()

    def at_end(self, closing: Callable[[], Awaitable[None]]) -> None:
        """Await `closing` on the loop before it ends, if it ends without :meth:`close`."""
        self._at_end.append(closing)

    def close(self) -> None:
        """Stop the loop and its thread. Safe to repeat."""
        with self._guard:
            background, self._background = self._background, None
            if self._finalizer is not None:
                self._finalizer.detach()
        self._at_end.clear()
        if background is not None:
            background.stop()
            if background.loop is not _loop_of_this_thread():
                concurrent.futures.wait([background.ended], timeout=_END_S)

    async def _answer(self, work: Coroutine[Any, Any, T], future: _Answer[T]) -> None:
        """Await `work` and put what it returns or raises into `future`."""
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        future.cancel_work = lambda: loop.call_soon_threadsafe(task.cancel) if task else None
        if future.unwanted:
            work.close()
            future.set_exception(concurrent.futures.CancelledError())
            return
        try:
            answer = await work
        except asyncio.CancelledError:
            future.set_exception(concurrent.futures.CancelledError())
        except BaseException as error:
            future.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            future.set_result(answer)

    def _running(self) -> _Background:
        with self._guard:
            if self._background is None or not self._background.alive:
                self._background = _Background(self._at_end)
                self._finalizer = weakref.finalize(self, self._background.stop)
                self._finalizer.atexit = False  # the thread is a daemon: it ends with the process
            return self._background


class _Answer(concurrent.futures.Future[T]):
    """A future that is done when its work has ended, also after it was cancelled."""

    unwanted = False
    cancel_work: Callable[[], object] | None = None

    def cancel(self) -> bool:
        """Cancel the work. False, because the future is not done before the work has ended."""
        self.unwanted = True
        if self.cancel_work is not None and not self.done():
            self.cancel_work()
        return False


class _Background:
    """A loop and the thread that runs it. Unlike the portal, the thread refers to this."""

    def __init__(self, at_end: list[Callable[[], Awaitable[None]]]) -> None:
        self.ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._at_end = at_end
        self._tasks: set[asyncio.Task[Any]] = set()
        self._process = os.getpid()
        started: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        _start_thread(lambda: self._serve(started))
        self.loop = _waited(started, _START_S)

    @property
    def alive(self) -> bool:
        """Whether its thread runs; a process that was forked off has none."""
        return not self.ended.done() and self._process == os.getpid()

    def call(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin `work` on the loop."""

        def begin() -> None:
            task = self.loop.create_task(work)
            self._tasks.add(task)  # a loop refers to its tasks only weakly
            task.add_done_callback(self._tasks.discard)

        try:
            self.loop.call_soon_threadsafe(begin)
        except RuntimeError:  # closed by another thread
            work.close()
            raise

    def stop(self) -> None:
        """Close what is to be closed, then end the loop; does not wait."""
        if self.alive:
            try:
                self.loop.call_soon_threadsafe(self.loop.stop)
            except RuntimeError:  # it has just ended
                return

    def _serve(self, started: concurrent.futures.Future[asyncio.AbstractEventLoop]) -> None:
        loop = None
        try:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            if _greenlets():
                loop.set_default_executor(_Greenlets())
            loop.call_soon(started.set_result, loop)
            loop.run_forever()
            loop.run_until_complete(self._finish())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
        finally:
            if loop is not None:
                loop.close()
            self.ended.set_result(None)
            _end_hub()

    async def _finish(self) -> None:
        """End what still runs, and close what :meth:`Portal.at_end` was given."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        closing = [close() for close in self._at_end]
        await asyncio.gather(*tasks, *closing, return_exceptions=True)
        loop = asyncio.get_running_loop()
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()


def _greenlets() -> Any:
    """Return gevent's module of patches if the threads of this process are greenlets, else None."""
    patches = sys.modules.get("gevent.monkey")
    return patches if patches is not None and patches.is_module_patched("threading") else None


def _start_thread(work: Callable[[], None]) -> None:
    """Run `work` in a thread of the operating system.

    The "threads" of a process that gevent has patched are greenlets of one thread, in which only
    one event loop can run: a second session, or ``asyncio.run`` around one, would wait for ever.
    """
    if patches := _greenlets():
        patches.get_original("_thread", "start_new_thread")(work, ())
    else:
        threading.Thread(target=work, name="shipkit-portal", daemon=True).start()


class _Greenlets(concurrent.futures.ThreadPoolExecutor):
    """Runs each call as a greenlet of the loop's own thread, in a process that gevent patched.

    The usual executor would make greenlets too, for which the main thread waits at exit: for ever.
    """

    def submit(
        self, work: Callable[..., T], /, *args: Any, **named: Any
    ) -> concurrent.futures.Future[T]:
        """Begin ``work(*args, **named)`` and return its future."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def answer() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work(*args, **named))
                except BaseException as error:  # noqa: BLE001 - it is the answer
                    future.set_exception(error)

        import_module("gevent").spawn(answer)
        return future


def _end_hub() -> None:
    """Close what gevent opened for this thread."""
    if _greenlets():
        import_module("gevent").get_hub().destroy(destroy_loop=True)


def demand_asyncio(method: str) -> None:
    """Raise InputError where a coroutine is awaited by another library than asyncio.

    Parameters
    ----------
    method
        The name of the same without await.
    """
    if _loop_of_this_thread() is None:
        raise InputError(
            f"a{method} was awaited outside of an asyncio event loop. Nothing was started.",
            fix=f"Call {method} in a thread; with trio: trio.to_thread.run_sync(session.{method}).",
        )


def _loop_of_this_thread() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _waited(future: concurrent.futures.Future[T], seconds: float | None = None) -> T:
    """Return the result of `future`, waking up often enough for Ctrl-C."""
    waited = 0.0
    while True:
        try:
            return future.result(timeout=_POLL_S)
        except concurrent.futures.TimeoutError:
            if future.done():
                return future.result()
            waited += _POLL_S
            if seconds is not None and waited > seconds:
                raise RuntimeError("the background event loop did not start") from None
