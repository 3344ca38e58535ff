"""Cells that ask for something in columns whose headings do not: "Hazmat" under "Product Type".

The words are in ``data/words/option_cells.toml``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from shipkit.orders.expressions import case, quote, quoted_list
from shipkit.orders.heading_text import heading_words, word_file
from shipkit.orders.instructions import Instruction, instruction_of

__all__ = ["CellsThatAsk", "cells_that_ask", "may_ask"]

_UN_NUMBERS: Final = {
    "{un}": "un ?-?[0-3][0-9]{3}",
    "{un lithium}": r"un[ -]?(?:3480|3481|3090|3091|3536|3551|3552)",
}
"""Words of cells for UN numbers -> their pattern: any, and those of lithium batteries."""


@dataclass(frozen=True)
class CellsThatAsk:
    """What cells of some columns may ask for.

    Parameters
    ----------
    asks
        What it is, as of a heading that asks for the same.
    headings
        Groups of words; a heading with one of each has such cells.
    pattern
        A regular expression of a cell that asks, in lower case.
    role
        Role of a column; where it is read, nothing is asked here.
    not_headings
        Words of headings that are about something else.
    anywhere
        Whether it counts under any heading that is not understood.
    other
        A regular expression of a cell that is about another thing, in lower case: "wine rack".
    whole
        The cells that ask and are one word of the list; none where a word may have others around.
    """

    asks: Instruction
    headings: tuple[frozenset[str], ...]
    pattern: str
    role: str
    not_headings: frozenset[str] = frozenset()
    anywhere: bool = False
    other: str = ""
    whole: frozenset[str] = frozenset()

    def problem(self, heading: str) -> str:
        """Return what is wrong with a cell that asks, as of a heading that does."""
        return f'a cell of the column "{heading}" looks like {self.asks.what}, and it is not used'

    def fix(self, heading: str) -> str:
        """Return the ways out: the option by its own name, or the column set aside."""
        aside = f"map(ignore=[{json.dumps(heading, ensure_ascii=False)}])"
        if not self.role:
            return f"Leave these orders out with where(...). If it is no such thing: {aside}."
        return (
            f'Name the column that says it: map(columns={{"{self.role}": "<heading>"}}). Or set '
            f"this one aside, {aside}, and ask for it where it is meant: "
            f"session.edit(clause, {self.role}=...). Or place it with a template."
        )

    def condition(self, text: str) -> str:
        """Return SQL of whether the SQL `text`, in lower case, asks."""
        asks = f"regexp_matches({text}, {quote(self.pattern)})"
        if not self.other:
            return asks
        return f"CASE WHEN {asks} THEN NOT regexp_matches({text}, {quote(self.other)}) END"


_SIGNS: Final = r"[,;|/+&\n]"
"""Signs between the options of one cell: "gift, hazmat"."""


_OTHER_FORMS: Final = rf"{_SIGNS}|^\s|\s$|^un"
"""What a cell has that asks and is no word of the list as it is: signs, blanks, a UN number."""


def may_ask(kinds: Sequence[CellsThatAsk], text: str) -> str:
    """Return SQL of whether the SQL `text`, in lower case, asks for one of `kinds`.

    Nearly all of a million cells are one word or a sentence without a sign: these are looked up,
    and no pattern is tried. What is left may still be about another thing (``other``).
    """
    words = sorted({word for kind in kinds for word in kind.whole})
    listed = "|".join(f"(?:{kind.pattern})" for kind in kinds if kind.whole)
    inside = "|".join(f"(?:{kind.pattern})" for kind in kinds if not kind.whole)
    branches = []
    if words:
        branches.append((f"{text} IN ({quoted_list(words)})", "true"))
    if inside:
        branches.append((f"regexp_matches({text}, {quote(inside)})", "true"))
    if listed:
        other_form = f"regexp_matches({text}, '{_OTHER_FORMS}')"
        branches.append((other_form, f"regexp_matches({text}, {quote(listed)})"))
    return case(*branches, otherwise="false")


def cells_that_ask(
    heading: str, roles: Collection[str], *, unread: bool = False
) -> list[CellsThatAsk]:
    """Return what cells under a heading may ask for that no column with a role of `roles` settles.

    Parameters
    ----------
    unread
        Whether nothing is known of the heading.

    Examples
    --------
    >>> [each.asks.what for each in cells_that_ask("Tender", ())]
    ['payment on delivery']
    """
    words = {*heading_words(heading)}
    words |= {word.removesuffix("s") for word in words}
    return [
        each
        for each in _groups()
        if each.role not in roles
        and not words & each.not_headings
        and (all(words & group for group in each.headings) or (unread and each.anywhere))
    ]


@cache
def _groups() -> Sequence[CellsThatAsk]:
    return tuple(_group(given) for given in word_file("option_cells")["group"])


def _group(given: dict[str, object]) -> CellsThatAsk:
    asks = instruction_of(str(given["like"]))
    assert asks is not None, given["like"]  # noqa: S101 - the heading is in instructions.toml
    cells, headings = given["cells"], given["headings"]
    assert isinstance(cells, list) and isinstance(headings, list)  # noqa: S101, PT018 - TOML
    words = [word for cell in cells for word in _words(cell)]
    texts = "|".join(_UN_NUMBERS.get(word) or re.escape(word) for word in words)
    pattern = rf"(?:^|{_SIGNS})\s*(?:{texts})\s*(?:$|{_SIGNS})"
    if given.get("inside"):
        pattern = rf"(?:^|[^a-z0-9])(?:{texts})(?:$|[^0-9])"
    if "severity" in given:
        asks = replace(asks, severity=str(given["severity"]))
    others = given.get("not_headings", ())
    assert isinstance(others, list | tuple)  # noqa: S101 - TOML
    unless = given.get("unless", ())
    assert isinstance(unless, list | tuple)  # noqa: S101 - TOML
    other = rf"(?:^|[^a-z])(?:{'|'.join(map(re.escape, unless))})(?:$|[^a-z])" if unless else ""
    return CellsThatAsk(
        asks,
        tuple(map(frozenset, headings)),
        pattern,
        str(given.get("role", "")),
        frozenset(others),
        bool(given.get("anywhere")),
        other,
        frozenset() if given.get("inside") else frozenset(words),
    )


def _words(cell: str) -> Sequence[str]:
    """Return the words that a cell of the file stands for: {yes} and {no} have many languages."""
    return word_file("values")[cell[1:-1]] if cell in ("{yes}", "{no}") else [cell]
