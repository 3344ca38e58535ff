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

__all__ = ["ChartCell", "fedex_cells", "origins_named", "usps_cells"]

_RANGE = re.compile(r"(\d{3,5})\s*-+\s*(\d{3,5})|(\d{3,5})")
_MARKS = "*+ "
_FEDEX_PART = re.compile(r"Alaska,\s*Hawaii", re.IGNORECASE)
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
    """Return the cells of a zone file of FedEx, none for another file."""
    lines = [" ".join(cell for cell in row if cell) for row in sheet.rows]
    whole = "\n".join(lines)
    if not re.search("fedex", whole, re.IGNORECASE) or not re.search(r"Contiguous", whole):
        return []
    split = _FEDEX_PART.search(whole)
    near, far = (whole[: split.start()], whole[split.start() :]) if split else (whole, "")
    cells = list(
        _near(near[near.index("Contiguous") :], whole.count("\n", 0, near.index("Contiguous")))
    )
    return [*cells, *_far(far, near.count("\n"))]


def _near(text: str, above: int) -> Iterator[ChartCell]:
    for found in _ONE_ZONE.finditer(text):
        if found[3] not in {"NA", "*"}:
            row = above + text.count("\n", 0, found.start())
            ends = _ends(found[1], found[2] or found[1])
            yield ChartCell(row, found[0], found[3], (*_GROUND, *_EXPRESS), destinations=ends)


def _far(text: str, above: int) -> Iterator[ChartCell]:
    for found in _TWO_ZONES.finditer(text):
        row = above + text.count("\n", 0, found.start())
        ends = _ends(found[1], found[2] or found[1])
        for zone, services in ((found[3], _EXPRESS), (found[4], _GROUND)):
            if zone not in {"NA", "*"}:
                yield ChartCell(row, found[0], zone, services, destinations=ends)


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
