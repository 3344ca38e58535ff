"""What a parcel is sent with at USPS, and priced by: codes of its options, its sides, its ends."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shipkit.carriers.usps.parcel_question import extras_of, needs_form, questions, sides_of
from shipkit.carriers.usps.price_answer import best_product, read_prices
from shipkit.errors import CarrierRejected
from shipkit.models import Address, Money, Parcel, Shipment

from .conftest import BOX, SHOP

DAY = dt.date(2026, 11, 29)
HOME = Address(name="Jo Ng", address_line1="1 A St", city="X", state="CA", postal_code="90277")
APO = HOME.model_copy(update={"city": "APO", "state": "AE", "postal_code": "09021"})
PALAU = HOME.model_copy(update={"state": None, "country": "PW", "postal_code": "96940"})
GUAM = HOME.model_copy(update={"state": None, "country": "GU", "postal_code": "96910"})
BERLIN = HOME.model_copy(update={"state": None, "country": "DE", "postal_code": "10115"})


def row(
    service: str = "ground_advantage",
    *,
    to: Address = HOME,
    value: str | None = None,
    signature: str = "none",
    **fields: Any,
) -> Shipment:
    worth = None if value is None else Money.of(*value.split())
    parcel = Parcel(**{"weight_lb": 2.0, **BOX, "declared_value": worth, **fields})
    return Shipment(ship_to=to, service=service, parcels=(parcel,), signature=signature)


def codes(*given: Any, **fields: Any) -> tuple[int, ...]:
    shipment = row(*given, **fields)
    return extras_of(shipment, shipment.parcels[0])


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "signature", "code"),
    [
        ("ground_advantage", "required", 921),
        ("ground_advantage", "adult", 922),
        ("express", "required", 981),
        ("express", "adult", 922),
    ],
)
def test_a_signature_has_the_code_of_its_kind_and_service(service, signature, code):
    assert codes(service, signature=signature) == (code,)


@pytest.mark.parametrize(
    ("service", "value", "sent"),
    [
        ("ground_advantage", "100.00", ()),  # is insured without being asked for
        ("ground_advantage", "100.01", (930,)),
        ("priority", "500.00", (930,)),
        ("priority", "500.01", (931,)),
        ("priority", "5000.00", (931,)),
        ("express", "100.00", ()),
        ("express", "100.01", (925,)),
        ("media_mail", "20.00", (930,)),
    ],
)
def test_insurance_has_the_code_of_its_amount_and_service(service, value, sent):
    assert codes(service, value=value) == sent


def test_insurance_abroad_has_the_code_of_its_amount():
    assert codes("priority_international", to=BERLIN, value="20.00") == (930,)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"value": "5000.01"}, "at most"),
        ({"value": "20.00 EUR"}, "in USD"),
        ({"to": BERLIN, "service": "first_class_package_international", "value": "9.00"}, "insure"),
        ({"to": BERLIN, "service": "priority_international", "signature": "adult"}, "abroad"),
        ({"to": APO, "signature": "required"}, "military"),
        ({"to": APO, "signature": "adult"}, "military"),
        ({"to": APO, "service": "express", "signature": "adult"}, "military"),
        ({"to": APO, "value": "500.01"}, "military"),
        ({"to": PALAU, "signature": "adult"}, "freely associated"),
    ],
)
def test_what_usps_does_not_insure_or_sign_for_is_refused(fields, words):
    with pytest.raises(CarrierRejected, match=words):
        codes(**fields)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"to": APO, "service": "express", "signature": "required"}, (981,)),
        ({"to": APO, "service": "express", "value": "500.01"}, (925,)),
        ({"to": APO, "value": "500.00"}, (930,)),
        ({"to": PALAU, "signature": "required"}, (921,)),
    ],
)
def test_what_usps_takes_to_these_places_is_sent(fields, sent):
    assert codes(**fields) == sent


@pytest.mark.parametrize(
    ("origin", "to", "needed"),
    [
        (SHOP, HOME, False),
        (SHOP, APO, True),
        (APO, HOME, True),
        (SHOP, GUAM, True),
        (GUAM, HOME, True),
        (GUAM, GUAM, True),  # USPS asks for it by the ZIP of either end (160140)
    ],
)
def test_a_customs_form_goes_with_goods_from_and_to_these_places(origin, to, needed):
    assert needs_form(to, origin) is needed


# -- what a price depends on -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inches", "sent"), [(10.001, "10.01"), (10.0004, "10.00"), (9.999, "10.00"), (10.01, "10.01")]
)
def test_a_side_is_sent_up_to_the_next_hundredth(inches, sent):
    """A shorter one would be billed afterwards; the noise of a float is no longer side."""
    shipment = row(length_in=4.0, width_in=inches, height_in=8.0)
    longest, middle, shortest = sides_of(shipment.parcels[0], "parcels[0]")
    assert (str(longest), str(middle), str(shortest)) == (sent, "8.00", "4.00")


@pytest.mark.parametrize("missing", ["length_in", "width_in", "height_in"])
def test_a_parcel_without_a_side_is_refused(missing):
    shipment = row(**{missing: None})
    with pytest.raises(CarrierRejected, match="length, width and height"):
        sides_of(shipment.parcels[0], "parcels[0]")


def key(*, origin: Address = SHOP, day: dt.date = DAY, every_digit: bool = False, **fields: Any):
    [question] = questions(row(**fields), origin, day)
    return question.key(every_digit=every_digit)


def at(code: str, address: Address = HOME) -> Address:
    return address.model_copy(update={"postal_code": code})


@pytest.mark.parametrize(
    "changed",
    [
        {"day": DAY + dt.timedelta(days=1)},
        {"weight_lb": 2.1},
        {"length_in": 10.5},
        {"value": "150.00"},
        {"to": at("91210")},
        {"to": BERLIN},
        {"origin": at("77001", SHOP)},
    ],
)
def test_rows_that_may_have_another_price_are_another_question(changed):
    assert key() != key(**changed)


def test_rows_that_can_only_have_the_same_price_are_one_question():
    near = {"to": at("90210"), "origin": at("78299", SHOP), "weight_lb": 1.01}
    assert key() == key(**near)


def test_delivery_days_depend_on_every_digit_of_both_ends():
    whole = {"every_digit": True}
    assert key(**whole) != key(origin=at("78299", SHOP), **whole)
    assert key(**whole) != key(to=at("90210"), **whole)
    assert key(to=BERLIN, **whole) != key(to=at("80331", BERLIN), **whole)
    assert key(to=BERLIN) == key(to=at("80331", BERLIN))


@pytest.mark.parametrize("zip3", ["006", "007", "008", "009", "967", "968", "969"])
def test_on_islands_a_zone_may_depend_on_every_digit(zip3):
    assert key(to=at(f"{zip3}01")) != key(to=at(f"{zip3}02"))


# -- the product of a price ------------------------------------------------------------------------


def option(price: float, total: float | None = None, **fields: Any) -> dict[str, Any]:
    extras = fields.pop("extras", {})
    rate = {
        "mailClass": "USPS_GROUND_ADVANTAGE",
        "rateIndicator": "SP",
        "processingCategory": "MACHINABLE",
        "destinationEntryFacilityType": "NONE",
        "priceType": "COMMERCIAL",
        "price": price,
        **fields,
    }
    return {
        "rates": [rate],
        "totalBasePrice": price if total is None else total,
        "extraServices": [
            {"extraService": str(code), "price": cost} for code, cost in extras.items()
        ],
    }


def chosen(*options: dict[str, Any], price_type: str = "commercial", **fields: Any):
    shipment = row(**fields)
    answer = read_prices({"rateOptions": list(options)})
    return best_product(answer, shipment, shipment.parcels[0], price_type)


def test_the_cheapest_product_with_all_that_is_asked_for_is_sold():
    """Its postage may be higher: what counts is the price with its extra services."""
    dear = option(8.0, rateIndicator="CP", extras={930: 3.0})
    cheap = option(9.0, rateIndicator="SP", extras={930: 1.5})
    without = option(5.0, rateIndicator="PA")
    found = chosen(dear, cheap, without, value="150.00")
    assert (found.indicator, found.total((930,))) == ("SP", 1050)


def test_what_the_total_has_beyond_postage_is_paid_and_said():
    found = chosen(option(8.0, 8.75))
    assert (found.postage, found.fees, found.total(())) == (800, 75, 875)
    assert found.warnings == ("USPS's total differs from postage and fees; the total is taken",)


@pytest.mark.parametrize(
    "other",
    [
        {"priceType": "RETAIL"},
        {"priceType": "NSA"},
        {"mailClass": "PRIORITY_MAIL"},
        {"rateIndicator": "FB"},
        {"processingCategory": "FLATS"},
        {"destinationEntryFacilityType": "DESTINATION_DELIVERY_UNIT"},
    ],
)
def test_a_product_that_the_label_would_not_be_billed_at_is_none(other):
    assert chosen(option(1.0, **other), option(8.0)).total(()) == 800
    with pytest.raises(CarrierRejected, match="no price"):
        chosen(option(1.0, **other))


def test_a_contract_is_billed_at_its_own_price():
    found = chosen(option(8.0), option(6.0, priceType="NSA"), price_type="contract")
    assert found.total(()) == 600


@pytest.mark.parametrize(
    ("fields", "machinable"),
    [
        ({"weight_lb": 25.0}, True),
        ({"weight_lb": 25.01}, False),
        ({"length_in": 22.0, "width_in": 18.0, "height_in": 15.0}, True),
        ({"length_in": 22.01}, False),
        ({"width_in": 22.0, "length_in": 18.01}, False),
        ({"height_in": 15.01, "length_in": 16.0, "width_in": 16.0}, False),
    ],
)
def test_a_parcel_that_no_machine_takes_is_sold_as_one(fields, machinable):
    found = chosen(option(8.0), option(12.0, processingCategory="NONSTANDARD"), **fields)
    assert found.total(()) == (800 if machinable else 1200)
