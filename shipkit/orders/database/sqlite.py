"""SQLite: read through ADBC where that is possible, else through Python's own module."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from shipkit.errors import SourceError
from shipkit.orders.database.dialect import ON_CONFLICT, Dialect
from shipkit.orders.database.drivers import (
    arrow_fetch,
    double_quoted,
    driver,
    has_driver,
    rows_to_table,
)
from shipkit.orders.database.row_updates import one_by_one, read_one_by_one
from shipkit.orders.database.urls import Location

__all__ = ["SQLITE"]


def _connect(location: Location, read_only: bool) -> Any:
    path = Path(location.name).expanduser()
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise SourceError(
            f"{path} is {what}, and SQLite reads from any place of a file.",
            fix="Give the path of the database file; save what comes through a pipe to a file "
            "first, for example: cat > orders.db",
        )
    if not path.is_file():
        raise SourceError(
            f"{path} does not exist.",
            fix="Check the path: sqlite:///orders.db is relative to the working folder, "
            "sqlite:////data/orders.db is absolute.",
        )
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")
    connection.execute("PRAGMA busy_timeout = 10000")
    return connection


def _failures() -> tuple[type[Exception], ...]:
    if not has_driver("adbc_driver_sqlite"):
        return (sqlite3.Error,)
    return (sqlite3.Error, driver("adbc_driver_manager").Error)


def _fetch(connection: Any, sql: str, values: Sequence[Any]) -> pa.Table:
    """Read through ADBC; a column with several types, which SQLite allows, is read in Python."""
    if has_driver("adbc_driver_sqlite") and not values:
        path = connection.execute("PRAGMA database_list").fetchall()[0][2]
        adbc = driver("adbc_driver_sqlite.dbapi")
        try:
            with adbc.connect(f"file:{path}?mode=ro") as arrow:
                return arrow_fetch(arrow, sql, values)
        except adbc.Error:
            pass  # a mixed column, or a query that is wrong: reading it in Python shows which
    cursor = connection.execute(sql, list(values))
    return rows_to_table([str(item[0]) for item in cursor.description], cursor.fetchall())


def _table_info(connection: Any, table: str) -> list[tuple[Any, ...]]:
    """Return the columns of a table: (number, name, type, not null, default, place in the key)."""
    info = connection.execute(f"PRAGMA table_info({double_quoted(table)})")
    rows: list[tuple[Any, ...]] = info.fetchall()
    return rows


def _primary_key(connection: Any, table: str | None) -> list[str]:
    keyed = [row for row in _table_info(connection, str(table)) if row[5]]
    return [row[1] for row in sorted(keyed, key=lambda row: row[5])]


def _types(connection: Any, table: str) -> dict[str, str]:
    return {row[1]: row[2] for row in _table_info(connection, table)}


SQLITE: Final = Dialect(
    name="sqlite",
    connect=_connect,
    failures=_failures,
    quote=double_quoted,
    mark=lambda _: "?",
    fetch=_fetch,
    primary_key=_primary_key,
    types=_types,
    update=one_by_one(double_quoted, "?"),
    rows=read_one_by_one(double_quoted, "?"),
    upsert=ON_CONFLICT,
    declared=_types,
    text=lambda column: f"trim(CAST({column} AS TEXT)) COLLATE BINARY",
)
