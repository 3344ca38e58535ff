"""Rules of countries."""

from __future__ import annotations

from typing import Final

from shipkit.common.country_names import possible_countries
from shipkit.orders.expressions import choose, quote
from shipkit.orders.rules.rule import Rule

__all__ = ["COUNTRY_RULES"]

_WHICH: Final = choose(
    "lower(country)",
    {
        name: quote(f"may be {', '.join(codes[:-1])} or {codes[-1]}")
        for name, codes in possible_countries().items()
    },
    "'is not a country'",
)
"""What is wrong with the name of a country: none has it, or several."""

COUNTRY_RULES: Final = (
    Rule(
        code="country_unknown",
        field="ship_to.country",
        fails="NOT known_country",
        value="country",
        problem=f"""'"' || coalesce(country, '') || '" ' || {_WHICH}""",
        fix="Write the name or the two-letter ISO code of the country.",
    ),
)
