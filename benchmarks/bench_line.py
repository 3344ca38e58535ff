"""The whole line on real orders, stage by stage: rows per second, seconds, peak memory.

    python benchmarks/bench_line.py ORDERS.csv [--where "zip LIKE '9%'"] [--weight 2] [--execute
    5009] [--json out.json]

Everything is real: DuckDB, the embedded sandbox with its books, parquet segments, fsync.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import shipkit as sk

SHOP = sk.Address(
    name="Dana Ortiz",
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)


class Stages:
    """Times stages and keeps the rows of each."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def time(self, name: str, count: int, work: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        value = work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        self.rows.append(
            {
                "stage": name,
                "rows": count,
                "wall_s": round(wall, 3),
                "cpu_s": round(cpu, 3),
                "rows_per_s": round(count / wall) if wall else None,
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
        )
        return value

    def markdown(self) -> str:
        head = (
            "| stage | rows | wall s | CPU s | rows/s | peak MB |\n| --- | ---: | ---: | ---: | "
            "---: | ---: |\n"
        )
        return head + "\n".join(
            (
                f"| {r['stage']} | {r['rows']:,} | {r['wall_s']} | {r['cpu_s']} | "
                f"{r['rows_per_s']:,} | {r['peak_mb']:,} |"
            )
            for r in self.rows
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("orders", type=Path)
    parser.add_argument("--where", default="zip LIKE '9%'")
    parser.add_argument("--weight", type=float, default=2.0)
    parser.add_argument("--execute", type=int, default=1_000, help="buy at most this many")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    stages = Stages()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        session = sk.BatchSession(shipper=SHOP, home=home, mode="auto", on_duplicate="ship")
        stages.time("load", 0, lambda: session.load(args.orders))
        count = session.describe()["non_null"].max()
        stages.rows[-1] |= {
            "rows": int(count),
            "rows_per_s": round(int(count) / stages.rows[-1]["wall_s"]),
        }
        stages.time(f"filter {args.where}", int(count), lambda: session.where(args.where))
        session.where()
        session.map(service="ground", defaults={"weight_lb": args.weight})
        stages.time("map + validate", int(count), lambda: session.problems)
        frame = stages.time("preview (every row priced)", int(count), session.preview)
        print(session.summary)
        some = int(frame["row_number"].iloc[min(args.execute, len(frame)) - 1])
        session.skip(f"row_number > {some}") if some < frame["row_number"].max() else None
        session.preview()
        result = stages.time(
            "execute (durable)",
            min(args.execute, len(frame)),
            lambda: session.execute(progress=False),
        )
        print(result)
        stages.time(
            "labels to one PDF",
            100,
            lambda: session.labels.save(
                Path(folder) / "labels.pdf", where=f"row_number <= {frame['row_number'].iloc[99]}"
            ),
        )
        stages.time(
            "write back", int(count), lambda: session.write_back(Path(folder) / "shipped.csv")
        )
        session.close()
    print(stages.markdown())
    if args.json:
        args.json.write_text(json.dumps(stages.rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
