"""Where many carriers do not deliver: post office boxes, military addresses, outlying islands.

What a box is called is data (``data/words/boxes.toml``). Which kinds of places a service does not
go to is data of the carrier, in its ``services.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from shipkit.orders.expressions import choose, quote, quoted_list
from shipkit.orders.heading_words import word_file

__all__ = ["NO_BOX", "OUTLYING", "box_columns", "may_name_a_box", "place_columns"]

OUTLYING: Final = ("VI", "GU", "AS", "MP", "FM", "MH", "PW")
"""Territories and associated states that have ZIPs and are abroad for private carriers."""

_BEFORE: Final = r"(?:^|[\s,;:(/|#.-])"
_NUMBER: Final = (
    r"[\s.:#°º]*(?:(?:numéro|numero|number|num|no|nr|n°|nº)[\s.:°º]*)?#?[\s-]*[a-z]{0,2}-?[0-9]"
)
_UNIT: Final = r"(?:suite|ste|apt|apartment|unit|floor|fl|room|rm|dept|pmb)[\s.#]*[a-z0-9-]+"
_BARE: Final = r"box[\s.:#]*(?:no[\s.]*)?#?[0-9]+[a-z]?"


NO_BOX: Final = "NULL::VARCHAR AS lines, NULL::VARCHAR AS box"
"""SQL in place of :func:`box_columns` for addresses of which none names a box."""


def may_name_a_box(texts: Iterable[str | None], countries: Iterable[str]) -> bool:
    """Whether one of some address lines may name a post office box.

    It finds every box that :func:`box_columns` finds for these countries, and some texts that are
    none. The pattern of boxes in all languages takes longer to compile than to try all its words on
    a small table.
    """
    everything = _joined("\n".join(text for text in texts if text))
    short = (word for country in set(countries) for word in _short_forms(country))
    return any(word in everything for word in (*_words_of_boxes(), *map(_joined, short)))


@cache
def _words_of_boxes() -> tuple[str, ...]:
    words = word_file("boxes")
    return tuple({_joined(word) for word in ("box", *words["named"], *words["numbered"])})


def _joined(text: str) -> str:
    """Return a text without the blanks and dots that are free in a pattern, and without case."""
    return re.sub(r"[\s.]+", "", text).casefold()


def box_columns(countries: Iterable[str]) -> str:
    """Return SQL of the columns that say whether an address is a post office box.

    ``box`` is the text that names a box, null where there is none. ``beside_box`` is what the
    address lines have besides it: a street, if it has a word and a number.

    Parameters
    ----------
    countries
        The countries of the table: some short forms mean a box in certain countries only.
    """
    lines = "concat_ws(chr(10), address_line1, address_line2, address_line3)"
    local = {
        country: _found(lines, _of_country(country))
        for country in sorted(set(countries))
        if _short_forms(country)
    }
    short = choose("country", local, "NULL")
    bare = f"""CASE
        WHEN address_line1[1] IN ('B', 'b')
            AND country IN ('US', 'CA')
            AND address_line2 IS NULL
            AND regexp_full_match(address_line1, '(?i){_BARE}')
        THEN address_line1
    END"""
    return f"""
        {lines} AS lines,
        coalesce({_found(lines, _everywhere())}, {short}, {bare}) AS box
    """


def place_columns(*, boxes: bool = True) -> str:
    """Return SQL of ``box_and_street``, ``military`` and ``outlying``, over :func:`box_columns`.

    Parameters
    ----------
    boxes
        Whether a row may have a box; see :func:`may_name_a_box`.
    """
    rest = f"regexp_replace(replace(lines, box, ' '), '(?i){_UNIT}', ' ', 'g')"
    words = word_file("boxes")
    cities = "|".join(r"[\s.]*".join(city) for city in words["military"]["cities"])
    posts = words["military"]["lines"]
    # CASE and not AND: the database computes every part of an AND that is a column.
    of_boxes = f"""
        CASE WHEN box IS NOT NULL
            THEN regexp_matches({rest}, '[0-9]') AND regexp_matches({rest}, '\\pL{{3}}')
            ELSE false
        END AS box_and_street,
        CASE WHEN box IS NOT NULL
            THEN phone IS NOT NULL AND country IN ({quoted_list(words["usual_in"])})
            ELSE false
        END AS box_is_usual,
    """
    return f"""
        {of_boxes if boxes else "false AS box_and_street, false AS box_is_usual,"}
        CASE
            WHEN american AND zip_states IN ('AA', 'AE', 'AP') THEN true
            WHEN american AND state IN ('AA', 'AE', 'AP') THEN true
            WHEN city[2] IN ('P', 'p', '.')
                AND regexp_full_match(city, '(?i)(?:{cities})[.]?[\\s,]*(?:A[AEP])?')
            THEN true
            WHEN american AND city[2] IN ('P', 'p', '.')
                AND regexp_full_match(city, '(?i)(?:{cities})[.]?[\\s,].*')
            THEN true
            WHEN country = 'GB' AND starts_with(upper(postal_code), 'BFPO') THEN true
            WHEN address_line1[1] IN ({quoted_list(_first_letters(posts))})
                AND regexp_full_match(address_line1, {quote(_post_line(posts))})
            THEN true
            ELSE false
        END AS military,
        CASE WHEN country = 'US' THEN state ELSE country END IN ({quoted_list(OUTLYING)})
            AS outlying
    """


def _first_letters(words: Iterable[str]) -> list[str]:
    return sorted({letter for word in words for letter in (word[0], word[0].upper())})


def _post_line(words: Iterable[str]) -> str:
    """Return a pattern of lines such as "PSC 3 Box 12"."""
    return rf"(?i)(?:{'|'.join(words)})[\s.#]*[0-9]{{1,5}}[\s,;]+box[\s.#]*[0-9]+.*"


def _found(x: str, pattern: str) -> str:
    """Return SQL of what a pattern finds. To test first is cheap, to extract is not."""
    text = quote(pattern)
    return f"CASE WHEN regexp_matches({x}, {text}) THEN trim(regexp_extract({x}, {text}), ' ,') END"


@cache
def _everywhere() -> str:
    words = word_file("boxes")
    named = "|".join(map(_pattern, words["named"]))
    numbered = "|".join(map(_pattern, words["numbered"]))
    return (
        rf"(?i){_BEFORE}(?:(?:{named})(?:[\s.]*(?:$|[\n,;/)])|{_NUMBER}[0-9 -]*)"
        rf"|(?:{numbered}){_NUMBER}[0-9 -]*)"
    )


def _of_country(country: str) -> str:
    short = "|".join(map(_pattern, _short_forms(country)))
    return rf"(?i){_BEFORE}(?:{short}){_NUMBER}[0-9 -]*"


def _short_forms(country: str) -> list[str]:
    forms = word_file("boxes")["numbered_in"]
    return [word for word, countries in forms.items() if country in countries]


def _pattern(word: str) -> str:
    """Return a word as a pattern: blanks and dots in it may be any blanks and dots, or none."""
    return r"[\s.]*".join(re.escape(part) for part in re.split(r"[\s.]+", word) if part)
