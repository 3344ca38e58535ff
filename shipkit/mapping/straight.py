"""The template producer for straight templates: each leaf becomes an expression over whole columns, and no row is rendered.

A template is straight when it writes one JSON object whose leaves are constants, or cells with filters, ``~``, ``or`` and ``if ... else``
that have an exact twin in SQL (:mod:`shipkit.mapping.twins`). Rows with cells of which only Python can tell what they become, such as a
very long text or one that makes the template fail, are rendered one by one beside the others; any other template is rendered as a whole.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import duckdb
import orjson
from jinja2 import nodes

from shipkit.expressions import choose, filled, is_number, quote, stripped
from shipkit.fields import Column
from shipkit.filters import LENGTHS, WEIGHTS, Scale
from shipkit.mapping import twins
from shipkit.mapping.mapped import ADDRESS_LEAVES, ITEM_LEAVES, LEAVES, PARCEL_LEAVES, Mapped, MappingSpec
from shipkit.mapping.rendering import cell_value, fed_fields, filled_by_defaults, mapped_sql, render_rows
from shipkit.mapping.sandbox import MAX_OUTPUT, MAX_TEXT, OverBudget, ShipmentEnvironment
from shipkit.mapping.templates import ROW_FAULTS, compile_template, plain_value
from shipkit.models import Address
from shipkit.table import ADDRESS_FIELDS, PROBLEMS

__all__ = ["map_template"]

_CELL: Final = 300
"""Bytes of a cell beyond which its row is rendered: filters for codes read no further, and no budget can be spent below."""
_SQL: Final = 400_000
"""Characters of a statement beyond which rendering is the better way."""
_OPEN, _CLOSE = "\ue000", "\ue001"

_TEXT, _INT, _FLOAT, _FLAG, _DATE = "text", "int", "float", "flag", "date"
_MIXED: Final = "mixed"
"""A text or a number, as text."""
_ANY: Final = "any"
"""A text, a number or a flag, as it is written."""
_SIZES: Final = {_INT: 20, _FLOAT: 25, _FLAG: 5, _DATE: 10}


class _Unlike(Exception):
    """A template that is not straight."""


@dataclass(frozen=True)
class _Cells:
    """A value that differs from row to row: SQL of its kind, and how many characters it has at most."""

    sql: str
    kind: str
    size: int

    @property
    def text(self) -> str:
        """SQL of the text that it is written as."""
        return self.sql if self.kind in (_TEXT, _MIXED, _ANY) else f"({self.sql})::VARCHAR"

    @property
    def truth(self) -> str:
        """SQL of what ``if`` makes of it."""
        if self.kind in (_MIXED, _ANY):
            raise _Unlike
        return f"coalesce({ {_TEXT: f'{self.sql} <> {quote(str())}', _FLAG: self.sql, _DATE: f'{self.sql} IS NOT NULL'}.get(self.kind, f'{self.sql} <> 0') }, false)"


@dataclass(frozen=True)
class _Same:
    """A value that is the same in every row."""

    value: Any

    def cells(self) -> _Cells:
        """Return it as SQL."""
        value = self.value
        if value is None:
            return _Cells("NULL::VARCHAR", _TEXT, 0)
        if isinstance(value, bool):
            return _Cells("true" if value else "false", _FLAG, 5)
        if isinstance(value, int) and abs(value) < 2**63:
            return _Cells(f"({value})::BIGINT", _INT, 20)
        if isinstance(value, float) and math.isfinite(value):
            return _Cells(f"{quote(repr(value))}::DOUBLE", _FLOAT, 25)
        if not isinstance(value, str) or "\x00" in value:
            raise _Unlike
        return _Cells(quote(value.encode().decode()), _TEXT, len(value))


_Value = _Cells | _Same


def map_template(con: duckdb.DuckDBPyConnection, columns: Sequence[Column], spec: MappingSpec, shipper: Address, selection: str) -> Mapped:
    """Return the mapped relation that the template of `spec` makes of the selected orders: by whole columns where that says the same, else row by row.

    Raises
    ------
    TemplateError
        As :func:`shipkit.mapping.rendering.render_rows`.
    """
    compiled = compile_template(spec.template or "", tuple((column.name, column.key) for column in columns))
    made = None if compiled.lines or compiled.whole_row else _straight(columns, spec, shipper, selection)
    if made is None:
        return render_rows(con, columns, spec, shipper, selection)
    count, odd = con.execute(f"SELECT count(*), count(*) FILTER ({made.odd}) FROM {selection}").fetchall()[0]
    if odd == count:
        return render_rows(con, columns, spec, shipper, selection)
    rest: Mapped | None = None
    written, others = f"({made.written})", ""
    if odd:
        con.execute(f"CREATE OR REPLACE TEMP VIEW odd_orders AS SELECT * FROM {selection} WHERE {made.odd}")
        rest = render_rows(con, columns, spec, shipper, "odd_orders", others=count - odd)
        written, others = f"({made.written} WHERE NOT {made.odd})", f" UNION ALL SELECT * FROM {rest.relation}"
    con.execute(f"CREATE OR REPLACE TEMP VIEW mapped AS {mapped_sql(spec, written)}{others}")
    defaulted = filled_by_defaults(con, spec, written)
    return Mapped(
        relation="mapped", template=spec.template or "", problems=rest.problems if rest else PROBLEMS.empty_table(), nested=made.nested or (rest is not None and rest.nested),
        fields=fed_fields(compiled, columns), defaulted={name: number + (rest.defaulted[name] if rest else 0) for name, number in defaulted.items()},
        filled=made.filled | {*spec.defaults, *(("service",) if spec.service is not None else ()), *(("ship_date",) if spec.ship_date is not None else ())},
    )


@dataclass(frozen=True)
class _Made:
    """A straight template: the relation of what it writes, a condition for the rows that have to be rendered, and what it fills."""

    written: str
    odd: str
    nested: bool
    filled: frozenset[str]


def _straight(columns: Sequence[Column], spec: MappingSpec, shipper: Address, selection: str) -> _Made | None:
    """Return the template of `spec` as SQL, or None when it has to be rendered."""
    writer = _Writer(columns, shipper)
    try:
        made = _relation(writer, writer.shape(spec.template or ""), spec, selection)
    except (_Unlike, OverBudget, RecursionError, UnicodeEncodeError):
        return None
    return made if writer.size <= MAX_OUTPUT and len(made.written) + len(made.odd) <= _SQL else None


# -- the JSON that a template writes -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Literal:
    """A number, flag or null of the author's own JSON, as it stands there."""

    text: str


def _unknown_word(_: str) -> None:
    raise _Unlike


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs) or any(_OPEN in name for name in made):
        raise _Unlike
    return made


def _read_json(text: str) -> Any:
    """Read the author's JSON, numbers left as they are. Raises _Unlike unless every reader reads it alike."""
    try:
        orjson.loads(text)
        return json.loads(text, object_pairs_hook=_pairs, parse_int=_Literal, parse_float=_Literal, parse_constant=_unknown_word)
    except ValueError:
        raise _Unlike from None


def _ends_inside(text: str, inside: bool) -> bool:
    """Return whether a string of the JSON is open behind `text`. Raises _Unlike when a backslash is."""
    for mark in re.findall(r"\\.?|\"", text, re.DOTALL):
        if mark == "\\":
            raise _Unlike
        if mark == '"':
            inside = not inside
    return inside


class _Writer:
    """Turns what stands between the author's own JSON into SQL, and notes for which rows that does not hold."""

    def __init__(self, columns: Sequence[Column], shipper: Address) -> None:
        self.by_key = {column.key: column for column in columns}
        self.by_heading = {column.name: column.key for column in columns}
        self.shipper = {name: plain_value(value) for name, value in shipper.model_dump().items()}
        self.environment = ShipmentEnvironment()
        self.variables: dict[str, _Value] = {}
        self.odd: dict[str, None] = {}
        self.size = 0
        self.parts: list[tuple[_Cells, bool]] = []

    # what is written

    def shape(self, text: str) -> dict[str, Any]:
        """Return the object that the template writes, with marks where cells stand."""
        if re.search(rf"(?i)[{_OPEN}{_CLOSE}]|\\u0*e00[01]", text):
            raise _Unlike
        written, inside = "", False
        for node in self.environment.parse(text).body:
            if isinstance(node, nodes.Assign) and isinstance(node.target, nodes.Name) and node.target.name not in ("row", "lines", "shipper", "range", "namespace"):
                self.variables[node.target.name] = self.value(node.node)
                continue
            if not isinstance(node, nodes.Output):
                raise _Unlike
            for child in node.nodes:
                own = self._own(child)
                if own is None:
                    self.parts.append((_Cells(self._inside(child), _TEXT, 0) if inside else self._alone(child), inside))
                    mark = f"{_OPEN}{len(self.parts) - 1}{_CLOSE}"
                    written += mark if inside else f'"{mark}"'
                    continue
                inside = _ends_inside(own, inside)
                written += own
        self.size += len(written)
        shape = _read_json(written)
        if not isinstance(shape, dict):
            raise _Unlike
        return shape

    def leaf(self, value: Any, kinds: Sequence[str] = ()) -> str:
        """Return SQL of the text that a leaf of :meth:`shape` is read as; of the value itself where it is of one of `kinds`."""
        if value is None:
            return "NULL::VARCHAR"
        if isinstance(value, bool):
            return "'true'" if value else "'false'"
        if isinstance(value, _Literal):
            return f"from_json({quote(f'[{value.text}]')}, '[\"VARCHAR\"]')[1]"
        if not isinstance(value, str) or "\x00" in value:
            raise _Unlike
        pieces = re.split(f"{_OPEN}([0-9]+){_CLOSE}", value)
        parts = [self.parts[int(number)] for number in pieces[1::2]]
        if parts and not parts[0][1]:
            return parts[0][0].sql if parts[0][0].kind in kinds else parts[0][0].text
        texts = [quote(piece.encode().decode()) for piece in pieces[::2]]
        joined = [text for pair in zip(texts, (part.sql for part, _ in parts), strict=False) for text in pair]
        return " || ".join(text for text in (*joined, texts[-1]) if text != "''") or "''"

    def _own(self, node: nodes.Expr) -> str | None:
        """Return what the author wrote himself: text, or a constant."""
        if isinstance(node, nodes.TemplateData):
            return node.data
        if isinstance(node, nodes.Const):
            return node.value if isinstance(node.value, str) else _plain_text(node.value)
        return None

    def _inside(self, node: nodes.Expr) -> str:
        """Return SQL of what is written inside a string of the JSON."""
        if isinstance(node, nodes.CondExpr):
            test = self.value(node.test)
            return f"CASE WHEN {test.cells().truth if isinstance(test, _Same) else test.truth} THEN {self._inside(node.expr1)} ELSE {self._inside(node.expr2) if node.expr2 is not None else quote('')} END"
        own = self._own(node)
        if own is not None:
            value: _Value = _Same(_read_json(f'"{own}"'))
        else:
            value = self.value(node)
        if isinstance(value, _Same):
            value = _Same(_plain_text(value.value))
        cells = _cells(value)
        self.size += 6 * cells.size
        return cells.text if isinstance(value, _Same) else f"coalesce({cells.text}, '')"

    def _alone(self, node: nodes.Expr) -> _Cells:
        """Return what a leaf is when `node` writes all of its JSON."""
        if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
            return _Cells(f"CASE WHEN {_cells(self.value(node.test)).truth} THEN {self._alone(node.expr1).text} ELSE {self._alone(node.expr2).text} END", _ANY, 0)
        own = self._own(node)
        if own is not None:
            self.size += len(own)
            return _Cells(self.leaf(_read_json(own)), _ANY, 0)
        if isinstance(node, nodes.Filter) and node.name == "tojson" and node.node is not None and not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs):
            cells = _cells(self.value(node.node))
            self.size += 6 * cells.size + 2
            return cells
        cells = _cells(self.value(node))
        self.size += 6 * cells.size
        if cells.kind == _DATE:
            raise _Unlike
        if cells.kind in (_INT, _FLOAT, _FLAG):
            self._render(f"{cells.sql} IS NULL")
            return cells
        self._render(rf"coalesce(NOT regexp_full_match({cells.sql}, '-?[1-9][0-9]{{0,14}}(?:\.[0-9]{{1,15}})?|0(?:\.[0-9]{{1,15}})?'), true)")
        return _Cells(f"CASE WHEN contains({cells.sql}, '.') THEN TRY_CAST({cells.sql} AS DOUBLE)::VARCHAR ELSE {cells.sql} END", _ANY, 0)

    def _render(self, condition: str) -> None:
        """Leave the rows where `condition` holds to rendering."""
        self.odd[condition] = None

    # expressions

    def value(self, node: nodes.Node) -> _Value:
        """Return what an expression is. Raises _Unlike when that cannot be said for a whole column."""
        reading = self.readings.get(type(node))
        if reading is None:
            raise _Unlike
        made = reading(self, node)
        if isinstance(made, _Cells) and (made.size > MAX_TEXT or len(made.sql) > _SQL):
            raise _Unlike
        return made

    def _key(self, node: nodes.Node | None) -> str | None:
        """Return the key that ``row.key`` or ``row["Heading"]`` reads, whether there is such a column or not."""
        if not (isinstance(node, nodes.Getattr | nodes.Getitem) and isinstance(node.node, nodes.Name) and node.node.name == "row"):
            return None
        if isinstance(node, nodes.Getattr):
            return node.attr
        heading = node.arg.value if isinstance(node.arg, nodes.Const) else None
        return self.by_heading.get(heading, heading) if isinstance(heading, str) else None

    def _column(self, key: str) -> _Cells:
        column = self.by_key.get(key)
        if column is None:
            raise _Unlike
        sql = cell_value(column)
        if column.type == "DATE":
            self._render(f"{sql} NOT BETWEEN DATE '1000-01-01' AND DATE '9999-12-31'")
            return _Cells(sql, _DATE, _SIZES[_DATE])
        if column.type in ("BIGINT", "INTEGER", "SMALLINT", "TINYINT"):
            return _Cells(f"{sql}::BIGINT", _INT, _SIZES[_INT])
        if column.type in ("DOUBLE", "FLOAT", "BOOLEAN"):
            kind = _FLAG if column.type == "BOOLEAN" else _FLOAT
            return _Cells(f"({sql})", kind, _SIZES[kind])
        sql = f"{sql}::VARCHAR" if column.type == "VARCHAR" else f"({sql})"
        self._render(f"strlen({sql}) > {_CELL}")
        return _Cells(sql, _TEXT, _CELL)

    def _const(self, node: nodes.Const) -> _Value:
        return _Same(node.value)

    def _name(self, node: nodes.Name) -> _Value:
        if node.name not in self.variables:
            raise _Unlike
        return self.variables[node.name]

    def _attribute(self, node: nodes.Getattr) -> _Value:
        key = self._key(node)
        if key is not None:
            return self._column(key)
        if isinstance(node.node, nodes.Name) and node.node.name == "shipper" and node.attr in ADDRESS_FIELDS:
            return _Same(self.shipper[node.attr])
        raise _Unlike

    def _item(self, node: nodes.Getitem) -> _Value:
        key = self._key(node)
        if key is not None:
            return self._column(key)
        if not isinstance(node.arg, nodes.Slice) or node.arg.start is not None or node.arg.step is not None or not isinstance(node.arg.stop, nodes.Const):
            raise _Unlike
        text, end = self._text_cells(node.node), node.arg.stop.value
        if not isinstance(end, int) or isinstance(end, bool) or end < 0:
            raise _Unlike
        self._render(f"{text.sql} IS NULL")
        return _Cells(f"substring({text.sql}, 1, {end})", _TEXT, min(end, text.size))

    def _text_cells(self, node: nodes.Node) -> _Cells:
        value = self.value(node)
        if not isinstance(value, _Cells) or value.kind != _TEXT:
            raise _Unlike
        return value

    def _call(self, node: nodes.Call) -> _Value:
        """Read the methods of texts that templates often call."""
        if not isinstance(node.node, nodes.Getattr) or node.kwargs or node.dyn_args or node.dyn_kwargs or node.node.attr not in ("strip", "upper", "lower") or node.args:
            raise _Unlike
        text = self._text_cells(node.node.node)
        self._render(f"{text.sql} IS NULL")
        return self._cased(node.node.attr, text)

    def _cased(self, name: str, text: _Cells) -> _Cells:
        if name == "strip":
            return _Cells(stripped(text.sql), _TEXT, text.size)
        self._render(twins.odd_case(text.sql))
        return _Cells(f"{name}({text.sql})", _TEXT, text.size)

    def _concat(self, node: nodes.Concat) -> _Value:
        values = [self.value(part) for part in node.nodes]
        if all(isinstance(value, _Same) for value in values):
            return _Same("".join(_plain_text(value.value) for value in values if isinstance(value, _Same)))
        cells = [_cells(value) for value in values]
        return _Cells("(" + " || ".join(f"coalesce({each.text}, '')" for each in cells) + ")", _TEXT, sum(each.size for each in cells))

    def _either(self, node: nodes.Or | nodes.And) -> _Value:
        left, right = self.value(node.left), self.value(node.right)
        first, second = (left, right) if isinstance(node, nodes.Or) else (right, left)
        if isinstance(left, _Same):
            return first if left.value else second
        return _chosen(left.truth, first, second)

    def _condition(self, node: nodes.CondExpr) -> _Value:
        if node.expr2 is None:
            raise _Unlike
        test, yes, no = self.value(node.test), self.value(node.expr1), self.value(node.expr2)
        if isinstance(test, _Same):
            return yes if test.value else no
        return _chosen(test.truth, yes, no)

    def _negated(self, node: nodes.Not) -> _Value:
        value = self.value(node.node)
        return _Same(not value.value) if isinstance(value, _Same) else _Cells(f"(NOT {value.truth})", _FLAG, 5)

    def _test(self, node: nodes.Test) -> _Value:
        key = self._key(node.node)
        if node.args or node.kwargs:
            raise _Unlike
        if node.name in ("defined", "undefined") and key is not None:
            return _Same((key in self.by_key) == (node.name == "defined"))
        if node.name == "none":
            value = self.value(node.node)
            return _Same(value.value is None) if isinstance(value, _Same) else _Cells(f"({value.sql} IS NULL)", _FLAG, 5)
        raise _Unlike

    def _comparison(self, node: nodes.Compare) -> _Value:
        if len(node.ops) != 1:
            raise _Unlike
        (operand,) = node.ops
        left = self.value(node.expr)
        if operand.op in ("in", "notin"):
            words = [item.value for item in operand.expr.items if isinstance(item, nodes.Const)] if isinstance(operand.expr, nodes.List | nodes.Tuple) else []
            if not words or len(words) < len(operand.expr.items) or not all(isinstance(word, str) and "\x00" not in word for word in words):  # type: ignore[attr-defined]
                raise _Unlike
            found = choose(_only(left, _TEXT).sql, dict.fromkeys(words, "true"), "false")
            return _Cells(f"({'NOT ' if operand.op == 'notin' else ''}{found})", _FLAG, 5)
        right = self.value(operand.expr)
        if operand.op in ("eq", "ne"):
            cells = [_cells(left), _cells(right)]
            if cells[0].kind != cells[1].kind or cells[0].kind in (_MIXED, _ANY):
                raise _Unlike
            return _Cells(f"({cells[0].sql} IS {'NOT ' if operand.op == 'eq' else ''}DISTINCT FROM {cells[1].sql})", _FLAG, 5)
        sign = {"gt": ">", "gteq": ">=", "lt": "<", "lteq": "<="}[operand.op]
        if not isinstance(right, _Same) or isinstance(right.value, bool) or not isinstance(right.value, int | float) or abs(right.value) > 2**31:
            raise _Unlike
        cells_left = _only(left, _INT, _FLOAT)
        self._render(f"{cells_left.sql} IS NULL")
        return _Cells(f"({cells_left.sql} {sign} {_cells(right).sql})", _FLAG, 5)

    def _table(self, node: nodes.Dict) -> _Value:
        made = {}
        for pair in node.items:
            key, value = self.value(pair.key), self.value(pair.value)
            if not isinstance(key, _Same) or not isinstance(value, _Same):
                raise _Unlike
            made[key.value] = value.value
        return _Same(made)

    # filters

    def _filter(self, node: nodes.Filter) -> _Value:
        if node.node is None or node.name not in self.twins or node.dyn_args or node.dyn_kwargs:
            raise _Unlike
        names, twin = self.twins[node.name]
        given = dict(zip(names, node.args, strict=False)) | {str(pair.key): pair.value for pair in node.kwargs}
        if len(given) < len(node.args) + len(node.kwargs) or not set(given) <= set(names):
            raise _Unlike
        arguments = {name: self.value(argument) for name, argument in given.items()}
        key = self._key(node.node)
        if key is not None and key not in self.by_key:
            if node.name not in ("default", "d", "default_value"):
                raise _Unlike
            return arguments.get(names[0], _Same(""))
        value = self.value(node.node)
        if isinstance(value, _Same) and all(isinstance(argument, _Same) for argument in arguments.values()):
            try:
                return _Same(self.environment.filters[node.name](value.value, **{name: argument.value for name, argument in arguments.items() if isinstance(argument, _Same)}))
            except ROW_FAULTS:
                raise _Unlike from None
        return twin(self, _cells(value), arguments)

    def _default(self, value: _Cells, arguments: Mapping[str, _Value]) -> _Value:
        if not _constant(arguments, "boolean", otherwise=False):
            return value
        return _chosen(value.truth, value, arguments.get("default_value", _Same("")))

    def _default_value(self, value: _Cells, arguments: Mapping[str, _Value]) -> _Value:
        default = arguments.get("default", _Same(""))
        kind, texts = _together(value, default)
        if value.kind in (_TEXT, _MIXED, _ANY):
            return _Cells(filled(value.sql, _cells(default).text), kind, max(value.size, _cells(default).size))
        return _Cells(f"coalesce({texts[0]}, {texts[1]})", kind, max(value.size, _cells(default).size))

    def _trim(self, value: _Cells, _: Mapping[str, _Value]) -> _Value:
        return self._cased("strip", _plain(value))

    def _upper(self, value: _Cells, _: Mapping[str, _Value]) -> _Value:
        return self._cased("upper", _plain(value))

    def _lower(self, value: _Cells, _: Mapping[str, _Value]) -> _Value:
        return self._cased("lower", _plain(value))

    def _string(self, value: _Cells, _: Mapping[str, _Value]) -> _Value:
        return _Cells(f"coalesce({value.text}, '')", _TEXT, value.size)

    def _truncated(self, value: _Cells, arguments: Mapping[str, _Value]) -> _Value:
        length = _whole(arguments, "length", 35)
        if length < 1:
            raise _Unlike
        return replace(_plain(value), sql=twins.truncated(_plain(value).sql, length))

    def _split(self, value: _Cells, arguments: Mapping[str, _Value]) -> _Value:
        return replace(_plain(value), sql=twins.split_name(_plain(value).sql, str(_constant(arguments, "part", "first"))))

    def _clipped(self, value: _Cells) -> _Cells:
        """Return a value as the filters for codes and numbers read it: of a longer text they read the beginning."""
        text = _plain(value)
        if text.size > _CELL:
            self._render(f"length({text.sql}) > {_CELL}")
        return text

    def _place(self, arguments: Mapping[str, _Value], name: str) -> str | None:
        value = arguments.get(name, _Same(None))
        if isinstance(value, _Same) and value.value is None:
            return None
        cells = _plain(_cells(value))
        self._render(twins.odd_case(cells.sql))
        return cells.sql

    def _zip(self, value: _Cells, arguments: Mapping[str, _Value]) -> _Value:
        text = self._clipped(value)
        made = twins.padded_zip(text.sql, self._place(arguments, "country"), self._place(arguments, "state"))
        return _Cells(f"({made})", _TEXT if value.kind == _TEXT or "country" not in arguments else _MIXED, text.size + 10)

    def _rounded(self, value: _Cells, arguments: Mapping[str, _Value]) -> _Value:
        places = max(0, min(_whole(arguments, "places", 1), 6))
        if value.kind == _DATE:
            return value
        text = self._clipped(value)
        if value.kind in (_INT, _FLOAT):
            self._render(twins.odd_double(value.sql))
            return _Cells(f"({twins.rounded_number(f'({value.sql})::DOUBLE', places)})", _FLOAT, _SIZES[_FLOAT])
        self._render(twins.odd_number(text.sql))
        return _Cells(f"({twins.rounded(text.sql, places)})", _MIXED, text.size + 25)

    def _weight(self, value: _Cells, arguments: Mapping[str, _Value]) -> _Value:
        return self._converted(value, arguments, WEIGHTS)

    def _length(self, value: _Cells, arguments: Mapping[str, _Value]) -> _Value:
        return self._converted(value, arguments, LENGTHS)

    def _converted(self, value: _Cells, arguments: Mapping[str, _Value], scale: Scale) -> _Value:
        goal = scale.unit(_constant(arguments, "to_unit", next(iter(scale.units))))
        if goal is None or "from_unit" not in arguments:
            raise _Unlike
        if value.kind == _DATE:
            return value
        text, unit = self._clipped(value), arguments["from_unit"]
        if value.kind == _FLOAT:
            self._render(f"abs({value.sql}) > 1e300")
        elif value.kind != _INT:
            self._render(twins.odd_number(text.sql))
        if isinstance(unit, _Same):
            known = scale.unit(unit.value)
            if known is None:
                cells = _plain(_cells(unit))
                return _Cells(f"({_with_unit(text.sql, cells.sql)})", _MIXED, text.size + cells.size + 1)
            if value.kind in (_INT, _FLOAT):
                return _Cells(f"(({value.sql})::DOUBLE{_steps(scale, known, goal)})", _FLOAT, _SIZES[_FLOAT])
            return _Cells(f"({twins.converted(text.sql, _steps(scale, known, goal))})", _MIXED, text.size + 25)
        words = _only(unit, _TEXT)
        self._render(twins.odd_case(words.sql))
        named = choose(twins.unit_key(words.sql), {name: quote(known) for name, known in scale.spellings.items()}, "''")
        cases = {known: twins.converted(text.sql, _steps(scale, known, goal)) for known in scale.units}
        return _Cells(f"({choose(named, cases, _with_unit(text.sql, words.sql))})", _MIXED, text.size + words.size + 26)

    def _service(self, value: _Cells, arguments: Mapping[str, _Value]) -> _Value:
        text, default = self._clipped(value), _cells(_Same(_constant(arguments, "default", None)))
        if default.kind == _FLAG:
            raise _Unlike
        return _Cells(f"({twins.service_code(text.sql, default.text)})", _TEXT if default.kind == _TEXT else _MIXED, max(2, default.size))

    def _translated(self, value: _Cells, arguments: Mapping[str, _Value]) -> _Value:
        table = _constant(arguments, "table", None)
        if not isinstance(table, dict) or not all(isinstance(name, str) and "\x00" not in name for name in table):
            raise _Unlike
        text = _plain(value)
        self._render(twins.odd_case(text.sql))
        meanings: dict[str, _Cells] = {}
        for name, meaning in table.items():
            meanings.setdefault(name.strip(" \t\r\n\f").lower(), _cells(_Same(meaning)))
        kind, texts = _together(value, *meanings.values())
        return _Cells(f"({twins.translated(text.sql, dict(zip(meanings, texts[1:], strict=True)), texts[0])})", kind, max([value.size, *(each.size for each in meanings.values())]))

    def _date(self, value: _Cells, _: Mapping[str, _Value]) -> _Value:
        if value.kind == _DATE:
            return _Cells(f"strftime({value.sql}, '%Y%m%d')", _TEXT, 8)
        text = self._clipped(value)
        self._render(twins.odd_date(text.sql))
        return _Cells(twins.ups_date(text.sql), _TEXT if value.kind == _TEXT else _MIXED, text.size)

    def _phone(self, value: _Cells, _: Mapping[str, _Value]) -> _Value:
        return _Cells(f"({twins.ups_phone(self._clipped(value).sql)})", _TEXT, 15)

    readings: ClassVar[Mapping[type[nodes.Node], Callable[[Any, Any], _Value]]] = {
        nodes.Const: _const, nodes.Name: _name, nodes.Getattr: _attribute, nodes.Getitem: _item, nodes.Call: _call, nodes.Concat: _concat,
        nodes.Or: _either, nodes.And: _either, nodes.CondExpr: _condition, nodes.Not: _negated, nodes.Test: _test, nodes.Compare: _comparison,
        nodes.Dict: _table, nodes.Filter: _filter,
    }

    twins: ClassVar[Mapping[str, tuple[tuple[str, ...], Callable[[Any, _Cells, Mapping[str, _Value]], _Value]]]] = {
        "default": (("default_value", "boolean"), _default), "d": (("default_value", "boolean"), _default), "default_value": (("default",), _default_value),
        "trim": ((), _trim), "upper": ((), _upper), "lower": ((), _lower), "string": ((), _string),
        "truncate_address": (("length",), _truncated), "split_name": (("part",), _split), "format_us_zip": (("country", "state"), _zip),
        "round_weight": (("places",), _rounded), "convert_weight": (("from_unit", "to_unit"), _weight), "convert_length": (("from_unit", "to_unit"), _length),
        "lookup_service_code": (("default",), _service), "translate": (("table",), _translated), "to_ups_date": ((), _date), "to_ups_phone": ((), _phone),
    }
    """Filter -> names of its arguments, its twin."""


def _plain_text(value: Any) -> str:
    """Return a constant as it is written inside a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise _Unlike


def _cells(value: _Value) -> _Cells:
    return value.cells() if isinstance(value, _Same) else value


def _only(value: _Value, *kinds: str) -> _Cells:
    if not isinstance(value, _Cells) or value.kind not in kinds:
        raise _Unlike
    return value


def _plain(value: _Cells) -> _Cells:
    """Return a value as the text that ``str()`` makes of it: flags read otherwise there."""
    if value.kind in (_FLAG, _ANY):
        raise _Unlike
    return _Cells(value.text, _TEXT, value.size)


def _together(*values: _Value) -> tuple[str, list[str]]:
    """Return the kind that holds all of the values, and their SQL in it."""
    cells = [_cells(value) for value in values]
    kinds = {each.kind for each, value in zip(cells, values, strict=True) if not (isinstance(value, _Same) and value.value is None)} or {_TEXT}
    if len(kinds) == 1 and kinds == {each.kind for each in cells}:
        return cells[0].kind, [each.sql for each in cells]
    return (_ANY if kinds & {_FLAG, _ANY} else _MIXED) if len(kinds) > 1 or kinds != {_TEXT} else _TEXT, [each.text for each in cells]


def _chosen(test: str, yes: _Value, no: _Value) -> _Cells:
    kind, (first, second) = _together(yes, no)
    return _Cells(f"(CASE WHEN {test} THEN {first} ELSE {second} END)", kind, max(_cells(yes).size, _cells(no).size))


def _constant(arguments: Mapping[str, _Value], name: str, otherwise: Any = None) -> Any:
    value = arguments.get(name, _Same(otherwise))
    if not isinstance(value, _Same):
        raise _Unlike
    return value.value


def _whole(arguments: Mapping[str, _Value], name: str, otherwise: int) -> int:
    value = _constant(arguments, name, otherwise)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Unlike
    return value


def _steps(scale: Scale, unit: str, goal: str) -> str:
    return "".join(f" {sign} {quote(repr(factor))}::DOUBLE" for sign, factor in scale.steps(unit, goal))


def _with_unit(text: str, unit: str) -> str:
    return f"CASE WHEN {is_number(text)} THEN {text} || ' ' || {unit} ELSE {text} END"


# -- the relation -----------------------------------------------------------------------------------------------


def _relation(writer: _Writer, shape: Mapping[str, Any], spec: MappingSpec, selection: str) -> _Made:
    """Return the relation of what a template of this shape writes. Raises _Unlike when that is not a shipment."""
    parts = {name: shape.get(name) for name in _PARTS}
    address, origin, customs, parcels, references = (parts[name] for name in ("ship_to", "ship_from", "customs", "parcels", "references"))
    known = [(shape, {*LEAVES, *_PARTS} - {*ADDRESS_LEAVES, *PARCEL_LEAVES, "parcel_description"} | {"description"}), (address, set(ADDRESS_LEAVES)), (origin, set(ADDRESS_LEAVES))]
    items = (customs or {}).get("items") if isinstance(customs, dict) or customs is None else _refuse()
    known += [(customs, {"items", *_PAPERS}), *((parcel, set(PARCEL_LEAVES)) for parcel in _listed(parcels)), *((item, set(ITEM_LEAVES)) for item in _listed(items))]
    if any(part is not None and not (isinstance(part, dict) and part and set(part) <= names) for part, names in known):
        raise _Unlike
    if references is not None and not isinstance(references, dict):
        raise _Unlike
    first = _listed(parcels)[0] if parcels else {}
    written = {name: value for name, value in shape.items() if name not in _PARTS} | (address or {}) | {("parcel_description" if name == "description" else name): value for name, value in first.items()}
    leaves = {name: writer.leaf(written[name], () if name in spec.defaults else _TYPED.get(name, ())) for name in LEAVES if written.get(name) is not None}
    pairs = ", ".join(f"{{key: {quote(name)}, value: {writer.leaf(value)}}}" for name, value in (references or {}).items())
    texts = {
        **{name: leaves.get(name, "NULL::VARCHAR") for name in LEAVES}, '"references"': f"[{pairs}]::{_PAIRS}", "ship_from": _struct(writer, origin, ADDRESS_LEAVES),
        "more": _list(writer, _listed(parcels)[1:], PARCEL_LEAVES), "parcel_count": str(len(_listed(parcels))),
        "customs": _papers(writer, customs, items),
    }
    written_sql = f"SELECT row_number, row_numbers, source_file, {', '.join(f'{text} AS {name}' for name, text in texts.items())} FROM {selection}"
    odd = f"coalesce({' OR '.join(f'({condition})' for condition in writer.odd) or 'false'}, false)"
    return _Made(written_sql, odd, len(_listed(parcels)) != 1 or origin is not None or customs is not None, frozenset(leaves))


_TYPED: Final = {
    **dict.fromkeys(("weight_lb", "length_in", "width_in", "height_in"), (_INT, _FLOAT)), **dict.fromkeys(("residential", "saturday_delivery", "is_return"), (_FLAG,)), "ship_date": (_DATE,),
}
"""Leaves that the next stage takes as values and not only as text."""
_PARTS: Final = ("ship_to", "ship_from", "parcels", "references", "customs")
_PAPERS: Final = ("reason", "duties_payer", "invoice_number", "terms")
_PAIRS: Final = 'STRUCT("key" VARCHAR, "value" VARCHAR)[]'


def _refuse() -> Any:
    raise _Unlike


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or None in value:
        raise _Unlike
    return value


def _kind(names: Sequence[str]) -> str:
    return "STRUCT(" + ", ".join(f"{name} VARCHAR" for name in names) + ")"


def _struct(writer: _Writer, part: Mapping[str, Any] | None, names: Sequence[str]) -> str:
    if part is None:
        return f"NULL::{_kind(names)}"
    return "{" + ", ".join(f"{name}: {writer.leaf(part.get(name))}" for name in names) + "}"


def _list(writer: _Writer, parts: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    return f"[{', '.join(_struct(writer, part, names) for part in parts)}]::{_kind(names)}[]"


def _papers(writer: _Writer, customs: Mapping[str, Any] | None, items: Sequence[Mapping[str, Any]] | None) -> str:
    whole = f"STRUCT({', '.join(f'{name} VARCHAR' for name in _PAPERS)}, items {_kind(ITEM_LEAVES)}[])"
    if customs is None:
        return f"NULL::{whole}"
    listed = "NULL" if items is None else _list(writer, items, ITEM_LEAVES)
    return "{" + ", ".join(f"{name}: {writer.leaf(customs.get(name))}" for name in _PAPERS) + f", items: {listed}}}::{whole}"
