"""Rules of customs papers and of the goods on them."""

from __future__ import annotations

from typing import Final

from shipkit.common.places import country_codes
from shipkit.orders.expressions import case, quoted_list
from shipkit.orders.heading_text import word_file
from shipkit.orders.placeholders import is_placeholder
from shipkit.orders.rules.rule import Rule

__all__ = ["CUSTOMS_RULES", "PAPERS_RULES"]

_HS_CODE: Final = "[0-9]{6}|[0-9]{8,13}"
"""Digits of a code of the Harmonized System: six, and those of a country after them."""

_VAGUE: Final[list[str]] = word_file("customs_cells")["vague"]


def _items(condition: str) -> str:
    """Return SQL of the customs items that meet a condition on ``i``."""
    return f"list_filter(customs.items, lambda i: coalesce({condition}, false))"


def _of_items(code: str, leaf: str, condition: str, problem: str, fix: str, **more: str) -> Rule:
    """Return a rule that names the first item that meets a condition."""
    wrong = f"{_items(condition)}[1].{leaf}"
    return Rule(
        code=code,
        field="customs.items",
        fails=case(("len(customs.items) > 0", f"len({_items(condition)}) > 0"), otherwise="false"),
        value=wrong,
        problem=f"""'"' || {wrong} || '" {problem}'""",
        fix=fix,
        **more,
    )


_INCOMPLETE_ITEMS: Final = """
    list_filter(
        customs.items,
        lambda i: i.description IS NULL
            OR i.unit_value_cents IS NULL
            OR i.unit_value_cents < 0
            OR coalesce(i.quantity, 0) <= 0
    )
"""

PAPERS_RULES: Final = (
    Rule(
        code="customs_missing",
        field="customs",
        fails="crosses_customs AND NOT coalesce(documents_only, false) "
        "AND coalesce(len(customs.items), 0) = 0",
        value="NULL",
        problem="'customs items are missing; a shipment abroad needs them'",
        fix="Name the columns of the description and of the unit price, "
        'map(columns={"item_name": "<heading>", "unit_price": "<heading>"}), '
        "or give customs in a template.",
        severity="warning",
    ),
    Rule(
        code="customs_item",
        field="customs.items",
        fails=f"len(customs.items) > 0 AND len({_INCOMPLETE_ITEMS}) > 0",
        value="NULL",
        problem="'description, quantity or value of a customs item is missing, or below zero'",
        fix="Give all three for every item.",
    ),
)
"""Whether papers are complete, and there where they are needed."""

CUSTOMS_RULES: Final = (
    _of_items(
        "customs_description",
        "description",
        is_placeholder("trim(i.description)", "description"),
        "does not say what the goods are",
        "Write what they are, as for customs: cotton shirt.",
    ),
    _of_items(
        "customs_description",
        "description",
        f"lower(trim(i.description)) IN ({quoted_list(_VAGUE)})",
        "may be refused: it does not say what the goods are",
        "Write what they are, as for customs: cotton shirt.",
        severity="warning",
    ),
    _of_items(
        "customs_hs_code",
        "hs_code",
        f"NOT regexp_full_match(regexp_replace(i.hs_code, '[ .-]', '', 'g'), '{_HS_CODE}')"
        " OR regexp_full_match(i.hs_code, '[0 .-]*|[0-9]{5,}[.]0')",
        "is not an HS code, which has 6 or 8 to 13 digits",
        "Correct it, with its leading zeros; or leave it empty.",
    ),
    _of_items(
        "customs_origin",
        "origin_country",
        f"i.origin_country NOT IN ({quoted_list(sorted({*country_codes().values()}))})",
        "is not a country of origin",
        "Write the country that the goods were made in: its code or its name.",
    ),
)
"""What is written on papers; these rules are read only where a shipment has any."""
