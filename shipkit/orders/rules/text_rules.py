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
            fails=case(
                (f"{column} IS NULL", "false"),
                (
                    f"starts_with({column}, '#') OR {column} BETWEEN '0' AND ':'",
                    f"lower({column}) IN ({_ERRORS}) OR regexp_full_match({column}, '{ROUNDED}')",
                ),
                otherwise="false",
            ),
            value=column,
            problem=f"""'"' || {column} || '" is what a spreadsheet made of a reference'""",
            fix="Export the orders again, or format the column as text before pasting the numbers.",
        )
        for column in NUMBERED_REFERENCES
    ),
)
