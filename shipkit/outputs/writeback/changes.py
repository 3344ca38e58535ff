"""Describe which rows of a source file changed since it was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from shipkit.common.words import counted, plural, row_list
from shipkit.errors import SourceError
from shipkit.orders.source import connect, load
from shipkit.outputs.writeback.origin import SourceFile

__all__ = ["changed_rows"]


def changed_rows(file: SourceFile, stored: pa.Table) -> str:
    """Return how a file differs from the rows that were stored when it was read."""
    con = connect()
    try:
        loaded = load(
            file.path,
            con=con,
            sheet=file.sheet,
            delimiter=file.delimiter,
            encoding=file.encoding if file.kind in {"csv", "tsv"} else None,
            header=file.header,
        )
        now: pa.Table = con.sql(
            f"SELECT * FROM {loaded.text.sql} ORDER BY row_number"
        ).to_arrow_table()
    except SourceError as error:
        return error.message.rstrip(".")
    finally:
        con.close()
    before = file.lines(stored)
    if now.column_names != before.column_names:
        return "its headings are different now"
    names = before.column_names[2:]
    old, new = _rows(before, names), _rows(now, names)
    differ = [
        number for number, (a, b) in enumerate(zip(old, new, strict=False), start=1) if a != b
    ]
    parts = [f"{row_list(differ)} {plural(len(differ), 'differs', 'differ')}"] if differ else []
    if len(new) != len(old):
        parts.append(f"it has {counted(len(new), 'row')} now and had {len(old):,}")
    return ", ".join(parts) or "its cells are the same but its bytes are not (it was saved again)"


def _rows(table: pa.Table, names: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
