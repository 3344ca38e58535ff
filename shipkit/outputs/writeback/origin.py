"""The files that the orders came from, as the job remembers them."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa

from shipkit.errors import WriteBackError
from shipkit.purchasing.store import JobStore

__all__ = ["SourceFile", "files_of", "refuse_source", "stored_rows"]

_COMPARED = 200
"""Lines of a file that are compared cell by cell with what was read."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a source: what it was when it was read, and which lines came from it."""

    path: Path
    kind: str
    sha256: str
    first: int
    """Number of its first line; lines are numbered on over several files."""
    count: int
    columns: tuple[str, ...]
    """The columns as they were named when it was read."""
    sheet: str | None = None
    delimiter: str = ","
    encoding: str = "utf-8"
    header: bool = True

    @property
    def extendable(self) -> bool:
        """Whether new columns can be put into this kind of file; else a new file is made."""
        return self.kind in {"csv", "tsv", "xlsx", "xlsm", "parquet"}

    def lines(self, stored: pa.Table) -> pa.Table:
        """Return its lines among the rows that the job keeps."""
        return stored.slice(self.first - 1, self.count)

    def probe(self, stored: pa.Table) -> dict[int, Sequence[str | None]]:
        """Return some of its lines as they were read, by their number in the file."""
        if not self.count:
            return {}
        at = np.unique(np.linspace(0, self.count - 1, min(self.count, _COMPARED)).astype(int))
        some = self.lines(stored).take(pa.array(at)).drop_columns(["source_file"])
        return {
            row.pop("row_number") - self.first + 1: list(row.values()) for row in some.to_pylist()
        }

    def open(self) -> io.BufferedIOBase:
        """Open it for reading, unpacked."""
        with self.path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        return cast(
            "io.BufferedIOBase", gzip.open(self.path, "rb") if packed else self.path.open("rb")
        )


def files_of(store: JobStore, stored: pa.Table) -> list[SourceFile]:
    """Return the files that a job's orders came from; none when they did not come from files. `stored` are the rows that it keeps."""
    facts = store.manifest.facts.get("source") or {}
    columns = tuple(stored.column_names[2:])
    files, first = [], 1
    for path, sha256, count in zip(
        facts.get("paths", ()), facts.get("sha256", ()), facts.get("rows", ()), strict=False
    ):  # frames have rows and no paths
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
    """Return the source's rows as they were read; without them nobody can say which line is which."""
    stored = store.source
    if stored is None:
        raise WriteBackError(
            f"{store.job_id} does not keep its orders any more (it was pruned).",
            fix="Its numbers are in session.results(), by row_number and order_id.",
        )
    return stored


def refuse_source(path: Path, files: Sequence[SourceFile]) -> None:
    """Raise WriteBackError when `path` is one of the orders files themselves."""
    if any(path.resolve() == file.path.resolve() for file in files):
        raise WriteBackError(
            f"{path} is the orders file itself.",
            fix="Name another file, or ask for it: in_place=True.",
        )
