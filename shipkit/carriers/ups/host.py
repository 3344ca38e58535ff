"""Which host gets the credentials of a UPS account."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from shipkit.common.loopback import is_loopback
from shipkit.errors import SettingsError

__all__ = ["checked_host"]

_HOSTS: Final = {"test": "https://wwwcie.ups.com", "live": "https://onlinetools.ups.com"}


def checked_host(base_url: str | None, environment: str) -> str:
    """Return the URL of UPS's API for an environment.

    A host that is neither UPS's own for this environment nor this machine is refused, because it
    would be sent the credentials. A test account must not reach the live host by a wrong URL
    either: its labels would cost money.

    Raises
    ------
    SettingsError
        The environment is unknown, or the URL is refused.
    """
    if environment not in _HOSTS:
        raise SettingsError(f"SHIPKIT_UPS_ENV is {environment!r}.", fix="Use test or live.")
    if not base_url:
        return _HOSTS[environment]
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    clean = not (
        parts.username or parts.password or parts.query or parts.fragment
    ) and parts.path in {"", "/"}
    if clean and parts.scheme in {"http", "https"} and is_loopback(host):
        return base_url
    if not (clean and parts.scheme == "https" and (host == "ups.com" or host.endswith(".ups.com"))):
        raise SettingsError(
            "SHIPKIT_UPS_BASE_URL is neither a UPS host over https nor this machine.",
            fix="Unset it, or use https://wwwcie.ups.com (test) or https://onlinetools.ups.com "
            "(live).",
        )
    if f"https://{host}" in _HOSTS.values() and f"https://{host}" != _HOSTS[environment]:
        raise SettingsError(
            f"SHIPKIT_UPS_BASE_URL is UPS's other host: SHIPKIT_UPS_ENV is {environment}.",
            fix="Unset SHIPKIT_UPS_BASE_URL, or set SHIPKIT_UPS_ENV to match.",
        )
    return base_url
