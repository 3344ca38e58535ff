"""A text file of orders while it is being spoiled: its cells, its lines, and what is expected."""

from __future__ import annotations

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
        self.quote, self.backslash = '"', False
        """The mark around a cell, and whether a backslash comes before the same mark in it."""
        self.after_delimiter = ""
        """What follows each delimiter: a blank, as people write lists."""
        self.hint = False
        """Whether the first line names the delimiter, as Excel reads it."""
        self.around: list[Callable[[str], str]] = []
        """Changes to every line, the headings included."""
        self.above: list[str] = []
        self.below: list[str] = []
        self.before: dict[int, list[str]] = defaultdict(list)
        """Index of a row -> lines that are inserted before it."""
        self.lines: dict[int, list[Callable[[str], str]]] = defaultdict(list)
        """Index of a row -> changes to its line."""
        self.expected: dict[int, set[str]] = defaultdict(set)
        """Index of a row that was touched -> what is accepted if it is ready to ship.

        ``same``: the clean file's shipment. ``warned``: a warning. ``obeyed``: another shipment
        than that of the clean file, or a warning. ``torn``: nothing may be left to obey, because a
        cell is missing. A row with an error is always accepted.
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
        return (self.delimiter + self.after_delimiter).join(map(self._written, cells))

    def _written(self, cell: str) -> str:
        special = {self.delimiter, self.quote, "\n", "\r", *("\\" if self.backslash else "")}
        if not (self.quote_all or special & set(cell)):
            return cell
        before = "\\" if self.backslash else self.quote
        inside = cell.replace("\\", "\\\\") if self.backslash else cell
        return self.quote + inside.replace(self.quote, before + self.quote) + self.quote

    def text(self) -> str:
        """Return the whole file."""
        lines = [*self.above, self.line(self.headings)]
        for index, row in enumerate(self.rows):
            lines += self.before.get(index, [])
            line = self.line(row)
            for change in self.lines.get(index, ()):
                line = change(line)
            lines.append(line)
        lines += self.below
        for change in self.around:
            lines = [change(line) for line in lines]
        lines = [f"sep={self.delimiter}", *lines] if self.hint else lines
        return self.eol.join(lines) + self.eol

    def write(self, path: Path) -> Path:
        """Write the file, and return its path."""
        path.write_bytes(self.text().encode(self.encoding))
        return path
