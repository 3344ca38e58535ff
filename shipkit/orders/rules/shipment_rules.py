"""Rules of a shipment as a whole: its currency, its date, where it leaves from."""

from __future__ import annotations

from typing import Final

from shipkit.orders.currencies import CURRENCIES
from shipkit.orders.expressions import quoted_list
from shipkit.orders.rules.rule import Rule

__all__ = ["SHIPMENT_RULES"]

_US_HOLIDAYS: Final = """
    strftime(ship_date, '%m-%d') = '07-04'
    OR month(ship_date) = 5 AND isodow(ship_date) = 1 AND day(ship_date) > 24
    OR month(ship_date) = 9 AND isodow(ship_date) = 1 AND day(ship_date) < 8
    OR month(ship_date) = 11 AND isodow(ship_date) = 4 AND day(ship_date) BETWEEN 22 AND 28
"""
"""Independence Day, Memorial Day, Labor Day and Thanksgiving: UPS, USPS and FedEx are closed."""

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
    # A label of today is for the next pickup, whatever day it is.
    Rule(
        code="ship_date_closed",
        field="ship_date",
        fails=f"""ship_date > today AND (
            isodow(ship_date) = 7
            OR strftime(ship_date, '%m-%d') IN ('01-01', '12-25')
            OR american AND NOT abroad AND ({_US_HOLIDAYS})
        )""",
        value="ship_date",
        problem="""'ship date ' || ship_date || ' is '
            || if(isodow(ship_date) = 7, 'a Sunday', 'a holiday')""",
        fix="Carriers do not pick up then. Set another day, or leave it if you need no pickup.",
        severity="warning",
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
