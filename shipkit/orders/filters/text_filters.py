"""Filters for texts: names, addresses, words, and what replaces a missing cell."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import jinja2
import orjson
from jinja2 import filters as stock

from shipkit.orders.expressions import case, choose, filled, stripped, trimmed
from shipkit.orders.filters.column_values import (
    ColumnValue,
    ConstantValue,
    Kind,
    NotCompilable,
    Value,
    as_column,
    chosen,
    common_kind,
)
from shipkit.orders.filters.declaration import Filter, FilterCall
from shipkit.orders.units import BLANKS

__all__ = [
    "PYTHON_BLANKS",
    "TEXT_FILTERS",
    "JsonText",
    "case_may_differ",
    "changed_case",
    "default_value",
    "keeping_missing",
    "split_name",
    "template_text",
    "tojson",
    "translate",
    "truncate_address",
]


# -- what replaces a missing cell ------------------------------------------------------------------


def default_value(value: Any, default: Any = "") -> Any:
    """Return `default` where a cell is missing or blank.

    Examples
    --------
    >>> default_value(" ", 2), default_value(0, 2)
    (2, 0)
    """
    missing = value is None or isinstance(value, jinja2.Undefined)
    if missing or (isinstance(value, str) and not value.strip()):
        return default
    return value


def _default_value_sql(call: FilterCall) -> Value:
    value, default = call.value, call.arguments.get("default", ConstantValue(""))
    kind, texts = common_kind(value, default)
    size = max(value.size, as_column(default).size)
    if value.kind in (Kind.TEXT, Kind.MIXED, Kind.ANY):
        return ColumnValue(filled(value.sql, as_column(default).text), kind, size)
    return ColumnValue(f"coalesce({texts[0]}, {texts[1]})", kind, size)


def _default_sql(call: FilterCall) -> Value:
    """Compute Jinja2's ``default``, which replaces an empty cell only when asked to."""
    if not call.constant("boolean", default=False):
        return call.value
    default = call.arguments.get("default_value", ConstantValue(""))
    return chosen(call.value.truth, call.value, default)


# -- letters and blanks ----------------------------------------------------------------------------


def keeping_missing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter of Jinja2 that leaves a missing cell missing.

    Jinja2's own would write an empty city as ``NONE``.
    """

    @functools.wraps(function)
    def filtered(value: Any, *args: Any, **kwargs: Any) -> Any:
        return None if value is None else function(value, *args, **kwargs)

    return filtered


_CASE_IS_CERTAIN: Final = (
    r"\x00-\x{DE}\x{E0}-\x{12F}\x{131}-\x{148}\x{14A}-\x{17F}"  # Latin, without ß, İ and ŉ
    r"\x{400}-\x{52F}"  # Cyrillic
    r"\x{2000}-\x{206F}\x{20A0}-\x{20BF}\x{2122}"  # punctuation, currencies, ™
    r"\x{3000}-\x{D7FF}"  # Chinese, Japanese, Korean
)
"""Characters whose other case Python and DuckDB agree on, one for one.

A test goes through all of Unicode. Greek is left out, where the case of a letter depends on its
neighbours.
"""


def case_may_differ(x: str) -> str:
    """Return SQL of whether Python and DuckDB may disagree on the other case of a text."""
    is_ascii = f"strlen({x}) = length({x})"
    return f"NOT ({is_ascii}) AND NOT regexp_full_match({x}, '[{_CASE_IS_CERTAIN}]*')"


def changed_case(name: str, text: ColumnValue, render_where: Callable[[str], None]) -> ColumnValue:
    """Return a text in the other case: `name` is ``upper`` or ``lower``."""
    render_where(case_may_differ(text.sql))
    return ColumnValue(f"{name}({text.sql})", Kind.TEXT, text.size)


def _upper_sql(call: FilterCall) -> Value:
    return changed_case("upper", call.text(), call.render_where)


def _lower_sql(call: FilterCall) -> Value:
    return changed_case("lower", call.text(), call.render_where)


def _trim_sql(call: FilterCall) -> Value:
    call.refuse_arguments()
    text = call.text()
    return replace(text, sql=stripped(text.sql))


def template_text(value: Any) -> str:
    """Return a value as a template writes it inside a text.

    Raises
    ------
    TypeError
        It is a list or an object.
    jinja2.UndefinedError
        It is undefined.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float | dt.date):
        return str(value)
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises, and names what is undefined
    kind = getattr(value, "described_as", type(value).__name__.lower())
    raise TypeError(f"a {kind} cannot be written as text; use | tojson, or name the column")


def _string_sql(call: FilterCall) -> Value:
    return ColumnValue(f"coalesce({call.value.text}, '')", Kind.TEXT, call.value.size)


# -- words -----------------------------------------------------------------------------------------

PYTHON_BLANKS: Final = (
    r"\t-\r\x1c- \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
)
r"""What ``str.split`` splits at and ``\s`` matches in Python; a test goes through all of them."""


def _single_blanks(x: str) -> str:
    """Return SQL of a text's words with one blank between them, as ``" ".join(x.split())``."""
    clean = f"regexp_full_match({x}, '[!-~]+(?: [!-~]+)*')"
    return case((clean, x), otherwise=f"trim(regexp_replace({x}, '[{PYTHON_BLANKS}]+', ' ', 'g'))")


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
    head = text[: length + 1]
    return head.rsplit(" ", 1)[0] if " " in head else text[:length]


def _truncate_address_sql(call: FilterCall) -> Value:
    length = call.whole_number("length", 35)
    if length < 1:  # Python would count from the end
        raise NotCompilable
    value = call.text()
    text = _single_blanks(value.sql)
    head = f"substring({text}, 1, {length + 1})"
    cut = case(
        (f"{value.sql} IS NULL OR length({value.sql}) <= {length}", text),
        (f"length({text}) <= {length}", text),
        (f"contains({head}, ' ')", f"regexp_replace({head}, ' [^ ]*$', '')"),
        otherwise=f"substring({text}, 1, {length})",
    )
    return replace(value, sql=cut)


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


def _split_name_sql(call: FilterCall) -> Value:
    value, part = call.text(), str(call.constant("part", "first"))
    words = _single_blanks(value.sql)
    if part == "first":
        return replace(value, sql=f"split_part({words}, ' ', 1)")
    rest = f"substring({words}, position(' ' IN {words}) + 1)"
    # An empty part of the text, and not '', so that a missing name stays missing.
    last = case((f"contains({words}, ' ')", rest), otherwise=f"substring({words}, 1, 0)")
    return replace(value, sql=last)


def translate(value: Any, table: Mapping[str, Any]) -> Any:
    """Return what `table` has for a text; a text that is not in it stays.

    Case and outer blanks do not matter.

    Examples
    --------
    >>> translate("standard class ", {"Standard Class": "ground"})
    'ground'
    >>> translate("Drone", {"Standard Class": "ground"})
    'Drone'
    """
    if value is None:
        return None
    key = str(value).strip(BLANKS).lower()
    for name, meaning in table.items():
        if name.strip(BLANKS).lower() == key:
            return meaning
    return value


def _translate_sql(call: FilterCall) -> Value:
    table = call.constant("table")
    if not isinstance(table, dict) or not all(
        isinstance(name, str) and "\x00" not in name for name in table
    ):
        raise NotCompilable
    text = call.text()
    call.render_where(case_may_differ(text.sql))
    meanings: dict[str, ColumnValue] = {}
    for name, meaning in table.items():  # as in Python, the first of two equal names wins
        meanings.setdefault(name.strip(BLANKS).lower(), as_column(ConstantValue(meaning)))
    kind, (other, *texts) = common_kind(call.value, *meanings.values())
    cases = dict(zip(meanings, texts, strict=True))
    return ColumnValue(
        f"({choose(f'lower({trimmed(text.sql)})', cases, other)})",
        kind,
        max([call.value.size, *(meaning.size for meaning in meanings.values())]),
    )


# -- JSON ------------------------------------------------------------------------------------------


class JsonText(str):
    """Text that is JSON already, and is written as it is."""

    __slots__ = ()


def tojson(value: Any) -> JsonText:
    """Return `value` as JSON text."""
    return JsonText(orjson.dumps(value, _json_value, orjson.OPT_NON_STR_KEYS).decode())


def _json_value(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


TEXT_FILTERS: Final = (
    Filter("default", stock.do_default, _default_sql, aliases=("d",)),
    Filter("default_value", default_value, _default_value_sql),
    Filter("trim", keeping_missing(stock.do_trim), _trim_sql),
    Filter("upper", keeping_missing(stock.do_upper), _upper_sql),
    Filter("lower", keeping_missing(stock.do_lower), _lower_sql),
    Filter("string", template_text, _string_sql),
    Filter("truncate_address", truncate_address, _truncate_address_sql),
    Filter("split_name", split_name, _split_name_sql),
    Filter("translate", translate, _translate_sql),
    Filter("tojson", tojson),  # its SQL form is the writer of the template's JSON
)
