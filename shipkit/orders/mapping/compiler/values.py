"""What an expression of a template is for a whole column: the same value in every row, or SQL of cells of one kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shipkit.orders.expressions import quote

__all__ = [
    "ANY",
    "CELL",
    "DATE",
    "FLAG",
    "FLOAT",
    "INT",
    "MIXED",
    "MOST_SQL",
    "SIZES",
    "TEXT",
    "Cells",
    "Same",
    "Unlike",
    "Value",
    "cells_of",
    "chosen",
    "constant",
    "only",
    "plain",
    "plain_text",
    "together",
    "whole_number",
]

CELL: Final = 300
"""Bytes of a cell beyond which its row is rendered: filters for codes read no further, and no budget can be spent below."""
MOST_SQL: Final = 400_000
"""Characters of a statement beyond which rendering is the better way."""
TEXT, INT, FLOAT, FLAG, DATE = "text", "int", "float", "flag", "date"
MIXED: Final = "mixed"
"""A text or a number, as text."""
ANY: Final = "any"
"""A text, a number or a flag, as it is written."""
SIZES: Final = {INT: 20, FLOAT: 25, FLAG: 5, DATE: 10}


class Unlike(Exception):
    """A template that is not straight."""


@dataclass(frozen=True)
class Cells:
    """A value that differs from row to row: SQL of its kind, and how many characters it has at most."""

    sql: str
    kind: str
    size: int

    @property
    def text(self) -> str:
        """SQL of the text that it is written as."""
        return self.sql if self.kind in (TEXT, MIXED, ANY) else f"({self.sql})::VARCHAR"

    @property
    def truth(self) -> str:
        """SQL of what ``if`` makes of it."""
        if self.kind in (MIXED, ANY):
            raise Unlike
        return (
            f"coalesce({ {TEXT: f'{self.sql} <> {quote(str())}', FLAG: self.sql, DATE: f'{self.sql} IS NOT NULL'}.get(self.kind, f'{self.sql} <> 0') }, "
            "false)"
        )


@dataclass(frozen=True)
class Same:
    """A value that is the same in every row."""

    value: Any

    def cells(self) -> Cells:
        """Return it as SQL."""
        value = self.value
        if value is None:
            return Cells("NULL::VARCHAR", TEXT, 0)
        if isinstance(value, bool):
            return Cells("true" if value else "false", FLAG, 5)
        if isinstance(value, int) and abs(value) < 2**63:
            return Cells(f"({value})::BIGINT", INT, 20)
        if isinstance(value, float) and math.isfinite(value):
            return Cells(f"{quote(repr(value))}::DOUBLE", FLOAT, 25)
        if not isinstance(value, str) or "\x00" in value:
            raise Unlike
        return Cells(quote(value.encode().decode()), TEXT, len(value))


Value = Cells | Same


def plain_text(value: Any) -> str:
    """Return a constant as it is written inside a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise Unlike


def cells_of(value: Value) -> Cells:
    """Return a value as SQL."""
    return value.cells() if isinstance(value, Same) else value


def only(value: Value, *kinds: str) -> Cells:
    """Return cells of one of `kinds`. Raises Unlike for any other value."""
    if not isinstance(value, Cells) or value.kind not in kinds:
        raise Unlike
    return value


def plain(value: Cells) -> Cells:
    """Return a value as the text that ``str()`` makes of it: flags read otherwise there."""
    if value.kind in (FLAG, ANY):
        raise Unlike
    return Cells(value.text, TEXT, value.size)


def together(*values: Value) -> tuple[str, list[str]]:
    """Return the kind that holds all of the values, and their SQL in it."""
    cells = [cells_of(value) for value in values]
    kinds = {
        each.kind
        for each, value in zip(cells, values, strict=True)
        if not (isinstance(value, Same) and value.value is None)
    } or {TEXT}
    if len(kinds) == 1 and kinds == {each.kind for each in cells}:
        return cells[0].kind, [each.sql for each in cells]
    return (ANY if kinds & {FLAG, ANY} else MIXED) if len(kinds) > 1 or kinds != {TEXT} else TEXT, [
        each.text for each in cells
    ]


def chosen(test: str, yes: Value, no: Value) -> Cells:
    """Return `yes` where the SQL `test` holds, else `no`."""
    kind, (first, second) = together(yes, no)
    return Cells(
        f"(CASE WHEN {test} THEN {first} ELSE {second} END)",
        kind,
        max(cells_of(yes).size, cells_of(no).size),
    )


def constant(arguments: Mapping[str, Value], name: str, otherwise: Any = None) -> Any:
    """Return an argument that is the same in every row. Raises Unlike for one that differs."""
    value = arguments.get(name, Same(otherwise))
    if not isinstance(value, Same):
        raise Unlike
    return value.value


def whole_number(arguments: Mapping[str, Value], name: str, otherwise: int) -> int:
    """Return an argument that is one whole number. Raises Unlike for any other."""
    value = constant(arguments, name, otherwise)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unlike
    return value
