"""Records of APIs: objects become columns, the items of an order become its lines."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shipkit as sk

SHOP = {
    "name": "Dana Ortiz",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "phone": "2105550100",
}


def order(number, name, items, **more):
    address = {"name": name, "address1": "12 Chestnut Street", "address2": "Apt 4"}
    place = {"city": "Louisville", "province_code": "KY", "zip": "40202", "country_code": "US"}
    return {"number": number, **more, "shipping_address": address | place, "line_items": items}


def item(sku, quantity, grams):
    return {"sku": sku, "quantity": quantity, "grams": grams, "tax_lines": []}


ORDERS = [
    order("R-1", "Bob Norman", [item("POD", 2, 200), item("CASE", 1, 100)]),
    order("R-2", "Eve Mills", [item("LAMP", 1, 1500)]),
    order("R-3", "Ann Lee", []),
]


def shipments(source):
    session = sk.BatchSession(source, shipper=SHOP)
    session.map(service="ground", defaults={"weight_lb": 3})
    return session, session.mapped()


@pytest.mark.parametrize(
    "kind",
    [
        *("dicts", "json", "wrapped", "ndjson", "graphql", "frame", "normalized", "arrays"),
        *("arrow", "parquet"),
    ],
)
def test_the_items_of_an_order_are_one_parcel(tmp_path, kind):
    source = tmp_path / "orders.json"
    if kind == "dicts":
        source = ORDERS
    elif kind == "frame":
        source = pd.DataFrame(ORDERS)
    elif kind == "normalized":
        source = pd.json_normalize(ORDERS)
    elif kind == "arrays":
        source = pd.json_normalize(ORDERS)
        source["line_items"] = [np.array(items, dtype=object) for items in source["line_items"]]
    elif kind == "arrow":
        source = pa.Table.from_pylist(ORDERS)
    elif kind == "parquet":
        source = tmp_path / "orders.parquet"
        pq.write_table(pa.Table.from_pylist(ORDERS), source)
    elif kind == "ndjson":
        source.write_text("".join(json.dumps(record) + "\n" for record in ORDERS))
    elif kind == "graphql":
        nodes = [
            {**record, "line_items": {"edges": [{"node": node} for node in record["line_items"]]}}
            for record in ORDERS
        ]
        source.write_text(json.dumps(nodes))
    else:
        source.write_text(json.dumps({"orders": ORDERS} if kind == "wrapped" else ORDERS))
    session, frame = shipments(source)
    assert frame["name"].tolist() == ["Bob Norman", "Eve Mills", "Ann Lee"]
    assert [list(rows) for rows in frame["row_numbers"]] == [[1, 2], [3], [4]]
    grams = [round(pounds * 453.59237) for pounds in frame["weight_lb"][:2]]
    assert grams == [500, 1500]
    assert frame["weight_lb"][2] == 3, "an order without items has the default"
    assert "The items of 2 records are lines of their own: 1 line more." in str(session.load_report)


def test_an_order_without_address_is_no_part_of_the_order_above():
    """A digital order has no address: its items are not sent to the buyer above."""
    digital = {"number": "R-4", "shipping_address": None, "line_items": [item("EBOOK", 1, 900)]}
    session, frame = shipments([ORDERS[1], digital])
    assert [list(rows) for rows in frame["row_numbers"]] == [[1], [2]]
    assert round(frame["weight_lb"][0] * 453.59237) == 1500
    held = session.problems.query("severity == 'error'")
    assert set(held["row_number"]) == {2}


def test_two_lists_of_items_stay_text():
    session, frame = shipments([{**ORDERS[0], "products": [{"id": 1}]}])
    assert [list(rows) for rows in frame["row_numbers"]] == [[1]]
    assert "line_items" in session.columns


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_an_address_in_one_cell_of_a_typed_table_is_columns(tmp_path, kind):
    source = pa.Table.from_pylist([{**ORDERS[0], "line_items": None}])
    if kind == "parquet":
        path = tmp_path / "orders.parquet"
        pq.write_table(source, path)
        source = path
    _, frame = shipments(source)
    assert frame[["name", "city", "state", "postal_code"]].to_numpy().tolist() == [
        ["Bob Norman", "Louisville", "KY", "40202"]
    ]


def test_the_weight_of_an_item_is_read_by_its_path():
    _, frame = shipments([order("R-1", "Bob", [{"sku": "A", "quantity": 2, "item_weight_lb": 3}])])
    assert frame["weight_lb"].tolist() == [6]
