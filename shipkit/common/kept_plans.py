"""Statements over small tables, whose plans are kept for the next time.

DuckDB takes 50 to 100 ms to parse, bind and optimize a statement of some hundred expressions, and
five to run it over a few rows. A process that makes one small batch after the other (a notebook, a
watched folder, a server of agents, the tests) runs the same few statements again and again, over
other rows.

A prepared statement is planned again each time if it reads a table or a registered view, because
those are in a catalog that may have changed. It keeps its plan if it reads Python objects in
the place of the tables: here a :class:`_Slot` each, which is given its rows before each run.
"""

from __future__ import annotations

import builtins
import itertools
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

import duckdb
import pyarrow as pa

from shipkit.common.memory_database import memory_database
from shipkit.common.relation import Relation
from shipkit.common.spill import bounded

__all__ = ["SMALL", "Rows", "registered", "rows_of", "run", "run_small"]

SMALL: Final = 10_000
"""Up to so many rows, planning a long statement takes longer than running it."""

_PLANS: Final = 24
"""Plans that a connection keeps: about a hundred times the length of their text each, 1-2 MB."""

_IDLE: Final = 2
"""Connections that are kept while they are not used."""

_SETTINGS: Final = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}

_OPTIMIZERS: Final = frozenset(
    {
        "common_subexpressions",
        "cte_inlining",
        "expression_rewriter",
        "filter_pushdown",
        "materialized_cte",
        "unused_columns",
    }
)
"""What DuckDB does to these plans. What it does to others (the order of joins, statistics, ...) is
for large tables: here it takes half of the time to plan a statement, and runs it no faster.
"""

_Key = tuple[str, tuple[tuple[str, pa.Schema], ...]]


def run(con: duckdb.DuckDBPyConnection, sql: str, **tables: pa.Table) -> pa.Table:
    """Return the rows of `sql`, which reads nothing but `tables`, by their names.

    Small tables are read by a plan that is kept; others in the database of `con`.
    """
    if all(table.num_rows <= SMALL for table in tables.values()):
        return run_small(sql, **tables)
    with registered(con, **tables):
        return con.sql(sql).to_arrow_table()


@contextmanager
def registered(con: duckdb.DuckDBPyConnection, **tables: pa.Table) -> Iterator[None]:
    """Let the database read Arrow tables by name inside the block."""
    for name, table in tables.items():
        con.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            con.unregister(name)


def run_small(sql: str, **tables: pa.Table) -> pa.Table:
    """Return the rows of `sql`, which reads nothing but `tables`, by their names.

    The statement may call no function whose value changes between calls, such as ``now()``: what
    does not depend on a row is computed once, when the statement is planned.
    """
    key = (sql, tuple((name, table.schema) for name, table in tables.items()))
    bench = _taken(key)
    rows = bench.run(key, tables)
    _put_back(bench)  # not after an error: its connection may be broken
    return rows


@dataclass(frozen=True)
class Rows:
    """The rows of a relation: in its database, or as a table if they are few.

    Parameters
    ----------
    sql
        How a statement names the relation.
    table
        The rows, if they are few.
    """

    con: duckdb.DuckDBPyConnection
    sql: str
    table: pa.Table | None = None

    def run(self, sql: str, **tables: pa.Table) -> pa.Table:
        """Return the rows of a statement that reads nothing but the relation and `tables`."""
        if self.table is not None:
            return run_small(sql, **{self.sql: self.table}, **tables)
        with registered(self.con, **tables):
            return self.con.sql(sql).to_arrow_table()

    def distinct(self, *columns: str) -> list[tuple[Any, ...]]:
        """Return the different values of columns that hold no lists."""
        if self.table is not None:
            found = self.table.group_by(list(columns)).aggregate([])
        else:
            found = self.run(f"SELECT DISTINCT {', '.join(columns)} FROM {self.sql}")
        return list(zip(*(found.column(name).to_pylist() for name in columns), strict=True))


def rows_of(con: duckdb.DuckDBPyConnection, relation: Relation) -> Rows:
    """Return the rows of a relation, outside of the database if they are few."""
    if not all(_KEPT_BY_ARROW.fullmatch(kind) for kind in relation.columns.values()):
        return Rows(con, relation.sql)
    table = con.sql(f"FROM {relation.sql} LIMIT {SMALL + 1}").to_arrow_table()
    few = table.num_rows <= SMALL
    return Rows(con, relation.name, table) if few else Rows(con, relation.sql)


_PLAIN: Final = r"(?:VARCHAR|BOOLEAN|BIGINT|INTEGER|DOUBLE|DATE|TIMESTAMP|DECIMAL\(\d+,\d+\))"
_KEPT_BY_ARROW: Final = re.compile(
    rf"{_PLAIN}(?:\[\])*|STRUCT\((?:[^()]|\([^()]*\)|\((?:[^()]|\([^()]*\))*\))*\)(?:\[\])*"
)
"""Types that are the same after the way through Arrow. Structs are those of the shipment."""


class _Slot:
    """What a plan reads in the place of a table: the table that it is given for a run."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self.table: pa.Table | None = None

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        table = self._schema.empty_table() if self.table is None else self.table
        return table.__arrow_c_stream__(requested_schema)


class _Bench:
    """A connection and the plans that it keeps, the least recently used first."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        con.execute("SET TimeZone = 'UTC'")
        self._numbers = itertools.count(1)
        self._plans: OrderedDict[_Key, tuple[str, dict[str, _Slot]]] = OrderedDict()

    def has(self, key: _Key) -> bool:
        return key in self._plans

    def run(self, key: _Key, tables: Mapping[str, pa.Table]) -> pa.Table:
        if key not in self._plans:
            self._plans[key] = self._planned(*key)
            if len(self._plans) > _PLANS:
                name, _ = self._plans.popitem(last=False)[1]
                self._con.execute(f"DEALLOCATE {name}")
        self._plans.move_to_end(key)
        name, slots = self._plans[key]
        try:
            for place, table in tables.items():
                slots[place].table = table
            return self._con.sql(f"EXECUTE {name}").to_arrow_table()
        finally:
            for slot in slots.values():
                slot.table = None

    def _planned(
        self, sql: str, schemas: tuple[tuple[str, pa.Schema], ...]
    ) -> tuple[str, dict[str, _Slot]]:
        name = f"plan_{next(self._numbers)}"
        slots = {place: _Slot(schema) for place, schema in schemas}
        # DuckDB looks for the names of a statement among the variables of the Python function that
        # executes it: this one has the slots as its global variables, and no others.
        variables = {"__builtins__": builtins, **slots}
        FunctionType(_execute.__code__, variables)(self._con, f"PREPARE {name} AS {sql}")
        return name, slots


def _execute(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    con.execute(sql)


# -- the connections of this process ---------------------------------------------------------------

_lock = threading.Lock()
_idle: list[_Bench] = []
_database: list[duckdb.DuckDBPyConnection] = []
"""The database in which the connections are, once there is one."""
_of_the_parent: list[Any] = []


def _taken(key: _Key) -> _Bench:
    """Return a connection that is not in use, one with this plan if there is any."""
    with _lock:
        for bench in reversed(_idle):
            if bench.has(key):
                _idle.remove(bench)
                return bench
        if _idle:
            return _idle.pop()
        if not _database:
            _database.append(_opened())
        return _Bench(_database[0].cursor())


def _opened() -> duckdb.DuckDBPyConnection:
    # One thread: the tables are small, and each thread would compile each pattern.
    con = memory_database({**_SETTINGS, **bounded(), "threads": "1"})
    names = [name for (name,) in con.execute("FROM duckdb_optimizers()").fetchall()]
    con.execute(f"SET disabled_optimizers = '{','.join(set(names) - _OPTIMIZERS)}'")
    return con


def _put_back(bench: _Bench) -> None:
    with _lock:
        if len(_idle) < _IDLE:
            _idle.append(bench)


def _forget() -> None:
    """Start without connections in a forked process: it has the memory of them, not the threads."""
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that does not exist here
    _lock = threading.Lock()
    _of_the_parent.extend([*_idle, *_database])  # never closed here: that waits for the threads
    _idle.clear()
    _database.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
