"""Read orders for a price: what no price depends on is not required.

Orders are read whole, or in parts if there are more than fit in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.ratecard import CARD_SERVICES
from shipkit.common.places import zip_with_zeros
from shipkit.common.relation import Relation, scratch
from shipkit.errors import InputError
from shipkit.models import Address
from shipkit.orders import normalize
from shipkit.orders.source.row_ranges import row_ranges
from shipkit.plan.planner import Planner
from shipkit.rates.order_files import OrderFile, local_copy, order_files
from shipkit.rates.shipment_files import ShipmentFile, filled, has_parcels, shipment_files
from shipkit.schema import SHIPMENTS
from shipkit.settings import Machine

__all__ = ["SANDBOX_ZIP", "Orders", "Unread", "orders_in_parts", "read_orders"]

SANDBOX_ZIP = "78205"
"""The default origin of the synthetic card: as made up as its prices."""
_DECIDES = (
    "postal_code",
    "country",
    "residential",
    "service",
    "weight_lb",
    "length_in",
    "width_in",
    "height_in",
    "declared_value",
    "signature",
    "saturday_delivery",
    "ship_date",
    "warehouse",
)
ROWS_AT_A_TIME = 250_000
"""Rows that are read and priced at a time."""
_ORIGIN_FIX = (
    "Give the ZIP that it leaves from in a column Ship From ZIP or by warehouses=. Or set the "
    "columns about the origin aside by ignore=: then it is priced from origin=."
)
"""What to do about an origin that is not clear: a price needs its ZIP only."""
_DATABASE_HOLDS = "1GB"
"""The memory for orders that are streamed; the rest is in the spill folder of the process."""


@dataclass(frozen=True)
class Unread:
    """Why a row has no price: `field` cannot be read, and a price would be a guess."""

    field: str
    problem: str
    fix: str | None


@dataclass(frozen=True, eq=False)
class Orders:
    """Orders as a shipments table, with the rows that cannot be read."""

    table: pa.Table
    """:data:`shipkit.schema.SHIPMENTS`."""
    unread: Mapping[int, Unread]
    """Index -> what cannot be read."""
    planner: Planner | None = None
    """Holds the source's own columns; None for a table that was mapped already."""
    before: int = 0
    """Rows of the files before these, which are in the row numbers and not in the planner's."""
    given: pa.Table | None = None
    """The table that was mapped already, with any other columns it has."""

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of the source: per shipment, the value of the order's first line.

        Raises InputError, with the most similar name, for an unknown column.
        """
        if self.planner is None:
            if self.given is None or name not in self.given.column_names:
                raise InputError(f"The orders have no column {name!r}.", fix="Name one they have.")
            return self.given.column(name)
        key = self.planner.carried([name])[0]
        joined = self.planner.joined(
            pa.table(
                {
                    "row_number": pc.subtract(self.table.column("row_number"), self.before),
                    "place": pa.array(np.arange(self.table.num_rows)),
                }
            ),
            [key],
        )
        return joined.sort_by("place").column(
            joined.column_names.index(key) if key in joined.column_names else -1
        )


def read_orders(orders: Any, **options: Any) -> Orders:
    """Return `orders` as shipments; what no price depends on may be missing.

    Parameters
    ----------
    options
        How their columns are read (:func:`shipkit.rates.scenario.mapping_of`).
    """
    if isinstance(orders, Orders):
        return orders
    source = source_of(orders)
    if source.shipments is not None:
        mapped = pa.concat_tables(
            [part.whole() for part in source.shipments], promote_options="permissive"
        )
        return shipments(mapped)
    if source.table is not None:
        return shipments(source.table)
    with source.local() as given:
        planner = planner_of(given, options)
        return read_of(planner, planner.mapped().relation, source)


def orders_in_parts(orders: Any, **options: Any) -> Iterator[Orders]:
    """Yield `orders` in parts with continuous row numbers. Each order is whole, in one part."""
    source = source_of(orders)
    if source.shipments is not None:
        for part in source.shipments:
            yield from (shipments(table) for table in part.tables(ROWS_AT_A_TIME))
    elif source.table is not None:
        yield shipments(source.table)
    else:
        yield from _parts_of_orders(source, **options)


def shipments(table: pa.Table) -> Orders:
    """Return a table of shipments that are mapped already."""
    return Orders(filled(table), {}, given=table)


def _parts_of_orders(source: OrderSource, **options: Any) -> Iterator[Orders]:
    """Yield orders part by part as they are normalised.

    Types, units and grouping are decided before the first part, from all orders.
    """
    with source.local() as given:
        planner = planner_of(given, options, holds=True)
        try:
            yield from ranges_of(planner, source)
        finally:
            planner.close()


def ranges_of(planner: Planner, source: OrderSource) -> Iterator[Orders]:
    """Yield the orders of a planner some rows at a time, each order whole."""
    whole = planner.mapped().relation.sql
    with scratch(planner.con, "rating") as schema:
        for first, last in row_ranges(planner.loaded, ROWS_AT_A_TIME):
            part = schema.view(
                "part",
                f"SELECT * FROM {whole} WHERE row_number BETWEEN {first} AND {last}",
            )
            yield read_of(planner, part, source)


# -- what orders are -------------------------------------------------------------------------------


@dataclass(frozen=True)
class OrderSource:
    """What orders were given as: shipments in files, a table of shipments, or orders to be read."""

    given: Any
    files: tuple[OrderFile, ...] = ()
    shipments: tuple[ShipmentFile, ...] | None = None
    table: pa.Table | None = None

    @contextmanager
    def local(self) -> Iterator[Any]:
        """Yield what the reader of orders takes: files are on this machine inside the block."""
        with ExitStack() as stack:
            paths = [stack.enter_context(local_copy(file)) for file in self.files]
            yield (paths[0] if len(paths) == 1 else paths) if paths else self.given


def source_of(orders: Any) -> OrderSource:
    """Return what `orders` are. Nothing but the ends of Parquet files is read, and streams."""
    if isinstance(orders, OrderSource):
        return orders
    files = order_files(orders)
    if files is not None:
        mapped = shipment_files(files)
        return OrderSource(orders, tuple(files), None if mapped is None else tuple(mapped))
    if isinstance(orders, pa.RecordBatch | pa.RecordBatchReader):
        orders = pa.table(orders) if isinstance(orders, pa.RecordBatch) else orders.read_all()
    elif isinstance(orders, duckdb.DuckDBPyRelation) and "parcels" in orders.columns:
        orders = orders.to_arrow_table()
    elif hasattr(orders, "__arrow_c_stream__") and "parcels" in getattr(orders, "columns", ()):
        orders = pa.table(orders)
    is_mapped = isinstance(orders, pa.Table) and has_parcels(orders.schema)
    return OrderSource(orders, table=orders if is_mapped else None)


# -- one lot ---------------------------------------------------------------------------------------


def planner_of(
    orders: Any, options: Mapping[str, Any], *, holds: bool = False, **fixed: Any
) -> Planner:
    """Return a planner that has read and mapped `orders`.

    Parameters
    ----------
    holds
        Whether they may be more than fit in memory.
    fixed
        What was decided with other files before: ``fixed`` and ``fixed_orders``.
    """
    planner = Planner(shipper=Address(postal_code=SANDBOX_ZIP), services=lambda: CARD_SERVICES)
    if holds and Machine.read().memory is None:
        planner.con.execute(f"SET memory_limit = '{_DATABASE_HOLDS}'")
    planner.load(orders, copy=not holds, **fixed)
    planner.map(**options)
    return planner


def read_of(planner: Planner, relation: Relation, source: OrderSource) -> Orders:
    """Return the shipments of `relation`: what was mapped, or a part of it."""
    mapped = planner.mapped()
    asked = tuple(question for question in mapped.questions if _leaf(question.field) in _DECIDES)
    table, problems, _ = normalize.normalize(
        planner.con,
        replace(mapped, relation=relation, questions=asked),
        source_problems=planner.loaded.problems,
    )
    if source.files and table.num_rows:
        table = _with_files(table, source.files, planner.loaded.origin.rows)
    return Orders(_with_zeros(table), _unread(table, problems), planner)


def _with_files(table: pa.Table, files: Sequence[OrderFile], rows: Sequence[int]) -> pa.Table:
    """Return `table` with the name of each row's file, as the results call it."""
    place = np.searchsorted(np.cumsum(rows), table.column("row_number").to_numpy(), side="left")
    names = pa.array([file.name for file in files], pa.string()).take(pa.array(place))
    at = table.schema.get_field_index("source_file")
    return table.set_column(at, SHIPMENTS.field("source_file"), names)


def _with_zeros(table: pa.Table) -> pa.Table:
    """Return `table` with the leading zeros of US ZIPs restored where there is no state.

    With a state, normalising has already done so.
    """
    at = table.schema.get_field_index("postal_code")
    codes = table.column(at)
    # Whole ZIPs have 5 or 10 characters: this keeps the distinct texts below few.
    short = pc.and_(pc.not_equal(pc.utf8_length(codes), 5), pc.less(pc.utf8_length(codes), 10))
    here = pc.equal(pc.fill_null(table.column("country"), "US"), "US")
    lost = pc.and_(short, pc.and_(pc.is_null(table.column("state")), here))
    restored = {code: zip_with_zeros(code) for code in pc.unique(codes.filter(lost)).to_pylist()}
    restored = {code: made for code, made in restored.items() if made is not None}
    if not restored:
        return table
    found = pc.index_in(codes, value_set=pa.array(list(restored), pa.string()))
    made = pc.take(pa.array(list(restored.values()), pa.string()), found)
    chosen = pc.and_(pc.fill_null(lost, False), pc.is_valid(made))  # noqa: FBT003 - a fill value
    return table.set_column(at, SHIPMENTS.field("postal_code"), pc.if_else(chosen, made, codes))


def _unread(table: pa.Table, problems: pa.Table) -> dict[int, Unread]:
    """Return the rows with an error in a field that decides the price.

    If a row has several, the service and the origin are not the one returned, since they may be
    given for all rows.
    """
    errors = (
        problems.filter(pc.equal(problems.column("severity"), "error"))
        .select(["row_number", "field", "problem", "fix"])
        .to_pylist()
    )
    numbers = table.column("row_number").to_numpy()
    found: dict[int, Unread] = {}
    for error in errors:
        leaf = _leaf(error["field"])
        if leaf in _DECIDES and error["row_number"] is not None:
            i = int(np.searchsorted(numbers, error["row_number"]))
            if (
                i < len(numbers)
                and numbers[i] == error["row_number"]
                and (i not in found or _rank(leaf) > _rank(found[i].field))
            ):
                fix = _ORIGIN_FIX if leaf == "warehouse" else error["fix"]
                found[i] = Unread(leaf, f"{error['field']}: {error['problem']}", fix)
    return found


def _rank(leaf: str) -> int:
    """Return how much a field goes before others: what may be given for all rows is the least."""
    return {"service": 0, "warehouse": 1}.get(leaf, 2)


def _leaf(path: str | None) -> str:
    return (path or "").rsplit(".", 1)[-1].split("[")[0]
