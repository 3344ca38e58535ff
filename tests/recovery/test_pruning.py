"""Old jobs lose what is private and keep their books."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import json

import pyarrow as pa
import pytest
from corekit import SHOP, BookCarrier, ask_after, draft_of, job_of, plan_of, state_counts

import shipkit as sk
from shipkit.common.files import Disk
from shipkit.errors import PreviewNotFound
from shipkit.plan.preview_store import recall, remove
from shipkit.purchasing import recovery
from shipkit.purchasing.recovery import pruning
from shipkit.purchasing.recovery.pruning import _KEPT, prune_job
from shipkit.purchasing.run import Control, execute
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.schema import PROBLEMS, SHIPMENTS

DAY = dt.timedelta(days=1)
LATER = dt.datetime.now(dt.UTC) + 100 * DAY


@pytest.fixture
def job(home, tmp_path):
    job = job_of(home, 30)
    asyncio.run(execute(job, BookCarrier(tmp_path / "books.db", label=b"LABEL-BYTES"), grace_s=0.1))
    return job


def test_addresses_and_labels_go_and_numbers_and_charges_stay(job):
    before = job.results()
    assert recovery.prune(older_than=90 * DAY, now=LATER) == [job.job_id]
    after = JobStore(job.path)
    assert (
        after.results()
        .drop_columns(["user_references"])
        .equals(before.drop_columns(["user_references"]))
    )
    assert state_counts(after) == {"shipped": 30}
    assert list(after.labels()) == []
    assert after.source is None
    for path in job.path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"LABEL-BYTES" not in data
            assert b"Main St" not in data
    assert after.plan.column("address_line1").null_count == 30


def test_of_a_row_only_sizes_prices_and_choices_stay(home, tmp_path):
    plan = plan_of(1)
    row = plan.to_pylist()[0]
    texts = {field.name for field in SHIPMENTS if field.type == pa.string()}
    row |= {name: f"private {name}" for name in texts - set(_KEPT)}
    row["parcels"][0]["description"] = "private parcel"
    plan = pa.Table.from_pylist([row], schema=plan.schema)
    problem = {
        "row_number": 1,
        "field": "name",
        "value": "private value",
        "problem": "'private text' is long",
        "fix": "Shorten 'private fix'.",
        "severity": "warning",
        "code": "too_long",
    }
    problems = pa.Table.from_pylist([problem], schema=PROBLEMS)
    job = JobStore.publish(home, dataclasses.replace(draft_of(1), plan=plan, problems=problems))
    asyncio.run(execute(job, BookCarrier(tmp_path / "one.db"), grace_s=0.1))
    prune_job(job)
    left = JobStore(job.path)
    assert "private" not in repr(left.plan.to_pylist()) + repr(left.problems.to_pylist())
    assert left.plan.column("parcels").to_pylist()[0][0]["weight_lb"] == 2.0
    assert left.problems.column("code").to_pylist() == ["too_long"]
    assert b"private" not in b"".join(p.read_bytes() for p in job.path.rglob("*") if p.is_file())


def test_sentences_about_rows_go_and_their_codes_stay(home):
    quotes = draft_of(3).quotes
    at = {name: quotes.schema.get_field_index(name) for name in ("warnings", "problem", "fix")}
    for name, texts in {
        "warnings": ["'private' is odd", "", ""],
        "problem": [None, None, "'private' has no zone"],
        "fix": [None, None, "correct 'private'"],
    }.items():
        quotes = quotes.set_column(at[name], quotes.schema.field(at[name]), pa.array(texts))
    skipped = {2: "'private' has no zone"}
    job = JobStore.publish(home, dataclasses.replace(draft_of(3), quotes=quotes, skipped=skipped))
    refusal = {"code": "bad_address", "message": "'private' is no city", "fix": "see 'private'"}
    with job.own() as ledger:
        for row, state in ((0, "in_flight"), (0, "failed"), (1, "in_flight"), (1, "shipped")):
            ledger.record_now([LedgerEntry(row, "test", state, attempt=1, **refusal)])
    prune_job(job)
    left = JobStore(job.path)
    left.verify()
    results = left.results()
    assert results["error_code"].to_pylist()[0] == "bad_address"
    assert results["error_message"].to_pylist() == ["removed by prune"] * 3
    assert results["state"].to_pylist() == ["failed", "shipped", "skipped"]
    assert results["fix"].null_count == 3
    assert left.quotes["warnings"].to_pylist() == ["removed by prune", "", ""]
    assert left.quotes["problem"].to_pylist() == [None, None, "removed by prune"]
    assert b"private" not in b"".join(p.read_bytes() for p in job.path.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("states", "cancelled", "pruned"),
    [
        (["in_flight", "shipped"], False, True),
        (["in_flight", "failed"], False, True),
        (["in_flight", "in_doubt", "review"], False, True),
        ([], True, True),
        ([], False, False),
        (["in_flight", "in_doubt"], False, False),
    ],
)
def test_finished_jobs_are_pruned_and_no_others(home, states, cancelled, pruned):
    job = job_of(home, 1)
    with job.own() as ledger:
        for state in states:
            ledger.record_now([LedgerEntry(0, "test", state, attempt=1)])
        if cancelled:
            ledger.record_now([LedgerEntry(None, "cancelled", None)])
    found = recovery.prune(older_than=DAY, now=LATER)
    assert found == ([job.job_id] if pruned else [])
    assert list(found.held) == ([] if pruned else [job.job_id]), "none is left out in silence"
    assert ("left alone" in repr(found)) is not pruned


@pytest.mark.parametrize(("age", "pruned"), [(DAY, True), (DAY - dt.timedelta(seconds=1), False)])
def test_jobs_are_pruned_when_they_are_old_enough(job, age, pruned):
    now = job.manifest.created_at + age
    assert recovery.prune(older_than=DAY, now=now, dry_run=True) == ([job.job_id] * pruned)
    assert not job.pruned, "a dry run changes nothing"
    assert recovery.prune(older_than=DAY, now=now) == ([job.job_id] * pruned)


def test_a_job_that_a_process_owns_is_left_alone(job):
    with job.own("write_back"):
        found = recovery.prune(older_than=DAY, now=LATER)
    assert (found, list(found.held)) == ([], [job.job_id])


def test_pruning_again_does_nothing(job):
    recovery.prune(older_than=DAY, now=LATER)
    assert recovery.prune(older_than=DAY, now=LATER) == []
    assert job.status == "completed"


def dying_after(operations):
    """Return a disk that fails after so many operations."""

    class Dying(Disk):
        left = operations

        def _one(self):
            self.left -= 1
            if self.left < 0:
                raise OSError(5, "the machine died")

        def write(self, path, data):
            self._one()
            super().write(path, data)

        def rename(self, old, new):
            self._one()
            super().rename(old, new)

        def remove(self, path):
            self._one()
            super().remove(path)

    return Dying()


@pytest.mark.parametrize("operations", range(1, 13))
def test_a_prune_that_was_cut_short_leaves_a_good_job_and_is_finished_by_the_next(job, operations):
    with pytest.raises(OSError, match="died"):
        prune_job(job, disk=dying_after(operations))
    again = JobStore(job.path)
    again.verify()
    assert state_counts(again) == {"shipped": 30}
    assert recovery.prune(older_than=DAY, now=LATER) == [job.job_id]
    assert not any(b"LABEL-BYTES" in path.read_bytes() for path in job.path.rglob("*.parquet"))


@pytest.mark.parametrize("operations", [None, *range(1, 7)])
def test_a_job_that_an_earlier_version_pruned_is_pruned_again(job, monkeypatch, operations):
    with monkeypatch.context() as earlier:
        earlier.setattr(pruning, "_KEPT", _KEPT | {"name"})
        earlier.setattr(pruning, "_ALLOW_LIST", "another")
        assert recovery.prune(older_than=DAY, now=LATER) == [job.job_id]
        assert recovery.prune(older_than=DAY, now=LATER) == []
    assert JobStore(job.path).plan.column("name").null_count == 0
    if operations is not None:
        with pytest.raises(OSError, match="died"):
            prune_job(JobStore(job.path), disk=dying_after(operations))
        JobStore(job.path).verify()
    again = recovery.prune(older_than=DAY, now=LATER)
    if operations is None or operations < 4:  # later nothing of it is left
        assert again == [job.job_id]
    assert JobStore(job.path).plan.column("name").null_count == 30
    JobStore(job.path).verify()
    assert recovery.prune(older_than=DAY, now=LATER) == []


def test_one_that_was_pruned_before_there_was_a_list_is_pruned_again(job):
    prune_job(job)
    said = json.loads((job.path / "PRUNED").read_bytes())
    (job.path / "PRUNED").write_text(json.dumps({"plan.parquet": said["plan.parquet"]}))
    assert recovery.prune(older_than=DAY, now=LATER) == [job.job_id]
    assert recovery.prune(older_than=DAY, now=LATER) == []


def test_a_pruned_origin_is_not_taken_for_the_shippers(home):
    plan = plan_of(2)
    place = {"company": "Barn", "city": "Waco", "postal_code": "76701"}
    rows = plan.to_pylist()
    rows[1]["ship_from"] = place | {"state": "TX", "country": "US", "phone": "2105550199"}
    plan = pa.Table.from_pylist(rows, schema=plan.schema)
    job = JobStore.publish(home, dataclasses.replace(draft_of(2), plan=plan))
    assert job.results()["ship_from"].to_pylist() == [None, "Barn, Waco, TX 76701"]
    prune_job(job)
    left = JobStore(job.path)
    assert left.results()["ship_from"].to_pylist() == [None, "removed by prune, TX"]
    kept = left.plan["ship_from"].to_pylist()[1]
    assert {name for name, value in kept.items() if value} == {"company", "state", "country"}


def test_a_dry_run_and_young_or_open_jobs_change_nothing(home, job, tmp_path):
    control = Control()
    unfinished = job_of(home, 60, on_duplicate="ship")
    carrier = BookCarrier(tmp_path / "more.db", latency_s=0.01, hook=ask_after(10, control.pause))
    asyncio.run(execute(unfinished, carrier, control=control, grace_s=0.1))
    assert recovery.prune(older_than=DAY, now=LATER, dry_run=True) == [job.job_id]
    assert len(list(job.labels())) == 30
    assert recovery.prune(older_than=DAY) == []
    assert recovery.prune(older_than=DAY, now=LATER) == [job.job_id]


def test_a_pruned_job_can_still_be_voided(job, tmp_path):
    recovery.prune(older_than=DAY, now=LATER)
    fresh = JobStore(job.path)
    asyncio.run(recovery.void_rows(fresh, BookCarrier(tmp_path / "books.db"), [3]))
    assert state_counts(fresh) == {"shipped": 29, "voided": 1}


def test_previews_that_cannot_be_approved_any_more_are_removed(home, tmp_path):
    orders = [{"name": "Ann Lee", "address": "1 Oak St", "city": "Austin", "zip": "78701"}]
    with sk.BatchSession(orders, shipper=SHOP, home=home) as session:
        session.map(service="ground", defaults={"weight_lb": 2, "state": "TX"}).preview()
        kept = session.preview_id
    unfinished = home / "previews" / ".new-abc"
    unfinished.mkdir()
    names = [unfinished.name, kept]
    now = dt.datetime.now(dt.UTC)
    early = {"older_than": dt.timedelta(0), "now": now + dt.timedelta(seconds=1)}
    assert recovery.prune(home, **early).previews == [], "it can be approved, or is being written"
    assert recovery.prune(home, older_than=DAY, now=LATER, dry_run=True).previews == names
    assert sorted(path.name for path in (home / "previews").iterdir()) == names
    assert recovery.prune(home, older_than=DAY, now=LATER).previews == names
    assert list((home / "previews").iterdir()) == []
    with pytest.raises(PreviewNotFound):
        recall(home, kept)


def test_a_job_does_not_need_its_preview(home):
    orders = [{"name": "Ann Lee", "address": "1 Oak St", "city": "Austin", "zip": "78701"}]
    with sk.BatchSession(orders, shipper=SHOP, home=home) as session:
        session.map(service="ground", defaults={"weight_lb": 2, "state": "TX"}).preview()
        session.approve()
        preview_id, job_id = session.preview_id, session.execute(progress=False).job_id
    remove(home, preview_id)
    job = sk.Job.open(job_id, home=home)
    assert job.resume().shipped == 1
    assert list(job.results()["state"]) == ["shipped"]
    assert list(job.void(all=True)["state"]) == ["voided"]
