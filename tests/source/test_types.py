"""What becomes a number or a date, what stays text, and what a cell that does not fit becomes."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipkit.errors import SourceError
from shipkit.orders import source


def at(*parts):
    """Return a moment as orders have it: by the clock on the wall."""
    return dt.datetime(*parts)  # noqa: DTZ001


def load(tmp_path, heading, cells, **options):
    path = tmp_path / "orders.csv"
    path.write_text(
        "\n".join([f"n,{heading}", *(f'{n},"{cell}"' for n, cell in enumerate(cells))]) + "\n",
        encoding="utf-8",
    )
    loaded = source.load(path, **options)
    column = loaded.columns[1]
    values = [
        value
        for (value,) in loaded.con.sql(
            f'SELECT "{column.key}" FROM {loaded.lines.sql} ORDER BY row_number'
        ).fetchall()
    ]
    return column, values, loaded


@pytest.mark.parametrize(
    "heading",
    [
        "Zip",
        "Ship Zip",
        "Billing Zip",
        "Phone",
        "Order ID",
        "SKU",
        "Tracking Number",
        "Recipient Name",
        "Transaction ID",
        "Address 1",
    ],
)
def test_a_column_that_is_text_by_its_meaning_stays_text(tmp_path, heading):
    column, values, _ = load(tmp_path, heading, ["98101", "2134", "10001"])
    assert (column.type, values) == ("VARCHAR", ["98101", "2134", "10001"])


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "22", "-3"], "BIGINT"),
        (["1", "2.5", "-0.25"], "DOUBLE"),
        (["1", ""], "BIGINT"),
        (["2026-11-01", "2026-12-31"], "DATE"),
        (["2026-11-01 10:00", "2026-11-02T11:30:15"], "TIMESTAMP"),
        (["01", "2"], "VARCHAR"),
        (["1", "007"], "VARCHAR"),
        (["-0"], "VARCHAR"),
        (["+1"], "VARCHAR"),
        (["1e5"], "VARCHAR"),
        (["1,5"], "VARCHAR"),
        (["$5"], "VARCHAR"),
        (["12345678901234567890"], "VARCHAR"),
        (["0.1234567890123"], "VARCHAR"),
        (["1", "n/a"], "VARCHAR"),
        (["2026-02-30"], "VARCHAR"),
        (["2026-11-01", "soon"], "VARCHAR"),
        (["11/01/2026"], "VARCHAR"),
        (["nan", "1.5"], "VARCHAR"),
        (["inf"], "VARCHAR"),
        (["1_000"], "VARCHAR"),
        (["", ""], "VARCHAR"),
    ],
    ids=str,
)
def test_an_unknown_column_gets_a_type_only_when_nothing_is_lost(tmp_path, cells, kind):
    assert load(tmp_path, "measure", cells)[0].type == kind


def test_one_late_misfit_keeps_a_column_text(tmp_path):
    column, values, _ = load(tmp_path, "measure", [*["5"] * 30_000, "05"])
    assert (column.type, values[-1]) == ("VARCHAR", "05")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2.5", 2.5),
        ("2", 2.0),
        (".5", 0.5),
        ("2.", 2.0),
        (" 2.5 ", 2.5),
        ("1,234.5", 1234.5),
        ("2,5", 2.5),
        ("1.234,5", 1234.5),
        ("+3", 3.0),
        ("", None),
    ],
)
def test_a_weight_is_read_however_it_is_spelt(tmp_path, cell, value):
    column, values, loaded = load(tmp_path, "Weight (oz)", [cell, "1.25"])
    assert (column.type, column.role, column.unit, values[0]) == ("DOUBLE", "weight", "oz", value)
    assert loaded.problems.num_rows == 0


@pytest.mark.parametrize(
    ("cell", "severity"),
    [
        ("heavy", "error"),
        ("1..5", "error"),
        ("1,2,3", "error"),
        ("12-13", "error"),
        ("nan", "warning"),
        ("inf", "error"),
        ("N/A", "warning"),
        ("-", "warning"),
    ],
)
def test_a_weight_that_is_no_number_is_null_and_a_problem(tmp_path, cell, severity):
    column, values, loaded = load(tmp_path, "Weight (oz)", ["1", cell, "2.5"])
    assert (column.type, values) == ("DOUBLE", [1.0, None, 2.5])
    assert loaded.problems.to_pylist() == [
        {
            "row_number": 2,
            "field": "weight_oz",
            "value": cell,
            "problem": "the value in column 'Weight (oz)' is not a number",
            "fix": "Correct the cell in the source and load it again.",
            "severity": severity,
            "code": "cell_not_number",
        }
    ]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("$1,234.50", "1234.50"),
        ("1234.5", "1234.50"),
        ("12", "12.00"),
        ("USD 5.00", "5.00"),
        ("5.00 EUR", "5.00"),
        ("€9,99", "9.99"),
        ("1.234,50 €", "1234.50"),
        ("-$3.10", "-3.10"),
        ("$ 7", "7.00"),
        ("C$8", "8.00"),
    ],
)
def test_an_amount_is_exact_however_it_is_spelt(tmp_path, cell, value):
    column, values, loaded = load(tmp_path, "Order Total", [cell, "1.00"])
    assert (column.type, values[0]) == ("DECIMAL(18,2)", Decimal(value))
    assert loaded.problems.num_rows == 0


def test_an_amount_keeps_all_its_places(tmp_path):
    column, values, _ = load(tmp_path, "Order Total", ["0.1", "0.12345"])
    assert (column.type, values) == ("DECIMAL(18,5)", [Decimal("0.10000"), Decimal("0.12345")])


def test_an_amount_that_is_none_is_a_warning(tmp_path):
    _, values, loaded = load(tmp_path, "Order Total", ["free", "99999999999999999999.00"])
    assert values == [None, None]
    assert loaded.problems.column("severity").to_pylist() == ["warning", "warning"]


@pytest.mark.parametrize(
    ("cells", "value"),
    [
        (["2026-11-08"], dt.date(2026, 11, 8)),
        (["11/08/2026"], dt.date(2026, 11, 8)),
        (["11/8/26", "1/31/26"], dt.date(2026, 11, 8)),
        (["08/11/2026", "31/01/2026"], dt.date(2026, 11, 8)),
        (["08.11.2026"], dt.date(2026, 11, 8)),
        (["08-Nov-2026"], dt.date(2026, 11, 8)),
        (["8 Nov 2026"], dt.date(2026, 11, 8)),
        (["Nov 8, 2026"], dt.date(2026, 11, 8)),
        (["November 8, 2026"], dt.date(2026, 11, 8)),
        (["Nov-08-26"], dt.date(2026, 11, 8)),
        (["2026/11/08"], dt.date(2026, 11, 8)),
        (["20261108"], dt.date(2026, 11, 8)),
        (["Sun, 8 Nov 2026"], dt.date(2026, 11, 8)),
        (["Sun, 08 Nov 2026 10:30:00 +0000"], at(2026, 11, 8, 10, 30)),
        (["2026-11-08T10:50:49-08:00"], at(2026, 11, 8, 10, 50, 49)),
        (["2026-11-08 10:50:49 -0400"], at(2026, 11, 8, 10, 50, 49)),
        (["11/08/2026 10:50"], at(2026, 11, 8, 10, 50)),
        (["11/08/2026 1:05 PM"], at(2026, 11, 8, 13, 5)),
        (["2026-11-08 00:00:00"], dt.date(2026, 11, 8)),
        (["2026-11-08", "11/09/2026"], dt.date(2026, 11, 8)),
    ],
    ids=str,
)
def test_an_order_date_is_read_in_the_formats_of_the_exports(tmp_path, cells, value):
    column, values, loaded = load(tmp_path, "Order Date", cells)
    assert values[0] == value
    assert column.type == ("TIMESTAMP" if isinstance(value, dt.datetime) else "DATE")
    assert loaded.problems.num_rows == 0


def test_a_day_that_could_be_a_month_is_told(tmp_path):
    assert "assumed month before day" in str(load(tmp_path, "Order Date", ["01/02/2026"])[2].report)
    assert "assumed" not in str(
        load(tmp_path, "Order Date", ["01/02/2026", "01/31/2026"])[2].report
    )


def test_a_date_that_is_none_is_null_and_a_problem(tmp_path):
    column, values, loaded = load(tmp_path, "Ship Date", ["2026-11-08", "asap", "2026-02-30"])
    assert (column.type, values) == ("DATE", [dt.date(2026, 11, 8), None, None])
    assert [(p["row_number"], p["value"], p["severity"]) for p in loaded.problems.to_pylist()] == [
        (2, "asap", "error"),
        (3, "2026-02-30", "error"),
    ]


def test_outer_blanks_are_not_part_of_a_cell_and_nothing_else_is_taken_off(tmp_path):
    _, values, _ = load(tmp_path, "State", [" CA", "TX\t", "\u00a0NY ", "ua0u", "00", "a"])
    assert values == ["CA", "TX", "NY", "ua0u", "00", "a"]


def test_an_apostrophe_before_digits_is_taken_off_and_told(tmp_path):
    _, values, loaded = load(tmp_path, "Zip", ["'02134", "98101", "'n Roll"])
    assert values == ["02134", "98101", "'n Roll"]
    assert "apostrophe" in str(loaded.report)


def test_a_ghost_behind_whole_numbers_of_text_is_taken_off(tmp_path):
    assert load(tmp_path, "Zip", ["2134.0", "98101.0"])[1] == ["2134", "98101"]
    assert load(tmp_path, "SKU", ["A-1", "7.0", "B-2", "C-3"])[1] == ["A-1", "7.0", "B-2", "C-3"]


def test_types_can_be_pinned_by_heading_or_key(tmp_path):
    assert load(tmp_path, "Weight (oz)", ["1", "2"], types={"weight_oz": str})[1] == ["1", "2"]
    assert load(tmp_path, "measure", ["01", "x"], types={"measure": "int"})[1] == [1, None]
    column, values, loaded = load(
        tmp_path, "Order Date", ["01/02/2026", "31/02/2026"], types={"Order Date": "%d/%m/%Y"}
    )
    assert (column.type, values) == ("DATE", [dt.date(2026, 2, 1), None])
    assert loaded.problems.num_rows == 1


@pytest.mark.parametrize(
    ("types", "words"),
    [
        ({"measur": "int"}, "did you mean 'measure'"),
        ({"measure": "blob"}, "cannot be read as 'blob'"),
    ],
)
def test_a_pin_that_cannot_be_used_says_so(tmp_path, types, words):
    with pytest.raises(SourceError, match=words):
        load(tmp_path, "measure", ["1"], types=types)


@given(
    cells=st.lists(
        st.one_of(
            st.integers(-(10**20), 10**20).map(str),
            st.decimals(-1000, 1000, places=3).map(str),
            st.text("0123456789.-+eE,", max_size=6),
            st.dates().map(str),
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(
    max_examples=20 if settings.default.derandomize else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_typed_cell_says_the_same_as_its_text(tmp_path, cells):
    column, values, _ = load(tmp_path, "measure", cells)
    for cell, value in zip(cells, values, strict=True):
        if column.type == "VARCHAR":
            assert (value or "") == cell
        elif value is None:
            assert cell == ""
        elif column.type == "DATE":
            assert str(value) == cell
        else:
            assert Decimal(str(value)) == Decimal(cell)


@pytest.mark.parametrize(
    ("heading", "cells", "values"),
    [
        (
            "Weight",
            ["2.5 lb", "8 oz", "1kg", "500 g.", "1,000 oz"],
            [2.5, 0.5, 2.204623, 1.102311, 62.5],
        ),
        ("Weight (oz)", ["8", "1 oz.", "8 OZ", "1 lb 8 oz"], [8.0, 1.0, 8.0, 24.0]),
        ("Item Weight", ["2 lb 4 oz", "1 pound, 8 ounces", "8 oz"], [2.25, 1.5, 0.5]),
        ("Length", ['12"', "30.48 cm", "1 ft"], [12.0, 12.0, 12.0]),
    ],
)
def test_a_unit_behind_a_number_is_converted_to_that_of_the_heading(
    tmp_path, heading, cells, values
):
    path = tmp_path / "orders.json"
    path.write_text(json.dumps([{heading: cell} for cell in cells]))
    loaded = source.load(path)
    key = loaded.columns[0].key
    assert loaded.con.sql(f"SELECT {key} FROM {loaded.lines.sql}").fetchall() == [
        (value,) for value in values
    ]
    assert loaded.problems.num_rows == 0


def test_a_bare_weight_among_weights_with_units_is_a_problem_not_a_guess(tmp_path):
    _, values, loaded = load(tmp_path, "Weight", ["2 lb", "8", "3 stone"])
    assert values == [2.0, None, None]
    assert loaded.problems.column("row_number").to_pylist() == [2, 3]
