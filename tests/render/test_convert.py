"""A label becomes another format on this machine, keeps its pixels, and its barcode still reads."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from shipkit.errors import LabelError
from shipkit.models import Address, LabelFormat, LabelSpec
from shipkit.render import LabelContent, draw
from shipkit.render.convert import convert
from shipkit.render.graphic import graphic

NUMBER = "SANDBOX00000012345"


@pytest.fixture
def labels(shop: Address) -> dict[LabelFormat, bytes]:
    content = LabelContent(ship_from=shop, ship_to=shop, service="Ground", tracking_number=NUMBER)
    return {name: draw(content, LabelSpec(format=name)) for name in LabelFormat}


@pytest.fixture
def ups_gif(shared: Path) -> bytes:
    answer = json.loads((shared / "ups/recorded/friendly.labels.success.json").read_text())
    package = answer["response"]["ShipmentResponse"]["ShipmentResults"]["PackageResults"][0]
    return base64.b64decode(package["ShippingLabel"]["GraphicImage"])


def picture(label: bytes, kind: LabelFormat) -> Image.Image:
    """What a printer would put on paper."""
    if kind is LabelFormat.PDF:
        document = pypdfium2.PdfDocument(label)
        image = document[0].render(scale=203 / 72, grayscale=True).to_pil().copy()
        document.close()
        return image
    if kind is LabelFormat.ZPL:
        return dots(label)
    return Image.open(io.BytesIO(label)).convert("L")


def dots(label: bytes) -> Image.Image:
    """Decode our own ^GFA by the rules of the ZPL manual, written apart from the encoder."""
    total, stride, data = re.fullmatch(
        rb"\^XA.*\^GFA,(\d+),\d+,(\d+),([^^]*)\^FS\^XZ\n", label
    ).groups()
    rows: list[str] = []
    row, count = "", 0
    for char in data.decode():
        if char == ":":
            rows.append(rows[-1])
        elif char in ",!":
            rows.append(row.ljust(int(stride) * 2, "0" if char == "," else "F"))
            row = ""
        elif "G" <= char <= "Y":
            count += ord(char) - ord("F")
        elif "g" <= char <= "z":
            count += (ord(char) - ord("f")) * 20
        else:
            row, count = row + char * max(count, 1), 0
        if len(row) == int(stride) * 2:
            rows.append(row)
            row = ""
    raw = bytes.fromhex("".join(rows))
    assert len(raw) == int(total)
    return Image.frombytes("1", (int(stride) * 8, len(rows)), bytes(255 - b for b in raw)).convert(
        "L"
    )


@pytest.mark.parametrize("target", LabelFormat)
@pytest.mark.parametrize("source", [name for name in LabelFormat if name is not LabelFormat.ZPL])
def test_the_barcode_survives_every_conversion(
    labels: dict[LabelFormat, bytes], source: LabelFormat, target: LabelFormat
) -> None:
    converted = convert(labels[source], source, target)
    assert [found.text for found in zxingcpp.read_barcodes(picture(converted, target))] == [NUMBER]


def test_native_zpl_stays_zpl_and_anything_else_is_refused_with_what_to_do(
    labels: dict[LabelFormat, bytes],
) -> None:
    assert (
        convert(labels[LabelFormat.ZPL], LabelFormat.ZPL, LabelFormat.ZPL)
        == labels[LabelFormat.ZPL]
    )
    for target in (LabelFormat.PDF, LabelFormat.PNG, LabelFormat.GIF):
        with pytest.raises(LabelError, match="cannot be saved as") as caught:
            convert(labels[LabelFormat.ZPL], LabelFormat.ZPL, target)
        assert "thermal printer" in str(caught.value)
        assert f'label_format="{target.value}"' in str(caught.value)


def test_a_picture_keeps_every_pixel_inside_the_pdf(labels: dict[LabelFormat, bytes]) -> None:
    before = Image.open(io.BytesIO(labels[LabelFormat.PNG])).convert("L")
    document = pypdfium2.PdfDocument(
        convert(labels[LabelFormat.PNG], LabelFormat.PNG, LabelFormat.PDF)
    )
    (image,) = document[0].get_objects()
    after = image.get_bitmap().to_pil().convert("L")
    assert (after.size, after.tobytes()) == (before.size, before.tobytes())
    assert document[0].get_size() == (288, 432)
    document.close()


def test_a_ups_gif_lying_on_its_side_stands_upright_and_whole_on_a_4x6_page(ups_gif: bytes) -> None:
    upright = Image.open(io.BytesIO(ups_gif)).convert("L").transpose(Image.Transpose.ROTATE_270)
    document = pypdfium2.PdfDocument(convert(ups_gif, LabelFormat.GIF, LabelFormat.PDF))
    (image,) = document[0].get_objects()
    kept = image.get_bitmap().to_pil().convert("L")
    left, bottom, right, top = image.get_bounds()
    size = document[0].get_size()
    document.close()
    assert kept.tobytes() == upright.crop((0, 0, 800, kept.height)).tobytes()
    assert upright.crop((0, kept.height, 800, 1400)).getextrema() == (
        255,
        255,
    )  # only blank paper was left off
    assert size == (288, 432)
    assert (left >= 0, bottom >= 0, right <= 288, top <= 432, right - left > 286) == (True,) * 5


def test_a_ups_gif_becomes_zpl_dot_for_dot(ups_gif: bytes) -> None:
    label = convert(ups_gif, LabelFormat.GIF, LabelFormat.ZPL)
    upright = Image.open(io.BytesIO(ups_gif)).convert("L").transpose(Image.Transpose.ROTATE_270)
    printed = dots(label)
    assert printed.tobytes() == upright.crop((0, 0, 800, printed.height)).tobytes()
    assert b"^LL1218" in label
    assert len(label) < 60_000


@pytest.mark.parametrize("source", [LabelFormat.PDF, LabelFormat.PNG, LabelFormat.GIF])
@pytest.mark.parametrize(
    "broken",
    [b"", b"hello", b"%PDF-1.4 nothing", b"GIF89a\x01\x00", b"\x89PNG\r\n\x1a\n" + b"\0" * 40],
)
def test_bytes_that_are_not_a_label_are_a_label_error(source: LabelFormat, broken: bytes) -> None:
    target = LabelFormat.ZPL
    with pytest.raises(LabelError, match="cannot be read"):
        convert(broken, source, target)


def test_a_graphic_field_holds_the_longest_runs() -> None:
    rows = bytes([0xAA] + [0xFF] * 120 + [0x01]) * 3 + bytes(122)
    assert (
        dots(b"^XA" + graphic(rows, 976).encode() + b"^FS^XZ\n").tobytes()
        == Image.frombytes("1", (976, 4), bytes(255 - b for b in rows)).convert("L").tobytes()
    )
