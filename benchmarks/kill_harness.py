"""Kill -9 jobs again and again, at random moments, and compare the carrier's books with ours.

    python benchmarks/kill_harness.py --kills 1000 --json kills.json [--carrier ups|easypost|usps]
    python benchmarks/kill_harness.py --carrier sandbox+easypost     (two accounts in each job)

The carrier is a process of its own, with latency, lost answers and late commits, so that it lives
on when its client dies: the sandbox, or (``--carrier ups``, ``easypost``, ``usps``) the tests' own
server of that carrier, asked by its client. Every job is run by a fresh child; the child is killed
at a random moment, the next child resumes, and so on; when the job's share of kills is used up, it
is run to its end. Then, for every order of the job: bought more than once at the carrier, never
bought, bought and unknown to our books, and with two accounts bought at the wrong one. All must be
0.

Two kills of three fall at a random time; one of three is aimed at a disk operation, so that rare
places are met too. Where a kill fell is told by two bytes that the child's disk operations keep in
shared memory, and how many rows were on their way by the books that it left.

Several jobs run side by side (`--lanes`). Totals are written after every job: Ctrl-C (or
`--minutes`) ends the run after the jobs under way, and the same command with the same file goes on
from there.
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
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import SecretStr

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core_kit")]

import corekit  # noqa: E402

import shipkit.purchasing.store.compaction  # noqa: E402
from shipkit.carriers.accounts import Account, Accounts  # noqa: E402
from shipkit.carriers.easypost import EasyPost  # noqa: E402
from shipkit.carriers.pace import Pacer  # noqa: E402
from shipkit.carriers.sandbox import SandboxCarrier  # noqa: E402
from shipkit.carriers.ups import UPS  # noqa: E402
from shipkit.carriers.usps import USPS  # noqa: E402
from shipkit.carriers.usps.usps_client import Payer  # noqa: E402
from shipkit.common.files import Disk  # noqa: E402
from shipkit.models import LabelSpec  # noqa: E402
from shipkit.purchasing.run import execute  # noqa: E402
from shipkit.purchasing.store import JobStore  # noqa: E402
from shipkit.purchasing.store.manifest import JobAccount  # noqa: E402
from shipkit.state import RowState  # noqa: E402

PHASES = (
    "opening the job",
    "between commits",
    "segment: writing the temporary file",
    "segment: renaming",
    "segment: syncing the folder",
    "naming the last in HEAD",
    "compaction: writing the temporary file",
    "compaction: renaming",
    "compaction: syncing the folder",
    "compaction: removing what it stands for",
)
OPENING, IDLE, WRITE, RENAME, SYNC, HEAD, COMPACT = 0, 1, 2, 3, 4, 5, 4
FAULTS = {
    "lost": 0.02,
    "lost_before": 0.02,
    "late": 0.02,
    "late_s": 0.25,
    "error_after": 0.01,
    "wire": "reset",
}
UPS_FAULTS = (
    "reset_after",
    "503_after",
    "hang_after",
    "half",
    "silent",
    "late_work",
    "reset_before",
    "503_before",
    "hang",
    "429",
    "401",
)
"""Each once in so many purchases."""
UPS_ONCE_IN = 150
EASYPOST_FAULTS = {
    "buy": (
        "reset_after",
        "503_after",
        "hang_after",
        "half",
        "garbled",
        "late_work",
        "in_progress",
        "in_progress_never",
        "no_response",
        "timed_out",
        "timed_out_after",
        "no_number",
        "exists",
        "reset_before",
        "503_before",
        "hang",
        "429",
    ),
    "create": ("reset_after", "half", "429"),
    "file": ("404", "half", "garbled", "reset_before"),
    "get": ("503_before", "half"),
}
"""Call -> its faults, each once in so many calls."""
USPS_FAULTS = {
    "label": (
        "reset_after",
        "503_after",
        "502_after",
        "hang_after",
        "half",
        "cut",
        "garbled",
        "hollow",
        "no_image",
        "broken_image",
        "page",
        "late_work",
        "key_in_progress",
        "key_in_progress_400",
        "reset_before",
        "503_before",
        "page_before",
        "hang",
        "429_retry",
        "401",
        "dead_payment",
    ),
    "reprint": ("503_before", "half", "garbled", "limit", "429_retry"),
    "prices": ("503_before", "half", "429_retry"),
    "token": ("503_before",),
    "payment": ("503_before", "half"),
}
TIMEOUT_S, LATE_S = 0.5, 0.3
GOOD = 2
MUST_BE_0 = ("duplicates", "never_shipped", "unknown_to_us", "labels_missing", "misplaced")


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
    compacting = marks[1]  # read once: the child goes on writing
    return PHASES[compacting] if compacting != 255 else PHASES[marks[0]]


# -- the child -------------------------------------------------------------------------------------


class Zygote:
    """A process that forks one child per order, so that imports are paid once.

    It is forked itself before this program has a thread.
    """

    def __init__(self, others: list[Zygote], work: Callable[..., int] | None = None) -> None:
        self.marks = mmap.mmap(-1, 2)
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        if os.fork() == 0:
            for other in others:
                os.close(other._orders)
                os.close(other._answers)
            os.close(self._orders)
            os.close(self._answers)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            _fork_for_each(self.marks, orders, answers, work or run)
            os._exit(0)
        os.close(orders)
        os.close(answers)
        self._said = os.fdopen(self._answers, "r")

    def start(self, *words: object) -> int:
        """Run a job in a child; return its process id."""
        self.marks[0], self.marks[1] = OPENING, 255
        os.write(self._orders, (" ".join(map(str, words)) + "\n").encode())
        return int(self._said.readline())

    def wait(self) -> int:
        """Return the child's wait status."""
        return int(self._said.readline())

    def close(self) -> None:
        os.close(self._orders)
        self._said.close()


def _fork_for_each(marks: mmap.mmap, orders: int, answers: int, work: Callable[..., int]) -> None:
    with os.fdopen(orders, "r") as lines:
        for line in lines:
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    code = work(marks, *line.split())
                except BaseException:  # the child ends here whatever it was, and says why
                    traceback.print_exc()
                finally:
                    sys.stderr.flush()
                    os._exit(code)
            os.write(answers, f"{pid}\n".encode())
            _, status = os.waitpid(pid, 0)
            os.write(answers, f"{status}\n".encode())


def run(marks: mmap.mmap, home: str, job_id: str, url: str, *sizes: str) -> int:
    """Run a job to its end. Exit code 0: nothing is left to do."""
    concurrency, shipkit.purchasing.store.compaction.COMPACT_AFTER = map(int, sizes)
    shipkit.purchasing.store.compaction._SPARE_FOR_S = (
        0.0  # so that removals happen in a short life too
    )
    job = JobStore.open(Path(home), job_id)
    job.disk = MarkedDisk(marks)

    async def work():
        names = [account.name for account in job.manifest.accounts]
        accounts = accounts_at(names or [job.manifest.identity.name], url, concurrency)
        try:
            return await execute(job, accounts, timeout_s=TIMEOUT_S, grace_s=2 * TIMEOUT_S + LATE_S)
        finally:
            for account in accounts:
                await account.carrier.aclose()

    return 0 if asyncio.run(work()) == "completed" else GOOD


def accounts_at(names: list[str], url: str, concurrency: int = 4) -> Accounts:
    """Return the carriers at the URLs in `url`, one after the other, as accounts."""
    members = [
        Account(name, client(name, at), Pacer(concurrency=concurrency, breaker_after=1000))
        for name, at in zip(names, url.split("|"), strict=True)
    ]
    return Accounts(members)


def client(name: str, url: str, timeout_s: float = TIMEOUT_S) -> Any:
    """Return the carrier at `url`, impatient, and sure of an absence soon."""
    if name == "ups":
        return UPS(
            "client-of-the-tests",
            SecretStr("s3cret-of-the-tests"),
            "A1B2C3",
            base_url=url,
            timeout_s=timeout_s,
            absence_proof_after_s=LATE_S + 0.1,
        )
    if name == "easypost":
        return EasyPost(
            SecretStr("EZTK_key_of_the_tests"),
            base_url=url,
            timeout_s=timeout_s,
            processing_s=LATE_S + 0.1,
        )
    if name == "usps":
        return USPS(
            "client-of-the-tests",
            SecretStr("s3cret-of-the-tests"),
            Payer("1000012345", "987654321", "903456789", "903456789"),
            base_url=url,
            timeout_s=timeout_s,
            processing_s=LATE_S + 0.1,
            quota_per_hour=1_000_000,
        )
    return SandboxCarrier(url=url, timeout_s=timeout_s, absence_is_proof_after_s=LATE_S + 0.1)


# -- the harness -----------------------------------------------------------------------------------


class Served:
    """The sandbox in its own process."""

    name, label = "sandbox", LabelSpec()

    def __init__(self, folder: Path, seed: int) -> None:
        self._path = folder / "books.sqlite"
        faults = json.dumps({**FAULTS, "seed": seed})
        command = [
            sys.executable,
            "-m",
            "shipkit.carriers.sandbox",
            "--serve",
            "--books",
            str(self._path),
            "--latency-ms",
            "15",
            "--jitter-ms",
            "15",
        ]
        command += ["--label-bytes", "2000", "--longest-late-s", str(LATE_S), "--faults", faults]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.url = self.process.stdout.readline().strip()

    def sold(self, job: JobStore) -> list[tuple[str, list[str], bool]]:
        """Return reference, tracking numbers and void state of all that one job bought."""
        with contextlib.closing(
            sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=30)
        ) as books:
            found = books.execute(
                "select reference, numbers, voided_at is not null from purchases where reference "
                "between ? and ?",
                (job.manifest.reference_base, job.manifest.reference_base + "~"),
            ).fetchall()
        return [
            (reference, json.loads(numbers), bool(voided)) for reference, numbers, voided in found
        ]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class ServedByTests:
    """One of the tests' carrier servers, in a process of its own."""

    label = LabelSpec(format="zpl")
    name: str
    latency_s: float
    faults: dict[str, tuple[str, ...]]
    """Call -> its faults, each of which comes once in `UPS_ONCE_IN` requests."""
    kept = True
    """Whether the server keeps its books in a file."""
    options: tuple[str, ...] = ()
    """Further options of the server."""

    def __init__(self, folder: Path, seed: int) -> None:
        server = ROOT / "tests" / "carriers" / self.name / "server.py"
        command = [sys.executable, str(server), "--latency", str(self.latency_s)]
        command += ["--late", str(LATE_S - 0.05), *self.options]
        command += ["--books", str(folder / f"{self.name}.db")] if self.kept else []
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        rng = random.Random(seed)
        for call, kinds in self.faults.items():
            for kind in kinds:
                skip = rng.randrange(UPS_ONCE_IN)
                self.fault(call, kind, times=1_000_000, skip=skip, every=UPS_ONCE_IN)

    def fault(self, call: str, kind: str, **which: int) -> None:
        """Let calls fail: ``times`` of them, after ``skip`` good ones, one in ``every``."""
        _post(f"{self.url}/_fault", {"call": call, "kind": kind, **which})

    def books(self) -> dict[str, Any]:
        """Return what was sold; a request that the server objects to ends the harness."""
        with urllib.request.urlopen(f"{self.url}/_books") as answer:
            books = json.loads(answer.read())
        if books["objections"]:
            raise SystemExit(f"The server of {self.name} objects: {books['objections'][:3]}")
        return books

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class ServedUps(ServedByTests):
    """UPS. Requests are not checked against its OpenAPI files: that would take longer than jobs."""

    name, latency_s, faults, kept = "ups", 0.02, {"ship": tuple(UPS_FAULTS)}, False

    def sold(self, job: JobStore) -> list[tuple[str, list[str], bool]]:
        """Return reference, tracking numbers and void state of all that one job bought."""
        return [
            (s["reference"], s["parcels"], s["voided"])
            for s in self.books()["shipments"]
            if s["reference"].startswith(job.manifest.reference_base)
        ]


class ServedEasyPost(ServedByTests):
    """EasyPost."""

    name, latency_s, faults = "easypost", 0.03, EASYPOST_FAULTS

    def sold(self, job: JobStore) -> list[tuple[str, list[str], bool]]:
        """Return reference, tracking number and refund of all that one job bought."""
        return [
            (one["reference"], [one["number"]], bool(one["refund"]))
            for one in self.books()["sold"]
            if one["reference"].startswith(job.manifest.reference_base)
        ]


class ServedUsps(ServedByTests):
    """USPS. A key says nothing of its reference, so a label is one of its order: the plan's row."""

    name, latency_s, faults = "usps", 0.05, USPS_FAULTS

    def sold(self, job: JobStore) -> list[tuple[str, list[str], bool]]:
        """Return reference, tracking number and state of all that one job bought."""
        orders = job.plan.column("order_id").to_pylist()
        places = {order: place for place, order in enumerate(orders)}
        return [
            (job.reference(places[one["order"]], 1), [one["number"]], one["state"] != "sold")
            for one in self.books()["sold"]
            if one["order"] in places
        ]


def _post(url: str, body: dict[str, Any]) -> None:
    urllib.request.urlopen(
        urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    ).close()


SERVING: dict[str, Any] = {
    "sandbox": Served,
    "ups": ServedUps,
    "easypost": ServedEasyPost,
    "usps": ServedUsps,
}


class Several:
    """The servers of several accounts; the rows of a job go to one after the other."""

    label = LabelSpec(format="zpl")

    def __init__(self, name: str, folder: Path, seed: int) -> None:
        self.name, self.parts = name, []
        for each in name.split("+"):
            (folder / each).mkdir()
            self.parts.append(SERVING[each](folder / each, seed))
        self.url = "|".join(part.url for part in self.parts)

    def sold(self, job: JobStore) -> list[tuple[str, list[str], bool]]:
        """Return what one job bought from all of them."""
        return [one for part in self.parts for one in part.sold(job)]

    def misplaced(self, job: JobStore) -> int:
        """Return how many labels were bought at another account than the row's own."""
        count = len(self.parts)
        return sum(
            int(reference[12:17], 36) % count != place
            for place, part in enumerate(self.parts)
            for reference, _, _ in part.sold(job)
        )

    def close(self) -> None:
        for part in self.parts:
            part.close()


def serving(name: str, folder: Path, seed: int) -> Any:
    """Return the server of a carrier, or those of several: ``sandbox+easypost``."""
    return Several(name, folder, seed) if "+" in name else SERVING[name](folder, seed)


class Totals:
    """What happened so far, shared by the lanes, written down after every job."""

    def __init__(self, kills: int, path: Path | None) -> None:
        self.path, self.asked = path, kills
        self.numbers: Counter[str] = Counter()
        self.fell: dict[str, Counter[str]] = {"at random": Counter(), "aimed": Counter()}
        self.on_their_way: Counter[str] = Counter()
        self.alive_ms: list[int] = []
        if path and path.exists():
            self._go_on(json.loads(path.read_text()))
        self.left = max(0, kills - self.numbers["kills"])
        self.ending = threading.Event()
        self._guard = threading.Lock()
        self._began = time.monotonic() - self.numbers["seconds"]

    def _go_on(self, before: dict) -> None:
        self.numbers.update(before["numbers"])
        self.on_their_way.update(before["rows_on_their_way_at_a_kill"])
        self.alive_ms += before["alive_ms"]
        for how, places in before["fell"].items():
            self.fell[how].update(places)

    def take(self, most: int) -> int:
        """Return how many kills a new job may have; 0: no new job."""
        with self._guard:
            share = 0 if self.ending.is_set() else min(self.left, most)
            self.left -= share
            return share

    def give_back(self, kills: int) -> None:
        with self._guard:
            self.left += kills

    def killed(self, place: str, *, aimed: bool, resuming: bool, alive_s: float, rows: int) -> None:
        with self._guard:
            self.numbers["kills"] += 1
            self.numbers["killed_while_resuming"] += resuming
            self.fell["aimed" if aimed else "at random"][place] += 1
            self.alive_ms.append(int(1000 * alive_s))
            self.on_their_way[
                "0" if rows == 0 else "1-4" if rows < 5 else "5-16" if rows < 17 else "17 or more"
            ] += 1
            self.numbers["rows_left_on_their_way"] += rows

    def audited(self, found: Counter[str]) -> None:
        with self._guard:
            self.numbers += Counter({"jobs": 1}) + found
            self.numbers["seconds"] = int(time.monotonic() - self._began)
            if self.path:
                fresh = self.path.with_suffix(".part")
                fresh.write_text(json.dumps(self.report(), indent=1))
                fresh.replace(self.path)
            wrong = {name: self.numbers[name] for name in MUST_BE_0}
            print(
                f"{self.numbers['seconds']:>5} s  {self.numbers['kills']:>5} of {self.asked} "
                f"kills  {self.numbers['jobs']} jobs  {self.numbers['shipments']:,} shipments  "
                f"{wrong}",
                file=sys.stderr,
            )

    def report(self) -> dict:
        alive = sorted(self.alive_ms) or [0]
        everywhere = self.fell["at random"] + self.fell["aimed"]
        groups = Counter(
            {
                "opening": everywhere[PHASES[OPENING]],
                "between commits": everywhere[PHASES[IDLE]],
                "during a commit": sum(everywhere[PHASES[p]] for p in (WRITE, RENAME, SYNC)),
                "after a commit, before it was named": everywhere[PHASES[HEAD]],
                "in a compaction": sum(everywhere[p] for p in PHASES[6:]),
            }
        )
        return {
            "asked": self.asked,
            **{name: self.numbers[name] for name in ("kills", "jobs", "shipments", *MUST_BE_0)},
            "numbers": dict(self.numbers),
            "fell_in_short": dict(groups),
            "fell": {how: dict(places) for how, places in self.fell.items()},
            "rows_on_their_way_at_a_kill": dict(self.on_their_way),
            "alive_ms_quartiles": [alive[len(alive) * q // 4 - (q == 4)] for q in range(5)],
            "alive_ms": self.alive_ms,
        }


def lane(
    number: int,
    zygote: Zygote,
    totals: Totals,
    served: Served | ServedByTests | Several,
    home: Path,
    sizes: tuple[int, ...],
    seed: int,
) -> None:
    """Run jobs, one after the other, until no kills are left."""
    rng = random.Random(f"{seed} {number} {totals.numbers['kills']}")
    first = (
        number * 100_000_000
    )  # everybody has an address of their own: an order seen before would be held back
    while share := totals.take(rng.randint(2, 14)):
        size = rng.choice(sizes)
        job = corekit.job_of(
            home,
            size,
            plan=plan_for(served.name, size, first),
            label=served.label,
            **whose(served.name, served.url, size),
        )
        lives, first = 0, first + size
        while True:
            began = time.monotonic()
            pid = zygote.start(
                home, job.job_id, served.url, rng.choice((4, 8, 16)), rng.choice((4, 8, 16))
            )
            aimed = False
            if share and not totals.ending.is_set():
                aimed = wait_for_the_moment(zygote.marks, rng)
                with contextlib.suppress(ProcessLookupError):  # it was done first
                    os.kill(pid, signal.SIGKILL)
            status = zygote.wait()
            if os.WIFSIGNALED(status):
                rows = job.counts()[RowState.IN_FLIGHT]
                totals.killed(
                    fell(zygote.marks),
                    aimed=aimed,
                    resuming=lives > 0,
                    alive_s=time.monotonic() - began,
                    rows=rows,
                )
                share -= 1
            elif os.WEXITSTATUS(status) == 0:
                break
            elif os.WEXITSTATUS(status) != GOOD:
                raise SystemExit(f"a child failed with status {status} on {job.path}")
            lives += 1
        totals.give_back(share)
        time.sleep(LATE_S)  # what is late lands before the books are read
        found = audit(job, served.sold(job))
        if isinstance(served, Several):
            found["misplaced"] = served.misplaced(job)
        totals.audited(found)
        shutil.rmtree(job.path)


SERVICE_OF = {"easypost": "usps:ground_advantage", "usps": "ground_advantage"}
"""Carrier -> a service of it, where it has none called ground."""
BOX = {
    "weight_lb": 1.0,
    "packaging": "package",
    "length_in": 10.0,
    "width_in": 8.0,
    "height_in": 4.0,
}


def plan_for(carrier: str, size: int, first: int) -> pa.Table:
    """Return a plan with services that each row's carrier has, and parcels with sides."""
    plan = corekit.plan_of(size, first=first)
    names = carrier.split("+")
    if not SERVICE_OF.keys() & set(names):
        return plan
    sellers = [names[row % len(names)] for row in range(size)]
    columns: dict[str, list[Any]] = {"service": [SERVICE_OF.get(n, "ground") for n in sellers]}
    if "usps" in names:
        columns["parcels"] = [[BOX]] * size
    for name, values in columns.items():
        place = plan.schema.get_field_index(name)
        field = plan.schema.field(place)
        plan = plan.set_column(place, field, pa.array(values, field.type))
    return plan


def whose(name: str, url: str, size: int) -> dict[str, Any]:
    """Return the fields of a draft that say which account, or accounts, it buys from."""
    accounts = accounts_at(name.split("+"), url)
    if accounts.alone:
        return {"identity": accounts.identity}
    return {
        "identity": accounts.identity,
        "accounts": tuple(
            JobAccount.of(account.name, account.carrier.identity, "proven") for account in accounts
        ),
        "row_accounts": pa.array([accounts.names[row % len(accounts)] for row in range(size)]),
    }


def wait_for_the_moment(marks: mmap.mmap, rng: random.Random) -> bool:
    """Wait a random time or for a random disk operation; return whether it was aimed."""
    choice = rng.random()
    if choice < 0.12:
        time.sleep(rng.uniform(0, 0.1))
        return False
    limit = time.monotonic() + 20
    while marks[0] == OPENING and time.monotonic() < limit:
        time.sleep(0.001)
    if choice < 0.67:
        time.sleep(rng.uniform(0, rng.choice((0.1, 0.4, 1.5))))
        return False
    place, limit = rng.randrange(WRITE, len(PHASES)), time.monotonic() + 1.0
    while PHASES[place] != fell(marks) and time.monotonic() < limit:
        time.sleep(0.00005)
    return True


def audit(job: JobStore, sold: list[tuple[str, list[str], bool]]) -> Counter[str]:
    """Return the figures of one job, from the carrier's books and ours."""
    results, counts, notes = job.results(), job.counts(), job.notes()
    standing = Counter(int(reference[12:17], 36) for reference, _, voided in sold if not voided)
    ours = {
        number
        for numbers in results.column("tracking_numbers").to_pylist()
        if numbers
        for number in numbers
    }
    theirs = {number for _, numbers, _ in sold for number in numbers}
    surplus = set(pa.compute.list_flatten(notes.column("tracking_numbers")).to_pylist())
    labelled = {label.row for label in job.labels()}
    events = Counter(job.chain().table.column("event").to_pylist())
    return Counter(
        {
            "shipments": results.num_rows,
            "duplicates": sum(count - 1 for count in standing.values() if count > 1),
            "never_shipped": sum(1 for row in range(results.num_rows) if standing[row] == 0),
            "unknown_to_us": len(theirs - ours - surplus) + len(ours - theirs),
            "labels_missing": results.num_rows
            - len(labelled)
            + results.num_rows
            - counts[RowState.SHIPPED],
            "sent_again_under_a_new_reference": sum(
                max(0, n - 1) for n in results.column("attempts").to_pylist()
            ),
            "adopted": events["adopted"],
            "surplus_reported": len(surplus),
        }
    )


def harness(options: argparse.Namespace, folder: Path) -> Totals:
    """Return what happened: kills by place, and the figures that must be 0."""
    zygotes: list[Zygote] = []
    for _ in range(options.lanes):  # forked first: from here on this process has threads
        zygotes.append(Zygote(zygotes))
    totals = Totals(options.kills, options.json)
    signal.signal(signal.SIGINT, lambda *_: totals.ending.set())
    signal.signal(signal.SIGTERM, lambda *_: totals.ending.set())
    served, sizes, failures = (
        serving(options.carrier, folder, options.seed + totals.numbers["kills"]),
        tuple(map(int, options.sizes.split(","))),
        [],
    )

    def guarded(number: int, zygote: Zygote) -> None:
        try:
            lane(number, zygote, totals, served, folder / "home", sizes, options.seed)
        except BaseException as error:
            failures.append(error)
            totals.ending.set()

    try:
        threads = [threading.Thread(target=guarded, args=item) for item in enumerate(zygotes)]
        for thread in threads:
            thread.start()
        limit = time.monotonic() + 60 * options.minutes
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
                if time.monotonic() > limit:
                    totals.ending.set()
    finally:
        for zygote in zygotes:
            zygote.close()
        served.close()
    if failures:
        raise failures[0]
    return totals


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument(
        "--carrier",
        default="sandbox",
        help=f"{', '.join(SERVING)}, or several in each job: sandbox+easypost",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sizes", default="60,250,800,2000")
    parser.add_argument("--lanes", type=int, default=3, help="jobs that run side by side")
    parser.add_argument(
        "--minutes",
        type=float,
        default=25,
        help="after this long no more kills; what runs is finished",
    )
    parser.add_argument(
        "--json",
        type=Path,
        help="totals, written after every job; a file of an unfinished run is gone on from",
    )
    parser.add_argument("--markdown", type=Path)
    parser.add_argument(
        "--store",
        action="store_true",
        help="the home is in an object store, and each child is a host with an empty cache: "
        "host_deaths.py, which has more options",
    )
    options = parser.parse_args()
    if options.store:
        import host_deaths

        words = ["--deaths", options.kills, "--carrier", options.carrier, "--seed", options.seed]
        words += ["--lanes", options.lanes, "--minutes", options.minutes, "--sizes", options.sizes]
        words += ["--json", options.json] if options.json else []
        return host_deaths.main([str(word) for word in words])
    with tempfile.TemporaryDirectory() as folder:
        totals = harness(options, Path(folder))
    found = totals.report()
    if options.markdown:
        options.markdown.write_text(markdown(found))
    print(
        json.dumps({name: value for name, value in found.items() if name != "alive_ms"}, indent=1)
    )
    return (
        1 if any(found[name] for name in MUST_BE_0) else 0 if found["kills"] >= options.kills else 3
    )


def markdown(found: dict) -> str:
    """Return the tables for the note and the docs."""
    fine = found["fell"]
    lines = [
        "| measure | value |",
        "| --- | ---: |",
        *(
            f"| {name.replace('_', ' ')} | {found[name]:,} |"
            for name in ("kills", "jobs", "shipments", *MUST_BE_0)
        ),
    ]
    lines += [
        f"| {name.replace('_', ' ')} | {value:,} |"
        for name, value in found["numbers"].items()
        if name not in found
    ]
    lines += ["", "| where a kill fell | at random | aimed |", "| --- | ---: | ---: |"]
    lines += [
        f"| {place} | {fine['at random'].get(place, 0)} | {fine['aimed'].get(place, 0)} |"
        for place in PHASES
    ]
    lines += [
        "",
        "| rows on their way at the kill | kills |",
        "| --- | ---: |",
        *(
            f"| {rows} | {count} |"
            for rows, count in sorted(
                found["rows_on_their_way_at_a_kill"].items(),
                key=lambda item: int(item[0].split()[0].split("-")[0]),
            )
        ),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
