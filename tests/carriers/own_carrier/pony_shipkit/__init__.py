"""Pony Parcels as a carrier for shipkit."""

from __future__ import annotations

from pony_shipkit.carrier import Pony
from pony_shipkit.settings import PonySettings
from shipkit.carriers.plugin import CarrierPlugin
from shipkit.settings import Settings


def create(own: PonySettings, shared: Settings) -> Pony:
    """Return the carrier. It opens its first connection with its first request."""
    return Pony(own, timeout_s=shared.timeout_s, proxy=shared.proxy)


PLUGIN = CarrierPlugin(
    name="pony",
    description="Pony Parcels's JSON API; the test account unless SHIPKIT_PONY_ENV=live",
    services=Pony.services,
    settings=PonySettings,
    capabilities=Pony.capabilities,
    create=create,
    guide="https://ponyparcels.example/docs",
)
