"""The filters of templates over whole columns: which twin stands for which filter, and for which rows it does not hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from shipkit.orders.expressions import choose, filled, is_number, quote
from shipkit.orders.filters import LENGTHS, WEIGHTS, Scale
from shipkit.orders.mapping.compiler import filter_sql
from shipkit.orders.mapping.compiler.values import (
    ANY,
    CELL,
    DATE,
    FLAG,
    FLOAT,
    INT,
    MIXED,
    SIZES,
    TEXT,
    Cells,
    Same,
    Unlike,
    Value,
    cells_of,
    chosen,
    constant,
    only,
    plain,
    together,
    whole_number,
)

if TYPE_CHECKING:
    from shipkit.orders.mapping.compiler.parse import Reader

__all__ = ["TWINS"]


def _default(_reader: Reader, value: Cells, arguments: Mapping[str, Value]) -> Value:
    if not constant(arguments, "boolean", otherwise=False):
        return value
    return chosen(value.truth, value, arguments.get("default_value", Same("")))


def _default_value(_reader: Reader, value: Cells, arguments: Mapping[str, Value]) -> Value:
    default = arguments.get("default", Same(""))
    kind, texts = together(value, default)
    if value.kind in (TEXT, MIXED, ANY):
        return Cells(
            filled(value.sql, cells_of(default).text), kind, max(value.size, cells_of(default).size)
        )
    return Cells(f"coalesce({texts[0]}, {texts[1]})", kind, max(value.size, cells_of(default).size))


def _trim(reader: Reader, value: Cells, _: Mapping[str, Value]) -> Value:
    return reader.cased("strip", plain(value))


def _upper(reader: Reader, value: Cells, _: Mapping[str, Value]) -> Value:
    return reader.cased("upper", plain(value))


def _lower(reader: Reader, value: Cells, _: Mapping[str, Value]) -> Value:
    return reader.cased("lower", plain(value))


def _string(_reader: Reader, value: Cells, _: Mapping[str, Value]) -> Value:
    return Cells(f"coalesce({value.text}, '')", TEXT, value.size)


def _truncated(_reader: Reader, value: Cells, arguments: Mapping[str, Value]) -> Value:
    length = whole_number(arguments, "length", 35)
    if length < 1:
        raise Unlike
    return replace(plain(value), sql=filter_sql.truncated(plain(value).sql, length))


def _split(_reader: Reader, value: Cells, arguments: Mapping[str, Value]) -> Value:
    return replace(
        plain(value),
        sql=filter_sql.split_name(plain(value).sql, str(constant(arguments, "part", "first"))),
    )


def _clipped(reader: Reader, value: Cells) -> Cells:
    """Return a value as the filters for codes and numbers read it: of a longer text they read the beginning."""
    text = plain(value)
    if text.size > CELL:
        reader.leave(f"length({text.sql}) > {CELL}")
    return text


def _place(reader: Reader, arguments: Mapping[str, Value], name: str) -> str | None:
    value = arguments.get(name, Same(None))
    if isinstance(value, Same) and value.value is None:
        return None
    cells = plain(cells_of(value))
    reader.leave(filter_sql.odd_case(cells.sql))
    return cells.sql


def _zip(reader: Reader, value: Cells, arguments: Mapping[str, Value]) -> Value:
    text = _clipped(reader, value)
    made = filter_sql.padded_zip(
        text.sql, _place(reader, arguments, "country"), _place(reader, arguments, "state")
    )
    return Cells(
        f"({made})",
        TEXT if value.kind == TEXT or "country" not in arguments else MIXED,
        text.size + 10,
    )


def _rounded(reader: Reader, value: Cells, arguments: Mapping[str, Value]) -> Value:
    places = max(0, min(whole_number(arguments, "places", 1), 6))
    if value.kind == DATE:
        return value
    text = _clipped(reader, value)
    if value.kind in (INT, FLOAT):
        reader.leave(filter_sql.odd_double(value.sql))
        return Cells(
            f"({filter_sql.rounded_number(f'({value.sql})::DOUBLE', places)})", FLOAT, SIZES[FLOAT]
        )
    reader.leave(filter_sql.odd_number(text.sql))
    return Cells(f"({filter_sql.rounded(text.sql, places)})", MIXED, text.size + 25)


def _weight(reader: Reader, value: Cells, arguments: Mapping[str, Value]) -> Value:
    return _converted(reader, value, arguments, WEIGHTS)


def _length(reader: Reader, value: Cells, arguments: Mapping[str, Value]) -> Value:
    return _converted(reader, value, arguments, LENGTHS)


def _converted(reader: Reader, value: Cells, arguments: Mapping[str, Value], scale: Scale) -> Value:
    goal = scale.unit(constant(arguments, "to_unit", next(iter(scale.units))))
    if goal is None or "from_unit" not in arguments:
        raise Unlike
    if value.kind == DATE:
        return value
    text, unit = _clipped(reader, value), arguments["from_unit"]
    if value.kind == FLOAT:
        reader.leave(f"abs({value.sql}) > 1e300")
    elif value.kind != INT:
        reader.leave(filter_sql.odd_number(text.sql))
    if isinstance(unit, Same):
        known = scale.unit(unit.value)
        if known is None:
            cells = plain(cells_of(unit))
            return Cells(f"({_with_unit(text.sql, cells.sql)})", MIXED, text.size + cells.size + 1)
        if value.kind in (INT, FLOAT):
            return Cells(
                f"(({value.sql})::DOUBLE{_steps(scale, known, goal)})", FLOAT, SIZES[FLOAT]
            )
        return Cells(
            f"({filter_sql.converted(text.sql, _steps(scale, known, goal))})", MIXED, text.size + 25
        )
    words = only(unit, TEXT)
    reader.leave(filter_sql.odd_case(words.sql))
    named = choose(
        filter_sql.unit_key(words.sql),
        {name: quote(known) for name, known in scale.spellings.items()},
        "''",
    )
    cases = {
        known: filter_sql.converted(text.sql, _steps(scale, known, goal)) for known in scale.units
    }
    return Cells(
        f"({choose(named, cases, _with_unit(text.sql, words.sql))})",
        MIXED,
        text.size + words.size + 26,
    )


def _service(reader: Reader, value: Cells, arguments: Mapping[str, Value]) -> Value:
    text, default = _clipped(reader, value), cells_of(Same(constant(arguments, "default", None)))
    if default.kind == FLAG:
        raise Unlike
    return Cells(
        f"({filter_sql.service_code(text.sql, default.text)})",
        TEXT if default.kind == TEXT else MIXED,
        max(2, default.size),
    )


def _translated(reader: Reader, value: Cells, arguments: Mapping[str, Value]) -> Value:
    table = constant(arguments, "table", None)
    if not isinstance(table, dict) or not all(
        isinstance(name, str) and "\x00" not in name for name in table
    ):
        raise Unlike
    text = plain(value)
    reader.leave(filter_sql.odd_case(text.sql))
    meanings: dict[str, Cells] = {}
    for name, meaning in table.items():
        meanings.setdefault(name.strip(" \t\r\n\f").lower(), cells_of(Same(meaning)))
    kind, texts = together(value, *meanings.values())
    return Cells(
        f"({filter_sql.translated(text.sql, dict(zip(meanings, texts[1:], strict=True)), texts[0])})",
        kind,
        max([value.size, *(each.size for each in meanings.values())]),
    )


def _date(reader: Reader, value: Cells, _: Mapping[str, Value]) -> Value:
    if value.kind == DATE:
        return Cells(f"strftime({value.sql}, '%Y%m%d')", TEXT, 8)
    text = _clipped(reader, value)
    reader.leave(filter_sql.odd_date(text.sql))
    return Cells(filter_sql.ups_date(text.sql), TEXT if value.kind == TEXT else MIXED, text.size)


def _phone(reader: Reader, value: Cells, _: Mapping[str, Value]) -> Value:
    return Cells(f"({filter_sql.ups_phone(_clipped(reader, value).sql)})", TEXT, 15)


def _steps(scale: Scale, unit: str, goal: str) -> str:
    return "".join(
        f" {sign} {quote(repr(factor))}::DOUBLE" for sign, factor in scale.steps(unit, goal)
    )


def _with_unit(text: str, unit: str) -> str:
    return f"CASE WHEN {is_number(text)} THEN {text} || ' ' || {unit} ELSE {text} END"


TWINS: Final[
    Mapping[str, tuple[tuple[str, ...], Callable[[Any, Cells, Mapping[str, Value]], Value]]]
] = {
    "default": (("default_value", "boolean"), _default),
    "d": (("default_value", "boolean"), _default),
    "default_value": (("default",), _default_value),
    "trim": ((), _trim),
    "upper": ((), _upper),
    "lower": ((), _lower),
    "string": ((), _string),
    "truncate_address": (("length",), _truncated),
    "split_name": (("part",), _split),
    "format_us_zip": (("country", "state"), _zip),
    "round_weight": (("places",), _rounded),
    "convert_weight": (("from_unit", "to_unit"), _weight),
    "convert_length": (("from_unit", "to_unit"), _length),
    "lookup_service_code": (("default",), _service),
    "translate": (("table",), _translated),
    "to_ups_date": ((), _date),
    "to_ups_phone": ((), _phone),
}
"""Filter -> names of its arguments, its twin."""
