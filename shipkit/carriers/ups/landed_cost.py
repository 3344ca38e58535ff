"""What customs would take of a shipment: UPS's Landed Cost API, a question that buys nothing.

The file declares ``totalDutyAndTax`` and its own example has ``totalDutyandTax``, so names are read
whatever their case. Amounts are JSON numbers; the text of a number is exact to its digits.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.ups.json_values import Unreadable, at, listed, number_of, text_of
from shipkit.carriers.ups.route import Route
from shipkit.carriers.ups.text import clean, cut
from shipkit.carriers.ups.wire import Request
from shipkit.models import LandedCost, Money, Shipment

__all__ = ["landed_cost", "landed_cost_of"]

_MOST_ITEMS: Final = 99  # LandedCost.yaml, shipmentItems
_KINDS: Final = {"gift": "GIFT", "sample": "SAMPLE", "return": "RETURN", "repair": "REPAIR"}


def landed_cost(shipment: Shipment, route: Route, *, date: dt.date, transaction: str) -> Request:
    """Return the question what duties and taxes a shipment would cost.

    Raises
    ------
    CarrierRejected
        No customs border is crossed, or the goods are not known.
    """
    customs = shipment.customs
    if not route.crosses_customs:
        raise refuse(
            "ship_to.country",
            f"no customs border is crossed from {route.pair[0]} to {route.pair[1]}.",
            "There are no duties to ask about.",
        )
    items = customs.items if customs else ()
    if not items or len({item.unit_value.currency for item in items}) > 1:
        raise refuse(
            "customs.items",
            "duties depend on the goods: items with values in one currency.",
            "Map description, quantity, value and country of origin of the order's lines.",
        )
    if len(items) > _MOST_ITEMS:
        raise refuse("customs.items", f"UPS takes at most {_MOST_ITEMS} items.", "Combine lines.")
    for n, item in enumerate(items):
        if not item.origin_country:
            raise refuse(
                f"customs.items[{n}].origin_country",
                "duties depend on the country where the item was made.",
                'Map it, or give one for all: defaults={"origin_country": "US"}.',
            )
    currency = items[0].unit_value.currency
    asked: dict[str, Any] = {
        "id": "1",
        "importCountryCode": route.pair[1],
        "exportCountryCode": route.pair[0],
        "shipDate": date.isoformat(),
        "shipmentType": _KINDS.get(customs.reason if customs else "", "SALE"),
        "shipmentItems": [
            {
                "commodityId": str(n),
                "priceEach": float(item.unit_value.amount),
                "commodityCurrencyCode": currency,
                "quantity": item.quantity,
                "UOM": "Each",
                "originCountryCode": item.origin_country,
                "description": cut(clean(item.description), 150),
                **({"hsCode": code} if (code := re.sub(r"[^0-9]", "", item.hs_code or "")) else {}),
            }
            for n, item in enumerate(items, start=1)
        ],
    }
    if route.destination.state and route.pair[1] in {"CA", "MX"}:
        asked["importProvince"] = route.destination.state
    body = {
        "currencyCode": currency,
        "transID": transaction,
        "allowPartialLandedCostResult": True,
        "alversion": 0,
        "shipment": asked,
    }
    return Request(
        "POST", "/api/landedcost/v1/quotes", body, headers=(("AccountNumber", route.account),)
    )


def landed_cost_of(body: Any) -> LandedCost:
    """Return what an answer says that customs would take."""
    shipment = at(body, "shipment")
    if not isinstance(shipment, dict):
        raise Unreadable("no shipment in the answer")
    values = {name.lower(): value for name, value in shipment.items()}
    currency = text_of(values.get("currencycode")).upper()
    if not re.fullmatch("[A-Z]{3}", currency):
        raise Unreadable("no currency in the answer")

    def cents(name: str) -> int | None:
        amount = number_of(values.get(name.lower()))
        if amount is not None and amount < 0:
            raise Unreadable(f"a negative {name}")
        return None if amount is None else Money(amount=amount, currency=currency).cents

    total = cents("grandTotal")
    if total is None:
        raise Unreadable("no total in the answer")
    duties, fees = cents("totalDuties"), cents("totalBrokerageFees")
    taxes = [cents(name) for name in _TAXES]
    unknown = [
        text_of(item.get("hsCode")) or text_of(item.get("commodityId"))
        for item in listed(values.get("shipmentitems"))
        if str(item.get("isCalculable")).strip().lower() in ("false", "n", "no", "0")
    ]
    said = [f"UPS cannot tell the duties of item {item}" for item in unknown]
    parts = (duties, None if None in taxes else sum(filter(None, taxes)), fees)
    if None not in parts and abs(sum(filter(None, parts)) - total) > len(_TAXES):
        # Each is rounded to a cent, or to a whole unit of the currency.
        said.append("the parts of UPS's answer do not add up to its total, and are left out")
        parts = (None, None, None)
    duties, sum_of_taxes, fees = parts
    return LandedCost(
        currency=currency,
        total_cents=total,
        duties_cents=duties,
        taxes_cents=sum_of_taxes,
        fees_cents=fees,
        warnings=tuple(said),
    )


_TAXES: Final = ("totalVAT", "totalCommodityLevelTaxesAndFees", "totalShipmentLevelTaxesAndFees")
