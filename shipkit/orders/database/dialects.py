"""What differs between databases: connecting, quoting, reading, finding the key, and updating a chunk of rows.

Values always travel as parameters. Identifiers come from the person who named the table and are
quoted.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from shipkit.errors import SourceError
from shipkit.orders.database.urls import Location

__all__ = ["Change", "Dialect", "bound", "dialect_of", "failures", "kind_of", "typed"]

_BATCH = 50_000
_TOKENS = re.compile(r"('(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|::)|:([A-Za-z_]\w*)")
_KINDS = (
    (
        "text",
        re.compile(r"(n?var|bp|n)?char(acter)?( varying)?\b(?!.*\[)|(tiny|medium|long)?text$|clob"),
    ),
    ("integer", re.compile(r"(tiny|small|medium|big)?int(eger)?(\(\d+\))?( unsigned)?$")),
    ("number", re.compile(r"(numeric|decimal|double|real|float)(?!.*\[)")),
    ("date", re.compile(r"date|timestamp")),
)
_ARROW = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "date": pa.date32()}


@dataclass(frozen=True)
class Change:
    """What one row gets: new cells by key; `number` is its line in the source."""

    number: int
    key: tuple[str, ...]
    cells: tuple[str | None, ...]


@dataclass(frozen=True)
class Dialect:
    """The functions that know one kind of database."""

    name: str
    connect: Callable[[Location, bool], Any]
    quote: Callable[[str], str]
    mark: Callable[[int], str]
    fetch: Callable[[Any, str, Sequence[Any]], pa.Table]
    primary_key: Callable[[Any, str | None], list[str]]
    types: Callable[[Any, str], dict[str, str]]
    """Columns of a table (as it writes them) -> type."""
    update: Callable[
        [Any, str, Sequence[str], Sequence[str], Sequence[Change], Mapping[str, str]],
        dict[int, int],
    ]
    """(cursor, quoted table, key columns, columns, changes, types) -> line -> how many rows had its key."""
    upsert: str
    declared: Callable[[Any, str], dict[str, str]]
    """As `types`, for a table that is only read."""
    text: Callable[[str], str]
    """A quoted column -> SQL of its cells as trimmed text that is compared mark by mark, whatever the collation."""

    def table(self, name: str) -> str:
        """Return a table's name, perhaps with its schema, quoted."""
        return ".".join(self.quote(part) for part in name.split("."))

    @contextmanager
    def connected(self, location: Location, *, read_only: bool = False) -> Iterator[Any]:
        """Give a connection, closed afterwards; what the driver raises is said once, without the password."""
        try:
            connection = self.connect(location, read_only)
            try:
                yield connection
            finally:
                connection.close()
        except failures(self.name) as error:
            raise SourceError(
                f"{location}: {location.clean(str(error))}",
                fix="Check the address, the user's rights, and the names of table and columns.",
            ) from None


def dialect_of(location: Location) -> Dialect:
    """Return the dialect of a database."""
    return {"postgresql": _POSTGRESQL, "mysql": _MYSQL, "sqlite": _SQLITE}[location.kind]


def kind_of(declared: str) -> str | None:
    """Return the kind of a column's type: text, integer, number or date; None for any other.

    Examples
    --------
    >>> [kind_of(said) for said in ("character varying(20)", "int(11) unsigned", "NUMERIC(8,2)", "timestamp with time zone", "text[]")]
    ['text', 'integer', 'number', 'date', None]
    """
    return next((kind for kind, pattern in _KINDS if pattern.match(declared.lower())), None)


def typed(table: pa.Table, declared: Mapping[str, str]) -> pa.Table:
    """Return a table whose empty columns have the type that the database declares: from rows alone nobody could tell."""
    for place, name in enumerate(table.column_names):
        kind = kind_of(declared.get(name, ""))
        if kind is not None and table.column(place).null_count == table.num_rows:
            table = table.set_column(place, name, pa.nulls(table.num_rows, _ARROW[kind]))
    return table


def failures(name: str) -> tuple[type[Exception], ...]:
    """Return the errors that the driver of a dialect raises."""
    if name == "sqlite":
        return (
            sqlite3.Error,
            *((_driver("adbc_driver_manager").Error,) if _has("adbc_driver_sqlite") else ()),
        )
    return (
        (_driver("adbc_driver_manager").Error,)
        if name == "postgresql"
        else (_driver("pymysql").err.Error,)
    )


def bound(sql: str, params: Mapping[str, Any], mark: Callable[[int], str]) -> tuple[str, list[Any]]:
    """Return `sql` with its ``:names`` as the database's own markers, and the values in their order.

    Examples
    --------
    >>> bound("SELECT * FROM t WHERE a = :a AND b = ':a'", {"a": 1}, lambda n: "?")
    ("SELECT * FROM t WHERE a = ? AND b = ':a'", [1])
    """
    values: list[Any] = []

    def one(found: re.Match[str]) -> str:
        if found[2] is None:
            return found[1]
        if found[2] not in params:
            raise SourceError(
                f"The query needs a value for :{found[2]}.",
                fix=f'Give it: params={{"{found[2]}": ...}}.',
            )
        values.append(params[found[2]])
        return mark(len(values))

    made = _TOKENS.sub(
        one, sql.replace("%", "%%") if mark(1) == "%s" else sql
    )  # PyMySQL formats where there are values
    return (made if values else sql), values


def _driver(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise SourceError(
            f"Databases need the package {module.replace('_', '-')}.",
            fix='pip install "shipkit[db]"',
        ) from None


def _has(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def _double(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _assigned(dialect_quote: Callable[[str], str], columns: Sequence[str], mark: str) -> str:
    return ", ".join(f"{dialect_quote(name)} = {mark}" for name in columns)


def _rows_to_table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Return rows as a table: a column keeps its type where all of it has one, and is text where it is mixed."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.Table.from_arrays([_array(column) for column in columns], names=list(names))


def _array(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.array(
            [
                None
                if value is None
                else value.decode("utf-8", "replace")
                if isinstance(value, bytes)
                else str(value)
                for value in values
            ],
            pa.string(),
        )


# -- PostgreSQL ------------------------------------------------------------------------------------


def _pg_connect(location: Location, read_only: bool) -> Any:
    connection = _driver("adbc_driver_postgresql.dbapi").connect(location.uri)
    if read_only:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
    return connection


def _arrow_fetch(connection: Any, sql: str, values: Sequence[Any]) -> pa.Table:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values) or None)
        found: pa.Table = cursor.fetch_arrow_table()
    return _plain(found)


def _plain(table: pa.Table) -> pa.Table:
    """Return a table without the drivers' own types: what Arrow has no type for (numeric, enums) comes as text inside one."""
    columns = [
        _unwrapped(column) if isinstance(column.type, pa.BaseExtensionType) else column
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, names=[str(name) for name in table.column_names])


def _unwrapped(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if column.type.extension_name == "arrow.uuid":
        return pa.array(
            [None if value is None else str(value) for value in column.to_pylist()], pa.string()
        )
    return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)


def _pg_rows(connection: Any, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _pg_key(connection: Any, table: str | None) -> list[str]:
    sql = (
        "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid "
        "AND a.attnum = ANY (i.indkey) "
        "WHERE i.indrelid = CAST($1::text AS regclass) AND i.indisprimary ORDER BY "
        "array_position(i.indkey::int[], a.attnum::int)"
    )
    return [str(name) for (name,) in _pg_rows(connection, sql, _POSTGRESQL.table(str(table)))]


def _pg_types(connection: Any, table: str) -> dict[str, str]:
    sql = (
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid "
        "= CAST($1::text AS regclass) AND attnum > 0 AND NOT attisdropped"
    )
    return {
        str(name): str(kind) for name, kind in _pg_rows(connection, sql, _POSTGRESQL.table(table))
    }


def _pg_update(
    cursor: Any,
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    changes: Sequence[Change],
    types: Mapping[str, str],
) -> dict[int, int]:
    """Update all rows of a chunk in one statement; it answers which lines found their row."""
    width = 1 + len(key) + len(columns)
    places = iter(range(1, width * len(changes) + 1))
    rows = ", ".join(
        "(" + ", ".join(f"${next(places)}::text" for _ in range(width)) + ")" for _ in changes
    )
    values = [
        value for change in changes for value in (str(change.number), *change.key, *change.cells)
    ]
    names = ", ".join(
        ["n", *(f"k{n}" for n in range(len(key))), *(f"c{n}" for n in range(len(columns)))]
    )
    sets = ", ".join(
        f"{_double(name)} = CAST(v.c{n} AS {types[name]})" for n, name in enumerate(columns)
    )
    same = " AND ".join(
        f"t.{_double(name)} = CAST(v.k{n} AS {types[name]})" for n, name in enumerate(key)
    )
    cursor.execute(
        f"UPDATE {table} t SET {sets} FROM (VALUES {rows}) AS v ({names}) WHERE {same} RETURNING "
        "v.n",
        values,
    )
    found: dict[int, int] = {}
    for (number,) in cursor.fetchall():
        found[int(number)] = found.get(int(number), 0) + 1
    return found


# -- SQLite ----------------------------------------------------------------------------------------


def _sqlite_connect(location: Location, read_only: bool) -> Any:
    path = Path(location.name).expanduser()
    if not path.is_file():
        raise SourceError(
            f"{path} does not exist.",
            fix="Check the path: sqlite:///orders.db is beside the working folder, "
            "sqlite:////data/orders.db is absolute.",
        )
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")
    connection.execute("PRAGMA busy_timeout = 10000")
    return connection


def _sqlite_fetch(connection: Any, sql: str, values: Sequence[Any]) -> pa.Table:
    """Read through ADBC; a column that holds several kinds (SQLite allows it) is read in Python, and is text."""
    if _has("adbc_driver_sqlite") and not values:
        path = connection.execute("PRAGMA database_list").fetchall()[0][2]
        adbc = _driver("adbc_driver_sqlite.dbapi")
        try:
            with adbc.connect(f"file:{path}?mode=ro") as arrow:
                return _arrow_fetch(arrow, sql, values)
        except adbc.Error:
            pass  # a mixed column, or a query that is wrong: the reading below tells which
    cursor = connection.execute(sql, list(values))
    return _rows_to_table([str(item[0]) for item in cursor.description], cursor.fetchall())


def _sqlite_key(connection: Any, table: str | None) -> list[str]:
    found = connection.execute(f"PRAGMA table_info({_double(str(table))})").fetchall()
    return [row[1] for row in sorted((row for row in found if row[5]), key=lambda row: row[5])]


def _sqlite_types(connection: Any, table: str) -> dict[str, str]:
    return {
        row[1]: row[2]
        for row in connection.execute(f"PRAGMA table_info({_double(table)})").fetchall()
    }


def _one_by_one(quote: Callable[[str], str], mark: str) -> Callable[..., dict[int, int]]:
    def update(
        cursor: Any,
        table: str,
        key: Sequence[str],
        columns: Sequence[str],
        changes: Sequence[Change],
        types: Mapping[str, str],  # noqa: ARG001 - these databases convert text themselves
    ) -> dict[int, int]:
        same = " AND ".join(f"{quote(name)} = {mark}" for name in key)
        sql = f"UPDATE {table} SET {_assigned(quote, columns, mark)} WHERE {same}"
        found = {}
        for change in changes:
            cursor.execute(sql, (*change.cells, *change.key))
            found[change.number] = int(cursor.rowcount)
        return found

    return update


# -- MySQL and MariaDB -----------------------------------------------------------------------------


def _backtick(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _mysql_connect(location: Location, read_only: bool) -> Any:
    driver = _driver("pymysql")
    options = {
        name: location.options[name]
        for name in ("unix_socket", "ssl_ca", "charset")
        if name in location.options
    }
    connection = driver.connect(
        host=location.host or "localhost",
        port=location.port or 3306,
        user=location.user,
        password=location.password.get_secret_value() if location.password else "",
        database=location.name or None,
        client_flag=driver.constants.CLIENT.FOUND_ROWS,
        connect_timeout=10,
        **{"charset": "utf8mb4", **options},
    )
    if read_only:
        connection.query("START TRANSACTION READ ONLY")
    return connection


def _mysql_fetch(connection: Any, sql: str, values: Sequence[Any]) -> pa.Table:
    cursor = connection.cursor(_driver("pymysql.cursors").SSCursor)
    try:
        cursor.execute(sql, list(values) or None)
        names = [str(item[0]) for item in cursor.description]
        parts = []
        while rows := cursor.fetchmany(_BATCH):
            parts.append(_rows_to_table(names, rows))
    finally:
        cursor.close()
    return _joined(parts) if parts else _rows_to_table(names, [])


def _joined(parts: Sequence[pa.Table]) -> pa.Table:
    """Return the parts below one another; a column whose parts differ in type is text."""
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        names = parts[0].column_names
        return pa.concat_tables(
            [
                pa.Table.from_arrays(
                    [
                        pa.array(
                            [None if v is None else str(v) for v in part.column(n).to_pylist()],
                            pa.string(),
                        )
                        for n in range(len(names))
                    ],
                    names=names,
                )
                for part in parts
            ]
        )


def _mysql_rows(connection: Any, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values))
        return list(cursor.fetchall())


def _mysql_place(table: str) -> tuple[str, list[str]]:
    schema, _, name = table.rpartition(".")
    return (
        ("table_schema = %s AND table_name = %s", [schema, name])
        if schema
        else ("table_schema = DATABASE() AND table_name = %s", [name])
    )


def _mysql_key(connection: Any, table: str | None) -> list[str]:
    condition, values = _mysql_place(str(table))
    sql = (
        f"SELECT column_name FROM information_schema.key_column_usage WHERE {condition} AND "
        "constraint_name = 'PRIMARY' ORDER BY ordinal_position"
    )
    return [str(name) for (name,) in _mysql_rows(connection, sql, values)]


def _mysql_types(connection: Any, table: str) -> dict[str, str]:
    condition, values = _mysql_place(table)
    engine = _mysql_rows(
        connection, f"SELECT engine FROM information_schema.tables WHERE {condition}", values
    )
    if engine and str(engine[0][0]).lower() in {"myisam", "aria", "memory", "csv"}:
        raise SourceError(
            f"The table {table} is of the engine {engine[0][0]}, which knows no transactions.",
            fix=f"ALTER TABLE {table} ENGINE = InnoDB.",
        )
    return _mysql_declared(connection, table)


def _mysql_declared(connection: Any, table: str) -> dict[str, str]:
    condition, values = _mysql_place(table)
    return {
        str(name): str(kind)
        for name, kind in _mysql_rows(
            connection,
            f"SELECT column_name, column_type FROM information_schema.columns WHERE {condition}",
            values,
        )
    }


_UPSERT = (
    "ON CONFLICT (job_id, line_number) DO UPDATE SET digest = excluded.digest, written_at = "
    "excluded.written_at"
)
_POSTGRESQL = Dialect(
    "postgresql",
    _pg_connect,
    _double,
    lambda n: f"${n}",
    _arrow_fetch,
    _pg_key,
    _pg_types,
    _pg_update,
    _UPSERT,
    _pg_types,
    lambda c: f'trim(CAST({c} AS text)) COLLATE "C"',
)
_SQLITE = Dialect(
    "sqlite",
    _sqlite_connect,
    _double,
    lambda _: "?",
    _sqlite_fetch,
    _sqlite_key,
    _sqlite_types,
    _one_by_one(_double, "?"),
    _UPSERT,
    _sqlite_types,
    lambda c: f"trim(CAST({c} AS TEXT)) COLLATE BINARY",
)
_MYSQL = Dialect(
    "mysql",
    _mysql_connect,
    _backtick,
    lambda _: "%s",
    _mysql_fetch,
    _mysql_key,
    _mysql_types,
    _one_by_one(_backtick, "%s"),
    "ON DUPLICATE KEY UPDATE digest = VALUES(digest), written_at = VALUES(written_at)",
    _mysql_declared,
    lambda c: f"trim(CONVERT({c} USING utf8mb4)) COLLATE utf8mb4_bin",
)
