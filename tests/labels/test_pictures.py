"""Labels as pictures in a notebook: their text alternatives, and nothing from a file is markup."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import pyarrow as pa
import pytest
import zxingcpp
from PIL import Image

from shipkit.models import Address, Label, LabelFormat, LabelSpec
from shipkit.outputs.labels import Labels, show
from shipkit.render import LabelContent, draw

SHOP = Address(company="Harbor Goods", city="San Antonio", state="TX", postal_code="78205")


def label(number: str, kind: LabelFormat = LabelFormat.PDF) -> Label:
    content = LabelContent(ship_from=SHOP, ship_to=SHOP, service="Ground", tracking_number=number)
    return Label(tracking_number=number, format=kind, data=draw(content, LabelSpec(format=kind)))


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("kind", [LabelFormat.PDF, LabelFormat.PNG, LabelFormat.GIF])
def test_a_label_is_shown_as_a_picture_whose_barcode_reads(kind: LabelFormat) -> None:
    bundle = show(label("SANDBOX00000012345", kind))._repr_mimebundle_()
    (picture,) = re.findall(r'src="data:image/png;base64,([^"]+)"', bundle["text/html"])
    image = Image.open(io.BytesIO(base64.b64decode(picture)))
    assert max(image.size) <= 850
    assert [found.text for found in zxingcpp.read_barcodes(image.convert("L"))] == [
        "SANDBOX00000012345"
    ]
    assert bundle["text/plain"].startswith("Label SANDBOX00000012345 (")


def test_a_zpl_label_says_that_only_a_printer_draws_it() -> None:
    shown = show(label("SANDBOX1", LabelFormat.ZPL))._repr_mimebundle_()
    assert "<img" not in shown["text/html"]
    assert "drawn by the printer" in shown["text/html"]


def test_bytes_that_are_not_a_label_are_reported_and_break_no_notebook() -> None:
    broken = Label(tracking_number="X1", format=LabelFormat.PDF, data=b"<script>")
    assert "cannot be read" in show(broken)._repr_html_()


def job(order: str, count: int = 1) -> Labels:
    table = pa.table(
        {
            "row_number": pa.array(range(1, count + 1), pa.int64()),
            "order_id": [order] * count,
            "state": ["shipped"] * count,
            "tracking_numbers": [["SANDBOX1"]] * count,
        }
    )

    class Stored:
        kind, parcel_index, tracking_number, format = "label", 1, "SANDBOX1", "pdf"
        data = label("SANDBOX1").data

        def __init__(self, row: int) -> None:
            self.row = row

    return Labels(table, lambda rows: map(Stored, rows))


def test_nothing_from_a_file_becomes_markup() -> None:
    html = job('"><script>alert(1)</script><img src=x onerror=alert(1)> $x$')._repr_html_()
    tags = Tags(html).tags
    assert {tag for tag, _ in tags} == {"div", "p", "figure", "img", "figcaption"}
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert tags[0][1]["class"] == "mathjax_ignore shipkit-labels"
    (picture,) = [attributes for tag, attributes in tags if tag == "img"]
    assert "<script>" in (picture["alt"] or "")


def test_only_the_first_few_of_many_labels_are_drawn() -> None:
    bundle = job("A", 500)._repr_mimebundle_()
    assert bundle["text/html"].count("<img") == 3
    assert "500 labels of 500 shipments, the first 3 shown." in bundle["text/html"]
    assert len(bundle["text/html"]) < 100_000
    assert bundle["text/plain"] == (
        '500 labels of 500 shipments. Save them with labels.save("labels.pdf").'
    )


def test_one_shipment_can_be_looked_at_by_its_row() -> None:
    labels = job("A", 5)
    assert (len(labels), len(labels[4]), len(list(labels[4]))) == (5, 1, 1)
    with pytest.raises(Exception, match="no shipment begins at row 17"):
        labels[17]


def test_a_job_without_labels_says_so() -> None:
    table = pa.table(
        {
            "row_number": [1],
            "order_id": ["A"],
            "state": ["failed"],
            "tracking_numbers": pa.array([None], pa.list_(pa.string())),
        }
    )
    labels = Labels(table, lambda rows: [])
    assert repr(labels) == "No labels: nothing is bought, or everything was voided."
    assert "No labels" in labels._repr_html_()
    with pytest.raises(Exception, match="shipment of row 1 is failed"):
        labels[1]
