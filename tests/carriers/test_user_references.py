"""A user's references at USPS and EasyPost: sent in their order, or refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from shipkit.carriers.easypost.shipment_request import draft, row_notes
from shipkit.carriers.usps.label_request import Product, check, label_bytes, reference_notes
from shipkit.errors import CarrierRejected
from shipkit.models import Address, LabelSpec, Parcel, Shipment

SHOP = Address(
    name="Ada Lee",
    company="Shop",
    address_line1="1 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
HOME = Address(
    name="Jo Ng", address_line1="2 Pine St", city="Seattle", state="WA", postal_code="98101"
)
BOX = Parcel(weight_lb=3, length_in=9, width_in=8, height_in=4)


def order(**given: Any) -> Shipment:
    row = {"order_id": "A-1", "ship_to": HOME, "service": "priority", "parcels": (BOX,)}
    return Shipment(**{**row, **given})


def at_usps(shipment: Shipment) -> list[str]:
    check(shipment, SHOP, parcels=60)
    product = Product("SP", "MACHINABLE")
    body = orjson.loads(
        label_bytes(shipment, SHOP, LabelSpec(), place=0, product=product, day="2026-11-29")
    )
    sent = body["packageDescription"].get("customerReference", [])
    return [each["referenceNumber"] for each in sent]


def at_easypost(shipment: Shipment) -> list[str]:
    options = draft(shipment.model_copy(update={"service": "usps:priority"}), SHOP).options
    return [text for name, text in options.items() if name.startswith("print_custom_")]


@pytest.mark.parametrize(("sent", "most"), [(at_usps, 4), (at_easypost, 3)])
def test_the_users_come_first_and_the_order_number_if_it_fits(sent: Any, most: int) -> None:
    assert sent(order()) == ["A-1"]
    asked = order(reference_2="two", reference_1=" one  x ", references={"po": "77"})
    assert sent(asked) == ["one x", "two", "77", "A-1"][:most]
    with pytest.raises(CarrierRejected) as found:
        sent(order(**{f"reference_{n}": str(n) for n in range(1, most + 2)}))
    assert found.value.details["field"] == "references"


def test_an_order_number_that_is_not_on_the_label_is_a_warning() -> None:
    full = {f"reference_{n}": str(n) for n in range(1, 4)}
    why = "the order number is not on the label: your references take its place"
    assert reference_notes(order(**full), SHOP) == []
    assert reference_notes(order(**full, reference_4="4"), SHOP) == [why]
    assert reference_notes(order(**full, reference_4="A-1"), SHOP) == []
    assert reference_notes(order(order_id="x" * 31), SHOP) == [
        "the order number is not on the label: it is longer than 30 characters"
    ]
    assert row_notes(order(reference_1="1")) == ()
    assert row_notes(order(**full, itn="X20261129123456")) == (
        "itn is not sent: there are no customs items",
        why,
    )


def test_usps_refuses_a_text_that_it_would_have_to_cut() -> None:
    with pytest.raises(CarrierRejected) as found:
        check(order(reference_1="x" * 31), SHOP, parcels=60)
    assert found.value.details["field"] == "reference_1"
    assert at_usps(order(order_id="x" * 31)) == []  # nobody asked for the order number
