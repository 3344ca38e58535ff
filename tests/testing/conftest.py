"""A clean file of orders by invented people."""

from __future__ import annotations

import pytest

from shipkit.testing import Clean

PLACES = [
    ("Boston", "MA", "02134"),
    ("Austin", "TX", "78701"),
    ("Seattle", "WA", "98101"),
    ("Denver", "CO", "80202"),
    ("Newark", "NJ", "07102"),
    ("Miami", "FL", "33101"),
]
PEOPLE = ["Ada Lee", "Ben Okri", "Zoë Müller", "José Díaz"]


def clean_text(orders: int = 14) -> str:
    """Return orders as CSV: one row each, addresses and weights all different."""
    headings = (
        "Order Number,Name,Company,Address 1,Address 2,City,State,Zip,Country,Phone,Email,"
        "Weight (lb),SKU,Quantity"
    )
    lines = [headings]
    for n in range(orders):
        city, state, code = PLACES[n % len(PLACES)]
        lines.append(
            f"SO-{1000 + n},{PEOPLE[n % 4]} {chr(65 + n)}.,{'Acme' if n % 3 == 0 else ''},"
            f"{10 + n} Main St,{'Apt 3' if n % 2 else ''},{city},{state},{code},US,"
            f"21055501{n:02},person{n}@example.com,{1 + n % 7},MUG-{n},1"
        )
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    path = tmp_path_factory.mktemp("clean") / "orders.csv"
    path.write_text(clean_text(), encoding="utf-8")
    return Clean(path)
