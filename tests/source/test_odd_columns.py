"""Columns that analysts add to a frame: read as the text a person sees, never the end of a session.

``pandas.cut`` makes a dictionary of an extension type, which ended DuckDB 2.0.1's database.
"""

from __future__ import annotations

import enum
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shipkit as sk
from shipkit.orders import source

GOOD = pd.DataFrame(
    {
        "order_id": ["1", "2", "3"],
        "name": "Ann Lee",
        "address1": "1 Elm St",
        "city": "Austin",
        "state": "TX",
        "zip": "78701",
        "weight_lb": 2,
    }
)
MONTHS = pd.Series(pd.period_range("2026-01", periods=3, freq="M"))


class Speed(enum.Enum):
    SLOW = "ground"


ODD = {
    "cut": (pd.cut([1, 2, 3], 3), ["(0.998, 1.667]", "(1.667, 2.333]", "(2.333, 3.0]"]),
    "cut with a gap": (pd.cut([1, 9, 3], [0, 1, 3]), ["(0.0, 1.0]", None, "(1.0, 3.0]"]),
    "intervals": (
        pd.arrays.IntervalArray.from_breaks([0, 1, 2, 3]),
        ["(0, 1]", "(1, 2]", "(2, 3]"],
    ),
    "periods": (MONTHS, ["2026-01", "2026-02", "2026-03"]),
    "categories of periods": (MONTHS.astype("category"), ["2026-01", "2026-02", "2026-03"]),
    "categories": (pd.Series(["a", "b", None], dtype="category"), ["a", "b", None]),
    "mixed categories": (pd.Series([1, "a", None], dtype="category"), ["1", "a", None]),
    "sparse": (pd.arrays.SparseArray([1.0, np.nan, 2.0]), [1.0, None, 2.0]),
    "half floats": (np.array([1, 2, 3], dtype="float16"), [1.0, 2.0, 3.0]),
    "wide decimals": ([Decimal("1e30"), Decimal("1e-30"), None], ["1" + "0" * 30, "1E-30", None]),
    "NaN decimals": ([Decimal("1.5"), Decimal("NaN"), None], [Decimal("1.5"), None, None]),
    "enumerations": ([Speed.SLOW] * 3, ["ground"] * 3),
    "mixed": ([1, "a", 2.5], ["1", "a", "2.5"]),
    "frames in cells": ([GOOD[["zip"]].head(1)] * 3, ["zip\n0  78701"] * 3),
    "half characters": (np.array(["\ud83d", "a", None], dtype=object), ["\\ud83d", "a", None]),
    "missing of every kind": ([pd.NA, None, "a"], [None, None, "a"]),
}


def test_an_odd_column_is_read_and_the_session_goes_on(shop):
    with sk.BatchSession(GOOD, shipper=shop) as session:
        for name, (values, expected) in ODD.items():
            frame = GOOD.copy()
            frame["odd"] = pd.Series(values, dtype=object) if name == "half characters" else values
            session.load(frame)
            read = [None if pd.isna(value) else value for value in session.sample()["odd"]]
            if name == "wide decimals":
                read[0] = read[0].split(".")[0]
            assert read == expected, name
            session.load(GOOD)
            assert session.order_count == 3, name
        session.where("state = 'TX'")
        assert len(session.map(service="ground").preview()) == 3


def test_the_same_columns_in_an_arrow_table(shop):
    cut = pa.array(pd.Series(pd.cut([1, 2, 3], 3)))
    table = pa.Table.from_pandas(GOOD).append_column("bin", cut)
    table = table.append_column("month", pa.array(MONTHS))
    table = table.append_column("wide", pa.array([Decimal(1)] * 3, pa.decimal256(50, 2)))
    session = sk.BatchSession(table, shipper=shop)
    assert session.sample()[["bin", "month", "wide"]].to_numpy().tolist() == [
        ["(0.998, 1.667]", "2026-01", "1.00"],
        ["(1.667, 2.333]", "2026-02", "1.00"],
        ["(2.333, 3.0]", "2026-03", "1.00"],
    ]


DAY = pd.Timestamp("2026-12-01 10:00")
NESTED = {
    "times": (pa.list_(pa.timestamp("us")), [DAY], '["2026-12-01 10:00:00"]'),
    "times with a zone": (
        pa.list_(pa.timestamp("us", "UTC")),
        [DAY.tz_localize("UTC")],
        "2026-12-01 10:00:00",
    ),
    "times of a fixed number": (
        pa.list_(pa.timestamp("us"), 1),
        [DAY],
        '["2026-12-01 10:00:00"]',
    ),
    "lists of times": (
        pa.list_(pa.list_(pa.timestamp("us"))),
        [[DAY]],
        '[["2026-12-01 10:00:00"]]',
    ),
    "a map of times": (
        pa.map_(pa.string(), pa.timestamp("us")),
        [("a", DAY)],
        '{"a":"2026-12-01 10:00:00"}',
    ),
    "days": (pa.list_(pa.date32()), [DAY.date()], '["2026-12-01"]'),
    "numbers": (pa.list_(pa.int64()), [1, 2], "[1,2]"),
}


@pytest.mark.parametrize("name", NESTED)
def test_a_column_of_several_values_is_text_whatever_the_values_are(name, tmp_path):
    kind, cell, expected = NESTED[name]
    table = pa.Table.from_pandas(GOOD).append_column("odd", pa.array([cell] * 3, kind))
    pq.write_table(table, tmp_path / "orders.parquet")
    for given in (table, tmp_path / "orders.parquet"):
        loaded = source.load(given)
        texts = loaded.con.sql(f"SELECT odd FROM {loaded.lines.sql}").fetchall()
        assert all(expected in text for (text,) in texts), texts


def test_half_a_character_is_an_escape_in_every_way_in(tmp_path):
    half, whole = "Gr\udcf6", r"Gr\udcf6"
    record = GOOD.iloc[0].map(str).to_dict() | {"city": half, half: half}
    headings = pd.Index(list(record), dtype=object)
    frame = pd.DataFrame([list(record.values())], columns=headings, dtype=object)
    indexed = frame.iloc[:, :-1].set_index(pd.Index([half], name=half, dtype=object))
    (tmp_path / "orders.json").write_text(json.dumps([record]))
    for given in (frame, indexed, [record], tmp_path / "orders.json"):
        loaded = source.load(given)
        names = {column.name for column in loaded.columns}
        assert whole in names
