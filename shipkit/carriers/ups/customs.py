"""What customs needs: the commercial invoice (InternationalForms) and the total of its lines."""

from __future__ import annotations

import datetime as dt
import re
import textwrap
from decimal import Decimal
from typing import Any

from shipkit.carriers.export_filing import filing_of
from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.ups.codes import EXPORT_REASONS
from shipkit.carriers.ups.route import Route, latin
from shipkit.carriers.ups.text import clean, cut
from shipkit.models import Customs, CustomsItem, Money, Shipment

__all__ = ["cut_notes", "international_forms", "invoice_line_total", "rated_value"]

_TERMS = frozenset(
    {"CFR", "CIF", "CIP", "CPT", "DAF", "DAP", "DDP", "DEQ", "DES", "EXW", "FAS", "FCA", "FOB"}
)
_LINE = 35  # of a description and a name, the whole of an invoice number and of a part number
_TOTAL_WANTED = frozenset({("US", "CA"), ("US", "PR")})
_DESCRIPTION_LINES = 3  # Shipping.yaml, Product.Description: three lines
_LEAST_TOTAL = Decimal(1)  # Shipping.yaml, InvoiceLineTotal.MonetaryValue: 1 to 99999999
_MAX_ITEMS = 50  # Shipping.yaml, InternationalForms.Product
_INVOICE, _PARTIAL_INVOICE = "01", "05"  # InternationalForms.FormType; 05 for returns


def international_forms(
    route: Route, shipment: Shipment, reference: str, date: dt.date
) -> dict[str, Any]:
    """Return the commercial invoice.

    Raises
    ------
    CarrierRejected
        Something that customs must know is missing.
    """
    customs = _customs_of(route, shipment)
    buyer = route.destination
    forms: dict[str, Any] = {
        "FormType": [_PARTIAL_INVOICE if shipment.is_return else _INVOICE],
        "InvoiceNumber": latin(
            cut(clean(customs.invoice_number) or clean(shipment.order_id) or reference, 35),
            "customs.invoice_number",
        ),
        "InvoiceDate": f"{date:%Y%m%d}",
        "ReasonForExport": _reason(customs, is_return=shipment.is_return),
        "CurrencyCode": customs.items[0].unit_value.currency,
        "Contacts": {
            "SoldTo": {
                "Name": buyer.name,
                "AttentionName": buyer.contact,
                "Phone": buyer.phone_number(),
                "Address": buyer.address(),
            }
        },
        "Product": [_product(item, i) for i, item in enumerate(customs.items)],
    }
    filing = filing_of(shipment)
    if filing:
        forms["Comments"] = filing.cited()
    terms = (customs.terms or "").strip().upper()
    if terms:
        if terms not in _TERMS:
            raise refuse(
                "customs.terms",
                f"{customs.terms!r} is not one of UPS's terms of shipment.",
                f"Use one of {', '.join(sorted(_TERMS))}.",
            )
        forms["TermsOfShipment"] = terms
    return forms


def invoice_line_total(route: Route, shipment: Shipment) -> dict[str, str] | None:
    """Return the value of the goods, which UPS requires from the US to Canada and Puerto Rico.

    None anywhere else. Without customs items the declared values are used. Without both the
    shipment is refused, because an invented value is a false declaration.
    """
    if route.pair not in _TOTAL_WANTED or shipment.is_return:
        return None
    total = _total(shipment)
    if total is None:
        raise refuse(
            "customs.items",
            f"UPS requires the value of the goods from US to {route.pair[1]}.",
            "Give customs items with values, or a declared value.",
        )
    return total


def rated_value(route: Route, shipment: Shipment) -> dict[str, str] | None:
    """Return the value of goods that leave the country, which Rate requires for transit times.

    None within a country, or when it is not known.
    """
    return None if route.pair[0] == route.pair[1] else _total(shipment)


def _total(shipment: Shipment) -> dict[str, str] | None:
    total = _value_of_goods(shipment)
    if total is None or total.amount <= 0:
        return None
    if total.amount > Decimal(99_999_999):
        raise refuse(
            "customs.items", "the goods are worth more than UPS accepts.", "Split the shipment."
        )
    return {
        "CurrencyCode": total.currency,
        "MonetaryValue": f"{max(total.amount, _LEAST_TOTAL).quantize(Decimal('0.01')):f}",
    }


def _value_of_goods(shipment: Shipment) -> Money | None:
    """Return the value of the customs items, without any that which is declared."""
    declared = [p.declared_value for p in shipment.parcels if p.declared_value]
    try:
        goods = shipment.customs.value if shipment.customs else None
        return goods or (sum(declared[1:], start=declared[0]) if declared else None)
    except ValueError:
        raise refuse(
            "customs.items",
            "the goods of one shipment have a single currency.",
            "Give all values in the same currency.",
        ) from None


def _customs_of(route: Route, shipment: Shipment) -> Customs:
    customs = shipment.customs
    if customs is None or not customs.items:
        raise refuse(
            "customs.items",
            f"goods from {route.pair[0]} to {route.pair[1]} need an invoice with a line per item.",
            "Map description, quantity, value and country of origin of the order's lines "
            "(customs.items).",
        )
    if len(customs.items) > _MAX_ITEMS:
        raise refuse(
            "customs.items",
            f"UPS's invoice has at most {_MAX_ITEMS} lines, not {len(customs.items)}.",
            "Combine lines of the same goods.",
        )
    if len({item.unit_value.currency for item in customs.items}) > 1:
        raise refuse(
            "customs.items",
            "an invoice has a single currency.",
            "Give all values in the same currency.",
        )
    return customs


def _reason(customs: Customs, *, is_return: bool) -> str:
    word = customs.reason.strip().lower()
    # What comes back is not sold once more: "sale" is what customs have where nothing is given.
    reason = EXPORT_REASONS.get("return" if is_return and word == "sale" else word)
    if reason is None:
        raise refuse(
            "customs.reason",
            f"{customs.reason!r} is not one of UPS's reasons for export.",
            f"Use one of {', '.join(EXPORT_REASONS)}.",
        )
    return reason


def _product(item: CustomsItem, index: int) -> dict[str, Any]:
    field = f"customs.items[{index}]"
    description = _described(item, field)[:_DESCRIPTION_LINES]
    if not description:
        raise refuse(
            f"{field}.description",
            "customs needs a description.",
            "State what the item is, in English.",
        )
    if item.unit_value.amount <= 0:
        raise refuse(
            f"{field}.unit_value",
            "customs needs a value greater than 0, for gifts and samples too.",
            "Give what the item is worth.",
        )
    if not item.origin_country:
        raise refuse(
            f"{field}.origin_country",
            "customs needs the country where the item was made.",
            'Map it, or give one for all: defaults={"origin_country": "US"}.',
        )
    product: dict[str, Any] = {
        "Description": description,
        "Unit": {
            "Number": _quantity(item, field),
            "UnitOfMeasurement": {"Code": "PCS"},
            "Value": _value(item, field),
        },
        "OriginCountryCode": item.origin_country,
    }
    code = re.sub(r"[^0-9A-Za-z]", "", item.hs_code or "")
    if code and not 6 <= len(code) <= 15:
        raise refuse(
            f"{field}.hs_code",
            f"{item.hs_code!r} is not a tariff code of 6 to 15 characters.",
            "Correct it, or leave it out.",
        )
    if code:
        product["CommodityCode"] = code
    if clean(item.sku):
        product["PartNumber"] = latin(cut(clean(item.sku), 35), f"{field}.sku")
    return product


def _described(item: CustomsItem, field: str) -> list[str]:
    """Return the lines of a description; UPS takes the first three."""
    return textwrap.wrap(latin(clean(item.description), f"{field}.description"), _LINE)


def cut_notes(route: Route, shipment: Shipment) -> tuple[str, ...]:
    """Return which texts are longer than what UPS takes of them, and are cut, not refused.

    With them, a total of goods that is below UPS's least.
    """
    texts = [("description", shipment.description, 50)]
    texts += [
        (f"parcels[{n}].description", parcel.description, _LINE)
        for n, parcel in enumerate(shipment.parcels)
    ]
    if (own := shipment.ship_from) is not None:
        texts += [("ship_from.company", own.company, _LINE), ("ship_from.name", own.name, _LINE)]
    if shipment.pickup_point is not None:
        texts.append(("access_point_name", shipment.access_point_name, _LINE))
    found = [name for name, text, most in texts if len(clean(text)) > most]
    customs = shipment.customs
    if customs is not None and route.crosses_customs:
        number = clean(customs.invoice_number)
        if len(number or clean(shipment.order_id)) > _LINE:
            found.append("customs.invoice_number" if number else "order_id (on the invoice)")
        for n, item in enumerate(customs.items):
            field = f"customs.items[{n}]"
            if len(_described(item, field)) > _DESCRIPTION_LINES:
                found.append(f"{field}.description")
            if len(clean(item.sku)) > _LINE:
                found.append(f"{field}.sku")
    value = None if shipment.is_return else _value_of_goods(shipment)
    notes = []
    if route.pair in _TOTAL_WANTED and value is not None and 0 < value.amount < _LEAST_TOTAL:
        notes.append(f"the goods are worth {value}, and UPS takes a total of 1 and more: 1 is sent")
    if not found:
        return tuple(notes)
    more = f" and {len(found) - 3} more texts" if len(found) > 3 else ""
    return (f"longer than UPS takes, and cut: {', '.join(found[:3])}{more}", *notes)


def _quantity(item: CustomsItem, field: str) -> str:
    if item.quantity > 9_999_999:
        raise refuse(
            f"{field}.quantity", "UPS accepts at most 9,999,999 pieces per line.", "Split the line."
        )
    return str(item.quantity)


def _value(item: CustomsItem, field: str) -> str:
    text = f"{item.unit_value.amount:f}"
    text = text if "." in text else f"{text}.00"
    if len(text) > 19 or len(text.partition(".")[2]) > 6:
        raise refuse(
            f"{field}.unit_value",
            f"UPS does not accept a value of {item.unit_value}.",
            "Round it to cents.",
        )
    return text
