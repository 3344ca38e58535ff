"""A label as ZPL II for thermal printers of 203 dpi: native text and a native barcode.

Every text stands in an ``^FH`` field, where ``^``, ``~``, ``_``, control characters and everything beyond ASCII are
hexadecimal, so that no address can end its field or give the printer a command; ``^CI28`` reads the bytes as UTF-8.
"""

from __future__ import annotations

from shipkit.render.content import LabelContent
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
                parts.append(f"^BY{module}^FO{x},{y}^BCN,{height},N,N,N,A^FH^FD{escaped(text)}^FS")
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
    return "".join(chr(byte) if 32 <= byte < 127 and chr(byte) not in _SPECIAL else f"_{byte:02X}" for byte in text.encode("utf-8", "replace"))


_SPECIAL = frozenset("^~_\\")


def _text(mark: Text) -> str:
    width = mark.size * mark.stretch // 100
    reverse = "^FR" if mark.white else ""
    return f"^FT{mark.x},{mark.y}^A0N,{mark.size},{width}{reverse}^FH^FD{escaped(mark.text)}^FS"
