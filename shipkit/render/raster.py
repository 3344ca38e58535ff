"""PDF pages as pictures, through pdfium."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

from shipkit.errors import LabelError
from shipkit.render.layout import DPI

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PDFIUM", "pdf_pages", "pdf_to_png"]

PDFIUM = threading.RLock()
"""pdfium is not thread-safe: hold this lock for every call."""


def pdf_to_png(data: bytes, *, dpi: int = DPI) -> bytes:
    """Return the first page of a PDF as a grey PNG that states its resolution.

    Raises
    ------
    LabelError
        `data` is not a readable PDF, or has no page.
    """
    out = io.BytesIO()
    pdf_pages(data, dpi=dpi, at_most=1)[0].save(out, "PNG", dpi=(dpi, dpi))
    return out.getvalue()


def pdf_pages(data: bytes, *, dpi: float = DPI, at_most: int | None = None) -> list[Image]:
    """Return the pages of a PDF as grey Pillow images.

    Raises
    ------
    LabelError
        `data` is not a readable PDF, or has no page.
    """
    import pypdfium2

    with PDFIUM:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            raise LabelError(
                "A label that should be a PDF cannot be read as one.",
                fix="Ask the carrier for the label again.",
            ) from error
        try:
            pages = range(len(document) if at_most is None else min(len(document), at_most))
            pictures = [
                document[number].render(scale=dpi / 72, grayscale=True).to_pil().copy()
                for number in pages
            ]
        finally:
            document.close()
    if not pictures:
        raise LabelError(
            "A label's PDF cannot be read: it has no page.",
            fix="Ask the carrier for the label again.",
        )
    return pictures
