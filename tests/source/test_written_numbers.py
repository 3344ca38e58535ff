"""Fractions and wide digits are numbers, wherever a number or a code is read."""

from __future__ import annotations

import duckdb
import pytest

from shipkit.orders import expressions, source
from shipkit.orders.filters.measure_filters import side, side_sql
from shipkit.orders.written_numbers import in_decimals


def sql(expression, text):
    return duckdb.execute(f"SELECT {expression('x')} FROM (SELECT $1 AS x)", [text]).fetchall()[0][
        0
    ]


@pytest.mark.parametrize(
    ("text", "decimals"),
    [
        ("1 1/2", "1.5"),
        ("1-1/2 lb", "1.5 lb"),
        ("1½ lb", "1.5 lb"),
        ("½", "0.5"),
        ("1/2 lb", "0.5 lb"),
        ("1 lb 8 1/2 oz", "1 lb 8.5 oz"),
        ("1 and 3/4", "1.75"),
        ("10⅝", "10.625"),
        ("１２．５", "12.5"),
        ("5/4", "5/4"),
        ("12/25/2026", "12/25/2026"),
        ("1/2/2026", "1/2/2026"),
        ("1 of 1/7", "1 of 1/7"),
        ("2.5 1/2", "2.5 1/2"),
        ("a/b", "a/b"),
        (None, None),
    ],
)
def test_a_fraction_is_written_as_decimals(text, decimals):
    assert sql(in_decimals, text) == decimals


@pytest.mark.parametrize(
    ("heading", "cell", "value"),
    [
        ("Weight (lb)", "1 1/2", 1.5),
        ("Weight (lb)", "1 1/2 lb", 1.5),
        ("Weight (oz)", "8½", 8.5),
        ("Length (in)", '10-1/2"', 10.5),
        ("Item Weight (lb)", "１２", 12.0),
        ("Quantity", "１２", 12.0),
        ("Item Price", "１２．５０", 12.5),
    ],
)
def test_a_column_of_numbers_has_them(tmp_path, heading, cell, value):
    path = tmp_path / "orders.csv"
    path.write_text(f"Order ID,Name,{heading}\n1,A,{cell}\n2,B,3\n", encoding="utf-8")
    loaded = source.load(path)
    found = loaded.con.sql(f'SELECT "{loaded.columns[2].key}" FROM {loaded.lines.sql}').fetchall()
    assert (sorted(float(n) for (n,) in found), loaded.problems.num_rows) == (
        sorted([value, 3.0]),
        0,
    )


def test_a_fraction_of_a_quantity_is_no_number(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("Order ID,Name,Quantity\n1,A,1 1/2\n2,B,3\n", encoding="utf-8")
    (problem,) = source.load(path).problems.to_pylist()
    assert (problem["row_number"], problem["value"]) == (1, "1 1/2")


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("10 1/2 x 8½ x 4", ("10 1/2", "8½", "4")),
        ("１０x８x４ in", ("10 in", "8 in", "4 in")),
        ("10/8/4", ("10", "8", "4")),
        ("1/2 x 1/4 x 3 ft", ("1/2 ft", "1/4 ft", "3 ft")),
        ("12L x 8W x 4H", ("12", "8", "4")),
        ("L12 W8 H4", ("12", "8", "4")),
        ("8W x 12L x 4D", ("12", "8", "4")),
        ('12"L x 8"W x 4"H', ('12 "', '8 "', '4 "')),
        ("L: 30,5; B: 20; H: 10 cm", ("30.5 cm", "20 cm", "10 cm")),
        ("Length 12 Width 8 Height 4 in", ("12 in", "8 in", "4 in")),
        ("12L x 8L x 4H", ("12L x 8L x 4H", None, None)),
        ("12L x 8W", ("12L x 8W", None, None)),
    ],
)
def test_the_sides_of_a_parcel_have_them(text, sides):
    names = ("length", "width", "height")
    assert tuple(side(text, name) for name in names) == sides
    assert tuple(sql(lambda x, n=name: side_sql(x, n), text) for name in names) == sides


@pytest.mark.parametrize(
    ("text", "pounds"), [("1 1/2 lb", 1.5), ("8½ oz", 0.53125), ("１２", 12.0), ("5/4", None)]
)
def test_a_template_writes_them(text, pounds):
    assert sql(lambda x: expressions.measure(x, weight=True), text) == pounds


@pytest.mark.parametrize(
    ("text", "code"),
    [("７８７０１", "78701"), ("１５０－０００１", "150-0001"), ("150ー0001", "150-0001")],
)
def test_a_postal_code_has_the_digits_of_ascii(text, code):
    assert sql(expressions.code, text) == code
