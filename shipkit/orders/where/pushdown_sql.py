"""Write a filter in the SQL of a database, so that no order that matches is left out.

A condition may let through more than the filter does, never less. What cannot be written that way
is left to be checked here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from shipkit.orders.columns import Column
from shipkit.orders.database import Database
from shipkit.orders.where.allowed import COMPARE
from shipkit.orders.where.clauses import ClauseTree

__all__ = ["READ_AS", "ConditionWriter", "DatabaseQuery"]

_MOST_VALUES: Final = 5_000
"""Longer lists are not sent: a statement of a database takes only so many values."""
_BLANKS: Final = " \t\n\r\u00a0"
_ODD: Final = ("%\t%", "%\n%", "%\r%", "%\u00a0%", "'%", "%.0")
"""Texts that reading changes (blanks, an apostrophe before digits, ".0" at the end).

Such cells are always let through, because here they may compare as something else.
"""
READ_AS: Final = {
    "text": ("VARCHAR",),
    "integer": (
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
    ),
    "date": ("DATE", "TIMESTAMP"),
    "number": ("BIGINT", "INTEGER", "FLOAT", "DOUBLE", "DECIMAL"),
}
"""Kind of a column in the database -> the types that it must be read as."""
_OPPOSITE: Final = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRRORED: Final = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_NUMBER_ROOM: Final = Decimal(1) / 1_000_000
"""Relative room for numbers that are not integers: databases round and compare them differently."""


@dataclass
class DatabaseQuery:
    """What a database is asked."""

    database: Database
    sql: str | None = None
    """A condition on its rows; None: it can check nothing."""
    values: dict[str, Any] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)
    """Column -> the kind that its cells must be read as for the condition to be right."""
    left: list[str] = field(default_factory=list)
    """What is left to be checked here, as the person wrote it."""

    def bind(self, value: Any) -> str:
        """Return the placeholder for `value`."""
        name = f"shipkit_{len(self.values) + 1}"
        self.values[name] = value
        return f":{name}"

    def text(self, column: str) -> str:
        """Return SQL of a column as text."""
        return self.database.dialect.text(self.database.dialect.quote(column))

    def odd(self, column: str) -> str:
        """Return a condition for the cells that reading changes."""
        return " OR ".join(f"{self.text(column)} LIKE {self.bind(pattern)}" for pattern in _ODD)


class ConditionWriter:
    """Writes the tree of a clause as a condition that holds at least where the clause holds.

    Every method returns None for what it cannot write that way.
    """

    def __init__(
        self,
        tree: ClauseTree,
        columns: Sequence[Column],
        kinds: Mapping[str, tuple[str, str]],
        query: DatabaseQuery,
        *,
        row_is_order: bool,
    ) -> None:
        self.tree = tree
        self.kinds = kinds
        self.query = query
        self.row_is_order = row_is_order
        self.types = {column.key: column.type for column in columns}

    def write(self, node: Mapping[str, Any], *, negated: bool) -> str | None:
        """Return the condition for one node, or for its negation."""
        if node.get("class") == "CONJUNCTION":
            parts = [self.write(child, negated=negated) for child in node["children"]]
            if (node["type"] == "CONJUNCTION_AND") != negated:
                return _all_of(parts)
            return None if None in parts else f"({' OR '.join(map(str, parts))})"
        if node.get("type") == "OPERATOR_NOT":
            return self.write(node["children"][0], negated=not negated)
        if node.get("class") == "BETWEEN":
            return self.write(_as_comparisons(node), negated=negated)
        made = self._single(node, negated=negated)
        if made is None:
            self.query.left.append(("NOT " if negated else "") + self.tree.source(node))
            return None
        # An order matches when any of its lines does.
        return made if self.row_is_order else f"max(CASE WHEN {made} THEN 1 ELSE 0 END) = 1"

    def _single(self, node: Mapping[str, Any], *, negated: bool) -> str | None:
        """Return the condition for one comparison."""
        kind, children = str(node.get("type")), node.get("children", ())
        if kind in COMPARE and COMPARE[kind] in _OPPOSITE:
            return self._compared(node["left"], node["right"], COMPARE[kind], negated=negated)
        if kind in {"OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"}:
            return self._null(children[0], empty=(kind == "OPERATOR_IS_NULL") != negated)
        if kind in {"COMPARE_IN", "COMPARE_NOT_IN"}:
            return self._listed(
                children[0],
                [self.tree.value(child) for child in children[1:]],
                negated=negated != (kind == "COMPARE_NOT_IN"),
            )
        arguments = [argument["expression"] for argument in node.get("arguments", ())]
        if len(arguments) != 2:
            return None
        if node.get("function_name") == "contains":  # column IN $list
            values = self.tree.value(arguments[0])
            return (
                self._listed(arguments[1], values, negated=negated)
                if isinstance(values, list)
                else None
            )
        if node.get("function_name") == "~~" and not negated:
            return self._like(arguments[0], self.tree.value(arguments[1]))
        return None

    def _compared(
        self, left: Mapping[str, Any], right: Mapping[str, Any], sign: str, *, negated: bool
    ) -> str | None:
        if left.get("class") != "COLUMN_REF":
            left, right, sign = right, left, _MIRRORED[sign]
        found = self._column(left)
        if found is None or right.get("class") == "COLUMN_REF":
            return None
        return self._against(*found, _OPPOSITE[sign] if negated else sign, self.tree.value(right))

    def _listed(
        self, item: Mapping[str, Any], values: Sequence[Any], *, negated: bool
    ) -> str | None:
        found = self._column(item)
        if found is None or not 0 < len(values) <= _MOST_VALUES:
            return None
        name, kind = found
        if kind == "text":
            return self._texts(name, values, negated=negated)
        parts = [self._against(name, kind, "<>" if negated else "=", value) for value in values]
        if negated:
            return _all_of(parts)
        return None if None in parts else f"({' OR '.join(map(str, parts))})"

    def _column(self, node: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return name and kind in the database of the column that `node` is.

        An integer that is read as text (an order number) is compared as text.
        """
        if node.get("class") != "COLUMN_REF":
            return None
        key = self.tree.column(node).key
        name, kind = self.kinds.get(key, ("", ""))
        if kind == "integer" and self.types[key] == "VARCHAR":
            kind = "text"
        if not kind or not self.types[key].startswith(READ_AS[kind]):
            return None
        self.query.assumed[key] = kind
        return name, kind

    # -- one column and fixed values ---------------------------------------------------------------

    def _against(self, name: str, kind: str, sign: str, value: Any) -> str | None:
        if kind == "text":
            equal = sign in {"=", "<>"}
            return self._texts(name, [value], negated=sign == "<>") if equal else None
        if kind == "date":
            return self._day(name, sign, _as_day(value))
        return self._number(name, kind, sign, _as_number(value))

    def _texts(self, name: str, values: Sequence[Any], *, negated: bool) -> str | None:
        if any(not isinstance(value, str) or value != value.strip(_BLANKS) for value in values):
            return None
        placeholders = ", ".join(self.query.bind(value) for value in values)
        word = "NOT IN" if negated else "IN"
        return f"({self.query.text(name)} {word} ({placeholders}) OR {self.query.odd(name)})"

    def _like(self, item: Mapping[str, Any], pattern: Any) -> str | None:
        found = self._column(item)
        if found is None or found[1] != "text" or not isinstance(pattern, str) or "\\" in pattern:
            return None
        name = found[0]
        like = f"{self.query.text(name)} LIKE {self.query.bind(pattern)}"
        return f"({like} OR {self.query.odd(name)})"

    def _null(self, item: Mapping[str, Any], *, empty: bool) -> str | None:
        found = self._column(item)
        if found is None or found[1] not in {"text", "integer"}:
            return None
        name = found[0]
        column = self.query.database.dialect.quote(name)
        if not empty:
            return f"{column} IS NOT NULL"
        return f"({column} IS NULL OR {self.query.text(name)} = '' OR {self.query.odd(name)})"

    def _number(self, name: str, kind: str, sign: str, value: Decimal | None) -> str | None:
        """Compare integers exactly, other numbers with a little room."""
        if value is None:
            return None
        dialect = self.query.database.dialect
        column = dialect.quote(name)
        if kind == "integer" and value == int(value):
            made: str | None = f"{column} {sign} {self.query.bind(int(value))}"
        else:
            room = max(abs(value), Decimal(1)) * _NUMBER_ROOM
            made = self._roomy(column, sign, float(value - room), float(value + room))
        if made is None:
            return None
        # In SQLite any cell may be text, whatever its column declares.
        text = f" OR typeof({column}) IN ('text', 'blob')" if dialect.name == "sqlite" else ""
        return f"({made}{text})"

    def _day(self, name: str, sign: str, value: dt.date | None) -> str | None:
        """Compare dates with a day of room: which day it is depends on the database's time zone."""
        if value is None or not dt.date(1000, 1, 2) < value < dt.date(9999, 12, 30):
            return None
        # Up to the end of the next day, where the day itself counts.
        after = dt.timedelta(days=2 if sign in {"=", "<", "<="} else 1)
        return self._roomy(
            self.query.database.dialect.quote(name),
            sign,
            (value - dt.timedelta(days=1)).isoformat(),
            (value + after).isoformat(),
            "CAST({} AS date)",
        )

    def _roomy(self, column: str, sign: str, low: Any, high: Any, form: str = "{}") -> str | None:
        """Compare with a range around the value."""
        least, most = f"{column} >= {form}", f"{column} <= {form}"
        bind = self.query.bind
        if sign == "=":
            return f"({least.format(bind(low))} AND {most.format(bind(high))})"
        if sign in {"<", "<="}:
            return most.format(bind(high))
        return least.format(bind(low)) if sign in {">", ">="} else None


def _all_of(parts: Sequence[str | None]) -> str | None:
    known = [part for part in parts if part is not None]
    return f"({' AND '.join(known)})" if known else None


def _as_comparisons(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a BETWEEN as two comparisons."""
    bounds = (("COMPARE_GREATERTHANOREQUALTO", "lower"), ("COMPARE_LESSTHANOREQUALTO", "upper"))
    children = [
        {"class": "COMPARISON", "type": kind, "left": node["input"], "right": node[bound]}
        for kind, bound in bounds
    ]
    return {"class": "CONJUNCTION", "type": "CONJUNCTION_AND", "children": children}


def _as_number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        made = Decimal(str(value))
    except InvalidOperation:
        return None
    return made if made.is_finite() and abs(made) < Decimal("1e15") else None


def _as_day(value: Any) -> dt.date | None:
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, dt.datetime):
        return value.date()
    return value if isinstance(value, dt.date) else None
