"""EasyPost through its REST API: one account that sells the services of many carriers.

Importing this package costs little: :class:`~shipkit.carriers.easypost.easypost_account.EasyPost`,
with everything that speaks HTTP, is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipkit.carriers.easypost.catalog import SERVICES
from shipkit.carriers.easypost.easypost_settings import EasyPostSettings
from shipkit.carriers.plugin import CarrierPlugin
from shipkit.carriers.protocol import Capabilities, Carrier
from shipkit.models import NUMBERED_REFERENCES, LabelFormat
from shipkit.schema import FURTHER_OPTIONS
from shipkit.settings import Settings

if TYPE_CHECKING:
    from shipkit.carriers.easypost.easypost_account import EasyPost

__all__ = ["CAPABILITIES", "PLUGIN", "EasyPost"]

CAPABILITIES = Capabilities(
    track=True,
    validate_address=True,
    shop_table=True,
    refund_state=True,
    void_days={"usps": 30, "ups": 90, "fedex": 90},  # docs.easypost.com, Shipping Refund
    manifest=True,
    pickup=True,
    most_on_manifest=1_000,  # of a batch, which each form is one of
    multi_parcel=True,
    recovery="two_step",
    label_formats=frozenset({LabelFormat.PDF, LabelFormat.PNG, LabelFormat.ZPL}),
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


def _create(own: EasyPostSettings, shared: Settings) -> Carrier:
    from shipkit.carriers.easypost.easypost_account import EasyPost

    return EasyPost.from_settings(own, shared)


PLUGIN = CarrierPlugin(
    name="easypost",
    description="EasyPost's REST API (USPS, UPS, FedEx and others); a test key unless "
    "SHIPKIT_EASYPOST_ENV=live",
    services=SERVICES,
    settings=EasyPostSettings,
    capabilities=CAPABILITIES,
    create=_create,
    guide="docs/how-to/easypost.md",
)


def __getattr__(name: str) -> Any:
    if name != "EasyPost":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from shipkit.carriers.easypost.easypost_account import EasyPost

    globals()[name] = EasyPost
    return EasyPost
