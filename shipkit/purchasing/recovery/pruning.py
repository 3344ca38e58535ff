"""Removes what is private from old jobs and keeps the books: numbers, states and charges stay, addresses and labels go.

The chain of segments stays whole: one compaction stands for all of it, and the segments with label
bytes go. The plan is written again without addresses; ``PRUNED`` names its new digest, so that the
job is still checked when it is read.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.common.files import Disk
from shipkit.errors import CheckpointLocked
from shipkit.purchasing.store import PRUNED, JobStore
from shipkit.purchasing.store.entries import LedgerEntry
from shipkit.purchasing.store.ledger import now_us
from shipkit.purchasing.store.segments import Part
from shipkit.schema import ADDRESS_FIELDS
from shipkit.settings import Settings
from shipkit.state import JobStatus

__all__ = ["prune", "prune_job"]

_FINISHED = (JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS, JobStatus.CANCELLED)
_PRIVATE = (
    *(name for name in ADDRESS_FIELDS if name not in ("state", "country", "residential")),
    "ship_from",
    "description",
    "customs",
    "references",
)


def prune(
    home: str | Path | None = None,
    *,
    older_than: dt.timedelta,
    dry_run: bool = False,
    now: dt.datetime | None = None,
) -> list[str]:
    """Remove addresses and labels of finished jobs, and return which jobs.

    Parameters
    ----------
    older_than
        Only jobs made longer ago than this. Jobs that are not finished, or that somebody is using,
        are left alone.
    dry_run
        Only say which.
    """
    limit = (now or dt.datetime.now(dt.UTC)) - older_than
    pruned = []
    for store in JobStore.list(Settings.read(home=home).home):
        if store.manifest.created_at > limit or _is_done(store) or store.status not in _FINISHED:
            continue
        try:
            if not dry_run:
                prune_job(store)
        except CheckpointLocked:
            continue
        pruned.append(store.job_id)
    return pruned


def _is_done(store: JobStore) -> bool:
    """Whether a job was pruned, and not cut short in it."""
    folder = store.path
    if (
        not store.pruned
        or (folder / "source.parquet").exists()
        or any((folder / "segments").glob("seg-*-labels.parquet"))
    ):
        return False
    digest: str = json.loads((folder / PRUNED).read_bytes())["plan.parquet"]
    return hashlib.sha256((folder / "plan.parquet").read_bytes()).hexdigest() == digest


def prune_job(store: JobStore, *, disk: Disk | None = None) -> None:
    """Remove addresses and labels of one finished job. Repeat-safe: a prune that was cut short is finished by the next."""
    disk, folder = disk or Disk(), store.path
    with store.own("prune") as ledger:
        ledger.record_now([LedgerEntry(row=None, event="pruned", state=None, at=now_us())])
        ledger.flatten()
    plan = store.plan
    for name in _PRIVATE:
        place = plan.schema.get_field_index(name)
        plan = plan.set_column(
            place, plan.schema.field(place), pa.nulls(plan.num_rows, plan.schema.field(place).type)
        )
    sink = pa.BufferOutputStream()
    pq.write_table(plan, sink, compression="zstd")
    data = bytes(sink.getvalue())
    problems = store.problems
    place = problems.schema.get_field_index("value")
    hidden = pa.BufferOutputStream()
    pq.write_table(
        problems.set_column(
            place, problems.schema.field(place), pa.nulls(problems.num_rows, pa.string())
        ),
        hidden,
    )
    disk.publish(
        folder, PRUNED, json.dumps({"plan.parquet": hashlib.sha256(data).hexdigest()}).encode()
    )  # before this line the job is whole
    disk.publish(folder, "plan.parquet", data)
    disk.publish(folder, "problems.parquet", bytes(hidden.getvalue()))
    disk.remove(folder / "source.parquet")
    for path in sorted((folder / "segments").iterdir()):
        part = Part.of(path)
        if part is not None and not part.compacted:
            disk.remove(path)
    disk.sync_folder(folder / "segments")
    disk.sync_folder(folder)
