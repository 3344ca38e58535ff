"""Workbooks as people keep them, in all three formats.

Several sheets, titles above the header, numbers as text, formulas, dates.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
import struct
import zipfile
from decimal import Decimal
from pathlib import Path
from xml.sax.saxutils import escape

import openpyxl
import pytest

import shipkit as sk
from shipkit.orders import source

HEADINGS = [
    "Order ID",
    "Ship Name",
    "Address",
    "City",
    "State",
    "Zip",
    "Weight (lb)",
    "Order Date",
    "Order Total",
]
MERGED = "Harbor Goods, open orders of week 46"


def xlsx(path):
    """An .xlsx as Excel leaves it: values beside formulas."""
    book = openpyxl.Workbook()
    book.active.title = "Summary"
    book.active.append(["Total orders", 2])
    sheet = book.create_sheet("Week 46")
    sheet["A1"] = MERGED
    sheet.merge_cells("A1:I1")
    sheet["A2"] = "Exported 2026-11-09"
    for place, heading in enumerate(HEADINGS, start=1):
        sheet.cell(4, place, heading)
    for line, row in enumerate(
        [
            [
                1001,
                "Ada Lee",
                "1 Main St",
                "Boston",
                "MA",
                2134,
                "=1+1.5",
                dt.date(2026, 11, 8),
                "=G5*4.84",
            ],
            [
                "1002",
                "Bo Finch",
                "2 Oak Ave",
                "Austin",
                "TX",
                "78704",
                "3",
                dt.date(2026, 11, 9),
                7,
            ],
        ],
        start=5,
    ):
        for place, value in enumerate(row, start=1):
            sheet.cell(line, place, value)
    sheet["F5"].number_format, sheet["H5"].number_format, sheet["I5"].number_format = (
        "00000",
        "dd/mm/yyyy",
        '"$"#,##0.00',
    )
    book.create_sheet("Notes")["A1"] = "x"
    book.save(path)
    book.close()
    return computed(path, {"G5": "<v>2.5</v>", "I5": "<v>12.1</v>"})


def computed(path, values):
    """Store values with the formulas of the second sheet, as a spreadsheet program does."""
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    sheet = parts["xl/worksheets/sheet2.xml"].decode()
    for place, value in values.items():
        sheet, count = re.subn(rf'(<c r="{place}"[^>]*>)(<f>.*?</f>)<v ?/>', rf"\1\2{value}", sheet)
        assert count == 1
    parts["xl/worksheets/sheet2.xml"] = sheet.encode()
    with zipfile.ZipFile(path, "w") as book:
        for name, data in parts.items():
            book.writestr(name, data)
    return path


def xls(path):
    """An .xls of the same cells (made once: nothing that is maintained writes the old format)."""
    return Path(shutil.copy(Path(__file__).with_name("orders.xls"), path))


def ods(
    path,
    *,
    weight='<table:table-cell table:formula="of:=1+1.5" office:value-type="float" '
    'office:value="2.5"><text:p>2.5</text:p></table:table-cell>',
):
    """An .ods of the same cells."""
    span = (
        '<table:table-cell table:number-columns-spanned="9" '
        f'office:value-type="string"><text:p>{MERGED}</text:p></table:table-cell>'
        "<table:covered-table-cell "
        'table:number-columns-repeated="8"/>'
    )
    money = (
        '<table:table-cell table:formula="of:=[.G5]*4.84" office:value-type="currency" '
        'office:currency="USD" office:value="12.1"><text:p>$12.10</text:p></table:table-cell>'
    )

    def cell(value):
        if isinstance(value, str) and value.startswith("<"):
            return value
        if isinstance(value, dt.date):
            return (
                '<table:table-cell office:value-type="date" '
                f'office:date-value="{value}"><text:p>{value:%d/%m/%Y}</text:p></table:table-cell>'
            )
        if isinstance(value, int | float):
            return (
                '<table:table-cell office:value-type="float" '
                f'office:value="{value}"><text:p>{value}</text:p></table:table-cell>'
            )
        return (
            "<table:table-cell/>"
            if value is None
            else (
                "<table:table-cell "
                f'office:value-type="string"><text:p>{escape(value)}</text:p></table:table-cell>'
            )
        )

    sheets = {
        "Summary": [["Total orders", 2]],
        "Week 46": [
            [span],
            ["Exported 2026-11-09"],
            [None],
            HEADINGS,
            [
                1001,
                "Ada Lee",
                "1 Main St",
                "Boston",
                "MA",
                2134,
                weight,
                dt.date(2026, 11, 8),
                money,
            ],
            [
                "1002",
                "Bo Finch",
                "2 Oak Ave",
                "Austin",
                "TX",
                "78704",
                "3",
                dt.date(2026, 11, 9),
                7,
            ],
            ['<table:table-cell table:number-columns-repeated="1024"/>'],
        ],
        "Notes": [["x"]],
    }

    def table_row(row):
        return f"<table:table-row>{''.join(map(cell, row))}</table:table-row>"

    tables = "".join(
        f'<table:table table:name="{name}">{"".join(map(table_row, rows))}</table:table>'
        for name, rows in sheets.items()
    )
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {spaces} '
        f'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>'
    )
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        book.writestr(
            "META-INF/manifest.xml",
            "<manifest:manifest "
            'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
        book.writestr("content.xml", content)
    return path


@pytest.mark.parametrize("made", [xlsx, xls, ods], ids=lambda made: made.__name__)
def test_every_format_gives_the_same_orders(made, tmp_path):
    loaded = source.load(made(tmp_path / f"orders.{made.__name__}"))
    assert loaded.origin.sheet == "Week 46"
    assert "the orders are in sheet 'Week 46'" in str(loaded.report)
    assert "dropped: 3 rows above the header" in str(loaded.report)
    assert "are not visible" not in str(loaded.report)
    assert loaded.con.sql(
        f"SELECT * EXCLUDE (row_number, source_file) FROM {loaded.lines.sql} ORDER BY row_number"
    ).fetchall() == [
        (
            "1001",
            "Ada Lee",
            "1 Main St",
            "Boston",
            "MA",
            # Only the .xlsx file has the format 00000, which shows the zero.
            "02134" if made in (xlsx, xls) else "2134",
            2.5,
            dt.date(2026, 11, 8),
            Decimal("12.10"),
        ),
        (
            "1002",
            "Bo Finch",
            "2 Oak Ave",
            "Austin",
            "TX",
            "78704",
            3.0,
            dt.date(2026, 11, 9),
            Decimal("7.00"),
        ),
    ]
    assert loaded.problems.num_rows == 0


@pytest.mark.parametrize("made", [xlsx, xls, ods], ids=lambda made: made.__name__)
def test_a_sheet_goes_by_name_or_place_and_a_zip_that_lost_its_zero_ships(made, tmp_path, shop):
    path = made(tmp_path / f"orders.{made.__name__}")
    assert source.load(path, sheet="Summary", header=False).origin.sheet == "Summary"
    assert source.load(path, sheet=1).origin.sheet == "Week 46"
    with sk.BatchSession(path, shipper=shop, service="ground") as session:
        frame = session.preview()
    assert frame["postal_code"].tolist() == ["02134", "78704"]
    assert frame["problem"].isna().all()


def test_a_hidden_sheet_is_read_only_when_it_is_named(tmp_path):
    path = xlsx(tmp_path / "orders.xlsx")
    book = openpyxl.load_workbook(path)
    old = book.create_sheet("Old orders", 0)
    old.append([*HEADINGS, "Phone", "Company", "Email"])
    old.append(["9"] * 12)
    old.sheet_state = "hidden"
    book.save(path)
    book.close()
    assert source.load(path).origin.sheet == "Week 46"
    assert source.load(path, sheet="Old orders").rows == 1


def test_a_formula_whose_value_is_not_in_the_file_stops_its_row_before_a_default_takes_its_place(
    tmp_path, shop
):
    path = xlsx(tmp_path / "orders.xlsx")
    book = openpyxl.load_workbook(path)  # saved by a program that computes nothing
    book["Week 46"]["J4"], book["Week 46"]["J6"] = "Margin", "=I6*0.3"
    book.save(path)
    book.close()
    loaded = source.load(path)
    problems = loaded.problems.to_pylist()
    assert [(p["row_number"], p["severity"], p["code"]) for p in problems] == [
        (1, "error", "cell_without_value"),
        (1, "error", "cell_without_value"),
        (2, "error", "cell_without_value"),
    ]
    assert (
        "cell G5 in column 'Weight (lb)' is a formula whose value is not stored"
        in problems[0]["problem"]
    )
    with sk.BatchSession(path, shipper=shop) as session:
        session.map(service="ground", defaults={"weight_lb": 2})
        frame = session.preview()
    assert frame["cost_cents"].isna().tolist() == [True, False], (
        "nothing of a shipment is taken from the margin of line 2"
    )
    assert frame["warnings"].str.contains("Margin").tolist() == [False, True]


def test_an_error_in_a_cell_is_named_by_its_place(tmp_path):
    path = xlsx(tmp_path / "orders.xlsx")
    book = openpyxl.load_workbook(path)
    sheet = book["Week 46"]
    sheet["G5"], sheet["I5"] = 2.5, "#N/A"
    sheet["I5"].data_type = "e"
    book.save(path)
    book.close()
    (problem,) = source.load(path).problems.to_pylist()
    assert (problem["row_number"], problem["value"]) == (1, "#N/A")
    assert "cell I5 in column 'Order Total' contains the error #N/A" in problem["problem"]


def test_errors_in_an_ods_file_are_problems_of_their_rows(tmp_path):
    weight = (
        '<table:table-cell table:formula="of:=1/0" office:value-type="string" '
        'office:string-value="" '
        'calcext:value-type="error"><text:p>#DIV/0!</text:p></table:table-cell>'
    )
    loaded = source.load(ods(tmp_path / "orders.ods", weight=weight))
    (problem,) = loaded.problems.to_pylist()
    assert (problem["row_number"], problem["code"]) == (1, "cell_without_value")
    assert "cell G5 in column 'Weight (lb)' contains the error #DIV/0!" in problem["problem"]
    assert loaded.con.sql(
        f"SELECT weight_lb FROM {loaded.lines.sql} ORDER BY row_number"
    ).fetchall() == [
        (None,),
        (3.0,),
    ]


def test_numbers_go_back_into_the_sheet_that_was_read(tmp_path, shop):
    path = xlsx(tmp_path / "orders.xlsx")
    with sk.BatchSession(path, shipper=shop, service="ground") as session:
        session.preview()
        session.approve()
        assert session.execute(progress=False).shipped == 2
        written = openpyxl.load_workbook(session.write_back())
    assert [cell.value is None for cell in written["Week 46"]["J"][4:6]] == [False, False]
    assert written["Summary"]["C1"].value is None
    written.close()


def with_hidden(row):
    """Return the bytes of orders.xls with a hidden row."""
    data = bytearray((Path(__file__).parent / "orders.xls").read_bytes())
    # ROW: number, first and last column, height, two unused fields, then flags (MS-XLS 2.4.221).
    place = data.rindex(struct.pack("<HHH", 0x0208, 16, row))
    data[place + 16] |= 0x20
    return bytes(data)


def test_hidden_rows_of_the_old_format_are_left_out(tmp_path):
    path = tmp_path / "orders.xls"
    path.write_bytes(with_hidden(5))
    loaded = source.load(path)
    assert loaded.rows == 1
    assert "1 row hidden in sheet 'Week 46' (row 6)" in str(loaded.report)
    assert source.load(path, hidden="rows").rows == 2


def test_an_old_workbook_whose_look_cannot_be_read_says_so(tmp_path, monkeypatch):
    path = tmp_path / "orders.xls"
    path.write_bytes(with_hidden(5))
    monkeypatch.setattr("xlrd.open_workbook", lambda **_: 1 / 0)
    loaded = source.load(path)
    assert loaded.rows == 2
    assert "hidden rows and number formats of an .xls file are not visible" in str(loaded.report)
