"""From a ledger to answers: the status of a job, its results row by row, the stored labels."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.common.object_store import in_parallel
from shipkit.errors import CheckpointCorrupt
from shipkit.models import NUMBERED_REFERENCES
from shipkit.plan.frames import movers, origins
from shipkit.purchasing.store.chain import Chain
from shipkit.purchasing.store.entries import is_usable, last_entries, refund_in, voided_in
from shipkit.purchasing.store.segments import Part
from shipkit.schema import RETURN_OF, minor_unit_scale, user_references
from shipkit.state import JobStatus, RowState

if TYPE_CHECKING:
    from shipkit.purchasing.store import JobStore

__all__ = [
    "RESULT_COLUMNS",
    "StoredLabel",
    "job_reason",
    "job_status",
    "noted_files",
    "result_table",
    "scattered",
    "stored_labels",
]

_CACHED_BYTES = 64_000_000
"""Segments kept in memory while labels are read. One segment holds a few hundred labels."""

_LABELS_AHEAD = 8
"""Segments whose labels are fetched from an object store at a time."""

RESULT_COLUMNS = (
    "row",
    "state",
    "attempt",
    "reference",
    "at",
    "shipped_at",
    "tracking_numbers",
    "service",
    "charged_cents",
    "currency",
    "charge_basis",
    "billed_weight_lb",
    "code",
    "message",
    "fix",
    "details",
)
"""Columns of the ledger from which results are made."""

_OPEN = (RowState.PENDING, RowState.IN_FLIGHT, RowState.IN_DOUBT)
"""States in which a row keeps its job from being complete."""


class StoredLabel(NamedTuple):
    """One label, as the carrier sent it."""

    row: int
    """Index of the shipment in the plan."""
    tracking_number: str
    format: str
    data: bytes
    kind: str
    """``label``, or ``document`` for customs papers."""
    parcel_index: int
    """Which parcel of the shipment."""


def job_status(notes: pa.Table, counts: Mapping[RowState, int], *, running: bool) -> JobStatus:
    """Return the status of a job, from its notes and the counts of its rows."""
    if running:
        return JobStatus.RUNNING
    events = set(notes.column("event").to_pylist())
    if "cancelled" in events:
        return JobStatus.CANCELLED
    if any(counts[state] for state in _OPEN):
        ended = _last_end(notes)
        return (
            JobStatus.FAILED
            if ended and ended.get("status") == JobStatus.FAILED
            else JobStatus.PAUSED
        )
    return (
        JobStatus.COMPLETED_WITH_ERRORS
        if counts[RowState.FAILED] or counts[RowState.REVIEW]
        else JobStatus.COMPLETED
    )


def job_reason(notes: pa.Table, counts: Mapping[RowState, int]) -> str | None:
    """Return why the last run ended early, None when no row is open."""
    if not any(counts[state] for state in _OPEN):
        return None
    ended = _last_end(notes)
    return ended.get("reason") if ended else None


def _last_end(notes: pa.Table) -> dict[str, Any] | None:
    """Return how the last run ended, None when there was no run."""
    for event, details in zip(
        reversed(notes.column("event").to_pylist()),
        reversed(notes.column("details").to_pylist()),
        strict=True,
    ):
        if event == "end":
            found: dict[str, Any] = json.loads(details)
            return found
        if event == "run":
            # The last run has no end: nothing else leaves that behind.
            return {
                "status": JobStatus.PAUSED,
                "reason": "the process that ran it was killed, or its machine stopped",
            }
    return None


def result_table(store: JobStore, chain: Chain, *, running: bool) -> pa.Table:
    """Return the results, one row per shipment, in the order of the plan.

    Parameters
    ----------
    running
        Whether a process owns the job. When none does, rows in flight are shown as in doubt.
    """
    manifest = store.manifest
    wanted = (
        "row_number",
        "order_id",
        "references",
        *NUMBERED_REFERENCES,
        "service",
        "ship_from",
        "bill_to",
        RETURN_OF,
    )
    with pq.ParquetFile(store.path / "plan.parquet") as stored:  # of this version or an earlier one
        plan = stored.read([name for name in wanted if name in stored.schema_arrow.names])
    quotes = pq.read_table(
        store.path / "quotes.parquet",
        columns=["cost_cents", "currency", "service"],
        partitioning=None,
    )
    count = manifest.shipments
    last = _aligned(chain, count)
    skipped = store.skipped_reasons()
    states = _states(skipped, last, running=running)
    bought = pc.is_in(states, value_set=pa.array([RowState.SHIPPED.value, RowState.VOIDED.value]))
    numbers = _if(bought, last["tracking_numbers"])
    charged = _if(bought, last["charged_cents"])
    currency = pc.coalesce(_if(bought, last["currency"]), quotes.column("currency"))
    codes, fixes = _first_problems(store, plan.column("row_number"), skipped)
    service = pc.coalesce(
        _if(bought, last["service"]), plan.column("service"), quotes.column("service")
    )
    sellers = _sellers(store)
    return pa.table(
        {
            "row_number": plan.column("row_number"),
            "order_id": plan.column("order_id"),
            "state": states,
            "tracking_number": pc.list_element(
                _if(pc.greater(pc.fill_null(pc.list_value_length(numbers), 0), 0), numbers), 0
            ),
            "tracking_numbers": numbers,
            "service": service,
            "carrier": movers(service, sellers["carrier"]),
            "seller": sellers["seller"],
            "quoted_cents": quotes.column("cost_cents"),
            "charged_cents": charged,
            "charged": _major(charged, currency),
            "charge_basis": _if(bought, last["charge_basis"]),
            "billed_weight_lb": _if(bought, last["billed_weight_lb"]),
            "currency": currency,
            "shipkit_reference": last["reference"],
            "user_references": user_references(plan),
            "attempts": pc.fill_null(last["attempt"], 0),
            "shipped_at": _if(bought, last["shipped_at"]),
            "voided_at": _if(pc.equal(states, RowState.VOIDED.value), last["at"]),
            "live": pa.repeat(pa.scalar(manifest.live), count),
            "account": sellers["account"],
            "error_code": pc.coalesce(
                last["code"],
                codes,
                _if(pc.is_valid(skipped), pa.repeat(pa.scalar("skipped"), count)),
            ),
            "error_message": pc.coalesce(last["message"], skipped),
            "fix": pc.coalesce(last["fix"], fixes),
            # Behind the columns of the first release, which scripts may read by place.
            "ship_from": origins(plan.column("ship_from")),
            "bill_to": plan.column("bill_to")
            if "bill_to" in plan.column_names
            else pa.nulls(count, pa.string()),
            RETURN_OF: plan.column(RETURN_OF)
            if RETURN_OF in plan.column_names
            else pa.nulls(count, pa.int64()),
            "refund": _refunds(states, last["details"]),
        }
    )


def _refunds(states: Any, details: Any) -> Any:
    """Return the state of the refund of each voided row, null where none is waited for."""
    voided = pc.and_(pc.equal(states, RowState.VOIDED.value), pc.is_valid(details))
    at = pc.indices_nonzero(pc.fill_null(voided, False))  # noqa: FBT003 - a fill value
    found = [refund_in(text) for text in details.take(at).to_pylist()]
    return scattered(at.to_numpy(), pa.array(found, pa.string()), len(states))


def _sellers(store: JobStore) -> dict[str, pa.Array]:
    """Return the account of each row: its name, its carrier and the end of its number."""
    manifest, codes = store.manifest, store.account_codes
    if codes is None:
        own = (manifest.carrier, manifest.carrier, manifest.account_tail)
        columns = [pa.repeat(pa.scalar(text), manifest.shipments) for text in own]
    else:
        places = pa.array(codes, mask=codes < 0)
        accounts = manifest.accounts
        texts = zip(*((a.name, a.carrier, a.account_tail) for a in accounts), strict=True)
        columns = [pa.array(each, pa.string()).take(places) for each in texts]
    return dict(zip(("seller", "carrier", "account"), columns, strict=True))


def _first_problems(store: JobStore, row_numbers: Any, skipped: Any) -> tuple[Any, Any]:
    """Return the code and the fix of the first error of each skipped row."""
    errors: dict[int, tuple[str | None, str | None]] = {}
    for line in store.problems.select(["row_number", "code", "fix", "severity"]).to_pylist():
        if line["severity"] == "error":
            errors.setdefault(line["row_number"], (line["code"], line["fix"]))
    wanted = pc.indices_nonzero(pc.is_valid(skipped)).to_pylist()
    codes: list[str | None] = [None] * len(skipped)
    fixes: list[str | None] = [None] * len(skipped)
    for index, number in zip(
        wanted, row_numbers.take(pa.array(wanted, pa.int64())).to_pylist(), strict=True
    ):
        codes[index], fixes[index] = errors.get(number, (None, None))
    return pa.array(codes, pa.string()), pa.array(fixes, pa.string())


def scattered(rows: Any, values: Any, count: int) -> Any:
    """Return an array of length `count` with `values` at `rows` and null elsewhere."""
    places = np.full(count, -1, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return whole.take(pa.array(places, mask=places < 0))


def _aligned(chain: Chain, count: int) -> dict[str, Any]:
    """Return each column of the last entries as an array over all rows, null without an entry."""
    last = chain.table.take(last_entries(chain.table))
    rows = last.column("row").to_numpy()
    return {
        name: scattered(rows, last.column(name), count)
        for name in last.column_names
        if name != "row"
    }


def _states(skipped: Any, last: Mapping[str, Any], *, running: bool) -> Any:
    born = pc.if_else(pc.is_valid(skipped), RowState.SKIPPED.value, RowState.PENDING.value)
    states = pc.coalesce(last["state"], born)
    if running:
        return states
    # No process owns the job: what was in flight may have been bought, and no one knows yet.
    return pc.if_else(pc.equal(states, RowState.IN_FLIGHT.value), RowState.IN_DOUBT.value, states)


def _if(condition: Any, values: Any) -> Any:
    return pc.if_else(condition, values, pa.scalar(None, values.type))


def _major(cents: Any, currency: Any) -> Any:
    scales = {code: minor_unit_scale(code) for code in pc.unique(currency).to_pylist() if code}
    if len(scales) <= 1:
        return pc.divide(cents.cast(pa.float64()), float(next(iter(scales.values()), 100)))
    scale = pa.array([scales.get(code) for code in currency.to_pylist()], pa.float64())
    return pc.divide(cents.cast(pa.float64()), scale)


def stored_labels(store: JobStore, rows: Sequence[int] | None) -> Iterator[StoredLabel]:
    """Yield the stored labels of `rows` in that order; None means all, in the plan's order."""
    if store.pruned:
        return
    chain = store.chain(("row", "state", "label_sequence", "details"))
    last = chain.table.take(last_entries(chain.table))
    last = last.filter(last.column("label_sequence").is_valid())
    voided = _voided_labels(last)
    held = dict(
        zip(last.column("row").to_pylist(), last.column("label_sequence").to_pylist(), strict=True)
    )
    wanted = sorted(held) if rows is None else [row for row in rows if row in held]
    reader = _LabelReader(store, chain.segments, dict.fromkeys(held[row] for row in wanted))
    for row in wanted:
        gone = voided.get(row, ())
        for one in reader.read(held[row], row):
            if is_usable(one.tracking_number, one.kind, gone):
                yield one


def _voided_labels(last: pa.Table) -> dict[int, tuple[str, ...]]:
    """Return row -> its labels that are voided, of rows that have others."""
    some = last.filter(pc.match_substring(last.column("details"), '"voided"'))
    return {
        line["row"]: voided_in(line["details"])
        for line in some.select(["row", "details"]).to_pylist()
    }


def noted_files(store: JobStore, sequence: int) -> dict[str, bytes]:
    """Return the files stored with notes in one segment, by the number that each is called by.

    A note is an entry that moves no row, such as a manifest. Empty for a pruned job.
    """
    if store.pruned:
        return {}
    if store.objects is not None:
        data = store.objects.labels(sequence)
    else:
        part = _segment(store, sequence)
        if part is None:
            raise CheckpointCorrupt(
                f"Segment {sequence:08} of {store.job_id} is missing.",
                fix="Restore it from a backup.",
            )
        data = part.load()[0]
    table = pq.read_table(pa.BufferReader(data), columns=["row", "labels"])
    noted = table.filter(pc.is_null(table.column("row"))).column("labels").to_pylist()
    return {item["tracking_number"]: item["data"] for items in noted for item in items or ()}


def _segment(store: JobStore, sequence: int) -> Part | None:
    """Return a segment by its number, found by its name: a long ledger is not read for one note."""
    parts = (Part.of(path) for path in sorted((store.path / "segments").iterdir()))
    found = [part for part in parts if part and not part.compacted and part.first == sequence]
    return found[-1] if found else None


class _LabelReader:
    """Reads label bytes segment by segment, and keeps the segments read last.

    Rows that are neighbours in the plan were mostly bought together, so they share segments.
    """

    def __init__(self, store: JobStore, segments: Mapping[int, Part], order: Iterable[int]) -> None:
        self._store, self._segments = store, segments
        self._order = list(order)
        """The segments that will be wanted, in this order."""
        self._cache: OrderedDict[int, tuple[int, dict[int, list[StoredLabel]]]] = OrderedDict()

    def read(self, sequence: int, row: int) -> list[StoredLabel]:
        if sequence not in self._cache:
            self._fill(sequence)
            while (
                len(self._cache) > 1
                and sum(size for size, _ in self._cache.values()) > _CACHED_BYTES
            ):
                self._cache.popitem(last=False)
        self._cache.move_to_end(sequence)
        return self._cache[sequence][1].get(row, [])

    def _fill(self, sequence: int) -> None:
        objects = self._store.objects
        if objects is None:
            self._cache[sequence] = self._load(sequence)
            return
        # Of an object store several at a time, since each takes two requests. The one that is
        # wanted now goes in last, because the first ones in are the first to be dropped.
        place = self._order.index(sequence)
        coming = self._order[place : place + _LABELS_AHEAD]
        ahead = [number for number in reversed(coming) if number not in self._cache]
        for number, data in zip(ahead, in_parallel(objects.labels, ahead), strict=True):
            self._cache[number] = _found(data)

    def _load(self, sequence: int) -> tuple[int, dict[int, list[StoredLabel]]]:
        part = self._segments.get(sequence)
        if part is None:
            raise CheckpointCorrupt(
                f"Segment {sequence:08} of {self._store.job_id}, which holds labels, is missing.",
                fix="Restore it from a backup. The carrier can reprint the labels by their "
                "tracking numbers.",
            )
        return _found(part.load()[0])


def _found(data: bytes) -> tuple[int, dict[int, list[StoredLabel]]]:
    """Return the size of a file with labels, and its labels by row."""
    found: dict[int, list[StoredLabel]] = {}
    for line in pq.read_table(pa.BufferReader(data), columns=["row", "labels"]).to_pylist():
        for item in line["labels"] or ():
            found.setdefault(line["row"], []).append(
                StoredLabel(
                    line["row"],
                    item["tracking_number"],
                    item["format"],
                    item["data"],
                    item["kind"],
                    item["parcel_index"],
                )
            )
    return len(data), found
