"""Currencies as cells write them: "12 EUR", "CA$12", "€", "kr"."""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

__all__ = [
    "CURRENCIES",
    "DOLLAR",
    "contradicts_sql",
    "currency_names",
    "currency_of",
    "currency_sql",
    "fits_sql",
    "mark_sql",
    "own_currency_sql",
    "without_currency",
]

_WORDS: Final = Path(__file__).parent / "data" / "words" / "currencies.toml"


@cache
def _lists() -> dict[str, Any]:
    return tomllib.loads(_WORDS.read_text(encoding="utf-8"))


CURRENCIES: Final = tuple(_lists()["codes"].split())
"""The codes of ISO 4217."""

_DOLLARS: Final = tuple(_lists()["dollars"].split())
"""Currencies for which people write "$" alone."""


DOLLAR: Final = "USD"
"""Of amounts where nothing names a currency, and of "$" where the shipper has no dollar."""


@lru_cache(maxsize=256)
def currency_of(country: str) -> str:
    """Return the currency of a country, that of the US where none is known.

    Examples
    --------
    >>> [currency_of(country) for country in ("DE", "CA", "PR", "XX")]
    ['EUR', 'CAD', 'USD', 'USD']
    """
    from babel.numbers import get_territory_currencies

    own = get_territory_currencies(country, tender=True)
    return next((code for code in own if code in CURRENCIES), DOLLAR)


@cache
def currency_names() -> dict[str, tuple[str, ...]]:
    """Return what people write, in lower case -> the currencies that it may be."""
    names = {
        **{name: (code,) for name, code in _lists()["names"].items()},
        **{name: tuple(codes.split()) for name, codes in _lists()["several"].items()},
        "$": _DOLLARS,
    }
    signs = {name: codes for name, codes in names.items() if len(name) == 1 and not name.isalpha()}
    both = {  # "$10.00 CAD", "EUR €5"
        written: (code,)
        for sign, codes in signs.items()
        for code in codes
        for written in (f"{sign}{code.lower()}", f"{code.lower()}{sign}")
    }
    return {**{code.lower(): (code,) for code in CURRENCIES}, **both, **names}


def mark_sql(x: str) -> str:
    """Return SQL of what an amount has besides its number, in lower case: ``"12 EUR"``: ``eur``."""
    return (
        rf"trim(lower(regexp_replace({x}, '[-+0-9.,''\x{{2019}}()\s\x{{A0}}\x{{202F}}]', '', 'g')))"
    )


def currency_sql(x: str, home: str = DOLLAR) -> str:
    """Return SQL of the currency that a column of currencies names; an unknown name stays.

    Parameters
    ----------
    home
        The shipper's currency: "$" alone is that one where it is a dollar, else that of the US.
    """
    names = {name: codes[0] for name, codes in currency_names().items() if len(codes) == 1}
    names["$"] = home if home in _DOLLARS else DOLLAR
    return f"coalesce({_looked_up(f'lower(trim({x}))', names)}, upper(trim({x})))"


def own_currency_sql(x: str) -> str:
    """Return SQL of the currency that an amount names, null where it names none or several."""
    names = {name: codes[0] for name, codes in currency_names().items() if len(codes) == 1}
    plain = f"regexp_full_match({x}, '[-+0-9.,$ ]*')"
    return f"CASE WHEN {plain} THEN NULL ELSE {_looked_up(mark_sql(x), names)} END"


def contradicts_sql(x: str, currency: str) -> str:
    """Return SQL of whether an amount names its currency, and `currency`, not blank, is another.

    "$12" is an amount of every currency that is called a dollar.
    """
    named = f"regexp_matches({x}, '[^-+0-9.,''\\s]')"
    known = ", ".join(f"'{code}'" for code in CURRENCIES)
    means = currency_sql(currency)
    return f"({named} AND {means} IN ({known}) AND NOT {fits_sql(x, means)})"


_NAMED: Final = re.compile(
    r"^(?P<rest>.*?)[\s_]*(?:[\[(（]\s*(?P<note>[^\])）]+)[\])）]|(?P<word>\S+))$"
)


@lru_cache(maxsize=20_000)
def without_currency(heading: str) -> tuple[str, str] | None:
    """Return a heading without the currency at its end, and the currency; None without one.

    A name of several currencies ("$", "kr") is returned as it is written.

    Examples
    --------
    >>> without_currency("Declared Value (EUR)"), without_currency("unit_price_usd")
    (('Declared Value', 'EUR'), ('unit_price', 'USD'))
    >>> without_currency("Price (each)"), without_currency("Value top")
    (None, None)
    """
    found = _NAMED.match(re.sub(r"_(?=[^_]+$)", " ", heading.strip()))
    if found is None or not found["rest"]:
        return None
    name = (found["note"] or found["word"]).strip()
    codes = currency_names().get(name.lower())
    if codes is None or (name == name.lower() and name in _lists()["words"].split()):
        return None
    rest = re.sub(r"(?i)[\s_]+in$", "", found["rest"].strip())
    return rest, codes[0] if len(codes) == 1 else name


def fits_sql(x: str, currency: str) -> str:
    """Return SQL of whether an amount is in the currency that the SQL `currency` gives."""
    pairs = {f"{name} {code}": "fits" for name, codes in currency_names().items() for code in codes}
    plain = f"regexp_full_match({x}, '[-+0-9.,'' ]*')"
    pair = f"{mark_sql(x)} || ' ' || {currency}"
    bare = f"{mark_sql(x)} = ''"
    return f"CASE WHEN {plain} THEN true ELSE {bare} OR {_looked_up(pair, pairs)} IS NOT NULL END"


def _looked_up(key: str, values: dict[str, str]) -> str:
    """Return SQL of the value of a key, null for an unknown one.

    A map, because a CASE with as many branches takes longer to plan than most files to read.
    """
    keys = ", ".join("'" + name.replace("'", "''") + "'" for name in values)
    texts = ", ".join(f"'{text}'" for text in values.values())
    return f"map_extract(MAP([{keys}], [{texts}]), {key})[1]"
