"""Rules of the second line of an address: what belongs into another column, and got there.

A row that lost or gained a cell has the city, a weight or a price here.
"""

from __future__ import annotations

from typing import Final

from shipkit.orders.expressions import case
from shipkit.orders.rules.rule import Rule
from shipkit.orders.text_kinds import CITY_AND_ZIP, EMAIL, STREET

__all__ = ["SECOND_LINE_RULES"]

_CORRECT: Final = (
    "Check the row for a cell that is missing or too many; correct it, or leave the line empty."
)


def _line(first: str, test: str, what: str, severity: str, fix: str = _CORRECT) -> Rule:
    return Rule(
        code="line_not_address",
        field="ship_to.address_line2",
        fails=case(("address_line2 IS NULL", "false"), (first, test), otherwise="false"),
        value="address_line2",
        problem=f"""'the second line "' || address_line2 || '" {what}'""",
        fix=fix,
        severity=severity,
    )


def _is(pattern: str) -> str:
    return f"regexp_full_match(address_line2, '{pattern}')"


_DIGIT_FIRST: Final = "address_line2 < ':'"
_DIGIT_LAST: Final = "right(address_line2, 1) BETWEEN '0' AND '9'"
_ITS_OWN_CODE: Final = "contains(address_line2, left(postal_code, 5))"
_HARMLESS: Final = "No action is needed if the address reads well."

SECOND_LINE_RULES: Final = (
    _line(
        _DIGIT_FIRST,
        # "602G" is an apartment.
        _is(
            r"(?i)[0-9]+(?:[.,][0-9]+)? ?(?:lbs?|pounds?|kgs?|oz|grams?)[.]?(?: [0-9.]+ ?oz)?"
            r"|(?-i:[0-9]{2,} ?g)"
        ),
        "is a weight",
        "error",
    ),
    _line(
        _DIGIT_FIRST,
        _is(r"[$€£¥] ?[0-9][0-9.,]*|[0-9]+[.,][0-9]+(?: ?(?:USD|EUR|GBP|CAD|[$€£]))?"),
        "is an amount or a measure",
        "error",
    ),
    _line(
        _DIGIT_FIRST,
        _is(r"(?i)[0-9.]+ ?[x×] ?[0-9.]+ ?[x×] ?[0-9.]+.*"),
        "has the dimensions of a parcel",
        "error",
    ),
    _line(
        _DIGIT_LAST,
        f"{_is(CITY_AND_ZIP)} AND NOT coalesce({_ITS_OWN_CODE}, false)",
        "is a city with another ZIP",
        "error",
    ),
    # Which of the two a driver goes to, nobody can say.
    _line(
        f"{_DIGIT_FIRST} AND address_line1 < ':'",
        f"{_is(STREET)} AND regexp_full_match(address_line1, '{STREET}') "
        "AND lower(address_line1) <> lower(address_line2)",
        "is another street",
        "error",
        "Leave one of the two.",
    ),
    _line(
        "contains(address_line2, '@')",
        _is(EMAIL),
        "is an e-mail address, and is printed",
        "warning",
    ),
    _line(
        f"american AND {_DIGIT_FIRST} AND {_DIGIT_LAST}",
        _is("(?:[+]?1[ .-]?)?[(]?[2-9][0-9]{2}[)]?[ .-]*[0-9]{3}[ .-]?[0-9]{4}"),
        "is a phone number, and is printed",
        "warning",
    ),
    _line(
        f"american AND {_DIGIT_FIRST}",
        # A unit may have five digits.
        f"{_is('[0-9]{5}(?:-[0-9]{4})?')} AND left(address_line2, 5) = left(postal_code, 5)",
        "repeats the ZIP",
        "warning",
        _HARMLESS,
    ),
    _line(
        f"american AND {_DIGIT_LAST}",
        f"{_is(CITY_AND_ZIP)} AND coalesce({_ITS_OWN_CODE}, false)",
        "repeats the city",
        "warning",
        _HARMLESS,
    ),
    _line(
        "american AND left(address_line2, length(city)) = city",
        "lower(address_line2) IN (lower(city), lower(concat(city, ', ', state)), "
        "lower(concat(city, ' ', state)))",
        "repeats the city",
        "warning",
        _HARMLESS,
    ),
)
