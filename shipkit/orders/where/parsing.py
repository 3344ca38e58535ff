"""Parse a clause in an empty, locked database; and errors that show where in the clause."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from shipkit.common.memory_database import memory_database
from shipkit.common.sql import one
from shipkit.errors import FilterError

__all__ = ["locked", "nearest", "parse", "refused", "span"]

_MAX_TEXT = 50_000
"""Characters of a clause; a pasted list of 2,000 order numbers fits."""

LOCKED: Mapping[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "max_expression_depth": "250",
    "temp_directory": "",
    # What is divided by zero is unknown: NaN is greater than every number, and keeps every order.
    "ieee_floating_point_ops": "false",
    "error_on_division_by_zero": "false",
    "lock_configuration": "true",
}
"""No files, no network, no extensions, no Python variables, no way to change any of it."""


def locked(memory_limit: str = "1GB") -> duckdb.DuckDBPyConnection:
    """Return an empty in-memory database that can only compute."""
    return memory_database({**LOCKED, "memory_limit": memory_limit})


_PREFIX = "SELECT "


def parse(clause: str, con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return the tree of `clause`, which must be one expression and nothing else.

    The parser reads ``SELECT <clause>``. The rest of its tree must be that of ``SELECT 1``, so
    whatever else a clause brings (FROM, WHERE, a second statement) is noticed, without a list of
    what that could be.

    Raises
    ------
    FilterError
        It is not; the message shows where.
    """
    if not isinstance(clause, str):
        raise FilterError(
            f"A filter is SQL text, not {type(clause).__name__}.",
            fix="""Write it as text: where("state = 'CA'").""",
        )
    if not clause.strip():
        raise FilterError(
            "The filter is empty.",
            fix="Pass a condition such as state = 'CA'; where() alone means all orders.",
        )
    if len(clause) > _MAX_TEXT:
        raise FilterError(
            f"The filter has {len(clause):,} characters; the limit is {_MAX_TEXT:,}.",
            fix="Bind long lists: order_id IN $ids.",
        )
    if "\0" in clause:
        raise FilterError("The filter contains a NUL character.", fix="Remove it.")
    try:
        answer = json.loads(_serialize(con, _PREFIX + clause))
        plain = json.loads(_serialize(con, _PREFIX + "1"))
    except (duckdb.Error, RecursionError, UnicodeError) as error:
        raise FilterError(
            f"The filter cannot be parsed: {_first_line(error)}.", fix="Write one plain condition."
        ) from None
    if answer["error"]:
        raise _bad_syntax(clause, answer)
    statements = answer["statements"]
    if len(statements) != 1:
        raise FilterError(
            "The filter contains more than one statement.",
            fix="Write one condition; join several with AND.",
        )
    node, empty = statements[0]["node"], plain["statements"][0]["node"]
    expressions = node.get("select_list", [])
    if len(expressions) != 1:
        raise refused(
            clause,
            expressions[1] if len(expressions) > 1 else {},
            "A filter is one condition; a comma separates two.",
            fix="Join conditions with AND.",
        )
    if {**node, "select_list": []} != {**empty, "select_list": []}:
        raise FilterError(
            f"A filter is one condition, not a query: {_shown(clause, 0, len(clause))}",
            fix="Remove FROM, WHERE, GROUP BY, ORDER BY, LIMIT and the like.",
        )
    return dict(expressions[0])


def _serialize(con: duckdb.DuckDBPyConnection, sql: str) -> str:
    return str(one(con, "SELECT json_serialize_sql($sql)", {"sql": sql})[0])


def _bad_syntax(clause: str, answer: Mapping[str, Any]) -> FilterError:
    words = str(answer.get("error_message", ""))
    if answer.get("error_type") == "not implemented":
        return FilterError(
            "The filter contains more than one statement, or one that is not a condition.",
            fix="Write one condition; join several with AND.",
        )
    if "expression depth" in words:
        return FilterError(
            "The filter is nested too deeply.",
            fix="Simplify it; bind long lists: order_id IN $ids.",
        )
    place = int(answer.get("position") or len(_PREFIX)) - len(_PREFIX)
    word = re.match(r"\w+|\S", _from_byte(clause, place))
    before = re.search(r"(\w+)\s*$", _until_byte(clause, place))
    fix = "Check quotes (text in 'single', columns in \"double\" quotes) and brackets."
    if before and before[1].upper() in _RESERVED:
        fix = (
            f"`{before[1]}` is an SQL keyword; to name a column, put it in double quotes: "
            f'"{before[1]}".'
        )
    length = len(word[0].encode()) if word else 1
    return FilterError(
        f"The filter is not valid SQL: {words}.{_shown(clause, place, length)}",
        fix=fix,
        position=place,
    )


_RESERVED = frozenset(
    {
        "ALL",
        "ANALYZE",
        "AND",
        "ANY",
        "AS",
        "ASC",
        "BOTH",
        "CASE",
        "CAST",
        "CHECK",
        "COLLATE",
        "COLUMN",
        "CREATE",
        "DEFAULT",
        "DESC",
        "DISTINCT",
        "DO",
        "ELSE",
        "END",
        "EXCEPT",
        "FALSE",
        "FETCH",
        "FOR",
        "FOREIGN",
        "FROM",
        "GRANT",
        "GROUP",
        "HAVING",
        "IN",
        "INTO",
        "LATERAL",
        "LIMIT",
        "NOT",
        "NULL",
        "OFFSET",
        "ON",
        "ONLY",
        "OR",
        "ORDER",
        "PRIMARY",
        "REFERENCES",
        "RETURNING",
        "SELECT",
        "SHOW",
        "SOME",
        "TABLE",
        "THEN",
        "TO",
        "TRUE",
        "UNION",
        "UNIQUE",
        "USING",
        "WHEN",
        "WHERE",
        "WINDOW",
        "WITH",
    }
)


def nearest(name: str, options: Sequence[str]) -> str | None:
    """Return the option with the spelling closest to `name`, or None."""
    lowered = {option.lower(): option for option in reversed(options)}
    close = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    return lowered[close[0]] if close else None


def span(node: Mapping[str, Any]) -> tuple[int, int]:
    """Return place and length of a node in the clause, in bytes; (-1, 0) where they are unknown."""
    place = int(node.get("query_location", 2**63))
    return (
        (place - len(_PREFIX), int(node.get("query_location_length", 0)))
        if place < 2**31
        else (-1, 0)
    )


def refused(
    clause: str, node: Mapping[str, Any], what: str, fix: str | None = None, **details: Any
) -> FilterError:
    """Return an error about `node`, with the clause and carets under the place."""
    place, length = span(node)
    return FilterError(
        what + _shown(clause, place, length), fix=fix, position=max(place, 0), **details
    )


def _from_byte(clause: str, place: int) -> str:
    return clause.encode()[max(place, 0) :].decode(errors="ignore")


def _until_byte(clause: str, place: int) -> str:
    return clause.encode()[: max(place, 0)].decode(errors="ignore")


def _shown(clause: str, place: int, length: int) -> str:
    """Return the line of the clause, and carets under the place."""
    if place < 0:
        place, length = 0, len(clause.encode())
    before = _until_byte(clause, place)
    marked = (
        _from_byte(clause, place)
        .encode()[: max(length, 1)]
        .decode(errors="ignore")
        .split("\n", 1)[0]
    )
    start = before.rfind("\n") + 1
    line = clause[start:].split("\n", 1)[0]
    offset = len(before) - start
    cut = max(0, offset - 60)
    line, offset = ("..." + line[cut + 3 :] if cut else line), offset - cut
    room = max(1, min(len(marked), 100 - offset))
    return f"\n  {line[:100]}\n  {' ' * offset}{'^' * room}\n"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
