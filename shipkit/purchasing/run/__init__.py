"""Runs a job: buys every row of an approved plan once, at the pace that the carrier allows.

A row goes from pending to in flight (durable on disk), then the carrier is called, then the row is
shipped, failed, pending again, or in doubt. Failed rows, an unreachable carrier, pauses and full
disks end the run with a status and never with an exception.

.. code-block:: text

    feeder      chooses the next row, reserves its price, writes its intent
    first_step  of carriers that sell in two: the id that settles a lost answer, durably
    dispatch    calls the carrier and books the outcome
    (here)      the run as a whole: its beginning, rows in doubt, stopping, its end
    reporter    progress
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier, preparer
from shipkit.carriers.send_gate import guarded
from shipkit.common.store_check import demand_checked
from shipkit.common.words import counted
from shipkit.errors import CheckpointLocked, CheckpointWriteError
from shipkit.purchasing import history
from shipkit.purchasing.account import require_account
from shipkit.purchasing.reconcile import late_rows
from shipkit.purchasing.run.dispatch import Dispatcher
from shipkit.purchasing.run.feeder import Feeder
from shipkit.purchasing.run.reporter import ProgressReporter
from shipkit.purchasing.run.run_state import Options, RunState, moved, wait
from shipkit.purchasing.signals import Control, Progress
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.purchasing.store.ledger import Ledger, now_us
from shipkit.state import JobStatus, RowState

__all__ = ["Control", "Progress", "execute", "look_again"]

log = logging.getLogger("shipkit.purchasing.run")

_FINISHED = (JobStatus.CANCELLED, JobStatus.COMPLETED)

_LABEL_TRIES = 4
"""How often a run asks for label files that did not come, before it ends."""
_LOOK_EVERY_S = 0.25
"""How often rows in doubt are checked for one that is due."""


async def execute(
    store: JobStore,
    carrier: Carrier,
    *,
    control: Control | None = None,
    on_error: str = "continue",
    progress: Callable[[Progress], None] | None = None,
    pacer: Pacer | None = None,
    timeout_s: float | None = None,
    grace_s: float | None = None,
    resend: str | None = None,
) -> JobStatus:
    """Buy what is left of a job, and return the status of the job afterwards.

    Of a finished job, only old references are looked up.

    Parameters
    ----------
    control
        Stops the run from another thread.
    on_error
        ``"continue"``, or ``"halt"`` to stop at the first failed row.
    progress
        Called with a :class:`Progress` at most ten times a second, and at the end. The first
        exception that it raises is logged; none stops the job.
    pacer
        The pace; default: the carrier's own.
    timeout_s
        The longest a carrier call may take, in seconds; default: the carrier's.
    grace_s
        How long a row must be in doubt before a look-up may conclude that it was not bought;
        default: twice `timeout_s` plus the carrier's processing time.
    resend
        ``"proven"``, ``"ask"`` or ``"never"``; default: the job's.

    Raises
    ------
    JobError
        The job belongs to another account, environment or carrier. Nothing was sent.
    CheckpointLocked
        Another process runs the job. Nothing was sent.
    CheckpointCorrupt
        The ledger or the plan cannot be trusted. Nothing was sent.
    SettingsError
        The carrier is live, and the home's object store was never checked. Nothing was sent.
    """
    if store.status in _FINISHED:
        await look_again(store, carrier, pacer=pacer)
        return store.status
    require_account(store.manifest, carrier)
    if store.manifest.live:
        await asyncio.to_thread(demand_checked, store.path.parent.parent)
    timeout = timeout_s if timeout_s is not None else carrier.pace.timeout_s
    # The grace: the client may wait for one time-out, a proxy or a retry inside the carrier for
    # another, and then the carrier itself may take its time to finish.
    options = Options(
        pacer=pacer or _pacer(carrier),
        control=control or Control(),
        on_error=on_error,
        progress=progress,
        timeout_s=timeout,
        grace_s=grace_s if grace_s is not None else 2 * timeout + carrier.pace.processing_s,
        resend=resend or store.manifest.resend,
    )
    with ExitStack() as stack:
        try:
            ledger = await asyncio.to_thread(stack.enter_context, store.own("execute"))
            stack.enter_context(guarded(ledger.gate))
            return await Runner(store, ledger, carrier, options).work()
        except CheckpointWriteError as error:
            store.ended = (JobStatus.FAILED, str(error))
            return JobStatus.FAILED


async def look_again(store: JobStore, carrier: Carrier, *, pacer: Pacer | None = None) -> int:
    """Look up the old references of a job that is not running. Buys nothing.

    These are attempts that were concluded absent, rows in doubt, and rows in review. What turned up
    is adopted, or reported as surplus, which can be voided.

    Returns
    -------
    int
        How many shipments turned up. 0 also when another process owns the job or the carrier cannot
        be reached: the references stay on the list.

    Raises
    ------
    JobError
        The job belongs to another account, environment or carrier.
    """
    labels = preparer(carrier) is not None
    if not await asyncio.to_thread(late_rows, store, labels=labels):
        return 0
    require_account(store.manifest, carrier)
    timeout = carrier.pace.timeout_s
    options = Options(
        pacer=pacer or _pacer(carrier),
        control=Control(),
        on_error="continue",
        progress=None,
        timeout_s=timeout,
        grace_s=float("inf"),  # so that nothing is concluded to be absent
        resend="never",
    )
    with ExitStack() as stack:
        try:
            ledger = await asyncio.to_thread(stack.enter_context, store.own("look again"))
            stack.enter_context(guarded(ledger.gate))
            return await Runner(store, ledger, carrier, options).only_look()
        except (CheckpointLocked, CheckpointWriteError) as error:
            log.info("old references were not looked up: %s", error.code)
            return 0


def _pacer(carrier: Carrier) -> Pacer:
    return Pacer(concurrency=carrier.pace.concurrency, rate_per_s=carrier.pace.rate_per_s)


class Runner(RunState):
    """One run, from its beginning to its end."""

    def __init__(self, store: JobStore, ledger: Ledger, carrier: Carrier, options: Options) -> None:
        super().__init__(store, ledger, carrier, options)
        self._reporter = ProgressReporter(self)
        self._feeder: Feeder | None = None
        self._dispatcher: Dispatcher | None = None

    async def work(self) -> JobStatus:
        """Run until nothing is left to do or something stops it, and return the job's status.

        Cancelling the task that awaits this stops the run at once, and records that.
        """
        loop = asyncio.get_running_loop()
        self.control.listen(lambda: _ignore(loop.call_soon_threadsafe(self._heed)))
        if self.ledger.lease is not None:
            self.ledger.lease.listen(
                lambda why: _ignore(loop.call_soon_threadsafe(self._lease_ended, why))
            )
        ticker = asyncio.create_task(self._reporter.tick())
        main = asyncio.create_task(self._main())
        try:
            # Shielded: the run must record what is in flight before it may be cancelled.
            return await asyncio.shield(main)
        except asyncio.CancelledError:
            self.control.stop_now()
            self._heed()
            await asyncio.wait([main])
            raise
        finally:
            self.control.listen(None)
            if self.ledger.lease is not None:
                self.ledger.lease.listen(None)
            ticker.cancel()
            self._reporter.report()
            self.rows.close()

    async def only_look(self) -> int:
        """Look up once everything that may have turned up; return how many shipments did."""
        before = (
            self.ledger.count(RowState.SHIPPED)
            + self.ledger.count(RowState.VOIDED)
            + len(self.doubts.known_surplus)
        )
        try:
            await self._take_over()
            await self._look_once_more()
        finally:
            self.rows.close()
        return (
            self.ledger.count(RowState.SHIPPED)
            + self.ledger.count(RowState.VOIDED)
            + len(self.doubts.known_surplus)
            - before
        )

    async def _main(self) -> JobStatus:
        try:
            await self._open()
            await self._buy()
            await self._look_once_more()
        except CheckpointWriteError as error:
            self.halt(JobStatus.FAILED, str(error))
            await self._drain()
        return await self._end()

    # -- beginning and end -----------------------------------------------------------------------

    async def _open(self) -> None:
        """Record that a run began, hold back orders of other jobs, take over from a dead owner."""
        facts = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "carrier": str(self.carrier.identity),
            "resend": self.options.resend,
        }
        await self.ledger.record(
            [LedgerEntry(row=None, event="run", state=None, at=now_us(), details=json.dumps(facts))]
        )
        held = await asyncio.to_thread(history.claim, self.store, self.ledger.states)
        await self.ledger.record(
            [
                moved(
                    row,
                    "skipped",
                    RowState.SKIPPED,
                    code="shipped_before",
                    message=text,
                    fix='To ship it again, use on_duplicate="ship".',
                )
                for row, text in held.items()
            ]
        )
        await self._take_over()

    async def _take_over(self) -> None:
        """Put rows that a dead owner left in flight in doubt; the grace counts from now."""
        await self.ledger.record(
            [self._left_behind(int(row)) for row in self.ledger.rows(RowState.IN_FLIGHT)]
        )
        for row in self.ledger.rows(RowState.IN_DOUBT):
            self.doubts.add(int(row), since=self.began)

    def _left_behind(self, row: int) -> LedgerEntry:
        """Return the entry of a row that was in flight when its owner died."""
        if preparer(self.carrier) is not None and row not in self.ledger.prepared:
            # The id is durable before the money step, so without one nothing was bought.
            return moved(row, "not_sent", RowState.PENDING, **self.attempt(row))
        return moved(row, "in_doubt", RowState.IN_DOUBT, **self.attempt(row), code="interrupted")

    async def _end(self) -> JobStatus:
        """Record how the run ended, and return the status of the job."""
        counts = {state: self.ledger.count(state) for state in RowState}
        doubtful = counts[RowState.IN_DOUBT] + counts[RowState.IN_FLIGHT]
        status, reason = self.stop or (
            JobStatus.PAUSED,
            f"{counted(doubtful, 'row')} in doubt; resume looks them up again"
            if doubtful
            else None,
        )
        if not (doubtful or counts[RowState.PENDING]) and status is not JobStatus.CANCELLED:
            status = (
                JobStatus.COMPLETED_WITH_ERRORS
                if counts[RowState.FAILED] or counts[RowState.REVIEW]
                else JobStatus.COMPLETED
            )
        lines = [
            LedgerEntry(
                row=None,
                event="end",
                state=None,
                at=now_us(),
                details=json.dumps({"status": status, "reason": reason}),
            )
        ]
        if status is JobStatus.CANCELLED:
            lines.insert(0, LedgerEntry(row=None, event="cancelled", state=None, at=now_us()))
        try:
            await self.ledger.record(lines)
        except CheckpointWriteError as error:
            self.store.ended = (JobStatus.FAILED, str(error))
            return JobStatus.FAILED
        self.store.ended = None
        return status

    # -- stopping --------------------------------------------------------------------------------

    def _heed(self) -> None:
        """Act on a request from outside."""
        match self.control.request:
            case "pause":
                self.halt(JobStatus.PAUSED, "paused")
            case "cancel":
                self.halt(JobStatus.CANCELLED, "cancelled")
            case "stop":
                self.halt(JobStatus.PAUSED, "stopped at once")
                if self._dispatcher:
                    self._dispatcher.cancel()

    def _lease_ended(self, why: str) -> None:
        self.halt(
            JobStatus.FAILED,
            f"{why}; nothing more was sent, and rows in flight are looked up on resume",
        )

    async def _drain(self) -> None:
        """Take back what was never sent, and wait until what is in flight has ended."""
        if self._feeder and self._dispatcher:
            self._feeder.take_back()
            await self._dispatcher.ended()
        if not self.ledger.broken:
            await self.ledger.settled()

    # -- buying ----------------------------------------------------------------------------------

    async def _buy(self) -> None:
        """Send what is pending and look up what is in doubt, until neither is left."""
        feeder = self._feeder = Feeder(self)
        dispatcher = self._dispatcher = Dispatcher(self, feeder)
        tasks = [
            asyncio.create_task(work)
            for work in (feeder.feed(), dispatcher.dispatch(), self._look_after())
        ]
        try:
            while self.stop is None and not self.ledger.broken and not self._done(feeder):
                self.changed.clear()
                for task in tasks:
                    if task.done():
                        task.result()  # raises what ended it
                await wait(self.changed, 1.0)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._drain()

    def _done(self, feeder: Feeder) -> bool:
        return feeder.done and not self.ledger.count(RowState.IN_FLIGHT) and not self.doubts.doubts

    # -- rows in doubt ---------------------------------------------------------------------------

    async def _look_after(self) -> None:
        """Look up rows in doubt when they are due, until cancelled."""
        while True:
            now = time.monotonic()
            due = self.doubts.due(now)
            if due:
                await asyncio.gather(
                    *(self.doubts.look(doubt) for doubt in due[: self.pacer.concurrency])
                )
                self.doubts.give_up(time.monotonic())
                self.poke()
            waiting = self.doubts.doubts
            self.note = f"looking up {counted(len(waiting), 'row')} in doubt" if waiting else None
            next_at = min(
                (doubt.next_at for doubt in waiting.values()), default=now + _LOOK_EVERY_S
            )
            await asyncio.sleep(min(max(next_at - time.monotonic(), 0.01), _LOOK_EVERY_S))

    async def _look_once_more(self) -> None:
        """Look up rows that were not looked up yet, rows in review, and old references."""
        if self.control.request == "stop" or self.ledger.broken:
            return
        try:
            async with asyncio.timeout(max(self.options.timeout_s, 1.0)):
                await asyncio.gather(*(self.doubts.look(doubt) for doubt in self.doubts.unlooked()))
                await self.doubts.watch()
                for row in self.ledger.rows(RowState.REVIEW):
                    await self.doubts.review(int(row))
        except TimeoutError:
            log.info("the carrier was too slow for a last look at rows in doubt")
        await self._fetch_labels()
        if not self.ledger.broken:
            await self.ledger.settled()

    async def _fetch_labels(self) -> None:
        """Ask a few times for label files that did not come with their purchases.

        Each of these labels is paid for, so the run is worth a little longer. What is missing after
        that is asked for by the next resume.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(_LABEL_TRIES * self.options.timeout_s, 5.0)):
                for _ in range(_LABEL_TRIES):
                    if self.ledger.unlabelled and not self.ledger.broken:
                        await self.doubts.fetch_labels()


def _ignore(_: object) -> None:
    """Return nothing."""
