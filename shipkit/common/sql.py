"""Small helpers for SQL: quote a name, fetch a single row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

__all__ = ["one", "quoted"]


def quoted(name: str) -> str:
    """Return `name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def one(
    con: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, Any] | None = None
) -> tuple[Any, ...]:
    """Return the only row of a query.

    The whole result is fetched, because an open result blocks the connection.
    """
    rows: list[tuple[Any, ...]] = con.execute(sql, dict(params or {})).fetchall()
    return rows[0]
