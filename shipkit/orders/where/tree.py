"""Questions about the parsed tree of a clause that several checks ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shipkit.orders.where.parsing import span

__all__ = [
    "Node",
    "arguments",
    "below",
    "binds_value",
    "is_in_without_brackets",
    "literal_text",
    "names_column",
]

Node = Mapping[str, Any]


def arguments(node: Node) -> list[Node]:
    """Return the arguments of a call."""
    return [argument["expression"] for argument in node.get("arguments", ())]


def children(node: Node) -> list[Node]:
    """Return the nodes directly below `node`."""
    arms = [arm[side] for arm in node.get("case_checks", ()) for side in ("when_expr", "then_expr")]
    single = ("left", "right", "input", "lower", "upper", "child", "else_expr")
    return [
        *(node[name] for name in single if isinstance(node.get(name), Mapping)),
        *node.get("children", ()),
        *arguments(node),
        *arms,
    ]


def below(node: Node) -> Iterator[Node]:
    """Iterate over `node` and every node below it."""
    stack = [node]
    while stack:
        item = stack.pop()
        yield item
        stack.extend(reversed(children(item)))


def literal_text(node: Node) -> str | None:
    """Return the text of a written text value; None for anything else."""
    literal = node.get("literal") or {}
    return str(literal.get("text", "")) if literal.get("kind") == "STRING" else None


def names_column(node: Node) -> bool:
    """Whether `node` or anything below it is a column."""
    return any(part.get("class") == "COLUMN_REF" for part in below(node))


def binds_value(node: Node) -> bool:
    """Whether `node` or anything below it is a bound value."""
    return any(part.get("class") == "PARAMETER" for part in below(node))


def is_in_without_brackets(node: Node) -> bool:
    """Whether `node` is ``a IN b`` without brackets.

    DuckDB's parser reads it as ``contains(b, a)``, at the place of ``b``; a written call of
    contains() begins before its first argument.
    """
    given = arguments(node)
    return (
        node.get("function_name") == "contains" and len(given) == 2 and span(node) == span(given[0])
    )
