"""Cut one line of a text file into cells: by its dialect, or as it was most likely meant.

A cell in quotes ends with a quote in front of a delimiter or of the line's end, whatever is in it.
Where a quote was lost or added, a line can be read in several ways; :func:`readings` finds those
with the right number of cells and the fewest repairs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

__all__ = ["TORN", "Cut", "TextDialect", "readings"]

_MOST_QUOTES: Final = 200
"""Quotes in a line whose readings are compared; a line with more is not repaired."""


_WITHIN: Final = r'(?:[^\x1f"]|"")*'
TORN: Final = (
    r'(?:[^\x1f\d\s"]|(?:^|\x1f)[$€£]?\d[\d.,]*)"[A-Za-z]'
    rf'{_WITHIN}\x1f(?:(?:[^"]|"")*\x1f)?{_WITHIN}[A-Za-z.!?]"(?:\x1f|$)'
)
"""A text in quotes that was cut at its commas, as a pattern of the cells joined by ``\\x1f``.

The delimiter in front of its first quote is missing: ``Boots"Warm, and light"``, and behind a
number that is a cell: ``12.98"Swimwear, print"``. ``Pan 12"Deep`` has an inch mark.
"""


class Cut(NamedTuple):
    """The cells of a text, and what its quotes are like."""

    cells: list[str]
    state: str
    """``whole``; ``open`` if a quote is not closed; ``torn`` if text follows a closing quote."""


@dataclass(frozen=True)
class TextDialect:
    """How the cells of a text file are written."""

    delimiter: str = ","
    quote: str = '"'
    backslash: bool = False
    r"""Whether ``\"`` and ``\,`` stand for the character itself, and ``\N`` for an empty cell."""
    blank: bool = False
    """Whether a blank follows each delimiter: it is part of it, and not of the cell."""

    @property
    def plain(self) -> bool:
        """Whether a strict reader knows this dialect."""
        return self.quote == '"' and not self.backslash and not self.blank

    @cached_property
    def _quoted(self) -> re.Pattern[str]:
        """A cell in quotes; spaces around the quotes are not part of it."""
        q = re.escape(self.quote)
        inner = (
            rf"[^{q}\\]*(?:(?:{q}{q}|\\.)[^{q}\\]*)*"
            if self.backslash
            else (rf"[^{q}]*(?:{q}{q}[^{q}]*)*")
        )
        return re.compile(rf" *{q}((?>{inner})){q} *", re.DOTALL)

    @cached_property
    def _opens(self) -> re.Pattern[str]:
        return re.compile(rf" *{re.escape(self.quote)}")

    @cached_property
    def _bare(self) -> re.Pattern[str]:
        """A cell without quotes around it."""
        d = re.escape(self.delimiter)
        return re.compile(rf"(?:[^{d}\\]|\\.?)*" if self.backslash else rf"[^{d}]*", re.DOTALL)

    def split(self, text: str) -> list[str]:
        """Return the cells of a text without quotes and backslashes."""
        cells = text.split(self.delimiter)
        return [cell.lstrip(" ") for cell in cells] if self.blank else cells

    def simple(self, text: str) -> bool:
        """Whether :meth:`split` cuts a text rightly."""
        return self.quote not in text and not (self.backslash and "\\" in text)

    def cut(self, text: str) -> Cut:
        """Return the cells of a record, as far as its quotes are as they should be."""
        if self.simple(text):
            return Cut(self.split(text), "whole")
        cells: list[str] = []
        at = 0
        while True:
            end = self._quoted_end(text, at, cells)
            if end < 0:
                return Cut(cells, "open" if end == -1 else "torn")
            if end == len(text):
                return Cut(cells, "whole")
            at = end + 1

    def _quoted_end(self, text: str, at: int, cells: list[str]) -> int:
        """Add the cell that begins at `at`; return its end, -1 if it is open, -2 if torn."""
        found = self._quoted.match(text, at)
        if found is not None:
            if not self._ends(text, found.end()):
                return -2
            cells.append(self._of_quoted(found[1]))
            return found.end()
        if self._opens.match(text, at):
            return -1
        bare = self._bare.match(text, at)
        cells.append(self._of_bare(bare[0] if bare else ""))
        return bare.end() if bare else at

    def cells_at(self, text: str, at: int) -> list[tuple[int, str, int]]:
        """Return the cells that may begin here: end, text, and how many repairs they take."""
        bare = self._bare.match(text, at)
        end = bare.end() if bare else at
        plain = self._of_bare(text[at:end])
        opens = self._opens.match(text, at)
        if opens is None:
            return [(end, plain, 0)]
        strict = self._quoted.match(text, at)
        made, closing = [], -1
        if strict is not None and self._ends(text, strict.end()):
            closing = strict.end()
            made.append((closing, self._of_quoted(strict[1]), 0))
        # A cell that begins and ends with a quote is rather a cell in quotes than a text with two.
        closed = plain.rstrip().endswith(self.quote) and len(plain.strip()) > 1
        made.append((end, plain, 2 if closed else 1))
        passed = 0
        for found in re.finditer(rf"{re.escape(self.quote)} *", text[opens.end() :]):
            close, behind = opens.end() + found.start(), opens.end() + found.end()
            if self._ends(text, behind) and behind != closing:
                made.append((behind, self._of_quoted(text[opens.end() : close]), 1 + passed))
                passed += 1
        return made

    def unwrapped(self, text: str) -> str | None:
        """Return what is inside a line that was put in quotes as a whole, None for any other line.

        Excel does this to lines with a quote if its list separator is not the file's delimiter; the
        cells that it takes to be empty follow as delimiters.

        Examples
        --------
        >>> TextDialect().unwrapped('"1,Ada ""Ann"" Lee,Boston"')
        '1,Ada "Ann" Lee,Boston'
        """
        body = text.rstrip(",;\t| ")
        if self.quote != '"' and body.startswith('"'):  # the lines of any file are put in these
            return TextDialect(self.delimiter).unwrapped(text)
        found = self._quoted.match(body)
        if found is None or found.end() != len(body):
            return None
        return self._of_quoted(found[1])

    def _ends(self, text: str, at: int) -> bool:
        return at == len(text) or text.startswith(self.delimiter, at)

    def _of_quoted(self, inner: str) -> str:
        text = inner.replace(self.quote * 2, self.quote)
        if self.quote == "'":  # quotes that were written twice before others were put around
            text = text.replace('""', '"')
        return self._without_backslashes(text) if self.backslash else text

    def _of_bare(self, text: str) -> str:
        if self.blank:
            text = text.lstrip(" ")
        if not self.backslash:
            return text
        return "" if text == r"\N" else self._without_backslashes(text)

    def _without_backslashes(self, text: str) -> str:
        meant = {"n": "\n", "r": "\r", "t": "\t"}
        meant |= {letter: letter for letter in (self.quote, self.delimiter, "\\", "\n")}
        return re.sub(r"\\(.)", lambda m: meant.get(m[1], m[0]), text, flags=re.DOTALL)


def readings(text: str, width: int, dialect: TextDialect) -> list[list[str]]:
    """Return the ways to read a text as `width` cells that take the fewest repairs.

    None of them if the quotes are too many; several if none is better.

    Examples
    --------
    >>> readings('1,"gift for mom,2', 3, TextDialect())
    [['1', '"gift for mom', '2']]
    >>> readings('1,"27" monitor",2', 3, TextDialect())
    [['1', '27" monitor', '2']]
    """
    if text.count(dialect.quote) > _MOST_QUOTES:
        return []
    known: dict[int, dict[int, tuple[int, list[list[str]]]]] = {}
    for at in reversed(_starts(text, dialect)):
        best: dict[int, tuple[int, list[list[str]]]] = {}
        for end, cell, cost in dialect.cells_at(text, at):
            rest = {0: (0, [[]])} if end == len(text) else known.get(end + 1, {})
            for count, (more, tails) in rest.items():
                if count < width:
                    _keep(best, count + 1, cost + more, [[cell, *tail] for tail in tails])
        known[at] = best
    return known[0].get(width, (0, []))[1]


def _keep(
    best: dict[int, tuple[int, list[list[str]]]], count: int, cost: int, rows: list[list[str]]
) -> None:
    """Add rows that cost the least; of equal ones two are enough to know that there are several."""
    there = best.get(count)
    if there is None or cost < there[0]:
        best[count] = (cost, rows)
    elif cost == there[0]:
        best[count] = (cost, (there[1] + [row for row in rows if row not in there[1]])[:2])


def _starts(text: str, dialect: TextDialect) -> list[int]:
    """Return the places where a cell may begin."""
    mark = dialect.delimiter
    return [0, *(at + 1 for at, letter in enumerate(text) if letter == mark)]
