"""Tracking numbers into workbooks: formats, formulas, charts and other sheets stay."""

from __future__ import annotations

import datetime as dt
import zipfile

import openpyxl
import pytest
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill

from shipkit.errors import WriteBackError

HEAD = ["order_id", "name", "address1", "city", "state", "zip", "weight_lb", "order_date", "double"]


@pytest.fixture
def book(tmp_path):
    """A workbook as people have them.

    It has a title, formats, formulas, a comment, a chart, a second sheet and a blank row.
    """
    path = tmp_path / "orders.xlsx"
    made = openpyxl.Workbook()
    notes = made.active
    notes.title = "Notes"
    notes["A1"] = "Call Ada"
    sheet = made.create_sheet("Orders")
    sheet["A1"] = "Harbor Goods, orders of the week"
    sheet.merge_cells("A1:F1")
    for column, heading in enumerate(HEAD, start=1):
        cell = sheet.cell(3, column, heading)
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor="FFDD88")
    rows = [
        ("A-1", "Ada Lee", "12 Marrow Creek Rd", "Austin", "TX", 78704, 2.5),
        ("A-2", "Zoë & Bo <Finch>", "9 Wrenhatch Ave", "Boston", "MA", 2134, 1),
        None,
        ("A-3", "Cy Marsh", "77 Inkwell Row", "Seattle", "WA", 98103, 4),
    ]
    for row, values in enumerate(rows, start=4):
        for column, value in enumerate(values or (), start=1):
            sheet.cell(row, column, value)
        if values:
            sheet.cell(row, 8, dt.date(2026, 11, 20)).number_format = "DD/MM/YYYY"
            sheet.cell(row, 9, f"=G{row}*2")
    sheet["B4"].comment = Comment("regular", "Dana")
    sheet.column_dimensions["B"].width = 40
    chart = BarChart()
    chart.add_data(Reference(sheet, min_col=7, min_row=3, max_row=7), titles_from_data=True)
    sheet.add_chart(chart, "L20")
    made.save(path)
    return path


def test_the_numbers_stand_behind_the_headings_in_their_own_rows(buy, book):
    session = buy(book)
    sheet = openpyxl.load_workbook(session.write_back())["Orders"]
    assert [sheet.cell(3, column).value for column in range(10, 15)] == [
        "tracking_number",
        "label_service",
        "label_charge",
        "label_currency",
        "label_status",
    ]
    numbers = session.results()["tracking_number"].tolist()
    assert [sheet.cell(row, 10).value for row in (4, 5, 7)] == numbers
    assert sheet.cell(6, 10).value is None, "the blank row stays blank"
    assert isinstance(sheet.cell(4, 12).value, int | float), "a charge is a number"
    assert sheet.cell(3, 10).font.bold, "the new headings look like the others"


def test_everything_else_in_the_file_stays_to_the_byte(buy, book):
    written = buy(book).write_back()
    with zipfile.ZipFile(book) as old, zipfile.ZipFile(written) as new:
        assert old.namelist() == new.namelist()
        changed = [name for name in old.namelist() if old.read(name) != new.read(name)]
    assert changed == ["xl/worksheets/sheet2.xml"]


def test_formulas_dates_formats_and_comments_stay(buy, book):
    before, after = (
        openpyxl.load_workbook(book)["Orders"],
        openpyxl.load_workbook(buy(book).write_back())["Orders"],
    )
    for row in before.iter_rows():
        for cell in row:
            there = after[cell.coordinate]
            assert (there.value, there.number_format, there.font.bold) == (
                cell.value,
                cell.number_format,
                cell.font.bold,
            )
    assert after["I4"].value == "=G4*2"
    assert after["B4"].comment.text == "regular"
    assert after.column_dimensions["B"].width == 40


def test_an_empty_column_is_filled_and_a_full_one_refused(buy, book):
    made = openpyxl.load_workbook(book)
    sheet = made["Orders"]
    sheet["J3"], sheet["K3"] = "Tracking", "Note"
    sheet["J4"].fill = PatternFill("solid", fgColor="00FF00")
    for row in (4, 5, 7):
        sheet[f"K{row}"] = "keep"
    made.save(book)
    session = buy(book)
    after = openpyxl.load_workbook(session.write_back(columns={"tracking_numbers": "Tracking"}))[
        "Orders"
    ]
    assert [after[f"J{row}"].value[:7] for row in (4, 5, 7)] == ["SANDBOX"] * 3
    assert [after[f"K{row}"].value for row in (4, 5, 7)] == ["keep"] * 3
    assert after["J4"].fill.fgColor.rgb == "0000FF00"
    assert after["L3"].value is None
    with pytest.raises(WriteBackError, match="K4 already has another value"):
        session.write_back(columns={"tracking_numbers": "Note"})


def test_the_written_workbook_can_be_read_again_as_orders(buy, book, shop):
    from shipkit.session import BatchSession

    written = buy(book).write_back()
    with BatchSession(
        written, shipper=shop, carrier="sandbox", on_duplicate="ship", service="ground"
    ) as again:
        assert again.columns[-5:] == [
            "tracking_number",
            "label_service",
            "label_charge",
            "label_currency",
            "label_status",
        ]
        assert len(again.preview()) == 3
