"""Workbooks that shipkit makes: every cell is the text it was."""

from __future__ import annotations

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest

from shipkit.cli.table_files import save_frame
from shipkit.common.xlsx import write_sheet

TEXTS = ["=1+1", '=HYPERLINK("http://127.0.0.1/","open")', "#N/A", "-2+3", "plain"]


def cells(path):
    return [
        (cell.data_type, cell.value) for row in openpyxl.load_workbook(path).active for cell in row
    ]


def test_text_is_never_a_formula_in_a_heading_or_a_cell(tmp_path):
    write_sheet(tmp_path / "new.xlsx", ["=note"], [[text] for text in TEXTS])
    assert cells(tmp_path / "new.xlsx") == [("s", text) for text in ["=note", *TEXTS]]


def test_a_saved_frame_has_no_formula_and_keeps_its_numbers(tmp_path):
    save_frame(pd.DataFrame({"note": ["=1+1", None], "n": [2.5, 3.0]}), tmp_path / "new.xlsx")
    assert cells(tmp_path / "new.xlsx")[2:] == [("s", "=1+1"), ("n", 2.5), ("n", None), ("n", 3)]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("one\x0btwo", "one_x000B_two"),
        ("odd \ufffe\uffff", "odd _xFFFE__xFFFF_"),
        ("\x00", "_x0000_"),
        ("_x000B_", "_x005F_x000B_"),
        ("tab\tand\nline", "tab\tand\nline"),
    ],
)
def test_control_characters_are_written_as_excel_writes_them(tmp_path, text, written):
    write_sheet(tmp_path / "new.xlsx", ["note"], [[text]])
    assert cells(tmp_path / "new.xlsx")[1] == ("s", written)


def test_orders_written_to_a_workbook_keep_their_text(buy, tmp_path):
    rows = pa.table(
        {
            "order_id": ["A-1"],
            "name": ["Ada Lee"],
            "company": ["=1+1"],
            "address1": ["12 Marrow Creek Rd"],
            "city": ["Austin"],
            "state": ["TX"],
            "zip": ["78704"],
            "weight_lb": ["2.5"],
            "note": ["line one\x0bline two"],
        }
    )
    path = buy(rows).write_back(tmp_path / "out.xlsx")
    found = cells(path)
    assert ("s", "=1+1") in found
    assert ("s", "line one_x000B_line two") in found
    assert not [cell for cell in found if cell[0] == "f"]
