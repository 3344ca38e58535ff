"""Walks a carrier on its test host: price, purchase, repeat, look-up, void, tracking.

A carrier that sends drivers or makes manifests is walked there, too.

What a carrier's documents promise, its own test host can show with the user's credentials:
``shipkit carriers check NAME`` runs this. It costs nothing, because a live account is refused
before anything is sent, and everything that it buys is voided or canceled, but a label of the test
host that is on a manifest, where the carrier does not void such labels.
"""

from __future__ import annotations

import secrets
from typing import Final

from shipkit.carriers.after_purchase import manifest_maker
from shipkit.carriers.handover_walk import walk_manifest, walk_pickup
from shipkit.carriers.host_steps import BOX, SHIP_FROM, SHIP_TO, HostCheck, HostStep, tried
from shipkit.carriers.label_format import format_of
from shipkit.carriers.protocol import Carrier, Prepared, preparer, repeats_by_key, tracker
from shipkit.errors import InputError
from shipkit.models import LabelSpec, Money, Purchase, Rate, Shipment

__all__ = ["HostCheck", "HostStep", "walk"]

_REPEAT: Final = "repeat with its key"
_ANOTHER: Final = "buy for the manifest"
_BUYING: Final = frozenset({"buy", _REPEAT, _ANOTHER})
"""Steps that may have bought a label where their answer was lost."""


async def walk(
    carrier: Carrier, *, service: str | None = None, label: LabelSpec | None = None
) -> HostCheck:
    """Return what the test host of a carrier shows.

    Parameters
    ----------
    service
        What to buy; None: the cheapest that the carrier offers for a parcel of 2 lb within the US.

    Raises
    ------
    InputError
        The carrier is set up for a live account. Nothing was sent.
    """
    if carrier.identity.live:
        raise InputError(
            f"{carrier.identity} is a live account, and a check buys labels. Nothing was sent.",
            fix=f"Set SHIPKIT_{carrier.identity.name.upper()}_ENV=test, with credentials of the "
            "test host.",
        )
    check, spec = HostCheck(), label or _format_for(carrier)
    rate = await _priced(carrier, check, service)
    if rate is None:
        return check
    shipment = _sample(rate.service)
    reference = f"CHECK{secrets.token_hex(7).upper()}0"
    under = await _prepared(carrier, check, shipment, reference, spec, rate)
    if under is None:
        return check
    bought = await _bought(carrier, check, shipment, under, spec, rate)
    found: list[Purchase] | None = None
    try:
        if bought is not None and repeats_by_key(carrier):
            await _repeated(carrier, check, shipment, under, spec, bought)
        found = await _looked_up(carrier, check, shipment, under, spec, bought)
        if bought is not None:
            await _tracked(carrier, check, bought)
            await walk_pickup(carrier, check, shipment, bought)
    finally:
        if not found and "buy" in check.unsure:  # it may have come since
            found = await _looked_up(carrier, check, shipment, under, spec, None, "look up again")
        await _voided(carrier, check, under, _of_one(bought, found))
    if bought is not None and manifest_maker(carrier) is not None:
        await _on_manifest(carrier, check, shipment, spec, rate)
    return check


def _sample(service: str) -> Shipment:
    return Shipment(order_id="check", ship_to=SHIP_TO, service=service, parcels=(BOX,))


def _format_for(carrier: Carrier) -> LabelSpec:
    formats = carrier.capabilities.label_formats
    return LabelSpec(format=min(formats, key=lambda one: (one.value != "pdf", one.value)))


async def _priced(carrier: Carrier, check: HostCheck, service: str | None) -> Rate | None:
    if service is None:
        offers = await tried(check, "compare", lambda: carrier.shop(_sample("any"), SHIP_FROM))
        if not offers:
            return None
        cheapest = min(offers, key=lambda rate: rate.cost_cents)
        check.note("compare", f"{len(offers)} services, the cheapest is {cheapest.service}")
        service = cheapest.service
    shipment = _sample(service)
    rate = await tried(check, "price", lambda: carrier.quote(shipment, SHIP_FROM))
    if rate is not None:
        check.note("price", f"{_money(rate.cost_cents, rate.currency)} by {service}")
    return rate


async def _prepared(
    carrier: Carrier,
    check: HostCheck,
    shipment: Shipment,
    reference: str,
    label: LabelSpec,
    rate: Rate,
    name: str = "prepare",
) -> str | None:
    step = preparer(carrier)
    if step is None:
        return reference
    made: Prepared | None = await tried(
        check, name, lambda: step.prepare(shipment, SHIP_FROM, reference, label)
    )
    if made is None:
        return None
    same = made.price is None or made.price.cents == rate.cost_cents
    check.note(name, f"the price is {made.price or 'not given'}", expected=same)
    return made.shipment_id


async def _bought(
    carrier: Carrier,
    check: HostCheck,
    shipment: Shipment,
    under: str,
    label: LabelSpec,
    rate: Rate,
) -> Purchase | None:
    bought = await tried(check, "buy", lambda: carrier.ship(shipment, SHIP_FROM, under, label))
    if bought is None:
        return None
    numbers, charge = ", ".join(bought.tracking_numbers), bought.charge
    paid = "no charge given" if charge is None else _money(charge.cents, charge.currency)
    same = charge is None or charge.cents == rate.cost_cents
    check.note("buy", f"{numbers}, {paid}", expected=same)
    whole = bool(bought.labels) and all(
        format_of(one.data) is one.format for one in bought.labels if one.kind == "label"
    )
    kinds = ", ".join(sorted({one.format.value.upper() for one in bought.labels})) or "none"
    check.note("label file", f"{kinds}, {'whole' if whole else 'not whole'}", expected=whole)
    return bought


async def _repeated(
    carrier: Carrier,
    check: HostCheck,
    shipment: Shipment,
    under: str,
    label: LabelSpec,
    bought: Purchase,
) -> None:
    again = await tried(check, _REPEAT, lambda: carrier.ship(shipment, SHIP_FROM, under, label))
    if again is None:
        return
    same = again.tracking_numbers == bought.tracking_numbers and again.charge == bought.charge
    check.repeat_is_same = same
    text = "the same label" if same else f"another label: {', '.join(again.tracking_numbers)}"
    check.note(_REPEAT, text, expected=same)
    if again.tracking_numbers != bought.tracking_numbers:
        gone = await tried(check, "void of the repeat", lambda: _void(carrier, again))
        check.leave(*([] if gone else again.tracking_numbers))


async def _looked_up(
    carrier: Carrier,
    check: HostCheck,
    shipment: Shipment,
    under: str,
    label: LabelSpec,
    bought: Purchase | None,
    name: str = "look up",
) -> list[Purchase] | None:
    """Return what is found under the reference, None without an answer."""
    found = await tried(check, name, lambda: carrier.find(under, label, shipment))
    if found is None:
        return None
    numbers = [number for one in found for number in one.tracking_numbers]
    wanted = [] if bought is None else list(bought.tracking_numbers)
    text = ", ".join(numbers) or "nothing found"
    check.note(name, text, expected=sorted(numbers) == sorted(wanted))
    return found


async def _tracked(carrier: Carrier, check: HostCheck, bought: Purchase) -> None:
    able = tracker(carrier)
    if able is None:
        return
    found = await tried(check, "track", lambda: able.track(bought.tracking_numbers))
    if found is not None:
        check.note("track", ", ".join(str(one["status"]) for one in found))


def _of_one(bought: Purchase | None, found: list[Purchase] | None) -> list[Purchase]:
    """Return every purchase under one reference that is not voided."""
    known = [] if bought is None else [bought]
    numbers = {number for each in known for number in each.tracking_numbers}
    others = [
        each
        for each in found or ()
        if not each.voided and not numbers.intersection(each.tracking_numbers)
    ]
    return known + others


async def _voided(
    carrier: Carrier, check: HostCheck, under: str, purchases: list[Purchase]
) -> None:
    """Void what was bought, also where its answer was lost."""
    lost = sorted(check.unsure & _BUYING)
    if (not purchases and lost) or (_REPEAT in lost and "look up" in check.unsure):
        check.leave(f"what may be a label under {under}")
    for purchase in purchases:
        await _voided_twice(carrier, check, purchase)
    check.unsure -= _BUYING


async def _voided_twice(carrier: Carrier, check: HostCheck, purchase: Purchase) -> None:
    if not await tried(check, "void", lambda: _void(carrier, purchase)):
        check.leave(*purchase.tracking_numbers)
        return
    check.note("void", "accepted")
    if await tried(check, "void again", lambda: _void(carrier, purchase)):
        check.note("void again", "accepted")


async def _on_manifest(
    carrier: Carrier, check: HostCheck, shipment: Shipment, label: LabelSpec, rate: Rate
) -> None:
    """Put another label on a manifest: it may not be voided afterwards."""
    reference, name = f"CHECK{secrets.token_hex(7).upper()}0", "prepare for the manifest"
    under = await _prepared(carrier, check, shipment, reference, label, rate, name)
    if under is None:
        return
    bought = await tried(check, _ANOTHER, lambda: carrier.ship(shipment, SHIP_FROM, under, label))
    if bought is not None:
        await walk_manifest(carrier, check, bought)
    elif _ANOTHER in check.unsure:
        name = "look up for the manifest"
        found = await _looked_up(carrier, check, shipment, under, label, None, name)
        await _voided(carrier, check, under, _of_one(None, found))


async def _void(carrier: Carrier, purchase: Purchase) -> bool:
    await carrier.void(purchase)
    return True


def _money(cents: int, currency: str) -> str:
    return str(Money.from_cents(cents, currency))
