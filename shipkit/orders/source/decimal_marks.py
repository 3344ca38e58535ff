"""Whether the comma or the point of a number marks decimals: the evidence of its column and file.

"1,250" is 1.25 in one country and 1250 in another. Cells such as "1,5" or "0,050" settle it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import duckdb

from shipkit.common.relation import Relation
from shipkit.common.sql import one, quoted

__all__ = ["FileMarks", "MarkEvidence", "mark_evidence"]

_ONLY_COMMA: Final = (
    r"^(0,[0-9]+|[0-9]+,([0-9]{1,2}|[0-9]{4,})|[0-9]{4,},[0-9]{3}"
    r"|[0-9]{1,3}(\.[0-9]{3})+,[0-9]+|[0-9]{1,3}(\.[0-9]{3}){2,})$"
)
_ONLY_POINT: Final = (
    r"^(0?\.[0-9]+|[0-9]+\.([0-9]{1,2}|[0-9]{4,})|[0-9]{4,}\.[0-9]{3}"
    r"|[0-9]{1,3}(,[0-9]{3})+\.[0-9]+|[0-9]{1,3}(,[0-9]{3}){2,})$"
)


@dataclass(frozen=True)
class MarkEvidence:
    """What the cells of a column say about its decimal mark.

    Parameters
    ----------
    mark
        The mark that some cells prove, None where there is no proof or proof of both.
    comma_unclear
        Whether a cell such as "1,250" can be read in two ways.
    point_unclear
        Whether a cell such as "1.500" can. A column of numbers that all have three decimals is
        clear; one with "1.500" and "750" is not, because no program writes decimals both ways.
    """

    mark: str | None
    comma_unclear: bool
    point_unclear: bool


def mark_evidence(
    con: duckdb.DuckDBPyConnection, table: Relation, names: Sequence[str]
) -> MarkEvidence:
    """Return the evidence of the columns `names` taken together."""
    cells = " UNION ALL ".join(f"SELECT {quoted(name)} AS c FROM {table.sql}" for name in names)
    comma, point, comma_unclear, has_point, odd, zero, whole = one(
        con,
        rf"""
        WITH cells AS (
            {cells}
        ),
        numbers AS (
            SELECT regexp_extract(c, '[0-9.,]*[0-9]') AS n
            FROM cells
            WHERE c IS NOT NULL
        )
        SELECT
            coalesce(bool_or(regexp_matches(n, '{_ONLY_COMMA}')), false),
            coalesce(bool_or(regexp_matches(n, '{_ONLY_POINT}')), false),
            coalesce(bool_or(regexp_matches(n, '^[1-9][0-9]{{0,2}},[0-9]{{3}}$')), false),
            coalesce(bool_or(contains(n, '.')), false),
            coalesce(bool_or(
                contains(n, '.') AND NOT regexp_matches(n, '^[1-9][0-9]{{0,2}}\.[0-9]{{3}}$')
            ), false),
            coalesce(bool_or(contains(n, '.') AND suffix(n, '0')), false),
            coalesce(bool_or(regexp_matches(n, '^[0-9]+$')), false)
        FROM numbers
        """,
    )
    return MarkEvidence(
        mark=None if comma == point else "," if comma else ".",
        comma_unclear=bool(comma_unclear),
        point_unclear=bool(has_point and not odd and zero and whole),
    )


@dataclass(frozen=True)
class FileMarks:
    """The decimal marks of the columns of numbers and amounts of a file, looked at when asked for.

    Parameters
    ----------
    tables
        Column of numbers or amounts -> a relation that has it.
    """

    con: duckdb.DuckDBPyConnection
    tables: Mapping[str, Relation]
    _known: dict[str, str | None] = field(default_factory=dict)

    def others(self, name: str) -> str | None:
        """Return the mark that all columns but `name` agree on."""
        marks = {self._of(other) for other in self.tables if other != name} - {None}
        return marks.pop() if len(marks) == 1 else None

    def _of(self, name: str) -> str | None:
        if name not in self._known:
            self._known[name] = mark_evidence(self.con, self.tables[name], [name]).mark
        return self._known[name]
