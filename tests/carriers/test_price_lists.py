"""The sandbox's three price lists: what each takes, costs and how long it needs."""

from __future__ import annotations

import asyncio

import pytest

import shipkit as sk
from shipkit.carriers import registry
from shipkit.errors import CarrierRejected, InputError
from shipkit.models import Parcel, Shipment

SHOP = sk.Address(
    name="Dana",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
)


def shipment(pounds=5.0, service="ground"):
    to = sk.Address(
        name="Ana", address_line1="9 Elm St", city="Boston", state="MA", postal_code="02134"
    )
    return Shipment(ship_to=to, service=service, parcels=(Parcel(weight_lb=pounds),))


@pytest.fixture
def carriers(tmp_path):
    return {
        name: sk.SandboxCarrier(tmp_path / f"{name}.db", price_list=name)
        for name in ("standard", "economy", "express")
    }


def test_each_has_a_price_a_time_and_a_name_of_its_own(carriers):
    quotes = {name: asyncio.run(c.quote(shipment(), SHOP)) for name, c in carriers.items()}
    assert quotes["economy"].cost_cents < quotes["standard"].cost_cents
    assert quotes["standard"].cost_cents < quotes["express"].cost_cents
    days = {name: quote.transit_days for name, quote in quotes.items()}
    assert (days["economy"], days["express"]) == (days["standard"] + 1, days["standard"] - 1)
    assert [c.identity.name for c in carriers.values()] == [
        "sandbox",
        "sandbox_economy",
        "sandbox_express",
    ]
    assert len({c.identity.account for c in carriers.values()}) == 3


@pytest.mark.parametrize("asked", [shipment(30.0), shipment(service="next_day_air")])
def test_economy_refuses_what_it_does_not_sell(carriers, asked):
    assert asyncio.run(carriers["standard"].quote(asked, SHOP)).cost_cents > 0
    with pytest.raises(CarrierRejected):
        asyncio.run(carriers["economy"].quote(asked, SHOP))


def test_what_is_declared_is_what_is_sold(carriers):
    economy = registry.plugin("sandbox_economy")
    assert economy.services is carriers["economy"].services
    assert economy.services.codes == ("ground", "3_day_select")
    assert economy.services.limits.weight_lb == 20


def test_a_list_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="price_list"):
        sk.SandboxCarrier(tmp_path / "x.db", price_list="free")
