"""The shipper's local day: the one meaning of "today" in shipkit.

A shipment leaves on the day that the shipper's clock shows, wherever the program runs: a container
has UTC, where it is tomorrow while people in New York are still packing. The zone is that of the
shipper's ZIP or postal code, else of the state, else of the country if it has one zone. Where none
of them tells (an APO, a large country without a postal code), it is the zone of the machine.
"""

from __future__ import annotations

import datetime as dt
import importlib.resources
import os
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.places import US_DOMAIN, zip3_states
from shipkit.errors import SettingsError

if TYPE_CHECKING:
    from shipkit.models import Address

__all__ = ["local_day", "local_days", "time_zone", "zone_of"]

_DATA: Final = Path(__file__).parent / "data" / "time_zones.toml"


def local_day(place: Address | None, at: dt.datetime | None = None) -> dt.date:
    """Return the day at a place: now, or at a moment with a time zone.

    Examples
    --------
    >>> from shipkit.models import Address
    >>> honolulu = Address(
    ...     name="A", address_line1="1 Pier", city="Honolulu", state="HI", postal_code="96813"
    ... )
    >>> local_day(honolulu, dt.datetime(2027, 1, 1, 9, tzinfo=dt.UTC))
    datetime.date(2026, 12, 31)
    """
    moment = _now() if at is None else at
    return _day_in(moment, None if place is None else time_zone(place))


def local_days(
    origins: pa.ChunkedArray, shipper: Address | None, at: dt.datetime | None = None
) -> pa.Scalar | pa.Array:
    """Return the day at the place that each row leaves from; one value where all are the same.

    Parameters
    ----------
    origins
        Addresses as structs, null for the shipper's.
    """
    moment = _now() if at is None else at
    usual = local_day(shipper, moment)
    if origins.null_count == len(origins):
        return pa.scalar(usual, pa.date32())
    rows = origins.combine_chunks()
    parts = [
        pc.coalesce(pc.struct_field(rows, name), pa.scalar(""))
        for name in ("country", "state", "postal_code")
    ]
    places = pc.binary_join_element_wise(*parts, "|").dictionary_encode()
    days = []
    for place in places.dictionary.to_pylist():
        name = _zone_name(*place.split("|", 2))
        days.append(_day_in(moment, None if name is None else ZoneInfo(name)))
    found = pa.array(days, pa.date32()).take(places.indices)
    return pc.if_else(pc.is_valid(rows), found, pa.scalar(usual, pa.date32()))


def time_zone(place: Address) -> ZoneInfo | None:
    """Return the time zone of an address, None where it does not tell: the machine's is meant."""
    return zone_of(place.country, place.state or "", place.postal_code or "")


def zone_of(country: str, state: str, postal_code: str) -> ZoneInfo | None:
    """Return the time zone of a place, None where its parts do not tell; no country is the US.

    Examples
    --------
    >>> zone_of("", "TX", "77315"), zone_of("", "", "")
    (zoneinfo.ZoneInfo(key='America/Chicago'), None)
    """
    name = _zone_name(country, state, postal_code)
    return None if name is None else ZoneInfo(name)


def _day_in(moment: dt.datetime, zone: ZoneInfo | None) -> dt.date:
    """Return the day in a zone; None is the machine's. Raises SettingsError if that is none."""
    try:
        return moment.astimezone(zone).date()
    except (ValueError, OverflowError) as error:
        if zone is not None:
            raise
        raise SettingsError(
            f"The time zone of this machine cannot be used: TZ={os.environ.get('TZ', '')!r} "
            f"({error}).",
            fix="Set TZ to the name of a zone, such as America/New_York.",
        ) from None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@cache
def _zone_name(country: str, state: str, postal_code: str) -> str | None:
    country = (country or "US").upper()
    code, state = postal_code.replace(" ", "").upper(), state.upper()
    if country in US_DOMAIN:
        return _us_zone(country, state, code)
    facts = _facts().get(country, {})
    return (
        _of_beginning(facts.get("zips", {}), code)
        or facts.get("states", {}).get(state)
        or _facts()["countries"].get(country)
        or _only_zones().get(country)
    )


def _us_zone(country: str, state: str, code: str) -> str | None:
    facts = _facts()["US"]
    named = _of_beginning(facts["zips"], code)
    if named is not None:
        return named
    # A ZIP says more than a state, which may be that of another line of the address.
    states = zip3_states().get(code[:3], "").split() or [state, country]
    zones = {facts["states"].get(each) for each in states} - {None}
    return zones.pop() if len(zones) == 1 else None


def _of_beginning(zones: dict[str, list[str]], code: str) -> str | None:
    """Return the zone with the longest beginning of `code`."""
    fits = {
        beginning: zone
        for zone, beginnings in zones.items()
        for beginning in beginnings
        if code.startswith(beginning)
    }
    return fits[max(fits, key=len)] if fits else None


@cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(_DATA.read_text(encoding="utf-8"))


@cache
def _only_zones() -> dict[str, str]:
    """Return the zone of each country that has one, by the table of the time zone database."""
    table = importlib.resources.files("tzdata").joinpath("zoneinfo", "zone.tab")
    found: dict[str, list[str]] = {}
    for line in table.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            found.setdefault(country, []).append(zone)
    return {country: zones[0] for country, zones in found.items() if len(zones) == 1}
