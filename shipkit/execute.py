"""Buys an approved plan: every row once, at the pace the carrier allows, and keeps account of it whatever happens.

A row goes pending -> in flight (durable) -> the carrier is asked -> shipped, failed, pending again, or in doubt.
Rows that fail, breakers, pauses and full disks end with a status, never with an exception.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pyarrow.parquet as pq

from shipkit import history
from shipkit.carriers.base import Carrier
from shipkit.checkpoint import Checkpoint
from shipkit.control import Control, Progress
from shipkit.errors import AnswerLost, CarrierError, CheckpointWriteError, JobError
from shipkit.ledger import Ledger, now_us
from shipkit.models import Purchase, Shipment
from shipkit.pace import Pacer
from shipkit.planrows import PlanRows
from shipkit.reconcile import Reconciler, purchase_line
from shipkit.segments import Line
from shipkit.spend import Spend
from shipkit.state import STATE_AFTER, JobStatus, RowState
from shipkit.table import shipment_from_row

__all__ = ["Control", "Progress", "execute"]

log = logging.getLogger("shipkit.execute")

_PROGRESS_EVERY_S = 0.1
_REFILL_S = 0.02
"""Intents are written ahead for about this long, so that commits stay off the critical path and a kill leaves few in doubt."""


async def execute(
    checkpoint: Checkpoint,
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
    """Buy what is left of a job, and return how the job stands then.

    Parameters
    ----------
    on_error
        ``"continue"``, or ``"halt"`` at the first failed row.
    progress
        Called with a :class:`Progress` at most ten times a second, and at the end. What it raises is logged once.
    pacer
        The pace; default: the carrier's own.
    timeout_s
        Longest a carrier call may take; default: the carrier's.
    grace_s
        Wait before a look-up may conclude absence; default: 2 x `timeout_s` + the carrier's processing time.
    resend
        ``"proven"``, ``"ask"`` or ``"never"``; default: the job's.

    Raises
    ------
    CheckpointLocked, CheckpointCorrupt, JobError
        Before anything is sent.
    """
    if checkpoint.status in (JobStatus.CANCELLED, JobStatus.COMPLETED):
        return checkpoint.status
    _same_account(checkpoint, carrier)
    pace = carrier.pace
    pacer = pacer or Pacer(concurrency=pace.concurrency, rate_per_s=pace.rate_per_s)
    timeout = timeout_s if timeout_s is not None else pace.timeout_s
    grace = grace_s if grace_s is not None else 2 * timeout + pace.processing_s
    with ExitStack() as stack:
        try:
            ledger = await asyncio.to_thread(stack.enter_context, checkpoint.own("execute"))
            run = _Run(
                checkpoint, ledger, carrier, pacer=pacer, control=control or Control(), on_error=on_error, progress=progress, timeout_s=timeout,
                grace_s=grace, resend=resend or checkpoint.manifest.resend,
            )
            return await run.work()
        except CheckpointWriteError as error:
            checkpoint.ended = (JobStatus.FAILED, str(error))
            return JobStatus.FAILED


def _same_account(checkpoint: Checkpoint, carrier: Carrier) -> None:
    if history.account_key(carrier.identity) != checkpoint.manifest.account_key:
        raise JobError(
            f"{checkpoint.job_id} belongs to {checkpoint.manifest.identity}, not to {carrier.identity}. Nothing was sent.",
            fix="Open it with the carrier and the account that it was approved for.",
        )


class _Run:
    """One run of a job by its owner. Lives on one event loop."""

    def __init__(
        self, checkpoint: Checkpoint, ledger: Ledger, carrier: Carrier, *, pacer: Pacer, control: Control, on_error: str,
        progress: Callable[[Progress], None] | None, timeout_s: float, grace_s: float, resend: str,
    ) -> None:
        self.checkpoint, self.ledger, self.carrier, self.pacer, self.control = checkpoint, ledger, carrier, pacer, control
        self.on_error, self.progress, self.timeout_s, self.resend = on_error, progress, timeout_s, resend
        self.began = time.monotonic()
        self.manifest = checkpoint.manifest
        self.rows = PlanRows(checkpoint.path)
        quotes = pq.read_table(checkpoint.path / "quotes.parquet", columns=["cost_cents", "currency"], partitioning=None)
        self.spend = Spend(ledger, quotes.column("cost_cents").fill_null(0).to_numpy(), quotes.column("currency"), self.manifest.limits)
        self.again: deque[int] = deque()
        self.doubts = Reconciler(
            checkpoint, ledger, carrier, pacer=pacer, rows=self.rows, spend=self.spend, grace_s=grace_s, resend=resend, again=self._send_again,
        )
        self.ready: deque[tuple[int, Shipment]] = deque()
        self.writing: list[tuple[int, Shipment]] = []
        self.calls: set[asyncio.Task[None]] = set()
        self.changed, self.hungry, self.filled = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.feeding = True
        self.stop: tuple[JobStatus, str] | None = None
        self.last_error: str | None = None
        self.note: str | None = None
        self.sent = self.bought = 0
        self.held: tuple[int, dict[str, Any] | None] | None = None
        self._rate = 0.0
        self._progress_failed = False

    async def work(self) -> JobStatus:
        """Run until nothing is left to do, or something stops it."""
        loop = asyncio.get_running_loop()
        self.control.listen(lambda: _ignore(loop.call_soon_threadsafe(self._heed)))
        ticker = asyncio.create_task(self._tick())
        main = asyncio.create_task(self._main())
        try:
            return await asyncio.shield(main)
        except asyncio.CancelledError:
            self.control.stop_now()
            self._heed()
            await asyncio.wait([main])
            raise
        finally:
            self.control.listen(None)
            ticker.cancel()
            self._report()
            self.rows.close()

    async def _main(self) -> JobStatus:
        try:
            await self._open()
            await self._buy()
            await self._look_once_more()
        except CheckpointWriteError as error:
            self._halt(JobStatus.FAILED, str(error))
            await self._drain()
        return await self._end()

    # -- beginning and end -----------------------------------------------------------------------

    async def _open(self) -> None:
        """Note that a run began, hold back orders that another job has, and take over what a dead owner left."""
        facts = {"pid": os.getpid(), "host": socket.gethostname(), "carrier": str(self.carrier.identity), "resend": self.resend}
        await self.ledger.record([Line(row=None, event="run", state=None, at=now_us(), details=json.dumps(facts))])
        held = await asyncio.to_thread(history.claim, self.checkpoint, self.ledger.states)
        lines = [_line(row, "skipped", RowState.SKIPPED, code="shipped_before", message=text, fix='To ship it again: on_duplicate="ship".') for row, text in held.items()]
        left = [_line(int(row), "in_doubt", RowState.IN_DOUBT, **self._attempt(int(row)), code="interrupted") for row in self.ledger.rows(RowState.IN_FLIGHT)]
        await self.ledger.record([*lines, *left])
        for row in self.ledger.rows(RowState.IN_DOUBT):
            self.doubts.add(int(row), since=self.began)

    async def _end(self) -> JobStatus:
        """Write down how the run ended, and return how the job stands."""
        counts = {state: self.ledger.count(state) for state in RowState}
        open_rows = counts[RowState.PENDING] + counts[RowState.IN_FLIGHT] + counts[RowState.IN_DOUBT]
        status, reason = self.stop or (JobStatus.PAUSED, self._why_open(counts))
        if self.ledger.broken:
            self.checkpoint.ended = (JobStatus.FAILED, str(self.ledger.broken))
            return JobStatus.FAILED
        if not open_rows and status is not JobStatus.CANCELLED:
            status = JobStatus.COMPLETED_WITH_ERRORS if counts[RowState.FAILED] or counts[RowState.REVIEW] else JobStatus.COMPLETED
        lines = [Line(row=None, event="end", state=None, at=now_us(), details=json.dumps({"status": status, "reason": reason}))]
        if status is JobStatus.CANCELLED:
            lines.insert(0, Line(row=None, event="cancelled", state=None, at=now_us()))
        try:
            await self.ledger.record(lines)
        except CheckpointWriteError as error:
            self.checkpoint.ended = (JobStatus.FAILED, str(error))
            return JobStatus.FAILED
        self.checkpoint.ended = None
        return status

    @staticmethod
    def _why_open(counts: dict[RowState, int]) -> str | None:
        doubtful = counts[RowState.IN_DOUBT] + counts[RowState.IN_FLIGHT]
        return f"{doubtful:,} rows are in doubt; resume looks them up again" if doubtful else None

    # -- stopping --------------------------------------------------------------------------------

    def _heed(self) -> None:
        """Do what was asked from outside."""
        match self.control.wish:
            case "pause":
                self._halt(JobStatus.PAUSED, "paused")
            case "cancel":
                self._halt(JobStatus.CANCELLED, "cancelled")
            case "stop":
                self._halt(JobStatus.PAUSED, "stopped at once")
                for call in self.calls:
                    call.cancel()

    def _halt(self, status: JobStatus, reason: str) -> None:
        """Stop sending. The first reason stands, but cancelling is final."""
        if self.stop is None or status is JobStatus.CANCELLED:
            self.stop = (status, reason)
        self._poke()

    def _poke(self) -> None:
        """Something moved: whoever waits looks again."""
        self.changed.set()
        self.hungry.set()

    # -- buying ----------------------------------------------------------------------------------

    async def _buy(self) -> None:
        """Send what is pending while looking after what is in doubt, until neither is left."""
        tasks = [asyncio.create_task(self._feed()), asyncio.create_task(self._dispatch()), asyncio.create_task(self._look_after())]
        try:
            while self.stop is None and not self.ledger.broken and not self._done():
                self.changed.clear()
                finished = [task for task in tasks if task.done()]
                for task in finished:
                    task.result()  # what went wrong there goes wrong here
                await _wait(self.changed, 1.0)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._drain()

    def _done(self) -> bool:
        return not (self.feeding or self.again or self.held or self.ledger.count(RowState.IN_FLIGHT) or self.doubts.doubts)

    async def _drain(self) -> None:
        """Let what is in flight end, and take back what was never sent."""
        unsent, self.writing = [*self.ready, *self.writing], []
        self.ready.clear()
        for row, _ in unsent if not self.ledger.broken else ():
            self._take_back(row)
        while self.calls:
            await asyncio.wait(self.calls)
        if not self.ledger.broken:
            await self.ledger.settled()

    def _take_back(self, row: int) -> None:
        """Provably not sent: pending again."""
        self.ledger.record([_line(row, "not_sent", RowState.PENDING, **self._attempt(row))], urgent=False)
        self.spend.release(row)

    def _send_again(self, row: int) -> None:
        self.again.append(row)
        self._poke()

    # -- the feeder: intents, durable before anything is sent --------------------------------------

    async def _feed(self) -> None:
        """Write intents a little ahead of the calls."""
        source = self._pending()
        while True:
            batch = self._next_batch(source, self._wanted())
            if not batch:
                self.hungry.clear()
                self.changed.set()
                await _wait(self.hungry, 0.25)
                continue
            self.writing = batch
            await self.ledger.record([
                _line(row, "intent", RowState.IN_FLIGHT, attempt=attempt, reference=self.checkpoint.reference(row, attempt))
                for row, attempt in ((row, int(self.ledger.attempts[row]) + 1) for row, _ in batch)
            ])
            self.ready.extend(batch)
            self.writing = []
            self.filled.set()

    def _pending(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the rows to send: the untouched ones in the order of the plan, and those that came back, when they do."""
        yield from self.rows.dicts(self.ledger.rows(RowState.PENDING))
        self.feeding = False

    def _wanted(self) -> int:
        """Return how many intents to write now: enough for the calls that could start before the next commit ends, and no more."""
        if self.stop or self.pacer.pause_s > 0:
            return 0
        free = max(0, self.pacer.allowed - self.pacer.active)
        rate = self.sent_per_s()
        low = free + 1 + math.ceil(rate * self.ledger.commit_s * 1.5)
        high = low + math.ceil(rate * _REFILL_S)
        if self.pacer.rate_per_s:
            high = min(high, 1 + math.ceil(self.pacer.rate_per_s * (_REFILL_S + 2 * self.ledger.commit_s)))
            low = min(low, high)
        return high - len(self.ready) if len(self.ready) < low else 0

    def _next_batch(self, source: Iterator[tuple[int, dict[str, Any]]], count: int) -> list[tuple[int, Shipment]]:
        """Return up to `count` shipments whose price is reserved."""
        batch: list[tuple[int, Shipment]] = []
        while len(batch) < count and self.stop is None:
            if self.held is None:
                self.held = (self.again[0], None) if self.again else next(source, None)
                if self.held is None:
                    break
                if self.again and self.held[1] is None:
                    self.again.popleft()
            row, fields = self.held
            if refusal := self.spend.refusal(row):
                if not (batch or self.ledger.count(RowState.IN_FLIGHT) or self.doubts.doubts):
                    self._halt(JobStatus.PAUSED, refusal)
                break
            self.held = None
            shipment = self._shipment(row, fields)
            if shipment is not None:
                self.spend.reserve(row)
                batch.append((row, shipment))
        return batch

    def _shipment(self, row: int, fields: dict[str, Any] | None) -> Shipment | None:
        """Return the shipment of a row; one that cannot be made is set aside, before anything is sent."""
        try:
            return self.rows.one(row) if fields is None else shipment_from_row(fields)
        except (ValueError, TypeError, KeyError) as error:
            text = f"The plan's row cannot be read as a shipment: {type(error).__name__}."
            self.ledger.record([_line(row, "skipped", RowState.SKIPPED, code="row_unreadable", message=text, fix="Correct the row in the source and run it again.")])
            return None

    def sent_per_s(self) -> float:
        """Return the pace of the last moments."""
        return self._rate

    # -- the calls -----------------------------------------------------------------------------

    async def _dispatch(self) -> None:
        """Start calls, as many and as fast as the pace allows."""
        while True:
            while not self.ready:
                self.filled.clear()
                self.hungry.set()
                await self.filled.wait()
            await self.pacer.enter()
            if self.stop is not None or not self.ready:
                self.pacer.leave()
                if self.stop is not None:
                    return
                continue
            row, shipment = self.ready.popleft()
            call = asyncio.create_task(self._ship(row, shipment))
            self.calls.add(call)
            call.add_done_callback(self._called)
            self.sent += 1
            self.hungry.set()

    def _called(self, call: asyncio.Task[None]) -> None:
        self.calls.discard(call)
        if not call.cancelled() and (error := call.exception()) is not None:
            # our own failure after the carrier answered: the row stays in flight, and is looked up on resume
            log.error("a row could not be booked: %s", type(error).__name__, exc_info=error)
            self._halt(JobStatus.FAILED, str(error) if isinstance(error, CheckpointWriteError) else f"shipkit failed ({type(error).__name__}: {error}); rows on their way are looked up on resume")
        self._poke()

    async def _ship(self, row: int, shipment: Shipment) -> None:
        """Buy one row and book what came of it."""
        attempt = int(self.ledger.attempts[row])
        reference = self.checkpoint.reference(row, attempt)
        try:
            # Before this line a repeat is free; after it a repeat may buy a second label.
            async with asyncio.timeout(2 * self.timeout_s):
                answer: Purchase | CarrierError = await self.carrier.ship(shipment, self.manifest.shipper, reference, self.manifest.label)
        except CarrierError as error:
            answer = error
        except asyncio.CancelledError:
            answer = AnswerLost("The call was stopped before the carrier answered.")
        except TimeoutError:
            answer = AnswerLost(f"The carrier did not answer within {2 * self.timeout_s:g} s.")
        except Exception as error:
            log.warning("the carrier's code failed after sending began", exc_info=error)
            answer = AnswerLost(f"The carrier's answer could not be read ({type(error).__name__}).")
        finally:
            self.pacer.leave()
        if isinstance(answer, CarrierError):
            self._book_error(row, attempt, reference, answer)
        else:
            self._book(row, attempt, reference, answer)

    def _book(self, row: int, attempt: int, reference: str, purchase: Purchase) -> None:
        self.pacer.saw(None)
        line = purchase_line(
            purchase, row=row, event="result", state=RowState.SHIPPED, attempt=attempt, reference=reference,
            quoted_cents=int(self.spend.quoted[row]), currency=self.spend.currency(row), watch=self.ledger.watch.get(row),
        )
        self.ledger.record([line], urgent=False)
        cents = line.charged_cents or 0
        self.spend.charge(row, cents)
        self.bought += 1
        if drift := self.spend.drifted(row, cents):
            self._halt(JobStatus.PAUSED, drift)

    def _book_error(self, row: int, attempt: int, reference: str, error: CarrierError) -> None:
        state = STATE_AFTER[error.outcome]
        event = {RowState.FAILED: "failed", RowState.PENDING: "not_sent", RowState.IN_DOUBT: "in_doubt"}[state]
        code = error.carrier_code or error.code
        details = json.dumps({"transaction_id": error.transaction_id}) if error.transaction_id else None
        self.ledger.record([
            _line(row, event, state, attempt=attempt, reference=reference, code=code, message=error.message, fix=error.fix, details=details, watch=self.ledger.watch.get(row)),
        ], urgent=False)
        self.last_error = error.message
        self.pacer.saw(error)
        if state is RowState.IN_DOUBT:
            self.doubts.add(row)
        else:
            self.spend.release(row)
        if state is RowState.PENDING:
            self._send_again(row)
        if state is RowState.FAILED and self.on_error == "halt":
            self._halt(JobStatus.PAUSED, f"halted at the first failed row: {error.message}")
        if self.pacer.broken:
            self._halt(JobStatus.PAUSED, self.pacer.broken)

    # -- rows in doubt ---------------------------------------------------------------------------

    async def _look_after(self) -> None:
        """Look up rows in doubt at growing intervals, as long as the run lasts."""
        while True:
            now = time.monotonic()
            due = self.doubts.due(now)
            if due:
                await asyncio.gather(*(self.doubts.look(doubt) for doubt in due[: self.pacer.concurrency]))
                self.doubts.give_up(time.monotonic())
                self._poke()
            waiting = self.doubts.doubts
            self.note = f"{len(waiting):,} rows in doubt are being looked up" if waiting else None
            next_at = min((doubt.next_at for doubt in waiting.values()), default=now + 0.25)
            await asyncio.sleep(min(max(next_at - time.monotonic(), 0.01), 0.25))

    async def _look_once_more(self) -> None:
        """Look up what was not looked up yet, what waits for a person, and old references."""
        if self.control.wish == "stop" or self.ledger.broken:
            return
        try:
            async with asyncio.timeout(max(self.timeout_s, 1.0)):
                await asyncio.gather(*(self.doubts.look(doubt) for doubt in self.doubts.unlooked()))
                await self.doubts.watch()
                for row in self.ledger.rows(RowState.REVIEW):
                    await self.doubts.review(int(row))
        except TimeoutError:
            log.info("the carrier was too slow for a last look at rows in doubt")
        if not self.ledger.broken:
            await self.ledger.settled()

    # -- telling ---------------------------------------------------------------------------------

    async def _tick(self) -> None:
        """Measure the pace, and tell it about ten times a second."""
        before = (self.began, 0)
        while True:
            await asyncio.sleep(_PROGRESS_EVERY_S)
            now = time.monotonic()
            self._rate += 0.5 * ((self.sent - before[1]) / (now - before[0]) - self._rate)
            before = (now, self.sent)
            self._report()

    def _report(self) -> None:
        if self.progress is None:
            return
        try:
            self.progress(self._progress())
        except Exception as error:  # noqa: BLE001 - somebody else's code; what it does never changes the books
            if not self._progress_failed:
                log.warning("the progress callback failed, and the job goes on: %s", error)
            self._progress_failed = True

    def _progress(self) -> Progress:
        count = self.ledger.count
        elapsed = time.monotonic() - self.began
        open_rows = sum(count(state) for state in (RowState.PENDING, RowState.IN_FLIGHT, RowState.IN_DOUBT))
        total = self.manifest.shipments - count(RowState.SKIPPED)
        return Progress(
            done=total - open_rows, total=total, shipped=count(RowState.SHIPPED), failed=count(RowState.FAILED),
            in_doubt=count(RowState.IN_DOUBT) + count(RowState.REVIEW), spent_cents=self.spend.spent, currency=self.spend.main_currency,
            rate_per_s=self.bought / elapsed if elapsed > 0 else 0.0, elapsed_s=elapsed, last_error=self.last_error, note=self.note,
        )

    def _attempt(self, row: int) -> dict[str, Any]:
        attempt = int(self.ledger.attempts[row])
        return {"attempt": attempt, "reference": self.checkpoint.reference(row, attempt), "watch": self.ledger.watch.get(row)}


def _ignore(_: object) -> None:
    """Return nothing."""


def _line(row: int, event: str, state: RowState, **fields: Any) -> Line:
    return Line(row=row, event=event, state=state.value, at=now_us(), **fields)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
