"""The filter that completes a name with the first and the last name that it lacks."""

from __future__ import annotations

import string
from typing import Any, Final

from shipkit.orders.expressions import quote, trimmed
from shipkit.orders.filters.column_values import ColumnValue, ConstantValue, Kind, Value, str_of
from shipkit.orders.filters.declaration import LONGEST_CELL, Filter, FilterCall
from shipkit.orders.units import BLANKS

__all__ = ["NAME_FILTERS", "with_names", "with_names_sql"]

# Case is compared for A to Z only: the two forms would differ in the case of other letters.
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def with_names(name: Any, first: Any = None, last: Any = None) -> Any:
    """Return a name with the first name before it and the last name behind it, where it lacks them.

    Examples
    --------
    >>> with_names("Weiß", "Jörg"), with_names("Jörg Weiß", "Jörg"), with_names("Ann", None, "Lee")
    ('Jörg Weiß', 'Jörg Weiß', 'Ann Lee')
    """
    text, before, behind = (
        "" if part is None else str(part).strip(BLANKS) for part in (name, first, last)
    )
    made = " ".join(
        part
        for part, wanted in ((before, True), (text, False), (behind, True))
        if part and not (wanted and _has(text, part))
    )
    return name if made == text else made


def _has(name: str, part: str) -> bool:
    return f" {part.translate(_LOWER)} " in f" {name.translate(_LOWER)} "


def with_names_sql(name: str, first: str | None, last: str | None) -> str:
    """Return SQL of :func:`with_names`, for texts."""
    text = f"coalesce({trimmed(name)}, '')"
    parts = [_lacking(text, first), f"nullif({text}, '')", _lacking(text, last)]
    made = f"concat_ws(' ', {', '.join(part for part in parts if part)})"
    return f"CASE WHEN {made} = {text} THEN {name} ELSE {made} END"


def _lacking(text: str, part: str | None) -> str | None:
    if part is None:
        return None
    cut = trimmed(part)
    return f"CASE WHEN {cut} <> '' AND NOT contains({_padded(text)}, {_padded(cut)}) THEN {cut} END"


def _padded(text: str) -> str:
    lower = f"translate({text}, {quote(string.ascii_uppercase)}, {quote(string.ascii_lowercase)})"
    return f"' ' || {lower} || ' '"


def _with_names_sql(call: FilterCall) -> Value:
    name = call.text()
    first, last = (
        str_of(call.argument(part)).sql
        if call.arguments.get(part, ConstantValue(None)) != ConstantValue(None)
        else None
        for part in ("first", "last")
    )
    stays_text = Kind.TEXT if call.kind == Kind.TEXT else Kind.MIXED
    made = with_names_sql(name.sql, first, last)
    return ColumnValue(f"({made})", stays_text, name.size + 2 * LONGEST_CELL)


NAME_FILTERS: Final = (Filter("with_names", with_names, _with_names_sql),)
