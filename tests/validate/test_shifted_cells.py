"""Names, second lines and cities with what belongs into another column."""

from __future__ import annotations

import pytest

import shipkit as sk

ORDER = {
    "Order": "1",
    "Name": "Ada Lee",
    "Address": "100 Oak St",
    "Address 2": None,
    "City": "Austin",
    "State": "TX",
    "Zip": "78701",
    "Weight (lb)": 2,
}


def judged(shop, **cells):
    """Return the shipment's city and state, and the worst severity of its problems."""
    row = {**ORDER, **{heading.replace("_", " "): text for heading, text in cells.items()}}
    with sk.BatchSession([row], shipper=shop) as session:
        session.map(service="ground")
        preview, found = session.preview(), session.problems
        severities = {*found["severity"]} - {None}
        worst = "error" if "error" in severities else next(iter(severities), None)
        return preview["city"][0], preview["state"][0], worst


@pytest.mark.parametrize(
    "name",
    [
        "Mug x 2",
        "2x Mug",
        "3 × Kaffeebecher",
        "Blue Mug (x2)",
        "Camiseta (2x)",
        "SKU 4401",
        "Qty 2",
        "Order 1001",
        "5 lb",
        "2,5 kg",
        "Customer",
        "Kunde",
        "Destinataire",
        "Walk-in Customer",
        "Mrs.",
        "고객",
    ],
)
def test_an_item_a_weight_or_a_word_of_a_form_is_no_name(shop, name):
    assert judged(shop, Name=name)[2] == "error"


@pytest.mark.parametrize(
    "name",
    [
        "Malcolm X",
        "Wei x Lin",
        "3M",
        "X Æ A-12",
        "J. Smith x204",
        "Guest House Inn",
        "4x4 Parts Inc",
        "Mr Kunde",
        "Guest",
        "5G",
    ],
)
def test_names_that_look_like_it(shop, name):
    assert judged(shop, Name=name)[2] is None


def test_a_name_with_a_number_in_brackets_may_be_a_person(shop):
    assert judged(shop, Name="Ann Lee (2)")[2] == "warning"


@pytest.mark.parametrize(
    ("company", "name", "severity"),
    [
        ("60 Wall Street", "Ann Lee", "warning"),
        ("60 Wall Street", None, "error"),
        ("5.11", "Ann Lee", None),
        ("5G", "Ann Lee", None),
        ("12.50 EUR", "Ann Lee", "error"),
        ("5 lb", "Ann Lee", "error"),
    ],
)
def test_companies(shop, company, name, severity):
    assert judged(shop, Company=company, Name=name)[2] == severity


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("2 lb", "error"),
        ("1,5 kg", "error"),
        ("$12.99", "error"),
        ("12x8x4", "error"),
        ("Dallas, TX 75201", "error"),
        ("12 Elm Ave", "error"),
        ("ada@example.com", "warning"),
        ("(512) 555-0100", "warning"),
        ("78701", "warning"),
        ("78701-1234", "warning"),
        ("Austin, TX 78701", "warning"),
        ("AUSTIN, TX", "warning"),
        ("Austin, TX", "warning"),
        ("Apt 4", None),
        ("4B", None),
        ("602G", None),
        ("2 G", None),
        ("250 g", "error"),
        ("250 Grams", "error"),
        ("18203", None),
        ("1001", None),
        ("Rm 12", None),
        ("Attn: Bo Roe, MD", None),
        ("100 oak st", None),
        ("100 Oak St Apt 4", "warning"),
        ("100 Oak Street, Unit 5", "warning"),
        ("4.01", "warning"),
        ("100g", None),
        ("12.50 EUR", "error"),
    ],
)
def test_second_lines(shop, line, severity):
    assert judged(shop, Address_2=line)[2] == severity


@pytest.mark.parametrize(
    "city",
    [
        "Austin, TX",
        "Austin TX",
        "Austin, Texas",
        "Austin - TX",
        "Austin (TX)",
        "Austin, TX, USA",
        "Austin, TX, United States",
        "Austin, U.S.A.",
        "Austin, TX 78701",
        "78701 Austin",
        "Austin,",
        "Austin-TX",
        "Austin/TX",
        "Austin [TX]",
        "Austin, Tex.",
    ],
)
def test_a_city_without_what_it_repeats_of_its_row(shop, city):
    assert judged(shop, City=city) == ("Austin", "TX", None)


def test_a_repaired_city_is_counted(shop):
    with sk.BatchSession([{**ORDER, "City": "Austin, TX"}], shipper=shop) as session:
        session.map(service="ground")
        assert session.repairs == {
            "states, ZIPs and countries that a city repeated left out of it": 1
        }


def test_a_state_without_a_cell_of_its_own_is_that_of_the_city_where_the_zip_agrees(shop):
    assert judged(shop, City="Austin, TX", State=None) == ("Austin", "TX", None)
    assert judged(shop, City="Austin, CA", State=None)[2] == "error"


@pytest.mark.parametrize(
    "city",
    [
        *("Austin, CA", "Austin CA", "Austin - LA", "TX", "Austin 78702", "Austin, Oklahoma"),
        *("Austin (CA)", "Austin, Ca", "Austin-CA", "Austin, Calif."),
        *("Austin [Ohio]", "Austin / CA", "Austin, CO"),
    ],
)
def test_a_city_that_differs_from_its_row_holds_it(shop, city):
    assert judged(shop, City=city) == (city, "TX", "error")


@pytest.mark.parametrize(
    ("city", "state", "code"),
    [
        ("Nevada", "MO", "64772"),
        ("Virginia Beach", "VA", "23451"),
        ("Mc Lean", "VA", "22101"),
        ("Winston-Salem", "NC", "27101"),
        ("Kansas City Kansas", "KS", "66101"),
        ("Washington", "DC", "20001"),
        ("Jessamine CO", "KY", "40356"),
        ("ROCKY MT", "NC", "27804"),
        ("Village of OR", "IL", "60601"),
        ("Winston-Ca", "NC", "27101"),
        ("Port of Entry, Maine Harbor", "WA", "98101"),
        ("Georgetown, Washington", "DC", "20007"),
        ("Hollywood, LA", "CA", "90028"),
        ("DC", "DC", "20001"),
        ("LA", "CA", "90012"),
        ("NY", "NY", "10001"),
    ],
)
def test_cities_that_look_like_it(shop, city, state, code):
    assert judged(shop, City=city, State=state, Zip=code) == (city, state, None)


@pytest.mark.parametrize("city", ["Austin, CA, USA", "Austin, CA 78701"])
def test_another_state_is_left_of_what_a_city_repeats(shop, city):
    assert judged(shop, City=city) == ("Austin, CA", "TX", "error")


@pytest.mark.parametrize(
    ("city", "state", "code"),
    [("DC", "MD", "20901"), ("LA", "CA", "94105"), ("NY", "NY", "14201"), ("LA", "LA", "70112")],
)
def test_a_state_is_no_city(shop, city, state, code):
    assert judged(shop, City=city, State=state, Zip=code) == (city, state, "error")


@pytest.mark.parametrize(
    ("city", "state", "code", "country", "held"),
    [
        ("Kansas City, Kansas", "MO", "64105", "US", True),
        ("Calgary, BC", "AB", "T2P 1J9", "CA", True),
        ("Calgary, British Columbia", "AB", "T2P 1J9", "CA", True),
        ("Sydney VIC", "NSW", "2000", "AU", True),
        ("Sydney Victoria", "NSW", "2000", "AU", False),
        ("Paris, TX", None, "75001", "FR", False),
    ],
)
def test_a_city_in_another_state_of_its_country(shop, city, state, code, country, held):
    row = {**ORDER, "City": city, "State": state, "Zip": code, "Country": country}
    with sk.BatchSession([row], shipper=shop) as session:
        session.map(service="ground")
        codes = session.problems["code"].tolist()
    assert ("city_state_conflict" in codes) == held


def test_an_edited_city_is_judged_again(shop):
    with sk.BatchSession([{**ORDER, "City": "Austin, CA"}], shipper=shop) as session:
        session.map(service="ground")
        assert "city_state_conflict" in session.problems["code"].tolist()
        session.edit("true", city="Austin")
        assert "city_state_conflict" not in session.problems["code"].tolist()
        session.edit("true", city="Austin, Oklahoma")
        assert "city_state_conflict" in session.problems["code"].tolist()
