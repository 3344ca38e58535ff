"""A condition in the words of a filter, asked of the database that holds the orders: whole orders, and only those that match.

The database gets a condition that lets through *at least* every order that matches; what came is
then filtered here, by the one meaning that a clause has. So whatever a database thinks of
capitals, blanks or the last digit of a number costs a few rows that travel for nothing, never an
order.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from shipkit.errors import SourceError
from shipkit.orders import grouping, source
from shipkit.orders.cells import Note
from shipkit.orders.database import Database, Fetched
from shipkit.orders.database.dialects import kind_of
from shipkit.orders.fields import Column
from shipkit.orders.where import select
from shipkit.orders.where.allowed import COMPARE
from shipkit.orders.where.clauses import Asked, asked
from shipkit.orders.where.parsing import locked

__all__ = ["matching_only"]

_MOST_VALUES = 5_000
"""Longer lists are not sent: databases take only so many values."""
_BLANKS = " \t\n\r\u00a0"
_ODD = ("%\t%", "%\n%", "%\r%", "%\u00a0%", "'%", "%.0")
"""Texts that reading cleans (blanks, an apostrophe before digits, ".0" behind them): such cells always travel."""
_READ_AS = {
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
_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRRORED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


def matching_only(
    database: Database, *, order_key: str | None = None, **options: Any
) -> tuple[Fetched, Note]:
    """Return the rows of the orders that ``database.only`` lets through, and what to say about it.

    Raises
    ------
    FilterError
        The condition cannot be used; nothing but one row was read.
    SourceError
        The database cannot be reached, or no order matches.
    """
    text = str(database.only)
    params = {
        name: value
        for name, value in database.params.items()
        if re.search(rf"\${re.escape(name)}\b", text)
    }
    first = source.load(Fetched(database, database.read(limit=1)), **options)
    key = (
        first.column(order_key)
        if order_key
        else next((column for column in first.columns if column.role == "order_id"), None)
    )
    with locked() as con:
        tree = asked(text, first.columns, params, con)
    first.con.close()
    question = _question(database, first.columns, key, tree, pinned=options.get("types") or {})
    asking = database if question.sql is None else database.asking(question.sql, question.values)
    rows = asking.read()
    kept = _kept(
        Fetched(database, rows),
        text,
        params,
        question.assumed if question.sql else {},
        order_key,
        options,
    )
    if kept is None:
        question, rows = _Question(database), database.read()
        kept = _kept(Fetched(database, rows), text, params, {}, order_key, options)
    assert kept is not None  # noqa: S101 - without assumptions none can be wrong
    if not kept.num_rows:
        raise SourceError(
            f"No order of {database.table} matches: {text}",
            fix="Load the table without only= and look at session.describe() for the values it "
            "holds.",
        )
    return Fetched(database, kept), _note(
        text, rows.num_rows, kept.num_rows, question if question.sql else None
    )


def _kept(
    fetched: Fetched,
    text: str,
    params: Mapping[str, Any],
    assumed: Mapping[str, str],
    order_key: str | None,
    options: Mapping[str, Any],
) -> pa.Table | None:
    """Return the lines of the orders that match; None when a column turned out to be read as something else than it was `assumed` to be."""
    rows = fetched.rows
    if not rows.num_rows:
        return rows
    con = source.connect()
    try:
        loaded = source.load(fetched, con=con, **options)
        types = {column.key: column.type for column in loaded.columns}
        if any(not types[name].startswith(_READ_AS[kind]) for name, kind in assumed.items()):
            return None
        selected = select(grouping.group(loaded, order_key), [text], params).relation
        numbers = (
            con.sql(f"SELECT unnest(row_numbers) - 1 AS place FROM {selected.sql} ORDER BY 1")
            .to_arrow_table()
            .column(0)
        )
    finally:
        con.close()
    return rows if len(numbers) == rows.num_rows else rows.take(numbers)


def _note(text: str, travelled: int, kept: int, question: _Question | None) -> Note:
    if question is None:
        return Note(
            "read",
            f"Only orders with {text}: the database could check nothing of it, so all "
            f"{travelled:,} lines travelled; {kept:,} are kept.",
            kept,
        )
    left = f" (not asked there: {'; '.join(question.left)})" if question.left else ""
    return Note(
        "read",
        f"Only orders with {text}: asked of the database{left}; {travelled:,} lines travelled, "
        f"{kept:,} are kept.",
        kept,
    )


# -- the question ----------------------------------------------------------------------------------


@dataclass
class _Question:
    """What a database is asked: a condition on rows (None: it can check nothing), its values, and how it takes each column."""

    database: Database
    sql: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)
    """Column -> the kind that its cells must have been read as."""
    left: list[str] = field(default_factory=list)
    """What stays to be checked here, in the person's words."""

    def bind(self, value: Any) -> str:
        """Return the name under which `value` is asked with."""
        name = f"shipkit_{len(self.values) + 1}"
        self.values[name] = value
        return f":{name}"

    def text(self, column: str) -> str:
        return self.database.dialect.text(self.database.dialect.quote(column))

    def odd(self, column: str) -> str:
        return " OR ".join(f"{self.text(column)} LIKE {self.bind(pattern)}" for pattern in _ODD)


def _question(
    database: Database,
    columns: Sequence[Column],
    key: Column | None,
    tree: Asked,
    *,
    pinned: Mapping[str, Any],
) -> _Question:
    """Return the question for a condition: on each row where a row is an order, else on all rows of an order."""
    with database.dialect.connected(database.location, read_only=True) as connection:
        declared, primary = (
            database.dialect.declared(connection, str(database.table)),
            database.key_columns(connection),
        )
    question = _Question(database)
    row_is_order = key is None or tuple(primary) == (key.name,)
    kinds = _kinds(columns, declared, primary, pinned, sqlite=database.dialect.name == "sqlite")
    asking = _Asking(tree, kinds, question, row_is_order=row_is_order)
    condition = asking.ask(tree.tree, negated=False)
    if condition is None or row_is_order or key is None:
        question.sql = condition
        return question
    if kinds.get(key.key, (None, None))[1] not in {"text", "integer"} or _some_unnamed(
        database, key.name
    ):
        return _Question(database, left=question.left)
    order = question.text(key.name)
    question.sql = (
        f"{order} IN (SELECT {order} FROM {database.source} GROUP BY {order} HAVING {condition})"
    )
    return question


def _some_unnamed(database: Database, key: str) -> bool:
    """Return whether a line has no order key of its own, or one that reading cleans: then its neighbours decide where it belongs."""
    probe = _Question(database)
    quoted = database.dialect.quote(key)
    unnamed = f"({quoted} IS NULL OR {probe.text(key)} = '' OR {probe.odd(key)})"
    return bool(database.asking(unnamed, probe.values).read(limit=1).num_rows)


def _kinds(
    columns: Sequence[Column],
    declared: Mapping[str, str],
    primary: Sequence[str],
    pinned: Mapping[str, Any],
    *,
    sqlite: bool,
) -> dict[str, tuple[str, str]]:
    """Return column -> (its name in the database, its kind there) for the columns that a database can be asked about."""
    steady = any(
        re.match(r"(small|big)?int", declared.get(name, "").lower()) for name in primary
    )  # then no text is taken for numbers
    found = {}
    for column in columns:
        kind = kind_of(declared.get(column.name, ""))
        known = (
            kind is not None
            and not (sqlite and kind == "date")
            and not {column.name, column.key} & set(pinned)
        )
        if known and (steady or column.role is not None or kind != "text"):
            found[column.key] = (column.name, str(kind))
    return found


class _Asking:
    """Turns the tree of a clause into a condition that holds for every row (or order) that matches, and perhaps for more."""

    def __init__(
        self,
        tree: Asked,
        kinds: Mapping[str, tuple[str, str]],
        question: _Question,
        *,
        row_is_order: bool,
    ) -> None:
        self.tree = tree
        self.kinds = kinds
        self.question = question
        self.row_is_order = row_is_order
        self.types = {column.key: column.type for column in tree.columns}

    def ask(self, node: Mapping[str, Any], *, negated: bool) -> str | None:
        """Return the condition for one node, None where there is none that is sure to let every match through."""
        if node.get("class") == "CONJUNCTION":
            parts = [self.ask(child, negated=negated) for child in node["children"]]
            if (node["type"] == "CONJUNCTION_AND") != negated:
                return self.all_of(parts)
            return None if None in parts else "(" + " OR ".join(map(str, parts)) + ")"
        if node.get("type") == "OPERATOR_NOT":
            return self.ask(node["children"][0], negated=not negated)
        if node.get("class") == "BETWEEN":
            return self.between(node, negated=negated)
        made = self.one(node, negated=negated)
        if made is None:
            self.question.left.append(("NOT " if negated else "") + self.tree.said(node))
        return (
            made
            if made is None or self.row_is_order
            else f"max(CASE WHEN {made} THEN 1 ELSE 0 END) = 1"
        )

    def all_of(self, parts: Sequence[str | None]) -> str | None:
        known = [part for part in parts if part is not None]
        return "(" + " AND ".join(known) + ")" if known else None

    def between(self, node: Mapping[str, Any], *, negated: bool) -> str | None:
        low = {
            "class": "COMPARISON",
            "type": "COMPARE_GREATERTHANOREQUALTO",
            "left": node["input"],
            "right": node["lower"],
        }
        high = {
            "class": "COMPARISON",
            "type": "COMPARE_LESSTHANOREQUALTO",
            "left": node["input"],
            "right": node["upper"],
        }
        return self.ask(
            {"class": "CONJUNCTION", "type": "CONJUNCTION_AND", "children": [low, high]},
            negated=negated,
        )

    def one(self, node: Mapping[str, Any], *, negated: bool) -> str | None:
        """Return the condition for one comparison."""
        kind, children = str(node.get("type")), node.get("children", ())
        if kind in COMPARE and COMPARE[kind] in _OPPOSITE:
            return self.compared(node["left"], node["right"], COMPARE[kind], negated=negated)
        if kind in {"OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"}:
            return self.null(children[0], empty=(kind == "OPERATOR_IS_NULL") != negated)
        if kind in {"COMPARE_IN", "COMPARE_NOT_IN"}:
            return self.listed(
                children[0],
                [self.tree.value(child) for child in children[1:]],
                negated=negated != (kind == "COMPARE_NOT_IN"),
            )
        arguments = [argument["expression"] for argument in node.get("arguments", ())]
        if (
            node.get("function_name") == "contains"
            and len(arguments) == 2
            and isinstance(listed := self.tree.value(arguments[0]), list)
        ):
            return self.listed(arguments[1], listed, negated=negated)
        if node.get("function_name") == "~~" and len(arguments) == 2 and not negated:
            return self.like(arguments[0], self.tree.value(arguments[1]))
        return None

    def compared(
        self, left: Mapping[str, Any], right: Mapping[str, Any], sign: str, *, negated: bool
    ) -> str | None:
        if left.get("class") != "COLUMN_REF":
            left, right, sign = right, left, _MIRRORED[sign]
        found = self.place(left)
        if found is None or right.get("class") == "COLUMN_REF":
            return None
        return self.against(*found, _OPPOSITE[sign] if negated else sign, self.tree.value(right))

    def listed(
        self, item: Mapping[str, Any], values: Sequence[Any], *, negated: bool
    ) -> str | None:
        found = self.place(item)
        if found is None or not 0 < len(values) <= _MOST_VALUES:
            return None
        parts = (
            [self.against(*found, "<>" if negated else "=", value) for value in values]
            if found[1] != "text"
            else [self.texts(found[0], values, negated=negated)]
        )
        if negated:
            return self.all_of(parts)
        return None if None in parts else "(" + " OR ".join(map(str, parts)) + ")"

    def place(self, node: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return the database's name and kind of the column that `node` is; an integer that is read as text is asked as text."""
        if node.get("class") != "COLUMN_REF":
            return None
        key = self.tree.column(node).key
        name, kind = self.kinds.get(key, ("", ""))
        if kind == "integer" and self.types[key] == "VARCHAR":
            kind = "text"
        if not kind or not self.types[key].startswith(_READ_AS[kind]):
            return None
        self.question.assumed[key] = kind
        return name, kind

    # one column against fixed values

    def against(self, name: str, kind: str, sign: str, value: Any) -> str | None:
        if kind == "text":
            return self.texts(name, [value], negated=sign == "<>") if sign in {"=", "<>"} else None
        return (
            self.day(name, sign, _as_day(value))
            if kind == "date"
            else self.number(name, kind, sign, _as_number(value))
        )

    def texts(self, name: str, values: Sequence[Any], *, negated: bool) -> str | None:
        if any(not isinstance(value, str) or value != value.strip(_BLANKS) for value in values):
            return None
        listed = ", ".join(self.question.bind(value) for value in values)
        return (
            f"({self.question.text(name)} {'NOT ' if negated else ''}IN ({listed}) OR "
            f"{self.question.odd(name)})"
        )

    def like(self, item: Mapping[str, Any], pattern: Any) -> str | None:
        found = self.place(item)
        if found is None or found[1] != "text" or not isinstance(pattern, str) or "\\" in pattern:
            return None
        return (
            f"({self.question.text(found[0])} LIKE {self.question.bind(pattern)} OR "
            f"{self.question.odd(found[0])})"
        )

    def null(self, item: Mapping[str, Any], *, empty: bool) -> str | None:
        found = self.place(item)
        if found is None or found[1] not in {"text", "integer"}:
            return None
        column = self.question.database.dialect.quote(found[0])
        if not empty:
            return f"{column} IS NOT NULL"
        return (
            f"({column} IS NULL OR {self.question.text(found[0])} = '' OR "
            f"{self.question.odd(found[0])})"
        )

    def number(self, name: str, kind: str, sign: str, value: Decimal | None) -> str | None:
        """Compare integers as they are, other numbers with a little room: databases keep and compare them differently."""
        if value is None:
            return None
        column = self.question.database.dialect.quote(name)
        made: str | None
        if kind == "integer" and value == int(value):
            made = f"{column} {sign} {self.question.bind(int(value))}"
        else:
            room = max(abs(value), Decimal(1)) / 1_000_000
            made = self.roomy(column, sign, float(value - room), float(value + room))
        other = (
            f" OR typeof({column}) IN ('text', 'blob')"
            if self.question.database.dialect.name == "sqlite"
            else ""
        )  # any cell of SQLite may be text
        return f"({made}{other})" if made else None

    def day(self, name: str, sign: str, value: dt.date | None) -> str | None:
        """Compare dates with a day of room: what day it is depends on the zone that a database thinks in."""
        if value is None or not dt.date(1000, 1, 2) < value < dt.date(9999, 12, 30):
            return None
        room = dt.timedelta(days=2 if sign in {"=", "<", "<="} else 1)  # the end of the next day
        return self.roomy(
            self.question.database.dialect.quote(name),
            sign,
            (value - dt.timedelta(days=1)).isoformat(),
            (value + room).isoformat(),
            "CAST({} AS date)",
        )

    def roomy(self, column: str, sign: str, low: Any, high: Any, form: str = "{}") -> str | None:
        least, most = f"{column} >= {form}", f"{column} <= {form}"
        if sign == "=":
            return (
                f"({least.format(self.question.bind(low))} AND "
                f"{most.format(self.question.bind(high))})"
            )
        if sign in {"<", "<="}:
            return most.format(self.question.bind(high))
        return least.format(self.question.bind(low)) if sign in {">", ">="} else None


def _as_number(value: Any) -> Decimal | None:
    try:
        made = (
            Decimal(str(value))
            if isinstance(value, int | float | Decimal | str) and not isinstance(value, bool)
            else None
        )
    except InvalidOperation:
        return None
    return made if made is not None and made.is_finite() and abs(made) < Decimal("1e15") else None


def _as_day(value: Any) -> dt.date | None:
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    return (
        value.date()
        if isinstance(value, dt.datetime)
        else value
        if isinstance(value, dt.date)
        else None
    )
