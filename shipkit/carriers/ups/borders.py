"""Customs borders: between which places goods need an invoice.

Customs areas are those of the EU's customs union and of the United Kingdom, not those of the VAT:
what leaves the VAT area (the Canary Islands) needs papers too, so it is an area of its own here.
The exceptions are those of Council Directive 2006/112/EC, article 6; Northern Ireland is on the
EU's side for goods (Windsor Framework).
"""

from __future__ import annotations

from typing import Final

__all__ = ["EU", "customs_areas", "is_customs_border"]

EU: Final = frozenset(
    {
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    }
)

_UNIONS: Final = {"MC": "EU", "IM": "GB", "LI": "CH", "PR": "US"}
"""Countries in the customs area of another: Monaco, the Isle of Man, Liechtenstein, Puerto Rico."""

_OUTSIDE: Final = {
    "ES": ("35", "38", "51", "52"),  # Canary Islands, Ceuta, Melilla
    "DE": ("27498", "78266"),  # Heligoland, Büsingen
    "IT": ("23041", "22061"),  # Livigno, Campione d'Italia
    "FI": ("22",),  # Åland
    "FR": ("97", "984", "986", "987", "988"),  # overseas; 980 is Monaco
    "GR": ("63086",),  # Mount Athos
}
"""Starts of postal codes that are outside the EU's area of customs or VAT."""


def customs_areas(country: str, postal_code: str) -> frozenset[str]:
    """Return the customs areas that a place belongs to.

    Examples
    --------
    >>> sorted(customs_areas("GB", "BT1 5GS")), sorted(customs_areas("ES", "35001"))
    (['EU', 'GB'], ['ES 35'])
    """
    code = postal_code.replace(" ", "").upper()
    for start in _OUTSIDE.get(country, ()):
        if code.startswith(start):
            return frozenset({f"{country} {start}"})
    if country == "GB" and code.startswith("BT"):
        return frozenset({"GB", "EU"})
    return frozenset({"EU" if country in EU else _UNIONS.get(country, country)})


def is_customs_border(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Return whether goods between two places, each a country and postal code, need an invoice.

    Within one country UPS takes no invoice, whatever the islands.
    """
    return one[0] != other[0] and customs_areas(*one).isdisjoint(customs_areas(*other))
