"""Text beyond cp1252 as a bitmap: Pillow draws it with DejaVu Sans, which is part of this package.

Only lines that need it come here, so that everybody else keeps small files and the standard fonts.
The same bitmap goes into PDF and ZPL: no printer has to own the font. DejaVu covers Latin, Greek,
Cyrillic, Armenian, Georgian, Hebrew and Arabic. For other scripts a font of the machine is taken
where there is one (the one case in which two machines may draw different files); without one their
characters show as boxes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

__all__ = ["Glyphs", "draw", "needed", "width"]

_UNIT = 100
_BUNDLED = Path(__file__).parent / "fonts" / "DejaVuSansCondensed.ttf"

_MACHINE_FONTS = (
    (
        re.compile("[\u1100-\u11ff\uac00-\ud7af]"),
        (
            "NotoSansCJK-Regular.ttc",
            "malgun.ttf",
            "AppleSDGothicNeo.ttc",
            "NanumGothic.ttf",
            "wqy-microhei.ttc",
        ),
    ),
    (
        re.compile("[\u3040-\u30ff]"),
        (
            "NotoSansCJK-Regular.ttc",
            "YuGothR.ttc",
            "msgothic.ttc",
            "ヒラギノ角ゴシック W3.ttc",
            "ipag.ttf",
            "wqy-microhei.ttc",
        ),
    ),
    (
        re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"),
        (
            "NotoSansCJK-Regular.ttc",
            "msyh.ttc",
            "PingFang.ttc",
            "STHeiti Light.ttc",
            "wqy-microhei.ttc",
        ),
    ),
    (re.compile("[\u0e00-\u0e7f]"), ("NotoSansThai-Regular.ttf", "tahoma.ttf", "Thonburi.ttc")),
    (
        re.compile("[\u0900-\u0dff]"),
        ("NotoSansDevanagari-Regular.ttf", "Nirmala.ttc", "Nirmala.ttf", "Kohinoor.ttc"),
    ),
)
"""Script -> fonts that a machine may have for it, best first."""


class Glyphs(NamedTuple):
    """Black dots in rows of whole bytes, the left dot in the highest bit.

    `ascent` is the number of rows above the baseline.
    """

    width: int
    height: int
    ascent: int
    rows: bytes


def needed(text: str) -> bool:
    """Return whether `text` has characters that PDF's standard fonts (cp1252) cannot show."""
    if text.isascii():
        return False
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return True
    return False


def width(text: str) -> int:
    """Return the width of `text` in thousandths of its size."""
    return int(_font(_name(text), _UNIT).getlength(text) * 1000 / _UNIT) + 20


def draw(text: str, size: int, *, bold: bool = False, stretch: int = 100) -> Glyphs:
    """Return the dots of `text`, `size` dots high and `stretch` percent wide.

    Bold text has a thicker stroke.
    """
    from PIL import Image, ImageDraw

    font = _font(_name(text), size)
    ascent, descent = font.getmetrics()
    stroke = max(size // 24, 1) if bold else 0
    picture = Image.new(
        "L", (max(round(font.getlength(text)) + 2 * stroke + 2, 1), ascent + descent)
    )
    ImageDraw.Draw(picture).text((stroke, 0), text, font=font, fill=255, stroke_width=stroke)
    if stretch != 100:
        picture = picture.resize((max(picture.width * stretch // 100, 1), picture.height))
    dots = picture.point(lambda grey: 255 if grey > 110 else 0).convert("1")
    box = dots.getbbox() or (0, 0, 1, 1)
    dots = dots.crop((0, box[1], dots.width, box[3]))
    return Glyphs(dots.width, dots.height, ascent - box[1], dots.tobytes())


def _name(text: str) -> str:
    for script, names in _MACHINE_FONTS:
        if script.search(text):
            return next((name for name in names if _exists(name)), "")
    return ""


@lru_cache(64)
def _exists(name: str) -> bool:
    from PIL import ImageFont

    try:
        ImageFont.truetype(name, _UNIT)
    except OSError:
        return False
    return True


@lru_cache(64)
def _font(name: str, size: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(name or _BUNDLED, size)
