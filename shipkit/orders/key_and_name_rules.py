"""Rules of order numbers and names: what a spreadsheet spoiled, and what is no name of a person.

Each pattern comes after a cheap test, which is false for nearly every row.
"""

from __future__ import annotations

from typing import Final

from shipkit.orders.damage_words import damage_words, date_sql
from shipkit.orders.expressions import case, quoted_list
from shipkit.orders.rule import Rule

__all__ = ["KEY_RULES", "NAME_RULES", "STREET_RULES", "bad_email", "example_columns", "odd_key"]

_ROUNDED: Final = "(?i)[0-9](?:[.,][0-9]+)?e[+][0-9]+|[0-9]+[.,][0-9]+ ?e[0-9]+"
_USUAL_KEY: Final = "#?[A-Za-z]{0,6}(?:-?[0-9]{5,14}|[0-9]{1,4})"
_NO_KEY: Final = quoted_list(
    sorted(
        {
            word
            for name in ("nothing", "booleans", "errors", "unsaid", "elsewhere", "form_of_order_id")
            for word in damage_words(name)
        }
    )
)
_AS_TEXT: Final = (
    "Export the orders again, or format the column as text before pasting the numbers."
)


def odd_key(x: str) -> str:
    """Return SQL that is false of an order number such as ``1001``, ``#1001`` or ``SO-00042``.

    No rule can find anything wrong with these.
    """
    return f"NOT regexp_full_match({x}, '{_USUAL_KEY}')"


def _key(test: str, problem: str, fix: str = _AS_TEXT) -> Rule:
    return Rule(
        code="order_key_damaged",
        field="order_id",
        fails=case(("odd_key", test), otherwise="false"),
        value="order_id",
        problem=f"""'"' || order_id || '" {problem}'""",
        fix=fix,
    )


KEY_RULES: Final = (
    _key(date_sql("order_id"), "looks like a date that Excel made of an order number"),
    _key(
        f"regexp_full_match(order_id, '{_ROUNDED}')",
        "is an order number that a spreadsheet rounded; several orders may have become one",
    ),
    # Excel keeps 15 digits of a number and writes zeros for the others.
    _key(
        "regexp_full_match(order_id, '[1-9][0-9]{14}0{3,}')",
        "is an order number whose last digits a spreadsheet replaced with zeros",
    ),
    _key(
        f"order_id IN ({_NO_KEY}) OR lower(order_id) IN ({_NO_KEY})"
        " OR regexp_full_match(order_id, '#{3,}|=.*')",
        "is not an order number",
    ),
    _key(
        "regexp_full_match(order_id, '[0-9]+[.]0+')",
        "is an order number that a program wrote as a decimal",
        "Write it without the decimals.",
    ),
)


_EXAMPLE_STREET: Final = (
    "[0-9]* ?(?:any|sample|example|your|some|test|main) (?:street|st|road|rd|avenue|ave|drive)[.]?"
    "|(?:muster|beispiel)str(?:a(?:ß|ss)e|[.])?( [0-9]+)?"
)


_EMAIL: Final = (
    r"""[^\s@,;:<>()\[\]".\\][^\s@,;:<>()\[\]"\\]*@"""
    r"(?:[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?[.])+\p{L}[\p{L}\p{N}-]*[\p{L}\p{N}]"
)
"""One e-mail address on the internet, without quotes: of a name and a domain with a letter."""
_USUAL_EMAIL: Final = r"[a-z0-9_+-]+(?:[.][a-z0-9_+-]+)*@(?:[a-z0-9]+[.-])*[a-z0-9]+[.][a-z]{2,9}"
"""What nearly all are: the pattern is short, and faster."""


def bad_email(x: str) -> str:
    """Return SQL of whether a text is no e-mail address; false of none."""
    wrong = f"contains({x}, '..') OR NOT regexp_full_match({x}, '{_EMAIL}')"
    return (
        f"CASE WHEN {x} IS NULL OR regexp_full_match({x}, '{_USUAL_EMAIL}') THEN false "
        f"ELSE {wrong} END"
    )


def example_columns(table: str) -> str:
    """Return SQL of ``example_town`` and ``example_name``: words of templates' example rows.

    They are columns, because DuckDB looks a column up in a list of constants by a hash, and
    compares with one constant after the other in a condition.
    """
    return f"""
        coalesce({_in(f"{table}.city", "example_towns")}, false) AS example_town,
        coalesce({_in(f"{table}.name", "example_names")}, false) AS example_name
    """


def _in(x: str, *names: str) -> str:
    words = sorted({word for name in names for word in damage_words(name)})
    return f"lower({x}) IN ({quoted_list(words)})"


_IS_EXAMPLE_STREET: Final = f"regexp_full_match(lower(address_line1), '{_EXAMPLE_STREET}')"


_STREET: Final = (
    r"[0-9]+[A-Z]? [^,]+ (?:st|street|ave|avenue|rd|road|blvd|dr|drive|ln|lane|ct|court|hwy|way)"
    r"[.]?(?:,? (?:apt|unit|ste|suite|#).*)?"
)


def _name(first: str, pattern: str, what: str) -> Rule:
    return Rule(
        code="name_not_a_person",
        field="ship_to.name",
        fails=case((first, f"regexp_full_match(name, '(?i){pattern}')"), otherwise="false"),
        value="name",
        problem=f"""'the name "' || name || '" is {what}'""",
        fix='Name the column of the recipient: map(columns={"name": "<heading>"}), or correct the '
        "cell.",
    )


NAME_RULES: Final = (
    # "Max Mustermann, Musterstraße 1, Musterstadt": two of the three, so that no person is held.
    Rule(
        code="example_row",
        field="ship_to.name",
        fails=case(
            (
                "example_town",
                f"{_in('name', 'example_names', 'maybe_examples')} OR {_IS_EXAMPLE_STREET}",
            ),
            ("example_name", _IS_EXAMPLE_STREET),
            otherwise="false",
        ),
        value="name",
        problem="'the row looks like the example of a template: ' || concat_ws(', ', name, "
        "address_line1, city)",
        fix="Leave it out with where(...), or remove it from the file.",
    ),
    # "3M" and "7-Eleven" have a letter.
    _name("name < ':'", r"[#+(]*[0-9][0-9() +./#-]*", "a number"),
    _name("name < 'A'", r"[^\pL&]*[^\pL&0-9() +./#-][^\pL&]*", "without a letter"),
    # A shifted row, or a label that was pasted into one cell.
    _name("name < ':'", _STREET, "a street"),
    _name(
        "right(name, 1) BETWEEN '0' AND '9'",
        r".+, ?[A-Z]{2},? [0-9]{5}(?:-[0-9]{4})?",
        "a city with its ZIP",
    ),
    _name("contains(name, '.')", r"(?:https?://|www[.]).*", "a web address"),
    _name(
        "strlen(name) BETWEEN 13 AND 18",
        r"1Z[0-9A-Z]{16}|TBA[0-9]{12}|[A-Z]{2}[0-9]{9}[A-Z]{2}",
        "a tracking number",
    ),
    # "ORD-1001", "MUG-BLUE-01"; not "Studio-54".
    _name(
        "right(name, 1) BETWEEN '0' AND '9'",
        "[A-Z]{2,}(?:[-_#][A-Z0-9]+)*[-_#][A-Z]*[0-9]{3,}|[A-Z]{2,}[-_][A-Z0-9]+[-_][A-Z]*[0-9]+",
        "an order number or a SKU",
    ),
)

_NO_STATE: Final = quoted_list(
    sorted(
        {
            word
            for name in ("errors", "unsaid", "elsewhere", "not_shipped")
            for word in damage_words(name)
        }
    )
)
_ONLY_A_NUMBER: Final = "#?[0-9]+(?:[.,][0-9]+)?|[$€£][0-9.,]+"
_IS_A_CITY: Final = (
    "regexp_full_match(address_line1, '[^0-9]+, ?[A-Z]{2},? [0-9]{5}(?:-[0-9]{4})?')"
)
_NO_MORE: Final = r"NOT regexp_matches(concat(address_line2, address_line3), '\pL')"


def _number_as_street(where: str, severity: str) -> Rule:
    number = f"regexp_full_match(address_line1, '{_ONLY_A_NUMBER}')"
    return Rule(
        code="street_is_number",
        field="ship_to.address_line1",
        fails=case(
            (
                where,
                f"NOT contains(address_line1, ' ') AND {number} AND {_NO_MORE}",
            ),
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
        code="placeholder",
        field="ship_to.state",
        # States of the US, Canada and Australia are looked up.
        fails=case(
            (
                "NOT american AND state IS NOT NULL",
                f"lower(state) IN ({_NO_STATE}) OR starts_with(state, '=')",
            ),
            otherwise="false",
        ),
        value="state",
        problem="""'"' || state || '" is not a state or province'""",
        fix="Correct the cell, or leave it empty where the country has none.",
    ),
    Rule(
        code="city_is_street",
        field="ship_to.city",
        fails=case(
            ("city < ':'", f"regexp_full_match(city, '(?i){_STREET}')"),
            otherwise="false",
        ),
        value="city",
        problem="""'"' || city || '" is a street, and not a city'""",
        fix='Name the column of the city: map(columns={"city": "<heading>"}), or correct the cell.',
    ),
)
