"""Faults of the machine and of shipkit itself, in words that a model can pass on to a person.

A full disk, a database that is gone, or a defect would otherwise be a call that failed without a
reason: models take that for a fault of the orders, change them, and try again.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from shipkit.errors import CheckpointWriteError, ShipkitError

__all__ = ["UnexpectedFault", "faults_in_words"]

log = logging.getLogger("shipkit.agent")

_STORES = {"duckdb", "_duckdb", "sqlite3", "pyarrow", "sqlalchemy", "adbc_driver_manager"}
_MACHINE_WORDS = ("IOException", "OutOfMemoryException", "FatalException", "ArrowMemoryError")
_LONGEST_REASON = 300


class UnexpectedFault(ShipkitError):
    """Something that shipkit did not expect: a defect, or a file of its home that was changed."""

    code: ClassVar[str] = "unexpected"


@contextmanager
def faults_in_words(what: str) -> Iterator[None]:
    """Turn everything that is not an error of shipkit's own into one that says what to do.

    Parameters
    ----------
    what
        Name of the tool or resource that was being worked on.
    """
    try:
        yield
    except ShipkitError:
        raise
    except Exception as error:
        fault = _in_words(what, error)
        # Without the message of the exception: it may quote cells, and hosts keep this log.
        name = type(error).__name__
        if isinstance(fault, UnexpectedFault):
            name = f"{name}\n{''.join(traceback.format_tb(error.__traceback__))}"
        log.error("%s failed with %s", what, name)  # noqa: TRY400
        raise fault from error


def _in_words(what: str, error: Exception) -> ShipkitError:
    if isinstance(error, OSError):
        place = f" ({error.filename})" if error.filename else ""
        return CheckpointWriteError(
            f"This machine reports: {error.strerror or error}{place}.",
            fix="A person must look at it: the folder of SHIPKIT_HOME, its permissions, and the "
            "free space on the disk.",
        )
    if isinstance(error, MemoryError):
        return UnexpectedFault(
            f"This machine ran out of memory in {what}.",
            fix="Load fewer orders at a time, or ask the operator for more memory.",
        )
    name, module = type(error).__name__, type(error).__module__.split(".")[0]
    if module == "sqlite3" or (module in _STORES and name in _MACHINE_WORDS):
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        return UnexpectedFault(
            f"A database of this machine reports: {reason}.",
            fix="A person must look at it: the folder of SHIPKIT_HOME, its permissions, the free "
            "space on the disk, and whether another program changed its files.",
        )
    return UnexpectedFault(
        f"shipkit failed in {what} ({name}). It is a defect of shipkit, or a file of its home was "
        "changed; the orders are not the cause.",
        fix="Do not change the orders because of it. Tell the person; the log of the server says "
        "where it failed.",
    )
