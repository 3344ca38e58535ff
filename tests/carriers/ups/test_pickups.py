"""Pickups on call: priced, booked once, found again by our reference, canceled."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

import shipkit as sk
from shipkit.carriers.after_purchase import BookedPickup, BoughtLabels, PickupOffer, PickupRequest
from shipkit.carriers.ups.json_values import Unreadable
from shipkit.carriers.ups.pickup_requests import (
    booked_of,
    create_request,
    cut_texts,
    offer_of,
    rate_request,
)
from shipkit.common.local_day import local_day
from shipkit.errors import AnswerLost, CarrierRejected
from shipkit.models import Address, Money, Parcel, Shipment

SHOP = Address(
    name="Dana Ortiz",
    company="Alamo Goods and Ceramics of Texas",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205-1234",
    phone="210-555-0100",
)
TODAY = local_day(SHOP)


def wish(shipment: Shipment, **more: Any) -> PickupRequest:
    other = shipment.model_copy(update={"service": "2nd_day_air"})
    return PickupRequest(
        **{
            "reference": "P0123456789ABCDEF012",
            "address": SHOP,
            "own_address": True,
            "day": TODAY + dt.timedelta(days=1),
            "ready": dt.time(9),
            "close": dt.time(17, 30),
            "shipments": (
                (shipment, BoughtLabels("1Z1", ("1Z1",))),
                (shipment, BoughtLabels("1Z2", ("1Z2",))),
                (other, BoughtLabels("1Z3", ("1Z3",))),
            ),
            "instructions": "Ring twice",
            **more,
        }
    )


def at_ups(server: Any, call: Any, **options: Any) -> Any:
    async def main() -> Any:
        ups = sk.UPS(
            "client-of-the-tests",
            SecretStr("s3cret-of-the-tests"),
            "a1b2c3",
            base_url=server.url,
            timeout_s=2,
            **options,
        )
        try:
            return await call(ups)
        finally:
            await ups.aclose()

    return asyncio.run(main())


def test_a_price_is_the_accounts_own_and_a_booking_has_a_number(server: Any, shipment: Any) -> None:
    asked = wish(shipment)

    async def call(ups: Any) -> Any:
        offer = await ups.pickup(asked)
        booked = await ups.book_pickup(asked, offer, asked_before=False)
        said = await ups.pickup_status(asked, booked)
        await ups.cancel_pickup(asked, booked, asked_before=False)
        return offer, booked, said

    offer, booked, said = at_ups(server, call)
    assert (offer.price, booked.charged) == (Money.of("5.90"), Money.of("5.90"))
    assert said == "Dispatched to driver"
    [(number, kept)] = server.pickups.items()
    assert (booked.number, kept["state"]) == (number, "007")
    assert kept["PickupPiece"] == [
        {
            "ServiceCode": "002",
            "Quantity": "1",
            "DestinationCountryCode": "US",
            "ContainerCode": "01",
        },
        {
            "ServiceCode": "003",
            "Quantity": "2",
            "DestinationCountryCode": "US",
            "ContainerCode": "01",
        },
    ]
    assert kept["TotalWeight"] == {"Weight": "6.9", "UnitOfMeasurement": "LBS"}
    assert server.objections == []


def test_without_a_price_of_its_own_the_list_price_is_shown(server: Any, shipment: Any) -> None:
    server.pickup_price = None
    offer = at_ups(server, lambda ups: ups.pickup(wish(shipment)))
    assert offer.price == Money.of("7.35")
    assert offer.warnings == (
        "UPS shows the driver 27 characters of 'Alamo Goods and Ceramics of Texas'",
    )


def test_what_is_canceled_at_ups_is_neither_booked_nor_canceled_again(
    server: Any, shipment: Any
) -> None:
    """UPS's list shows it with the code 007: it was adopted as booked, and canceled twice."""
    asked = wish(shipment)

    async def call(ups: Any) -> Any:
        booked = await ups.book_pickup(asked, await ups.pickup(asked), asked_before=False)
        server.fault("pickup_cancel", "reset_after")
        with pytest.raises(AnswerLost):
            await ups.cancel_pickup(asked, booked, asked_before=False)
        await ups.cancel_pickup(asked, booked, asked_before=True)
        with pytest.raises(AnswerLost, match="as canceled"):
            await ups.book_pickup(asked, PickupOffer(booked.charged), asked_before=True)
        return await ups.pickup_status(asked, booked)

    assert at_ups(server, call) == "canceled"
    assert (len(server.pickups), server.calls["pickup_cancel"]) == (1, 1)


@pytest.mark.parametrize("fault", ["reset_after", "503_after", "garbled", "hollow"])
def test_a_lost_answer_is_found_by_our_reference_and_not_sent_again(
    server: Any, shipment: Any, fault: str
) -> None:
    asked = wish(shipment)
    server.fault("pickup", fault)

    async def call(ups: Any) -> Any:
        offer = await ups.pickup(asked)
        with pytest.raises(AnswerLost):
            await ups.book_pickup(asked, offer, asked_before=False)
        return await ups.book_pickup(asked, offer, asked_before=True)

    assert at_ups(server, call).number in server.pickups
    assert (len(server.pickups), server.calls["pickup"]) == (1, 1)


def test_what_ups_does_not_list_stays_in_doubt(server: Any, shipment: Any) -> None:
    far = wish(shipment, day=TODAY + dt.timedelta(days=9))
    server.fault("pickup", "reset_after")

    async def call(ups: Any) -> Any:
        offer = await ups.pickup(far)
        for before in (False, True):
            with pytest.raises(AnswerLost, match="may"):
                await ups.book_pickup(far, offer, asked_before=before)

    at_ups(server, call)
    assert server.calls["pickup"] == 1


def test_what_ups_refuses_is_refused(server: Any, shipment: Any) -> None:
    past = wish(shipment, day=TODAY - dt.timedelta(days=5))
    with pytest.raises(CarrierRejected, match="in the past"):
        at_ups(server, lambda ups: ups.pickup(past))
    nobody = BookedPickup("29200000009")
    with pytest.raises(CarrierRejected, match="PRN"):
        at_ups(server, lambda ups: ups.cancel_pickup(wish(shipment), nobody, asked_before=False))
    with pytest.raises(CarrierRejected, match="may be canceled already"):
        at_ups(server, lambda ups: ups.cancel_pickup(wish(shipment), nobody, asked_before=True))
    no_phone = wish(shipment, address=SHOP.model_copy(update={"phone": None}))
    with pytest.raises(CarrierRejected, match="phone"):
        at_ups(server, lambda ups: ups.pickup(no_phone))
    assert server.calls["pickup_rate"] == 1


def test_requests_are_made_of_what_ups_takes(shipment: Any) -> None:
    asked = wish(shipment, own_address=False, place="reception")
    rate = rate_request(asked, "A1B2C3")
    assert rate.path == "/api/shipments/v1/pickup/oncall"
    body = create_request(asked, "A1B2C3").body["PickupCreationRequest"]
    assert (body["AlternateAddressIndicator"], body["OverweightIndicator"]) == ("Y", "N")
    assert body["PickupAddress"]["PostalCode"] == "78205"
    assert body["PickupAddress"]["PickupPoint"] == "Reception"
    assert body["PickupDateInfo"] == {
        "ReadyTime": "0900",
        "CloseTime": "1730",
        "PickupDate": f"{TODAY + dt.timedelta(days=1):%Y%m%d}",
    }
    heavy = shipment.model_copy(update={"parcels": (Parcel(weight_lb=71),)})
    asked = wish(shipment, shipments=((heavy, BoughtLabels("1Z9", ("1Z9",))),))
    assert create_request(asked, "A").body["PickupCreationRequest"]["OverweightIndicator"] == "Y"
    assert asked.weight_lb == Decimal(71)
    assert len(cut_texts(wish(shipment, instructions="x" * 60))) == 2
    far = SHOP.model_copy(update={"address_line2": "x" * 74, "city": "y" * 51})
    assert len(cut_texts(wish(shipment, address=far))) == 3


@pytest.mark.parametrize(
    ("result", "price"),
    [
        (
            {"CurrencyCode": "cad", "GrandTotalOfAllCharge": "9.50"},
            Money(amount="9.50", currency="CAD"),
        ),
        (
            {
                "CurrencyCode": "USD",
                "GrandTotalOfAllCharge": "9.50",
                "GrandTotalOfAllIncentedCharge": "7.25",
            },
            Money(amount="7.25", currency="USD"),
        ),
        ({"GrandTotalOfAllCharge": "9.50"}, "9.50, without a currency"),
        (
            {
                "CurrencyCode": "USD",
                "GrandTotalOfAllCharge": "9.50",
                "GrandTotalOfAllIncentedCharge": "?",
            },
            "not a number",
        ),
        ({"CurrencyCode": "USD"}, None),
    ],
)
def test_a_price_of_a_pickup_has_the_currency_that_ups_gives(
    shipment: Shipment, result: dict[str, str], price: Any
) -> None:
    offered = {"PickupRateResponse": {"RateResult": result}}
    made = booked_of({"PickupCreationResponse": {"PRN": "29X1", "RateResult": result}})
    if isinstance(price, Money):
        assert offer_of(offered, wish(shipment)).price == price
        assert (made.charged, made.warnings) == (price, ())
        return
    with pytest.raises(Unreadable, match=price or "no price"):
        offer_of(offered, wish(shipment))
    assert (made.number, made.charged) == ("29X1", None)
    assert [price in warning for warning in made.warnings] == [True] * (price is not None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"address_line1": "Alamo " * 13}, "does not fit"),
        ({"city": "San " * 13}, "30 characters of a city"),
    ],
)
def test_a_street_or_city_that_would_be_cut_is_refused_by_the_limits_of_labels(
    shipment: Any, change: dict[str, str], words: str
) -> None:
    """UPS's fields are longer here (73 and 50), so nothing that passes is cut."""
    with pytest.raises(CarrierRejected, match=words):
        create_request(wish(shipment, address=SHOP.model_copy(update=change)), "A")
