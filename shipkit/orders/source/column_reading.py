"""One column of text cells: what is known of it, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb

from shipkit.common.relation import Relation
from shipkit.common.sql import one
from shipkit.orders.cells import Note

__all__ = ["INTEGER", "ColumnReading", "ColumnSpec", "Contradiction", "count_where"]

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
        What its heading means, as in :data:`shipkit.orders.columns.KIND`; None: unknown.
    pin
        A type of DuckDB or a strptime format that a person asked for.
    role, unit
        The role of its heading, and the unit or currency that the heading names.
    unit_cell
        The column of the cells that hold the unit or the currency of its numbers.
    """

    name: str
    kind: str | None
    pin: str | None = None
    role: str | None = None
    unit: str | None = None
    unit_cell: str | None = None


@dataclass(frozen=True)
class Contradiction:
    """Cells that name another unit or currency than their heading or the cell next to them.

    Parameters
    ----------
    condition
        SQL that is true of one of these cells; its value is null then.
    problem
        SQL of what is wrong.
    """

    condition: str
    problem: str


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
    unit
        The unit that its numbers are in, where the cells themselves name their units.
    names_units
        Whether cells name their units; where `unit` is None, next to a column of units.
    contradiction
        Which cells contradict what is stated elsewhere about their unit.
    """

    sql: str
    type: str
    raw: str
    can_fail: bool = False
    kind: str = "text"
    notes: tuple[Note, ...] = ()
    unit: str | None = None
    names_units: bool = False
    contradiction: Contradiction | None = None


def count_where(con: duckdb.DuckDBPyConnection, table: Relation, condition: str) -> int:
    """Return how many rows of `table` fulfil a condition."""
    return int(one(con, f"SELECT count(*) FILTER ({condition}) FROM {table.sql}")[0])
