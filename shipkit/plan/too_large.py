"""Services that do not take the parcels of a row, by the limits that carriers declare.

A carrier may price what it then refuses. A rule does not choose that service while another one
takes the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.services import ServiceList

__all__ = ["too_large"]

_MEASURES: Final = ("weight_lb", "longest_side_in", "length_and_girth_in", "parcels")
"""Fields of :class:`~shipkit.services.Limits` that a row can exceed with its parcels."""


def too_large(shipments: pa.Table, offered: ServiceList) -> dict[int, set[str]]:
    """Return index of a row -> the services whose limits its parcels exceed."""
    measured = dict(zip(_MEASURES, _measured(shipments.column("parcels")), strict=True))
    over: dict[tuple[str, float], list[int]] = {}
    found: dict[int, set[str]] = {}
    for code, name, most in _limits(offered):
        if (name, most) not in over:
            over[name, most] = np.flatnonzero(measured[name] > most).tolist()
        for row in over[name, most]:
            found.setdefault(row, set()).add(code)
    return found


def _limits(offered: ServiceList) -> Iterator[tuple[str, str, float]]:
    """Yield service, limit and value, of the services and of their carriers."""
    for account, part in offered.by_account.items():
        for entry in part:
            code = f"{account}:{entry.code}" if account else entry.code
            for limits in (part.limits, entry.limits):
                given = limits.given()
                yield from ((code, name, given[name]) for name in _MEASURES if name in given)


def _measured(column: pa.ChunkedArray) -> list[npt.NDArray[np.float64]]:
    """Return of each row the largest of each measure among its parcels; 0 where none is known."""
    parcels = column.combine_chunks()
    rows = pc.list_parent_indices(parcels).to_numpy()
    each = pc.list_flatten(parcels)

    def values(name: str) -> npt.NDArray[np.float64]:
        known = pc.fill_null(pc.struct_field(each, name).cast(pa.float64()), 0.0)
        return np.asarray(known)

    sides = np.sort(np.stack([values(n) for n in ("length_in", "width_in", "height_in")]), axis=0)
    girth = sides[2] + 2 * (sides[0] + sides[1])
    counts = np.bincount(rows, minlength=len(parcels)).astype(np.float64)
    found = [_most(rows, one, len(parcels)) for one in (values("weight_lb"), sides[2], girth)]
    return [*found, counts]


def _most(
    rows: npt.NDArray[np.int64], values: npt.NDArray[np.float64], count: int
) -> npt.NDArray[np.float64]:
    most = np.zeros(count)
    np.maximum.at(most, rows, values)
    return most
