"""What a power failure leaves: a run's file operations, cut anywhere, un-synced ones dropped."""

from __future__ import annotations

import asyncio
import random
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from corekit import BookCarrier, TwoStepCarrier, job_of, state_counts

import shipkit.purchasing.store.compaction
from shipkit.carriers.pace import Pacer
from shipkit.common.files import Disk
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import STATES
from shipkit.state import RowState


@dataclass(frozen=True)
class Op:
    what: str
    path: str
    data: bytes = b""
    to: str = ""
    offset: int = 0


class RecordingDisk(Disk):
    """Does everything, and takes down what it did, in order."""

    def __init__(self, root: Path) -> None:
        self.root, self.ops, self.guard = root, [], threading.Lock()

    def _note(self, what, path, **fields):
        with self.guard:
            self.ops.append(Op(what, str(path.relative_to(self.root)), **fields))

    def write(self, path, data):
        super().write(path, data)
        self._note("write", path, data=bytes(data))

    def rename(self, old, new):
        self._note(
            "rename", old, to=str(new.relative_to(self.root))
        )  # noted before: from here on it may have happened
        super().rename(old, new)

    def sync_folder(self, folder):
        super().sync_folder(folder)
        self._note("sync", folder)

    def patch(self, path, offset, data):
        self._note("patch", path, data=bytes(data), offset=offset)
        super().patch(path, offset, data)

    def remove(self, path):
        self._note("remove", path)
        super().remove(path)


def left_on_disk(ops: list[Op], lucky) -> dict[str, bytes]:
    """Return the files that a power cut after `ops` leaves; `lucky(op)`: it reached the disk."""
    entries: dict[str, bytes] = {}  # names that are durable
    written: dict[str, bytes] = {}  # content of files, synced when they were written
    waiting: list[Op] = []

    def apply(op: Op) -> None:
        if op.what == "write":
            entries[op.path] = op.data
        elif op.what == "rename":
            entries.pop(op.path, None)
            entries[op.to] = written[op.path]
        elif op.what == "remove":
            entries.pop(op.path, None)

    patches = []
    for op in ops:
        if op.what == "write":
            written[op.path] = op.data
            waiting.append(op)
        elif op.what in ("rename", "remove"):
            waiting.append(op)
        elif op.what == "patch":
            patches.append(op)
        elif op.what == "sync":
            inside = [w for w in waiting if str(Path(w.to or w.path).parent) == op.path]
            for done in inside:
                apply(done)
            waiting = [w for w in waiting if w not in inside]
    for op in waiting:
        if lucky(op):
            apply(op)
    entries["patches"] = [op for op in patches if lucky(op)]
    return entries


def rebuild(job: JobStore, started: dict[str, bytes], entries: dict, folder: Path) -> JobStore:
    """Return the job as it would be found after the power came back."""
    files = {**started, **{name: data for name, data in entries.items() if name != "patches"}}
    path = folder / "jobs" / job.job_id
    shutil.rmtree(folder, ignore_errors=True)
    (path / "segments").mkdir(parents=True)
    for name, data in files.items():
        (path / name).write_bytes(data)
    for op in entries["patches"]:
        head = bytearray((path / op.path).read_bytes())
        head[op.offset : op.offset + len(op.data)] = op.data
        (path / op.path).write_bytes(head)
    return JobStore(path)


KINDS = [BookCarrier, TwoStepCarrier]
RUNS = [*((kind, 16) for kind in KINDS)] + [
    pytest.param((kind, 40), marks=pytest.mark.slow) for kind in KINDS
]
"""A carrier, and the number of rows that a run buys of it."""


@pytest.fixture(params=RUNS, ids=lambda run: f"{run[0].__name__}-{run[1]}")
def recorded(request, home, tmp_path, monkeypatch):
    """A run, what it did to the disk, and at which operation each label was sold."""
    monkeypatch.setattr(shipkit.purchasing.store.compaction, "COMPACT_AFTER", 4)
    monkeypatch.setattr(shipkit.purchasing.store.compaction, "_SPARE_FOR_S", 0.0)
    kind, rows = request.param
    job = job_of(home, rows)
    started = {
        str(p.relative_to(job.path)): p.read_bytes() for p in job.path.rglob("*") if p.is_file()
    }
    disk = job.disk = RecordingDisk(job.path)
    sold = []

    async def hook(carrier, shipment, reference):
        sold.append((len(disk.ops), shipment.order_id, reference))

    carrier = kind(tmp_path / "books.db", hook=hook, latency_s=0.005)
    asyncio.run(execute(job, carrier, pacer=Pacer(concurrency=4), grace_s=0.1))
    assert state_counts(job) == {"shipped": rows}
    assert any("cmp-" in op.to for op in disk.ops), "there was a compaction"
    assert any(op.what == "remove" for op in disk.ops)
    return job, started, disk.ops, sold


def carrier_after(recorded_by: type, path: Path, sold: list[tuple[int, str, str]], cut: int):
    """Return the carrier with what it had sold when the power was cut."""
    carrier = recorded_by(path)
    carrier.books.executemany(
        "insert into sold (reference, order_id, tracking, cents) values (?, ?, ?, 850)",
        [(reference, order, f"SANDBOX{order}") for at, order, reference in sold if at <= cut],
    )
    if recorded_by is TwoStepCarrier:
        carrier.books.executemany(
            "insert into drafts values (?, '')", [(draft,) for _, _, draft in sold]
        )
    return carrier


LUCK = {
    "nothing more": lambda rng: lambda op: False,
    "everything": lambda rng: lambda op: True,
    "only HEAD": lambda rng: lambda op: op.what == "patch",
    "removals first": lambda rng: lambda op: op.what == "remove",
    "some": lambda rng: lambda op: rng.random() < 0.5,
}


@pytest.mark.parametrize("luck", LUCK)
def test_after_a_power_cut_at_any_place_every_row_that_may_have_been_sent_is_known(
    recorded, tmp_path, luck
):
    job, started, ops, sold = recorded
    rng = random.Random(1)
    for cut in range(len(ops) + 1):
        found = rebuild(job, started, left_on_disk(ops[:cut], LUCK[luck](rng)), tmp_path / "after")
        states = found.states()
        sent = [int(order[1:]) for at, order, _ in sold if at <= cut]
        pending = [row for row in sent if states[row] == STATES.index(RowState.PENDING)]
        assert pending == [], (
            f"cut after {cut} operations: rows {pending} were sent and look untouched"
        )
        assert sum(found.counts().values()) == len(states)


@pytest.mark.parametrize(
    "recorded",
    [(TwoStepCarrier, 16), pytest.param((TwoStepCarrier, 40), marks=pytest.mark.slow)],
    indirect=True,
    ids=["16", "40"],
)
@pytest.mark.parametrize("luck", LUCK)
def test_after_a_power_cut_at_any_place_the_id_of_every_purchase_that_was_sent_is_known(
    recorded, tmp_path, luck
):
    job, started, ops, sold = recorded
    rng = random.Random(1)
    for cut in range(len(ops) + 1):
        found = rebuild(job, started, left_on_disk(ops[:cut], LUCK[luck](rng)), tmp_path / "after")
        sent = {int(order[1:]): draft for at, order, draft in sold if at <= cut}
        known = {row: one["shipment_id"] for row, one in found.last_entries_of([*sent]).items()}
        assert known == sent, f"cut after {cut} operations"


def test_a_torn_temporary_file_is_ignored(recorded, tmp_path):
    job, started, ops, sold = recorded
    rows = len(sold)
    for cut, op in enumerate(ops):
        if op.what != "write":
            continue
        torn = left_on_disk(ops[:cut], lambda op: True)
        torn[op.path] = op.data[: len(op.data) // 3]
        assert sum(rebuild(job, started, torn, tmp_path / "after").counts().values()) == rows


def test_after_a_power_cut_at_any_place_the_job_resumes_without_a_duplicate(
    request, recorded, tmp_path
):
    job, started, ops, sold = recorded
    kind, rows = request.node.callspec.params["recorded"]
    rng = random.Random(2)
    for cut in sorted(rng.sample(range(len(ops) + 1), 25)):
        found = rebuild(
            job, started, left_on_disk(ops[:cut], LUCK["some"](rng)), tmp_path / "after"
        )
        (tmp_path / "then.db").unlink(missing_ok=True)
        carrier = carrier_after(kind, tmp_path / "then.db", sold, cut)
        asyncio.run(execute(found, carrier, pacer=Pacer(concurrency=8), grace_s=0.05))
        sales = carrier.sales()
        carrier.books.close()
        assert state_counts(found) == {"shipped": rows}
        assert set(sales.values()) == {1}
        assert len(sales) == rows
