"""Facts about places: ZIP ranges of the US states, names of states and countries, zeros of ZIPs.

The facts are small tables in the folder ``data``, each read once. A ZIP3 (the first three digits of
a ZIP) that no state has is in no range.
"""

from __future__ import annotations

import csv
import html
import re
from functools import cache
from pathlib import Path
from typing import Final

from shipkit.common.country_names import country_named, possible_countries
from shipkit.common.words import without_accents

__all__ = [
    "US_DOMAIN",
    "counties_named_as_states",
    "country_code",
    "country_code3",
    "country_codes",
    "place_key",
    "plain_zip",
    "plain_zip_sql",
    "state_code",
    "state_codes",
    "state_names",
    "state_of_parts",
    "zip3_states",
    "zip_with_zeros",
    "zip_with_zeros_sql",
]

US_DOMAIN: Final = ("US", "PR", "VI", "GU", "AS", "MP")
"""Countries whose postal codes are US ZIPs."""

_LINKS: Final = ("and", "the", "of")

_DATA = Path(__file__).parent / "data"


# -- names and codes -------------------------------------------------------------------------------


def place_key(name: str) -> str:
    """Return what two spellings of a place have in common: lower case, no dots, single spaces.

    Examples
    --------
    >>> place_key(" N.Y. "), place_key("Cote  d'Ivoire")
    ('ny', "cote d'ivoire")
    """
    return re.sub(r" +", " ", name.replace(".", "").strip().lower())


@cache
def zip3_states() -> dict[str, str]:
    """Return ZIP3 -> its states, separated by a blank: ``{"063": "CT NY", ...}``."""
    return {
        f"{number:03}": row["states"]
        for row in _rows("us_zip3.csv")
        for number in range(int(row["first"]), int(row["last"]) + 1)
    }


@cache
def counties_named_as_states() -> dict[tuple[str, str], frozenset[str]]:
    """Return county and state -> its ZIP3s, of counties that are called like a state.

    Delaware is a county in Pennsylvania, and Washington one in 30 states.
    """
    return {
        (row["county"].lower(), row["state"]): frozenset(row["zip3"].split())
        for row in _rows("counties_named_as_states.csv")
    }


@cache
def state_codes() -> dict[tuple[str, str], str]:
    """Return (country, :func:`place_key` of a name or code) -> code.

    For the US, Canada and Australia.
    """
    rows = _rows("states.csv")
    codes = {(row["country"], place_key(row["code"])): row["code"] for row in rows}
    return {**{(row["country"], place_key(row["name"])): row["code"] for row in rows}, **codes}


@cache
def state_names(country: str) -> tuple[str, ...]:
    """Return the names of the states of the US, Canada or Australia."""
    return tuple(row["name"] for row in _rows("states.csv") if row["country"] == country)


@cache
def country_codes() -> dict[str, str]:
    """Return :func:`place_key` of a name or code -> ISO 3166 two-letter code."""
    rows = _rows("countries.csv")
    codes = {place_key(row[column]): row["code"] for row in rows for column in ("code3", "code")}
    return {**{place_key(row["name"]): row["code"] for row in rows}, **codes}


@cache
def country_code3(iso: str) -> str | None:
    """Return the three-letter code of a country, None for a code that is not one."""
    return next((row["code3"] for row in _rows("countries.csv") if row["code"] == iso), None)


def country_code(text: str | None) -> str:
    """Return the ISO code that `text` names, ``US`` for nothing, else `text` itself."""
    if not text:
        return "US"
    if _folded(text) in possible_countries():
        return text  # a question: each reading is a country
    return (
        country_codes().get(place_key(text))
        or _folded_countries().get(_folded(text))
        or country_named(text)
        or _country_of_parts(text)
        or text
    )


def _country_of_parts(text: str) -> str | None:
    """Return the country of a text that names it twice: "Deutschland (DE)", "DE - Germany".

    The lists of ISO have the form of the state in brackets: "Bolivia (Plurinational State of)".
    """
    inverted = _FORM_OF_STATE.sub(r", \1", text)
    if inverted != text:
        code = country_code(inverted)
        return code if code != inverted else None
    parts = [part for part in _PARTS.split(text) if part]
    if len(parts) != 2:
        return None
    named = {country_code(part) for part in parts}
    [code] = named if len(named) == 1 else [""]
    return code if re.fullmatch("[A-Z]{2}", code) else None


@cache
def _folded_countries() -> dict[str, str]:
    """Return the folded name of a country -> code."""
    return {_folded(row["name"]): row["code"] for row in _rows("countries.csv")}


def _folded(name: str) -> str:
    """Return a country's name without accents, marks, brackets, and the words "and", "the", "of".

    The part after a comma comes first, because lists of names invert them: "Korea, Republic of".
    """
    text = html.unescape(name).replace("&", " and ")
    first, comma, last = text.partition(",")
    if comma and "," not in last and " and " not in last:
        text = f"{last} {first}"
    text = without_accents(text).casefold().replace(".", "")
    words = re.sub(r"[\W_]+", " ", text).split()
    return " ".join("saint" if word == "st" else word for word in words if word not in _LINKS)


def state_code(iso: str, text: str | None) -> str | None:
    """Return the code of the state that `text` names in the country `iso`, else `text` itself."""
    if not text:
        return None
    home = "US" if iso in US_DOMAIN else iso
    code = state_codes().get((home, place_key(text)))
    if code is None and home == "US":
        code = _abbreviated_states().get(place_key(text.replace(".", " ").strip()))
    return code or text


@cache
def _abbreviated_states() -> dict[str, str]:
    """Return :func:`place_key` of a state as newspapers shorten it ("Mass.") -> code."""
    return {place_key(row["name"]): row["code"] for row in _rows("state_abbreviations.csv")}


_FORM_OF_STATE = re.compile(r"\s*\(([^()]+ of(?: the)?)\)$")
_PARTS = re.compile(r"\s*[()\[\],/|]+\s*|\s+[-–]\s+|(?<=^[A-Za-z]{2})-(?=[A-Za-z])")


def state_of_parts(iso: str, text: str | None) -> str | None:
    """Return the state of a text that names its country, or its code, as well; None for others.

    Examples
    --------
    >>> [state_of_parts("US", text) for text in ("Idaho (US)", "US-ID", "ID")]
    ['ID', 'ID', None]
    >>> state_of_parts("US", "Georgia (GE)"), state_of_parts("MX", "Jalisco (MX)")
    (None, 'Jalisco')
    """
    home = "US" if iso in US_DOMAIN else iso
    parts = [part for part in _PARTS.split(text or "") if part]
    if len(parts) < 2 or (home, place_key(text or "")) in state_codes():
        return None
    codes = {part: state_codes().get((home, place_key(part))) for part in parts}
    named = {code for code in codes.values() if code}
    left = [part for part, code in codes.items() if code is None and country_code(part) != home]
    if named:
        return named.pop() if len(named) == 1 and not left else None
    return left[0] if len(left) == 1 < len(parts) else None


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -- ZIP codes -------------------------------------------------------------------------------------
#
# A spreadsheet that takes a ZIP for a number drops its leading zeros: 02134 becomes 2134, and
# sometimes 2134.0. Putting zeros back is a guess unless something confirms it, because postal codes
# of other countries have four digits too. So zeros come back only where the result begins like a
# ZIP of the state; where no state is known, of any state. The rule is here once, for single texts
# and for whole columns; tests compare the two forms.


def zip_with_zeros(text: str, state: str | None = None) -> str | None:
    """Return the US ZIP whose leading zeros `text` has lost, None where it has lost none.

    Parameters
    ----------
    text
        A ZIP or ZIP+4 without blanks around it.
    state
        Code of its state or territory. None: any state will do, and a ZIP+4 must have its dash,
        because postal codes of eight digits are common abroad (Brazil).

    Examples
    --------
    >>> zip_with_zeros("2134"), zip_with_zeros("2134.0", "MA"), zip_with_zeros("21341234", "MA")
    ('02134', '02134', '02134-1234')
    >>> zip_with_zeros("2134", "TX"), zip_with_zeros("02134", "MA"), zip_with_zeros("21341234")
    (None, None, None)
    """
    found = _ZEROS_LOST.fullmatch(_without_decimals(text))
    if found is None or (found["long"] and state is None):
        return None
    padded = plain_zip(found["long"].zfill(9) if found["long"] else _padded(found))
    states = zip3_states().get(padded[:3], "").split()
    return padded if (state in states if state is not None else states) else None


def plain_zip(text: str) -> str:
    """Return a ZIP without ``.0`` behind it, a ZIP of nine digits with its dash.

    Examples
    --------
    >>> plain_zip("02134.0"), plain_zip("021341234"), plain_zip("02134 1234"), plain_zip("K1A 0B1")
    ('02134', '02134-1234', '02134-1234', 'K1A 0B1')
    """
    return re.sub(rf"\A{_NINE_DIGITS}\Z", r"\1-\2", _without_decimals(text))


def zip_with_zeros_sql(text: str, state: str | None = None) -> str:
    """Return SQL of what :func:`zip_with_zeros` returns for a column.

    Parameters
    ----------
    text, state
        SQL expressions. None for `state`: no state is known of any row. A null state in a row fits
        no ZIP.
    """
    bare = _without_decimals_sql(text)
    shapes = [("[0-9]{3,4}", 5), ("[0-9]{3,4}-[0-9]{4}", 10)]
    if state is not None:
        shapes.append(("[0-9]{7,8}", 9))
    lost = " ".join(
        f"WHEN regexp_full_match({bare}, '{shape}') THEN lpad({bare}, {width}, '0')"
        for shape, width in shapes
    )
    padded = f"(CASE {lost} END)"
    # A search in one text, because a join would not keep the order of rows. Only ZIP3s that begin
    # with a zero are needed: no other can have lost one.
    first = f"substring({padded}, 1, 3)"
    low = {zip3: states.split() for zip3, states in zip3_states().items() if zip3[0] == "0"}
    if state is None:
        known = "|".join(low)
        fits = f"contains('|{known}|', '|' || {first} || '|')"
    else:
        known = "|".join(code + zip3 for zip3, states in low.items() for code in states)
        fits = f"contains('|{known}|', '|' || {state} || {first} || '|')"
    return f"CASE WHEN {fits} THEN {_dashed_sql(padded)} END"


def plain_zip_sql(text: str) -> str:
    """Return SQL of what :func:`plain_zip` returns for a column."""
    return _dashed_sql(_without_decimals_sql(text))


_NINE_DIGITS: Final = "([0-9]{5})[ -]*([0-9]{4})"
_ZEROS_LOST: Final = re.compile(
    "(?P<short>[0-9]{3,4})(?P<plus4>-[0-9]{4})?|(?P<long>[0-9]{7,8})", re.ASCII
)


def _padded(found: re.Match[str]) -> str:
    return found["short"].zfill(5) + (found["plus4"] or "")


def _without_decimals(text: str) -> str:
    return re.sub(r"\.0+\Z", "", re.sub(r"\A([0-9]{5}) *-[- ]*\Z", r"\1", text))


def _without_decimals_sql(text: str) -> str:
    joined = rf"regexp_replace({text}, '^([0-9]{{5}}) *-[- ]*$', '\1')"
    return f"regexp_replace({joined}, '\\.0+$', '')"


def _dashed_sql(text: str) -> str:
    return rf"regexp_replace({text}, '^{_NINE_DIGITS}$', '\1-\2')"
