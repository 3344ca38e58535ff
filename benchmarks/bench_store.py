"""What a commit costs on a local disk and in an object store, and how many labels per second.

    python benchmarks/bench_store.py --latency-ms 0,50,100

The store is ``tests/core_kit/s3_server.py`` in a process of its own; its requests are counted. The
carrier is in this process and answers after a while. One table: a line for each place of the home.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core_kit")]

import corekit  # noqa: E402
import s3_server  # noqa: E402

from shipkit.carriers.pace import Pacer  # noqa: E402
from shipkit.purchasing.run import execute  # noqa: E402
from shipkit.purchasing.store import JobStore  # noqa: E402
from shipkit.purchasing.store.ledger import Ledger  # noqa: E402
from shipkit.settings import Settings  # noqa: E402


class Commits:
    """Times the commits of all ledgers."""

    def __init__(self) -> None:
        self.times: list[float] = []
        plain = Ledger._commit

        def timed(ledger: Ledger, entries: list) -> None:
            began = time.perf_counter()
            plain(ledger, entries)
            self.times.append((time.perf_counter() - began) * 1000)

        Ledger._commit = timed

    def taken(self) -> list[float]:
        found, self.times = self.times, []
        return found


@contextmanager
def store(latency_ms: float):
    """Serve an empty store, and yield its URL and the home in it."""
    command = [sys.executable, str(ROOT / "tests" / "core_kit" / "s3_server.py")]
    process = subprocess.Popen(
        [*command, "--latency-ms", str(latency_ms)], stdout=subprocess.PIPE, text=True
    )
    url = process.stdout.readline().strip()
    os.environ |= s3_server.environment(url)
    try:
        yield url, f"{s3_server.make_bucket(url, f'bench-{random.randrange(10**9)}')}/home"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def requests(url: str | None) -> dict[str, int]:
    if url is None:
        return {}
    with urllib.request.urlopen(f"{url}/_requests") as answer:
        return json.loads(answer.read())


def run(where: str, home: Path, url: str | None, commits: Commits, options, concurrency: int):
    """Buy one batch; return a line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        low, high = options.call_ms
        carrier = corekit.BookCarrier(
            Path(folder) / "books", label=b"%PDF" + os.urandom(options.label_bytes)
        )

        async def takes(*_: object) -> None:
            await asyncio.sleep(random.uniform(low, high) / 1000)

        carrier.hook = takes
        job = corekit.job_of(home, options.labels, name=f"{where} {concurrency}")
        before = requests(url)
        commits.taken()
        began, cpu = time.perf_counter(), time.process_time()
        status = asyncio.run(execute(job, carrier, pacer=Pacer(concurrency=concurrency)))
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert status == "completed", job.reason
        times = commits.taken()
        puts = requests(url).get("PUT", 0) - before.get("PUT", 0)
        began = time.perf_counter()
        if url is not None:
            job.objects.forget()
        assert JobStore.open(home, job.job_id).counts()["shipped"] == options.labels
        restored = time.perf_counter() - began
        carrier.books.close()
    return (
        f"| {where} | {concurrency} | {options.labels / wall:.0f} | {len(times)} "
        f"| {statistics.median(times):.1f} | {sorted(times)[len(times) * 9 // 10]:.1f} "
        f"| {puts or ''} | {cpu:.1f} | {restored:.2f} |"
    )


def numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", type=int, default=800)
    parser.add_argument("--label-bytes", type=int, default=4000)
    parser.add_argument("--latency-ms", type=numbers, default=[0, 50, 100])
    parser.add_argument("--concurrency", type=numbers, default=[20, 50])
    parser.add_argument("--call-ms", type=numbers, default=[100, 150])
    options = parser.parse_args()
    commits = Commits()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {options.labels} labels")
    head = "home|at a time|labels/s|commits|commit ms|90 %|PUTs|CPU s|open again s"
    print(f"| {head.replace('|', ' | ')} |\n|{' --- |' + ' ---: |' * 8}")
    for at_once in map(int, options.concurrency):
        with tempfile.TemporaryDirectory() as folder:
            print(run("local disk", Path(folder), None, commits, options, at_once), flush=True)
        for latency in options.latency_ms:
            with store(latency) as (url, home):
                place = Settings.read(home=home).home
                name = f"store, +{latency:.0f} ms"
                print(run(name, place, url, commits, options, at_once), flush=True)


if __name__ == "__main__":
    main()
