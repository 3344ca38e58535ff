r"""The filters of templates once more, as SQL over a whole column: each says for every text what the Python filter says.

A twin takes SQL of a text that is not a flag (``str()`` of the cell) and returns SQL. Where only
Python can tell, as with the capital of ``ß``, there is a second function ``odd_...`` whose SQL is
true of such texts: those rows are rendered one by one. Tests hold every twin to its filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shipkit.common.places import state_codes, zip3_states
from shipkit.models import SERVICE_ALIASES, UPS_SERVICE_CODES
from shipkit.orders.expressions import choose, is_number, number, quote, stripped

__all__ = [
    "converted",
    "odd_case",
    "odd_date",
    "odd_double",
    "odd_number",
    "padded_zip",
    "rounded",
    "rounded_number",
    "service_code",
    "split_name",
    "translated",
    "trimmed",
    "truncated",
    "unit_key",
    "ups_date",
    "ups_phone",
]

_BLANK: Final = "' \t\r\n\f'"
_SPACE: Final = (
    r"\t-\r\x1c- \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
)
_CASED: Final = r"\x00-\x{DE}\x{E0}-\x{12F}\x{131}-\x{148}\x{14A}-\x{17F}\x{400}-\x{52F}\x{2000}-\x{206F}\x{20A0}-\x{20BF}\x{2122}\x{3000}-\x{D7FF}"
"""Letters whose other case Python and DuckDB agree on, one for one; without ß, İ, ŉ, and Greek, where the case of a letter depends on its neighbours."""


def odd_case(x: str) -> str:
    """Tell whether a text has letters whose other case is not certain."""
    return f"strlen({x}) <> length({x}) AND NOT regexp_full_match({x}, '[{_CASED}]*')"


def trimmed(x: str) -> str:
    """Take off the blanks that the filters for codes and numbers take off."""
    return f"trim({x}, {_BLANK})"


def _words(x: str) -> str:
    """Put single blanks between the words of a text."""
    return (
        f"CASE WHEN regexp_full_match({x}, '[!-~]+(?: [!-~]+)*') THEN {x} ELSE "
        f"trim(regexp_replace({x}, '[{_SPACE}]+', ' ', 'g')) END"
    )


def truncated(x: str, length: int) -> str:
    """Cut to `length` characters, at a word where one ends within them."""
    text = _words(x)
    head = f"substring({text}, 1, {length + 1})"
    return (
        f"CASE WHEN {x} IS NULL OR length({x}) <= {length} THEN {text} WHEN length({text}) <= "
        f"{length} THEN {text} WHEN contains({head}, ' ') THEN regexp_replace({head}, ' [^ ]*$', "
        f"'') ELSE substring({text}, 1, {length}) END"
    )


def split_name(x: str, part: str) -> str:
    """Give the first word of a name, or what follows it."""
    words = _words(x)
    return (
        f"split_part({words}, ' ', 1)"
        if part == "first"
        else (
            f"CASE WHEN contains({words}, ' ') THEN substring({words}, position(' ' IN {words}) + "
            f"1) ELSE substring({words}, 1, 0) END"
        )
    )


# -- places ----------------------------------------------------------------------------------------


_HOME: Final = ("", "us", "usa", "united states", "united states of america", "pr", "puerto rico")


def _place_key(x: str) -> str:
    return (
        f"regexp_replace(lower({stripped(f'replace({x}, {quote(chr(46))}, {quote(str())})')}), ' "
        "+', ' ', 'g')"
    )


def padded_zip(x: str, country: str | None = None, state: str | None = None) -> str:
    """Write a US ZIP with the zeros that a spreadsheet took, or with the dash of a ZIP+4; other texts as they are."""
    bare = rf"regexp_replace(regexp_replace({trimmed(x)}, '^''', ''), '\.0+$', '')"
    padded = f"lpad({bare}, CASE WHEN contains({bare}, '-') THEN 10 ELSE 5 END, '0')"
    dashed = rf"regexp_replace({bare}, '^([0-9]{{5}})[ -]*([0-9]{{4}})$', '\1-\2')"
    short = f"regexp_full_match({bare}, '[0-9]{{3,4}}(?:-[0-9]{{4}})?')"
    clean = f"regexp_full_match({x}, '[0-9]{{5}}(?:-[0-9]{{4}})?')"
    abroad = (
        (
            f"WHEN {country} <> 'US' AND "
            f"{choose(_place_key(country), dict.fromkeys(_HOME, 'false'), 'true')} THEN {x}"
        )
        if country is not None
        else ""
    )
    return (
        f"CASE WHEN {clean} THEN {x} {abroad} WHEN {short} THEN CASE WHEN {_fits(padded, state)} "
        f"THEN {padded} ELSE {bare} END ELSE {dashed} END"
    )


def _fits(padded: str, state: str | None) -> str:
    """Tell whether a ZIP that begins with a zero is one of the state's, or of any."""
    low = {zip3: states.split() for zip3, states in zip3_states().items() if zip3.startswith("0")}
    prefix = f"substring({padded}, 1, 3)"
    known = f"contains({quote(' '.join(zip3 for zip3, states in low.items() if states))}, {prefix})"
    if state is None:
        return known
    codes = {
        name: quote(code) for (country, name), code in state_codes().items() if country == "US"
    }
    pairs = quote(" ".join(code + zip3 for zip3, states in low.items() for code in states))
    of_state = (
        f"coalesce(contains({pairs}, {choose(_place_key(state), codes, 'NULL')} || {prefix}), "
        "false)"
    )
    return f"CASE WHEN coalesce({stripped(state)}, '') = '' THEN {known} ELSE {of_state} END"


# -- numbers ---------------------------------------------------------------------------------------


def odd_number(x: str) -> str:
    """Tell whether a text may be a number that is so large, so small or so far below nothing that its digits depend on who writes them."""
    return (
        f"strlen({x}) > 20 OR contains({x}, '-') OR contains({x}, 'e') OR contains({x}, 'E') OR "
        f"contains({x}, '.0000')"
    )


def rounded(x: str, places: int) -> str:
    """Round a number half up, as it is written, never to nothing; other texts stay."""
    return (
        f"CASE WHEN {is_number(x)} THEN ({rounded_number(number(x), places)})::VARCHAR ELSE {x} END"
    )


def odd_double(n: str) -> str:
    """Tell the same of a DOUBLE or BIGINT."""
    return f"NOT ({n} BETWEEN 0.0001 AND 1e15 OR ({n} = 0 AND NOT signbit({n}::DOUBLE)))"


def rounded_number(n: str, places: int) -> str:
    """Round a DOUBLE half up, as it is written, never to nothing: by arithmetic where no half is near, else digit by digit."""
    factor = f"{10**places}::DOUBLE"
    exact = f"({n})::VARCHAR::DECIMAL(38, {places})"
    digits = (
        f"CASE WHEN ({n}) > 0 AND {exact} = 0 THEN 1 / {factor} ELSE {exact}::VARCHAR::DOUBLE END"
    )
    return (
        f"CASE WHEN ({n}) * {factor} BETWEEN 0.6 AND 1e9 AND abs(({n}) * {factor} - floor(({n}) * "
        f"{factor}) - 0.5) > 1e-6 THEN round(({n}) * {factor}) / {factor} ELSE {digits} END"
    )


def unit_key(x: str) -> str:
    """Give what two spellings of a unit have in common."""
    return f"rtrim(lower(trim(coalesce({x}, ''), {_BLANK})), '.')"


def converted(x: str, step: str | None) -> str:
    """Apply the arithmetic `step` (SQL behind a DOUBLE; None: an unknown unit leaves the text) to a number; other texts stay."""
    return (
        f"CASE WHEN {is_number(x)} THEN (({number(x)}){step})::VARCHAR ELSE {x} END"
        if step is not None
        else x
    )


# -- words -----------------------------------------------------------------------------------------


def translated(x: str, table: Mapping[str, str], otherwise: str) -> str:
    """Choose by a text, case and outer blanks not minded: key -> SQL."""
    return choose(f"lower({trimmed(x)})", table, otherwise)


def service_code(x: str, otherwise: str) -> str:
    """Give UPS's code of a service."""
    key = f"regexp_replace(regexp_replace(lower({x}), '[^a-z0-9]', '', 'g'), '^ups', '')"
    return choose(
        key,
        {alias: quote(UPS_SERVICE_CODES[service]) for alias, service in SERVICE_ALIASES.items()},
        otherwise,
    )


def odd_date(x: str) -> str:
    """Tell whether a text may be a date with digits of another script, or of a year before 1000."""
    return f"strlen({x}) <> length({x}) OR regexp_matches({trimmed(x)}, '(?:^|/)0[0-9]{{3}}')"


def ups_date(x: str) -> str:
    """Write a date as YYYYMMDD; a text that is none stays."""
    text = trimmed(x)
    forms = (
        (
            f"regexp_matches({text}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:$|[T ])')",
            f"substring({text}, 1, 10)",
            "%Y-%m-%d",
        ),
        (f"regexp_full_match({text}, '[0-9]{{8}}')", text, "%Y%m%d"),
        (
            f"regexp_matches({text}, '^[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{4}}(?:$| )')",
            f"split_part({text}, ' ', 1)",
            "%m/%d/%Y",
        ),
        (
            f"regexp_matches({text}, '^[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{2}}(?:$| )')",
            f"split_part({text}, ' ', 1)",
            "%m/%d/%y",
        ),
    )
    cases = " ".join(
        f"WHEN {test} THEN strftime(TRY_STRPTIME({part}, '{layout}'), '%Y%m%d')"
        for test, part, layout in forms
    )
    return f"coalesce(CASE {cases} END, {x})"


def ups_phone(x: str) -> str:
    """Give the digits of a phone without the leading 1 of North America, at most 15, the extension left off."""
    blank = f"[{_SPACE}]*"
    mark = (
        rf"(?i){blank}[,;]?{blank}(?:ext(?:ension)?\.?|x|#){blank}[:.]?{blank}[0-9]{{1,6}}{blank}$"
    )
    digits = f"regexp_replace(regexp_replace({x}, '{mark}', ''), '[^0-9]', '', 'g')"
    return (
        f"CASE WHEN regexp_full_match({x}, '[02-9][0-9]{{4,14}}') THEN {x} WHEN strlen({digits}) "
        f"= 11 AND starts_with({digits}, '1') THEN substring({digits}, 2) "
        f"ELSE nullif(substring({digits}, 1, 15), '') END"
    )
