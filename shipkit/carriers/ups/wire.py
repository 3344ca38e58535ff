"""Requests to UPS: a shipment in shipkit's words -> the JSON that UPS takes. Pure: no clock, no network, no environment.

Facts, and where they are from (S: UPS-API/api-documentation @ e6f36df, 21 Jul 2026; R: recorded
answers of 2024; G: UPS's older guide, through public code; nothing here was tried against the live
service):

==============================================
=========================================================================== fact
source ==============================================
=========================================================================== Ship and Rate are
spoken as v2409               S Shipping.yaml, Rating.yaml, path parameter ``version`` Ship's
SubVersion ends at 2205, Rate's at 2409  S Request.SubVersion; 2409 is what makes Rate tell the
zone Rate says PackagingType, Ship says Packaging    S; likewise PaymentDetails and
PaymentInformation Flags are present or absent; "" is sent         S ResidentialAddressIndicator:
"any value inside is ignored" Misplaced and unknown fields are ignored        R
friendly.labels.ground_saver_success (asked for ZPL, got GIF) References: package level for US-US
and PR-PR   S Package.ReferenceNumber ("maximum": 5), Shipment.ReferenceNumber; G 120541, 120542
only, shipment level otherwise Text is Latin-1, lines are 35 characters        S
LabelSpecification.CharacterSet, Address.AddressLine Dimensions are whole inches, longest first
S Package.Dimensions (maxLength 3); R decimals were billed 10 lb by Rate, 8 lb by Ship Fractions of
an inch are rounded up             UPS's announcement for August 2025, from memory: not verified
Weights have at most 5 characters               S Package.PackageWeight.Weight Signature: package
level 2 and 3 within the     S PackageServiceOptions.DeliveryConfirmation,
ShipmentServiceOptions.DeliveryConfirmation country, shipment level 1 and 2 abroad Return label:
ReturnService 9, description on   S Shipment.ReturnService, Package.Description each package
InvoiceLineTotal: US to CA and US to PR         S, older text in the design notes Duties: second
ShipmentCharge, type 02; not     S PaymentInformation.ShipmentCharge.Type ("Qualified Domestic
Shipment") within a country, US-PR, or within the EU Forms: 01 invoice, 05 partial invoice for
S InternationalForms.FormType returns Labels: GIF and ZPL (EPL, SPL); GIF wants a     S
LabelImageFormat.Code, HTTPUserAgent user agent Shipment date: today to seven days ahead        S
Shipment.ShipmentDate Transit times need the date and total weight,   S DeliveryTimeInformation,
Rating Shipment_InvoiceLineTotal; I 42, error 111549 abroad the value of the goods too
==============================================
===========================================================================
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType
from typing import Any

from shipkit.carriers.ups.customs import international_forms, invoice_line_total, rated_value
from shipkit.carriers.ups.route import (
    Route,
    demand_a_service_that_runs,
    demand_contacts,
    latin,
    place,
    refuse,
    route_of,
)
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.carriers.ups.text import clean, cut, postal_code
from shipkit.models import (
    Address,
    LabelFormat,
    LabelSpec,
    Money,
    Parcel,
    Shipment,
    Signature,
)

__all__ = [
    "Request",
    "check",
    "classify",
    "country_of",
    "rate",
    "recover",
    "ship",
    "track",
    "track_reference",
    "track_shipment",
    "transit",
    "void",
]

VERSION = "v2409"
_DAYS_AHEAD = 7
_MAX_REFERENCES = 4
_MAX_PARCELS = 200
_MAX_WEIGHT_LB = Decimal(150)
_MAX_INCHES = 999
_RETURN_LABEL = "9"

PACKAGING: MappingProxyType[str, str] = MappingProxyType(
    {
        "package": "02",
        "box": "02",
        "letter": "01",
        "envelope": "01",
        "tube": "03",
        "pak": "04",
        "express_box": "21",
        "25kg_box": "24",
        "10kg_box": "25",
        "pallet": "30",
        "express_box_small": "2a",
        "express_box_medium": "2b",
        "express_box_large": "2c",
    }
)
"""Parcel.packaging -> UPS's code. A UPS code itself is understood too."""

REFERENCES: MappingProxyType[str, str] = MappingProxyType(
    {
        "po": "PO",
        "purchase_order": "PO",
        "po_number": "PO",
        "invoice": "IK",
        "invoice_number": "IK",
        "department": "DP",
        "rma": "RZ",
        "return": "RZ",
        "part": "PM",
        "serial": "SE",
        "store": "ST",
        "salesperson": "SA",
        "bill_of_lading": "BM",
        "model": "MK",
        "order": "ON",
    }
)
"""Name of a user's reference -> UPS's code (list of public code; the appendix is not in the specs). Another two-letter name is sent as it is, any other without a code."""


@dataclass(frozen=True)
class Request:
    """One request to UPS: what to send and where. `body` None means none."""

    method: str
    path: str
    body: dict[str, Any] | None = field(default=None, repr=False)
    query: tuple[tuple[str, str], ...] = ()


def check(shipment: Shipment, shipper: Address) -> None:
    """Raise CarrierRejected for what UPS would refuse and shipkit can see: asked at the quote, so that a preview shows it."""
    ship(
        shipment,
        shipper,
        account="A1B2C3",
        reference="CHECK",
        label=LabelSpec(),
        today=dt.date(2000, 1, 1),
    )


def rate(
    shipment: Shipment,
    shipper: Address,
    *,
    account: str,
    shop: bool = False,
    date: dt.date | None = None,
) -> Request:
    """Return the question for a price: one service, or all (`shop`); with transit times from `date` when there is one."""
    route = route_of(shipment, shipper, account)
    if not shop:
        demand_a_service_that_runs(route, shipment.service)
    body: dict[str, Any] = {
        "Shipper": {"ShipperNumber": account, **route.shipper.rated()},
        "ShipTo": route.destination.rated(residential=True),
        "ShipFrom": route.origin.rated(),
        "PaymentDetails": {"ShipmentCharge": _charges(route, shipment)},
        "ShipmentRatingOptions": {"NegotiatedRatesIndicator": ""},
        "NumOfPieces": str(len(shipment.parcels)),
        "ShipmentTotalWeight": {
            "UnitOfMeasurement": _POUNDS,
            "Weight": _pounds(shipment.total_weight_lb),
        },
        "Package": [
            _rated_package(parcel, i, route, shipment)
            for i, parcel in enumerate(_parcels(shipment))
        ],
    }
    if not shop:
        body["Service"] = {"Code": SERVICES.wire(shipment.service)}
    options = _service_options(route, shipment, rated=True)
    if options:
        body["ShipmentServiceOptions"] = options
    total = rated_value(route, shipment)
    if total:
        body["InvoiceLineTotal"] = total
    timed = date is not None and (total is not None or route.pair[0] == route.pair[1])
    if timed:
        body["DeliveryTimeInformation"] = {
            "PackageBillType": "03",
            "Pickup": {"Date": f"{date:%Y%m%d}"},
        }
    option = ("Shop" if shop else "Rate") + ("timeintransit" if timed else "")
    request = {"SubVersion": "2409"}
    return Request(
        "POST",
        f"/api/rating/{VERSION}/{option}",
        {"RateRequest": {"Request": request, "PickupType": {"Code": "01"}, "Shipment": body}},
    )


def ship(
    shipment: Shipment,
    shipper: Address,
    *,
    account: str,
    reference: str,
    label: LabelSpec,
    today: dt.date,
) -> Request:
    """Return the order to buy. `reference` is ours, first in line; `today` dates the invoice when the shipment has no date."""
    route = route_of(shipment, shipper, account)
    demand_a_service_that_runs(route, shipment.service)
    demand_contacts(route, shipment)
    body: dict[str, Any] = {
        "Shipper": {"ShipperNumber": account, **route.shipper.shown()},
        "ShipTo": route.destination.shown(residential=True),
        "PaymentInformation": {"ShipmentCharge": _charges(route, shipment)},
        "ShipmentRatingOptions": {"NegotiatedRatesIndicator": ""},
        "Service": {"Code": SERVICES.wire(shipment.service)},
        "Package": [
            _shipped_package(parcel, i, route, shipment)
            for i, parcel in enumerate(_parcels(shipment))
        ],
    }
    if route.origin is not route.shipper:
        body["ShipFrom"] = route.origin.shown()
    description = route.description(shipment)
    if description:
        body["Description"] = description
    if shipment.ship_date and today < shipment.ship_date <= today + dt.timedelta(days=_DAYS_AHEAD):
        body["ShipmentDate"] = f"{shipment.ship_date:%Y%m%d}"
    if shipment.is_return:
        body["ReturnService"] = {"Code": _RETURN_LABEL}
    options = _service_options(route, shipment, rated=False)
    if route.crosses_customs:
        options["InternationalForms"] = international_forms(
            route, shipment, reference, shipment.ship_date or today
        )
    if options:
        body["ShipmentServiceOptions"] = options
    total = invoice_line_total(route, shipment)
    if total:
        body["InvoiceLineTotal"] = total
    _place_references(body, reference, shipment, on_package=route.domestic)
    request = {
        "RequestOption": "nonvalidate",
        "SubVersion": "2205",
        "TransactionReference": {"CustomerContext": reference},
    }
    whole = {
        "ShipmentRequest": {
            "Request": request,
            "Shipment": body,
            "LabelSpecification": _label(label),
        }
    }
    return Request("POST", f"/api/shipments/{VERSION}/ship", whole)


def recover(
    *,
    account: str,
    label: LabelSpec,
    reference: str | None = None,
    tracking_number: str | None = None,
) -> Request:
    """Return the question for a shipment's numbers and labels, by our reference or by a tracking number."""
    body: dict[str, Any] = {"Request": {"SubVersion": "1903"}, "LabelSpecification": _label(label)}
    if tracking_number:
        body["TrackingNumber"] = tracking_number
    else:
        body["ReferenceValues"] = {
            "ReferenceNumber": {"Value": reference},
            "ShipperNumber": account,
        }
    return Request("POST", "/api/labels/v1/recovery", {"LabelRecoveryRequest": body})


def void(shipment_id: str) -> Request:
    """Return the order to give a whole shipment back."""
    return Request("DELETE", f"/api/shipments/{VERSION}/void/cancel/{shipment_id}")


def track(tracking_number: str) -> Request:
    """Return the question where one parcel is."""
    return Request("GET", f"/api/track/v1/details/{tracking_number}", query=(("locale", "en_US"),))


def track_shipment(tracking_number: str, *, count: int = 50) -> Request:
    """Return the question which parcels travel with one."""
    return Request(
        "GET",
        f"/api/track/v1/shipment/details/{tracking_number}",
        query=(("offset", "0"), ("count", str(min(count, 50)))),
    )


def track_reference(reference: str, *, account: str) -> Request:
    """Return the question which parcels carry `reference`. UPS looks fourteen days back when no dates are given."""
    query = (("locale", "en_US"), ("shipperNum", account), ("refNumType", "SmallPackage"))
    return Request("GET", f"/api/track/v1/reference/details/{reference}", query=query)


def classify(address: Address) -> Request:
    """Return the question whether a US or PR street address exists, and whether it is a home."""
    country, state = place(address)
    zip_code = postal_code(address.postal_code)
    form: dict[str, Any] = {
        "ConsigneeName": cut(clean(address.company or address.name), 40),
        "AddressLine": [cut(clean(line), 100) for line in address.lines],
        "PoliticalDivision2": cut(clean(address.city), 30),
        "PoliticalDivision1": cut(clean(state), 30),
        "PostcodePrimaryLow": zip_code[:5],
        "PostcodeExtendedLow": zip_code[5:9],
        "CountryCode": country,
    }
    return Request(
        "POST",
        "/api/addressvalidation/v2/3",
        {"XAVRequest": {"AddressKeyFormat": {key: value for key, value in form.items() if value}}},
    )


def country_of(request: Request) -> str:
    """Return the country that a question about an address names."""
    return str((request.body or {})["XAVRequest"]["AddressKeyFormat"]["CountryCode"])


def transit(shipment: Shipment, shipper: Address, *, account: str, date: dt.date) -> Request:
    """Return the question how long every service takes for a shipment that leaves on `date`."""
    route = route_of(shipment, shipper, account)
    body: dict[str, Any] = {
        **route.origin.timed("origin"),
        **route.destination.timed("destination"),
        "residentialIndicator": "01" if route.destination.residential else "02",
        "shipDate": date.isoformat(),
        "weight": float(_pounds(shipment.total_weight_lb)),
        "weightUnitOfMeasure": "LBS",
        "billType": "03",
        "numberOfPackages": len(shipment.parcels),
    }
    customs = shipment.customs
    if customs and customs.items:
        body["shipmentContentsValue"] = float(
            sum(item.unit_value.amount * item.quantity for item in customs.items)
        )
        body["shipmentContentsCurrencyCode"] = customs.items[0].unit_value.currency
    return Request("POST", "/api/shipments/v1/transittimes", body)


_POUNDS = {"Code": "LBS", "Description": "Pounds"}
_INCHES = {"Code": "IN", "Description": "Inches"}


def _parcels(shipment: Shipment) -> tuple[Parcel, ...]:
    if len(shipment.parcels) > _MAX_PARCELS:
        raise refuse(
            "parcels",
            f"UPS takes at most {_MAX_PARCELS} parcels in a shipment, not {len(shipment.parcels)}.",
            "Split the shipment.",
        )
    return shipment.parcels


def _rated_package(parcel: Parcel, index: int, route: Route, shipment: Shipment) -> dict[str, Any]:
    package: dict[str, Any] = {
        "PackagingType": {"Code": _packaging(parcel, index)},
        "PackageWeight": {"UnitOfMeasurement": _POUNDS, "Weight": _parcel_weight(parcel, index)},
    }
    return (
        package
        | _measured(parcel, index, _INCHES)
        | _package_options(parcel, index, route, shipment)
    )


def _shipped_package(
    parcel: Parcel, index: int, route: Route, shipment: Shipment
) -> dict[str, Any]:
    package: dict[str, Any] = {
        "Packaging": {"Code": _packaging(parcel, index)},
        "PackageWeight": {
            "UnitOfMeasurement": {"Code": "LBS"},
            "Weight": _parcel_weight(parcel, index),
        },
    }
    description = latin(cut(clean(parcel.description), 35), f"parcels[{index}].description") or (
        cut(route.description(shipment) or "Returned goods", 35) if shipment.is_return else ""
    )
    if description:
        package["Description"] = description
    return (
        package
        | _measured(parcel, index, {"Code": "IN"})
        | _package_options(parcel, index, route, shipment)
    )


def _packaging(parcel: Parcel, index: int) -> str:
    name = parcel.packaging.strip().lower().replace(" ", "_").removeprefix("ups_")
    code = PACKAGING.get(name) or (name if name in PACKAGING.values() else None)
    if code is None:
        raise refuse(
            f"parcels[{index}].packaging",
            f"UPS knows no packaging {parcel.packaging!r}.",
            f"Use one of {', '.join(PACKAGING)}.",
        )
    return code


def _parcel_weight(parcel: Parcel, index: int) -> str:
    if Decimal(str(round(parcel.weight_lb, 4))) > _MAX_WEIGHT_LB:
        raise refuse(
            f"parcels[{index}].weight_lb",
            f"{parcel.weight_lb:g} lb is over UPS's limit of {_MAX_WEIGHT_LB} lb a parcel.",
            "Split it into more parcels.",
        )
    return _pounds(parcel.weight_lb)


def _pounds(weight_lb: float) -> str:
    """Pounds with one decimal, rounded up: never below the scale, and never another billed pound, because UPS rounds up to whole ones."""
    tenths = max(
        Decimal(str(round(weight_lb, 4))).quantize(Decimal("0.1"), ROUND_CEILING), Decimal("0.1")
    )
    return f"{tenths.normalize():f}"


def _measured(parcel: Parcel, index: int, unit: Mapping[str, str]) -> dict[str, Any]:
    sides = [
        side for side in (parcel.length_in, parcel.width_in, parcel.height_in) if side is not None
    ]
    if not sides:
        return {}
    field = f"parcels[{index}]"
    if len(sides) < 3:
        raise refuse(
            field,
            "UPS wants length, width and height, or none of them.",
            "Fill in the missing dimension.",
        )
    whole = sorted(
        (
            int(Decimal(str(round(side, 3))).quantize(Decimal(1), ROUND_CEILING)) or 1
            for side in sides
        ),
        reverse=True,
    )
    if whole[0] > _MAX_INCHES:
        raise refuse(
            field,
            f"A side of {whole[0]} in is more than UPS takes.",
            "Correct the dimensions; they are inches.",
        )
    return {
        "Dimensions": {
            "UnitOfMeasurement": dict(unit),
            "Length": str(whole[0]),
            "Width": str(whole[1]),
            "Height": str(whole[2]),
        }
    }


def _package_options(
    parcel: Parcel, index: int, route: Route, shipment: Shipment
) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if parcel.declared_value and parcel.declared_value.amount > 0:
        options["DeclaredValue"] = _declared(parcel.declared_value, index)
    if _wants_signature(shipment) and route.signature_on_package:
        options["DeliveryConfirmation"] = {
            "DCISType": "3" if shipment.signature is Signature.ADULT else "2"
        }
    return {"PackageServiceOptions": options} if options else {}


def _wants_signature(shipment: Shipment) -> bool:
    if shipment.signature is Signature.NONE:
        return False
    if shipment.is_return:
        raise refuse(
            "signature",
            "UPS takes no signature request on a return label.",
            "Drop the signature of this row.",
        )
    return True


def _declared(value: Money, index: int) -> dict[str, str]:
    text = f"{value.amount.quantize(Decimal('0.01')):f}"
    if len(text) > 8:
        raise refuse(
            f"parcels[{index}].declared_value",
            f"UPS does not take a declared value of {value}.",
            "Lower it, or split the shipment.",
        )
    return {"CurrencyCode": value.currency, "MonetaryValue": text}


def _service_options(route: Route, shipment: Shipment, *, rated: bool) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if shipment.saturday_delivery:
        options["SaturdayDeliveryIndicator"] = ""
    if shipment.direct_delivery_only:
        # Shipping and Rating: ShipmentServiceOptions.DirectDeliveryOnlyIndicator, an empty tag.
        options["DirectDeliveryOnlyIndicator"] = ""
    if _wants_signature(shipment) and not route.signature_on_package:
        options["DeliveryConfirmation"] = {
            "DCISType": "2" if shipment.signature is Signature.ADULT else "1"
        }
    if shipment.is_return and rated:
        options["ReturnService"] = {"Code": _RETURN_LABEL}
    return options


def _charges(route: Route, shipment: Shipment) -> list[dict[str, Any]]:
    payer = {"BillShipper": {"AccountNumber": route.account}}
    charges = [{"Type": "01", **payer}]
    if route.crosses_customs and shipment.customs and shipment.customs.duties_payer == "shipper":
        charges.append({"Type": "02", **payer})
    return charges


def _place_references(
    body: dict[str, Any], reference: str, shipment: Shipment, *, on_package: bool
) -> None:
    """Put ours first and the user's behind it: on the packages inside the US and inside PR, on the shipment elsewhere.

    Ours stands on the first package only, so that a look-up by it finds one parcel, whose answer
    names the shipment.
    """
    ours = {"Code": "TN", "Value": reference}
    users = _user_references(shipment)
    if not on_package:
        body["ReferenceNumber"] = [ours, *users]
        return
    for i, package in enumerate(body["Package"]):
        wanted = [ours, *users] if i == 0 else users
        if wanted:
            package["ReferenceNumber"] = [dict(r) for r in wanted]


def _user_references(shipment: Shipment) -> list[dict[str, str]]:
    found = []
    for key, text in shipment.references.items():
        value = latin(clean(text), f"references.{key}")
        if not value:
            continue
        if len(value) > 35:
            raise refuse(
                f"references.{key}",
                f"A reference has at most 35 characters at UPS; this one has {len(value)}.",
                "Shorten it, or map another column.",
            )
        name = key.strip().lower()
        code = REFERENCES.get(name) or (
            name.upper() if len(name) == 2 and name.isascii() and name.isalnum() else None
        )
        found.append({"Code": code, "Value": value} if code else {"Value": value})
    if len(found) > _MAX_REFERENCES:
        raise refuse(
            "references",
            f"UPS takes {_MAX_REFERENCES} references beside shipkit's own; this shipment has "
            f"{len(found)}.",
            "Map fewer references.",
        )
    return found


def _label(label: LabelSpec) -> dict[str, Any]:
    width, height = label.size.split("x")
    size = {"Height": height, "Width": width}
    if label.format is LabelFormat.ZPL:
        return {"LabelImageFormat": {"Code": "ZPL"}, "LabelStockSize": size}
    return {
        "LabelImageFormat": {"Code": "GIF"},
        "HTTPUserAgent": "Mozilla/4.5",
        "LabelStockSize": size,
    }


def service_of(code: str | None) -> str | None:
    """Return the service of a UPS code, or None for one that is not in UPS's service list."""
    return SERVICES.from_wire((code or "").strip().zfill(2))
