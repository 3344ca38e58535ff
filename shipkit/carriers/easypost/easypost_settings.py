"""The settings of an EasyPost account, from the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import SecretStr

from shipkit.settings import CarrierSettings

__all__ = ["EasyPostSettings"]


class EasyPostSettings(CarrierSettings):
    """The variables ``SHIPKIT_EASYPOST_...``. How-to "EasyPost" says where the values come from."""

    api_key: SecretStr
    """A test key (``EZTK...``), or with ``SHIPKIT_EASYPOST_ENV=live`` a production key
    (``EZAK...``). ``SHIPKIT_EASYPOST_API_KEY``.
    """
    env: Literal["test", "live"] = "test"
    """``test`` (labels that no carrier takes) or ``live`` (labels that cost money).
    ``SHIPKIT_EASYPOST_ENV``.
    """
    account: str = ""
    """A name that tells this account from your others, such as its user id. Jobs belong to it.
    Without one they belong to the key. ``SHIPKIT_EASYPOST_ACCOUNT``.
    """
    carrier_accounts: str = ""
    """Ids of the carrier accounts to ask for prices (``ca_...``), with commas between; empty: all
    active ones. ``SHIPKIT_EASYPOST_CARRIER_ACCOUNTS``.
    """
    insurance: Literal["account", "off"] = "account"
    """For shipments without a declared value: as the account has it, or ``off``, which sends 0.
    ``SHIPKIT_EASYPOST_INSURANCE``.
    """
    verify: bool = False
    """Check each address when it is priced, so that an address that the carrier would rewrite is a
    warning of its row. EasyPost bills checks beyond the plan's allowance.
    ``SHIPKIT_EASYPOST_VERIFY``.
    """
    end_shipper: str = ""
    """The id of an end shipper (``es_...``), which some carrier accounts require.
    ``SHIPKIT_EASYPOST_END_SHIPPER``.
    """
    base_url: str | None = None
    """Another host, on this machine only: for tests. ``SHIPKIT_EASYPOST_BASE_URL``."""
