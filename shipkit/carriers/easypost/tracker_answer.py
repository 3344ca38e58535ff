"""Trackers and address checks of EasyPost, read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from shipkit.carriers.easypost.shipment_answer import rewritten
from shipkit.carriers.tracking import is_returned, latest_first
from shipkit.common.local_day import zone_of
from shipkit.models import Address, AddressCheck

__all__ = ["address_check", "tracking_line"]

_STATUSES: Final = {
    "unknown": "unknown",
    "pre_transit": "label_created",
    "in_transit": "in_transit",
    "out_for_delivery": "out_for_delivery",
    "delivered": "delivered",
    "available_for_pickup": "ready_for_pickup",
    "return_to_sender": "returned",
    "failure": "exception",
    "cancelled": "voided",
    "error": "exception",
}
"""EasyPost's statuses (docs.easypost.com, Trackers) -> those of every carrier."""


def tracking_line(number: str, tracker: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return where a parcel is; None: EasyPost has no tracker of this number."""
    if tracker is None:
        return {
            "tracking_number": number,
            "status": "not_found",
            "delivered": False,
            "problem": "EasyPost does not track this number.",
        }
    code = str(tracker.get("status") or "unknown")
    given = [each for each in tracker.get("tracking_details") or () if isinstance(each, dict)]
    # Recorded: the oldest first. That is their order where moments do not say another.
    details = latest_first(given[::-1], "datetime")
    last = details[0] if details else {}
    text = str(last.get("message") or tracker.get("status_detail") or "")
    status = _status_of(code, text)
    return {
        "tracking_number": number,
        "status": status,
        "status_code": code,
        "description": text,
        "place": _place(last),
        "updated_at": _local_time(last),
        "delivery_date": _delivery_date(tracker, last, delivered=status == "delivered"),
        "delivered": status == "delivered",
        "problem": None,
        "events": [_event(each) for each in details],
    }


def _event(detail: Mapping[str, Any]) -> dict[str, Any]:
    code = str(detail.get("status") or "unknown")
    return {
        "status": _status_of(code, str(detail.get("message") or "")),
        "status_code": code,
        "description": str(detail.get("message") or "") or None,
        "place": _place(detail) or None,
        "happened_at": _local_time(detail),
    }


def _status_of(code: str, words: str) -> str:
    """Return a status: what USPS brought back to the sender is delivered to EasyPost."""
    return (
        "returned" if code == "delivered" and is_returned(words) else _STATUSES.get(code, "unknown")
    )


def _place(detail: Mapping[str, Any]) -> str:
    place = detail.get("tracking_location")
    place = place if isinstance(place, dict) else {}
    return ", ".join(str(place[n]) for n in ("city", "state", "country") if place.get(n))


def address_check(
    sent: Address, body: Mapping[str, Any], answer: Mapping[str, Any]
) -> AddressCheck:
    """Return what a verified address says. `success` may be true although there are errors."""
    checks = answer.get("verifications")
    delivery = checks.get("delivery") if isinstance(checks, dict) else None
    if not isinstance(delivery, dict):
        return AddressCheck(
            status="unsupported", message="EasyPost does not check addresses there."
        )
    errors = [each for each in delivery.get("errors") or () if isinstance(each, dict)]
    if errors or not delivery.get("success"):
        said = [str(each.get("message") or "") for each in errors]
        return AddressCheck(status="not_found", message="; ".join(filter(None, said)) or None)
    home = answer.get("residential")
    residential = home if isinstance(home, bool) else None
    found = sent.model_copy(
        update={
            "address_line1": answer.get("street1") or sent.address_line1,
            "address_line2": answer.get("street2") or None,
            "address_line3": None,
            "city": answer.get("city") or sent.city,
            "state": answer.get("state") or sent.state,
            "postal_code": answer.get("zip") or sent.postal_code,
            "residential": residential,
        }
    )
    if rewritten(body, answer) is None:
        return AddressCheck(status="valid", residential=residential, candidates=(found,))
    return AddressCheck(status="corrected", residential=residential, candidates=(found,))


def _local_time(detail: Mapping[str, Any]) -> dt.datetime | None:
    """Return when an event happened, by the clock of its place as other carriers have it.

    EasyPost makes a moment of the carrier's local time where it knows the place well enough, and
    says UTC of that local time where it does not (docs.easypost.com, Trackers).
    """
    moment = _moment(detail.get("datetime"))
    if moment is not None and moment.utcoffset() == dt.timedelta():
        zone = _zone(detail)
        moment = moment if zone is None else moment.astimezone(zone)
    return None if moment is None else moment.replace(tzinfo=None, microsecond=0)


def _zone(detail: Mapping[str, Any]) -> dt.tzinfo | None:
    place = detail.get("tracking_location")
    place = place if isinstance(place, dict) else {}
    country, state, code = (str(place.get(name) or "") for name in ("country", "state", "zip"))
    # Recorded: places in the US without a country. A bare postal code may be of any country.
    if not country and zone_of("US", state, "") is None:
        return None
    return zone_of(country, state, code)


def _delivery_date(
    tracker: Mapping[str, Any], last: Mapping[str, Any], *, delivered: bool
) -> dt.date | None:
    """Return the day of the delivery, before it the planned one by the calendar of its place."""
    done = _local_time(last) if delivered else None
    if done is not None:
        return done.date()
    detail = tracker.get("carrier_detail")
    local = detail.get("est_delivery_date_local") if isinstance(detail, dict) else None
    planned = _moment(local) or _moment(tracker.get("est_delivery_date"))
    return planned.date() if planned else None


def _moment(value: Any) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(str(value)) if value else None
    except ValueError:
        return None
