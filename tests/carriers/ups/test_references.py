"""References at UPS: which, where and in which order (Shipping.yaml, ReferenceNumber)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shipkit.carriers.ups import wire
from shipkit.errors import CarrierRejected
from shipkit.models import Address, LabelSpec, Shipment

OURS = {"Code": "TN", "Value": "R"}


def with_fields(shipment: Shipment, **given: Any) -> Shipment:
    return Shipment(**{**dict(shipment), **given})


def shipped(shipment: Shipment, shop: Address) -> dict[str, Any]:
    asked = wire.ship(
        shipment,
        shop,
        account="A1B2C3",
        reference="R",
        label=LabelSpec(),
        today=dt.date(2026, 11, 29),
    )
    return asked.body["ShipmentRequest"]["Shipment"]


def test_numbered_references_come_in_their_order_after_ours_and_before_named_ones(
    shipment: Shipment, shop: Address
) -> None:
    asked = with_fields(
        shipment, reference_3="third", reference_1=" PO  77 ", parcels=shipment.parcels * 2
    )
    whole = shipped(asked, shop)
    users = [{"Value": "PO 77"}, {"Value": "third"}, {"Code": "PO", "Value": "PO-77"}]
    assert "ReferenceNumber" not in whole
    assert [each["ReferenceNumber"] for each in whole["Package"]] == [[OURS, *users], users]


def test_abroad_they_belong_to_the_shipment(abroad: Shipment, shop: Address) -> None:
    whole = shipped(with_fields(abroad, reference_1="a", reference_2="b"), shop)
    assert whole["ReferenceNumber"] == [OURS, {"Value": "a"}, {"Value": "b"}]
    assert all("ReferenceNumber" not in each for each in whole["Package"])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"reference_2": "x" * 36}, "reference_2"),
        ({"reference_1": "漢字"}, "reference_1"),
        ({f"reference_{n}": str(n) for n in range(1, 6)}, "references"),
        ({f"reference_{n}": str(n) for n in range(1, 5)}, "references"),  # and a named one
    ],
)
def test_what_ups_would_not_print_is_refused_by_name(
    shipment: Shipment, shop: Address, given: dict[str, str], field: str
) -> None:
    with pytest.raises(CarrierRejected) as found:
        wire.check(with_fields(shipment, **given), shop)
    assert found.value.details["field"] == field
    assert found.value.fix


def test_four_of_35_characters_are_sent(shipment: Shipment, shop: Address) -> None:
    four = {f"reference_{n}": f"{n}" * 35 for n in range(1, 5)}
    [package] = shipped(with_fields(shipment, references={}, **four), shop)["Package"]
    assert [each["Value"] for each in package["ReferenceNumber"]] == ["R", *four.values()]
