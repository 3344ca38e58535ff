"""Small batches: CPU seconds of a session of three orders, by how they become shipments.

    python benchmarks/bench_small.py [--rounds 15] [--only columns,filters]

Of each way: the first session of a process, then the median of sessions with the same columns,
whose plans are kept, and with columns that no session had together before. Most sessions of a
notebook, a watched folder or an agent are small: what is planned and set up for them is their cost.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import shipkit as sk

SHOP = sk.Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)

PLAIN = """{
  "order_id": {{ row.order | tojson }},
  "ship_to": {
    "name": {{ row.name | tojson }},
    "address_line1": {{ row.address | tojson }},
    "city": {{ row.city | tojson }},
    "state": {{ row.state | tojson }},
    "postal_code": {{ row.zip | tojson }}FURTHER
  },
  "service": {{ row.service | tojson }},
  "parcels": [PARCELS]
}
"""
PARCEL = '{"weight_lb": {{ row.weight_lb | tojson }}}'
CUSTOMS = """],
  "customs": {
    "reason": "sale",
    "items": [{
      "description": "Shirt", "quantity": 1, "unit_value": "20.00", "origin_country": "US"
    }]
  }
}
"""
ONE_PARCEL = PLAIN.replace("PARCELS", PARCEL)
WAYS: dict[str, str | None] = {
    "columns": None,
    "template": ONE_PARCEL,
    "filters": ONE_PARCEL.replace("row.name |", "row.name | title |"),
    "lines": PLAIN.replace(
        "PARCELS",
        '{% for line in lines %}{"weight_lb": {{ line.weight_lb | tojson }}}'
        "{% if not loop.last %},{% endif %}{% endfor %}",
    ),
    "customs": PLAIN.replace("PARCELS]\n}\n", f'{PARCEL}, {{"weight_lb": 1}}{CUSTOMS}'),
}
"""Name -> template. Those of ``filters`` and ``lines`` are rendered, not compiled."""


FURTHER = {
    "Company": ("company", "Acme"),
    "Address 2": ("address_line2", "Floor 2"),
    "Email": ("email", "ada@example.com"),
    "Phone": ("phone", "2105550101"),
    "Address 3": ("address_line3", "East Wing"),
}
"""Heading of a further column -> the leaf that it fills, and its cell."""

COMBINED = [
    names
    for count in range(1, len(FURTHER) + 1)
    for names in itertools.combinations(FURTHER, count)
]


def orders(further: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return three orders, with further columns."""
    order = {
        "Name": "Ada Lee",
        "Address": "1 Main St",
        "City": "Boston",
        "State": "MA",
        "Zip": "02134",
        "Weight (lb)": "2",
        "Service": "Ground",
        **{name: FURTHER[name][1] for name in further},
    }
    return [{"Order": str(number), **order} for number in range(3)]


def cost(template: str | None, home: str, further: Sequence[str] = ()) -> float:
    """Return the CPU seconds of one session, from the orders to their preview."""
    rows = orders(further)
    if template is not None:
        written = [f', "{FURTHER[name][0]}": {{{{ row["{name}"] | tojson }}}}' for name in further]
        template = template.replace("FURTHER", "".join(written))
    start = time.process_time()
    with sk.BatchSession(rows, shipper=SHOP, home=home) as session:
        if template is not None:
            session.map(template)
        session.preview()
    return time.process_time() - start


def main() -> None:
    """Time every way in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help=f"at most {len(COMBINED)}")
    parser.add_argument("--only", default=",".join(WAYS))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.here:
        print(f"{'CPU milliseconds':16} {'first':>8} {'again':>8} {'new columns':>12}", flush=True)
        for way in options.only.split(","):
            told = ["--here", "--only", way, "--rounds", str(options.rounds)]
            subprocess.run([sys.executable, __file__, *told], check=True)
        return
    template = WAYS[options.only]
    with tempfile.TemporaryDirectory() as home:
        first = cost(template, home)
        again = [cost(template, home) for _ in range(options.rounds)]
        new = [cost(template, home, further) for further in COMBINED[: options.rounds]]
    medians = [1000 * each for each in (first, statistics.median(again), statistics.median(new))]
    print(f"{options.only:16} {medians[0]:8.0f} {medians[1]:8.0f} {medians[2]:12.0f}")


if __name__ == "__main__":
    main()
