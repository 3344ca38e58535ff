"""Filters for weights and lengths."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from shipkit.errors import TemplateError
from shipkit.orders.expressions import (
    GROUPED_NUMBER,
    PLAIN_NUMBER,
    case,
    choose,
    is_number,
    number,
    quote,
)
from shipkit.orders.filters.column_values import (
    ColumnValue,
    ConstantValue,
    Kind,
    NotCompilable,
    Value,
    as_column,
    column_of,
    str_of,
)
from shipkit.orders.filters.declaration import LONGEST_CELL, Filter, FilterCall
from shipkit.orders.filters.text_filters import case_may_differ
from shipkit.orders.units import BLANKS, LENGTHS, WEIGHTS, UnitScale
from shipkit.orders.written_numbers import FRACTION, VULGAR, narrow, narrow_sql

__all__ = [
    "MEASURE_FILTERS",
    "convert_length",
    "convert_weight",
    "read_number",
    "round_weight",
    "side",
    "side_sql",
]

_NUMBER: Final = re.compile(f"{PLAIN_NUMBER}|{GROUPED_NUMBER}", re.ASCII)
_DIGITS: Final = 25
"""The most characters of a DOUBLE as text."""


def read_number(value: Any) -> float | None:
    """Return a cell as a float, None when it is not a plain number.

    The same as :func:`shipkit.orders.expressions.number` for a column.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip(BLANKS).removeprefix("'")
    return float(text.replace(",", "")) if _NUMBER.fullmatch(text) else None


def _digits_may_differ(x: str) -> str:
    """Return SQL of whether a text may be a number that Python and DuckDB write differently.

    Those are numbers so large, so small or so far below zero that one writes an exponent, a sign
    or digits that the other does not.
    """
    return (
        f"strlen({x}) > 20 OR contains({x}, '-') OR contains({x}, 'e') OR contains({x}, 'E')"
        f" OR contains({x}, '.0000')"
    )


# -- rounding --------------------------------------------------------------------------------------


def round_weight(value: Any, places: int = 1) -> Any:
    """Return a weight rounded half up; a weight above zero stays above zero.

    Examples
    --------
    >>> round_weight("2.25"), round_weight(0.01)
    (2.3, 0.1)
    """
    weight = read_number(value)
    if weight is None:
        return value
    step = Decimal(1).scaleb(-max(0, min(places, 6)))
    rounded = Decimal(repr(weight)).quantize(step, ROUND_HALF_UP)
    return float(step if weight > 0 and not rounded else rounded)


def _round_weight_sql(call: FilterCall) -> Value:
    places = max(0, min(call.whole_number("places", 1), 6))
    if call.kind == Kind.DATE:
        return call.value
    text = call.text()
    if call.kind in (Kind.INT, Kind.FLOAT):
        weight = call.value.sql
        in_range = f"{weight} BETWEEN 0.0001 AND 1e15"
        is_zero = f"{weight} = 0 AND NOT signbit({weight}::DOUBLE)"
        call.render_where(f"NOT ({in_range} OR ({is_zero}))")
        return column_of(Kind.FLOAT, f"({_rounded(f'({weight})::DOUBLE', places)})")
    call.render_where(_digits_may_differ(text.sql))
    rounded = f"({_rounded(number(text.sql), places)})::VARCHAR"
    made = case((is_number(text.sql), rounded), otherwise=text.sql)
    return ColumnValue(f"({made})", Kind.MIXED, text.size + _DIGITS)


def _rounded(weight: str, places: int) -> str:
    """Return SQL of a DOUBLE rounded half up as it is written, never to zero.

    Arithmetic is right wherever no half is near. Otherwise the digits decide, as in Python: 2.675
    lies below the half as a DOUBLE, and is rounded up because it is written with a 5.
    """
    factor = f"{10**places}::DOUBLE"
    scaled = f"({weight}) * {factor}"
    no_half_near = f"{scaled} BETWEEN 0.6 AND 1e9 AND abs({scaled} - floor({scaled}) - 0.5) > 1e-6"
    as_written = f"({weight})::VARCHAR::DECIMAL(38, {places})"
    return case(
        (no_half_near, f"round({scaled}) / {factor}"),
        (f"({weight}) > 0 AND {as_written} = 0", f"1 / {factor}"),
        otherwise=f"{as_written}::VARCHAR::DOUBLE",
    )


# -- units -----------------------------------------------------------------------------------------


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


def _convert(value: Any, from_unit: Any, to_unit: str, scale: UnitScale) -> Any:
    if value is None or (isinstance(value, str) and not value.strip(BLANKS)):
        return value
    unit, goal = scale.unit(from_unit), scale.unit(to_unit)
    if goal is None:
        raise TemplateError(
            f"There is no unit {to_unit!r} to convert to.",
            fix=f"Known: {', '.join(scale.to_base)}.",
        )
    found = read_number(value)
    if found is None:
        return value
    if unit is None:
        return f"{value} {from_unit}"  # so that normalising names it: "12 stone" is not a weight
    return scale.convert(found, unit, goal)


def _convert_weight_sql(call: FilterCall) -> Value:
    return _convert_sql(call, WEIGHTS)


def _convert_length_sql(call: FilterCall) -> Value:
    return _convert_sql(call, LENGTHS)


def _convert_sql(call: FilterCall, scale: UnitScale) -> Value:
    goal = scale.unit(call.constant("to_unit", scale.base))
    if goal is None or "from_unit" not in call.arguments:
        raise NotCompilable  # rendering raises the error
    if call.kind == Kind.DATE:
        return call.value
    text, given = call.text(), call.arguments["from_unit"]
    if call.kind == Kind.FLOAT:
        call.render_where(f"abs({call.value.sql}) > 1e300")  # may overflow to infinity
    elif call.kind != Kind.INT:
        call.render_where(_digits_may_differ(text.sql))
    if isinstance(given, ConstantValue):
        return _convert_from(call, scale, given, goal)
    if given.kind != Kind.TEXT:
        raise NotCompilable
    call.render_where(case_may_differ(given.sql))
    units = choose(
        scale.word_sql(given.sql),
        {word: quote(unit) for word, unit in scale.words.items()},
        "''",
    )
    per_unit = {unit: _converted(text.sql, scale, unit, goal) for unit in scale.to_base}
    made = choose(units, per_unit, _with_unit(text.sql, given.sql))
    return ColumnValue(f"({made})", Kind.MIXED, text.size + given.size + 1 + _DIGITS)


def _convert_from(
    call: FilterCall, scale: UnitScale, given: ConstantValue, goal: str
) -> ColumnValue:
    """Return the value converted from a unit that is the same in every row."""
    text, unit = call.text(), scale.unit(given.value)
    if unit is None:
        word = str_of(as_column(given))
        size = text.size + word.size + 1
        return ColumnValue(f"({_with_unit(text.sql, word.sql)})", Kind.MIXED, size)
    if call.kind in (Kind.INT, Kind.FLOAT):
        weight = f"({call.value.sql})::DOUBLE"
        return column_of(Kind.FLOAT, f"({scale.convert_sql(weight, unit, goal)})")
    made = _converted(text.sql, scale, unit, goal)
    return ColumnValue(f"({made})", Kind.MIXED, text.size + _DIGITS)


def _converted(x: str, scale: UnitScale, unit: str, goal: str) -> str:
    """Return SQL of a text: a number converted, any other text as it is."""
    made = f"({scale.convert_sql(f'({number(x)})', unit, goal)})::VARCHAR"
    return case((is_number(x), made), otherwise=x)


def _with_unit(x: str, unit: str) -> str:
    return case((is_number(x), f"{x} || ' ' || {unit}"), otherwise=x)


# -- three sides in one cell -----------------------------------------------------------------------

_SIDES: Final = ("length", "width", "height")
_SIDE: Final = (
    rf"((?:[0-9]{{1,6}}(?: | ?- ?))?{FRACTION}|[0-9]{{0,6}} ?[{''.join(VULGAR)}]"
    r"|[0-9]{1,6}(?:[.,][0-9]{1,2}|[.][0-9]{1,6})?|[.][0-9]{1,6})"
)
_SIDE_UNIT: Final = (
    '(in|In|IN|inch|Inch|inches|Inches|INCHES|"|cm|Cm|CM|mm|Mm|MM|m|M|ft|Ft|FT|feet)?[.]?'
)
_THREE_SIDES: Final = (
    "^[ \n]*" + "[ ]*(?:[xX×*/]|by|BY)[ ]*".join([f"{_SIDE}[ ]*{_SIDE_UNIT}"] * 3) + "[ \n]*$"
)
"""Groups: number and unit of each side. No class in it is read in two ways by the two engines."""
_LABELS: Final = {
    "length": "[lL](?:ength|ENGTH)?",
    "width": "[wWbB](?:idth|IDTH)?",
    "height": "(?:[hH](?:eight|EIGHT)?|[dD](?:epth|EPTH)?)",
}
"""What names a side: "12L x 8W x 4H", "L: 12 W: 8 H: 4", "30 L x 20 B x 10 H"."""
_LABEL: Final = f"(?:{'|'.join(_LABELS.values())})"
_BETWEEN: Final = "[ ]*(?:[xX×*/,;]|by|BY)?[ ]*"
_NAMED_BEFORE: Final = (
    "^[ \n]*" + _BETWEEN.join([f"{_LABEL}[ ]*[:=.]?[ ]*{_SIDE}[ ]*{_SIDE_UNIT}"] * 3) + "[ \n]*$"
)
_NAMED_AFTER: Final = (
    "^[ \n]*" + _BETWEEN.join([f"{_SIDE}[ ]*{_SIDE_UNIT}[ ]*{_LABEL}"] * 3) + "[ \n]*$"
)


def _named(which: str, *, before: bool) -> str:
    """Return the pattern of the number and the unit of a side that is named."""
    label = _LABELS[which]
    if before:
        return f"(?:^|[^a-zA-Z]){label}[ ]*[:=.]?[ ]*{_SIDE}[ ]*{_SIDE_UNIT}"
    return f"{_SIDE}[ ]*{_SIDE_UNIT}[ ]*{label}(?:$|[^a-zA-Z])"


_NO_SIDES: Final = "^(?:[-–—/ .nNaA0xX×*\n]*|none|None|null|NULL|nan|NaN)$"
"""Cells of a parcel without dimensions: "", "N/A", "-", " x  x ", "0 x 0 x 0"."""


def side(value: Any, which: str = "length") -> Any:
    """Return the ``length``, ``width`` or ``height`` of a text that has all three, with its unit.

    A text that is not written so is returned as the length, so that its row says what is wrong.

    Examples
    --------
    >>> side("10x8x4", "width"), side("25 x 20,5 x 10 cm", "width"), side("a large box")
    ('8', '20.5 cm', 'a large box')
    >>> side("10 1/2 x 8½ x 4 in", "width"), side("12L x 8W x 4H", "width")
    ('8½ in', '8')
    """
    if which not in _SIDES:
        raise TemplateError(f"side: {which!r} is not one of {', '.join(_SIDES)}.")
    given = "" if value is None else str(value)
    text = narrow(given)
    if re.search(_NO_SIDES, text):
        return None
    found = re.search(_THREE_SIDES, text)
    if found is None:
        named = _named_side(text, which)
        return given if named is None and which == "length" else named
    place = 2 * _SIDES.index(which) + 1
    unit = found[place + 1] or found[6]
    return found[place].replace(",", ".") + (f" {unit}" if unit else "")


def _named_side(text: str, which: str) -> str | None:
    """Return a side of three that are named, each once."""
    for pattern, before in ((_NAMED_BEFORE, True), (_NAMED_AFTER, False)):
        whole = re.search(pattern, text)
        sides = [re.search(_named(name, before=before), text) for name in _SIDES]
        found = sides[_SIDES.index(which)]
        if whole is not None and found is not None and None not in sides:
            unit = found[2] or whole[6]
            return found[1].replace(",", ".") + (f" {unit}" if unit else "")
    return None


def _named_side_sql(x: str, which: str, *, before: bool) -> tuple[str, str]:
    """Return SQL of whether three sides are named, and of one of them."""
    whole = quote(_NAMED_BEFORE if before else _NAMED_AFTER)
    given = f"regexp_matches({x}, {whole})" + "".join(
        f" AND regexp_matches({x}, {quote(_named(name, before=before))})" for name in _SIDES
    )
    own = quote(_named(which, before=before))
    number, unit = (f"regexp_extract({x}, {own}, {group})" for group in (1, 2))
    unit = f"coalesce(nullif({unit}, ''), regexp_extract({x}, {whole}, 6))"
    with_unit = case((f"{unit} <> ''", f"' ' || {unit}"), otherwise="''")
    return given, f"replace({number}, ',', '.') || {with_unit}"


def side_sql(x: str, which: str) -> str:
    """Return SQL of what :func:`side` returns for a text."""
    given, x = x, narrow_sql(x)
    place, pattern = 2 * _SIDES.index(which) + 1, quote(_THREE_SIDES)
    number, own, last = (
        f"regexp_extract({x}, {pattern}, {group})" for group in (place, place + 1, 6)
    )
    unit = f"coalesce(nullif({own}, ''), {last})"
    with_unit = case((f"{unit} <> ''", f"' ' || {unit}"), otherwise="''")
    return case(
        (f"regexp_matches({x}, {quote(_NO_SIDES)})", "NULL"),
        (f"regexp_matches({x}, {pattern})", f"replace({number}, ',', '.') || {with_unit}"),
        _named_side_sql(x, which, before=True),
        _named_side_sql(x, which, before=False),
        otherwise=given if which == "length" else "NULL",
    )


def _side_sql(call: FilterCall) -> Value:
    which = call.constant("which", "length")
    if which not in _SIDES:
        raise NotCompilable
    text = call.text()
    return ColumnValue(f"({side_sql(text.sql, which)})", Kind.TEXT, text.size + 1)


MEASURE_FILTERS: Final = (
    Filter("side", side, _side_sql, reads_at_most=LONGEST_CELL),
    Filter("round_weight", round_weight, _round_weight_sql, reads_at_most=LONGEST_CELL),
    Filter("convert_weight", convert_weight, _convert_weight_sql, reads_at_most=LONGEST_CELL),
    Filter("convert_length", convert_length, _convert_length_sql, reads_at_most=LONGEST_CELL),
)
