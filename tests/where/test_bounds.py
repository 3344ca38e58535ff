"""How much memory and time a filter may take: bounded before it runs."""

from __future__ import annotations

import os
import time

import pyarrow as pa
import pytest

from shipkit.errors import FilterError
from shipkit.orders import grouping, source, where
from shipkit.orders.where.bench import FilterBench


@pytest.fixture(scope="module")
def long() -> pa.Table:
    """Three thousand orders with a note of 40,000 bytes each."""
    cell = "aB\u00e9 " * 8_000
    return pa.table(
        {"note": [cell] * 3_000, "state": ["CA"] * 3_000, "day": ["2026-11-05"] * 3_000}
    )


def replaced(text: str, new: int) -> str:
    return f"length(replace({text}, 'a', '{'x' * new}')) > 0"


@pytest.mark.parametrize(
    ("clause", "what"),
    [
        (replaced("concat('" + "a" * 10_000 + "', state)", 499), "5,000,499 characters"),
        (
            replaced("CASE WHEN state <> '' THEN concat('" + "a" * 20_000 + "', state) END", 400),
            "8,020,400 characters",
        ),
        (replaced("strftime(day, '" + "%A" * 20_000 + "')", 400), "characters"),
        ("strftime(day, '" + "%A" * 60 + "') = 'x'", "at most 100 characters"),
        ("strptime(day, '" + "%m" * 60 + "') IS NULL", "at most 100 characters"),
        ("strftime(day, note) = 'x'", "must be fixed text"),
        (replaced("state", 1_000), "much longer than the cells"),
        (replaced("note", 900), "too long texts of the longest cell (40,000 bytes)"),
    ],
    ids=lambda text: text[:30],
)
def test_a_filter_that_makes_too_long_texts_is_refused_before_it_runs(long, clause, what):
    began = time.process_time()
    with pytest.raises(FilterError) as caught:
        where.matching(long, clause)
    assert what in str(caught.value)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("clause", "bytes_of_a_row"),
    [
        ("lower(note) = 'x'", 4 * 40_000),
        (replaced("note", 99), 4 * 100 * 40_000),
        ("concat(note, note, state) = 'x'", 4 * 3 * 40_000),
    ],
)
def test_long_cells_are_filtered_in_batches_that_fit(long, clause, bytes_of_a_row):
    with FilterBench() as bench:
        checked = bench.checked([clause], bench.columns_of(long), {})
        batches = bench._in_batches(long.select(["note", "state"]), checked).to_batches()
    most = 256 * 1024 * 1024 // os.cpu_count() // bytes_of_a_row
    assert max(batch.num_rows for batch in batches) <= most < 2_048
    assert sum(batch.num_rows for batch in batches) == 3_000


def test_small_batches_find_the_same_rows(long):
    rows = long.set_column(1, "state", pa.array(["CA", "TX", None] * 1_000))
    assert len(where.matching(rows, "lower(note) LIKE 'ab%' AND state = 'CA'")) == 1_000


def test_an_ordinary_table_is_filtered_as_it_is():
    rows = pa.table({"state": ["CA"] * 5_000, "zip": ["78701"] * 5_000})
    with FilterBench() as bench:
        clause = (
            "lower(state) = 'ca' AND regexp_matches(zip, '^78') AND replace(zip, '7', '') = '8'"
        )
        checked = bench.checked([clause], bench.columns_of(rows), {})
        assert bench._in_batches(rows, checked) is rows


def test_the_number_of_values_is_bounded():
    names = {f"v{number}": number for number in range(1_001)}
    clause = " OR ".join(f"n = ${name}" for name in names)
    with pytest.raises(FilterError, match="at most 1,000 and 1,000 are allowed"):
        where.matching(pa.table({"n": [1]}), clause, names)


def test_a_condition_that_fails_alone_is_left_out_of_the_explanation():
    rows = [{"state": "CA", "note": "x"}, {"state": "TX", "note": "7"}]
    chosen = where.select(
        grouping.group(source.load(rows)), ["state = 'NY' AND (note::INT > 5 OR false)"], {}
    )
    assert "note::INT > 5 OR false: cannot be counted alone" in chosen.explain()
