"""A job that runs in the background, and the handle by which its starter follows and stops it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable

from shipkit.carriers.accounts import Accounts
from shipkit.common.portal import Portal
from shipkit.purchasing.progress import Bar, watcher
from shipkit.purchasing.result import BatchResult
from shipkit.purchasing.run import execute
from shipkit.purchasing.signals import Control, Progress
from shipkit.purchasing.store import JobStore

__all__ = ["Follower", "RunHandle"]

Follower = Callable[[Progress], None] | bool | None
"""Who follows a run: a callable given a :class:`Progress`; None, a bar in a terminal or notebook;
False, nothing."""

_POLL_S = 0.1
"""Seconds between wake-ups of a waiting caller: a blocking wait would not see Ctrl-C."""


class RunHandle:
    """A run of a job in the background: what ``session.start()`` and ``job.start_resume()`` return.

    Pausing and cancelling return at once; :meth:`wait` returns when what was in flight at the
    carrier is recorded.
    """

    def __init__(self) -> None:
        self.progress: Progress | None = None
        """The last progress that was reported, None before the first report."""
        self._control = Control()
        self._future: concurrent.futures.Future[BatchResult] = concurrent.futures.Future()

    @classmethod
    def start(
        cls,
        store: JobStore,
        accounts: Accounts,
        portal: Portal,
        *,
        grace_s: float | None,
        on_error: str,
        progress: Follower,
    ) -> RunHandle:
        """Begin to buy what is left of a job on the loop of `portal`, and return at once."""
        handle = cls()
        manifest = store.manifest
        follow = watcher(progress, manifest.to_buy, str(manifest.identity))

        async def work() -> BatchResult:
            began = time.monotonic()
            with follow as callback:
                await execute(
                    store,
                    accounts,
                    control=handle._control,
                    on_error=on_error,
                    progress=handle._noting(callback),
                    grace_s=grace_s,
                )
                result = BatchResult.of(store, elapsed_s=time.monotonic() - began)
                if isinstance(callback, Bar):
                    callback.finish(result)
            return result

        handle._future = portal.start(work())
        return handle

    @classmethod
    def ended(cls, result: BatchResult) -> RunHandle:
        """Return the handle of a run that had nothing to do."""
        handle = cls()
        handle._future.set_result(result)
        return handle

    @property
    def running(self) -> bool:
        """Whether the job is still running."""
        return not self._future.done()

    def wait(self, timeout_s: float | None = None) -> BatchResult | None:
        """Return the result, or None if the job is still running after `timeout_s` seconds.

        Raises what ended the run, if it could not begin: CheckpointLocked, CheckpointCorrupt or
        JobError. Rows that fail are in the result.
        """
        try:
            return self._future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            if self._future.done():  # the run itself ended with a time-out of its own
                raise
            return None

    def watch(self) -> BatchResult:
        """Wait for the result. The first Ctrl-C pauses the job, the second stops it at once."""
        interrupts = 0
        while True:
            try:
                result = self.wait(_POLL_S)
            except KeyboardInterrupt:
                interrupts += 1
                (self._control.pause if interrupts == 1 else self._control.stop_now)()
            else:
                if result is not None:
                    return result

    async def awatch(self) -> BatchResult:
        """Wait for the result on the caller's loop.

        Cancelling pauses the job and waits until what is in flight is recorded.
        """
        future = asyncio.wrap_future(self._future)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self.pause()
            await asyncio.wait([future])
            raise

    def pause(self) -> None:
        """Stop sending; what is in flight is finished and recorded. The job can be resumed."""
        self._control.pause()

    def cancel(self) -> None:
        """Stop sending, finish and record what is in flight, then end the job: it cannot resume."""
        self._control.cancel()

    def _noting(self, callback: Callable[[Progress], None] | None) -> Callable[[Progress], None]:
        def note(progress: Progress) -> None:
            self.progress = progress
            if callback is not None:
                callback(progress)

        return note
