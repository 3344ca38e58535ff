"""The sandbox's back end: rules, prices, books and faults. Embedded and served, it is the same."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.after_purchase import (
    BookedPickup,
    BoughtLabels,
    MadeManifest,
    PickupOffer,
    PickupRequest,
)
from shipkit.carriers.ratecard import RateCard
from shipkit.carriers.sandbox import pickup_desk
from shipkit.carriers.sandbox.books import Books, Entry, StoredPart
from shipkit.carriers.sandbox.driver_forms import made_form, refuse_on_form
from shipkit.carriers.sandbox.faults import Fate, Faults, chance, draw_fate, subject
from shipkit.carriers.sandbox.refusals import refusal
from shipkit.common.local_day import local_day, local_days
from shipkit.errors import AnswerLost, CarrierRejected
from shipkit.models import (
    Address,
    Charge,
    Label,
    LabelFormat,
    LabelSpec,
    Purchase,
    Rate,
    Shipment,
)
from shipkit.services import ServiceList

__all__ = ["SERVICES", "SandboxBackend", "Trouble"]

SERVICES = ServiceList.from_toml(Path(__file__).with_name("services.toml"))


_MAKES = frozenset({"ship", "manifest", "pickup"})
"""Operations that may be done although no answer comes."""
_DONE_AND_LOST = frozenset({Fate.ERROR_AFTER, Fate.LOST, Fate.LATE})


class Trouble(Exception):
    """A fault to be carried out: as an error class when embedded, on the connection when served."""

    def __init__(self, fate: Fate) -> None:
        super().__init__(fate.value)
        self.fate = fate


@dataclass
class SandboxBackend:
    """What the sandbox does with a request.

    Parameters
    ----------
    label_bytes
        Return this many bytes per label instead of drawing it, for throughput tests.
    """

    books: Books
    card: RateCard
    faults: Faults
    label_bytes: int | None = None

    def __post_init__(self) -> None:
        self._turned_away: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()

    def switch(self, faults: Faults) -> None:
        """Change what goes wrong from now on, and restart the counts."""
        self.faults = faults
        self._turned_away.clear()
        self._asked.clear()

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price."""
        await self._admit("quote", str(shipment.order_id), shipment)
        return self.card.quote(_dated(shipment, shipper), shipper)

    async def quote_table(self, table: pa.Table, shipper: Address) -> pa.Table:
        """Return the quote table; a shipment without a ship date leaves today."""
        await self._admit("quote", "table", None)
        return await asyncio.to_thread(
            self.card.quote_table, _all_dated(table, shipper), shipper, basis="quoted"
        )

    async def shop_table(self, table: pa.Table, shipper: Address) -> pa.Table:
        """Return the price of each shipment by every service that accepts it."""
        await self._admit("quote", "table", None)
        return await asyncio.to_thread(
            self.card.shop_table, _all_dated(table, shipper), shipper, basis="quoted"
        )

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the price by every service that accepts the shipment, cheapest first."""
        await self._admit("quote", str(shipment.order_id), shipment)
        rates = []
        for service in self.card.services_for(shipment, shipper):
            try:
                rates.append(
                    self.card.quote(
                        _dated(shipment.model_copy(update={"service": service}), shipper),
                        shipper,
                    )
                )
            except CarrierRejected:
                continue
        return sorted(rates, key=lambda rate: rate.cost_cents)

    async def ship(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec, account: str
    ) -> Purchase:
        """Sell a label. The purchase is durable in the books before this returns."""
        clock = asyncio.get_running_loop().time
        answer_at = clock() + self._pause("ship", reference)
        shipment = SERVICES.settled(shipment)
        fate = await self._admit("ship", reference, shipment)
        if refused := refusal(shipment, shipper, reference, SERVICES.limits) or (
            _no(self.faults) if fate is Fate.REJECTED else None
        ):
            raise refused
        rate = self.card.quote(_dated(shipment, shipper), shipper)
        try:
            entry, parts = await self._record(
                shipment,
                shipper,
                reference,
                label,
                account=account,
                rate=rate,
                late=fate is Fate.LATE,
            )
        except (sqlite3.Error, OSError) as error:
            raise AnswerLost(
                f"The sandbox's books at {self.books.path} cannot be written: {error}.",
                fix="Free the disk or choose another home; the row is looked up before it is sent "
                "again.",
            ) from error
        if fate in _DONE_AND_LOST:
            raise Trouble(fate)
        await asyncio.sleep(max(0.0, answer_at - clock()))
        return purchase_of(entry, parts)

    async def find(self, reference: str, account: str) -> list[Purchase]:
        """Return what was bought under `reference`, as far as it is visible yet."""
        await self._admit("find", reference, None)
        return [
            purchase_of(entry, parts) for entry, parts in await self.books.find(reference, account)
        ]

    async def void(self, shipment_id: str, account: str) -> None:
        """Void a shipment. One that is on a manifest is not voided, as at USPS."""
        await self._admit("void", shipment_id, None)
        if refused := await self.books.run(lambda con: refuse_on_form(con, shipment_id)):
            raise refused
        if await self.books.void(shipment_id, account) is None:
            raise CarrierRejected(
                f"The sandbox has no shipment {shipment_id}.",
                fix="Look the shipment up by its reference.",
                carrier_code="not_found",
            )

    async def manifest(
        self,
        shipments: Sequence[BoughtLabels],
        origin: Address,
        day: dt.date,
        account: str,
        *,
        asked_before: bool,
    ) -> MadeManifest:
        """Put labels on one form, or return the form that was asked for before."""
        fate = await self._admit("manifest", shipments[0].shipment_id, None)
        if fate is Fate.REJECTED:
            raise _no(self.faults)
        made = await made_form(
            self.books, account, shipments, origin, day, asked_before=asked_before
        )
        if fate in _DONE_AND_LOST:
            raise Trouble(fate)
        return made

    async def pickup(self, request: PickupRequest) -> PickupOffer:
        """Return what a pickup costs."""
        await self._admit("quote", request.reference, None)
        return pickup_desk.priced(request)

    async def book_pickup(
        self, request: PickupRequest, account: str, *, asked_before: bool
    ) -> BookedPickup:
        """Book a pickup, or return the one that was asked for before."""
        fate = await self._admit("pickup", request.reference, None)
        if fate is Fate.REJECTED:
            raise _no(self.faults)
        made = await pickup_desk.booked(self.books, account, request, asked_before=asked_before)
        if fate in _DONE_AND_LOST:
            raise Trouble(fate)
        return made

    async def pickup_status(self, number: str, account: str) -> str:
        """Return scheduled or canceled."""
        return await pickup_desk.state_of(self.books, account, number)

    async def cancel_pickup(self, number: str, account: str) -> None:
        """Cancel a pickup."""
        await pickup_desk.canceled(self.books, account, number, time.time())

    async def _admit(self, operation: str, key: str, shipment: Shipment | None) -> Fate:
        """Return what happens to a request, after the first half of its latency.

        Raises Trouble for faults that end it before anything is bought.
        """
        fate = self._fate(operation, key, shipment)
        if fate is not Fate.LATE and (pause := self._pause(operation, key)):
            await asyncio.sleep(pause / 2 if operation == "ship" else pause)
        if fate in {Fate.AUTH_REFUSED, Fate.RATE_LIMITED, Fate.ERROR_BEFORE, Fate.LOST_BEFORE} or (
            operation not in _MAKES and fate is not Fate.FINE
        ):
            raise Trouble(fate)
        return fate

    def _fate(self, operation: str, key: str, shipment: Shipment | None) -> Fate:
        faults = self.faults
        if not faults.trouble or operation not in faults.on or not subject(faults, key, shipment):
            return Fate.FINE
        self._asked[operation] += 1
        if faults.first is not None and self._asked[operation] > faults.first:
            return Fate.FINE
        if operation == "quote":
            key = str(self._asked[operation])
        fate = draw_fate(faults, operation, key, self._turned_away[key])
        if fate in {Fate.RATE_LIMITED, Fate.AUTH_REFUSED, Fate.ERROR_BEFORE} or (
            operation not in _MAKES and fate is not Fate.FINE
        ):
            self._turned_away[key] += 1
        return fate

    def _pause(self, operation: str, key: str) -> float:
        faults = self.faults
        return faults.latency_s + (
            faults.jitter_s * chance(faults.seed, "jitter", operation, key)
            if faults.jitter_s
            else 0.0
        )

    async def _record(
        self,
        shipment: Shipment,
        shipper: Address,
        reference: str,
        label: LabelSpec,
        *,
        account: str,
        rate: Rate,
        late: bool,
    ) -> tuple[Entry, list[StoredPart]]:
        numbers = await self.books.numbers(len(shipment.parcels))
        parts = await self._labels(shipment, shipper, reference, label, numbers)
        now = time.time()
        entry = Entry(
            shipment_id=numbers[0],
            reference=reference,
            account=account,
            service=rate.service,
            numbers=numbers,
            cents=self._billed(rate.cost_cents, reference),
            currency=rate.currency,
            billed_weight_lb=rate.billable_weight_lb,
            created_at=now,
            visible_at=now + (self.faults.late_s if late else 0.0),
        )
        await self.books.add(entry, parts)
        return entry, parts

    async def _labels(
        self,
        shipment: Shipment,
        shipper: Address,
        reference: str,
        spec: LabelSpec,
        numbers: Sequence[str],
    ) -> list[StoredPart]:
        if self.label_bytes is not None:
            return [
                StoredPart(number, spec.format.value, None, self.label_bytes) for number in numbers
            ]
        from shipkit.render import draw, label_contents

        contents = label_contents(
            shipment,
            shipper,
            numbers,
            service=SERVICES.title_of(shipment.service),
            reference=reference,
            date=local_day(shipment.ship_from or shipper),
        )
        if spec.format in {LabelFormat.PNG, LabelFormat.GIF}:
            drawn = [await asyncio.to_thread(draw, content, spec) for content in contents]
        else:
            drawn = [draw(content, spec) for content in contents]
        return [
            StoredPart(number, spec.format.value, data)
            for number, data in zip(numbers, drawn, strict=True)
        ]

    def _billed(self, cents: int, reference: str) -> int:
        faults = self.faults
        if not faults.price_drift or chance(faults.seed, "drift", reference) >= faults.drift:
            return cents
        return round(cents * (1 + Fraction(faults.price_drift)))


def purchase_of(entry: Entry, parts: Sequence[StoredPart]) -> Purchase:
    """Return an entry of the books as the carrier would answer it."""
    labels = {
        p.tracking_number: Label(
            tracking_number=p.tracking_number, format=LabelFormat(p.format), data=_bytes(p)
        )
        for p in parts
    }
    return Purchase(
        shipment_id=entry.shipment_id,
        tracking_numbers=entry.numbers,
        service=entry.service,
        voided=entry.voided_at is not None,
        charge=Charge(
            cents=entry.cents, currency=entry.currency, billed_weight_lb=entry.billed_weight_lb
        ),
        labels=tuple(labels[number] for number in entry.numbers if number in labels),
    )


def _bytes(part: StoredPart) -> bytes:
    if part.data is not None:
        return part.data
    seed = hashlib.sha512(part.tracking_number.encode()).digest()
    size = part.fixed_bytes or 0
    return (b"%SANDBOX made-up label\n" + seed * (size // len(seed) + 1))[:size]


def _all_dated(table: pa.Table, shipper: Address) -> pa.Table:
    """Return `table` with the shipper's local day as the ship date where there is none."""
    column = table.schema.get_field_index("ship_date")
    if column < 0:
        return table
    days = local_days(table.column("ship_from"), shipper)
    return table.set_column(column, "ship_date", pc.coalesce(table.column(column), days))


def _dated(shipment: Shipment, shipper: Address) -> Shipment:
    if shipment.ship_date:
        return shipment
    return shipment.model_copy(update={"ship_date": local_day(shipment.ship_from or shipper)})


def _no(faults: Faults) -> CarrierRejected:
    return CarrierRejected(
        "The sandbox refuses this shipment, because the fault `reject` is on.",
        fix="Switch the fault off, or skip the row.",
        carrier_code=faults.reject_code,
        carrier_message="refused on request",
    )
