"""A service whose carrier is in a column of its own: "UPS" and "Ground" are ``ups:Ground``.

The names of carriers are in ``data/words/carriers.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from shipkit.orders.expressions import case, choose, quote, trimmed
from shipkit.orders.filters.column_values import (
    ColumnValue,
    ConstantValue,
    Kind,
    NotCompilable,
    Value,
    as_column,
    str_of,
)
from shipkit.orders.filters.declaration import LONGEST_CELL, Filter, FilterCall
from shipkit.orders.filters.text_filters import case_may_differ
from shipkit.orders.heading_text import word_file
from shipkit.orders.units import BLANKS

__all__ = ["CARRIER_FILTERS", "carrier_words", "of_carrier", "of_carrier_sql"]

_RULE: Final = r"(?i)^(cheapest|fastest)\b"
_CHOICE: Final = r"(?i) of "
_MARKS: Final = "^[^A-Za-z0-9]+"
"""What is between a carrier and its service: "UPS® Ground"."""


@cache
def carrier_words() -> Mapping[str, str]:
    """Return what a cell may say, in lower case -> the carrier's word before a service."""
    names = word_file("carriers")["names"]
    return {text: name for name, texts in names.items() for text in texts}


def of_carrier(value: Any, carrier: Any = None, table: Mapping[str, str] | None = None) -> Any:
    """Return a service with the carrier that another cell names, or what `table` has for it.

    A service that names its carrier by a colon stays, and so does one next to a carrier that is
    not known. A rule chooses among the services of the carrier.

    Examples
    --------
    >>> of_carrier("Ground", "FedEx"), of_carrier("UPS Ground", "UPS"), of_carrier("Ground", "Bob")
    ('fedex:Ground', 'ups:Ground', 'Ground')
    >>> of_carrier("Ground", "FedEx", {"fedex:ground": "2nd_day_air"})
    '2nd_day_air'
    >>> of_carrier("cheapest within 3 days", "USPS")
    'cheapest of usps within 3 days'
    >>> of_carrier("Home", "FedEx", {"Home": "ground"})
    'ground'
    """
    if value is None:
        return None
    text = str(value).strip(BLANKS)
    meanings = _meanings(table)
    if text.lower() in meanings:
        return meanings[text.lower()]
    named = _named(text, "" if carrier is None else str(carrier).strip(BLANKS).lower())
    return meanings.get(named.lower(), named)


def _meanings(table: Mapping[str, str] | None) -> dict[str, str]:
    """Return the table by its texts in lower case; the first of two equal ones counts."""
    found: dict[str, str] = {}
    for name, meaning in (table or {}).items():
        found.setdefault(name.strip(BLANKS).lower(), meaning)
    return found


def _named(text: str, carrier: str) -> str:
    word = carrier_words().get(carrier)
    if word is None or not text or ":" in text:
        return text
    if re.search(_RULE, text):
        return text if re.search(_CHOICE, text) else re.sub(_RULE, rf"\1 of {word}", text)
    said = next((each for each in (carrier, word) if text.lower().startswith(each)), "")
    own = re.sub(_MARKS, "", text[len(said) :]) if said else text
    return f"{word}:{own}" if own else text


def of_carrier_sql(x: str, carrier: str, table: Mapping[str, str] | None = None) -> str:
    """Return SQL of what :func:`of_carrier` returns."""
    words = {text: quote(name) for text, name in carrier_words().items()}
    key = f"lower({trimmed(carrier)})"
    ruled = rf"regexp_replace(s.t, {quote(_RULE)}, '\1 of ' || s.w)"
    without = case(
        ("starts_with(lower(s.t), s.c)", _after("s.c")),
        ("starts_with(lower(s.t), s.w)", _after("s.w")),
        otherwise="s.t",
    )
    named = case(
        ("s.w IS NULL OR s.t = '' OR contains(s.t, ':')", "s.t"),
        (
            f"regexp_matches(s.t, {quote(_RULE)})",
            case((f"regexp_matches(s.t, {quote(_CHOICE)})", "s.t"), otherwise=ruled),
        ),
        otherwise=f"coalesce(s.w || ':' || nullif({without}, ''), s.t)",
    )
    # A list of one, so that each text is computed once, however it is used.
    cells = f"{{t: {trimmed(x)}, c: {key}, w: {choose(key, words, 'NULL::VARCHAR')}}}"
    made = f"list_transform([{cells}], lambda s: {{t: s.t, n: {named}}})[1]"
    if not table:
        return f"({made}).n"
    meanings = {text: quote(meaning) for text, meaning in _meanings(table).items()}
    found = choose("lower(s.t)", meanings, choose("lower(s.n)", meanings, "s.n"))
    return f"list_transform([{made}], lambda s: {found})[1]"


def _after(start: str) -> str:
    return f"regexp_replace(substring(s.t, length({start}) + 1), {quote(_MARKS)}, '')"


def _of_carrier_sql(call: FilterCall) -> Value:
    table = call.constant("table")
    if table is not None and not (
        isinstance(table, dict)
        and all(isinstance(each, str) and "\x00" not in each for each in (*table, *table.values()))
    ):
        raise NotCompilable
    service = call.text()
    given = call.arguments.get("carrier", ConstantValue(None))
    carrier = ColumnValue("NULL::VARCHAR", Kind.TEXT, 0)
    if given != ConstantValue(None):
        carrier = str_of(as_column(given))
        call.render_where(f"length({carrier.sql}) > {LONGEST_CELL}")
    for text in (service, carrier):
        call.render_where(case_may_differ(text.sql))
    longest = max(map(len, carrier_words().values()))
    size = max([service.size + longest + 5, *(4 * len(each) for each in (table or {}).values())])
    return ColumnValue(f"({of_carrier_sql(service.sql, carrier.sql, table)})", Kind.TEXT, size)


CARRIER_FILTERS: Final = (
    Filter("of_carrier", of_carrier, _of_carrier_sql, reads_at_most=LONGEST_CELL),
)
