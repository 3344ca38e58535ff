"""Price N shipments with the synthetic rate card, in bulk and one by one in plain Python.

Usage: python benchmarks/bench_rating.py [ROWS ...] [--json OUT.json]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.ratecard import RateCard
from shipkit.models import Address
from shipkit.schema import PARCEL, SHIPMENTS, shipment_from_row

SHOP = Address(name="Dana Ortiz", state="TX", postal_code="78205")
SERVICES = np.array(["ground", "2nd_day_air", "next_day_air"], dtype=object)
ONE_BY_ONE = 5_000


def shipments(n: int) -> pa.Table:
    """Return n shipments of one or (one in ten) two parcels, ZIPs over the whole country."""
    rng = np.random.default_rng(1)
    pieces = 1 + (rng.random(n) < 0.1)
    total = int(pieces.sum())
    weight = np.clip(rng.lognormal(0.55, 0.85, total), 0.1, 150)
    columns = {
        "weight_lb": pa.array(weight),
        **{
            name: pa.array(rng.integers(4, 25, total) + 0.25)
            for name in ("length_in", "width_in", "height_in")
        },
        "packaging": pa.repeat(pa.scalar("package"), total),
        "declared_value_cents": pa.nulls(total, pa.int64()),
        "description": pa.nulls(total, pa.string()),
    }
    parcels = pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(pieces)]).astype(np.int32)),
        pa.StructArray.from_arrays(list(columns.values()), fields=list(PARCEL)),
    )
    known = {
        "row_number": pa.array(np.arange(1, n + 1)),
        "country": pa.repeat(pa.scalar("US"), n),
        "parcels": parcels,
        "residential": pa.array(rng.random(n) < 0.8),
        "postal_code": pc.utf8_lpad(
            pa.array(rng.integers(501, 99950, n)).cast(pa.string()), 5, "0"
        ),
        "service": pa.array(SERVICES[rng.choice(3, n, p=[0.86, 0.1, 0.04])], pa.string()),
        "ship_date": pa.repeat(pa.scalar(dt.date(2026, 11, 20), pa.date32()), n),
    }
    return pa.table(
        [known.get(field.name, pa.nulls(n, field.type)) for field in SHIPMENTS], schema=SHIPMENTS
    )


def measure(n: int) -> dict[str, float]:
    card, table = RateCard.synthetic(), shipments(n)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    quotes = card.quote_table(table, SHOP)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sample = [
        shipment_from_row(row)
        for row in table.filter(pc.is_null(quotes.column("problem")))
        .slice(0, ONE_BY_ONE)
        .to_pylist()
    ]
    start = time.perf_counter()
    for shipment in sample:
        card.quote(shipment, SHOP)
    one = (time.perf_counter() - start) / max(1, len(sample))
    return {
        "rows": n,
        "wall_s": round(wall, 3),
        "cpu_s": round(cpu, 3),
        "rows_per_s": round(n / wall),
        "peak_mb": round(peak / 1024),
        "input_mb": round(before / 1024),
        "priced": n - quotes.column("problem").length() + quotes.column("problem").null_count,
        "one_by_one_rows_per_s": round(1 / one),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if len(options.rows) == 1:
        results = [measure(options.rows[0])]
    else:  # a process each: peak memory is a process's
        results = [
            json.loads(
                subprocess.run(
                    [sys.executable, __file__, str(n)], check=True, capture_output=True, text=True
                ).stdout.splitlines()[-1]
            )
            for n in options.rows
        ]
        print("| " + " | ".join(results[0]) + " |\n|" + " ---: |" * len(results[0]))
        for result in results:
            print("| " + " | ".join(f"{value:,}" for value in result.values()) + " |")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    if len(results) == 1:
        print(json.dumps(results[0]))


if __name__ == "__main__":
    main()
