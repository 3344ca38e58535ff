"""Disks that are full or read-only, two owners in two processes, a clock that goes backwards."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from corekit import BookCarrier, ask_after, draft_of, job_of, state_counts

from shipkit.carriers.pace import Pacer
from shipkit.errors import CheckpointWriteError
from shipkit.purchasing.run import Control, execute
from shipkit.purchasing.store import JobStore
from shipkit.state import JobStatus

KIT = Path(__file__).parent.parent / "core_kit"


def buy(job, carrier, **options):
    return asyncio.run(
        execute(job, carrier, pacer=Pacer(concurrency=4), **{"grace_s": 0.2, **options})
    )


# -- a full disk -----------------------------------------------------------------------------------


class SmallDisk:
    """A file system of its own, of a size of its own."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder = folder
        self._mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))

    def grow(self, size: str) -> None:
        self._mount("-o", f"remount,size={size}", str(self.folder))

    def close(self) -> None:
        # Lazily: a process that was killed a moment ago may still hold the folder.
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    @staticmethod
    def _mount(*words: str) -> None:
        said = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
        if said.returncode:
            pytest.skip(f"mounting is not permitted here: {said.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path):
    if shutil.which("mount") is None or sys.platform != "linux":
        pytest.skip("a small file system needs Linux and mount")
    disks = []

    def make(size: str) -> SmallDisk:
        folder = tmp_path / "small"
        folder.mkdir()
        disks.append(SmallDisk(folder, size))
        return disks[-1]

    yield make
    for disk in disks:
        disk.close()


@pytest.mark.parametrize("kilobytes", [52, 60, 100, 180, 300, 500])
def test_a_disk_that_fills_up_ends_the_run_with_a_status_and_space_lets_it_go_on(
    small_disk, tmp_path, kilobytes
):
    disk = small_disk(f"{kilobytes}k")
    job, carrier = (
        job_of(disk.folder / "home", 60),
        BookCarrier(tmp_path / "books.db", latency_s=0.005, label=b"%PDF" + b"x" * 12_000),
    )
    assert buy(job, carrier) is JobStatus.FAILED
    assert "No space left" in job.reason
    assert len(carrier.calls) <= 60
    asked, known = len(carrier.calls), JobStore(job.path).counts()
    assert sum(known.values()) == 60
    assert buy(JobStore(job.path), carrier) is JobStatus.FAILED, "still full: nothing changes"
    assert len(carrier.calls) - asked <= 8, "and next to nothing more is sent"
    disk.grow("64m")
    again = JobStore(job.path)
    assert buy(again, carrier) is JobStatus.COMPLETED
    assert set(carrier.sales().values()) == {1}
    assert len(carrier.sales()) == len({label.row for label in again.labels()}) == 60


def test_a_job_that_does_not_fit_the_disk_is_no_job(small_disk):
    disk = small_disk("16k")
    with pytest.raises(CheckpointWriteError, match="No space left"):
        job_of(disk.folder / "home", 2_000)
    assert JobStore.list(disk.folder / "home") == []
    disk.grow("64m")
    assert state_counts(job_of(disk.folder / "home", 2_000)) == {"pending": 2_000}


# -- a read-only folder ----------------------------------------------------------------------------


_AS_NOBODY = """
import asyncio, json, os, sys
from pathlib import Path
sys.path.insert(0, {kit!r})
from corekit import BookCarrier, draft_of, job_of
from shipkit.purchasing.store import JobStore
from shipkit.errors import CheckpointWriteError
from shipkit.purchasing.run import execute

def buy(job, carrier):
    return asyncio.run(execute(job, carrier, grace_s=0.1))

folder, shut = Path(sys.argv[1]), sys.argv[2]
warm = BookCarrier(folder / "warm.db")
# What is imported late must be imported as root:
list(job_of(folder / "warm", 2).labels()), buy(job_of(folder / "warm", 2), warm)
job = job_of(folder / "home", 20)
for path in [folder / "home", *(folder / "home").rglob("*")]:
    os.chown(path, 65534, 65534)
carrier = BookCarrier(folder / "books.db")
(job.path / shut).chmod(0o500)
os.setgroups([]), os.setgid(65534), os.setuid(65534)
status, asked = str(buy(job, carrier)), len(carrier.calls)
found = JobStore(job.path)
listed = found.job_id in [one.job_id for one in JobStore.list(folder / "home")]
reading = [sum(found.counts().values()), found.results().num_rows, str(found.status), listed]
(job.path / shut).chmod(0o700)
(folder / "home" / "jobs").chmod(0o500)
try:
    JobStore.publish(folder / "home", draft_of(3))
    publishing = "published"
except CheckpointWriteError as error:
    publishing = str(error)
(folder / "home" / "jobs").chmod(0o700)
answer = dict(status=status, reason=job.reason, asked=asked)
print(json.dumps(dict(answer, reading=reading, publishing=publishing)))
"""


@pytest.mark.parametrize("shut", [".", "segments"])
def test_a_read_only_folder_sends_nothing_and_can_be_read(shut):
    if not hasattr(os, "setuid") or os.getuid() != 0:
        pytest.skip("becoming another user needs root")
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users
    try:
        folder.chmod(0o755)
        run = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY.format(kit=str(KIT)), str(folder), shut],
            capture_output=True,
            text=True,
            check=False,
            cwd=KIT.parent.parent,
        )
        assert run.returncode == 0, run.stderr[-2000:]
        found = json.loads(run.stdout)
        assert (found["status"], found["asked"]) == ("failed", 0)
        assert "ermission denied" in found["reason"]
        assert found["reading"] == [20, 20, "paused", True]
        assert "ermission denied" in found["publishing"]
        carrier = BookCarrier(folder / "then.db")
        job = JobStore.list(folder / "home")[0]
        assert buy(job, carrier) is JobStatus.COMPLETED
        assert set(carrier.sales().values()) == {1}
    finally:
        shutil.rmtree(folder)


# -- two owners ------------------------------------------------------------------------------------


_BUY = """
import asyncio, json, os, sys
from pathlib import Path
sys.path.insert(0, {kit!r})
from corekit import BookCarrier, draft_of
from shipkit.purchasing.store import JobStore
from shipkit.errors import CheckpointLocked
from shipkit.purchasing.run import execute

home, books, release = map(Path, sys.argv[1:4])

async def until_the_other_was_refused(carrier, shipment, reference):
    while not release.exists():
        await asyncio.sleep(0.01)

print("ready", flush=True)
sys.stdin.readline()
job = JobStore.publish(home, draft_of(30))
carrier = BookCarrier(books, hook=until_the_other_was_refused)
try:
    said = dict(status=str(asyncio.run(execute(job, carrier, grace_s=0.1))))
except CheckpointLocked as error:
    said = dict(locked=error.details["holder"]["pid"], message=str(error))
print(json.dumps(dict(said, pid=os.getpid(), asked=len(carrier.calls))))
"""


def test_two_processes_that_execute_one_plan_at_the_same_moment_buy_once(home, tmp_path):
    carrier, release = BookCarrier(tmp_path / "books.db"), tmp_path / "release"
    command = [
        sys.executable,
        "-c",
        _BUY.format(kit=str(KIT)),
        str(home),
        str(tmp_path / "books.db"),
        str(release),
    ]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, cwd=KIT.parent.parent, **pipes) for _ in range(2)]
    assert [one.stdout.readline() for one in both] == ["ready\n"] * 2
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    with ThreadPoolExecutor(2) as threads:  # the owner waits for the release, so the other is first
        ends = [threads.submit(one.communicate, timeout=120) for one in both]
        wait(ends, return_when=FIRST_COMPLETED)
        release.touch()
        said = [json.loads(end.result()[0]) for end in ends]
    first, second = sorted(said, key=lambda one: "locked" in one)
    assert (first["status"], first["asked"]) == ("completed", 30)
    assert second["asked"] == 0, "the other asked the carrier for nothing"
    assert second["locked"] == first["pid"]
    assert f"process {first['pid']}" in second["message"]
    assert set(carrier.sales().values()) == {1}
    assert len(JobStore.list(home)) == 1


# -- the clock -------------------------------------------------------------------------------------


def test_a_clock_set_back_between_two_runs_changes_neither_the_books_nor_the_grace(
    home, tmp_path, monkeypatch
):
    control, job = Control(), job_of(home, 12)
    stopped = BookCarrier(
        tmp_path / "books.db", hook=ask_after(6, control.stop_now), latency_s=0.01
    )
    assert buy(job, stopped, control=control) is JobStatus.PAUSED
    doubtful = state_counts(job)["in_doubt"]
    assert doubtful
    year = 365 * 24 * 3600
    real, real_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: real() - year)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() - year * 10**9)
    carrier, began = BookCarrier(tmp_path / "books.db"), time.monotonic()
    assert buy(JobStore(job.path), carrier, grace_s=0.5) is JobStatus.COMPLETED
    assert len(carrier.calls) + len(stopped.calls) == 12 + doubtful, (
        "the stopped calls sold nothing, and were sent again"
    )
    assert time.monotonic() - began >= 0.5, "not before the grace"
    assert set(carrier.sales().values()) == {1}
    assert state_counts(JobStore(job.path)) == {"shipped": 12}


def test_a_draft_of_another_clock_is_the_same_job(home, monkeypatch):
    job = JobStore.publish(home, draft_of(3))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert JobStore.publish(home, draft_of(3)).job_id == job.job_id
