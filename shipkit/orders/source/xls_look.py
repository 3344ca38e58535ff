"""What a workbook of Excel 97 (.xls) says about the look of its sheets, read by xlrd.

The values come from python-calamine, which is faster; it knows nothing of hidden rows and formats.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from shipkit.orders.source.number_formats import NumberFormat, number_format
from shipkit.orders.source.sheet_model import Look

__all__ = ["XlsLooks"]


class XlsLooks:
    """The looks of the sheets of an .xls file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, name: str) -> Look:
        """Return the look of a sheet; an empty one where the file cannot be read for it."""
        if self._book is None or name not in self._book.sheet_names():
            return Look()
        sheet = self._book.sheet_by_name(name)
        found = Look(
            hidden_rows={row: "hidden" for row, each in sheet.rowinfo_map.items() if each.hidden},
            hidden_columns={column for column, each in sheet.colinfo_map.items() if each.hidden},
            merged=[
                (first, left, last - 1, right - 1)
                for first, last, left, right in sheet.merged_cells
            ],
        )
        for row in range(sheet.nrows):
            for column in range(sheet.row_len(row)):
                style = sheet.cell_xf_index(row, column)
                if (shows := self._formats.get(style)) is not None:
                    found.formats[row, column] = shows
                if style in self._crossed:
                    found.crossed.add((row, column))
        return found

    @property
    def blind(self) -> bool:
        """Whether the look of the sheets cannot be read."""
        return self._book is None

    @cached_property
    def _book(self) -> Any:
        import xlrd

        try:
            return xlrd.open_workbook(
                file_contents=self._path.read_bytes(), formatting_info=True, logfile=_Silent()
            )
        except Exception:  # noqa: BLE001 - a damaged file raises all kinds; its values are read
            return None

    @cached_property
    def _formats(self) -> dict[int, NumberFormat]:
        """Style of a cell -> what it shows besides its value."""
        codes = {key: form.format_str for key, form in self._book.format_map.items()}
        made = {
            place: number_format(codes.get(style.format_key) or "General")
            for place, style in enumerate(self._book.xf_list)
        }
        return {place: form for place, form in made.items() if form.tells}

    @cached_property
    def _crossed(self) -> frozenset[int]:
        """Styles of cells that are struck through."""
        fonts = self._book.font_list
        return frozenset(
            place
            for place, style in enumerate(self._book.xf_list)
            if style.font_index < len(fonts) and fonts[style.font_index].struck_out
        )


class _Silent:
    """A log that keeps nothing: xlrd prints warnings."""

    def write(self, _: str) -> int:
        return 0

    def flush(self) -> None:
        return None
