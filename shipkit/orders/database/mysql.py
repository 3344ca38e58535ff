"""MySQL and MariaDB, through PyMySQL: rows come in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from shipkit.errors import SourceError
from shipkit.orders.database.dialect import Dialect
from shipkit.orders.database.drivers import driver, rows_to_table, stacked
from shipkit.orders.database.row_updates import one_by_one, read_one_by_one
from shipkit.orders.database.urls import Location

__all__ = ["MYSQL"]

_BATCH: Final = 50_000
_WITHOUT_TRANSACTIONS: Final = frozenset({"myisam", "aria", "memory", "csv"})
"""Storage engines that would keep half of a chunk after a crash."""


def _backtick(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _connect(location: Location, read_only: bool) -> Any:
    pymysql = driver("pymysql")
    options = {
        name: location.options[name]
        for name in ("unix_socket", "ssl_ca", "charset")
        if name in location.options
    }
    connection = pymysql.connect(
        host=location.host or "localhost",
        port=location.port or 3306,
        user=location.user,
        password=location.password.get_secret_value() if location.password else "",
        database=location.name or None,
        # Without it, an UPDATE that changes nothing counts no row, as if the key did not exist.
        client_flag=pymysql.constants.CLIENT.FOUND_ROWS,
        connect_timeout=10,
        **{"charset": "utf8mb4", **options},
    )
    if read_only:
        connection.query("START TRANSACTION READ ONLY")
    return connection


def _failures() -> tuple[type[Exception], ...]:
    return (driver("pymysql").err.Error,)


def _fetch(connection: Any, sql: str, values: Sequence[Any]) -> pa.Table:
    cursor = connection.cursor(driver("pymysql.cursors").SSCursor)
    try:
        cursor.execute(sql, list(values) or None)
        names = [str(item[0]) for item in cursor.description]
        parts = []
        while rows := cursor.fetchmany(_BATCH):
            parts.append(rows_to_table(names, rows))
    finally:
        cursor.close()
    return stacked(parts) if parts else rows_to_table(names, [])


def _rows(connection: Any, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values))
        return list(cursor.fetchall())


def _condition(table: str) -> tuple[str, list[str]]:
    """Return the condition that finds a table in information_schema, and its values."""
    schema, _, name = table.rpartition(".")
    if schema:
        return "table_schema = %s AND table_name = %s", [schema, name]
    return "table_schema = DATABASE() AND table_name = %s", [name]


def _primary_key(connection: Any, table: str | None) -> list[str]:
    condition, values = _condition(str(table))
    sql = f"""
        SELECT column_name
        FROM information_schema.key_column_usage
        WHERE {condition} AND constraint_name = 'PRIMARY'
        ORDER BY ordinal_position
    """
    return [str(name) for (name,) in _rows(connection, sql, values)]


def _types(connection: Any, table: str) -> dict[str, str]:
    condition, values = _condition(table)
    sql = f"SELECT engine FROM information_schema.tables WHERE {condition}"
    engines = _rows(connection, sql, values)
    if engines and str(engines[0][0]).lower() in _WITHOUT_TRANSACTIONS:
        raise SourceError(
            f"The table {table} uses the engine {engines[0][0]}, which has no transactions.",
            fix=f"ALTER TABLE {table} ENGINE = InnoDB.",
        )
    return _declared(connection, table)


def _declared(connection: Any, table: str) -> dict[str, str]:
    condition, values = _condition(table)
    sql = f"SELECT column_name, column_type FROM information_schema.columns WHERE {condition}"
    return {str(name): str(kind) for name, kind in _rows(connection, sql, values)}


MYSQL: Final = Dialect(
    name="mysql",
    connect=_connect,
    failures=_failures,
    quote=_backtick,
    mark=lambda _: "%s",
    fetch=_fetch,
    primary_key=_primary_key,
    types=_types,
    update=one_by_one(_backtick, "%s"),
    rows=read_one_by_one(_backtick, "%s"),
    upsert=("ON DUPLICATE KEY UPDATE digest = VALUES(digest), written_at = VALUES(written_at)"),
    declared=_declared,
    text=lambda column: f"trim(CONVERT({column} USING utf8mb4)) COLLATE utf8mb4_bin",
)
