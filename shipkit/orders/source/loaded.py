"""A source after it was read: its relations, its columns, and a report of what reading did."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation, scratch
from shipkit.common.sql import one, quoted
from shipkit.common.words import counted
from shipkit.errors import SourceError
from shipkit.orders.cells import Note
from shipkit.orders.columns import Column
from shipkit.orders.layouts import LayoutMatch
from shipkit.orders.line_account import LineAccount
from shipkit.orders.source.column_reading import ColumnReading
from shipkit.orders.source.readers import Origin

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LoadReport", "Loaded"]

_WIDE: Final = 64
_MANY_CELLS: Final = 20_000_000


@dataclass(frozen=True)
class LoadReport:
    """What was read from a source, and what was repaired, dropped or assumed.

    Parameters
    ----------
    rows
        Rows that were kept.
    columns
        Number of columns.
    notes
        What reading did, in the order in which it happened.
    lines
        Where every line of the source went: loaded, set aside with a reason, or merged into an
        order.
    """

    rows: int
    columns: int
    notes: tuple[Note, ...] = ()
    lines: LineAccount = field(default_factory=lambda: LineAccount(0, 0))

    def __str__(self) -> str:
        head = f"{counted(self.rows, 'row')}, {counted(self.columns, 'column')}"
        return "\n".join(
            [head, str(self.lines), *(f"{note.kind}: {note.text}" for note in self.notes)]
        )

    def of(self, kind: str) -> tuple[Note, ...]:
        """Return the notes of one kind: ``read``, ``repaired``, ``dropped`` or ``assumed``."""
        return tuple(note for note in self.notes if note.kind == kind)

    @property
    def frame(self) -> pd.DataFrame:
        """The notes as a DataFrame with the columns kind, text and count."""
        import pandas as pd

        return pd.DataFrame(
            [(n.kind, n.text, n.count) for n in self.notes], columns=["kind", "text", "count"]
        )


@dataclass(frozen=True)
class Loaded:
    """The rows of a source in the database `con`.

    ``row_number`` counts the rows of the source from 1, the header row not included, and runs on
    over the files of a glob.
    """

    con: duckdb.DuckDBPyConnection = field(repr=False)
    cells: Relation = field(repr=False)
    """The cells as the source has them: columns ``c1``, ``c2``, ..."""
    text: Relation = field(repr=False)
    """``row_number``, ``source_file``, then every column as text under its heading."""
    lines: Relation = field(repr=False)
    """``row_number``, ``source_file``, then every column with its type under its key."""
    columns: tuple[Column, ...]
    rows: int
    origin: Origin
    report: LoadReport = field(repr=False)
    problems: pa.Table = field(repr=False)
    layout: LayoutMatch | None = None
    """The known export that was recognised by its headings, or None."""
    copied: bool = True
    """False for a Parquet file that stays where it is and is read each time it is needed."""
    readings: tuple[ColumnReading, ...] = field(default=(), repr=False)
    """How each of `columns` is read."""
    item_columns: frozenset[str] = frozenset()
    """Names of columns: a row that fills only these is a further item of the order above."""

    def describe(self) -> pd.DataFrame:
        """Return one row per column of the source.

        Returns
        -------
        pandas.DataFrame
            name, type, non_null, distinct, examples (the most common values), key, role, unit.
        """
        import pandas as pd

        with self._stored_if_wide() as table:
            described = [self._described(column, table) for column in self.columns]
        return pd.DataFrame(
            described,
            columns=["name", "type", "non_null", "distinct", "examples", "key", "role", "unit"],
        )

    @contextmanager
    def _stored_if_wide(self) -> Iterator[Relation]:
        """Yield the lines; those of a wide table are stored, unless there are very many cells.

        Each query over a view is planned with all of its columns.
        """
        if len(self.columns) < _WIDE or len(self.columns) * self.rows > _MANY_CELLS:
            yield self.lines
            return
        with scratch(self.con, "described") as schema:
            yield schema.table("lines", f"SELECT * FROM {self.lines.sql}")

    def _described(self, column: Column, table: Relation) -> tuple[Any, ...]:
        key = quoted(column.key)
        counts = one(self.con, f"SELECT count({key}), count(DISTINCT {key}) FROM {table.sql}")
        common = self.con.execute(f"""
            SELECT CAST({key} AS VARCHAR)
            FROM {table.sql}
            WHERE {key} IS NOT NULL
            GROUP BY 1
            ORDER BY count(*) DESC, 1
            LIMIT 3
        """).fetchall()
        return (
            column.name,
            column.type,
            int(counts[0]),
            int(counts[1]),
            ", ".join(str(value) for (value,) in common),
            column.key,
            column.role,
            column.unit,
        )

    def sample(self, n: int = 5, seed: int = 1) -> pd.DataFrame:
        """Return `n` random rows in source order; the same seed gives the same rows.

        Returns
        -------
        pandas.DataFrame
            row_number, then every column under its heading.
        """
        wanted = ", ".join(
            f"{quoted(column.key)} AS {quoted(column.name)}" for column in self.columns
        )
        found: pd.DataFrame = self.con.sql(f"""
            SELECT row_number, {wanted}
            FROM (
                SELECT * FROM {self.lines.sql}
                USING SAMPLE reservoir({int(n)} ROWS) REPEATABLE ({int(seed)})
            )
            ORDER BY row_number
        """).df()
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The headings, made unique."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """Return the column with this heading or key.

        Raises
        ------
        SourceError
            There is no such column; the message names the nearest one.
        """
        for column in self.columns:
            if name in (column.name, column.key):
                return column
        known = [c.name for c in self.columns] + [c.key for c in self.columns]
        near = difflib.get_close_matches(name, known, n=1)
        raise SourceError(
            f"There is no column {name!r}" + (f"; did you mean {near[0]!r}?" if near else "."),
            fix="See session.columns.",
        )
