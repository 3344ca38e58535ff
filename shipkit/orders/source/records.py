"""Sources with types or records: DataFrames, Arrow, Parquet, DuckDB, JSON, lists of dicts."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.common.cell_text import text_of
from shipkit.common.relation import StageSchema
from shipkit.common.sql import quoted
from shipkit.errors import SourceError
from shipkit.orders.cells import Cells, Note, base_names, put, text_columns, whole_text
from shipkit.orders.expressions import quote as sql_text
from shipkit.orders.line_account import SourceLines, set_aside
from shipkit.orders.source.arrow_columns import (
    as_table,
    column_array,
    put_columns,
    readable_table,
)
from shipkit.orders.source.read_faults import is_defect
from shipkit.orders.source.record_rows import (
    flattened,
    holds_items,
    names_items,
    orders_within,
    with_item_lines,
)

__all__ = ["is_frame", "read_arrow", "read_frame", "read_json", "read_parquet", "read_records"]


def is_frame(source: Any) -> bool:
    """Return whether `source` is a pandas DataFrame or one of a subclass, such as geopandas'.

    Does not import pandas.
    """
    # Another thread may be importing pandas at this moment.
    frame = getattr(sys.modules.get("pandas"), "DataFrame", None)
    return frame is not None and isinstance(source, frame)


def read_frame(schema: StageSchema, frame: Any, table: str) -> Cells:
    """Read a pandas DataFrame; None, NaN and NaT are null.

    A named index is a column, as in Arrow's own conversion: it may hold the order number. Lists of
    items in cells, as ``pandas.json_normalize`` leaves them, are lines as they are in dicts.
    """
    unread = _unread_index(frame)
    frame = _with_named_index(frame)
    headings = tuple(_heading(label) for label in frame.columns)
    if not headings:
        raise SourceError(
            "The DataFrame has no columns.", fix="Pass a DataFrame with one row per order or line."
        )
    listed = [heading for heading in headings if names_items(heading)]
    if any(
        holds_items(cell) for heading in listed for cell in frame.iloc[:, headings.index(heading)]
    ):
        bare = frame.astype(object).where(frame.notna(), None)
        records = [dict(zip(headings, row, strict=True)) for row in bare.to_numpy().tolist()]
        return replace(read_records(schema, records, table), kind="frame")
    arrays = [column_array(frame.iloc[:, place]) for place in range(len(headings))]
    data = pa.table(dict(zip(base_names(len(arrays)), arrays, strict=True)))
    return Cells(
        relation=put_columns(schema, table, data, headings),
        headings=headings,
        kind="frame",
        unread_index=unread,
    )


def _heading(label: Any) -> str:
    """Return the heading of a column; the parts of a MultiIndex are one text."""
    if isinstance(label, tuple):
        return " ".join(text for text in map(_heading, label) if text)
    missing = label is None or label != label  # noqa: PLR0124 - NaN is not equal to itself
    return "" if missing else whole_text(str(label))


def _unread_index(frame: Any) -> str | None:
    """Return an example of an index that is not read and is more than the places of the rows."""
    index = frame.index
    if index.name is not None or getattr(index.dtype, "kind", "O") not in "iu" or not len(index):
        return None
    places = np.array_equal(index.to_numpy(), np.arange(len(index)))
    return None if index.nlevels > 1 or places else str(index[0])


def _with_named_index(frame: Any) -> Any:
    """Return `frame` with its index as its first columns: what has a name or is no whole number.

    Whole numbers without a name are places of rows, also in part of a frame; texts may be the
    order numbers.
    """
    index = frame.index
    levels = [index.get_level_values(level) for level in range(index.nlevels)]
    several = len(levels) > 1
    levels = [
        level if level.name is not None else level.rename(f"level_{n}" if several else "index")
        for n, level in enumerate(levels)
        if level.name is not None or getattr(level.dtype, "kind", "O") not in "iu"
    ]
    if not levels:
        return frame
    # set_index(drop=False) leaves the same column in the frame.
    new = [
        level
        for level in levels
        if level.name not in frame.columns or list(level) != list(frame[level.name])
    ]
    # A plain frame: a subclass may have a meaning for its columns.
    bare = sys.modules["pandas"].DataFrame(frame).set_axis(range(len(frame)), axis="index")
    if bare.columns.nlevels == 1:
        # Columns of strings, pandas' own, take no name with half a character.
        bare = bare.set_axis(bare.columns.astype(object), axis="columns")
    for place, level in enumerate(new):
        bare.insert(place, level.name, level, allow_duplicates=True)
    return bare


def read_arrow(schema: StageSchema, source: Any, table: str, kind: str = "arrow") -> Cells:
    """Read an Arrow table, a record batch reader, or any object with an Arrow stream."""
    data = as_table(source)
    headings = tuple(str(name) for name in data.column_names)
    if not headings:
        raise SourceError(
            "The table has no columns.", fix="Pass a table with one row per order or line."
        )
    if _is_nested(data.schema):
        return replace(read_records(schema, data.to_pylist(), table), kind=kind)
    data = readable_table(data.rename_columns(base_names(len(headings))), headings)
    relation = put_columns(schema, table, data, headings)
    return Cells(relation=relation, headings=headings, kind=kind)


def _is_nested(schema: pa.Schema) -> bool:
    """Return whether cells hold objects, as records of JSON do: an address, or lists of items."""
    return any(
        pa.types.is_struct(field.type) or (names_items(field.name) and _lists_objects(field.type))
        for field in schema
    )


def _lists_objects(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(is_list and pa.types.is_struct(kind.value_type))


def read_parquet(schema: StageSchema, path: Path, table: str, *, copy: bool = True) -> Cells:
    """Read a Parquet file with its types.

    With ``copy=False`` nothing is stored: the file is read each time its rows are needed. A file
    with objects in its cells is read as the records of JSON are.
    """
    import pyarrow.parquet as pq

    try:
        nested = pq.read_schema(path)
        if _is_nested(nested):
            data = pq.read_table(path, partitioning=None).to_pylist()
            cells = read_records(schema, data, table)
            # Objects become columns: a row of the file is a row, and can be written back.
            rows_stay = not any(_lists_objects(field.type) for field in nested)
            return replace(cells, kind="parquet") if rows_stay else cells
        found = schema.con.execute(
            "DESCRIBE SELECT * FROM read_parquet($path, hive_partitioning = false)",
            {"path": _escaped(path)},
        ).fetchall()
        headings = tuple(str(row[0]) for row in found)
        zones = _zones(path) if any("TIME ZONE" in row[1] for row in found) else {}
        wanted = ", ".join(
            f"{_clock_sql(old, zones.get(old))} AS {new}"
            for old, new in zip(headings, base_names(len(headings)), strict=True)
        )
        if copy:
            relation = schema.table(
                table,
                f"SELECT {wanted} FROM read_parquet($path, hive_partitioning = false)",
                {"path": _escaped(path)},
            )
        else:
            relation = schema.view(
                table,
                f"SELECT {wanted}, file_row_number AS rowid "
                f"FROM read_parquet({sql_text(_escaped(path))}, file_row_number = true, "
                "hive_partitioning = false)",
            )
    except duckdb.InterruptException:
        raise
    except (duckdb.Error, pa.ArrowException) as error:
        if is_defect(error):
            raise
        raise SourceError(
            f"{path.name} is not a readable Parquet file: {str(error).splitlines()[0]}.",
            fix="Export it again.",
        ) from None
    return Cells(relation=relation, headings=headings, kind="parquet")


def _zones(path: Path) -> dict[str, str]:
    """Return the time zone of each column of times that has one.

    The database reads them as moments, and forgets the zone whose clock the file means.
    """
    schema = pq.read_schema(path)
    return {field.name: field.type.tz for field in schema if getattr(field.type, "tz", None)}


def _clock_sql(heading: str, zone: str | None) -> str:
    """Return SQL of a column, of times with a zone as the clock of that zone shows them."""
    if zone is None:
        return quoted(heading)
    if offset := re.fullmatch(r"([+-])(\d\d):?(\d\d)", zone):
        minutes = (int(offset[2]) * 60 + int(offset[3])) * (-1 if offset[1] == "-" else 1)
        return f"timezone('UTC', {quoted(heading)}) + INTERVAL ({minutes}) MINUTE"
    return f"timezone({sql_text(zone)}, {quoted(heading)})"


def _escaped(path: Path) -> str:
    """Return a path that DuckDB does not read as a glob."""
    return "".join(f"[{mark}]" if mark in "*?[" else mark for mark in str(path))


def read_json(schema: StageSchema, path: Path, table: str) -> Cells:
    """Read JSON: a list of objects, also one level inside an object, or one object per line.

    Numbers keep their spelling, so that no digit is lost.
    """
    with path.open("rb") as packed:
        opened = gzip.open if packed.read(2) == b"\x1f\x8b" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig") as file:
            text = file.read()
        found, kind = _parsed(text)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path.name} is not UTF-8: {error.reason} at byte {error.start}.",
            fix="JSON must be UTF-8; export it again.",
        ) from None
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{path.name}, line {error.lineno}, column {error.colno}: {error.msg}.",
            fix="Write one JSON list of objects, or one object per line.",
        ) from None
    if not found or not all(isinstance(record, Mapping) for record in found):
        raise SourceError(
            f"{path.name} does not contain a list of objects.",
            fix='Write [{"order_id": ...}, ...] or one object per line.',
        )
    records, items, notes = with_item_lines(found)
    headings, rows = _flat(records)
    if not headings:
        raise SourceError(
            f"The objects of {path.name} have no fields.",
            fix='Write [{"order_id": ...}, ...] or one object per line.',
        )
    data = text_columns([[text_of(cell) for cell in row] for row in rows], len(headings))
    return Cells(
        relation=put(schema, table, data),
        headings=headings,
        kind=kind,
        encoding="utf-8",
        notes=notes,
        item_headings=items,
        lines=(_lines_of(text, len(rows)),) if kind == "ndjson" and not notes else (),
    )


def _flat(records: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], list[Any]]:
    headings, rows = flattened(records)
    return tuple(map(whole_text, headings)), rows


def _lines_of(text: str, rows: int) -> SourceLines:
    """Return the account of a file with one object on each line that is not blank."""
    lines = text.removesuffix("\n").split("\n")
    blank = [number for number, line in enumerate(lines, start=1) if not line.strip()]
    starts = [number for number, line in enumerate(lines, start=1) if line.strip()]
    aside = (set_aside("blank", blank),) if blank else ()
    return SourceLines(total=len(lines), rows=rows, aside=aside, starts=np.array(starts))


def _parsed(text: str) -> tuple[list[Any], str]:
    options: dict[str, Any] = {"parse_float": str, "parse_int": str}
    try:
        data = json.loads(text, **options)
    except json.JSONDecodeError:
        lines = [
            # splitlines() would also cut at U+2028, which JSON allows inside a text.
            (number, line)
            for number, line in enumerate(text.split("\n"), start=1)
            if line.strip()
        ]
        if len(lines) < 2:
            raise
        return [_parsed_line(number, line, options) for number, line in lines], "ndjson"
    if isinstance(data, dict):
        data = orders_within(data)
    return data if isinstance(data, list) else [], "json"


def _parsed_line(number: int, line: str, options: Mapping[str, Any]) -> Any:
    try:
        return json.loads(line, **options)
    except json.JSONDecodeError as error:
        raise json.JSONDecodeError(
            error.msg, "\n" * (number - 1) + error.doc, error.pos + number - 1
        ) from None


def read_records(schema: StageSchema, records: Sequence[Mapping[str, Any]], table: str) -> Cells:
    """Read a list of dicts; a column of one type keeps it, a mixed one becomes text."""
    if not records:
        raise SourceError("The list of orders is empty.", fix="Pass at least one dict.")
    wrong = next(
        (place for place, record in enumerate(records) if not isinstance(record, Mapping)), None
    )
    if wrong is not None:
        raise SourceError(
            f"Item {wrong} of the list is a {type(records[wrong]).__name__}, not a dict.",
            fix='Pass [{"order_id": ..., "zip": ...}, ...].',
        )
    lines, items, notes = with_item_lines(records)
    headings, rows = _flat(lines)
    if not headings:
        raise SourceError(
            "The orders have no fields.", fix='Pass [{"order_id": ..., "zip": ...}, ...].'
        )
    columns = list(zip(*rows, strict=True))
    data = pa.table(
        {
            name: column_array(list(column))
            for name, column in zip(base_names(len(headings)), columns, strict=True)
        }
    )
    relation = put_columns(schema, table, data, headings)
    if not all(record.keys() == records[0].keys() for record in records):
        text = "Some records do not have every field; those cells are empty."
        notes = (*notes, Note("repaired", text))
    return Cells(
        relation=relation,
        headings=headings,
        kind="records",
        notes=notes,
        item_headings=items,
    )
