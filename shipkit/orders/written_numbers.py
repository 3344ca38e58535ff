"""Numbers as people and programs write them: with fractions, in wide digits, rounded.

"1 1/2 lb", "1½" and "１２" are read as 1.5 lb, 1.5 and 12, in Python and in SQL.
"""

from __future__ import annotations

from typing import Final

__all__ = ["FRACTION", "ROUNDED", "ROUNDED_PHONE", "VULGAR", "in_decimals", "narrow", "narrow_sql"]

VULGAR: Final = {
    "½": "1/2",
    "¼": "1/4",
    "¾": "3/4",
    "⅓": "1/3",
    "⅔": "2/3",
    "⅛": "1/8",
    "⅜": "3/8",
    "⅝": "5/8",
    "⅞": "7/8",
}
"""Signs of fractions, as they are written with a slash."""

_WIDE: Final = "".join(
    map(chr, (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B)))
)
_NARROW: Final = "".join(map(chr, (*range(0x30, 0x3A), *range(0x41, 0x5B), *range(0x61, 0x7B))))
_SIGNS: Final = {"．": ".", "，": ",", "／": "/", "⁄": "/", "∕": "/", "＋": "+", "　": " "}
_DASHES: Final = "－‐‑‒–—―−ー"
"""The last is the sign of a long vowel, which Japanese keyboards write for a dash."""
_WRITTEN: Final = _WIDE + "".join(_SIGNS) + _DASHES
_READ: Final = _NARROW + "".join(_SIGNS.values()) + "-" * len(_DASHES)
_TABLE: Final = str.maketrans(_WRITTEN, _READ)

ROUNDED: Final = "[+-]?[0-9]+(?:[.,][0-9]+ ?[eE][+-]?|[.,]? ?[eE][+])[0-9]{1,3}"
"""A whole text that is a number which a spreadsheet or a program rounded: "6.1755501E+09".

It has decimals or a plus: "1E5" and "12E-5" are also order numbers, and "12 E 500" is a street of
Utah. Python and DuckDB (RE2) read the pattern alike.
"""

ROUNDED_PHONE: Final = "[+-]?[0-9]+[.,]?[0-9]* *[eE] *[+-]?[0-9]{1,3}"
"""The same of a phone: no phone has an E between digits, so one without decimals is rounded."""

FRACTION: Final = r"[0-9]{1,2} ?/ ?(?:2|3|4|5|6|8|10|12|16|32|64)"
"""A fraction as rulers and kitchen scales have it: "5/8", and not "5/7" or a date."""

_BEFORE: Final = r"|[+-]|.*?[^0-9.,/ -]\s*"
_JOINED: Final = r"\s+|\s*-\s*|\s+and\s+|\s*&\s*"
_WITH_FRACTION: Final = (
    rf"^({_BEFORE})(?:([0-9]{{1,6}})(?:{_JOINED}))?"
    r"([0-9]{1,2}) ?/ ?(2|3|4|5|6|8|10|12|16|32|64)(|[^0-9/.,].*)$"
)
"""Groups: what is before, the whole number, the two parts of the fraction, what is behind."""


def narrow(text: str) -> str:
    """Return a number or code in the digits, letters and dashes of ASCII.

    Examples
    --------
    >>> narrow("１５０－０００１"), narrow("１２．５ ㎏")
    ('150-0001', '12.5 ㎏')
    """
    return text if text.isascii() else text.translate(_TABLE)


def narrow_sql(x: str) -> str:
    """Return SQL of what :func:`narrow` returns."""
    return f"translate({x}, '{_WRITTEN}', '{_READ}')"


def in_decimals(x: str) -> str:
    """Return SQL of a text whose number has no fraction and no wide digits: "1 1/2 lb" is "1.5 lb".

    A third is 0.333333. A text with no such number is as it was.
    """
    plain = narrow_sql(x)
    for sign, written in VULGAR.items():
        plain = f"replace({plain}, '{sign}', ' {written}')"
    before, whole, above, below, behind = (
        f"regexp_extract(t, '{_WITH_FRACTION}', {group})" for group in range(1, 6)
    )
    part = f"{above}::DOUBLE / {below}::DOUBLE"
    value = f"round(coalesce(TRY_CAST({whole} AS DOUBLE), 0) + {part}, 6)::VARCHAR"
    has = f"regexp_matches(t, '{_WITH_FRACTION}')"
    fits = f"CASE WHEN {has} THEN {above}::INTEGER < {below}::INTEGER ELSE false END"
    written_out = f"CASE WHEN {fits} THEN {before} || {value} || {behind} ELSE t END"
    return (
        f"CASE WHEN regexp_matches({x}, '[^ -~]|/') "
        f"THEN list_transform([trim({plain})], lambda t: {written_out})[1] ELSE {x} END"
    )
