"""Expressions of a template, read for a whole column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from jinja2 import nodes

from shipkit.models import Address
from shipkit.orders.expressions import choose, stripped
from shipkit.orders.fields import Column
from shipkit.orders.mapping.compiler import filter_sql
from shipkit.orders.mapping.compiler.filter_calls import TWINS
from shipkit.orders.mapping.compiler.values import (
    ANY,
    CELL,
    DATE,
    FLAG,
    FLOAT,
    INT,
    MIXED,
    MOST_SQL,
    SIZES,
    TEXT,
    Cells,
    Same,
    Unlike,
    Value,
    cells_of,
    chosen,
    only,
    plain_text,
)
from shipkit.orders.mapping.environment import MAX_TEXT, ShipmentEnvironment
from shipkit.orders.mapping.rendering import cell_value
from shipkit.orders.mapping.templates import ROW_FAULTS, plain_value
from shipkit.schema import ADDRESS_FIELDS

__all__ = ["Reader"]


class Reader:
    """Turns expressions into values, and notes for which rows they do not hold."""

    def __init__(self, columns: Sequence[Column], shipper: Address) -> None:
        self.by_key = {column.key: column for column in columns}
        self.by_heading = {column.name: column.key for column in columns}
        self.shipper = {name: plain_value(value) for name, value in shipper.model_dump().items()}
        self.environment = ShipmentEnvironment()
        self.variables: dict[str, Value] = {}
        self.odd: dict[str, None] = {}
        """Conditions of the rows that have to be rendered."""

    def leave(self, condition: str) -> None:
        """Leave the rows where `condition` holds to rendering."""
        self.odd[condition] = None

    def value(self, node: nodes.Node) -> Value:
        """Return what an expression is. Raises Unlike when that cannot be said for a whole column."""
        reading = self.readings.get(type(node))
        if reading is None:
            raise Unlike
        made = reading(self, node)
        if isinstance(made, Cells) and (made.size > MAX_TEXT or len(made.sql) > MOST_SQL):
            raise Unlike
        return made

    def key(self, node: nodes.Node | None) -> str | None:
        """Return the key that ``row.key`` or ``row["Heading"]`` reads, whether there is such a column or not."""
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

    def _column(self, key: str) -> Cells:
        column = self.by_key.get(key)
        if column is None:
            raise Unlike
        sql = cell_value(column)
        if column.type == "DATE":
            self.leave(f"{sql} NOT BETWEEN DATE '1000-01-01' AND DATE '9999-12-31'")
            return Cells(sql, DATE, SIZES[DATE])
        if column.type in ("BIGINT", "INTEGER", "SMALLINT", "TINYINT"):
            return Cells(f"{sql}::BIGINT", INT, SIZES[INT])
        if column.type in ("DOUBLE", "FLOAT", "BOOLEAN"):
            kind = FLAG if column.type == "BOOLEAN" else FLOAT
            return Cells(f"({sql})", kind, SIZES[kind])
        sql = f"{sql}::VARCHAR" if column.type == "VARCHAR" else f"({sql})"
        self.leave(f"strlen({sql}) > {CELL}")
        return Cells(sql, TEXT, CELL)

    def _const(self, node: nodes.Const) -> Value:
        return Same(node.value)

    def _name(self, node: nodes.Name) -> Value:
        if node.name not in self.variables:
            raise Unlike
        return self.variables[node.name]

    def _attribute(self, node: nodes.Getattr) -> Value:
        key = self.key(node)
        if key is not None:
            return self._column(key)
        if (
            isinstance(node.node, nodes.Name)
            and node.node.name == "shipper"
            and node.attr in ADDRESS_FIELDS
        ):
            return Same(self.shipper[node.attr])
        raise Unlike

    def _item(self, node: nodes.Getitem) -> Value:
        key = self.key(node)
        if key is not None:
            return self._column(key)
        if (
            not isinstance(node.arg, nodes.Slice)
            or node.arg.start is not None
            or node.arg.step is not None
            or not isinstance(node.arg.stop, nodes.Const)
        ):
            raise Unlike
        text, end = self._text_cells(node.node), node.arg.stop.value
        if not isinstance(end, int) or isinstance(end, bool) or end < 0:
            raise Unlike
        self.leave(f"{text.sql} IS NULL")
        return Cells(f"substring({text.sql}, 1, {end})", TEXT, min(end, text.size))

    def _text_cells(self, node: nodes.Node) -> Cells:
        value = self.value(node)
        if not isinstance(value, Cells) or value.kind != TEXT:
            raise Unlike
        return value

    def _call(self, node: nodes.Call) -> Value:
        """Read the methods of texts that templates often call."""
        if (
            not isinstance(node.node, nodes.Getattr)
            or node.kwargs
            or node.dyn_args
            or node.dyn_kwargs
            or node.node.attr not in ("strip", "upper", "lower")
            or node.args
        ):
            raise Unlike
        text = self._text_cells(node.node.node)
        self.leave(f"{text.sql} IS NULL")
        return self.cased(node.node.attr, text)

    def cased(self, name: str, text: Cells) -> Cells:
        """Return a text stripped, or in the other case."""
        if name == "strip":
            return Cells(stripped(text.sql), TEXT, text.size)
        self.leave(filter_sql.odd_case(text.sql))
        return Cells(f"{name}({text.sql})", TEXT, text.size)

    def _concat(self, node: nodes.Concat) -> Value:
        values = [self.value(part) for part in node.nodes]
        if all(isinstance(value, Same) for value in values):
            return Same(
                "".join(plain_text(value.value) for value in values if isinstance(value, Same))
            )
        cells = [cells_of(value) for value in values]
        return Cells(
            "(" + " || ".join(f"coalesce({each.text}, '')" for each in cells) + ")",
            TEXT,
            sum(each.size for each in cells),
        )

    def _either(self, node: nodes.Or | nodes.And) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        first, second = (left, right) if isinstance(node, nodes.Or) else (right, left)
        if isinstance(left, Same):
            return first if left.value else second
        return chosen(left.truth, first, second)

    def _condition(self, node: nodes.CondExpr) -> Value:
        if node.expr2 is None:
            raise Unlike
        test, yes, no = self.value(node.test), self.value(node.expr1), self.value(node.expr2)
        if isinstance(test, Same):
            return yes if test.value else no
        return chosen(test.truth, yes, no)

    def _negated(self, node: nodes.Not) -> Value:
        value = self.value(node.node)
        return (
            Same(not value.value)
            if isinstance(value, Same)
            else Cells(f"(NOT {value.truth})", FLAG, 5)
        )

    def _test(self, node: nodes.Test) -> Value:
        key = self.key(node.node)
        if node.args or node.kwargs:
            raise Unlike
        if node.name in ("defined", "undefined") and key is not None:
            return Same((key in self.by_key) == (node.name == "defined"))
        if node.name == "none":
            value = self.value(node.node)
            return (
                Same(value.value is None)
                if isinstance(value, Same)
                else Cells(f"({value.sql} IS NULL)", FLAG, 5)
            )
        raise Unlike

    def _comparison(self, node: nodes.Compare) -> Value:
        if len(node.ops) != 1:
            raise Unlike
        (operand,) = node.ops
        left = self.value(node.expr)
        if operand.op in ("in", "notin"):
            words = (
                [item.value for item in operand.expr.items if isinstance(item, nodes.Const)]
                if isinstance(operand.expr, nodes.List | nodes.Tuple)
                else []
            )
            if (
                not words
                or len(words) < len(operand.expr.items)  # type: ignore[attr-defined]
                or not all(isinstance(word, str) and "\x00" not in word for word in words)
            ):
                raise Unlike
            found = choose(only(left, TEXT).sql, dict.fromkeys(words, "true"), "false")
            return Cells(f"({'NOT ' if operand.op == 'notin' else ''}{found})", FLAG, 5)
        right = self.value(operand.expr)
        if operand.op in ("eq", "ne"):
            cells = [cells_of(left), cells_of(right)]
            if cells[0].kind != cells[1].kind or cells[0].kind in (MIXED, ANY):
                raise Unlike
            return Cells(
                f"({cells[0].sql} IS {'NOT ' if operand.op == 'eq' else ''}DISTINCT FROM "
                f"{cells[1].sql})",
                FLAG,
                5,
            )
        sign = {"gt": ">", "gteq": ">=", "lt": "<", "lteq": "<="}[operand.op]
        if (
            not isinstance(right, Same)
            or isinstance(right.value, bool)
            or not isinstance(right.value, int | float)
            or abs(right.value) > 2**31
        ):
            raise Unlike
        cells_left = only(left, INT, FLOAT)
        self.leave(f"{cells_left.sql} IS NULL")
        return Cells(f"({cells_left.sql} {sign} {cells_of(right).sql})", FLAG, 5)

    def _table(self, node: nodes.Dict) -> Value:
        made = {}
        for pair in node.items:
            key, value = self.value(pair.key), self.value(pair.value)
            if not isinstance(key, Same) or not isinstance(value, Same):
                raise Unlike
            made[key.value] = value.value
        return Same(made)

    def _filter(self, node: nodes.Filter) -> Value:
        if node.node is None or node.name not in TWINS or node.dyn_args or node.dyn_kwargs:
            raise Unlike
        names, twin = TWINS[node.name]
        given = dict(zip(names, node.args, strict=False)) | {
            str(pair.key): pair.value for pair in node.kwargs
        }
        if len(given) < len(node.args) + len(node.kwargs) or not set(given) <= set(names):
            raise Unlike
        arguments = {name: self.value(argument) for name, argument in given.items()}
        key = self.key(node.node)
        if key is not None and key not in self.by_key:
            if node.name not in ("default", "d", "default_value"):
                raise Unlike
            return arguments.get(names[0], Same(""))
        value = self.value(node.node)
        if isinstance(value, Same) and all(
            isinstance(argument, Same) for argument in arguments.values()
        ):
            try:
                return Same(
                    self.environment.filters[node.name](
                        value.value,
                        **{
                            name: argument.value
                            for name, argument in arguments.items()
                            if isinstance(argument, Same)
                        },
                    )
                )
            except ROW_FAULTS:
                raise Unlike from None
        return twin(self, cells_of(value), arguments)

    readings: ClassVar[Mapping[type[nodes.Node], Callable[[Any, Any], Value]]] = {
        nodes.Const: _const,
        nodes.Name: _name,
        nodes.Getattr: _attribute,
        nodes.Getitem: _item,
        nodes.Call: _call,
        nodes.Concat: _concat,
        nodes.Or: _either,
        nodes.And: _either,
        nodes.CondExpr: _condition,
        nodes.Not: _negated,
        nodes.Test: _test,
        nodes.Compare: _comparison,
        nodes.Dict: _table,
        nodes.Filter: _filter,
    }
