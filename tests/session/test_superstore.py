"""5,009 real orders: lost zeros, full state names, no weights, 270 rows without a street."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import shipkit as sk


@pytest.fixture
def orders(shared: Path) -> Path:
    return shared / "orders" / "superstore_shipments_5009.csv"


def test_5009_orders_are_priced_or_explained_bought_and_written_back(
    orders: Path, shop: sk.Address, tmp_path: Path
):
    pdfium = pytest.importorskip("pypdfium2")
    zxing = pytest.importorskip("zxingcpp")
    with sk.BatchSession(orders, shipper=shop, mode="auto") as session:
        session.where("zip LIKE '9%'", "order_date >= $day", day="2017-11-01")
        filtered = len(session.preview())
        with orders.open(encoding="utf-8") as file:
            assert filtered == sum(
                row["zip"].startswith("9") and row["order_date"] >= "2017-11-01"
                for row in csv.DictReader(file)
            )
        session.where()
        session.map(service="ground", defaults={"weight_lb": 2})
        frame = session.preview()
        problems = session.problems
        assert len(frame) == 5009
        assert (problems["code"] == "zip_padded").sum() == 219
        assert frame["postal_code"].str.fullmatch(r"\d{5}").all()
        assert frame["cost_cents"].notna().sum() == 5009 - 270
        assert frame["problem"].dropna().str.contains("street").sum() == 270
        assert session.summary.total.cents == frame["cost_cents"].sum()

        first = int(frame.loc[frame["cost_cents"].notna(), "row_number"].iloc[99])
        session.skip(f"row_number > {first}", reason="later")
        session.preview()
        result = session.execute(progress=False)
        assert (result.shipped, result.failed, result.in_doubt) == (100, 0, 0)

        session.labels.save(tmp_path / "labels.pdf", order_by="city")
        results = session.results("shipped").merge(frame[["row_number", "city"]], on="row_number")
        pages = pdfium.PdfDocument(tmp_path / "labels.pdf")
        assert len(pages) == 100
        read = []
        for page in [*range(0, 100, 9), 99]:
            codes = zxing.read_barcodes(pages[page].render(scale=203 / 72).to_pil())
            read.append((page, [code.text for code in codes]))
        pages.close()
        in_order = results.sort_values(["city", "row_number"], kind="stable")[
            "tracking_number"
        ].tolist()
        for page, codes in read:
            assert in_order[page] in codes

        session.write_back(tmp_path / "shipped.csv")
    with (
        orders.open(encoding="utf-8", newline="") as before,
        (tmp_path / "shipped.csv").open(encoding="utf-8", newline="") as after,
    ):
        old, new = list(csv.DictReader(before)), list(csv.DictReader(after))
    assert [{name: row[name] for name in old[0]} for row in new] == old
    assert sum(bool(row["tracking_number"]) for row in new) == 100
