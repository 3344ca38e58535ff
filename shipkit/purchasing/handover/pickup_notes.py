"""What to know about a pickup from the job's own books: no carrier is asked."""

from __future__ import annotations

from collections.abc import Iterator

from shipkit.common.words import counted
from shipkit.purchasing.pickup_book import PickupEntry, pickup_book
from shipkit.purchasing.store import JobStore
from shipkit.state import RowState

__all__ = ["pickup_notes"]

_OPEN = ("booked", "in_doubt")


def pickup_notes(store: JobStore, entry: PickupEntry) -> Iterator[str]:
    """Yield what became of a pickup's parcels, and which other pickup they are in."""
    if entry.state in _OPEN:
        states = store.results().column("state").to_pylist()
        gone = sum(states[row] != RowState.SHIPPED for row in entry.rows)
        if gone:
            yield (
                f"{gone:,} of its {counted(len(entry.rows), 'shipment')} "
                f"{'is' if gone == 1 else 'are'} no longer bought: cancel() it if the driver "
                "need not come"
            )
    if entry.state not in (*_OPEN, "offered"):
        return
    own = set(entry.rows)
    for other in pickup_book(store, texts=False).values():
        shared = len(own & set(other.rows))
        if other.state in _OPEN and other.reference != entry.reference and shared:
            name = (other.booked.number if other.booked else "") or other.reference
            yield (
                f"{counted(shared, 'shipment')} of it {'is' if shared == 1 else 'are'} in the "
                f"pickup {name} on {other.day}, too"
            )
