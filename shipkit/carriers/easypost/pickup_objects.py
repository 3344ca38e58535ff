"""EasyPost's Pickup objects: created for nothing, with prices, and bought in a second step.

Of several shipments a pickup is made of a batch. Whether a pickup can be bought twice is not
documented, so after a lost answer it is read by its id, which is durable before it is bought, and
one that does not say `scheduled` waits for a person.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from shipkit.carriers.after_purchase import BookedPickup, PickupOffer, PickupRequest
from shipkit.carriers.easypost.easypost_client import EasyPostClient
from shipkit.carriers.easypost.scan_form_objects import shipment_ids
from shipkit.carriers.easypost.shipment_request import address_body
from shipkit.common.local_day import time_zone
from shipkit.errors import AnswerLost, CarrierRejected
from shipkit.models import Money

__all__ = ["EasyPostPickups", "cheapest_offer", "status_of"]

_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
_UNREAD: Final = "EasyPost's prices for this pickup cannot be read."
_ELSEWHERE: Final = "Book it in your EasyPost account."
_GONE: Final = frozenset({"canceled", "cancelled"})


class EasyPostPickups:
    """The pickups of an account: :class:`~shipkit.carriers.after_purchase.BooksPickups`."""

    _client: EasyPostClient

    async def pickup(self, request: PickupRequest) -> PickupOffer:
        """Create the pickup without buying it, and return its cheapest price."""
        ids = [
            part
            for _, labels in request.shipments
            for part in await shipment_ids(self._client, labels)
        ]
        what = {"shipment": {"id": ids[0]}} if len(ids) == 1 else {"batch": await self._batch(ids)}
        zone = time_zone(request.address)
        first = dt.datetime.combine(request.day, request.ready, zone)
        last = dt.datetime.combine(request.day, request.close, zone)
        notes: tuple[str, ...] = ()
        if zone is None:
            # As for days: the machine's. A time without a zone would be UTC at EasyPost, which
            # answers with Z (recorded), and the driver would come at another hour.
            first, last = first.astimezone(), last.astimezone()
            times = " to ".join(each.isoformat(timespec="minutes") for each in (first, last))
            unsure = f"the time zone of the address is not known: {times} by this machine's clock"
            notes = (unsure,)
        place = request.place.replace("_", " ")
        said = f"{place}: {request.instructions}" if request.instructions else place
        body = {
            **what,
            "address": address_body(request.address),
            "min_datetime": first.isoformat(),
            "max_datetime": last.isoformat(),
            "instructions": said,
            "reference": request.reference,
            "is_account_address": False,
        }
        offer = cheapest_offer(await self._client.post("/pickups", {"pickup": body}))
        return replace(offer, warnings=(*offer.warnings, *notes))

    async def book_pickup(
        self,
        request: PickupRequest,  # noqa: ARG002 - the object has it
        offer: PickupOffer,
        *,
        asked_before: bool,
    ) -> BookedPickup:
        """Buy the pickup that was created, or read what became of it."""
        number, carrier, service = offer.number.split(";")
        if asked_before:
            answer = await self._client.get(_path(number))
            if status_of(answer) != "scheduled":
                raise AnswerLost(
                    f"EasyPost shows the pickup {number} as {status_of(answer)}. It may be booked.",
                    fix="Look at it in your EasyPost account. If it is not: pickup.forget().",
                )
        else:
            body = {"carrier": carrier, "service": service}
            answer = await self._client.buy(f"{_path(number)}/buy", body)
            if status_of(answer) != "scheduled":
                raise AnswerLost(f"EasyPost shows the pickup {number} as {status_of(answer)}.")
        confirmation = str(answer.get("confirmation") or "")
        return BookedPickup(confirmation or number, None, offer=offer.number)

    async def pickup_status(
        self,
        request: PickupRequest,  # noqa: ARG002 - the id is enough
        booked: BookedPickup,
    ) -> str:
        """Return EasyPost's word for the state of a pickup."""
        return status_of(await self._client.get(_path(booked.offer)))

    async def cancel_pickup(
        self,
        request: PickupRequest,  # noqa: ARG002 - the id is enough
        booked: BookedPickup,
        *,
        asked_before: bool,
    ) -> None:
        """Cancel a pickup, or read that it is canceled."""
        path = _path(booked.offer)
        # How EasyPost answers a second cancellation is not documented, so it is read first.
        if asked_before and status_of(await self._client.get(path)) in _GONE:
            return
        answer = await self._client.post(f"{path}/cancel", {})
        if status_of(answer) not in _GONE:
            raise CarrierRejected(
                f"EasyPost shows the pickup {booked.number} as {status_of(answer)}.",
                fix="Look at it in your EasyPost account.",
            )

    async def _batch(self, ids: list[str]) -> dict[str, str]:
        """Return a batch of bought shipments, when EasyPost has made it."""
        body = {"batch": {"shipments": [{"id": number} for number in ids]}}
        answer = await self._client.post("/batches", body)
        for pause in _PAUSES_S:
            if answer.get("state") != "creating":
                break
            await asyncio.sleep(pause)
            answer = await self._client.get(f"/batches/{answer.get('id')}")
        if answer.get("state") in ("creating", "creation_failed"):
            raise AnswerLost("EasyPost made no batch of these shipments.", fix="Ask again.")
        return {"id": str(answer["id"])}


def _path(offer: str) -> str:
    """Return the path of a pickup by the offer that was booked."""
    number = offer.partition(";")[0]
    if not number.replace("_", "").isalnum():
        raise CarrierRejected(f"{number!r} is not an id of EasyPost.", fix="Look at it there.")
    return f"/pickups/{number}"


def cheapest_offer(answer: Mapping[str, Any]) -> PickupOffer:
    """Return the cheapest price of a pickup object, and what it is bought by.

    Raises
    ------
    CarrierRejected
        No carrier comes; the message has their reasons.
    """
    found: list[tuple[Decimal, str, str]] = []
    currencies = set()
    for rate in answer.get("pickup_rates") or ():
        try:
            amount, currency = Decimal(str(rate["rate"])), str(rate["currency"])
        except (InvalidOperation, KeyError, TypeError):
            raise CarrierRejected(_UNREAD, fix=_ELSEWHERE) from None
        if not amount >= 0 or not re.fullmatch("[A-Z]{3}", currency):
            raise CarrierRejected(_UNREAD, fix=_ELSEWHERE)
        currencies.add(currency)
        found.append((amount, str(rate.get("carrier")), str(rate.get("service"))))
    if not found:
        messages = answer.get("messages") or ()
        said = [str(each.get("message")) for each in messages if isinstance(each, dict)]
        raise CarrierRejected(
            f"EasyPost has no price for this pickup. {' '.join(said)}".strip(),
            fix="Choose another day, or call the carrier.",
        )
    if len(currencies) > 1:
        raise CarrierRejected(
            f"EasyPost's prices for this pickup are in {' and '.join(sorted(currencies))}, which "
            "cannot be compared.",
            fix=_ELSEWHERE,
        )
    amount, carrier, service = min(found)
    number = f"{answer.get('id')};{carrier};{service}"
    return PickupOffer(Money(amount=amount, currency=currencies.pop()), number)


def status_of(answer: Any) -> str:
    """Return unknown, scheduled or canceled, as the object has it."""
    return str(answer.get("status") or "unknown") if isinstance(answer, dict) else "unknown"
