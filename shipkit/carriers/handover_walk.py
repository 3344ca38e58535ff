"""Walks the pickups and manifests of a carrier on its test host.

What shipkit relies on is that a lost answer can be settled: each request is repeated as one whose
answer did not come, and must show the pickup or the form that is there.
"""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Final

from shipkit.carriers.after_purchase import (
    BookedPickup,
    BooksPickups,
    BoughtLabels,
    PickupOffer,
    PickupRequest,
    manifest_maker,
    pickup_booker,
)
from shipkit.carriers.host_steps import SHIP_FROM, HostCheck, tried
from shipkit.carriers.protocol import Carrier
from shipkit.common.local_day import local_day
from shipkit.errors import CarrierError, CarrierRejected
from shipkit.models import Purchase, Shipment

__all__ = ["walk_manifest", "walk_pickup"]

_FRIDAY: Final = 4


async def walk_pickup(
    carrier: Carrier, check: HostCheck, shipment: Shipment, bought: Purchase
) -> None:
    """Price a pickup of the next working day, book it, ask for it again, and cancel it."""
    booker = pickup_booker(carrier)
    if booker is None:
        return
    request = PickupRequest(
        reference=f"P{secrets.token_hex(9).upper()}",
        address=SHIP_FROM,
        own_address=False,
        day=_next_working_day(),
        ready=dt.time(9),
        close=dt.time(17),
        shipments=((shipment, _labels(bought)),),
    )
    offer = await tried(check, "price of a pickup", lambda: booker.pickup(request))
    if offer is None:
        return
    check.note("price of a pickup", f"{offer.price} on {request.day}")
    booked = await tried(
        check, "pickup", lambda: booker.book_pickup(request, offer, asked_before=False)
    )
    if booked is not None:
        same = booked.charged in (None, offer.price)
        check.note("pickup", f"{booked.number}, {booked.charged or 'no price'}", expected=same)
    found = await _asked_again(check, booker, request, offer, booked)
    if (known := booked or found) is not None:
        await _canceled(check, booker, request, known)
    elif "pickup" in check.unsure:
        check.leave(f"what may be a pickup of {request.day}, {request.reference}")


async def _asked_again(
    check: HostCheck,
    booker: BooksPickups,
    request: PickupRequest,
    offer: PickupOffer,
    booked: BookedPickup | None,
) -> BookedPickup | None:
    name = "pickup after a lost answer"
    found = await tried(check, name, lambda: booker.book_pickup(request, offer, asked_before=True))
    if found is not None:
        # A carrier may know that there is one and not say its number: USPS.
        same = booked is None or found.number in ("", booked.number)
        words = found.number or "there is one, without its number"
        check.note(name, words if same else f"another one: {found.number}", expected=same)
        if not same:
            check.leave(f"pickup {found.number}")
    return found


async def _canceled(
    check: HostCheck, booker: BooksPickups, request: PickupRequest, booked: BookedPickup
) -> None:
    said = await tried(check, "pickup status", lambda: booker.pickup_status(request, booked))
    if said is not None:
        check.note("pickup status", said)

    async def canceled(*, asked_before: bool) -> bool:
        await booker.cancel_pickup(request, booked, asked_before=asked_before)
        return True

    if not await tried(check, "cancel the pickup", lambda: canceled(asked_before=False)):
        check.leave(f"pickup {booked.number or request.reference}")
        return
    check.note("cancel the pickup", "accepted")
    name = "cancel after a lost answer"
    try:
        await canceled(asked_before=True)
        check.note(name, "accepted")
    except CarrierRejected as refused:  # then a person decides, and nothing is wrong
        check.note(name, f"refused: {refused.message}")
    except CarrierError as error:
        check.note(name, f"{error.message} ({error.code})", expected=False)


async def walk_manifest(carrier: Carrier, check: HostCheck, bought: Purchase) -> None:
    """Put a label on a manifest, ask for it again, and try to void the label."""
    maker = manifest_maker(carrier)
    if maker is None:
        return
    labels, day = [_labels(bought)], local_day(SHIP_FROM)
    made = await tried(
        check, "manifest", lambda: maker.manifest(labels, SHIP_FROM, day, asked_before=False)
    )
    if made is not None:
        on_it = set(bought.tracking_numbers) <= set(made.tracking_numbers)
        paper = "with its paper" if made.form else "without paper"
        words = f"{made.number}, {paper}" if on_it else f"{made.number} does not list the label"
        check.note("manifest", words, expected=on_it)
    name = "manifest after a lost answer"
    found = await tried(
        check, name, lambda: maker.manifest(labels, SHIP_FROM, day, asked_before=True)
    )
    if found is not None:
        same = made is None or found.number == made.number
        words = found.number if same else f"another one: {found.number}"
        check.note(name, words, expected=same)
    listed = made is not None or found is not None
    await _void_on_manifest(carrier, check, bought, listed=listed)


async def _void_on_manifest(
    carrier: Carrier, check: HostCheck, bought: Purchase, *, listed: bool
) -> None:
    name = "void after the manifest"
    try:
        await carrier.void(bought)
        check.note(name, "accepted")
    except CarrierRejected as refused:  # as USPS does; a label of the test host costs nothing
        check.note(name, f"refused: {refused.message}", expected=listed)
        check.leave(*([] if listed else bought.tracking_numbers))
    except CarrierError as error:
        check.note(name, f"{error.message} ({error.code})", expected=False)
        check.leave(*bought.tracking_numbers)


def _labels(bought: Purchase) -> BoughtLabels:
    return BoughtLabels(bought.shipment_id, tuple(bought.tracking_numbers))


def _next_working_day() -> dt.date:
    """Return tomorrow, or the Monday after: UPS lists pickups of today and tomorrow only."""
    day = local_day(SHIP_FROM) + dt.timedelta(days=1)
    while day.weekday() > _FRIDAY:
        day += dt.timedelta(days=1)
    return day
