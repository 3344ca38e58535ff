"""Measure execution: labels per second, CPU per label, the busiest second, and time to resume.

    python benchmarks/bench_execute.py --json execute.json --markdown execute.md
    python benchmarks/bench_execute.py --n 500 --rounds 1 --resume 10000          # small
    python benchmarks/bench_execute.py --profile 2000                             # where our CPU
    goes

Every way buys over HTTP from the sandbox, served by a process of its own (100 ms latency, labels
of 12 kB). The bare loop posts the same bodies from as many workers as the concurrency and reads
the answers: no intent, no ledger, no limits. Ways take turns, `--rounds` times; figures are
medians. CPU is this process's own, all threads, the transport's included; the difference to the
bare loop is what shipkit adds.

Resume: a job of N rows of which 99 % are shipped is opened by a fresh process, and timed until its
first new label.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import json
import os
import pstats
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

import aiohttp
import orjson

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core_kit")]

import corekit  # noqa: E402

from shipkit.carriers.pace import Pacer  # noqa: E402
from shipkit.carriers.sandbox import SandboxCarrier  # noqa: E402
from shipkit.carriers.sandbox.messages import _question  # noqa: E402
from shipkit.common.files import Disk  # noqa: E402
from shipkit.purchasing import history  # noqa: E402
from shipkit.purchasing.run import Control, execute  # noqa: E402
from shipkit.purchasing.store import JobStore  # noqa: E402
from shipkit.purchasing.store.entries import LabelBytes, LedgerEntry  # noqa: E402
from shipkit.schema import shipment_from_row  # noqa: E402

LABEL_BYTES = 12_000


class Served:
    """The sandbox in a process of its own."""

    def __init__(self, folder: Path, latency_ms: float) -> None:
        command = [
            sys.executable,
            "-m",
            "shipkit.carriers.sandbox",
            "--serve",
            "--books",
            str(folder / f"books-{latency_ms:g}.sqlite"),
        ]
        self.process = subprocess.Popen(
            [*command, "--latency-ms", str(latency_ms), "--label-bytes", str(LABEL_BYTES)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self.process.stdout.readline().strip()

    def count_anew(self) -> None:
        urlopen(Request(f"{self.url}/stats", method="POST")).close()

    def stats(self) -> dict:
        with urlopen(f"{self.url}/stats") as answer:
            return json.load(answer)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


# -- the ways --------------------------------------------------------------------------------------


def bodies(job: JobStore, count: int) -> list[bytes]:
    """Return what `ours` sends for the first rows of a job."""
    label = job.manifest.label.model_dump(mode="json")
    return [
        _question(
            shipment_from_row(row),
            job.manifest.shipper,
            reference=job.reference(place, 1),
            label=label,
        )
        for place, row in enumerate(job.plan.slice(0, count).to_pylist())
    ]


async def post(session: aiohttp.ClientSession, url: str, body: bytes) -> dict:
    async with session.post(
        f"{url}/ship",
        data=body,
        headers={"content-type": "application/json", "x-sandbox-account": "SANDBOX01"},
    ) as answer:
        return orjson.loads(await answer.read())


async def bare(url: str, work: list[bytes], concurrency: int) -> None:
    """As many workers as the concurrency, nothing else."""
    queue = iter(work)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def worker() -> None:
            for body in queue:
                await post(session, url, body)

        await asyncio.gather(*(worker() for _ in range(concurrency)))


async def one_after_the_other(url: str, work: list[bytes]) -> None:
    async with aiohttp.ClientSession() as session:
        for body in work:
            await post(session, url, body)


async def gather_and_sqlite(url: str, work: list[bytes], concurrency: int, path: Path) -> None:
    """Send everything at once and commit each answer to SQLite.

    There is no intent before the call, so a kill loses rows.
    """
    with contextlib.closing(sqlite3.connect(path)) as con:
        con.execute("create table done (row integer primary key, tracking text, label text)")
        gate = asyncio.Semaphore(concurrency)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=concurrency)
        ) as session:

            async def one(row: int, body: bytes) -> None:
                async with gate:
                    answer = await post(session, url, body)
                con.execute(
                    "insert into done values (?, ?, ?)",
                    (row, answer["tracking_numbers"][0], answer["labels"][0]["data"]),
                )
                con.commit()

            await asyncio.gather(*(one(*item) for item in enumerate(work)))


async def ours(url: str, job: JobStore, concurrency: int, rate: float | None = None) -> None:
    carrier = SandboxCarrier(url=url, concurrency=concurrency)
    try:
        status = await execute(job, carrier, pacer=Pacer(concurrency=concurrency, rate_per_s=rate))
        assert status == "completed", status
    finally:
        await carrier.aclose()


def job_of(home: Path, count: int, url: str) -> JobStore:
    return corekit.job_of(home, count, identity=SandboxCarrier(url=url).identity)


def timed(work) -> tuple[float, float]:
    """Return wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    asyncio.run(work)
    return time.perf_counter() - wall, time.process_time() - cpu


def throughput(options: argparse.Namespace, folder: Path) -> dict[str, dict]:
    """Return the figures of each way."""
    served, fresh = Served(folder, options.latency_ms), iter(range(1000))
    found: dict[str, list[tuple[float, float, int]]] = {}
    n, busiest = options.n, 0

    def note(name: str, count: int, work) -> None:
        wall, cpu = timed(work)
        found.setdefault(name, []).append((wall, cpu, count))
        print(f"{name}: {count / wall:.1f}/s, {1000 * cpu / count:.2f} ms CPU", file=sys.stderr)

    try:
        for turn in range(options.rounds):
            for concurrency in (50, 200):
                jobs = [job_of(folder / f"home-{next(fresh)}", n, served.url) for _ in range(2)]
                for name in ("bare", "ours") if turn % 2 == 0 else ("ours", "bare"):
                    work = (
                        bare(served.url, bodies(jobs[0], n), concurrency)
                        if name == "bare"
                        else ours(served.url, jobs[1], concurrency)
                    )
                    note(f"{name}, {concurrency}", n, work)
            job = job_of(folder / f"home-{next(fresh)}", n, served.url)
            note(
                "gather + SQLite, 50",
                n,
                gather_and_sqlite(served.url, bodies(job, n), 50, folder / f"naive-{turn}.sqlite"),
            )
        few = min(n, 60)
        note(
            "one after the other",
            few,
            one_after_the_other(
                served.url, bodies(job_of(folder / "home-for", few, served.url), few)
            ),
        )
        served.count_anew()
        job = job_of(folder / "home-rate", min(n, 2000), served.url)
        note("ours, 50, limit 200/s", min(n, 2000), ours(served.url, job, 50, 200.0))
        busiest = served.stats()["busiest_second"]
    finally:
        served.close()
    lines = {name: _figures(runs) for name, runs in found.items()}
    for concurrency in (50, 200):
        mine, bare_one = lines[f"ours, {concurrency}"], lines[f"bare, {concurrency}"]
        mine["of_bare"] = statistics.median(
            b[0] / o[0]
            for b, o in zip(
                found[f"bare, {concurrency}"], found[f"ours, {concurrency}"], strict=True
            )
        )
        mine["cpu_ms_without_transport"] = mine["cpu_ms"] - bare_one["cpu_ms"]
        mine["limit_per_s"] = bare_one["limit_per_s"] = concurrency / options.latency_ms * 1000
    limited = lines["ours, 50, limit 200/s"]
    limited |= {
        "busiest_second_at_the_carrier": busiest,
        "limit_per_s": min(200, 50 / options.latency_ms * 1000),
    }
    return lines


def _figures(runs: list[tuple[float, float, int]]) -> dict:
    return {
        "shipments": runs[0][2],
        "runs": len(runs),
        "per_s": statistics.median(count / wall for wall, _, count in runs),
        "cpu_ms": statistics.median(1000 * cpu / count for _, cpu, count in runs),
        "seconds": [round(wall, 3) for wall, _, _ in runs],
    }


# -- resume ----------------------------------------------------------------------------------------


class _Fast(Disk):
    """For making a job, not for keeping one."""

    def write(self, path, data):
        path.write_bytes(data)

    def sync_folder(self, folder):
        pass


def resumed(options: argparse.Namespace, folder: Path) -> list[dict]:
    """Return seconds until a fresh process buys its first label, and its memory, per job size."""
    lines, served = [], Served(folder, 0)
    try:
        for rows in options.resume:
            home, began = folder / f"home-{rows}", time.perf_counter()
            job = nearly_done(home, rows, served.url, options.rows_per_commit)
            print(
                f"made {rows:,} rows, {sum(1 for _ in (job.path / 'segments').iterdir()):,} "
                f"files, {time.perf_counter() - began:.0f} s",
                file=sys.stderr,
            )
            command = [sys.executable, __file__, "--resume-one", str(home), job.job_id, served.url]
            runs = [
                json.loads(
                    subprocess.run(command, capture_output=True, text=True, check=True).stdout
                )
                for _ in range(2)
            ]
            first = min(runs, key=lambda run: run["first_label_s"])
            lines.append(
                {"rows": rows, **first, "every_run_s": [run["first_label_s"] for run in runs]}
            )
            print(lines[-1], file=sys.stderr)
    finally:
        served.close()
    return lines


def nearly_done(home: Path, rows: int, url: str, per_commit: int) -> JobStore:
    """Return a job that is 99 % shipped, in the segments that a run leaves.

    Labels have 100 bytes, because resuming does not read them.
    """
    job = JobStore.publish(
        home, corekit.draft_of(rows, identity=SandboxCarrier(url=url).identity), disk=_Fast()
    )
    done, at = rows * 99 // 100, time.time_ns() // 1000
    with job.own(disk=_Fast()) as ledger:
        history.claim(job, ledger.states)
        for first in range(0, done, per_commit):
            now = range(first, min(first + per_commit, done))
            ledger.record_now(
                [
                    LedgerEntry(
                        row=r,
                        event="intent",
                        state="in_flight",
                        attempt=1,
                        reference=job.reference(r, 1),
                        at=at,
                    )
                    for r in now
                ]
            )
            ledger.record_now(
                [
                    LedgerEntry(
                        row=r,
                        event="result",
                        state="shipped",
                        attempt=1,
                        reference=job.reference(r, 1),
                        at=at,
                        shipped_at=at,
                        shipment_id=f"SANDBOX{r:012}",
                        tracking_numbers=[f"SANDBOX{r:012}"],
                        service="ground",
                        charged_cents=850,
                        currency="USD",
                        charge_basis="carrier",
                        labels=[LabelBytes(f"SANDBOX{r:012}", "PDF", "label", 0, b"%PDF" * 25)],
                    )
                    for r in now
                ]
            )
    return job


def resume_one(home: str, job_id: str, url: str) -> None:
    """Resume a job, and stop at its first new label (in a process of its own)."""
    imported = time.monotonic() - _born()
    before = _peak_mb()
    began, first, control = time.perf_counter(), [], Control()

    class First(SandboxCarrier):
        async def ship(self, *args):
            answer = await super().ship(*args)
            if not first:
                first.append(time.perf_counter() - began)
                control.pause()
            return answer

    async def work() -> None:
        carrier = First(url=url)
        try:
            await execute(JobStore.open(Path(home), job_id), carrier, control=control, grace_s=0.0)
        finally:
            await carrier.aclose()

    asyncio.run(work())
    print(
        json.dumps(
            {
                "first_label_s": round(first[0], 3),
                "imports_s": round(imported, 3),
                "memory_mb": _peak_mb(),
                "memory_before_mb": before,
            }
        )
    )


def _born() -> float:
    """Return when this process began, on the monotonic clock (Linux)."""
    fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _peak_mb() -> int:
    """Return the most memory that this process had (Linux; getrusage would count the parent's)."""
    with contextlib.suppress(OSError):
        return next(
            int(line.split()[1]) // 1024
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith("VmHWM")
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def profile(options: argparse.Namespace, folder: Path) -> None:
    """Print where our own CPU goes."""
    served = Served(folder, options.latency_ms)
    try:
        job = job_of(folder / "home", options.profile, served.url)
        seen = cProfile.Profile(time.process_time)
        seen.enable()
        asyncio.run(ours(served.url, job, 50))
        seen.disable()
    finally:
        served.close()
    pstats.Stats(seen).sort_stats("tottime").print_stats(45)


def markdown(found: dict) -> str:
    """Return the tables for the note and the docs."""
    lines = [
        (
            "| way | shipments/s | of the bare loop | limit min(R, C/L) | CPU ms a shipment | "
            "without the transport's | busiest second |"
        ),
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in found.get("throughput", {}).items():
        limit, share, own = (
            one.get("limit_per_s"),
            one.get("of_bare"),
            one.get("cpu_ms_without_transport"),
        )
        cells = [
            f"{one['per_s']:.1f}",
            f"{share:.1%}" if share else "",
            f"{limit:.0f}" if limit else "",
            f"{one['cpu_ms']:.2f}",
            f"{own:.2f}" if own is not None else "",
        ]
        lines.append(
            f"| {name} | {' | '.join(cells)} | {one.get('busiest_second_at_the_carrier', '')} |"
        )
    lines += [
        "",
        "| rows, 99 % done | first new label, s | imports, s | memory, MB |",
        "| ---: | ---: | ---: | ---: |",
    ]
    lines += [
        (
            f"| {one['rows']:,} | {one['first_label_s']:.2f} | {one['imports_s']:.2f} | "
            f"{one['memory_mb']} |"
        )
        for one in found.get("resume", [])
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    if sys.argv[1:2] == ["--resume-one"]:
        resume_one(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency-ms", type=float, default=100)
    parser.add_argument(
        "--resume",
        type=lambda text: [int(part) for part in text.split(",") if part],
        default=[10_000, 100_000, 1_000_000],
        help="sizes; '' for none",
    )
    parser.add_argument(
        "--rows-per-commit",
        type=int,
        default=12,
        help="of the job that is resumed: what a run at 500/s has",
    )
    parser.add_argument("--only", choices=("throughput", "resume"))
    parser.add_argument(
        "--profile", type=int, help="profile a run of so many shipments, and nothing else"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    found: dict = {
        "n": options.n,
        "rounds": options.rounds,
        "latency_ms": options.latency_ms,
        "label_bytes": LABEL_BYTES,
        "cpus": os.cpu_count(),
        "load_before": os.getloadavg(),
    }
    with tempfile.TemporaryDirectory() as name:
        if options.profile:
            profile(options, Path(name))
            return
        if options.only != "resume":
            found["throughput"] = throughput(options, Path(name))
        if options.only != "throughput":
            found["resume"] = resumed(options, Path(name))
    found["load_after"] = os.getloadavg()
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    if options.markdown:
        options.markdown.write_text(markdown(found))
    print(markdown(found))


if __name__ == "__main__":
    main()
