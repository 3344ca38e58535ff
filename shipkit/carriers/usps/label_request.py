"""The request for one label, as the very bytes that are sent. Pure: no clock, no connection.

Nothing is sent that is not in USPS's OpenAPI files (domestic-labels.yaml 3.9.13,
international-labels.yaml 3.3.7). The bytes follow from the row, the shipper, the label and the
chosen product alone, so a repeat can be made again, and is compared by its digest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import orjson

from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.usps.customs_form import customs_form, goes_with_form
from shipkit.carriers.usps.mail_classes import SERVICES, country_name, is_domestic, state_of
from shipkit.carriers.usps.parcel_question import extras_of, insured_value, pounds, sides_of, zip5
from shipkit.models import NUMBERED_REFERENCES, Address, LabelFormat, LabelSpec, Parcel, Shipment

__all__ = [
    "Product",
    "check",
    "domestic_address",
    "image_info",
    "label_bytes",
    "reference_notes",
]

_IMAGES: Final = {
    LabelFormat.PDF: "PDF",
    LabelFormat.ZPL: "ZPL203DPI",
    LabelFormat.PNG: "PNG",
    LabelFormat.GIF: "GIF",
}
_WITH_FORM: Final = frozenset({LabelFormat.PDF, LabelFormat.ZPL})
"""With a customs form only PDF, TIFF and ZPL (160024); a picture is made of the PDF here."""
_EMAIL: Final = re.compile(
    r"[a-zA-Z0-9_+&*-]+(?:\.[a-zA-Z0-9_+&*-]+)*@(?:[a-zA-Z0-9-]+\.)+[a-zA-Z]{2,}"
)
_TEXT: Final = 50
_CITY: Final = 28
_FOREIGN_CODE: Final = 11
_PROVINCE: Final = 40
_REFERENCE: Final = 30
_REFERENCES: Final = {True: 2, False: 4}
"""With a customs form or not -> customer references (160315). A form leaves them unprinted."""


@dataclass(frozen=True)
class Product:
    """What a price is of, to be sent as it was quoted: a combination that USPS knows (030002)."""

    indicator: str
    category: str
    entry: str = "NONE"


def check(shipment: Shipment, shipper: Address, *, parcels: int) -> None:
    """Refuse a row that USPS cannot do, before anything is asked.

    Parameters
    ----------
    parcels
        The most that a row can have: each is a request of its own, and they are bought together.

    Raises
    ------
    CarrierRejected
        The message says what, and how to correct the row.
    """
    origin, to = shipment.ship_from or shipper, shipment.ship_to
    domestic, entry = is_domestic(to), SERVICES.entry(shipment.service)
    if not is_domestic(origin):
        raise refuse("ship_from.country", "USPS takes mail in the US.", "Correct the shipper.")
    if domestic != (entry.reach == "domestic"):
        kind = "within the US" if domestic else f"to {to.country}"
        raise refuse(
            "service",
            f"USPS {entry.title} does not go {kind}.",
            f"Choose one of {', '.join(e.code for e in SERVICES if e.reach != entry.reach)}.",
        )
    if len(shipment.parcels) > parcels:
        raise refuse(
            "parcels",
            f"the row has {len(shipment.parcels)} parcels, and your quota is {parcels} labels an "
            "hour: the row would be bought in parts.",
            "Split the row, or ask USPS for a higher quota and set SHIPKIT_USPS_QUOTA_PER_HOUR.",
        )
    if shipment.is_return:
        raise refuse("is_return", "return labels of USPS are not supported.", "Buy it elsewhere.")
    if shipment.saturday_delivery and not domestic:
        raise refuse("saturday_delivery", "USPS has no Saturday delivery abroad.", "Leave it out.")
    for address, field in ((origin, "ship_from"), (to, "ship_to")):
        _demand_address(address, field)
    for place, parcel in enumerate(shipment.parcels):
        sides_of(parcel, f"parcels[{place}]")
        extras_of(shipment, parcel)
    customs_form(shipment, origin)
    _references(shipment, origin)


def label_bytes(
    shipment: Shipment,
    shipper: Address,
    label: LabelSpec,
    *,
    place: int,
    product: Product,
    day: str,
) -> bytes:
    """Return the body of the purchase of one parcel.

    Parameters
    ----------
    place
        The parcel's index.
    day
        The mailing date, ``2026-11-29``.
    """
    origin, domestic = shipment.ship_from or shipper, is_domestic(shipment.ship_to)
    form = customs_form(shipment, origin)
    body: dict[str, Any] = {
        "imageInfo": image_info(shipment, label, place=place, purchase=True),
        "fromAddress": domestic_address(origin, "ship_from", firm=domestic and form is not None),
        "toAddress": domestic_address(shipment.ship_to, "ship_to")
        if domestic
        else _foreign(shipment.ship_to),
        "packageDescription": _package(shipment, origin, place, product, day),
    }
    if form is not None:
        body["customsForm"] = form
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def image_info(
    shipment: Shipment | None, label: LabelSpec, *, place: int, purchase: bool
) -> dict[str, Any]:
    """Return how a label is drawn. Receipts are left out: by default USPS adds one.

    Raises
    ------
    CarrierRejected
        USPS does not print the size.
    """
    if label.size != "4x6":
        raise refuse("label_size", f"USPS does not print {label.size} labels.", "Use 4x6.")
    domestic = shipment is None or is_domestic(shipment.ship_to)
    with_form = shipment is not None and (not domestic or shipment.customs is not None)
    image = _IMAGES[label.format]
    if with_form and label.format not in _WITH_FORM:
        image = "PDF"
    info: dict[str, Any] = {"imageType": image, "labelType": "4X6LABEL"}
    if domestic:
        if purchase:
            info["receiptOption"] = "NONE"
        info["suppressPostage"] = True
        count = 1 if shipment is None else len(shipment.parcels)
        if count > 1:
            info |= {"packageNumber": place + 1, "totalPackages": count}
    return info


# -- parcels ---------------------------------------------------------------------------------------


def _package(
    shipment: Shipment, origin: Address, place: int, product: Product, day: str
) -> dict[str, Any]:
    parcel, domestic = shipment.parcels[place], is_domestic(shipment.ship_to)
    length, width, height = sides_of(parcel, f"parcels[{place}]")
    found: dict[str, Any] = {
        "mailClass": SERVICES.wire(shipment.service),
        "rateIndicator": product.indicator,
        "processingCategory": product.category,
        "destinationEntryFacilityType": product.entry,
        "mailingDate": day,
        "weightUOM": "lb",
        "weight": float(pounds(parcel)),
        "dimensionsUOM": "in",
        "length": float(length),
        "width": float(width),
        "height": float(height),
    }
    codes = extras_of(shipment, parcel)
    if codes:
        found["extraServices"] = list(codes)
    value = _value(shipment, parcel, codes, domestic=domestic)
    if value:
        found["packageOptions"] = {"packageValue": float(value)}
    printed = not goes_with_form(shipment, origin)
    references = [
        {"referenceNumber": text, **({"printReferenceNumber": True} if printed else {})}
        for text in _references(shipment, origin)
    ]
    if references:
        found["customerReference"] = references
    return found


def _value(
    shipment: Shipment, parcel: Parcel, codes: tuple[int, ...], *, domestic: bool
) -> Decimal | None:
    """Return what the parcel is worth, where USPS must know: insured, or abroad."""
    insured = insured_value(parcel)
    if insured is not None and (codes or domestic):
        return insured
    if domestic or shipment.customs is None:
        return insured
    goods = shipment.customs.value
    return goods.amount if goods else Decimal(0)


def _references(shipment: Shipment, origin: Address) -> list[str]:
    """Return the user's references, and the order number where there is room for it."""
    with_form, asked = goes_with_form(shipment, origin), list[str]()
    most = _REFERENCES[with_form]
    for name, text in shipment.user_references:
        field = name if name in NUMBERED_REFERENCES else f"references.{name}"
        value = " ".join(text.split())
        if len(value) > _REFERENCE:
            raise refuse(
                field,
                f"USPS takes at most {_REFERENCE} characters of a reference, and it has "
                f"{len(value)}.",
                "Shorten it, or map another column.",
            )
        asked.append(value)
    texts = list(dict.fromkeys(filter(None, asked)))
    if len(texts) > most:
        where = "with a customs form" if with_form else "without a customs form"
        raise refuse(
            "references",
            f"USPS takes {most} references {where}, and this row has {len(texts)}.",
            "Map fewer references.",
        )
    order = _order_number(shipment)
    fits = [order] if order and len(order) <= _REFERENCE else []
    return list(dict.fromkeys([*texts, *fits]))[:most]


def reference_notes(shipment: Shipment, origin: Address) -> list[str]:
    """Return why references or the order number are not on the label, where they are not."""
    order, sent = _order_number(shipment), _references(shipment, origin)
    if goes_with_form(shipment, origin):
        asked = any(text.strip() for _, text in shipment.user_references)
        return ["references are sent, and not printed on a label with a form"] if asked else []
    if not order or order in sent:
        return []
    why = (
        f"it is longer than {_REFERENCE} characters"
        if len(order) > _REFERENCE
        else "your references take its place"
    )
    return [f"the order number is not on the label: {why}"]


def _order_number(shipment: Shipment) -> str:
    return " ".join((shipment.order_id or "").split())


# -- addresses -------------------------------------------------------------------------------------


def _demand_address(address: Address, field: str) -> None:
    """Refuse an address that does not fit USPS's fields: none is cut."""
    if not address.address_line1:
        raise refuse(f"{field}.address_line1", "USPS needs a street line.", "Give it.")
    if not address.city:
        raise refuse(f"{field}.city", "USPS needs a city.", "Give it.")
    if is_domestic(address):
        zip5(address, field)
        if len(state_of(address)) != 2:
            raise refuse(f"{field}.state", "USPS needs the two letters of a state.", "Give it.")
    if not (address.name or address.company):
        raise refuse(f"{field}.name", "USPS needs a name or a company.", "Give one.")
    lengths = [
        ("name", address.name, _TEXT),
        ("company", _firm(address), _TEXT),
        ("address_line1", address.address_line1, _TEXT),
        ("address_line2", _second_line(address), _TEXT),
        ("city", address.city, _CITY),
    ]
    if not is_domestic(address):
        lengths += [
            ("postal_code", address.postal_code, _FOREIGN_CODE),
            ("state", address.state, _PROVINCE),
        ]
    for name, text, most in lengths:
        if text and len(text) > most:
            raise refuse(
                f"{field}.{name}",
                f"USPS prints at most {most} characters, and it has {len(text)}.",
                "Shorten it.",
            )


def domestic_address(address: Address, field: str, *, firm: bool = False) -> dict[str, Any]:
    """Return an address in the US as USPS's requests have it.

    Parameters
    ----------
    firm
        Whether a firm is required, as of the sender of a customs form (160023): without a company,
        the person is the firm.
    """
    code = re.sub(r"[^0-9]", "", address.postal_code or "")
    found: dict[str, Any] = {
        **_lines(address, firm=firm),
        "state": state_of(address),
        "ZIPCode": zip5(address, field),
    }
    if len(code) == 9:
        found["ZIPPlus4"] = code[5:]
    if phone := _phone(address):
        found["phone"] = phone
    if address.email and len(address.email) <= _TEXT and _EMAIL.fullmatch(address.email):
        found["email"] = address.email
    return found


def _foreign(address: Address) -> dict[str, Any]:
    found: dict[str, Any] = {
        **_lines(address),
        "country": country_name(address.country),
        "countryISOAlpha2Code": address.country,
    }
    if address.postal_code:
        found["postalCode"] = address.postal_code
    if address.state:
        found["province"] = address.state
    if phone := _phone(address):
        found["phone"] = phone
    return found


def _lines(address: Address, *, firm: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {"streetAddress": address.address_line1, "city": address.city}
    if second := _second_line(address):
        found["secondaryAddress"] = second
    if named := _firm(address):
        found["firm"] = named
    elif firm:
        return {**found, "firm": address.name or ""}
    words = (address.name or "").split()
    if len(words) > 1:
        found |= {"firstName": " ".join(words[:-1]), "lastName": words[-1]}
    return found


def _firm(address: Address) -> str:
    """Return the firm. USPS takes both names or a firm (160075), so a name of one word is in it."""
    words = (address.name or "").split()
    return ", ".join(filter(None, (address.company, words[0] if len(words) == 1 else None)))


def _second_line(address: Address) -> str:
    return ", ".join(filter(None, (address.address_line2, address.address_line3)))


def _phone(address: Address) -> str:
    digits = re.sub(r"[^0-9]", "", address.phone or "")
    return digits if 6 <= len(digits) <= 15 else ""
