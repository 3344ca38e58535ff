"""UPS through its REST API.

Importing this package costs little: :class:`~shipkit.carriers.ups.ups_account.UPS`, with everything
that speaks HTTP, is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipkit.carriers.plugin import CarrierPlugin
from shipkit.carriers.protocol import Capabilities, Carrier
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.carriers.ups.ups_settings import UpsSettings
from shipkit.models import ACCESS_POINT_FIELDS, NUMBERED_REFERENCES
from shipkit.schema import FURTHER_OPTIONS
from shipkit.settings import Settings

if TYPE_CHECKING:
    from shipkit.carriers.ups.ups_account import UPS

__all__ = ["CAPABILITIES", "PLUGIN", "UPS"]

CAPABILITIES = Capabilities(
    track=True,
    validate_address=True,
    transit_times=True,
    shop_table=True,
    landed_cost=True,
    pickup=True,
    void_days={"ups": 28},  # online, by the FAQ of ups.com; by phone later
    instead_of_manifest="UPS has no SCAN form: it has the data of each label since it was bought, "
    "and the driver scans the parcels one by one.",
    multi_parcel=True,
    recovery="lookup",
    options=frozenset(
        {
            "direct_delivery_only",
            "ioss_number",
            "sender_tax_id",
            "sender_eori",
            "recipient_tax_id",
            "recipient_eori",
            "itn",
            "signature",
            "saturday_delivery",
            "is_return",
            "bill_to",
            "bill_account",
            "bill_postal_code",
            "bill_country",
            "duties_bill_to",
            "duties_account",
            "duties_postal_code",
            "duties_country",
            "shipper_release",
            "documents_only",
            "cod_amount",
            "notify",
            "additional_handling",
            "simple_rate",
            *NUMBERED_REFERENCES,
            *ACCESS_POINT_FIELDS,
            *FURTHER_OPTIONS,
        }
    ),
)
"""UPS answers with GIF and ZPL labels; the other formats are converted on this machine."""


def _create(own: UpsSettings, shared: Settings) -> Carrier:
    from shipkit.carriers.ups.ups_account import UPS

    return UPS.from_settings(own, shared)


PLUGIN = CarrierPlugin(
    name="ups",
    description="UPS's REST API; the test host unless SHIPKIT_UPS_ENV=live",
    services=SERVICES,
    settings=UpsSettings,
    capabilities=CAPABILITIES,
    create=_create,
    guide="docs/how-to/ups.md",
)


def __getattr__(name: str) -> Any:
    if name != "UPS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from shipkit.carriers.ups.ups_account import UPS

    globals()[name] = UPS
    return UPS
