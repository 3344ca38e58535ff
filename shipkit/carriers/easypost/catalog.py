"""What EasyPost sells: its services and packagings, and how its rates name them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from shipkit.services import ServiceList

__all__ = ["SERVICES", "carrier_of", "code_of", "packaging_of"]

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


def packaging_of(code: str, packaging: str) -> str | None:
    """Return EasyPost's name of a packaging, ``""`` for one's own box, None if it has none."""
    word = _plain(packaging)
    if word in _OWN_BOX:
        return ""
    return _packagings().get(carrier_of(code), {}).get(word)


@cache
def _packagings() -> Mapping[str, Mapping[str, str]]:
    data = tomllib.loads(Path(__file__).with_name("packagings.toml").read_text("utf-8"))
    return {carrier: {_plain(name): name for name in names} for carrier, names in data.items()}


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _snake(text: str) -> str:
    parted = _WORD_ENDS.sub("_", text).lower()
    return re.sub(r"[^a-z0-9]+", "_", parted).strip("_")
