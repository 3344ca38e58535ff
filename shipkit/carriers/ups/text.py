"""Text as UPS accepts it: one line of Latin-1, no control characters, within the field's length.

UPS prints labels in Latin-1 (Shipping.yaml, LabelSpecification.CharacterSet: "Default is English
(Latin-1)"), and a control character makes it answer 200 with an empty body (recorded:
friendly.labels.malformed).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from shipkit.carriers.ups.service_level import SERVICES
from shipkit.common.street_lines import cut_apart, shortened

__all__ = ["clean", "cut", "digits", "phone", "postal_code", "street"]

_LINE: Final = SERVICES.limits.address_line or 35
_LINES: Final = 3  # Shipping.yaml, ShipTo.Address.AddressLine: three lines
_PLAIN = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "‚": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "–": "-",
        "—": "-",
        "‐": "-",
        "‑": "-",
        "−": "-",
        "…": "...",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "Đ": "D",
        "ı": "i",
        "œ": "oe",
        "Œ": "OE",
        "ſ": "s",
        "ħ": "h",
        "Ħ": "H",
        "ŋ": "n",
        "Ŋ": "N",
        "ŧ": "t",
        "Ŧ": "T",
        "ĸ": "k",
        "№": "No",
    }
)
_EXTENSION = re.compile(r"(?:x|ext\.?|extension|#)\s*(\d{1,4})\s*$", re.IGNORECASE)
_NANP = frozenset({"US", "PR", "CA", "VI"})


def clean(text: str | None) -> str:
    r"""Return `text` on one line of Latin-1, without control characters and symbols.

    A letter becomes its Latin-1 form where an accent is all that is lost. A letter of another
    script stays, for the caller to report (:func:`shipkit.carriers.ups.route.latin`).

    Examples
    --------
    >>> clean("Ana\x08 Łukasz – Kőszeg\n2")
    'Ana Lukasz - Koszeg 2'
    """
    if not text:
        return ""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    composed = unicodedata.normalize("NFC", text.translate(_PLAIN))
    return " ".join("".join(_latin(c) for c in composed).split())


def _latin(char: str) -> str:
    if char.isspace():
        return " "
    if " " <= char <= "~" or "\xa1" <= char <= "\xff":
        return "" if char == "\xad" else char
    if unicodedata.category(char)[0] not in "LN":
        return (
            " " if unicodedata.category(char)[0] == "P" else ""
        )  # marks, symbols, controls, private use, surrogates
    plain = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    return plain if plain and all(" " <= c <= "\xff" for c in plain) else char


def cut(text: str, limit: int) -> str:
    """Return `text` within `limit` characters, cut between words if a gap is in its last third."""
    if len(text) <= limit:
        return text
    gap = text.rfind(" ", limit * 2 // 3, limit + 1)
    return text[: gap if gap > 0 else limit].rstrip()


def street(lines: tuple[str, ...], *, american: bool = False) -> list[str] | None:
    """Return `lines` as address lines of UPS with no word lost, or None when they do not fit.

    A line is cut only where its parts read right in the order in which UPS prints them; a long
    American one is abbreviated first.

    Examples
    --------
    >>> street(("1600 Pennsylvania Avenue Northwest, West Wing", "Floor 2"))
    ['1600 Pennsylvania Avenue Northwest,', 'West Wing', 'Floor 2']
    """
    cleaned = [line for line in map(clean, lines) if line]
    if american:
        cleaned = [shortened(line, _LINE) for line in cleaned]
    pieces = [cut_apart(line, _LINE) for line in cleaned]
    cut = [piece for each in pieces for piece in each or ()]
    return cut if None not in pieces and _fit(cut) else None


def _fit(lines: list[str]) -> bool:
    return len(lines) <= _LINES and all(len(line) <= _LINE for line in lines)


def digits(text: str | None) -> str:
    """Return the ASCII digits of `text`."""
    return re.sub(r"[^0-9]", "", text or "")


def phone(text: str | None, country: str) -> tuple[str, str] | None:
    """Return number and extension of a usable phone, or None.

    Examples
    --------
    >>> phone("+1 (210) 555-0100 x42", "US")
    ('2105550100', '42')
    """
    text = (text or "").strip()
    found = _EXTENSION.search(text)
    number = digits(text[: found.start()] if found else text)
    if country in _NANP:
        number = number[1:] if len(number) == 11 and number.startswith("1") else number
        usable = len(number) == 10
    else:
        number = number.removeprefix("00")
        usable = 5 <= len(number) <= 15
    return (number, found[1] if found else "") if usable else None


def postal_code(text: str | None) -> str:
    """Return the letters and digits of a postal code in upper case.

    Every field of UPS accepts this form, with at most nine characters.
    """
    return re.sub(r"[^0-9A-Z]", "", (text or "").upper())
