"""Postal codes of all countries but those with ZIPs: their forms, and what a spelling means.

Formats come from :mod:`shipkit.common.address_formats`; ``data/postal.toml`` has what the library
does not say.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from shipkit.common.address_formats import address_format
from shipkit.common.places import US_DOMAIN, country_code3

__all__ = [
    "PostalFormat",
    "PostalReading",
    "has_no_codes",
    "postal_format",
    "read_postal_code",
    "territories",
]

_DATA: Final = Path(__file__).parent / "data" / "postal.toml"
_DASHES: Final = str.maketrans("‐‑‒–—―−", "-------")


@dataclass(frozen=True)
class PostalFormat:
    """The postal codes of a country."""

    country: str
    pattern: str
    """Of every accepted form, upper case. Python and RE2 read it alike."""
    usual: str
    """Of the form that is printed: blanks and dashes are where they belong."""
    examples: tuple[str, ...]
    required: bool
    zeros: str
    """How codes begin that begin with a zero; empty: none does."""

    @property
    def example(self) -> str:
        """The example for messages."""
        return self.examples[0]


class PostalReading(NamedTuple):
    """What a cell says."""

    code: str | None
    """The code in its usual form; None where the cell says that there is none."""
    padded: bool = False
    """Whether leading zeros were put back."""


def has_no_codes(country: str) -> bool:
    """Return whether addresses of a country have no postal code."""
    known = country not in US_DOMAIN and bool(address_format(country))
    return known and postal_format(country) is None and country not in _facts()["lately"]


def territories(country: str) -> list[tuple[str, str]]:
    """Return how codes begin that are of a place with a code of its own, and that place.

    Examples
    --------
    >>> territories("DK")
    [('39', 'Greenland (GL)')]
    """
    found = _facts()["territories"].get(country, ())
    return [(start, f"{name} ({code})") for start, code, name in found]


@cache
def postal_format(country: str) -> PostalFormat | None:
    """Return the format of a country's codes; None where it has none, or where ZIPs are used."""
    data = address_format(country)
    if country in US_DOMAIN or "zip" not in data:
        return None
    facts = _facts()
    # One pattern of Bahrain's has marks of words, which say nothing where the whole text must fit.
    own = facts["forms"].get(country) or data["zip"].replace("(?:^|\\b)", "").replace(
        "(?:$|\\b)", ""
    )
    examples = [text.strip() for text in data.get("zipex", "").split(",") if text.strip()]
    if country in facts["examples"]:
        examples = [facts["examples"][country], *examples]
    further = facts["accepted"].get(country)
    return PostalFormat(
        country=country,
        pattern=f"(?:{own})" + (f"|(?:{further})" if further else ""),
        usual=f"(?:{_strict(own, examples[0])})" + (f"|(?:{further})" if further else ""),
        examples=tuple(examples) or ("-",),
        required="Z" in data.get("require", "") or country in facts["also_required"],
        zeros=facts["zeros"].get(country, ""),
    )


def read_postal_code(country: str, text: str) -> PostalReading | None:
    """Return what `text` says as a postal code of `country`; None where it cannot be read.

    Only what has one reading is read: a sign of the country, dashes and blanks, and zeros that a
    spreadsheet dropped.

    Examples
    --------
    >>> read_postal_code("GB", "sw1a1aa").code, read_postal_code("DE", "D-10115").code
    ('SW1A 1AA', '10115')
    >>> read_postal_code("DE", "1067"), read_postal_code("AT", "106")
    (PostalReading(code='01067', padded=True), None)
    """
    tidy = " ".join(unicodedata.normalize("NFKC", text).translate(_DASHES).upper().split())
    format_ = postal_format(country)
    if _is_filler(country, tidy, known=format_ is not None):
        return PostalReading(None)
    if format_ is None:
        return PostalReading(tidy) if country in _facts()["lately"] else None
    bare = re.sub(r"\.0+\Z", "", tidy)
    for candidate in _without_sign(format_, bare):
        code = _usual(format_, candidate)
        if code is not None:
            return PostalReading(code)
    for candidate in _without_sign(format_, bare):
        code = _with_zeros(format_, candidate)
        if code is not None:
            return PostalReading(code, padded=True)
    return None


# -- reading ---------------------------------------------------------------------------------------


def _is_filler(country: str, text: str, *, known: bool) -> bool:
    """Return whether a cell only says that there is no code."""
    facts = _facts()
    if text.lower() in facts["fillers"] or text in facts["filler_codes"].get(country, ()):
        return True
    zeros = re.fullmatch(r"[0 -]*", text) is not None
    return zeros and (not known or len(text) > 1)


def _without_sign(format_: PostalFormat, text: str) -> Iterator[str]:
    """Yield `text`, then without the sign of the country before it, then with the letters of it."""
    yield text
    signs = (
        format_.country,
        country_code3(format_.country),
        _facts()["signs"].get(format_.country),
    )
    found = re.match(rf"(?:{'|'.join(map(re.escape, filter(None, signs)))})[\s-]*(?=[0-9])", text)
    if found:
        yield text[found.end() :]
    letters = re.match(r"[A-Z]+[ -]?(?=[0-9])", format_.example)
    if letters and text.isdigit() and all(e.startswith(letters[0]) for e in format_.examples):
        yield letters[0] + text


def _usual(format_: PostalFormat, text: str) -> str | None:
    """Return the usual form of a code that has all its characters."""
    if not _begins_right(format_, text):
        return None
    if _fits(format_.usual, text):
        return text
    compact = re.sub(r"[\s.-]", "", text)
    for example in format_.examples:
        code = _shaped(compact, example)
        if code is not None and _fits(format_.usual, code):
            return code
    return text if _fits(format_.pattern, text) else None


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None


def _shaped(compact: str, example: str) -> str | None:
    """Return a code with the blanks and dashes of an example that is as long."""
    if len(compact) != len(re.sub(r"[ -]", "", example)):
        return None
    rest = iter(compact)
    return "".join(mark if mark in " -" else next(rest) for mark in example)


def _with_zeros(format_: PostalFormat, text: str) -> str | None:
    """Return the code whose leading zeros a spreadsheet dropped."""
    sizes = {len(re.sub(r"[ -]", "", e)) for e in format_.examples}
    if not format_.zeros or len(sizes) != 1 or not re.fullmatch(r"[0-9]{2,}", text):
        return None
    size = sizes.pop()
    # Two zeros at most: of "1" it cannot be known what it was.
    if not size - 2 <= len(text) < size:
        return None
    padded = text.zfill(size)
    return _usual(format_, padded) if re.match(format_.zeros, padded) else None


def _begins_right(format_: PostalFormat, text: str) -> bool:
    return not text.startswith("0") or not format_.zeros or bool(re.match(format_.zeros, text))


def _strict(pattern: str, example: str) -> str:
    """Return a pattern whose free blanks and dashes are as in the example: there, or not."""
    for mark in " -":
        pattern = pattern.replace(f"{mark}?", mark if mark in example else "")
    return pattern


# -- data ------------------------------------------------------------------------------------------


@cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(_DATA.read_text(encoding="utf-8"))
