"""Customs inside US mail: military post offices, and territories outside the customs area.

The customs territory of the US has the states, the District of Columbia and Puerto Rico (19 CFR
101.1). Goods to or from the other territories, and to military addresses, need papers as goods
abroad do: a form at USPS, an invoice at private carriers.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from shipkit.common.places import zip3_states

__all__ = ["AREAS", "MILITARY", "MILITARY_AREA", "customs_area", "is_military", "military_zip3s"]

MILITARY: Final = ("AA", "AE", "AP")
"""States of addresses at an APO, FPO or DPO."""
AREAS: Final = ("AS", "GU", "MP", "VI", "FM", "MH", "PW")
"""Territories outside the customs area, and the freely associated states, by their codes."""
MILITARY_AREA: Final = "military"


def is_military(state: str | None, postal_code: str | None) -> bool:
    """Return whether an address of the US is an APO, FPO or DPO, by its state or its ZIP."""
    return (state or "").upper() in MILITARY or (postal_code or "")[:3] in military_zip3s()


def customs_area(country: str, state: str | None, postal_code: str | None) -> str:
    """Return the area that an address is in: between two of them goods need papers.

    Examples
    --------
    >>> customs_area("US", "TX", "78205"), customs_area("PR", None, "00901")
    ('US', 'US')
    >>> customs_area("US", "GU", "96910"), customs_area("US", "AE", "09008")
    ('GU', 'military')
    """
    if country == "PR":
        return "US"
    if country != "US":
        return country
    if is_military(state, postal_code):
        return MILITARY_AREA
    area = (state or "").upper()
    return area if area in AREAS else "US"


@cache
def military_zip3s() -> tuple[str, ...]:
    """Return the first three digits of the ZIPs that military addresses have."""
    return tuple(code for code, found in zip3_states().items() if {*MILITARY} & {*found.split()})
