"""Open a workbook by what its bytes are, whatever its file is called."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from shipkit.errors import SourceError
from shipkit.orders.source.markup_books import markup_book, markup_kind
from shipkit.orders.source.ods_look import OdsLooks
from shipkit.orders.source.sheet_model import Book, Look, SheetTable
from shipkit.orders.source.xls_look import XlsLooks
from shipkit.orders.source.xlsx_look import XlsxLooks

__all__ = ["is_book", "opened_book"]

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0"
_OLD_BIFF: Final = (b"\x09\x08\x10\x00\x00\x06", b"\x09\x08\x08\x00\x00\x05", b"\x09\x04\x06\x00")
"""How a workbook of Excel 2 to 95 begins that is not in an OLE file."""
_IN_ZIP: Final = {
    "word/": ("a Word document", "Copy its table into a workbook and save that as .xlsx."),
    "ppt/": ("a presentation", "Export the orders as CSV or XLSX."),
    "Index/": (
        "a document of Apple Numbers",
        "Open it in Numbers and choose File > Export To > Excel or CSV.",
    ),
    "Index.zip": (
        "a document of Apple Numbers",
        "Open it in Numbers and choose File > Export To > Excel or CSV.",
    ),
}
"""How a name in a zip file begins -> what the file is, and what to do."""
_IN_OLE: Final = {
    "EncryptedPackage": (
        "protected by a password",
        "Open it in Excel, remove the password (File > Info > Protect Workbook), and save it.",
    ),
    "WordDocument": (
        "a Word document",
        "Copy its table into a workbook and save that as .xlsx.",
    ),
    "PowerPoint Document": ("a presentation", "Export the orders as CSV or XLSX."),
    "__substg1.0": ("an email message", "Save the file that is attached to it, and load that."),
}
"""Name of a stream in an OLE file -> what the file is, and what to do."""
_BY_ENDING: Final = {
    ".gsheet": (
        "a link to a sheet of Google",
        "Open it in the browser and choose File > Download > Microsoft Excel (.xlsx).",
    ),
    ".numbers": (
        "a document of Apple Numbers",
        "Open it in Numbers and choose File > Export To > Excel or CSV.",
    ),
}


def is_book(path: Path, head: bytes) -> bool:
    """Return whether a file is read as a workbook, by its first bytes.

    Raises
    ------
    SourceError
        It is a document of another kind; the message says which.
    """
    if path.name.startswith("~$") and len(head) < 512:
        raise SourceError(
            f"{path.name} is the file by which Excel marks an open workbook.",
            fix=f"Load {path.name.removeprefix('~$')} instead.",
        )
    if path.suffix.lower() in _BY_ENDING and not head.startswith(_OLE):
        _refuse(path, _BY_ENDING[path.suffix.lower()])
    if head.startswith((_ZIP, _OLE, *_OLD_BIFF)):
        return True
    return markup_kind(head) is not None


@contextmanager
def opened_book(path: Path) -> Iterator[Book]:
    """Open a workbook.

    Raises
    ------
    SourceError
        It is damaged, protected by a password, or no workbook; the message says what it is.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.startswith((_ZIP, _OLE)) and (kind := markup_kind(head)):
        yield markup_book(path, kind)
        return
    _refuse_others(path, head)
    with _opened(path) as book:
        yield book


@contextmanager
def _opened(path: Path) -> Iterator[Book]:
    import python_calamine

    try:
        with path.open("rb") as file:
            # Opened by its bytes: from_path() would believe the ending of the name.
            book = python_calamine.CalamineWorkbook.from_filelike(file)
            kind, looks = _looks(path)
            try:
                yield _CalamineBook(book, kind, looks)
            finally:
                if isinstance(looks, XlsxLooks):
                    looks.close()
    except python_calamine.PasswordError:
        _refuse(path, _IN_OLE["EncryptedPackage"])
    except (python_calamine.CalamineError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise SourceError(
            f"{path.name} cannot be read as a workbook: {error}.",
            fix="Open it and save it again as .xlsx, without a password.",
        ) from None


def _refuse(path: Path, known: tuple[str, str]) -> None:
    what, fix = known
    raise SourceError(f"{path.name} is {what}.", fix=fix)


def _refuse_others(path: Path, head: bytes) -> None:
    """Raise SourceError for a document of another kind in the same container."""
    if head.startswith(_ZIP) and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as book:
            names = book.namelist()
        for start, known in _IN_ZIP.items():
            if any(name.startswith(start) for name in names):
                _refuse(path, known)
        if "[Content_Types].xml" not in names and "content.xml" not in names:
            inside = ", ".join([name for name in names if not name.endswith("/")][:3])
            _refuse(path, (f"a zip archive with {inside}", "Unpack it and load the file inside."))
    if head.startswith(_OLE):
        data = path.read_bytes()
        for stream, known in _IN_OLE.items():
            if stream.encode("utf-16-le") in data:
                _refuse(path, known)


def _looks(path: Path) -> tuple[str, Callable[[str], Look]]:
    """Return the kind of a workbook, and what finds the look of a sheet by its name."""
    if not zipfile.is_zipfile(path):
        return "xls", XlsLooks(path)
    with zipfile.ZipFile(path) as book:
        names = book.namelist()
    if "xl/workbook.xml" in names:
        return "xlsm" if path.suffix.lower() == ".xlsm" else "xlsx", XlsxLooks(path)
    if "content.xml" in names:
        return "ods", OdsLooks(path)
    return "xlsb", lambda _: Look()


class _CalamineBook(Book):
    """A workbook whose values python-calamine reads."""

    def __init__(self, book: Any, kind: str, looks: Callable[[str], Look]) -> None:
        sheets = [sheet for sheet in book.sheets_metadata if str(sheet.typ).endswith("WorkSheet")]
        names = [sheet.name for sheet in sheets] or list(book.sheet_names)
        seen = [sheet.name for sheet in sheets if str(sheet.visible).endswith(".Visible")]
        if isinstance(looks, OdsLooks):
            seen = [name for name in names if name not in looks.hidden_sheets]
        blind = looks.blind if isinstance(looks, XlsLooks) else kind == "xlsb"
        super().__init__(names=names, visible=seen or names, kind=kind, blind=blind)
        self._book, self._looks = book, looks
        self._read: dict[str, SheetTable] = {}

    def sheet(self, name: str) -> SheetTable:
        if name not in self._read:
            if isinstance(self._looks, XlsxLooks):
                self._looks.refuse_far_cells(name)
            rows = self._book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            self._read[name] = SheetTable(name, [list(row) for row in rows])
        return self._read[name]

    def look(self, name: str) -> Look:
        return self._looks(name)
