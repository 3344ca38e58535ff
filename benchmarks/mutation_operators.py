"""Plausible defects: every way in which one line of a module can be a little wrong.

The operators are the mistakes that people make and that reviewers overlook: a boundary off by one,
a condition the wrong way round, a statement or a field forgotten, a state or a carrier's code
confused with its neighbour, a commit that is not waited for. Texts (messages, log lines,
docstrings) and annotations are left alone, since no promise depends on them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Mutant", "mutants"]


@dataclass(frozen=True)
class Mutant:
    """One defect."""

    first: int
    last: int
    """Lines of the statement that holds it, 1-based."""
    in_function: bool
    kind: str
    before: str
    after: str
    source: str
    """The whole module with the defect."""


_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
_NAMES = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "ROUND_CEILING": "ROUND_FLOOR",
    "greater": "greater_equal",
    "greater_equal": "greater",
    "less": "less_equal",
    "less_equal": "less",
    "equal": "not_equal",
    "and_": "or_",
    "or_": "and_",
    "is_valid": "is_null",
    "is_null": "is_valid",
}
"""Functions that are easily confused, those of pyarrow.compute included."""

_MAY_FORGET = {"LedgerEntry", "moved"}
"""Calls whose keywords are optional: one that is left out is noticed by no type checker."""

_SILENT = {"__repr__", "__str__", "_repr_html_"}


def mutants(source: str, enums: dict[str, list[str]]) -> Iterator[Mutant]:
    """Yield every defect of a module. `enums` has the members of enumerations, by their name."""
    tree = ast.parse(source)
    for statement, in_function in _statements(tree.body, in_function=False):
        before = _headline(statement)
        for kind, change in _changes(statement, enums):
            with change() as done:
                text = ast.unparse(done if isinstance(done, ast.Module) else tree)
                after = _headline(statement)
            if text == ast.unparse(tree):
                continue
            last = _last_line(statement)
            yield Mutant(statement.lineno, last, in_function, kind, before, after, text)


def _last_line(statement: ast.stmt) -> int:
    """Return the last line of the statement itself, without the block that it opens."""
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body:
        return max(statement.lineno, body[0].lineno - 1)
    return statement.end_lineno or statement.lineno


def _headline(statement: ast.stmt) -> str:
    """Return the statement as one line, without the block that it opens."""
    if isinstance(
        statement, ast.For | ast.AsyncFor | ast.With | ast.AsyncWith | ast.If | ast.While
    ):
        return ast.unparse(statement).split("\n", 1)[0]
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return f"def {statement.name}({ast.unparse(statement.args)})"
    return ast.unparse(statement)


def _statements(body: list[ast.stmt], *, in_function: bool) -> Iterator[tuple[ast.stmt, bool]]:
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if statement.name in _SILENT:
                    continue
                yield statement, in_function
                body = statement.body
                if statement.name == "__init__":
                    body = [line for line in body if not _is_attribute(line)]
                yield from _statements(body, in_function=True)
            case ast.ClassDef():
                yield from _statements(statement.body, in_function=in_function)
            case ast.Import() | ast.ImportFrom() | ast.Assert():
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case ast.Match():
                for case in statement.cases:
                    yield from _statements(case.body, in_function=in_function)
            case ast.Try():
                for block in (
                    statement.body,
                    *(handler.body for handler in statement.handlers),
                    statement.orelse,
                    statement.finalbody,
                ):
                    yield from _statements(block, in_function=in_function)
            case _ if not _is_text(statement):
                yield statement, in_function
                for block in ("body", "orelse"):
                    yield from _statements(getattr(statement, block, []), in_function=in_function)


def _is_attribute(statement: ast.stmt) -> bool:
    """Whether `__init__` only keeps an argument: without it every test would fail at once."""
    return isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(
        statement.value, ast.Name | ast.Tuple
    )


def _is_text(statement: ast.stmt) -> bool:
    """Whether nothing depends on the statement: a docstring, a log line, the exported names."""
    match statement:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log")))):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "log")]):
            return True
    return False


# -- the changes of one statement ------------------------------------------------------------------

Change = Callable[[], "contextmanager[ast.AST | None]"]


def _changes(statement: ast.stmt, enums: dict[str, list[str]]) -> Iterator[tuple[str, Change]]:
    yield from _dropped(statement)
    match statement:
        case ast.If() | ast.While():
            if not isinstance(statement.test, ast.Constant):
                yield "negated condition", _set(statement, "test", _not(statement.test))
        case ast.Expr(value=ast.Await(value=ast.Call(func=ast.Attribute(attr="record")) as call)):
            yield "not waited for", _set(statement, "value", call)
    for parent, name, node in _expressions(statement):
        yield from _changed(parent, name, node, enums)


def _dropped(statement: ast.stmt) -> Iterator[tuple[str, Change]]:
    """Yield the statement left out."""
    match statement:
        case (
            ast.Expr(value=ast.Call() | ast.Await())
            | ast.AugAssign()
            | ast.Raise()
            | ast.Continue()
            | ast.Break()
            | ast.Delete()
            | ast.Assign(targets=[ast.Attribute() | ast.Subscript()])
        ):
            yield "dropped statement", _without(statement)


def _expressions(statement: ast.stmt) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    """Yield parent, field and node of every expression of the statement itself."""
    if isinstance(statement, ast.Raise):
        return
    skipped = {"body", "orelse", "finalbody", "handlers", "annotation", "returns", "decorator_list"}
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        for name, value in ast.iter_fields(node):
            if (node is statement or isinstance(node, ast.arguments | ast.arg)) and name in skipped:
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.JoinedStr) or not isinstance(child, ast.AST):
                    continue
                yield node, name, child
                waiting.append(child)


def _changed(
    parent: ast.AST, name: str, node: ast.AST, enums: dict[str, list[str]]
) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.Compare(ops=[op, *rest]) if type(op) in _COMPARISONS:
            yield "comparison", _set(node, "ops", [_COMPARISONS[type(op)](), *rest])
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC and not _of_text(node):
            yield "arithmetic", _set(node, "op", _ARITHMETIC[type(op)]())
        case ast.BoolOp(op=op):
            other = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield "and/or", _set(node, "op", other)
        case ast.UnaryOp(op=ast.Not()):
            yield "negation dropped", _put(parent, name, node, node.operand)
        case ast.IfExp():
            yield "negated condition", _set(node, "test", _not(node.test))
        case ast.comprehension(ifs=[first, *rest]):
            yield "negated condition", _set(node, "ifs", [_not(first), *rest])
        case ast.Constant(value=bool() as value):
            yield "flag", _set(node, "value", not value)
        case ast.Constant(value=int() as value):
            for other in (value + 1, value - 1):
                yield "off by one", _set(node, "value", other)
        case ast.Name(id=found) | ast.Attribute(attr=found) if found in _NAMES:
            if (isinstance(parent, ast.Call) and name == "func") or found.isupper():
                field = "id" if isinstance(node, ast.Name) else "attr"
                yield "another function", _set(node, field, _NAMES[found])
        case ast.Attribute(value=ast.Name(id=kind), attr=member) if member in enums.get(kind, ()):
            members = enums[kind]
            other = members[(members.index(member) + 1) % len(members)]
            yield "another member", _set(node, "attr", other)
        case ast.Dict(keys=keys, values=values):
            yield from _dictionary(node, keys, values)
        case ast.Tuple(elts=[_, _, *_]) | ast.Set(elts=[_, _, *_]):
            if all(isinstance(element, ast.Attribute) for element in node.elts):
                for i in range(len(node.elts)):
                    left = [*node.elts[:i], *node.elts[i + 1 :]]
                    yield "member left out", _set(node, "elts", left)
        case ast.Call(func=ast.Name(id=called)) if called in _MAY_FORGET:
            for i in range(len(node.keywords)):
                left = [*node.keywords[:i], *node.keywords[i + 1 :]]
                yield "field left out", _set(node, "keywords", left)
    if isinstance(parent, ast.AugAssign) and node is parent.op and type(node) in _ARITHMETIC:
        yield "arithmetic", _set(parent, "op", _ARITHMETIC[type(node)]())


def _dictionary(
    node: ast.Dict, keys: list[ast.expr | None], values: list[ast.expr]
) -> Iterator[tuple[str, Change]]:
    for i, key in enumerate(keys):
        if key is None:
            continue
        yield (
            "entry left out",
            _sets(node, keys=[*keys[:i], *keys[i + 1 :]], values=[*values[:i], *values[i + 1 :]]),
        )
        following = values[i + 1] if i + 1 < len(values) else None
        if following is not None and _simple(values[i]) and _simple(following):
            swapped = [*values[:i], following, values[i], *values[i + 2 :]]
            yield "values swapped", _sets(node, values=swapped)
        elif isinstance(values[i], ast.Constant) and isinstance(values[i].value, str):
            text = ast.Constant(f"{values[i].value}X")
            yield "another text", _sets(node, values=[*values[:i], text, *values[i + 1 :]])


def _simple(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant | ast.Attribute)


def _of_text(node: ast.BinOp) -> bool:
    """Whether an operand is plainly a text, where arithmetic has only one meaning."""
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _not(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


# -- making a change and taking it back ------------------------------------------------------------


def _set(node: ast.AST, field: str, value: object) -> Change:
    return _sets(node, **{field: value})


def _sets(node: ast.AST, **fields: object) -> Change:
    @contextmanager
    def change() -> Iterator[None]:
        before = {field: getattr(node, field) for field in fields}
        for field, value in fields.items():
            setattr(node, field, value)
        try:
            yield
        finally:
            for field, value in before.items():
                setattr(node, field, value)

    return change


def _put(parent: ast.AST, field: str, node: ast.AST, other: ast.AST) -> Change:
    value = getattr(parent, field)
    if isinstance(value, list):
        return _set(parent, field, [other if item is node else item for item in value])
    return _set(parent, field, other)


def _without(statement: ast.stmt) -> Change:
    """Let the statement do nothing, by turning the node itself into another."""

    @contextmanager
    def change() -> Iterator[None]:
        kind, fields = statement.__class__, dict(statement.__dict__)
        statement.__class__ = ast.Pass
        try:
            yield
        finally:
            statement.__class__ = kind
            statement.__dict__.update(fields)

    return change
