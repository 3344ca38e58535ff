"""Every error that shipkit raises on purpose, and its stable code, in one place.

::

    ShipkitError
    ├── InputError                  an argument, file or option cannot be used
    │   ├── SettingsError           an environment variable or the config file is wrong
    │   ├── SourceError             the orders cannot be read
    │   ├── FilterError             a SQL clause is not valid
    │   ├── MappingError            columns cannot be mapped to a shipment
    │   ├── LayoutError             the layout of an export is not valid
    │   ├── TemplateError           a Jinja2 template is not valid
    │   └── RateCardError           a rate card has gaps, overlaps or unreadable cells
    ├── ApprovalError               nothing was bought: a valid approval is missing
    │   ├── ApprovalRequired        mode CONFIRM, and this preview is not approved
    │   ├── PlanChanged             what was approved is not what would be bought
    │   ├── PreviewExpired          the preview is older than its quotes may be
    │   ├── PreviewNotFound         there is no such preview in this home
    │   ├── SpendLimitExceeded      a spend limit would be exceeded
    │   ├── LimitsRequired          mode AUTO on a live carrier needs a total limit
    │   └── ModeLocked              the mode cannot be changed while a job runs
    ├── JobError                    a job on disk cannot do what was asked
    │   ├── JobNotFound             there is no such job in this home
    │   ├── JobExists               the name belongs to a job with other orders
    │   ├── JobRunning              the job is running in this session (also a ModeLocked)
    │   ├── CheckpointLocked        another process or thread is using the job
    │   ├── CheckpointCorrupt       a file of the job is missing, altered or unreadable
    │   ├── CheckpointVersion       the job was written by a newer shipkit
    │   ├── CheckpointWriteError    the disk or the object store refused to write
    │   │   └── CheckpointFenced    another machine has gone on with the job
    │   ├── JobUnfinished           raised by run_job(): run it again
    │   ├── RestartUnconfirmed      a restart needs the number of paid labels
    │   └── ShipmentsFailed         raised by BatchResult.raise_for_failures()
    ├── CarrierError                a carrier call did not end in a shipment
    │   ├── CarrierRejected         the carrier refused; nothing was bought
    │   │   └── LabelsRefused       some labels cannot be on a manifest, the others can
    │   ├── NotSent                 the request certainly had no effect
    │   │   ├── RateLimited         429, too many requests: wait, then send again
    │   │   ├── CarrierUnreachable  no connection
    │   │   ├── AuthenticationFailed  the carrier refused the credentials
    │   │   └── FundsExhausted      the account cannot pay for the next label
    │   └── AnswerLost              sent, and no usable answer came: in doubt
    │       ├── PartlyBought        some parcels of a shipment are bought, the others are not
    │       └── LabelNotShown       a label exists under the key, and is not shown again
    ├── LabelError                  a label cannot be drawn, converted or saved
    └── WriteBackError              tracking numbers cannot be written back
        └── SourceChanged           the orders are no longer those that were read

A message states what is wrong and where; ``fix`` states what to do about it. Rows that cannot ship
raise nothing: they are listed in a frame of problems (``row_number``, ``field``, ``value``,
``problem``, ``fix``).
"""

from __future__ import annotations

import linecache
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from shipkit.state import Outcome

if TYPE_CHECKING:
    from shipkit.models import Purchase

__all__ = [
    "AnswerLost",
    "ApprovalError",
    "ApprovalRequired",
    "AuthenticationFailed",
    "CarrierError",
    "CarrierRejected",
    "CarrierUnreachable",
    "CheckpointCorrupt",
    "CheckpointFenced",
    "CheckpointLocked",
    "CheckpointVersion",
    "CheckpointWriteError",
    "FilterError",
    "FundsExhausted",
    "InputError",
    "JobError",
    "JobExists",
    "JobNotFound",
    "JobRunning",
    "JobUnfinished",
    "LabelError",
    "LabelNotShown",
    "LabelsRefused",
    "LayoutError",
    "LimitsRequired",
    "MappingError",
    "ModeLocked",
    "NotSent",
    "PartlyBought",
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
    """The base of every error that shipkit raises on purpose.

    Parameters
    ----------
    message
        What happened and where, in one or two sentences.
    fix
        What to do about it, in one sentence.
    **details
        Facts for programs, kept on `details`. Never secrets, never addresses.
    """

    code: ClassVar[str] = "shipkit_error"
    """A name for programs that stays the same from release to release, unlike the message."""

    def __init__(self, message: str, *, fix: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.details: dict[str, Any] = details

    def __str__(self) -> str:
        # A message may end with a line of carets below the clause it is about.
        between = "" if self.message.endswith("\n") else " "
        return f"{self.message}{between}{self.fix}" if self.fix else self.message.rstrip("\n")

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in a cell: what is wrong, where, and how to fix it.

        ``%xmode Verbose`` shows the whole traceback as usual.
        """
        shell = _ipython()
        if getattr(getattr(shell, "InteractiveTB", None), "mode", None) == "Verbose":
            return "".join(traceback.format_exception(self)).splitlines()
        lines = [f"\x1b[31m{type(self).__name__}\x1b[39m: {self.message.rstrip()}"]
        if where := _callers_line(self, shell):
            lines.append(f"  at   {where}")
        return [*lines, f"  fix  {self.fix}"] if self.fix else lines


class InputError(ShipkitError):
    """An argument, a file or an option cannot be used."""

    code = "input_unusable"


class SettingsError(InputError):
    """An environment variable or the config file is missing a value or has a wrong one."""

    code = "settings_invalid"


class SourceError(InputError):
    """The orders cannot be read."""

    code = "source_unreadable"


class FilterError(InputError):
    """A SQL clause is not valid; the message shows the place and the nearest column."""

    code = "filter_invalid"


class MappingError(InputError):
    """Columns cannot be mapped to a shipment."""

    code = "mapping_invalid"


class LayoutError(InputError):
    """The layout of an export is not valid, or does not fit the file."""

    code = "layout_invalid"


class TemplateError(InputError):
    """A Jinja2 template is not valid, or does not render a shipment."""

    code = "template_invalid"


class RateCardError(InputError):
    """A rate card has gaps, overlaps or unreadable cells."""

    code = "rate_card_invalid"


class ApprovalError(ShipkitError):
    """A valid approval is missing, so nothing was bought."""

    code = "approval_invalid"


class ApprovalRequired(ApprovalError):
    """The mode is CONFIRM, and this preview is not approved."""

    code = "approval_required"


class PlanChanged(ApprovalError):
    """What was approved is not what would be bought now."""

    code = "plan_changed"


class PreviewExpired(ApprovalError):
    """The preview is older than its quotes may be; make a new one."""

    code = "preview_expired"


class PreviewNotFound(ApprovalError):
    """There is no such preview in this home."""

    code = "preview_not_found"


class SpendLimitExceeded(ApprovalError):
    """A spend limit would be exceeded."""

    code = "spend_limit_exceeded"


class LimitsRequired(ApprovalError):
    """Mode AUTO on a live carrier needs a total limit, because no person is asked."""

    code = "limits_required"


class ModeLocked(ApprovalError):
    """The mode cannot be changed while a job of this session is running."""

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
    """There is no such job in this home."""

    code = "job_not_found"


class JobExists(JobError):
    """The name belongs to a job with other orders, or with other choices made for them."""

    code = "job_exists"


class CheckpointLocked(JobError):
    """Another process or thread is using the job; the message names it."""

    code = "checkpoint_locked"


class CheckpointCorrupt(JobError):
    """A file of the job is missing, altered or unreadable. Nothing is sent for it."""

    code = "checkpoint_corrupt"


class CheckpointVersion(JobError):
    """The job was written by a newer shipkit."""

    code = "checkpoint_version"


class CheckpointWriteError(JobError):
    """The disk refused to write (full, read-only). The job can be resumed once it accepts."""

    code = "checkpoint_write_failed"


class CheckpointFenced(CheckpointWriteError):
    """Another machine has gone on with the job. This one sends and records nothing more."""

    code = "checkpoint_fenced"


class JobUnfinished(JobError):
    """Raised by ``run_job()`` when rows are left to do: the engine should run the task again."""

    code = "job_unfinished"


class RestartUnconfirmed(JobError):
    """A restart needs the number of labels that are paid for, as a confirmation."""

    code = "restart_unconfirmed"


class ShipmentsFailed(JobError):
    """Raised by ``BatchResult.raise_for_failures()``; `problems` is a frame of the failed rows."""

    code = "shipments_failed"

    def __init__(
        self, message: str, *, problems: Any = None, fix: str | None = None, **details: Any
    ) -> None:
        super().__init__(message, fix=fix, **details)
        self.problems = problems


class CarrierError(ShipkitError):
    """A carrier call did not end in a shipment.

    Its class decides what becomes of the row, by its `outcome` and the one table in
    :mod:`shipkit.state`. A carrier chooses the class at the place where it still knows what was
    sent: one step later, a request that may have bought something and one that cannot have look
    the same.

    Parameters
    ----------
    carrier_code
        The carrier's own code, as text ("120100"), where there is one.
    carrier_message
        The carrier's own words.
    transaction_id
        The id of this request in the carrier's logs.
    voided
        Of a void: the tracking numbers that are voided all the same.
    not_voided
        Of a void: the tracking numbers that the carrier says are not voided.
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
        self.voided: tuple[str, ...] = tuple(details.pop("voided", ()))
        self.not_voided: tuple[str, ...] = tuple(details.pop("not_voided", ()))
        super().__init__(message, fix=fix, **details)
        self.carrier_code = carrier_code
        self.carrier_message = carrier_message
        self.transaction_id = transaction_id


class CarrierRejected(CarrierError):
    """The carrier refused. Nothing was bought, and the same request would be refused again."""

    code = "carrier_rejected"
    outcome = Outcome.REJECTED


class LabelsRefused(CarrierRejected):
    """A manifest was refused because of some of its labels. The others can be on one.

    Parameters
    ----------
    labels
        Tracking number -> why it is refused, as a sentence.
    """

    code = "labels_refused"

    def __init__(self, message: str, *, labels: Mapping[str, str], **details: Any) -> None:
        super().__init__(message, **details)
        self.labels = dict(labels)


class NotSent(CarrierError):
    """The request certainly had no effect: it never left, or was turned away unread.

    Sending it again cannot buy a second label.
    """

    code = "not_sent"
    outcome = Outcome.NOT_SENT


class RateLimited(NotSent):
    """The carrier answered 429, too many requests.

    `retry_after_s` is how long it asked to wait, None if it did not say.
    """

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: float | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.retry_after_s = retry_after_s


class CarrierUnreachable(NotSent):
    """No connection to the carrier could be made."""

    code = "carrier_unreachable"


class AuthenticationFailed(NotSent):
    """The carrier refused the credentials, also with a fresh token. Nothing was bought."""

    code = "authentication_failed"


class FundsExhausted(NotSent):
    """The account cannot pay for the next label. Nothing was bought, and the run stops."""

    code = "funds_exhausted"


class AnswerLost(CarrierError):
    """The request was sent and no usable answer came: a shipment may exist.

    It is never sent again before a look-up.
    """

    code = "answer_lost"
    outcome = Outcome.UNKNOWN


class PartlyBought(AnswerLost):
    """Some parcels of a shipment are bought, and the others are not.

    Raised by a carrier that sells under an id or a key. The same one buys the rest.

    Parameters
    ----------
    purchase
        What is bought.
    refused
        The carrier's words where it refused the rest: sending it again unchanged is no use.
    """

    code = "partly_bought"

    def __init__(
        self, message: str, *, purchase: Purchase, refused: str | None = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.purchase = purchase
        self.refused = refused


class LabelNotShown(AnswerLost):
    """The carrier has a label under the key of a row, and does not show it.

    Raised by a look-up of a carrier whose requests are repeatable by a key.

    Parameters
    ----------
    final
        Sending the request again with its key is no use: the label is canceled, for example.
    """

    code = "label_not_shown"

    def __init__(self, message: str, *, final: bool = False, **details: Any) -> None:
        super().__init__(message, **details)
        self.final = final


class LabelError(ShipkitError):
    """A label cannot be drawn, converted or saved."""

    code = "label_error"


class WriteBackError(ShipkitError):
    """Tracking numbers cannot be written back; no result is lost."""

    code = "write_back_failed"


class SourceChanged(WriteBackError):
    """The orders are no longer the file, or the rows, that were read."""

    code = "source_changed"


_HERE = str(Path(__file__).parent)


def _ipython() -> Any:
    module = sys.modules.get("IPython")
    return module.get_ipython() if module else None


def _callers_line(error: BaseException, shell: Any) -> str | None:
    """Return the caller's own line that led to `error`: "In[3], line 2: session.approve()"."""
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
