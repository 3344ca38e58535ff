"""What rules read about postal codes and regions abroad, as columns.

A statement only has the formats of the countries that its rows go to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from shipkit.common.address_formats import region_code, region_zips
from shipkit.common.places import US_DOMAIN
from shipkit.common.postal import has_no_codes, postal_format, territories
from shipkit.orders.expressions import choose, quote

__all__ = ["postal_columns", "unusual_code"]


def postal_columns(places: Iterable[tuple[str, str | None]]) -> str:
    """Return SQL of ``postal_ok``, ``postal_example``, ``postal_wanted``, ``postal_unused``.

    Of ``region_ok``: whether the postal code is one of the state. Null where that is not known.
    And of ``territory``: the place with a code of its own that the postal code is of, else null.

    Parameters
    ----------
    places
        Country and state of the rows, each pair once.
    """
    pairs = [(country, state) for country, state in places if country not in US_DOMAIN]
    formats = {
        country: format_
        for country in sorted({country for country, _ in pairs})
        if (format_ := postal_format(country)) is not None
    }
    fits = {
        country: f"regexp_full_match(upper(postal_code), {quote(each.pattern)})"
        + (f" AND regexp_matches(postal_code, '^(?:[^0]|{each.zeros})')" if each.zeros else "")
        for country, each in formats.items()
    }
    without = [c for c in sorted({country for country, _ in pairs}) if has_no_codes(c)]
    return f"""
        {choose("country", fits, "NULL::BOOLEAN")} AS postal_ok,
        {choose("country", {c: quote(f.example) for c, f in formats.items()}, "NULL")}
            AS postal_example,
        {choose("country", {c: "true" for c, f in formats.items() if f.required}, "false")}
            AS postal_wanted,
        {choose("country", dict.fromkeys(without, "postal_code IS NOT NULL"), "false")}
            AS postal_unused,
        {_region_fits(pairs)} AS region_ok,
        {choose("country", _territories(pairs), "NULL::VARCHAR")} AS territory
    """


def _territories(pairs: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Return SQL of the territory that a postal code is of, by the country it is written with."""
    found = {}
    for country in sorted({country for country, _ in pairs}):
        cases = " ".join(
            f"WHEN starts_with(upper(postal_code), {quote(start)}) THEN {quote(place)}"
            for start, place in territories(country)
        )
        if cases:
            found[country] = f"CASE {cases} END"
    return found


def unusual_code(countries: Iterable[str]) -> str:
    """Return SQL of whether a postal code is not in the usual form of its country."""
    unusual = {}
    for country in sorted(set(countries) - set(US_DOMAIN)):
        format_ = postal_format(country)
        if format_ is not None:
            zeros = f" OR NOT regexp_matches(postal_code, '^(?:[^0]|{format_.zeros})')"
            unusual[country] = (
                f"NOT regexp_full_match(postal_code, {quote(format_.usual)})"
                + (zeros if format_.zeros else "")
                + " OR regexp_full_match(postal_code, '[0 -]+')"
            )
        elif has_no_codes(country):
            unusual[country] = "true"
    return choose("country", unusual, "regexp_full_match(postal_code, '[0 .-]+')")


def _region_fits(pairs: Iterable[tuple[str, str | None]]) -> str:
    fits: dict[str, dict[str, str]] = {}
    for country, state in pairs:
        region = region_code(country, state) if state is not None else None
        pattern = region_zips(country).get(region or "")
        if state is not None and pattern is not None:
            test = f"regexp_matches(upper(postal_code), {quote(pattern)})"
            fits.setdefault(country, {})[state] = test
    return _nested(fits, lambda states: choose("state", states, "NULL::BOOLEAN"))


def _nested(
    table: Mapping[str, Mapping[str, str]], inner: Callable[[Mapping[str, str]], str]
) -> str:
    return choose(
        "country", {country: inner(states) for country, states in table.items()}, "NULL::BOOLEAN"
    )
