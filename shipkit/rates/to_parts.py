"""What :func:`shipkit.rate` does with `to` and `executor`: one file, or a folder of parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from shipkit.carriers.ratecard import RateCard
from shipkit.common.spill import threads
from shipkit.errors import InputError
from shipkit.rates import whatif
from shipkit.rates.order_files import FilePlace, named_by
from shipkit.rates.parts import parts_of, rate_parts, rate_tables
from shipkit.rates.pricer import Pricer
from shipkit.rates.rated_files import ahead, demand_replaceable, write_rated
from shipkit.rates.read_once import FileRows, Reading, read_once
from shipkit.rates.reading import Orders, OrderSource, orders_in_parts, source_of
from shipkit.rates.scenario import Scenario
from shipkit.rates.shipment_files import ShipmentFile

__all__ = ["rate_files", "rate_to_file", "wants_parts"]


def wants_parts(to: str | Path | None, executor: Any) -> bool:
    """Return whether `to` is a folder, or the work is that of an executor."""
    if executor is not None:
        return True
    if to is None:
        return False
    if str(to).endswith(("/", "\\")) or not PurePosixPath(str(to).partition("?")[0]).suffix:
        return True
    return "://" not in str(to) and Path(to).expanduser().is_dir()


def rate_to_file(
    orders: Any,
    card: RateCard,
    scenario: Scenario,
    mapping: Mapping[str, Any],
    to: str | Path,
) -> pa.Table:
    """Write the prices of `orders` to one Parquet file; return the totals."""
    pricer = _pricer(card, scenario)
    target = FilePlace.of(to)
    source = source_of(orders)  # once: a stream is empty after it was read
    if any(file.place == target for file in source.files):
        raise InputError(
            f"{target.address} would replace the orders themselves.", fix="Name another file."
        )
    demand_replaceable(target)
    _demand_apart(orders, source, target)

    def price(part: Orders) -> pa.Table:
        return whatif.rated(part, card, scenario)

    parts = orders_in_parts(source, **mapping)
    return write_rated(ahead(price, parts, threads()), pricer.schema, target)


def rate_files(
    orders: Any,
    card: RateCard,
    scenario: Scenario,
    mapping: Mapping[str, Any],
    to: str | Path | None,
    executor: Any,
    progress: bool,
) -> pa.Table:
    """Price files as parts; return the totals, or without `to` the rows."""
    source = source_of(orders)
    if not source.files:
        raise InputError(
            f"Parts are made of files, and these orders are a {type(orders).__name__}.",
            fix="Save them as Parquet files, or leave executor out and name one file: "
            'to="rated.parquet".',
        )
    folder = None if to is None else _folder(to)
    pricer = _pricer(card, scenario)  # what it refuses is refused before anything is read
    files: Sequence[ShipmentFile | FileRows]
    if source.shipments is None:
        reading = read_once(orders, **mapping)
        pricer, files = _pricer(card, scenario, reading), reading.files
    else:
        _refuse_mapping(source, mapping)
        files = source.shipments
    parts = parts_of(files, split=executor is not None)
    if folder is not None:
        for part in parts[:1]:
            _demand_apart(orders, source, folder.inside(part.name))
    if folder is None:
        return rate_tables(pricer, parts, executor, progress=progress)
    return rate_parts(pricer, parts, folder, executor, progress=progress)


def _folder(to: str | Path) -> FilePlace:
    name = PurePosixPath(str(to).partition("?")[0])
    if name.suffix.lower() in {".parquet", ".csv", ".xlsx"}:
        raise InputError(
            f"With an executor, to= is a folder, and {to} is the name of a file.",
            fix=f'Name a folder: to="{name.with_suffix("")}".',
        )
    return FilePlace.of(to)


def _demand_apart(orders: Any, source: OrderSource, target: FilePlace) -> None:
    """Raise InputError if what names the orders would name the prices, too, in the next run."""
    named = named_by(orders, target) if source.files else None
    if named is not None:
        raise InputError(
            f"{target.address} would be one of the files that {named} stands for: the next run "
            "would find prices among the orders.",
            fix="Write the prices to another folder.",
        )


def _refuse_mapping(source: OrderSource, mapping: Mapping[str, Any]) -> None:
    if given := [name for name, value in mapping.items() if value]:
        raise InputError(
            f"{source.files[0].name} has shipments that are mapped already; {given[0]} is for "
            "orders.",
            fix="Leave it out, or give the files of orders.",
        )


def _pricer(card: RateCard, scenario: Scenario, reading: Reading | None = None) -> Pricer:
    return Pricer(
        card,
        as_of=scenario.as_of,
        origin=scenario.origin,
        origins=scenario.origins,
        boxes=scenario.boxes,
        service=scenario.service,
        reading=reading,
    )
