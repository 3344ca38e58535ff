"""The parts of a rate card: zone charts, discounts, surcharges, and the columns of its tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Final, Protocol

import pyarrow as pa

from shipkit.carriers.easypost.catalog import SERVICES as SOLD_BY_EASYPOST
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.errors import RateCardError
from shipkit.fingerprints import digest
from shipkit.services import ServiceList

__all__ = [
    "CARD_SERVICES",
    "CARRIERS",
    "OUNCES",
    "PARTS",
    "PRICED",
    "RATES",
    "TRANSIT",
    "ZONES",
    "DimDivisor",
    "Discount",
    "Surcharge",
    "TableZones",
    "ZoneChart",
    "ppm",
    "rule_text",
    "share",
]

CARRIERS: Final = ("ups", "usps", "fedex")
"""The carriers whose services a card may have."""


def _card_services() -> ServiceList:
    """Return UPS's services by their bare names, and USPS's and FedEx's with their carrier."""
    others = [each for each in SOLD_BY_EASYPOST if each.code.partition(":")[0] in CARRIERS[1:]]
    named = [
        replace(each, aliases=tuple(a for a in each.aliases if a.lower().startswith(CARRIERS[1:])))
        for each in others
    ]
    return replace(SERVICES, entries=(*SERVICES.entries, *named))


CARD_SERVICES: Final = _card_services()
"""The services of cards: UPS's bare names (``ground``), and those of USPS and FedEx with their
carrier, as an EasyPost account has them (``usps:priority``, ``fedex:ground``)."""


def card_service(service: str | None, carrier: str | None) -> str | None:
    """Return what cards call a service of a plan, by the carrier that moves the parcel.

    A service that names its carrier is that carrier's. Those of carriers that no card has keep
    their carrier, so that none of them is priced as a service of UPS.

    Examples
    --------
    >>> card_service("priority", "usps"), card_service("easypost:ups:ground", "ups")
    ('usps:priority', 'ground')
    >>> card_service("ontrac:ground", "ontrac"), card_service("fedex:ground", None)
    ('ontrac:ground', 'fedex:ground')
    """
    if service is None:
        return None
    named, _, own = service.rpartition(":")
    mover = named.rpartition(":")[2]
    if not mover:
        mover = carrier if carrier in CARRIERS else CARRIERS[0]
    return own if mover == CARRIERS[0] else f"{mover}:{own}"


PARTS = ("base", "fuel", "residential", "delivery_area", "other")
"""The parts of a price; they add up to the cost. A surcharge belongs to one of the last four."""


PRICED = (
    "service",
    "postal_code",
    "country",
    "residential",
    "signature",
    "saturday_delivery",
    "ship_date",
    "ship_from",
    "currency",
    "parcels",
)
"""The columns of a shipments table that decide a price."""


ZONES = pa.schema(
    [
        ("origin", pa.string()),
        ("destination", pa.string()),
        ("service", pa.string()),
        ("zone", pa.string()),
    ]
)
"""A zone chart.

Within one ZIP system both ends are ZIP prefixes: 3 digits for the origin; 3 for the destination, or
5 where one ZIP differs from its neighbours (Alaska, Hawaii). Across a border both ends are country
codes.
"""


RATES = pa.schema(
    [
        ("service", pa.string()),
        ("zone", pa.string()),
        ("lb", pa.int64()),
        ("cents", pa.int64()),
        ("cents_per_lb", pa.int64()),
    ]
)
"""Prices: `cents` + `cents_per_lb` x billable pounds.

`lb` is the billable weight that the row prices. The row one above :attr:`RateCard.last_lb` prices
everything heavier.
"""


OUNCES = pa.schema(
    [("service", pa.string()), ("zone", pa.string()), ("oz", pa.int64()), ("cents", pa.int64())]
)
"""Prices of parcels under a pound, by weight in whole ounces, rounded up; 16 is for 15.1 to 15.999.

A parcel has this price when its size is not billed above a pound. One without it costs what a
pound does.
"""


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
        raise RateCardError(
            f"{percent} % has more than four decimal places.", fix="Round it to four."
        )
    return int(value)


def rule_text(rule: Any) -> str:
    """Return a rule for a fingerprint.

    Fields that later versions added count only where they are set, so that cards that were saved
    before keep their fingerprint.
    """
    later = _LATER_FIELDS.get(type(rule).__name__, frozenset())
    told = ", ".join(
        f"{each.name}={getattr(rule, each.name)!r}"
        for each in fields(rule)
        if each.name not in later or getattr(rule, each.name) != each.default
    )
    return f"{type(rule).__name__}({told})"


_LATER_FIELDS: Final = {
    "Surcharge": frozenset(
        {"over_cubic_in", "zones", "group", "minimum_billable_lb", "whole_value"}
    ),
    "Discount": frozenset({"zones", "over_lb", "up_to_lb"}),
}


def share(cents: int, millionths: int) -> int:
    """Return `millionths` of `cents`, rounded half up, in whole numbers only."""
    return (cents * millionths + 500_000) // 1_000_000


class ZoneChart(Protocol):
    """Where zones come from: a table, or a rule."""

    fingerprint: str

    def rows(self, origins: Sequence[str]) -> pa.Table:
        """Return the rows of the chart (:data:`ZONES`) for ZIP3 prefixes and country codes."""


class TableZones:
    """A zone chart given as a table with the columns of :data:`ZONES`."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table.select(ZONES.names).cast(ZONES)
        self.fingerprint = digest(self.table)

    def rows(self, origins: Sequence[str]) -> pa.Table:
        """Return the lines for `origins`."""
        import pyarrow.compute as pc

        return self.table.filter(
            pc.is_in(self.table.column("origin"), value_set=pa.array(list(origins), pa.string()))
        )


@dataclass(frozen=True)
class DimDivisor:
    """Cubic inches to a pound of dimensional weight, where that differs from the card's own.

    The first that matches a parcel holds. 0: the size is not billed.
    """

    divisor: int
    services: tuple[str, ...] = ()
    """Empty: all."""
    up_to_cubic_in: int | None = None
    """Only for parcels of at most this volume: contracts have a larger divisor for small boxes."""

    def __post_init__(self) -> None:
        if self.divisor < 0:
            raise RateCardError(
                f"The dimensional divisor {self.divisor} is negative.",
                fix="Write cubic inches to a pound, such as 139, or 0 where size is not billed.",
            )

    def matches(self, service: str, volume_in: int) -> bool:
        """Return whether a parcel of this volume by `service` has this divisor."""
        return (not self.services or service in self.services) and (
            self.up_to_cubic_in is None or volume_in <= self.up_to_cubic_in
        )


@dataclass(frozen=True)
class Discount:
    """Percent off the list price of a service (empty: of all), to `minimum_cents` at the lowest.

    The first that matches holds. Where parcels are priced one by one, it is of each parcel's price.
    """

    percent: Decimal
    minimum_cents: int = 0
    services: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    """Empty: all."""
    over_lb: int | None = None
    up_to_lb: int | None = None
    """Limits of the billable weight: above `over_lb`, and at most `up_to_lb`."""

    def matches(self, service: str, zone: str, billable_lb: int) -> bool:
        """Return whether a price is discounted by this."""
        return (
            (not self.services or service in self.services)
            and (not self.zones or zone in self.zones)
            and (self.over_lb is None or billable_lb > self.over_lb)
            and (self.up_to_lb is None or billable_lb <= self.up_to_lb)
        )

    def of(self, cents: int) -> int:
        """Return what is left of `cents`. A minimum above the list price leaves that."""
        return min(cents, max(cents - share(cents, ppm(self.percent)), self.minimum_cents))


@dataclass(frozen=True)
class Surcharge:
    """One rule that adds to a price.

    Rules apply in order; a later one may be a percentage of an earlier one.

    Every condition that is set must hold. Where parcels are priced one by one
    (:attr:`RateCard.by_shipment`), percentages and minimums are of each parcel's price, and an
    amount for the shipment is on its first parcel. The amount is `cents` (a shipment, or with
    `per_parcel` or a size condition each parcel that meets it), or `percent` of what `of` names, or
    `cents` for each started 100 units of declared value above `free_cents`: of what is above it, or
    with `whole_value` of all of it.
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
    """Length plus girth."""
    declared_value: bool = False
    free_cents: int = 0
    minimum_cents: int = 0
    """Least amount where the rule applies with more than nothing."""
    since: dt.date | None = None
    until: dt.date | None = None
    """In force from `since` to the day before `until`.

    A shipment without a date is priced by the rules without `until`.
    """
    steps: tuple[tuple[dt.date, Decimal], ...] = ()
    """Later amounts by their first day, in percent or cents as the rule's own.

    A fuel surcharge changes week by week this way. A shipment without a date has the last amount.
    """

    over_cubic_in: int | None = None
    """Length x width x height. A parcel that passes any one of the five limits meets the size
    condition."""
    zones: tuple[str, ...] = ()
    """Empty: all."""
    group: str | None = None
    """Of the rules of one group, a parcel pays the highest only (additional handling for several
    reasons, large package)."""
    minimum_billable_lb: int | None = None
    """A parcel that meets the rule is billed as this many pounds at least (a large package: 90)."""
    whole_value: bool = False
    """A value above `free_cents` counts from its first cent, as at UPS and FedEx: over 100 there is
    a least charge, and over 300 an amount for each 100 of the whole value."""

    def __post_init__(self) -> None:
        if self.whole_value and not self.declared_value:
            raise RateCardError(
                f"Surcharge {self.name!r} counts the whole value, and is not of declared values.",
                fix="Set declared_value, or leave whole_value out.",
            )
        if self.group is not None and (
            self.percent is not None or self.declared_value or not (self.sized or self.per_parcel)
        ):
            raise RateCardError(
                f"Surcharge {self.name!r} is in the group {self.group!r}, and is not an amount for "
                "each parcel.",
                fix="Give it an amount, and a size condition or per_parcel.",
            )
        if self.sized and (self.percent is not None or self.declared_value):
            raise RateCardError(
                f"Surcharge {self.name!r} has a size condition, and is not an amount for each "
                "parcel.",
                fix="Give it cents, or leave the size condition out.",
            )
        if list(self.steps) != sorted(self.steps, key=lambda step: step[0]) or any(
            amount < 0 for _, amount in self.steps
        ):
            raise RateCardError(
                f"Surcharge {self.name!r}: its steps are not in order of days, or negative.",
                fix="Give them by ascending day.",
            )
        for _, amount in self.steps:
            ppm(amount) if self.percent is not None else int(amount)
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise RateCardError(
                f"Surcharge {self.name!r} ends on {self.until}, before it begins: it would never "
                "apply.",
                fix="Give the first day as since, and the day after the last one as until.",
            )
        if self.part not in PARTS[1:]:
            raise RateCardError(
                f"Surcharge {self.name!r} belongs to {self.part!r}.",
                fix=f"Choose one of: {', '.join(PARTS[1:])}.",
            )
        if self.percent is not None:
            ppm(self.percent)
        if self.cents < 0 or self.minimum_cents < 0 or (self.percent or 0) < 0:
            raise RateCardError(
                f"Surcharge {self.name!r} is negative.",
                fix="Write what lowers a price as a discount.",
            )

    @property
    def amounts(self) -> tuple[tuple[dt.date | None, int], ...]:
        """All amounts, in cents or millionths, each with its first day.

        The first amount also applies to all earlier days.
        """
        first = self.cents if self.percent is None else ppm(self.percent)
        return (
            (None, first),
            *(
                (day, int(amount) if self.percent is None else ppm(amount))
                for day, amount in self.steps
            ),
        )

    def amount_on(self, day: dt.date | None) -> int:
        """Return the amount in force on `day`, in cents or millionths."""
        return [
            amount for start, amount in self.amounts if start is None or day is None or start <= day
        ][-1]

    @property
    def sized(self) -> bool:
        """Whether the rule looks at the weight or size of a parcel."""
        return any(
            v is not None
            for v in (
                self.over_lb,
                self.over_longest_in,
                self.over_second_in,
                self.over_girth_in,
                self.over_cubic_in,
            )
        )
