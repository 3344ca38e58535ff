"""Frames written to csv, tsv, xlsx and parquet files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shipkit.cli.advice import for_command_line
from shipkit.common.files import write_file
from shipkit.common.xlsx import write_sheet
from shipkit.errors import InputError
from shipkit.plan.frames import with_zone

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_ending", "save_failed", "save_frame"]


def save_failed(frame: pd.DataFrame, path: Path) -> None:
    """Write the rows that did not ship to a file that can be corrected and run again.

    It has the columns of the source, then ``problem`` and ``fix``, with the fix in the words of
    the command line.
    """
    own = frame.drop(columns=["row_number", "source_file"], errors="ignore")
    fixes = own["fix"].map(lambda fix: for_command_line(fix) if isinstance(fix, str) else fix)
    save_frame(own.assign(fix=fixes), path)


def save_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` in the format that the ending of `path` names. Raises InputError.

    Lists are joined with commas, except in Parquet, which can hold them.
    """
    ending = check_ending(path)
    try:
        write_file(path, lambda file: _WRITERS[ending](frame, file))
    except OSError as error:  # Arrow's have no file, and others that of a temporary file
        reason = error.strerror or (os.strerror(error.errno) if error.errno else str(error))
        raise OSError(error.errno, f"{reason}, cannot be written", str(path)) from error


def check_ending(path: Path) -> str:
    """Return the ending of `path` in lower case. Raises InputError for one without a writer."""
    ending = path.suffix.lower()
    if ending not in _WRITERS:
        raise InputError(
            f"{path}: {ending or 'a name without an ending'} is not a supported table format.",
            fix="Use a .csv, .tsv, .xlsx or .parquet file.",
        )
    return ending


def _csv(frame: pd.DataFrame, file: Path) -> None:
    _without_lists(with_zone(frame)).to_csv(file, index=False)


def _tsv(frame: pd.DataFrame, file: Path) -> None:
    _without_lists(with_zone(frame)).to_csv(file, index=False, sep="\t")


def _xlsx(frame: pd.DataFrame, file: Path) -> None:
    plain = _without_lists(frame)
    cells = plain.astype(object).where(plain.notna(), None)
    write_sheet(file, list(plain.columns), cells.itertuples(index=False, name=None))


def _parquet(frame: pd.DataFrame, file: Path) -> None:
    with file.open("wb") as sink:  # by its name, Arrow refuses one that is not UTF-8
        with_zone(frame).to_parquet(sink, index=False, compression="zstd")


_WRITERS = {".csv": _csv, ".tsv": _tsv, ".xlsx": _xlsx, ".parquet": _parquet}


def _without_lists(frame: pd.DataFrame) -> pd.DataFrame:
    plain = frame.copy()
    for name in plain.columns:
        if plain[name].map(_is_list).any():
            plain[name] = plain[name].map(
                lambda cell: ", ".join(map(_item, cell)) if _is_list(cell) else None
            )
    return plain


def _is_list(cell: Any) -> bool:
    return isinstance(cell, list | tuple | np.ndarray)


def _item(item: Any) -> str:
    """Return the text of an item of a list; a reference is a pair of its name and its value."""
    return "=".join(map(str, item)) if isinstance(item, tuple) else str(item)
