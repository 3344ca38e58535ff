"""Random conditions mean what they mean in pandas, whatever the cells hold."""

from __future__ import annotations

import contextlib
import datetime as dt

import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from shipkit.errors import FilterError
from shipkit.orders import grouping, source, where
from shipkit.orders.columns import Column

WORDS = st.one_of(
    st.none(),
    st.sampled_from(["CA", "ca", "Texas", "O'Brien", "50%", "_", "a\nb", "é", '"', "$x", "NULL"]),
    st.text(max_size=6),
)
NUMBERS = st.one_of(st.none(), st.integers(-1000, 1000))
DAYS = st.one_of(st.none(), st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)))
ROWS = st.lists(
    st.fixed_dictionaries({"word": WORDS, "number": NUMBERS, "day": DAYS}), min_size=1, max_size=12
)
SIGNS = {"=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def table_of(rows):
    return pa.Table.from_pylist(
        rows, schema=pa.schema({"word": pa.string(), "number": pa.int64(), "day": pa.date32()})
    )


@given(
    rows=ROWS,
    column=st.sampled_from(["word", "number", "day"]),
    sign=st.sampled_from(list(SIGNS)),
    data=st.data(),
)
@settings(max_examples=20 if settings.default.derandomize else 40, deadline=None)
def test_a_comparison_selects_what_pandas_selects(rows, column, sign, data):
    value = data.draw(
        {
            "word": st.text(max_size=4).filter(lambda t: "\0" not in t),
            "number": st.integers(-1000, 1000),
            "day": st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)),
        }[column]
    )
    cells = pd.Series([row[column] for row in rows], dtype=object)
    if column == "word":  # by code points, as the database compares UTF-8
        expected = [
            i
            for i, cell in enumerate(cells)
            if cell is not None
            and getattr(pd.Series([cell.encode()]), SIGNS[sign])(value.encode()).item()
        ]
    else:
        expected = [
            i
            for i, cell in enumerate(cells)
            if cell is not None and getattr(pd.Series([cell]), SIGNS[sign])(value).item()
        ]
    try:
        found = where.matching(
            table_of(rows), f"{column} {sign} $value", {"value": value}, notes_to=[]
        )
    except FilterError:  # a text in no cell that looks like a slip: '', 'C%', 'CA,TX'
        assert column == "word"
        assert value not in set(cells)
    else:
        assert found.tolist() == expected


@given(
    rows=ROWS,
    wanted=st.lists(
        st.one_of(
            st.text(max_size=4).filter(lambda t: "\0" not in t),
            st.sampled_from(["CA", "O'Brien", "50%"]),
        ),
        max_size=5,
    ),
    negated=st.booleans(),
)
@settings(max_examples=12 if settings.default.derandomize else 25, deadline=None)
def test_a_bound_list_is_membership(rows, wanted, negated):
    clause = f"word {'NOT ' if negated else ''}IN $wanted"
    expected = [
        i
        for i, row in enumerate(rows)
        if row["word"] is not None and ((row["word"] in wanted) != negated)
    ]
    if negated and not wanted:
        expected = list(range(len(rows)))  # nothing is in an empty list, an empty cell neither
    try:
        found = where.matching(table_of(rows), clause, {"wanted": wanted}, notes_to=[])
    except FilterError:  # one of the texts is in no cell and looks like a slip
        assert not set(wanted) <= {row["word"] for row in rows}
    else:
        assert found.tolist() == expected


LEAVES = st.sampled_from(
    [
        "word = 'CA'",
        "word LIKE 'C%'",
        "number > 3",
        "number BETWEEN -5 AND 5",
        "day < DATE '2025-01-01'",
        "word IS NULL",
        "number % 2 = 0",
        "coalesce(number, 0) = 0",
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]}) AND ({p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"{p[0]} OR {p[1]}"),
        inner.map(lambda c: f"NOT ({c})"),
    ),
    max_leaves=8,
)


@given(rows=ROWS, clause=TREES)
@settings(max_examples=20 if settings.default.derandomize else 50, deadline=None)
def test_what_is_written_anew_means_what_was_written(rows, clause):
    import duckdb

    table = table_of(rows)
    with duckdb.connect(":memory:") as con:
        con.register("lines", table.append_column("place", pa.array(range(table.num_rows))))
        expected = [
            row[0]
            for row in con.execute(
                f"SELECT place FROM lines WHERE {clause} ORDER BY place"
            ).fetchall()
        ]
    assert where.matching(table, clause, notes_to=[]).tolist() == expected


@given(text=st.text(max_size=60))
@settings(max_examples=20 if settings.default.derandomize else 50, deadline=None)
def test_no_text_does_more_than_answer_or_raise_a_filter_error(text):
    columns = [Column("State", "state", "VARCHAR"), Column("n", "n", "BIGINT")]
    with contextlib.suppress(FilterError):
        assert set(where.check_clause(text, columns).columns) <= {"state", "n"}


@given(
    lines=st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 3)), min_size=1, max_size=10),
    wanted=st.integers(0, 3),
)
@settings(max_examples=8 if settings.default.derandomize else 15, deadline=None)
def test_an_order_is_kept_whole_when_any_of_its_lines_matches(lines, wanted):
    grouped = grouping.group(
        source.load([{"Order ID": order, "sku_count": count} for order, count in lines])
    )
    selection = where.select(grouped, ["sku_count = $wanted"], {"wanted": wanted})
    expected = {
        order: sorted(i for i, (other, _) in enumerate(lines, start=1) if other == order)
        for order, count in lines
        if count == wanted
    }
    found = selection.orders.con.sql(
        f"SELECT order_id, row_numbers FROM {selection.relation.sql}"
    ).fetchall()
    assert {order: list(rows) for order, rows in found} == expected
    assert selection.count == len(expected)
