"""Add columns to a Parquet file, or make a new file from the rows that a job keeps."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.common.xlsx import write_sheet
from shipkit.errors import InputError, WriteBackError
from shipkit.outputs.writeback.additions import Additions, existing_columns
from shipkit.outputs.writeback.origin import SourceFile

__all__ = ["refuse_format", "write_parquet", "write_stored"]

_BATCH = 20_000
_OTHER_HEADING = 'Choose another heading: write_back(columns={"tracking_numbers": "Tracking 2"}).'


def write_parquet(file: SourceFile, dest: Path, new: Additions) -> list[int]:
    """Write the Parquet file `file` with the new columns to `dest`.

    One row group at a time: memory does not grow with the file.

    Returns
    -------
    list of int
        The column of each new heading, from 0.
    """
    with pq.ParquetFile(file.path) as source:
        schema = source.schema_arrow
        places = existing_columns(new.headings, schema.names, file.columns)
        behind = [heading for heading in new.headings if heading not in places]
        for heading, place in places.items():
            schema = schema.set(place, _text_field(schema.field(place), heading))
        for heading in behind:
            schema = schema.append(new.table.schema.field(heading))
        # The new file is compressed as the old one is; a file without rows says nothing about it.
        compression = (
            source.metadata.row_group(0).column(0).compression
            if source.metadata.num_row_groups and len(source.schema_arrow)
            else "zstd"
        )
        at = 1
        with pq.ParquetWriter(
            dest, schema, compression=compression.lower().replace("uncompressed", "none")
        ) as writer:
            for group in range(source.metadata.num_row_groups):
                table = source.read_row_group(group)
                part = new.slice(at, table.num_rows)
                columns = table.columns
                texts = part.texts()
                for heading, place in places.items():
                    filled = _filled(columns[place], texts.column(heading), heading, at)
                    columns[place] = filled.cast(schema.field(place).type)
                columns += [part.table.column(heading) for heading in behind]
                writer.write_table(pa.table(columns, schema=schema))
                at += table.num_rows
    places |= {heading: len(file.columns) + place for place, heading in enumerate(behind)}
    return [places[heading] for heading in new.headings]


def _text_field(field: pa.Field, heading: str) -> pa.Field:
    """Return the field of a column that is filled. Raises WriteBackError unless it is of text."""
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_null(kind):
        return field.with_type(pa.string())
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise WriteBackError(
            f"The orders already have a column {heading!r}, and it holds {kind}, not text.",
            fix=_OTHER_HEADING,
        )
    return field


def _filled(old: pa.ChunkedArray, new: pa.ChunkedArray, heading: str, first: int) -> Any:
    """Return a column with `new` where it is empty.

    Raises WriteBackError for a cell that already has another value: it is never overwritten.

    Parameters
    ----------
    first
        Row number of the first cell.
    """
    there = pc.fill_null(old.cast(pa.string()), "")
    empty = pc.equal(pc.utf8_trim_whitespace(there), "")
    other = pc.and_(pc.and_(pc.invert(empty), pc.not_equal(new, "")), pc.not_equal(there, new))
    if pc.any(other).as_py():
        row = first + pc.index(other, True).as_py()
        raise WriteBackError(
            f"Row {row} already has another value in {heading!r}. It is not overwritten.",
            fix=_OTHER_HEADING,
        )
    return pc.if_else(pc.and_(empty, pc.not_equal(new, "")), new, old.cast(pa.string()))


def write_stored(rows: pa.Table, dest: Path, new: Additions) -> None:
    """Write the source rows that a job keeps, with the new columns, to a new file.

    The suffix of `dest` decides the format: csv, tsv, xlsx or parquet. Source cells are text.
    """
    table = rows.sort_by("row_number").drop_columns(["row_number"])
    if pc.count_distinct(table.column("source_file")).as_py() < 2:
        table = table.drop_columns(["source_file"])
    places = existing_columns(new.headings, table.column_names, table.column_names)
    texts = new.texts()
    for heading, place in places.items():
        filled = _filled(table.column(place), texts.column(heading), heading, 1)
        table = table.set_column(place, table.column_names[place], filled)
    new = new.without(places)
    match dest.suffix.lower():
        case ".csv" | ".tsv":
            _csv(
                _joined(table, new.texts(inert=True)),
                dest,
                "\t" if dest.suffix.lower() == ".tsv" else ",",
            )
        case ".parquet":
            pq.write_table(_joined(table, new.table), dest, compression="zstd")
        case ".xlsx":
            _xlsx(_joined(table, new.table), dest)


def refuse_format(dest: Path) -> None:
    """Raise InputError when stored rows cannot be written to a file with the suffix of `dest`."""
    ending = dest.suffix.lower()
    if ending not in {".csv", ".tsv", ".xlsx", ".parquet"}:
        raise InputError(
            f"{dest}: orders cannot be written as {ending or 'a file without a suffix'}.",
            fix="Give the name of a .csv, .tsv, .xlsx or .parquet file.",
        )


def _joined(table: pa.Table, new: pa.Table) -> pa.Table:
    return pa.table({**_columns(table), **_columns(new)})


def _columns(table: pa.Table) -> Mapping[str, Any]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _csv(table: pa.Table, dest: Path, delimiter: str) -> None:
    with dest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(table.column_names)
        for batch in table.to_batches(_BATCH):
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _xlsx(table: pa.Table, dest: Path) -> None:
    write_sheet(
        dest,
        table.column_names,
        (
            [float(cell) if isinstance(cell, Decimal) else cell for cell in row]
            for batch in table.to_batches(_BATCH)
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        ),
    )
