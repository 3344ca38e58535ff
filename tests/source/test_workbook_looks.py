"""Workbooks as a person sees them: what is hidden, struck through, merged, or shown by a format."""

from __future__ import annotations

import datetime as dt
import re
import zipfile

import openpyxl
import pytest
from openpyxl.styles import Font

import shipkit as sk
from shipkit.errors import SourceError
from shipkit.orders import source

HEADINGS = ["Order Number", "Name", "Address", "Address 2", "City", "State", "Zip", "Weight"]
ROWS = [[n, f"Ada Lee {n}", f"{n} Main St", None, "Boston", "MA", "02134", 2] for n in range(1, 6)]


def book(path, change=None, headings=HEADINGS, rows=ROWS):
    """Save a workbook of five orders, after `change` was made to its sheet."""
    made = openpyxl.Workbook()
    sheet = made.active
    sheet.title = "Orders"
    sheet.append(headings)
    for row in rows:
        sheet.append(row)
    if change:
        change(sheet)
    made.save(path)
    made.close()
    return path


def rewritten(path, change, part="xl/worksheets/sheet1.xml"):
    """Change the XML of a part of a workbook."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w") as new:
        for name, data in parts.items():
            new.writestr(name, data)
    return path


def orders(loaded, *columns):
    wanted = ", ".join(columns or ("order_number",))
    found = loaded.con.sql(f"SELECT {wanted} FROM {loaded.lines.sql} ORDER BY row_number")
    return [row if len(row) > 1 else row[0] for row in found.fetchall()]


def problems(loaded):
    return [(p["row_number"], p["field"], p["code"]) for p in loaded.problems.to_pylist()]


def hide_rows(sheet):
    sheet.row_dimensions[3].hidden = True
    sheet.row_dimensions[6].hidden = True


def filter_rows(sheet):
    sheet.auto_filter.ref = "A1:H6"
    sheet.auto_filter.add_filter_column(4, ["Boston"])
    hide_rows(sheet)


def collapse_rows(sheet):
    sheet.row_dimensions.group(3, 3, hidden=True)
    sheet.row_dimensions.group(6, 6, hidden=True)


def flatten_rows(sheet):
    sheet.row_dimensions[3].height = 0.0001  # openpyxl leaves out a height of 0
    sheet.row_dimensions[6].height = 0.0001


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (hide_rows, "hidden"),
        (filter_rows, "hidden by a filter"),
        (collapse_rows, "hidden in a collapsed group"),
        (flatten_rows, "hidden"),
    ],
    ids=["hidden", "filtered", "collapsed", "height 0"],
)
def test_rows_that_a_workbook_hides_are_no_orders_and_are_named(tmp_path, change, reason):
    path = book(tmp_path / "orders.xlsx", change)
    rewritten(path, lambda xml: xml.replace(b'ht="0.0001"', b'ht="0"'))
    loaded = source.load(path)
    assert orders(loaded) == ["1", "3", "4"]
    assert loaded.rows == 3
    (note,) = loaded.report.of("dropped")
    assert note.count == 2
    assert note.text.startswith(f"2 rows {reason} in sheet 'Orders' (row 3, 6).")
    assert 'load(..., hidden="rows")' in note.text
    for way in (True, "rows"):
        assert orders(source.load(path, hidden=way)) == ["1", "2", "3", "4", "5"]


def test_rows_keep_their_numbers_and_hidden_ones_do_not_decide_types(tmp_path):
    rows = [*ROWS]
    rows[1] = ["2", "Bo", "x", None, "y", "z", "00000", "old"]
    loaded = source.load(book(tmp_path / "orders.xlsx", hide_rows, rows=rows))
    assert orders(loaded, "row_number", "weight") == [(1, 2), (3, 2), (4, 2)]
    assert problems(loaded) == []


def test_rows_of_a_sheet_with_zero_height_are_hidden_unless_it_says_otherwise(tmp_path):
    path = book(tmp_path / "orders.xlsx")
    rewritten(
        path,
        lambda xml: re.sub(
            rb'<row r="([124])"',
            rb'<row r="\1" hidden="0"',
            xml.replace(b"<sheetFormatPr ", b'<sheetFormatPr zeroHeight="1" '),
        ),
    )
    assert orders(source.load(path)) == ["1", "3"]


def test_a_hidden_column_with_a_part_of_the_shipment_is_a_question(tmp_path):
    def change(sheet):
        sheet.column_dimensions["D"].hidden = True
        sheet["D3"] = "Apt 4"

    path = book(tmp_path / "orders.xlsx", change)
    with pytest.raises(SourceError, match=r"hides columns .*'Address 2' \(D\)") as refused:
        source.load(path)
    assert 'hidden="columns"' in refused.value.fix
    assert orders(source.load(path, hidden="columns"), "address_2")[1] == "Apt 4"


def test_hidden_columns_without_cells_or_with_an_order_number_are_no_question(tmp_path):
    def change(sheet):
        for letter in "AD":
            sheet.column_dimensions[letter].hidden = True

    loaded = source.load(book(tmp_path / "orders.xlsx", change))
    assert orders(loaded) == ["1", "2", "3", "4", "5"]
    assert "hidden columns: 'Order Number'." in str(loaded.report)


FORMATS = [
    # heading, value, format, text
    ("Zip", 2134, "00000", "02134"),
    ("Zip", 21341234, "00000-0000", "02134-1234"),
    ("Zip", 2134, "[<=99999]00000;00000-0000", "02134"),
    ("Order Number", 12, '"SO-"00000', "SO-00012"),
    ("Order Number", 123, "0000000", "0000123"),
    ("Order Number", "0012", '"SO-"@', "SO-0012"),
    ("Order Number", 12345, "#,##0.00", "12345"),
    ("Address 2", 0.5, "# ?/?", "1/2"),
    ("Address 2", 4, '"Apt "0', "Apt 4"),
    ("Shelf", 7, "000", "007"),
    ("Discount", 0.125, "0.0%", "12.5%"),
    ("Zip", 1067, "[$-407]00000", "01067"),
]


@pytest.mark.parametrize(("heading", "value", "code", "text"), FORMATS)
def test_a_cell_is_the_text_that_its_format_shows(tmp_path, heading, value, code, text):
    path = tmp_path / "orders.xlsx"

    def change(sheet):
        sheet["A2"].number_format = code

    book(path, change, headings=[heading, "Name"], rows=[[value, "Ada"]])
    loaded = source.load(path)
    assert [str(row) for row in orders(loaded, loaded.columns[0].key)] == [text]


@pytest.mark.parametrize(
    ("value", "code", "pounds"),
    [(2.54, '0.0" kg"', 5.59974), (12, "0\\ \\o\\z", 0.75), (2500, '0," kg"', 5.511557)],
)
def test_the_unit_that_a_weight_shows_is_its_unit(tmp_path, value, code, pounds):
    def change(sheet):
        sheet["H2"].number_format = code

    path = book(tmp_path / "o.xlsx", change, rows=[[*ROWS[0][:7], value]])
    (weight,) = orders(source.load(path), "weight")
    assert weight == pytest.approx(pounds, abs=1e-5)


def test_a_weight_that_is_shown_as_a_percentage_is_not_a_number(tmp_path):
    def change(sheet):
        sheet["H2"].number_format = "0%"

    path = book(tmp_path / "o.xlsx", change, rows=[[*ROWS[0][:7], 0.02]])
    loaded = source.load(path)
    assert orders(loaded, "weight") == [None]
    assert [p["code"] for p in loaded.problems.to_pylist()] == ["cell_not_number"]


def test_a_quantity_with_a_word_stays_a_number(tmp_path):
    def change(sheet):
        sheet["B2"].number_format = '0 "pcs"'

    path = book(tmp_path / "o.xlsx", change, headings=["Name", "Quantity"], rows=[["Ada", 3]])
    assert orders(source.load(path), "quantity") == [3]


def test_dates_in_columns_of_text_stop_their_rows(tmp_path):
    rows = [[*row] for row in ROWS]
    rows[0][3] = dt.date(2026, 1, 2)  # "1-2", an apartment
    rows[1][2] = dt.date(2026, 11, 12)
    rows[2][0] = dt.date(2026, 3, 1)
    loaded = source.load(book(tmp_path / "orders.xlsx", rows=rows))
    assert problems(loaded) == [
        (1, "address_2", "cell_is_date"),
        (2, "address", "cell_is_date"),
        (3, "order_number", "cell_is_date"),
    ]
    assert "cell D2 in column 'Address 2' is a date" in loaded.problems.to_pylist()[0]["problem"]


def test_all_digits_of_a_long_number_are_read_and_a_rounded_one_is_seen(tmp_path):
    path = book(tmp_path / "orders.xlsx", rows=[[771, *ROWS[0][1:]], [772, *ROWS[1][1:]]])
    rewritten(
        path,
        lambda xml: xml.replace(b"<v>771</v>", b"<v>576461413038785752</v>").replace(
            b"<v>772</v>", b"<v>1234567890123450</v>"
        ),
    )
    assert orders(source.load(path)) == ["576461413038785752", "1.23456789012345e+15"]


def test_text_of_merged_rows_is_read_in_each_and_numbers_once(tmp_path):
    def change(sheet):
        for letter in "ABCEFGH":
            sheet.merge_cells(f"{letter}2:{letter}3")

    loaded = source.load(book(tmp_path / "orders.xlsx", change))
    assert orders(loaded, "order_number", "address", "zip", "weight")[:3] == [
        ("1", "1 Main St", "02134", 2),
        ("1", "1 Main St", "02134", None),
        ("3", "3 Main St", "02134", 2),
    ]
    assert "6 cells of merged ranges" in str(loaded.report)


def test_rows_and_cells_that_are_struck_through_wait(tmp_path):
    def change(sheet):
        for cell in sheet[3]:
            cell.font = Font(strike=True)
        sheet["C5"].font = Font(strike=True)
        sheet["D6"].font = Font(strike=True)  # an empty cell

    loaded = source.load(book(tmp_path / "orders.xlsx", change))
    assert problems(loaded) == [
        (2, "order_number", "crossed_out"),
        (4, "address", "crossed_out"),
    ]


def test_a_sheet_whose_cells_do_not_say_where_they_are_is_seen_too(tmp_path):
    def change(sheet):
        hide_rows(sheet)
        sheet["G2"].value, sheet["G2"].number_format = 2134, "00000"

    path = book(tmp_path / "orders.xlsx", change, rows=[[*row[:3], "x", *row[4:]] for row in ROWS])
    rewritten(path, lambda xml: re.sub(rb'<c r="[A-Z]+\d+"', b"<c", xml))
    assert orders(source.load(path), "order_number", "zip")[0] == ("1", "02134")
    assert orders(source.load(path)) == ["1", "3", "4"]


def test_a_workbook_is_read_whatever_its_ending_is(tmp_path):
    path = book(tmp_path / "orders.xlsx")
    for name in ("orders.xls", "orders.csv", "orders.xlsb", "orders"):
        other = tmp_path / name
        other.write_bytes(path.read_bytes())
        assert orders(source.load(other)) == ["1", "2", "3", "4", "5"]


def test_headings_that_come_again_are_no_orders(tmp_path):
    rows = [*ROWS[:2], HEADINGS, *ROWS[2:]]
    loaded = source.load(book(tmp_path / "orders.xlsx", rows=rows))
    assert orders(loaded, "order_number", "weight") == [(str(n), 2) for n in range(1, 6)]
    assert "1 row with the headings again (row 3)" in str(loaded.report)
    text = tmp_path / "orders.csv"
    text.write_text("Order Number,Name,Weight\n1,Ada,2\norder number,NAME,Weight\n2,Bo,3\n")
    assert orders(source.load(text), "order_number", "weight") == [("1", 2), ("2", 3)]


def ods(path, rows, styles="", columns=""):
    """Save an .ods file of one sheet; a row is its attributes and its cells."""
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text", "style")
    )
    body = "".join(
        f"<table:table-row {given}>{''.join(map(ods_cell, cells))}</table:table-row>"
        for given, cells in rows
    )
    content = (
        f"<office:document-content {spaces}><office:automatic-styles>{styles}"
        "</office:automatic-styles><office:body><office:spreadsheet>"
        f'<table:table table:name="Orders">{columns}{body}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        made.writestr(
            "META-INF/manifest.xml",
            "<manifest:manifest "
            'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
        made.writestr("content.xml", content)
    return path


def ods_cell(cell):
    value, shown, given = (*cell, "")[:3] if isinstance(cell, tuple) else (cell, cell, "")
    kind = (
        f'office:value-type="float" office:value="{value}"'
        if isinstance(value, int | float)
        else 'office:value-type="string"'
    )
    return f"<table:table-cell {kind} {given}><text:p>{shown}</text:p></table:table-cell>"


def test_an_ods_file_is_read_as_it_is_shown(tmp_path):
    struck = 'table:style-name="ce1"'
    path = ods(
        tmp_path / "orders.ods",
        [
            ("", [*HEADINGS[:3], "City", "Zip", "Weight", "Total"]),
            (
                "",
                [
                    (12, "SO-0012"),
                    "Ada",
                    "1 Main St",
                    "Boston",
                    (2134, "02134"),
                    (2.54, "2.5 kg"),
                    (3, "3"),
                ],
            ),
            ('table:visibility="collapse"', ["2", "Bo", "2 Main St", "Boston", "1", "1 kg", "1"]),
            ('table:visibility="filter"', ["3", "Cy", "3 Main St", "Boston", "1", "1 kg", "1"]),
            (
                "",
                [
                    ("4", "4", struck),
                    ("Di", "Di", struck),
                    ("4 Oak", "4 Oak", struck),
                    "Rome",
                    "1",
                    "1 lb",
                    "1",
                ],
            ),
            (
                "",
                [
                    (1500, "1,500.00"),
                    "Ed",
                    "5 Main St",
                    "Boston",
                    "02134",
                    "1 lb",
                    (2.5, "2.50 €", 'office:currency="EUR"'),
                ],
            ),
        ],
        styles='<style:style style:name="ce1" style:family="table-cell">'
        '<style:text-properties style:text-line-through-style="solid"/></style:style>',
    )
    loaded = source.load(path)
    assert orders(loaded, "order_number", "zip", "round(weight, 4)") == [
        ("SO-0012", "02134", 5.5997),
        ("4", "1", 1.0),
        ("1500", "02134", 1.0),
    ]
    assert problems(loaded) == [(4, "order_number", "crossed_out")]
    assert {note.count for note in loaded.report.of("dropped")} == {1}
    assert "1 row hidden by a filter" in str(loaded.report)


def test_hidden_columns_of_an_ods_file_are_asked_about(tmp_path):
    columns = (
        '<table:table-column table:number-columns-repeated="2"/>'
        '<table:table-column table:visibility="collapse"/>'
    )
    path = ods(
        tmp_path / "orders.ods",
        [("", ["Order Number", "Address", "Address 2"]), ("", ["1", "1 Main St", "Apt 4"])],
        columns=columns,
    )
    with pytest.raises(SourceError, match=r"'Address 2' \(C\)"):
        source.load(path)


def days(path, sheets, hidden=()):
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
        if name in hidden:
            sheet.sheet_state = "veryHidden"
    made.save(path)
    made.close()
    return path


WEEK = {
    "Mon": [HEADINGS, ROWS[0], ROWS[1]],
    "Tue": [HEADINGS[::-1], ROWS[2][::-1]],
    "Wed": [HEADINGS],
    "Notes": [["Call Bo"], ["x", "y"]],
    "Old": [HEADINGS, ROWS[4]],
}


def test_several_sheets_with_the_same_headings_are_a_question(tmp_path):
    path = days(tmp_path / "week.xlsx", WEEK, hidden=["Old"])
    with pytest.raises(SourceError) as refused:
        source.load(path)
    assert refused.value.message == (
        "2 sheets of week.xlsx look like orders: 'Mon' (2 rows), 'Tue' (1 row)."
    )
    assert refused.value.fix == (
        'Name one, load(..., sheet="Mon"), several, sheet=["Mon", "Tue"], or all: sheet="*".'
    )


@pytest.mark.parametrize(
    ("sheet", "found"),
    [
        ("Mon", ["1", "2"]),
        ("mon ", ["1", "2"]),
        (1, ["3"]),
        (["Tue", "Mon"], ["1", "2", "3"]),
        ("*", ["1", "2", "3"]),
        ("[MT]*", ["1", "2", "3"]),
        ("Old", ["5"]),
    ],
)
def test_sheets_are_read_by_name_number_list_or_pattern(tmp_path, sheet, found):
    path = days(tmp_path / "week.xlsx", WEEK, hidden=["Old"])
    loaded = source.load(path, sheet=sheet)
    assert orders(loaded) == found
    if len(found) == 3:
        assert orders(loaded, "source_file") == ["week.xlsx: Mon"] * 2 + ["week.xlsx: Tue"]


def test_a_sheet_that_goes_on_without_headings_is_a_question(tmp_path):
    path = days(tmp_path / "week.xlsx", {"Orders": WEEK["Mon"], "More": [ROWS[2], ROWS[3]]})
    with pytest.raises(SourceError, match="rows like those of 'Orders' in 'More'"):
        source.load(path)
    assert orders(source.load(path, sheet="Orders")) == ["1", "2"]


def test_a_sheet_of_customers_or_a_summary_beside_the_orders_is_no_question(tmp_path):
    customers = [[*HEADINGS[1:7], "Email"], [*ROWS[0][1:7], "a@example.com"]]
    path = days(
        tmp_path / "week.xlsx",
        {"Orders": WEEK["Mon"], "Customers": customers, "Sum": [["State", "Orders"], ["MA", 2]]},
    )
    loaded = source.load(path)
    assert orders(loaded) == ["1", "2"]
    assert "the orders are in sheet 'Orders'; week.xlsx also has: Customers, Sum." in str(
        loaded.report
    )


def test_hidden_rows_of_several_sheets_stay_hidden(tmp_path):
    path = days(tmp_path / "week.xlsx", WEEK)
    made = openpyxl.load_workbook(path)
    made["Mon"].row_dimensions[3].hidden = True
    made["Tue"]["G2"] = dt.date(2026, 1, 2)  # its headings are in the other order: "Name"
    made.save(path)
    loaded = source.load(path, sheet="*")
    assert orders(loaded) == ["1", "3", "5"]
    assert problems(loaded) == [(3, "name", "cell_is_date")]


def test_tracking_numbers_of_several_sheets_go_into_a_new_file(tmp_path, shop):
    path = days(tmp_path / "week.xlsx", WEEK)
    before = path.read_bytes()
    with sk.BatchSession(shipper=shop) as session:
        session.load(path, sheet=["Mon", "Tue"])
        session.map(service="ground")
        session.preview()
        session.approve()
        assert session.execute(progress=False).shipped == 3
        written = session.write_back(tmp_path / "shipped.csv")
    assert path.read_bytes() == before
    found = orders(source.load(written), "order_number", "source_file_2", "tracking_number")
    assert [each[:2] for each in found] == [
        ("1", "week.xlsx: Mon"),
        ("2", "week.xlsx: Mon"),
        ("3", "week.xlsx: Tue"),
    ]
    assert all(each[2].startswith("SANDBOX") for each in found)


@pytest.mark.parametrize(
    "lookup",
    [
        [("ID", "Employee", "Department", "Office", "Team", "Ext", "Level")]
        + [(n, "Ada Lee", "Sales", "North", "Blue", 100 + n, n) for n in range(1, 6)],
        [("No", "Description", "Category", "Supplier", "Bin", "Stock", "Min")]
        + [(n, "Mug", "Cups", "Acme", "Left", n, 2) for n in range(1, 6)],
    ],
)
def test_a_sheet_with_headings_of_its_own_is_another_table(tmp_path, lookup):
    book = openpyxl.Workbook()
    book.active.title = "Orders"
    book.active.append(["order_id", "name", "address", "city", "state", "zip", "weight_lb"])
    for n in range(1, 6):
        book.active.append([n, "Ada Lee", "Main St", "Austin", "TX", 78700 + n, 2])
    other = book.create_sheet("More")
    for row in lookup:
        other.append(list(row))
    book.save(tmp_path / "book.xlsx")
    assert source.load(tmp_path / "book.xlsx").rows == 5


@pytest.mark.parametrize("corner", ["XFD1048576", "XFD7", "AZ1048576"])
def test_a_cell_far_from_the_table_is_named_before_it_fills_the_memory(tmp_path, corner):
    row = re.sub("[A-Z]", "", corner)
    far = f'<row r="{row}"><c r="{corner}" t="inlineStr"><is><t>x</t></is></c></row></sheetData>'
    path = rewritten(
        book(tmp_path / "orders.xlsx"),
        lambda xml: xml.replace(b"</sheetData>", far.encode()),
    )
    with pytest.raises(SourceError, match=f"Sheet 'Orders' reaches to cell {corner}"):
        source.load(path)


def test_a_cell_below_the_table_is_read(tmp_path):
    far = b'<row r="90000"><c r="H90000"><v>3</v></c></row></sheetData>'
    path = rewritten(book(tmp_path / "orders.xlsx"), lambda xml: xml.replace(b"</sheetData>", far))
    assert orders(source.load(path))[:5] == ["1", "2", "3", "4", "5"]
