"""The books of a job while somebody owns it: every move checked, every commit durable before it is believed.

Only :meth:`shipkit.purchasing.store.JobStore.own` makes one. Lines are gathered and committed together;
the next commit starts when the previous one ends. Disk work happens on a thread of its own, never
on the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from shipkit.common.files import Disk
from shipkit.errors import CheckpointWriteError
from shipkit.purchasing.store.compaction import Compactor
from shipkit.purchasing.store.segments import (
    STATES,
    Chain,
    Head,
    LedgerEntry,
    encode,
    last_lines,
    segment_name,
    to_table,
    write_head,
)
from shipkit.state import RowState, can_move

__all__ = ["Ledger", "now_us"]

_LINGER_S = 0.02
"""Between the starts of two commits, when nobody waits for the second: fewer, larger segments."""

_CODE = {state: code for code, state in enumerate(STATES)}


def now_us() -> int:
    """Return the wall clock in microseconds since 1970: for people, never for deciding."""
    return time.time_ns() // 1000


class Ledger:
    """A job's books, open for writing. One event loop uses it."""

    def __init__(
        self, path: Path, chain: Chain, states: np.ndarray[Any, Any], *, disk: Disk | None = None
    ) -> None:
        self.path = path
        self.generation = chain.generation + 1
        self.states = states
        """Code of each row's state (see :data:`shipkit.purchasing.store.segments.STATES`), queued moves included."""
        table = chain.table
        self.attempts, self.charged, self.watch = _read_rows(table, len(states))
        self.broken: CheckpointWriteError | None = None
        self.commits = 0
        self.commit_s = 0.005
        """Smoothed duration of a commit."""
        self._disk = disk or Disk()
        self._segments = path / "segments"
        self._sequence, self._sha = chain.sequence, chain.sha256
        self._entry = _highest_entry(table)
        self._counts = np.bincount(states, minlength=len(STATES))
        self._queue: list[LedgerEntry] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._urgent = False
        self._busy = False
        self._started = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="shipkit-ledger")
        self._compactor = Compactor(self._segments, self.generation, chain, self._disk)

    def count(self, state: RowState) -> int:
        """How many rows are in `state`, queued moves included."""
        return int(self._counts[_CODE[state]])

    def state(self, row: int) -> RowState:
        """Where `row` stands."""
        return STATES[int(self.states[row])]

    def rows(self, *wanted: RowState) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the rows that are in one of the states, ascending."""
        return np.flatnonzero(np.isin(self.states, [_CODE[s] for s in wanted]))

    def record(self, lines: Sequence[LedgerEntry], *, urgent: bool = True) -> asyncio.Future[None]:
        """Queue `lines` for the next commit; the future returned is done when they are durable.

        Raises
        ------
        CheckpointWriteError
            An earlier commit failed. Nothing may be sent any more; the job is resumable.
        """
        if self.broken:
            raise self.broken
        for line in lines:
            self._move(line)
        waiter = asyncio.get_running_loop().create_future()
        waiter.add_done_callback(_seen)
        self._queue.extend(lines)
        self._waiters.append(waiter)
        self._urgent = self._urgent or urgent
        self._schedule()
        return waiter

    async def settled(self) -> None:
        """Return when everything recorded so far is durable."""
        if self._waiters or self._busy or self._queue:
            await self.record([])

    def record_now(self, lines: Sequence[LedgerEntry]) -> None:
        """Commit `lines` before returning: for callers without an event loop."""
        if self.broken:
            raise self.broken
        for line in lines:
            self._move(line)
        try:
            self._commit(list(lines))
        except CheckpointWriteError as error:
            self.broken = error
            raise

    def flatten(self) -> None:
        """Make one part of everything that was committed; label bytes stay where they are."""
        self._compactor.flatten()

    def close(self) -> None:
        """Wait for the disk, tidy up. Called when nothing is queued any more."""
        if self._timer:
            self._timer.cancel()
        self._writer.shutdown(wait=True)
        self._compactor.close()

    def _move(self, line: LedgerEntry) -> None:
        """Check one move against the one table, and make it in memory."""
        if line.state is None or line.row is None:
            return
        row, new = line.row, RowState(line.state)
        old = STATES[self.states[row]]
        if not can_move(old, new):
            raise AssertionError(
                f"row {row} cannot go from {old} to {new}: a defect in shipkit, nothing was "
                "recorded"
            )
        self._counts[self.states[row]] -= 1
        self.states[row] = _CODE[new]
        self._counts[_CODE[new]] += 1
        if line.attempt is not None:
            self.attempts[row] = line.attempt
        if line.watch:
            self.watch[row] = list(line.watch)
        self.charged[row] = (line.charged_cents or 0) if new is RowState.SHIPPED else 0

    def _schedule(self) -> None:
        if self._busy or not (self._queue or self._waiters):
            return
        wait = 0.0 if self._urgent else self._started + _LINGER_S - time.monotonic()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if wait > 0:
            self._timer = asyncio.get_running_loop().call_later(wait, self._start)
        else:
            self._start()

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        lines, waiters = self._queue, self._waiters
        self._queue, self._waiters, self._urgent = [], [], False
        self._busy, self._started = True, time.monotonic()
        work = loop.run_in_executor(self._writer, self._commit, lines)
        work.add_done_callback(lambda done: self._finish(done, waiters))

    def _finish(self, work: asyncio.Future[None], waiters: list[asyncio.Future[None]]) -> None:
        self._busy = False
        if work.cancelled():
            return
        error = work.exception()
        if error is not None:
            self._break(error, waiters)
            return
        took = time.monotonic() - self._started
        self.commit_s += 0.2 * (took - self.commit_s)
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._schedule()

    def _break(self, error: BaseException, waiters: list[asyncio.Future[None]]) -> None:
        """Tell every waiter at once that a commit failed, and accept nothing any more."""
        self.broken = (
            error if isinstance(error, CheckpointWriteError) else _write_error(self.path, error)
        )
        waiters = waiters + self._waiters
        self._queue, self._waiters = [], []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(self.broken)

    def _commit(self, lines: list[LedgerEntry]) -> None:
        """Make `lines` durable (writer thread). After this line a carrier may be asked; before it, it may not."""
        if not lines:
            return
        sequence = self._sequence + 1
        table = to_table(lines, first_entry=self._entry + 1, sequence=sequence)
        data = encode(
            table, {"generation": self.generation, "sequence": sequence, "previous": self._sha}
        )
        sha = sha256(data).hexdigest()
        labelled = any(line.labels for line in lines)
        name = segment_name(self.generation, sequence, sha, labelled=labelled)
        try:
            self._disk.publish(self._segments, name, data)
            write_head(self._disk, self.path, Head(sequence, name, sha))
        except OSError as error:
            raise _write_error(self.path, error) from error
        self._compactor.add(
            table, self._segments / name, sequence, self._sha, sha, labelled=labelled
        )
        self._sequence, self._sha, self._entry = sequence, sha, self._entry + len(lines)
        self.commits += 1


def _read_rows(table: Any, count: int) -> tuple[Any, Any, dict[int, list[int]]]:
    """Return attempts and charged minor units of each row, and the attempts to look up again."""
    attempts, charged = np.zeros(count, dtype=np.int32), np.zeros(count, dtype=np.int64)
    last = table.take(last_lines(table))
    rows = last.column("row").to_numpy()
    attempts[rows] = last.column("attempt").fill_null(0).to_numpy()
    bought = np.asarray(last.column("state")) == RowState.SHIPPED.value
    charged[rows] = np.where(bought, last.column("charged_cents").fill_null(0).to_numpy(), 0)
    watched = last.filter(last.column("watch").is_valid())
    return (
        attempts,
        charged,
        dict(
            zip(watched.column("row").to_pylist(), watched.column("watch").to_pylist(), strict=True)
        ),
    )


def _highest_entry(table: Any) -> int:
    return int(table.column("entry").to_numpy().max()) if table.num_rows else 0


def _write_error(path: Path, error: BaseException) -> CheckpointWriteError:
    return CheckpointWriteError(
        f"The job {path.name} cannot be written: {error}.",
        fix="Free disk space, or correct the folder's rights, then resume: nothing more was sent, "
        "and rows on their way are looked up.",
    )


def _seen(waiter: asyncio.Future[None]) -> None:
    """Mark a failure as seen: not everybody waits for what they recorded, and `broken` says it to all."""
    if not waiter.cancelled():
        waiter.exception()
