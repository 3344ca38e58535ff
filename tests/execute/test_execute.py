"""Buying a plan: every row once, whatever the carrier answers."""

from __future__ import annotations

import asyncio
import logging
import time

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from corekit import (
    QUOTE,
    BookCarrier,
    ask_after,
    draft_of,
    job_of,
    lose_first,
    plan_of,
    quotes_of,
    state_counts,
)

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import CarrierIdentity, Pace
from shipkit.errors import (
    AnswerLost,
    AuthenticationFailed,
    CarrierRejected,
    CarrierUnreachable,
    JobError,
    RateLimited,
)
from shipkit.models import Purchase
from shipkit.purchasing.run import Control, execute
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import STATES
from shipkit.state import JobStatus, RowState


def buy(job, carrier, **options):
    options.setdefault("grace_s", 0.2)
    options.setdefault("pacer", Pacer(concurrency=8))
    return asyncio.run(execute(job, carrier, **options))


def failing(error):
    async def hook(carrier, shipment, reference):
        raise error

    return hook


def failing_for(orders, error):
    async def hook(carrier, shipment, reference):
        if shipment.order_id in orders:
            raise error

    return hook


@pytest.fixture
def carrier(tmp_path):
    return BookCarrier(tmp_path / "books.db")


def test_every_row_is_bought_once_and_the_books_of_both_sides_agree(home, carrier):
    job = job_of(home, 60)
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert state_counts(job) == {"shipped": 60}
    assert set(carrier.sales().values()) == {1}
    assert set(job.results().column("tracking_number").to_pylist()) == carrier.tracking_numbers()
    assert {label.tracking_number for label in job.labels()} == carrier.tracking_numbers()


def test_running_a_finished_job_again_buys_nothing(home, carrier):
    job = job_of(home, 5)
    buy(job, carrier)
    assert buy(JobStore.open(home, job.job_id), carrier) is JobStatus.COMPLETED
    assert len(carrier.calls) == 5


def test_skipped_rows_are_never_sent(home, carrier):
    job = job_of(home, 6, skipped={1: "no street", 4: "set aside"})
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert state_counts(job) == {"shipped": 4, "skipped": 2}
    assert job.results().column("error_message").to_pylist() == [
        None,
        "no street",
        None,
        None,
        "set aside",
        None,
    ]
    assert "A0000001" not in carrier.sales()


def test_the_intent_is_durable_before_the_carrier_is_asked(home, tmp_path):
    seen = []

    async def hook(carrier, shipment, reference):
        table = JobStore.open(home, job.job_id).chain().table
        mine = table.filter(pc.equal(table.column("reference"), reference))
        seen.append((mine.column("event").to_pylist(), mine.column("state").to_pylist()))

    carrier, job = BookCarrier(tmp_path / "books.db", hook=hook), job_of(home, 10)
    buy(job, carrier)
    assert seen == [(["intent"], ["in_flight"])] * 10


def test_intents_run_only_a_handful_ahead_of_the_calls(home, tmp_path):
    most = 0

    async def hook(carrier, shipment, reference):
        nonlocal most
        states = JobStore.open(home, job.job_id).states()
        most = max(most, int((states == STATES.index(RowState.IN_FLIGHT)).sum()))

    carrier, job = BookCarrier(tmp_path / "books.db", hook=hook, latency_s=0.05), job_of(home, 120)
    buy(job, carrier, pacer=Pacer(concurrency=4))
    assert 4 <= most <= 4 + 12


def test_a_rejection_fails_the_row_with_the_carriers_code_and_leaves_the_others_alone(
    home, tmp_path
):
    error = CarrierRejected(
        "The address is unknown.", fix="Correct the street.", carrier_code="120100"
    )
    carrier, job = (
        BookCarrier(tmp_path / "books.db", hook=failing_for({"A0000003"}, error)),
        job_of(home, 8),
    )
    assert buy(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    row = job.results().to_pylist()[3]
    assert (row["state"], row["error_code"], row["error_message"], row["fix"]) == (
        "failed",
        "120100",
        "The address is unknown.",
        "Correct the street.",
    )
    assert state_counts(job) == {"shipped": 7, "failed": 1}
    buy(job, carrier)
    assert len(carrier.calls) == 8, "a failed row is never sent unchanged"


@pytest.mark.parametrize(
    "error",
    [
        AnswerLost("the connection was reset"),
        ValueError("a defect in the carrier's code"),
        TimeoutError(),
    ],
)
def test_a_lost_answer_is_looked_up_and_adopted_never_sent_again(home, tmp_path, error):
    async def hook(carrier, shipment, reference):
        carrier.sell(shipment, reference)
        raise error

    carrier, job = BookCarrier(tmp_path / "books.db", hook=hook), job_of(home, 5)
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert set(carrier.sales().values()) == {1}
    assert len(carrier.calls) == 5
    row = job.results().to_pylist()[0]
    assert (row["charge_basis"], row["charged_cents"]) == ("estimated", QUOTE)
    assert {label.row for label in job.labels()} == set(range(5))


def test_a_lost_request_is_sent_again_under_a_new_reference_once_absence_is_proven(home, tmp_path):
    carrier, job = (
        BookCarrier(tmp_path / "books.db", hook=lose_first(1, after_sale=False)),
        job_of(home, 3),
    )
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert len(carrier.calls) == len(set(carrier.calls)) == 6
    assert set(carrier.sales().values()) == {1}
    assert job.results().column("attempts").to_pylist() == [2, 2, 2]


def test_absence_is_not_concluded_before_the_grace(home, tmp_path):
    carrier = BookCarrier(tmp_path / "books.db", hook=lose_first(1, after_sale=False))
    job = job_of(home, 1)
    started = time.monotonic()
    buy(job, carrier, grace_s=0.7)
    assert time.monotonic() - started >= 0.7
    assert len(carrier.calls) == 2


def test_a_shipment_that_appears_late_is_adopted_and_not_bought_again(home, tmp_path):
    late = []

    async def hook(carrier, shipment, reference):
        late.append(asyncio.get_running_loop().call_later(0.4, carrier.sell, shipment, reference))
        raise AnswerLost("the connection died")

    carrier, job = BookCarrier(tmp_path / "books.db", hook=hook), job_of(home, 4)
    assert buy(job, carrier, grace_s=1.0) is JobStatus.COMPLETED
    assert set(carrier.sales().values()) == {1}
    assert len(carrier.calls) == 4


@pytest.mark.parametrize(("proof_s", "resend"), [(None, "proven"), (0.0, "ask"), (0.0, "never")])
def test_without_proof_or_permission_a_lost_row_waits_for_a_person(home, tmp_path, proof_s, resend):
    carrier = BookCarrier(
        tmp_path / "books.db", hook=lose_first(1, after_sale=False), proof_s=proof_s
    )
    job = job_of(home, 3, resend=resend)
    assert buy(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    assert state_counts(job) == {"review": 3}
    assert len(carrier.calls) == 3


def test_what_was_provably_not_sent_is_retried(home, tmp_path):
    tries = []

    async def hook(carrier, shipment, reference):
        tries.append(shipment.order_id)
        if tries.count(shipment.order_id) == 1:
            raise CarrierUnreachable("connection refused")

    carrier, job = BookCarrier(tmp_path / "books.db", hook=hook), job_of(home, 3)
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert set(carrier.sales().values()) == {1}
    assert carrier.finds == [], "nothing was in doubt"


def test_429_pauses_everything_for_as_long_as_the_carrier_asks(home, tmp_path):
    times = []

    async def hook(carrier, shipment, reference):
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            raise RateLimited("slow down", retry_after_s=0.6)

    carrier, job = BookCarrier(tmp_path / "books.db", hook=hook), job_of(home, 6)
    assert buy(job, carrier, pacer=Pacer(concurrency=1)) is JobStatus.COMPLETED
    assert times[1] - times[0] >= 0.6
    assert state_counts(job) == {"shipped": 6}


def test_refused_credentials_pause_the_job_with_a_plain_reason(home, tmp_path):
    carrier, job = (
        BookCarrier(
            tmp_path / "books.db", hook=failing(AuthenticationFailed("the client secret is wrong"))
        ),
        job_of(home, 100),
    )
    assert buy(job, carrier) is JobStatus.PAUSED
    assert "refused the credentials" in job.reason
    assert state_counts(job) == {"pending": 100}
    assert len(carrier.calls) <= 8


def test_the_same_refusal_again_and_again_pauses_the_job(home, tmp_path):
    error = CarrierRejected("The account may not ship.", carrier_code="10002")
    carrier, job = BookCarrier(tmp_path / "books.db", hook=failing(error)), job_of(home, 200)
    assert buy(job, carrier, pacer=Pacer(concurrency=2, breaker_after=10)) is JobStatus.PAUSED
    assert "10002" in job.reason
    assert 10 <= state_counts(job)["failed"] <= 12


def test_a_carrier_that_stops_answering_pauses_the_job_and_resume_finishes_it(home, tmp_path):
    async def dead(carrier, shipment, reference):
        carrier.sell(shipment, reference)
        raise AnswerLost("reset")

    carrier, job = BookCarrier(tmp_path / "books.db", hook=dead), job_of(home, 60)
    carrier.find, alive = failing_find, carrier.find
    assert buy(job, carrier, pacer=Pacer(concurrency=4, breaker_after=10)) is JobStatus.PAUSED
    assert "no usable answer" in job.reason
    carrier.hook, carrier.find = None, alive
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert set(carrier.sales().values()) == {1}


async def failing_find(reference, label, shipment=None):
    raise CarrierUnreachable("connection refused")


def test_halt_stops_at_the_first_failed_row(home, tmp_path):
    carrier = BookCarrier(
        tmp_path / "books.db",
        hook=failing_for({"A0000005"}, CarrierRejected("no", carrier_code="1")),
        latency_s=0.01,
    )
    job = job_of(home, 100)
    assert buy(job, carrier, on_error="halt", pacer=Pacer(concurrency=2)) is JobStatus.PAUSED
    assert "halted" in job.reason
    assert state_counts(job)["pending"] > 80


def test_pause_finishes_what_is_in_flight_and_resume_does_the_rest(home, tmp_path):
    control, job = Control(), job_of(home, 100)
    carrier = BookCarrier(tmp_path / "books.db", latency_s=0.01, hook=ask_after(30, control.pause))
    assert buy(job, carrier, control=control) is JobStatus.PAUSED
    counts = state_counts(job)
    assert set(counts) == {"shipped", "pending"}
    assert counts["shipped"] == len(carrier.calls)
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert set(carrier.sales().values()) == {1}


def test_stop_now_leaves_what_is_in_flight_in_doubt_and_resume_looks_it_up(home, tmp_path):
    async def no_answer_after_the_sale(carrier, shipment, reference):
        carrier.sell(shipment, reference)
        if carrier.active == 8:
            await asyncio.to_thread(control.stop_now)
        await asyncio.Event().wait()

    control, carrier, job = (
        Control(),
        BookCarrier(tmp_path / "books.db", hook=no_answer_after_the_sale),
        job_of(home, 20),
    )
    assert buy(job, carrier, control=control) is JobStatus.PAUSED
    assert state_counts(job)["in_doubt"] == 8
    carrier.hook = None
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert set(carrier.sales().values()) == {1}
    assert len(carrier.calls) == 20


def test_cancel_is_final(home, tmp_path):
    control, job = Control(), job_of(home, 100)
    carrier = BookCarrier(tmp_path / "books.db", latency_s=0.01, hook=ask_after(30, control.cancel))
    assert buy(job, carrier, control=control) is JobStatus.CANCELLED
    sent = len(carrier.calls)
    assert sent < 100
    assert buy(JobStore.open(home, job.job_id), carrier) is JobStatus.CANCELLED
    assert len(carrier.calls) == sent


def test_cancelling_the_task_records_a_pause(home, tmp_path):
    thirty_calls = asyncio.Event()

    async def count(carrier, shipment, reference):
        if len(carrier.calls) >= 30:
            thirty_calls.set()

    carrier = BookCarrier(tmp_path / "books.db", latency_s=0.05, hook=count)
    job = job_of(home, 100)

    async def interrupted():
        task = asyncio.create_task(execute(job, carrier, pacer=Pacer(concurrency=8), grace_s=0.2))
        await thirty_calls.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupted())
    assert job.status is JobStatus.PAUSED
    assert sum(state_counts(job).values()) == 100
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert max(carrier.sales().values()) == 1
    assert len(carrier.sales()) == 100


def test_a_progress_callback_that_raises_changes_nothing_and_is_logged_once(home, carrier, caplog):
    def broken(progress):
        raise RuntimeError("the bar is gone")

    job = job_of(home, 20)
    with caplog.at_level(logging.WARNING, "shipkit"):
        assert buy(job, carrier, progress=broken) is JobStatus.COMPLETED
    assert [
        record.getMessage() for record in caplog.records if "bar is gone" in record.getMessage()
    ] != []
    assert len(caplog.records) == 1


def test_progress_comes_about_ten_times_a_second_and_the_last_one_tells_the_end(home, tmp_path):
    told, carrier, job = [], BookCarrier(tmp_path / "books.db", latency_s=0.05), job_of(home, 80)
    buy(job, carrier, progress=told.append)
    assert 3 <= len(told) <= told[-1].elapsed_s / 0.1 + 1
    assert (told[-1].done, told[-1].total, told[-1].spent_cents, told[-1].currency) == (
        80,
        80,
        80 * QUOTE,
        "USD",
    )
    assert [p.done for p in told] == sorted(p.done for p in told)


def test_the_total_limit_is_reserved_before_a_row_is_sent(home, tmp_path):
    carrier = BookCarrier(tmp_path / "books.db", latency_s=0.02)
    job = job_of(home, 30, limits={"total_cents": 10 * QUOTE + 5, "currency": "USD"})
    assert buy(job, carrier) is JobStatus.PAUSED
    assert len(carrier.calls) == 10
    assert "limit" in job.reason
    assert state_counts(job) == {"shipped": 10, "pending": 20}


def test_the_allowed_drift_is_reserved_too(home, tmp_path):
    carrier = BookCarrier(tmp_path / "books.db")
    job = job_of(
        home, 30, limits={"total_cents": 10 * QUOTE, "price_drift": 0.5, "currency": "USD"}
    )
    buy(job, carrier, pacer=Pacer(concurrency=1))
    assert 9 <= len(carrier.calls) <= 10
    assert sum(job.results().column("charged_cents").drop_null().to_pylist()) <= 10 * QUOTE


def test_rows_in_doubt_count_as_spent(home, tmp_path):
    carrier = BookCarrier(tmp_path / "books.db", hook=lose_first(1, after_sale=False))
    job = job_of(home, 10, limits={"total_cents": 4 * QUOTE, "currency": "USD"}, resend="ask")
    buy(job, carrier)
    assert len(carrier.calls) == 4


def test_a_bill_beyond_the_allowed_drift_stops_the_job(home, tmp_path):
    carrier = BookCarrier(tmp_path / "books.db", cents=QUOTE + 100, latency_s=0.01)
    job = job_of(home, 100, limits={"price_drift": 0.05, "currency": "USD"})
    assert buy(job, carrier, pacer=Pacer(concurrency=2)) is JobStatus.PAUSED
    assert "drift" in job.reason
    assert len(carrier.calls) < 10


def test_the_number_of_shipments_is_limited(home, carrier):
    job = job_of(home, 10, limits={"max_shipments": 3})
    assert buy(job, carrier) is JobStatus.PAUSED
    assert len(carrier.calls) == 3


def test_our_own_failure_after_the_answer_leaves_the_row_in_flight_and_resume_adopts_it(
    home, tmp_path
):
    async def unbookable(carrier, shipment, reference):
        if shipment.order_id == "A0000002":
            good = carrier.sell(shipment, reference)
            return Purchase.model_construct(**{**good.__dict__, "labels": (object(),)})
        return None

    carrier, job = BookCarrier(tmp_path / "books.db", hook=unbookable), job_of(home, 10)
    assert buy(job, carrier, pacer=Pacer(concurrency=1)) is JobStatus.FAILED
    assert job.counts()[RowState.IN_FLIGHT] == 1
    assert job.counts()[RowState.FAILED] == 0
    carrier.hook = None
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert set(carrier.sales().values()) == {1}


def test_a_job_is_not_run_with_another_account(home, carrier):
    job = job_of(home, 2)
    carrier.identity = CarrierIdentity("books", "sandbox", "OTHER0042")
    with pytest.raises(JobError, match="belongs to"):
        buy(job, carrier)
    assert carrier.calls == []


def test_a_row_that_is_no_shipment_is_set_aside_before_anything_is_sent(home, carrier):
    plan = plan_of(3)
    at = plan.schema.get_field_index("parcels")
    parcels = plan.column("parcels").to_pylist()
    parcels[1] = [{"weight_lb": -1.0}]
    plan = plan.set_column(at, plan.schema.field(at), pa.array(parcels, plan.schema.field(at).type))
    job = JobStore.publish(home, draft_of(3, plan=plan, quotes=quotes_of(3)))
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert state_counts(job) == {"shipped": 2, "skipped": 1}


def test_a_rate_limit_holds_from_the_first_second(home, tmp_path):
    carrier, job = BookCarrier(tmp_path / "books.db", latency_s=0.1), job_of(home, 100)
    pacer, times = Pacer(concurrency=30, rate_per_s=40), []
    start = pacer._rate.start

    def noting(now):  # when a start was allowed: on a busy machine the call itself comes later
        wait = start(now)
        if wait == 0:
            times.append(now)
        return wait

    pacer._rate.start = noting
    buy(job, carrier, pacer=pacer)
    assert len(times) == len(carrier.calls) == 100
    assert max(sum(1 for t in times if start <= t < start + 1.0) for start in times) <= 40
    assert sum(1 for t in times if t < times[0] + 0.2) <= 12, "no burst at the start"


def test_by_default_the_grace_is_twice_the_time_out_plus_the_carriers_processing(home, tmp_path):
    carrier = BookCarrier(tmp_path / "books.db", hook=lose_first(1, after_sale=False))
    carrier.pace = Pace(concurrency=4, timeout_s=0.2, processing_s=0.3)
    started = time.monotonic()
    assert buy(job_of(home, 1), carrier, grace_s=None) is JobStatus.COMPLETED
    assert 0.7 <= time.monotonic() - started < 5
