"""Numbers for customs: where they go, and what a person is told without them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shipkit.carriers.ups import wire
from shipkit.carriers.ups.customs import cut_notes
from shipkit.carriers.ups.route import route_of
from shipkit.carriers.ups.tax_numbers import customs_notes
from shipkit.errors import CarrierRejected
from shipkit.models import Address, LabelSpec, Money, Shipment

ACCOUNT, TODAY = "A1B2C3", dt.date(2026, 11, 22)
NUMBERS = {
    "ioss_number": "IM2760000742",
    "sender_tax_id": "12-3456789",
    "sender_eori": "GB123456789000",
    "recipient_tax_id": "DE123456789",
    "recipient_eori": "DE1234567",
    "itn": "AES X20261120123456",
}


def shipped(shipment: Shipment, shop: Address, contract: Any = None) -> Any:
    request = wire.ship(
        shipment, shop, account=ACCOUNT, reference="R", label=LabelSpec(), today=TODAY
    )
    if contract is not None:
        assert not list(contract.request("POST", request.path, request.body, mode="closed"))
    return request.body["ShipmentRequest"]["Shipment"]  # type: ignore[index]


def notes(shipment: Shipment, shop: Address) -> str:
    return " | ".join(customs_notes(route_of(shipment, shop, ACCOUNT), shipment))


def test_each_number_is_where_ups_takes_it(
    shop: Address, abroad: Shipment, contract: Any, ups_module: Any
) -> None:
    # UPS-API/api-documentation#126 (IOSS as Vendor Collect), dhl-shipping-m2#22, arctos#8362,
    # shipengine-dotnet#73 (ITN)
    sent = shipped(abroad.model_copy(update=NUMBERS), shop, contract)
    assert sent["ShipFrom"]["VendorInfo"] == {
        "VendorCollectIDTypeCode": "0356",
        "VendorCollectIDNumber": "IM2760000742",
    }
    agents = sent["GlobalTaxInformation"]["AgentTaxIdentificationNumber"]
    assert {
        (
            agent["AgentRole"],
            n["IDNumberTypeCode"],
            n["IDNumberPurposeCode"],
            n["IdentificationNumber"],
        )
        for agent in agents
        for n in agent["TaxIdentificationNumber"]
    } == {
        ("20", "0001", "01", "12-3456789"),
        ("20", "0002", "02", "GB123456789000"),
        ("30", "0005", "01", "DE123456789"),
        ("30", "1002", "02", "DE1234567"),
    }
    forms = sent["ShipmentServiceOptions"]["InternationalForms"]
    assert forms["Comments"] == "AES X20261120123456"
    assert ups_module._shipping_rules(sent, {"LabelImageFormat": {"Code": "ZPL"}} | LABEL) is None


LABEL = {"LabelStockSize": {"Height": "6", "Width": "4"}}


def test_without_numbers_nothing_is_sent(shop: Address, abroad: Shipment) -> None:
    sent = shipped(abroad, shop)
    assert not {"ShipFrom", "GlobalTaxInformation"} & set(sent)
    assert "Comments" not in sent["ShipmentServiceOptions"]["InternationalForms"]


@pytest.mark.parametrize(
    ("field", "text", "fix"),
    [
        ("ioss_number", "IM27600", "customs then collects"),
        ("ioss_number", "27-60", "customs then collects"),
        ("itn", "X2026", "AESDirect"),
        ("itn", "yes", "AESDirect"),
        ("sender_tax_id", "1", "Correct it"),
    ],
)
def test_a_number_of_another_form_is_refused_before_money(
    field: str, text: str, fix: str, shop: Address, abroad: Shipment
) -> None:
    with pytest.raises(CarrierRejected) as refused:
        wire.check(abroad.model_copy(update={field: text}), shop)
    assert refused.value.details["field"] == field
    assert fix in str(refused.value.fix)


@pytest.mark.parametrize(
    ("text", "comment"),
    [
        ("X20261120123456", "AES X20261120123456"),
        ("NOEEI 30.37(a)", "NOEEI 30.37(a)"),
        ("30.36", "NOEEI 30.36"),
    ],
)
def test_an_exemption_is_taken_for_a_filing(
    text: str, comment: str, shop: Address, abroad: Shipment
) -> None:
    sent = shipped(abroad.model_copy(update={"itn": text}), shop)
    assert sent["ShipmentServiceOptions"]["InternationalForms"]["Comments"] == comment


def worth(abroad: Shipment, dollars: str, **changes: Any) -> Shipment:
    assert abroad.customs is not None
    [first, second] = abroad.customs.items
    dear = first.model_copy(update={"unit_value": Money.of(dollars), "quantity": 1, **changes})
    customs = abroad.customs.model_copy(update={"items": (dear, second)})
    return abroad.model_copy(update={"customs": customs})


def test_an_export_over_2500_dollars_without_an_itn_is_told(
    shop: Address, abroad: Shipment
) -> None:
    assert "2,500 USD" not in notes(worth(abroad, "2500"), shop)
    assert "Cotton T-shirt" not in notes(worth(abroad, "2500.01"), shop), "named by its code"
    assert "610910 is worth more than 2,500 USD" in notes(worth(abroad, "2500.01"), shop)
    filed = worth(abroad, "2500.01").model_copy(update={"itn": NUMBERS["itn"]})
    assert "2,500 USD" not in notes(filed, shop)
    euros = worth(abroad, "2500.01", unit_value=Money.of("9000", "EUR"))
    assert "valued in EUR: whether those of one tariff code" in notes(euros, shop)
    assert "valued in" not in notes(euros.model_copy(update={"itn": NUMBERS["itn"]}), shop)
    canada = abroad.ship_to.model_copy(
        update={"country": "CA", "state": "ON", "postal_code": "M5H2N2", "phone": "4165550100"}
    )
    exempt = worth(abroad, "9000").model_copy(update={"ship_to": canada})
    assert notes(exempt, shop) == "", "15 CFR 30.36"
    island = {"country": "US", "state": "PR", "postal_code": "00901", "phone": "7875550100"}
    near = abroad.ship_to.model_copy(update=island)
    within = worth(abroad, "2500.01").model_copy(update={"ship_to": near})
    assert "610910 is worth more than 2,500 USD: the goods must be filed" in notes(within, shop)
    assert "filed" not in notes(within.model_copy(update={"itn": NUMBERS["itn"]}), shop)


def test_items_without_a_tariff_code_are_told_where_it_is_wanted(
    shop: Address, abroad: Shipment
) -> None:
    assert "1 of 2 have none (column hs_code)" in notes(abroad, shop)
    japan = abroad.ship_to.model_copy(update={"country": "JP", "postal_code": "1000001"})
    assert notes(abroad.model_copy(update={"ship_to": japan}), shop) == ""


def test_a_number_that_does_not_apply_is_told_and_not_sent(
    shop: Address, abroad: Shipment, shipment: Shipment
) -> None:
    japan = abroad.ship_to.model_copy(update={"country": "JP", "postal_code": "1000001"})
    there = abroad.model_copy(update={"ship_to": japan, **NUMBERS})
    assert "ioss_number is not sent: JP" in notes(there, shop)
    assert "VendorInfo" not in shipped(there, shop).get("ShipFrom", {})
    home = shipment.model_copy(update={"ioss_number": NUMBERS["ioss_number"]})
    assert notes(home, shop) == "ioss_number is not sent: no customs border is crossed"
    whole = notes(home.model_copy(update=NUMBERS), shop)
    assert [text.split()[0] for text in whole.split(" | ")] == [*NUMBERS]
    norway = abroad.ship_to.model_copy(update={"country": "NO", "postal_code": "0150"})
    voec = abroad.model_copy(update={"ship_to": norway, "ioss_number": "VOEC2024567"})
    vendor = shipped(voec, shop)["ShipFrom"]["VendorInfo"]
    assert vendor["VendorCollectIDTypeCode"] == "0357"


def test_texts_that_ups_cuts_are_named(shop: Address, abroad: Shipment) -> None:
    route = route_of(abroad, shop, ACCOUNT)
    assert cut_notes(route, abroad) == ()
    [shirt, mug] = abroad.customs.items  # type: ignore[union-attr]
    items = (
        shirt.model_copy(update={"description": "fine cotton " * 12, "sku": "S" * 36}),
        mug.model_copy(update={"description": "x" * 106}),
    )
    customs = abroad.customs.model_copy(  # type: ignore[union-attr]
        update={"items": items, "invoice_number": "I" * 36}
    )
    long = abroad.model_copy(update={"customs": customs, "description": "d" * 51})
    [note] = cut_notes(route, long)
    assert note == (
        "longer than UPS takes, and cut: description, customs.invoice_number, "
        "customs.items[0].description and 2 more texts"
    )


def test_a_name_that_ups_cuts_on_the_label_or_the_invoice_is_named(
    shop: Address, shipment: Shipment, abroad: Shipment
) -> None:
    depot = shop.model_copy(update={"company": "D" * 36, "name": "N" * 36, "city": "Dallas"})
    held = {
        "access_point_name": "C" * 36,
        "access_point_street": "5 Bay St",
        "access_point_city": "Towson",
    }
    row = Shipment(**{**dict(shipment), "ship_from": depot, **held})
    assert cut_notes(route_of(row, shop, ACCOUNT), row) == (
        "longer than UPS takes, and cut: ship_from.company, ship_from.name, access_point_name",
    )
    short = Shipment(**{**dict(shipment), "ship_from": shop, **held, "access_point_name": "C" * 35})
    assert cut_notes(route_of(short, shop, ACCOUNT), short) == ()
    customs = abroad.customs.model_copy(update={"invoice_number": None})  # type: ignore[union-attr]
    numbered = abroad.model_copy(update={"order_id": "O" * 36, "customs": customs})
    assert cut_notes(route_of(numbered, shop, ACCOUNT), numbered) == (
        "longer than UPS takes, and cut: order_id (on the invoice)",
    )


def test_a_total_below_the_least_that_ups_takes_is_said(shop: Address, abroad: Shipment) -> None:
    canada = abroad.ship_to.model_copy(
        update={"country": "CA", "state": "ON", "postal_code": "M5H2N2", "phone": "4165550100"}
    )
    assert abroad.customs is not None
    pin = abroad.customs.items[0].model_copy(update={"unit_value": Money.of("0.40"), "quantity": 1})
    customs = abroad.customs.model_copy(update={"items": (pin,)})
    row = abroad.model_copy(update={"ship_to": canada, "customs": customs, "service": "standard"})
    assert shipped(row, shop)["InvoiceLineTotal"]["MonetaryValue"] == "1.00"
    [note] = cut_notes(route_of(row, shop, ACCOUNT), row)
    assert "1 is sent" in note
    assert cut_notes(route_of(abroad, shop, ACCOUNT), abroad) == ()
