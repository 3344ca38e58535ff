"""USPS Carrier Pickup: free, one for an address and a day, canceled with its tag."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shipkit.carriers.after_purchase import BookedPickup, BoughtLabels, PickupRequest
from shipkit.carriers.usps.carrier_pickups import pickup_body
from shipkit.common.local_day import local_day
from shipkit.errors import AnswerLost, CarrierRejected
from shipkit.models import Money, Shipment

from .conftest import SHOP, asked

MAILER = SHOP.model_copy(update={"email": "dana@example.com"})
MONDAY = local_day(SHOP) + dt.timedelta(days=7 - local_day(SHOP).weekday())


def wish(shipment: Shipment, **more: Any) -> PickupRequest:
    priority = shipment.model_copy(update={"service": "priority"})
    given = {
        "reference": "P0123456789ABCDEF012",
        "address": MAILER,
        "own_address": True,
        "day": MONDAY,
        "ready": dt.time(9),
        "close": dt.time(17),
        "shipments": (
            (shipment, BoughtLabels("a", ("1", "2"))),
            (priority, BoughtLabels("b", ("3",))),
        ),
        **more,
    }
    return PickupRequest(**given)


def test_it_costs_nothing_and_is_booked_looked_at_and_canceled(
    server: Any, usps: Any, shipment: Any
) -> None:
    own = wish(shipment, instructions="Dock 2", place="other")

    async def call(one: Any) -> Any:
        offer = await one.pickup(own)
        booked = await one.book_pickup(own, offer, asked_before=False)
        said = await one.pickup_status(own, booked)
        kept = server.pickups[booked.number]["body"]
        await one.cancel_pickup(own, booked, asked_before=False)
        return offer, booked, said, kept

    offer, booked, said, kept = asked(usps(), call)
    assert (offer.price, booked.charged) == (Money.from_cents(0), Money.from_cents(0))
    assert said == f"scheduled for {MONDAY}"
    assert kept["packages"] == [
        {"packageType": "PRIORITY_MAIL", "packageCount": 1},
        {"packageType": "USPS_GROUND_ADVANTAGE", "packageCount": 2},
    ]
    assert kept["estimatedWeight"] == 4.0
    assert server.pickups == {}


@pytest.mark.parametrize("fault", ["reset_after", "503_after", "garbled", "hollow"])
def test_a_lost_answer_is_settled_by_asking_again(
    server: Any, usps: Any, shipment: Any, fault: str
) -> None:
    own = wish(shipment)
    server.fault("pickup", fault, skip=1)  # after the question whether USPS comes

    async def call(one: Any) -> Any:
        offer = await one.pickup(own)
        with pytest.raises(AnswerLost):
            await one.book_pickup(own, offer, asked_before=False)
        return await one.book_pickup(own, offer, asked_before=True)

    booked = asked(usps(), call)
    assert (booked.number, len(server.pickups)) == ("", 1)
    assert "usps.com" in booked.warnings[0]
    with pytest.raises(CarrierRejected, match="did not say the number"):
        asked(usps(), lambda one: one.cancel_pickup(own, booked, asked_before=False))


def test_a_cancellation_without_an_answer_is_asked_for_again_and_is_done(
    server: Any, usps: Any, shipment: Any
) -> None:
    own = wish(shipment)

    async def call(one: Any) -> None:
        booked = await one.book_pickup(own, await one.pickup(own), asked_before=False)
        server.fault("pickup", "reset_after", skip=1)  # after the look for the tag
        with pytest.raises(AnswerLost):
            await one.cancel_pickup(own, booked, asked_before=False)
        assert server.pickups == {}
        await one.cancel_pickup(own, booked, asked_before=True)
        with pytest.raises(CarrierRejected, match="not found"):  # by someone else, or never there
            await one.cancel_pickup(own, booked, asked_before=False)

    asked(usps(), call)


def test_one_of_somebody_else_is_not_taken_for_ours(server: Any, usps: Any, shipment: Any) -> None:
    own = wish(shipment)

    async def call(one: Any) -> Any:
        offer = await one.pickup(own)
        await one.book_pickup(own, offer, asked_before=False)
        await one.book_pickup(own, offer, asked_before=False)

    with pytest.raises(CarrierRejected, match="already exists"):
        asked(usps(), call)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"day": MONDAY - dt.timedelta(days=1)}, "Monday to Saturday"),
        ({"place": "other"}, "where"),
        ({"instructions": "x" * 256}, "255"),
        ({"address": MAILER.model_copy(update={"name": "Cher"})}, "first and a last name"),
        ({"address": SHOP.model_copy(update={"phone": "12"})}, "e-mail"),
        ({"address": MAILER.model_copy(update={"country": "CA"})}, "in the US"),
    ],
)
def test_what_usps_refuses_is_refused_before_it_is_asked(
    shipment: Any, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(CarrierRejected, match=words):
        pickup_body(wish(shipment, **change))


def test_an_address_without_pickups_and_a_number_of_nobody_are_refused(
    server: Any, usps: Any, shipment: Any
) -> None:
    nowhere = MAILER.model_copy(update={"address_line1": "1 Nowhere Road"})
    with pytest.raises(CarrierRejected, match="Invalid pickup location"):
        asked(usps(), lambda one: one.pickup(wish(shipment, address=nowhere)))
    with pytest.raises(CarrierRejected, match="not found"):
        asked(usps(), lambda one: one.pickup_status(wish(shipment), BookedPickup("WTC1")))
