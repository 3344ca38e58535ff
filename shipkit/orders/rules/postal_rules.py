"""Rules of ZIPs and postal codes, and of whether they fit the state and the country.

The columns that they read come from :mod:`shipkit.orders.postal_columns` and
:mod:`shipkit.orders.validate`.
"""

from __future__ import annotations

from typing import Final

from shipkit.orders.rules.rule import Rule

__all__ = ["POSTAL_RULES"]

POSTAL_RULES: Final = (
    Rule(
        code="zip_format",
        field="ship_to.postal_code",
        fails="american AND NOT zip_ok",
        value="postal_code",
        problem="""'a US ZIP has 5 or 9 digits, not "' || postal_code || '"'""",
        fix="Correct the cell, or map it with {{ row.<column> | format_us_zip }}.",
    ),
    Rule(
        code="zip_unknown",
        field="ship_to.postal_code",
        fails="us_zip AND zip_states IS NULL",
        value="postal_code",
        problem="'no US ZIP begins with ' || left(postal_code, 3)",
        fix="Look up the address and correct the ZIP.",
    ),
    Rule(
        code="zip_state_mismatch",
        field="ship_to.postal_code",
        fails="""us_zip
            AND zip_states <> zip_home
            AND NOT state_unknown
            AND NOT list_contains(string_split(zip_states, ' '), zip_home)""",
        value="postal_code",
        problem="'ZIP ' || postal_code || ' is in ' || replace(zip_states, ' ', ' or ')"
        " || ', not in ' || zip_home",
        fix="Correct the ZIP or the state.",
    ),
    Rule(
        code="postal_code_format",
        field="ship_to.postal_code",
        fails="NOT postal_ok",
        value="postal_code",
        problem="""'a postal code of ' || country || ' looks like ' || postal_example
        || ', not "' || postal_code || '"'""",
        fix="Correct the cell, or the country.",
    ),
    Rule(
        code="postal_code_not_used",
        field="ship_to.postal_code",
        fails="postal_unused",
        value="postal_code",
        problem="""country || ' has no postal codes, and "' || postal_code || '" is given'""",
        fix="Check the country; leave the cell empty if it is right.",
        severity="warning",
    ),
    Rule(
        code="country_of_territory",
        field="ship_to.country",
        fails="territory IS NOT NULL AND postal_ok",
        value="country",
        problem="""'postal code ' || postal_code || ' is in ' || territory
        || ', which carriers have as a country of its own, and the country is ' || country""",
        fix="Write the code of that place as the country: services and customs papers depend on "
        "it. A label may be refused otherwise.",
        severity="warning",
    ),
    *(
        Rule(
            code="state_postal_mismatch",
            field="ship_to.postal_code",
            fails=f"NOT region_ok AND postal_ok AND country {where} ('CA', 'AU')",
            value="postal_code",
            problem="'postal code ' || postal_code || ' is not in ' || state",
            fix="Correct the postal code or the state.",
            severity=severity,
        )
        # Parcels are sorted by the province in Canada and Australia, by the code elsewhere.
        for where, severity in (("IN", "error"), ("NOT IN", "warning"))
    ),
    Rule(
        code="country_mismatch",
        field="ship_to.country",
        fails="""NOT american AND zip_ok AND region_ok IS NULL AND known_country
            AND list_contains(string_split(zip_states, ' '), us_state)""",
        value="country",
        problem="""'state ' || state || ' and ZIP ' || postal_code
        || ' are in the US, and the country is ' || country""",
        fix="Correct the country, or the state and the postal code.",
    ),
)
