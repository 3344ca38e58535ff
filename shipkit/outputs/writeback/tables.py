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
from shipkit.outputs.writeback.additions import Additions

__all__ = ["write_parquet", "write_stored"]

_BATCH = 20_000
_OTHER_HEADING = 'Choose another heading: write_back(columns={"tracking_numbers": "Tracking 2"}).'


def write_parquet(source: Path, dest: Path, new: Additions) -> None:
    """Write the Parquet file `source` with the new columns to `dest`.

    One row group at a time: memory does not grow with the file.
    """
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
        clash = [name for name in new.headings if name in schema.names]
        if clash:
            raise WriteBackError(
                f"{source.name} already has a column {clash[0]!r}.",
                fix=_OTHER_HEADING,
            )
        for field in new.table.schema:
            schema = schema.append(field)
        # The new file is compressed as the old one is; a file without rows says nothing about it.
        compression = (
            file.metadata.row_group(0).column(0).compression
            if file.metadata.num_row_groups and len(file.schema_arrow)
            else "zstd"
        )
        at = 1
        with pq.ParquetWriter(
            dest, schema, compression=compression.lower().replace("uncompressed", "none")
        ) as writer:
            for group in range(file.metadata.num_row_groups):
                table = file.read_row_group(group)
                part = new.slice(at, table.num_rows).table
                writer.write_table(pa.table([*table.columns, *part.columns], schema=schema))
                at += table.num_rows


def write_stored(rows: pa.Table, dest: Path, new: Additions) -> None:
    """Write the source rows that a job keeps, with the new columns, to a new file.

    The suffix of `dest` decides the format: csv, tsv, xlsx or parquet. Source cells are text.
    """
    table = rows.sort_by("row_number").drop_columns(["row_number"])
    if pc.count_distinct(table.column("source_file")).as_py() < 2:
        table = table.drop_columns(["source_file"])
    clash = [name for name in new.headings if name in table.column_names]
    if clash:
        raise WriteBackError(
            f"The orders already have a column {clash[0]!r}.",
            fix=_OTHER_HEADING,
        )
    match dest.suffix.lower():
        case ".csv" | ".tsv":
            _csv(_joined(table, new.texts()), dest, "\t" if dest.suffix.lower() == ".tsv" else ",")
        case ".parquet":
            pq.write_table(_joined(table, new.table), dest, compression="zstd")
        case ".xlsx":
            _xlsx(_joined(table, new.table), dest)
        case ending:
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
