"""Zone files into a zone chart: the layout of UPS's files by origin ZIP3, and plain tables.

UPS's layout (as its public zone files have it): some lines of preamble, one of which says "For
shipments originating in ZIP Codes 902-01 to 902-99", a line of headings that begins with "Dest.
ZIP", a line for each ZIP3 or range of them with three-digit zones or ``-``, and a footer with
5-digit ZIPs of Alaska and Hawaii under the zones that hold for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from shipkit.carriers.easypost.catalog import SERVICES as SOLD_BY_EASYPOST
from shipkit.carriers.ratecard import CARD_SERVICES, ZONES
from shipkit.carriers.ratecard.carrier_charts import (
    fedex_cells,
    origins_named,
    origins_stated,
    usps_cells,
)
from shipkit.carriers.ratecard.sheets import Sheet, heading_key
from shipkit.common.places import zip3_states
from shipkit.common.words import listed
from shipkit.errors import RateCardError

__all__ = [
    "ANY",
    "CarrierNames",
    "ZoneLine",
    "chart_of",
    "complete",
    "read_zones",
    "service_named",
    "zone_name",
]

ANY = "*"
"""The service of a chart that has one zone for all."""

_ORIGINS = re.compile(
    r"originating in ZIP Codes?\s*(\d{3})\d*(?:-\d+)?(?:\s*(?:to|through|thru|-)\s*(\d{3}))?",
    re.IGNORECASE,
)
_ENDS = re.compile(r"^(\d{1,5})(?:\s*(?:-|to|through)\s*(\d{1,5}))?$")
_ZONE = re.compile(
    r"^(?:zone\s*)?([0-9]{1,3}|[A-Za-z][A-Za-z0-9]{0,3})(?:\s*[\[(]\d[\])]|\s*\*+)?$", re.IGNORECASE
)
_NONE = {"-", "--", "—", "–", "n/a", "na"}
_DESTINATION = {
    "dest",
    "dest zip",
    "destination",
    "destination zip",
    "dest zip code",
    "destination zip code",
    "dest zip3",
    "destination zip3",
    "to",
    "to zip",
    "zip",
    "zip code",
    "zip3",
    "zips",
    "prefix",
    "postal code",
    "dest postal code",
    "destination postal code",
    "dest country",
    "destination country",
    "country",
    "ship to zip",
}
_ORIGIN = {
    "origin",
    "origin zip",
    "origin zip3",
    "origin zip code",
    "from",
    "from zip",
    "ship from zip",
    "origin country",
    "origin postal code",
}


@dataclass(frozen=True)
class ZoneLine:
    """One answer of a zone file, and where it is written."""

    origin: str
    destination: str
    service: str
    zone: str
    sheet: Sheet
    row: int


class CarrierNames(dict[str, str]):
    """The files' own names for services, and the carrier whose services the files name."""

    def __init__(self, names: Mapping[str, str], carrier: str) -> None:
        super().__init__(names)
        self.carrier = carrier


def zone_name(text: str) -> str:
    """Return a zone without leading zeros and the word: "008", "Zone 8" and "8" are the same."""
    found = _ZONE.match(text.strip())
    name = found[1].upper() if found else text.strip()
    return name.lstrip("0") or "0" if name.isdigit() else name


def service_named(text: str, services: Mapping[str, str]) -> str | None:
    """Return the service that a heading names, by the person's own names first."""
    own = {heading_key(name): value for name, value in services.items()}.get(heading_key(text))
    carrier = services.carrier if isinstance(services, CarrierNames) else "ups"
    if own or carrier == "ups":
        return CARD_SERVICES.parse(own or text)
    # "Ground" in a file of FedEx is FedEx's, and "2nd Day Air" in one of USPS is nothing.
    found = CARD_SERVICES.parse(f"{carrier}:{text}") or SOLD_BY_EASYPOST.parse(text)
    return found if found and found.startswith(f"{carrier}:") else None


def read_zones(
    sheets: Sequence[Sheet], services: Mapping[str, str], origin: str | None
) -> list[ZoneLine]:
    """Return the lines of all zone files, ranges written out.

    Raises
    ------
    RateCardError
        A cell cannot be read, a heading is unknown, or two lines say something else about one
        destination.
    """
    lines = [
        line
        for sheet in sheets
        for line in (
            _of_ups(sheet, services, origin)
            if _preamble(sheet)
            else _of_chart(sheet, services, origin) or list(_of_table(sheet, services, origin))
        )
    ]
    if not lines:
        raise RateCardError(
            "The zone files have no zones.", fix="Give a line for each destination, with its zone."
        )
    _refuse_overlaps(lines)
    return lines


def chart_of(lines: Sequence[ZoneLine]) -> pa.Table:
    """Return the chart (:data:`ZONES`)."""
    columns = zip(*((n.origin, n.destination, n.service, n.zone) for n in lines), strict=True)
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=ZONES)


def complete(lines: Sequence[ZoneLine]) -> None:
    """Raise RateCardError when a chart leaves out ZIP prefixes of the contiguous states."""
    away = {"AK", "HI", "PR", "VI", "GU", "AS", "MP", "AA", "AE", "AP"}
    wanted = {prefix for prefix, states in zip3_states().items() if not set(states.split()) <= away}
    for origin in sorted({n.origin for n in lines if n.origin.isdigit()}):
        missing = sorted(wanted - {n.destination[:3] for n in lines if n.origin == origin})
        if missing:
            raise RateCardError(
                f"The zone chart of {origin} has no zone for {len(missing)} ZIP prefixes: "
                f"{_listed(missing)}.",
                fix="Add lines for them, or read the files without complete=True.",
            )


def _demand_origin(sheet: Sheet, named: Sequence[str], origin: str | None) -> None:
    """Raise RateCardError where a file is of another place than the one that was given."""
    if origin and named and origin[:3] not in named:
        of = named[0] if len(named) == 1 else f"{named[0]} to {named[-1]}"
        raise sheet.error(
            f"the file is for shipments from {of}, and origin={origin!r} was given.",
            fix="Give the file of your own ZIP, or leave origin out.",
        )


# -- UPS's layout ----------------------------------------------------------------------------------


def _preamble(sheet: Sheet) -> tuple[str, ...]:
    """Return the origins (ZIP3) that the lines above the headings name."""
    for row in sheet.rows[:20]:
        found = _ORIGINS.search(" ".join(row))
        if found:
            return tuple(f"{n:03}" for n in range(int(found[1]), int(found[2] or found[1]) + 1))
    return ()


def _of_ups(sheet: Sheet, services: Mapping[str, str], origin: str | None) -> Iterator[ZoneLine]:
    origins = _preamble(sheet)
    _demand_origin(sheet, origins, origin)
    head = next(
        (k for k, row in enumerate(sheet.rows) if row and heading_key(row[0]).startswith("dest")),
        None,
    )
    if head is None:
        raise sheet.error(
            'there is no line of headings that begins with "Dest. ZIP".',
            fix="Give the file as the carrier publishes it.",
        )
    columns = {
        k: _service(sheet, head, k, services)
        for k, text in enumerate(sheet.rows[head])
        if k and text
    }
    below: list[int] = []
    for row in range(head + 1, len(sheet.rows)):
        first, answers = sheet.cell(row, 0), [sheet.cell(row, k) for k in columns]
        if (
            _ENDS.match(first)
            and any(answers)
            and not any(re.match(r"\d{5}", answer) for answer in answers)
        ):
            yield from _line(sheet, row, origins, _range(sheet, row, 0, first), columns)
        elif (
            len(first) < 12
            and any(map(str.isdigit, first))
            and all(answer in _NONE or _ZONE.match(answer) for answer in answers)
        ):
            _range(sheet, row, 0, first)  # says what cannot be read
        else:
            below.append(row)
    yield from _footer(sheet, below, origins, services)


def _footer(
    sheet: Sheet, rows: Sequence[int], origins: Sequence[str], services: Mapping[str, str]
) -> Iterator[ZoneLine]:
    """Yield the rows of 5-digit ZIPs below the chart.

    They belong to the zones that were named last above them.
    """
    zones: dict[str, str] = {}
    used = True
    for row in rows:
        cells = [cell for cell in sheet.rows[row] if cell]
        zips = [code for cell in cells for code in re.split(r"[,;\s]+", cell) if code]
        if zips and all(re.fullmatch(r"\d{5}(-\d{5})?", code) for code in zips):
            if not zones:
                raise sheet.error(
                    "these ZIPs are not under a zone.",
                    fix='Name the zones above them, as in "Ground 044".',
                    row=row,
                )
            used = True
            for code in zips:
                for destination in _range(sheet, row, None, code):
                    for origin in origins:
                        yield from (
                            ZoneLine(origin, destination, service, zone, sheet, row)
                            for service, zone in zones.items()
                        )
        elif named := _zones_named(" ".join(cells), services):
            zones, used = ({} if used else zones) | named, False


def _zones_named(text: str, services: Mapping[str, str]) -> dict[str, str]:
    """Return service -> zone where a footer line names them ("Ground 044, Next Day Air 124")."""
    found: dict[str, str] = {}
    end = 0
    for match in re.finditer(r"(?<![\d-])\d{2,3}(?![\d-])", text):
        words = re.sub(
            r"\b(zones?|is|are|use|for|and|service)\b|[^\w .]|_",
            " ",
            text[end : match.start()],
            flags=re.IGNORECASE,
        ).split()
        end = match.end()
        service = next(
            (
                name
                for k in range(max(0, len(words) - 5), len(words))
                if (name := service_named(" ".join(words[k:]), services))
            ),
            None,
        )
        if service:
            found[service] = zone_name(match[0])
    return found


# -- the layouts of USPS and FedEx -----------------------------------------------------------------


def _of_chart(sheet: Sheet, services: Mapping[str, str], origin: str | None) -> list[ZoneLine]:
    """Return the lines of a sheet in the layout of USPS or FedEx; none for another."""
    cells = usps_cells(sheet) or fedex_cells(sheet)
    if not cells:
        return []
    named, stated = origins_named(sheet), origins_stated(sheet)
    _demand_origin(sheet, stated, origin)
    if re.fullmatch(r"\d{3}|\d{5}-\d{5}", sheet.title):  # "chart 100" may name no place
        _demand_origin(sheet, named, origin)
    starts = [origin[:3]] if origin else stated or named
    if not starts:
        raise sheet.error(
            "nothing says where shipments start.",
            fix='Pass origin="277" (first three digits of your ZIP), or name the file after it.',
        )
    lines = []
    for cell in cells:
        sold = [ANY] if not cell.services else []
        for text in cell.services:
            found = service_named(text, services)
            if found is None and cell.stated:
                raise sheet.error(
                    f"{text!r} is not a known service.", fix="Correct it.", row=cell.row
                )
            sold += [found] if found else []
        if not _ZONE.match(cell.zone):
            raise sheet.error(
                f"{cell.zone!r} is not a zone.", fix="Give the file as published.", row=cell.row
            )
        ends = cell.destinations or _range(sheet, cell.row, None, cell.text)
        lines += [
            ZoneLine(start, end, service, zone_name(cell.zone), sheet, cell.row)
            for start in starts
            for end in ends
            for service in sold
        ]
    return lines


# -- plain tables ----------------------------------------------------------------------------------


def _of_table(sheet: Sheet, services: Mapping[str, str], origin: str | None) -> Iterator[ZoneLine]:
    head = next(
        (
            k
            for k, row in enumerate(sheet.rows[:30])
            if any(heading_key(cell) in _DESTINATION for cell in row)
        ),
        None,
    )
    if head is None:
        raise sheet.error(
            "no heading names the destination.",
            fix='Give a column "destination" (ZIP3, ZIP, range or country) and one "zone", or one '
            "for each service.",
        )
    keys = [heading_key(cell) for cell in sheet.rows[head]]
    start = next((k for k, key in enumerate(keys) if key in _ORIGIN), None)
    to = next(k for k, key in enumerate(keys) if key in _DESTINATION)
    own = origin or (sheet.title if re.fullmatch(r"\d{3}", sheet.title) else None)
    if start is None and own is not None and re.fullmatch(r"\d{3}", sheet.title):
        _demand_origin(sheet, [sheet.title], origin)
    if start is None and own is None:
        raise sheet.error(
            "no column says where shipments start.",
            fix='Add a column "origin", or pass origin="782" (the first three digits of your ZIP).',
            row=head,
        )
    if start is not None and own is not None:
        _demand_column_of_origin(sheet, head, start, own)
    _refuse_lost_zeros(sheet, head, to)
    service_column, zone_column = (
        keys.index(name) if name in keys else None for name in ("service", "zone")
    )
    for row in range(head + 1, len(sheet.rows)):
        if not any(sheet.rows[row]):
            continue
        origins = (
            _prefixes(_destinations(sheet, row, start)) if start is not None else [(own or "")[:3]]
        )
        if zone_column is None:
            columns = {
                k: _service(sheet, head, k, services)
                for k, key in enumerate(keys)
                if key and k not in {start, to}
            }
        else:
            columns = {
                zone_column: ANY
                if service_column is None
                else _service(sheet, row, service_column, services)
            }
        yield from _line(sheet, row, origins, _destinations(sheet, row, to), columns)


def _demand_column_of_origin(sheet: Sheet, head: int, column: int, origin: str) -> None:
    """Raise RateCardError where no line is for the origin that was given.

    Columns "From" and "To" may be the two ends of a range of destinations.
    """
    rows = [row for row in range(head + 1, len(sheet.rows)) if any(sheet.rows[row])]
    if rows and not any(origin[:3] in _prefixes(_destinations(sheet, row, column)) for row in rows):
        raise sheet.error(
            f"no line is for shipments from {origin[:3]}: the column of origins is "
            f"{sheet.cell(head, column)!r}.",
            fix="Give the file of your own ZIP. Where it is the start of a range of destinations, "
            "write the range in one column, as 005-089.",
            row=head,
            column=column,
        )


def _refuse_lost_zeros(sheet: Sheet, head: int, column: int) -> None:
    """Raise RateCardError where a destination may be a ZIP3 or a ZIP that lost its zeros.

    A spreadsheet writes 00601 as 601. Where others have four digits, ZIPs have lost theirs.
    """
    cells = {row: sheet.cell(row, column) for row in range(head + 1, len(sheet.rows))}
    short = [row for row, text in cells.items() if re.fullmatch(r"\d{1,3}", text)]
    if short and any(re.fullmatch(r"\d{4}", text) for text in cells.values()):
        text = cells[short[0]]
        raise sheet.error(
            f"{text!r} may be the prefix {text:0>3} or the ZIP {text:0>5}: ZIPs of this column "
            "have lost their zeros.",
            fix="Write the column as text, with all digits.",
            row=short[0],
            column=column,
        )


def _line(
    sheet: Sheet,
    row: int,
    origins: Sequence[str],
    destinations: Sequence[str],
    columns: Mapping[int, str],
) -> Iterator[ZoneLine]:
    for column, service in columns.items():
        text = sheet.cell(row, column)
        if text.lower() in _NONE:
            continue
        if not _ZONE.match(text):
            raise sheet.error(
                f"{text!r} is not a zone." if text else "the cell is empty.",
                fix='Write the zone, or "-" where the service is not sold.',
                row=row,
                column=column,
            )
        zone = zone_name(text)
        for origin in origins:
            yield from (
                ZoneLine(origin, destination, service, zone, sheet, row)
                for destination in destinations
            )


def _service(sheet: Sheet, row: int, column: int, services: Mapping[str, str]) -> str:
    found = service_named(sheet.cell(row, column), services)
    if found is None:
        raise sheet.error(
            f"{sheet.cell(row, column)!r} is not a known service.",
            fix=f'Name it: services={{"...": "ground"}}. Known: {", ".join(CARD_SERVICES.codes)}.',
            row=row,
            column=column,
        )
    return found


def _destinations(sheet: Sheet, row: int, column: int) -> list[str]:
    """Return the ZIP prefixes, ZIPs or countries that a cell names."""
    text = sheet.cell(row, column)
    return [
        end for part in re.split(r"\s*[,;]\s*", text) for end in _range(sheet, row, column, part)
    ]


def _range(sheet: Sheet, row: int, column: int | None, text: str) -> list[str]:
    if re.fullmatch(r"[A-Za-z]{2}", text):
        return [text.upper()]
    found = _ENDS.match(text)
    if not found:
        raise sheet.error(
            f"{text!r} is not a ZIP, a range of them, or a country."
            if text
            else "the cell is empty.",
            fix="Write it as 010, 010-089, 99501 or CA.",
            row=row,
            column=column,
        )
    first, last = found[1], found[2] or found[1]
    width = 3 if max(len(first), len(last)) <= 3 else 5
    if int(last) < int(first) or (len(first) > 3) is not (len(last) > 3):
        raise sheet.error(
            f"{text!r} is not a range.",
            fix="Write the lower end first, both with as many digits.",
            row=row,
            column=column,
        )
    return [f"{n:0{width}}" for n in range(int(first), int(last) + 1)]


def _prefixes(ends: Sequence[str]) -> list[str]:
    return sorted({end[:3] for end in ends})


def _refuse_overlaps(lines: Sequence[ZoneLine]) -> None:
    seen: dict[tuple[str, str, str], ZoneLine] = {}
    for line in lines:
        other = seen.setdefault((line.origin, line.destination, line.service), line)
        if other is not line:
            service = "" if line.service == ANY else f" by {line.service}"
            where = f"{Path(other.sheet.file).name}, line {other.row + 1}"
            raise line.sheet.error(
                f"{line.destination} from {line.origin}{service} is zone {line.zone} here and "
                + (f"zone {other.zone} in {where}." if other.zone != line.zone else f"in {where}."),
                fix="Keep one of the two lines: ranges must not overlap.",
                row=line.row,
            )


def _listed(names: Sequence[str]) -> str:
    return listed(names, 8)
