"""A job in an object store: what another machine finds, and who may write."""

from __future__ import annotations

import asyncio
import shutil
import threading

import pytest
from corekit import BookCarrier, draft_of, state_counts

from shipkit import home_url
from shipkit.carriers.pace import Pacer
from shipkit.common.object_store import ObjectStore, store_of
from shipkit.errors import (
    CarrierRejected,
    CheckpointCorrupt,
    CheckpointFenced,
    CheckpointLocked,
    CheckpointWriteError,
    JobExists,
    JobNotFound,
    NotSent,
    SettingsError,
)
from shipkit.purchasing.recovery import void_rows
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobStore, results
from shipkit.purchasing.store.entries import LabelBytes, LedgerEntry
from shipkit.purchasing.store.ledger import now_us
from shipkit.purchasing.store.results import noted_files
from shipkit.state import RowState


def note(text: str = "note") -> LedgerEntry:
    return LedgerEntry(row=None, event=text, state=None, at=now_us())


def buy(job, carrier, **options):
    options.setdefault("grace_s", 0.1)
    return asyncio.run(execute(job, carrier, pacer=Pacer(concurrency=4), **options))


def test_another_machine_finds_the_job_as_it_was_bought(machine, tmp_path):
    carrier = BookCarrier(tmp_path / "books")
    here = JobStore.publish(machine(), draft_of(30, name="monday"))
    assert buy(here, carrier) == "completed"

    there = JobStore.open(machine(), here.job_id)
    assert there.path != here.path
    assert there.manifest == here.manifest
    assert there.plan.equals(here.plan)
    assert there.results().equals(here.results())
    assert there.status == "completed"
    assert there.owner() is None
    bought = {label.tracking_number: label.data for label in there.labels()}
    assert bought == {label.tracking_number: label.data for label in here.labels()}
    assert set(bought) == carrier.tracking_numbers()
    assert [job.job_id for job in JobStore.list(machine())] == [here.job_id]


def test_the_ledger_of_a_restore_holds_no_label_bytes(machine, tmp_path):
    carrier = BookCarrier(tmp_path / "books", label=b"LABELBYTES" * 100)
    here = JobStore.publish(machine(), draft_of(5))
    buy(here, carrier)
    there = JobStore.open(machine(), here.job_id)
    files = [path for path in there.path.rglob("*") if path.is_file()]
    assert files
    assert not any(b"LABELBYTES" in path.read_bytes() for path in files)
    assert len(list(there.labels())) == 5


def test_files_of_notes_are_objects_and_read_on_another_machine(machine):
    here = JobStore.publish(machine(), draft_of(1))
    paper = LabelBytes("SF-1", "pdf", "manifest", 0, b"%PDF-paper")
    with here.own("manifest") as ledger:
        note = LedgerEntry(row=None, event="manifest", state=None, details="{}", labels=[paper])
        ledger.record_now([note])
    there = JobStore.open(machine(), here.job_id)
    [sequence] = [
        line["label_sequence"] for line in there.notes().to_pylist() if line["event"] == "manifest"
    ]
    assert noted_files(there, sequence) == {"SF-1": b"%PDF-paper"}


def test_a_job_that_was_interrupted_goes_on_on_another_machine(machine, tmp_path):
    carrier = BookCarrier(tmp_path / "books")

    async def dies(carrier, shipment, reference):
        if len(carrier.calls) == 7:  # bought, and nobody learns of it
            carrier.sell(shipment, reference)
            raise KeyboardInterrupt
        return

    carrier.hook = dies
    here = JobStore.publish(machine(), draft_of(20))
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(execute(here, carrier, pacer=Pacer(concurrency=1), grace_s=0.1))
    carrier.hook = None
    there = JobStore.open(machine(), here.job_id)
    assert buy(there, carrier) == "completed"
    assert set(carrier.sales().values()) == {1}
    assert len(carrier.sales()) == 20
    assert state_counts(there)[RowState.SHIPPED] == 20


def test_of_two_machines_that_publish_one_plan_one_job_comes_out(machine):
    first = JobStore.publish(machine(), draft_of(3))
    home = machine()
    second = JobStore.publish(home, draft_of(3))
    assert second.manifest == first.manifest  # its references too, which are random
    assert second.results().equals(first.results())


def test_a_publish_that_lost_the_race_takes_the_job_of_the_winner(machine, monkeypatch):
    winner = JobStore.publish(machine(), draft_of(3))
    home = machine()
    # As if the other one had published between the look and the upload.
    monkeypatch.setattr("shipkit.purchasing.store.job_objects.JobObjects.exists", False)
    loser = JobStore.publish(home, draft_of(3))
    assert loser.manifest.reference_base == winner.manifest.reference_base


def test_one_name_is_one_plan_on_all_machines(machine):
    first = JobStore.publish(machine(), draft_of(3, name="monday"))
    with pytest.raises(JobExists, match=first.job_id):
        JobStore.publish(machine(), draft_of(4, name="monday"))


def test_a_name_that_is_being_published_elsewhere_is_refused(machine, monkeypatch):
    JobStore.publish(machine(), draft_of(3, name="monday"))
    home = machine()
    monkeypatch.setattr(JobStore, "list", classmethod(lambda cls, home: []))  # before it was listed
    with pytest.raises(JobExists, match="another machine"):
        JobStore.publish(home, draft_of(4, name="monday"))


def test_a_job_that_is_not_there_is_not_found_and_named_by_its_url(machine):
    home = machine()
    with pytest.raises(JobNotFound, match=home_url.url_of(home)):
        JobStore.open(home, "job-000000000000")


# -- owning --------------------------------------------------------------------------------------


def test_a_machine_that_lives_keeps_its_job(machine):
    here = JobStore.publish(machine(), draft_of(3))
    with here.own("execute") as ledger:
        there = JobStore.open(machine(), here.job_id)
        assert there.owner() is not None
        assert there.status == "running"
        with pytest.raises(CheckpointLocked, match="in use by process"), there.own():
            pass
        ledger.record_now([note()])
    with there.own():  # given up, so nobody has to wait
        pass


def taken_over(job_id, home, lease):
    """Let `lease` fall silent, and own the job on another machine; return its store."""
    silence(lease)
    there = JobStore.open(home, job_id)
    with there.own("take over"):
        pass
    return there


def silence(lease):
    """Stop the renewals, as a suspended machine does. Its clocks go on."""
    lease._leaving.set()
    lease._thread.join()


def test_a_machine_that_slept_sends_nothing_and_records_nothing(machine, short_lease):
    here = JobStore.publish(machine(), draft_of(3))
    with here.own("execute") as ledger:
        there = taken_over(here.job_id, machine(), ledger.lease)
        with pytest.raises(NotSent, match="not renewed"):
            ledger.gate()
        with pytest.raises(CheckpointFenced, match="Another machine"):
            ledger.record_now([note()])
        assert "disk" not in str(ledger.broken)
    assert list(there.notes().column("event").to_pylist()) == ["owner", "owner"]


def test_the_owner_stops_sending_before_anybody_may_take_over(machine, short_lease):
    here = JobStore.publish(machine(), draft_of(3))
    with here.own() as ledger:
        silence(ledger.lease)
        there = JobStore.open(machine(), here.job_id)
        ended = threading.Event()
        ledger.lease.listen(lambda why: ended.set())
        with there.own():
            with pytest.raises(NotSent):
                ledger.gate()
            assert ended.is_set()


def test_a_clock_that_jumps_ahead_ends_sending(machine, monkeypatch):
    here = JobStore.publish(machine(), draft_of(3))
    with here.own() as ledger:
        lease = ledger.lease
        silence(lease)
        ledger.gate()  # may send
        real = lease._renewed
        lease._renewed = type(real)(awake=real.awake, wall=real.wall - 3600)  # it was suspended
        with pytest.raises(NotSent):
            ledger.gate()


def test_a_segment_that_was_on_its_way_during_a_take_over_is_read_by_the_new_owner(
    machine, monkeypatch, short_lease
):
    here = JobStore.publish(machine(), draft_of(3))
    home = machine()
    there = JobStore.open(home, here.job_id)
    late = []
    refresh = type(there.objects).refresh

    def refreshing(self, **options):
        refresh(self, **options)
        if self is there.objects and not late:  # the old owner's request arrives after the listing
            late.append(1)
            old.record_now([note("late")])

    with here.own() as old:
        silence(old.lease)
        monkeypatch.setattr(type(there.objects), "refresh", refreshing)
        with there.own() as new:
            with pytest.raises(CheckpointFenced):
                old.record_now([note("too late")])
            assert new.broken is None
    assert there.notes().column("event").to_pylist() == ["owner", "late", "owner"]


def test_a_run_whose_lease_ends_stops_with_that_reason(machine, tmp_path):
    home = machine()
    job = JobStore.publish(home, draft_of(40))

    async def sleeps(carrier, shipment, reference):
        if len(carrier.calls) == 5:
            job.objects.lease._end("the lease was not renewed for 99.0 s")
        return

    carrier = BookCarrier(tmp_path / "books", hook=sleeps)
    assert buy(job, carrier) == "failed"
    assert "lease was not renewed" in job.reason
    assert "disk" not in job.reason
    sold = len(carrier.sales())
    assert 5 <= sold < 40
    # What was answered is recorded: the ledger was not taken over.
    assert state_counts(job)[RowState.SHIPPED] == sold
    carrier.hook = None
    assert buy(JobStore.open(machine(), job.job_id), carrier) == "completed"
    assert set(carrier.sales().values()) == {1}
    assert len(carrier.sales()) == 40


# -- damage --------------------------------------------------------------------------------------


@pytest.fixture
def bought(machine, tmp_path):
    job = JobStore.publish(machine(), draft_of(12))
    buy(job, BookCarrier(tmp_path / "books"))
    return job


def test_a_missing_segment_is_a_gap_and_nothing_is_sent(bought, machine):
    store, prefix = bought.objects.store, f"{bought.objects.prefix}/segments"
    names = store.names(prefix)
    store.remove([f"{prefix}/{names[1]}"])
    with pytest.raises(CheckpointCorrupt, match="no segment 00000002"):
        JobStore.open(machine(), bought.job_id).counts()


def test_a_missing_last_segment_is_noticed_by_what_the_owner_named(bought, machine):
    store, prefix = bought.objects.store, f"{bought.objects.prefix}/segments"
    last = store.names(prefix)[-1]
    store.remove([f"{prefix}/{last}"])
    with pytest.raises(CheckpointCorrupt, match=f"no segment {last}"):
        JobStore.open(machine(), bought.job_id).counts()


def test_an_altered_segment_is_noticed(bought, machine):
    store, prefix = bought.objects.store, f"{bought.objects.prefix}/segments"
    names = store.names(prefix)
    store.put(f"{prefix}/{names[1]}", store.get(f"{prefix}/{names[2]}").data)
    with pytest.raises(CheckpointCorrupt):
        JobStore.open(machine(), bought.job_id).counts()


def test_altered_labels_are_noticed(bought, machine):
    store, prefix = bought.objects.store, f"{bought.objects.prefix}/labels"
    names = store.names(prefix)
    store.put(f"{prefix}/{names[0]}", b"another file")
    with pytest.raises(CheckpointCorrupt, match="labels of segment"):
        list(JobStore.open(machine(), bought.job_id).labels())


def test_a_lost_cache_loses_nothing(bought, machine):
    home = machine()
    shutil.rmtree(bought.path.parent.parent)
    assert JobStore.open(home, bought.job_id).counts()[RowState.SHIPPED] == 12


# -- compactions ---------------------------------------------------------------------------------


def test_a_long_ledger_is_restored_from_its_compactions(machine, monkeypatch):
    monkeypatch.setattr("shipkit.purchasing.store.compaction.COMPACT_AFTER", 4)
    here = JobStore.publish(machine(), draft_of(3))
    with here.own() as ledger:
        for number in range(20):
            ledger.record_now([note(f"note {number}")])
    store, prefix = here.objects.store, here.objects.prefix
    compactions = store.names(f"{prefix}/compactions")
    assert compactions
    there = JobStore.open(machine(), here.job_id)
    assert there.notes().equals(here.notes())
    assert there.notes().num_rows == 21
    segments = len(list((there.path / "segments").glob("seg-*")))
    assert segments < 10  # the others were not fetched: they are in the compactions
    assert len(store.names(f"{prefix}/segments")) == 21  # none was removed: its number is taken

    # Damaged ones are not needed.
    for name in compactions:
        store.put(f"{prefix}/compactions/{name}", b"damaged")
    assert JobStore.open(machine(), here.job_id).notes().equals(here.notes())


# -- stores that cannot be a home ----------------------------------------------------------------


@pytest.mark.parametrize("ignored", ["create", "replace"])
def test_a_store_that_ignores_a_condition_is_refused_at_the_first_write(
    machine, monkeypatch, ignored
):
    home = machine()
    ours = store_of(home)

    def anyway(self, key, data, *e_tag):
        self.put(key, data)
        return self.get(key).e_tag

    monkeypatch.setattr(ObjectStore, f"_{ignored}", anyway)
    with pytest.raises(
        CheckpointWriteError, match="If-None-Match" if ignored == "create" else "If-"
    ):
        JobStore.publish(home, draft_of(2))
    assert ours.folders("jobs") == []


def test_the_probe_leaves_nothing_behind(machine):
    store = store_of(machine())
    assert store.probe() is None
    assert store.names(".probe") == []


def test_a_repeated_create_meets_its_own_object_and_another_ones(machine):
    store = store_of(machine())
    assert store.create("a/b", b"mine")
    assert store.create("a/b", b"mine")  # the answer to the first was lost
    assert store.create("a/b", b"other") is None
    tag = store.get("a/b").e_tag
    assert store.replace("a/b", b"next", tag)
    assert store.replace("a/b", b"next", tag)
    assert store.replace("a/b", b"other", tag) is None
    assert store.replace("a/none", b"other", tag) is None


def test_one_of_many_wins_each_race(machine):
    store = store_of(machine())
    store.demand_conditions()
    for race in range(3):
        won, barrier = [], threading.Barrier(8)

        def run(number, race=race, won=won, barrier=barrier):
            barrier.wait()
            if store.create(f"race/{race}", str(number).encode()):
                won.append(number)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [store.get(f"race/{race}").data.decode()] == [str(number) for number in won]


def test_a_store_that_cannot_be_reached_is_not_a_full_disk(machine, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("shipkit.common.object_store._RETRY_S", 1)
    home = machine()
    with pytest.raises(CheckpointWriteError) as caught:
        JobStore.publish(home, draft_of(2))
    assert "network" in caught.value.fix
    assert "disk" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_endpoint_without_tls_is_refused_unless_it_is_this_machine(machine, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio.example.com:9000")
    with pytest.raises(SettingsError, match="not encrypted"):
        store_of(machine())
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    store_of(machine())


def test_one_damaged_job_hides_no_other_from_the_list(machine):
    jobs = [JobStore.publish(machine(), draft_of(2, name=name)) for name in ("a", "b")]
    with jobs[0].own():
        pass
    store, prefix = jobs[0].objects.store, f"{jobs[0].objects.prefix}/segments"
    store.put(f"{prefix}/{store.names(prefix)[0]}", b"damaged")
    assert [job.job_id for job in JobStore.list(machine())] == [jobs[1].job_id]


def test_a_row_that_lost_a_label_has_the_others_on_every_machine(machine, tmp_path, monkeypatch):
    async def two(carrier, shipment, reference):
        first, second = carrier.sell(shipment, reference), carrier.sell(shipment, reference)
        return first.model_copy(
            update={
                "tracking_numbers": first.tracking_numbers + second.tracking_numbers,
                "labels": first.labels + second.labels,
            }
        )

    async def void(purchase):
        raise CarrierRejected("No.", voided=purchase.tracking_numbers[:1])

    carrier = BookCarrier(tmp_path / "books.db", hook=two)
    monkeypatch.setattr(carrier, "void", void)
    job = JobStore.publish(machine(), draft_of(1, name="parts"))
    assert buy(job, carrier) == "completed"
    _, second = job.results().column("tracking_numbers").to_pylist()[0]
    asyncio.run(void_rows(job, carrier, [0]))
    other = JobStore.open(machine(), job.job_id)
    assert other.results().column("tracking_numbers").to_pylist() == [[second]]
    monkeypatch.setattr(results, "_voided_labels", lambda _: {})  # an older shipkit
    assert [one.tracking_number for one in other.labels()] == [second]
