"""The filter that joins a street and the number of the house, in the order of the country."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from shipkit.common.places import country_codes, place_key
from shipkit.orders.expressions import case, quote, quoted_list, trimmed
from shipkit.orders.filters.code_filters import place_argument, place_key_sql
from shipkit.orders.filters.column_values import ColumnValue, ConstantValue, Kind, Value, str_of
from shipkit.orders.filters.declaration import LONGEST_CELL, Filter, FilterCall
from shipkit.orders.heading_text import word_file
from shipkit.orders.units import BLANKS

__all__ = ["HOUSE_NUMBER_FILTERS", "asked_sql", "house_number", "joined_sql"]

_OWN_NUMBER: Final = r"^[0-9]+[A-Za-z]?[ ,]|[ ,][0-9]+ ?[A-Za-z]?$"
"""A street with a number of its own; "5th Ave" has none."""


def house_number(street: Any, number: Any = None, addition: Any = None, country: Any = None) -> Any:
    """Return a street with the number of the house, before or behind it as in the country.

    A street that has a number stays as it is, and so does one in a country whose order is not
    known.

    Examples
    --------
    >>> house_number("Hauptstr.", "5", country="DE"), house_number("Main St", "5")
    ('Hauptstr. 5', '5 Main St')
    >>> house_number("Damrak", "5", "bis", "Netherlands"), house_number("Damrak 5", "5")
    ('Damrak 5 bis', 'Damrak 5')
    """
    if street is None:
        return None
    text, digits = str(street).strip(BLANKS), _digits(number)
    if not text or digits in _no_number() or _has_number(text, digits):
        return street
    more = _digits(addition)
    whole = digits if more in _no_number() else f"{digits} {more}"
    order = _orders().get(place_key(str(country or "US")))
    return {"first": f"{whole} {text}", "last": f"{text} {whole}"}.get(order or "", street)


def _digits(number: Any) -> str:
    """Return a number as text; a spreadsheet makes "7.0" of 7."""
    return "" if number is None else re.sub(r"\.0$", "", str(number).strip(BLANKS))


def _has_number(street: str, digits: str) -> bool:
    padded = f" {street.replace(',', ' ')} "
    return f" {digits} " in padded or re.search(_OWN_NUMBER, street) is not None


@cache
def _no_number() -> frozenset[str]:
    return frozenset(word_file("house_numbers")["none"])


@cache
def _orders() -> dict[str, str]:
    """Return the name or code of a country -> ``first`` or ``last``."""
    given = word_file("house_numbers")
    of_code = {code: order for order in ("first", "last") for code in given[order]}
    found = {name: of_code[code] for name, code in country_codes().items() if code in of_code}
    return dict(sorted(found.items(), key=lambda pair: len(pair[0])))  # codes are most common


# -- the same for whole columns --------------------------------------------------------------------


def joined_sql(street: str, number: str, addition: str | None, country: str | None) -> str:
    """Return SQL of a street with its number; arguments are SQL of texts."""
    text, digits, more = trimmed(street), _digits_sql(number), _digits_sql(addition or "NULL")
    behind = f"' ' || {more}"
    whole = f"{digits} || {case((_is_number_sql(more), behind), otherwise=quote(''))}"
    land = place_key_sql(f"coalesce(nullif({country}, ''), 'US')") if country else "'us'"
    return case(
        (f"NOT ({_can_join_sql(text, digits)})", street),
        (f"regexp_full_match({land}, {_names_sql('first')})", f"{whole} || ' ' || {text}"),
        (f"regexp_full_match({land}, {_names_sql('last')})", f"{text} || ' ' || {whole}"),
        otherwise=street,
    )


@cache
def _names_sql(order: str) -> str:
    """Return a pattern of the countries with an order.

    One constant, because a mapped street is in the statement of the next stage many times: a CASE
    of all names made it too large to be planned.
    """
    return quote("|".join(re.escape(name) for name, each in _orders().items() if each == order))


def asked_sql(street: str, number: str, country: str | None) -> str:
    """Return SQL of whether a number is missing in the street and could not be joined."""
    digits = _digits_sql(number)
    there = _contains_sql(street, digits)
    joined = joined_sql(street, number, None, country)
    return (
        f"coalesce({_is_number_sql(digits)} AND NOT coalesce({there}, false) "
        f"AND {joined} IS NOT DISTINCT FROM {street}, false)"
    )


def _can_join_sql(text: str, digits: str) -> str:
    there = _contains_sql(text, digits)
    own = f"regexp_matches({text}, {quote(_OWN_NUMBER)})"
    return (
        f"coalesce({text} <> '' AND {_is_number_sql(digits)} AND NOT {there} AND NOT {own}, false)"
    )


def _contains_sql(street: str, digits: str) -> str:
    return f"contains(' ' || replace({street}, ',', ' ') || ' ', ' ' || {digits} || ' ')"


def _digits_sql(number: str) -> str:
    text = trimmed(f"({number})::VARCHAR")
    return f"coalesce(regexp_replace({text}, '\\.0$', ''), '')"


def _is_number_sql(digits: str) -> str:
    none = quoted_list(sorted(_no_number()))
    return f"NOT list_contains([{none}], {digits})"


def _house_number_sql(call: FilterCall) -> Value:
    street = call.text()
    number, addition = (
        str_of(call.argument(name)).sql
        if call.arguments.get(name, ConstantValue(None)) != ConstantValue(None)
        else "NULL::VARCHAR"
        for name in ("number", "addition")
    )
    made = joined_sql(street.sql, number, addition, place_argument(call, "country"))
    # A street that stays as it was may be a number.
    stays_text = Kind.TEXT if call.kind == Kind.TEXT else Kind.MIXED
    return ColumnValue(f"({made})", stays_text, street.size + 2 * LONGEST_CELL)


HOUSE_NUMBER_FILTERS: Final = (Filter("house_number", house_number, _house_number_sql),)
