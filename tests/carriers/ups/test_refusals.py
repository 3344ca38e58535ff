"""What UPS refuses, the tests' server refuses, and a preview tells before it is bought."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shipkit.carriers.ups import wire
from shipkit.carriers.ups.codes import explain
from shipkit.errors import CarrierRejected
from shipkit.models import Address, LabelSpec, Money, Parcel, Shipment


@pytest.fixture
def sent(shipment: Shipment, shop: Address) -> Any:
    """A purchase that the server takes, to be spoiled."""
    body: Any = wire.ship(
        shipment,
        shop,
        account="A1B2C3",
        reference="R",
        label=LabelSpec(),
        today=dt.date(2026, 11, 22),
    ).body
    return body


def refusal(server: Any, body: Any) -> str:
    found = server.UpsServer()._refuse("ship", body)
    return found[0] if found else ""


def declared(amount: str, currency: str) -> dict[str, Any]:
    return {"DeclaredValue": {"CurrencyCode": currency, "MonetaryValue": amount}}


def test_the_server_refuses_what_ups_refuses(sent: Any, ups_module: Any) -> None:
    assert refusal(ups_module, sent) == ""
    inner = sent["ShipmentRequest"]["Shipment"]
    [package] = inner["Package"]
    package["PackageServiceOptions"] = declared("900.00", "EUR")  # allegro-api#8245, Shipping.yaml
    assert refusal(ups_module, sent) == "120604"
    package["PackageServiceOptions"] = declared("60000.00", "USD")
    assert refusal(ups_module, sent) == "120604"
    package["PackageServiceOptions"] = declared("50000.00", "USD")
    assert refusal(ups_module, sent) == ""
    berlin = {"AddressLine": ["Torstrasse 10"], "City": "Berlin", "CountryCode": "DE"}
    inner["ShipFrom"] = {"Name": "Depot", "Address": berlin}
    # UPS-API/api-documentation#234: Rate prices it, Ship refuses it.
    assert ups_module._own_country(inner)[0] == "120317"
    inner["ReturnService"] = {"Code": "9"}
    assert ups_module._own_country(inner) is None


@pytest.mark.parametrize(
    ("value", "field"), [("900 EUR", "declared_value"), ("60000 USD", "declared_value")]
)
def test_a_declared_value_that_ups_refuses_is_refused_in_the_preview(
    value: str, field: str, shipment: Shipment, shop: Address
) -> None:
    amount, currency = value.split()
    box = Parcel(weight_lb=2, declared_value=Money.of(amount, currency))
    with pytest.raises(CarrierRejected) as refused:
        wire.check(shipment.model_copy(update={"parcels": (box,)}), shop)
    assert field in refused.value.details["field"]


def test_parcels_from_another_country_are_refused_in_the_preview(
    shipment: Shipment, shop: Address, abroad: Shipment
) -> None:
    from_berlin = shipment.model_copy(update={"ship_from": abroad.ship_to})
    with pytest.raises(CarrierRejected, match="leave from DE, and the UPS account is of US"):
        wire.check(from_berlin, shop)


@pytest.mark.parametrize("code", ["120317", "111057", "121057", "110548", "111210", "111526"])
def test_refusals_by_origin_have_plain_words_and_a_fix(code: str) -> None:
    meaning = explain(code)
    assert meaning is not None
    assert meaning.fix
