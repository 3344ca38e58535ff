"""Delimited text files (CSV, TSV and similar) into a table of text cells.

DuckDB reads a well-formed file in parallel, every column as text. A file that it refuses (ragged
rows, mixed line ends, stray quotes, a preamble) is read again in Python, record by record, and
every repair is noted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema
from shipkit.orders.cells import Cells, base_names, unique_names
from shipkit.orders.columns import keys
from shipkit.orders.source.careful_text import read_carefully
from shipkit.orders.source.encodings import title_of
from shipkit.orders.source.strict_text import read_strict
from shipkit.orders.source.text_bytes import Scan, as_utf8, scan
from shipkit.orders.source.text_form import text_form

__all__ = ["read_delimited"]


def read_delimited(
    schema: StageSchema,
    path: Path,
    table: str,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool = True,
) -> Cells:
    """Read a delimited file into `table`, every column as text.

    Raises
    ------
    SourceError
        The file is empty, binary, damaged, not in `encoding`, or has a quote that is never closed.
    """
    seen = scan(path, encoding)
    with tempfile.TemporaryDirectory(prefix="shipkit-") as folder:
        plain = as_utf8(path, Path(folder), seen)
        form = text_form(plain, path.name, delimiter, header=header)
        read = read_strict(schema, plain, table, form) or read_carefully(
            schema, plain, table, form, path.name
        )
    return Cells(
        relation=read.relation,
        headings=form.headings,
        titles=form.seen.titles if form.seen else None,
        again=form.seen.again if form.seen else (),
        kind="tsv" if form.delimiter == "\t" else "csv",
        sha256=seen.sha256,
        delimiter=form.delimiter,
        encoding=seen.encoding,
        notes=(*seen.notes, *(form.seen.notes if form.seen else ()), *read.notes),
        lines=(read.lines,),
        skipped=form.skipped,
        broken=(*read.broken, *_doubtful(schema, read.relation, form.headings, seen)),
    )


def _doubtful(
    schema: StageSchema, relation: Relation, headings: Sequence[str], seen: Scan
) -> list[Mapping[str, Any]]:
    """Return a problem for each cell whose letters another code page reads differently."""
    if not seen.doubtful:
        return []
    fields = keys(unique_names(headings, ("row_number", "source_file")))
    found: list[Mapping[str, Any]] = []
    schema.con.register("doubtful_cells", pa.table({"cell": [c.strip() for c in seen.doubtful]}))
    try:
        for name, field in zip(base_names(len(headings)), fields, strict=True):
            rows = schema.con.execute(
                f"""
                SELECT rowid + 1, {name}
                FROM {relation.sql}
                SEMI JOIN doubtful_cells ON cell = trim({name})
                ORDER BY 1
                """
            ).fetchall()
            found += [_in_doubt(row, field, cell, seen) for row, cell in rows]
    finally:
        schema.con.unregister("doubtful_cells")
    return found


def _in_doubt(row: int, field: str, cell: str, seen: Scan) -> Mapping[str, Any]:
    others = seen.doubtful.get(cell) or next(
        read for text, read in seen.doubtful.items() if text.strip() == cell.strip()
    )
    rival, other = next(iter(others.items()))
    return {
        "row_number": row,
        "field": field,
        "value": cell,
        "severity": "error",
        "code": "letters_doubtful",
        "problem": (
            f'the letters of "{cell}" are not certain: read as {title_of(rival)} they are '
            f'"{other.strip()}"'
        ),
        "fix": (
            "Export the orders as UTF-8, or load the file with its encoding: "
            f'encoding="{seen.encoding}" or encoding="{rival}".'
        ),
    }
