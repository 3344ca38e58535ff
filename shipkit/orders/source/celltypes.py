"""Which type a column of text cells gets, and the SQL that reads it, without losing a cell.

A column whose heading means text (:mod:`shipkit.orders.fields`) stays text. One
whose heading means a number, date or amount always gets that type; a cell that does not fit becomes
null and a problem of its row. Any other column gets a type only when every value fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import duckdb

from shipkit.common.relation import Relation
from shipkit.common.sql import one, quoted
from shipkit.common.words import counted
from shipkit.orders.cells import Note
from shipkit.orders.source.column_reading import INTEGER, ColumnReading, ColumnSpec
from shipkit.orders.source.date_columns import date_column
from shipkit.orders.source.decimal_marks import FileMarks
from shipkit.orders.source.number_columns import (
    MEASURES,
    amount_column,
    number_column,
    plain_numbers,
)
from shipkit.orders.written_numbers import in_decimals, narrow_sql

__all__ = ["ColumnReading", "ColumnSpec", "decide", "missing_sql", "problem_of"]

_BLANKS: Final = "' \t\n\r\u00a0'"  # as SQL text; DuckDB's E'' strings do not know \u
_SAMPLE: Final = 20_000
_DECIMAL: Final = r"^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?$"
_ISO_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_ISO_TIME: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?$"
_LOSSLESS: Final = (
    ("BIGINT", INTEGER),
    ("DOUBLE", _DECIMAL),
    ("DATE", _ISO_DATE),
    ("TIMESTAMP", _ISO_TIME),
)
"""Types of columns with an unknown heading -> how a value must be written to survive unchanged."""
# A cell that is still to be said ("TBD", "?") is none of these: to ship without it may be wrong.
_MISSING: Final = (
    "n/a",
    "na",
    "#n/a",
    "none",
    "null",
    "nil",
    "nan",
    "-",
    "--",
    "---",
    "n.a.",
    "#value!",
    "#ref!",
)


def decide(
    con: duckdb.DuckDBPyConnection,
    table: Relation,
    columns: Sequence[ColumnSpec],
    marks: FileMarks | None = None,
) -> list[ColumnReading]:
    """Return how each of `columns`, text columns of `table`, is read.

    Parameters
    ----------
    marks
        The decimal marks of the whole file, if `table` has only a part of its columns.
    """
    numbers = [column for column in columns if column.kind == "number" and not column.pin]
    marks = marks or FileMarks(con, dict.fromkeys(with_marks(columns), table))
    made = plain_numbers(con, table, numbers)
    made |= {column.name: _pinned(column.name, column.pin) for column in columns if column.pin}
    rest = [column for column in columns if column.name not in made]
    facts = _facts(con, table, [column.name for column in rest])
    texts = {c.name: _text(c.name, c.kind, facts[c.name]) for c in rest}
    unknown = {c.name: texts[c.name] for c in rest if c.kind is None}
    made |= _lossless(con, table, facts, unknown)
    for column in rest:
        if column.kind is not None:
            made[column.name] = _decide(con, table, column, texts[column.name], marks)
    return [made[column.name] for column in columns]


def with_marks(columns: Sequence[ColumnSpec]) -> list[str]:
    """Return the names of the columns of numbers and amounts, which show the mark of decimals."""
    return [column.name for column in columns if column.kind in {"number", "amount"}]


def _decide(
    con: duckdb.DuckDBPyConnection,
    table: Relation,
    column: ColumnSpec,
    text: ColumnReading,
    marks: FileMarks,
) -> ColumnReading:
    """Return how a column is read whose heading says what is in it."""
    if column.kind in ("number", "amount"):
        plain = _in_decimals(con, table, column, text)
        if column.kind == "amount":
            made = amount_column(con, table, column, plain)
        else:
            made = number_column(con, table, column, plain, marks)
        return made if plain is text else replace(made, raw=text.sql)
    if column.kind == "date":
        return date_column(con, table, text)
    return text


def _in_decimals(
    con: duckdb.DuckDBPyConnection, table: Relation, column: ColumnSpec, text: ColumnReading
) -> ColumnReading:
    """Return a column of numbers without fractions and wide digits, `text` where none has some.

    Only measures have fractions: "1/2" of a quantity may be a part of a set.
    """
    measures = column.role in MEASURES
    found = f"regexp_matches({text.sql}, '{'[^ -~]|/' if measures else '[^ -~]'}')"
    if not one(con, f"SELECT bool_or({found}) FROM {table.sql}")[0]:
        return text
    made = in_decimals(text.sql) if measures else narrow_sql(text.sql)
    return replace(text, sql=made)


def problem_of(kind: str, heading: str) -> tuple[str, str, str]:
    """Return problem, fix and code of a cell that does not fit the kind of its column."""
    if kind == "unclear number":
        return (
            f"the value in column {heading!r} can be read as decimals or thousands",
            "Write it so that it can be read in one way: 1250 or 1.25.",
            "number_ambiguous",
        )
    what = {"date": "a date", "amount": "an amount"}.get(kind, "a number")
    return (
        f"the value in column {heading!r} is not {what}",
        "Correct the cell in the source and load it again.",
        f"cell_not_{kind}",
    )


def missing_sql(c: str) -> str:
    """Return SQL that is true of a cell with a text such as "n/a" for a missing value."""
    return f"lower(trim({c})) IN ({', '.join(repr(word) for word in _MISSING)})"


# -- text ------------------------------------------------------------------------------------------

_TO_COUNT: Final = r"^(?:$|[\x00-\x20\x{A0}'])|[\x00-\x20\x{A0}]$|\.0$"
"""What a cell has that is counted below; most columns have no such cell."""

# A cheap test comes before each pattern. CASE, because AND evaluates both of its sides.
_FACTS: Final = {
    "padded": """
        count(*) FILTER (
            unicode({c}) <= 32 OR unicode({c}) = 160
            OR unicode({c}[-1]) <= 32 OR unicode({c}[-1]) = 160
        )""",
    "apostrophe": """
        count(*) FILTER (
            CASE WHEN starts_with({c}, '''')
                THEN regexp_matches({c}, '^''[-+]?[0-9]') ELSE false END
        )""",
    "ghost": r"""
        count(*) FILTER (
            CASE WHEN suffix({c}, '.0')
                THEN regexp_matches({c}, '^[0-9]+\.0$') ELSE false END
        )""",
}
"""What is counted of a text column: cells with blanks around the text, or no text at all; with an
apostrophe before digits; with ".0" after digits."""


def _facts(
    con: duckdb.DuckDBPyConnection, table: Relation, names: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Return the counts of each column."""
    if not names:
        return {}
    cells = [
        count
        for column in map(quoted, names)
        for count in (f"count({column})", f"count(*) FILTER (regexp_matches({column}, $odd))")
    ]
    seen = iter(one(con, f"SELECT {', '.join(cells)} FROM {table.sql}", {"odd": _TO_COUNT}))
    filled, odd = zip(*((int(next(seen)), int(next(seen))) for _ in names), strict=True)
    looked = [name for name, cells in zip(names, odd, strict=True) if cells]
    facts = {
        name: {"filled": cells, **dict.fromkeys(_FACTS, 0)}
        for name, cells in zip(names, filled, strict=True)
    }
    if looked:
        tests = [test.replace("{c}", quoted(name)) for name in looked for test in _FACTS.values()]
        found = iter(one(con, f"SELECT {', '.join(tests)} FROM {table.sql}"))
        for name in looked:
            facts[name] |= {fact: int(next(found)) for fact in _FACTS}
    return facts


def _text(name: str, kind: str | None, fact: Mapping[str, int]) -> ColumnReading:
    """Return how a text column is read: cleaned of what spreadsheets and exports add to a text."""
    sql, notes = quoted(name), []
    if fact["padded"]:
        sql = f"nullif(trim({sql}, {_BLANKS}), '')"
    if cells := fact["apostrophe"]:
        # Excel shows '02134 as 02134; some exports write the apostrophe into the file.
        sql = f"regexp_replace({sql}, '^''([-+]?[0-9])', '\\1')"
        text = f"removed the apostrophe before digits in {counted(cells, 'cell')}"
        notes.append(Note("repaired", text, cells))
    if kind == "text" and (cells := fact["ghost"]) * 2 > fact["filled"]:
        # pandas writes a column of whole numbers with gaps as floats: 2134.0.
        sql = f"regexp_replace({sql}, '^([0-9]+)\\.0$', '\\1')"
        text = f'removed ".0" after whole numbers in {counted(cells, "cell")}'
        notes.append(Note("repaired", text, cells))
    return ColumnReading(sql=sql, type="VARCHAR", raw=sql, notes=tuple(notes))


# -- columns with an unknown heading ---------------------------------------------------------------


def _lossless(
    con: duckdb.DuckDBPyConnection,
    table: Relation,
    facts: Mapping[str, Mapping[str, int]],
    texts: Mapping[str, ColumnReading],
) -> dict[str, ColumnReading]:
    """Return numbers and dates for columns where every value is exactly one; text otherwise."""
    cells = {name: text.sql for name, text in texts.items() if not facts[name]["apostrophe"]}
    fits = {name: [kind for kind, _ in _LOSSLESS] for name in cells}
    # Most text columns fail on the first rows; only what fits those is tested on all rows.
    sample = f"(SELECT * FROM {table.sql} LIMIT {_SAMPLE})"
    for source, enough in ((sample, 0), (table.sql, 1)):
        found = _counts(
            con,
            source,
            {
                name: [
                    f"count({cells[name]})",
                    *(_misfits_sql(cells[name], kind) for kind in kinds),
                ]
                for name, kinds in fits.items()
            },
        )
        fits = {
            name: [kind for kind, wrong in zip(fits[name], misfits, strict=True) if not wrong]
            for name, (filled, *misfits) in found.items()
            if filled >= enough and not all(misfits)
        }
    whole = {
        name: [f"count(*) FILTER ({cells[name]} = '-0')"]
        for name in fits
        if fits[name][0] == "BIGINT"
    }
    for name, (zeros,) in _counts(con, table.sql, whole).items():
        if zeros:  # its sign would be lost
            del fits[name]
    return {
        name: _as(fits[name][0], text) if name in fits else text for name, text in texts.items()
    }


def _counts(
    con: duckdb.DuckDBPyConnection, source: str, counts: Mapping[str, Sequence[str]]
) -> dict[str, list[int]]:
    """Return what several counts of each column are, from one query."""
    if not counts:
        return {}
    asked = ", ".join(count for of_one in counts.values() for count in of_one)
    found = iter(one(con, f"SELECT {asked} FROM {source}"))
    return {name: [int(next(found)) for _ in of_one] for name, of_one in counts.items()}


def _misfits_sql(c: str, kind: str) -> str:
    pattern = dict(_LOSSLESS)[kind]
    return f"""
        count(*) FILTER (
            CASE WHEN {c} IS NULL THEN false
                ELSE NOT regexp_matches({c}, '{pattern}') OR TRY_CAST({c} AS {kind}) IS NULL
            END
        )"""


def _as(kind: str, text: ColumnReading) -> ColumnReading:
    c = text.sql
    return ColumnReading(
        sql=f"TRY_CAST({c} AS {kind})",
        type=kind,
        raw=c,
        kind="date" if kind in {"DATE", "TIMESTAMP"} else "number",
    )


# -- types that a person asked for -----------------------------------------------------------------


def _pinned(name: str, pin: str) -> ColumnReading:
    """Return how a column is read as a type of DuckDB or by a date format."""
    c = f"nullif(trim({quoted(name)}), '')"
    if pin == "VARCHAR":
        return ColumnReading(sql=quoted(name), type="VARCHAR", raw=quoted(name))
    if "%" in pin:
        form = pin.replace("'", "''")
        parsed = f"try_strptime({c}, '{form}')"
        timed = any(mark in pin for mark in ("%H", "%I"))
        return ColumnReading(
            sql=parsed if timed else f"CAST({parsed} AS DATE)",
            type="TIMESTAMP" if timed else "DATE",
            raw=c,
            can_fail=True,
            kind="date",
        )
    return ColumnReading(
        sql=f"TRY_CAST({c} AS {pin})",
        type=pin,
        raw=c,
        can_fail=True,
        kind="date" if pin in {"DATE", "TIMESTAMP"} else "number",
    )
