"""Orders become shipments, by recognised columns or by a template.

Both fill one relation with the same columns (:mod:`shipkit.orders.mapping.mapped`), which
:mod:`shipkit.orders.normalize` reads. What is uncertain is a :class:`MappingQuestion`, reported as
a problem of the rows that it concerns, and is never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import duckdb

from shipkit.common.relation import Relation, fresh
from shipkit.models import Address
from shipkit.orders.columns import Column
from shipkit.orders.mapping.column_questions import parcel_questions, weights_are_of_each
from shipkit.orders.mapping.from_columns import column_uses, map_columns
from shipkit.orders.mapping.from_template import map_template
from shipkit.orders.mapping.mapped import (
    LEAVES,
    NOTHING_OFFERED,
    Mapped,
    MappingQuestion,
    MappingSpec,
)
from shipkit.orders.mapping.named_columns import check_settings, given_defaults
from shipkit.orders.mapping.origins import with_origins
from shipkit.orders.mapping.template_names import with_field_names
from shipkit.schema import WAREHOUSE

__all__ = [
    "LEAVES",
    "NOTHING_OFFERED",
    "Mapped",
    "MappingQuestion",
    "MappingSpec",
    "column_uses",
    "given_defaults",
    "map_rows",
    "with_field_names",
]


def map_rows(
    con: duckdb.DuckDBPyConnection,
    columns: Sequence[Column],
    spec: MappingSpec,
    shipper: Address,
    selection: Relation,
    lines: Relation,
) -> Mapped:
    """Return the mapped relation of the selected orders.

    Parameters
    ----------
    columns
        The columns of `selection`, as the source read them.
    shipper
        Passed to templates as ``shipper``.
    selection
        The orders to map.
    lines
        The lines of all orders, passed to templates as ``lines``, and read for instructions.

    Raises
    ------
    MappingError
        A field, heading or service named in `spec` does not exist; the message names the nearest.
    TemplateError
        The template cannot be used: wrong syntax, an unknown column, or a limit exceeded.
    """
    check_settings(spec, columns)
    with fresh(con, "mapping") as schema:
        if spec.template is not None:
            mapped = map_template(schema, columns, spec, shipper, selection, lines)
        else:
            mapped = map_columns(schema, columns, spec, selection, lines)
        if _may_leave_from_elsewhere(mapped, spec):
            mapped = with_origins(schema, mapped, spec.warehouses, shipper)
    unsaid = spec.template is None and spec.parcels is None and "weight_lb" not in spec.defaults
    if unsaid and weights_are_of_each(mapped.fields, columns):
        spec = replace(spec, parcels="each")
    return replace(
        mapped,
        questions=(*mapped.questions, *parcel_questions(mapped, spec)),
        shared_weights=spec.parcels == "shared",
    )


def _may_leave_from_elsewhere(mapped: Mapped, spec: MappingSpec) -> bool:
    """Return whether a row may say where it leaves from; else no row has to be looked at."""
    if spec.template is None:
        return mapped.nested or WAREHOUSE.name in (mapped.filled or ())
    return WAREHOUSE.name in spec.defaults or any(
        name in spec.template for name in (WAREHOUSE.name, "ship_from")
    )
