"""Rows written to a new workbook in which no text becomes a formula."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["escaped", "write_sheet"]

_ESCAPED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
"""What XML cannot hold, and text that would be read as an escape (ECMA-376 part 1, ST_Xstring)."""


def escaped(text: str) -> str:
    """Return text with control characters as Excel writes them: ``_x000B_``."""
    return _ESCAPED.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def write_sheet(dest: Path, headings: Sequence[object], rows: Iterable[Sequence[Any]]) -> None:
    """Write `headings` and `rows` to the sheet "Orders" of a new workbook.

    Text stays text, also where it begins with ``=`` or is named like an error of Excel. Control
    characters are written as Excel writes them: ``_x000B_``.
    """
    import openpyxl
    from openpyxl.cell import WriteOnlyCell

    # Write-only mode: otherwise all cells are kept in memory, 50 times the size of the file
    # (openpyxl's documentation, "Performance").
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Orders")

    def written(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = escaped(value)
        if not text.startswith(("=", "#")):
            return text
        cell = WriteOnlyCell(sheet, value=text)
        cell.data_type = "s"  # openpyxl reads "=" as a formula and "#N/A" as an error
        return cell

    sheet.append([written(heading) for heading in headings])
    for row in rows:
        sheet.append([written(value) for value in row])
    # Into memory first: on a full disk, the zip file that Python drops half written prints errors
    # of its own after ours.
    whole = io.BytesIO()
    book.save(whole)
    dest.write_bytes(whole.getbuffer())
