"""A label as a one-page PDF, written by hand: standard fonts, vector bars, no clock, no random ids.

The same content gives the same bytes. Coordinates are printer dots (one matrix turns them into
points).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from functools import cache

from shipkit.render import glyphs
from shipkit.render.content import LabelContent
from shipkit.render.layout import DPI, SIZES, WIDTH, Bars, Box, Text, marks, text_width

__all__ = ["document", "pdf", "stream"]

_POINTS = 72 / DPI
_WATERMARK_HEIGHT = 800


def pdf(content: LabelContent, size: str = "4x6") -> bytes:
    """Return `content` drawn as a PDF of one page, `size` inches, with a Code 128 barcode.

    Raises
    ------
    LabelError
        The tracking number cannot be a barcode.
    """
    return document([*_frame(size), stream(_drawing(content, size))])


def document(objects: Sequence[bytes]) -> bytes:
    """Return a PDF file of `objects`; the first is its catalog."""
    parts, offset, table = [b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"], 15, ["0000000000 65535 f "]
    for number, body in enumerate(objects, 1):
        part = b"%d 0 obj\n%b\nendobj\n" % (number, body)
        table.append(f"{offset:010} 00000 n ")
        parts.append(part)
        offset += len(part)
    size = len(table)
    parts.append(
        (
            f"xref\n0 {size}\n{chr(10).join(table)}\ntrailer\n<</Size {size}/Root 1 0 "
            f"R>>\nstartxref\n{offset}\n%%EOF\n"
        ).encode("ascii")
    )
    return b"".join(parts)


def stream(data: bytes, extra: str = "") -> bytes:
    """Return the body of a stream object."""
    return b"<</Length %d%b>>stream\n%b\nendstream" % (len(data), extra.encode("ascii"), data)


@cache
def _frame(size: str) -> tuple[bytes, ...]:
    """Return the objects that every label of a size shares."""
    width, height = f"{WIDTH * _POINTS:.0f}", f"{SIZES[size] * _POINTS:.0f}"
    font = "<</Type/Font/Subtype/Type1/BaseFont/{}/Encoding/WinAnsiEncoding>>"
    return tuple(
        body.encode("ascii")
        for body in (
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            (
                f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents 6 0 "
                "R/Resources<</Font<</R 4 0 R/B 5 0 R>>>>>>"
            ),
            font.format("Helvetica"),
            font.format("Helvetica-Bold"),
        )
    )


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
    return "\n".join(parts).encode("cp1252")


@cache
def _ground(watermark: str | None, height: int) -> str:
    """Return the bottom layer: the scale to printer dots, and the watermark in pale grey."""
    matrix = f"{_POINTS:.6f} 0 0 {_POINTS:.6f} 0 0 cm"
    if not watermark:
        return matrix
    slope = math.atan2(_WATERMARK_HEIGHT, WIDTH)
    cos, sin = math.cos(slope), math.sin(slope)
    size = min(
        0.8 * math.hypot(_WATERMARK_HEIGHT, WIDTH) * 1000 / text_width(watermark, 1000, bold=True),
        320,
    )
    along, up = text_width(watermark, 1000, bold=True) * size / 2000, 0.36 * size
    x = WIDTH / 2 - along * cos + up * sin
    y = height - _WATERMARK_HEIGHT / 2 - along * sin - up * cos
    return (
        f"{matrix}\n.88 g BT /B {size:.1f} Tf {cos:.5f} {sin:.5f} {-sin:.5f} {cos:.5f} {x:.1f} "
        f"{y:.1f} Tm ({_escaped(watermark)}) Tj ET 0 g"
    )


def _text(mark: Text, height: int) -> str:
    if glyphs.needed(mark.text):
        line = _glyphs(mark, height)
    else:
        stretch, reset = (f" {mark.stretch} Tz", " 100 Tz") if mark.stretch != 100 else ("", "")
        line = (
            f"BT /{'B' if mark.bold else 'R'} {mark.size} Tf{stretch} {mark.x} {height - mark.y} "
            f"Td ({_escaped(mark.text)}) Tj ET{reset}"
        )
    return f"1 g {line} 0 g" if mark.white else line


def _glyphs(mark: Text, height: int) -> str:
    """Return a line that the standard fonts cannot show, as a bitmap with invisible text.

    The bitmap has two dots per printer dot. The text is for copying and searching.
    """
    dots = glyphs.draw(mark.text, mark.size * 2, bold=mark.bold, stretch=mark.stretch)
    place = (
        f"{dots.width / 2} 0 0 {dots.height / 2} {mark.x} "
        f"{height - mark.y - (dots.height - dots.ascent) / 2} cm"
    )
    image = (
        f"BI /W {dots.width} /H {dots.height} /IM true /BPC 1 /D [1 0] /F [/AHx /Fl] ID "
        f"{zlib.compress(dots.rows, 9).hex()}> EI"
    )
    return (
        f"/Span <</ActualText <FEFF{mark.text.encode('utf-16-be').hex()}>>> BDC q {place} {image} "
        "Q EMC"
    )


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
