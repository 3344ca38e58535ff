"""Rows in the order of their numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipkit.common.row_order import in_order


def rows(numbers):
    return pa.table({"number": pa.array(numbers, pa.int64()), "place": range(len(numbers))})


def ordered(numbers):
    return in_order(rows(numbers), np.array(numbers, dtype=np.int64))


RUNS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 12), st.integers(1, 3)), min_size=0, max_size=8
).map(lambda runs: [first + step * k for first, count, step in runs for k in range(count)])


@given(RUNS)
def test_rows_are_in_order_and_equal_ones_as_they_were(numbers):
    found = ordered(numbers)
    wanted = rows(numbers).take(pa.array(np.argsort(numbers, kind="stable").astype(np.int64)))
    assert found.to_pylist() == wanted.to_pylist()


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param([5, 6, 7, 1, 2, 3, 4], id="one-run-late"),
        pytest.param([3, 4, 7, 8, 1, 2, 5, 6], id="each-within-the-other"),
        pytest.param([20, 22, 30, 1, 9, 21, 40], id="with-gaps"),
    ],
)
def test_long_runs_are_moved_and_not_copied(numbers):
    table = rows(numbers)
    found = in_order(table, np.array(numbers))
    assert found.column("number").to_pylist() == sorted(numbers)
    mine = {chunk.buffers()[1].address for chunk in table.column("number").chunks}
    assert {chunk.buffers()[1].address for chunk in found.column("number").chunks} == mine


def test_rows_that_are_in_order_are_returned_as_they_are():
    table = rows([1, 2, 2, 9])
    assert in_order(table, np.array([1, 2, 2, 9])) is table


def test_many_short_runs_are_one_chunk():
    numbers = [k ^ 1 for k in range(2_000)]
    found = ordered(numbers)
    assert found.column("number").to_pylist() == list(range(2_000))
    assert found.column("number").num_chunks == 1
