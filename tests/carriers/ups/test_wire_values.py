"""What UPS is asked, value by value: whole requests written out, and every code of the tables.

The contract tests next door know which fields exist. They cannot know that 2 is a signature and 3
an adult's: both are valid, and the wrong one delivers to the wrong person or costs more.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shipkit.carriers.ups import wire
from shipkit.carriers.ups.service_level import ServiceLevel
from shipkit.errors import CarrierRejected
from shipkit.models import (
    Address,
    Customs,
    CustomsItem,
    LabelSpec,
    Money,
    Parcel,
    Shipment,
    Signature,
)

ACCOUNT, REFERENCE, TODAY = "A1B2C3", "SK7F3K2M9QX4B1ZP", dt.date(2026, 11, 22)
IN_TWO_DAYS = dt.date(2026, 11, 24)

SHOP = Address(
    name="Dana Ortiz",
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
HOME = Address(
    name="Jo Ng",
    company="Kurz Ltd",
    address_line1="12 Elm St",
    address_line2="Apt 4",
    city="Boston",
    state="MA",
    postal_code="02134-1234",
    phone="617 555 0100 ext 7",
    residential=True,
)
BERLIN = Address(
    name="Jürgen Groß",
    address_line1="Schönhauser Allee 6",
    city="Berlin",
    postal_code="10119",
    country="DE",
    phone="+49 30 123456",
)
VANCOUVER = Address(
    name="A Roy",
    address_line1="5840 Oak St",
    city="Vancouver",
    state="BC",
    postal_code="v6m 2v9",
    country="CA",
    phone="604 555 0100",
)
SAN_JUAN = Address(
    name="Ana Cruz",
    address_line1="1 Calle Sol",
    city="San Juan",
    state="PR",
    postal_code="00901",
    phone="787 555 0100",
)

MUG = CustomsItem(
    description="Mug", quantity=2, unit_value=Money.of("9.50"), origin_country="MX", sku="M-1"
)


def to(address: Address = HOME, **fields: Any) -> Shipment:
    fields.setdefault("parcels", (Parcel(weight_lb=2),))
    fields.setdefault("service", "ground")
    return Shipment(ship_to=address, **fields)


def abroad(address: Address = BERLIN, **fields: Any) -> Shipment:
    fields.setdefault("customs", Customs(items=(MUG,)))
    fields.setdefault("service", "worldwide_saver")
    return to(address, **fields)


def ship(shipment: Shipment, *, today: dt.date = TODAY, shop: Address = SHOP, **spec: Any) -> Any:
    request = wire.ship(
        shipment, shop, account=ACCOUNT, reference=REFERENCE, label=LabelSpec(**spec), today=today
    )
    assert (request.method, request.path, request.query) == (
        "POST",
        "/api/shipments/v2409/ship",
        (),
    )
    return request.body["ShipmentRequest"]


def bought(shipment: Shipment, **options: Any) -> Any:
    return ship(shipment, **options)["Shipment"]


def rate(shipment: Shipment, **options: Any) -> Any:
    request = wire.rate(shipment, SHOP, account=ACCOUNT, **options)
    return request.body["RateRequest"]["Shipment"]


def refused(shipment: Shipment, shop: Address = SHOP) -> CarrierRejected:
    with pytest.raises(CarrierRejected) as caught:
        wire.check(shipment, shop)
    return caught.value


# -- whole requests --------------------------------------------------------------------------------

FULL = to(
    order_id="SO-1",
    service=ServiceLevel.NEXT_DAY_AIR,
    parcels=(
        Parcel(
            weight_lb=2.04,
            length_in=10.2,
            width_in=4,
            height_in=8,
            declared_value=Money.of("120.5"),
            description="Mugs",
        ),
        Parcel(weight_lb=150, packaging="pak"),
    ),
    ship_date=IN_TWO_DAYS,
    references={"po": "PO-77", "store": "12"},
    description="Kitchen goods",
    signature=Signature.ADULT,
    saturday_delivery=True,
)

SHIPPER_SHIP = {
    "Name": "Harbor Goods",
    "AttentionName": "Dana Ortiz",
    "Phone": {"Number": "2105550100"},
    "Address": {
        "AddressLine": ["300 Alamo Plaza"],
        "City": "San Antonio",
        "StateProvinceCode": "TX",
        "PostalCode": "78205",
        "CountryCode": "US",
    },
}
BILL_SHIPPER = {"Type": "01", "BillShipper": {"AccountNumber": ACCOUNT}}


def test_a_purchase_within_the_us_in_full() -> None:
    assert ship(FULL, format="zpl", size="4x8") == {
        "Request": {
            "RequestOption": "nonvalidate",
            "SubVersion": "2205",
            "TransactionReference": {"CustomerContext": REFERENCE},
        },
        "Shipment": {
            "Description": "Kitchen goods",
            "Shipper": {"ShipperNumber": ACCOUNT, **SHIPPER_SHIP},
            "ShipTo": {
                "Name": "Kurz Ltd",
                "AttentionName": "Jo Ng",
                "Phone": {"Number": "6175550100", "Extension": "7"},
                "Address": {
                    "AddressLine": ["12 Elm St", "Apt 4"],
                    "City": "Boston",
                    "StateProvinceCode": "MA",
                    "PostalCode": "021341234",
                    "CountryCode": "US",
                    "ResidentialAddressIndicator": "",
                },
            },
            "PaymentInformation": {"ShipmentCharge": [BILL_SHIPPER]},
            "ShipmentRatingOptions": {"NegotiatedRatesIndicator": ""},
            "Service": {"Code": "01"},
            "ShipmentDate": "20261124",
            "ShipmentServiceOptions": {"SaturdayDeliveryIndicator": ""},
            "Package": [
                {
                    "Description": "Mugs",
                    "Packaging": {"Code": "02"},
                    "Dimensions": {
                        "UnitOfMeasurement": {"Code": "IN"},
                        "Length": "11",
                        "Width": "8",
                        "Height": "4",
                    },
                    "PackageWeight": {"UnitOfMeasurement": {"Code": "LBS"}, "Weight": "2.1"},
                    "PackageServiceOptions": {
                        "DeclaredValue": {"CurrencyCode": "USD", "MonetaryValue": "120.50"},
                        "DeliveryConfirmation": {"DCISType": "3"},
                    },
                    "ReferenceNumber": [
                        {"Code": "TN", "Value": REFERENCE},
                        {"Code": "PO", "Value": "PO-77"},
                        {"Code": "ST", "Value": "12"},
                    ],
                },
                {
                    "Packaging": {"Code": "04"},
                    "PackageWeight": {"UnitOfMeasurement": {"Code": "LBS"}, "Weight": "150"},
                    "PackageServiceOptions": {"DeliveryConfirmation": {"DCISType": "3"}},
                    "ReferenceNumber": [
                        {"Code": "PO", "Value": "PO-77"},
                        {"Code": "ST", "Value": "12"},
                    ],
                },
            ],
        },
        "LabelSpecification": {
            "LabelImageFormat": {"Code": "ZPL"},
            "LabelStockSize": {"Height": "8", "Width": "4"},
        },
    }


def test_a_purchase_abroad_in_full() -> None:
    shipment = abroad(
        order_id="SO-2",
        references={"invoice": "INV-9"},
        signature=Signature.REQUIRED,
        customs=Customs(items=(MUG,), duties_payer="shipper", terms="ddp", reason="gift"),
    )
    assert ship(shipment) == {
        "Request": {
            "RequestOption": "nonvalidate",
            "SubVersion": "2205",
            "TransactionReference": {"CustomerContext": REFERENCE},
        },
        "Shipment": {
            "Description": "Mug",
            "Shipper": {"ShipperNumber": ACCOUNT, **SHIPPER_SHIP},
            "ShipTo": {
                "Name": "Jürgen Groß",
                "AttentionName": "Jürgen Groß",
                "Phone": {"Number": "4930123456"},
                "Address": {
                    "AddressLine": ["Schönhauser Allee 6"],
                    "City": "Berlin",
                    "PostalCode": "10119",
                    "CountryCode": "DE",
                },
            },
            "PaymentInformation": {
                "ShipmentCharge": [
                    BILL_SHIPPER,
                    {"Type": "02", "BillShipper": {"AccountNumber": ACCOUNT}},
                ]
            },
            "ShipmentRatingOptions": {"NegotiatedRatesIndicator": ""},
            "Service": {"Code": "65"},
            "ReferenceNumber": [
                {"Code": "TN", "Value": REFERENCE},
                {"Code": "IK", "Value": "INV-9"},
            ],
            "ShipmentServiceOptions": {
                "DeliveryConfirmation": {"DCISType": "1"},
                "InternationalForms": {
                    "FormType": ["01"],
                    "InvoiceNumber": "SO-2",
                    "InvoiceDate": "20261122",
                    "ReasonForExport": "GIFT",
                    "CurrencyCode": "USD",
                    "TermsOfShipment": "DDP",
                    "Contacts": {
                        "SoldTo": {
                            "Name": "Jürgen Groß",
                            "AttentionName": "Jürgen Groß",
                            "Phone": {"Number": "4930123456"},
                            "Address": {
                                "AddressLine": ["Schönhauser Allee 6"],
                                "City": "Berlin",
                                "PostalCode": "10119",
                                "CountryCode": "DE",
                            },
                        }
                    },
                    "Product": [
                        {
                            "Description": ["Mug"],
                            "Unit": {
                                "Number": "2",
                                "UnitOfMeasurement": {"Code": "PCS"},
                                "Value": "9.50",
                            },
                            "OriginCountryCode": "MX",
                            "PartNumber": "M-1",
                        }
                    ],
                },
            },
            "Package": [
                {
                    "Packaging": {"Code": "02"},
                    "PackageWeight": {"UnitOfMeasurement": {"Code": "LBS"}, "Weight": "2"},
                }
            ],
        },
        "LabelSpecification": {
            "LabelImageFormat": {"Code": "GIF"},
            "HTTPUserAgent": "Mozilla/4.5",
            "LabelStockSize": {"Height": "6", "Width": "4"},
        },
    }


def test_a_price_within_the_us_in_full() -> None:
    request = wire.rate(FULL, SHOP, account=ACCOUNT, date=IN_TWO_DAYS)
    assert (request.method, request.path) == ("POST", "/api/rating/v2409/Ratetimeintransit")
    shipper = {name: SHIPPER_SHIP[name] for name in ("Address",)}
    assert request.body == {
        "RateRequest": {
            "Request": {"SubVersion": "2409"},
            "PickupType": {"Code": "01"},
            "Shipment": {
                "Shipper": {"ShipperNumber": ACCOUNT, **shipper},
                "ShipFrom": shipper,
                "ShipTo": {
                    "Address": {
                        "AddressLine": ["12 Elm St", "Apt 4"],
                        "City": "Boston",
                        "StateProvinceCode": "MA",
                        "PostalCode": "021341234",
                        "CountryCode": "US",
                        "ResidentialAddressIndicator": "",
                    }
                },
                "PaymentDetails": {"ShipmentCharge": [BILL_SHIPPER]},
                "ShipmentRatingOptions": {"NegotiatedRatesIndicator": ""},
                "NumOfPieces": "2",
                "ShipmentTotalWeight": {
                    "UnitOfMeasurement": {"Code": "LBS", "Description": "Pounds"},
                    "Weight": "152.1",
                },
                "Service": {"Code": "01"},
                "ShipmentServiceOptions": {"SaturdayDeliveryIndicator": ""},
                "DeliveryTimeInformation": {
                    "PackageBillType": "03",
                    "Pickup": {"Date": "20261124"},
                },
                "Package": [
                    {
                        "PackagingType": {"Code": "02"},
                        "PackageWeight": {
                            "UnitOfMeasurement": {"Code": "LBS", "Description": "Pounds"},
                            "Weight": "2.1",
                        },
                        "Dimensions": {
                            "UnitOfMeasurement": {"Code": "IN", "Description": "Inches"},
                            "Length": "11",
                            "Width": "8",
                            "Height": "4",
                        },
                        "PackageServiceOptions": {
                            "DeclaredValue": {"CurrencyCode": "USD", "MonetaryValue": "120.50"},
                            "DeliveryConfirmation": {"DCISType": "3"},
                        },
                    },
                    {
                        "PackagingType": {"Code": "04"},
                        "PackageWeight": {
                            "UnitOfMeasurement": {"Code": "LBS", "Description": "Pounds"},
                            "Weight": "150",
                        },
                        "PackageServiceOptions": {"DeliveryConfirmation": {"DCISType": "3"}},
                    },
                ],
            },
        }
    }


def test_every_price_is_asked_without_naming_a_service() -> None:
    request = wire.rate(FULL, SHOP, account=ACCOUNT, shop=True)
    assert request.path == "/api/rating/v2409/Shop"
    assert "Service" not in request.body["RateRequest"]["Shipment"]
    timed = wire.rate(FULL, SHOP, account=ACCOUNT, shop=True, date=TODAY)
    assert timed.path == "/api/rating/v2409/Shoptimeintransit"
    assert wire.rate(FULL, SHOP, account=ACCOUNT).path == "/api/rating/v2409/Rate"
    wire.rate(abroad(service="ground"), SHOP, account=ACCOUNT, shop=True)


def test_transit_times_abroad_need_the_value_of_the_goods() -> None:
    """UPS refuses the question without it (error 111549); it is then asked without times."""
    with_value = wire.rate(abroad(), SHOP, account=ACCOUNT, date=TODAY)
    assert with_value.path.endswith("Ratetimeintransit")
    inner = with_value.body["RateRequest"]["Shipment"]
    assert inner["InvoiceLineTotal"] == {"CurrencyCode": "USD", "MonetaryValue": "19.00"}
    assert "DeliveryTimeInformation" in inner
    without = wire.rate(abroad(customs=None), SHOP, account=ACCOUNT, date=TODAY)
    assert without.path.endswith("/Rate")
    assert "DeliveryTimeInformation" not in without.body["RateRequest"]["Shipment"]
    assert "InvoiceLineTotal" not in without.body["RateRequest"]["Shipment"]


def test_direct_delivery_is_an_empty_tag_of_the_shipment_where_asked_and_priced() -> None:
    direct = to(direct_delivery_only=True)
    for body in (bought(direct), rate(direct)):
        assert body["ShipmentServiceOptions"] == {"DirectDeliveryOnlyIndicator": ""}
    assert "ShipmentServiceOptions" not in bought(to())


def test_a_return_is_priced_as_one() -> None:
    body = rate(to(is_return=True))
    assert body["ShipmentServiceOptions"] == {"ReturnService": {"Code": "9"}}
    assert body["ShipFrom"]["Address"]["City"] == "Boston"
    assert body["ShipTo"]["Address"]["City"] == "San Antonio"
    assert "ResidentialAddressIndicator" not in body["ShipTo"]["Address"]
    assert "ShipmentServiceOptions" not in rate(to())


def test_a_return_label_in_full_where_it_differs() -> None:
    body = bought(to(is_return=True, description="Shoes"))
    assert body["ReturnService"] == {"Code": "9"}
    assert body["ShipFrom"]["Name"] == "Kurz Ltd"
    assert body["ShipTo"] == SHIPPER_SHIP
    assert [package["Description"] for package in body["Package"]] == ["Shoes"]
    assert "ShipmentServiceOptions" not in body
    assert bought(to(is_return=True))["Package"][0]["Description"] == "Returned goods"
    assert "ReturnService" not in bought(to())
    assert "Description" not in bought(to())["Package"][0]


def test_a_return_abroad_has_a_partial_invoice() -> None:
    forms = bought(abroad(is_return=True))["ShipmentServiceOptions"]["InternationalForms"]
    assert forms["FormType"] == ["05"]


def test_parcels_that_leave_from_elsewhere_say_so() -> None:
    body = bought(to(ship_from=VANCOUVER, service="standard", customs=Customs(items=(MUG,))))
    assert body["ShipFrom"]["Name"] == "A Roy"
    assert body["Shipper"]["Name"] == "Harbor Goods"
    assert "ShipFrom" not in bought(to())


# -- questions without a shipment ------------------------------------------------------------------


def test_a_shipment_is_recovered_by_our_reference_or_by_its_number() -> None:
    request = wire.recover(account=ACCOUNT, label=LabelSpec(format="zpl"), reference=REFERENCE)
    label = {
        "LabelImageFormat": {"Code": "ZPL"},
        "LabelStockSize": {"Height": "6", "Width": "4"},
    }
    assert request == wire.Request(
        "POST",
        "/api/labels/v1/recovery",
        {
            "LabelRecoveryRequest": {
                "Request": {"SubVersion": "1903"},
                "LabelSpecification": label,
                "ReferenceValues": {
                    "ReferenceNumber": {"Value": REFERENCE},
                    "ShipperNumber": ACCOUNT,
                },
            }
        },
    )
    by_number = wire.recover(
        account=ACCOUNT, label=LabelSpec(format="zpl"), tracking_number="1Z999"
    )
    assert by_number.body == {
        "LabelRecoveryRequest": {
            "Request": {"SubVersion": "1903"},
            "LabelSpecification": label,
            "TrackingNumber": "1Z999",
        }
    }


def test_voiding_and_tracking_name_the_shipment_in_the_path() -> None:
    assert wire.void("1Z999") == wire.Request("DELETE", "/api/shipments/v2409/void/cancel/1Z999")
    assert wire.track("1Z999") == wire.Request(
        "GET", "/api/track/v1/details/1Z999", query=(("locale", "en_US"),)
    )
    assert wire.track_reference(REFERENCE, account=ACCOUNT) == wire.Request(
        "GET",
        f"/api/track/v1/reference/details/{REFERENCE}",
        query=(
            ("locale", "en_US"),
            ("shipperNum", ACCOUNT),
            ("refNumType", "SmallPackage"),
        ),
    )


@pytest.mark.parametrize(("count", "asked"), [(None, "50"), (7, "7"), (50, "50"), (51, "50")])
def test_parcels_of_a_shipment_are_asked_fifty_at_a_time(count: int | None, asked: str) -> None:
    options = {} if count is None else {"count": count}
    assert wire.track_shipment("1Z999", **options) == wire.Request(
        "GET",
        "/api/track/v1/shipment/details/1Z999",
        query=(("offset", "0"), ("count", asked)),
    )


def test_an_address_is_classified_in_full() -> None:
    assert wire.classify(HOME) == wire.Request(
        "POST",
        "/api/addressvalidation/v2/3",
        {
            "XAVRequest": {
                "AddressKeyFormat": {
                    "ConsigneeName": "Kurz Ltd",
                    "AddressLine": ["12 Elm St", "Apt 4"],
                    "PoliticalDivision2": "Boston",
                    "PoliticalDivision1": "MA",
                    "PostcodePrimaryLow": "02134",
                    "PostcodeExtendedLow": "1234",
                    "CountryCode": "US",
                }
            }
        },
    )
    short = wire.classify(SAN_JUAN).body["XAVRequest"]["AddressKeyFormat"]
    assert (short["ConsigneeName"], short["CountryCode"]) == ("Ana Cruz", "PR")
    assert "PostcodeExtendedLow" not in short
    assert wire.country_of(wire.classify(SAN_JUAN)) == "PR"
    long = HOME.model_copy(
        update={"company": "c" * 50, "address_line1": "a" * 120, "city": "b" * 40}
    )
    form = wire.classify(long).body["XAVRequest"]["AddressKeyFormat"]
    assert [
        len(form["ConsigneeName"]),
        len(form["AddressLine"][0]),
        len(form["PoliticalDivision2"]),
    ] == [40, 100, 30]


def test_transit_times_are_asked_in_full() -> None:
    request = wire.transit(abroad(parcels=FULL.parcels), SHOP, account=ACCOUNT, date=TODAY)
    assert request == wire.Request(
        "POST",
        "/api/shipments/v1/transittimes",
        {
            "originCountryCode": "US",
            "originStateProvince": "TX",
            "originCityName": "San Antonio",
            "originPostalCode": "78205",
            "destinationCountryCode": "DE",
            "destinationCityName": "Berlin",
            "destinationPostalCode": "10119",
            "residentialIndicator": "02",
            "shipDate": "2026-11-22",
            "weight": 152.1,
            "weightUnitOfMeasure": "LBS",
            "billType": "03",
            "numberOfPackages": 2,
            "shipmentContentsValue": 19.0,
            "shipmentContentsCurrencyCode": "USD",
        },
    )
    domestic = wire.transit(to(), SHOP, account=ACCOUNT, date=TODAY).body
    assert domestic["residentialIndicator"] == "01"
    assert "shipmentContentsValue" not in domestic


# -- signatures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("signature", "code"), [(Signature.REQUIRED, "2"), (Signature.ADULT, "3")])
@pytest.mark.parametrize(
    "shipment",
    [
        to(),
        to(
            SAN_JUAN,
            description="Books",
            parcels=(Parcel(weight_lb=1, declared_value=Money.of(5)),),
        ),
        to(VANCOUVER, ship_from=VANCOUVER, service="standard"),
    ],
    ids=["US", "US-PR", "CA"],
)
def test_within_a_country_a_signature_is_asked_on_each_package(
    shipment: Shipment, signature: Signature, code: str
) -> None:
    """2 is a signature, 3 an adult's. (1 is delivery confirmation, which UPS no longer sells.)"""
    signed = shipment.model_copy(
        update={"signature": signature, "parcels": (*shipment.parcels, Parcel(weight_lb=3))}
    )
    for body in (bought(signed), rate(signed)):
        assert [
            package["PackageServiceOptions"]["DeliveryConfirmation"] for package in body["Package"]
        ] == [{"DCISType": code}] * 2
        assert "DeliveryConfirmation" not in body.get("ShipmentServiceOptions", {})


@pytest.mark.parametrize(("signature", "code"), [(Signature.REQUIRED, "1"), (Signature.ADULT, "2")])
def test_abroad_a_signature_is_asked_on_the_shipment_with_other_codes(
    signature: Signature, code: str
) -> None:
    """1 is a signature there and 2 an adult's."""
    signed = abroad(signature=signature)
    for body in (bought(signed), rate(signed)):
        assert body["ShipmentServiceOptions"]["DeliveryConfirmation"] == {"DCISType": code}
        assert "PackageServiceOptions" not in body["Package"][0]


def test_without_a_signature_none_is_asked() -> None:
    for shipment in (to(), abroad()):
        for body in (bought(shipment), rate(shipment)):
            assert "DeliveryConfirmation" not in str(body)


def test_a_return_label_takes_no_signature() -> None:
    for signature in (Signature.REQUIRED, Signature.ADULT):
        assert refused(to(is_return=True, signature=signature)).details["field"] == "signature"
    bought(to(is_return=True))


# -- codes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("letter", "01"),
        ("envelope", "01"),
        ("package", "02"),
        ("box", "02"),
        ("tube", "03"),
        ("pak", "04"),
        ("express_box", "21"),
        ("25kg_box", "24"),
        ("10kg_box", "25"),
        ("pallet", "30"),
        ("express_box_small", "2a"),
        ("express_box_medium", "2b"),
        ("express_box_large", "2c"),
        ("UPS Express Box", "21"),
        (" PAK ", "04"),
        ("2A", "2a"),
        ("30", "30"),
    ],
)
def test_packaging_is_sent_as_upss_code(name: str, code: str) -> None:
    sent = to(parcels=(Parcel(weight_lb=1, packaging=name),), service="next_day_air")
    assert bought(sent)["Package"][0]["Packaging"] == {"Code": code}
    assert rate(sent)["Package"][0]["PackagingType"] == {"Code": code}


@pytest.mark.parametrize("service", ["ground", "ground_saver", "3_day_select"])
def test_packaging_of_air_services_is_not_for_the_others(service: str) -> None:
    error = refused(to(parcels=(Parcel(weight_lb=1, packaging="pak"),), service=service))
    assert error.details["field"] == "parcels[0].packaging"
    bought(to(parcels=(Parcel(weight_lb=1, packaging="box"),), service=service))
    bought(to(parcels=(Parcel(weight_lb=1, packaging="pak"),), service="2nd_day_air"))


def test_unknown_packaging_is_refused_with_the_known_ones() -> None:
    error = refused(to(parcels=(Parcel(weight_lb=1), Parcel(weight_lb=1, packaging="crate"))))
    assert error.details["field"] == "parcels[1].packaging"
    assert "letter" in error.fix


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("po", "PO"),
        ("purchase_order", "PO"),
        ("po_number", "PO"),
        ("invoice", "IK"),
        ("invoice_number", "IK"),
        ("department", "DP"),
        ("rma", "RZ"),
        ("return", "RZ"),
        ("part", "PM"),
        ("serial", "SE"),
        ("store", "ST"),
        ("salesperson", "SA"),
        ("bill_of_lading", "BM"),
        ("model", "MK"),
        ("order", "ON"),
        ("PO", "PO"),
        (" Invoice ", "IK"),
        ("in", "IN"),
        ("1x", "1X"),
        ("gift note", None),
        ("x", None),
        ("x-", None),
        ("éé", None),
    ],
)
def test_references_are_sent_with_upss_code_or_none(name: str, code: str | None) -> None:
    found = bought(to(references={name: "A-1"}))["Package"][0]["ReferenceNumber"]
    assert found[1:] == [{"Code": code, "Value": "A-1"} if code else {"Value": "A-1"}]


@pytest.mark.parametrize(
    ("shipment", "code"),
    [
        (to(service="next_day_air"), "01"),
        (to(service="2nd_day_air"), "02"),
        (to(service="ground"), "03"),
        (to(service="3_day_select"), "12"),
        (to(service="next_day_air_saver"), "13"),
        (to(service="next_day_air_early"), "14"),
        (to(service="2nd_day_air_am"), "59"),
        (to(service="ground_saver"), "93"),
        (abroad(service="worldwide_express"), "07"),
        (abroad(service="worldwide_expedited"), "08"),
        (abroad(VANCOUVER, service="standard"), "11"),
        (abroad(service="worldwide_express_plus"), "54"),
        (abroad(service="worldwide_saver"), "65"),
    ],
)
def test_a_service_is_sent_as_upss_code_and_read_from_it(shipment: Shipment, code: str) -> None:
    assert bought(shipment)["Service"] == {"Code": code}
    assert rate(shipment)["Service"] == {"Code": code}
    assert wire.service_of(code) == shipment.service


def test_a_code_that_is_not_sold_is_no_service() -> None:
    assert wire.service_of("3") == "ground", "UPS leaves leading zeros out at times"
    assert wire.service_of(" 03 ") == "ground"
    assert wire.service_of("99") is wire.service_of("") is wire.service_of(None) is None


# -- where the limits are --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "sent"),
    [(None, None), (-1, None), (0, None), (1, "20261123"), (7, "20261129"), (8, None)],
)
def test_a_ship_date_is_sent_from_tomorrow_to_a_week_ahead(
    days: int | None, sent: str | None
) -> None:
    """UPS refuses others; the labels of a later batch are then valid from today."""
    date = None if days is None else TODAY + dt.timedelta(days=days)
    assert bought(to(ship_date=date)).get("ShipmentDate") == sent


def test_the_invoice_has_the_day_of_shipping() -> None:
    forms = bought(abroad(ship_date=IN_TWO_DAYS))["ShipmentServiceOptions"]["InternationalForms"]
    assert forms["InvoiceDate"] == "20261124"


def test_at_most_200_parcels_travel_together() -> None:
    parcel = (Parcel(weight_lb=1),)
    assert len(bought(to(parcels=parcel * 200))["Package"]) == 200
    error = refused(to(parcels=parcel * 201))
    assert error.details["field"] == "parcels"
    assert "201" in error.message
    assert "200" in error.message


@pytest.mark.parametrize(
    ("pounds", "refused_"),
    [(150, False), (150.00001, False), (150.0001, True), (150.1, True)],
)
def test_a_parcel_weighs_at_most_150_pounds(pounds: float, refused_: bool) -> None:
    heavy = to(parcels=(Parcel(weight_lb=1), Parcel(weight_lb=pounds)))
    if refused_:
        assert refused(heavy).details["field"] == "parcels[1].weight_lb"
    else:
        assert bought(heavy)["Package"][1]["PackageWeight"]["Weight"] == "150"


@pytest.mark.parametrize(
    ("side", "sent"), [(999, "999"), (998.2, "999"), (999.0001, "999"), (999.1, None), (1000, None)]
)
def test_a_side_has_at_most_three_digits(side: float, sent: str | None) -> None:
    long = to(parcels=(Parcel(weight_lb=1, length_in=2, width_in=side, height_in=2),))
    if sent:
        assert bought(long)["Package"][0]["Dimensions"]["Length"] == sent
    else:
        assert refused(long).details["field"] == "parcels[0]"


@pytest.mark.parametrize("missing", ["length_in", "width_in", "height_in"])
def test_all_three_sides_or_none(missing: str) -> None:
    sides = {"length_in": 3, "width_in": 2, "height_in": 1}
    del sides[missing]
    assert "or none" in refused(to(parcels=(Parcel(weight_lb=1, **sides),))).message
    assert "Dimensions" not in bought(to())["Package"][0]


@pytest.mark.parametrize(
    ("value", "sent"),
    [("0", None), ("0.01", "0.01"), ("49999.99", "49999.99"), ("5", "5.00"), ("100000", "refused")],
)
def test_a_declared_value_has_at_most_eight_characters(value: str, sent: str | None) -> None:
    shipment = to(parcels=(Parcel(weight_lb=1, declared_value=Money.of(value)),))
    if sent == "refused":
        assert refused(shipment).details["field"] == "parcels[0].declared_value"
        return
    options = bought(shipment)["Package"][0].get("PackageServiceOptions", {})
    wanted = None if sent is None else {"CurrencyCode": "USD", "MonetaryValue": sent}
    assert options.get("DeclaredValue") == wanted


def test_four_references_fit_and_five_do_not() -> None:
    found = bought(to(references=dict.fromkeys("abcd", "1")))["Package"][0]["ReferenceNumber"]
    assert len(found) == 5
    assert "5" in refused(to(references=dict.fromkeys("abcde", "1"))).message
    blank = to(references={**dict.fromkeys("abcd", "1"), "e": "  "})
    assert len(bought(blank)["Package"][0]["ReferenceNumber"]) == 5


def test_a_reference_has_at_most_35_characters() -> None:
    found = bought(to(references={"po": "x" * 35}))["Package"][0]["ReferenceNumber"]
    assert found[1]["Value"] == "x" * 35
    error = refused(to(references={"po": "x" * 36}))
    assert error.details["field"] == "references.po"
    assert "36" in error.message


def test_a_parcels_description_has_at_most_35_characters() -> None:
    described = to(parcels=(Parcel(weight_lb=1, description="word " * 20),))
    assert len(bought(described)["Package"][0]["Description"]) <= 35
    other = to(parcels=(Parcel(weight_lb=1), Parcel(weight_lb=1, description="東京")))
    assert refused(other).details["field"] == "parcels[1].description"


def test_without_users_references_only_ours_is_on_the_first_package() -> None:
    packages = bought(to(parcels=(Parcel(weight_lb=1),) * 2))["Package"]
    assert packages[0]["ReferenceNumber"] == [{"Code": "TN", "Value": REFERENCE}]
    assert "ReferenceNumber" not in packages[1]


@pytest.mark.parametrize("payer", ["shipper", "receiver"])
def test_duties_are_billed_to_the_shipper_only_where_asked_and_where_there_are_some(
    payer: str,
) -> None:
    customs = Customs(items=(MUG,), duties_payer=payer)
    duties = ["01", "02"] if payer == "shipper" else ["01"]
    for body in (bought(abroad(customs=customs)), rate(abroad(customs=customs))):
        charges = (body.get("PaymentInformation") or body["PaymentDetails"])["ShipmentCharge"]
        assert [charge["Type"] for charge in charges] == duties
    at_home = bought(to(customs=customs))["PaymentInformation"]["ShipmentCharge"]
    assert at_home == [BILL_SHIPPER]


def test_the_value_of_goods_is_sent_to_canada_and_puerto_rico_only() -> None:
    total = {"CurrencyCode": "USD", "MonetaryValue": "19.00"}
    assert bought(abroad(VANCOUVER, service="standard"))["InvoiceLineTotal"] == total
    to_pr = to(SAN_JUAN, customs=Customs(items=(MUG,)), description="Books")
    assert bought(to_pr)["InvoiceLineTotal"] == total
    assert "InvoiceLineTotal" not in bought(abroad())
    assert "InvoiceLineTotal" not in bought(to(customs=Customs(items=(MUG,))))


def test_a_check_refuses_what_a_purchase_would() -> None:
    wire.check(FULL, SHOP)
    wire.check(abroad(ship_date=dt.date(2026, 1, 1)), SHOP)
    assert refused(abroad(customs=None)).details["field"] == "customs.items"
    assert refused(to(service="worldwide_saver")).details["field"] == "service"


def test_a_request_hides_its_body_in_its_repr() -> None:
    request = wire.ship(
        FULL, SHOP, account=ACCOUNT, reference=REFERENCE, label=LabelSpec(), today=TODAY
    )
    assert "Elm St" not in repr(request)


# -- refusals at the purchase that public reports tell of ------------------------------------------


@pytest.mark.parametrize(
    ("country", "state", "sent"),
    [
        ("MX", "D.F.", "DF"),
        ("MX", "N.L.", "NL"),
        ("AU", "Vic.", "VIC"),
        ("IE", "Co. D", None),
        ("CN", "沪", None),
    ],
)
def test_a_state_is_sent_as_letters_and_digits_or_left_out(
    country: str, state: str, sent: str | None
) -> None:
    code = {"IE": "D01F5P2", "AU": "3000"}.get(country, "064000"[: 5 if country == "MX" else 6])
    there = BERLIN.model_copy(update={"country": country, "state": state, "postal_code": code})
    assert bought(abroad(there))["ShipTo"]["Address"].get("StateProvinceCode") == sent


@pytest.mark.parametrize(("given", "code"), [("2", "02"), ("02", "02"), ("1", "01"), ("4", "04")])
def test_a_packaging_code_without_its_zero_is_read(given: str, code: str) -> None:
    parcels = (Parcel(weight_lb=1, packaging=given),)
    sent = bought(to(parcels=parcels, service="next_day_air"))
    assert sent["Package"][0]["Packaging"] == {"Code": code}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (Money.of(900, "EUR"), "in EUR from a shipper in US"),
        (Money.of(900, "CAD"), "in CAD from a shipper in US"),
        (Money.of(60_000), "the most is 50,000 USD"),
    ],
)
def test_a_declared_value_that_ups_refuses_at_the_purchase_is_refused_in_the_preview(
    value: Money, told: str
) -> None:
    error = refused(to(parcels=(Parcel(weight_lb=1, declared_value=value),)))
    assert error.details["field"] == "parcels[0].declared_value"
    assert told in error.message
    wire.check(to(parcels=(Parcel(weight_lb=1, declared_value=Money.of(50_000)),)), SHOP)


def test_parcels_that_leave_from_another_country_than_the_account_are_refused() -> None:
    error = refused(to(VANCOUVER, ship_from=VANCOUVER, service="standard"))
    assert error.details["field"] == "ship_from.country"
    assert "the UPS account is of US" in error.message
    value = (Parcel(weight_lb=1, declared_value=Money.of(5)),)
    wire.check(to(SAN_JUAN, description="Books", ship_from=HOME, parcels=value), SHOP)
