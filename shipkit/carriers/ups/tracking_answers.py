"""Answers of UPS's Track API: where parcels are, and which parcels travel together."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from shipkit.carriers.tracking import unknown_place
from shipkit.carriers.ups.json_values import Unreadable, at, date_of, listed, text_of
from shipkit.carriers.ups.text import clean
from shipkit.carriers.ups.tracking_codes import status_of

__all__ = ["parcels_of_reference", "parcels_of_shipment", "tracking"]

_NOTHING_FOUND: Final = frozenset({"TW0001"})
"""Warnings of Track: "Tracking Information Not Found"."""


def parcels_of_reference(body: Any, reference: str) -> list[str]:
    """Return the tracking numbers that carry `reference`.

    UPS answers 200 with a warning when it has none: then, and only then, the list is empty. A row
    without parcels may be bought again.

    Raises
    ------
    Unreadable
        The answer has neither parcels nor that warning, or parcels of other references only: UPS
        shows some reference of theirs, and ours may be missing or written otherwise.
    """
    shipments = listed(at(body, "trackResponse", "shipment"))
    if not shipments:
        raise Unreadable("no shipment in the answer")
    found: list[str] = []
    others = False
    for shipment in shipments:
        packages = listed(shipment.get("package"))
        warned = {text_of(each.get("code")) for each in listed(shipment.get("warnings"))}
        if not packages and not warned & _NOTHING_FOUND:
            raise Unreadable("neither a parcel nor the warning that there is none")
        for package in packages:
            references = {
                text_of(each.get("number")).upper()
                for each in listed(package.get("referenceNumber"))
            }
            number = text_of(package.get("trackingNumber"))
            if not number:
                raise Unreadable("a parcel without a number")
            if not references or reference.strip().upper() in references:
                found.append(number)
            else:
                others = True
    if others and not found:
        raise Unreadable("parcels, and none with the reference that was asked for")
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
            for number in (text_of(package.get("trackingNumber")) for package in packages)
            if number
        )
    )


def tracking(body: Any, tracking_number: str) -> dict[str, Any]:
    """Return where one parcel is.

    Keys are `tracking_number`, `status`, `status_code`, `description`, `place`, `updated_at`,
    `delivery_date`, `delivered`, `problem`, and `events`: what happened, the latest first, each
    with `status`, `status_code`, `description`, `place` and `happened_at`.
    """
    shipments = listed(at(body, "trackResponse", "shipment"))
    shipment, package, others = _own(shipments, tracking_number)
    if others and not package:
        said = f"UPS's answer is about {', '.join(others)}."
        return {**unknown_place(tracking_number, said), "events": []}
    activities = listed(package.get("activity"))
    activity = next(iter(activities), {})
    current = at(package, "currentStatus") or at(activity, "status")
    warning = next(iter(listed(shipment.get("warnings"))), {})
    code = text_of(warning.get("code"))
    if package:
        status = _status(at(activity, "status") or current, current, package)
    else:  # only UPS's own words say that there is none
        status = "not_found" if code in _NOTHING_FOUND else "unknown"
    dates = {
        text_of(d.get("type")): date_of(d.get("date")) for d in listed(package.get("deliveryDate"))
    }
    return {
        "tracking_number": tracking_number,
        "status": status,
        "status_code": text_of(at(current, "code")) or None,
        "description": clean(
            text_of(at(current, "description")) or text_of(at(activity, "status", "description"))
        )
        or None,
        "place": _place(at(activity, "location", "address")),
        "updated_at": _moment(activity),
        "delivery_date": dates.get("DEL") or dates.get("RDD") or dates.get("SDD"),
        "delivered": status == "delivered",
        "problem": clean(text_of(warning.get("message"))) or _problem_of(package, code),
        "events": [_event(each) for each in activities],
    }


def _own(
    shipments: list[dict[str, Any]], number: str
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Return the shipment and the parcel of a number, and the numbers of other parcels.

    UPS may answer with every parcel of a shipment. A parcel that is alone need not be named.
    """
    pairs = [(each, parcel) for each in shipments for parcel in listed(each.get("package"))]
    numbers = [text_of(parcel.get("trackingNumber")).upper() for _, parcel in pairs]
    for pair, own in zip(pairs, numbers, strict=True):
        alternates = listed(pair[1].get("alternateTrackingNumber"))
        known = {own, *(text_of(each.get("number")).upper() for each in alternates)}
        if number.upper() in known:
            return *pair, []
    if len(pairs) == 1 and not numbers[0]:
        return *pairs[0], []
    return next(iter(shipments), {}), {}, [each for each in numbers if each]


def _problem_of(package: dict[str, Any], code: str) -> str | None:
    if package or code in _NOTHING_FOUND:
        return None
    return "UPS's answer has no parcel"


def _event(activity: dict[str, Any]) -> dict[str, Any]:
    status = at(activity, "status")
    return {
        "status": _status(status, status),
        "status_code": text_of(at(status, "statusCode")) or text_of(at(status, "code")) or None,
        "description": clean(text_of(at(status, "description"))) or None,
        "place": _place(at(activity, "location", "address")),
        "happened_at": _moment(activity),
    }


def _status(activity: Any, current: Any, package: Any = None) -> str:
    """Return a status from the letters of an activity and the number, wherever UPS put it."""
    numbers = (
        text_of(value)
        for value in (
            at(current, "statusCode"),
            at(current, "code"),
            at(activity, "statusCode"),
            at(package, "statusCode"),
        )
    )
    number = next((n.zfill(3) for n in numbers if n.isdecimal()), "")
    kind = text_of(at(activity, "type")) or text_of(at(current, "type"))
    return status_of(kind, text_of(at(activity, "code")), number)


def _place(address: Any) -> str | None:
    parts = [text_of(at(address, name)) for name in ("city", "stateProvince", "countryCode")]
    return clean(", ".join(part for part in parts if part)) or None


def _moment(activity: dict[str, Any]) -> dt.datetime | None:
    """Return the local time of an event; UPS writes date and time as digits."""
    date, time = text_of(activity.get("date")), text_of(activity.get("time")).zfill(6)
    try:
        # Local time of the place, without a zone, as UPS gives it.
        return dt.datetime.strptime(f"{date}{time}", "%Y%m%d%H%M%S")  # noqa: DTZ007
    except ValueError:
        return None
