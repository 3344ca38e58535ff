"""Decimal commas, decimal points and thousands: decided by the cells, never guessed."""

from __future__ import annotations

import pytest

from shipkit.orders import source
from shipkit.orders.filters.measure_filters import convert_weight


def read(tmp_path, rows, heading="Weight (kg)", more=""):
    text = "\n".join(f"{n};A;{row}" for n, row in enumerate(rows, start=1))
    path = tmp_path / "orders.csv"
    path.write_text(f"Order ID;Name;{heading}{more}\n{text}\n", encoding="utf-8")
    loaded = source.load(path)
    values = loaded.con.sql(
        f'SELECT "{loaded.columns[2].key}" FROM {loaded.lines.sql} ORDER BY row_number'
    ).fetchall()
    return [value for (value,) in values], loaded.problems.to_pylist()


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["0,050", "1,5", "0,750"], [0.05, 1.5, 0.75]),
        (["0,050", "0,800"], [0.05, 0.8]),
        (["1,250", "12,5"], [1.25, 12.5]),
        (["1.250", "12,5"], [1250.0, 12.5]),
        (["1,250", "12.5"], [1250.0, 12.5]),
        (["1.250,500", "2"], [1250.5, 2.0]),
        (["1,234,567", "1,250"], [1234567.0, 1250.0]),
        (["1.500", "0.750"], [1.5, 0.75]),
        (["1.125", "2"], [1.125, 2.0]),
        (["1.500", "2.250"], [1.5, 2.25]),
        (["0,050 kg", "1,250 kg"], [0.05, 1.25]),
    ],
)
def test_the_cells_of_a_column_decide_its_decimal_mark(tmp_path, cells, values):
    assert read(tmp_path, cells) == (values, [])


@pytest.mark.parametrize("heading", ["Weight (kg)", "Length (cm)"])
@pytest.mark.parametrize(
    ("cells", "values"), [(["1,250", "2"], [None, 2.0]), (["1.500", "750"], [None, 750.0])]
)
def test_a_measure_that_can_be_read_in_two_ways_is_an_error(tmp_path, heading, cells, values):
    found, (problem,) = read(tmp_path, cells, heading)
    assert found == values
    assert (problem["row_number"], problem["value"], problem["severity"]) == (1, cells[0], "error")
    assert "decimals or thousands" in problem["problem"]
    assert "1250 or 1.25" in problem["fix"]


@pytest.mark.parametrize(("price", "value"), [("12,50", 1.25), ("12.50", 1250.0)])
def test_another_column_can_prove_the_mark(tmp_path, price, value):
    rows = [f"1,250;{price}", f"2;{price}"]
    assert read(tmp_path, rows, more=";Declared Value") == ([value, 2.0], [])


def test_a_zero_before_the_comma_is_no_group_of_thousands_in_a_filter():
    assert convert_weight("1,250", "g", "kg") == pytest.approx(1.25)
    assert convert_weight("0,050", "kg") == "0,050", "unread, so that the row is an error"


@pytest.mark.parametrize("cell", ["~2", "0.5 t", "2 st", "2 Pfund", "250 mg", "< 1"])
def test_a_unit_or_mark_that_is_not_known_is_never_dropped(tmp_path, cell):
    path = tmp_path / "orders.csv"
    path.write_text(f"order,weight (lb)\n1,{cell}\n2,1.5\n", encoding="utf-8")
    assert [p["code"] for p in source.load(path).problems.to_pylist()] == ["cell_not_number"]
