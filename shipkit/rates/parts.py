"""Price many files as parts, in this process or on an executor, into a folder of files.

Each part is one file of the folder, which appears when it is whole and says what it was made of. A
second run skips the parts that are there; ``_totals.json`` is written last, so that a folder with
it is complete.
"""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
from pyarrow import fs

from shipkit._version import __version__
from shipkit.common.spill import cores, shared_by
from shipkit.errors import InputError
from shipkit.rates.order_files import FilePlace
from shipkit.rates.pricer import Pricer
from shipkit.rates.rated_files import (
    complete_file,
    demand_replaceable,
    facts_of,
    leftovers,
    no_totals,
    summed,
    write_rated,
)
from shipkit.rates.read_once import FileRows
from shipkit.rates.reading import ROWS_AT_A_TIME, OrderSource
from shipkit.rates.shipment_files import ShipmentFile

__all__ = [
    "RatePart",
    "parts_of",
    "progress_bar",
    "rate_parts",
    "rate_tables",
    "run_tasks",
    "workers_of",
]

_TOTALS = "_totals.json"
_LARGE = 2_000_000
"""Rows of a file that is priced as several parts: one worker would be busy after the others."""
_ROWS_OF_A_PART = 1_000_000
_GUARD = 'Put the call below `if __name__ == "__main__":`.'


@dataclass(frozen=True)
class RatePart:
    """A file, or some row groups of a large one, and the name of the file made of it."""

    source: ShipmentFile | FileRows
    name: str
    groups: tuple[int, ...] | None = None

    def tables(self, pricer: Pricer) -> Iterator[pa.Table]:
        """Yield the prices of its rows. Raises SourceError for a file that changed meanwhile."""
        self.source.file.demand_unchanged()
        if isinstance(self.source, ShipmentFile):
            return pricer.priced(self.source.tables(ROWS_AT_A_TIME, self.groups))
        file = self.source.file
        return pricer.priced_orders(OrderSource(file.place.address, (file,)))

    def key(self, pricer: Pricer) -> str:
        """Return what tells whether a file was made of just this part, by just this pricer."""
        file = self.source.file
        facts = (
            file.place.address,
            file.name,
            file.size,
            file.changed,
            self.source.before,
            getattr(self.source, "alone", None),
            self.groups,
            pricer.fingerprint,
            pricer.schema.to_string(),
        )
        return hashlib.sha256(repr(facts).encode()).hexdigest()


@dataclass(frozen=True)
class FinishedPart:
    """A part that is in the folder: its totals, and what ``_totals.json`` notes of it."""

    name: str
    source: str
    rows: int
    totals: tuple[Mapping[str, Any], ...]
    key: str


def parts_of(files: Sequence[ShipmentFile | FileRows], *, split: bool) -> list[RatePart]:
    """Return the parts that files are priced in; `split`: large ones by their row groups."""
    found: list[RatePart] = []
    for source in files:
        stem = str(PurePosixPath(source.file.name).with_suffix(""))
        ranges = []
        if split and isinstance(source, ShipmentFile) and source.rows > _LARGE:
            ranges = _ranges(source.groups)
        if len(ranges) < 2:
            found.append(RatePart(source, f"{stem}.parquet"))
        else:
            found += [
                RatePart(source, f"{stem}-{number:04}.parquet", groups)
                for number, groups in enumerate(ranges, start=1)
            ]
    names = [part.name for part in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"Two files would both be written as {twice[0]}.",
            fix="Give the files different names, without regard to their endings.",
        )
    return found


def _ranges(groups: Sequence[int]) -> list[tuple[int, ...]]:
    """Return adjacent row groups of about a million rows each."""
    made: list[list[int]] = []
    rows = _ROWS_OF_A_PART
    for number, count in enumerate(groups):
        if rows >= _ROWS_OF_A_PART:
            made.append([])
            rows = 0
        made[-1].append(number)
        rows += count
    return [tuple(each) for each in made]


def rate_parts(
    pricer: Pricer, parts: Sequence[RatePart], to: FilePlace, executor: Any, *, progress: bool
) -> pa.Table:
    """Price the parts into the folder `to`; return the totals.

    Raises
    ------
    InputError
        The folder has other files, or a worker was lost.
    """
    existing = _rated_files(to, parts)
    done = [found for part in parts if (found := _finished(pricer, part, to, existing))]
    names = {each.name for each in done}
    left = [part for part in parts if part.name not in names]
    if left:
        _remove(to.inside(_TOTALS))
    with progress_bar(len(parts), len(done), shown=progress) as step:
        done += run_tasks(executor, _write_part, [(pricer, part, to) for part in left], step)
    _remove_leftovers(to, parts)
    place = {part.name: number for number, part in enumerate(parts)}
    done.sort(key=lambda each: place[each.name])
    totals = summed(
        [no_totals(), *(pa.Table.from_pylist([*each.totals], no_totals().schema) for each in done)]
    )
    _write_totals(pricer, to, done, totals)
    return totals


def rate_tables(
    pricer: Pricer, parts: Sequence[RatePart], executor: Any, *, progress: bool
) -> pa.Table:
    """Price the parts; return the rows of all, in order."""
    with progress_bar(len(parts), 0, shown=progress) as step:
        made = run_tasks(executor, _price_part, [(pricer, part) for part in parts], step)
    return pa.concat_tables([pricer.schema.empty_table(), *made])


# -- what a worker does ----------------------------------------------------------------------------


def _write_part(pricer: Pricer, part: RatePart, to: FilePlace, workers: int) -> FinishedPart:
    key = part.key(pricer)

    def facts(totals: pa.Table) -> dict[str, Any]:
        lines = totals.to_pylist()
        rows = sum(line["orders"] for line in lines)
        return asdict(FinishedPart(part.name, part.source.file.name, rows, tuple(lines), key))

    with shared_by(workers):
        totals = write_rated(part.tables(pricer), pricer.schema, to.inside(part.name), facts)
    return _finished_from(facts(totals))


def _price_part(pricer: Pricer, part: RatePart, workers: int) -> pa.Table:
    with shared_by(workers):
        return pa.concat_tables([pricer.schema.empty_table(), *part.tables(pricer)])


# -- executors -------------------------------------------------------------------------------------


def workers_of(executor: Any) -> int:
    """Return how many workers may share one machine: those of a process pool, else one a core."""
    count = getattr(executor, "_max_workers", None)
    return min(count, cores()) if isinstance(count, int) else cores()


@contextmanager
def _executor(given: Any, tasks: int) -> Iterator[Executor | None]:
    """Yield the executor to submit to; None: the work is done in this process."""
    if given is None or not tasks:
        yield None
    elif given == "processes":
        from concurrent.futures import ProcessPoolExecutor

        # A forked child would inherit the threads and locks of Arrow and DuckDB.
        with ProcessPoolExecutor(
            min(cores(), tasks), mp_context=multiprocessing.get_context("spawn")
        ) as pool:
            yield pool
    elif callable(getattr(given, "submit", None)):
        yield given
    else:
        raise InputError(
            f"executor={given!r} cannot run tasks.",
            fix='Pass "processes", a concurrent.futures executor such as ProcessPoolExecutor(8), '
            "or that of a cluster: dask.distributed's client.get_executor(retries=3).",
        )


def run_tasks(executor: Any, work: Any, tasks: Sequence[tuple[Any, ...]], step: Any) -> list[Any]:
    """Return what `work` makes of each task, in order; the first error ends the others."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        # A spawned worker is importing the script; a pool made here would never start.
        raise InputError(
            "A worker process began to price by itself: the script has no main guard.", fix=_GUARD
        )
    with _executor(executor, len(tasks)) as runner:
        if runner is None:
            made = []
            for task in tasks:
                made.append(work(*task, 1))
                step()
            return made
        workers = workers_of(runner)
        futures: list[Future[Any]] = []
        try:
            for task in tasks:
                future = runner.submit(functools.partial(work, *task, workers))
                future.add_done_callback(lambda _: step())
                futures.append(future)
            wait(futures, return_when=FIRST_EXCEPTION)
            return [future.result() for future in _failed_first(futures)]
        except BrokenProcessPool as error:
            raise InputError(
                "A worker process ended before its part was done: it was killed, ran out of "
                "memory, or the script has no main guard.",
                fix=f"{_GUARD} Or give fewer workers. The same call again skips the parts that "
                "are done.",
            ) from error
        finally:
            for future in futures:
                future.cancel()


def _failed_first(futures: Sequence[Future[Any]]) -> Sequence[Future[Any]]:
    """Return the futures; raise the error of the first that failed: others may still be running."""
    for future in futures:
        if future.done() and not future.cancelled() and future.exception() is not None:
            future.result()
    return futures


@contextmanager
def progress_bar(total: int, done: int, *, shown: bool) -> Iterator[Any]:
    """Yield a function that notes one more part; `shown`: in a bar on stderr."""
    if not shown:
        yield lambda: None
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=done, unit="part", dynamic_ncols=True) as bar:
        yield bar.update


# -- the folder ------------------------------------------------------------------------------------


def _rated_files(to: FilePlace, parts: Sequence[RatePart]) -> set[str]:
    """Return the names of the Parquet files in the folder.

    Raises InputError if one is none of the parts: a reader of the folder would count it, too.
    """
    if any(part.source.file.place == to.inside(part.name) for part in parts):
        raise InputError(
            f"{to.address} is the folder of the orders themselves.", fix="Name another folder."
        )
    system, path = to.opened()
    try:
        found = system.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))
    except OSError as error:
        raise InputError(
            f"{to.address} cannot be used as a folder: {str(error).splitlines()[0].rstrip('.')}.",
            fix="Name a folder; it is made if it is missing.",
        ) from None
    base = PurePosixPath(path)
    names = {
        str(PurePosixPath(each.path).relative_to(base))
        for each in found
        if each.type == fs.FileType.File and each.path.endswith(".parquet")
    }
    names = {name for name in names if not any(p[0] in "._" for p in PurePosixPath(name).parts)}
    foreign = sorted(names - {part.name for part in parts})
    if foreign:
        raise InputError(
            f"{to.address} has {foreign[0]}, which is none of the parts of these orders.",
            fix="Remove it, or name an empty folder: who reads the folder would count it.",
        )
    return names


def _finished(
    pricer: Pricer, part: RatePart, to: FilePlace, existing: set[str]
) -> FinishedPart | None:
    """Return what an earlier run made of just this part, by just this pricer."""
    if part.name not in existing:
        return None
    facts = facts_of(to.inside(part.name))
    if facts is None:
        demand_replaceable(to.inside(part.name))
        return None
    if facts.get("key") != part.key(pricer):
        return None
    return _finished_from(facts)


def _finished_from(facts: Mapping[str, Any]) -> FinishedPart:
    return FinishedPart(**{**facts, "totals": tuple(facts["totals"])})


def _remove(place: FilePlace) -> None:
    system, path = place.opened()
    if system.get_file_info(path).type == fs.FileType.File:
        system.delete_file(path)


def _remove_leftovers(to: FilePlace, parts: Sequence[RatePart]) -> None:
    """Remove what killed attempts left on this machine; an upload that ended leaves nothing."""
    if to.is_url:
        return
    for part in parts:
        for path in leftovers(to.inside(part.name).path):
            path.unlink(missing_ok=True)


def _write_totals(
    pricer: Pricer, to: FilePlace, done: Sequence[FinishedPart], totals: pa.Table
) -> None:
    content = {
        "shipkit": __version__,
        "card": pricer.card.name,
        "pricer": pricer.fingerprint,
        "orders": sum(each.rows for each in done),
        "totals": totals.to_pylist(),
        "parts": [
            {"name": each.name, "source": each.source, "rows": each.rows, "key": each.key}
            for each in done
        ],
    }
    with complete_file(to.inside(_TOTALS)) as path:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
