"""Shipments from every kind of country: what UPS is sent, and what its server refuses."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pydantic import SecretStr

import shipkit as sk
from shipkit.carriers.ups import responses, wire
from shipkit.carriers.ups.measures import IMPERIAL, METRIC, measures_of
from shipkit.models import Address, LabelSpec, Parcel, Shipment

ACCOUNT, REFERENCE, TODAY = "A1B2C3", "SK7F3K2M9QX4B1ZP", dt.date(2026, 11, 22)

BERLIN = Address(
    name="Jutta Brandt",
    company="Brandt GmbH",
    address_line1="Torstrasse 10",
    city="Berlin",
    postal_code="10119",
    country="DE",
    phone="+49 30 1234567",
)
LONDON = Address(
    name="Tom Hale",
    address_line1="5 Mare Street",
    city="London",
    postal_code="E8 4RP",
    country="GB",
    phone="+44 20 79460958",
)
MEXICO = Address(
    name="Ana Ruiz",
    address_line1="Av. Juarez 10",
    city="Ciudad de Mexico",
    state="CMX",
    postal_code="06050",
    country="MX",
    phone="+52 55 12345678",
)
PARIS = Address(
    name="Luc Petit",
    address_line1="8 rue de Rivoli",
    city="Paris",
    postal_code="75004",
    country="FR",
    phone="+33 1 42345678",
)
TORONTO = Address(
    name="Kim Roy",
    address_line1="12 Queen Street",
    city="Toronto",
    state="ON",
    postal_code="M5H 2N2",
    country="CA",
    phone="4165550100",
)


def at_home(shop: Address, **changes: Any) -> Shipment:
    """A parcel of 2.5 kg, 30 x 20 x 10 cm, as a plan holds it, within the shipper's country."""
    box = Parcel(
        weight_lb=2.5 / 0.45359237,
        length_in=30 / 2.54,
        width_in=20 / 2.54,
        height_in=10 / 2.54,
    )
    found = Shipment(ship_to=shop, service="standard", parcels=(box,), description="Books")
    return found.model_copy(update=changes)


def rated(shipment: Shipment, shop: Address, **how: Any) -> dict[str, Any]:
    body = wire.rate(shipment, shop, account=ACCOUNT, **how).body
    found: dict[str, Any] = body["RateRequest"]["Shipment"]  # type: ignore[index]
    return found


def shipped(shipment: Shipment, shop: Address) -> dict[str, Any]:
    body = wire.ship(
        shipment, shop, account=ACCOUNT, reference=REFERENCE, label=LabelSpec(), today=TODAY
    ).body
    found: dict[str, Any] = body["ShipmentRequest"]["Shipment"]  # type: ignore[index]
    return found


# -- units -------------------------------------------------------------------------------------


def units_of(package: dict[str, Any]) -> tuple[Any, ...]:
    weight, sides = package["PackageWeight"], package["Dimensions"]
    return (
        weight["UnitOfMeasurement"]["Code"],
        weight["Weight"],
        sides["UnitOfMeasurement"]["Code"],
        [sides[side] for side in ("Length", "Width", "Height")],
    )


@pytest.mark.parametrize("shop", [BERLIN, LONDON, MEXICO, PARIS, TORONTO], ids=lambda a: a.country)
def test_a_metric_origin_is_sent_kilograms_and_centimeters(shop: Address) -> None:
    # ShippingRates#69, nopCommerce#4733 (111057), magento2#38618 (110548), php-ups-api#113 (121057)
    shipment = at_home(shop)
    expected = ("KGS", "2.5", "CM", ["30", "20", "10"])
    rate, ship = rated(shipment, shop), shipped(shipment, shop)
    assert [units_of(r["Package"][0]) for r in (rate, ship)] == [expected, expected]
    assert rate["ShipmentTotalWeight"]["Weight"] == "2.5"
    assert rate["ShipmentTotalWeight"]["UnitOfMeasurement"]["Code"] == "KGS"
    timed = wire.transit(shipment, shop, account=ACCOUNT, date=TODAY).body
    assert timed is not None
    assert (timed["weight"], timed["weightUnitOfMeasure"]) == (2.5, "KGS")


@pytest.mark.parametrize(("country", "units"), [("US", IMPERIAL), ("PR", IMPERIAL), ("JP", METRIC)])
def test_the_units_are_those_of_the_shippers_country(country: str, units: Any) -> None:
    assert measures_of(country) is units


@pytest.mark.parametrize(
    ("kg", "sent"),
    [("2.5", "2.5"), ("2.501", "2.6"), ("0.001", "0.1"), ("68", "68"), ("2.51", "2.6")],
)
def test_kilograms_are_never_below_the_scale_and_never_a_step_above(kg: str, sent: str) -> None:
    assert METRIC.weigh(float(kg) / 0.45359237) == sent
    assert METRIC.weigh(round(float(kg) / 0.45359237, 4)) == sent


@pytest.mark.parametrize(("cm", "sent"), [(30, 30), (30.01, 31), (0.2, 1), (14.6, 15), (274, 274)])
def test_centimeters_are_whole_and_rounded_up(cm: float, sent: int) -> None:
    assert METRIC.side(cm / 2.54) == sent
    assert METRIC.side(round(cm / 2.54, 3)) == sent


def test_the_server_refuses_the_units_of_another_country(ups_module: Any) -> None:
    judge = ups_module.UpsServer()
    wanted = shipped(at_home(BERLIN), BERLIN)
    body = {"ShipmentRequest": {"Request": {}, "Shipment": wanted}}
    assert judge._refuse("ship", body) is None
    wanted["Package"][0]["Dimensions"]["UnitOfMeasurement"]["Code"] = "IN"
    assert judge._refuse("ship", body)[0] == "110548"
    wanted["Package"][0]["PackageWeight"]["UnitOfMeasurement"]["Code"] = "LBS"
    assert judge._refuse("ship", body)[0] == "111057"


# -- taxes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shop", [TORONTO, BERLIN, LONDON, MEXICO], ids=lambda a: a.country)
def test_taxes_are_asked_for_outside_the_us(shop: Address, contract: Any) -> None:
    # php-ups-api#306, magento2 PR#11707, postie#129, karrio#324: quotes were net, the bill was not
    shipment = at_home(shop)
    assert [r["TaxInformationIndicator"] for r in (rated(shipment, shop), shipped(shipment, shop))]
    for request in (
        wire.rate(shipment, shop, account=ACCOUNT),
        wire.rate(shipment, shop, account=ACCOUNT, shop=True),
    ):
        assert not list(contract.request("POST", request.path, request.body, mode="closed"))


def test_a_shipper_in_the_us_is_not_asked_about_taxes(shop: Address, shipment: Shipment) -> None:
    asked = [rated(shipment, shop), shipped(shipment, shop)]
    assert not any("TaxInformationIndicator" in each for each in asked)


def answer(**charges: Any) -> Any:
    """A Rate answer in the shape of Rating.yaml, with the tax type of Ontario."""

    def cad(amount: str) -> dict[str, str]:
        return {"CurrencyCode": "CAD", "MonetaryValue": amount}

    rated = {
        "Service": {"Code": "11"},
        "TotalCharges": cad("30.00"),
        "BaseServiceCharge": cad("25.00"),
        "ItemizedCharges": [{"Code": "375", **cad("5.00")}],
        "RatedPackage": [],
        **charges,
    }
    return {"RateResponse": {"RatedShipment": [rated]}}


@pytest.mark.parametrize(
    ("charges", "expected"),
    [
        ({}, (3000, None)),
        (
            {
                "TaxCharges": [{"Type": "HST", "MonetaryValue": "3.90"}],
                "TotalChargesWithTaxes": {"CurrencyCode": "CAD", "MonetaryValue": "33.90"},
            },
            (3390, 390),
        ),
        ({"TotalChargesWithTaxes": {"CurrencyCode": "CAD", "MonetaryValue": "33.90"}}, (3390, 390)),
        ({"TaxCharges": {"Type": "HST", "MonetaryValue": "3.90"}}, (3390, 390)),
        (
            {
                "TaxCharges": [
                    {"Type": "GST", "MonetaryValue": "1.50"},
                    {"Type": "QST", "MonetaryValue": "2.99"},
                ]
            },
            (3449, 449),
        ),
        ({"TotalChargesWithTaxes": {"CurrencyCode": "CAD", "MonetaryValue": "30.00"}}, (3000, 0)),
    ],
)
def test_the_price_is_gross_and_its_tax_is_apart(charges: Any, expected: Any) -> None:
    [rate] = responses.rates(answer(**charges))
    assert (rate.cost_cents, rate.tax_cents) == expected
    parts = (rate.base_cents, rate.fuel_cents, rate.other_cents, rate.tax_cents)
    assert sum(part or 0 for part in parts) == rate.cost_cents


def test_the_tax_is_that_of_the_accounts_own_price() -> None:
    own = {
        "TotalCharge": {"CurrencyCode": "CAD", "MonetaryValue": "20.00"},
        "TotalChargesWithTaxes": {"CurrencyCode": "CAD", "MonetaryValue": "22.60"},
    }
    [rate] = responses.rates(answer(NegotiatedRateCharges=own))
    # Its parts are not told: they are empty, not those of the published price.
    assert (rate.cost_cents, rate.tax_cents, rate.base_cents, rate.fuel_cents) == (
        2260,
        260,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("items", "fuel", "other"),
    [(None, None, 500), ([], None, 500), ([{"Code": "120", "MonetaryValue": "5.00"}], 0, 500)],
)
def test_a_surcharge_that_ups_is_silent_about_is_empty_and_not_zero(
    items: Any, fuel: int | None, other: int
) -> None:
    listed = None if items is None else [{"CurrencyCode": "CAD", **item} for item in items]
    [rate] = responses.rates(answer(ItemizedCharges=listed))
    assert (rate.fuel_cents, rate.residential_cents, rate.other_cents) == (fuel, fuel, other)
    assert rate.base_cents == 2500


def test_a_shipper_in_canada_approves_and_pays_gross(server: Any, tmp_path: Any) -> None:
    rows = [
        {
            "Order ID": "T-1",
            "Name": "Kim Roy",
            "Address": "12 Queen Street",
            "City": "Vancouver",
            "State": "BC",
            "Zip": "V5K 0A1",
            "Country": "CA",
            "Weight (kg)": 2,
        }
    ]
    with sk.BatchSession(
        rows, shipper=TORONTO, carrier=ups_at(server), service="standard", home=tmp_path
    ) as session:
        [row] = session.preview().to_dict("records")
        # 900 + 5 lb-steps... is the server's own: what matters is that the parts add up.
        assert row["currency"] == "CAD"
        assert row["tax_cents"] == row["net_cents"] * 13 // 100 > 0
        assert row["cost_cents"] == row["net_cents"] + row["tax_cents"]
        assert "of which tax" in str(session.summary)
        assert session.summary.taxes["CAD"].cents == row["tax_cents"]
        session.approve()
        result = session.execute(progress=False)
        assert result.total_charged.cents == row["cost_cents"]
    assert server.objections == []


def ups_at(server: Any) -> sk.UPS:
    return sk.UPS(
        "client-of-the-tests",
        SecretStr("s3cret-of-the-tests"),
        ACCOUNT,
        base_url=server.url,
        today=lambda: TODAY,
    )
