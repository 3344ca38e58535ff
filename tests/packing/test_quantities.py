"""A parcel holds what is left to ship; what is not certain about it is a question."""

from __future__ import annotations

import json

import pytest

import shipkit as sk
from shipkit.orders.fields import recognise

ADDRESS = {"Name": "Ada Lee", "Address": "1 Main St", "City": "Boston", "State": "MA"}
SHIPPER = {
    "name": "Dana Ortiz",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "phone": "2105550100",
}


@pytest.fixture
def packed(tmp_path):
    """Return the weight of each order, and row, severity and code of what is said of quantities."""

    def read(*rows, **mapping):
        with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
            session.load(
                [
                    {"Order ID": f"A{n}", **ADDRESS, "Zip": "02134", "SKU": "MUG", **row}
                    for n, row in enumerate(rows)
                ]
            )
            session.map(**{"service": "ground", **mapping})
            weights = [json.loads(each)[0]["weight_lb"] for each in session.mapped()["parcels"]]
            found = session.problems
            found = found[(found["field"] == "quantity") | found["code"].str.startswith("bundle")]
            columns = (found[name] for name in ("row_number", "severity", "code"))
            return weights, list(zip(*columns, strict=True))

    return read


def line(quantity=5, weight=2, **cells):
    return {"Quantity": quantity, "Item Weight (lb)": weight, **cells}


@pytest.mark.parametrize(
    ("heading", "role"),
    [
        *((h, "quantity") for h in ("Item Qty Ordered", "Bestellte Menge", "Кол-во", "Antal stk")),
        *((h, "quantity_left") for h in ("Qty-To-Ship", "Restmenge", "Reste à livrer", "待发货")),
        *((h, "quantity_shipped") for h in ("QtyShipped", "Quantité livrée", "発送済数量")),
        *((h, "quantity_refunded") for h in ("Quantity (refunded)", "Cantidad devuelta")),
        *((h, "quantity_cancelled") for h in ("Cancelled Qty", "Anulowana ilość")),
        *((h, "quantity_backordered") for h in ("Qty Back-Ordered", "Quantity on backorder")),
    ],
)
def test_a_heading_tells_what_is_counted(heading, role):
    assert list(recognise([heading]).roles) == [role]


@pytest.mark.parametrize(
    "heading",
    ["Quantity Discount", "Stock Quantity", "Qty per Box", "Min. Qty", "Quantity Unit", "Open"],
)
def test_other_numbers_are_no_quantity(heading):
    assert not recognise([heading]).roles


def test_the_parcel_holds_what_is_left(packed):
    rows = [line(**{"Qty to Ship": left}) for left in (5, 1)]
    assert packed(*rows) == ([10, 2], [(2, "warning", "quantity_reduced")])


def test_what_was_refunded_or_cancelled_is_not_in_the_parcel(packed):
    rows = [line(**{"Qty Refunded": gone}) for gone in (0, 3)]
    assert packed(*rows) == ([10, 4], [(2, "warning", "quantity_reduced")])


@pytest.mark.parametrize("heading", ["Quantity Left", "Cancelled Qty"])
def test_an_order_with_nothing_left_waits(heading, packed):
    gone = 0 if heading == "Quantity Left" else 5
    _, problems = packed(line(**{heading: gone}))
    assert problems == [(1, "error", "nothing_to_ship")]
    assert packed(line(**{heading: gone}), ignore=[heading]) == ([10], [])


@pytest.mark.parametrize("quantity", [0, "0.0"])
def test_an_order_of_no_units_waits(quantity, packed):
    assert packed(line(quantity))[1] == [(1, "error", "nothing_to_ship")]
    both = [{**line(n), "Order ID": "A1"} for n in (0, 2)]
    assert packed(*both)[1] == []


def test_units_that_were_shipped_are_a_question(packed):
    row = line(**{"Quantity Shipped": 4})
    assert packed(row)[1] == [(1, "error", "quantity_unclear")]
    assert packed(row, columns={"quantity": "Quantity Shipped"}) == ([8], [])
    assert packed(row, columns={"quantity_shipped": "Quantity Shipped"})[0] == [2]
    assert packed(row, ignore=["Quantity Shipped"]) == ([10], [])
    assert packed(line(**{"Quantity Shipped": 0})) == ([10], [])
    assert packed(line(**{"Quantity Shipped": 4, "Open Qty": 1}))[0] == [2]


@pytest.mark.parametrize(
    ("heading", "asks", "asks_not"),
    [
        ("Backordered", 2, 0),
        ("Bereits geliefert", 2, 0),
        ("Current Quantity", 3, 5),
        ("Pendiente", 0, 5),
        ("Stock Qty", None, 80),
        ("QuantityInvoiced", None, 0),  # Zoho
    ],
)
def test_a_number_that_may_count_units_is_a_question_where_it_differs(
    packed, heading, asks, asks_not
):
    assert packed(line(**{heading: asks_not})) == ([10.0], [])
    if asks is not None:
        rows = [line(**{heading: asks}), line(**{heading: asks_not})]
        assert packed(*rows)[1] == [(1, "error", "quantity_unclear")]


def test_a_quantity_that_is_not_known_is_not_nothing(packed):
    rows = [{**line(quantity), "Order ID": "A1"} for quantity in (2, None)]
    assert packed(*rows)[0] == [None]


def test_negative_and_fractional_quantities(packed):
    assert packed(line(-1))[1] == [(1, "error", "quantity_negative")]
    assert packed(line(2.5))[1] == [(1, "error", "quantity_fractional")]
    assert packed({"Quantity": 2.5, "Weight (lb)": 3}) == (
        [3],
        [(1, "warning", "quantity_fractional")],
    )


def test_a_weight_of_a_unit_needs_a_quantity(packed):
    rows = [{"Item Weight (lb)": 2, "Posten": n} for n in (10, 1)]
    assert packed(*rows) == ([2, 2], [(1, "error", "quantity_missing")])
    assert packed(*rows, columns={"quantity": "Posten"}) == ([20, 2], [])
    assert packed(*rows, ignore=["Posten"]) == ([2, 2], [])
    assert packed(*({"Item Weight (lb)": 2, "Posten": n} for n in (1, 2))) == (
        [2, 2],
        [(1, "warning", "quantity_missing")],
    )


def test_two_quantities_are_a_question_only_where_they_differ(packed):
    rows = [{"Item Weight (lb)": 2, "Qty Ordered": 3, "Order Quantity": other} for other in (3, 4)]
    assert packed(*rows) == ([6, 6], [(2, "error", "quantity_unclear")])


def tea_set(whole, heading="Parent SKU", cells=(None, "KIT", "KIT")):
    lines = (("KIT", 1, whole), ("CUP", 4, 1), ("TRAY", 1, 2))
    return [
        {"Order ID": "A", "SKU": sku, **line(quantity, weight), heading: cell}
        for (sku, quantity, weight), cell in zip(lines, cells, strict=True)
    ]


@pytest.mark.parametrize(
    ("heading", "cells"),
    [
        *((heading, (None, "kit", "KIT")) for heading in ("Parent SKU", "Bundle", "Component of")),
        ("Item Type", ("Bundle", "Component", "Component")),
        ("Line Type", ("Kit", "Kit Item", "Kit Item")),
        ("Product Kind", ("Bundle", "Item", "Item")),
        ("Kit Flag", ("Y", "N", "N")),
        ("Is Component", ("no", "yes", "yes")),
        ("Composite Parent", ("", "KIT", "KIT")),
    ],
)
def test_a_bundle_and_its_parts_are_not_both_weighed(heading, cells, packed):
    rows = tea_set(6, heading, cells)
    assert packed(*rows)[1] == [(1, "error", "bundle_weighed_twice")]
    assert packed(*rows, ignore=[heading]) == ([12], [])


@pytest.mark.parametrize(
    "cells",
    [
        *(("1", "1.1", "1.2"), (10, 10.1, 10.2), ("1", "1,1", "1,2"), ("1", "1-1", "1-2")),
        *(("1", "1a", "1b"), ("1", "1/1", "1/2"), ("1.1", "1.1.1", "1.1.2")),
    ],
)
def test_a_line_with_a_point_is_a_part_of_the_line_before_it(packed, cells):
    assert packed(*tea_set(6, "Line", cells))[1] == [(1, "error", "bundle_weighed_twice")]


def test_numbers_of_lines_with_a_point_each_are_no_parts(packed):
    assert packed(*tea_set(6, "Line", ("1.0", "2.0", "3.0")))[1] == []


def test_a_part_names_its_bundle_by_the_number_of_the_line(packed):
    rows = [{**row, "Line": n} for n, row in enumerate(tea_set(6, "Parent Line", (None, 1, 1)), 1)]
    assert packed(*rows)[1] == [(1, "error", "bundle_weighed_twice")]


@pytest.mark.parametrize("cells", [(10, 10.5, 20), ("1.00", "1.10", "2.00"), ("1", "2-1", "3/1")])
def test_a_line_between_two_others_is_no_part(packed, cells):
    assert packed(*tea_set(6, "Position", cells))[1] == []


@pytest.mark.parametrize(
    ("heading", "cells"),
    [
        *(("Parent Line", (None, 1, 1)), ("BOM Level", (0, 1, 1)), ("Level of BOM", (0, 0, 0))),
        ("Composed of", ("CUP; TRAY", None, None)),
        *((heading, (None, "KIT", "KIT")) for heading in ("Teil von", "Rodzic", "セット品番")),
        ("Artikeltyp", ("Stückliste", "Komponente", "Komponente")),
    ],
)
def test_a_bundle_is_known_in_other_words(packed, heading, cells):
    found = packed(*tea_set(6, heading, cells))[1]
    assert found == ([] if cells == (0, 0, 0) else [(1, "error", "bundle_weighed_twice")])


def test_a_bundle_without_a_weight_of_its_own_is_no_question(packed):
    assert packed(*tea_set(0)) == ([6], [])


def test_a_line_without_a_parent_in_its_order_is_no_question(packed):
    assert packed(*tea_set(6, cells=(None, "BOX", "BOX"))) == ([12], [])


def test_an_article_with_a_price_next_to_a_bundle_is_no_part_of_it(packed):
    rows = tea_set(6, "Kit Flag", ("Y", "N", "N"))
    priced = [{**row, "Item Price": 5} for row in rows]
    assert packed(*priced) == ([12], [])
    assert packed(*({**row, "Item Price": 0} for row in rows))[1] == [
        (1, "error", "bundle_weighed_twice")
    ]


@pytest.mark.parametrize(("heading", "total"), [("Item Count", 3), ("Item Count", 2)])
def test_the_number_of_units_or_lines_of_an_order_is_no_quantity(packed, heading, total):
    rows = [{"Order ID": "A", **line(n, 1), "SKU": f"S{n}", heading: total} for n in (1, 2)]
    assert packed(*rows) == ([3], [])


@pytest.mark.parametrize("heading", ["Allocated", "Offen", "Fulfillable", "Reserved"])
def test_units_of_a_line_that_happen_to_be_as_many_as_lines_are_asked_about(packed, heading):
    rows = [{"Order ID": "A", **line(5), "SKU": f"S{n}", heading: 2} for n in (1, 2)]
    single = {"Order ID": "B", "Name": "Bob Ray", **line(1), heading: 1}
    assert packed(*rows, single)[1] == [(1, "error", "quantity_unclear")]


def test_one_file_counts_units_or_lines_and_not_both(packed):
    orders = [("A", 1, 2), ("A", 1, 2), ("B", 3, 2), ("B", 1, 2), ("C", 3, 4), ("C", 1, 4)]
    rows = [
        {"Order ID": key, "Name": f"{key} Lee", **line(units), "SKU": f"S{n}", "Item Count": count}
        for n, (key, units, count) in enumerate(orders)
    ]
    found = packed(*rows)[1]
    assert (3, "error", "quantity_unclear") in found


def test_a_number_that_is_no_total_is_asked_about(packed):
    rows = [{"Order ID": "A", **line(n, 1), "SKU": f"S{n}", "Item Count": 4} for n in (1, 2)]
    assert (1, "error", "quantity_unclear") in packed(*rows)[1]


# -- what a weight is of ---------------------------------------------------------------------------


def weighed(tmp_path, row, **mapping):
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([{"Order ID": "A1", **ADDRESS, "Zip": "02134", **row}])
        session.map(service="ground", **mapping)
        pounds = json.loads(session.mapped()["parcels"][0])[0]["weight_lb"]
        return pounds, session.problems[["severity", "code"]].values.tolist()


ASKED = [["error", "weight_basis_unknown"]]


@pytest.mark.parametrize(
    ("row", "mapping", "pounds", "problems"),
    [
        ({"Quantity": 3, "Weight (lb)": 2}, {}, 2, ASKED),
        ({"Qty": 3, "Weight (lb)": 2, "Length (in)": None, "Width (in)": None}, {}, 2, ASKED),
        ({"Quantity": 3, "Weight (lb)": 2}, {"weights": "unit"}, 6, []),
        ({"Quantity": 3, "Weight (lb)": 2}, {"weights": "line"}, 2, []),
        ({"Quantity": 1, "Weight (lb)": 2}, {}, 2, []),
        ({"Quantity": 3, "Package Weight (lb)": 2}, {}, 2, []),
        ({"Quantity": 3, "Item Weight (lb)": 2}, {}, 6, []),
    ],
)
def test_one_weight_and_several_units_on_a_single_line_are_asked_about(
    tmp_path, row, mapping, pounds, problems
):
    assert weighed(tmp_path, row, **mapping) == (pounds, problems)


def test_a_row_with_the_sides_of_a_parcel_has_its_weight_too(tmp_path):
    sides = {"Length (in)": 4, "Width (in)": 4, "Height (in)": 4}
    assert weighed(tmp_path, {"Quantity": 3, "Weight (lb)": 2, **sides}) == (2, [])


@pytest.mark.parametrize(
    "heading",
    ["Weight per item (lb)", "Poids unitaire (lb)", "Einzelgewicht (lb)", "单件重量 (lb)"],
)
def test_the_weight_of_a_unit_without_a_quantity_is_told(tmp_path, heading):
    found = weighed(tmp_path, {heading: 2})
    assert found == (2, [["warning", "quantity_missing"]])
    assert weighed(tmp_path, {heading: 2, "Qty": 3}) == (6, [])


def test_a_weight_that_is_not_read_holds_its_row(tmp_path):
    given = {"defaults": {"weight_lb": 1}}
    assert weighed(tmp_path, {"Net weight": 2}, **given)[1] == [["error", "column_not_understood"]]
    assert weighed(tmp_path, {"Net weight": 2, "Weight (lb)": 3}) == (3, [])


BUNDLE = [
    {"Item": "Tea set", "Quantity": 1, "Unit Price": 30, "SKU": "KIT", "Parent SKU": None},
    {"Item": "Blue cup", "Quantity": 4, "Unit Price": 5, "SKU": "CUP", "Parent SKU": "KIT"},
]


@pytest.mark.parametrize(
    ("change", "country", "codes"),
    [
        ({}, "DE", ["bundle_declared_twice"]),
        ({}, "US", []),
        ({"Unit Price": 0}, "DE", []),
    ],
)
def test_a_bundle_and_its_parts_are_not_both_declared(tmp_path, change, country, codes):
    place = {"Name": "Eva Eins", "Address": "Weg 1", "City": "Berlin", "Zip": "10115"}
    if country == "US":
        place |= {"City": "Boston", "State": "MA", "Zip": "02134"}
    rows = [{"Order ID": "A1", **place, "Country": country, **line} for line in BUNDLE]
    rows[1] |= change
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load(rows).map(service="ground", defaults={"weight_lb": 3})
        found = session.problems["code"].tolist()
    assert [code for code in found if code.startswith("bundle")] == codes


def test_the_quantity_of_a_path_of_lines_is_read():
    headings = ["Order Lines/Quantity", "Order Lines/Unit Price", "line_items.sku", "items[0].name"]
    roles = recognise(headings).roles
    assert {role: match.name for role, match in roles.items()} == {
        "quantity": "Order Lines/Quantity",
        "item_price": "Order Lines/Unit Price",
        "sku": "line_items.sku",
    }


def test_a_column_of_weights_without_a_cell_does_not_hide_the_weights_of_units(tmp_path):
    row = {"Quantity": 2, "Item Weight (lb)": 3, "Total Weight (lb)": None}
    given = {"defaults": {"weight_lb": 1}}
    assert weighed(tmp_path, row, **given) == (6, [])
    assert weighed(tmp_path, {**row, "Total Weight (lb)": 7}, **given) == (7, [])


def test_a_line_that_explains_the_headings_tells_what_a_weight_is_of(tmp_path):
    head = "Order ID,Recipient,Address Line 1,City,State,Zipcode,SKU,Quantity,Weight(kg)"
    notes = "Order ID.,Name of recipient.,Street.,City.,State.,Zip.,Seller sku.,Sold quantity."
    row = "1,Ada Lee,1 Main St,Boston,MA,02134,MUG,2,0.5"
    for told, pounds, codes in (
        ("Package weight.", 1.1023, []),
        ("Weight.", 1.1023, ["weight_basis_unknown"]),
    ):
        path = tmp_path / "orders.csv"
        path.write_text(f"{head}\n{notes},{told}\n{row}\n")
        with sk.BatchSession(path, shipper=SHIPPER, home=tmp_path) as session:
            session.map(service="ground")
            found = json.loads(session.mapped()["parcels"][0])[0]["weight_lb"]
            assert (round(found, 4), session.problems["code"].tolist()) == (pounds, codes)


@pytest.mark.parametrize(
    ("heading", "cells"),
    [
        ("Nivel", (1, 2, 3)),
        ("Line Level", (1, 2, 2)),
        ("Kit Line", (2, 1, None)),
        ("商品区分", ("セット", "単品", "単品")),
        ("Product Type", ("Lot", "Item", "Item")),
    ],
)
def test_levels_kinds_and_lines_that_name_each_other_are_no_bundle(packed, heading, cells):
    rows = [{**row, "Line": n} for n, row in enumerate(tea_set(6, heading, cells), 1)]
    assert packed(*rows)[1] == []
