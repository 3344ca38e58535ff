"""Carriers: what can quote, sell, find and void shipments. See :mod:`shipkit.carriers.protocol` for the protocol."""

from __future__ import annotations

from shipkit.carriers.protocol import Carrier
from shipkit.errors import SettingsError
from shipkit.settings import Settings

__all__ = ["CARRIERS", "carrier_named"]

CARRIERS = {
    "sandbox": "embedded, synthetic prices, no network, no money: the default",
    "ups": "UPS's REST API; the test host unless SHIPKIT_UPS_ENV=live",
}
"""Name -> what it is, for people."""


def carrier_named(name: str, settings: Settings) -> Carrier:
    """Return the carrier called `name`, set up from `settings`. Raises SettingsError."""
    match name.lower():
        case "sandbox":
            from shipkit.carriers.sandbox import SandboxCarrier

            return SandboxCarrier(home=settings.home)
        case "ups":
            from shipkit.carriers.ups import UPS

            return UPS.from_settings(settings)
        case _:
            raise SettingsError(
                f"There is no carrier {name!r}.",
                fix=f"Known: {', '.join(CARRIERS)}. Or pass an object with the Carrier protocol.",
            )
