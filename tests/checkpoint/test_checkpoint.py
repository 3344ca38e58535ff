"""A job on disk: published once, read by anybody, owned by one."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from corekit import BookCarrier, draft_of, job_of, state_counts

import shipkit.purchasing.store.compaction
from shipkit import __version__
from shipkit.common.files import Disk
from shipkit.errors import (
    CheckpointCorrupt,
    CheckpointLocked,
    CheckpointVersion,
    CheckpointWriteError,
    JobExists,
    JobNotFound,
)
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.purchasing.store.manifest import attempt_reference
from shipkit.state import JobStatus, RowState


def buy(job, carrier, **options):
    return asyncio.run(execute(job, carrier, grace_s=0.2, **options))


@pytest.fixture
def bought(home, tmp_path):
    job = job_of(home, 40)
    buy(job, BookCarrier(tmp_path / "books.db"))
    return job


def segments(job, pattern="seg-*.parquet"):
    return sorted((job.path / "segments").glob(pattern), key=lambda p: p.name.split("-")[2])


# -- publication -----------------------------------------------------------------------------------


def test_the_same_plan_and_name_is_the_same_job(home):
    first, second = job_of(home, 3, name="monday"), job_of(home, 3, name="monday")
    assert first.job_id == second.job_id
    assert first.manifest == second.manifest, "the second caller opens the first one's job"
    assert job_of(home, 3, name="tuesday").job_id != first.job_id
    assert JobStore.id_of(first.manifest.fingerprint, "monday") == first.job_id


def test_many_callers_of_one_plan_publish_one_job(home):
    draft, found, gate = draft_of(3), [], threading.Barrier(8)

    def publish():
        gate.wait()
        found.append(JobStore.publish(home, draft).manifest.reference_base)

    threads = [threading.Thread(target=publish) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [p.name for p in (home / "jobs").iterdir() if p.name.startswith(".")] == [], (
        "nothing staged is left behind"
    )


def test_a_name_belongs_to_one_plan(home):
    job_of(home, 3, name="monday")
    with pytest.raises(JobExists, match="monday"):
        job_of(home, 4, name="monday")


def test_a_half_made_job_is_no_job(home):
    class Dying(Disk):
        def rename(self, old: Path, new: Path) -> None:
            raise OSError(5, "the machine died")

    with pytest.raises(CheckpointWriteError):
        JobStore.publish(home, draft_of(3), disk=Dying())
    assert JobStore.list(home) == []
    assert JobStore.publish(home, draft_of(3)).counts()[RowState.PENDING] == 3


def test_the_folders_are_private(bought):
    for path in [bought.path, *bought.path.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_an_unknown_job_says_where_to_look(home):
    for job_id in ("job-unknown", "../jobs", "", ".stage-1"):
        with pytest.raises(JobNotFound):
            JobStore.open(home, job_id)


def test_a_job_of_a_newer_shipkit_is_refused_clearly(home):
    job = job_of(home, 2)
    path = job.path / "manifest.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "schema_version": 99, "shipkit_version": "9.0"}))
    with pytest.raises(CheckpointVersion, match=r"shipkit 9\.0"):
        JobStore.open(home, job.job_id)


def test_a_changed_manifest_is_refused(bought):
    path = bought.path / "manifest.json"
    path.write_text(path.read_text().replace('"quoted_cents"', ' "quoted_cents"'))
    with pytest.raises(CheckpointCorrupt):
        JobStore(bought.path).counts()


def test_a_changed_plan_is_refused_before_anything_is_sent(home, tmp_path):
    job, carrier = job_of(home, 3), BookCarrier(tmp_path / "books.db")
    (job.path / "plan.parquet").write_bytes((job_of(home, 4).path / "plan.parquet").read_bytes())
    with pytest.raises(CheckpointCorrupt, match=r"plan\.parquet"):
        buy(job, carrier)
    assert carrier.calls == []


def test_references_are_short_plain_and_never_the_same(home):
    job = job_of(home, 3)
    made = {job.reference(row, attempt) for row in range(200) for attempt in range(1, 30)}
    made |= {attempt_reference(job.manifest.reference_base, row, 1) for row in (10**6, 6 * 10**7)}
    assert len(made) == 200 * 29 + 2
    assert all(len(r) <= 20 and r.isalnum() and r.isupper() and r.isascii() for r in made)


def test_the_same_plan_in_another_home_has_other_references(home, tmp_path):
    assert job_of(home, 3).reference(0, 1) != job_of(tmp_path / "elsewhere", 3).reference(0, 1)


# -- the lock --------------------------------------------------------------------------------------


def test_the_second_owner_is_told_who_holds_the_job(home):
    job = job_of(home, 2)
    with job.own("execute"):
        assert job.owner().pid == os.getpid()
        with (
            pytest.raises(CheckpointLocked, match=f"process {os.getpid()} on"),
            JobStore.open(home, job.job_id).own(),
        ):
            pytest.fail("two owners")
        assert job.status is JobStatus.RUNNING
    assert job.owner() is None


def test_threads_of_one_process_exclude_each_other(home):
    job, found, all_tried = job_of(home, 2), [], threading.Barrier(6)

    def enter():
        try:
            with JobStore.open(home, job.job_id).own():
                found.append("owner")
                all_tried.wait()  # the owner stays until the others were refused
        except CheckpointLocked:
            found.append("refused")
            all_tried.wait()

    threads = [threading.Thread(target=enter) for _ in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sorted(found) == ["owner"] + ["refused"] * 5


def test_a_killed_owner_frees_the_job(home):
    job = job_of(home, 2)
    code = f"""
import time; from pathlib import Path; from shipkit.purchasing.store import JobStore
with JobStore.open(Path({str(home)!r}), {job.job_id!r}).own():
    print("owned", flush=True); time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "owned\n"
    assert job.owner().pid == child.pid
    with pytest.raises(CheckpointLocked, match=str(child.pid)), job.own():
        pytest.fail("two owners")
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert job.owner() is None
    with job.own() as ledger:
        assert ledger.count(RowState.PENDING) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes can be forked")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_does_not_keep_the_lock(home):
    job = job_of(home, 2)
    with job.own():
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(5,))
        child.start()
    assert job.owner() is None
    with job.own():
        assert child.is_alive()
    child.kill()
    child.join()
    child.close()


def test_a_child_that_exits_does_not_free_its_parents_lock(home):
    job = job_of(home, 2)
    with job.own():
        child = multiprocessing.get_context("fork").Process(target=int)
        child.start()
        child.join()
        child.close()
        assert job.owner().pid == os.getpid()


# -- the chain -------------------------------------------------------------------------------------


def test_a_deleted_newest_segment_is_refused_and_never_read_as_pending(bought):
    segments(bought)[-1].unlink()
    with pytest.raises(CheckpointCorrupt, match="has no segment"):
        JobStore(bought.path).counts()


def test_a_deleted_segment_in_the_middle_is_refused(bought):
    segments(bought)[1].unlink()
    with pytest.raises(CheckpointCorrupt):
        JobStore(bought.path).counts()


def test_all_segments_deleted_is_refused(bought):
    for path in segments(bought):
        path.unlink()
    with pytest.raises(CheckpointCorrupt):
        JobStore(bought.path).counts()


def test_a_missing_or_torn_head_is_refused_or_read_from_its_other_half(bought):
    head = bought.path / "HEAD"
    data = head.read_bytes()
    half = len(data) // 2
    counts = bought.counts()
    for torn in (b"\0" * half + data[half:], data[:half] + b"x" * half):
        head.write_bytes(torn)
        assert JobStore(bought.path).counts() == counts
    for lost in (b"", b"\0" * len(data)):
        head.write_bytes(lost)
        with pytest.raises(CheckpointCorrupt, match="HEAD"):
            JobStore(bought.path).counts()
    head.unlink()
    with pytest.raises(CheckpointCorrupt, match="HEAD"):
        JobStore(bought.path).counts()


@pytest.mark.parametrize("place", [0, 200, -20])
def test_a_flipped_bit_in_a_segment_is_refused(bought, place):
    path = segments(bought)[1]
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointCorrupt, match="altered"):
        JobStore(bought.path).counts()


def test_a_truncated_segment_is_refused(bought):
    path = segments(bought)[1]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointCorrupt):
        bought.results()


def test_half_written_temporary_files_do_not_matter(bought):
    counts = bought.counts()
    (bought.path / "segments" / ".tmp-seg-000001-00000099-0123456789abcdef.parquet").write_bytes(
        b"PAR1 half"
    )
    assert JobStore(bought.path).counts() == counts


def test_names_are_never_used_twice(home, tmp_path):
    job = job_of(home, 10)
    carrier = BookCarrier(tmp_path / "books.db")
    names = set()
    for _ in range(3):
        with job.own() as ledger:
            ledger.record_now([LedgerEntry(row=None, event="note", state=None)])
        fresh = {p.name for p in segments(job)} - names
        assert len(fresh) == 1
        names |= fresh
    assert [int(name.split("-")[1]) for name in sorted(names)] == [1, 2, 3], (
        "a generation for each owner"
    )
    buy(job, carrier)


def test_an_illegal_move_is_refused_before_it_is_recorded(home):
    job = job_of(home, 2)
    with (
        job.own() as ledger,
        pytest.raises(AssertionError, match="cannot go from pending to shipped"),
    ):
        ledger.record_now([LedgerEntry(row=0, event="result", state="shipped")])
    assert state_counts(job) == {"pending": 2}


# -- the disk --------------------------------------------------------------------------------------


class FullAfter(Disk):
    """A disk that takes so many files and then is full."""

    def __init__(self, files: int) -> None:
        self.left = files

    def write(self, path: Path, data: bytes) -> None:
        if self.left <= 0:
            path.write_bytes(data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        self.left -= 1
        super().write(path, data)


@pytest.mark.parametrize("files", range(0, 12, 2))
def test_a_full_disk_ends_with_a_status_and_the_job_goes_on_later(
    home, tmp_path, files, monkeypatch
):
    job, carrier = job_of(home, 240), BookCarrier(tmp_path / "books.db", latency_s=0.002)
    full = FullAfter(files)
    monkeypatch.setattr(job, "disk", full)
    assert buy(job, carrier) is JobStatus.FAILED
    assert "No space left" in job.reason
    assert job.status is JobStatus.FAILED
    monkeypatch.setattr(job, "disk", Disk())
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert set(carrier.sales().values()) == {1}
    assert len(carrier.sales()) == 240


def test_a_failed_commit_fails_every_waiter_at_once(home):
    job = job_of(home, 8)

    async def work():
        with job.own(disk=FullAfter(0)) as ledger:
            line = [
                LedgerEntry(row=row, event="intent", state="in_flight", attempt=1)
                for row in range(8)
            ]
            waiters = [ledger.record([one]) for one in line]
            found = await asyncio.gather(*waiters, return_exceptions=True)
            assert {type(error) for error in found} == {CheckpointWriteError}
            with pytest.raises(CheckpointWriteError):
                ledger.record([LedgerEntry(row=None, event="note", state=None)])

    asyncio.run(work())
    assert state_counts(job) == {"pending": 8}


def test_a_clock_set_back_changes_nothing(home, tmp_path, monkeypatch):
    job, carrier = job_of(home, 30), BookCarrier(tmp_path / "books.db")
    ticks = iter(range(10**9, 0, -1))
    monkeypatch.setattr(time, "time_ns", lambda: next(ticks) * 10**9)
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert state_counts(JobStore(job.path)) == {"shipped": 30}


# -- reading ---------------------------------------------------------------------------------------


def test_the_counts_always_add_up_to_the_plan(home, tmp_path):
    seen = []

    async def hook(carrier, shipment, reference):
        seen.append(sum(JobStore.open(home, job.job_id).counts().values()))

    job = job_of(home, 30, skipped={2: "held"})
    buy(job, BookCarrier(tmp_path / "books.db", hook=hook))
    assert set(seen) == {30}


def test_duckdb_and_pandas_read_the_books_without_shipkit_while_the_job_runs(home, tmp_path):
    seen = []

    async def hook(carrier, shipment, reference):
        files = str(job.path / "segments" / "*.parquet")
        query = (
            "select state, count(*) from (select row, arg_max(state, entry) as state from "
            f"'{files}' where state is not null group by row) group by state"
        )
        seen.append(dict(duckdb.sql(query).fetchall()))

    job = job_of(home, 20)
    buy(job, BookCarrier(tmp_path / "books.db", hook=hook))
    assert seen[-1]["shipped"] > 0
    frame = pd.read_parquet(job.path / "plan.parquet")
    assert len(frame) == 20


def test_notes_are_there_when_a_compaction_took_their_files_away(bought):
    """The race of a reader with a running job: found by the kill harness, forced here."""
    before, chain = bought.notes(), bought.chain(("row", "state"))
    assert before.num_rows > 0
    for link in chain.links:
        link.part.path.unlink()
    assert chain.notes().equals(before)


def test_labels_come_in_the_order_asked_for_and_byte_for_byte(home, tmp_path):
    job = job_of(home, 30)
    buy(job, BookCarrier(tmp_path / "books.db", label=b"\x00\xff raw %PDF"))
    numbers = job.results().column("tracking_number").to_pylist()
    order = [17, 3, 29, 0]
    labels = list(job.labels(order))
    assert [label.row for label in labels] == order
    assert [label.data for label in labels] == [
        b"\x00\xff raw %PDF" + numbers[row].encode() for row in order
    ]
    assert {(label.format, label.kind, label.parcel_index) for label in labels} == {
        ("pdf", "label", 0)
    }


def test_results_have_the_columns_of_the_api(bought):
    table = bought.results()
    assert table.column_names == [
        "row_number",
        "order_id",
        "state",
        "tracking_number",
        "tracking_numbers",
        "service",
        "carrier",
        "seller",
        "quoted_cents",
        "charged_cents",
        "charged",
        "charge_basis",
        "billed_weight_lb",
        "currency",
        "shipkit_reference",
        "user_references",
        "attempts",
        "shipped_at",
        "voided_at",
        "live",
        "account",
        "error_code",
        "error_message",
        "fix",
        "ship_from",
        "bill_to",
        "return_of",
        "refund",
    ]
    row = table.to_pylist()[0]
    assert (row["charged"], row["live"], row["account"], row["service"]) == (
        8.5,
        False,
        "0042",
        "ground",
    )
    assert row["shipped_at"].tzinfo is not None
    assert abs(row["shipped_at"] - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)


def test_a_job_without_rows_or_results_has_results_too(home):
    assert job_of(home, 0).results().num_rows == 0
    assert job_of(home, 3).results().column("state").to_pylist() == ["pending"] * 3
    assert list(job_of(home, 3).labels()) == []


def test_the_list_of_jobs_is_newest_first(home):
    made = [job_of(home, n).job_id for n in (1, 2, 3)]
    assert [job.job_id for job in JobStore.list(home)] == made[::-1]
    assert JobStore.list(home / "nowhere") == []


def test_the_version_that_wrote_a_job_is_kept(home):
    assert job_of(home, 1).manifest.shipkit_version == __version__


def test_a_table_that_was_a_view_of_another_is_stored_right(home):
    draft = draft_of(6)
    sliced = draft.plan.slice(2, 3)
    job = JobStore.publish(home, draft_of(3, plan=sliced))
    assert job.plan.equals(pa.table(sliced))


def test_a_folder_whose_locks_do_not_hold_is_refused(home, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    job = job_of(home, 2)
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)  # what some network folders do
    with pytest.raises(CheckpointWriteError, match="gives the same lock twice"), job.own():
        pass


def test_compaction_writes_no_label_bytes_and_leaves_those_that_are_there(
    home, tmp_path, monkeypatch
):
    monkeypatch.setattr(shipkit.purchasing.store.compaction, "COMPACT_AFTER", 4)
    monkeypatch.setattr(shipkit.purchasing.store.compaction, "_SPARE_FOR_S", 0.0)
    written = []

    class Noting(Disk):
        def write(self, path, data):
            written.append((path.name, b"%PDF-label" in data))
            super().write(path, data)

    job, carrier = job_of(home, 60), BookCarrier(tmp_path / "books.db", latency_s=0.01)
    monkeypatch.setattr(job, "disk", Noting())
    buy(job, carrier)
    compactions = [labels for name, labels in written if "cmp-" in name]
    assert compactions
    assert not any(compactions)
    assert len({label.row for label in job.labels()}) == 60
    assert len(segments(job)) < sum("seg-" in name for name, _ in written), (
        "segments without labels are gone"
    )


def test_the_next_commit_begins_when_the_one_before_ended_and_takes_all_that_waits(home):
    job, sizes = job_of(home, 50), []

    writing, all_queued = threading.Event(), threading.Event()

    class Slow(Disk):
        def publish(self, folder, name, data):
            writing.set()
            assert all_queued.wait(60)
            super().publish(folder, name, data)

    async def work():
        with job.own(disk=Slow()) as ledger:

            def intent(row):
                return ledger.record(
                    [LedgerEntry(row=row, event="intent", state="in_flight", attempt=1)]
                )

            waiters = [intent(0)]
            await asyncio.to_thread(writing.wait)
            waiters += [intent(row) for row in range(1, 50)]
            assert not any(waiter.done() for waiter in waiters)
            all_queued.set()
            await asyncio.gather(*waiters)
            sizes.append(ledger.commits)

    asyncio.run(work())
    assert sizes == [2], "one while the others were queued, and one for all of those"
