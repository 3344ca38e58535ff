"""Pricing what is left of an interrupted job again, once the quotes it was approved at expired."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.accounts import Accounts
from shipkit.common.words import counted, total_text
from shipkit.errors import (
    ApprovalRequired,
    CarrierUnreachable,
    PlanChanged,
    SpendLimitExceeded,
)
from shipkit.models import Money
from shipkit.plan.offers import quote
from shipkit.plan.outage import unanswered_quotes
from shipkit.plan.preview import cents_by_currency
from shipkit.purchasing.approval import ExecutionMode
from shipkit.purchasing.pickup_book import pickup_costs
from shipkit.purchasing.result import charged
from shipkit.purchasing.store import JobStore
from shipkit.state import JobStatus, RowState

__all__ = ["Rest", "renew", "requote_expired"]


async def requote_expired(
    store: JobStore, accounts: Accounts, *, now: dt.datetime, confirmed: Money | None
) -> None:
    """Price the pending rows again if their quotes expired; raise when they now cost too much.

    Does nothing while the quotes hold, and nothing for a job without pending rows. The new prices
    are compared and not stored: the job keeps the quotes it was approved at, and drift beyond the
    limit is caught again at each charge.

    Parameters
    ----------
    confirmed
        The new total of the pending rows that a person agreed to, if any.

    Raises
    ------
    CarrierUnreachable
        The carrier did not answer for every row. Nothing was bought.
    PlanChanged
        The carrier no longer prices a row, so that no total is that of the rest.
    ApprovalRequired, SpendLimitExceeded
        The rest costs more than was approved or than the limit allows. Nothing was bought.
    """
    expires = store.manifest.facts.get("expires_at")
    if expires is None or now < dt.datetime.fromisoformat(expires):
        return
    results, pickups = store.results(), pickup_costs(store)
    rows = pc.indices_nonzero(pc.equal(results.column("state"), RowState.PENDING.value))
    if not len(rows) or store.status is JobStatus.CANCELLED:
        return
    sellers = store.row_accounts
    own = None if sellers is None else sellers.take(rows)
    quotes = await quote(store.plan.take(rows), own, accounts, store.manifest.shipper)
    if silent := unanswered_quotes(quotes):
        # A total without these rows would look cheaper than what was approved.
        raise CarrierUnreachable(
            f"The quotes have expired, and {counted(len(silent), 'row')} got no new price: "
            f"{quotes.column('problem')[silent[0]].as_py()}",
            fix="Resume again once the carrier answers. Nothing more was bought.",
        )
    before = store.quotes.take(rows)
    lost = pc.and_(
        pc.is_valid(before.column("cost_cents")), pc.is_null(quotes.column("cost_cents"))
    )
    if refused := pc.indices_nonzero(lost).to_pylist():
        raise PlanChanged(
            f"The quotes have expired, and {counted(len(refused), 'row')} can no longer be priced: "
            f"{quotes.column('problem')[refused[0]].as_py()}. Nothing more was bought.",
            fix="Cancel this job, and preview the rest.",
        )
    renew(
        cents_by_currency(before),
        cents_by_currency(quotes),
        mode=ExecutionMode.of(store.manifest.mode),
        limits=store.manifest.limits,
        charged=_charged(results, pickups),
        confirmed=confirmed,
        accounts=None if own is None else _by_account(own, before, quotes, results, pickups),
        most=pc.max(quotes.column("cost_cents")).as_py() or 0,
    )


def _by_account(
    sellers: pa.Array,
    before: pa.Table,
    now: pa.Table,
    results: pa.Table,
    pickups: Sequence[tuple[str, Money]],
) -> dict[str, Rest]:
    made = {}
    for name in pc.unique(sellers).to_pylist():
        own = pc.equal(sellers, name)
        bought = results.filter(pc.equal(results.column("seller"), name))
        made[name] = Rest(
            cents_by_currency(before.filter(own)),
            cents_by_currency(now.filter(own)),
            _charged(bought, [each for each in pickups if each[0] == name]),
        )
    return made


def _charged(results: pa.Table, pickups: Sequence[tuple[str, Money]]) -> dict[str, int]:
    """Return currency -> minor units of what labels and pickups cost so far."""
    found = {name: money.cents for name, money in charged(results).items()}
    for _, price in pickups:
        found[price.currency] = found.get(price.currency, 0) + price.cents
    return found


class Rest(NamedTuple):
    """What one account still has to buy of an interrupted job: currency -> minor units of each."""

    quoted: Mapping[str, int]
    """As approved."""
    now: Mapping[str, int]
    """At today's prices."""
    charged: Mapping[str, int]
    """What the account charged so far."""


def renew(
    quoted: Mapping[str, int],
    now_quoted: Mapping[str, int],
    *,
    mode: ExecutionMode,
    limits: Mapping[str, Any],
    charged: Mapping[str, int],
    confirmed: Money | None,
    accounts: Mapping[str, Rest] | None = None,
    most: int = 0,
) -> None:
    """Check the rest of an interrupted job that was priced again because its quotes expired.

    Parameters
    ----------
    quoted, now_quoted
        Currency -> minor units of the rows that are not bought yet: as approved, and as quoted now.
    mode
        The job's mode.
    limits
        The job's limits, as :meth:`SpendLimits.in_cents` returns them.
    charged
        Currency -> minor units that the job was charged so far.
    confirmed
        The new total of the rest, as a person confirmed it; None when no person was asked.
    accounts
        The same by account, for jobs with several: each was approved with a total of its own.
    most
        The most that one of the rows costs now, in minor units.

    Raises
    ------
    SpendLimitExceeded
        The rest no longer fits in the limits. Confirming does not help.
    ApprovalRequired
        CONFIRM, the price grew by more than the allowed drift, and `confirmed` is another amount.
    """
    rest = {currency: Money.from_cents(cents, currency) for currency, cents in now_quoted.items()}
    limit, currency = limits.get("total_cents"), limits.get("currency", "USD")
    if limit is not None and charged.get(currency, 0) + now_quoted.get(currency, 0) > limit:
        raise SpendLimitExceeded(
            f"The quotes expired. At today's prices the rest costs {total_text(rest)}, which "
            f"exceeds the limit of {Money.from_cents(limit, currency)}. Nothing more was bought.",
            fix="Cancel this job and preview the rest with a higher limit.",
        )
    parts = accounts or {"": Rest(quoted, now_quoted, charged)}
    for name, own in (limits.get("per_account_cents") or {}).items():
        part = parts.get(name if accounts else "")
        if part and part.charged.get(currency, 0) + part.now.get(currency, 0) > own:
            raise SpendLimitExceeded(
                f"The quotes expired. At today's prices the rest at {name} costs "
                f"{Money.from_cents(part.now.get(currency, 0), currency)}, which exceeds the limit "
                f"of {Money.from_cents(own, currency)}. Nothing more was bought.",
                fix="Cancel this job and preview the rest with a higher limit.",
            )
    each = limits.get("per_shipment_cents")
    if each is not None and most > each:
        raise SpendLimitExceeded(
            f"The quotes expired. At today's prices a shipment costs "
            f"{Money.from_cents(most, currency)}, which exceeds the limit of "
            f"{Money.from_cents(each, currency)} per shipment. Nothing more was bought.",
            fix="Cancel this job and preview the rest.",
        )
    drift = 1 + Decimal(str(limits.get("price_drift") or 0))
    grown = any(
        cents > part.quoted.get(name, 0) * drift
        for part in parts.values()
        for name, cents in part.now.items()
    )
    # A person confirms an amount, not "yes": if prices change again, the amount no longer matches.
    agreed = confirmed is not None and rest == {confirmed.currency: confirmed}
    if mode is ExecutionMode.CONFIRM and grown and not agreed:
        was = total_text({name: Money.from_cents(cents, name) for name, cents in quoted.items()})
        raise ApprovalRequired(
            f"The quotes expired. The rest of the job now costs {total_text(rest)}; {was} was "
            "approved. Nothing more was bought.",
            fix="To buy it at the new price: "
            f'session.resume(confirm_total="{next(iter(rest.values())).amount}").',
            total={n: str(m.amount) for n, m in rest.items()},
        )
