"""Columns that ask for something that is not done hold their rows; others do not."""

from __future__ import annotations

import pytest

import shipkit as sk
from shipkit.common.html import escape
from shipkit.errors import MappingError
from shipkit.notebook.model import offered
from shipkit.notebook.panel_html import offer_page
from shipkit.orders import order_states
from shipkit.orders.columns import Column, keys
from shipkit.orders.fields import recognise
from shipkit.orders.instructions import instruction_of
from shipkit.orders.option_cells import cells_that_ask
from shipkit.orders.state_cells import Cell

ORDER = {
    "Order ID": "A1",
    "Name": "Ada Lee",
    "Address": "1 Main St",
    "City": "Miami",
    "State": "FL",
    "Zip": "33101",
    "Phone": "3055550100",
    "Weight (lb)": 2,
    "Service": "ground",
}

SHIPPER = {
    "name": "Dana Ortiz",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "phone": "2105550100",
}


def held(tmp_path, *rows, severity="error", **mapping):
    """Return row number and value of each instruction that is not read."""
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([{**ORDER, "Order ID": f"A{n}", **row} for n, row in enumerate(rows)])
        session.map(**mapping)
        found = session.problems
    found = found[found["code"] == "column_not_understood"]
    assert set(found["severity"]) <= {severity}
    return list(zip(found["row_number"], found["value"], strict=True))


INSTRUCTIONS = [
    ("Building", "C", "n/a"),
    ("Address Line 4", "Harbor Lofts", ""),
    ("Numéro de voie", "12", "-"),
    ("No. of Pallets", "3", "1"),
    ("Label copies", "2", "1.0"),
    ("Freight Collect", "Y", "no"),
    ("Incoterms", "EXW", "DAP"),
    ("Return Slip", "Print", "none"),
    ("Adult Present Needed", "yes", "no"),
    ("Box 2 Weight", "7 lb", ""),
    ("Package Weights", "5;7", ""),
    ("Versicherung", "120,00", "0.00"),
    ("Pay on delivery", "35.10", "0"),
    ("Will Call", "TRUE", "FALSE"),
    ("Paczkomat", "WAW01A", "brak"),
    ("Dry Ice Weight", "5", "0.0"),
    ("Lithium Battery", "UN3481", "None"),
    ("EORI", "GB1234", ""),
    ("Penthouse", "PH2", ""),
    ("Address Line Four", "rear", "-"),
    ("No. Ext.", "101", ""),
    ("Crates", "3", "1"),
    ("Number of carton", "3", "1"),
    ("Cartons Shipped", "2", "1"),
]


def test_a_filled_instruction_holds_its_row_and_a_neutral_one_does_not(tmp_path):
    """Each heading in an order that asks for it, and in one that asks for nothing."""
    empty = dict.fromkeys(heading for heading, *_ in INSTRUCTIONS)
    rows = [
        {**empty, heading: cell} for heading, *cells in INSTRUCTIONS for cell in reversed(cells)
    ]
    assert held(tmp_path, *rows) == [
        (2 * n, asks) for n, (_, asks, _) in enumerate(INSTRUCTIONS, 1)
    ]


def test_an_addition_to_a_house_number_that_no_column_has_holds_its_row(tmp_path):
    assert held(tmp_path, {"Toevoeging": ""}, {"Toevoeging": "bis"}) == [(2, "bis")]


@pytest.mark.parametrize(
    "heading",
    [
        "Insurance cost",
        "Billing Apartment",
        "Item price",
        "Customer note",
        "Signature image URL",
        "Return tracking number",
        "Tax rate",
        "Statement",
        "Store Building",
    ],
)
def test_a_column_that_says_nothing_about_the_parcel_asks_for_nothing(heading):
    assert instruction_of(heading) is None


@pytest.mark.parametrize(
    ("cell", "waits"),
    [("C4", True), ("Main St", False), ("1 Main St, Miami FL", False), ("yes", False)],
)
def test_a_column_among_those_of_the_address_is_a_part_of_it(tmp_path, cell, waits):
    order = {"Order ID": "A1", "Name": "Ada Lee", "Address": "1 Main St", "Zork": cell}
    order |= {"City": "Miami", "State": "FL", "Zip": "33101", "Quirk": "9"}
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        found = session.load([order]).map(service="ground").problems
    asked = found[found["code"] == "column_not_understood"]
    assert list(asked["field"]) == (["zork"] if waits else [])


@pytest.mark.parametrize("owner", ["Cabin {}", "{} - Copy", "{}_right", "Copy of {}"])
def test_a_second_address_of_an_unknown_owner_is_asked_about(tmp_path, owner):
    second = {owner.format(part): cell for part, cell in zip(PARTS, OTHER, strict=True)}
    assert held(tmp_path, second) == [(1, "9 Oak Ave")]
    same = {**second, owner.format("Address"): "1 MAIN ST"}
    assert held(tmp_path, same) == []


PARTS = ("Address", "City", "State", "Zip")
OTHER = ("9 Oak Ave", "Boston", "MA", "02108")


def test_a_township_is_no_town_of_the_recipient():
    assert "city" not in recognise(["Township"]).roles


def test_an_instruction_in_a_later_line_of_an_order_holds_the_order(tmp_path):
    lines = [{"Order ID": "A7", "Hazmat": "no"}, {"Order ID": "A7", "Hazmat": "yes"}]
    assert held(tmp_path, *lines) == [(1, "yes")]


def test_the_ways_out_are_to_ignore_a_column_or_to_name_its_field(tmp_path):
    row = {"Building": "C"}
    assert held(tmp_path, row) == [(1, "C")]
    assert held(tmp_path, row, ignore=["Building"]) == []
    assert held(tmp_path, row, columns={"address_line2": "Building"}) == []
    with pytest.raises(MappingError, match="no column 'Bulding'"):
        held(tmp_path, row, ignore=["Bulding"])


def test_an_ignored_column_feeds_no_field(tmp_path):
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([{**ORDER, "Postal Code": "33199"}])
        assert "column_ambiguous" in set(session.problems["code"])
        session.map(ignore=["Postal Code"])
        assert "column_ambiguous" not in set(session.problems["code"])
        assert list(session.mapped()["postal_code"]) == ["33101"]


@pytest.mark.parametrize(
    "copied", ["{}_2", "{}.1", "{}_1", "{}2"], ids=["shipkit", "pandas", "duckdb", "excel"]
)
def test_two_address_blocks_are_asked_about_however_the_copies_are_numbered(copied):
    block = ["Name", "Address", "City", "State", "Zip"]
    found = recognise([*block, *map(copied.format, block), "Weight (lb)"])
    assert set(found.ambiguous) == {"name", "address_line1", "city", "state", "postal_code"}
    assert set(found.roles) == {"weight"}


@pytest.mark.parametrize("second", ["Address 2", "Address2", "Address_2"])
def test_the_second_line_of_one_address_stays_a_line(second):
    found = recognise(["Name", "Address", second, "City", "State", "Zip"])
    assert found.roles["address_line2"].name == second
    assert not found.ambiguous


@pytest.mark.parametrize(
    "heading",
    ["Zip Code (5 digits)", "Zip Code\n(5-digit)", "Postal Code (mandatory)", "Recipient's Zip"],
)
def test_a_heading_with_a_note_is_recognised(heading):
    assert recognise([heading]).roles["postal_code"].name == heading


def test_a_note_that_names_a_party_or_a_unit_is_no_note():
    assert not recognise(["Zip (billing)"]).roles
    assert not recognise(["Weight (stone)"]).roles


def test_the_use_of_each_column_is_shown(tmp_path):
    extra = {"Item price": "9", "Building": "C", "Lucky colour number": "7", "Empty one": None}
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([{**ORDER, **extra}])
        session.map(ignore=["Building"])
        uses = session.describe().set_index("name")["use"]
        assert uses["Zip"] == uses["Weight (lb)"] == "used"
        assert uses["Item price"] == "used"  # the customs of parcels abroad
        assert uses["Building"] == "ignored"
        assert uses["Lucky colour number"] == "carried"
        assert uses["Empty one"] == "not understood"
        assert session.not_understood == []
        session.load([{**ORDER, "Mystery": "7"}])
        assert session.not_understood == ["Mystery"]


@pytest.mark.parametrize(
    "heading", ["Apt #", "Unit Number", "Apartment, suite, etc.", "Flat No.", "Adresszusatz"]
)
def test_an_apartment_is_the_second_line_and_next_to_one_it_holds_the_row(tmp_path, heading):
    assert recognise([*ORDER, heading]).roles["address_line2"].name == heading
    both = {"Address 2": "Harbor Lofts", heading: "4B"}
    assert held(tmp_path, both) == [(1, "4B")]


@pytest.mark.parametrize("heading", ["is_return", "Return Label"])
def test_a_return_is_read_under_its_own_name(tmp_path, heading):
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([{**ORDER, heading: "Y"}])
        assert list(session.mapped()["is_return"]) == [True]


@pytest.mark.parametrize(
    "heading", ["Apartment / Door", "Bldg or Suite", "Your floor", "Adresszusatz (optional)", "Bus"]
)
def test_a_part_of_an_address_is_seen_in_any_wording(heading):
    found = instruction_of(heading)
    assert found is not None
    assert found.what == "a part of the address"


@pytest.mark.parametrize(
    ("heading", "what"),
    [
        *((h, "a part of the address") for h in ("Kiosk", "Secondary Number", "Unit Designator")),
        *((h, "a part of the address") for h in ("Sec. Address", "No. Exterior", "No. Interior")),
        *((h, "the number of parcels") for h in ("Shipment Pieces", "Print Qty", "Of Boxes")),
        *((h, "the number of parcels") for h in ("Satchels", "Bulto")),
        *((h, "the number of parcels") for h in ("Shipments", "Boxes/Order")),
        ("Line Two", "a part of the address"),
        ("Second address", "a part of the address"),
        *(
            (h, "another address, which may be the recipient's")
            for h in ("New Address", "Corrected ZIP", "New Street", "Forward to", "Neue Adresse")
        ),
        *((h, "another address, which may be the recipient's") for h in ("Gift City",)),
        *((h, "another address, which may be the recipient's") for h in ("Gift Address",)),
        *(
            (h, "a wish about a gift or the papers in the box")
            for h in ("Gift", "Gift Message", "Gift To")
        ),
    ],
)
def test_what_a_heading_of_few_files_asks_for(heading, what):
    found = instruction_of(heading)
    assert found is not None
    assert found.what == what


@pytest.mark.parametrize(
    "heading",
    [
        *("Secondary Email", "Gift Card Code", "Lot", "Gift Certificate", "Packing slip no"),
        *("New email address", "New Billing Address", "Old Address", "Address validated at"),
        *("Alternate Address", "Extra charge for address correction"),
    ],
)
def test_headings_that_are_near_ask_for_nothing(heading):
    assert instruction_of(heading) is None


def between(tmp_path, first, column, second):
    """Return which rows a column holds that is between these two."""
    cells = {name: ORDER[name] for name in ORDER if name not in (first, second)}
    key, cell = column
    row = {**cells, first: ORDER[first], key: cell, second: ORDER[second]}
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([row])
        session.map(service="ground", defaults={"weight_lb": 1})
        problems = session.problems
    return problems[problems["code"] == "column_not_understood"]["value"].tolist()


def test_a_column_next_to_a_street_is_a_part_of_it_unless_it_is_a_state(tmp_path):
    assert between(tmp_path, "Address", ("Zorb", "4B"), "City") == ["4B"]
    assert between(tmp_path, "City", ("Zorb", "4B"), "State") == []
    assert between(tmp_path, "City", ("Zorb", "TX-021"), "State") == []
    assert between(tmp_path, "City", ("Zusatzzeile", "Hinterhof 3"), "Zip") == ["Hinterhof 3"]
    assert between(tmp_path, "Zip", ("Zona", "Sector 9"), "State") == ["Sector 9"]
    assert between(tmp_path, "Address", ("Order Type", "online"), "City") == []
    assert between(tmp_path, "Address", ("Lot", "12"), "City") == ["12"]
    assert between(tmp_path, "Phone", ("Lot", "12"), "Service") == []


@pytest.mark.parametrize(
    "heading", ["Suite price", "Floor plan", "Billing Apartment", "Building type", "Apt count"]
)
def test_words_of_an_address_about_something_else_ask_for_nothing(heading):
    assert instruction_of(heading) is None


@pytest.mark.parametrize("number", ["", ".1", "_2", "_1", "2", " 2", " (2)", "-2"])
def test_two_blocks_of_addresses_are_a_question_however_the_copies_are_numbered(number):
    block = ["Name", "Address", "City", "State", "Zip"]
    found = recognise([*block, *(f"{heading}{number}" for heading in block)])
    assert set(found.ambiguous) == {"name", "address_line1", "city", "state", "postal_code"}


def test_a_second_line_of_one_address_is_no_copy():
    for second in ("Address 2", "Address2", "Address_2", "Address (2)"):
        found = recognise(["Name", "Address", second, "City", "State", "Zip"])
        assert found.roles["address_line2"].name == second
        assert not found.ambiguous


UNREAD = (
    '"Mystery", "Odd one" are not understood and not used. Use it: '
    'map(columns={"<field>": "Mystery"}). Set it aside: map(ignore=["Mystery"]). '
    "Or place it with a template."
)


def test_columns_that_are_not_understood_are_shown_in_one_wording_everywhere(tmp_path):
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([{**ORDER, "Mystery": "7", "Odd one": "x", "Empty": None}])
        session.preview()
        assert [note.text for note in session.load_report.of("columns")] == [UNREAD]
        assert dict(session.summary.lines())["Columns"] == UNREAD
        assert session.summary.not_understood == ("Mystery", "Odd one")
        assert f"<b>Columns</b> {escape(UNREAD)}" in offer_page(offered(session))
        session.map(ignore=["Mystery", "Odd one"])
        session.preview()
        assert session.load_report.of("columns") == ()
        assert "Columns" not in dict(session.summary.lines())


def test_a_column_of_states_is_used(tmp_path):
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([{**ORDER, "Order Substatus": "ready", "Is test": "no"}])
        assert session.not_understood == []
        uses = session.describe().set_index("name")["use"]
        assert uses["Order Substatus"] == uses["Is test"] == "used"


def state(heading, cell):
    """Return code and severity of what a cell of a column of states means, None for nothing."""
    column = Column(heading, keys([heading])[0], "VARCHAR")
    found = order_states.state_columns([column], set(), None, set())
    meaning = found[0].read(Cell.of(cell)) if found else None
    return meaning and (meaning.state, meaning.severity)


@pytest.mark.parametrize(
    ("code", "severity", "cells"),
    [
        ("not_ready", "error", "Order Status=Awaiting stock|Is Preorder=TRUE"),
        ("not_ready", "error", "Address Verified=No|Address Status=Unverified"),
        ("not_ready", "error", "Subscription Status=Paused|Approved=No|Test Mode=true"),
        ("not_ready", "error", "Vorbestellung=ja|Précommande=oui|Duplicate=Y"),
        ("not_ready", "warning", "Order Type=Exchange|Risk Level=High|Fraud Status=review"),
        ("unpaid", "warning", "Paid?=N|Bezahlt=nein|Pagado=no|Amount Due=20.00"),
        ("unpaid", "warning", "Payment Status=Deposit paid|Financial Status=partially_paid"),
        ("refunded", "error", "Chargeback=Yes|Disputed=yes"),
        ("refunded", "warning", "Dispute Status=open|RMA Status=Requested"),
        ("picked_up", "error", "Pickup in Store=Y|Status=Ready for pickup"),
        ("not_physical", "error", "Is Digital=Y|Downloadable=1|Delivery Type=Email"),
        ("cancelled", "error", "Void=Y|Storniert=ja|Orderstatus=Makulerad"),
        ("fulfilled", "warning", "Label Printed=yes|Delivered At=2026-01-01"),
        ("shipped_by_marketplace", "error", "Fulfillment By=FBA"),
    ],
)
def test_a_state_of_an_order_is_seen_in_any_wording(code, severity, cells):
    found = {cell: state(*cell.split("=")) for cell in cells.split("|")}
    assert found == dict.fromkeys(found, (code, severity))


@pytest.mark.parametrize(
    "cell",
    [
        "Paid=Yes",
        "Approved=Yes",
        "Pre-order=No",
        "Risk Level=Low",
        "Chargeback=No",
        "Amount Due=0.00",
        "Bezahlt=ja",
        "Subscription Status=Active",
        "Order Type=Standard",
        "Fraud Score=12",
        "Label Printed=No",
        "Status=Awaiting Shipment",
        "Outstanding Balance=0",
        "Is Digital=false",
    ],
)
def test_a_state_that_is_right_to_ship_is_no_problem(cell):
    assert state(*cell.split("=")) is None


@pytest.mark.parametrize(
    ("heading", "asks", "other"),
    [
        ("Product Type", "Hazmat", "Shirt"),
        ("Tags", "gift, hazmat", "gift, hazmat-free"),
        ("Notes", "UN 3481", "UNO cards"),
        ("Shipment Type", "Return", "Outbound"),
        ("Label Type", "Print Return Label", "4x6"),
        ("Special Option", "Access Point", "Home"),
        ("Payment Method", "Cash on Delivery", "Visa"),
        ("Zahlungsart", "Nachnahme", "Rechnung"),
        ("Shipping Options", "Saturday Delivery; Insurance", "Economy"),
        ("Special Services", "Adult Signature", "none"),
    ],
)
def test_a_cell_that_asks_for_something_holds_its_row_whatever_its_heading(
    tmp_path, heading, asks, other
):
    found = held(tmp_path, {heading: other}, {heading: asks}, service="ground")
    assert [row for row, _ in found] == [2]


def test_a_column_that_is_read_for_it_settles_what_a_cell_asks_for(tmp_path):
    assert held(tmp_path, {"Payment Method": "COD", "COD Amount": "20"}) == []
    assert held(tmp_path, {"Payment Method": "COD"}, ignore=["Payment Method"]) == []
    point = {"Delivery Type": "Access Point", "Access Point ID": "U12345678"}
    assert held(tmp_path, point, service="ground") == []


def test_a_cell_that_asks_is_named_as_such_with_what_settles_it():
    [cod] = cells_that_ask("Tender", ())
    assert cod.problem("Payment Method") == (
        'a cell of the column "Payment Method" looks like payment on delivery, and it is not used'
    )
    assert cod.fix("Payment Method") == (
        'Name the column that says it: map(columns={"cod_amount": "<heading>"}). Or set this one '
        'aside, map(ignore=["Payment Method"]), and ask for it where it is meant: '
        "session.edit(clause, cod_amount=...). Or place it with a template."
    )


def test_a_service_for_all_rows_does_not_answer_for_hazmat_in_the_column_of_services(tmp_path):
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([{**ORDER, "Service": text} for text in ("HAZMAT", "Saturday Delivery")])
        session.map(service="ground", each_row=True)
        found = session.problems
    assert found[found["code"] == "column_not_understood"]["row_number"].tolist() == [1]
