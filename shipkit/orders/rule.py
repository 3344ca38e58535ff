"""How a rule over the shipments table is written."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rule"]


@dataclass(frozen=True)
class Rule:
    """One thing that must hold of a shipment.

    Parameters
    ----------
    code
        Stable name of the problem.
    field
        Path in the shipment; a parcel's begins with ``parcels[].``.
    fails
        SQL over the columns of :data:`shipkit.schema.SHIPMENTS`, ``american`` (ZIP codes are used
        there), ``us_zip`` (and this is one), ``zip_states``, ``zip_home`` (the state or territory
        said), ``abroad`` (not the shipper's country), ``today`` and, for a parcel, ``p`` and
        ``count``: true for a row that breaks the rule.
    value
        SQL for the value shown.
    problem
        SQL text: what is wrong.
    fix
        What to do about it.
    """

    code: str
    field: str
    fails: str
    value: str
    problem: str
    fix: str
    severity: str = "error"
