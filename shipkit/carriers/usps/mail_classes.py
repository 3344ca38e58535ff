"""What USPS sells: its services, its own packaging, and which addresses are domestic to it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from shipkit.common import us_areas
from shipkit.common.places import US_DOMAIN
from shipkit.models import Address
from shipkit.services import ServiceList

__all__ = [
    "ABROAD",
    "ASSOCIATED",
    "DOMESTIC",
    "NEEDS_FORM",
    "OWN_BOX",
    "SERVICES",
    "Packaging",
    "country_name",
    "is_domestic",
    "is_military",
    "packaging_of",
    "state_of",
]

SERVICES: Final = ServiceList.from_toml(Path(__file__).with_name("services.toml"))

DOMESTIC: Final = tuple(entry.code for entry in SERVICES if entry.reach == "domestic")
ABROAD: Final = tuple(entry.code for entry in SERVICES if entry.reach == "abroad")

OWN_BOX: Final = frozenset({"SP", "PA", "DR", "OS", "CP"})
"""Rate indicators of a rectangular box of one's own: single piece, Express single piece,
dimensional, oversized, cubic (domestic-labels.yaml, rateIndicator)."""

ASSOCIATED: Final = ("FM", "MH", "PW")
"""Freely associated states: countries of their own, and domestic mail with US ZIPs."""

NEEDS_FORM: Final = frozenset({"AS", "GU", "MP", *ASSOCIATED})
"""States and territories where goods need a customs form (DMM 608; refused with 160140)."""

_PLAIN_BOX: Final = frozenset({"package", "yourpackaging", "customerpackaging", "ownbox", "box"})


@dataclass(frozen=True)
class Packaging:
    """One of USPS's own packagings."""

    indicators: Mapping[str, str]
    """Mail class -> rate indicator."""
    sides: tuple[float, float, float]
    """Inches, longest first."""


@cache
def country_name(code: str) -> str:
    """Return the English name of a country, which a label abroad has next to its code."""
    from babel import Locale

    return str(Locale("en").territories.get(code, code))


def is_domestic(address: Address) -> bool:
    """Return whether USPS treats an address as domestic."""
    return address.country in US_DOMAIN or address.country in ASSOCIATED


def state_of(address: Address) -> str:
    """Return the two letters that USPS has for the state: a territory is a state to it."""
    return (address.state or "").upper() if address.country == "US" else address.country


def is_military(address: Address) -> bool:
    """Return whether an address is an APO, FPO or DPO."""
    if not is_domestic(address):
        return False
    return us_areas.is_military(state_of(address), address.postal_code)


def packaging_of(name: str) -> Packaging | None:
    """Return one of USPS's packagings, None for one's own box. Raises KeyError for another."""
    word = _plain(name)
    if word in _PLAIN_BOX:
        return None
    return _packagings()[word.removeprefix("usps").removeprefix("prioritymail")]


@cache
def _packagings() -> Mapping[str, Packaging]:
    data = tomllib.loads(Path(__file__).with_name("packagings.toml").read_text("utf-8"))
    return {
        _plain(name): Packaging(entry["indicators"], tuple(entry["sides"]))
        for entry in data["packaging"]
        for name in entry["names"]
    }


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
