"""Hosts die or fall asleep while they buy, others go on: compare the carrier's books with ours.

    python benchmarks/host_deaths.py --deaths 1000 --sleepers 100 --json hosts.json [--carrier ups]

A host is a process with an empty cache; all that it shares with the others is a home in an object
store (``tests/core_kit/s3_server.py``, in a process of its own) and the carrier (in another one,
with lost answers, late commits and resets). A host is killed at a random moment, or stopped
(SIGSTOP) while it buys, and woken when another one has taken the job over, or at a random moment
around the end of its lease. When a job's share is used up, it is run to its end. Then, for every
order: bought more than once at the carrier, never bought, bought and unknown to our books, without
its label. All must be 0.

Totals are written after every job; the same command with the same file continues from there. Also:
``kill_harness.py --store``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core_kit"), str(ROOT / "benchmarks")]

import corekit  # noqa: E402
import kill_harness  # noqa: E402
import s3_server  # noqa: E402

from shipkit.carriers.pace import Pacer  # noqa: E402
from shipkit.common.object_store import store_of  # noqa: E402
from shipkit.errors import CheckpointFenced, CheckpointLocked, ShipkitError  # noqa: E402
from shipkit.purchasing.run import execute  # noqa: E402
from shipkit.purchasing.store import JobStore  # noqa: E402
from shipkit.settings import Settings  # noqa: E402

DONE, UNFINISHED, LOCKED, BROKEN = 0, 3, 4, 1
MUST_BE_0 = kill_harness.MUST_BE_0


# -- a host ----------------------------------------------------------------------------------------


class Hosts:
    """Starts hosts, one at a time, as forks of a process that has paid for the imports."""

    def __init__(self, others: list[Hosts]) -> None:
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        if os.fork() == 0:
            for other in others:
                os.close(other._orders)
                os.close(other._answers)
            os.close(self._orders)
            os.close(self._answers)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            with os.fdopen(orders, "r") as lines:
                for line in lines:
                    pid = os.fork()
                    if pid == 0:
                        _live(line.split())
                    os.write(answers, f"{pid}\n".encode())
                    _, status = os.waitpid(pid, 0)
                    os.write(answers, f"{status}\n".encode())
            os._exit(0)
        os.close(orders)
        os.close(answers)
        self._said = os.fdopen(self._answers, "r")

    def start(self, *words: object) -> int:
        """Start a host; return its process id."""
        os.write(self._orders, (" ".join(map(str, words)) + "\n").encode())
        return int(self._said.readline())

    def wait(self) -> int:
        """Return the wait status of the host."""
        return int(self._said.readline())

    def close(self) -> None:
        os.close(self._orders)
        self._said.close()


def _live(words: list[str]) -> None:
    code = BROKEN
    try:
        code = host(*words)
    except CheckpointLocked:
        code = LOCKED
    except CheckpointFenced:
        code = UNFINISHED
    except ShipkitError as error:
        print(f"a host: {error}", file=sys.stderr)
    except BaseException:  # the child ends here whatever it was, and says why
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def host(home: str, job_id: str, url: str, concurrency: str) -> int:
    """Run a job to its end, in an empty cache."""
    job = JobStore.open(Settings.read(home=home).home, job_id)
    timeout = kill_harness.TIMEOUT_S

    async def work():
        carrier = kill_harness.client(job.manifest.identity.name, url)
        try:
            pacer = Pacer(concurrency=int(concurrency), breaker_after=1000)
            return await execute(
                job,
                carrier,
                pacer=pacer,
                timeout_s=timeout,
                grace_s=2 * timeout + kill_harness.LATE_S,
            )
        finally:
            await carrier.aclose()

    return DONE if asyncio.run(work()) == "completed" else UNFINISHED


# -- the harness -----------------------------------------------------------------------------------


class Totals:
    """What happened so far, shared by the lanes, written down after every job."""

    def __init__(self, deaths: int, sleepers: int, path: Path | None) -> None:
        self.path = path
        self.numbers: Counter[str] = Counter()
        if path and path.exists():
            self.numbers.update(json.loads(path.read_text()))
        self.left = {
            "deaths": max(0, deaths - self.numbers["deaths"]),
            "sleepers": max(0, sleepers - self.numbers["sleepers"]),
        }
        self.ending = threading.Event()
        self._guard = threading.Lock()
        self._began = time.monotonic() - self.numbers["seconds"]

    def take(self, what: str) -> bool:
        """Return whether one more may be had."""
        with self._guard:
            if self.ending.is_set() or not self.left[what]:
                return False
            self.left[what] -= 1
            return True

    def give_back(self, what: str) -> None:
        with self._guard:
            self.left[what] += 1

    def saw(self, **numbers: int) -> None:
        with self._guard:
            self.numbers.update(numbers)

    @property
    def open(self) -> bool:
        return any(self.left.values()) and not self.ending.is_set()

    def audited(self, found: Counter[str]) -> None:
        with self._guard:
            self.numbers += Counter({"jobs": 1}) + found
            self.numbers["seconds"] = int(time.monotonic() - self._began)
            if self.path:
                fresh = self.path.with_suffix(".part")
                fresh.write_text(json.dumps(self.report(), indent=1))
                fresh.replace(self.path)
            said = {name: self.numbers[name] for name in ("deaths", "sleepers", "shipments")}
            wrong = {name: self.numbers[name] for name in MUST_BE_0}
            print(f"{self.numbers['seconds']:>5} s  {said}  {wrong}", file=sys.stderr)

    def report(self) -> dict[str, int]:
        return {**dict.fromkeys(MUST_BE_0, 0), **self.numbers}


class Lane:
    """Jobs one after the other; at most two hosts of it are alive at a time."""

    def __init__(
        self, number: int, hosts: list[Hosts], totals: Totals, served, home: str, options
    ) -> None:
        self.hosts, self.totals, self.served, self.home = hosts, totals, served, home
        self.lease = options.lease
        self.sizes = tuple(map(int, options.sizes.split(",")))
        self.rng = random.Random(f"{options.seed} {number} {totals.numbers['seconds']}")
        self.first = number * 100_000_000  # an order seen before would be held back

    def run(self) -> None:
        while self.totals.open:
            size = self.rng.choice(self.sizes)
            folder = Settings.read(home=self.home).home
            job = corekit.job_of(
                folder,
                size,
                plan=kill_harness.plan_for(self.served.name, size, self.first),
                identity=kill_harness.client(self.served.name, self.served.url).identity,
                label=self.served.label,
            )
            self.first += size
            self.buy(job)
            time.sleep(kill_harness.LATE_S)  # what is late lands before the books are read
            job.objects.forget()
            there = JobStore.open(folder, job.job_id)
            sold = self.served.sold(there)
            self.totals.audited(kill_harness.audit(there, sold))
            there.objects.forget()

    def buy(self, job: JobStore) -> None:
        """Run one job to its end, with a few hosts lost on the way."""
        most = self.rng.randint(2, 9)
        while True:
            pid = self.start(0, job)
            what = "none"
            if most > 0:
                sleeps = (
                    self.totals.left["sleepers"] * self.rng.random() * 4
                    > self.rng.random() * (self.totals.left["deaths"])
                )
                what = "sleepers" if sleeps else "deaths"
                if not self.totals.take(what):
                    what = "none"
            if what == "deaths":
                self.wait_for_a_moment(job)
                if self.signal(pid, signal.SIGKILL):
                    most -= 1
            woken = self.sleep(pid, job) if what == "sleepers" else None
            status = self.hosts[0].wait()
            if what == "deaths":
                self.count("deaths", really=os.WIFSIGNALED(status))
            elif what == "sleepers":
                most -= 1
                self.count("sleepers", really=bool(woken))
                self.totals.saw(
                    sleepers_that_stopped=int(os.waitstatus_to_exitcode(status) != DONE)
                    if woken
                    else 0
                )
                if self.ended(self.hosts[1].wait()):
                    return
            if not os.WIFSIGNALED(status) and self.ended(status):
                return

    def start(self, which: int, job: JobStore) -> int:
        concurrency = self.rng.choice((4, 8, 16))
        return self.hosts[which].start(self.home, job.job_id, self.served.url, concurrency)

    def count(self, what: str, *, really: bool) -> None:
        if really:
            self.totals.saw(**{what: 1})
        else:
            self.totals.give_back(what)

    def ended(self, status: int) -> bool:
        code = os.waitstatus_to_exitcode(status)
        if code not in (DONE, UNFINISHED, LOCKED):
            self.totals.ending.set()
            raise SystemExit(f"a host failed with {code}")
        return code == DONE

    def wait_for_a_moment(self, job: JobStore) -> None:
        if self.rng.random() < 0.12:  # also while it opens the job, or waits for the lease
            time.sleep(self.rng.uniform(0, 1.5 * self.lease))
            return
        self.wait_for_another_owner(job, self.owner(job))
        time.sleep(self.rng.uniform(0, self.rng.choice((0.1, 0.4, 1.5))))

    def owner(self, job: JobStore) -> str:
        found = store_of(job.path.parent.parent).find(f"jobs/{job.job_id}/OWNER")
        return json.loads(found.data)["token"] if found else ""

    def wait_for_another_owner(self, job: JobStore, before: str) -> bool:
        limit = time.monotonic() + 5 * self.lease + 10
        while time.monotonic() < limit:
            if self.owner(job) != before:
                return True
            time.sleep(0.1)
        return False

    @staticmethod
    def signal(pid: int, number: int) -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    def sleep(self, pid: int, job: JobStore) -> str | None:
        """Stop a host while it buys, start another one, wake the first; return how, if it lived."""
        self.wait_for_another_owner(job, self.owner(job))
        time.sleep(self.rng.uniform(0, 0.6))
        slept = self.signal(pid, signal.SIGSTOP)
        before = self.owner(job)
        self.start(1, job)
        short = self.rng.random() < 0.3
        if short:  # around the end of its lease: before, while or after the other one takes it
            time.sleep(self.rng.uniform(0.3, 1.6) * self.lease)
        else:
            taken = self.wait_for_another_owner(job, before)
            self.totals.saw(take_overs_seen=int(taken))
            time.sleep(self.rng.uniform(0, self.rng.choice((0.05, 0.5, 2.0))))
        woken = self.signal(pid, signal.SIGCONT)
        if not (slept and woken):
            return None
        return "short" if short else "after take-over"


def harness(options: argparse.Namespace, folder: Path) -> Totals:
    """Return what happened."""
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None
    os.environ["SHIPKIT_LEASE_S"] = str(options.lease)
    command = [sys.executable, str(ROOT / "tests" / "core_kit" / "s3_server.py")]
    store = subprocess.Popen(
        [*command, "--latency-ms", str(options.store_latency_ms)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    s3 = store.stdout.readline().strip()
    os.environ |= s3_server.environment(s3)
    home = f"{s3_server.make_bucket(s3, 'ops')}/shipkit"
    everyone: list[Hosts] = []
    for _ in range(2 * options.lanes):  # forked first: from here on this process has threads
        everyone.append(Hosts(everyone))
    totals = Totals(options.deaths, options.sleepers, options.json)
    signal.signal(signal.SIGINT, lambda *_: totals.ending.set())
    signal.signal(signal.SIGTERM, lambda *_: totals.ending.set())
    served = kill_harness.SERVING[options.carrier](folder, options.seed + totals.numbers["seconds"])
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            pair = everyone[2 * number : 2 * number + 2]
            Lane(number, pair, totals, served, home, options).run()
        except BaseException as error:
            failures.append(error)
            totals.ending.set()

    try:
        threads = [threading.Thread(target=guarded, args=(n,)) for n in range(options.lanes)]
        for thread in threads:
            thread.start()
        limit = time.monotonic() + 60 * options.minutes
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
                if time.monotonic() > limit:
                    totals.ending.set()
    finally:
        for hosts in everyone:
            hosts.close()
        served.close()
        store.kill()
        store.wait()
        store.stdout.close()
    if failures:
        raise failures[0]
    return totals


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deaths", type=int, default=1000)
    parser.add_argument("--sleepers", type=int, default=100)
    parser.add_argument("--carrier", choices=tuple(kill_harness.SERVING), default="sandbox")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sizes", default="100,300,700")
    parser.add_argument("--lanes", type=int, default=3, help="jobs that run side by side")
    parser.add_argument("--lease", type=float, default=2.0, help="seconds of a lease")
    parser.add_argument("--store-latency-ms", type=float, default=0.0)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        found = harness(options, Path(folder)).report()
    print(json.dumps(found, indent=1))
    if any(found[name] for name in MUST_BE_0):
        return 1
    enough = all(found.get(what, 0) >= getattr(options, what) for what in ("deaths", "sleepers"))
    return 0 if enough else 3


if __name__ == "__main__":
    sys.exit(main())
