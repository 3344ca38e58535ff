"""Tracking numbers back to where the orders came from: a new file beside the source, or the source itself with a backup.

Every source row is written, in its order, every other cell as it was; the file appears whole or not at all. A source that is
no longer the file that was read is refused.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.checkpoint import Checkpoint
from shipkit.disk import Disk
from shipkit.errors import InputError, SourceChanged, WriteBackError
from shipkit.lock import held
from shipkit.writeback import delimited, tables, workbook
from shipkit.writeback.additions import DEFAULT_COLUMNS, Additions, additions
from shipkit.writeback.changes import changed_rows
from shipkit.writeback.origin import SourceFile, files_of

__all__ = ["DEFAULT_COLUMNS", "Additions", "additions", "write_back"]

def write_back(
    checkpoint: Checkpoint, dest: str | Path | None = None, *, columns: Mapping[str, str] | None = None, in_place: bool | str = False,
) -> Path | tuple[Path, ...]:
    """Write a job's tracking numbers into a copy of its orders and return the copy's path.

    Parameters
    ----------
    dest
        The file to write; default: ``<orders>_shipped`` beside the orders, in their format. Another ending (csv, xlsx, parquet)
        makes a new file of that format. A file that is there is replaced.
    columns
        Result column -> heading; default :data:`DEFAULT_COLUMNS`. A column that the source has and that is empty is filled.
    in_place
        True writes into the orders file itself and keeps a backup beside it. Labels of a sandbox or test job are not real: for such
        a job it must be said twice, ``in_place="really"``.

    Returns
    -------
    Path, or a tuple of them
        Several only where the orders were several files and no `dest` was given.

    Raises
    ------
    SourceChanged
        The orders file is not the one that was read; the message says which rows where that can be told.
    WriteBackError
        The file cannot be written. No result is lost.
    """
    stored = _stored(checkpoint)
    files = files_of(checkpoint, stored)
    new = additions(checkpoint.results(), checkpoint.plan, _line_count(files, stored), columns)
    if in_place:
        _refuse_in_place(checkpoint, files, dest, in_place)
    with held(checkpoint.path, what="write_back"):
        _check_unchanged(files, stored)
        targets = _targets(files, dest, in_place=bool(in_place))
        if targets is None:
            path = Path(dest) if dest is not None else _beside(checkpoint, files)
            with _whole(path) as part:
                tables.write_stored(stored, part, new)
            return path
        for file, path in zip(files, targets, strict=True):
            with _whole(path, backup=f".before-{checkpoint.job_id}" if in_place else None) as part:
                _write(file, part, new.slice(file.first, file.count), file.probe(stored))
    return targets[0] if len(targets) == 1 else tuple(targets)


# -- where to ---------------------------------------------------------------------------------------


def _targets(files: Sequence[SourceFile], dest: str | Path | None, *, in_place: bool) -> list[Path] | None:
    """Return the file to write for each file of the source in its own format; None to make one new file of the stored rows."""
    if dest is not None:
        _refuse_source(Path(dest), files)
        alike = len(files) == 1 and files[0].extendable and _format(Path(dest)) == _format(files[0].path)
        return [Path(dest)] if alike else None
    if not files or not files[0].extendable:
        return None
    return [file.path if in_place else _shipped(file.path) for file in files]


def _format(path: Path) -> str:
    """Return what kind of file a name says: text files are one kind, whatever their ending."""
    ending = path.with_suffix("").suffix.lower() if path.suffix.lower() in {".gz", ".gzip"} else path.suffix.lower()
    return ending if ending in {".xlsx", ".xlsm", ".parquet"} else "text"


def _shipped(path: Path) -> Path:
    stem, dot, endings = path.name.partition(".")
    return path.with_name(f"{stem}_shipped{dot}{endings}")


def _beside(checkpoint: Checkpoint, files: Sequence[SourceFile]) -> Path:
    if not files:
        return Path(f"{checkpoint.manifest.name or checkpoint.job_id}_shipped.csv")
    stem = files[0].path.name.partition(".")[0]
    ending = ".xlsx" if files[0].path.suffix.lower() in {".xls", ".ods", ".xlsb"} else ".csv"
    return files[0].path.with_name(f"{stem}_shipped{ending}")


def _refuse_in_place(checkpoint: Checkpoint, files: Sequence[SourceFile], dest: str | Path | None, in_place: bool | str) -> None:
    if dest is not None:
        raise InputError("in_place and a destination exclude each other.", fix="Give one of them.")
    if not files:
        raise InputError("The orders did not come from a file: there is nothing to write into.", fix="Name a new file: write_back('orders_shipped.csv').")
    if not files[0].extendable:
        raise InputError(f"A {files[0].path.suffix} file cannot be written in place.", fix="Name a new file: write_back('orders_shipped.csv').")
    if not checkpoint.manifest.live and in_place != "really":
        raise WriteBackError(
            f"{checkpoint.job_id} is a {checkpoint.manifest.environment} job: its tracking numbers are not real, and would stand among your orders.",
            fix='Write a new file instead (leave in_place out), or say it twice: in_place="really".',
        )


def _refuse_source(path: Path, files: Sequence[SourceFile]) -> None:
    if any(path.resolve() == file.path.resolve() for file in files):
        raise WriteBackError(f"{path} is the orders file itself.", fix="Name another file, or ask for it: in_place=True.")


def _line_count(files: Sequence[SourceFile], stored: pa.Table) -> int:
    return files[-1].first + files[-1].count - 1 if files else int(pc.max(stored.column("row_number")).as_py() or 0)


# -- the source -------------------------------------------------------------------------------------


def _check_unchanged(files: Sequence[SourceFile], stored: pa.Table) -> None:
    for file in files:
        try:
            with file.path.open("rb") as handle:
                same = hashlib.file_digest(handle, "sha256").hexdigest() == file.sha256
        except FileNotFoundError:
            raise SourceChanged(f"{file.path} is gone. Nothing was written.", fix="Put it back. The job keeps its rows: session.checkpoint.source.") from None
        if not same:
            raise SourceChanged(f"{file.path.name} changed since it was read: {changed_rows(file, stored)}. Nothing was written.", fix="Put the old file back.")


def _stored(checkpoint: Checkpoint) -> pa.Table:
    """Return the source's rows as they were read; without them nobody can say which line is which."""
    stored = checkpoint.source
    if stored is None:
        raise WriteBackError(f"{checkpoint.job_id} does not keep its orders any more (it was pruned).", fix="Its numbers are in session.results(), by row_number and order_id.")
    return stored


# -- writing ----------------------------------------------------------------------------------------


def _write(file: SourceFile, part: Path, new: Additions, compare: Mapping[int, Sequence[str | None]]) -> None:
    match _format(file.path):
        case ".parquet":
            tables.write_parquet(file.path, part, new)
        case ".xlsx" | ".xlsm":
            workbook.write_workbook(file, part, new, compare)
        case _:
            delimited.write_text(file, part, new, compare)


@contextmanager
def _whole(path: Path, *, backup: str | None = None) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when all went well; what stood there can be kept as a backup."""
    disk = Disk()
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent or ".")
        os.close(handle)
        part = Path(name)
        try:
            yield part
            _same_rights(path, part)
            disk.sync(part)
            if backup is not None:
                _keep(path, backup)
            disk.rename(part, path)
            disk.sync_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise WriteBackError(f"{path} cannot be written: {error.strerror or error}.", fix="Check the folder, its rights and the space on the disk; no result is lost.") from error


def _same_rights(path: Path, part: Path) -> None:
    if path.exists():
        shutil.copymode(path, part)
    else:
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)


def _keep(path: Path, ending: str) -> None:
    kept, n = path.with_name(f"{path.name}{ending}"), 1
    while kept.exists():
        n += 1
        kept = path.with_name(f"{path.name}{ending}-{n}")
    shutil.copy2(path, kept)
    Disk().sync(kept)
