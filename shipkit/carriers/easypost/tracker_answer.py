"""Trackers and address checks of EasyPost, read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from shipkit.carriers.easypost.shipment_answer import rewritten
from shipkit.carriers.tracking import is_returned, latest_first
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
        "updated_at": _time(last.get("datetime") or tracker.get("updated_at")),
        "delivery_date": _day(tracker.get("est_delivery_date")),
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
        "happened_at": _time(detail.get("datetime")),
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


def _time(value: Any) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(str(value)) if value else None
    except ValueError:
        return None
    return None if found is None else found.replace(tzinfo=None, microsecond=0)


def _day(value: Any) -> dt.date | None:
    found = _time(value)
    return found.date() if found else None
