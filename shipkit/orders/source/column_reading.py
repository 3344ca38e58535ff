"""One column of text cells: what is known of it, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb

from shipkit.common.relation import Relation
from shipkit.common.sql import one
from shipkit.orders.cells import Note

__all__ = ["INTEGER", "ColumnReading", "ColumnSpec", "count_where"]

INTEGER: Final = r"^-?(0|[1-9][0-9]{0,17})$"
"""A whole number that fits into 64 bits and has no leading zeros: an identifier may have them."""


@dataclass(frozen=True)
class ColumnSpec:
    """A column whose type is to be decided, and what is known of it.

    Parameters
    ----------
    name
        Its name in the table of cells.
    kind
        What its heading means, as in :data:`shipkit.orders.fields.KIND`; None: unknown.
    pin
        A type of DuckDB or a strptime format that a person asked for.
    role, unit
        The role that its heading was recognised as, and the unit that the heading names.
    """

    name: str
    kind: str | None
    pin: str | None = None
    role: str | None = None
    unit: str | None = None


@dataclass(frozen=True)
class ColumnReading:
    """How a column is read.

    Parameters
    ----------
    sql
        SQL over the cells that gives the value.
    type
        The type of DuckDB that `sql` has.
    raw
        SQL of the cell as text, null when it is blank.
    can_fail
        Whether a cell may not fit: then `sql` is null where `raw` is not.
    kind
        What a cell that does not fit is missing: see :func:`.celltypes.problem_of`.
    notes
        What was repaired or assumed.
    """

    sql: str
    type: str
    raw: str
    can_fail: bool = False
    kind: str = "text"
    notes: tuple[Note, ...] = ()


def count_where(con: duckdb.DuckDBPyConnection, table: Relation, condition: str) -> int:
    """Return how many rows of `table` fulfil a condition."""
    return int(one(con, f"SELECT count(*) FILTER ({condition}) FROM {table.sql}")[0])
