"""One run of a job: its accounts, its beginning, stopping, its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from shipkit.carriers.accounts import Account, Accounts
from shipkit.carriers.protocol import preparer
from shipkit.common.words import counted
from shipkit.errors import CheckpointWriteError
from shipkit.purchasing import history
from shipkit.purchasing.run.lane import Lane
from shipkit.purchasing.run.reporter import ProgressReporter
from shipkit.purchasing.run.run_state import Options, RunState, SharedState, moved, wait
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.purchasing.store.ledger import Ledger, now_us
from shipkit.state import JobStatus, RowState

__all__ = ["Runner"]

log = logging.getLogger("shipkit.purchasing.run")

_LABEL_TRIES: Final = 4
"""How often a run asks for label files that did not come, before it ends."""


class Runner:
    """One run of a job, from its beginning to its end.

    Parameters
    ----------
    runs
        The state of each account, in the order of the job.
    """

    def __init__(self, runs: Sequence[RunState]) -> None:
        first = runs[0]
        self.runs, self.shared = runs, first.shared
        self.store, self.ledger, self.manifest = first.store, first.ledger, first.manifest
        self.control, self.spend, self.progress = (
            first.control,
            first.spend,
            first.options.progress,
        )
        self.began = time.monotonic()
        self._reporter = ProgressReporter(self)
        self._lanes: list[Lane] = []

    @classmethod
    def of(
        cls,
        store: JobStore,
        ledger: Ledger,
        accounts: Accounts,
        options: Callable[[Account], Options],
    ) -> Runner:
        """Return the run of a job whose accounts are checked."""
        if not store.manifest.accounts:
            [account] = accounts
            return cls([RunState(store, ledger, account.carrier, options(account))])
        shared, codes = SharedState(store, ledger), np.asarray(store.account_codes)
        runs = []
        for code, sold in enumerate(store.manifest.accounts):
            account = accounts[sold.name]
            state = RunState(
                store,
                ledger,
                account.carrier,
                options(account),
                shared=shared,
                name=sold.name,
                mine=codes == code,
            )
            runs.append(state)
        return cls(runs)

    # -- what the reporter shows -----------------------------------------------------------------

    @property
    def bought(self) -> int:
        """Shipments bought by this run."""
        return sum(run.bought for run in self.runs)

    @property
    def last_error(self) -> str | None:
        """The last error of a row, of the first account that has one."""
        return next((run.last_error for run in self.runs if run.last_error), None)

    @property
    def note(self) -> str | None:
        """What the run is waiting for, in words."""
        notes = [self._named(run, run.note) for run in self.runs if run.note]
        notes += [self._named(run, f"stopped: {run.own_stop}") for run in self.runs if run.own_stop]
        return "; ".join(notes) or None

    @staticmethod
    def _named(run: RunState, text: str) -> str:
        return text if run.name is None else f"{run.name}: {text}"

    # -- beginning and end -----------------------------------------------------------------------

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
            self._close()

    async def only_look(self) -> int:
        """Look up once everything that may have turned up; return how many shipments did."""
        before = self._found()
        try:
            await self._take_over()
            await self._look_once_more()
        finally:
            self._close()
        return self._found() - before

    def _found(self) -> int:
        """Return how many shipments of the job are known, surplus ones included."""
        count = self.ledger.count
        surplus = set[str]().union(*(run.doubts.known_surplus for run in self.runs))
        return count(RowState.SHIPPED) + count(RowState.VOIDED) + len(surplus)

    def _close(self) -> None:
        for run in self.runs:
            run.rows.close()

    async def _main(self) -> JobStatus:
        try:
            await self._open()
            await self._buy()
            await self._look_once_more()
        except CheckpointWriteError as error:
            self.runs[0].halt(JobStatus.FAILED, str(error))
            await self._drain()
        return await self._end()

    async def _open(self) -> None:
        """Record that a run began, hold back orders of other jobs, take over from a dead owner."""
        facts = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "carrier": " + ".join(str(run.carrier.identity) for run in self.runs),
            "resend": ", ".join(dict.fromkeys(run.options.resend for run in self.runs)),
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
        for run in self.runs:
            await self.ledger.record(
                [_left_behind(run, int(row)) for row in run.rows_in(RowState.IN_FLIGHT)]
            )
            for row in run.rows_in(RowState.IN_DOUBT):
                run.doubts.add(int(row), since=run.began)

    async def _end(self) -> JobStatus:
        """Record how the run ended, and return the status of the job."""
        counts = {state: self.ledger.count(state) for state in RowState}
        doubtful = counts[RowState.IN_DOUBT] + counts[RowState.IN_FLIGHT]
        status, reason = self.shared.stop or (JobStatus.PAUSED, self._accounts_stopped())
        if self.shared.stop is None and reason is None and doubtful:
            reason = f"{counted(doubtful, 'row')} in doubt; resume looks them up again"
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

    def _accounts_stopped(self) -> str | None:
        """Return which accounts stopped by themselves and why, None when none did."""
        said = []
        for run in self.runs:
            if run.own_stop is None:
                continue
            left = len(run.rows_in(RowState.PENDING))
            rows = f" ({counted(left, 'row')} not sent)" if run.name is not None else ""
            said.append(f"{self._named(run, run.own_stop)}{rows}")
        return "; ".join(said) or None

    # -- stopping --------------------------------------------------------------------------------

    def _heed(self) -> None:
        """Act on a request from outside."""
        halt = self.runs[0].halt
        match self.control.request:
            case "pause":
                halt(JobStatus.PAUSED, "paused")
            case "cancel":
                halt(JobStatus.CANCELLED, "cancelled")
            case "stop":
                halt(JobStatus.PAUSED, "stopped at once")
                for lane in self._lanes:
                    lane.dispatcher.cancel()

    def _lease_ended(self, why: str) -> None:
        self.runs[0].halt(
            JobStatus.FAILED,
            f"{why}; nothing more was sent, and rows in flight are looked up on resume",
        )

    async def _drain(self) -> None:
        """Take back what was never sent, and wait until what is in flight has ended."""
        for lane in self._lanes:
            await lane.end()
        for lane in self._lanes:
            await lane.dispatcher.ended()
        if not self.ledger.broken:
            await self.ledger.settled()

    # -- buying ----------------------------------------------------------------------------------

    async def _buy(self) -> None:
        """Send what is pending and look up what is in doubt, until neither is left."""
        lanes = self._lanes = [Lane(run) for run in self.runs]
        changed = self.shared.changed
        try:
            while self.shared.stop is None and not self.ledger.broken and not self._done():
                changed.clear()
                for lane in lanes:
                    lane.check()
                    if lane.run.own_stop is not None:
                        await lane.end()
                await wait(changed, 1.0)
        finally:
            await self._drain()

    def _done(self) -> bool:
        return all(lane.done for lane in self._lanes) and not self.ledger.count(RowState.IN_FLIGHT)

    # -- rows in doubt ---------------------------------------------------------------------------

    async def _look_once_more(self) -> None:
        """Look up rows that were not looked up yet, rows in review, and old references."""
        if self.control.request == "stop" or self.ledger.broken:
            return
        await asyncio.gather(*map(_last_look, self.runs))
        await asyncio.gather(*map(_fetch_labels, self.runs))
        if not self.ledger.broken:
            await self.ledger.settled()


def _left_behind(run: RunState, row: int) -> LedgerEntry:
    """Return the entry of a row that was in flight when its owner died."""
    if preparer(run.carrier) is not None and row not in run.ledger.prepared:
        # The id is durable before the money step, so without one nothing was bought.
        return moved(row, "not_sent", RowState.PENDING, **run.attempt(row))
    return moved(row, "in_doubt", RowState.IN_DOUBT, **run.attempt(row), code="interrupted")


async def _last_look(run: RunState) -> None:
    """Look up an account's rows that were not looked up yet, those in review, old references."""
    try:
        async with asyncio.timeout(max(run.options.timeout_s, 1.0)):
            await asyncio.gather(*(run.doubts.look(doubt) for doubt in run.doubts.unlooked()))
            await run.doubts.watch()
            for row in run.rows_in(RowState.REVIEW):
                await run.doubts.review(int(row))
    except TimeoutError:
        log.info("the carrier was too slow for a last look at rows in doubt")


async def _fetch_labels(run: RunState) -> None:
    """Ask a few times for label files that did not come with their purchases.

    Each of these labels is paid for, so the run is worth a little longer. What is missing after
    that is asked for by the next resume.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(_LABEL_TRIES * run.options.timeout_s, 5.0)):
            for _ in range(_LABEL_TRIES):
                if run.doubts.unlabelled() and not run.ledger.broken:
                    await run.doubts.fetch_labels()


def _ignore(_: object) -> None:
    """Return nothing."""
