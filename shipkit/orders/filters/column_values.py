"""What an expression of a template is for a whole column of orders.

Compiled to SQL, an expression is either a constant (the same in every row) or SQL of one kind of
value. The kind decides what Jinja2 would write for it, what ``if`` makes of it, and which filters
can read it, so that the compiler can refuse whatever it could not reproduce exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shipkit.orders.expressions import case, quote

__all__ = [
    "ColumnValue",
    "ConstantValue",
    "Kind",
    "NotCompilable",
    "Value",
    "as_column",
    "chosen",
    "column_of",
    "common_kind",
    "constant",
    "str_of",
    "whole_number",
]


class NotCompilable(Exception):
    """Part of a template has no exact form in SQL; the template is rendered row by row."""


class Kind(StrEnum):
    """What the cells of a column are."""

    TEXT = "text"
    INT = "int"
    FLOAT = "float"
    FLAG = "flag"
    DATE = "date"
    MIXED = "mixed"
    """A text or a number, held as the text that a template writes for it."""
    ANY = "any"
    """A text, a number or a flag, held as the text that a template writes for it."""


_HELD_AS_TEXT = (Kind.TEXT, Kind.MIXED, Kind.ANY)


@dataclass(frozen=True)
class ColumnValue:
    """A value that may differ from row to row.

    Parameters
    ----------
    sql
        SQL expression over the selected orders.
    kind
        What its cells are.
    size
        The most characters a cell can have, used to keep what a row writes within the budget that
        rendering would enforce.
    """

    sql: str
    kind: Kind
    size: int

    @property
    def text(self) -> str:
        """SQL of the text that a template writes for the value."""
        return self.sql if self.kind in _HELD_AS_TEXT else f"({self.sql})::VARCHAR"

    @property
    def truth(self) -> str:
        """SQL of what ``if`` makes of the value. Raises NotCompilable where that is not known."""
        if self.kind in (Kind.MIXED, Kind.ANY):  # "0" may be a text (true) or a number (false)
            raise NotCompilable
        tests = {
            Kind.TEXT: f"{self.sql} <> ''",
            Kind.FLAG: self.sql,
            Kind.DATE: f"{self.sql} IS NOT NULL",
        }
        return f"coalesce({tests.get(self.kind, f'{self.sql} <> 0')}, false)"


@dataclass(frozen=True)
class ConstantValue:
    """A value that is the same in every row."""

    value: Any

    def as_column(self) -> ColumnValue:
        """Return the constant as SQL. Raises NotCompilable for lists, objects and huge numbers."""
        value = self.value
        if value is None:
            return ColumnValue("NULL::VARCHAR", Kind.TEXT, 0)
        if isinstance(value, bool):
            return column_of(Kind.FLAG, "true" if value else "false")
        if isinstance(value, int) and abs(value) < 2**63:
            return column_of(Kind.INT, f"({value})::BIGINT")
        if isinstance(value, float) and math.isfinite(value):
            return column_of(Kind.FLOAT, f"{quote(repr(value))}::DOUBLE")
        if not isinstance(value, str) or "\x00" in value:  # DuckDB ends a literal at NUL
            raise NotCompilable
        # A lone surrogate is no UTF-8: encode() raises, and the template is rendered.
        return ColumnValue(quote(value.encode().decode()), Kind.TEXT, len(value))


Value = ColumnValue | ConstantValue

_SIZES = {Kind.INT: 20, Kind.FLOAT: 25, Kind.FLAG: 5, Kind.DATE: 10}
"""The most characters of a value as text, as in ``-9223372036854775808``."""


def column_of(kind: Kind, sql: str) -> ColumnValue:
    """Return SQL of a number, a flag or a date as a value."""
    return ColumnValue(sql, kind, _SIZES[kind])


def as_column(value: Value) -> ColumnValue:
    """Return any value as SQL. Raises NotCompilable."""
    return value.as_column() if isinstance(value, ConstantValue) else value


def str_of(value: ColumnValue) -> ColumnValue:
    """Return a value as the text that ``str()`` makes of it.

    Raises
    ------
    NotCompilable
        The value may be a flag: ``str(True)`` is "True", where a template writes "true".
    """
    if value.kind in (Kind.FLAG, Kind.ANY):
        raise NotCompilable
    return ColumnValue(value.text, Kind.TEXT, value.size)


def common_kind(*values: Value) -> tuple[Kind, list[str]]:
    """Return the narrowest kind that holds all of the values, and the SQL of each in that kind.

    A constant ``none`` has no kind of its own and fits any.
    """
    columns = [as_column(value) for value in values]
    kinds = {
        column.kind
        for column, value in zip(columns, values, strict=True)
        if value != ConstantValue(None)
    } or {Kind.TEXT}
    if len(kinds) == 1 and kinds == {column.kind for column in columns}:
        return columns[0].kind, [column.sql for column in columns]
    texts = [column.text for column in columns]
    if kinds == {Kind.TEXT}:
        return Kind.TEXT, texts
    return (Kind.ANY if kinds & {Kind.FLAG, Kind.ANY} else Kind.MIXED), texts


def chosen(test: str, yes: Value, no: Value) -> ColumnValue:
    """Return `yes` where the SQL `test` holds, else `no`."""
    kind, (first, second) = common_kind(yes, no)
    size = max(as_column(yes).size, as_column(no).size)
    return ColumnValue(f"({case((test, first), otherwise=second)})", kind, size)


def constant(arguments: Mapping[str, Value], name: str, default: Any = None) -> Any:
    """Return the value of an argument that is a constant. Raises NotCompilable for a column."""
    value = arguments.get(name, ConstantValue(default))
    if not isinstance(value, ConstantValue):
        raise NotCompilable
    return value.value


def whole_number(arguments: Mapping[str, Value], name: str, default: int) -> int:
    """Return the value of an argument that is a constant whole number. Raises NotCompilable."""
    value = constant(arguments, name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise NotCompilable
    return value
