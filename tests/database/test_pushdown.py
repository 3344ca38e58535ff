"""What a database checks itself: fewer rows are read, and a filter of all rows keeps no others."""

from __future__ import annotations

import datetime as dt
import re

import pytest

import shipkit as sk
from shipkit.errors import FilterError, SourceError
from shipkit.orders import grouping, source, where
from shipkit.orders.database.dialect import bound
from shipkit.orders.where.pushdown import matching_only

LINES = 400
PLACES = [
    ("Boston", "MA", "02134"),
    ("Austin", "TX", "78701"),
    ("Salem", "ma", "01970"),
    ("Provo", " UT", "84601"),
    ("Reno", "NV ", "89501"),
    ("Bend", "OR\t", "97701"),
    ("Erie", None, "'16501"),
    ("Åmål", "", "0"),
]


def lines_table(server, *, unnamed=False):
    """A table of orders with one to three lines.

    Some cells are only in the first line; some have blanks, capitals or nothing.
    """
    rows = []
    for n in range(1, LINES + 1):
        order, line = divmod(n - 1, 3)
        order = n if n % 7 == 0 else 10_000 + order
        city, state, zip_code = PLACES[order % 8]
        cells = (city, state, zip_code) if line == 0 or n % 7 == 0 else (None, None, None)
        named = None if unnamed and line == 2 else f"A-{order}"
        day = (dt.date(2026, 1, 1) + dt.timedelta(days=n % 300)).isoformat()
        values = (
            n,
            named,
            f"Ada {order}",
            f"{order} Main St",
            *cells,
            f"SKU-{n % 11}",
            n % 5,
            f"{n % 37}.{n % 100:02}",
            n / 7,
            day,
            f"{day} 23:30:00",
            None if n % 3 else "open",
            None,
        )
        rows.append(
            "("
            + ", ".join(
                "NULL"
                if v is None
                else str(v)
                if isinstance(v, int | float)
                else "'" + v.replace("'", "''") + "'"
                for v in values
            )
            + ")"
        )
    server.run(
        "DROP TABLE IF EXISTS order_items",
        "CREATE TABLE order_items (id INTEGER PRIMARY KEY, order_number VARCHAR(20), ship_name "
        "VARCHAR(60), address1 VARCHAR(60), city VARCHAR(40), state VARCHAR(20), zip VARCHAR(10), "
        "item_sku VARCHAR(20), quantity INTEGER, weight_lb NUMERIC(8,2), score DOUBLE PRECISION, "
        "placed DATE, changed TIMESTAMP, status VARCHAR(20), tracking_number VARCHAR(100))",
        *(
            f"INSERT INTO order_items VALUES {', '.join(rows[at : at + 100])}"
            for at in range(0, LINES, 100)
        ),
    )


def chosen(loaded, clauses=(), params=None):
    """The orders as texts, without their line numbers."""
    return chosen_of(loaded, grouping.group(loaded), clauses, params)


def chosen_of(loaded, grouped, clauses=(), params=None):
    """The same of lines that are grouped already: the whole table is grouped once."""
    selected = where.select(grouped, clauses, params or {}).relation
    return loaded.con.sql(
        "SELECT CAST(o AS VARCHAR) FROM (SELECT * EXCLUDE (row_number, row_numbers) "
        f"FROM {selected.sql} ORDER BY row_number) o"
    ).fetchall()


CLAUSES = [
    ("state = 'MA'", {}),
    ("state = $state AND item_sku = 'SKU-3'", {"state": "TX"}),
    ("state <> 'MA'", {}),
    ("state IN $states", {"states": ["UT", "NV", "OR"]}),
    ("state NOT IN ('MA', 'TX')", {}),
    ("NOT (state = 'MA' OR status IS NULL)", {}),
    ("state IS NULL", {}),
    ("status IS NOT NULL AND tracking_number IS NULL", {}),
    ("zip LIKE '0%'", {}),
    ("zip = '16501'", {}),
    ("city = 'Åmål'", {}),
    ("order_number IN $numbers", {"numbers": ["A-10003", "A-14", "A-none", "A-10007"]}),
    ("quantity >= 4 AND weight_lb < 20", {}),
    ("quantity = '3'", {}),
    ("weight_lb = 5.05 OR weight_lb = $w", {"w": 7.07}),
    ("weight_lb BETWEEN 3 AND $most", {"most": 4.5}),
    ("NOT weight_lb BETWEEN 1 AND 36", {}),
    ("score < 2.5", {}),
    ("score = 2", {}),
    ("id = '2' OR 3 < quantity", {}),
    ("placed >= '2026-10-20'", {}),
    ("placed = $day", {"day": dt.date(2026, 3, 4)}),
    ("changed < $day AND state = 'MA'", {"day": dt.datetime.fromisoformat("2026-01-20T12:00")}),
    ("lower(state) = 'ma'", {}),
    ("lower(state) = 'ma' AND quantity = 2", {}),
    ("lower(state) = 'ma' OR quantity = 2", {}),
]


@pytest.fixture
def filled(server):
    lines_table(server)
    return server


def test_the_orders_are_those_that_a_filter_of_the_whole_table_keeps_and_fewer_rows_travel(filled):
    whole = source.load(sk.Database(filled.url, table="order_items"))
    assert whole.rows == LINES
    orders = grouping.group(whole)
    saved = {}
    for place, (clause, params) in enumerate(CLAUSES):
        if filled.kind == "sqlite" and isinstance(params.get("day"), dt.date):
            continue  # SQLite has no dates: the column is text
        fetched, note = matching_only(
            sk.Database(filled.url, table="order_items", only=clause, params=params)
        )
        selected = where.select(orders, [clause], params).relation
        lines = whole.con.sql(f"SELECT unnest(row_numbers) FROM {selected.sql} ORDER BY 1")
        assert fetched.rows.column("id").to_pylist() == [n for (n,) in lines.fetchall()], clause
        if place % 4 == 0:  # and they are read as they are in the whole table
            kept = chosen_of(whole, orders, [clause], params)
            assert chosen(source.load(fetched)) == kept, clause
        saved[clause] = (
            int(re.search(r"([\d,]+) rows? read", note.text)[1].replace(",", "")) < LINES
        )
    stay = {"lower(state) = 'ma'", "lower(state) = 'ma' OR quantity = 2"} | (
        {c for c, _ in CLAUSES if c.startswith("placed >=")} if filled.kind == "sqlite" else set()
    )
    assert {clause for clause, less in saved.items() if not less} == stay


def test_lines_without_a_number_of_their_own_let_every_row_travel_and_change_nothing(server):
    lines_table(server, unnamed=True)
    whole = source.load(sk.Database(server.url, table="order_items"))
    fetched, note = matching_only(
        sk.Database(server.url, table="order_items", only="item_sku = 'SKU-3'")
    )
    assert f"{LINES} rows read" in note.text
    assert chosen(source.load(fetched)) == chosen(whole, ["item_sku = 'SKU-3'"])


def test_a_session_holds_whole_orders_and_counts_them(filled, shop):
    database = sk.Database(
        filled.url,
        table="order_items",
        only="item_sku = $sku",
        where="quantity < :most",
        params={"sku": "SKU-3", "most": 4},
    )
    with sk.BatchSession(database, shipper=shop) as session:
        assert session.selection == f"{session.order_count} of {session.order_count} orders"
        lines = session._planner.con.sql(
            "SELECT count(*), count(*) FILTER (item_sku = 'SKU-3'), max(quantity) "
            f"FROM {session._planner.loaded.lines.sql}"
        ).fetchall()[0]
        assert lines[0] > lines[1] > 0
        assert lines[2] < 4
        assert "checked by the database" in str(session.load_report)
        before = session.order_count
        session.where("state = 'MA'")
        assert 0 < session._planner.kept < before


def test_what_could_not_be_asked_is_said(filled):
    _, note = matching_only(
        sk.Database(filled.url, table="order_items", only="quantity = 2 AND lower(state) = 'ma'")
    )
    assert "except for lower(state) = 'ma'" in note.text


def test_a_condition_that_cannot_be_used_is_refused_before_the_table_is_read(filled):
    with pytest.raises(FilterError, match="did you mean `state`"):
        matching_only(sk.Database(filled.url, table="order_items", only="stat = 'MA'"))
    with pytest.raises(FilterError, match="cannot contain a subquery"):
        matching_only(sk.Database(filled.url, table="order_items", only="state IN (SELECT 'MA')"))
    with pytest.raises(FilterError, match="No value was given"):
        matching_only(sk.Database(filled.url, table="order_items", only="state = $state"))


def test_no_match_is_an_error_that_says_the_condition(filled):
    with pytest.raises(SourceError, match="No order of order_items matches: state = 'ZZ'"):
        sk.BatchSession(sk.Database(filled.url, table="order_items", only="state = 'ZZ'"))
    with pytest.raises(SourceError, match="`only` works with a table"):
        sk.Database(filled.url, query="SELECT 1", only="state = 'MA'")


def test_values_reach_the_database_bound(filled):
    for evil in ("x' OR '1'='1", "%", "x\\' OR 1=1 -- "):
        with pytest.raises(SourceError, match="No order"):
            matching_only(
                sk.Database(filled.url, table="order_items", only="city = $c", params={"c": evil})
            )


def test_tracking_numbers_go_back_into_the_rows_that_were_chosen(filled, shop):
    database = sk.Database(
        filled.url,
        table="order_items",
        only="order_number IN $numbers AND state = 'TX'",
        params={"numbers": ["A-10001", "A-10017", "A-10002"]},
    )
    with sk.BatchSession(database, shipper=shop, service="ground") as session:
        session.map(service="ground", weights="line")
        session.preview()
        session.approve()
        session.execute()
        assert session.write_back(allow_test_numbers=True).rows == 6
    found = filled.run(
        "SELECT order_number, count(*), count(tracking_number) FROM order_items WHERE "
        "tracking_number IS NOT NULL OR order_number IN ('A-10001', 'A-10017') GROUP BY "
        "order_number ORDER BY 1"
    )
    assert [row[0] for row in found] == ["A-10001", "A-10017"]
    assert all(lines == numbers for _, lines, numbers in found)


def test_percent_signs_of_a_condition_survive_beside_bound_values(filled):
    found = source.load(
        sk.Database(
            filled.url,
            table="order_items",
            where="zip LIKE '02%' AND quantity > :low",
            params={"low": 1},
        )
    )
    assert 0 < found.rows < LINES


def test_percent_signs_are_doubled_only_for_a_driver_that_formats():
    assert bound("a LIKE '5%' AND b = :b", {"b": 1}, lambda _: "%s") == (
        "a LIKE '5%%' AND b = %s",
        [1],
    )
    assert bound("a LIKE '5%' AND b = :b", {"b": 1}, lambda _: "?") == (
        "a LIKE '5%' AND b = ?",
        [1],
    )
    assert bound("a LIKE '5%'", {}, lambda _: "%s") == ("a LIKE '5%'", [])


def test_a_column_that_turns_out_to_hold_something_else_than_it_says_is_read_whole(sqlite):
    lines_table(sqlite)
    sqlite.run("UPDATE order_items SET quantity = '2 pcs' WHERE id = 10")
    whole = source.load(sk.Database(sqlite.url, table="order_items"))
    fetched, note = matching_only(sk.Database(sqlite.url, table="order_items", only="quantity = 2"))
    assert f"{LINES} rows read" in note.text
    assert chosen(source.load(fetched)) == chosen(whole, ["quantity = 2"])
