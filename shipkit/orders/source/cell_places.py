"""Whether the cells of a row with too few or too many cells are in the right columns.

Where a cell is missing or a delimiter too many, all cells behind it move by one column. Only what
the cells of the other rows look like can show which one it is; where that leaves it open, the row
must wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from shipkit.common.words import listed
from shipkit.orders.fields import recognise

if TYPE_CHECKING:
    from shipkit.orders.source.text_form import TextForm

__all__ = ["CellPlaces", "problem"]

_DIGITS: Final = frozenset({"postal_code", "phone", "weight", "quantity", "length", "width"})
"""Roles whose cells have digits."""
_LETTERS: Final = frozenset({"city", "state", "country", "name", "first_name", "last_name"})
"""Roles whose cells are not numbers."""
_STYLE: Final = 0.2
"""Share of rows that are short in a file whose program leaves out the last cells."""


def problem(row: int, code: str, text: str, fix: str) -> dict[str, Any]:
    """Return an error of a row whose cells are not certain."""
    return {
        "row_number": row,
        "field": None,
        "value": None,
        "severity": "error",
        "code": code,
        "problem": text,
        "fix": fix,
    }


class CellPlaces:
    """The rows that have another number of cells than the headings."""

    def __init__(self, form: TextForm) -> None:
        self._form = form
        self._width = len(form.headings)
        self._short: dict[int, list[str]] = {}
        self._long: dict[int, list[str]] = {}

    def add(self, row: int, cells: list[str]) -> None:
        """Add a row with another number of cells than the headings."""
        (self._short if len(cells) < self._width else self._long)[row] = cells

    def remove(self, row: int) -> None:
        """Forget a row."""
        self._short.pop(row, None)

    def is_short(self, row: int) -> bool:
        """Whether a row has fewer cells than the headings."""
        return row in self._short

    @property
    def short_rows(self) -> list[int]:
        """The rows with fewer cells than the headings."""
        return list(self._short)

    def problems(self, rows: int) -> Iterator[Mapping[str, Any]]:
        """Yield the rows whose cells may be in the wrong columns; `rows` are in the file."""
        shift = self._form.width - self._width
        shifted = bool(shift) and self._headings_shifted(shift)
        # A delimiter at the end of every row says nothing.
        spare = shift if shift > 0 and len(self._long) + len(self._short) == rows else 0
        for row, cells in self._long.items():
            extra = any(cell.strip() for cell in cells[self._width :])
            if shifted or extra or len(cells) > self._width + spare:
                yield self._of_row(row, len(cells), "too_many_cells")
        style = len(self._short) >= max(3, _STYLE * rows)
        for row, cells in self._short.items():
            whole_file = shift < 0 and len(cells) == self._form.width
            if whole_file:
                certain = not shifted
            else:
                certain = self._in_place(cells, style) and not self._broken_in_two(row, style)
            if not certain and whole_file:
                fix = "Take the heading out that has no cells, or add the cells."
                yield {**self._of_row(row, len(cells), "too_few_cells"), "fix": fix}
            elif not certain:
                yield self._of_row(row, len(cells), "too_few_cells")
            elif not whole_file and not style and (lost := self._known_from(len(cells))):
                warned = self._of_row(row, len(cells), "too_few_cells", lost)
                yield {**warned, "severity": "warning"}
            if not style and row < rows and self._may_begin_the_next(row):
                text = "the line above may be the beginning of the first cell of the row"
                yield problem(row + 1, "too_few_cells", text, "Put the two lines together.")

    def _may_begin_the_next(self, row: int) -> bool:
        """Whether a row is a single text above a whole row."""
        cells = self._short[row]
        # With as many blanks as a row it is rather one whose delimiters are blanks.
        alone = len(cells) == 1 and cells[0].count(" ") < self._width - 1
        return alone and row + 1 not in self._short

    def _known_from(self, start: int) -> list[str]:
        """Return the headings from column `start` on that say what a shipment is made of."""
        names = self._form.headings
        places = sorted(self._places(names).values())
        return [f'"{names[at]}"' for at in places if at >= start]

    def _of_row(self, row: int, count: int, code: str, lost: Sequence[str] = ()) -> dict[str, Any]:
        fix = (
            "Put quotes around the cell that contains the delimiter, or remove the extra cells."
            if code == "too_many_cells"
            else "Add the delimiter of the cell that is missing."
        )
        text = f"the row has {count} cells and the header has {self._width}, so " + (
            f"the others are empty: {listed(lost)}" if lost else "cells may be in the wrong columns"
        )
        return problem(row, code, text, fix)

    def _in_place(self, cells: Sequence[str], style: bool) -> bool:
        """Whether the last cells of a short row are missing, and not some before them."""
        shapes, missing = self._form.shapes, self._width - len(cells)
        padded = [*cells, *[""] * missing]
        others = [
            row
            for gap in range(len(cells))
            if (row := [*cells[:gap], *[""] * missing, *cells[gap:]]) != padded
        ]
        found = shapes.misfits(padded)
        best = min(map(shapes.misfits, others), default=found + 1)
        return found == 0 and (style or found < best)

    def _broken_in_two(self, row: int, style: bool) -> bool:
        """Whether a short row and its neighbor have the cells of one."""
        count = len(self._short[row])
        return not style and any(
            count + len(self._short[other]) == self._width + 1
            for other in (row - 1, row + 1)
            if other in self._short
        )

    def _headings_shifted(self, shift: int) -> bool:
        """Whether the cells would fit the headings better if one of these were missing or extra.

        The headings have `shift` names less than the rows have cells.
        """
        names = list(self._form.headings)
        if shift > 0:
            given = self._misplaced([*names, *[""] * shift])
            others = [[*names[:at], *[""] * shift, *names[at:]] for at in range(len(names))]
        else:
            given = self._misplaced(names[:shift])
            others = [[*names[:at], *names[at - shift :]] for at in range(len(names) + shift)]
            # An order number that no row has, and another column takes the cells as well.
            if self._known_from(len(names) + shift):
                equal = [other for other in others if self._misplaced(other) == given]
                if any(self._places(other) != self._places(names[:shift]) for other in equal):
                    return True
        return given > min(map(self._misplaced, others), default=given)

    def _places(self, names: Sequence[str]) -> dict[str, int]:
        return {role: match.index for role, match in recognise(names).roles.items()}

    def _misplaced(self, names: Sequence[str]) -> int:
        """Return how many columns do not look like what their heading says."""
        roles = {at: role for role, at in self._places(names).items()}
        columns = self._form.shapes.columns
        wrong = 0
        for at, shapes in enumerate(columns):
            role, seen = roles.get(at), shapes - {""}
            if not seen:
                continue
            if role in _DIGITS:
                wrong += not any("d" in shape for shape in seen)
            elif role in _LETTERS:
                wrong += not any("a" in shape for shape in seen)
            elif role == "email":
                wrong += not any("@" in shape for shape in seen)
        return wrong
