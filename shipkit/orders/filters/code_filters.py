"""Filters for codes: ZIPs, services, dates and phones."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

from shipkit.common.places import (
    place_key,
    plain_zip,
    plain_zip_sql,
    state_codes,
    zip_with_zeros,
    zip_with_zeros_sql,
)
from shipkit.orders.expressions import case, choose, quote, stripped, trimmed
from shipkit.orders.filters.column_values import (
    ColumnValue,
    ConstantValue,
    Kind,
    NotCompilable,
    Value,
    as_column,
    str_of,
)
from shipkit.orders.filters.declaration import LONGEST_CELL, Filter, FilterCall
from shipkit.orders.filters.text_filters import PYTHON_BLANKS, case_may_differ
from shipkit.orders.units import BLANKS
from shipkit.orders.written_numbers import ROUNDED_PHONE
from shipkit.services import ServiceList

__all__ = [
    "CODE_FILTERS",
    "compact_date",
    "format_us_zip",
    "phone_digits",
    "place_argument",
    "place_key_sql",
    "read_date",
    "service_filter",
]


# -- ZIP codes -------------------------------------------------------------------------------------

_USES_ZIPS: Final = (
    "",
    "us",
    "usa",
    "united states",
    "united states of america",
    "pr",
    "puerto rico",
)


def format_us_zip(value: Any, country: Any = None, state: Any = None) -> Any:
    """Return a US ZIP with the zeros that a spreadsheet dropped, a ZIP+4 with its dash.

    Other postal codes stay as they are. A `state` makes sure: zeros are put back only where the
    result is one of its ZIPs.

    Examples
    --------
    >>> format_us_zip("2134"), format_us_zip("902101234"), format_us_zip("21341234", state="MA")
    ('02134', '90210-1234', '02134-1234')
    >>> format_us_zip("2134", state="Texas"), format_us_zip("110001"), format_us_zip("01310-100")
    ('2134', '110001', '01310-100')
    """
    if value is None:
        return None
    if country is not None and place_key(str(country)) not in _USES_ZIPS:
        return value
    text = str(value).strip(BLANKS).removeprefix("'")
    if state is None or not str(state).strip():
        return zip_with_zeros(text) or plain_zip(text)
    code = state_codes().get(("US", place_key(str(state))))
    return (code and zip_with_zeros(text, code)) or plain_zip(text)


def _format_us_zip_sql(call: FilterCall) -> Value:
    value = call.text()
    x = value.sql
    text = f"regexp_replace({trimmed(x)}, '^''', '')"
    zeros = zip_with_zeros_sql(text)
    branches = [(f"regexp_full_match({x}, '[0-9]{{5}}(?:-[0-9]{{4}})?')", x)]
    if (country := place_argument(call, "country")) is not None:
        elsewhere = choose(place_key_sql(country), dict.fromkeys(_USES_ZIPS, "false"), "true")
        branches.append((f"{country} <> 'US' AND {elsewhere}", x))
    if (state := place_argument(call, "state")) is not None:
        names = {name: quote(code) for (land, name), code in state_codes().items() if land == "US"}
        of_state = zip_with_zeros_sql(text, choose(place_key_sql(state), names, "NULL"))
        zeros = case((f"coalesce({stripped(state)}, '') = ''", zeros), otherwise=of_state)
    made = case(*branches, otherwise=f"coalesce({zeros}, {plain_zip_sql(text)})")
    # A code of another country comes back as it was, and that may be a number.
    stays_text = call.kind == Kind.TEXT or country is None
    return ColumnValue(f"({made})", Kind.TEXT if stays_text else Kind.MIXED, value.size + 10)


def place_argument(call: FilterCall, name: str) -> str | None:
    """Return SQL of an argument that names a place, None for ``none``."""
    given = call.arguments.get(name, ConstantValue(None))
    if given == ConstantValue(None):
        return None
    text = str_of(as_column(given))
    call.render_where(case_may_differ(text.sql))
    return text.sql


def place_key_sql(x: str) -> str:
    """Return SQL of :func:`shipkit.common.places.place_key`."""
    no_dots = stripped(f"replace({x}, '.', '')")
    return f"regexp_replace(lower({no_dots}), ' +', ' ', 'g')"


# -- services --------------------------------------------------------------------------------------


def service_filter(offered: ServiceList) -> Filter:
    """Return ``lookup_service_code`` for the services of one carrier.

    It gives the carrier's own code of a service, or `default`: an unknown service never becomes
    another one.
    """

    def lookup_service_code(value: Any, default: Any = None) -> Any:
        service = offered.parse(str(value)) if value is not None else None
        return offered.wire(service) if service else default

    def in_sql(call: FilterCall) -> Value:
        text = call.text()
        default = as_column(ConstantValue(call.constant("default")))
        if default.kind == Kind.FLAG:
            raise NotCompilable
        letters = f"regexp_replace(lower({text.sql}), '[^a-z0-9]', '', 'g')"
        key = f"regexp_replace({letters}, {quote(offered.prefix)}, '')"
        codes = {text: quote(offered.wire(code)) for text, code in offered.spellings.items()}
        call.render_where(f"contains({text.sql}, ':')")  # a carrier before the service
        kind = Kind.TEXT if default.kind == Kind.TEXT else Kind.MIXED
        longest = max((len(code) for code in map(offered.wire, offered.codes)), default=0)
        made = choose(key, codes, default.text)
        return ColumnValue(f"({made})", kind, max(longest, default.size))

    return Filter("lookup_service_code", lookup_service_code, in_sql, reads_at_most=LONGEST_CELL)


# -- dates -----------------------------------------------------------------------------------------

_DATES: Final = (
    (re.compile(r"(\d{4}-\d{2}-\d{2})(?:$|[T ])"), "%Y-%m-%d"),
    (re.compile(r"(\d{8})$"), "%Y%m%d"),
    (re.compile(r"(\d{1,2}/\d{1,2}/\d{4})(?:$| )"), "%m/%d/%Y"),
    (re.compile(r"(\d{1,2}/\d{1,2}/\d{2})(?:$| )"), "%m/%d/%y"),
)


def read_date(value: Any) -> dt.date | None:
    """Return a cell as a date, or None.

    Read are ``2026-11-02``, ``20261102``, ``11/02/2026`` and ``11/2/26``.
    """
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    text = str(value).strip(BLANKS)
    for pattern, layout in _DATES:
        found = pattern.match(text)
        if found:
            try:
                return dt.datetime.strptime(found[1], layout).date()  # noqa: DTZ007 - a date has no zone
            except ValueError:
                return None
    return None


def compact_date(value: Any) -> Any:
    """Return a date as ``YYYYMMDD``; a text that is not a date stays.

    Examples
    --------
    >>> compact_date("11/2/2026")
    '20261102'
    """
    if value is None:
        return None
    found = read_date(value)
    return found.strftime("%Y%m%d") if found else value


def _compact_date_sql(call: FilterCall) -> Value:
    if call.kind == Kind.DATE:
        return ColumnValue(f"strftime({call.value.sql}, '%Y%m%d')", Kind.TEXT, 8)
    value = call.text()
    text = trimmed(value.sql)
    # Python reads the digits of other scripts, and writes the year 99 with two digits.
    other_digits = f"strlen({value.sql}) <> length({value.sql})"
    early_year = f"regexp_matches({text}, '(?:^|/)0[0-9]{{3}}')"
    call.render_where(f"{other_digits} OR {early_year}")
    day = f"split_part({text}, ' ', 1)"
    made = case(
        (
            f"regexp_matches({text}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:$|[T ])')",
            _compacted(f"substring({text}, 1, 10)", "%Y-%m-%d"),
        ),
        (
            f"regexp_full_match({text}, '[0-9]{{8}}')",
            _compacted(text, "%Y%m%d"),
        ),
        (
            f"regexp_matches({text}, '^[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{4}}(?:$| )')",
            _compacted(day, "%m/%d/%Y"),
        ),
        (
            f"regexp_matches({text}, '^[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{2}}(?:$| )')",
            _compacted(day, "%m/%d/%y"),
        ),
    )
    kind = Kind.TEXT if call.kind == Kind.TEXT else Kind.MIXED
    return ColumnValue(f"coalesce({made}, {value.sql})", kind, value.size)


def _compacted(day: str, layout: str) -> str:
    return f"strftime(TRY_STRPTIME({day}, '{layout}'), '%Y%m%d')"


# -- phones ----------------------------------------------------------------------------------------


def phone_digits(value: Any) -> Any:
    """Return a phone as at most 15 digits, without the leading 1 of North America.

    An extension is left out. A number that a spreadsheet rounded stays as it is: it is no phone.

    Examples
    --------
    >>> phone_digits("+1 (212) 555-0142 ext. 77"), phone_digits("6.1755501E+09")
    ('2125550142', '6.1755501E+09')
    """
    if value is None:
        return None
    if re.fullmatch(ROUNDED_PHONE, str(value).strip()):
        return str(value)[:15]
    base = re.sub(
        r"(?i)\s*[,;]?\s*(?:ext(?:ension)?\.?|x|#)\s*[:.]?\s*[0-9]{1,6}\s*$", "", str(value)
    )
    digits = re.sub(r"[^0-9]", "", base)
    if len(digits) == 11 and digits.startswith("1"):
        digits = digits[1:]
    return digits[:15] or None


def _phone_digits_sql(call: FilterCall) -> Value:
    x, blank = call.text().sql, f"[{PYTHON_BLANKS}]*"  # RE2's own \\s knows ASCII only
    mark = (
        rf"(?i){blank}[,;]?{blank}(?:ext(?:ension)?\.?|x|#){blank}[:.]?{blank}[0-9]{{1,6}}{blank}$"
    )
    digits = f"regexp_replace(regexp_replace({x}, '{mark}', ''), '[^0-9]', '', 'g')"
    made = case(
        (f"regexp_full_match({stripped(x)}, '{ROUNDED_PHONE}')", f"substring({x}, 1, 15)"),
        (f"regexp_full_match({x}, '[02-9][0-9]{{4,14}}')", x),
        (f"strlen({digits}) = 11 AND starts_with({digits}, '1')", f"substring({digits}, 2)"),
        otherwise=f"nullif(substring({digits}, 1, 15), '')",
    )
    return ColumnValue(f"({made})", Kind.TEXT, 15)


CODE_FILTERS: Final = (
    Filter("format_us_zip", format_us_zip, _format_us_zip_sql, reads_at_most=LONGEST_CELL),
    Filter(
        "compact_date",
        compact_date,
        _compact_date_sql,
        aliases=("to_ups_date",),
        reads_at_most=LONGEST_CELL,
    ),
    Filter(
        "phone_digits",
        phone_digits,
        _phone_digits_sql,
        aliases=("to_ups_phone",),
        reads_at_most=LONGEST_CELL,
    ),
)
