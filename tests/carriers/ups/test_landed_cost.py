"""What customs would take, as a question that buys nothing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import shipkit as sk
from shipkit.carriers.ups.json_values import Unreadable
from shipkit.carriers.ups.landed_cost import landed_cost, landed_cost_of
from shipkit.carriers.ups.route import route_of
from shipkit.errors import CarrierRejected

EXAMPLE = {
    "shipment": {
        "currencyCode": "GBP",
        "id": "ShipmentID83",
        "totalBrokerageFees": 24.65,
        "totalDuties": 60,
        "totalCommodityLevelTaxesAndFees": 0,
        "totalShipmentLevelTaxesAndFees": 0,
        "totalVAT": 702,
        "totalDutyandTax": 762,
        "grandTotal": 786.65,
        "shipmentItems": [{"commodityId": "4", "isCalculable": False}],
    }
}
"""From LandedCost.yaml, shortened."""

LINE = {
    "Order ID": "1",
    "Name": "Tom Hale",
    "Address": "5 Mare Street",
    "City": "London",
    "Zip": "E8 4RP",
    "Country": "GB",
    "Phone": "+44 20 79460958",
    "Weight (lb)": 1,
    "Item Name": "Steel screws",
    "Qty": 400,
    "Unit Price": "0.125",
    "HS Code": "7318.15",
}
HOME = {
    **LINE,
    "Order ID": "2",
    "Address": "12 Oak St",
    "City": "Austin",
    "Zip": "73301",
    "Country": "US",
    "State": "TX",
}


def test_the_parts_add_up_and_what_cannot_be_told_is_told() -> None:
    found = landed_cost_of(EXAMPLE)
    assert (found.currency, found.total_cents) == ("GBP", 78665)
    assert (found.duties_cents, found.taxes_cents, found.fees_cents) == (6000, 70200, 2465)
    assert found.warnings == ("UPS cannot tell the duties of item 4",)
    partly = {"shipment": {**EXAMPLE["shipment"], "totalVAT": None}}
    assert landed_cost_of(partly).taxes_cents is None, "not told is not zero"
    with pytest.raises(Unreadable):
        landed_cost_of({"shipment": {"currencyCode": "GBP"}})


def answer(**more: Any) -> dict[str, Any]:
    return {"shipment": {**EXAMPLE["shipment"], **more}}


@pytest.mark.parametrize(
    "wrong",
    [{"grandTotal": "786,65"}, {"grandTotal": -1}, {"totalVAT": "-2"}, {"currencyCode": "pound"}],
)
def test_an_answer_that_cannot_be_read_is_no_estimate(wrong: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        landed_cost_of(answer(**wrong))


def test_numbers_and_words_are_read_as_ups_may_write_them() -> None:
    found = landed_cost_of(answer(currencyCode="gbp", grandTotal="786.65", totalVAT="702.00"))
    assert (found.currency, found.total_cents, found.taxes_cents) == ("GBP", 78665, 70200)
    items = [{"commodityId": "1", "hsCode": "6109", "isCalculable": "false"}]
    found = landed_cost_of(answer(shipmentItems=items))
    assert found.warnings == ("UPS cannot tell the duties of item 6109",)
    assert landed_cost_of(answer(totalVAT="1,702.00", grandTotal=1786.65)).taxes_cents == 170200


def test_parts_that_do_not_add_up_are_left_out() -> None:
    found = landed_cost_of(answer(grandTotal=99, shipmentItems=[]))
    assert (found.total_cents, found.duties_cents, found.taxes_cents, found.fees_cents) == (
        9900,
        None,
        None,
        None,
    )
    assert "do not add up" in found.warnings[0]


def test_a_session_asks_for_duties_and_buys_nothing(
    server: Any, shop: sk.Address, tmp_path: Path
) -> None:
    carrier = sk.UPS(
        "client-of-the-tests",
        SecretStr("s3cret-of-the-tests"),
        "A1B2C3",
        base_url=server.url,
        today=lambda: dt.date(2026, 11, 22),
    )
    with sk.BatchSession([LINE, HOME], shipper=shop, carrier=carrier, home=tmp_path) as session:
        session.map(service="worldwide_saver", defaults={"origin_country": "US"})
        abroad, home = session.duties().to_dict("records")
    # 400 x 0.125 = 50.00: 5 % duty, 20 % VAT and the fee of the server.
    assert (abroad["duties_cents"], abroad["taxes_cents"], abroad["fees_cents"]) == (250, 1000, 560)
    assert (abroad["total_cents"], abroad["total"], abroad["currency"]) == (1810, 18.1, "USD")
    assert "no customs border" in home["problem"]
    assert server.objections == []
    assert server.shipments == []


def test_duties_are_not_asked_for_goods_whose_country_is_not_known(
    shop: sk.Address, abroad: sk.Shipment
) -> None:
    assert abroad.customs is not None
    [first, second] = abroad.customs.items
    items = (first, second.model_copy(update={"origin_country": None}))
    row = abroad.model_copy(update={"customs": abroad.customs.model_copy(update={"items": items})})
    with pytest.raises(CarrierRejected) as refused:
        landed_cost(row, route_of(row, shop, "A1B2C3"), date=dt.date(2026, 11, 29), transaction="t")
    assert refused.value.details["field"] == "customs.items[1].origin_country"


def test_a_carrier_without_the_question_names_one_that_has_it(
    shop: sk.Address, tmp_path: Path
) -> None:
    with sk.BatchSession([HOME], shipper=shop, service="ground", home=tmp_path) as session:
        session.map(service="ground")
        with pytest.raises(sk.errors.InputError, match="cannot estimate duties") as refused:
            session.duties()
    assert 'carrier="ups"' in str(refused.value.fix)
