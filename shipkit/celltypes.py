"""From text cells to typed columns without loss: which columns are numbers or dates, and the SQL that reads them.

A column that :mod:`shipkit.fields` knows as text stays text whatever it holds; one it knows as a number, date or amount always
gets that type, and a cell that does not fit is null and a problem. Any other column gets a type only when every value fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from shipkit.cells import one, quoted

__all__ = ["Shape", "decide", "missing_sql", "problem_of"]

_BLANKS = "' \t\n\r\u00a0'"  # as SQL text; DuckDB's E'' strings know no \\u
_SAMPLE = 20_000
_INTEGER = r"^-?(0|[1-9][0-9]{0,17})$"
_DECIMAL = r"^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?$"
_ISO_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_ISO_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?$"
_MISSING = ("n/a", "na", "#n/a", "none", "null", "nil", "nan", "-", "--", "---", "?", "tbd", "unknown", "n.a.", "#value!", "#ref!")


@dataclass(frozen=True)
class Shape:
    """How one column is read: `sql` over the cells, its type, and what a cell that does not fit is called."""

    sql: str
    type: str
    raw: str  # SQL of the cell as text, null when blank
    can_fail: bool = False
    kind: str = "text"
    notes: tuple[str, ...] = ()
    unit: str | None = None


def decide(con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[tuple[str, str | None, str | None]]) -> list[Shape]:
    """Return the shape of each text column of `table`.

    Parameters
    ----------
    columns
        (name in the table, kind or None, pinned type or None); kind as in `shipkit.fields.KIND`, a pinned type is a DuckDB
        type or a strptime format.
    """
    facts = _facts(con, table, [name for name, _, _ in columns])
    return [_pinned(name, pin) if pin else _decide(con, table, name, kind, facts[name]) for name, kind, pin in columns]


def _decide(con: duckdb.DuckDBPyConnection, table: str, name: str, kind: str | None, fact: Mapping[str, int]) -> Shape:
    text = _text(name, kind, fact)
    if kind in {"text", "flag"}:
        return text
    if kind == "number":
        return _number(con, table, text)
    if kind == "amount":
        return _amount(con, table, text)
    if kind == "date":
        return _date(con, table, text)
    return _lossless(con, table, fact, text)


# -- facts ------------------------------------------------------------------------------------------


def _facts(con: duckdb.DuckDBPyConnection, table: str, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return counts for each column: filled cells, cells with outer blanks, with an apostrophe before digits, with ".0" behind digits."""
    if not names:
        return {}
    row = one(con, f"SELECT {', '.join(test.replace('{c}', quoted(name)) for name in names for _, test in _FACTS)} FROM {quoted(table)}")
    size = len(_FACTS)
    return {name: {fact: int(row[size * n + m]) for m, (fact, _) in enumerate(_FACTS)} for n, name in enumerate(names)}


_FACTS = (
    ("filled", "count({c})"),
    ("padded", r"count(*) FILTER (regexp_matches({c}, '^[\s\x{a0}]|[\s\x{a0}]$'))"),
    ("apostrophe", "count(*) FILTER (starts_with({c}, '''') AND regexp_matches({c}, '^''[0-9+]'))"),
    ("ghost", r"count(*) FILTER (suffix({c}, '.0') AND regexp_matches({c}, '^[0-9]+\.0$'))"),
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


def _count(con: duckdb.DuckDBPyConnection, table: str, condition: str) -> int:
    return int(one(con, f"SELECT count(*) FILTER ({condition}) FROM {quoted(table)}")[0])


# -- columns nobody knows ---------------------------------------------------------------------------


def _lossless(con: duckdb.DuckDBPyConnection, table: str, fact: Mapping[str, int], text: Shape) -> Shape:
    """Return a number or a date where every value is one, exactly; text otherwise."""
    c = text.sql
    if fact["apostrophe"] or not _count(con, table, f"{c} IS NOT NULL"):
        return text
    options = (("BIGINT", _INTEGER), ("DOUBLE", _DECIMAL), ("DATE", _ISO_DATE), ("TIMESTAMP", _ISO_TIME))
    tests = ", ".join(f"count(*) FILTER (NOT regexp_matches({c}, '{pattern}') OR TRY_CAST({c} AS {kind}) IS NULL)" for kind, pattern in options)
    for source in (f"(SELECT * FROM {quoted(table)} LIMIT {_SAMPLE})", quoted(table)):
        row = one(con, f"SELECT {tests} FROM {source} WHERE {c} IS NOT NULL")
        fitting = [kind for (kind, _), misfits in zip(options, row, strict=True) if not misfits]
        if not fitting:
            return text
    if fitting[0] == "BIGINT" and _count(con, table, f"{c} = '-0'"):
        return text
    return Shape(sql=f"TRY_CAST({c} AS {fitting[0]})", type=fitting[0], raw=c, kind="date" if fitting[0] in {"DATE", "TIMESTAMP"} else "number")


# -- recognised columns -----------------------------------------------------------------------------


def _number(con: duckdb.DuckDBPyConnection, table: str, text: Shape) -> Shape:
    c = text.sql
    whole, plain = one(
        con, f"SELECT bool_and(regexp_matches({c}, '{_INTEGER}')), bool_and(regexp_matches({c}, '^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)$')) FROM {quoted(table)}",
    )
    if plain is not False:
        kind = "BIGINT" if whole else "DOUBLE"
        return Shape(sql=f"TRY_CAST({c} AS {kind})", type=kind, raw=c, kind="number")
    return Shape(sql=f"TRY_CAST({_bare_number(c)} AS DOUBLE)", type="DOUBLE", raw=c, can_fail=True, kind="number", notes=text.notes)


def _amount(con: duckdb.DuckDBPyConnection, table: str, text: Shape) -> Shape:
    """Return an exact decimal with as many places as the column has: money is never a float."""
    c = text.sql
    plain = one(con, f"SELECT bool_and(regexp_matches({c}, '^[+-]?[0-9]+(\\.[0-9]+)?$')) FROM {quoted(table)}")[0] is not False
    bare = c if plain else _bare_number(c)
    longest, widest = one(con, f"SELECT max(length(rtrim(split_part({bare}, '.', 2), '0'))), max(length(split_part({bare}, '.', 1))) FROM {quoted(table)}")
    places = min(max(int(longest or 0), 2), 8)
    kind = f"DECIMAL(18,{places})"
    fits = plain and (widest or 0) + places <= 18
    return Shape(sql=f"TRY_CAST({bare} AS {kind})", type=kind, raw=c, can_fail=not fits, kind="amount", notes=text.notes)


def _bare_number(c: str) -> str:
    """Return SQL of a number's plain spelling ("$1,234.50" -> "1234.50", "1.234,50 EUR" -> "1234.50"), null when it is none."""
    money = r"(?:[A-Z]{1,3}\$|[$€£¥₹]|[A-Z]{3})"
    core = f"regexp_replace(trim({c}), '^\\(?(-?)\\s*(?:{money}\\s*)?([-+]?[0-9.,''\\s]*[0-9]\\.?)\\s*(?:{money})?\\)?$', '\\1\\2')"
    return (
        f"CASE WHEN regexp_matches({core}, '^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)$') THEN {core} "
        f"WHEN regexp_matches({core}, '^[+-]?[0-9]{{1,3}}(,[0-9]{{3}})+(\\.[0-9]*)?$') THEN replace({core}, ',', '') "
        f"WHEN regexp_matches({core}, '^[+-]?[0-9]{{1,3}}(\\.[0-9]{{3}})+,[0-9]{{1,2}}$') THEN replace(replace({core}, '.', ''), ',', '.') "
        f"WHEN regexp_matches({core}, '^[+-]?[0-9]+,[0-9]{{1,2}}$') THEN replace({core}, ',', '.') END"
    )


def _date(con: duckdb.DuckDBPyConnection, table: str, text: Shape) -> Shape:
    """Return a date column: ISO, or the formats that exports use; day or month first is decided by the whole column."""
    c = text.sql
    iso = f"TRY_CAST(replace(regexp_extract({c}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\\.[0-9]{{1,6}})?)?)?'), 'T', ' ') AS TIMESTAMP)"
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
        sql=sql if timed else f"CAST({sql} AS DATE)", type="TIMESTAMP" if timed else "DATE", raw=c, can_fail=can_fail, kind="date", notes=tuple(notes),
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
    (r"^[0-9]{1,2}[- ][A-Za-z]{3}[- ][0-9]{4}\b", ("%d-%b-%Y", "%d %b %Y"), ("%d-%b-%Y", "%d %b %Y")),
    (r"^[0-9]{1,2}[- ][A-Za-z]{3}[- ][0-9]{2}$", ("%d-%b-%y", "%d %b %y"), ("%d-%b-%y", "%d %b %y")),
    (r"^[A-Za-z]{3}[- ][0-9]{1,2}[-, ]+[0-9]{4}\b", ("%b-%d-%Y", "%b %d, %Y", "%b %d %Y"), ("%b-%d-%Y", "%b %d, %Y", "%b %d %Y")),
    (r"^[A-Za-z]{3}-[0-9]{1,2}-[0-9]{2}$", ("%b-%d-%y",), ("%b-%d-%y",)),
    (r"^[A-Za-z]{4,9} [0-9]{1,2}, ?[0-9]{4}\b", ("%B %d, %Y",), ("%B %d, %Y",)),
    (r"^[0-9]{1,2} [A-Za-z]{4,9} [0-9]{4}\b", ("%d %B %Y",), ("%d %B %Y",)),
)
_CLOCKS = ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")


def _formats(con: duckdb.DuckDBPyConnection, table: str, c: str, iso: str) -> tuple[list[str], str | None]:
    """Return the strptime formats that a column needs beside ISO, and what had to be assumed."""
    rest = f"{c} IS NOT NULL AND {iso} IS NULL"
    tests = ", ".join(f"count(*) FILTER (regexp_matches({c}, '{pattern}'))" for pattern, _, _ in _FAMILIES)
    first, second = f"TRY_CAST(regexp_extract({c}, '^([0-9]{{1,2}})[/-]([0-9]{{1,2}})[/-]', 1) AS INT)", f"TRY_CAST(regexp_extract({c}, '^([0-9]{{1,2}})[/-]([0-9]{{1,2}})[/-]', 2) AS INT)"
    clock = f"count(*) FILTER (regexp_matches({c}, '[0-9]:[0-9]'))"
    row = one(
        con, f"SELECT {tests}, count(*) FILTER ({first} > 12), count(*) FILTER ({second} > 12), count(*) FILTER ({first} IS NOT NULL), {clock} FROM {quoted(table)} WHERE {rest}",
    )
    *counts, day_first, month_first, slashed, clocks = map(int, row)
    use_day = day_first > 0 and not month_first
    note = None
    if slashed and not day_first and not month_first:
        note = "month before day assumed (no value tells); load(types={...: '%d/%m/%Y'}) says otherwise"
    chosen = [form for count, (_, us, eu) in zip(counts, _FAMILIES, strict=True) if count for form in (eu if use_day else us)]
    return [form + clock_form for form in chosen for clock_form in (_CLOCKS if clocks else ("",))], note


def _pinned(name: str, pin: str) -> Shape:
    c = f"nullif(trim({quoted(name)}), '')"
    if pin == "VARCHAR":
        return Shape(sql=quoted(name), type="VARCHAR", raw=quoted(name))
    if "%" in pin:
        form = pin.replace("'", "''")
        parsed = f"try_strptime({c}, '{form}')"
        timed = any(mark in pin for mark in ("%H", "%I"))
        return Shape(sql=parsed if timed else f"CAST({parsed} AS DATE)", type="TIMESTAMP" if timed else "DATE", raw=c, can_fail=True, kind="date")
    return Shape(sql=f"TRY_CAST({c} AS {pin})", type=pin, raw=c, can_fail=True, kind="date" if pin in {"DATE", "TIMESTAMP"} else "number")


def problem_of(kind: str, heading: str) -> tuple[str, str, str]:
    """Return problem, fix and code of a cell that does not fit its column's kind."""
    what = {"date": "a date", "amount": "an amount"}.get(kind, "a number")
    return f"{heading!r} is not {what}.", "Correct the cell in the source and load it again.", f"cell_not_{kind}"


def missing_sql(c: str) -> str:
    """Return SQL that says whether a cell is a way to write "nothing"."""
    return f"lower(trim({c})) IN ({', '.join(repr(word) for word in _MISSING)})"
