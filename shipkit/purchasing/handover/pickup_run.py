"""Prices, books and cancels pickups of a job's parcels.

Booking may cost money, so it is treated as a purchase is: the price is agreed to first, the booking
is durable in the ledger before it is sent, and one without a usable answer is never sent again on a
guess.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shipkit.carriers.accounts import Accounts
from shipkit.carriers.after_purchase import (
    PLACES,
    BookedPickup,
    PickupOffer,
)
from shipkit.carriers.protocol import Carrier
from shipkit.carriers.send_gate import guarded
from shipkit.common.choices import one_of
from shipkit.common.local_day import local_day, time_zone
from shipkit.errors import (
    AnswerLost,
    ApprovalRequired,
    CarrierRejected,
    InputError,
    NotSent,
    SpendLimitExceeded,
)
from shipkit.models import Address, Money
from shipkit.purchasing.account import require_account
from shipkit.purchasing.approval import ExecutionMode
from shipkit.purchasing.handover.picked_parcels import PickedParcels
from shipkit.purchasing.pickup_book import (
    ASKED,
    BOOKED,
    CANCEL_ASKED,
    CANCEL_REFUSED,
    CANCELED,
    REFUSED,
    PickupEntry,
    booking_json,
    booking_texts,
    pickup_book,
)
from shipkit.purchasing.spend import Spend
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LabelBytes, LedgerEntry
from shipkit.purchasing.store.ledger import Ledger, now_us
from shipkit.purchasing.store.planrows import PlanRows

__all__ = ["PickupWish", "book", "cancel", "forget", "offered", "priced_again", "status"]


@dataclass(frozen=True)
class PickupWish:
    """What a person asks for."""

    day: dt.date | None
    """None: today, where the parcels are."""
    ready: dt.time
    close: dt.time
    place: str
    instructions: str


async def offered(
    store: JobStore, carrier: Carrier | Accounts, rows: Sequence[int], wish: PickupWish
) -> PickupEntry:
    """Return what a pickup of some rows would cost. Nothing is booked.

    Raises
    ------
    InputError
        The parcels are not of one account and one address, none is bought, or the carrier does not
        pick up.
    CarrierRejected
        It does not come there, or not on that day.
    """
    one_of("place", wish.place, PLACES)
    if wish.ready >= wish.close:
        raise InputError(
            f"The driver may come from {wish.ready:%H:%M} until {wish.close:%H:%M}: that is never.",
            fix='Give ready= before close=, as in ready="09:00", close="17:00".',
        )
    accounts = Accounts.of(carrier)
    require_account(store.manifest, accounts)
    # A return label is on its way to the customer, who hands the parcel over.
    rows = [
        row for row, line in PlanRows(store.path).dicts(list(rows)) if not line.get("is_return")
    ]
    parcels = PickedParcels.of(store, accounts, rows)
    day = wish.day or local_day(parcels.address)
    _demand_to_come(parcels.address, day, wish.close)
    entry = PickupEntry(
        reference=f"P{secrets.token_hex(9).upper()}",
        account=parcels.account.name,
        carrier=parcels.carrier,
        day=day,
        ready=wish.ready,
        close=wish.close,
        place=wish.place,
        instructions=" ".join(wish.instructions.split()),
        rows=tuple(rows),
        offer=PickupOffer(Money.from_cents(0)),
    )
    _refuse_second(pickup_book(store, texts=False), entry)
    request = parcels.request(entry)
    offer = await parcels.account.pacer.repeat(lambda: parcels.booker.pickup(request))
    return replace(entry, offer=offer)


def _demand_to_come(address: Address, day: dt.date, close: dt.time) -> None:
    """Raise InputError where the driver could only have come before now."""
    today, now = local_day(address), _time_at(address)
    if day < today:
        raise InputError(f"The day {day} is over.", fix=f"Give a day from {today} on.")
    if day == today and close <= now:
        raise InputError(
            f"It is {now:%H:%M} where the parcels are, and the driver may come until "
            f"{close:%H:%M}.",
            fix="Give a later close=, or another day.",
        )


def _time_at(address: Address) -> dt.time:
    return dt.datetime.now(time_zone(address)).time()


def _demand_agreed(
    store: JobStore, ledger: Ledger, entry: PickupEntry, agreed: Money | None
) -> None:
    """Raise unless the limits allow the price, and someone agreed to it or the job is unattended.

    Raises
    ------
    ApprovalRequired
        A person has to agree to the price.
    SpendLimitExceeded
        The job would spend more than its limits, which are the job's: to agree changes nothing.
    """
    price = entry.offer.price
    unasked = agreed is None and ExecutionMode.of(store.manifest.mode) is ExecutionMode.CONFIRM
    if (agreed is not None and agreed != price) or (price.cents and unasked):
        other = "" if agreed is None else f", and {agreed} was agreed to"
        raise ApprovalRequired(
            f"The pickup costs {price}{other}. Nothing was booked.",
            fix=f'Agree to its price: book(confirm_total="{price.amount}").',
            total={price.currency: f"{price.amount}"},
        )
    refusal = Spend.of(store, ledger).pickup_refusal(price, entry.account) if price.cents else None
    if refusal is not None:
        raise SpendLimitExceeded(
            f"{refusal[0].upper()}{refusal[1:]}. Nothing was booked.",
            fix="Book it with the carrier, or drop the parcels off.",
        )


async def priced_again(
    store: JobStore, carrier: Carrier | Accounts, entry: PickupEntry
) -> PickupEntry:
    """Return a pickup that is not asked for yet with the price of now.

    An offer without a number is a price that the carrier does not hold: what it charges is the
    price at the time of the booking. One with a number is booked at its own price.

    Raises
    ------
    InputError
        Its day or its hours are over.
    """
    accounts = Accounts.of(carrier)
    require_account(store.manifest, accounts)
    if entry.offer.number or entry.reference in pickup_book(store, texts=False):
        return entry
    parcels = PickedParcels.of(store, accounts, entry.rows)
    _demand_to_come(parcels.address, entry.day, entry.close)
    request = parcels.request(entry)
    offer = await parcels.account.pacer.repeat(lambda: parcels.booker.pickup(request))
    return replace(entry, offer=offer)


async def book(
    store: JobStore, carrier: Carrier | Accounts, entry: PickupEntry, agreed: Money | None
) -> PickupEntry:
    """Book a pickup once. One that is booked is returned; one in doubt is looked up first.

    Parameters
    ----------
    agreed
        The price that a person agreed to, if one was asked.

    Raises
    ------
    ApprovalRequired, SpendLimitExceeded
        No one agreed to the price, or the limits do not allow it. Nothing was booked.
    InputError
        Its day or its hours are over. Nothing was booked.
    CarrierRejected
        The carrier does not come. Nothing was booked.
    AnswerLost
        It may be booked, and the carrier does not tell: a person looks there, and decides.
    """
    accounts = Accounts.of(carrier)
    require_account(store.manifest, accounts)
    with store.own("pickup") as ledger, guarded(ledger.gate):
        pickups = pickup_book(store)  # once: while the job is owned nothing else is noted
        known = pickups.get(entry.reference)
        if known is not None and known.state == "booked":
            return known
        if known is not None and known.state != "in_doubt":
            raise InputError(
                f"The pickup {entry.reference} is {known.state}.",
                fix="Ask for a new one: job.pickup(...).",
            )
        parcels = PickedParcels.of(store, accounts, entry.rows, anyhow=known is not None)
        if known is None:
            _demand_to_come(parcels.address, entry.day, entry.close)
            # While the job is owned, so that two bookings and a run share what the limits leave.
            _demand_agreed(store, ledger, entry, agreed)
            _refuse_second(pickups, entry)
            # Durable before it is sent: after a crash it is looked up, and never sent on a guess.
            await _note(ledger, ASKED, entry.to_json(), entry.texts())
        booked = await _sent(ledger, parcels, entry, lost=known is not None)
        booked = _with_warnings(entry, booked)
        reference = entry.reference
        await _note(
            ledger, BOOKED, booking_json(reference, booked), booking_texts(reference, booked)
        )
        return pickup_book(store)[entry.reference]


async def _sent(
    ledger: Ledger, parcels: PickedParcels, entry: PickupEntry, *, lost: bool
) -> BookedPickup:
    request = parcels.request(entry)

    async def call() -> BookedPickup:
        nonlocal lost
        try:
            return await parcels.booker.book_pickup(request, entry.offer, asked_before=lost)
        except AnswerLost:
            lost = True  # the repeat looks it up
            raise

    try:
        return await parcels.account.pacer.repeat(call)
    except (CarrierRejected, NotSent) as refused:
        if not lost:
            await _note_of(ledger, REFUSED, entry, refused.message)
        raise


async def status(store: JobStore, carrier: Carrier | Accounts, entry: PickupEntry) -> str:
    """Return what the carrier says about a pickup that is booked.

    One that is canceled is not asked about: carriers have it no longer, or list it as before.
    """
    accounts = Accounts.of(carrier)
    require_account(store.manifest, accounts)
    if pickup_book(store, texts=False).get(entry.reference, entry).state == "canceled":
        return "canceled"
    booked, parcels = _demand_booked(entry), PickedParcels.known(store, accounts, entry)
    request = parcels.request(entry)
    return await parcels.account.pacer.repeat(lambda: parcels.booker.pickup_status(request, booked))


async def cancel(store: JobStore, carrier: Carrier | Accounts, entry: PickupEntry) -> PickupEntry:
    """Cancel a pickup that is booked. Safe to repeat.

    Raises
    ------
    CarrierRejected
        The carrier does not cancel it.
    AnswerLost
        It may be canceled: ask again, or a person decides.
    """
    accounts = Accounts.of(carrier)
    require_account(store.manifest, accounts)
    with store.own("pickup") as ledger, guarded(ledger.gate):
        known = pickup_book(store).get(entry.reference, entry)
        if known.state == "canceled":
            return known
        booked = _demand_booked(known)
        parcels = PickedParcels.known(store, accounts, entry)
        lost = known.canceling == "asked"
        if not lost:
            # Durable before it is sent: only after it, "there is no such pickup" means canceled.
            await _note_of(ledger, CANCEL_ASKED, entry)
        await _cancel_sent(ledger, parcels, entry, booked, lost=lost)
        await _note_of(ledger, CANCELED, entry)
    return pickup_book(store)[entry.reference]


async def _cancel_sent(
    ledger: Ledger, parcels: PickedParcels, entry: PickupEntry, booked: BookedPickup, *, lost: bool
) -> None:
    request = parcels.request(entry)

    async def call() -> None:
        nonlocal lost
        try:
            await parcels.booker.cancel_pickup(request, booked, asked_before=lost)
        except AnswerLost:
            lost = True
            raise

    try:
        await parcels.account.pacer.repeat(call)
    except (CarrierRejected, NotSent) as refused:
        if not lost:
            await _note_of(ledger, CANCEL_REFUSED, entry, refused.message)
        raise


async def forget(store: JobStore, entry: PickupEntry) -> PickupEntry:
    """Note a person's decision that a pickup is not booked, or no longer.

    It must be in doubt, or booked with a cancellation that the carrier did not confirm.
    """
    with store.own("pickup") as ledger:
        known = pickup_book(store).get(entry.reference, entry)
        if known.state == "in_doubt":
            await _note_of(ledger, REFUSED, entry, "a person decided that it is not booked")
        elif known.state == "booked" and known.canceling:
            await _note_of(ledger, CANCELED, entry, "a person decided that it is canceled")
        else:
            raise InputError(
                f"The pickup {entry.reference} is not in doubt.",
                fix="One that is booked can be forgotten after cancel() was tried.",
            )
    return pickup_book(store)[entry.reference]


def _refuse_second(pickups: Mapping[str, PickupEntry], entry: PickupEntry) -> None:
    """Raise InputError where the job has a pickup of that account and day, or may have one."""
    for other in pickups.values():
        same = (other.account, other.day) == (entry.account, entry.day)
        if not same or other.state not in ("booked", "in_doubt"):
            continue
        if not set(other.rows) & set(entry.rows):
            continue
        if other.state == "booked":
            number = other.booked.number if other.booked else ""
            raise InputError(
                f"A pickup on {entry.day} is booked already: {number or other.reference}.",
                fix="job.pickups has it; cancel it first.",
            )
        raise InputError(
            f"A pickup on {entry.day} may be booked: its answer was lost.",
            fix="job.pickups has it: book() looks it up, forget() gives it up.",
        )


def _with_warnings(entry: PickupEntry, booked: BookedPickup) -> BookedPickup:
    price, charged = entry.offer.price, booked.charged
    if charged is None or charged == price:
        return booked
    warning = f"{price} was agreed to, and {charged} is charged"
    return replace(booked, warnings=(*booked.warnings, warning))


def _demand_booked(entry: PickupEntry) -> BookedPickup:
    if entry.booked is None:
        raise InputError(
            f"The pickup {entry.reference} is not booked ({entry.state}).", fix="Book it first."
        )
    return entry.booked


async def _note_of(ledger: Ledger, event: str, entry: PickupEntry, message: str = "") -> None:
    said = {"message": message} if message else {}
    await _note(ledger, event, json.dumps({"reference": entry.reference, **said}))


async def _note(ledger: Ledger, event: str, details: str, texts: LabelBytes | None = None) -> None:
    noted = LedgerEntry(row=None, event=event, state=None, at=now_us(), details=details)
    await ledger.record([noted._replace(labels=[texts] if texts else None)])
