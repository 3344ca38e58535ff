"""Columns of numbers and of amounts of money, however their cells write them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import duckdb

from shipkit.common.relation import Relation
from shipkit.common.sql import one, quoted
from shipkit.orders.cells import Note
from shipkit.orders.columns import WEIGHT_PARTS
from shipkit.orders.currencies import contradicts_sql, mark_sql
from shipkit.orders.expressions import quote, quoted_list
from shipkit.orders.heading_words import asks_for_nothing, word_file
from shipkit.orders.quantity_headings import QUANTITIES
from shipkit.orders.source.column_reading import (
    INTEGER,
    ColumnReading,
    ColumnSpec,
    Contradiction,
)
from shipkit.orders.source.decimal_marks import FileMarks, mark_evidence
from shipkit.orders.units import LENGTHS, WEIGHTS, UnitScale

__all__ = ["MEASURES", "amount_column", "number_column", "plain_numbers"]

_DECLARED: Final = frozenset({"declared_value", "item_price", "cod_amount"})
"""Roles of amounts that carriers and customs are given."""
_DOLLARS: Final = ("$", "usd", "us$", "usd$", "$usd")
_BLANKS: Final = "' \u00a0\u202f'"
_PLAIN: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$"
MEASURES: Final = {
    **dict.fromkeys((*WEIGHT_PARTS, *WEIGHT_PARTS.values()), WEIGHTS),
    "length": LENGTHS,
    "width": LENGTHS,
    "height": LENGTHS,
}
"""Role of a column -> the units that a cell of it may name."""


def plain_numbers(
    con: duckdb.DuckDBPyConnection, table: Relation, columns: Sequence[ColumnSpec]
) -> dict[str, ColumnReading]:
    """Return how the columns are read whose every cell is a plain number: most need no more.

    A column of measures with "1.500" and "750" is not among them: its point is a question.
    """
    if not columns:
        return {}
    names = [column.name for column in columns]
    tests = ", ".join(
        f"bool_and(regexp_matches({quoted(name)}, '{pattern}'))"
        for name in names
        for pattern in (INTEGER, _PLAIN)
    )
    found = one(con, f"SELECT {tests} FROM {table.sql}")
    made = {}
    for place, column in enumerate(columns):
        name, integer, plain = column.name, found[2 * place], found[2 * place + 1]
        if plain is False or (not integer and _point_may_group(con, table, column)):
            continue
        kind = "BIGINT" if integer else "DOUBLE"
        made[name] = ColumnReading(
            sql=f"TRY_CAST({quoted(name)} AS {kind})", type=kind, raw=quoted(name), kind="number"
        )
    return made


def _point_may_group(con: duckdb.DuckDBPyConnection, table: Relation, column: ColumnSpec) -> bool:
    """Return whether the point of a column of measures may separate thousands."""
    if column.role not in MEASURES:
        return False
    c = quoted(column.name)
    # A cheap test first: nearly every column has a number with one or two decimals.
    three = one(
        con,
        f"""
        SELECT bool_and(instr({c}, '.') = 0 OR length({c}) - instr({c}, '.') = 3)
        FROM {table.sql}
        """,
    )[0]
    return bool(three) and mark_evidence(con, table, [column.name]).point_unclear


def number_column(
    con: duckdb.DuckDBPyConnection,
    table: Relation,
    column: ColumnSpec,
    text: ColumnReading,
    marks: FileMarks,
) -> ColumnReading:
    """Return how a column is read whose cells have separators, blanks or units ("1,200", "8 oz").

    In a column with units, a number without one is a problem unless the heading names the unit: in
    a column of "8 oz", "2 lb" and "3", the 3 could be either, unless the cell next to it says. The
    decimal mark is the one that cells of the column prove, else the one of the other columns of the
    file; a measure such as "1,250" without any proof is a problem.
    """
    c = text.sql
    scale = MEASURES.get(column.role or "")
    evidence = mark_evidence(con, table, [column.name])
    unclear = evidence.comma_unclear or evidence.point_unclear
    mark = evidence.mark or (marks.others(column.name) if unclear else None)
    asks = scale is not None and unclear and mark is None
    unproven = ""
    if asks:
        unproven = ",." if evidence.point_unclear else ","
    bare = f"TRY_CAST({_bare_number(c, mark, unproven, around=_around(column))} AS DOUBLE)"
    kind = "unclear number" if asks else "number"
    named = _cells_with_unit(con, table, c, scale, column) if scale else []
    both = _two_units(con, table, c, scale) if scale and not column.unit_cell else None
    if scale is None or not (named or both):
        return ColumnReading(
            sql=bare, type="DOUBLE", raw=c, can_fail=True, kind=kind, notes=text.notes
        )
    leading = _bare_number(rf"regexp_extract({c}, '^[0-9.,]+')", mark, unproven, around="")
    arms = _unit_arms(named, f"TRY_CAST({leading} AS DOUBLE)", scale, column)
    pair = _pair(scale)
    if both and column.unit in (None, *pair.units):
        value = scale.convert_sql(both, scale.base, column.unit or scale.base)
        arms = f"WHEN {quote(pair.name + ' ')} THEN {value} {arms}"
    otherwise = f"ELSE {bare}" if column.unit else ""
    if column.unit_cell and not column.unit:
        otherwise = f"ELSE CASE WHEN trim({quoted(column.unit_cell)}) <> '' THEN {bare} END"
    goal = "the unit next to them" if column.unit_cell else column.unit or scale.base
    converts = both or any(
        _stated(scale, column, adjacent) is None and scale.words[word] != scale.base
        for word, adjacent in named
    )
    done = [Note("repaired", f"converted numbers with a unit to {goal}")] if converts else []
    return ColumnReading(
        sql=f"CASE {_unit_key(c, column, scale)} {arms} {otherwise} END",
        type="DOUBLE",
        raw=c,
        can_fail=True,
        kind=kind,
        notes=(*text.notes, *done),
        unit=None if column.unit_cell else column.unit or scale.base,
        names_units=True,
        contradiction=_other_unit(named, c, scale, column),
    )


class _Pair(NamedTuple):
    """Two units that a cell may name at once, and the pattern of its text."""

    units: tuple[str, str]
    pattern: str

    @property
    def name(self) -> str:
        """What both are called in a CASE over the units of cells."""
        return " ".join(self.units)


_AMOUNT: Final = r"([0-9]+(?:\.[0-9]+)?)"
_INCHES: Final = r"((?:[0-9]|1[01])(?:\.[0-9]+)?)"
_POUNDS: Final = _Pair(
    ("lb", "oz"),
    rf"(?i)^{_AMOUNT}\s*(?:lbs?|pounds?)\.?\s*(?:,|&|and)?\s*{_AMOUNT}\s*(?:ozs?|ounces?)\.?$",
)
# Quotes are doubled, because the pattern is written into SQL.
_FEET: Final = _Pair(
    ("ft", "in"),
    rf"(?i)^{_AMOUNT}\s*(?:[''\x{{2019}}\x{{2032}}]|ft\.?|foot|feet)\s*(?:,|-|&|and)?\s*"
    rf"{_INCHES}\s*(?:[\"\x{{201D}}\x{{2033}}]|''{{2}}|\x{{2032}}{{2}}|in\.?|inch|inches)?$",
)


def _pair(scale: UnitScale) -> _Pair:
    return _POUNDS if scale is WEIGHTS else _FEET


def _two_units(
    con: duckdb.DuckDBPyConnection, table: Relation, c: str, scale: UnitScale
) -> str | None:
    """Return SQL of "2 lb 3 oz" in the base unit of its scale; None when no cell is written so."""
    units, pattern = _pair(scale)
    if not one(con, f"SELECT bool_or(regexp_matches({c}, '{pattern}')) FROM {table.sql}")[0]:
        return None
    parts = (
        scale.convert_sql(f"TRY_CAST(regexp_extract({c}, '{pattern}', {place}) AS DOUBLE)", unit)
        for place, unit in enumerate(units, start=1)
    )
    return f"({' + '.join(parts)})"


def _unit_word(c: str, scale: UnitScale) -> str:
    """Return SQL of the word after the number of a cell; of both words in "2 lb 3 oz"."""
    pair = _pair(scale)
    return rf"""CASE WHEN regexp_matches({c}, '{pair.pattern}') THEN '{pair.name}'
        ELSE lower(regexp_extract({c}, '^[0-9.,]+\s*([A-Za-z"]+)\.?$', 1)) END"""


def _unit_key(c: str, column: ColumnSpec, scale: UnitScale) -> str:
    """Return SQL of the word after the number, and of the unit in the cell next to it."""
    adjacent = "''"
    if column.unit_cell is not None:
        adjacent = f"rtrim(lower(trim(coalesce({quoted(column.unit_cell)}, ''))), '.')"
    return f"{_unit_word(c, scale)} || ' ' || {adjacent}"


def _cells_with_unit(
    con: duckdb.DuckDBPyConnection,
    table: Relation,
    c: str,
    scale: UnitScale,
    column: ColumnSpec,
) -> list[tuple[str, str]]:
    """Return each unit that a cell names, as it is written, with what is next to it."""
    found = con.execute(
        f"SELECT DISTINCT {_unit_word(c, scale)}, {_unit_key(c, column, scale)} FROM {table.sql}"
    ).fetchall()
    return sorted(
        (str(word), str(key).removeprefix(f"{word} "))
        for word, key in found
        if word and word in scale.words
    )


def _stated(scale: UnitScale, column: ColumnSpec, adjacent: str) -> str | None:
    """Return the unit that a heading or the cell next to it names, ``?`` for an unknown one."""
    return (scale.unit(adjacent) or "?") if adjacent else column.unit


def _unit_arms(
    named: Sequence[tuple[str, str]], number: str, scale: UnitScale, column: ColumnSpec
) -> str:
    """Return the arms of a CASE over the units that cells name.

    A cell with another unit than is stated is null: nothing decides which of the two is wrong.
    """
    arms = []
    for word, adjacent in named:
        unit, stated = scale.words[word], _stated(scale, column, adjacent)
        value = (
            scale.convert_sql(number, unit, stated or scale.base) if stated in (None, unit) else ""
        )
        then = f"round({value}, 6)" if value else "NULL"
        arms.append(f"WHEN {quote(f'{word} {adjacent}')} THEN {then}")
    return " ".join(arms)


def _other_unit(
    named: Sequence[tuple[str, str]], c: str, scale: UnitScale, column: ColumnSpec
) -> Contradiction | None:
    """Return which cells name another unit than their heading or the cell next to them."""
    wrong = {
        f"{word} {adjacent}": f"the cell says {word}, and {_adjacent(adjacent, column.unit)}"
        for word, adjacent in named
        if _stated(scale, column, adjacent) not in (None, scale.words[word])
    }
    if not wrong:
        return None
    key = _unit_key(c, column, scale)
    arms = " ".join(f"WHEN {quote(pair)} THEN {quote(text)}" for pair, text in wrong.items())
    return Contradiction(f"{key} IN ({quoted_list([*wrong])})", f"CASE {key} {arms} END")


def _adjacent(adjacent: str, unit: str | None) -> str:
    return f"the unit next to it is {adjacent}" if adjacent else f"its heading says {unit}"


def amount_column(
    con: duckdb.DuckDBPyConnection, table: Relation, column: ColumnSpec, text: ColumnReading
) -> ColumnReading:
    """Return an exact decimal with as many places as the column has: money is never a float.

    A column of declared values or item prices whose cells name other currencies than dollars stays
    text, "12.50 eur": the row's currency decides whether it can be read. Words such as "no" are
    blank where an amount is asked for.
    """
    c = text.sql
    nothing = asks_for_nothing(column.role)
    if nothing:
        c = f"(CASE WHEN lower(trim({c})) NOT IN ({quoted_list(nothing)}) THEN {c} END)"
    all_plain = one(
        con,
        f"SELECT bool_and(regexp_matches({c}, '^[+-]?[0-9]+(\\.[0-9]+)?$')) FROM {table.sql}",
    )[0]
    plain = all_plain is not False
    bare = c if plain else _bare_number(c, around=_ANY_MARK)
    other = _other_currency(con, table, c, column)
    if other is not None:
        bare = f"CASE WHEN NOT coalesce({other.condition}, false) THEN {bare} END"
    marked = set() if plain or column.role not in _DECLARED else _marks(con, table, c)
    foreign = sorted(marked - {*_DOLLARS})
    if foreign:
        marks = quoted_list(foreign)
        mark = mark_sql(c)
        named = f"{bare} || CASE WHEN {mark} IN ({marks}) THEN ' ' || {mark} ELSE '' END"
        return ColumnReading(
            sql=named,
            type="VARCHAR",
            raw=c,
            can_fail=True,
            kind="amount",
            notes=text.notes,
            contradiction=other,
        )
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
    fits = plain and other is None and (widest or 0) + places <= 18
    return ColumnReading(
        sql=f"TRY_CAST({bare} AS {kind})",
        type=kind,
        raw=c,
        can_fail=not fits,
        kind="amount",
        notes=text.notes,
        # A shipper abroad has another currency: what the cells name is not lost with their marks.
        unit=_dollar(marked) if column.unit is None and column.unit_cell is None else None,
        contradiction=other,
    )


def _dollar(marks: Collection[str]) -> str | None:
    """Return what amounts in dollars say: ``USD``, or ``$`` alone; None where they say nothing."""
    return None if not marks else "$" if {*marks} == {"$"} else "USD"


def _other_currency(
    con: duckdb.DuckDBPyConnection, table: Relation, c: str, column: ColumnSpec
) -> Contradiction | None:
    """Return which cells are in another currency than their heading or the column next to them."""
    if column.role not in _DECLARED or not (column.unit or column.unit_cell):
        return None
    heading = "USD" if column.unit == "$" else column.unit or ""
    stated, source = quote(heading), quote(f"its heading says {column.unit}")
    wrong = "false"
    if column.unit_cell is not None:
        cell = f"nullif(upper(trim({quoted(column.unit_cell)})), '')"
        stated = f"coalesce({cell}, {stated})"
        source = f"coalesce('the currency next to it is ' || {cell}, {source})"
        if column.unit:
            wrong = contradicts_sql(quote(column.unit), stated)
    # A cell without a number ("none") is no amount: it names no currency, and is a problem itself.
    condition = f"(regexp_matches({c}, '[0-9]') AND {contradicts_sql(c, stated)})"
    if not one(con, f"SELECT bool_or({condition} OR {wrong}) FROM {table.sql}")[0]:
        return None
    amount = f"'the cell says ' || upper({mark_sql(c)}) || ', and ' || {source}"
    return Contradiction(
        f"({condition} OR {wrong})",
        f"CASE WHEN {condition} THEN {amount} "
        f"ELSE {quote(f'its heading says {column.unit}, and ')} || {source} END",
    )


def _marks(con: duckdb.DuckDBPyConnection, table: Relation, c: str) -> set[str]:
    """Return what amounts have besides their number."""
    found = con.execute(f"SELECT DISTINCT {mark_sql(c)} FROM {table.sql} WHERE {c} IS NOT NULL")
    return {str(mark) for (mark,) in found.fetchall()} - {""}


_MONEY: Final = r"(?:[A-Z]{1,3}\$|[$€£¥₹]|[A-Z]{3})"
_ANY_MARK: Final = r"(?:[A-Za-z]{3} [$€£¥₹]|[$€£¥₹] [A-Za-z]{3}|[^-+0-9.,()\s'']{1,9})"
"""What may be around an amount. Only for amounts: "250 mg" and "~2" are not weights in pounds."""


def _around(column: ColumnSpec) -> str:
    """Return a pattern of what may be around a number: three capitals may be a unit, "50 GRS"."""
    if column.role in MEASURES:
        return ""
    if column.role in QUANTITIES.values():
        pieces = "|".join(map(re.escape, word_file("quantities")["pieces"]))
        return rf"(?i:{pieces})\.?"
    return _MONEY


def _bare_number(c: str, mark: str | None = None, unproven: str = "", *, around: str) -> str:
    r"""Return SQL of a number's plain spelling, null when it is none.

    "$1,234.50" gives "1234.50"; "1.234,50 EUR" gives "1234.50". A comma with three digits after it
    separates thousands, unless the digits before it are a 0 or more than three, or `mark`, the
    proven decimal mark, is a comma. Marks in `unproven` before three digits give null. `around` is
    a pattern of what may be before or after the number.
    """
    digits = r"[-+]?[0-9.,'' \x{2019}\x{A0}\x{202F}]*[0-9]\.?"
    written = rf"^(\(?-?)\s*(?:{around}\s*)?({digits})\s*(?:{around})?\)?$"
    core = rf"""regexp_replace(
        regexp_replace(trim({c}, {_BLANKS}), '{written}', '\1\2'),
        '['' \x{{2019}}\x{{A0}}\x{{202F}}]([0-9]{{3}})\b',
        '\1',
        'g'
    )"""
    first = ""
    if unproven:
        first = f"WHEN regexp_matches({core}, '^[+-]?[1-9][0-9]{{0,2}}[{unproven}][0-9]{{3}}$')"
        first += " THEN NULL"
    elif mark == ",":
        first = rf"""
            WHEN regexp_matches({core}, '^[+-]?[1-9][0-9]{{0,2}}(\.[0-9]{{3}})+$')
                THEN replace({core}, '.', '')
            WHEN regexp_matches({core}, '^[+-]?[0-9]+,[0-9]+$')
                THEN replace({core}, ',', '.')"""
    return rf"""
        CASE
            {first}
            WHEN regexp_matches({core}, '^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$')
                THEN {core}
            WHEN regexp_matches({core}, '^[+-]?[1-9][0-9]{{0,2}}(,[0-9]{{3}})+(\.[0-9]*)?$')
                THEN replace({core}, ',', '')
            WHEN regexp_matches({core}, '^[+-]?[1-9][0-9]{{0,2}}(\.[0-9]{{3}})+,[0-9]+$')
                THEN replace(replace({core}, '.', ''), ',', '.')
            WHEN regexp_matches(
                {core}, '^[+-]?(0,[0-9]+|[0-9]+,([0-9]{{1,2}}|[0-9]{{4,}})|[0-9]{{4,}},[0-9]{{3}})$'
            )
                THEN replace({core}, ',', '.')
        END"""
