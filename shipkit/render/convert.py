"""Labels from one format to another, all on this machine."""

from __future__ import annotations

import io

__all__ = ["image_to_gif"]


def image_to_gif(data: bytes) -> bytes:
    """Return a picture as a GIF of the same pixels in 256 greys."""
    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("L").save(out, "GIF")
    return out.getvalue()
