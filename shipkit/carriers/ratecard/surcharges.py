"""Surcharges, discounts and ZIP lists from TOML or tables.

A TOML file has ``[[surcharge]]``, ``[[discount]]`` and ``[areas]``; a table has a row per rule,
with the same names as headings. Rows of one name that differ only in amount and ``since`` are one
rule, whose amount changes by date (a fuel surcharge week by week).
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Any

from shipkit.carriers.ratecard import PARTS, DimDivisor, Discount, Surcharge, ppm
from shipkit.carriers.ratecard.sheets import Sheet, cents_of, files_of, heading_key, read_sheets
from shipkit.carriers.ratecard.zones import service_named, zone_name
from shipkit.errors import RateCardError

__all__ = ["Rules", "merged", "read_area", "read_rules"]

_RULE = (
    "name",
    "part",
    "amount",
    "percent",
    "of",
    "services",
    "residential",
    "area",
    "signature",
    "saturday",
    "per_parcel",
    "over_lb",
    "over_longest_in",
    "over_second_in",
    "over_girth_in",
    "over_cubic_in",
    "zones",
    "group",
    "minimum_billable_lb",
    "declared_value",
    "free",
    "whole_value",
    "minimum",
    "since",
    "until",
)
_DISCOUNT = ("percent", "minimum", "services", "zones", "over_lb", "up_to_lb")
_DIM = ("divisor", "services", "up_to_cubic_in")
_YES, _NO = {"yes", "y", "true", "1", "x"}, {"no", "n", "false", "0"}


@dataclass
class Rules:
    """What the rule files of a card say."""

    surcharges: list[Surcharge] = field(default_factory=list)
    discounts: list[Discount] = field(default_factory=list)
    areas: dict[str, frozenset[str]] = field(default_factory=dict)
    dim_divisors: list[DimDivisor] = field(default_factory=list)


@dataclass(frozen=True)
class _Entry:
    """One rule as written, and how to complain about it."""

    values: Mapping[str, Any]
    error: Callable[[str, str], RateCardError]


def read_rules(
    given: Iterable[Any], kind: str, services: Mapping[str, str], currency: str
) -> Rules:
    """Return the rules in `given`: paths, and Surcharge or Discount objects as they are.

    Parameters
    ----------
    kind
        What a table holds: ``surcharge`` or ``discount``. A TOML file may hold both.
    """
    rules = Rules()
    for one in given:
        if isinstance(one, Surcharge):
            rules.surcharges.append(one)
        elif isinstance(one, Discount):
            rules.discounts.append(one)
        else:
            for path in files_of(one):
                _read(path, kind, services, currency, rules)
    rules.surcharges = merged(rules.surcharges)
    return rules


def read_area(path: Path) -> dict[str, frozenset[str]]:
    """Return the ZIP lists of a file: by its column "area", or one called like the file."""
    lists: dict[str, set[str]] = {}
    for sheet in read_sheets(path):
        keys = [heading_key(cell) for cell in sheet.rows[0]] if sheet.rows else []
        named = keys.index("area") if "area" in keys else None
        at = next(
            (
                k
                for k, key in enumerate(keys)
                if key in {"zip", "zips", "zip code", "zip codes", "postal code"}
            ),
            0,
        )
        for row in range(
            0 if not keys or re.match(r"\d", sheet.cell(0, at)) else 1, len(sheet.rows)
        ):
            if any(sheet.rows[row]):
                name = path.stem if named is None else sheet.cell(row, named)
                lists.setdefault(name, set()).update(
                    _zips(sheet.cell(row, at), partial(_no_zip, sheet, row, at))
                )
    return {name: frozenset(zips) for name, zips in lists.items()}


def _no_zip(sheet: Sheet, row: int, column: int, problem: str) -> RateCardError:
    return sheet.error(problem, fix="Write 5-digit ZIPs or ranges of them.", row=row, column=column)


def merged(rules: Sequence[Surcharge]) -> list[Surcharge]:
    """Return `rules`, those that differ only in amount and first day made one rule with steps.

    Raises
    ------
    RateCardError
        Two rules of one name differ in something else, or start on one day.
    """
    groups: dict[str, list[Surcharge]] = {}
    for rule in rules:
        groups.setdefault(rule.name, []).append(rule)
    return [group[0] if len(group) == 1 else _stepped(group) for group in groups.values()]


def _stepped(group: Sequence[Surcharge]) -> Surcharge:
    group = sorted(group, key=lambda rule: rule.since or dt.date.min)
    first = group[0]
    if len({rule.since for rule in group}) < len(group):
        raise RateCardError(
            f"Surcharge {first.name!r} has two amounts from {first.since or 'the beginning'} on.",
            fix="Give each line of one name a different since.",
        )
    for rule in group[1:]:
        if replace(rule, cents=first.cents, percent=first.percent, since=first.since) != first or (
            rule.percent is None
        ) is not (first.percent is None):
            raise RateCardError(
                f"Surcharge {first.name!r} is in it twice with different rules.",
                fix="Give each rule a name of its own; lines of one name may differ in amount and "
                "since only.",
            )
    steps = [
        (rule.since, Decimal(rule.cents) if rule.percent is None else rule.percent)
        for rule in group[1:]
    ]
    return replace(first, steps=tuple((day, amount) for day, amount in steps if day is not None))


def _read(path: Path, kind: str, services: Mapping[str, str], currency: str, rules: Rules) -> None:
    if path.suffix.lower() == ".toml":
        _read_toml(path, services, currency, rules)
        return
    for sheet in read_sheets(path):
        for entry in _lines(sheet, _RULE if kind == "surcharge" else _DISCOUNT):
            if kind == "surcharge":
                rules.surcharges.append(_surcharge(entry, services, currency))
            else:
                rules.discounts.append(_discount(entry, services, currency))


def _read_toml(path: Path, services: Mapping[str, str], currency: str, rules: Rules) -> None:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RateCardError(
            f"{path.name} cannot be read as TOML: {error}.",
            fix="Correct it; texts are in quotes.",
        ) from None
    if unknown := set(data) - {"surcharge", "discount", "dim", "areas"}:
        raise RateCardError(
            f"{path.name}: {min(unknown)!r} is not known.",
            fix="A file has [[surcharge]], [[discount]], [[dim]] and [areas].",
        )
    for name, zips in data.get("areas", {}).items():
        if isinstance(zips, str):
            lists = read_area(files_of(path.parent / zips)[0])
            rules.areas[name] = lists[name] if name in lists else frozenset().union(*lists.values())
        else:
            rules.areas[name] = frozenset(
                code
                for text in zips
                for code in _zips(
                    str(text),
                    lambda problem: RateCardError(
                        f"{path.name}, area {name!r}: {problem}",  # noqa: B023 - called at once
                        fix="Write 5-digit ZIPs or ranges of them.",
                    ),
                )
            )
    for place, values in enumerate(data.get("surcharge", []), start=1):
        _known(path.name, f"surcharge {place}", values, _RULE)
        rules.surcharges.append(
            _surcharge(
                _Entry(values, _complaint(path.name, f"surcharge {values.get('name', place)!r}")),
                services,
                currency,
            )
        )
    for place, values in enumerate(data.get("discount", []), start=1):
        _known(path.name, f"discount {place}", values, _DISCOUNT)
        rules.discounts.append(
            _discount(
                _Entry(values, _complaint(path.name, f"discount {place}")), services, currency
            )
        )

    for place, values in enumerate(data.get("dim", []), start=1):
        _known(path.name, f"dim {place}", values, _DIM)
        rules.dim_divisors.append(
            _dim_divisor(_Entry(values, _complaint(path.name, f"dim {place}")), services)
        )


def _complaint(file: str, place: str) -> Callable[[str, str], RateCardError]:
    return lambda message, fix: RateCardError(f"{file}, {place}: {message}", fix=fix)


def _known(file: str, place: str, values: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise RateCardError(
                f"{file}, {place}: {name!r} is not known.",
                fix=f"{f'Did you mean {near[0]!r}? ' if near else ''}Known: {', '.join(names)}.",
            )


def _lines(sheet: Sheet, names: Sequence[str]) -> Iterator[_Entry]:
    keys = [heading_key(cell).replace(" ", "_") for cell in (sheet.rows[0] if sheet.rows else [])]
    keys = ["services" if key == "service" else key for key in keys]
    for column, key in enumerate(keys):
        if key and key not in names:
            near = difflib.get_close_matches(key, names, 1)
            raise sheet.error(
                f"the heading {sheet.cell(0, column)!r} is not known.",
                fix=f"{f'Did you mean {near[0]!r}? ' if near else ''}Known: {', '.join(names)}.",
                row=0,
                column=column,
            )
    for row in range(1, len(sheet.rows)):
        values = {
            key: sheet.cell(row, column)
            for column, key in enumerate(keys)
            if key and sheet.cell(row, column)
        }
        if values:
            yield _Entry(values, _error_at(sheet, row))


def _error_at(sheet: Sheet, row: int) -> Callable[[str, str], RateCardError]:
    return lambda message, fix: sheet.error(message, fix=fix, row=row)


def _surcharge(entry: _Entry, services: Mapping[str, str], currency: str) -> Surcharge:
    values = entry.values
    name = str(values.get("name", "")).strip()
    if not name:
        raise entry.error(
            "the surcharge has no name.", "Name it: its amounts are a column of that name."
        )
    if ("amount" in values) is ("percent" in values):
        raise entry.error(
            f"{name!r} needs an amount or a percent, one of the two.",
            'Write amount = "5.65", or percent = "15.25" with of.',
        )
    percent = _percent(entry, "percent") if "percent" in values else None
    if percent is not None and not _words(values.get("of")):
        raise entry.error(
            f"{name!r} does not say percent of what.",
            f"Write of, with parts ({', '.join(PARTS)}) or names of earlier surcharges.",
        )
    sizes: dict[str, Any] = {
        key: _whole(entry, key)
        for key in (
            "over_lb",
            "over_longest_in",
            "over_second_in",
            "over_girth_in",
            "over_cubic_in",
            "minimum_billable_lb",
        )
    }
    given: dict[str, Any] = {
        "cents": _cents(entry, "amount", currency) if percent is None else 0,
        "services": _services(entry, services),
        "residential": _flag(entry, "residential"),
        "zones": _zones(entry),
        "saturday": bool(_flag(entry, "saturday")),
        "per_parcel": bool(_flag(entry, "per_parcel")),
        "declared_value": bool(_flag(entry, "declared_value")),
        "whole_value": bool(_flag(entry, "whole_value")),
        "free_cents": _cents(entry, "free", currency),
        "minimum_cents": _cents(entry, "minimum", currency),
        "since": _date(entry, "since"),
        "until": _date(entry, "until"),
    }
    try:
        return Surcharge(
            name,
            str(values.get("part", _part_of(name))).strip().replace(" ", "_"),
            percent=percent,
            of=_words(values.get("of")),
            area=values.get("area"),
            signature=_words(values.get("signature")),
            group=str(values["group"]).strip() if values.get("group") else None,
            **given,
            **sizes,
        )
    except RateCardError as error:
        raise entry.error(error.message, error.fix or "") from None


def _discount(entry: _Entry, services: Mapping[str, str], currency: str) -> Discount:
    if "percent" not in entry.values:
        raise entry.error("the discount has no percent.", 'Write percent = "42.5".')
    percent = _percent(entry, "percent")
    if percent > 100:
        raise entry.error(
            f"a discount of {percent} % leaves less than nothing.", "Write 42.5 for 42.5 %."
        )
    return Discount(
        percent,
        _cents(entry, "minimum", currency),
        _services(entry, services),
        _zones(entry),
        _whole(entry, "over_lb"),
        _whole(entry, "up_to_lb"),
    )


def _dim_divisor(entry: _Entry, services: Mapping[str, str]) -> DimDivisor:
    divisor = _whole(entry, "divisor")
    if divisor is None:
        raise entry.error("there is no divisor.", "Write divisor = 166, or 0 for no size.")
    return DimDivisor(divisor, _services(entry, services), _whole(entry, "up_to_cubic_in"))


def _zones(entry: _Entry) -> tuple[str, ...]:
    """Return the zones of a rule: names, and ranges of numbers such as "5-8"."""
    names: list[str] = []
    for text in _words(entry.values.get("zones")):
        ends = re.fullmatch(r"(\d{1,3})\s*-\s*(\d{1,3})", text)
        if ends and int(ends[1]) <= int(ends[2]):
            names += [str(n) for n in range(int(ends[1]), int(ends[2]) + 1)]
        elif re.fullmatch(r"[A-Za-z0-9]{1,4}", text):
            names.append(zone_name(text))
        else:
            raise entry.error(f"zones {text!r} cannot be read.", 'Write zones = ["2", "5-8"].')
    return tuple(dict.fromkeys(names))


def _part_of(name: str) -> str:
    """Return the part of a quote that a surcharge belongs to by its name."""
    lower = name.lower()
    if "fuel" in lower:
        return "fuel"
    if "area" in lower or "das" in lower.split("_"):
        return "delivery_area"
    return "residential" if "residential" in lower else "other"


def _percent(entry: _Entry, key: str) -> Decimal:
    text = str(entry.values[key]).replace("%", "").strip()
    try:
        percent = Decimal(text)
        ppm(percent)
    except (InvalidOperation, ValueError, OverflowError):
        raise entry.error(
            f"{key} {entry.values[key]!r} is not a number.", 'Write it as "15.25".'
        ) from None
    except RateCardError as error:
        raise entry.error(error.message, error.fix or "") from None
    if not 0 <= percent <= 1000:
        raise entry.error(f"{key} {text} is out of reach.", "Write 15.25 for 15.25 %.")
    if 0 < percent < 1 and "%" not in str(entry.values[key]):
        # A spreadsheet holds 42.5 % as 0.425.
        raise entry.error(
            f"{key} {text} is less than one percent.",
            f"Write {percent * 100:f} if it is {percent * 100:f} %, or {text}% with its sign.",
        )
    return percent


def _cents(entry: _Entry, key: str, currency: str) -> int:
    if key not in entry.values:
        return 0
    cents = cents_of(str(entry.values[key]), currency)
    if cents is None:
        raise entry.error(
            f"{key} {str(entry.values[key])!r} is not an amount in {currency}.",
            'Write it as "5.65".',
        )
    return cents


def _whole(entry: _Entry, key: str) -> int | None:
    if key not in entry.values:
        return None
    text = str(entry.values[key])
    if not text.isdigit():
        raise entry.error(
            f"{key} {text!r} is not a whole number.",
            "Parcels are measured in whole pounds and inches; write 48 (without a separator).",
        )
    return int(text)


def _flag(entry: _Entry, key: str) -> bool | None:
    text = str(entry.values.get(key, "")).strip().lower()
    if text and text not in _YES | _NO:
        raise entry.error(
            f"{key} {text!r} is neither yes nor no.", "Write yes, no, or leave it out."
        )
    return text in _YES if text else None


def _date(entry: _Entry, key: str) -> dt.date | None:
    value = entry.values.get(key)
    if value is None or (isinstance(value, dt.date) and not isinstance(value, dt.datetime)):
        return value
    try:
        return dt.date.fromisoformat(str(value).strip())
    except ValueError:
        raise entry.error(
            f"{key} {str(value)!r} is not a date.", "Write it as 2026-11-23."
        ) from None


def _services(entry: _Entry, services: Mapping[str, str]) -> tuple[str, ...]:
    names = []
    for text in _words(entry.values.get("services"), spaces=False):
        found = service_named(text, services)
        if found is None:
            raise entry.error(
                f"{text!r} is not a known service.", 'Say which it is: services={"...": "ground"}.'
            )
        names.append(found)
    return tuple(names)


def _words(value: Any, *, spaces: bool = True) -> tuple[str, ...]:
    """Return a list of names: a list of TOML as it is, a cell split at its separators.

    Separators are commas, semicolons, plus signs and, where asked for, blanks.
    """
    if value is None:
        return ()
    if not isinstance(value, str):
        return tuple(str(one) for one in value)
    return tuple(
        word
        for word in (part.strip() for part in re.split(r"[,;+\s]+" if spaces else r"[,;+]+", value))
        if word
    )


def _zips(text: str, error: Callable[[str], RateCardError]) -> list[str]:
    # Four digits are a ZIP that lost its zero in a spreadsheet. Three are a ZIP3 as well as "501":
    # read as a ZIP, the list would hold no address, and its surcharge never be charged.
    found = re.fullmatch(r"(\d{4,5})(?:\s*-\s*(\d{4,5}))?", text.strip())
    if not found:
        raise error(f"{text!r} is not a ZIP of five digits.")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first or last - first > 100_000:
        raise error(f"{text!r} is not a range.")
    return [f"{n:05}" for n in range(first, last + 1)]
