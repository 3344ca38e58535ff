"""The settings of a UPS account, from the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from shipkit.carriers.ups.rate_basis import CustomerClassification, PickupType
from shipkit.settings import CarrierSettings

__all__ = ["UpsSettings"]


class UpsSettings(CarrierSettings):
    """The variables ``SHIPKIT_UPS_...``. How-to "UPS" says where the values come from."""

    client_id: str
    """Of an app on developer.ups.com. ``SHIPKIT_UPS_CLIENT_ID``."""
    client_secret: SecretStr
    """Of the same app. ``SHIPKIT_UPS_CLIENT_SECRET``."""
    account: str
    """The paying account, six letters and digits. ``SHIPKIT_UPS_ACCOUNT``."""
    env: Literal["test", "live"] = "test"
    """``test`` (labels that no driver takes) or ``live`` (labels that cost money).
    ``SHIPKIT_UPS_ENV``.
    """
    base_url: str | None = None
    """Another host: https and UPS's own for this environment, or loopback.
    ``SHIPKIT_UPS_BASE_URL``.
    """
    pickup_type: PickupType = "daily"
    """How UPS comes by the parcels, which published prices depend on.
    ``SHIPKIT_UPS_PICKUP_TYPE``.
    """
    customer_classification: CustomerClassification | None = None
    """Whose published prices are quoted; None: what UPS takes the account for.
    ``SHIPKIT_UPS_CUSTOMER_CLASSIFICATION``.
    """
    absence_proof_s: float | None = Field(default=None, gt=0)
    """Seconds of negative look-ups that prove an absence; None: 600.
    ``SHIPKIT_UPS_ABSENCE_PROOF_S``.
    """
