"""Write tracking numbers back: into a copy of the orders, into the orders, or for a marketplace.

Every source row is written, in its order, with every other cell as it was. A file appears whole or
not at all, and an orders file that changed since it was read is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.lock import held
from shipkit.errors import SourceChanged, SourceError, WriteBackError
from shipkit.outputs.writeback import delimited_file, tables, workbook
from shipkit.outputs.writeback.additions import DEFAULT_COLUMNS, Additions, additions
from shipkit.outputs.writeback.changes import changed_rows
from shipkit.outputs.writeback.confirmations import Confirmation, confirm
from shipkit.outputs.writeback.origin import SourceFile, files_of, stored_rows
from shipkit.outputs.writeback.row_comparison import lines_of, prove
from shipkit.outputs.writeback.target import (
    copy_path,
    refuse_in_place,
    replaced,
    targets,
)
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
        The file to write; default: ``<orders>_shipped`` next to the orders, in their format.
        Another suffix (csv, xlsx, parquet) makes a new file of that format. An existing file is
        replaced.
    columns
        Result column -> heading; default :data:`DEFAULT_COLUMNS`. A column that the orders already
        have is filled where it is empty.
    in_place
        Write into the orders file itself and keep a backup next to it.
    allow_test_numbers
        The tracking numbers of a sandbox or test job are made up. They are written into the orders
        file itself only if this is True.

    Returns
    -------
    Path or tuple of Path
        A tuple if the orders were several files and no `dest` was given.

    Raises
    ------
    InputError
        `columns`, `dest` and `in_place` do not fit each other or the orders.
    SourceChanged
        The orders file changed since it was read; the message names the rows if it can.
    WriteBackError
        The file cannot be written. No result is lost.
    """
    stored = stored_rows(store)
    files = files_of(store, stored)
    new = additions(store.results(), store.plan, _row_count(files, stored), columns)
    if in_place:
        refuse_in_place(store, files, dest, allow_test_numbers=allow_test_numbers)
    with held(store.path, what="write_back"):
        paths = targets(files, dest, in_place=in_place)
        if paths is None:
            path = Path(dest) if dest is not None else copy_path(store, files)
            tables.refuse_format(path)
            with replaced(path) as temporary:
                tables.write_stored(stored, temporary, new)
            return path
        _check_unchanged(files, stored)
        backup = f".before-{store.job_id}" if in_place else None
        with ExitStack() as written:  # of several files all are complete before one is replaced
            for file, path in zip(files, paths, strict=True):
                temporary = written.enter_context(replaced(path, backup=backup))
                _write(file, temporary, new.slice(file.first, file.count), file.rows(stored))
            _check_unchanged(files if in_place else (), stored)
    return paths[0] if len(paths) == 1 else tuple(paths)


def _row_count(files: Sequence[SourceFile], stored: pa.Table) -> int:
    return (
        files[-1].first + files[-1].count - 1
        if files
        else int(pc.max(stored.column("row_number")).as_py() or 0)
    )


def _check_unchanged(files: Sequence[SourceFile], stored: pa.Table) -> None:
    """Raise SourceChanged for a file that is not, byte for byte, the one that was read.

    What a row number means in a file that was sorted or edited in between is not guessed.
    """
    for file in files:
        try:
            with file.path.open("rb") as handle:
                same = hashlib.file_digest(handle, "sha256").hexdigest() == file.sha256
        except FileNotFoundError:
            raise SourceChanged(
                f"{file.path} is missing. Nothing was written.",
                fix=f"Put the file back. {file.other_format}",
            ) from None
        except OSError as error:
            raise SourceChanged(
                f"{file.path} cannot be read: {error.strerror}. Nothing was written.",
                fix=f"Make it readable again. {file.other_format}",
            ) from None
        if not same:
            raise SourceChanged(
                f"{file.path.name} changed since it was read: {changed_rows(file, stored)}. "
                "Nothing was written.",
                fix=f"Put the old file back. {file.other_format}",
            )


def _write(file: SourceFile, part: Path, new: Additions, stored: pa.Table) -> None:
    """Write a file with the new cells, and prove that each of them is in its row."""
    try:
        lines = lines_of(file, stored)
        match file.form:
            case "parquet":
                places = tables.write_parquet(file, part, new)
            case "book":
                places = workbook.write_workbook(file, part, new, lines)
            case _:
                places = delimited_file.write_text(file, part, new, lines)
        prove(part, file, stored, new, places)
    except SourceError as error:
        raise WriteBackError(
            f"{file.path.name} cannot be extended: {error.message} Nothing was written.",
            fix=file.other_format,
        ) from None
