"""Lines that are sold and not shipped, in files of no known export."""

from __future__ import annotations

import pytest

import shipkit as sk

ORDER = {
    "Order Number": "1",
    "Name": "Ada Lee",
    "Street": "1 Main St",
    "City": "Boston",
    "State": "MA",
    "Zip": "02134",
}


@pytest.mark.parametrize(
    ("no", "yes"), [("no", "yes"), ("FALSE", "TRUE"), ("0", "1"), ("nein", "ja")]
)
def test_a_line_that_requires_no_shipping_is_left_out_and_counted(shop, no, yes):
    lines = [
        {"Requires Shipping": no, "SKU": "EBOOK", "Item weight (lb)": "5", "Quantity": "1"},
        {"Requires Shipping": yes, "SKU": "MUG", "Item weight (lb)": "2", "Quantity": "1"},
        {"Order Number": "2", "Requires Shipping": no, "SKU": "GIFT", "Quantity": "1"},
    ]
    session = sk.BatchSession([{**ORDER, **line} for line in lines], shipper=shop)
    session.map(service="ground")
    shipments = session.mapped()
    assert shipments["order_id"].tolist() == ["1"]
    assert shipments["weight_lb"].tolist() == [2.0]
    assert "2 lines sold but not shipped" in str(session.load_report)


def test_an_empty_cell_and_a_yes_are_shipped(shop):
    lines = [
        {"Requires Shipping": "", "Weight (lb)": "1"},
        {"Requires Shipping": "yes", "Weight (lb)": "1"},
    ]
    rows = [{**ORDER, "Order Number": str(place), **line} for place, line in enumerate(lines)]
    session = sk.BatchSession(rows, shipper=shop).map(service="ground")
    assert len(session.mapped()) == 2


@pytest.mark.parametrize(
    "heading",
    ["line_item.requires_shipping", "Line Item Requires Shipping", "is_shipping_required", "Ships"],
)
def test_the_flag_is_known_as_interfaces_write_it(shop, heading):
    rows = [{**ORDER, "Order Number": f"A-{no:g}", heading: no} for no in (0.0, 1.0)]
    session = sk.BatchSession(rows, shipper=shop).map(service="ground", defaults={"weight_lb": 2})
    assert session.mapped()["order_id"].tolist() == ["A-1"]
