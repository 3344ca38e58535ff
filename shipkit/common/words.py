"""Numbers and money in sentences: plurals, lists of rows, totals, and texts aligned in columns.

Everything here is for people. What a program reads (JSON, frames) has plain numbers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `shipkit --help` uses this module and must not load the models
    from shipkit.models import Money

__all__ = [
    "aligned",
    "counted",
    "display_width",
    "listed",
    "padded",
    "plural",
    "row_list",
    "total_text",
    "without_accents",
]


_LETTERS = str.maketrans(
    {
        "ł": "l",
        "Ł": "L",
        "ø": "o",
        "Ø": "O",
        "đ": "d",
        "Đ": "D",
        "æ": "ae",
        "Æ": "AE",
        "œ": "oe",
        "ı": "i",
        "ß": "ss",
    }
)
"""Letters that do not decompose into a plain one and an accent."""


def without_accents(text: str) -> str:
    """Return a text with plain Latin letters. Other scripts keep their marks: "ダ" is not "タ".

    Examples
    --------
    >>> without_accents("Zurück, nieopłacone, Ærø, キャンセル")
    'Zuruck, nieoplacone, AEro, キャンセル'
    """
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    bare = "".join(mark for mark in plain if not "\u0300" <= mark <= "\u036f")
    return unicodedata.normalize("NFKC", bare)


def plural(number: int, noun: str, many: str | None = None) -> str:
    """Return `noun` as it is written after `number`: with an "s" unless the number is 1.

    Parameters
    ----------
    many
        The plural where it is not the noun and an "s".

    Examples
    --------
    >>> plural(1, "row"), plural(0, "row"), plural(2, "has", "have")
    ('row', 'rows', 'have')
    """
    return noun if number == 1 else many or f"{noun}s"


def counted(number: int, noun: str, many: str | None = None) -> str:
    """Return a number and its noun.

    Examples
    --------
    >>> counted(1, "label"), counted(2000, "label"), counted(3, "address", "addresses")
    ('1 label', '2,000 labels', '3 addresses')
    """
    return f"{number:,} {plural(number, noun, many)}"


def listed(items: Sequence[object], most: int = 5) -> str:
    """Return the first `most` items and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    rest = len(items) - most
    return ", ".join(map(str, items[:most])) + (f" and {rest:,} more" if rest > 0 else "")


def row_list(rows: Sequence[int], most: int = 5) -> str:
    """Return row numbers as a message names them.

    Examples
    --------
    >>> row_list([4]), row_list([1, 2, 3], most=2)
    ('row 4', 'rows 1, 2 and 1 more')
    """
    return f"{plural(len(rows), 'row')} {listed(rows, most)}"


def total_text(amounts: Mapping[str, Money] | Iterable[Money], *, nothing: str = "$0.00") -> str:
    """Return one amount per currency, joined by "+"; amounts of two currencies are never summed.

    Parameters
    ----------
    amounts
        One amount per currency, or a mapping of currency to amount.
    nothing
        The text when there are no amounts.

    Examples
    --------
    >>> total_text([Money.from_cents(123450), Money.from_cents(2000, "CAD")])
    '$1,234.50 + 20.00 CAD'
    >>> total_text({}, nothing="nothing")
    'nothing'
    """
    values = amounts.values() if isinstance(amounts, Mapping) else amounts
    return " + ".join(map(str, values)) or nothing


def aligned(pairs: Iterable[tuple[str, str]], *, indent: str = "") -> str:
    """Return names and texts as lines, the texts aligned.

    Examples
    --------
    >>> print(aligned([("Shipped", "2"), ("In doubt", "0")]))
    Shipped   2
    In doubt  0
    """
    rows = list(pairs)
    width = max((display_width(name) for name, _ in rows), default=0)
    return "\n".join(f"{indent}{padded(name, width)}  {text}" for name, text in rows)


def display_width(text: str) -> int:
    """Return how many columns of a terminal `text` takes.

    A combining accent takes none; a wide East Asian character takes two (Unicode Annex 11).

    Examples
    --------
    >>> display_width("abc"), display_width("東京"), display_width("e\u0301")
    (3, 4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` filled with spaces to `width` columns, after it, or before it with `right`.

    Examples
    --------
    >>> padded("ab", 4), padded("ab", 4, right=True)
    ('ab  ', '  ab')
    """
    gap = " " * max(width - display_width(text), 0)
    return gap + text if right else text + gap
