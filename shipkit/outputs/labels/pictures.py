"""Labels as pictures in a notebook: HTML with a text alternative, no external resources."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shipkit.errors import LabelError
from shipkit.models import Label, LabelFormat
from shipkit.render.convert import upright
from shipkit.render.layout import DPI, WIDTH
from shipkit.render.raster import pdf_pages

__all__ = ["LabelPicture", "figures", "show"]

_SCREEN = 2 / 3
"""Pixels per dot of the printer.

The thinnest bars have three dots; as two pixels a scanner still reads them from a screen.
"""


@dataclass(frozen=True)
class LabelPicture:
    """One label as a picture; a notebook shows it as the value of a cell."""

    title: str
    """What the label is, in words; the text alternative of the picture."""
    format: LabelFormat
    data: bytes = field(repr=False)

    def png(self) -> bytes:
        """Return the label as a small PNG. Raises LabelError for ZPL, which only printers draw."""
        if self.format == LabelFormat.ZPL:
            raise LabelError(
                "ZPL is drawn by the printer, so there is no picture of the label.",
                fix='Buy labels with label_format="pdf" or "png" to see them.',
            )
        image = (
            pdf_pages(self.data, dpi=DPI * _SCREEN, at_most=1)[0]
            if self.format == LabelFormat.PDF
            else upright(self.data)
        )
        image.thumbnail((WIDTH * _SCREEN, 3 * WIDTH * _SCREEN))
        out = io.BytesIO()
        # 16 shades are enough for black on white, and almost halve the file: a sandbox label has
        # 23 kB instead of 42 kB, in every notebook that shows it.
        image.quantize(16).save(out, "PNG", optimize=True)
        return out.getvalue()

    def __repr__(self) -> str:
        return f"{self.title} ({self.format.value.upper()}, {len(self.data):,} bytes)"

    def _repr_html_(self) -> str:
        return figures([self])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


def show(label: Label) -> LabelPicture:
    """Return one label as a picture for a notebook.

    Parameters
    ----------
    label
        A label from a carrier's answer: ``purchase.labels[0]``.
    """
    return LabelPicture(
        f"{label.kind.capitalize()} {label.tracking_number}", LabelFormat(label.format), label.data
    )


def figures(pictures: Sequence[LabelPicture], note: str = "") -> str:
    """Return pictures side by side as HTML, each above its title, after a line of text."""
    line = f"<p>{html.escape(note)}</p>" if note else ""
    shown = "".join(_figure(picture) for picture in pictures)
    return (
        f'<div class="mathjax_ignore shipkit-labels">{line}<div '
        f'style="display:flex;flex-wrap:wrap;gap:12px">{shown}</div></div>'
    )


def _figure(picture: LabelPicture) -> str:
    title = html.escape(picture.title, quote=True)
    return (
        f'<figure style="margin:0;width:240px">{_body(picture, title)}'
        f'<figcaption style="font-size:85%;overflow-wrap:anywhere">{title}</figcaption></figure>'
    )


def _body(picture: LabelPicture, title: str) -> str:
    frame = "border:1px solid var(--jp-border-color1, #bbb);border-radius:3px"
    try:
        source = base64.b64encode(picture.png()).decode("ascii")
    except LabelError as error:
        return (
            f'<div style="{frame};padding:8px">{picture.format.value.upper()}, '
            f"{len(picture.data):,} bytes. {html.escape(error.message)}</div>"
        )
    return (
        f'<img alt="{title}" src="data:image/png;base64,{source}" '
        f'style="width:100%;background:white;{frame}">'
    )
