"""Labels are bought as the carrier sends them, and become what was asked for when saved."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pypdfium2
import pytest
from PIL import Image

from shipkit.carriers.label_format import checked, format_of
from shipkit.errors import LabelError
from shipkit.models import Label, LabelFormat, LabelSpec, Purchase
from shipkit.outputs.labels import Labels
from shipkit.purchasing.store.results import StoredLabel

WIDTH, HEIGHT = 96, 168


def lying(number: int) -> Image.Image:
    """A picture on its side, as UPS sends them, with bars that say `number`."""
    image = Image.new("L", (HEIGHT, WIDTH), 255)
    for bit in range(8):
        if number >> bit & 1:
            image.paste(0, (10 + 12 * bit, 8, 16 + 12 * bit, 60))
    return image


def gif(number: int) -> bytes:
    out = io.BytesIO()
    lying(number).save(out, "GIF")
    return out.getvalue()


def labels_of(data: Sequence[bytes], asked: LabelFormat = LabelFormat.PDF) -> Labels:
    """Labels that a carrier sent as GIF, two to a shipment."""
    count = len(data) // 2
    numbers = [[f"1Z{2 * row}", f"1Z{2 * row + 1}"] for row in range(count)]
    table = pa.table(
        {
            "row_number": pa.array(range(1, count + 1), pa.int64()),
            "order_id": [f"A{row}" for row in range(count)],
            "state": ["shipped"] * count,
            "tracking_numbers": numbers,
        }
    )

    def read(rows: Sequence[int]) -> Iterator[StoredLabel]:
        for row in rows:
            for index in (0, 1):
                sent = data[2 * row + index]
                yield StoredLabel(row, numbers[row][index], "gif", sent, "label", index)

    return Labels(table, read, asked=asked)


def pictures_in(path: Path) -> list[Image.Image]:
    document = pypdfium2.PdfDocument(path)
    try:
        return [next(page.get_objects()).get_bitmap().to_pil().convert("L") for page in document]
    finally:
        document.close()


def test_many_labels_become_one_pdf_in_order_and_pixel_for_pixel(tmp_path: Path) -> None:
    labels = labels_of([gif(number) for number in range(200)])
    saved = labels.save(tmp_path / "labels.pdf")
    found = pictures_in(saved.path)
    assert (saved.labels, len(found), saved.notes) == (200, 200, ())
    for number, picture in enumerate(found):
        upright = lying(number).transpose(Image.Transpose.ROTATE_270)
        assert picture.tobytes() == upright.crop((0, 0, *picture.size)).tobytes()


def test_a_folder_holds_the_format_that_was_asked_for(tmp_path: Path) -> None:
    labels = labels_of([gif(number) for number in range(4)])
    saved = labels.save(tmp_path / "labels", per="parcel")
    assert [path.suffix for path in saved.paths] == [".pdf"] * 4
    as_sent = labels.save(tmp_path / "sent", per="parcel", format="gif")
    assert [path.read_bytes() for path in as_sent.paths] == [gif(number) for number in range(4)]


def test_labels_in_a_loop_are_what_was_asked_for() -> None:
    labels = labels_of([gif(1), gif(2), gif(3), b"GIF89a broken;"])
    assert [(label.format, label.data[:4]) for label in labels] == [
        ("pdf", b"%PDF"),
        ("pdf", b"%PDF"),
        ("pdf", b"%PDF"),
        ("gif", b"GIF8"),
    ]


def test_a_label_that_cannot_be_converted_is_saved_as_it_came_and_named(tmp_path: Path) -> None:
    labels = labels_of([gif(1), b"GIF89a broken;", gif(3), gif(4)])
    saved = labels.save(tmp_path / "labels", per="shipment", filename="{order_id}_{parcel_index}")
    assert [path.name for path in saved.paths] == ["A0_0.gif", "A0_1.gif", "A1_0.pdf"]
    (note,) = saved.notes
    assert note.startswith("Saved as GIF, as the carrier sent it: Row 1, 1Z1: A label")
    with pytest.raises(LabelError, match="Row 1, 1Z1: A label that should be a picture"):
        labels.save(tmp_path / "labels.pdf")
    assert not (tmp_path / "labels.pdf").exists()
    with pytest.raises(LabelError, match="Row 1, 1Z1"):
        labels.save(tmp_path / "named", per="shipment", format="pdf")


def bought(data: bytes, kind: LabelFormat = LabelFormat.GIF) -> Purchase:
    label = Label(tracking_number="1Z1", format=kind, data=data)
    return Purchase(shipment_id="1Z1", tracking_numbers=("1Z1",), labels=(label,))


@pytest.mark.parametrize(
    ("purchase", "warning"),
    [
        (bought(gif(1)), None),
        (bought(gif(1) + b"\0\r\n"), None),
        (bought(gif(1)[:-40]), "not a whole GIF file"),
        (bought(b""), "not a whole GIF file"),
        (bought(b"<html>busy</html>"), "not a whole GIF file"),
        (bought(b"^XA^FDx^FS^XZ", LabelFormat.ZPL), "is ZPL, not PDF"),
    ],
)
def test_a_damaged_label_is_noticed_while_its_row_is_bought(
    purchase: Purchase, warning: str | None
) -> None:
    found = checked(purchase, LabelSpec())
    assert found.labels == purchase.labels
    if warning is None:
        assert found is purchase
    else:
        (said,) = found.warnings
        assert warning in said
        assert "1Z1" in said


def test_the_format_of_a_file_is_read_from_both_its_ends() -> None:
    assert format_of(gif(1)) is LabelFormat.GIF
    assert format_of(b"%PDF-1.4 ... %%EOF\n") is LabelFormat.PDF
    assert format_of(b"%PDF-1.4 ...") is None
