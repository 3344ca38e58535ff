"""The mapped relation: what both producers fill, what a person may say about it, and what is still open."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from shipkit.common.relation import Relation
from shipkit.orders.expressions import LINE_LENGTH
from shipkit.orders.layouts import LayoutMatch
from shipkit.schema import ADDRESS_FIELDS, FLAT, ITEMS, PARCELS
from shipkit.services import ServiceList

__all__ = [
    "ADDRESS_LEAVES",
    "CUSTOMS_DEFAULTS",
    "ITEM_LEAVES",
    "LEAVES",
    "NOTHING_OFFERED",
    "PARCEL_LEAVES",
    "ROLE_LEAVES",
    "Mapped",
    "MappingSpec",
    "Question",
    "field_path",
    "leaf_of_role",
]

ADDRESS_LEAVES: Final = ADDRESS_FIELDS
LEAVES: Final = tuple(leaf.flat for leaf in FLAT)
"""Columns of the mapped relation that hold one text each."""

PARCEL_LEAVES: Final = tuple(leaf.name for leaf in PARCELS)
ITEM_LEAVES: Final = tuple(leaf.name for leaf in ITEMS)
CUSTOMS_DEFAULTS: Final = {
    "customs_reason": "reason",
    "duties_payer": "duties_payer",
    "customs_terms": "terms",
    "origin_country": "origin_country",
    "hs_code": "hs_code",
}
"""What a default may fill in customs -> the field of the customs, or of each item, that it fills."""
ROLE_LEAVES: Final = {
    "weight": "weight_lb",
    "length": "length_in",
    "width": "width_in",
    "height": "height_in",
}
"""Role of a column -> the leaf that it fills, where their names differ."""

NOTHING_OFFERED: Final = ServiceList("", ())
"""The services of nobody: every text of a service column is then unknown."""


@dataclass(frozen=True)
class MappingSpec:
    """What a person said about the mapping; everything else is recognised.

    Parameters
    ----------
    template
        Jinja2 text that renders one JSON object a shipment; None: by columns.
    columns
        Field or role -> heading (or key) of the column it comes from: settles what is ambiguous or
        not recognised.
    service
        One service, or a rule ("cheapest within 3 days"), for all rows, whatever the service
        column says.
    services
        Value of the service column -> service.
    defaults
        Field -> value where the cell is missing; those of :data:`CUSTOMS_DEFAULTS` fill customs.
    references
        Name of the reference -> heading of its column.
    ship_date
        One ship date for all rows; None: that of the ship date column, where there is one.
    layout
        The known export that was recognised; its word goes before that of the headings.
    weights, parcels, skus
        How the lines of an order are packed: see :mod:`shipkit.orders.packing`.
    offered
        The services that the carrier of the batch offers, and how they are written.
    """

    template: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    service: str | None = None
    services: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    ship_date: dt.date | None = None
    layout: LayoutMatch | None = None
    weights: str | None = None
    parcels: str | None = None
    skus: Any = None
    offered: ServiceList = NOTHING_OFFERED


@dataclass(frozen=True)
class Question:
    """Something a person must settle, asked of every row where `condition` (SQL over the normalised rows) holds."""

    field: str
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
        View or table in the schema of the mapping: a line a shipment, leaves as :data:`LEAVES`.
    template
        The Jinja2 text in use, or the one that says the same as the columns.
    problems
        Met while mapping (:data:`shipkit.schema.PROBLEMS`): rows whose template failed, columns
        taken with a warning.
    questions
        What :mod:`shipkit.orders.normalize` asks of the rows.
    fields
        Key of a source column -> path of the shipment field that it feeds.
    nested
        Whether rows may hold more parcels, another origin or customs.
    defaulted
        Field -> in how many rows a default filled a missing cell.
    filled
        Leaves that something fills; None: any may be.
    offered
        The services that service texts are read by.
    """

    relation: Relation
    template: str
    problems: pa.Table
    questions: tuple[Question, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    nested: bool = False
    defaulted: Mapping[str, int] = field(default_factory=dict)
    filled: frozenset[str] | None = None
    offered: ServiceList = NOTHING_OFFERED

    @property
    def line_length(self) -> int:
        """How long an address line may be before it is split over the next one."""
        return self.offered.limits.address_line or LINE_LENGTH


def field_path(leaf: str) -> str:
    """Return the path of a leaf, as problems name it: ``ship_to.city``, ``parcels[0].weight_lb``."""
    return _PATHS.get(leaf, leaf)


_PATHS: Final = {leaf.flat: leaf.path for leaf in FLAT}


def leaf_of_role(role: str | None) -> str:
    """Return the leaf that a column of this role fills."""
    return ROLE_LEAVES.get(role or "", role or "")
