"""What a kind of database has to provide, and what all of them share.

Values always travel as parameters. Identifiers come from the person who named the table, and are
quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from shipkit.errors import SourceError
from shipkit.orders.database.urls import Location

__all__ = ["ON_CONFLICT", "Change", "Dialect", "bound", "kind_of", "typed"]

_TOKENS: Final = re.compile(r"('(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|::)|:([A-Za-z_]\w*)")
"""What is not a placeholder (texts, quoted names, comments, casts), and what is."""
_KINDS: Final = (
    (
        "text",
        re.compile(r"(n?var|bp|n)?char(acter)?( varying)?\b(?!.*\[)|(tiny|medium|long)?text$|clob"),
    ),
    ("integer", re.compile(r"(tiny|small|medium|big)?int(eger)?(\(\d+\))?( unsigned)?$")),
    ("number", re.compile(r"(numeric|decimal|double|real|float)(?!.*\[)")),
    ("date", re.compile(r"date|timestamp")),
)
_ARROW: Final = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "date": pa.date32(),
}


ON_CONFLICT: Final = """
    ON CONFLICT (job_id, line_number)
    DO UPDATE SET digest = excluded.digest, written_at = excluded.written_at
"""
"""The upsert of databases that follow PostgreSQL."""


@dataclass(frozen=True)
class Change:
    """New cells for one row of a table.

    Parameters
    ----------
    number
        Row number in the source.
    key
        Values of the key columns.
    cells
        The new values, in the order of the columns that are written.
    """

    number: int
    key: tuple[str, ...]
    cells: tuple[str | None, ...]


@dataclass(frozen=True)
class Dialect:
    """The functions for one kind of database."""

    name: str
    connect: Callable[[Location, bool], Any]
    """(location, whether to refuse writing) -> a connection."""
    failures: Callable[[], tuple[type[Exception], ...]]
    """The errors that its driver raises."""
    quote: Callable[[str], str]
    """A name as a quoted identifier."""
    mark: Callable[[int], str]
    """Number of a value, from 1 -> its placeholder."""
    fetch: Callable[[Any, str, Sequence[Any]], pa.Table]
    primary_key: Callable[[Any, str | None], list[str]]
    types: Callable[[Any, str], dict[str, str]]
    """Columns of a table that is written to -> type, as the database writes it."""
    update: Callable[
        [Any, str, Sequence[str], Sequence[str], Sequence[Change], Mapping[str, str]],
        dict[int, int],
    ]
    """(cursor, quoted table, key columns, columns, changes, types) -> row number -> rows found."""
    rows: Callable[
        [Any, str, Sequence[str], Sequence[str], Sequence[Change], Mapping[str, str]],
        dict[int, list[tuple[Any, ...]]],
    ]
    """As `update` -> row number -> the columns of the rows that have this key now."""
    upsert: str
    """What follows an INSERT into the table of written rows, so that it replaces an older one."""
    declared: Callable[[Any, str], dict[str, str]]
    """As `types`, for a table that is only read."""
    text: Callable[[str], str]
    """A quoted column -> SQL of its trimmed text, compared byte by byte whatever the collation."""

    def table(self, name: str) -> str:
        """Return the name of a table, with or without a schema, quoted."""
        return ".".join(self.quote(part) for part in name.split("."))

    @contextmanager
    def connected(self, location: Location, *, read_only: bool = False) -> Iterator[Any]:
        """Provide a connection and close it.

        Raises
        ------
        SourceError
            The driver failed; the message has no password.
        """
        try:
            connection = self.connect(location, read_only)
            try:
                yield connection
            finally:
                connection.close()
        except self.failures() as error:
            raise SourceError(
                f"{location}: {location.clean(str(error))}",
                fix="Check the address, the user's rights, and the names of table and columns.",
            ) from None


def kind_of(declared: str) -> str | None:
    """Return the kind of a column's type: text, integer, number or date; None for any other.

    Examples
    --------
    >>> [kind_of(name) for name in ("character varying(20)", "int(11) unsigned", "NUMERIC(8,2)")]
    ['text', 'integer', 'number']
    >>> [kind_of(name) for name in ("timestamp with time zone", "text[]")]
    ['date', None]
    """
    return next((kind for kind, pattern in _KINDS if pattern.match(declared.lower())), None)


def typed(table: pa.Table, declared: Mapping[str, str]) -> pa.Table:
    """Return a table whose empty columns have the types that the database declares.

    Rows without a value would give that column no type at all.
    """
    for place, name in enumerate(table.column_names):
        kind = kind_of(declared.get(name, ""))
        if kind is not None and table.column(place).null_count == table.num_rows:
            table = table.set_column(place, name, pa.nulls(table.num_rows, _ARROW[kind]))
    return table


def bound(sql: str, params: Mapping[str, Any], mark: Callable[[int], str]) -> tuple[str, list[Any]]:
    """Return `sql` with the placeholders of a database for its ``:names``, and the values in order.

    Raises
    ------
    SourceError
        A value is missing.

    Examples
    --------
    >>> bound("SELECT * FROM t WHERE a = :a AND b = ':a'", {"a": 1}, lambda n: "?")
    ("SELECT * FROM t WHERE a = ? AND b = ':a'", [1])
    """
    values: list[Any] = []

    def placeholder(found: re.Match[str]) -> str:
        name = found[2]
        if name is None:
            return found[1]
        if name not in params:
            raise SourceError(
                f"The query needs a value for :{name}.", fix=f'Pass it: params={{"{name}": ...}}.'
            )
        values.append(params[name])
        return mark(len(values))

    # PyMySQL formats a statement with % when it has values, and only then.
    escaped = sql.replace("%", "%%") if mark(1) == "%s" else sql
    made = _TOKENS.sub(placeholder, escaped)
    return (made if values else sql), values
