"""Answers of UPS's Track API: where parcels are, and which parcels travel together."""

from __future__ import annotations

import datetime as dt
from typing import Any

from shipkit.carriers.ups.json_values import at, date_of, listed, text_of
from shipkit.carriers.ups.text import clean

__all__ = ["parcels_of_reference", "parcels_of_shipment", "tracking"]


def parcels_of_reference(body: Any, reference: str) -> list[str]:
    """Return the tracking numbers that carry `reference`.

    UPS answers 200 with a warning when it has none: then the list is empty.
    """
    found = []
    for shipment in listed(at(body, "trackResponse", "shipment")):
        for package in listed(shipment.get("package")):
            references = [text_of(r.get("number")) for r in listed(package.get("referenceNumber"))]
            number = text_of(package.get("trackingNumber"))
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
            for number in (text_of(package.get("trackingNumber")) for package in packages)
            if number
        )
    )


def tracking(body: Any, tracking_number: str) -> dict[str, Any]:
    """Return where one parcel is.

    Keys are `tracking_number`, `status`, `status_code`, `description`, `place`, `updated_at`,
    `delivery_date`, `delivered` and `problem`.
    """
    shipment = next(iter(listed(at(body, "trackResponse", "shipment"))), {})
    package = next(iter(listed(shipment.get("package"))), {})
    activity = next(iter(listed(package.get("activity"))), {})
    current = at(package, "currentStatus") or at(activity, "status")
    warning = next(iter(listed(shipment.get("warnings"))), {})
    kind = text_of(at(activity, "status", "type")) or text_of(at(current, "type"))
    dates = {
        text_of(d.get("type")): date_of(d.get("date")) for d in listed(package.get("deliveryDate"))
    }
    return {
        "tracking_number": tracking_number,
        "status": _STATUS.get(kind, "unknown") if package else "not_found",
        "status_code": text_of(at(current, "code")) or None,
        "description": clean(
            text_of(at(current, "description")) or text_of(at(activity, "status", "description"))
        )
        or None,
        "place": _place(at(activity, "location", "address")),
        "updated_at": _moment(activity),
        "delivery_date": dates.get("DEL") or dates.get("SDD") or dates.get("RDD"),
        "delivered": kind == "D",
        "problem": clean(text_of(warning.get("message"))) or None,
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
