"""Pickups on call at UPS: which requests are sent, in which order."""

from __future__ import annotations

from shipkit.carriers.after_purchase import BookedPickup, PickupOffer, PickupRequest
from shipkit.carriers.protocol import CarrierIdentity
from shipkit.carriers.ups import pickup_requests
from shipkit.carriers.ups.client import UpsClient
from shipkit.carriers.ups.purchases import read_answer
from shipkit.errors import AnswerLost, CarrierRejected

__all__ = ["UpsPickups"]


class UpsPickups:
    """The pickups of a UPS account: :class:`~shipkit.carriers.after_purchase.BooksPickups`."""

    identity: CarrierIdentity
    _client: UpsClient

    async def pickup(self, request: PickupRequest) -> PickupOffer:
        """Return what a pickup on call costs. Accounts with a daily pickup need none."""
        pickup_requests.create_request(request, self.identity.account)  # what UPS would refuse
        body = await self._client.ask(pickup_requests.rate_request(request, self.identity.account))
        return read_answer(lambda answer: pickup_requests.offer_of(answer, request), body)

    async def book_pickup(
        self,
        request: PickupRequest,
        offer: PickupOffer,  # noqa: ARG002 - UPS prices it again, and the answer is compared
        *,
        asked_before: bool,
    ) -> BookedPickup:
        """Book a pickup, or find the one that was asked for before by our reference."""
        if asked_before:
            found = await self._pending(request)
            if found is not None and found[2] == pickup_requests.CANCELED:
                raise AnswerLost(
                    f"UPS lists the pickup {found[0]} as canceled.",
                    fix="If you canceled it on ups.com: pickup.forget().",
                )
            if found is not None:
                return BookedPickup(found[0])
            raise AnswerLost(
                f"UPS does not list the pickup {request.reference}, and lists those of today and "
                "tomorrow only. It may be booked.",
                fix="Look at your pickups on ups.com. If there is none: pickup.forget().",
            )
        # Before this line a repeat is free; after it a repeat may book a second pickup.
        made = pickup_requests.create_request(request, self.identity.account)
        return read_answer(pickup_requests.booked_of, await self._client.ask(made))

    async def pickup_status(self, request: PickupRequest, booked: BookedPickup) -> str:
        """Return UPS's words about a pickup of today or tomorrow."""
        found = await self._pending(request)
        if found is None:
            return f"UPS does not list {booked.number}: it lists pickups of today and tomorrow"
        return "canceled" if found[2] == pickup_requests.CANCELED else found[1]

    async def cancel_pickup(
        self,
        request: PickupRequest,
        booked: BookedPickup,
        *,
        asked_before: bool,
    ) -> None:
        """Cancel a pickup by its number, or find it canceled in UPS's list."""
        if asked_before:
            found = await self._pending(request)
            if found is not None and found[2] == pickup_requests.CANCELED:
                return
        try:
            await self._client.ask(pickup_requests.cancel_request(booked.number))
        except CarrierRejected as refused:
            if not asked_before:
                raise
            # UPS does not publish how it refuses to cancel what is canceled, so nothing is guessed.
            raise CarrierRejected(
                f"{refused.message} It may be canceled already.",
                fix="Look at your pickups on ups.com. If it is canceled: pickup.forget().",
                carrier_code=refused.carrier_code,
            ) from refused

    async def _pending(self, request: PickupRequest) -> tuple[str, str, str] | None:
        body = await self._client.ask(pickup_requests.pending_request(self.identity.account))
        return read_answer(pickup_requests.pending_of, body).get(request.reference)
