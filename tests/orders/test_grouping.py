"""Lines become orders: grouped by key, filled down, numbers kept, never merged in silence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipkit.errors import SourceError
from shipkit.orders import grouping, source, where


def grouped(rows, order_key=None):
    return grouping.group(source.load(rows), order_key)


def row_numbers(found):
    return {
        row[0]: list(row[1])
        for row in found.con.sql(
            f"SELECT row_number, row_numbers FROM {found.orders.sql} ORDER BY row_number"
        ).fetchall()
    }


def line(order, name=None, street=None, zip_code=None, **more):
    return {
        "Order ID": order,
        "Ship Name": name,
        "Ship Address 1": street,
        "Ship Zip": zip_code,
        **more,
    }


def test_each_line_is_an_order_where_keys_do_not_repeat():
    found = grouped([line("A", "Ann"), line("B", "Bob")])
    assert (found.count, found.single, row_numbers(found)) == (2, True, {1: [1], 2: [2]})
    assert found.order_key.name == "Order ID"


def test_without_an_order_key_each_line_is_an_order():
    found = grouped([{"zip": "1"}, {"zip": "1"}])
    assert (found.count, found.order_key) == (2, None)


def test_lines_of_one_key_are_one_order_also_when_they_are_apart():
    found = grouped(
        [line("A", "Ann", sku="x"), line("B", "Bob", sku="y"), line("A", "Ann", sku="z")]
    )
    assert (found.count, found.single, row_numbers(found)) == (2, False, {1: [1, 3], 2: [2]})
    assert [
        (problem["row_number"], problem["severity"], problem["code"])
        for problem in found.problems.to_pylist()
    ] == [(1, "warning", "order_rows_apart")]


def test_lines_that_are_sorted_by_product_are_apart_and_nothing_is_asked():
    rows = [line(order, sku=sku) for sku in ("x", "y") for order in ("A", "B", "C")]
    assert grouped(rows).problems.num_rows == 0


def test_the_orders_cells_are_filled_down_and_the_lines_own_are_not():
    rows = [
        line(
            "A",
            "Ann",
            "1 Main St",
            "02134",
            sku="x",
            quantity=1,
            weight=2.5,
            **{"Billing City": "Rome", "Lineitem discount": 1},
        ),
        line(
            "A",
            sku=None,
            quantity=2,
            weight=None,
            **{"Billing City": None, "Lineitem discount": None},
        ),
        line(
            "B",
            "Bob",
            "2 Oak Ave",
            "98101",
            sku="y",
            quantity=3,
            weight=1,
            **{"Billing City": "Oslo", "Lineitem discount": None},
        ),
    ]
    found = grouped(rows)
    assert found.lines([1, 2])[1] == {
        "row_number": 2,
        "order_id": "A",
        "ship_name": "Ann",
        "ship_address_1": "1 Main St",
        "ship_zip": "02134",
        "sku": None,
        "quantity": 2,
        "weight": None,
        "billing_city": "Rome",
        "lineitem_discount": None,
    }
    assert [entry["row_number"] for entry in found.lines([3, 1])] == [1, 3]


def test_cells_that_only_a_later_line_has_are_the_orders_too():
    found = grouped([line("A", None, None, None), line("A", "Ann", "1 Main St", "02134")])
    assert found.con.sql(f"SELECT ship_name, ship_zip FROM {found.orders.sql}").fetchall() == [
        ("Ann", "02134")
    ]


def test_lines_without_a_key_and_without_an_address_belong_to_the_order_above():
    found = grouped(
        [
            line("A", "Ann", "1 Main St", sku="x"),
            line(None, sku="y"),
            line("B", "Bob", "2 Oak Ave", sku="z"),
            line(" ", sku="w"),
        ]
    )
    assert row_numbers(found) == {1: [1, 2], 3: [3, 4]}
    assert found.lines([2])[0]["order_id"] == "A"


def test_a_line_without_a_key_and_with_an_address_is_an_order_by_itself():
    found = grouped(
        [
            line("A", "Ann", "1 Main St"),
            line(None, "Bob", "2 Oak Ave"),
            line(None, None, None, sku="y"),
            line("A", sku="z"),
        ]
    )
    assert row_numbers(found) == {1: [1, 4], 2: [2, 3]}


def test_a_line_without_anything_above_it_is_an_order_by_itself():
    assert row_numbers(grouped([line(None, sku="x"), line("A", "Ann"), line("A", "Ann")])) == {
        1: [1],
        2: [2, 3],
    }


@pytest.mark.parametrize(
    ("other", "field", "words"),
    [
        (line("A", "Bob", "1 Main St", "02134"), "name", "different recipients"),
        (line("A", "Ann", "9 Elm St", "02134"), "address_line1", "different addresses"),
        (line("A", "Ann", "1 Main St", "98101"), "postal_code", "different addresses"),
    ],
)
def test_one_key_with_two_recipients_or_addresses_is_a_problem(other, field, words):
    found = grouped(
        [line("X", "Zed"), line("A", "Ann", "1 Main St", "02134"), line("B", "Bo"), other]
    )
    problem = found.problems.to_pylist()[0]
    assert (problem["row_number"], problem["field"], problem["severity"], problem["code"]) == (
        2,
        field,
        "error",
        "order_conflict",
    )
    assert problem["problem"].startswith("rows 2 and 4")
    assert words in problem["problem"]
    assert found.problems.column("severity").to_pylist().count("error") == 1


def test_the_same_address_spelt_differently_is_no_problem():
    rows = [
        line("A", "Ann O'Hara", "1 Main St.", "02134-1234"),
        line("A", "ANN O'HARA ", "1 main st", "2134"),
        line("A", None, None, None),
    ]
    assert grouped(rows).problems.num_rows == 0


def test_two_different_cells_of_one_address_are_one_problem():
    rows = [line("A", "Ann", "1 Main St", "02134"), line("A", "Ann", "9 Elm St", "98101")]
    assert grouped(rows).problems.num_rows == 1


def test_the_key_can_be_named_by_heading_or_key():
    rows = [{"Name": "#1", "Ship City": "Rome"}, {"Name": "#1", "Ship City": None}]
    assert grouped(rows, "Name").count == grouped(rows, "name").count == 1
    with pytest.raises(SourceError, match="no column 'Nmae'; did you mean 'Name'"):
        grouped(rows, "Nmae")


def test_an_order_that_stands_in_two_files_is_a_problem(tmp_path):
    (tmp_path / "1.csv").write_text("Order ID,Zip\nA,02134\nB,98101\n")
    (tmp_path / "2.csv").write_text("Order ID,Zip\nC,10001\nA,02134\n")
    found = grouping.group(source.load(tmp_path / "*.csv"))
    problem = found.problems.to_pylist()[0]
    assert (problem["row_number"], problem["severity"], problem["code"]) == (
        1,
        "error",
        "order_in_two_files",
    )
    assert problem["problem"] == "the order is in two files: 1.csv (row 1) and 2.csv (row 4)"


def test_a_filter_that_matches_a_follow_on_line_keeps_the_order_and_sees_its_filled_cells():
    found = grouped(
        [
            line("A", "Ann", "1 Main St", "02134", sku="x"),
            line("A", sku="y"),
            line("B", "Bob", "2 Oak Ave", "98101", sku="z"),
        ]
    )
    selection = where.select(found, ["sku = 'y' AND ship_name = 'Ann'"], {})
    assert selection.sample().to_pylist()[0]["row_numbers"] == [1, 2]
    assert str(selection) == "1 of 2 orders"


def test_every_clause_is_tried_on_the_same_line():
    found = grouped([line("A", "Ann", sku="x", quantity=1), line("A", sku="y", quantity=5)])
    assert where.select(found, ["sku = 'x'", "quantity = 5"], {}).count == 0


def test_the_shopify_export_keeps_orders_whole(shared):
    found = grouping.group(
        source.load(shared / "orders" / "exports" / "shopify_orders_export.csv"), "Name"
    )
    assert found.con.sql(f"SELECT sum(len(row_numbers)) FROM {found.orders.sql}").fetchall() == [
        (28,)
    ]  # the other 12 lines are orders of which nothing ships
    several = found.con.sql(
        f"SELECT row_numbers FROM {found.orders.sql} WHERE len(row_numbers) > 1 "
        "ORDER BY row_number LIMIT 1"
    ).fetchall()[0][0]
    last = found.lines(several)[-1]
    selection = where.select(found, ['"Lineitem name" = $item'], {"item": last["lineitem_name"]})
    kept = found.con.sql(f"SELECT unnest(row_numbers) FROM {selection.relation.sql}").fetchall()
    assert {(number,) for number in several} <= set(kept)
    assert last["shipping_city"] == found.lines(several)[0]["shipping_city"]
    assert selection.count < selection.total


def test_the_amazon_export_groups_items(shared):
    found = grouping.group(
        source.load(shared / "orders" / "exports" / "amazon_new_orders_report.tsv")
    )
    assert (found.count, found.problems.num_rows) == (4, 0)


KEYS = st.one_of(st.none(), st.sampled_from(["A", "B", "C", " "]))


@given(
    lines=st.lists(st.tuples(KEYS, st.sampled_from([None, "1 Main St"])), min_size=1, max_size=12)
)
@settings(max_examples=20 if settings.default.derandomize else 60, deadline=None)
def test_every_line_belongs_to_exactly_one_order(lines):
    found = grouped([line(key, None, street, sku="x") for key, street in lines])
    numbers = row_numbers(found)
    assert sorted(number for members in numbers.values() for number in members) == list(
        range(1, len(lines) + 1)
    )
    assert all(
        members[0] == first and members == sorted(members) for first, members in numbers.items()
    )
    assert found.count == len(numbers)
    for first, members in numbers.items():
        named = {(lines[number - 1][0] or "").strip() for number in members} - {""}
        assert len(named) <= 1, (first, members)
