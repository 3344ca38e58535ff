r"""SQL expressions that read one cell of text: a name, number, weight, date, flag, amount or phone.

Each function takes SQL expressions and returns one, so that DuckDB reads a million cells at its own
speed. Most cells of real files are clean: where cleaning is costly, an expression first tests for
that with one regular expression, and only cleans the others.

What a text means must not depend on the place where it is read. The Python forms of the number
grammar and of the units are in :mod:`shipkit.orders.filters` and :mod:`shipkit.orders.units`, and
tests compare the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from shipkit.common.places import US_DOMAIN
from shipkit.models import minor_units
from shipkit.orders.currencies import fits_sql
from shipkit.orders.heading_text import word_file
from shipkit.orders.units import BLANKS, LENGTHS, WEIGHTS, UnitScale
from shipkit.orders.written_numbers import ROUNDED_PHONE, in_decimals, narrow_sql

__all__ = [
    "GROUPED_NUMBER",
    "LINE_LENGTH",
    "PLAIN_NUMBER",
    "amount_cents",
    "case",
    "choose",
    "code",
    "convert",
    "date",
    "digits_phone",
    "filled",
    "flag",
    "goes_abroad",
    "is_blank",
    "is_number",
    "is_zero",
    "measure",
    "money_cents",
    "money_fraction",
    "number",
    "packaging",
    "quote",
    "quoted_list",
    "residential",
    "stripped",
    "tidy",
    "trimmed",
    "wrapped_lines",
]

LINE_LENGTH: Final = 35
"""Characters that a carrier prints of a name or an address line.

Source: UPS Shipping.yaml, the maxLength of AddressLine and Name.
"""

PLAIN_NUMBER: Final = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
GROUPED_NUMBER: Final = r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?"
"""Numbers as a regular expression that Python and DuckDB (RE2) read alike."""

_STRIPPED: Final = "".join(
    chr(code)
    for code in (
        *range(0x09, 0x0E),
        *range(0x1C, 0x21),
        *(0x85, 0xA0, 0x1680),
        *range(0x2000, 0x200B),
        *(0x2028, 0x2029, 0x202F, 0x205F, 0x3000),
    )
)
"""All characters that Python's ``str.strip`` takes off; DuckDB's ``trim`` takes only spaces."""

_BLANKS: Final = r"[\s\pZ\p{Cc}\x{200B}\x{FEFF}]+"
"""Blanks, control characters, and the invisible ones that web pages and exports leave behind."""


# -- building blocks -------------------------------------------------------------------------------


def quote(text: str | None) -> str:
    """Return `text` as a SQL string literal, ``NULL`` for None."""
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def quoted_list(texts: Iterable[str]) -> str:
    """Return texts as SQL literals with commas between them, as IN (...) takes them."""
    return ", ".join(map(quote, texts))


def case(*branches: tuple[str, str], otherwise: str = "NULL") -> str:
    """Return a CASE of (condition, value) branches, the first that holds first."""
    whens = " ".join(f"WHEN {condition} THEN {value}" for condition, value in branches)
    return f"CASE {whens} ELSE {otherwise} END"


def choose(x: str, values: Mapping[str, str], otherwise: str) -> str:
    """Return a CASE over the text `x`: text -> SQL of the value, `otherwise` for other texts.

    A CASE also where ``IN`` would be shorter: DuckDB turns ``IN`` with many values into a join, and
    its joins do not keep the order of rows.
    """
    if not values:
        return otherwise
    whens = " ".join(f"WHEN {quote(text)} THEN {value}" for text, value in values.items())
    return f"CASE {x} {whens} ELSE {otherwise} END"


def trimmed(x: str) -> str:
    """Return a text without the blanks around a number or a code."""
    return f"trim({x}, '{BLANKS}')"


def stripped(x: str) -> str:
    """Return a text as Python's ``str.strip`` does; a cell that is then empty is blank."""
    return f"trim({x}, {quote(_STRIPPED)})"


def is_blank(x: str) -> str:
    """Return whether a cell of any type is missing or blank.

    A number or a date is not written as text first, which would take half as long as reading it.
    """
    text = f"coalesce({stripped(f'{x}::VARCHAR')}, '') = ''"
    typed = f"typeof({x}) IN ('BIGINT', 'DOUBLE', 'DATE', 'TIMESTAMP', 'BOOLEAN')"
    return f"CASE WHEN {typed} THEN {x} IS NULL ELSE {text} END"


def filled(x: str, default: str) -> str:
    """Return `default` where a text is missing or blank."""
    has_text = f"{stripped(x)} <> ''"
    return f"({case((has_text, x), otherwise=default)})"


# -- texts -----------------------------------------------------------------------------------------


def tidy(x: str) -> str:
    """Return a text with single blanks and no line breaks, null when nothing is left.

    An apostrophe before a digit, which spreadsheets add to keep a text a text, is dropped.
    """
    clean = f"regexp_full_match({x}, '[!-&(-~][!-~]*(?: [!-~]+)*')"
    single = f"trim(regexp_replace({x}, '{_BLANKS}', ' ', 'g'))"
    bare = rf"regexp_replace({single}, '^''([0-9])', '\1')"
    return case((clean, x), otherwise=f"nullif({bare}, '')")


def code(x: str) -> str:
    """Return the text of a code (ZIP, phone) tidied.

    A leading apostrophe and Excel's ``="02134"`` are taken off.
    """
    clean = f"regexp_full_match({x}, '[0-9A-Za-z](?:[!-~]*[0-9A-Za-z])?')"
    single = f"trim(regexp_replace({narrow_sql(x)}, '{_BLANKS}', ' ', 'g'))"
    bare = rf"trim(regexp_replace({single}, '^=?[''\"]|^=([0-9])|\"$', '\1', 'g'))"
    return case((clean, x), otherwise=f"nullif({bare}, '')")


# -- numbers, weights, lengths ---------------------------------------------------------------------


def is_number(x: str) -> str:
    """Return whether a text is a plain number: ``12``, ``.5``, ``1e3``, ``1,234.5``, ``'12``."""
    return rf"regexp_full_match({x}, '\s*''?(?:{PLAIN_NUMBER}|{GROUPED_NUMBER})\s*')"


def is_zero(x: str) -> str:
    r"""Return whether a text is nothing, however it is written: ``0``, ``0.0``, ``-0``, ``0 pcs``.

    A word after it is a unit. ``0x`` and ``0-1`` are codes.
    """
    zero = r"[+\x{2212}-]?(?:0+(?:[.,]0*)?|[.,]0+)(?:[eE][+-]?[0-9]+)?"
    unit = r"(?:\s*(?:\pL{2,}|[^\x00-\x7F])\.?)?"
    matches = f"regexp_full_match({stripped(x)}, '{zero}{unit}')"
    return case((f"contains({x}, '0')", matches), otherwise="false")


def number(x: str) -> str:
    """Return a text as DOUBLE, null when it is not a plain number."""
    digits = f"ltrim(replace({trimmed(x)}, ',', ''), '''')"
    return f"CASE WHEN {is_number(x)} THEN TRY_CAST({digits} AS DOUBLE) END"


def convert(x: str, unit: str) -> str:
    """Return a DOUBLE of `unit` in pounds or inches."""
    scale = WEIGHTS if unit in WEIGHTS.to_base else LENGTHS
    return scale.convert_sql(x, unit)


def measure(x: str, *, weight: bool) -> str:
    """Return a text as pounds (`weight`) or inches.

    The text is a plain number, or one with its unit: ``12 oz``, ``2 lb 3 oz``, ``30cm``,
    ``1 1/2 lb``. Null for any other.
    """
    odd = f"list_transform([{in_decimals(x)}], lambda m: {_plain_measure('m', weight=weight)})[1]"
    plain = _plain_measure(x, weight=weight)
    return case((f"regexp_matches({x}, '[^ -~]|/')", odd), otherwise=plain)


def _plain_measure(x: str, *, weight: bool) -> str:
    """Return a text as pounds or inches, where its number has no fraction and no wide digits."""
    scale = WEIGHTS if weight else LENGTHS
    plain = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
    found = f"TRY_CAST(regexp_extract({x}, '{plain}') AS DOUBLE)"
    branches = [(is_number(x), number(x))]
    branches += [
        (
            rf"regexp_full_match(lower({x}), '\s*{plain}\s*(?:{_words_of(scale, unit)})\.?\s*')",
            scale.convert_sql(found, unit),
        )
        for unit in scale.to_base
    ]
    if weight:
        pounds, ounces = _words_of(scale, "lb"), _words_of(scale, "oz")
        both = rf"^\s*({plain})\s*(?:{pounds})\.?,?\s*({plain})\s*(?:{ounces})\.?\s*$"
        parts = [f"TRY_CAST(regexp_extract(lower({x}), '{both}', {n}) AS DOUBLE)" for n in (1, 2)]
        total = f"{parts[0]} + {scale.convert_sql(parts[1], 'oz')}"
        branches.append((f"regexp_matches(lower({x}), '{both}')", total))
    return case(*branches)


def _words_of(scale: UnitScale, unit: str) -> str:
    return "|".join(word for word, named in scale.words.items() if word and named == unit)


# -- money -----------------------------------------------------------------------------------------


def amount_cents(x: str, places: str = "2") -> str:
    """Return a text amount as whole minor units: ``$1,234.50`` -> 123450.

    Parameters
    ----------
    places
        SQL of the decimals of the currency.
    """
    is_amount, exact = _amount(x)
    cents = f"TRY_CAST(round({exact} * (10 ** {places})::DECIMAL(6, 0)) AS BIGINT)"
    return f"CASE WHEN {is_amount} THEN {cents} END"


def _amount(x: str) -> tuple[str, str]:
    """Return SQL of whether a text is an amount, and of the amount."""
    # A currency is named before or behind the number; currencies are compared in money_cents.
    number = r"^\s*([-+]?)[^-+0-9.,()]*([-+]?[0-9.,''\s]*)[^-+0-9.,()]*$"
    bare = rf"regexp_replace(regexp_replace({x}, '{number}', '\1\2'), '[\s'']', '', 'g')"
    is_amount = (
        f"regexp_full_match({bare}, "
        r"'-?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]*)?|-?\.[0-9]+')"
    )
    # DECIMAL and not DOUBLE: 1.005 as DOUBLE lies below the half and would lose a cent.
    return is_amount, f"TRY_CAST(replace({bare}, ',', '') AS DECIMAL(24, 6))"


_NO_DECIMALS: Final = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"),
    *("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"),
)
_THREE_DECIMALS: Final = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")


def money_cents(x: str, currency: str) -> str:
    """Return a text as minor units of the currency that the SQL `currency` gives.

    An amount that names another currency is null: no rate of exchange is known here.
    """
    return f"CASE WHEN {fits_sql(x, currency)} THEN {amount_cents(x, _places(currency))} END"


def _places(currency: str) -> str:
    """Return SQL of how many decimals a currency has."""
    others = (*_NO_DECIMALS, *_THREE_DECIMALS)
    return choose(currency, {name: str(minor_units(name)) for name in others}, "2")


def money_fraction(x: str, currency: str, pieces: str = "1") -> str:
    """Return an amount with fractions of a minor unit as text, null where it has none.

    Screws at 0.125 dollars, or three pieces for 10 dollars, have no whole number of cents each.
    Up to six decimals are kept, which is what carriers take on a customs invoice.

    Parameters
    ----------
    pieces
        SQL of the number of pieces that the amount is for.
    """
    is_amount, exact = _amount(x)
    each = f"CAST({exact} / ({pieces}) AS DECIMAL(24, 6))"
    minor = f"{each} * (10 ** {_places(currency)})::DECIMAL(6, 0)"
    return f"""CASE
        WHEN {fits_sql(x, currency)} AND {is_amount} AND {minor} <> round({minor})
        THEN rtrim(CAST({each} AS VARCHAR), '0')
    END"""


# -- dates, flags, packaging -----------------------------------------------------------------------


_TIME: Final = "(?:[T ](?:[0-9]{1,2}:.*|[^0-9]*))?$"
"""What may follow a day: its time, and no second day."""


def date(x: str) -> str:
    """Return a text as DATE, null when it is none.

    Read are ``2026-11-02`` (with or without a time), ``20261102``, ``11/02/2026`` and ``11/2/26``
    (month first), ``Nov 2, 2026`` and ``2 November 2026``. A year before 1000 is a typing error,
    and Python has no year 0.
    """
    day = f"split_part({x}, ' ', 1)"
    spelled = "['%b %d, %Y', '%b-%d-%Y', '%d %b %Y', '%B %d, %Y', '%d %B %Y']"
    return case(
        (
            f"regexp_matches({x}, '^[1-9][0-9]{{3}}-[0-9]{{2}}-[0-9]{{2}}{_TIME}')",
            f"TRY_CAST({x}[:10] AS DATE)",
        ),
        (
            f"regexp_full_match({x}, '[1-9][0-9]{{7}}')",
            f"TRY_STRPTIME({x}, '%Y%m%d')::DATE",
        ),
        (
            f"regexp_matches({x}, '^[0-9]{{1,2}}/[0-9]{{1,2}}/[1-9][0-9]{{3}}{_TIME}')",
            f"TRY_STRPTIME({day}, '%m/%d/%Y')::DATE",
        ),
        (
            f"regexp_matches({x}, '^[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{2}}{_TIME}')",
            f"TRY_STRPTIME({day}, '%m/%d/%y')::DATE",
        ),
        (
            f"regexp_matches({x}, '[1-9][0-9]{{3}}')",
            f"TRY_STRPTIME({x}, {spelled})::DATE",
        ),
    )


def flag(x: str, yes: Sequence[str] = (), no: Sequence[str] = ()) -> str:
    """Return a text as BOOLEAN: yes/no, true/false, Y/N, 1/0 and the words given, else null."""
    values = word_file("values")
    words = {"true": (*yes, *values["yes"]), "false": (*no, *values["no"])}
    meanings = {word: flag for flag, group in words.items() for word in group}
    return choose(f"lower(trim({x}))", meanings, "NULL")


def residential(x: str) -> str:
    """Return a text as the residential flag."""
    words = word_file("values")["residential"]
    return flag(x, words["home"], words["business"])


_OWN_PACKAGING: Final = (
    "",
    "package",
    "parcel",
    "box",
    "own",
    "your packaging",
    "your_packaging",
    "customer packaging",
    "customer supplied package",
    "customer_supplied_package",
)


def packaging(x: str) -> str:
    """Return a text as the name of a packaging; the shipper's own box is ``package``."""
    key = f"lower(trim({x}))"
    own = dict.fromkeys((*_OWN_PACKAGING, *word_file("options")["nothing"]), "'package'")
    named = choose(key, own, f"replace({key}, ' ', '_')")
    return case((f"{x} IS NULL", "'package'"), otherwise=named)


# -- phones and address lines ----------------------------------------------------------------------


def digits_phone(x: str, american: str) -> str:
    """Return a phone as digits, with ``x77`` behind it for an extension.

    Where the SQL `american` holds, ten digits (a leading 1 dropped), else null; elsewhere 5 to 15
    digits, a ``+`` kept.
    """
    mark = r"(?i)\s*[,;]?\s*(?:ext(?:ension)?\.?|x|#)\s*[:.]?\s*([0-9]{1,6})\s*$"
    extension = f"regexp_extract({x}, '{mark}', 1)"
    # A program made a decimal of it: 6175550100.0.
    base = f"regexp_replace(regexp_replace({x}, '{mark}', ''), '^([0-9]{{7,15}})[.]0+$', '\\1')"
    digits = f"regexp_replace({base}, '[^0-9]', '', 'g')"
    ten_digits = case(
        (f"strlen({digits}) = 11 AND starts_with({digits}, '1')", f"{digits}[2:]"),
        (f"strlen({digits}) = 10", digits),
    )
    plus = case((f"starts_with({base}, '+')", "'+'"), otherwise="''")
    abroad = case((f"strlen({digits}) BETWEEN 5 AND 15", f"{plus} || {digits}"))
    tail = case((f"{extension} <> ''", f"'x' || {extension}"), otherwise="''")
    repaired = f"({case((american, ten_digits), otherwise=abroad)}) || {tail}"
    return case(
        (f"regexp_full_match({x}, '[2-9][0-9]{{9}}')", x),
        # Rounded: its digits are those of another phone.
        (f"regexp_full_match({stripped(x)}, '{ROUNDED_PHONE}')", "NULL"),
        otherwise=repaired,
    )


def wrapped_lines(x: str, length: int = LINE_LENGTH) -> str:
    """Return an address line as a list of lines of at most `length` characters, broken at words.

    A line with a word that is longer stays as it is.
    """
    pieces = f"regexp_extract_all({x}, '(?s)(.{{1,{length}}})(?: |$)', 1)"
    # Of a word that is longer than a line only the end is found: the pieces count when they have
    # all characters of the line but the blanks at the breaks.
    complete = f"array_to_string({pieces}, ' ') = {x}"
    return case(
        (f"{x} IS NULL", "[]"),
        (f"length({x}) <= {length}", f"[{x}]"),
        (complete, pieces),
        otherwise=f"[{x}]",
    )


def goes_abroad(origin: str, destination: str) -> str:
    """Return SQL of whether two countries are not one for shipping; those of US mail are."""
    us = quoted_list(US_DOMAIN)
    return f"({origin} <> {destination} AND NOT ({origin} IN ({us}) AND {destination} IN ({us})))"
