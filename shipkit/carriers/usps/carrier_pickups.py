"""USPS Carrier Pickup: the letter carrier takes parcels along, for nothing.

There is one pickup for an address and a day (020001), so asking again makes no second one. Each
answer has an ETag, which is used once, to cancel (carrier-pickup.yaml 3.1.8). Days are Monday to
Saturday; the time is the letter carrier's.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any, Final

from shipkit.carriers.after_purchase import BookedPickup, PickupOffer, PickupRequest
from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.usps.label_request import domestic_address
from shipkit.carriers.usps.mail_classes import SERVICES, is_domestic
from shipkit.carriers.usps.usps_client import UspsClient
from shipkit.common.local_day import local_day
from shipkit.errors import AnswerLost, CarrierRejected
from shipkit.models import Money

__all__ = ["UspsPickups", "pickup_body"]

_PATH: Final = "/pickup/v3/carrier-pickup"
_EXISTS: Final = "020001"
_GONE: Final = "020015"
_TYPES: Final = {
    "USPS_GROUND_ADVANTAGE": "USPS_GROUND_ADVANTAGE",
    "PRIORITY_MAIL": "PRIORITY_MAIL",
    "PRIORITY_MAIL_EXPRESS": "PRIORITY_MAIL_EXPRESS",
}
_COMMENT: Final = 255
_SUNDAY: Final = 6
_AHEAD: Final = dt.timedelta(days=365)
_HOURS: Final = "USPS comes with the mail of the day, at no hour of your choice"


class UspsPickups:
    """The pickups of a USPS account: :class:`~shipkit.carriers.after_purchase.BooksPickups`."""

    _client: UspsClient

    async def pickup(self, request: PickupRequest) -> PickupOffer:
        """Return that USPS comes, for nothing. Raises CarrierRejected where it does not."""
        address = pickup_body(request)["pickupAddress"]["address"]
        if request.day > local_day(request.address) + _AHEAD:
            raise refuse("day", "USPS picks up within a year from today.", "Choose another day.")
        await self._client.ask("GET", f"{_PATH}/eligibility", params=address)
        return PickupOffer(Money.from_cents(0), warnings=(_HOURS,))

    async def book_pickup(
        self,
        request: PickupRequest,
        offer: PickupOffer,  # noqa: ARG002 - it costs nothing
        *,
        asked_before: bool,
    ) -> BookedPickup:
        """Book a pickup. USPS has one for an address and a day, however often it is asked."""
        try:
            answer = await self._client.recorded("POST", _PATH, pickup_body(request))
        except CarrierRejected as refused:
            if not asked_before or refused.carrier_code != _EXISTS:
                raise
            warning = (
                "USPS has a pickup for this address and day, and does not say its number again: "
                "it can be canceled on usps.com only"
            )
            return BookedPickup("", Money.from_cents(0), (warning,))
        found = answer.json()
        number = found.get("confirmationNumber") if isinstance(found, dict) else None
        if not isinstance(number, str) or not number:
            raise AnswerLost(
                "USPS's answer about a pickup has no number. It may be booked.", fix="Ask again."
            )
        other = found.get("pickupDate")
        moved = other not in (None, request.day.isoformat())
        warnings = (f"USPS comes on {other}",) if moved else ()
        return BookedPickup(number, Money.from_cents(0), warnings)

    async def pickup_status(
        self,
        request: PickupRequest,  # noqa: ARG002 - the number is enough
        booked: BookedPickup,
    ) -> str:
        """Return the day for which USPS has the pickup."""
        answer = await self._client.ask("GET", f"{_PATH}/{_number(booked)}")
        # The file declares a list; the same object is declared bare elsewhere.
        found = answer[0] if isinstance(answer, list) and answer else answer
        day = found.get("pickupDate") if isinstance(found, dict) else None
        return f"scheduled for {day}" if day else "USPS has it, and does not say for which day"

    async def cancel_pickup(
        self,
        request: PickupRequest,  # noqa: ARG002 - the number is enough
        booked: BookedPickup,
        *,
        asked_before: bool,
    ) -> None:
        """Cancel a pickup, with the tag that a look at it gives."""
        path = f"{_PATH}/{_number(booked)}"
        try:
            look = await self._client.recorded("GET", path)
            tag = look.headers.get("etag")
            if not tag:
                words = "USPS's answer about a pickup has no ETag."
                raise AnswerLost(words, fix="Cancel it again.")
            await self._client.recorded("DELETE", path, headers={"if-match": tag})
        except CarrierRejected as refused:
            if not asked_before or refused.carrier_code != _GONE:
                raise


def pickup_body(request: PickupRequest) -> dict[str, Any]:
    """Return the request that schedules a pickup.

    Raises
    ------
    CarrierRejected
        USPS would not take it.
    """
    address = request.address
    if not is_domestic(address):
        raise refuse("shipper.country", "USPS picks up in the US.", "Correct the address.")
    if request.day.weekday() == _SUNDAY:
        raise refuse("day", "USPS picks up Monday to Saturday.", "Choose another day.")
    if len(request.instructions) > _COMMENT:
        raise refuse("instructions", f"USPS takes {_COMMENT} characters.", "Shorten them.")
    if request.place == "other" and not request.instructions:
        raise refuse("instructions", "USPS wants to know where.", "Say where the parcels are.")
    found = domestic_address(address, "shipper")
    names = {name: found.pop(name, "") for name in ("firstName", "lastName")}
    if not all(names.values()):
        raise refuse("shipper.name", "USPS needs a first and a last name.", "Give both.")
    cell = "".join(each for each in address.phone or "" if each.isdigit())
    email, _ = found.pop("email", None), found.pop("phone", None)
    contact = {"email": email} if email else {"cellNumber": cell}
    if not email and len(cell) != 10:
        raise refuse("shipper.email", "USPS needs an e-mail address.", "Give the shipper one.")
    firm = {"firm": found.pop("firm")} if found.get("firm") else {}
    location: dict[str, Any] = {"packageLocation": request.place.upper()}
    if request.instructions:
        location["specialInstructions"] = request.instructions
    return {
        "pickupDate": request.day.isoformat(),
        "pickupAddress": {**names, **firm, "address": found, "contact": [contact]},
        "packages": _packages(request),
        "estimatedWeight": float(round(request.weight_lb, 1)),
        "pickupLocation": location,
    }


def _packages(request: PickupRequest) -> list[dict[str, Any]]:
    counts: Counter[str] = Counter()
    for shipment, labels in request.shipments:
        wire = SERVICES.wire(shipment.service)
        domestic = is_domestic(shipment.ship_to)
        kind = _TYPES.get(wire, "OTHER") if domestic else "INTERNATIONAL"
        counts[kind] += len(labels.tracking_numbers)
    return [{"packageType": kind, "packageCount": count} for kind, count in sorted(counts.items())]


def _number(booked: BookedPickup) -> str:
    if not booked.number.isalnum():
        raise CarrierRejected(
            "USPS did not say the number of this pickup.",
            fix="Cancel it on usps.com, then pickup.forget().",
        )
    return booked.number
