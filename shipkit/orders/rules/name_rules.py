"""Rules of recipients' names: what is a number, a street or an order number, and not a person.

Each pattern comes after a cheap test, which is false for nearly every row.
"""

from __future__ import annotations

from typing import Final

from shipkit.orders.expressions import case
from shipkit.orders.rules.kinds_of_text import Kind, fails_of, kind_of
from shipkit.orders.rules.rule import Rule
from shipkit.orders.text_kinds import EMAIL, STREET, TRACKING_NUMBER, WEB_ADDRESS, ZIP_AT_END

__all__ = ["NAME_RULES"]


def _name(
    first: str, pattern: str, what: str, *, when: str = "", may: str = "is", severity: str = "error"
) -> Rule:
    test = f"regexp_full_match(name, '{pattern}')" + (f" AND {when}" if when else "")
    return Rule(
        code="name_not_a_person",
        field="ship_to.name",
        fails=case((first, test), otherwise="false"),
        value="name",
        problem=f"""'the name "' || name || '" {may} {what}'""",
        fix='Name the column of the recipient: map(columns={"name": "<heading>"}), or correct the '
        "cell.",
        severity=severity,
    )


_OTHER_STREET: Final = (
    "coalesce(lower(address_line1) <> lower(name) "
    r"AND regexp_matches(address_line1, '^[0-9]+[A-Za-z]?(?:[-/][0-9]+)? .*\pL{2}'), false)"
)
"""SQL of whether the row has a street of its own: it is not shifted."""


_ITEM: Final = "an item with its quantity"
_WEIGHT: Final = Kind(
    "a weight", "(?i)[0-9]+(?:[.,][0-9]+)? ?(?:lbs?|kgs?|oz)[.]?|(?-i:[0-9]{2,} g)"
)
_ITEMS: Final = (
    Kind(_ITEM, r"[0-9]{1,3}[xX×] \pL.*|[0-9]{1,3} [x×] ?\pL.*"),
    Kind(_ITEM, r".*\pL.* (?:[x×] [0-9]+|[x×][0-9])"),
    Kind(_ITEM, r".*\pL.* [(](?:[x×] ?[0-9]{1,3}|[0-9]{1,3} ?[x×])[)]"),
    Kind(
        "an order number, a SKU or a quantity",
        "(?i)(?:sku|item|order|invoice|qty|quantity|ref|asin|upc|po)"
        "(?: (?:no|number|id))?[ #:.]*[0-9]+",
    ),
    _WEIGHT,
)
# "Mug (2)"; shops number customers of one name in the same way.
_PERHAPS: Final = (Kind(_ITEM, r".*\pL.* [(][0-9]{1,3}[)]"),)
_NAME_GATES: Final = ("name < ':'", "name_end < ':'")
_NO_COMPANIES: Final = (
    Kind("an e-mail address", EMAIL),
    Kind(
        "a phone number",
        "(?:[+]?1[ .-]?)?[(]?[2-9][0-9]{2}[)]?[ .-]*[0-9]{3}[ .-]?[0-9]{4}",
    ),
    Kind("a street", STREET, "name IS NULL"),
    _WEIGHT,
    Kind("an amount", r"[$€£¥] ?[0-9][0-9.,]*|[0-9]+[.,][0-9]{2} ?(?:USD|EUR|GBP|CAD|[$€£])"),
    Kind("a city with its ZIP", ZIP_AT_END),
    Kind("a tracking number", TRACKING_NUMBER),
)
# Buildings are called by their streets: "60 Wall Street".
_ADDRESSES: Final = (Kind("a street", STREET),)
_COMPANY_GATES: Final = (
    "company < ':'",
    "company >= '£'",
    "right(company, 1) BETWEEN '0' AND '9'",
    "contains(company, '@')",
)

NAME_RULES: Final = (
    # "3M" and "7-Eleven" have a letter.
    _name("name < ':'", r"[#+(]*[0-9][0-9() +./#-]*", "a number"),
    _name("name < 'A'", r"[^\pL&]*[^\pL&0-9() +./#-][^\pL&]*", "without a letter"),
    # A shifted row, or a label that was pasted into one cell. With a street of its own, it may be
    # a firm: "12 Oaks Way".
    _name("name < ':'", STREET, "a street", when=f"NOT {_OTHER_STREET}"),
    _name("name < ':'", STREET, "a street", when=_OTHER_STREET, may="may be", severity="warning"),
    _name(
        "name_end BETWEEN '0' AND '9'",
        ZIP_AT_END,
        "a city with its ZIP",
    ),
    _name("contains(name, '.')", WEB_ADDRESS, "a web address"),
    _name(
        "strlen(name) BETWEEN 13 AND 18",
        TRACKING_NUMBER,
        "a tracking number",
    ),
    # "ORD-1001", "MUG-BLUE-01"; not "Studio-54".
    _name(
        "name_end BETWEEN '0' AND '9'",
        "(?i)[A-Z]{2,}(?:[-_#][A-Z0-9]+)*[-_#][A-Z]*[0-9]{3,}"
        "|[A-Z]{2,}[-_][A-Z0-9]+[-_][A-Z]*[0-9]+",
        "an order number or a SKU",
    ),
    *(
        Rule(
            code="name_not_a_person",
            field="ship_to.name",
            fails=fails_of("name", _NAME_GATES, kinds),
            value="name",
            problem=f"""'the name "' || name || '" {may} ' || {kind_of("name", kinds)}""",
            fix='Name the column of the recipient: map(columns={"name": "<heading>"}), or correct '
            "the cell.",
            severity=severity,
        )
        for kinds, may, severity in ((_ITEMS, "is", "error"), (_PERHAPS, "may be", "warning"))
    ),
    # A company may be called by a number, and is no e-mail address, price, weight or address.
    *(
        Rule(
            code="company_not_a_name",
            field="ship_to.company",
            fails=fails_of("company", gates, kinds),
            value="company",
            problem=f"""'the company "' || company || '" {may} ' || {kind_of("company", kinds)}""",
            fix='Name the column of the company: map(columns={"company": "<heading>"}), or correct '
            "the cell.",
            severity=severity,
        )
        for gates, kinds, may, severity in (
            (_COMPANY_GATES, _NO_COMPANIES, "is", "error"),
            (("company < ':' AND name IS NOT NULL",), _ADDRESSES, "may be", "warning"),
        )
    ),
    Rule(
        code="name_is_email",
        field="ship_to.name",
        # Only an address has all of this, and the carrier prints a name.
        fails="contains(coalesce(name, company), '@') "
        f"AND regexp_full_match(coalesce(name, company), '{EMAIL}')",
        value="coalesce(name, company)",
        problem="""'"' || coalesce(name, company) || '" is an email address, not a name'""",
        fix="Fill in the name of the recipient.",
    ),
)
