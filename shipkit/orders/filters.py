"""The filters of shipment templates: plain functions of a cell, usable without Jinja too.

None stays None, so that ``default_value`` can stand behind any of them. A text that a filter
cannot read is left as it is: the stage after it names the cell and the row.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any, Final

import orjson

from shipkit.common.places import place_key, state_codes, zip3_states
from shipkit.errors import TemplateError
from shipkit.models import UPS_SERVICE_CODES, ServiceLevel

__all__ = ["FILTERS", "LENGTHS", "WEIGHTS", "JsonText", "Scale", "read_date", "read_number"]

_BLANK = " \t\r\n\f"
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?", re.ASCII)
_UNIT_NAMES = {
    "lb": "lb",
    "lbs": "lb",
    "pound": "lb",
    "pounds": "lb",
    "oz": "oz",
    "ounce": "oz",
    "ounces": "oz",
    "kg": "kg",
    "kgs": "kg",
    "kilogram": "kg",
    "kilograms": "kg",
    "g": "g",
    "gram": "g",
    "grams": "g",
    "in": "in",
    "inch": "in",
    "inches": "in",
    "cm": "cm",
    "mm": "mm",
    "m": "m",
    "ft": "ft",
}


@dataclass(frozen=True)
class Scale:
    """Units of one quantity: how many of each make the first, and which of them divide on the way there."""

    units: Mapping[str, float]
    divided: tuple[str, ...]

    @cached_property
    def spellings(self) -> dict[str, str]:
        """How units are written -> unit."""
        return {
            "": next(iter(self.units)),
            **{name: unit for name, unit in _UNIT_NAMES.items() if unit in self.units},
        }

    def unit(self, name: Any) -> str | None:
        """Return the unit that `name` means, the first for none, or None."""
        return self.spellings.get(str(name or "").strip(_BLANK).lower().rstrip("."))

    def steps(self, unit: str, goal: str) -> tuple[tuple[str, float], ...]:
        """Return what turns a number in `unit` into one in `goal`: ``/`` or ``*`` and a factor, in order."""
        if unit == goal:
            return ()
        first = ("/" if unit in self.divided else "*", self.units[unit])
        return (
            (first,)
            if self.units[goal] == 1.0
            else (first, ("*" if goal in self.divided else "/", self.units[goal]))
        )


WEIGHTS: Final = Scale({"lb": 1.0, "oz": 16.0, "kg": 0.45359237, "g": 453.59237}, ("oz", "kg", "g"))
LENGTHS: Final = Scale(
    {"in": 1.0, "cm": 2.54, "mm": 25.4, "m": 0.0254, "ft": 12.0}, ("cm", "mm", "m")
)


class JsonText(str):
    """Text that is JSON already and is written as it stands."""

    __slots__ = ()


def read_number(value: Any) -> float | None:
    """Return a cell as a float, or None when it is not a plain number (the same grammar as :func:`shipkit.orders.expressions.number`)."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip(_BLANK).removeprefix("'")
    if _PLAIN.fullmatch(text) or _GROUPED.fullmatch(text):
        return float(text.replace(",", ""))
    return None


def read_date(value: Any) -> dt.date | None:
    """Return a cell as a date, or None: ``2026-11-02``, ``20261102``, ``11/02/2026``, ``11/2/26``."""
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    text = str(value).strip(_BLANK)
    for pattern, layout in _DATES:
        found = pattern.match(text)
        if found:
            try:
                return dt.datetime.strptime(found[1], layout).date()  # noqa: DTZ007 - a date has no zone
            except ValueError:
                return None
    return None


_DATES = [
    (re.compile(r"(\d{4}-\d{2}-\d{2})(?:$|[T ])"), "%Y-%m-%d"),
    (re.compile(r"(\d{8})$"), "%Y%m%d"),
    (re.compile(r"(\d{1,2}/\d{1,2}/\d{4})(?:$| )"), "%m/%d/%Y"),
    (re.compile(r"(\d{1,2}/\d{1,2}/\d{2})(?:$| )"), "%m/%d/%y"),
]


def truncate_address(value: Any, length: int = 35) -> Any:
    """Return `value` cut to `length` characters, at a word where one ends within them.

    Examples
    --------
    >>> truncate_address("5033 Templeton Street Building C, Loading Dock 14")
    '5033 Templeton Street Building C,'
    """
    if value is None:
        return None
    text = " ".join(str(value).split())
    if len(text) <= length:
        return text
    return text[:length] if " " not in text[: length + 1] else text[: length + 1].rsplit(" ", 1)[0]


def format_us_zip(value: Any, country: Any = None, state: Any = None) -> Any:
    """Return a US ZIP with the zeros that a spreadsheet took, or a ZIP+4 with its dash; other codes stay as they are.

    Examples
    --------
    >>> format_us_zip("2134"), format_us_zip("902101234"), format_us_zip("110001"), format_us_zip("01310-100")
    ('02134', '90210-1234', '110001', '01310-100')
    """
    if value is None:
        return None
    text = str(value).strip(_BLANK)
    if country is not None and place_key(str(country)) not in (
        "",
        "us",
        "usa",
        "united states",
        "united states of america",
        "pr",
        "puerto rico",
    ):
        return value
    bare = re.sub(r"\.0+$", "", text.removeprefix("'"))
    if re.fullmatch(r"[0-9]{3,4}(-[0-9]{4})?", bare, re.ASCII):
        padded = bare.zfill(10 if "-" in bare else 5)
        return padded if _fits(padded, state) else bare
    found = re.fullmatch(r"([0-9]{5})[ -]*([0-9]{4})", bare, re.ASCII)
    return f"{found[1]}-{found[2]}" if found else bare


def _fits(zipcode: str, state: Any) -> bool:
    states = zip3_states().get(zipcode[:3], "").split()
    if state is None or not str(state).strip():
        return bool(states)
    return state_codes().get(("US", place_key(str(state)))) in states


def round_weight(value: Any, places: int = 1) -> Any:
    """Return a weight rounded half up; what is heavier than nothing stays heavier than nothing.

    Examples
    --------
    >>> round_weight("2.25"), round_weight(0.01)
    (2.3, 0.1)
    """
    number = read_number(value)
    if number is None:
        return value
    step = Decimal(1).scaleb(-max(0, min(places, 6)))
    rounded = Decimal(repr(number)).quantize(step, ROUND_HALF_UP)
    return float(step if number > 0 and not rounded else rounded)


def convert_weight(value: Any, from_unit: Any, to_unit: str = "lb") -> Any:
    """Return a weight in another unit: lb, oz, kg, g.

    Examples
    --------
    >>> convert_weight(24, "oz"), convert_weight("2", "kg", "oz")
    (1.5, 70.54792389916082)
    """
    return _convert(value, from_unit, to_unit, WEIGHTS)


def convert_length(value: Any, from_unit: Any, to_unit: str = "in") -> Any:
    """Return a length in another unit: in, cm, mm, m, ft.

    Examples
    --------
    >>> convert_length("25.4", "cm")
    10.0
    """
    return _convert(value, from_unit, to_unit, LENGTHS)


def _convert(value: Any, from_unit: Any, to_unit: str, scale: Scale) -> Any:
    if value is None or (isinstance(value, str) and not value.strip(_BLANK)):
        return value
    unit, goal = scale.unit(from_unit), scale.unit(to_unit)
    if goal is None:
        raise TemplateError(
            f"There is no unit {to_unit!r} to convert to.", fix=f"Known: {', '.join(scale.units)}."
        )
    number = read_number(value)
    if number is None:
        return value
    if unit is None:
        return f"{value} {from_unit}"  # the next stage names it: "12 stone" is not a weight
    for sign, factor in scale.steps(unit, goal):
        number = number / factor if sign == "/" else number * factor
    return number


def lookup_service_code(value: Any, default: Any = None) -> Any:
    """Return UPS's code of a service, or `default`; an unknown service never becomes Ground.

    Examples
    --------
    >>> lookup_service_code("UPS 2nd Day Air"), lookup_service_code("Second Class")
    ('02', None)
    """
    service = ServiceLevel.parse(str(value)) if value is not None else None
    return UPS_SERVICE_CODES[service] if service else default


def translate(value: Any, table: Mapping[str, Any]) -> Any:
    """Return what `table` says for a text, case and outer blanks not minded; a text it does not hold stays as it is.

    Examples
    --------
    >>> translate("standard class ", {"Standard Class": "ground"}), translate("Drone", {"Standard Class": "ground"})
    ('ground', 'Drone')
    """
    if value is None:
        return None
    key = str(value).strip(_BLANK).lower()
    for name, meaning in table.items():
        if name.strip(_BLANK).lower() == key:
            return meaning
    return value


def to_ups_date(value: Any) -> Any:
    """Return a date as UPS writes it, YYYYMMDD.

    Examples
    --------
    >>> to_ups_date("11/2/2026")
    '20261102'
    """
    if value is None:
        return None
    found = read_date(value)
    return found.strftime("%Y%m%d") if found else value


def to_ups_phone(value: Any) -> Any:
    """Return a phone as digits without the leading 1 of North America, at most 15, the extension left off.

    Examples
    --------
    >>> to_ups_phone("+1 (212) 555-0142 ext. 77")
    '2125550142'
    """
    if value is None:
        return None
    base = re.sub(
        r"(?i)\s*[,;]?\s*(?:ext(?:ension)?\.?|x|#)\s*[:.]?\s*[0-9]{1,6}\s*$", "", str(value)
    )
    digits = re.sub(r"[^0-9]", "", base)
    if len(digits) == 11 and digits.startswith("1"):
        digits = digits[1:]
    return digits[:15] or None


def default_value(value: Any, default: Any = "") -> Any:
    """Return `default` where a cell is missing or blank.

    Examples
    --------
    >>> default_value(" ", 2), default_value(0, 2)
    (2, 0)
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return default
    return value


def split_name(value: Any, part: str = "first") -> Any:
    """Return the first word of a name (``first``) or what follows it (``last``).

    Examples
    --------
    >>> split_name("Maria del Carmen Soto"), split_name("Maria del Carmen Soto", "last")
    ('Maria', 'del Carmen Soto')
    """
    if value is None:
        return None
    first, _, last = " ".join(str(value).split()).partition(" ")
    return first if part == "first" else last


def tojson(value: Any) -> JsonText:
    """Return `value` as JSON text."""
    return JsonText(orjson.dumps(value, _plain, orjson.OPT_NON_STR_KEYS).decode())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


FILTERS: Mapping[str, Any] = {
    "truncate_address": truncate_address,
    "format_us_zip": format_us_zip,
    "round_weight": round_weight,
    "convert_weight": convert_weight,
    "convert_length": convert_length,
    "lookup_service_code": lookup_service_code,
    "translate": translate,
    "to_ups_date": to_ups_date,
    "to_ups_phone": to_ups_phone,
    "default_value": default_value,
    "split_name": split_name,
    "tojson": tojson,
}
"""Name in a template -> function."""
