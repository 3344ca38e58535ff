"""Price files of shipments in one process, on Dask's workers and in a process pool: time, equality.

    python benchmarks/bench_cluster.py [--rows 10000000] [--files 20] [--kills 3] [--json OUT.json]

Mapped shipments (those of ``bench_millions.py``) in Parquet files, each file a task. Every way must
give the totals of the plain loop and, file by file and row by row, its prices; also where workers
are killed (``SIGKILL``) while they price. A folder without its ``_totals.json``, or with anything
that a killed attempt left, ends the run with an error.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bench_millions

import shipkit as sk

LEFT_ALONE = 9
"""How often a task may meet a dead worker; Dask gives it up after three by default."""


def write_files(folder: Path, rows: int, files: int) -> None:
    """Write `rows` shipments into `files` files; each has prices of its own."""
    share = rows // files
    for number in range(files):
        table = bench_millions.mapped(share, seed=number + 1)
        pq.write_table(table, folder / f"part-{number:03}.parquet")


@contextlib.contextmanager
def dask(workers: int, to: Path, kills: int = 0) -> Iterator[Executor]:
    """Yield the executor of a cluster of this machine; kill workers while `to` is filled."""
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run_on_scheduler(
            lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", LEFT_ALONE)
        )
        over, killed = threading.Event(), []
        killer = threading.Thread(target=_kill, args=(client, to, kills, over, killed))
        killer.start()
        try:
            yield client.get_executor(retries=LEFT_ALONE)
        finally:
            over.set()
            killer.join()
        assert len(killed) == kills, f"{len(killed)} of {kills} workers were killed"


def _kill(client: Any, to: Path, kills: int, over: threading.Event, killed: list[int]) -> None:
    """Kill a worker each time that another file is priced, until `over`."""
    seen = 0
    while len(killed) < kills and not over.wait(0.02):
        done = len(list(to.glob("[!.]*.parquet"))) if to.exists() else 0
        pid = next(iter(client.run(os.getpid).values()), None) if done > seen else None
        if pid:
            os.kill(pid, signal.SIGKILL)
            seen = done
            killed.append(pid)


def ways(to: Path, kills: int) -> dict[str, contextlib.AbstractContextManager[Any]]:
    """Return how each way of the table gets its executor."""
    return {
        "one process": contextlib.nullcontext(),
        "Dask, 1 worker": dask(1, to),
        "Dask, 2 workers": dask(2, to),
        f"Dask, 2 workers, {kills} killed": dask(2, to, kills),
        'executor="processes"': contextlib.nullcontext("processes"),
    }


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the children that ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def measure(folder: Path, work: Path, kills: int) -> list[dict[str, Any]]:
    """Price the files in each way, and compare with the first."""
    card, plain, totals, results = sk.RateCard.synthetic(), work / "0", pd.DataFrame(), []
    for number, way in enumerate(ways(work, kills)):
        to = work / str(number)
        began_cpu = cpu_seconds()
        with ways(to, kills)[way] as executor:
            began = time.perf_counter()
            found = sk.rate(folder, card, origin="78205", to=to, executor=executor)
            wall = time.perf_counter() - began
        if number == 0:
            totals = found
        pd.testing.assert_frame_equal(found, totals)
        equal = compared(plain, to)
        result = {
            "way": way,
            "wall_s": round(wall, 2),
            "cpu_s": round(cpu_seconds() - began_cpu, 2),
            "orders": int(found.orders.sum()),
            "cents": int(found.cost_cents.sum()),
            "files_equal": equal,
        }
        print(table_of([result]).splitlines()[-1], flush=True)
        results.append(result)
    return results


def compared(plain: Path, other: Path) -> int:
    """Return the number of files, each equal to its twin in every row."""
    names = sorted(path.name for path in plain.iterdir())
    assert names == sorted(path.name for path in other.iterdir()), other
    parts = [name for name in names if name.endswith(".parquet")]
    for name in parts:
        assert pq.read_table(plain / name).equals(pq.read_table(other / name)), name
    return len(parts)


def table_of(results: list[dict[str, Any]]) -> str:
    """Return the results as a markdown table."""
    lines = [
        "| how | wall s | CPU s | orders | cents | files equal |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {r['way']} | {r['wall_s']} | {r['cpu_s']} | {r['orders']:,} | {r['cents']:,} "
        f"| {r['files_equal']} |"
        for r in results
    ]
    return "\n".join(lines)


def main() -> None:
    """Run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as work:
        write_files(Path(folder), options.rows, options.files)
        results = measure(Path(folder), Path(work), options.kills)
    print(table_of(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
