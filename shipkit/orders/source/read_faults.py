"""Whose fault it is that a file could not be read: the file's, the machine's or shipkit's.

The libraries that read files raise all kinds of exceptions for a damaged one. A defect of shipkit
must not be reported as damage: the file would be exported again and again in vain.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final

import duckdb

from shipkit.errors import SourceError

__all__ = ["is_defect", "source_error"]

_LONGEST_REASON: Final = 200
_OWN: Final = "shipkit."
_WRONG_SQL: Final = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
_WRONG_CODE: Final = (TypeError, AttributeError, NameError, ImportError, ZeroDivisionError)
_WRONG_OF_OURS: Final = (*_WRONG_CODE, LookupError, AssertionError)
"""What only code of our own has no excuse for: libraries look up what a file lacks."""


def is_defect(error: Exception) -> bool:
    """Return whether an exception shows a defect of shipkit, whatever is in the file."""
    if isinstance(error, _WRONG_SQL):
        return True
    module, installed = _raised_in(error.__traceback__)
    if module.startswith(_OWN):
        return isinstance(error, _WRONG_OF_OURS)
    return isinstance(error, _WRONG_CODE) and not installed


def _raised_in(trace: TracebackType | None) -> tuple[str, bool]:
    """Return the module of the innermost frame, and whether it is that of another package."""
    module, file = "", ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        file = trace.tb_frame.f_code.co_filename
        trace = trace.tb_next
    return module, "site-packages" in file or "dist-packages" in file


def source_error(path: Path, error: Exception) -> SourceError:
    """Return the error of a file that could not be read, for any reason but a defect."""
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException):
        return SourceError(
            f"{path.name} cannot be read: this machine ran out of memory or of disk space.",
            fix="Close other programs, or split the file.",
        )
    if isinstance(error, OSError) and error.errno is not None:
        return SourceError(
            f"{path.name} cannot be read: {error.strerror or error}.",
            fix="Check the disk and the path, and try again.",
        )
    words = " ".join((str(error) or type(error).__name__).split())
    words = words.encode(errors="backslashreplace").decode()[:_LONGEST_REASON].rstrip(".")
    return SourceError(
        f"{path.name} cannot be read; it may be damaged: {words}.",
        fix="Open it in the program that made it, and export it again.",
    )
