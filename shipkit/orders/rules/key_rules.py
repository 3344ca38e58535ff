"""Rules of order numbers: what a spreadsheet spoiled, and what is no order number.

Each pattern comes after a cheap test, which is false for nearly every row.
"""

from __future__ import annotations

from typing import Final

from shipkit.orders.damage_words import damage_words, date_sql
from shipkit.orders.expressions import case, quoted_list
from shipkit.orders.rules.rule import Rule
from shipkit.orders.written_numbers import ROUNDED

__all__ = ["KEY_RULES", "odd_key"]

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
        f"regexp_full_match(order_id, '{ROUNDED}')",
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
