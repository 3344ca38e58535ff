r"""SQL expressions that read one text cell: tidy text, numbers, weights, dates, flags, amounts, phones, address lines.

Each function takes a SQL expression and returns a SQL expression, so that a million cells cost
what DuckDB asks. Most cells are clean: every expression first tests for that cheaply and only then
repairs. The grammar of numbers and the factors of units are also in :mod:`shipkit.orders.filters`
for templates; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from shipkit.models import minor_units

__all__ = [
    "LINE_LENGTH",
    "TO_INCHES",
    "TO_POUNDS",
    "amount_cents",
    "choose",
    "code",
    "convert",
    "date",
    "digits_phone",
    "filled",
    "flag",
    "is_number",
    "measure",
    "money_cents",
    "number",
    "packaging",
    "quote",
    "residential",
    "stripped",
    "tidy",
    "wrapped_lines",
]

LINE_LENGTH = 35
"""Characters that a carrier prints of a name or an address line (UPS Shipping.yaml, AddressLine and Name)."""

TO_POUNDS = {"lb": None, "oz": "/ 16.0", "kg": "/ 0.45359237", "g": "/ 453.59237"}
TO_INCHES = {"in": None, "cm": "/ 2.54", "mm": "/ 25.4", "m": "/ 0.0254", "ft": "* 12.0"}
"""Unit -> what to do with a number in it; None: it is that unit already."""

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_GROUPED = r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?"
_OUTER = "".join(
    map(
        chr,
        (
            *range(9, 14),
            *range(28, 33),
            0x85,
            0xA0,
            0x1680,
            *range(0x2000, 0x200B),
            0x2028,
            0x2029,
            0x202F,
            0x205F,
            0x3000,
        ),
    )
)
_BLANKS = r"[\s\pZ\p{Cc}\x{200B}\x{FEFF}]+"


def quote(text: str | None) -> str:
    """Return `text` as a SQL string literal."""
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def stripped(x: str) -> str:
    """Take the blanks at both ends of a text off, all that Python's ``str.strip`` takes: a cell that this leaves empty is blank."""
    return f"trim({x}, {quote(_OUTER)})"


def filled(x: str, default: str) -> str:
    """Put `default` where a text is missing or blank."""
    return f"(CASE WHEN {stripped(x)} <> '' THEN {x} ELSE {default} END)"


def tidy(x: str) -> str:
    """Give text single blanks and no line breaks, null when empty. An apostrophe before a digit, which spreadsheets add, is dropped."""
    clean = rf"regexp_full_match({x}, '[!-&(-~][!-~]*(?: [!-~]+)*')"
    single = rf"trim(regexp_replace({x}, '{_BLANKS}', ' ', 'g'))"
    return (
        rf"CASE WHEN {clean} THEN {x} ELSE nullif(regexp_replace({single}, '^''([0-9])', '\1'), "
        r"'') END"
    )


def code(x: str) -> str:
    """Clean the text of a code (ZIP, phone): tidy, without a leading apostrophe and without Excel's ``="..."``."""
    clean = rf"regexp_full_match({x}, '[0-9A-Za-z](?:[!-~]*[0-9A-Za-z])?')"
    single = rf"trim(regexp_replace({x}, '{_BLANKS}', ' ', 'g'))"
    return (
        rf"CASE WHEN {clean} THEN {x} ELSE nullif(trim(regexp_replace({single}, '^=?[''\"]?|\"$', "
        r"'', 'g')), '') END"
    )


def is_number(x: str) -> str:
    """Tell whether a text is a plain number: ``12``, ``.5``, ``1e3``, ``1,234.5``, an apostrophe before it allowed."""
    return rf"regexp_full_match({x}, '\s*''?(?:{_NUMBER}|{_GROUPED})\s*')"


def number(x: str) -> str:
    """Read a text as DOUBLE; null when it is not a plain number."""
    return (
        f"CASE WHEN {is_number(x)} THEN TRY_CAST(ltrim(replace(trim({x}, ' \t\r\n\f'), ',', ''), "
        "'''') AS DOUBLE) END"
    )


def convert(x: str, unit: str) -> str:
    """Turn a DOUBLE in `unit` into pounds or inches."""
    step = {**TO_POUNDS, **TO_INCHES}[unit]
    return f"({x} {step})" if step else x


_WEIGHTS = (
    ("oz|ounces?", "oz"),
    ("lbs?|pounds?", "lb"),
    ("kgs?|kilos?|kilograms?", "kg"),
    ("g|grams?", "g"),
)
_LENGTHS = (
    ('in|inch|inches|"', "in"),
    ("cm|centimet(?:er|re)s?", "cm"),
    ("mm|millimet(?:er|re)s?", "mm"),
    ("ft|feet|foot", "ft"),
    ("m|met(?:er|re)s?", "m"),
)


def measure(x: str, *, weight: bool) -> str:
    """Read a text as pounds (`weight`) or inches: a plain number, or one with its unit (``12 oz``, ``2 lb 3 oz``, ``30cm``)."""
    cases = [f"WHEN {is_number(x)} THEN {number(x)}"]
    plain = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
    for words, unit in _WEIGHTS if weight else _LENGTHS:
        found = f"TRY_CAST(regexp_extract({x}, '{plain}') AS DOUBLE)"
        cases.append(
            rf"WHEN regexp_full_match(lower({x}), '\s*{plain}\s*(?:{words})\.?\s*') THEN "
            rf"{convert(found, unit)}"
        )
    if weight:
        both = rf"^\s*({plain})\s*(?:lbs?|pounds?)\.?,?\s*({plain})\s*(?:oz|ounces?)\.?\s*$"
        pounds, ounces = (
            f"TRY_CAST(regexp_extract(lower({x}), '{both}', {n}) AS DOUBLE)" for n in (1, 2)
        )
        cases.append(f"WHEN regexp_matches(lower({x}), '{both}') THEN {pounds} + {ounces} / 16.0")
    return f"CASE {' '.join(cases)} END"


def amount_cents(x: str, places: str = "2") -> str:
    """Read a text amount as whole minor units: ``$1,234.50`` -> 123450. `places` is a SQL expression: decimals of the currency."""
    bare = rf"regexp_replace({x}, '[\s''$€£¥]|[A-Z]{{3}}', '', 'g')"
    return (
        rf"CASE WHEN regexp_full_match({bare}, "
        r"'-?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]*)?|-?\.[0-9]+') "
        rf"THEN TRY_CAST(round(TRY_CAST(replace({bare}, ',', '') AS DECIMAL(24, 6)) * (10 ** "
        rf"{places})::DECIMAL(6, 0)) AS BIGINT) END"
    )


_OTHER_PLACES: Final = (
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "ISK",
    "JPY",
    "KMF",
    "KRW",
    "PYG",
    "RWF",
    "UGX",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
    "BHD",
    "IQD",
    "JOD",
    "KWD",
    "LYD",
    "OMR",
    "TND",
)


def money_cents(x: str, currency: str) -> str:
    """Read a text as minor units of the currency in the expression `currency`."""
    places = choose(currency, {name: str(minor_units(name)) for name in _OTHER_PLACES}, "2")
    return f"CASE WHEN {x} IS NOT NULL THEN {amount_cents(x, places)} END"


def date(x: str) -> str:
    """Read a text as DATE: ``2026-11-02`` (with or without a time), ``20261102``, ``11/02/2026`` and ``11/2/26`` (month first), ``Nov 2, 2026``."""
    return (
        rf"CASE WHEN regexp_matches({x}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:$|[T ])') THEN "
        rf"TRY_CAST({x}[:10] AS DATE) "
        rf"WHEN regexp_full_match({x}, '[0-9]{{8}}') THEN TRY_STRPTIME({x}, '%Y%m%d')::DATE "
        rf"WHEN regexp_matches({x}, '^[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{4}}(?:$| )') THEN "
        rf"TRY_STRPTIME(split_part({x}, ' ', 1), '%m/%d/%Y')::DATE "
        rf"WHEN regexp_matches({x}, '^[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{2}}(?:$| )') THEN "
        rf"TRY_STRPTIME(split_part({x}, ' ', 1), '%m/%d/%y')::DATE "
        rf"ELSE TRY_STRPTIME({x}, ['%b %d, %Y', '%b-%d-%Y', '%d %b %Y', '%B %d, %Y', '%d %B "
        r"%Y'])::DATE END"
    )


_YES = ("yes", "y", "true", "t", "1", "1.0", "x", "on")
_NO = ("no", "n", "false", "f", "0", "0.0", "off")


def flag(x: str, yes: Sequence[str] = (), no: Sequence[str] = ()) -> str:
    """Read a text as BOOLEAN: yes/no, true/false, Y/N, 1/0, and the words given; null when it is none of these."""
    return choose(
        f"lower(trim({x}))",
        {**dict.fromkeys((*_YES, *yes), "true"), **dict.fromkeys((*_NO, *no), "false")},
        "NULL",
    )


def residential(x: str) -> str:
    """Read a text as the residential flag."""
    return flag(
        x,
        ("residential", "res", "r", "home", "house"),
        ("commercial", "business", "com", "c", "b", "office"),
    )


def packaging(x: str) -> str:
    """Read a text as the name of a packaging; an own box is ``package``."""
    own = (
        "package",
        "your packaging",
        "customer supplied package",
        "customer packaging",
        "own",
        "box",
        "parcel",
        "your_packaging",
        "customer_supplied_package",
        "",
    )
    key = f"lower(trim({x}))"
    return (
        f"CASE WHEN {x} IS NULL THEN 'package' ELSE "
        f"{choose(key, dict.fromkeys(own, quote('package')), f'replace({key}, {quote(chr(32))}, {quote(chr(95))})')} "
        "END"
    )


def choose(x: str, cases: Mapping[str, str], otherwise: str) -> str:
    """Choose by text with a CASE: ``IN`` with many values becomes a join in DuckDB, and joins do not keep the order of rows."""
    return (
        (
            f"CASE {x} "
            f"{' '.join(f'WHEN {quote(text)} THEN {then}' for text, then in cases.items())} ELSE "
            f"{otherwise} END"
        )
        if cases
        else otherwise
    )


def digits_phone(x: str, american: str) -> str:
    """Reduce a phone to digits: ten in the US and Canada (a leading 1 dropped), ``+`` kept elsewhere; ``x77`` behind it for an extension.

    Null when `american` holds and there are not ten digits.
    """
    mark = r"(?i)\s*[,;]?\s*(?:ext(?:ension)?\.?|x|#)\s*[:.]?\s*([0-9]{1,6})\s*$"
    extension = f"regexp_extract({x}, '{mark}', 1)"
    base = f"regexp_replace({x}, '{mark}', '')"
    digits = f"regexp_replace({base}, '[^0-9]', '', 'g')"
    ten = (
        f"CASE WHEN strlen({digits}) = 11 AND starts_with({digits}, '1') THEN {digits}[2:] WHEN "
        f"strlen({digits}) = 10 THEN {digits} END"
    )
    abroad = (
        f"CASE WHEN strlen({digits}) BETWEEN 5 AND 15 THEN CASE WHEN starts_with({base}, '+') "
        f"THEN '+' ELSE '' END || {digits} END"
    )
    tail = f"CASE WHEN {extension} <> '' THEN 'x' || {extension} ELSE '' END"
    return (
        f"CASE WHEN regexp_full_match({x}, '[2-9][0-9]{{9}}') THEN {x} ELSE (CASE WHEN {american} "
        f"THEN {ten} ELSE {abroad} END) || {tail} END"
    )


def wrapped_lines(lines: Sequence[str]) -> str:
    """Break address lines into a list of lines of at most 35 characters, broken at words; an element is longer only when a word is."""
    return f"list_concat({', '.join(_wrapped(line) for line in lines)})"


def _wrapped(x: str) -> str:
    step = rf"^(.{{1,{LINE_LENGTH}}})(?: (.*))?$"
    parts, rest = [], x
    for _ in range(3):
        parts.append(f"regexp_extract({rest}, '{step}', 1)")
        rest = f"regexp_extract({rest}, '{step}', 2)"
    pieces = f"list_filter([{', '.join(parts)}, {rest}], lambda p: p <> '')"
    # nothing was lost to a word without a break
    whole = f"len(array_to_string({pieces}, '')) + len({pieces}) - 1 = length({x})"
    return (
        f"CASE WHEN {x} IS NULL THEN [] WHEN length({x}) <= {LINE_LENGTH} THEN [{x}] WHEN {whole} "
        f"THEN {pieces} ELSE [{x}] END"
    )
