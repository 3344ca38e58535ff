"""Facts about places: ZIP ranges of the US states, names of states and countries.

Read once from small tables in ``shipkit/data``; a ZIP3 that no state has is in no range.
"""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path

__all__ = [
    "US_DOMAIN",
    "country_code",
    "country_codes",
    "place_key",
    "state_code",
    "state_codes",
    "zip3_states",
]

US_DOMAIN = ("US", "PR", "VI", "GU", "AS", "MP")
"""Countries whose postal codes are US ZIPs."""

_DATA = Path(__file__).parent / "data"


def place_key(name: str) -> str:
    """Return what two spellings of a place have in common: lower case, dots and double spaces gone.

    Examples
    --------
    >>> place_key(" N.Y. "), place_key("Cote  d'Ivoire")
    ('ny', "cote d'ivoire")
    """
    return re.sub(r" +", " ", name.replace(".", "").strip().lower())


@cache
def zip3_states() -> dict[str, str]:
    """Return first three digits of a ZIP -> its states, blank between: ``{"063": "CT NY", ...}``."""
    return {
        f"{number:03}": row["states"]
        for row in _rows("us_zip3.csv")
        for number in range(int(row["first"]), int(row["last"]) + 1)
    }


@cache
def state_codes() -> dict[tuple[str, str], str]:
    """Return (country, name or code as :func:`place_key` writes it) -> state code, for the US, Canada and Australia."""
    rows = _rows("states.csv")
    codes = {(row["country"], place_key(row["code"])): row["code"] for row in rows}
    return {**{(row["country"], place_key(row["name"])): row["code"] for row in rows}, **codes}


@cache
def country_codes() -> dict[str, str]:
    """Return name or code as :func:`place_key` writes it -> ISO 3166 two-letter code."""
    rows = _rows("countries.csv")
    codes = {place_key(row[column]): row["code"] for row in rows for column in ("code3", "code")}
    return {**{place_key(row["name"]): row["code"] for row in rows}, **codes}


def country_code(text: str | None) -> str:
    """Return the ISO code that `text` names, US for none, else `text` itself."""
    return country_codes().get(place_key(text), text) if text else "US"


def state_code(iso: str, text: str | None) -> str | None:
    """Return the code of the state that `text` names in the country `iso`, else `text` itself."""
    return (
        state_codes().get(("US" if iso in US_DOMAIN else iso, place_key(text)), text)
        if text
        else None
    )


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
