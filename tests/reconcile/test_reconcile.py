"""Rows in doubt: adopted, sent again, or left to a person; what turns up late is reported."""

from __future__ import annotations

import asyncio

import pytest
from corekit import BookCarrier, ask_after, job_of, lose_first, state_counts

import shipkit as sk
from shipkit.carriers.protocol import CarrierIdentity
from shipkit.errors import AnswerLost, CarrierRejected, InputError
from shipkit.purchasing import recovery
from shipkit.purchasing.late_shipments import surplus
from shipkit.purchasing.run import Control, execute, look_again
from shipkit.purchasing.store import JobStore
from shipkit.state import JobStatus


def buy(job, carrier, **options):
    return asyncio.run(execute(job, carrier, grace_s=options.pop("grace_s", 0.2), **options))


async def _twice(carrier, shipment, reference):
    carrier.sell(shipment, reference)
    carrier.sell(shipment, reference)
    raise AnswerLost("reset")


def test_of_several_shipments_one_is_adopted_and_the_rest_reported_and_voided(home, tmp_path):
    carrier, job = BookCarrier(tmp_path / "books.db", hook=_twice), job_of(home, 3)
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert surplus(job).num_rows == 3
    assert "exist twice" in str(recovery.describe(job))
    assert asyncio.run(recovery.void_surplus(job, carrier)) == 3
    assert set(carrier.sales().values()) == {1}
    assert surplus(job).num_rows == 0
    assert asyncio.run(recovery.void_surplus(job, carrier)) == 0
    assert {
        row["tracking_number"] for row in job.results().to_pylist()
    } <= carrier.tracking_numbers()


def test_a_shipment_that_turns_up_after_its_row_was_sent_again_is_reported_once(home, tmp_path):
    late = {}

    async def hook(carrier, shipment, reference):
        if shipment.order_id not in late:
            late[shipment.order_id] = reference
            raise AnswerLost("reset")
        carrier.sell(
            shipment, late[shipment.order_id]
        )  # the first request arrives after all, after its absence was concluded

    carrier, job = BookCarrier(tmp_path / "books.db", hook=hook), job_of(home, 2)
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert surplus(job).num_rows == 2
    assert asyncio.run(recovery.void_surplus(job, carrier)) == 2
    assert set(carrier.sales().values()) == {1}


def test_a_shipment_that_was_voided_at_the_carrier_is_not_bought_again(home, tmp_path):
    async def hook(carrier, shipment, reference):
        bought = carrier.sell(shipment, reference)
        await carrier.void(bought)
        raise AnswerLost("reset")

    carrier, job = BookCarrier(tmp_path / "books.db", hook=hook), job_of(home, 1)
    buy(job, carrier)
    assert state_counts(job) == {"voided": 1}
    assert len(carrier.calls) == 1


def test_a_row_for_review_is_adopted_when_it_turns_up_and_decided_by_a_person_when_not(
    home, tmp_path
):
    carrier, job = (
        BookCarrier(tmp_path / "books.db", hook=lose_first(1, after_sale=False)),
        job_of(home, 4, resend="ask"),
    )
    buy(job, carrier)
    assert state_counts(job) == {"review": 4}
    carrier.books.execute(
        "insert into sold (reference, order_id, tracking, cents) values (?, 'A0000000', "
        "'SANDBOXLATE', 850)",
        (carrier.calls[0],),
    )
    buy(job, carrier)
    assert state_counts(job) == {"shipped": 1, "review": 3}
    recovery.decide(job, [1, 2, 1], "resend")
    recovery.decide(job, [3], "skip")
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert state_counts(job) == {"shipped": 3, "skipped": 1}
    assert set(carrier.sales().values()) == {1}
    with pytest.raises(InputError, match="not in review"):
        recovery.decide(job, [1], "resend")
    with pytest.raises(InputError, match="Unknown choice"):
        recovery.decide(job, [1], "guess")


def test_rows_in_flight_of_a_dead_owner_are_looked_up_after_the_others_are_sent(home, tmp_path):
    others_shipped = asyncio.Event()

    async def unanswered(carrier, shipment, reference):
        if len(carrier.calls) == 1:
            await asyncio.Event().wait()

    def note(progress):
        if progress.shipped == 5:
            others_shipped.set()

    carrier, job = BookCarrier(tmp_path / "books.db", hook=unanswered), job_of(home, 6)

    async def die():
        task = asyncio.create_task(execute(job, carrier, grace_s=0.2, progress=note))
        await others_shipped.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(die())
    assert state_counts(job)["in_doubt"] == 1
    carrier.hook = None
    before = len(carrier.calls)
    assert buy(job, carrier, grace_s=0.5) is JobStatus.COMPLETED
    assert len(carrier.calls) == before + 1, "absence was proven, so it was sent again"
    assert set(carrier.sales().values()) == {1}


# -- voiding ---------------------------------------------------------------------------------------


def test_voiding_is_recorded_and_repeat_safe(home, tmp_path):
    carrier, job = BookCarrier(tmp_path / "books.db"), job_of(home, 5)
    buy(job, carrier)
    first = asyncio.run(recovery.void_rows(job, carrier, [0, 1, 1]))
    again = asyncio.run(recovery.void_rows(job, carrier, [0, 1, 2]))
    assert (first.voided, again.voided, again.already) == (2, 1, 2)
    assert state_counts(job) == {"shipped": 2, "voided": 3}
    row = job.results().to_pylist()[0]
    assert row["tracking_number"]
    assert row["voided_at"] >= row["shipped_at"]
    assert len(list(job.labels([0]))) == 1, "the label stays with the books"
    assert sum(carrier.sales().values()) == 2


def test_a_row_the_carrier_will_not_take_back_stays_shipped_and_is_told(home, tmp_path):
    carrier, job = BookCarrier(tmp_path / "books.db"), job_of(home, 3)
    buy(job, carrier)
    give_back = carrier.void

    async def choosy(purchase):
        if purchase.shipment_id == job.results().column("tracking_number")[1].as_py():
            raise CarrierRejected("It was picked up already.")
        await give_back(purchase)

    carrier.void = choosy
    outcome = asyncio.run(recovery.void_rows(job, carrier, [0, 1, 2]))
    refused = {row: str(error) for row, error in outcome.refused.items()}
    assert refused == {1: "It was picked up already."}
    assert state_counts(job) == {"shipped": 1, "voided": 2}


def late(carrier, job, row, attempt=1):
    """Let a purchase of an old attempt turn up at the carrier."""
    carrier.books.execute(
        "insert into sold (reference, order_id, tracking, cents) values (?, ?, ?, 850)",
        (job.reference(row, attempt), f"A{row:07}", f"SANDBOXLATE{row}"),
    )


def test_opening_a_completed_job_looks_old_references_up_and_reports_what_turned_up_once(
    home, tmp_path
):
    carrier, job = (
        BookCarrier(tmp_path / "books.db", hook=lose_first(1, after_sale=False)),
        job_of(home, 3),
    )
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert surplus(job).num_rows == 0
    late(carrier, job, 1)
    calls = len(carrier.calls)
    for _ in range(2):
        assert buy(JobStore(job.path), carrier) is JobStatus.COMPLETED
    assert len(carrier.calls) == calls, "nothing is bought by looking"
    assert surplus(job).column("tracking_numbers").to_pylist() == [["SANDBOXLATE1"]]
    assert asyncio.run(recovery.void_surplus(job, carrier)) == 1
    assert set(carrier.sales().values()) == {1}
    assert asyncio.run(look_again(job, carrier)) == 0, "what was voided is not reported again"


def test_a_job_without_old_references_asks_the_carrier_nothing_when_it_is_opened(home, tmp_path):
    carrier, job = BookCarrier(tmp_path / "books.db"), job_of(home, 3)
    buy(job, carrier)
    segments = len(list((job.path / "segments").iterdir()))
    assert asyncio.run(look_again(JobStore(job.path), carrier)) == 0
    assert carrier.finds == []
    assert len(list((job.path / "segments").iterdir())) == segments


def test_rows_in_doubt_of_a_cancelled_job_are_adopted_when_they_turn_up(home, tmp_path):
    control = Control()
    carrier, job = (
        BookCarrier(tmp_path / "books.db", hook=ask_after(3, control.stop_now), latency_s=0.02),
        job_of(home, 30),
    )
    assert buy(job, carrier, control=control) is JobStatus.PAUSED
    recovery.cancel(job)
    doubtful = [
        row
        for row, state in enumerate(job.results().column("state").to_pylist())
        if state == "in_doubt"
    ]
    late(carrier, job, doubtful[0])
    assert asyncio.run(look_again(JobStore(job.path), carrier)) == 1
    assert job.results().to_pylist()[doubtful[0]]["tracking_number"] == f"SANDBOXLATE{doubtful[0]}"
    assert job.status is JobStatus.CANCELLED
    assert "pending" in state_counts(job), "and nothing more is bought"


def test_looking_again_stands_aside_for_an_owner_and_for_a_carrier_that_does_not_answer(
    home, tmp_path
):
    carrier, job = (
        BookCarrier(tmp_path / "books.db", hook=lose_first(1, after_sale=False)),
        job_of(home, 2),
    )
    buy(job, carrier)
    late(carrier, job, 0)
    with job.own("test"):
        assert asyncio.run(look_again(JobStore(job.path), carrier)) == 0

    async def out_of_order(*_):
        raise ValueError("a defect in the carrier's code")

    carrier.find = out_of_order
    assert asyncio.run(look_again(JobStore(job.path), carrier)) == 0
    assert job.status is JobStatus.COMPLETED


def test_opening_a_finished_job_in_a_session_reports_what_turned_up_and_can_void_it(home, tmp_path):
    carrier, job = (
        BookCarrier(tmp_path / "books.db", hook=lose_first(1, after_sale=False)),
        job_of(home, 3),
    )
    buy(job, carrier)
    late(carrier, job, 2)
    with sk.BatchSession.open(job.job_id, carrier=carrier) as session:
        assert surplus(job).num_rows == 1
        assert session.void_surplus() == 1
        assert set(carrier.sales().values()) == {1}


def test_a_finished_job_opens_also_when_its_carrier_cannot_be_asked(home, tmp_path):
    carrier, job = (
        BookCarrier(tmp_path / "books.db", hook=lose_first(1, after_sale=False)),
        job_of(home, 3),
    )
    buy(job, carrier)
    other = BookCarrier(tmp_path / "books.db")
    other.identity = CarrierIdentity("books", "sandbox", "SOMEBODY")
    with sk.BatchSession.open(job.job_id, carrier=other) as session:
        assert session.results("shipped").shape[0] == 3
    assert other.finds == []
