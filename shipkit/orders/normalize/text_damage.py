"""What happened to the text of a name or an address before it came here, cell by cell.

A repair that is certain is made and counted. Where the original cannot be known, the row waits.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from shipkit.orders.damage_words import DATES, damage_words
from shipkit.orders.normalize.markup import without_escapes, without_invisible
from shipkit.orders.normalize.mojibake import read_again
from shipkit.orders.placeholders import FIELD_WORDS, is_nothing, placeholder
from shipkit.orders.source.alphabets import text_score
from shipkit.orders.text_kinds import EMAIL, TRACKING_NUMBER, WEB_ADDRESS
from shipkit.orders.written_numbers import ROUNDED

__all__ = ["TextVerdict", "judged"]

_REQUIRED: Final = ("name", "address_line1", "city")


@dataclass(frozen=True)
class TextVerdict:
    """What is known of a cell.

    Parameters
    ----------
    text
        The cell with all certain repairs.
    repair
        What kind of repair it had: ``markup``, ``letters``, ``nothing`` (a word for an empty cell
        was left out), or None.
    problem
        What is wrong beyond repair, without a full stop; None if nothing is.
    code, fix
        Of the problem.
    """

    text: str
    repair: str | None = None
    problem: str | None = None
    code: str | None = None
    fix: str | None = None


_DATE: Final = re.compile("|".join(DATES), re.IGNORECASE)
_ROUNDED: Final = re.compile(ROUNDED)
_WHOLE_FLOAT: Final = re.compile(r"[0-9]+\.0")
_SERIAL: Final = re.compile(r"[34][0-9]{4}(?:\.[0-9]+)?")
"""The days of the years 1982 to 2036 as Excel counts them."""

_LETTER: Final = r"[^\W\d_]"
_HAS_LETTER: Final = re.compile(_LETTER)
_ASKED: Final = re.compile(rf"{_LETTER}\?{_LETTER}|\?\?|(?:^|\s)\?{_LETTER}")
_ASKED_END: Final = re.compile(rf"{_LETTER}\?")
_ESCAPED: Final = re.compile(
    # The last is UTF-7: "Jos+AOk" has the number of é in base 64.
    r"[A-Za-z]=[0-9A-F]{2}[A-Za-z]|%[0-9A-Fa-f]{2}[A-Za-z]|^[^ ]*\w\+\w[^ ]*\+\w[^ ]*$"
    r"|[a-z]\+A[MNOP][AEIMQUYcgkosw048](?![A-Za-z0-9+/])"
    r"|\+A[MNOP][AEIMQUYcgkosw048]-[a-z]|=\?[\w-]+\?[QBqb]\?"
)
_BOX: Final = re.compile(rf"{_LETTER}[\u25a0\u25a1\u25fb\u25af\u2b1c]|[\ufffc\x1a]")
"""A letter without a picture, and what a program writes for one that it does not know."""
_UNDERSCORE: Final = re.compile(
    rf"{_LETTER}_(?=\s)|(?<=\s){_LETTER}*_(?![A-Z]){_LETTER}|{_LETTER}_(?![A-Z]){_LETTER}+\s"
    rf"|\s\S*{_LETTER}_$"
)
"""One for a letter, in a text with blanks: "ada_lee" is a user name, "Mary_Ann" two words."""
_MARKS: Final = "¤¦§¨¬±¶¸¹²³¼½¾¢£¥«»÷ⁿ√≈ƒ∆◊∂∑∏∫„‡†‰‹›ˆ˜¯¿¡"
_INSIDE: Final = re.compile(
    rf"{_LETTER}[{_MARKS}\u2500-\u259f]{_LETTER}|[\u2500-\u259f]{_LETTER}"
    rf"|{_LETTER}[‚„†‡‰¤¦¬¿¡÷](?=[\s,]|$)"
)
_CAPITAL_INSIDE: Final = re.compile(
    r"\b(?!Mc|Mac|De|Di|Da|La|Le|Van|Al)[A-Za-z]*[a-z]{2}[ÂÃÐÙÚÛÝÞŠŽŸŒ]"
)
_CAPITAL_BETWEEN: Final = re.compile(r"[A-Za-z][ŠŽŸŒÃÂ][a-z]")
_CROWDED: Final = re.compile("[\u00a1-\u00ff]{3,}")
_GARBAGE: Final = -3.0
_FOREIGN: Final = re.compile("[\u0370-\u045f]")
_LATIN: Final = re.compile("[A-Za-z\u00c0-\u024f]")
_WORD: Final = re.compile(r"[^\W\d_]+")

_LOOKS_LIKE: Final = dict(
    zip(
        "АВЕЅІЈКМНОРСТУХаеіјорсухѕһԁ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο",
        "ABESIJKMHOPCTYXaeijopcyxshd" + "ABEZHIKMNOPTYXo",
        strict=True,
    )
)
"""Letters of Cyrillic and Greek -> the Latin letters that look the same."""

_EXPORT: Final = "Export the orders again as UTF-8, or correct the cell."
_RETYPE: Final = "Write the original again, in a cell that is formatted as text."
_CORRECT: Final = "Correct the cell."
_SET: Final = "Correct the cell. If it is right: session.edit(clause, {}=...)."


def judged(text: str, column: str) -> TextVerdict:
    """Return what is known of a cell of a name or an address.

    Parameters
    ----------
    column
        The field that it is for, such as ``address_line1``.
    """
    if column not in _REQUIRED and is_nothing(text):
        return TextVerdict("", "nothing")
    plain, repair = _repaired(text)
    if column == "address_line2" and _WHOLE_FLOAT.fullmatch(plain):
        plain, repair = plain.removesuffix(".0"), "letters"
    problem, code, fix = _problem(" ".join(plain.split()), column) or (None, None, None)
    return TextVerdict(plain, repair, problem, code, fix)


def _repaired(text: str) -> tuple[str, str | None]:
    """Return a text with all certain repairs, and their kind."""
    plain = without_escapes(text)
    # A soft hyphen may be half of a letter, so text is read again before marks are removed.
    letters = plain if plain.isascii() else read_again(plain)
    if letters != plain:
        letters = without_invisible(letters)
    else:
        letters = plain = without_invisible(plain)
    if not letters.isascii():
        letters = "".join(map(_narrow, _without_controls(_in_latin(letters))))
    if letters != plain:
        return letters, "letters"
    return plain, "markup" if plain != text else None


def _narrow(letter: str) -> str:
    """Return the usual form of a wide letter, digit or mark, as East Asian programs write them."""
    return unicodedata.normalize("NFKC", letter) if "\uff01" <= letter <= "\uff5e" else letter


def _without_controls(text: str) -> str:
    """Return `text` with U+FFFD for control characters that were letters in another code page."""
    return re.sub("[\x80-\x84\x86-\x9f]", "\ufffd", text)


def _in_latin(text: str) -> str:
    """Return `text` with look-alikes replaced in words that mix Latin with another alphabet."""
    return _WORD.sub(_one_alphabet, text) if _FOREIGN.search(text) else text


def _one_alphabet(found: re.Match[str]) -> str:
    word = found[0]
    others = {letter for letter in word if not letter.isascii()}
    if len(others) == len(set(word)) or not others <= _LOOKS_LIKE.keys():
        return word
    return "".join(_LOOKS_LIKE.get(letter, letter) for letter in word)


def _problem(text: str, column: str) -> tuple[str, str, str] | None:
    """Return problem, code and fix of a text that was repaired as far as is certain."""
    shown = f'"{text}"'
    found = placeholder(text, column)
    if found is not None:
        fix = _SET.format(column) if found.by_a_person else _CORRECT
        return f"{shown} {found.reason}", found.code, fix
    if _has_an_empty_part(text, column):
        return f"{shown} has what a program writes for an empty cell", "placeholder", _CORRECT
    if column in ("address_line1", "city"):
        for what, pattern in _ELSE.items():
            if pattern.fullmatch(text):
                return f"{shown} is {what}, and not {FIELD_WORDS[column]}", "placeholder", _CORRECT
    if _is_number_or_date(text, column):
        return (
            f"{shown} looks like a date or number that a spreadsheet made of {FIELD_WORDS[column]}",
            "excel_date",
            _RETYPE,
        )
    if column == "city" and not _HAS_LETTER.search(text):
        return f"{shown} has no letters, and is not a city", "placeholder", _CORRECT
    lost = _BOX.search(text) or (column in ("name", "city") and _UNDERSCORE.search(text))
    if "\ufffd" in text or lost or _lacks_letters(text, column):
        return f"letters of {shown} were lost before the file was read", "text_damaged", _EXPORT
    if column != "company" and _ESCAPED.search(text):
        return f"{shown} has codes in place of letters or blanks", "text_damaged", _CORRECT
    if _is_garbled(text):
        return f"{shown} was read in a wrong encoding before", "text_damaged", _EXPORT
    return None


_ELSE: Final = {
    "an email address": re.compile(EMAIL),
    "a web address": re.compile(WEB_ADDRESS),
    "a phone number": re.compile(
        r"\+[0-9][0-9 ()./-]{6,}|\(?[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}"
    ),
    "a tracking number": re.compile(TRACKING_NUMBER),
}
"""What a cell of a street or a city holds where columns were shifted."""


_FREE: Final = ("name", "company")
"""Fields of free text, where "None" is a word and "null" in small letters may be a name."""


def _part(words: str) -> str:
    """Return the pattern of a word of ``damage.toml`` that is a part of a text."""
    known = "|".join(map(re.escape, sorted(damage_words(words))))
    return rf"(?<![^\s,])(?:{known})(?![^\s,])"


_ALWAYS_EMPTY: Final = re.compile(_part("never_a_word"))
_EMPTY_IN: Final = {
    **dict.fromkeys(_FREE, re.compile(_part("empty_in_a_name"))),
    **dict.fromkeys(
        ("address_line1", "address_line2", "address_line3", "city"),
        re.compile(_part("empty_in_an_address")),
    ),
}
"""Field -> a part that was empty when texts were joined, in "12 Main St null"."""


def _has_an_empty_part(text: str, column: str) -> bool:
    if _ALWAYS_EMPTY.search(text) or _ends_empty(text, column):
        return True
    found = _EMPTY_IN[column]
    if not found.search(text):
        return False
    # "christopher null" is a name in lower case and "4 null pl" a street; "Ada null" is half one.
    return column not in (*_FREE, "address_line1") or not found.sub("", text).islower()


def _ends_empty(text: str, column: str) -> bool:
    """Return whether a street that is complete ends with a word for nothing: "7 Via None" is not.

    None is a town near Turin, and "None Such Place" a street.
    """
    if column in (*_FREE, "city"):
        return False
    *street, last = text.replace(",", " ").split() or [""]
    if last not in damage_words("empty_after_a_street"):
        return False
    numbers = sum(word[0].isdigit() for word in street)
    complete = bool(numbers) and (len(street) - numbers > 1 or street[-1][0].isdigit())
    return complete and street[-1].lower() not in damage_words("before_a_name")


def _is_number_or_date(text: str, column: str) -> bool:
    if _DATE.fullmatch(text) or _ROUNDED.fullmatch(text) or _WHOLE_FLOAT.fullmatch(text):
        return True
    return column in _REQUIRED and bool(_SERIAL.fullmatch(text))


def _lacks_letters(text: str, column: str) -> bool:
    """Return whether question marks are where letters were; a company may end with one."""
    if "?" not in text or text == "?":
        return False
    return bool(_ASKED.search(text) or (column != "company" and _ASKED_END.search(text)))


def _is_garbled(text: str) -> bool:
    if text.isascii():
        return False
    for pattern in (_INSIDE, _CAPITAL_INSIDE, _CAPITAL_BETWEEN):
        if pattern.search(text):
            return True
    if any(
        _LATIN.search(word) and _FOREIGN.search(word) and len(word) > 2
        for word in _WORD.findall(text)
    ):
        return True
    return bool(_CROWDED.search(text)) and text_score(text, "cp1252") < _GARBAGE
