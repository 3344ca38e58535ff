"""Workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods) into a table of text cells, as a person sees them.

A cell is the text that it shows, a row that is hidden is no order, and a hidden column with a part
of the shipment is a question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from shipkit.common.cell_text import text_of
from shipkit.common.relation import StageSchema
from shipkit.common.words import counted, listed
from shipkit.errors import SourceError
from shipkit.orders.cells import (
    Cells,
    Note,
    SkippedRows,
    put,
    text_columns,
    unique_names,
)
from shipkit.orders.fields import recognise
from shipkit.orders.instructions import instruction_of
from shipkit.orders.line_account import SourceLines, set_aside
from shipkit.orders.source.book_files import opened_book
from shipkit.orders.source.heading_rows import HeadingRows, explaining_rows, find_headings
from shipkit.orders.source.sheet_cells import SheetCells, column_letters
from shipkit.orders.source.sheet_choice import SheetsWanted, chosen_sheets
from shipkit.orders.source.sheet_model import NOT_SHOWN, Book, Look
from shipkit.orders.source.xlsx_look import sheet_parts

__all__ = ["read_spreadsheet", "sheet_parts"]

_SEEN: Final = 100
"""Visible rows from the top among which the headings are looked for."""
_NOT_ON_A_LABEL: Final = frozenset(
    {
        "order_id",
        "order_date",
        "email",
        "order_total",
        "shipping_amount",
        "tax_amount",
        "item_price",
        "item_name",
        "sku",
    }
)
"""Roles of columns that people hide and that change no parcel: they are read as if shown."""


def read_spreadsheet(
    schema: StageSchema,
    path: Path,
    table: str,
    *,
    sheet: SheetsWanted = None,
    header: bool = True,
    hidden: bool | str = False,
) -> Cells:
    """Read the sheets of a workbook that are named, or the one that looks like orders.

    Parameters
    ----------
    hidden
        Whether rows and columns that the workbook hides are read too: True, False, ``"rows"`` or
        ``"columns"``.

    Raises
    ------
    SourceError
        The workbook is damaged or protected, has no such sheet, or the sheet is empty; several
        sheets look like orders; or a hidden column has a part of the shipment.
    """
    with opened_book(path) as book:
        names, notes = chosen_sheets(book, path.name, sheet)
        read = [_read_sheet(book, name, path.name, header=header, hidden=hidden) for name in names]
    if book.blind:
        text = f"hidden rows and number formats of an .{book.kind} file are not visible; if it has "
        notes.append(Note("assumed", f"{text}any, save it as .xlsx and load that."))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if len(read) > 1:
        return _several(schema, table, path.name, read, notes, sha256)
    made, skipped = read[0]
    return Cells(
        relation=put(schema, table, text_columns(made.rows, len(made.headings))),
        headings=made.names or tuple(made.headings),
        titles=tuple(made.headings),
        again=made.again,
        kind=book.kind,
        sha256=sha256,
        sheet=names[0],
        notes=(*notes, *made.notes),
        lines=(_lines_of(made),),
        skipped=tuple(skipped),
        broken=tuple(made.broken),
    )


def _several(
    schema: StageSchema,
    table: str,
    file: str,
    read: Sequence[tuple[SheetCells, list[SkippedRows]]],
    notes: Sequence[Note],
    sha256: str,
) -> Cells:
    """Combine sheets by heading; ``file`` holds the name of the file and of the sheet.

    No column can be added to several sheets at once, so the kind is one of its own: tracking
    numbers go into a new file.
    """
    per_sheet = [unique_names(made.headings, ()) for made, _ in read]
    headings = list(dict.fromkeys(name for names in per_sheet for name in names))
    rows: list[list[str | None]] = []
    skipped: list[SkippedRows] = []
    broken: list[Mapping[str, Any]] = []
    notes = list(notes)
    for (made, hidden), names in zip(read, per_sheet, strict=True):
        before, place = len(rows), {name: n for n, name in enumerate(names)}
        columns = [place.get(name) for name in headings]
        source = f"{file}: {made.sheet.name}"
        rows += [
            [*(row[n] if n is not None else None for n in columns), source] for row in made.rows
        ]
        skipped += [replace(each, rows=tuple(row + before for row in each.rows)) for each in hidden]
        broken += [
            {**problem, "row_number": problem["row_number"] + before} for problem in made.broken
        ]
        text = f"sheet {made.sheet.name!r}: {counted(len(made.rows), 'row')}."
        notes += [Note("read", text, len(made.rows)), *made.notes]
    width = len(headings)
    cells = put(schema, f"{table}_of_sheets", text_columns(rows, width + 1))
    relation = schema.table(
        table, f"SELECT * EXCLUDE (c{width + 1}), c{width + 1} AS file FROM {cells.sql}"
    )
    schema.remove(cells)
    return Cells(
        relation=relation,
        headings=tuple(headings),
        kind="sheets",
        sha256=sha256,
        notes=tuple(notes),
        lines=tuple(
            replace(_lines_of(made), file=f"{file}: {made.sheet.name}") for made, _ in read
        ),
        skipped=tuple(skipped),
        broken=tuple(broken),
    )


def _read_sheet(
    book: Book, name: str, file: str, *, header: bool, hidden: bool | str
) -> tuple[SheetCells, list[SkippedRows]]:
    """Return the cells of a sheet below its headings, and the rows that are not orders."""
    sheet, look = book.sheet(name), book.look(name)
    if not sheet.rows:
        raise SourceError(
            f"SheetTable {name!r} of {file} is empty.",
            fix=f"Choose another: load(..., sheet=...). Sheets: {', '.join(book.visible)}.",
        )
    if hidden in (True, "rows"):
        look.hidden_rows.clear()
    if hidden in (True, "columns"):
        look.hidden_columns.clear()
    found: HeadingRows | None = None
    width = max(len(row) for row in sheet.rows)
    text = [[text_of(value) for value in row] + [None] * (width - len(row)) for row in sheet.rows]
    if header:
        seen = [row for row in range(len(text)) if row not in look.hidden_rows][:_SEEN] or [0]
        found = find_headings([text[row] for row in seen], _merged_across(look, seen))
        top, place = seen[found.top], seen[found.place]
        headings = found.titles
    else:
        top = place = -1
        headings = tuple(f"Column {n}" for n in range(1, width + 1))
    values, body = sheet.rows[place + 1 :], text[place + 1 :]
    odd = max((row for row, _ in look.odd), default=0)
    while body and not any(body[-1]) and place + len(body) > odd:
        body.pop()
    made = SheetCells(sheet, look, headings, place + 1, values[: len(body)], body)
    skipped: list[SkippedRows] = []
    if found is not None:
        made.top, made.names, made.again = top, found.headings, found.again
        made.notes += found.notes
        explaining = [seen[index] - place for index in found.explaining]
        skipped += explaining_rows(explaining, [place + 1 + row for row in explaining])
    made.as_shown()
    _ask_of_hidden_columns(made, name, file)
    explained = {row for each in skipped for row in each.rows}
    return made, [*skipped, *_hidden(look, made, explained)]


def _merged_across(look: Look, seen: Sequence[int]) -> dict[int, list[tuple[int, int]]]:
    """Return the merged ranges of each of the rows that are `seen`, by its index among them."""
    index = {row: place for place, row in enumerate(seen)}
    found: dict[int, list[tuple[int, int]]] = {}
    for top, left, _, right in look.merged:
        if top in index and right > left:
            found.setdefault(index[top], []).append((left, right))
    return found


def _lines_of(made: SheetCells) -> SourceLines:
    """Return the account of the rows of a sheet, the blank ones at its end included."""
    total, headings = len(made.sheet.rows), range(max(made.top, 0) + 1, made.first + 1)
    above, end = max(made.top, 0), made.first + len(made.rows)
    aside = []
    if above:
        note = f"{counted(above, 'row')} above the header of sheet {made.sheet.name!r}."
        aside.append(set_aside("above the headings", range(1, above + 1), note))
    if end < total:
        aside.append(set_aside("blank", range(end + 1, total + 1)))
    return SourceLines(
        total=total,
        rows=len(made.rows),
        headings=tuple(headings),
        aside=tuple(aside),
        first=made.first + 1,
    )


def _hidden(look: Look, made: SheetCells, others: Collection[int]) -> list[SkippedRows]:
    """Return the rows that the workbook does not show, by the reason."""
    found: dict[str, list[int]] = {}
    for row, reason in sorted(look.hidden_rows.items()):
        place = row - made.first
        filled = 0 <= place < len(made.rows) and any(made.rows[place])
        if filled and place + 1 not in others:
            found.setdefault(reason, []).append(place + 1)
    return [
        SkippedRows(
            reason=NOT_SHOWN[reason],
            rows=tuple(rows),
            note=f"{counted(len(rows), 'row')} {NOT_SHOWN[reason]} in sheet {made.sheet.name!r} "
            f"(row {listed([str(row + made.first) for row in rows], 5)}). To ship hidden rows too: "
            'load(..., hidden="rows").',
        )
        for reason, rows in found.items()
    ]


def _ask_of_hidden_columns(made: SheetCells, name: str, file: str) -> None:
    """Raise SourceError where a hidden column has a part of the shipment; note the others."""
    shown = [row for n, row in enumerate(made.rows) if n + made.first not in made.look.hidden_rows]
    filled = [
        column
        for column in sorted(made.look.hidden_columns)
        if column < len(made.headings) and any(row[column] for row in shown)
    ]
    asked = [column for column in filled if _is_of_the_shipment(made.headings, column)]
    if asked:
        which = listed([f"{made.headings[n]!r} ({column_letters(n)})" for n in asked], 6)
        raise SourceError(
            f"SheetTable {name!r} of {file} hides columns that a shipment is made of: {which}.",
            fix="Show them in the workbook, or delete them; or read them as they are: "
            'load(..., hidden="columns").',
        )
    if filled:
        which = listed([repr(made.headings[n] or column_letters(n)) for n in filled], 6)
        made.notes.append(Note("read", f"hidden columns: {which}.", len(filled)))


def _is_of_the_shipment(headings: Sequence[str], column: int) -> bool:
    found = recognise([headings[column]])
    return bool({*found.roles} - _NOT_ON_A_LABEL or instruction_of(headings[column]) is not None)
