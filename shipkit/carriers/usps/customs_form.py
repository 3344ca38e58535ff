"""The customs form of a label, domestic (military, some territories) and international.

Totals are of a whole line: `itemTotalValue` in USD, `itemTotalWeight` in pounds. Nothing of it was
recorded; it is from the OpenAPI files and USPS's list of errors.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.usps.mail_classes import is_domestic
from shipkit.carriers.usps.parcel_question import needs_form, pounds
from shipkit.models import Address, Customs, CustomsItem, Shipment

__all__ = ["customs_form"]

_CONTENTS: Final = {
    "sale": "MERCHANDISE",
    "gift": "GIFT",
    "sample": "COMMERCIAL_SAMPLE",
    "return": "RETURNED_GOODS",
    "documents": "DOCUMENT",
}
_OTHER: Final = {"repair": "Goods for repair", "intercompany": "Between own companies"}
"""With OTHER, comments of at most 25 characters are required (160018)."""
_NO_FILING: Final = "NO EEI 30.37(a)"
_FILING_FROM: Final = Decimal(2500)
"""USD. From this value on, an export from the US needs a filing (15 CFR 30.37(a))."""
_FIRST_CLASS_TO: Final = Decimal(400)
"""USD, First-Class Package International (160201)."""
_NO_DESCRIPTION: Final = frozenset(
    {"none", "not applicable", "n/a", "null", "gift", "merchandise"}  # 160050
)
_ITEMS: Final = 30
_LENGTH: Final = 30


def customs_form(shipment: Shipment, origin: Address) -> dict[str, Any] | None:
    """Return the form, None where none is needed.

    Raises
    ------
    CarrierRejected
        Something that customs must know is missing, or the parcels cannot have one form each.
    """
    customs, to = shipment.customs, shipment.ship_to
    abroad = not is_domestic(to)
    if customs is None or not customs.items:
        if not abroad and not needs_form(to):
            return None
        raise refuse(
            "customs.items",
            f"mail to {to.country if abroad else to.state or to.country} needs a customs form: a "
            "line per item.",
            "Map description, quantity and price of the goods."
            if abroad
            else "Give customs.items (description, quantity, unit_value, weight_lb) in a template.",
        )
    if len(shipment.parcels) > 1:
        raise refuse(
            "parcels",
            "USPS sells one label for each parcel, with a customs form of its own, and it is not "
            "known what is in which parcel.",
            "Ship each parcel as an order of its own.",
        )
    _demand_values(shipment, customs, abroad=abroad)
    contents, comments = _contents(customs)
    form: dict[str, Any] = {
        "customsContentType": contents,
        "contents": _items(shipment, customs, abroad=abroad),
    }
    if comments:
        form["contentComments"] = comments
    if abroad:
        form["AESITN"] = _NO_FILING
    if customs.invoice_number:
        form["invoiceNumber"] = customs.invoice_number[:15]
    _demand_terms(customs, abroad=abroad)
    if abroad and not (origin.company or origin.name):
        raise refuse("ship_from.name", "customs needs who sends it.", "Give the shipper's name.")
    return form


def _demand_values(shipment: Shipment, customs: Customs, *, abroad: bool) -> None:
    """Refuse goods of a value that cannot be declared."""
    if any(item.unit_value.currency != "USD" for item in customs.items):
        raise refuse("customs.items", "values are in USD at USPS.", "Give them in USD.")
    total = customs.value.amount if customs.value else Decimal(0)
    if abroad and total >= _FILING_FROM:
        raise refuse(
            "customs.items",
            f"goods of ${total:,.2f} need an export filing (ITN), which shipkit does not ask for.",
            "Ship this row with USPS's own tools, with the ITN.",
        )
    if shipment.service == "first_class_package_international" and total > _FIRST_CLASS_TO:
        raise refuse(
            "customs.items",
            f"First-Class Package International takes goods of at most ${_FIRST_CLASS_TO}, not "
            f"${total:,.2f}.",
            "Choose priority_international.",
        )


def _demand_terms(customs: Customs, *, abroad: bool) -> None:
    """Refuse who pays duties where USPS cannot do it."""
    payer = customs.duties_payer.strip().lower()
    if abroad and payer not in ("", "receiver"):
        raise refuse(
            "customs.duties_payer",
            f"{customs.duties_payer!r} cannot pay the duties: prepaid duties are not supported.",
            "Use receiver.",
        )
    if abroad and (customs.terms or "").strip().upper() not in ("", "DAP", "DDU", "DAT"):
        raise refuse(
            "customs.terms",
            f"USPS has no terms of shipment, and {customs.terms!r} would not be met.",
            "Leave the terms out.",
        )


def _contents(customs: Customs) -> tuple[str, str]:
    reason = customs.reason.strip().lower()
    if reason in _OTHER:
        return "OTHER", _OTHER[reason]
    if reason not in _CONTENTS:
        raise refuse(
            "customs.reason",
            f"{customs.reason!r} is not one of the reasons for export.",
            f"Use one of {', '.join([*_CONTENTS, *_OTHER])}.",
        )
    return _CONTENTS[reason], ""


def _items(shipment: Shipment, customs: Customs, *, abroad: bool) -> list[dict[str, Any]]:
    if len(customs.items) > _ITEMS:
        raise refuse(
            "customs.items",
            f"a form of USPS has at most {_ITEMS} lines, not {len(customs.items)}.",
            "Join lines, or split the order.",
        )
    parcel = pounds(shipment.parcels[0])
    known = [item.weight_lb for item in customs.items]
    if any(weight is None for weight in known) and len(known) > 1:
        raise refuse(
            "customs.items[].weight_lb",
            "USPS needs the weight of each item.",
            "Map the weights of the order's lines.",
        )
    weights = [
        parcel if weight is None else Decimal(str(weight)) * item.quantity
        for weight, item in zip(known, customs.items, strict=True)
    ]
    if sum(weights) > parcel + Decimal("0.01"):
        raise refuse(
            "customs.items[].weight_lb",
            f"the items weigh {sum(weights):.2f} lb, more than their parcel ({parcel:.2f} lb).",
            "Correct the weights: USPS refuses it (160021).",
        )
    return [
        _item(item, place, weight, abroad=abroad)
        for place, (item, weight) in enumerate(zip(customs.items, weights, strict=True))
    ]


def _item(item: CustomsItem, place: int, weight: Decimal, *, abroad: bool) -> dict[str, Any]:
    field = f"customs.items[{place}]"
    value = item.value.amount
    text = " ".join(item.description.split())
    if not text or text.lower() in _NO_DESCRIPTION:
        raise refuse(f"{field}.description", "customs needs what it is.", "Describe the goods.")
    if value <= 0:
        raise refuse(f"{field}.unit_value", "customs needs a value above 0.", "Give its value.")
    if abroad and not item.origin_country:
        raise refuse(
            f"{field}.origin_country",
            "customs needs the country where the item was made.",
            'Map it, or give one for all: defaults={"origin_country": "US"}.',
        )
    # Down, because together they must not exceed the parcel.
    down = max(weight.quantize(Decimal("0.001"), ROUND_FLOOR), Decimal("0.001"))
    found: dict[str, Any] = {
        "itemDescription": text[:_LENGTH],
        "itemQuantity": item.quantity,
        "itemTotalValue": float(value.quantize(Decimal("0.01"))),
        "itemTotalWeight": float(down),
        "weightUOM": "lb",
    }
    if item.origin_country:
        found["countryofOrigin"] = item.origin_country
    code = "".join(letter for letter in item.hs_code or "" if letter.isalnum())
    if code:
        if not 6 <= len(code) <= 14:
            raise refuse(
                f"{field}.hs_code", "it has 6 to 14 digits at USPS.", "Correct it or leave it out."
            )
        found["HSTariffNumber"] = code
    return found
