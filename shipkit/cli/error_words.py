"""An exception in the words of the command line: what, how to fix it, and a stable code."""

from __future__ import annotations

import errno
from typing import NamedTuple

from shipkit.cli.advice import for_command_line
from shipkit.errors import ShipkitError

__all__ = ["ErrorWords", "described"]


class ErrorWords(NamedTuple):
    """What is printed of an error."""

    message: str
    fix: str | None
    code: str


def described(error: Exception) -> ErrorWords:
    """Return the words for an error that ended a command."""
    match error:
        case ShipkitError():
            fix = None if error.fix is None else for_command_line(error.fix)
            return ErrorWords(error.message, fix, error.code)
        case OSError():
            text = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
            fix = "Check the path, its permissions, and the free disk space."
            if "temporary directory" in text:  # raised by tempfile, which names what it tried
                fix = "Set TMPDIR to a folder that can be written and has free disk space."
            elif error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
                fix = "Correct its permissions. SHIPKIT_HOME names another folder for jobs."
            return ErrorWords(text, fix, "machine")
        case _:
            return ErrorWords(
                f"shipkit failed: {type(error).__name__}: {error}",
                "This is a defect in shipkit. Please report it with the traceback above.",
                "unexpected",
            )
