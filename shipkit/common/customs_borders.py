"""Customs borders: between which places goods need an invoice.

Customs areas are those of the EU's customs union and of the United Kingdom, not those of the VAT:
what leaves the VAT area (the Canary Islands) needs papers too, so it is an area of its own here.
The exceptions are those of Council Directive 2006/112/EC, article 6; Northern Ireland is on the
EU's side for goods (Windsor Framework).
"""

from __future__ import annotations

from typing import Final

__all__ = ["EU", "UNITED", "border_sql", "customs_areas", "is_customs_border"]

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

UNITED: Final = EU | {*_UNIONS, "GB", "CH"}
"""Countries that share their customs area, or a part of it, with another one."""

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


def border_sql(one: tuple[str, str], other: tuple[str, str]) -> str:
    """Return SQL of :func:`is_customs_border`; each place is SQL of a country and a postal code."""
    here, there = _area_sql(*one), _area_sql(*other)
    shared = " OR ".join(
        f"({_northern_ireland_sql(*place)} AND {area} IN ('EU', 'GB'))"
        for place, area in ((one, there), (other, here))
    )
    return f"({one[0]} <> {other[0]} AND NOT ({here} = {there} OR {shared}))"


def _area_sql(country: str, code: str) -> str:
    """Return SQL of the customs area of a place, of Northern Ireland that of Great Britain."""
    outside = [
        f"WHEN {country} = '{name}' AND starts_with({_joined(code)}, '{start}') "
        f"THEN '{name} {start}'"
        for name, starts in _OUTSIDE.items()
        for start in starts
    ]
    members = ", ".join(f"'{name}'" for name in sorted(EU))
    unions = [f"WHEN {country} = '{name}' THEN '{area}'" for name, area in _UNIONS.items()]
    return (
        f"(CASE {' '.join(outside)} WHEN {country} IN ({members}) THEN 'EU' "
        f"{' '.join(unions)} ELSE {country} END)"
    )


def _northern_ireland_sql(country: str, code: str) -> str:
    return f"({country} = 'GB' AND starts_with({_joined(code)}, 'BT'))"


def _joined(code: str) -> str:
    return f"upper(replace(coalesce({code}, ''), ' ', ''))"
