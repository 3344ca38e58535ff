"""Rules of the second line of an address: what belongs into another column, and got there.

A row that lost or gained a cell has the city, a weight or a price here.
"""

from __future__ import annotations

from typing import Final

from shipkit.orders.rules.kinds_of_text import Kind, fails_of, kind_of
from shipkit.orders.rules.rule import Rule
from shipkit.orders.text_kinds import CITY_AND_ZIP, EMAIL, STREET

__all__ = ["SECOND_LINE_RULES"]

_LINE: Final = "address_line2"
_ITS_OWN_CODE: Final = f"contains({_LINE}, left(postal_code, 5))"
_GATES: Final = (f"{_LINE} < ':'", f"contains({_LINE}, ',')", f"{_LINE} >= '£'")
"""A digit or a sign comes first, or there is a comma: "2 lb", "Austin, TX"; not "Apt 4"."""


def _beginning(x: str) -> str:
    """Return SQL of the number and the first word of a street."""
    return f"regexp_extract(lower({x}), '^[^ ]+ [^ ,.]+')"


_WRONG: Final = (
    Kind(
        "is a weight",
        # "602G" is an apartment.
        r"(?i)[0-9]+(?:[.,][0-9]+)? ?(?:lbs?|pounds?|kgs?|oz|grams?)[.]?(?: [0-9.]+ ?oz)?"
        r"|(?-i:[0-9]{2,} g)",
    ),
    Kind(
        "is an amount",
        r"[$€£¥] ?[0-9][0-9.,]*|[0-9]+[.,][0-9]+ ?(?:USD|EUR|GBP|CAD|[$€£])",
    ),
    Kind("has the dimensions of a parcel", r"(?i)[0-9.]+ ?[x×] ?[0-9.]+ ?[x×] ?[0-9.]+.*"),
    Kind("is a city with another ZIP", CITY_AND_ZIP, f"NOT {_ITS_OWN_CODE}"),
    # Which of the two a driver goes to, nobody can say.
    Kind(
        "is another street",
        STREET,
        f"address_line1 < ':' AND regexp_full_match(address_line1, '{STREET}') "
        f"AND {_beginning('address_line1')} <> {_beginning(_LINE)}",
    ),
)
_ODD: Final = (
    Kind("is an e-mail address, and is printed", EMAIL),
    Kind(
        "is a phone number, and is printed",
        "(?:[+]?1[ .-]?)?[(]?[2-9][0-9]{2}[)]?[ .-]*[0-9]{3}[ .-]?[0-9]{4}",
        "american",
    ),
    # A unit may have five digits.
    Kind(
        "repeats the ZIP",
        "[0-9]{5}(?:-[0-9]{4})?",
        f"american AND left({_LINE}, 5) = left(postal_code, 5)",
    ),
    # Some towers number their units so.
    Kind("is a number with decimals, and is printed", "[0-9]+[.,][0-9]+"),
    Kind(
        "repeats the street",
        STREET,
        f"{_beginning('address_line1')} = {_beginning(_LINE)} "
        f"AND lower(address_line1) <> lower({_LINE})",
    ),
    Kind("repeats the city", CITY_AND_ZIP, f"american AND {_ITS_OWN_CODE}"),
    Kind(
        "repeats the city",
        test=f"american AND lower({_LINE}) IN (lower(city), lower(concat(city, ', ', state)), "
        "lower(concat(city, ' ', state)))",
    ),
)

SECOND_LINE_RULES: Final = tuple(
    Rule(
        code="line_not_address",
        field="ship_to.address_line2",
        fails=fails_of(_LINE, gates, kinds),
        value=_LINE,
        problem=f"""'the second line "' || {_LINE} || '" ' || {kind_of(_LINE, kinds)}""",
        fix=fix,
        severity=severity,
    )
    for gates, kinds, severity, fix in (
        (
            _GATES,
            _WRONG,
            "error",
            "Check the row for a cell too many or too few; correct it, or leave the line empty.",
        ),
        (
            (*_GATES, f"contains({_LINE}, '@')", f"left({_LINE}, length(city)) = city"),
            _ODD,
            "warning",
            "No action is needed if the address reads well.",
        ),
    )
)
