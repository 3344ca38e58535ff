"""Options at UPS: alike on the wire of Rate and Ship, or refused (Shipping.yaml, Rating.yaml)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shipkit.carriers.ups import wire
from shipkit.carriers.ups.route import route_of
from shipkit.carriers.ups.service_options import (
    CUSTOMS_NUMBERS,
    notice_of_emails,
    package_options,
)
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


# -- limits, to the last unit ----------------------------------------------------------------------

TORONTO = Address(
    name="Ann Roy",
    address_line1="1 King St",
    city="Toronto",
    state="ON",
    postal_code="M5H 1A1",
    country="CA",
    phone="4165550100",
)


@pytest.mark.parametrize(
    ("size", "sides", "pounds", "fits"),
    [
        ("xs", (10, 5, 2), 3, True),
        ("xs", (10, 5, 2.05), 3, False),
        ("s", (10, 5, 5), 3, True),
        ("s", (10, 5, 5.1), 3, False),
        ("m", (13, 10, 5), 3, True),
        ("m", (13, 10, 5.1), 3, False),
        ("l", (15, 10, 7), 3, True),
        ("l", (15, 10, 7.1), 3, False),
        ("xl", (12, 12, 12), 50, True),
        ("xl", (12, 12, 12.1), 3, False),
        ("xl", (12, 12, 12), 50.1, False),
    ],
)
def test_a_box_of_a_simple_rate_has_its_inches_and_its_pounds(
    shipment: Shipment,
    shop: Address,
    size: str,
    sides: tuple[float, ...],
    pounds: float,
    fits: bool,
) -> None:
    length, width, height = sides
    box = Parcel(
        weight_lb=pounds, length_in=length, width_in=width, height_in=height, simple_rate=size
    )
    asked = with_options(shipment, parcels=(box,))
    if fits:
        assert of_ship(asked, shop)["Package"][0]["SimpleRate"] == {"Code": size.upper()}
    else:
        assert refused(asked, shop) == "parcels[0].simple_rate"


def test_a_payment_of_zero_is_not_collected(shipment: Shipment, shop: Address) -> None:
    asked = with_options(shipment, cod_amount=Money.of("0"))
    assert "COD" not in of_ship(asked, shop)["Package"][0].get("PackageServiceOptions", {})
    everywhere = with_options(asked, parcels=shipment.parcels * 2)
    wire.check(everywhere, shop)  # nothing is asked for, so nothing is refused


@pytest.mark.parametrize(
    ("shipper", "to", "currency", "collected"),
    [
        ("shop", "shipment", "USD", True),
        ("toronto", "toronto", "CAD", True),
        ("toronto", "toronto", "USD", False),
        ("toronto", "shipment", "CAD", True),
        ("shop", "toronto", "USD", False),
    ],
)
def test_a_payment_is_collected_where_ups_does_and_in_its_currency(
    shipment: Shipment, shop: Address, shipper: str, to: str, currency: str, collected: bool
) -> None:
    ends = {"toronto": TORONTO, "shop": shop, "shipment": shipment.ship_to}
    row = with_options(shipment, ship_to=ends[to], cod_amount=Money.of("10", currency))
    route = route_of(row, ends[shipper], "A1B2C3")
    if collected:
        sent = package_options(row.parcels[0], route, row)["COD"]
        assert sent["CODAmount"] == {"CurrencyCode": currency, "MonetaryValue": "10.00"}
    else:
        with pytest.raises(CarrierRejected) as found:
            package_options(row.parcels[0], route, row)
        assert found.value.details["field"] == "cod_amount"


@pytest.mark.parametrize(("length", "fits"), [(50, True), (51, False)])
def test_an_e_mail_address_has_fifty_characters(
    shipment: Shipment, shop: Address, length: int, fits: bool
) -> None:
    email = "a" * (length - len("@example.com")) + "@example.com"
    to = shipment.ship_to.model_copy(update={"email": email})
    asked = with_options(shipment, ship_to=to, notify="all")
    if fits:
        sent = of_ship(asked, shop)["ShipmentServiceOptions"]["Notification"]
        assert [each["NotificationCode"] for each in sent] == ["6", "7", "8"]
    else:
        assert refused(asked, shop) == "ship_to.email"


@pytest.mark.parametrize(("country", "fits"), [("CA", False), ("MX", False), ("DE", True)])
def test_documents_go_abroad_but_not_to_the_neighbours(
    abroad: Shipment, shop: Address, country: str, fits: bool
) -> None:
    to = TORONTO.model_copy(
        update={"country": country, **({} if country == "CA" else {"state": None})}
    )
    to = to.model_copy(
        update={"postal_code": {"DE": "10115", "MX": "01000"}.get(country, "M5H 1A1")}
    )
    asked = with_options(
        abroad, ship_to=to, documents_only=True, customs=None, service="worldwide_express"
    )
    if fits:
        assert of_ship(asked, shop)["DocumentsOnlyIndicator"] == ""
    else:
        assert refused(asked, shop) == "documents_only"
