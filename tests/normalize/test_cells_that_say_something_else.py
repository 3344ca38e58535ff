"""Cells of names, streets and cities that hold something else: their rows wait."""

from __future__ import annotations

import pytest

import shipkit as sk

FIELDS = {"Name": "ship_to.name", "Address": "ship_to.address_line1", "City": "ship_to.city"}
ANYWHERE = {
    "TBD": "placeholder",
    "to be confirmed": "placeholder",
    "unknown": "placeholder",
    "Unbekannt": "placeholder",
    "non renseigné": "placeholder",
    "未定": "placeholder",
    "?": "placeholder",
    "...": "placeholder",
    "Same as billing": "placeholder",
    "see notes": "placeholder",
    "ditto": "placeholder",
    "TBD.": "placeholder",
    "(same as above)": "placeholder",
    "*TBD*": "placeholder",
    "pick-up": "placeholder",
    "xxxxxxx": "placeholder",
    "Mr. TBD": "placeholder",
    "*|FNAME|*": "placeholder",
    "[FIRST_NAME] [LAST_NAME]": "placeholder",
    "Do not ship": "placeholder",
    "don't ship": "placeholder",
    "Store pickup": "placeholder",
    "Selbstabholer": "placeholder",
    '"': "placeholder",
    "Siehe oben": "placeholder",
    "同上": "placeholder",
    "Loading...": "placeholder",
    "[Name]": "placeholder",
    "{first name}": "placeholder",
    '["Ada", "Lee"]': "placeholder",
    "['Ada']": "placeholder",
    '=HYPERLINK("x","Ada Lee")': "excel_error",
    "=A1": "excel_error",
    '=A1&" "&B1': "excel_error",
    "@SUM(A1)": "excel_error",
}
ONLY_IN = {
    "Name": {
        "Full Name": "placeholder",
        "$5.00": "name_not_a_person",
        "Boston, MA 02134": "name_not_a_person",
    },
    "Address": {
        "Street": "placeholder",
        "ada@example.com": "placeholder",
        "www.example.com": "placeholder",
        "+1 617 555 0100": "placeholder",
        "(617) 555-0100": "placeholder",
        "617-555-0100": "placeholder",
        "1Z999AA10123456784": "placeholder",
        "02134": "street_is_number",
        "#1001": "street_is_number",
        "$5.00": "street_is_number",
    },
    "City": {
        "City": "placeholder",
        "ada@example.com": "placeholder",
        "02134": "placeholder",
        "1 Main St": "city_is_street",
    },
}
RIGHT = {
    "Name": [
        "J.W.",
        "K. A.",
        "TBC",
        "1&1",
        "Vera Same",
        "May Test",
        "Jo Unknown-Smith",
        "No Name Bar",
        "7-Eleven",
        "3M",
        "D.",
        "李",
    ],
    "Address": [
        "1 Same St",
        "[Old Mill]",
        "+B2",
        "Stop 4",
        "12 No Name Rd",
        "See Rd 5",
        "Via Roma 3",
        "12A",
        "1-2-3",
        "Street 5",
    ],
    "City": [
        "Y",
        "Å",
        "See",
        "100 Mile House",
        "Same Point",
        "29 Palms",
        "Paris 8e",
    ],
}


def problems_of(shop, heading, cells):
    """Return cell -> the codes of the errors of the row that has it under `heading`."""
    rows = [
        {
            "Order": str(number),
            "Name": "Ada Lee",
            "Address": f"{number} Main St",
            "City": "Boston",
            "State": "MA",
            "Zip": "02134",
            "Weight (lb)": "2",
            heading: cell,
        }
        for number, cell in enumerate(cells, 1)
    ]
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(service="ground").preview()
        found = session.problems
    found = found[(found["severity"] == "error") & (found["field"] == FIELDS[heading])]
    return {
        cell: sorted(set(found[found["row_number"] == number]["code"]))
        for number, cell in enumerate(cells, 1)
    }


@pytest.mark.parametrize("heading", FIELDS)
def test_a_cell_that_says_something_else_holds_its_row(shop, heading):
    wanted = ANYWHERE | ONLY_IN[heading]
    found = problems_of(shop, heading, list(wanted))
    assert found == {cell: [code] for cell, code in wanted.items()}


@pytest.mark.parametrize("heading", FIELDS)
def test_a_right_cell_holds_nothing(shop, heading):
    assert problems_of(shop, heading, RIGHT[heading]) == {cell: [] for cell in RIGHT[heading]}


def test_a_house_number_over_its_street_is_a_street(shop):
    row = {"Order": "1", "Name": "Ada Lee", "Address 1": "12", "Address 2": "High Street"}
    with sk.BatchSession(
        [row | {"City": "Boston", "State": "MA", "Zip": "02134"}], shipper=shop
    ) as s:
        s.map(service="ground", defaults={"weight_lb": 1}).preview()
        assert "street_is_number" not in set(s.problems["code"])


def test_words_for_nothing_in_a_second_line_are_left_out(shop):
    cells = ["n.v.t.", "brak", "k.A.", "なし", "无", "not available", "Unknown", "keine Angabe"]
    rows = [
        {"Order": str(n), "Name": "Ada Lee", "Address 1": f"{n} Main St", "Address 2": cell}
        | {"Company": cell, "City": "Boston", "State": "MA", "Zip": "02134"}
        for n, cell in enumerate(cells, 1)
    ]
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(service="ground", defaults={"weight_lb": 1})
        table, problems, _ = session._planner.normalized()
    assert problems.num_rows == 0
    assert table.column("address_line2").null_count == len(cells)
    assert [n for n, name in enumerate(table.column("company").to_pylist()) if name] == []


def test_words_for_another_cell_hold_the_second_line_too(shop):
    row = {"Order": "1", "Name": "Ada Lee", "Address 1": "1 Main St", "Address 2": "see notes"}
    with sk.BatchSession(
        [row | {"City": "Boston", "State": "MA", "Zip": "02134"}], shipper=shop
    ) as s:
        s.map(service="ground", defaults={"weight_lb": 1}).preview()
        assert list(s.problems["code"]) == ["placeholder"]
