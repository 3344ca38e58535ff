"""PostgreSQL, through ADBC: rows come as Arrow, and a chunk is updated in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shipkit.orders.database.dialect import ON_CONFLICT, Change, Dialect
from shipkit.orders.database.drivers import arrow_fetch, double_quoted, driver
from shipkit.orders.database.urls import Location

__all__ = ["POSTGRESQL"]


def _connect(location: Location, read_only: bool) -> Any:
    connection = driver("adbc_driver_postgresql.dbapi").connect(location.uri)
    if read_only:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
    return connection


def _failures() -> tuple[type[Exception], ...]:
    return (driver("adbc_driver_manager").Error,)


def _rows(connection: Any, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _primary_key(connection: Any, table: str | None) -> list[str]:
    sql = """
        SELECT a.attname::text
        FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = CAST($1::text AS regclass) AND i.indisprimary
        ORDER BY array_position(i.indkey::int[], a.attnum::int)
    """
    return [str(name) for (name,) in _rows(connection, sql, POSTGRESQL.table(str(table)))]


def _types(connection: Any, table: str) -> dict[str, str]:
    sql = """
        SELECT attname::text, format_type(atttypid, atttypmod)
        FROM pg_attribute
        WHERE attrelid = CAST($1::text AS regclass) AND attnum > 0 AND NOT attisdropped
    """
    found = _rows(connection, sql, POSTGRESQL.table(table))
    return {str(name): str(kind) for name, kind in found}


def _update(
    cursor: Any,
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    changes: Sequence[Change],
    types: Mapping[str, str],
) -> dict[int, int]:
    """Update all rows of a chunk in one statement, which returns the row numbers it found."""
    width = 1 + len(key) + len(columns)
    places = iter(range(1, width * len(changes) + 1))
    rows = ", ".join(
        "(" + ", ".join(f"${next(places)}::text" for _ in range(width)) + ")" for _ in changes
    )
    values = [
        value for change in changes for value in (str(change.number), *change.key, *change.cells)
    ]
    keys = [f"k{n}" for n in range(len(key))]
    cells = [f"c{n}" for n in range(len(columns))]
    assigned = ", ".join(
        f"{double_quoted(name)} = CAST(v.{cell} AS {types[name]})"
        for cell, name in zip(cells, columns, strict=True)
    )
    same = " AND ".join(
        f"t.{double_quoted(name)} = CAST(v.{value} AS {types[name]})"
        for value, name in zip(keys, key, strict=True)
    )
    cursor.execute(
        f"""
        UPDATE {table} t
        SET {assigned}
        FROM (VALUES {rows}) AS v ({", ".join(["n", *keys, *cells])})
        WHERE {same}
        RETURNING v.n
        """,
        values,
    )
    found: dict[int, int] = {}
    for (number,) in cursor.fetchall():
        found[int(number)] = found.get(int(number), 0) + 1
    return found


def _rows_of(
    cursor: Any,
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    changes: Sequence[Change],
    types: Mapping[str, str],
) -> dict[int, list[tuple[Any, ...]]]:
    """Read the rows of a chunk in one statement."""
    width = 1 + len(key)
    places = iter(range(1, width * len(changes) + 1))
    rows = ", ".join(
        "(" + ", ".join(f"${next(places)}::text" for _ in range(width)) + ")" for _ in changes
    )
    keys = [f"k{n}" for n in range(len(key))]
    wanted = ", ".join(f"t.{double_quoted(name)}::text" for name in columns)
    same = " AND ".join(
        f"t.{double_quoted(name)} = CAST(v.{value} AS {types[name]})"
        for value, name in zip(keys, key, strict=True)
    )
    cursor.execute(
        f"""
        SELECT v.n, {wanted}
        FROM {table} t
        JOIN (VALUES {rows}) AS v ({", ".join(["n", *keys])})
            ON {same}
        """,
        [value for change in changes for value in (str(change.number), *change.key)],
    )
    found: dict[int, list[tuple[Any, ...]]] = {}
    for number, *cells in cursor.fetchall():
        found.setdefault(int(number), []).append(tuple(cells))
    return found


POSTGRESQL: Final = Dialect(
    name="postgresql",
    connect=_connect,
    failures=_failures,
    quote=double_quoted,
    mark=lambda n: f"${n}",
    fetch=arrow_fetch,
    primary_key=_primary_key,
    types=_types,
    update=_update,
    rows=_rows_of,
    upsert=ON_CONFLICT,
    declared=_types,
    text=lambda column: f'trim(CAST({column} AS text)) COLLATE "C"',
)
