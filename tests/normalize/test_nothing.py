"""Cells that a person or a program writes where there is nothing: "-", "n/a"."""

from __future__ import annotations

import pytest

import shipkit as sk

ROW = {
    "Order": "1",
    "Name": "Ada Lee",
    "Address": "1 Main St",
    "City": "Boston",
    "State": "MA",
    "Zip": "02134",
    "Weight (lb)": "2",
    "Service": "Ground",
}
NOTHING = ["-", "--", "—", "n/a", "N/A", "na", "none", "NULL", "nil", "."]


def shipment(shop, **cells):
    """Return the shipment of a row and the codes of its problems."""
    with sk.BatchSession([ROW | cells], shipper=shop) as session:
        table, problems, _ = session._planner.normalized()
        return table.to_pylist()[0], [each["code"] for each in problems.to_pylist()]


@pytest.mark.parametrize("cell", NOTHING)
def test_an_option_that_is_nothing_asks_for_nothing(shop, cell):
    headings = {
        "Signature": ("signature", "none"),
        "Direct Delivery Only": ("direct_delivery_only", None),
        "Third Party Account": ("bill_account", None),
        "Bill To Zip": ("bill_postal_code", None),
        "Third Party Country": ("bill_country", None),
        "Reference 1": ("reference_1", None),
        "COD Amount": ("cod_amount_cents", None),
        "Access Point ID": ("access_point_id", None),
        "Email": ("email", None),
    }
    if cell == "na":  # the code of Namibia
        del headings["Third Party Country"]
    row, problems = shipment(shop, **dict.fromkeys(headings, cell), **{"Number of Parcels": cell})
    assert problems == []
    empty = (None, False, "none")
    assert {name: row[name] in empty for name, _ in headings.values()} == dict.fromkeys(
        [name for name, _ in headings.values()], True
    )
    assert len(row["parcels"]) == 1


@pytest.mark.parametrize("code", ["NA", "NO"])
def test_two_letters_in_a_column_of_places_are_a_code(shop, code):
    account = {"Bill To": "third party", "Third Party Account": "A1B2C3"}
    row, _ = shipment(shop, **account, **{"Third Party Country": code})
    assert row["bill_country"] == code
    point = {"Access Point ID": "U12345678", "Access Point Country": "IT"}
    row, _ = shipment(shop, **point, **{"Access Point State": code})  # Naples, Novara
    assert row["access_point_state"] == code


@pytest.mark.parametrize(
    ("heading", "cell", "option", "value"),
    [
        ("Hold At Location", "sì", "access_point", "hold"),
        ("Hold At Location", "nie", "access_point", None),
        ("Notify Recipient", "evet", "notify", "all"),
        ("COD Amount", "nein", "cod_amount_cents", 0),
        ("Saturday Delivery", "いいえ", "saturday_delivery", False),
    ],
)
def test_options_say_yes_and_no_in_each_language(shop, heading, cell, option, value):
    row, problems = shipment(shop, **{heading: cell})
    assert (row[option] or 0 if value == 0 else row[option], problems) == (value, [])


@pytest.mark.parametrize("cell", ["-", "--", "—", "n/a", "n.a.", "."])
def test_a_line_that_is_nothing_is_not_printed(shop, cell):
    row, problems = shipment(shop, Company=cell, **{"Address 2": cell})
    assert (row["company"], row["address_line2"], problems) == (None, None, [])
    assert shipment(shop, City=cell)[1] == ["placeholder"]


@pytest.mark.parametrize(
    ("cell", "is_home"),
    [("ja", True), ("Oui", True), ("sí", True), ("✓", True), ("nein", False), ("não", False)],
)
def test_yes_and_no_are_read_in_other_languages(shop, cell, is_home):
    assert shipment(shop, Residential=cell)[0]["residential"] is is_home
