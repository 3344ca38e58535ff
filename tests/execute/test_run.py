"""The parts of a run: what it records, how far intents run ahead, how it stops and ends."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import socket
import threading
import time
from contextlib import contextmanager

import pyarrow as pa
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

import shipkit.purchasing.reconcile
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import CarrierIdentity, Pace
from shipkit.errors import AnswerLost, CarrierRejected, CarrierUnreachable, JobError
from shipkit.models import Charge
from shipkit.purchasing.run import Control, Progress, execute, look_again
from shipkit.purchasing.run.feeder import Feeder
from shipkit.purchasing.run.reporter import ProgressReporter
from shipkit.purchasing.run.run_state import Options, RunState, moved, wait
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.state import JobStatus, RowState


def buy(job, carrier, **options):
    options.setdefault("grace_s", 0.1)
    options.setdefault("pacer", Pacer(concurrency=1))
    return asyncio.run(execute(job, carrier, **options))


def entries(job, row=None, event=None):
    """Return ledger entries, oldest first: those of a row, or those with an event."""
    found = job.chain().table.to_pylist()
    return [
        e
        for e in sorted(found, key=lambda e: e["entry"])
        if (row is None or e["row"] == row) and (event is None or e["event"] == event)
    ]


@pytest.fixture
def carrier(tmp_path):
    return BookCarrier(tmp_path / "books.db")


def options_of(**changed) -> Options:
    return Options(
        **{
            "pacer": Pacer(concurrency=8),
            "control": Control(),
            "on_error": "continue",
            "progress": None,
            "timeout_s": 5.0,
            "grace_s": 0.1,
            "resend": "proven",
            **changed,
        }
    )


@contextmanager
def run_of(home, carrier, rows=4, *, job=None, **changed):
    """Return the state of a run that has not begun, on the loop that is running."""
    job = job or job_of(home, rows)
    with job.own() as ledger:
        run = RunState(job, ledger, carrier, options_of(**changed))
        yield run
        run.rows.close()


# -- what a run records ----------------------------------------------------------------------------


def test_a_run_records_who_ran_it_where_with_which_carrier_and_how_it_ended(home, carrier):
    job = job_of(home, 2)
    assert buy(job, carrier, resend="ask") is JobStatus.COMPLETED
    [began], [end] = entries(job, event="run"), entries(job, event="end")
    assert json.loads(began["details"]) == {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "carrier": "books SANDBOX ...0042",
        "resend": "ask",
    }
    assert json.loads(end["details"]) == {"status": "completed", "reason": None}
    assert began["at"] <= end["at"]
    assert began["row"] is began["state"] is end["row"] is end["state"] is None
    assert entries(job, event="cancelled") == []


def test_a_purchase_is_recorded_under_its_attempt_with_what_was_charged(home, carrier):
    job = job_of(home, 1)
    buy(job, carrier)
    intent, result = entries(job, row=0)
    assert (intent["event"], intent["state"], intent["attempt"]) == ("intent", "in_flight", 1)
    assert (result["event"], result["state"], result["attempt"]) == ("result", "shipped", 1)
    assert intent["reference"] == result["reference"] == job.reference(0, 1) == carrier.calls[0]
    assert (result["charged_cents"], result["currency"]) == (QUOTE, "USD")
    assert result["watch"] is None


def test_a_charge_that_the_carrier_does_not_name_is_the_quote_in_its_currency(home, carrier):
    async def sell_silently(carrier, shipment, reference):
        sold = carrier.sell(shipment, reference)
        return sold.model_copy(update={"charge": None})

    carrier.hook = sell_silently
    quotes = quotes_of(2)
    at = quotes.schema.get_field_index("currency")
    quotes = quotes.set_column(at, quotes.schema.field(at), pa.array(["CAD", "CAD"]))
    seen, job = [], job_of(home, 2, quotes=quotes)
    buy(job, carrier, progress=seen.append)
    [_, result] = entries(job, row=0)
    assert (result["charged_cents"], result["currency"], result["charge_basis"]) == (
        QUOTE,
        "CAD",
        "estimated",
    )
    assert (seen[-1].spent_cents, seen[-1].currency) == (2 * QUOTE, "CAD")


def test_an_error_is_recorded_with_the_carriers_code_words_fix_and_transaction(home, carrier):
    async def refuse(carrier, shipment, reference):
        if shipment.order_id == "A0000000":
            raise CarrierRejected(
                "The address is unknown.",
                fix="Correct the street.",
                carrier_code="120100",
                transaction_id="T-17",
            )
        raise CarrierRejected("No.")

    carrier.hook, job = refuse, job_of(home, 2)
    buy(job, carrier)
    [_, first], [_, second] = entries(job, row=0), entries(job, row=1)
    assert {
        name: first[name]
        for name in ("event", "state", "attempt", "reference", "code", "message", "fix", "details")
    } == {
        "event": "failed",
        "state": "failed",
        "attempt": 1,
        "reference": job.reference(0, 1),
        "code": "120100",
        "message": "The address is unknown.",
        "fix": "Correct the street.",
        "details": '{"transaction_id": "T-17"}',
    }
    assert (second["code"], second["details"]) == ("carrier_rejected", None)


@pytest.mark.parametrize("ends", ["result", "failed", "in_doubt"])
def test_a_given_up_reference_stays_on_the_watch_list_whatever_comes_after(home, carrier, ends):
    lost = lose_first(1, after_sale=False)

    async def hook(carrier, shipment, reference):
        await lost(carrier, shipment, reference)
        if ends == "failed":
            raise CarrierRejected("No.")
        if ends == "in_doubt":
            carrier.find = refused
            raise AnswerLost("reset")

    async def refused(*_):
        raise CarrierUnreachable("connection refused")

    carrier.hook, job = hook, job_of(home, 1)
    buy(job, carrier, pacer=Pacer(concurrency=1, breaker_after=2))
    assert entries(job, row=0)[-1]["event"] == ends
    assert entries(job, row=0)[-1]["watch"] == [1]
    assert entries(job, row=0)[-1]["attempt"] == 2


def test_what_an_owner_left_in_flight_is_in_doubt_under_its_own_attempt(home, carrier):
    job = job_of(home, 2, resend="ask")
    with job.own() as ledger:
        ledger.record_now([LedgerEntry(0, "intent", "in_flight", attempt=3, watch=[1, 2])])
    buy(job, carrier)
    taken = entries(job, event="in_doubt")
    assert [(e["row"], e["state"], e["code"]) for e in taken] == [(0, "in_doubt", "interrupted")]
    assert (taken[0]["attempt"], taken[0]["watch"]) == (3, [1, 2])
    assert taken[0]["reference"] == job.reference(0, 3)
    assert state_counts(job) == {"review": 1, "shipped": 1}
    assert carrier.finds[0] == job.reference(0, 3)


def test_an_order_of_another_job_is_skipped_with_where_it_is(home, carrier):
    first = job_of(home, 2)
    buy(first, carrier)
    second = job_of(home, 3)
    buy(second, carrier)
    [entry] = entries(second, row=0)
    assert (entry["event"], entry["state"], entry["code"]) == (
        "skipped",
        "skipped",
        "shipped_before",
    )
    assert first.job_id in entry["message"]
    assert 'on_duplicate="ship"' in entry["fix"]


def test_a_row_that_is_not_a_shipment_is_skipped_with_what_to_do(home, carrier):
    plan = plan_of(2)
    at = plan.schema.get_field_index("parcels")
    parcels = pa.array([[], plan.column("parcels")[1].as_py()], plan.schema.field(at).type)
    plan = plan.set_column(at, plan.schema.field(at), parcels)
    job = JobStore.publish(home, draft_of(2, plan=plan, quotes=quotes_of(2)))
    assert buy(job, carrier) is JobStatus.COMPLETED
    [entry] = entries(job, row=0)
    assert (entry["event"], entry["code"]) == ("skipped", "row_unreadable")
    assert "not a shipment" in entry["message"]
    assert "Correct the row" in entry["fix"]


# -- calls -----------------------------------------------------------------------------------------


def test_a_call_that_hangs_is_given_up_after_twice_the_time_out_and_is_in_doubt(home, carrier):
    async def hang(carrier, shipment, reference):
        if len(carrier.calls) == 1:
            carrier.sell(shipment, reference)
            await asyncio.Event().wait()

    carrier.hook, job = hang, job_of(home, 2)
    assert buy(job, carrier, timeout_s=0.15) is JobStatus.COMPLETED
    story = entries(job, row=0)
    assert [e["event"] for e in story] == ["intent", "in_doubt", "adopted"]
    assert story[1]["message"] == "The carrier did not answer within 0.3 s."
    assert set(carrier.sales().values()) == {1}


def test_a_defect_in_the_carriers_code_is_in_doubt_and_logged(home, carrier, caplog):
    async def broken(carrier, shipment, reference):
        carrier.sell(shipment, reference)
        raise KeyError("ShipmentResults")

    carrier.hook, job = broken, job_of(home, 1)
    with caplog.at_level(logging.WARNING, "shipkit"):
        buy(job, carrier)
    assert entries(job, row=0)[1]["message"] == "The carrier's answer could not be read (KeyError)."
    assert any(record.exc_info for record in caplog.records)
    assert state_counts(job) == {"shipped": 1}


def test_a_stopped_call_is_in_doubt(home, carrier):
    control = Control()

    async def hang(carrier, shipment, reference):
        await asyncio.to_thread(control.stop_now)
        await asyncio.Event().wait()

    carrier.hook, job = hang, job_of(home, 1)
    assert buy(job, carrier, control=control) is JobStatus.PAUSED
    assert entries(job, row=0)[1]["message"] == (
        "The call was cancelled before the carrier answered."
    )
    assert job.reason == "stopped at once"


def test_halt_names_the_row_that_failed(home, carrier):
    async def refuse(carrier, shipment, reference):
        raise CarrierRejected("The address is unknown.")

    carrier.hook, job = refuse, job_of(home, 5)
    assert buy(job, carrier, on_error="halt") is JobStatus.PAUSED
    assert job.reason == "halted at the first failed row: The address is unknown."
    assert state_counts(job) == {"failed": 1, "pending": 4}


def test_the_drift_is_checked_on_the_bill_and_stops_the_job_after_it(home, carrier):
    carrier.cents = QUOTE + 1
    job = job_of(home, 5, limits={"price_drift": 0.0})
    assert buy(job, carrier) is JobStatus.PAUSED
    assert state_counts(job) == {"shipped": 1, "pending": 4}
    assert "billed $8.51" in job.reason


def test_a_breaker_stops_the_job_with_its_reason(home, carrier):
    async def refuse(carrier, shipment, reference):
        raise CarrierRejected("The account may not ship.", carrier_code="10002")

    carrier.hook, job = refuse, job_of(home, 9)
    assert buy(job, carrier, pacer=Pacer(concurrency=1, breaker_after=3)) is JobStatus.PAUSED
    assert state_counts(job) == {"failed": 3, "pending": 6}
    assert "refused the last 3 shipments" in job.reason


def test_no_more_calls_are_in_progress_than_the_pace_allows_and_none_leaks(home, carrier):
    answers = iter([None, AnswerLost("reset"), CarrierRejected("no"), CarrierUnreachable("no")])

    async def every_outcome(carrier, shipment, reference):
        await asyncio.sleep(0)
        if error := next(answers, None):
            raise error

    carrier.hook, job, pacer = every_outcome, job_of(home, 12), Pacer(concurrency=3)
    assert buy(job, carrier, pacer=pacer) is JobStatus.COMPLETED_WITH_ERRORS
    assert carrier.most_active == 3
    assert pacer.active == 0


# -- how far intents run ahead ---------------------------------------------------------------------


def feeder_of(home, carrier, work, **changed):
    """Run `work(run, feeder)` on a loop."""

    async def main():
        with run_of(home, carrier, 100, **changed) as run:
            return work(run, Feeder(run))

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("concurrency", "call_s", "commit_s", "ahead", "refill"),
    [
        (8, None, 0.005, 1 + 2, 0),  # before the first answer: a quarter of the calls
        (9, None, 0.005, 1 + 3, 0),
        (8, 0.1, 0.005, 1 + 1, 2),  # 80 calls per second: 0.8 per two commits, 1.6 per refill
        (8, 0.1, 0.05, 1 + 8, 2),
        (8, 0.1, 5.0, 1 + 8, 2),  # a slow disk: never more than the concurrency
        (8, 0.001, 0.005, 1 + 8, 8),
    ],
)
def test_intents_run_ahead_by_the_calls_that_can_start_during_a_commit(
    home, carrier, concurrency, call_s, commit_s, ahead, refill
):
    def work(run, feeder):
        run.call_s, run.ledger.commit_s = call_s, commit_s
        assert feeder._ahead(concurrency / call_s if call_s else None) == (ahead, refill)
        assert feeder._wanted() == concurrency + ahead + refill

    feeder_of(home, carrier, work, pacer=Pacer(concurrency=concurrency))


def test_with_a_rate_limit_intents_follow_the_rate(home, carrier):
    def work(run, feeder):
        run.ledger.commit_s = 0.03
        assert feeder._ahead(None) == (1 + math.ceil(50 * 0.03 * 2), math.ceil(50 * 2 * 0.02))
        assert feeder._wanted() == 4 + 2

    feeder_of(home, carrier, work, pacer=Pacer(concurrency=30, rate_per_s=50))


def test_no_intents_are_wanted_while_enough_are_ready_or_nothing_may_be_sent(home, carrier):
    def work(run, feeder):
        full = feeder._wanted()
        assert full == 8 + 3
        feeder.ready.extend([(0, None)] * (full - 1))
        assert feeder._wanted() == 1
        feeder.ready.append((0, None))
        assert feeder._wanted() == 0
        feeder.ready.clear()
        run.pacer._pause(60)
        assert feeder._wanted() == 0
        run.pacer.close_breaker()
        assert feeder._wanted() == full
        run.halt(JobStatus.PAUSED, "paused")
        assert feeder._wanted() == 0

    feeder_of(home, carrier, work)


def test_rows_are_taken_in_the_order_of_the_plan_after_those_that_came_back(home, carrier):
    def work(run, feeder):
        assert [row for row, _ in feeder._next_batch(2)] == [0, 1]
        run.again += [1, 0]
        assert [row for row, _ in feeder._next_batch(3)] == [1, 0, 2]
        assert run.spend.bought == 5
        assert not feeder.done

    feeder_of(home, carrier, work)


def test_a_feeder_is_done_when_nothing_is_left_to_choose(home, carrier):
    async def main():
        with run_of(home, carrier, 2) as run:
            feeder = Feeder(run)
            assert len(feeder._next_batch(9)) == 2
            assert feeder.done
            run.again.append(0)
            assert not feeder.done
            assert [row for row, _ in feeder._next_batch(9)] == [0]
            assert feeder.done

    asyncio.run(main())


def test_a_row_that_the_limit_does_not_allow_yet_is_kept_and_sent_when_it_does(home, carrier):
    async def main():
        job = job_of(home, 3, limits={"total_cents": 2 * QUOTE})
        with run_of(home, carrier, job=job) as run:
            feeder = Feeder(run)
            assert [row for row, _ in feeder._next_batch(9)] == [0, 1]
            run.ledger.record([moved(0, "intent", RowState.IN_FLIGHT)])
            assert feeder._next_batch(9) == []
            assert run.stop is None, "what is in flight may give its reservation back"
            assert not feeder.done
            run.ledger.record([moved(0, "failed", RowState.FAILED)])
            run.spend.release(0)
            assert [row for row, _ in feeder._next_batch(9)] == [2]
            await run.ledger.settled()

    asyncio.run(main())


def test_a_limit_that_nothing_can_give_back_stops_the_run(home, carrier):
    async def main():
        job = job_of(home, 3, limits={"total_cents": 2 * QUOTE})
        with run_of(home, carrier, job=job) as run:
            feeder = Feeder(run)
            feeder._next_batch(9)
            run.doubts.add(0)
            assert feeder._next_batch(9) == []
            assert run.stop is None, "a row in doubt may turn out not to be bought"
            run.doubts.doubts.clear()
            assert feeder._next_batch(9) == []
            assert run.stop is not None
            assert run.stop[0] is JobStatus.PAUSED
            assert "would exceed the limit" in run.stop[1]

    asyncio.run(main())


def test_intents_that_were_never_sent_are_taken_back(home, carrier):
    control, job = Control(), job_of(home, 60)
    carrier.hook = ask_after(3, control.pause)
    carrier.latency_s = 0.05
    assert buy(job, carrier, control=control, pacer=Pacer(concurrency=4)) is JobStatus.PAUSED
    back = entries(job, event="not_sent")
    assert back, "some intents were ahead of the calls"
    assert all(e["reference"] == job.reference(e["row"], 1) for e in back)
    assert all((e["state"], e["attempt"]) == ("pending", 1) for e in back)
    assert {e["reference"] for e in back}.isdisjoint(carrier.calls)
    assert set(state_counts(job)) == {"shipped", "pending"}
    carrier.hook, carrier.latency_s = None, 0
    buy(job, carrier)
    assert len(set(carrier.calls)) == len(carrier.calls) == 60
    assert {job.reference(e["row"], 2) for e in back} <= set(carrier.calls)


# -- stopping --------------------------------------------------------------------------------------


def test_requests_get_stronger_and_never_weaker():
    for order, strongest in [
        (["pause"], "pause"),
        (["cancel", "pause"], "cancel"),
        (["pause", "cancel"], "cancel"),
        (["stop", "pause", "cancel"], "stop"),
        (["cancel", "stop"], "stop"),
    ]:
        control = Control()
        assert control.request is None
        for request in order:
            {"pause": control.pause, "cancel": control.cancel, "stop": control.stop_now}[request]()
        assert control.request == strongest


def test_a_listener_hears_every_request_and_the_one_before_it():
    control, heard = Control(), []
    control.listen(lambda: heard.append("early"))
    assert heard == []
    control.pause()
    control.listen(lambda: heard.append(control.request))
    control.cancel()
    control.listen(None)
    control.stop_now()
    assert heard == ["early", "pause", "cancel"]


@pytest.mark.parametrize(
    ("ask", "status"), [("pause", JobStatus.PAUSED), ("cancel", JobStatus.CANCELLED)]
)
def test_a_request_before_the_run_counts(home, carrier, ask, status):
    control, job = Control(), job_of(home, 3)
    getattr(control, ask)()
    assert buy(job, carrier, control=control) is status
    assert carrier.calls == []
    assert job.status is status


def test_a_cancelled_job_says_so_and_looks_up_what_is_in_doubt(home, carrier):
    control, job = Control(), job_of(home, 6)

    async def lose_and_cancel(carrier, shipment, reference):
        carrier.sell(shipment, reference)
        await asyncio.to_thread(control.cancel)
        raise AnswerLost("reset")

    carrier.hook = lose_and_cancel
    assert buy(job, carrier, control=control) is JobStatus.CANCELLED
    assert state_counts(job) == {"shipped": 1, "pending": 5}
    assert [e["event"] for e in entries(job)[-2:]] == ["cancelled", "end"]
    assert json.loads(entries(job, event="end")[0]["details"]) == {
        "status": "cancelled",
        "reason": "cancelled",
    }


def test_after_a_stop_nothing_is_looked_up_before_the_run_ends(home, carrier):
    control, job = Control(), job_of(home, 2)

    async def lose_and_stop(carrier, shipment, reference):
        await asyncio.to_thread(control.stop_now)
        raise AnswerLost("reset")

    carrier.hook = lose_and_stop
    assert buy(job, carrier, control=control, grace_s=60) is JobStatus.PAUSED
    assert carrier.finds == []


def test_the_first_reason_is_kept_unless_the_job_is_cancelled(home, carrier):
    async def main():
        with run_of(home, carrier) as run:
            run.halt(JobStatus.PAUSED, "first")
            run.halt(JobStatus.FAILED, "second")
            assert run.stop == (JobStatus.PAUSED, "first")
            run.halt(JobStatus.CANCELLED, "cancelled")
            assert run.stop == (JobStatus.CANCELLED, "cancelled")
            run.halt(JobStatus.FAILED, "fourth")
            assert run.stop == (JobStatus.CANCELLED, "cancelled")
            assert run.changed.is_set()
            assert run.hungry.is_set()

    asyncio.run(main())


# -- ends ------------------------------------------------------------------------------------------


def test_a_run_that_leaves_rows_in_doubt_says_how_many(home, carrier, monkeypatch):
    async def lose(carrier, shipment, reference):
        if shipment.order_id != "A0000002":
            raise AnswerLost("reset")

    async def refused(*_):
        raise CarrierUnreachable("connection refused")

    monkeypatch.setattr(shipkit.purchasing.reconcile, "_UNREACHABLE_S", 0.0)
    carrier.hook, carrier.find, job = lose, refused, job_of(home, 3)
    assert buy(job, carrier) is JobStatus.PAUSED
    assert job.reason == "2 rows in doubt; resume looks them up again"
    assert state_counts(job) == {"shipped": 1, "in_doubt": 2}


def test_a_pause_that_comes_when_nothing_is_left_leaves_a_completed_job(home, carrier):
    control, job = Control(), job_of(home, 2)
    carrier.hook = ask_after(2, control.pause)
    assert buy(job, carrier, control=control) is JobStatus.COMPLETED
    assert job.status is JobStatus.COMPLETED


def test_a_cancel_that_comes_when_nothing_is_left_is_still_a_cancel(home, carrier):
    control, job = Control(), job_of(home, 2)
    carrier.hook = ask_after(2, control.cancel)
    assert buy(job, carrier, control=control) is JobStatus.CANCELLED
    assert job.status is JobStatus.CANCELLED


def test_a_job_with_failed_rows_or_rows_in_review_is_completed_with_errors(home, carrier):
    async def refuse(carrier, shipment, reference):
        raise CarrierRejected("no")

    carrier.hook, failed = refuse, job_of(home, 1)
    assert buy(failed, carrier) is failed.status is JobStatus.COMPLETED_WITH_ERRORS
    carrier.hook = lose_first(1, after_sale=False)
    review = job_of(home, 1, plan=plan_of(1, prefix="B"), resend="ask")
    assert buy(review, carrier) is review.status is JobStatus.COMPLETED_WITH_ERRORS


def test_an_empty_job_is_completed(home, carrier):
    assert buy(job_of(home, 0), carrier) is JobStatus.COMPLETED


def test_a_job_of_another_account_is_refused_before_it_is_owned(home, carrier):
    job = job_of(home, 1)
    carrier.identity = CarrierIdentity("books", "live", "ACCT0042")
    with pytest.raises(JobError, match="belongs to"):
        buy(job, carrier)
    assert entries(job) == []


# -- looking again ---------------------------------------------------------------------------------


def test_looking_again_counts_what_turned_up_and_buys_nothing(home, carrier):
    control, job = Control(), job_of(home, 3)

    async def hang(carrier, shipment, reference):
        if len(carrier.calls) == 2:
            await asyncio.to_thread(control.stop_now)
        await asyncio.Event().wait()

    carrier.hook = hang
    buy(job, carrier, control=control, pacer=Pacer(concurrency=2))
    assert state_counts(job) == {"in_doubt": 2, "pending": 1}
    for row in (0, 1):
        carrier.sell(plan_row(job, row), job.reference(row, 1))
    carrier.sell(plan_row(job, 1), job.reference(1, 1))  # and one of them twice
    assert asyncio.run(look_again(job, carrier)) == 3
    assert state_counts(job) == {"shipped": 2, "pending": 1}
    assert len(carrier.calls) == 2


def plan_row(job, row):
    from shipkit.schema import shipment_from_row

    return shipment_from_row(job.plan.slice(row, 1).to_pylist()[0])


def test_looking_again_never_concludes_that_something_was_not_bought(home, carrier):
    control, job = Control(), job_of(home, 1)

    async def hang(carrier, shipment, reference):
        await asyncio.to_thread(control.stop_now)
        await asyncio.Event().wait()

    carrier.hook = hang
    buy(job, carrier, control=control)
    carrier.pace = Pace(timeout_s=0.0, processing_s=0.0)
    assert asyncio.run(look_again(job, carrier)) == 0
    assert state_counts(job) == {"in_doubt": 1}
    assert len(carrier.finds) == 1


def test_a_last_look_gives_up_on_a_carrier_that_hangs(home, carrier, caplog):
    job = job_of(home, 2)
    carrier.hook = lose_first(1, after_sale=False)
    buy(job, carrier)
    asked = []

    async def hang(*question):
        asked.append(question)
        await asyncio.Event().wait()

    carrier.find = hang
    with caplog.at_level(logging.INFO, "shipkit"):
        began = time.monotonic()
        assert asyncio.run(look_again(job, carrier, pacer=Pacer(concurrency=1))) == 0
        assert time.monotonic() - began >= 1.0
    assert len(asked) == 1
    assert "too slow" in caplog.text


# -- progress --------------------------------------------------------------------------------------


def test_progress_counts_rows_of_every_state(home, carrier):
    """Done: nothing is left to do for it. In doubt includes what a person must decide."""
    seen: list[Progress] = []
    ways = {
        1: ["in_flight"],
        2: ["in_flight", "shipped"],
        3: ["in_flight", "failed"],
        4: ["in_flight", "in_doubt"],
        5: ["in_flight", "in_doubt", "review"],
        6: ["in_flight", "shipped", "voided"],
        7: ["skipped"],
    }

    async def main():
        job = job_of(home, 9, skipped={8: "no street"})
        with run_of(home, carrier, job=job, progress=seen.append) as run:
            for row, steps in ways.items():
                for step in steps:
                    await run.ledger.record(
                        [moved(row, "test", RowState(step), charged_cents=QUOTE)]
                    )
            run.last_error, run.note, run.bought = "reset", "looking up", 3
            run.began -= 10
            run.spend.spent_in["USD"] = 777
            run.spend.spent_in["CAD"] = 500
            run.progress = run.options.progress  # as all accounts of a job share it
            ProgressReporter(run).report()

    asyncio.run(main())
    [progress] = seen
    assert (progress.total, progress.done) == (7, 4)
    assert (progress.shipped, progress.failed, progress.in_doubt) == (1, 1, 2)
    assert (progress.spent_cents, progress.currency) == (777, "USD")
    assert progress.spent == "$7.77 + 5.00 CAD"
    assert (progress.last_error, progress.note) == ("reset", "looking up")
    assert progress.elapsed_s >= 10
    assert progress.rate_per_s == pytest.approx(3 / progress.elapsed_s)


def test_a_run_that_looks_up_says_so_and_names_its_last_error(home, carrier):
    seen, noted = [], asyncio.Event()

    def note(progress):
        seen.append(progress)
        if progress.note:
            noted.set()

    async def lose(carrier, shipment, reference):
        carrier.sell(shipment, reference)
        raise AnswerLost("the line went dead")

    async def after_the_note(*question):
        await noted.wait()
        return await find(*question)

    carrier.hook, find, carrier.find = lose, carrier.find, after_the_note
    buy(job_of(home, 1), carrier, progress=note, grace_s=20)
    assert "looking up 1 row in doubt" in {p.note for p in seen}
    assert seen[-1].last_error == "the line went dead"


def test_durations_of_calls_are_smoothed(home, carrier):
    async def main():
        with run_of(home, carrier) as run:
            run.call_took(2.0)
            assert run.call_s == 2.0
            run.call_took(1.0)
            assert run.call_s == pytest.approx(1.9)

    asyncio.run(main())


def test_waiting_ends_with_the_event_or_the_time():
    async def main():
        event = asyncio.Event()
        began = time.monotonic()
        await wait(event, 0.05)
        assert time.monotonic() - began >= 0.05
        asyncio.get_running_loop().call_soon(event.set)
        await asyncio.wait_for(wait(event, 600), 60)

    asyncio.run(main())


def test_a_control_can_be_used_from_any_thread():
    control = Control()
    threads = [threading.Thread(target=control.pause) for _ in range(4)]
    threads.append(threading.Thread(target=control.cancel))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert control.request == "cancel"


def test_charges_of_a_purchase_are_what_counts_as_spent(home, carrier):
    async def sell_cheaper(carrier, shipment, reference):
        sold = carrier.sell(shipment, reference)
        return sold.model_copy(update={"charge": Charge(cents=0)})

    carrier.hook, seen = sell_cheaper, []
    buy(job_of(home, 2), carrier, progress=seen.append)
    assert seen[-1].spent_cents == 0
