"""One accounting of the lines of a source: every line is loaded, or set aside with a reason.

``lines = rows + headings + set aside + line breaks inside cells``, for every reader. A reader says
what it did in a :class:`SourceLines`; :class:`LineAccount` adds up those of all files, and what
later stages set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shipkit.common.words import counted, listed, plural

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Aside", "LineAccount", "SourceLines", "rows_aside", "set_aside"]


@dataclass(frozen=True)
class Aside:
    """Lines that are no rows of orders, and why."""

    reason: str
    """Words that follow a number: ``blank``, ``hidden``, ``above the headings``, ``footer``."""
    lines: tuple[int, ...] = field(repr=False)
    """Numbers of the lines in their file, from 1."""
    note: str | None = None
    """A sentence for the load report; by default the count and the reason are enough."""
    file: str | None = None
    unit: str = "line"

    @property
    def count(self) -> int:
        """The number of lines."""
        return len(self.lines)

    def __str__(self) -> str:
        return f"{self.count:,} {self.reason} ({self.where})"

    @property
    def where(self) -> str:
        """The numbers of the lines, as a message names them: ``lines 3-5, 9 of june.csv``."""
        spans = list(_spans(self.lines))
        of = f" of {self.file}" if self.file else ""
        return f"{plural(self.count, self.unit)} {listed(spans, 4)}{of}"


def set_aside(reason: str, lines: Iterable[int], note: str | None = None) -> Aside:
    """Return lines that a reader leaves out, with the reason: the one way to drop a line.

    Parameters
    ----------
    reason
        Words that follow a number: ``blank``, ``hidden``, ``above the headings``.
    lines
        Numbers of the lines in the file (rows of a sheet, records of a list), from 1.
    note
        A sentence for the load report, if the count and the reason do not say enough.

    Examples
    --------
    >>> print(set_aside("hidden", [5, 6, 9]))
    3 hidden (lines 5-6, 9)
    """
    return Aside(reason, tuple(sorted(lines)), note)


@dataclass(frozen=True)
class SourceLines:
    """The lines of one file, sheet or table, as its reader counted them."""

    total: int
    """Lines of a text file, rows of a sheet or table, records of a list: counted by themselves."""
    rows: int
    """Rows that were read, blank ones among them."""
    headings: tuple[int, ...] = ()
    """The lines that hold headings."""
    inside: int = 0
    """Line breaks inside cells, those of the headings included."""
    aside: tuple[Aside, ...] = ()
    starts: np.ndarray | None = field(default=None, repr=False, compare=False)
    """The line in which each row begins; None: one row a line from `first` on."""
    first: int = 1
    """The line of the first row, where each row is one line."""
    file: str | None = None

    def line_of(self, row: int) -> int:
        """Return the line in which a row, counted from 1, begins."""
        return self.first + row - 1 if self.starts is None else int(self.starts[row - 1])

    @classmethod
    def of_table(cls, rows: int) -> SourceLines:
        """Return the lines of a source in which every line is a row: no headings, no breaks."""
        return cls(total=rows, rows=rows)


def rows_aside(
    reason: str, rows: Iterable[int], sources: Sequence[SourceLines], note: str | None = None
) -> list[Aside]:
    """Return rows that were read and are left out, as lines of their files.

    Parameters
    ----------
    rows
        Row numbers, which run on over the files.
    sources
        The files.
    """
    numbers, before, made = sorted(rows), 0, []
    for source in sources:
        own = [n - before for n in numbers if before < n <= before + source.rows]
        if own:
            aside = set_aside(reason, (source.line_of(row) for row in own), note)
            made.append(replace(aside, file=source.file if len(sources) > 1 else None))
        before += source.rows
    return made


@dataclass(frozen=True)
class LineAccount:
    """Where every line of a source went.

    ``lines == rows + headings + inside + the lines set aside``; of the rows, ``orders`` are the
    first of their order, ``merged`` are further ones, and the rest is sold but not shipped.

    In short: ``read == loaded + merged + sum(part.count for part in dropped)``.
    """

    lines: int
    """Lines of the source: of a text file as an editor numbers them, of a sheet its rows."""
    rows: int
    """Rows that were loaded."""
    headings: int = 0
    inside: int = 0
    """Line breaks inside cells."""
    aside: tuple[Aside, ...] = ()
    """Lines that were left out, with the reason and the numbers."""
    orders: int | None = None
    not_shipped: int = 0
    """Rows that were sold but are not shipped, such as gift cards."""
    unit: str = "line"

    @classmethod
    def of(
        cls, sources: Sequence[SourceLines], dropped: Iterable[Aside] = (), *, unit: str = "line"
    ) -> LineAccount:
        """Return the account of several files, of whose rows some were `dropped` later."""
        several = len(sources) > 1
        aside = [
            replace(part, file=source.file if several else None)
            for source in sources
            for part in source.aside
        ]
        late = list(dropped)
        parts = tuple(replace(part, unit=unit) for part in (*aside, *late))
        return cls(
            lines=sum(source.total for source in sources),
            rows=sum(source.rows for source in sources) - sum(part.count for part in late),
            headings=sum(len(source.headings) for source in sources),
            inside=sum(source.inside for source in sources),
            aside=parts,
            unit=unit,
        )

    @property
    def read(self) -> int:
        """Lines that may hold an order: all but headings, and the rest of a cell with breaks."""
        return self.lines - self.headings - self.inside

    @property
    def loaded(self) -> int:
        """Rows that are orders of their own, or may be: all but the `merged` ones."""
        return self.rows - self.merged

    @property
    def dropped(self) -> tuple[Aside, ...]:
        """What was left out: each with its ``reason``, ``lines`` (their numbers), ``count``."""
        return self.aside

    @property
    def set_aside(self) -> int:
        """The number of lines that were left out."""
        return sum(part.count for part in self.aside)

    @property
    def merged(self) -> int:
        """Rows that are further lines of an order."""
        return 0 if self.orders is None else self.rows - self.orders - self.not_shipped

    @property
    def missing(self) -> int:
        """The number of lines that are not accounted for; always 0, and checked at every load."""
        return self.lines - self.rows - self.headings - self.inside - self.set_aside

    def with_orders(self, orders: int, not_shipped: int = 0) -> LineAccount:
        """Return the account after the rows were grouped to orders."""
        return replace(self, orders=orders, not_shipped=not_shipped)

    def __str__(self) -> str:
        rows = counted(self.rows, "row")
        parts = [rows if self.orders is None else f"{rows} of {counted(self.orders, 'order')}"]
        parts += [counted(self.headings, "heading")] if self.headings else []
        parts += [counted(self.inside, "line break") + " inside cells"] if self.inside else []
        parts += [str(part) for part in self.aside]
        parts += [f"{self.not_shipped:,} of the rows not shipped"] if self.not_shipped else []
        return f"{counted(self.lines, self.unit)}: {', '.join(parts)}"


def _spans(lines: Sequence[int]) -> Iterable[str]:
    """Yield runs of numbers: ``3-5``, ``9``."""
    start = last = None
    for line in lines:
        if last is not None and line == last + 1:
            last = line
            continue
        if start is not None:
            yield f"{start}-{last}" if last != start else f"{start}"
        start = last = line
    if start is not None:
        yield f"{start}-{last}" if last != start else f"{start}"
