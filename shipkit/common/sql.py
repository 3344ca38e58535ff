"""Small helpers for SQL: quote a name, name a type, fetch a single row or a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import duckdb
import pyarrow as pa

__all__ = ["arrow", "duck_type", "is_interrupt", "one", "quoted"]

_FEW_ROWS: Final = 10_000


def quoted(name: str) -> str:
    """Return `name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def duck_type(kind: pa.DataType) -> str:
    """Return DuckDB's name of an Arrow type: those that the shipments table has."""
    if pa.types.is_struct(kind):
        fields = ", ".join(f'"{field.name}" {duck_type(field.type)}' for field in kind)
        return f"STRUCT({fields})"
    if pa.types.is_list(kind):
        return f"{duck_type(kind.value_type)}[]"
    return {
        "string": "VARCHAR",
        "bool": "BOOLEAN",
        "int64": "BIGINT",
        "double": "DOUBLE",
        "date32[day]": "DATE",
    }[str(kind)]


def one(
    con: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, Any] | None = None
) -> tuple[Any, ...]:
    """Return the only row of a query.

    The whole result is fetched, because an open result blocks the connection.
    """
    rows: list[tuple[Any, ...]] = con.execute(sql, dict(params or {})).fetchall()
    return rows[0]


def arrow(con: duckdb.DuckDBPyConnection, query: str, *, rows: int) -> pa.Table:
    """Return the result of a long query, of about so many rows, as an Arrow table.

    A relation is planned when it is made and again when it is read. For a query of many expressions
    that takes longer than to read a small file, so a small result is stored in a table.
    """
    if rows > _FEW_ROWS:
        return con.sql(query).to_arrow_table()
    con.execute(f"CREATE OR REPLACE TEMP TABLE arrow_result AS {query}")
    try:
        return con.sql("FROM arrow_result").to_arrow_table()
    finally:
        con.execute("DROP TABLE arrow_result")


def is_interrupt(error: BaseException) -> bool:
    """Return whether DuckDB ended a query because of Ctrl-C, which it reports in two ways."""
    return isinstance(error, duckdb.InterruptException) or (
        isinstance(error, RuntimeError) and str(error) == "Query interrupted"
    )
