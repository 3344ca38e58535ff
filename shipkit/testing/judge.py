"""Reads a clean and a spoiled order file, and compares what would be shipped."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from shipkit.errors import ShipkitError
from shipkit.models import Address
from shipkit.session import BatchSession
from shipkit.testing.spoiled_file import SpoiledFile

__all__ = ["SHIPPER", "Clean", "Verdict", "judged"]

_NOT_OF_THE_PARCEL = ("row_number", "row_numbers", "source_file")

SHIPPER = Address(
    name="Dana Ortiz",
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    country="US",
    phone="2105550100",
)


@dataclass(frozen=True)
class Read:
    """What a session made of a file: shipments that are ready, and rows that wait or warn."""

    ready: Mapping[str, list[str]]
    """Order number -> its shipments, each as text."""
    waiting: frozenset[str]
    """Order numbers with an error."""
    warned: frozenset[str]
    orders_of_rows: Mapping[int, str]
    """Row of the source, from 1 -> order number."""
    roles: Mapping[str, str]


_UNNUMBERED: Final = ""
"""The number of orders that have none."""


@dataclass(frozen=True)
class Clean:
    """An order file that is read rightly.

    Parameters
    ----------
    path
        A text file of orders with an order number, in UTF-8.
    options
        Options for :meth:`~shipkit.BatchSession.map`.
    """

    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    read: Read = field(init=False, repr=False)
    headings: list[str] = field(init=False, repr=False)
    rows: list[list[str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            sample = file.readline()
            file.seek(0)
            delimiter = max(",;\t|", key=sample.count)
            headings, *rows = csv.reader(file, delimiter=delimiter)
        object.__setattr__(self, "headings", headings)
        object.__setattr__(self, "rows", [row for row in rows if any(row)])
        object.__setattr__(self, "read", _read(self.path, self.options))

    def file(self) -> SpoiledFile:
        """Return the file, not yet spoiled."""
        return SpoiledFile(self.headings, self.rows, self.read.roles)


@dataclass(frozen=True)
class Verdict:
    """What became of a spoiled file."""

    silent: tuple[str, ...] = ()
    """Each shipment that changed, vanished or doubled without an error: order and what happened."""
    refused: str | None = None
    """The error, if the whole file was refused."""
    waiting_untouched: int = 0
    """Orders that wait although nothing in them was spoiled."""

    def __bool__(self) -> bool:
        return not self.silent


def judged(spoiled: SpoiledFile, clean: Clean, path: Path) -> Verdict:
    """Write `spoiled` to `path`, read it, and compare its shipments with those of `clean`.

    A shipment that is ready must be the one of the clean file, unless the damage allows a warning
    or asks for another shipment; an order that is missing must be an error, or the file refused.
    """
    try:
        now = _read(spoiled.write(path), clean.options)
    except ShipkitError as error:
        return Verdict(refused=f"{type(error).__name__}: {error}")
    expected: dict[str, set[str]] = defaultdict(set)
    for row, outcomes in spoiled.expected.items():
        order = clean.read.orders_of_rows.get(row + 1)
        if order is not None:
            expected[order] |= outcomes
    renumbered = _rows_elsewhere(now, clean.read)
    silent = []
    for order, shipments in clean.read.ready.items():
        found = now.ready.get(order, [])
        if order in now.waiting:
            continue
        outcomes = expected.get(order, {"same"})
        if not found and renumbered:
            renumbered -= 1  # its number was spoiled: a row waits under another
            continue
        if len(found) != len(shipments):
            silent.append(f"{order}: {len(found)} shipments instead of {len(shipments)}")
            continue
        same, warned = Counter(found) == Counter(shipments), order in now.warned
        if not same and outcomes <= {"same", "torn"}:
            silent.append(f"{order}: {_difference(shipments[0], found[0])}")
        elif "warned" in outcomes and not warned and renumbered:
            renumbered -= 1  # its copy had a number of its own, and waits
        elif "warned" in outcomes and not warned:
            silent.append(f"{order}: read without a warning: {found[0]}")
        elif {"obeyed", "torn"} & outcomes == {"obeyed"} and same and not warned:
            silent.append(f"{order}: what the row asks for is passed over")
    strangers = now.ready.keys() - clean.read.ready.keys()
    if _UNNUMBERED in now.warned:
        strangers -= {_UNNUMBERED}
    silent += [f"{order}: not an order of the clean file" for order in sorted(strangers)]
    untouched = clean.read.ready.keys() - expected.keys()
    return Verdict(tuple(silent), None, len(now.waiting & untouched))


def _read(path: Path, options: Mapping[str, Any]) -> Read:
    with BatchSession(path, shipper=SHIPPER) as session:
        session.map(**{"service": "ground", **options})
        mapped = session.mapped()
        problems = session.problems
        described = session.describe()
    errors = set(problems.loc[problems["severity"] == "error", "row_number"])
    warnings = set(problems.loc[problems["severity"] == "warning", "row_number"])
    ready: dict[str, list[str]] = defaultdict(list)
    waiting: set[str] = set()
    warned: set[str] = set()
    orders_of_rows: dict[int, str] = {}
    for row in mapped.to_dict("records"):
        number = row["row_number"]
        order = row["order_id"] if isinstance(row["order_id"], str) else _UNNUMBERED
        orders_of_rows |= dict.fromkeys(row["row_numbers"], order)
        lines = {number, *row["row_numbers"]}
        if lines & errors:
            waiting.add(order)
        else:
            parcel = {k: v for k, v in row.items() if k not in _NOT_OF_THE_PARCEL}
            ready[order].append(json.dumps(parcel, default=str, sort_keys=True))
        if lines & warnings:
            warned.add(order)
    roles = {
        str(role): str(name)
        for role, name in zip(described["role"], described["name"], strict=True)
        if isinstance(role, str)
    }
    return Read(dict(ready), frozenset(waiting), frozenset(warned), orders_of_rows, roles)


def _rows_elsewhere(now: Read, clean: Read) -> int:
    """Return how many rows wait under a number that is not theirs: an unknown one, or another's.

    Rows without a number count as well, where a warning names them.
    """
    rows, own = Counter(now.orders_of_rows.values()), Counter(clean.orders_of_rows.values())
    known = now.waiting | ({_UNNUMBERED} & now.warned)
    return sum(max(count - own[order], 0) for order, count in rows.items() if order in known)


def _difference(before: str, after: str) -> str:
    was, now = json.loads(before), json.loads(after)
    return "; ".join(
        f"{key} {was[key]!r} became {now[key]!r}" for key in was if repr(was[key]) != repr(now[key])
    )
