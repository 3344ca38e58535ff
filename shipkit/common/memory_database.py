"""The one way to open a DuckDB database in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

__all__ = ["memory_database"]


def memory_database(config: Mapping[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
    """Return a new database in memory that draws nothing.

    In a notebook, DuckDB shows a bar without a name for every statement of more than two seconds,
    and the saved notebook keeps it at its first state. It is switched off before a configuration
    that locks itself, because a connection does not take it as part of its configuration.
    """
    rest = dict(config or {})
    lock = rest.pop("lock_configuration", None)
    con = duckdb.connect(":memory:", config=rest)
    con.execute("SET enable_progress_bar = false")
    if lock is not None:
        con.execute(f"SET lock_configuration = {lock}")
    return con
