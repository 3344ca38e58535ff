"""Conditions that the cells show to mean something else than what was written.

``state = 'CA,TX'`` is valid, and only the cells tell that a list was meant. Each check is a count
over the rows; all of them run in one pass with the filter. Where what is meant is certain the
filter is refused, elsewhere the selection says what was left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shipkit.common.sql import quoted
from shipkit.common.words import counted
from shipkit.errors import FilterError
from shipkit.orders.columns import Column
from shipkit.orders.expressions import quote, quoted_list
from shipkit.orders.where.allowed import COMPARE
from shipkit.orders.where.bound_values import is_text
from shipkit.orders.where.parsing import span
from shipkit.orders.where.traps import list_parts
from shipkit.orders.where.tree import Node, arguments, below, is_in_without_brackets, literal_text

if TYPE_CHECKING:
    from shipkit.orders.where.clause_writer import ClauseWriter

__all__ = ["CellCheck", "checks_of"]

_MOST_VALUES: Final = 40
"""Written values of a clause that are looked up in the cells."""
_EMPTY_WORDS: Final = frozenset({"", "null", "none", "nan", "nat", "<na>"})
_ORDERS: Final = {
    "COMPARE_LESSTHAN": "<",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}
_LIKE: Final = {"~~": "LIKE", "!~~": "LIKE", "~~*": "ILIKE", "!~~*": "ILIKE"}
_NEGATIVE: Final = frozenset({"COMPARE_NOTEQUAL", "COMPARE_NOT_IN"})
_EQUAL: Final = frozenset({"COMPARE_EQUAL", "COMPARE_IN"})
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class CellCheck:
    """A count over the rows, and what it means where it is not 0."""

    sql: str
    text: str
    """With ``{rows}`` for the count."""
    fix: str
    refuses: bool = False
    of_orders: bool = False
    """Whether only orders have it: a result without a price is nothing unexpected."""
    unread: str | None = None
    """Key of a column: it counts only where a cell of the column could not be read."""

    def error(self, rows: int) -> FilterError:
        """Return the error of a filter that surely means something else."""
        return FilterError(self.text.format(rows=counted(rows, "row")), fix=self.fix)

    def note(self, rows: int) -> str:
        """Return what the selection says."""
        return f"{self.text.format(rows=counted(rows, 'row'))} {self.fix}"


def checks_of(writer: ClauseWriter, tree: Node, sql: str) -> tuple[CellCheck, ...]:
    """Return the checks of a clause whose SQL is `sql`."""
    made = dict.fromkeys(
        [
            *_value_checks(writer, tree),
            *_empty_checks(writer, tree, sql),
            *(check for node in below(tree) for check in _node_checks(writer, node)),
        ]
    )
    return tuple(made)


def _node_checks(writer: ClauseWriter, node: Node) -> Iterator[CellCheck]:
    yield from _order_checks(writer, node)
    yield from _between_checks(writer, node)
    yield from _like_checks(writer, node)
    yield from _bracket_checks(writer, node)


def _shown(text: str) -> str:
    """Return a text for a message, with braces that are not placeholders."""
    short = text if len(text) <= 40 else f"{text[:37]}..."
    return quote(short).replace("{", "{{").replace("}", "}}")


def _count(condition: str) -> str:
    return f"count(*) FILTER ({condition})"


def _if_no_other(exact: str, near: str) -> str:
    """Return SQL of how many rows match `near`, 0 if any matches `exact`."""
    return f"CASE WHEN {_count(exact)} = 0 THEN {_count(near)} ELSE 0 END"


# -- values that no cell has -----------------------------------------------------------------------


def _value_checks(writer: ClauseWriter, tree: Node) -> list[CellCheck]:
    pairs = [pair for node in below(tree) for pair in _equals(writer, node)][:_MOST_VALUES]
    checks: list[CellCheck] = []
    for column, value in pairs:
        others = [other for same, other in pairs if same.key == column.key and other != value]
        checks += _checks_of_value(column, value, others)
    return checks


def _equals(writer: ClauseWriter, node: Node) -> Iterator[tuple[Column, str]]:
    """Iterate over the text columns and the texts that `node` compares them with for equality."""
    kind = node.get("type")
    if kind in {"COMPARE_EQUAL", "COMPARE_NOTEQUAL"} and "left" in node:
        sides = [node["left"], node["right"]]
    elif kind in {"COMPARE_IN", "COMPARE_NOT_IN"}:
        sides = node["children"]
    elif is_in_without_brackets(node):
        sides = arguments(node)
    else:
        return
    column = next((c for side in sides if (c := writer.typed(side)) is not None), None)
    if column is None or not is_text(column):
        return
    for side in sides:
        for value in _texts(writer, side):
            yield column, value


def _texts(writer: ClauseWriter, node: Node) -> list[str]:
    """Return the texts of a written or bound value, or of a short list."""
    value: Any = writer.value(node)[1] if node.get("class") == "PARAMETER" else literal_text(node)
    values = value if isinstance(value, list) else [value]
    short = len(values) <= _MOST_VALUES
    return [each for each in values if isinstance(each, str)] if short else []


def _text(writer: ClauseWriter, node: Node) -> str | None:
    """Return the text of a written or bound value."""
    if node.get("class") == "PARAMETER":
        value: Any = writer.value(node)[1]
        return value if isinstance(value, str) else None
    return literal_text(node)


def _checks_of_value(column: Column, value: str, others: Sequence[str]) -> Iterator[CellCheck]:
    c, v, key = quoted(column.key), quote(value), column.key
    missing = f"No cell of `{key}` is {_shown(value)}"
    parts = list_parts(value)
    if len(parts) > 1:
        listed = quoted_list(parts)
        found = f"{c} IN ({listed})"
        several = f"count(DISTINCT {c}) FILTER ({found}) > 1"
        near = _if_no_other(f"{c} = {v}", found)
        text = f"{missing}; one of its parts is in {{rows}}."
        fix = f"For a list write {key} IN ({quoted_list(parts[:3])})."
        # A single part may be chance: 'Washington, DC' where a cell is 'Washington'.
        yield CellCheck(f"CASE WHEN {several} THEN {near} ELSE 0 END", text, fix, refuses=True)
        yield CellCheck(near, text, fix)
    for mark, sign in (("%", "LIKE"), ("*", "GLOB")):
        if mark in value:
            yield CellCheck(
                _if_no_other(f"{c} = {v}", f"{c} {sign} {v}"),
                f"{missing}: = compares the whole cell. As a pattern it fits {{rows}}.",
                f"Write {key} LIKE {quote(value.replace('*', '%'))}.",
                refuses=True,
            )
    if value.strip().casefold() in _EMPTY_WORDS:
        yield CellCheck(
            _if_no_other(f"{c} = {v}", f"{c} IS NULL"),
            f"{missing}. An empty cell is NULL, as in {{rows}}.",
            f"Write {key} IS NULL or {key} IS NOT NULL.",
            refuses=not value.strip(),
        )
        return
    same = f"lower(trim({c})) = lower(trim({v}))"
    if _is_number(value):
        same = f"TRY_CAST({c} AS DOUBLE) = TRY_CAST({v} AS DOUBLE)"
    beside = f" AND {c} NOT IN ({quoted_list(others)})" if others else ""
    yield CellCheck(
        _if_no_other(f"{c} = {v}", same + beside),
        f"{missing}. Spelled otherwise (letters, blanks, zeros) it is in {{rows}}.",
        f"See session.describe() for the values of {key}.",
    )


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?[0-9]+(\.[0-9]*)?\s*", text) is not None


# -- empty cells -----------------------------------------------------------------------------------


def _empty_checks(writer: ClauseWriter, tree: Node, sql: str) -> Iterator[CellCheck]:
    """Check what <, >, BETWEEN, <>, NOT IN and NOT LIKE leave out because a cell is empty.

    A cell of numbers or days that cannot be read as one ("n/a") is empty here, too. An empty cell
    equals nothing, as a person expects; one that has a text may be what = and IN look for.
    """
    negative = [*_negative(tree)]
    columns = {
        column.key: column
        for node in (*_ordering(tree), *negative)
        for part in below(node)
        if part.get("class") == "COLUMN_REF"
        for column in [writer.resolve(part)]
    }
    denied = {
        writer.resolve(part).key
        for node in negative
        for part in below(node)
        if part.get("class") == "COLUMN_REF"
    }
    equal = {
        column.key: column
        for node in below(tree)
        if node.get("type") in _EQUAL or is_in_without_brackets(node)
        for part in below(node)
        if part.get("class") == "COLUMN_REF"
        for column in [writer.resolve(part)]
        if column.key not in columns and not is_text(column)
    }
    for key, column in {**columns, **equal}.items():
        empty = "is empty" if is_text(column) else "is empty or cannot be read"
        yield CellCheck(
            # CASE: of other rows the clause is not computed, whose texts may be long.
            _count(f"CASE WHEN {quoted(key)} IS NULL THEN ({sql}) IS NULL ELSE false END"),
            f"Left out because `{key}` {empty}: {{rows}}.",
            f"To keep them, add OR {key} IS NULL.",
            of_orders=key not in denied,
            unread=key if key in equal else None,
        )


def _negative(tree: Node) -> Iterable[Node]:
    for node in below(tree):
        negated = node.get("type") == "OPERATOR_NOT" and not any(
            part.get("class") == "CONJUNCTION" for part in below(node)
        )
        unlike = node.get("function_name") in {"!~~", "!~~*"}
        if negated or unlike or node.get("type") in _NEGATIVE:
            yield node


def _ordering(tree: Node) -> Iterable[Node]:
    """Iterate over the columns that are compared as they are: of "weight < 20" the weight."""
    for node in below(tree):
        if node.get("type") in _ORDERS or node.get("class") == "BETWEEN":
            sides = [node.get(name) for name in ("left", "right", "input")]
            yield from (side for side in sides if side and side.get("class") == "COLUMN_REF")


# -- numbers and days that are compared as text ----------------------------------------------------


def _order_checks(writer: ClauseWriter, node: Node) -> Iterator[CellCheck]:
    sign = _ORDERS.get(str(node.get("type")))
    if sign and "left" in node:
        yield from _as_numbers(writer, node["left"], sign, node["right"])
    if node.get("class") == "COMPARISON":
        yield from _whole_day(writer, node["left"], COMPARE[str(node["type"])], node["right"])


def _as_numbers(writer: ClauseWriter, left: Node, sign: str, right: Node) -> Iterator[CellCheck]:
    """Check texts of numbers of different lengths: '9' is greater than '10'."""
    column = writer.typed(left) or writer.typed(right)
    if column is None or not is_text(column):
        return
    for side in (left, right):
        text = _text(writer, side)
        if text is not None and not _is_number(text):
            return
        if text is None and not is_text(writer.typed(side) or Column("", "", "BIGINT")):
            return
    a, b = writer.write(left, 0), writer.write(right, 0)
    x, y, c = f"TRY_CAST({a} AS DOUBLE)", f"TRY_CAST({b} AS DOUBLE)", quoted(column.key)
    numeric = f"TRY_CAST({c} AS DOUBLE) IS NOT NULL"
    lengths = f"min(length({c})) FILTER ({numeric}) < max(length({c})) FILTER ({numeric})"
    differ = f"{x} IS NOT NULL AND {y} IS NOT NULL AND ({a} {sign} {b}) <> ({x} {sign} {y})"
    yield CellCheck(
        f"CASE WHEN {lengths} THEN {_count(differ)} ELSE 0 END",
        f"`{column.key}` is text, so {sign} compares letters: '9' is greater than '10'. As "
        "numbers, the result differs in {rows}.",
        f"Write TRY_CAST({column.key} AS DOUBLE) {sign} ...",
        refuses=True,
    )


def _whole_day(writer: ClauseWriter, left: Node, sign: str, right: Node) -> Iterator[CellCheck]:
    """Check days compared with moments: the day is its midnight."""
    column, day = writer.typed(left), _text(writer, right)
    if (
        column is None
        or day is None
        or not column.type.upper().startswith("TIMESTAMP")
        or not _DAY.fullmatch(day.strip())
        or sign not in {"=", "<>", "<=", ">"}
    ):
        return
    c, v = quoted(column.key), f"TRY_CAST({quote(day)} AS DATE)"
    kept = "left out" if sign in {"=", "<="} else "kept"
    yield CellCheck(
        _count(f"CAST({c} AS DATE) = {v} AND {c} <> CAST({v} AS TIMESTAMP)"),
        f"`{column.key}` has times, and {quote(day)} is its midnight; later on that day "
        f"and {kept}: {{rows}}.",
        f"To compare days, write CAST({column.key} AS DATE) {sign} {quote(day)}.",
    )


def _between_checks(writer: ClauseWriter, node: Node) -> Iterator[CellCheck]:
    if node.get("class") != "BETWEEN":
        return
    value, low, high = node["input"], node["lower"], node["upper"]
    yield from _as_numbers(writer, value, ">=", low)
    yield from _as_numbers(writer, value, "<=", high)
    yield from _whole_day(writer, value, "<=", high)
    if all(side.get("class") in {"CONSTANT", "PARAMETER"} for side in (low, high)):
        bounds = [writer.fit(side, value, 0) for side in (low, high)]
        yield CellCheck(
            f"CASE WHEN {bounds[0]} > {bounds[1]} THEN 1 ELSE 0 END",
            "BETWEEN has its bounds in the wrong order, so nothing is between them.",
            f"Write the smaller one first: BETWEEN {writer.source(high)} AND {writer.source(low)}.",
            refuses=True,
        )


# -- patterns --------------------------------------------------------------------------------------


def _like_checks(writer: ClauseWriter, node: Node) -> Iterator[CellCheck]:
    sign = _LIKE.get(str(node.get("function_name")))
    if sign is None or not node.get("is_operator"):
        return
    item, pattern = arguments(node)
    column, text = writer.typed(item), _text(writer, pattern)
    if column is None or not text or "%" in text:
        return
    c, v, key = quoted(column.key), quote(text), column.key
    if "*" in text:
        yield CellCheck(
            _if_no_other(f"{c} {sign} {v}", f"{c} GLOB {v}"),
            f"In {sign} the wildcard is % and not *; with it {_shown(text)} fits {{rows}}.",
            f"Write {key} {sign} {quote(text.replace('*', '%'))}.",
            refuses=True,
        )
    elif "_" not in text:
        inside = f"contains({c}, {v})"
        if sign == "ILIKE":
            inside = f"contains(lower({c}), lower({v}))"
        yield CellCheck(
            _count(f"{inside} AND NOT ({c} {sign} {v})"),
            f"{sign} {_shown(text)} has no %, so it compares whole cells. Inside longer cells it "
            "is in {rows}.",
            f"To search inside the cell, write {key} {sign} {quote(f'%{text}%')}.",
        )


# -- AND and OR without brackets -------------------------------------------------------------------


def _bracket_checks(writer: ClauseWriter, node: Node) -> Iterator[CellCheck]:
    """Check a pasted list with AND next to it: ``a = 1 OR a = 2 AND b = 3``."""
    if node.get("type") != "CONJUNCTION_OR":
        return
    groups: list[list[Node]] = [[]]
    mixed = pasted = False
    last: Node | None = None
    for child in node["children"]:
        joined = child.get("type") == "CONJUNCTION_AND" and not _in_brackets(writer, child)
        parts = list(child["children"]) if joined else [child]
        mixed = mixed or joined
        pasted = pasted or (last is not None and _same_column(writer, last, parts[0]))
        groups[-1].append(parts[0])
        groups += [[part] for part in parts[1:]]
        last = parts[-1]
    if not (mixed and pasted):
        return
    other = " AND ".join(
        f"({' OR '.join(writer.write(part, 0) for part in group)})" for group in groups
    )
    mine = writer.write(node, 0)
    yield CellCheck(
        _count(f"coalesce({mine}, false) <> coalesce({other}, false)"),
        "AND is applied before OR; brackets around the list would change {rows}.",
        "Write the brackets: (state = 'CA' OR state = 'TX') AND qty > 1, or state IN (...).",
    )


def _same_column(writer: ClauseWriter, one: Node, other: Node) -> bool:
    keys = []
    for node in (one, other):
        if node.get("class") != "COMPARISON" and not is_in_without_brackets(node):
            return False
        found = [part for part in below(node) if part.get("class") == "COLUMN_REF"]
        keys.append([writer.resolve(part).key for part in found])
    return len(keys[0]) == 1 and keys[0] == keys[1]


def _in_brackets(writer: ClauseWriter, node: Node) -> bool:
    place, length = span(node)
    text = writer.clause.encode()
    before, after = text[:place].rstrip(), text[place + length :].lstrip()
    return before.endswith(b"(") and after.startswith(b")")
