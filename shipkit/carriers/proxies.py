"""Which proxy a request to a carrier goes through, by ``SHIPKIT_PROXY``.

Without that setting a request goes straight to the carrier, whatever the environment says: what
``HTTP_PROXY`` names would see every address, and other programs set it. ``SHIPKIT_PROXY`` is the
address of a proxy, or the word ``environment``.
"""

from __future__ import annotations

import os
import urllib.request as standard
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from shipkit.errors import SettingsError

__all__ = ["ENVIRONMENT", "proxy_for", "proxy_hint"]

ENVIRONMENT: Final = "environment"
"""The value of ``SHIPKIT_PROXY`` that means ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``ALL_PROXY``."""

_SCHEMES: Final = ("http", "https")


def proxy_for(url: str, setting: SecretStr | None) -> SecretStr | None:
    """Return the proxy for requests to `url`, None for none.

    Hosts in ``NO_PROXY`` are asked without one, as every other program does it.

    Raises
    ------
    SettingsError
        The address of the proxy cannot be used. The message does not show it, because it may have
        a password.
    """
    if setting is None:
        return None
    target = urlsplit(url)
    host = target.netloc.rpartition("@")[2]
    if standard.proxy_bypass_environment(host):  # type: ignore[attr-defined]  # not in the stubs
        return None
    named = setting.get_secret_value().strip()
    if named.lower() == ENVIRONMENT:
        known = standard.getproxies_environment()
        named = known.get(target.scheme) or known.get("all") or ""
        if not named:
            return None
    return SecretStr(_checked(named))


def proxy_hint(setting: SecretStr | None) -> str:
    """Return what to add to the advice when there is no connection."""
    if setting is not None:
        return "The request went through SHIPKIT_PROXY."
    names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    there = next((name for name in names if os.environ.get(name)), None)
    if there is not None:
        return f"{there} is set and not used: SHIPKIT_PROXY={ENVIRONMENT} goes through it."
    return "Behind a proxy, set SHIPKIT_PROXY."


def _checked(address: str) -> str:
    """Return an address with its scheme. Raises SettingsError."""
    whole = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(whole)
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable:
        kind = whole.partition("://")[0]
        what = f"{kind} is not supported" if kind.startswith("socks") else "it is not an address"
        raise SettingsError(
            f"The proxy cannot be used: {what}.",
            fix="Set SHIPKIT_PROXY to an address like http://proxy.example.com:8080, or to "
            f"{ENVIRONMENT}.",
        )
    return whole
