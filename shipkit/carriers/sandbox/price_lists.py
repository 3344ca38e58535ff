"""Three made-up carriers, so that comparing accounts can be tried without any.

``standard`` takes everything. ``economy`` is cheaper and slower, and takes only light parcels to
places that share the shipper's ZIP codes. ``express`` is the most expensive, and a day faster.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.ratecard import RateCard
from shipkit.carriers.sandbox.backend import SERVICES
from shipkit.services import ServiceList

__all__ = ["PRICE_LISTS", "account_of", "card_of", "name_of", "services_of_list"]


class PriceList(NamedTuple):
    """How a made-up carrier differs from the standard one."""

    percent: int
    """Of the standard prices."""
    services: tuple[str, ...] | None
    """What it sells; None: everything."""
    later_days: int
    """Added to the days on the way, 1 day at least."""
    heaviest_lb: int


PRICE_LISTS: Final = {
    "standard": PriceList(100, None, 0, 150),
    "economy": PriceList(78, ("ground", "3_day_select"), 1, 20),
    "express": PriceList(
        112, ("ground", "2nd_day_air", "next_day_air", "worldwide_saver"), -1, 150
    ),
}
"""Name of a price list -> what is in it."""


@lru_cache
def card_of(name: str) -> RateCard:
    """Return the rate card of a price list."""
    card, own = RateCard.synthetic(), PRICE_LISTS[name]
    if name == "standard":
        return card
    return replace(
        card,
        name=f"{card.name} {name}",
        rates=_scaled(_sold(card.rates, own), own.percent),
        transit=_later(_sold(card.transit, own), own.later_days),
        max_parcel_lb=own.heaviest_lb,
    )


def name_of(price_list: str) -> str:
    """Return the name of the carrier that sells by a price list."""
    return "sandbox" if price_list == "standard" else f"sandbox_{price_list}"


def account_of(price_list: str) -> str:
    """Return the made-up account number of that carrier."""
    return "SANDBOX01" if price_list == "standard" else f"{price_list.upper()}01"


@lru_cache
def services_of_list(price_list: str) -> ServiceList:
    """Return what that carrier sells, and up to what weight."""
    own = PRICE_LISTS[price_list]
    if price_list == "standard":
        return SERVICES
    name = name_of(price_list)
    return ServiceList(
        name,
        tuple(
            replace(entry, carrier=name, wire={name: entry.wire[SERVICES.carrier]})
            for entry in SERVICES
            if own.services is None or entry.code in own.services
        ),
        title=f"{SERVICES.title} {price_list}",
        limits=replace(SERVICES.limits, weight_lb=own.heaviest_lb),
    )


def _sold(table: pa.Table, own: PriceList) -> pa.Table:
    if own.services is None:
        return table
    return table.filter(pc.is_in(table.column("service"), value_set=pa.array(own.services)))


def _scaled(rates: pa.Table, percent: int) -> pa.Table:
    for name in ("cents", "cents_per_lb"):
        cents = pc.divide(pc.add(pc.multiply(rates.column(name), percent), 50), 100)
        rates = _set(rates, name, cents)
    return rates


def _later(transit: pa.Table, days: int) -> pa.Table:
    return _set(transit, "days", pc.max_element_wise(pc.add(transit.column("days"), days), 1))


def _set(table: pa.Table, name: str, values: Any) -> pa.Table:
    at = table.schema.get_field_index(name)
    field = table.schema.field(at)
    return table.set_column(at, field, values.cast(field.type))
