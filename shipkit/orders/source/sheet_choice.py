"""Choose the sheets of a workbook that have the orders, or ask which."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shipkit.common.cell_text import text_of
from shipkit.common.words import counted, listed
from shipkit.errors import SourceError
from shipkit.orders.cells import Note
from shipkit.orders.fields import recognise
from shipkit.orders.heading_text import phrase
from shipkit.orders.source.heading_rows import find_headings
from shipkit.orders.source.sheet_model import Book

__all__ = ["SheetsWanted", "chosen_sheets"]

SheetsWanted = str | int | Sequence[str | int] | None
"""A name, a number from 0, a pattern such as ``"*"``, several of them, or None: the best one."""

_ALIKE: Final = 0.8
"""Share of headings that two sheets have in common where one continues the other."""
_WHO: Final = frozenset({"name", "first_name", "company"})
_WHERE: Final = frozenset({"city", "postal_code"})


@dataclass(frozen=True)
class _Glance:
    """What a sheet looks like at a glance."""

    name: str
    rows: int = 0
    """Rows with text below the headings."""
    headings: frozenset[str] = frozenset()
    roles: frozenset[str] = field(default=frozenset())

    @property
    def likeness(self) -> tuple[int, int]:
        """How much it looks like orders."""
        return (len(self.roles), self.rows) if self.rows or self.headings else (-1, 0)

    @property
    def could_ship(self) -> bool:
        """Whether its rows have a recipient and an address."""
        found = self.roles
        return bool(self.rows and "address_line1" in found and found & _WHO and found & _WHERE)

    def continues(self, other: _Glance) -> bool:
        """Whether its rows may be orders too, next to those of `other`."""
        both = self.headings | other.headings
        if self.rows and both and len(self.headings & other.headings) >= _ALIKE * len(both):
            return len(self.headings) > 1
        # A list of customers has addresses too, and no orders.
        numbered = "order_id" in self.roles or "order_id" not in other.roles
        return self.could_ship and other.could_ship and numbered


def chosen_sheets(book: Book, file: str, wanted: SheetsWanted) -> tuple[list[str], list[Note]]:
    """Return the sheets to read, and notes about the choice.

    Raises
    ------
    SourceError
        There is no such sheet, or several sheets look like orders.
    """
    if wanted is not None:
        return _named(book, file, wanted)
    if len(book.names) == 1:
        return [book.names[0]], []
    found = [_glance(book, name) for name in book.visible]
    best = max(found, key=lambda each: each.likeness)
    alike = [each for each in found if each is best or each.continues(best)]
    if len(alike) > 1:
        which = listed([f"{each.name!r} ({counted(each.rows, 'row')})" for each in alike], 12)
        names = [each.name for each in alike]
        raise SourceError(
            f"{len(alike)} sheets of {file} look like orders: {which}.",
            fix=f'Name one, load(..., sheet="{names[0]}"), several, sheet=["{names[0]}", '
            f'"{names[1]}"], or all: sheet="*".',
            sheets=names,
        )
    bare = [each.name for each in found if each is not best and _goes_on(book, best.name, each)]
    if bare and best.could_ship:
        raise SourceError(
            f"{file} has rows like those of {best.name!r} in {listed(list(map(repr, bare)), 12)}, "
            "under no headings.",
            fix=f"Copy the headings of {best.name!r} into them, or read that sheet alone: "
            f'load(..., sheet="{best.name}").',
            sheets=[best.name, *bare],
        )
    others = [
        name if name in book.visible else f"{name} (hidden)"
        for name in book.names
        if name != best.name
    ]
    if not others:
        return [best.name], []
    text = f"the orders are in sheet {best.name!r}; {file} also has: {', '.join(others)}."
    return [best.name], [Note("assumed", text)]


_GOES_ON: Final = 4
"""Columns of the narrowest sheet that is taken for the rest of another."""


def _goes_on(book: Book, name: str, other: _Glance) -> bool:
    """Return whether a sheet without headings has rows like those of the sheet `name`."""
    if len(other.roles) > 1:
        return False
    first = [[text_of(value) for value in row] for row in book.sheet(name).rows[:_LOOKED_AT]]
    rows = [[text_of(value) for value in row] for row in book.sheet(other.name).rows[:_LOOKED_AT]]
    kinds = _kinds(first[find_headings(first).place + 1 :])
    if len(kinds) < _GOES_ON or kinds != _kinds(rows):
        return False
    # A sheet of its own has headings that are not ours: words above digits.
    return _kinds(rows[:1]) == kinds or not {"digits"} & {*kinds}


_LOOKED_AT: Final = 30


def _kinds(rows: Sequence[Sequence[str | None]]) -> list[str]:
    """Return what each column has in most rows: digits, words, or nothing; none at the end."""
    width = max((len(row) for row in rows), default=0)
    made = []
    for place in range(width):
        cells = [(row[place] or "").strip() if place < len(row) else "" for row in rows]
        kinds = [
            "" if not cell else "words" if any(map(str.isalpha, cell)) else "digits"
            for cell in cells
        ]
        made.append(max(sorted(set(kinds)), key=kinds.count))
    while made and not made[-1]:
        made.pop()
    return made


def _named(book: Book, file: str, wanted: SheetsWanted) -> tuple[list[str], list[Note]]:
    """Return the sheets that a person named, in the order of the workbook."""
    several = [wanted] if isinstance(wanted, str | int) else list(wanted or ())
    chosen: set[str] = set()
    notes: list[Note] = []
    for each in several:
        matched = _matches(book, each)
        if not matched:
            raise SourceError(
                f"{file} has no sheet {each!r}.",
                fix=f"Sheets: {', '.join(book.names)}.",
                sheets=book.names,
            )
        if len(matched) > 1:
            orders = [name for name in matched if len(_glance(book, name).roles) > 1] or matched
            left = [name for name in matched if name not in orders]
            if left:
                text = f"not read, as there are no orders in them: sheets {', '.join(left)}."
                notes.append(Note("read", text, len(left)))
            matched = orders
        chosen.update(matched)
    return [name for name in book.names if name in chosen], notes


def _matches(book: Book, wanted: str | int) -> list[str]:
    if isinstance(wanted, int):
        return [book.names[wanted]] if 0 <= wanted < len(book.names) else []
    if wanted in book.names:
        return [wanted]
    same = [name for name in book.names if name.strip().casefold() == wanted.strip().casefold()]
    return same or [name for name in book.visible if fnmatch.fnmatchcase(name, wanted)]


def _glance(book: Book, name: str) -> _Glance:
    rows = book.sheet(name).rows
    if not rows:
        return _Glance(name)
    head = [[text_of(value) for value in row] for row in rows[:30]]
    at = find_headings(head)
    place, headings = at.place, at.titles
    found = recognise(headings)
    return _Glance(
        name,
        sum(1 for row in rows[place + 1 :] if any(_filled(value) for value in row)),
        frozenset(phrase(heading) for heading in headings if heading.strip()),
        frozenset([*found.roles, *found.ambiguous]),
    )


def _filled(value: Any) -> bool:
    return value is not None and value != ""
