"""The units in which UPS takes weights and dimensions: those of the shipper's country.

"The unit of measurement must be valid for the Shipper country" (Shipping.yaml,
Package.Dimensions; likewise ShipmentTotalWeight). Pounds and inches from Germany, Mexico or the
United Kingdom were refused in public reports with 111057, 121057 and 110548. Canada takes both, so
it is sent the units of its own people.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Final

__all__ = ["IMPERIAL", "METRIC", "OUNCES", "Measures", "measures_of"]

_IMPERIAL_IN: Final = frozenset({"US", "PR", "VI", "GU", "AS", "MP"})

_KG_PER_LB: Final = Decimal("0.45359237")
_CM_PER_IN: Final = Decimal("2.54")
_LEAST: Final = Decimal("0.1")


@dataclass(frozen=True, eq=False)
class Measures:
    """One system of units, and how a shipment's pounds and inches are written in it.

    A batch has few boxes and many parcels, so what was worked out is kept.
    """

    weight: str
    """UPS's code of the unit of weight."""
    weight_name: str
    length: str
    length_name: str
    per_lb: Decimal
    per_in: Decimal
    weight_digits: int
    """Decimal places that a scale in this unit has: what is finer came from converting."""
    length_digits: int

    @property
    def weight_unit(self) -> dict[str, str]:
        """The unit of weight as Rate and Ship take it."""
        return {"Code": self.weight, "Description": self.weight_name}

    @property
    def length_unit(self) -> dict[str, str]:
        """The unit of length as Rate and Ship take it."""
        return {"Code": self.length, "Description": self.length_name}

    @lru_cache(maxsize=4096)  # noqa: B019 - the three systems are constants
    def weigh(self, weight_lb: float) -> str:
        """Return a weight with one decimal, rounded up.

        The result is never below what the scale showed. It is rounded to what a scale shows
        before it is rounded up, so that 2.5 kg, which plans hold as 5.5116 lb, stays 2.5 kg and
        does not cross a step of the price.

        Examples
        --------
        >>> METRIC.weigh(5.511556), IMPERIAL.weigh(2.31)
        ('2.5', '2.4')
        """
        shown = round(Decimal(str(round(weight_lb, 6))) * self.per_lb, self.weight_digits)
        tenths = max(shown.quantize(_LEAST, ROUND_CEILING), _LEAST)
        return f"{tenths.normalize():f}"

    @lru_cache(maxsize=4096)  # noqa: B019 - the three systems are constants
    def side(self, length_in: float) -> int:
        """Return a side in whole units, rounded up, at least 1."""
        shown = round(Decimal(str(round(length_in, 6))) * self.per_in, self.length_digits)
        return max(int(shown.quantize(Decimal(1), ROUND_CEILING)), 1)


IMPERIAL: Final = Measures("LBS", "Pounds", "IN", "Inches", Decimal(1), Decimal(1), 4, 3)
METRIC: Final = Measures("KGS", "Kilograms", "CM", "Centimeters", _KG_PER_LB, _CM_PER_IN, 3, 2)
OUNCES: Final = Measures("OZS", "Ounces", "IN", "Inches", Decimal(16), Decimal(1), 2, 3)
"""For Ground Saver under a pound: service 92 takes ounces only (node-shipping-ups#10)."""


def measures_of(country: str) -> Measures:
    """Return the units of shipments whose shipper is in `country`."""
    return IMPERIAL if country in _IMPERIAL_IN else METRIC
