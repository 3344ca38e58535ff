"""Who pays at UPS. Sources: PaymentInformation of Shipping.yaml, PaymentDetails of Rating.yaml."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shipkit.carriers.ups import wire
from shipkit.carriers.ups.billing import billing_note
from shipkit.errors import CarrierRejected
from shipkit.models import Address, BillTo, LabelSpec, Shipment

TODAY = dt.date(2026, 11, 29)
BILLED = {"bill_account": "B2C3D4", "bill_postal_code": "10001"}


def charged(shipment: Shipment, shop: Address) -> list[dict[str, Any]]:
    """Return the charges of Ship, after a look that Rate has the same."""
    bought = wire.ship(
        shipment, shop, account="A1B2C3", reference="R", label=LabelSpec(), today=TODAY
    )
    asked = wire.rate(shipment, shop, account="A1B2C3")
    there = bought.body["ShipmentRequest"]["Shipment"]["PaymentInformation"]["ShipmentCharge"]
    assert asked.body["RateRequest"]["Shipment"]["PaymentDetails"]["ShipmentCharge"] == there
    return there


@pytest.mark.parametrize(
    ("given", "payer"),
    [
        ({}, {"BillShipper": {"AccountNumber": "A1B2C3"}}),
        ({"bill_account": "a1b2c3"}, {"BillShipper": {"AccountNumber": "A1B2C3"}}),
        (
            {"bill_to": "third_party", **BILLED},
            {
                "BillThirdParty": {
                    "AccountNumber": "B2C3D4",
                    "Address": {"PostalCode": "10001", "CountryCode": "US"},
                }
            },
        ),
        (
            {"bill_to": "third_party", "bill_account": "b2c3-d4", "bill_country": "HK"},
            {"BillThirdParty": {"AccountNumber": "B2C3D4", "Address": {"CountryCode": "HK"}}},
        ),
        (
            {"bill_to": "receiver", **BILLED},
            {"BillReceiver": {"AccountNumber": "B2C3D4", "Address": {"PostalCode": "10001"}}},
        ),
    ],
)
def test_the_transport_is_billed_to_whom_the_row_names(
    shipment: Shipment, shop: Address, given: dict[str, Any], payer: dict[str, Any]
) -> None:
    assert charged(Shipment(**{**dict(shipment), **given}), shop) == [{"Type": "01", **payer}]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"bill_account": "B2C3D4"}, "bill_to"),
        ({"bill_postal_code": "10001"}, "bill_to"),
        ({"bill_to": "third_party"}, "bill_account"),
        ({"bill_to": "receiver", "bill_account": "B2C3"}, "bill_account"),
        ({"bill_to": "receiver", "bill_account": "A1B2C3"}, "bill_account"),
        ({"bill_to": "receiver", "bill_account": "B2C3D4"}, "bill_postal_code"),
        (
            {"bill_to": "third_party", **BILLED, "bill_country": "CA"},
            "bill_postal_code",
        ),
        ({"bill_to": "consignee"}, "bill_to"),
        ({"duties_account": "C3D4E5"}, "duties_bill_to"),
        ({"duties_bill_to": "third_party", "duties_account": "C3D4E5"}, "duties_bill_to"),
    ],
)
def test_a_payer_that_ups_cannot_bill_holds_its_row(
    shipment: Shipment, shop: Address, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(CarrierRejected) as refused:
        wire.check(Shipment(**{**dict(shipment), **given}), shop, "A1B2C3")
    assert refused.value.details["field"] == field
    assert refused.value.fix


@pytest.mark.parametrize(
    ("given", "payer"),
    [
        ({}, None),
        ({"duties_bill_to": "receiver"}, None),
        ({"duties_bill_to": "shipper"}, {"BillShipper": {"AccountNumber": "A1B2C3"}}),
        (
            {"duties_bill_to": "shipper", "duties_account": "a1b2-c3"},
            {"BillShipper": {"AccountNumber": "A1B2C3"}},
        ),
        (
            {"duties_bill_to": "third_party", "duties_account": "C3D4E5", "duties_country": "FR"},
            {"BillThirdParty": {"AccountNumber": "C3D4E5", "Address": {"CountryCode": "FR"}}},
        ),
        (
            {"duties_bill_to": "receiver", "duties_account": "C3D4E5"},
            {"BillReceiver": {"AccountNumber": "C3D4E5"}},
        ),
    ],
)
def test_duties_are_a_second_charge_abroad(
    abroad: Shipment, shop: Address, given: dict[str, Any], payer: dict[str, Any] | None
) -> None:
    there = charged(Shipment(**{**dict(abroad), **given}), shop)
    assert there[1:] == ([{"Type": "02", **payer}] if payer else [])


@pytest.mark.parametrize(
    "given",
    [
        {"duties_bill_to": "shipper", "duties_account": "C3D4E5"},
        {"duties_bill_to": "receiver", "duties_account": "A1B2C3"},
        {"duties_bill_to": "receiver", "duties_postal_code": "10119"},
        {"duties_country": "DE"},
    ],
)
def test_an_account_for_duties_that_would_be_passed_over_holds_its_row(
    abroad: Shipment, shop: Address, given: dict[str, Any]
) -> None:
    with pytest.raises(CarrierRejected) as refused:
        charged(Shipment(**{**dict(abroad), **given}), shop)
    assert refused.value.details["field"] == "duties_account"


def test_a_price_that_somebody_else_pays_says_so(shipment: Shipment) -> None:
    given = {"bill_to": BillTo.THIRD_PARTY, **BILLED}
    note = billing_note(shipment.model_copy(update=given))
    assert (
        note == "UPS bills a third party's account ...C3D4; the price is that of your own account"
    )
    assert billing_note(shipment) is None
    assert "B2C3D4" not in repr(shipment.model_copy(update=given))


@pytest.mark.parametrize("payer", [{}, {"duties_bill_to": "receiver"}])
def test_duty_paid_on_the_invoice_and_a_receiver_who_pays_contradict_each_other(
    abroad: Shipment, shop: Address, payer: dict[str, Any]
) -> None:
    customs = abroad.customs.model_copy(update={"terms": "ddp"})  # type: ignore[union-attr]
    with pytest.raises(CarrierRejected, match="DDP means that the shipper pays"):
        wire.check(Shipment(**{**dict(abroad), "customs": customs, **payer}), shop)
    paid = {"duties_bill_to": "shipper"}
    wire.check(Shipment(**{**dict(abroad), "customs": customs, **paid}), shop)
