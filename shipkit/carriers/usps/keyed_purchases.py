"""Buying labels under keys: the same bytes with the same key are one label, however often sent.

USPS sells one label for each parcel, so a row of three parcels is three purchases with three keys,
made of the row's one. What makes a repeat the same bytes (key, mailing date, the product of each
parcel, a digest of the bodies) is a line of text, durable before the first of them is sent.

The key is in USPS's file of 2026-06-23 (Labels 3.9.13) and in no public traffic. Nothing here
assumes more of it than the file states, and a refusal of a repeat proves nothing.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import orjson

from shipkit.carriers.label_format import checked
from shipkit.carriers.protocol import Prepared
from shipkit.carriers.usps.call_quota import Reserved
from shipkit.carriers.usps.label_answer import ACCEPT, one_label
from shipkit.carriers.usps.label_request import Product, check, image_info, label_bytes
from shipkit.carriers.usps.mail_classes import SERVICES, is_domestic
from shipkit.carriers.usps.parcel_question import extras_of
from shipkit.carriers.usps.price_questions import PriceQuestions, mailing_day
from shipkit.carriers.usps.usps_client import UspsClient, api_of
from shipkit.errors import (
    AnswerLost,
    CarrierError,
    CarrierRejected,
    LabelNotShown,
    PartlyBought,
)
from shipkit.models import Address, Charge, LabelFormat, LabelSpec, Money, Purchase, Shipment

__all__ = ["KeyedPurchases", "key_of"]

_NOT_FOUND: Final = frozenset({"160378", "160185"})
"""Of a reprint: there is no label with this key."""
_EXISTS: Final = frozenset({"160381", "160382"})
"""Of a reprint: the label exists, and the day or the number of reprints is over."""
_GONE: Final = frozenset({"160379", "160380"})
"""Of a reprint: the label exists, and is canceled or disputed."""
_CANCELED: Final = frozenset({"160186"})
_REMEMBERED: Final = 1_000
_VERSION: Final = "1"


@dataclass(frozen=True)
class _Composed:
    """What the bytes of a row's requests are made of, next to the row itself."""

    key: str
    day: str
    products: tuple[Product, ...]
    digest: str

    @property
    def text(self) -> str:
        """The line that is kept in the ledger."""
        products = ",".join(f"{p.indicator}.{p.category}.{p.entry}" for p in self.products)
        return f"{self.key};{_VERSION};{self.day};{products};{self.digest}"

    @classmethod
    def of(cls, text: str) -> _Composed:
        """Return what a line of the ledger holds. Raises CarrierRejected for another text."""
        try:
            key, version, day, products, digest = text.split(";")
            made = tuple(Product(*each.split(".")) for each in products.split(","))
        except (ValueError, TypeError):
            version, made = "", ()
        if version != _VERSION or not made:
            raise CarrierRejected(
                "The request was composed by another version of shipkit.",
                fix="Use that version for this row, or decide about it in USPS's own history.",
                carrier_code="request_changed",
            )
        return cls(key, day, made, digest)


class KeyedPurchases:
    """Composes, buys, reprints and cancels labels of one account."""

    def __init__(self, client: UspsClient, prices: PriceQuestions) -> None:
        self._client, self._prices = client, prices
        self._shown: OrderedDict[tuple[str, LabelFormat], Purchase] = OrderedDict()
        """Labels of rows bought in part: a reprint less, where USPS prints three."""

    async def prepare(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Prepared:
        """Compose the requests of a row at today's products and prices. Sends no purchase."""
        shipment = SERVICES.settled(shipment)
        check(shipment, shipper, parcels=self._client.quota.per_hour)
        image_info(shipment, label, place=0, purchase=True)
        day = mailing_day(shipment, shipper)
        chosen = await self._prices.products(shipment, shipper, day)
        products = tuple(one.product for one in chosen)
        bodies = _bodies(shipment, shipper, label, products, day.isoformat())
        made = _Composed(key_of(reference), day.isoformat(), products, _digest(bodies))
        price = sum(
            one.total(extras_of(shipment, parcel))
            for one, parcel in zip(chosen, shipment.parcels, strict=True)
        )
        return Prepared(made.text, Money.from_cents(price))

    async def buy(
        self, shipment: Shipment, shipper: Address, prepared: str, label: LabelSpec
    ) -> Purchase:
        """Buy what was composed, a label for each parcel; sent again, the same labels.

        Raises
        ------
        CarrierRejected
            The first parcel is refused, or the bytes would not be those that were composed.
        RateLimited
            The quota has no room for all parcels of the row. Nothing was sent.
        PartlyBought
            Some parcels are bought, and then USPS refused one or gave no usable answer.
        """
        shipment, made = SERVICES.settled(shipment), _Composed.of(prepared)
        bodies = _bodies(shipment, shipper, label, made.products, made.day)
        if _digest(bodies) != made.digest:
            raise CarrierRejected(
                "The request is not the one that was composed: shipkit, the row or the label "
                "format changed. It is not sent under the same key.",
                fix="Use the version of shipkit that composed it, or look for the label in USPS's "
                "own history and decide.",
                carrier_code="request_changed",
            )
        path = _label_path(shipment)
        # All of them or none: the quota must not split a row.
        reserved = self._client.quota.reserve(api_of(path), len(bodies))
        try:
            bought = await self._bought(path, bodies, shipment, made.key, label, reserved)
        finally:
            reserved.give_back()
        return checked(_joined(bought, made.key), label)

    async def _bought(
        self,
        path: str,
        bodies: Sequence[bytes],
        shipment: Shipment,
        own: str,
        label: LabelSpec,
        reserved: Reserved,
    ) -> list[Purchase]:
        bought: list[Purchase] = []
        for place, body in enumerate(bodies):
            key = _parcel_key(own, place)
            try:
                answer = await self._client.paid(
                    "POST", path, body, key=key, accept=ACCEPT, buying=True, reserved=reserved
                )
                bought.append(one_label(answer, shipment, own))
            except CarrierError as error:
                if not bought:
                    raise
                for done, one in enumerate(bought):
                    self._remember(_parcel_key(own, done), label, one)
                refused = error.message if isinstance(error, CarrierRejected) else None
                raise PartlyBought(
                    f"USPS sold {len(bought)} of {len(bodies)} labels, then: {error.message}",
                    purchase=_joined(bought, own),
                    refused=refused,
                ) from None
        return bought

    async def find(
        self, reference: str, label: LabelSpec, shipment: Shipment | None
    ) -> list[Purchase]:
        """Return what was bought under a row's key, by reprints.

        Raises
        ------
        PartlyBought
            Some parcels of the row have labels.
        LabelNotShown
            A label exists, and USPS does not print it again.
        """
        key = reference.partition(";")[0] if ";" in reference else key_of(reference)
        if shipment is None:
            raise AnswerLost("USPS is asked by the key of each parcel, and the row is not known.")
        shipment = SERVICES.settled(shipment)
        found = [
            await self._reprinted(_parcel_key(key, place), key, shipment, label, place)
            for place in range(len(shipment.parcels))
        ]
        labels = [one for one in found if one is not None]
        if not labels:
            return []
        whole = checked(_joined(labels, key), label)
        if len(labels) < len(found):
            for place, one in enumerate(found):
                if one is not None:
                    self._remember(_parcel_key(key, place), label, one)
            raise PartlyBought(
                f"USPS sold {len(labels)} of {len(found)} labels of the row.", purchase=whole
            )
        return [whole]

    async def cancel(self, purchase: Purchase) -> None:
        """Cancel every label of a row. One that was canceled before succeeds.

        Raises
        ------
        CarrierError
            USPS refused one, only opened a dispute, or did not answer; its ``voided`` are the
            numbers that are canceled.
        """
        done: list[str] = []
        refused: list[CarrierRejected] = []
        for number in purchase.tracking_numbers:
            try:
                await self._canceled(number)
            except CarrierRejected as error:
                refused.append(error)
                if error.carrier_code == "disputed":
                    break  # so would be the others, which a person may not want
            except CarrierError as error:
                error.voided = tuple(done)
                raise
            else:
                done.append(number)
        if refused:
            also = [f"Canceled: {', '.join(done)}."] if done else []
            raise CarrierRejected(
                " ".join([*(error.message for error in refused), *also]),
                fix=refused[0].fix,
                carrier_code=refused[0].carrier_code,
                voided=tuple(done),
            )

    def _remember(self, key: str, label: LabelSpec, one: Purchase) -> None:
        self._shown[key, label.format] = one
        while len(self._shown) > _REMEMBERED:
            self._shown.popitem(last=False)

    async def _canceled(self, number: str) -> None:
        kind = (
            "international-labels/v3/international-label"
            if number[:2].isalpha()
            else ("labels/v3/label")
        )
        try:
            answer = await self._client.paid("DELETE", f"/{kind}/{number}", None)
        except CarrierRejected as refused:
            if refused.carrier_code in _CANCELED or "already canceled" in refused.message:
                return
            raise CarrierRejected(
                f"{number} was not canceled. {refused.message}",
                fix="Look at the label in USPS's own history. A label that is not used can be "
                "disputed there.",
                carrier_code=refused.carrier_code,
            ) from None
        found: Any = answer.json()
        status = found.get("status") if isinstance(found, dict) else None
        if status == "CANCELED":
            return
        if status == "DISPUTED":
            raise CarrierRejected(
                f"{number} was not canceled: its data are with the Postal Service already. USPS "
                f"opened the dispute {found.get('disputeId')}, which asks for a refund and is none "
                "yet.",
                fix="Follow the dispute in your USPS account; do not void the label again today.",
                carrier_code="disputed",
            )
        raise CarrierRejected(
            f"{number}: USPS did not confirm that it is canceled ({status or 'no status'}).",
            fix="Void it again.",
        )

    async def _reprinted(
        self, key: str, own: str, shipment: Shipment, label: LabelSpec, place: int
    ) -> Purchase | None:
        if (shown := self._shown.get((key, label.format))) is not None:
            return shown
        info = image_info(shipment, label, place=place, purchase=False)
        domestic = is_domestic(shipment.ship_to)
        path = (
            "/labels/v3/label-reprint"
            if domestic
            else "/international-labels/v3/international-label-reprint"
        )
        body = orjson.dumps({"imageInfo": info}, option=orjson.OPT_SORT_KEYS)
        try:
            answer = await self._client.paid("POST", path, body, key=key, accept=ACCEPT)
        except CarrierRejected as refused:
            code = refused.carrier_code or ""
            if code in _NOT_FOUND:  # by its code only: a gateway's "not found" is of no label
                return None
            if code in _EXISTS | _GONE:
                raise LabelNotShown(
                    f"USPS has a label under the key of this row and does not print it again: "
                    f"{refused.message}",
                    final=code in _GONE,
                    carrier_code=code,
                ) from None
            raise _no_answer(refused) from None
        return one_label(answer, shipment, own)


def key_of(reference: str) -> str:
    """Return the key of a row: a UUID made of its reference, which is random and used once.

    Examples
    --------
    >>> key_of("S0123456789A00015001")
    '0bdc1d0a-4c8d-4b8b-8a0c-0f6b4cf4ad2a'
    """
    return _uuid(f"shipkit usps label {reference}")


def _parcel_key(key: str, place: int) -> str:
    """Return the key of one parcel of a row; the first one has the row's own."""
    return key if place == 0 else _uuid(f"{key} {place}")


def _uuid(text: str) -> str:
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))


def _bodies(
    shipment: Shipment,
    shipper: Address,
    label: LabelSpec,
    products: Sequence[Product],
    day: str,
) -> list[bytes]:
    return [
        label_bytes(shipment, shipper, label, place=place, product=product, day=day)
        for place, product in enumerate(products)
    ]


def _digest(bodies: Sequence[bytes]) -> str:
    return hashlib.sha256(b"\n".join(bodies)).hexdigest()


def _label_path(shipment: Shipment) -> str:
    if is_domestic(shipment.ship_to):
        return "/labels/v3/label"
    return "/international-labels/v3/international-label"


def _joined(labels: Sequence[Purchase], key: str) -> Purchase:
    """Return the labels of a row as one purchase: all numbers, all charges."""
    first = labels[0]
    charges = [one.charge for one in labels if one.charge is not None]
    weights = [Decimal(str(c.billed_weight_lb)) for c in charges if c.billed_weight_lb is not None]
    return Purchase(
        shipment_id=key,
        tracking_numbers=tuple(n for one in labels for n in one.tracking_numbers),
        service=first.service,
        charge=Charge(
            cents=sum(charge.cents for charge in charges),
            billed_weight_lb=float(sum(weights)) if weights else None,
        )
        if len(charges) == len(labels)
        else None,
        labels=tuple(label for one in labels for label in one.labels),
        warnings=tuple(dict.fromkeys(text for one in labels for text in one.warnings)),
        label_cents=tuple(charge.cents for charge in charges)
        if len(charges) == len(labels) > 1
        else (),
    )


def _no_answer(refused: CarrierRejected) -> AnswerLost:
    return AnswerLost(
        f"USPS does not say what is bought under the key: {refused.message}",
        carrier_code=refused.carrier_code,
    )
