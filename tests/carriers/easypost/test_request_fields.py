"""The fields of a shipment or an order at EasyPost, and what its answer must confirm."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shipkit.carriers.easypost.shipment_request import (
    day_notes,
    demand_label_size,
    demand_row,
    demand_service,
    draft,
    dropped,
    dropped_options,
    insured_amount,
    row_notes,
)
from shipkit.errors import CarrierRejected
from shipkit.models import Address, Customs, CustomsItem, LabelSpec, Money, Parcel, Shipment

from .conftest import SHOP

HOME = Address(name="Jo Ng", address_line1="1 A St", city="X", state="CA", postal_code="90277")
BERLIN = HOME.model_copy(update={"state": None, "country": "DE", "postal_code": "10115"})
MUG = CustomsItem(
    description="Mug", quantity=2, unit_value=Money.of("12.50"), weight_lb=0.8, origin_country="US"
)
BOX = Parcel(weight_lb=2.0, length_in=10.0, width_in=8.0, height_in=4.0)


def row(*, parcels: tuple[Parcel, ...] = (BOX,), **fields: Any) -> Shipment:
    given = {"ship_to": HOME, "service": "ups:ground", "order_id": "4412", **fields}
    return Shipment(parcels=parcels, **given)


def worth(*amounts: str | None) -> tuple[Parcel, ...]:
    values = [None if one is None else Money.of(*one.split()) for one in amounts]
    return tuple(BOX.model_copy(update={"declared_value": value}) for value in values)


def whole(shipment: Shipment, **options: Any) -> dict[str, Any]:
    [(_, inside)] = draft(shipment, SHOP, **options).body.items()
    return inside


# -- options, and whether they are confirmed -------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "option", "sent"),
    [
        ({"signature": "required"}, "delivery_confirmation", "SIGNATURE"),
        ({"signature": "adult"}, "delivery_confirmation", "ADULT_SIGNATURE"),
        ({"ship_date": dt.date(2026, 11, 29)}, "label_date", "2026-11-29"),
        ({"service": "ups:next_day_air", "saturday_delivery": True}, "saturday_delivery", True),
    ],
)
def test_an_option_is_sent_and_a_row_without_it_in_the_answer_waits(fields, option, sent):
    """EasyPost ignores what it does not know: the label would be bought without it."""
    options = draft(row(**fields), SHOP).options
    assert options[option] == sent
    for answer in ({}, {"options": {}}, {"options": {option: None}}, {"options": {option: False}}):
        refusal = dropped_options(options, answer)
        assert refusal is not None
        assert option in refusal.message
    assert dropped_options(options, {"options": dict(options)}) is None


def test_who_pays_the_duties_is_confirmed_as_well():
    customs = Customs(items=(MUG,), duties_payer="shipper")
    options = draft(row(ship_to=BERLIN, customs=customs), SHOP).options
    assert (options["incoterm"], options["duty_payment"]) == ("DDP", {"type": "SENDER"})
    for name in ("incoterm", "duty_payment"):
        left = {key: value for key, value in options.items() if key != name}
        assert name in dropped_options(options, {"options": left}).message


def test_an_option_with_another_value_is_not_confirmed():
    options = draft(row(signature="adult", ship_date=dt.date(2026, 11, 29)), SHOP).options
    weaker = {**options, "delivery_confirmation": "SIGNATURE"}
    assert "delivery_confirmation" in dropped_options(options, {"options": weaker}).message
    as_answered = {"delivery_confirmation": "adult_signature", "label_date": "2026-11-29T00:00:00Z"}
    assert dropped_options(options, {"options": as_answered}) is None


# -- weights and sides -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pounds", "ounces"),
    [(2.0, 32.0), (0.9625, 15.4), (1.001, 16.1), (0.00001, 0.1), (0.00624, 0.1), (0.00626, 0.1)],
)
def test_a_weight_is_sent_in_ounces_up_to_the_next_tenth(pounds, ounces):
    """A lower one is charged afterwards; the noise of a float is no weight."""
    parcel = BOX.model_copy(update={"weight_lb": pounds})
    assert whole(row(parcels=(parcel,)))["parcel"]["weight"] == ounces


def test_sides_are_sent_together_or_not_at_all():
    sent = whole(row(parcels=(BOX.model_copy(update={"length_in": 10.01}),)))["parcel"]
    assert (sent["length"], sent["width"], sent["height"]) == (10.1, 8.0, 4.0)
    flat = BOX.model_copy(update={"height_in": None})
    assert whole(row(parcels=(flat,)))["parcel"] == {"weight": 32.0}


def test_a_carriers_own_packaging_is_sent_without_sides():
    box = BOX.model_copy(update={"packaging": "Small Flat Rate Box"})
    sent = whole(row(service="usps:priority", parcels=(box,)))["parcel"]
    assert sent == {"weight": 32.0, "predefined_package": "SmallFlatRateBox"}


# -- shipments and orders --------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "ids"), [(1, ["ca_1"]), (2, [{"id": "ca_1"}])])
def test_the_accounts_of_the_carrier_are_named(count, ids):
    """Without them another account of the same carrier may sell at another price."""
    assert whole(row(parcels=(BOX,) * count), accounts=["ca_1"])["carrier_accounts"] == ids
    assert "carrier_accounts" not in whole(row(parcels=(BOX,) * count))


def test_each_shipment_of_an_order_has_its_reference_and_options():
    shipment = row(
        parcels=(BOX, BOX),
        service="ups:ground",
        customs=Customs(items=(MUG,)),  # of no use within the US
        ship_date=dt.date(2026, 11, 29),
    )
    made = draft(shipment, SHOP).named("R" * 20, LabelSpec(format="zpl"))
    order = made.body["order"]
    assert (made.path, order["reference"]) == ("/orders", "R" * 20)
    for place, part in enumerate(order["shipments"], start=1):
        assert part["reference"] == f"{'R' * 20}-{place}"
        assert part["options"]["label_date"] == "2026-11-29"
        assert (part["options"]["label_format"], part["options"]["label_size"]) == ("ZPL", "4x6")
        assert "customs_info" not in part
    assert "customs_info" not in order


def test_customs_papers_of_an_order_hold_its_row():
    """EasyPost wants papers of each shipment: the same on each declare all goods again."""
    abroad = row(parcels=(BOX, BOX), ship_to=BERLIN, customs=Customs(items=(MUG,)))
    with pytest.raises(CarrierRejected, match="not known what is in which") as caught:
        draft(abroad.model_copy(update={"service": "ups:worldwide_express"}), SHOP)
    assert caught.value.details["field"] == "parcels"


# -- the currency of customs values ----------------------------------------------------------------

TORONTO = SHOP.model_copy(
    update={"city": "Toronto", "state": "ON", "postal_code": "M5V 2T6", "country": "CA"}
)
PRICED = {currency: Money.of("12.50", currency) for currency in ("CAD", "EUR", "USD")}


def valued(*currencies: str) -> Customs:
    return Customs(
        items=tuple(
            MUG.model_copy(update={"unit_value": PRICED[currency], "weight_lb": 0.5})
            for currency in currencies
        )
    )


def test_values_have_their_currency_where_they_do_not_leave_the_us():
    """docs.easypost.com, Customs Items: "currency", a code of three letters, USD by default."""
    items = {
        currency: draft(row(customs=valued(currency), ship_to=BERLIN), TORONTO).body["shipment"][
            "customs_info"
        ]["customs_items"]
        for currency in ("CAD", "USD")
    }
    assert [(i["value"], i["currency"]) for i in items["CAD"]] == [(25.0, "CAD")]
    assert "currency" not in items["USD"][0]


@pytest.mark.parametrize(
    ("origin", "customs", "said"),
    [
        (SHOP, valued("EUR"), "values of goods that leave the US are in USD, and these are in EUR"),
        (TORONTO, valued("CAD", "EUR"), "the values are in CAD and EUR"),
    ],
)
def test_values_in_another_currency_that_cannot_be_sent_hold_the_row(origin, customs, said):
    with pytest.raises(CarrierRejected, match=said):
        draft(row(customs=customs, ship_to=BERLIN), origin)


def test_a_currency_that_is_not_in_the_answer_holds_the_row():
    asked = draft(row(customs=valued("CAD"), ship_to=BERLIN), TORONTO)
    answer = {"customs_info": asked.body["shipment"]["customs_info"]}
    assert dropped(asked, answer) is None
    lost = [{**item, "currency": None} for item in answer["customs_info"]["customs_items"]]
    for left in ({"customs_info": {"customs_items": lost}}, {"customs_info": None}, {}):
        assert "did not take over that the values are in CAD" in dropped(asked, left).message


def test_within_the_eu_no_papers_are_needed():
    paris = BERLIN.model_copy(update={"city": "Paris", "postal_code": "75001", "country": "FR"})
    canary = BERLIN.model_copy(update={"postal_code": "35001", "country": "ES"})
    for customs in (None, valued("EUR")):
        assert (
            "customs_info"
            not in draft(row(ship_to=BERLIN, customs=customs), paris).body["shipment"]
        )
    with pytest.raises(CarrierRejected, match="goods from FR to ES need a line per item"):
        draft(row(ship_to=canary), paris)


def test_options_of_an_order_are_those_of_its_shipments():
    """An order has no options of its own (recorded): a signature was never found in its answer."""
    asked = draft(row(parcels=(BOX, BOX), service="ups:ground", signature="adult"), SHOP)
    part = {"options": dict(asked.options)}
    order = {"options": {"currency": "USD"}, "shipments": [part, part]}
    assert dropped(asked, order) is None
    order["shipments"] = [part, {"options": {}}]
    assert "delivery_confirmation" in dropped(asked, order).message


def test_one_parcel_is_a_shipment_with_our_reference_and_its_label():
    made = draft(row(ship_to=BERLIN, customs=Customs(items=(MUG,))), SHOP)
    sent = made.named("R" * 20, LabelSpec(format="pdf")).body["shipment"]
    assert (made.path, sent["reference"]) == ("/shipments", "R" * 20)
    assert sent["options"]["label_format"] == "PDF"
    assert len(sent["customs_info"]["customs_items"]) == 1


def test_a_row_leaves_from_its_own_origin():
    reno = HOME.model_copy(update={"city": "Reno", "state": "NV", "postal_code": "89501"})
    assert whole(row(ship_from=reno))["from_address"]["zip"] == "89501"
    assert whole(row())["from_address"]["zip"] == SHOP.postal_code


def test_every_line_of_a_street_is_sent_and_whether_it_is_a_home():
    to = HOME.model_copy(
        update={"address_line2": "Apt 2", "address_line3": "Door 3", "residential": False}
    )
    sent = whole(row(ship_to=to))["to_address"]
    assert (sent["street1"], sent["street2"]) == ("1 A St", "Apt 2, Door 3")
    assert sent["residential"] is False
    assert "residential" not in whole(row())["to_address"]


# -- insurance and limits --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "off", "amount"),
    [
        ([None], False, None),
        ([None], True, "0"),
        ([None, None], True, None),
        (["20.55"], True, "20.55"),
        (["20.55"], False, "20.55"),
        (["0.00"], True, "0"),  # a zero declares nothing: it is how files leave a cell empty
        (["0.00"], False, None),
        (["0.00", "0.00"], True, None),
        (["0.00 EUR"], False, None),
    ],
)
def test_the_declared_value_is_insured_to_the_cent(values, off, amount):
    assert insured_amount(row(parcels=worth(*values)), off=off) == amount


@pytest.mark.parametrize(
    ("values", "words"),
    [(["20.00", None], "several parcels"), (["20.00 EUR"], "in USD, not in EUR")],
)
def test_what_cannot_be_insured_is_refused(values, words):
    with pytest.raises(CarrierRejected, match=words):
        insured_amount(row(parcels=worth(*values)), off=False)


def test_an_order_has_at_most_a_hundred_parcels():
    demand_row(row(parcels=(BOX,) * 100), SHOP)
    with pytest.raises(CarrierRejected, match="at most 100 parcels"):
        demand_row(row(parcels=(BOX,) * 101), SHOP)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"service": "usps:priority", "parcels": (BOX, BOX)}, "no shipments of several parcels"),
        ({"service": "usps:ground_advantage", "saturday_delivery": True}, "no Saturday delivery"),
        (
            {"parcels": (BOX, BOX.model_copy(update={"packaging": "Small Flat Rate Box"}))},
            "no packaging of UPS",
        ),
    ],
)
def test_a_service_without_what_the_row_asks_for_is_refused(fields, words):
    shipment = row(**fields)
    with pytest.raises(CarrierRejected, match=words):
        demand_service(shipment, shipment.service)
    with pytest.raises(CarrierRejected, match=words):
        draft(shipment, SHOP)


def test_only_carriers_with_large_labels_print_them():
    large = LabelSpec(size="4x8")
    demand_label_size("fedex:ground", large)
    demand_label_size("ups:ground", LabelSpec())
    with pytest.raises(CarrierRejected, match="UPS has no labels of 4x8"):
        demand_label_size("ups:ground", large)


def test_three_references_are_printed_and_the_order_number_has_what_is_left():
    def printed(**references: str) -> list[str | None]:
        options = draft(row(references=references), SHOP).options
        return [options.get(f"print_custom_{place}") for place in (1, 2, 3)]

    assert printed() == ["4412", None, None]
    assert printed(a="A", b="B") == ["A", "B", "4412"]
    assert printed(a="A", b="B", c="C") == ["A", "B", "C"]
    [note] = row_notes(row(references={"a": "A", "b": "B", "c": "C"}))
    assert "the order number is not on the label" in note
    with pytest.raises(CarrierRejected, match="prints 3 references"):
        printed(a="A", b="B", c="C", d="D")


@pytest.mark.parametrize(
    ("code", "ahead", "noted"),
    [
        ("usps:priority", 7, False),
        ("usps:priority", 8, True),
        ("ups:ground", 8, True),
        ("fedex:ground", 30, False),  # how far FedEx goes is in no document at hand
        ("usps:priority", None, False),
    ],
)
def test_a_ship_date_that_the_carrier_may_not_take_yet_is_told(code, ahead, noted):
    today = dt.date(2026, 12, 1)
    day = None if ahead is None else today + dt.timedelta(days=ahead)
    notes = day_notes(row(service=code, ship_date=day), code, today)
    assert bool(notes) is noted
    if noted:
        assert "at most 7 days ahead: a purchase before 2026-12-02 may be refused" in notes[0]
