"""The parts of a rate card, read from files: see :meth:`RateCard.from_files`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from shipkit.carriers.ratecard import CARRIERS, TRANSIT, DimDivisor, Discount, Surcharge, TableZones
from shipkit.carriers.ratecard.prices import (
    ounces_written_out,
    read_prices,
    read_transit,
    written_out,
)
from shipkit.carriers.ratecard.sheets import Paths, Sheet, files_of, read_sheets
from shipkit.carriers.ratecard.surcharges import read_area, read_rules
from shipkit.carriers.ratecard.zones import (
    ANY,
    CarrierNames,
    ZoneLine,
    chart_of,
    complete,
    read_zones,
    service_named,
    zone_name,
)
from shipkit.errors import RateCardError

__all__ = [
    "ContractRules",
    "currency_of",
    "day_of",
    "names_of",
    "prices_of",
    "rules_of",
    "rules_of_weight",
    "stem_of",
    "table_of",
    "transit_of",
    "zones_of",
]


Prices = Sequence[tuple[str, str, int, int, int]]


@dataclass(frozen=True)
class ContractRules:
    """Surcharges, discounts and the lists of ZIPs that they apply to."""

    surcharges: tuple[Surcharge, ...]
    discounts: tuple[Discount, ...]
    areas: Mapping[str, frozenset[str]]
    dim_divisors: tuple[DimDivisor, ...] = ()


def prices_of(
    rates: Paths | Mapping[str, Paths],
    services: Mapping[str, str],
    currency: str,
    *,
    breaks: bool,
) -> tuple[Prices, Sequence[tuple[str, str, int, int]]]:
    """Return the rows of all rate files: those of :data:`RATES`, and those of :data:`OUNCES`."""
    prices = read_prices(_rate_sheets(rates, services), services, currency)
    return written_out(prices, breaks=breaks), ounces_written_out(prices)


def day_of(effective: dt.date | str | None) -> dt.date | None:
    """Return the day from which a card holds. Raises RateCardError for a text that is none."""
    if not isinstance(effective, str):
        return effective
    try:
        return dt.date.fromisoformat(effective.strip())
    except ValueError:
        raise RateCardError(
            f"effective={effective!r} is not a date.", fix='Write it as "2026-12-28".'
        ) from None


def currency_of(text: str) -> str:
    """Return a currency as three capital letters. Raises RateCardError for another text."""
    code = str(text).strip().upper()
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise RateCardError(f"currency={text!r} is not a currency.", fix='Write it as "USD".')
    return code


def names_of(services: Mapping[str, str] | None, carrier: str) -> Mapping[str, str]:
    """Return the files' own names for services, for files of `carrier`."""
    if carrier not in CARRIERS:
        raise RateCardError(
            f"carrier={carrier!r} is not known.", fix=f"Use one of: {', '.join(CARRIERS)}."
        )
    return CarrierNames(services or {}, carrier)


def rules_of_weight(carrier: str, effective: dt.date | None) -> dict[str, Any]:
    """Return what a carrier publishes about weights and sizes, where it differs from UPS's.

    USPS bills the size of parcels above a cubic foot only: by 139 with sides rounded up since 12
    July 2026, by 166 with sides to the nearest inch before (Federal Register 2026-09785).
    """
    if carrier != "usps":
        return {}
    before = effective is not None and effective < dt.date(2026, 7, 12)
    return {
        "dim_divisors": (DimDivisor(0, up_to_cubic_in=1728),),
        "dim_divisor": 166 if before else 139,
        "dim_rounding": "nearest" if before else "up",
        "max_parcel_lb": 70,
        "max_girth_in": 130,
    }


def zones_of(
    zones: Paths,
    prices: Prices,
    services: Mapping[str, str],
    origin: str | None,
    *,
    complete_chart: bool,
) -> TableZones:
    """Return the zone chart of the files, for the services that have prices."""
    lines = _for_services(
        read_zones(_sheets(zones), services, origin), sorted({row[0] for row in prices})
    )
    if complete_chart:
        complete(lines)
    return TableZones(chart_of(_priced(lines, prices)))


def transit_of(transit: Paths | None, services: Mapping[str, str]) -> pa.Table:
    """Return :data:`TRANSIT` from the files, empty without any."""
    days = read_transit(_sheets(transit), services) if transit is not None else []
    return table_of(days, TRANSIT)


def rules_of(
    surcharges: Any,
    discounts: Any,
    areas: Mapping[str, Any],
    services: Mapping[str, str],
    currency: str,
) -> ContractRules:
    """Return the rules of all files. Either kind of file may hold both kinds of rules."""
    rules = read_rules(_each(surcharges), "surcharge", services, currency)
    more = read_rules(_each(discounts), "discount", services, currency)
    return ContractRules(
        surcharges=(*rules.surcharges, *more.surcharges),
        discounts=(*rules.discounts, *more.discounts),
        areas={
            **rules.areas,
            **more.areas,
            **{key: _area(key, given) for key, given in areas.items()},
        },
        dim_divisors=(*rules.dim_divisors, *more.dim_divisors),
    )


def stem_of(zones: Paths) -> str:
    """Return the name of the first zone file, which names a card that was given no name."""
    return Path(str(files_of(zones)[0])).stem


def table_of(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Return `rows` as a table of `schema`."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(column, one.type) for column, one in zip(columns, schema, strict=True)],
        schema=schema,
    )


def _sheets(paths: Paths) -> list[Sheet]:
    return [sheet for path in files_of(paths) for sheet in read_sheets(path)]


def _rate_sheets(
    rates: Paths | Mapping[str, Paths], services: Mapping[str, str]
) -> list[tuple[Sheet, str | None]]:
    if not isinstance(rates, Mapping):
        return [(sheet, None) for sheet in _sheets(rates)]
    found: list[tuple[Sheet, str | None]] = []
    for text, paths in rates.items():
        service = service_named(text, services)
        if service is None:
            raise RateCardError(
                f"rates: {text!r} is not a known service.",
                fix='Use a name such as "ground" or "2nd_day_air".',
            )
        found += [(sheet, service) for sheet in _sheets(paths)]
    return found


def _for_services(lines: Sequence[ZoneLine], sold: Sequence[str]) -> list[ZoneLine]:
    """Return the lines of services that have prices; a chart for all services once for each."""
    spread = [
        ZoneLine(line.origin, line.destination, service, line.zone, line.sheet, line.row)
        for line in lines
        for service in sold
        if line.service in {ANY, service}
    ]
    if nowhere := sorted(set(sold) - {line.service for line in spread}):
        raise RateCardError(
            f"The zone files have no zones of {', '.join(nowhere)}, which has prices.",
            fix="Add a column for it, or leave its prices out.",
        )
    return spread


def _priced(lines: Sequence[ZoneLine], prices: Prices) -> list[ZoneLine]:
    """Return the rows with zones named as in the price tables.

    Raises RateCardError for zones without a price.

    UPS's charts write the service's digits before the zone (208 is zone 8 of 2nd Day Air); price
    tables may or may not.
    """
    known = {(row[0], row[1]) for row in prices}
    names: dict[tuple[str, str], str | None] = {}
    missing: dict[tuple[str, str], ZoneLine] = {}
    for line in lines:
        key = (line.service, line.zone)
        if key not in names:
            short = (
                zone_name(line.zone[1:])
                if len(line.zone) == 3 and line.zone.isdigit()
                else line.zone
            )
            names[key] = next(
                (zone for zone in (line.zone, short) if (line.service, zone) in known), None
            )
        if names[key] is None:
            missing.setdefault(key, line)
    if missing:
        (service, zone), line = next(iter(missing.items()))
        others = (
            f" Zones without prices in all: {', '.join(f'{s} {z}' for s, z in sorted(missing))}."
            if len(missing) > 1
            else ""
        )
        raise line.sheet.error(
            f"{line.destination} is zone {zone} of {service}, and the rate files have no prices "
            f"for it.{others}",
            fix="Add the zone's column to the rates.",
            row=line.row,
        )
    return [
        ZoneLine(
            n.origin, n.destination, n.service, names[n.service, n.zone] or n.zone, n.sheet, n.row
        )
        for n in lines
    ]


def _each(given: Any) -> Iterable[Any]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str | Path | Surcharge | Discount) else given


def _area(name: str, given: Any) -> frozenset[str]:
    if not isinstance(given, str | Path):
        return frozenset(given)
    lists = read_area(files_of(given)[0])
    return lists[name] if name in lists else frozenset().union(*lists.values())
