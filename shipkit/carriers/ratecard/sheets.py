"""The files of a contract as sheets of text cells, and errors that name file, line and column.

What a sheet holds is decided by its content, not by its name: UPS's zone files are called ``.xls``
and are workbooks of the newer kind.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from shipkit.common.cell_text import text_of
from shipkit.errors import RateCardError
from shipkit.models import minor_units
from shipkit.render.raster import PDFIUM

__all__ = ["Paths", "Sheet", "cents_of", "files_of", "heading_key", "read_sheets"]

Paths = str | Path | Sequence[str | Path]
"""A file, a folder, a glob, or several of them."""


_POINT_DECIMALS = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+")
_COMMA_DECIMALS = re.compile(r"(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+),[0-9]{1,2}")


@dataclass(frozen=True)
class Sheet:
    """One sheet of a workbook, or a whole CSV or parquet file: rows of cells, the empty ones ""."""

    file: str
    """The file's name, without its folder."""
    title: str
    """The sheet's name, or the file's without its ending."""
    rows: list[list[str]]
    named: bool = False
    """Whether the file has several sheets, so that an error names this one."""

    def cell(self, row: int, column: int) -> str:
        """Return a cell, "" outside of the sheet."""
        return (
            self.rows[row][column] if row < len(self.rows) and column < len(self.rows[row]) else ""
        )

    def error(
        self, message: str, *, fix: str, row: int | None = None, column: int | None = None
    ) -> RateCardError:
        """Return an error that names the place.

        Row and column count from 0 here and from 1 in the message.
        """
        where = self.file + (f", sheet {self.title!r}" if self.named else "")
        if row is not None:
            where += f", line {row + 1}"
        if column is not None:
            where += f", column {_letters(column)}"
        return RateCardError(f"{where}: {message}", fix=fix)


def files_of(given: Paths) -> list[Path]:
    """Return the files that `given` names; those of a folder by name.

    Raises RateCardError when there is none.
    """
    if not isinstance(given, str | Path):
        return [path for one in given for path in files_of(one)]
    path = Path(given).expanduser()
    if path.is_dir():
        found = sorted(
            p for p in path.iterdir() if p.is_file() and not p.name.startswith((".", "~"))
        )
    elif path.exists():
        found = [path]
    else:
        found = (
            sorted(path.parent.glob(path.name)) if any(mark in path.name for mark in "*?[") else []
        )
    if not found:
        raise RateCardError(
            f"There is no file {path}.", fix="Check the path of the rate card's files."
        )
    return found


def read_sheets(path: Path) -> list[Sheet]:
    """Return the sheets of `path`: a workbook's, or the one of a CSV or parquet file.

    Raises
    ------
    RateCardError
        The file is damaged or of no known kind.
    """
    data = path.read_bytes()
    if data[:4] == b"PAR1":
        return [_of_parquet(path)]
    if data[:5] == b"%PDF-":
        return [Sheet(path.name, path.stem, _of_pdf(path.name, data))]
    if data[:2] == b"PK" or data[:4] == b"\xd0\xcf\x11\xe0":
        return _of_workbook(path, data)
    if re.match(rb"\s*<(!doctype|html|table)", data[:200], re.IGNORECASE):
        raise RateCardError(
            f"{path.name} is a web page with the name of a workbook.",
            fix="Open it in a spreadsheet program and save it as .xlsx or .csv.",
        )
    return [Sheet(path.name, path.stem, _of_text(data))]


def heading_key(text: str) -> str:
    """Return a heading as words of lower-case letters and digits: "Dest. ZIP" is "dest zip"."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def cents_of(text: str, currency: str) -> int | None:
    """Return an amount ("$1,234.50", or "1.234,50") in minor units, exactly.

    None when it is not an amount, is negative, or has more decimals than the currency. A comma is
    a separator of thousands before three digits, and a decimal one before fewer: "9,95" read
    without its comma would be a hundredfold price.
    """
    bare = text.replace("$", "").strip()
    if _COMMA_DECIMALS.fullmatch(bare):
        bare = bare.replace(".", "").replace(",", ".")
    elif not _POINT_DECIMALS.fullmatch(bare):
        return None
    amount = Decimal(bare.replace(",", "")).scaleb(minor_units(currency))
    whole = amount.to_integral_value()
    return (
        int(whole) if abs(amount - whole) < Decimal("1e-6") else None
    )  # a workbook's 15.33 may be 15.330000000000002


def _of_workbook(path: Path, data: bytes) -> list[Sheet]:
    import python_calamine

    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        grids = {
            name: book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            for name in book.sheet_names
        }
    except (python_calamine.CalamineError, ValueError, OSError) as error:
        raise RateCardError(
            f"{path.name} cannot be read as a workbook: {error}.",
            fix="Open it and save it again as .xlsx, without a password.",
        ) from None
    filled = {name: rows for name, rows in grids.items() if rows}
    return [
        Sheet(path.name, name, _texts(rows), named=len(filled) > 1) for name, rows in filled.items()
    ]


def _of_parquet(path: Path) -> Sheet:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise RateCardError(
            f"{path.name} cannot be read as parquet: {error}.", fix="Write it again."
        ) from None
    columns = [table.column(name).to_pylist() for name in table.column_names]
    return Sheet(
        path.name, path.stem, [list(table.column_names), *_texts(zip(*columns, strict=True))]
    )


def _of_pdf(name: str, data: bytes) -> list[list[str]]:
    """Return the lines of text of a PDF, each a cell."""
    import pypdfium2

    with PDFIUM:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            raise RateCardError(
                f"{name} cannot be read as a PDF: {error}.", fix="Download it again."
            ) from None
        try:
            text = "\n".join(page.get_textpage().get_text_range() for page in document)
        finally:
            document.close()
    lines = [" ".join(line.split()) for line in text.splitlines()]
    if not any(lines):
        raise RateCardError(
            f"{name} has no text: it may be a scan.", fix="Download the file of the carrier."
        )
    return [[line] for line in lines if line]


def _of_text(data: bytes) -> list[list[str]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    delimiter = max(",;\t|", key=text[:20_000].count)
    return _texts(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def _texts(rows: Iterable[Sequence[Any]]) -> list[list[str]]:
    return [[" ".join((text_of(cell) or "").split()) for cell in row] for row in rows]


def _letters(column: int) -> str:
    """Return the letters of a column as a spreadsheet shows them."""
    letters = ""
    column += 1
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters
