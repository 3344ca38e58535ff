"""Drawing labels: pure functions from a value to bytes; nothing leaves the machine.

>>> from shipkit.models import Address
>>> from shipkit.render import LabelContent, pdf
>>> shop = Address(company="Harbor Goods", city="San Antonio", state="TX", postal_code="78205")
>>> content = LabelContent(
...     ship_from=shop, ship_to=shop, service="Ground", tracking_number="SANDBOX00000000017"
... )
>>> pdf(content)[:8]
b'%PDF-1.4'
"""

from __future__ import annotations

from shipkit.models import LabelFormat, LabelSpec
from shipkit.render.content import LabelContent, label_contents
from shipkit.render.pdf import pdf
from shipkit.render.raster import pdf_to_png
from shipkit.render.zpl import zpl

__all__ = ["LabelContent", "draw", "label_contents", "pdf", "pdf_to_png", "png", "zpl"]


def png(content: LabelContent, size: str = "4x6") -> bytes:
    """Return `content` drawn as a grey PNG, 203 dots an inch (812 x 1218 for 4x6)."""
    return pdf_to_png(pdf(content, size))


def draw(content: LabelContent, spec: LabelSpec | None = None) -> bytes:
    """Return `content` in the format and size of `spec` (a 4x6 PDF without one)."""
    spec = spec or LabelSpec()
    match spec.format:
        case LabelFormat.PDF:
            return pdf(content, spec.size)
        case LabelFormat.ZPL:
            return zpl(content, spec.size)
        case LabelFormat.PNG:
            return png(content, spec.size)
        case LabelFormat.GIF:
            from shipkit.render.convert import image_to_gif

            return image_to_gif(png(content, spec.size))
