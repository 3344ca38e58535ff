"""Let DuckDB read a well-formed text file, and prove that no line was lost or merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import one
from shipkit.orders.cells import Note, base_names
from shipkit.orders.source.text_bytes import CHUNK
from shipkit.orders.source.text_form import TextForm

__all__ = ["TextRead", "holds_records", "read_strict"]


@dataclass
class TextRead:
    """The rows of a text file, what was repaired, and the problems of single rows."""

    relation: Relation
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
    except duckdb.Error:
        return None
    if not _adds_up(schema, path, relation, form):
        # The careful reader names the line.
        return None
    return TextRead(relation)


def holds_records(cell: str, form: TextForm) -> bool:
    """Return whether a cell with line breaks has a line with as many delimiters as the headings.

    Then a stray quote made whole records part of the cell.
    """
    most = len(form.headings) - 1
    return (
        most > 1
        and "\n" in cell
        and any(line.count(form.delimiter) >= most for line in cell.split("\n"))
    )


def _adds_up(schema: StageSchema, path: Path, relation: Relation, form: TextForm) -> bool:
    """Return whether the records have the delimiters and the line ends that the file has.

    DuckDB accepts a blank cell beyond the headings, and a stray quote that a later one closes.
    """
    if any(holds_records(cell, form) for cell in form.headings):
        return False
    width, delimiter = len(form.headings), form.delimiter.encode()
    count = int(one(schema.con, f"SELECT count(*) FROM {relation.sql}")[0]) + form.header
    marks = lines = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            marks += chunk.count(delimiter)
            lines += chunk.count(b"\n")
    if lines > count and _has_merged(schema, relation, form):
        return False
    inside = marks - count * (width - 1) - sum(cell.count(form.delimiter) for cell in form.headings)
    if not inside or width == 1:
        return True
    cells = " + ".join(
        f"coalesce(sum(len({name}) - len(replace({name}, $delimiter, ''))), 0)"
        for name in base_names(width)
    )
    found = one(schema.con, f"SELECT {cells} FROM {relation.sql}", {"delimiter": form.delimiter})
    return int(found[0]) == inside


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
    ).fetchone()
    return found is not None
