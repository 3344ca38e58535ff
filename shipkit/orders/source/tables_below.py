"""Rows below a line that begins another table: other headings, or a title such as "Cancelled".

A sheet may have a second table under the first. Where its headings are others, its cells are under
the wrong ones ("Weight (oz)" under "Weight (lb)"); where its title is a state of orders, all rows
under it are in that state. Both lines are seen, and the rows below wait for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from shipkit.orders.expressions import quote, quoted_list
from shipkit.orders.state_cells import Cell, is_expected, meaning_of, state_words
from shipkit.schema import PROBLEMS

__all__ = ["below_other_headings", "below_titles", "may_be_headings_sql"]

_MOST: Final = 200
"""Lines of other headings, or of titles, of one source."""
_ENOUGH: Final = 3
"""Cells of a line that are headings of the table: one may be a name, a row not so often."""
_PLACES: Final = 2
"""Columns at the beginning that are looked at first: in a line of headings, each cell is one."""


_LAST: Final = 2**62
"""Beyond the number of any row."""


class _Line(NamedTuple):
    """A line that begins another table."""

    number: int
    problem: str


def may_be_headings_sql(base: Sequence[str], headings: Sequence[str]) -> str:
    """Return SQL that is true of a row that may be headings; few other rows pass."""
    known = quoted_list(sorted({each.strip().lower() for each in headings if each.strip()}))
    if not known:
        return "false"
    return " OR ".join(f"lower(trim({cell})) IN ({known})" for cell in base[:_PLACES])


def below_other_headings(
    con: duckdb.DuckDBPyConnection,
    data: str,
    every: str,
    base: Sequence[str],
    headings: Sequence[str],
) -> pa.Table:
    """Return a problem for each row below a line of headings that are not those of the table.

    Parameters
    ----------
    data
        SQL of the rows without repeated headings: ``row_number``, then the cells of `base`.
    every
        SQL of all rows: where the headings of the table come again, so does the table.
    """
    lines = _heading_lines(con, data, base, headings, _MOST)
    if not any(line.problem for line in lines):
        return PROBLEMS.empty_table()
    own = [line for line in _heading_lines(con, every, base, headings) if not line.problem]
    return _below(con, data, sorted({*lines, *own}), "row {row} above it has {problem}")


def _heading_lines(
    con: duckdb.DuckDBPyConnection,
    rows: str,
    base: Sequence[str],
    headings: Sequence[str],
    most: int | None = None,
) -> list[_Line]:
    """Return the lines that are headings; those of the table itself have no problem."""
    found = con.execute(
        f"SELECT row_number, {', '.join(base)} FROM {rows} "
        f"WHERE {may_be_headings_sql(base, headings)} ORDER BY row_number"
        + (f" LIMIT {most}" if most else "")
    ).fetchall()
    known = {each.strip().lower() for each in headings}
    lines = []
    for number, *cells in found:
        texts = [str(cell).strip() for cell in cells if cell is not None and str(cell).strip()]
        same = sum(text.lower() in known for text in texts)
        if same < _ENOUGH or 2 * same < len(texts):
            continue
        other = [
            f'other headings: "{here}" where the table has "{above}"'
            for here, above in zip(cells, headings, strict=True)
            if here and str(here).strip().lower() != above.strip().lower()
        ]
        lines.append(_Line(number, other[0] if other else ""))
    return lines


def below_titles(
    con: duckdb.DuckDBPyConnection, data: str, base: Sequence[str], first: Sequence[str]
) -> pa.Table:
    """Return a problem for each row below a title that is a state of orders: "Cancelled orders".

    Parameters
    ----------
    first
        The cells in which a title is: all others of its row are blank.
    """
    alone = [
        f"({cell} IS NOT NULL AND coalesce({', '.join(c for c in base if c != cell)}) IS NULL)"
        for cell in first
    ]
    found = con.execute(
        f"SELECT row_number, coalesce({', '.join(first)}) FROM {data} "
        f"WHERE {' OR '.join(alone)} ORDER BY row_number LIMIT {_MOST}"
    ).fetchall()
    lines = [_Line(number, _state_of(str(text)) or "") for number, text in found]
    return _below(con, data, lines, "{problem}")


def _state_of(title: str) -> str | None:
    """Return what a title says of the orders below it, None for one that is no state.

    Examples
    --------
    >>> _state_of("Cancelled orders")
    'it is below the title "Cancelled orders": the order was cancelled'
    >>> _state_of("Open orders"), _state_of("Orders without refund"), _state_of("Express")
    (None, None, None)
    """
    words = state_words()
    meanings = [each for each in words["meaning"] if {"state", "document"} & {*each["columns"]}]
    cell = Cell.of(title)
    found = meaning_of(cell, meanings)
    if found is None or found.get("severity") == "warning":
        return None
    around = words["usual"] | found["parts"] | {"orders", "items", "list", "below", "these"}
    rest = [word for word in cell.text.split() if not word.isdigit()]
    if not is_expected(cell, meanings) or not around.issuperset(rest):
        return None
    return f'it is below the title "{title.strip()}": {found["problem"]}'


def _below(
    con: duckdb.DuckDBPyConnection, data: str, lines: Sequence[_Line], problem: str
) -> pa.Table:
    """Return a problem for each row from a line to the next one, if the line has one."""
    ends = [*(line.number for line in lines[1:]), _LAST]
    asking = [
        (line.number, end, line) for line, end in zip(lines, ends, strict=False) if line.problem
    ]
    if not asking:
        return PROBLEMS.empty_table()
    parts = [
        f"WHEN row_number > {start} AND row_number < {end} "
        f"THEN {quote(problem.format(row=start, problem=line.problem))}"
        for start, end, line in asking
    ]
    return (
        con.sql(
            f"""
            SELECT row_number, NULL AS field, NULL AS value, problem,
                'Put these rows into a file of their own, or correct the line above them.' AS fix,
                'error' AS severity, 'other_table' AS code
            FROM (SELECT row_number, CASE {" ".join(parts)} END AS problem FROM {data})
            WHERE problem IS NOT NULL
            ORDER BY row_number
            """
        )
        .to_arrow_table()
        .cast(PROBLEMS)
    )
