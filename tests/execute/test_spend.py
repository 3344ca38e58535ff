"""What a job may still spend: reserved before a row is sent, released when nothing was bought."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pytest
from corekit import QUOTE, BookCarrier, job_of, lose_first, quotes_of, state_counts

from shipkit.carriers.after_purchase import BookedPickup, PickupOffer
from shipkit.carriers.pace import Pacer
from shipkit.errors import AnswerLost, CarrierRejected, CarrierUnreachable
from shipkit.models import Money, Refund
from shipkit.purchasing import recovery
from shipkit.purchasing.pickup_book import (
    ASKED,
    BOOKED,
    CANCEL_ASKED,
    CANCEL_REFUSED,
    CANCELED,
    REFUSED,
    PickupEntry,
    booking_json,
    pickup_costs,
)
from shipkit.purchasing.run import Control, execute
from shipkit.purchasing.spend import Spend
from shipkit.purchasing.store.entries import LedgerEntry, with_refund
from shipkit.state import JobStatus, RowState

WAYS = {
    "pending": [],
    "in_flight": ["in_flight"],
    "shipped": ["in_flight", "shipped"],
    "failed": ["in_flight", "failed"],
    "in_doubt": ["in_flight", "in_doubt"],
    "review": ["in_flight", "in_doubt", "review"],
    "voided": ["in_flight", "shipped", "voided"],
    "skipped": ["skipped"],
}
"""How a row comes into each state."""


@contextmanager
def spend_of(
    home,
    quoted: list[int],
    *,
    came=(),
    charged=None,
    currencies=None,
    accounts=None,
    names=(),
    pickups=(),
    **limits,
) -> Iterator[Spend]:
    """Return the spend of a job whose first rows came into the states `came`."""
    job = job_of(home, len(quoted))
    with job.own() as ledger:
        for row, state in enumerate(came):
            for step in WAYS[state]:
                cents = charged if step in ("shipped", "voided") else None
                ledger.record_now([LedgerEntry(row, "test", step, attempt=1, charged_cents=cents)])
    with job.own() as ledger:  # as a resume reads it
        yield Spend(
            ledger,
            np.array(quoted),
            pa.array(currencies or ["USD"] * len(quoted), pa.string()),
            limits,
            accounts=None if accounts is None else np.array(accounts, np.int64),
            names=names,
            pickups=pickups,
        )


# -- prices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quoted", "drift", "reserved"),
    [
        (999, 0.05, 1049),  # 1048.95: a fraction of a cent is a whole one
        (1000, 0.1, 1100),  # not 1100.0000000000002 rounded up, as with floats
        (1000, 0.0, 1000),
        (1, 0.001, 2),
        (1000, None, 1000),
    ],
)
def test_what_is_reserved_is_the_quote_with_its_drift_rounded_up(home, quoted, drift, reserved):
    with spend_of(home, [quoted], price_drift=drift) as spend:
        assert spend.price(0) == reserved
        spend.reserve(0)
        assert spend.reserved == reserved


@pytest.mark.parametrize(
    ("quoted", "drift", "billed", "stops"),
    [
        (999, 0.05, 1049, False),
        (999, 0.05, 1050, True),
        (1000, 0.1, 1100, False),
        (1000, 0.1, 1101, True),
        (1000, 0.0, 1000, False),
        (1000, 0.0, 1001, True),
        (1000, None, 99_999, False),
        (1000, 0.05, 1, False),
    ],
)
def test_a_bill_may_be_above_its_quote_by_the_drift_and_not_by_a_cent_more(
    home, quoted, drift, billed, stops
):
    with spend_of(home, [quoted], price_drift=drift) as spend:
        assert (spend.drifted(0, billed) is not None) is stops


def test_a_bill_that_stops_the_job_is_explained_with_both_amounts(home):
    with spend_of(home, [1000], price_drift=0.05) as spend:
        assert spend.drifted(0, 1100) == (
            "a shipment quoted at $10.00 was billed $11.00, more than the allowed drift of 5%"
        )


# -- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "refused"), [(2000, False), (1999, True)])
def test_the_total_may_be_spent_to_the_last_cent(home, limit, refused):
    with spend_of(home, [1000, 1000], total_cents=limit) as spend:
        spend.reserve(0)
        assert (spend.refusal(1) is not None) is refused


@pytest.mark.parametrize(("limit", "refused"), [(1000, False), (999, True)])
def test_a_shipment_may_cost_its_limit_and_no_more(home, limit, refused):
    with spend_of(home, [1000], per_shipment_cents=limit) as spend:
        assert (spend.refusal(0) is not None) is refused


def test_a_row_with_a_currency_has_a_quote_and_one_without_has_none(home):
    with spend_of(home, [0, 0], currencies=["USD", None]) as spend:
        assert [spend.has_quote(row) for row in (0, 1)] == [True, False]


# -- accounts and pickups --------------------------------------------------------------------------

TWO = {"accounts": [0, 1, 1], "names": ["east", "west"]}


def test_each_account_has_a_limit_of_its_own(home):
    limits = {"east": 1000, "west": 2000}
    with spend_of(home, [1000, 1000, 1000], **TWO, per_account_cents=limits) as spend:
        spend.reserve(1)
        assert [spend.account_refusal(row) for row in range(3)] == [None, None, None]
        spend.reserve(2)
        assert spend.account_refusal(0) is None
        assert "limit of $20.00 for this account" in spend.account_refusal(1)


def test_an_account_without_a_limit_is_not_limited_by_that_of_another(home):
    with spend_of(home, [1000, 9000, 9000], **TWO, per_account_cents={"east": 500}) as spend:
        assert "limit of $5.00 for this account" in spend.account_refusal(0)
        assert spend.account_refusal(1) is None


def test_a_limit_for_the_one_account_of_a_batch_holds(home):
    with spend_of(home, [1000, 1000], per_account_cents={"ups": 1500}) as spend:
        spend.reserve(0)
        assert "limit of $15.00 for this account" in spend.account_refusal(1)


@pytest.mark.parametrize("state", ["in_flight", "in_doubt", "review", "shipped"])
def test_after_a_resume_each_account_counts_what_it_bought_or_may_have(home, state):
    limits = {"east": 1999, "west": 1999}
    given = {"came": [state], "charged": 1000, **TWO, "per_account_cents": limits}
    with spend_of(home, [1000, 1000, 1000], **given) as spend:
        assert "$10.00 is already spent or reserved" in spend.account_refusal(0)
        assert spend.account_refusal(1) is None


def test_a_charge_replaces_what_was_reserved_with_its_account(home):
    with spend_of(home, [1000] * 3, **TWO, per_account_cents={"west": 1700}) as spend:
        spend.reserve(1)
        assert spend.account_refusal(2) is not None
        spend.charge(1, 700)
        assert spend.account_refusal(2) is None


def test_a_released_row_leaves_its_money_to_its_account(home):
    with spend_of(home, [1000] * 3, **TWO, per_account_cents={"west": 1000}) as spend:
        spend.reserve(1)
        assert spend.account_refusal(2) is not None
        spend.release(1)
        assert spend.account_refusal(2) is None


@pytest.mark.parametrize("came", [[], ["shipped"], ["in_doubt"]])
def test_what_is_priced_in_another_currency_does_not_count_for_an_account(home, came):
    given = {"came": came, "charged": 900, "currencies": ["EUR", "USD"], "accounts": [0, 0]}
    limits = {"per_account_cents": {"east": 1000}}
    with spend_of(home, [900, 1000], **given, names=["east"], **limits) as spend:
        if not came:
            spend.reserve(0)
        assert "in USD and a shipment is priced in EUR" in spend.account_refusal(0)
        assert spend.account_refusal(1) is None


def usd(cents):
    return Money.from_cents(cents, "USD")


@pytest.mark.parametrize(("limit", "refused"), [(1500, False), (1499, True)])
def test_pickups_count_towards_the_limit_of_shipments(home, limit, refused):
    with spend_of(home, [1000], pickups=[("", usd(500))], total_cents=limit) as spend:
        assert (spend.refusal(0) is not None) is refused


@pytest.mark.parametrize(("limit", "refused"), [(1500, False), (1499, True)])
def test_pickups_count_towards_the_limit_of_their_account(home, limit, refused):
    given = {"pickups": [("west", usd(500))], **TWO, "per_account_cents": {"west": limit}}
    with spend_of(home, [1000, 1000, 1000], **given) as spend:
        assert (spend.account_refusal(1) is not None) is refused
        assert (spend.pickup_refusal(usd(1000), "west") is not None) is refused
        assert spend.pickup_refusal(usd(1000), "east") is None


def test_a_pickup_in_another_currency_is_not_counted_and_not_bought(home):
    euros = Money.from_cents(500, "EUR")
    with spend_of(home, [1000], pickups=[("", euros)], total_cents=1000) as spend:
        assert spend.refusal(0) is None
        assert "in USD and the pickup costs" in spend.pickup_refusal(euros, "")


def test_a_pickup_without_limits_is_bought(home):
    with spend_of(home, [1000]) as spend:
        assert spend.pickup_refusal(usd(99_999), "") is None


@pytest.mark.parametrize(
    ("events", "costs"),
    [
        ([ASKED], [usd(500)]),  # it may be booked
        ([ASKED, BOOKED], [Money.from_cents(625, "CAD")]),
        ([ASKED, REFUSED], []),
        ([ASKED, BOOKED, CANCEL_ASKED], [Money.from_cents(625, "CAD")]),
        ([ASKED, BOOKED, CANCEL_REFUSED], [Money.from_cents(625, "CAD")]),
        ([ASKED, BOOKED, CANCELED], []),
    ],
)
def test_a_pickup_costs_its_price_while_the_driver_may_come(home, events, costs):
    offer = PickupOffer(usd(500), "offer-1", ())
    day, hours = dt.date(2026, 11, 2), (dt.time(9), dt.time(17))
    asked = PickupEntry("P", "west", "books", day, *hours, "dock", "", (0,), offer)
    booked = booking_json("P", BookedPickup("PU-1", Money.from_cents(625, "CAD")))
    job = job_of(home, 1)
    with job.own() as ledger:
        for event in events:
            details = {ASKED: asked.to_json(), BOOKED: booked}.get(event, '{"reference": "P"}')
            ledger.record_now([LedgerEntry(None, event, None, details=details)])
    assert pickup_costs(job) == [("west", cost) for cost in costs]


@pytest.mark.parametrize(("price", "refused"), [(500, False), (501, True)])
def test_a_pickup_may_cost_what_the_shipments_leave(home, price, refused):
    with spend_of(home, [1000], came=["in_flight"], total_cents=1500) as spend:
        assert (spend.pickup_refusal(usd(price), "") is not None) is refused


def test_the_drift_counts_towards_both_limits(home):
    with spend_of(home, [1000], per_shipment_cents=1049, price_drift=0.05) as spend:
        assert "$10.50 exceeds the limit of $10.49" in spend.refusal(0)
    with spend_of(home, [1000, 1001], total_cents=2101, price_drift=0.05) as spend:
        spend.reserve(0)
        assert "$10.52" in spend.refusal(1)


def test_the_number_of_shipments_may_be_reached_and_not_passed(home):
    with spend_of(home, [1000] * 3, max_shipments=2) as spend:
        for row in (0, 1):
            assert spend.refusal(row) is None
            spend.reserve(row)
        assert spend.refusal(2) == "the limit of 2 shipments is reached"


@pytest.mark.parametrize("limit", ["total_cents", "per_shipment_cents"])
def test_a_price_in_another_currency_than_the_limit_is_refused(home, limit):
    with spend_of(home, [1, 1], currencies=["USD", "CAD"], **{limit: 10_000}) as spend:
        assert spend.refusal(0) is None
        assert "the spend limits are in USD" in spend.refusal(1)
        assert "CAD" in spend.refusal(1)


def test_a_row_without_a_currency_is_refused_when_there_are_limits(home):
    with spend_of(home, [1], currencies=[None], total_cents=10_000) as spend:
        assert spend.refusal(0) is not None


def test_currencies_do_not_matter_to_a_limit_on_the_number(home):
    with spend_of(home, [1, 1], currencies=["CAD", None], max_shipments=5) as spend:
        assert spend.refusal(0) is spend.refusal(1) is None


def test_limits_in_another_currency_hold_for_prices_in_it(home):
    with spend_of(home, [900], currencies=["CAD"], currency="CAD", total_cents=899) as spend:
        assert "9.00 CAD" in spend.refusal(0)
        assert spend.currency(0) == spend.main_currency == "CAD"


def test_the_currency_shown_is_that_of_the_first_priced_row(home):
    with spend_of(home, [0, 5], currencies=[None, "EUR"]) as spend:
        assert (spend.main_currency, spend.currency(0)) == ("EUR", "USD")
    with spend_of(home, [0, 0, 0], currencies=[None] * 3) as spend:
        assert spend.main_currency == "USD"


# -- reserving, releasing, charging ----------------------------------------------------------------


def test_a_released_row_leaves_its_money_and_its_place_to_the_next(home):
    with spend_of(home, [1000, 700], total_cents=1000, max_shipments=1) as spend:
        spend.reserve(0)
        assert spend.refusal(1) is not None
        spend.release(0)
        assert (spend.reserved, spend.bought, spend.spent) == (0, 0, 0)
        assert spend.refusal(1) is None


def test_a_charge_replaces_what_was_reserved_and_keeps_its_place(home):
    with spend_of(home, [1000, 1000], total_cents=1900, price_drift=0.1, max_shipments=2) as spend:
        spend.reserve(0)
        spend.charge(0, 800)
        assert (spend.reserved, spend.spent, spend.bought) == (0, 800, 1)
        assert spend.refusal(1) is None
        spend.reserve(1)
        spend.charge(1, 1100)
        assert (spend.reserved, spend.spent, spend.bought) == (0, 1900, 2)


def test_a_voided_row_whose_money_is_not_back_is_spent_and_leaves_its_place(home):
    limits = {"total_cents": 2000, "max_shipments": 1}
    with spend_of(home, [1000, 1000], **limits) as spend:
        spend.reserve(0)
        assert "limit of 1 shipments" in spend.refusal(1)
        spend.owe(0, 1001)
        assert (spend.reserved, spend.spent, spend.bought) == (0, 1001, 0)
        assert "would exceed the limit of $20.00" in spend.refusal(1)


@pytest.mark.parametrize(
    ("state", "reserved", "spent", "bought"),
    [
        ("pending", 0, 0, 0),
        ("in_flight", 1050, 0, 1),
        ("in_doubt", 1050, 0, 1),
        ("review", 1050, 0, 1),
        ("shipped", 0, 930, 1),
        ("failed", 0, 0, 0),
        ("voided", 0, 0, 0),
        ("skipped", 0, 0, 0),
    ],
)
def test_a_resume_counts_what_was_and_what_may_have_been_bought(
    home, state, reserved, spent, bought
):
    with spend_of(home, [1000, 5000], came=[state], charged=930, price_drift=0.05) as spend:
        assert (spend.reserved, spend.spent, spend.bought) == (reserved, spent, bought)


@pytest.mark.parametrize(
    ("refund", "spent"), [(None, 0), ("refunded", 0), ("submitted", 930), ("rejected", 930)]
)
def test_a_voided_row_is_spent_until_its_money_is_back(home, refund, spent):
    details = with_refund(None, Refund(refund) if refund else None)
    job = job_of(home, 2)
    steps = [("in_flight", None, None), ("shipped", 930, None), ("voided", 930, details)]
    with job.own() as ledger:
        for state, cents, text in steps:
            entry = LedgerEntry(0, "test", state, attempt=1, charged_cents=cents, details=text)
            ledger.record_now([entry])
        assert ledger.charged[0] == spent
    with job.own() as ledger:
        money = Spend(ledger, np.array([900, 900]), pa.array(["USD"] * 2), {"total_cents": 1500})
        assert (money.spent, money.bought) == (spent, 0)
        assert (money.refusal(1) is None) == (spent == 0)


def test_amounts_in_two_currencies_are_never_one_sum(home):
    money = {"currencies": ["USD", "CAD", None], "came": ["shipped"] * 2, "charged": 930}
    with spend_of(home, [1000, 900, 0], **money, total_cents=2000) as spend:
        assert dict(spend.spent_in) == {"USD": 930, "CAD": 930}
        with pytest.raises(ValueError, match="amounts in CAD and USD have no sum"):
            _ = spend.spent
        assert spend.refusal(0) is None, "930 and 1000 of 2000: dollars of Canada are not in it"
        spend.reserve(1)
        assert (spend.reserved, dict(+spend.reserved_in)) == (900, {"CAD": 900})
        assert spend.refusal(0) is None
        spend.charge(1, 800)
        assert (spend.reserved, spend.spent_in["CAD"]) == (0, 1730)


# -- in a run --------------------------------------------------------------------------------------


def buy(job, carrier, **options):
    options.setdefault("pacer", Pacer(concurrency=1))
    return asyncio.run(execute(job, carrier, grace_s=0.1, **options))


@pytest.fixture
def carrier(tmp_path):
    return BookCarrier(tmp_path / "books.db")


LIMITS = {
    "money": lambda count: {"total_cents": count * QUOTE},
    "number": lambda count: {"max_shipments": count},
}


@pytest.fixture(params=LIMITS)
def limited_to(request):
    """Limits that allow so many shipments."""
    return LIMITS[request.param]


def test_a_failed_row_leaves_its_place_in_the_limit_to_the_next(home, carrier, limited_to):
    async def refuse_the_first(carrier, shipment, reference):
        if shipment.order_id == "A0000000":
            raise CarrierRejected("The address is unknown.")

    carrier.hook, job = refuse_the_first, job_of(home, 3, limits=limited_to(2))
    assert buy(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    assert state_counts(job) == {"shipped": 2, "failed": 1}


def test_a_row_that_was_not_sent_is_reserved_once_however_often_it_is_tried(
    home, carrier, limited_to
):
    tries = []

    async def unreachable_three_times(carrier, shipment, reference):
        tries.append(reference)
        if len(tries) <= 3:
            raise CarrierUnreachable("connection refused")

    carrier.hook, job = unreachable_three_times, job_of(home, 1, limits=limited_to(1))
    pacer = Pacer(concurrency=1, down_after_s=60, breaker_after=10)
    assert buy(job, carrier, pacer=pacer) is JobStatus.COMPLETED
    assert len(tries) == 4


def test_a_row_that_was_proven_absent_is_reserved_once(home, carrier, limited_to):
    carrier.hook = lose_first(2, after_sale=False)
    job = job_of(home, 1, limits=limited_to(1))
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert len(carrier.calls) == 3


def test_an_adopted_row_is_spent(home, carrier, limited_to):
    carrier.hook, job = lose_first(1), job_of(home, 3, limits=limited_to(2))
    assert buy(job, carrier) is JobStatus.PAUSED
    assert state_counts(job) == {"shipped": 2, "pending": 1}
    assert sum(carrier.sales().values()) == 2


def test_a_row_that_was_voided_at_the_carrier_leaves_its_place_to_the_next(
    home, carrier, limited_to
):
    async def void_the_first(carrier, shipment, reference):
        if shipment.order_id == "A0000000":
            await carrier.void(carrier.sell(shipment, reference))
            raise AnswerLost("reset")

    carrier.hook, job = void_the_first, job_of(home, 2, limits=limited_to(1))
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert state_counts(job) == {"shipped": 1, "voided": 1}


def test_after_a_resume_the_limit_counts_what_was_charged_before(home, carrier):
    """The limit is the job's, not the run's; and charges count, not quotes."""
    carrier.cents, control = QUOTE + 100, Control()

    async def pause_after_two(carrier, shipment, reference):
        if len(carrier.calls) == 2:
            await asyncio.to_thread(control.pause)

    carrier.hook = pause_after_two
    job = job_of(home, 6, limits={"total_cents": 2 * (QUOTE + 100) + 2 * QUOTE + 99})
    assert buy(job, carrier, control=control) is JobStatus.PAUSED
    assert state_counts(job) == {"shipped": 2, "pending": 4}
    carrier.hook, carrier.cents = None, QUOTE
    assert buy(job, carrier) is JobStatus.PAUSED
    assert state_counts(job) == {"shipped": 4, "pending": 2}
    assert "would exceed the limit" in job.reason


@pytest.mark.parametrize("resend", ["ask", "proven"])
def test_after_a_resume_rows_in_doubt_still_count(home, carrier, resend, limited_to):
    async def unanswered(carrier, shipment, reference):
        raise AnswerLost("reset")

    async def out_of_order(reference, label, shipment=None):
        raise CarrierUnreachable("connection refused")

    find, carrier.hook, carrier.find = carrier.find, unanswered, out_of_order
    job = job_of(home, 4, limits=limited_to(2), resend=resend)
    pacer = Pacer(concurrency=1, breaker_after=2)
    assert buy(job, carrier, pacer=pacer) is JobStatus.PAUSED
    assert state_counts(job) == {"in_doubt": 2, "pending": 2}
    carrier.hook, carrier.find = None, find
    buy(job, carrier)
    bought = {"ask": {"review": 2, "pending": 2}, "proven": {"shipped": 2, "pending": 2}}
    assert state_counts(job) == bought[resend]


def test_after_a_resume_voided_rows_do_not_count(home, carrier, limited_to):
    job = job_of(home, 2, limits=limited_to(1))
    buy(job, carrier)
    asyncio.run(recovery.void_rows(job, carrier, [0]))
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert state_counts(job) == {"shipped": 1, "voided": 1}


def test_rows_are_limited_by_their_own_quotes(home, carrier):
    quotes = quotes_of(3)
    at = quotes.schema.get_field_index("cost_cents")
    quotes = quotes.set_column(at, quotes.schema.field(at), pa.array([100, 5000, 100]))
    job = job_of(home, 3, quotes=quotes, limits={"per_shipment_cents": 1000})
    assert buy(job, carrier) is JobStatus.PAUSED
    assert state_counts(job) == {"shipped": 1, "pending": 2}
    assert "$50.00 exceeds the limit of $10.00 per shipment" in job.reason
    assert job.counts()[RowState.SHIPPED] == len(carrier.calls)
