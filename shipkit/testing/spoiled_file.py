"""A text file of orders while it is being spoiled: its cells, its lines, and what is expected."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["SpoiledFile"]


class SpoiledFile:
    """The cells of an order file, changes to its lines, and what a reader owes to each row.

    Parameters
    ----------
    headings, rows
        The clean file as text.
    roles
        Role (``"name"``, ``"postal_code"``, ...) -> heading, for the columns that were recognised.
    """

    def __init__(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], roles: Mapping[str, str]
    ) -> None:
        self.headings = list(headings)
        self.rows = [list(row) for row in rows]
        self.roles = dict(roles)
        self.kinds: list[str] = []
        self.delimiter, self.encoding, self.eol = ",", "utf-8", "\n"
        self.quote_all = False
        self.above: list[str] = []
        self.below: list[str] = []
        self.before: dict[int, list[str]] = defaultdict(list)
        """Index of a row -> lines that are inserted before it."""
        self.lines: dict[int, list[Callable[[str], str]]] = defaultdict(list)
        """Index of a row -> changes to its line."""
        self.expected: dict[int, set[str]] = defaultdict(set)
        """Index of a row that was touched -> what is accepted if it is ready to ship.

        ``same``: the clean file's shipment. ``warned``: a warning. ``obeyed``: another shipment
        than that of the clean file, or a warning. A row with an error is always accepted.
        """

    def column(self, role: str) -> int | None:
        """Return the index of the column with this role, None without one."""
        heading = self.roles.get(role)
        return None if heading is None else self.headings.index(heading)

    def expect(self, outcome: str, *rows: int) -> None:
        """Note what is accepted of `rows`, or of every row if none are given."""
        for row in rows or range(len(self.rows)):
            self.expected[row].add(outcome)

    def add_column(self, heading: str, cells: Mapping[int, str], default: str = "") -> None:
        """Append a column with these cells, and `default` in all others."""
        self.headings.append(heading)
        for index, row in enumerate(self.rows):
            row.append(cells.get(index, default))

    def line(self, cells: Sequence[str]) -> str:
        """Return the line of a row, without its end."""
        out = io.StringIO()
        csv.writer(
            out,
            delimiter=self.delimiter,
            lineterminator="\n",  # so that a cell with a line break is quoted
            quoting=csv.QUOTE_ALL if self.quote_all else csv.QUOTE_MINIMAL,
        ).writerow(cells)
        return out.getvalue().removesuffix("\n")

    def text(self) -> str:
        """Return the whole file."""
        lines = [*self.above, self.line(self.headings)]
        for index, row in enumerate(self.rows):
            lines += self.before.get(index, [])
            line = self.line(row)
            for change in self.lines.get(index, ()):
                line = change(line)
            lines.append(line)
        return self.eol.join([*lines, *self.below]) + self.eol

    def write(self, path: Path) -> Path:
        """Write the file, and return its path."""
        path.write_bytes(self.text().encode(self.encoding))
        return path
