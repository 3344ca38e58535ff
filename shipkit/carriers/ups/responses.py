"""Answers of UPS -> shipkit's models. Pure, and lenient in reading.

Seen in recorded answers of 2024, in addition to what :mod:`shipkit.carriers.ups.json_values` reads:
base64 with too much padding. Itemised charges of the shipment and of its packages are disjoint, and
the base charge is on the shipment (international) or on the packages (US domestic, with 0.00 on
the shipment).
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from shipkit.carriers.ups.json_values import (
    Unreadable,
    at,
    date_of,
    listed,
    number_of,
    text_of,
    texts_of,
)
from shipkit.carriers.ups.price_answers import Total, alerts_of, rates, total_of, weight_of
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.carriers.ups.text import clean
from shipkit.common.base64_text import decoded_base64
from shipkit.models import (
    Address,
    AddressCheck,
    Charge,
    ChargeBasis,
    Label,
    LabelFormat,
    Purchase,
    TransitTime,
)

__all__ = [
    "ErrorAnswer",
    "addresses",
    "candidates",
    "error_in",
    "purchase",
    "rates",
    "recovered",
    "token",
    "transits",
    "voided",
]


@dataclass(frozen=True)
class ErrorAnswer:
    """UPS's own code and words in an error answer."""

    code: str | None
    message: str


def error_in(body: Any, headers: Mapping[str, str]) -> ErrorAnswer | None:
    """Return the error of an answer, from its body, or from its headers when the body is empty."""
    listed_errors = listed(at(body, "response", "errors")) or listed(at(body, "errors"))
    found = (
        listed_errors[0]
        if listed_errors
        else body
        if isinstance(body, dict) and "code" in body and "message" in body
        else None
    )
    if found is not None:
        return ErrorAnswer(text_of(found.get("code")) or None, text_of(found.get("message")))
    code = headers.get("apierrorcode") or headers.get("errorcode")
    return (
        ErrorAnswer(code, headers.get("apierrormsg") or headers.get("errordescription") or "")
        if code
        else None
    )


def token(body: Any) -> tuple[str, float]:
    """Return the access token and for how many seconds it is valid.

    The seconds are text in the recorded answer ("14399").
    """
    value, seconds = at(body, "access_token"), number_of(at(body, "expires_in"))
    if not isinstance(value, str) or not value or seconds is None:
        raise Unreadable("no access token in the answer")
    return value, float(seconds)


def purchase(body: Any, service: str) -> Purchase:
    """Return the shipment of a Ship answer: every tracking number and label, papers, charge."""
    results = at(body, "ShipmentResponse", "ShipmentResults")
    packages = listed(at(results, "PackageResults"))
    numbers = tuple(text_of(p.get("TrackingNumber")) for p in packages)
    if not numbers or not all(numbers):
        raise Unreadable("no tracking number in the answer")
    total, unread = _charged(results)
    weight = weight_of(at(results, "BillingWeight"))
    labels: list[Label] = []
    for number, package in zip(numbers, packages, strict=False):
        drawn = _images(at(package, "ShippingLabel"), number)
        if not drawn:
            raise Unreadable("a package without a label in the answer")
        labels += [*drawn, *_papers(package, number, ("Form",))]
    return Purchase(
        shipment_id=text_of(at(results, "ShipmentIdentificationNumber")) or numbers[0],
        tracking_numbers=numbers,
        service=service,
        charge=None
        if total is None
        else Charge(
            cents=total.gross.cents,
            currency=total.gross.currency,
            basis=ChargeBasis.ESTIMATED if total.note else ChargeBasis.BILLED,
            billed_weight_lb=weight,
        ),
        labels=(*labels, *_papers(results, numbers[0], _PAPERS)),
        warnings=(
            *alerts_of(listed(at(body, "ShipmentResponse", "Response", "Alert"))),
            *filter(None, (total.note if total else unread,)),
        ),
    )


def _charged(results: Any) -> tuple[Total | None, str]:
    """Return what a label costs, and a warning where that cannot be read: the label is bought."""
    try:
        total = total_of(at(results, "ShipmentCharges"), at(results, "NegotiatedRateCharges"))
    except Unreadable as unreadable:
        return None, f"UPS's answer has {unreadable}: the charge is taken from the quote"
    return total, ""


def recovered(body: Any) -> Purchase | None:
    """Return the shipment of a LabelRecovery answer; None when it only names candidates.

    UPS does not give the charge again.
    """
    response = at(body, "LabelRecoveryResponse")
    results = listed(at(response, "LabelResults"))
    numbers = tuple(
        dict.fromkeys(n for n in (text_of(r.get("TrackingNumber")) for r in results) if n)
    )
    if not numbers:
        if candidates(body):
            return None
        raise Unreadable("no label and no candidate in the answer")
    labels: list[Label] = []
    for result in results:
        number = text_of(result.get("TrackingNumber")) or numbers[0]
        labels += _images(at(result, "LabelImage"), number)
        labels += _papers(result, number, ("Form",))
    return Purchase(
        shipment_id=text_of(at(response, "ShipmentIdentificationNumber")) or numbers[0],
        tracking_numbers=numbers,
        labels=(*labels, *_papers(response, numbers[0], _PAPERS)),
        warnings=alerts_of(listed(at(response, "Response", "Alert"))),
    )


def candidates(body: Any) -> list[str]:
    """Return the tracking numbers that LabelRecovery offers when several have the reference."""
    found = listed(at(body, "LabelRecoveryResponse", "TrackingCandidate"))
    return list(dict.fromkeys(n for n in (text_of(c.get("TrackingNumber")) for c in found) if n))


class SomeVoided(NamedTuple):
    """A void that was not of every package."""

    text: str
    """What was not voided, in words."""
    voided: tuple[str, ...] = ()
    not_voided: tuple[str, ...] = ()


def voided(body: Any) -> SomeVoided | None:
    """Return None when everything was voided, else what was and what was not.

    No package counts as voided where one that was not has no number.
    """
    response = at(body, "VoidShipmentResponse")
    packages = listed(at(response, "PackageLevelResults"))
    left = [
        text_of(p.get("TrackingNumber"))
        for p in packages
        if text_of(at(p, "Status", "Code")) != "1"
    ]
    if left:
        done = [text_of(p.get("TrackingNumber")) for p in packages]
        text = f"{len(left)} of {len(packages)} packages were not voided"
        if not all(left):
            return SomeVoided(text)
        done = [number for number in done if number and number not in left]
        return SomeVoided(text, tuple(done), tuple(left))
    code = text_of(at(response, "SummaryResult", "Status", "Code"))
    if not code:
        raise Unreadable("no status in the answer")
    if code == "1" or packages:
        return None
    return SomeVoided(
        text_of(at(response, "SummaryResult", "Status", "Description")) or "not voided"
    )


def addresses(body: Any, asked: Address) -> AddressCheck:
    """Return UPS's verdict on a street address, with candidates.

    The status is ``valid``, ``corrected``, ``ambiguous`` or ``not_found``.
    """
    response = at(body, "XAVResponse")
    if not isinstance(response, dict):
        raise Unreadable("no XAVResponse in the answer")
    found = tuple(_candidate(c, asked) for c in listed(response.get("Candidate")))
    kinds = [
        text_of(at(response, "AddressClassification", "Code")),
        *[
            text_of(at(c, "AddressClassification", "Code"))
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
    elif residential is not None:
        status = "valid"
    else:  # what is not said is no "not found"
        raise Unreadable("no verdict on the address in the answer")
    return AddressCheck(status=status, residential=residential, candidates=found)


def _candidate(found: dict[str, Any], asked: Address) -> Address:
    form = at(found, "AddressKeyFormat")
    lines = [clean(line) for line in texts_of(at(form, "AddressLine"))]
    extended = text_of(at(form, "PostcodeExtendedLow"))
    zip_code = text_of(at(form, "PostcodePrimaryLow"))
    return asked.model_copy(
        update={
            "address_line1": lines[0] if lines else None,
            "address_line2": lines[1] if len(lines) > 1 else None,
            "address_line3": lines[2] if len(lines) > 2 else None,
            "city": text_of(at(form, "PoliticalDivision2")) or asked.city,
            "state": text_of(at(form, "PoliticalDivision1")) or asked.state,
            "postal_code": f"{zip_code}-{extended}"
            if zip_code and extended
            else zip_code or asked.postal_code,
            "country": text_of(at(form, "CountryCode")) or asked.country,
            "residential": {"1": False, "2": True}.get(
                text_of(at(found, "AddressClassification", "Code")), asked.residential
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
    """Return how long each service takes, fastest first.

    Services that are not in ``services.toml`` are left out.
    """
    response = at(body, "emsResponse")
    if not isinstance(response, dict):
        raise Unreadable(
            "no emsResponse in the answer: UPS does not know one of the places for sure"
        )
    found = []
    for line in listed(response.get("services")):
        service = _BY_TRANSIT_CODE.get(text_of(line.get("serviceLevel"))) or SERVICES.parse(
            text_of(line.get("serviceLevelDescription"))
        )
        days, date = number_of(line.get("businessTransitDays")), date_of(line.get("deliveryDate"))
        if service is not None and days is not None:
            found.append(
                TransitTime(
                    service=service,
                    transit_days=int(days),
                    delivery_date=date,
                    guaranteed=text_of(line.get("guaranteeIndicator")) == "1",
                )
            )
    return sorted(found, key=lambda t: (t.delivery_date or dt.date.max, t.transit_days, t.service))


_BY_TRANSIT_CODE = {
    each.facts["transit"]: each.code for each in SERVICES if "transit" in each.facts
}

_PAPERS = ("Form", "CODTurnInPage", "HighValueReport", "ControlLogReceipt")


def _images(holder: Any, number: str) -> list[Label]:
    """Return the label of one package, and the signature box of a ZPL label to another country."""
    code = text_of(at(holder, "ImageFormat", "Code")) or text_of(
        at(holder, "LabelImageFormat", "Code")
    )
    image, box = (
        text_of(at(holder, "GraphicImage")),
        text_of(at(holder, "InternationalSignatureGraphicImage")),
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
            kind = _FORMATS.get(text_of(at(image, "ImageFormat", "Code")).upper())
            data = text_of(at(image, "GraphicImage"))
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
    with contextlib.suppress(ValueError):  # most have the padding that they should have
        return decoded_base64(text)
    plain = "".join(text.split()).rstrip("=")
    try:
        return decoded_base64(plain + "=" * (-len(plain) % 4))
    except ValueError:
        raise Unreadable("an image that is not base64") from None
