"""Addresses, delivery days and tracking of USPS, read."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from shipkit.carriers.tracking import is_returned, latest_first, unknown_place
from shipkit.carriers.usps.mail_classes import SERVICES, state_of
from shipkit.errors import AnswerLost
from shipkit.models import Address, AddressCheck, TransitTime

__all__ = ["address_query", "checked_address", "days_of", "unknown_address", "where_it_is"]

_STATUSES: Final = {
    "pre shipment": "label_created",
    "accepted": "picked_up",
    "in transit": "in_transit",
    "moving through network": "in_transit",
    "out for delivery": "out_for_delivery",
    "available for pickup": "ready_for_pickup",
    "delivered to agent": "in_transit",  # an agent, who delivers it to the recipient
    "delivered": "delivered",
    "delivery attempt": "exception",
    "alert": "exception",
}
"""How a statusCategory begins (few are recorded: Accepted, Delivered) -> the states of every
carrier. USPS writes them with hyphens, too, and with more behind: "Delivery Attempt: Action
Needed"."""
_EVENTS: Final = {
    "GX": "label_created",
    "MA": "label_created",
    "03": "picked_up",
    "SF": "picked_up",
    "10": "in_transit",
    "T1": "in_transit",
    "TL": "in_transit",
    "A1": "in_transit",
    "07": "in_transit",
    "OF": "out_for_delivery",
    "01": "delivered",
}
"""Event codes that were seen, for a category that is not known."""
_NOT_SERVED: Final = frozenset({"R777", "R779"})
_EVENT_TYPES: Final = {
    "out for delivery": "out_for_delivery",
    "available for pickup": "ready_for_pickup",
    "delivered to agent": "in_transit",
    "delivered, to agent": "in_transit",
    "delivered": "delivered",
    "delivery attempt": "exception",
    "notice left": "exception",
    "forward": "in_transit",
}
"""How the type of an event begins whose code was not seen."""


def address_query(address: Address) -> dict[str, str]:
    """Return the query for an address of the US."""
    found = {"streetAddress": address.address_line1 or "", "state": state_of(address)}
    second = ", ".join(filter(None, (address.address_line2, address.address_line3)))
    optional = {
        "firm": address.company,
        "secondaryAddress": second,
        "city": address.city,
        "ZIPCode": (address.postal_code or "")[:5],
    }
    return found | {name: value for name, value in optional.items() if value}


def checked_address(sent: Address, answer: Mapping[str, Any]) -> AddressCheck:
    """Return what USPS knows of an address: deliverable or not, ZIP+4, home or business.

    Raises
    ------
    AnswerLost
        The answer has neither an address nor USPS's verdict.
    """
    found, more = answer.get("address") or {}, answer.get("additionalInfo") or {}
    business = more.get("business")
    home = None if business not in ("Y", "N") else business == "N"
    candidate = _as_usps_has_it(sent, found, home)
    confirmed = more.get("DPVConfirmation")
    if not found and confirmed != "N":
        raise AnswerLost("USPS's answer about an address does not say what it is.")
    notes = [str(text) for text in answer.get("warnings") or ()]
    notes += [str(each.get("text")) for each in answer.get("corrections") or () if each.get("text")]
    if more.get("vacant") == "Y":
        notes.append("The address is vacant.")
    if more.get("carrierRoute") in _NOT_SERVED:
        notes.append("USPS does not deliver to it (a label is refused with 160320).")
    if more.get("DPVCMRA") == "Y":
        notes.append("It is a mailbox at a private agency.")
    message = "; ".join(dict.fromkeys(notes)) or None
    if confirmed == "N":
        return AddressCheck(status="not_found", residential=home, message=message)
    if confirmed == "D":
        text = "The apartment or suite is missing."
        return _check("ambiguous", home, candidate, text, message)
    if confirmed == "S":
        text = "USPS does not know the apartment or suite."
        return _check("ambiguous", home, candidate, text, message)
    same = _words(sent) == _words(candidate)
    return _check("valid" if same else "corrected", home, candidate, message)


def unknown_address(code: str | None, words: str) -> AddressCheck | None:
    """Return what a refusal of the address API says about the address, None if about nothing."""
    text = words.removeprefix("USPS: ")
    if code == "010006" or "multiple addresses" in text.lower():
        return AddressCheck(status="ambiguous", message=text)
    if code in {"010001", "010002", "010003", "010004", "010005"} or "not found" in text.lower():
        return AddressCheck(status="not_found", message=text)
    if text.lower().startswith("invalid "):  # recorded without a code: "Invalid Zip Code."
        return AddressCheck(status="not_found", message=text)
    return None


def days_of(answer: Iterable[Mapping[str, Any]], asked: dt.date) -> list[TransitTime]:
    """Return the days of each service of an answer; one without a standard is left out.

    An unknown ZIP gets an answer with empty standards (recorded).
    """
    found: dict[str, TransitTime] = {}
    for each in answer:
        service = SERVICES.from_wire(str(each.get("mailClass") or ""))
        digits = re.match(r"[0-9]+", str(each.get("serviceStandard") or ""))
        if service is None or digits is None:
            continue
        delivery = each.get("delivery") or {}
        day = str(delivery.get("scheduledDeliveryDateTime") or "")[:10]
        one = TransitTime(
            service=service,
            transit_days=int(digits[0]),
            delivery_date=dt.date.fromisoformat(day) if day else None,
            guaranteed=delivery.get("guaranteedDelivery") in (True, "true"),
        )
        if service not in found or one.transit_days > found[service].transit_days:
            found[service] = one  # two rows differ by weight below and above 1 lb: the later one
    return sorted(found.values(), key=lambda one: (one.transit_days, one.delivery_date or asked))


def where_it_is(number: str, answer: Mapping[str, Any] | None, problem: str = "") -> dict[str, Any]:
    """Return where a parcel is; None: USPS has no scan of it, which says nothing about its label.

    Booleans come as text and names with markup (recorded), so everything is read loosely.
    """
    if answer is None:
        return {
            "tracking_number": number,
            "status": "not_found",
            "delivered": False,
            "problem": problem or "USPS has no scan of this number yet.",
        }
    named = re.sub(r"\s", "", str(answer.get("trackingNumber") or number))
    # USPS writes a number with and without 420 and the ZIP before it.
    if not (named.endswith(number) or number.endswith(named)):
        return unknown_place(number, f"USPS's answer is about {named}.")
    given = [each for each in answer.get("trackingEvents") or () if isinstance(each, dict)]
    events = latest_first(given, "eventTimestamp")
    last = events[0] if events else {}
    category = str(answer.get("statusCategory") or "")
    code = str(last.get("eventCode") or "")
    status = _begins(category, _STATUSES) or _status_of(last)
    text = _text(answer.get("statusSummary") or last.get("eventType") or answer.get("status"))
    if is_returned(f"{category} {text} {_text(last.get('eventType'))}"):
        status = "returned"
    elif status == "delivered" and _text(last.get("eventType")).lower().startswith("delivered"):
        status = _status_of(last)  # it says to whom
    planned = answer.get("expectedDeliveryTimeStamp") or answer.get("predictedDeliveryDate")
    delivered = status == "delivered"
    return {
        "tracking_number": number,
        "status": status,
        "status_code": code or str(answer.get("statusCategory") or ""),
        "description": text,
        "place": _event_place(last),
        "updated_at": _time(last.get("eventTimestamp")),
        "delivery_date": _day(last.get("eventTimestamp") if delivered else planned),
        "delivered": delivered,
        "problem": None,
        "events": [_event(each) for each in events],
    }


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": _status_of(event),
        "status_code": str(event.get("eventCode") or "") or None,
        "description": _text(event.get("eventType")) or None,
        "place": _event_place(event) or None,
        "happened_at": _time(event.get("eventTimestamp")),
    }


def _status_of(event: Mapping[str, Any]) -> str:
    """Return the state after an event: by its words, where they are known, else by its code.

    Code 01 is a delivery to anyone: to an agent and to the sender as well.
    """
    text = _text(event.get("eventType"))
    if is_returned(text):
        return "returned"
    code = str(event.get("eventCode") or "")
    return _begins(text, _EVENT_TYPES) or _EVENTS.get(code, "unknown")


def _begins(text: str, states: Mapping[str, str]) -> str | None:
    """Return the state of the first words that a text begins with."""
    words = " ".join(text.replace("-", " ").lower().split())
    return next((state for start, state in states.items() if words.startswith(start)), None)


def _event_place(event: Mapping[str, Any]) -> str:
    place = (event.get("eventCity"), event.get("eventState"), event.get("eventCountry"))
    return ", ".join(str(part) for part in place if part)


def _as_usps_has_it(sent: Address, found: Mapping[str, Any], home: bool | None) -> Address:
    code = str(found.get("ZIPCode") or sent.postal_code or "")
    plus = found.get("ZIPPlus4")
    return sent.model_copy(
        update={
            "address_line1": found.get("streetAddress") or sent.address_line1,
            "address_line2": found.get("secondaryAddress") or None,
            "address_line3": None,
            "city": found.get("city") or sent.city,
            "state": found.get("state") or sent.state,
            "postal_code": f"{code}-{plus}" if plus else code,
            "residential": home,
        }
    )


def _check(status: str, home: bool | None, candidate: Address, *notes: str | None) -> AddressCheck:
    message = " ".join(filter(None, notes)) or None
    return AddressCheck(status=status, residential=home, candidates=(candidate,), message=message)


def _words(address: Address) -> tuple[str, ...]:
    """Return what two spellings of one address have in common; ZIP+4 alone is no correction."""
    texts = (
        " ".join(address.lines),
        address.city or "",
        state_of(address),
        (address.postal_code or "")[:5],
    )
    return tuple(re.sub(r"[^a-z0-9]", "", text.lower()) for text in texts)


def _text(value: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", str(value or ""))).split())


def _time(value: Any) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(str(value)) if value else None
    except ValueError:
        return None
    return None if found is None else found.replace(tzinfo=None, microsecond=0)


def _day(value: Any) -> dt.date | None:
    found = _time(str(value)[:19]) if value else None
    return found.date() if found else None
