"""A tracking number stands in the line of its own order, or nothing is written."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import re
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shipkit.errors import InputError, SourceChanged, WriteBackError
from shipkit.outputs.writeback import delimited_file
from shipkit.outputs.writeback.file_records import FileRecord

HEAD = ["order_id", "name", "address1", "city", "state", "zip", "weight_lb"]
ROWS = [
    [f"SO-{n}", name, f"{n} Main St", "Austin", "TX", "78701", "2"]
    for n, name in enumerate(("Ada Lee", "Bo Finch", "Cy Marsh", "Di Vale"), start=1001)
]


def text_of(rows=ROWS, head=HEAD, delimiter=","):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([head, *rows])
    return out.getvalue()


def numbers_of(session):
    shipped = session.results("shipped")
    return dict(zip(shipped["order_id"], shipped["tracking_number"], strict=True))


def numbers_in(text):
    """Return order number -> tracking number: of each number, the order that is named before it."""
    found = {}
    for mark in re.finditer(r"SANDBOX\w+", text):
        order = re.findall(r"SO-\d{4}", text[: mark.start()])[-1]
        assert found.setdefault(order, mark[0]) == mark[0]
    return found


# -- text ------------------------------------------------------------------------------------------

LINES = text_of().splitlines()


def wrapped(line):
    return '"' + line.replace('"', '""') + '"'


TEXTS = {
    "rows in quotes as a whole": "\n".join(
        [*LINES[:2], wrapped(LINES[2]), wrapped(LINES[3].replace("Main", '"Main"')), LINES[4]]
    ),
    "every row in quotes, a column to fill": "\n".join(
        [f"{LINES[0]},tracking_number", *(wrapped(f"{line},") for line in LINES[1:])]
    ),
    "title, blank lines and a footer": "\n".join(
        ["Orders of May", "", *LINES[:3], "", *LINES[3:], "4 record(s) downloaded"]
    ),
    "headings again": "\n".join([*LINES[:3], LINES[0], *LINES[3:]]),
    "a hint of the delimiter": "sep=;\n" + text_of(delimiter=";"),
    "line breaks in cells": text_of([[a, f"{b}\nc/o Eve, x\r\ny", *c] for a, b, *c in ROWS]),
    "a cell too many, one too few": "\n".join(
        [*LINES[:2], f"{LINES[2]},", LINES[3].rpartition(",")[0], LINES[4]]
    ),
    "a blank behind each delimiter, one cell too few": "\n".join(
        [*(line.replace(",", ", ") for line in LINES[:4]), LINES[4].rpartition(",")[0]]
    ),
    "a lone carriage return": text_of().replace("\n", "\r"),
    "a cell of 200,000 letters": text_of(
        [[*row, "x" * 200_000] for row in ROWS], head=[*HEAD, "note"]
    ),
    "a byte order mark within": "\n".join([*LINES[:3], f"\ufeff{LINES[3]}", LINES[4]]),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_lines_of_a_text_file_get_the_numbers_of_their_own_orders(buy, tmp_path, kind):
    path = tmp_path / "orders.csv"
    path.write_bytes(TEXTS[kind].encode())
    session = buy(path)
    after = session.write_back().read_bytes().decode()
    assert numbers_in(after) == numbers_of(session)
    assert len(numbers_of(session)) >= 2
    assert len(after.splitlines()) == len(TEXTS[kind].splitlines())


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("shift_jis", "ソ能 田中"),
        ("gb18030", "王小明"),
        ("cp1251", "Иван Петров"),
        ("cp037", "Zoe Miller"),
        ("iso2022_jp", "田中太郎"),
        ("UTF-16", "Zoë Müller"),
    ],
)
def test_encodings_stay_to_the_byte(buy, tmp_path, encoding, name):
    path = tmp_path / "orders.csv"
    rows = [[row[0], name, *row[2:]] for row in ROWS]
    path.write_bytes(text_of(rows).encode(encoding))
    session = buy(path, encoding=encoding)
    after = session.write_back().read_bytes()
    assert numbers_in(after.decode(encoding)) == numbers_of(session)
    bare = "".join(line.rsplit(",", 5)[0] + "\n" for line in after.decode(encoding).splitlines())
    assert bare.encode(encoding) == path.read_bytes()


def test_letters_that_are_half_a_delimiter_are_refused(buy, tmp_path):
    path = tmp_path / "orders.csv"
    rows = [[row[0], "ポート 田中", *row[2:]] for row in ROWS]
    path.write_bytes(text_of(rows, delimiter="|").encode("shift_jis"))
    session = buy(path, encoding="shift_jis", delimiter="|")
    with pytest.raises(WriteBackError, match="encoding shift_jis") as refused:
        session.write_back()
    assert "write_back('orders_shipped.xlsx')" in refused.value.fix
    assert [item.name for item in tmp_path.iterdir() if item.is_file()] == ["orders.csv"]


def test_a_packed_file_stays_packed_whatever_it_is_called(buy, tmp_path):
    path = tmp_path / "orders.csv"
    path.write_bytes(gzip.compress(text_of().encode()))
    session = buy(path)
    session.write_back(in_place=True, allow_test_numbers=True)
    assert numbers_in(gzip.decompress(path.read_bytes()).decode()) == numbers_of(session)
    assert path.read_bytes()[3] == 0, "no name of a temporary file in it"


def test_a_number_in_another_row_is_found_before_the_file_appears(buy, tmp_path, monkeypatch):
    """The new file is read again: a writer that is one row off cannot do harm."""
    path = tmp_path / "orders.csv"
    path.write_text(text_of())
    session = buy(path)
    right = delimited_file.records

    def late(*args):
        held = list(right(*args))
        for record, other in zip(held, [held[0], *held[2:], held[1]], strict=True):
            yield FileRecord(record.row, record.line, other.body, record.end)

    monkeypatch.setattr(delimited_file, "records", late)
    with pytest.raises(WriteBackError, match=r"Row 1 of orders.csv \(order SO-1001\) would not"):
        session.write_back()
    assert [item.name for item in tmp_path.iterdir() if item.is_file()] == ["orders.csv"]


CHANGES = {
    "inserted": (
        [*LINES[:2], "SO-9,New One,9 Main St,Austin,TX,78701,2", *LINES[2:]],
        "row 2 is new, it has 5 rows now and had 4",
    ),
    "deleted": ([*LINES[:2], *LINES[3:]], r"row 2 \(order SO-1002\) is no longer there"),
    "sorted": (
        [LINES[0], *LINES[:0:-1]],
        r"in another order: row 4 \(order SO-1004\) is now in row 1",
    ),
    "edited": (
        [line.replace("Cy Marsh", "Cy Marsch") for line in LINES],
        r"row 3 differs \(order SO-1003: name was 'Cy Marsh' and is 'Cy Marsch'\)",
    ),
    "renumbered": (
        [line.replace("SO-1003", "SO-1005") for line in LINES],
        "order_id was 'SO-1003' and is 'SO-1005'",
    ),
    "grown": ([*LINES, "SO-9,New One,9 Main St,Austin,TX,78701,2"], "row 5 is new"),
    "headings": ([LINES[0].replace("city", "town"), *LINES[1:]], "'city' is gone, 'town' is new"),
    "columns": (
        [",".join([b, a, *c]) for a, b, *c in (line.split(",") for line in LINES)],
        "they are in another order",
    ),
    "nothing left": ([], r"is empty \(0 bytes\)"),
}


def test_a_file_that_changed_is_refused_with_what_changed_and_how_to_go_on(buy, tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(text_of())
    session = buy(path)
    for lines, said in CHANGES.values():
        changed = "".join(f"{line}\n" for line in lines)
        path.write_text(changed)
        for in_place in (False, True):
            with pytest.raises(SourceChanged, match=said) as refused:
                session.write_back(in_place=in_place, allow_test_numbers=True)
            assert "write_back('orders_shipped.xlsx')" in refused.value.fix
        assert path.read_text() == changed
    sheet = openpyxl.load_workbook(session.write_back(tmp_path / "orders_shipped.xlsx")).active
    cells = {row[0]: row[7] for row in sheet.iter_rows(min_row=2, values_only=True)}
    assert cells == numbers_of(session)


# -- headings --------------------------------------------------------------------------------------


def test_a_column_that_is_there_is_found_in_any_case_and_by_its_own_name(buy, tmp_path):
    path = tmp_path / "orders.csv"
    head = [*HEAD, " Tracking_Number ", "Parcel", "Parcel"]
    path.write_text(text_of([[*row, "", "", ""] for row in ROWS], head))
    session = buy(path)
    heads = session.write_back(columns={"tracking_numbers": "tracking_number"}).read_text()
    assert heads.splitlines()[0] == ",".join(head)
    assert numbers_in(heads) == numbers_of(session)
    with pytest.raises(InputError, match="2 columns of the orders are called 'Parcel'"):
        session.write_back(columns={"tracking_numbers": "Parcel"})
    second = session.write_back(columns={"tracking_numbers": "Parcel_2"}).read_text()
    assert [
        line.endswith(f",,{number}")
        for line, number in zip(second.splitlines()[1:], numbers_of(session).values(), strict=True)
    ] == [True] * 4


@pytest.mark.parametrize("heading", ["=cmd|' /C calc'!A0", "@SUM(1)", "+1", "\tx", "a\x00b"])
def test_no_heading_becomes_a_formula(buy, tmp_path, heading):
    path = tmp_path / "orders.csv"
    path.write_text(text_of())
    with pytest.raises(InputError, match="would be a formula"):
        buy(path).write_back(columns={"tracking_numbers": heading})


def test_no_added_cell_becomes_a_formula(buy, tmp_path):
    path = tmp_path / "orders.csv"
    names = ["@SUM(1)", "-2+3", "+7 b", "-5"]
    path.write_text(text_of([[name, *row[1:]] for name, row in zip(names, ROWS, strict=True)]))
    session = buy(path)
    written = session.write_back(columns={"order_id": "ref"}).read_text()
    assert [line[-1] for line in csv.reader(io.StringIO(written, newline=""))] == [
        *("ref", "'@SUM(1)", "'-2+3", "'+7 b", "-5")
    ]
    dest = session.write_back(tmp_path / "new.xlsx", columns={"order_id": "ref"})
    cells = [row[-1] for row in openpyxl.load_workbook(dest).active.iter_rows(min_row=2)]
    assert [(cell.data_type, cell.value) for cell in cells] == [
        *(("s", "@SUM(1)"), ("s", "-2+3"), ("s", "+7 b"), ("s", "-5"))
    ]


# -- workbooks -------------------------------------------------------------------------------------


def book_of(path, change=lambda book, sheet: None, head=HEAD, more=(), first=1):
    book = openpyxl.Workbook()
    sheet = book.active
    for column, heading in enumerate([*head, *more], start=1):
        sheet.cell(first, column, heading)
    for row, cells in enumerate(ROWS, start=first + 1):
        for column, cell in enumerate([*cells[:5], 78701, 2.5, *more.values()] if more else cells):
            sheet.cell(row, column + 1, cell)
    change(book, sheet)
    book.save(path)


def hide(row):
    def change(book, sheet):
        sheet.row_dimensions[row].hidden = True

    return change


BOOKS = {
    "numbers, dates and floats": {
        "more": {2026: 1, dt.date(2026, 1, 1): dt.date(2026, 11, 20), "ratio": 0.1 + 0.2}
    },
    "a hidden row": {"change": hide(3)},
    "a title above, merged": {
        "first": 4,
        "change": lambda book, sheet: (sheet.cell(1, 1, "May"), sheet.merge_cells("A1:K1")),
    },
    "a sheet before": {
        "change": lambda book, sheet: book.create_sheet("First", 0).append(["hello"])
    },
    "a heading over several columns": {
        "more": {"note": "x"},
        "change": lambda book, sheet: sheet.merge_cells("H1:K1"),
    },
    "headings again": {"change": lambda book, sheet: (sheet.insert_rows(4), sheet.append(HEAD))},
}


@pytest.mark.parametrize("kind", BOOKS)
def test_rows_of_a_sheet_get_the_numbers_of_their_own_orders(buy, tmp_path, kind):
    path = tmp_path / "orders.xlsx"
    book_of(path, **BOOKS[kind])
    session = buy(path)
    sheet = openpyxl.load_workbook(session.write_back())["Sheet"]
    found = {}
    for row in sheet.iter_rows(values_only=True):
        number = [cell for cell in row if str(cell).startswith("SANDBOX")]
        if number:
            found[row[0]] = number[0]
    assert found == numbers_of(session)
    assert len(found) >= 3
    last = (
        max(area.max_col for area in [*sheet.merged_cells.ranges])
        if kind.startswith("a heading")
        else 0
    )
    assert last < next(
        cell.column for row in sheet.iter_rows() for cell in row if cell.value == "tracking_number"
    )


def test_a_formula_is_not_overwritten(buy, tmp_path):
    path = tmp_path / "orders.xlsx"
    book_of(path, more={"tracking_number": "=A1"})
    session = buy(path)
    with pytest.raises(WriteBackError, match="Cell H2 already has another value or a formula"):
        session.write_back()


def test_a_workbook_is_a_workbook_whatever_it_is_called(buy, tmp_path):
    path = tmp_path / "orders.csv"
    book_of(tmp_path / "orders.xlsx")
    (tmp_path / "orders.xlsx").rename(path)
    session = buy(path)
    sheet = openpyxl.load_workbook(io.BytesIO(session.write_back().read_bytes())).active
    cells = {row[0]: row[7] for row in sheet.iter_rows(min_row=2, values_only=True)}
    assert cells == numbers_of(session)


# -- parquet ---------------------------------------------------------------------------------------

FRAME = pd.DataFrame(ROWS, columns=HEAD)
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)
EMPTY = pa.array(["", None, "", None])


@pytest.mark.parametrize(
    "table",
    [
        pa.Table.from_pandas(FRAME.set_index("order_id")),
        TABLE.append_column("tracking_number", pa.nulls(4)),
        TABLE.append_column("Tracking_Number", EMPTY.dictionary_encode()),
        TABLE.append_column("tags", pa.array([["a"], [], None, ["b", "c"]])).append_column(
            "extra", pa.array([{"x": 1}] * 4)
        ),
        TABLE.set_column(3, "city", TABLE.column("city").dictionary_encode()),
    ],
    ids=["index", "nulls", "dictionary to fill", "nested", "dictionary"],
)
def test_rows_of_parquet_get_the_numbers_of_their_own_orders(buy, tmp_path, table):
    path = tmp_path / "orders.parquet"
    pq.write_table(table, path, row_group_size=3)
    session = buy(path)
    written = session.write_back()
    after = pq.read_table(written)
    column = next(name for name in after.column_names if name.lower() == "tracking_number")
    found = zip(after.column("order_id").to_pylist(), after.column(column).to_pylist(), strict=True)
    assert dict(found) == numbers_of(session)
    kept = [name for name in table.column_names if name.lower() != "tracking_number"]
    assert after.select(kept).equals(pq.read_table(path).select(kept))
    assert pq.ParquetFile(written).metadata.num_row_groups == 2
    assert pd.read_parquet(written).index.names == pd.read_parquet(path).index.names


def test_a_filled_or_typed_column_of_parquet_is_not_overwritten(buy, tmp_path):
    path = tmp_path / "orders.parquet"
    notes = pa.array(["", "keep", None, ""])
    pq.write_table(TABLE.append_column("note", notes).append_column("n", pa.array([1] * 4)), path)
    session = buy(path)
    with pytest.raises(WriteBackError, match="Row 2 already has another value in 'note'"):
        session.write_back(columns={"tracking_numbers": "note"})
    with pytest.raises(WriteBackError, match="'n', and it holds int64, not text"):
        session.write_back(columns={"tracking_numbers": "n"})
    assert [item.name for item in Path(tmp_path).iterdir() if item.is_file()] == ["orders.parquet"]
