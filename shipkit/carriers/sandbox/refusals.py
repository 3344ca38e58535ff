"""What the sandbox refuses, as a real carrier would, each with a code and a fix."""

from __future__ import annotations

import re

from shipkit.common.customs_borders import is_customs_border
from shipkit.common.places import US_DOMAIN, state_codes, zip3_states
from shipkit.errors import CarrierRejected
from shipkit.models import Address, Shipment
from shipkit.services import Limits

__all__ = ["refusal"]

_ZIP = re.compile(r"\d{5}(-?\d{4})?")
_CA_CODE = re.compile(r"[A-Z]\d[A-Z] ?\d[A-Z]\d", re.IGNORECASE)
_BY_ZIP = frozenset(US_DOMAIN)


def refusal(
    shipment: Shipment, shipper: Address, reference: str, limits: Limits
) -> CarrierRejected | None:
    """Return why `shipment` is refused, or None.

    Weight, size, service and zone are checked where the price is looked up.
    """
    origin = shipment.ship_from or shipper
    found = (
        _address(origin, "shipper", limits)
        or _address(shipment.ship_to, "recipient", limits)
        or (_abroad(shipment, origin) if _crosses(origin, shipment.ship_to) else None)
        or _reference(reference, limits)
    )
    if found is None:
        return None
    code, message, fix = found
    return CarrierRejected(message, fix=fix, carrier_code=code, carrier_message=message)


_Found = tuple[str, str, str]


def _reference(reference: str, limits: Limits) -> _Found | None:
    most = limits.reference
    if reference and (most is None or len(reference) <= most):
        return None
    return (
        "reference",
        f"The reference has {len(reference)} characters.",
        f"Use at least 1 and at most {most}.",
    )


def _address(address: Address, whose: str, limits: Limits) -> _Found | None:
    return (
        _missing(address, whose)
        or _too_long(address, whose, limits)
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


def _too_long(address: Address, whose: str, limits: Limits) -> _Found | None:
    texts = {
        "name": (address.name, limits.name),
        "company": (address.company, limits.name),
        "address_line1": (address.address_line1, limits.address_line),
        "address_line2": (address.address_line2, limits.address_line),
        "address_line3": (address.address_line3, limits.address_line),
        "city": (address.city, limits.city),
    }
    for field, (text, most) in texts.items():
        if most is not None and len(text or "") > most:
            return (
                f"{whose}_{field}_too_long",
                f"The {whose}'s {field} has more than {most} characters.",
                "Shorten it, or split it over the next line.",
            )
    return None


def _postal(address: Address, whose: str) -> _Found | None:
    code, state = address.postal_code or "", (address.state or "").upper()
    if address.country in _BY_ZIP:
        if ("US", state.lower()) not in state_codes() or len(state) != 2:
            return (
                f"{whose}_state_invalid",
                f"The {whose}'s state is not a US state or territory.",
                "Use its two letters.",
            )
        if not _ZIP.fullmatch(code):
            return (
                f"{whose}_postal_code_invalid",
                f"The {whose}'s ZIP does not have 5 or 9 digits.",
                "Correct it; leading zeros matter.",
            )
        if state not in zip3_states().get(code[:3], state).split():
            return (
                f"{whose}_state_zip_mismatch",
                f"The {whose}'s ZIP is not in the {whose}'s state.",
                "Correct one of the two.",
            )
    if address.country == "CA" and not _CA_CODE.fullmatch(code):
        return (
            f"{whose}_postal_code_invalid",
            f"The {whose}'s postal code is not a Canadian one.",
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
    if {origin.country, to.country} <= _BY_ZIP:
        return False
    return is_customs_border(
        (origin.country, origin.postal_code or ""), (to.country, to.postal_code or "")
    )


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
