"""Write-back of 1,000,000 rows against pandas doing the same: CPU seconds, rows per CPU second, peak memory, and whether the other bytes survive.

Usage: python benchmarks/bench_writeback.py [ROWS]     (each contender runs in a process of its own)
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from shipkit.writeback.additions import additions
from shipkit.writeback.delimited import write_text
from shipkit.writeback.origin import SourceFile

HEAD = "order_id,name,address1,city,state,zip,weight_lb,note"


def orders(path: Path, rows: int) -> None:
    """Write a file with what a round trip through pandas loses: leading zeros, quoting, trailing zeros of a weight."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(HEAD + "\r\n")
        for n in range(rows):
            file.write(f'SO-{n:08},Ada Lee,{n % 4000} Marrow Creek Rd,Boston,MA,02134,{n % 30 + 1}.50,"{"a, b" if n % 9 else ""}"\r\n')


def ours(path: Path, dest: Path, rows: int) -> None:
    numbers = pa.array([f"SANDBOX{n:012}" for n in range(rows)])
    lists = pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32)), numbers)
    results = pa.table({
        "state": pa.repeat("shipped", rows), "tracking_numbers": lists, "service": pa.repeat("ground", rows), "charged_cents": pa.array(np.full(rows, 1411)),
        "charged": pa.array(np.full(rows, 14.11)), "currency": pa.repeat("USD", rows),
    })
    lines = pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32)), pa.array(np.arange(1, rows + 1)))
    began = time.process_time()
    new = additions(results, pa.table({"row_numbers": lines}), rows)
    write_text(SourceFile(path, "csv", "", 1, rows, tuple(HEAD.split(","))), dest, new, {})
    report("shipkit", began, rows)


def pandas(path: Path, dest: Path, rows: int) -> None:
    import pandas as pd

    numbers = [f"SANDBOX{n:012}" for n in range(rows)]
    began = time.process_time()
    frame = pd.read_csv(path)
    frame = frame.assign(tracking_number=numbers, label_service="ground", label_charge="14.11", label_currency="USD", label_status="shipped")
    frame.to_csv(dest, index=False)
    report("pandas", began, rows)


def report(name: str, began: float, rows: int) -> None:
    took = time.process_time() - began
    print(f"{name:<8} {took:6.2f} s CPU  {rows / took:>10,.0f} rows per CPU second  peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB", flush=True)


def kept(path: Path, dest: Path) -> bool:
    """Whether every line begins with the bytes that it had."""
    with path.open("rb") as old, dest.open("rb") as new:
        return all(b.startswith(a.rstrip(b"\r\n")) for a, b in zip(old, new, strict=True))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        {"ours": ours, "pandas": pandas}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
        sys.exit()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "orders.csv"
        orders(source, count)
        print(f"{count:,} rows, {source.stat().st_size / 1e6:,.0f} MB")
        for who in ("ours", "pandas"):
            target = Path(folder) / f"{who}.csv"
            subprocess.run([sys.executable, __file__, who, str(source), str(target), str(count)], check=True)
            print(f"         every other byte kept: {'yes' if kept(source, target) else 'no'}")
