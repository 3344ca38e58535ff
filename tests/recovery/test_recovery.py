"""Interrupted jobs: found, described in words, resumed, restarted, cancelled."""

from __future__ import annotations

import asyncio

import pytest
from corekit import QUOTE, BookCarrier, ask_after, job_of, state_counts

from shipkit.errors import AnswerLost, CheckpointLocked, RestartUnconfirmed
from shipkit.purchasing import recovery
from shipkit.purchasing.run import Control, execute
from shipkit.purchasing.store import JobStore
from shipkit.state import JobStatus


def buy(job, carrier, **options):
    return asyncio.run(execute(job, carrier, grace_s=0.2, **options))


@pytest.fixture
def carrier(tmp_path):
    return BookCarrier(tmp_path / "books.db", latency_s=0.02)


@pytest.fixture
def paused(home, carrier):
    job, control = job_of(home, 60, name="monday"), Control()
    carrier.hook = ask_after(20, control.pause)
    assert buy(job, carrier, control=control) is JobStatus.PAUSED
    carrier.hook = None
    return job


def test_jobs_and_interrupted_jobs_are_frames_newest_first(home, carrier, paused):
    done = job_of(home, 3, plan=None, name="done", on_duplicate="ship")
    buy(done, carrier)
    frame = recovery.jobs()
    assert list(frame["job_id"]) == [done.job_id, paused.job_id]
    assert list(frame.columns) == [
        "job_id",
        "name",
        "created_at",
        "status",
        "mode",
        "carrier",
        "live",
        "shipments",
        "shipped",
        "failed",
        "in_doubt",
        "remaining",
        "total_charged_cents",
        "currency",
    ]
    first = frame.iloc[0]
    assert (first["status"], first["shipped"], first["total_charged_cents"], first["currency"]) == (
        "completed",
        3,
        3 * QUOTE,
        "USD",
    )
    assert list(recovery.interrupted_jobs()["job_id"]) == [paused.job_id]


def test_no_jobs_is_an_empty_frame_with_the_same_columns(home):
    assert len(recovery.jobs()) == 0
    assert "job_id" in recovery.jobs().columns
    assert recovery.check_interrupted_jobs() == []


def test_a_job_that_somebody_runs_is_not_interrupted(paused):
    with paused.own():
        assert len(recovery.interrupted_jobs()) == 0
        assert list(recovery.jobs()["status"]) == ["running"]


def test_the_prompt_says_in_words_what_stands_and_what_each_choice_does(paused):
    [found] = recovery.check_interrupted_jobs()
    counts = state_counts(paused)
    text = str(found)
    assert (
        f"{paused.job_id} (monday) on books SANDBOX ...0042: {counts['shipped']} of 60 rows done"
        in text
    )
    assert "(paused)" in text
    assert f"confirm_paid_labels={counts['shipped']}" in text
    assert "void_first=True to void them before anything is bought" in text
    assert f"sends the {counts['pending']} rows that were not sent" in text
    assert "Person" in text
    assert "SANDBOX" in found.last_row
    assert [name for name, _ in found.choices()] == ["resume", "restart", "cancel", "review"]


def test_rows_in_doubt_and_the_last_error_are_told(home, tmp_path):
    async def lost(carrier, shipment, reference):
        if len(carrier.calls) == 4:
            control.pause()
        raise AnswerLost("the line went dead")

    job, control = job_of(home, 4), Control()
    carrier = BookCarrier(tmp_path / "books.db", hook=lost)
    asyncio.run(execute(job, carrier, control=control, grace_s=30))
    text = str(recovery.describe(job))
    assert "4 rows are in doubt" in text
    assert (
        "stay paid unless voided first (4 rows in doubt may be paid for too). Needs "
        "confirm_paid_labels=0."
    ) in text
    assert "the line went dead" in text


def test_restart_needs_the_number_of_paid_labels_and_then_buys_all_anew(home, carrier, paused):
    paid = state_counts(paused)["shipped"]
    for wrong in (None, paid - 1):
        with pytest.raises(RestartUnconfirmed, match=f"bought {paid} labels"):
            recovery.restart(paused, confirm_paid_labels=wrong)
    fresh = recovery.restart(paused, confirm_paid_labels=paid)
    assert fresh.job_id != paused.job_id
    assert fresh.manifest.reference_base != paused.manifest.reference_base
    assert paused.status is JobStatus.CANCELLED
    assert buy(fresh, carrier) is JobStatus.COMPLETED
    assert state_counts(fresh) == {"shipped": 60}
    assert JobStore.of_plan(home, paused.manifest.fingerprint, "monday").job_id == fresh.job_id
    assert sum(carrier.sales().values()) == 60 + paid


def test_restart_after_voiding_needs_no_paid_labels(home, carrier, paused):
    rows = [
        row
        for row, state in enumerate(paused.results().column("state").to_pylist())
        if state == "shipped"
    ]
    asyncio.run(recovery.void_rows(paused, carrier, rows))
    fresh = recovery.restart(paused, confirm_paid_labels=0)
    buy(fresh, carrier)
    assert set(carrier.sales().values()) == {1}


def test_cancel_ends_a_job_for_good(carrier, paused):
    shipped = state_counts(paused)["shipped"]
    recovery.cancel(paused)
    recovery.cancel(paused)
    assert buy(paused, carrier) is JobStatus.CANCELLED
    assert state_counts(paused)["shipped"] == shipped
    assert len(recovery.interrupted_jobs()) == 0


def test_a_running_job_is_neither_cancelled_nor_voided_from_outside(paused, carrier):
    with paused.own():
        with pytest.raises(CheckpointLocked):
            recovery.cancel(paused)
        with pytest.raises(CheckpointLocked):
            asyncio.run(recovery.void_rows(paused, carrier, [0]))


def test_review_changes_nothing(paused):
    before = sorted(p.name for p in paused.path.rglob("*"))
    paused.results()
    recovery.describe(paused)
    recovery.jobs()
    assert sorted(p.name for p in paused.path.rglob("*")) == before
