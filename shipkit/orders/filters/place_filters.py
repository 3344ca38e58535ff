"""City, state and postal code in one cell: "Boise, ID 83702", "10115 Berlin".

A text that is not written in one of these ways has no parts, and its row waits.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from shipkit.common.places import state_names
from shipkit.errors import TemplateError
from shipkit.orders.expressions import quote
from shipkit.orders.filters.column_values import ColumnValue, Kind, NotCompilable, Value
from shipkit.orders.filters.declaration import LONGEST_CELL, Filter, FilterCall

__all__ = ["PLACE_FILTERS", "place_part", "place_part_sql"]

_PARTS: Final = ("city", "state", "postal_code")


@cache
def _patterns() -> tuple[tuple[str, dict[str, int]], ...]:
    """Return patterns, each with part -> its group.

    They know no classes that Python and the database read in different ways.
    """
    names = [name for full in state_names("US") for name in (full, full.upper())]
    state = "|".join(["[A-Za-z]{2}", *map(re.escape, sorted(names, key=len, reverse=True))])
    code = "[0-9]{5}(?:-[0-9]{4})?|[A-Za-z][0-9][A-Za-z] ?[0-9][A-Za-z][0-9]"
    abroad = "[0-9]{4} ?[A-Z]{2}|[0-9]{2}-[0-9]{3}|[0-9]{3} [0-9]{2}|[0-9]{4,5}"
    city = "[^0-9,\\n ][^0-9,\\n]*?"
    return (
        (
            f"^[ \\n]*({city})[ ,\\n]+({state})[.,]?[ \\n]+({code})[ \\n]*$",
            {"city": 1, "state": 2, "postal_code": 3},
        ),
        (f"^[ \\n]*({city}) *, *({state})[. \\n]*$", {"city": 1, "state": 2}),
        (
            f"^[ \\n]*(?:[A-Z]{{1,3}}-)?({abroad})[ ,]+({city})[ \\n]*$",
            {"postal_code": 1, "city": 2},
        ),
    )


def place_part(value: Any, part: str = "city") -> Any:
    """Return the ``city``, ``state`` or ``postal_code`` of a text that has them together.

    Examples
    --------
    >>> place_part("Boise, ID 83702", "city"), place_part("10115 Berlin", "postal_code")
    ('Boise', '10115')
    >>> place_part("somewhere", "city") is None
    True
    """
    if part not in _PARTS:
        raise TemplateError(f"place_part: {part!r} is not one of {', '.join(_PARTS)}.")
    if value is None:
        return None
    for pattern, groups in _patterns():
        found = re.search(pattern, str(value))
        if found:
            return found[groups[part]] if part in groups else None
    return None


def place_part_sql(x: str, part: str) -> str:
    """Return SQL of what :func:`place_part` returns."""
    parts = [
        f"nullif(regexp_extract({x}, {quote(pattern)}, {groups[part]}), '')"
        for pattern, groups in _patterns()
        if part in groups
    ]
    return f"coalesce({', '.join(parts)}, NULL)"


def _place_part_sql(call: FilterCall) -> Value:
    part = call.constant("part", "city")
    if part not in _PARTS:
        raise NotCompilable
    text = call.text()
    return ColumnValue(place_part_sql(text.sql, part), Kind.TEXT, text.size)


PLACE_FILTERS: Final = (
    Filter("place_part", place_part, _place_part_sql, reads_at_most=LONGEST_CELL),
)
