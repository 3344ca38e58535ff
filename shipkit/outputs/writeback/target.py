"""Where tracking numbers are written: names of new files, and how a file is replaced."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shipkit.common.files import Disk, whole_file
from shipkit.errors import InputError, WriteBackError
from shipkit.outputs.writeback.origin import SourceFile, refuse_source
from shipkit.purchasing.store import JobStore

__all__ = ["copy_path", "refuse_in_place", "replaced", "targets"]

_NOT_TEXT: Final = frozenset(
    {
        *(".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".parquet", ".feather", ".arrow"),
        *(".json", ".jsonl", ".ndjson", ".xml", ".html", ".htm", ".pdf", ".zip", ".db", ".sqlite"),
    }
)
"""Suffixes of files that are no delimited text."""


def targets(
    files: Sequence[SourceFile], dest: str | Path | None, *, in_place: bool
) -> list[Path] | None:
    """Return the file to write for each file of the source, in the source's own format.

    None means that one new file must be made from the stored rows: the orders were in no file, in
    one to which no column can be added, or `dest` has another format.
    """
    if dest is not None:
        refuse_source(Path(dest), files)
        same = len(files) == 1 and _has_form_of(Path(dest), files[0])
        return [Path(dest)] if same else None
    if not files or any(file.form is None for file in files):
        return None
    return [file.path if in_place else _shipped(file.path) for file in files]


def _has_form_of(dest: Path, file: SourceFile) -> bool:
    """Return whether a file called `dest` is expected to be what `file` is.

    Delimited text comes with many suffixes (csv, txt, dat), with or without ``.gz``.
    """
    suffix = _suffix(dest)
    if file.form == "book":
        return suffix in {".xlsx", ".xlsm"} and suffix == _suffix(file.path)
    if file.form == "text":
        return suffix not in _NOT_TEXT and (suffix != ".tsv" or file.delimiter == "\t")
    return file.form == "parquet" and suffix == ".parquet"


def _suffix(path: Path) -> str:
    packed = path.suffix.lower() in {".gz", ".gzip"}
    return (path.with_suffix("") if packed else path).suffix.lower()


def copy_path(store: JobStore, files: Sequence[SourceFile]) -> Path:
    """Return the default name of a new file made from the stored rows, next to the orders."""
    if not files:
        return Path(f"{store.manifest.name or store.job_id}_shipped.csv")
    stem = files[0].path.name.partition(".")[0]
    # Old and binary workbooks (xls, ods, xlsb) can be read and not written.
    suffix = ".xlsx" if files[0].path.suffix.lower() in {".xls", ".ods", ".xlsb"} else ".csv"
    return files[0].path.with_name(f"{stem}_shipped{suffix}")


def _shipped(path: Path) -> Path:
    stem, dot, suffixes = path.name.partition(".")
    return path.with_name(f"{stem}_shipped{dot}{suffixes}")


def refuse_in_place(
    store: JobStore,
    files: Sequence[SourceFile],
    dest: str | Path | None,
    *,
    allow_test_numbers: bool,
) -> None:
    """Raise InputError or WriteBackError when the orders file itself must not be written to."""
    new_file = "Give the name of a new file: write_back('orders_shipped.csv')."
    if dest is not None:
        raise InputError("in_place cannot be combined with dest.", fix="Give one of the two.")
    if not files:
        raise InputError(
            "The orders did not come from a file, so in_place has nothing to write into.",
            fix=new_file,
        )
    if files[0].form is None:
        raise InputError(f"A {files[0].path.suffix} file cannot be written in place.", fix=new_file)
    if not store.manifest.live and not allow_test_numbers:
        raise WriteBackError(
            f"{store.job_id} is a {store.manifest.environment} job: its tracking numbers are not "
            "real, and would be among your orders.",
            fix="Leave in_place out to write a new file, or pass allow_test_numbers=True (in a "
            "terminal --allow-test-numbers).",
        )


@contextmanager
def replaced(path: Path, *, backup: str | None = None) -> Iterator[Path]:
    """Yield a temporary file that takes the place of `path` when the block succeeds.

    Parameters
    ----------
    backup
        Keep the old file under its name and this ending.

    Raises
    ------
    WriteBackError
        The file cannot be written; `path` is as it was.
    """
    try:
        with whole_file(path) as temporary:
            yield temporary
            if backup is not None:
                _back_up(path, backup)
    except OSError as error:
        raise WriteBackError(
            f"{path} cannot be written: {error.strerror or error}.",
            fix="Check that the folder exists and is writable and that the disk has space. No "
            "result is lost.",
        ) from error


def _back_up(path: Path, ending: str) -> None:
    """Copy `path` to a name that is free, durably: after a power cut one of the two is whole."""
    kept, number = path.with_name(f"{path.name}{ending}"), 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}{ending}-{number}")
    shutil.copy2(path, kept)
    disk = Disk()
    disk.sync(kept)
    disk.sync_folder(kept.parent)
