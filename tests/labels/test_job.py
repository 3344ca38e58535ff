"""From a job on disk to paper: labels in the order asked for, read back by a scanner."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from pathlib import Path

import pyarrow as pa
import pypdfium2
import pytest
import zxingcpp

from shipkit.carriers.sandbox import SandboxCarrier
from shipkit.errors import LabelError
from shipkit.models import Address, LabelFormat, LabelSpec
from shipkit.outputs.labels import Labels
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobDraft, JobStore
from shipkit.schema import QUOTES, SHIPMENTS, problems_table

NAMES = ["Ana Ruiz", "Łukasz Żółć", "Иван Петров", "O'Neil & Söhne (GmbH)", "محمد الأحمد"]


def plan(count: int) -> pa.Table:
    """Every third shipment has two parcels; every source line has a blank line after it."""
    box = {"weight_lb": 2.0, "packaging": "package"}
    rows = [
        {
            "row_number": 2 * i + 1,
            "row_numbers": [2 * i + 1],
            "order_id": f"A/{i}",
            "name": NAMES[i % 5],
            "address_line1": f"{i + 1} Main St",
            "city": "Austin",
            "state": "TX",
            "postal_code": "73301",
            "country": "US",
            "service": "ground",
            "parcels": [box, box] if i % 3 == 0 else [box],
            "signature": "none",
            "ship_date": dt.date(2026, 11, 23),
            "saturday_delivery": False,
            "is_return": False,
            "currency": "USD",
        }
        for i in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=SHIPMENTS)


@pytest.fixture
def job(home: Path, shop: Address, request: pytest.FixtureRequest) -> JobStore:
    """A job of 15 shipments, 20 parcels, bought at the sandbox."""
    count = 15
    spec = LabelSpec(format=getattr(request, "param", LabelFormat.PDF))
    quotes = pa.Table.from_pylist(
        [
            {
                "service": "ground",
                "cost_cents": 1200,
                "currency": "USD",
                "cost_basis": "quoted",
                "warnings": "",
            }
        ]
        * count,
        schema=QUOTES,
    )
    source = pa.table(
        {
            "row_number": pa.array(range(1, 2 * count + 1), pa.int64()),
            "Pick Bin": [str((7 * n) % 31) for n in range(1, 2 * count + 1)],
        }
    )
    carrier = SandboxCarrier(home / "books.sqlite", seed=1)
    draft = JobDraft(
        plan=plan(count),
        quotes=quotes,
        problems=problems_table(),
        source=source,
        fingerprint="f" * 64,
        shipper=shop,
        label=spec,
        resend="proven",
        identity=carrier.identity,
    )
    store = JobStore.publish(home, draft)

    async def buy() -> None:
        await execute(store, carrier)
        await carrier.aclose()

    asyncio.run(buy())
    return store


def scanned(path: Path) -> list[str]:
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


def test_twenty_barcodes_of_the_merged_pdf_read_back_in_the_order_of_picking(
    job: JobStore, tmp_path: Path
) -> None:
    results = job.results().to_pylist()
    by_bin = sorted(results, key=lambda row: ((7 * row["row_number"]) % 31, row["row_number"]))
    saved = Labels.of(job).save(tmp_path / "labels.pdf", order_by="Pick Bin")
    assert saved.labels == 20
    assert scanned(tmp_path / "labels.pdf") == [
        number for row in by_bin for number in row["tracking_numbers"]
    ]


def test_a_clause_over_the_source_and_names_from_it(job: JobStore, tmp_path: Path) -> None:
    saved = Labels.of(job).save(
        tmp_path / "out",
        where="pick_bin = 7 OR recipient LIKE 'O%'",
        filename="{pick_bin}_{order_id}_{recipient}",
    )
    assert [path.name for path in saved.paths] == [
        "7_A-0_Ana Ruiz.pdf",
        "18_A-3_O'Neil & Söhne (GmbH).pdf",
        "26_A-8_O'Neil & Söhne (GmbH).pdf",
        "3_A-13_O'Neil & Söhne (GmbH).pdf",
    ]


@pytest.mark.parametrize("job", [LabelFormat.ZPL], indirect=True)
def test_a_job_bought_as_zpl_is_one_zpl_file(job: JobStore, tmp_path: Path) -> None:
    Labels.of(job).save(tmp_path / "labels.zpl", order_by="-row_number")
    data = (tmp_path / "labels.zpl").read_bytes().decode("ascii")
    groups = [number.replace(" ", "") for number in re.findall(r"TRACKING #: ([A-Z0-9 ]+)", data)]
    assert groups == [
        number for row in reversed(job.results().to_pylist()) for number in row["tracking_numbers"]
    ]
    with pytest.raises(LabelError, match="bought as ZPL"):
        Labels.of(job).save(tmp_path / "labels.pdf")
