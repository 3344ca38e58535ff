"""Rows whose shipment may still turn up at the carrier, and shipments that turned up twice."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import last_entries
from shipkit.state import RowState

__all__ = ["ever_surplus", "late_rows", "surplus"]

_MAY_TURN_UP: Final = [
    RowState.IN_FLIGHT.value,
    RowState.IN_DOUBT.value,
    RowState.REVIEW.value,
]


def late_rows(store: JobStore, *, labels: bool = False) -> list[int]:
    """Return the rows for which a shipment may still turn up at the carrier.

    These are rows in flight, in doubt or in review, and rows with a given-up reference.

    Parameters
    ----------
    labels
        Also the shipped rows whose label files are missing.
    """
    table = store.chain(("row", "state", "watch", "label_sequence")).table
    last = table.take(last_entries(table))
    wanted = pc.is_in(last.column("state"), value_set=pa.array(_MAY_TURN_UP))
    wanted = pc.or_(wanted, pc.is_valid(last.column("watch")))
    if labels and not store.pruned:
        shipped = pc.equal(last.column("state"), RowState.SHIPPED.value)
        wanted = pc.or_(wanted, pc.and_(shipped, pc.is_null(last.column("label_sequence"))))
    late = last.filter(wanted)
    rows: list[int] = late.column("row").to_pylist()
    return rows


def ever_surplus(store: JobStore) -> list[str]:
    """Return the ids of all shipments that were surplus once, voided ones included."""
    notes = store.notes()
    found: list[str] = (
        notes.filter(pc.equal(notes.column("event"), "surplus")).column("shipment_id").to_pylist()
    )
    return found


def surplus(store: JobStore) -> pa.Table:
    """Return the ledger entries of surplus shipments that are not voided yet.

    A surplus shipment exists at the carrier in addition to the one that its row adopted.
    """
    notes = store.notes()
    found = notes.filter(pc.equal(notes.column("event"), "surplus"))
    gone = notes.filter(pc.equal(notes.column("event"), "surplus_voided")).column("shipment_id")
    return found.filter(
        pc.invert(pc.is_in(found.column("shipment_id"), value_set=gone.combine_chunks()))
    )
