"""The syntax of templates: what they may contain, and how they are rewritten to be safe."""

# ruff: noqa: D102, N802 - visitor methods are named after the nodes they visit

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeGuard

from jinja2 import meta, nodes
from jinja2.visitor import NodeTransformer, NodeVisitor

from shipkit.errors import TemplateError
from shipkit.orders.mapping.environment import ShipmentEnvironment, nearest
from shipkit.orders.mapping.template_structure import evaluations
from shipkit.schema import ADDRESS_FIELDS

__all__ = [
    "CELL",
    "CELL_JSON",
    "SHIPPER",
    "SHIPPER_JSON",
    "Forbidden",
    "NameFinder",
    "Rewriter",
    "check_filters",
    "check_names",
    "writes_same_fields",
]

CELL: Final = "column_at_"
CELL_JSON: Final = "json_at_"
SHIPPER: Final = "shipper_at_"
SHIPPER_JSON: Final = "shipper_json_at_"
"""How variables begin that hold a cell, its JSON text, and the same of a shipper's field."""

_GUARDS: Final = frozenset({"default", "d", "default_value"})
"""Filters that replace a column which the orders do not have."""


class Forbidden(NodeVisitor):
    """Refuses statements that load other templates, or that could run without being counted."""

    def visit_Include(self, node: nodes.Include) -> None:
        self._refuse(node, "include")

    def visit_Import(self, node: nodes.Import) -> None:
        self._refuse(node, "import")

    def visit_FromImport(self, node: nodes.FromImport) -> None:
        self._refuse(node, "import")

    def visit_Extends(self, node: nodes.Extends) -> None:
        self._refuse(node, "extends")

    def visit_Block(self, node: nodes.Block) -> None:
        self._refuse(node, "block")

    def visit_CallBlock(self, node: nodes.CallBlock) -> None:
        self._refuse(node, "call")

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> None:
        self._refuse(node, "filter")

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> None:
        self._refuse(node, "set block")

    def visit_Macro(self, node: nodes.Macro) -> None:
        self._refuse(node, "macro")

    def visit_For(self, node: nodes.For) -> None:
        if node.recursive:
            self._refuse(node, "recursive loop")
        self.generic_visit(node)

    def visit_Name(self, node: nodes.Name) -> None:
        if node.name.startswith((CELL, CELL_JSON, SHIPPER, SHIPPER_JSON)) or node.name == "budget_":
            self._refuse(node, node.name)

    def _refuse(self, node: nodes.Node, what: str) -> None:
        raise TemplateError(
            f"Template line {node.lineno}: {what!r} is not available in shipment templates.",
            fix="Use if, for and set instead.",
            line=node.lineno,
        )


class NameFinder(NodeVisitor):
    """Collects the names that a template reads, and those it sets."""

    def __init__(self) -> None:
        self.loaded: set[str] = set()
        self.stored: set[str] = set()

    def visit_Name(self, node: nodes.Name) -> None:
        (self.loaded if node.ctx == "load" else self.stored).add(node.name)


def check_filters(tree: nodes.Template, environment: ShipmentEnvironment) -> None:
    """Raise TemplateError for a filter or test that does not exist."""
    for kind, known in ((nodes.Filter, environment.filters), (nodes.Test, environment.tests)):
        for node in tree.find_all(kind):
            if node.name not in known:
                shown = [name for name in known if not name.endswith("_")]
                word = "filter" if kind is nodes.Filter else "test"
                raise TemplateError(
                    (
                        f"Template line {node.lineno}: there is no {word} "
                        f"{node.name!r}; {nearest(node.name, shown)}"
                    ).rstrip("; ")
                    + ("" if nearest(node.name, shown) else "."),
                    fix=f"Available: {', '.join(sorted(shown))}.",
                    line=node.lineno,
                )


def _undeclared(tree: nodes.Template, environment: ShipmentEnvironment) -> set[str]:
    """Return the names that `tree` reads and does not set.

    As :func:`jinja2.meta.find_undeclared_variables`, without folding constants: that takes a time
    that grows with the square of the nesting.
    """
    generator = meta.TrackingCodeGenerator(environment)
    generator.optimizer = None
    generator.visit(tree)
    return generator.undeclared_identifiers


def check_names(
    tree: nodes.Template, keys: Sequence[str], environment: ShipmentEnvironment
) -> None:
    """Raise TemplateError for a variable that does not exist."""
    known = {"row", "lines", "shipper", "range", "namespace"}
    for name in sorted(_undeclared(tree, environment) - known):
        line = next((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), None)
        hint = f"did you mean row.{name}?" if name in keys else nearest(name, known)
        raise TemplateError(
            f"Template line {line}: there is no variable {name!r}{'; ' + hint if hint else '.'}",
            fix="Templates have the variables row, lines and shipper.",
            line=line,
        )


def writes_same_fields(tree: nodes.Template) -> bool:
    """Return whether every row writes the same fields."""
    if any(not isinstance(node, nodes.Output | nodes.Assign) for node in tree.body):
        return False
    return not any(
        isinstance(node.value, str) and '"' in node.value for node in tree.find_all(nodes.Const)
    )


class Rewriter(NodeTransformer):
    """Makes columns plain names, counts loops and growing values, and escapes what is written."""

    def __init__(self, by_heading: Mapping[str, str], keys: set[str], finder: NameFinder) -> None:
        self.by_heading, self.keys = by_heading, keys
        self.rewrites = "row" not in finder.stored
        self.used: dict[str, None] = {}
        self.written: dict[str, None] = {}
        self.keeps_shipper = "shipper" not in finder.stored
        self.whole_row = not self.rewrites and "row" in finder.loaded
        self.guarded: set[int] = set()
        self.loops = 0

    # columns

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:
        if self._is_row(node.node):
            return self._column(node, node.attr, node.attr)
        if self._is_sender(node):
            return nodes.Name(SHIPPER + node.attr, "load", lineno=node.lineno)
        return self.generic_visit(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        if (
            self._is_row(node.node)
            and isinstance(node.arg, nodes.Const)
            and isinstance(node.arg.value, str)
        ):
            return self._column(
                node, self.by_heading.get(node.arg.value, node.arg.value), node.arg.value
            )
        sliced = isinstance(node.arg, nodes.Slice)
        self.generic_visit(node)
        return self._through("sliced_", node) if sliced else node

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        if node.name == "row" and node.ctx == "load":
            self.whole_row = True
        return node

    def _is_sender(self, node: nodes.Node | None) -> TypeGuard[nodes.Getattr]:
        return (
            self.keeps_shipper
            and isinstance(node, nodes.Getattr)
            and isinstance(node.node, nodes.Name)
            and node.node.name == "shipper"
            and node.attr in ADDRESS_FIELDS
        )

    def _is_row(self, node: nodes.Node) -> bool:
        return (
            self.rewrites
            and isinstance(node, nodes.Name)
            and node.name == "row"
            and node.ctx == "load"
        )

    def _column(self, node: nodes.Expr, key: str, shown: str) -> nodes.Node:
        if key not in self.keys and id(node) not in self.guarded:
            key_of = self.by_heading.get(shown)  # row.Zip, for the column "Zip"
            hint = nearest(shown, [*self.keys, *self.by_heading])
            hint = f"did you mean {key_of}?" if key_of else hint
            raise TemplateError(
                f"Template line {node.lineno}: there is no column "
                f"{shown!r}{'; ' + hint if hint else '.'}",
                fix=f"Columns: {', '.join(sorted(self.keys))}.",
                line=node.lineno,
            )
        if key in self.keys:
            self.used[key] = None
        return nodes.Name(CELL + key, "load", lineno=node.lineno)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        if node.name in _GUARDS and node.node is not None:
            self.guarded.add(id(node.node))
        return self.generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:
        if node.name in ("defined", "undefined"):
            self.guarded.add(id(node.node))
        return self.generic_visit(node)

    # what can grow

    def visit_For(self, node: nodes.For) -> nodes.Node:
        counts = (
            sum(len(data.data) for data in node.find_all(nodes.TemplateData)),
            evaluations(node),
        )
        self.loops += 1
        self.generic_visit(node)
        self.loops -= 1
        fixed, steps = (nodes.Const(count, lineno=node.lineno) for count in counts)
        node.iter = self._through("counted_", node.iter, fixed, steps)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return self._through("concat_", nodes.List(node.nodes, lineno=node.lineno))

    def visit_List(self, node: nodes.List) -> nodes.Node:
        return self._grown(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return node if node.ctx == "store" else self._grown(node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return self._grown(node)

    def _grown(self, node: nodes.Expr) -> nodes.Node:
        self.generic_visit(node)
        plain = all(
            isinstance(child, nodes.Const)
            for child in node.iter_child_nodes()
            if not isinstance(child, nodes.Pair)
        )
        plain = plain and all(
            isinstance(pair.value, nodes.Const) for pair in node.find_all(nodes.Pair)
        )
        return node if plain else self._through("small_", node)

    # writing

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        node.nodes = [self._as_json(child) or child for child in node.nodes]
        self.generic_visit(node)
        node.nodes = [
            child if isinstance(child, nodes.TemplateData) else self._written(child)
            for child in node.nodes
        ]
        return node

    def _as_json(self, node: nodes.Expr) -> nodes.Expr | None:
        """Return a name for ``row.<column> | tojson``, whose text is made for the whole column."""
        if not (
            isinstance(node, nodes.Filter)
            and node.name == "tojson"
            and not node.args
            and not node.kwargs
        ):
            return None
        if self._is_sender(node.node):
            return nodes.Name(SHIPPER_JSON + node.node.attr, "load", lineno=node.lineno)
        key = self._key(node.node)
        if key not in self.keys:
            return None
        self.written[key] = None
        return nodes.Name(CELL_JSON + key, "load", lineno=node.lineno)

    def _key(self, node: nodes.Node | None) -> str:
        """Return the key that ``row.<key>`` or ``row["<heading>"]`` reads, else an empty text."""
        if isinstance(node, nodes.Getattr) and self._is_row(node.node):
            return node.attr
        if (
            isinstance(node, nodes.Getitem)
            and self._is_row(node.node)
            and isinstance(node.arg, nodes.Const)
        ):
            return self.by_heading.get(str(node.arg.value), str(node.arg.value))
        return ""

    def _written(self, node: nodes.Expr) -> nodes.Expr:
        """Return `node` so that it writes JSON: constants as they are, cells escaped."""
        counted = "loop_" if self.loops else ""
        if isinstance(node, nodes.Name) and node.name.startswith((CELL_JSON, SHIPPER_JSON)):
            return self._through("loop_written_", node) if counted else node
        if isinstance(node, nodes.Const) and isinstance(node.value, str):
            return self._through("loop_written_", node) if counted else node
        if isinstance(node, nodes.CondExpr):
            node.expr1 = self._written(node.expr1)
            node.expr2 = (
                self._written(node.expr2)
                if node.expr2 is not None
                else nodes.Const("", lineno=node.lineno)
            )
            return node
        if (
            isinstance(node, nodes.Filter)
            and node.name == "tojson"
            and not node.args
            and not node.kwargs
            and node.node is not None
        ):
            return self._through(f"{counted}json_", node.node)
        return self._through(f"{counted}text_", node)

    def _through(self, name: str, node: nodes.Node, *args: nodes.Expr) -> nodes.Filter:
        return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)
