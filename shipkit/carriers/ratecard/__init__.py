"""Rate cards: zones, prices by weight, and surcharges.

:meth:`RateCard.quote` prices one shipment in plain Python (:mod:`shipkit.carriers.ratecard.one`),
:meth:`RateCard.quote_table` a whole shipments table in one SQL statement
(:mod:`shipkit.carriers.ratecard.price_sql`); the two agree to the cent. Amounts are whole minor
units; percentages are exact and rounded half up.
"""

from __future__ import annotations

from shipkit.carriers.ratecard.card import RateCard
from shipkit.carriers.ratecard.card_parts import (
    CARD_SERVICES,
    CARRIERS,
    OUNCES,
    PARTS,
    PRICED,
    RATES,
    TRANSIT,
    ZONES,
    DimDivisor,
    Discount,
    Surcharge,
    TableZones,
    ZoneChart,
    ppm,
    share,
)

__all__ = [
    "CARD_SERVICES",
    "CARRIERS",
    "OUNCES",
    "PARTS",
    "PRICED",
    "RATES",
    "TRANSIT",
    "ZONES",
    "DimDivisor",
    "Discount",
    "RateCard",
    "Surcharge",
    "TableZones",
    "ZoneChart",
    "ppm",
    "share",
]
