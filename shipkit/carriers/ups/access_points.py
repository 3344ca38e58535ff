"""UPS Access Points: a parcel that is held at a shop or locker for the recipient to collect.

From UPS's files (Shipping.yaml, Rating.yaml; models that were made of them have the descriptions):

- ShipmentIndicationType 01 is "Hold for Pickup at UPS Access Point", where the parcel is sent to
  the point and held; 02 is "UPS Access Point Delivery", from one point to another. Both need the
  AlternateDeliveryAddress, with the name and the address of the point. Its id, of nine characters,
  may be given too; Rate has no field for it.
- UPS's texts speak of notifications 012 and 013 to recipient and shipper; the files have codes of
  one character, and none of them is sent. What `notify` asks for is.

None of this was tried against live UPS, and UPS approves accounts for it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.ups.route import Party, Route
from shipkit.carriers.ups.text import clean
from shipkit.models import Address, PickupPoint, Shipment

__all__ = ["access_point", "access_point_note"]

_CODES: Final = {PickupPoint.HOLD: "01", PickupPoint.DELIVER: "02"}
_FIELDS: Final = {
    "access_point_name": "name",
    "access_point_street": "address_line1",
    "access_point_city": "city",
    "access_point_state": "state",
    "access_point_postal_code": "postal_code",
}


def access_point(route: Route, shipment: Shipment, *, rated: bool) -> dict[str, Any]:
    """Return the parts of a request that send the parcels to an Access Point; empty without one.

    Raises
    ------
    CarrierRejected
        The point is not known well enough, or UPS does not take it together with an option.
    """
    kind = shipment.pickup_point
    if kind is None:
        _demand_no_rest(shipment)
        return {}
    _demand_alone(shipment)
    point = _point(shipment)
    found: dict[str, Any] = {"Name": point.name, **point.rated()}
    if not rated:
        found = {
            "Name": point.name,
            "AttentionName": route.destination.contact,
            "Address": point.address(),
        }
        code = _id(shipment)
        if code:
            found["UPSAccessPointID"] = code
    return {
        "ShipmentIndicationType": [{"Code": _CODES[kind]}],
        "AlternateDeliveryAddress": found,
    }


def access_point_note(shipment: Shipment) -> str | None:
    """Return where the recipient collects the parcels, None where they come to the address."""
    if shipment.pickup_point is None:
        return None
    where = ", ".join(filter(None, (shipment.access_point_name, shipment.access_point_city)))
    return f"held at the UPS Access Point {where}, where the recipient collects it"


def _point(shipment: Shipment) -> Party:
    country = shipment.access_point_country or shipment.ship_to.country
    if country != shipment.ship_to.country:
        raise refuse(
            "access_point_country",
            f"the Access Point is in {country}, and the recipient in {shipment.ship_to.country}.",
            "Correct one of them.",
        )
    parts = {part: clean(getattr(shipment, field)) for field, part in _FIELDS.items()}
    for field, part in _FIELDS.items():
        if not parts[part] and part in ("name", "address_line1", "city"):
            raise refuse(
                field,
                "UPS wants the name and the address of the Access Point, not its id alone.",
                f"Give {field}, or leave the Access Point out: "
                'session.edit(clause, access_point="none") sends the parcel to the address.',
            )
    _id(shipment)
    return Party.of(Address(**parts, country=country), "access_point")


def _id(shipment: Shipment) -> str:
    code = re.sub(r"[\s-]", "", shipment.access_point_id or "").upper()
    if code and not re.fullmatch(r"[0-9A-Z]{9}", code):
        raise refuse(
            "access_point_id",
            f"the id of a UPS Access Point has nine letters and digits, and {code!r} has "
            f"{len(code)}.",
            "Correct it, or leave it out and give the address.",
        )
    return code


def _demand_no_rest(shipment: Shipment) -> None:
    """Refuse a part of an Access Point without the point: no part of it is dropped."""
    if shipment.access_point is not None:
        return  # "none" was said
    for field in (*_FIELDS, "access_point_country"):
        if getattr(shipment, field):
            raise refuse(
                field,
                "it is a part of an Access Point, and no point is given.",
                "Give access_point_name and access_point_street, or leave it out.",
            )


def _demand_alone(shipment: Shipment) -> None:
    against = {
        "is_return": "a return",
        "direct_delivery_only": "delivery to the address only",
        "shipper_release": "release without a signature",
        "cod_amount": "payment on delivery",
    }
    for field, words in against.items():
        if getattr(shipment, field):
            raise refuse(
                "access_point",
                f"UPS does not take an Access Point together with {words}.",
                "Leave one of the two out.",
            )
