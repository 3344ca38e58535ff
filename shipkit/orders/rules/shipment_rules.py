"""Rules of a shipment as a whole: its currency, its date, where it leaves from."""

from __future__ import annotations

from typing import Final

from shipkit.orders.currencies import CURRENCIES
from shipkit.orders.expressions import quoted_list
from shipkit.orders.rules.rule import Rule

__all__ = ["SHIPMENT_RULES"]

SHIPMENT_RULES: Final = (
    Rule(
        code="currency_unknown",
        field="currency",
        fails=f"currency NOT IN ({quoted_list(CURRENCIES)})",
        value="currency",
        problem="""'"' || currency || '" is not a currency'""",
        fix="Write its ISO code, such as USD or EUR.",
    ),
    Rule(
        code="ship_date_past",
        field="ship_date",
        fails="ship_date < today",
        value="ship_date",
        problem="'ship date ' || ship_date || ' is in the past'",
        fix="Set one for all rows, map(ship_date=...), or correct the cell.",
    ),
    Rule(
        code="ship_from_incomplete",
        field="ship_from",
        fails="""ship_from IS NOT NULL AND (
            ship_from.address_line1 IS NULL
            OR ship_from.city IS NULL
            OR ship_from.postal_code IS NULL
        )""",
        value="NULL",
        problem="'street, city or postal code of ship_from is missing'",
        fix="Fill it in the template, or leave out ship_from to ship from the shipper's address.",
    ),
)
