"""A file of orders, read again by the reader that loaded it, and compared with what it loaded.

This ties a tracking number to its order. Before a byte is written, every row of the orders file is
read once more and compared; before the new file takes its place, it is read as well, and every
number must be in the row of its own order with every other cell as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.common.sql import quoted
from shipkit.errors import SourceError, WriteBackError
from shipkit.orders.cells import unique_names
from shipkit.orders.line_account import SourceLines
from shipkit.orders.source import SourceRows, connect, rows_of
from shipkit.outputs.writeback.additions import Additions
from shipkit.outputs.writeback.origin import SourceFile

__all__ = ["lines_of", "prove", "rows_now"]


@dataclass(frozen=True)
class _Difference:
    """The first cell that is not as expected."""

    row: int
    """Row number within the file."""
    column: int
    found: str | None
    expected: str | None


def lines_of(file: SourceFile, stored: pa.Table) -> SourceLines:
    """Return the lines of a file's rows, once every row was found to be what was loaded.

    Parameters
    ----------
    stored
        The rows that were loaded from this file.

    Raises
    ------
    WriteBackError
        A row is read differently than it was.
    """
    problem = None
    for rows, con in _readings(file.path, file):
        names = stored_names(rows.headings, file, stored)
        expected = {place: stored.column(name) for place, name in names.items()}
        found = _first_difference(con, rows, expected, stored.num_rows)
        if found is None:
            return rows.lines
        problem = problem or WriteBackError(
            f"{_place(file, found.row)} is not what it was when the file was read: "
            f"{_cell(rows, found)}. Nothing was written.",
            fix=file.other_format,
        )
    raise problem or WriteBackError(f"{file.path.name} has no rows.", fix=file.other_format)


def prove(
    written: Path, file: SourceFile, stored: pa.Table, new: Additions, places: Sequence[int]
) -> None:
    """Raise WriteBackError unless each new cell is in its row, and every other cell as it was.

    Parameters
    ----------
    written
        The new file, before it takes its place.
    places
        The column of each heading of `new`, from 0.
    """
    texts = new.texts(inert=file.form == "text")
    cells = dict(zip(places, texts.columns, strict=True))
    if file.form == "parquet":
        behind = [
            name
            for name, place in zip(new.headings, places, strict=True)
            if place >= len(stored.column_names)
        ]
        _prove_types(written, file, new, behind)
        cells = {
            place: column for place, column in cells.items() if place < len(stored.column_names)
        }
    numbers = {
        place
        for place, kind in zip(places, new.table.schema.types, strict=True)
        if pa.types.is_decimal(kind) or pa.types.is_floating(kind) or pa.types.is_integer(kind)
    }
    problem = None
    for rows, con in _readings(written, file):
        names = stored_names(rows.headings, file, stored)
        expected = {place: stored.column(name) for place, name in names.items()}
        for place, column in cells.items():
            old = expected.get(place)
            expected[place] = column if old is None else _filled(column, old)
        found = _first_difference(
            con, rows, expected, stored.num_rows, added=places, numbers=numbers
        )
        if found is None:
            return
        problem = problem or WriteBackError(
            f"{_place(file, found.row)} would not be what it should be: {_cell(rows, found)}. "
            "Nothing was written.",
            fix=file.other_format,
        )
    raise problem or WriteBackError(f"{file.path.name} has no rows.", fix=file.other_format)


def _prove_types(written: Path, file: SourceFile, new: Additions, headings: Sequence[str]) -> None:
    """Raise WriteBackError unless the new columns of a Parquet file have their cells and types."""
    found = pq.read_table(written, columns=list(headings), partitioning=None)
    for name in headings:
        column = found.column(name).cast(new.table.schema.field(name).type)
        if not _equal(column, new.table.column(name)):
            raise WriteBackError(
                f"The column {name!r} of {file.path.name} would not be what it should be. "
                "Nothing was written.",
                fix=file.other_format,
            )


def rows_now(file: SourceFile, stored: pa.Table) -> tuple[pa.Table, list[str]]:
    """Return the rows that a file has now under the names of the stored ones, and its headings.

    Raises
    ------
    SourceError
        The file can no longer be read.
    """
    for rows, con in _readings(file.path, file):
        names = stored_names(rows.headings, file, stored)
        wanted = ", ".join(f"c{place + 1} AS {quoted(name)}" for place, name in names.items())
        table = con.sql(f"SELECT {wanted} FROM {rows.relation.sql} ORDER BY row_number")
        return table.to_arrow_table(), list(rows.headings)
    raise SourceError(f"{file.path.name} has no rows.")


def stored_names(headings: Sequence[str], file: SourceFile, stored: pa.Table) -> dict[int, str]:
    """Return the place of a column of the file -> the name of that column in the stored rows."""
    names = stored.column_names
    if file.alone:
        return dict(enumerate(names[: len(headings)]))
    # Of several files, each may have only some of the columns.
    own = unique_names(headings, ())
    return {
        place: stored_name
        for place, name in enumerate(own)
        for stored_name in (name if name in names else f"{name}_2",)
        if stored_name in names
    }


@contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    con = connect()
    try:
        yield con
    finally:
        con.close()


def _readings(
    path: Path, file: SourceFile
) -> Iterator[tuple[SourceRows, duckdb.DuckDBPyConnection]]:
    """Yield the rows of a file, read in each way in which it may have been read.

    A job notes the encoding, but not whether it was given or found; and not whether hidden rows and
    columns were asked for.
    """
    failure: SourceError | None = None
    read = False
    for options in _options(file):
        with _database() as con:
            try:
                rows = rows_of(path, con, **options)
            except SourceError as error:
                failure = failure or error
                continue
            read = True
            yield rows, con
    if not read and failure is not None:
        raise failure


def _options(file: SourceFile) -> list[dict[str, Any]]:
    if file.form == "text":
        common = {"delimiter": file.delimiter, "header": file.header}
        return [{**common, "encoding": None}, {**common, "encoding": file.encoding}]
    if file.form == "book":
        common = {"sheet": file.sheet, "header": file.header}
        return [{**common, "hidden": hidden} for hidden in (False, True, "rows", "columns")]
    return [{"copy": False}]


def _first_difference(
    con: duckdb.DuckDBPyConnection,
    rows: SourceRows,
    expected: Mapping[int, pa.ChunkedArray],
    count: int,
    added: Sequence[int] | None = None,
    numbers: Collection[int] = (),
) -> _Difference | None:
    """Return the first cell that is not as expected.

    Parameters
    ----------
    expected
        Column, from 0 -> its cells.
    added
        The columns that were added: rows below the orders (a footer) are accepted if these are
        empty there. None: no further row is accepted.
    numbers
        Columns whose cells are equal when they are the same number: a sheet drops the last zero.
    """
    table = pa.table(
        {
            "number": pa.array(np.arange(1, count + 1)),
            **{f"e{place}": column for place, column in expected.items()},
        }
    )
    con.register("expected_cells", table)
    width = len(rows.headings)
    tests = [_test(place, width, number=place in numbers) for place in expected]
    extra = (
        "true"
        if added is None
        else " OR ".join(
            f"nullif(n.c{place + 1}, '') IS NOT NULL" for place in added if place < width
        )
    )
    found = con.execute(f"""
        SELECT
            coalesce(e.number, n.row_number) AS row_number,
            list_position([{", ".join(tests)}], true)
        FROM {rows.relation.sql} AS n
        FULL JOIN expected_cells AS e ON n.row_number = e.number
        WHERE CASE
            WHEN e.number IS NULL THEN {extra or "false"}
            WHEN n.row_number IS NULL THEN true
            ELSE {" OR ".join(tests) or "false"}
        END
        ORDER BY 1
        LIMIT 1
    """).fetchone()
    if found is None:
        return None
    row, test = int(found[0]), int(found[1] or 1)
    place = list(expected)[test - 1]
    there = (
        con.execute(
            f"SELECT c{place + 1} FROM {rows.relation.sql} WHERE row_number = ?", [row]
        ).fetchone()
        if place < width
        else None
    )
    wanted = expected[place][row - 1].as_py() if row <= count else None
    return _Difference(row, place, there[0] if there else None, wanted)


def _test(place: int, width: int, *, number: bool) -> str:
    """Return SQL that is true where a cell is not as expected."""
    there, wanted = f"n.c{place + 1}", f"e.e{place}"
    if place >= width:
        return f"nullif({wanted}, '') IS NOT NULL"
    # Blanks around a cell are not compared: the careful reader drops those behind a delimiter, and
    # a file that was ragged before its new cells is read by the strict one.
    differs = f"nullif(trim({there}), '') IS DISTINCT FROM nullif(trim({wanted}), '')"
    if not number:
        return differs
    same = f"TRY_CAST({there} AS DOUBLE) = TRY_CAST({wanted} AS DOUBLE)"
    return f"({differs} AND ({same}) IS NOT TRUE)"


def _equal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    return bool(one.combine_chunks().equals(other.combine_chunks()))


def _filled(new: pa.ChunkedArray, old: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(pc.fill_null(new, ""), ""), pc.fill_null(old, ""), new)


def _place(file: SourceFile, row: int) -> str:
    order = file.order_of(row)
    return f"Row {row} of {file.path.name}" + (f" (order {order})" if order else "")


def _cell(rows: SourceRows, found: _Difference) -> str:
    heading = (
        repr(rows.headings[found.column]) if found.column < len(rows.headings) else "a new column"
    )
    return f"{heading} is {_shown(found.found)} and should be {_shown(found.expected)}"


def _shown(text: str | None) -> str:
    if not text:
        return "empty"
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
