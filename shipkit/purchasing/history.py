"""Orders that earlier jobs of the same home and account have: shown in the preview, and claimed before anything is sent.

Every job that begins leaves a small file of keys (digests, no addresses) under ``<home>/claims``.
Two jobs that begin at the same moment take turns under one lock, so the second sees the first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.carriers.protocol import CarrierIdentity
from shipkit.common.files import Disk, make_private
from shipkit.common.lock import held
from shipkit.errors import JobNotFound
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.manifest import account_key
from shipkit.purchasing.store.segments import STATES
from shipkit.schema import ADDRESS_FIELDS
from shipkit.state import JobStatus, RowState

__all__ = ["Before", "account_key", "claim", "order_keys", "seen"]

_PLAIN = r"trim(regexp_replace(lower(coalesce({0}, '')), '[\s\p{{Z}}]+', ' ', 'g'))"
_DIGEST = "unhex(left(sha256({0}), 32))"
_CONTENTS = ("parcels", "customs", "description", "is_return")
_WHERE_TO = tuple(name for name in ADDRESS_FIELDS if name not in ("phone", "email", "residential"))

_KEY_COLUMNS = ["order_id", "ship_date", *_WHERE_TO, *_CONTENTS]

_CLAIMS = pa.schema(
    [
        pa.field("row", pa.int32()),
        pa.field("row_number", pa.int64()),
        pa.field("order_key", pa.binary()),  # null: the row has no order number
        pa.field("parcel_key", pa.binary()),  # address, contents and day
    ]
)


@dataclass(frozen=True)
class Before:
    """Where an order was met before."""

    job_id: str
    row: int
    row_number: int
    same: str
    """``order`` or ``parcel``."""


def order_keys(plan: pa.Table, today: dt.date) -> pa.Table:
    """Return, for each row, what the same order would have in another file: ``order_key`` by order number, ``parcel_key`` by address, contents and day.

    Digests. An order number counts whatever its case and spaces, and so does a line of an address.
    """
    place = [_PLAIN.format(name) for name in _WHERE_TO]
    contents = [f"coalesce({name}::varchar, '')" for name in _CONTENTS]
    parcel = (
        f"concat_ws(chr(31), {', '.join([*place, *contents])}, coalesce(ship_date, "
        "?::date)::varchar)"
    )
    number = _PLAIN.format("order_id")
    with duckdb.connect() as con:
        con.register("orders", plan.select(_KEY_COLUMNS))
        query = (
            f"select case when {number} <> '' then {_DIGEST.format(number)} end as order_key, "
            f"{_DIGEST.format(parcel)} as parcel_key from orders"
        )
        return con.sql(query, params=[today]).to_arrow_table()


def seen(
    home: Path,
    identity: CarrierIdentity,
    plan: pa.Table,
    *,
    but_not: str | None = None,
    today: dt.date | None = None,
) -> dict[int, str]:
    """Return, for each row that an earlier job of this home and account has, where it was met, in words.

    The same order number, or the same address and contents on the same day. `but_not` is a job
    whose kin does not count: the plan's own.
    """
    account = account_key(identity)
    if not any((home / "claims" / account).glob("job-*.parquet")):
        return {}
    found = _matches(
        home,
        account,
        order_keys(plan, today or _today()),
        _kin(home, but_not) if but_not else set(),
    )
    return _in_words(home, found)


def claim(
    store: JobStore,
    states: np.ndarray[Any, Any],
    *,
    today: dt.date | None = None,
    disk: Disk | None = None,
) -> dict[int, str]:
    """Claim the orders of a job that is about to be sent, and return those that another job has already, in words.

    Under one lock for the whole home and account, so that of two jobs that begin together one has
    the order. Whoever claims again (a resume) keeps what it has: a row without a claim is another
    job's.

    Parameters
    ----------
    states
        Code of each row's state; only pending rows are claimed.
    """
    manifest = store.manifest
    home = store.path.parent.parent
    folder = home / "claims" / manifest.account_key
    path = folder / f"{store.job_id}.parquet"
    rows = np.flatnonzero(states == STATES.index(RowState.PENDING))
    if not len(rows):
        return {}
    make_private(folder)
    with held(folder, what="claim", wait_s=60):
        if path.exists():
            mine = np.zeros(manifest.shipments, dtype=bool)
            mine[
                pq.read_table(path, columns=["row"], partitioning=None).column("row").to_numpy()
            ] = True
            rows = rows[~mine[rows]]
            if not len(rows):
                return {}
        plan = pq.read_table(
            store.path / "plan.parquet", columns=["row_number", *_KEY_COLUMNS], partitioning=None
        ).take(pa.array(rows))
        keys = order_keys(plan, today or _today())
        hold = manifest.on_duplicate == "hold"
        found = _matches(home, manifest.account_key, keys, _kin(home, store.job_id)) if hold else {}
        taken = _in_words(home, found)
        if not path.exists():
            keep = np.ones(len(rows), dtype=bool)
            keep[list(taken)] = False
            _write(disk or Disk(), path, rows=rows, plan=plan, keys=keys, keep=pa.array(keep))
    return {int(rows[i]): text for i, text in taken.items()}


def _write(
    disk: Disk,
    path: Path,
    *,
    rows: np.ndarray[Any, Any],
    plan: pa.Table,
    keys: pa.Table,
    keep: pa.Array,
) -> None:
    columns = [
        pa.array(rows, pa.int32()),
        plan.column("row_number"),
        keys.column("order_key"),
        keys.column("parcel_key"),
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=_CLAIMS).filter(keep), sink, compression="zstd")
    disk.publish(path.parent, path.name, bytes(sink.getvalue()))


def _today() -> dt.date:
    return dt.datetime.now().astimezone().date()


def _kin(home: Path, job_id: str) -> set[str]:
    """Return a job and those of the same plan and name: a restart is confirmed by a person, and no duplicate."""
    try:
        lineage = JobStore.open(home, job_id).manifest
    except JobNotFound:
        return {job_id}
    kin, ordinal = {job_id}, 1
    while (other := JobStore.id_of(lineage.fingerprint, lineage.name, ordinal)) and (
        home / "jobs" / other
    ).exists():
        kin.add(other)
        ordinal += 1
    return kin


def _standing(home: Path, job_id: str, rows: list[int]) -> dict[int, tuple[str, str | None]]:
    """Return state and tracking number of those rows of a job that were bought, or may still be."""
    try:
        other = JobStore.open(home, job_id)
    except JobNotFound:  # removed by hand: nobody can tell any more
        return {}
    results = other.results().take(pa.array(rows))
    cancelled = other.status is JobStatus.CANCELLED
    lost = {RowState.FAILED, RowState.VOIDED, RowState.SKIPPED} | (
        {RowState.PENDING} if cancelled else set()
    )
    states, numbers = (
        results.column("state").to_pylist(),
        results.column("tracking_number").to_pylist(),
    )
    return {
        row: (state, number)
        for row, state, number in zip(rows, states, numbers, strict=True)
        if state not in lost
    }


def _matches(home: Path, account: str, wanted: pa.Table, kin: set[str]) -> dict[int, list[Before]]:
    """Return, for each place in `wanted`, where other jobs of the account have the same order."""
    found: dict[int, list[Before]] = {}
    for job_id, table in _claims(home, account, kin):
        for same in ("order", "parcel"):
            theirs, mine = table.column(f"{same}_key"), wanted.column(f"{same}_key")
            hits = table.filter(pc.is_in(theirs, value_set=mine.drop_null())).to_pylist()
            if not hits:
                continue
            places = _places(mine, pa.array([line[f"{same}_key"] for line in hits]))
            for line in hits:
                for place in places[line[f"{same}_key"]]:
                    found.setdefault(place, []).append(
                        Before(job_id, line["row"], line["row_number"], same)
                    )
    return found


def _places(keys: Any, chosen: pa.Array) -> dict[bytes, list[int]]:
    """Return where each of the `chosen` keys stands."""
    places: dict[bytes, list[int]] = {}
    for place in pc.indices_nonzero(pc.is_in(keys, value_set=chosen)).to_pylist():
        places.setdefault(keys[place].as_py(), []).append(place)
    return places


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
    what = (
        "The order"
        if before.same == "order"
        else "A parcel like this, to the same address on the same day,"
    )
    if tracking:
        return f"{what} was shipped before: {before.job_id}, row {before.row_number}, {tracking}."
    return (
        f"{what} is in another job already: {before.job_id}, row {before.row_number} "
        f"({state.replace('_', ' ')})."
    )
