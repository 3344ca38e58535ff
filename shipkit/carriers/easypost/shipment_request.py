"""A shipment as EasyPost's JSON. Pure: no clock, no connection.

Weights are ounces and sides inches, with one decimal (docs.easypost.com, Parcels). Unknown fields
are ignored without an error, so nothing is sent that is not in the documents or the recordings, and
what comes back is compared with what was sent (:func:`dropped`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from shipkit.carriers.easypost.catalog import SERVICES, carrier_of, packaging_of
from shipkit.carriers.easypost.customs_info import customs_info, dropped_currency, duty_options
from shipkit.carriers.easypost.shipment_answer import parts_of
from shipkit.carriers.label_letters import letter_notes
from shipkit.carriers.row_refusal import refuse
from shipkit.errors import CarrierRejected
from shipkit.models import Address, LabelFormat, LabelSpec, Parcel, Shipment, Signature

__all__ = [
    "Draft",
    "address_body",
    "day_notes",
    "demand_label_size",
    "demand_row",
    "demand_service",
    "draft",
    "dropped",
    "dropped_options",
    "insured_amount",
    "row_notes",
]

_SIGNATURES: Final = {
    Signature.REQUIRED: "SIGNATURE",
    Signature.ADULT: "ADULT_SIGNATURE",
}
_FORMATS: Final = {LabelFormat.PNG: "PNG", LabelFormat.PDF: "PDF", LabelFormat.ZPL: "ZPL"}
_ASKED: Final = {
    "delivery_confirmation": ("signature", "the signature"),
    "saturday_delivery": ("saturday_delivery", "Saturday delivery"),
    "label_date": ("ship_date", "the ship date"),
    "incoterm": ("customs.terms", "the terms of shipment"),
    "duty_payment": ("customs.duties_payer", "who pays the duties"),
}
"""Option -> field of a row and its name: what a row asks for and must be confirmed."""
_USUAL_SIZE: Final = "4x6"
_LARGE_LABELS: Final = frozenset({"fedex", "dhlexpress"})
"""Carriers with labels of 4x8 inches (support.easypost.com, Label Sizes)."""
_DAYS_AHEAD: Final = {"usps": 7, "ups": 7}
"""How far ahead of a purchase a ship date may be, by the carriers' own APIs (domestic-labels.yaml,
mailingDate; Shipping.yaml, ShipmentDate). EasyPost's documents do not say."""
_PRINTED: Final = 3  # options.print_custom_1 to _3
_OUNCES_A_POUND: Final = Decimal(16)


@dataclass(frozen=True)
class Draft:
    """What is asked for one row: a path and a body."""

    path: str
    body: dict[str, Any] = dataclasses.field(repr=False)
    options: dict[str, Any] = dataclasses.field(repr=False)
    """The options of each of its shipments."""

    def named(self, reference: str, label: LabelSpec) -> Draft:
        """Return the draft that is bought: with our reference, and its label's format."""
        own = {
            **self.options,
            "label_format": _FORMATS.get(label.format, "PNG"),
            "label_size": label.size,
        }
        [kind] = self.body
        inside = {**self.body[kind], "reference": reference}
        if kind == "order":
            inside["shipments"] = [
                {**each, "reference": f"{reference}-{i + 1}", "options": own}
                for i, each in enumerate(inside["shipments"])
            ]
        else:
            inside["options"] = own
        return Draft(self.path, {kind: inside}, own)


def draft(
    shipment: Shipment, shipper: Address, *, accounts: Iterable[str] = (), shop: bool = False
) -> Draft:
    """Return the request that creates a shipment, or for several parcels an order.

    Parameters
    ----------
    shop
        Whether services are compared: then that of the shipment does not matter.

    Raises
    ------
    CarrierRejected
        EasyPost cannot do what the row asks for.
    """
    demand_row(shipment, shipper)
    if not shop:
        demand_service(shipment, shipment.service)
    service = None if shop else shipment.service
    origin = shipment.ship_from or shipper
    options = _options(shipment, origin)
    whole: dict[str, Any] = {
        "to_address": address_body(shipment.ship_to),
        "from_address": address_body(origin),
        "is_return": shipment.is_return,
    }
    if ids := list(accounts):
        whole["carrier_accounts"] = [{"id": each} for each in ids]
    customs = customs_info(shipment, origin)
    parts: list[dict[str, Any]] = [
        {"parcel": _parcel(parcel, service, place), "options": options}
        for place, parcel in enumerate(shipment.parcels)
    ]
    if len(parts) == 1:
        if ids:
            whole["carrier_accounts"] = ids
        if customs is not None:
            whole["customs_info"] = customs
        return Draft("/shipments", {"shipment": {**whole, **parts[0]}}, options)
    if customs is not None:  # of each shipment, not of the order (docs.easypost.com, Orders)
        parts = [{**part, "customs_info": customs} for part in parts]
    return Draft("/orders", {"order": {**whole, "shipments": parts}}, options)


def address_body(address: Address) -> dict[str, Any]:
    """Return an address. EasyPost has two street lines; further ones are joined to the second."""
    further = ", ".join(address.lines[1:])
    found: dict[str, Any] = {
        "name": address.name,
        "company": address.company,
        "street1": address.lines[0] if address.lines else None,
        "street2": further or None,
        "city": address.city,
        "state": address.state,
        "zip": address.postal_code,
        "country": address.country,
        "phone": address.phone,
        "email": address.email,
        "residential": address.residential,
    }
    return {name: value for name, value in found.items() if value is not None}


def insured_amount(shipment: Shipment, *, off: bool) -> str | None:
    """Return what is insured: the declared value; ``"0"`` for nothing; None: as the account does.

    Raises
    ------
    CarrierRejected
        It cannot be insured.
    """
    declared = [parcel.declared_value for parcel in shipment.parcels]
    values = [value for value in declared if value is not None and value.amount > 0]
    if not values:
        # The purchase of an order has no field for insurance: the account's own stays.
        return "0" if off and len(shipment.parcels) == 1 else None
    if len(shipment.parcels) > 1:
        raise refuse(
            "parcels[0].declared_value",
            "an order of several parcels cannot be insured in one purchase.",
            "Ship each parcel in a row of its own, or leave the declared value out.",
        )
    if values[0].currency != "USD":
        raise refuse(
            "parcels[0].declared_value",
            f"EasyPost insures in USD, not in {values[0].currency}.",
            "Give the value in USD.",
        )
    return f"{values[0].amount:.2f}"


def demand_label_size(service: str, label: LabelSpec) -> None:
    """Raise CarrierRejected when the carrier of a service prints no labels of this size."""
    carrier = carrier_of(service)
    if label.size != _USUAL_SIZE and carrier not in _LARGE_LABELS:
        raise refuse(
            "label_size",
            f"{carrier.upper()} has no labels of {label.size} inches at EasyPost.",
            f"Use {_USUAL_SIZE}, the default.",
        )


def dropped(asked: Draft, answer: Mapping[str, Any]) -> CarrierRejected | None:
    """Return why a row must wait: a shipment of the answer is not what was asked for.

    An order has no options of its own: those of each of its shipments count.
    """
    [inside] = asked.body.values()
    parts = parts_of(answer)
    return next(
        filter(None, (dropped_options(asked.options, part) for part in parts)), None
    ) or dropped_currency(inside.get("customs_info"), parts)


def dropped_options(sent: dict[str, Any], answer: Any) -> CarrierRejected | None:
    """Return why a row must wait: what it asks for is not in the options of the answer.

    EasyPost ignores what it does not know, without an error.
    """
    known = answer.get("options") if isinstance(answer, dict) else None
    for name, (field, what) in _ASKED.items():
        if name in sent and not _echoed(sent[name], (known or {}).get(name)):
            return refuse(
                field,
                f"EasyPost did not take {what} over ({name} is not in its answer).",
                "Choose another service, or ship without it.",
            )
    return None


def _echoed(sent: Any, back: Any) -> bool:
    if back is None or back is False:
        return False
    # A date comes back as a time, and EasyPost adds to objects.
    return not isinstance(sent, str) or str(back).upper().startswith(sent.upper())


def demand_row(shipment: Shipment, shipper: Address) -> None:
    """Refuse a row that EasyPost sells by no service."""
    if not shipment.ship_to.lines or not (shipment.ship_from or shipper).lines:
        raise refuse("ship_to.address_line1", "the street is missing.", "Fill it in.")
    most = int(SERVICES.limits.parcels or 1)
    if len(shipment.parcels) > most:
        raise refuse("parcels", f"an order has at most {most} parcels.", "Split the row.")
    _printed(shipment)


def demand_service(shipment: Shipment, code: str) -> None:
    """Refuse a service that does not have what the row asks for.

    It depends on Saturday delivery and on the parcels, which are in what EasyPost is asked.
    """
    carrier = carrier_of(code)
    entry = SERVICES.entry(code) if code in SERVICES else None
    if shipment.saturday_delivery and entry is not None and not entry.facts.get("saturday"):
        raise refuse(
            "saturday_delivery",
            f"{entry.title} has no Saturday delivery to ask for.",
            "Choose another service, or leave it out.",
        )
    for place, parcel in enumerate(shipment.parcels):
        _packaging(parcel, code, place)
    if len(shipment.parcels) > 1 and carrier == "usps":
        # docs.easypost.com, Orders, lists the carriers that sell them, without USPS. Test mode
        # sells USPS orders (recorded 11 times), so a test would not show it.
        raise refuse(
            "parcels",
            "USPS has no shipments of several parcels; EasyPost sells them by UPS, FedEx and DHL.",
            "Ship each parcel in a row of its own, or choose another carrier.",
        )


def _options(shipment: Shipment, origin: Address) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if shipment.signature in _SIGNATURES:
        found["delivery_confirmation"] = _SIGNATURES[shipment.signature]
    if shipment.saturday_delivery:
        found["saturday_delivery"] = True
    if shipment.ship_date:
        found["label_date"] = shipment.ship_date.isoformat()
    for place, text in enumerate(_printed(shipment), start=1):
        found[f"print_custom_{place}"] = text
    return found | duty_options(shipment, origin)


def _printed(shipment: Shipment) -> list[str]:
    """Return the references of the label: the user's, and the order number where there is room."""
    asked = [" ".join(text.split()) for _, text in shipment.user_references]
    texts = list(dict.fromkeys(text for text in asked if text))
    if len(texts) > _PRINTED:
        raise refuse(
            "references",
            f"EasyPost prints {_PRINTED} references, and this row has {len(texts)}.",
            "Map fewer references.",
        )
    order = _order_number(shipment)
    return list(dict.fromkeys([*texts, *([order] if order else [])]))[:_PRINTED]


def row_notes(shipment: Shipment) -> tuple[str, ...]:
    """Return what a row has and EasyPost is not sent: its price may be that of another row."""
    found = []
    if shipment.itn and not (shipment.customs and shipment.customs.items):
        found.append("itn is not sent: there are no customs items")
    order = _order_number(shipment)
    if order and order not in _printed(shipment):
        found.append("the order number is not on the label: your references take its place")
    return (*found, *letter_notes(shipment))


def day_notes(shipment: Shipment, code: str, today: dt.date) -> tuple[str, ...]:
    """Return what to know of a ship date that the carrier of a service may not take yet."""
    carrier = carrier_of(code)
    days = _DAYS_AHEAD.get(carrier)
    if days is None or shipment.ship_date is None:
        return ()
    first = shipment.ship_date - dt.timedelta(days=days)
    if today >= first:
        return ()
    text = f"{carrier.upper()} makes labels at most {days} days ahead"
    return (f"{text}: a purchase before {first} may be refused",)


def _order_number(shipment: Shipment) -> str:
    return " ".join((shipment.order_id or "").split())


def _packaging(parcel: Parcel, service: str | None, place: int) -> str:
    name = packaging_of(service, parcel.packaging)
    if name is None:
        whose = carrier_of(service).upper() if service else "a carrier"
        raise refuse(
            f"parcels[{place}].packaging",
            f"{parcel.packaging!r} is no packaging of {whose} at EasyPost.",
            'Use "package" for your own box, or a name such as "Small Flat Rate Box".',
        )
    return name


def _parcel(parcel: Parcel, service: str | None, place: int) -> dict[str, Any]:
    found: dict[str, Any] = {"weight": _ounces(parcel.weight_lb)}
    if name := _packaging(parcel, service, place):
        return {**found, "predefined_package": name}
    sides = (parcel.length_in, parcel.width_in, parcel.height_in)
    if all(sides):
        for label, side in zip(("length", "width", "height"), sides, strict=True):
            found[label] = _tenths(Decimal(str(side)))
    return found


def _ounces(pounds: float) -> float:
    """Return a weight in ounces, up to the next tenth: a lighter one would be charged later."""
    return _tenths(Decimal(str(pounds)) * _OUNCES_A_POUND)


def _tenths(value: Decimal) -> float:
    # To a thousandth first, so that 0.9625 lb, which is 15.4 oz, is not 15.5 oz.
    near = value.quantize(Decimal("0.001"))
    up = float(max(near, Decimal("0.1")).quantize(Decimal("0.1"), ROUND_CEILING))
    return up if math.isfinite(up) else 0.0
