"""What the sandbox refuses: the things a real carrier refuses, each with a code and a fix."""

from __future__ import annotations

import re

from shipkit.common.places import US_DOMAIN, state_codes, zip3_states
from shipkit.errors import CarrierRejected
from shipkit.models import Address, Shipment

__all__ = ["refusal"]

_LINE = 35
_CITY = 30
_REFERENCE = 35
_ZIP = re.compile(r"\d{5}(-?\d{4})?")
_CA_CODE = re.compile(r"[A-Z]\d[A-Z] ?\d[A-Z]\d", re.IGNORECASE)
_BY_ZIP = frozenset(US_DOMAIN)


def refusal(shipment: Shipment, shipper: Address, reference: str) -> CarrierRejected | None:
    """Return why `shipment` is refused, or None. Weight, size, service and zone are refused where the price is looked up."""
    origin = shipment.ship_from or shipper
    found = (
        _address(origin, "shipper")
        or _address(shipment.ship_to, "recipient")
        or (_abroad(shipment, origin) if _crosses(origin, shipment.ship_to) else None)
        or (
            (
                "reference",
                f"The reference has {len(reference)} characters.",
                f"Use at most {_REFERENCE}.",
            )
            if not 1 <= len(reference) <= _REFERENCE
            else None
        )
    )
    if found is None:
        return None
    code, message, fix = found
    return CarrierRejected(message, fix=fix, carrier_code=code, carrier_message=message)


_Found = tuple[str, str, str]


def _address(address: Address, whose: str) -> _Found | None:
    return (
        _missing(address, whose)
        or _too_long(address, whose)
        or _postal(address, whose)
        or _phone(address, whose)
    )


def _missing(address: Address, whose: str) -> _Found | None:
    wanted = {
        "name": address.recipient,
        "address_line1": address.address_line1,
        "city": address.city,
    }
    if address.country in _BY_ZIP | {"CA"}:
        wanted |= {"state": address.state, "postal_code": address.postal_code}
    field = next((name for name, value in wanted.items() if not value), None)
    return (
        None
        if field is None
        else (f"{whose}_{field}_missing", f"The {whose}'s {field} is missing.", "Fill it in.")
    )


def _too_long(address: Address, whose: str) -> _Found | None:
    limits = {
        "name": _LINE,
        "company": _LINE,
        "address_line1": _LINE,
        "address_line2": _LINE,
        "address_line3": _LINE,
        "city": _CITY,
    }
    field = next(
        (name for name, limit in limits.items() if len(getattr(address, name) or "") > limit), None
    )
    return (
        None
        if field is None
        else (
            f"{whose}_{field}_too_long",
            f"The {whose}'s {field} has more than {limits[field]} characters.",
            "Shorten it, or split it over the next line.",
        )
    )


def _postal(address: Address, whose: str) -> _Found | None:
    code, state = address.postal_code or "", (address.state or "").upper()
    if address.country in _BY_ZIP:
        if ("US", state.lower()) not in state_codes() or len(state) != 2:
            return (
                f"{whose}_state_invalid",
                f"The {whose}'s state is none of the US states and territories.",
                "Use its two letters.",
            )
        if not _ZIP.fullmatch(code):
            return (
                f"{whose}_postal_code_invalid",
                f"The {whose}'s ZIP does not have 5 or 9 digits.",
                "Correct it; leading zeros count.",
            )
        if state not in zip3_states().get(code[:3], state).split():
            return (
                f"{whose}_state_zip_mismatch",
                f"The {whose}'s ZIP is not in the {whose}'s state.",
                "Correct the one or the other.",
            )
    if address.country == "CA" and not _CA_CODE.fullmatch(code):
        return (
            f"{whose}_postal_code_invalid",
            f"The {whose}'s postal code is not Canadian.",
            'Write it as "M5V 2T6".',
        )
    return None


def _phone(address: Address, whose: str) -> _Found | None:
    if address.phone is None:
        return None
    digits = len(re.sub(r"\D", "", re.split(r"(?i)\s*(?:ext|x)\.?\s*\d+$", address.phone)[0]))
    return (
        None
        if 10 <= digits <= 15
        else (
            f"{whose}_phone_invalid",
            f"The {whose}'s phone has {digits} digits.",
            "Give 10 to 15, or leave it empty.",
        )
    )


def _crosses(origin: Address, to: Address) -> bool:
    return not (origin.country == to.country or {origin.country, to.country} <= _BY_ZIP)


def _abroad(shipment: Shipment, origin: Address) -> _Found | None:
    if not shipment.ship_to.phone or not origin.phone:
        return (
            "phone_missing",
            "A shipment abroad needs the phone of both sides.",
            "Fill in the recipient's and the shipper's phone.",
        )
    if shipment.customs is None or not shipment.customs.items:
        return (
            "customs_missing",
            "A shipment abroad needs its contents for customs.",
            "Add customs items with description, quantity and value.",
        )
    if any(not item.description for item in shipment.customs.items):
        return (
            "customs_description_missing",
            "A customs item has no description.",
            "Describe what is in the box.",
        )
    return None
