"""Orders of several lines become one shipment; what is not certain is a question."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shipkit as sk
from shipkit.errors import MappingError
from shipkit.models import Address
from shipkit.orders.packing import parcel_limit_lb

SHOP = Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    country="US",
    phone="2105550100",
)
PLACE = {
    "Ship Name": "Ada Lee",
    "Ship Address 1": "1 Main St",
    "Ship City": "Austin",
    "Ship State": "TX",
    "Ship Zip": "78701",
    "Service": "Ground",
}
SKUS = [
    {"sku": "MUG", "weight_oz": 12, "length_in": 5, "width_in": 5, "height_in": 4, "boxes": None},
    {"sku": "DESK", "weight_oz": 960, "length_in": 40, "width_in": 30, "height_in": 8, "boxes": 2},
]


def made(rows, shop=SHOP, **told):
    """Shipments, and (row, code, severity) of the problems, of lines mapped as told."""
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(**told)
        table, problems, _ = session._planner.normalized()
        return table.to_pylist(), [
            (p["row_number"], p["code"], p["severity"]) for p in problems.to_pylist()
        ]


def lines(heading, weights, quantities=None, **more):
    quantities = quantities or [1] * len(weights)
    first = {"Order ID": "A", **PLACE}
    return [
        {**(first if n == 0 else {"Order ID": "A"}), heading: weight, "Qty": quantity, **more}
        for n, (weight, quantity) in enumerate(zip(weights, quantities, strict=True))
    ]


def weights(rows):
    return [[parcel["weight_lb"] for parcel in row["parcels"]] for row in rows]


@pytest.mark.parametrize(
    ("heading", "told", "pounds"),
    [
        ("Item Weight (oz)", {}, 2.5),
        ("Item Weight (oz)", {"weights": "line"}, 1.5),
        ("Weight (oz)", {"weights": "unit"}, 2.5),
        ("Weight (oz)", {"weights": "line"}, 1.5),
    ],
)
def test_weights_of_units_are_multiplied_and_weights_of_lines_are_added(heading, told, pounds):
    rows, problems = made(lines(heading, [8, 16], [3, 1]), **told)
    assert (weights(rows), problems) == ([[pounds]], [])


def test_a_heading_that_names_the_whole_order_is_taken_once():
    rows, problems = made(lines("Total Weight (lb)", [5, 5, None]))
    assert (weights(rows), problems) == ([[5.0]], [])


def test_a_weight_that_may_be_of_unit_line_or_order_is_asked_for_orders_of_several_units_only():
    other = {"Order ID": "B", **PLACE, "Weight (lb)": 4, "Qty": 2}
    rows, problems = made([*lines("Weight (lb)", [5, 6]), {**other, "Qty": 1}])
    assert weights(rows) == [[None], [4.0]]
    assert problems == [(1, "weight_basis_unknown", "error")]
    _, problems = made([*lines("Weight (lb)", [5, 6]), other])
    assert problems == [
        (1, "weight_basis_unknown", "error"),
        (3, "weight_basis_unknown", "error"),
    ]
    rows, problems = made([*lines("Weight (lb)", [5, 6]), other], weights="unit")
    assert (weights(rows), problems) == ([[11.0], [8.0]], [])


def test_different_weights_of_one_whole_order_stop_it():
    _, problems = made(lines("Order Weight (lb)", [5, 6]))
    assert problems == [(1, "weight_of_order_differs", "error")]


def test_an_order_with_a_line_that_has_no_weight_has_none_and_says_which_line():
    with sk.BatchSession(lines("Item Weight (lb)", [5, None]), shipper=SHOP) as session:
        table, problems, _ = session._planner.normalized()
        assert weights(table.to_pylist()) == [[None]]
        (problem,) = problems.to_pylist()
        assert (problem["code"], problem["problem"]) == (
            "weight_missing_in_lines",
            "weight or quantity is missing in line 2, so the weight of the order is unknown",
        )


def test_a_unit_of_one_line_counts_for_an_order_of_one_line_too():
    rows, _ = made([{"Order ID": "A", **PLACE, "Item Weight (lb)": 2, "Qty": 3}])
    assert weights(rows) == [[6.0]]


def test_cells_with_their_own_unit_and_a_unit_column_are_read():
    rows, _ = made(lines("Weight", ["8 oz", "1 lb"]), weights="line")
    assert weights(rows) == [[1.5]]
    rows, _ = made(
        [
            {**row, "Weight Unit": unit}
            for row, unit in zip(lines("Weight", [8, 1]), ["oz", "lb"], strict=True)
        ],
        weights="line",
    )
    assert weights(rows) == [[1.5]]


def test_missing_weights_come_from_the_table_of_skus_and_that_is_shown():
    rows, problems = made(
        [
            {**row, "SKU": sku}
            for row, sku in zip(
                lines("Item Weight (oz)", [None, 4], [2, 1]), ["mug", "other"], strict=True
            )
        ],
        skus=SKUS,
    )
    assert weights(rows) == [[1.75]]
    assert problems == [(1, "weight_from_sku", "warning")]


def test_a_sku_that_the_table_does_not_have_is_named_and_the_order_has_no_weight():
    rows, problems = made([{**row, "SKU": "HAT"} for row in lines("Note", ["x"])], skus=SKUS)
    assert weights(rows) == [[None]]
    assert problems == [(1, "sku_unknown", "warning")]


def test_an_order_with_an_unknown_sku_has_no_weight_rather_than_that_of_its_other_lines():
    rows, problems = made(
        [
            {**row, "SKU": sku}
            for row, sku in zip(lines("Note", ["x", "y"]), ["MUG", "HAT"], strict=True)
        ],
        skus=SKUS,
    )
    assert weights(rows) == [[None]]
    assert problems == [(1, "sku_unknown", "warning")]


def test_goods_with_boxes_of_their_own_ship_in_them_and_the_rest_in_a_common_parcel():
    rows, _ = made(
        [
            {**row, "SKU": sku}
            for row, sku in zip(lines("Note", ["x", "y"], [1, 2]), ["DESK", "MUG"], strict=True)
        ],
        skus=SKUS,
    )
    assert [(p["weight_lb"], p["length_in"], p["description"]) for p in rows[0]["parcels"]] == [
        (1.5, None, None),
        (30.0, 40.0, "DESK"),
        (30.0, 40.0, "DESK"),
    ]


def test_a_single_unit_takes_its_dimensions_from_the_table():
    rows, _ = made([{**row, "SKU": "MUG"} for row in lines("Note", ["x"])], skus=SKUS)
    assert [(p["weight_lb"], p["length_in"], p["height_in"]) for p in rows[0]["parcels"]] == [
        (0.75, 5.0, 4.0)
    ]


@pytest.mark.parametrize(
    ("rule", "parcels"),
    [
        (None, [90.0]),
        ("one", [90.0]),
        ("max 40 lb", [30.0, 30.0, 30.0]),
        ("max 45 lb", [45.0, 45.0]),
        ("max 90 lb", [90.0]),
    ],
)
def test_a_heavy_order_is_split_into_equal_parcels(rule, parcels):
    rows, _ = made([{"Order ID": "A", **PLACE, "weight_lb": 90}], parcels=rule)
    assert weights(rows) == [parcels]


def test_a_split_keeps_every_cent_of_the_declared_value():
    rows, _ = made(
        [{"Order ID": "A", **PLACE, "weight_lb": 90, "Declared Value": "100.00"}],
        parcels="max 40 lb",
    )
    assert sorted(p["declared_value_cents"] for p in rows[0]["parcels"]) == [3333, 3333, 3334]


def test_a_template_with_several_parcels_has_the_last_word():
    template = (
        '{"ship_to": {"name": "A", "address_line1": "1 Main St", "city": "Austin", "state": "TX", '
        '"postal_code": "78701"}, "service": "ground", "parcels": [{"weight_lb": 80}, '
        '{"weight_lb": 1}]}'
    )
    rows, _ = made([{"Order ID": "A"}], template=template, parcels="max 40 lb")
    assert weights(rows) == [[80.0, 1.0]]


def test_the_template_that_says_the_same_reads_the_added_up_weight():
    rows = lines("Item Weight (oz)", [8, 16], [3, 1])
    with sk.BatchSession(rows, shipper=SHOP) as session:
        before = session._planner.normalized().table.to_pylist()
        session.map(session.template)
        assert "row.packed_weight_lb" in session.template
        assert session._planner.normalized().table.to_pylist() == before


def test_different_dimensions_of_lines_are_not_taken_for_the_parcel():
    rows, problems = made(lines("Item Weight (lb)", [1, 1], Length=10), weights="line")
    assert rows[0]["parcels"][0]["length_in"] == 10.0
    several = [
        {**row, "Length": size}
        for row, size in zip(lines("Item Weight (lb)", [1, 1]), [10, 12], strict=True)
    ]
    rows, problems = made(several, weights="line")
    assert rows[0]["parcels"][0]["length_in"] is None
    assert problems == [(1, "dimensions_differ", "warning")]


def test_customs_items_are_made_of_the_lines_abroad_only():
    abroad = {
        **PLACE,
        "Ship City": "Ottawa",
        "Ship State": "ON",
        "Ship Zip": "K2P 2L8",
        "Ship Country": "CA",
    }
    rows = [
        {
            "Order ID": "A",
            **abroad,
            "Item Name": "Mug",
            "Unit Price": "$12.50",
            "Qty": 2,
            "Item Weight (lb)": 1,
            "SKU": "M",
            "HS Code": "6912.00",
            "Country of Origin": "pt",
        },
        {
            "Order ID": "A",
            **dict.fromkeys(abroad),
            "Item Name": "Hat",
            "Unit Price": "$8.00",
            "Qty": 1,
            "Item Weight (lb)": 0.5,
            "SKU": "H",
            "HS Code": None,
            "Country of Origin": None,
        },
        {
            "Order ID": "B",
            **PLACE,
            "Ship Country": "US",
            "Item Name": "Mug",
            "Unit Price": "$1",
            "Qty": 1,
            "Item Weight (lb)": 1,
            "SKU": "M",
            "HS Code": None,
            "Country of Origin": None,
        },
    ]
    (first, second), _ = made(rows)
    assert second["customs"] is None
    assert [
        (
            i["description"],
            i["quantity"],
            i["unit_value_cents"],
            i["weight_lb"],
            i["sku"],
            i["hs_code"],
            i["origin_country"],
        )
        for i in first["customs"]["items"]
    ] == [
        ("Mug", 2, 1250, 1.0, "M", "6912.00", "PT"),
        ("Hat", 1, 800, 0.5, "H", None, None),
    ]
    assert first["customs"]["invoice_number"] == "A"


ABROAD = {
    **PLACE,
    "Ship City": "Ottawa",
    "Ship State": "ON",
    "Ship Zip": "K2P 2L8",
    "Ship Country": "CA",
    "weight_lb": 1,
}


def test_a_price_whose_meaning_is_not_certain_is_declared_only_of_one_piece():
    two, one = made(
        [
            {"Order ID": name, **ABROAD, "Item Name": "Mug", "Price": "$12.50", "Qty": count}
            for name, count in (("A", 2), ("B", 1))
        ]
    )[0]
    assert two["customs"] is None
    assert [(i["quantity"], i["unit_value_cents"]) for i in one["customs"]["items"]] == [(1, 1250)]


@pytest.mark.parametrize(
    ("shop", "places", "with_items"),
    [
        (
            SHOP,
            [
                ("APO", "AE", "09021", "US"),
                ("Hagåtña", "GU", "96910", "US"),
                ("Hagåtña", None, "96910", "Guam"),
                ("Charlotte Amalie", "VI", "00801", "US"),
                ("Koror", "PW", "96940", "US"),
            ],
            True,
        ),
        (
            SHOP,
            [("San Juan", "PR", "00901", "US")],
            True,
        ),  # a country, to the carrier of these tests
        (SHOP, [("Austin", "TX", "78701", "US")], False),
        (
            SHOP.model_copy(update={"state": "GU", "postal_code": "96910", "city": "Dededo"}),
            [("Austin", "TX", "78701", "US"), ("Ottawa", "ON", "K2P 2L8", "CA")],
            True,
        ),
        (
            SHOP.model_copy(update={"state": "GU", "postal_code": "96910", "city": "Dededo"}),
            [("Hagåtña", "GU", "96910", "US")],
            False,
        ),
    ],
)
def test_customs_items_are_made_where_us_mail_crosses_customs(shop, places, with_items):
    rows = [
        {
            "Order ID": f"A{n}",
            **PLACE,
            "Ship City": city,
            "Ship State": state,
            "Ship Zip": code,
            "Ship Country": country,
            "Item Name": "Mug",
            "Unit Price": "$12.50",
            "Qty": 2,
            "Item Weight (lb)": 1,
        }
        for n, (city, state, code, country) in enumerate(places)
    ]
    found, _ = made(rows, shop)
    items = [
        [i["description"] for i in (row["customs"] or {"items": ()})["items"]] for row in found
    ]
    assert items == [["Mug"] if with_items else []] * len(places)


def test_what_is_said_for_all_fills_customs_of_columns_and_of_templates_where_they_are_silent():
    goods = {"Order ID": "A", **ABROAD, "Item": "Mug", "Unit Value": "12.50"}
    said = {
        "duties_payer": "shipper",
        "customs_terms": "DDP",
        "customs_reason": "gift",
        "origin_country": "Portugal",
        "hs_code": "691200",
    }
    (row, other), _ = made(
        [{**goods, "Made In": None}, {**goods, "Order ID": "B", "Made In": "China"}], defaults=said
    )
    facts = {
        name: row["customs"][name] for name in ("reason", "duties_payer", "terms", "invoice_number")
    }
    assert facts == {
        "reason": "gift",
        "duties_payer": "shipper",
        "terms": "DDP",
        "invoice_number": "A",
    }
    assert [
        [(i["description"], i["origin_country"], i["hs_code"]) for i in r["customs"]["items"]]
        for r in (row, other)
    ] == [[("Mug", "PT", "691200")], [("Mug", "CN", "691200")]]
    template = """{
        "order_id": "A", "service": "standard",
        "ship_to": {"name": "A", "address_line1": "1 Main St", "city": "Ottawa", "state": "ON",
                    "postal_code": "K2P 2L8", "country": "CA"},
        "parcels": [{"weight_lb": 1}],
        "customs": {"reason": "sample", "items": [
            {"description": "Hat", "quantity": 2, "unit_value": "3", "origin_country": "IT"},
            {"description": "Cap", "quantity": 1, "unit_value": "4"}
        ]}
    }"""
    (drawn,), _ = made([goods], template=template, defaults=said)
    assert (
        drawn["customs"]["reason"],
        drawn["customs"]["duties_payer"],
        drawn["customs"]["terms"],
    ) == ("sample", "shipper", "DDP")
    assert [
        (i["description"], i["quantity"], i["unit_value_cents"], i["origin_country"])
        for i in drawn["customs"]["items"]
    ] == [("Hat", 2, 300, "IT"), ("Cap", 1, 400, "PT")]


def test_an_article_number_is_no_description_of_goods():
    number, name = made(
        [
            {"Order ID": order, **ABROAD, "Item": item, "Unit Price": "12.50"}
            for order, item in (("A", "A-1007/b"), ("B", "Mug"))
        ]
    )[0]
    assert number["customs"] is None
    assert [i["description"] for i in name["customs"]["items"]] == ["Mug"]


@pytest.mark.parametrize("text", ["Atlantis", "zz"])
def test_a_country_of_origin_that_is_none_is_kept_to_be_asked_about(text):
    (row,), _ = made(
        [
            {
                "Order ID": "A",
                **ABROAD,
                "Item Name": "Mug",
                "Unit Price": "12.50",
                "Country of Origin": text,
            }
        ]
    )
    assert row["customs"]["items"][0]["origin_country"] == text


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"defaults": {"duties_payer": "bank"}}, "duties_payer='bank'"),
        ({"defaults": {"origin_country": "Atlantis"}}, "origin_country='Atlantis'"),
        ({"defaults": {"origin_country": "ZZ"}}, "origin_country='ZZ'"),
        ({"weights": "box"}, "weights='box'"),
        ({"parcels": "40 lb"}, "parcels='40 lb'"),
        ({"skus": [{"sku": "A"}]}, "no column for the weight"),
        (
            {"skus": [{"sku": "A", "weight_lb": 1}, {"sku": "a ", "weight_lb": 2}]},
            "'A' is listed twice",
        ),
        ({"skus": [{"sku": "A", "weight_lb": 0}]}, "'A' must be greater than 0, not 0"),
        ({"skus": [{"sku": "A", "weight_lb": "heavy"}, {"sku": "B", "weight_lb": "2"}]}, "heavy"),
        ({"skus": "nowhere.csv"}, "nowhere.csv does not exist"),
    ],
)
def test_a_rule_or_table_that_cannot_be_used_is_refused(told, said):
    with sk.BatchSession(
        [{"Order ID": "A", **PLACE, "SKU": "A", "weight_lb": 1}], shipper=SHOP
    ) as session:
        session.map(**told)
        with pytest.raises(MappingError) as error:
            _ = session.template
        assert said in str(error.value)


@settings(max_examples=10 if settings.default.derandomize else 25, deadline=None)
@given(
    st.lists(
        st.tuples(st.decimals("0.01", "90", places=2), st.integers(1, 9)), min_size=1, max_size=6
    ),
    st.sampled_from(["unit", "line"]),
    st.sampled_from([None, 10, 33.5]),
)
def test_no_pound_is_lost_between_lines_and_parcels(goods, basis, limit):
    rows = lines(
        "Weight (lb)", [float(weight) for weight, _ in goods], [count for _, count in goods]
    )
    (row,), _ = made(rows, weights=basis, parcels=f"max {limit} lb" if limit else None)
    total = sum(weight * (count if basis == "unit" else 1) for weight, count in goods)
    assert sum(Decimal(repr(p["weight_lb"])) for p in row["parcels"]) == pytest.approx(
        total, rel=Decimal("1e-9")
    )
    if limit is not None and total > 200 * Decimal(str(limit)):
        assert len(row["parcels"]) == 1  # no shipment has more than 200: a problem of the row
    elif limit is not None:
        assert max(p["weight_lb"] for p in row["parcels"]) <= limit + 1e-9


def test_a_limit_may_be_said_in_other_units():
    assert parcel_limit_lb("max 10 kg") == pytest.approx(22.046, abs=1e-3)


@pytest.mark.parametrize(
    ("column", "papers"),
    [
        ({"Reason for Export": "Gift"}, {"reason": "gift"}),
        ({"Contents Type": "MERCHANDISE"}, {"reason": "sale"}),
        ({"Customs Reason": "Warranty repair"}, {"reason": "repair"}),
        ({"Export Reason": "Art"}, {"reason": "art"}),
        ({"Incoterms": "DDP"}, {"terms": "DDP", "duties_payer": "shipper"}),
        ({"Terms of Sale": "DDU"}, {"terms": "DAP", "duties_payer": "receiver"}),
        ({"Commercial Invoice Number": "INV-7"}, {"invoice_number": "INV-7"}),
        ({"Return Shipment": "Y"}, {"reason": "return"}),
        ({}, {"reason": "sale", "duties_payer": "receiver", "terms": None, "invoice_number": "A"}),
    ],
)
def test_columns_of_papers_are_in_the_papers(column, papers):
    """A column "Reason for Export" was passed over: each gift was declared as a sale."""
    goods = {"Order ID": "A", **ABROAD, "Item": "Mug", "Unit Value": "12.50", "Made In": "PT"}
    ((row,), problems) = made([goods | column])
    assert {name: row["customs"][name] for name in papers} == papers
    assert "column_not_understood" not in [code for _, code, _ in problems]


def test_lines_that_say_different_terms_are_a_question():
    goods = {"Order ID": "A", **ABROAD, "Item": "Mug", "Unit Value": "12.50", "Made In": "PT"}
    with sk.BatchSession(
        [goods | {"Incoterms": "DAP"}, goods | {"Incoterms": "DDP", "Item": "Hat"}], shipper=SHOP
    ) as session:
        assert "terms of sale" in " ".join(session.problems["problem"])


def test_terms_by_which_the_buyer_pays_for_the_transport_wait():
    goods = {"Order ID": "A", **ABROAD, "Item": "Mug", "Unit Value": "12.50", "Made In": "PT"}
    waits = {"EXW": True, "FOB": True, "DDP": False, "CIP": False, "Delivered Duty Paid": False}
    for terms, held in waits.items():
        _, problems = made([goods | {"Incoterms": terms}])
        assert ((1, "column_not_understood", "error") in problems) is held, terms
    _, problems = made([goods | {"Incoterms": "EXW", "Freight Payer": "receiver"}])
    assert (1, "column_not_understood", "error") not in problems


def test_the_goods_of_a_parcel_to_a_territory_are_in_its_papers():
    """UPS wants the value to Puerto Rico and an invoice to Guam: columns could not give them."""
    goods = {"Item": "Mug", "Unit Value": "12.50", "Made In": "PT", "weight_lb": 1}
    places = {
        "PR": {"Ship City": "San Juan", "Ship State": "PR", "Ship Zip": "00901"},
        "GU": {"Ship City": "Hagatna", "Ship State": "GU", "Ship Zip": "96910"},
        "TX": {},
    }
    rows, _ = made(
        [{**PLACE, **goods, "Order ID": name, **place} for name, place in places.items()]
    )
    items = {row["order_id"]: row["customs"] and len(row["customs"]["items"]) for row in rows}
    assert items == {"PR": 1, "GU": 1, "TX": None}


def test_goods_without_a_value_are_the_description_of_a_parcel_abroad():
    munich = {"Ship City": "Munich", "Ship State": "", "Ship Zip": "80331", "Ship Country": "DE"}
    paris = {"Ship City": "Paris", "Ship State": "", "Ship Zip": "75001", "Ship Country": "FR"}
    shop = {
        "name": "Laden",
        "address_line1": "Hauptstr. 1",
        "city": "Berlin",
        "postal_code": "10115",
        "country": "DE",
    }
    lines = [
        {**PLACE, **paris, "Order ID": "A", "Item": "Mug", "weight_lb": 1},
        {**PLACE, **paris, "Order ID": "A", "Item": "Hat", "weight_lb": 1},
        {**PLACE, **munich, "Order ID": "B", "Item": "Hat", "weight_lb": 1},
    ]
    rows, _ = made(lines, shop=shop)
    assert [row["description"] for row in rows] == ["Mug, Hat", None]
    with sk.BatchSession(lines, shipper=shop) as session:
        assert "customs_missing" not in session.problems["code"].tolist()
