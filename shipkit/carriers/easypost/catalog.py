"""What EasyPost sells: its services and packagings, and how its rates name them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from shipkit.services import ServiceList

__all__ = ["SERVICES", "carrier_of", "code_of", "packaging_of", "services_of"]

SERVICES: Final = ServiceList.from_toml(Path(__file__).with_name("services.toml"))

_OWN_BOX: Final = frozenset({"package", "yourpackaging", "customerpackaging", "ownbox", "box"})
_WORD_ENDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@cache
def code_of(carrier: str, service: str) -> str:
    """Return the code of the service that a rate names.

    A carrier that is not in the list has the code that its names make: an account may have any of
    EasyPost's hundred carriers.

    Examples
    --------
    >>> code_of("USPS", "GroundAdvantage"), code_of("Sendle", "TwoDay")
    ('usps:ground_advantage', 'sendle:two_day')
    """
    known = SERVICES.from_wire(f"{carrier}/{service}")
    return known or f"{_plain(carrier)}:{_snake(service)}"


def carrier_of(code: str) -> str:
    """Return the carrier that moves the parcels of a service: ``usps``."""
    return code.partition(":")[0]


@cache
def packaging_of(code: str | None, packaging: str) -> str | None:
    """Return EasyPost's name of a packaging, ``""`` for one's own box, None if it has none.

    Parameters
    ----------
    code
        The service; None where services are compared: the packaging may be any carrier's.
    """
    word = _plain(packaging)
    if word in _OWN_BOX:
        return ""
    carriers = [*_packagings()] if code is None else [carrier_of(code)]
    names = (_packagings().get(carrier, {}).get(word) for carrier in carriers)
    return next(filter(None, names), None)


def services_of(
    accounts: Iterable[Mapping[str, Any]], carriers: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the services of the carriers that an account has.

    Parameters
    ----------
    accounts
        ``GET /carrier_accounts``. An account names its carrier by its type (``UspsAccount``) or by
        what people read ("DHL eCommerce Solutions").
    carriers
        ``GET /metadata/carriers?types=service_levels``.
    """
    billed: dict[str, str] = {}
    for account in accounts:
        kind = _plain(str(account.get("type") or ""))
        for name in (
            kind.removesuffix("account").removesuffix("default"),
            _plain(str(account.get("readable") or "")),
        ):
            billed.setdefault(name, str(account.get("billing_type") or ""))
    found = []
    for carrier in carriers:
        name = str(carrier.get("name") or "")
        shown = str(carrier.get("human_readable") or name)
        for level in carrier.get("service_levels") or () if name in billed else ():
            if service := str(level.get("name") or ""):
                code = _listed(name, service) or code_of(name, service)
                title = SERVICES.title_of(code) if code in SERVICES else f"{shown} {service}"
                found.append(
                    {
                        "service": code,
                        "title": title,
                        "carrier": shown,
                        "wire": service,
                        "billed_by": billed[name],
                    }
                )
    return found


def _listed(carrier: str, service: str) -> str | None:
    """Return the code of the list for a carrier that is written in small letters."""
    wanted = f"{carrier}/{service}".lower()
    return next((e.code for e in SERVICES if next(iter(e.wire.values())).lower() == wanted), None)


@cache
def _packagings() -> Mapping[str, Mapping[str, str]]:
    data = tomllib.loads(Path(__file__).with_name("packagings.toml").read_text("utf-8"))
    return {carrier: {_plain(name): name for name in names} for carrier, names in data.items()}


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _snake(text: str) -> str:
    parted = _WORD_ENDS.sub("_", text).lower()
    return re.sub(r"[^a-z0-9]+", "_", parted).strip("_")
