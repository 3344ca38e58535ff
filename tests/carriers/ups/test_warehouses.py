"""Parcels from a warehouse: the account holder is the Shipper, the warehouse is ShipFrom."""

from __future__ import annotations

import datetime as dt
from typing import Any

from shipkit.carriers.ups import wire
from shipkit.models import Address, LabelSpec, Shipment

DALLAS = Address(
    company="Shop North",
    address_line1="9 Dock Rd",
    city="Dallas",
    state="TX",
    postal_code="75201",
    phone="2145550100",
)
SAN_JUAN = DALLAS.model_copy(
    update={"city": "San Juan", "state": "PR", "postal_code": "00901", "country": "PR"}
)


def bodies(shipment: Shipment, shop: Address) -> list[dict[str, Any]]:
    """Return the shipment as Ship and as Rate are asked for it."""
    bought = wire.ship(
        shipment,
        shop,
        account="A1B2C3",
        reference="R",
        label=LabelSpec(),
        today=dt.date(2026, 11, 29),
    )
    asked = wire.rate(shipment, shop, account="A1B2C3")
    return [
        bought.body["ShipmentRequest"]["Shipment"],
        asked.body["RateRequest"]["Shipment"],
    ]


def cities(body: dict[str, Any]) -> tuple[str, str, str]:
    return tuple(body[end]["Address"]["City"] for end in ("Shipper", "ShipFrom", "ShipTo"))


def test_the_account_holder_pays_and_the_warehouse_sends(shipment: Shipment, shop: Address) -> None:
    from_dallas = shipment.model_copy(update={"ship_from": DALLAS})
    for body in bodies(from_dallas, shop):
        assert cities(body) == (shop.city, "Dallas", "Timonium")
        assert body["Shipper"]["ShipperNumber"] == "A1B2C3"
    [bought, _] = bodies(from_dallas, shop)
    assert bought["ShipFrom"]["Name"] == "Shop North"


def test_a_return_goes_back_to_the_warehouse(shipment: Shipment, shop: Address) -> None:
    back = shipment.model_copy(update={"ship_from": DALLAS, "is_return": True})
    for body in bodies(back, shop):
        assert cities(body) == (shop.city, "Timonium", "Dallas")


def test_rules_of_the_route_are_those_of_the_warehouse(shipment: Shipment, shop: Address) -> None:
    """References belong on the shipment between Puerto Rico and the US, not on the package."""
    crossing = shipment.model_copy(update={"ship_from": SAN_JUAN, "description": "Books"})
    [bought, _] = bodies(crossing, shop)
    assert "ReferenceNumber" in bought
