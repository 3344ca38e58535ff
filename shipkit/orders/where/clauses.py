"""One SQL condition from outside: parsed, checked against an allow-list, and rewritten.

What runs later is never the text that came in. The clause is parsed (not run) in an empty, locked
database; its tree is checked by an allow-list of node classes, operators, functions and types; and
SQL is written from that tree. What is not on a list cannot reach the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import duckdb

from shipkit.orders.columns import Column
from shipkit.orders.where.cell_checks import CellCheck, checks_of
from shipkit.orders.where.clause_writer import ClauseWriter, ColumnComparison
from shipkit.orders.where.parsing import parse
from shipkit.orders.where.text_sizes import FilterCost, check_sizes, cost_of
from shipkit.orders.where.traps import refuse_traps

__all__ = ["CheckedClause", "ClauseTree", "check", "clause_tree"]


@dataclass(frozen=True)
class CheckedClause:
    """A clause that may run."""

    text: str
    """As the person wrote it."""
    sql: str
    """Written from the checked tree: columns by key, values bound as ``$name``."""
    params: Mapping[str, Any]
    columns: tuple[str, ...]
    """Keys of the columns that it uses."""
    comparisons: tuple[ColumnComparison, ...] = ()
    parts: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Text and SQL of each condition that AND joins at the top."""
    cost: FilterCost = field(default=FilterCost(), repr=False)
    """What the texts that it makes cost for one row."""
    checks: tuple[CellCheck, ...] = field(default=(), repr=False)
    """What is counted in the cells, because it may mean something else than what is written."""


def check(
    clause: str,
    columns: Sequence[Column],
    params: Mapping[str, Any],
    con: duckdb.DuckDBPyConnection,
) -> CheckedClause:
    """Return `clause`, checked and rewritten.

    Parameters
    ----------
    columns
        The columns that it may use.
    params
        Values for its ``$names``.
    con
        An empty locked database, used for its parser only.

    Raises
    ------
    FilterError
        The clause is not a single condition, or uses something that is not on the lists; the
        message shows where.
    """
    tree = parse(clause, con)
    writer = ClauseWriter(clause, columns, params)
    sql = writer.write(tree, depth=0)
    check_sizes(writer, tree)
    refuse_traps(writer, tree)
    parts = tuple((writer.source(part), writer.write(part, depth=1)) for part in _conjuncts(tree))
    return CheckedClause(
        text=clause,
        sql=sql,
        params=dict(writer.bound),
        columns=tuple(dict.fromkeys(writer.columns)),
        comparisons=tuple(dict.fromkeys(writer.comparisons)),
        parts=parts,
        cost=cost_of(writer, tree),
        checks=checks_of(writer, tree, sql),
    )


def _conjuncts(tree: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return tree["children"] if tree.get("type") == "CONJUNCTION_AND" else (tree,)


@dataclass(frozen=True)
class ClauseTree:
    """The tree of a checked clause, for writing it in another dialect of SQL."""

    tree: Mapping[str, Any] = field(repr=False)
    writer: ClauseWriter = field(repr=False)

    def column(self, node: Mapping[str, Any]) -> Column:
        """Return the column that a node names."""
        return self.writer.resolve(node)

    def value(self, node: Mapping[str, Any]) -> Any:
        """Return the fixed value of a node: text, Decimal or what was bound; None without one."""
        if node.get("class") == "PARAMETER":
            return self.writer.value(node)[1]
        literal = node.get("literal") or {}
        text = str(literal.get("text", ""))
        if literal.get("kind") == "STRING":
            return text
        number = literal.get("kind") in {"INTEGER", "NUMERIC"}
        return Decimal(text.replace("_", "")) if number else None

    def source(self, node: Mapping[str, Any]) -> str:
        """Return what the person wrote for a node."""
        return self.writer.source(node)


def clause_tree(
    clause: str,
    columns: Sequence[Column],
    params: Mapping[str, Any],
    con: duckdb.DuckDBPyConnection,
) -> ClauseTree:
    """Return the tree of `clause`, which is checked as :func:`check` does. Raises FilterError."""
    check(clause, columns, params, con)
    return ClauseTree(parse(clause, con), ClauseWriter(clause, columns, params))
