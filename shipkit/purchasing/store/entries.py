"""Ledger entries: what one says, how many become a parquet table, which one counts for a row."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.models import Refund
from shipkit.state import RowState

__all__ = [
    "ENTRIES",
    "REPEAT_REFUSED",
    "STATES",
    "LabelBytes",
    "LedgerEntry",
    "bought_in",
    "encode",
    "followed",
    "is_owed",
    "is_usable",
    "label_cents_in",
    "labels_of",
    "last_entries",
    "merge",
    "metadata",
    "micros",
    "paid_back_in",
    "refund_in",
    "rejected_in",
    "state_codes",
    "to_table",
    "voided_in",
    "with_decided",
    "with_refund",
    "with_voided",
    "without_labels",
]

_LABEL = pa.struct(
    [
        pa.field("tracking_number", pa.string()),
        pa.field("format", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("parcel_index", pa.int32()),
        pa.field("data", pa.binary()),
    ]
)

ENTRIES = pa.schema(
    [
        # 1, 2, 3, ... over the whole job. The highest entry of a row that has a state is its state.
        pa.field("entry", pa.int64()),
        # Index in the plan; null for an entry about the job itself.
        pa.field("row", pa.int32()),
        # intent, prepared, result, failed, not_sent, in_doubt, adopted, absent, review, decided,
        # labels, voided, voided_in_part, refund, skipped; of the job: run, end, cancelled, pruned,
        # owner;
        # of neither: surplus, surplus_voided, manifest_asked, manifest, manifest_refused,
        # pickup_asked, pickup, pickup_refused, pickup_cancel_asked, pickup_cancel_refused,
        # pickup_canceled.
        pa.field("event", pa.string()),
        # Of the row after the event; null when the event does not move a row.
        pa.field("state", pa.string()),
        pa.field("attempt", pa.int32()),
        pa.field("reference", pa.string()),
        pa.field("at", pa.timestamp("us", "UTC")),
        pa.field("shipped_at", pa.timestamp("us", "UTC")),
        # The carrier's id of the shipment. Before it is bought: what `prepare` gave.
        pa.field("shipment_id", pa.string()),
        pa.field("tracking_numbers", pa.list_(pa.string())),
        pa.field("service", pa.string()),
        pa.field("charged_cents", pa.int64()),
        pa.field("currency", pa.string()),
        pa.field("charge_basis", pa.string()),
        pa.field("billed_weight_lb", pa.float64()),
        pa.field("code", pa.string()),
        pa.field("message", pa.string()),
        pa.field("fix", pa.string()),
        # JSON.
        pa.field("details", pa.string()),
        # Earlier attempts whose reference was given up, to be looked up again.
        pa.field("watch", pa.list_(pa.int32())),
        # The segment that holds the label bytes, kept when a compaction leaves them out.
        pa.field("label_sequence", pa.int64()),
        pa.field("labels", pa.list_(_LABEL)),
    ]
)
"""Columns of a segment, and of a compaction (where `labels` is null)."""

STATES: tuple[RowState, ...] = tuple(RowState)
"""The code of a state in arrays is its index here."""

REPEAT_REFUSED = "repeat_refused"
"""The code of a row in review whose request was refused when it was sent again with its key."""

_META = b"shipkit"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class LabelBytes(NamedTuple):
    """One label to store."""

    tracking_number: str
    format: str
    kind: str
    parcel_index: int
    data: bytes


class LedgerEntry(NamedTuple):
    """One entry, with the fields of :data:`ENTRIES` without `entry`.

    Times are microseconds since 1970.
    """

    row: int | None
    event: str
    state: str | None
    attempt: int | None = None
    reference: str | None = None
    at: int | None = None
    shipped_at: int | None = None
    shipment_id: str | None = None
    tracking_numbers: Sequence[str] | None = None
    service: str | None = None
    charged_cents: int | None = None
    currency: str | None = None
    charge_basis: str | None = None
    billed_weight_lb: float | None = None
    code: str | None = None
    message: str | None = None
    fix: str | None = None
    details: str | None = None
    watch: Sequence[int] | None = None
    label_sequence: int | None = None
    labels: Sequence[LabelBytes] | None = None


def followed(entry: Mapping[str, Any], *, event: str, state: RowState) -> LedgerEntry:
    """Return the entry of now that follows the last one of a row, and keeps all that it says.

    Parameters
    ----------
    entry
        The last one, as :meth:`shipkit.purchasing.store.JobStore.last_entries_of` returns it.
    """
    fresh = ("labels", "at", "shipped_at", "event", "state")
    kept = {name: entry[name] for name in LedgerEntry._fields if name not in fresh}
    at = entry["shipped_at"]
    shipped_at = None if at is None else micros(at)
    now = time.time_ns() // 1000
    return LedgerEntry(**kept, event=event, state=state.value, at=now, shipped_at=shipped_at)


def micros(at: dt.datetime) -> int:
    """Return a time as entries hold it: microseconds since 1970."""
    return (at - _EPOCH) // dt.timedelta(microseconds=1)


def with_refund(details: str | None, refund: Refund | None) -> str | None:
    """Return the details of an entry with the state of its refund; None: no money is owed."""
    found = {k: v for k, v in json.loads(details or "{}").items() if k != "refund"}
    if refund is not None:
        found["refund"] = refund.value
    return json.dumps(found) if found else None


def with_voided(
    details: str | None, numbers: Sequence[str], *, of: Sequence[str] = ()
) -> str | None:
    """Return the details of an entry with the labels of the row that are voided; () for none.

    Parameters
    ----------
    of
        All labels that the row was bought with, in the order of its parcels.
    """
    found = json.loads(details or "{}")
    found = {k: v for k, v in found.items() if k not in ("voided", "bought")}
    if numbers:
        found |= {"voided": list(numbers), "bought": list(of)}
    return json.dumps(found) if found else None


def voided_in(details: str | None) -> tuple[str, ...]:
    """Return the voided labels of a row of which others are not."""
    return tuple(json.loads(details).get("voided", ())) if details else ()


def label_cents_in(entry: Mapping[str, Any]) -> dict[str, int]:
    """Return what each label of a row costs, {} where that is not known of all of them."""
    details = json.loads(entry["details"] or "{}")
    cents: dict[str, int] = details.get("label_cents") or {}
    return cents if sorted(cents) == sorted(bought_in(entry)) else {}


def with_decided(
    details: str | None, paid_back: Sequence[str], rejected: Sequence[str]
) -> str | None:
    """Return the details of an entry with the labels whose money is back, or is refused."""
    found = json.loads(details or "{}")
    found |= {"paid_back": list(paid_back), "rejected": list(rejected)}
    found = {k: v for k, v in found.items() if v or k not in ("paid_back", "rejected")}
    return json.dumps(found) if found else None


def paid_back_in(details: str | None) -> tuple[str, ...]:
    """Return the labels of a row whose money is back, where each has a price of its own."""
    return tuple(json.loads(details).get("paid_back", ())) if details else ()


def rejected_in(details: str | None) -> tuple[str, ...]:
    """Return the labels of a row whose refund is rejected, where each has a price of its own."""
    return tuple(json.loads(details).get("rejected", ())) if details else ()


def is_usable(number: str, kind: str, voided: Sequence[str]) -> bool:
    """Whether a stored file of a row is no label that is voided.

    Papers are: those of a whole shipment have the number of one of its labels.
    """
    return kind != "label" or number not in voided


def bought_in(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return all labels that a row was bought with, voided or not, in the order of its parcels."""
    details = json.loads(entry["details"] or "{}")
    return tuple(details.get("bought") or entry["tracking_numbers"] or ())


def is_owed(details: str | None) -> bool:
    """Whether a voided shipment is still paid for: its refund was asked for, or is rejected."""
    return refund_in(details) in Refund.owed()


def refund_in(details: str | None) -> str | None:
    """Return the state of the refund in the details of an entry, None where it has none."""
    return json.loads(details).get("refund") if details else None


def to_table(entries: Sequence[LedgerEntry], *, first_entry: int, sequence: int) -> pa.Table:
    """Return entries as a table of :data:`ENTRIES`.

    Parameters
    ----------
    first_entry
        The number of the first one.
    sequence
        The segment that is being written: entries with labels point to it.
    """
    count = len(entries)
    columns: list[Any] = [pa.array(np.arange(first_entry, first_entry + count))]
    for field, values in zip(list(ENTRIES)[1:-2], zip(*entries, strict=True), strict=False):
        columns.append(_column(values, field.type, count))
    places = [sequence if entry.labels else entry.label_sequence for entry in entries]
    columns.append(_column(places, pa.int64(), count))
    columns.append(_labels(entries))
    return pa.Table.from_arrays(columns, schema=ENTRIES)


def _column(values: Sequence[Any], kind: pa.DataType, count: int) -> Any:
    # Most columns of most commits are empty, and making nulls is many times cheaper than scanning.
    return pa.array(values, kind) if any(v is not None for v in values) else pa.nulls(count, kind)


def _labels(entries: Sequence[LedgerEntry]) -> Any:
    """Return the labels column. Built from flat arrays, so that label bytes are copied once."""
    flat = [label for entry in entries if entry.labels for label in entry.labels]
    if not flat:
        return pa.nulls(len(entries), pa.list_(_LABEL))
    offsets: list[int | None] = []
    place = 0
    for entry in entries:
        offsets.append(place if entry.labels else None)
        place += len(entry.labels or ())
    offsets.append(place)
    columns = [
        pa.array(values, field.type)
        for values, field in zip(zip(*flat, strict=True), _LABEL, strict=True)
    ]
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.StructArray.from_arrays(columns, fields=list(_LABEL))
    )


def encode(table: pa.Table, meta: dict[str, Any]) -> bytes:
    """Return a table of entries as parquet bytes, with `meta` as JSON in the file's metadata.

    Entries that move no row come first, in a row group of their own: reading the notes of a job
    with a million rows then costs a few kilobytes per file.
    """
    sink = pa.BufferOutputStream()
    labelled = table.column("labels").null_count < table.num_rows
    noted = pc.is_null(table.column("state"))
    # ChunkedArray has no `true_count`, Array has one that is faster than a sum.
    notes = noted.true_count if hasattr(noted, "true_count") else pc.sum(noted).as_py() or 0
    groups = (
        [table]
        if notes in (0, table.num_rows)
        else [table.filter(noted), table.filter(pc.invert(noted))]
    )
    with pq.ParquetWriter(
        sink,
        ENTRIES,
        write_statistics=False,
        use_dictionary=False,
        # Labels are PDF, PNG or GIF, which are compressed already: zstd would only cost time.
        compression="none" if labelled else "zstd",
        store_schema=False,
    ) as writer:
        writer.add_key_value_metadata({_META.decode(): json.dumps({**meta, "notes": notes})})
        for group in groups:
            writer.write_table(group)
    return bytes(sink.getvalue())


def metadata(file: pq.ParquetFile) -> dict[str, Any]:
    """Return what :func:`encode` was given as `meta`, with the number of ``notes``."""
    found: dict[str, Any] = json.loads((file.metadata.metadata or {})[_META])
    return found


def last_entries(table: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the index of the last entry of each row that has a state, in the order of rows."""
    rows, moves = _moves(table)
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    place = np.full(int(rows.max()) + 1, -1, dtype=np.int64)
    place[rows] = moves  # of a repeated row, numpy keeps the last assignment
    return place[place >= 0]


def _moves(table: pa.Table) -> tuple[Any, Any]:
    """Return rows and indices of the entries that move a row."""
    valid = np.asarray(table.column("state").is_valid())
    places = np.flatnonzero(valid)
    rows = table.column("row").fill_null(-1).to_numpy()[places].astype(np.int64)
    return rows, places


def state_codes(table: pa.Table) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the code of each entry's state. Every entry of `table` must have one."""
    return np.asarray(pc.index_in(table.column("state"), value_set=_state_texts())).astype(np.uint8)


def merge(tables: Sequence[pa.Table]) -> pa.Table:
    """Return what a compaction keeps: the last entry of each row, and all that move no row.

    Label bytes are left out; they stay in the segments that were written with them.
    """
    whole = pa.concat_tables(tables)
    whole = whole.drop_columns(["labels"]) if "labels" in whole.column_names else whole
    notes = np.flatnonzero(~np.asarray(whole.column("state").is_valid()))
    keep = np.sort(np.concatenate([last_entries(whole), notes]))
    return without_labels(whole.take(pa.array(keep)))


def without_labels(table: pa.Table) -> pa.Table:
    """Return entries without label bytes: the column is there, and null."""
    bare = table.drop_columns(["labels"]) if "labels" in table.column_names else table
    return bare.append_column(ENTRIES.field("labels"), pa.nulls(bare.num_rows, pa.list_(_LABEL)))


def labels_of(table: pa.Table) -> pa.Table:
    """Return rows and labels of the entries that have label bytes."""
    chosen = table.select(["row", "labels"])
    return chosen.filter(pc.is_valid(chosen.column("labels")))


@cache
def _state_texts() -> pa.Array:
    # Not at import time: pyarrow imports pandas for the first array of Python objects.
    return pa.array([s.value for s in STATES])
