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


BERLIN = {
    "name": "Laden",
    "address_line1": "Hauptstr. 1",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
    "phone": "+49 30 1234567",
}
TORONTO = {
    "name": "Shop",
    "address_line1": "1 Bay St",
    "city": "Toronto",
    "state": "ON",
    "postal_code": "M5J 2R8",
    "country": "CA",
    "phone": "4165550101",
}
MUG = {"Item Name": "Mug", "Qty": 1, "Origin Country": "DE", "Phone": "2065550101"}


def goods(shipper, **cells):
    """Return the currency and the value of the goods of one row, and its warning of a currency."""
    row = ROW | MUG | {"Country": "US"} | cells
    with sk.BatchSession([row], shipper=shipper, service="ground") as session:
        (row,) = session._planner.normalized().table.to_pylist()
        said = session.problems
    items = row["customs"]["items"] if row["customs"] else []
    assumed = said[said["code"] == "currency_assumed"]["problem"].tolist()
    return row["currency"], [item["unit_value_cents"] for item in items], assumed


def test_amounts_without_a_currency_are_in_that_of_the_shipper_which_is_said():
    """An invoice of a shop in Berlin said 10.00 USD for 10.00 EUR (case 03)."""
    currency, values, said = goods(BERLIN, **{"Unit Price": "10.00"})
    assert (currency, values) == ("EUR", [1000])
    assert said == ["no currency is given for amounts: EUR, the shipper's, is taken in 1 row"]
    tokyo = {**BERLIN, "country": "JP", "city": "Tokyo", "postal_code": "100-0001"}
    assert goods(tokyo, **{"Unit Price": "3900"})[:2] == ("JPY", [3900])


def test_a_dollar_is_that_of_the_shipper_or_of_the_us():
    for cells, berlin, toronto in (
        ({"Unit Price": "$10.00"}, "USD", "CAD"),
        ({"Unit Price ($)": "10.00"}, "USD", "CAD"),
        ({"Unit Price": "10.00 USD"}, "USD", "USD"),
        ({"Unit Price": "10.00", "Currency": "$"}, "USD", "CAD"),
        ({"Unit Price": "10.00", "Currency": "US$"}, "USD", "USD"),
    ):
        assert goods(BERLIN, **cells)[::2] == (berlin, []), cells
        assert goods(TORONTO, **cells)[::2] == (toronto, []), cells


def test_templates_of_a_shipper_abroad_have_its_currency_in_parcels_and_goods():
    template = """{"ship_to": {"name": "Ada", "address_line1": "1 Pine St", "city": "Seattle",
        "state": "WA", "postal_code": "98101", "country": "US", "phone": "2065550101"},
        "service": "ground",
        "parcels": [
            {"weight_lb": 1, "declared_value": "5"}, {"weight_lb": 2, "declared_value": "6"}
        ],
        "customs": {"items": [{"description": "Mug", "quantity": 1, "unit_value": "10.00"}]}}"""
    with sk.BatchSession([ROW], shipper=BERLIN) as session:
        session.map(template)
        (row,) = session._planner.normalized().table.to_pylist()
        assert "currency_assumed" in session.problems["code"].tolist()
    assert (row["currency"], row["customs"]["items"][0]["unit_value_cents"]) == ("EUR", 1000)
    assert [parcel["declared_value_cents"] for parcel in row["parcels"]] == [500, 600]


def collected(shop, *cells):
    """Return (currency, amount to collect) of each row, and the codes of the problems by row."""
    rows = [ROW | {"Order Number": f"C-{n}", "COD": cell} for n, cell in enumerate(cells)]
    with sk.BatchSession(rows, shipper=shop, service="ground") as session:
        table = session._planner.normalized().table.to_pylist()
        problems = session.problems
    errors = problems[problems["severity"] == "error"]
    values = [(row["currency"], row["cod_amount_cents"]) for row in table]
    return values, dict(zip(errors["row_number"], errors["code"], strict=True))


def test_an_amount_to_collect_has_the_currency_of_its_cell_and_is_never_passed_over(shop):
    """35 EUR was collected as 35 USD, and a "Y" was a warning next to a parcel without COD."""
    values, errors = collected(shop, "35", "35 EUR", "$35.50", "N", "no", "", "Y", "0")
    assert values == [
        ("USD", 3500),
        ("EUR", 3500),
        ("USD", 3550),
        *[("USD", None)] * 5,
    ]
    assert errors == {7: "cell_not_amount"}


def test_a_declared_value_of_no_is_none(shop):
    values, problems = read(shop, "No", "not insured", "50")
    assert values == [("USD", None), ("USD", None), ("USD", 5000)]
    assert problems == []


WRITTEN = """{{"ship_to": {{"name": "Ada", "address_line1": "1 Pine St", "city": "Seattle",
    "state": "WA", "postal_code": "98101"}}, "service": "ground",
    {own} "parcels": [{{"weight_lb": 2 {parcel}}}], "customs": {{"items": [{items}]}}}}"""


def item(amount, currency):
    value = f'{{"amount": "{amount}", "currency": "{currency}"}}'
    return f'{{"description": "Mug", "quantity": 1, "unit_value": {value}}}'


CURRENCIES = [
    ("", "", item(10, "EUR"), "EUR"),
    ("", ', "declared_value": "5"', item(10, "EUR"), "EUR"),  # was USD, for both
    ("", "", item(10, "EUR") + "," + item(10, "eur"), "EUR"),
    ("", "", item(10, "EUR") + "," + item(10, "USD"), "EUR/USD"),  # was EUR, for both
    ('"currency": "USD",', "", item(10, "EUR"), "EUR/USD"),
    ('"cod_amount": {"amount": "3", "currency": "CAD"},', "", item(10, "CAD"), "CAD"),
]


def written(own, parcel, items, _):
    return WRITTEN.format(own=own, parcel=parcel, items=items)


def test_amounts_of_a_template_have_one_currency_or_wait(shop):
    """A row for each: its template is chosen by its number."""
    rows = [ROW | {"Order Number": f"A-{n}"} for n in range(len(CURRENCIES))]
    template = "".join(
        f"{{% if row.order_number == 'A-{n}' %}}{written(*case)}{{% endif %}}"
        for n, case in enumerate(CURRENCIES)
    )
    with sk.BatchSession(rows, shipper=shop) as session:
        table = session.map(template)._planner.normalized().table.to_pylist()
        found = session.problems
    held = found[found["code"] == "currency_unknown"]["row_number"].tolist()
    assert [row["currency"] for row in table] == [currency for *_, currency in CURRENCIES]
    assert held == [n for n, (*_, currency) in enumerate(CURRENCIES, 1) if "/" in currency]


def test_a_template_without_a_choice_has_one_currency_or_waits(shop):
    with sk.BatchSession([ROW], shipper=shop) as session:
        session.map(written(*CURRENCIES[3]))
        (row,) = session._planner.normalized().table.to_pylist()
        codes = session.problems["code"].tolist()
    assert row["currency"] == "EUR/USD"
    assert "currency_unknown" in codes


def test_short_names_are_fields_in_templates(shop):
    own = '"saturday": {{ {"saturday": "yes"}["saturday"] | tojson }}, "hold_at": "U1",'
    with sk.BatchSession([ROW], shipper=shop) as session:
        text = WRITTEN.format(own="OWN", parcel=', "insurance": "50"', items=item(10, "USD"))
        session.map(text.replace("OWN", own))
        (row,) = session._planner.normalized().table.to_pylist()
    assert row["saturday_delivery"] is True
    assert row["access_point_id"] == "U1"
    assert row["parcels"][0]["declared_value_cents"] == 5000
