"""Requests to UPS: a shipment -> the JSON that UPS accepts.

Everything here is pure: no clock, no network, no environment. What a request relies on, and where
it is from (specs: UPS-API/api-documentation @ e6f36df, 21 July 2026; recorded: answers of 2024;
nothing here was tried against the live service):

- Ship and Rate are versions v2409 (specs, path parameter ``version``). Ship's SubVersion ends at
  2205, Rate's at 2409, and 2409 is what makes Rate give the zone (specs, Request.SubVersion).
- Rate has PackagingType and PaymentDetails where Ship has Packaging and PaymentInformation (specs).
- Flags are present or absent, and ``""`` is sent: "any value inside is ignored" (specs,
  ResidentialAddressIndicator).
- Misplaced and unknown fields are ignored: an answer to a request for ZPL was GIF (recorded,
  friendly.labels.ground_saver_success). So a misspelt field is never reported.
- References belong on packages from US to US and from PR to PR, and on the shipment anywhere else
  (specs, Package.ReferenceNumber and Shipment.ReferenceNumber; UPS's older guide, errors 120541 and
  120542).
- Text is Latin-1 and an address line has 35 characters (specs, LabelSpecification.CharacterSet and
  Address.AddressLine).
- A weight has at most five characters (specs, Package.PackageWeight.Weight). Its unit, and that of
  the dimensions, is the shipper's country's (:mod:`shipkit.carriers.ups.measures`).
- Taxes are in an answer only where the request asks for them (specs, TaxInformationIndicator).
  The US puts none on postage, so shippers there are not asked about.
- A signature is asked for on each package within the country (codes 2 and 3), and on the shipment
  abroad (codes 1 and 2) (specs, DeliveryConfirmation in both).
- A return label is ReturnService 9, with a description on each package (specs,
  Shipment.ReturnService and Package.Description).
- Labels come as GIF and ZPL; GIF needs a user agent (specs, LabelImageFormat.Code, HTTPUserAgent).
- A shipment may be dated today to seven days ahead (specs, Shipment.ShipmentDate).
- Transit times need the date and the total weight, and abroad the value of the goods too (specs,
  DeliveryTimeInformation; issue 42 of UPS's repository, error 111549).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shipkit.carriers.ups.access_points import access_point
from shipkit.carriers.ups.billing import charges
from shipkit.carriers.ups.customs import international_forms, invoice_line_total, rated_value
from shipkit.carriers.ups.packages import (
    demand_own_box,
    parcels_of,
    place_references,
    rated_package,
    shipped_package,
    wants_signature,
)
from shipkit.carriers.ups.rate_basis import rate_basis
from shipkit.carriers.ups.route import (
    Route,
    demand_a_service_that_runs,
    demand_contacts,
    demand_description,
    demand_own_country,
    place,
    route_of,
)
from shipkit.carriers.ups.service_codes import code_of, service_of
from shipkit.carriers.ups.service_options import (
    demand_saturday,
    demand_simple_rate,
    documents_only,
    shipment_options,
)
from shipkit.carriers.ups.tax_numbers import add_tax_numbers
from shipkit.carriers.ups.text import clean, cut, postal_code
from shipkit.models import (
    Address,
    LabelFormat,
    LabelSpec,
    Shipment,
    Signature,
)

__all__ = [
    "Request",
    "check",
    "check_row",
    "classify",
    "country_of",
    "demand_service",
    "rate",
    "recover",
    "service_of",
    "ship",
    "track",
    "track_reference",
    "track_shipment",
    "transit",
    "void",
]

VERSION: Final = "v2409"
DAYS_AHEAD: Final = 7
"""How far ahead a shipment may be dated."""
_RETURN_LABEL: Final = "9"
_ANY_ACCOUNT, _ANY_CODE, _ANY_DAY = "000000", "03", dt.date(2000, 1, 1)
"""They stand for the account, the service's code and the day where nothing is sent."""


@dataclass(frozen=True)
class Request:
    """One request to UPS: where it goes and what is sent. `body` None means no body."""

    method: str
    path: str
    body: dict[str, Any] | None = field(default=None, repr=False)
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def check(shipment: Shipment, shipper: Address, account: str = _ANY_ACCOUNT) -> None:
    """Raise CarrierRejected for what UPS would refuse at the purchase, as far as it can be seen.

    Called when a shipment is quoted, so that a preview shows it and not the purchase. `account` is
    your own: a payer's may be the same.
    """
    demand_own_country(shipment, shipper)
    route = route_of(shipment, shipper, account)
    demand_service(route, shipment)
    _ship_body(route, shipment, _ANY_CODE, "CHECK", _ANY_DAY)


def check_row(shipment: Shipment, shipper: Address, account: str = _ANY_ACCOUNT) -> Route:
    """Return the route of a shipment that UPS would not refuse whatever its service is.

    Raises
    ------
    CarrierRejected
        UPS would refuse it by every service.
    """
    demand_own_country(shipment, shipper)
    route = route_of(shipment, shipper, account)
    _ship_body(route, shipment, _ANY_CODE, "CHECK", _ANY_DAY)
    return route


def demand_service(route: Route, shipment: Shipment) -> None:
    """Raise CarrierRejected for what UPS would refuse because of the shipment's service.

    It depends on the two ends of the route, on the parcels, and on whether goods are described.
    """
    demand_a_service_that_runs(route, shipment.service)
    demand_description(route, shipment)
    demand_simple_rate(shipment)
    demand_saturday(route, shipment)
    demand_own_box(shipment)
    code_of(route, shipment)


def rate(
    shipment: Shipment,
    shipper: Address,
    *,
    account: str,
    shop: bool = False,
    date: dt.date | None = None,
    basis: Mapping[str, Any] | None = None,
) -> Request:
    """Return a request for the price of one service, or of all with `shop`.

    With a `date`, the answer has transit times for parcels that leave on that day. `basis` says
    which prices are wanted, by :func:`~shipkit.carriers.ups.rate_basis.rate_basis`.
    """
    route = route_of(shipment, shipper, account)
    if not shop:
        demand_a_service_that_runs(route, shipment.service)
        demand_simple_rate(shipment)
        demand_saturday(route, shipment)
    body: dict[str, Any] = {
        "Shipper": {"ShipperNumber": account, **route.shipper.rated()},
        "ShipTo": route.destination.rated(residential=True),
        "ShipFrom": route.origin.rated(),
        "PaymentDetails": {"ShipmentCharge": charges(route, shipment)},
        "ShipmentRatingOptions": {"NegotiatedRatesIndicator": ""},
        "NumOfPieces": str(len(shipment.parcels)),
        "ShipmentTotalWeight": {
            "UnitOfMeasurement": route.measures.weight_unit,
            "Weight": route.measures.weigh(shipment.total_weight_lb),
        },
        "Package": [
            rated_package(parcel, i, route, shipment)
            for i, parcel in enumerate(parcels_of(route, shipment))
        ],
    }
    if documents_only(route, shipment):
        body["DocumentsOnlyIndicator"] = ""
    body |= access_point(route, shipment, rated=True)
    if not shop:
        body["Service"] = {"Code": code_of(route, shipment)}
    if route.taxed:
        body["TaxInformationIndicator"] = ""
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
        {"RateRequest": {"Request": request, **(basis or rate_basis()), "Shipment": body}},
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
    """Return the request that buys.

    Parameters
    ----------
    reference
        shipkit's own: it comes first, and a lost answer is looked up by it.
    today
        Dates the commercial invoice when the shipment has no date.
    """
    route = route_of(shipment, shipper, account)
    demand_service(route, shipment)
    body = _ship_body(route, shipment, code_of(route, shipment), reference, today)
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


def _ship_body(
    route: Route, shipment: Shipment, code: str, reference: str, today: dt.date
) -> dict[str, Any]:
    """Return the shipment of a Ship request, checked but for its service, whose code is `code`."""
    demand_contacts(route)
    documents = documents_only(route, shipment)
    body: dict[str, Any] = {
        "Shipper": {"ShipperNumber": route.account, **route.shipper.shown()},
        "ShipTo": route.destination.shown(residential=True),
        "PaymentInformation": {"ShipmentCharge": charges(route, shipment)},
        "ShipmentRatingOptions": {"NegotiatedRatesIndicator": ""},
        "Service": {"Code": code},
        "Package": [
            shipped_package(parcel, i, route, shipment)
            for i, parcel in enumerate(parcels_of(route, shipment))
        ],
    }
    body |= access_point(route, shipment, rated=False)
    if route.taxed:
        body["TaxInformationIndicator"] = ""
    if route.origin is not route.shipper:
        body["ShipFrom"] = route.origin.shown()
    description = route.description(shipment)
    if description:
        body["Description"] = description
    if shipment.ship_date and today < shipment.ship_date <= today + dt.timedelta(days=DAYS_AHEAD):
        body["ShipmentDate"] = f"{shipment.ship_date:%Y%m%d}"
    if shipment.is_return:
        body["ReturnService"] = {"Code": _RETURN_LABEL}
    options = _service_options(route, shipment, rated=False)
    if documents:
        body["DocumentsOnlyIndicator"] = ""
        body.setdefault("Description", "Documents")
    if route.crosses_customs and not documents:
        options["InternationalForms"] = international_forms(
            route, shipment, reference, shipment.ship_date or today
        )
        add_tax_numbers(body, route, shipment)
    if options:
        body["ShipmentServiceOptions"] = options
    total = invoice_line_total(route, shipment)
    if total:
        body["InvoiceLineTotal"] = total
    place_references(body, reference, shipment, on_package=route.domestic)
    return body


def recover(
    *,
    account: str,
    label: LabelSpec,
    reference: str | None = None,
    tracking_number: str | None = None,
) -> Request:
    """Return a request for the numbers and labels of a shipment, by reference or number."""
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
    """Return the request that voids a whole shipment."""
    return Request("DELETE", f"/api/shipments/{VERSION}/void/cancel/{shipment_id}")


def track(tracking_number: str) -> Request:
    """Return a request for the status of one parcel."""
    return Request("GET", f"/api/track/v1/details/{tracking_number}", query=(("locale", "en_US"),))


def track_shipment(tracking_number: str, *, count: int = 50) -> Request:
    """Return a request for the parcels of the shipment that one parcel belongs to."""
    return Request(
        "GET",
        f"/api/track/v1/shipment/details/{tracking_number}",
        query=(("offset", "0"), ("count", str(min(count, 50)))),
    )


def track_reference(reference: str, *, account: str) -> Request:
    """Return a request for the parcels that carry `reference`.

    Without dates, UPS searches the last fourteen days.
    """
    query = (("locale", "en_US"), ("shipperNum", account), ("refNumType", "SmallPackage"))
    return Request("GET", f"/api/track/v1/reference/details/{reference}", query=query)


def classify(address: Address) -> Request:
    """Return a request whether a street address (US, PR) exists, and whether it is a home."""
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
    """Return the country that a request of :func:`classify` names."""
    return str((request.body or {})["XAVRequest"]["AddressKeyFormat"]["CountryCode"])


def transit(shipment: Shipment, shipper: Address, *, account: str, date: dt.date) -> Request:
    """Return a request for how long every service takes for a shipment that leaves on `date`."""
    route = route_of(shipment, shipper, account)
    body: dict[str, Any] = {
        **route.origin.timed("origin"),
        **route.destination.timed("destination"),
        "residentialIndicator": "01" if route.destination.residential else "02",
        "shipDate": date.isoformat(),
        "weight": float(route.measures.weigh(shipment.total_weight_lb)),
        "weightUnitOfMeasure": route.measures.weight,
        "billType": "03",
        "numberOfPackages": len(shipment.parcels),
    }
    total = rated_value(route, shipment)
    if total:
        body["shipmentContentsValue"] = float(total["MonetaryValue"])
        body["shipmentContentsCurrencyCode"] = total["CurrencyCode"]
    return Request("POST", "/api/shipments/v1/transittimes", body)


def _service_options(route: Route, shipment: Shipment, *, rated: bool) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if shipment.saturday_delivery:
        options["SaturdayDeliveryIndicator"] = ""
    options |= shipment_options(shipment, rated=rated)
    if wants_signature(shipment) and not route.signature_on_package:
        options["DeliveryConfirmation"] = {
            "DCISType": "2" if shipment.signature is Signature.ADULT else "1"
        }
    if shipment.is_return and rated:
        options["ReturnService"] = {"Code": _RETURN_LABEL}
    return options


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
