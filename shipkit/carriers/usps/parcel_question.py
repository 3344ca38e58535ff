"""What is asked about one parcel: its weight, its sides, and what a price of it depends on.

USPS prices by steps of weight, by zone and by sides. So rows that can only have the same price are
the same question: 2.1 and 2.9 lb to two addresses of one ZIP3 are asked about once.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.usps.mail_classes import (
    ASSOCIATED,
    NEEDS_FORM,
    is_domestic,
    is_military,
    packaging_of,
    state_of,
)
from shipkit.models import Address, Parcel, Shipment, Signature

__all__ = [
    "INCLUDED",
    "Question",
    "extras_of",
    "insured_value",
    "pounds",
    "questions",
    "sides_of",
    "zip5",
]

_ZIP: Final = re.compile(r"[0-9]{5}(?:[- ]?[0-9]{4})?")
_OUNCES: Final = Decimal(16)
_UNDER_A_POUND: Final = Decimal("0.999")
"""15.99 oz: the step of Ground Advantage between 15 oz and 1 lb."""
_EVERY_DIGIT: Final = ("006", "007", "008", "009", "967", "968", "969")
"""ZIP3s of the Caribbean and the Pacific, where the zone can depend on all five digits."""

INCLUDED: Final = Decimal(100)
"""USD that these services insure by themselves."""
_INCLUDES: Final = frozenset({"ground_advantage", "priority", "express"})
_LOW_INSURANCE: Final = Decimal(500)
_HIGHEST_INSURANCE: Final = Decimal(5000)
_NOT_TO_MILITARY: Final = frozenset({921, 922, 931})
"""Extra services that a label to an APO, FPO or DPO cannot have (160025, 160026, 160130)."""
_UNINSURED: Final = "first_class_package_international"


@dataclass(frozen=True)
class Question:
    """One question for prices. Equal questions have the same answer."""

    abroad: bool
    origin: str
    """Five digits."""
    destination: str
    """Five digits; abroad the country's two letters."""
    foreign_code: str
    weight: str
    """Pounds, at its step."""
    sides: tuple[str, str, str]
    """Inches, longest first."""
    day: str
    value: str
    """What is insured, in USD; empty: nothing, and then no price depends on it."""

    def key(self, *, every_digit: bool) -> tuple[Any, ...]:
        """Return what the prices depend on.

        A zone is that of two ZIP3s (USPS's zone charts), except at military addresses and on
        islands. Delivery days depend on every digit.
        """
        to = self.destination
        near = not every_digit and not self.abroad and not to.startswith(_EVERY_DIGIT)
        if near and not _is_military_zip(to):
            to = to[:3]
        origin = self.origin if every_digit else self.origin[:3]
        abroad = (self.foreign_code,) if every_digit else ()
        return (self.abroad, origin, to, *abroad, self.weight, self.sides, self.day, self.value)


def questions(shipment: Shipment, origin: Address, day: dt.date) -> list[Question]:
    """Return a question for each parcel.

    Raises
    ------
    CarrierRejected
        USPS cannot be asked: a ZIP or a side is missing.
    """
    to = shipment.ship_to
    abroad = not is_domestic(to)
    return [
        Question(
            abroad,
            zip5(origin, "ship_from"),
            to.country if abroad else zip5(to, "ship_to"),
            (to.postal_code or "") if abroad else "",
            _number(_step(pounds(parcel), abroad=abroad)),
            _texts(sides_of(parcel, f"parcels[{place}]")),
            day.isoformat(),
            _number(insured_value(parcel) or Decimal(0)) if _is_insured(parcel) else "",
        )
        for place, parcel in enumerate(shipment.parcels)
    ]


def pounds(parcel: Parcel) -> Decimal:
    """Return a weight as it is sent: pounds with at most four decimals."""
    return Decimal(str(parcel.weight_lb)).quantize(Decimal("0.0001")).max(Decimal("0.0001"))


def sides_of(parcel: Parcel, field: str) -> tuple[Decimal, Decimal, Decimal]:
    """Return the sides in inches, longest first, up to the next hundredth.

    Raises
    ------
    CarrierRejected
        A side is missing: USPS bills a parcel without its true sides afterwards (Federal Register
        2026-06223). Or the packaging is not one of USPS's.
    """
    try:
        own = packaging_of(parcel.packaging)
    except KeyError:
        raise refuse(
            f"{field}.packaging",
            f"{parcel.packaging!r} is not one of USPS's packagings.",
            'Use "package" for your own box, or a name such as "Medium Flat Rate Box".',
        ) from None
    sides = own.sides if own else (parcel.length_in, parcel.width_in, parcel.height_in)
    given = [Decimal(str(side)) for side in sides if side]
    if len(given) < 3:
        raise refuse(
            f"{field}.length_in",
            "USPS needs length, width and height of each parcel.",
            "Map them, or give those of your box: defaults={'length_in': 10, ...}.",
        )
    near = [
        each.quantize(Decimal("0.001")).quantize(Decimal("0.01"), ROUND_CEILING) for each in given
    ]
    longest, middle, shortest = sorted(near, reverse=True)
    return longest, middle, shortest


def extras_of(shipment: Shipment, parcel: Parcel) -> tuple[int, ...]:
    """Return the codes of the extra services that a parcel is sent with.

    Raises
    ------
    CarrierRejected
        USPS does not have what the row asks for.
    """
    service, abroad = shipment.service, not is_domestic(shipment.ship_to)
    military = is_military(shipment.ship_to)
    codes: list[int] = []
    if shipment.signature is not Signature.NONE:
        if abroad:
            raise refuse(
                "signature", "USPS offers no signature abroad.", "Leave the signature out."
            )
        adult = shipment.signature is Signature.ADULT
        code = 922 if adult else 981 if service == "express" else 921
        if (military and code in _NOT_TO_MILITARY) or (adult and _is_associated(shipment.ship_to)):
            raise refuse(
                "signature",
                "USPS does not take it to a military address or a freely associated state.",
                "Leave the signature out"
                + ("." if adult else ", or send it by express, which has its own."),
            )
        codes.append(code)
    value = insured_value(parcel)
    if value is None or (service in _INCLUDES and value <= INCLUDED):
        return tuple(codes)
    if service == _UNINSURED:
        raise refuse(
            "parcels[].declared_value",
            "USPS does not insure First-Class Package International.",
            "Leave the declared value out, or choose priority_international.",
        )
    if service == "express" and not abroad:
        codes.append(925)
    else:
        codes.append(930 if value <= _LOW_INSURANCE else 931)
    if military and codes[-1] in _NOT_TO_MILITARY:
        raise refuse(
            "parcels[].declared_value",
            f"USPS insures at most ${_LOW_INSURANCE} to a military address, not ${value:,.2f}.",
            "Lower it, or send it by express.",
        )
    return tuple(codes)


def insured_value(parcel: Parcel) -> Decimal | None:
    """Return the declared value in USD, None without one.

    Raises
    ------
    CarrierRejected
        It is in another currency, or more than USPS insures.
    """
    declared = parcel.declared_value
    if declared is None or declared.amount <= 0:
        return None
    if declared.currency != "USD":
        raise refuse("parcels[].declared_value", "USPS insures in USD.", "Give it in USD.")
    if declared.amount > _HIGHEST_INSURANCE:
        raise refuse(
            "parcels[].declared_value",
            f"USPS insures at most ${_HIGHEST_INSURANCE:,}, not ${declared.amount:,.2f}.",
            "Lower it, or choose another carrier.",
        )
    return declared.amount


def zip5(address: Address, field: str) -> str:
    """Return the five digits of a ZIP or ZIP+4. Raises CarrierRejected where it is neither."""
    code = (address.postal_code or "").strip()
    if not _ZIP.fullmatch(code):
        raise refuse(f"{field}.postal_code", "USPS needs a ZIP of five digits.", "Correct the ZIP.")
    return code[:5]


def needs_form(to: Address, origin: Address) -> bool:
    """Return whether goods between two domestic addresses need a customs form (160120, 160140)."""
    return any(is_military(place) or state_of(place) in NEEDS_FORM for place in (to, origin))


def _is_insured(parcel: Parcel) -> bool:
    value = insured_value(parcel)
    return value is not None and value > 0


def _step(weight: Decimal, *, abroad: bool) -> Decimal:
    """Return the highest weight with the same price: by ounces below 1 lb, else by pounds.

    Abroad, ounces go on to the 4 lb of First-Class Package International.
    Media Mail, Priority and Express go by pounds from the first one, so their steps are wider.
    """
    ounces = weight * _OUNCES
    if weight < 1 or (abroad and weight <= 4):
        whole = ounces.to_integral_value(ROUND_CEILING)
        if whole == _OUNCES and weight < 1:
            return max(_UNDER_A_POUND, weight)
        return whole / _OUNCES
    return weight.to_integral_value(ROUND_CEILING)


def _is_associated(address: Address) -> bool:
    return state_of(address) in ASSOCIATED


def _is_military_zip(code: str) -> bool:
    return is_military(Address(postal_code=code))


def _texts(sides: tuple[Decimal, Decimal, Decimal]) -> tuple[str, str, str]:
    longest, middle, shortest = map(_number, sides)
    return longest, middle, shortest


def _number(value: Decimal) -> str:
    return f"{value.normalize():f}"
