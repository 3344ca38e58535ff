"""Order files after public reports: each was once shipped wrongly without a word.

Each test has the labels that are right, or the code of the problem that the row waits with.
"""

from __future__ import annotations

import pytest
from order_state_kit import state_named

import shipkit as sk
from shipkit.orders.column_problems import ways_out
from shipkit.orders.instructions import instruction_of

HEAD = "Order Number,Ship To Name,Address 1,City,State,Zip,Country"
ADA = "Ada Lee,1 Main St,Boston,MA,02134,US"
BO = "Bo Ray,2 Oak St,Austin,TX,78701,US"


def read(tmp_path, shop, text, name="orders.csv", **settings):
    """Return the rows of each shipment with its pounds, and row and code of each problem."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    session = sk.BatchSession(path, shipper=shop)
    session.map(**{"service": "ground", "defaults": {"weight_lb": 2}, **settings}).preview()
    mapped = session.mapped()
    labels = [
        (list(rows), None if pounds != pounds else round(pounds, 4))
        for rows, pounds in zip(mapped["row_numbers"], mapped["weight_lb"], strict=True)
    ]
    named: dict[str, set[tuple[int, str]]] = {"error": set(), "warning": set()}
    for problem in session.problems.itertuples():
        named[problem.severity].add((problem.row_number, state_named(problem)))
    return labels, named["error"], named["warning"]


# -- who pays, how many boxes, what else is asked for ----------------------------------------------

ASKED = {
    "who pays": ["Bill Transportation To=Third Party", "Freight Terms=Collect"],
    "the account that pays": ["Third Party Account Number=B2C3D4", "Receiver Account=B2C3D4"],
    "boxes": [
        "Number of Packages=3",
        "Number of Boxes=2",
        "Package Count=3",
        "# of Packages=4",
        "Pieces=3",
    ],
    "dangerous goods": [
        "Hazmat=Y",
        "Dry Ice Weight=5",
        "Lithium Battery=UN3481",
        "Contains Alcohol=Yes",
        "Dangerous Goods=true",
    ],
    "pickup points": [
        "UPS Access Point=U12345678",
        "Access Point ID=U12345678",
        "Hold At Location=Y",
        "Hold For Pickup=Y",
    ],
}


ALONE = {"who pays", "boxes"}
"""Columns of these ask for the same of a row: each is in a file of its own."""
ASKED_TOGETHER = [
    *(group for name, group in ASKED.items() if name not in ALONE),
    *([asked] for name in sorted(ALONE) for asked in ASKED[name]),
]


@pytest.mark.parametrize("group", ASKED_TOGETHER, ids=lambda group: group[0])
def test_a_column_that_asks_for_what_no_label_has_holds_its_row(tmp_path, shop, group):
    headings, cells = zip(*(asked.split("=") for asked in group), strict=True)
    lines = [f"{HEAD},{','.join(headings)}"]
    for n, cell in enumerate(cells):
        lines.append(f"A{n},{ADA},{',' * n}{cell}{',' * (len(cells) - 1 - n)}")
    lines.append(f"B,{BO}{',' * len(cells)}")
    _, errors, _ = read(tmp_path, shop, "\n".join([*lines, ""]))
    # A payer without an account, an account without a payer, boxes whose weight is not clear.
    asks_for_more = {"missing", "parcel_weights_unclear", "column_not_understood"}
    assert {row for row, _ in errors} == {*range(1, len(cells) + 1)}
    assert {code for _, code in errors} <= asks_for_more


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("IOSS=IM2760000742", "ioss_number"),
        ("IOSS Number=IM2760000742", "ioss_number"),
        ("ITN=X20261120123456", "itn"),
        ("Importer EORI=GB123456789000", "recipient_eori"),
        ("Consignee VAT Number=DE123456789", "recipient_tax_id"),
    ],
)
def test_a_column_of_a_number_for_customs_is_read(tmp_path, shop, asked, field):
    heading, cell = asked.split("=")
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEAD},{heading}\n1,{ADA},{cell}\n2,{BO},\n")
    session = sk.BatchSession(path, shipper=shop)
    session.map(service="ground", defaults={"weight_lb": 2})
    first, second = session.mapped()[field].fillna("")
    assert (first, second) == (cell, "")


@pytest.mark.parametrize("asked", ["Return Label=Y", "is_return=true"])
def test_a_column_that_asks_for_a_return_is_read(tmp_path, shop, asked):
    heading, cell = asked.split("=")
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEAD},{heading}\n1,{ADA},{cell}\n2,{BO},\n")
    session = sk.BatchSession(path, shipper=shop)
    session.map(service="ground", defaults={"weight_lb": 2})
    assert session.mapped()["is_return"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("cell", "currency"),
    [
        ("EUR 39.00", "EUR"),
        ("€39,00", "EUR"),
        ("£39.00", "GBP"),
        ("CA$39.00", "CAD"),
        ("39.00 CHF", "CHF"),
        ("$39.00", "USD"),
    ],
)
def test_the_currency_of_a_cell_is_that_of_its_declared_value(tmp_path, shop, cell, currency):
    path = tmp_path / "orders.csv"
    path.write_text(f'{HEAD},Declared Value\n1,{ADA},"{cell}"\n')
    session = sk.BatchSession(path, shipper=shop)
    session.map(service="ground", defaults={"weight_lb": 2})
    assert session.mapped()["currency"].tolist() == [currency]
    assert '"declared_value_cents":3900' in session.mapped()["parcels"][0]


def test_an_amount_in_a_sign_of_two_currencies_waits(tmp_path, shop):
    _, errors, _ = read(tmp_path, shop, f"{HEAD},Declared Value\n1,{ADA},¥3900\n")
    assert errors == {(1, "declared_value_unreadable")}


# -- headings and lines ----------------------------------------------------------------------------


def test_two_addresses_under_equal_headings_are_asked_about(tmp_path, shop):
    head = "Order Number,Name,Address,City,State,Zip,Name,Address,City,State,Zip"
    row = "1,Pay Er,9 Bank St,Chicago,IL,60601,Ada Lee,1 Main St,Boston,MA,02134"
    _, errors, _ = read(tmp_path, shop, f"{head}\n{row}\n")
    assert errors == {(1, "column_ambiguous")}


@pytest.mark.parametrize("heading", ["SalesOrderNo", "SO #", "Web Order Number", "Order Key"])
def test_lines_under_any_heading_of_an_order_number_are_one_parcel(tmp_path, shop, heading):
    head = HEAD.replace("Order Number", heading)
    text = f"{head}\n0771,{ADA}\n0771,{ADA}\n0772,{BO}\n"
    labels, errors, _ = read(tmp_path, shop, text, repeated_rows="keep")
    assert labels == [([1, 2], 2), ([3], 2)]
    assert errors == set()


@pytest.mark.parametrize("heading", ["Reference", "Document No", "Invoice No", "Pledge ID"])
def test_lines_under_a_number_that_may_be_another_are_asked_about(tmp_path, shop, heading):
    head = f"{HEAD.replace('Order Number', heading)},Item"
    _, errors, _ = read(tmp_path, shop, f"{head}\n0771,{ADA},Mug\n0771,{ADA},Tea\n0772,{BO},Tea\n")
    assert errors == {(1, "order_key_missing"), (2, "order_key_missing")}


def test_a_fourth_line_of_an_address_holds_its_row(tmp_path, shop):
    head = "Order Number,Ship To Name,Address Line 1,Address Line 2,Address Line 3,Address Line 4"
    text = (
        f"{head},City,State,Zip\n1,Ada Lee,Harbor Lofts,Building C,Rear,1 Main St,Boston,MA,02134\n"
    )
    assert read(tmp_path, shop, text)[1] == {(1, "column_not_understood")}


def test_a_note_in_a_heading_is_left_out(tmp_path, shop):
    text = f"{HEAD.replace('Zip', 'Zip Code (5 digits)')}\n1,{ADA}\n"
    assert read(tmp_path, shop, text)[:2] == ([([1], 2)], set())


# -- states ----------------------------------------------------------------------------------------


def test_the_money_states_of_shopify_hold_or_warn(tmp_path, shop):
    head = (
        "Name,Financial Status,Fulfillment Status,Lineitem quantity,Lineitem name,"
        "Lineitem fulfillment status,Shipping Name,Shipping Address1,Shipping City,"
        "Shipping Province,Shipping Zip,Shipping Country"
    )
    states = [
        ("paid", "partial", "pending"),
        ("refunded", "", "pending"),
        ("voided", "", "pending"),
        ("pending", "", "pending"),
        ("partially_refunded", "", "pending"),
        ("paid", "restocked", "restocked"),
    ]
    rows = [
        f"#{n},{money},{sent},1,Mug,{line},Ada Lee,{n} Main St,Boston,MA,02134,US"
        for n, (money, sent, line) in enumerate(states, start=1001)
    ]
    _, errors, warnings = read(tmp_path, shop, "\n".join([head, *rows, ""]))
    assert errors == {(2, "refunded"), (3, "cancelled"), (6, "cancelled")}
    assert {(1, "partly_shipped"), (4, "unpaid"), (5, "partly_refunded")} <= (warnings)


def test_a_buyer_who_asked_to_cancel_at_amazon_waits(tmp_path, shop):
    head = (
        "order-id\torder-item-id\tpurchase-date\tbuyer-name\tsku\tquantity-purchased\t"
        "quantity-to-ship\trecipient-name\tship-address-1\tship-city\tship-state\t"
        "ship-postal-code\tship-country\tis-buyer-requested-cancellation"
    )
    rows = [
        f"111-000000{n}-0000000\t{n}\t2026-11-20\tAda\tMUG\t1\t{left}\tAda Lee\t{n} Main St\tBoston"
        f"\tMA\t02134\tUS\t{asked}"
        for n, left, asked in ((1, 1, "true"), (2, 1, "false"), (3, "0.0", "false"))
    ]
    labels, errors, _ = read(tmp_path, shop, "\n".join([head, *rows, ""]), name="orders.txt")
    assert errors == {(1, "cancelled")}
    assert [rows for rows, _ in labels] == [[1], [2]], "nothing of the third is left to ship"


def test_what_is_left_to_ship_counts_in_any_file(tmp_path, shop):
    head = f"{HEAD},Quantity Purchased,Quantity To Ship,Item Weight (lb)"
    text = f"{head}\n1,{ADA},1,1,2\n2,{BO},1,0,2\n3,{BO.replace('2 Oak', '4 Oak')},5,1,2\n"
    labels, errors, warnings = read(tmp_path, shop, text)
    assert errors == {(2, "nothing_to_ship"), (2, "weight_not_positive")}
    assert {rows[0]: pounds for rows, pounds in labels if rows != [2]} == {1: 2, 3: 2}
    assert (3, "quantity_reduced") in warnings


@pytest.mark.parametrize("heading", ["Dry Ice Weight", "Lithium Battery", "Contains Alcohol"])
def test_dangerous_goods_are_refused_by_name(heading):
    """No field can take them, so that none is named."""
    asks = instruction_of(heading)
    fix = ways_out(heading, asks)
    assert "shipkit sells no dry ice, lithium batteries, alcohol" in fix
    assert f'map(ignore=["{heading}"])' in fix
    assert "<field>" not in fix
