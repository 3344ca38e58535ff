"""Orders from a database, and the tracking numbers back into it.

PostgreSQL and SQLite hand out Arrow (ADBC); MySQL and MariaDB rows (PyMySQL). Reading runs in a transaction that may not write. The
password stands in no repr, message or file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from shipkit.database.dialects import Dialect, bound, dialect_of
from shipkit.database.urls import Location
from shipkit.errors import SourceError

__all__ = ["Database"]


@dataclass(frozen=True, init=False)
class Database:
    """A table or query of a database: what :class:`shipkit.BatchSession` loads, and what it writes back to.

    Parameters
    ----------
    url
        ``postgresql://user:password@host:5432/shop``, ``mysql://...``, ``mariadb://...``, ``sqlite:///orders.db``.
    table
        The table to read (``"orders"`` or ``"sales.orders"``) and to write tracking numbers into.
    query
        Read this instead of the whole table: SQL of that database, values as ``:name``.
    where
        A condition on `table`, which the database itself checks, so that only those rows travel; values as ``:name``.
    params
        Values of the ``:names``.
    key
        Column(s) that name a row; default: the table's primary key.
    password
        Where it does not stand in the url.

    Examples
    --------
    >>> Database("postgresql://shop:secret@db.example.com/shop", table="orders")
    Database(postgresql://shop:***@db.example.com/shop, table='orders')
    """

    location: Location = field(repr=False)
    table: str | None
    query: str | None
    where: str | None
    params: Mapping[str, Any] = field(repr=False)
    key: tuple[str, ...]

    def __init__(
        self, url: str, table: str | None = None, *, query: str | None = None, where: str | None = None, params: Mapping[str, Any] | None = None,
        key: str | Sequence[str] | None = None, password: str | None = None,
    ) -> None:
        if table is None and query is None:
            raise SourceError("A database needs a table or a query.", fix='Give one: sk.Database(url, table="orders").')
        if where is not None and query is not None:
            raise SourceError("`where` belongs to a table, not to a query.", fix="Put the condition into the query.")
        for name, value in {
            "location": Location.of(url, password), "table": table, "query": query, "where": where, "params": dict(params or {}),
            "key": (key,) if isinstance(key, str) else tuple(key or ()),
        }.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        said = [f"{name}={value!r}" for name, value in (("table", self.table), ("query", self.query), ("where", self.where)) if value]
        return f"Database({self.location}, {', '.join(said)})"

    @property
    def dialect(self) -> Dialect:
        """The functions that know this kind of database."""
        return dialect_of(self.location)

    def read(self) -> pa.Table:
        """Return the rows, in the order of the key where there is one.

        Raises
        ------
        SourceError
            The database cannot be reached, or refuses the query.
        """
        dialect = self.dialect
        with dialect.connected(self.location, read_only=True) as connection:
            sql, values = bound(self._statement(connection), self.params, dialect.mark)
            return dialect.fetch(connection, sql, values)

    def key_columns(self, connection: Any) -> tuple[str, ...]:
        """Return the columns that name a row: as given, else the table's primary key; empty when there is none."""
        return self.key or (tuple(self.dialect.primary_key(connection, self.table)) if self.table else ())

    def _statement(self, connection: Any) -> str:
        if self.query is not None:
            return self.query
        dialect = self.dialect
        order = ", ".join(dialect.quote(name) for name in self.key_columns(connection))
        parts = [f"SELECT * FROM {dialect.table(str(self.table))}", f"WHERE {self.where}" if self.where else "", f"ORDER BY {order}" if order else ""]
        return " ".join(part for part in parts if part)
