"""Which shipments UPS has under a reference: what settles a purchase whose answer was lost.

Two sources are asked. Label recovery answers with the shipment and its labels, tracking by
reference with numbers. Tracking knows a shipment later than recovery does, so it may confirm one
and is never enough to deny one: an absence needs both to be negative.
"""

from __future__ import annotations

from collections.abc import Sequence

from shipkit.carriers.label_format import checked
from shipkit.carriers.ups import responses, tracking_answers, wire
from shipkit.carriers.ups.client import UpsClient
from shipkit.carriers.ups.codes import Recovery
from shipkit.carriers.ups.purchases import joined, read_answer
from shipkit.errors import AnswerLost, CarrierRejected
from shipkit.models import LabelSpec, Purchase, Shipment

__all__ = ["ReferenceLookup"]


class ReferenceLookup:
    """Looks shipments of one account up."""

    def __init__(self, client: UpsClient, account: str) -> None:
        self._client = client
        self._account = account

    async def find(
        self, reference: str, label: LabelSpec, shipment: Shipment | None
    ) -> list[Purchase]:
        """Return the shipments under `reference`, empty only when both sources have none.

        Raises
        ------
        AnswerLost
            UPS cannot say, or knows a shipment and has no number for it yet.
        """
        try:
            body = await self._client.ask(
                wire.recover(account=self._account, label=label, reference=reference)
            )
        except CarrierRejected as refused:
            return await self._without_recovery(refused, reference, label)
        found = read_answer(responses.recovered, body)
        if found is None:
            return await self._by_numbers(responses.candidates(body), label)
        return [checked(await self._completed(found, label, shipment), label)]

    async def _without_recovery(
        self, refused: CarrierRejected, reference: str, label: LabelSpec
    ) -> list[Purchase]:
        """Return what is known when UPS refuses to recover the label."""
        code = refused.carrier_code or ""
        if code not in Recovery.ABSENT | Recovery.SEVERAL | Recovery.NO_LABEL | Recovery.VOIDED:
            raise AnswerLost(
                f"UPS cannot say what became of the shipment: {refused.message}",
                fix="It is looked up again.",
                carrier_code=code,
                transaction_id=refused.transaction_id,
            ) from None
        numbers = await self._tracked(reference)
        if code in Recovery.VOIDED:
            return [_bare(numbers or [reference], "UPS reports it as voided.", voided=True)]
        if not numbers and code not in Recovery.ABSENT:
            raise AnswerLost(
                f"{refused.message} UPS has no number for it yet.",
                fix="It is looked up again; it is on ups.com too.",
                carrier_code=code,
            ) from None
        if code in Recovery.NO_LABEL:
            return [_bare(numbers, "UPS no longer delivers its label.")]
        return await self._by_numbers(numbers, label)

    async def _tracked(self, reference: str) -> list[str]:
        body = await self._client.ask(wire.track_reference(reference, account=self._account))
        return read_answer(
            lambda answer: tracking_answers.parcels_of_reference(answer, reference), body
        )

    async def _by_numbers(self, numbers: Sequence[str], label: LabelSpec) -> list[Purchase]:
        """Return the shipments of tracking numbers, parcels of one shipment together."""
        found: dict[str, Purchase] = {}
        for number in numbers:
            if any(number in purchase.tracking_numbers for purchase in found.values()):
                continue
            purchase = await self._by_number(number, label)
            other = found.get(purchase.shipment_id)
            found[purchase.shipment_id] = joined(other, purchase) if other else purchase
        return [checked(purchase, label) for purchase in found.values()]

    async def _by_number(self, number: str, label: LabelSpec) -> Purchase:
        request = wire.recover(account=self._account, label=label, tracking_number=number)
        try:
            found = read_answer(responses.recovered, await self._client.ask(request))
        except CarrierRejected as refused:
            voided = (refused.carrier_code or "") in Recovery.VOIDED
            return _bare([number], f"UPS delivers no label: {refused.message}", voided=voided)
        return found or _bare([number], "UPS delivers no label for this number alone.")

    async def _completed(
        self, found: Purchase, label: LabelSpec, shipment: Shipment | None
    ) -> Purchase:
        """Return `found` with the parcels that the recovery left out.

        Our reference is on the first parcel only, so that a look-up by it is not ambiguous.
        """
        if shipment is None or len(found.tracking_numbers) >= len(shipment.parcels):
            return found
        count = len(shipment.parcels)
        body = await self._client.ask(wire.track_shipment(found.tracking_numbers[0], count=count))
        for number in tracking_answers.parcels_of_shipment(body):
            if number not in found.tracking_numbers:
                found = joined(found, await self._by_number(number, label))
        if len(found.tracking_numbers) >= count:
            return found
        missing = f"UPS gave the numbers of {len(found.tracking_numbers)} of {count} parcels"
        return found.model_copy(update={"warnings": (*found.warnings, missing)})


def _bare(numbers: Sequence[str], warning: str, *, voided: bool = False) -> Purchase:
    """Return a shipment whose tracking numbers are all that is known."""
    return Purchase(
        shipment_id=numbers[0],
        tracking_numbers=tuple(numbers),
        voided=voided,
        warnings=(warning,),
    )
