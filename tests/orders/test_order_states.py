"""States of orders - cancelled, on hold, shipped already, picked up - in any file."""

from __future__ import annotations

import pandas as pd
import pytest
from order_state_kit import state_named

import shipkit as sk
from shipkit.orders.columns import Column
from shipkit.orders.fields import recognise
from shipkit.orders.order_states import state_columns
from shipkit.orders.state_cells import Cell

ADA = {
    "order id": "A-1",
    "name": "Ada Lee",
    "address": "1 Main St",
    "city": "Boston",
    "state": "MA",
    "zip": "02134",
}
BO = {
    "order id": "A-2",
    "name": "Bo Ray",
    "address": "2 Oak St",
    "city": "Austin",
    "state": "TX",
    "zip": "78701",
}

ERRORS = [
    ("Order Status", "Cancelled", "cancelled"),
    ("Bestellstatus", "Storniert", "cancelled"),
    ("Statut", "Annulée", "cancelled"),
    ("注文ステータス", "キャンセル", "cancelled"),
    ("Order Status", "Cancelled - no refund", "cancelled"),
    ("Order Status", "Fraud: no - Cancelled", "cancelled"),
    ("Order Status", "Do not ship", "not_ready"),
    ("Order Status", "WONT_FULFILL", "not_ready"),
    ("Bestellstatus", "Nicht versenden", "not_ready"),
    ("Statut commande", "En attente", "not_ready"),  # WooCommerce's "on hold"
    ("Bestelstatus", "Geannuleerd", "cancelled"),
    ("出荷状況", "キャンセル", "cancelled"),
    ("Current State", "Refunded", "refunded"),  # PrestaShop
    ("Tags", "hold, VIP", "not_ready"),
    ("Cancelled At", "2026-11-20 10:00", "cancelled"),
    ("Status", "On Hold", "not_ready"),
    ("Do Not Ship", "yes", "not_ready"),
    ("Tracking Number", "1Z999AA10123456784", "has_tracking"),
    ("Delivery Method", "Local pickup", "picked_up"),
    ("Fulfillment Channel", "Amazon", "shipped_by_marketplace"),
    ("Fulfillment Type", "Fulfillment by TikTok", "shipped_by_marketplace"),
    ("Fulfillment Entity", "WFS Fulfilled", "shipped_by_marketplace"),
    ("Status", "Scheduled", "not_ready"),
    ("Normal or Pre-order", "Pre-order", "not_ready"),
    ("Pledged Status", "dropped", "cancelled"),
    ("Backer Status", "Errored", "cancelled"),
    ("Patron Status", "Former patron", "cancelled"),
    ("Stav objednávky", "Stornována", "cancelled"),
    ("Статус заказа", "Отменён", "cancelled"),
    ("订单状态", "已退货", "refunded"),
    ("Deleted", "TRUE", "cancelled"),
    ("Fulfillment Status", "WILL_NOT_DELIVER", "cancelled"),
    ("Billing Block", "01", "not_ready"),
    ("Ship?", "No", "not_ready"),
    ("Approved", 0.0, "not_ready"),  # pandas, Parquet
    ("Needs shipping", "no", "not_physical"),
    ("Collection", "Yes", "picked_up"),
    ("Delivery", "Click & Collect", "picked_up"),
    ("Document Type", "Credit memo", "not_ready"),
    ("Transaction Type", "Refund Receipt", "not_ready"),  # QuickBooks
    ("Type", "Credit", "not_ready"),
    ("Type", "Credit Memo 1023", "not_ready"),
    ("Document Type", "Quote (draft)", "not_ready"),
    ("Order Type", "Return - RMA", "not_ready"),
    ("Type de document", "Bon de retour", "not_ready"),
    ("Belegart", "Retoure B-Ware", "not_ready"),
    ("Status", "Quotation Sent", "not_ready"),  # Odoo
    ("Order Status", "Pro Forma", "not_ready"),
    ("Statut", "Devis", "not_ready"),
    ("Stage", "Negotiation", "not_ready"),
    ("Order Status", "RTO", "refunded"),
    ("Shipment Status", "Address issue", "not_ready"),
    ("Order Status", "Deferred", "not_ready"),
    ("Order Status", "Removed", "cancelled"),
    ("Stav objednávky", "Stornované", "cancelled"),
    ("Waybill", "1Z999AA10123456784", "has_tracking"),
    ("お問い合わせ番号", "1234-5678-9012", "has_tracking"),
]
WARNINGS = [
    ("Payment Status", "Unpaid", "unpaid"),
    ("Status", "Shipped", "fulfilled"),
    ("Order Status", "Paid, partially shipped", "partly_shipped"),
    ("Order Status", "No payment received", "unpaid"),
    ("Status do pedido", "Aguardando pagamento", "unpaid"),
    ("Payment Status", "No", "unpaid"),
    ("Order Status", "New claim", "order_state_unknown"),  # "new" is expected
    ("Order Status", "Customer says no", "order_state_unknown"),
    ("Status zamówienia", "nieopłacone", "unpaid"),
    ("Ordrestatus", "Wysłane", "fulfilled"),
    ("Status", "Partially refunded", "partly_refunded"),
    ("Status", "Closed", "fulfilled"),
    ("Sent", "x", "fulfilled"),
    ("Sent", 1.0, "fulfilled"),
    ("Paid", 0.0, "unpaid"),
    ("Paid", "0.00", "unpaid"),
    ("Actual Ship Date", "2026-11-20", "fulfilled"),
    ("Refund Status", "Full", "refunded"),
    ("Order Status", "Balance due", "unpaid"),
    ("Sipariş Durumu", "Kargoda", "fulfilled"),
    ("Order Status", "Labels created", "fulfilled"),
    ("Order Status", "Zorked", "order_state_unknown"),
    ("Order Status", "not confirmed", "order_state_unknown"),  # "confirmed" is expected
    ("Bestellstatus", "noch nicht bestätigt", "order_state_unknown"),
    ("订单状态", "等待龙", "order_state_unknown"),
]
NEUTRAL = [
    ("Payment Method", "Visa"),
    ("Order Status", "Processing"),
    ("Order Status", "Awaiting shipment"),
    ("Order Status", "not on hold"),
    ("Order Status", "Cancelled: no"),
    ("Bestellstatus", "Noch nicht storniert"),
    ("Status zamówienia", "Nie wysłane"),
    ("订单状态", "未取消"),
    ("Payment Status", "Paid via PayPal"),
    ("Order Status", "Processing (Warehouse 2)"),
    ("Order Status", "Ready to ship - stop 3"),
    ("Fulfillment Status", "unfulfilled"),
    ("Payment Status", "Paid"),
    ("Payment Status", "Collected"),
    ("Pledged Status", "collected"),
    ("Patron Status", "Active patron"),
    ("Checkout Status", "Completed"),
    ("Fulfillment Type", "Fulfillment by seller"),
    ("Fulfillment Entity", "Seller Fulfilled"),
    ("Normal or Pre-order", "Normal"),
    ("Paid on Date", None),  # the shop does not fill it
    ("Paid", "45.0"),
    ("Paid", "yes"),
    ("Collection", "Summer 2026"),
    ("Ship", "Standard"),
    ("Bestellstatus", "In Bearbeitung"),
    ("订单状态", "待发货"),
    ("Zork Status", "Quirk"),  # not of an order
    ("Type", "Credit card"),  # of a payment, and no credit memo
    ("Order Type", "Sales order"),
    ("Order Type", "Sales order from quote"),
    ("Transaction Type", "Credit account"),
    ("Type", "Store credit"),
    ("Type", "Quote book"),  # of a product
    ("Ship", "4.99"),  # a price
    ("Ship", "0.00"),
]


FLAGS = [
    ("cancelled", "Storno=ja|Cxl=X|Anulowano=tak|Date d'annulation=2026-11-02"),
    ("cancelled", "Data annullamento=2026-11-02|キャンセル日=2026-11-02"),
    ("refunded", "Rückerstattung=ja|Rimborso=si|Date remboursement=2026-11-02|Dispute=Open"),
    ("not_ready", "Backordered=Yes|Awaiting stock=x|Wstrzymane=tak|Case Opened=Yes"),
    ("fulfilled", "Versendet am=2026-11-02|Wysłano=tak|Posted on=2026-11-02|Mailed=x"),
    ("picked_up", "Ship Via=Local pickup|Carrier=In-store pickup|Courier=Abholung"),
    ("picked_up", "Requested Shipping Service=Local pickup|Shipping Rate=Store Pickup"),
    ("has_tracking", "Airway bill=12|PRO Number=12|Track & Trace=3S1|Barcode PostNL=3S1"),
]


@pytest.mark.parametrize(("code", "cells"), FLAGS)
def test_a_flag_is_known_in_many_languages(code, cells):
    found = {}
    for given in cells.split("|"):
        heading, cell = given.split("=")
        states = state_columns([Column(heading, "key", "VARCHAR")], set(), None, set())
        read = [state.read(Cell.of(cell)) for state in states]
        found[given] = [meaning and meaning.state for meaning in read]
    assert found == {given: [code] for given in found}


@pytest.mark.parametrize(
    ("heading", "cell", "code"),
    [
        ("Status", "CANX", "cancelled"),
        ("Ship Y/N", "N", "not_ready"),
        ("Ship Y/N", "Y", None),
        ("Paid (Y/N)", "N", "unpaid"),
        ("Notes", "DO NOT SHIP", "not_ready"),
        ("Internal Note", "cancelled by customer 11/20", "not_ready"),
        ("Bemerkung", "Bitte nicht versenden", None),  # more than the words of a mark
        ("Notes", "please hold at the door", None),
        ("Comment", "cancel my newsletter", None),
        ("Channel", "AFN", "shipped_by_marketplace"),
        ("Channel", "Amazon", None),  # where it was sold
        ("Reason for return", "too big", "refunded"),
        ("Shipping Method", "Local Pickup", "picked_up"),
        ("Shipping Method", "Pickup not available", None),
        ("Shipping Method", "UPS Daily Pickup Ground", None),
        ("Shipping Method", "Pickup point", "not_ready"),  # which one?
        ("Versandart", "DHL Packstation", "not_ready"),
    ],
)
def test_what_a_cell_says_about_its_order(heading, cell, code):
    states = state_columns([Column(heading, "key", "VARCHAR")], set(), None, set())
    found = [meaning.state for state in states if (meaning := state.read(Cell.of(cell)))]
    assert found == ([code] if code else [])


def test_a_pickup_point_is_right_where_a_column_names_it():
    method = Column("Shipping Method", "method", "VARCHAR")
    point = Column("Access Point ID", "point", "VARCHAR", role="access_point_id")
    [state] = state_columns([method, point], {"point"}, None, set())
    assert state.read(Cell.of("Pickup point")) is None


def problems(shop, heading, cell, **options):
    rows = [{**ADA, heading: cell}, {**BO, heading: None}]
    options = {"service": "ground", "defaults": {"weight_lb": 2}, **options}
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(**options)
        found = session.problems
        return [(p.row_number, state_named(p), p.severity) for p in found.itertuples()]


CASES = [
    *((heading, cell, [(code, "error")]) for heading, cell, code in ERRORS),
    *((heading, cell, [(code, "warning")]) for heading, cell, code in WARNINGS),
    *((heading, cell, []) for heading, cell in NEUTRAL),
]
"""A cell under its heading, and the state and severity of the problem that it is."""


def test_an_order_that_must_not_leave_stops_and_one_that_may_be_wrong_is_a_warning(shop):
    """All in one file: each row is an order of its own, with one filled cell of a state."""
    cases = [case for case in CASES if case[:2] != ("Ship", "0.00")]  # no price next to a "No"
    empty = dict.fromkeys(heading for heading, _, _ in cases)
    rows = [
        {**ADA, **empty, "order id": f"A-{n}", heading: cell}
        for n, (heading, cell, _) in enumerate(cases)
    ]
    found = [[] for _ in cases]
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(service="ground", defaults={"weight_lb": 2})
        for problem in session.problems.itertuples():
            found[problem.row_number - 1].append((state_named(problem), problem.severity))
    assert [(*case[:2], read) for case, read in zip(cases, found, strict=True)] == cases


ALONE = [
    pytest.param(*case, marks=pytest.mark.slow if n % 7 and case[:2] != ("Ship", "0.00") else ())
    for n, case in enumerate(CASES)
]


@pytest.mark.parametrize(("heading", "cell", "expected"), ALONE)
def test_a_state_is_read_where_no_other_row_has_one(shop, heading, cell, expected):
    assert problems(shop, heading, cell) == [(1, *found) for found in expected]


@pytest.mark.parametrize("heading", ["Paid On Date", "Paid Time", "Bezahlt am", "Fecha de pago"])
def test_an_order_without_a_day_of_payment_is_a_warning_where_others_have_one(shop, heading):
    assert problems(shop, heading, "2026-11-20") == [(2, "unpaid", "warning")]


def test_a_day_of_payment_in_any_line_is_that_of_the_order(shop):
    rows = [
        {**ADA, "sku": "MUG", "paid at": "2026-11-20"},
        {**ADA, "sku": "PAINT", "paid at": None},
        {**BO, "sku": "MUG", "paid at": None},
    ]
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(service="ground", defaults={"weight_lb": 2})
        found = [(p.row_number, state_named(p)) for p in session.problems.itertuples()]
    assert found == [(3, "unpaid")]


def test_a_state_that_is_not_known_is_told_once(shop):
    rows = [{**ADA, "status": "Zorked"}, {**BO, "status": "Zorked"}, {**BO, "order id": "A-3"}]
    with sk.BatchSession(rows, shipper=shop) as session:
        found = session.map(service="ground", defaults={"weight_lb": 2}).problems
    found = found[found["code"] == "order_state_unknown"]
    assert list(found["row_number"]) == [1]
    assert found["problem"].iloc[0].endswith("(in 2 orders)")


def test_a_column_of_many_unknown_states_says_so(shop):
    rows = [{**ADA, "order id": f"A-{n}", "order status": f"Zork {chr(97 + n)}"} for n in range(26)]
    with sk.BatchSession(rows, shipper=shop) as session:
        found = session.map(service="ground", defaults={"weight_lb": 2}).problems
    found = found[found["code"] == "order_state_unknown"]
    assert list(found["row_number"]) == list(range(1, 21))
    assert found["problem"].iloc[-1].endswith("; so it is with 6 other cells of the column")


@pytest.mark.parametrize(
    ("cells", "held"),
    [
        (["No", "Yes", "2", "No"], [1, 4]),  # a flag, one cell of which is a slip
        (["0.0", "1.0", "0"], [1, 3]),
        (["0", "4.99", "0"], []),
        (["$5", "Free", "0"], []),
    ],
)
def test_a_flag_that_may_be_a_price_is_one_by_its_words(shop, cells, held):
    rows = [{**ADA, "order id": f"A-{n}", "ship": cell} for n, cell in enumerate(cells)]
    with sk.BatchSession(rows, shipper=shop) as session:
        found = session.map(service="ground", defaults={"weight_lb": 2}).problems
    assert [p.row_number for p in found.itertuples() if p.field == "ship"] == held


@pytest.mark.parametrize(
    ("heading", "cells", "held"),
    [
        ("Zork", ["Cancelled", "Open", None], [1]),
        ("Remarks", ["bezahlt", "Storniert", "Versendet"], [2, 3]),
        ("Remarks", ["Cancelled", "leave at the door", "ring twice"], [1]),  # a note alone
        ("Condition", ["New", "Returned", None], []),  # of the article
        ("Zork", ["Closed", "Open", "New"], []),  # of anything
    ],
)
def test_a_column_whose_cells_are_states_is_one_whatever_it_is_called(shop, heading, cells, held):
    rows = [{**ADA, "order id": f"A-{n}", heading: cell} for n, cell in enumerate(cells)]
    with sk.BatchSession(rows, shipper=shop) as session:
        found = session.map(service="ground", defaults={"weight_lb": 2}).problems
    assert [p.row_number for p in found.itertuples() if p.code.startswith("order_")] == held


@pytest.mark.parametrize("heading", ["Order State", "Payment State", "Shipping State"])
def test_a_state_of_an_order_is_no_part_of_its_address(heading):
    found = recognise([*ADA, heading])
    assert found.roles["state"].name == "state"
    assert not found.ambiguous


def test_what_was_shipped_is_no_news_where_its_quantity_is_read(shop):
    cells = {"status": "Partially shipped", "quantity": 5, "quantity shipped": 4, "sku": "A"}
    with sk.BatchSession([{**ADA, **cells}], shipper=shop) as session:
        found = session.map(service="ground", defaults={"weight_lb": 2}).problems
    assert not found["code"].str.startswith("order_").any()


def test_an_ignored_column_reports_nothing(shop):
    assert problems(shop, "Order Status", "Cancelled", ignore=["Order Status"]) == []


def test_every_tracking_number_of_a_large_file_counts(shop):
    rows = pd.DataFrame([ADA]).loc[lambda f: f.index.repeat(100_002)].reset_index(drop=True)
    rows["order id"] = rows.index.astype(str)
    rows["Tracking Number"] = "1Z" + rows.index.astype(str)
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(service="ground", defaults={"weight_lb": 2})
        assert (session.problems["code"] == "order_state").sum() == 100_002


def test_a_template_does_not_hide_a_cancelled_order(shop):
    with sk.BatchSession([ADA], shipper=shop) as session:
        template = session.map(service="ground", defaults={"weight_lb": 2}).template
    found = problems(shop, "Order Status", "Cancelled", template=template)
    assert found == [(1, "cancelled", "error")]


def test_any_line_of_an_order_counts(shop):
    rows = [
        {**ADA, "sku": "MUG", "Do Not Ship": None},
        {**ADA, "sku": "PAINT", "Do Not Ship": "yes"},
    ]
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(service="ground", defaults={"weight_lb": 2})
        assert [(p.row_number, state_named(p)) for p in session.problems.itertuples()] == [
            (1, "not_ready")
        ]


@pytest.mark.parametrize(
    ("heading", "cells"),
    [
        ("Lead Source", ["Returned", "New", "Active"]),
        ("Bottle", ["Returned", "New", "Returned"]),
        ("Delivery Slot", ["Scheduled", "Standard", ""]),
        ("Edition", ["Draft", "New", "Approved"]),
        ("Model", ["Void", "Draft", "Open"]),
        ("ID Check", ["Verified", "Unverified", "Verified"]),
        ("Blend", ["Pickup", "Standard", "New"]),
        ("Tag", ["Refund", "VIP", ""]),
    ],
)
def test_a_column_of_other_things_is_none_of_states(shop, heading, cells):
    people = [ADA, BO, {**BO, "order_id": "C-9", "name": "Cy Lee", "address": "9 Oak St"}]
    rows = [{**row, heading: cell} for row, cell in zip(people, cells, strict=True)]
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(service="ground", defaults={"weight_lb": 2})
        codes = set(session.problems.code)
    assert not {code for code in codes if code.startswith("order_") and "line" not in code}
