"""Which orders are meant: SQL conditions with bound values, an order kept whole when any of its lines matches.

A clause is checked twice. :mod:`shipkit.orders.where.clauses` parses it alone and writes it anew
from an allow-list; what is left runs in a database of its own, locked by DuckDB's configuration,
that holds nothing but the columns the clause names.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shipkit.common.relation import Relation, fresh
from shipkit.common.sql import one, quoted
from shipkit.errors import FilterError
from shipkit.orders.fields import Column
from shipkit.orders.grouping import OrderSet
from shipkit.orders.where import clauses as checking
from shipkit.orders.where.clauses import CheckedClause
from shipkit.orders.where.parsing import locked

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CheckedClause",
    "Selection",
    "check_clause",
    "describe",
    "include",
    "joined",
    "matching",
    "select",
]

_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Selection:
    """The orders that a filter lets through."""

    orders: OrderSet = field(repr=False)
    relation: Relation = field(repr=False)
    """The selected orders, with the columns of ``orders.orders``."""
    clauses: tuple[CheckedClause, ...]
    count: int
    total: int

    def __str__(self) -> str:
        return f"{self.count:,} of {self.total:,} orders"

    def explain(self) -> str:
        """Return why so few are left: what each condition lets through alone, and what the compared columns commonly hold."""
        return _explain(self)

    def sample(self, n: int = 5) -> pa.Table:
        """Return the first `n` orders: row_number, row_numbers, source_file, then the source's columns by key."""
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
    """Return the orders that match all `clauses`; no clause takes all.

    Parameters
    ----------
    orders
        The grouped lines.
    clauses
        SQL conditions, AND-ed on each line. Columns by snake_case key or by heading (in double
        quotes).
    params
        Values for the ``$names``; a list for IN.
    timeout_s
        The filter is stopped after this many seconds.

    Raises
    ------
    FilterError
        A clause cannot be used; the message shows the place and the nearest column.
    """
    if isinstance(clauses, str):
        clauses = (clauses,)
    with _Bench() as bench:
        checked = _check_all(clauses, orders.line_columns, params, bench)
        found = _matching_orders(orders, checked, bench, timeout_s) if checked else None
    with fresh(orders.con, "selection") as schema:
        if found is None:
            relation = schema.view("selected", f"SELECT * FROM {orders.orders.sql}")
            return Selection(orders, relation, (), orders.count, orders.count)
        orders.con.register("matching_rows", found)
        try:
            kept = schema.table("row_numbers", "SELECT * FROM matching_rows")
        finally:
            orders.con.unregister("matching_rows")
        relation = schema.view(
            "selected",
            f"SELECT o.* FROM {orders.orders.sql} o SEMI JOIN {kept.sql} k "
            "ON o.row_number = k.row_number ORDER BY o.row_number",
        )
    return Selection(orders, relation, checked, found.num_rows, orders.count)


def check_clause(
    clause: str, columns: Sequence[Column], params: Mapping[str, Any] | None = None
) -> CheckedClause:
    """Return `clause`, checked against `columns`: the one safe door for SQL from outside.

    Examples
    --------
    >>> check_clause("state = $state", [Column("State", "state", "VARCHAR")], {"state": "CA"}).sql
    '("state" = $state)'
    """
    with _Bench() as bench:
        return _check_all([clause], columns, params or {}, bench)[0]


def matching(
    table: pa.Table,
    clauses: str | Sequence[str],
    params: Mapping[str, Any] | None = None,
    *,
    columns: Sequence[Column] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> npt.NDArray[np.int64]:
    """Return the places (0-based) of the rows of an Arrow table that match all clauses.

    `columns` says which keys and headings stand for the table's columns; by default each column
    goes by its own name, and by the heading that `joined` wrote beside it.
    """
    with _Bench() as bench:
        known = list(columns) if columns is not None else bench.columns_of(table)
        checked = _check_all(
            [clauses] if isinstance(clauses, str) else clauses, known, params or {}, bench
        )
        used = list(dict.fromkeys(key for clause in checked for key in clause.columns))
        lines = table.select(used).append_column("_place", pa.array(np.arange(table.num_rows)))
        found = bench.run(lines, "_place", checked, timeout_s)
    places: npt.NDArray[np.int64] = found.column(0).to_numpy()
    return places


def joined(view: pa.Table, selection: Selection) -> pa.Table:
    """Return `view` (a line for each shipment, with ``row_number``) and beside it the source's columns by key; where both have a name, the view's stays."""
    taken = {name.lower() for name in view.column_names}
    own = [column for column in selection.orders.columns if column.key.lower() not in taken]
    found = _beside(view.column("row_number"), own, selection)
    table = view
    for column in own:
        table = table.append_column(
            pa.field(
                column.key, found.schema.field(column.key).type, metadata={"heading": column.name}
            ),
            found.column(column.key),
        )
    return table


def include(frame: pd.DataFrame, selection: Selection, names: Sequence[str]) -> pd.DataFrame:
    """Return `frame` (with ``row_number``) and beside it the source's columns that are named, by heading or key."""
    import pandas as pd

    columns = [selection.orders.loaded.column(name) for name in names]
    found = _beside(pa.array(frame["row_number"].to_numpy(dtype="int64")), columns, selection)
    integers = {
        pa.int8(): pd.Int8Dtype(),
        pa.int16(): pd.Int16Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    made = found.to_pandas(types_mapper=integers.get, date_as_object=False)
    added = {
        name if name not in frame.columns else f"{name}_source": made[column.key].array
        for name, column in zip(names, columns, strict=True)
    }
    return frame.assign(**added)


def describe(orders: OrderSet) -> pd.DataFrame:
    """Return a line for each column: ``name``, ``type``, ``non_null``, ``distinct``, ``examples``, ``key``, ``role``, ``unit``."""
    return orders.loaded.describe()


def _beside(row_numbers: Any, columns: Sequence[Column], selection: Selection) -> pa.Table:
    """Return the source's columns of the orders with these row numbers, in their order."""
    con = selection.orders.con
    con.register(
        "_wanted_rows", pa.table({"row_number": row_numbers, "_place": np.arange(len(row_numbers))})
    )
    try:
        wanted = ", ".join(
            ["w._place", *dict.fromkeys(f"o.{quoted(column.key)}" for column in columns)]
        )
        return con.sql(
            f"SELECT {wanted} FROM _wanted_rows w LEFT JOIN {selection.orders.orders.sql} o "
            "ON o.row_number = w.row_number ORDER BY w._place"
        ).to_arrow_table()
    finally:
        con.unregister("_wanted_rows")


# -- checking --------------------------------------------------------------------------------------


def _check_all(
    clauses: Sequence[str], columns: Sequence[Column], params: Mapping[str, Any], bench: _Bench
) -> tuple[CheckedClause, ...]:
    checked = tuple(checking.check(clause, columns, params, bench.con) for clause in clauses)
    used = {name for clause in checked for name in clause.params}
    unused = [name for name in params if name not in used]
    if unused:
        raise FilterError(
            f"No filter uses ${unused[0]}.",
            fix=f"Write ${unused[0]} in the clause, or leave the value out.",
            parameter=unused[0],
        )
    for clause in checked:
        bench.bind(clause, columns)
    return checked


class _Bench:
    """A locked database that holds only what a clause is tried on."""

    def __init__(self) -> None:
        self.con = locked()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.con.close()

    def columns_of(self, table: pa.Table) -> list[Column]:
        """Return the columns of an Arrow table with DuckDB's types; a field's metadata may name its heading."""
        self.con.register("shape", table.slice(0, 0))
        described = self.con.execute("DESCRIBE shape").fetchall()
        self.con.unregister("shape")
        headings = [
            (field.metadata or {}).get(b"heading", field.name.encode()).decode()
            for field in table.schema
        ]
        return [
            Column(name=heading, key=str(name), type=str(kind))
            for heading, (name, kind, *_) in zip(headings, described, strict=True)
        ]

    def bind(self, clause: CheckedClause, columns: Sequence[Column]) -> None:
        """Let DuckDB decide on types and read the patterns, over no rows: what does not fit is said before any row is read."""
        types = {column.key: column.type for column in columns if column.key in clause.columns}
        shape = (
            ", ".join(f"CAST(NULL AS {kind}) AS {quoted(key)}" for key, kind in types.items())
            or "1 AS _"
        )
        try:
            found = self.con.execute(
                f"SELECT {clause.sql} FROM (SELECT {shape} FROM range(0))", dict(clause.params)
            )  # LIMIT 0 would be folded away, patterns unread
            kind = str(found.description[0][1]) if found.description else ""
        except duckdb.Error as error:
            raise _translated(error, clause) from None
        if not kind.startswith("BOOL"):
            raise FilterError(
                f"The filter {clause.text!r} is no condition: it is {kind.lower()}, not true or "
                "false.",
                fix="Compare it with something: state = 'CA'.",
            )

    def run(
        self, lines: Any, key: str, checked: Sequence[CheckedClause], timeout_s: float
    ) -> pa.Table:
        """Return the distinct values of `key`, sorted, over the lines that match all clauses."""
        condition = " AND ".join(f"({clause.sql})" for clause in checked) or "true"
        values = {name: value for clause in checked for name, value in clause.params.items()}
        self.con.register("lines", lines)
        try:
            with _stopped_after(self.con, timeout_s):
                return self.con.sql(
                    f"SELECT DISTINCT {quoted(key)} FROM lines WHERE {condition} ORDER BY 1",
                    params=values,
                ).to_arrow_table()
        except duckdb.InterruptException:
            raise FilterError(
                f"The filter took longer than {timeout_s:g} s and was stopped.",
                fix="Make it simpler.",
            ) from None
        except duckdb.Error as error:
            raise _translated(error, checked[0] if len(checked) == 1 else None) from None
        finally:
            self.con.unregister("lines")

    def count(self, lines: Any, key: str, sql: str, params: Mapping[str, Any]) -> int:
        """Return how many distinct `key` one condition lets through."""
        self.con.register("lines", lines)
        found = int(
            one(self.con, f"SELECT count(DISTINCT {quoted(key)}) FROM lines WHERE {sql}", params)[0]
        )
        self.con.unregister("lines")
        return found


@contextmanager
def _stopped_after(con: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    done = threading.Event()

    def watch() -> None:
        waited = done.wait(seconds)
        while (
            not waited
        ):  # again and again: an interrupt that comes before the query began is forgotten by DuckDB
            con.interrupt()
            waited = done.wait(0.1)

    watcher = threading.Thread(target=watch, name="shipkit-filter-limit", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _translated(error: duckdb.Error, clause: CheckedClause | None) -> FilterError:
    """Return DuckDB's complaint as a FilterError: its first line, without the SQL that we wrote."""
    words = str(error).strip().splitlines()[0].removesuffix(".")
    shown = f" in {clause.text!r}" if clause else ""
    fix = "Check the types of the columns: session.describe()."
    if isinstance(error, duckdb.ConversionException):
        fix = (
            "Write dates as '2026-11-01'."
            if "expected format" in words
            else "Use TRY_CAST, which gives null where a cell does not fit."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        fix = "Make it simpler."
    return FilterError(f"The filter cannot be used{shown}: {words}.", fix=fix)


# -- orders ----------------------------------------------------------------------------------------


def _matching_orders(
    orders: OrderSet, checked: Sequence[CheckedClause], bench: _Bench, timeout_s: float
) -> pa.Table:
    used = list(dict.fromkeys(key for clause in checked for key in clause.columns))
    return bench.run(orders.line_cells(used), "_order", checked, timeout_s).rename_columns(
        ["row_number"]
    )


def _explain(selection: Selection) -> str:
    """See `Selection.explain`."""
    if not selection.clauses:
        return f"No filter: all {selection.total:,} orders."
    used = list(dict.fromkeys(key for clause in selection.clauses for key in clause.columns))
    cells = selection.orders.line_cells(used)
    lines: list[str] = []
    blocking: set[str] = set()
    with _Bench() as bench:
        for clause in selection.clauses:
            for text, sql in clause.parts:
                needed = {
                    name: value
                    for name, value in clause.params.items()
                    if re.search(rf"\${name}\b", sql)
                }
                alone = bench.count(cells, "_order", sql, needed)
                lines.append(f"{text}: {alone:,} of {selection.total:,} orders")
                if not alone:
                    blocking.update(c.key for c in clause.comparisons if c.text in text)
        held = [_commonest(bench, cells, key) for key in used if key in blocking]
    head = (
        f"No order matches. Each condition alone: {'; '.join(lines)}."
        if not selection.count
        else f"{selection}. Each condition alone: {'; '.join(lines)}."
    )
    return " ".join([head, *held])


def _commonest(bench: _Bench, cells: Any, key: str) -> str:
    bench.con.register("lines", cells)
    rows = bench.con.execute(
        f"SELECT CAST({quoted(key)} AS VARCHAR), count(DISTINCT _order) FROM lines GROUP BY 1 "
        "ORDER BY 2 DESC, 1 LIMIT 5"
    ).fetchall()
    bench.con.unregister("lines")
    values = ", ".join(f"{_shown(value)} ({count:,})" for value, count in rows)
    return f"`{key}` commonly holds {values}." if values else f"`{key}` is empty."


def _shown(value: str | None) -> str:
    return "nothing" if value is None else repr(value if len(value) <= 40 else value[:37] + "...")
