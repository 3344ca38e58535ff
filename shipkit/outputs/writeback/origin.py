"""The files that the orders were read from, as the job recorded them."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import pyarrow as pa

from shipkit.errors import WriteBackError
from shipkit.purchasing.store import JobStore

__all__ = ["SourceFile", "StoredRows", "files_of", "refuse_source", "stored_rows"]


_AT_A_TIME: Final = 4096
"""Rows that are Python lists at a time, while a file is compared."""


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

    @property
    def extendable(self) -> bool:
        """Whether columns can be added to a file of this kind; otherwise a new file is made."""
        return self.kind in {"csv", "tsv", "xlsx", "xlsm", "parquet"}

    def lines(self, stored: pa.Table) -> pa.Table:
        """Return the rows of this file from the rows stored by the job."""
        return stored.slice(self.first - 1, self.count)

    def probe(self, stored: pa.Table) -> Mapping[int, Sequence[str | None]]:
        """Return its rows as they were read, by their number within the file."""
        return StoredRows(self.lines(stored).drop_columns(["source_file", "row_number"]))

    def open(self) -> io.BufferedIOBase:
        """Open it for reading, decompressed."""
        with self.path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        return cast(
            "io.BufferedIOBase", gzip.open(self.path, "rb") if packed else self.path.open("rb")
        )


class StoredRows(Mapping[int, Sequence[str | None]]):
    """The rows of a file as they were read, by number from 1; few of them are lists at a time.

    A million rows as Python lists would take gigabytes.
    """

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self._first, self._lists = 0, self._from(0)

    def __getitem__(self, line: int) -> Sequence[str | None]:
        if not 1 <= line <= len(self):
            raise KeyError(line)
        index = line - 1
        if not self._first <= index < self._first + len(self._lists):
            self._first = index - index % _AT_A_TIME
            self._lists = self._from(self._first)
        return self._lists[index - self._first]

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, len(self) + 1))

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def _from(self, first: int) -> list[tuple[str | None, ...]]:
        columns = self._rows.slice(first, _AT_A_TIME).columns
        return list(zip(*(column.to_pylist() for column in columns), strict=True))


def files_of(store: JobStore, stored: pa.Table) -> list[SourceFile]:
    """Return the files that a job's orders came from; empty for a frame, records or a database.

    `stored` is the table of source rows that the job keeps (:func:`stored_rows`).
    """
    facts = store.manifest.facts.get("source") or {}
    columns = tuple(facts.get("columns") or stored.column_names[2:])
    files, first = [], 1
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
            )
        )
        first += count
    return files


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
    """Raise WriteBackError when `path` is one of the orders files itself."""
    if any(path.resolve() == file.path.resolve() for file in files):
        raise WriteBackError(
            f"{path} is the orders file itself.",
            fix="Give another file name, or pass in_place=True to write into the orders.",
        )
