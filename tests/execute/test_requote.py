"""What is left of a job is priced again once its quotes expired, and compared with what holds."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence

import pyarrow as pa
import pytest
from corekit import SANDBOX, BookCarrier, draft_of, quotes_of

from shipkit.carriers.accounts import Account, Accounts
from shipkit.carriers.after_purchase import PickupOffer
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import CarrierIdentity
from shipkit.errors import (
    ApprovalRequired,
    CarrierUnreachable,
    PlanChanged,
    SpendLimitExceeded,
)
from shipkit.models import Money
from shipkit.purchasing import recovery
from shipkit.purchasing.pickup_book import ASKED, PickupEntry
from shipkit.purchasing.requote import requote_expired
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.purchasing.store.manifest import JobAccount
from shipkit.schema import UNANSWERED

EXPIRES = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


class PricedToday(BookCarrier):
    """Prices each order at what the test says, and notes which it was asked about."""

    def __init__(self, path, today: Sequence[int | str | None] = (), account="ACCT0042") -> None:
        super().__init__(path)
        self.identity = CarrierIdentity("books", "sandbox", account)
        self.today = today
        self.asked: list[str] = []

    async def quote_table(self, table, shipper, pacer=None):
        self.asked += table.column("order_id").to_pylist()
        cents = [self.today[int(order[1:])] for order in table.column("order_id").to_pylist()]
        priced = [one if isinstance(one, int) else None for one in cents]
        quotes = quotes_of(len(cents))
        for name, values, kind in (
            ("cost_cents", priced, pa.int64()),
            ("currency", ["USD" if one is not None else None for one in priced], pa.string()),
            ("cost_basis", [UNANSWERED if one == "silent" else "quoted" for one in cents], None),
            ("problem", [None if isinstance(one, int) else "no price" for one in cents], None),
        ):
            place = quotes.schema.get_field_index(name)
            field = quotes.schema.field(place)
            quotes = quotes.set_column(place, field, pa.array(values, kind or field.type))
        return quotes


def quoted(*cents: int | None) -> pa.Table:
    quotes = quotes_of(len(cents))
    place = quotes.schema.get_field_index("cost_cents")
    return quotes.set_column(place, quotes.schema.field(place), pa.array(cents, pa.int64()))


def job_of(home, was, *, mode="auto", bought=(), accounts=None, sellers=None, **limits) -> JobStore:
    """Return a job quoted at `was`, of whose rows the first cost what is in `bought`."""
    made = [] if accounts is None else [*accounts]
    draft = draft_of(
        len(was),
        quotes=quoted(*was),
        mode=mode,
        limits=limits,
        identity=SANDBOX if accounts is None else accounts.identity,
        facts={"expires_at": EXPIRES.isoformat()},
        accounts=tuple(JobAccount.of(one.name, one.carrier.identity, "ask") for one in made),
        row_accounts=None if sellers is None else pa.array(sellers),
    )
    job = JobStore.publish(home, draft)
    with job.own() as ledger:
        for row, cents in enumerate(bought):
            sold = {"attempt": 1, "charged_cents": cents, "currency": "USD"}
            ledger.record_now([LedgerEntry(row, "intent", "in_flight", attempt=1)])
            ledger.record_now(
                [LedgerEntry(row, "result", "shipped", tracking_numbers=[f"1Z{row}"], **sold)]
            )
    return job


def book_pickup(job: JobStore, cents: int, account: str = "") -> None:
    """Note a pickup that was asked for, and may be booked."""
    entry = PickupEntry(
        reference="P" * 20,
        account=account,
        carrier="books",
        day=EXPIRES.date(),
        ready=dt.time(9),
        close=dt.time(17),
        place="dock",
        instructions="",
        rows=(0,),
        offer=PickupOffer(Money.from_cents(cents), "offer-1", ()),
    )
    with job.own("pickup") as ledger:
        ledger.record_now([LedgerEntry(None, ASKED, None, details=entry.to_json())])


def renew(job, carrier, *, now=EXPIRES, confirmed=None) -> None:
    accounts = carrier if isinstance(carrier, Accounts) else Accounts.of(carrier)
    asyncio.run(requote_expired(job, accounts, now=now, confirmed=confirmed))


def test_quotes_hold_until_they_expire_and_not_a_moment_longer(home, tmp_path):
    carrier = PricedToday(tmp_path / "books.db", [900])
    job = job_of(home, [850], mode="confirm")
    renew(job, carrier, now=EXPIRES - dt.timedelta(microseconds=1))
    assert carrier.asked == []
    with pytest.raises(ApprovalRequired, match=r"now costs \$9\.00; \$8\.50 was approved"):
        renew(job, carrier)


def test_only_what_is_not_bought_yet_is_priced_and_compared(home, tmp_path):
    """The first row cost more than it was quoted, which the approval of the rest has no part in."""
    carrier = PricedToday(tmp_path / "books.db", [9999, 850, 850])
    job = job_of(home, [850, 850, 850], mode="confirm", bought=[900])
    renew(job, carrier)
    assert carrier.asked == ["A0000001", "A0000002"]


def test_a_cancelled_job_is_not_priced_again(home, tmp_path):
    carrier = PricedToday(tmp_path / "books.db", [9999])
    job = job_of(home, [850], mode="confirm")
    recovery.cancel(job)
    renew(job, carrier)
    assert carrier.asked == []


def test_a_rest_with_a_row_that_got_no_answer_has_no_total(home, tmp_path):
    """Without that row, the rest would look cheaper than what was approved."""
    carrier = PricedToday(tmp_path / "books.db", [850, "silent"])
    with pytest.raises(CarrierUnreachable, match="1 row got no new price: no price"):
        renew(job_of(home, [850, 850], mode="confirm"), carrier)


def test_a_rest_with_a_row_that_has_no_price_any_more_has_no_total(home, tmp_path):
    carrier = PricedToday(tmp_path / "books.db", [850, None])
    with pytest.raises(PlanChanged, match="1 row can no longer be priced: no price"):
        renew(job_of(home, [850, 850], mode="auto"), carrier)


@pytest.mark.parametrize(("limit", "refused"), [(2600, False), (2599, True)])
def test_what_was_charged_and_the_rest_fit_the_limit_together(home, tmp_path, limit, refused):
    carrier = PricedToday(tmp_path / "books.db", [0, 850, 850])
    job = job_of(home, [800, 850, 850], bought=[900], total_cents=limit, currency="USD")
    if refused:
        with pytest.raises(SpendLimitExceeded, match=r"the rest costs \$17\.00"):
            renew(job, carrier)
    else:
        renew(job, carrier)


@pytest.mark.parametrize(("limit", "refused"), [(2100, False), (2099, True)])
def test_pickups_count_towards_the_limit_of_the_rest(home, tmp_path, limit, refused):
    carrier = PricedToday(tmp_path / "books.db", [0, 850])
    job = job_of(home, [850, 850], bought=[850], total_cents=limit, currency="USD")
    book_pickup(job, 400)
    if refused:
        with pytest.raises(SpendLimitExceeded):
            renew(job, carrier)
    else:
        renew(job, carrier)


@pytest.mark.parametrize(("limit", "refused"), [(900, False), (899, True)])
def test_the_most_expensive_row_keeps_the_limit_of_a_shipment(home, tmp_path, limit, refused):
    carrier = PricedToday(tmp_path / "books.db", [700, 900, 800])
    job = job_of(home, [850, 850, 850], per_shipment_cents=limit, currency="USD")
    if refused:
        with pytest.raises(SpendLimitExceeded, match=r"a shipment costs \$9\.00"):
            renew(job, carrier)
    else:
        renew(job, carrier)


def test_the_allowed_drift_is_exact(home, tmp_path):
    """As a float, 15 % of $10.00 is a fraction of a cent less than $1.50."""
    carrier = PricedToday(tmp_path / "books.db", [1150])
    renew(job_of(home, [1000], mode="confirm", price_drift=0.15), carrier)
    carrier.today = [1151]
    with pytest.raises(ApprovalRequired):
        renew(job_of(home, [1000], mode="confirm", price_drift=0.15), carrier)


def test_a_person_confirms_the_new_total_and_no_other(home, tmp_path):
    carrier = PricedToday(tmp_path / "books.db", [900, 900])
    job = job_of(home, [850, 850], mode="confirm")
    renew(job, carrier, confirmed=Money.of("18.00"))
    with pytest.raises(ApprovalRequired):
        renew(job, carrier, confirmed=Money.of("18.01"))


# -- several accounts ------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path):
    """East sells the even rows, west the odd ones."""
    east = PricedToday(tmp_path / "east.db", account="EAST0001")
    west = PricedToday(tmp_path / "west.db", account="WEST0002")
    pace = {"concurrency": 2}
    return Accounts([Account("east", east, Pacer(**pace)), Account("west", west, Pacer(**pace))]), (
        east,
        west,
    )


SELLERS = ["east", "west", "east", "west"]


def test_each_row_that_is_left_is_priced_by_its_own_account(home, two):
    accounts, (east, west) = two
    east.today = west.today = [850] * 4
    renew(job_of(home, [850] * 4, accounts=accounts, sellers=SELLERS, bought=[850]), accounts)
    assert (east.asked, west.asked) == (["A0000002"], ["A0000001", "A0000003"])


@pytest.mark.parametrize(("limit", "refused"), [(1750, False), (1749, True)])
def test_what_an_account_charged_and_its_rest_fit_its_limit(home, two, limit, refused):
    """The first row was east's, and counts for east alone."""
    accounts, (east, west) = two
    east.today = west.today = [0, 850, 850, 850]
    fields = {"accounts": accounts, "sellers": SELLERS, "bought": [900], "currency": "USD"}
    job = job_of(home, [850] * 4, **fields, per_account_cents={"east": limit, "west": 1700})
    if refused:
        with pytest.raises(SpendLimitExceeded, match="the rest at east"):
            renew(job, accounts)
    else:
        renew(job, accounts)


@pytest.mark.parametrize(("limit", "refused"), [(2100, False), (2099, True)])
def test_a_pickup_counts_for_the_account_that_it_is_of(home, two, limit, refused):
    accounts, (east, west) = two
    east.today = west.today = [850] * 4
    fields = {"accounts": accounts, "sellers": SELLERS, "currency": "USD"}
    job = job_of(home, [850] * 4, **fields, per_account_cents={"east": 1700, "west": limit})
    book_pickup(job, 400, "west")
    if refused:
        with pytest.raises(SpendLimitExceeded, match="the rest at west"):
            renew(job, accounts)
    else:
        renew(job, accounts)


def test_a_rest_that_grew_at_one_account_is_approved_again(home, two):
    """That another account became cheaper by as much was not approved."""
    accounts, (east, west) = two
    east.today, west.today = [900] * 4, [800] * 4
    with pytest.raises(ApprovalRequired):
        renew(job_of(home, [850] * 4, mode="confirm", accounts=accounts, sellers=SELLERS), accounts)
