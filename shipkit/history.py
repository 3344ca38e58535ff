"""Orders that earlier jobs of the same home and account have: shown in the preview, and claimed before anything is sent.

Every job that begins leaves a small file of keys (digests, no addresses) under ``<home>/claims``. Two jobs that begin
at the same moment take turns under one lock, so the second sees the first.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.carriers.base import CarrierIdentity
from shipkit.checkpoint import Checkpoint
from shipkit.disk import Disk, make_private
from shipkit.errors import JobNotFound
from shipkit.lock import held
from shipkit.manifest import account_key
from shipkit.segments import STATES
from shipkit.state import JobStatus, RowState
from shipkit.table import ADDRESS_FIELDS

__all__ = ["Before", "account_key", "claim", "order_keys", "seen"]

_CONTENTS = ("parcels", "customs", "description", "is_return")
_WHERE_TO = tuple(name for name in ADDRESS_FIELDS if name not in ("phone", "email", "residential"))

_CLAIMS = pa.schema([
    pa.field("row", pa.int32()),
    pa.field("row_number", pa.int64()),
    pa.field("order_key", pa.binary(16)),  # null: the row has no order number
    pa.field("parcel_key", pa.binary(16)),  # address, contents and day
])


@dataclass(frozen=True)
class Before:
    """Where an order was met before."""

    job_id: str
    row: int
    row_number: int
    same: str
    """``order`` or ``parcel``."""


def order_keys(plan: pa.Table, today: dt.date) -> tuple[list[bytes | None], list[bytes]]:
    """Return, for each row, what the same order would have in another file: by order number, and by address, contents and day."""
    orders: list[bytes | None] = []
    parcels: list[bytes] = []
    names = ["order_id", "ship_date", *_WHERE_TO, *_CONTENTS]
    for batch in plan.select(names).to_batches(max_chunksize=4_096):
        for line in batch.to_pylist():
            order = _plain(line["order_id"])
            orders.append(_digest(order) if order else None)
            place = [_plain(line[name]) for name in _WHERE_TO]
            parcels.append(_digest(repr([place, [line[name] for name in _CONTENTS], str(line["ship_date"] or today)])))
    return orders, parcels


def seen(home: Path, identity: CarrierIdentity, plan: pa.Table, *, but_not: str | None = None, today: dt.date | None = None) -> dict[int, str]:
    """Return, for each row that an earlier job of this home and account has, where it was met, in words.

    The same order number, or the same address and contents on the same day. `but_not` is a job whose kin does not count: the plan's own.
    """
    account = account_key(identity)
    if not any((home / "claims" / account).glob("job-*.parquet")):
        return {}
    found = _matches(home, account, order_keys(plan, today or _today()), _kin(home, but_not) if but_not else set())
    return _in_words(home, found)


def claim(checkpoint: Checkpoint, states: np.ndarray[Any, Any], *, today: dt.date | None = None, disk: Disk | None = None) -> dict[int, str]:
    """Claim the orders of a job that is about to be sent, and return those that another job has already, in words.

    Under one lock for the whole home and account, so that of two jobs that begin together one has the order. Whoever claims
    again (a resume) keeps what it has: a row without a claim is another job's.

    Parameters
    ----------
    states
        Code of each row's state; only pending rows are claimed.
    """
    manifest = checkpoint.manifest
    home = checkpoint.path.parent.parent
    folder = home / "claims" / manifest.account_key
    path = folder / f"{checkpoint.job_id}.parquet"
    rows = np.flatnonzero(states == STATES.index(RowState.PENDING))
    if not len(rows):
        return {}
    make_private(folder)
    with held(folder, what="claim", wait_s=60):
        if path.exists():
            mine = np.zeros(manifest.shipments, dtype=bool)
            mine[pq.read_table(path, columns=["row"], partitioning=None).column("row").to_numpy()] = True
            rows = rows[~mine[rows]]
            if not len(rows):
                return {}
        plan = checkpoint.plan.take(pa.array(rows))
        keys = order_keys(plan, today or _today())
        hold = manifest.on_duplicate == "hold"
        found = _matches(home, manifest.account_key, keys, _kin(home, checkpoint.job_id)) if hold else {}
        taken = _in_words(home, found)
        if not path.exists():
            keep = pa.array([i not in taken for i in range(len(rows))])
            _write(disk or Disk(), path, rows=rows, plan=plan, keys=keys, keep=keep)
    return {int(rows[i]): text for i, text in taken.items()}


def _write(disk: Disk, path: Path, *, rows: np.ndarray[Any, Any], plan: pa.Table, keys: tuple[list[bytes | None], list[bytes]], keep: pa.Array) -> None:
    columns = [pa.array(rows, pa.int32()), plan.column("row_number"), pa.array(keys[0], pa.binary(16)), pa.array(keys[1], pa.binary(16))]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=_CLAIMS).filter(keep), sink, compression="zstd")
    disk.publish(path.parent, path.name, bytes(sink.getvalue()))


def _today() -> dt.date:
    return dt.datetime.now().astimezone().date()


def _kin(home: Path, job_id: str) -> set[str]:
    """Return a job and those of the same plan and name: a restart is confirmed by a person, and no duplicate."""
    try:
        lineage = Checkpoint.open(home, job_id).manifest
    except JobNotFound:
        return {job_id}
    kin, ordinal = {job_id}, 1
    while (other := Checkpoint.id_of(lineage.fingerprint, lineage.name, ordinal)) and (home / "jobs" / other).exists():
        kin.add(other)
        ordinal += 1
    return kin


def _standing(home: Path, job_id: str, rows: list[int]) -> dict[int, tuple[str, str | None]]:
    """Return state and tracking number of those rows of a job that were bought, or may still be."""
    try:
        other = Checkpoint.open(home, job_id)
    except JobNotFound:  # removed by hand: nobody can tell any more
        return {}
    results = other.results().take(pa.array(rows))
    cancelled = other.status is JobStatus.CANCELLED
    lost = {RowState.FAILED, RowState.VOIDED, RowState.SKIPPED} | ({RowState.PENDING} if cancelled else set())
    states, numbers = results.column("state").to_pylist(), results.column("tracking_number").to_pylist()
    return {row: (state, number) for row, state, number in zip(rows, states, numbers, strict=True) if state not in lost}


def _matches(home: Path, account: str, wanted: tuple[list[bytes | None], list[bytes]], kin: set[str]) -> dict[int, list[Before]]:
    """Return, for each place in `wanted`, where other jobs of the account have the same order."""
    orders, parcels = wanted
    places: dict[str, dict[bytes, list[int]]] = {"order": {}, "parcel": {}}
    for i, (order, parcel) in enumerate(zip(orders, parcels, strict=True)):
        if order is not None:
            places["order"].setdefault(order, []).append(i)
        places["parcel"].setdefault(parcel, []).append(i)
    found: dict[int, list[Before]] = {}
    for job_id, table in _claims(home, account, kin):
        for same, mine in places.items():
            column = table.column(f"{same}_key")
            hits = table.filter(pc.is_in(column, value_set=pa.array(list(mine), pa.binary(16)))) if mine else table.slice(0, 0)
            for line in hits.to_pylist():
                for i in mine[line[f"{same}_key"]]:
                    found.setdefault(i, []).append(Before(job_id, line["row"], line["row_number"], same))
    return found


def _claims(home: Path, account: str, kin: set[str]) -> Iterator[tuple[str, pa.Table]]:
    folder = home / "claims" / account
    for path in sorted(folder.glob("job-*.parquet")) if folder.is_dir() else ():
        if path.stem not in kin:
            yield path.stem, pq.read_table(path, partitioning=None)


def _in_words(home: Path, found: Mapping[int, list[Before]]) -> dict[int, str]:
    rows: dict[str, set[int]] = {}
    for befores in found.values():
        for before in befores:
            rows.setdefault(before.job_id, set()).add(before.row)
    states = {job_id: _standing(home, job_id, sorted(wanted)) for job_id, wanted in rows.items()}
    words = {}
    for place, befores in found.items():
        for before in befores:
            state = states[before.job_id].get(before.row)
            if state is not None:
                words[place] = _sentence(before, *state)
                break
    return words


def _sentence(before: Before, state: str, tracking: str | None) -> str:
    what = "The order" if before.same == "order" else "A parcel like this, to the same address on the same day,"
    if tracking:
        return f"{what} was shipped before: {before.job_id}, row {before.row_number}, {tracking}."
    return f"{what} is in another job already: {before.job_id}, row {before.row_number} ({state.replace('_', ' ')})."


def _plain(value: str | None) -> str:
    return " ".join(value.split()).casefold() if value else ""


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
