"""Rules of cities: one that is a street, and one with a postal code of its own."""

from __future__ import annotations

from typing import Final

from shipkit.orders.expressions import case
from shipkit.orders.rules.rule import Rule
from shipkit.orders.text_kinds import STREET

__all__ = ["CITY_RULES"]

CITY_RULES: Final = (
    Rule(
        code="city_is_street",
        field="ship_to.city",
        fails=case(
            ("city < ':'", f"regexp_full_match(city, '{STREET}')"),
            otherwise="false",
        ),
        value="city",
        problem="""'"' || city || '" is a street, and not a city'""",
        fix='Name the column of the city: map(columns={"city": "<heading>"}), or correct the cell.',
    ),
    Rule(
        code="postal_code_conflict",
        field="ship_to.city",
        fails="""regexp_matches(city, '[0-9]{4}') AND postal_code IS NOT NULL
            AND regexp_extract(city, '(?:^|[^0-9])([0-9]{4,6})(?:[^0-9]|$)', 1) <> ''
            AND NOT contains(
                regexp_replace(postal_code, '[^0-9]', '', 'g'),
                regexp_extract(city, '(?:^|[^0-9])([0-9]{4,6})(?:[^0-9]|$)', 1)
            )""",
        value="city",
        problem="""'the city "' || city || '" has another postal code than "'
        || postal_code || '"'""",
        fix="Correct one of the two.",
    ),
)
