"""The error tree: everything a user can meet, and its stable code, in one place.

::

    ShipkitError
    ├── InputError                  what was handed in cannot be used
    │   ├── SettingsError           an environment variable or config file is wrong
    │   ├── SourceError             the orders cannot be read
    │   ├── FilterError             a SQL clause cannot be used
    │   ├── MappingError            columns cannot be mapped to a shipment
    │   ├── LayoutError             a layout of an export cannot be used
    │   ├── TemplateError           a Jinja2 template cannot be used
    │   └── RateCardError           a rate card has gaps, overlaps or unreadable cells
    ├── ApprovalError               money would move without a valid yes
    │   ├── ApprovalRequired        CONFIRM mode, and nobody approved this preview
    │   ├── PlanChanged             what was approved is not what would be bought
    │   ├── PreviewExpired          the preview is older than its quotes may be
    │   ├── PreviewNotFound         no such preview in this home
    │   ├── SpendLimitExceeded      a spend limit would be passed
    │   ├── LimitsRequired          AUTO on a live carrier needs a total limit
    │   └── ModeLocked              the mode cannot change while a job runs
    ├── JobError                    a job on disk cannot do what was asked
    │   ├── JobNotFound             no such job in this home
    │   ├── JobExists               the name belongs to another plan
    │   ├── JobRunning              the job is running in this session
    │   ├── CheckpointLocked        another process or thread owns the job
    │   ├── CheckpointCorrupt       a segment is missing, altered or unreadable
    │   ├── CheckpointVersion       the job was written by a newer shipkit
    │   ├── CheckpointWriteError    the disk refused a commit (full, read-only)
    │   ├── RestartUnconfirmed      restart needs the number of paid labels
    │   └── ShipmentsFailed         raised by BatchResult.raise_for_failures()
    ├── CarrierError                a carrier call did not end in a shipment
    │   ├── CarrierRejected         the carrier said no; nothing was bought
    │   ├── NotSent                 the request provably never left
    │   │   ├── RateLimited         429: wait, then send
    │   │   └── CarrierUnreachable  no connection
    │   ├── AuthenticationFailed    the carrier refused the credentials
    │   └── AnswerLost              sent, and no usable answer: in doubt
    ├── LabelError                  a label cannot be drawn, converted or saved
    └── WriteBackError              tracking numbers cannot be written back
        └── SourceChanged           the source is not the file that was read

A message says what, where and how to fix. Bad rows are data, not exceptions: they come back as a
frame of problems (``row_number, field, value, problem, fix``).
"""

from __future__ import annotations

import linecache
import sys
import traceback
from pathlib import Path
from typing import Any, ClassVar

from shipkit.state import Outcome

__all__ = [
    "AnswerLost",
    "ApprovalError",
    "ApprovalRequired",
    "AuthenticationFailed",
    "CarrierError",
    "CarrierRejected",
    "CarrierUnreachable",
    "CheckpointCorrupt",
    "CheckpointLocked",
    "CheckpointVersion",
    "CheckpointWriteError",
    "FilterError",
    "InputError",
    "JobError",
    "JobExists",
    "JobNotFound",
    "JobRunning",
    "LabelError",
    "LayoutError",
    "LimitsRequired",
    "MappingError",
    "ModeLocked",
    "NotSent",
    "PlanChanged",
    "PreviewExpired",
    "PreviewNotFound",
    "RateCardError",
    "RateLimited",
    "RestartUnconfirmed",
    "SettingsError",
    "ShipkitError",
    "ShipmentsFailed",
    "SourceChanged",
    "SourceError",
    "SpendLimitExceeded",
    "TemplateError",
    "WriteBackError",
]


class ShipkitError(Exception):
    """Base of everything shipkit raises on purpose.

    Parameters
    ----------
    message
        What happened and where, one or two sentences.
    fix
        What to do about it, one sentence.
    **details
        Facts for programs, kept on `details` (never secrets, never addresses).
    """

    code: ClassVar[str] = "shipkit_error"

    def __init__(self, message: str, *, fix: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.details: dict[str, Any] = details

    def __str__(self) -> str:
        between = (
            "" if self.message.endswith("\n") else " "
        )  # a message may end with a line of carets
        return f"{self.message}{between}{self.fix}" if self.fix else self.message.rstrip("\n")

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in a cell: what, where, fix. ``%xmode Verbose`` brings the whole traceback back."""
        shell = _ipython()
        if getattr(getattr(shell, "InteractiveTB", None), "mode", None) == "Verbose":
            return "".join(traceback.format_exception(self)).splitlines()
        lines = [f"\x1b[31m{type(self).__name__}\x1b[39m: {self.message.rstrip()}"]
        if where := _callers_line(self, shell):
            lines.append(f"  at   {where}")
        return [*lines, f"  fix  {self.fix}"] if self.fix else lines


class InputError(ShipkitError):
    """What was handed in cannot be used."""

    code = "input_unusable"


class SettingsError(InputError):
    """An environment variable or config file is wrong."""

    code = "settings_invalid"


class SourceError(InputError):
    """The orders cannot be read."""

    code = "source_unreadable"


class FilterError(InputError):
    """A SQL clause cannot be used; the message shows the place and the nearest column."""

    code = "filter_invalid"


class MappingError(InputError):
    """Columns cannot be mapped to a shipment."""

    code = "mapping_invalid"


class LayoutError(InputError):
    """A layout of an export cannot be used."""

    code = "layout_invalid"


class TemplateError(InputError):
    """A Jinja2 template cannot be used."""

    code = "template_invalid"


class RateCardError(InputError):
    """A rate card has gaps, overlaps or unreadable cells."""

    code = "rate_card_invalid"


class ApprovalError(ShipkitError):
    """Money would move without a valid yes. Nothing was bought."""

    code = "approval_invalid"


class ApprovalRequired(ApprovalError):
    """Mode CONFIRM, and nobody approved this preview."""

    code = "approval_required"


class PlanChanged(ApprovalError):
    """What was approved is not what would be bought now."""

    code = "plan_changed"


class PreviewExpired(ApprovalError):
    """The preview is older than its quotes may be."""

    code = "preview_expired"


class PreviewNotFound(ApprovalError):
    """No such preview in this home."""

    code = "preview_not_found"


class SpendLimitExceeded(ApprovalError):
    """A spend limit would be passed."""

    code = "spend_limit_exceeded"


class LimitsRequired(ApprovalError):
    """AUTO on a live carrier needs a total limit."""

    code = "limits_required"


class ModeLocked(ApprovalError):
    """The mode cannot change while a job of this session executes."""

    code = "mode_locked"


class JobError(ShipkitError):
    """A job on disk cannot do what was asked."""

    code = "job_error"


class JobRunning(JobError, ModeLocked):
    """The job is running in this session, and what was asked needs it at rest.

    It is a :class:`ModeLocked` too, because the first release raised that here: code that catches
    ModeLocked around ``void()`` or ``resume()`` keeps working.
    """

    code = "job_running"


class JobNotFound(JobError):
    """No such job in this home."""

    code = "job_not_found"


class JobExists(JobError):
    """The name belongs to a job with another plan."""

    code = "job_exists"


class CheckpointLocked(JobError):
    """Another process or thread owns the job; the message names it."""

    code = "checkpoint_locked"


class CheckpointCorrupt(JobError):
    """A segment is missing, altered or unreadable."""

    code = "checkpoint_corrupt"


class CheckpointVersion(JobError):
    """The job was written by a newer shipkit."""

    code = "checkpoint_version"


class CheckpointWriteError(JobError):
    """The disk refused a commit (full, read-only). The job stays resumable."""

    code = "checkpoint_write_failed"


class RestartUnconfirmed(JobError):
    """Restart needs the number of paid labels as confirmation."""

    code = "restart_unconfirmed"


class ShipmentsFailed(JobError):
    """Raised by ``BatchResult.raise_for_failures()``; `problems` is the frame of failed rows."""

    code = "shipments_failed"

    def __init__(
        self, message: str, *, problems: Any = None, fix: str | None = None, **details: Any
    ) -> None:
        super().__init__(message, fix=fix, **details)
        self.problems = problems


class CarrierError(ShipkitError):
    """A carrier call did not end in a shipment.

    `outcome` is what the one table in :mod:`shipkit.state` turns into a row state; a carrier
    decides it at the place where it still knows what was sent.

    Parameters
    ----------
    carrier_code
        The carrier's own code, as text ("120100"), where there is one.
    carrier_message
        The carrier's own words.
    transaction_id
        What the carrier calls this request in its logs.
    """

    code = "carrier_error"
    outcome: ClassVar[Outcome] = Outcome.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        fix: str | None = None,
        carrier_code: str | None = None,
        carrier_message: str | None = None,
        transaction_id: str | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, fix=fix, **details)
        self.carrier_code = carrier_code
        self.carrier_message = carrier_message
        self.transaction_id = transaction_id


class CarrierRejected(CarrierError):
    """The carrier said no; nothing was bought, and the same request would be refused again."""

    code = "carrier_rejected"
    outcome = Outcome.REJECTED


class NotSent(CarrierError):
    """The request provably never left this machine or was turned away unread; sending it again is free."""

    code = "not_sent"
    outcome = Outcome.NOT_SENT


class RateLimited(NotSent):
    """The carrier answered 429. `retry_after_s` is its wish, where it told one."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: float | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.retry_after_s = retry_after_s


class CarrierUnreachable(NotSent):
    """No connection to the carrier could be made."""

    code = "carrier_unreachable"


class AuthenticationFailed(NotSent):
    """The carrier refused the credentials, also after a fresh token. Nothing was bought."""

    code = "authentication_failed"


class AnswerLost(CarrierError):
    """Sent, and no usable answer came: a shipment may exist. Never sent again blindly."""

    code = "answer_lost"
    outcome = Outcome.UNKNOWN


class LabelError(ShipkitError):
    """A label cannot be drawn, converted or saved."""

    code = "label_error"


class WriteBackError(ShipkitError):
    """Tracking numbers cannot be written back; no result is lost."""

    code = "write_back_failed"


class SourceChanged(WriteBackError):
    """The source is not the file that was read."""

    code = "source_changed"


_HERE = str(Path(__file__).parent)


def _ipython() -> Any:
    module = sys.modules.get("IPython")
    return module.get_ipython() if module else None


def _callers_line(error: BaseException, shell: Any) -> str | None:
    """Return the caller's own line that led to `error`, without a path: "In[3], line 2: session.approve()"."""
    frames = traceback.extract_tb(error.__traceback__)
    entered = next(
        (i for i, frame in enumerate(frames) if frame.filename.startswith(_HERE)), len(frames)
    )
    if entered == 0:
        return None
    frame = frames[entered - 1]
    cell = shell.compile.format_code_name(frame.filename) if shell is not None else None
    place = cell[1] if cell else Path(frame.filename).name
    text = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
    return f"{place}, line {frame.lineno}" + (f": {text}" if text else "")
