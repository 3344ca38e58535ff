"""What a rule over the shipments table is."""

from __future__ import annotations

from dataclasses import dataclass

from shipkit.orders.expressions import quote

__all__ = ["Rule", "missing"]


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
        :data:`shipkit.schema.SHIPMENTS` and those that :mod:`shipkit.orders.validate` makes of
        them: ``american`` (ZIP codes are used there), ``us_zip`` (and the postal code is one),
        ``zip_states`` (the states that its first three digits belong to), ``zip_home`` (the state
        or territory of the address), ``known_country``, ``abroad`` (a known country that is not the
        shipper's), ``crosses_customs``, ``state_unknown`` (the country has no such state),
        ``us_state`` (the state of the US that a state abroad would be), ``odd_key`` (an order
        number that may be damaged), ``city_elsewhere`` (the city names another state than the
        row has), ``example_town``, ``example_name``, ``bad_email``, ``today``,
        and the columns of :mod:`shipkit.orders.delivery_places` and
        :mod:`shipkit.orders.postal_columns`; for a parcel ``service``, ``p`` (the parcel) and
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


def missing(
    field: str,
    column: str,
    what: str,
    *,
    when: str = "true",
    fix: str = "Fill in the cell, or map the field.",
) -> Rule:
    """Return the rule that `field` is given, which is in `column`, where the SQL `when` holds."""
    problem = quote(f"{what} is missing")
    return Rule("missing", field, f"({when}) AND {column} IS NULL", "NULL", problem, fix)
