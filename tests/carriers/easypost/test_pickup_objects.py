"""EasyPost's pickups: created with prices, bought by their id, read again after a lost answer."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest

from shipkit.carriers.after_purchase import BoughtLabels, PickupRequest
from shipkit.carriers.easypost import pickup_objects
from shipkit.carriers.easypost.pickup_objects import cheapest_offer, status_of
from shipkit.errors import AnswerLost, CarrierRejected
from shipkit.models import LabelSpec, Money, Shipment

from .conftest import SHOP, asked


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickup_objects, "_PAUSES_S", (0.0,) * 6)


async def wish(one: Any, shipment: Shipment, count: int) -> PickupRequest:
    """Buy labels, and return what is asked about them."""
    bought = []
    for place in range(count):
        made = await one.prepare(shipment, SHOP, f"S012345678{place}", LabelSpec(format="zpl"))
        label = await one.ship(shipment, SHOP, made.shipment_id, LabelSpec(format="zpl"))
        bought.append((shipment, BoughtLabels(label.shipment_id, label.tracking_numbers)))
    return PickupRequest(
        "P0123456789ABCDEF012",
        SHOP,
        own_address=True,
        day=dt.date(2026, 12, 1),
        ready=dt.time(10),
        close=dt.time(17),
        shipments=tuple(bought),
        instructions="Dock 2",
    )


def test_every_recorded_pickup_is_read(exchanges: Any) -> None:
    states: Counter[str] = Counter()
    for exchange in exchanges:
        answer = exchange["response"]
        if not isinstance(answer, dict):
            continue
        for each in [answer, *(answer.get("pickups") or ())]:
            if each.get("object") != "Pickup":
                continue
            states[status_of(each)] += 1
            rates = each["pickup_rates"]
            if not rates:
                with pytest.raises(CarrierRejected):
                    cheapest_offer(each)
                continue
            offer = cheapest_offer(each)
            assert offer.number == f"{each['id']};{rates[0]['carrier']};{rates[0]['service']}"
            assert offer.price == Money.of(min(rate["rate"] for rate in rates))
    assert set(states) == {"unknown", "scheduled", "canceled"}
    assert sum(states.values()) > 40


def test_it_is_created_bought_looked_at_and_canceled(
    server: Any, easypost: Any, shipment: Any
) -> None:
    server.pickup_rates = (("UPS", "Future-day Pickup", "4.50"), ("USPS", "NextDay", "0.00"))

    async def call(one: Any) -> Any:
        own = await wish(one, shipment, 1)
        offer = await one.pickup(own)
        booked = await one.book_pickup(own, offer, asked_before=False)
        said = await one.pickup_status(own, booked)
        await one.cancel_pickup(own, booked, asked_before=False)
        await one.cancel_pickup(own, booked, asked_before=True)
        return offer, booked, said

    offer, booked, said = asked(easypost(), call)
    [kept] = server.pickups.values()
    assert (offer.price, said, kept["status"]) == (Money.of("0"), "scheduled", "canceled")
    assert booked.number == kept["confirmation"]
    assert server.calls["pickup_cancel"] == 1, "the second time it was read"
    assert kept["min_datetime"] == "2026-12-01T10:00:00-06:00"
    assert kept["instructions"] == "front door: Dock 2"


def test_an_address_whose_time_zone_is_not_known_says_by_which_clock_the_times_are(
    server: Any, easypost: Any, shipment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call(one: Any) -> Any:
        return await one.pickup(await wish(one, shipment, 1))

    assert asked(easypost(), call).warnings == ()
    monkeypatch.setattr(pickup_objects, "time_zone", lambda _: None)
    [warning] = asked(easypost(), call).warnings
    *_, kept = server.pickups.values()
    start = dt.datetime.fromisoformat(kept["min_datetime"])
    assert start.tzinfo is not None, "EasyPost would take it for UTC"
    assert f"known: {start.isoformat(timespec='minutes')}" in warning


def test_of_several_shipments_it_is_of_a_batch(server: Any, easypost: Any, shipment: Any) -> None:
    async def call(one: Any) -> Any:
        return await one.pickup(await wish(one, shipment, 3))

    asked(easypost(), call)
    [batch] = server.batches.values()
    assert (batch["num_shipments"], batch["state"]) == (3, "purchased")


@pytest.mark.parametrize("fault", ["reset_after", "503_after", "garbled", "hollow"])
def test_a_lost_answer_is_read_by_the_id_and_not_bought_again(
    server: Any, easypost: Any, shipment: Any, fault: str
) -> None:
    async def call(one: Any) -> Any:
        own = await wish(one, shipment, 1)
        offer = await one.pickup(own)
        server.fault("pickup_buy", fault)
        with pytest.raises(AnswerLost):
            await one.book_pickup(own, offer, asked_before=False)
        return await one.book_pickup(own, offer, asked_before=True)

    assert asked(easypost(), call).number.startswith("WTC")
    assert server.calls["pickup_buy"] == 1


def test_one_that_is_not_scheduled_stays_in_doubt(
    server: Any, easypost: Any, shipment: Any
) -> None:
    async def call(one: Any) -> Any:
        own = await wish(one, shipment, 1)
        offer = await one.pickup(own)
        server.fault("pickup_buy", "503_before")
        for before in (False, True):
            with pytest.raises(AnswerLost):
                await one.book_pickup(own, offer, asked_before=before)

    asked(easypost(), call)
    assert server.calls["pickup_buy"] == 1


def test_a_day_without_a_price_is_refused_with_the_carriers_words(
    server: Any, easypost: Any, shipment: Any
) -> None:
    server.pickup_rates = ()

    async def call(one: Any) -> Any:
        return await one.pickup(await wish(one, shipment, 1))

    with pytest.raises(CarrierRejected, match="No pickup on that day"):
        asked(easypost(), call)
