"""Delimited text files (CSV, TSV and similar) into a table of text cells.

DuckDB reads a well-formed file in parallel, every column as text. A file that it refuses (ragged
rows, mixed line ends, stray quotes, a preamble) is read again in Python, record by record, and
every repair is noted.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from shipkit.common.relation import StageSchema
from shipkit.orders.cells import Cells
from shipkit.orders.source.careful_text import read_carefully
from shipkit.orders.source.strict_text import read_strict
from shipkit.orders.source.text_bytes import as_utf8, scan
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
        kind="tsv" if form.delimiter == "\t" else "csv",
        sha256=seen.sha256,
        delimiter=form.delimiter,
        encoding=seen.encoding,
        notes=(*seen.notes, *form.notes, *read.notes),
        broken=tuple(read.broken),
    )
