"""Rows that are examples of a template: "Max Mustermann, Musterstraße 1, Musterstadt"."""

from __future__ import annotations

from typing import Final

from shipkit.orders.damage_words import damage_words
from shipkit.orders.expressions import case, quoted_list
from shipkit.orders.rules.rule import Rule

__all__ = ["EXAMPLE_RULES", "example_columns"]

_EXAMPLE_STREET: Final = (
    "[0-9]* ?(?:any|sample|example|your|some|test|main) (?:street|st|road|rd|avenue|ave|drive)[.]?"
    "|(?:muster|beispiel)str(?:a(?:ß|ss)e|[.])?( [0-9]+)?"
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

# Two of name, street and city must be those of an example, so that no person is held.
EXAMPLE_RULES: Final = (
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
)
