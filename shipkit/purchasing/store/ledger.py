"""The ledger of a job while a process owns it: moves are checked, commits are durable.

Only :meth:`shipkit.purchasing.store.JobStore.own` creates one. Entries are queued and committed
together, one parquet segment per commit; the next commit starts when the previous one has ended,
so a slow disk makes commits larger and not more. Disk work runs on a thread of its own, never on
the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.send_gate import Gate
from shipkit.common.files import Disk
from shipkit.common.object_store import StoreError
from shipkit.errors import CheckpointWriteError
from shipkit.purchasing.store.chain import Chain
from shipkit.purchasing.store.compaction import Compactor
from shipkit.purchasing.store.entries import (
    STATES,
    LedgerEntry,
    encode,
    is_owed,
    labels_of,
    last_entries,
    to_table,
    without_labels,
)
from shipkit.purchasing.store.lease import Lease
from shipkit.purchasing.store.segments import Head, segment_name, write_head
from shipkit.state import RowState, can_move

__all__ = ["Ledger", "now_us"]

_LINGER_S = 0.02
"""Time between the starts of two commits when nothing waits for the second: larger segments."""

_CODE = {state: code for code, state in enumerate(STATES)}
_BOUGHT = frozenset({RowState.SHIPPED, RowState.VOIDED})


def now_us() -> int:
    """Return the wall clock in microseconds since 1970.

    It is for people to read. Nothing is decided by it, because it can be set back.
    """
    return time.time_ns() // 1000


class Ledger:
    """A job's ledger, open for writing, used by one event loop.

    Parameters
    ----------
    path
        The job's folder.
    chain
        The ledger as read from disk, with the columns ``entry``, ``row``, ``state``, ``attempt``,
        ``charged_cents``, ``watch``, ``shipment_id``, ``label_sequence`` and ``details``.
    states
        The code of each row's state (its index in :data:`shipkit.purchasing.store.entries.STATES`).
        It is updated in place, queued moves included.
    lease
        The lease of a job in an object store; None where a lock on disk decides who owns the job.
    save_labels
        Makes label bytes durable apart from the segment of that number, and returns their digest;
        None keeps them in the segment.
    """

    def __init__(
        self,
        path: Path,
        chain: Chain,
        states: np.ndarray[Any, Any],
        *,
        disk: Disk | None = None,
        lease: Lease | None = None,
        save_labels: Callable[[int, pa.Table], str] | None = None,
    ) -> None:
        self.path = path
        # Every owner writes under a number of its own, so that a segment's name is never used
        # twice, not even after a crash in the middle of a commit.
        self.generation = chain.generation + 1
        self.states = states
        table = chain.table
        self.attempts, self.charged, self.watch = _read_rows(table, len(states))
        self.prepared: dict[int, str] = _read_prepared(table)
        """Row -> what its purchase is sent under, of rows that are prepared and not bought."""
        self.unlabelled: set[int] = _read_unlabelled(table)
        """Shipped rows whose label files did not come with their purchase."""
        self.broken: CheckpointWriteError | None = None
        """Why a commit failed; nothing can be recorded after that."""
        self.commits = 0
        self.commit_s = 0.005
        """Smoothed duration of a commit, in seconds."""
        self.lease = lease
        self._disk = disk or Disk()
        self._save_labels = save_labels
        self._segments = path / "segments"
        self._sequence, self._sha = chain.sequence, chain.sha256
        self._entry = _highest_entry(table)
        self._counts = np.bincount(states, minlength=len(STATES))
        self._queue: list[LedgerEntry] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._urgent = False
        self._busy = self._closed = False
        self._started = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="shipkit-ledger")
        self._compactor = Compactor(self._segments, self.generation, chain, self._disk)

    def count(self, state: RowState) -> int:
        """Return how many rows are in `state`, queued moves included."""
        return int(self._counts[_CODE[state]])

    def state(self, row: int) -> RowState:
        """Return the state of `row`, queued moves included."""
        return STATES[int(self.states[row])]

    def rows(self, *wanted: RowState) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the rows in any of the states `wanted`, ascending."""
        return np.flatnonzero(np.isin(self.states, [_CODE[s] for s in wanted]))

    def record(
        self, entries: Sequence[LedgerEntry], *, urgent: bool = True
    ) -> asyncio.Future[None]:
        """Queue entries for the next commit.

        Parameters
        ----------
        urgent
            False lets the commit wait up to 20 ms for more entries, where nothing waits for it.

        Returns
        -------
        Future
            Done when the entries are durable. Await it before doing what they announce: an intent
            that is only queued does not protect against buying twice.

        Raises
        ------
        CheckpointWriteError
            An earlier commit failed. Nothing may be sent any more; the job can be resumed.
        """
        self._demand_open()
        entries = [self._move(entry) for entry in entries]
        waiter = asyncio.get_running_loop().create_future()
        waiter.add_done_callback(_seen)
        self._queue.extend(entries)
        self._waiters.append(waiter)
        self._urgent = self._urgent or urgent
        self._schedule()
        return waiter

    async def settled(self) -> None:
        """Return when everything recorded so far is durable."""
        if self._waiters or self._busy or self._queue:
            await self.record([])

    def record_now(self, entries: Sequence[LedgerEntry]) -> None:
        """Commit entries before returning: for callers without an event loop.

        Raises
        ------
        CheckpointWriteError
            This commit or an earlier one failed.
        """
        self._demand_open()
        moved = [self._move(entry) for entry in entries]
        try:
            self._commit(moved)
        except CheckpointWriteError as error:
            self.broken = error
            raise

    @property
    def gate(self) -> Gate | None:
        """What says before each request whether it may still be sent; None: nothing can end it."""
        return None if self.lease is None else self.lease.check

    def flatten(self, bare: Callable[[pa.Table], pa.Table] | None = None) -> None:
        """Merge everything committed so far into one file. Label bytes stay in their segments.

        Parameters
        ----------
        bare
            Returns entries without what is not kept.
        """
        self._compactor.flatten(bare)

    def close(self) -> None:
        """Wait for the disk and remove files that compactions replaced. The queue must be empty."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        self._writer.shutdown(wait=True)
        self._compactor.close()

    def _demand_open(self) -> None:
        if self._closed:  # the lock is free, and another process may be writing
            raise RuntimeError("the ledger is closed: its job is no longer owned")
        if self.broken:
            raise self.broken

    def _move(self, entry: LedgerEntry) -> LedgerEntry:
        """Check one move against the table of legal moves, make it in memory, return its entry."""
        if entry.state is None or entry.row is None:
            return entry
        row, new = entry.row, RowState(entry.state)
        old = STATES[self.states[row]]
        if not can_move(old, new):
            raise AssertionError(
                f"row {row} cannot go from {old} to {new}: a defect in shipkit, nothing was "
                "recorded"
            )
        self._counts[self.states[row]] -= 1
        self.states[row] = _CODE[new]
        self._counts[_CODE[new]] += 1
        if entry.attempt is not None:
            self.attempts[row] = entry.attempt
        if entry.watch:
            self.watch[row] = list(entry.watch)
        spent = new is RowState.SHIPPED or (new is RowState.VOIDED and is_owed(entry.details))
        self.charged[row] = (entry.charged_cents or 0) if spent else 0
        return self._noted(row, entry, new)

    def _noted(self, row: int, entry: LedgerEntry, new: RowState) -> LedgerEntry:
        """Return `entry` with the id under which its row is prepared, and note what is missing.

        Only the last entry of a row counts after a restart, so every entry carries the id on until
        the row is bought: with it, a second purchase of the row is refused by the carrier itself.
        An empty id says that a person gave the old one up.
        """
        labelled = bool(entry.labels) or entry.label_sequence is not None
        if new is RowState.SHIPPED and not labelled:
            self.unlabelled.add(row)
        else:
            self.unlabelled.discard(row)
        if new in _BOUGHT:
            self.prepared.pop(row, None)
        elif entry.shipment_id == "":
            self.prepared.pop(row, None)
            return entry._replace(shipment_id=None)
        elif entry.shipment_id is not None:
            self.prepared[row] = entry.shipment_id
        elif row in self.prepared:
            return entry._replace(shipment_id=self.prepared[row])
        return entry

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
        entries, waiters = self._queue, self._waiters
        self._queue, self._waiters, self._urgent = [], [], False
        self._busy, self._started = True, time.monotonic()
        work = loop.run_in_executor(self._writer, self._commit, entries)
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
        """Fail every waiter at once after a failed commit, and accept nothing any more.

        The in-memory states are ahead of the disk from here on, so going on could send a row whose
        intent was never written.
        """
        self.broken = (
            error if isinstance(error, CheckpointWriteError) else _write_error(self.path, error)
        )
        waiters = waiters + self._waiters
        self._queue, self._waiters = [], []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(self.broken)

    def _commit(self, entries: list[LedgerEntry]) -> None:
        """Make entries durable, on the writer thread.

        After this returns a carrier may be called for a row whose intent is among them; before it
        returns, a crash would leave a purchase without a trace.
        """
        if not entries:
            return
        sequence = self._sequence + 1
        table = to_table(entries, first_entry=self._entry + 1, sequence=sequence)
        meta = {"generation": self.generation, "sequence": sequence, "previous": self._sha}
        labelled = any(entry.labels for entry in entries)
        try:
            if labelled and self._save_labels is not None:
                # Before the segment that names them: a label that is named must be there.
                meta["labels"] = self._save_labels(sequence, labels_of(table))
                table, labelled = without_labels(table), False
            data = encode(table, meta)
            sha = sha256(data).hexdigest()
            name = segment_name(self.generation, sequence, sha, labelled=labelled)
            self._disk.publish(self._segments, name, data)
            # After the segment, never before: HEAD must not name one that a crash prevented.
            write_head(self._disk, self.path, Head(sequence, name, sha))
        except OSError as error:
            raise _write_error(self.path, error) from error
        self._compactor.add(
            table, self._segments / name, sequence, self._sha, sha, labelled=labelled
        )
        self._sequence, self._sha, self._entry = sequence, sha, self._entry + len(entries)
        self.commits += 1


def _read_rows(table: Any, count: int) -> tuple[Any, Any, dict[int, list[int]]]:
    """Return the attempts and the charge of each row, and the attempts to look up again."""
    attempts, charged = np.zeros(count, dtype=np.int32), np.zeros(count, dtype=np.int64)
    last = table.take(last_entries(table))
    rows = last.column("row").to_numpy()
    attempts[rows] = last.column("attempt").fill_null(0).to_numpy()
    # A voided row keeps its charge in the ledger, for the record; it is no longer spent, but where
    # the carrier has not given the money back.
    states = np.asarray(last.column("state"))
    spent = states == RowState.SHIPPED.value
    voided = np.flatnonzero(states == RowState.VOIDED.value)
    spent[voided] = [is_owed(text) for text in last.column("details").take(voided).to_pylist()]
    charged[rows] = np.where(spent, last.column("charged_cents").fill_null(0).to_numpy(), 0)
    watched = last.filter(last.column("watch").is_valid())
    return (
        attempts,
        charged,
        dict(
            zip(watched.column("row").to_pylist(), watched.column("watch").to_pylist(), strict=True)
        ),
    )


def _read_prepared(table: Any) -> dict[int, str]:
    """Return the ids of rows that are prepared at the carrier and not bought."""
    last = table.take(last_entries(table))
    bought = pc.is_in(last.column("state"), value_set=pa.array([str(state) for state in _BOUGHT]))
    held = last.filter(pc.and_(last.column("shipment_id").is_valid(), pc.invert(bought)))
    return dict(
        zip(held.column("row").to_pylist(), held.column("shipment_id").to_pylist(), strict=True)
    )


def _read_unlabelled(table: Any) -> set[int]:
    last = table.take(last_entries(table))
    shipped = pc.equal(last.column("state"), RowState.SHIPPED.value)
    lacking = last.filter(pc.and_(shipped, pc.invert(last.column("label_sequence").is_valid())))
    return set(lacking.column("row").to_pylist())


def _highest_entry(table: Any) -> int:
    return int(table.column("entry").to_numpy().max()) if table.num_rows else 0


def _write_error(path: Path, error: BaseException) -> CheckpointWriteError:
    if isinstance(error, StoreError):
        return CheckpointWriteError(
            f"The job {path.name} cannot be written: {error}.",
            fix="Check the network and the credentials of the object store, then resume: nothing "
            "more was sent, and rows in flight will be looked up.",
        )
    return CheckpointWriteError(
        f"The job {path.name} cannot be written: {error}.",
        fix="Free disk space, or correct the folder's permissions, then resume: nothing more was "
        "sent, and rows in flight will be looked up.",
    )


def _seen(waiter: asyncio.Future[None]) -> None:
    """Mark a failure as retrieved.

    Not every caller awaits what it recorded, and asyncio would log each failure that nothing
    retrieved; `broken` reports it to all of them.
    """
    if not waiter.cancelled():
        waiter.exception()
