"""Rules of any text that is printed: lost letters, dates that Excel made.

Cells of the file were judged when they were read (:mod:`shipkit.orders.normalize.text_damage`);
these rules are for templates and edits.
"""

from __future__ import annotations

from typing import Final

from shipkit.models import NUMBERED_REFERENCES
from shipkit.orders.damage_words import damage_words, date_sql
from shipkit.orders.expressions import case, quoted_list
from shipkit.orders.rules.rule import Rule
from shipkit.orders.written_numbers import ROUNDED

__all__ = ["TEXT_RULES"]

_PRINTED: Final = {
    "name": "ship_to.name",
    "company": "ship_to.company",
    "address_line1": "ship_to.address_line1",
    "address_line2": "ship_to.address_line2",
    "address_line3": "ship_to.address_line3",
    "city": "ship_to.city",
    "state": "ship_to.state",
}

_ERRORS: Final = quoted_list(sorted(damage_words("errors")))
_REFERENCE_FIX: Final = (
    "Export the orders again, or format the column as text before pasting the numbers."
)


def _damaged(reference: str) -> str:
    """Return SQL of whether a reference is an error of a spreadsheet or a rounded number."""
    signs = f"starts_with({reference}, '#') OR {reference} BETWEEN '+' AND '.'"
    return case(
        (f"{reference} IS NULL", "false"),
        (
            f"{signs} OR {reference} BETWEEN '0' AND ':'",
            f"lower({reference}) IN ({_ERRORS}) OR regexp_full_match({reference}, '{ROUNDED}')",
        ),
        otherwise="false",
    )


_DAMAGED_PAIRS: Final = f'list_filter("references", lambda r: {_damaged("r.value")})'
"""References by key are a list: lists are slow, and most rows have none."""

TEXT_RULES: Final = (
    *(
        Rule(
            code="text_damaged",
            field=field,
            fails=f"contains({column}, chr(65533))",
            value=column,
            problem=f"""'letters of "' || {column} || '" were lost before the file was read'""",
            fix="Export the orders again as UTF-8, or correct the cell.",
        )
        for column, field in _PRINTED.items()
    ),
    *(
        Rule(
            code="excel_date",
            field=f"ship_to.{column}",
            # The length first: it is cheap, and right for nearly no row.
            fails=case((f"length({column}) <= 8", date_sql(column)), otherwise="false"),
            value=column,
            problem=f"""'"' || {column} || '" looks like a date that Excel made of an address'""",
            fix="Write the original again, in a cell that is formatted as text.",
        )
        for column in ("address_line1", "address_line2")
    ),
    *(
        Rule(
            code="reference_damaged",
            field=column,
            fails=_damaged(column),
            value=column,
            problem=f"""'"' || {column} || '" is what a spreadsheet made of a reference'""",
            fix=_REFERENCE_FIX,
        )
        for column in NUMBERED_REFERENCES
    ),
    Rule(
        code="reference_damaged",
        field="references",
        fails=case(
            ('len("references") > 0', f"len({_DAMAGED_PAIRS}) > 0"),
            otherwise="false",
        ),
        value=f"{_DAMAGED_PAIRS}[1].value",
        problem=f"""'"' || {_DAMAGED_PAIRS}[1].value
        || '" is what a spreadsheet made of the reference "' || {_DAMAGED_PAIRS}[1].key || '"'""",
        fix=_REFERENCE_FIX,
    ),
)
