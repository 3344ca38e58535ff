"""A label as ZPL II for thermal printers of 203 dpi: native text and a native barcode.

Every text is in an ``^FH`` field, where ``^``, ``~``, ``_``, control characters and everything
beyond ASCII are hexadecimal, so that no address can end its field or give the printer a command;
``^CI28`` reads the bytes as UTF-8. A line beyond cp1252 is sent as dots, because older printers
have no font for it.
"""

from __future__ import annotations

from shipkit.render import code128, glyphs
from shipkit.render.content import LabelContent
from shipkit.render.graphic import graphic
from shipkit.render.layout import SIZES, WIDTH, Bars, Box, Text, marks

__all__ = ["escaped", "zpl"]


def zpl(content: LabelContent, size: str = "4x6") -> bytes:
    """Return `content` drawn as one ZPL label, ``^XA`` to ``^XZ``, all ASCII.

    Raises
    ------
    LabelError
        The tracking number cannot be a barcode.
    """
    parts = [f"^XA^CI28^PW{WIDTH}^LL{SIZES[size]}^LH0,0^FS"]
    for mark in marks(content, size):
        match mark:
            case Text():
                parts.append(_text(mark))
            case Box(x, y, width, height):
                parts.append(f"^FO{x},{y}^GB{width},{height},{min(width, height)}^FS")
            case Bars(x, y, height, module, _, text):
                parts.append(f"^BY{module}^FO{x},{y}^BCN,{height},N,N,N,N^FH^FD{_subsets(text)}^FS")
    parts.append("^XZ\n")
    return "\n".join(parts).encode("ascii")


def escaped(text: str) -> str:
    """Return `text` for an ``^FH^FD`` field under ``^CI28``.

    Examples
    --------
    >>> escaped("Zürich ^XZ")
    'Z_C3_BCrich _5EXZ'
    """
    if text.isascii() and text.isprintable() and not _SPECIAL.intersection(text):
        return text
    return "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in _SPECIAL else f"_{byte:02X}"
        for byte in text.encode("utf-8", "replace")
    )


_SPECIAL = frozenset("^~_\\")
_WIDEN, _WIDEN_BOLD = 108, 110
"""Percent by which the printer's font 0 must be drawn wider to take the room of Helvetica."""


def _subsets(text: str) -> str:
    """Return barcode data with explicit subsets, so that printer and picture draw the same bars."""
    parts, subset = [], ""
    for wanted, run in code128.runs(text):
        if wanted != subset:
            parts.append(
                {"B": ">6", "C": ">5"}[wanted] if subset else {"B": ">:", "C": ">;"}[wanted]
            )
            subset = wanted
        parts.append(escaped(run.replace(">", ">0")))
    return "".join(parts)


def _text(mark: Text) -> str:
    reverse = "^FR" if mark.white else ""
    if glyphs.needed(mark.text):
        dots = glyphs.draw(mark.text, mark.size, bold=mark.bold, stretch=mark.stretch)
        return f"^FO{mark.x},{mark.y - dots.ascent}{reverse}{graphic(dots.rows, dots.width)}^FS"
    width = mark.size * mark.stretch * (_WIDEN_BOLD if mark.bold else _WIDEN) // 10_000
    return f"^FT{mark.x},{mark.y}^A0N,{mark.size},{width}{reverse}^FH^FD{escaped(mark.text)}^FS"
