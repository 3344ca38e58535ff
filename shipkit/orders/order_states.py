"""States of orders: cancelled, refunded, on hold, shipped already, picked up - in any file.

A column of states is recognised by its heading, and its cells by their words, in several languages;
both are data: ``data/words/order_states.toml``. The notices of a known export come first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Final

import duckdb
import pyarrow as pa

from shipkit.common.kept_plans import run
from shipkit.common.relation import Relation
from shipkit.common.sql import quoted
from shipkit.common.words import counted
from shipkit.orders.columns import Column
from shipkit.orders.fields import recognise
from shipkit.orders.heading_text import phrase, spelled
from shipkit.orders.layouts import LayoutMatch
from shipkit.orders.state_cells import (
    Cell,
    Entry,
    is_expected,
    meaning_of,
    plain,
    state_words,
    within,
)
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["StateColumn", "state_columns", "state_problems"]


@dataclass(frozen=True)
class _Meaning:
    state: str
    severity: str
    problem: str
    fix: str


@dataclass(frozen=True)
class StateColumn:
    """A column of states.

    Parameters
    ----------
    column
        The column.
    read
        Returns the meaning of a cell, None for one that is right to ship.
    blank
        What it means that an order has no cell, where other orders have one.
    is_expected
        Returns whether a cell is that of an order that is right to ship; None where other words
        than states may be in the column.
    may_be_price
        Whether a column of amounts is none: "Ship" may be what the transport costs.
    """

    column: Column
    read: Callable[[Cell], _Meaning | None]
    blank: _Meaning | None = None
    is_expected: Callable[[Cell], bool] | None = None
    may_be_price: bool = False


def state_columns(
    columns: Sequence[Column],
    read: Collection[str],
    layout: LayoutMatch | None,
    ignored: Collection[str],
    unnamed: Collection[str] = (),
) -> list[StateColumn]:
    """Return the columns that hold states of orders.

    Parameters
    ----------
    read
        Keys of the columns that fill a field: a filled "Tracking Number" among them is no state.
    layout
        The known export; what it reports itself is not reported twice.
    ignored
        Keys of the columns that the user ignores.
    unnamed
        Keys of the columns whose cells are states, whatever they are called
        (:mod:`shipkit.orders.unnamed_states`).
    """
    noticed = _noticed(layout)
    reported = {notice.state for notice in layout.layout.notices} if layout else set()
    roles = {column.role for column in columns if column.key in read and column.role}
    if {"quantity_left", "quantity_shipped"} & roles:
        reported.add("partly_shipped")  # and what was shipped is taken off
    reported |= roles
    found = []
    for column in columns:
        name = phrase(column.name)
        handled = noticed.get(name, frozenset())
        if handled is None or column.key in ignored:
            continue
        spellings = (plain(spelled(column.name)), plain(name))
        headings = dict.fromkeys((*spellings, *map(_without_choice, spellings)))
        made = next(filter(None, (_states(column, h, handled, reported) for h in headings)), None)
        if made is None and name not in noticed:
            flags = (_flag(column, h, reported, filled=column.key in read) for h in headings)
            made = next(filter(None, flags), None)
        notes = any(_kinds(heading) == {"note"} for heading in headings)
        if column.key in unnamed and (made is None or notes):
            # Notes that are states in each row are a column of states.
            made = replace(_of_kinds(column, {"state"}, handled, reported), is_expected=None)
        if made is not None:
            found.append(made)
    return found


_CHOICE: Final = re.compile(r" (?:y n|yes no|true false|t f|1 0|ja nein|oui non|si no|ja nee)$")


def _without_choice(heading: str) -> str:
    """Return a heading without the answers that it allows: "Ship (Y/N)" is "ship"."""
    return _CHOICE.sub("", heading)


def state_problems(
    con: duckdb.DuckDBPyConnection, lines: Relation, states: Sequence[StateColumn]
) -> pa.Table:
    """Return a problem for each order, column and state.

    Parameters
    ----------
    lines
        ``order_row``, ``row_number``, then the columns by key.
    """
    tables = [problems_table()]
    for state in states:
        if state.blank is not None:
            tables.append(_blank(con, lines, state.column.key, state.blank))
            continue
        meanings, unknown = _meanings(con, lines, state)
        if unknown:
            tables.append(_unknown(con, lines, state.column, unknown))
        if not meanings:
            continue
        con.register("meanings", pa.Table.from_pylist(meanings))
        try:
            found = con.sql(
                f"""
                SELECT
                    l.order_row AS row_number,
                    $field AS field,
                    arg_min(m.value, l.row_number) AS value,
                    arg_min(m.problem, l.row_number) AS problem,
                    arg_min(m.fix, l.row_number) AS fix,
                    arg_min(m.severity, l.row_number) AS severity,
                    m.state AS code
                FROM {lines.sql} l
                JOIN meanings m ON m.value = l.{quoted(state.column.key)}::VARCHAR
                GROUP BY l.order_row, m.state
                ORDER BY l.order_row
                """,
                params={"field": state.column.key},
            )
            tables.append(found.to_arrow_table().cast(PROBLEMS))
        finally:
            con.unregister("meanings")
    every = pa.concat_tables(tables)
    if not every.num_rows:
        return every
    # By row, then column: the order of the file's columns says nothing. A warning that two
    # columns give ("Financial Status", "Outstanding Balance") is given once.
    return run(
        con,
        f"""
        SELECT * REPLACE (if(code = '{_UNKNOWN_STATE}', code, 'order_state') AS code)
        FROM (
            SELECT *
            FROM states
            QUALIFY severity = 'error'
                OR row_number() OVER (PARTITION BY row_number, code ORDER BY field) = 1
        )
        ORDER BY row_number, field, code, problem
        """,
        states=every,
    ).cast(PROBLEMS)


def _blank(
    con: duckdb.DuckDBPyConnection, lines: Relation, key: str, meaning: _Meaning
) -> pa.Table:
    """Return a problem for each order without a cell, unless no order has one."""
    return (
        con.sql(
            f"""
            SELECT
                order_row AS row_number,
                $field AS field,
                NULL AS value,
                $problem AS problem,
                $fix AS fix,
                $severity AS severity,
                $state AS code
            FROM {lines.sql}
            GROUP BY order_row
            HAVING count({quoted(key)}) = 0
            -- An empty column is one that the shop does not fill.
            QUALIFY count(*) OVER () < (SELECT count(DISTINCT order_row) FROM {lines.sql})
            ORDER BY order_row
            """,
            params={"field": key, **vars(meaning)},
        )
        .to_arrow_table()
        .cast(PROBLEMS)
    )


_UNKNOWN_STATE: Final = "order_state_unknown"

_SHOWN_UNKNOWN: Final = 20
"""Different cells without a known state that have a warning each; the last names the others."""


def _unknown(
    con: duckdb.DuckDBPyConnection, lines: Relation, column: Column, cells: Sequence[str]
) -> pa.Table:
    """Return a warning at the first order with each state that is not known."""
    found = con.execute(
        f"""
        SELECT {quoted(column.key)}::VARCHAR AS cell, min(order_row), count(DISTINCT order_row)
        FROM {lines.sql}
        GROUP BY cell
        ORDER BY 2, 1
        """
    ).fetchall()
    unknown = {*cells}
    found = [each for each in found if each[0] in unknown]
    others = len(found) - _SHOWN_UNKNOWN
    found = found[:_SHOWN_UNKNOWN]
    more = f"; so it is with {counted(others, 'other cell')} of the column" if others > 0 else ""
    return problems_table(
        [
            {
                "row_number": row,
                "field": column.key,
                "value": cell,
                "problem": "the state is not known, and does not hold the order back"
                + (f" (in {orders:,} orders)" if orders > 1 else "")
                + (more if cell is found[-1][0] else ""),
                "fix": "If such orders are not shipped, leave them out with where(...). If they "
                f'are: map(ignore=["{column.name}"]).',
                "severity": "warning",
                "code": _UNKNOWN_STATE,
            }
            for cell, row, orders in found
        ]
    )


def _meanings(
    con: duckdb.DuckDBPyConnection, lines: Relation, state: StateColumn
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the cells that are not right to ship, each with its problem, and unknown cells."""
    key = quoted(state.column.key)
    cells = con.execute(
        f"SELECT DISTINCT {key}::VARCHAR FROM {lines.sql} WHERE {key} IS NOT NULL"
    ).fetchall()
    if state.may_be_price and _are_amounts([value for (value,) in cells]):
        return [], []
    made, unknown = [], []
    for (value,) in cells:
        cell = Cell.of(value)
        found = state.read(cell)
        if found is not None:
            made.append({"value": value, **vars(found)})
        elif cell.text and state.is_expected is not None and not state.is_expected(cell):
            unknown.append(value)
    return made, unknown


_NUMBER: Final = re.compile(r"\W*[0-9][0-9.,]*\W*")


def _are_amounts(cells: Sequence[str]) -> bool:
    """Return whether cells are prices: one is a number that no flag has, and none is a word."""
    words = state_words()
    answers = words["yes"] | words["neutral"] - {""}
    if any(plain(cell) in answers - _BITS for cell in cells):
        return False
    # "0.00" is 0.0 where it was read as a number: free transport, unless others have a 1.
    return any(map(_is_amount, cells)) or {*cells} == {"0.0"}


def _is_amount(cell: str) -> bool:
    """Return whether a cell is a number other than 0 and 1, or one with cents: 4.99, 0.00, $5."""
    return bool(_NUMBER.fullmatch(cell)) and (
        Cell.of(cell).text not in _BITS or bool(re.search(r"[.,][0-9]{2}\b", cell))
    )


_BITS: Final = frozenset({"0", "1"})


# -- what a known export reports itself ------------------------------------------------------------


def _noticed(found: LayoutMatch | None) -> dict[str, frozenset[str] | None]:
    """Return heading, as a phrase -> the cells that the layout reports; None: every cell."""
    noticed: dict[str, frozenset[str] | None] = {}
    for notice in found.layout.notices if found else ():
        name = phrase(notice.heading)
        before = noticed.get(name, frozenset())
        whole = before is None or isinstance(notice.when, str)
        noticed[name] = None if before is None or whole else before | set(notice.when)
    return noticed


# -- what headings and cells mean ------------------------------------------------------------------


@lru_cache(maxsize=4096)  # a file's headings are asked about for each preview
def _kinds(heading: str) -> frozenset[str]:
    """Return the kinds of states that a heading names."""
    return frozenset(k for k, entry in state_words()["columns"].items() if _is(heading, entry))


@lru_cache(maxsize=4096)
def _flags(heading: str) -> tuple[Entry, ...]:
    """Return the flags that a heading names, such as "Do not ship", or the state that it is."""
    words = state_words()
    found = tuple(entry for entry in words["flag"] if _is(heading, entry))
    return found or tuple(filter(None, [words["named"].get(heading)]))


def _states(
    column: Column, heading: str, handled: Collection[str], reported: Collection[str]
) -> StateColumn | None:
    """Return the column as one of states, None where its heading names none."""
    kinds = {*_kinds(heading)}
    if "service" in recognise([column.name]).roles:
        kinds.add("way")  # "Local pickup", whoever sets the service
    if not kinds:
        return None
    made = _of_kinds(column, kinds, handled, reported)
    # In a column of other words, too, a cell that is not known is no warning. "Estado" alone may be
    # that of the address.
    of_orders = state_words()["of_orders"].issuperset(heading.split()) and (
        not {"state", "country"}.intersection(recognise([column.name]).roles)
    )
    return made if kinds & {"state", "payment"} and of_orders else replace(made, is_expected=None)


def _of_kinds(
    column: Column, kinds: Collection[str], handled: Collection[str], reported: Collection[str]
) -> StateColumn:
    every = [entry for entry in state_words()["meaning"] if {*kinds} & {*entry["columns"]}]
    # What is reported elsewhere is still read: "partially shipped" is no "shipped".
    meanings = [
        {**entry, "state": None}
        if (entry.get("severity") == "warning" and entry["state"] in reported)
        or entry.get("unless_role") in reported
        else entry
        for entry in every
    ]
    cells = {plain(text) for text in handled}
    return StateColumn(
        column,
        partial(_state, column, meanings=meanings, handled=cells),
        is_expected=partial(_is_expected, meanings=every, handled=cells),
    )


def _is_expected(cell: Cell, *, meanings: Sequence[Entry], handled: Collection[str]) -> bool:
    """Return whether a cell is a state that is known, right to ship or not."""
    return cell.text in handled or is_expected(cell, meanings)


def _state(
    column: Column, cell: Cell, *, meanings: Sequence[Entry], handled: Collection[str]
) -> _Meaning | None:
    found = None if cell.text in handled else meaning_of(cell, meanings)
    return None if found is None else _meaning(column, found)


def _flag(
    column: Column, heading: str, reported: Collection[str], *, filled: bool
) -> StateColumn | None:
    """Return the column as a flag; of one that has `filled` a field, only a blank is one."""
    words = state_words()
    for entry in _flags(heading):
        if filled and entry.get("when") != "blank":
            continue
        if entry["state"] not in reported:
            meaning = _meaning(column, entry)
            if entry.get("when") == "blank":
                return StateColumn(column, _no_meaning, meaning)
            if entry.get("when") in ("yes", "named"):
                days = entry["when"] == "named"
                affirmed = partial(_affirmed, meaning=meaning, yes=words["yes"], or_a_day=days)
                return StateColumn(column, affirmed)
            denies = entry.get("when") == "no"
            read = partial(
                _denied if denies else _filled, meaning=meaning, neutral=words["neutral"]
            )
            return StateColumn(column, read, may_be_price=entry.get("may_be_price", False))
    return None


def _no_meaning(_: Cell) -> None:
    """Return that a cell says nothing: only its absence does."""


def _filled(cell: Cell, *, meaning: _Meaning, neutral: Collection[str]) -> _Meaning | None:
    return None if cell.text in neutral or not cell.text.strip("0 ") else meaning


def _denied(cell: Cell, *, meaning: _Meaning, neutral: frozenset[str]) -> _Meaning | None:
    says_no = (
        cell.text in neutral - _NO_ANSWER or cell.text in _SAYS_NO or not cell.text.strip("0 ")
    )
    return meaning if cell.text and says_no else None


def _affirmed(
    cell: Cell, *, meaning: _Meaning, yes: Collection[str], or_a_day: bool
) -> _Meaning | None:
    day = or_a_day and _DAY.match(cell.text)
    return meaning if cell.text in yes or day else None


_DAY: Final = re.compile(r"[0-9]{1,4} [0-9]{1,2} [0-9]{1,4}\b")
"""The plain text of a day: "2026-11-20 10:15" is "2026 11 20 10 15"."""


_SAYS_NO: Final = frozenset({"failed", "fail", "pending", "unverified", "invalid", "not verified"})


_NO_ANSWER: Final = frozenset({"standard", "default", "normal", "regular"})
"""Neutral cells that do not deny: "Ship": "Standard"."""


def _meaning(column: Column, entry: Entry) -> _Meaning:
    return _Meaning(
        entry["state"],
        entry.get("severity", "error"),
        entry["problem"],
        entry.get("fix", _LEAVE_OUT).format(name=column.name),
    )


_LEAVE_OUT: Final = (
    'Leave these orders out with where(...), or ship them anyway: map(ignore=["{name}"]).'
)


def _is(heading: str, entry: Entry) -> bool:
    if any(within(heading, other) for other in entry.get("without", ())):
        return False
    return heading in entry.get("headings", ()) or any(
        within(heading, part) for part in entry.get("within", ())
    )
