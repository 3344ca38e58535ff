"""Orders as the APIs of Shopify and WooCommerce answer with them, in one list of objects."""

from __future__ import annotations

import copy

import pytest

import shipkit as sk
from shipkit.orders.source.record_rows import with_item_lines

PLACE = {"city": "Boston", "country": "US"}
SHOPIFY = {
    "id": 450789469,
    "name": "#1001",
    "financial_status": "paid",
    "fulfillment_status": None,
    "total_weight": 1500,
    "shipping_address": {
        **PLACE,
        "name": "Ada Lee",
        "address1": "1 Main St",
        "province_code": "MA",
        "zip": "02134",
        "country_code": "US",
    },
    "line_items": [
        {"sku": "MUG", "quantity": 3, "current_quantity": 1, "fulfillable_quantity": 1}
        | {"grams": 500, "requires_shipping": True},
    ],
    "shipping_lines": [{"code": "ground", "title": "Standard"}],
}
WOOCOMMERCE = {
    "id": 727,
    "number": "A-727",
    "order_key": "wc_order_58d2d042d1d",
    "status": "processing",
    "billing": {"first_name": "Pay", "address_1": "9 Pay St", "phone": "2125550142"},
    "shipping": {
        **PLACE,
        "first_name": "Ada",
        "last_name": "Lee",
        "address_1": "1 Main St",
        "state": "MA",
        "postcode": "02134",
    },
    "line_items": [{"sku": "MUG", "quantity": 2}],
    "shipping_lines": [{"method_title": "Flat Rate", "method_id": "flat_rate"}],
    "refunds": [],
}


def shipped(shop, order, changes=(), **options):
    order = copy.deepcopy(order)
    for name, value in changes:
        order[name] = value
    with sk.BatchSession([order], shipper=shop) as session:
        session.map(**options)
        [row] = session._planner.normalized()[0].to_pylist()
        found = session.problems.itertuples()
        codes = [(p.problem if p.code == "order_state" else p.code, p.severity) for p in found]
        return session.layout.name, row, codes


def test_an_order_of_shopifys_api_weighs_what_is_left_of_it(shop):
    name, row, codes = shipped(shop, SHOPIFY)
    assert (name, row["order_id"], row["service"]) == ("shopify_api", "#1001", "ground")
    assert row["parcels"][0]["weight_lb"] == pytest.approx(
        1.1023, abs=1e-4
    )  # one mug, and not 1500 lb
    assert codes == [("quantity_reduced", "warning")]


def test_an_order_of_woocommerces_api_has_its_number_and_its_way(shop):
    options = {"service": "ground", "defaults": {"weight_lb": 2}}
    name, row, codes = shipped(shop, WOOCOMMERCE, **options)
    assert (name, row["order_id"], row["name"]) == ("woocommerce_api", "A-727", "Ada Lee")
    assert codes == []
    pickup = [("shipping_lines", [{"method_title": "Counter", "method_id": "local_pickup"}])]
    assert shipped(shop, WOOCOMMERCE, pickup, **options)[2] == [
        ("the order is picked up, not shipped", "error")
    ]
    refunded = [("refunds", [{"id": 1, "total": "-6.00"}])]
    assert shipped(shop, WOOCOMMERCE, refunded, **options)[2] == [
        ("money was refunded: the quantities may be too high", "warning")
    ]


def test_a_list_of_one_is_an_object_where_no_record_has_more():
    one = {"id": 1, "shipping_addresses": [{"city": "Boston"}]}
    lines, _, _ = with_item_lines([one, {"id": 2, "shipping_addresses": []}])
    assert [line["shipping_address"] for line in lines] == [{"city": "Boston"}, None]
    two = {"id": 3, "shipping_addresses": [{"city": "Boston"}, {"city": "Austin"}]}
    assert with_item_lines([one, two])[0] == [one, two]
