"""The positions of everything on a label, in printer dots from the top left corner.

One layout, drawn by :mod:`~shipkit.render.pdf` and :mod:`~shipkit.render.zpl`. A dot is 1/203
inch, so that the bars of the barcode fall on whole dots of a thermal printer and on whole pixels
of the picture.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shipkit.models import Address
from shipkit.render import code128, glyphs
from shipkit.render.content import LabelContent
from shipkit.render.metrics import BOLD, REGULAR

__all__ = ["DPI", "SIZES", "WIDTH", "Bars", "Box", "Mark", "Text", "marks", "text_width"]

DPI = 203
WIDTH = 812
SIZES = {"4x6": 1218, "4x8": 1624}
"""Label size -> height in dots. Every label is 812 dots wide."""

LEFT, RIGHT = 28, 784
_NARROWEST = 45
"""Percent of its natural width to which a line may be pressed."""


class Text(NamedTuple):
    """One line of text: `x` is its left edge, `y` its baseline."""

    x: int
    y: int
    size: int
    text: str
    bold: bool = False
    white: bool = False
    stretch: int = 100
    """Horizontal scale in percent, to make a long line fit."""


class Box(NamedTuple):
    """A filled black rectangle; `y` is its upper edge."""

    x: int
    y: int
    width: int
    height: int


class Bars(NamedTuple):
    """The barcode; `widths` alternate bar and space in modules of `module` dots."""

    x: int
    y: int
    height: int
    module: int
    widths: tuple[int, ...]
    text: str


Mark = Text | Box | Bars


def marks(content: LabelContent, size: str = "4x6") -> Iterator[Mark]:
    """Yield everything on the label in drawing order: black boxes before the white text on them."""
    yield from _sender(content)
    yield from _facts(content)
    yield Box(0, 222, WIDTH, 2)
    yield from _recipient(content.ship_to)
    yield Box(0, 520, WIDTH, 6)
    yield from _routing(content)
    yield Box(0, 676, WIDTH, 10)
    yield from _service(content)
    yield Box(0, 808, WIDTH, 2)
    yield _barcode(content.tracking_number, 832, 226)
    yield Box(0, 1080, WIDTH, 10)
    yield from _foot(content, SIZES[size])


def _sender(content: LabelContent) -> Iterator[Text]:
    address = content.ship_from
    lines = [
        address.name,
        address.company,
        address.phone,
        *address.lines,
        _city(address),
        _country(address, content.ship_to),
    ]
    yield from _column(
        [line for line in lines if line], LEFT, 46, size=22, pitch=25, width=430, bottom=212
    )


def _facts(content: LabelContent) -> Iterator[Text]:
    """Weight and parcel count, then date, size and who pays, at the upper right."""
    if content.weight_lb is not None:
        yield _fit(490, 56, 38, f"{_number(content.weight_lb)} LB", 150, bold=True)
    yield _fit(
        RIGHT,
        56,
        38,
        f"{content.parcel_index} OF {content.parcel_count}",
        140,
        bold=True,
        to_left=True,
    )
    lines = [
        f"SHIP DATE: {content.date.day:02} {_MONTHS[content.date.month - 1]} {content.date.year}"
        if content.date
        else "",
        f"DIM: {' x '.join(map(_number, content.dimensions_in))} IN"
        if content.dimensions_in
        else "",
        f"BILLING: {content.billing}" if content.billing else "",
        *content.notices,
    ]
    yield from _column(
        [line for line in lines if line], 490, 92, size=22, pitch=26, width=RIGHT - 490, bottom=212
    )


def _recipient(address: Address) -> Iterator[Text]:
    yield Text(LEFT, 258, 24, "SHIP TO:", bold=True)
    lines = [line for line in (address.name, address.company, *address.lines) if line]
    last = [
        line
        for line in (
            _city(address),
            _COUNTRIES.get(address.country, address.country) if address.country != "US" else "",
        )
        if line
    ]
    y = 300
    pitch = min(42, (496 - 44 * len(last) - y) // max(len(lines) - 1, 1) if len(lines) > 1 else 42)
    for line in lines:
        yield _fit(150, y, min(36, pitch - 3), line, RIGHT - 150)
        y += pitch
    for line in last:
        yield _fit(150, y + 8, 44, line.upper(), RIGHT - 150, bold=True)
        y += 46


def _routing(content: LabelContent) -> Iterator[Mark]:
    to = content.ship_to
    area = (
        f"{to.state or to.country} {(to.postal_code or '')[:5]}"
        if to.country == "US"
        else f"{to.country} {to.postal_code or ''}"
    )
    room = RIGHT - LEFT
    if content.watermark:
        words = _clean(content.watermark)
        width = text_width(words, 64, bold=True) + 48
        yield Box(RIGHT - width, 556, width, 92)
        yield Text(RIGHT - width + 24, 625, 64, words, bold=True, white=True)
        room -= width + 60
    yield _fit(LEFT, 634, 92, area.strip().upper(), room, bold=True)


def _service(content: LabelContent) -> Iterator[Mark]:
    title = _clean(content.service).strip().upper()
    mark = title[:1]
    yield Box(RIGHT - 92, 700, 92, 92)
    yield Text(
        RIGHT - 46 - text_width(mark, 80, bold=True) // 2, 774, 80, mark, bold=True, white=True
    )
    yield _fit(LEFT, 748, 60, title, RIGHT - LEFT - 120, bold=True)
    yield _fit(
        LEFT, 792, 30, f"TRACKING #: {_grouped(content.tracking_number)}", RIGHT - LEFT - 120
    )


def _barcode(number: str, y: int, height: int) -> Bars:
    """Place the bars in the middle, as wide as whole dots allow with the quiet zones."""
    widths = code128.widths(number)
    modules = sum(widths)
    module = max(min(WIDTH // (modules + 2 * code128.QUIET_MODULES), 4), 1)
    return Bars((WIDTH - modules * module) // 2, y, height, module, widths, number)


def _foot(content: LabelContent, height: int) -> Iterator[Text]:
    lines = [f"REF: {content.reference}" if content.reference else "", content.description or ""]
    lines[1:1] = [f"{key.upper()}: {value}" for key, value in content.references]
    yield from _column(
        [line for line in lines if line],
        LEFT,
        1120,
        size=24,
        pitch=28,
        width=RIGHT - LEFT,
        bottom=height - 34,
    )
    if content.watermark:
        yield _fit(
            RIGHT,
            height - 14,
            18,
            f"{content.watermark} - drawn by shipkit, not valid for shipping",
            RIGHT - LEFT,
            to_left=True,
        )


def _column(
    lines: Sequence[str], x: int, y: int, *, size: int, pitch: int, width: int, bottom: int
) -> Iterator[Text]:
    """Yield `lines` one below the other, closer and smaller when they would pass `bottom`."""
    if len(lines) > 1:
        pitch = min(pitch, (bottom - y) // (len(lines) - 1))
    for index, line in enumerate(lines):
        yield _fit(x, y + index * pitch, min(size, pitch - 1), line, width)


def _fit(
    x: int, y: int, size: int, text: str, width: int, *, bold: bool = False, to_left: bool = False
) -> Text:
    """Return `text` made smaller, then narrower, until it fits `width` dots.

    `x` is the right edge where `to_left`, else the left edge.

    What would still be too narrow to read ends in an ellipsis, so that a cut can be seen.
    """
    text = _clean(text)
    natural = text_width(text, 1000, bold=bold)
    if natural * size > width * 1000:
        size = max(width * 1000 // natural, size * 2 // 3)
    if natural * size * _NARROWEST > width * 100_000:
        text = (
            text[: max(len(text) * width * 100_000 // (natural * size * _NARROWEST) - 2, 1)]
            + "\u2026"
        )
        natural = text_width(text, 1000, bold=bold)
    stretch = min(width * 100_000 // (natural * size), 100) if natural else 100
    return Text(
        x - natural * size * stretch // 100_000 if to_left else x,
        y,
        size,
        text,
        bold=bold,
        stretch=max(stretch, 1),
    )


def _clean(text: str) -> str:
    """Return `text` on one line.

    Control characters become spaces, invisible characters (bidirectional marks, soft hyphens) are
    removed, and accents are composed.
    """
    if not text.isprintable():
        text = "".join(
            c if c.isprintable() else "" if unicodedata.category(c) == "Cf" else " " for c in text
        )
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def text_width(text: str, size: int, *, bold: bool = False) -> int:
    """Return the width of `text` in dots."""
    if glyphs.needed(text):
        return glyphs.width(text) * size // 1000
    return sum(map((BOLD if bold else REGULAR).__getitem__, text.encode("cp1252"))) * size // 1000


def _city(address: Address) -> str:
    return " ".join(part for part in (address.city, address.state, address.postal_code) if part)


def _country(address: Address, other: Address) -> str:
    return (
        _COUNTRIES.get(address.country, address.country)
        if address.country != other.country or address.country != "US"
        else ""
    )


def _grouped(number: str) -> str:
    """Return a tracking number in groups that can be read aloud: letters, then fours."""
    head = len(number) - len(number.lstrip(string.ascii_letters))
    return " ".join(
        part
        for part in (number[:head], *(number[i : i + 4] for i in range(head, len(number), 4)))
        if part
    )


def _number(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

_COUNTRIES = {
    "AE": "UNITED ARAB EMIRATES",
    "AR": "ARGENTINA",
    "AT": "AUSTRIA",
    "AU": "AUSTRALIA",
    "BE": "BELGIUM",
    "BG": "BULGARIA",
    "BR": "BRAZIL",
    "CA": "CANADA",
    "CH": "SWITZERLAND",
    "CL": "CHILE",
    "CN": "CHINA",
    "CO": "COLOMBIA",
    "CR": "COSTA RICA",
    "CY": "CYPRUS",
    "CZ": "CZECHIA",
    "DE": "GERMANY",
    "DK": "DENMARK",
    "EE": "ESTONIA",
    "EG": "EGYPT",
    "ES": "SPAIN",
    "FI": "FINLAND",
    "FR": "FRANCE",
    "GB": "UNITED KINGDOM",
    "GR": "GREECE",
    "HK": "HONG KONG",
    "HR": "CROATIA",
    "HU": "HUNGARY",
    "ID": "INDONESIA",
    "IE": "IRELAND",
    "IL": "ISRAEL",
    "IN": "INDIA",
    "IS": "ICELAND",
    "IT": "ITALY",
    "JP": "JAPAN",
    "KR": "SOUTH KOREA",
    "LT": "LITHUANIA",
    "LU": "LUXEMBOURG",
    "LV": "LATVIA",
    "MT": "MALTA",
    "MX": "MEXICO",
    "MY": "MALAYSIA",
    "NL": "NETHERLANDS",
    "NO": "NORWAY",
    "NZ": "NEW ZEALAND",
    "PE": "PERU",
    "PH": "PHILIPPINES",
    "PL": "POLAND",
    "PR": "PUERTO RICO",
    "PT": "PORTUGAL",
    "RO": "ROMANIA",
    "SA": "SAUDI ARABIA",
    "SE": "SWEDEN",
    "SG": "SINGAPORE",
    "SI": "SLOVENIA",
    "SK": "SLOVAKIA",
    "TH": "THAILAND",
    "TR": "TURKEY",
    "TW": "TAIWAN",
    "UA": "UKRAINE",
    "US": "UNITED STATES",
    "VN": "VIETNAM",
    "ZA": "SOUTH AFRICA",
}
