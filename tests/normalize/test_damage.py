"""Text that was damaged before the file was read: lost letters, Excel's dates, invisible marks."""

from __future__ import annotations

import pytest

import shipkit as sk

ROW = {
    "order id": "A-1",
    "name": "Ada Lee",
    "address": "1 Main St",
    "address 2": "Rear",
    "city": "Boston",
    "state": "MA",
    "zip": "02134",
    "weight lb": 2,
}


def read(shop, **changes):
    row = {**ROW, **{name.replace("_", " "): value for name, value in changes.items()}}
    with sk.BatchSession([row], shipper=shop, service="ground") as session:
        found = [(p.code, p.severity) for p in session.problems.itertuples()]
        return session.mapped().iloc[0], found, session.repairs


@pytest.mark.parametrize("field", ["name", "address", "address_2", "city"])
def test_a_lost_letter_stops_the_row(shop, field):
    _, found, _ = read(shop, **{field: "Mu\ufffdoz"})
    assert ("text_damaged", "error") in found


@pytest.mark.parametrize("cell", ["2-Jan", "12-Nov", "Jan-02", "3-apr"])
def test_a_date_that_excel_made_is_not_printed_unnoticed(shop, cell):
    assert read(shop, address=cell)[1] == [("excel_date", "error")]
    assert read(shop, address_2=cell)[1] == [("excel_date", "error")]
    assert read(shop, order_id=cell)[1] == [("order_key_damaged", "error")]


@pytest.mark.parametrize("cell", ["5.76461E+17", "1e+05", "5,76461E+17"])
def test_a_rounded_order_number_stops_the_row(shop, cell):
    assert read(shop, order_id=cell)[1] == [("order_key_damaged", "error")]


@pytest.mark.parametrize("cell", ["SO-1E5", "E+1", "10-NOVA", "JAN-2026-7"])
def test_an_order_number_with_such_letters_is_fine(shop, cell):
    assert read(shop, order_id=cell)[1] == []


@pytest.mark.parametrize(
    "mark", ["\u200b", "\u202d", "\u2060", "\ufeff", "\u00ad", "\ufffe", "\uffff"]
)
def test_invisible_marks_are_removed_and_counted(shop, mark):
    row, found, repairs = read(shop, name=f"Ada L{mark}ee", city=f"Bos{mark}ton")
    assert (row["name"], row["city"], found) == ("Ada Lee", "Boston", [])
    assert sum(repairs.values()) >= 1


def test_joiners_are_parts_of_letters(shop):
    assert read(shop, name="می\u200cخواهم")[0]["name"] == "می\u200cخواهم"


def test_a_counter_of_rows_is_no_house_number(shop):
    assert read(shop, **{"No.": "1"})[1] == []
    assert read(shop, **{"No.": "7", "address": "Main St"})[1] == [
        ("column_not_understood", "error")
    ]
