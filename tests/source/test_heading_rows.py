"""Where the headings are, and what the lines around them say: the same in text and in workbooks."""

from __future__ import annotations

import openpyxl
import pytest

import shipkit as sk
from shipkit.orders import source

ADDRESS = ["Name", "Address", "City", "State", "Zip"]
HEADINGS = ["Order Number", *ADDRESS, "Weight"]
ROWS = [[str(n), "Ada Lee", f"{n} Main St", "Boston", "MA", "02134", "2"] for n in (1, 2, 3)]


@pytest.fixture(params=["csv", "xlsx"])
def saved(request, tmp_path):
    """Save rows as a text file or as a workbook, and load them."""

    def save(rows, name="orders"):
        path = tmp_path / f"{name}.{request.param}"
        if request.param == "csv":
            width = max(map(len, rows))
            lines = ([f'"{cell or ""}"' for cell in row] for row in rows)
            path.write_text(
                "".join(",".join([*line, *[""] * (width - len(line))]) + "\n" for line in lines)
            )
        else:
            book = openpyxl.Workbook()
            for row in rows:
                book.active.append(row)
            book.save(path)
            book.close()
        return source.load(path)

    return save


def orders(loaded, *columns):
    wanted = ", ".join(columns or ("order_number",))
    found = loaded.con.sql(f"SELECT {wanted} FROM {loaded.lines.sql} ORDER BY row_number")
    return [row if len(row) > 1 else row[0] for row in found.fetchall()]


def names(loaded):
    return [column.name for column in loaded.columns]


ABOVE = {
    "title": [["Harbor Goods, open orders"]],
    "title and blank": [["Harbor Goods, open orders"], [None] * 7, ["Exported on", "2026-11-29"]],
    "as wide as the headings": [["Store", "Harbor", "From", "2026-11-01", "To", "2026-11-30", "x"]],
    "a sender": [["Ship from", "Harbor", "1 Bay St", "Miami", "FL", "33101", None]],
}


@pytest.mark.parametrize("above", ABOVE.values(), ids=ABOVE)
def test_lines_above_the_headings_are_no_headings(saved, above):
    loaded = saved([*above, HEADINGS, *ROWS])
    assert names(loaded) == HEADINGS
    assert orders(loaded) == ["1", "2", "3"]
    assert loaded.report.lines.missing == 0


@pytest.mark.parametrize(
    ("bill", "ship"),
    [
        ("Bill To", "Ship To"),
        ("Billing Address", "Shipping Address"),
        ("Sender", "Recipient"),
        ("Rechnungsadresse", "Lieferadresse"),
        ("Adresse de facturation", "Adresse de livraison"),
        ("ご依頼主", "お届け先"),
    ],
)
def test_a_line_of_groups_says_whose_the_columns_are(saved, bill, ship):
    loaded = saved(
        [
            [None, bill, None, None, None, None, ship, None, None, None, None, "Parcel"],
            ["Order Number", *ADDRESS, *ADDRESS, "Weight"],
            ["1", "Pay Er", "9 Pay St", "Miami", "FL", "33101", *ROWS[0][1:]],
        ]
    )
    assert names(loaded) == [
        "Order Number",
        *(f"Bill To {each}" for each in ADDRESS),
        *(f"Ship To {each}" for each in ADDRESS),
        "Weight",
    ]
    assert {c.role: c.name for c in loaded.columns if c.role}["name"] == "Ship To Name"
    assert loaded.report.lines.headings in (1, 2)
    assert loaded.report.lines.missing == 0


def test_headings_of_two_lines_are_one(saved):
    loaded = saved(
        [
            ["Sales Order", "Ship To", "Street", None, None, "Postal", "Weight"],
            ["Number", "Name", "Address", "City", "State", "Code", "(oz)"],
            *ROWS,
        ]
    )
    assert orders(loaded, "sales_order_number", "ship_to_name", "weight_oz")[0] == (
        "1",
        "Ada Lee",
        2,
    )
    assert {c.role: c.unit for c in loaded.columns}["weight"] == "oz"
    assert loaded.rows == 3


EXPLAINING = {
    "sentences": [
        "Platform unique order ID.",
        "Recipient name.",
        "Street.",
        "City.",
        "State.",
        "Zip.",
        "Package weight.",
    ],
    "required": [
        "required",
        "required",
        "max 35 characters",
        "",
        "2 letters",
        "5 digits",
        "optional",
    ],
    "types": ["string", "string", "string", "string", "char(2)", "text", "decimal"],
    "translation": ["Bestellnummer", "Name", "Straße", "City", "State", "Postal Code", "Gewicht"],
    "German": ["Pflichtfeld", "max. 35 Zeichen", "Pflichtfeld", "Pflichtfeld", "", "5 Stellen", ""],
    "examples": ["e.g. 1001", "e.g. Ada Lee", "e.g. 1 Main St", "e.g. Rome", "e.g. GA", "", ""],
    "unlike all others": [
        "Unsere Kennung",
        "Wer es bekommt",
        "Wohin es geht",
        "",
        "",
        "Zahl mit Nullen",
        "Brutto",
    ],
}


@pytest.mark.parametrize("line", EXPLAINING.values(), ids=EXPLAINING)
def test_a_line_that_explains_the_headings_is_no_order(saved, line):
    loaded = saved([HEADINGS, line, *ROWS])
    assert names(loaded) == HEADINGS
    assert orders(loaded, "row_number", "order_number", "weight") == [
        (2, "1", 2),
        (3, "2", 2),
        (4, "3", 2),
    ]
    assert "1 row that explains the headings (line 2)." in str(loaded.report)
    assert loaded.problems.num_rows == 0
    assert loaded.report.lines.missing == 0


@pytest.mark.parametrize("line", [["----"] * 7, ["____"] * 7, [str(n) for n in range(1, 8)]])
def test_a_line_that_rules_off_or_numbers_the_columns_is_no_order(saved, line):
    loaded = saved([HEADINGS, line, *ROWS])
    assert orders(loaded) == ["1", "2", "3"]
    assert "1 row that explains the headings (line 2)." in str(loaded.report)


@pytest.mark.parametrize("unit", ["(kg)", "kg", "[kg]", "in kg"])
def test_a_line_of_units_gives_the_unit_of_a_measure(saved, unit):
    loaded = saved([HEADINGS, [None, None, None, None, None, None, unit], *ROWS])
    assert names(loaded)[-1] == "Weight (kg)"
    assert {c.role: c.unit for c in loaded.columns}["weight"] == "kg"
    assert orders(loaded) == ["1", "2", "3"]


def test_headings_units_and_groups_that_come_again_are_no_orders(saved):
    groups = [None, "Ship To", None, None, None, None, "Parcel"]
    units = [None, None, None, None, None, None, "(kg)"]
    page = [groups, HEADINGS, units]
    loaded = saved([*page, ROWS[0], *page, ROWS[1], *page, ROWS[2]])
    assert orders(loaded, "order_number", "weight_kg") == [("1", 2), ("2", 2), ("3", 2)]
    assert "6 rows with the headings again" in str(loaded.report)


CLOSING = [
    ["Total", None, None, None, None, None, "6"],
    [None, "Grand total:", None, None, None, None, "6"],
    [None, None, "Subtotal", None, None, None, "6"],
    ["Summe: 3", None, None, None, None, None, None],
    ["Sous-total", None, None, None, None, None, "6"],
    ["Total orders: 3", None, None, None, None, None, None],
    ["合計", None, None, None, None, None, "6"],
    ["Page 1 of 2", None, None, None, None, None, None],
    ["Seite 2", None, None, None, None, None, None],
    ["Printed on 2026-11-29", None, None, None, None, None, None],
    ["Orders of Monday", None, None, None, None, None, None],
    ["* required field", None, None, None, None, None, None],
]


@pytest.mark.parametrize("line", CLOSING, ids=lambda line: next(filter(None, line)))
def test_totals_pages_and_titles_in_between_are_no_orders(saved, line):
    loaded = saved([HEADINGS, ROWS[0], line, *ROWS[1:]])
    assert orders(loaded) == ["1", "2", "3"]
    (note,) = loaded.report.of("dropped")
    assert note.count == 1
    assert note.text.startswith("1 row of totals or titles, without a name or address: line 3")


KEPT = [
    ["A17", None, None, None, None, None, None],
    ["4", "Total Wine", "4 Main St", "Boston", "MA", "02134", "2"],
    ["5", "Page Smith", None, None, None, None, "2"],
    ["Max", "Max Example", "The Old Mill", "Boston", "MA", None, "2"],
    ["4|Ada B|4 Main St|Boston", None, None, None, None, None, None],  # cut off, other delimiter
]


@pytest.mark.parametrize("line", KEPT, ids=lambda line: line[0])
def test_orders_that_look_a_little_like_totals_stay(saved, line):
    loaded = saved([HEADINGS, line, *ROWS])
    assert orders(loaded) == [line[0], "1", "2", "3"]
    assert loaded.report.of("dropped") == ()


def test_files_whose_headings_mean_nothing_are_read_as_before(saved):
    loaded = saved([["a", "b", "c"], ["1", "x", "2"], ["2", "y", "3"]])
    assert names(loaded) == ["a", "b", "c"]
    assert loaded.rows == 2


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_tracking_numbers_go_back_under_headings_with_a_line_above(tmp_path, shop, kind):
    rows = [
        [None, "Bill To", None, None, None, None, "Ship To", None, None, None, None],
        ["Order Number", *ADDRESS, *ADDRESS],
        ["1", "Pay Er", "9 Pay St", "Miami", "FL", "33101", *ROWS[0][1:6]],
        ["Total", None, None, None, None, None, None, None, None, None, None],
        ["2", "Pay Er", "9 Pay St", "Miami", "FL", "33101", *ROWS[1][1:6]],
    ]
    path = tmp_path / f"orders.{kind}"
    if kind == "csv":
        path.write_text("".join(",".join(cell or "" for cell in row) + "\n" for row in rows))
    else:
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
        book.close()
    with sk.BatchSession(path, shipper=shop) as session:
        session.map(service="ground", defaults={"weight_lb": 2})
        session.preview()
        session.approve()
        assert session.execute(progress=False).shipped == 2
        written = session.write_back()
    again = source.load(written)
    assert names(again)[11] == "tracking_number"
    found = orders(again, "order_number", "tracking_number")
    assert [number for number, _ in found] == ["1", "2"]
    assert all(tracking.startswith("SANDBOX") for _, tracking in found)
