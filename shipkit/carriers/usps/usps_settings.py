"""The settings of a USPS account, from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from shipkit.settings import CarrierSettings

__all__ = ["UspsSettings"]


class UspsSettings(CarrierSettings):
    """The variables ``SHIPKIT_USPS_...``. How-to "USPS" says where the values come from."""

    ALSO: ClassVar[Mapping[str, str]] = {"account": "EPS_ACCOUNT"}

    client_id: str
    """The consumer key of an app on developers.usps.com. ``SHIPKIT_USPS_CLIENT_ID``."""
    client_secret: SecretStr
    """The consumer secret of the same app. ``SHIPKIT_USPS_CLIENT_SECRET``."""
    account: str
    """The number of the paying account, of the kind in `account_type`. ``SHIPKIT_USPS_ACCOUNT``,
    or ``SHIPKIT_USPS_EPS_ACCOUNT``.
    """
    crid: str
    """Your customer registration id. ``SHIPKIT_USPS_CRID``."""
    mid: str = Field(pattern=r"^([0-9]{6}|[0-9]{9})$")
    """Your mailer id, six or nine digits: part of each tracking number. ``SHIPKIT_USPS_MID``."""
    manifest_mid: str = Field(default="", pattern=r"^([0-9]{6}|[0-9]{9})?$")
    """The mailer id of the electronic manifest; empty: the same. ``SHIPKIT_USPS_MANIFEST_MID``."""
    account_type: Literal["EPS", "PERMIT", "METER"] = "EPS"
    """The kind of paying account. ``SHIPKIT_USPS_ACCOUNT_TYPE``."""
    permit_zip: str = Field(default="", pattern=r"^([0-9]{5})?$")
    """With ``PERMIT``: the ZIP of the permit. ``SHIPKIT_USPS_PERMIT_ZIP``."""
    env: Literal["test", "live"] = "test"
    """``test`` (labels that are not mailed) or ``live`` (labels that cost money).
    ``SHIPKIT_USPS_ENV``.
    """
    price_type: Literal["commercial", "contract"] = "commercial"
    """The prices that your labels are billed at. ``SHIPKIT_USPS_PRICE_TYPE``."""
    quota_per_hour: int = Field(default=60, ge=1)
    """Requests that USPS allows your app in an hour, for each API. ``SHIPKIT_USPS_QUOTA_PER_HOUR``.
    """
    base_url: str | None = None
    """Another host, on this machine only: for tests. ``SHIPKIT_USPS_BASE_URL``."""
