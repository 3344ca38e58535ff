"""What the parts of packing share: which columns of the lines say what, and SQL over the shipments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from shipkit.common.sql import quoted
from shipkit.orders import expressions as sql
from shipkit.orders.fields import Column, phrase
from shipkit.orders.grouping import OrderSet
from shipkit.orders.layouts import parts
from shipkit.orders.mapping.mapped import MappingSpec
from shipkit.schema import SHIPMENTS

__all__ = ["Found", "numeric", "over"]

_OF_THE_ORDER: Final = (
    "order weight",
    "total weight",
    "shipment weight",
    "package weight",
    "parcel weight",
    "box weight",
    "gross weight",
    "shipping weight",
    "ship weight",
)
_UNITS: Final = ("lb", "oz", "kg", "g")


@dataclass(frozen=True)
class Found:
    """The columns of the lines, and what their weight is of."""

    orders: OrderSet
    spec: MappingSpec
    weights: tuple[tuple[Column, str | None], ...]
    basis: str | None
    quantity: Column | None
    sku: Column | None
    unit: Column | None

    @classmethod
    def of(cls, orders: OrderSet, spec: MappingSpec) -> Found:
        """Return the columns that a person, the layout or the headings name."""
        whole, each = _columns(orders, spec, "weight"), _columns(orders, spec, "item_weight")
        basis = spec.weights or (_basis(whole, spec) if whole else "unit" if each else None)
        chosen = whole or each

        def first(role: str) -> Column | None:
            return next((column for column, _ in _columns(orders, spec, role)), None)

        unit = first("weight_unit") if all(unit is None for _, unit in chosen) else None
        return cls(orders, spec, tuple(chosen), basis, first("quantity"), first("sku"), unit)

    def of_role(self, role: str) -> list[tuple[Column, str | None]]:
        """Return the columns that give `role`, each with its unit."""
        return _columns(self.orders, self.spec, role)

    def needed(self, orders: OrderSet, spec: MappingSpec) -> bool:
        """Whether lines have to be added up: not where every order is one line with its own weight."""
        single = (
            orders.single
            and spec.weights is None
            and len(self.weights) < 2
            and self.basis != "unit"
        )
        return spec.skus is not None or not single


def _columns(orders: OrderSet, spec: MappingSpec, role: str) -> list[tuple[Column, str | None]]:
    """Return the columns that give `role`, each with its unit: as the person said, else as the layout says, else as recognised."""
    for name, heading in spec.columns.items():
        said, _, unit = name.rpartition("_")
        if name == role or (said == role and unit in _UNITS):
            column = orders.loaded.column(heading)
            return [(column, unit if said == role else column.unit)]
    by_name = {column.name: column for column in orders.columns}
    listed = parts(spec.layout, role, list(by_name))
    return [(by_name[name], unit) for name, unit in listed] or [
        (column, column.unit) for column in orders.columns if column.role == role
    ]


def _basis(weights: Sequence[tuple[Column, str | None]], spec: MappingSpec) -> str | None:
    words = phrase(weights[0][0].name)
    if spec.layout is not None and "weight" in spec.layout.fields:
        return spec.layout.layout.weight_of
    return "order" if any(words.startswith(known) for known in _OF_THE_ORDER) else None


def numeric(column: Column) -> str:
    """Return SQL of a cell as a number, null when it is none."""
    if column.type == "VARCHAR":
        return f"TRY_CAST({sql.number(quoted(column.key))} AS DOUBLE)"
    return f"CAST({quoted(column.key)} AS DOUBLE)"


def over(con: duckdb.DuckDBPyConnection, table: pa.Table, query: str) -> pa.Table:
    """Return what `query` makes of the shipments, which it calls ``packed_shipments``."""
    con.register("packed_shipments", table)
    try:
        return con.sql(f"{query} ORDER BY row_number").to_arrow_table().cast(SHIPMENTS)
    finally:
        con.unregister("packed_shipments")
