"""Orders that an earlier job of the same home and account has: the second one is held back.

Every job that starts leaves a small file of keys under ``<home>/claims``: digests of order numbers
and of parcels, no addresses. Two jobs that start at the same moment take turns under one lock, so
the second sees the claims of the first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.carriers.protocol import CarrierIdentity, JointIdentity
from shipkit.common.files import Disk, make_private
from shipkit.common.kept_plans import SMALL, run_small
from shipkit.common.local_day import local_day
from shipkit.common.lock import held
from shipkit.common.memory_database import memory_database
from shipkit.errors import CheckpointWriteError, JobNotFound
from shipkit.purchasing.claim_book import ClaimBook
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import STATES
from shipkit.purchasing.store.manifest import account_key
from shipkit.schema import ADDRESS_FIELDS, RETURN_OF
from shipkit.state import JobStatus, RowState

__all__ = ["EarlierOrder", "account_key", "bought", "claim", "order_keys", "seen"]

_PLAIN = r"trim(regexp_replace(lower(coalesce({0}, '')), '[\s\p{{Z}}]+', ' ', 'g'))"
"""SQL for a text without differences of case and spaces."""
_DIGEST = "unhex(left(sha256({0}), 32))"
"""SQL for the first 16 bytes of a text's SHA-256."""
_CONTENTS = ("parcels", "customs", "description", "is_return")
# Phone, e-mail and kind of building are often completed between two exports of one order.
_DESTINATION = tuple(
    name for name in ADDRESS_FIELDS if name not in ("phone", "email", "residential")
)

_KEY_COLUMNS = ["order_id", "ship_date", *_DESTINATION, *_CONTENTS]
_BOUGHT = "was already shipped"

_CLAIMS = pa.schema(
    [
        pa.field("row", pa.int32()),
        pa.field("row_number", pa.int64()),
        pa.field("order_key", pa.binary()),  # null where the row has no order number
        pa.field("parcel_key", pa.binary()),  # of address, contents and day
    ]
)


@dataclass(frozen=True)
class EarlierOrder:
    """A row of an earlier job that is the same order."""

    job_id: str
    row: int
    row_number: int
    same: str
    """What is the same: ``order`` (its number) or ``parcel`` (address, contents and day)."""


def order_keys(plan: pa.Table, today: dt.date) -> pa.Table:
    """Return two keys per row, equal for the same order in another file.

    Case and spaces make no difference, neither in order numbers nor in addresses.

    Parameters
    ----------
    today
        The day of shipping for rows that do not name one.

    Returns
    -------
    Table
        ``order_key`` (of the order number, null where there is none) and ``parcel_key`` (of
        address, contents and day), 16 bytes each, one row per row of `plan`. The return label that
        is bought with a parcel has its order number and is another order, so that it can be bought
        for a parcel of an earlier job.
    """
    # Plans from before return labels have no such column.
    with_parcel = f"{RETURN_OF} IS NOT NULL" if RETURN_OF in plan.column_names else "false"
    destination = [_PLAIN.format(name) for name in _DESTINATION]
    contents = [f"coalesce({name}::VARCHAR, '')" for name in _CONTENTS]
    # chr(31), the unit separator, occurs in no field: "a" + "bc" and "ab" + "c" must differ.
    query = f"""
        WITH texts AS (
            SELECT
                {_PLAIN.format("order_id")} AS order_number,
                CASE WHEN {with_parcel} THEN chr(31) || 'return' ELSE '' END AS way,
                concat_ws(
                    chr(31),
                    {", ".join([*destination, *contents])},
                    coalesce(ship_date, DATE '{today.isoformat()}')::VARCHAR
                ) AS parcel
            FROM orders
        )
        SELECT
            CASE WHEN order_number <> ''
                THEN {_DIGEST.format("order_number || way")} END AS order_key,
            {_DIGEST.format("parcel")} AS parcel_key
        FROM texts
    """
    given = [name for name in (*_KEY_COLUMNS, RETURN_OF) if name in plan.column_names]
    orders = plan.select(given)
    if orders.num_rows <= SMALL:  # to open a database takes longer than to make the keys
        return run_small(query, orders=orders)
    with memory_database() as con:
        con.register("orders", orders)
        return con.sql(query).to_arrow_table()


def seen(
    home: Path,
    identity: CarrierIdentity,
    plan: pa.Table,
    *,
    but_not: Callable[[], str] | None = None,
    today: dt.date | None = None,
) -> dict[int, str]:
    """Return the rows of a plan that an earlier job of this home and account has.

    Rows are the same by order number, or by address and contents on the same day.

    Parameters
    ----------
    but_not
        Returns the id of a job that does not count, and neither do its restarts: the plan's own.
        It is not called where there is no earlier job; of a large plan it takes a while to know.
    today
        The day of shipping for rows that do not name one: the shipper's local day. Default: that
        of this machine.

    Returns
    -------
    dict
        Row -> a sentence that names the earlier job.
    """
    folders = [home / "claims" / key for key in _keys(identity)]
    for folder in folders:
        ClaimBook(folder).fetch()
    accounts = [folder.name for folder in folders if any(folder.glob("job-*.parquet"))]
    if not accounts:
        return {}
    keys = order_keys(plan, today or local_day(None))
    kin = _kin(home, but_not()) if but_not else set()
    return _in_words(home, _matches(home, accounts, keys, kin))


def bought(held: Mapping[int, str]) -> set[int]:
    """Return the rows that :func:`seen` found to be bought, not only in another job."""
    return {row for row, text in held.items() if _BOUGHT in text}


def _keys(identity: CarrierIdentity) -> list[str]:
    """Return the digest of an account, or those of all accounts that are approved together."""
    if isinstance(identity, JointIdentity):
        return [account_key(part) for _, part in identity.parts]
    return [account_key(identity)]


def claim(
    store: JobStore,
    states: np.ndarray[Any, Any],
    *,
    today: dt.date | None = None,
    disk: Disk | None = None,
) -> dict[int, str]:
    """Claim the orders of a job that is about to be sent.

    One lock for the whole home and account makes sure that of two jobs that start together, only
    one gets an order. A job with several accounts claims its orders at all of them. A resumed job
    keeps the claims it has; its rows without a claim belong to another job, and are checked again.

    Parameters
    ----------
    states
        Code of each row's state; only pending rows are claimed.
    today, disk
        For tests.

    Returns
    -------
    dict
        Row -> a sentence that names the other job that has it.
    """
    manifest = store.manifest
    home = store.path.parent.parent
    # In one order for everybody, so that two jobs never wait for each other.
    folders = [home / "claims" / key for key in sorted(set(manifest.account_keys))]
    paths = [folder / f"{store.job_id}.parquet" for folder in folders]
    rows = np.flatnonzero(states == STATES.index(RowState.PENDING))
    if not len(rows):
        return {}
    with ExitStack() as stack:
        for folder in folders:
            make_private(folder)
            lock = held(folder, what="claim", wait_s=60, named="The list of claimed orders")
            stack.enter_context(lock)
        books = [ClaimBook(folder) for folder in folders]
        while True:
            for book, path in zip(books, paths, strict=True):
                book.fetch()
                book.drop_unlisted(path)
            known = [path.exists() for path in paths]
            taken = _compared(store, paths, rows, today=today, disk=disk or Disk())
            # Of a home in an object store, another machine may have claimed meanwhile.
            if all(
                was or not path.exists() or book.enter(path)
                for was, path, book in zip(known, paths, books, strict=True)
            ):
                return taken


def _compared(
    store: JobStore,
    paths: Sequence[Path],
    rows: np.ndarray[Any, Any],
    *,
    today: dt.date | None,
    disk: Disk,
) -> dict[int, str]:
    """Return the rows that other jobs have; write the claims of the job where it has none."""
    manifest = store.manifest
    home = store.path.parent.parent
    if all(path.exists() for path in paths):
        # A row that one account's claims lack was found to be another job's there.
        mine = np.ones(manifest.shipments, dtype=bool)
        for path in paths:
            claimed = pq.read_table(path, columns=["row"], partitioning=None).column("row")
            here = np.zeros(manifest.shipments, dtype=bool)
            here[claimed.to_numpy()] = True
            mine &= here
        rows = rows[~mine[rows]]
        if not len(rows):
            return {}
    with pq.ParquetFile(store.path / "plan.parquet") as stored:  # of this version or an earlier one
        wanted = ("row_number", *_KEY_COLUMNS, RETURN_OF)
        plan = stored.read([name for name in wanted if name in stored.schema_arrow.names])
    plan = plan.take(pa.array(rows))
    keys = order_keys(plan, today or local_day(manifest.shipper))
    hold = manifest.on_duplicate == "hold"
    kin = _kin(home, store.job_id)
    found = _matches(home, manifest.account_keys, keys, kin) if hold else {}
    taken = _in_words(home, found)
    keep = np.ones(len(rows), dtype=bool)
    keep[list(taken)] = False
    for path in paths:
        if not path.exists():
            _write(disk, path, rows=rows, plan=plan, keys=keys, keep=pa.array(keep))
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
    try:
        disk.publish(path.parent, path.name, bytes(sink.getvalue()))
    except OSError as error:
        raise CheckpointWriteError(
            f"What the job claims cannot be written to {path.parent}: {error}.",
            fix="Free disk space, or correct the folder's permissions, then resume: nothing was "
            "sent.",
        ) from error


def _kin(home: Path, job_id: str) -> set[str]:
    """Return the ids of a job and its restarts, which a person confirmed: no duplicates."""
    try:
        lineage = JobStore.open(home, job_id).manifest
    except JobNotFound:
        return {job_id}
    kin, ordinal = {job_id}, 1
    while JobStore.exists(
        home, other := JobStore.id_of(lineage.fingerprint, lineage.name, ordinal)
    ):
        kin.add(other)
        ordinal += 1
    return kin


def _possibly_bought(home: Path, job_id: str, rows: list[int]) -> dict[int, tuple[str, str | None]]:
    """Return state and tracking number of the rows that were bought, or may still be."""
    try:
        other = JobStore.open(home, job_id)
    except JobNotFound:  # the job's folder was removed by hand, and its claims are all that is left
        return {}
    results = other.results().take(pa.array(rows))
    cancelled = other.status is JobStatus.CANCELLED
    free = {RowState.FAILED, RowState.VOIDED, RowState.SKIPPED}
    if cancelled:
        free.add(RowState.PENDING)
    states, numbers = (
        results.column("state").to_pylist(),
        results.column("tracking_number").to_pylist(),
    )
    return {
        row: (state, number)
        for row, state, number in zip(rows, states, numbers, strict=True)
        if state not in free
    }


def _matches(
    home: Path, accounts: Iterable[str], wanted: pa.Table, kin: set[str]
) -> dict[int, list[EarlierOrder]]:
    """Return, for each row of `wanted`, where other jobs of the accounts have the same order."""
    found: dict[int, list[EarlierOrder]] = {}
    claims = (claim for account in accounts for claim in _claims(home, account, kin))
    for job_id, table in claims:
        for same in ("order", "parcel"):
            theirs, mine = table.column(f"{same}_key"), wanted.column(f"{same}_key")
            # A null key matches nothing: orders without a number are not the same order.
            hits = table.filter(pc.is_in(theirs, value_set=mine.drop_null())).to_pylist()
            if not hits:
                continue
            places = _places(mine, pa.array([line[f"{same}_key"] for line in hits]))
            for line in hits:
                for place in places[line[f"{same}_key"]]:
                    found.setdefault(place, []).append(
                        EarlierOrder(job_id, line["row"], line["row_number"], same)
                    )
    return found


def _places(keys: Any, chosen: pa.Array) -> dict[bytes, list[int]]:
    """Return the indices of each of the `chosen` keys."""
    places: dict[bytes, list[int]] = {}
    for place in pc.indices_nonzero(pc.is_in(keys, value_set=chosen)).to_pylist():
        places.setdefault(keys[place].as_py(), []).append(place)
    return places


def _claims(home: Path, account: str, kin: set[str]) -> Iterator[tuple[str, pa.Table]]:
    folder = home / "claims" / account
    for path in sorted(folder.glob("job-*.parquet")) if folder.is_dir() else ():
        if path.stem not in kin:
            yield path.stem, pq.read_table(path, partitioning=None)


def _in_words(home: Path, found: Mapping[int, list[EarlierOrder]]) -> dict[int, str]:
    """Return a sentence for each row whose earlier order was bought, or may still be."""
    rows: dict[str, set[int]] = {}
    for orders in found.values():
        for earlier in orders:
            rows.setdefault(earlier.job_id, set()).add(earlier.row)
    states = {
        job_id: _possibly_bought(home, job_id, sorted(wanted)) for job_id, wanted in rows.items()
    }
    words = {}
    for place, orders in found.items():
        for earlier in orders:
            state = states[earlier.job_id].get(earlier.row)
            if state is not None:
                words[place] = _sentence(earlier, *state)
                break
    return words


def _sentence(earlier: EarlierOrder, state: str, tracking: str | None) -> str:
    what = (
        "The order"
        if earlier.same == "order"
        else "A parcel with the same contents, to the same address on the same day,"
    )
    if state == RowState.SHIPPED:
        number = f", {tracking}" if tracking else ""
        return f"{what} {_BOUGHT}: {earlier.job_id}, row {earlier.row_number}{number}."
    return (
        f"{what} is already in another job: {earlier.job_id}, row {earlier.row_number} "
        f"({state.replace('_', ' ')})."
    )
