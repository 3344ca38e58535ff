"""Price a million orders: the whole line, streaming, rating alone, templates; and pandas.

Usage: python benchmarks/bench_millions.py [ROWS ...] [--steps
preview,rate,shop,compare,stream,pandas,one,template,rendered] [--json OUT.json] [--make
make_orders.py]

ROWS default to 10000 100000 1000000; 10000000 runs the steps that fit (rate, stream, pandas). A
process for each step and size: peak memory is a process's. Orders are made here (no street of it
exists), or with ``--make`` by a script that takes ``N OUT.parquet``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
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
import pyarrow as pa
import pyarrow.parquet as pq

import shipkit as sk
from shipkit.schema import PARCEL, SHIPMENTS, shipment_from_row

SHOP = sk.Address(
    name="Dana Ortiz",
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
PLACES = (
    ("New York", "NY", "100"),
    ("Boston", "MA", "021"),
    ("Atlanta", "GA", "303"),
    ("Chicago", "IL", "606"),
    ("Dallas", "TX", "752"),
    ("Denver", "CO", "802"),
    ("Seattle", "WA", "981"),
    ("Los Angeles", "CA", "900"),
    ("Anchorage", "AK", "995"),
    ("Honolulu", "HI", "968"),
)
STEPS = ("preview", "rate", "shop", "compare", "stream", "pandas", "one", "template", "rendered")
TOO_LARGE = {
    "preview": 2_000_000,
    "shop": 2_000_000,
    "compare": 2_000_000,
    "one": 100_000,
    "template": 2_000_000,
    "rendered": 1_000_000,
}
"""Most rows a step is run with: beyond, its result would not fit, or it would take hours."""


def orders(n: int, seed: int = 1, first: int = 1) -> pd.DataFrame:
    """Return n made-up orders with the columns of an export, numbered from `first`."""
    rng = np.random.default_rng(seed)
    same = rng.integers(0, len(PLACES), n)
    city, state, prefix = (
        np.array(column, dtype=object)[same] for column in zip(*PLACES, strict=True)
    )
    number = np.arange(first, first + n).astype(str)
    return pd.DataFrame(
        {
            "order_id": np.char.add("SO-", np.char.zfill(number, 8)),
            "order_date": "2026-10-15",
            "recipient_name": np.char.add("Ada Lee ", number),
            "phone": "2125550100",
            "address1": np.char.add(rng.integers(1, 9999, n).astype(str), " Example St"),
            "city": city,
            "state": state,
            "zip": prefix + np.char.zfill(rng.integers(1, 99, n).astype(str), 2).astype(object),
            "country": "US",
            "weight_lb": np.round(np.clip(rng.lognormal(0.55, 0.85, n), 0.1, 150), 2),
            **{f"{side}_in": rng.integers(4, 25, n) for side in ("length", "width", "height")},
            "service": rng.choice(
                ["Ground", "2nd Day Air", "Next Day Air"], n, p=[0.86, 0.10, 0.04]
            ),
            "residential": rng.choice(["yes", "no"], n, p=[0.8, 0.2]),
            "paid": np.round(rng.lognormal(3.6, 0.9, n), 2),
        }
    )


def mapped(n: int, seed: int = 1) -> pa.Table:
    """Return n shipments as they are after mapping."""
    frame = orders(min(n, 1_000_000), seed)
    some = len(frame)
    known = {
        "weight_lb": frame.weight_lb,
        **{
            f"{side}_in": frame[f"{side}_in"].astype(float)
            for side in ("length", "width", "height")
        },
    }
    values = pa.StructArray.from_arrays(
        [
            pa.array(known[f.name], f.type) if f.name in known else pa.nulls(some, f.type)
            for f in PARCEL
        ],
        fields=list(PARCEL),
    )
    services = frame.service.map(
        {"Ground": "ground", "2nd Day Air": "2nd_day_air", "Next Day Air": "next_day_air"}
    )
    columns: dict[str, Any] = {
        "row_number": pa.array(np.arange(1, some + 1)),
        "postal_code": pa.array(frame.zip, pa.string()),
        "country": pa.array(frame.country, pa.string()),
        "residential": pa.array(frame.residential == "yes"),
        "service": pa.array(services, pa.string()),
        "parcels": pa.ListArray.from_arrays(pa.array(np.arange(some + 1), pa.int32()), values),
    }
    table = pa.table(columns, schema=pa.schema([SHIPMENTS.field(name) for name in columns]))
    return pa.concat_tables([table] * -(-n // some)).slice(0, n)


TEMPLATE = """{
  "order_id": {{ row.order_id | tojson }},
  "service": {{ row.service | translate({
    "2nd Day Air": "2nd_day_air", "Next Day Air": "next_day_air"
  }) | tojson }},
  "ship_date": {{ row.order_date | tojson }},
  "description": "{{ row.order_id }} for {{ row.recipient_name | split_name }}",
  "signature": {{ "none" | tojson }}, "saturday_delivery": false, "is_return": false,
  "currency": "USD",
  "ship_to": {
    "name": "{{ row.recipient_name }}", "company": {{ row.company | default("") | tojson }},
    "address_line1": {{ row.address1 | truncate_address | tojson }},
    "address_line2": {{ ((row.address2 | default("")) or none) | tojson }}, "address_line3": "",
    "city": {{ row.city | upper | tojson }}, "state": {{ row.state | tojson }},
    "postal_code": {{ row.zip | format_us_zip(row.country, row.state) | tojson }},
    "country": {{ row.country | default_value("US") | tojson }},
    "phone": {{ row.phone | to_ups_phone | tojson }},
    "email": "", "residential": {{ (true if row.residential == "yes" else false) | tojson }}
  },
  "parcels": [{
    "weight_lb": {{ row.weight_lb | round_weight(1) | default_value(2) | tojson }},
    "length_in": {{ row.length_in }}, "width_in": {{ row.width_in }},
    "height_in": {{ row.height_in }},
    "packaging": "package", "declared_value": {{ row.paid | tojson }},
    "description": {{ (row.city ~ " / " ~ row.service) | tojson }}
  }],
  "references": {
    "order": {{ row.order_id | tojson }}, "date": {{ row.order_date | to_ups_date | tojson }},
    "zip": {{ row.zip | tojson }},
    "kg": {{ row.weight_lb | convert_weight("lb", "kg") | tojson }},
    "service": {{ row.service | lookup_service_code | tojson }},
    "from": {{ shipper.city | tojson }}, "paid": {{ row.paid | tojson }}
  }
}"""
"""34 leaves with the filters of the reference."""


class Laps(list[dict[str, Any]]):
    """What was measured: name, wall, CPU."""

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Measure what is done inside."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.append(
            {
                "step": name,
                "wall_s": round(time.perf_counter() - wall, 3),
                "cpu_s": round(time.process_time() - cpu, 3),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )


def preview(path: Path, n: int, laps: Laps) -> int:
    """From parquet to a priced preview frame with totals, the plan on disk."""
    with (
        tempfile.TemporaryDirectory() as home,
        laps.lap("load to preview, in all"),
        sk.BatchSession(shipper=SHOP, home=home) as session,
    ):
        with laps.lap("  load"):
            session.load(path)
        with laps.lap("  filter"):
            session.where("weight_lb > 0")
        with laps.lap("  map and normalise"):
            session._planner.normalized()
        with laps.lap("  preview (validate, price, keep, frame)"):
            frame = session.preview()
        assert len(frame) == n
        return int(frame.cost_cents.sum())


def rate(_: Path, n: int, laps: Laps) -> int:
    """Rating alone, already mapped."""
    table, card = mapped(n), sk.RateCard.synthetic()
    with laps.lap("rate, already mapped"):
        quotes = card.quote_table(table, SHOP)
    return int(quotes.column("cost_cents").to_pandas().sum())


def template(path: Path, n: int, laps: Laps, text: str = TEMPLATE) -> int:
    """From parquet to shipments through a template whose every leaf is a column with filters."""
    with (
        tempfile.TemporaryDirectory() as home,
        sk.BatchSession(path, shipper=SHOP, home=home) as session,
    ):
        session.map(template=text)
        with laps.lap(
            "template, rendered row by row" if text is not TEMPLATE else "template, as columns"
        ):
            table, problems, _ = session._planner.normalized()
        assert (table.num_rows, problems.num_rows) == (n, 0)
        return int(table.nbytes)


def rendered(path: Path, n: int, laps: Laps) -> int:
    """The same through a template that needs rendering: its first statement is a branch."""
    return template(path, n, laps, "{% if true %}" + TEMPLATE + "{% endif %}")


def shop(_: Path, n: int, laps: Laps) -> int:
    """Every service of every order."""
    table, card = mapped(n), sk.RateCard.synthetic()
    with laps.lap("shop, every service"):
        offers = card.shop_table(table, SHOP)
    return int(offers.num_rows)


def compare(path: Path, _: int, laps: Laps) -> int:
    """What was paid against a card, from parquet."""
    with laps.lap("compare with what was paid"):
        result = sk.compare("paid", sk.RateCard.synthetic(), path, origin="78205")
        result.by("state", "service")
    return int(result.total.candidate.cents)


def stream(path: Path, _: int, laps: Laps) -> int:
    """Raw orders, from parquet past the card into a file of prices: what does not fit in memory."""
    with laps.lap("stream, raw orders to a file of prices"):
        totals = sk.rate(
            path, sk.RateCard.synthetic(), origin="78205", to=path.with_suffix(".rated")
        )
    path.with_suffix(".rated").unlink()
    return int(totals.cost_cents.sum())


def by_pandas(_: Path, n: int, laps: Laps) -> int:
    """Rate ground only in plain pandas: merge zones and rates, add surcharges; no problems."""
    card = sk.RateCard.synthetic()
    zones, rates = card.zones.rows(["782"]).to_pandas(), card.rates.to_pandas()
    table = mapped(n)
    frame = table.select(["postal_code", "service", "residential"]).to_pandas()
    sizes = ("weight_lb", "length_in", "width_in", "height_in")
    boxes = pa.concat_arrays([chunk.flatten() for chunk in table.column("parcels").chunks])
    for name in sizes:
        frame[name] = np.asarray(boxes.field(name))
    del table, boxes
    with laps.lap("pandas (base, residential, handling, fuel)"):
        frame["destination"] = frame.postal_code.str[:3]
        sides = np.sort(np.ceil(frame[["length_in", "width_in", "height_in"]].to_numpy()), axis=1)
        frame["lb"] = np.maximum(
            np.ceil(frame.weight_lb), np.ceil(sides.prod(axis=1) / 139)
        ).astype(int)
        frame = frame.merge(
            zones[["destination", "service", "zone"]], on=["destination", "service"], how="left"
        )
        frame = frame.merge(
            rates[["service", "zone", "lb", "cents"]], on=["service", "zone", "lb"], how="left"
        )
        home = np.where(frame.residential, np.where(frame.service == "ground", 495, 540), 0)
        large = np.where(
            (frame.weight_lb > 50) | (sides[:, 0] * 2 + sides[:, 1] * 2 + sides[:, 2] > 105),
            2400,
            0,
        )
        fuel = np.floor(
            (frame.cents + home) * np.where(frame.service == "ground", 0.1425, 0.1575) + 0.5
        )
        total = frame.cents + home + large + fuel
    return int(total.sum())


def one_by_one(_: Path, n: int, laps: Laps) -> int:
    """Rating shipment by shipment in plain Python."""
    card = sk.RateCard.synthetic()
    shipments = [
        shipment_from_row({**dict.fromkeys(SHIPMENTS.names), **row})
        for row in mapped(n).to_pylist()
    ]
    with laps.lap("rate one by one"):
        return sum(card.quote(shipment, SHOP).cost_cents for shipment in shipments)


RUN: dict[str, Callable[[Path, int, Laps], int]] = {
    "preview": preview,
    "rate": rate,
    "shop": shop,
    "compare": compare,
    "stream": stream,
    "pandas": by_pandas,
    "one": one_by_one,
    "template": template,
    "rendered": rendered,
}


def measure(step: str, n: int, path: Path) -> list[dict[str, Any]]:
    """Return the laps of one step with n orders."""
    laps = Laps()
    outcome = RUN[step](path, n, laps)
    whole = [lap for lap in laps if not lap["step"].startswith(" ")]
    return [
        {
            "rows": n,
            **lap,
            "rows_per_s": round(n / lap["wall_s"]) if lap["wall_s"] else None,
            "rows_per_cpu_s": round(n / lap["cpu_s"]) if lap["cpu_s"] else None,
            "outcome": outcome if lap in whole else None,
        }
        for lap in laps
    ]


def table_of(results: list[dict[str, Any]]) -> str:
    """Return the results as a markdown table."""
    head = (
        "| step | rows | wall s | CPU s | peak MB | rows/s | rows/CPU s |\n| --- | ---: | ---: | "
        "---: | ---: | ---: | ---: |\n"
    )
    return head + "\n".join(
        (
            f"| {r['step']} | {r['rows']:,} | {r['wall_s']:.2f} | {r['cpu_s']:.2f} | "
            f"{r['peak_mb']:,} | {r['rows_per_s'] or 0:,} | {r['rows_per_cpu_s'] or 0:,} |"
        )
        for r in results
    )


def main() -> None:
    """Run, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--steps", default=",".join(STEPS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--make", type=Path)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(measure(options.steps, options.rows[0], Path(options.inside))))
        return
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for n in options.rows:
            path = Path(folder) / f"orders_{n}.parquet"
            steps = [step for step in options.steps.split(",") if n <= TOO_LARGE.get(step, n)]
            if {"preview", "compare", "stream", "template", "rendered"} & set(steps):
                maker = multiprocessing.get_context("spawn").Process(
                    target=make, args=(n, path, options.make)
                )
                maker.start()  # not here: a child's peak begins at its parent's
                maker.join()
            for step in steps:
                done = subprocess.run(
                    [sys.executable, __file__, str(n), "--steps", step, "--inside", str(path)],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                results += json.loads(done.stdout.splitlines()[-1])
            path.unlink(missing_ok=True)
    print(table_of(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def make(n: int, path: Path, script: Path | None) -> None:
    """Write n orders to `path`."""
    if script is None:
        with pq.ParquetWriter(path, pa.Schema.from_pandas(orders(1))) as writer:
            for done in range(0, n, 1_000_000):
                writer.write_table(
                    pa.Table.from_pandas(
                        orders(min(1_000_000, n - done), seed=done + 1, first=done + 1),
                        schema=writer.schema,
                    )
                )
        return
    subprocess.run(
        [sys.executable, str(script), str(n), str(path)], check=True, stdout=subprocess.DEVNULL
    )
    frame = pd.read_parquet(path)
    frame.rename(columns={"order_total": "paid"}).to_parquet(path)


if __name__ == "__main__":
    main()
