"""Where the headings of a table are, and what the lines around them say about its columns.

A report has titles above its headings, a line of groups ("Bill To", "Ship To"), headings of two
lines, a line of units, or lines that explain the headings. Readers of
text and of workbooks find all of them here. The words are in ``data/words/heading_rows.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from shipkit.common.words import counted, listed, without_accents
from shipkit.orders.cells import EXPLAINING, Note, SkippedRows, find_header
from shipkit.orders.columns import ADDRESS_ROLES
from shipkit.orders.fields import recognise
from shipkit.orders.heading_text import phrase
from shipkit.orders.heading_words import UNITS, word_file

__all__ = ["HeadingRows", "explaining_rows", "find_headings"]

Row = Sequence[str | None]

_DIGIT: Final = re.compile(r"\d")
_NEAR: Final = 40
"""Rows from the top among which the headings are looked for by their words."""
_EXPLAINING: Final = 4
"""Lines under the headings that may explain them."""
_MEASURES: Final = frozenset({"weight", "item_weight", "length", "width", "height"})
_GROUP_TITLES: Final = {"recipient": "Ship To", "buyer": "Customer", "others": "Bill To"}
"""Group of columns -> how the headings below it begin. What is not the recipient's is never read,
so that one title is enough for payers and senders."""


@dataclass(frozen=True)
class HeadingRows:
    """The headings of a table.

    Parameters
    ----------
    top, place
        Index of the first and of the last row of the headings; the last one names the columns.
    headings
        As `place` has them.
    titles
        What they mean, with the group above or the unit below: equal to `headings` in most files.
    explaining
        Indexes of rows further down that explain the headings.
    """

    top: int
    place: int
    headings: tuple[str, ...]
    titles: tuple[str, ...]
    explaining: tuple[int, ...] = ()
    notes: tuple[Note, ...] = field(default=())
    again: tuple[tuple[str, ...], ...] = ()
    """The other lines of the headings, which a printed report repeats with them."""


def explaining_rows(rows: Sequence[int], lines: Sequence[int]) -> tuple[SkippedRows, ...]:
    """Return the rows that explain the headings, by their numbers and those of their lines."""
    if not rows:
        return ()
    verb = "explains" if len(rows) == 1 else "explain"
    where = listed([str(line) for line in lines], 5)
    note = f"{counted(len(rows), 'row')} that {verb} the headings (line {where})."
    return (SkippedRows(EXPLAINING, tuple(rows), note),)


def find_headings(
    rows: Sequence[Row], merged: Mapping[int, Sequence[tuple[int, int]]] | None = None
) -> HeadingRows:
    """Return the headings among the first rows of a source.

    Parameters
    ----------
    merged
        Index of a row -> first and last column of each merged range in it, if the source has any.

    Examples
    --------
    >>> found = find_headings([["", "Bill To", "", "Ship To", ""],
    ...                        ["Order", "Name", "City", "Name", "City"],
    ...                        ["1", "Ada", "Rome", "Bo", "Oslo"]])
    >>> found.place, found.titles
    (1, ('Order', 'Bill To Name', 'Bill To City', 'Ship To Name', 'Ship To City'))
    """
    place = _place(rows)
    width = max(len(row) for row in rows)
    place += _names_more(rows, place, width)
    headings = _texts(rows[place], width)
    titles, top, notes = list(headings), place, []
    above = _texts(rows[place - 1], width) if place else []
    grouped = _grouped(above, headings, (merged or {}).get(place - 1))
    if grouped is not None:
        titles, top = grouped, place - 1
        notes.append(_note("the line above the headings", headings, titles))
    elif place and (joined := _joined(above, headings)) is not None:
        titles, top = joined, place - 1
        notes.append(_note("headings of two lines", headings, titles))
    explaining = _explaining(rows, place, titles)
    for index in explaining:
        below = _completed(titles, _texts(rows[index], width))
        if below != titles:
            notes.append(_note("the line under the headings", titles, below))
            titles = below
    # Only a row that names the columns is as wide as the table.
    own = tuple(headings[: len(rows[place])])
    again = [rows[index] for index in (*range(top, place), *explaining)]
    return HeadingRows(
        top,
        place,
        own,
        tuple(titles[: len(own)]),
        explaining,
        tuple(notes),
        tuple(tuple(_texts(row, len(own))[: len(own)]) for row in again),
    )


def _texts(row: Row, width: int) -> list[str]:
    texts = [(cell or "").strip().lstrip("\ufeff").strip() for cell in row]
    return texts + [""] * (width - len(texts))


def _note(what: str, before: Sequence[str], after: Sequence[str]) -> Note:
    changed = [f"{new!r}" for old, new in zip(before, after, strict=True) if old != new]
    return Note("read", f"{what} belongs to them: {listed(changed, 6)}.", len(changed))


# -- which row names the columns -------------------------------------------------------------------


def _place(rows: Sequence[Row]) -> int:
    """Return the index of the row that names the columns.

    It is the first row that is about as full as the fullest one, unless another row near the top
    has clearly more cells that are known headings.
    """
    full = find_header(rows)
    scores = {place: _score(row) for place, row in enumerate(rows[:_NEAR]) if _may_be_headings(row)}
    best = max(scores, key=lambda place: (scores[place], -place), default=full)
    here = scores.get(full, 0)
    filled = sum(1 for cell in rows[best] if cell and cell.strip())
    if scores.get(best, 0) >= 3 and scores[best] > here + 1 and 2 * scores[best] > filled:
        return best
    return full


def _may_be_headings(row: Row) -> bool:
    """Return whether a row has several cells, few of them with digits: a cheap test, first."""
    filled = [cell for cell in row if cell and cell.strip()]
    return len(filled) > 1 and 2 * sum(1 for c in filled if _DIGIT.search(c)) <= len(filled)


def _names_more(rows: Sequence[Row], place: int, width: int) -> bool:
    """Return whether the next row names columns that the row at `place` leaves without a name.

    Then both are headings: "Ship To" over "Name", and nothing over "City".
    """
    if place + 1 >= len(rows):
        return False
    here, below = _texts(rows[place], width), _texts(rows[place + 1], width)
    if any(_DIGIT.search(cell) for cell in below) or _score(below) < 2:
        return False
    return any(_role(second) for first, second in zip(here, below, strict=True) if not first)


def _score(row: Row) -> int:
    """Return how many roles the cells of a row name."""
    cells = [cell if cell and len(cell) < 80 else "" for cell in row]
    found = recognise([(cell or "").strip() for cell in cells])
    return len(found.roles) + len(found.ambiguous)


@lru_cache(4096)
def _role(heading: str) -> str | None:
    found = recognise([heading])
    return next(iter(found.roles), None)


# -- lines above -----------------------------------------------------------------------------------


def _grouped(
    above: Sequence[str], headings: Sequence[str], merged: Sequence[tuple[int, int]] | None
) -> list[str] | None:
    """Return the headings with the party that the line above gives them; None without one."""
    parties = {column: _party(cell) for column, cell in enumerate(above) if cell}
    named = {column: party for column, party in parties.items() if party}
    # Headings of one line name parties too, and are no groups: "Ship To", "City", "State".
    if not named or any(above[column] and not headings[column] for column in named):
        return None
    ends = dict(merged or ())
    titles = list(headings)
    labels = sorted(column for column, cell in enumerate(above) if cell)
    for column, party in named.items():
        following = next((other for other in labels if other > column), len(headings))
        last = ends.get(column, following - 1)
        of_address = [
            place
            for place in range(column, min(last + 1, len(headings)))
            if _role(headings[place]) in ADDRESS_ROLES
        ]
        # "From: 2026-11-01" in a line of titles is no group of columns.
        if len(of_address) > 1:
            for place in of_address:
                titles[place] = f"{_GROUP_TITLES[party]} {headings[place]}"
    if titles == list(headings):
        return None
    return [
        f"{first} {second}"
        if first and second == title and column not in named and _says_more(first, second)
        else title
        for column, (first, second, title) in enumerate(zip(above, headings, titles, strict=True))
    ]


def _says_more(first: str, second: str) -> bool:
    """Return whether two lines are one heading: "Order" and "Number", "Weight" and "(lb)"."""
    both = recognise([f"{first} {second}"]).roles
    return bool(both) and both.keys() != recognise([second]).roles.keys()


def _party(cell: str) -> str | None:
    groups = word_file("heading_rows")["groups"]
    spellings = {_all_words(cell), phrase(cell)}
    return next((party for party in _GROUP_TITLES if spellings & {*groups[party]}), None)


def _joined(above: Sequence[str], below: Sequence[str]) -> list[str] | None:
    """Return headings of two lines as one; None where the two lines are no such headings."""
    notes = [
        bool(first and _role(first) and _IN_BRACKETS.fullmatch(second))
        for first, second in zip(above, below, strict=True)
    ]
    if sum(1 for cell in above if cell) < 2 and any(notes):  # a heading that was cut by its line
        return [f"{a} {b}" if note else b for a, b, note in zip(above, below, notes, strict=True)]
    if sum(1 for cell in above if cell) < 2 or any(_DIGIT.search(cell) for cell in below):
        return None
    gained = sum(1 for a, b in zip(above, below, strict=True) if a and b and _says_more(a, b))
    if not gained:
        return None
    return [
        f"{first} {second}".strip()
        if not second
        or not first
        or _says_more(first, second)
        or not _role(second)
        or _party(first)
        or phrase(second) in UNITS  # "Weight" over "(oz)"
        else second
        for first, second in zip(above, below, strict=True)
    ]


_IN_BRACKETS: Final = re.compile(r"[(\[][^)\]]*[)\]]\W*")
"""A heading that is a note to the one above it: "Order Number" over "(see help)"."""

_RULED_OFF = re.compile(r"[-=_─═*+~]{2,}")
"""A cell of a line that rules off the headings, as database clients print it."""


# -- lines below -----------------------------------------------------------------------------------


def _explaining(rows: Sequence[Row], place: int, titles: Sequence[str]) -> tuple[int, ...]:
    """Return the rows under the headings that explain them."""
    found = []
    for index in range(place + 1, min(place + 1 + _EXPLAINING, len(rows))):
        row = _texts(rows[index], len(titles))
        if not any(row):
            continue
        others = [_texts(other, len(titles)) for other in rows[index + 1 : index + 60]]
        if not _explains(row, titles, [other for other in others if any(other)]):
            break
        found.append(index)
    return tuple(found)


def _explains(row: Sequence[str], titles: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    filled = [(column, cell) for column, cell in enumerate(row) if cell]
    if [cell.casefold() for cell in row] == [title.casefold() for title in titles]:
        return False  # the headings again, which are found in all rows
    if len(filled) >= 3 and all(_RULED_OFF.fullmatch(cell) for _, cell in filled):
        return True
    numbers = len(filled) >= 4 and all(cell == str(at) for at, cell in enumerate(row, start=1))
    if numbers and others:
        return True  # the numbers of the columns
    units = sum(1 for column, cell in filled if _unit_of(cell) and _measured(titles[column]))
    words = sum(1 for _, cell in filled if _is_explaining(cell))
    if units and all(_unit_of(cell) or _is_explaining(cell) or cell == "-" for _, cell in filled):
        return True
    if words >= 2 and 2 * words >= len(filled):
        return True
    known = _score(row)
    if known >= 3 and 2 * known >= len(filled):
        return True
    if _continues(titles, row):
        return True
    with_digits = _columns_with_digits(others, len(titles))
    tested = [cell for column, cell in filled if column in with_digits]
    if not tested or any(_DIGIT.search(cell) for cell in tested):
        return False
    # Orders without a single digit are rare: in the number, street, ZIP code, phone and weight.
    return len(tested) >= (4 if words + known == 0 else 3 if words + known < 2 else 2)


def _continues(titles: Sequence[str], row: Sequence[str]) -> bool:
    """Return whether most cells of a row are the second line of their headings."""
    filled = [(titles[column], cell) for column, cell in enumerate(row) if cell]
    if any(_DIGIT.search(cell) for _, cell in filled):
        return False
    fitting = [
        cell
        for title, cell in filled
        if (_unit_of(cell) and _measured(title)) or (title and _continues_heading(title, cell))
    ]
    return len(fitting) >= 2 and 2 * len(fitting) >= len(filled)


def _continues_heading(title: str, cell: str) -> bool:
    both = _role(f"{title} {cell}")
    return both is not None and both != _role(title)


def _columns_with_digits(rows: Sequence[Sequence[str]], width: int) -> set[int]:
    """Return the columns whose cells nearly all have a digit."""
    found = set()
    for column in range(width):
        cells = [row[column] for row in rows if column < len(row) and row[column]]
        digits = sum(1 for cell in cells if _DIGIT.search(cell))
        if cells and digits >= 0.8 * len(cells):
            found.add(column)
    return found


def _is_explaining(cell: str) -> bool:
    known = word_file("heading_rows")["explains"]
    words = _all_words(cell)
    padded = f" {words} "
    return (
        words in known["whole"]
        or any(f" {part} " in padded for part in known["parts"])
        or any(words == start or words.startswith(f"{start} ") for start in known["beginnings"])
        or re.fullmatch(r"(var)?char\s*\(?\d+\)?|(text|string)\s*\(?\d+\)?", words) is not None
    )


def _all_words(cell: str) -> str:
    """Return the words of a cell, those that headings drop ("required") among them."""
    return " ".join(re.findall(r"[^\W_]+", without_accents(cell).lower()))


def _unit_of(cell: str) -> str | None:
    """Return the word of a cell that is nothing but a unit: "(kg)", "in lb", "cm"."""
    word = re.sub(r"^in\s+", "", re.sub(r"[()\[\].]", "", cell).strip().lower())
    return word if word in UNITS else None


def _measured(title: str) -> bool:
    return _role(title) in _MEASURES


def _completed(titles: Sequence[str], row: Sequence[str]) -> list[str]:
    """Return the headings with the units and the second lines that the row below gives them."""
    made = []
    for title, cell in zip(titles, row, strict=True):
        unit = _unit_of(cell) if cell else None
        if unit and _measured(title):
            named = any(match.unit for match in recognise([title]).roles.values())
            made.append(title if named else f"{title} ({unit})")
        elif title and cell and _continues_heading(title, cell):
            made.append(f"{title} {cell}")
        else:
            made.append(title)
    return made
