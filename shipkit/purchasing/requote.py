"""Pricing what is left of an interrupted job again, once the quotes it was approved at expired."""

from __future__ import annotations

import datetime as dt

import pyarrow.compute as pc

from shipkit.carriers.accounts import Accounts
from shipkit.common.words import counted
from shipkit.errors import CarrierUnreachable
from shipkit.models import Money
from shipkit.plan.offers import quote
from shipkit.plan.outage import unanswered_quotes
from shipkit.plan.preview import cents_by_currency
from shipkit.purchasing.approval import ExecutionMode, renew
from shipkit.purchasing.result import charged
from shipkit.purchasing.store import JobStore
from shipkit.state import JobStatus, RowState

__all__ = ["requote_expired"]


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
    ApprovalRequired, SpendLimitExceeded
        The rest costs more than was approved or than the limit allows. Nothing was bought.
    """
    expires = store.manifest.facts.get("expires_at")
    if expires is None or now < dt.datetime.fromisoformat(expires):
        return
    results = store.results()
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
    renew(
        cents_by_currency(store.quotes.take(rows)),
        cents_by_currency(quotes),
        mode=ExecutionMode.of(store.manifest.mode),
        limits=store.manifest.limits,
        charged={name: money.cents for name, money in charged(results).items()},
        confirmed=confirmed,
    )
