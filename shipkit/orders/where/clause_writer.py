"""SQL written from the parsed tree of a filter; whatever is not on a list is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from shipkit.common.sql import quoted
from shipkit.common.words import listed
from shipkit.errors import FilterError
from shipkit.orders.columns import Column
from shipkit.orders.expressions import quote
from shipkit.orders.where.allowed import COMPARE, JOIN, TYPES, VOLATILE
from shipkit.orders.where.bound_values import bindable, cast_type, is_nan_text, is_text
from shipkit.orders.where.function_calls import write_function
from shipkit.orders.where.parsing import nearest, refused, span
from shipkit.orders.where.traps import straight_quotes
from shipkit.orders.where.tree import arguments, is_in_without_brackets, literal_text

__all__ = ["ClauseWriter", "ColumnComparison"]

_BARE: Final = re.compile(
    r"[0-9]{1,60}(\.[0-9]{0,60})?([eE][+-]?[0-9]{1,4})?|\.[0-9]{1,60}([eE][+-]?[0-9]{1,4})?"
)
_MAX_DEPTH: Final = 60
_MAX_NAMED: Final = 40
"""Columns that a message lists."""
_IS_NULL: Final = "Write IS NULL or IS NOT NULL."
NOT_A_NUMBER: Final = "{} is not a number, and a comparison with it would keep every order."


@dataclass(frozen=True)
class ColumnComparison:
    """A column that a clause compares with fixed values: it explains an empty result."""

    key: str
    text: str
    """The comparison as the person wrote it."""


class ClauseWriter:
    """Writes the SQL of a clause, and keeps which columns and values it uses."""

    def __init__(self, clause: str, columns: Sequence[Column], params: Mapping[str, Any]) -> None:
        self.clause = clause
        self.known = list(columns)
        self.params = params
        self.bound: dict[str, Any] = {}
        self.columns: list[str] = []
        self.comparisons: list[ColumnComparison] = []

    def write(self, node: Mapping[str, Any], depth: int) -> str:
        """Return the SQL of one node."""
        if depth > _MAX_DEPTH:
            raise self.refused(
                node,
                "The filter is nested too deeply.",
                fix="Simplify it; bind long lists: order_id IN $ids.",
            )
        handler = _HANDLERS.get(str(node.get("class")))
        if handler is None:
            what, fix = _REFUSED_CLASSES.get(
                str(node.get("class")),
                ("this", "Write a plain condition on the columns of each order."),
            )
            raise self.refused(node, f"A filter cannot contain {what}.", fix=fix)
        if node.get("alias"):
            raise self.refused(node, "A condition cannot have a name.", fix="Remove AS.")
        return handler(self, node, depth + 1)

    def source(self, node: Mapping[str, Any]) -> str:
        """Return what the person wrote for `node`, as far as the parser kept its place."""
        if is_in_without_brackets(node):
            # Of `state IN $states` the tree has only the place of the list.
            options, item = arguments(node)
            return f"{self.source(item)} IN {self.raw(options)}"
        return self.raw(node)

    def raw(self, node: Mapping[str, Any]) -> str:
        """Return the text at the place of `node`."""
        place, length = span(node)
        text = self.clause.encode()
        return (
            text[place : place + length].decode(errors="ignore").strip()
            if 0 <= place < len(text)
            else self.clause
        )

    def refused(
        self, node: Mapping[str, Any], what: str, fix: str | None = None, **details: Any
    ) -> FilterError:
        """Return the error that `node` is, which shows its place in the clause."""
        return refused(self.clause, node, what, fix, **details)

    # -- columns and values --------------------------------------------------------------------

    def column(self, node: Mapping[str, Any], depth: int) -> str:
        """Return a column by its key, whether it was named by key or heading."""
        del depth
        return quoted(self.resolve(node).key)

    def resolve(self, node: Mapping[str, Any]) -> Column:
        """Return the column that `node` names, by key or heading."""
        names = [str(name) for name in node.get("column_names", ())]
        if len(names) != 1:
            raise self.refused(
                node,
                f"`{'.'.join(names)}` has a prefix.",
                fix="Use the name of the column alone; put a heading with a dot in double quotes.",
            )
        wanted = names[0].casefold()
        by_key = [c for c in self.known if c.key.casefold() == wanted]
        by_name = [c for c in self.known if c.name.casefold() == wanted and c not in by_key]
        if len(by_key) == 1 and not by_name:
            found = by_key[0]
        elif len(by_name) == 1 and not by_key:
            found = by_name[0]
        elif by_key or by_name:
            both = ", ".join(c.key for c in (*by_key, *by_name))
            raise self.refused(
                node,
                f"`{names[0]}` can mean several columns: {both}.",
                fix="Use one of these names.",
                candidates=both,
            )
        else:
            raise self.unknown_column(node, names[0])
        self.columns.append(found.key)
        return found

    def unknown_column(self, node: Mapping[str, Any], name: str) -> FilterError:
        """Return the error for a column that does not exist, with the nearest that does."""
        if name.lower() in VOLATILE:
            return self.refused(
                node,
                f"`{name}` is not a fixed value.",
                fix="Bind the value: where('order_date >= $since', since=...).",
            )
        near = nearest(name, [option for c in self.known for option in (c.key, c.name)])
        straight = straight_quotes(name)
        if straight:
            fix = straight
        elif self.source(node).startswith('"'):
            fix = f"Put text in single quotes: '{name}'. Double quotes are for columns."
        else:
            fix = f"Columns: {listed([c.key for c in self.known], _MAX_NAMED)}."
        return self.refused(
            node,
            f"There is no column `{name}`" + (f"; did you mean `{near}`?" if near else "."),
            fix=fix,
            column=name,
            nearest=near,
        )

    def constant(self, node: Mapping[str, Any], depth: int) -> str:
        """Return a literal: only forms whose text is known to be one."""
        del depth
        literal = node.get("literal") or {}
        kind, text = literal.get("kind"), str(literal.get("text", ""))
        if kind == "STRING":
            return quote(text)
        if kind in {"INTEGER", "NUMERIC"} and _BARE.fullmatch(
            text.replace("_", "").removeprefix("-")
        ):
            text = text.replace("_", "")
            if math.isinf(float(text)):
                raise self.refused(node, f"{text} is infinite here.", fix="Write a smaller number.")
            return f"({text})" if text.startswith("-") else text
        if kind == "BOOLEAN" and text.lower() in {"true", "false"}:
            return text.lower()
        if kind == "NULL_LITERAL":
            return "NULL"
        raise self.refused(
            node,
            "A value must be text, a number, true, false or NULL.",
            fix="Write the value as text or a number.",
        )

    def parameter(self, node: Mapping[str, Any], depth: int) -> str:
        """Return a ``$name`` and keep its value to be bound."""
        del depth
        name, value = self.value(node)
        if isinstance(value, list):
            raise self.refused(
                node, f"${name} is a list.", fix=f"Use it with IN: column IN ${name}."
            )
        if value is None:
            raise self.refused(node, f"${name} is None, and no value is equal to it.", fix=_IS_NULL)
        self.bound[name] = value
        return f"${name}"

    def value(self, node: Mapping[str, Any]) -> tuple[str, Any]:
        """Return name and plain value of a parameter."""
        name = str(node.get("identifier", ""))
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
            raise self.refused(
                node,
                "Values are bound by name.",
                fix="Write $state in the filter and pass state='CA'.",
            )
        if name not in self.params:
            near = nearest(name, list(self.params))
            hint = f"; did you mean ${near}?" if near else "."
            raise self.refused(
                node,
                f"No value was given for ${name}{hint}",
                fix=f"Pass it by name: where({self.clause!r}, {name}=...).",
                parameter=name,
            )
        try:
            return name, bindable(self.params[name])
        except (TypeError, ValueError) as error:
            raise self.refused(
                node,
                f"${name} cannot be bound: {error}.",
                fix="Bind text, numbers, dates, true / false, or a list of these.",
            ) from None

    # -- operators -----------------------------------------------------------------------------

    def compare(self, node: Mapping[str, Any], depth: int) -> str:
        """Return a comparison of two sides."""
        sign = COMPARE.get(str(node.get("type")))
        if sign is None:
            raise self.refused(
                node, "A filter cannot use this comparison.", fix="Use =, <>, <, <=, > or >=."
            )
        left, right = node["left"], node["right"]
        for side in (left, right):
            if _is_null(side) and "DISTINCT" not in sign:
                raise self.refused(node, "No value is equal to NULL.", fix=_IS_NULL)
        self.note(node, left, right)
        return f"({self.fit(left, right, depth)} {sign} {self.fit(right, left, depth)})"

    def between(self, node: Mapping[str, Any], depth: int) -> str:
        """Return a BETWEEN."""
        value, low, high = node["input"], node["lower"], node["upper"]
        self.note(node, value, low, high)
        return (
            f"({self.fit(value, low, depth)} BETWEEN {self.fit(low, value, depth)} AND "
            f"{self.fit(high, value, depth)})"
        )

    def junction(self, node: Mapping[str, Any], depth: int) -> str:
        """Return conditions joined by AND or OR."""
        word = JOIN.get(str(node.get("type")))
        if word is None:
            raise self.refused(node, "Conditions are joined with AND and OR.")
        return "(" + word.join(self.write(child, depth) for child in node["children"]) + ")"

    def operator(self, node: Mapping[str, Any], depth: int) -> str:
        """Return NOT, IS NULL, COALESCE or IN."""
        kind, children = str(node.get("type")), node["children"]
        if kind == "OPERATOR_NOT":
            return f"(NOT {self.write(children[0], depth)})"
        if kind in {"OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"}:
            self.note(node, children[0])
            return f"({self.write(children[0], depth)} IS {'NOT ' if 'NOT' in kind else ''}NULL)"
        if kind == "OPERATOR_COALESCE":
            return "coalesce(" + ", ".join(self.write(child, depth) for child in children) + ")"
        if kind in {"COMPARE_IN", "COMPARE_NOT_IN"}:
            return self.membership(
                node, children[0], children[1:], depth, negated=kind == "COMPARE_NOT_IN"
            )
        raise self.refused(
            node,
            "A filter cannot contain this operator.",
            fix="Use comparisons, IN, BETWEEN, LIKE, IS NULL, AND, OR and NOT.",
        )

    def membership(
        self,
        node: Mapping[str, Any],
        item: Mapping[str, Any],
        options: Sequence[Mapping[str, Any]],
        depth: int,
        *,
        negated: bool = False,
    ) -> str:
        """Return IN or NOT IN, over written values or a bound list."""
        self.note(node, item, *options)
        if (
            len(options) == 1
            and options[0].get("class") == "PARAMETER"
            and isinstance(self.value(options[0])[1], list)
        ):
            return ("NOT " if negated else "") + self.in_list(options[0], item, depth)
        if any(_is_null(option) for option in options):
            raise self.refused(
                node,
                "No value is equal to NULL, so a list cannot contain it.",
                fix="Remove NULL and add OR column IS NULL.",
            )
        written = ", ".join(self.fit(option, item, depth) for option in options)
        return f"({self.fit(item, options[0], depth)} {'NOT ' if negated else ''}IN ({written}))"

    def in_list(self, bag: Mapping[str, Any], item: Mapping[str, Any], depth: int) -> str:
        """Return `item` IN a bound list."""
        name, values = self.value(bag)
        if not isinstance(values, list):
            raise self.refused(
                bag, f"${name} is a single value.", fix=f"Pass a list for IN: {name}=[...]."
            )
        if any(value is None for value in values):
            raise self.refused(
                bag,
                f"${name} contains None, and no value is equal to it.",
                fix="Remove it and add OR column IS NULL.",
            )
        column = self.typed(item)
        if (
            column is not None
            and is_text(column)
            and any(not isinstance(value, str) for value in values)
        ):
            raise self.refused(
                bag,
                f"`{column.key}` is text, but ${name} contains numbers or dates.",
                fix="Bind text: ['02134', '98101'].",
            )
        # DuckDB gives an empty list the type INTEGER[], and a list of numbers one that may not be
        # that of the column.
        kind = column.type if column is not None else None
        if kind is None and (not values or isinstance(values[0], str)):
            kind = "VARCHAR"
        self.bound[name] = values
        wanted = f"CAST(${name} AS {cast_type(kind)}[])" if kind else f"${name}"
        contained = f"list_contains({wanted}, {self.write(item, depth)})"
        return contained if values else f"coalesce({contained}, false)"

    def fit(self, node: Mapping[str, Any], other: Mapping[str, Any], depth: int) -> str:
        """Return one side of a comparison, cast to the type of the column on the other side."""
        column = self.typed(other)
        if column is None or node.get("class") not in {"CONSTANT", "PARAMETER"}:
            return self.write(node, depth)
        written = self.write(node, depth)
        literal = (node.get("literal") or {}).get("kind")
        value = self.value(node)[1] if node["class"] == "PARAMETER" else None
        number = literal in {"INTEGER", "NUMERIC"} or (
            isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        )
        text = literal == "STRING" or isinstance(value, str)
        if text and not is_text(column) and is_nan_text(value or literal_text(node)):
            raise self.refused(node, NOT_A_NUMBER.format(self.source(node)), fix=_IS_NULL)
        if is_text(column) and not text and literal != "NULL_LITERAL":
            what, key = self.source(node) if literal else repr(value), column.key
            fix = (
                f"Write {key} = '{what}'; to compare numbers, TRY_CAST({key} AS DOUBLE)."
                if number
                else f"Compare it with text, or CAST({key} AS DATE)."
            )
            raise self.refused(
                node, f"`{column.key}` is text; {what} is not.", fix=fix, column=column.key
            )
        if text and not is_text(column) and not cast_type(column.type).startswith("BOOL"):
            return f"CAST({written} AS {cast_type(column.type)})"
        return written

    def typed(self, node: Mapping[str, Any]) -> Column | None:
        """Return the column that `node` is, None when it is something else."""
        return self.resolve(node) if node.get("class") == "COLUMN_REF" else None

    def case(self, node: Mapping[str, Any], depth: int) -> str:
        """Return a CASE."""
        pairs = [
            (self.write(arm["when_expr"], depth), self.write(arm["then_expr"], depth))
            for arm in node["case_checks"]
        ]
        arms = "".join(f" WHEN {condition} THEN {value}" for condition, value in pairs)
        return f"(CASE{arms} ELSE {self.write(node['else_expr'], depth)} END)"

    def cast(self, node: Mapping[str, Any], depth: int) -> str:
        """Return a CAST or TRY_CAST to one of the allowed types."""
        wanted = self.type_name(node, node.get("type_expr") or {})
        cast = "TRY_CAST" if node.get("try_cast") else "CAST"
        if is_nan_text(literal_text(node["child"])) and wanted not in _TEXT_TYPES:
            raise self.refused(node, NOT_A_NUMBER.format("NaN"), fix=_IS_NULL)
        written = f"{cast}({self.write(node['child'], depth)} AS {wanted})"
        if wanted not in _FLOATS:
            return written
        # A cell 'nan' would be greater than every number, and of infinite ones NaN can be made.
        for text in ("nan", "inf", "-inf"):
            written = f"nullif({written}, '{text}'::{wanted})"
        return written

    def type_name(self, node: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
        """Return the name of an allowed type, with its sizes."""
        name = str(wanted.get("type_name", "")).upper()
        if wanted.get("catalog") or wanted.get("schema") or name not in TYPES:
            raise self.refused(
                node,
                f"A filter cannot cast to {name or 'that type'}.",
                fix="Cast to VARCHAR, INTEGER, BIGINT, DOUBLE, DECIMAL, BOOLEAN, DATE or "
                "TIMESTAMP.",
            )
        sizes = [self.constant(child, 0) for child in wanted.get("children", ())]
        if any(not re.fullmatch(r"[0-9]{1,4}", size) for size in sizes) or (
            sizes and name not in {"DECIMAL", "NUMERIC", "DEC", "VARCHAR", "CHAR"}
        ):
            raise self.refused(node, f"A filter cannot cast to {name} like that.")
        return f"{name}({', '.join(sizes)})" if sizes else name

    def note(self, node: Mapping[str, Any], *sides: Mapping[str, Any]) -> None:
        """Keep which column is compared, to explain an empty result."""
        if (
            len(sides) > 1
            and sides[0].get("class") != "COLUMN_REF"
            and sides[1].get("class") == "COLUMN_REF"
        ):
            sides = (sides[1], sides[0])
        if sides[0].get("class") == "COLUMN_REF":
            self.comparisons.append(ColumnComparison(self.resolve(sides[0]).key, self.source(node)))


_FLOATS: Final = frozenset({"DOUBLE", "FLOAT", "FLOAT8", "REAL"})
_TEXT_TYPES: Final = frozenset({"VARCHAR", "TEXT", "STRING", "CHAR", "BPCHAR"})
_HANDLERS: Final[Mapping[str, Callable[[ClauseWriter, Mapping[str, Any], int], str]]] = {
    "COLUMN_REF": ClauseWriter.column,
    "CONSTANT": ClauseWriter.constant,
    "PARAMETER": ClauseWriter.parameter,
    "COMPARISON": ClauseWriter.compare,
    "BETWEEN": ClauseWriter.between,
    "CONJUNCTION": ClauseWriter.junction,
    "OPERATOR": ClauseWriter.operator,
    "CASE": ClauseWriter.case,
    "CAST": ClauseWriter.cast,
    "FUNCTION": write_function,
}
_REFUSED_CLASSES: Final = {
    "SUBQUERY": ("a subquery", "Bind the values instead: order_id IN $ids."),
    "WINDOW": ("a window function", "A condition looks at one line at a time."),
    "STAR": ("*", "Name the columns."),
    "LAMBDA": ("a lambda", "Write a plain condition."),
    "COLLATE": ("COLLATE", "Use lower() on both sides."),
}


def _is_null(node: Mapping[str, Any]) -> bool:
    return (node.get("literal") or {}).get("kind") == "NULL_LITERAL"
