"""Orders as the APIs of shops answer with them, in one list of objects."""

from __future__ import annotations

import copy

import pytest

import shipkit as sk
from shipkit.orders.source.record_rows import flattened, orders_within, with_item_lines

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
        return session.layout and session.layout.name, row, codes


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


def test_a_list_of_one_is_an_object():
    one = {"id": 1, "shipping_addresses": [{"city": "Boston"}]}
    none = {"id": 2, "shipping_addresses": []}
    assert with_item_lines([one, none])[0] == [
        {"id": 1, "shipping_address": {"city": "Boston"}},
        none,
    ]
    two = {"id": 3, "shipping_addresses": [{"city": "Boston"}, {"city": "Austin"}]}
    of_two = with_item_lines([one, two])[0]
    assert of_two == [{"id": 1, "shipping_address": {"city": "Boston"}}, two], "its row waits"
    gone = {"fulfillments": [{"status": "success", "tracking_number": "1Z"}]}
    assert with_item_lines([gone])[0] == [gone], "a parcel that Shopify sent, and no way to send it"


PAYER = {"city": "Miami", "state": "FL", "zip": "33101", "country_iso2": "US"}
BIGCOMMERCE = {
    "id": 101,
    "status_id": 11,
    "status": "Awaiting Fulfillment",
    "items_total": 3,
    "items_shipped": 0,
    "ebay_order_id": "0",
    "billing_address": {"first_name": "Pay", "last_name": "Er", "street_1": "9 Pay St"} | PAYER,
    "shipping_addresses": [
        {"first_name": "Ada", "last_name": "Lee", "street_1": "1 Main St", "street_2": "Apt 4"}
        | {"city": "Boston", "state": "Massachusetts", "zip": "02134", "country_iso2": "US"}
    ],
    "products": [
        {"id": 7, "order_id": 101, "sku": "MUG", "quantity": 2, "weight": "1.5000"},
        {"id": 8, "order_id": 101, "sku": "TEE", "quantity": 1, "weight": "0.5000"},
    ],
}
ETSY = {
    "receipt_id": 3001,
    "name": "Ada Lee",
    "first_line": "1 Main St",
    "second_line": "Apt 4",
    "city": "Boston",
    "state": "MA",
    "zip": "02134",
    "country_iso": "US",
    "status": "Paid",
    "is_paid": True,
    "is_shipped": False,
    "shipments": [],
    "transactions": [
        {"transaction_id": 9, "sku": "MUG", "quantity": 2, "is_digital": False}
        | {"price": {"amount": 1000, "divisor": 100, "currency_code": "USD"}},
        {"transaction_id": 10, "sku": "PDF", "quantity": 1, "is_digital": True},
    ],
}
SQUARE = {
    "id": "CAISEN82",
    "location_id": "L1",
    "state": "OPEN",
    "line_items": [
        {"uid": "u1", "name": "Mug", "quantity": "2"}
        | {"base_price_money": {"amount": 1000, "currency": "USD"}}
    ],
    "fulfillments": [
        {
            "type": "SHIPMENT",
            "state": "PROPOSED",
            "shipment_details": {
                "recipient": {
                    "display_name": "Ada Lee",
                    "address": {
                        "address_line_1": "1 Main St",
                        "address_line_2": "Apt 4",
                        "locality": "Boston",
                        "administrative_district_level_1": "MA",
                        "postal_code": "02134",
                        "country": "US",
                    },
                }
            },
        }
    ],
}
_ASSIGNED = {
    "firstname": "Ada",
    "lastname": "Lee",
    "street": ["1 Main St", "Apt 4"],
    "city": "Boston",
    "region_code": "MA",
    "postcode": "02134",
    "country_id": "US",
}
MAGENTO = {
    "increment_id": "000000101",
    "state": "processing",
    "status": "processing",
    "weight": 3,
    "billing_address": {"firstname": "Pay", "street": ["9 Pay St"], "postcode": "33101"},
    "items": [
        {"item_id": 1, "sku": "MUG-R", "qty_ordered": 2, "weight": 1.5, "row_weight": 3},
        {"item_id": 2, "parent_item_id": 1, "sku": "MUG-R", "qty_ordered": 2}
        | {"weight": 1.5, "row_weight": 0},
    ],
    "extension_attributes": {
        "shipping_assignments": [{"shipping": {"address": _ASSIGNED, "method": "flatrate"}}]
    },
}
EBAY = {
    "orderId": "11-22222-33333",
    "orderFulfillmentStatus": "NOT_STARTED",
    "orderPaymentStatus": "PAID",
    "cancelStatus": {"cancelState": "NONE_REQUESTED"},
    "buyer": {
        "buyerRegistrationAddress": {
            "fullName": "Pay Er",
            "contactAddress": {"addressLine1": "9 Pay St", "city": "Miami", "postalCode": "33101"},
        }
    },
    "fulfillmentStartInstructions": [
        {
            "fulfillmentInstructionsType": "SHIP_TO",
            "shippingStep": {
                "shipTo": {
                    "fullName": "Ada Lee",
                    "contactAddress": {
                        "addressLine1": "1 Main St",
                        "addressLine2": "Apt 4",
                        "city": "Boston",
                        "stateOrProvince": "MA",
                        "postalCode": "02134",
                        "countryCode": "US",
                    },
                }
            },
        }
    ],
    "lineItems": [{"lineItemId": "1", "sku": "MUG", "quantity": 2}],
}
AMAZON = {
    "AmazonOrderId": "902-1",
    "OrderStatus": "Unshipped",
    "FulfillmentChannel": "MFN",
    "NumberOfItemsUnshipped": 3,
    "ShippingAddress": {
        "Name": "Ada Lee",
        "AddressLine1": "1 Main St",
        "AddressLine2": "Apt 4",
        "City": "Boston",
        "StateOrRegion": "MA",
        "PostalCode": "02134",
        "CountryCode": "US",
        "AddressType": "Residential",
    },
    "OrderItems": [
        {"OrderItemId": "1", "SellerSKU": "MUG", "QuantityOrdered": 2, "QuantityShipped": 0}
    ],
}
CONSIGNMENTS = {
    **{key: value for key, value in BIGCOMMERCE.items() if key != "shipping_addresses"},
    "consignments": [{"pickups": [], "shipping": BIGCOMMERCE["shipping_addresses"]}],
}
WALMART = {
    "purchaseOrderId": "1796277083022",
    "customerOrderId": "5281956426648",
    "shippingInfo": {
        "phone": "2125550142",
        "methodCode": "Standard",
        "postalAddress": {
            "name": "Ada Lee",
            "address1": "1 Main St",
            "address2": "Apt 4",
            "city": "Boston",
            "state": "MA",
            "postalCode": "02134",
            "country": "USA",
        },
    },
    "orderLines": {
        "orderLine": [
            {
                "lineNumber": "1",
                "item": {"productName": "Mug", "sku": "MUG"},
                "orderLineQuantity": {"unitOfMeasurement": "EACH", "amount": "2"},
                "orderLineStatuses": {"orderLineStatus": [{"status": "Acknowledged"}]},
            }
        ]
    },
}
WIX = {
    "id": "5d1",
    "number": "10001",
    "status": "APPROVED",
    "paymentStatus": "PAID",
    "fulfillmentStatus": "NOT_FULFILLED",
    "weightUnit": "KG",
    "lineItems": [
        {"id": "1", "quantity": 2, "physicalProperties": {"weight": 0.5, "shippable": True}}
    ],
    "shippingInfo": {
        "title": "Standard",
        "logistics": {
            "shippingDestination": {
                "address": {
                    "country": "US",
                    "subdivision": "US-MA",
                    "city": "Boston",
                    "postalCode": "02134",
                    "addressLine1": "1 Main St",
                    "addressLine2": "Apt 4",
                },
                "contactDetails": {"firstName": "Ada", "lastName": "Lee"},
            }
        },
    },
    "billingInfo": {
        "address": {**PLACE, "addressLine1": "9 Pay St", "postalCode": "10001"},
        "contactDetails": {"firstName": "Pay", "lastName": "Er"},
    },
}
TIKTOK = {
    "id": "576461413038785752",
    "status": "AWAITING_SHIPMENT",
    "shipping_type": "SELLER",
    "recipient_address": {
        "name": "Ada Lee",
        "address_line1": "1 Main St",
        "address_line2": "Apt 4",
        "postal_code": "02134",
        "region_code": "US",
        "full_address": "1 Main St, Apt 4, Boston",
        "district_info": [
            {"address_level_name": "State", "address_name": "Massachusetts"},
            {"address_level_name": "City", "address_name": "Boston"},
        ],
    },
    "line_items": [{"id": "1", "sku_id": "1729", "seller_sku": "MUG"}],
}
SHOPWARE = {
    "orderNumber": "10001",
    "billingAddress": {"street": "9 Pay St", "zipcode": "10001", "city": "New York"},
    "deliveries": [
        {
            "shippingOrderAddress": {
                "firstName": "Ada",
                "lastName": "Lee",
                "street": "1 Main St",
                "zipcode": "02134",
                "city": "Boston",
                "additionalAddressLine1": "Apt 4",
                "country": {"iso": "US"},
                "countryState": {"shortCode": "US-MA"},
            }
        }
    ],
}
_OPTIONS = {"service": "ground", "defaults": {"weight_lb": 2}}


@pytest.mark.parametrize(
    ("order", "name", "number", "pounds"),
    [
        (BIGCOMMERCE, "bigcommerce_api", "101", 3.5),
        (ETSY, "etsy_api", "3001", 2),
        (SQUARE, "square_api", "CAISEN82", 2),
        (MAGENTO, "magento_api", "000000101", 3),
        (EBAY, "ebay_api", "11-22222-33333", 2),
        (AMAZON, "amazon_api", "902-1", 2),
        (CONSIGNMENTS, "bigcommerce_api_consignments", "101", 3.5),
        (WALMART, "walmart_api", "1796277083022", 2),
        (WIX, "wix_api", "10001", 2.2046226),
        (TIKTOK, "tiktok_shop_api", "576461413038785752", 2),
        (SHOPWARE, None, "10001", 2),
    ],
)
def test_an_order_of_an_api_goes_to_its_recipient(shop, order, name, number, pounds):
    found, row, codes = shipped(shop, order, **_OPTIONS)
    assert (found, row["order_id"], len(row["parcels"])) == (name, number, 1)
    assert [row[part] for part in ("name", "address_line1", "address_line2", "city", "state")] == [
        *("Ada Lee", "1 Main St", "Apt 4", "Boston", "MA")
    ]
    assert (row["postal_code"], row["country"]) == ("02134", "US")
    assert row["parcels"][0]["weight_lb"] == pytest.approx(pounds)
    assert [code for code in codes if code[1] == "error"] == []


@pytest.mark.parametrize(
    ("order", "changes"),
    [
        (BIGCOMMERCE, {"status": "Cancelled"}),
        (BIGCOMMERCE, {"is_deleted": True}),
        (ETSY, {"status": "Canceled"}),
        (SQUARE, {"state": "CANCELED"}),
        (SQUARE, {"fulfillments": [{**SQUARE["fulfillments"][0], "state": "CANCELED"}]}),
        (SQUARE, {"fulfillments": [{**SQUARE["fulfillments"][0], "type": "PICKUP"}]}),
        (MAGENTO, {"state": "canceled", "status": "canceled"}),
        (EBAY, {"cancelStatus": {"cancelState": "CANCELED"}}),
        (EBAY, {"cancelStatus": {"cancelState": "IN_PROGRESS"}}),
        (AMAZON, {"OrderStatus": "Canceled"}),
        (AMAZON, {"OrderStatus": "Pending"}),
        (AMAZON, {"FulfillmentChannel": "AFN"}),
        (WIX, {"status": "CANCELED"}),
        (WIX, {"fulfillmentStatus": "PARTIALLY_FULFILLED"}),
        (TIKTOK, {"status": "CANCELLED"}),
        (TIKTOK, {"status": "UNPAID"}),
        (TIKTOK, {"shipping_type": "TIKTOK"}),
    ],
)
def test_an_order_of_an_api_that_is_not_to_be_shipped_waits(shop, order, changes):
    codes = shipped(shop, order, changes.items(), **_OPTIONS)[2]
    assert "error" in {severity for _, severity in codes}


@pytest.mark.parametrize(
    ("order", "changes"),
    [
        (BIGCOMMERCE, {"status": "Shipped"}),
        (ETSY, {"is_shipped": True}),
        (ETSY, {"shipments": [{"tracking_code": "940"}]}),
        (SQUARE, {"fulfillments": [{**SQUARE["fulfillments"][0], "state": "COMPLETED"}]}),
        (MAGENTO, {"state": "complete", "status": "complete"}),
        (EBAY, {"orderFulfillmentStatus": "FULFILLED"}),
        (AMAZON, {"OrderStatus": "Shipped"}),
        (WIX, {"fulfillmentStatus": "FULFILLED"}),
        (TIKTOK, {"status": "IN_TRANSIT"}),
    ],
)
def test_an_order_of_an_api_that_was_shipped_says_so(shop, order, changes):
    codes = shipped(shop, order, changes.items(), **_OPTIONS)[2]
    assert "shipped" in " ".join(code for code, _ in codes)


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (BIGCOMMERCE, "shipping_addresses"),
        (SQUARE, "fulfillments"),
        (EBAY, "fulfillmentStartInstructions"),
        (CONSIGNMENTS, "consignments"),
        (SHOPWARE, "deliveries"),
    ],
)
def test_an_order_to_two_addresses_waits_and_its_payer_gets_nothing(shop, order, field):
    twice = {**order, field: [*order[field], *order[field]]}
    with sk.BatchSession([twice], shipper=shop) as session:
        session.map(**_OPTIONS)
        [row] = session._planner.normalized()[0].to_pylist()
        waiting = session.problems.query("severity == 'error'")
    assert row["address_line1"] is None
    assert "ship_to.address_line1" in {*waiting["field"]}


def test_orders_of_bigcommerce_with_links_in_place_of_addresses_are_refused(shop):
    links = {name: {"url": "https://shop.example", "resource": "/orders/101"} for name in LINKED}
    with pytest.raises(sk.errors.LayoutError, match="behind a link"):
        sk.BatchSession([{**BIGCOMMERCE, **links}], shipper=shop)


LINKED = ("products", "shipping_addresses")


def test_prices_in_cents_are_read_in_dollars():
    headings, [etsy, _] = flattened(with_item_lines([ETSY])[0])
    assert etsy[headings.index("transaction.price.amount")] == "10.00"
    headings, [square] = flattened(with_item_lines([SQUARE])[0])
    assert square[headings.index("line_item.base_price_money.amount")] == "10.00"


@pytest.mark.parametrize(
    "answer",
    [
        {"orders": [ETSY, ETSY]},
        {"payload": {"Orders": [ETSY, ETSY], "NextToken": "x"}},
        {"data": {"orders": {"edges": [{"node": ETSY}, {"node": ETSY}], "pageInfo": {}}}},
        {"list": {"meta": {"totalCount": 2}, "elements": {"order": [ETSY, ETSY]}}},
    ],
)
def test_the_orders_of_an_answer_are_found(answer):
    assert orders_within(answer) == [ETSY, ETSY]


def test_an_order_with_its_items_is_one_order():
    assert orders_within(ETSY) == [ETSY]
    assert orders_within(WOOCOMMERCE) == [WOOCOMMERCE]


def test_lines_of_walmart_that_are_not_to_be_shipped_are_left_out(shop):
    [line] = WALMART["orderLines"]["orderLine"]
    gone = {**line, "orderLineStatuses": {"orderLineStatus": [{"status": "Cancelled"}]}}
    order = {**WALMART, "orderLines": {"orderLine": [line, gone]}}
    row = shipped(shop, order, service="ground", skus=[{"sku": "MUG", "weight_lb": 1.5}])[1]
    assert row["parcels"][0]["weight_lb"] == 3


def test_a_line_of_walmart_with_units_in_two_states_waits(shop):
    [line] = WALMART["orderLines"]["orderLine"]
    states = [{"status": "Shipped"}, {"status": "Acknowledged"}]
    order = {
        **WALMART,
        "orderLines": {"orderLine": [{**line, "orderLineStatuses": {"orderLineStatus": states}}]},
    }
    assert ("the units of a line have several states", "error") in shipped(shop, order, **_OPTIONS)[
        2
    ]


def test_orders_within_the_lists_of_walmart_are_found(shop):
    answer = {"list": {"meta": {"totalCount": 1}, "elements": {"order": [WALMART]}}}
    assert orders_within(answer) == [WALMART]
