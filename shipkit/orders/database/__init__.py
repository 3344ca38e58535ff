"""Orders from a database, and the tracking numbers back into it.

PostgreSQL and SQLite hand out Arrow (ADBC); MySQL and MariaDB rows (PyMySQL). Reading runs in a
transaction that may not write. The password stands in no repr, message or file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from shipkit.errors import SourceError
from shipkit.orders.database.dialects import Dialect, bound, dialect_of, typed
from shipkit.orders.database.urls import Location

__all__ = ["Database", "Fetched"]


@dataclass(frozen=True, init=False)
class Database:
    """A table or query of a database: what :class:`shipkit.BatchSession` loads, and what it writes back to.

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
        Only the orders of `table` that match this condition, in the words of
        :meth:`shipkit.BatchSession.where`, values as ``$name``: whole orders, exactly those that a
        filter of the whole table would keep. The database is asked as much of it as it can tell.
    params
        Values of the ``:names`` and ``$names``.
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
                fix='Give one: sk.Database(url, table="orders").',
            )
        if query is not None and (where is not None or only is not None):
            raise SourceError(
                f"`{'only' if where is None else 'where'}` belongs to a table, not to a query.",
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
        said = [
            f"{name}={value!r}"
            for name, value in (
                ("table", self.table),
                ("query", self.query),
                ("where", self.where),
                ("only", self.only),
            )
            if value
        ]
        return f"Database({self.location}, {', '.join(said)})"

    @property
    def dialect(self) -> Dialect:
        """The functions that know this kind of database."""
        return dialect_of(self.location)

    def read(self, *, limit: int | None = None) -> pa.Table:
        """Return the rows (`limit`: the first ones), in the order of the key where there is one; `only` is the business of who loads them.

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
        """Return the columns that name a row: as given, else the table's primary key; empty when there is none."""
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
        """The table and the rows of it that `where` lets through, as SQL behind FROM."""
        return self.dialect.table(str(self.table)) + (f" WHERE {self.where}" if self.where else "")

    def _statement(self, connection: Any) -> str:
        if self.query is not None:
            return self.query
        order = ", ".join(self.dialect.quote(name) for name in self.key_columns(connection))
        return f"SELECT * FROM {self.source}" + (f" ORDER BY {order}" if order else "")


@dataclass(frozen=True)
class Fetched:
    """Rows that were read from a database already."""

    database: Database
    rows: pa.Table = field(repr=False)
