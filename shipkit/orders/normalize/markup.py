"""HTML and escapes in names and addresses, as exports of web shops and scripts have them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Final

__all__ = ["without_escapes", "without_invisible"]

_ENTITY: Final = re.compile(
    r"&(?:amp;)*(?:#[0-9]{3,7};?|#[0-9]{1,2};|#[xX][0-9A-Fa-f]{2,6};|[A-Za-z][A-Za-z0-9]{1,30};)"
)
_CUT_ENTITY: Final = re.compile(
    r"&[A-Za-z](?:acute|grave|circ|tilde|uml|ring|cedil|slash|caron)(?!;)"
    r"|&(?:szlig|aelig|AElig|oelig|nbsp|amp|quot)(?![A-Za-z=;])"
)
"""An entity of a letter whose semicolon was cut off, as in "Mu&ntilde"."""
_BRACKETS: Final = re.compile(r"\[/?(?:br|p|div)\s*/?\]", re.IGNORECASE)
_BREAK: Final = re.compile(r"<(?:br|/?p|/?div|/?li|/?tr|/?td)(?: [^<>]*)?/?\s*>", re.IGNORECASE)
_TAG: Final = re.compile(
    r"</?(?:a|b|i|u|em|strong|span|font|small|big|sup|sub|ul|ol)(?: [^<>]*)?/?>", re.IGNORECASE
)
_EXCEL: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_UNICODE: Final = re.compile(r"(?:\\u[0-9A-Fa-f]{4})+")
_OCTAL: Final = re.compile(r"(?:\\[23][0-7]{2})+")
_BYTES: Final = re.compile(r"(?:\\x[0-9A-Fa-f]{2})+")
_LINE: Final = re.compile(r"(?:\\r\\n|\\[nr])(?=[A-Z0-9 ]|$)")
_FORMULA: Final = re.compile(r'^="([^"=]*)"$')
_QUOTED: Final = re.compile(r"(?:=[0-9A-F]{2})+")
_PERCENT: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_INVISIBLE: Final = re.compile(
    "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufffe\uffff]"
    # Joiners are parts of letters and emoji in other scripts, never of Latin letters.
    "|(?:(?<=[\x00-\u024f])|^)[\u200c\u200d]+(?=[\x00-\u024f]|$)"
)


def without_escapes(text: str) -> str:
    r"""Return `text` with HTML, Excel's escapes and those of programs as what they mean.

    Examples
    --------
    >>> without_escapes("Smith &amp; Sons<br>M\\u00fcller, K=C3=B6ln 5%20B")
    'Smith & Sons Müller, Köln 5 B'
    """
    before = ""
    while before != text:  # "&amp;amp;#252;" was encoded more than once
        before = text
        text = _once(text)
    return text


def _once(text: str) -> str:
    if "&" in text:
        text = _CUT_ENTITY.sub(_with_semicolon, _ENTITY.sub(_entity, text))
    if "<" in text:
        text = _TAG.sub("", _BREAK.sub(" ", text))
    if "[" in text:
        text = _BRACKETS.sub(" ", text)
    if "_x" in text:
        text = _EXCEL.sub(lambda found: _letter(int(found[1], 16)), text)
    if "\\" in text:
        text = _UNICODE.sub(_from_unicode, text)
        text = _BYTES.sub(_decoder(r"\\x", always=True), text)
        text = _OCTAL.sub(_from_octal, text)
        text = _LINE.sub(" ", text)
    if "=" in text:
        text = _quoted_printable(_FORMULA.sub(r"\1", text))
    return _percent(text) if "%" in text else text


def _with_semicolon(found: re.Match[str]) -> str:
    whole = f"{found[0]};"
    return whole if html.unescape(whole) != whole else found[0]


def _entity(found: re.Match[str]) -> str:
    mark = found[0]
    while (plain := html.unescape(mark)) != mark:
        mark = plain
    return " " if mark in "\r\n" else mark


def _letter(code: int) -> str:
    return " " if code < 0x20 else chr(code)


def _from_unicode(found: re.Match[str]) -> str:
    units = bytes.fromhex(found[0].replace("\\u", ""))
    return units.decode("utf-16-be", errors="replace")


def _from_octal(found: re.Match[str]) -> str:
    """Return letters of UTF-8; one byte alone, as the number of a unit may look, is none."""
    data = bytes(int(code, 8) for code in found[0].split("\\")[1:])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return found[0]


def _decoder(prefix: str, *, always: bool = False) -> Callable[[re.Match[str]], str]:
    """Return a function that reads bytes in hexadecimal; text that is not UTF-8 stays as it is.

    Parameters
    ----------
    always
        Read it as Windows-1252 then.
    """

    def decoded(found: re.Match[str]) -> str:
        data = bytes.fromhex(re.sub(prefix, "", found[0]))
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("cp1252", errors="replace") if always else found[0]

    return decoded


def _quoted_printable(text: str) -> str:
    """Return `text` with "=C3=BC" decoded: only where a letter beyond ASCII shows what it is."""
    decoded = _QUOTED.sub(_decoder("="), text)
    return decoded if not decoded.isascii() and decoded != text else text


def _percent(text: str) -> str:
    """Return `text` with "%20" and "%C3%BC" decoded, and then the plus signs between words.

    "50%50" is no code: a percent code of a letter or digit is never written.
    """
    plain = _PERCENT.sub(_of_percent, text)
    return plain.replace("+", " ") if plain != text and " " not in text else plain


def _of_percent(found: re.Match[str]) -> str:
    decoded = _decoder("%")(found)
    return found[0] if any(c.isascii() and c.isalnum() for c in decoded) else decoded


def without_invisible(text: str) -> str:
    """Return `text` without zero-width marks and marks of direction."""
    return text if text.isascii() else _INVISIBLE.sub("", text)
