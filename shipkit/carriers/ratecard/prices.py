"""Price tables, weight by zone or one price per row, and transit days.

A weight is whole pounds and holds for everything above the one before it, up to and including
itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shipkit.carriers.ratecard.sheets import Sheet, cents_of, heading_key
from shipkit.carriers.ratecard.zones import service_named, zone_name
from shipkit.errors import RateCardError

__all__ = ["Price", "ounces_written_out", "read_prices", "read_transit", "written_out"]

_WEIGHT = re.compile(r"^(?:up to\s*)?(\d+(?:\.\d+)?)\s*(?:lbs?\.?|pounds?)?$", re.IGNORECASE)
_OPEN = re.compile(
    r"^(?:over|above|more than|>)\s*(\d+)\s*(?:lbs?\.?)?$|^(\d+)\s*(?:lbs?\.?)?\s*(?:\+|and "
    r"(?:over|up|above))$|per (?:lb|pound)",
    re.IGNORECASE,
)
_OUNCES = re.compile(
    r"^(?:up to\s*|not over\s*)?(\d+(?:\.\d+)?)\s*(?:oz\.?|ounces?)$", re.IGNORECASE
)
_UNDER_A_POUND = (Decimal("15.99"), Decimal("15.999"))
"""How USPS writes "less than a pound"."""
_METRIC = re.compile(r"\b(?:kgs?|kilo(?:gram)?s?|grams?|g)\b", re.IGNORECASE)
_ENVELOPE = re.compile(r"^(?:ups\s*)?(?:express\s*)?(letter|envelope|pak)\b", re.IGNORECASE)
_HEADINGS = {
    "weight",
    "weight lb",
    "weight lbs",
    "lb",
    "lbs",
    "pounds",
    "billable weight",
    "weight up to",
    "weight not over",
    "weight not over lb",
    "weight not over lbs",
    "weight not over oz",
    "zone",
    "zones",
}
_NONE = {"-", "--", "n/a", "na"}


@dataclass(frozen=True)
class Price:
    """One price of a file and its place.

    `lb` None: a price per pound for everything heavier. `oz` is set for weights under a pound.
    """

    service: str
    zone: str
    lb: int | None
    cents: int
    sheet: Sheet
    row: int
    column: int
    oz: int | None = None


def read_prices(
    sheets: Sequence[tuple[Sheet, str | None]], services: Mapping[str, str], currency: str
) -> list[Price]:
    """Return the prices of all files; each sheet comes with its service, where that is given.

    Raises
    ------
    RateCardError
        A cell cannot be read, a weight has two prices, or no service is named.
    """
    prices = [
        price
        for sheet, service in sheets
        for price in _of_sheet(sheet, service, services, currency, alone=len(sheets) == 1)
    ]
    if not prices:
        raise RateCardError(
            "The rate files have no prices.",
            fix="Give a table of weights by zones, or lines with service, zone, lb and price.",
        )
    seen: dict[tuple[str, str, int | None, int | None], Price] = {}
    for price in prices:
        other = seen.setdefault((price.service, price.zone, price.lb, price.oz), price)
        if other is not price:
            weight = "a pound" if price.lb is None else f"at {price.lb} lb"
            weight = weight if price.oz is None else f"at {price.oz} oz"
            raise price.sheet.error(
                f"{price.service} in zone {price.zone} {weight} has a price already "
                f"({other.sheet.file}, line {other.row + 1}).",
                fix="Keep one.",
                row=price.row,
                column=price.column,
            )
    return prices


def written_out(prices: Sequence[Price], *, breaks: bool) -> list[tuple[str, str, int, int, int]]:
    """Return a row of :data:`shipkit.carriers.ratecard.RATES` for each pound.

    Parameters
    ----------
    breaks
        Whether a weight that is not in the table costs what the next heavier one does; otherwise a
        gap is an error.
    """
    groups: dict[tuple[str, str], list[Price]] = {}
    for price in prices:
        if price.oz is not None:
            continue
        groups.setdefault((price.service, price.zone), []).append(price)
    last = max((p.lb for p in prices if p.lb is not None), default=0)
    rows = []
    for (service, zone), group in groups.items():
        steps = sorted((p for p in group if p.lb is not None), key=lambda p: p.lb or 0)
        below = 0 if breaks else (steps[0].lb or 1) - 1 if steps else 0
        for step in steps:
            lb = step.lb or 0
            if lb > below + 1 and not breaks:
                missing = f"{below + 1} lb" if lb == below + 2 else f"{below + 1} to {lb - 1} lb"
                raise step.sheet.error(
                    f"{service} in zone {zone} has no price for {missing}.",
                    row=step.row,
                    column=step.column,
                    fix="Add the weights, or pass breaks=True when a price holds for all weights "
                    "up to its own.",
                )
            rows += [(service, zone, n, step.cents, 0) for n in range(below + 1, lb + 1)]
            below = lb
        rows += [
            (service, zone, n, 0, p.cents)
            for p in group
            if p.lb is None
            for n in range(below + 1, last + 2)
        ]
    return rows


def ounces_written_out(prices: Sequence[Price]) -> list[tuple[str, str, int, int]]:
    """Return a row of :data:`shipkit.carriers.ratecard.OUNCES` for each ounce.

    A price holds for everything above the lighter one, up to and including its own weight.
    """
    groups: dict[tuple[str, str], list[Price]] = {}
    for price in prices:
        if price.oz is not None:
            groups.setdefault((price.service, price.zone), []).append(price)
    rows = []
    for (service, zone), group in groups.items():
        below = 0
        for step in sorted(group, key=lambda p: p.oz or 0):
            rows += [(service, zone, n, step.cents) for n in range(below + 1, (step.oz or 0) + 1)]
            below = step.oz or 0
    return rows


def read_transit(
    sheets: Sequence[Sheet], services: Mapping[str, str]
) -> list[tuple[str, str, int]]:
    """Return (service, zone, business days) of files with these three columns."""
    rows = []
    for sheet in sheets:
        head, at = _columns(sheet, ("service", "zone", "days"))
        for row in range(head + 1, len(sheet.rows)):
            if not any(sheet.rows[row]):
                continue
            service, days = (
                service_named(sheet.cell(row, at["service"]), services),
                sheet.cell(row, at["days"]),
            )
            if service is None or not days.isdigit():
                bad = at["days"] if service else at["service"]
                raise sheet.error(
                    f"{sheet.cell(row, bad)!r} cannot be read.",
                    fix="Give a known service, and whole business days.",
                    row=row,
                    column=bad,
                )
            rows.append((service, zone_name(sheet.cell(row, at["zone"])), int(days)))
    return rows


def _of_sheet(
    sheet: Sheet, service: str | None, services: Mapping[str, str], currency: str, *, alone: bool
) -> Iterator[Price]:
    keys = [[heading_key(cell) for cell in row] for row in sheet.rows[:30]]
    head = next(
        (
            k
            for k, row in enumerate(keys)
            if "zone" in row and {"price", "rate", "amount", "per lb", "price per lb"} & set(row)
        ),
        None,
    )
    if head is not None:
        yield from _of_lines(sheet, head, service, services, currency)
        return
    head = _zone_heading(sheet)
    titled = (
        service
        or service_named(sheet.title, services)
        or (None if head is None else _title(sheet, head, services))
    )
    column = (
        None
        if head is None
        else next(
            (k for k, cell in enumerate(sheet.rows[head]) if heading_key(cell) == "service"), None
        )
    )
    if head is None or (titled is None and column is None):
        if not alone and service is None and sheet.named:
            return  # a workbook's page of explanations
        if head is None:
            raise sheet.error(
                "no line of zones with prices below was found.",
                fix='Give a table: weights down, zones across; or lines with "service", "zone", '
                '"lb", "price".',
            )
        raise sheet.error(
            "nothing says which service these prices are of.",
            fix='Pass rates={"ground": "..."}, name the sheet after the service, or add a column '
            '"service".',
        )
    yield from _of_matrix(sheet, head, titled, column, services, currency)


def _of_matrix(
    sheet: Sheet,
    head: int,
    service: str | None,
    service_column: int | None,
    services: Mapping[str, str],
    currency: str,
) -> Iterator[Price]:
    weight_column = next(
        (
            k
            for k, cell in enumerate(sheet.rows[head])
            if k != service_column and heading_key(cell) in _HEADINGS
        ),
        0,
    )
    if (head >= 0) and _METRIC.search(sheet.cell(head, weight_column)):
        raise sheet.error(
            f"{sheet.cell(head, weight_column)!r} is not in pounds.",
            fix="Give the prices by whole pounds.",
            row=head,
            column=weight_column,
        )
    by_ounces = heading_key(sheet.cell(head, weight_column)).endswith(" oz")
    zones = {
        k: zone_name(cell)
        for k, cell in enumerate(sheet.rows[head])
        if k not in {weight_column, service_column} and cell
    }
    for row in range(head + 1, len(sheet.rows)):
        text = sheet.cell(row, weight_column)
        if not any(sheet.cell(row, k) for k in zones) or _ENVELOPE.match(text):
            continue
        lb, oz = _weight(sheet, row, weight_column, by_ounces=by_ounces)
        sold = (
            _service(sheet, row, service_column, services)
            if service_column is not None
            else service
        )
        for column, zone in zones.items():
            if sheet.cell(row, column).lower() not in _NONE:
                cents = _cents(sheet, row, column, currency)
                yield Price(sold or "", zone, lb, cents, sheet, row, column, oz)


def _of_lines(
    sheet: Sheet, head: int, service: str | None, services: Mapping[str, str], currency: str
) -> Iterator[Price]:
    keys = [heading_key(cell) for cell in sheet.rows[head]]
    at = {
        name: next((k for k, key in enumerate(keys) if key in known), None)
        for name, known in {
            "service": {"service"},
            "zone": {"zone"},
            "lb": _HEADINGS - {"zone", "zones"},
            "price": {"price", "rate", "amount"},
            "per lb": {"per lb", "price per lb"},
        }.items()
    }
    for row in range(head + 1, len(sheet.rows)):
        if not any(sheet.rows[row]):
            continue
        sold = service or (
            _service(sheet, row, at["service"], services)
            if at["service"] is not None
            else service_named(sheet.title, services)
        )
        if sold is None:
            raise sheet.error(
                "nothing says which service these prices are of.",
                fix='Add a column "service", or pass rates={"ground": "..."}.',
                row=head,
            )
        zone = zone_name(sheet.cell(row, at["zone"] or 0))
        if _by_the_pound(sheet, row, at, currency):
            yield Price(
                sold,
                zone,
                None,
                _cents(sheet, row, at["per lb"] or 0, currency),
                sheet,
                row,
                at["per lb"] or 0,
            )
            continue
        if at["lb"] is None or at["price"] is None:
            raise sheet.error(
                "a column is missing.", fix='Give "service", "zone", "lb" and "price".', row=head
            )
        lb, oz = _weight(sheet, row, at["lb"])
        cents = _cents(sheet, row, at["price"], currency)
        yield Price(sold, zone, lb, cents, sheet, row, at["price"], oz)


def _by_the_pound(sheet: Sheet, row: int, at: Mapping[str, int | None], currency: str) -> bool:
    """Return whether a line has a price per pound; 0 next to a price is none."""
    text = sheet.cell(row, at["per lb"]) if at["per lb"] is not None else ""
    priced = at["price"] is not None and bool(sheet.cell(row, at["price"]))
    return bool(text) and not (priced and (text.lower() in _NONE or cents_of(text, currency) == 0))


def _zone_heading(sheet: Sheet) -> int | None:
    """Return the row of zones.

    It is the first row that has zones next to a cell that is not a weight, with a weight and a
    price below.
    """
    for k, row in enumerate(sheet.rows[:40]):
        zones = [
            n
            for n, cell in enumerate(row)
            if heading_key(cell) not in _HEADINGS
            and re.fullmatch(r"(?:zone\s*)?\d{1,3}|zone\s*\w{1,4}", cell, re.IGNORECASE)
        ]
        weight = next((n for n, cell in enumerate(row) if heading_key(cell) in _HEADINGS), 0)
        below = next((r for r in sheet.rows[k + 1 : k + 6] if any(r)), [])
        if zones and (0 not in zones) and weight < len(below) and _is_weight(below[weight]):
            return k
    return None


def _is_weight(text: str) -> bool:
    return bool(
        _WEIGHT.match(text) or _OUNCES.match(text) or _OPEN.search(text) or _ENVELOPE.match(text)
    )


def _title(sheet: Sheet, head: int, services: Mapping[str, str]) -> str | None:
    """Return the service that a line above the headings names."""
    return next(
        (
            name
            for row in sheet.rows[:head]
            for cell in row
            if cell and (name := service_named(cell, services))
        ),
        None,
    )


def _weight(
    sheet: Sheet, row: int, column: int, *, by_ounces: bool = False
) -> tuple[int | None, int | None]:
    """Return a weight in pounds and, under a pound, in ounces; no pounds: a price a pound.

    Parameters
    ----------
    by_ounces
        Whether the heading says that a weight without a unit is in ounces.
    """
    text = sheet.cell(row, column)
    if by_ounces and re.fullmatch(r"[0-9.]+", text):
        text += " oz"
    if _OPEN.search(text):
        return None, None
    if light := _OUNCES.match(text):
        ounces = Decimal(16) if Decimal(light[1]) in _UNDER_A_POUND else Decimal(light[1])
        if not ounces % 1 and 1 <= ounces <= 16 and Decimal(light[1]) != 16:
            return 0, int(ounces)
        raise sheet.error(
            f"{text!r} is not a weight in whole ounces under a pound.",
            fix="Write 4 oz, 8 oz, 12 oz, 15.999 oz, and 1, 2, 3 ... for pounds.",
            row=row,
            column=column,
        )
    found = _WEIGHT.match(text)
    if not found or Decimal(found[1]) % 1 or Decimal(found[1]) < 1:
        problem = f"{text!r} is not a weight in whole pounds." if text else "the weight is missing."
        raise sheet.error(
            problem,
            fix='Write 1, 2, 3 ... for pounds, and "151+" or "per lb" for a price a pound.',
            row=row,
            column=column,
        )
    return int(Decimal(found[1])), None


def _cents(sheet: Sheet, row: int, column: int, currency: str) -> int:
    text = sheet.cell(row, column)
    cents = cents_of(text, currency)
    if cents is None:
        problem = f"{text!r} is not an amount in {currency}." if text else "the price is missing."
        raise sheet.error(
            problem,
            fix='Write the amount, or "-" where the service is not sold.',
            row=row,
            column=column,
        )
    if cents == 0:
        raise sheet.error(
            f"{text!r} is no price: a rule such as `cheapest` would choose this service.",
            fix='Write the amount, or "-" where the service is not sold.',
            row=row,
            column=column,
        )
    return cents


def _service(sheet: Sheet, row: int, column: int, services: Mapping[str, str]) -> str:
    found = service_named(sheet.cell(row, column), services)
    if found is None:
        raise sheet.error(
            f"{sheet.cell(row, column)!r} is not a known service.",
            fix='Say which it is: services={"...": "ground"}.',
            row=row,
            column=column,
        )
    return found


def _columns(sheet: Sheet, names: Sequence[str]) -> tuple[int, dict[str, int]]:
    """Return the row of headings, and the column of each name in it."""
    for k, row in enumerate(sheet.rows[:30]):
        keys = [heading_key(cell) for cell in row]
        if all(name in keys for name in names):
            return k, {name: keys.index(name) for name in names}
    raise sheet.error(f"no line has the headings {', '.join(names)}.", fix="Add them.")
