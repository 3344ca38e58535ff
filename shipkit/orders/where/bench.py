"""Where filters run: a locked database that contains only the columns that a clause names."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, Self

import duckdb
import pyarrow as pa

from shipkit.common.sql import one, quoted
from shipkit.errors import FilterError
from shipkit.orders.columns import Column
from shipkit.orders.where.clauses import CheckedClause, check
from shipkit.orders.where.parsing import locked
from shipkit.orders.where.text_sizes import FilterCost

__all__ = ["FilterBench"]

_VECTOR: Final = 2_048
"""Rows that the database filters at once."""
_BATCH_BYTES: Final = 256 * 1024 * 1024
"""Bytes of the texts that the batches of all threads may make at one time."""
_BATCH_SEARCHED: Final = 20_000_000
"""Characters that patterns may read in one batch: some seconds for the slowest."""
_BIND_S: Final = 30.0
_MAX_CLAUSES: Final = 1_000
_MAX_VALUES: Final = 1_000


class FilterBench:
    """A locked database in which clauses are checked and run.

    Even a clause that fooled the allow-list could reach nothing here: no file, no network, no
    other table, and no setting to change that.
    """

    @cached_property
    def con(self) -> duckdb.DuckDBPyConnection:
        """The database. Opening one takes 20-30 ms, so nothing is opened without a clause."""
        return locked()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if "con" in self.__dict__:
            self.con.close()

    def checked(
        self, clauses: Sequence[str], columns: Sequence[Column], params: Mapping[str, Any]
    ) -> tuple[CheckedClause, ...]:
        """Return the clauses, checked against `columns`. Raises FilterError."""
        for clause in [clauses] if not isinstance(clauses, list | tuple) else clauses:
            if not isinstance(clause, str):
                raise FilterError(
                    f"A filter is a text, not {clause!r}.", fix='Write it: "row_number = 7".'
                )
        if len(clauses) > _MAX_CLAUSES or len(params) > _MAX_VALUES:
            raise FilterError(
                f"A filter has {len(clauses):,} clauses and {len(params):,} values; at most "
                f"{_MAX_CLAUSES:,} and {_MAX_VALUES:,} are allowed.",
                fix="Bind lists: order_id IN $ids.",
            )
        made = tuple(check(clause, columns, params, self.con) for clause in clauses)
        used = {name for clause in made for name in clause.params}
        unused = [name for name in params if name not in used]
        if unused:
            raise FilterError(
                f"${unused[0]} is not used in any filter.",
                fix=f"Use ${unused[0]} in the clause, or leave the value out.",
                parameter=unused[0],
            )
        for clause in made:
            self._bind(clause, columns)
        return made

    def columns_of(self, table: pa.Table) -> list[Column]:
        """Return the columns of an Arrow table, with the types that DuckDB gives them."""
        self.con.register("shape", table.slice(0, 0))
        described = self.con.execute("DESCRIBE shape").fetchall()
        self.con.unregister("shape")
        return [
            Column(name=str(name), key=str(name), type=str(kind)) for name, kind, *_ in described
        ]

    def _bind(self, clause: CheckedClause, columns: Sequence[Column]) -> None:
        """Let DuckDB decide the types and compile the patterns, before any row is read."""
        types = {column.key: column.type for column in columns if column.key in clause.columns}
        nulls = [f"CAST(NULL AS {kind}) AS {quoted(key)}" for key, kind in types.items()]
        # range(0), because DuckDB folds LIMIT 0 away before it compiles the patterns.
        query = f"SELECT {clause.sql} FROM (SELECT {', '.join(nulls) or '1 AS _'} FROM range(0))"
        try:
            with _stopped_after(self.con, _BIND_S):
                found = self.con.execute(query, dict(clause.params))
        except duckdb.Error as error:
            raise _translated(error, clause) from None
        kind = str(found.description[0][1]) if found.description else ""
        if not kind.startswith("BOOL"):
            raise FilterError(
                f"The filter {clause.text!r} is not a condition: it is {kind.lower()}, not true "
                "or false.",
                fix="Compare it with something: state = 'CA'.",
            )

    def run(
        self, rows: pa.Table, key: str, checked: Sequence[CheckedClause], timeout_s: float
    ) -> pa.Table:
        """Return the distinct values of `key`, sorted, of the rows that match all clauses."""
        condition = " AND ".join(f"({clause.sql})" for clause in checked) or "true"
        values = {name: value for clause in checked for name, value in clause.params.items()}
        self.con.register("tested_rows", self._in_batches(rows, checked))
        try:
            with _stopped_after(self.con, timeout_s) as late:
                return self.con.sql(
                    f"""
                    SELECT DISTINCT {quoted(key)}
                    FROM tested_rows
                    WHERE {condition}
                    ORDER BY 1
                    """,
                    params=values,
                ).to_arrow_table()
        except duckdb.InterruptException:
            if not late.is_set():
                raise KeyboardInterrupt from None
            raise FilterError(
                f"The filter took longer than {timeout_s:g} s and was stopped.", fix="Simplify it."
            ) from None
        except duckdb.Error as error:
            raise _translated(error, checked[0] if len(checked) == 1 else None) from None
        finally:
            self._unregister("tested_rows")

    def notes(
        self,
        rows: pa.Table,
        checked: Sequence[CheckedClause],
        *,
        orders: bool,
        unread: Collection[str] = (),
    ) -> tuple[str, ...]:
        """Return what the cells say about the clauses.

        Parameters
        ----------
        orders
            Whether the rows are lines of orders; else they are those of a preview or of results.
        unread
            Keys of the columns with a cell that could not be read.

        Raises
        ------
        FilterError
            A clause surely means something else than what is written.
        """
        notes: list[str] = []
        for clause in checked:
            checks = [each for each in clause.checks if each.unread in (None, *unread)]
            if not checks:
                continue
            sql = ", ".join(check.sql for check in checks)
            self.con.register("counted_rows", rows)
            try:
                with _stopped_after(self.con, _BIND_S):
                    counts = one(self.con, f"SELECT {sql} FROM counted_rows", _needed(clause, sql))
            except duckdb.Error:  # a check that cannot be counted says nothing
                continue
            finally:
                self.con.unregister("counted_rows")
            for each, count in zip(checks, counts, strict=True):
                if count and each.refuses:
                    raise each.error(count)
                if count and (orders or not each.of_orders):
                    notes.append(each.note(count))
        return tuple(notes)

    def _in_batches(self, rows: pa.Table, checked: Sequence[CheckedClause]) -> pa.Table:
        """Return `rows` in batches so small that the texts that a filter makes of them fit.

        The database makes the texts of a batch at once, and can be stopped only between batches.
        """
        cost = sum((clause.cost for clause in checked), FilterCost())
        longest = self._longest(rows) if cost.depends_on_cells else 0
        memory = _BATCH_BYTES // (os.cpu_count() or 1)
        most = cost.rows_at_once(longest, memory, _BATCH_SEARCHED)
        if not most:
            raise FilterError(
                f"The filter makes too long texts of the longest cell ({longest:,} bytes).",
                fix="Use fewer or shorter replacements.",
            )
        if most >= _VECTOR:
            return rows
        return pa.Table.from_batches(
            rows.combine_chunks().to_batches(max_chunksize=most), schema=rows.schema
        )

    def _longest(self, rows: pa.Table) -> int:
        """Return the bytes of the longest cell."""
        texts = [quoted(f.name) for f in rows.schema if not pa.types.is_primitive(f.type)]
        if not texts:
            return 0
        lengths = ", ".join(f"max(strlen({name}::VARCHAR))" for name in texts)
        self.con.register("measured_rows", rows)
        found = one(self.con, f"SELECT {lengths} FROM measured_rows")
        self._unregister("measured_rows")
        return max((int(length) for length in found if length is not None), default=0)

    def _unregister(self, name: str) -> None:
        """Take a table out of the database, also while Ctrl-C is pressed again and again."""
        while True:
            try:
                self.con.unregister(name)
            except duckdb.InterruptException:
                continue
            return

    def count(self, rows: pa.Table, key: str, part: CheckedClause, sql: str) -> int | None:
        """Return how many distinct `key` one condition of `part` lets through.

        None if it fails or takes too long where the other conditions do not leave rows out.
        """
        self.con.register("tested_rows", self._in_batches(rows, [part]))
        query = f"SELECT count(DISTINCT {quoted(key)}) FROM tested_rows WHERE {sql}"
        try:
            with _stopped_after(self.con, _BIND_S):
                return int(one(self.con, query, _needed(part, sql))[0])
        except duckdb.Error:
            return None
        finally:
            self._unregister("tested_rows")

    def most_common(self, rows: pa.Table, key: str, column: str) -> list[tuple[str | None, int]]:
        """Return the most common values of a column as text, with how many `key` have each."""
        self.con.register("tested_rows", rows)
        found: list[tuple[str | None, int]] = self.con.execute(f"""
            SELECT CAST({quoted(column)} AS VARCHAR), count(DISTINCT {quoted(key)})
            FROM tested_rows
            GROUP BY 1
            ORDER BY 2 DESC, 1
            LIMIT 5
        """).fetchall()
        self._unregister("tested_rows")
        return found


def _needed(clause: CheckedClause, sql: str) -> dict[str, Any]:
    """Return the bound values that a piece of SQL uses; the database refuses others."""
    return {name: value for name, value in clause.params.items() if re.search(rf"\${name}\b", sql)}


@contextmanager
def _stopped_after(con: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[threading.Event]:
    """Interrupt what the block runs after some seconds. Yields an event that is set before that.

    Ctrl-C ends a query as an interrupt, too.
    """
    done, late = threading.Event(), threading.Event()

    def watch() -> None:
        waited = done.wait(seconds)
        # Again and again: DuckDB forgets an interrupt that comes before the query began.
        while not waited:
            late.set()
            con.interrupt()
            waited = done.wait(0.1)

    watcher = threading.Thread(target=watch, name="shipkit-filter-limit", daemon=True)
    watcher.start()
    try:
        yield late
    finally:
        done.set()
        watcher.join()


def _translated(error: duckdb.Error, clause: CheckedClause | None) -> FilterError:
    """Return an error of DuckDB as a FilterError: its first line, without the SQL that we wrote."""
    words = str(error).strip().splitlines()[0].removesuffix(".")
    fix = "Check the types of the columns: session.describe()."
    if isinstance(error, duckdb.ConversionException):
        fix = (
            "Write dates as '2026-11-01'."
            if "expected format" in words
            else "Use TRY_CAST, which gives NULL where a value does not fit."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        fix = "Simplify it."
    name = f"The filter {clause.text!r}" if clause else "The filter"
    return FilterError(f"{name} cannot be used: {words}.", fix=fix)
