"""Load, filter and write back a file of orders, compared with an analyst's pandas.

Usage: python benchmarks/bench_files.py [ROWS] [--who shipkit,pandas,pandas-text] [--json OUT.json]
[--make make_orders.py]

ROWS default to 1000000. A process for each contender: peak memory is a process's, and that of a
step is the highest so far. `pandas` is ``read_csv`` as it comes; `pandas-text` reads everything as
text, to keep the zeros of ZIPs. Orders are made here (no street of it exists), or with ``--make``
by a script that takes ``N OUT.csv``. What each leaves of the file is counted line by line, outside
the measured time.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PLACES = (
    ("Boston", "MA", "021"),
    ("New York", "NY", "100"),
    ("Atlanta", "GA", "303"),
    ("Dallas", "TX", "752"),
    ("Seattle", "WA", "981"),
    ("Los Angeles", "CA", "900"),
)
WANTED = ("CA", "TX", "MA")


def make(rows: int, path: Path, script: Path | None) -> None:
    """Write a file with everything that a careless round trip loses.

    Leading zeros, quotes around every address, trailing zeros of weights, CRLF, empty cells,
    and the text "NA".
    """
    if script is not None:
        subprocess.run(
            [sys.executable, str(script), str(rows), str(path)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return
    rng = np.random.default_rng(1)
    where, weights, numbers = (
        rng.integers(0, len(PLACES), rows),
        np.clip(rng.lognormal(0.55, 0.85, rows), 0.1, 150),
        rng.integers(1, 99, rows),
    )
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(
            "order_id,order_date,recipient_name,phone,address1,address2,city,state,zip,country,weight_lb,service,note\r\n"
        )
        for n in range(rows):
            city, state, prefix = PLACES[where[n]]
            note = ("", "Leave at door, please", "NA", 'The "blue" one')[n % 4].replace('"', '""')
            file.write(
                f'SO-{n + 1:08},2026-10-15,Ada Lee {n + 1},2125550100,"{n % 4000} Example '
                f'St",,{city},{state},{prefix}{numbers[n]:02},US,{weights[n]:.2f},Ground,"{note}"\r\n'
            )


class Laps(list[dict[str, Any]]):
    """What was measured: step, wall, CPU, peak so far."""

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Measure what is done inside."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.append(
            {
                "step": name,
                "wall_s": time.perf_counter() - wall,
                "cpu_s": time.process_time() - cpu,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )


def by_shipkit(path: Path, dest: Path, laps: Laps) -> int:
    """The stages that a session calls."""
    import pyarrow as pa

    from shipkit.orders import grouping, source, where
    from shipkit.outputs.writeback.additions import additions
    from shipkit.outputs.writeback.delimited_file import write_text
    from shipkit.outputs.writeback.origin import SourceFile
    from shipkit.outputs.writeback.row_comparison import lines_of, prove

    with laps.lap("load"):
        loaded = source.load(path)
        grouped = grouping.group(loaded)
    with laps.lap("filter"):
        chosen = where.select(
            grouped, ["state IN $states AND weight_lb < 20"], {"states": list(WANTED)}
        )
    plan = loaded.con.sql(
        f"SELECT row_numbers, order_id FROM {chosen.relation.sql} ORDER BY row_number"
    ).to_arrow_table()
    ids = plan.column("order_id").to_pylist()
    numbers = pa.array([f"SANDBOX{order[3:]}" for order in ids])
    count = len(ids)
    results = pa.table(
        {
            "state": pa.repeat("shipped", count),
            "tracking_numbers": pa.ListArray.from_arrays(
                pa.array(np.arange(count + 1, dtype=np.int32)), numbers
            ),
            "service": pa.repeat("ground", count),
            "charged_cents": pa.array(np.full(count, 1411)),
            "charged": pa.array(np.full(count, 14.11)),
            "currency": pa.repeat("USD", count),
        }
    )
    with laps.lap("write back"):
        new = additions(results, plan, loaded.rows)
        file = SourceFile(
            path, "csv", loaded.origin.sha256[0], 1, loaded.rows, loaded.origin.headings
        )
        stored = loaded.con.sql(
            f"SELECT * EXCLUDE (row_number, source_file) FROM {loaded.text.sql}"
        ).to_arrow_table()
        places = write_text(file, dest, new, lines_of(file, stored))
        prove(dest, file, stored, new, places)
    return chosen.count


def by_pandas(path: Path, dest: Path, laps: Laps, **options: Any) -> int:
    """What an analyst would write."""
    with laps.lap("load"):
        frame = pd.read_csv(path, **options)
    with laps.lap("filter"):
        weight = (
            pd.to_numeric(frame["weight_lb"], errors="coerce") if options else frame["weight_lb"]
        )
        chosen = frame[frame["state"].isin(WANTED) & (weight < 20)]
    results = pd.DataFrame(
        {
            "order_id": chosen["order_id"],
            "tracking_number": "SANDBOX" + chosen["order_id"].str[3:],
            "label_service": "ground",
            "label_charge": "14.11",
            "label_currency": "USD",
            "label_status": "shipped",
        }
    )
    count = len(chosen)
    with laps.lap("write back"):
        frame.merge(results, on="order_id", how="left").to_csv(dest, index=False)
    return count


def by_pandas_text(path: Path, dest: Path, laps: Laps) -> int:
    """The same, with every cell kept as text."""
    return by_pandas(path, dest, laps, dtype=str, keep_default_na=False)


RUN: dict[str, Callable[[Path, Path, Laps], int]] = {
    "shipkit": by_shipkit,
    "pandas": by_pandas,
    "pandas-text": by_pandas_text,
}


def measure(who: str, path: Path, dest: Path) -> list[dict[str, Any]]:
    """Return the laps of one contender, with their sum."""
    laps = Laps()
    kept = RUN[who](path, dest, laps)
    total = {
        "step": "all",
        **{key: sum(lap[key] for lap in laps) for key in ("wall_s", "cpu_s")},
        "peak_mb": max(lap["peak_mb"] for lap in laps),
    }
    return [{"who": who, **lap, "kept": kept} for lap in (*laps, total)]


def left_of(path: Path, dest: Path) -> dict[str, int]:
    """Return how many lines still begin with the same bytes, and how many ZIPs are unchanged."""
    with path.open("rb") as old, dest.open("rb") as new:
        same = sum(b.startswith(a.rstrip(b"\r\n")) for a, b in zip(old, new, strict=True)) - 1
    with (
        path.open(encoding="utf-8", newline="") as old,
        dest.open(encoding="utf-8", newline="") as new,
    ):
        pairs = list(
            zip(
                (row["zip"] for row in csv.DictReader(old)),
                ((row["zip"], row["tracking_number"]) for row in csv.DictReader(new)),
                strict=True,
            )
        )
    return {
        "lines_unchanged": same,
        "zips_unchanged": sum(a == b for a, (b, _) in pairs),
        "numbers": sum(bool(number) for _, (_, number) in pairs),
    }


def table_of(results: list[dict[str, Any]]) -> str:
    """Return the results as a markdown table."""
    head = (
        "| who | step | rows/s | wall s | CPU s | peak MB |\n| --- | --- | ---: | ---: | ---: | "
        "---: |\n"
    )
    return head + "\n".join(
        (
            f"| {r['who']} | {r['step']} | {r['rows_per_s']:,} | {r['wall_s']:.2f} | "
            f"{r['cpu_s']:.2f} | {r['peak_mb']:,} |"
        )
        for r in results
    )


def main() -> None:
    """Run, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--who", default=",".join(RUN))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--make", type=Path)
    parser.add_argument("--inside", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(measure(options.who, *options.inside)))
        return
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.csv"
        make(options.rows, path, options.make)
        print(f"{options.rows:,} orders, {path.stat().st_size / 1e6:,.0f} MB\n")
        for who in options.who.split(","):
            dest = Path(folder) / f"{who}.csv"
            done = subprocess.run(
                [sys.executable, __file__, "--who", who, "--inside", str(path), str(dest)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            results += [
                {**lap, "rows": options.rows, "rows_per_s": round(options.rows / lap["wall_s"])}
                for lap in json.loads(done.stdout.splitlines()[-1])
            ]
            results[-1] |= left_of(path, dest)
            dest.unlink()
    print(table_of(results) + "\n")
    for whole in (r for r in results if r["step"] == "all"):
        print(
            f"{whole['who']}: {whole['kept']:,} orders kept, {whole['numbers']:,} numbers "
            f"written; {whole['lines_unchanged']:,} lines and {whole['zips_unchanged']:,} ZIPs "
            "are as they were"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
