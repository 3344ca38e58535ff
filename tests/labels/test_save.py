"""Labels are saved in the order, the format and the files asked for; whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from shipkit.errors import FilterError, LabelError
from shipkit.models import Address, LabelFormat, LabelSpec
from shipkit.outputs.labels import Labels, SavedLabels
from shipkit.render import LabelContent, draw

SHOP = Address(
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
)


class Stored(NamedTuple):
    row: int
    tracking_number: str
    format: str
    data: bytes
    kind: str = "label"
    parcel_index: int = 1


class Job:
    """A job's labels as the ledger gives them: on demand, for the rows asked, in that order."""

    def __init__(
        self,
        parcels: Sequence[int],
        *,
        kind: LabelFormat = LabelFormat.PDF,
        states: Sequence[str] | None = None,
        lost: Sequence[int] = (),
    ) -> None:
        self.states = states or ["shipped"] * len(parcels)
        self.numbers = [
            [f"SANDBOX{row:04}{parcel:04}" for parcel in range(1, count + 1)]
            for row, count in enumerate(parcels)
        ]
        self.kind, self.lost = kind, lost
        self.read_rows: list[int] = []
        self.table = pa.table(
            {
                "row_number": pa.array([row * 2 + 1 for row in range(len(parcels))], pa.int64()),
                "order_id": [f"A-{row}" for row in range(len(parcels))],
                "state": self.states,
                "tracking_number": [numbers[0] for numbers in self.numbers],
                "tracking_numbers": self.numbers,
            }
        )

    def read(self, rows: Sequence[int]) -> Iterator[Stored]:
        for row in rows:
            self.read_rows.append(row)
            if row in self.lost:
                continue
            for index, number in enumerate(self.numbers[row], 1):
                content = LabelContent(
                    ship_from=SHOP,
                    ship_to=SHOP,
                    service="Ground",
                    tracking_number=number,
                    parcel_index=index,
                )
                yield Stored(
                    row,
                    number,
                    self.kind.value,
                    draw(content, LabelSpec(format=self.kind)),
                    "label",
                    index,
                )

    def labels(self, **columns: Sequence[object]) -> Labels:
        view = self.table
        for name, values in columns.items():
            view = view.append_column(name, pa.array(values))
        return Labels(self.table, self.read, view=lambda: view)


def scanned(path: Path) -> list[str]:
    """The tracking numbers of a PDF, page by page, as a scanner reads them."""
    document = pypdfium2.PdfDocument(path)
    try:
        return [
            found.text
            for page in document
            for found in zxingcpp.read_barcodes(
                page.render(scale=203 / 72, grayscale=True).to_pil()
            )
        ]
    finally:
        document.close()


def test_one_pdf_holds_every_label_in_the_order_of_the_source(tmp_path: Path) -> None:
    job = Job([1, 2, 1, 3, 1] * 3)
    saved = job.labels().save(tmp_path / "labels.pdf")
    assert scanned(tmp_path / "labels.pdf") == [
        number for numbers in job.numbers for number in numbers
    ]
    assert (saved.labels, saved.shipments, saved.paths, saved.missing) == (
        24,
        15,
        (tmp_path / "labels.pdf",),
        (),
    )


def test_order_by_sorts_by_a_source_column_and_keeps_source_order_among_equals(
    tmp_path: Path,
) -> None:
    job = Job([1, 2, 1, 1, 1])
    sku = ["b", "a", None, "b", "a"]
    job.labels(sku=sku).save(tmp_path / "up.pdf", order_by="sku")
    assert scanned(tmp_path / "up.pdf") == [
        number for row in (1, 4, 0, 3, 2) for number in job.numbers[row]
    ]
    job.labels(sku=sku).save(tmp_path / "down.pdf", order_by=["-sku", "-row_number"])
    assert scanned(tmp_path / "down.pdf") == [
        number for row in (3, 0, 4, 1, 2) for number in job.numbers[row]
    ]


def test_a_source_heading_is_found_whatever_its_case_and_blanks(tmp_path: Path) -> None:
    job = Job([1, 1])
    job.labels(item_sku=["b", "a"]).save(tmp_path / "labels.pdf", order_by="Item SKU")
    assert scanned(tmp_path / "labels.pdf") == [job.numbers[1][0], job.numbers[0][0]]


def test_an_unknown_column_is_named_with_its_nearest(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"no column 'skuu'.*Did you mean 'sku'"):
        Job([1]).labels(sku=["a"]).save(tmp_path / "labels.pdf", order_by="skuu")
    with pytest.raises(LabelError, match="filename: there is no column 'order'"):
        Job([1]).labels().save(tmp_path, filename="{order}")
    with pytest.raises(LabelError, match="holds lists"):
        Job([1]).labels().save(tmp_path / "labels.pdf", order_by="tracking_numbers")


def test_where_chooses_by_source_and_result_columns(tmp_path: Path) -> None:
    job = Job([1, 1, 1])
    saved = job.labels(sku=["a", "b", "a"]).save(
        tmp_path / "labels.pdf", where="sku = 'a' AND row_number > 1"
    )
    assert scanned(tmp_path / "labels.pdf") == job.numbers[2]
    assert saved.shipments == 1
    with pytest.raises(FilterError):
        job.labels().save(tmp_path / "x.pdf", where="no_such = 1")


def test_voided_failed_and_doubtful_shipments_are_never_printed(tmp_path: Path) -> None:
    job = Job([1] * 5, states=["shipped", "voided", "failed", "in_doubt", "shipped"])
    saved = job.labels().save(tmp_path / "labels.pdf", where="true")
    assert scanned(tmp_path / "labels.pdf") == job.numbers[0] + job.numbers[4]
    assert len(job.labels()) == 2
    assert "1 voided shipment left out" in repr(job.labels().save(tmp_path / "labels.pdf"))
    assert saved.shipments == 2


def test_a_split_keeps_the_parcels_of_a_shipment_together(tmp_path: Path) -> None:
    job = Job([1, 2, 2, 5, 1])
    saved = job.labels().save(tmp_path / "labels.pdf", split=3)
    assert [path.name for path in saved.paths] == [
        "labels-001.pdf",
        "labels-002.pdf",
        "labels-003.pdf",
        "labels-004.pdf",
    ]
    assert [scanned(path) for path in saved.paths] == [
        job.numbers[0] + job.numbers[1],
        job.numbers[2],
        job.numbers[3],
        job.numbers[4],
    ]
    assert not (tmp_path / "labels.pdf").exists()


def test_a_shorter_split_says_which_files_of_the_earlier_one_are_left(tmp_path: Path) -> None:
    labels = Job([1] * 4).labels()
    labels.save(tmp_path / "labels.pdf", split=1)
    saved = labels.save(tmp_path / "labels.pdf", split=2)
    assert len(saved.paths) == 2
    assert "labels-003.pdf, labels-004.pdf" in repr(saved)


def test_a_split_into_a_folder_is_numbered_there(tmp_path: Path) -> None:
    saved = Job([1, 1, 1]).labels().save(tmp_path / "out", split=2)
    assert [path.relative_to(tmp_path).as_posix() for path in saved.paths] == [
        "out/labels-001.pdf",
        "out/labels-002.pdf",
    ]


def test_a_file_for_each_shipment_holds_all_its_parcels(tmp_path: Path) -> None:
    job = Job([1, 2])
    saved = job.labels().save(tmp_path / "labels", per="shipment")
    assert [path.name for path in saved.paths] == ["00001_A-0.pdf", "00003_A-1.pdf"]
    assert scanned(saved.paths[1]) == job.numbers[1]
    assert saved.path == tmp_path / "labels"


def test_a_file_for_each_parcel_is_numbered_or_named_as_asked(tmp_path: Path) -> None:
    job = Job([2])
    assert [p.name for p in job.labels().save(tmp_path / "a", per="parcel").paths] == [
        "00001_A-0.pdf",
        "00001_A-0-2.pdf",
    ]
    assert [
        p.name
        for p in job.labels()
        .save(tmp_path / "b", per="parcel", filename="{tracking_number}_{parcel_index}")
        .paths
    ] == [
        "SANDBOX00000001_1.pdf",
        "SANDBOX00000002_2.pdf",
    ]


def test_a_pattern_of_names_that_would_be_passed_over_is_refused(tmp_path: Path) -> None:
    for options in ({}, {"split": 1}):
        with pytest.raises(LabelError, match="saved together"):
            Job([2]).labels().save(tmp_path / "a.pdf", filename="{order_id}", **options)
    assert list(tmp_path.iterdir()) == []
    assert Job([2]).labels().save(tmp_path / "b", filename="{order_id}").paths


def test_a_folder_without_options_gets_a_file_per_shipment(tmp_path: Path) -> None:
    assert len(Job([1, 1]).labels().save(tmp_path / "labels").paths) == 2


def test_pictures_hold_one_label_each(tmp_path: Path) -> None:
    job = Job([1, 2])
    with pytest.raises(LabelError, match="file holds one label"):
        job.labels().save(tmp_path / "labels.png")
    assert list(tmp_path.iterdir()) == []
    assert [
        p.name for p in job.labels().save(tmp_path / "a", per="shipment", format="png").paths
    ] == ["00001_A-0.png", "00003_A-1.png", "00003_A-1-2.png"]
    one = job.labels()[1].save(tmp_path / "one.png")
    assert zxingcpp.read_barcodes(Image.open(one.path))[0].text == job.numbers[0][0]


@pytest.mark.parametrize(
    ("bought", "suffix"),
    [
        (LabelFormat.PDF, "zpl"),
        (LabelFormat.GIF, "zpl"),
        (LabelFormat.PNG, "zpl"),
        (LabelFormat.ZPL, "zpl"),
    ],
)
def test_zpl_labels_follow_one_another(tmp_path: Path, bought: LabelFormat, suffix: str) -> None:
    Job([1, 2], kind=bought).labels().save(tmp_path / f"labels.{suffix}")
    data = (tmp_path / "labels.zpl").read_bytes()
    assert (data.count(b"^XA"), data.count(b"^XZ")) == (3, 3)


@pytest.mark.parametrize("bought", [LabelFormat.GIF, LabelFormat.PNG])
def test_pictures_bought_from_a_carrier_become_one_pdf(tmp_path: Path, bought: LabelFormat) -> None:
    job = Job([1, 2], kind=bought)
    job.labels().save(tmp_path / "labels.pdf")
    assert scanned(tmp_path / "labels.pdf") == job.numbers[0] + job.numbers[1]


def test_labels_bought_as_zpl_stay_zpl_and_the_row_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"Row 1, SANDBOX.*bought as ZPL.*label_format=\"pdf\""):
        Job([1], kind=LabelFormat.ZPL).labels().save(tmp_path / "labels.pdf")
    assert list(tmp_path.iterdir()) == []
    assert [
        p.suffix for p in Job([1], kind=LabelFormat.ZPL).labels().save(tmp_path / "labels").paths
    ] == [".zpl"]


def test_a_broken_label_in_the_middle_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    class Broken(Job):
        def read(self, rows: Sequence[int]) -> Iterator[Stored]:
            for label in super().read(rows):
                yield label._replace(data=b"%PDF-1.4 torn") if label.row == 2 else label

    (tmp_path / "labels.pdf").write_bytes(b"yesterday")
    with pytest.raises(LabelError, match=r"Row 5, SANDBOX00020001: .*cannot be read"):
        Broken([1, 1, 1, 1]).labels().save(tmp_path / "labels.pdf")
    assert (tmp_path / "labels.pdf").read_bytes() == b"yesterday"
    assert [path.name for path in tmp_path.iterdir()] == ["labels.pdf"]


def test_a_bought_shipment_without_a_stored_label_is_reported_by_its_row(tmp_path: Path) -> None:
    saved = Job([1, 1, 1], lost=[1]).labels().save(tmp_path / "labels.pdf")
    assert saved.missing == (3,)
    assert "1 bought shipment without a stored label (row 3)" in repr(saved)


@pytest.mark.parametrize(
    ("job", "options", "message"),
    [
        (Job([]), {}, r"this job has no shipment that is bought \(no shipments\)"),
        (Job([1, 1], states=["failed", "in_doubt"]), {}, r"1 failed, 1 in doubt"),
        (
            Job([1]),
            {"where": "row_number > 5"},
            "none of 1 bought shipment matches 'row_number > 5'",
        ),
        (Job([1], lost=[0]), {}, "no label is stored for the 1 bought shipment"),
        (Job([1]), {"kind": "document"}, "no document to save.*international"),
    ],
)
def test_nothing_to_save_says_why(
    tmp_path: Path, job: Job, options: dict[str, str], message: str
) -> None:
    with pytest.raises(LabelError, match=message):
        job.labels().save(tmp_path / "labels.pdf", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("labels.docx", {}, "saved as pdf, zpl, png, gif"),
        ("labels.pdf", {"format": "zpl"}, "the name ends in pdf, but format is zpl"),
        (
            "labels.pdf",
            {"per": "shipment"},
            'Give a folder: save\\("labels", per="shipment", format="pdf"\\)',
        ),
        ("labels", {"per": "label"}, "per='label' is not known"),
        ("labels.pdf", {"split": 0}, "split must be at least 1, not 0"),
        ("labels", {"split": 2, "per": "parcel"}, "combined with per"),
        ("labels.png", {"split": 2}, "file holds one label"),
        ("labels", {"split": 2, "format": "png"}, "file holds one label"),
        ("labels", {"filename": "{0}"}, "is not a column"),
        ("labels", {"filename": "{order_id.__class__}"}, "is not a column"),
        ("labels", {"filename": "{row_number"}, "is not a pattern"),
        ("labels", {"filename": "{order_id:05d}"}, "does not fit the value"),
    ],
)
def test_contradicting_options_are_refused_with_a_fix(
    tmp_path: Path, path: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(LabelError, match=message) as caught:
        Job([1, 1]).labels().save(tmp_path / path, **options)
    assert caught.value.fix


def test_a_path_that_cannot_be_written_is_a_label_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LabelError, match="cannot be written"):
        Job([1]).labels().save(tmp_path / "file" / "labels.pdf")


@pytest.fixture
def small_disk() -> Iterator[None]:
    """A file system that takes 16 kB of a file and no more."""
    resource = pytest.importorskip("resource", reason="limits of a process are POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("per", [None, "shipment"])
@pytest.mark.parametrize("kind", [LabelFormat.PDF, LabelFormat.ZPL])
@pytest.mark.usefixtures("small_disk")
def test_a_disk_that_fills_up_leaves_no_half_file(
    tmp_path: Path, kind: LabelFormat, per: str | None
) -> None:
    parcels = [60] if per else [1] * 60
    labels = Job(parcels, kind=kind).labels()
    where = tmp_path / ("each" if per else f"labels.{kind.value}")
    where.mkdir() if per else where.write_bytes(b"old")
    with pytest.raises(LabelError, match="File too large"):
        labels.save(where, per=per)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in left] == ([] if per else [b"old"])


def test_documents_are_saved_apart_from_labels(tmp_path: Path) -> None:
    job = Job([1])
    invoice = Stored(0, "SANDBOX00000001", "pdf", next(job.read([0])).data, "document")
    labels = Labels(job.table, lambda rows: [*job.read(rows), invoice])
    assert labels.save(tmp_path / "labels.pdf").labels == 1
    assert labels.save(tmp_path / "papers.pdf", kind="document").labels == 1


def test_labels_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    job = Job([1] * 24)  # eight threads convert 17 ahead at most
    seen: list[int] = []

    def watched(rows: Sequence[int]) -> Iterator[Stored]:
        for label in job.read(rows):
            seen.append(
                len(list((tmp_path / "out").glob("*.pdf"))) if (tmp_path / "out").exists() else 0
            )
            yield label

    Labels(job.table, watched).save(tmp_path / "out", per="shipment")
    assert seen[-1] >= 4  # earlier labels were on disk before the last one was read


def test_the_same_cell_run_again_gives_the_same_files(tmp_path: Path) -> None:
    labels = Job([1, 2]).labels()
    first = labels.save(tmp_path / "labels", per="parcel")
    assert labels.save(tmp_path / "labels", per="parcel").paths == first.paths
    assert len(list((tmp_path / "labels").iterdir())) == 3


def test_the_summary_says_what_was_written_where(tmp_path: Path) -> None:
    saved = Job([1, 2]).labels().save(tmp_path / "labels.pdf")
    assert isinstance(saved, SavedLabels)
    assert repr(saved) == f"3 labels of 2 shipments -> {tmp_path / 'labels.pdf'}"
    assert io.BytesIO(saved.path.read_bytes()).read(5) == b"%PDF-"


def test_a_return_label_comes_behind_the_labels_of_its_parcel(tmp_path: Path) -> None:
    job = Job([2, 1, 1, 1, 1])
    job.table = job.table.append_column("return_of", pa.array([None, None, None, 5, 1], pa.int64()))
    (first, second), (third,), (fourth,), (of_row_5,), (of_row_1,) = job.numbers
    path = tmp_path / "labels.pdf"
    job.labels().save(path)
    assert scanned(path) == [first, second, of_row_1, third, fourth, of_row_5]
    job.labels(sku=["b", "a", "a", "a", "b"]).save(path, order_by="sku")
    assert scanned(path) == [third, fourth, of_row_5, first, second, of_row_1]
    parts = job.labels().save(path, split=3).paths
    assert [scanned(part) for part in parts] == [
        [first, second, of_row_1],
        [third, fourth, of_row_5],
    ]
    parts = job.labels().save(path, split=2).paths
    assert [scanned(part) for part in parts] == [
        [first, second, of_row_1],
        [third],
        [fourth, of_row_5],
    ], "no file ends between a label and its return label"
