"""What customs needs, as EasyPost's ``customs_info`` and options.

An item's `value` and `weight` are those of its whole line, the weight in ounces, the value in its
`currency`, which is USD where none is given (docs.easypost.com, Customs Items; the field is in
recorded answers, always empty). No shipment abroad was recorded: all of this is from documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

from shipkit.carriers.export_filing import demand_filing, filing_of
from shipkit.carriers.row_refusal import refuse
from shipkit.common.customs_borders import is_customs_border
from shipkit.common.places import US_DOMAIN
from shipkit.common.us_areas import MILITARY_AREA, customs_area
from shipkit.errors import CarrierRejected
from shipkit.models import Address, Customs, CustomsItem, Shipment

__all__ = ["customs_info", "dropped_currency", "duty_options"]

_CONTENTS: Final = {
    "sale": "merchandise",
    "gift": "gift",
    "sample": "sample",
    "return": "returned_goods",
    "documents": "documents",
}
_OTHER: Final = {"repair": "Goods for repair", "intercompany": "Goods between parts of one company"}
_TERMS: Final = frozenset(
    {"EXW", "FCA", "CPT", "CIP", "DAT", "DAP", "DDP", "FAS", "FOB", "CFR", "CIF"}
)
_NO_FILING: Final = "NOEEI 30.37(a)"
_USUAL: Final = "USD"


def customs_info(shipment: Shipment, origin: Address) -> dict[str, Any] | None:
    """Return the customs data, None where the shipment crosses no border and has none.

    Between two countries of the EU no papers are needed: a carrier that wants them all the same
    says so where it is asked for its price. To and from territories of the US, but for Puerto Rico,
    and at military addresses goods cross customs as well (docs.easypost.com, Customs Infos; USPS
    refuses them without a form: 160120).

    Raises
    ------
    CarrierRejected
        Something that customs must know is missing.
    """
    customs = shipment.customs
    areas = [customs_area(a.country, a.state, a.postal_code) for a in (origin, shipment.ship_to)]
    abroad = areas[0] != areas[1] or MILITARY_AREA in areas
    if abroad and _within_a_union(origin, shipment.ship_to):
        return None
    if customs is None or not customs.items:
        if not abroad:
            return None
        ends = [f"a {area} address" if area == MILITARY_AREA else area for area in areas]
        raise refuse(
            "customs.items",
            f"goods from {ends[0]} to {ends[1]} need a line per item.",
            "Map description, quantity, value, weight and country of origin (customs.items).",
        )
    if len(shipment.parcels) > 1:
        if not abroad:
            return None
        raise refuse(
            "parcels",
            "EasyPost wants customs papers of each parcel, and it is not known what is in which.",
            "Ship each parcel in a row of its own.",
        )
    currency = _currency(customs, origin)
    demand_filing(shipment, origin)
    filing = filing_of(shipment)
    contents, explanation = _contents(customs)
    signer = origin.name or origin.company or ""
    found: dict[str, Any] = {
        "contents_type": contents,
        "restriction_type": "none",
        "customs_certify": True,
        "customs_signer": signer,
        "eel_pfc": filing.cited() if filing else _NO_FILING,
        "customs_items": [
            each if currency == _USUAL else {**each, "currency": currency}
            for each in _items(shipment, customs, abroad=abroad)
        ],
    }
    if explanation:
        found["contents_explanation"] = explanation
    if not signer:
        raise refuse("ship_from.name", "customs needs who signs.", "Give the shipper's name.")
    return found


def _within_a_union(origin: Address, to: Address) -> bool:
    """Return whether no customs border is between two countries outside the US."""
    if {origin.country, to.country} & {*US_DOMAIN}:
        return False
    here, there = (origin.country, origin.postal_code or ""), (to.country, to.postal_code or "")
    return not is_customs_border(here, there)


def _currency(customs: Customs, origin: Address) -> str:
    """Return the currency of all values, which is USD for goods that leave the US.

    There, the papers cite an exemption from filing that holds up to an amount in USD.
    """
    first, *others = dict.fromkeys(item.unit_value.currency for item in customs.items)
    if others:
        raise refuse(
            "customs.items",
            f"the values are in {first} and {', '.join(others)}.",
            "Give all values of a row in one currency.",
        )
    if first != _USUAL and origin.country in US_DOMAIN:
        raise refuse(
            "customs.items",
            f"values of goods that leave the US are in USD, and these are in {first}.",
            "Give them in USD.",
        )
    return first


def dropped_currency(sent: Any, parts: Iterable[Mapping[str, Any]]) -> CarrierRejected | None:
    """Return why a row must wait: the currency of its values is not in the answer.

    Parameters
    ----------
    sent
        The customs data of the request, None where it has none.
    parts
        The shipments of the answer.
    """
    items = sent["customs_items"] if sent else [{}]
    currency = items[0].get("currency", _USUAL)
    if currency == _USUAL:
        return None
    for part in parts:
        taken = (part.get("customs_info") or {}).get("customs_items") or [{}]
        if any(item.get("currency") != currency for item in taken):
            return refuse(
                "customs.items",
                f"EasyPost did not take over that the values are in {currency} (currency is not "
                "in its answer).",
                "Give the values in USD.",
            )
    return None


def duty_options(shipment: Shipment, origin: Address) -> dict[str, Any]:
    """Return the options that say who pays duties."""
    customs = shipment.customs
    if customs is None or shipment.ship_to.country == origin.country:
        return {}
    found: dict[str, Any] = {}
    terms = (customs.terms or "").strip().upper()
    payer = customs.duties_payer.strip().lower()
    if payer not in ("", "receiver", "shipper"):
        raise refuse(
            "customs.duties_payer",
            f"{customs.duties_payer!r} cannot pay the duties here.",
            "Use receiver or shipper.",
        )
    if not terms and payer == "shipper":
        terms = "DDP"
    if terms == "DDP" and payer != "shipper":
        raise refuse(
            "customs.terms",
            "DDP means that the shipper pays the duties, and the receiver pays those of this row.",
            'Have the shipper pay (defaults={"duties_payer": "shipper"}), or use DAP.',
        )
    if terms and terms not in _TERMS:
        raise refuse(
            "customs.terms",
            f"{customs.terms!r} is not one of EasyPost's terms of shipment.",
            f"Use one of {', '.join(sorted(_TERMS))}.",
        )
    if terms:
        found["incoterm"] = terms
    if payer == "shipper":
        found["duty_payment"] = {"type": "SENDER"}
    if customs.invoice_number:
        found["invoice_number"] = customs.invoice_number
    return found


def _contents(customs: Customs) -> tuple[str, str]:
    reason = customs.reason.strip().lower()
    if reason in _OTHER:
        return "other", _OTHER[reason]
    if reason not in _CONTENTS:
        raise refuse(
            "customs.reason",
            f"{customs.reason!r} is not one of the reasons for export.",
            f"Use one of {', '.join([*_CONTENTS, *_OTHER])}.",
        )
    return _CONTENTS[reason], ""


def _items(shipment: Shipment, customs: Customs, *, abroad: bool) -> list[dict[str, Any]]:
    alone = len(customs.items) == 1
    found = []
    for place, item in enumerate(customs.items):
        pounds = item.weight_lb
        if pounds is None and not alone and abroad:
            raise refuse(
                f"customs.items[{place}].weight_lb",
                "EasyPost needs the weight of each item.",
                "Map the weights of the order's lines.",
            )
        total = (
            Decimal(str(shipment.total_weight_lb if pounds is None else pounds))
            * (1 if pounds is None else item.quantity)
            * 16
        )
        found.append(_item(item, place, total, abroad=abroad))
    return found


def _item(item: CustomsItem, place: int, ounces: Decimal, *, abroad: bool) -> dict[str, Any]:
    field = f"customs.items[{place}]"
    value = item.value.amount
    if not item.description.strip():
        raise refuse(f"{field}.description", "customs needs a description.", "Say what it is.")
    if value <= 0:
        raise refuse(f"{field}.unit_value", "customs needs a value above 0.", "Give its value.")
    if abroad and not item.origin_country:
        raise refuse(
            f"{field}.origin_country",
            "customs needs the country where the item was made.",
            'Map it, or give one for all: defaults={"origin_country": "US"}.',
        )
    # Down, because together they must not exceed the parcel, whose weight is rounded up.
    weight = ounces.quantize(Decimal("0.1"), ROUND_FLOOR)
    found: dict[str, Any] = {
        "description": item.description.strip(),
        "quantity": item.quantity,
        "value": float(value.quantize(Decimal("0.01"), ROUND_CEILING)),
        "weight": float(max(weight, Decimal("0.1"))),
    }
    if item.origin_country:
        found["origin_country"] = item.origin_country
    if item.hs_code:
        found["hs_tariff_number"] = item.hs_code
    if item.sku:
        found["code"] = item.sku
    return found
