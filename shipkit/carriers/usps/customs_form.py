"""The customs form of a label, domestic (military, some territories) and international.

Totals are of a whole line: `itemTotalValue` in USD, `itemTotalWeight` in pounds. Nothing of it was
recorded; it is from the OpenAPI files and USPS's list of errors.
"""

from __future__ import annotations

import textwrap
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

from shipkit.carriers.export_filing import Filing, demand_filing, filing_of
from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.usps.mail_classes import is_domestic
from shipkit.carriers.usps.parcel_question import needs_form, pounds
from shipkit.common.us_areas import customs_area
from shipkit.models import Address, Customs, CustomsItem, Shipment

__all__ = ["customs_form", "form_notes", "goes_with_form"]

_CONTENTS: Final = {
    "sale": "MERCHANDISE",
    "gift": "GIFT",
    "sample": "COMMERCIAL_SAMPLE",
    "return": "RETURNED_GOODS",
    "documents": "DOCUMENT",
}
_OTHER: Final = {"repair": "Goods for repair", "intercompany": "Between own companies"}
"""With OTHER, comments of at most 25 characters are required (160018)."""
_SMALL: Final = "30.37(a)"
"""The exemption of goods of a small value."""
_FIRST_CLASS_TO: Final = Decimal(400)
"""USD, First-Class Package International (160201)."""
_NO_DESCRIPTION: Final = frozenset(
    {"none", "not applicable", "n/a", "null", "gift", "merchandise"}  # 160050
)
_ITEMS: Final = 30
_LENGTH: Final = 30
_INVOICE: Final = 15
_MOST_PIECES: Final = 9_999
_MOST_VALUE: Final = Decimal("999999.99")
"""InternationalCustomsForm: lines, characters of a description and of an invoice number, and what
one line holds."""


def customs_form(shipment: Shipment, origin: Address) -> dict[str, Any] | None:
    """Return the form, None where none is needed.

    Raises
    ------
    CarrierRejected
        Something that customs must know is missing, or the parcels cannot have one form each.
    """
    customs, to = shipment.customs, shipment.ship_to
    abroad = not is_domestic(to)
    if not goes_with_form(shipment, origin):
        return None
    if customs is None or not customs.items:
        raise refuse(
            "customs.items",
            f"mail to {to.country if abroad else to.state or to.country} needs a customs form: a "
            "line per item.",
            "Map description, quantity and price of the goods.",
        )
    if len(shipment.parcels) > 1:
        raise refuse(
            "parcels",
            "USPS sells one label for each parcel, with a customs form of its own, and it is not "
            "known what is in which parcel.",
            "Ship each parcel as an order of its own.",
        )
    _demand_values(shipment, customs, origin)
    contents, comments = _contents(customs)
    form: dict[str, Any] = {
        "customsContentType": contents,
        "contents": _items(shipment, customs, abroad=abroad),
    }
    if comments:
        form["contentComments"] = comments
    filing = filing_of(shipment)
    if abroad or filing:
        form["AESITN"] = (filing or Filing(exemption=_SMALL)).cited("NO EEI")
    if number := _invoice_number(shipment, customs):
        form["invoiceNumber"] = number
    _demand_terms(customs, abroad=abroad)
    if abroad and not (origin.company or origin.name):
        raise refuse("ship_from.name", "customs needs who sends it.", "Give the shipper's name.")
    return form


def goes_with_form(shipment: Shipment, origin: Address) -> bool:
    """Return whether a label has a customs form.

    Whether USPS needs one to the Virgin Islands is not known: there it has one where the row has
    customs items. Between other places in the US it has none, whatever the row has.
    """
    to = shipment.ship_to
    if not is_domestic(to) or needs_form(to, origin):
        return True
    ends = [customs_area(a.country, a.state, a.postal_code) for a in (to, origin)]
    return ends[0] != ends[1] and bool(shipment.customs and shipment.customs.items)


def form_notes(shipment: Shipment, origin: Address) -> list[str]:
    """Return what a form does not say of what the row says."""
    customs = shipment.customs
    if customs is None or not customs.items or not goes_with_form(shipment, origin):
        found = ["itn is not sent: there is no customs form"] if shipment.itn else []
        if customs is not None and customs.items:
            found.append("customs items are not sent: mail between these places needs no form")
        return found
    long = [text for item in customs.items if len(text := _described(item)) > _LENGTH]
    found = [
        f"customs prints {_LENGTH} characters of a description: "
        f"{textwrap.wrap(text, _LENGTH)[0]!r} is what it has of {text!r}"
        for text in long[:1]
    ]
    if len(long) > 1:
        found.append(f"{len(long) - 1} more descriptions are longer than customs prints")
    if not all(item.hs_code for item in customs.items):
        found.append(
            "an item has no HS code: USPS looks one up, which takes longer, or refuses the label"
        )
    if customs.invoice_number and not _invoice_number(shipment, customs):
        found.append(
            f"the order number is longer than the {_INVOICE} characters of an invoice number, and "
            "is not on the customs form"
        )
    return found


def _described(item: CustomsItem) -> str:
    return " ".join(item.description.split())


def _invoice_number(shipment: Shipment, customs: Customs) -> str:
    """Return the number of the invoice. None is cut: a part of a number is another number.

    Raises
    ------
    CarrierRejected
        One that a person gave is too long. The order's own, which is there without being asked
        for, is left out instead.
    """
    number = " ".join((customs.invoice_number or "").split())
    if len(number) <= _INVOICE:
        return number
    if number == " ".join((shipment.order_id or "").split()):
        return ""
    raise refuse(
        "customs.invoice_number",
        f"USPS takes at most {_INVOICE} characters, and it has {len(number)}.",
        "Shorten it, or leave it out.",
    )


def _demand_values(shipment: Shipment, customs: Customs, origin: Address) -> None:
    """Refuse goods of a value that cannot be declared."""
    if any(item.unit_value.currency != "USD" for item in customs.items):
        raise refuse("customs.items", "values are in USD at USPS.", "Give them in USD.")
    total = customs.value.amount if customs.value else Decimal(0)
    demand_filing(shipment, origin)
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
    text = _described(item)
    if not text or text.lower() in _NO_DESCRIPTION:
        raise refuse(f"{field}.description", "customs needs what it is.", "Describe the goods.")
    if value <= 0:
        raise refuse(f"{field}.unit_value", "customs needs a value above 0.", "Give its value.")
    if item.quantity > _MOST_PIECES or value > _MOST_VALUE:
        raise refuse(
            field,
            f"a line of USPS's form has at most {_MOST_PIECES:,} pieces and ${_MOST_VALUE:,}.",
            "Split the line.",
        )
    if abroad and not item.origin_country:
        raise refuse(
            f"{field}.origin_country",
            "customs needs the country where the item was made.",
            'Map it, or give one for all: defaults={"origin_country": "US"}.',
        )
    # Down, because together they must not exceed the parcel.
    down = max(weight.quantize(Decimal("0.001"), ROUND_FLOOR), Decimal("0.001"))
    found: dict[str, Any] = {
        "itemDescription": textwrap.wrap(text, _LENGTH)[0],
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
