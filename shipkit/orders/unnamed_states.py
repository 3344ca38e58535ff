"""Columns of states whose headings do not say so: "Progress", "Phase", "出荷状況".

Their cells do: few different ones, most of which are a state as a whole. What a column of states
must not be called ("Condition": "Returned") is in ``data/words/order_states.toml``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Final

import duckdb

from shipkit.common.relation import Relation
from shipkit.common.sql import quoted
from shipkit.orders.columns import Column
from shipkit.orders.heading_text import spelled
from shipkit.orders.state_cells import Cell, plain, state_words, within

__all__ = ["unnamed_states"]

_MOST_CELLS: Final = 20
"""Different cells of a column of states."""

_MOST_COLUMNS: Final = 200
_SAMPLE: Final = 1_000
"""Lines that show which columns have few different cells."""


def unnamed_states(
    con: duckdb.DuckDBPyConnection, lines: Relation, columns: Sequence[Column]
) -> set[str]:
    """Return the keys of the columns whose cells are states of orders.

    Parameters
    ----------
    columns
        Those that feed no field, and that the user does not ignore.
    """
    open_columns = [
        column.key
        for column in columns
        if column.type == "VARCHAR"
        and column.key in lines.columns
        and not _names_another_thing(column.name)
    ][:_MOST_COLUMNS]
    if not open_columns:
        return set()
    names = ", ".join(map(quoted, open_columns))
    sample = con.sql(f"SELECT {names} FROM {lines.sql} LIMIT {_SAMPLE}").to_arrow_table()
    return {
        key
        for key in open_columns
        if _are_states(_texts(sample[key].unique().to_pylist()), least=0)
        and _are_states(_different(con, lines, key))
    }


@lru_cache(maxsize=4096)  # a file's headings are asked about for each preview
def _names_another_thing(heading: str) -> bool:
    """Return whether a heading is that of states, but not of orders: "Condition"."""
    text = plain(spelled(heading))
    return any(within(text, word) for word in state_words()["unnamed"]["without"])


def _different(con: duckdb.DuckDBPyConnection, lines: Relation, key: str) -> list[str]:
    """Return the different cells of a column; of one with very many, only some."""
    cells = con.sql(
        f"SELECT DISTINCT {quoted(key)} FROM {lines.sql} LIMIT {_MOST_CELLS + 2}"
    ).fetchall()
    return _texts(value for (value,) in cells)


def _texts(cells: Iterable[str | None]) -> list[str]:
    return [cell for cell in cells if cell is not None]


def _are_states(cells: Collection[str], least: int = 1) -> bool:
    """Return whether most cells are states, so many of them of orders not to be shipped."""
    words = state_words()
    if len(cells) > _MOST_CELLS:
        return False
    texts = {Cell.of(cell).text for cell in cells} - words["neutral"]
    asking = texts & words["unnamed"]["asking"]
    known = asking | (texts & words["unnamed"]["known"])
    enough = len(asking) >= least and len(known) >= 2 * least
    return enough and 3 * len(known) >= 2 * len(texts)
