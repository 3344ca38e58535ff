"""What a rule over the shipments table is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rule"]


@dataclass(frozen=True)
class Rule:
    """A condition that a shipment must not meet, and what to say when it does.

    Parameters
    ----------
    code
        The stable code of the problem.
    field
        Path in the shipment. ``parcels[].`` at its beginning: the rule applies to each parcel.
    fails
        SQL, true for a row that breaks the rule. It may read the columns of
        :data:`shipkit.schema.SHIPMENTS`, ``american`` (ZIP codes are used there), ``us_zip`` (and
        the postal code is one), ``zip_states`` (the states that its first three digits belong to),
        ``zip_home`` (the state or territory of the address), ``known_country``, ``abroad`` (a known
        country that is not the shipper's), ``state_unknown`` (the country has no such state),
        ``us_state`` (the state of the US that a state abroad would be), ``odd_key`` (an order
        number that may be damaged), ``today``, and the columns of
        :mod:`shipkit.orders.delivery_places`; for a parcel ``service``, ``p`` (the parcel) and
        ``count``.
    value
        SQL of the value to show.
    problem
        SQL of what is wrong, without a full stop.
    fix
        What to do about it.
    severity
        ``error``: the row cannot be bought. ``warning``: it can.
    """

    code: str
    field: str
    fails: str
    value: str
    problem: str
    fix: str
    severity: str = "error"
