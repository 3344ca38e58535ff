"""A rate card, and its two ways of pricing: one shipment in Python, a whole table in SQL."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from shipkit.carriers.ratecard.card_checks import check_card
from shipkit.carriers.ratecard.card_parts import (
    CARD_SERVICES,
    OUNCES,
    RATES,
    TRANSIT,
    DimDivisor,
    Discount,
    Surcharge,
    ZoneChart,
    rule_text,
)
from shipkit.errors import RateCardError
from shipkit.fingerprints import digest
from shipkit.models import Address, Rate, Shipment

if TYPE_CHECKING:
    from shipkit.carriers.ratecard.sheets import Paths

__all__ = ["UP_SINCE", "RateCard"]


UP_SINCE = dt.date(2025, 8, 18)
"""The day from which UPS and FedEx round each fraction of an inch up (Supply Chain Dive, "UPS to
round up package dimensions", August 2025)."""


class _Texts(tuple[Any, ...]):
    """Rules that a fingerprint shows without the fields that are not set and were added later."""

    __slots__ = ()

    def __repr__(self) -> str:
        inner = ", ".join(map(rule_text, self))
        return f"({inner},)" if len(self) == 1 else f"({inner})"


@dataclass(frozen=True, eq=False)
class RateCard:
    """What a carrier (or a contract) charges.

    Parameters
    ----------
    zones, rates, transit
        A :class:`ZoneChart`, and tables with the columns of :data:`RATES` and :data:`TRANSIT`.
    surcharges
        In the order in which they apply.
    areas
        Named lists of 5-digit ZIPs for surcharges.
    dim_divisor, dim_divisors
        Cubic inches to a pound of dimensional weight, and where it differs.
    dim_rounding
        Sides to whole inches: ``nearest``, ``up``, or ``by_day``, as UPS and FedEx do it: up since
        18 August 2025, to the nearest before.
    by_shipment
        The services that price the total weight of a shipment. Others price each parcel by its own
        weight, as UPS does within a country. Default: the services that only go abroad.
    """

    name: str
    zones: ZoneChart
    rates: pa.Table
    transit: pa.Table = field(default_factory=TRANSIT.empty_table)
    surcharges: tuple[Surcharge, ...] = ()
    discounts: tuple[Discount, ...] = ()
    areas: Mapping[str, frozenset[str]] = field(default_factory=dict)
    currency: str = "USD"
    dim_divisor: int = 139
    dim_rounding: str = "by_day"
    max_parcel_lb: int = 150
    max_longest_in: int = 108
    max_girth_in: int = 165
    zip_countries: tuple[str, ...] = ("US", "PR", "VI", "GU", "AS", "MP")
    """Countries and territories that share the origin's ZIP system and its zones."""
    effective: dt.date | None = None
    is_synthetic: bool = False
    older: tuple[RateCard, ...] = ()
    """Versions that were in force before this one, oldest first; see :meth:`dated`."""
    dim_divisors: tuple[DimDivisor, ...] = ()
    by_shipment: tuple[str, ...] | None = None
    ounces: pa.Table = field(default_factory=OUNCES.empty_table)
    """Prices under a pound (:data:`OUNCES`); without them, a pound is the least that is billed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", self.rates.select(RATES.names).cast(RATES))
        object.__setattr__(self, "ounces", self.ounces.select(OUNCES.names).cast(OUNCES))
        object.__setattr__(self, "transit", self.transit.select(TRANSIT.names).cast(TRANSIT))
        check_card(self)

    @classmethod
    def synthetic(cls) -> RateCard:
        """Return the sandbox's card: made-up prices, with zones by distance."""
        from shipkit.carriers.ratecard.synthetic import synthetic_card

        return synthetic_card()

    @classmethod
    def from_files(
        cls,
        zones: Paths,
        rates: Paths | Mapping[str, Paths],
        surcharges: Any = None,
        discounts: Any = None,
        *,
        transit: Paths | None = None,
        areas: Mapping[str, Any] | None = None,
        effective: dt.date | str | None = None,
        name: str | None = None,
        origin: str | None = None,
        services: Mapping[str, str] | None = None,
        currency: str = "USD",
        breaks: bool = False,
        complete: bool = False,
        carrier: str = "ups",
        **rules_of_weight: Any,
    ) -> RateCard:
        """Return the card of a contract, read from files (CSV, XLSX, XLS, ODS, Parquet).

        Parameters
        ----------
        zones
            A file, folder, glob or list of them: UPS's zone files by origin ZIP3 as published
            (with preamble, ranges, ``-`` and the footer of 5-digit ZIPs), or tables with
            ``origin``, ``destination`` and a column of zones for each service (or ``service`` and
            ``zone``). An end is a ZIP3, a ZIP, a range of them, or a country.
        rates
            Weights down and zones across, a sheet or file for each service (named after it, or
            ``rates={"ground": "..."}``, or with a column ``service``); or lines with ``service``,
            ``zone``, ``lb``, ``price``. ``151+`` or ``per lb`` is a price a pound.
        surcharges, discounts
            TOML (``[[surcharge]]``, ``[[discount]]``, ``[[dim]]``, ``[areas]``) or tables with a
            row per rule; objects are taken too.
        transit
            A table with ``service``, ``zone``, ``days``.
        areas
            Name -> file or ZIPs, for surcharges with ``area``.
        effective
            First day of the card; :meth:`dated` joins several.
        origin
            First three digits of the ZIP that all shipments start from, where the zone file does
            not say.
        services
            The files' own names for services: ``{"Express Saver": "3_day_select"}``.
        breaks
            A weight that is not in the table costs what the next heavier one does. Otherwise a
            missing weight is an error.
        complete
            Refuse a chart that leaves out ZIP prefixes of the contiguous states.
        carrier
            Whose services the files name: ``"ups"``, ``"usps"`` or ``"fedex"``. Services of the
            last two are called ``usps:priority`` or ``fedex:ground`` on the card. USPS's zone
            charts and FedEx's zone files (PDF) are read as published. USPS's rules of weight and
            size are the default of its cards.
        **rules_of_weight
            ``dim_divisor`` (139), ``dim_rounding`` (``"by_day"``, ``"nearest"`` or ``"up"``),
            ``by_shipment``, ``max_parcel_lb`` and others of :class:`RateCard`.

        Raises
        ------
        RateCardError
            A cell cannot be read, weights are missing, lines overlap, a zone has no prices: the
            message names file, line and column.
        """
        from shipkit.carriers.ratecard import from_files as files

        names = files.names_of(services, carrier)
        day, currency = files.day_of(effective), files.currency_of(currency)
        prices, ounces = files.prices_of(rates, names, currency, breaks=breaks)
        rules = files.rules_of(surcharges, discounts, areas or {}, names, currency)
        weights = files.rules_of_weight(carrier, day) | rules_of_weight
        weights["dim_divisors"] = (*rules.dim_divisors, *weights.get("dim_divisors", ()))
        return cls(
            name=name or files.stem_of(zones),
            zones=files.zones_of(zones, prices, names, origin, complete_chart=complete),
            rates=files.table_of(prices, RATES),
            ounces=files.table_of(ounces, OUNCES),
            transit=files.transit_of(transit, names),
            surcharges=rules.surcharges,
            discounts=rules.discounts,
            areas=rules.areas,
            currency=currency,
            effective=day,
            **weights,
        )

    @classmethod
    def dated(cls, *cards: RateCard) -> RateCard:
        """Return several versions as one card.

        Each shipment is priced by the version in force on its day.

        The oldest also holds for the days before it, the newest for shipments without a date.

        Raises
        ------
        RateCardError
            A version has no ``effective`` day, or two have the same.
        """
        flat = [version for card in cards for version in (*card.older, card)]
        days = [card.effective for card in flat]
        if not flat or None in days or len(set(days)) < len(days):
            raise RateCardError(
                "Versions of a card need an effective day each, no two the same.",
                fix='Pass effective="2026-12-28" to from_files.',
            )
        alone = sorted(
            (replace(card, older=()) for card in flat),
            key=lambda card: card.effective or dt.date.min,
        )
        return replace(alone[-1], older=tuple(alone[:-1]))

    def on(self, day: dt.date | None) -> RateCard:
        """Return the version in force on `day`, the newest for None."""
        if not self.older:
            return self
        begun = [
            card
            for card in (*self.older, self)
            if day is None or (card.effective or dt.date.min) <= day
        ]
        version = begun[-1] if begun else self.older[0]
        return version if version is not self else self._newest

    @cached_property
    def _newest(self) -> RateCard:
        return replace(self, older=())

    def save(self, path: str | Path) -> Path:
        """Write the card to a folder, or to one file when `path` ends in ``.zip``.

        It contains Parquet tables and a readable ``card.toml``.
        """
        from shipkit.carriers.ratecard.bundle import save_card

        return save_card(self, path)

    @classmethod
    def load(cls, path: str | Path) -> RateCard:
        """Return the card that :meth:`save` wrote.

        Raises RateCardError when it is damaged or was changed.
        """
        from shipkit.carriers.ratecard.bundle import load_card

        return load_card(path)

    def quote(self, shipment: Shipment, shipper: Address, as_of: dt.date | None = None) -> Rate:
        """Return the price of one shipment, in plain Python.

        Raises
        ------
        CarrierRejected
            When the card cannot price it; the message says why, the fix what to change.
        """
        from shipkit.carriers.ratecard.one import quote_one

        settled = CARD_SERVICES.settled(shipment)
        return quote_one(
            self.on(as_of or shipment.ship_date), settled, shipment.ship_from or shipper, as_of
        )

    def quote_table(
        self,
        table: pa.Table,
        shipper: Address,
        as_of: dt.date | None = None,
        *,
        basis: str = "rate_card",
    ) -> pa.Table:
        """Return a quote table (:data:`shipkit.schema.QUOTES`), row for row.

        A row that the card cannot price has null cost, a problem and a fix.

        Parameters
        ----------
        table
            With the columns of :data:`shipkit.schema.SHIPMENTS` that price depends on; the rest
            may be missing.
        as_of
            Price by the rules of this day, whatever the ship dates.
        """
        from shipkit.carriers.ratecard.price_tables import quote_table

        return quote_table(self, table, shipper, as_of, basis=basis)

    def shop_table(
        self,
        table: pa.Table,
        shipper: Address,
        as_of: dt.date | None = None,
        *,
        basis: str = "rate_card",
    ) -> pa.Table:
        """Return a price by each service, in one statement, sorted by row and cost.

        The columns are those of :data:`shipkit.carriers.quoting.SHOPPED`.

        A row that no service takes has one line without a price, with a problem and a fix.
        """
        from shipkit.carriers.ratecard.price_tables import shop_table

        return shop_table(self, table, shipper, as_of, basis=basis)

    def itemise(self, table: pa.Table, shipper: Address, as_of: dt.date | None = None) -> pa.Table:
        """Return :meth:`quote_table` with a column in cents for each surcharge, by name."""
        from shipkit.carriers.ratecard.price_tables import quote_table

        return quote_table(self, table, shipper, as_of, itemised=True)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides a price, the same in any process."""
        rules = (
            self.zones.fingerprint,
            digest(self.rates),
            digest(self.transit),
            _Texts(self.surcharges),
            _Texts(self.discounts),
            sorted((name, sorted(zips)) for name, zips in self.areas.items()),
            self.currency,
            self.dim_divisor,
            self.dim_rounding,
            self.max_parcel_lb,
            self.max_longest_in,
            self.max_girth_in,
            self.zip_countries,
            self.effective,
            *(card.fingerprint for card in self.older),
            *((digest(self.ounces),) if self.ounces.num_rows else ()),
            *((self.dim_divisors,) if self.dim_divisors else ()),
            *(("by_shipment", self.by_shipment) if self.by_shipment is not None else ()),
        )
        return hashlib.sha256(repr(rules).encode()).hexdigest()

    @cached_property
    def priced_together(self) -> frozenset[str]:
        """The services that price the total weight of a shipment."""
        if self.by_shipment is not None:
            return frozenset(self.by_shipment)
        return frozenset(each.code for each in CARD_SERVICES if each.reach == "abroad")

    @cached_property
    def pricing_values(self) -> tuple[str, ...]:
        """The services with a surcharge for declared value, which must be in the card's currency.

        Made-up prices take the number of any currency: a shop in Toronto can try its file.
        """
        rules = () if self.is_synthetic else self.surcharges
        by_value = [rule.services for rule in rules if rule.declared_value]
        return tuple(
            name for name in self.services if any(not some or name in some for some in by_value)
        )

    def rounds_up(self, day: dt.date | None) -> bool | None:
        """Return whether sides are rounded up to whole inches on `day`."""
        if self.dim_rounding != "by_day":
            return self.dim_rounding == "up"
        return day is None or day >= UP_SINCE or (self.effective or dt.date.min) >= UP_SINCE

    @cached_property
    def last_lb(self) -> int:
        """The highest billable weight with its own price.

        Where there is a row above it, that row prices everything heavier.
        """
        open_ended = {
            row["lb"]
            for row in self.rates.select(["lb", "cents_per_lb"]).to_pylist()
            if row["cents_per_lb"]
        }
        top = max(self.rates.column("lb").to_pylist(), default=0)
        return top - 1 if top in open_ended else top

    @cached_property
    def services(self) -> tuple[str, ...]:
        """The services with prices."""
        return tuple(sorted(set(self.rates.column("service").to_pylist())))

    def services_for(self, shipment: Shipment, shipper: Address) -> list[str]:
        """Return the services with prices between these two addresses."""
        from shipkit.carriers.ratecard.one import ends_of

        ends = ends_of(self, shipment.ship_from or shipper, shipment.ship_to)
        return [
            name
            for name in self.services
            if self.zone(ends.origin, (ends.exact, ends.prefix), name) is not None
        ]

    def zone(self, origin: str, destinations: Iterable[str], service: str) -> str | None:
        """Return the zone of the first of `destinations` that the chart has."""
        chart = self._charts.get(origin)
        if chart is None:
            chart = {
                (r["destination"], r["service"]): r["zone"]
                for r in self.zones.rows([origin]).to_pylist()
            }
            self._charts[origin] = chart
        return next((chart[end, service] for end in destinations if (end, service) in chart), None)

    @cached_property
    def _charts(self) -> dict[str, dict[tuple[str, str], str]]:
        return {}

    @cached_property
    def prices(self) -> dict[tuple[str, str, int], tuple[int, int]]:
        """(service, zone, billable pounds) -> cents, cents a pound."""
        return {
            (r["service"], r["zone"], r["lb"]): (r["cents"], r["cents_per_lb"])
            for r in self.rates.to_pylist()
        }

    @cached_property
    def ounce_prices(self) -> dict[tuple[str, str, int], int]:
        """(service, zone, ounces) -> cents, for parcels under a pound."""
        return {(r["service"], r["zone"], r["oz"]): r["cents"] for r in self.ounces.to_pylist()}

    @cached_property
    def days(self) -> dict[tuple[str, str], int]:
        """(service, zone) -> business days."""
        return {(r["service"], r["zone"]): r["days"] for r in self.transit.to_pylist()}
