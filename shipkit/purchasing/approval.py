"""Who may approve a purchase, and what exactly: modes, spend limits, and approvals.

An approval is a record about one preview (these shipments, at these prices, from this account) and
never a bare boolean: a program that says "approved=True" proves nothing about what a person has
seen. It is stored in the preview's folder, so another process (a terminal, a panel) can give it.
"""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from shipkit.carriers.protocol import JointIdentity
from shipkit.common.files import write_file
from shipkit.common.mirror import pull, push
from shipkit.common.words import counted, plural, total_text
from shipkit.errors import (
    ApprovalRequired,
    InputError,
    LimitsRequired,
    PlanChanged,
    PreviewExpired,
    SpendLimitExceeded,
)
from shipkit.field_faults import faults_of
from shipkit.models import Money
from shipkit.plan.outage import refuse_gaps, refuse_uncompared
from shipkit.plan.preview import Preview
from shipkit.plan.preview_store import APPROVAL, PreviewRecord, recall

__all__ = [
    "Approval",
    "ExecutionMode",
    "SpendLimits",
    "approve",
    "authorize",
    "check_accounts",
    "check_limits",
    "require_limits",
    "stored_approval",
]


class ExecutionMode(StrEnum):
    """Whether buying waits for a person's approval."""

    CONFIRM = "confirm"
    """Nothing is bought before a person has approved exactly this preview. The default."""
    AUTO = "auto"
    """Buy without asking, within the spend limits."""

    @classmethod
    def of(cls, value: str | ExecutionMode) -> ExecutionMode:
        """Return the mode named by `value`, in upper or lower case.

        Raises
        ------
        InputError
            There is no such mode.
        """
        try:
            return cls(str(value).lower())
        except ValueError:
            raise InputError(f"Unknown mode {value!r}.", fix="Use 'confirm' or 'auto'.") from None


def _cents(value: Any) -> Any:
    """Return an amount for a limit. Floats are refused: 0.1 is not exactly ten cents."""
    if isinstance(value, float):
        raise ValueError("amounts must be exact: use text, Decimal or Money, not a float")
    return (
        Money.of(value).amount
        if isinstance(value, str | int | Money) and not isinstance(value, bool)
        else value
    )


Amount = Annotated[Decimal, BeforeValidator(_cents), Field(ge=0)]


class SpendLimits(BaseModel):
    """Limits on what a job may spend.

    They are checked on the whole preview before anything is bought, and again, as a reservation,
    before each shipment is sent. None means no limit.

    Attributes
    ----------
    total
        The most to spend on a job: `Money`, `Decimal` or text, in `currency`.
    per_shipment
        The most to spend on one shipment.
    max_shipments
        The most shipments in a job.
    price_drift
        How far a billed charge may exceed its quote, as a fraction (0.05 is 5 %). A charge beyond
        that stops the job. It is also reserved, so that the other limits hold for what is billed.
    currency
        ISO code of the currency of the amounts.
    per_account
        The most to spend on one account of a batch with several: its name -> an amount. The other
        limits hold for all accounts together.

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
    per_account: Mapping[str, Amount] = Field(default_factory=dict)

    @classmethod
    def of(cls, value: SpendLimits | Mapping[str, Any] | None) -> SpendLimits:
        """Return `value` (limits, their fields as a mapping, or None for no limits) as limits.

        Raises
        ------
        InputError
            An amount or a field is invalid.
        """
        if isinstance(value, SpendLimits):
            return value
        try:
            return cls(**(value or {}))
        except ValidationError as error:
            raise InputError(
                f"Invalid spend limits: {faults_of(error, cls.model_fields)}.",
                fix='Write amounts as text: SpendLimits(total="500").',
            ) from None

    @property
    def total_cents(self) -> int | None:
        """`total` in minor units, None where there is no limit."""
        return (
            None if self.total is None else Money(amount=self.total, currency=self.currency).cents
        )

    @property
    def per_shipment_cents(self) -> int | None:
        """`per_shipment` in minor units, None where there is no limit."""
        return (
            None
            if self.per_shipment is None
            else Money(amount=self.per_shipment, currency=self.currency).cents
        )

    @property
    def per_account_cents(self) -> dict[str, int]:
        """`per_account` in minor units."""
        return {
            name: Money(amount=amount, currency=self.currency).cents
            for name, amount in self.per_account.items()
        }

    def in_cents(self) -> dict[str, Any]:
        """Return the limits as a job's manifest stores them: minor units, None for no limit."""
        return {
            "total_cents": self.total_cents,
            "per_shipment_cents": self.per_shipment_cents,
            "max_shipments": self.max_shipments,
            "price_drift": self.price_drift,
            "currency": self.currency,
            **({"per_account_cents": self.per_account_cents} if self.per_account else {}),
        }


class Approval(BaseModel):
    """A person's approval of one preview: these shipments, at these prices, from this account."""

    model_config = ConfigDict(frozen=True)

    preview_id: str
    fingerprint: str
    """Of the plan: shipments, shipper, carrier and account."""
    price_digest: str
    """Of the prices."""
    shipments: int
    totals: dict[str, str]
    """Currency -> amount, as decimal text."""
    carrier: str
    """Carrier, environment and the last four characters of the account, as the person saw them."""
    live: bool
    """Whether real money is spent."""
    by: str
    """The user name of the person."""
    via: str
    """Where it was given: ``session``, ``terminal``, ``panel``, ``elicitation`` or ``host``."""
    at: dt.datetime
    accounts: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Of a batch with several accounts: each one's name -> currency -> amount, as shown."""

    @model_serializer(mode="wrap")
    def _without_accounts(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what an approval for one account does not have, as the first release did."""
        fields: dict[str, Any] = write(self)
        if not self.accounts:
            del fields["accounts"]
        return fields


def approve(
    home: Path, preview_id: str, *, now: dt.datetime, by: str | None = None, via: str = "session"
) -> Approval:
    """Record a person's approval of a stored preview.

    Parameters
    ----------
    now
        The time of the approval, with a time zone.
    by
        Who approves; default: the user of this process.
    via
        Where it was given, as in :attr:`Approval.via`.

    Raises
    ------
    PreviewNotFound
        There is no such preview in this home.
    PreviewExpired
        Its prices are too old to approve.
    """
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
        accounts=_by_account(record),
    )
    # Durable before this returns: a person who has seen "approved" must not be asked again after a
    # power cut.
    path = record.path / APPROVAL
    write_file(path, approval.model_dump_json(indent=1), private=True)
    push(home, [path])
    return approval


def _by_account(record: PreviewRecord) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for paid in record.by_account:
        found.setdefault(paid.account, {})[paid.total.currency] = f"{paid.total.amount}"
    return found


def stored_approval(record: PreviewRecord) -> Approval | None:
    """Return the approval of a stored preview, or None when there is none that can be read."""
    try:
        path = record.path / APPROVAL
        pull(path.parents[2], [path], again=True)  # another machine may have given it since
        return Approval.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None  # asking a person once more costs a question; trusting half a file, money


def authorize(
    preview: Preview,
    record: PreviewRecord,
    mode: ExecutionMode,
    limits: SpendLimits,
    *,
    now: dt.datetime,
) -> Approval | None:
    """Return the approval under which `preview` may be bought, None in AUTO, or raise an error.

    Raises
    ------
    PreviewExpired
        The quotes are too old, in either mode.
    SpendLimitExceeded
        The preview exceeds a limit, in either mode.
    LimitsRequired
        AUTO on a live carrier without a total limit.
    ApprovalRequired
        CONFIRM, and the preview is not approved.
    PlanChanged
        CONFIRM, and the approval is for other shipments or other prices.
    CarrierUnreachable
        Some rows got no price because the carrier did not answer; or, in AUTO, an account did not
        answer whose price might have been lower.
    """
    _fresh(record, now)
    refuse_gaps(preview)
    identity = preview.plan.identity
    if isinstance(identity, JointIdentity):
        check_accounts(limits, [name for name, _ in identity.parts])
    check_limits(limits, preview.quotes, preview.plan.sellers)
    if mode is ExecutionMode.AUTO:
        require_limits(limits, live=identity.live)
        refuse_uncompared(preview)
        return None
    approval = stored_approval(record)
    if approval is None:
        summary = preview.summary()
        raise ApprovalRequired(
            f"Preview approval required: {summary.shipments:,} shipments for "
            f"{total_text(summary.totals)} on {summary.carrier} ({preview.preview_id})"
            f"{summary.others.note}. Nothing was bought.",
            fix="Review the preview, then call session.approve(), or run: shipkit approve "
            f"{preview.preview_id}",
            preview_id=preview.preview_id,
        )
    if (approval.fingerprint, approval.price_digest) != (
        preview.plan.fingerprint,
        preview.price_digest,
    ):
        raise PlanChanged(
            "The shipments or prices changed after the approval. Nothing was bought.",
            fix="Preview again and approve the new preview.",
        )
    return approval


def check_accounts(limits: SpendLimits, names: Sequence[str]) -> None:
    """Raise InputError when a limit is for an account that the batch does not have.

    It would hold nothing back, and no one would notice.
    """
    unknown = [name for name in limits.per_account if name not in names]
    if unknown:
        raise InputError(
            f"per_account has a limit for {unknown[0]!r}, and this batch has {', '.join(names)}.",
            fix="Use the names of the batch's accounts.",
        )


def check_limits(limits: SpendLimits, quotes: pa.Table, sellers: pa.Array | None = None) -> None:
    """Check the quotes of all rows that would be bought against the limits.

    Parameters
    ----------
    quotes
        A quote table (:data:`shipkit.schema.QUOTES`); rows without a cost are not bought.
    sellers
        The account of each row; None: there is one account.

    Raises
    ------
    SpendLimitExceeded
        A limit is exceeded, or an amount cannot be compared because its currency is another one.
    """
    costs = quotes.column("cost_cents").drop_null()
    if limits.max_shipments is not None and len(costs) > limits.max_shipments:
        raise SpendLimitExceeded(
            f"{len(costs):,} shipments exceed the limit of {limits.max_shipments:,}. "
            "Nothing was bought.",
            fix="Filter further, or raise max_shipments.",
        )
    amounts = (limits.total, limits.per_shipment, *limits.per_account.values())
    if not len(costs) or all(amount is None for amount in amounts):
        return
    foreign = [
        c
        for c in pc.unique(quotes.column("currency").drop_null()).to_pylist()
        if c != limits.currency
    ]
    if foreign:
        raise SpendLimitExceeded(
            f"The limits are in {limits.currency} and some prices in {', '.join(foreign)}: they "
            "cannot be compared. Nothing was bought.",
            fix=f"Set limits in that currency: SpendLimits(..., currency={foreign[0]!r}).",
        )
    total, most = pc.sum(costs).as_py(), pc.max(costs).as_py()
    if limits.total_cents is not None and total > limits.total_cents:
        raise SpendLimitExceeded(
            f"The preview costs {Money.from_cents(total, limits.currency)}; the limit is "
            f"{Money.from_cents(limits.total_cents, limits.currency)}. Nothing was bought.",
            fix="Filter further, or raise the total limit.",
        )
    for name, cents in limits.per_account_cents.items():
        own = quotes if sellers is None else quotes.filter(pc.equal(sellers, name))
        spent = pc.sum(own.column("cost_cents")).as_py() or 0
        if spent > cents:
            raise SpendLimitExceeded(
                f"The shipments of {name} cost {Money.from_cents(spent, limits.currency)}; the "
                f"limit of this account is {Money.from_cents(cents, limits.currency)}. Nothing was "
                "bought.",
                fix="Filter further, choose among the other accounts, or raise per_account.",
            )
    if limits.per_shipment_cents is not None and most > limits.per_shipment_cents:
        over = pc.sum(pc.greater(costs, limits.per_shipment_cents)).as_py()
        raise SpendLimitExceeded(
            f"{counted(over, 'shipment')} {plural(over, 'costs', 'cost')} more than the limit of "
            f"{Money.from_cents(limits.per_shipment_cents, limits.currency)} per shipment; the "
            f"most expensive costs {Money.from_cents(most, limits.currency)}. Nothing was bought.",
            fix=f'Skip them, session.skip("cost_cents > {limits.per_shipment_cents}"), or raise '
            "per_shipment.",
        )


def require_limits(limits: SpendLimits, *, live: bool) -> None:
    """Raise LimitsRequired for AUTO on a live carrier without a total limit.

    Only a total bounds the damage: with a limit per shipment alone, the wrong file of 100,000 rows
    still buys 100,000 labels.
    """
    if live and limits.total is None:
        raise LimitsRequired(
            "AUTO on a live carrier needs a total limit: it spends real money without asking.",
            fix='Set one: BatchSession(..., limits=sk.SpendLimits(total="500")).',
        )


def _fresh(record: PreviewRecord, now: dt.datetime) -> None:
    if now >= record.expires_at:
        raise PreviewExpired(
            f"Preview {record.preview_id} expired at {record.expires_at:%Y-%m-%d %H:%M} UTC: its "
            "prices may have changed. Nothing was bought.",
            fix="Preview again, check the total, and approve the new preview.",
        )


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
