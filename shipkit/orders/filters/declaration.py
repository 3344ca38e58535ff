"""How a filter of templates is declared: one entry with its two forms.

The Python form runs for each row that is rendered. The SQL form computes the same for a whole
column, letter for letter; for rows where that cannot be guaranteed it gives a condition, and those
rows are rendered.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from shipkit.orders.filters.column_values import (
    ColumnValue,
    ConstantValue,
    Kind,
    NotCompilable,
    Value,
    as_column,
    constant,
    str_of,
    whole_number,
)

__all__ = ["LONGEST_CELL", "Filter", "FilterCall"]

LONGEST_CELL: Final = 300
"""Bytes of a cell beyond which its row is rendered instead of computed.

No ZIP, phone, date or number is longer, and no budget of a template can be exhausted by cells that
are shorter, so the SQL forms need no budget.
"""


@dataclass(frozen=True)
class FilterCall:
    """One use of a filter in a template: ``value | filter(arguments)``.

    Parameters
    ----------
    value
        The value before the bar.
    arguments
        Name of the argument -> its value, for those that are given.
    reads_at_most
        As in :class:`Filter`.
    render_where
        Takes a SQL condition: rows where it holds are rendered, because the SQL form might differ.
    """

    value: ColumnValue
    arguments: Mapping[str, Value]
    reads_at_most: int | None
    render_where: Callable[[str], None]

    def text(self) -> ColumnValue:
        """Return the value as the text that the Python form makes of it with ``str()``."""
        text = str_of(self.value)
        if self.reads_at_most is not None and text.size > self.reads_at_most:
            self.render_where(f"length({text.sql}) > {self.reads_at_most}")
        return text

    def argument(self, name: str, default: Any = None) -> ColumnValue:
        """Return an argument as SQL."""
        return as_column(self.arguments.get(name, ConstantValue(default)))

    def constant(self, name: str, default: Any = None) -> Any:
        """Return an argument that is a constant. Raises NotCompilable for a column."""
        return constant(self.arguments, name, default)

    def whole_number(self, name: str, default: int) -> int:
        """Return an argument that is a constant whole number. Raises NotCompilable."""
        return whole_number(self.arguments, name, default)

    def refuse_arguments(self) -> None:
        """Raise NotCompilable when any argument is given."""
        if self.arguments:
            raise NotCompilable

    @property
    def kind(self) -> Kind:
        """What the cells before the bar are."""
        return self.value.kind


@dataclass(frozen=True)
class Filter:
    """A filter of templates.

    Parameters
    ----------
    name
        Its name in templates.
    python
        A function of the cell and the arguments. None, a missing cell, stays None unless the
        filter is there to replace it.
    sql
        The same for a whole column; None for a filter that is only rendered.
    aliases
        Further names, kept because templates in use have them.
    reads_at_most
        How many characters of a text the filter reads; None for all of them.
    """

    name: str
    python: Callable[..., Any]
    sql: Callable[[FilterCall], Value] | None = None
    aliases: tuple[str, ...] = ()
    reads_at_most: int | None = None

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """Names of the arguments behind the cell, in order."""
        return tuple(inspect.signature(self.python).parameters)[1:]
