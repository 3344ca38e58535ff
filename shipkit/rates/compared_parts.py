"""Compare files part by part, and add up the sums of their groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shipkit._version import __version__
from shipkit.carriers.ratecard import RateCard
from shipkit.common.spill import shared_by, threads
from shipkit.errors import InputError
from shipkit.rates.comparison import COMPARED_COLUMNS, RateComparison, Sides
from shipkit.rates.comparison_groups import GroupedComparison, added_up, groups_of
from shipkit.rates.part_checks import demand_version
from shipkit.rates.parts import RatePart, parts_of, progress_bar, run_tasks
from shipkit.rates.rated_files import ahead
from shipkit.rates.read_once import Reading, read_once
from shipkit.rates.reading import (
    ROWS_AT_A_TIME,
    Orders,
    OrderSource,
    read_orders,
    shipments,
    source_of,
)
from shipkit.rates.scenario import Scenario, named_origins, place_of
from shipkit.rates.shipment_files import ShipmentFile

__all__ = ["compare_by"]

_SIDES = ("baseline", "candidate", "both")
_GROUPED = tuple(name for name in COMPARED_COLUMNS if not name.endswith("_cents"))


def compare_by(
    sides: Sides,
    keys: tuple[str, ...],
    orders: Any,
    mapping: Mapping[str, Any],
    executor: Any,
    *,
    progress: bool,
) -> GroupedComparison:
    """Return the comparison of `orders` by `keys`, each file by itself."""
    for key in keys:
        if key not in _GROUPED:
            raise InputError(
                f"{key!r} is not a column to group by.",
                fix=f"Use one of: {', '.join(_GROUPED)}.",
            )
    if not keys:
        raise InputError("by is empty.", fix='Name columns: by=("state", "service").')
    source = source_of(orders)
    if not source.files:
        if executor is not None:
            raise InputError(
                f"Parts are made of files, and these orders are a {type(orders).__name__}.",
                fix="Save them as Parquet files, or leave executor out.",
            )
        found = [_summed(sides.compared(read_orders(source, **mapping)), keys)]
        return _result(sides, keys, found)
    reading = None if source.shipments is not None else read_once(orders, **mapping)
    files = source.shipments if reading is None else reading.files
    parts = parts_of(files or (), split=executor is not None)
    task = _Task(_settled(sides), keys, reading)
    with progress_bar(len(parts), 0, shown=progress) as step:
        found = run_tasks(executor, _sums_of, [(task, part) for part in parts], step)
    return _result(sides, keys, found)


def _settled(sides: Sides) -> Sides:
    """Return the sides with the places they ship from: a worker has another config file."""

    def settled(card: RateCard, scenario: Scenario) -> Scenario:
        if scenario.origins is None:
            return replace(scenario, origin=place_of(card, scenario.origin))
        starts = named_origins(scenario).items()
        return replace(scenario, origins={name: place_of(card, at) for name, at in starts})

    before = sides.before
    if isinstance(sides.baseline, RateCard):
        before = settled(sides.baseline, before)
    return replace(sides, before=before, after=settled(sides.candidate, sides.after))


# -- one part --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """What every part is compared by."""

    sides: Sides
    keys: tuple[str, ...]
    reading: Reading | None
    version: str = __version__
    """Of the shipkit that compares: another one may price by other rules."""

    def orders(self, part: RatePart) -> Iterator[Orders]:
        """Yield the orders of a part. Raises SourceError for a file that changed meanwhile."""
        source = part.source
        source.file.demand_unchanged()
        if isinstance(source, ShipmentFile):
            paid = () if isinstance(self.sides.baseline, RateCard) else (self.sides.baseline,)
            for table in source.tables(ROWS_AT_A_TIME, part.groups, paid):
                yield shipments(table)
        elif self.reading is not None:
            yield from self.reading.of(OrderSource(source.file.place.address, (source.file,)))


def _sums_of(task: _Task, part: RatePart, workers: int) -> tuple[pa.Table, dict[str, int]]:
    """Return the groups of one part, and how many of its orders have no price on which side."""

    def sums(orders: Orders) -> tuple[pa.Table, dict[str, int]]:
        return _summed(task.sides.compared(orders), task.keys)

    demand_version("comparison", task.version)
    with shared_by(workers):
        # A column of the source is read from the planner's database, one thread at a time.
        paid_of_orders = task.reading is not None and isinstance(task.sides.baseline, str)
        found = list(ahead(sums, task.orders(part), 1 if paid_of_orders else threads()))
    return _joined(found, task.keys)


def _summed(compared: RateComparison, keys: Sequence[str]) -> tuple[pa.Table, dict[str, int]]:
    sides = compared.unrated_table.column("side")
    missing = {side: pc.sum(pc.equal(sides, side)).as_py() or 0 for side in _SIDES}
    return groups_of(compared.table, keys), missing


def _joined(
    found: Sequence[tuple[pa.Table, dict[str, int]]], keys: Sequence[str]
) -> tuple[pa.Table, dict[str, int]]:
    none = groups_of(_nothing(), keys)
    groups = added_up([none, *(table for table, _ in found)], keys)
    return groups, {side: sum(missing[side] for _, missing in found) for side in _SIDES}


def _nothing() -> pa.Table:
    """Return a comparison of no orders."""
    kinds = {"row_number": pa.int64(), "currency": pa.string()}
    kinds |= {name: pa.int64() for name in COMPARED_COLUMNS if name.endswith("_cents")}
    kinds |= {name: pa.float64() for name in COMPARED_COLUMNS if name.endswith("_lb")}
    fields = [(name, kinds.get(name, pa.string())) for name in COMPARED_COLUMNS]
    return pa.schema(fields).empty_table()


def _result(
    sides: Sides, keys: tuple[str, ...], found: Sequence[tuple[pa.Table, dict[str, int]]]
) -> GroupedComparison:
    groups, missing = _joined(found, keys)
    return GroupedComparison(
        groups, keys, missing, sides.name, sides.candidate.name, sides.candidate.currency
    )
