"""The state that a city names behind itself: "Austin, TX", "Kansas City (Kansas)", "Sydney VIC"."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.places import US_DOMAIN, counties_named_as_states, state_code, state_codes

__all__ = [
    "COUNTRIES",
    "MAY_NAME",
    "LastPart",
    "city_elsewhere",
    "is_country",
    "last_part",
    "without_code",
]

COUNTRIES: Final = {
    "US": {"us", "usa", "unitedstates", "unitedstatesofamerica", "america"},
    "CA": {"can", "canada"},
    "AU": {"au", "aus", "australia"},
}
"""Countries whose addresses have a state -> how a city may name them."""

MAY_NAME: Final = r"[,;/(\[]| [-–] |-[A-Z]{2,3}$| [A-Z]{2,3}$"
"""Texts that may have a part behind the city, for Arrow: nearly no city has one."""

_LAST: Final = re.compile(
    r"(?P<sign>\s*[,;/]\s*|\s+[-–]\s+|\s*[(\[]|-(?=[A-Z]{2,3}$)|\s+(?=\S+$))"
    r"(?P<part>(?:(?!\s[-–]\s)[^,;/()\[\]])+?)[)\]]?\.?$"
)
_CODE: Final = re.compile(r"\b([0-9]{5})(?:-[0-9]{4})?\b")
_ENDS_OF_PLACES: Final = ("CO", "MT")
"""Codes that also end names of places: "Jessamine Co", "Rocky Mt"."""
_LINKS: Final = frozenset({"of", "the", "de", "del", "la", "le", "du"})


class LastPart(NamedTuple):
    """What is behind a city.

    Parameters
    ----------
    start
        Where it begins, with its sign.
    behind_sign
        Whether a comma, a dash or a bracket is before it, and not only a blank.
    text
        As it is written.
    state
        The code of the state that it names, if it does. Behind a blank it is one only as a code
        in capitals: "Kansas City Kansas" may be how the city is written.
    """

    start: int
    behind_sign: bool
    text: str
    state: str | None


@lru_cache(maxsize=4096)
def last_part(city: str, country: str) -> LastPart | None:
    """Return what is behind a city.

    Examples
    --------
    >>> last_part("Austin, Calif.", "US").state, last_part("Austin-CA", "US").state
    ('CA', 'CA')
    >>> last_part("Village of OR", "US").state, last_part("Winston-Salem", "US")
    (None, None)
    """
    found = _LAST.search(city)
    if found is None:
        return None
    text, sign = found["part"], found["sign"].strip()
    code = state_code(country, text)
    known = state_codes().get(("US" if country in US_DOMAIN else country, (code or "").lower()))
    if not sign:
        words = city[: found.start()].lower().split()
        known = known if text == known and words and words[-1] not in _LINKS else None
    return LastPart(found.start(), bool(sign), text, known)


def without_code(city: str, postal_code: str | None) -> str:
    """Return a city without the ZIP that it repeats."""
    code = _CODE.search(city)
    if code is None or not (postal_code or "").startswith(code[1]):
        return city
    return _CODE.sub(" ", city).strip(" ,-")


def is_country(text: str, country: str) -> bool:
    """Return whether a text behind a city is the name of its country."""
    plain = "".join(filter(str.isalpha, text)).lower()
    return plain in COUNTRIES["US" if country in US_DOMAIN else country]


def city_elsewhere(shipments: pa.Table) -> pa.Array:
    """Return which cities name another state than their row has."""
    cities = shipments.column("city").combine_chunks().dictionary_encode()
    odd = pc.match_substring_regex(cities.dictionary, MAY_NAME)
    places = pc.indices_nonzero(pc.fill_null(odd.take(cities.indices), fill_value=False))
    mask = np.zeros(shipments.num_rows, dtype=bool)
    if len(places):
        rows = shipments.select(["city", "state", "postal_code", "country"]).take(places)
        cells = zip(*(column.to_pylist() for column in rows.columns), strict=True)
        mask[places.to_numpy()] = [_differs(*row) for row in cells]
    return pa.array(mask)


@lru_cache(maxsize=4096)
def _differs(city: str, state: str | None, postal_code: str | None, country: str | None) -> bool:
    if state is None or not (country in COUNTRIES or country in US_DOMAIN):
        return False
    left = without_code(city, postal_code)
    last = last_part(left, country)
    if last is not None and last.behind_sign and is_country(last.text, country):
        last = last_part(left[: last.start], country)  # "Austin, CA, USA"
    if last is None or last.state in (None, state):
        return False
    if not last.behind_sign and last.state in _ENDS_OF_PLACES:
        return False
    # "Georgetown, Washington" is in the city, and "Hollywood, LA" in Los Angeles.
    in_washington = state == "DC" and last.text.lower() == "washington"
    area = (postal_code or "")[:3]
    in_los_angeles = state == "CA" and last.text == "LA" and "900" <= area <= "918"
    # "Springfield (Delaware)" is in that county of Pennsylvania; behind a comma it is a state.
    in_brackets = left[last.start :].lstrip().startswith(("(", "["))
    county = counties_named_as_states().get((last.text.lower(), state), ())
    in_county = in_brackets and area in county
    return not (in_washington or in_los_angeles or in_county)
