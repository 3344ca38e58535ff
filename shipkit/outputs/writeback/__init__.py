"""Tracking numbers back: into a new file beside the orders, into the orders with a backup, or into the file that a shop imports.

Every source row is written, in its order, every other cell as it was; the file appears whole or
not at all. A source that is no longer the file that was read is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.lock import held
from shipkit.errors import InputError, SourceChanged, WriteBackError
from shipkit.outputs.writeback import delimited_file, tables, workbook
from shipkit.outputs.writeback.additions import DEFAULT_COLUMNS, Additions, additions
from shipkit.outputs.writeback.changes import changed_rows
from shipkit.outputs.writeback.confirmations import Confirmation, confirm
from shipkit.outputs.writeback.origin import SourceFile, files_of, refuse_source, stored_rows
from shipkit.outputs.writeback.whole import whole
from shipkit.purchasing.store import JobStore

__all__ = ["DEFAULT_COLUMNS", "Additions", "Confirmation", "additions", "confirm", "write_back"]


def write_back(
    store: JobStore,
    dest: str | Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    in_place: bool = False,
    allow_test_numbers: bool = False,
) -> Path | tuple[Path, ...]:
    """Write a job's tracking numbers into a copy of its orders and return the copy's path.

    Parameters
    ----------
    dest
        The file to write; default: ``<orders>_shipped`` beside the orders, in their format.
        Another ending (csv, xlsx, parquet) makes a new file of that format. A file that is there
        is replaced.
    columns
        Result column -> heading; default :data:`DEFAULT_COLUMNS`. A column that the source has and
        that is empty is filled.
    in_place
        Write into the orders file itself and keep a backup next to it.
    allow_test_numbers
        The tracking numbers of a sandbox or test job are made up. They are written into the orders
        file itself only if this is True.

    Returns
    -------
    Path, or a tuple of them
        Several only where the orders were several files and no `dest` was given.

    Raises
    ------
    SourceChanged
        The orders file is not the one that was read; the message says which rows where that can be
        told.
    WriteBackError
        The file cannot be written. No result is lost.
    """
    stored = stored_rows(store)
    files = files_of(store, stored)
    new = additions(store.results(), store.plan, _line_count(files, stored), columns)
    if in_place:
        _refuse_in_place(store, files, dest, allow_test_numbers=allow_test_numbers)
    with held(store.path, what="write_back"):
        _check_unchanged(files, stored)
        targets = _targets(files, dest, in_place=in_place)
        if targets is None:
            path = Path(dest) if dest is not None else _beside(store, files)
            with whole(path) as part:
                tables.write_stored(stored, part, new)
            return path
        for file, path in zip(files, targets, strict=True):
            with whole(path, backup=f".before-{store.job_id}" if in_place else None) as part:
                _write(file, part, new.slice(file.first, file.count), file.probe(stored))
    return targets[0] if len(targets) == 1 else tuple(targets)


# -- where to --------------------------------------------------------------------------------------


def _targets(
    files: Sequence[SourceFile], dest: str | Path | None, *, in_place: bool
) -> list[Path] | None:
    """Return the file to write for each file of the source in its own format; None to make one new file of the stored rows."""
    if dest is not None:
        refuse_source(Path(dest), files)
        alike = (
            len(files) == 1
            and files[0].extendable
            and _format(Path(dest)) == _format(files[0].path)
        )
        return [Path(dest)] if alike else None
    if not files or not files[0].extendable:
        return None
    return [file.path if in_place else _shipped(file.path) for file in files]


def _format(path: Path) -> str:
    """Return what kind of file a name says: text files are one kind, whatever their ending."""
    ending = (
        path.with_suffix("").suffix.lower()
        if path.suffix.lower() in {".gz", ".gzip"}
        else path.suffix.lower()
    )
    return ending if ending in {".xlsx", ".xlsm", ".parquet"} else "text"


def _shipped(path: Path) -> Path:
    stem, dot, endings = path.name.partition(".")
    return path.with_name(f"{stem}_shipped{dot}{endings}")


def _beside(store: JobStore, files: Sequence[SourceFile]) -> Path:
    if not files:
        return Path(f"{store.manifest.name or store.job_id}_shipped.csv")
    stem = files[0].path.name.partition(".")[0]
    ending = ".xlsx" if files[0].path.suffix.lower() in {".xls", ".ods", ".xlsb"} else ".csv"
    return files[0].path.with_name(f"{stem}_shipped{ending}")


def _refuse_in_place(
    store: JobStore,
    files: Sequence[SourceFile],
    dest: str | Path | None,
    *,
    allow_test_numbers: bool,
) -> None:
    if dest is not None:
        raise InputError("in_place and a destination exclude each other.", fix="Give one of them.")
    if not files:
        raise InputError(
            "The orders did not come from a file: there is nothing to write into.",
            fix="Name a new file: write_back('orders_shipped.csv').",
        )
    if not files[0].extendable:
        raise InputError(
            f"A {files[0].path.suffix} file cannot be written in place.",
            fix="Name a new file: write_back('orders_shipped.csv').",
        )
    if not store.manifest.live and not allow_test_numbers:
        raise WriteBackError(
            f"{store.job_id} is a {store.manifest.environment} job: its tracking numbers are not "
            "real, and would be among your orders.",
            fix="Leave in_place out to write a new file, or pass allow_test_numbers=True (in a "
            "terminal --allow-test-numbers).",
        )


def _line_count(files: Sequence[SourceFile], stored: pa.Table) -> int:
    return (
        files[-1].first + files[-1].count - 1
        if files
        else int(pc.max(stored.column("row_number")).as_py() or 0)
    )


# -- the source ------------------------------------------------------------------------------------


def _check_unchanged(files: Sequence[SourceFile], stored: pa.Table) -> None:
    for file in files:
        try:
            with file.path.open("rb") as handle:
                same = hashlib.file_digest(handle, "sha256").hexdigest() == file.sha256
        except FileNotFoundError:
            raise SourceChanged(
                f"{file.path} is gone. Nothing was written.",
                fix="Put it back. The job keeps its rows: session.store.source.",
            ) from None
        if not same:
            raise SourceChanged(
                f"{file.path.name} changed since it was read: {changed_rows(file, stored)}. "
                "Nothing was written.",
                fix="Put the old file back.",
            )


# -- writing ---------------------------------------------------------------------------------------


def _write(
    file: SourceFile, part: Path, new: Additions, compare: Mapping[int, Sequence[str | None]]
) -> None:
    match _format(file.path):
        case ".parquet":
            tables.write_parquet(file.path, part, new)
        case ".xlsx" | ".xlsm":
            workbook.write_workbook(file, part, new, compare)
        case _:
            delimited_file.write_text(file, part, new, compare)
