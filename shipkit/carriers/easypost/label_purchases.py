"""Buying at EasyPost in two steps: a shipment is created for free, then its label is bought by id.

EasyPost has no idempotency key. What makes a purchase safe to repeat is the id: a second purchase
of one shipment is refused (``SHIPMENT.POSTAGE.EXISTS``). So nothing here ever creates a shipment
and buys it in one call, and one that may have been bought is read before it is bought again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from shipkit.carriers.easypost.account_facts import AccountFacts
from shipkit.carriers.easypost.easypost_client import ALREADY_BOUGHT, RATE_GONE, EasyPostClient
from shipkit.carriers.easypost.label_downloads import LabelFiles
from shipkit.carriers.easypost.rate_choice import failed_for, offered, picked, settled
from shipkit.carriers.easypost.shipment_answer import (
    QuotedRate,
    bought_parts,
    cents_of,
    in_usd,
    is_voided,
    parts_of,
    purchase_of,
    rates_of,
    refund_of,
    refund_status,
)
from shipkit.carriers.easypost.shipment_request import (
    demand_label_size,
    draft,
    dropped,
    insured_amount,
)
from shipkit.carriers.label_format import checked
from shipkit.carriers.protocol import Prepared
from shipkit.errors import AnswerLost, CarrierError, CarrierRejected, NotSent, PartlyBought
from shipkit.models import Address, LabelSpec, Money, Purchase, Refund, Shipment

__all__ = ["LabelPurchases"]

_SECOND_RATING_S: Final = 1.0
"""How long to wait before a shipment is rated again whose carrier failed."""
_REMEMBERED: Final = 10_000
"""Prepared shipments whose rate is kept in memory; of others it is read again before buying."""


@dataclass(frozen=True)
class _Chosen:
    """What is bought of one prepared shipment or order."""

    offer: QuotedRate
    fees: Decimal


class LabelPurchases:
    """Prepares, buys, reads and refunds shipments of one account."""

    def __init__(
        self,
        client: EasyPostClient,
        files: LabelFiles,
        facts: Callable[[], Any],
        *,
        accounts: tuple[str, ...],
        insurance_off: bool,
        end_shipper: str,
    ) -> None:
        self._client, self._files, self._facts = client, files, facts
        self._accounts, self._insurance_off = accounts, insurance_off
        self._end_shipper = end_shipper
        self._chosen: OrderedDict[str, _Chosen] = OrderedDict()

    async def prepare(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Prepared:
        """Create the shipment, or the order of several parcels. Buys nothing."""
        shipment = settled(shipment)
        demand_label_size(shipment.service, label)
        asked = draft(shipment, shipper, accounts=self._accounts).named(reference, label)
        insured = insured_amount(shipment, off=self._insurance_off)
        facts: AccountFacts = await self._facts()
        answer = await self._client.post(asked.path, asked.body)
        number = answer.get("id")
        if not isinstance(number, str) or not number:
            raise AnswerLost("EasyPost's answer to a new shipment has no id.")
        self._client.demand_mode(answer)
        if refused := dropped(asked, answer):
            raise refused
        offer = await self._offer(number, answer, shipment.service)
        # A price in another currency leaves the fees out, as its quote did, which says so.
        fees = facts.fees(insured, len(shipment.parcels)) if in_usd(offer.currency) else Decimal(0)
        self._remember(number, _Chosen(offer, fees))
        cents = cents_of(offer.amount + fees, offer.currency)
        return Prepared(number, Money.from_cents(cents, offer.currency))

    async def buy(self, shipment: Shipment, number: str, label: LabelSpec) -> Purchase:
        """Buy what was prepared under `number`, at its rate; at most one label for each parcel."""
        shipment = settled(shipment)
        chosen = self._chosen.pop(number, None)
        if chosen is None:
            answer = await self._read_before_buying(number)
            if len(bought_parts(answer)) == len(parts_of(answer)):
                return await self._finished(answer, label)
            if bought_parts(answer):
                return await self._rest_of_order(answer, shipment, label)
            offer = picked(*rates_of(answer), shipment.service)
            chosen = _Chosen(offer, Decimal(0))
        try:
            answer = await self._bought(number, chosen.offer, shipment)
        except CarrierRejected as refused:
            if refused.carrier_code not in RATE_GONE:
                raise
            answer = await self._bought_at_new_rate(number, chosen.offer, shipment)
        if len(bought_parts(answer)) < len(parts_of(answer)):
            raise _incomplete(answer)
        return await self._finished(answer, label)

    async def find(self, number: str, label: LabelSpec) -> list[Purchase]:
        """Return what was bought under `number`.

        Raises
        ------
        PartlyBought
            Some parcels of an order have no label. A purchase under its id buys the rest.
        """
        try:
            answer = await self._client.get(_path(number))
        except CarrierRejected as refused:
            if refused.carrier_code == "NOT_FOUND":
                return []
            raise AnswerLost(f"EasyPost does not show {number}: {refused.message}") from None
        if answer.get("id") != number:
            raise AnswerLost(f"EasyPost's answer is not about {number}.")
        if not (bought := bought_parts(answer)):
            _demand_state(number, answer)
            return []
        found = await self._finished(answer, label)
        if len(bought) < len(parts_of(answer)):
            raise PartlyBought(_how_many(answer), purchase=found)
        return [found]

    async def refund(self, number: str) -> Refund:
        """Ask for the refund of every label bought under `number`, and return its state.

        Raises
        ------
        CarrierError
            That of one label is refused, or was not answered; its ``voided`` are the numbers whose
            refund was accepted, now or before.
        """
        answer = await self._client.get(_path(number))
        if is_voided(answer):
            return refund_of(answer) or Refund.SUBMITTED
        parts = bought_parts(answer)
        if not parts:
            raise CarrierRejected(
                f"{number} has no label to refund.", fix="Look at it in your EasyPost account."
            )
        states = [refund_status(part) for part in parts]
        refused: list[CarrierRejected] = []
        for place, part in enumerate(parts):
            if states[place] in ("submitted", "refunded"):
                continue
            try:
                states[place] = await self._refunded(str(part["id"]))
            except CarrierRejected as error:
                refused.append(error)
            except CarrierError as error:
                error.voided = _numbers(parts, states, gone=True)
                raise
        if refused:
            raise CarrierRejected(
                " ".join(error.message for error in refused),
                fix=refused[0].fix,
                carrier_code=refused[0].carrier_code,
                carrier_message=refused[0].carrier_message,
                voided=_numbers(parts, states, gone=True),
                not_voided=_numbers(parts, states, gone=False),
            )
        done = all(state == "refunded" for state in states)
        return Refund.REFUNDED if done else Refund.SUBMITTED

    async def refund_state(self, number: str, labels: Sequence[str] = ()) -> Refund | None:
        """Return what became of the refunds of some labels under `number`; (): of all."""
        answer = await self._client.get(_path(number))
        own = [part for part in bought_parts(answer) if part.get("tracking_code") in labels]
        return refund_of({"shipments": own} if own else answer)

    async def _refunded(self, shipment: str) -> str:
        answer = await self._client.post(f"/shipments/{shipment}/refund", {})
        state = refund_status(answer)
        if state not in ("submitted", "refunded"):
            raise CarrierRejected(
                f"EasyPost did not accept the refund of {shipment}: {state or 'no state'}.",
                fix="A carrier that bills by scan charges nothing for a label that is not used; "
                "a request that came too early can be repeated.",
                carrier_code=state or None,
            )
        return state

    async def _offer(self, number: str, answer: Mapping[str, Any], service: str) -> QuotedRate:
        """Return what is bought of a new shipment.

        A carrier that failed ("Too Many Requests", recorded) may answer a moment later: the same
        shipment is rated once more, and then the row is tried again like after a lost answer.

        Raises
        ------
        CarrierRejected
            The account does not sell the service for this shipment.
        AnswerLost
            The carrier of the service gave no price. Nothing was bought.
        """
        rates, failed = rates_of(answer)
        if (said := failed_for(failed, service)) and offered(rates, service) is None:
            await asyncio.sleep(_SECOND_RATING_S)
            rates, failed = rates_of(await self._rerated(number))
            if (said := failed_for(failed, service)) and offered(rates, service) is None:
                raise AnswerLost(f"{'; '.join(said)}.", carrier_code="no_rate")
        return picked(rates, failed, service)

    async def _rerated(self, number: str) -> Mapping[str, Any]:
        if _is_order(number):
            found: Mapping[str, Any] = await self._client.get(f"{_path(number)}/rates")
        else:
            found = await self._client.post(f"{_path(number)}/rerate", {})
        return found

    async def _bought(
        self, number: str, offer: QuotedRate, shipment: Shipment
    ) -> Mapping[str, Any]:
        """Send the purchase. From here on a repeat is safe only under the same id."""
        body: dict[str, Any] = {"rate": {"id": offer.rate_id}}
        if _is_order(number):
            body = {"carrier": offer.carrier, "service": offer.service}
        else:
            insured = insured_amount(shipment, off=self._insurance_off)
            if insured is not None:
                body["insurance"] = insured
            if self._end_shipper:
                body["end_shipper_id"] = self._end_shipper
        try:
            answer = await self._client.buy(f"{_path(number)}/buy", body)
        except AnswerLost as lost:
            if lost.carrier_code not in ALREADY_BOUGHT:
                raise
            answer = await self._read_after_buying(number)
        if not isinstance(answer, dict) or answer.get("id") != number:
            raise AnswerLost(
                f"EasyPost's answer is not about {number}. It may have bought a label."
            )
        if not bought_parts(answer):
            raise AnswerLost(
                f"EasyPost's answer shows no label for {number} yet.",
                fix="The row is looked up by its id.",
            )
        return answer

    async def _bought_at_new_rate(
        self, number: str, old: QuotedRate, shipment: Shipment
    ) -> Mapping[str, Any]:
        """Price the shipment again, whose rate is no longer valid, and buy it unless it rose."""
        try:
            answer = await self._rerated(number)
        except AnswerLost as lost:  # nothing was bought yet
            raise NotSent(lost.message, carrier_code=lost.carrier_code) from None
        new = picked(*rates_of(answer), shipment.service)
        if new.currency != old.currency or new.amount > old.amount:
            raise CarrierRejected(
                f"The rate expired: {_money(old)} was approved, and it is {_money(new)} now. "
                "Nothing was bought.",
                fix="Preview the row again and approve its new price.",
                carrier_code="price_changed",
            )
        return await self._bought(number, new, shipment)

    async def _rest_of_order(
        self, answer: Mapping[str, Any], shipment: Shipment, label: LabelSpec
    ) -> Purchase:
        """Buy the parcels of an order that its first purchase left out.

        A parcel that is refused now leaves the row bought in part, and its warnings say so: the
        other labels are paid for.
        """
        bought = {part["id"] for part in bought_parts(answer)}
        for part in parts_of(answer):
            if part.get("id") in bought:
                continue
            try:
                offer = picked(*rates_of(part), shipment.service)
                await self._bought(str(part["id"]), offer, shipment)
            except CarrierRejected:
                continue
        whole = await self._read_after_buying(str(answer["id"]))
        return await self._finished(whole, label)

    async def _finished(self, answer: Mapping[str, Any], label: LabelSpec) -> Purchase:
        """Return a purchase with its files, as they came."""
        purchase = purchase_of(answer)

        async def again(number: str) -> Mapping[str, Any]:
            found: Mapping[str, Any] = await self._client.get(_path(number))
            return found

        filled = await self._files.added(purchase, bought_parts(answer), label.format, again)
        return checked(filled, label)

    async def _read_before_buying(self, number: str) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = await self._client.get(_path(number))
        except AnswerLost as lost:  # read, not bought: the purchase was not sent
            raise NotSent(lost.message, carrier_code=lost.carrier_code) from None
        if found.get("id") != number:
            raise NotSent(f"EasyPost's answer is not about {number}.")
        self._client.demand_mode(found)
        return found

    async def _read_after_buying(self, number: str) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = await self._client.get(_path(number))
        except CarrierError as error:  # whatever it is, it does not undo a purchase
            raise AnswerLost(
                f"{error.message} A label was bought under {number}.",
                fix="The row is looked up by its id.",
            ) from None
        return found

    def _remember(self, number: str, chosen: _Chosen) -> None:
        self._chosen[number] = chosen
        while len(self._chosen) > _REMEMBERED:
            self._chosen.popitem(last=False)


def _numbers(
    parts: Sequence[Mapping[str, Any]], states: Sequence[str], *, gone: bool
) -> tuple[str, ...]:
    """Return the tracking numbers whose refund is accepted, or is not."""
    return tuple(
        str(part["tracking_code"])
        for part, state in zip(parts, states, strict=True)
        if part.get("tracking_code") and (state in ("submitted", "refunded")) == gone
    )


def _path(number: str) -> str:
    """Return the path of a shipment or an order."""
    if not number.replace("_", "").isalnum():
        raise CarrierRejected(f"{number!r} is not an id of EasyPost.", fix="Look at it there.")
    return f"/orders/{number}" if _is_order(number) else f"/shipments/{number}"


def _is_order(number: str) -> bool:
    return number.startswith("order_")


def _demand_state(number: str, answer: Mapping[str, Any]) -> None:
    """Refuse to read from an answer that nothing was bought, where it does not say so.

    Raises
    ------
    AnswerLost
        An order without its shipments, or a shipment without the fields of a label.
    """
    whole = not _is_order(number) or bool(answer.get("shipments"))
    if not whole or any("tracking_code" not in part for part in parts_of(answer)):
        raise AnswerLost(f"EasyPost's answer does not say whether {number} was bought.")


def _incomplete(answer: Mapping[str, Any]) -> AnswerLost:
    return AnswerLost(_how_many(answer), fix="The rest is bought under the same order.")


def _how_many(answer: Mapping[str, Any]) -> str:
    done, all_of = len(bought_parts(answer)), len(parts_of(answer))
    return f"EasyPost bought {done} of {all_of} parcels of {answer.get('id')}."


def _money(offer: QuotedRate) -> Money:
    return Money.from_cents(cents_of(offer.amount, offer.currency), offer.currency)
