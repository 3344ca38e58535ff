"""Valid SQL that silently means something else than what was written: refused, with the fix."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from shipkit.errors import FilterError
from shipkit.orders import grouping, source, where

ROWS = [
    {
        "order_id": str(number),
        "Ship State": ["CA", "TX"][number % 2],
        "weight_lb": number * 1.5,
        "qty": number,
        "day": dt.date(2026, 11, number % 20 + 1),
        "note": "n",
    }
    for number in range(1, 40)
]


@pytest.fixture(scope="module")
def orders() -> grouping.OrderSet:
    return grouping.group(source.load(ROWS))


class State(str, enum.Enum):  # noqa: UP042 - str() of it is "State.TEXAS", which must not be bound
    TEXAS = "TX"


class Count(enum.IntEnum):
    FIVE = 5


IN_TEXT = "IN takes a list"
INSIDE = "looks for its second value inside the first"
TRAPS = [
    ("order_id IN '1,2'", IN_TEXT, "Write order_id IN ('1', '2')."),
    ("order_id NOT IN '1,2'", IN_TEXT, "IN ('1', '2')"),
    ("order_id IN '(1; 2)'", IN_TEXT, "IN ('1', '2')"),
    ("ship_state IN 'TX'", IN_TEXT, "ship_state IN ('TX')"),
    ("\"Ship State\" IN 'TX' AND qty = 2", IN_TEXT, "\"Ship State\" IN ('TX')"),
    ("qty IN 5", IN_TEXT, "qty IN (5)"),
    ("'1' IN order_id", IN_TEXT, "contains(order_id, '1')"),
    ("ship_state IN upper('tx')", IN_TEXT, "bind a list"),
    ("order_id IN contains('a', note)", IN_TEXT, "bind a list"),
    ("order_id IN ()", "no values", "brackets"),
    ("order_id = ('1', '2')", "Values in brackets are a list", "IN ('CA', 'TX')"),
    ("contains('1,2', order_id)", INSIDE, "order_id IN ('1', '2')"),
    ("\"contains\"('1,2', order_id)", INSIDE, "contains(order_id, '1,2')"),
    ("strpos('1,2', order_id) > 0", INSIDE, "order_id IN ('1', '2')"),
    ("position(order_id IN '1,2') > 0", INSIDE, "order_id IN ('1', '2')"),
    ("'TX' ^@ ship_state", INSIDE, "ship_state IN ('TX')"),
    ("order_id IN ('1'\n'2')", "without a comma", "comma between"),
    ("'ship_state' = 'TX'", "'Ship State' in single quotes", '"Ship State"'),
    ("'weight_lb' > 5", "'weight_lb' in single quotes", "without quotes, weight_lb"),
    ("'Ship State' IN ('TX', 'CA')", "in single quotes", '"Ship State"'),
    ("'Ship State' <> $s", "in single quotes", '"Ship State"'),
    ("lower('ship_state') LIKE 't%'", "in single quotes", "ship_state"),
    ("'note' IS NOT NULL", "in single quotes", "note"),
    ("'a' = 'b'", "the same for every order", "Name a column"),
    ("ship_state = \u2018TX\u2019", "no column", "straight quotes: 'TX'"),
    ("ship_state = 'CA' OR 'TX'", "'TX' alone", "OR ship_state = 'TX'"),
    ("qty = 5 OR 6", "6 alone", "qty IN (...)"),
    ("note LIKE 'C%' OR 'T%'", "'T%' alone", "OR note LIKE 'T%'"),
    ("NOT 'x'", "'x' alone", "whole condition"),
    ("qty <> 5 OR qty <> 6", "true for every order", "qty NOT IN (5, 6)"),
    ("qty = 5 AND qty = 6", "never true", "qty IN (5, 6)"),
    ("note > '11/05/2026'", "compare letters", "try_strptime(note"),
    ("note BETWEEN '1.2.26' AND '2.2.26'", "compare letters", "try_strptime(note"),
    ("weight_lb < 'nan'", "keep every order", "IS NULL"),
    ("weight_lb < CAST(' NaN' AS DOUBLE)", "keep every order", "IS NULL"),
]


@pytest.mark.parametrize(("clause", "what", "fix"), TRAPS, ids=[clause for clause, *_ in TRAPS])
def test_a_condition_that_means_something_else_is_refused(orders, clause, what, fix):
    with pytest.raises(FilterError) as caught:
        where.select(orders, [clause], {"s": "x"} if "$s" in clause else {})
    assert what in str(caught.value)
    assert fix in str(caught.value)


@pytest.mark.parametrize(
    ("clause", "count"),
    [
        ("order_id IN ['1', '2']", 2),
        ("order_id IN ('1')", 1),
        ("contains(order_id, '1')", 13),
        ("1 = 1", 39),
        ("$wanted = 'all' OR ship_state = $wanted", 39),
        ("qty = 5 AND qty = 5", 1),
        ("qty <> 5 OR note <> 'n'", 38),
    ],
)
def test_what_means_what_it_says_is_kept(orders, clause, count):
    bound = {"wanted": "all"} if "$" in clause else {}
    assert where.select(orders, [clause], bound).count == count


@pytest.mark.parametrize(
    ("clause", "bound"),
    [
        ("(qty - 5) / (weight_lb - 7.5) <> 1", {}),
        ("NOT (qty - 5) / (weight_lb - 7.5) < 1", {}),
        ("(weight_lb - 7.5) % (qty - 5) <> 1", {}),
        ("mod(weight_lb, qty - 5) > 100", {}),
        ("weight_lb <= $a / $b", {"a": 0.0, "b": 0.0}),
        ("weight_lb < 0.0/0.0", {}),
        ("weight_lb < sqrt(-1)", {}),
        ("weight_lb < CAST('inf' AS DOUBLE) * 0", {}),
    ],
)
def test_what_is_divided_by_zero_is_unknown_and_keeps_no_order(orders, clause, bound):
    """Order 5 alone divides by zero in the first four: NaN was greater than every number."""
    found = where.select(orders, [f"qty = 5 AND ({clause})"], bound)
    assert found.count == 0


def test_an_infinite_number_is_refused(orders):
    with pytest.raises(FilterError, match="infinite"):
        where.select(orders, ["weight_lb < 1e400"], {})
    with pytest.raises(FilterError, match="infinite"):
        where.select(orders, ["weight_lb < $most - 1"], {"most": float("inf")})
    assert where.select(orders, ["weight_lb < $most"], {"most": float("inf")}).count == 39


NAN = "it is not a number (NaN)"
EMPTY = "is None, and no value is equal to it"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), NAN),
        (np.float64("nan"), NAN),
        (np.float32("nan"), NAN),
        (Decimal("NaN"), NAN),
        (Decimal("sNaN"), NAN),
        ("nan", "keep every order"),
        (pd.NA, EMPTY),
        (pd.NaT, EMPTY),
        (np.datetime64("NaT", "us"), EMPTY),
        (Decimal("1e1000"), "more than 38 digits"),
        (2**200, "too large"),
        (1j, "complex"),
        (b"5", "bytes"),
        ({1: 2}, "dict"),
        (pd.Interval(1, 2), "Interval"),
        (pd.Period("2026-11"), "Period"),
        (pd.DataFrame({"a": [1]}), "DataFrame"),
        (dt.datetime(2026, 11, 5, tzinfo=dt.UTC), "time zone"),
        (pd.Timestamp("2026-11-05", tz="America/Chicago"), "time zone"),
        ("\ud800", "half a character"),
        ([1, float("nan")], NAN),
        (np.array([1.0, np.nan]), NAN),
        ([1, None], "contains None"),
        (pd.array([1, None], dtype="Int64"), "contains None"),
        ([[1]], "list of lists"),
        (["x" * 10_000] * 2_001, "20,010,000 characters"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_value_that_no_number_equals_is_refused(orders, value, words):
    listed = isinstance(value, list | np.ndarray) or hasattr(value, "isna")
    clause = "qty IN $v" if listed and not isinstance(value, pd.DataFrame) else "weight_lb <= $v"
    with pytest.raises(FilterError) as caught:
        where.select(orders, [clause], {"v": value})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("clause", "value", "count"),
    [
        ("weight_lb <= $v", float("inf"), 39),
        ("weight_lb <= $v", Decimal("Infinity"), 39),
        ("qty <= $v", Count.FIVE, 5),
        ("qty IN $v", range(5), 4),
        ("qty IN $v", {5: "five"}.keys(), 1),
        ("qty IN $v", pd.Categorical([1, 2]), 2),
        ("qty IN $v", pa.array([1, 2]), 2),
        ("ship_state = $v", State.TEXAS, 20),
        ("ship_state IN $v", [State.TEXAS], 20),
        ("day = $v", np.datetime64("2026-11-06T00:00:00.000000000"), 2),
        ("day IN $v", np.array(["2026-11-06"], dtype="datetime64[ns]"), 2),
        ("day IN $v", pd.to_datetime(["2026-11-06"]), 2),
    ],
)
def test_values_of_other_libraries_are_bound_as_what_they_mean(orders, clause, value, count):
    assert where.select(orders, [clause], {"v": value}).count == count


def test_after_every_refusal_the_next_filter_works(orders):
    for clause, *_ in TRAPS:
        with pytest.raises(FilterError):
            where.select(orders, [clause], {"s": "x"} if "$s" in clause else {})
        assert where.select(orders, ["qty <= 5"], {}).count == 5


def test_nan_in_cells_is_no_number():
    rows = [{"w": "nan"}, {"w": "3"}, {"w": "x"}]
    loaded = grouping.group(source.load(rows))
    assert where.select(loaded, ["TRY_CAST(w AS DOUBLE) > 1"], {}).count == 1
    assert where.matching(pa.table({"w": [float("nan"), 3.0]}), "w > 1").tolist() == [1]
