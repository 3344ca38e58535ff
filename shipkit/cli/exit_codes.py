"""Exit codes: one table, and the two functions that choose from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from shipkit import errors

if TYPE_CHECKING:
    from shipkit.purchasing.result import BatchResult

__all__ = ["MEANING", "Exit", "of_error", "of_refusals", "of_result"]


class Exit(IntEnum):
    """The exit code of a command. When several apply, the highest wins."""

    DONE = 0
    UNUSABLE = 1
    SOME_FAILED = 2
    NOT_APPROVED = 3
    UNFINISHED = 4
    BROKEN = 5


MEANING: Mapping[Exit, str] = MappingProxyType(
    {
        Exit.DONE: "success, including nothing to do or only orders shipped before",
        Exit.UNUSABLE: "the input or the command line is invalid",
        Exit.SOME_FAILED: "finished, but some rows did not ship",
        Exit.NOT_APPROVED: "approval required, or over a spend limit; nothing was bought",
        Exit.UNFINISHED: "interrupted, in doubt, or in use elsewhere; shipkit resume continues",
        Exit.BROKEN: "the carrier or this machine failed",
    }
)

_FOR_ERROR: tuple[tuple[type[errors.ShipkitError], Exit], ...] = (
    (errors.PreviewNotFound, Exit.UNUSABLE),
    (errors.JobRunning, Exit.UNFINISHED),  # a ModeLocked as well, which is an ApprovalError
    (errors.ApprovalError, Exit.NOT_APPROVED),
    (errors.RestartUnconfirmed, Exit.NOT_APPROVED),
    (errors.CheckpointLocked, Exit.UNFINISHED),
    (errors.CheckpointCorrupt, Exit.BROKEN),
    (errors.CheckpointWriteError, Exit.BROKEN),
    (errors.ShipmentsFailed, Exit.SOME_FAILED),
    (errors.CarrierRejected, Exit.SOME_FAILED),
    (errors.AnswerLost, Exit.UNFINISHED),
    (errors.CarrierError, Exit.BROKEN),
)
"""Error class to exit code; the first class that matches decides. Any other error is UNUSABLE."""

_STOPPED_ON_REQUEST = ("paused", "stopped", "halted")
"""How the reason of a job starts that a person or an option stopped.

Every other reason (the carrier refused the credentials, the disk is full, the process was killed)
means that something failed.
"""


def of_error(error: BaseException) -> Exit:
    """Return the exit code for an error that ended a command."""
    if isinstance(error, errors.LabelError | errors.WriteBackError):
        # The same class says that an option cannot be used and that the disk refused.
        return Exit.BROKEN if isinstance(error.__cause__, OSError) else Exit.UNUSABLE
    if isinstance(error, errors.ShipkitError):
        return next((code for kind, code in _FOR_ERROR if isinstance(error, kind)), Exit.UNUSABLE)
    return Exit.UNFINISHED if isinstance(error, KeyboardInterrupt) else Exit.BROKEN


def of_refusals(codes: Iterable[str]) -> Exit:
    """Return the exit code for shipments that were not voided, by their error codes."""
    found = set(codes)
    if found & _OUTAGES:
        return Exit.BROKEN
    return Exit.SOME_FAILED if found else Exit.DONE


_OUTAGES = frozenset(
    kind.code
    for kind in (
        errors.NotSent,
        errors.CarrierUnreachable,
        errors.RateLimited,
        errors.AuthenticationFailed,
        errors.AnswerLost,
    )
)
"""Codes of errors that are no refusal: the same request may succeed later."""


def of_result(result: BatchResult, *, unshippable: int) -> Exit:
    """Return the exit code for the state of a job.

    Parameters
    ----------
    unshippable
        How many rows had a problem that kept them out of the job. Orders that an earlier job
        shipped do not count.
    """
    codes = [Exit.DONE]
    if result.failed or unshippable or result.status == "cancelled":
        codes.append(Exit.SOME_FAILED)
    if result.in_doubt or (result.remaining and result.status != "cancelled"):
        codes.append(Exit.UNFINISHED)
    if result.status == "failed" or _failed_midway(result):
        codes.append(Exit.BROKEN)
    return max(codes)


def _failed_midway(result: BatchResult) -> bool:
    return bool(
        result.remaining
        and result.status == "paused"
        and result.reason
        and not result.reason.startswith(_STOPPED_ON_REQUEST)
    )
