"""Whatever stands in an address, the label is drawn, its barcode reads, and no text becomes a
printer command.
"""

from __future__ import annotations

import io
import re

import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shipkit.models import Address
from shipkit.render import LabelContent, pdf, png, zpl
from shipkit.render.zpl import escaped

TEXT = (
    st.text(max_size=60)
    | st.text(alphabet="^~_\\>()<FDXS,:;!%0Aß€Łя中\u202e\u0301\n\x00\x1b", max_size=40)
    | st.just("W" * 300)
)
COMMANDS = re.compile(
    r"\^(?:XA|XZ|CI28|PW\d+|LL\d+|LH0,0|FS|F[OT]\d+,\d+|GB\d+,\d+,\d+|BY\d|BCN,\d+,N,N,N,N|FH|FR|A0N,\d+,\d+|GFA,\d+,\d+,\d+,[0-9A-Zg-z,:!]*)"
)
FIELD = re.compile(r"\^FH\^FD([^^~]*)\^FS")


@st.composite
def contents(draw: st.DrawFn) -> LabelContent:
    address = st.builds(
        Address,
        name=TEXT,
        company=TEXT,
        phone=TEXT,
        address_line1=TEXT,
        address_line2=TEXT,
        address_line3=TEXT,
        city=TEXT,
        state=TEXT,
        postal_code=TEXT,
        country=st.sampled_from(["US", "DE", "JP", "ZZ"]),
    )
    return LabelContent(
        ship_from=draw(address),
        ship_to=draw(address),
        service=draw(TEXT),
        tracking_number=draw(st.from_regex(r"[A-Z0-9]{1,20}", fullmatch=True)),
        weight_lb=draw(st.none() | st.floats(0.01, 1e6)),
        reference=draw(TEXT),
        references=tuple(draw(st.lists(st.tuples(TEXT, TEXT), max_size=6))),
        description=draw(TEXT),
        notices=tuple(draw(st.lists(TEXT, max_size=4))),
        billing=draw(TEXT),
        watermark=draw(st.none() | st.just("SAMPLE")),
    )


@settings(max_examples=20 if settings.default.derandomize else 40, deadline=None)
@given(contents())
def test_any_address_gives_a_pdf_whose_barcode_reads(content: LabelContent) -> None:
    document = pypdfium2.PdfDocument(pdf(content))
    try:
        picture = document[0].render(scale=203 / 72, grayscale=True).to_pil().copy()
    finally:
        document.close()
    assert content.tracking_number in [found.text for found in zxingcpp.read_barcodes(picture)]


@settings(max_examples=40 if settings.default.derandomize else 100, deadline=None)
@given(contents())
def test_no_text_ends_its_field_or_becomes_a_command(content: LabelContent) -> None:
    label = zpl(content).decode("ascii")
    rest = COMMANDS.sub("", FIELD.sub("", label))
    assert rest.strip() == ""
    assert (label.count("^XA"), label.count("^XZ")) == (1, 1)


@given(st.text())
def test_an_escaped_text_comes_back_as_the_printer_reads_it(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    field = escaped(text)
    assert not set(field) & set("^~\\")
    assert field.isprintable()
    raw = re.sub(r"_([0-9A-F]{2})", lambda code: chr(int(code[1], 16)), field)
    assert raw.encode("latin-1").decode("utf-8") == text


@pytest.mark.parametrize(
    "line",
    [
        "Ulica Łąkowa 7",
        "улица Пушкина 7",
        "Λεωφόρος Αθηνών 12",
        "محمد الأحمد",
        "חברת ספנות",
        "Đường Trần Phú",
    ],
)
def test_a_line_beyond_western_letters_is_on_the_picture_and_can_be_copied_from_the_pdf(
    shop: Address, line: str
) -> None:
    def label(text: str) -> LabelContent:
        to = Address(name="A", address_line1=text, city="B", postal_code="1", country="PL")
        return LabelContent(
            ship_from=shop,
            ship_to=to,
            service="Standard",
            tracking_number="SANDBOX1",
            watermark=None,
        )

    line_there, dot_there = (
        Image.open(io.BytesIO(png(label(text)))).crop((140, 305, 812, 355)) for text in (line, ".")
    )
    assert sum(line_there.histogram()[:128]) > sum(dot_there.histogram()[:128]) + 400
    assert line.encode("utf-16-be").hex().encode() in pdf(label(line))


def test_a_line_too_long_for_the_label_ends_in_an_ellipsis_and_stays_inside(shop: Address) -> None:
    content = LabelContent(
        ship_from=shop,
        ship_to=Address(name="W" * 300, city="X", postal_code="1"),
        service="Ground",
        tracking_number="SANDBOX1",
        watermark=None,
    )
    picture = Image.open(io.BytesIO(png(content)))
    assert min(picture.crop((786, 230, 812, 510)).tobytes()) == 255
    document = pypdfium2.PdfDocument(pdf(content))
    assert "W\u2026" in document[0].get_textpage().get_text_bounded()
    document.close()
