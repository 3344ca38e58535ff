"""What headings mean: by whole words, never by a piece of one."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from shipkit.orders.columns import KIND, keys
from shipkit.orders.fields import column_kinds, recognise


@pytest.mark.parametrize(
    ("heading", "role", "unit"),
    [
        ("state", "state", None),
        ("Ship State", "state", None),
        ("Province", "state", None),
        ("ShipToState", "state", None),
        ("Recipient State/Province", "state", None),
        ("zip", "postal_code", None),
        ("Zipcode", "postal_code", None),
        ("ZIP Code", "postal_code", None),
        ("postcode", "postal_code", None),
        ("Postal Code", "postal_code", None),
        ("ship-postal-code", "postal_code", None),
        ("Delivery Postcode", "postal_code", None),
        ("Postcode (Shipping)", "postal_code", None),
        ("address1", "address_line1", None),
        ("Address Line 1", "address_line1", None),
        ("street", "address_line1", None),
        ("Shipping Address1", "address_line1", None),
        ("ship_address_2", "address_line2", None),
        ("Recipient Address Town/City", "city", None),
        ("Consignee", "name", None),
        ("recipient_name", "name", None),
        ("Ship To Name", "name", None),
        ("Company Name", "company", None),
        ("ship-phone-number", "phone", None),
        ("Email Address", "email", None),
        ("weight_oz", "weight", "oz"),
        ("Weight (kg)", "weight", "kg"),
        ("weight_lb", "weight", "lb"),
        ("Package Weight (lbs)", "weight", "lb"),
        ("Weight in grams", "weight", "g"),
        ("grams", "weight", "g"),
        ("Weight", "weight", None),
        ("length_cm", "length", "cm"),
        ("Box Height (in)", "height", "in"),
        ("WeightOz", "weight", "oz"),
        ("ship_mode", "service", None),
        ("Shipping Method", "service", None),
        ("service", "service", None),
        ("Ship Method", "service", None),
        ("ship-service-level", "service", None),
        ("Order ID", "order_id", None),
        ("Order #", "order_id", None),
        ("order-number", "order_id", None),
        ("is_residential", "residential", None),
        ("Shipping", "shipping_amount", None),
        ("order_total", "order_total", None),
        ("Order Date", "order_date", None),
        ("Lineitem quantity", "quantity", None),
        ("State: 2 letters", "state", None),
        ("ZIP - 5 digits", "postal_code", None),
        ("5-digit ZIP", "postal_code", None),
        ("City = required", "city", None),
        ("<b>State</b>", "state", None),
        ("Weight [lb] (gross)", "weight", "lb"),
        ("Weight (gross)", "weight", None),
        ("Weight (lb) (see help)", "weight", "lb"),
        ("Delivery Address/State/State Code", "state", None),
        ("How many would you like?", "quantity", None),
        ("Qty wanted", "quantity", None),
        ("Length (in)\n[in capitals]", "length", "in"),
        ("Dimensions", "dimensions", None),
        ("L x W x H (cm)", "dimensions", "cm"),
    ],
)
def test_a_heading_is_recognised_by_its_whole_words(heading, role, unit):
    found = recognise([heading]).roles
    assert {(m.role, m.unit) for m in found.values()} == {(role, unit)}


@pytest.mark.parametrize(
    "heading",
    [
        "statement",
        "estate",
        "Real Estate",
        "order_totals_note",
        "weightless",
        "Billing Zip",
        "Sender City",
        "From Name",
        "Return Address",
        "Ship From Zip",
        "Bill To Name",
        "Payment Method",
        "Tax State",
        "Item Weight (lb)",
        "Product Name Length",
        "capacity",
        "interstate",
        "Store Phone",
        "Warehouse City",
        "service_notes",
        "Order Item ID",
        "zipper",
        "Shipping Weight Class",
        "Country of Origin",
        "Dimensional Weight",
        "Weight (max)",
        "Weight (lb) (each)",
        "Number of Items",
        "City - Code",
        "Name: code",
        "Billing Zip: 5 digits",
    ],
)
def test_a_heading_that_only_looks_like_a_recipient_field_is_left_alone(heading):
    taken = {
        role
        for role in recognise([heading]).roles
        if role
        in {
            "state",
            "postal_code",
            "city",
            "name",
            "phone",
            "address_line1",
            "weight",
            "service",
            "order_id",
            "country",
            "length",
        }
    }
    assert taken == set()


def test_the_recipient_is_preferred_over_nobody_and_nobody_over_the_buyer():
    found = recognise(["Buyer Zip", "Zip", "Ship To Zip"]).roles
    assert found["postal_code"].name == "Ship To Zip"
    assert recognise(["Buyer Name", "Recipient Name"]).roles["name"].name == "Recipient Name"
    assert recognise(["Customer Name"]).roles["name"].name == "Customer Name"


def test_two_columns_that_fit_equally_are_a_question():
    found = recognise(["Zip", "Postal Code", "City"])
    assert "postal_code" not in found.roles
    assert found.ambiguous == {"postal_code": ["Zip", "Postal Code"]}


def test_a_bare_name_next_to_a_buyers_name_is_a_question():
    found = recognise(["Name", "Customer Name", "City"])
    assert found.ambiguous == {"name": ["Name", "Customer Name"]}
    assert recognise(["Name", "City"]).roles["name"].name == "Name"


def test_two_weights_in_two_units_are_a_question():
    assert recognise(["Package Weight (lb)", "Shipping Weight (kg)"]).ambiguous == {
        "weight": ["Package Weight (lb)", "Shipping Weight (kg)"]
    }


def test_one_weight_in_two_systems_is_read_from_one_and_compared_with_the_other():
    found = recognise(["Package Weight (lb)", "Package Weight (kg)"])
    assert not found.ambiguous
    assert {role: match.unit for role, match in found.roles.items()} == {
        "weight": "kg",
        "weight_part": "lb",
    }


def test_pounds_and_ounces_are_two_parts_of_one_weight():
    found = recognise(["Package Weight (oz)", "Package Weight (lb)"])
    assert not found.ambiguous
    assert {role: match.unit for role, match in found.roles.items()} == {
        "weight": "lb",
        "weight_part": "oz",
    }
    apart = recognise(["Package Weight (lb)", "Shipping Weight (oz)"])
    assert set(apart.ambiguous) == {"weight"}


def test_the_second_line_of_another_address_never_joins_the_recipients():
    headings = [
        "Buyer Address 1",
        "Buyer Address 2",
        "Buyer City",
        "Ship To Address 1",
        "Ship To City",
    ]
    assert "address_line2" not in recognise(headings).roles
    assert (
        "address_line2"
        not in recognise(["Address 1", "Address 2", "City", "Ship Address 1", "Ship City"]).roles
    )


def test_a_street_column_beside_numbered_lines_is_not_ambiguous():
    assert (
        recognise(["Shipping Street", "Shipping Address1", "Shipping Address2"])
        .roles["address_line1"]
        .name
        == "Shipping Address1"
    )


def test_state_is_preferred_over_region():
    assert recognise(["Region", "State"]).roles["state"].name == "State"


@pytest.mark.parametrize(
    ("file", "delimiter", "wanted"),
    [
        (
            "superstore_shipments_5009.csv",
            ",",
            {
                "order_id": "Order ID",
                "service": "ship_mode",
                "postal_code": "zip",
                "address_line1": "address1",
                "state": "state",
            },
        ),
        (
            "exports/shopify_orders_export.csv",
            ",",
            {
                "postal_code": "Shipping Zip",
                "name": "Shipping Name",
                "state": "Shipping Province",
                "service": "Shipping Method",
                "shipping_amount": "Shipping",
            },
        ),
        (
            "exports/amazon_new_orders_report.tsv",
            "\t",
            {
                "order_id": "order-id",
                "name": "recipient-name",
                "phone": "ship-phone-number",
                "service": "ship-service-level",
            },
        ),
        (
            "exports/ebay_us_orders.csv",
            ",",
            {
                "order_id": "Order Number",
                "postal_code": "Ship To Zip",
                "service": "Shipping Service",
            },
        ),
        (
            "exports/etsy_sold_orders.csv",
            ",",
            {
                "name": "Full Name",
                "address_line1": "Street 1",
                "city": "Ship City",
                "postal_code": "Ship Zipcode",
            },
        ),
        (
            "exports/pirateship_import_header.csv",
            ",",
            {
                "address_line1": "Address",
                "address_line2": "Address Line 2",
                "weight": "Package Weight",
            },
        ),
        (
            "exports/woocommerce_advanced_header.csv",
            ",",
            {
                "first_name": "First Name (Shipping)",
                "postal_code": "Postcode (Shipping)",
                "order_id": "Order Number",
            },
        ),
        (
            "exports/usps_click_n_ship_header.csv",
            ",",
            {
                "postal_code": "Recipient ZIP Code",
                "first_name": "Recipient First Name",
                "city": "Recipient Address Town/City",
            },
        ),
    ],
)
def test_headings_of_real_files_are_recognised(shared: Path, file, delimiter, wanted):
    with (shared / "orders" / file).open(encoding="utf-8-sig", newline="") as lines:
        headings = next(csv.reader(lines, delimiter=delimiter))
    found = {role: match.name for role, match in recognise(headings).roles.items()}
    assert {role: found.get(role) for role in wanted} == wanted
    assert not any("Billing" in name or "Sender" in name for name in found.values())


def test_keys_are_unique_snake_case_and_keep_clear_of_system_columns():
    assert keys(
        ["Ship City", "ship-city", "SHIP CITY", "row_number", "2nd line", "", "Straße"]
    ) == [
        "ship_city",
        "ship_city_2",
        "ship_city_3",
        "row_number_2",
        "column_2nd_line",
        "column_6",
        "straße",
    ]


def test_codes_are_text_whatever_they_hold_and_measures_are_numbers():
    assert column_kinds(
        [
            "zip",
            "Billing Zip",
            "Phone",
            "Order Number",
            "Transaction ID",
            "weight",
            "Order Date",
            "Total",
            "residential",
            "comment",
        ]
    ) == [
        "text",
        "text",
        "text",
        "text",
        "text",
        "number",
        "date",
        "amount",
        "flag",
        None,
    ]
    assert set(KIND.values()) == {"text", "number", "date", "amount", "flag"}


@pytest.mark.parametrize(
    ("headings", "name"),
    [
        (["Order Ref", "Customer", "Address Line 1", "Town", "Postcode"], "Customer"),
        (["Kunde", "Straße", "PLZ", "Ort"], "Kunde"),
        (["Customer", "Name", "Address"], "Name"),
        (["Customer", "Ship To Address", "Ship To City"], None),  # who pays?
        (["Customer", "Company", "Address"], None),
    ],
)
def test_a_customer_is_the_recipient_where_no_other_column_names_one(headings, name):
    found = recognise(headings).roles.get("name")
    assert (found and found.name) == name


def test_what_a_record_is_called_is_no_street_next_to_its_parts():
    parts = [f"Delivery Address/{part}" for part in ("Street", "City", "Zip")]
    found = recognise(["Delivery Address", *parts])
    assert found.roles["address_line1"].name == "Delivery Address/Street"
    assert not found.ambiguous
    assert recognise(["Delivery Address", "City"]).roles["address_line1"].name == "Delivery Address"
