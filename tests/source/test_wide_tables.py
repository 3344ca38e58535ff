"""Tables with very many columns: read like narrow ones, in a time that grows with the columns."""

from __future__ import annotations

import csv

import pandas as pd
import pytest

import shipkit as sk
from shipkit.common.sql import one as fetched
from shipkit.orders import source
from shipkit.orders.source import celltypes

KINDS = {
    "text": lambda n, row: f"v{row}",
    "whole": lambda n, row: str(n * row),
    "decimal": lambda n, row: f"{row}.5{n % 9}",
    "day": lambda n, row: f"2026-0{1 + n % 9}-1{row % 9}",
    "moment": lambda n, row: f"2026-01-0{1 + row % 9} 10:3{n % 9}:00",
    "minus nothing": lambda n, row: "-0" if row == 3 else str(row),
    "id": lambda n, row: f"00{row}",
    "blank": lambda n, row: "",
    "padded": lambda n, row: f" {row} ",
    "late text": lambda n, row: "x" if row == 11 else str(row),
    "apostrophe": lambda n, row: f"'0{row}",
}
HEADINGS = {
    "amount": "Price {n}",
    "number": "Weight {n}",
    "unknown": "meta {n}",
    "date": "Date {n}",
}


def orders(rows, extra):
    return [
        {
            "order_id": f"A-{row}",
            "name": "Ada Lee",
            "address1": f"{row} Main St",
            "city": "Austin",
            "state": "TX",
            "zip": "78701",
            "weight_lb": "2",
            **extra(row),
        }
        for row in range(1, rows + 1)
    ]


def written(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def problems(loaded, fields):
    return [row for row in loaded.problems.to_pylist() if row["field"] in fields]


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_column_of_a_wide_table_is_read_as_in_a_narrow_one(heading, tmp_path):
    shape = HEADINGS[heading]
    count = 7 * len(KINDS)
    kinds = [list(KINDS.values())[n % len(KINDS)] for n in range(count)]

    def cells(places):
        return lambda row: {shape.format(n=n): kinds[n](n, row) for n in places}

    wide = source.load(written(tmp_path / "wide.csv", orders(12, cells(range(count)))))
    of_wide = {column.name: column.type for column in wide.columns}
    for start in range(0, count, 3 * len(KINDS)):
        part = range(start, start + len(KINDS))
        narrow = source.load(written(tmp_path / f"n{start}.csv", orders(12, cells(part))))
        assert {c.name: c.type for c in narrow.columns}.items() <= of_wide.items()
        described = narrow.describe().set_index("name")
        pd.testing.assert_frame_equal(
            wide.describe().set_index("name").loc[described.index], described
        )
        names = [shape.format(n=n) for n in part]
        fields = {c.key for c in narrow.columns if c.name in names}
        assert problems(wide, fields) == problems(narrow, fields)


def test_a_decimal_mark_is_proven_by_a_column_of_another_part(tmp_path):
    def cells(row):
        return {f"Note {n}": "x" for n in range(70)} | {"Unit Price": f"{row},5"}

    rows = [{**row, "weight_lb": "1,250"} for row in orders(3, cells)]
    loaded = source.load(written(tmp_path / "comma.csv", rows))
    weights = loaded.con.execute(f"SELECT weight_lb FROM {loaded.lines.sql}").fetchall()
    assert weights == [(1.25,)] * 3


@pytest.mark.parametrize("kind", ["csv", "frame"])
def test_more_columns_than_a_condition_may_have_parts_are_read_and_priced(kind, tmp_path, shop):
    rows = orders(3, lambda row: {f"meta_{n}": f"v{row}" for n in range(1100)})
    given = {
        "csv": lambda: written(tmp_path / "wide.csv", rows),
        "frame": lambda: pd.DataFrame(rows),
    }[kind]()
    with sk.BatchSession(given, shipper=shop, service="ground") as session:
        assert len(session.columns) == 1107
        assert len(session.preview()) == 3


def test_what_cells_of_many_columns_ask_for_is_said_of_each(shop):
    rows = orders(2, lambda row: {f"Zork {n}": "RMA" if row == 1 else "blue" for n in range(60)})
    with sk.BatchSession(rows, shipper=shop, service="ground") as session:
        found = session.problems
    asked = found[found.code == "column_not_understood"]
    assert sorted(asked.field) == sorted(f"zork_{n}" for n in range(60))
    assert set(asked.row_number) == {1}


def test_headings_that_are_repeated_in_a_wide_file_are_left_out(tmp_path):
    rows = orders(3, lambda row: {f"meta_{n}": f"v{row}" for n in range(1200)})
    rows.insert(2, {heading: heading for heading in rows[0]})
    loaded = source.load(written(tmp_path / "again.csv", rows))
    assert loaded.rows == 3
    assert any("headings again" in note.text for note in loaded.report.notes)


def test_a_question_about_cells_is_not_longer_where_there_are_more_columns(tmp_path, monkeypatch):
    # A statement takes a time that grows with the square of what it asks.
    def longest(count):
        asked = []

        def one(con, sql, params=None):
            asked.append(len(sql))
            return fetched(con, sql, params)

        monkeypatch.setattr(celltypes, "one", one)
        rows = orders(10, lambda row: {f"meta_{n}": f"v{row}" for n in range(count)})
        source.load(written(tmp_path / f"{count}.csv", rows)).describe()
        return max(asked)

    assert longest(500) < 1.1 * longest(100)
