"""Small helpers for SQL: names quoted, one value asked for, tables dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

__all__ = ["clear", "count", "is_table", "one", "quoted"]


def quoted(name: str) -> str:
    """Return `name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def one(
    con: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, Any] | None = None
) -> tuple[Any, ...]:
    """Return the only row of a query. All of its result is fetched: one that is left open bars the connection."""
    rows: list[tuple[Any, ...]] = con.execute(sql, dict(params or {})).fetchall()
    return rows[0]


def count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return how many lines a table or view has."""
    return int(one(con, f"SELECT count(*) FROM {quoted(table)}")[0])


def clear(con: duckdb.DuckDBPyConnection, *names: str) -> None:
    """Drop tables and views by name, whichever they are."""
    kinds = _kinds(con)
    for name in names:
        if name in kinds:
            con.execute(f"DROP {'VIEW' if kinds[name] == 'VIEW' else 'TABLE'} {quoted(name)}")


def is_table(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Return whether `name` is a table, and no view."""
    return _kinds(con).get(name) != "VIEW"


def _kinds(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(
        con.execute(
            "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = "
            "'main'"
        ).fetchall()
    )
