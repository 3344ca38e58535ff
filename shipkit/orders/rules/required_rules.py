"""Rules of what every shipment needs: an address, a service, a weight."""

from __future__ import annotations

from typing import Final

from shipkit.orders.rules.rule import missing

__all__ = ["REQUIRED_RULES"]

REQUIRED_RULES: Final = (
    missing("ship_to.name", "coalesce(name, company)", "name or company"),
    missing("ship_to.address_line1", "address_line1", "street"),
    missing("ship_to.city", "city", "city"),
    missing("ship_to.state", "state", "state", when="country IN ('US', 'CA')"),
    missing("ship_to.postal_code", "postal_code", "postal code", when="american OR postal_wanted"),
    missing(
        "service",
        "service",
        "service",
        fix='Fill in the cell, or set one for all: map(service="ground").',
    ),
    missing(
        "parcels[].weight_lb",
        "p.weight_lb",
        "weight",
        when="count > 0",
        fix='Fill in the cell, or set a default: map(defaults={"weight_lb": 2}).',
    ),
)
