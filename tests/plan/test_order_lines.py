"""Rows that may be lines of one order wait for an answer, and so does the same row twice."""

from __future__ import annotations

import json

import pytest

import shipkit as sk
from shipkit.errors import MappingError

ADA = {"Name": "Ada Lee", "Address": "1 Main St", "City": "Boston", "State": "MA", "Zip": "02134"}
BO = {"Name": "Bo Ray", "Address": "2 Oak St", "City": "Austin", "State": "TX", "Zip": "78701"}
SHIPPER = {
    "name": "Dana Ortiz",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "phone": "2105550100",
}


@pytest.fixture
def session(tmp_path):
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as opened:
        yield opened


def found(session, rows, skip=None, load=None, **mapping):
    """Return the rows of each shipment that is ready, and row and code of each error."""
    session.load(rows, **(load or {}))
    session.map(**{"service": "ground", "defaults": {"weight_lb": 2}, **mapping})
    if skip:
        session.skip(skip)
    plan = session._run(session._plan)
    problems = [
        (p["row_number"], p["code"]) for p in plan.problems.to_pylist() if p["severity"] == "error"
    ]
    waiting = {row for row, _ in problems}
    left = [row for place, row in enumerate(plan.table.to_pylist()) if place not in plan.skipped]
    return [r["row_numbers"] for r in left if r["row_number"] not in waiting], problems


UNKNOWN = [
    {"Sage": "771", **ADA, "Item": "MUG"},
    {"Sage": "771", **ADA, "Address": "1 MAIN ST.", "Zip": "02134-1234", "Item": "TEE"},
    {"Sage": "772", **BO, "Item": "MUG"},
]
ALIKE = [(1, "order_key_missing"), (2, "order_key_missing")]


def test_rows_with_one_recipient_and_no_order_number_wait(session):
    assert found(session, UNKNOWN) == ([[3]], ALIKE)
    first = session.problems.iloc[0]
    assert first["problem"] == (
        "rows 1 and 2 have the same recipient and address: they may be lines of one order"
    )
    assert 'map(columns={"order_id": "Sage"})' in first["fix"]
    assert "map(each_row=True)" in first["fix"]


def test_naming_the_number_makes_one_shipment_with_that_number(session):
    assert found(session, UNKNOWN, columns={"order_id": "Sage"}) == ([[1, 2], [3]], [])
    assert list(session.mapped()["order_id"]) == ["771", "772"]


def test_a_number_named_at_loading_is_the_order_number_too(session):
    assert found(session, UNKNOWN, load={"order_key": "Sage"}) == ([[1, 2], [3]], [])
    assert list(session.mapped()["order_id"]) == ["771", "772"]


def test_each_row_can_be_an_order_of_its_own(session):
    assert found(session, UNKNOWN, each_row=True) == ([[1], [2], [3]], [])
    session.map(service="ground", defaults={"weight_lb": 2})
    assert len(session.problems) == 2, "map() replaces the earlier answer"


def test_a_row_that_is_set_aside_is_not_asked_about(session):
    assert found(session, UNKNOWN, skip="row_number = 2") == ([[1], [3]], [])


def test_a_street_written_out_is_the_same_address(session):
    assert found(session, [ADA, {**ADA, "Address": "1 Main Street"}, BO]) == ([[3]], ALIKE)
    assert found(session, [ADA, {**ADA, "Address": "11 Main St"}, BO]) == ([[1], [2], [3]], [])


def test_another_day_is_another_order(session):
    rows = [{**ADA, "Order Date": "2026-11-01"}, {**ADA, "Order Date": "2026-11-20"}]
    assert found(session, rows) == ([[1], [2]], [])


def test_shipments_of_a_template_are_compared_too(session):
    rows = [
        {"Who": "Ada Lee", "No": number, "Thing": thing} for number, thing in ("7M", "7T", "8M")
    ]
    template = (
        '{"order_id": "{{ row.no }}", "ship_to": {"name": "{{ row.who }}", "address_line1": '
        '"1 Main St", "city": "Boston", "state": "MA", "postal_code": "02134"}, '
        '"service": "ground", "parcels": [{"weight_lb": 2}]}'
    )
    expected = [(1, "order_number_repeated"), (2, "order_number_repeated")]
    assert found(session, rows, template=template, defaults=None) == ([[3]], expected)


def test_items_below_a_row_with_a_recipient_hold_that_row(session):
    rows = [{**ADA, "Item": "MUG"}, {**dict.fromkeys(ADA), "Item": "TEE"}, {**BO, "Item": "CAP"}]
    ready, problems = found(session, rows)
    assert ready == [[3]]
    assert {(1, "order_key_missing"), (2, "order_key_missing")} <= set(problems)


def test_an_order_that_counts_lines_is_asked_about(session):
    rows = [
        {"Order": number, "Invoice No": invoice, **person, "Item": number}
        for number, invoice, person in (("1", "771", ADA), ("2", "771", ADA), ("3", "772", BO))
    ]
    assert found(session, rows) == ([[3]], ALIKE)
    assert found(session, rows, columns={"order_id": "Invoice No"}) == ([[1, 2], [3]], [])


def test_two_headings_that_name_the_same_orders_are_no_question(session):
    rows = [
        {"Order ID": f"99{number}", "Order Number": f"#{number}", **person}
        for number, person in (("1", ADA), ("1", {}), ("2", BO))
    ]
    assert found(session, rows) == ([[1, 2], [3]], [])
    assert list(session.mapped()["order_id"]) == ["991", "992"]


def test_two_headings_that_name_other_orders_are_a_question(session):
    rows = [
        {"Order ID": order, "Order Number": "#1", **person}
        for order, person in (("991", ADA), ("992", BO))
    ]
    ready, problems = found(session, rows)
    assert (ready, {code for _, code in problems}) == ([], {"column_ambiguous"})


# -- the same row twice ----------------------------------------------------------------------------

TWICE = [ADA, BO, ADA]
LINES = [
    {"Order Number": order, **person, "SKU": "M", "Quantity": 1, "Item Weight (lb)": 5}
    for order, person in (("1", ADA), ("2", BO), ("1", ADA))
]


def test_the_same_row_twice_waits(session):
    assert found(session, TWICE) == ([[2]], [(1, "row_repeated"), (3, "row_repeated")])
    assert set(session.problems["problem"]) == {"rows 1 and 3 are the same in every cell"}


@pytest.mark.parametrize("hours", [(10, 10, 10), (10, 11, 12)])
def test_equal_rows_differ_in_the_time_of_the_export_only_where_they_do(session, hours):
    rows = [
        {**row, "Exported at": f"2026-11-01 {h}:00"} for row, h in zip(TWICE, hours, strict=True)
    ]
    found(session, rows)
    [said] = set(session.problems["problem"])
    assert said.endswith("but when it was exported") == (hours[0] != hours[2])


def test_equal_rows_can_be_kept_or_dropped(session):
    assert found(session, TWICE, repeated_rows="keep") == ([[1], [2], [3]], [])
    assert found(session, TWICE, repeated_rows="drop") == ([[1], [2]], [])
    assert found(session, TWICE, skip="row_number = 3") == ([[1], [2]], [])
    with pytest.raises(MappingError, match="repeated_rows='once' is unknown"):
        session.map(repeated_rows="once")


def test_the_same_line_exported_twice_waits(session):
    lines = [{**line, "Exported at": f"2026-11-01 {n}:00"} for n, line in enumerate(LINES, 10)]
    ready, problems = found(session, lines, defaults=None)
    assert (ready, (1, "row_repeated") in problems) == ([[2]], True)


@pytest.mark.parametrize(
    ("numbers", "alike"),
    [
        (("0001", "1", "#1"), [1, 2, 3]),
        (("0001", "2", "#3"), []),
        (("#1", "#2", "#3"), []),
        (("10", "1", "100"), []),
    ],
)
def test_one_number_in_two_spellings_is_a_warning(session, numbers, alike):
    found(session, [{"Order Number": number, **ADA} for number in numbers])
    said = session.problems[session.problems["code"] == "order_number_alike"]
    assert said["row_number"].tolist() == alike
    assert set(said["severity"]) <= {"warning"}


def weights(session):
    return [json.loads(parcels)[0]["weight_lb"] for parcels in session.mapped()["parcels"]]


def test_the_same_line_of_an_order_twice_waits_because_its_weight_doubles(session):
    ready, problems = found(session, LINES, defaults=None)
    assert (ready, (1, "row_repeated") in problems) == ([[2]], True)
    found(session, LINES, defaults=None, repeated_rows="drop")
    assert weights(session) == [5, 5]
    found(session, LINES, defaults=None, repeated_rows="keep")
    assert weights(session) == [10, 5]


@pytest.mark.parametrize(
    ("column", "first", "second", "words"),
    [
        ("Address 2", "Apt 1", "Apt 2", "different addresses"),
        ("Company", "Lee Ltd", "Ray Inc", "different recipients"),
        ("Order Date", "2025-01-02", "2026-01-02", "different order dates"),
        ("Ship Date", "2031-01-02", "2031-01-03", "different ship dates"),
    ],
)
def test_lines_of_one_order_that_differ_in_what_a_parcel_has_once_wait(
    column, first, second, words, session
):
    rows = [
        {"Order Number": "1", **ADA, "SKU": sku, column: cell}
        for sku, cell in (("M", first), ("T", second))
    ]
    assert found(session, rows) == ([], [(1, "order_conflict")])
    assert words in session.problems["problem"].iloc[0]


def test_two_services_wait_until_one_is_given_for_all(session):
    rows = [
        {"Order Number": "1", **ADA, "SKU": sku, "Service": service}
        for sku, service in (("M", "Ground"), ("T", "Next Day Air"))
    ]
    assert found(session, rows, service=None) == ([], [(1, "order_conflict")])
    assert found(session, rows) == ([[1, 2]], [])


# -- numbers and names that are something else -----------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [
        *("5.76461E+17", "5,76E+17", "5.76E17", "3-Jan", "1-Mar-26", "Mar-26", "2026-03-01"),
        *("2026-03-01 00:00:00", "3/1/2026", "01.03.2026", "########", "#REF!", "1001.0"),
        *("576461413038785000",),
    ],
)
def test_a_damaged_number_names_no_order(number, session):
    rows = [{"Order Number": number, **ADA}, {"Order Number": "W-2", **BO}]
    assert found(session, rows) == ([[2]], [(1, "order_key_damaged")])


@pytest.mark.parametrize(
    "number", ["12E5", "2026-11-0001", "#1001", "E1", "1001.1", "576461413038785752", "1.2.3"]
)
def test_an_odd_number_is_an_order(number, session):
    assert found(session, [{"Order Number": number, **ADA}]) == ([[1]], [])


def test_numbers_that_end_in_zeros_by_chance_are_orders(session):
    rows = [
        {"Order Number": number, **person}
        for number, person in (("1234567890123450", ADA), ("1234567890123457", BO))
    ]
    assert found(session, rows) == ([[1], [2]], [])


@pytest.mark.parametrize(
    "name",
    [
        *("#1001", "1001", "(212) 555-0142", "1Z999AA10123456784"),
        *("RR123456789DE", "TBA123456789012", "www.example.org", "mug-1", "Blue Mug"),
    ],
)
def test_a_name_that_is_no_name_of_a_person_waits(name, session):
    row = {"Order Number": "1", **ADA, "Name": name, "SKU": "MUG-1", "Item Name": "Blue mug"}
    assert found(session, [row]) == ([], [(1, "name_not_a_person")])


@pytest.mark.parametrize("name", ["3M", "7-Eleven", "O'Neil & Sons", "A. Lee", "99 Ranch"])
def test_a_company_with_a_number_is_a_name(name, session):
    row = {"Order Number": "1", **ADA, "Name": name, "SKU": "MUG-1"}
    assert found(session, [row]) == ([[1]], [])


def test_another_column_can_be_named_as_the_recipient(session):
    row = {"Order Number": "1", **ADA, "Name": "MUG-1", "SKU": "MUG-1", "Person": "Ada Lee"}
    assert found(session, [row], columns={"name": "Person"}) == ([[1]], [])


def test_an_order_that_the_filter_leaves_out_may_be_a_line_of_one_that_it_keeps(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(
        "Name,Address,City,State,Zip,Item,Weight (lb)\n"
        "Mara Quint,418 Juniper Ave,Boise,ID,83702,Mug,2\n"
        "Mara Quint,418 Juniper Avenue,Boise,ID,83702,Lamp,9\n"
        "Bo Ray,1 Elm St,Austin,TX,78701,Mug,2\n"
    )
    shipper = {"name": "Dana Ortiz", "address_line1": "300 Alamo Plaza", "city": "San Antonio"}
    shipper |= {"state": "TX", "postal_code": "78205", "phone": "2105550100"}
    with sk.BatchSession(path, shipper=shipper, home=tmp_path) as session:
        session.where('"Weight (lb)" < 5').map(service="ground").preview()
        found = session.problems
        assert found[["row_number", "code"]].values.tolist() == [[1, "order_key_missing"]]
        assert "rows 1 and 2 have the same recipient and address" in found["problem"][0]
        session.map(service="ground", each_row=True).preview()
        assert session.problems.empty
    with sk.BatchSession(path, shipper=shipper, home=tmp_path) as session:
        session.map(service="ground").skip("weight_lb > 5")  # a person set it aside
        session.preview()
        assert session.problems["code"].tolist() == ["set_aside"]
