"""Write tracking numbers into the database that the orders came from, one transaction per chunk.

A table of its own (``shipkit_written``) records which rows of which job were written, and what. It
changes in the same transaction as the orders: after a kill between two chunks, running again
writes what is left. A row that someone changed after it was written stays as it is.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from shipkit.common.lock import held
from shipkit.common.words import counted, row_list
from shipkit.errors import SourceChanged, SourceError, WriteBackError
from shipkit.orders.database import Database
from shipkit.orders.database.dialect import Change, Dialect
from shipkit.outputs.writeback.additions import additions, default_columns
from shipkit.outputs.writeback.origin import stored_rows
from shipkit.outputs.writeback.row_identity import (
    Identity,
    identity_of,
    is_compared,
    same_cell,
)
from shipkit.purchasing.store import JobStore

__all__ = ["Written", "write_to_database"]

_LEDGER = "shipkit_written"
_CHUNK = 500
"""Rows in a transaction: large enough that commits do not dominate, small enough that a lock on
the orders table is short."""


@dataclass(frozen=True)
class _Target:
    """The table, and what is written to it."""

    dialect: Dialect
    table: str
    key: Sequence[str]
    columns: Sequence[str]
    types: Mapping[str, str]
    identity: Identity


@dataclass(frozen=True)
class Written:
    """What a write-back into a database did: rows written now, and rows written before."""

    rows: int
    already: int
    table: str

    def __str__(self) -> str:
        return f"{counted(self.rows, 'row')} of {self.table} written" + (
            f" ({self.already:,} were written before)" if self.already else ""
        )


def write_to_database(
    store: JobStore,
    database: Database,
    *,
    columns: Mapping[str, str] | None = None,
    allow_test_numbers: bool = False,
    chunk: int = _CHUNK,
) -> Written:
    """Write a job's tracking numbers into the rows of the table that the orders came from.

    Parameters
    ----------
    database
        The table. It needs a primary key (or ``key=``) whose columns were loaded with the orders.
    columns
        Result column -> column of the table; default: those of
        :func:`~shipkit.outputs.writeback.additions.default_columns` that the table has.
    allow_test_numbers
        The tracking numbers of a sandbox or test job are made up. They are written only if this is
        True.
    chunk
        Rows in one transaction.

    Raises
    ------
    WriteBackError
        The job is not live, the table has no key or none of the columns, or the database refuses.
        Chunks that were written stay written, and are not written again.
    SourceChanged
        Rows that were loaded are no longer in the table; the message has their row numbers. All
        others were written.
    """
    if not store.manifest.live and not allow_test_numbers:
        raise WriteBackError(
            f"{store.job_id} is a {store.manifest.environment} job: its tracking numbers are not "
            "real, and would be among your orders.",
            fix='Write a file instead: write_back("orders_shipped.csv"), or pass '
            "allow_test_numbers=True.",
        )
    if database.table is None:
        raise WriteBackError(
            "Orders that were read by a query cannot be written back.",
            fix='Give the table as well: sk.Database(url, query=..., table="orders").',
        )
    with held(store.path, what="write_back"):
        try:
            with database.dialect.connected(database.location) as connection:
                return _write(connection, database, store, columns, chunk)
        except SourceError as error:
            raise WriteBackError(error.message, fix=error.fix) from None


def _write(
    connection: Any,
    database: Database,
    store: JobStore,
    columns: Mapping[str, str] | None,
    chunk: int,
) -> Written:
    dialect, table = database.dialect, str(database.table)
    types = dialect.types(connection, table)
    wanted = _wanted(columns, types, table, default_columns(store.plan))
    key = _key(database, connection, types)
    changes, unnamed = _changes(store, key, wanted)
    target = _Target(
        dialect, table, key, list(wanted.values()), types, identity_of(store, key, wanted, types)
    )
    _make_ledger(connection, dialect)
    done = _done(connection, dialect, store.job_id)
    left = [change for change in changes if done.get(change.number) != _digest(change)]
    gone: list[int] = []
    for part in _parts(left, chunk):
        gone += _write_part(connection, target, part, store.job_id)
    if gone or unnamed:
        parts = [f"no longer contains {row_list(gone, 20)} (as loaded)"] if gone else []
        parts += [f"has no key for {row_list(unnamed, 20)} ({', '.join(key)})"] if unnamed else []
        raise SourceChanged(
            f"The table {table} {' and '.join(parts)}. The other rows were written.",
            fix="Their tracking numbers are in session.results(), by order_id.",
        )
    return Written(len(left), len(changes) - len(left), table)


# -- what is written -------------------------------------------------------------------------------


def _wanted(
    columns: Mapping[str, str] | None,
    types: Mapping[str, str],
    table: str,
    default: Mapping[str, str],
) -> dict[str, str]:
    if not types:
        raise WriteBackError(f"There is no table {table}.", fix="Check its name and its schema.")
    chosen = (
        dict(columns)
        if columns is not None
        else {name: heading for name, heading in default.items() if heading in types}
    )
    missing = [heading for heading in chosen.values() if heading not in types]
    if missing or not chosen:
        lacks = missing or list(default.values())
        raise WriteBackError(
            f"The table {table} has no column {' or '.join(lacks)}.",
            fix=f"Add it: ALTER TABLE {table} ADD COLUMN {lacks[0]} VARCHAR(200); or use another: "
            'columns={"tracking_numbers": "<column>"}.',
        )
    returns = default.get(_RETURNS)
    if returns is not None and columns is None and returns not in types:
        warnings.warn(
            f"The table {table} has no column {returns}: the numbers of return labels are not "
            f"written. Add it: ALTER TABLE {table} ADD COLUMN {returns} VARCHAR(200), and write "
            "back again.",
            stacklevel=2,
        )
    return chosen


_RETURNS: Final = "return_tracking_numbers"


def _key(database: Database, connection: Any, types: Mapping[str, str]) -> tuple[str, ...]:
    key = database.key_columns(connection)
    unknown = [name for name in key if name not in types]
    if not key or unknown:
        problem = f"has no column {unknown[0]}" if unknown else "has no primary key"
        raise WriteBackError(
            f"The table {database.table} {problem}, so its rows cannot be identified.",
            fix='Give the columns that do: sk.Database(url, table=..., key="order_id").',
        )
    return key


def _changes(
    store: JobStore, key: Sequence[str], wanted: Mapping[str, str]
) -> tuple[list[Change], list[int]]:
    """Return the new cells of each row, and the numbers of rows that have no key."""
    stored = stored_rows(store)
    missing = [name for name in key if name not in stored.column_names]
    if missing:
        raise WriteBackError(
            f"The orders were loaded without the key column {missing[0]}.",
            fix="Load the orders with that column: it links each of them to its row.",
        )
    new = additions(store.results(), store.plan, stored.num_rows, wanted)
    texts = new.texts().select(list(wanted.values()))
    cells = zip(*(column.to_pylist() for column in texts.columns), strict=True)
    keys = zip(*(stored.column(name).to_pylist() for name in key), strict=True)
    numbers = stored.column("row_number").to_pylist()
    changes = [
        Change(number, tuple(names), tuple(cell or None for cell in row))
        for number, names, row in zip(numbers, keys, cells, strict=True)
        if any(row)
    ]
    unnamed = [change.number for change in changes if None in change.key]
    return [change for change in changes if None not in change.key], unnamed


def _digest(change: Change) -> str:
    return hashlib.sha256(json.dumps([change.key, change.cells]).encode()).hexdigest()


def _parts(changes: Sequence[Change], size: int) -> Iterator[Sequence[Change]]:
    for start in range(0, len(changes), size):
        yield changes[start : start + size]


# -- the table of what was written -----------------------------------------------------------------


def _make_ledger(connection: Any, dialect: Dialect) -> None:
    # Plain SQL that SQLite, PostgreSQL and MySQL agree on; MySQL needs a length in a key column.
    ddl = f"""
        CREATE TABLE IF NOT EXISTS {_LEDGER} (
            job_id VARCHAR(100) NOT NULL,
            line_number BIGINT NOT NULL,
            digest VARCHAR(100) NOT NULL,
            written_at VARCHAR(100) NOT NULL,
            PRIMARY KEY (job_id, line_number)
        )
    """
    try:
        with _transaction(connection, dialect) as cursor:
            cursor.execute(ddl)
    except dialect.failures() as error:
        raise WriteBackError(
            f"The table {_LEDGER}, which records what was written, cannot be created: "
            f"{' '.join(str(error).split())[:200]}",
            fix=f"Have it created once: {' '.join(ddl.split())}",
        ) from None


def _done(connection: Any, dialect: Dialect, job_id: str) -> dict[int, str]:
    with _transaction(connection, dialect) as cursor:
        cursor.execute(
            f"""
            SELECT line_number, digest
            FROM {_LEDGER}
            WHERE job_id = {dialect.mark(1)}
            """,
            [job_id],
        )
        return {int(number): str(digest) for number, digest in cursor.fetchall()}


@contextmanager
def _transaction(connection: Any, dialect: Dialect) -> Iterator[Any]:
    """Yield a cursor in a transaction that is committed on success and else rolled back."""
    cursor = connection.cursor()
    try:
        # SQLite's driver would begin a transaction that only upgrades to a write lock later, and
        # fails then if another process holds it, instead of waiting now.
        if dialect.name == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        yield cursor
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        cursor.close()


def _write_part(connection: Any, target: _Target, part: Sequence[Change], job_id: str) -> list[int]:
    """Write one chunk and record it, both or neither; return the numbers of missing rows.

    The rows are read again before the transaction ends: they are locked then, and what a trigger or
    a column that is too short made of a number is found.
    """
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    dialect, table = target.dialect, target.table
    with _transaction(connection, dialect) as cursor:
        name = dialect.table(table)
        dialect.update(cursor, name, target.key, target.columns, part, target.types)
        read = [*target.columns, *target.identity.columns]
        found = dialect.rows(cursor, name, target.key, read, part, target.types)
        for change in part:
            _refuse_other(target, change, found.get(change.number, []))
        written = [change for change in part if found.get(change.number)]
        if written:
            _note(cursor, dialect, written, job_id, now)
    return [change.number for change in part if not found.get(change.number)]


def _refuse_other(target: _Target, change: Change, rows: Sequence[tuple[Any, ...]]) -> None:
    """Raise WriteBackError when a key leads to several rows, another order, or other cells."""
    if len(rows) > 1:
        raise WriteBackError(
            f"The key {', '.join(target.key)} matches {len(rows)} rows of {target.table} for row "
            f"{change.number} of the orders. This chunk was not written.",
            fix="Give a key that is unique.",
        )
    for row in rows:
        cells, others = row[: len(change.cells)], row[len(change.cells) :]
        place = f"{target.table} where {', '.join(target.key)} is {', '.join(change.key)}"
        loaded = target.identity.of(change.number)
        for name, there, was in zip(target.identity.columns, others, loaded, strict=True):
            if not same_cell(there, was):
                raise SourceChanged(
                    f"Row {change.number} of the orders is another one now: in {place}, {name} is "
                    f"{there!r} and was {was!r}. This chunk was not written.",
                    fix="Load the orders again, or correct the table. The tracking numbers are in "
                    "session.results(), by order_id.",
                )
        for name, there, wanted in zip(target.columns, cells, change.cells, strict=True):
            if is_compared(target.types[name]) and not same_cell(there, wanted):
                raise WriteBackError(
                    f"The database did not keep {wanted!r} in {name} of {place}: it has {there!r}. "
                    "This chunk was not written.",
                    fix="Is the column long enough? Does a trigger change it? Or use another "
                    'column: columns={"tracking_numbers": "<column>"}.',
                )


def _note(cursor: Any, dialect: Dialect, written: Sequence[Change], job_id: str, now: str) -> None:
    places = iter(range(1, 4 * len(written) + 1))
    rows = ", ".join(
        "(" + ", ".join(dialect.mark(next(places)) for _ in range(4)) + ")" for _ in written
    )
    values = [
        value for change in written for value in (job_id, change.number, _digest(change), now)
    ]
    cursor.execute(
        f"""
        INSERT INTO {_LEDGER} (job_id, line_number, digest, written_at)
        VALUES {rows}
        {dialect.upsert}
        """,
        values,
    )
