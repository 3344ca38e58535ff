"""One SQL condition from outside, parsed alone, checked against an allow-list, and written anew.

What runs later is never the text that came in: the clause is parsed (not run) in an empty, locked
database, its tree is walked by an allow-list of node classes, operators, functions and types, and
SQL is written from that tree. What is not on a list has no way to the engine.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import duckdb

from shipkit.common.sql import quoted
from shipkit.errors import FilterError
from shipkit.orders.fields import Column
from shipkit.orders.where.allowed import (
    COMPARE,
    ESCAPED,
    FUNCTIONS,
    INFIX,
    JOIN,
    LIKE,
    PATTERNS,
    TYPES,
    VOLATILE,
)
from shipkit.orders.where.parsing import nearest, parse, refused, span

__all__ = ["Asked", "CheckedClause", "Comparison", "asked", "check"]

_BARE = re.compile(
    r"[0-9]{1,60}(\.[0-9]{0,60})?([eE][+-]?[0-9]{1,4})?|\.[0-9]{1,60}([eE][+-]?[0-9]{1,4})?"
)
_MAX_DEPTH = 60
_MAX_PATTERN = 1_000
_MAX_PARAMETER = 10_000
_MAX_LIST = 200_000
_MAX_GROWTH = 1_000
"""How many times longer than its longest input a text may become: bounds memory before anything runs."""


@dataclass(frozen=True)
class Comparison:
    """A column set against fixed values somewhere in a clause: what an empty result is explained by."""

    key: str
    text: str  # as the person wrote it


@dataclass(frozen=True)
class CheckedClause:
    """A clause that may run. `sql` is written from the checked tree: columns by key, values bound as ``$name``."""

    text: str
    sql: str
    params: Mapping[str, Any]
    columns: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = ()
    parts: tuple[tuple[str, str], ...] = field(
        default=(), repr=False
    )  # (text, sql) of each condition that AND joins at the top


def check(
    clause: str,
    columns: Sequence[Column],
    params: Mapping[str, Any],
    con: duckdb.DuckDBPyConnection,
) -> CheckedClause:
    """Return `clause` checked and written anew. `con` is an empty locked database; nothing is run in it but the parser.

    Raises
    ------
    FilterError
        The clause is not one condition, or uses something that is not on the lists; the message
        shows the place.
    """
    tree = parse(clause, con)
    writer = _Writer(clause, columns, params)
    sql = writer.write(tree, depth=0)
    parts = tuple((writer.source(part), writer.write(part, depth=1)) for part in _conjuncts(tree))
    return CheckedClause(
        text=clause,
        sql=sql,
        params=dict(writer.bound),
        columns=tuple(dict.fromkeys(writer.columns)),
        comparisons=tuple(dict.fromkeys(writer.comparisons)),
        parts=parts,
    )


@dataclass(frozen=True)
class Asked:
    """A clause whose names and values can be asked for: what else speaks for it (a database's own SQL) reads its tree with these."""

    tree: Mapping[str, Any] = field(repr=False)
    columns: Sequence[Column]
    writer: _Writer = field(repr=False)

    def column(self, node: Mapping[str, Any]) -> Column:
        """Return the column that a node names."""
        return self.writer.resolve(node)

    def value(self, node: Mapping[str, Any]) -> Any:
        """Return the fixed value of a node (text, Decimal, what was bound), None when it has none."""
        if node.get("class") == "PARAMETER":
            return self.writer.value(node)[1]
        literal = node.get("literal") or {}
        text = str(literal.get("text", ""))
        return (
            text
            if literal.get("kind") == "STRING"
            else Decimal(text.replace("_", ""))
            if literal.get("kind") in {"INTEGER", "NUMERIC"}
            else None
        )

    def said(self, node: Mapping[str, Any]) -> str:
        """Return what the person wrote for a node."""
        return self.writer.source(node)


def asked(
    clause: str,
    columns: Sequence[Column],
    params: Mapping[str, Any],
    con: duckdb.DuckDBPyConnection,
) -> Asked:
    """Return `clause` for asking elsewhere, checked like any other: raises FilterError."""
    check(clause, columns, params, con)
    return Asked(parse(clause, con), columns, _Writer(clause, columns, params))


# -- writing ---------------------------------------------------------------------------------------


class _Writer:
    """Writes SQL from a checked tree; whatever is not on a list is refused with its place."""

    def __init__(self, clause: str, columns: Sequence[Column], params: Mapping[str, Any]) -> None:
        self.clause = clause
        self.known = list(columns)
        self.params = params
        self.bound: dict[str, Any] = {}
        self.columns: list[str] = []
        self.comparisons: list[Comparison] = []

    def write(self, node: Mapping[str, Any], depth: int) -> str:
        """Return the SQL of one node."""
        if depth > _MAX_DEPTH:
            raise self.refused(
                node,
                "The filter is nested too deeply.",
                fix="Write it flatter; bind long lists: order_id IN $ids.",
            )
        handler = _HANDLERS.get(str(node.get("class")))
        if handler is None:
            what, fix = _REFUSED_CLASSES.get(
                str(node.get("class")),
                ("this", "Write a plain condition on the columns of each order."),
            )
            raise self.refused(node, f"A filter cannot hold {what}.", fix=fix)
        if node.get("alias"):
            raise self.refused(
                node, "A filter is a condition and has no name.", fix="Leave out AS."
            )
        return str(handler(self, node, depth + 1))

    def source(self, node: Mapping[str, Any]) -> str:
        """Return what the person wrote for `node`, best effort."""
        arguments = [a["expression"] for a in node.get("arguments", ())]
        if (
            node.get("function_name") == "contains"
            and len(arguments) == 2
            and arguments[0].get("class") == "PARAMETER"
        ):
            # the tree gives only the place of the list
            return f"{self.source(arguments[1])} IN ${arguments[0].get('identifier')}"
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
        return refused(self.clause, node, what, fix, **details)

    # leaves

    def column(self, node: Mapping[str, Any], depth: int) -> str:
        del depth
        return quoted(self.resolve(node).key)

    def resolve(self, node: Mapping[str, Any]) -> Column:
        """Return the column that `node` names, by key or heading."""
        names = [str(name) for name in node.get("column_names", ())]
        if len(names) != 1:
            raise self.refused(
                node,
                f"`{'.'.join(names)}` has a prefix.",
                fix="Name the column alone; a heading with a dot goes in double quotes.",
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
        if name.lower() in VOLATILE:
            return self.refused(
                node,
                f"`{name}` changes from one moment to the next.",
                fix="Bind the value: where('order_date >= $since', since=...).",
            )
        near = nearest(name, [option for c in self.known for option in (c.key, c.name)])
        if self.source(node).startswith('"'):
            fix = f"Text goes in single quotes: '{name}'. Double quotes name a column."
        else:
            fix = (
                "Columns: "
                + ", ".join(c.key for c in self.known[:40])
                + (", ..." if len(self.known) > 40 else "")
                + "."
            )
        return self.refused(
            node,
            f"There is no column `{name}`" + (f"; did you mean `{near}`?" if near else "."),
            fix=fix,
            column=name,
            nearest=near,
        )

    def constant(self, node: Mapping[str, Any], depth: int) -> str:
        del depth
        literal = node.get("literal") or {}
        kind, text = literal.get("kind"), str(literal.get("text", ""))
        if kind == "STRING":
            return "'" + text.replace("'", "''") + "'"
        if kind in {"INTEGER", "NUMERIC"} and _BARE.fullmatch(
            text.replace("_", "").removeprefix("-")
        ):
            text = text.replace("_", "")
            return f"({text})" if text.startswith("-") else text
        if kind == "BOOLEAN" and text.lower() in {"true", "false"}:
            return text.lower()
        if kind == "NULL_LITERAL":
            return "NULL"
        raise self.refused(
            node,
            "A filter knows text, numbers, true, false and NULL.",
            fix="Write the value as text or a number.",
        )

    def parameter(self, node: Mapping[str, Any], depth: int) -> str:
        del depth
        name, value = self.value(node)
        if isinstance(value, list):
            raise self.refused(
                node, f"${name} is a list.", fix=f"A list goes behind IN: column IN ${name}."
            )
        if value is None:
            raise self.refused(
                node,
                f"${name} is empty (None); nothing is equal to it.",
                fix="Write IS NULL or IS NOT NULL.",
            )
        self.bound[name] = value
        return f"${name}"

    def value(self, node: Mapping[str, Any]) -> tuple[str, Any]:
        """Return name and plain value of a parameter."""
        name = str(node.get("identifier", ""))
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
            raise self.refused(
                node,
                "A value is bound by name.",
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
            return name, _plain(self.params[name])
        except (TypeError, ValueError) as error:
            raise self.refused(
                node,
                f"${name} cannot be bound: {error}.",
                fix="Bind text, numbers, dates, true / false, or a list of these.",
            ) from None

    # operators

    def compare(self, node: Mapping[str, Any], depth: int) -> str:
        sign = COMPARE.get(str(node.get("type")))
        if sign is None:
            raise self.refused(
                node, "A filter cannot compare like that.", fix="Use =, <>, <, <=, >, >=."
            )
        left, right = node["left"], node["right"]
        for side in (left, right):
            if _is_null(side) and "DISTINCT" not in sign:
                raise self.refused(
                    node, "Nothing is equal to NULL.", fix="Write IS NULL or IS NOT NULL."
                )
        self.note(node, left, right)
        return f"({self.fit(left, right, depth)} {sign} {self.fit(right, left, depth)})"

    def between(self, node: Mapping[str, Any], depth: int) -> str:
        value, low, high = node["input"], node["lower"], node["upper"]
        self.note(node, value, low, high)
        return (
            f"({self.fit(value, low, depth)} BETWEEN {self.fit(low, value, depth)} AND "
            f"{self.fit(high, value, depth)})"
        )

    def junction(self, node: Mapping[str, Any], depth: int) -> str:
        word = JOIN.get(str(node.get("type")))
        if word is None:
            raise self.refused(node, "A filter joins conditions with AND and OR.")
        return "(" + word.join(self.write(child, depth) for child in node["children"]) + ")"

    def operator(self, node: Mapping[str, Any], depth: int) -> str:
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
            "A filter cannot hold this operator.",
            fix="Use comparisons, IN, BETWEEN, LIKE, IS NULL, AND, OR, NOT.",
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
                "Nothing is equal to NULL, in a list neither.",
                fix="Leave NULL out and add OR column IS NULL.",
            )
        written = ", ".join(self.fit(option, item, depth) for option in options)
        return f"({self.fit(item, options[0], depth)} {'NOT ' if negated else ''}IN ({written}))"

    def in_list(self, bag: Mapping[str, Any], item: Mapping[str, Any], depth: int) -> str:
        """Return `item` IN a bound list."""
        name, values = self.value(bag)
        if not isinstance(values, list):
            raise self.refused(
                bag, f"${name} is one value.", fix=f"Pass a list for IN: {name}=[...]."
            )
        if any(value is None for value in values):
            raise self.refused(
                bag,
                f"${name} holds an empty value (None); nothing is equal to it.",
                fix="Leave it out and add OR column IS NULL.",
            )
        column = self.typed(item)
        if (
            column is not None
            and _is_text(column)
            and any(not isinstance(value, str) for value in values)
        ):
            raise self.refused(
                bag,
                f"`{column.key}` is text, and ${name} holds numbers or dates.",
                fix="Bind text: ['02134', '98101'].",
            )
        kind = (
            column.type
            if column is not None
            else "VARCHAR"
            if not values or isinstance(values[0], str)
            else None
        )
        self.bound[name] = values
        wanted = f"CAST(${name} AS {_castable(kind)}[])" if kind else f"${name}"
        return (
            f"coalesce(list_contains({wanted}, {self.write(item, depth)}), false)"
            if not values
            else f"list_contains({wanted}, {self.write(item, depth)})"
        )

    def fit(self, node: Mapping[str, Any], other: Mapping[str, Any], depth: int) -> str:
        """Write one side of a comparison so that it fits the column on the other side, or say why it cannot."""
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
        if _is_text(column) and not text and literal != "NULL_LITERAL":
            what = self.source(node) if literal else repr(value)
            fix = (
                f"Write {column.key} = '{what}'; for its size, TRY_CAST({column.key} AS DOUBLE)."
                if number
                else f"Compare it with text, or CAST({column.key} AS DATE)."
            )
            raise self.refused(
                node, f"`{column.key}` is text; {what} is not.", fix=fix, column=column.key
            )
        if text and not _is_text(column) and not _castable(column.type).startswith("BOOL"):
            return f"CAST({written} AS {_castable(column.type)})"
        return written

    def typed(self, node: Mapping[str, Any]) -> Column | None:
        return self.resolve(node) if node.get("class") == "COLUMN_REF" else None

    def case(self, node: Mapping[str, Any], depth: int) -> str:
        arms = "".join(
            (
                f" WHEN {self.write(arm['when_expr'], depth)} THEN "
                f"{self.write(arm['then_expr'], depth)}"
            )
            for arm in node["case_checks"]
        )
        return f"(CASE{arms} ELSE {self.write(node['else_expr'], depth)} END)"

    def cast(self, node: Mapping[str, Any], depth: int) -> str:
        wanted = self.type_name(node, node.get("type_expr") or {})
        return (
            f"{'TRY_CAST' if node.get('try_cast') else 'CAST'}({self.write(node['child'], depth)} "
            f"AS {wanted})"
        )

    def type_name(self, node: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
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

    def function(self, node: Mapping[str, Any], depth: int) -> str:
        name, arguments = (
            str(node.get("function_name", "")).lower(),
            [a["expression"] for a in node.get("arguments", ())],
        )
        self.plain_call(node, name)
        if (
            name == "contains"
            and len(arguments) == 2
            and arguments[0].get("class") == "PARAMETER"
            and not self.raw(node).lower().startswith("contains")
        ):
            self.note(node, arguments[1])
            return self.in_list(
                arguments[0], arguments[1], depth
            )  # the parser turns `state IN $states` into contains($states, state)
        if _growth(node, self) > _MAX_GROWTH:
            raise self.refused(
                node,
                "This makes texts far longer than the cells.",
                fix="Use fewer replacements, or shorter ones.",
            )
        if name in INFIX and node.get("is_operator"):
            return self.infix(node, name, arguments, depth)
        if name in ESCAPED and len(arguments) == 3:
            return (
                f"({self.write(arguments[0], depth)} {ESCAPED[name]} "
                f"{self.pattern(arguments[1], depth)} ESCAPE {self.pattern(arguments[2], depth)})"
            )
        if name not in FUNCTIONS:
            raise self.unknown_function(node, name)
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(arguments) <= most:
            raise self.refused(
                node,
                f"{name}() takes {fewest if fewest == most else f'{fewest} to {most}'} values, "
                f"not {len(arguments)}.",
            )
        written = [
            self.pattern(a, depth) if n and name in PATTERNS else self.write(a, depth)
            for n, a in enumerate(arguments)
        ]
        if name in {"lpad", "rpad"} and not re.fullmatch(r"[0-9]{1,3}", written[1]):
            raise self.refused(
                node,
                f"{name}() pads to a fixed length of at most 999.",
                fix=f"Write {name}(zip, 5, '0').",
            )
        called = {"left": '"left"', "right": '"right"', "if": '"if"', "position": "strpos"}.get(
            name, name
        )
        return f"{called}({', '.join(written)})"

    def infix(
        self, node: Mapping[str, Any], name: str, arguments: Sequence[Mapping[str, Any]], depth: int
    ) -> str:
        if len(arguments) == 1 and name in {"-", "+"}:
            return f"({name} {self.write(arguments[0], depth)})"
        if len(arguments) != 2:
            raise self.refused(node, f"{INFIX[name]} stands between two values.")
        if name in LIKE:
            column = self.typed(arguments[0])
            if column is not None and not _is_text(column):
                raise self.refused(
                    node,
                    f"`{column.key}` is {_said(column.type)}, not text.",
                    fix=f"Compare it with <, =, BETWEEN, or CAST({column.key} AS VARCHAR).",
                    column=column.key,
                )
            self.note(node, arguments[0], arguments[1])
            return (
                f"({self.write(arguments[0], depth)} {INFIX[name]} "
                f"{self.pattern(arguments[1], depth)})"
            )
        return (
            f"({self.write(arguments[0], depth)} {INFIX[name]} {self.write(arguments[1], depth)})"
        )

    def pattern(self, node: Mapping[str, Any], depth: int) -> str:
        """Write a pattern: fixed text of bounded length, never a cell."""
        kind = node.get("class")
        value = (
            self.value(node)[1] if kind == "PARAMETER" else (node.get("literal") or {}).get("text")
        )
        if kind not in {"CONSTANT", "PARAMETER"} or not isinstance(value, str):
            raise self.refused(
                node, "A pattern is fixed text.", fix="Write it in single quotes or bind it."
            )
        if len(value) > _MAX_PATTERN:
            raise self.refused(node, f"A pattern has at most {_MAX_PATTERN:,} characters.")
        return self.write(node, depth)

    def plain_call(self, node: Mapping[str, Any], name: str) -> None:
        extras = (
            node.get("filter")
            or node.get("distinct")
            or node.get("export_state")
            or (node.get("order_bys") or {}).get("orders")
        )
        if extras or any(a.get("name") for a in node.get("arguments", ())):
            raise self.refused(
                node,
                f"{name}() takes plain values here.",
                fix="Leave out DISTINCT, ORDER BY, FILTER and named values.",
            )
        if node.get("schema") or node.get("catalog"):
            raise self.refused(
                node, f"{name}() has a prefix.", fix="Call the function by its name alone."
            )

    def unknown_function(self, node: Mapping[str, Any], name: str) -> FilterError:
        if name in VOLATILE:
            return self.refused(
                node,
                f"{name}() changes from one moment to the next.",
                fix="Bind the value: where('order_date >= $since', since=...).",
                function=name,
            )
        near = nearest(name, list(FUNCTIONS))
        return self.refused(
            node,
            f"A filter cannot call {name}()" + (f"; did you mean {near}()?" if near else "."),
            fix="Functions that only compute on the row are allowed.",
            function=name,
        )

    def note(self, node: Mapping[str, Any], *sides: Mapping[str, Any]) -> None:
        """Remember which column is compared, for the explanation of an empty result."""
        if (
            len(sides) > 1
            and sides[0].get("class") != "COLUMN_REF"
            and sides[1].get("class") == "COLUMN_REF"
        ):
            sides = (sides[1], sides[0])
        if sides[0].get("class") == "COLUMN_REF":
            self.comparisons.append(Comparison(self.resolve(sides[0]).key, self.source(node)))


_HANDLERS = {
    "COLUMN_REF": _Writer.column,
    "CONSTANT": _Writer.constant,
    "PARAMETER": _Writer.parameter,
    "COMPARISON": _Writer.compare,
    "BETWEEN": _Writer.between,
    "CONJUNCTION": _Writer.junction,
    "OPERATOR": _Writer.operator,
    "CASE": _Writer.case,
    "CAST": _Writer.cast,
    "FUNCTION": _Writer.function,
}
_REFUSED_CLASSES = {
    "SUBQUERY": ("a subquery", "Bind the values instead: order_id IN $ids."),
    "WINDOW": ("a window function", "A condition looks at one line at a time."),
    "STAR": ("*", "Name the columns."),
    "LAMBDA": ("a lambda", "Write a plain condition."),
    "COLLATE": ("COLLATE", "Use lower() on both sides."),
}


def _growth(node: Mapping[str, Any], writer: _Writer) -> int:
    """Return at most how many times longer than its longest input the text of `node` can be."""
    if node.get("class") == "CAST":
        return _growth(node["child"], writer)
    if node.get("class") != "FUNCTION":
        children = [
            *node.get("children", ()),
            *(arm["then_expr"] for arm in node.get("case_checks", ())),
            *([node["else_expr"]] if "else_expr" in node else []),
        ]
        return max((_growth(child, writer) for child in children), default=1)
    name, arguments = (
        str(node.get("function_name", "")).lower(),
        [a["expression"] for a in node.get("arguments", ())],
    )
    inner = [_growth(argument, writer) for argument in arguments]
    if name in {"||", "concat", "concat_ws"}:
        return sum(inner)
    if name in {"replace", "regexp_replace"} and len(arguments) >= 3:
        kind = arguments[2].get("class")
        made = (
            writer.value(arguments[2])[1]
            if kind == "PARAMETER"
            else (arguments[2].get("literal") or {}).get("text")
            if kind == "CONSTANT"
            else None
        )
        return (
            inner[0] * (len(str(made)) + 1 if made else 1) if made is not None else _MAX_GROWTH + 1
        )
    return max(inner, default=1)


def _conjuncts(tree: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return tree["children"] if tree.get("type") == "CONJUNCTION_AND" else (tree,)


# -- values and places -----------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """Return a bound value as plain Python; raises TypeError or ValueError with the reason."""
    if hasattr(value, "tolist") and not isinstance(
        value, str | bytes
    ):  # numpy scalars and arrays, pandas Series
        value = value.tolist()
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, str):
        if len(value) > _MAX_PARAMETER or "\0" in value:
            raise ValueError(
                f"it has {len(value):,} characters (at most {_MAX_PARAMETER:,}, no NUL)"
            )
        return str(value)
    if value is None or isinstance(
        value, bool | int | float | Decimal | dt.date | dt.time | dt.timedelta
    ):
        if isinstance(value, int) and not -(2**127) < value < 2**127:
            raise ValueError("the number is too large")
        return value
    if isinstance(value, list | tuple | set | frozenset):
        if len(value) > _MAX_LIST:
            raise ValueError(f"it has {len(value):,} values (at most {_MAX_LIST:,})")
        made = [_plain(item) for item in value]
        if any(isinstance(item, list) for item in made):
            raise TypeError("lists inside a list")
        return made
    raise TypeError(f"it is a {type(value).__name__}")


def _is_null(node: Mapping[str, Any]) -> bool:
    return (node.get("literal") or {}).get("kind") == "NULL_LITERAL"


def _is_text(column: Column) -> bool:
    return column.type.upper().startswith("VARCHAR")


def _castable(kind: str) -> str:
    """Return a column's type as one that values can be cast to."""
    upper = kind.upper()
    return (
        "VARCHAR"
        if upper.startswith("VARCHAR")
        else "DOUBLE"
        if upper.startswith(("DECIMAL", "FLOAT"))
        else "TIMESTAMP"
        if upper.startswith("TIMESTAMP")
        else upper
    )


def _said(kind: str) -> str:
    upper = kind.upper()
    return (
        "a date"
        if upper.startswith(("DATE", "TIMESTAMP"))
        else "true or false"
        if upper.startswith("BOOL")
        else "a number"
    )
