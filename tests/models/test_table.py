"""The shipments table: its fingerprint and its way to objects."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipkit.fingerprints import digest
from shipkit.schema import PROBLEMS, SHIPMENTS, problems_table, shipment_from_row

ROW = {
    "row_number": 1,
    "row_numbers": [1, 2],
    "order_id": "SO-1",
    "name": "Ada",
    "country": "US",
    "service": "ground",
    "parcels": [{"weight_lb": 1.5, "declared_value_cents": 1000}],
    "references": [{"key": "po", "value": "7"}],
    "customs": {
        "reason": "gift",
        "items": [
            {"description": "mug", "quantity": 2, "unit_value_cents": 550, "origin_country": "US"}
        ],
    },
}


def table(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist([{**ROW, **row} for row in rows], schema=SHIPMENTS)


def test_a_row_becomes_the_shipment_it_says():
    shipment = shipment_from_row(table({})["row_number"] and table({}).to_pylist()[0])
    assert shipment.service == "ground"
    assert str(shipment.parcels[0].declared_value) == "$10.00"
    assert shipment.references == {"po": "7"}
    assert shipment.customs is not None
    assert shipment.customs.items[0].unit_value.cents == 550


def test_the_digest_does_not_depend_on_chunks_or_slices():
    whole = table(
        {"row_number": 1}, {"row_number": 2, "name": None}, {"row_number": 3, "parcels": None}
    )
    parts = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    padded = pa.concat_tables([table({"row_number": 9}), whole]).slice(1)
    assert digest(whole) == digest(parts) == digest(padded)


def test_the_digest_survives_duckdb_and_parquet(tmp_path):
    import pyarrow.parquet as pq

    whole = table({"row_number": 1}, {"row_number": 2, "name": None, "customs": None})
    pq.write_table(whole, tmp_path / "t.parquet")
    assert digest(pq.read_table(tmp_path / "t.parquet")) == digest(whole)
    assert digest(duckdb.sql("FROM whole").to_arrow_table()) == digest(whole)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Ade"},
        {"name": None},
        {"name": ""},
        {"residential": False},
        {"parcels": [{"weight_lb": 1.5000001}]},
        {"parcels": []},
        {"row_numbers": [1]},
        {"references": [{"key": "po", "value": "8"}]},
        {"customs": None},
        {"row_number": 2},
        {"postal_code": "02134"},
    ],
)
def test_the_digest_sees_every_change(change):
    assert digest(table(change)) != digest(table({}))


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.text(max_size=5)), st.one_of(st.none(), st.text(max_size=5))
        ),
        max_size=6,
    )
)
def test_the_digest_keeps_neighbouring_texts_apart(pairs):
    """Two tables whose texts run together to the same bytes still differ."""
    left = pa.table(
        {
            "a": pa.array([a for a, _ in pairs], pa.string()),
            "b": pa.array([b for _, b in pairs], pa.string()),
        }
    )
    moved = pa.table(
        {
            "a": pa.array([(a or "") + (b or "") for a, b in pairs], pa.string()),
            "b": pa.array(["" for _ in pairs], pa.string()),
        }
    )
    if left.equals(moved):
        assert digest(left) == digest(moved)
    else:
        assert digest(left) != digest(moved)


def test_an_empty_problems_table_has_all_columns():
    assert problems_table().schema == PROBLEMS


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (0, "55f68bc86f44ba0f01b667633ba4b8cbf6569b672d3955f10755238de3334e0c"),
        (3, "33b01c156c4710ae731e6d302aee961410be38b5f55678431d750d221a721473"),
        (1_048_579, "fed73286b7b98fb597797f86bc6a89b20dbfd45fde601bc766a8947cd421f29a"),
    ],
)
def test_the_digest_of_an_empty_column_is_what_it_always_was(rows, expected):
    """Job ids are made of it: those of the first release hashed each value of such a column."""
    given = pa.table(
        {"name": pa.nulls(rows, pa.string()), "order_id": pa.array(["x"] * rows, pa.string())}
    )
    assert digest(given) == expected
