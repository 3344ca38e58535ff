"""Rated rows as Parquet files that appear when they are complete, and their totals."""

from __future__ import annotations

import contextvars
import json
import re
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.carriers.ratecard.card_database import KeptDatabases
from shipkit.common.files import whole_file
from shipkit.common.spill import private_folder
from shipkit.errors import InputError
from shipkit.rates.order_files import FilePlace
from shipkit.rates.shipment_files import RATED_MARK

__all__ = [
    "ahead",
    "complete_file",
    "demand_replaceable",
    "facts_of",
    "leftovers",
    "no_totals",
    "summed",
    "write_rated",
]

_SUMMED = ("service", "currency", "orders", "unrated", "cost_cents")
_MOST_AT_ONCE = 4
"""Chunks priced at the same time: each holds 250,000 shipments, and DuckDB has its own threads."""

Item = TypeVar("Item")
Made = TypeVar("Made")


def write_rated(
    tables: Iterable[pa.Table],
    schema: pa.Schema,
    to: FilePlace,
    facts: Callable[[pa.Table], Mapping[str, Any]] | None = None,
) -> pa.Table:
    """Write rated rows to one Parquet file, which appears when it is complete.

    Parameters
    ----------
    facts
        Called with the totals; what it returns is written into the file, for :func:`facts_of`.

    Returns
    -------
    Table
        The totals, one row per service.

    Raises
    ------
    InputError
        Another file is there, and it is none of rated rows.
    """
    demand_replaceable(to)
    totals = no_totals()
    with complete_file(to) as path, pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table.cast(schema))
            # The sums are summed at once: a year of orders has thousands of tables.
            totals = summed([totals, _counts(table)])
        # Written in any case: prices are never taken for orders when a folder is read again.
        noted = facts(totals) if facts is not None else {}
        writer.add_key_value_metadata({RATED_MARK: json.dumps(noted).encode()})
    return totals


def facts_of(place: FilePlace) -> dict[str, Any] | None:
    """Return what :func:`write_rated` noted in a file; None if it is not a complete one of them."""
    system, path = place.opened()
    try:
        with system.open_input_file(path) as source:
            found = pq.read_metadata(source).metadata or {}
            facts = json.loads(found.get(RATED_MARK, b"null"))
    except (pa.ArrowException, OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def demand_replaceable(place: FilePlace) -> None:
    """Raise InputError if a file is there that :func:`write_rated` did not write."""
    if place.exists() and facts_of(place) is None:
        raise InputError(
            f"{place.address} is there already, and it is no file of prices that sk.rate() wrote.",
            fix="Name another file or folder, or remove it.",
        )


@contextmanager
def complete_file(to: FilePlace) -> Iterator[Path]:
    """Yield a path to write to; the file appears at `to` when the block succeeds.

    On this machine it is renamed into its place. An object of a store appears when its upload ends.

    Raises
    ------
    InputError
        It cannot be written there.
    """
    if not to.is_url:
        try:
            to.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{to.path.parent} cannot be made: {error.strerror}.",
                fix="Name a folder that this process may write to.",
            ) from None
        with whole_file(to.path) as path:
            yield path
        return
    with private_folder() as folder:
        path = folder / "rated.parquet"
        yield path
        system, target = to.opened()
        try:
            with path.open("rb") as source, system.open_output_stream(target) as stream:
                shutil.copyfileobj(source, stream, 8 << 20)
        except OSError as error:
            raise InputError(
                f"{to.address} cannot be written: {str(error).splitlines()[0].rstrip('.')}.",
                fix="Check the address, and whether this process may write there.",
            ) from None


def leftovers(path: Path) -> list[Path]:
    """Return what killed attempts to write `path` left next to it."""
    name = re.compile(rf"\.{re.escape(path.stem[:40])}-[0-9a-f]{{12}}{re.escape(path.suffix)}")
    return [each for each in path.parent.glob(".*") if name.fullmatch(each.name)]


# -- several at a time, in order -------------------------------------------------------------------


def ahead(work: Callable[[Item], Made], items: Iterable[Item], threads: int) -> Iterator[Made]:
    """Yield ``work(item)`` of each item, in order, while the next ones are being worked on.

    The items are taken in the caller's thread: what makes them need not be safe for threads.
    """
    at_once = min(threads, _MOST_AT_ONCE)
    with KeptDatabases() as kept:
        task = kept.within(work)
        yield from map(task, items) if at_once < 2 else _in_threads(task, items, at_once)


def _in_threads(
    work: Callable[[Item], Made], items: Iterable[Item], at_once: int
) -> Iterator[Made]:
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="shipkit-rates") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(contextvars.copy_context().run, work, item))
                if len(waiting) > at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


# -- totals ----------------------------------------------------------------------------------------


def no_totals() -> pa.Table:
    """Return the totals of nothing."""
    kinds = (pa.string(), pa.string(), pa.int64(), pa.int64(), pa.int64())
    return pa.schema(list(zip(_SUMMED, kinds, strict=True))).empty_table()


def summed(totals: Iterable[pa.Table]) -> pa.Table:
    """Return totals added up, one row per service and currency."""
    table = pa.concat_tables(totals)
    grouped = table.group_by(_SUMMED[:2]).aggregate([(name, "sum") for name in _SUMMED[2:]])
    columns = [grouped.column(name) for name in _SUMMED[:2]]
    columns += [grouped.column(f"{name}_sum") for name in _SUMMED[2:]]
    return pa.table(columns, names=_SUMMED).sort_by(
        [("service", "ascending"), ("currency", "ascending")]
    )


def _counts(table: pa.Table) -> pa.Table:
    """Return rated rows in the columns that are summed, one row per order."""
    cents = table.column("cost_cents")
    return pa.table(
        {
            "service": table.column("service"),
            "currency": table.column("currency"),
            "orders": pa.repeat(pa.scalar(1), table.num_rows),
            "unrated": pc.is_null(cents).cast(pa.int64()),
            "cost_cents": cents,
        }
    )
