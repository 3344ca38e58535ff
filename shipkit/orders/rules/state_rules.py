"""Rules of states and provinces: what is none, and what its country does not have."""

from __future__ import annotations

from typing import Final

from shipkit.orders.expressions import case
from shipkit.orders.placeholders import is_placeholder, reason
from shipkit.orders.rules.rule import Rule

__all__ = ["STATE_RULES"]


def _unknown_state(country: str, what: str, names: str) -> Rule:
    """Return the rule of states that a country does not have."""
    return Rule(
        code="state_unknown",
        field="ship_to.state",
        fails=f"state_unknown AND country = '{country}'",
        value="state",
        problem=f"""'"' || state || '" is not {what}'""",
        fix=f"Write the name of the {names}.",
    )


STATE_RULES: Final = (
    Rule(
        code="placeholder",
        field="ship_to.state",
        # States of the US, Canada and Australia are looked up.
        fails=case(
            ("NOT american AND state IS NOT NULL", is_placeholder("state", "state")),
            otherwise="false",
        ),
        value="state",
        problem=f"""'"' || state || '" ' || {reason("state", "state")}""",
        fix="Correct the cell, or leave it empty where the country has none.",
    ),
    _unknown_state("US", "a US state", "state or its two-letter code"),
    _unknown_state("CA", "a Canadian province", "province or its two-letter code"),
    _unknown_state("AU", "an Australian state", "state or its code"),
)
