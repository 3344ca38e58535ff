"""How long the texts of a filter can become: bounded before anything runs.

Texts that an expression makes are not under the database's memory limit, and it makes them for a
whole batch of rows at once. So the length of each is bounded from the tree, as a fixed part plus a
multiple of the longest cell, and the batches are made small enough for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shipkit.orders.where.allowed import PATTERNS
from shipkit.orders.where.bound_values import is_text
from shipkit.orders.where.tree import Node, arguments, below, literal_text

if TYPE_CHECKING:
    from shipkit.orders.where.clause_writer import ClauseWriter

__all__ = ["FilterCost", "TextSize", "check_sizes", "cost_of"]

_MAX_GROWTH: Final = 1_000
"""How many times longer than its longest cell a text may become."""
_MAX_FIXED: Final = 100_000
"""Characters of a text that do not come from cells: constants, and what replaces them."""
_MAX_FORMAT: Final = 100
_NUMBER: Final = 40
_PADDED: Final = 999
_PER_FORMAT: Final = 12
"""Characters that one of strftime's format may become: %A, %B, %c."""
_SUMMED: Final = frozenset({"||", "concat", "concat_ws", "list_value"})
_KEPT: Final = frozenset(
    {
        "lower",
        "upper",
        "lcase",
        "ucase",
        "strip_accents",
        "reverse",
        "trim",
        "ltrim",
        "rtrim",
        "left",
        "right",
        "substr",
        "substring",
        "split_part",
        "regexp_extract",
        "nullif",
        "if",
        "greatest",
        "least",
    }
)
"""Functions whose text is no longer than the longest of their arguments."""
_BYTES_PER_CHARACTER: Final = 4


@dataclass(frozen=True)
class TextSize:
    """At most how long a text is: `fixed` characters and `growth` times the longest cell."""

    fixed: int = 0
    growth: int = 0

    def __add__(self, other: TextSize) -> TextSize:
        return TextSize(self.fixed + other.fixed, self.growth + other.growth)

    def times(self, count: int) -> TextSize:
        """Return the size of a text in which every character may become `count`."""
        return TextSize(self.fixed * count, self.growth * count)

    def characters(self, longest: int) -> int:
        """Return the size where the longest cell has `longest` characters."""
        return self.fixed + self.growth * longest


def longer(sizes: Sequence[TextSize]) -> TextSize:
    """Return a size that none of `sizes` exceeds."""
    return TextSize(
        max((size.fixed for size in sizes), default=0),
        max((size.growth for size in sizes), default=0),
    )


@dataclass(frozen=True)
class FilterCost:
    """What a filter makes of one row: all of its texts, and the longest that a pattern reads."""

    made: TextSize = TextSize()
    searched: TextSize = TextSize()

    def __add__(self, other: FilterCost) -> FilterCost:
        return FilterCost(self.made + other.made, self.searched + other.searched)

    @property
    def depends_on_cells(self) -> bool:
        """Whether the cells must be measured."""
        return bool(self.made.growth or self.searched.growth)

    def rows_at_once(self, longest: int, memory: int, searched: int) -> int:
        """Return how many rows may be filtered at once, 0 where even one row is too large.

        Parameters
        ----------
        longest
            Characters of the longest cell.
        memory
            Bytes that the texts may use.
        searched
            Characters that patterns may read before the filter can be stopped.
        """
        made = self.made.characters(longest) * _BYTES_PER_CHARACTER
        read = self.searched.characters(longest)
        return min(memory // max(made, 1), searched // max(read, 1) or 1)


def check_sizes(writer: ClauseWriter, tree: Node) -> None:
    """Raise FilterError for a text that may become too long."""
    for node in below(tree):
        if node.get("class") != "FUNCTION":
            continue
        _check_format(writer, node)
        size = _size(writer, node)
        if size.growth > _MAX_GROWTH:
            raise writer.refused(
                node,
                "This makes texts much longer than the cells.",
                fix="Use fewer or shorter replacements.",
            )
        if size.fixed > _MAX_FIXED:
            raise writer.refused(
                node,
                f"This makes texts of up to {size.fixed:,} characters; the limit is "
                f"{_MAX_FIXED:,}.",
                fix="Use shorter texts.",
            )


def cost_of(writer: ClauseWriter, tree: Node) -> FilterCost:
    """Return what the texts of a checked clause cost."""
    cost = FilterCost()
    for node in below(tree):
        if node.get("class") != "FUNCTION":
            continue
        name = str(node.get("function_name", "")).lower()
        if name in PATTERNS:
            cost += FilterCost(searched=_size(writer, arguments(node)[0]))
        if name in _SUMMED or name in _KEPT or _is_growing(name):
            cost += FilterCost(made=_size(writer, node))
    return cost


def _is_growing(name: str) -> bool:
    return name in {"replace", "regexp_replace", "lpad", "rpad", "strftime"}


def _check_format(writer: ClauseWriter, node: Node) -> None:
    """Refuse a format of dates that a cell decides, or that is very long."""
    given = arguments(node)
    name = str(node.get("function_name", "")).lower()
    if name not in {"strftime", "strptime", "try_strptime"} or len(given) != 2:
        return
    text = _fixed_text(writer, given[1])
    if text is None:
        text = _fixed_text(writer, given[0]) if name == "strftime" else None
    if text is None or len(text) > _MAX_FORMAT:
        raise writer.refused(
            node,
            f"The format of a date must be fixed text of at most {_MAX_FORMAT} characters.",
            fix="Write it in single quotes: '%m/%d/%Y'.",
        )


def _fixed_text(writer: ClauseWriter, node: Node) -> str | None:
    if node.get("class") == "PARAMETER":
        value = writer.value(node)[1]
        return value if isinstance(value, str) else None
    return literal_text(node)


def _size(writer: ClauseWriter, node: Node) -> TextSize:
    """Return at most how long the text of `node` is."""
    kind = node.get("class")
    if kind == "COLUMN_REF":
        return TextSize(0, 1) if is_text(writer.resolve(node)) else TextSize(_NUMBER)
    if kind in {"CONSTANT", "PARAMETER"}:
        text = _fixed_text(writer, node)
        return TextSize(_NUMBER if text is None else len(text))
    if kind == "CAST":
        return longer([_size(writer, node["child"]), TextSize(_NUMBER)])
    if kind == "FUNCTION":
        return _function_size(writer, node)
    if kind == "CASE":
        arms = [arm["then_expr"] for arm in node["case_checks"]]
        return longer([_size(writer, arm) for arm in (*arms, node["else_expr"])])
    if node.get("type") == "OPERATOR_COALESCE":
        return longer([_size(writer, child) for child in node["children"]])
    return TextSize(_NUMBER)


def _function_size(writer: ClauseWriter, node: Node) -> TextSize:
    name, given = str(node.get("function_name", "")).lower(), arguments(node)
    inner = [_size(writer, argument) for argument in given]
    if name in _SUMMED:
        total = sum(inner, TextSize())
        separators = inner[0].times(len(inner)) if name == "concat_ws" and inner else TextSize()
        return total + separators
    if name in {"replace", "regexp_replace"} and len(given) >= 3:
        return _replaced(writer, given, inner[0])
    if name in {"lpad", "rpad"}:
        return TextSize(_PADDED)
    if name == "strftime":
        return TextSize(_MAX_FORMAT * _PER_FORMAT)
    return longer(inner) if name in _KEPT else TextSize(_NUMBER)


def _replaced(writer: ClauseWriter, given: Sequence[Node], text: TextSize) -> TextSize:
    """Return the size of replace(): every character of `text` may become the new text."""
    new = _fixed_text(writer, given[2])
    if new is None:
        return TextSize(growth=_MAX_GROWTH + 1)
    # A reference such as \1 writes at most the text that it matched.
    references = new.count("\\")
    grown = text.times(len(new) + references + 1 if new else 1)
    return TextSize(grown.fixed + len(new), grown.growth)
