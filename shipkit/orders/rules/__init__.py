"""The rules that every shipment has to meet, whatever the carrier.

Those of a carrier are made of its limits (:mod:`shipkit.orders.rules.carrier_rules`). A rule is SQL
over one shipment; :mod:`shipkit.orders.validate` makes the columns that it may read.
"""

from __future__ import annotations

from typing import Final

from shipkit.orders.rules.access_point_rules import ACCESS_POINT_RULES
from shipkit.orders.rules.city_rules import CITY_RULES
from shipkit.orders.rules.contact_rules import CONTACT_RULES
from shipkit.orders.rules.country_rules import COUNTRY_RULES
from shipkit.orders.rules.customs_rules import PAPERS_RULES
from shipkit.orders.rules.example_rules import EXAMPLE_RULES
from shipkit.orders.rules.key_rules import KEY_RULES
from shipkit.orders.rules.name_rules import NAME_RULES
from shipkit.orders.rules.parcel_rules import PARCEL_RULES
from shipkit.orders.rules.payer_rules import PAYER_RULES
from shipkit.orders.rules.postal_rules import POSTAL_RULES
from shipkit.orders.rules.required_rules import REQUIRED_RULES
from shipkit.orders.rules.rule import Rule
from shipkit.orders.rules.second_line_rules import SECOND_LINE_RULES
from shipkit.orders.rules.shipment_rules import SHIPMENT_RULES
from shipkit.orders.rules.state_rules import STATE_RULES
from shipkit.orders.rules.street_rules import STREET_RULES
from shipkit.orders.rules.text_rules import TEXT_RULES

__all__ = ["RULES"]

RULES: Final[tuple[Rule, ...]] = (
    *REQUIRED_RULES,
    *PAYER_RULES,
    *ACCESS_POINT_RULES,
    *TEXT_RULES,
    *KEY_RULES,
    *EXAMPLE_RULES,
    *NAME_RULES,
    *STREET_RULES,
    *SECOND_LINE_RULES,
    *CITY_RULES,
    *STATE_RULES,
    *COUNTRY_RULES,
    *CONTACT_RULES,
    *POSTAL_RULES,
    *PAPERS_RULES,
    *PARCEL_RULES,
    *SHIPMENT_RULES,
)
"""The rules, in the order in which problems of a row are listed."""
