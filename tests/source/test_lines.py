"""One accounting of lines: every line of every source is loaded, or set aside with its number."""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

import shipkit as sk
from shipkit.errors import SourceError
from shipkit.orders.line_account import LineAccount, SourceLines, set_aside
from shipkit.orders.source import connect, load

HEADINGS = "Order Number,Name,Address 1,City,State,Zip,Note"
ROWS = [
    f"A-{n},Ann Lee,{n} Oak St,Austin,TX,78701,note {n}" for n in (1, 2, 2)
]  # A-2 has two lines
RECORDS: list[dict[str, Any]] = [
    dict(zip(HEADINGS.split(","), row.split(","), strict=True)) for row in ROWS
]


def account(source: Any, **options: Any) -> LineAccount:
    with sk.BatchSession() as session:
        return session.load(source, **options).load_report.lines


def written(path: Path, *lines: str, end: str = "\n") -> Path:
    text = end.join(lines) + end
    path.write_bytes(text.encode())
    return path


def workbook(path: Path, rows: list[list[Any]]) -> Path:
    from openpyxl import Workbook

    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_each_kind_of_source_adds_up(tmp_path: Path) -> None:
    rows = [row.split(",") for row in (HEADINGS, *ROWS)]
    frame = pd.DataFrame(RECORDS)
    frame.to_parquet(tmp_path / "a.parquet")
    table = pa.Table.from_pylist(RECORDS)
    ndjson = "\n".join(json.dumps(record) for record in RECORDS)
    (tmp_path / "a.json").write_text(json.dumps({"orders": RECORDS}, indent=2))
    (tmp_path / "a.ndjson").write_text(ndjson + "\n\n")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress("\n".join((HEADINGS, *ROWS)).encode()))
    with_headings = "4 {}: 3 rows of 2 orders, 1 heading"
    table_only = "3 {0}s: 3 rows of 2 orders"
    found = {
        written(tmp_path / "a.csv", HEADINGS, *ROWS): with_headings.format("lines"),
        written(tmp_path / "b.csv", HEADINGS, *ROWS, end="\r\n"): with_headings.format("lines"),
        written(tmp_path / "c.csv", HEADINGS, *ROWS, end="\r"): with_headings.format("lines"),
        tmp_path / "a.csv.gz": with_headings.format("lines"),
        workbook(tmp_path / "a.xlsx", rows): with_headings.format("rows"),
        tmp_path / "a.parquet": table_only.format("row"),
        tmp_path / "a.json": table_only.format("record"),
        tmp_path / "a.ndjson": "4 lines: 3 rows of 2 orders, 1 blank (line 4)",
    }
    assert {path.name: str(account(path)) for path in found} == {
        path.name: text for path, text in found.items()
    }
    others = {"record": RECORDS, "row": frame}
    assert {unit: str(account(source)) for unit, source in others.items()} == {
        unit: table_only.format(unit) for unit in others
    }
    assert str(account(table)) == table_only.format("row")
    assert str(account(duckdb.arrow(table))) == table_only.format("row")


def test_a_database_adds_up(tmp_path: Path) -> None:
    import sqlite3

    with closing(sqlite3.connect(tmp_path / "shop.db")) as con:
        pd.DataFrame(RECORDS).to_sql("orders", con, index=False)
    database = sk.Database(f"sqlite:///{tmp_path / 'shop.db'}", table="orders")
    assert str(account(database)) == "3 rows: 3 rows of 2 orders"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (
            ["Orders of May", "", HEADINGS, *ROWS],
            "6 lines: 3 rows of 2 orders, 1 heading, 2 above the headings (lines 1-2)",
        ),
        (
            [HEADINGS, "", ROWS[0], "", "", *ROWS[1:], ""],
            "8 lines: 3 rows of 2 orders, 1 heading, 4 blank (lines 2, 4-5, 8)",
        ),
        (
            [HEADINGS, *ROWS[:2], ",,,,,,", ROWS[2], "Total,,,,,,"],
            "6 lines: 3 rows of 2 orders, 1 heading, 1 blank (line 4), 1 total (line 6)",
        ),
        (
            [HEADINGS, *ROWS, "3 lines exported"],
            "5 lines: 3 rows of 2 orders, 1 heading, 1 footer (line 5)",
        ),
        (
            [HEADINGS, ROWS[0][:-6] + '"ring', "", 'twice"', *ROWS[1:], ""],
            "7 lines: 3 rows of 2 orders, 1 heading, 2 line breaks inside cells, 1 blank (line 7)",
        ),
        (
            [HEADINGS.replace("Note", '"Note\nor gift"'), *ROWS],
            "5 lines: 3 rows of 2 orders, 1 heading, 1 line break inside cells",
        ),
    ],
)
def test_what_is_set_aside_is_named_with_its_line(
    tmp_path: Path, lines: list[str], text: str
) -> None:
    assert str(account(written(tmp_path / "orders.csv", *lines))) == text


def test_what_was_read_is_loaded_merged_or_dropped(tmp_path: Path) -> None:
    text = [HEADINGS, "", *ROWS, "Total,,,,,,"]
    lines = account(written(tmp_path / "orders.csv", *text))
    assert (lines.read, lines.loaded, lines.merged) == (5, 2, 1)
    assert [(part.reason, part.lines) for part in lines.dropped] == [
        ("blank", (2,)),
        ("total", (6,)),
    ]
    assert lines.read == lines.loaded + lines.merged + sum(part.count for part in lines.dropped)


def test_several_files_are_added_up_and_name_the_file(tmp_path: Path) -> None:
    written(tmp_path / "may.csv", HEADINGS, ROWS[0], ",,,,,,")
    written(tmp_path / "june.csv", "Orders of June", HEADINGS, *ROWS[1:], "Total,,,,,,")
    assert str(account(tmp_path / "*.csv")) == (
        "8 lines: 3 rows of 2 orders, 2 headings, 1 above the headings (line 1 of june.csv), "
        "1 blank (line 3 of may.csv), 1 total (line 5 of june.csv)"
    )


def test_lines_that_a_reader_loses_are_an_error(tmp_path: Path, monkeypatch) -> None:
    path = written(tmp_path / "orders.csv", HEADINGS, *ROWS)
    monkeypatch.setattr(
        "shipkit.orders.source.strict_text._lines_of", lambda *_: SourceLines(total=9, rows=3)
    )
    with pytest.raises(SourceError, match=r"6 of the 9 lines of orders.csv are not accounted"):
        load(path, con=connect())


def test_a_reader_adds_a_line_that_it_leaves_out() -> None:
    source = SourceLines(total=5, rows=2, headings=(1,), aside=(set_aside("hidden", [2, 4]),))
    found = LineAccount.of([source], unit="row").with_orders(2)
    assert str(found) == "5 rows: 2 rows of 2 orders, 1 heading, 2 hidden (rows 2, 4)"
    assert (found.missing, found.set_aside, found.merged) == (0, 2, 0)


def test_every_case_adds_up(shared: Path) -> None:
    cases = [
        path
        for path in sorted((shared / "cases").glob("*/*.*"))
        if path.suffix in {".csv", ".txt", ".xlsx", ".xls"}
    ]
    found = {}
    for path in cases:
        try:
            found[path.name] = load(path, con=connect()).report.lines
        except SourceError as error:
            found[path.name] = str(error)
    assert len(found) > 40
    refused = {name for name, lines in found.items() if isinstance(lines, str)}
    assert not [name for name in refused if "not accounted" in found[name]]
    counted = {name: lines for name, lines in found.items() if not isinstance(lines, str)}
    assert {name for name, lines in counted.items() if lines.missing} == set()
    # Text files are counted here once more, without any reader.
    for path in cases:
        if path.name in counted and path.suffix in {".csv", ".txt"}:
            assert counted[path.name].lines == len(path.read_bytes().splitlines()), path.name


@pytest.mark.parametrize(
    ("headings", "cells", "last", "loaded"),
    [
        ("SKU,Qty,Item Weight", ["A,1,1.5", "B,2,0.5", "A,1,2"], ",4,4.0", 3),
        ("SKU,Qty,Item Weight", ["A,1,1.5", "B,2,0.5", "A,1,2"], "C,4,4.0", 4),
        ("Qty,Weight", ["1,1.5", "2,2"], "3,3.5", 2),
        ("Qty,Weight", ["1,1.5", "2,2"], "1,3.5", 3),
        ("Total", ["$10.00", "$12.50"], "$22.50", 2),
        ("Qty", ["2"], "2", 2),
    ],
)
def test_a_last_line_of_sums_is_set_aside(tmp_path, headings, cells, last, loaded):
    lines = [f"{n},Ann Lee,{n} Oak St,Austin,78701,{row}" for n, row in enumerate(cells, start=1)]
    head = f"Order Number,Name,Address 1,City,Zip,{headings}"
    found = account(written(tmp_path / "orders.csv", head, *lines, f",,,,,{last}"))
    assert (found.loaded + found.merged, found.missing) == (loaded, 0)


def kept(paths):
    """Return the lines that are loaded, and (row, code, severity) of problems of the load."""
    loaded = load(paths, con=connect())
    numbers = loaded.con.sql(f"SELECT row_number FROM {loaded.lines.sql} ORDER BY 1").fetchall()
    problems = loaded.problems.to_pylist()
    return [n for (n,) in numbers], [(p["row_number"], p["code"], p["severity"]) for p in problems]


DOUBTFUL = ("line_or_total", "error")
SOLD = "Order Number,Name,Address 1,City,Zip,SKU,Qty,Item Weight"
SOLD_LINES = [f"{n},Ann Lee,{n} Oak St,Austin,78701,A,1,{n}.5" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("rows", "loaded", "doubtful"),
    [
        ([0, 1, 2, ",,,,,,3,9"], [1, 2, 3], []),
        ([0, 1, 2, ",,,,,,5,9"], [1, 2, 3, 4], [4]),
        ([0, 1, ",,,,,,2,4", 2, ",,,,,,1,3.5", ",,,,,,3,7.5"], [1, 2, 4], []),
        ([0, 1, ",,,,,,2,5", 2], [1, 2, 3, 4], [3]),
        ([0, ",,,,,B,2,5", 1, 2], [1, 2, 3, 4], []),
    ],
)
def test_a_row_of_numbers_is_a_sum_or_a_question(tmp_path, rows, loaded, doubtful):
    lines = [SOLD_LINES[row] if isinstance(row, int) else row for row in rows]
    found = kept(written(tmp_path / "orders.csv", SOLD, *lines))
    assert found == (loaded, [(row, *DOUBTFUL) for row in doubtful])


def test_each_of_several_files_may_end_in_sums(tmp_path):
    first = written(tmp_path / "1.csv", SOLD, *SOLD_LINES, ",,,,,,3,7.5")
    others = [line.replace("Ann", "Bo").replace(",A,", ",B,") for line in SOLD_LINES]
    second = written(tmp_path / "2.csv", SOLD, *others, ",,,,,,9,9")
    assert kept([first, second]) == ([1, 2, 3, 5, 6, 7, 8], [(8, *DOUBTFUL)])


def test_without_articles_only_the_last_row_of_numbers_is_a_question(tmp_path):
    head = SOLD.replace("SKU,", "")
    lines = [line.replace(",A,", ",") for line in SOLD_LINES]
    assert kept(written(tmp_path / "1.csv", head, *lines, ",,,,,3,7")) == (
        [1, 2, 3, 4],
        [(4, *DOUBTFUL)],
    )
    # Lines of orders are written so here.
    several = [lines[0], ",,,,,3,7", lines[1], ",,,,,1,2"]
    assert kept(written(tmp_path / "2.csv", head, *several)) == ([1, 2, 3, 4], [])


def test_the_items_of_a_record_may_be_numbers_only():
    order = {
        "order_id": "1",
        "name": "Ann",
        "address": "1 Oak St",
        "city": "Austin",
        "zip": "78701",
    }
    items = [{"product_id": 5, "quantity": 2}, {"product_id": 6, "quantity": 3}]
    assert kept([{**order, "items": items}]) == ([1, 2], [])
