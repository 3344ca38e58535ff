"""Answers of UPS -> shipkit's words. Pure; lenient in reading, because UPS is in writing.

Seen in recorded answers of 2024: a bare object where a list of one is declared, ``""`` where an
object is declared, numbers as text (``"10.0"``), base64 with too much padding. Shipment-level and
package-level itemised charges are disjoint there, and the base charge stands on the shipment
(international) or on the packages (US domestic, with 0.00 on the shipment).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from shipkit.carriers.ups.codes import NOISE, SURCHARGES
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.carriers.ups.text import clean
from shipkit.carriers.ups.wire import service_of
from shipkit.models import (
    Address,
    AddressCheck,
    Charge,
    Label,
    LabelFormat,
    Money,
    Purchase,
    Rate,
    TransitTime,
)

__all__ = [
    "Said",
    "Unreadable",
    "addresses",
    "candidates",
    "error_in",
    "listed",
    "parcels_of_reference",
    "parcels_of_shipment",
    "purchase",
    "rates",
    "recovered",
    "token",
    "tracking",
    "transits",
    "voided",
]


class Unreadable(ValueError):
    """An answer that does not say what its kind must say. The text never holds the answer itself."""


@dataclass(frozen=True)
class Said:
    """UPS's own code and words in an error answer."""

    code: str | None
    message: str


def error_in(body: Any, headers: Mapping[str, str]) -> Said | None:
    """Return the error that an answer tells, in its body or (200 with an empty body) in its headers alone."""
    listed_errors = listed(at(body, "response", "errors")) or listed(at(body, "errors"))
    found = (
        listed_errors[0]
        if listed_errors
        else body
        if isinstance(body, dict) and "code" in body and "message" in body
        else None
    )
    if found is not None:
        return Said(_text(found.get("code")) or None, _text(found.get("message")))
    code = headers.get("apierrorcode") or headers.get("errorcode")
    return (
        Said(code, headers.get("apierrormsg") or headers.get("errordescription") or "")
        if code
        else None
    )


def token(body: Any) -> tuple[str, float]:
    """Return the access token and for how many seconds it is good ("14399" as text in the recorded answer)."""
    value, seconds = at(body, "access_token"), _number(at(body, "expires_in"))
    if not isinstance(value, str) or not value or seconds is None:
        raise Unreadable("no access token in the answer")
    return value, float(seconds)


def rates(body: Any, *, only: str | None = None) -> list[Rate]:
    """Return the prices of a Rate or Shop answer, cheapest first; services that shipkit does not sell are left out.

    `only` is the service that was asked for: Rate answers with one, and some versions do not
    repeat its code.
    """
    response = at(body, "RateResponse")
    rated = listed(at(response, "RatedShipment"))
    if not rated:
        raise Unreadable("no RatedShipment in the answer")
    general = listed(at(response, "Response", "Alert"))
    found = []
    for shipment in rated:
        service = service_of(_text(at(shipment, "Service", "Code"))) or only
        if service is not None:
            found.append(_rate(shipment, service, general))
    return sorted(found, key=lambda r: (r.cost_cents, r.service))


def _rate(shipment: dict[str, Any], service: str, general: list[dict[str, Any]]) -> Rate:
    negotiated = at(shipment, "NegotiatedRateCharges")
    total = _total(shipment, negotiated)
    if total is None:
        raise Unreadable("no total charge in the answer")
    days, date = _when(shipment)
    return Rate(
        service=service,
        cost_cents=total.cents,
        currency=total.currency,
        zone=_text(at(shipment, "Zone")) or None,
        billable_weight_lb=_weight(at(shipment, "BillingWeight")),
        transit_days=days,
        delivery_date=date,
        warnings=_alerts([*general, *listed(at(shipment, "RatedShipmentAlert"))]),
        **_parts(shipment, negotiated, total),
    )


def _parts(shipment: dict[str, Any], negotiated: Any, total: Money) -> dict[str, int | None]:
    """Return base, fuel, residential, delivery area and the rest, which add up to the total; nothing where UPS gives a negotiated total without its parts."""
    packages = listed(at(shipment, "RatedPackage"))
    mine = _money(at(negotiated, "TotalCharge")) is not None
    levels = (
        [negotiated, *[at(p, "NegotiatedCharges") for p in packages]]
        if mine
        else [shipment, *packages]
    )
    bases = [_cents(listed(at(level, "BaseServiceCharge")), total.currency) for level in levels]
    items = [charge for level in levels for charge in listed(at(level, "ItemizedCharges"))]
    base = bases[0] or sum(bases[1:])
    if not base:
        return {}
    parts = dict.fromkeys(("fuel", "residential", "delivery_area"), 0)
    for charge in items:
        name = SURCHARGES.get(_text(charge.get("Code")))
        if name:
            parts[name] += _cents([charge], total.currency)
    told = {f"{name}_cents": cents for name, cents in parts.items()}
    return {"base_cents": base, **told, "other_cents": total.cents - base - sum(parts.values())}


def _when(shipment: dict[str, Any]) -> tuple[int | None, dt.date | None]:
    arrival = at(shipment, "TimeInTransit", "ServiceSummary", "EstimatedArrival")
    guaranteed = at(shipment, "GuaranteedDelivery")
    days = _number(at(arrival, "BusinessDaysInTransit"))
    days = days if days is not None else _number(at(guaranteed, "BusinessDaysInTransit"))
    date = _date(at(arrival, "Arrival", "Date")) or _date(at(guaranteed, "ScheduledDeliveryDate"))
    return (int(days) if days is not None else None), date


def purchase(body: Any, service: str) -> Purchase:
    """Return the shipment of a Ship answer: every tracking number, every label, customs papers, and the charge."""
    results = at(body, "ShipmentResponse", "ShipmentResults")
    packages = listed(at(results, "PackageResults"))
    numbers = tuple(_text(p.get("TrackingNumber")) for p in packages)
    if not numbers or not all(numbers):
        raise Unreadable("no tracking number in the answer")
    total = _total(at(results, "ShipmentCharges"), at(results, "NegotiatedRateCharges"))
    weight = _weight(at(results, "BillingWeight"))
    labels: list[Label] = []
    for number, package in zip(numbers, packages, strict=False):
        drawn = _images(at(package, "ShippingLabel"), number)
        if not drawn:
            raise Unreadable("a package without a label in the answer")
        labels += [*drawn, *_papers(package, number, ("Form",))]
    return Purchase(
        shipment_id=_text(at(results, "ShipmentIdentificationNumber")) or numbers[0],
        tracking_numbers=numbers,
        service=service,
        charge=None
        if total is None
        else Charge(cents=total.cents, currency=total.currency, billed_weight_lb=weight),
        labels=(*labels, *_papers(results, numbers[0], _PAPERS)),
        warnings=_alerts(listed(at(body, "ShipmentResponse", "Response", "Alert"))),
    )


def recovered(body: Any) -> Purchase | None:
    """Return the shipment of a LabelRecovery answer, without its charge; None when it names candidates only."""
    response = at(body, "LabelRecoveryResponse")
    results = listed(at(response, "LabelResults"))
    numbers = tuple(
        dict.fromkeys(n for n in (_text(r.get("TrackingNumber")) for r in results) if n)
    )
    if not numbers:
        if candidates(body):
            return None
        raise Unreadable("no label and no candidate in the answer")
    labels: list[Label] = []
    for result in results:
        number = _text(result.get("TrackingNumber")) or numbers[0]
        labels += _images(at(result, "LabelImage"), number)
        labels += _papers(result, number, ("Form",))
    return Purchase(
        shipment_id=_text(at(response, "ShipmentIdentificationNumber")) or numbers[0],
        tracking_numbers=numbers,
        labels=(*labels, *_papers(response, numbers[0], _PAPERS)),
        warnings=_alerts(listed(at(response, "Response", "Alert"))),
    )


def candidates(body: Any) -> list[str]:
    """Return the tracking numbers that LabelRecovery offers when a reference fits several."""
    found = listed(at(body, "LabelRecoveryResponse", "TrackingCandidate"))
    return list(dict.fromkeys(n for n in (_text(c.get("TrackingNumber")) for c in found) if n))


def voided(body: Any) -> str | None:
    """Return None when everything was voided, else UPS's words for what was not."""
    response = at(body, "VoidShipmentResponse")
    packages = listed(at(response, "PackageLevelResults"))
    left = [
        _text(p.get("TrackingNumber")) for p in packages if _text(at(p, "Status", "Code")) != "1"
    ]
    if left:
        return f"{len(left)} of {len(packages)} packages were not voided"
    code = _text(at(response, "SummaryResult", "Status", "Code"))
    if not code:
        raise Unreadable("no status in the answer")
    return (
        None
        if code == "1" or (packages and not left)
        else _text(at(response, "SummaryResult", "Status", "Description")) or "not voided"
    )


def parcels_of_reference(body: Any, reference: str) -> list[str]:
    """Return the tracking numbers that carry `reference`; none when UPS says it knows nothing (200 with a warning)."""
    found = []
    for shipment in listed(at(body, "trackResponse", "shipment")):
        for package in listed(shipment.get("package")):
            references = [_text(r.get("number")) for r in listed(package.get("referenceNumber"))]
            number = _text(package.get("trackingNumber"))
            if number and (not references or reference in references):
                found.append(number)
    return list(dict.fromkeys(found))


def parcels_of_shipment(body: Any) -> list[str]:
    """Return the tracking numbers of every parcel in an answer."""
    packages = [
        package
        for shipment in listed(at(body, "trackResponse", "shipment"))
        for package in listed(shipment.get("package"))
    ]
    return list(
        dict.fromkeys(
            number
            for number in (_text(package.get("trackingNumber")) for package in packages)
            if number
        )
    )


def tracking(body: Any, tracking_number: str) -> dict[str, Any]:
    """Return where one parcel is: `tracking_number`, `status`, `status_code`, `description`, `place`, `updated_at`, `delivery_date`, `delivered`, `problem`."""
    shipment = next(iter(listed(at(body, "trackResponse", "shipment"))), {})
    package = next(iter(listed(shipment.get("package"))), {})
    activity = next(iter(listed(package.get("activity"))), {})
    current = at(package, "currentStatus") or at(activity, "status")
    warning = next(iter(listed(shipment.get("warnings"))), {})
    kind = _text(at(activity, "status", "type")) or _text(at(current, "type"))
    dates = {
        _text(d.get("type")): _date(d.get("date")) for d in listed(package.get("deliveryDate"))
    }
    return {
        "tracking_number": tracking_number,
        "status": _STATUS.get(kind, "unknown") if package else "not_found",
        "status_code": _text(at(current, "code")) or None,
        "description": clean(
            _text(at(current, "description")) or _text(at(activity, "status", "description"))
        )
        or None,
        "place": _place(at(activity, "location", "address")),
        "updated_at": _moment(activity),
        "delivery_date": dates.get("DEL") or dates.get("SDD") or dates.get("RDD"),
        "delivered": kind == "D",
        "problem": clean(_text(warning.get("message"))) or None,
    }


_STATUS = {
    "D": "delivered",
    "I": "in_transit",
    "M": "label_created",
    "MV": "voided",
    "P": "picked_up",
    "X": "exception",
    "RS": "returned",
    "DO": "in_transit",
    "O": "out_for_delivery",
    "W": "in_transit",
    "NA": "unknown",
}


def addresses(body: Any, asked: Address) -> AddressCheck:
    """Return what UPS thinks of a street address: ``valid``, ``corrected``, ``ambiguous`` or ``not_found``, with candidates."""
    response = at(body, "XAVResponse")
    if not isinstance(response, dict):
        raise Unreadable("no XAVResponse in the answer")
    found = tuple(_candidate(c, asked) for c in listed(response.get("Candidate")))
    kinds = [
        _text(at(response, "AddressClassification", "Code")),
        *[
            _text(at(c, "AddressClassification", "Code"))
            for c in listed(response.get("Candidate"))[:1]
        ],
    ]
    residential = next((kind == "2" for kind in kinds if kind in {"1", "2"}), None)
    if "ValidAddressIndicator" in response:
        status = "corrected" if found and _differs(found[0], asked) else "valid"
    elif "AmbiguousAddressIndicator" in response:
        status = "ambiguous"
    elif "NoCandidatesIndicator" in response:
        status = "not_found"
    else:
        status = "valid" if residential is not None else "not_found"
    return AddressCheck(status=status, residential=residential, candidates=found)


def _candidate(found: dict[str, Any], asked: Address) -> Address:
    form = at(found, "AddressKeyFormat")
    lines = [clean(line) for line in _texts(at(form, "AddressLine"))]
    extended = _text(at(form, "PostcodeExtendedLow"))
    zip_code = _text(at(form, "PostcodePrimaryLow"))
    return asked.model_copy(
        update={
            "address_line1": lines[0] if lines else None,
            "address_line2": lines[1] if len(lines) > 1 else None,
            "address_line3": lines[2] if len(lines) > 2 else None,
            "city": _text(at(form, "PoliticalDivision2")) or asked.city,
            "state": _text(at(form, "PoliticalDivision1")) or asked.state,
            "postal_code": f"{zip_code}-{extended}"
            if zip_code and extended
            else zip_code or asked.postal_code,
            "country": _text(at(form, "CountryCode")) or asked.country,
            "residential": {"1": False, "2": True}.get(
                _text(at(found, "AddressClassification", "Code")), asked.residential
            ),
        }
    )


def _differs(found: Address, asked: Address) -> bool:
    def key(a: Address) -> tuple[str, ...]:
        return (
            " ".join(map(clean, a.lines)).casefold(),
            clean(a.city).casefold(),
            clean(a.state).casefold(),
            (a.postal_code or "")[:5],
        )

    return key(found) != key(asked)


def transits(body: Any) -> list[TransitTime]:
    """Return how long each service takes, fastest first; services that shipkit does not sell are left out."""
    response = at(body, "emsResponse")
    if not isinstance(response, dict):
        raise Unreadable(
            "no emsResponse in the answer: UPS does not know one of the places for sure"
        )
    found = []
    for line in listed(response.get("services")):
        service = _BY_TRANSIT_CODE.get(_text(line.get("serviceLevel"))) or SERVICES.parse(
            _text(line.get("serviceLevelDescription"))
        )
        days, date = _number(line.get("businessTransitDays")), _date(line.get("deliveryDate"))
        if service is not None and days is not None:
            found.append(
                TransitTime(
                    service=service,
                    transit_days=int(days),
                    delivery_date=date,
                    guaranteed=_text(line.get("guaranteeIndicator")) == "1",
                )
            )
    return sorted(found, key=lambda t: (t.delivery_date or dt.date.max, t.transit_days, t.service))


_BY_TRANSIT_CODE = {
    each.facts["transit"]: each.code for each in SERVICES if "transit" in each.facts
}

_PAPERS = ("Form", "CODTurnInPage", "HighValueReport", "ControlLogReceipt")


def _images(holder: Any, number: str) -> list[Label]:
    """Return the label of one package, and the signature box that UPS sends beside ZPL labels abroad."""
    code = _text(at(holder, "ImageFormat", "Code")) or _text(at(holder, "LabelImageFormat", "Code"))
    image, box = (
        _text(at(holder, "GraphicImage")),
        _text(at(holder, "InternationalSignatureGraphicImage")),
    )
    kind = _FORMATS.get(code.upper())
    if not image:
        return []
    if kind is None:
        raise Unreadable(f"a label in the format {code[:8]!r}")
    found = [Label(tracking_number=number, format=kind, data=_decoded(image))]
    return (
        [*found, Label(tracking_number=number, format=kind, data=_decoded(box), kind="document")]
        if box
        else found
    )


def _papers(holder: Any, number: str, names: Iterable[str]) -> list[Label]:
    found = []
    for name in names:
        for paper in listed(at(holder, name)):
            image = at(paper, "Image") or paper
            kind = _FORMATS.get(_text(at(image, "ImageFormat", "Code")).upper())
            data = _text(at(image, "GraphicImage"))
            if kind is not None and data:
                found.append(
                    Label(tracking_number=number, format=kind, data=_decoded(data), kind="document")
                )
    return found


_FORMATS = {
    "GIF": LabelFormat.GIF,
    "PNG": LabelFormat.PNG,
    "ZPL": LabelFormat.ZPL,
    "PDF": LabelFormat.PDF,
}


def _decoded(text: str) -> bytes:
    plain = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("an image that is not base64") from None


def _alerts(alerts: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            clean(_text(a.get("Description")))
            for a in alerts
            if _text(a.get("Code")) not in NOISE and clean(_text(a.get("Description")))
        )
    )


def _total(published: Any, negotiated: Any) -> Money | None:
    """Return what will be billed: the account's own price first, with taxes where UPS tells them."""
    for charges, names in (
        (negotiated, ("TotalChargesWithTaxes", "TotalCharge")),
        (published, ("TotalChargesWithTaxes", "TotalCharges")),
    ):
        for name in names:
            found = _money(at(charges, name))
            if found is not None:
                return found
    return None


def _money(value: Any) -> Money | None:
    amount = _number(at(value, "MonetaryValue"))
    currency = _text(at(value, "CurrencyCode")) or "USD"
    return None if amount is None else Money(amount=amount, currency=currency)


def _cents(charges: list[dict[str, Any]], currency: str) -> int:
    return sum(
        money.cents
        for money in map(_money, charges)
        if money is not None and money.currency == currency
    )


def _weight(value: Any) -> float | None:
    number = _number(at(value, "Weight"))
    if number is None:
        return None
    return (
        float(number)
        if _text(at(value, "UnitOfMeasurement", "Code")) != "KGS"
        else round(float(number) * 2.2046226218, 3)
    )


def _place(address: Any) -> str | None:
    parts = [_text(at(address, name)) for name in ("city", "stateProvince", "countryCode")]
    return clean(", ".join(part for part in parts if part)) or None


def _moment(activity: dict[str, Any]) -> dt.datetime | None:
    """Return the local time of an event; UPS tells date and time as digits."""
    date, time = _text(activity.get("date")), _text(activity.get("time")).zfill(6)
    try:
        return dt.datetime.strptime(f"{date}{time}", "%Y%m%d%H%M%S")  # noqa: DTZ007 - local time of the place, as UPS tells it
    except ValueError:
        return None


def _date(value: Any) -> dt.date | None:
    text = _text(value).replace("-", "")
    try:
        return dt.datetime.strptime(text, "%Y%m%d").date() if len(text) == 8 else None  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return None


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(_text(value).replace(",", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list | bool) else str(value).strip()


def _texts(value: Any) -> list[str]:
    return [t for t in map(_text, value if isinstance(value, list) else [value]) if t]


def at(value: Any, *path: str) -> Any:
    """Return what stands at `path`, or None where something on the way is missing, empty text, or not an object."""
    for name in path:
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return None if value == "" else value


def listed(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list, of a bare object that should have been a list, or of nothing."""
    return [
        entry
        for entry in (value if isinstance(value, list) else [value])
        if isinstance(entry, dict)
    ]
