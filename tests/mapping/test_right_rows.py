"""Ordinary rows of real shops that need no person, and odd ones next to them that do."""

from __future__ import annotations

import csv

import pytest

import shipkit as sk
from shipkit.orders import column_problems

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
