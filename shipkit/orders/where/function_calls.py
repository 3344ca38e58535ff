"""Functions and infix operators of a filter: only those that compute, and only on the row."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from shipkit.errors import FilterError
from shipkit.orders.where.allowed import ESCAPED, FUNCTIONS, INFIX, LIKE, PATTERNS, VOLATILE
from shipkit.orders.where.bound_values import in_words, is_text
from shipkit.orders.where.parsing import nearest
from shipkit.orders.where.tree import Node, arguments, is_in_without_brackets

if TYPE_CHECKING:
    from shipkit.orders.where.clause_writer import ClauseWriter

__all__ = ["write_function"]

_MAX_PATTERN: Final = 1_000
_QUOTED: Final = {"left": '"left"', "right": '"right"', "if": '"if"', "position": "strpos"}
"""Functions whose name is a keyword -> how it is written so that it is read as a name."""


def write_function(writer: ClauseWriter, node: Node, depth: int) -> str:
    """Return the SQL of a call or an infix operator."""
    name = str(node.get("function_name", "")).lower()
    given = arguments(node)
    _refuse_extras(writer, node, name)
    _refuse_infinite(writer, given)
    if _is_in_list(node, name, given):
        writer.note(node, given[1])
        return writer.in_list(given[0], given[1], depth)
    if name in INFIX and node.get("is_operator"):
        return _infix(writer, node, name, given, depth)
    if name in ESCAPED and len(given) == 3:
        text, pattern, mark = given
        return (
            f"({writer.write(text, depth)} {ESCAPED[name]} {_pattern(writer, pattern, depth)} "
            f"ESCAPE {_pattern(writer, mark, depth)})"
        )
    if name not in FUNCTIONS:
        raise _unknown(writer, node, name)
    fewest, most = FUNCTIONS[name]
    if not fewest <= len(given) <= most:
        expected = fewest if fewest == most else f"{fewest} to {most}"
        raise writer.refused(node, f"{name}() takes {expected} arguments, not {len(given)}.")
    written = [
        _pattern(writer, argument, depth)
        if place and name in PATTERNS
        else writer.write(argument, depth)
        for place, argument in enumerate(given)
    ]
    if name in {"lpad", "rpad"} and not re.fullmatch(r"[0-9]{1,3}", written[1]):
        raise writer.refused(
            node,
            f"{name}() pads to a fixed length of at most 999.",
            fix=f"Write {name}(zip, 5, '0').",
        )
    call = f"{_QUOTED.get(name, name)}({', '.join(written)})"
    return f"TRY({call})" if name == "sqrt" else call  # that of a negative number is unknown


def _refuse_infinite(writer: ClauseWriter, given: Sequence[Node]) -> None:
    """Refuse an infinite value that something is computed of: NaN can be made of it.

    A comparison with it is what it says.
    """
    for argument in given:
        if argument.get("class") == "PARAMETER":
            name, value = writer.value(argument)
            if isinstance(value, float) and math.isinf(value):
                raise writer.refused(
                    argument,
                    f"${name} is infinite, and nothing can be computed with it.",
                    fix="Bind a finite number, or compare a column with it.",
                )


def _is_in_list(node: Node, name: str, given: Sequence[Node]) -> bool:
    """Whether a call is ``state IN $states``, which the parser turns into a call of contains()."""
    return (
        name == "contains"
        and len(given) == 2
        and given[0].get("class") == "PARAMETER"
        and is_in_without_brackets(node)
    )


def _refuse_extras(writer: ClauseWriter, node: Node, name: str) -> None:
    """Refuse anything in a call but plain arguments."""
    extras = (
        node.get("filter")
        or node.get("distinct")
        or node.get("export_state")
        or (node.get("order_bys") or {}).get("orders")
    )
    if extras or any(argument.get("name") for argument in node.get("arguments", ())):
        raise writer.refused(
            node,
            f"{name}() takes only plain arguments in a filter.",
            fix="Remove DISTINCT, ORDER BY, FILTER and named arguments.",
        )
    if node.get("schema") or node.get("catalog"):
        raise writer.refused(
            node, f"{name}() has a prefix.", fix="Use the name of the function alone."
        )


def _infix(writer: ClauseWriter, node: Node, name: str, given: Sequence[Node], depth: int) -> str:
    if len(given) == 1 and name in {"-", "+"}:
        return f"({name} {writer.write(given[0], depth)})"
    if len(given) != 2:
        raise writer.refused(node, f"{INFIX[name]} needs two values.")
    left, right = given
    if name not in LIKE:
        return f"({writer.write(left, depth)} {INFIX[name]} {writer.write(right, depth)})"
    column = writer.typed(left)
    if column is not None and not is_text(column):
        raise writer.refused(
            node,
            f"`{column.key}` is {in_words(column.type)}, not text.",
            fix=f"Compare it with <, =, BETWEEN, or CAST({column.key} AS VARCHAR).",
            column=column.key,
        )
    writer.note(node, left, right)
    return f"({writer.write(left, depth)} {INFIX[name]} {_pattern(writer, right, depth)})"


def _pattern(writer: ClauseWriter, node: Node, depth: int) -> str:
    """Return a pattern: fixed text of bounded length, never a cell.

    A pattern from a cell would let the source decide how much work a filter is.
    """
    kind = node.get("class")
    literal = node.get("literal") or {}
    value = writer.value(node)[1] if kind == "PARAMETER" else literal.get("text")
    if kind not in {"CONSTANT", "PARAMETER"} or not isinstance(value, str):
        raise writer.refused(
            node, "A pattern must be fixed text.", fix="Write it in single quotes, or bind it."
        )
    if len(value) > _MAX_PATTERN:
        raise writer.refused(node, f"A pattern can have at most {_MAX_PATTERN:,} characters.")
    return writer.write(node, depth)


def _unknown(writer: ClauseWriter, node: Node, name: str) -> FilterError:
    if name in VOLATILE:
        return writer.refused(
            node,
            f"{name}() is not a fixed value.",
            fix="Bind the value: where('order_date >= $since', since=...).",
            function=name,
        )
    if name == "row" and not arguments(node):
        return writer.refused(node, "IN () has no values.", fix="Put the values in the brackets.")
    if name == "row":
        return writer.refused(
            node,
            "Values in brackets are a list, and = compares with one value.",
            fix="Write IN: state IN ('CA', 'TX').",
        )
    near = nearest(name, list(FUNCTIONS))
    return writer.refused(
        node,
        f"A filter cannot call {name}()" + (f"; did you mean {near}()?" if near else "."),
        fix="Only functions that compute on the values of a row are allowed.",
        function=name,
    )
