"""Characters that a person does not see, made visible.

Instructions can hide in them: a model reads them, a terminal acts on them. Marks that are part of
the writing stay: a joiner inside a word or an emoji, and the mark that makes a sign an emoji.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["readable", "visible"]

_HIDDEN: Final = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, except tab and line feed
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # nothing to see
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"  # widths, directions
    r"\ufe00-\ufe0f\ufffe\uffff"  # variants of the character before
    r"\ud800-\udfff\ue000-\uf8ff"  # half characters, private use
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # shorthand, music
    r"\U000e0000-\U0010ffff"  # tags, more variants, private use
)
_RUN: Final = re.compile(f"[{_HIDDEN}]+")
_SHOWN: Final = 3
"""How many of a run are spelled out. More would be a text that a model can read."""
_JOINERS: Final = "\u200c\u200d"
_EMOJI_MARK: Final = "\ufe0f"


def visible(text: str, *, keep: str = "") -> str:
    r"""Return `text` with hidden characters written as escapes.

    Parameters
    ----------
    keep
        Characters that stay as they are.

    Examples
    --------
    >>> visible("a\x1b[31mb\u202ec")
    'a\\x1b[31mb\\u202ec'
    >>> visible("5 \u2764\ufe0f, no more")
    '5 \u2764\ufe0f, no more'
    """
    if text.isascii() and text.isprintable():
        return text

    def shown(found: re.Match[str]) -> str:
        run = found[0]
        if run in keep or _belongs(text, found.start(), found.end()):
            return run
        hidden = "".join(map(_escape, run[:_SHOWN]))
        more = len(run) - _SHOWN
        return hidden + (f"(and {more:,} more hidden characters)" if more > 0 else "")

    return _RUN.sub(shown, text)


def readable(name: str) -> str:
    r"""Return a path or a word of the command line with bytes that are not UTF-8 as escapes.

    Python keeps such bytes as halves of characters, which no file, log or JSON parser takes.

    Examples
    --------
    >>> readable("Gr\udcf6\udcdfe.csv")
    'Gr\\xf6\\xdfe.csv'
    """
    if name.isascii():
        return name
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half an emoji, which is no byte of a name
        return name.encode("utf-8", "backslashreplace").decode()


def _escape(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _belongs(text: str, start: int, end: int) -> bool:
    """Whether a single hidden character is part of the writing: one mark between visible ones."""
    before, run, after = text[start - 1 : start], text[start:end], text[end : end + 1]
    if run == _EMOJI_MARK:
        return _is_sign(before)
    if len(run) == 1 and run in _JOINERS:
        return (_is_sign(before) and _is_sign(after)) or (_joins(before) and _joins(after))
    # A heart that is an emoji, joined to another emoji.
    return run == _EMOJI_MARK + "\u200d" and _is_sign(before) and _is_sign(after)


def _is_sign(character: str) -> bool:
    return bool(character) and (
        unicodedata.category(character) in {"So", "Sk"} or character in "#*0123456789\u203c\u2049"
    )


def _joins(character: str) -> bool:
    """Whether a letter is of a script that needs joiners: Arabic and the scripts of India."""
    return bool(character) and "\u0600" <= character <= "\u109f"
