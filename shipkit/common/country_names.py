"""Names of countries in many languages, numbers and codes of ISO 3166, and names of more than one.

The names are those of the CLDR, through babel. They are loaded only for a text that the table of
usual names does not have.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from shipkit.common.words import without_accents

__all__ = ["country_named", "possible_countries"]

_DATA: Final = Path(__file__).parent / "data" / "country_names.toml"
_LINKS: Final = frozenset({"and", "the", "of"})


def country_named(text: str) -> str | None:
    """Return the ISO code of the one country that `text` names, else None.

    Examples
    --------
    >>> country_named("Vereinigte Staaten"), country_named("276"), country_named("Scotland")
    ('US', 'DE', 'GB')
    >>> country_named("Congo"), country_named("Atlantis")
    (None, None)
    """
    key = _folded(text)
    if not key or key in _facts()["ambiguous"]:
        return None
    return _facts()["informal"].get(key) or _by_code(text) or _names().get(key)


def possible_countries() -> Mapping[str, list[str]]:
    """Return text in lower case -> the countries that it may mean, for texts that mean several."""
    found: Mapping[str, list[str]] = _facts()["ambiguous"]
    return found


@cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(_DATA.read_text(encoding="utf-8"))


def _by_code(text: str) -> str | None:
    """Return the country of a three-letter code, a number, or a code of the past ("276", "DDR")."""
    from babel.core import get_global

    code = text.strip().upper()
    if not re.fullmatch(r"[A-Z]{2,3}|[0-9]{1,3}(?:\.0)?", code):
        return None
    code = code.partition(".")[0].zfill(3) if code[0].isdigit() else code
    meant = get_global("territory_aliases").get(code, ())
    return str(meant[0]) if len(meant) == 1 else None


@cache
def _names() -> Mapping[str, str]:
    """Return folded name -> code; a name that two countries have in two languages is left out."""
    from babel import Locale

    codes: dict[str, set[str]] = {}
    for language in _facts()["languages"]:
        for code, name in Locale.parse(language).territories.items():
            if (
                len(code) == 2
                and code.isalpha()
                and code not in {"ZZ", "EU", "EZ", "UN", "XA", "XB"}
            ):
                codes.setdefault(_folded(name), set()).add(code)
    return {name: next(iter(found)) for name, found in codes.items() if len(found) == 1 and name}


def _folded(name: str) -> str:
    text = without_accents(name).casefold().replace(".", "").replace("&", " and ")
    words = re.sub(r"[\W_]+", " ", text).split()
    return " ".join("saint" if word == "st" else word for word in words if word not in _LINKS)
