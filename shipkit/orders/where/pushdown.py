"""Ask a database only for the orders that a filter keeps: whole orders, and exactly those.

The database gets a condition that lets through *at least* every order that matches. What comes is
then filtered here, by the one meaning that a clause has. So whatever a database thinks of capitals,
blanks or the last digit of a number costs a few rows that travel in vain, never an order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from shipkit.common.words import counted
from shipkit.errors import SourceError
from shipkit.orders import grouping, source
from shipkit.orders.cells import Note
from shipkit.orders.columns import Column
from shipkit.orders.database import Database, Fetched
from shipkit.orders.database.dialect import kind_of
from shipkit.orders.where import select
from shipkit.orders.where.clauses import ClauseTree, clause_tree
from shipkit.orders.where.parsing import locked
from shipkit.orders.where.pushdown_sql import READ_AS, ConditionWriter, DatabaseQuery

__all__ = ["matching_only"]


def matching_only(
    database: Database, *, order_key: str | None = None, **options: Any
) -> tuple[Fetched, Note]:
    """Return the rows of the orders that ``database.only`` lets through, and a note about it.

    Parameters
    ----------
    order_key
        Heading or key of the column that names the order.
    **options
        As for :func:`shipkit.orders.source.load`.

    Raises
    ------
    FilterError
        The condition cannot be used; no more than one row was read.
    SourceError
        The database cannot be reached, or no order matches.
    """
    text = str(database.only)
    params = {
        name: value
        for name, value in database.params.items()
        if re.search(rf"\${re.escape(name)}\b", text)
    }
    query = _query(database, text, params, order_key, options)
    asking = database if query.sql is None else database.asking(query.sql, query.values)
    rows = asking.read()
    assumed = query.assumed if query.sql else {}
    kept = _kept(Fetched(database, rows), text, params, assumed, order_key, options)
    if kept is None:
        # Read whole, the table has other types than its first row promised, so the database's
        # answer cannot be trusted: ask it for everything.
        query, rows = DatabaseQuery(database), database.read()
        kept = _kept(Fetched(database, rows), text, params, {}, order_key, options)
    assert kept is not None  # noqa: S101 - without assumptions none can be wrong
    if not kept.num_rows:
        raise SourceError(
            f"No order of {database.table} matches: {text}",
            fix="Load the table without only= and see session.describe() for its values.",
        )
    return Fetched(database, kept), _note(text, rows.num_rows, kept.num_rows, query)


def _kept(
    fetched: Fetched,
    text: str,
    params: Mapping[str, Any],
    assumed: Mapping[str, str],
    order_key: str | None,
    options: Mapping[str, Any],
) -> pa.Table | None:
    """Return the lines of the orders that match.

    None when a column turned out to be read as something else than it was `assumed` to be.
    """
    rows = fetched.rows
    if not rows.num_rows:
        return rows
    con = source.connect()
    try:
        loaded = source.load(fetched, con=con, **options)
        types = {column.key: column.type for column in loaded.columns}
        if any(not types[name].startswith(READ_AS[kind]) for name, kind in assumed.items()):
            return None
        selected = select(grouping.group(loaded, order_key), [text], params).relation
        numbers = (
            con.sql(f"SELECT unnest(row_numbers) - 1 AS place FROM {selected.sql} ORDER BY 1")
            .to_arrow_table()
            .column(0)
        )
    finally:
        con.close()
    return rows if len(numbers) == rows.num_rows else rows.take(numbers)


def _note(text: str, travelled: int, kept: int, query: DatabaseQuery) -> Note:
    rows = f"{counted(travelled, 'row')} read, {kept:,} kept"
    if query.sql is None:
        by = "checked here, because the database can check no part of it"
    elif query.left:
        by = f"checked by the database, except for {'; '.join(query.left)}"
    else:
        by = "checked by the database"
    return Note("read", f"Only orders with {text}: {by}; {rows}.", kept)


# -- what the database is asked --------------------------------------------------------------------


def _query(
    database: Database,
    text: str,
    params: Mapping[str, Any],
    order_key: str | None,
    options: Mapping[str, Any],
) -> DatabaseQuery:
    """Return the condition for the database: on rows where a row is an order, else on orders."""
    first = source.load(Fetched(database, database.read(limit=1)), **options)
    key = grouping.order_key_of(first, order_key)
    first.con.close()
    with locked() as con:
        tree = clause_tree(text, first.columns, params, con)
    with database.dialect.connected(database.location, read_only=True) as connection:
        declared = database.dialect.declared(connection, str(database.table))
        primary = database.key_columns(connection)
    kinds = _kinds(
        first.columns,
        declared,
        primary,
        options.get("types") or {},
        sqlite=database.dialect.name == "sqlite",
    )
    return _asked(database, first.columns, key, primary, kinds, tree)


def _asked(
    database: Database,
    columns: Sequence[Column],
    key: Column | None,
    primary: Sequence[str],
    kinds: Mapping[str, tuple[str, str]],
    tree: ClauseTree,
) -> DatabaseQuery:
    query = DatabaseQuery(database)
    row_is_order = key is None or tuple(primary) == (key.name,)
    writer = ConditionWriter(tree, columns, kinds, query, row_is_order=row_is_order)
    condition = writer.write(tree.tree, negated=False)
    if condition is None or row_is_order or key is None:
        query.sql = condition
        return query
    known = kinds.get(key.key, (None, None))[1] in {"text", "integer"}
    if not known or _some_unnamed(database, key.name):
        return DatabaseQuery(database, left=query.left)
    order = query.text(key.name)
    query.sql = (
        f"{order} IN (SELECT {order} FROM {database.source} GROUP BY {order} HAVING {condition})"
    )
    return query


def _some_unnamed(database: Database, key: str) -> bool:
    """Return whether a line has no order number, or one that reading changes.

    Then the lines around it decide which order it belongs to, and the database cannot tell.
    """
    probe = DatabaseQuery(database)
    column = database.dialect.quote(key)
    unnamed = f"({column} IS NULL OR {probe.text(key)} = '' OR {probe.odd(key)})"
    return bool(database.asking(unnamed, probe.values).read(limit=1).num_rows)


def _kinds(
    columns: Sequence[Column],
    declared: Mapping[str, str],
    primary: Sequence[str],
    pinned: Mapping[str, Any],
    *,
    sqlite: bool,
) -> dict[str, tuple[str, str]]:
    """Return key -> (name and kind in the database) of the columns that it can be asked about."""
    # With an integer key, the source has types, and no text column of it is taken for numbers.
    steady = any(re.match(r"(small|big)?int", declared.get(name, "").lower()) for name in primary)
    found = {}
    for column in columns:
        kind = kind_of(declared.get(column.name, ""))
        known = (
            kind is not None
            and not (sqlite and kind == "date")
            and not {column.name, column.key} & set(pinned)
        )
        if known and (steady or column.role is not None or kind != "text"):
            found[column.key] = (column.name, str(kind))
    return found
