"""USPS directly, through its REST APIs of version 3.

Importing this package costs little: :class:`~shipkit.carriers.usps.usps_account.USPS`, with
everything that speaks HTTP, is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipkit.carriers.plugin import CarrierPlugin
from shipkit.carriers.protocol import Capabilities, Carrier
from shipkit.carriers.usps.mail_classes import SERVICES
from shipkit.carriers.usps.usps_settings import UspsSettings
from shipkit.models import NUMBERED_REFERENCES, LabelFormat
from shipkit.schema import FURTHER_OPTIONS
from shipkit.settings import Settings

if TYPE_CHECKING:
    from shipkit.carriers.usps.usps_account import USPS

__all__ = ["CAPABILITIES", "PLUGIN", "USPS"]

CAPABILITIES = Capabilities(
    track=True,
    shop_table=True,
    validate_address=True,
    transit_times=True,
    manifest=True,
    pickup=True,
    # USPS's API files have no limit; this is what its resellers state (EasyPost, Pitney Bowes).
    void_days={"usps": 30},
    most_on_manifest=40_000,
    multi_parcel=True,
    recovery="idempotency_key",
    label_formats=frozenset(LabelFormat),
    # It refuses returns itself, in its own words, and Saturday where it has none.
    options=frozenset(
        {
            "signature",
            "saturday_delivery",
            "is_return",
            "itn",
            *NUMBERED_REFERENCES,
            *FURTHER_OPTIONS,
        }
    ),
)


def _create(own: UspsSettings, shared: Settings) -> Carrier:
    from shipkit.carriers.usps.usps_account import USPS

    return USPS.from_settings(own, shared)


PLUGIN = CarrierPlugin(
    name="usps",
    description="USPS's REST APIs, version 3; the test host unless SHIPKIT_USPS_ENV=live",
    services=SERVICES,
    settings=UspsSettings,
    capabilities=CAPABILITIES,
    create=_create,
    guide="docs/how-to/usps.md",
)


def __getattr__(name: str) -> Any:
    if name != "USPS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from shipkit.carriers.usps.usps_account import USPS

    globals()[name] = USPS
    return USPS
