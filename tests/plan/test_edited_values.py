"""What an edit may hold: a value that the field can hold, or an error at once; never a poison."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

import shipkit as sk
from shipkit.errors import InputError


@pytest.fixture
def session(shop):
    rows = [
        {
            "order_id": str(number),
            "name": "Ada Lee",
            "address1": f"{number} Main St",
            "city": "Austin",
            "state": "TX",
            "zip": "78701",
            "weight_lb": 2,
            "service": "ground",
        }
        for number in (1, 2)
    ]
    made = sk.BatchSession(rows, shipper=shop)
    made.map()
    return made


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("service", "teleport", "not a known service"),
        ("name", ["a"], "it is a list"),
        ("name", b"a", "it is a bytes"),
        ("name", "\ud83d", "cannot be printed"),
        ("weight_lb", "heavy", "Give a number of pounds"),
        ("weight_lb", True, "it is a flag"),
        ("declared_value", np.bool_(1), "it is a flag"),
        ("weight_lb", "nan", "it is not a number"),
        ("weight_lb", float("inf"), "it is not a number"),
        ("weight_lb", np.array([1, 2]), "it is a ndarray"),
        ("weight_lb", 10**400, "Give a number of pounds"),
        ("declared_value", 10**400, "Give an amount of money"),
        ("residential", "yes", "Give a flag: True or False"),
        ("ship_date", "tomorrow", "Give a date, such as 2026-11-02"),
        ("ship_date", 5, "it is a int"),
        ("declared_value", float("nan"), "Give an amount of money"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_a_value_that_does_not_fit_is_refused_and_leaves_no_trace(session, field, value, why):
    with pytest.raises(InputError) as caught:
        session.edit("order_id = '1'", **{field: value})
    assert why in str(caught.value)
    assert len(session.preview()) == 2


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("ship_date", "2030-12-16", "2030-12-16"),
        ("ship_date", dt.date(2030, 12, 16), "2030-12-16"),
        ("ship_date", pd.Timestamp("2030-12-16 09:00"), "2030-12-16"),
        ("ship_date", np.datetime64("2030-12-16"), "2030-12-16"),
        ("postal_code", 78702.0, "78702"),
        ("postal_code", np.int64(78702), "78702"),
    ],
    ids=str,
)
def test_a_value_is_read_as_what_it_means(session, field, value, shown):
    session.edit("order_id = '1'", **{field: value})
    assert str(session.preview()[field].iloc[0]).removesuffix(" 00:00:00") == shown


def test_an_edit_of_a_row_of_several_parcels_is_of_each_and_a_value_is_divided(shop):
    """Only the first parcel was changed: the others were bought as they were."""
    row = {
        "order_id": "1",
        "name": "Ada Lee",
        "address1": "1 Main St",
        "city": "Austin",
        "state": "TX",
        "zip": "78701",
        "weight_lb": 2,
        "service": "next day air",
        "boxes": 3,
    }
    rows = [row, {**row, "order_id": "2", "boxes": 1}]
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(columns={"number_of_parcels": "boxes"}, parcels="each")
        session.edit("order_id = '1'", declared_value="100", packaging="pak", length_in=9)
        session.edit("order_id = '1'", width_in=8, height_in=2)
        boxes = [json.loads(text) for text in session.mapped()["parcels"]]
        names = ("declared_value_cents", "packaging", "length_in", "width_in", "height_in")
        assert [tuple(box[name] for name in names) for box in boxes[0]] == [
            (3334, "pak", 9.0, 8.0, 2.0),
            (3333, "pak", 9.0, 8.0, 2.0),
            (3333, "pak", 9.0, 8.0, 2.0),
        ]
        assert boxes[1][0]["packaging"] == "package"
        with pytest.raises(InputError, match="1 row of these has several parcels") as no:
            session.edit("true", weight_lb=7)
        assert "AND parcels = 1" in no.value.fix
        session.edit("true AND parcels = 1", weight_lb=7)
        weights = [[box["weight_lb"] for box in json.loads(t)] for t in session.mapped()["parcels"]]
        assert weights == [[2.0] * 3, [7.0]]
        assert session.preview()["cost_cents"].notna().all()
        session.edit("order_id = '1'", declared_value=None)
        boxes = json.loads(session.mapped()["parcels"][0])
        assert [box["declared_value_cents"] for box in boxes] == [None] * 3
