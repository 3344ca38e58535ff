"""Pickups on call: what is asked of UPS, and what its answers say. Pure: no clock, no connection.

A pickup has our reference, and UPS lists pending pickups by account with their references, but
only those of today and tomorrow (Pickup.yaml, PickupPendingStatus). So a lost answer can be settled
by the list while the pickup is near, and what the list lacks proves nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from shipkit.carriers.after_purchase import BookedPickup, PickupOffer, PickupRequest
from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.ups.json_values import Unreadable, at, listed, number_of, text_of
from shipkit.carriers.ups.measures import measures_of
from shipkit.carriers.ups.route import route_of
from shipkit.carriers.ups.service_codes import code_of
from shipkit.carriers.ups.text import clean, cut
from shipkit.carriers.ups.wire import VERSION, Request
from shipkit.models import Address, Money

__all__ = [
    "CANCELED",
    "booked_of",
    "cancel_request",
    "create_request",
    "cut_texts",
    "offer_of",
    "pending_of",
    "pending_request",
    "rate_request",
]

_PRICED: Final = "v1"
"""The version of rating and of the list; creating and canceling have one of their own."""
_POINTS: Final = {
    "front_door": "Front Door",
    "back_door": "Back Door",
    "side_door": "Side Door",
    "mail_room": "Mail Room",
    "office": "Office",
    "reception": "Reception",
    "porch": "Porch",
    "other": "Other",
}
_LENGTHS: Final = {"CompanyName": 27, "ContactName": 22, "SpecialInstruction": 57}
_STREET, _PLACE = 73, 50  # Pickup.yaml, AddressLine; City and StateProvince
_OVERWEIGHT_LB: Final = 70
_MOST: Final = 999

CANCELED: Final = "007"
"""A pending pickup that is canceled (the status codes of UPS's older Pickup guide). Others: 001
received, 002 with the driver, 003 done, 004 not done, 005 late, 008 invalid, 012 in work."""


def rate_request(request: PickupRequest, account: str) -> Request:
    """Return the question what a pickup would cost."""
    own = _place(request.address)
    return Request(
        "POST",
        f"/api/shipments/{_PRICED}/pickup/oncall",
        {
            "PickupRateRequest": {
                "Request": {"SubVersion": "1707"},
                "ShipperAccount": {
                    "AccountNumber": account,
                    "AccountCountryCode": request.address.country,
                },
                "PickupAddress": {**own, "AddressLine": cut(_street(request.address), _STREET)},
                "AlternateAddressIndicator": "N" if request.own_address else "Y",
                "ServiceDateOption": "03",
                "PickupDateInfo": _times(request),
            }
        },
    )


def create_request(request: PickupRequest, account: str) -> Request:
    """Return the request that books a pickup, paid by the account.

    Raises
    ------
    CarrierRejected
        UPS would not take it.
    """
    address = request.address
    digits = "".join(each for each in address.phone or "" if each.isdigit())
    if not digits:
        raise refuse("shipper.phone", "UPS calls before it comes.", "Give the shipper a phone.")
    company = address.company or address.name
    contact = address.name or address.company
    heavy = any(
        parcel.weight_lb > _OVERWEIGHT_LB
        for shipment, _ in request.shipments
        for parcel in shipment.parcels
    )
    body: dict[str, Any] = {
        "Request": {"SubVersion": "1707"},
        "RatePickupIndicator": "Y",
        "Shipper": {"Account": {"AccountNumber": account, "AccountCountryCode": address.country}},
        "PickupDateInfo": _times(request),
        "PickupAddress": {
            "CompanyName": cut(clean(company), _LENGTHS["CompanyName"]),
            "ContactName": cut(clean(contact), _LENGTHS["ContactName"]),
            "AddressLine": [cut(clean(line), _STREET) for line in address.lines],
            **_place(address),
            "PickupPoint": _POINTS[request.place],
            "Phone": {"Number": digits[:25]},
        },
        "AlternateAddressIndicator": "N" if request.own_address else "Y",
        "PickupPiece": _pieces(request, account),
        "TotalWeight": _weight(request),
        "OverweightIndicator": "Y" if heavy else "N",
        "PaymentMethod": "01",
        "ReferenceNumber": request.reference,
        "ShippingLabelsAvailable": "Y",
    }
    if request.instructions:
        body["SpecialInstruction"] = cut(
            clean(request.instructions), _LENGTHS["SpecialInstruction"]
        )
    path = f"/api/pickupcreation/{VERSION}/pickup"
    return Request("POST", path, {"PickupCreationRequest": body})


def pending_request(account: str) -> Request:
    """Return the question which pickups of today and tomorrow are pending."""
    path = f"/api/shipments/{_PRICED}/pickup/oncall"
    return Request("GET", path, headers=(("AccountNumber", account),))


def cancel_request(number: str) -> Request:
    """Return the request that cancels a pickup by its number."""
    return Request("DELETE", f"/api/shipments/{VERSION}/pickup/02", headers=(("Prn", number),))


def cut_texts(request: PickupRequest) -> tuple[str, ...]:
    """Return a warning for each text that is longer than UPS's field."""
    address = request.address
    texts = {
        "CompanyName": address.company or address.name,
        "ContactName": address.name or address.company,
        "SpecialInstruction": request.instructions,
    }
    found = [(text, _LENGTHS[name]) for name, text in texts.items()]
    found += [(line, _STREET) for line in address.lines]
    found += [(address.city, _PLACE), (address.state, _PLACE)]
    return tuple(
        f"UPS shows the driver {most} characters of {text!r}"
        for text, most in found
        if text and len(clean(text)) > most
    )


def offer_of(answer: Any, request: PickupRequest) -> PickupOffer:
    """Return the price of an answer to :func:`rate_request`."""
    price = _total(at(answer, "PickupRateResponse", "RateResult"))
    if price is None:
        raise Unreadable("no price of a pickup")
    return PickupOffer(price, warnings=cut_texts(request))


def booked_of(answer: Any) -> BookedPickup:
    """Return the pickup of an answer to :func:`create_request`."""
    found = at(answer, "PickupCreationResponse")
    number = text_of(at(found, "PRN"))
    if not number:
        raise Unreadable("no PRN")
    try:
        return BookedPickup(number, _total(at(found, "RateResult")))
    except Unreadable as unreadable:  # it is booked
        return BookedPickup(number, warnings=(f"UPS's answer has {unreadable}",))


def pending_of(answer: Any) -> dict[str, tuple[str, str, str]]:
    """Return reference -> number, status and its code of each pickup that is pending."""
    rows = listed(at(answer, "PickupPendingStatusResponse", "PendingStatus"))
    return {
        text_of(row.get("ReferenceNumber")): (
            text_of(row.get("PRN")),
            text_of(row.get("PickupStatusMessage")),
            text_of(row.get("OnCallStatusCode")),
        )
        for row in rows
        if text_of(row.get("PRN"))
    }


def _total(result: Any) -> Money | None:
    """Return what is charged: the account's own price where UPS gives one, None without any.

    Raises
    ------
    Unreadable
        It cannot be read, or has no currency: an account in Canada pays in CAD.
    """
    currency = text_of(at(result, "CurrencyCode")).upper()
    for name in ("GrandTotalOfAllIncentedCharge", "GrandTotalOfAllCharge"):
        if at(result, name) is None:
            continue
        amount = number_of(at(result, name))
        if amount is None:
            raise Unreadable("a price of the pickup that is not a number")
        if not re.fullmatch("[A-Z]{3}", currency):
            raise Unreadable(f"a price of the pickup, {amount}, without a currency")
        return Money(amount=amount, currency=currency)
    return None


def _times(request: PickupRequest) -> dict[str, str]:
    return {
        "ReadyTime": f"{request.ready:%H%M}",
        "CloseTime": f"{request.close:%H%M}",
        "PickupDate": f"{request.day:%Y%m%d}",
    }


def _place(address: Address) -> dict[str, str]:
    found = {
        "City": cut(clean(address.city), _PLACE),
        "StateProvince": cut(clean(address.state), _PLACE),
        "PostalCode": "".join(c for c in address.postal_code or "" if c.isalnum())[:8],
        "CountryCode": address.country,
        "ResidentialIndicator": "Y" if address.residential else "N",
    }
    if address.country == "US":
        found["PostalCode"] = found["PostalCode"][:5]
    return {name: value for name, value in found.items() if value}


def _street(address: Address) -> str:
    return ", ".join(clean(line) for line in address.lines)


def _pieces(request: PickupRequest, account: str) -> list[dict[str, str]]:
    """Return how many parcels there are of each service and destination."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for shipment, labels in request.shipments:
        code = code_of(route_of(shipment, request.address, account), shipment).zfill(3)
        letter = all("letter" in (parcel.packaging or "") for parcel in shipment.parcels)
        container = "02" if letter else "01"
        counts[code, shipment.ship_to.country, container] += len(labels.tracking_numbers)
    if any(count > _MOST for count in counts.values()):
        raise refuse(
            "parcels",
            f"UPS picks up at most {_MOST} parcels of one service.",
            "Call UPS, or book several pickups with where=.",
        )
    return [
        {
            "ServiceCode": code,
            "Quantity": str(count),
            "DestinationCountryCode": country,
            "ContainerCode": container,
        }
        for (code, country, container), count in sorted(counts.items())
    ]


def _weight(request: PickupRequest) -> dict[str, str]:
    """Return what all parcels weigh, in the units of the country, in at most six characters."""
    units = measures_of(request.address.country)
    text = units.weigh(float(request.weight_lb))
    return {
        "Weight": text if len(text) <= 6 else text.partition(".")[0][:6],
        "UnitOfMeasurement": units.weight,
    }
