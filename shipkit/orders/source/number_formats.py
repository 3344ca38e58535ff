"""Number formats of spreadsheets, where what a cell shows says more than its value.

A cell with 2134 and the format ``00000`` shows 02134; one with 2.5 and ``0.0 "kg"`` shows 2.5 kg.
How many decimals or separators a format shows says nothing, so the value keeps all its digits.
The codes are those of ECMA-376 part 1, 18.8.31.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Final, Protocol

__all__ = ["BUILT_IN", "NumberFormat", "Shows", "number_format", "plain_number"]

BUILT_IN: Final = {9: "0%", 10: "0.00%", 12: "# ?/?", 13: "# ??/??", 49: "@"}
"""Built-in formats, by their number, that show more than the value; the others are dates, General,
or numbers of decimals."""

_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_.|\*.|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<general>[Gg]eneral)|(?P<sign>[-+/()&: $€£¥₹])|(?P<other>.)",
    re.DOTALL,
)
_CONDITION: Final = re.compile(r"^(<=|>=|<>|<|>|=)(-?[0-9.]+)$")
_DATE_LETTERS: Final = frozenset("ymdhsYMDHSgGeEbB年月日")
_COMPARE: Final = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
}
_DIGITS: Final = "0#?"
_CURRENCY: Final = re.compile(r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])|[A-Z]{1,3}\$|[€£¥₹]")
"""A currency in a format. A bare dollar sign adds nothing to the default."""


@dataclass(frozen=True)
class _Section:
    """One of the up to four parts of a format: for positive, negative, zero, and text."""

    parts: tuple[tuple[str, str], ...]
    """(kind, text): ``digit``, ``point``, ``comma``, ``percent``, ``slash``, ``text`` (the ``@``),
    ``literal`` or ``currency``."""
    condition: tuple[str, float] | None = None
    is_date: bool = False

    def texts(self, *kinds: str) -> str:
        return "".join(text for kind, text in self.parts if kind in kinds)


class Shows(Protocol):
    """What a cell shows besides its value; each is None where that is no more."""

    def shown(self, value: float | str) -> str | None:
        """Return the text that the cell shows."""

    def unit(self, value: float) -> str | None:
        """Return a number and its unit."""

    def currency(self, value: float) -> str | None:
        """Return an amount and its currency."""


@dataclass(frozen=True)
class NumberFormat:
    """How cells with one format code show their values."""

    sections: tuple[_Section, ...]

    @property
    def tells(self) -> bool:
        """Whether any value shows more than itself: zeros in front, words, a currency, a unit."""
        return any(
            not each.is_date
            and (
                _pads(each)
                or each.texts("percent")
                or _is_fraction(each)
                or _CURRENCY.search(each.texts("currency", "literal"))
                or _says(each.texts("literal"))
            )
            for each in self.sections
        )

    def shown(self, value: float | str) -> str | None:
        """Return what the cell shows, with all digits of the value; None where that is no more.

        Examples
        --------
        >>> [number_format(code).shown(2134) for code in ("00000", '"SO-"00000', "#,##0.00")]
        ['02134', 'SO-02134', None]
        >>> number_format('0.0" kg"').shown(2.54), number_format("00000-0000").shown(21341234)
        ('2.54 kg', '02134-1234')
        """
        if isinstance(value, str):
            return self._shown_text(value)
        section = self._section(value)
        if section is None or section.is_date:
            return None
        whole = value == int(value)
        tells = (
            (_pads(section) and whole)
            or section.texts("percent")
            or _is_fraction(section)
            or _says(section.texts("literal"))
        )
        if not tells or not section.texts("digit", "general"):
            return None
        return _rendered(section, value if section is self.sections[0] else abs(value))

    def unit(self, value: float) -> str | None:
        """Return a number and the unit that its format shows, None without one."""
        section = self._section(value)
        kinds = [kind for kind, _ in section.parts] if section else []
        if section is None or section.is_date or not {"digit", "general"}.intersection(kinds):
            return None
        last = max(place for place, kind in enumerate(kinds) if kind in {"digit", "general"})
        behind = section.parts[last + 1 :]
        word = "".join(t for kind, t in behind if kind in {"literal", "currency"}).strip()
        # An inch mark is a unit too.
        if not re.search(r"[^\W\d_]|[\"″'′]", word):
            return None
        return f"{_plain(_scaled(section, value))} {word}"

    def currency(self, value: float) -> str | None:
        """Return an amount and its currency, None without one; dollars are what is assumed."""
        section = self._section(value)
        if section is None or section.is_date:
            return None
        found = _CURRENCY.search(section.texts("currency", "literal"))
        return f"{found[0]} {_plain(_scaled(section, value))}" if found else None

    def _section(self, value: float) -> _Section | None:
        numbers = [each for each in self.sections if not each.texts("text")]
        for each in numbers:
            if each.condition and _COMPARE[each.condition[0]](value, each.condition[1]):
                return each
        rest = [each for each in numbers if each.condition is None]
        if any(each.condition for each in numbers):
            return rest[0] if rest else None
        place = 1 if value < 0 and len(rest) > 1 else 2 if value == 0 and len(rest) > 2 else 0
        return rest[place] if rest else None

    def _shown_text(self, value: str) -> str | None:
        section = next((each for each in self.sections if each.texts("text")), None)
        if section is None or not _says(section.texts("literal")):
            return None
        return "".join(value if kind == "text" else text for kind, text in section.parts)


@cache
def number_format(code: str) -> NumberFormat:
    """Return a format by its code."""
    return NumberFormat(tuple(_section(part) for part in _split(code)))


def plain_number(value: float) -> str:
    """Return a number without the noise that a float has beyond the 15 digits of a spreadsheet."""
    return _plain(Decimal(f"{value:.15g}"))


def _split(code: str) -> list[str]:
    """Cut a code at the semicolons that are not in quotes, brackets or escaped."""
    return re.findall(r'(?:"[^"]*"?|\\.|\[[^\]]*\]|[^;"\\\[]|\[)+|(?<=;)(?=;|$)', code) or [""]


def _section(code: str) -> _Section:
    parts: list[tuple[str, str]] = []
    condition, is_date = None, False
    for found in _TOKEN.finditer(code):
        if found["quoted"] is not None or found["escaped"] is not None:
            parts.append(("literal", found["quoted"] or found["escaped"] or ""))
        elif found["bracket"] is not None:
            condition = _condition(found["bracket"]) or condition
            is_date |= re.fullmatch(r"(?i)h+|m+|s+", found["bracket"]) is not None
            if found["bracket"].startswith("$"):
                symbol = found["bracket"][1:].split("-")[0]
                parts.append(("currency", symbol))
        elif found["general"]:
            parts.append(("general", "0"))
        elif found[0] == "/" and any(kind == "digit" for kind, _ in parts):
            parts.append(("slash", "/"))
        elif found["sign"] is not None:
            parts.append(("currency" if found[0] in "$€£¥₹" else "literal", found[0]))
        elif found["other"] is not None:
            is_date |= _other(found[0], parts)
    return _Section(tuple(parts), condition, is_date)


def _other(mark: str, parts: list[tuple[str, str]]) -> bool:
    """Add a character that is neither quoted nor a sign; return whether it belongs to a date."""
    kinds = {".": "point", ",": "comma", "%": "percent", "@": "text"}
    # "E+" of scientific notation shows no more than the value.
    exponent = mark in "Ee" and any(kind == "digit" for kind, _ in parts)
    if mark in _DATE_LETTERS and not exponent:
        return True
    if mark in _DIGITS:
        parts.append(("digit", mark))
    elif mark in kinds:
        parts.append((kinds[mark], mark))
    elif exponent:
        parts.append(("exponent", mark))
    elif mark.isdigit() or not mark.isalnum():
        parts.append(("literal", mark))
    return False


def _condition(text: str) -> tuple[str, float] | None:
    found = _CONDITION.match(text)
    return (found[1], float(found[2])) if found else None


def _says(literal: str) -> bool:
    """Return whether the fixed text of a format has a letter, a digit or a dash within."""
    return re.search(r"[\w\"#″'′№/.:]", literal) is not None


def _is_fraction(section: _Section) -> bool:
    return bool(section.texts("slash"))


def _pads(section: _Section) -> bool:
    """Return whether a format shows zeros in front, or marks between its digits."""
    if section.texts("exponent"):
        return False
    kinds = [kind for kind, _ in section.parts]
    end = kinds.index("point") if "point" in kinds else len(kinds)
    zeros = sum(part == ("digit", "0") for part in section.parts[:end])
    first = kinds.index("digit") if "digit" in kinds else end
    last = max((place for place, kind in enumerate(kinds[:end]) if kind == "digit"), default=first)
    between = [text for kind, text in section.parts[first:last] if kind == "literal"]
    return zeros > 1 or any(text.strip() or text == " " for text in between)


def _scaled(section: _Section, value: float) -> Decimal:
    """Return the value that is shown: a comma behind the digits divides by a thousand."""
    kinds = [kind for kind, _ in section.parts]
    last = max((place for place, kind in enumerate(kinds) if kind == "digit"), default=-1)
    commas = 0
    for kind in kinds[last + 1 :]:
        if kind != "comma":
            break
        commas += 1
    # Excel keeps 15 digits; what a float has beyond them is noise.
    number = Decimal(f"{value:.15g}").scaleb(2 * kinds.count("percent"))
    return number.scaleb(-3 * commas)


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _rendered(section: _Section, value: float) -> str:
    if _is_fraction(section):
        return _fraction(section, value)
    number = _scaled(section, value)
    sign, text = ("-" if number < 0 else ""), _plain(abs(number))
    whole, _, decimals = text.partition(".")
    kinds = [kind for kind, _ in section.parts]
    point = kinds.index("point") if "point" in kinds else len(kinds)
    places = [
        place for place, kind in enumerate(kinds) if kind in {"digit", "general"} and place < point
    ]
    filled = _filled(section, places, whole)
    if decimals and places:
        filled[places[-1]] += f".{decimals}"
    shown = "".join(
        filled.get(place, text if kind in {"literal", "currency", "percent"} else "")
        for place, (kind, text) in enumerate(section.parts)
    )
    return f"{sign}{shown.strip()}"


def _filled(section: _Section, places: list[int], digits: str) -> dict[int, str]:
    """Return what each placeholder before the decimal point shows; the first takes what is left."""
    made: dict[int, str] = {}
    for place in reversed(places):
        mark = section.parts[place][1]
        if place == places[0]:
            made[place] = digits or ("0" if mark == "0" else "")
        else:
            made[place] = digits[-1:] or ("0" if mark == "0" else "")
            digits = digits[:-1]
    return made


def _fraction(section: _Section, value: float) -> str:
    """Return a value as a whole number and a fraction: 2.5 as "2 1/2"."""
    slash = next(place for place, (kind, _) in enumerate(section.parts) if kind == "slash")
    below = "".join(text for kind, text in section.parts[slash:] if kind in {"digit", "literal"})
    fixed = re.match(r"\d+", below)
    most = int(fixed[0]) if fixed and int(fixed[0]) else 10 ** max(1, len(below.strip())) - 1
    whole, rest = divmod(abs(value), 1)
    part = Fraction(rest).limit_denominator(most)
    words = ([f"{int(whole)}"] if whole else []) + ([f"{part}"] if part else [])
    return ("-" if value < 0 else "") + (" ".join(words) or "0")
