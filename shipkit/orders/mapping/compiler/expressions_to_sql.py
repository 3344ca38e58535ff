"""Expressions of a template, compiled for a whole column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from jinja2 import nodes

from shipkit.models import Address
from shipkit.orders.columns import Column
from shipkit.orders.expressions import choose, stripped
from shipkit.orders.filters import LONGEST_CELL, Filter, FilterCall, filters_for
from shipkit.orders.filters.column_values import (
    ColumnValue,
    ConstantValue,
    Kind,
    NotCompilable,
    Value,
    as_column,
    chosen,
    column_of,
)
from shipkit.orders.filters.text_filters import changed_case, template_text
from shipkit.orders.mapping.environment import ShipmentEnvironment
from shipkit.orders.mapping.template_limits import MAX_TEXT
from shipkit.orders.mapping.templates import ROW_FAULTS, cell_sql, plain_value
from shipkit.schema import ADDRESS_FIELDS
from shipkit.services import ServiceList

__all__ = ["MOST_SQL", "ExpressionCompiler", "constant_text"]

MOST_SQL: Final = 400_000
"""Characters of SQL beyond which rendering is faster than parsing and planning the statement."""

_WHOLE_NUMBERS: Final = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT")
_COMPARISONS: Final = {"gt": ">", "gteq": ">=", "lt": "<", "lteq": "<="}


class ExpressionCompiler:
    """Compiles expressions, and collects the conditions of rows that must be rendered.

    Every method raises NotCompilable for what has no exact form in SQL. That includes whatever
    would fail in some rows: a failing row is rendered, so that its problem has the usual text.
    """

    def __init__(self, columns: Sequence[Column], shipper: Address, offered: ServiceList) -> None:
        self.by_key = {column.key: column for column in columns}
        self.by_heading = {column.name: column.key for column in columns}
        self.shipper = {name: plain_value(value) for name, value in shipper.model_dump().items()}
        self.filters = filters_for(offered)
        self.environment = ShipmentEnvironment(offered)
        self.variables: dict[str, Value] = {}
        self.rendered_where: dict[str, None] = {}
        """SQL conditions of the rows that must be rendered; a dict, to keep each one once."""

    def render_where(self, condition: str) -> None:
        """Have the rows rendered where the SQL `condition` holds."""
        self.rendered_where[condition] = None

    def value(self, node: nodes.Node) -> Value:
        """Return what an expression is. Raises NotCompilable."""
        compile_node = self._by_node.get(type(node))
        if compile_node is None:
            raise NotCompilable
        made = compile_node(self, node)
        if isinstance(made, ColumnValue) and (made.size > MAX_TEXT or len(made.sql) > MOST_SQL):
            raise NotCompilable
        return made

    # cells, constants, names

    def key(self, node: nodes.Node | None) -> str | None:
        """Return the key that ``row.key`` or ``row["Heading"]`` reads, None for another node.

        The orders need not have that column.
        """
        if not (
            isinstance(node, nodes.Getattr | nodes.Getitem)
            and isinstance(node.node, nodes.Name)
            and node.node.name == "row"
        ):
            return None
        if isinstance(node, nodes.Getattr):
            return node.attr
        heading = node.arg.value if isinstance(node.arg, nodes.Const) else None
        return self.by_heading.get(heading, heading) if isinstance(heading, str) else None

    def _cell(self, key: str) -> ColumnValue:
        """Return a column of the orders as templates see it."""
        column = self.by_key.get(key)
        if column is None:
            raise NotCompilable
        sql = cell_sql(column)
        if column.type == "DATE":  # Python writes earlier years with fewer digits
            name = f'"{column.key}"'
            self.render_where(f"{name} NOT BETWEEN DATE '1000-01-01' AND DATE '9999-12-31'")
            return column_of(Kind.DATE, name)
        if column.type in _WHOLE_NUMBERS:
            return column_of(Kind.INT, f"{sql}::BIGINT")
        if column.type in ("DOUBLE", "FLOAT"):
            return column_of(Kind.FLOAT, f"({sql})")
        if column.type == "BOOLEAN":
            return column_of(Kind.FLAG, f"({sql})")
        sql = f"{sql}::VARCHAR" if column.type == "VARCHAR" else f"({sql})"
        self.render_where(f"strlen({sql}) > {LONGEST_CELL}")
        return ColumnValue(sql, Kind.TEXT, LONGEST_CELL)

    def _const(self, node: nodes.Const) -> Value:
        return ConstantValue(node.value)

    def _name(self, node: nodes.Name) -> Value:
        if node.name not in self.variables:
            raise NotCompilable
        return self.variables[node.name]

    def _attribute(self, node: nodes.Getattr) -> Value:
        key = self.key(node)
        if key is not None:
            return self._cell(key)
        if (
            isinstance(node.node, nodes.Name)
            and node.node.name == "shipper"
            and node.attr in ADDRESS_FIELDS
        ):
            return ConstantValue(self.shipper[node.attr])
        raise NotCompilable

    def _item(self, node: nodes.Getitem) -> Value:
        """Compile ``row["Heading"]``, or the slice ``text[:5]``."""
        key = self.key(node)
        if key is not None:
            return self._cell(key)
        if (
            not isinstance(node.arg, nodes.Slice)
            or node.arg.start is not None
            or node.arg.step is not None
            or not isinstance(node.arg.stop, nodes.Const)
        ):
            raise NotCompilable
        text, end = self._text(node.node), node.arg.stop.value
        if not isinstance(end, int) or isinstance(end, bool) or end < 0:
            raise NotCompilable
        self.render_where(f"{text.sql} IS NULL")  # None cannot be sliced: a problem of that row
        return ColumnValue(f"substring({text.sql}, 1, {end})", Kind.TEXT, min(end, text.size))

    def _text(self, node: nodes.Node) -> ColumnValue:
        value = self.value(node)
        if not isinstance(value, ColumnValue) or value.kind != Kind.TEXT:
            raise NotCompilable
        return value

    def _call(self, node: nodes.Call) -> Value:
        """Compile the methods of texts that templates often call."""
        arguments = (node.args, node.kwargs, node.dyn_args, node.dyn_kwargs)
        if not isinstance(node.node, nodes.Getattr) or any(arguments):
            raise NotCompilable
        name = node.node.attr
        if name not in ("strip", "upper", "lower"):
            raise NotCompilable
        text = self._text(node.node.node)
        self.render_where(f"{text.sql} IS NULL")  # None has no methods: a problem of that row
        if name == "strip":
            return ColumnValue(stripped(text.sql), Kind.TEXT, text.size)
        return changed_case(name, text, self.render_where)

    # operators

    def _concat(self, node: nodes.Concat) -> Value:
        values = [self.value(part) for part in node.nodes]
        constants = [value for value in values if isinstance(value, ConstantValue)]
        if len(constants) == len(values):
            return ConstantValue("".join(constant_text(value.value) for value in constants))
        columns = [as_column(value) for value in values]
        joined = " || ".join(f"coalesce({column.text}, '')" for column in columns)
        return ColumnValue(f"({joined})", Kind.TEXT, sum(column.size for column in columns))

    def _or_and(self, node: nodes.Or | nodes.And) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if_true, if_false = (left, right) if isinstance(node, nodes.Or) else (right, left)
        if isinstance(left, ConstantValue):
            return if_true if left.value else if_false
        return chosen(left.truth, if_true, if_false)

    def _not(self, node: nodes.Not) -> Value:
        value = self.value(node.node)
        if isinstance(value, ConstantValue):
            return ConstantValue(not value.value)
        return column_of(Kind.FLAG, f"(NOT {value.truth})")

    def _conditional(self, node: nodes.CondExpr) -> Value:
        if node.expr2 is None:
            raise NotCompilable
        test, yes, no = self.value(node.test), self.value(node.expr1), self.value(node.expr2)
        if isinstance(test, ConstantValue):
            return yes if test.value else no
        return chosen(test.truth, yes, no)

    def _test(self, node: nodes.Test) -> Value:
        """Compile ``is defined``, ``is undefined`` and ``is none``."""
        if node.args or node.kwargs:
            raise NotCompilable
        key = self.key(node.node)
        if node.name in ("defined", "undefined") and key is not None:
            return ConstantValue((key in self.by_key) == (node.name == "defined"))
        if node.name != "none":
            raise NotCompilable
        value = self.value(node.node)
        if isinstance(value, ConstantValue):
            return ConstantValue(value.value is None)
        return column_of(Kind.FLAG, f"({value.sql} IS NULL)")

    def _comparison(self, node: nodes.Compare) -> Value:
        if len(node.ops) != 1:
            raise NotCompilable
        (operand,) = node.ops
        left = self.value(node.expr)
        if operand.op in ("in", "notin"):
            return self._membership(left, operand)
        right = self.value(operand.expr)
        if operand.op in ("eq", "ne"):
            return self._equality(left, right, equal=operand.op == "eq")
        if (
            not isinstance(right, ConstantValue)
            or isinstance(right.value, bool)
            or not isinstance(right.value, int | float)
            or abs(right.value) > 2**31
        ):
            raise NotCompilable
        if not isinstance(left, ColumnValue) or left.kind not in (Kind.INT, Kind.FLOAT):
            raise NotCompilable
        self.render_where(f"{left.sql} IS NULL")  # None has no order: a problem of that row
        sign = _COMPARISONS[operand.op]
        return column_of(Kind.FLAG, f"({left.sql} {sign} {as_column(right).sql})")

    def _membership(self, left: Value, operand: nodes.Operand) -> ColumnValue:
        """Compile ``in`` and ``not in`` of a list of constant texts."""
        if not isinstance(left, ColumnValue) or left.kind != Kind.TEXT:
            raise NotCompilable
        if not isinstance(operand.expr, nodes.List | nodes.Tuple) or not operand.expr.items:
            raise NotCompilable
        words: list[str] = []
        for item in operand.expr.items:
            word = item.value if isinstance(item, nodes.Const) else None
            if not isinstance(word, str) or "\x00" in word:
                raise NotCompilable
            words.append(word)
        found = choose(left.sql, dict.fromkeys(words, "true"), "false")
        return column_of(Kind.FLAG, f"({'NOT ' if operand.op == 'notin' else ''}{found})")

    def _equality(self, left: Value, right: Value, *, equal: bool) -> ColumnValue:
        one, other = as_column(left), as_column(right)
        if one.kind != other.kind or one.kind in (Kind.MIXED, Kind.ANY):
            raise NotCompilable
        operator = "IS NOT DISTINCT FROM" if equal else "IS DISTINCT FROM"
        return column_of(Kind.FLAG, f"({one.sql} {operator} {other.sql})")

    def _dict(self, node: nodes.Dict) -> Value:
        """Compile a dict of constants: the table of ``translate``."""
        made = {}
        for pair in node.items:
            key, value = self.value(pair.key), self.value(pair.value)
            if not isinstance(key, ConstantValue) or not isinstance(value, ConstantValue):
                raise NotCompilable
            made[key.value] = value.value
        return ConstantValue(made)

    # filters

    def _filter(self, node: nodes.Filter) -> Value:
        declared = self.filters.get(node.name)
        if declared is None or declared.sql is None or node.node is None:
            raise NotCompilable
        arguments = self._arguments(node, declared)
        key = self.key(node.node)
        if key is not None and key not in self.by_key:
            if declared.name not in ("default", "default_value"):
                raise NotCompilable
            return arguments.get(declared.arguments[0], ConstantValue(""))
        value = self.value(node.node)
        constants = {
            name: argument.value
            for name, argument in arguments.items()
            if isinstance(argument, ConstantValue)
        }
        if isinstance(value, ConstantValue) and len(constants) == len(arguments):
            try:
                return ConstantValue(self.environment.filters[node.name](value.value, **constants))
            except ROW_FAULTS:
                raise NotCompilable from None
        return declared.sql(
            FilterCall(as_column(value), arguments, declared.reads_at_most, self.render_where)
        )

    def _arguments(self, node: nodes.Filter, declared: Filter) -> dict[str, Value]:
        """Return name -> value of the arguments given to a filter."""
        if node.dyn_args or node.dyn_kwargs or len(node.args) > len(declared.arguments):
            raise NotCompilable
        given = dict(zip(declared.arguments, node.args, strict=False))
        named = {str(pair.key): pair.value for pair in node.kwargs}
        if given.keys() & named.keys() or not named.keys() <= set(declared.arguments):
            raise NotCompilable
        return {name: self.value(argument) for name, argument in (given | named).items()}

    _by_node: ClassVar[Mapping[type[nodes.Node], Callable[[Any, Any], Value]]] = {
        nodes.Const: _const,
        nodes.Name: _name,
        nodes.Getattr: _attribute,
        nodes.Getitem: _item,
        nodes.Call: _call,
        nodes.Concat: _concat,
        nodes.Or: _or_and,
        nodes.And: _or_and,
        nodes.CondExpr: _conditional,
        nodes.Not: _not,
        nodes.Test: _test,
        nodes.Compare: _comparison,
        nodes.Dict: _dict,
        nodes.Filter: _filter,
    }


def constant_text(value: Any) -> str:
    """Return a constant as a template writes it inside a text. Raises NotCompilable."""
    try:
        return template_text(value)
    except TypeError:
        raise NotCompilable from None
