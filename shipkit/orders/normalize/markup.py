"""HTML in names and addresses: exports of web shops have entities and `<br>` in cells."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Final

import duckdb

from shipkit.orders.expressions import quote

__all__ = ["markup_in", "without_markup"]

_MARKUP: Final = r"&#?[A-Za-z0-9]{2,31};|<[Bb][Rr] ?/?>|_x000[Dd]_"


def markup_in(
    con: duckdb.DuckDBPyConnection, relation: str, names: Sequence[str]
) -> dict[str, str]:
    """Return the entities and line breaks in the columns `names` -> the text that they mean."""
    if not names:
        return {}
    columns = " UNION ALL ".join(
        f"""
        SELECT {name} AS text
        FROM {relation}
        WHERE contains({name}, '&') OR contains({name}, '<') OR contains({name}, '_x000')
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
    meant = {mark: html.unescape(mark) if mark[0] == "&" else " " for (mark,) in found}
    return {mark: text for mark, text in meant.items() if text != mark}


def without_markup(x: str, marks: Mapping[str, str]) -> str:
    """Return SQL of a text whose `marks` are replaced; `&amp;` last, because it is decoded once."""
    for mark in sorted(marks, key=lambda mark: marks[mark] == "&"):
        x = f"replace({x}, {quote(mark)}, {quote(marks[mark])})"
    return x
