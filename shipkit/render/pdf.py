"""A label as a one-page PDF, written by hand: standard fonts, vector bars, no clock, no random ids.

The same content gives the same bytes. Objects 1 to 5 are the same for every label of a size; the sixth is
the page's drawing. Coordinates are printer dots (one matrix turns them into points).
"""

from __future__ import annotations

import math
from functools import cache

from shipkit.render.content import LabelContent
from shipkit.render.layout import DPI, SIZES, WIDTH, Bars, Box, Text, marks, text_width

__all__ = ["pdf"]

_POINTS = 72 / DPI
_WATERMARK_HEIGHT = 800


def pdf(content: LabelContent, size: str = "4x6") -> bytes:
    """Return `content` drawn as a PDF of one page, `size` inches, with a Code 128 barcode.

    Raises
    ------
    LabelError
        The tracking number cannot be a barcode.
    """
    head, offsets = _head(size)
    drawing = _drawing(content, size)
    body = b"%b6 0 obj\n<</Length %d>>stream\n%b\nendstream\nendobj\n" % (head, len(drawing), drawing)
    return b"%bxref\n0 7\n0000000000 65535 f \n%b%010d 00000 n \ntrailer\n<</Size 7/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        body, offsets, len(head), len(body),
    )


@cache
def _head(size: str) -> tuple[bytes, bytes]:
    """Return everything before the drawing, and its lines of the cross-reference table."""
    width, height = f"{WIDTH * _POINTS:.0f}", f"{SIZES[size] * _POINTS:.0f}"
    font = "<</Type/Font/Subtype/Type1/BaseFont/{}/Encoding/WinAnsiEncoding>>"
    parts = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents 6 0 R/Resources<</Font<</R 4 0 R/B 5 0 R>>>>>>",
        font.format("Helvetica"),
        font.format("Helvetica-Bold"),
    ]
    head, offsets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", b""
    for number, part in enumerate(parts, 1):
        offsets += b"%010d 00000 n \n" % len(head)
        head += f"{number} 0 obj\n{part}\nendobj\n".encode("ascii")
    return head, offsets


def _drawing(content: LabelContent, size: str) -> bytes:
    height = SIZES[size]
    parts = [_ground(content.watermark, height)]
    for mark in marks(content, size):
        match mark:
            case Text():
                parts.append(_text(mark, height))
            case Box(x, y, width, tall):
                parts.append(f"{x} {height - y - tall} {width} {tall} re f")
            case Bars():
                parts.append(_bars(mark, height))
    return "\n".join(parts).encode("cp1252", "replace")


@cache
def _ground(watermark: str | None, height: int) -> str:
    """Return what lies under everything: the change to dots, and the watermark in pale grey from corner to corner."""
    matrix = f"{_POINTS:.6f} 0 0 {_POINTS:.6f} 0 0 cm"
    if not watermark:
        return matrix
    slope = math.atan2(_WATERMARK_HEIGHT, WIDTH)
    cos, sin = math.cos(slope), math.sin(slope)
    size = min(0.8 * math.hypot(_WATERMARK_HEIGHT, WIDTH) * 1000 / text_width(watermark, 1000, bold=True), 320)
    along, up = text_width(watermark, 1000, bold=True) * size / 2000, 0.36 * size
    x = WIDTH / 2 - along * cos + up * sin
    y = height - _WATERMARK_HEIGHT / 2 - along * sin - up * cos
    return f"{matrix}\n.88 g BT /B {size:.1f} Tf {cos:.5f} {sin:.5f} {-sin:.5f} {cos:.5f} {x:.1f} {y:.1f} Tm ({_escaped(watermark)}) Tj ET 0 g"


def _text(mark: Text, height: int) -> str:
    stretch = f"{mark.stretch} Tz " if mark.stretch != 100 else ""
    line = f"BT /{'B' if mark.bold else 'R'} {mark.size} Tf {stretch}{mark.x} {height - mark.y} Td ({_escaped(mark.text)}) Tj ET"
    if stretch:
        line += " 100 Tz"
    return f"1 g {line} 0 g" if mark.white else line


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


_ESCAPES = str.maketrans({"\\": r"\\", "(": r"\(", ")": r"\)"})


def _bars(mark: Bars, height: int) -> str:
    """Return the barcode on white, so that no watermark lies between its bars."""
    y = height - mark.y - mark.height
    parts = [f"1 g 0 {y} {WIDTH} {mark.height} re f 0 g"]
    x = mark.x
    for index, modules in enumerate(mark.widths):
        width = modules * mark.module
        if index % 2 == 0:
            parts.append(f"{x} {y} {width} {mark.height} re")
        x += width
    parts.append("f")
    return "\n".join(parts)
