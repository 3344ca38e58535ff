"""Zone charts of USPS and FedEx, in the layouts in which they are published.

USPS: the chart of an origin ZIP3 from postcalc.usps.com/DomesticZoneChart as a workbook: pairs of
columns "ZIP Code" and "Zone" next to each other, ranges written 005---009, zones with marks (4*,
1+), and below or next to them 5-digit exceptions, whose third column may name one mail service.

FedEx: the PDF of a range of origin ZIPs (fedex.com/ratetools, "43000-43299.pdf"): the contiguous
states with one zone for all services, then Alaska, Hawaii and Puerto Rico with a zone for Express
and one for Ground. The layouts are known from public programs that read them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shipkit.carriers.ratecard.sheets import Sheet, heading_key

__all__ = ["ChartCell", "fedex_cells", "origins_named", "origins_stated", "usps_cells"]

_RANGE = re.compile(r"(\d{3,5})\s*-+\s*(\d{3,5})|(\d{3,5})")
_MARKS = "*+ "
_STATED = re.compile(
    r"\borigin(?:ating|s)?\b[^\d]{0,30}?(\d{3})(?:\d\d)?(?:\s*-+\s*(\d{3})(?:\d\d)?)?(?![\d-])",
    re.IGNORECASE,
)
_FEDEX_PART = re.compile(
    r"(?:Alaska|Hawaii)\s*(?:,|&|/|and)\s*(?:Hawaii|Alaska|Puerto)", re.IGNORECASE
)
_UNREAD = re.compile(r"(?<![\w.-])\d{3,5}\s*-\s*\d{3,5}(?![\w-])|(?<![\w.-])\d{5}(?![\w-])")
"""A destination that no zone was read for; telephone numbers have more parts."""
_LEFT_ZONE = re.compile(r"(?<![\w.,-])\d{1,3}(?![\w.,-])")
_AWAY = frozenset({"967", "968", "995", "996", "997", "998", "999"})
"""ZIP3s of Hawaii and Alaska."""
_ONE_ZONE = re.compile(r"(\d{5})(?:\s*-\s*(\d{5}))?\s+(\d{1,3}|NA|\*)(?![\d-])")
_TWO_ZONES = re.compile(r"(\d{5})(?:\s*-\s*(\d{5}))?\s+(\d{1,3}|NA|\*)\s+(\d{1,3}|NA|\*)(?![\d-])")
_GROUND = ("Ground", "Home Delivery", "Ground Economy")
_EXPRESS = (
    "Express Saver",
    "2Day",
    "2Day A.M.",
    "Standard Overnight",
    "Priority Overnight",
    "First Overnight",
)


@dataclass(frozen=True)
class ChartCell:
    """One zone of a chart, and what it is for."""

    row: int
    text: str
    """The destination as a ZIP3, a ZIP, or a range of them."""
    zone: str
    services: tuple[str, ...] = ()
    """Names of services; empty: all of the carrier's."""
    stated: bool = False
    """Whether the file itself names the services."""
    destinations: tuple[str, ...] = ()
    """The destinations, where they are not what `text` says."""


def origins_named(sheet: Sheet) -> list[str]:
    """Return the origin ZIP3s that the name of a file or sheet is: "277", "43000-43299"."""
    for name in (sheet.title, sheet.file.rsplit(".", 1)[0]):
        found = re.fullmatch(r"\D*?(\d{3})(?:\d\d)?(?:-(\d{3})(?:\d\d)?)?\D*", name)
        if found:
            return [f"{n:03}" for n in range(int(found[1]), int(found[2] or found[1]) + 1)]
    return []


def origins_stated(sheet: Sheet) -> list[str]:
    """Return the origin ZIP3s that a line of the file names: "Origin ZIP 43000-43299"."""
    for row in sheet.rows[:20]:
        found = _STATED.search(" ".join(cell for cell in row if cell))
        if found:
            return [f"{n:03}" for n in range(int(found[1]), int(found[2] or found[1]) + 1)]
    return []


def usps_cells(sheet: Sheet) -> list[ChartCell]:
    """Return the cells of a chart of USPS, none for another file."""
    cells: list[ChartCell] = []
    pairs: list[int] = []
    several = dashed = False
    for row, line in enumerate(sheet.rows):
        keys = [heading_key(cell) for cell in line]
        named = [
            k
            for k in range(len(keys) - 1)
            if keys[k] in {"zip code", "zip codes"} and keys[k + 1] in {"zone", "zones"}
        ]
        if named:
            pairs, several = named, several or len(named) > 1
            beside = {k: keys[k + 2] if k + 2 < len(keys) else "" for k in named}
            continue
        for k in pairs:
            text, zone = sheet.cell(row, k), sheet.cell(row, k + 1)
            if not text and not zone:
                continue
            dashed = dashed or "---" in text
            only = (
                sheet.cell(row, k + 2)
                if re.search(r"service|specific", beside[k]) is not None
                else ""
            )
            cells.append(
                ChartCell(
                    row,
                    re.sub(r"\s*-+\s*", "-", text),
                    zone.rstrip(_MARKS),
                    (only,) if only else (),
                    stated=bool(only),
                )
            )
    return cells if several or dashed else []


def fedex_cells(sheet: Sheet) -> list[ChartCell]:
    """Return the cells of a zone file of FedEx, none for another file.

    Raises
    ------
    RateCardError
        A destination has no zone that can be read, or it is not clear which column is Ground's.
    """
    lines = [" ".join(cell for cell in row if cell) for row in sheet.rows]
    whole = "\n".join(lines)
    if not re.search("fedex", whole, re.IGNORECASE) or "Contiguous" not in whole:
        return []
    start, split = whole.index("Contiguous"), _FEDEX_PART.search(whole)
    end = split.start() if split else len(whole)
    parts = [_FedExPart(sheet, whole[start:end], whole.count("\n", 0, start))]
    if split:
        parts.append(_FedExPart(sheet, whole[end:], whole.count("\n", 0, end), far=True))
    return [cell for part in parts for cell in part.cells()]


@dataclass(frozen=True)
class _FedExPart:
    """A part of a zone file: the contiguous states, or Alaska, Hawaii and Puerto Rico."""

    sheet: Sheet
    text: str
    above: int
    """How many lines of the file are above it."""
    far: bool = False

    def cells(self) -> Iterator[ChartCell]:
        """Yield the zones of the part."""
        columns = self._columns()
        kind = _ONE_ZONE if len(columns) == 1 else _TWO_ZONES
        rest = list(self.text)
        for found in kind.finditer(self.text):
            rest[found.start() : found.end()] = " " * (found.end() - found.start())
            row = self._row(found.start())
            ends = _ends(found[1], found[2] or found[1])
            away = next((end for end in ends if not self.far and end[:3] in _AWAY), None)
            for zone, services in zip(found.groups()[2:], columns, strict=True):
                if zone in {"NA", "*"}:
                    continue
                if away:
                    raise self.sheet.error(
                        f"{away} is not in the contiguous states, and no line above it begins the "
                        "part of Alaska, Hawaii and Puerto Rico.",
                        fix="Give the file as published.",
                        row=row,
                    )
                yield ChartCell(row, found[0], zone, services, destinations=ends)
        self._refuse_rest("".join(rest))

    def _columns(self) -> list[tuple[str, ...]]:
        """Return the services of each column of zones, in the order of the headings."""
        first = _ONE_ZONE.search(self.text)
        heading = self.text[: first.start() if first else 0]
        named: dict[tuple[str, ...], int] = {
            services: found.start()
            for word, services in (("Express", _EXPRESS), ("Ground", _GROUND))
            if (found := re.search(rf"\b{word}\b", heading, re.IGNORECASE))
        }
        if len(named) == 2:
            return sorted(named, key=lambda services: named[services])
        return [_EXPRESS, _GROUND] if self.far else [(*_GROUND, *_EXPRESS)]

    def _refuse_rest(self, rest: str) -> None:
        """Raise RateCardError where a destination, or a second zone, was not read."""
        at = 0
        for line, own in zip(rest.split("\n"), self.text.split("\n"), strict=True):
            unread = _UNREAD.search(line) or (line != own and _LEFT_ZONE.search(line))
            if unread and not re.search("origin", own, re.IGNORECASE):
                raise self.sheet.error(
                    f"{own!r} is not read: {unread[0].strip()!r} has no zone, or more than one.",
                    fix="Give the file as published, or a table of destinations and zones.",
                    row=self._row(at),
                )
            at += len(line) + 1

    def _row(self, place: int) -> int:
        return self.above + self.text.count("\n", 0, place)


def _ends(first: str, last: str) -> tuple[str, ...]:
    """Return a range of ZIPs as ZIP3s where it has all of one, and as ZIPs elsewhere."""
    ends: list[str] = []
    at, end = int(first), int(last)
    while at <= end:
        if at % 100 == 0 and at + 99 <= end:
            ends.append(f"{at // 100:03}")
            at += 100
        else:
            ends.append(f"{at:05}")
            at += 1
    return tuple(ends)
