"""What a template may look like, checked before Jinja2 and Python compile it.

Jinja2 writes Python, and Python's compiler has limits of its own: 20 loops inside each other, 100
levels of indentation, 200 brackets. Its errors are about that code and not about the template. The
limits here are lower and name the line of the template.
"""

from __future__ import annotations

import math
from typing import Final

from jinja2 import nodes

from shipkit.errors import TemplateError

__all__ = ["MAX_DIGITS", "check_structure", "check_text", "evaluations"]

_LOOPS: Final = 8
_STATEMENTS: Final = 40
_DEPTH: Final = 100
MAX_DIGITS: Final = 400
"""Digits of a number in a template."""
_PER_STEP: Final = 10
"""Parts of an expression that count as one step of a loop."""
_SIMPLER: Final = "Make the template simpler."


def check_text(text: str, line: int = 1) -> None:
    """Raise TemplateError for a text that is not Unicode: it has half a character.

    Parameters
    ----------
    line
        The line of the template on which `text` begins.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line += text.count("\n", 0, error.start)
        raise TemplateError(
            f"Template line {line}: {text[error.start]!a} is half a character.",
            fix="Remove it, or write the whole character.",
            line=line,
        ) from None


def check_structure(tree: nodes.Template) -> None:
    """Raise TemplateError for what Python could not compile, or only slowly."""
    stack: list[tuple[nodes.Node, int, int, int]] = [(tree, 0, 0, 0)]
    while stack:
        node, depth, statements, loops = stack.pop()
        if isinstance(node, nodes.Const):
            _check_constant(node)
        loops += isinstance(node, nodes.For)
        statements += isinstance(node, nodes.If | nodes.For | nodes.With)
        for count, most, what in (
            (loops, _LOOPS, "loops inside each other"),
            (statements, _STATEMENTS, "statements inside each other"),
            (depth, _DEPTH, "operations inside each other"),
        ):
            if count > most:
                raise TemplateError(
                    f"Template line {node.lineno}: it is nested too deeply (more than {most} "
                    f"{what}).",
                    fix=_SIMPLER,
                    line=node.lineno,
                )
        deeper = depth + isinstance(node, nodes.Expr)
        stack.extend((child, deeper, statements, loops) for child in node.iter_child_nodes())


def evaluations(node: nodes.For) -> int:
    """Return how many steps one iteration of a loop counts for what is computed in it."""
    parts = sum(1 for part in node.body for _ in part.find_all(nodes.Expr))
    return 1 + parts // _PER_STEP


def _check_constant(node: nodes.Const) -> None:
    value = node.value
    problem = None
    if isinstance(value, float) and not math.isfinite(value):
        problem = "a number is too large"
    elif isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        problem = f"a number has more than {MAX_DIGITS} digits"
    elif isinstance(value, str):
        check_text(value, node.lineno)
    if problem:
        raise TemplateError(f"Template line {node.lineno}: {problem}.", line=node.lineno)
