"""Price one shipment by a rate card, in plain Python: the reference for the SQL version.

Rules of weight (UPS service guide, "How to determine billable weight"): dimensions to whole
inches, their product divided by the divisor and rounded up, actual weight rounded up, the larger
bills.

Several parcels (recorded answers of UPS's Rating API, 2024): within a country each parcel has its
own price, and its fuel surcharge is rounded on its own: 2 x (136.34 + 6.20) with 16 % is 330.70,
and 330.69 if the fuel of both were rounded together. Where a service prices the whole shipment, the
weights add up.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shipkit.carriers.ratecard import PARTS, RateCard, Surcharge, share
from shipkit.carriers.ratecard.unpriced import unpriced_of
from shipkit.errors import CarrierRejected
from shipkit.models import Address, Parcel, Rate, Shipment

__all__ = ["REFUSALS", "Ends", "Measure", "add_business_days", "ends_of", "measure", "quote_one"]


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
    volume_in: int = 0
    ounces: int = 0
    """The weight of a parcel under a pound, else 0."""


def ends_of(card: RateCard, origin: Address, to: Address) -> Ends:
    """Return the keys of the zone chart for a shipment from `origin` to `to`."""
    home, away = origin.country in card.zip_countries, to.country in card.zip_countries
    if home and away:
        start, end = origin.postal_code or "", to.postal_code or ""
        return Ends(start[:3], end[:3], end[:5])
    return Ends("US" if home else origin.country, "US" if away else to.country, "")


def measure(
    card: RateCard, parcel: Parcel, service: str = "", day: dt.date | None = None
) -> Measure:
    """Return `parcel` in billed units, as `service` bills it on `day`."""
    weight = max(
        1, math.ceil(parcel.weight_lb - 1e-6)
    )  # a millionth: pounds converted from kilograms are not a pound more
    ounces = _ounces(parcel.weight_lb)
    if parcel.length_in is None or parcel.width_in is None or parcel.height_in is None:
        return Measure(weight, weight, ounces=ounces)
    sizes = sorted(
        (
            _inches(v, up=bool(card.rounds_up(day)))
            for v in (parcel.length_in, parcel.width_in, parcel.height_in)
        ),
        reverse=True,
    )
    volume = sizes[0] * sizes[1] * sizes[2]
    divisor = next(
        (d.divisor for d in card.dim_divisors if d.matches(service, volume)), card.dim_divisor
    )
    return Measure(
        weight,
        max(weight, -(-volume // divisor)) if divisor else weight,
        sizes[0],
        sizes[1],
        sizes[0] + 2 * (sizes[1] + sizes[2]),
        volume,
        ounces,
    )


def _ounces(pounds: float) -> int:
    """Return whole ounces, rounded up, for less than a pound; the tolerance is that of pounds."""
    return max(1, math.ceil((pounds - 1e-6) * 16)) if pounds < 1 - 1e-6 else 0


def _inches(inches: float, *, up: bool) -> int:
    return max(1, math.ceil(inches) if up else math.floor(inches + 0.5))


@dataclass(frozen=True)
class _Group:
    """Parcels that have one price: all of a shipment, or one of them."""

    parcels: Sequence[Parcel]
    sizes: Sequence[Measure]
    billable_lb: int
    first: bool
    """Whether what is charged once a shipment is charged here."""

    def list_cents(self, card: RateCard, service: str, zone: str) -> int | None:
        """Return the list price of the group, None where the card has none."""
        if len(self.sizes) == 1 and self.billable_lb == 1:
            light = card.ounce_prices.get((service, zone, self.sizes[0].ounces))
            if light is not None:
                return light
        price = card.prices.get((service, zone, min(self.billable_lb, card.last_lb + 1)))
        return None if price is None else price[0] + price[1] * self.billable_lb


@dataclass(frozen=True)
class _Case:
    """What the conditions of a rule look at, beyond parcels."""

    card: RateCard
    shipment: Shipment = field(repr=False)
    zone: str
    day: dt.date | None

    def groups(self) -> list[_Group]:
        """Return what is priced together."""
        parcels = self.shipment.parcels
        sizes = [measure(self.card, p, self.shipment.service, self.day) for p in parcels]
        billed = [self._billed(m) for m in sizes]
        if self.shipment.service in self.card.priced_together:
            return [_Group(parcels, sizes, sum(billed), first=True)]
        return [
            _Group((parcel,), (m,), lb, first=not place)
            for place, (parcel, m, lb) in enumerate(zip(parcels, sizes, billed, strict=True))
        ]

    def _billed(self, m: Measure) -> int:
        least = [
            rule.minimum_billable_lb
            for rule in self.card.surcharges
            if rule.minimum_billable_lb and _applies(self, rule) and _passes(rule, m)
        ]
        return max([m.billable_lb, *least])


def quote_one(card: RateCard, shipment: Shipment, origin: Address, as_of: dt.date | None) -> Rate:
    """Return the price of `shipment` from `origin`. Raises CarrierRejected when there is none."""
    service, day = shipment.service, as_of or shipment.ship_date
    ends = ends_of(card, origin, shipment.ship_to)
    zone = card.zone(ends.origin, (ends.exact, ends.prefix), service)
    case = _Case(card, shipment, zone or "", day)
    groups = case.groups()
    prices = [g.list_cents(card, service, zone or "") for g in groups]
    unpriced = next((g for g, price in zip(groups, prices, strict=True) if price is None), None)
    sizes = [m for g in groups for m in g.sizes]
    if refusal := _no_price(card, shipment, origin, sizes) or _no_rate(
        service, ends, zone, None if unpriced is None else unpriced.billable_lb
    ):
        raise CarrierRejected(refusal[0], fix=refusal[1], carrier_code="rate")
    assert zone is not None  # noqa: S101 - _no_rate has just checked it
    parts = dict.fromkeys(PARTS, 0)
    for group, price in zip(groups, prices, strict=True):
        assert price is not None  # noqa: S101 - none is unpriced
        for part, cents in _amounts(case, group, price).items():
            parts[part] += cents
    days = card.days.get((service, zone))
    return Rate(
        service=shipment.service,
        cost_cents=sum(parts.values()),
        currency=card.currency,
        zone=zone,
        billable_weight_lb=float(sum(g.billable_lb for g in groups)),
        transit_days=days,
        delivery_date=None
        if days is None or shipment.ship_date is None
        else add_business_days(shipment.ship_date, days),
        warnings=unpriced_of(card, shipment),
        **{f"{part}_cents": cents for part, cents in parts.items()},
    )


def _amounts(case: _Case, group: _Group, list_cents: int) -> dict[str, int]:
    """Return what each part of the price of a group comes to."""
    card, service = case.card, case.shipment.service
    base = next(
        (
            d.of(list_cents)
            for d in card.discounts
            if d.matches(service, case.zone, group.billable_lb)
        ),
        list_cents,
    )
    parts = dict.fromkeys(PARTS, 0) | {"base": base}
    items: dict[str, int] = {}
    for rule in card.surcharges:
        if _applies(case, rule):
            items[rule.name] = _amount(
                case, rule, group, items | parts
            )  # a part wins over a rule of its name
        else:
            items[rule.name] = 0
        parts[rule.part] += items[rule.name]
    return parts


def _amount(case: _Case, rule: Surcharge, group: _Group, so_far: Mapping[str, int]) -> int:
    amount = rule.amount_on(case.day)
    if rule.percent is not None:
        cents = share(sum(so_far[name] for name in rule.of), amount)
    elif rule.declared_value:
        cents = sum(_of_value(rule, amount, p) for p in group.parcels)
    elif rule.group is not None:
        cents = amount * sum(_highest(case, rule.group, m) is rule for m in group.sizes)
    elif rule.sized:
        cents = amount * sum(_passes(rule, m) for m in group.sizes)
    elif rule.per_parcel:
        cents = amount * len(group.parcels)
    else:
        cents = amount if group.first else 0
    return max(cents, rule.minimum_cents) if cents else 0


def _highest(case: _Case, group: str, m: Measure) -> Surcharge | None:
    """Return the rule of `group` that a parcel pays: the highest, the first of equal ones."""
    rules = [
        rule
        for rule in case.card.surcharges
        if rule.group == group and _applies(case, rule) and _passes(rule, m)
    ]
    return max(rules, key=lambda rule: rule.amount_on(case.day), default=None)


def _applies(case: _Case, rule: Surcharge) -> bool:
    card, shipment, day = case.card, case.shipment, case.day
    to = shipment.ship_to
    return (
        (not rule.services or shipment.service in rule.services)
        and (rule.residential is None or bool(to.residential) is rule.residential)
        and (
            rule.area is None
            or (
                to.country in card.zip_countries
                and (to.postal_code or "")[:5] in card.areas[rule.area]
            )
        )
        and (not rule.signature or str(shipment.signature) in rule.signature)
        and (not rule.zones or case.zone in rule.zones)
        and (not rule.saturday or shipment.saturday_delivery)
        and (rule.since is None or day is None or day >= rule.since)
        and (rule.until is None or (day is not None and day < rule.until))
    )


def _of_value(rule: Surcharge, amount: int, parcel: Parcel) -> int:
    value = parcel.declared_value.cents if parcel.declared_value else 0
    counted = value if rule.whole_value else value - rule.free_cents
    return amount * -(-counted // 10_000) if value > rule.free_cents else 0


def _passes(rule: Surcharge, m: Measure) -> bool:
    limits = (
        (rule.over_lb, m.weight_lb),
        (rule.over_longest_in, m.longest_in),
        (rule.over_second_in, m.second_in),
        (rule.over_girth_in, m.girth_in),
        (rule.over_cubic_in, m.volume_in),
    )
    return not rule.sized or any(limit is not None and value > limit for limit, value in limits)


def _no_price(
    card: RateCard, shipment: Shipment, origin: Address, sizes: Sequence[Measure]
) -> tuple[str, str] | None:
    """Return problem and fix, or None. The SQL asks the same questions in the same order."""
    service = shipment.service
    if service not in card.services:
        return REFUSALS["service"][0].format(service=service), REFUSALS["service"][1].format(
            known=", ".join(card.services)
        )
    if any(m.weight_lb > card.max_parcel_lb for m in sizes):
        return REFUSALS["weight"][0].format(limit=card.max_parcel_lb), REFUSALS["weight"][1]
    if any(m.longest_in > card.max_longest_in or m.girth_in > card.max_girth_in for m in sizes):
        return REFUSALS["size"][0].format(
            longest=card.max_longest_in, girth=card.max_girth_in
        ), REFUSALS["size"][1]
    if service in card.pricing_values and any(
        value.cents > 0 and value.currency != card.currency
        for parcel in shipment.parcels
        if (value := parcel.declared_value) is not None
    ):
        problem, fix = REFUSALS["declared"]
        return problem.format(currency=card.currency), fix.format(currency=card.currency)
    by_zip = origin.country in card.zip_countries and shipment.ship_to.country in card.zip_countries
    if by_zip and not origin.postal_code:
        return REFUSALS["origin"]
    return REFUSALS["destination"] if by_zip and not shipment.ship_to.postal_code else None


def _no_rate(
    service: str, ends: Ends, zone: str | None, unpriced_lb: int | None
) -> tuple[str, str] | None:
    if zone is None:
        return REFUSALS["zone"][0].format(
            service=service, origin=ends.origin, to=ends.exact or ends.prefix
        ), REFUSALS["zone"][1]
    return (
        None
        if unpriced_lb is None
        else (
            REFUSALS["price"][0].format(service=service, zone=zone, lb=unpriced_lb),
            REFUSALS["price"][1],
        )
    )


REFUSALS = {
    "no_service": ("No service is chosen.", "Choose one, or map a service column."),
    "service": ("This rate card does not sell {service}.", "It sells: {known}."),
    "no_weight": (
        "A parcel has no weight.",
        "Give every parcel a weight above 0 lb, or a default.",
    ),
    "weight": (
        "A parcel weighs more than {limit} lb.",
        "Split it into more parcels, or ship it as freight.",
    ),
    "size": (
        "A parcel is longer than {longest} in, or more than {girth} in in length and girth.",
        "Use a smaller box, or ship it as freight.",
    ),
    "declared": (
        "The declared value is not in {currency}, and this card prices it.",
        "Give it in {currency}, or leave it out.",
    ),
    "origin": ("The shipper's ZIP is missing.", "Give the shipper a postal code."),
    "destination": ("The recipient's ZIP is missing.", "Fill in the postal code."),
    "zone": (
        "There is no {service} from {origin} to {to}.",
        "Correct the ZIP or country, or choose another service.",
    ),
    "price": (
        "There is no price for {service} in zone {zone} at {lb} lb.",
        "Split the shipment, or add the weight to the rate card.",
    ),
}
"""Why a row has no price, and what to do. One text for both ways of pricing."""


def add_business_days(start: dt.date, days: int) -> dt.date:
    """Return the day `days` business days after `start`.

    A start at the weekend counts as the Friday before. Holidays are not taken into account.
    """
    weekday = start.isoweekday()
    friday = min(weekday, 5)
    weeks, rest = divmod(days, 5)
    return start + dt.timedelta(
        days=friday - weekday + weeks * 7 + rest + (2 if friday + rest > 5 else 0)
    )
