"""Columns whose meaning depends on the columns next to them, from the file to the shipment."""

from __future__ import annotations

import pytest

import shipkit as sk
from shipkit.orders.fields import recognise
from shipkit.orders.option_cells import cells_that_ask

HOME = {"Address": "1 Main St", "City": "Boston", "State": "MA", "Zip": "02134"}
BERLIN = sk.Address(
    name="Eva Eins",
    address_line1="Hauptstr. 1",
    city="Berlin",
    postal_code="10115",
    country="DE",
)


def mapped(shipper, *rows, **options):
    """Return the shipments of rows and (row, code, severity) of their problems."""
    options = {"service": "ground", "defaults": {"weight_lb": 2}, **options}
    with sk.BatchSession([*rows], shipper=shipper) as session:
        session.map(**options)
        table, problems, _ = session._planner.normalized()
        found = [(p["row_number"], p["code"], p["severity"]) for p in problems.to_pylist()]
        return table.to_pylist(), found


@pytest.mark.parametrize(
    ("first", "second"),
    [("Phone", "Phone 2"), ("Phone", "Mobile"), ("Home Phone", "Work Phone"), ("Tel", "Cell")],
)
def test_a_second_phone_is_read_where_the_first_is_empty(shop, first, second):
    rows, _ = mapped(
        shop,
        {"Order": "1", "Name": "Ada", first: "2125550142", second: "2125550199", **HOME},
        {"Order": "2", "Name": "Bo", first: None, second: "2125550143", **HOME},
    )
    assert [row["phone"] for row in rows] == ["2125550142", "2125550143"]


@pytest.mark.parametrize(
    ("headings", "role"),
    [
        (["Straße", "Hs. Nr.", "PLZ", "Ort"], "house_number"),
        (["Strasse", "HS NR", "PLZ", "Ort"], "house_number"),
        (["Rua", "Número", "CEP", "Cidade"], "house_number"),
        (["Straße", "Nr.", "PLZ", "Ort"], "house_number"),
        (["Address", "Number", "Zip", "City"], None),
        (["Artikel", "HS Nr.", "PLZ", "Ort"], "hs_code"),
    ],
)
def test_a_number_behind_a_street_is_that_of_the_house(headings, role):
    found = {match.name: role for role, match in recognise(headings).roles.items()}
    assert found.get(headings[1]) == role


@pytest.mark.parametrize("headings", [("Zip", "Zip+4"), ("ZIP", "ZIP4"), ("zip5", "zip4")])
def test_the_last_digits_of_a_zip_are_no_second_zip(headings):
    found = recognise(["Name", *headings])
    assert (found.roles["postal_code"].name, dict(found.ambiguous)) == (headings[0], {})
    assert recognise(["Name", headings[1]]).roles["postal_code"].name == headings[1]


@pytest.mark.parametrize(
    ("heading", "cell"),
    [("Delete", "x"), ("Duplicate of", "1001"), ("Ship to store #", "0423"), ("Remove?", "yes")],
)
def test_a_mark_that_keeps_an_order_from_shipping_holds_its_row(shop, heading, cell):
    row = {"Order": "1", "Name": "Ada", **HOME, heading: None}
    found = mapped(shop, row, row | {"Order": "2", heading: cell})[1]
    assert found == [(2, "order_state", "error")]


@pytest.mark.parametrize(
    ("customer", "contact", "company"),
    [
        ("Customer", "Contact", True),
        ("Client Name", "Contact Person", True),
        ("Account Name", "Attention", True),
        ("Customer", "Recipient", False),
        ("Customer", "Name", False),
    ],
)
def test_a_customer_next_to_a_contact_is_a_company(customer, contact, company):
    roles = recognise(["Order", customer, contact, "Address", "City", "Zip"]).roles
    assert ("company" in roles) == company


def test_a_customer_with_an_address_of_its_own_is_not_the_company_of_the_contact():
    billed = ["Customer", "Customer Address", "Customer City", "Contact", "Address", "City"]
    assert "company" not in recognise(billed).roles


def test_a_bare_number_may_count_the_units_of_a_weight(shop):
    row = {"Order": "1", "Name": "Ada", **HOME, "SKU": "A", "Unit Weight (lb)": 0.5}
    _, problems = mapped(shop, row | {"Number": "3"}, row | {"Order": "2", "Number": "1"})
    assert (1, "quantity_missing", "error") in problems
    _, problems = mapped(shop, row | {"Number": "A-3"}, row | {"Order": "2", "Number": "B-1"})
    assert (1, "quantity_missing", "warning") in problems


def test_a_unit_next_to_a_weight_that_its_heading_contradicts_is_a_problem(shop):
    row = {"Order": "1", "Name": "Ada", **HOME, "Weight (lb)": 2, "Weight Unit": "lb"}
    _, problems = mapped(
        shop,
        row,
        row | {"Order": "2", "Weight Unit": "kg"},
        row | {"Order": "3", "Weight Unit": ""},
    )
    assert [(n, code) for n, code, _ in problems] == [(2, "unit_contradicts")]


def test_a_weight_in_a_language_that_is_not_known_is_not_passed_over(shop):
    row = {"Order": "1", "Name": "Ada", **HOME, "Zzyzx (kg)": 3.5}
    assert mapped(shop, row)[1] == [(1, "column_not_understood", "error")]


@pytest.mark.parametrize(
    ("cell", "severity"),
    [
        ("Lithium battery UN3480", "error"),
        ("Li-ion pack (UN 3481)", "error"),
        ("Lithium-ion battery for cameras", "warning"),
        ("Battery charger", None),
        ("Lithium grease 14 oz", None),
        ("UN flag 3x5", None),
        ("Uno 3480 piece puzzle", None),
    ],
)
def test_batteries_among_the_goods(shop, cell, severity):
    row = {"Order": "1", "Name": "Ada", **HOME, "Item Name": cell}
    found = [s for _, code, s in mapped(shop, row)[1] if code == "column_not_understood"]
    assert found[:1] == ([severity] if severity else [])


def test_a_name_of_a_person_is_asked_about_no_goods():
    assert cells_that_ask("Recipient Name", ()) == []


@pytest.mark.parametrize(
    ("service", "home"),
    [("UPS Ground Residential", True), ("Ground Commercial", False), ("UPS Ground", None)],
)
def test_a_service_to_homes_makes_the_address_a_home(shop, service, home):
    row = {"Order": "1", "Name": "Ada", **HOME, "Service": service}
    [found], _ = mapped(shop, row, service=None)
    assert (found["service"], found["residential"]) == ("ground", home)
    [found], _ = mapped(shop, row | {"Residential": "no"}, service=None)
    assert found["residential"] is False


def test_without_a_country_an_address_is_in_the_country_of_a_shipper_abroad(shop):
    row = {"Order": "1", "Name": "Uwe", "Straße": "Am Markt 2", "PLZ": "80331", "Ort": "München"}
    [found], problems = mapped(BERLIN, row, service="standard")
    assert (found["country"], found["postal_code"]) == ("DE", "80331")
    assert (1, "country_assumed", "warning") in problems
    [found], problems = mapped(BERLIN, row | {"Land": "AT"}, service="standard")
    assert found["country"] == "AT"
    assert "country_assumed" not in {code for _, code, _ in problems}
    american = {"Order": "1", "Name": "Ada", **HOME}
    [found], problems = mapped(BERLIN, american, defaults={"weight_lb": 2, "country": "US"})
    assert (found["country"], problems) == ("US", [])


@pytest.mark.parametrize(
    ("price", "currency"),
    [("10,00 €", "EUR"), ("£10.00", "GBP"), ("10.00", "USD"), ("$10", "USD")],
)
def test_goods_have_the_currency_of_their_prices(shop, price, currency):
    place = {"Address": "1 Main St", "City": "Toronto", "State": "ON", "Zip": "M5V 2T6"}
    row = {"Order": "1", "Name": "Ada", **place, "Country": "CA", "Item Name": "Mug", "Qty": 1}
    [found], _ = mapped(shop, row | {"Price": price}, service="worldwide_saver")
    assert found["currency"] == currency
    assert found["customs"]["items"][0]["unit_value_cents"] == 1000


def test_a_price_that_contradicts_the_currency_of_its_row_is_no_customs_value(shop):
    place = {"Address": "1 Main St", "City": "Toronto", "State": "ON", "Zip": "M5V 2T6"}
    row = {"Order": "1", "Name": "Ada", **place, "Country": "CA", "Item Name": "Mug", "Qty": 1}
    given = {"Price": "10,00 €", "Currency": "USD"}
    [found], _ = mapped(shop, row | given, service="worldwide_saver")
    assert (found["currency"], found["customs"]) == ("USD", None)


@pytest.mark.parametrize(
    ("heading", "unit"),
    [
        ("Gross (kg)", "kg"),
        ("Gross/kg", "kg"),
        ("G.W. (KGS)", "kg"),
        ("Brutto (kg)", "kg"),
        ("Mass (g)", "g"),
        ("毛重(kg)", "kg"),
        ("Peso bruto (kg)", "kg"),
        ("Shipment Gross Wt. (LB)", "lb"),
        ("KG", "kg"),
        ("Lbs", "lb"),
        ("Gross", None),
        ("Brutto", None),
    ],
)
def test_what_is_on_the_scale_is_the_weight(heading, unit):
    found = recognise([*HOME, heading]).roles
    assert (found["weight"].name, found["weight"].unit) == (heading, unit)


@pytest.mark.parametrize("heading", ["Net", "Tare", "Net (kg)", "Netto", "Pounds", "净重", "G.W."])
def test_no_default_is_used_in_silence_where_a_column_may_be_the_weight(shop, heading):
    _, problems = mapped(shop, {"Order": "1", "Name": "Ada", **HOME, heading: "3"})
    assert problems == [(1, "column_not_understood", "error")]


@pytest.mark.parametrize("heading", ["Gross", "Net"])
def test_next_to_prices_gross_may_be_money(shop, heading):
    row = {"Order": "1", "Name": "Ada", **HOME, "Fee": "1.20", "Currency": "USD", heading: "39"}
    (shipment,), problems = mapped(shop, row)
    assert shipment["parcels"][0]["weight_lb"] == 2
    assert problems == [(1, "column_not_understood", "warning")]


@pytest.mark.parametrize("heading", ["Net", "Net (kg)", "Tare", "Gross", "Net Weight"])
def test_next_to_the_weight_its_other_measures_say_nothing(shop, heading):
    row = {"Order": "1", "Name": "Ada", **HOME, "Weight (lb)": "4", heading: "3"}
    if heading == "Net (kg)":
        row["Gross (kg)"] = row.pop("Weight (lb)")
    (shipment,), problems = mapped(shop, row)
    assert shipment["parcels"][0]["weight_lb"] > 3
    assert problems == []


@pytest.mark.parametrize("cell", ["n/a", "-", "none", "N/A", "", "Customer Packaging"])
def test_nothing_in_a_column_of_packaging_is_a_box_of_ones_own(shop, cell):
    row = {"Order": "1", "Name": "Ada", **HOME, "Packaging": cell}
    shipments, _ = mapped(shop, row, {**row, "Order": "2", "Packaging": "pak"})
    assert [each["parcels"][0]["packaging"] for each in shipments] == ["package", "pak"]


@pytest.mark.parametrize(("without", "warned"), [((3,), [3]), ((1, 2, 3), [])])
def test_an_order_without_a_number_where_most_have_one_is_a_warning(shop, without, warned):
    """It shipped without a word, and its tracking number could be found by no order number."""
    orders = [
        {
            "Order Number": "" if row in without else f"SO-{row}",
            "Name": f"Ada Lee {chr(64 + row)}",
            "Address": f"{row} Main St",
            "City": "Austin",
            "State": "TX",
            "Zip": "78701",
            "Weight (lb)": 2,
        }
        for row in range(1, 6)
    ]
    with sk.BatchSession(orders, shipper=shop, service="ground") as session:
        found = session.problems
        assert found["row_number"].tolist() == warned
        assert set(found["severity"]) <= {"warning"}
        assert set(found["code"]) <= {"order_key_missing"}


def test_a_city_with_state_and_zip_needs_no_columns_of_theirs(shop):
    """Both were read from the city, and the rows waited for the columns all the same."""
    order = {"Name": "Ada Lee", "Street": "12 Elm St", "Weight (lb)": 3, "Temp": "-20C"}
    towns = ["Austin, TX 78701", "Round Rock TX 78664", "Austin"]
    orders = [{"Order": f"A{n}", **order, "Town": town} for n, town in enumerate(towns)]
    with sk.BatchSession(orders, shipper=shop, service="ground") as session:
        mapped = session.mapped()
        assert mapped["state"].tolist()[:2] == ["TX", "TX"]
        assert mapped["postal_code"].tolist()[:2] == ["78701", "78664"]
        problems = session.problems
    held = problems[problems["severity"] == "error"]
    assert set(held["row_number"]) == {3}
    assert set(held["code"]) == {"column_missing"}
    assert "temp" in problems["field"].tolist()  # that it is cold is not asked of the carrier
