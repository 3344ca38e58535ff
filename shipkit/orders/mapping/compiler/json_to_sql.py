"""The JSON that a template writes, compiled: the author's own JSON, with values of cells in it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from jinja2 import nodes

from shipkit.models import Address
from shipkit.orders.columns import Column
from shipkit.orders.expressions import case, quote
from shipkit.orders.filters.column_values import (
    ColumnValue,
    ConstantValue,
    Kind,
    NotCompilable,
    as_column,
)
from shipkit.orders.mapping.compiler.expressions_to_sql import ExpressionCompiler, constant_text
from shipkit.services import ServiceList

__all__ = ["JsonCompiler"]

_OPEN: Final = "\ue000"
_CLOSE: Final = "\ue001"
"""Private characters of Unicode, around the number of a value in the JSON."""

_RESERVED: Final = ("row", "lines", "shipper", "range", "namespace")
"""Names with a meaning, which a compiled template does not set."""

_JSON_NUMBER: Final = r"-?[1-9][0-9]{0,14}(?:\.[0-9]{1,15})?|0(?:\.[0-9]{1,15})?"
"""Numbers that every reader of JSON reads alike, to the last digit."""


@dataclass(frozen=True)
class JsonLiteral:
    """A number of the author's own JSON, with the digits it is written with."""

    text: str


@dataclass(frozen=True)
class _Insertion:
    """A value that the template writes, and whether that is inside a string of the JSON."""

    value: ColumnValue
    in_string: bool


class JsonCompiler(ExpressionCompiler):
    """Reads a template as one JSON object whose leaves are constants and values of cells."""

    def __init__(self, columns: Sequence[Column], shipper: Address, offered: ServiceList) -> None:
        super().__init__(columns, shipper, offered)
        self.size = 0
        """The most characters that the template writes for one row."""
        self.insertions: list[_Insertion] = []

    def shape(self, text: str) -> dict[str, Any]:
        """Return the object that the template writes, with marks in place of values of cells."""
        if re.search(rf"(?i)[{_OPEN}{_CLOSE}]|\\u0*e00[01]", text):
            raise NotCompilable  # the author's text could be taken for a mark
        written, in_string = "", False
        for node in self.environment.parse(text).body:
            if self._assigned(node):
                continue
            if not isinstance(node, nodes.Output):
                raise NotCompilable
            for child in node.nodes:
                own = _own_text(child)
                if own is not None:
                    in_string = _ends_in_string(own, in_string)
                    written += own
                    continue
                made = self._in_string(child) if in_string else self._whole_value(child)
                mark = f"{_OPEN}{len(self.insertions)}{_CLOSE}"
                self.insertions.append(_Insertion(made, in_string))
                written += mark if in_string else f'"{mark}"'
        self.size += len(written)
        shape = _read_json(written)
        if not isinstance(shape, dict):
            raise NotCompilable
        return shape

    def leaf(self, value: Any, kinds: Sequence[Kind] = ()) -> str:
        """Return SQL of what a leaf of :meth:`shape` is read as.

        Parameters
        ----------
        kinds
            Kinds that the next stage takes as they are; any other value is turned into text.
        """
        if value is None:
            return "NULL::VARCHAR"
        if isinstance(value, bool):
            return "'true'" if value else "'false'"
        if isinstance(value, JsonLiteral):  # DuckDB's own reading of the digits, as for a rendering
            return f"from_json({quote(f'[{value.text}]')}, '[\"VARCHAR\"]')[1]"
        if not isinstance(value, str) or "\x00" in value:
            raise NotCompilable
        pieces = re.split(f"{_OPEN}([0-9]+){_CLOSE}", value)
        inserted = [self.insertions[int(number)] for number in pieces[1::2]]
        if inserted and not inserted[0].in_string:
            whole = inserted[0].value
            return whole.sql if whole.kind in kinds else whole.text
        # encode() raises for a lone surrogate, which is not UTF-8; the template is then rendered.
        texts = [quote(piece.encode().decode()) for piece in pieces[::2]]
        joined = [texts[0]]
        for insertion, text in zip(inserted, texts[1:], strict=True):
            joined += [insertion.value.sql, text]
        return " || ".join(text for text in joined if text != "''") or "''"

    def _assigned(self, node: nodes.Node) -> bool:
        """Note the value of ``{% set name = ... %}``; return whether `node` is that."""
        if not isinstance(node, nodes.Assign) or not isinstance(node.target, nodes.Name):
            return False
        if node.target.name in _RESERVED:
            return False
        self.variables[node.target.name] = self.value(node.node)
        return True

    def _in_string(self, node: nodes.Expr) -> ColumnValue:
        """Return what `node` writes inside a string of the JSON."""
        return ColumnValue(self._in_string_sql(node), Kind.TEXT, 0)

    def _in_string_sql(self, node: nodes.Expr) -> str:
        if isinstance(node, nodes.CondExpr):
            test = as_column(self.value(node.test)).truth
            other = "''" if node.expr2 is None else self._in_string_sql(node.expr2)
            return case((test, self._in_string_sql(node.expr1)), otherwise=other)
        own = _own_text(node)
        # The author's own text may have escapes of JSON in it.
        value = self.value(node) if own is None else ConstantValue(_read_json(f'"{own}"'))
        if isinstance(value, ColumnValue):
            self._count(value)
            return f"coalesce({value.text}, '')"
        column = as_column(ConstantValue(constant_text(value.value)))
        self._count(column)
        return column.text

    def _whole_value(self, node: nodes.Expr) -> ColumnValue:
        """Return what a leaf is read as when `node` writes all of its JSON."""
        if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
            test = as_column(self.value(node.test)).truth
            yes, no = self._whole_value(node.expr1), self._whole_value(node.expr2)
            return ColumnValue(case((test, yes.text), otherwise=no.text), Kind.ANY, 0)
        own = _own_text(node)
        if own is not None:
            self.size += len(own)
            return ColumnValue(self.leaf(_read_json(own)), Kind.ANY, 0)
        operand = _tojson_operand(node)
        if operand is not None:
            column = as_column(self.value(operand))
            self._count(column)
            return column
        return self._unquoted(node)

    def _unquoted(self, node: nodes.Expr) -> ColumnValue:
        """Return what a leaf is when a value is written without ``tojson`` and without quotes."""
        column = as_column(self.value(node))
        self._count(column)
        if column.kind == Kind.DATE:  # 2026-11-02 without quotes is not JSON
            raise NotCompilable
        if column.kind in (Kind.INT, Kind.FLOAT, Kind.FLAG):
            self.render_where(f"{column.sql} IS NULL")  # writes nothing: a problem of that row
            return column
        is_number = f"regexp_full_match({column.sql}, '{_JSON_NUMBER}')"
        self.render_where(f"coalesce(NOT {is_number}, true)")
        decimal = f"TRY_CAST({column.sql} AS DOUBLE)::VARCHAR"
        as_read = case((f"contains({column.sql}, '.')", decimal), otherwise=column.sql)
        return ColumnValue(as_read, Kind.ANY, 0)

    def _count(self, column: ColumnValue) -> None:
        """Add what a value may write: six characters for each when escaped, and two quotes."""
        self.size += 6 * column.size + 2


def _own_text(node: nodes.Expr) -> str | None:
    """Return the text that the author wrote, None for an expression."""
    if isinstance(node, nodes.TemplateData):
        return node.data
    if isinstance(node, nodes.Const):
        return node.value if isinstance(node.value, str) else constant_text(node.value)
    return None


def _tojson_operand(node: nodes.Expr) -> nodes.Expr | None:
    """Return the value of ``value | tojson``, None for another expression."""
    if not isinstance(node, nodes.Filter) or node.name != "tojson":
        return None
    return None if node.args or node.kwargs or node.dyn_args or node.dyn_kwargs else node.node


def _read_json(text: str) -> Any:
    """Return the author's JSON, with its numbers as they are written.

    Raises
    ------
    NotCompilable
        It is not JSON that every reader reads alike.
    """
    try:
        orjson.loads(text)
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=JsonLiteral,
            parse_float=JsonLiteral,
            parse_constant=_refuse_word,
        )
    except ValueError:
        raise NotCompilable from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; one with a key twice, or with a key made of cells, is refused."""
    made = dict(pairs)
    if len(made) < len(pairs) or any(_OPEN in name for name in made):
        raise NotCompilable
    return made


def _refuse_word(_: str) -> None:
    """Refuse ``NaN`` and ``Infinity``, which only Python reads."""
    raise NotCompilable


def _ends_in_string(text: str, in_string: bool) -> bool:
    """Return whether a string of the JSON is open behind `text`.

    Raises
    ------
    NotCompilable
        The text ends in a backslash: what the next value begins with would belong to it.
    """
    for mark in re.findall(r"\\.?|\"", text, re.DOTALL):
        if mark == "\\":
            raise NotCompilable
        if mark == '"':
            in_string = not in_string
    return in_string
