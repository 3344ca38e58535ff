"""Describe which rows of a source file changed since it was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import pyarrow as pa

from shipkit.common.words import counted, listed, plural, row_list
from shipkit.errors import SourceError
from shipkit.orders.cells import unique_names
from shipkit.outputs.writeback.origin import SourceFile
from shipkit.outputs.writeback.row_comparison import rows_now

__all__ = ["changed_rows"]

_NAMED = 3
"""Rows that are described with their cells."""


def changed_rows(file: SourceFile, stored: pa.Table) -> str:
    """Return how a file differs from the rows that were stored when it was read."""
    before = file.rows(stored)
    try:
        now, headings = rows_now(file, before)
    except SourceError as error:
        return error.message.rstrip(".")
    named = unique_names(headings, ("row_number", "source_file"))
    if file.alone and file.header and named != before.column_names:
        return _headings(before.column_names, named)
    names = now.column_names
    old, new = _rows(before.select(names)), _rows(now)
    edited, gone, added = _matched(old, new)
    parts = []
    if edited:
        cells = listed([_edit(file, names, row, old, new) for row in edited[:_NAMED]], _NAMED)
        parts.append(f"{row_list(edited)} {plural(len(edited), 'differs', 'differ')} ({cells})")
    if gone:
        parts.append(f"{_named(file, gone)} {plural(len(gone), 'is', 'are')} no longer there")
    if added:
        parts.append(f"{row_list(added)} {plural(len(added), 'is', 'are')} new")
    if len(new) != len(old):
        parts.append(f"it has {counted(len(new), 'row')} now and had {len(old):,}")
    elif not parts and old != new:
        place = next(n for n, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
        parts.append(
            f"its rows are in another order: {_named(file, [old.index(new[place]) + 1])} is now in "
            f"row {place + 1}"
        )
    return ", ".join(parts) or "its cells are the same but its bytes are not (it was saved again)"


def _rows(table: pa.Table) -> list[tuple[Hashable, ...]]:
    columns = [[cell or None for cell in column.to_pylist()] for column in table.columns]
    return list(zip(*columns, strict=True))


def _matched(
    old: Sequence[Hashable], new: Sequence[Hashable]
) -> tuple[list[int], list[int], list[int]]:
    """Return the numbers of the rows that were edited in their place, are gone, and are new."""
    left, more = Counter(old), Counter(new)
    gone = _unmatched(old, left - more)
    added = _unmatched(new, more - left)
    edited = sorted(set(gone) & set(added))
    return (
        edited,
        [row for row in gone if row not in set(edited)],
        [row for row in added if row not in set(edited)],
    )


def _unmatched(rows: Sequence[Hashable], counts: Counter[Hashable]) -> list[int]:
    """Return the numbers of the rows that are counted, the last ones of equal rows."""
    found = []
    for number in range(len(rows), 0, -1):
        row = rows[number - 1]
        if counts[row] > 0:
            counts[row] -= 1
            found.append(number)
    return found[::-1]


def _edit(
    file: SourceFile,
    names: Sequence[str],
    row: int,
    old: Sequence[tuple[Hashable, ...]],
    new: Sequence[tuple[Hashable, ...]],
) -> str:
    """Return the first cell of a row that is another one now."""
    name, was, now = next(
        cells
        for cells in zip(names, old[row - 1], new[row - 1], strict=True)
        if cells[1] != cells[2]
    )
    order = file.order_of(row)
    where = f"order {order}: " if order else ""
    return f"{where}{name} was {_shown(was)} and is {_shown(now)}"


def _shown(cell: Hashable) -> str:
    text = str(cell or "")
    return repr(text if len(text) <= 40 else f"{text[:40]}...") if text else "empty"


def _named(file: SourceFile, rows: Sequence[int]) -> str:
    orders = [order for row in rows[:_NAMED] if (order := file.order_of(row))]
    return row_list(rows) + (f" (order {listed(orders, _NAMED)})" if orders else "")


def _headings(before: Sequence[str], now: Sequence[str]) -> str:
    """Return which headings are gone, and which are new."""
    gone = [repr(name) for name in before if name not in now]
    more = [repr(name) for name in now if name not in before]
    parts = [f"{listed(gone)} {plural(len(gone), 'is', 'are')} gone"] if gone else []
    parts += [f"{listed(more)} {plural(len(more), 'is', 'are')} new"] if more else []
    return f"its headings are different now ({', '.join(parts) or 'they are in another order'})"
