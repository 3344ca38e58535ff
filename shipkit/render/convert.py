"""Convert labels between formats on this machine.

Pictures keep their pixels wherever they fit, because resampling can make a barcode unreadable.

Labels are turned and packed by numpy: a UPS label becomes a PDF in 7 ms of CPU, where Pillow alone
took 16 (measured; 4 of the 7 are decoding its GIF). Pillow, numpy and zlib release the lock of
Python while they work, so that threads share the cores.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

import numpy as np

from shipkit.errors import LabelError
from shipkit.models import LabelFormat
from shipkit.render.graphic import graphic
from shipkit.render.layout import DPI, SIZES, WIDTH
from shipkit.render.pdf import document, stream
from shipkit.render.raster import pdf_pages, pdf_to_png

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "can_convert",
    "convert",
    "image_to_gif",
    "image_to_pdf",
    "image_to_png",
    "image_to_zpl",
    "pdf_to_zpl",
    "upright",
]

_LARGEST_PIXELS = 50_000_000
_WHITE = 255
_MIDDLE_GREY = 128
"""Darker greys are printed by a thermal printer, which has black only."""


def can_convert(source: LabelFormat, target: LabelFormat) -> bool:
    """Return whether :func:`convert` has a way from `source` to `target`."""
    return source == target or source != LabelFormat.ZPL


def convert(data: bytes, source: LabelFormat, target: LabelFormat) -> bytes:
    """Return a label in another format.

    Pictures become PDF without loss and ZPL dot for dot; PDF becomes a picture or ZPL at 203 dots
    an inch.

    Raises
    ------
    LabelError
        The source is ZPL and the target is not, or the bytes are not in the format `source`.
    """
    if not can_convert(source, target):
        raise LabelError(
            f"A label bought as ZPL cannot be saved as {target.value.upper()}: ZPL is a program "
            "for the printer, and only a printer draws it as the carrier meant.",
            fix="Save it as .zpl and send it to a thermal printer, or buy with "
            f'label_format="{target.value}" next time.',
        )
    if source == target:
        return data
    if target == LabelFormat.ZPL:
        return pdf_to_zpl(data) if source == LabelFormat.PDF else image_to_zpl(data)
    if target == LabelFormat.PDF:
        return image_to_pdf(data)
    picture = pdf_to_png(data) if source == LabelFormat.PDF else data
    return image_to_png(picture) if target == LabelFormat.PNG else image_to_gif(picture)


def image_to_pdf(data: bytes) -> bytes:
    """Return a picture of a label as a PDF page of 4x6 or 4x8 inches, pixel for pixel, upright.

    A picture of two greys is stored with one bit a pixel.
    """
    image = upright(data)
    greys = np.asarray(image)
    bits, rows = 8, greys.tobytes()
    if not ((greys != 0) & (greys != 255)).any():
        bits, rows = 1, np.packbits(greys, axis=1).tobytes()
    box_width, box_height = 288, 432 if image.height <= 1.75 * image.width else 576
    scale = min(box_width / image.width, box_height / image.height)
    width, height = image.width * scale, image.height * scale
    drawing = (
        f"q {width:.4f} 0 0 {height:.4f} {(box_width - width) / 2:.4f} {box_height - height:.4f} "
        "cm /L Do Q"
    )
    picture = (
        f"/Type/XObject/Subtype/Image/Width {image.width}/Height "
        f"{image.height}/ColorSpace/DeviceGray/BitsPerComponent {bits}/Filter/FlateDecode"
    )
    return document(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            (
                f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {box_width} {box_height}]/Contents 4 0 "
                "R/Resources<</XObject<</L 5 0 R>>>>>>"
            ).encode("ascii"),
            stream(drawing.encode("ascii")),
            stream(zlib.compress(rows, 6), picture),
        ]
    )


def image_to_zpl(data: bytes) -> bytes:
    """Return a picture of a label as a ZPL graphic.

    Each pixel is one dot; a picture larger than the label is scaled down to it.
    """
    return _zpl(upright(data))


def image_to_png(data: bytes) -> bytes:
    """Return a picture as a PNG of the same pixels."""
    return _saved(_open(data), "PNG")


def image_to_gif(data: bytes) -> bytes:
    """Return a picture as a GIF of the same pixels in 256 greys."""
    return _saved(_open(data), "GIF")


def pdf_to_zpl(data: bytes) -> bytes:
    """Return each page of a PDF as one ZPL label of dots; pale greys (a watermark) stay white."""
    return b"".join(_zpl(page) for page in pdf_pages(data, dpi=DPI))


def _open(data: bytes) -> Image:
    from PIL import Image, UnidentifiedImageError

    try:
        image: Image.Image = Image.open(io.BytesIO(data))
        if image.width * image.height > _LARGEST_PIXELS:
            raise LabelError(
                f"A label's picture has {image.width} x {image.height} pixels: too large.",
                fix="Ask the carrier for the label again.",
            )
        if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
            clear = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
        return image.convert("L")
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
    ) as error:
        raise LabelError(
            "A label that should be a picture cannot be read as one.",
            fix="Ask the carrier for the label again.",
        ) from error


def upright(data: bytes) -> Image:
    """Return a picture of a label upright, without blank space beyond the label's length.

    UPS sends GIF labels lying on their side, the top at the left, with an inch of white at the end
    (1400 x 800 for 4x6).
    """
    from PIL import Image

    image = _open(data)
    greys = np.asarray(image)
    if image.width > image.height:
        greys = np.ascontiguousarray(np.rot90(greys, -1))
    longest = greys.shape[1] * 3 // 2
    if greys.shape[0] > longest:
        drawn = np.flatnonzero((greys[longest:] != _WHITE).any(axis=1))
        greys = greys[: longest + (int(drawn[-1]) + 1 if len(drawn) else 0)]
    return Image.fromarray(greys)


def _zpl(image: Image) -> bytes:
    from PIL import Image

    if image.width > WIDTH or image.height > max(SIZES.values()):
        scale = min(WIDTH / image.width, max(SIZES.values()) / image.height)
        image = image.resize(
            (round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS
        )
    height = SIZES["4x6"] if image.height <= SIZES["4x6"] else SIZES["4x8"]
    dots = np.packbits(np.asarray(image) < _MIDDLE_GREY, axis=1)
    x = (WIDTH - image.width) // 2
    field = graphic(dots.tobytes(), image.width)
    return f"^XA^PW{WIDTH}^LL{height}^LH0,0^FO{x},0{field}^FS^XZ\n".encode("ascii")


def _saved(image: Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()
