"""Columns of numbers and of amounts of money, however their cells write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import duckdb

from shipkit.common.relation import Relation
from shipkit.common.sql import one, quoted
from shipkit.orders.cells import Note
from shipkit.orders.source.column_reading import INTEGER, ColumnReading, ColumnSpec
from shipkit.orders.units import LENGTHS, WEIGHTS, UnitScale

__all__ = ["amount_column", "number_column", "plain_numbers"]

_PLAIN: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$"
_SCALES: Final = {"weight": WEIGHTS, "length": LENGTHS, "width": LENGTHS, "height": LENGTHS}
"""Role of a column -> the units that a cell of it may name."""


def plain_numbers(
    con: duckdb.DuckDBPyConnection, table: Relation, names: Sequence[str]
) -> dict[str, ColumnReading]:
    """Return how the columns are read whose every cell is a plain number: most need no more."""
    if not names:
        return {}
    tests = ", ".join(
        f"bool_and(regexp_matches({quoted(name)}, '{pattern}'))"
        for name in names
        for pattern in (INTEGER, _PLAIN)
    )
    found = one(con, f"SELECT {tests} FROM {table.sql}")
    made = {}
    for place, name in enumerate(names):
        integer, plain = found[2 * place], found[2 * place + 1]
        if plain is False:
            continue
        kind = "BIGINT" if integer else "DOUBLE"
        made[name] = ColumnReading(
            sql=f"TRY_CAST({quoted(name)} AS {kind})", type=kind, raw=quoted(name), kind="number"
        )
    return made


def number_column(
    con: duckdb.DuckDBPyConnection, table: Relation, column: ColumnSpec, text: ColumnReading
) -> ColumnReading:
    """Return how a column is read whose cells have separators, blanks or units ("1,200", "8 oz").

    In a column with units, a number without one is a problem unless the heading names the unit: in
    a column of "8 oz", "2 lb" and "3", the 3 could be either.
    """
    c, bare = text.sql, f"TRY_CAST({_bare_number(text.sql)} AS DOUBLE)"
    scale = _SCALES.get(column.role or "")
    arms = _unit_arms(con, table, c, scale, column.unit or scale.base) if scale else ""
    if scale is None or not arms:
        return ColumnReading(
            sql=bare, type="DOUBLE", raw=c, can_fail=True, kind="number", notes=text.notes
        )
    otherwise = f"ELSE {bare}" if column.unit else ""
    note = Note("repaired", f"converted numbers with a unit to {column.unit or scale.base}")
    return ColumnReading(
        sql=f"CASE {_unit_word(c)} {arms} {otherwise} END",
        type="DOUBLE",
        raw=c,
        can_fail=True,
        kind="number",
        notes=(*text.notes, note),
    )


def _unit_word(c: str) -> str:
    """Return SQL of the word after the number of a cell."""
    return rf"""lower(regexp_extract({c}, '^[0-9.,]+\s*([A-Za-z"]+)\.?$', 1))"""


def _unit_arms(
    con: duckdb.DuckDBPyConnection, table: Relation, c: str, scale: UnitScale, goal: str
) -> str:
    """Return the arms of a CASE over the units that cells name; empty when none names one."""
    found = con.execute(f"SELECT DISTINCT {_unit_word(c)} FROM {table.sql}").fetchall()
    leading = f"regexp_extract({c}, '^[0-9.,]+')"
    number = f"TRY_CAST({_bare_number(leading)} AS DOUBLE)"
    words = sorted(str(word) for (word,) in found if word and word in scale.words)
    return " ".join(
        f"WHEN '{word}' THEN round({scale.convert_sql(number, scale.words[word], goal)}, 6)"
        for word in words
    )


def amount_column(
    con: duckdb.DuckDBPyConnection, table: Relation, text: ColumnReading
) -> ColumnReading:
    """Return an exact decimal with as many places as the column has: money is never a float."""
    c = text.sql
    all_plain = one(
        con,
        f"SELECT bool_and(regexp_matches({c}, '^[+-]?[0-9]+(\\.[0-9]+)?$')) FROM {table.sql}",
    )[0]
    plain = all_plain is not False
    bare = c if plain else _bare_number(c)
    longest, widest = one(
        con,
        f"""
        SELECT
            max(length(rtrim(split_part({bare}, '.', 2), '0'))),
            max(length(split_part({bare}, '.', 1)))
        FROM {table.sql}
        """,
    )
    places = min(max(int(longest or 0), 2), 8)
    kind = f"DECIMAL(18,{places})"
    fits = plain and (widest or 0) + places <= 18
    return ColumnReading(
        sql=f"TRY_CAST({bare} AS {kind})",
        type=kind,
        raw=c,
        can_fail=not fits,
        kind="amount",
        notes=text.notes,
    )


def _bare_number(c: str) -> str:
    r"""Return SQL of a number's plain spelling, null when it is none.

    "$1,234.50" gives "1234.50"; "1.234,50 EUR" gives "1234.50". A comma with one or two digits
    after it is a decimal comma, with three it separates thousands.
    """
    money = r"(?:[A-Z]{1,3}\$|[$€£¥₹]|[A-Z]{3})"
    core = rf"""regexp_replace(
        trim({c}),
        '^\(?(-?)\s*(?:{money}\s*)?([-+]?[0-9.,''\s]*[0-9]\.?)\s*(?:{money})?\)?$',
        '\1\2'
    )"""
    return rf"""
        CASE
            WHEN regexp_matches({core}, '^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$')
                THEN {core}
            WHEN regexp_matches({core}, '^[+-]?[0-9]{{1,3}}(,[0-9]{{3}})+(\.[0-9]*)?$')
                THEN replace({core}, ',', '')
            WHEN regexp_matches({core}, '^[+-]?[0-9]{{1,3}}(\.[0-9]{{3}})+,[0-9]{{1,2}}$')
                THEN replace(replace({core}, '.', ''), ',', '.')
            WHEN regexp_matches({core}, '^[+-]?[0-9]+,[0-9]{{1,2}}$')
                THEN replace({core}, ',', '.')
        END"""
