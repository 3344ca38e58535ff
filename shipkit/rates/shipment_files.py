"""Parquet files of shipments that are mapped already: one with a column ``parcels``.

Their row numbers run on over all files, by the counts that each file keeps at its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.errors import SourceError
from shipkit.rates.order_files import OrderFile
from shipkit.schema import SHIPMENTS

__all__ = ["RATED_MARK", "ShipmentFile", "filled", "has_parcels", "shipment_files"]

RATED_MARK: Final = b"shipkit_rated"
"""Key in the metadata of a file of rated rows: what it was made of."""
_PRICED = (
    "row_number",
    "source_file",
    "order_id",
    "postal_code",
    "country",
    "state",
    "residential",
    "service",
    "parcels",
    "ship_date",
    "ship_from",
    "signature",
    "saturday_delivery",
    "currency",
)
"""Columns of a shipments file that a rated row shows or a price depends on."""


@dataclass(frozen=True)
class ShipmentFile:
    """One file of shipments, and where its rows are among those of all files."""

    file: OrderFile
    before: int
    """Rows of the files before it."""
    groups: tuple[int, ...]
    """Rows of each of its row groups."""
    alone: bool
    """Whether it is the only file: then its own row numbers stay."""

    @property
    def rows(self) -> int:
        """The number of shipments."""
        return sum(self.groups)

    def tables(
        self, rows: int, groups: Sequence[int] | None = None, also: Sequence[str] = ()
    ) -> Iterator[pa.Table]:
        """Yield the shipments, `rows` at a time, of all row groups or of some that are adjacent.

        They have the columns that a price depends on, and those in `also`. Raises SourceError
        after the last of them where the file changed meanwhile.
        """
        with _opened(self.file) as parquet:
            wanted = list(range(len(self.groups))) if groups is None else list(groups)
            done = sum(self.groups[: wanted[0]]) if wanted else 0
            columns = [
                name for name in parquet.schema_arrow.names if name in _PRICED or name in also
            ]
            for batch in parquet.iter_batches(rows, row_groups=wanted, columns=columns):
                yield self.numbered(pa.table(batch), done)
                done += batch.num_rows
        self.file.demand_unchanged()  # what changed meanwhile is of two files

    def whole(self) -> pa.Table:
        """Return all shipments, with every column that the file has."""
        with _opened(self.file) as parquet:
            table = self.numbered(parquet.read(), 0)
        self.file.demand_unchanged()
        return table

    def numbered(self, table: pa.Table, done: int) -> pa.Table:
        """Return rows of the file, after `done` others, with row numbers and their file."""
        first = self.before + done + 1
        own = set(table.column_names) if self.alone else set()
        numbers = pa.array(np.arange(first, first + table.num_rows))
        for name, values in (
            ("row_number", numbers),
            ("source_file", pa.repeat(pa.scalar(self.file.name), table.num_rows)),
        ):
            if name not in own:
                at = table.schema.get_field_index(name)
                table = (
                    table.append_column(name, values)
                    if at < 0
                    else table.set_column(at, name, values)
                )
        return table


def shipment_files(files: Sequence[OrderFile]) -> list[ShipmentFile] | None:
    """Return the files as files of shipments; None if they are files of orders.

    Raises
    ------
    SourceError
        Some are files of shipments and others are not, or one cannot be read.
    """
    if not any(file.is_parquet for file in files):
        return None
    found: list[ShipmentFile] = []
    others: list[str] = []
    for file in files:
        if not file.is_parquet:
            others.append(file.name)
            continue
        with _opened(file) as parquet:
            meta = parquet.metadata
            if RATED_MARK in (meta.metadata or {}):
                raise SourceError(
                    f"{file.name} has prices that sk.rate() wrote, not orders.",
                    fix="Write prices to another folder, and name only the files of orders.",
                )
            if not has_parcels(parquet.schema_arrow):
                others.append(file.name)
                continue
            groups = tuple(meta.row_group(n).num_rows for n in range(meta.num_row_groups))
        before = found[-1].before + found[-1].rows if found else 0
        found.append(ShipmentFile(file, before, groups, alone=len(files) == 1))
    if found and others:
        raise SourceError(
            f"{found[0].file.name} has shipments (a column of parcels), and {others[0]} has "
            "orders.",
            fix="Price the two kinds of files one after the other.",
        )
    return found or None


def has_parcels(schema: pa.Schema) -> bool:
    """Return whether a table has shipments, that is a list of parcels in each row."""
    if "parcels" not in schema.names:
        return False
    kind = schema.field("parcels").type
    if pa.types.is_null(kind):  # engines write a part without rows so
        return True
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(
        listed and (pa.types.is_struct(kind.value_type) or pa.types.is_null(kind.value_type))
    )


def filled(table: pa.Table) -> pa.Table:
    """Return `table` with the columns of a shipments table, missing ones null, rows numbered.

    Raises
    ------
    SourceError
        A column has a type that cannot be that of a shipment.
    """
    n = table.num_rows
    columns = []
    for field in SHIPMENTS:
        if field.name not in table.column_names:
            columns.append(pa.nulls(n, field.type))
            continue
        given = table.column(field.name)
        try:
            columns.append(given.cast(field.type))
        except pa.ArrowException as error:
            raise SourceError(
                f"The column {field.name!r} of the shipments is {given.type}, and cannot be read "
                f"as {field.type}: {str(error).splitlines()[0]}.",
                fix="Write the shipments as session.preview() and sk.rate() have them.",
            ) from None
    made = pa.table(columns, schema=SHIPMENTS)
    if "row_number" in table.column_names:
        return made
    return made.set_column(0, SHIPMENTS.field(0), pa.array(np.arange(1, n + 1)))


@contextmanager
def _opened(file: OrderFile) -> Iterator[pq.ParquetFile]:
    system, path = file.place.opened()
    try:
        source = system.open_input_file(path)
    except OSError as error:
        raise _unreadable(file, error) from None
    with source:
        try:
            parquet = pq.ParquetFile(source, pre_buffer=file.place.is_url)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(file, error) from None
        with parquet:
            yield parquet


def _unreadable(file: OrderFile, error: Exception) -> SourceError:
    return SourceError(
        f"{file.name} is not a readable Parquet file: {str(error).splitlines()[0].rstrip('.')}.",
        fix="Export it again.",
    )
