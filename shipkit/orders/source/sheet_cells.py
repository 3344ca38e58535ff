"""The cells of a sheet as text, as a person sees them, and what is wrong with single cells."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shipkit.common.cell_text import text_of
from shipkit.common.words import counted
from shipkit.orders.cells import Note, unique_names
from shipkit.orders.columns import WEIGHT_PARTS, keys
from shipkit.orders.fields import column_kinds, recognise
from shipkit.orders.source.number_formats import Shows
from shipkit.orders.source.sheet_model import Look, SheetTable

__all__ = ["SheetCells", "column_letters"]

_DATES: Final = (dt.date, dt.time, dt.timedelta)
_MEASURES: Final = frozenset({*WEIGHT_PARTS, *WEIGHT_PARTS.values(), "length", "width", "height"})
_NO_DATES: Final = frozenset(
    {
        "order_id",
        "sku",
        "name",
        "company",
        "address_line1",
        "address_line2",
        "address_line3",
        "city",
        "state",
        "postal_code",
        "country",
        "phone",
    }
)
"""Roles whose cells are never dates: a date there is what Excel made of "1-2" or "12-11"."""


@dataclass
class SheetCells:
    """The rows of a sheet below its headings.

    Parameters
    ----------
    headings
        With what the lines around them add.
    first
        The row of the sheet, from 0, that `rows` begin with.
    values, rows
        The cells as they are stored, and as text.
    top, names, again
        The first row of the headings, the headings as the sheet has them, and their other lines.
    """

    sheet: SheetTable
    look: Look
    headings: Sequence[str]
    first: int
    values: list[list[Any]]
    rows: list[list[str | None]]
    top: int = -1
    names: tuple[str, ...] = ()
    again: tuple[tuple[str, ...], ...] = ()
    notes: list[Note] = field(default_factory=list)
    broken: list[Mapping[str, Any]] = field(default_factory=list)

    def as_shown(self) -> None:
        """Replace cells by what they show, where that says more, and note what is wrong."""
        names = unique_names(self.headings, ("row_number", "source_file"))
        self._names, self._keys = names, keys(names)
        self._kinds = column_kinds(names)
        found = recognise(names)
        self._roles = {match.index: role for role, match in found.roles.items()}
        for role, several in found.ambiguous.items():
            self._roles |= {names.index(name): role for name in several}
        self._shown: dict[tuple[int, Any, int], str | None] = {}
        self._fill_merged()
        for (row, column), text in self.look.exact.items():
            self._put(row, column, text)
        for (row, column), form in self.look.formats.items():
            self._show(row, column, form)
        found_problems = [*self._without_value(), *self._dates(), *self._crossed_out()]
        self.broken += sorted(found_problems, key=lambda problem: int(problem["row_number"]))

    # -- values ----------------------------------------------------------------------------------

    def _put(self, row: int, column: int, text: str) -> None:
        place = row - self.first
        if 0 <= place < len(self.rows) and column < len(self.rows[place]):
            self.rows[place][column] = text

    def _value(self, row: int, column: int) -> Any:
        place = row - self.first
        if 0 <= place < len(self.values) and column < len(self.values[place]):
            return self.values[place][column]
        return None

    def _show(self, row: int, column: int, form: Shows) -> None:
        value = self._value(row, column)
        if value in (None, "") or isinstance(value, bool) or column >= len(self._kinds):
            return
        # Orders repeat their values: a sheet has few distinct weights, and few ZIP codes.
        known = (id(form), value, column)
        if known not in self._shown:
            self._shown[known] = self._shown_by(form, value, column)
        if (text := self._shown[known]) is not None:
            self._put(row, column, text)

    def _shown_by(self, form: Shows, value: Any, column: int) -> str | None:
        """Return what a cell shows, where its column can use it; None where that is the value."""
        if isinstance(value, str):
            return form.shown(value)
        if not isinstance(value, int | float):
            return None
        kind = self._kinds[column]
        if kind == "number":
            measured = form.unit(value) if self._roles.get(column) in _MEASURES else None
            return measured or _as_percent(form.shown(value))
        if kind == "amount":
            return form.currency(value)
        return None if kind in {"date", "flag"} else form.shown(value)

    def _fill_merged(self) -> None:
        """Write the text of a cell that spans several rows into each of them.

        Numbers and amounts stay in the first row only: the weight of an order that spans three
        rows is not three times as much.
        """
        filled = 0
        for top, left, bottom, _ in self.look.merged:
            if bottom <= top or top < self.first or left >= len(self._kinds):
                continue
            text = self.rows[top - self.first][left] if top - self.first < len(self.rows) else None
            if text is None or self._kinds[left] in {"number", "amount"}:
                continue
            for row in range(top + 1, bottom + 1):
                place = row - self.first
                if place < len(self.rows) and not self.rows[place][left]:
                    self._put(row, left, text)
                    filled += 1
        if filled:
            text = f"{counted(filled, 'cell')} of merged ranges filled with the text that they show"
            self.notes.append(Note("repaired", f"{text}.", filled))

    # -- problems --------------------------------------------------------------------------------

    def _problem(
        self, row: int, column: int, code: str, problem: str, fix: str, value: str | None
    ) -> dict[str, Any] | None:
        place = row - self.first
        if not 0 <= place < len(self.rows) or column >= len(self.headings):
            return None
        return {
            "row_number": place + 1,
            "field": self._keys[column],
            "value": value,
            "severity": "error",
            "code": code,
            "problem": problem.format(
                cell=f"{column_letters(column)}{row + 1}", heading=repr(self.headings[column])
            ),
            "fix": fix,
        }

    def _without_value(self) -> Iterator[dict[str, Any]]:
        """Yield a problem for each cell with an error, or a formula without a stored value.

        These cells are read as empty. Without the problem, a default could silently replace it.
        """
        for (row, column), shown in self.look.odd.items():
            if shown:
                problem = "cell {cell} in column {heading} contains the error " + shown
                fix = "Correct the formula, save the workbook and load it again."
            else:
                problem = "cell {cell} in column {heading} is a formula whose value is not stored "
                problem += "in the file"
                fix = "Open the workbook in Excel or LibreOffice, save it and load it again."
            made = self._problem(row, column, "cell_without_value", problem, fix, shown)
            if made:
                yield made

    def _dates(self) -> Iterator[dict[str, Any]]:
        """Yield a problem for each date in a column of text: the original cannot be known."""
        for column, role in sorted(self._roles.items()):
            if role not in _NO_DATES:
                continue
            kinds = {type(row[column]) for row in self.values if column < len(row)}
            if not any(issubclass(kind, _DATES) for kind in kinds):
                continue
            for place, row in enumerate(self.values):
                value = row[column] if column < len(row) else None
                if not isinstance(value, _DATES):
                    continue
                made = self._problem(
                    self.first + place,
                    column,
                    "cell_is_date",
                    "cell {cell} in column {heading} is a date, which Excel makes of text such as "
                    '"1-2"',
                    "Write the original again, in a cell that is formatted as text.",
                    text_of(value),
                )
                if made:
                    yield made

    def _crossed_out(self) -> Iterator[dict[str, Any]]:
        """Yield a problem for each row, or cell, that is struck through."""
        struck: dict[int, list[int]] = {}
        for row, column in sorted(self.look.crossed):
            if self._value(row, column) not in (None, ""):
                struck.setdefault(row, []).append(column)
        for row, columns in struck.items():
            filled = [n for n, value in enumerate(self.values[row - self.first]) if value]
            whole = 2 * len(columns) > len(filled)
            named = columns if whole else [column for column in columns if column in self._roles]
            if not named:
                continue
            what = "the row is" if whole else "cell {cell} in column {heading} is"
            made = self._problem(
                row,
                named[0],
                "crossed_out",
                f"{what} struck through in the workbook",
                "Delete it, or remove the strikethrough to ship it.",
                self.rows[row - self.first][named[0]],
            )
            if made:
                yield made


def _as_percent(shown: str | None) -> str | None:
    """Return what a cell shows if it is a percentage, which is not a measure: "2%"."""
    return shown if shown and shown.endswith("%") else None


def column_letters(column: int) -> str:
    """Return the letters of a column that counts from 0: 0 is A, 26 is AA."""
    number, name = column + 1, ""
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name
