"""Names and codes of UPS's services: within Canada, outside the US, and under a pound."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from pydantic import SecretStr

import shipkit as sk
from shipkit.carriers.ups import responses, wire
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.carriers.ups.ups_account import UPS
from shipkit.errors import AnswerLost, CarrierRejected
from shipkit.models import Address, LabelSpec, Parcel, Shipment

ACCOUNT = "A1B2C3"
TORONTO = Address(
    name="Kim Roy",
    address_line1="12 Queen Street",
    city="Toronto",
    state="ON",
    postal_code="M5H 2N2",
    country="CA",
    phone="4165550100",
)
VANCOUVER = TORONTO.model_copy(update={"city": "Vancouver", "state": "BC", "postal_code": "V5K0A1"})
BERLIN = Address(
    name="Jutta Brandt",
    address_line1="Torstrasse 10",
    city="Berlin",
    postal_code="10119",
    country="DE",
    phone="+49301234567",
)


def sent(name: str, shop: Address, to: Address) -> str:
    """Return the code that UPS is sent for a name in an order file."""
    services = SERVICES.of_shipper(shop.country)
    shipment = services.settled(
        Shipment(ship_to=to, service=name, parcels=(Parcel(weight_lb=2),), description="Books")
    )
    body: Any = wire.rate(shipment, shop, account=ACCOUNT).body
    return str(body["RateRequest"]["Shipment"]["Service"]["Code"])


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("UPS Expedited", "02"),
        ("UPS Express Saver", "13"),
        ("UPS Express", "01"),
        ("UPS Express Early", "14"),
        ("UPS Standard", "11"),
        ("3 Day Select", "12"),
        ("02", "02"),
        ("13", "13"),
    ],
)
def test_within_canada_names_have_the_codes_of_canada(name: str, code: str) -> None:
    # karrio units.py (ups_expedited_ca 02), friendly_shipping shipping_methods.rb,
    # php-ups-api#129
    assert sent(name, TORONTO, VANCOUVER) == code


@pytest.mark.parametrize("name", ["Worldwide Expedited", "Worldwide Saver", "Worldwide Express"])
def test_worldwide_services_do_not_run_within_canada(name: str, ups_module: Any) -> None:
    with pytest.raises(CarrierRejected, match="does not run within Canada") as refused:
        sent(name, TORONTO, VANCOUVER)
    assert "expedited" in str(refused.value.fix)
    for code in ("07", "08", "65"):
        ends = {"Shipper": {"Address": {"CountryCode": "CA"}}} | {
            "ShipTo": {"Address": {"CountryCode": "CA"}},
            "Service": {"Code": code},
        }
        assert ups_module._lane(ends)[0] == "111210"


@pytest.mark.parametrize(
    ("name", "to", "code"),
    [
        ("UPS Expedited", BERLIN, "08"),
        ("UPS Express Saver", BERLIN, "65"),
        ("UPS Express", BERLIN, "07"),
        ("UPS Express Early", None, "54"),
    ],
)
def test_the_same_names_from_canada_mean_worldwide_services(
    name: str, to: Address | None, code: str, shop: Address
) -> None:
    assert sent(name, TORONTO, to or shop) == code


@pytest.mark.parametrize(
    ("name", "code"),
    [("UPS Express", "07"), ("UPS Express Saver", "65"), ("UPS Expedited", "08"), ("Saver", "65")],
)
def test_names_of_europe_and_mexico(name: str, code: str, shop: Address) -> None:
    assert sent(name, BERLIN, shop) == code


def test_express_of_a_shop_in_the_us_stays_a_question() -> None:
    # Shops write "Express" for services of their own; UPS has none of that name in the US.
    assert SERVICES.of_shipper("US").parse("Express") is None
    assert SERVICES.parse("Express") is None
    assert SERVICES.of_shipper("US").parse("UPS Expedited") == "worldwide_expedited"


def test_services_of_one_country_are_offered_there_only() -> None:
    assert sent("Express 12:00", BERLIN, BERLIN) == "74"
    assert SERVICES.of_shipper("FR").parse("Express 12:00") is None
    with pytest.raises(CarrierRejected, match="does not run from DE to US"):
        sent("Express 12:00", BERLIN, Address(**{**SHOP, "country": "US"}))
    with pytest.raises(CarrierRejected, match="does not run from DE to DE"):
        sent("Worldwide Economy DDU", BERLIN, BERLIN)
    assert sent("Worldwide Economy DDU", BERLIN, Address(**SHOP)) == "17"


SHOP = {
    "name": "Jo",
    "address_line1": "1 Main Street",
    "city": "Timonium",
    "state": "MD",
    "postal_code": "21093",
    "phone": "4105550100",
}


def test_an_answer_for_a_shipper_in_canada_has_the_names_of_canada() -> None:
    charge = {"CurrencyCode": "CAD", "MonetaryValue": "10.00"}
    body = {
        "RateResponse": {
            "RatedShipment": [
                {"Service": {"Code": code}, "TotalCharges": charge}
                for code in ("01", "02", "11", "12", "13", "14", "65")
            ]
        }
    }
    assert [rate.service for rate in responses.rates(body, country="CA")] == [
        "3_day_select",
        "expedited",
        "express",
        "express_early",
        "express_saver",
        "standard",
        "worldwide_saver",
    ]
    [asked] = responses.rates(
        {"RateResponse": {"RatedShipment": [{"Service": {"Code": "02"}, "TotalCharges": charge}]}},
        only="2nd_day_air",
        code="02",
        country="CA",
    )
    assert asked.service == "2nd_day_air", "named as it was asked for"


# -- Ground Saver ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pounds", "expected"),
    [
        (0.5, ("92", "OZS", "8")),
        (0.03, ("92", "OZS", "1")),
        (0.9999, ("92", "OZS", "15.9")),
        (1, ("93", "LBS", "1")),
        (3.25, ("93", "LBS", "3.3")),
    ],
)
def test_ground_saver_under_a_pound_is_92_in_ounces(
    pounds: float, expected: tuple[str, str, str], shop: Address, contract: Any, ups_module: Any
) -> None:
    # node-shipping-ups#10 (92 needs OZS), active_shipping#296, DotNetShipping#62
    shipment = Shipment(
        ship_to=Address(**SHOP), service="ground_saver", parcels=(Parcel(weight_lb=pounds),)
    )
    rate = wire.rate(shipment, shop, account=ACCOUNT)
    ship = wire.ship(
        shipment,
        shop,
        account=ACCOUNT,
        reference="SK1",
        label=LabelSpec(),
        today=dt.date(2026, 11, 22),
    )
    for kind, request in (("rate", rate), ("ship", ship)):
        assert not list(contract.request("POST", request.path, request.body, mode="closed"))
        body: Any = next(iter((request.body or {}).values()))["Shipment"]
        weight = body["Package"][0]["PackageWeight"]
        found = (body["Service"]["Code"], weight["UnitOfMeasurement"]["Code"], weight["Weight"])
        assert found == expected
        judge = ups_module.UpsServer()
        wrapped = {"Any": {"Request": {}, "Shipment": body}}
        assert judge._refuse(kind, wrapped) is None


def test_ground_saver_on_both_sides_of_a_pound_is_refused(shop: Address) -> None:
    parcels = (Parcel(weight_lb=0.5), Parcel(weight_lb=2))
    shipment = Shipment(ship_to=Address(**SHOP), service="ground_saver", parcels=parcels)
    with pytest.raises(CarrierRejected, match="this shipment has both"):
        wire.check(shipment, shop)


@pytest.mark.parametrize(
    "name",
    ["UPS SurePost Less than 1 lb", "UPS SurePost 1 lb or Greater", "92", "93", "UPS Ground Saver"],
)
def test_both_names_and_codes_of_ground_saver_are_read(name: str) -> None:
    assert SERVICES.parse(name) == "ground_saver"
    assert wire.service_of("92") == wire.service_of("93") == "ground_saver"


# -- what Shop does not list -------------------------------------------------------------------


@pytest.fixture
def asked(server: Any) -> Any:
    """Run a question against the server and return the services and the calls it took."""

    def ask(shipment: Shipment, shipper: Address, *, times: int = 1) -> tuple[list[Any], list[str]]:
        async def work() -> list[Any]:
            ups = UPS(
                "client-of-the-tests",
                SecretStr("s3cret-of-the-tests"),
                ACCOUNT,
                base_url=server.url,
                today=lambda: dt.date(2026, 11, 22),
            )
            try:
                for _ in range(times):
                    found = await ups.shop(shipment, shipper)
                return found
            finally:
                await ups.aclose()

        before = len(server.seen)
        return asyncio.run(work()), [path for _, path, _, _ in server.seen[before:]]

    return ask


def test_ground_saver_is_asked_for_by_itself_and_may_be_the_cheapest(
    asked: Any, server: Any, shop: Address, shipment: Shipment
) -> None:
    # verbb/postie#28; recorded Shop answers list 01 02 03 12 13 14
    rates, calls = asked(shipment, shop)
    assert [rate.service for rate in rates][:2] == ["ground_saver", "ground"]
    assert rates[0].transit_days is not None
    assert sorted(path.rsplit("/", 1)[1] for path in calls) == [
        "Ratetimeintransit",
        "Shoptimeintransit",
    ]
    assert server.objections == []


def test_without_days_for_ground_saver_its_price_is_asked_for_plainly(
    asked: Any, server: Any, shop: Address, shipment: Shipment
) -> None:
    server.saver_days = False
    rates, calls = asked(shipment, shop, times=2)
    assert (rates[0].service, rates[0].transit_days) == ("ground_saver", None)
    kinds = [path.rsplit("/", 1)[1] for path in calls]
    assert (kinds.count("Ratetimeintransit"), kinds.count("Rate")) == (1, 2), "learned once"


@pytest.mark.parametrize("ship_date", [None, "2026-12-02"])
@pytest.mark.parametrize("gives_days", [True, False])
def test_ground_saver_by_name_has_days_where_ups_gives_them(
    server: Any, shop: Address, *, gives_days: bool, ship_date: str | None
) -> None:
    server.saver_days = gives_days
    secret = SecretStr("s3cret-of-the-tests")
    today = dt.date(2026, 11, 22)
    ups = UPS("client-of-the-tests", secret, ACCOUNT, base_url=server.url, today=lambda: today)
    orders = [
        {
            "Order ID": f"G-{n}",
            "Name": "Ana Ruiz",
            "Address": f"{n} Oak Street",
            "City": "Austin",
            "State": "TX",
            "Zip": "73301",
            "Weight (lb)": n,
        }
        for n in (1, 2, 3)
    ]
    with sk.BatchSession(orders, shipper=shop, carrier=ups) as session:
        session.map(service="ground_saver", ship_date=ship_date)
        frame = session.preview()
    assert frame["cost"].notna().all()
    assert frame["transit_days"].notna().all() == gives_days
    assert frame["problem"].isna().all()
    assert server.objections == []


def test_where_ground_saver_does_not_run_nothing_more_is_asked(
    asked: Any, shop: Address, abroad: Shipment
) -> None:
    rates, calls = asked(abroad, shop)
    assert len(calls) == 1
    assert "ground_saver" not in [rate.service for rate in rates]


def test_a_lost_answer_for_ground_saver_leaves_no_price(
    asked: Any, server: Any, shop: Address, shipment: Shipment
) -> None:
    # The cheapest of the rest would be chosen in silence.
    server.fault("rate", "503_before", times=1)
    with pytest.raises(AnswerLost):
        asked(shipment, shop)


def test_the_short_names_of_worldship_are_services() -> None:
    """WorldShip's service types, and names of lists that were refused."""
    names = {
        "XPR": "worldwide_express",
        "XDM": "worldwide_express_plus",
        "XPD": "worldwide_expedited",
        "WXS": "worldwide_saver",
        "STD": "standard",
        "1DM": "next_day_air_early",
        "1DP": "next_day_air_saver",
        "2DM": "2nd_day_air_am",
        "UPS Worldwide Express Saver": "worldwide_saver",
        "UPS Standard to Canada": "standard",
    }
    assert {name: SERVICES.parse(name) for name in names} == names


@pytest.mark.parametrize(
    ("home", "to", "fix"),
    [
        (TORONTO, VANCOUVER, "expedited, express_saver"),
        (BERLIN, BERLIN, "standard or worldwide_saver"),
    ],
)
def test_what_is_offered_instead_runs_there(home: Address, to: Address, fix: str) -> None:
    parcel = Shipment(ship_to=to, service="ground", parcels=(Parcel(weight_lb=1),))
    with pytest.raises(CarrierRejected) as found:
        wire.check(parcel, home)
    assert fix in str(found.value.fix)
