"""Removes private data from old jobs: addresses and labels go, numbers and charges stay.

Previews that are too old to be approved are removed whole: a job has its own copy of what it buys.

The ledger stays valid. One compaction replaces all of it, and the segments with label bytes are
removed. The plan is written again without addresses; a file named ``PRUNED`` has its new digest, so
that the job is still checked when it is read, and what was kept, so that a job that was pruned by
an earlier version, which kept more, is pruned again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.common.files import Disk
from shipkit.errors import CheckpointLocked, CheckpointWriteError
from shipkit.plan import preview_store
from shipkit.purchasing.pickup_book import pickup_book
from shipkit.purchasing.store import PRUNED, JobStore, key_before
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.purchasing.store.job_objects import JobObjects
from shipkit.purchasing.store.ledger import now_us
from shipkit.purchasing.store.segments import Part
from shipkit.settings import Settings
from shipkit.state import JobStatus

__all__ = ["PrunedJobs", "prune", "prune_job"]

_FINISHED = (JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS, JobStatus.CANCELLED)
_KEPT: Final = frozenset(
    {
        *("row_number", "row_numbers", "return_of", "source_file", "order_id", "service"),
        "ship_date",
        # What is left of an address is enough for totals by state and country.
        *("state", "country", "residential", "currency", "parcels", "signature"),
        *("saturday_delivery", "direct_delivery_only", "is_return", "shipper_release"),
        *("documents_only", "cod_amount_cents", "bill_to", "bill_country"),
        *("duties_bill_to", "duties_country", "notify"),
    }
)
"""Fields of a shipment that stay: sizes, prices and choices. A field that is not here goes."""
_KEPT_OF_A_PARCEL: Final = frozenset(
    {
        *("weight_lb", "length_in", "width_in", "height_in", "packaging"),
        *("declared_value_cents", "additional_handling", "simple_rate"),
    }
)
_KEPT_OF_DETAILS: Final = frozenset(
    {
        # Of runs and their rows.
        *("pid", "host", "token", "carrier", "resend", "status", "account", "service"),
        *("transaction_id", "shipment_id", "row", "refund"),
        # Of manifests and pickups.
        *("attempt", "rows", "day", "number", "labels", "reference", "ready", "close", "place"),
        *("offer", "price", "charged"),
    }
)
"""What stays of the details of a ledger entry: no words of a person or of a carrier."""
_KEPT_OF_AN_ORIGIN: Final = frozenset({"state", "country"})
_WORDS: Final = {
    # Why a row was refused, skipped or warned about quotes its cells; its code says what it was.
    "quotes.parquet": ("warnings", "problem", "fix"),
    "skipped.parquet": ("reason",),
    "problems.parquet": ("value", "problem", "fix"),
    "ledger": ("message", "fix"),
}
"""Table -> its columns that are sentences, and may quote cells of the orders."""
_ADDED: Final = frozenset({"value", "fix"})
"""Columns of these that say nothing without the sentence."""
_REMOVED: Final = "removed by prune"
_ALLOW_LIST: Final = hashlib.sha256(
    repr(
        [
            sorted(names)
            for names in (_KEPT, _KEPT_OF_A_PARCEL, _KEPT_OF_DETAILS, _KEPT_OF_AN_ORIGIN)
        ]
        + sorted(_WORDS.items())
    ).encode()
).hexdigest()
"""Stands for the lists above: another one means that jobs are pruned again."""


class PrunedJobs(list[str]):
    """The ids of the jobs that were pruned, newest first, and why others were not.

    Examples
    --------
    >>> PrunedJobs(["job-1"], held={"job-2": "It is paused: resume or cancel it first."})
    ['job-1']; left alone: job-2 (It is paused: resume or cancel it first.)
    """

    held: dict[str, str]
    """Jobs that are old enough and were left alone -> why, as a sentence."""
    previews: list[str]
    """Previews that were removed."""

    def __init__(
        self, pruned: Iterable[str] = (), *, held: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(pruned)
        self.held = dict(held or {})
        self.previews = []

    def __repr__(self) -> str:
        left = ", ".join(f"{job_id} ({why})" for job_id, why in self.held.items())
        return super().__repr__() + (f"; left alone: {left}" if left else "")


def prune(
    home: str | Path | None = None,
    *,
    older_than: dt.timedelta,
    dry_run: bool = False,
    now: dt.datetime | None = None,
) -> PrunedJobs:
    """Remove addresses and labels of finished jobs, and old previews.

    A preview goes as a whole, once it has expired.

    A job whose pickup is still to come or in doubt, or with a manifest in doubt, is left alone:
    what settles them needs its addresses. So is one that is not finished or that a process owns.

    Parameters
    ----------
    home
        Default: the home of the settings.
    older_than
        Only jobs and previews that were made longer ago than this.
    dry_run
        Return what would go and change nothing.
    now
        The time from which `older_than` counts, with a time zone; default: now.

    Returns
    -------
    PrunedJobs
        The ids of the jobs, newest first, in ``held`` why others were left alone, and in
        ``previews`` the ids of the previews.
    """
    home = Settings.read(home=home).home
    now = now or dt.datetime.now(dt.UTC)
    limit, pruned = now - older_than, PrunedJobs()
    for store in JobStore.list(home):
        if store.manifest.created_at > limit or _is_done(store):
            continue
        if (status := store.status) not in _FINISHED:
            words = status.replace("_", " ")
            pruned.held[store.job_id] = f"It is {words}: resume or cancel it first."
            continue
        # What settles a pickup or a manifest needs the addresses; a pruned job has none to keep.
        if not store.pruned and (why := _open_handover(store, now)) is not None:
            pruned.held[store.job_id] = why
            continue
        try:
            if not dry_run:
                prune_job(store)
        except CheckpointLocked as locked:
            pruned.held[store.job_id] = locked.message
            continue
        pruned.append(store.job_id)
    pruned.previews = preview_store.expired(home, before=limit, now=now)
    for name in () if dry_run else pruned.previews:
        preview_store.remove(home, name)
    return pruned


def _open_handover(store: JobStore, now: dt.datetime) -> str | None:
    """Return what is open about the parcels of a job, None where nothing is."""
    from shipkit.purchasing.handover.driver_manifests import ManifestBook  # it imports this room

    for entry in pickup_book(store, texts=False).values():
        if entry.state == "in_doubt":
            return (
                f"A pickup on {entry.day} may be booked: look it up or forget it first "
                f"(shipkit pickup {store.job_id} --list)."
            )
        # A day may go on elsewhere for twelve hours after it has ended in Greenwich.
        if entry.state == "booked" and entry.day >= (now - dt.timedelta(hours=12)).date():
            return f"Its pickup on {entry.day} is still to come: cancel it, or prune later."
    for request in ManifestBook.of(store).open:
        return (
            f"A manifest of {request.day} may have been made: ask for it again first "
            f"(shipkit manifest {store.job_id})."
        )
    return None


def _is_done(store: JobStore) -> bool:
    """Return whether a job was pruned to the end, and by these lists."""
    folder = store.path
    if store.objects is not None:
        return store.objects.pruned_whole(_ALLOW_LIST)
    if (
        not store.pruned
        or (folder / "source.parquet").exists()
        or any((folder / "segments").glob("seg-*-labels.parquet"))
    ):
        return False
    said = json.loads((folder / PRUNED).read_bytes())
    return said.get("allow_list") == _ALLOW_LIST and all(
        hashlib.sha256((folder / name).read_bytes()).hexdigest() == said.get(name)
        for name in ("plan.parquet", "problems.parquet", "quotes.parquet", "skipped.parquet")
    )


def prune_job(store: JobStore, *, disk: Disk | None = None) -> None:
    """Remove addresses and labels of one finished job.

    It can be repeated: one that was cut short is completed by the next.

    Raises
    ------
    CheckpointLocked
        A process owns the job.
    """
    if store.objects is not None:
        _prune_objects(store, store.objects)
        return
    disk, folder = disk or Disk(), store.path
    with store.own("prune") as ledger:
        ledger.record_now([LedgerEntry(row=None, event="pruned", state=None, at=now_us())])
        ledger.flatten(_bare_entries)
    tables = _bare_tables(store)
    said = _digests(tables) | {"allow_list": _ALLOW_LIST}
    for name in tables:
        said[key_before(name)] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    # First: from here on, old tables and new ones are accepted, whichever a crash leaves.
    disk.publish(folder, PRUNED, json.dumps(said).encode())
    for name, data in tables.items():
        disk.publish(folder, name, data)
    disk.remove(folder / "source.parquet")
    for path in sorted((folder / "segments").iterdir()):
        part = Part.of(path)
        if part is not None and not part.compacted:
            disk.remove(path)
    disk.sync_folder(folder / "segments")
    disk.sync_folder(folder)


def _bare_tables(store: JobStore) -> dict[str, bytes]:
    """Return the tables with private data without it, as files."""
    plan = _without(store.plan, set(store.plan.column_names) - _KEPT - {"ship_from"})
    at = plan.schema.get_field_index("ship_from")
    plan = plan.set_column(at, plan.schema.field(at), _bare_origins(plan.column(at)))
    at = plan.schema.get_field_index("parcels")
    plan = plan.set_column(at, plan.schema.field(at), _bare_parcels(plan.column(at)))
    wordy = {
        "problems.parquet": store.problems,
        "quotes.parquet": store.quotes,
        "skipped.parquet": store.born_skipped,
    }
    return {"plan.parquet": _encoded(plan)} | {
        name: _encoded(_without_words(table, _WORDS[name])) for name, table in wordy.items()
    }


def _digests(tables: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in tables.items()}


def _without_words(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """Return `table` with one sentence in the columns `names`, and no details of it."""
    added = [name for name in names if name in _ADDED]
    for name in set(names).difference(added):
        at = table.schema.get_field_index(name)
        said = pc.not_equal(table.column(at), "")
        texts = pc.if_else(said, pa.scalar(_REMOVED, pa.string()), table.column(at))
        table = table.set_column(at, table.schema.field(at), texts)
    return _without(table, added)


def _bare_entries(entries: pa.Table) -> pa.Table:
    """Return ledger entries without sentences, and without the words in their details."""
    entries = _without_words(entries, _WORDS["ledger"])
    at = entries.schema.get_field_index("details")
    column = entries.column(at)
    if column.null_count == len(column):
        return entries
    texts = [None if text is None else _bare_json(text) for text in column.to_pylist()]
    return entries.set_column(at, entries.schema.field(at), pa.array(texts, pa.string()))


def _bare_json(text: str) -> str:
    kept = {name: value for name, value in json.loads(text).items() if name in _KEPT_OF_DETAILS}
    return json.dumps(kept)


def _bare_origins(column: pa.ChunkedArray) -> pa.Array:
    """Return where rows leave from, as far as it is kept. Null still means the shipper's place."""
    places = column.combine_chunks()
    nulls = {
        field.name: pa.nulls(len(places), field.type)
        for field in places.type
        if field.name not in _KEPT_OF_AN_ORIGIN
    }
    nulls["company"] = pa.repeat(pa.scalar(_REMOVED), len(places))
    kept = {name: pc.struct_field(places, name) for name in _KEPT_OF_AN_ORIGIN}
    columns = [(nulls | kept)[field.name] for field in places.type]
    return pa.StructArray.from_arrays(columns, fields=list(places.type), mask=places.is_null())


def _bare_parcels(column: pa.ChunkedArray) -> pa.Array:
    """Return the parcels with nulls in what says more than their size and their price."""
    lists = column.combine_chunks()
    rows = [
        None
        if parcels is None
        else [
            {name: value if name in _KEPT_OF_A_PARCEL else None for name, value in parcel.items()}
            for parcel in parcels
        ]
        for parcels in lists.to_pylist()
    ]
    return pa.array(rows, lists.type)


def _prune_objects(store: JobStore, objects: JobObjects) -> None:
    """Prune a job in an object store. Its segments stay: their numbers keep late writers out.

    They hold no address and no label, nor what a person wrote for a driver. They do hold the
    answers of carriers about rows, which may quote a cell.
    """
    with store.own("prune") as ledger:
        ledger.record_now([LedgerEntry(row=None, event="pruned", state=None, at=now_us())])
        tables = _bare_tables(store)
        kept = {
            name: digest
            for name, digest in store.manifest.files.items()
            if name not in (*tables, "source.parquet")
        }
        try:
            said = _digests(tables) | {"allow_list": _ALLOW_LIST}
            objects.prune(json.dumps(said).encode(), tables, kept)
        except OSError as error:
            raise CheckpointWriteError(
                f"{store.job_id} is pruned only in part: {error}.",
                fix="Check the network, then prune again.",
            ) from error
    objects.forget()


def _without(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """Return `table` with nulls in the columns `names`."""
    for name in names:
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        table = table.set_column(place, field, pa.nulls(table.num_rows, field.type))
    return table


def _encoded(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())
