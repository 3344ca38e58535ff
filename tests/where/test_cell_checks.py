"""What only the cells show: a list in one text, rows left out, numbers compared as letters."""

from __future__ import annotations

import datetime as dt
import warnings

import pyarrow as pa
import pytest

import shipkit as sk
from shipkit.errors import FilterError
from shipkit.orders import grouping, source, where

ROWS = [
    {
        "order_id": str(number),
        "state": ["CA", "TX", None][number % 3],
        "zip": f"{10000 + number * 700:05d}",
        "company": None if number % 2 else "Acme Inc",
        "city": ["Austin", "South Austin", "Washington"][number % 3],
        "qty": number,
        "placed": dt.datetime.fromisoformat(f"2026-11-{1 + number % 20:02}T{number % 24:02}:00"),
    }
    for number in range(1, 40)
]


@pytest.fixture(scope="module")
def orders() -> grouping.OrderSet:
    return grouping.group(source.load(ROWS))


REFUSED = [
    ("state = 'CA,TX'", {}, "one of its parts is in 26 rows", "state IN ('CA', 'TX')"),
    ("state NOT IN ('CA; TX')", {}, "one of its parts is in 26 rows", "IN ('CA', 'TX')"),
    ("state = $s", {"s": "CA|TX"}, "one of its parts is in 26 rows", "IN ('CA', 'TX')"),
    ("state IN $s", {"s": ["CA,TX"]}, "one of its parts is in 26 rows", "IN ('CA', 'TX')"),
    ("order_id = '7\n8\n9'", {}, "one of its parts is in 3 rows", "IN ('7', '8', '9')"),
    ("state = 'C%'", {}, "As a pattern it fits 13 rows", "state LIKE 'C%'"),
    ("state <> 'C*'", {}, "As a pattern it fits 13 rows", "state LIKE 'C%'"),
    ("company = ''", {}, "An empty cell is NULL, as in 20 rows", "company IS NULL"),
    ("order_id > '9'", {}, "the result differs in 30 rows", "TRY_CAST(order_id AS DOUBLE)"),
    ("order_id BETWEEN '1' AND '20'", {}, "the result differs in 7 rows", "TRY_CAST(order_id"),
    ("qty BETWEEN 10 AND 5", {}, "wrong order", "BETWEEN 5 AND 10"),
    ("qty NOT BETWEEN $a AND $b", {"a": 9, "b": 1}, "wrong order", "BETWEEN $b AND $a"),
    ("placed BETWEEN '2026-11-10' AND '2026-11-05'", {}, "wrong order", "'2026-11-05' AND"),
    ("city LIKE 'Aus*'", {}, "wildcard is % and not *", "city LIKE 'Aus%'"),
]


@pytest.mark.parametrize(
    ("clause", "bound", "what", "fix"), REFUSED, ids=[ascii(clause) for clause, *_ in REFUSED]
)
def test_what_the_cells_contradict_is_refused(orders, clause, bound, what, fix):
    with pytest.raises(FilterError) as caught:
        where.select(orders, [clause], bound)
    assert what in str(caught.value)
    assert fix in str(caught.value)


NOTED = [
    ("state <> 'CA'", 13, "Left out because `state` is empty: 13 rows. To keep them, add OR state"),
    ("state NOT IN ('CA')", 13, "Left out because `state` is empty: 13 rows."),
    ("state NOT LIKE 'C%'", 13, "Left out because `state` is empty: 13 rows."),
    ("NOT (state = 'CA')", 13, "Left out because `state` is empty: 13 rows."),
    ("state IN ('ca', 'TX')", 13, "No cell of `state` is 'ca'. Spelled otherwise"),
    (
        "order_id = '07'",
        0,
        "No cell of `order_id` is '07'. Spelled otherwise (letters, blanks, zer",
    ),
    (
        "city = 'Washington, DC'",
        0,
        "No cell of `city` is 'Washington, DC'; one of its parts is in ",
    ),
    ("city LIKE 'Austin'", 13, "Inside longer cells it is in 13 rows."),
    ("placed = '2026-11-05'", 1, "later on that day and left out: 1 row. To compare days, write "),
    ("placed <= '2026-11-05'", 8, "later on that day and left out: 1 row."),
    ("placed > '2026-11-05'", 31, "later on that day and kept: 1 row."),
    (
        "state = 'CA' OR state = 'TX' AND qty > 5",
        24,
        "AND is applied before OR; brackets around the list would change 1 row.",
    ),
]


@pytest.mark.parametrize(("clause", "count", "note"), NOTED, ids=[clause for clause, *_ in NOTED])
def test_what_may_not_be_expected_is_said(orders, clause, count, note):
    chosen = where.select(orders, [clause], {})
    assert chosen.count == count
    assert note in chosen.notes[0]


@pytest.mark.parametrize(
    "clause",
    [
        "state = 'TX'",
        "state = 'NY'",
        "state <> 'CA' OR state IS NULL",
        "state <> 'CA' AND state IS NOT NULL",
        "state IN ('ca', 'CA')",
        "zip > '2'",
        "zip >= '11' AND zip < '12'",
        "zip BETWEEN '10000' AND '19999'",
        "order_id IN ('1', '2')",
        "qty BETWEEN 5 AND 10",
        "city LIKE 'Aus%'",
        "city LIKE 'Austin' OR city LIKE '%Austin'",
        "placed >= '2026-11-05'",
        "(state = 'CA' OR state = 'TX') AND qty > 5",
        "state = 'CA' OR (state = 'TX' AND qty > 5)",
        "state = 'CA' AND qty < 5 OR state = 'TX' AND qty < 9",
        "company = 'Acme Inc'",
    ],
)
def test_nothing_is_said_where_nothing_would_go_wrong(orders, clause):
    notes = where.select(orders, [clause], {}).notes
    expected = 1 if clause.startswith("city LIKE 'Austin' OR") else 0
    assert len(notes) == expected


def test_rows_of_a_result_are_checked_too():
    table = pa.table({"state": ["CA", "TX"]})
    with pytest.raises(FilterError, match="one of its parts is in 2 rows"):
        where.matching(table, "state = 'CA,TX'")


@pytest.mark.parametrize(
    ("clause", "kept", "left_out"),
    [
        ("weight_lb < 20", 1, 3),
        ("NOT weight_lb < 20", 1, 3),
        ("weight_lb BETWEEN 1 AND 50", 2, 3),
        ("state = 'TX' AND weight_lb >= 1", 1, 1),
        ("weight_lb < 20 OR weight_lb IS NULL", 4, 0),
        ("weight_lb = 2", 1, 3),
        ("weight_lb IN (2, 30)", 2, 3),
        ("abs(weight_lb) = 2 AND state = 'TX'", 1, 1),
        ("state = 'TX'", 2, 0),
        ("weight_lb = 2 OR weight_lb IS NULL", 4, 0),
    ],
)
def test_a_cell_that_is_no_number_is_left_out_with_a_note(tmp_path, shop, clause, kept, left_out):
    path = tmp_path / "orders.csv"
    cells = ("2,TX", "n/a,TX", ",CA", "30,CA", "-,CA")
    rows = [
        f"{n},Ada Lee {n},{n} Main St,Austin,{state},78701,{weight}"
        for n, cell in enumerate(cells, start=1)
        for weight, state in [cell.split(",")]
    ]
    path.write_text("Order,Name,Address,City,State,Zip,Weight (lb)\n" + "\n".join(rows) + "\n")
    session = sk.BatchSession(path, shipper=shop).map(service="ground").where(clause)
    note = f"Left out because `weight_lb` is empty or cannot be read: {left_out} row"
    assert session.selection.startswith(f"{kept} of 5 orders")
    assert (note in session.selection) == (left_out > 0)
    session.preview()
    assert (note in str(session.summary)) == (left_out > 0)
    assert bool(session.summary.filter_notes) == (left_out > 0)


def test_an_empty_cell_equals_nothing_and_one_that_is_no_day_has_a_note(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("Order,Order Date,Qty\n1,2026-11-02,1\n2,,\n3,soon,2\n")
    orders = grouping.group(source.load(path))
    assert where.select(orders, ["qty = 1"], {}).notes == ()
    for clause in ("order_date = '2026-11-02'", "CAST(order_date AS DATE) IN ('2026-11-02')"):
        (note,) = where.select(orders, [clause], {}).notes
        assert note.startswith("Left out because `order_date` is empty or cannot be read: 2 rows.")


def test_what_a_clause_of_results_leaves_out_is_said():
    table = pa.table({"state": ["CA", "TX", None]})
    with pytest.warns(UserWarning, match="Left out because `state` is empty: 1 row"):
        assert where.matching(table, "state <> 'CA'").tolist() == [1]
    said: list[str] = []
    where.matching(table, "state <> 'CA'", notes_to=said)
    assert len(said) == 1


def test_a_comparison_of_results_that_have_no_price_says_nothing():
    table = pa.table({"cost_cents": [100, None, 300]})
    said: list[str] = []
    assert where.matching(table, "cost_cents > 200", notes_to=said).tolist() == [2]
    assert said == []


def test_skip_and_edit_say_what_their_clause_leaves_out(shop):
    session = sk.BatchSession(ROWS, shipper=shop).map(service="ground")
    for change in (session.skip, lambda clause: session.edit(clause, weight_lb=3)):
        with pytest.warns(UserWarning, match="Left out because `state` is empty"):
            change("state <> 'CA'")


@pytest.mark.parametrize("clause", [1, None, ["state = 'CA'", 7], b"x", 2.5, {"state": "CA"}])
def test_a_clause_that_is_no_text_is_refused_by_our_error(shop, clause):
    session = sk.BatchSession(ROWS, shipper=shop).map(service="ground")
    for change in (session.skip, lambda given: session.edit(given, weight_lb=3), session.where):
        with pytest.raises(FilterError, match="A filter is a text"):
            change(clause)


def test_the_session_says_it_with_the_number_of_orders(shop):
    session = sk.BatchSession(ROWS, shipper=shop)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session.where("state <> 'CA'")
    assert session.selection == (
        "13 of 39 orders. Left out because `state` is empty: 13 rows. To keep them, add OR state "
        "IS NULL."
    )
