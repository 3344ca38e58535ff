"""Let DuckDB read a well-formed text file, and prove that no line was lost or merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from shipkit.common.relation import Relation, StageSchema, count
from shipkit.common.sql import one
from shipkit.orders.cells import Note, base_names
from shipkit.orders.line_account import SourceLines, set_aside
from shipkit.orders.source.read_faults import is_defect
from shipkit.orders.source.text_bytes import line_and_mark_counts
from shipkit.orders.source.text_cells import TORN
from shipkit.orders.source.text_form import TextForm
from shipkit.orders.source.text_records import records

__all__ = ["TextRead", "read_strict"]


@dataclass
class TextRead:
    """The rows of a text file, what was repaired, and the problems of single rows."""

    relation: Relation
    lines: SourceLines
    notes: list[Note] = field(default_factory=list)
    broken: list[Mapping[str, Any]] = field(default_factory=list)


def read_strict(schema: StageSchema, path: Path, table: str, form: TextForm) -> TextRead | None:
    """Let DuckDB read the file; None when it is not well-formed."""
    if not form.simple:
        return None
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in base_names(len(form.headings)))
    sql = f"""
        SELECT * FROM read_csv(
            $path,
            auto_detect = false,
            delim = $delimiter,
            quote = '"',
            escape = '"',
            header = {str(form.header).lower()},
            columns = {{{columns}}},
            hive_partitioning = false,
            max_line_size = 16777216
        )
    """
    try:
        relation = schema.table(table, sql, {"path": str(path), "delimiter": form.delimiter})
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        if is_defect(error):
            raise
        return None
    total, marks, quotes = line_and_mark_counts(path, form.delimiter)
    lines = _lines_of(schema, path, relation, form, total)
    if lines is None or not _adds_up(schema, relation, form, lines, marks):
        # The careful reader names the line.
        return None
    if quotes and _has_torn(schema, relation, len(form.headings)):
        return None
    return TextRead(relation, lines)


def _lines_of(
    schema: StageSchema, path: Path, relation: Relation, form: TextForm, total: int
) -> SourceLines | None:
    """Return the account of the lines, None where some are neither a row nor blank nor in a cell.

    DuckDB skips blank lines, and a broken line of headings together with all lines below.
    """
    rows = count(schema.con, relation)
    first, last = form.headings_at
    above = SourceLines(
        total=total,
        rows=rows,
        headings=(1,) if form.header else (),
        inside=last - first if form.header else 0,
        first=last + 1,
    )
    left = total - last - rows
    if not left:
        return above
    empty = _blank_lines(path) if left > 0 else []
    if len(empty) == left:  # a line break in a cell leaves at least one line that is not blank
        filled = np.setdiff1d(np.arange(last + 1, total + 1), empty, assume_unique=True)
        return replace(above, starts=filled, aside=(set_aside("blank", empty),))
    breaks = _breaks(schema, relation, len(form.headings))
    blank = left - int(breaks.sum())
    starts = last + 1 + np.arange(rows) + np.concatenate(([0], np.cumsum(breaks[:-1])))
    if blank < 0 or not rows:
        return None
    inside = above.inside + int(breaks.sum())
    if not blank:
        return replace(above, inside=inside, starts=starts)
    starts, empty = _by_record(path, form)
    if len(empty) != blank or len(starts) != rows:
        return None
    return replace(above, inside=inside, starts=starts, aside=(set_aside("blank", empty),))


def _breaks(schema: StageSchema, relation: Relation, width: int) -> np.ndarray:
    """Return the number of line breaks inside the cells of each row."""
    cells = ", ".join(base_names(width))
    found = schema.con.sql(f"""
        WITH texts AS (SELECT rowid, concat_ws('|', {cells}) AS text FROM {relation.sql})
        SELECT
            2 * len(text) - len(replace(text, chr(10), '')) - len(replace(text, chr(13), ''))
            - (len(text) - len(replace(text, chr(13) || chr(10), '|'))) AS breaks
        FROM texts
        ORDER BY rowid
    """).fetchnumpy()
    return np.asarray(found["breaks"])


def _blank_lines(path: Path) -> list[int]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [number for number, line in enumerate(file, start=1) if line in {"\n", "\r\n", "\r"}]


def _by_record(path: Path, form: TextForm) -> tuple[np.ndarray, list[int]]:
    """Return the line in which each row begins, and the blank lines between rows."""
    starts: list[int] = []
    blank: list[int] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        below = islice(file, form.first - 1, None)
        for record in records(below, form.dialect, form.width, form.shapes):
            (starts if record.cells else blank).append(record.first + form.first - 1)
    return np.array(starts), blank


def _adds_up(
    schema: StageSchema, relation: Relation, form: TextForm, lines: SourceLines, marks: int
) -> bool:
    """Return whether the records have as many delimiters as the file, which has `marks`.

    DuckDB accepts a blank cell beyond the headings, and a stray quote that a later one closes.
    """
    width, count = len(form.headings), lines.rows + form.header
    if lines.inside and _has_merged(schema, relation, form):
        return False
    inside = marks - count * (width - 1) - sum(cell.count(form.delimiter) for cell in form.headings)
    if not inside or width == 1:
        return True
    # One text of all cells is made sooner than each cell is searched, and few have a delimiter.
    row = f"concat({', '.join(base_names(width))})"
    found = one(
        schema.con,
        f"""
        SELECT coalesce(sum(strlen(cells) - strlen(replace(cells, $delimiter, ''))), 0)
        FROM (SELECT {row} AS cells FROM {relation.sql})
        WHERE contains(cells, $delimiter)
        """,
        {"delimiter": form.delimiter},
    )
    return int(found[0]) == inside * len(form.delimiter.encode())


def _has_torn(schema: StageSchema, relation: Relation, width: int) -> bool:
    """Return whether a text in quotes may have been cut at its commas."""
    names = base_names(width)
    quotes = " OR ".join(f"contains({name}, '\"')" for name in names)
    found = schema.con.execute(
        f"SELECT 1 FROM {relation.sql} WHERE ({quotes}) "
        f"AND regexp_matches(concat_ws(chr(31), {', '.join(names)}), $torn) LIMIT 1",
        {"torn": TORN},
    ).fetchall()
    return bool(found)


def _has_merged(schema: StageSchema, relation: Relation, form: TextForm) -> bool:
    """Return whether a cell with line breaks may hold whole records."""
    width = len(form.headings)
    if width < 3:
        return False
    cells = " OR ".join(
        f"(contains({name}, chr(10)) "
        f"AND len({name}) - len(replace({name}, $delimiter, '')) >= $most)"
        for name in base_names(width)
    )
    found = schema.con.execute(
        f"SELECT 1 FROM {relation.sql} WHERE {cells} LIMIT 1",
        {"delimiter": form.delimiter, "most": width - 1},
    ).fetchall()
    return bool(found)
