"""What to know before labels are voided: carriers' time limits, manifests, and drivers on the way.

The carrier decides, and is asked all the same. Nothing here asks it, or needs credentials.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import pyarrow as pa

from shipkit.carriers import registry
from shipkit.common.words import counted
from shipkit.errors import ShipkitError
from shipkit.purchasing.handover.driver_manifests import ManifestBook
from shipkit.purchasing.pickup_book import pickup_book
from shipkit.purchasing.store import JobStore
from shipkit.state import RowState

__all__ = ["void_notes"]

_UNSURE: Final = (RowState.IN_FLIGHT, RowState.IN_DOUBT, RowState.REVIEW)


def void_notes(store: JobStore, rows: Sequence[int]) -> list[str]:
    """Return what to know before the labels of rows are voided, and of rows that stay as they are.

    Parameters
    ----------
    rows
        Indices in the plan.
    """
    table = store.results().select(["state", "seller", "carrier", "shipped_at"])
    states = table.column("state").to_pylist()
    bought = [row for row in rows if states[row] == RowState.SHIPPED]
    unsure = sum(states[row] in _UNSURE for row in rows)
    notes = [_not_settled(unsure)] if unsure else []
    if not bought:
        return notes
    return [
        *notes,
        *_too_old(store, table.take(pa.array(bought, pa.int64()))),
        *_on_manifests(store, set(bought)),
        *_in_pickups(store, set(bought)),
    ]


def _not_settled(count: int) -> str:
    return (
        f"{counted(count, 'shipment')} may have paid labels and {'is' if count == 1 else 'are'} "
        "not voided: resuming looks up those in doubt, and a decision settles those in review."
    )


def _too_old(store: JobStore, labels: pa.Table) -> Iterator[str]:
    """Yield a sentence for each time in which a carrier voids, and which labels are older than."""
    manifest = store.manifest
    sellers = {each.name: each.carrier for each in manifest.accounts}
    days_of = {
        name: _void_days(sellers.get(name, manifest.carrier))
        for name in set(labels.column("seller").to_pylist())
    }
    now = dt.datetime.now(dt.UTC)
    late: Counter[tuple[str, int]] = Counter()
    for line in labels.select(["seller", "carrier", "shipped_at"]).to_pylist():
        days = days_of[line["seller"]].get(line["carrier"])
        at = line["shipped_at"]
        if days is not None and at is not None and now - _aware(at) > dt.timedelta(days=days):
            late[line["carrier"], days] += 1
    for (carrier, days), count in sorted(late.items()):
        yield (
            f"{counted(count, 'label')} of {carrier} {'was' if count == 1 else 'were'} bought more "
            f"than {days} days ago, after which such labels are seldom voided: expect a refusal."
        )


def _on_manifests(store: JobStore, bought: set[int]) -> Iterator[str]:
    if count := len(bought & ManifestBook.of(store).rows):
        yield (
            f"{counted(count, 'shipment')} {'is' if count == 1 else 'are'} on a manifest: the "
            "carrier may not void what the driver was given."
        )


def _in_pickups(store: JobStore, bought: set[int]) -> Iterator[str]:
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    for entry in pickup_book(store, texts=False).values():
        count = len(bought & set(entry.rows))
        if not count or entry.state not in ("booked", "in_doubt") or entry.day < yesterday:
            continue
        name = (entry.booked.number if entry.booked else "") or entry.reference
        which = "all" if count == len(entry.rows) else f"{count:,}"
        yield (
            f"The pickup {name} on {entry.day} is for {which} of these and stays booked "
            f"({entry.price}): cancel it if the driver need not come."
        )


def _void_days(carrier: str) -> Mapping[str, int]:
    try:
        return registry.plugin(carrier).capabilities.void_days
    except ShipkitError:  # a carrier that was given as an object
        return {}


def _aware(at: dt.datetime) -> dt.datetime:
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)
