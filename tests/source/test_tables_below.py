"""A second table under the first: other headings, or a title that is a state of orders."""

from __future__ import annotations

import pytest

from shipkit.orders.source import connect, load

HEADINGS = "Order ID,Name,Address,City,State,Zip,Weight (lb)"
ROWS = [f"A-{n},Ann Lee,{n} Oak St,Austin,TX,78701,{n}" for n in (1, 2, 3, 4)]


def held(tmp_path, *lines):
    """Return the rows that wait because they belong to another table, with the reason."""
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([HEADINGS, *lines]) + "\n")
    problems = load(path, con=connect()).problems.to_pylist()
    return {p["row_number"]: p["problem"] for p in problems if p["code"] == "other_table"}


@pytest.mark.parametrize(
    "again",
    [
        HEADINGS.replace("(lb)", "(oz)"),
        "Name,Order ID,Zip,State,City,Address,Weight (oz)",
        "Order ID,Name,Street,City,State,Zip,Weight (lb)",
    ],
)
def test_rows_below_other_headings_wait(tmp_path, again):
    found = held(tmp_path, *ROWS[:2], again, *ROWS[2:])
    assert [*found] == [4, 5]
    assert "row 3 above it has other headings" in found[4]


def test_rows_below_the_same_headings_do_not_wait(tmp_path):
    assert held(tmp_path, *ROWS[:2], HEADINGS, *ROWS[2:]) == {}


def test_the_headings_of_the_table_end_it(tmp_path):
    other = HEADINGS.replace("(lb)", "(oz)")
    assert [*held(tmp_path, ROWS[0], other, ROWS[1], HEADINGS, *ROWS[2:])] == [3]


def test_headings_under_a_title_do_not_end_it(tmp_path):
    assert [*held(tmp_path, ROWS[0], "Returns,,,,,,", HEADINGS, *ROWS[1:])] == [4, 5, 6]


@pytest.mark.parametrize("title", ["Cancelled orders", "Returns", "On hold", "Storniert", "返品"])
def test_rows_below_a_title_that_is_a_state_wait(tmp_path, title):
    assert [*held(tmp_path, *ROWS[:2], f"{title},,,,,,", *ROWS[2:])] == [4, 5]


@pytest.mark.parametrize(
    "title",
    ["Open orders", "Total", "Page 2 of 3", "Not cancelled", "Orders without refund", "Express"],
)
def test_rows_below_other_titles_do_not(tmp_path, title):
    assert held(tmp_path, *ROWS[:2], f"{title},,,,,,", *ROWS[2:]) == {}


def test_the_next_title_ends_it(tmp_path):
    lines = ["Open orders,,,,,,", ROWS[0], "On hold,,,,,,", ROWS[1], "Ready to ship,,,,,,", ROWS[2]]
    assert [*held(tmp_path, *lines)] == [4]


def test_people_and_streets_that_are_called_as_headings_are_orders(tmp_path):
    rows = ["State,Zip City,1 Name St,City,TX,78701,1", "Name,City Zip,2 Oak St,Austin,TX,78701,2"]
    assert held(tmp_path, *rows, *ROWS) == {}
