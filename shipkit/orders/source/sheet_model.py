"""One sheet of a workbook: its values, and what a person sees of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shipkit.orders.source.number_formats import Shows

__all__ = ["NOT_SHOWN", "Book", "Look", "SheetTable"]

NOT_SHOWN = {
    "hidden": "hidden",
    "filtered": "hidden by a filter",
    "collapsed": "hidden in a collapsed group",
}
"""Why a row is not shown -> how the load report says it."""


@dataclass
class Look:
    """What a file says about the look of a sheet. Rows and columns count from 0.

    Parameters
    ----------
    hidden_rows
        Row -> why it is not shown: a key of :data:`NOT_SHOWN`.
    hidden_columns
        Columns that are not shown.
    merged
        Merged ranges: first row, first column, last row, last column.
    formats
        Cell -> what it shows besides its value.
    exact
        Cell -> its text, where that has more digits than its value.
    odd
        Cell without a value -> the error that it shows; None for a formula without a stored value.
    crossed
        Cells that are struck through.
    """

    hidden_rows: dict[int, str] = field(default_factory=dict)
    hidden_columns: set[int] = field(default_factory=set)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    formats: dict[tuple[int, int], Shows] = field(default_factory=dict)
    exact: dict[tuple[int, int], str] = field(default_factory=dict)
    odd: dict[tuple[int, int], str | None] = field(default_factory=dict)
    crossed: set[tuple[int, int]] = field(default_factory=set)


@dataclass
class SheetTable:
    """The values of a sheet, from its first row and column on; an empty cell is None or ""."""

    name: str
    rows: list[list[Any]]


@dataclass
class Book:
    """A workbook that was opened.

    Parameters
    ----------
    names
        All sheets, in order.
    visible
        The sheets that a person sees; all of them when none is visible.
    kind
        ``xlsx``, ``xlsm``, ``xlsb``, ``xls``, ``ods``, ``html`` or ``xml``, by its bytes.
    blind
        Whether the look of its sheets cannot be read.
    """

    names: list[str]
    visible: list[str]
    kind: str
    blind: bool = False

    def sheet(self, name: str) -> SheetTable:
        """Return the values of a sheet."""
        raise NotImplementedError

    def look(self, name: str) -> Look:
        """Return what the file says about the look of a sheet."""
        raise NotImplementedError
