"""Who may say yes, and to what: modes, spend limits, and approvals bound to one fingerprint.

An approval is a record about exactly one preview, never a bare boolean. It is written beside the
preview, so that another process (a terminal, a panel) can give it.
"""

from __future__ import annotations

import datetime as dt
import getpass
import json
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shipkit.common.files import write_file
from shipkit.common.words import total_text
from shipkit.errors import (
    ApprovalRequired,
    InputError,
    LimitsRequired,
    PlanChanged,
    PreviewExpired,
    SpendLimitExceeded,
)
from shipkit.models import Money
from shipkit.plan.preview import Preview, PreviewRecord, recall

__all__ = [
    "Approval",
    "ExecutionMode",
    "SpendLimits",
    "approve",
    "authorize",
    "check_limits",
    "renew",
    "require_limits",
    "stored_approval",
]

_APPROVAL = "approval.json"


class ExecutionMode(StrEnum):
    """Whether buying waits for a person."""

    CONFIRM = "confirm"
    """Nothing is bought before a person approved exactly this preview. The default."""
    AUTO = "auto"
    """Buys without asking, within the spend limits."""

    @classmethod
    def of(cls, value: str | ExecutionMode) -> ExecutionMode:
        """Return the mode that `value` names, in any case. Raises InputError."""
        try:
            return cls(str(value).lower())
        except ValueError:
            raise InputError(
                f"There is no mode {value!r}.", fix="Use 'confirm' or 'auto'."
            ) from None


def _cents(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError(
            "money is exact: give the amount as text, Decimal or Money, not as a float"
        )
    return (
        Money.of(value).amount
        if isinstance(value, str | int | Money) and not isinstance(value, bool)
        else value
    )


Amount = Annotated[Decimal, BeforeValidator(_cents), Field(ge=0)]


class SpendLimits(BaseModel):
    """Limits on real costs: checked on the preview, and reserved before every purchase.

    Attributes
    ----------
    total
        Most to spend on a job; `Money`, `Decimal` or text, in `currency`.
    per_shipment
        Most to spend on one shipment.
    max_shipments
        Most shipments in a job.
    price_drift
        How far a billed charge may lie above its quote, as a fraction (``0.05``); one beyond stops
        the job.

    Examples
    --------
    >>> SpendLimits(total="500", per_shipment="40").total
    Decimal('500.00')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    total: Amount | None = None
    per_shipment: Amount | None = None
    max_shipments: int | None = Field(default=None, ge=0)
    price_drift: float | None = Field(default=None, ge=0)
    currency: str = "USD"

    @classmethod
    def of(cls, value: SpendLimits | Mapping[str, Any] | None) -> SpendLimits:
        """Return `value` as limits; None means none. Raises InputError."""
        if isinstance(value, SpendLimits):
            return value
        try:
            return cls(**(value or {}))
        except ValidationError as error:
            where = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}"
                for e in error.errors(include_input=False)
            )
            raise InputError(
                f"The spend limits cannot be used: {where}.",
                fix='Write amounts as text: SpendLimits(total="500").',
            ) from None

    @property
    def total_cents(self) -> int | None:
        """`total` in minor units."""
        return (
            None if self.total is None else Money(amount=self.total, currency=self.currency).cents
        )

    @property
    def per_shipment_cents(self) -> int | None:
        """`per_shipment` in minor units."""
        return (
            None
            if self.per_shipment is None
            else Money(amount=self.per_shipment, currency=self.currency).cents
        )

    def in_cents(self) -> dict[str, Any]:
        """Return the limits for the execution core: minor units, nulls where there is none."""
        return {
            "total_cents": self.total_cents,
            "per_shipment_cents": self.per_shipment_cents,
            "max_shipments": self.max_shipments,
            "price_drift": self.price_drift,
            "currency": self.currency,
        }


class Approval(BaseModel):
    """A person's yes to one preview: these shipments, at these prices, from this account."""

    model_config = ConfigDict(frozen=True)

    preview_id: str
    fingerprint: str
    price_digest: str
    shipments: int
    totals: dict[str, str]
    """Currency -> amount, as decimal text."""
    carrier: str
    """Carrier, environment and the account's last four characters, as shown when it was given."""
    live: bool
    by: str
    via: str
    """``session``, ``terminal``, ``panel``, ``elicitation``, ``host``."""
    at: dt.datetime


def approve(
    home: Path, preview_id: str, *, now: dt.datetime, by: str | None = None, via: str = "session"
) -> Approval:
    """Record a person's approval of the kept preview `preview_id`. Raises PreviewNotFound, PreviewExpired."""
    record = recall(home, preview_id)
    _fresh(record, now)
    approval = Approval(
        preview_id=record.preview_id,
        fingerprint=record.fingerprint,
        price_digest=record.price_digest,
        shipments=record.shipments,
        totals={currency: f"{money.amount}" for currency, money in record.totals.items()},
        carrier=str(record.identity),
        live=record.identity.live,
        by=by or _who(),
        via=via,
        at=now,
    )
    # Durable before anybody is told that it is approved: after a power cut the job would otherwise
    # ask again, or find an empty file.
    write_file(record.path / _APPROVAL, approval.model_dump_json(indent=1), private=True)
    return approval


def stored_approval(record: PreviewRecord) -> Approval | None:
    """Return the approval given to a kept preview, or None."""
    try:
        return Approval.model_validate(
            json.loads((record.path / _APPROVAL).read_text(encoding="utf-8"))
        )
    except FileNotFoundError:
        return None


def authorize(
    preview: Preview,
    record: PreviewRecord,
    mode: ExecutionMode,
    limits: SpendLimits,
    *,
    now: dt.datetime,
) -> Approval | None:
    """Return the approval under which `preview` may be bought (None in AUTO), or raise why it may not.

    Raises
    ------
    ApprovalRequired
        CONFIRM, and nobody approved this preview.
    PlanChanged
        The approval is of other shipments or prices.
    PreviewExpired
        The quotes are too old. Make a new preview.
    SpendLimitExceeded, LimitsRequired
    """
    _fresh(record, now)
    check_limits(limits, preview.quotes)
    if mode is ExecutionMode.AUTO:
        require_limits(limits, live=preview.plan.identity.live)
        return None
    approval = stored_approval(record)
    if approval is None:
        summary = preview.summary()
        raise ApprovalRequired(
            f"Preview approval required: {summary.shipments:,} shipments for "
            f"{total_text(summary.totals)} on {summary.carrier} ({preview.preview_id}). Nothing was "
            "bought.",
            fix="Look at the preview, then call session.approve(), or type: shipkit approve "
            f"{preview.preview_id}",
            preview_id=preview.preview_id,
        )
    if (approval.fingerprint, approval.price_digest) != (
        preview.plan.fingerprint,
        preview.price_digest,
    ):
        raise PlanChanged(
            "What was approved is not what would be bought now. Nothing was bought.",
            fix="Preview again and approve that.",
        )
    return approval


def check_limits(limits: SpendLimits, quotes: pa.Table) -> None:
    """Raise SpendLimitExceeded when the quoted costs of all rows that would be bought pass a limit."""
    costs = quotes.column("cost_cents").drop_null()
    if limits.max_shipments is not None and len(costs) > limits.max_shipments:
        raise SpendLimitExceeded(
            f"{len(costs):,} shipments are more than the limit of {limits.max_shipments:,}. "
            "Nothing was bought.",
            fix="Filter further, or raise max_shipments.",
        )
    if not len(costs) or (limits.total is None and limits.per_shipment is None):
        return
    foreign = [
        c
        for c in pc.unique(quotes.column("currency").drop_null()).to_pylist()
        if c != limits.currency
    ]
    if foreign:
        raise SpendLimitExceeded(
            f"The limits are in {limits.currency} and prices in {', '.join(foreign)}: they cannot "
            "be compared. Nothing was bought.",
            fix=f"Give limits in that currency: SpendLimits(..., currency={foreign[0]!r}).",
        )
    total, most = pc.sum(costs).as_py(), pc.max(costs).as_py()
    if limits.total_cents is not None and total > limits.total_cents:
        raise SpendLimitExceeded(
            f"The preview comes to {Money.from_cents(total, limits.currency)}, the limit is "
            f"{Money.from_cents(limits.total_cents, limits.currency)}. Nothing was bought.",
            fix="Filter further, or raise the total limit.",
        )
    if limits.per_shipment_cents is not None and most > limits.per_shipment_cents:
        over = pc.sum(pc.greater(costs, limits.per_shipment_cents)).as_py()
        raise SpendLimitExceeded(
            f"{over:,} shipments cost more than "
            f"{Money.from_cents(limits.per_shipment_cents, limits.currency)} each; "
            f"the dearest costs {Money.from_cents(most, limits.currency)}. Nothing was bought.",
            fix=f'Set them aside, session.skip("cost_cents > {limits.per_shipment_cents}"), or '
            "raise per_shipment.",
        )


def renew(
    quoted: Mapping[str, int],
    now_quoted: Mapping[str, int],
    *,
    mode: ExecutionMode,
    limits: Mapping[str, Any],
    charged: Mapping[str, int],
    confirmed: Money | None,
) -> None:
    """Raise when the rest of an interrupted job, priced again after its quotes expired, is more than what was agreed to.

    Parameters
    ----------
    quoted, now_quoted
        Currency -> minor units for the rows not yet bought: as approved, and as quoted now.
    limits
        The job's, as :meth:`SpendLimits.in_cents`.
    charged
        Currency -> minor units already charged.
    confirmed
        The new total of the rest that a person said yes to.
    """
    rest = {currency: Money.from_cents(cents, currency) for currency, cents in now_quoted.items()}
    limit, currency = limits.get("total_cents"), limits.get("currency", "USD")
    if limit is not None and charged.get(currency, 0) + now_quoted.get(currency, 0) > limit:
        raise SpendLimitExceeded(
            f"The quotes expired, and at today's prices the rest comes to {total_text(rest)}: beyond "
            f"the limit of {Money.from_cents(limit, currency)}. Nothing more was bought.",
            fix="Cancel this job and preview the rest with a higher limit.",
        )
    drift = limits.get("price_drift") or 0.0
    grown = any(cents > quoted.get(name, 0) * (1 + drift) for name, cents in now_quoted.items())
    if (
        mode is ExecutionMode.CONFIRM
        and grown
        and (confirmed is None or rest != {confirmed.currency: confirmed})
    ):
        was = total_text({name: Money.from_cents(cents, name) for name, cents in quoted.items()})
        raise ApprovalRequired(
            f"The quotes expired, and the rest of the job now costs {total_text(rest)}; {was} was "
            "approved. Nothing more was bought.",
            fix="To buy it at that price: "
            f'session.resume(confirm_total="{next(iter(rest.values())).amount}").',
            total={n: str(m.amount) for n, m in rest.items()},
        )


def require_limits(limits: SpendLimits, *, live: bool) -> None:
    """Raise LimitsRequired when AUTO would buy on a live carrier without a total limit."""
    if live and limits.total is None:
        raise LimitsRequired(
            "AUTO on a live carrier needs a total limit: it buys without asking, with real money.",
            fix='Give one: BatchSession(..., limits=sk.SpendLimits(total="500")).',
        )


def _fresh(record: PreviewRecord, now: dt.datetime) -> None:
    if now >= record.expires_at:
        raise PreviewExpired(
            f"Preview {record.preview_id} expired at {record.expires_at:%Y-%m-%d %H:%M} UTC: its "
            "prices may have changed. Nothing was bought.",
            fix="Preview again, look at the total, and approve that.",
        )


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
