"""Headings that are names in our own SQL: a column may be called anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import shipkit as sk
from shipkit.orders.columns import SYSTEM_COLUMNS
from shipkit.orders.fields import recognise

SHOP = {
    "name": "Dana Ortiz",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "phone": "2105550100",
}
SOURCES = Path(sk.__file__).parent
PLACES = ("orders", "plan", "rates", "carriers/ratecard", "carriers/quoting.py", "outputs")
OURS = sorted(
    {
        name
        for place in PLACES
        for path in (
            [SOURCES / place] if place.endswith(".py") else (SOURCES / place).rglob("*.py")
        )
        for pair in re.findall(r"\bAS ([a-z_0-9]+)\b|\b([a-z_]+) AS \(", path.read_text())
        for name in pair
    }
    - {""}
    | {"l", "r", "o", "s", "g", "h", "c1", "c2", *SYSTEM_COLUMNS}
)
OURS = [name for name in OURS if not recognise([name]).roles]  # "quantity" means something
ORDER = ("Name", "Address 1", "Town", "Region", "Zip", "SKU", "Qty")
ROWS = (
    ("Ada Lee", "1 Main St", "Boston", "MA", "02134", "A", "1"),
    ("Ada Lee", "1 Main St", "Boston", "MA", "02134", "B", "2"),
    ("Bo Ray", "2 Oak St", "Austin", "TX", "78701", "A", "1"),
    ("", "", "", "", "", "C", "1"),
)
KNOWN = {"Town": "city", "Region": "state", "Name": "name", "Address 1": "address_line1"}


@pytest.mark.parametrize(
    ("part", "number"),
    [
        pytest.param(part, number, marks=pytest.mark.slow if (part % 2 == 0) is number else ())
        for part in range(4)
        for number in (False, True)
    ],
)
def test_a_heading_may_be_any_name(tmp_path, part, number):
    assert len(OURS) > 150, "the pattern finds the names of the package's SQL"
    mine = OURS[part::4]
    headings = [*(["Order Number"] if number else []), *ORDER, *mine]
    rows = [
        [
            *([str(100 + len(row[0]))] if number else []),
            *row,
            *(f"x{place}" for place in range(len(mine))),
        ]
        for place, row in enumerate(ROWS)
    ]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(",".join(row) for row in [headings, *rows]) + "\n")
    session = sk.BatchSession(str(path), shipper=SHOP)
    columns = {field: heading for heading, field in KNOWN.items()} | {"postal_code": "Zip"}
    session.where("sku <> 'nothing'")
    keep = [name for name in session.columns if name not in {*ORDER, "Order Number"}]
    session.map(service="ground", columns=columns, defaults={"weight_lb": 2}, ignore=keep)
    assert len(session.preview()) == (3 if number else 4)
    assert session.mapped()["name"].tolist()[:1] == ["Ada Lee"]
    assert len(session.describe()) == len(headings)
    codes = set(session.problems["code"])
    assert ("order_key_missing" in codes) is not number
