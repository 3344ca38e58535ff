"""One open batch: a session, the thread that works on it, and who it belongs to."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from shipkit.agent.audit import AuditLog
from shipkit.common.notices import quiet

if TYPE_CHECKING:
    from shipkit.purchasing.run.handle import RunHandle
    from shipkit.session import BatchSession

__all__ = ["Batch", "principal"]

T = TypeVar("T")

principal: ContextVar[str] = ContextVar("principal", default="")
"""Who is signed in, on a server with authorization: batches belong to who loaded them."""

_LONGEST_CLOSE_S = 30
"""Seconds that closing waits for the requests in flight of a session that others go on using."""


class _WorkInProgress:
    """A piece of work on the thread of a batch, and what it waits for: a caller may give up."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waits_for: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._stopped = False

    def wait_for(self, start: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``start()``; :meth:`stop` cancels it."""

        async def waiting() -> T:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - a coroutine that runs has one
            with self._guard:
                self._waits_for = asyncio.get_running_loop(), task
                if self._stopped:
                    task.cancel()
            try:
                return await start()
            finally:
                with self._guard:
                    self._waits_for = None

        return asyncio.run(waiting())

    def stop(self) -> None:
        """Cancel what the work waits for, now or later."""
        with self._guard:
            self._stopped = True
            if self._waits_for is not None:
                loop, task = self._waits_for
                loop.call_soon_threadsafe(task.cancel)


class Batch:
    """One handle: a session, the one thread that works on it, and its log.

    Parameters
    ----------
    owned
        Whether closing the batch closes the session: one that a program passed in stays open.
    reopened
        Whether it is a job from disk, without its orders.
    """

    def __init__(
        self,
        handle: str,
        session: BatchSession,
        audit: AuditLog,
        *,
        owned: bool = True,
        reopened: bool = False,
    ) -> None:
        self.id = handle
        self.reopened = reopened
        self.session = session
        self.audit = audit
        self.execution: RunHandle | None = None
        self.waiting = 0
        """How many callers wait for the execution."""
        self.template: str | None = None
        """The template that was given last."""
        self.lines: dict[str, Any] = {}
        """The last answers about which rows are one order."""
        self.columns: dict[str, str] = {}
        """Field -> heading, as given last."""
        self.ignore: list[str] = []
        """Headings that were set aside last."""
        self.loaded = False
        """Whether orders were loaded through a tool."""
        self.frame: Any = None
        """The last preview frame, for the preview resource."""
        self.used = time.monotonic()
        self.owner = principal.get()
        """Who loaded it. A job, which is on disk, is for all who may use the server."""
        self._owned = owned
        self._work = _WorkInProgress()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"shipkit-{handle}")

    async def do(self, work: Callable[..., T], *args: Any) -> T:
        """Return ``work(*args)``, run on the thread of this batch.

        Calls of all callers run one after the other. A call that its caller gave up on still ends
        before the next one starts; if it waits for the carrier, it stops waiting.
        """
        self.used = time.monotonic()
        this = _WorkInProgress()

        def on_thread() -> T:
            self._work = this
            quieted = quiet.set(True)
            try:
                return work(*args)
            finally:
                quiet.reset(quieted)

        try:
            context = contextvars.copy_context()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._worker, context.run, on_thread)
        except asyncio.CancelledError:
            this.stop()
            raise

    def wait_for(self, start: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``start()``, from work on the thread of this batch.

        It is cancelled when the caller gives up.
        """
        return self._work.wait_for(start)

    @property
    def running(self) -> bool:
        """Whether its job is running here."""
        return self.execution is not None and self.execution.running

    @property
    def name(self) -> str:
        """The id of its job, or its handle before there is a job."""
        return self.session.job_id or self.id

    def pause(self) -> None:
        """Stop sending; requests in flight are finished and recorded."""
        if self.execution is not None:
            self.execution.pause()

    def close(self) -> None:
        """Pause what is running, wait until it is recorded, and close the session."""
        if self._owned:
            self._worker.submit(self.session.close).result()
        elif self.execution is not None and self.execution.running:
            self.execution.pause()
            self.execution.wait(_LONGEST_CLOSE_S)
        self._worker.shutdown()
