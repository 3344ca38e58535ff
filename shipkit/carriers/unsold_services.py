"""Services that a carrier prices and would not sell for what a row asks: none is left out silently.

Who compares services must learn which one is missing, and why: it may have been the cheapest or the
fastest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from shipkit.errors import CarrierRejected
from shipkit.models import Rate

__all__ = ["with_unsold"]


def with_unsold(
    rates: Sequence[Rate],
    unsold: Iterable[tuple[Rate, CarrierRejected]],
    title_of: Callable[[str], str],
) -> list[Rate]:
    """Return the prices of a row, each with the services that a rule might prefer to it.

    A service that costs more and takes longer than all others is named at the last one.

    Parameters
    ----------
    rates
        The prices, cheapest first.
    unsold
        What the carrier has a price for and would not sell, and why.
    """
    if not rates:
        return []
    found: list[list[tuple[str, str]]] = [[] for _ in rates]
    for other, refusal in unsold:
        text = f"{title_of(other.service)} is left out: {refusal.message}"
        places = [i for i, rate in enumerate(rates) if _may_be_preferred(other, rate)]
        for place in places or [len(rates) - 1]:
            found[place].append((other.service, text))
    return [
        rate.model_copy(update={"left_out": tuple(said)}) if said else rate
        for rate, said in zip(rates, found, strict=True)
    ]


def _may_be_preferred(other: Rate, rate: Rate) -> bool:
    if other.currency != rate.currency or other.cost_cents < rate.cost_cents:
        return True
    days = rate.transit_days
    return other.transit_days is not None and (days is None or other.transit_days < days)
