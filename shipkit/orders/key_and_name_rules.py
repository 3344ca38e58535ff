"""Rules of order numbers and names: what a spreadsheet spoiled, and what is no name of a person.

Each pattern comes after a cheap test, which is false for nearly every row.
"""

from __future__ import annotations

from typing import Final

from shipkit.orders.expressions import case
from shipkit.orders.rule import Rule

__all__ = ["KEY_RULES", "NAME_RULES"]

_ROUNDED: Final = "[0-9]+[.,][0-9]+ ?e[0-9]+"


def _key(first: str, pattern: str, problem: str, fix: str) -> Rule:
    return Rule(
        code="order_key_damaged",
        field="order_id",
        fails=case((first, f"regexp_full_match(order_id, '(?i)(?:{pattern})')"), otherwise="false"),
        value="order_id",
        problem=f"""'"' || order_id || '" is {problem}'""",
        fix=fix,
    )


_AS_TEXT: Final = (
    "Export the orders again, or format the column as text before pasting the numbers."
)

KEY_RULES: Final = (
    _key(
        "order_id[1] BETWEEN '0' AND '9' AND contains(lower(order_id), 'e')",
        _ROUNDED,
        "an order number that a spreadsheet rounded; several orders may have become one",
        _AS_TEXT,
    ),
    _key(
        "suffix(order_id, '0') AND contains(order_id, '.')",
        "[0-9]+[.]0+",
        "an order number that a program wrote as a decimal",
        "Write it without the decimals.",
    ),
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
    # "3M" and "7-Eleven" have a letter.
    _name("name[1] BETWEEN '#' AND '9'", r"[#+(]*[0-9][0-9() +./#-]*", "a number"),
    _name("contains(name, '.')", r"(?:https?://|www[.]).*", "a web address"),
    _name(
        "strlen(name) BETWEEN 13 AND 18",
        r"1Z[0-9A-Z]{16}|TBA[0-9]{12}|[A-Z]{2}[0-9]{9}[A-Z]{2}",
        "a tracking number",
    ),
)
