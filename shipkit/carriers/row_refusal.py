"""The refusal of a row by this machine, before a carrier is asked."""

from __future__ import annotations

from shipkit.errors import CarrierRejected

__all__ = ["refuse"]


def refuse(field: str, problem: str, fix: str) -> CarrierRejected:
    """Return the error for what a carrier would refuse, or cannot do. Nothing was sent.

    Examples
    --------
    >>> raise refuse("parcels", "an order has at most 30 parcels.", "Split the row.")
    Traceback (most recent call last):
        ...
    shipkit.errors.CarrierRejected: parcels: an order has at most 30 parcels.
    """
    return CarrierRejected(f"{field}: {problem}", fix=fix, field=field)
