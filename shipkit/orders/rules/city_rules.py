"""Rules of cities: one that is a street, and one with a postal code of its own."""

from __future__ import annotations

from typing import Final

from shipkit.common.places import state_codes
from shipkit.orders.expressions import case, quoted_list
from shipkit.orders.rules.rule import Rule
from shipkit.orders.text_kinds import STREET

__all__ = ["CITY_RULES"]

_STATES: Final = sorted({code for (country, _), code in state_codes().items() if country == "US"})
_CALLED_BY_CODE: Final = """coalesce(
    city = 'DC' AND state = 'DC'
    OR city = 'NY' AND state = 'NY' AND left(postal_code, 3) BETWEEN '100' AND '102'
    OR city = 'LA' AND state = 'CA' AND left(postal_code, 3) BETWEEN '900' AND '918',
    false
)"""
"""Cities that people call by two letters: Washington, New York and Los Angeles."""

_OWN_CODE: Final = "regexp_extract(city, '(?:^|[^0-9])([0-9]{4,6})(?:[^0-9]|$)', 1)"

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
    # What a city repeats of its row was left out of it (normalize.city_repairs); this differs.
    Rule(
        code="city_state_conflict",
        field="ship_to.city",
        fails="city_elsewhere",
        value="city",
        problem="""'the city "' || city || '" is in another state than ' || state""",
        fix="Correct one of the two.",
    ),
    Rule(
        code="city_is_state",
        field="ship_to.city",
        fails=case(
            (
                "strlen(city) = 2",
                f"american AND city IN ({quoted_list(_STATES)}) AND NOT {_CALLED_BY_CODE}",
            ),
            otherwise="false",
        ),
        value="city",
        problem="""'"' || city || '" is a state, and not a city'""",
        fix='Name the column of the city: map(columns={"city": "<heading>"}), or correct the cell.',
    ),
    Rule(
        code="postal_code_conflict",
        field="ship_to.city",
        fails=case(
            # Most cities end in a letter and begin with one.
            (
                "city < ':' OR right(city, 1) < ':' OR contains(city, ',')",
                (
                    f"postal_code IS NOT NULL AND {_OWN_CODE} <> '' AND NOT contains("
                    f"regexp_replace(postal_code, '[^0-9]', '', 'g'), {_OWN_CODE})"
                ),
            ),
            otherwise="false",
        ),
        value="city",
        problem="""'the city "' || city || '" has another postal code than "'
        || postal_code || '"'""",
        fix="Correct one of the two.",
    ),
)
