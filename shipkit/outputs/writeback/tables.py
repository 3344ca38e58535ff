"""New columns into a parquet file, and whole new files from the rows that a job keeps."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.errors import InputError, WriteBackError
from shipkit.outputs.writeback.additions import Additions

__all__ = ["write_parquet", "write_stored"]

_BATCH = 20_000


def write_parquet(source: Path, dest: Path, new: Additions) -> None:
    """Write `dest`: the parquet file `source`, row group by row group, with the new columns behind."""
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
        clash = [name for name in new.headings if name in schema.names]
        if clash:
            raise WriteBackError(
                f"{source.name} has a column {clash[0]!r} already.",
                fix='Name another heading: write_back(columns={"tracking_numbers": "Tracking 2"}).',
            )
        for field in new.table.schema:
            schema = schema.append(field)
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
    """Write `dest` (csv, tsv, xlsx or parquet, by its ending) from source rows that a job keeps, all cells as text, with the new columns."""
    table = rows.sort_by("row_number").drop_columns(["row_number"])
    if pc.count_distinct(table.column("source_file")).as_py() < 2:
        table = table.drop_columns(["source_file"])
    clash = [name for name in new.headings if name in table.column_names]
    if clash:
        raise WriteBackError(
            f"The orders have a column {clash[0]!r} already.",
            fix='Name another heading: write_back(columns={"tracking_numbers": "Tracking 2"}).',
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
                f"{dest}: {ending or 'no ending'} is not a format to write orders in.",
                fix="Name a .csv, .tsv, .xlsx or .parquet file.",
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
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Orders")
    sheet.append(table.column_names)
    for batch in table.to_batches(_BATCH):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            sheet.append([float(cell) if isinstance(cell, Decimal) else cell for cell in row])
    book.save(dest)
