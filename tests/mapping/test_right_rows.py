"""Ordinary rows of real shops that need no person, and odd ones next to them that do."""

from __future__ import annotations

import csv

import pytest

import shipkit as sk
from shipkit.orders import column_problems
from shipkit.orders.heading_text import phrase
from shipkit.orders.heading_words import headings_of
from shipkit.schema import OPTIONS

ROW = {
    "Order ID": "A-1",
    "Name": "Ada Abbott",
    "Address": "12 Oak St",
    "City": "Austin",
    "State": "TX",
    "Zip": "78701",
    "Country": "US",
    "Weight": "2 lb",
}


@pytest.fixture
def ship(tmp_path, shop):
    """Return the problems of one order with further cells, and what was read of it."""

    def shipped(shipper=shop, **settings):
        cells = settings.pop("cells")
        path = tmp_path / "orders.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*ROW, *(name for name in cells if name not in ROW)])
            writer.writeheader()
            writer.writerow({**ROW, **cells})
        session = sk.BatchSession(path, shipper=shipper)
        session.map(**{"service": "ground", **settings}).preview()
        problems = session.problems
        held = sorted(problems[problems["severity"] == "error"]["code"])
        warned = sorted(problems[problems["severity"] == "warning"]["code"])
        shipped.problems = problems
        return held, warned, session.mapped().to_dict("records")[0]

    return shipped


@pytest.mark.parametrize("cell", ["Y", "yes", "TRUE", "1", "x", "Ja"])
def test_a_tick_for_an_adult_signature_asks_for_one(ship, cell):
    held, warned, row = ship(cells={"Adult Signature Required": cell})
    assert (held, warned, row["signature"]) == ([], [], "adult")


def test_no_tick_for_an_adult_signature_asks_for_none(ship):
    assert ship(cells={"Adult Signature Required": "N"})[2]["signature"] == "none"
    assert ship(cells={"Adult Signature Required": "maybe"})[0] == ["signature_unreadable"]


def test_an_adult_signature_next_to_another_one_holds_its_row(ship):
    both = {"Signature Required": "Y", "Adult Signature Required": "Y"}
    held, _, row = ship(cells=both)
    assert (held, row["signature"]) == (["column_not_understood"], "required")
    assert ship(cells={**both, "Adult Signature Required": "N"})[0] == []


@pytest.mark.parametrize(
    ("heading", "cell", "home"),
    [
        ("is_commercial", "1", False),
        ("is_commercial", "0", True),
        ("Commercial", "Yes", False),
        ("Is Business Address", "FALSE", True),
        ("Residential", "1", True),
        ("Address Classification", "RESIDENTIAL", True),
        ("Residential or Commercial", "C", False),
    ],
)
def test_a_tick_for_a_business_is_no_home(ship, heading, cell, home):
    held, warned, row = ship(cells={heading: cell})
    assert (held, warned, row["residential"]) == ([], [], home)


def test_what_yes_means_under_a_heading_is_the_same_in_the_template(tmp_path, shop):
    path = tmp_path / "orders.csv"
    cells = {**ROW, "is_commercial": "1", "Adult Signature Required": "Y"}
    path.write_text("\n".join([",".join(cells), ",".join(cells.values())]), encoding="utf-8")
    session = sk.BatchSession(path, shipper=shop)
    session.map(service="ground")
    by_columns = session.mapped()
    session.map(template=session.template)
    assert session.mapped().equals(by_columns)
    assert by_columns["signature"].tolist() == ["adult"]


# -- many columns that ask for the same ------------------------------------------------------------

ASKING = ("Apt", "Suite note", "Hazmat", "Bill to account", "District")


def test_many_columns_that_ask_for_the_same_are_read_as_few_are(ship, monkeypatch):
    headings = [f"{name} {letter}" for name in ASKING for letter in "ABCDEFGH"]
    values = ["4", "", "no", "  ", "0", "Oak", "x'y", "-"]
    cells = {heading: values[at % 8] for at, heading in enumerate(headings)}
    held = ship(cells=cells)[0]
    together = ship.problems
    monkeypatch.setattr(column_problems, "_ALIKE", 1000)
    ship(cells=cells)
    by_text = ["field", "problem"]
    alone = ship.problems.sort_values(by_text, ignore_index=True)
    assert together.sort_values(by_text, ignore_index=True).equals(alone)
    assert held.count("column_not_understood") > 9


# -- cells that ask, and cells of the same column that do not --------------------------------------


@pytest.mark.parametrize(
    ("heading", "right", "odd"),
    [
        ("Age", ["2 days", "3h", "34", "1", "Adult (25-34)"], ["18+", "21", "over 21", "adult"]),
        ("Labels", ["VIP", "fragile, vip", "1", "0"], ["2", "two", "x2", "hazmat"]),
        ("Labels Required", ["1", "no"], ["3"]),
        ("Pack Size", ["6", "12 oz"], []),
        ("Delivery Confirmation Type", ["delivery", "None"], ["Adult"]),
    ],
)
def test_only_the_cells_that_ask_hold_their_row(ship, heading, right, odd):
    for cell in right:
        assert ship(cells={heading: cell})[0] == [], cell
    for cell in odd:
        assert ship(cells={heading: cell})[0] == ["column_not_understood"], cell


BERLIN = {"Address": "Torstr. 12", "City": "Berlin", "State": "", "Zip": "10119", "Country": "DE"}
SHOP_IN_BERLIN = {
    "name": "Dana Ortiz",
    "address_line1": "Torstr. 1",
    "city": "Berlin",
    "postal_code": "10119",
    "country": "DE",
    "phone": "+493012345678",
}


@pytest.mark.parametrize("heading", ["USt-IdNr.", "VAT Number", "EORI", "TVA intracommunautaire"])
def test_a_tax_number_is_asked_about_where_customs_are(ship, heading):
    def asked(**cells):
        ship(SHOP_IN_BERLIN, cells={**BERLIN, heading: "DE123456789", **cells})
        return "column_not_understood" in set(ship.problems["code"])

    assert not asked()
    assert not asked(Country="Österreich", City="Wien", Zip="1010")
    assert asked(Country="Schweiz", City="Zürich", Zip="8001")
    assert asked(Country="GB", City="London", Zip="SW1A 1AA")
    assert asked(Country="", City="Berlin")
    assert not asked(Country="Schweiz", City="Zürich", Zip="8001", **{heading: "19 %"})


@pytest.mark.parametrize(
    ("heading", "cells", "severity"),
    [
        ("Payment", ["PayPal", "Visa ending in 4242", "Credit Card (Stripe)"], None),
        ("Payment Status", ["Completed", "zapłacono", "Paid"], None),
        ("Payment Status", ["Not completed", "PayPal pending", "failed"], "warning"),
        ("Payment", ["PayPal refunded", "card declined"], "error"),
    ],
)
def test_how_it_was_paid_is_no_question(ship, heading, cells, severity):
    for cell in cells:
        ship(cells={heading: cell})
        assert ship.problems["severity"].tolist() == ([severity] if severity else []), cell


def test_a_balance_with_cents_next_to_prices_is_money(ship):
    money = {"Quantity": "1", "Total": "10.00"}
    assert ship(cells={**money, "Balance": "0.00"})[0] == []
    assert ship(cells={**money, "Balance": "0"})[0] == ["quantity_unclear"]


@pytest.mark.parametrize(
    ("city", "state", "code", "held"),
    [
        ("Springfield (Delaware)", "PA", "19064", False),
        ("Grass Valley (Nevada)", "CA", "95945", False),
        ("Springfield (Delaware)", "PA", "15201", True),
        ("Springfield, Delaware", "PA", "19064", True),
        ("Springfield (Illinois)", "MO", "65801", True),
        ("Vancouver (Washington)", "OR", "97301", True),
    ],
)
def test_a_county_that_is_called_like_a_state_is_none(ship, city, state, code, held):
    found = ship(cells={"City": city, "State": state, "Zip": code})[0]
    assert ("city_state_conflict" in found) is held


@pytest.mark.parametrize(
    ("name", "street", "held"),
    [
        ("12 Oaks Way", "100 Oak St", False),
        ("12 Oaks Way", "12B Rue Royale", False),
        ("12 Oak St", "12 Oak St", True),
        ("12 Oak St", "Apt 4", True),
        ("12 Oak St", "Austin", True),
    ],
)
def test_a_firm_may_be_called_like_a_street(ship, name, street, held):
    held_codes, warned, _ = ship(cells={"Name": name, "Address": street})
    assert ("name_not_a_person" in held_codes, "name_not_a_person" in warned) == (held, not held)


@pytest.mark.parametrize(
    ("heading", "nothing", "something"),
    [
        ("Insurance", ("$0.00", "0,00 €", "USD 0.00", "0.00 GBP", "CA$0", "-0.00"), "$0.50"),
        ("Dry Ice Weight", ("0 lb", "0kg", "0.0 oz"), "0.5 lb"),
        ("Alcohol %", ("0%", "0,0 %"), "0.5%"),
        ("Hazmat Fee", ("$0.00", "¥0"), "$20.00"),
    ],
)
def test_an_amount_or_a_measure_of_nothing_asks_for_nothing(ship, heading, nothing, something):
    """Exports fill columns of fees and measures in each row; "0" alone was understood."""
    for cell in nothing:
        assert ship(cells={heading: cell})[0] == [], cell
    assert ship(cells={heading: something})[0] == ["column_not_understood"]


def test_zero_with_two_decimals_is_no_and_one_is_yes(ship):
    for cell, wanted in {"0.00": False, "1.00": True}.items():
        held, _, row = ship(cells={"Saturday Delivery": cell})
        assert (held, row["saturday_delivery"]) == ([], wanted)
    assert ship(cells={"Saturday Delivery": "12.00"})[0] == ["saturday_delivery_unreadable"]


@pytest.mark.parametrize(
    ("heading", "usual", "asking", "held"),
    [
        ("Machinable", "Y", "N", True),
        ("Stackable", "Y", "N", False),
        ("Non-Machinable", "N", "Y", True),
        ("Non Stackable", "N", "Y", False),
    ],
)
def test_a_tick_that_says_how_nearly_all_parcels_are_asks_for_nothing(
    ship, heading, usual, asking, held
):
    """`Machinable: Y` was held, and `Machinable: N` bought as an ordinary parcel."""
    assert ship(cells={heading: usual})[:2] == ([], [])
    code = ["column_not_understood"]
    assert ship(cells={heading: asking})[:2] == ((code, []) if held else ([], code))


@pytest.mark.parametrize(
    ("heading", "asking", "usual"),
    [
        ("Ship Collect", ["Y", "B2C3D4"], ["N", "0"]),
        ("Use Customer Account", ["Y"], ["N"]),
        ("Billing Type", ["Third Party", "Recipient"], ["Prepaid", "Monthly", "Sender"]),
        ("Payment Type", ["THIRD_PARTY", "COLLECT"], ["SENDER", "Visa", "PayPal", "Invoice"]),
        ("Cremated Remains", ["Y"], ["N"]),
    ],
)
def test_a_column_that_asks_holds_its_row_and_its_usual_cells_do_not(ship, heading, asking, usual):
    for cell in asking:
        assert ship(cells={heading: cell})[0] == ["column_not_understood"], cell
    for cell in usual:
        assert ship(cells={heading: cell})[0] == [], cell


def test_the_account_of_ship_via_account_needs_its_payer(ship):
    assert ship(cells={"Ship Via Account": "B2C3D4"})[0] == ["missing"]


def test_options_are_read_under_their_own_names(ship):
    """The pages call each a column. "Bill To" and "Access Point" may name a party or a place."""
    named = {
        leaf.name
        for leaf in OPTIONS
        if phrase(leaf.name.replace("_", " ")) in {phrase(text) for text in headings_of(leaf)}
    }
    assert {leaf.name for leaf in OPTIONS} - named == {"bill_to", "access_point"}
    held, _, row = ship(cells={"notify": "delivered", "Email": "ada@example.com"}, service="ground")
    assert (held, row["notify"]) == (["option_not_supported"], "delivered")


@pytest.mark.parametrize(
    ("heading", "held"),
    [
        *((f"Weight per {box}", []) for box in ("Box", "Parcel (lb)", "package", "CARTON [lbs]")),
        ("Gewicht pro Paket (lb)", []),
        *((heading, ["parcel_weights_unclear"]) for heading in ("Total Weight", "Package Weight")),
    ],
)
def test_a_weight_of_each_parcel_is_no_question_next_to_their_number(ship, heading, held):
    cells = {"Weight": "", heading: "6", "Number of Boxes": "3"}
    found, _, row = ship(cells=cells, ignore=["Weight"])
    assert row["parcels"].count('"weight_lb":6.0') == 3
    assert found == held
