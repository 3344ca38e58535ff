"""From text cells to typed columns without loss: which columns are numbers or dates, and the SQL that reads them.

A column that :mod:`shipkit.orders.fields` knows as text stays text whatever it holds; one it knows
as a number, date or amount always gets that type, and a cell that does not fit is null and a
problem. Any other column gets a type only when every value fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from shipkit.common.relation import Relation
from shipkit.common.sql import one, quoted

__all__ = ["Question", "Shape", "decide", "missing_sql", "problem_of"]

_BLANKS = "' \t\n\r\u00a0'"  # as SQL text; DuckDB's E'' strings know no \\u
_SAMPLE = 20_000
_INTEGER = r"^-?(0|[1-9][0-9]{0,17})$"
_DECIMAL = r"^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?$"
_ISO_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_ISO_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?$"
_MISSING = (
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
    "?",
    "tbd",
    "unknown",
    "n.a.",
    "#value!",
    "#ref!",
)


_PLAIN = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$"
_POUNDS = {"lb": 1.0, "oz": 1 / 16, "kg": 1 / 0.45359237, "g": 1 / 453.59237}
_INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "ft": 12.0, "m": 1 / 0.0254}
_SUFFIXES = {
    "lb": "lb",
    "lbs": "lb",
    "pound": "lb",
    "pounds": "lb",
    "oz": "oz",
    "ounce": "oz",
    "ounces": "oz",
    "kg": "kg",
    "kgs": "kg",
    "g": "g",
    "gr": "g",
    "gram": "g",
    "grams": "g",
    "in": "in",
    "inch": "in",
    "inches": "in",
    '"': "in",
    "cm": "cm",
    "mm": "mm",
    "ft": "ft",
    "m": "m",
}


@dataclass(frozen=True)
class Question:
    """One column to decide on: its name in the table, and what its heading says."""

    name: str
    kind: str | None  # as in `shipkit.orders.fields.KIND`
    pin: str | None = None  # a DuckDB type or a strptime format that a person asked for
    role: str | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Shape:
    """How one column is read: `sql` over the cells, its type, and what a cell that does not fit is called."""

    sql: str
    type: str
    raw: str  # SQL of the cell as text, null when blank
    can_fail: bool = False
    kind: str = "text"
    notes: tuple[str, ...] = ()


def decide(
    con: duckdb.DuckDBPyConnection, table: Relation, questions: Sequence[Question]
) -> list[Shape]:
    """Return the shape of each text column of `table` that is asked for."""
    plain = _plain_numbers(
        con, table, [q.name for q in questions if q.kind == "number" and not q.pin]
    )
    facts = _facts(con, table, [q.name for q in questions if q.name not in plain and not q.pin])
    return [
        _pinned(q.name, q.pin)
        if q.pin
        else plain[q.name]
        if q.name in plain
        else _decide(con, table, q, facts[q.name])
        for q in questions
    ]


def _decide(
    con: duckdb.DuckDBPyConnection, table: Relation, question: Question, fact: Mapping[str, int]
) -> Shape:
    text = _text(question.name, question.kind, fact)
    if question.kind in {"text", "flag"}:
        return text
    if question.kind == "number":
        return _number(con, table, question, text)
    if question.kind == "amount":
        return _amount(con, table, text)
    if question.kind == "date":
        return _date(con, table, text)
    return _lossless(con, table, fact, text)


# -- facts -----------------------------------------------------------------------------------------


def _facts(
    con: duckdb.DuckDBPyConnection, table: Relation, names: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Return counts for each column: filled cells, cells with outer blanks or nothing in them, with an apostrophe before digits, with ".0" behind digits."""
    if not names:
        return {}
    row = one(
        con,
        "SELECT "
        f"{', '.join(test.replace('{c}', quoted(name)) for name in names for _, test in _FACTS)} "
        f"FROM {table.sql}",
    )
    size = len(_FACTS)
    return {
        name: {fact: int(row[size * n + m]) for m, (fact, _) in enumerate(_FACTS)}
        for n, name in enumerate(names)
    }


# asked of every cell of every text column: a cheap test goes before each pattern (CASE, because AND
# tests both)
_FACTS = (
    ("filled", "count({c})"),
    (
        "padded",
        (
            "count(*) FILTER (unicode({c}) <= 32 OR unicode({c}) = 160 OR unicode({c}[-1]) <= 32 "
            "OR unicode({c}[-1]) = 160)"
        ),
    ),
    (
        "apostrophe",
        (
            "count(*) FILTER (CASE WHEN starts_with({c}, '''') THEN regexp_matches({c}, "
            "'^''[0-9+]') ELSE false END)"
        ),
    ),
    (
        "ghost",
        (
            r"count(*) FILTER (CASE WHEN suffix({c}, '.0') THEN regexp_matches({c}, "
            r"'^[0-9]+\.0$') ELSE false END)"
        ),
    ),
)


def _text(name: str, kind: str | None, fact: Mapping[str, int]) -> Shape:
    """Return the shape of a text column: outer blanks, an apostrophe that spreadsheets put before digits, and a ".0" ghost taken off."""
    sql, notes = quoted(name), []
    if fact["padded"]:
        sql = f"nullif(trim({sql}, {_BLANKS}), '')"
    if fact["apostrophe"]:
        sql = f"regexp_replace({sql}, '^''([0-9+])', '\\1')"
        notes.append(f"an apostrophe before digits taken off in {fact['apostrophe']:,} cells")
    if kind == "text" and fact["ghost"] and fact["ghost"] * 2 > fact["filled"]:
        sql = f"regexp_replace({sql}, '^([0-9]+)\\.0$', '\\1')"
        notes.append(f'".0" behind whole numbers taken off in {fact["ghost"]:,} cells')
    return Shape(sql=sql, type="VARCHAR", raw=sql, notes=tuple(notes))


def _count(con: duckdb.DuckDBPyConnection, table: Relation, condition: str) -> int:
    return int(one(con, f"SELECT count(*) FILTER ({condition}) FROM {table.sql}")[0])


# -- columns nobody knows --------------------------------------------------------------------------


def _lossless(
    con: duckdb.DuckDBPyConnection, table: Relation, fact: Mapping[str, int], text: Shape
) -> Shape:
    """Return a number or a date where every value is one, exactly; text otherwise."""
    c = text.sql
    if fact["apostrophe"] or not _count(con, table, f"{c} IS NOT NULL"):
        return text
    options = (
        ("BIGINT", _INTEGER),
        ("DOUBLE", _DECIMAL),
        ("DATE", _ISO_DATE),
        ("TIMESTAMP", _ISO_TIME),
    )
    tests = ", ".join(
        f"count(*) FILTER (NOT regexp_matches({c}, '{pattern}') OR TRY_CAST({c} AS {kind}) IS NULL)"
        for kind, pattern in options
    )
    for source in (f"(SELECT * FROM {table.sql} LIMIT {_SAMPLE})", table.sql):
        row = one(con, f"SELECT {tests} FROM {source} WHERE {c} IS NOT NULL")
        fitting = [kind for (kind, _), misfits in zip(options, row, strict=True) if not misfits]
        if not fitting:
            return text
    if fitting[0] == "BIGINT" and _count(con, table, f"{c} = '-0'"):
        return text
    return Shape(
        sql=f"TRY_CAST({c} AS {fitting[0]})",
        type=fitting[0],
        raw=c,
        kind="date" if fitting[0] in {"DATE", "TIMESTAMP"} else "number",
    )


# -- recognised columns ----------------------------------------------------------------------------


def _plain_numbers(
    con: duckdb.DuckDBPyConnection, table: Relation, names: Sequence[str]
) -> dict[str, Shape]:
    """Return the shapes of the columns whose every cell is a plain number: most files need no more."""
    if not names:
        return {}
    tests = ", ".join(
        (
            f"bool_and(regexp_matches({quoted(n)}, '{_INTEGER}')), "
            f"bool_and(regexp_matches({quoted(n)}, '{_PLAIN}'))"
        )
        for n in names
    )
    row = one(con, f"SELECT {tests} FROM {table.sql}")
    kinds = {
        name: "BIGINT" if row[2 * place] else "DOUBLE"
        for place, name in enumerate(names)
        if row[2 * place + 1] is not False
    }
    return {
        name: Shape(
            sql=f"TRY_CAST({quoted(name)} AS {kind})", type=kind, raw=quoted(name), kind="number"
        )
        for name, kind in kinds.items()
    }


def _number(
    con: duckdb.DuckDBPyConnection, table: Relation, question: Question, text: Shape
) -> Shape:
    """Return a number column with dirt: separators, blanks, units behind the number."""
    c, bare = text.sql, f"TRY_CAST({_bare_number(text.sql)} AS DOUBLE)"
    factors = (
        _POUNDS
        if question.role == "weight"
        else _INCHES
        if question.role in {"length", "width", "height"}
        else {}
    )
    suffix = f"lower(regexp_extract({c}, '^[0-9.,]+\\s*([A-Za-z\"]+)\\.?$', 1))"
    found = {
        str(value)
        for (value,) in con.execute(f"SELECT DISTINCT {suffix} FROM {table.sql}").fetchall()
        if value
    }
    units = {word: _SUFFIXES[word] for word in found if _SUFFIXES.get(word) in factors}
    if not units:
        return Shape(sql=bare, type="DOUBLE", raw=c, can_fail=True, kind="number", notes=text.notes)
    wanted = question.unit or next(iter(factors))
    number = f"TRY_CAST({_bare_number(f'''regexp_extract({c}, '^[0-9.,]+')''')} AS DOUBLE)"
    arms = " ".join(
        f"WHEN '{word}' THEN round({number} * {factors[unit] / factors[wanted]!r}, 6)"
        for word, unit in units.items()
    )
    otherwise = (
        f"ELSE {bare}" if question.unit else ""
    )  # a bare number among "8 oz" and "2 lb" has no unit: a problem, never a guess
    note = f"numbers with a unit behind them read as {wanted}"
    return Shape(
        sql=f"CASE {suffix} {arms} {otherwise} END",
        type="DOUBLE",
        raw=c,
        can_fail=True,
        kind="number",
        notes=(*text.notes, note),
    )


def _amount(con: duckdb.DuckDBPyConnection, table: Relation, text: Shape) -> Shape:
    """Return an exact decimal with as many places as the column has: money is never a float."""
    c = text.sql
    plain = (
        one(
            con,
            f"SELECT bool_and(regexp_matches({c}, '^[+-]?[0-9]+(\\.[0-9]+)?$')) FROM {table.sql}",
        )[0]
        is not False
    )
    bare = c if plain else _bare_number(c)
    longest, widest = one(
        con,
        f"SELECT max(length(rtrim(split_part({bare}, '.', 2), '0'))), "
        f"max(length(split_part({bare}, '.', 1))) FROM {table.sql}",
    )
    places = min(max(int(longest or 0), 2), 8)
    kind = f"DECIMAL(18,{places})"
    fits = plain and (widest or 0) + places <= 18
    return Shape(
        sql=f"TRY_CAST({bare} AS {kind})",
        type=kind,
        raw=c,
        can_fail=not fits,
        kind="amount",
        notes=text.notes,
    )


def _bare_number(c: str) -> str:
    """Return SQL of a number's plain spelling ("$1,234.50" -> "1234.50", "1.234,50 EUR" -> "1234.50"), null when it is none."""
    money = r"(?:[A-Z]{1,3}\$|[$€£¥₹]|[A-Z]{3})"
    core = (
        f"regexp_replace(trim({c}), "
        f"'^\\(?(-?)\\s*(?:{money}\\s*)?([-+]?[0-9.,''\\s]*[0-9]\\.?)\\s*(?:{money})?\\)?$', "
        "'\\1\\2')"
    )
    return (
        f"CASE WHEN regexp_matches({core}, '^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)$') THEN {core} "
        f"WHEN regexp_matches({core}, '^[+-]?[0-9]{{1,3}}(,[0-9]{{3}})+(\\.[0-9]*)?$') THEN "
        f"replace({core}, ',', '') "
        f"WHEN regexp_matches({core}, '^[+-]?[0-9]{{1,3}}(\\.[0-9]{{3}})+,[0-9]{{1,2}}$') THEN "
        f"replace(replace({core}, '.', ''), ',', '.') "
        f"WHEN regexp_matches({core}, '^[+-]?[0-9]+,[0-9]{{1,2}}$') THEN replace({core}, ',', "
        "'.') END"
    )


def _date(con: duckdb.DuckDBPyConnection, table: Relation, text: Shape) -> Shape:
    """Return a date column: ISO, or the formats that exports use; day or month first is decided by the whole column."""
    c = text.sql
    iso = (
        f"TRY_CAST(replace(regexp_extract({c}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T "
        "][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,6})?)?)?'), 'T', ' ') AS TIMESTAMP)"
    )
    misfits = _count(con, table, f"{c} IS NOT NULL AND {iso} IS NULL")
    sql, notes, can_fail = iso, list(text.notes), False
    if misfits:
        formats, note = _formats(con, table, c, iso)
        if formats:
            listed = ", ".join(f"'{form}'" for form in formats)
            sql = f"coalesce({iso}, try_strptime({c}, [{listed}]))"
        notes += [note] if note else []
        can_fail = True
    timed = _count(con, table, f"date_trunc('day', {sql}) <> {sql}")
    return Shape(
        sql=sql if timed else f"CAST({sql} AS DATE)",
        type="TIMESTAMP" if timed else "DATE",
        raw=c,
        can_fail=can_fail,
        kind="date",
        notes=tuple(notes),
    )


_FAMILIES: Sequence[tuple[str, tuple[str, ...], tuple[str, ...]]] = (
    # pattern, formats when the month comes first, formats when the day comes first
    (r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}\b", ("%m/%d/%Y",), ("%d/%m/%Y",)),
    (r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{2}\b", ("%m/%d/%y",), ("%d/%m/%y",)),
    (r"^[0-9]{1,2}-[0-9]{1,2}-[0-9]{4}\b", ("%m-%d-%Y",), ("%d-%m-%Y",)),
    (r"^[0-9]{1,2}-[0-9]{1,2}-[0-9]{2}\b", ("%m-%d-%y",), ("%d-%m-%y",)),
    (r"^[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}\b", ("%d.%m.%Y",), ("%d.%m.%Y",)),
    (r"^[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{2}\b", ("%d.%m.%y",), ("%d.%m.%y",)),
    (r"^[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}\b", ("%Y/%m/%d",), ("%Y/%m/%d",)),
    (r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}$", ("%Y-%m-%d",), ("%Y-%m-%d",)),
    (r"^[0-9]{8}$", ("%Y%m%d",), ("%Y%m%d",)),
    (
        r"^[0-9]{1,2}[- ][A-Za-z]{3}[- ][0-9]{4}\b",
        ("%d-%b-%Y", "%d %b %Y"),
        ("%d-%b-%Y", "%d %b %Y"),
    ),
    (
        r"^[0-9]{1,2}[- ][A-Za-z]{3}[- ][0-9]{2}$",
        ("%d-%b-%y", "%d %b %y"),
        ("%d-%b-%y", "%d %b %y"),
    ),
    (
        r"^[A-Za-z]{3}[- ][0-9]{1,2}[-, ]+[0-9]{4}\b",
        ("%b-%d-%Y", "%b %d, %Y", "%b %d %Y"),
        ("%b-%d-%Y", "%b %d, %Y", "%b %d %Y"),
    ),
    (r"^[A-Za-z]{3}-[0-9]{1,2}-[0-9]{2}$", ("%b-%d-%y",), ("%b-%d-%y",)),
    (r"^[A-Za-z]{4,9} [0-9]{1,2}, ?[0-9]{4}\b", ("%B %d, %Y",), ("%B %d, %Y",)),
    (r"^[0-9]{1,2} [A-Za-z]{4,9} [0-9]{4}\b", ("%d %B %Y",), ("%d %B %Y",)),
)
_CLOCKS = ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")


def _formats(
    con: duckdb.DuckDBPyConnection, table: Relation, c: str, iso: str
) -> tuple[list[str], str | None]:
    """Return the strptime formats that a column needs beside ISO, and what had to be assumed."""
    rest = f"{c} IS NOT NULL AND {iso} IS NULL"
    tests = ", ".join(
        f"count(*) FILTER (regexp_matches({c}, '{pattern}'))" for pattern, _, _ in _FAMILIES
    )
    first, second = (
        f"TRY_CAST(regexp_extract({c}, '^([0-9]{{1,2}})[/-]([0-9]{{1,2}})[/-]', 1) AS INT)",
        f"TRY_CAST(regexp_extract({c}, '^([0-9]{{1,2}})[/-]([0-9]{{1,2}})[/-]', 2) AS INT)",
    )
    clock = f"count(*) FILTER (regexp_matches({c}, '[0-9]:[0-9]'))"
    row = one(
        con,
        f"SELECT {tests}, count(*) FILTER ({first} > 12), count(*) FILTER ({second} > 12), "
        f"count(*) FILTER ({first} IS NOT NULL), {clock} FROM {table.sql} WHERE {rest}",
    )
    *counts, day_first, month_first, slashed, clocks = map(int, row)
    use_day = day_first > 0 and not month_first
    note = None
    if slashed and not day_first and not month_first:
        note = (
            "month before day assumed (no value tells); load(types={...: '%d/%m/%Y'}) says "
            "otherwise"
        )
    chosen = [
        form
        for count, (_, us, eu) in zip(counts, _FAMILIES, strict=True)
        if count
        for form in (eu if use_day else us)
    ]
    return [
        form + clock_form for form in chosen for clock_form in (_CLOCKS if clocks else ("",))
    ], note


def _pinned(name: str, pin: str) -> Shape:
    c = f"nullif(trim({quoted(name)}), '')"
    if pin == "VARCHAR":
        return Shape(sql=quoted(name), type="VARCHAR", raw=quoted(name))
    if "%" in pin:
        form = pin.replace("'", "''")
        parsed = f"try_strptime({c}, '{form}')"
        timed = any(mark in pin for mark in ("%H", "%I"))
        return Shape(
            sql=parsed if timed else f"CAST({parsed} AS DATE)",
            type="TIMESTAMP" if timed else "DATE",
            raw=c,
            can_fail=True,
            kind="date",
        )
    return Shape(
        sql=f"TRY_CAST({c} AS {pin})",
        type=pin,
        raw=c,
        can_fail=True,
        kind="date" if pin in {"DATE", "TIMESTAMP"} else "number",
    )


def problem_of(kind: str, heading: str) -> tuple[str, str, str]:
    """Return problem, fix and code of a cell that does not fit its column's kind."""
    what = {"date": "a date", "amount": "an amount"}.get(kind, "a number")
    return (
        f"{heading!r} is not {what}.",
        "Correct the cell in the source and load it again.",
        f"cell_not_{kind}",
    )


def missing_sql(c: str) -> str:
    """Return SQL that says whether a cell is a way to write "nothing"."""
    return f"lower(trim({c})) IN ({', '.join(repr(word) for word in _MISSING)})"
