"""The batches that are open, each under its own handle.

Mode, session and approvals belong to a handle, never to the process: two clients of one server do
not affect each other unless they name the same batch.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from shipkit.agent.audit import AuditLog
from shipkit.agent.operator_rules import OperatorRules, SharedBudget
from shipkit.common.notices import quiet
from shipkit.errors import InputError, JobNotFound
from shipkit.models import Money
from shipkit.settings import Settings

if TYPE_CHECKING:
    from shipkit.purchasing.approval import SpendLimits
    from shipkit.purchasing.run.handle import RunHandle
    from shipkit.session import BatchSession

__all__ = ["Batch", "BatchRegistry"]

T = TypeVar("T")

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
            return await asyncio.get_running_loop().run_in_executor(self._worker, on_thread)
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


class BatchRegistry:
    """The open batches under the rules of one operator.

    Parameters
    ----------
    session
        The session that all calls work on. Without it, each ``load_orders`` over the wire opens a
        batch of its own.
    """

    def __init__(self, rules: OperatorRules, session: BatchSession | None = None) -> None:
        self.rules = rules
        self.settings = session.settings if session is not None else Settings.read(home=rules.home)
        self.budget = SharedBudget(rules.max_total)
        self._batches: dict[str, Batch] = {}
        self._guard = threading.RLock()
        self._current: Batch | None = None
        self._single = session is not None or not rules.wire
        self.audit = AuditLog(self.settings.home, f"calls-{secrets.token_hex(4)}")
        """The log of calls that are about no batch."""
        if session is not None:
            handle = f"session-{secrets.token_hex(4)}"
            log = AuditLog(self.settings.home, handle)
            self._add(Batch(handle, session, log, owned=False))

    # -- finding and opening ----------------------------------------------------------------------

    def new(self, name: str) -> Batch:
        """Return a batch for new orders: a new one over the wire, the only one in process."""
        with self._guard:
            if self._single and self._current is not None:
                return self._current
            self._make_room()
            handle = f"batch-{_slug(name)}-{secrets.token_hex(4)}"
            return self._add(
                Batch(handle, self._new_session(), AuditLog(self.settings.home, handle))
            )

    def find(self, job_id: str = "", preview_id: str = "") -> Batch:
        """Return the batch with this handle, job or preview; without any, the current one.

        Raises
        ------
        InputError
            No batch is open, or several are and none was named.
        JobNotFound
            The id is neither open here nor on disk.
        """
        with self._guard:
            if job_id:
                return self._named(job_id)
            if preview_id:
                for batch in self._batches.values():
                    if batch.session.preview_id == preview_id:
                        return self._touch(batch)
            if self._single and self._current is None:
                return self.new("orders")
            if self.rules.many_clients and len(self._batches) > 1:
                raise InputError(
                    "Several batches are open on this server.",
                    fix="Pass the job_id that load_orders returned.",
                )
            if self._current is None:
                raise InputError(
                    "No orders are loaded.",
                    fix="Call load_orders first, or pass the job_id of an earlier job.",
                )
            return self._touch(self._current)

    @property
    def current(self) -> Batch | None:
        """The batch that a call without an id is about, or None."""
        with self._guard:
            return self._current if not self.rules.many_clients or len(self._batches) == 1 else None

    def open_batch(self, job_id: Any, preview_id: Any) -> Batch | None:
        """Return the open batch that a refused call was about, for its log."""
        if not job_id and not preview_id:
            return self.current
        return next(
            (
                b
                for b in self.open_batches()
                if (job_id and job_id in (b.id, b.session.job_id))
                or (preview_id and b.session.preview_id == preview_id)
            ),
            None,
        )

    def job_to_continue(self, batch: Batch | None, job_id: str) -> Batch:
        """Return the batch of the named job, of the current job, or of the only interrupted one.

        Raises
        ------
        JobNotFound
            There is no such job, or no interrupted one.
        InputError
            Several jobs are interrupted and none was named.
        """
        if job_id:
            return self.find(job_id)
        if batch is not None and batch.session.job_id is not None:
            return batch
        from shipkit.purchasing import recovery

        found = recovery.interrupted_jobs(home=self.settings.home)["job_id"].tolist()
        if not found:
            raise JobNotFound(
                "No interrupted jobs.",
                fix="get_job_status with a job_id returns the status of a job.",
            )
        if len(found) > 1:
            raise InputError(
                f"{len(found)} jobs are interrupted: {', '.join(found[:10])}.",
                fix="Pass the job_id of one of them.",
            )
        return self.find(found[0])

    def open_batches(self) -> list[Batch]:
        """Return the batches that are open."""
        with self._guard:
            return list(self._batches.values())

    def running_elsewhere(self, batch: Batch) -> Batch | None:
        """Return another open batch that is running the same job."""
        return next(
            (
                b
                for b in self.open_batches()
                if b is not batch and b.running and b.session.job_id == batch.session.job_id
            ),
            None,
        )

    # -- closing ----------------------------------------------------------------------------------

    def drop_empty(self, batch: Batch) -> None:
        """Close a batch whose orders could not be loaded."""
        with self._guard:
            if self._single or batch.loaded or self._batches.pop(batch.id, None) is None:
                return
            if self._current is batch:
                self._current = None
        batch.close()

    def close(self) -> None:
        """Pause what is running and close every batch."""
        for batch in self.open_batches():
            batch.close()
        self._batches.clear()

    def _make_room(self) -> None:
        """Close the least recently used batch while there are too many.

        It closes in a thread of its own, because the requests in flight may take a while.
        """
        while len(self._batches) >= self.rules.max_batches:
            idle = [b for b in self._batches.values() if not b.running]
            if not idle:
                raise InputError(
                    f"All {len(self._batches)} batches of this server are running.",
                    fix="Wait for one of them to finish.",
                )
            oldest = min(idle, key=lambda b: b.used)
            del self._batches[oldest.id]
            if self._current is oldest:
                self._current = None
            threading.Thread(target=oldest.close, name=f"shipkit-close-{oldest.id}").start()

    # -- sessions ---------------------------------------------------------------------------------

    def reserve(self, batch: Batch, cents: int, currency: str, key: str) -> None:
        """Reserve `cents` of the operator's budget and limit the session to what is left.

        Raises
        ------
        SpendLimitExceeded
            The budget has not that much left.
        """
        left = self.budget.reserve(key, cents, currency)
        if left is not None:
            batch.session.limits = self._limits(left)

    def _named(self, job_id: str) -> Batch:
        for batch in self._batches.values():
            if job_id in {batch.id, batch.session.job_id}:
                return self._touch(batch)
        from shipkit.session import BatchSession

        if job_id.startswith("batch-"):
            raise JobNotFound(
                f"The batch {job_id} is not open (any more).", fix="Call load_orders again."
            )
        session = BatchSession.open(
            job_id,
            carrier=self.rules.carrier or (self.settings.carrier if self.rules.wire else None),
            home=self.settings.home,
        )
        self._make_room()
        log = AuditLog(self.settings.home, job_id, job=job_id)
        return self._add(Batch(job_id, session, log, reopened=True))

    def _new_session(self) -> BatchSession:
        from shipkit.purchasing.approval import ExecutionMode
        from shipkit.session import BatchSession

        shippers = list(self.rules.shippers.values())
        session = BatchSession(
            carrier=self.rules.carrier,
            shipper=shippers[0] if len(shippers) == 1 else None,
            home=self.settings.home,
            limits=self._limits(),
        )
        return session.set_mode(ExecutionMode.of(self.rules.mode))

    def _add(self, batch: Batch) -> Batch:
        self._batches[batch.id] = batch
        return self._touch(batch)

    def _touch(self, batch: Batch) -> Batch:
        """Note that `batch` is in use; reading an old job does not replace the current batch."""
        batch.used = time.monotonic()
        if self._current is None or not batch.reopened:
            self._current = batch
        return batch

    def _limits(self, cents: int | None = None) -> SpendLimits:
        from shipkit.purchasing.approval import SpendLimits

        limit = self.rules.max_total
        if limit is None:
            return SpendLimits()
        amount = limit if cents is None else Money.from_cents(cents, limit.currency)
        return SpendLimits(total=f"{amount.amount}", currency=limit.currency)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24] or "orders"
