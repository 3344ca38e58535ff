"""The packages of a shipment in the form that UPS accepts: packaging, weight, size and references.

A limit that UPS checks is checked here first, so that a preview shows it. Numbers that are limits
of the carrier come from ``services.toml``.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.ups.route import Route, latin
from shipkit.carriers.ups.service_codes import weigh
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.carriers.ups.service_options import package_fields, package_options
from shipkit.carriers.ups.text import clean, cut
from shipkit.common.words import counted
from shipkit.models import NUMBERED_REFERENCES, Money, Parcel, Shipment, Signature

__all__ = [
    "PACKAGING",
    "REFERENCES",
    "demand_own_box",
    "parcels_of",
    "place_references",
    "rated_package",
    "shipped_package",
    "wants_signature",
]

_LIMITS: Final = SERVICES.limits

_RETURNED_FROM_US, _RETURNED = 1, 20
"""Parcels of a return: "For Return Shipments up to 20 packages are allowed. US/PR origin return
movements are limited to only one package." (Shipping.yaml, Package)"""

_MOST_REFERENCES: Final = 4
"""Of the user: UPS accepts five (Package.ReferenceNumber, maximum 5), and one is shipkit's."""

_LONGEST_SIDE: Final = 999
"""Package.Dimensions has three digits per side. What a parcel may measure is in the limits."""

_LONGEST_DESCRIPTION: Final = 35
"""Shipping.yaml, Package.Description."""

PACKAGING: Final = MappingProxyType(
    {
        "package": "02",
        "box": "02",
        "letter": "01",
        "envelope": "01",
        "tube": "03",
        "pak": "04",
        "express_box": "21",
        "25kg_box": "24",
        "10kg_box": "25",
        "pallet": "30",
        "express_box_small": "2a",
        "express_box_medium": "2b",
        "express_box_large": "2c",
    }
)
"""`Parcel.packaging` -> UPS's code. A UPS code itself is accepted too."""

_OF_AIR_SERVICES: Final = frozenset(PACKAGING.values()) - {"02", "30"}
"""What UPS gives away for its air services (ups.com, "Packaging supplies")."""

REFERENCES: Final = MappingProxyType(
    {
        "po": "PO",
        "purchase_order": "PO",
        "po_number": "PO",
        "invoice": "IK",
        "invoice_number": "IK",
        "department": "DP",
        "rma": "RZ",
        "return": "RZ",
        "part": "PM",
        "serial": "SE",
        "store": "ST",
        "salesperson": "SA",
        "bill_of_lading": "BM",
        "model": "MK",
        "order": "ON",
    }
)
"""Name of a user's reference -> UPS's code.

The codes are those that public programs send; the appendix that lists them is not in the specs.
Another two-letter name is sent as it is, any other name without a code.
"""


def parcels_of(route: Route, shipment: Shipment) -> tuple[Parcel, ...]:
    """Return the parcels of `shipment`. Raises CarrierRejected when they are too many."""
    returned = _RETURNED_FROM_US if route.pair[0] in ("US", "PR") else _RETURNED
    if shipment.is_return and len(shipment.parcels) > returned:
        raise refuse(
            "parcels",
            f"UPS takes {counted(returned, 'parcel')} for a return label from {route.pair[0]}, not "
            f"{len(shipment.parcels)}.",
            "Make each parcel an order of its own, or leave its return label out: "
            "session.skip(clause).",
        )
    if _LIMITS.parcels is not None and len(shipment.parcels) > _LIMITS.parcels:
        raise refuse(
            "parcels",
            f"UPS accepts at most {_LIMITS.parcels} parcels per shipment, not "
            f"{len(shipment.parcels)}.",
            "Split the shipment.",
        )
    return shipment.parcels


def demand_own_box(shipment: Shipment) -> None:
    """Refuse packaging of UPS's air services, where the shipment's service does not take it."""
    entry = SERVICES.entry(shipment.service)
    if not entry.facts.get("own_box_only", False):
        return
    for index, parcel in enumerate(shipment.parcels):
        if _packaging(parcel, index) in _OF_AIR_SERVICES:
            raise refuse(
                f"parcels[{index}].packaging",
                f"UPS {entry.title} does not take {parcel.packaging!r}: it is for UPS's air "
                "services.",
                "Use a box of your own (package), or an air service.",
            )


def rated_package(parcel: Parcel, index: int, route: Route, shipment: Shipment) -> dict[str, Any]:
    """Return a package as Rate expects it. Raises CarrierRejected for what UPS would refuse."""
    package: dict[str, Any] = {
        "PackagingType": {"Code": _packaging(parcel, index)},
        "PackageWeight": _weight(parcel, index, route, shipment, named=True),
    }
    return (
        package
        | _dimensions(parcel, index, route, route.measures.length_unit)
        | package_fields(parcel, index, route, shipment)
        | _package_options(parcel, index, route, shipment)
    )


def shipped_package(parcel: Parcel, index: int, route: Route, shipment: Shipment) -> dict[str, Any]:
    """Return a package as Ship expects it. Raises CarrierRejected for what UPS would refuse."""
    package: dict[str, Any] = {
        "Packaging": {"Code": _packaging(parcel, index)},
        "PackageWeight": _weight(parcel, index, route, shipment, named=False),
    }
    description = latin(
        cut(clean(parcel.description), _LONGEST_DESCRIPTION), f"parcels[{index}].description"
    )
    if not description and shipment.is_return:  # UPS requires one on a return label
        description = cut(route.description(shipment) or "Returned goods", _LONGEST_DESCRIPTION)
    if description:
        package["Description"] = description
    return (
        package
        | _dimensions(parcel, index, route, {"Code": route.measures.length})
        | package_fields(parcel, index, route, shipment)
        | _package_options(parcel, index, route, shipment)
    )


def _packaging(parcel: Parcel, index: int) -> str:
    name = parcel.packaging.strip().lower().replace(" ", "_").removeprefix("ups_")
    # UPS's own batch file and spreadsheets write "02" as 2.
    digits = name.zfill(2) if name.isdigit() else name
    code = PACKAGING.get(name) or (digits if digits in PACKAGING.values() else None)
    if code is None:
        raise refuse(
            f"parcels[{index}].packaging",
            f"{parcel.packaging!r} is not a packaging of UPS.",
            f"Use one of {', '.join(PACKAGING)}.",
        )
    return code


def _weight(
    parcel: Parcel, index: int, route: Route, shipment: Shipment, *, named: bool
) -> dict[str, Any]:
    most = _LIMITS.weight_lb
    if most is not None and round(parcel.weight_lb, 4) > most:
        raise refuse(
            f"parcels[{index}].weight_lb",
            f"{parcel.weight_lb:g} lb is over UPS's limit of {most:g} lb per parcel.",
            "Split it into more parcels.",
        )
    units, weight = weigh(parcel, route, shipment)
    unit = units.weight_unit if named else {"Code": units.weight}
    return {"UnitOfMeasurement": unit, "Weight": weight}


def _dimensions(parcel: Parcel, index: int, route: Route, unit: dict[str, str]) -> dict[str, Any]:
    """Return the dimensions in whole inches or centimeters, longest first.

    Decimals are accepted and mean different things: one parcel was billed 10 lb by Rate and 8 lb
    by Ship in recorded answers. Fractions of an inch are rounded up, as UPS announced for August
    2025 (from memory: not verified against a live account).
    """
    sides = [
        side for side in (parcel.length_in, parcel.width_in, parcel.height_in) if side is not None
    ]
    if not sides:
        return {}
    field = f"parcels[{index}]"
    if len(sides) < 3:
        raise refuse(
            field,
            "UPS needs length, width and height, or none of them.",
            "Fill in the missing dimension.",
        )
    units = route.measures
    whole = sorted(map(units.side, sides), reverse=True)
    if whole[0] > _LONGEST_SIDE:
        raise refuse(
            field,
            f"a side of {whole[0]} {units.length.lower()} is longer than UPS accepts.",
            "Correct the dimensions; they are inches.",
        )
    return {
        "Dimensions": {
            "UnitOfMeasurement": unit,
            "Length": str(whole[0]),
            "Width": str(whole[1]),
            "Height": str(whole[2]),
        }
    }


# -- options ---------------------------------------------------------------------------------------


def _package_options(
    parcel: Parcel, index: int, route: Route, shipment: Shipment
) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if parcel.declared_value and parcel.declared_value.amount > 0:
        options["DeclaredValue"] = _declared(parcel.declared_value, index, route)
    if wants_signature(shipment) and route.signature_on_package:
        options["DeliveryConfirmation"] = {
            "DCISType": "3" if shipment.signature is Signature.ADULT else "2"
        }
    options |= package_options(parcel, route, shipment)
    return {"PackageServiceOptions": options} if options else {}


def wants_signature(shipment: Shipment) -> bool:
    """Return whether a signature is asked for. Raises CarrierRejected on a return label."""
    if shipment.signature is Signature.NONE:
        return False
    if shipment.is_return:
        raise refuse(
            "signature",
            "UPS does not accept a signature request on a return label.",
            "Leave the signature of this row out.",
        )
    return True


_MOST_DECLARED: Final = Decimal(50_000)
"""Dollars: ups.com, "Declared value", the most for one package."""


def _declared(value: Money, index: int, route: Route) -> dict[str, str]:
    text = f"{value.amount.quantize(Decimal('0.01')):f}"
    too_high = value.currency == "USD" and value.amount > _MOST_DECLARED
    if too_high or len(text) > 8:  # DeclaredValue.MonetaryValue, maxLength 8
        raise refuse(
            f"parcels[{index}].declared_value",
            f"UPS does not accept a declared value of {value}; the most is "
            f"{_MOST_DECLARED:,} USD for a parcel.",
            "Lower it, or split the shipment.",
        )
    # DeclaredValue.CurrencyCode: valid for the country of the shipper.
    valid = _currencies(route.shipper.country)
    if valid and value.currency not in valid:
        raise refuse(
            f"parcels[{index}].declared_value",
            f"UPS does not accept a declared value in {value.currency} from a shipper in "
            f"{route.shipper.country}.",
            f"Give it in {' or '.join(valid)}.",
        )
    return {"CurrencyCode": value.currency, "MonetaryValue": text}


@lru_cache(maxsize=32)
def _currencies(country: str) -> tuple[str, ...]:
    """Return the currencies of a country; PR, for one, has those of the US."""
    from babel.numbers import get_territory_currencies

    return tuple(get_territory_currencies(country, tender=True))


# -- references ------------------------------------------------------------------------------------


def place_references(
    body: dict[str, Any], reference: str, shipment: Shipment, *, on_package: bool
) -> None:
    """Add shipkit's reference first and the user's references after it to a Ship request.

    They belong on the packages within the US and within Puerto Rico, and on the shipment anywhere
    else; the other place is refused. Ours is on the first package only, so that a look-up by it
    finds one parcel, and the answer names the shipment.
    """
    ours = {"Code": "TN", "Value": reference}
    users = _user_references(shipment)
    if not on_package:
        body["ReferenceNumber"] = [ours, *users]
        return
    for i, package in enumerate(body["Package"]):
        wanted = [ours, *users] if i == 0 else users
        if wanted:
            package["ReferenceNumber"] = [dict(r) for r in wanted]


def _user_references(shipment: Shipment) -> list[dict[str, str]]:
    found = []
    for key, text in shipment.user_references:
        field = key if key in NUMBERED_REFERENCES else f"references.{key}"
        value = latin(clean(text), field)
        if not value:
            continue
        if _LIMITS.reference is not None and len(value) > _LIMITS.reference:
            raise refuse(
                field,
                f"UPS accepts at most {_LIMITS.reference} characters of a reference, and this one "
                f"has {len(value)}.",
                "Shorten it, or map another column.",
            )
        name = key.strip().lower()
        code = REFERENCES.get(name) or (
            name.upper() if len(name) == 2 and name.isascii() and name.isalnum() else None
        )
        found.append({"Code": code, "Value": value} if code else {"Value": value})
    if len(found) > _MOST_REFERENCES:
        raise refuse(
            "references",
            f"UPS accepts {_MOST_REFERENCES} references in addition to shipkit's own; this "
            f"shipment has {len(found)}.",
            "Map fewer references.",
        )
    return found
