"""UPS's services, and the names that the first releases had for them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final

from shipkit.models import Address, Shipment
from shipkit.services import ServiceList

__all__ = ["SERVICES", "ServiceLevel", "settled"]

SERVICES: Final = ServiceList.from_toml(Path(__file__).with_name("services.toml"))
"""What UPS offers: the services of ``services.toml``."""


class ServiceLevel(StrEnum):
    """UPS's services by name, from the releases that knew one carrier: text, so each is a service.

    They stay for the code that uses them; ``"ground"`` or ``"ups:ground"`` says the same.
    """

    GROUND = "ground"
    GROUND_SAVER = "ground_saver"
    THREE_DAY_SELECT = "3_day_select"
    SECOND_DAY_AIR = "2nd_day_air"
    SECOND_DAY_AIR_AM = "2nd_day_air_am"
    NEXT_DAY_AIR = "next_day_air"
    NEXT_DAY_AIR_SAVER = "next_day_air_saver"
    NEXT_DAY_AIR_EARLY = "next_day_air_early"
    STANDARD = "standard"
    WORLDWIDE_EXPRESS = "worldwide_express"
    WORLDWIDE_EXPRESS_PLUS = "worldwide_express_plus"
    WORLDWIDE_EXPEDITED = "worldwide_expedited"
    WORLDWIDE_SAVER = "worldwide_saver"
    WORLDWIDE_ECONOMY_DDU = "worldwide_economy_ddu"
    WORLDWIDE_ECONOMY_DDP = "worldwide_economy_ddp"
    EXPRESS_1200 = "express_1200"
    TODAY_STANDARD = "today_standard"
    TODAY_DEDICATED_COURIER = "today_dedicated_courier"
    TODAY_EXPRESS = "today_express"
    TODAY_EXPRESS_SAVER = "today_express_saver"
    EXPRESS = "express"
    EXPRESS_EARLY = "express_early"
    EXPRESS_SAVER = "express_saver"
    EXPEDITED = "expedited"

    @classmethod
    def parse(cls, text: str) -> ServiceLevel | None:
        """Return the service that `text` names, or None. An unknown service is never guessed.

        Case, punctuation and a leading ``UPS`` do not matter, and UPS's codes are understood.

        Examples
        --------
        >>> ServiceLevel.parse("UPS 2nd Day Air®")
        <ServiceLevel.SECOND_DAY_AIR: '2nd_day_air'>
        >>> ServiceLevel.parse("03")
        <ServiceLevel.GROUND: 'ground'>
        >>> ServiceLevel.parse("Second Class") is None
        True
        """
        code = SERVICES.parse(text)
        return None if code is None else cls(code)

    @property
    def title(self) -> str:  # type: ignore[override]  # str.title is a method; this was public first
        """The name for people: "2nd Day Air"."""
        return SERVICES.title_of(self.value)


def settled(shipment: Shipment, shipper: Address) -> Shipment:
    """Return `shipment` with the code of its service, read as the shipper's country names them."""
    return SERVICES.of_shipper(shipper.country).settled(shipment)
