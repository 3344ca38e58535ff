"""Databases to read orders from and to write tracking numbers back to.

PostgreSQL and SQLite are read as Arrow (ADBC), MySQL and MariaDB as rows (PyMySQL). Reading runs in
a transaction that cannot write. The password appears in no repr, message or file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from shipkit.errors import SourceError
from shipkit.orders.database.dialect import Dialect, bound, typed
from shipkit.orders.database.dialects import dialect_of
from shipkit.orders.database.urls import Location

__all__ = ["Database", "Fetched"]


@dataclass(frozen=True, init=False)
class Database:
    """A table or query of a database, to load orders from and to write tracking numbers to.

    Parameters
    ----------
    url
        ``postgresql://user:password@host:5432/shop``, ``mysql://...``, ``mariadb://...``,
        ``sqlite:///orders.db``.
    table
        The table to read (``"orders"`` or ``"sales.orders"``) and to write tracking numbers into.
    query
        Read this instead of the whole table: SQL of that database, values as ``:name``.
    where
        A condition on `table` in the database's own SQL, which it checks itself, so that only
        those rows travel; values as ``:name``.
    only
        Only the orders of `table` that match this condition, written as for
        :meth:`shipkit.BatchSession.where`, values as ``$name``: whole orders, and exactly those
        that a filter of the whole table would keep. The database checks as much of it as it can.
    params
        Values of the ``:names`` and ``$names``.
    key
        The column or columns that identify a row; by default the table's primary key.
    password
        If it is not in `url`.

    Examples
    --------
    >>> Database("postgresql://shop:secret@db.example.com/shop", table="orders")
    Database(postgresql://shop:***@db.example.com/shop, table='orders')
    """

    location: Location = field(repr=False)
    table: str | None
    query: str | None
    where: str | None
    only: str | None
    params: Mapping[str, Any] = field(repr=False)
    key: tuple[str, ...]

    def __init__(
        self,
        url: str,
        table: str | None = None,
        *,
        query: str | None = None,
        where: str | None = None,
        only: str | None = None,
        params: Mapping[str, Any] | None = None,
        key: str | Sequence[str] | None = None,
        password: str | None = None,
    ) -> None:
        if table is None and query is None:
            raise SourceError(
                "A database needs a table or a query.",
                fix='Pass one: sk.Database(url, table="orders").',
            )
        if query is not None and (where is not None or only is not None):
            raise SourceError(
                f"`{'only' if where is None else 'where'}` works with a table, not with a query.",
                fix="Put the condition into the query.",
            )
        for name, value in {
            "location": Location.of(url, password),
            "table": table,
            "query": query,
            "where": where,
            "only": only,
            "params": dict(params or {}),
            "key": (key,) if isinstance(key, str) else tuple(key or ()),
        }.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        shown = [
            f"{name}={value!r}"
            for name, value in (
                ("table", self.table),
                ("query", self.query),
                ("where", self.where),
                ("only", self.only),
            )
            if value
        ]
        return f"Database({self.location}, {', '.join(shown)})"

    @property
    def dialect(self) -> Dialect:
        """The functions for this kind of database."""
        return dialect_of(self.location)

    def read(self, *, limit: int | None = None) -> pa.Table:
        """Return the rows, ordered by the key if there is one.

        `only` does not apply here: the caller that loads the rows takes care of it.

        Parameters
        ----------
        limit
            Only the first rows.

        Raises
        ------
        SourceError
            The database cannot be reached, or refuses the query.
        """
        dialect = self.dialect
        with dialect.connected(self.location, read_only=True) as connection:
            sql, values = bound(
                self._statement(connection) + (f" LIMIT {limit}" if limit else ""),
                self.params,
                dialect.mark,
            )
            rows = dialect.fetch(connection, sql, values)
            return (
                rows
                if self.query is not None
                else typed(rows, dialect.declared(connection, str(self.table)))
            )

    def key_columns(self, connection: Any) -> tuple[str, ...]:
        """Return the columns that identify a row: as given, else the primary key, if any."""
        return self.key or (
            tuple(self.dialect.primary_key(connection, self.table)) if self.table else ()
        )

    def asking(self, condition: str, values: Mapping[str, Any]) -> Database:
        """Return this table with one more condition on its rows."""
        where = f"({self.where}) AND ({condition})" if self.where else condition
        made = copy(self)
        object.__setattr__(made, "where", where)
        object.__setattr__(made, "params", {**self.params, **values})
        return made

    @property
    def source(self) -> str:
        """SQL for FROM: the table, and `where` if there is one."""
        return self.dialect.table(str(self.table)) + (f" WHERE {self.where}" if self.where else "")

    def _statement(self, connection: Any) -> str:
        if self.query is not None:
            return self.query
        order = ", ".join(self.dialect.quote(name) for name in self.key_columns(connection))
        return f"SELECT * FROM {self.source}" + (f" ORDER BY {order}" if order else "")


@dataclass(frozen=True)
class Fetched:
    """Rows that were already read from a database."""

    database: Database
    rows: pa.Table = field(repr=False)
