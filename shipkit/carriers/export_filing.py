"""The export filing of goods that leave the US: an ITN, or the exemption that stands for it.

Goods of more than 2,500 USD of one tariff code are filed in AES before they are shipped, and the
filing has a number, the ITN (15 CFR 30.37(a) has the value, 30.7 the citations).
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shipkit.carriers.row_refusal import refuse
from shipkit.common.places import US_DOMAIN
from shipkit.models import Address, Shipment

__all__ = ["Filing", "demand_filing", "filing_of", "goods_to_file", "may_be_filed"]

_FILED_FROM: Final = frozenset({"US", "PR", "VI"})
"""15 CFR 30.2(a)(1)(i). What leaves Guam, American Samoa or the Northern Marianas is not filed."""
_FILED_WITHIN: Final = frozenset({("US", "PR"), ("PR", "US"), ("US", "VI"), ("PR", "VI")})
"""15 CFR 30.2(a)(1)(ii): what goes from the US Virgin Islands to the US is not filed."""
_CANADA: Final = "CA"
"""15 CFR 30.36: goods that are used there and need no licence are exempt, whatever their value."""
_UNFILED_TO: Final = Decimal(2_500)
"""USD, of the goods of one tariff code: what is worth more needs a filing (15 CFR 30.37(a))."""

_COMMON: Final = 6
"""Digits of a tariff code that all countries share; files seldom have all ten of Schedule B."""
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


def may_be_filed(origin: str, destination: str) -> bool:
    """Return whether goods of a high value are filed on the way between two countries.

    Both as countries of their own: ``PR``, not a state of the US.

    Examples
    --------
    >>> may_be_filed("US", "DE"), may_be_filed("US", "PR"), may_be_filed("US", "GU")
    (True, True, False)
    >>> may_be_filed("US", "CA"), may_be_filed("VI", "US"), may_be_filed("DE", "US")
    (False, False, False)
    """
    if origin not in _FILED_FROM or destination == _CANADA:
        return False
    return destination not in US_DOMAIN or (origin, destination) in _FILED_WITHIN


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


def goods_to_file(shipment: Shipment) -> str:
    """Return the first goods of one tariff code that are worth more than may go unfiled, or "".

    Goods whose codes begin alike may be of one code, and so may all goods without one: what is not
    known is not taken for exempt. Values in another currency than USD are left out.
    """
    worth: dict[str, Decimal] = defaultdict(Decimal)
    names: dict[str, str] = {}
    for item in shipment.customs.items if shipment.customs else ():
        if item.unit_value.currency == "USD":
            code = re.sub(r"[^0-9]", "", item.hs_code or "")[:_COMMON]
            worth[code] += item.value.amount
            names.setdefault(code, code or " ".join(item.description.split()))
    return next((names[code] for code, value in worth.items() if value > _UNFILED_TO), "")


def demand_filing(shipment: Shipment, origin: Address) -> None:
    """Refuse goods of a value that must be filed, where the row says nothing of a filing.

    For papers that cite the filing or an exemption. To Canada they cite another exemption than
    that of small values, which is true of goods that are used there: a person says so.
    """
    start, end = _area(origin), _area(shipment.ship_to)
    if shipment.is_return:
        start, end = end, start
    canada = start in _FILED_FROM and end == _CANADA
    goods = goods_to_file(shipment) if canada or may_be_filed(start, end) else ""
    if not goods or filing_of(shipment) is not None:
        return
    if canada:
        raise refuse(
            "itn",
            f"{goods} is worth more than {_UNFILED_TO:,} USD, and the row does not say by which "
            "exemption it goes to Canada unfiled.",
            "Give it (itn): NOEEI 30.36 for goods that are used in Canada and need no licence; "
            "otherwise the ITN.",
        )
    raise refuse(
        "itn",
        f"{goods} is worth more than {_UNFILED_TO:,} USD: the export must be filed (EEI), and "
        "the row has no ITN.",
        "Give it (itn), or the exemption that applies: NOEEI and its section.",
    )


def _area(address: Address) -> str:
    """Return the country; a territory that is written as a state of the US is one."""
    state = " ".join((address.state or "").replace(".", "").split()).upper()
    return state if address.country == "US" and state in US_DOMAIN else address.country
