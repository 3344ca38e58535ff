"""Statements over small tables: planned once, right for every table they are given."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import duckdb
import pyarrow as pa
import pytest

import shipkit as sk
from shipkit.carriers.ratecard import price_tables
from shipkit.common import kept_plans
from shipkit.common.kept_plans import rows_of, run_small
from shipkit.common.memory_database import memory_database
from shipkit.common.relation import fresh
from shipkit.orders import validate

TOTALS = "SELECT t.a, sum(t.b) OVER () AS total FROM t WHERE t.a > 1 ORDER BY t.a"


def pairs(*rows):
    return pa.table({"a": [a for a, _ in rows], "b": [b for _, b in rows]})


@pytest.fixture
def planned(monkeypatch):
    """The statements that were planned, over connections of this test alone."""
    monkeypatch.setattr(kept_plans, "_idle", [])
    texts = []
    real = kept_plans._Bench._planned

    def noted(bench, sql, schemas):
        texts.append(sql)
        return real(bench, sql, schemas)

    monkeypatch.setattr(kept_plans._Bench, "_planned", noted)
    return texts


def test_a_statement_is_planned_once_and_reads_the_rows_of_each_call(planned):
    for rows, expected in (
        ([(1, 5), (2, 6), (3, 7)], [(2, 13), (3, 13)]),
        ([(9, 1)], [(9, 1)]),
        ([], []),
        ([(4, 40), (1, 1)], [(4, 40)]),
    ):
        table = pairs(*rows).cast(pa.schema([("a", pa.int64()), ("b", pa.int64())]))
        found = run_small(TOTALS, t=table)
        assert [(row["a"], int(row["total"])) for row in found.to_pylist()] == expected
    assert planned == [TOTALS]


def test_a_table_of_other_types_has_a_plan_of_its_own(planned):
    sql = "SELECT typeof(a) AS kind FROM t"
    for kind, name in ((pa.int64(), "BIGINT"), (pa.string(), "VARCHAR"), (pa.int64(), "BIGINT")):
        found = run_small(sql, t=pa.table({"a": pa.array([None], kind)}))
        assert found.column("kind").to_pylist() == [name]
    assert planned == [sql, sql]


def test_a_call_that_fails_leaves_nothing_for_the_next():
    sql = "SELECT a::BIGINT AS a FROM t"
    with pytest.raises(duckdb.ConversionException, match="x1"):
        run_small(sql, t=pa.table({"a": ["x1"]}))
    assert run_small(sql, t=pa.table({"a": ["7"]})).column("a").to_pylist() == [7]


def test_the_rows_of_a_call_are_not_kept(planned):
    run_small(TOTALS, t=pairs((2, 1)))
    (bench,) = kept_plans._idle
    ((_, slots),) = bench._plans.values()
    assert slots["t"].table is None


def test_no_more_plans_are_kept_than_fit(planned, monkeypatch):
    monkeypatch.setattr(kept_plans, "_PLANS", 3)
    for n in (1, 2, 3, 1, 4, 1, 2):
        found = run_small(f"SELECT a + {n} AS a FROM t", t=pairs((10, 0)))
        assert found.column("a").to_pylist() == [10 + n]
    (bench,) = kept_plans._idle
    assert len(bench._plans) == 3
    # 1 was used again before 4 took a place; 2 had lost its own.
    assert [sql.split()[3] for sql in planned] == ["1", "2", "3", "4", "2"]


def test_threads_do_not_read_each_others_rows():
    together = Barrier(6)

    def call(number):
        together.wait()
        return [
            run_small(TOTALS, t=pairs((2, number), (3, number))).column("total").to_pylist()
            for _ in range(8)
        ]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(call, range(6)))
    assert [{int(total) for rows in each for total in rows} for each in answers] == [
        {2 * number} for number in range(6)
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_connections_of_its_own():
    script = """
import os
import pyarrow as pa
from shipkit.common.kept_plans import run_small

def total(n):
    found = run_small("SELECT sum(a)::BIGINT AS s FROM t", t=pa.table({"a": [n, n]}))
    return found["s"].to_pylist()

assert total(1) == [2]
child = os.fork()
if not child:
    os._exit(0 if total(2) == [4] else 1)
assert os.waitpid(child, 0)[1] == 0
assert total(3) == [6]
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("query", "is_outside"),
    [
        ("SELECT 'a' AS t, 1::BIGINT AS n, [{'k': 'v'}] AS s, 1.5::DECIMAL(9,2) AS d", True),
        ("SELECT range AS n FROM range(10001)", False),
        ("SELECT 1::HUGEINT AS n", False),
        ("SELECT INTERVAL 1 DAY AS n", False),
    ],
)
def test_few_rows_of_plain_types_leave_the_database_and_others_stay(query, is_outside):
    with memory_database() as con, fresh(con, "stage") as schema:
        rows = rows_of(con, schema.view("made", query))
        assert (rows.table is not None) is is_outside
        count = con.sql(query).fetchall()
        assert rows.run(f"SELECT * FROM {rows.sql}").num_rows == len(count)
        name = con.sql(query).columns[0]
        assert len(rows.distinct(name)) == len({row[0] for row in count})


ORDERS = [
    {"Order": "1", "Name": "Ann Lee", "Address": "1 Main St", "City": "Austin"},
    {"Order": "2", "Name": "Bo Ray", "Address": "PO Box 12", "City": "Austin"},
    {"Order": "3", "Name": "nan", "Address": "3 Main St", "City": "78701 Austin", "Zip": None},
    {"Order": "4", "Name": "Cy Doe", "Address": "4 Main St", "City": None, "Weight (lb)": "500"},
    {"Order": "5", "Name": "Di Fox", "Address": "5 Main St", "City": "Austin", "Service": "?"},
    {"Order": "6", "Name": "Ed Gee", "Address": "6 Via Roma", "City": "Roma", "Country": "IT"},
    {"Order": "7", "Name": "Total: 6 orders", "Address": None, "City": None},
]
REST = {
    "State": "TX",
    "Zip": "78701",
    "Country": "US",
    "Phone": "+1 (512) 555-0100",
    "Weight (lb)": "2",
    "Service": "Ground",
}


def seen(shop):
    with sk.BatchSession([{**REST, **row} for row in ORDERS], shipper=shop) as session:
        frame = session.preview()
        return frame.to_csv(), session.problems.to_csv()


def test_large_tables_are_read_with_the_same_result_as_small_ones(shop, monkeypatch):
    small = seen(shop)
    assert "po_box" in small[1]
    for module in (kept_plans, validate, price_tables):
        monkeypatch.setattr(module, "SMALL", 0)
    assert seen(shop) == small
