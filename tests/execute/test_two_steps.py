"""Carriers that sell in two steps: the free one gives an id, which settles every lost answer."""

from __future__ import annotations

import asyncio
from collections import Counter

import pyarrow.compute as pc
import pytest
from corekit import QUOTE, TwoStepCarrier, ask_after, job_of, lose_first, quotes_of, state_counts

from shipkit.carriers.pace import Pacer
from shipkit.errors import AnswerLost, CarrierRejected, CarrierUnreachable, RateLimited
from shipkit.purchasing.late_shipments import surplus
from shipkit.purchasing.recovery import decide, void_rows
from shipkit.purchasing.run import Control, execute, look_again
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.state import JobStatus

ROWS = 5


@pytest.fixture
def books(tmp_path):
    return tmp_path / "books.db"


def run(job, carrier, **options):
    options = {"grace_s": 0.05, "pacer": Pacer(concurrency=4)} | options
    return asyncio.run(execute(job, carrier, **options))


def story(job, row=0):
    table = job.chain().table
    return table.filter(pc.equal(table.column("row"), row)).column("event").to_pylist()


def raises(*errors):
    """Raise each of `errors` once for each order, in order."""
    seen = Counter()

    async def hook(carrier, shipment, reference):
        seen[shipment.order_id] += 1
        if seen[shipment.order_id] <= len(errors):
            raise errors[seen[shipment.order_id] - 1]

    return hook


def test_a_purchase_is_an_intent_an_id_and_a_result(home, books):
    job, carrier = job_of(home, ROWS), TwoStepCarrier(books)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert story(job) == ["intent", "prepared", "result"]
    assert len(carrier.prepared) == len(carrier.calls) == ROWS
    assert carrier.prepared == [job.reference(row, 1) for row in range(ROWS)]


def test_the_id_is_durable_before_the_money_step(home, books):
    seen = []

    async def hook(carrier, shipment, draft):
        table = JobStore.open(home, job.job_id).chain().table
        last = {e["row"]: e for e in table.to_pylist() if e["state"] is not None}
        seen.append((last[int(shipment.order_id[1:])]["shipment_id"], draft))

    job = job_of(home, ROWS)
    run(job, TwoStepCarrier(books, hook=hook))
    assert len(seen) == ROWS
    assert all(on_disk == draft for on_disk, draft in seen)


@pytest.mark.parametrize(
    ("errors", "events"),
    [
        ([AnswerLost("503")], ["intent", "not_sent", "intent", "prepared", "result"]),
        (
            [RateLimited("429", retry_after_s=0.01)],
            ["intent", "not_sent", "intent", "prepared", "result"],
        ),
        ([CarrierUnreachable("refused")], ["intent", "not_sent", "intent", "prepared", "result"]),
        ([ValueError("a defect")], ["intent", "not_sent", "intent", "prepared", "result"]),
        ([CarrierRejected("no")], ["intent", "failed"]),
    ],
)
def test_a_first_step_without_an_answer_leaves_nothing_in_doubt(home, books, errors, events):
    job, carrier = job_of(home, 1), TwoStepCarrier(books, before=raises(*errors))
    run(job, carrier)
    assert story(job) == events
    assert carrier.finds == []
    assert len(carrier.calls) == ("result" in events)


def test_a_row_whose_first_step_never_gets_an_answer_fails_and_the_others_are_bought(home, books):
    async def before(carrier, shipment, reference):
        if shipment.order_id == "A0000002":
            raise AnswerLost("500 for this row")

    job, carrier = job_of(home, ROWS), TwoStepCarrier(books, before=before)
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    assert state_counts(job) == {"shipped": ROWS - 1, "failed": 1}
    line = job.results().to_pylist()[2]
    assert line["state"] == "failed"
    assert line["error_message"] == "500 for this row Nothing was bought."
    assert "A0000002" not in carrier.sales()


def test_a_carrier_whose_first_step_is_down_opens_the_breaker(home, books):
    async def before(carrier, shipment, reference):
        raise AnswerLost("503")

    job, carrier = job_of(home, 30), TwoStepCarrier(books, before=before)
    assert run(job, carrier, pacer=Pacer(concurrency=4, breaker_after=6)) is JobStatus.PAUSED
    assert state_counts(job) == {"pending": 30}
    assert carrier.calls == []


@pytest.mark.parametrize("after_sale", [True, False])
def test_a_lost_purchase_is_read_by_its_id(home, books, after_sale):
    job = job_of(home, ROWS)
    carrier = TwoStepCarrier(books, hook=lose_first(after_sale=after_sale))
    assert run(job, carrier) is JobStatus.COMPLETED
    again = ["adopted"] if after_sale else ["absent", "intent", "result"]
    assert story(job) == ["intent", "prepared", "in_doubt", *again]
    assert len(carrier.prepared) == ROWS, "what is sent again buys the same id"
    assert set(carrier.finds) == set(carrier.calls)
    assert set(carrier.sales().values()) == {1}


def test_a_purchase_that_lands_after_absence_was_concluded_is_not_a_second_label(home, books):
    async def hook(carrier, shipment, draft):
        if len(carrier.calls) == 1:
            raise AnswerLost("nothing yet")
        if len(carrier.calls) == 2:  # the first one lands now, and the second is refused
            carrier.sell(shipment, draft)

    job, carrier = job_of(home, 1), TwoStepCarrier(books, hook=hook)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert story(job) == [
        "intent",
        "prepared",
        "in_doubt",
        "absent",
        "intent",
        "in_doubt",
        "adopted",
    ]
    assert list(carrier.sales().values()) == [1]
    assert surplus(job).num_rows == 0


@pytest.mark.parametrize(("bought", "event"), [(True, "adopted"), (False, "absent")])
def test_a_row_that_was_killed_after_its_id_is_looked_up_by_it(home, books, bought, event):
    job, carrier = job_of(home, 1), TwoStepCarrier(books)
    carrier.books.execute("insert into drafts values ('drf_1', ?)", (job.reference(0, 1),))
    with job.own() as ledger:
        ledger.record_now([LedgerEntry(0, "intent", "in_flight", attempt=1)])
        ledger.record_now([LedgerEntry(0, "prepared", "in_flight", 1, shipment_id="drf_1")])
    if bought:
        carrier.books.execute("insert into sold values ('drf_1', 'A0000000', 'SANDBOX1', 850, 0)")
    assert run(job, carrier) is JobStatus.COMPLETED
    assert event in story(job)
    assert carrier.prepared == []
    assert set(carrier.finds) == {"drf_1"}
    assert job.results().column("tracking_number").to_pylist()[0].startswith("SANDBOX")


def test_a_row_that_was_killed_before_its_id_was_not_bought_and_asks_nothing(home, books):
    job, carrier = job_of(home, 1), TwoStepCarrier(books)
    with job.own() as ledger:
        ledger.record_now([LedgerEntry(0, "intent", "in_flight", attempt=1)])
    assert run(job, carrier) is JobStatus.COMPLETED
    assert story(job) == ["intent", "not_sent", "intent", "prepared", "result"]
    assert carrier.finds == []


def test_the_id_is_kept_through_every_state_and_a_merge_of_the_ledger(home):
    job = job_of(home, 1)
    with job.own() as ledger:
        for event, state, number in (
            ("intent", "in_flight", None),
            ("prepared", "in_flight", "drf_1"),
            ("in_doubt", "in_doubt", None),
            ("review", "review", None),
        ):
            ledger.record_now([LedgerEntry(0, event, state, attempt=1, shipment_id=number)])
        ledger.flatten()
    decide(job, [0], "resend")
    with job.own() as ledger:
        assert ledger.prepared == {0: "drf_1"}
        ledger.record_now([LedgerEntry(0, "intent", "in_flight", attempt=2)])
        ledger.record_now([LedgerEntry(0, "result", "shipped", 2, shipment_id="drf_1")])
        assert ledger.prepared == {}
    with job.own() as ledger:
        assert ledger.prepared == {}


@pytest.mark.parametrize(("drift", "state"), [(None, "failed"), (0.01, "failed"), (0.1, "shipped")])
def test_a_price_that_rose_since_the_approval_is_not_paid(home, books, drift, state):
    job = job_of(home, 1, limits={"price_drift": drift} if drift else {})
    carrier = TwoStepCarrier(books, cents=QUOTE + 50)
    run(job, carrier)
    assert state_counts(job) == {state: 1}
    line = job.results().to_pylist()[0]
    if state == "failed":
        assert line["error_code"] == "price_changed"
        assert line["error_message"] == (
            "The price is $9.00 now, and $8.50 was approved. Nothing was bought."
        )
        assert carrier.calls == []


def test_what_was_approved_at_no_cost_is_not_bought_at_a_price(home, books):
    job, carrier = job_of(home, 1, quotes=quotes_of(1, 0)), TwoStepCarrier(books)
    run(job, carrier)
    assert (state_counts(job), carrier.calls) == ({"failed": 1}, [])
    assert job.results().column("error_message").to_pylist() == [
        "The price is $8.50 now, and $0.00 was approved. Nothing was bought."
    ]


def test_a_price_that_fell_is_paid_as_it_is(home, books):
    job, carrier = job_of(home, 1, quotes=quotes_of(1, QUOTE + 50)), TwoStepCarrier(books)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert job.results().column("charged_cents").to_pylist() == [QUOTE]


def test_a_pause_between_the_two_steps_buys_nothing_and_keeps_the_id(home, books):
    control = Control()
    job = job_of(home, 20)
    carrier = TwoStepCarrier(books, before=ask_after(0, control.pause), latency_s=0.01)
    assert run(job, carrier, control=control) is JobStatus.PAUSED
    assert carrier.calls == []
    assert state_counts(job) == {"pending": 20}
    first = len(carrier.prepared)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert len(carrier.prepared) == 20, f"{first} of them before the pause"
    assert set(carrier.sales().values()) == {1}


def test_what_a_person_set_aside_and_what_turns_up_later_is_surplus(home, books):
    job = job_of(home, 1, resend="ask")
    carrier = TwoStepCarrier(books, hook=lose_first(after_sale=False))
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    assert state_counts(job) == {"review": 1}
    decide(job, [0], "skip")
    carrier.books.execute(
        "insert into sold values (?, 'A0000000', 'SANDBOX1', 850, 0)", (carrier.calls[0],)
    )
    assert asyncio.run(look_again(job, carrier)) == 1
    assert surplus(job).column("shipment_id").to_pylist() == carrier.calls


def test_what_a_person_sends_again_is_never_surplus(home, books):
    job = job_of(home, 1, resend="ask")
    carrier = TwoStepCarrier(books, hook=lose_first(after_sale=False))
    run(job, carrier)
    decide(job, [0], "resend")
    assert run(job, carrier) is JobStatus.COMPLETED
    assert asyncio.run(look_again(job, carrier)) == 0
    assert (surplus(job).num_rows, len(carrier.prepared)) == (0, 1)
    asyncio.run(void_rows(job, carrier, [0]))
    assert (state_counts(job), list(carrier.sales())) == ({"voided": 1}, [])
