"""Confirmation files of marketplaces: their lines, notes on what is left out, and refusals."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

import shipkit as sk
from shipkit.carriers.protocol import CarrierIdentity
from shipkit.errors import InputError, WriteBackError
from shipkit.outputs.writeback.marketplaces import the_format

TODAY = dt.datetime.now(ZoneInfo("America/Chicago")).date()
"""Where the shipper of these tests is."""
HOME = {
    "ship-address-1": "12 Marrow Creek Rd",
    "ship-city": "Austin",
    "ship-state": "TX",
    "ship-postal-code": "78704",
    "ship-country": "US",
}
PLACE = {
    "address1": "12 Marrow Creek Rd",
    "city": "Austin",
    "state": "TX",
    "zip": "78704",
    "weight_lb": 2,
}


def amazon(order, item, quantity="1", **cells):
    return {
        "order-id": order,
        "order-item-id": item,
        "purchase-date": "2026-11-01T10:50:49-08:00",
        "sku": "MUG-1",
        "product-name": "Mug",
        "quantity-purchased": quantity,
        "item-price": "12.50",
        "ship-service-level": "Standard",
        "recipient-name": "Ada Lee",
        **HOME,
        **cells,
    }


def ebay(order, item, **cells):
    return {
        "Sales Record Number": "1",
        "Order Number": order,
        "Buyer Username": "ada",
        "Ship To Name": "Ada Lee",
        "Ship To Address 1": "12 Marrow Creek Rd",
        "Ship To City": "Austin",
        "Ship To State": "TX",
        "Ship To Zip": "78704",
        "Ship To Country": "US",
        "Item Number": item,
        "Item Title": "Mug, blue",
        "Custom Label": "MUG-1",
        "Quantity": "1",
        "Transaction ID": "10000000000001",
        **cells,
    }


class Till(sk.SandboxCarrier):
    """The sandbox under the name of a live carrier: what a job looks like whose numbers count."""

    def __init__(self, **options):
        super().__init__(**options)
        self.identity = CarrierIdentity("ups", "live", "X12345")


@pytest.fixture
def sell(shop, tmp_path, monkeypatch):
    """Buy every order of a source with a carrier that counts as live, and return the session.

    A job without an orders file writes into the working directory, which is `tmp_path`.
    """
    monkeypatch.chdir(tmp_path)
    made = []

    def run(source, *, where=None, carrier=None, **told):
        session = sk.BatchSession(source, shipper=shop, carrier=carrier or Till())
        made.append(session)
        if where:
            session.where(where)
        session.map(**{"service": "ground", "defaults": {"weight_lb": 2}, **told})
        session.preview()
        session.approve()
        session.execute(progress=False)
        return session

    yield run
    for session in made:
        session.close()


def lines(written, delimiter=","):
    with Path(written).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def numbers(session):
    return session.results()["tracking_number"].tolist()


# -- lines of the file -----------------------------------------------------------------------------


def test_amazon_gets_each_item_of_each_order_with_its_quantity(sell, tmp_path):
    path = tmp_path / "report.csv"
    pd.DataFrame(
        [
            amazon("123-4567890-0000001", "11111111111111", "2"),
            amazon("123-4567890-0000001", "22222222222222"),
            amazon("123-4567890-0000002", "33333333333333"),
        ]
    ).to_csv(path, index=False)
    session = sell(path)
    written = session.write_back(layout="amazon")
    first, second = numbers(session)
    assert (written.path, written.lines, written.shipments, written.notes) == (
        tmp_path / "report_amazon_confirmation.txt",
        3,
        2,
        (),
    )
    assert lines(written, "\t") == [
        [
            "order-id",
            "order-item-id",
            "quantity",
            "ship-date",
            "carrier-code",
            "carrier-name",
            "tracking-number",
            "ship-method",
        ],
        [
            "123-4567890-0000001",
            "11111111111111",
            "2",
            TODAY.isoformat(),
            "UPS",
            "",
            first,
            "Ground",
        ],
        [
            "123-4567890-0000001",
            "22222222222222",
            "1",
            TODAY.isoformat(),
            "UPS",
            "",
            first,
            "Ground",
        ],
        [
            "123-4567890-0000002",
            "33333333333333",
            "1",
            TODAY.isoformat(),
            "UPS",
            "",
            second,
            "Ground",
        ],
    ]


def test_amazon_gets_whole_orders_if_the_orders_have_no_items(sell):
    place = {name: cell for name, cell in PLACE.items() if name != "weight_lb"}
    row = {"order_id": "123-4567890-0000001", "name": "Ada Lee", **place, "quantity": 2}
    session = sell([{**row, "package_weight_lb": 2}])
    assert lines(session.write_back(layout="amazon"), "\t")[1][:3] == [
        "123-4567890-0000001",
        "",
        "",
    ]


def test_amazon_gets_no_item_that_its_report_lists_as_shipped_already(sell):
    rows = [
        amazon("123-4567890-0000001", "11111111111111", "2", **{"quantity-to-ship": "0"}),
        amazon("123-4567890-0000001", "22222222222222", "3", **{"quantity-to-ship": "2"}),
    ]
    session = sell(rows)
    assert session.layout.name == "amazon_unshipped_orders"
    assert [line[1:3] for line in lines(session.write_back(layout="amazon"), "\t")[1:]] == [
        ["22222222222222", "2"]
    ]


def test_ebay_gets_item_numbers_below_its_first_line(sell):
    session = sell([ebay("01-00001-00001", "110000000001"), ebay("01-00001-00002", "110000000002")])
    first, second = numbers(session)
    written = session.write_back(layout="ebay")
    assert lines(written) == [
        ["#INFO"],
        [
            "Shipping Status",
            "Order Number",
            "Item Number",
            "Item Title",
            "Custom Label",
            "Transaction ID",
            "Shipping Carrier Used",
            "Tracking Number",
        ],
        [
            "Shipped",
            "01-00001-00001",
            "110000000001",
            "Mug, blue",
            "MUG-1",
            "10000000000001",
            "UPS",
            first,
        ],
        [
            "Shipped",
            "01-00001-00002",
            "110000000002",
            "Mug, blue",
            "MUG-1",
            "10000000000001",
            "UPS",
            second,
        ],
    ]


def test_the_line_of_an_ebay_order_without_an_item_number_is_not_an_item(sell):
    session = sell(
        [
            ebay("01-1", None, **{"Item Title": None}),
            ebay("01-1", "110000000001"),
            ebay("01-1", "110000000002"),
        ]
    )
    assert [line[2] for line in lines(session.write_back(layout="ebay"))[2:]] == [
        "110000000001",
        "110000000002",
    ]


def test_woocommerce_gets_every_parcel_and_a_note_on_the_date_format(sell):
    session = sell(
        [
            {"order_id": "501", "name": "Ada Lee", **PLACE, "weight_lb": 90},
            {"order_id": "502", "name": "Bo Finch", **PLACE},
        ],
        parcels="max 40 lb",
    )
    told = session.results()["tracking_numbers"].tolist()
    written = session.write_back(layout="woocommerce")
    day = TODAY.strftime("%m-%d-%Y")
    assert len(told[0]) == 3
    assert lines(written)[1:] == [
        *(["501", "UPS", number, day, "1", ""] for number in told[0]),
        ["502", "UPS", told[1][0], day, "1", ""],
    ]
    assert written.notes == ("Dates are MM-DD-YYYY: choose that format at the upload.",)


def test_a_return_label_is_no_shipment_of_its_order(sell):
    rows = [
        {"order_id": "501", "name": "Ada Lee", **PLACE},
        {"order_id": "502", "name": "Bo Finch", **PLACE},
    ]
    session = sell(rows, returns="with_each")
    session.void("row_number = 12")
    assert len(session.results()) == 4
    assert [
        [line[0], line[2], line[4]] for line in lines(session.write_back(layout="woocommerce"))[1:]
    ] == [
        ["501", numbers(session)[0], "1"],
        ["502", numbers(session)[1], "1"],
    ]


def test_an_order_with_a_voided_shipment_is_partially_shipped(sell):
    row = {
        "Name": "Ada Lee",
        "Address": "1 Main St",
        "Address Line 2": None,
        "City": "Boston",
        "State": "MA",
        "Zipcode": "02134",
        "Country": "US",
        "Package Weight": 3,
        "Order ID": "501",
        "Rubber Stamp 1": None,
    }
    session = sell([row, {**row, "Package Weight": 4}, {**row, "Order ID": "502"}])
    session.void("row_number = 2")
    assert [(line[0], line[4]) for line in lines(session.write_back(layout="woocommerce"))[1:]] == [
        ("501", "2"),
        ("502", "1"),
    ]


def test_shopify_gets_a_numbered_fulfilment_per_shipment_and_sends_no_mail(sell):
    row = {
        "Name": "Ada Lee",
        "Address": "1 Main St",
        "Address Line 2": None,
        "City": "Boston",
        "State": "MA",
        "Zipcode": "02134",
        "Country": "US",
        "Package Weight": 3,
        "Order ID": "#1001",
        "Rubber Stamp 1": None,
    }
    session = sell([row, {**row, "Package Weight": 4}, {**row, "Order ID": "#1002"}])
    first, second, third = numbers(session)
    assert lines(session.write_back(layout="shopify")) == [
        [
            "Name",
            "Command",
            "Line: Type",
            "Fulfillment: ID",
            "Fulfillment: Status",
            "Fulfillment: Tracking Company",
            "Fulfillment: Tracking Number",
            "Fulfillment: Send Receipt",
        ],
        *(
            [name, "UPDATE", "Fulfillment Line", nth, "success", "UPS", number, "FALSE"]
            for name, nth, number in (
                ("#1001", "1", first),
                ("#1001", "2", second),
                ("#1002", "1", third),
            )
        ),
    ]


def test_a_planned_ship_date_is_written_and_one_in_the_future_noted(sell):
    later = TODAY + dt.timedelta(days=2)
    session = sell(
        [{"order_id": "123-4567890-0000001", "name": "Ada Lee", **PLACE}], ship_date=later
    )
    written = session.write_back(layout="amazon")
    assert lines(written, "\t")[1][3] == later.isoformat()
    assert written.notes == (
        "1 shipment (row 1) with a ship date in the future: upload the file on that day.",
    )


# -- what is left out ------------------------------------------------------------------------------


def test_only_what_is_shipped_and_not_voided_is_written_and_the_rest_is_counted(sell):
    rows = [
        {"order_id": str(500 + n), "name": "Ada Lee", **PLACE, "weight_lb": 2 + n} for n in range(3)
    ]
    session = sell([*rows, {"order_id": "999", "name": "Bo Finch", **PLACE, "zip": "02134"}])
    session.void("order_id = '501'")
    written = session.write_back(layout="woocommerce")
    assert [line[0] for line in lines(written)[1:]] == ["500", "502"]
    assert "Not in the file because they were not shipped: 1 skipped, 1 voided." in written.notes
    session.void("order_id IN ('500', '502')")
    with pytest.raises(WriteBackError, match="nothing shipped"):
        session.write_back(layout="woocommerce")


def test_several_parcels_of_an_amazon_order_are_noted(sell):
    session = sell(
        [amazon("123-4567890-0000001", "11111111111111", weight_lb=90)], parcels="max 40 lb"
    )
    written = session.write_back(layout="amazon")
    assert [line[6] for line in lines(written, "\t")[1:]] == numbers(session)
    assert written.notes == (
        (
            "1 shipment (row 1) with several parcels: the file has the first tracking number, "
            "session.results() has all of them."
        ),
    )


def test_an_item_number_that_a_spreadsheet_damaged_is_left_out_and_noted(sell):
    written = sell([ebay("01-1", "1.1E+11"), ebay("01-2", "110000000002")]).write_back(
        layout="ebay"
    )
    assert [line[1] for line in lines(written)[2:]] == ["01-2"]
    assert "1 line (row 1) whose Item Number is not an item number of digits" in written.notes[0]
    assert "'1.1E+11'" in written.notes[0]


def test_an_apostrophe_before_a_number_is_not_part_of_it(sell):
    assert (
        lines(sell([ebay("01-1", "'110000000001")]).write_back(layout="ebay"))[2][2]
        == "110000000001"
    )


def test_a_heading_of_the_orders_with_the_name_of_a_column_in_use_does_no_harm(sell):
    rows = [
        {
            **ebay("01-1", "110000000001"),
            "shipment": "x",
            "number": "0",
            "left_out": "z",
            "c0": "w",
            "wrong": "v",
        }
    ]
    assert lines(sell(rows).write_back(layout="ebay"))[2][2] == "110000000001"


# -- what is refused -------------------------------------------------------------------------------


def test_the_numbers_of_a_sandbox_job_are_written_only_if_allowed(sell, tmp_path):
    path = tmp_path / "orders.csv"
    pd.DataFrame([{"order_id": "501", "name": "Ada Lee", **PLACE}]).to_csv(path, index=False)
    session = sell(path, carrier="sandbox")
    with pytest.raises(WriteBackError, match="not real") as refused:
        session.write_back(layout="woocommerce")
    assert "allow_test_numbers=True" in refused.value.fix
    assert sorted(found.name for found in tmp_path.glob("*.csv")) == ["orders.csv"]
    written = session.write_back(layout="woocommerce", allow_test_numbers=True)
    assert written.path == tmp_path / "orders_woocommerce_confirmation_SAMPLE.csv"
    assert lines(written)[1][1:3] == ["sandbox", *numbers(session)]
    assert "do not upload" in str(written)


def test_amazon_has_a_word_for_carriers_that_it_does_not_know(sell):
    session = sell(
        [{"order_id": "123-4567890-0000001", "name": "Ada Lee", **PLACE}], carrier="sandbox"
    )
    assert lines(session.write_back(layout="amazon", allow_test_numbers=True), "\t")[1][4:6] == [
        "Other",
        "sandbox",
    ]


def test_etsy_is_refused_with_what_to_do_instead(sell):
    session = sell([{"order_id": "3001", "name": "Ada Lee", **PLACE}])
    with pytest.raises(InputError, match="no file was found") as refused:
        session.write_back(layout="etsy")
    assert "Shop Manager" in refused.value.fix


def test_orders_of_another_shop_are_refused(sell):
    session = sell([{"order_id": "3001", "name": "Ada Lee", **PLACE}])
    with pytest.raises(WriteBackError, match="needs Item Number for each line"):
        session.write_back(layout="ebay")
    with pytest.raises(WriteBackError, match="not an Amazon order number"):
        session.write_back(layout="amazon")
    with pytest.raises(InputError, match="amazon, ebay, shopify, woocommerce"):
        session.write_back(layout="amazn")


def test_a_confirmation_is_never_written_into_the_orders_or_over_them(sell, tmp_path):
    path = tmp_path / "orders.csv"
    pd.DataFrame([{"order_id": "501", "name": "Ada Lee", **PLACE}]).to_csv(path, index=False)
    session, before = sell(path), path.read_bytes()
    for options in (
        {"in_place": True},
        {"columns": {"tracking_number": "T"}},
        {"dest": sk.Database("sqlite:///x.db", table="t")},
    ):
        with pytest.raises(InputError, match="columns of its own"):
            session.write_back(layout="woocommerce", **options)
    with pytest.raises(WriteBackError, match="orders file itself"):
        session.write_back(path, layout="woocommerce")
    with pytest.raises(InputError, match=r"is a \.txt file"):
        session.write_back(tmp_path / "x.csv", layout="amazon")
    with pytest.raises(WriteBackError, match="cannot be written"):
        session.write_back(tmp_path / "no" / "x.csv", layout="woocommerce")
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.glob("*.csv")] == ["orders.csv"]


def test_a_name_that_the_import_would_not_accept_is_noted(sell, tmp_path):
    session = sell([{"order_id": "#1001", "name": "Ada Lee", **PLACE}])
    assert (
        "needs the word Orders" in session.write_back(tmp_path / "x.csv", layout="shopify").notes[0]
    )
    assert session.write_back(tmp_path / "my-orders.csv", layout="shopify").notes == ()


# -- whole jobs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "layout", "first", "lines_expected"),
    [
        ("amazon_new_orders_report.tsv", "amazon", "123-4567890-1234567", 6),
        ("ebay_us_orders.csv", "ebay", "1-01", 1),
        ("shopify_orders_export.csv", "shopify", "#1001", 13),
        ("etsy_sold_orders.csv", None, "3001", 0),
    ],
)
def test_a_real_export_goes_through_a_whole_job_and_is_confirmed_by_a_reopened_one(
    shared, tmp_path, shop, sample, layout, first, lines_expected
):
    path = tmp_path / sample
    tab = "\t" if sample.endswith("tsv") else ","
    with (shared / "orders" / "exports" / sample).open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter=tab) if row]
    with path.open("w", encoding="utf-8", newline="") as file:  # a row of eBay's misses a cell
        csv.writer(file, delimiter=tab).writerows(
            [*row, *[""] * (len(rows[0]) - len(row))] for row in rows
        )
    session = sk.BatchSession(path, shipper=shop, carrier=Till())
    shipped = [name for name in ("tracking_number",) if name in session.columns]
    session.map(service="ground", defaults={"weight_lb": 2}, ignore=shipped)  # sold again here
    session.edit(
        "true",
        name="Ada Lee",
        address_line1="12 Marrow Creek Rd",
        city="Austin",
        state="TX",
        postal_code="78704",
        country="US",
    )  # the samples' addresses are made up
    session.preview()
    session.approve()
    result = session.execute(progress=False)
    session.close()
    path.unlink()  # the job has all that it needs
    with sk.BatchSession.open(result.job_id) as again:
        if layout is None:
            with pytest.raises(InputError, match="Etsy"):
                again.write_back(layout="etsy")
            return
        written = again.write_back(layout=layout)
        shipped = again.results("shipped")
        made = lines(written, the_format(layout).delimiter)[
            2 if the_format(layout).first_line else 1 :
        ]
        headings = [column.heading for column in the_format(layout).columns]
        told = [dict(zip(headings, line, strict=True)) for line in made]
    number = next(
        column.heading for column in the_format(layout).columns if column.fact == "tracking_number"
    )
    assert list(dict.fromkeys(line[number] for line in told)) == shipped["tracking_number"].tolist()
    assert (len(told), written.shipments) == (lines_expected, result.shipped)
    assert first in told[0].values()
