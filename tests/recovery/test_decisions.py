"""What a person decides about a job, and the words in which the choices are put."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt

import pandas as pd
import pyarrow as pa
import pytest
from corekit import QUOTE, BookCarrier, job_of, plan_of, quotes_of, state_counts

from shipkit.carriers.pace import Pacer
from shipkit.errors import (
    CarrierRejected,
    CarrierUnreachable,
    InputError,
    JobError,
    JobRunning,
    RestartUnconfirmed,
)
from shipkit.models import Money
from shipkit.purchasing import recovery
from shipkit.purchasing.recovery.interrupted import Interrupted
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.state import JobStatus

AT = 1_762_000_000_123_457


def put(job, row, *states, **fields):
    """Bring a row of a job into a state."""
    with job.own() as ledger:
        for state in states:
            given = {"attempt": 1, "at": AT} | (fields if state == states[-1] else {})
            ledger.record_now([LedgerEntry(row, "test", state, **given)])


def ship(job, row, number, cents=QUOTE, *, currency="USD", at=AT):
    put(
        job,
        row,
        "in_flight",
        "shipped",
        shipment_id=number,
        tracking_numbers=[number],
        charged_cents=cents,
        currency=currency,
        shipped_at=at,
        service="ground",
    )


def note(job, event, **fields):
    with job.own() as ledger:
        ledger.record_now([LedgerEntry(None, event, None, **fields)])


def interrupted(**changed) -> Interrupted:
    base = Interrupted(
        job_id="job-1",
        name=None,
        carrier="books SANDBOX ...0042",
        live=False,
        done=4,
        total=9,
        paid=3,
        pending=5,
        in_doubt=0,
        review=0,
        failed=1,
        reason=None,
        last_row=None,
        last_error=None,
        charged={"USD": Money.of("25.50")},
        surplus=0,
    )
    return dataclasses.replace(base, **changed)


# -- the list of jobs ------------------------------------------------------------------------------


def test_a_job_is_listed_with_its_counts_and_total(home):
    job = job_of(home, 13, name="monday", skipped={12: "no street"})
    ship(job, 0, "N0", 900)
    ship(job, 1, "N1", 800)
    ship(job, 2, "N2", 700)
    put(job, 2, "voided")
    for row in (3, 4, 5):
        put(job, row, "in_flight", "failed")
    for row in (6, 7):
        put(job, row, "in_flight", "in_doubt", "review")
    for row in (8, 9):
        put(job, row, "in_flight", "in_doubt")
    put(job, 10, "in_flight")  # by an owner that died: in doubt
    [row] = recovery.jobs(home).to_dict("records")
    assert {name: row[name] for name in row if name != "created_at"} == {
        "job_id": job.job_id,
        "name": "monday",
        "status": "paused",
        "mode": "confirm",
        "carrier": "books",
        "live": False,
        "shipments": 13,
        "shipped": 2,
        "failed": 3,
        "in_doubt": 5,
        "remaining": 1,
        "total_charged_cents": 1700,
        "currency": "USD",
    }
    assert row["created_at"].tz_localize("UTC") == job.manifest.created_at


def test_a_job_without_charges_costs_nothing_in_the_currency_it_was_quoted_in(home):
    at = quotes_of(1).schema.get_field_index("currency")
    quotes = quotes_of(1).set_column(at, quotes_of(1).schema.field(at), pa.array(["CAD"]))
    job_of(home, 1, quotes=quotes)
    job_of(home, 1, plan=plan_of(1, first=5), skipped={0: "x"}, name="nothing")
    rows = recovery.jobs(home).to_dict("records")
    assert [(row["total_charged_cents"], row["currency"]) for row in rows] == [
        (0, "USD"),
        (0, "CAD"),
    ]


def test_a_job_charged_in_two_currencies_has_no_single_total(home):
    job = job_of(home, 2)
    ship(job, 0, "N0", 900)
    ship(job, 1, "N1", 900, currency="CAD")
    [row] = recovery.jobs(home).to_dict("records")
    assert pd.isna(row["currency"])
    assert pd.isna(row["total_charged_cents"])


def test_interrupted_are_paused_and_failed_jobs_that_no_process_runs(home):
    def job(n, *notes, states=()):
        made = job_of(home, 1, plan=plan_of(1, first=n))
        if states:
            put(made, 0, *states)
        for event, details in notes:
            note(made, event, details=details)
        return made

    paused = job(1)
    failed = job(2, ("end", '{"status": "failed", "reason": "full"}'))
    job(3, states=("in_flight", "shipped"))
    job(4, states=("in_flight", "failed"))
    job(5, ("cancelled", None))
    running = job(6)
    with running.own():
        assert list(recovery.interrupted_jobs(home)["job_id"]) == [failed.job_id, paused.job_id]
        assert [i.job_id for i in recovery.check_interrupted_jobs(home)] == [
            failed.job_id,
            paused.job_id,
        ]
    assert len(recovery.interrupted_jobs(home)) == 3


# -- an interrupted job in words -------------------------------------------------------------------


def test_a_description_has_the_facts_of_the_job(home):
    job = job_of(home, 7, name="monday", skipped={6: "x"})
    ship(job, 0, "N0", 900, at=AT + 1)
    ship(job, 1, "N1", 800, at=AT)
    put(job, 2, "in_flight", "failed", message="The address is unknown.")
    put(job, 3, "in_flight", "in_doubt")
    put(job, 4, "in_flight")
    found = recovery.describe(job)
    assert (found.done, found.total, found.paid, found.pending) == (3, 6, 2, 1)
    assert (found.in_doubt, found.review, found.failed, found.surplus) == (2, 0, 1, 0)
    assert found.charged == {"USD": Money.of("17.00")}
    assert found.last_row == "row 1, Person 0, Austin, N0"
    assert found.last_error == "The address is unknown."
    assert (found.job_id, found.name, found.live) == (job.job_id, "monday", False)
    assert (found.carrier, found.reason) == ("books SANDBOX ...0042", None)


def test_surplus_is_counted_and_is_not_the_last_error(home):
    job = job_of(home, 2)
    put(job, 0, "in_flight", "in_doubt", message="reset")
    note(job, "surplus", shipment_id="S1", message="One more shipment.")
    note(job, "surplus", shipment_id="S2", message="One more shipment.")
    note(job, "surplus_voided", shipment_id="S1")
    found = recovery.describe(job)
    assert (found.surplus, found.last_error) == (1, "reset")


def test_a_job_in_which_nothing_happened_has_no_last_row_and_no_last_error(home):
    found = recovery.describe(job_of(home, 1))
    assert found.last_row is found.last_error is None
    assert "Last" not in str(found)


def test_the_text_says_what_happened_in_order():
    text = str(
        interrupted(
            name="monday",
            reason="paused",
            last_row="row 3, Ada, Austin, N3",
            last_error="reset",
            in_doubt=2,
            review=3,
            surplus=4,
        )
    ).splitlines()
    assert text[:6] == [
        "job-1 (monday) on books SANDBOX ...0042: 4 of 9 rows done, then it stopped (paused).",
        "Last shipped: row 3, Ada, Austin, N3.",
        "Last error: reset",
        (
            "2 rows are in doubt: sent, without an answer. Before anything else, they are looked "
            "up by reference."
        ),
        "3 rows wait for your decision: the carrier does not find them.",
        "4 shipments exist twice at the carrier and can be voided.",
    ]
    assert [line.split()[0] for line in text[6:]] == ["resume", "restart", "cancel", "review"]


def test_what_there_is_none_of_is_not_mentioned():
    text = str(interrupted(paid=0, charged={}))
    assert text.startswith("job-1 on books SANDBOX ...0042: 4 of 9 rows done, then it stopped.\n")
    for word in ("doubt", "decision", "twice at", "Last", "void"):
        assert word not in text.replace("unless voided first", "")
    assert "0 labels (nothing) are paid for" in text


def test_one_of_each_is_singular():
    text = str(interrupted(pending=1, paid=1, in_doubt=1, review=1, surplus=1))
    for words in (
        "1 row is in doubt",
        "1 row waits for your decision",
        "1 shipment exists twice",
        "sends the 1 row that was not sent and looks up the 1 in doubt; nothing is bought twice",
        "1 label ($25.50) is paid for and stays paid unless voided first",
        "the 1 row that was not sent never will be, and the 1 label stays valid",
    ):
        assert words in text, words


def test_the_choices_say_what_each_would_do():
    assert dict(interrupted(in_doubt=2, review=1).choices()) == {
        "resume": "sends the 5 rows that were not sent and looks up the 2 in doubt; nothing is "
        "bought twice",
        "restart": "buys all 9 again as a new job; 3 labels ($25.50) are paid for and stay paid "
        "unless voided first (3 rows in doubt may be paid for too). Needs confirm_paid_labels=3, "
        "and void_first=True to void them before anything is bought",
        "cancel": "ends the job; the 5 rows that were not sent never will be, and the 3 labels "
        "stay valid",
        "review": "shows the state of each row; changes nothing",
    }


# -- restarting and cancelling ---------------------------------------------------------------------


def test_a_restart_names_what_is_paid_and_what_may_be(home):
    job = job_of(home, 5)
    ship(job, 0, "N0")
    put(job, 1, "in_flight")
    put(job, 2, "in_flight", "in_doubt")
    put(job, 3, "in_flight", "in_doubt", "review")
    with pytest.raises(RestartUnconfirmed) as error:
        recovery.restart(job)
    assert "has bought 1 label and 3 rows in doubt may have been bought" in error.value.message
    assert (error.value.details["paid"], error.value.details["in_doubt"]) == (1, 3)
    assert "restart(confirm_paid_labels=1)" in error.value.fix
    assert job.status is JobStatus.PAUSED


def test_a_restart_has_everything_of_the_job_but_its_references(home):
    job = job_of(
        home,
        3,
        name="monday",
        skipped={1: "no street"},
        limits={"total_cents": 5},
        mode="auto",
        approval={"by": "dana"},
        on_duplicate="ship",
        resend="ask",
        facts={"template": "{}"},
        source=pa.table({"row_number": [1, 2, 3], "a": ["x", "y", "z"]}),
    )
    again = recovery.restart(job, confirm_paid_labels=0)
    old, new = job.manifest, again.manifest
    assert new.ordinal == old.ordinal + 1
    assert new.reference_base != old.reference_base
    same = set(type(old).model_fields) - {
        "job_id",
        "ordinal",
        "created_at",
        "reference_base",
        "facts",
        "files",
    }
    assert {name: getattr(new, name) for name in same} == {
        name: getattr(old, name) for name in same
    }
    assert new.facts == {"template": "{}", "restart_of": job.job_id}
    assert again.plan.equals(job.plan)
    assert again.quotes.equals(job.quotes)
    assert again.problems.equals(job.problems)
    assert again.skipped_reasons().to_pylist() == [None, "no street", None]
    assert again.source.equals(job.source)
    assert job.status is JobStatus.CANCELLED
    assert recovery.restart(job, confirm_paid_labels=0).job_id == again.job_id


@pytest.mark.parametrize("states", [(), ("in_flight",), ("in_flight", "in_doubt")])
def test_a_restart_ends_a_job_that_may_still_buy_something(home, states):
    job = job_of(home, 1)
    put(job, 0, *states)
    recovery.restart(job, confirm_paid_labels=0)
    assert job.status is JobStatus.CANCELLED


def test_a_job_that_is_done_or_cancelled_is_not_cancelled_again_by_a_restart(home):
    job = job_of(home, 1)
    ship(job, 0, "N0")
    recovery.restart(job, confirm_paid_labels=1)
    assert job.status is JobStatus.COMPLETED
    cancelled = job_of(home, 1, plan=plan_of(1, first=4))
    recovery.cancel(cancelled)
    before = cancelled.notes().num_rows
    recovery.restart(cancelled, confirm_paid_labels=0)
    recovery.cancel(cancelled)
    assert cancelled.notes().num_rows == before


def test_a_running_job_is_not_restarted(home):
    job = job_of(home, 1)
    with job.own(), pytest.raises(JobRunning, match="is running"):
        recovery.restart(job, confirm_paid_labels=0)


# -- rows in review --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "state", "code", "message"),
    [("resend", "pending", None, None), ("skip", "skipped", "set_aside", "skipped by a person")],
)
def test_a_decision_is_recorded_and_its_reference_watched(home, choice, state, code, message):
    job = job_of(home, 2)
    put(job, 0, "in_flight", "in_doubt", "review", attempt=2, watch=[1])
    recovery.decide(job, [0, 0], choice)
    entry = [e for e in job.chain().table.to_pylist() if e["event"] == "decided"]
    assert len(entry) == 1
    assert {name: entry[0][name] for name in ("row", "state", "attempt", "watch", "code")} == {
        "row": 0,
        "state": state,
        "attempt": 2,
        "watch": [1, 2],
        "code": code,
    }
    assert entry[0]["message"] == message
    assert entry[0]["reference"] == job.reference(0, 2)
    assert entry[0]["at"] is not None


def test_of_several_rows_all_are_decided_or_none(home):
    job = job_of(home, 2)
    put(job, 0, "in_flight", "in_doubt", "review")
    with pytest.raises(InputError, match="Row 1 is pending, not in review"):
        recovery.decide(job, [0, 1], "resend")
    assert state_counts(job) == {"review": 1, "pending": 1}


# -- voiding ---------------------------------------------------------------------------------------


@pytest.fixture
def carrier(tmp_path):
    return BookCarrier(tmp_path / "books.db")


def test_a_voided_row_keeps_its_record_to_the_microsecond(home, carrier):
    job = job_of(home, 1)
    ship(job, 0, "N0", 912)
    before = job.chain().table.to_pylist()[-1]
    outcome = asyncio.run(recovery.void_rows(job, carrier, [0]))
    assert (outcome.voided, outcome.already, outcome.refused) == (1, 0, {})
    after = job.chain().table.to_pylist()[-1]
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"entry", "event", "state", "at"}
    assert (after["event"], after["state"]) == ("voided", "voided")
    assert after["shipped_at"] == dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(
        microseconds=AT
    )


def test_the_carrier_is_asked_about_the_very_shipment(home, carrier):
    asked = []

    async def void(purchase):
        asked.append((purchase.shipment_id, purchase.tracking_numbers, purchase.service))

    carrier.void, job = void, job_of(home, 3)
    ship(job, 0, "N0")
    ship(job, 2, "N2")
    outcome = asyncio.run(recovery.void_rows(job, carrier, [2, 0, 1, 2]))
    assert asked == [("N2", ("N2",), "ground"), ("N0", ("N0",), "ground")]
    assert (outcome.voided, outcome.already) == (2, 0)
    asked.clear()
    again = asyncio.run(recovery.void_rows(job, carrier, [2, 0, 0]))
    assert (asked, again.voided, again.already) == ([], 0, 2)


def test_a_row_is_recorded_as_voided_only_after_the_carriers_yes(home, carrier):
    async def void(purchase):
        assert state_counts(job) == {"shipped": 2}
        if purchase.shipment_id == "N1":
            raise CarrierRejected("It was picked up.")

    carrier.void, job = void, job_of(home, 2)
    ship(job, 0, "N0")
    ship(job, 1, "N1")
    outcome = asyncio.run(recovery.void_rows(job, carrier, [1, 0], pacer=Pacer(concurrency=2)))
    assert outcome.voided == 1
    assert {row: e.message for row, e in outcome.refused.items()} == {1: "It was picked up."}
    assert state_counts(job) == {"shipped": 1, "voided": 1}


def test_a_void_that_is_not_answered_is_tried_again(home, carrier):
    answers = iter([CarrierUnreachable("connection refused"), None])

    async def void(purchase):
        if error := next(answers):
            raise error

    carrier.void, job = void, job_of(home, 1)
    ship(job, 0, "N0")
    assert asyncio.run(recovery.void_rows(job, carrier, [0])).voided == 1


def test_surplus_that_was_voided_is_recorded_one_by_one(home, carrier):
    voided = []

    async def void(purchase):
        if purchase.shipment_id == "S2":
            raise CarrierRejected("It was picked up.")
        voided.append((purchase.shipment_id, purchase.tracking_numbers))

    carrier.void, job = void, job_of(home, 2)
    for n in (1, 2, 3):
        note(job, "surplus", shipment_id=f"S{n}", tracking_numbers=[f"S{n}"])
    with pytest.raises(CarrierRejected):
        asyncio.run(recovery.void_surplus(job, carrier))
    assert voided == [("S1", ("S1",))]
    assert recovery.describe(job).surplus == 2
    [done] = [e for e in job.notes().to_pylist() if e["event"] == "surplus_voided"]
    assert (done["shipment_id"], done["row"], done["state"]) == ("S1", None, None)
    assert done["at"] is not None


def test_another_account_voids_nothing(home, carrier):
    job = job_of(home, 1)
    ship(job, 0, "N0")
    carrier.identity = type(carrier.identity)("books", "live", "ACCT0042")

    async def void(purchase):
        pytest.fail("the carrier was asked")

    carrier.void = void
    for work in (recovery.void_rows(job, carrier, [0]), recovery.void_surplus(job, carrier)):
        with pytest.raises(JobError, match="belongs to"):
            asyncio.run(work)


def test_a_job_bought_voided_and_run_again_buys_nothing(home, carrier):
    job = job_of(home, 2)
    asyncio.run(execute(job, carrier, grace_s=0.1))
    asyncio.run(recovery.void_rows(job, carrier, [0, 1]))
    assert asyncio.run(execute(JobStore(job.path), carrier, grace_s=0.1)) is JobStatus.COMPLETED
    assert len(carrier.calls) == 2
    assert carrier.sales() == {}
