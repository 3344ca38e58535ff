"""A rate card: zones, prices by weight, surcharges, and two ways to price with them that agree to the cent.

:meth:`RateCard.quote` prices one shipment in plain Python, :meth:`RateCard.quote_table` a whole shipments
table in one SQL statement (:mod:`shipkit.carriers.ratecard_sql`). Amounts are whole minor units; percentages
are exact and rounded half up.

Rules of weight (UPS service guide, "How to determine billable weight"): dimensions to whole inches, their
product divided by the divisor and rounded up, actual weight rounded up, the larger bills, parcels add up.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Protocol

import pyarrow as pa

from shipkit.errors import CarrierRejected, RateCardError
from shipkit.models import Address, Parcel, Rate, ServiceLevel, Shipment
from shipkit.table import QUOTES, digest

__all__ = ["PARTS", "RATES", "TRANSIT", "ZONES", "Discount", "RateCard", "Surcharge", "TableZones", "ZoneChart", "add_business_days", "billable_lb", "ppm", "share"]

PARTS = ("base", "fuel", "residential", "delivery_area", "other")
"""The parts of a price; they add up to the cost. A surcharge belongs to one of the last four."""

ZONES = pa.schema([("origin", pa.string()), ("destination", pa.string()), ("service", pa.string()), ("zone", pa.string())])
"""A zone chart. Inside one ZIP system both ends are ZIP prefixes: the origin 3 digits, the destination 3, or 5 where
one ZIP differs from its neighbours (Alaska, Hawaii). Across a border both ends are country codes."""

RATES = pa.schema([("service", pa.string()), ("zone", pa.string()), ("lb", pa.int64()), ("cents", pa.int64()), ("cents_per_lb", pa.int64())])
"""Prices: `cents` + `cents_per_lb` x billable pounds. `lb` is the billable weight the row holds for; the row one above
:attr:`RateCard.last_lb` holds for everything heavier."""

TRANSIT = pa.schema([("service", pa.string()), ("zone", pa.string()), ("days", pa.int32())])
"""Business days from shipping to delivery."""


def ppm(percent: Decimal | str | int) -> int:
    """Return `percent` in millionths, exactly: ``ppm("15.25")`` is 152500.

    Raises
    ------
    RateCardError
        When it has more than four decimal places: write it with fewer.
    """
    value = Decimal(percent) * 10_000
    if value != int(value):
        raise RateCardError(f"{percent} % has more than four decimal places.", fix="Round it to four.")
    return int(value)


def share(cents: int, millionths: int) -> int:
    """Return `millionths` of `cents`, rounded half up, in whole numbers only."""
    return (cents * millionths + 500_000) // 1_000_000


class ZoneChart(Protocol):
    """Where zones come from: a table, or a rule."""

    fingerprint: str

    def rows(self, origins: Sequence[str]) -> pa.Table:
        """Return the lines of the chart (:data:`ZONES`) for `origins` (ZIP3 prefixes and country codes)."""


class TableZones:
    """A zone chart given as a table with the columns of :data:`ZONES`."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table.select(ZONES.names).cast(ZONES)
        self.fingerprint = digest(self.table)

    def rows(self, origins: Sequence[str]) -> pa.Table:
        """Return the lines for `origins`."""
        import pyarrow.compute as pc

        return self.table.filter(pc.is_in(self.table.column("origin"), value_set=pa.array(list(origins), pa.string())))


@dataclass(frozen=True)
class Discount:
    """Percent off the list price of a service (empty: of all), never below `minimum_cents`."""

    percent: Decimal
    minimum_cents: int = 0
    services: tuple[str, ...] = ()

    def of(self, cents: int) -> int:
        """Return what is left of `cents`."""
        return max(cents - share(cents, ppm(self.percent)), self.minimum_cents)


@dataclass(frozen=True)
class Surcharge:
    """One rule that adds to a price. Rules apply in order; a later one may take percent of an earlier one.

    Every condition that is set must hold. The amount is `cents` (a shipment, or with `per_parcel` or a size
    condition each parcel that meets it), or `percent` of what `of` names, or `cents` for each started 100
    units of declared value above `free_cents`.
    """

    name: str
    """A column of its own in the itemised table; unique on the card."""
    part: str
    """Which part of the quote it belongs to: one of :data:`PARTS` but ``base``."""
    cents: int = 0
    percent: Decimal | None = None
    of: tuple[str, ...] = ()
    """Parts (``base``, ``residential``) or names of earlier surcharges."""
    services: tuple[str, ...] = ()
    """Empty: all."""
    residential: bool | None = None
    area: str | None = None
    """Name of one of the card's ZIP lists."""
    signature: tuple[str, ...] = ()
    saturday: bool = False
    per_parcel: bool = False
    over_lb: int | None = None
    over_longest_in: int | None = None
    over_second_in: int | None = None
    over_girth_in: int | None = None
    """Length plus girth. A parcel that passes any one of the four meets the size condition."""
    declared_value: bool = False
    free_cents: int = 0
    minimum_cents: int = 0
    """Least amount where the rule applies with more than nothing."""
    since: dt.date | None = None
    until: dt.date | None = None
    """In force from `since` up to the day before `until`. A shipment without a date is priced by rules without `until`."""

    def __post_init__(self) -> None:
        if self.part not in PARTS[1:]:
            raise RateCardError(f"Surcharge {self.name!r} belongs to {self.part!r}.", fix=f"Choose one of: {', '.join(PARTS[1:])}.")
        if self.percent is not None:
            ppm(self.percent)
        if self.cents < 0 or self.minimum_cents < 0 or (self.percent or 0) < 0:
            raise RateCardError(f"Surcharge {self.name!r} is negative.", fix="Write what lowers a price as a discount.")

    @property
    def sized(self) -> bool:
        """Whether the rule looks at the weight or size of a parcel."""
        return any(v is not None for v in (self.over_lb, self.over_longest_in, self.over_second_in, self.over_girth_in))


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
    dim_rounding
        ``nearest`` whole inch, or ``up``.
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
    dim_rounding: str = "nearest"
    max_parcel_lb: int = 150
    max_longest_in: int = 108
    max_girth_in: int = 165
    zip_countries: tuple[str, ...] = ("US", "PR", "VI", "GU", "AS", "MP")
    """Countries and territories that share the origin's ZIP system and its zones."""
    effective: dt.date | None = None
    is_synthetic: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", self.rates.select(RATES.names).cast(RATES))
        object.__setattr__(self, "transit", self.transit.select(TRANSIT.names).cast(TRANSIT))
        _check(self)

    @classmethod
    def synthetic(cls) -> RateCard:
        """Return the sandbox's card: made-up prices, zones by distance. No carrier charges these."""
        from shipkit.carriers.ratecard_synthetic import synthetic_card

        return synthetic_card()

    def quote(self, shipment: Shipment, shipper: Address, as_of: dt.date | None = None) -> Rate:
        """Return the price of one shipment, in plain Python.

        Raises
        ------
        CarrierRejected
            When the card cannot price it; the message says why, the fix what to change.
        """
        return _quote(self, shipment, shipment.ship_from or shipper, as_of)

    def quote_table(self, table: pa.Table, shipper: Address, as_of: dt.date | None = None, *, basis: str = "rate_card") -> pa.Table:
        """Return a quote table (:data:`shipkit.table.QUOTES`), a line for each line of `table`, in order.

        A row that the card cannot price has null cost, a problem and a fix.

        Parameters
        ----------
        table
            With the columns of :data:`shipkit.table.SHIPMENTS` that price depends on; the rest may be missing.
        as_of
            Price by the rules of this day, whatever the ship dates.
        """
        from shipkit.carriers.ratecard_sql import quote_table

        return quote_table(self, table, shipper, as_of, basis=basis)

    def itemise(self, table: pa.Table, shipper: Address, as_of: dt.date | None = None) -> pa.Table:
        """Return :meth:`quote_table` with a column in cents for each surcharge, by name."""
        from shipkit.carriers.ratecard_sql import quote_table

        return quote_table(self, table, shipper, as_of, itemised=True)

    @cached_property
    def fingerprint(self) -> str:
        """A SHA-256 of everything that decides a price: same card, same fingerprint, in any process."""
        rules = (
            self.zones.fingerprint, digest(self.rates), digest(self.transit), self.surcharges, self.discounts,
            sorted((name, sorted(zips)) for name, zips in self.areas.items()), self.currency, self.dim_divisor, self.dim_rounding,
            self.max_parcel_lb, self.max_longest_in, self.max_girth_in, self.zip_countries, self.effective,
        )
        return hashlib.sha256(repr(rules).encode()).hexdigest()

    @cached_property
    def last_lb(self) -> int:
        """The heaviest billable weight with a price of its own; the row above it, where there is one, holds for all heavier."""
        open_ended = {row["lb"] for row in self.rates.select(["lb", "cents_per_lb"]).to_pylist() if row["cents_per_lb"]}
        top = max(self.rates.column("lb").to_pylist(), default=0)
        return top - 1 if top in open_ended else top

    @cached_property
    def services(self) -> tuple[str, ...]:
        """The services with prices."""
        return tuple(sorted(set(self.rates.column("service").to_pylist())))

    def services_for(self, shipment: Shipment, shipper: Address) -> list[ServiceLevel]:
        """Return the services sold between these two addresses."""
        ends = ends_of(self, shipment.ship_from or shipper, shipment.ship_to)
        return [ServiceLevel(name) for name in self.services if self._zone(ends, name) is not None]

    def _zone(self, ends: Ends, service: str) -> str | None:
        chart = self._charts.get(ends.origin)
        if chart is None:
            chart = {(r["destination"], r["service"]): r["zone"] for r in self.zones.rows([ends.origin]).to_pylist()}
            self._charts[ends.origin] = chart
        return chart.get((ends.exact, service)) or chart.get((ends.prefix, service))

    @cached_property
    def _charts(self) -> dict[str, dict[tuple[str, str], str]]:
        return {}

    @cached_property
    def _prices(self) -> dict[tuple[str, str, int], tuple[int, int]]:
        return {(r["service"], r["zone"], r["lb"]): (r["cents"], r["cents_per_lb"]) for r in self.rates.to_pylist()}

    @cached_property
    def _days(self) -> dict[tuple[str, str], int]:
        return {(r["service"], r["zone"]): r["days"] for r in self.transit.to_pylist()}


def _check(card: RateCard) -> None:
    names = [s.name for s in card.surcharges]
    if len(set(names)) < len(names):
        raise RateCardError(f"Card {card.name!r} has two surcharges of one name.", fix="Give each a name of its own.")
    if taken := set(names) & set(QUOTES.names):
        raise RateCardError(f"Surcharge {min(taken)!r} has the name of a column of every quote.", fix="Give it another name.")
    known = set(PARTS)
    for rule in card.surcharges:
        if rule.area is not None and rule.area not in card.areas:
            raise RateCardError(f"Surcharge {rule.name!r} needs the ZIP list {rule.area!r}, and the card has none.", fix="Add it to areas.")
        if unknown := set(rule.of) - known:
            raise RateCardError(f"Surcharge {rule.name!r} is percent of {', '.join(sorted(unknown))}, which is no part and no earlier surcharge.", fix="Put it after what it refers to.")
        known.add(rule.name)
    keys = list(zip(*(card.rates.column(n).to_pylist() for n in ("service", "zone", "lb")), strict=True))
    if len(set(keys)) < len(keys):
        raise RateCardError(f"Card {card.name!r} has two prices for one service, zone and weight.", fix="Keep one.")


# --- one shipment, in plain Python -----------------------------------------------------------------------


@dataclass(frozen=True)
class Ends:
    """Where a shipment goes, as the zone chart names it."""

    origin: str
    prefix: str
    exact: str


@dataclass(frozen=True)
class Measure:
    """A parcel in whole pounds and inches, as it is billed."""

    weight_lb: int
    billable_lb: int
    longest_in: int = 0
    second_in: int = 0
    girth_in: int = 0


def ends_of(card: RateCard, origin: Address, to: Address) -> Ends:
    """Return the keys of the zone chart for a shipment from `origin` to `to`."""
    home, away = origin.country in card.zip_countries, to.country in card.zip_countries
    if home and away:
        start, end = origin.postal_code or "", to.postal_code or ""
        return Ends(start[:3], end[:3], end[:5])
    return Ends("US" if home else origin.country, "US" if away else to.country, "")


def measure(card: RateCard, parcel: Parcel) -> Measure:
    """Return `parcel` in billed units."""
    weight = max(1, math.ceil(parcel.weight_lb - 1e-6))  # a millionth: pounds converted from kilograms are not a pound more
    if parcel.length_in is None or parcel.width_in is None or parcel.height_in is None:
        return Measure(weight, weight)
    sizes = sorted((_inches(card, v) for v in (parcel.length_in, parcel.width_in, parcel.height_in)), reverse=True)
    volume = sizes[0] * sizes[1] * sizes[2]
    return Measure(weight, max(weight, -(-volume // card.dim_divisor)), sizes[0], sizes[1], sizes[0] + 2 * (sizes[1] + sizes[2]))


def _inches(card: RateCard, inches: float) -> int:
    return max(1, math.floor(inches + 0.5) if card.dim_rounding == "nearest" else math.ceil(inches))


def billable_lb(card: RateCard, parcels: Iterable[Parcel]) -> int:
    """Return the billable weight of a shipment, whole pounds."""
    return sum(measure(card, p).billable_lb for p in parcels)


def _quote(card: RateCard, shipment: Shipment, origin: Address, as_of: dt.date | None) -> Rate:
    service = str(shipment.service)
    sizes = [measure(card, p) for p in shipment.parcels]
    ends = ends_of(card, origin, shipment.ship_to)
    zone = card._zone(ends, service)  # noqa: SLF001 - the other half of this file
    billable = sum(m.billable_lb for m in sizes)
    price = card._prices.get((service, zone or "", min(billable, card.last_lb + 1)))  # noqa: SLF001
    if refusal := _no_price(card, shipment, origin, sizes) or _no_rate(service, ends, zone, price is not None, billable):
        raise CarrierRejected(refusal[0], fix=refusal[1], carrier_code="rate")
    assert zone is not None and price is not None  # noqa: S101, PT018 - what _no_rate has just said
    parts = _amounts(card, shipment, sizes, price[0] + price[1] * billable, as_of)
    days = card._days.get((service, zone))  # noqa: SLF001
    return Rate(
        service=shipment.service, cost_cents=sum(parts.values()), currency=card.currency, zone=zone, billable_weight_lb=float(billable), transit_days=days,
        delivery_date=None if days is None or shipment.ship_date is None else add_business_days(shipment.ship_date, days),
        **{f"{part}_cents": cents for part, cents in parts.items()},
    )


def _amounts(card: RateCard, shipment: Shipment, sizes: Sequence[Measure], list_cents: int, as_of: dt.date | None) -> dict[str, int]:
    """Return what each part of the price comes to."""
    service, day = str(shipment.service), as_of or shipment.ship_date
    base = next((d.of(list_cents) for d in card.discounts if not d.services or service in d.services), list_cents)
    parts = dict.fromkeys(PARTS, 0) | {"base": base}
    items: dict[str, int] = {}
    for rule in card.surcharges:
        if _applies(card, rule, shipment, day):
            items[rule.name] = _amount(rule, shipment, sizes, items | parts)  # a part wins over a rule of its name
        else:
            items[rule.name] = 0
        parts[rule.part] += items[rule.name]
    return parts


def _amount(rule: Surcharge, shipment: Shipment, sizes: Sequence[Measure], so_far: Mapping[str, int]) -> int:
    if rule.percent is not None:
        cents = share(sum(so_far[name] for name in rule.of), ppm(rule.percent))
    elif rule.declared_value:
        cents = sum(_of_value(rule, p) for p in shipment.parcels)
    elif rule.sized:
        cents = rule.cents * sum(_passes(rule, m) for m in sizes)
    else:
        cents = rule.cents * (len(sizes) if rule.per_parcel else 1)
    return max(cents, rule.minimum_cents) if cents else 0


def _applies(card: RateCard, rule: Surcharge, shipment: Shipment, day: dt.date | None) -> bool:
    to = shipment.ship_to
    return (
        (not rule.services or str(shipment.service) in rule.services)
        and (rule.residential is None or bool(to.residential) is rule.residential)
        and (rule.area is None or (to.country in card.zip_countries and (to.postal_code or "")[:5] in card.areas[rule.area]))
        and (not rule.signature or str(shipment.signature) in rule.signature)
        and (not rule.saturday or shipment.saturday_delivery)
        and (rule.since is None or day is None or day >= rule.since)
        and (rule.until is None or (day is not None and day < rule.until))
    )


def _of_value(rule: Surcharge, parcel: Parcel) -> int:
    above = (parcel.declared_value.cents if parcel.declared_value else 0) - rule.free_cents
    return rule.cents * -(-above // 10_000) if above > 0 else 0


def _passes(rule: Surcharge, m: Measure) -> bool:
    limits = ((rule.over_lb, m.weight_lb), (rule.over_longest_in, m.longest_in), (rule.over_second_in, m.second_in), (rule.over_girth_in, m.girth_in))
    return any(limit is not None and value > limit for limit, value in limits)


def _no_price(card: RateCard, shipment: Shipment, origin: Address, sizes: Sequence[Measure]) -> tuple[str, str] | None:
    """Return problem and fix, or None. The SQL asks the same questions in the same order."""
    service = str(shipment.service)
    if service not in card.services:
        return REFUSALS["service"][0].format(service=service), REFUSALS["service"][1].format(known=", ".join(card.services))
    if any(m.weight_lb > card.max_parcel_lb for m in sizes):
        return REFUSALS["weight"][0].format(limit=card.max_parcel_lb), REFUSALS["weight"][1]
    if any(m.longest_in > card.max_longest_in or m.girth_in > card.max_girth_in for m in sizes):
        return REFUSALS["size"][0].format(longest=card.max_longest_in, girth=card.max_girth_in), REFUSALS["size"][1]
    by_zip = origin.country in card.zip_countries and shipment.ship_to.country in card.zip_countries
    if by_zip and not origin.postal_code:
        return REFUSALS["origin"]
    return REFUSALS["destination"] if by_zip and not shipment.ship_to.postal_code else None


def _no_rate(service: str, ends: Ends, zone: str | None, priced: bool, billable: int) -> tuple[str, str] | None:
    if zone is None:
        return REFUSALS["zone"][0].format(service=service, origin=ends.origin, to=ends.exact or ends.prefix), REFUSALS["zone"][1]
    return None if priced else (REFUSALS["price"][0].format(service=service, zone=zone, lb=billable), REFUSALS["price"][1])


REFUSALS = {
    "no_service": ("No service is chosen.", "Choose one, or map a service column."),
    "service": ("This rate card does not sell {service}.", "It sells: {known}."),
    "no_weight": ("A parcel has no weight.", "Give every parcel a weight above 0 lb, or a default."),
    "weight": ("A parcel weighs more than {limit} lb.", "Split it into more parcels, or ship it as freight."),
    "size": ("A parcel is longer than {longest} in, or more than {girth} in in length and girth.", "Use a smaller box, or ship it as freight."),
    "origin": ("The shipper's ZIP is missing.", "Give the shipper a postal code."),
    "destination": ("The recipient's ZIP is missing.", "Fill in the postal code."),
    "zone": ("There is no {service} from {origin} to {to}.", "Correct the ZIP or country, or choose another service."),
    "price": ("There is no price for {service} in zone {zone} at {lb} lb.", "Split the shipment, or add the weight to the rate card."),
}
"""Why a row has no price, and what to do. One text for both ways of pricing."""


def add_business_days(start: dt.date, days: int) -> dt.date:
    """Return the day `days` business days after `start`; a weekend start counts as its Friday. Holidays are not known here."""
    weekday = start.isoweekday()
    friday = min(weekday, 5)
    weeks, rest = divmod(days, 5)
    return start + dt.timedelta(days=friday - weekday + weeks * 7 + rest + (2 if friday + rest > 5 else 0))
