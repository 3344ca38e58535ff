"""HTML and invisible marks in names and addresses, as exports of web shops have them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Final

import duckdb

from shipkit.orders.expressions import quote

__all__ = ["markup_in", "without_markup"]

_INVISIBLE: Final = r"[\x{AD}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2069}\x{FEFF}]"
"""Zero-width marks and marks of direction. U+200C and U+200D are parts of letters and emoji."""
_MARKUP: Final = rf"&#?[A-Za-z0-9]{{2,31}};|<[Bb][Rr] ?/?>|_x000[Dd]_|{_INVISIBLE}"


def markup_in(
    con: duckdb.DuckDBPyConnection, relation: str, names: Sequence[str]
) -> dict[str, str]:
    """Return the entities, line breaks and marks in the columns `names` -> what they mean."""
    if not names:
        return {}
    columns = " UNION ALL ".join(
        f"""
        SELECT {name} AS text
        FROM {relation}
        WHERE
            contains({name}, '&')
            OR contains({name}, '<')
            OR contains({name}, '_x000')
            -- Invisible marks are not ASCII: the lengths say cheaply which cells to search.
            OR (strlen({name}) <> length({name}) AND regexp_matches({name}, '{_INVISIBLE}'))
        """
        for name in names
    )
    found = con.execute(
        f"""
        WITH suspected AS (
            {columns}
        )
        SELECT DISTINCT unnest(regexp_extract_all(text, '{_MARKUP}')) AS mark
        FROM suspected
        ORDER BY mark
        """
    ).fetchall()
    meant = {mark: _meaning(mark) for (mark,) in found}
    return {mark: text for mark, text in meant.items() if text != mark}


def _meaning(mark: str) -> str:
    if mark[0] == "&":
        return html.unescape(mark)
    return "" if len(mark) == 1 else " "


def without_markup(x: str, marks: Mapping[str, str]) -> str:
    """Return SQL of a text whose `marks` are replaced; `&amp;` last, because it is decoded once."""
    for mark in sorted(marks, key=lambda mark: marks[mark] == "&"):
        x = f"replace({x}, {quote(mark)}, {quote(marks[mark])})"
    return x
