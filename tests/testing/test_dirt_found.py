"""What 4,000 mixes of dirt found: files whose kinds of damage together were read in silence."""

import pytest

from shipkit import BatchSession

HEADINGS = "Weight (lb),Name,Address 1,City,State,Zip,Country,Order Number"
ROWS = (
    "1,Ada Lee,10 Main St,Boston,MA,02134,US,SO-1",
    "2,Ben Okri,11 Main St,Austin,TX,78701,US,SO-2",
    "3,Zoe Muller,12 Main St,Seattle,WA,98101,US,SO-3",
    "4,Jose Diaz,13 Main St,Denver,CO,80202,US,SO-4",
    "5,Cy Day,14 Main St,Miami,FL,33101,US,SO-5",
    "6,Di Fox,15 Main St,Newark,NJ,07102,US,SO-6",
)


@pytest.fixture
def read(tmp_path, shop):
    def look(*lines):
        path = tmp_path / "orders.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with BatchSession(path, shipper=shop) as session:
            session.map(service="ground")
            problems = session.problems[["row_number", "severity", "code"]]
            return list(session.mapped().order_id), [tuple(each) for each in problems.to_numpy()]

    return look


def test_a_heading_too_many_in_front_of_the_last_column_holds_all_rows(read):
    """The cells fit the other headings as well, so that order numbers were those of "Color"."""
    _, problems = read(HEADINGS.replace("Order", "Color,Order"), *ROWS)
    assert problems == [(n, "error", "too_few_cells") for n in range(1, 7)]


def test_cells_that_are_in_the_only_columns_that_they_fit_are_read(read):
    """A column of notes that no row has a cell for moves nothing."""
    orders, problems = read(HEADINGS + ",Notes", *ROWS)
    assert (orders, problems) == ([f"SO-{n}" for n in range(1, 7)], [])


def test_one_row_without_its_last_cell_is_a_warning(read):
    orders, problems = read(HEADINGS, *ROWS[:5], ROWS[5].rsplit(",", 1)[0])
    assert orders[:5] == [f"SO-{n}" for n in range(1, 6)]
    assert problems == [(6, "warning", code) for code in ("order_key_missing", "too_few_cells")]


@pytest.mark.parametrize("note", ["(see help)", "[required]", "(text)*"])
def test_a_heading_that_its_line_break_cut_is_one(read, note):
    lines = [",".join([line.rsplit(",", 1)[1], line.rsplit(",", 1)[0]]) for line in ROWS]
    named = HEADINGS.rsplit(",", 1)[0]
    orders, problems = read("Order Number", f"{note},{named}", *lines)
    assert (orders, problems) == ([f"SO-{n}" for n in range(1, 7)], [])


def test_lines_in_quotes_as_a_whole_may_have_apostrophes_inside(read):
    lines = [
        '"' + ",".join(f"'{cell}'" for cell in line.split(",")) + '";;'
        for line in (HEADINGS, *ROWS)
    ]
    orders, problems = read(*lines)
    assert (orders, problems) == ([f"SO-{n}" for n in range(1, 7)], [])


def test_a_first_cell_that_is_broken_in_two_holds_both_halves(read):
    """The second half has all cells of a row: its "Apt 3" was "3", without a word."""
    named = "Address 2," + HEADINGS
    lines = [f"Apt {n}," + line for n, line in enumerate(ROWS, 1)]
    _, problems = read(named, *lines[:2], "Apt", lines[2].removeprefix("Apt "), *lines[3:])
    held = {row for row, severity, code in problems if code == "too_few_cells"}
    assert held == {2, 4}  # the first half is read as a line of the order above it
    named, *lines = (
        f"{line.split(',', 1)[1]},{line.split(',', 1)[0]}" for line in (HEADINGS, *ROWS)
    )
    _, problems = read(named, *lines[:2], "Zoe", lines[2].removeprefix("Zoe "), *lines[3:])
    held = {row for row, severity, code in problems if severity == "error"}
    assert held == {3, 4}  # a name fits the first column


def test_a_last_row_of_another_delimiter_that_is_cut_off_is_no_footer(read):
    _, problems = read(HEADINGS, *ROWS[:5], "6|Di Fox|15 Main St|Newark|N")
    assert (5, "error", "too_few_cells") in problems  # as a line of the order above it


def test_an_open_quote_swallows_no_row_that_is_in_quotes_as_a_whole(read):
    lines = [f"{line},none" for line in ROWS]
    lines[2] = f'{ROWS[2]},"for mom'
    lines[3] = f'"{lines[3]}"'
    lines[4] = f'{ROWS[4]},"fragile"'
    orders, _ = read(f"{HEADINGS},Color", *lines)
    assert orders == [f"SO-{n}" for n in range(1, 7)]


@pytest.mark.parametrize("cut", ['"SO-6,6,Di ', '"SO-6,6,Di Fo', '"SO-6,6,Di "', '"SO-6,6 "'])
@pytest.mark.parametrize("whole", [True, False])
def test_a_last_row_in_quotes_that_is_cut_off_is_no_footer(read, whole, cut):
    rows = [",".join(reversed(line.rsplit(",", 1))) for line in ROWS]
    heads = ",".join(reversed(HEADINGS.rsplit(",", 1)))
    lines = [f'"{line}"' if whole else line for line in (heads, *rows)]
    orders, problems = read(*lines[:-1], cut)
    assert orders[:5] == [f"SO-{n}" for n in range(1, 6)]
    assert len(orders) == 6
    assert (6, "error") in {(row, severity) for row, severity, _ in problems}
    assert read(*lines[:-1], '"Total, 5 orders"')[0] == orders[:5]
