"""The fields of a label's request at USPS: each as the row and the price have it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from shipkit.carriers.usps.label_request import Product, check, label_bytes, reference_notes
from shipkit.errors import CarrierRejected
from shipkit.models import Address, Customs, CustomsItem, LabelSpec, Money, Parcel, Shipment

from .conftest import BOX, SHOP

HOME = Address(name="Jo Ng", address_line1="1 A St", city="X", state="CA", postal_code="90277")
APO = HOME.model_copy(update={"city": "APO", "state": "AE", "postal_code": "09021"})
BERLIN = HOME.model_copy(
    update={"state": None, "country": "DE", "postal_code": "10115", "phone": "+49 30 1234567"}
)
MUG = CustomsItem(
    description="Mug", quantity=2, unit_value=Money.of("12.50"), weight_lb=0.8, origin_country="US"
)
BOXED = Product("SP", "MACHINABLE")
CUSTOMS = Customs(items=(MUG,), invoice_number="INV-1")
ABROAD = {"ship_to": BERLIN, "service": "priority_international", "customs": CUSTOMS}


def row(*, value: str | None = None, **fields: Any) -> Shipment:
    worth = None if value is None else Money.of(value)
    given = {"ship_to": HOME, "service": "ground_advantage", "order_id": "4412", **fields}
    boxes = given.pop("parcels", (Parcel(weight_lb=2.0, declared_value=worth, **BOX),))
    return Shipment(parcels=boxes, **given)


def body(
    shipment: Shipment, *, product: Product = BOXED, place: int = 0, **label
) -> dict[str, Any]:
    spec = LabelSpec(**{"format": "pdf", **label})
    made = label_bytes(shipment, SHOP, spec, place=place, product=product, day="2026-11-29")
    return orjson.loads(made)


def package(*given: Any, **fields: Any) -> dict[str, Any]:
    return body(*given, **fields)["packageDescription"]


def test_the_product_is_asked_for_as_it_was_priced():
    """Another one has another price, or none: then the label is refused."""
    sent = package(row(), product=Product("CP", "NONSTANDARD", "DESTINATION_DELIVERY_UNIT"))
    assert sent["mailClass"] == "USPS_GROUND_ADVANTAGE"
    assert (sent["rateIndicator"], sent["processingCategory"]) == ("CP", "NONSTANDARD")
    assert sent["destinationEntryFacilityType"] == "DESTINATION_DELIVERY_UNIT"
    assert (sent["mailingDate"], sent["weight"], sent["weightUOM"]) == ("2026-11-29", 2.0, "lb")
    assert (sent["length"], sent["width"], sent["height"]) == (10.0, 8.0, 4.0)


@pytest.mark.parametrize(
    ("fields", "worth"),
    [
        ({}, None),
        ({"value": "20.00"}, 20.0),  # insured within the price, and still to be known
        ({"value": "150.00"}, 150.0),
        ({**ABROAD}, 25.0),  # the goods
        ({**ABROAD, "value": "20.00"}, 20.0),
        ({**ABROAD, "service": "priority_international", "value": "150.00"}, 150.0),
    ],
)
def test_usps_knows_what_a_parcel_is_worth_where_it_must(fields, worth):
    sent = package(row(**fields))
    assert sent.get("packageOptions", {}).get("packageValue") == worth


def test_extra_services_are_sent_with_their_codes():
    assert package(row(value="150.00", signature="adult"))["extraServices"] == [922, 930]
    assert "extraServices" not in package(row())


def test_a_size_that_usps_does_not_print_is_refused():
    with pytest.raises(CarrierRejected, match="does not print 4x8"):
        body(row(), size="4x8")


def test_a_label_shows_no_postage_and_comes_without_a_receipt():
    assert body(row(), format="zpl")["imageInfo"] == {
        "imageType": "ZPL203DPI",
        "labelType": "4X6LABEL",
        "receiptOption": "NONE",
        "suppressPostage": True,
    }


@pytest.mark.parametrize(("kind", "image"), [("png", "PDF"), ("gif", "PDF"), ("zpl", "ZPL203DPI")])
def test_a_label_with_a_form_comes_in_a_format_that_has_one(kind, image):
    assert body(row(**ABROAD), format=kind)["imageInfo"] == {
        "imageType": image,
        "labelType": "4X6LABEL",
    }


def test_parcels_of_a_row_are_counted_on_their_labels():
    boxes = tuple(Parcel(weight_lb=2.0 + place, **BOX) for place in range(2))
    for place in range(2):
        sent = body(row(parcels=boxes), place=place)
        assert (sent["imageInfo"]["packageNumber"], sent["imageInfo"]["totalPackages"]) == (
            place + 1,
            2,
        )
        assert sent["packageDescription"]["weight"] == 2.0 + place
    assert "packageNumber" not in body(row())["imageInfo"]


# -- references ------------------------------------------------------------------------------------


def numbers(shipment: Shipment) -> list[str]:
    return [each["referenceNumber"] for each in package(shipment).get("customerReference", ())]


def test_the_users_references_come_first_and_the_order_number_has_what_is_left():
    three = {f"r{place}": f"REF-{place}" for place in range(3)}
    assert numbers(row(references=three)) == ["REF-0", "REF-1", "REF-2", "4412"]
    four = {**three, "r3": "REF-3"}
    assert numbers(row(references=four)) == ["REF-0", "REF-1", "REF-2", "REF-3"]
    assert "your references take its place" in reference_notes(row(references=four), SHOP)[0]
    with pytest.raises(CarrierRejected, match="takes 4 references without a customs form"):
        check(row(references={**four, "r4": "REF-4"}), SHOP, parcels=1)


def test_a_form_leaves_room_for_two_references_and_prints_none():
    two = {"a": "REF-A", "b": "REF-B"}
    sent = package(row(**ABROAD, references=two))["customerReference"]
    assert sent == [{"referenceNumber": "REF-A"}, {"referenceNumber": "REF-B"}]
    with pytest.raises(CarrierRejected, match="takes 2 references with a customs form"):
        check(row(**ABROAD, references={**two, "c": "REF-C"}), SHOP, parcels=1)
    printed = package(row(references=two))["customerReference"]
    assert printed[0] == {"referenceNumber": "REF-A", "printReferenceNumber": True}


def test_references_have_thirty_characters():
    assert numbers(row(order_id="9" * 30)) == ["9" * 30]
    assert numbers(row(order_id="9" * 31)) == []
    assert numbers(row(references={"a": "R" * 30})) == ["R" * 30, "4412"]
    with pytest.raises(CarrierRejected, match="at most 30 characters"):
        check(row(references={"a": "R" * 31}), SHOP, parcels=1)


# -- addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "most"), [("name", 50), ("company", 50), ("address_line1", 50), ("city", 28)]
)
def test_a_line_of_an_address_fits_or_is_refused(field, most):
    for length, refused in ((most, False), (most + 1, True)):
        # A name of one word is printed with the firm, so this one has two.
        text = "A " + "x" * (length - 2)
        shipment = row(ship_to=HOME.model_copy(update={field: text}))
        if refused:
            with pytest.raises(CarrierRejected, match=f"at most {most} characters"):
                check(shipment, SHOP, parcels=1)
        else:
            check(shipment, SHOP, parcels=1)


@pytest.mark.parametrize(
    ("code", "zip5", "plus4"),
    [("90277", "90277", None), ("90277-1234", "90277", "1234"), ("902771234", "90277", "1234")],
)
def test_a_zip_is_sent_in_its_two_parts(code, zip5, plus4):
    sent = body(row(ship_to=HOME.model_copy(update={"postal_code": code})))["toAddress"]
    assert (sent["ZIPCode"], sent.get("ZIPPlus4")) == (zip5, plus4)


@pytest.mark.parametrize(
    ("phone", "sent"),
    [
        ("555-12", None),
        ("555-123", "555123"),
        ("+49 (30) 1234567", "49301234567"),
        ("1" * 16, None),
    ],
)
def test_a_phone_number_is_sent_where_it_can_be_one(phone, sent):
    to = HOME.model_copy(update={"phone": phone})
    assert body(row(ship_to=to))["toAddress"].get("phone") == sent


def test_a_row_leaves_from_its_own_origin():
    other = HOME.model_copy(update={"city": "Reno", "state": "NV", "postal_code": "89501"})
    assert body(row(ship_from=other))["fromAddress"]["ZIPCode"] == "89501"
    assert body(row())["fromAddress"]["ZIPCode"] == "78205"


def test_the_sender_of_a_domestic_form_has_a_firm():
    """160023: a shop without a company is its own firm, and abroad it stays a person."""
    person = SHOP.model_copy(update={"company": None})
    military = row(ship_to=APO, customs=CUSTOMS, ship_from=person)
    assert body(military)["fromAddress"]["firm"] == "Dana Ortiz"
    assert "firm" not in body(row(**ABROAD, ship_from=person))["fromAddress"]
    assert "firm" not in body(row(ship_from=person))["fromAddress"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"service": "priority_international"}, "does not go within the US"),
        ({**ABROAD, "service": "priority"}, "does not go to DE"),
        ({**ABROAD, "saturday_delivery": True}, "Saturday"),
        ({"value": "5000.01"}, "insures at most"),
        ({"is_return": True}, "return labels"),
    ],
)
def test_what_cannot_be_bought_is_refused_before_it_is_priced(fields, words):
    with pytest.raises(CarrierRejected, match=words):
        check(row(**fields), SHOP, parcels=1)


def test_a_row_has_as_many_parcels_as_the_quota_of_an_hour():
    boxes = (Parcel(weight_lb=2.0, **BOX),) * 3
    check(row(parcels=boxes), SHOP, parcels=3)
    with pytest.raises(CarrierRejected, match="your quota is 2 labels an hour"):
        check(row(parcels=boxes), SHOP, parcels=2)
