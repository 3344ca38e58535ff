"""Carriers whose request can be sent again with its key: one label, however often it is sent."""

from __future__ import annotations

import asyncio

import pyarrow.compute as pc
import pytest
from corekit import QUOTE, KeyedCarrier, job_of, lose_first, state_counts

from shipkit.carriers.pace import Pacer
from shipkit.errors import AnswerLost, CarrierRejected, PartlyBought, RateLimited
from shipkit.purchasing.late_shipments import surplus
from shipkit.purchasing.recovery import decide
from shipkit.purchasing.run import Control, execute, look_again
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.state import JobStatus

ROWS = 4


@pytest.fixture
def books(tmp_path):
    return tmp_path / "books.db"


def run(job, carrier, **options):
    options = {"grace_s": 0.05, "pacer": Pacer(concurrency=4)} | options
    return asyncio.run(execute(job, carrier, **options))


def story(job, row=0):
    table = job.chain().table
    return table.filter(pc.equal(table.column("row"), row)).column("event").to_pylist()


def last_ids(home, job):
    """Return row -> what its purchase is sent under, of rows that are composed, from disk."""
    table = JobStore.open(home, job.job_id).chain().table
    last = {e["row"]: e["shipment_id"] for e in table.to_pylist() if e["state"] is not None}
    return {row: text for row, text in last.items() if text}


async def until(happened):
    """Return when something has happened, on disk or in a carrier; the test's limit ends it."""
    while not happened():  # noqa: ASYNC110 - nothing tells of what is on disk
        await asyncio.sleep(0.01)


def in_turn(*answers):
    """Return a hook whose calls do one thing after the other: an error, None, or ``"sell"``."""
    left = list(answers)

    async def hook(carrier, shipment, reference):
        answer = left.pop(0) if left else None
        if answer == "sell":
            carrier.sell(shipment, reference)
            raise AnswerLost("sold, and no answer")
        if answer is not None:
            raise answer

    return hook


def test_the_key_is_durable_before_the_request_is_sent(home, books):
    seen = []

    async def hook(carrier, shipment, key):
        table = JobStore.open(home, job.job_id).chain().table
        last = {e["row"]: e for e in table.to_pylist() if e["state"] is not None}
        seen.append((last[int(shipment.order_id[1:])]["shipment_id"], key))

    job, carrier = job_of(home, ROWS), KeyedCarrier(books, hook=hook)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert story(job) == ["intent", "prepared", "result"]
    assert len(seen) == ROWS
    assert all(on_disk == key for on_disk, key in seen)
    assert carrier.composed == [job.reference(row, 1) for row in range(ROWS)]


def test_rows_are_composed_while_all_turns_are_in_use_and_a_few_ahead_only(home, books):
    """One purchase under way: the key of the next row is on disk, and not of all that are left."""
    ahead = []

    async def hook(carrier, shipment, key):
        if not ahead:
            await until(lambda: 1 in last_ids(home, job))
            await asyncio.sleep(0.1)
        ahead.append(len(carrier.composed) - len(carrier.calls))

    job, carrier = job_of(home, 8), KeyedCarrier(books, hook=hook)
    assert run(job, carrier, pacer=Pacer(concurrency=1)) is JobStatus.COMPLETED
    assert carrier.most_active == 1
    assert 0 < ahead[0] <= 2


def test_what_was_composed_ahead_and_not_sent_is_pending_after_a_stop(home, books):
    control, sent = Control(), []

    async def hook(carrier, shipment, key):
        sent.append(key)
        await until(lambda: len(carrier.composed) > len(carrier.calls))
        control.pause()

    job, carrier = job_of(home, 6), KeyedCarrier(books, hook=hook)
    pacer = Pacer(concurrency=1)
    assert run(job, carrier, pacer=pacer, control=control) is JobStatus.PAUSED
    assert (len(sent), pacer.active) == (1, 0)
    assert state_counts(job) == {"shipped": 1, "pending": 5}
    carrier.hook = None
    assert run(job, carrier) is JobStatus.COMPLETED
    assert len(carrier.calls) == 6


@pytest.mark.parametrize("after_sale", [True, False])
def test_a_lost_answer_is_asked_for_by_its_key_and_sent_again_under_it(home, books, after_sale):
    job = job_of(home, ROWS)
    carrier = KeyedCarrier(books, hook=lose_first(after_sale=after_sale))
    assert run(job, carrier) is JobStatus.COMPLETED
    again = ["adopted"] if after_sale else ["absent", "intent", "result"]
    assert story(job) == ["intent", "prepared", "in_doubt", *again]
    assert len(carrier.composed) == ROWS, "what is sent again is the same request"
    assert len(set(carrier.calls)) == ROWS
    assert set(carrier.sales().values()) == {1}
    assert asyncio.run(look_again(job, carrier)) == 0
    assert surplus(job).num_rows == 0


def test_a_purchase_that_lands_after_absence_was_concluded_is_the_same_label(home, books):
    async def hook(carrier, shipment, key):
        if len(carrier.calls) == 1:
            raise AnswerLost("nothing yet")
        carrier.sell(shipment, key)  # the first one lands just before the second

    job, carrier = job_of(home, 1), KeyedCarrier(books, hook=hook)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert story(job)[-1] == "result"
    assert list(carrier.sales().values()) == [1]


def test_where_repeats_are_not_proven_a_lost_answer_waits_for_a_person(home, books):
    job = job_of(home, 1)
    carrier = KeyedCarrier(books, proof_s=None, hook=in_turn(AnswerLost("503")))
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    assert state_counts(job) == {"review": 1}
    assert len(carrier.calls) == 1
    decide(job, [0], "resend")
    assert run(job, carrier) is JobStatus.COMPLETED
    assert len(set(carrier.calls)) == 1, "under the key of the first try"


def test_what_was_certainly_not_sent_is_composed_anew(home, books):
    job = job_of(home, 1)
    carrier = KeyedCarrier(books, hook=in_turn(RateLimited("429", retry_after_s=0.01)))
    assert run(job, carrier) is JobStatus.COMPLETED
    assert carrier.composed == [job.reference(0, 1), job.reference(0, 2)]
    assert list(carrier.sales().values()) == [1]


def test_a_refusal_of_the_first_try_is_a_refusal(home, books):
    job, carrier = job_of(home, 1), KeyedCarrier(books, hook=in_turn(CarrierRejected("160001")))
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    assert state_counts(job) == {"failed": 1}


@pytest.mark.parametrize("lost", [AnswerLost("503"), "killed"])
def test_a_refusal_of_a_repeat_proves_nothing(home, books, lost):
    """The row waits with both facts, and only a person gives its key up."""
    job = job_of(home, 1)
    refusal = CarrierRejected("The mailing date is in the past.", carrier_code="160001")
    if lost == "killed":
        with job.own() as ledger:
            ledger.record_now([LedgerEntry(0, "intent", "in_flight", attempt=1)])
            text = f"{job.reference(0, 1)};bytes"
            ledger.record_now([LedgerEntry(0, "prepared", "in_flight", 1, shipment_id=text)])
        carrier = KeyedCarrier(books, hook=in_turn(refusal))
    else:
        carrier = KeyedCarrier(books, hook=in_turn(lost, refusal))
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    [line] = job.results().to_pylist()
    assert (line["state"], line["error_code"]) == ("review", "repeat_refused")
    assert "says nothing about the first try: The mailing date is in" in line["error_message"]
    assert carrier.sales() == {}
    decide(job, [0], "resend")
    assert run(job, carrier) is JobStatus.COMPLETED
    assert carrier.composed[-1] == job.reference(0, 3)
    assert carrier.calls[-1] != carrier.calls[0]


def test_a_label_that_turns_up_under_a_key_that_was_given_up_is_surplus(home, books):
    job = job_of(home, 1)
    refusal = CarrierRejected("no")
    carrier = KeyedCarrier(books, hook=in_turn(AnswerLost("503"), refusal))
    run(job, carrier)
    decide(job, [0], "resend")
    assert run(job, carrier) is JobStatus.COMPLETED
    first = job.reference(0, 1)
    carrier.books.execute("insert into sold values (?, 'A0000000', 'LATE', 850, 0)", (first,))
    assert asyncio.run(look_again(job, carrier)) == 1
    assert surplus(job).column("tracking_numbers").to_pylist() == [["LATE"]]
    assert asyncio.run(look_again(job, carrier)) == 0, "reported once"


def test_the_rest_of_a_row_that_is_refused_waits_with_what_is_bought(home, books):
    """Two parcels, one label bought: sending it again would be refused for ever."""
    job, tries = job_of(home, 1), []

    async def hook(carrier, shipment, key):
        tries.append(key)
        part = carrier.sell(shipment, key)
        raise PartlyBought("1 of 2 bought.", purchase=part, refused="too heavy")

    carrier = KeyedCarrier(books, hook=hook)

    async def find(key, label, shipment=None):
        if not tries:
            return []
        part = carrier.purchase("SANDBOX1", cents=QUOTE)
        raise PartlyBought("USPS sold 1 of 2 labels.", purchase=part)

    carrier.find = find
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    [line] = job.results().to_pylist()
    assert (line["state"], line["error_code"]) == ("review", "partly_bought")
    assert line["error_message"].endswith("Bought: SANDBOX1. The rest was refused: too heavy")
    assert len(tries) == 1
