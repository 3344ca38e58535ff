"""Kill -9 a job again and again, at random moments, and compare the carrier's books with ours.

    python benchmarks/kill_harness.py --kills 1000 --json kills.json

The sandbox is served by a process of its own, with latency, lost answers and late commits, so that it lives on when its
client dies. Every job is run by a fresh child; the child is killed at a random moment, the next child resumes, and so on; when
the kills are used up the job is run to its end. Then, for every order of every job: bought more than once at the carrier,
never bought, bought and unknown to our books. All three must be 0.

Where a kill fell is told by a byte that the child's disk operations keep in shared memory.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from urllib.request import urlopen

import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core_kit")]

import corekit  # noqa: E402

import shipkit.compaction  # noqa: E402
from shipkit.carriers.sandbox import SandboxCarrier  # noqa: E402
from shipkit.checkpoint import Checkpoint  # noqa: E402
from shipkit.disk import Disk  # noqa: E402
from shipkit.execute import execute  # noqa: E402
from shipkit.pace import Pacer  # noqa: E402
from shipkit.state import RowState  # noqa: E402

PHASES = (
    "opening the job", "between commits", "segment: writing the temporary file", "segment: renaming", "segment: syncing the folder", "naming the last in HEAD",
    "compaction: writing the temporary file", "compaction: renaming", "compaction: syncing the folder", "compaction: removing what it stands for",
)
OPENING, IDLE, WRITE, RENAME, SYNC, HEAD, COMPACT = 0, 1, 2, 3, 4, 5, 4
FAULTS = {"lost": 0.02, "lost_before": 0.02, "late": 0.02, "late_s": 0.3, "error_after": 0.01, "wire": "reset"}
TIMEOUT_S, LATE_S = 0.5, 0.5


class MarkedDisk(Disk):
    """Says in shared memory what it is doing."""

    def __init__(self, marks: mmap.mmap) -> None:
        self._marks = marks

    def _mark(self, phase: int, path: Path) -> None:
        compacting = "cmp-" in path.name
        self._marks[1 if compacting else 0] = phase + (COMPACT if compacting else 0)

    def publish(self, folder, name, data):
        super().publish(folder, name, data)
        self._marks[1 if "cmp-" in name else 0] = 255 if "cmp-" in name else IDLE

    def write(self, path, data):
        self._mark(WRITE, path)
        super().write(path, data)

    def rename(self, old, new):
        self._mark(RENAME, new)
        self._name = new.name
        super().rename(old, new)
        self._mark(SYNC, new)

    def patch(self, path, offset, data):
        self._marks[0] = HEAD
        super().patch(path, offset, data)
        self._marks[0] = IDLE

    def remove(self, path):
        self._marks[1] = 9
        super().remove(path)
        self._marks[1] = 255


def fell(marks: mmap.mmap) -> str:
    """Return where a killed child was."""
    return PHASES[marks[1]] if marks[1] != 255 else PHASES[marks[0]]


# -- the child -------------------------------------------------------------------------------------


def zygote(marks_path: str) -> None:
    """Fork a child for each line on standard input: ``home job url concurrency compact_after``. Imports are paid once."""
    with Path(marks_path).open("r+b") as file:
        marks = mmap.mmap(file.fileno(), 2)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = run(marks, *line.split())
            finally:
                os._exit(code)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(status, flush=True)


def run(marks: mmap.mmap, home: str, job_id: str, url: str, *sizes: str) -> int:
    """Run a job to its end. Exit code 0: nothing is left to do."""
    marks[0], marks[1] = OPENING, 255
    concurrency, shipkit.compaction.COMPACT_AFTER = map(int, sizes)
    shipkit.compaction._SPARE_FOR_S = 0.0  # noqa: SLF001 - so that removals happen in a short life too
    job = Checkpoint.open(Path(home), job_id)
    job.disk = MarkedDisk(marks)

    async def work():
        carrier = SandboxCarrier(url=url, timeout_s=TIMEOUT_S, absence_is_proof_after_s=LATE_S + 0.2)
        try:
            pacer = Pacer(concurrency=concurrency, breaker_after=1000)
            return await execute(job, carrier, pacer=pacer, timeout_s=TIMEOUT_S, grace_s=2 * TIMEOUT_S + LATE_S)
        finally:
            await carrier.aclose()

    return 0 if asyncio.run(work()) == "completed" else 2


# -- the harness -----------------------------------------------------------------------------------


class Served:
    """The sandbox in its own process."""

    def __init__(self, folder: Path, seed: int) -> None:
        faults = json.dumps({**FAULTS, "seed": seed})
        command = [sys.executable, "-m", "shipkit.carriers.sandbox", "--serve", "--books", str(folder / "books.sqlite"), "--latency-ms", "15", "--jitter-ms", "15"]
        command += ["--label-bytes", "2000", "--longest-late-s", str(LATE_S), "--faults", faults]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def books(self) -> list[dict]:
        with urlopen(f"{self.url}/books") as answer:
            return json.load(answer)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def harness(kills: int, *, seed: int, sizes: tuple[int, ...], folder: Path) -> dict:
    """Return what happened: kills by place, and the three figures that must be 0."""
    random.seed(seed)
    home = folder / "home"
    marks_path = folder / "marks"
    marks_path.write_bytes(bytes([0, 255]))
    with marks_path.open("r+b") as file:
        marks = mmap.mmap(file.fileno(), 2)
    served = Served(folder, seed)
    children = subprocess.Popen([sys.executable, __file__, "--zygote", str(marks_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    where, totals, jobs, left, resumed, aimed = Counter(), Counter(), 0, kills, 0, 0
    try:
        while left > 0:
            size = random.choice(sizes)
            plan = corekit.plan_of(size, prefix=f"J{jobs:04}-")
            identity = SandboxCarrier(url=served.url).identity
            job = Checkpoint.publish(home, corekit.draft_of(size, plan=plan, identity=identity))
            jobs, life = jobs + 1, 0
            share = min(left, random.randint(2, 14))
            while True:
                marks[0], marks[1] = OPENING, 255
                children.stdin.write(f"{home} {job.job_id} {served.url} {random.choice((4, 8, 16))} {random.choice((4, 8, 16))}\n")
                children.stdin.flush()
                pid = int(children.stdout.readline())
                if share > 0:
                    aimed += wait_for_the_moment(marks)
                    with contextlib.suppress(ProcessLookupError):  # it was done first
                        os.kill(pid, signal.SIGKILL)
                status = int(children.stdout.readline())
                if os.WIFSIGNALED(status):
                    place = fell(marks)
                    where[place] += 1
                    resumed += life > 0
                    share, left = share - 1, left - 1
                elif os.WEXITSTATUS(status) == 0:
                    break
                elif os.WEXITSTATUS(status) != 2:
                    raise SystemExit(f"a child failed with status {status} on {job.job_id}")
                life += 1
            time.sleep(LATE_S)  # what is late lands before the books are read
            totals += audit(job, served.books())
            shutil.rmtree(job.path)
    finally:
        children.stdin.close()
        children.wait()
        children.stdout.close()
        served.close()
    return {
        "kills": kills, "jobs": jobs, "shipments": totals["shipments"], "killed_while_resuming": resumed, "aimed_at_a_place": aimed,
        "duplicates": totals["duplicates"], "never_shipped": totals["never_shipped"], "unknown_to_us": totals["unknown_to_us"],
        "attempts_beyond_the_first": totals["again"], "adopted": totals["adopted"], "surplus_reported": totals["surplus"],
        "fell": {phase: where[phase] for phase in PHASES if where[phase]},
    }


def wait_for_the_moment(marks: mmap.mmap) -> bool:
    """Wait a random time; in one case of three aim at a random disk operation (and say so), so that rare places are met too."""
    choice = random.random()
    if choice < 0.15:
        time.sleep(random.uniform(0, 0.1))
        return False
    limit = time.monotonic() + 20
    while marks[0] == OPENING and time.monotonic() < limit:
        time.sleep(0.001)
    if choice < 0.65:
        time.sleep(random.choice((random.uniform(0, 0.1), random.uniform(0, 1.0), random.uniform(0, 2.5))))
        return False
    place, limit = random.randrange(WRITE, len(PHASES)), time.monotonic() + 1.5
    while PHASES[place] != fell(marks) and time.monotonic() < limit:
        pass
    return True


def audit(job: Checkpoint, books: list[dict]) -> Counter:
    """Return the three figures of one job, from the carrier's books and ours."""
    results = job.results()
    base = job.manifest.reference_base
    sold = [entry for entry in books if entry["reference"].startswith(base)]
    standing = Counter(int(entry["reference"][12:17], 36) for entry in sold if not entry["voided_at"])
    ours = {number for numbers in results.column("tracking_numbers").to_pylist() if numbers for number in numbers}
    theirs = {number for entry in sold for number in entry["numbers"]}
    notes = job.notes()
    surplus = set(pa.compute.list_flatten(notes.column("tracking_numbers")).to_pylist())
    counts = job.counts()
    labelled = {label.row for label in job.labels()}
    if counts[RowState.SHIPPED] != results.num_rows or len(labelled) != results.num_rows:
        print(f"{job.job_id}: {counts}, {len(labelled)} labels", file=sys.stderr)
    table = job.chain().table
    events = Counter(table.column("event").to_pylist())
    return Counter({
        "shipments": results.num_rows,
        "duplicates": sum(count - 1 for count in standing.values() if count > 1),
        "never_shipped": sum(1 for row in range(results.num_rows) if standing[row] == 0),
        "unknown_to_us": len(theirs - ours - surplus),
        "again": sum(max(0, n - 1) for n in results.column("attempts").to_pylist()),
        "adopted": events["adopted"],
        "surplus": len(surplus),
    })


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sizes", default="40,120,300")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--zygote", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.zygote:
        zygote(options.zygote)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = harness(options.kills, seed=options.seed, sizes=tuple(map(int, options.sizes.split(","))), folder=Path(folder))
    text = json.dumps(found, indent=1)
    if options.json:
        options.json.write_text(text)
    print(text)
    return 0 if found["duplicates"] == found["never_shipped"] == found["unknown_to_us"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
