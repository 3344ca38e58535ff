"""Parcels that are held at a UPS Access Point: alike in Rate and Ship, or refused in words."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shipkit.carriers.ups import wire
from shipkit.carriers.ups.access_points import access_point_note
from shipkit.errors import CarrierRejected
from shipkit.models import Address, LabelSpec, Money, Shipment

TODAY = dt.date(2026, 11, 29)
POINT = {
    "access_point_id": "u 1234 5678",
    "access_point_name": "Corner Shop",
    "access_point_street": "5 Bay St",
    "access_point_city": "Towson",
    "access_point_state": "MD",
    "access_point_postal_code": "21204",
}
PLACE = {
    "AddressLine": ["5 Bay St"],
    "City": "Towson",
    "StateProvinceCode": "MD",
    "PostalCode": "21204",
    "CountryCode": "US",
}


def with_fields(shipment: Shipment, **given: Any) -> Shipment:
    return Shipment(**{**dict(shipment), **given})


def bodies(shipment: Shipment, shop: Address) -> tuple[dict[str, Any], dict[str, Any]]:
    bought = wire.ship(
        shipment, shop, account="A1B2C3", reference="R", label=LabelSpec(), today=TODAY
    )
    asked = wire.rate(shipment, shop, account="A1B2C3")
    return bought.body["ShipmentRequest"]["Shipment"], asked.body["RateRequest"]["Shipment"]


@pytest.mark.parametrize(("kind", "code"), [(None, "01"), ("hold", "01"), ("deliver", "02")])
def test_the_point_is_in_the_quote_and_in_the_purchase(
    shipment: Shipment, shop: Address, kind: str | None, code: str
) -> None:
    held = with_fields(shipment, **POINT, access_point=kind)
    bought, asked = bodies(held, shop)
    assert bought["ShipmentIndicationType"] == asked["ShipmentIndicationType"] == [{"Code": code}]
    assert bought["AlternateDeliveryAddress"] == {
        "Name": "Corner Shop",
        "AttentionName": "Jo Ng",
        "UPSAccessPointID": "U12345678",
        "Address": PLACE,
    }
    assert asked["AlternateDeliveryAddress"] == {"Name": "Corner Shop", "Address": PLACE}
    assert bought["ShipTo"]["Address"]["City"] == "Timonium"
    assert "Corner Shop, Towson" in (access_point_note(held) or "")


def test_every_request_with_a_point_is_valid(
    contract: Any, shipment: Shipment, shop: Address
) -> None:
    held = with_fields(shipment, **POINT)
    for request in (
        wire.ship(held, shop, account="A1B2C3", reference="R", label=LabelSpec(), today=TODAY),
        wire.rate(held, shop, account="A1B2C3"),
    ):
        problems = contract.request(request.method, request.path, request.body, mode="closed")
        assert problems == []


def test_none_sends_the_parcel_to_the_address(shipment: Shipment, shop: Address) -> None:
    for body in bodies(with_fields(shipment, **POINT, access_point="none"), shop):
        assert "AlternateDeliveryAddress" not in body
    assert access_point_note(shipment) is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"access_point": "hold"}, "access_point_name"),
        ({"access_point_id": "U12345678"}, "access_point_name"),
        ({**POINT, "access_point_street": None}, "access_point_street"),
        ({**POINT, "access_point_id": "U123"}, "access_point_id"),
        ({**POINT, "access_point_country": "CA"}, "access_point_country"),
        ({"access_point_city": "Towson"}, "access_point_city"),
        ({"access_point_country": "US"}, "access_point_country"),
        ({**POINT, "is_return": True}, "access_point"),
        ({**POINT, "direct_delivery_only": True}, "access_point"),
        ({**POINT, "cod_amount": Money.of("10")}, "access_point"),
    ],
)
def test_what_is_not_enough_or_does_not_go_together_is_refused(
    shipment: Shipment, shop: Address, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(CarrierRejected) as found:
        wire.check(with_fields(shipment, **given), shop)
    assert found.value.details["field"] == field
    assert found.value.fix
