"""Measure saving: many labels as a UPS account gets them (GIF), written as one PDF.

Usage: python benchmarks/bench_labels.py [--n 5000]

Prints the seconds, the CPU of this process (all threads), and the most memory that it took beyond
what it had before. The labels are read from a job folder, as `session.labels.save` does.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
import time
from pathlib import Path

from bench_ups import label_of

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core_kit")]

import corekit  # noqa: E402

from shipkit.outputs.labels import Labels  # noqa: E402
from shipkit.purchasing import history  # noqa: E402
from shipkit.purchasing.store import JobStore  # noqa: E402
from shipkit.purchasing.store.entries import LabelBytes, LedgerEntry  # noqa: E402


def job_with_labels(home: Path, count: int) -> JobStore:
    """Return a job whose labels are bought and are GIF."""
    data, now = base64.b64decode(label_of("GIF")), time.time_ns() // 1000
    job = corekit.job_of(home, count)
    with job.own() as ledger:
        history.claim(job, ledger.states)
        for first in range(0, count, 250):
            rows = range(first, min(first + 250, count))
            ledger.record_now([entry(job, row, "intent", now) for row in rows])
            ledger.record_now([entry(job, row, "result", now, data) for row in rows])
    return job


def entry(job: JobStore, row: int, event: str, at: int, data: bytes = b"") -> LedgerEntry:
    told = {"row": row, "event": event, "attempt": 1, "reference": job.reference(row, 1), "at": at}
    if event == "intent":
        return LedgerEntry(state="in_flight", **told)
    number = f"1Z{row:016}"
    return LedgerEntry(
        state="shipped",
        shipped_at=at,
        shipment_id=number,
        tracking_numbers=[number],
        service="ground",
        charged_cents=850,
        currency="USD",
        charge_basis="billed",
        labels=[LabelBytes(number, "gif", "label", 0, data)],
        **told,
    )


def peak_mb() -> int:
    """Return the most memory that this process had (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        job = job_with_labels(Path(name) / "home", options.n)
        before, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
        saved = Labels.of(job).save(Path(name) / "labels.pdf")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        size = saved.path.stat().st_size
        print(
            f"{saved.labels:,} labels: {wall:.1f} s, {1000 * cpu / saved.labels:.2f} ms CPU each, "
            f"{peak_mb() - before} MB more than before ({before} MB), PDF of {size / 1e6:.0f} MB"
        )


if __name__ == "__main__":
    main()
