"""The mapped relation, which columns and templates both fill, and the settings that shape it.

The relation has one row per shipment and one column per leaf, a value of the shipment. A leaf is
still text, or of the type that the source had; :mod:`shipkit.orders.normalize` reads it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from shipkit.common.relation import Relation
from shipkit.models import Address
from shipkit.orders.expressions import LINE_LENGTH
from shipkit.orders.layouts import LayoutMatch
from shipkit.schema import ADDRESS_FIELDS, FLAT, ITEMS, PAPERS, PARCELS
from shipkit.services import ServiceList

__all__ = [
    "ADDRESS_LEAVES",
    "ADDRESS_TYPE",
    "CUSTOMS_DEFAULTS",
    "CUSTOMS_TYPE",
    "ITEMS_TYPE",
    "ITEM_LEAVES",
    "LEAVES",
    "NOTHING_OFFERED",
    "OPTION_ROLES",
    "PARCELS_TYPE",
    "PARCEL_LEAVES",
    "REFERENCES_TYPE",
    "ROLE_LEAVES",
    "Mapped",
    "MappingQuestion",
    "MappingSpec",
    "field_path",
    "leaf_of_role",
]

ADDRESS_LEAVES: Final = ADDRESS_FIELDS
LEAVES: Final = tuple(leaf.flat for leaf in FLAT)
"""Columns of the mapped relation that hold one text each."""

PARCEL_LEAVES: Final = tuple(leaf.name for leaf in PARCELS)
OPTION_ROLES: Final = frozenset(leaf.flat for leaf in FLAT if leaf.spec.option)
"""Roles of columns that ask for an option."""
ITEM_LEAVES: Final = tuple(leaf.name for leaf in ITEMS)


def _texts(names: Iterable[str]) -> str:
    return ", ".join(f"{name} VARCHAR" for name in names)


ADDRESS_TYPE: Final = f"STRUCT({_texts(ADDRESS_LEAVES)})"
PARCELS_TYPE: Final = f"STRUCT({_texts(PARCEL_LEAVES)})[]"
ITEMS_TYPE: Final = f"STRUCT({_texts(ITEM_LEAVES)})[]"
CUSTOMS_TYPE: Final = f"STRUCT({_texts(leaf.name for leaf in PAPERS)}, items {ITEMS_TYPE})"
REFERENCES_TYPE: Final = 'STRUCT("key" VARCHAR, "value" VARCHAR)[]'
"""DuckDB types of the nested columns of the mapped relation."""

CUSTOMS_DEFAULTS: Final = {
    "customs_reason": "reason",
    "duties_payer": "duties_payer",
    "customs_terms": "terms",
    "origin_country": "origin_country",
    "hs_code": "hs_code",
}
"""Name of a default -> the field of customs, or of each item, that it fills."""
ROLE_LEAVES: Final = {
    "weight": "weight_lb",
    "length": "length_in",
    "width": "width_in",
    "height": "height_in",
}
"""Role of a column -> the leaf that it fills, where their names differ."""

NOTHING_OFFERED: Final = ServiceList("", ())
"""The services of no carrier: every text in a service column is unknown."""


@dataclass(frozen=True)
class MappingSpec:
    """The settings of the mapping; everything else is recognised.

    Parameters
    ----------
    template
        Jinja2 text that writes one JSON object per shipment. None: shipments are made of columns.
    columns
        Field or role -> heading (or key) of its column, where that is ambiguous or not recognised.
    service
        One service, or a rule ("cheapest within 3 days"), for all rows. The service column is
        ignored.
    services
        Value of the service column -> service.
    defaults
        Field -> value for missing cells; those in :data:`CUSTOMS_DEFAULTS` fill customs.
    references
        Name of the reference -> heading of its column.
    ignore
        Headings of columns that a person set aside.
    ship_date
        One ship date for all rows. None: the ship date column, if there is one.
    layout
        The known export that was recognised; what it says comes before the headings.
    weights, parcels, skus
        How the lines of an order are packed: see :mod:`shipkit.orders.packing`.
    each_row, repeated_rows
        Which lines are one order: see :func:`shipkit.orders.grouping.group`.
    residential
        What addresses are taken for of which nothing is known: see :mod:`shipkit.plan.homes`.
    returns
        Whether each parcel has a return label with it: see :mod:`shipkit.plan.return_labels`.
    warehouses
        Name -> address of the places that rows may leave from.
    states
        Keys of the columns that say what became of an order (:mod:`shipkit.orders.order_states`).
    offered
        The services of the batch's carrier, and how people write them.
    """

    template: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    service: str | None = None
    services: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    ignore: Sequence[str] = ()
    ship_date: dt.date | None = None
    layout: LayoutMatch | None = None
    weights: str | None = None
    parcels: str | None = None
    skus: Any = None
    each_row: bool = False
    repeated_rows: str = "hold"
    residential: str | None = None
    returns: str | None = None
    warehouses: Mapping[str, Address] = field(default_factory=dict)
    states: Collection[str] = ()
    offered: ServiceList = NOTHING_OFFERED


@dataclass(frozen=True)
class MappingQuestion:
    """A question about the mapping, reported as a problem of each row that it concerns.

    Parameters
    ----------
    condition
        SQL over the normalised rows: the rows that it concerns.
    field, problem, fix, code, severity
        As in :data:`shipkit.schema.PROBLEMS`.
    """

    field: str | None
    condition: str
    problem: str
    fix: str
    code: str
    severity: str = "error"


@dataclass(frozen=True)
class Mapped:
    """The mapped relation in the database, and what belongs to it.

    Parameters
    ----------
    relation
        A view or table with one row per shipment and the columns :data:`LEAVES`.
    template
        The Jinja2 text in use, or the one that is equivalent to the columns.
    problems
        Problems of the mapping (:data:`shipkit.schema.PROBLEMS`): rows for which the template
        failed, columns used with a warning.
    questions
        Questions that :mod:`shipkit.orders.normalize` turns into problems of rows.
    fields
        Key of a source column -> path of the shipment field that it feeds.
    nested
        Whether rows may hold more parcels, another origin or customs.
    defaulted
        Field -> the number of rows in which a default filled a missing cell.
    filled
        The leaves that something fills. None: any leaf may be filled.
    offered
        The services of the batch's carrier.
    shared_weights
        Whether the weight of a row of several parcels is of all of them together.
    """

    relation: Relation
    template: str
    problems: pa.Table
    questions: tuple[MappingQuestion, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    nested: bool = False
    defaulted: Mapping[str, int] = field(default_factory=dict)
    filled: frozenset[str] | None = None
    offered: ServiceList = NOTHING_OFFERED
    shared_weights: bool = False

    @property
    def line_length(self) -> int:
        """How long an address line may be before it is split over the next one."""
        return self.offered.limits.address_line or LINE_LENGTH


def field_path(leaf: str) -> str:
    """Return the path of a leaf as problems name it, as in ``parcels[0].weight_lb``."""
    return _PATHS.get(leaf, leaf)


_PATHS: Final = {leaf.flat: leaf.path for leaf in FLAT}


def leaf_of_role(role: str | None) -> str:
    """Return the leaf that a column of this role fills."""
    return ROLE_LEAVES.get(role or "", role or "")
