"""Code 128: text -> the widths of its bars and spaces.

The symbol values and patterns are those of ISO/IEC 15417.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from shipkit.errors import LabelError

__all__ = ["QUIET_MODULES", "runs", "widths"]

QUIET_MODULES = 10
"""The white margin that a reader needs on both sides, in modules."""

_PATTERNS = tuple(
    """
    212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232
    122132 122231 113222 123122 123221 223211 221132 221231 213212 223112 312131 311222 321122
    321221 312212 322112 322211 212123 212321 232121 111323 131123 131321 112313 132113 132311
    211313 231113 231311 112133 112331 132131 113123 113321 133121 313121 211331 231131 213113
    213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 111422
    121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111
    241112 134111 111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121
    412121 111143 111341 131141 114113 114311 411113 411311 113141 114131 311141 411131 211412
    211214 211232 2331112
    """.split()  # noqa: SIM905 - as a tuple of literals it would fill a page
)

_CODE_B, _CODE_C, _START_B, _START_C, _STOP = 100, 99, 104, 105, 106
_RUNS = re.compile(r"[0-9]{4,}|[^0-9]+|[0-9]{1,3}")


def widths(text: str) -> tuple[int, ...]:
    """Return the widths of bars and spaces of `text` in modules, a bar first and a bar last.

    Runs of digits are packed in pairs (subset C), the rest is subset B.

    Raises
    ------
    LabelError
        `text` is empty or has characters other than printable ASCII.

    Examples
    --------
    >>> len(widths("AB")), sum(widths("AB"))
    (31, 57)
    """
    if not text or not text.isascii() or not text.isprintable():
        raise LabelError(
            f"{text!r} cannot be a Code 128 barcode: it takes printable ASCII.",
            fix="Give the tracking number as the carrier wrote it.",
        )
    symbols = _symbols(text)
    check = (symbols[0] + sum(i * s for i, s in enumerate(symbols))) % 103
    return tuple(int(width) for symbol in (*symbols, check, _STOP) for width in _PATTERNS[symbol])


def runs(text: str) -> Iterator[tuple[str, str]]:
    """Yield (subset, run): runs of four or more digits as pairs in subset C, the rest in B.

    The first digit of an odd run goes into B.

    Examples
    --------
    >>> list(runs("AB12345"))
    [('B', 'AB'), ('B', '1'), ('C', '2345')]
    """
    for run in _RUNS.findall(text):
        odd = len(run) % 2 if run.isdigit() and len(run) >= 4 else len(run)
        if odd:
            yield "B", run[:odd]
        if run[odd:]:
            yield "C", run[odd:]


def _symbols(text: str) -> list[int]:
    symbols: list[int] = []
    subset = ""
    for wanted, run in runs(text):
        if wanted != subset:
            symbols.append(
                (_START_C if wanted == "C" else _START_B)
                if not symbols
                else (_CODE_C if wanted == "C" else _CODE_B)
            )
            subset = wanted
        if wanted == "C":
            symbols += [int(run[i : i + 2]) for i in range(0, len(run), 2)]
        else:
            symbols += [ord(c) - 32 for c in run]
    return symbols
