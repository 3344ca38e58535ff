"""Parcels that are priced one by one, as rows of their own, and their prices as shipments again.

Most shipments are one parcel, and are left as they are.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["parcels_apart", "parcels_joined"]

_FIRST = "first_"
_NO_PROBLEM = 1 << 30

Indices = npt.NDArray[np.int64]


def parcels_apart(chunk: pa.Table, together: Collection[str]) -> tuple[pa.Table, Indices | None]:
    """Return the questions with a row for each parcel, and the first row of each shipment.

    None instead of the rows, and the questions as they are, when no shipment has to be taken
    apart.

    Parameters
    ----------
    chunk
        Questions, as :func:`shipkit.carriers.ratecard.price_tables.questions` returns them.
    together
        The services that price the whole shipment.
    """
    pieces = np.asarray(chunk.column("pieces"))
    apart = pieces > 1
    if apart.any():
        known = pa.array(sorted(together), pa.string())
        apart &= ~np.asarray(pc.is_in(chunk.column("service"), value_set=known))
    if not apart.any():
        return chunk, None
    count = np.where(apart, pieces, 1)
    first = np.cumsum(count) - count
    shipment = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(shipment)) - first[shipment]
    rest = _one_chunk(chunk.column("rest"))
    starts = np.asarray(rest.offsets).astype(np.int64)
    own = np.where(place == 0, shipment, len(count) + starts[:-1][shipment] + place - 1)
    columns: dict[str, Any] = {}
    for name in chunk.column_names:
        if name.startswith(_FIRST):
            others = rest.values.field(name.removeprefix(_FIRST))
            both = pa.concat_arrays([_one_chunk(chunk.column(name)), others.cast(others.type)])
            columns[name] = both.take(pa.array(own))
        elif name not in {"i", "pieces", "rest"}:
            columns[name] = chunk.column(name).take(pa.array(shipment))
    left = np.where(apart, 0, np.diff(starts))[shipment]
    offsets = np.concatenate([[0], np.cumsum(left)])
    values = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - starts[:-1][shipment], left)
    columns |= {
        "i": pa.array(np.arange(len(shipment))),
        "lead": pa.array(place == 0),
        "pieces": pa.array(np.where(apart[shipment], 1, pieces[shipment])),
        "rest": pa.ListArray.from_arrays(
            pa.array(offsets.astype(np.int32)), rest.values.take(pa.array(values))
        ),
    }
    return pa.table(columns), first


def parcels_joined(priced: pa.Table, first: Indices) -> pa.Table:
    """Return a row for each shipment from the prices of its parcels, in order.

    Amounts and weights are summed up. A shipment has the first problem of its parcels, by rank.
    """
    rank = np.asarray(pc.fill_null(priced.column("rank"), _NO_PROBLEM)).astype(np.int64)
    rows = np.arange(len(rank))
    speaks = np.minimum.reduceat(rank * len(rank) + rows, first) % len(rank)
    well = np.minimum.reduceat(rank, first) == _NO_PROBLEM
    joined = priced.drop_columns(["rank"]).take(pa.array(speaks))
    for place, name in enumerate(joined.column_names):
        column = priced.column(name)
        if name == "billable_weight_lb":
            joined = joined.set_column(place, name, _summed(column, first, None))
        elif pa.types.is_integer(column.type) and name != "transit_days":
            joined = joined.set_column(place, name, _summed(column, first, well))
    return joined


def _summed(
    column: pa.ChunkedArray, first: Indices, well: npt.NDArray[np.bool_] | None
) -> pa.Array:
    """Return sums by shipment; null where `well` is not true, or without it where any is null."""
    if well is None:
        well = ~np.logical_or.reduceat(np.asarray(pc.is_null(column)), first)
    sums = np.add.reduceat(np.asarray(pc.fill_null(column, 0)), first)
    return pa.array(sums, column.type, mask=~well)


def _one_chunk(column: pa.ChunkedArray) -> Any:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
