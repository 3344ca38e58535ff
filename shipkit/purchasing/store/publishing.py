"""How a job comes to be: built next to its place, and there all at once, on disk or in a store."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.common.files import PRIVATE, Disk
from shipkit.common.object_store import store_of
from shipkit.errors import JobExists
from shipkit.purchasing.store.job_objects import JobObjects
from shipkit.purchasing.store.manifest import JobDraft, lineage_of, make_manifest
from shipkit.purchasing.store.segments import Head, head_bytes

__all__ = ["claim_name", "publish_job"]

_ROW_GROUP = 8_192
"""Rows per row group of a table: a resume reads only the groups with a row that is to be sent."""


def _write_folder(path: Path, draft: JobDraft, ordinal: int, disk: Disk) -> None:
    """Write the job to a staging folder and rename that, so that half a job is never visible.

    The order is what makes a power cut harmless: contents are synced before the names of their
    folder, those before the rename, and the name of the job last.
    """
    stage = path.parent / f".stage-{uuid.uuid4().hex}"
    try:
        stage.mkdir(mode=PRIVATE)
        (stage / "segments").mkdir(mode=PRIVATE)
        files = {name: _write_table(disk, stage / name, table) for name, table in _tables(draft)}
        manifest = make_manifest(draft, ordinal=ordinal, files=files, now=dt.datetime.now(dt.UTC))
        data = manifest.to_json().encode()
        genesis = Head(0, "-", hashlib.sha256(data).hexdigest())
        disk.write(stage / "manifest.json", data)
        disk.write(stage / "HEAD", head_bytes(genesis) * 2)
        disk.sync_folder(stage / "segments")
        disk.sync_folder(stage)
        try:
            disk.rename(stage, path)
        except OSError:
            if not path.exists():  # else another process published the same job, which is as good
                raise
        disk.sync_folder(path.parent)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def claim_name(home: Path, draft: JobDraft) -> None:
    """Let the store decide between two machines that publish different plans under one name."""
    store = store_of(home)
    if store is None or draft.name is None:
        return
    key = f"names/{hashlib.sha256(draft.name.encode()).hexdigest()[:32]}"
    lineage = lineage_of(draft.fingerprint, draft.name)
    if store.create(key, lineage.encode()) is None:
        raise JobExists(
            f"The name {draft.name!r} was taken by another machine, for a job with a different "
            "plan. Nothing was bought.",
            fix="Choose another name, or execute the plan of that job.",
        )


def publish_job(
    objects: JobObjects | None, path: Path, draft: JobDraft, ordinal: int, disk: Disk
) -> None:
    """Publish the job in its home: a folder, or an object store whose cache `path` is in."""
    if objects is None:
        _write_folder(path, draft, ordinal, disk)
        return
    # Under another name until the store has it: nothing may find a job that another machine may
    # have published with other references.
    fresh = path.with_name(f".new-{path.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _write_folder(fresh, draft, ordinal, disk)
        if objects.publish(fresh):
            disk.rename(fresh, path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _tables(draft: JobDraft) -> Iterator[tuple[str, pa.Table]]:
    yield "plan.parquet", draft.plan
    yield "quotes.parquet", draft.quotes
    yield "problems.parquet", draft.problems
    skipped = {
        "row": pa.array(draft.skipped.keys(), pa.int32()),
        "reason": pa.array(draft.skipped.values(), pa.string()),
    }
    yield "skipped.parquet", pa.table(skipped)
    if draft.row_accounts is not None:
        yield "accounts.parquet", pa.table({"account": draft.row_accounts})
    if draft.source is not None:
        yield "source.parquet", draft.source


def _write_table(disk: Disk, path: Path, table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=_ROW_GROUP, compression="zstd")
    data = sink.getvalue()
    disk.write(path, data)
    return hashlib.sha256(data).hexdigest()
