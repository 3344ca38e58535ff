"""How long the quota of an app makes a batch wait: stated before anything is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from shipkit.carriers.usps.call_quota import in_hours
from shipkit.common.words import counted

__all__ = ["forecast"]

_LONG_WAIT_S: Final = 60.0
_PRICES: Final = "prices"
_OPTIONS: Final = "shipments"
_ABROAD: Final = "international-prices"
_LABELS: Final = "labels"


def forecast(
    needed_s: Callable[[str, int], float],
    inside: int,
    abroad: int,
    labels: int,
    *,
    compare: bool,
    later: int = 0,
) -> str | None:
    """Return how long the quota makes a batch wait, None when it hardly does.

    Parameters
    ----------
    inside, abroad
        How many prices are asked for, of parcels within the US and of others.
    labels
        How many labels are bought then.
    compare
        Whether services are compared, so that `labels` is the most that may be bought.
    later
        How many prices may be asked for after that.
    """
    near = _OPTIONS if compare else _PRICES
    most = "up to " if compare else ""
    waits = (
        (
            counted(inside + abroad, "price question"),
            max(needed_s(near, inside), needed_s(_ABROAD, abroad)),
        ),
        (f"{most}{later:,} more for what a rule chooses", needed_s(_PRICES, later)),
        (f"{most}{counted(labels, 'label')}", needed_s(_LABELS, labels)),
    )
    parts = [f"{what} about {in_hours(wait)}" for what, wait in waits if wait >= _LONG_WAIT_S]
    *before, last = parts or [""]
    return (f"{', '.join(before)} and {last}" if before else last) or None
