"""Which host gets the credentials of a USPS account."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from shipkit.common.loopback import is_loopback
from shipkit.errors import SettingsError

__all__ = ["api_host"]

_HOSTS: Final = {"test": "https://apis-tem.usps.com", "live": "https://apis.usps.com"}
"""The servers of every OpenAPI file of USPS (2026-06-23)."""


def api_host(base_url: str | None, environment: str) -> str:
    """Return the URL of USPS's API for an environment.

    Raises
    ------
    SettingsError
        The environment is unknown, or `base_url` is neither USPS's host of this environment nor
        this machine: it would be sent the credentials.
    """
    if environment not in _HOSTS:
        raise SettingsError(f"SHIPKIT_USPS_ENV is {environment!r}.", fix="Use test or live.")
    if not base_url or base_url.rstrip("/") == _HOSTS[environment]:
        return _HOSTS[environment]
    parts = urlsplit(base_url)
    clean = not (parts.username or parts.password or parts.query or parts.fragment)
    if (
        clean
        and parts.path in {"", "/"}
        and parts.scheme in {"http", "https"}
        and is_loopback(parts.hostname)
    ):
        return base_url.rstrip("/")
    raise SettingsError(
        f"SHIPKIT_USPS_BASE_URL is neither USPS's {environment} host nor this machine.",
        fix="Unset it.",
    )
