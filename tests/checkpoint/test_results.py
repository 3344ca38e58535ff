"""What is read from a job: its status, its results row by row, its labels, its plan, its owner."""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import socket
import threading

import numpy as np
import pyarrow as pa
import pytest
from corekit import QUOTE, SANDBOX, draft_of, job_of, plan_of, quotes_of
from filelock import FileLock

from shipkit.common.lock import Holder, held, holder_of
from shipkit.errors import (
    CheckpointCorrupt,
    CheckpointLocked,
    CheckpointVersion,
    CheckpointWriteError,
    JobNotFound,
)
from shipkit.purchasing.store import JobStore, publishing, results
from shipkit.purchasing.store.entries import ENTRIES, LabelBytes, LedgerEntry, to_table
from shipkit.purchasing.store.manifest import (
    Manifest,
    account_key,
    attempt_reference,
    job_id_of,
    lineage_of,
)
from shipkit.purchasing.store.planrows import PlanRows
from shipkit.purchasing.store.results import job_reason, job_status, scattered
from shipkit.schema import PROBLEMS
from shipkit.state import JobStatus, RowState

AT = 1_762_000_000_000_000


def write(job, *entries):
    with job.own() as ledger:
        for entry in entries:
            ledger.record_now([entry])


def step(row, state, **fields):
    return LedgerEntry(row=row, event="test", state=state, **{"attempt": 1, "at": AT, **fields})


def bought(row, state="shipped", **fields):
    given = {
        "reference": f"REF{row}",
        "shipped_at": AT,
        "tracking_numbers": [f"N{row}", f"N{row}B"],
        "service": "2nd_day_air",
        "charged_cents": 912,
        "currency": "USD",
        "charge_basis": "billed",
        "billed_weight_lb": 3.0,
    }
    return step(row, state, **{**given, **fields})


def with_values(table, **columns):
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        field = table.schema.field(at)
        table = table.set_column(at, field, pa.array(values, field.type))
    return table


# -- results ---------------------------------------------------------------------------------------


def test_a_bought_row_has_what_the_carrier_answered(home):
    job = job_of(home, 1)
    write(job, step(0, "in_flight"), bought(0))
    [row] = job.results().to_pylist()
    at = dt.datetime.fromtimestamp(AT / 1e6, dt.UTC)
    assert row == {
        "row_number": 1,
        "order_id": "A0000000",
        "state": "shipped",
        "tracking_number": "N0",
        "tracking_numbers": ["N0", "N0B"],
        "service": "2nd_day_air",
        "ship_from": None,
        "bill_to": None,
        "return_of": None,
        "carrier": "books",
        "seller": "books",
        "quoted_cents": QUOTE,
        "charged_cents": 912,
        "charged": 9.12,
        "charge_basis": "billed",
        "billed_weight_lb": 3.0,
        "currency": "USD",
        "shipkit_reference": "REF0",
        "user_references": None,
        "attempts": 1,
        "shipped_at": at,
        "voided_at": None,
        "live": False,
        "account": "0042",
        "error_code": None,
        "error_message": None,
        "fix": None,
        "refund": None,
    }


def test_a_voided_row_keeps_its_numbers_and_has_the_time_of_voiding(home):
    job = job_of(home, 1)
    write(job, step(0, "in_flight"), bought(0), bought(0, "voided", at=AT + 5_000_000))
    [row] = job.results().to_pylist()
    assert (row["state"], row["tracking_number"], row["charged_cents"]) == ("voided", "N0", 912)
    assert row["voided_at"] - row["shipped_at"] == dt.timedelta(seconds=5)


def test_a_row_that_is_not_bought_has_no_numbers_no_charge_and_the_quotes_currency(home):
    job = job_of(home, 3)
    write(
        job,
        step(0, "in_flight"),
        step(0, "failed", code="120100", message="No.", fix="Correct.", attempt=2),
        step(1, "in_flight"),
        bought(1, "in_doubt"),  # numbers of a row in doubt are not results
    )
    failed, doubt, pending = job.results().to_pylist()
    assert (failed["error_code"], failed["error_message"], failed["fix"]) == (
        "120100",
        "No.",
        "Correct.",
    )
    assert failed["attempts"] == 2
    for row in (failed, doubt, pending):
        for name in (
            "tracking_number",
            "tracking_numbers",
            "charged_cents",
            "charged",
            "charge_basis",
            "billed_weight_lb",
            "shipped_at",
            "voided_at",
        ):
            assert row[name] is None, name
        assert (row["currency"], row["service"]) == ("USD", "ground")
    assert pending["attempts"] == 0
    assert pending["shipkit_reference"] is None


def test_a_row_in_flight_is_in_doubt_when_no_process_runs_the_job(home):
    job = job_of(home, 2)
    with job.own() as ledger:
        ledger.record_now([step(0, "in_flight")])
        assert job.results().column("state").to_pylist() == ["in_flight", "pending"]
        assert job.status_counts()[RowState.IN_FLIGHT] == 1
    assert job.results().column("state").to_pylist() == ["in_doubt", "pending"]
    assert job.counts()[RowState.IN_FLIGHT] == 1
    assert job.status_counts()[RowState.IN_FLIGHT] == 0
    assert job.status_counts()[RowState.IN_DOUBT] == 1


def test_a_skipped_row_has_the_first_error_of_its_problems(home):
    def problem(row, code, severity, fix):
        given = {"row_number": row, "code": code, "severity": severity, "fix": fix}
        return {**dict.fromkeys(PROBLEMS.names), "problem": "x", **given}

    problems = pa.Table.from_pylist(
        [
            problem(2, "zip_restored", "warning", "Look."),
            problem(2, "no_street", "error", "Fill it in."),
            problem(2, "no_city", "error", "Another."),
            problem(1, "no_name", "error", "Not this row's."),
        ],
        schema=PROBLEMS,
    )
    draft = draft_of(3, skipped={1: "no street", 2: "set aside"})
    job = JobStore.publish(home, type(draft)(**{**draft.__dict__, "problems": problems}))
    pending, error, aside = job.results().to_pylist()
    assert (pending["state"], pending["error_code"], pending["fix"]) == ("pending", None, None)
    assert (error["state"], error["error_code"], error["error_message"], error["fix"]) == (
        "skipped",
        "no_street",
        "no street",
        "Fill it in.",
    )
    assert (aside["error_code"], aside["error_message"], aside["fix"]) == (
        "skipped",
        "set aside",
        None,
    )
    assert job.skipped_reasons().to_pylist() == [None, "no street", "set aside"]


def test_charges_in_several_currencies_are_each_in_their_own_major_unit(home):
    quotes = with_values(quotes_of(3), currency=["USD", "JPY", None])
    job = job_of(home, 3, quotes=quotes)
    steps = [step(row, "in_flight") for row in range(3)]
    write(
        job,
        *steps,
        bought(0, charged_cents=912),
        bought(1, charged_cents=912, currency="JPY"),
        bought(2, charged_cents=None, currency=None),
    )
    assert job.results().column("charged").to_pylist() == [9.12, 912.0, None]
    one = job_of(
        home, 1, plan=plan_of(1, first=50), quotes=with_values(quotes_of(1), currency=["JPY"])
    )
    write(one, step(0, "in_flight"), bought(0, currency="JPY"))
    assert one.results().column("charged").to_pylist() == [912.0]


def test_values_are_scattered_to_their_rows():
    found = scattered(np.array([2, 0]), pa.array(["two", "zero"]), 4)
    assert found.to_pylist() == ["zero", None, "two", None]
    chunked = pa.chunked_array([["a"], ["b"]])
    assert scattered(np.array([1, 0]), chunked, 2).to_pylist() == ["b", "a"]


# -- status ----------------------------------------------------------------------------------------


def notes_of(*events):
    """Return notes: names of events, or pairs of a name and its details."""
    lines = [
        LedgerEntry(
            None,
            event if isinstance(event, str) else event[0],
            None,
            details=None if isinstance(event, str) else json.dumps(event[1]),
        )
        for event in events
    ]
    if not lines:
        return ENTRIES.empty_table().drop_columns(["labels"])
    return to_table(lines, first_entry=1, sequence=1).drop_columns(["labels"])


FAILED_END = ("end", {"status": "failed", "reason": "the disk is full"})
PAUSED_END = ("end", {"status": "paused", "reason": "paused"})


@pytest.mark.parametrize(
    ("events", "counts", "running", "status", "reason"),
    [
        ([], {"pending": 2}, False, "paused", None),
        (["run"], {"pending": 2}, True, "running", "the process that ran it was killed"),
        (["run"], {"pending": 2}, False, "paused", "the process that ran it was killed"),
        (["run", PAUSED_END], {"pending": 2}, False, "paused", "paused"),
        (["run", FAILED_END], {"pending": 1, "shipped": 1}, False, "failed", "the disk is full"),
        (["run", FAILED_END, "run", PAUSED_END], {"pending": 1}, False, "paused", "paused"),
        (["run", FAILED_END, "run"], {"pending": 1}, False, "paused", "was killed"),
        (["run", PAUSED_END, "pruned"], {"pending": 1}, False, "paused", "paused"),
        (["run", PAUSED_END], {"in_flight": 1}, False, "paused", "paused"),
        (["run", PAUSED_END], {"in_doubt": 1}, False, "paused", "paused"),
        (["run", FAILED_END], {"shipped": 2}, False, "completed", None),
        (["run", PAUSED_END], {"voided": 1, "skipped": 1}, False, "completed", None),
        (["run", PAUSED_END], {"shipped": 1, "failed": 1}, False, "completed_with_errors", None),
        (["run", PAUSED_END], {"review": 1}, False, "completed_with_errors", None),
        (["cancelled", PAUSED_END], {"pending": 1}, False, "cancelled", "paused"),
        (["cancelled"], {"shipped": 1}, False, "cancelled", None),
        (["cancelled"], {"pending": 1}, True, "running", None),
    ],
)
def test_a_jobs_status_follows_from_its_notes_and_its_rows(events, counts, running, status, reason):
    full = {state: counts.get(str(state), 0) for state in RowState}
    notes = notes_of(*events)
    assert job_status(notes, full, running=running) is JobStatus(status)
    found = job_reason(notes, full)
    assert found is None if reason is None else reason in found


# -- labels ----------------------------------------------------------------------------------------


def test_labels_come_whole_row_by_row_also_when_few_segments_are_kept(home, monkeypatch):
    monkeypatch.setattr(results, "_CACHED_BYTES", 1)
    job = job_of(home, 4)
    labels = [
        [
            LabelBytes(f"N{row}", "png", "document" if i else "label", i, b"%d-%d" % (row, i))
            for i in range(2)
        ]
        for row in range(3)
    ]
    write(
        job,
        *(step(row, "in_flight") for row in range(4)),
        *(bought(row, labels=labels[row]) for row in range(3)),
        step(3, "failed"),
    )
    everything = [
        (row, f"N{row}", "png", b"%d-%d" % (row, i), "document" if i else "label", i)
        for row in range(3)
        for i in range(2)
    ]
    assert [tuple(label) for label in job.labels()] == everything
    assert [label.row for label in job.labels([2, 0, 3, 2])] == [2, 2, 0, 0, 2, 2]


def test_the_segments_read_last_are_kept_and_the_others_let_go(home, monkeypatch):
    job, loads = job_of(home, 3), []
    sizes = []
    for row in range(3):
        data = LabelBytes(f"N{row}", "pdf", "label", 0, b"x" * 1000)
        write(job, step(row, "in_flight"), bought(row, labels=[data]))
    read = results._LabelReader._load

    def counting(reader, sequence):
        loads.append(sequence)
        size, found = read(reader, sequence)
        sizes.append(size)
        return size, found

    monkeypatch.setattr(results._LabelReader, "_load", counting)
    list(job.labels([0, 0, 1, 0]))
    assert loads == [2, 4], "each segment is read once"
    loads.clear()
    monkeypatch.setattr(results, "_CACHED_BYTES", sizes[0] + sizes[1])
    list(job.labels([0, 1, 0, 2, 0, 1]))
    assert loads == [2, 4, 6, 4], "the one that was used longest ago went"


def test_a_missing_segment_of_labels_is_named(home):
    job = job_of(home, 1)
    data = LabelBytes("N0", "pdf", "label", 0, b"x")
    write(job, step(0, "in_flight"), bought(0, labels=[data]))
    with job.own() as ledger:
        ledger.flatten()
    [path] = (job.path / "segments").glob("*-labels.parquet")
    path.unlink()
    assert job.counts()[RowState.SHIPPED] == 1
    with pytest.raises(CheckpointCorrupt, match="00000002") as error:
        list(job.labels())
    assert "reprint" in error.value.fix


# -- the plan --------------------------------------------------------------------------------------


def test_rows_of_a_plan_are_read_in_any_order_a_group_at_a_time(home, monkeypatch):
    monkeypatch.setattr(publishing, "_ROW_GROUP", 4)
    job = job_of(home, 10)
    rows = PlanRows(job.path)
    wanted = [9, 0, 3, 4, 4, 8, 2, 1, 0]
    found = list(rows.dicts(wanted))
    assert [row for row, _ in found] == wanted
    assert [columns["order_id"] for _, columns in found] == [f"A{row:07}" for row in wanted]
    assert [row for row, _ in rows.dicts(np.arange(10))] == list(range(10))
    assert list(rows.dicts([])) == []
    assert rows.one(7).order_id == "A0000007"
    rows.close()


def test_a_group_is_read_once_as_long_as_rows_are_asked_for_in_order(home, monkeypatch):
    monkeypatch.setattr(publishing, "_ROW_GROUP", 4)
    rows, read = PlanRows(job_of(home, 10).path), []
    monkeypatch.setattr(
        rows,
        "_file",
        type(
            "File",
            (),
            {"read_row_group": lambda _, g, f=rows._file: read.append(g) or f.read_row_group(g)},
        )(),
    )
    list(rows.dicts(range(10)))
    rows.one(9)
    assert read == [0, 1, 2]


# -- the manifest ----------------------------------------------------------------------------------


def test_a_manifest_says_what_is_to_be_bought_and_for_how_much(home):
    quotes = with_values(
        quotes_of(5),
        cost_cents=[100, 200, 400, None, 800],
        currency=["USD", "USD", "CAD", "USD", None],
    )
    job = job_of(home, 5, quotes=quotes, skipped={1: "held"}, limits={"total_cents": 5})
    manifest = job.manifest
    assert (manifest.shipments, manifest.skipped, manifest.to_buy) == (5, 1, 4)
    assert manifest.quoted_cents == {"USD": 100, "CAD": 400}
    assert manifest.limits == {"total_cents": 5}
    assert manifest.account_key == account_key(SANDBOX)
    assert (manifest.carrier, manifest.environment, manifest.account_tail, manifest.live) == (
        "books",
        "sandbox",
        "0042",
        False,
    )
    assert str(manifest.identity) == "books SANDBOX ...0042"
    assert abs(manifest.created_at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    assert manifest.lineage == lineage_of(manifest.fingerprint, None)
    assert manifest.schema_version == 1


@pytest.mark.parametrize("name", ["name", "environment", "account"])
def test_another_carrier_environment_or_account_is_other_money(name):
    changed = {"name": "ups", "environment": "live", "account": "OTHER0042"}[name]
    other = type(SANDBOX)(**{**SANDBOX.__dict__, name: changed})
    assert account_key(other) != account_key(SANDBOX)
    assert len(account_key(SANDBOX)) == 32


def test_ids_depend_on_plan_name_and_ordinal_and_on_nothing_else():
    ids = {
        job_id_of(fingerprint, name, ordinal)
        for fingerprint in ("a", "b")
        for name in (None, "x")
        for ordinal in (1, 2)
    }
    assert len(ids) == 8
    assert job_id_of("a", None) == job_id_of("a", None, 1) == job_id_of("a", "")
    assert all(len(job_id) == 16 and job_id.startswith("job-") for job_id in ids)


@pytest.mark.parametrize(
    ("row", "attempt", "reference"),
    [
        (0, 0, "S0123456789A00000000"),
        (35, 1, "S0123456789A0000Z001"),
        (36, 35, "S0123456789A0001000Z"),
        (36**5 - 1, 36**3 - 1, "S0123456789AZZZZZZZZ"),
    ],
)
def test_a_reference_counts_rows_and_attempts_in_base_36(row, attempt, reference):
    assert attempt_reference("S0123456789A", row, attempt) == reference


@pytest.mark.parametrize(("row", "attempt"), [(36**5, 1), (0, 36**3), (-1, 1)])
def test_a_reference_that_would_not_be_unique_is_refused(row, attempt):
    with pytest.raises(ValueError, match="does not fit"):
        attempt_reference("S0123456789A", row, attempt)


def test_what_all_references_of_a_job_begin_with_is_random(home, tmp_path):
    bases = {job_of(tmp_path / str(n), 1).manifest.reference_base for n in range(20)}
    assert len(bases) == 20
    assert all(len(base) == 12 and base[0] == "S" and base.isalnum() for base in bases)


def test_a_manifest_of_this_version_is_read_and_of_a_later_one_refused(home):
    job = job_of(home, 1)
    path = job.path / "manifest.json"
    fields = json.loads(path.read_text())
    assert Manifest.read(job.path)[0] == job.manifest
    path.write_text(json.dumps({**fields, "schema_version": 3}))
    with pytest.raises(CheckpointVersion, match="schema 3"):
        Manifest.read(job.path)
    for broken in ("{", "[]", "{}", json.dumps({**fields, "shipments": "many"})):
        path.write_text(broken)
        with pytest.raises(CheckpointCorrupt, match="cannot be read"):
            Manifest.read(job.path)
    path.unlink()
    with pytest.raises(JobNotFound, match=job.job_id):
        Manifest.read(job.path)


# -- the store -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plan", "quotes", "skipped"])
def test_a_file_that_was_altered_after_publication_is_refused(home, name):
    job = job_of(home, 2, skipped={0: "x"})
    job.verify()
    path = job.path / f"{name}.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(CheckpointCorrupt, match=f"{name}.parquet of {job.job_id} was altered"):
        job.verify()


def test_a_missing_or_unreadable_table_is_named(home):
    job = job_of(home, 2)
    (job.path / "quotes.parquet").write_bytes(b"junk")
    with pytest.raises(CheckpointCorrupt, match=r"quotes\.parquet .* cannot be read"):
        _ = job.quotes
    (job.path / "quotes.parquet").unlink()
    with pytest.raises(CheckpointCorrupt, match=r"quotes\.parquet .* is missing"):
        _ = job.quotes


def test_the_job_of_a_plan_is_its_latest_restart(home):
    draft = draft_of(2, name="monday")
    assert JobStore.of_plan(home, draft.fingerprint, "monday") is None
    made = [JobStore.publish(home, draft, ordinal=n) for n in (1, 2, 3)]
    found = JobStore.of_plan(home, draft.fingerprint, "monday")
    assert found.job_id == made[2].job_id == JobStore.id_of(draft.fingerprint, "monday", 3)
    assert JobStore.of_plan(home, draft.fingerprint, None) is None
    assert [job.manifest.ordinal for job in JobStore.list(home)] == [3, 2, 1]


def test_what_was_read_is_read_again_when_the_ledger_changed(home):
    job = job_of(home, 2)
    assert job.counts()[RowState.PENDING] == 2
    assert job._brief() is job._brief()
    write(job, step(0, "in_flight"))
    assert job.counts()[RowState.PENDING] == 1


def test_staging_folders_of_killed_publishers_are_removed(home):
    job_of(home, 1)
    (home / "jobs" / ".stage-dead").mkdir()
    (home / "jobs" / ".stage-dead" / "plan.parquet").write_text("half")
    job_of(home, 2)
    assert not (home / "jobs" / ".stage-dead").exists()


def test_a_home_that_cannot_be_written_is_said_so(home):
    home.mkdir()
    (home / "jobs").write_text("a file where the folder should be")
    with pytest.raises(CheckpointWriteError, match="cannot be written"):
        JobStore.publish(home, draft_of(1))


def test_jobs_that_cannot_be_read_are_not_listed_and_logged(home, caplog):
    good, bad = job_of(home, 1), job_of(home, 2)
    (bad.path / "manifest.json").write_text("{")
    (home / "jobs" / "job-empty").mkdir()
    (home / "jobs" / "notes").mkdir()
    (home / "jobs" / "job-file").write_text("x")
    assert [job.job_id for job in JobStore.list(home)] == [good.job_id]
    assert bad.job_id in caplog.text


# -- locks -----------------------------------------------------------------------------------------


def test_a_lock_says_who_holds_it_and_forgets_it_afterwards(tmp_path):
    assert holder_of(tmp_path) is None
    with held(tmp_path, what="void"):
        holder = holder_of(tmp_path)
        assert (holder.pid, holder.host, holder.what) == (os.getpid(), socket.gethostname(), "void")
        since = dt.datetime.fromisoformat(holder.since)
        assert abs(since - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
        assert (
            str(holder) == f"process {os.getpid()} on {socket.gethostname()}, since {holder.since}"
        )
    assert holder_of(tmp_path) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["LOCK"]


@pytest.mark.parametrize(
    ("named", "words"),
    [(None, "orders is in use by process"), ("The job job-1", "The job job-1 is in")],
)
def test_a_lock_that_is_held_names_what_is_locked_and_by_whom(tmp_path, named, words):
    folder = tmp_path / "orders"
    folder.mkdir()
    with (
        held(folder, what="watch"),
        pytest.raises(CheckpointLocked, match=words) as error,
        held(folder, what="watch", wait_s=0, named=named),
    ):
        pytest.fail("two owners")
    assert error.value.details["holder"]["pid"] == os.getpid()
    assert error.value.details["holder"]["what"] == "watch"
    assert "Wait until that process has finished" in error.value.fix


def test_a_holder_that_cannot_be_read_is_another_process(tmp_path):
    with held(tmp_path, what="execute"):
        for text in (None, "{", "[]", '{"pid": 1}'):
            (tmp_path / "LOCK.json").unlink(missing_ok=True)
            if text is not None:
                (tmp_path / "LOCK.json").write_text(text)
            assert holder_of(tmp_path) == Holder(0, "unknown", "unknown")
            with (
                pytest.raises(CheckpointLocked, match="in use by another process") as error,
                held(tmp_path, what="execute", wait_s=0),
            ):
                pytest.fail("two owners")
            assert error.value.details["holder"] is None


def test_a_lock_is_waited_for(tmp_path):
    inside, leave = threading.Event(), threading.Event()

    def own():
        with held(tmp_path, what="first"):
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=own)
    thread.start()
    inside.wait(60)
    threading.Timer(0.1, leave.set).start()
    with held(tmp_path, what="second", wait_s=60):
        assert holder_of(tmp_path).what == "second"
    thread.join()


def test_the_lock_is_free_after_an_error_inside(tmp_path):
    with pytest.raises(RuntimeError), held(tmp_path, what="execute"):
        raise RuntimeError("inside")
    with held(tmp_path, what="execute", wait_s=0):
        pass


def test_a_folder_that_cannot_be_locked_or_written_is_said_so(tmp_path, monkeypatch):
    def unsupported(*_, **__):
        raise OSError(errno.ENOSYS, "Function not implemented")

    (tmp_path / "LOCK.json").mkdir()
    with (
        pytest.raises(CheckpointWriteError, match="cannot be written"),
        held(tmp_path, what="execute"),
    ):
        pytest.fail("owned")
    (tmp_path / "LOCK.json").rmdir()
    with held(tmp_path, what="execute", wait_s=0):
        pass
    monkeypatch.setattr(FileLock, "acquire", unsupported)
    with (
        pytest.raises(CheckpointWriteError, match="cannot be locked") as error,
        held(tmp_path, what="execute"),
    ):
        pytest.fail("owned")
    assert "local disk" in error.value.fix
    assert holder_of(tmp_path) is None
