"""Kill -9 the booking of pickups and the making of manifests, and compare the books.

    python benchmarks/handover_kills.py --kills 100 [--what pickup,manifest,cancel] [--json F]

The sandbox is a process of its own that answers late, so that what a killed client has sent still
lands, also after the next client has asked. A job of it is bought; then for every two of its rows a
child books a pickup (or makes a manifest, or cancels the pickup that was booked), and is killed at
a random moment, or while it does one of the things that the kills are aimed at. The next child goes
on, and is killed or not. When one has ended by itself, the books of the sandbox and of the job are
compared: booked twice or on two forms, never, and what one side has and the other does not, must
all be 0. After each kill, what the sandbox has must be booked or in doubt in the job's books.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import mmap
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core_kit"), str(ROOT / "benchmarks")]

import corekit  # noqa: E402
import kill_harness  # noqa: E402
from kill_harness import GOOD, HEAD, IDLE, OPENING, RENAME, SYNC, WRITE  # noqa: E402

from shipkit.carriers import pace  # noqa: E402
from shipkit.carriers.accounts import Account, Accounts  # noqa: E402
from shipkit.carriers.pace import Pacer  # noqa: E402
from shipkit.carriers.sandbox import SandboxCarrier  # noqa: E402
from shipkit.common.local_day import local_day  # noqa: E402
from shipkit.errors import CarrierError  # noqa: E402
from shipkit.models import Money  # noqa: E402
from shipkit.purchasing.handover import pickup_run  # noqa: E402
from shipkit.purchasing.handover.driver_manifests import ManifestBook  # noqa: E402
from shipkit.purchasing.handover.manifest_run import make_manifests  # noqa: E402
from shipkit.purchasing.pickup_book import PickupEntry, pickup_book  # noqa: E402
from shipkit.purchasing.run import execute  # noqa: E402
from shipkit.purchasing.store import JobStore  # noqa: E402

KINDS = ("pickup", "manifest", "cancel")
ASKING = 20
"""The child has a request on its way that books, makes or cancels."""
ENDING = 21
PLACES = {
    OPENING: "opening the job, or asking for the price",
    IDLE: "between a commit and a request",
    WRITE: "a segment: writing the temporary file",
    RENAME: "a segment: renaming",
    SYNC: "a segment: syncing the folder",
    HEAD: "writing HEAD",
    ASKING: "the request is on its way",
    ENDING: "after all of it",
}
ROWS = 2
"""Rows of one pickup, and of one manifest."""
PRICE = Money.of("6.25")
TIMEOUT_S = 3.0
MUST_BE_0 = ("twice", "never", "unknown_to_us", "unknown_to_the_carrier", "not_in_doubt", "papers")


# -- the child -------------------------------------------------------------------------------------


def run(marks: mmap.mmap, home: str, job_id: str, url: str, what: str, first: str) -> int:
    """Do one thing for some rows. Exit code 0: it is done, GOOD: it is to be tried again."""
    pace._BACKOFF_S = 0.01
    job = JobStore.open(Path(home), job_id)
    job.disk = kill_harness.MarkedDisk(marks)
    rows = [int(first) + place for place in range(ROWS)]
    carrier = SandboxCarrier(url=url, timeout_s=TIMEOUT_S)
    for name in ("book_pickup", "manifest", "cancel_pickup"):
        setattr(carrier, name, _marked(marks, getattr(carrier, name)))
    accounts = Accounts([Account("sandbox", carrier, Pacer(breaker_after=1000))])

    async def work() -> bool:
        try:
            return await WORK[what](job, accounts, rows)
        finally:
            await carrier.aclose()

    try:
        return 0 if asyncio.run(work()) else GOOD
    except CarrierError as error:
        print(f"{what}: {error.message}", file=sys.stderr)
        return GOOD
    finally:
        marks[0] = ENDING


def _marked(marks: mmap.mmap, call: Any) -> Any:
    async def marked(*given: Any, **options: Any) -> Any:
        marks[0] = ASKING
        answer = await call(*given, **options)
        marks[0] = IDLE
        return answer

    return marked


async def _book(job: JobStore, accounts: Accounts, rows: list[int]) -> bool:
    entry = _of(job, rows, "in_doubt", "booked")
    if entry is None:
        wish = pickup_run.PickupWish(_day(), dt.time(9), dt.time(17), "office", "Dock 2")
        entry = await pickup_run.offered(job, accounts, rows, wish)
    return (await pickup_run.book(job, accounts, entry, PRICE)).state == "booked"


async def _cancel(job: JobStore, accounts: Accounts, rows: list[int]) -> bool:
    entry = _of(job, rows, "booked", "canceled")
    assert entry is not None
    return (await pickup_run.cancel(job, accounts, entry)).state == "canceled"


async def _put_on_form(job: JobStore, accounts: Accounts, rows: list[int]) -> bool:
    outcome = await make_manifests(job, accounts, rows)
    return not outcome.left_out


WORK = {"pickup": _book, "manifest": _put_on_form, "cancel": _cancel}


def _of(job: JobStore, rows: list[int], *states: str) -> PickupEntry | None:
    found = [each for each in pickup_book(job).values() if list(each.rows) == rows]
    return next((each for each in reversed(found) if each.state in states), None)


def _day() -> dt.date:
    """Return a day with pickups that is not over soon: a week from Monday."""
    today = local_day(corekit.SHOP)
    return today + dt.timedelta(days=14 - today.weekday())


# -- the harness -----------------------------------------------------------------------------------


class SlowSandbox:
    """The sandbox in its own process, and its books."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "books.sqlite"
        words = ["--serve", "--books", str(self._path), "--latency-ms", "20", "--jitter-ms", "300"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shipkit.carriers.sandbox", *words, "--label-bytes", "100"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.url = self.process.stdout.readline().strip()

    def pickups(self) -> dict[str, list[tuple[str, bool]]]:
        """Return reference -> number and whether it is canceled, of each pickup."""
        found: dict[str, list[tuple[str, bool]]] = {}
        query = "select reference, number, canceled_at is not null from pickups"
        for reference, number, canceled in self._asked(query):
            found.setdefault(reference, []).append((number, bool(canceled)))
        return found

    def forms(self) -> dict[str, str]:
        """Return label -> form."""
        return dict(self._asked("select tracking_number, number from form_labels"))

    def _asked(self, query: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(
            sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=30)
        ) as books:
            return books.execute(query).fetchall()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def bought(home: Path, url: str, size: int) -> JobStore:
    """Return a job with all its labels bought, which leave tomorrow, whatever the hour is."""
    plan = corekit.plan_of(size)
    place = plan.schema.get_field_index("ship_date")
    days = [local_day(corekit.SHOP) + dt.timedelta(days=1)] * size
    field = plan.schema.field(place)
    plan = plan.set_column(place, field, pa.array(days, field.type))
    carrier = SandboxCarrier(url=url, timeout_s=30)

    async def work() -> JobStore:
        job = corekit.job_of(home, size, plan=plan, identity=carrier.identity)
        try:
            assert await execute(job, carrier, pacer=Pacer(concurrency=20)) == "completed"
        finally:
            await carrier.aclose()
        return job

    return asyncio.run(work())


def trial(
    zygote: kill_harness.Zygote,
    job: JobStore,
    sandbox: SlowSandbox,
    what: str,
    rows: list[int],
    kills: int,
    rng: random.Random,
) -> Counter[str]:
    """Do one thing, killed up to `kills` times; return where the kills fell, and what is wrong."""
    found: Counter[str] = Counter()
    for _ in range(40):
        pid = zygote.start(job.path.parent.parent, job.job_id, sandbox.url, what, rows[0])
        aimed = kills > 0
        if aimed:
            _wait(zygote.marks, rng)
            with contextlib.suppress(ProcessLookupError):  # it was done first
                os.kill(pid, signal.SIGKILL)
        status = zygote.wait()
        if os.WIFSIGNALED(status):
            found["kills"] += 1
            found[f"fell: {PLACES.get(zygote.marks[0], 'in a compaction')}"] += 1
            kills -= 1
            found["not_in_doubt"] += hidden(job, sandbox)
        elif os.WEXITSTATUS(status) == 0:
            break
        elif os.WEXITSTATUS(status) != GOOD:
            raise SystemExit(f"a child failed with status {status} on {job.path}")
        elif aimed:
            kills -= 1
    return found


def hidden(job: JobStore, sandbox: SlowSandbox) -> int:
    """Return how many pickups and forms of the sandbox the job does not own up to."""
    pickups, forms = sandbox.pickups(), sandbox.forms()  # first: ours only grow
    known = pickup_book(JobStore(job.path))
    ours = ManifestBook.of(job).rows
    numbers = job.results().column("tracking_number").to_pylist()
    open_rows = sum(row not in ours for row, number in enumerate(numbers) if number in forms)
    return open_rows + sum(
        not _owned_up(known.get(reference), [canceled for _, canceled in there])
        for reference, there in pickups.items()
    )


def _owned_up(entry: PickupEntry | None, canceled: list[bool]) -> bool:
    """Return whether our books say that a pickup is there, or may be, and the same of its end."""
    if entry is None or entry.state not in ("booked", "in_doubt", "canceled"):
        return False
    return not any(canceled) or entry.state == "canceled" or entry.canceling == "asked"


def audit(job: JobStore, sandbox: SlowSandbox, done: Counter[str], size: int) -> Counter[str]:
    """Return the figures of a job, from the sandbox's books and its own."""
    theirs, forms = sandbox.pickups(), sandbox.forms()
    ours = pickup_book(job)
    made = ManifestBook.of(job)
    found: Counter[str] = Counter(done)
    for reference, entry in ours.items():
        there = theirs.get(reference, [])
        numbers = {number for number, _ in there}
        found["twice"] += max(0, len(there) - 1)
        found["unknown_to_the_carrier"] += entry.state in ("booked", "canceled") and not there
        mine = entry.booked.number if entry.booked else ""
        found["unknown_to_us"] += bool(numbers) and numbers != {mine}
        found["never"] += entry.state == "in_doubt"
        canceled = {state for _, state in there}
        found["unknown_to_us"] += bool(canceled) and canceled != {entry.state == "canceled"}
    found["unknown_to_us"] += len(set(theirs) - set(ours))
    settled = Counter(
        row
        for entry in ours.values()
        for row in entry.rows
        if entry.state in ("booked", "canceled")
    )
    found["twice"] += sum(count - 1 for count in settled.values())
    if done["asked: pickup"]:
        found["never"] += size - len(settled)
    if done["asked: manifest"]:
        labels = job.results().column("tracking_number").to_pylist()
        on = Counter(row for form in made.made for row in form.rows)
        found["twice"] += sum(count - 1 for count in on.values())
        found["never"] += sum(row not in on for row in range(size))
        named = {labels[row]: form.number for form in made.made for row in form.rows}
        found["unknown_to_us"] += sum(named.get(label) != form for label, form in forms.items())
        found["unknown_to_the_carrier"] += len(set(named) - set(forms))
        found["papers"] += sum(not (form.form or b"").startswith(b"%PDF") for form in made.made)
    return found


def _wait(marks: mmap.mmap, rng: random.Random) -> None:
    """Wait a random time, or until the child does what the kill is aimed at."""
    if rng.random() < 0.1:
        time.sleep(rng.uniform(0, 0.3))
        return
    limit = time.monotonic() + 20
    random_time = rng.random() < 0.3
    place = rng.choice((IDLE, WRITE, RENAME, SYNC, HEAD, ASKING, ASKING, ASKING))
    while time.monotonic() < limit and marks[0] != ENDING:
        if marks[0] != OPENING if random_time else marks[0] == place:
            break
        time.sleep(0.00005)
    if random_time or place == ASKING:
        time.sleep(rng.choice((0.0, rng.uniform(0, 0.3))))


def harness(kinds: list[str], kills: int, seed: int) -> dict[str, Counter[str]]:
    """Return the figures of each kind, after `kills` kills of it."""
    zygote = kill_harness.Zygote([], run)  # forked before this process has threads
    rng, figures = random.Random(seed), dict[str, Counter[str]]()
    try:
        for kind in kinds:
            with tempfile.TemporaryDirectory() as folder:
                sandbox = SlowSandbox(Path(folder))
                try:
                    job = bought(Path(folder) / "home", sandbox.url, ROWS * _units(kills))
                    figures[kind] = _killed(zygote, job, sandbox, kind, kills, rng)
                finally:
                    sandbox.close()
            print(f"{kind}: {dict(figures[kind])}", file=sys.stderr)
    finally:
        zygote.close()
    return figures


def _units(kills: int) -> int:
    """Return how many pickups or forms are tried at most: a child may end before its kill."""
    return 3 * kills


def _killed(
    zygote: kill_harness.Zygote,
    job: JobStore,
    sandbox: SlowSandbox,
    kind: str,
    kills: int,
    rng: random.Random,
) -> Counter[str]:
    done: Counter[str] = Counter()
    size = ROWS * _units(kills)
    asked = size
    for first in range(0, size, ROWS):
        rows = [first + place for place in range(ROWS)]
        if kind == "cancel":
            done += trial(zygote, job, sandbox, "pickup", rows, 0, rng)
        most = min(rng.randint(1, 3), kills - done["kills"])
        done += trial(zygote, job, sandbox, kind, rows, most, rng)
        if done["kills"] >= kills:
            asked = first + ROWS
            break
    time.sleep(0.4)  # what is late lands before the books are read
    done[f"asked: {'pickup' if kind == 'cancel' else kind}"] = asked
    found = audit(job, sandbox, done, asked)
    if kind == "cancel":
        states = Counter(entry.state for entry in pickup_book(job).values())
        found["never"] += sum(count for state, count in states.items() if state != "canceled")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="of each kind")
    parser.add_argument("--what", default=",".join(KINDS), help=", ".join(KINDS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    began = time.monotonic()
    figures = harness(options.what.split(","), options.kills, options.seed)
    report = {
        kind: {**dict.fromkeys(("kills", *MUST_BE_0), 0), **counts}
        for kind, counts in figures.items()
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    print(json.dumps({**report, "seconds": int(time.monotonic() - began)}, indent=1))
    wrong = any(counts[name] for counts in report.values() for name in MUST_BE_0)
    few = any(counts["kills"] < options.kills for counts in report.values())
    return 1 if wrong else 3 if few else 0


if __name__ == "__main__":
    sys.exit(main())
