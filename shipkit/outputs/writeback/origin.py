"""The files that the orders were read from, as the job recorded them."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.files import one_file
from shipkit.errors import WriteBackError
from shipkit.purchasing.store import JobStore

__all__ = ["SourceFile", "files_of", "refuse_source", "stored_rows"]


@dataclass(frozen=True)
class SourceFile:
    """One file of a source: its state when it was read, and which rows came from it."""

    path: Path
    kind: str
    sha256: str
    first: int
    """Row number of its first row; numbering continues over several files."""
    count: int
    columns: tuple[str, ...]
    """Its columns, under the names that they were given when it was read."""
    sheet: str | None = None
    delimiter: str = ","
    encoding: str = "utf-8"
    header: bool = True
    alone: bool = True
    """Whether it is the only file of its source. Of several, each may have some of the columns."""
    order_of_row: Callable[[int], str | None] = field(default=lambda _: None, repr=False)
    """Row number of the source -> the number of its order, for messages."""

    @property
    def form(self) -> str | None:
        """``text``, ``book`` or ``parquet``; None for a file to which no column can be added.

        What a file is decides, not its name: a workbook may be called ``orders.csv``.
        """
        if self.kind not in {"csv", "tsv", "xlsx", "xlsm", "parquet"}:
            return None
        with suppress(OSError), self.path.open("rb") as file:
            head = file.read(4)
            if head == b"PAR1":
                return "parquet"
            if head == b"PK\x03\x04":
                return "book"
        return {"parquet": "parquet", "csv": "text", "tsv": "text"}.get(self.kind, "book")

    @property
    def other_format(self) -> str:
        """How to get a file with the numbers when this one cannot be extended."""
        ending = "xlsx" if self.form == "text" else "csv"
        return (
            "Write a new file of the rows as they were loaded: "
            f"write_back('{self.path.name.partition('.')[0]}_shipped.{ending}')."
        )

    def order_of(self, row: int) -> str | None:
        """Return the number of the order of a row of this file."""
        return self.order_of_row(self.first + row - 1)

    def rows(self, stored: pa.Table) -> pa.Table:
        """Return the rows of this file, from the rows stored by the job."""
        own = stored.slice(self.first - 1, self.count)
        return own.drop_columns(["source_file", "row_number"])

    def open(self) -> io.BufferedIOBase:
        """Open it for reading, decompressed."""
        with self.path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        return cast(
            "io.BufferedIOBase", gzip.open(self.path, "rb") if packed else self.path.open("rb")
        )


def files_of(store: JobStore, stored: pa.Table) -> list[SourceFile]:
    """Return the files that a job's orders came from; empty for a frame, records or a database.

    `stored` is the table of source rows that the job keeps (:func:`stored_rows`).
    """
    facts = store.manifest.facts.get("source") or {}
    columns = tuple(facts.get("columns") or stored.column_names[2:])
    files, first = [], 1
    alone = len(facts.get("paths", ())) == 1
    # strict=False: a frame has a number of rows, and neither path nor hash.
    for path, sha256, count in zip(
        facts.get("paths", ()), facts.get("sha256", ()), facts.get("rows", ()), strict=False
    ):
        files.append(
            SourceFile(
                Path(path),
                facts["kind"],
                sha256,
                first,
                count,
                columns,
                sheet=facts.get("sheet"),
                delimiter=facts.get("delimiter") or ",",
                encoding=facts.get("encoding") or "utf-8",
                header=facts.get("header", True),
                alone=alone,
                order_of_row=partial(_order_of_row, store),
            )
        )
        first += count
    return files


def _order_of_row(store: JobStore, row: int) -> str | None:
    plan = store.plan
    numbers = plan.column("row_numbers")
    owner = pc.index(pc.list_flatten(numbers), row).as_py()
    if owner < 0:
        return None
    found: str | None = plan.column("order_id")[
        pc.list_parent_indices(numbers)[owner].as_py()
    ].as_py()
    return found


def stored_rows(store: JobStore) -> pa.Table:
    """Return the source rows as they were read. Raises WriteBackError for a pruned job."""
    stored = store.source
    if stored is None:
        raise WriteBackError(
            f"{store.job_id} no longer has its orders: it was pruned.",
            fix="Its tracking numbers are in session.results(), by row_number and order_id.",
        )
    return stored


def refuse_source(path: Path, files: Sequence[SourceFile]) -> None:
    """Raise WriteBackError when `path` is one of the orders files itself, or a link to one."""
    if any(one_file(path, file.path) for file in files):
        raise WriteBackError(
            f"{path} is the orders file itself.",
            fix="Give another file name, or pass in_place=True to write into the orders.",
        )
