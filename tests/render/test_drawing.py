"""Labels are drawn so that their barcode reads, their text stands there, and the same content is
the same file.
"""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import replace

import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from shipkit.errors import LabelError
from shipkit.models import (
    Address,
    LabelFormat,
    LabelSpec,
    Parcel,
    Shipment,
    Signature,
)
from shipkit.render import LabelContent, draw, label_contents, pdf, png, zpl

TO = Address(
    name="Claire Gute",
    company="Gute (Print) LLC",
    address_line1="825 Letcher Street",
    city="Henderson",
    state="KY",
    postal_code="42420",
)


@pytest.fixture
def content(shop: Address) -> LabelContent:
    return LabelContent(
        ship_from=shop,
        ship_to=TO,
        service="Ground",
        tracking_number="SANDBOX00000012345",
        parcel_index=1,
        parcel_count=2,
        weight_lb=4.5,
        date=dt.date(2026, 11, 22),
        reference="SK7F3K2M9Q01",
        references=(("po", "4412"),),
        notices=("SIGNATURE REQUIRED",),
    )


def barcodes(picture: bytes) -> list[str]:
    return [found.text for found in zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))]


def text_of(label: bytes) -> str:
    document = pypdfium2.PdfDocument(label)
    try:
        return document[0].get_textpage().get_text_bounded()
    finally:
        document.close()


@pytest.mark.parametrize("size", ["4x6", "4x8"])
@pytest.mark.parametrize(
    "number",
    [
        "SANDBOX00000012345",
        "1Z12345E0205271688",
        "A",
        "123",
        "12345",
        "00000000000000000001",
        "AB12CD3456EF78901234",
    ],
)
def test_the_barcode_of_the_picture_reads_back_as_the_tracking_number(
    content: LabelContent, number: str, size: str
) -> None:
    assert barcodes(png(replace(content, tracking_number=number), size)) == [number]


@pytest.mark.parametrize("number", ["", "SÄNDBOX1", "A\nB"])
def test_a_number_that_no_barcode_can_hold_is_refused(content: LabelContent, number: str) -> None:
    with pytest.raises(LabelError, match="cannot be a Code 128 barcode"):
        pdf(replace(content, tracking_number=number))


def test_the_pdf_says_who_what_and_that_it_is_a_sample(content: LabelContent) -> None:
    text = text_of(pdf(content))
    for words in (
        "Dana Ortiz",
        "SHIP TO:",
        "Gute (Print) LLC",
        "825 Letcher Street",
        "HENDERSON KY 42420",
        "GROUND",
        "1 OF 2",
        "4.5 LB",
        "SANDBOX 0000 0012 345",
        "22 NOV 2026",
        "PO: 4412",
        "SK7F3K2M9Q01",
        "SIGNATURE REQUIRED",
        "BILLING: SANDBOX",
        "SAMPLE",
    ):
        assert words in text


def test_the_same_content_is_the_same_file_in_every_format(content: LabelContent) -> None:
    for name in LabelFormat:
        spec = LabelSpec(format=name)
        assert draw(content, spec) == draw(content, spec)


@pytest.mark.parametrize(
    ("size", "points", "pixels"),
    [("4x6", (288, 432), (812, 1218)), ("4x8", (288, 576), (812, 1624))],
)
def test_a_label_has_the_size_that_was_asked_for(
    content: LabelContent, size: str, points: tuple[int, int], pixels: tuple[int, int]
) -> None:
    document = pypdfium2.PdfDocument(pdf(content, size))
    assert document[0].get_size() == points
    document.close()
    assert Image.open(io.BytesIO(png(content, size))).size == pixels
    assert f"^LL{pixels[1]}".encode() in zpl(content, size)


def test_a_shipment_of_two_parcels_gives_two_labels_with_their_own_weight_and_number(
    shop: Address,
) -> None:
    shipment = Shipment(
        ship_to=TO,
        service="2nd_day_air",
        parcels=(Parcel(weight_lb=1), Parcel(weight_lb=2.25)),
        signature=Signature.ADULT,
    )
    first, second = label_contents(shipment, shop, ["A1", "A2"], service="2nd Day Air")
    assert (first.parcel_index, first.tracking_number, first.weight_lb) == (1, "A1", 1)
    assert (second.parcel_index, second.parcel_count, second.tracking_number, second.weight_lb) == (
        2,
        2,
        "A2",
        2.25,
    )
    assert second.notices == ("ADULT SIGNATURE",)
    assert first.service == second.service == "2nd Day Air"


def test_a_return_label_goes_from_the_customer_to_the_shop(shop: Address) -> None:
    (label,) = label_contents(
        Shipment(ship_to=TO, service="ground", parcels=(Parcel(weight_lb=1),), is_return=True),
        shop,
        ["A1"],
        service="Ground",
    )
    assert (label.ship_from, label.ship_to) == (TO, shop)
    assert "RETURN" in label.notices
