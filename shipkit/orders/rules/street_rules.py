"""Rules of streets: what is a number or a city, and not a street; PO boxes."""

from __future__ import annotations

from typing import Final

from shipkit.orders.expressions import case
from shipkit.orders.rules.rule import Rule
from shipkit.orders.text_kinds import CITY_AND_ZIP

__all__ = ["STREET_RULES"]

_ONLY_A_NUMBER: Final = "#?[0-9]+(?:[.,][0-9]+)?|[$€£][0-9.,]+"
_IS_A_CITY: Final = rf"regexp_full_match(address_line1, '{CITY_AND_ZIP}')"
_NO_MORE: Final = r"NOT regexp_matches(concat(address_line2, address_line3), '\pL')"


def _number_as_street(where: str, severity: str) -> Rule:
    number = f"regexp_full_match(address_line1, '{_ONLY_A_NUMBER}')"
    return Rule(
        code="street_is_number",
        field="ship_to.address_line1",
        fails=case(
            ("contains(address_line1, ' ')", "false"),
            (where, f"{number} AND {_NO_MORE}"),
            otherwise="false",
        ),
        value="address_line1",
        problem="""'"' || address_line1 || '" is a number, and not a street'""",
        fix='Name the column of the street: map(columns={"address_line1": "<heading>"}), or '
        "correct the cell.",
        severity=severity,
    )


STREET_RULES: Final = (
    # "12" over "High Street" is a house number with its street. Villages without streets have
    # numbers alone in much of Europe.
    _number_as_street("american OR country = 'CA'", "error"),
    _number_as_street("NOT american AND country <> 'CA'", "warning"),
    Rule(
        code="street_is_city",
        field="ship_to.address_line1",
        fails=case(
            (
                "address_line1 > ':'",  # most streets of the US begin with a digit
                f"right(address_line1, 1) BETWEEN '0' AND '9' AND {_IS_A_CITY}",
            ),
            otherwise="false",
        ),
        value="address_line1",
        problem="""'"' || address_line1 || '" is a city with its ZIP, and not a street'""",
        fix='Name the column of the street: map(columns={"address_line1": "<heading>"}), or '
        "correct the cell.",
    ),
    Rule(
        code="po_box_kept",
        field="ship_to.address_line1",
        fails="box_and_street OR box_is_usual",
        value="box",
        problem="""'"' || box || '" is a PO box' || CASE
            WHEN box_and_street THEN ' next to a street; carriers deliver to the street'
            ELSE '; carriers need a phone number to deliver there' END""",
        fix="Leave the box out if the street is enough.",
        severity="warning",
    ),
)
