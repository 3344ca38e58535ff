"""Rules of order numbers: what a spreadsheet spoiled, and what is no order number.

Each pattern comes after a cheap test, which is false for nearly every row.
"""

from __future__ import annotations

from typing import Final

from shipkit.orders.damage_words import date_sql
from shipkit.orders.expressions import case, quote
from shipkit.orders.placeholders import is_placeholder, reason
from shipkit.orders.rules.rule import Rule
from shipkit.orders.written_numbers import ROUNDED

__all__ = ["KEY_RULES", "odd_key"]

_USUAL_KEY: Final = "#?[A-Za-z]{0,6}(?:-?[0-9]{5,14}|[0-9]{1,4})"
_AS_TEXT: Final = (
    "Export the orders again, or format the column as text before pasting the numbers."
)


def odd_key(x: str) -> str:
    """Return SQL that is false of an order number such as ``1001``, ``#1001`` or ``SO-00042``.

    No rule can find anything wrong with these.
    """
    return f"NOT regexp_full_match({x}, '{_USUAL_KEY}')"


def _key(test: str, wrong: str, fix: str = _AS_TEXT) -> Rule:
    """Return the rule of keys that meet the SQL `test`; `wrong` is SQL of the problem."""
    return Rule(
        code="order_key_damaged",
        field="order_id",
        fails=case(("odd_key", test), otherwise="false"),
        value="order_id",
        problem=f"""'"' || order_id || '" ' || {wrong}""",
        fix=fix,
    )


KEY_RULES: Final = (
    _key(date_sql("order_id"), quote("looks like a date that Excel made of an order number")),
    _key(
        f"regexp_full_match(order_id, '{ROUNDED}')",
        quote("is an order number that a spreadsheet rounded; several orders may have become one"),
    ),
    # Excel keeps 15 digits of a number and writes zeros for the others.
    _key(
        "regexp_full_match(order_id, '[1-9][0-9]{14}0{3,}')",
        quote("is an order number whose last digits a spreadsheet replaced with zeros"),
    ),
    _key(
        is_placeholder("order_id", "order_id"),
        reason("order_id", "order_id"),
        "Write the order's number, or leave the cell empty.",
    ),
    _key(
        "regexp_full_match(order_id, '[0-9]+[.]0+')",
        quote("is an order number that a program wrote as a decimal"),
        "Write it without the decimals.",
    ),
)
