"""Which code UPS has for a service on a route, and which service a code of UPS means there."""

from __future__ import annotations

from typing import Final

from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.ups.measures import IMPERIAL, OUNCES, Measures
from shipkit.carriers.ups.route import Route
from shipkit.carriers.ups.service_level import SERVICES, ServiceLevel
from shipkit.models import Parcel, Shipment

__all__ = ["code_of", "service_of", "weigh"]

_POUND: Final = 1.0
_MOST_OUNCES: Final = "15.9"


def code_of(route: Route, shipment: Shipment) -> str:
    """Return Service.Code of a shipment.

    Some names have one code within Canada and another abroad, and Ground Saver has one under a
    pound and another from a pound.
    """
    entry = SERVICES.entry(shipment.service)
    if "light_wire" in entry.facts and any(map(_light, shipment.parcels)):
        if not _is_light(shipment):
            raise refuse(
                "parcels",
                f"UPS {entry.title} has one code for parcels under a pound and another from a "
                "pound, and this shipment has both.",
                "Split the shipment.",
            )
        return str(entry.facts["light_wire"])
    if "abroad_wire" in entry.facts and route.pair[0] != route.pair[1]:
        return str(entry.facts["abroad_wire"])
    return SERVICES.wire(shipment.service)


def service_of(code: str | None, country: str = "US") -> str | None:
    """Return the service of a UPS code, or None for one that is not in UPS's service list.

    Parameters
    ----------
    country
        The shipper's: in Canada, codes of the US have other names.
    """
    wanted = (code or "").strip().zfill(2)
    return _LIGHT.get(wanted) or SERVICES.of_shipper(country).from_wire(wanted)


_LIGHT: Final = {
    str(each.facts["light_wire"]): each.code for each in SERVICES if "light_wire" in each.facts
}


def weigh(parcel: Parcel, route: Route, shipment: Shipment) -> tuple[Measures, str]:
    """Return the unit and the weight of a parcel: ounces for Ground Saver under a pound.

    Service 92 takes 1 to 15.99 oz; what would be rounded up to a pound stays below it.
    """
    if route.measures is IMPERIAL and _is_light_saver(shipment):
        ounces = OUNCES.weigh(parcel.weight_lb)
        return OUNCES, _MOST_OUNCES if ounces == "16" else max(ounces, "1", key=float)
    return route.measures, route.measures.weigh(parcel.weight_lb)


def _is_light_saver(shipment: Shipment) -> bool:
    return shipment.service == ServiceLevel.GROUND_SAVER and _is_light(shipment)


def _is_light(shipment: Shipment) -> bool:
    return all(map(_light, shipment.parcels))


def _light(parcel: Parcel) -> bool:
    return parcel.weight_lb < _POUND
