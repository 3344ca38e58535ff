"""Wide tables: CPU seconds of each step, by the number of columns.

    python benchmarks/bench_wide.py [--columns 100,400,1000] [--rows 20] [--source csv|frame]

The time must grow with the columns, not with their square: exports of shops and ERP systems have
hundreds of columns that no label needs.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

import shipkit as sk

SHOP = sk.Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)


def orders(rows: int, extra: int) -> list[dict[str, Any]]:
    """Return orders with `extra` columns: two thirds text, one third whole numbers."""
    return [
        {
            "order_id": f"A-{row}",
            "name": "Ada Lee",
            "address1": f"{row} Main St",
            "city": "Austin",
            "state": "TX",
            "zip": "78701",
            "weight_lb": 2,
            "service": "ground",
            **{f"meta_{n}": f"v{n}" if n % 3 else str(n * row) for n in range(extra)},
        }
        for row in range(1, rows + 1)
    ]


def given(rows: int, extra: int, kind: str, folder: Path) -> Path | pd.DataFrame:
    """Return the orders as a file or as a frame."""
    made = orders(rows, extra)
    if kind == "frame":
        return pd.DataFrame(made)
    path = folder / f"{extra}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, made[0].keys())
        writer.writeheader()
        writer.writerows(made)
    return path


def main() -> None:
    """Time the steps and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", default="100,400,1000")
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--source", choices=["csv", "frame"], default="csv")
    options = parser.parse_args()
    sk.BatchSession(orders(3, 0), shipper=SHOP).close()  # words and layouts are read once
    print("| columns | load | map | preview | describe |\n| ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for count in map(int, options.columns.split(",")):
            source = given(options.rows, count, options.source, Path(folder))
            session = sk.BatchSession(shipper=SHOP, home=folder)
            steps: list[Callable[[], object]] = [
                lambda source=source, session=session: session.load(source),
                lambda session=session: session.map().template,
                session.preview,
                session.describe,
            ]
            seconds = []
            for step in steps:
                began = time.process_time()
                step()
                seconds.append(f"{time.process_time() - began:.2f}")
            session.close()
            print(f"| {count:,} | {' | '.join(seconds)} |", flush=True)


if __name__ == "__main__":
    main()
