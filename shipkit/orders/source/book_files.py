"""Open a workbook by what its bytes are, whatever its file is called."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shipkit.errors import SourceError
from shipkit.orders.source.ods_look import OdsLooks
from shipkit.orders.source.sheet_model import Book, Look, Sheet
from shipkit.orders.source.xlsx_look import XlsxLooks

__all__ = ["opened_book"]


@contextmanager
def opened_book(path: Path) -> Iterator[Book]:
    """Open a workbook.

    Raises
    ------
    SourceError
        It is damaged, protected by a password, or no workbook; the message says what it is.
    """
    import python_calamine

    try:
        with path.open("rb") as file:
            # Opened by its bytes: from_path() would believe the ending of the name.
            book = python_calamine.CalamineWorkbook.from_filelike(file)
            looks = _looks(path)
            try:
                yield _CalamineBook(book, looks)
            finally:
                if isinstance(looks, XlsxLooks):
                    looks.close()
    except python_calamine.PasswordError:
        raise SourceError(
            f"{path.name} is protected by a password.",
            fix="Open it, remove the password (File > Info > Protect Workbook), and save it again.",
        ) from None
    except (python_calamine.CalamineError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise SourceError(
            f"{path.name} cannot be read as a workbook: {error}.",
            fix="Open it and save it again as .xlsx, without a password.",
        ) from None


def _looks(path: Path) -> Callable[[str], Look]:
    """Return what finds the look of a sheet by its name."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as book:
            names = book.namelist()
        if "xl/workbook.xml" in names:
            return XlsxLooks(path)
        if "content.xml" in names:
            return OdsLooks(path)
    return lambda _: Look()


class _CalamineBook(Book):
    """A workbook whose values python-calamine reads."""

    def __init__(self, book: Any, looks: Callable[[str], Look]) -> None:
        sheets = [sheet for sheet in book.sheets_metadata if str(sheet.typ).endswith("WorkSheet")]
        names = [sheet.name for sheet in sheets] or list(book.sheet_names)
        seen = [sheet.name for sheet in sheets if str(sheet.visible).endswith(".Visible")]
        if isinstance(looks, OdsLooks):
            seen = [name for name in names if name not in looks.hidden_sheets]
        super().__init__(names=names, visible=seen or names)
        self._book, self._looks = book, looks
        self._read: dict[str, Sheet] = {}

    def sheet(self, name: str) -> Sheet:
        if name not in self._read:
            rows = self._book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            self._read[name] = Sheet(name, [list(row) for row in rows])
        return self._read[name]

    def look(self, name: str) -> Look:
        return self._looks(name)
