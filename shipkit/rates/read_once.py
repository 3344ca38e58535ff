"""Decide once how the columns of many files are read, so that each file can be priced alone.

Types, layouts and order numbers are decided on all rows of all files: one "25/03" in one file
settles "03/04" in another. A :class:`Reading` carries the decisions to where a file is priced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from shipkit._version import __version__
from shipkit.common.words import counted
from shipkit.errors import InputError
from shipkit.orders.grouping import FixedOrders, OrderSet
from shipkit.orders.packing import weight_columns
from shipkit.orders.source import FixedColumns
from shipkit.plan.planner import Planner
from shipkit.rates.order_files import OrderFile, order_files
from shipkit.rates.part_checks import demand_version
from shipkit.rates.reading import Orders, OrderSource, planner_of, ranges_of, source_of
from shipkit.rates.scenario import Place, mapping_of

__all__ = ["FileRows", "Reading", "read_once"]


@dataclass(frozen=True)
class FileRows:
    """One of the files that were read, and where its rows are among those of all."""

    file: OrderFile
    before: int
    """Rows of the files before it."""
    rows: int


@dataclass(frozen=True, repr=False)
class Reading:
    """How files of orders are read: the same for each of them, wherever it is priced.

    Made by :func:`shipkit.read_once`. It can be pickled, and does not change. Cells of orders are
    not in it.
    """

    files: tuple[FileRows, ...]
    columns: FixedColumns = field(repr=False)
    orders: FixedOrders = field(repr=False)
    weights: tuple[str, ...] = field(repr=False)
    """Keys of the columns that the weight is read from."""
    mapping: Mapping[str, Any] = field(repr=False)
    """``columns``, ``services``, ``defaults``, ``ignore`` and ``warehouses``, where given."""
    version: str = __version__

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the decisions; the files that they were made on are not in it."""
        facts = (
            self.version,
            self.columns.headings,
            self.columns.kinds,
            [(each.sql, each.type, each.unit) for each in self.columns.readings],
            self.columns.layout.name if self.columns.layout else None,
            self.orders.order_key,
            self.orders.single,
            sorted(self.orders.filled),
            self.weights,
            sorted((name, _sorted(value)) for name, value in self.mapping.items()),
        )
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def __repr__(self) -> str:
        rows = sum(each.rows for each in self.files)
        return f"Reading({len(self.files)} files, {rows:,} rows, {self.fingerprint[:12]})"

    def of(self, source: OrderSource) -> Iterator[Orders]:
        """Yield the orders of one file or table, some at a time, read as all of them are.

        Raises
        ------
        InputError
            The file is not as it was, or not as the others are.
        """
        demand_version("reading", self.version)
        known = self._known(source)
        if known is not None and known.rows == 0:
            return
        if not source.files and not self.orders.single:
            raise InputError(
                "These orders have several lines, and a table may end in the middle of one.",
                fix="Price whole files: pricer.file(...) or sk.rate(files, ..., executor=...).",
            )
        with source.local() as given:
            planner = planner_of(
                given, {**self.mapping}, fixed=self.columns, fixed_orders=self.orders
            )
            try:
                if _weights(planner) != self.weights:
                    raise InputError(
                        f"{_name(source)} has its weights in other columns than all files "
                        "together.",
                        fix='Name it: read_once(files, columns={"weight_lb": "<heading>"}).',
                    )
                if self.orders.single and not planner.orders.single:
                    raise InputError(
                        f"{_name(source)} has an order of several lines, and there was none when "
                        "the files were read once.",
                        fix="Read them once more, with this file: sk.read_once(files).",
                    )
                for orders in ranges_of(planner, source):
                    yield _renumbered(orders, known.before if known else 0)
            finally:
                planner.close()

    def _known(self, source: OrderSource) -> FileRows | None:
        """Return what is known of the file. Raises InputError if it changed since then."""
        if not source.files:
            return None
        (file,) = source.files
        known = next((each for each in self.files if each.file.place == file.place), None)
        if known is not None and (known.file.size, known.file.changed) != (file.size, file.changed):
            raise InputError(
                f"{file.name} changed since the files were read.",
                fix="Read them once more: sk.read_once(files).",
            )
        return known


def _sorted(setting: Any) -> list[Any]:
    """Return the items of a setting in an order that does not depend on how it was given."""
    return sorted(setting.items() if isinstance(setting, Mapping) else setting)


def read_once(
    files: Any,
    *,
    columns: Mapping[str, str] | None = None,
    services: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
    ignore: Sequence[str] | str | None = None,
    warehouses: Mapping[str, Place] | None = None,
) -> Reading:
    """Read files of orders, and return how all of them are read.

    All rows of all files are looked at, on this machine; nothing is priced.

    Parameters
    ----------
    files
        A path, folder, glob, URL, or a list of them.
    columns, services, defaults, ignore
        As in :meth:`shipkit.BatchSession.map`.
    warehouses
        What a column ``Warehouse`` says -> a ZIP, an Address or its fields: that order is
        priced from there.

    Raises
    ------
    InputError
        The files are none of orders, or the lines of one order are in two files.

    Examples
    --------
    >>> import shipkit as sk
    >>> reading = sk.read_once("orders/*.csv")  # doctest: +SKIP
    >>> pricer = sk.Pricer(card, reading=reading)  # doctest: +SKIP
    """
    found = order_files(files)
    if found is None:
        raise InputError(
            f"Files are read once, not a {type(files).__name__}.",
            fix="Pass a path, a folder, a pattern, a URL, or a list of them.",
        )
    source = source_of(files)
    if source.shipments is not None:
        raise InputError(
            f"{found[0].name} has shipments that are mapped already.",
            fix="They need no reading: leave it out.",
        )
    mapping = mapping_of(
        columns=columns,
        services=services,
        defaults=defaults,
        ignore=ignore,
        warehouses=warehouses,
    )
    with source.local() as given:
        planner = planner_of(given, mapping, holds=True)
        try:
            weights = _weights(planner)
            planner.mapped()  # what the columns mean is refused here, and not by every worker
            rows = planner.loaded.origin.rows
            _refuse_split_orders(planner.orders, found, rows)
            starts = np.concatenate([[0], np.cumsum(rows)[:-1]])
            key = planner.orders.order_key
            return Reading(
                tuple(
                    FileRows(file, int(before), int(count))
                    for file, before, count in zip(found, starts, rows, strict=True)
                ),
                FixedColumns.of(planner.loaded),
                FixedOrders(
                    key.name if key else None, planner.orders.single, planner.orders.filled
                ),
                weights,
                {name: value for name, value in mapping.items() if value},
            )
        finally:
            planner.close()


def _renumbered(orders: Orders, before: int) -> Orders:
    """Return orders whose row numbers run on over the files before theirs."""
    table = orders.table
    numbers = pa.array(table.column("row_number").to_numpy() + before)
    numbered = table.set_column(0, table.schema.field(0), numbers)
    return replace(orders, table=numbered, before=before)


def _weights(planner: Planner) -> tuple[str, ...]:
    return weight_columns(planner.orders, planner.read_spec())


def _name(source: OrderSource) -> str:
    return source.files[0].name if source.files else "This table"


def _refuse_split_orders(orders: OrderSet, files: list[OrderFile], rows: tuple[int, ...]) -> None:
    """Raise InputError if lines of one order are in two files: each would be priced as an order."""
    if orders.single or len(files) == 1:
        return
    lines = orders.con.sql(
        f"SELECT order_row, row_number FROM {orders.all_lines.sql} WHERE order_row <> row_number "
        "ORDER BY row_number"
    ).to_arrow_table()
    ends = np.cumsum(rows)
    first, here = (
        np.searchsorted(ends, lines.column(name).to_numpy(), side="left")
        for name in ("order_row", "row_number")
    )
    split = np.flatnonzero(first != here)
    if not len(split):
        return
    at = int(split[0])
    row = lines.slice(at, 1).to_pylist()[0]
    known = f" {_key_of(orders, row['order_row'])}" if orders.order_key else ""
    count = len(np.unique(lines.column("order_row").to_numpy()[split]))
    raise InputError(
        f"{counted(count, 'order')} with lines in two files: order{known} "
        f"is in {files[first[at]].name} and in {files[here[at]].name}.",
        fix="Write the lines of an order into one file, or price all files in one process with "
        "sk.rate(files, card, to='rated.parquet').",
    )


def _key_of(orders: OrderSet, row: int) -> str:
    key = orders.order_key
    assert key is not None  # noqa: S101 - only called where there is one
    found = orders.con.execute(
        f'SELECT CAST("{key.key}" AS VARCHAR) FROM {orders.all_lines.sql} WHERE row_number = ?',
        [row],
    ).fetchone()
    return repr(found[0]) if found else ""
