"""Lines with nothing to ship are left out, however the export or a spreadsheet writes it."""

from __future__ import annotations

import pandas as pd
import pytest

import shipkit as sk

AMAZON = {
    "order-id": "111-1",
    "order-item-id": "10",
    "purchase-date": "2026-11-20",
    "sku": "MUG",
    "product-name": "Mug",
    "quantity-purchased": "1",
    "quantity-to-ship": "1",
    "recipient-name": "Ada Lee",
    "ship-address-1": "1 Main St",
    "ship-city": "Boston",
    "ship-state": "MA",
    "ship-postal-code": "02134",
    "ship-country": "US",
}
SHOPIFY = {
    "Name": "#1",
    "Financial Status": "paid",
    "Lineitem name": "Mug",
    "Lineitem quantity": "1",
    "Lineitem requires shipping": "true",
    "Shipping Name": "Ada Lee",
}


def shipped(rows, shop):
    """Return the layout and the row numbers of the orders that are shipped."""
    with sk.BatchSession(rows, shipper=shop) as session:
        orders = session._planner.orders
        found = orders.con.sql(f"SELECT row_number FROM {orders.orders.sql} ORDER BY 1").fetchall()
        return session.layout.name if session.layout else None, [number for (number,) in found]


@pytest.mark.parametrize("zero", ["0", "0.0", "0.00", "0,0", "-0", " 0 ", "0\t", "0\u00a0", ".0"])
def test_a_zero_in_any_spelling_is_nothing_to_ship(zero, shop):
    rows = [AMAZON, {**AMAZON, "order-id": "111-2", "quantity-to-ship": zero}]
    assert shipped(rows, shop) == ("amazon_unshipped_orders", [1])


def test_a_float_column_of_a_frame_has_zeros_too(shop):
    frame = pd.DataFrame([AMAZON, {**AMAZON, "order-id": "111-2"}])
    frame["quantity-to-ship"] = [1.0, 0.0]
    assert shipped(frame, shop) == ("amazon_unshipped_orders", [1])


@pytest.mark.parametrize("no", ["false", "FALSE ", "N", "f", "0.0", "Falsch", "FAUX", "nein"])
def test_no_in_any_spelling_needs_no_shipping(no, shop):
    rows = [SHOPIFY, {**SHOPIFY, "Name": "#2", "Lineitem requires shipping": no}]
    assert shipped(rows, shop) == ("shopify", [1])


@pytest.mark.parametrize("more", ["10", "0.5", "0-1", "1.0"])
def test_what_only_contains_a_zero_is_shipped(more, shop):
    rows = [AMAZON, {**AMAZON, "order-id": "111-2", "quantity-to-ship": more}]
    assert shipped(rows, shop) == ("amazon_unshipped_orders", [1, 2])


@pytest.mark.parametrize("mark", [" ", "_"])
def test_another_marketplace_with_the_same_words_is_not_taken_for_amazon(mark, shop):
    rows = [{heading.replace("-", mark): cell for heading, cell in AMAZON.items()}]
    assert shipped(rows, shop)[0] is None
