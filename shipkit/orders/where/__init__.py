"""Which orders to ship: SQL conditions with bound values.

An order is kept whole when any of its lines matches. A clause is checked twice:
:mod:`shipkit.orders.where.clauses` parses it and rewrites it from an allow-list, and the result
runs in a locked database that contains nothing but the columns that the clause names.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.notices import quiet
from shipkit.common.relation import Relation, fresh
from shipkit.orders.columns import Column
from shipkit.orders.grouping import OrderSet
from shipkit.orders.where.bench import FilterBench
from shipkit.orders.where.clauses import CheckedClause

__all__ = ["CheckedClause", "Selection", "check_clause", "matching", "select"]

_TIMEOUT_S: Final = 30.0
_SHOWN: Final = 40
"""Characters of a value that a message shows."""
_UNREAD: Final = "^(cell_not_|number_ambiguous$|unit_contradicts$)"
"""Codes of problems of a cell that was left empty, because it could not be read."""


@dataclass(frozen=True)
class Selection:
    """The orders that a filter lets through."""

    orders: OrderSet = field(repr=False)
    relation: Relation = field(repr=False)
    """The selected orders, with the columns of ``orders.orders``."""
    clauses: tuple[CheckedClause, ...]
    count: int
    total: int
    notes: tuple[str, ...] = ()
    """What a person may not expect: rows that an empty cell leaves out, and the like."""

    def __str__(self) -> str:
        return f"{self.count:,} of {self.total:,} orders"

    def explain(self) -> str:
        """Return why so few orders are left.

        It names how many orders each condition lets through alone, and the most common values of
        the columns whose condition lets none through.
        """
        return _explain(self)

    def sample(self, n: int = 5) -> pa.Table:
        """Return the first `n` orders, with row_number, row_numbers and the source's columns."""
        return self.orders.con.sql(
            f"SELECT * FROM {self.relation.sql} ORDER BY row_number LIMIT {int(n)}"
        ).to_arrow_table()


def select(
    orders: OrderSet,
    clauses: Sequence[str],
    params: Mapping[str, Any],
    *,
    timeout_s: float = _TIMEOUT_S,
) -> Selection:
    """Return the orders with a line that matches all `clauses`; all orders without any clause.

    Parameters
    ----------
    orders
        The grouped lines.
    clauses
        SQL conditions. Columns are named by key or, in double quotes, by heading.
    params
        Values for the ``$names``; a list for IN.
    timeout_s
        The filter is stopped after this many seconds.

    Raises
    ------
    FilterError
        A clause cannot be used; the message shows the place, and the nearest column.
    """
    if isinstance(clauses, str):
        clauses = (clauses,)
    with FilterBench() as bench:
        checked = bench.checked(clauses, orders.line_columns, params)
        found: pa.Table | None = None
        notes: tuple[str, ...] = ()
        if checked:
            cells = orders.line_cells(_used(checked))
            notes = bench.notes(cells, checked, orders=True, unread=_unread(orders))
            found = bench.run(cells, "_order", checked, timeout_s).rename_columns(["row_number"])
    with fresh(orders.con, "selection") as schema:
        if found is None or found.num_rows == orders.count:
            # Not joined with their own numbers: every stage after this one would sort them again.
            relation = schema.view("selected", f"SELECT * FROM {orders.orders.sql}")
            return Selection(orders, relation, checked, orders.count, orders.count, notes)
        orders.con.register("matching_rows", found)
        try:
            kept = schema.table("row_numbers", "SELECT * FROM matching_rows")
        finally:
            orders.con.unregister("matching_rows")
        relation = schema.view(
            "selected",
            f"""
            SELECT o.*
            FROM {orders.orders.sql} o
            SEMI JOIN {kept.sql} k ON o.row_number = k.row_number
            ORDER BY o.row_number
            """,
        )
    return Selection(orders, relation, checked, found.num_rows, orders.count, notes)


def _unread(orders: OrderSet) -> set[str]:
    """Return the keys of the columns with a cell that could not be read."""
    problems = orders.loaded.problems
    kinds = pc.match_substring_regex(problems.column("code"), _UNREAD)
    return {*pc.unique(problems.column("field").filter(kinds)).to_pylist()}


def check_clause(
    clause: str, columns: Sequence[Column], params: Mapping[str, Any] | None = None
) -> CheckedClause:
    """Return `clause`, checked against `columns`.

    All SQL from outside passes through this check.

    Examples
    --------
    >>> check_clause("state = $state", [Column("State", "state", "VARCHAR")], {"state": "CA"}).sql
    '("state" = $state)'
    """
    with FilterBench() as bench:
        return bench.checked([clause], columns, params or {})[0]


def matching(
    table: pa.Table,
    clauses: str | Sequence[str],
    params: Mapping[str, Any] | None = None,
    *,
    timeout_s: float = _TIMEOUT_S,
    notes_to: list[str] | None = None,
) -> npt.NDArray[np.int64]:
    """Return the indexes of the rows of an Arrow table that match all clauses.

    Parameters
    ----------
    notes_to
        Gets what a person may not expect, such as rows that an empty cell leaves out. Without it,
        each of these texts is a warning.

    Raises
    ------
    FilterError
        A clause cannot be used.
    """
    with FilterBench() as bench:
        checked = bench.checked(
            [clauses] if isinstance(clauses, str) else clauses,
            bench.columns_of(table),
            params or {},
        )
        rows = _without_nan(table.select(_used(checked)))
        rows = rows.append_column("_index", pa.array(np.arange(table.num_rows)))
        notes = bench.notes(rows, checked, orders=False)
        found = bench.run(rows, "_index", checked, timeout_s)
    if notes_to is not None:
        notes_to += notes
    elif not quiet.get():
        for note in notes:
            warnings.warn(note, stacklevel=4)  # who called the session's or the job's method
    indexes: npt.NDArray[np.int64] = found.column(0).to_numpy()
    return indexes


def _without_nan(table: pa.Table) -> pa.Table:
    """Return `table` with null for NaN, which the database takes as greater than every number.

    Infinite numbers are null, too: NaN can be made of them.
    """
    for place, column in enumerate(table.columns):
        if pa.types.is_floating(column.type):
            known = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
            table = table.set_column(place, table.column_names[place], known)
    return table


def _used(checked: Sequence[CheckedClause]) -> list[str]:
    """Return the keys of the columns that the clauses use."""
    return list(dict.fromkeys(key for clause in checked for key in clause.columns))


# -- explanations ----------------------------------------------------------------------------------


def _explain(selection: Selection) -> str:
    if not selection.clauses:
        return f"No filter: all {selection.total:,} orders."
    used = _used(selection.clauses)
    cells = selection.orders.line_cells(used)
    alone: list[str] = []
    blocking: set[str] = set()
    with FilterBench() as bench:
        for clause in selection.clauses:
            for text, sql in clause.parts:
                count = bench.count(cells, "_order", clause, sql)
                if count is None:
                    alone.append(f"{text}: cannot be counted alone")
                    continue
                alone.append(f"{text}: {count:,} of {selection.total:,} orders")
                if not count:
                    blocking.update(c.key for c in clause.comparisons if c.text in text)
        values = [_most_common(bench, cells, key) for key in used if key in blocking]
    head = str(selection) if selection.count else "No order matches"
    return " ".join([f"{head}. Each condition alone: {'; '.join(alone)}.", *values])


def _most_common(bench: FilterBench, cells: pa.Table, key: str) -> str:
    found = bench.most_common(cells, "_order", key)
    values = ", ".join(f"{_shown(value)} ({count:,})" for value, count in found)
    return f"Most common values of `{key}`: {values}." if values else f"`{key}` is empty."


def _shown(value: str | None) -> str:
    if value is None:
        return "empty"
    return repr(value if len(value) <= _SHOWN else value[: _SHOWN - 3] + "...")
