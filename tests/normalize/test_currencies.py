"""The currency of a cell is the currency: no amount becomes dollars in silence."""

from __future__ import annotations

import pytest

import shipkit as sk

ROW = {
    "Order Number": "A",
    "Ship To Name": "Ada Lee",
    "Address": "1 Main St",
    "City": "Boston",
    "State": "MA",
    "Zip": "02134",
    "Weight (lb)": 2,
}


def read(shop, *cells, currency=None):
    """Return (currency, minor units) of each row, and the problems."""
    rows = [
        ROW
        | {"Order Number": f"A-{n}", "Declared Value": cell}
        | ({"Currency": currency} if currency else {})
        for n, cell in enumerate(cells)
    ]
    with sk.BatchSession(rows, shipper=shop, service="ground") as session:
        table = session._planner.normalized().table.to_pylist()
        values = [(row["currency"], row["parcels"][0]["declared_value_cents"]) for row in table]
        return values, [(p.row_number, p.code) for p in session.problems.itertuples()]


def test_the_currency_of_each_cell_is_its_own(shop):
    cells = {
        "$12": ("USD", 1200),
        "12 EUR": ("EUR", 1200),
        "€12": ("EUR", 1200),
        "12,50 €": ("EUR", 1250),
        "CA$12": ("CAD", 1200),
        "R$12": ("BRL", 1200),
        "£1,250.00": ("GBP", 125000),
        "12 zł": ("PLN", 1200),
        "CHF 1'200.50": ("CHF", 120050),
        "JPY 3900": ("JPY", 3900),
        "₩12000": ("KRW", 12000),
        "Kč 500": ("CZK", 50000),
        "12.00usd": ("USD", 1200),
        "14": ("USD", 1400),
    }
    values, problems = read(shop, *cells)
    assert dict(zip(cells, values, strict=True)) == cells
    assert problems == []


def test_an_amount_whose_currency_is_open_waits(shop):
    cells = ("€5", "12 kr", "¥1200", "Rs 500", "12 XYZ", "12 €/pc", "12€50")
    values, problems = read(shop, *cells)
    assert [value for _, value in values] == [500, *[None] * 6]
    assert {row for row, _ in problems} == {2, 3, 4, 5, 6, 7}


@pytest.mark.parametrize(
    ("cell", "currency", "right"),
    [
        ("12 EUR", "EUR", ("EUR", 1200)),
        ("12", "€", ("EUR", 1200)),
        ("12", "Euro", ("EUR", 1200)),
        ("12 kr", "SEK", ("SEK", 1200)),
        ("$12", "CAD", ("CAD", 1200)),
        ("¥1200", "JPY", ("JPY", 1200)),
        ("12 GBP", "EUR", ("EUR", None)),
        ("€12", "USD", ("USD", None)),
    ],
)
def test_a_column_of_currencies_must_agree_with_the_cell(shop, cell, currency, right):
    values, problems = read(shop, cell, currency=currency)
    assert values == [right]
    assert problems == ([] if right[1] else [(1, "unit_contradicts")])


@pytest.mark.parametrize(
    ("cell", "currency", "code"),
    [("12", "Euroz", "currency_unknown"), ("-12", None, "amount_negative")],
)
def test_unknown_currencies_and_negative_values_stop_their_row(shop, cell, currency, code):
    assert read(shop, cell, currency=currency)[1] == [(1, code)]
