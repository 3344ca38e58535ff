"""Options at UPS: alike on the wire of Rate and Ship, or refused (Shipping.yaml, Rating.yaml)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shipkit.carriers.ups import wire
from shipkit.carriers.ups.service_options import CUSTOMS_NUMBERS, notice_of_emails
from shipkit.errors import CarrierRejected
from shipkit.models import Address, LabelSpec, Money, Parcel, Shipment
from shipkit.schema import OWN

TODAY = dt.date(2026, 11, 29)


def of_ship(shipment: Shipment, shop: Address) -> dict[str, Any]:
    asked = wire.ship(
        shipment, shop, account="A1B2C3", reference="R", label=LabelSpec(), today=TODAY
    )
    return asked.body["ShipmentRequest"]["Shipment"]


def of_rate(shipment: Shipment, shop: Address) -> dict[str, Any]:
    return wire.rate(shipment, shop, account="A1B2C3").body["RateRequest"]["Shipment"]


def with_options(shipment: Shipment, **given: Any) -> Shipment:
    return Shipment(**{**dict(shipment), **given})


def refused(shipment: Shipment, shop: Address) -> str:
    with pytest.raises(CarrierRejected) as found:
        wire.check(shipment, shop)
    assert found.value.fix
    return found.value.details["field"]


def test_shipper_release_is_on_every_package(shipment: Shipment, shop: Address) -> None:
    asked = with_options(shipment, shipper_release=True, parcels=shipment.parcels * 2)
    for whole in (of_ship(asked, shop), of_rate(asked, shop)):
        assert [p["PackageServiceOptions"] for p in whole["Package"]] == [
            {"ShipperReleaseIndicator": ""}
        ] * 2


def test_cod_is_an_amount_of_the_package(shipment: Shipment, shop: Address) -> None:
    asked = with_options(shipment, cod_amount=Money.of("35.1"))
    for whole in (of_ship(asked, shop), of_rate(asked, shop)):
        assert whole["Package"][0]["PackageServiceOptions"]["COD"] == {
            "CODFundsCode": "0",
            "CODAmount": {"CurrencyCode": "USD", "MonetaryValue": "35.10"},
        }


def test_additional_handling_and_simple_rate_are_of_their_parcel(
    shipment: Shipment, shop: Address
) -> None:
    handled = Parcel(weight_lb=3, additional_handling=True)
    asked = with_options(shipment, parcels=(handled, Parcel(weight_lb=2)))
    for whole in (of_ship(asked, shop), of_rate(asked, shop)):
        assert ["AdditionalHandlingIndicator" in p for p in whole["Package"]] == [True, False]
    box = Parcel(weight_lb=3, length_in=10, width_in=8, height_in=4, simple_rate="m")
    for whole in (
        of_ship(with_options(shipment, parcels=(box,)), shop),
        of_rate(with_options(shipment, parcels=(box,)), shop),
    ):
        assert whole["Package"][0]["SimpleRate"] == {"Code": "M"}


def test_documents_cross_a_border_without_an_invoice(abroad: Shipment, shop: Address) -> None:
    asked = with_options(abroad, documents_only=True, customs=None)
    bought, priced = of_ship(asked, shop), of_rate(asked, shop)
    assert bought["DocumentsOnlyIndicator"] == priced["DocumentsOnlyIndicator"] == ""
    assert "InternationalForms" not in bought.get("ShipmentServiceOptions", {})
    assert bought["Description"] == "Documents"


@pytest.mark.parametrize("given", ["customs", *CUSTOMS_NUMBERS])
def test_documents_do_not_lose_what_customs_would_be_told(
    abroad: Shipment, shop: Address, given: str
) -> None:
    kept = {"customs": abroad.customs} if given == "customs" else {"customs": None, given: "X1"}
    with pytest.raises(CarrierRejected, match="customs items" if given == "customs" else given):
        wire.check(with_options(abroad, documents_only=True, **kept), shop)


def test_the_numbers_for_customs_are_all_of_the_schema() -> None:
    known = {leaf.name for leaf in OWN if leaf.name.endswith(("_eori", "_tax_id", "_number"))}
    assert {*CUSTOMS_NUMBERS} == known | {"itn"}


def test_emails_go_out_with_the_purchase_and_are_announced_before(
    shipment: Shipment, shop: Address
) -> None:
    to = shipment.ship_to.model_copy(update={"email": "jo@example.com"})
    asked = with_options(shipment, ship_to=to, notify="all")
    sent = of_ship(asked, shop)["ShipmentServiceOptions"]["Notification"]
    assert [(m["NotificationCode"], m["EMail"]["EMailAddress"]) for m in sent] == [
        (code, ["jo@example.com"]) for code in ("6", "7", "8")
    ]
    assert "ShipmentServiceOptions" not in of_rate(asked, shop)
    note = notice_of_emails(asked)
    assert note is not None
    assert "when it is shipped, delayed and delivered" in note
    assert notice_of_emails(shipment) is None


SIMPLE = {"length_in": 10, "width_in": 8, "height_in": 4, "simple_rate": "m"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"shipper_release": True, "signature": "required"}, "shipper_release"),
        ({"shipper_release": True, "is_return": True}, "shipper_release"),
        ({"cod_amount": Money.of("10"), "is_return": True}, "cod_amount"),
        ({"cod_amount": Money.of("10", "EUR")}, "cod_amount"),
        ({"cod_amount": Money.of("10"), "parcels": [Parcel(weight_lb=1)] * 2}, "cod_amount"),
        ({"documents_only": True}, "documents_only"),
        ({"notify": "shipped"}, "ship_to.email"),
        ({"parcels": [Parcel(weight_lb=51, **SIMPLE)]}, "parcels[0].simple_rate"),
        (
            {"parcels": [Parcel(weight_lb=1, **{**SIMPLE, "height_in": 9})]},
            "parcels[0].simple_rate",
        ),
        (
            {"parcels": [Parcel(weight_lb=1, **SIMPLE)], "service": "next_day_air"},
            "parcels[0].simple_rate",
        ),
        ({"parcels": [Parcel(weight_lb=1, simple_rate="s")]}, "parcels[0].simple_rate"),
    ],
)
def test_an_option_that_ups_does_not_take_here_is_refused_in_words(
    shipment: Shipment, shop: Address, given: dict[str, Any], field: str
) -> None:
    assert refused(with_options(shipment, **given), shop) == field


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"shipper_release": True}, "shipper_release"),
        ({"cod_amount": Money.of("10")}, "cod_amount"),
    ],
)
def test_options_of_the_us_are_refused_abroad(
    abroad: Shipment, shop: Address, given: dict[str, Any], field: str
) -> None:
    assert refused(with_options(abroad, **given), shop) == field


@pytest.mark.parametrize(
    ("service", "sold"),
    [
        ("ground", False),
        ("ground_saver", False),
        ("3_day_select", False),
        ("2nd_day_air_am", False),
        ("next_day_air_saver", False),
        ("2nd_day_air", True),
        ("next_day_air", True),
        ("next_day_air_early", True),
    ],
)
def test_saturday_delivery_is_of_the_services_that_have_it(
    shipment: Shipment, shop: Address, ups_module: Any, service: str, *, sold: bool
) -> None:
    asked = with_options(shipment, service=service, saturday_delivery=True)
    if sold:
        wire.check(asked, shop)
        whole = of_rate(asked, shop)
        assert whole["ShipmentServiceOptions"]["SaturdayDeliveryIndicator"] == ""
    else:
        assert refused(asked, shop) == "saturday_delivery"
        whole = of_rate(with_options(shipment, service=service), shop)
        whole["ShipmentServiceOptions"] = {"SaturdayDeliveryIndicator": ""}
    answer = ups_module._option_rules().refused("rate", whole, ("US", "US"))
    assert (answer is None) == sold, "the tests' server refuses what UPS does"


def test_what_runs_on_saturdays_elsewhere_is_for_ups_to_say(shipment: Shipment) -> None:
    shop = Address(
        name="Jutta Brandt",
        address_line1="Torstrasse 10",
        city="Berlin",
        postal_code="10119",
        country="DE",
        phone="+49301234567",
    )
    there = shop.model_copy(update={"postal_code": "20095", "city": "Hamburg"})
    asked = with_options(shipment, ship_to=there, service="standard", saturday_delivery=True)
    wire.check(asked, shop)
