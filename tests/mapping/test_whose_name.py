"""Whose name a bare "Name" is, next to another name in the same row."""

from __future__ import annotations

import pytest

import shipkit as sk

PLACE = "418 Juniper Ave,Boise,ID,83702"
BARE = "Address,City,State,Zip"
SHIP_TO = "Ship To Address,Ship To City,Ship To State,Ship To Zip"


def ship(tmp_path, shop, headings, row, **settings):
    path = tmp_path / "orders.csv"
    path.write_text(f"Order ID,{headings}\n1,{row}\n", encoding="utf-8")
    session = sk.BatchSession(path, shipper=shop)
    session.map(service="ground", defaults={"weight_lb": 1}, **settings).preview()
    mapped = session.mapped()[["name", "company"]].fillna("")
    return session.problems, mapped.to_dict("records")[0]


@pytest.mark.parametrize(
    "other",
    [
        "Billing Name",
        "Bill To",
        "Customer",
        "Kunde",
        "Buyer",
        "Client",
        "Contact",
        "Sold To Name",
        "Billing Company",
        "Ordered By",
        "Subscriber",
    ],
)
def test_a_bare_name_next_to_another_name_is_asked_about(tmp_path, shop, other):
    headings = f"Name,{other},{BARE}"
    problems, _ = ship(tmp_path, shop, headings, f"Mara Quint,Pay Inc,{PLACE}")
    assert problems[["row_number", "field", "code", "value", "severity"]].values.tolist() == [
        [1, "ship_to.name", "column_ambiguous", "Pay Inc", "error"]
    ]
    assert f'"Name" and "{other}"' in problems["problem"][0]


@pytest.mark.parametrize(
    ("name", "asked"),
    [("#1001", True), ("Blue Mug", True), ("Mara Quint", False), ("Dr Quint", False)],
)
def test_a_name_that_has_neither_the_first_nor_the_last_name_is_asked_about(
    tmp_path, shop, name, asked
):
    problems, _ = ship(tmp_path, shop, f"Name,First,Last,{BARE}", f"{name},Mara,Quint,{PLACE}")
    found = problems[problems["code"] == "column_ambiguous"]
    assert list(found["value"]) == ([name] if asked else [])


@pytest.mark.parametrize(
    ("name", "held"),
    [("ORD-1001", True), ("MUG-BLUE-01", True), ("Studio-54", False), ("Jean-Luc", False)],
)
def test_an_order_number_or_a_sku_is_no_name(tmp_path, shop, name, held):
    problems, _ = ship(tmp_path, shop, f"Name,{BARE}", f"{name},{PLACE}")
    assert ("name_not_a_person" in set(problems["code"])) is held


@pytest.mark.parametrize(
    "street", ["{{ street }}", '{"line1": "12 Main"}', "12月11日", "12. Nov", "12:30:00"]
)
def test_a_street_that_is_no_text_holds_its_row(tmp_path, shop, street):
    cell = street.replace('"', '""')
    problems, _ = ship(tmp_path, shop, f"Name,{BARE}", f'Ada,"{cell}",Boise,ID,83702')
    assert {"placeholder", "excel_date"} & {*problems["code"]}


def test_a_payer_who_is_called_by_name_holds_the_row(tmp_path, shop):
    """A payer of the shipping is the receiver or a third party, and has an account."""
    problems, _ = ship(tmp_path, shop, f"Name,Payer,{BARE}", f"Mara Quint,Pay Inc,{PLACE}")
    assert problems[["row_number", "code", "severity"]].values.tolist() == [
        [1, "bill_to_unreadable", "error"]
    ]


@pytest.mark.parametrize(
    ("other", "cell"),
    [
        ("Customer", "Mara Quint"),
        ("Customer", "QUINT"),
        ("Customer", "C-1001"),
        ("Customer", "10023"),
        ("Billing Last Name", "Quint"),
        ("Contact", ""),
        ("Buyer", "mara@example.com"),
    ],
)
def test_nothing_is_asked_where_the_other_cell_has_no_other_name(tmp_path, shop, other, cell):
    problems, mapped = ship(tmp_path, shop, f"Name,{other},{BARE}", f"Mara Quint,{cell},{PLACE}")
    assert problems.empty
    assert mapped["name"] == "Mara Quint"


def test_a_party_with_an_address_of_its_own_is_not_the_recipient(tmp_path, shop):
    billing = "Billing Name,Billing Address,Billing City,Billing State,Billing Zip"
    row = f"Mara Quint,{PLACE},Pay Inc,1 Bank St,Chicago,IL,60601"
    problems, mapped = ship(tmp_path, shop, f"Name,{BARE},{billing}", row)
    assert problems.empty
    assert mapped["name"] == "Mara Quint"


@pytest.mark.parametrize(
    ("settings", "name", "company"),
    [
        ({"columns": {"name": "Name"}}, "Landry Tools", ""),
        ({"columns": {"name": "Contact"}}, "Theo Landry", ""),
        ({"columns": {"name": "Contact", "company": "Name"}}, "Theo Landry", "Landry Tools"),
        ({"ignore": ["Contact"]}, "Landry Tools", ""),
    ],
)
def test_each_answer_settles_it(tmp_path, shop, settings, name, company):
    headings = f"Name,Contact,{BARE}"
    problems, mapped = ship(
        tmp_path, shop, headings, f"Landry Tools,Theo Landry,{PLACE}", **settings
    )
    assert problems.empty
    assert mapped == {"name": name, "company": company}


def test_a_second_name_of_the_recipient_is_asked_about(tmp_path, shop):
    headings = f"Ship To Name,Ship To Contact,{SHIP_TO}"
    problems, _ = ship(tmp_path, shop, headings, f"Landry Tools,Theo Landry,{PLACE}")
    assert problems["code"].tolist() == ["column_ambiguous"]
    assert problems["value"].tolist() == ["Theo Landry"]


def test_a_bare_name_next_to_the_company_of_the_recipient_is_asked_about(tmp_path, shop):
    headings, row = f"Name,Ship To Company,{SHIP_TO}", f"Blue mug,Landry Tools,{PLACE}"
    problems, _ = ship(tmp_path, shop, headings, row)
    assert problems["code"].tolist() == ["column_ambiguous"]
    assert '"Ship To Company"' in problems["problem"][0]
    for settings, name in (({"ignore": ["Name"]}, ""), ({"columns": {"name": "Name"}}, "Blue mug")):
        problems, mapped = ship(tmp_path, shop, headings, row, **settings)
        assert problems.empty
        assert mapped == {"name": name, "company": "Landry Tools"}


def test_the_name_of_a_retailer_is_that_of_the_recipient_where_nobody_else_is_named(tmp_path, shop):
    problems, mapped = ship(tmp_path, shop, f"Retailer Name,{BARE}", f"Quint Goods,{PLACE}")
    assert problems.empty
    assert mapped["name"] == "Quint Goods"
