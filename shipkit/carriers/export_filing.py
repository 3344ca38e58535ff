"""The export filing of goods that leave the US: an ITN, or the exemption that stands for it.

Goods of more than 2,500 USD of one tariff code are filed in AES before they are shipped, and the
filing has a number, the ITN (15 CFR 30.37(a) has the value, 30.7 the citations).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shipkit.carriers.row_refusal import refuse
from shipkit.models import Shipment

__all__ = ["FILING_VALUE", "Filing", "demand_filing", "filing_of"]

FILING_VALUE: Final = Decimal(2_500)
"""USD. Goods of this value and more need a filing, or the exemption that applies to them."""

_ITN: Final = re.compile(r"X[0-9]{14}")
_EXEMPT: Final = re.compile(
    r"(?:NO ?EEI ?)?(?:§ ?)?(30\.[0-9]{1,2}(?:\([a-z0-9]{1,2}\))*)", re.IGNORECASE
)


@dataclass(frozen=True)
class Filing:
    """What papers say of the filing: one of the two is filled."""

    itn: str = ""
    """``X20261129123456``."""
    exemption: str = ""
    """A section of 15 CFR: ``30.37(a)``."""

    def cited(self, exempt: str = "NOEEI") -> str:
        """Return the citation; `exempt` is how a carrier begins that of an exemption."""
        return f"AES {self.itn}" if self.itn else f"{exempt} {self.exemption}"


def filing_of(shipment: Shipment) -> Filing | None:
    """Return what the row says of its filing, None where it says nothing.

    Raises
    ------
    CarrierRejected
        It is neither an ITN nor an exemption.
    """
    text = " ".join((shipment.itn or "").split()).upper().removeprefix("AES").lstrip(" :")
    if not text:
        return None
    if _ITN.fullmatch(text):
        return Filing(itn=text)
    if exempt := _EXEMPT.fullmatch(text):
        return Filing(exemption=exempt[1].lower())
    raise refuse(
        "itn",
        f"{shipment.itn!r} is not an ITN: X and 14 digits (X20261129123456).",
        "Take it from AESDirect, or give the exemption: NOEEI 30.37(a).",
    )


def demand_filing(shipment: Shipment) -> None:
    """Refuse goods of a value that must be filed, where the row says nothing of a filing."""
    goods = shipment.customs.value if shipment.customs else None
    if goods is not None and goods.amount >= FILING_VALUE and filing_of(shipment) is None:
        raise refuse(
            "itn",
            f"goods of {goods} need an export filing, and the row has no ITN.",
            "Give it (itn), or the exemption: NOEEI 30.36 to Canada, NOEEI 30.37(a) where no goods "
            "of one tariff code are worth more than 2,500 USD.",
        )
