"""A schema for each stage, and the relations that it hands to later stages.

Every stage from a source to normalised shipments works in the one database of a session. A stage
opens a :class:`StageSchema`, makes tables and views in it, and returns the :class:`Relation` values
that later stages read. No stage knows the names of another's tables, so none can read, replace or
drop them by accident; with a stage's relation, :func:`drop` undoes the whole stage.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import duckdb

from shipkit.common.sql import one, quoted

__all__ = ["Relation", "StageSchema", "count", "drop", "fresh", "scratch"]


@dataclass(frozen=True)
class Relation:
    """A table or view that a stage made, for later stages to read."""

    schema: str
    name: str
    con: duckdb.DuckDBPyConnection | None = field(default=None, compare=False, repr=False)

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """Column -> its DuckDB type, in order. To ask takes two milliseconds, and few do."""
        if self.con is None:
            return {}
        found = self.con.sql(f"SELECT * FROM {self.sql}")
        return dict(zip(found.columns, map(str, found.types), strict=True))

    @property
    def sql(self) -> str:
        """The quoted name with its schema, as it is written into a query."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


@dataclass(frozen=True)
class StageSchema:
    """The schema that one run of a stage works in."""

    con: duckdb.DuckDBPyConnection = field(repr=False)
    name: str

    def table(self, name: str, query: str, params: Mapping[str, Any] | None = None) -> Relation:
        """Store the rows of `query` in a table."""
        target = Relation(self.name, name).sql
        self.con.execute(f"CREATE OR REPLACE TABLE {target} AS {query}", dict(params or {}))
        return self.relation(name)

    def view(self, name: str, query: str) -> Relation:
        """Make a view of `query`; nothing is read or copied."""
        self.con.execute(f"CREATE OR REPLACE VIEW {Relation(self.name, name).sql} AS {query}")
        return self.relation(name)

    def remove(self, table: Relation) -> None:
        """Drop a table of this schema that is no longer needed."""
        self.con.execute(f"DROP TABLE {table.sql}")

    def remove_view(self, view: Relation) -> None:
        """Drop a view of this schema that is no longer needed."""
        self.con.execute(f"DROP VIEW {view.sql}")

    def relation(self, name: str) -> Relation:
        """Return the table or view `name` of this schema."""
        return Relation(self.name, name, self.con)


@contextmanager
def fresh(con: duckdb.DuckDBPyConnection, stage: str) -> Iterator[StageSchema]:
    """Create an empty schema named after `stage`; if the block raises, it is dropped again.

    While the result of an earlier run is still in use, the new schema gets a number behind its
    name: a stage that fails leaves the earlier result as it was, and the caller drops that one
    once the new one is complete.
    """
    name = next(name for name in _names(stage) if _created(con, name))
    try:
        yield StageSchema(con, name)
    except BaseException:
        _drop_schema(con, name)
        raise


@contextmanager
def scratch(con: duckdb.DuckDBPyConnection, stage: str) -> Iterator[StageSchema]:
    """Create an empty schema for tables that are needed only inside the block."""
    with fresh(con, stage) as schema:
        yield schema
        _drop_schema(con, schema.name)


def drop(con: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    """Drop the schema that `relation` is in, and so everything that its stage made."""
    _drop_schema(con, relation.schema)


def count(con: duckdb.DuckDBPyConnection, relation: Relation) -> int:
    """Return the number of rows of a relation."""
    return int(one(con, f"SELECT count(*) FROM {relation.sql}")[0])


def _names(stage: str) -> Iterator[str]:
    yield stage
    for number in itertools.count(2):
        yield f"{stage}_{number}"


def _created(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    # Trying costs 0.3 ms, looking into duckdb_schemas() first 2 ms.
    try:
        con.execute(f"CREATE SCHEMA {quoted(name)}")
    except duckdb.CatalogException:
        return False
    return True


def _drop_schema(con: duckdb.DuckDBPyConnection, name: str) -> None:
    con.execute(f"DROP SCHEMA {quoted(name)} CASCADE")
