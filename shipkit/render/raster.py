"""PDF pages as pictures, through pdfium."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

from shipkit.errors import LabelError
from shipkit.render.layout import DPI

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["pdf_to_image", "pdf_to_png"]

_PDFIUM = threading.Lock()
"""pdfium is not safe for threads; whoever calls it holds this."""


def pdf_to_png(data: bytes, *, page: int = 0, dpi: int = DPI) -> bytes:
    """Return one page of a PDF as a grey PNG; the resolution stands in the file."""
    out = io.BytesIO()
    pdf_to_image(data, page=page, dpi=dpi).save(out, "PNG", dpi=(dpi, dpi))
    return out.getvalue()


def pdf_to_image(data: bytes, *, page: int = 0, dpi: int = DPI) -> Image:
    """Return one page of a PDF as a grey Pillow image.

    Raises
    ------
    LabelError
        `data` is not a readable PDF, or has no such page.
    """
    import pypdfium2

    with _PDFIUM:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            raise LabelError("A label says it is a PDF, but its bytes cannot be read as one.", fix="Ask the carrier for the label again.") from error
        try:
            if not 0 <= page < len(document):
                raise LabelError(f"The PDF has {len(document)} pages; page {page + 1} was asked for.")
            picture: Image = document[page].render(scale=dpi / 72, grayscale=True).to_pil().copy()
            return picture
        finally:
            document.close()
