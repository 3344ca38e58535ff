"""Orders that do not come from text files: Parquet, JSON, frames, Arrow, records, relations."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from decimal import Decimal

import duckdb
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shipkit.errors import SourceError
from shipkit.orders import source


def at(*parts):
    """Return a moment as orders have it: by the clock on the wall."""
    return dt.datetime(*parts)  # noqa: DTZ001


def lines(loaded):
    return loaded.con.sql(
        f"SELECT * EXCLUDE (row_number, source_file) FROM {loaded.lines.sql} ORDER BY row_number"
    ).fetchall()


def texts(loaded):
    return loaded.con.sql(
        f"SELECT * EXCLUDE (row_number, source_file) FROM {loaded.text.sql} ORDER BY row_number"
    ).fetchall()


def types(loaded):
    return {column.key: column.type for column in loaded.columns}


# -- workbooks -------------------------------------------------------------------------------------


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    book.close()
    return path


def test_numbers_from_excel_are_the_text_a_person_sees(tmp_path):
    rows = [
        ["Order ID", "Zip", "Phone", "Weight (lb)", "Order Date", "Order Total", "count", "Gift"],
        [1001, 2134, 2125550100, 2.5, at(2026, 11, 8), 12.1, 3, True],
        [1002, "02135", "x", 3, at(2026, 11, 9), 7, 4, False],
    ]
    loaded = source.load(workbook(tmp_path / "orders.xlsx", Orders=rows))
    assert texts(loaded)[0] == (
        "1001",
        "2134",
        "2125550100",
        "2.5",
        "2026-11-08",
        "12.1",
        "3",
        "true",
    )
    assert lines(loaded)[0] == (
        "1001",
        "2134",
        "2125550100",
        2.5,
        dt.date(2026, 11, 8),
        Decimal("12.10"),
        3,
        "true",
    )
    assert loaded.origin.sheet == "Orders"


def test_the_sheet_that_looks_like_orders_is_read(tmp_path):
    path = workbook(
        tmp_path / "orders.xlsx",
        Summary=[["Total", 5]],
        Data=[["Order ID", "Ship City", "Zip"], ["A", "Rome", "02134"]],
        Notes=[["x"]] * 50,
    )
    loaded = source.load(path)
    assert loaded.origin.sheet == "Data"
    assert "the orders are in sheet 'Data'" in str(loaded.report)
    assert source.load(path, sheet="Summary", header=False).rows == 1
    with pytest.raises(SourceError, match="no sheet 'Datta'") as caught:
        source.load(path, sheet="Datta")
    assert "Summary, Data, Notes" in str(caught.value)


def test_titles_above_the_headings_of_a_sheet_are_dropped(tmp_path):
    rows = [
        ["Orders of November"],
        [],
        ["Order ID", "Zip", "City"],
        ["A", "02134", "Rome"],
        ["B", None, None],
        [None, None, None],
    ]
    loaded = source.load(workbook(tmp_path / "orders.xlsx", Orders=rows))
    assert lines(loaded) == [("A", "02134", "Rome"), ("B", None, None)]
    assert "dropped: 2 rows above" in str(loaded.report)


def test_an_empty_sheet_says_so(tmp_path):
    with pytest.raises(SourceError, match="is empty"):
        source.load(workbook(tmp_path / "orders.xlsx", Orders=[]))
    with pytest.raises(SourceError, match="a header row and no data rows"):
        source.load(workbook(tmp_path / "heads.xlsx", Orders=[["Order ID", "Zip"]]))


# -- parquet and JSON ------------------------------------------------------------------------------


def test_parquet_keeps_its_types_but_for_columns_that_are_text(tmp_path):
    table = pa.table(
        {
            "zip": [2134, 98101],
            "qty": pa.array([1, None], pa.int32()),
            "w": [1.5, float("nan")],
            "day": [dt.date(2026, 1, 2), None],
            "weight": ["2.5", "n/a"],
            "tags": [["a"], []],
        }
    )
    path = tmp_path / "orders.parquet"
    pq.write_table(table, path)
    loaded = source.load(path)
    assert lines(loaded) == [
        ("2134", 1, 1.5, dt.date(2026, 1, 2), 2.5, '["a"]'),
        ("98101", None, None, None, None, "[]"),
    ]
    assert types(loaded) == {
        "zip": "VARCHAR",
        "qty": "INTEGER",
        "w": "DOUBLE",
        "day": "DATE",
        "weight": "DOUBLE",
        "tags": "VARCHAR",
    }
    assert loaded.problems.column("field").to_pylist() == ["weight"]


RECORDS = [
    {
        "id": "A",
        "zip": "02134",
        "ship_to": {"city": "Rome", "lines": ["x", "y"]},
        "qty": 2,
        "price": 1.10,
    },
    {"id": "B", "qty": 3, "zip": 98101, "extra": True},
]


@pytest.mark.parametrize("shape", ["list", "inside", "lines", "packed"])
def test_json_is_read_as_a_list_inside_an_object_or_line_by_line(tmp_path, shape):
    data = {
        "list": json.dumps(RECORDS),
        "inside": json.dumps({"page": 1, "orders": RECORDS}),
        "lines": "\n".join(json.dumps(r) for r in RECORDS),
        "packed": json.dumps(RECORDS),
    }[shape].encode()
    path = tmp_path / (
        "orders.json.gz"
        if shape == "packed"
        else "orders.ndjson"
        if shape == "lines"
        else "orders.json"
    )
    path.write_bytes(gzip.compress(data) if shape == "packed" else data)
    loaded = source.load(path)
    assert [c.name for c in loaded.columns] == [
        "id",
        "zip",
        "ship_to.city",
        "ship_to.line 1",
        "ship_to.line 2",
        "qty",
        "price",
        "extra",
    ]
    assert texts(loaded) == [
        ("A", "02134", "Rome", "x", "y", "2", "1.1", None),
        ("B", "98101", None, None, None, "3", None, "true"),
    ]
    assert types(loaded)["qty"] == "BIGINT"
    assert loaded.column("ship_to.city").role == "city"


def test_numbers_in_json_keep_their_spelling(tmp_path):
    path = tmp_path / "orders.json"
    path.write_text('[{"a": 12345678901234567890, "b": 1.10, "c": 1e3}]')
    assert texts(source.load(path)) == [("12345678901234567890", "1.10", "1e3")]


# -- frames, Arrow, records, relations -------------------------------------------------------------


def test_a_frame_keeps_its_types_its_index_is_ignored_and_gaps_are_null():
    frame = pd.DataFrame(
        {
            "zip": [2134, 98101],
            "Phone": [2125550100.0, np.nan],
            "qty": [1, 2],
            "w": [1.5, np.nan],
            "when": [pd.Timestamp("2026-01-02 03:04"), pd.NaT],
            "gift": [True, False],
            "name": ["A", None],
            "code": ["007", "1"],
            "size": pd.Categorical(["S", "M"]),
        },
        index=[7, 3],
    )
    loaded = source.load(frame)
    assert lines(loaded) == [
        ("2134", "2125550100", 1, 1.5, at(2026, 1, 2, 3, 4), True, "A", "007", "S"),
        ("98101", None, 2, None, None, False, None, "1", "M"),
    ]
    assert types(loaded) == {
        "zip": "VARCHAR",
        "phone": "VARCHAR",
        "qty": "BIGINT",
        "w": "DOUBLE",
        "when": "TIMESTAMP",
        "gift": "BOOLEAN",
        "name": "VARCHAR",
        "code": "VARCHAR",
        "size": "VARCHAR",
    }
    assert loaded.con.sql(f"SELECT row_number, source_file FROM {loaded.lines.sql}").fetchall() == [
        (1, None),
        (2, None),
    ]


@pytest.mark.parametrize(
    ("index", "headings"),
    [
        (["order_id"], ["order_id", "name", "zip"]),
        (["order_id", "name"], ["order_id", "name", "zip"]),
    ],
)
def test_a_named_index_is_read_as_columns(index, headings):
    frame = pd.DataFrame(
        {"order_id": ["A-1", "A-1"], "name": ["Ada", "Bo"], "zip": ["02134", "78701"]}
    )
    indexed = frame.set_index(index)
    loaded = source.load(indexed)
    assert [column.name for column in loaded.columns] == headings
    assert lines(loaded) == [("A-1", "Ada", "02134"), ("A-1", "Bo", "78701")]
    assert list(indexed.index.names) == index  # the frame itself is not changed


def test_an_index_that_repeats_its_column_is_read_once():
    frame = pd.DataFrame({"order_id": ["A-1"], "zip": ["02134"]})
    assert lines(source.load(frame.set_index("order_id", drop=False))) == [("A-1", "02134")]


def test_an_empty_text_is_nothing_wherever_it_comes_from(tmp_path):
    frame = pd.DataFrame({"order_id": ["1", "2"], "state": ["CA", ""], "n": [1, 2]})
    frame.to_csv(tmp_path / "orders.csv", index=False)
    for given in (
        frame,
        pa.Table.from_pandas(frame),
        frame.to_dict("records"),
        tmp_path / "orders.csv",
    ):
        loaded = source.load(given)
        assert loaded.con.sql(
            f"SELECT order_id FROM {loaded.lines.sql} WHERE state IS NULL"
        ).fetchall() == [("2",)]


def test_text_that_looks_like_numbers_stays_what_the_frame_says():
    assert types(source.load(pd.DataFrame({"code": ["1", "2"], "weight": ["1.5", "2"]}))) == {
        "code": "VARCHAR",
        "weight": "DOUBLE",
    }


def test_a_frame_of_mixed_cells_and_odd_headings_is_read():
    frame = pd.DataFrame(
        [[1, "a", None], ["x", 2.0, dt.date(2026, 1, 2)]], columns=["mixed", "mixed", 5]
    )
    loaded = source.load(frame)
    assert [c.name for c in loaded.columns] == ["mixed", "mixed_2", "5"]
    assert lines(loaded) == [("1", "a", None), ("x", "2", dt.date(2026, 1, 2))]


def test_a_frame_is_not_changed_by_loading():
    frame = pd.DataFrame({"zip": [2134], "b": ["x"]})
    before = frame.copy(deep=True)
    source.load(frame)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    "make",
    [lambda t: t, lambda t: t.to_reader(), lambda t: t.to_batches()[0]],
    ids=["table", "reader", "batch"],
)
def test_arrow_is_read_as_table_reader_or_batch(make):
    loaded = source.load(
        make(
            pa.table(
                {
                    "zip": [2134],
                    "amount": pa.array([Decimal("1.50")]),
                    "d": pa.array(["x"]).dictionary_encode(),
                }
            )
        )
    )
    assert lines(loaded) == [("2134", Decimal("1.50"), "x")]


def test_a_relation_that_cannot_be_read_is_the_callers_to_mend():
    con = duckdb.connect()
    con.execute("CREATE TABLE orders AS SELECT 'A' AS order_id FROM range(3000)")
    relation = con.sql("SELECT order_id::INTEGER AS order_id FROM orders")
    with pytest.raises(SourceError, match=r"(?i)relation cannot be read.*convert") as caught:
        source.load(relation)
    assert "fetchall()" in caught.value.fix
    assert isinstance(caught.value.__cause__, duckdb.Error)


def test_a_relation_of_another_database_is_read():
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t AS SELECT '02134' AS zip, 5 AS qty")
        loaded = source.load(con.sql("FROM t"))
    assert lines(loaded) == [("02134", 5)]
    assert loaded.origin.kind == "relation"


def test_records_may_lack_fields_and_nest():
    loaded = source.load(
        [{"Order ID": 17, "ship_to": {"zip": 2134}}, {"Order ID": 18, "note": "x"}]
    )
    assert lines(loaded) == [("17", "2134", None), ("18", None, "x")]
    assert "do not have every field" in str(loaded.report)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "empty"),
        ([1, 2], "Item 0 of the list is a int"),
        (pd.DataFrame(), "no columns"),
        (pd.DataFrame({"a": []}), "The DataFrame has columns and no data rows"),
        (pa.table({}), "no columns"),
    ],
)
def test_an_empty_table_says_so(given, words):
    with pytest.raises(SourceError, match=words):
        source.load(given)


def test_the_database_reaches_for_no_extension_and_no_variable():
    orders = pd.DataFrame({"a": [1]})
    with source.connect() as con:
        with pytest.raises(duckdb.Error):
            con.execute("SELECT * FROM read_csv('https://example.com/x.csv')").fetchall()
        with pytest.raises(duckdb.Error):
            con.execute("SELECT * FROM orders").fetchall()
    assert len(orders) == 1


def test_describe_and_sample_speak_of_headings():
    loaded = source.load(
        [
            {"Ship City": "Rome", "qty": 1},
            {"Ship City": "Rome", "qty": 2},
            {"Ship City": "Oslo", "qty": None},
        ]
    )
    described = loaded.describe()
    assert described.columns.tolist()[:5] == ["name", "type", "non_null", "distinct", "examples"]
    assert described.iloc[0, :5].tolist() == ["Ship City", "VARCHAR", 3, 2, "Rome, Oslo"]
    assert loaded.sample(2).columns.tolist() == ["row_number", "Ship City", "qty"]
    assert loaded.sample(2).equals(loaded.sample(2))
    assert len(loaded.sample(99)) == 3


def test_the_superstore_file_is_read_whole(shared):
    loaded = source.load(shared / "orders" / "superstore_shipments_5009.csv")
    assert loaded.rows == 5009
    assert loaded.con.sql(
        f"SELECT count(*) FROM {loaded.lines.sql} WHERE length(zip) = 4"
    ).fetchall() == [(219,)]
    assert loaded.con.sql(
        f"SELECT count(*) FROM {loaded.lines.sql} WHERE address1 IS NULL"
    ).fetchall() == [(270,)]
    assert loaded.column("zip").type == "VARCHAR"
    assert loaded.column("order_date").type == "DATE"


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("amazon_new_orders_report.tsv", 6),
        ("ebay_us_orders.csv", 1),
        ("etsy_sold_orders.csv", 2),
        ("shopify_orders_export.csv", 40),
    ],
)
def test_real_exports_are_read_as_they_are(shared, name, rows):
    assert source.load(shared / "orders" / "exports" / name).rows == rows
