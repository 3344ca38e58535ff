"""Columns of dates: ISO, or the formats that exports use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import duckdb

from shipkit.common.relation import Relation
from shipkit.common.sql import one
from shipkit.orders.cells import Note
from shipkit.orders.expressions import case
from shipkit.orders.source.column_reading import ColumnReading, count_where

__all__ = ["date_column"]

_FORMATS: Final[Sequence[tuple[str, tuple[str, ...], tuple[str, ...]]]] = (
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
    (r"^[0-9]{4}年[0-9]{1,2}月[0-9]{1,2}日", ("%Y年%m月%d日",), ("%Y年%m月%d日",)),
    (r"^[0-9]{4}\.[0-9]{1,2}\.[0-9]{1,2}\b", ("%Y.%m.%d",), ("%Y.%m.%d",)),
    (
        r"^[0-9]{4}\. [0-9]{1,2}\. [0-9]{1,2}\b",
        ("%Y. %m. %d.", "%Y. %m. %d"),
        ("%Y. %m. %d.", "%Y. %m. %d"),
    ),
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
    # As mail writes it, and BigCommerce: "Wed, 25 Nov 2026 10:00:00 +0000".
    (r"^[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4}\b", ("%a, %d %b %Y",), ("%a, %d %b %Y",)),
)
_CLOCKS: Final = (
    *("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p"),
    *(" %H:%M:%S +0000", " %H:%M:%S GMT"),
)
_ISO: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}((?:[T ]|, ?)[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?"
)
_MONTH_ASSUMED: Final = Note(
    "assumed",
    "assumed month before day, because no value shows which comes first; "
    "load(types={...: '%d/%m/%Y'}) reads the day first",
)


def date_column(
    con: duckdb.DuckDBPyConnection, table: Relation, text: ColumnReading
) -> ColumnReading:
    """Return how a column of dates is read.

    Whether the day or the month comes first is decided by all of its values together: one "25/12"
    settles "03/04".
    """
    c = text.sql
    iso = f"CASE WHEN {_one_day(c)} THEN {_iso_sql(c)} END"
    sql, notes = iso, list(text.notes)
    misfits = count_where(con, table, f"{c} IS NOT NULL AND {iso} IS NULL")
    if misfits:
        formats, note = _formats_of(con, table, c, iso)
        if formats:
            listed = ", ".join(f"'{form}'" for form in formats)
            sql = f"coalesce({iso}, try_strptime({c}, [{listed}]))"
        notes += [note] if note else []
    timed = count_where(con, table, f"date_trunc('day', {sql}) <> {sql}")
    return ColumnReading(
        sql=sql if timed else f"CAST({sql} AS DATE)",
        type="TIMESTAMP" if timed else "DATE",
        raw=c,
        can_fail=bool(misfits),
        kind="date",
        notes=tuple(notes),
    )


_WITH_COMMA: Final = "^, ?[0-9]{1,2}:[0-9]{2}"
_SECOND_DAY: Final = "[^0-9:][0-9]{1,4}[-/][0-9]{1,2}(?:[^0-9:]|$)"


def _iso_sql(c: str) -> str:
    """Return SQL of the ISO date, and its time, at the beginning of a text."""
    return f"TRY_CAST(replace(regexp_extract({c}, '{_ISO}'), ',', ' ') AS TIMESTAMP)"


def _one_day(c: str) -> str:
    """Return SQL of whether a text has one day and its time: "2026-12-15 to 12-18" has two.

    The patterns are seldom tried: lengths and single letters are compared first.
    """
    mark, colon = f"substr({c}, 11, 1)", f"substr({c}, 14, 1) = ':'"
    one = f"NOT regexp_matches(substr({c}, 11), '{_SECOND_DAY}')"
    return case(
        (f"length({c}) <= 10", "true"),
        # "2026-12-15 10:00:00", "2026-12-15T10:00:00-05:00", "2026-12-15 10:00:00 -0500"
        (f"{mark} = ' ' AND {colon} AND length({c}) <= 19", "true"),
        (f"{mark} = 'T' AND {colon} AND length({c}) <= 26", "true"),
        (f"{mark} = ' ' AND length({c}) = 25 AND substr({c}, 20, 2) IN (' -', ' +')", "true"),
        (f"{mark} IN ('T', ' ') AND substr({c}, 12, 1) BETWEEN '0' AND '9'", one),
        (f"regexp_matches(substr({c}, 11), '{_WITH_COMMA}')", one),
        otherwise=f"NOT regexp_matches(substr({c}, 11), '[0-9]')",
    )


def _formats_of(
    con: duckdb.DuckDBPyConnection, table: Relation, c: str, iso: str
) -> tuple[list[str], Note | None]:
    """Return the strptime formats that a column needs besides ISO, and what had to be assumed."""
    tests = ", ".join(
        f"count(*) FILTER (regexp_matches({c}, '{pattern}'))" for pattern, _, _ in _FORMATS
    )
    numbers = r"'^([0-9]{1,2})[/-]([0-9]{1,2})[/-]'"
    first = f"TRY_CAST(regexp_extract({c}, {numbers}, 1) AS INT)"
    second = f"TRY_CAST(regexp_extract({c}, {numbers}, 2) AS INT)"
    row = one(
        con,
        f"""
        SELECT
            {tests},
            count(*) FILTER ({first} > 12),
            count(*) FILTER ({second} > 12),
            count(*) FILTER ({first} IS NOT NULL),
            count(*) FILTER (regexp_matches({c}, '[0-9]:[0-9]'))
        FROM {table.sql}
        WHERE {c} IS NOT NULL AND {iso} IS NULL
        """,
    )
    *counts, day_first, month_first, two_numbers, clocks = map(int, row)
    use_day = day_first > 0 and not month_first
    chosen = [
        form
        for count, (_, us, eu) in zip(counts, _FORMATS, strict=True)
        if count
        for form in (eu if use_day else us)
    ]
    # A year of two digits first: that of four takes "26" for the year 26.
    chosen.sort(key=lambda form: "%y" not in form)
    formats = [form + clock for form in chosen for clock in (_CLOCKS if clocks else ("",))]
    undecided = two_numbers and not day_first and not month_first
    return formats, _MONTH_ASSUMED if undecided else None
