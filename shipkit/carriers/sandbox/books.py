"""The sandbox's books: every purchase in SQLite, durable before the answer.

Several processes may share them. One thread owns the connection and commits everything that waits
as one transaction (group commit), so that no event loop waits for a disk. The thread ends when
nothing was asked for a while, and starts again with the next request.
"""

from __future__ import annotations

import asyncio
import json
import queue
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["Books", "Entry", "StoredPart"]

T = TypeVar("T")
_IDLE_S = 2.0
_BLOCK = 1000
"""Tracking numbers that a process takes from the books at a time."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS purchases (
  shipment_id TEXT PRIMARY KEY,
  reference TEXT NOT NULL,
  account TEXT NOT NULL,
  service TEXT NOT NULL,
  numbers TEXT NOT NULL,
  cents INTEGER NOT NULL,
  currency TEXT NOT NULL,
  billed_weight_lb REAL,
  created_at REAL NOT NULL,
  visible_at REAL NOT NULL,
  voided_at REAL
);
CREATE INDEX IF NOT EXISTS by_reference ON purchases (reference);
CREATE TABLE IF NOT EXISTS labels (
  tracking_number TEXT PRIMARY KEY,
  shipment_id TEXT NOT NULL,
  format TEXT NOT NULL,
  data BLOB,
  fixed_bytes INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_shipment ON labels (shipment_id);
CREATE TABLE IF NOT EXISTS form_labels (
  tracking_number TEXT PRIMARY KEY,
  number TEXT NOT NULL,
  account TEXT NOT NULL,
  day TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pickups (
  number TEXT PRIMARY KEY,
  reference TEXT NOT NULL,
  account TEXT NOT NULL,
  day TEXT NOT NULL,
  cents INTEGER NOT NULL,
  canceled_at REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pickups_settled (
  reference TEXT NOT NULL,
  account TEXT NOT NULL,
  PRIMARY KEY (reference, account)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class StoredPart:
    """The label of one parcel: its bytes, or (`data` None) the size of an invented one."""

    tracking_number: str
    format: str
    data: bytes | None = field(repr=False)
    fixed_bytes: int | None = None


@dataclass(frozen=True)
class Entry:
    """One purchase. Times are seconds since 1970; a late one becomes visible at `visible_at`."""

    shipment_id: str
    reference: str
    account: str
    service: str
    numbers: tuple[str, ...]
    cents: int
    currency: str
    billed_weight_lb: float | None
    created_at: float
    visible_at: float
    voided_at: float | None = None


class Books:
    """The books at `path`. Several processes may use the same file."""

    def __init__(self, path: Path, *, seed: int | None = None) -> None:
        self.path = path
        self._seed = seed
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._free: deque[str] = deque()

    async def numbers(self, count: int) -> tuple[str, ...]:
        """Return `count` new tracking numbers, which cannot be those of a real carrier."""
        while (taken := self._take(count)) is None:
            block = await self.run(_reserve)
            with self._guard:
                self._free.extend(block)
        return taken

    async def add(self, entry: Entry, labels: Sequence[StoredPart]) -> None:
        """Record a purchase. It is durable when this returns."""

        def op(con: sqlite3.Connection) -> None:
            con.execute(
                "INSERT INTO purchases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    entry.shipment_id,
                    entry.reference,
                    entry.account,
                    entry.service,
                    json.dumps(entry.numbers),
                    entry.cents,
                    entry.currency,
                    entry.billed_weight_lb,
                    entry.created_at,
                    entry.visible_at,
                    entry.voided_at,
                ),
            )
            con.executemany(
                "INSERT INTO labels VALUES (?, ?, ?, ?, ?)",
                [
                    (p.tracking_number, entry.shipment_id, p.format, p.data, p.fixed_bytes)
                    for p in labels
                ],
            )

        await self.run(op)

    async def find(
        self, reference: str, account: str | None = None
    ) -> list[tuple[Entry, list[StoredPart]]]:
        """Return the purchases visible under `reference` now, oldest first, with labels."""

        def op(con: sqlite3.Connection) -> list[tuple[Entry, list[StoredPart]]]:
            rows = con.execute(
                f"{_SELECT} WHERE reference = ? AND visible_at <= ? AND (? IS NULL OR account = "
                "?) ORDER BY created_at, rowid",
                (reference, time.time(), account, account),
            ).fetchall()
            return [(entry, _parts(con, entry)) for entry in map(_entry, rows)]

        return await self.run(op)

    async def void(self, shipment_id: str, account: str | None = None) -> Entry | None:
        """Mark a purchase as voided and return it; None when there is none with this id.

        Voiding it again changes nothing.
        """

        def op(con: sqlite3.Connection) -> Entry | None:
            now = time.time()
            con.execute(
                "UPDATE purchases SET voided_at = coalesce(voided_at, ?) WHERE shipment_id = ? "
                "AND visible_at <= ? AND (? IS NULL OR account = ?)",
                (now, shipment_id, now, account, account),
            )
            row = con.execute(
                f"{_SELECT} WHERE shipment_id = ? AND voided_at IS NOT NULL", (shipment_id,)
            ).fetchone()
            return None if row is None else _entry(row)

        return await self.run(op)

    async def entries(self) -> list[Entry]:
        """Return every purchase, including late ones that are not visible yet."""
        return await self.run(
            lambda con: [
                _entry(row) for row in con.execute(f"{_SELECT} ORDER BY created_at, rowid")
            ]
        )

    async def close(self) -> None:
        """Finish what waits and close the file. The next request opens it again."""
        with self._guard:
            thread = self._thread
            if thread is not None:
                self._jobs.put(None)
        if thread is not None:
            await asyncio.to_thread(thread.join)

    def _take(self, count: int) -> tuple[str, ...] | None:
        with self._guard:
            if len(self._free) < count:
                return None
            return tuple(self._free.popleft() for _ in range(count))

    async def run(self, op: Callable[[sqlite3.Connection], T]) -> T:
        """Return ``op(connection)``, committed. It may run twice, and must not commit itself."""
        future: Future[T] = Future()
        with self._guard:
            self._jobs.put((op, future))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._write, name="shipkit-sandbox-books", daemon=True
                )
                self._thread.start()
        return await asyncio.wrap_future(future)

    def _write(self) -> None:
        """Commit everything that waits, until it is time to stop. Runs in the thread."""
        con: sqlite3.Connection | None = None
        try:
            while (batch := self._next_batch()) is not None:
                if con is None:
                    try:
                        con = _open(self.path, self._seed)
                    except (sqlite3.Error, OSError) as error:
                        _fail(batch, error)
                        continue
                _commit(con, batch)
        finally:
            if con is not None:
                con.close()

    def _next_batch(self) -> list[_Work] | None:
        try:
            first = self._jobs.get(timeout=_IDLE_S)
        except queue.Empty:
            first = None
        batch = [first]
        while not self._jobs.empty():
            batch.append(self._jobs.get())
        work = [job for job in batch if job is not None and job[1].set_running_or_notify_cancel()]
        if len(batch) > 1 and None in batch:
            self._jobs.put(None)  # stop after this batch
        if len(batch) > 1 or first is not None:
            return work
        with self._guard:
            if self._jobs.empty():
                self._thread = None
                return None
        return []


_Work = tuple[Callable[[sqlite3.Connection], Any], "Future[Any]"]
_Job = _Work | None

_SELECT = (
    "SELECT shipment_id, reference, account, service, numbers, cents, currency, billed_weight_lb, "
    "created_at, visible_at, voided_at FROM purchases"
)


def _entry(row: tuple[Any, ...]) -> Entry:
    shipment_id, reference, account, service, numbers, *rest = row
    return Entry(shipment_id, reference, account, service, tuple(json.loads(numbers)), *rest)


def _reserve(con: sqlite3.Connection) -> list[str]:
    """Reserve a block of numbers. Those that are not used stay unused."""
    book = con.execute("SELECT value FROM meta WHERE name = 'book'").fetchone()[0]
    first = (
        con.execute(
            "UPDATE meta SET value = value + ? WHERE name = 'next' RETURNING value", (_BLOCK,)
        ).fetchone()[0]
        - _BLOCK
    )
    return [f"SANDBOX{book:04d}{number:08d}" for number in range(first, first + _BLOCK)]


def _parts(con: sqlite3.Connection, entry: Entry) -> list[StoredPart]:
    rows = con.execute(
        "SELECT tracking_number, format, data, fixed_bytes FROM labels WHERE shipment_id = ? "
        "ORDER BY tracking_number",
        (entry.shipment_id,),
    )
    return [StoredPart(*row) for row in rows]


def _open(path: Path, seed: int | None) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    con = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    con.execute("PRAGMA journal_mode = WAL")
    con.execute("PRAGMA synchronous = FULL")
    con.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA.split(";"):
        con.execute(statement)
    book = random.Random(seed).randrange(10_000)  # noqa: S311 - tells two books apart, guards nothing
    con.execute("INSERT OR IGNORE INTO meta VALUES ('next', 1), ('book', ?)", (book,))
    con.execute("COMMIT")
    return con


def _commit(con: sqlite3.Connection, batch: list[_Work]) -> None:
    """Run `batch` as one transaction; when one of it fails, each in its own."""
    results = []
    try:
        con.execute("BEGIN IMMEDIATE")
        results = [op(con) for op, _ in batch]
        con.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - the edge of the thread: the caller that waits gets it
        if con.in_transaction:
            con.execute("ROLLBACK")
        if len(batch) <= 1:
            _fail(batch, error)
        else:
            for job in batch:
                _commit(con, [job])
        return
    for (_, future), result in zip(batch, results, strict=True):
        future.set_result(result)


def _fail(batch: list[_Work], error: Exception) -> None:
    for _, future in batch:
        future.set_exception(error)
