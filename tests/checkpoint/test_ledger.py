"""The ledger: moves checked, commits chained, files merged, and every gap noticed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corekit import job_of, state_counts

from shipkit.common.files import Disk
from shipkit.errors import CheckpointCorrupt, CheckpointWriteError
from shipkit.purchasing.store import JobStore, compaction
from shipkit.purchasing.store.chain import read_chain
from shipkit.purchasing.store.entries import (
    ENTRIES,
    STATES,
    LabelBytes,
    LedgerEntry,
    encode,
    last_entries,
    merge,
    metadata,
    state_codes,
    to_table,
)
from shipkit.purchasing.store.ledger import now_us
from shipkit.purchasing.store.segments import (
    Head,
    Part,
    compaction_name,
    head_bytes,
    read_head,
    read_part,
    segment_name,
    write_head,
)
from shipkit.state import RowState

NOTE = LedgerEntry(row=None, event="note", state=None)


def move(row, state, **fields):
    return LedgerEntry(row=row, event="test", state=state, **fields)


def label(number="N1", data=b"%PDF", **fields):
    return LabelBytes(
        number, **{"format": "pdf", "kind": "label", "parcel_index": 0, **fields}, data=data
    )


def parts(job, pattern="*.parquet"):
    """Return the parts of a job's ledger, in the order of writing."""
    found = [Part.of(path) for path in (job.path / "segments").glob(pattern)]
    return sorted(found, key=lambda part: (part.first, part.last))


def genesis(job):
    return hashlib.sha256((job.path / "manifest.json").read_bytes()).hexdigest()


@pytest.fixture
def small(monkeypatch):
    """Four files become one, and what was merged goes at once."""
    monkeypatch.setattr(compaction, "COMPACT_AFTER", 4)
    monkeypatch.setattr(compaction, "_SPARE_FOR_S", 0.0)


# -- entries ---------------------------------------------------------------------------------------


def test_entries_become_a_table_and_come_back_field_by_field():
    entry = LedgerEntry(
        row=3,
        event="result",
        state="shipped",
        attempt=2,
        reference="REF",
        at=1_700_000_000_000_000,
        shipped_at=1_700_000_000_000_001,
        shipment_id="S1",
        tracking_numbers=["N1", "N2"],
        service="ground",
        charged_cents=850,
        currency="USD",
        charge_basis="billed",
        billed_weight_lb=2.5,
        code="C",
        message="M",
        fix="F",
        details="{}",
        watch=[1],
        labels=[label("N1", b"one"), label("N2", b"two", parcel_index=1)],
    )
    table = to_table([NOTE, entry, NOTE._replace(label_sequence=5)], first_entry=7, sequence=9)
    assert table.schema.equals(ENTRIES)
    first, second, third = table.to_pylist()
    assert [row["entry"] for row in (first, second, third)] == [7, 8, 9]
    plain = second | {"at": None, "shipped_at": None}
    for name, value in entry._asdict().items():
        if name not in ("at", "shipped_at", "label_sequence", "labels"):
            assert plain[name] == value, name
    assert second["label_sequence"] == 9, "an entry with labels points to the segment it is in"
    assert [item["data"] for item in second["labels"]] == [b"one", b"two"]
    assert [item["parcel_index"] for item in second["labels"]] == [0, 1]
    assert (second["shipped_at"] - second["at"]).microseconds == 1
    assert first["labels"] is first["label_sequence"] is None
    assert third["label_sequence"] == 5, "and one that keeps its labels elsewhere still does"


def test_labels_stay_with_their_entries():
    entries = [
        move(0, "shipped", labels=[label("A")]),
        move(1, "failed"),
        move(2, "shipped", labels=[label("B"), label("C")]),
        move(3, "failed"),
    ]
    rows = to_table(entries, first_entry=1, sequence=1).to_pylist()
    assert [[x["tracking_number"] for x in row["labels"] or ()] for row in rows] == [
        ["A"],
        [],
        ["B", "C"],
        [],
    ]


def test_the_last_entry_of_a_row_counts_and_notes_do_not():
    entries = [move(2, "in_flight"), NOTE, move(0, "in_flight"), move(2, "shipped"), NOTE]
    table = to_table(entries, first_entry=1, sequence=1)
    last = table.take(last_entries(table))
    assert last.column("row").to_pylist() == [0, 2]
    assert last.column("entry").to_pylist() == [3, 4]
    assert [STATES[code] for code in state_codes(last)] == [RowState.IN_FLIGHT, RowState.SHIPPED]
    notes = to_table([NOTE], first_entry=1, sequence=1)
    assert len(last_entries(notes)) == 0


def test_merging_keeps_the_last_entry_of_each_row_and_every_note_without_labels():
    one = to_table([move(0, "in_flight"), NOTE], first_entry=1, sequence=1)
    two = to_table(
        [move(0, "shipped", labels=[label()]), NOTE, move(1, "in_flight")],
        first_entry=3,
        sequence=2,
    )
    kept = merge([one.drop_columns(["labels"]), two.drop_columns(["labels"])])
    assert kept.column("entry").to_pylist() == [2, 3, 4, 5]
    assert kept.schema.equals(ENTRIES)
    assert kept.column("labels").null_count == 4
    assert kept.column("label_sequence").to_pylist()[1] == 2
    assert merge([two]).column("entry").to_pylist() == [3, 4, 5]


@pytest.mark.parametrize(
    ("entries", "notes", "groups"),
    [
        ([NOTE, NOTE], 2, 1),
        ([move(0, "in_flight")], 0, 1),
        ([move(0, "in_flight"), NOTE, move(1, "in_flight")], 1, 2),
    ],
)
def test_notes_come_first_in_a_row_group_of_their_own(entries, notes, groups):
    table = to_table(entries, first_entry=1, sequence=1)
    for given in (table, pa.concat_tables([table.slice(0, 1), table.slice(1)])):
        file = pq.ParquetFile(pa.BufferReader(encode(given, {"sequence": 3})))
        assert metadata(file) == {"sequence": 3, "notes": notes}
        assert file.num_row_groups == groups
        read = file.read()
        assert sorted(read.column("entry").to_pylist()) == list(range(1, len(entries) + 1))
        first = file.read_row_group(0)
        assert (first.column("state").null_count > 0) is (notes > 0)


def test_labels_are_stored_as_they_are_and_the_rest_is_compressed():
    plain = to_table([NOTE._replace(message="x" * 5000)], first_entry=1, sequence=1)
    labels = to_table(
        [move(0, "shipped", labels=[label(data=b"y" * 5000)])], first_entry=1, sequence=1
    )
    assert len(encode(plain, {})) < 5000
    assert b"y" * 5000 in encode(labels, {})


def test_times_are_microseconds_of_the_wall_clock():
    assert abs(now_us() / 1e6 - time.time()) < 60


# -- an open ledger --------------------------------------------------------------------------------


def test_an_owner_finds_attempts_charges_and_watch_lists_of_the_last_entries(home):
    job = job_of(home, 5)
    with job.own() as ledger:
        assert (ledger.generation, ledger.commits) == (1, 0)
        for row in (0, 1, 2):
            ledger.record_now([move(row, "in_flight", attempt=row + 1, watch=[7] if row else None)])
        ledger.record_now([move(0, "shipped", attempt=1, charged_cents=850)])
        ledger.record_now([move(1, "shipped", attempt=2, charged_cents=900, watch=[7, 8])])
        ledger.record_now([move(1, "voided", attempt=2, charged_cents=900, watch=[7, 8])])
        assert ledger.commits == 6
        before = (list(ledger.attempts), list(ledger.charged), dict(ledger.watch))
    with job.own() as ledger:
        assert (ledger.generation, ledger.commits) == (2, 0)
        assert (list(ledger.attempts), list(ledger.charged)) == before[:2]
        assert list(ledger.attempts) == [1, 2, 3, 0, 0]
        assert list(ledger.charged) == [850, 0, 0, 0, 0], "what is voided is not charged"
        assert ledger.watch == before[2] == {1: [7, 8], 2: [7]}
        assert ledger.state(0) is RowState.SHIPPED
        assert ledger.rows(RowState.IN_FLIGHT, RowState.VOIDED).tolist() == [1, 2]
        assert ledger.rows(RowState.PENDING).tolist() == [3, 4]
        assert {s: ledger.count(s) for s in RowState if ledger.count(s)} == {
            RowState.PENDING: 2,
            RowState.IN_FLIGHT: 1,
            RowState.SHIPPED: 1,
            RowState.VOIDED: 1,
        }


def test_counts_follow_every_move_at_once(home):
    with job_of(home, 3).own() as ledger:
        ledger.record_now([move(0, "in_flight", attempt=4)])
        assert (ledger.count(RowState.PENDING), ledger.count(RowState.IN_FLIGHT)) == (2, 1)
        ledger.record_now([move(0, "shipped", charged_cents=None)])
        assert ledger.attempts[0] == 4, "an entry without an attempt keeps the last"
        assert ledger.charged[0] == 0
        assert sum(ledger.count(state) for state in RowState) == 3


def test_entries_are_numbered_over_the_whole_job(home):
    job = job_of(home, 3)
    for row in range(3):
        with job.own() as ledger:
            ledger.record_now([NOTE, move(row, "in_flight")])
    entries = sorted(job.chain().table.column("entry").to_pylist())
    assert entries == [1, 2, 3, 4, 5, 6]


def test_no_entries_make_no_commit(home):
    job = job_of(home, 1)

    async def work(ledger):
        await ledger.record([])
        await ledger.settled()

    with job.own() as ledger:
        ledger.record_now([])
        asyncio.run(work(ledger))
        assert ledger.commits == 0
    assert parts(job) == []


def test_entries_that_nothing_waits_for_are_gathered_for_a_moment(home, monkeypatch):
    job = job_of(home, 40)

    async def work(ledger):
        await ledger.record([move(0, "in_flight")])
        monkeypatch.setattr("shipkit.purchasing.store.ledger._LINGER_S", 600.0)
        waiting = [ledger.record([move(row, "in_flight")], urgent=False) for row in range(1, 40)]
        assert ledger._timer.when() == pytest.approx(ledger._started + 600, abs=60)
        monkeypatch.setattr("shipkit.purchasing.store.ledger._LINGER_S", 0.02)
        ledger._schedule()
        await asyncio.gather(*waiting)

    with job.own() as ledger:
        asyncio.run(asyncio.wait_for(work(ledger), 60))
        assert ledger.commits == 2


def test_an_urgent_entry_takes_along_what_was_waiting(home, monkeypatch):
    monkeypatch.setattr("shipkit.purchasing.store.ledger._LINGER_S", 600.0)

    async def work(ledger):
        await ledger.record([NOTE])
        patient = ledger.record([NOTE], urgent=False)
        await ledger.record([NOTE])
        assert patient.done()

    with job_of(home, 1).own() as ledger:
        asyncio.run(asyncio.wait_for(work(ledger), 60))
        assert ledger.commits == 2


def test_settled_returns_when_everything_is_on_disk(home, monkeypatch):
    monkeypatch.setattr("shipkit.purchasing.store.ledger._LINGER_S", 600.0)
    job = job_of(home, 3)

    async def work(ledger):
        await ledger.record([NOTE])
        ledger.record([move(0, "in_flight")], urgent=False)
        await ledger.settled()
        assert job.counts()[RowState.IN_FLIGHT] == 1
        await ledger.settled()

    with job.own() as ledger:
        asyncio.run(asyncio.wait_for(work(ledger), 60))


def test_a_future_is_done_when_its_entry_is_durable_and_not_before(home):
    job, order = job_of(home, 1), []

    class Noting(Disk):
        def sync_folder(self, folder):
            super().sync_folder(folder)
            order.append("durable")

    async def work(ledger):
        waiter = ledger.record([move(0, "in_flight")])
        waiter.add_done_callback(lambda _: order.append("done"))
        await waiter

    with job.own(disk=Noting()) as ledger:
        asyncio.run(work(ledger))
    assert order == ["durable", "done"]


def test_a_move_that_is_not_legal_changes_nothing(home):
    job = job_of(home, 2)
    with job.own() as ledger:
        with pytest.raises(AssertionError, match="cannot go from pending to failed"):
            ledger.record_now([move(1, "failed")])
        assert ledger.count(RowState.PENDING) == 2
    assert state_counts(job) == {"pending": 2}


class Broken(Disk):
    """A disk that is full after so many files."""

    def __init__(self, left=0):
        self.left = left

    def write(self, path, data):
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "No space left on device")
        super().write(path, data)


def test_after_a_failed_commit_nothing_more_is_taken(home):
    job = job_of(home, 3)
    with job.own(disk=Broken(1)) as ledger:
        ledger.record_now([move(0, "in_flight")])
        with pytest.raises(CheckpointWriteError, match="No space left") as error:
            ledger.record_now([move(1, "in_flight")])
        assert "Free disk space" in error.value.fix
        assert ledger.broken is error.value
        assert ledger.commits == 1
        with pytest.raises(CheckpointWriteError):
            ledger.record_now([NOTE])
    assert state_counts(job) == {"pending": 2, "in_flight": 1}


def test_everything_that_waits_fails_with_the_commit_also_what_was_not_started(home):
    async def work(ledger):
        first = ledger.record([move(0, "in_flight")])
        queued = ledger.record([move(1, "in_flight")])
        unwaited = ledger.record([move(2, "in_flight")], urgent=False)
        for waiter in (first, queued):
            with pytest.raises(CheckpointWriteError):
                await waiter
        assert isinstance(unwaited.exception(), CheckpointWriteError)
        with pytest.raises(CheckpointWriteError):
            ledger.record([])

    with job_of(home, 3).own(disk=Broken()) as ledger:
        asyncio.run(work(ledger))


def test_a_failure_that_is_not_of_the_disk_breaks_the_ledger_too(home):
    class Odd(Disk):
        def publish(self, folder, name, data):
            raise RuntimeError("out of file handles")

    async def work(ledger):
        with pytest.raises(CheckpointWriteError, match="out of file handles"):
            await ledger.record([NOTE])

    with job_of(home, 1).own(disk=Odd()) as ledger:
        asyncio.run(work(ledger))
        assert ledger.broken is not None


def test_the_duration_of_a_commit_is_smoothed(home):
    class Slow(Disk):
        def publish(self, folder, name, data):
            super().publish(folder, name, data)
            ledger._started -= 100  # as if it had begun that long ago

    async def work(ledger):
        await ledger.record([NOTE])
        return ledger.commit_s

    with job_of(home, 1).own(disk=Slow()) as ledger:
        assert ledger.commit_s == 0.005
        assert asyncio.run(work(ledger)) == pytest.approx(0.005 + 0.2 * (100 - 0.005), abs=10)


# -- files -----------------------------------------------------------------------------------------


def test_names_carry_place_digest_and_whether_there_are_labels(home, tmp_path):
    sha = "0123456789abcdef" * 4
    name = segment_name(3, 12, sha, labelled=False)
    assert name == "seg-000003-00000012-0123456789abcdef.parquet"
    assert Part.of(tmp_path / name) == Part(tmp_path / name, 3, 12, 12, "0123456789abcdef")
    labelled = Part.of(tmp_path / segment_name(3, 12, sha, labelled=True))
    assert (labelled.labelled, labelled.compacted) == (True, False)
    name = compaction_name(4, 5, 99, sha)
    assert name == "cmp-000004-00000005-00000099-0123456789abcdef.parquet"
    merged = Part.of(tmp_path / name)
    assert (merged.generation, merged.first, merged.last, merged.compacted) == (4, 5, 99, True)
    assert Part.of(tmp_path / "x.parquet") is None
    assert Part.of(tmp_path / f".tmp-{name}") is None
    assert Part.of(tmp_path / segment_name(10**7, 10**9, sha, labelled=False)).first == 10**9


def test_a_part_is_checked_against_its_name(tmp_path):
    data = encode(to_table([NOTE], first_entry=1, sequence=1), {})
    sha = hashlib.sha256(data).hexdigest()
    path = tmp_path / segment_name(1, 1, sha, labelled=False)
    path.write_bytes(data)
    assert Part.of(path).load() == (data, sha)
    assert read_part(path, ["event"]).column("event").to_pylist() == ["note"]
    path.write_bytes(data[:-1] + b"x")
    with pytest.raises(CheckpointCorrupt, match="was altered") as error:
        read_part(path, ["event"])
    assert error.value.details["path"] == str(path)
    assert "backup" in error.value.fix
    path.unlink()
    with pytest.raises(FileNotFoundError):
        Part.of(path).load()
    path.mkdir()
    with pytest.raises(CheckpointCorrupt, match="cannot be read"):
        Part.of(path).load()
    with pytest.raises(CheckpointCorrupt, match="not a part"):
        read_part(tmp_path / "x.parquet", ["event"])
    junk = tmp_path / segment_name(1, 1, hashlib.sha256(b"junk").hexdigest(), labelled=False)
    junk.write_bytes(b"junk")
    with pytest.raises(CheckpointCorrupt, match="cannot be read"):
        read_part(junk, ["event"])


def test_head_is_written_in_turn_to_two_halves_and_the_later_one_counts(tmp_path):
    heads = [Head(n, f"name-{n}", "ab" * 32) for n in range(4)]
    (tmp_path / "HEAD").write_bytes(head_bytes(heads[0]) * 2)
    for n in (1, 2, 3):
        write_head(Disk(), tmp_path, heads[n])
        assert read_head(tmp_path) == heads[n]
    data = (tmp_path / "HEAD").read_bytes()
    assert data == head_bytes(heads[2]) + head_bytes(heads[3])
    half = len(data) // 2
    torn = data[: half + 10] + b"\0" * (half - 10)
    (tmp_path / "HEAD").write_bytes(torn)
    assert read_head(tmp_path) == heads[2], "of a torn write the half before it is left"
    (tmp_path / "HEAD").write_bytes(b"garbage")
    with pytest.raises(CheckpointCorrupt, match="was altered"):
        read_head(tmp_path)


# -- the chain -------------------------------------------------------------------------------------


@pytest.fixture
def five(home):
    """A job with five segments, the third of them a note."""
    job = job_of(home, 4)
    with job.own() as ledger:
        for row in (0, 1):
            ledger.record_now([move(row, "in_flight", attempt=1)])
        ledger.record_now([NOTE._replace(message="third")])
        for row in (2, 3):
            ledger.record_now([move(row, "in_flight", attempt=1)])
    return job


def test_a_chain_has_every_link_and_says_where_it_ends(five):
    chain = five.chain()
    assert [link.part.first for link in chain.links] == [1, 2, 3, 4, 5]
    assert (chain.sequence, chain.generation) == (5, 1)
    assert chain.sha256 == hashlib.sha256(parts(five)[-1].path.read_bytes()).hexdigest()
    assert chain.links[0].previous == genesis(five)
    assert [link.previous for link in chain.links[1:]] == [link.sha256 for link in chain.links[:-1]]
    assert chain.table.column("entry").to_pylist() == [1, 2, 3, 4, 5]
    assert chain.notes().column("message").to_pylist() == ["third"]
    assert [link.part.first for link in chain.links if link.notes is not None] == [3]
    assert sorted(chain.segments) == [1, 2, 3, 4, 5]
    assert chain.spare == ()
    assert five.chain(("row", "state")).table.column_names == ["row", "state"]


def test_an_empty_chain_has_no_entries_and_ends_at_the_manifest(home):
    job = job_of(home, 1)
    chain = job.chain()
    assert (chain.links, chain.sequence, chain.generation, chain.sha256) == ((), 0, 0, genesis(job))
    assert chain.table.num_rows == chain.notes().num_rows == 0


@pytest.mark.parametrize("lost", [1, 2, 3, 4, 5])
def test_a_missing_segment_is_noticed_wherever_it_is(five, lost):
    parts(five)[lost - 1].path.unlink()
    with pytest.raises(CheckpointCorrupt, match=f"has no segment 0000000{lost}"):
        five.chain()


def test_two_segments_that_changed_places_are_noticed(five):
    second, third = parts(five)[1:3]
    swapped = [
        five.path / "segments" / segment_name(1, place, part.digest, labelled=False)
        for place, part in ((3, second), (2, third))
    ]
    for part, path in zip((second, third), swapped, strict=True):
        part.path.rename(path)
    with pytest.raises(CheckpointCorrupt, match="does not follow"):
        five.chain()


def test_a_last_segment_of_another_history_is_noticed(five, home):
    """The same place in the chain, a valid link to the one before, and not what HEAD names."""
    last = parts(five)[-1]
    table = to_table([NOTE], first_entry=5, sequence=5)
    previous = five.chain().links[3].sha256
    data = encode(table, {"generation": 1, "sequence": 5, "previous": previous})
    last.path.unlink()
    name = segment_name(1, 5, hashlib.sha256(data).hexdigest(), labelled=False)
    (five.path / "segments" / name).write_bytes(data)
    with pytest.raises(CheckpointCorrupt, match="names a different segment"):
        five.chain()


def test_a_ledger_of_another_job_is_noticed(five):
    with pytest.raises(CheckpointCorrupt, match="does not follow"):
        read_chain(five.path, "0" * 64)


def test_a_segment_that_head_does_not_name_yet_is_found_by_its_name(five):
    """HEAD is not synced: after a power cut it may lag behind."""
    early = five.chain().links[2]
    head = Head(3, early.part.path.name, early.sha256)
    (five.path / "HEAD").write_bytes(head_bytes(head) * 2)
    assert JobStore(five.path).chain().sequence == 5


def test_a_file_that_is_no_parquet_is_noticed_although_its_digest_is_right(five):
    last = parts(five)[-1]
    last.path.unlink()
    name = segment_name(1, 5, hashlib.sha256(b"junk").hexdigest(), labelled=False)
    (five.path / "segments" / name).write_bytes(b"junk")
    with pytest.raises(CheckpointCorrupt, match="cannot be read"):
        five.chain()


def test_a_reader_starts_again_when_a_file_vanished_between_listing_and_reading(five, monkeypatch):
    read, misses = Part.load, [3]

    def vanishing(part):
        if misses[0] and part.first == 2:
            misses[0] -= 1
            raise FileNotFoundError(part.path)
        return read(part)

    monkeypatch.setattr(Part, "load", vanishing)
    assert five.chain().sequence == 5
    misses[0] = 8
    with pytest.raises(FileNotFoundError):
        five.chain()


# -- merging files ---------------------------------------------------------------------------------


def commit(ledger, count, row=0):
    for n in range(count):
        ledger.record_now([NOTE._replace(message=str(n)), *([] if n else [move(row, "in_flight")])])


def test_four_segments_become_one_file_and_sixteen_become_one_of_those(home, small):
    job = job_of(home, 1)
    with job.own() as ledger:
        commit(ledger, 4)
    assert [(p.first, p.last, p.compacted) for p in parts(job)] == [(1, 4, True)]
    with job.own() as ledger:
        commit_notes(ledger, 11)
    assert [(p.first, p.last) for p in parts(job)] == [
        (1, 4),
        (5, 8),
        (9, 12),
        (13, 13),
        (14, 14),
        (15, 15),
    ]
    with job.own() as ledger:
        commit_notes(ledger, 1)
    assert [(p.first, p.last) for p in parts(job)] == [(1, 16)]
    assert job.chain().sequence == 16
    assert job.notes().num_rows == 16
    assert job.counts()[RowState.IN_FLIGHT] == 1


def commit_notes(ledger, count):
    for n in range(count):
        ledger.record_now([NOTE._replace(message=f"later {n}")])


def test_a_merged_chain_has_the_same_ends_and_answers(home, small):
    job = job_of(home, 8)
    with job.own() as ledger:
        for row in range(3):
            ledger.record_now([move(row, "in_flight", attempt=1)])
        before, notes = job.chain(), job.notes()
        states = list(job.states())
        ledger.record_now([NOTE])
    after = job.chain()
    assert [link.part.compacted for link in after.links] == [True]
    assert after.links[0].previous == before.links[0].previous == genesis(job)
    assert after.sequence == 4
    assert list(job.states()) == states
    assert job.notes().num_rows == notes.num_rows + 1
    with job.own() as ledger:
        ledger.record_now([NOTE])
    assert job.chain().sequence == 5


def test_segments_with_labels_stay_and_are_not_spare(home, small):
    job = job_of(home, 4)
    with job.own() as ledger:
        for row in range(2):
            ledger.record_now([move(row, "in_flight", attempt=1)])
        for row in range(2):
            ledger.record_now([move(row, "shipped", labels=[label(f"N{row}", b"%d" % row)])])
    assert [(p.first, p.last, p.labelled) for p in parts(job)] == [
        (1, 4, False),
        (3, 3, True),
        (4, 4, True),
    ]
    assert job.chain().spare == ()
    assert [(x.tracking_number, x.data) for x in job.labels()] == [("N0", b"0"), ("N1", b"1")]


def test_merged_files_stay_a_while_for_other_readers_and_go_with_the_next_owner(home, monkeypatch):
    monkeypatch.setattr(compaction, "COMPACT_AFTER", 4)
    job = job_of(home, 1)
    with job.own() as ledger:
        commit_notes(ledger, 5)
    assert [(p.first, p.last) for p in parts(job)] == [
        (1, 1),
        (1, 4),
        (2, 2),
        (3, 3),
        (4, 4),
        (5, 5),
    ]
    assert len(job.chain().spare) == 4
    with job.own():
        pass
    assert [(p.first, p.last) for p in parts(job)] == [(1, 4), (5, 5)]


def test_a_merge_that_fails_stops_nothing_and_is_made_by_the_next_owner(home, small, caplog):
    class NoMerge(Disk):
        def publish(self, folder, name, data):
            if name.startswith("cmp-"):
                raise OSError(28, "No space left on device")
            super().publish(folder, name, data)

    job = job_of(home, 1)
    with caplog.at_level(logging.WARNING, "shipkit"), job.own(disk=NoMerge()) as ledger:
        commit_notes(ledger, 6)
    assert "compaction postponed" in caplog.text
    assert [(p.first, p.last) for p in parts(job)] == [(n, n) for n in range(1, 7)]
    with job.own():
        pass
    assert [(p.first, p.last) for p in parts(job)] == [(1, 4), (5, 5), (6, 6)]


def test_flattening_makes_one_file_of_everything_but_labels(home, small):
    job = job_of(home, 2)
    with job.own() as ledger:
        ledger.record_now([move(0, "in_flight")])
        ledger.record_now([move(0, "shipped", labels=[label()])])
        commit_notes(ledger, 4)
        ledger.flatten()
        assert [(p.first, p.last) for p in parts(job)] == [(1, 6), (2, 2)]
        ledger.flatten()
        ledger.record_now([NOTE])
    assert [(p.first, p.last) for p in parts(job)] == [(1, 6), (2, 2), (7, 7)]
    assert job.counts()[RowState.SHIPPED] == 1
    assert len(list(job.labels())) == 1


def test_the_order_of_a_merge_is_write_then_remove(home, small):
    order = []

    class Noting(Disk):
        def publish(self, folder, name, data):
            super().publish(folder, name, data)
            order.append(("published", name[:3]))

        def remove(self, path):
            order.append(("removed", path.name[:3]))
            super().remove(path)

    with job_of(home, 1).own(disk=Noting()) as ledger:
        commit_notes(ledger, 4)
    assert order == [("published", "seg")] * 4 + [("published", "cmp")] + [("removed", "seg")] * 4


def test_a_ledger_is_used_by_its_owner_only_as_long_as_it_owns_the_job(home):
    job = job_of(home, 1)
    with job.own() as ledger:
        ledger.record_now([NOTE])
    with pytest.raises(RuntimeError, match="no longer owned"):
        ledger.record_now([NOTE])
    assert len(parts(job)) == 1


def test_states_are_stored_with_the_codes_of_their_order():
    assert [str(state) for state in STATES] == [
        "pending",
        "in_flight",
        "shipped",
        "failed",
        "in_doubt",
        "review",
        "voided",
        "skipped",
    ]
    table = to_table(
        [move(n, str(state)) for n, state in enumerate(STATES)], first_entry=1, sequence=1
    )
    assert state_codes(table).tolist() == list(range(8))
    assert state_codes(table).dtype == np.uint8


def test_a_copied_home_is_read_like_the_first(five, tmp_path):
    """Nothing in the ledger depends on where it is."""
    import shutil

    shutil.copytree(five.path.parent.parent, tmp_path / "copy")
    copy = JobStore.open(tmp_path / "copy", five.job_id)
    assert copy.chain().sha256 == five.chain().sha256
    assert json.loads((copy.path / "manifest.json").read_text())["job_id"] == five.job_id
