"""Labels are sorted and chosen by the source's own columns, as a person wrote them."""

from __future__ import annotations

import pyarrow as pa

from shipkit.outputs.labels.view import with_source

RESULTS = pa.table(
    {
        "row_number": pa.array([4, 1], pa.int64()),
        "order_id": ["B", "A"],
        "state": ["shipped", "failed"],
    }
)


def source(**columns: list[str | None]) -> pa.Table:
    return pa.table(
        {"row_number": pa.array([1, 2, 3, 4], pa.int64()), "source_file": ["a.csv"] * 4, **columns}
    )


def test_each_shipment_has_the_cells_of_the_line_it_begins_at() -> None:
    table = with_source(RESULTS, source(**{"Item SKU": ["a", "b", "c", None]}))
    assert table.column("item_sku").to_pylist() == [None, "a"]


def test_a_column_of_numbers_sorts_as_numbers_and_a_zip_stays_text() -> None:
    table = with_source(
        RESULTS,
        source(
            **{
                "Pick Bin": ["10", "", "9", " 9 "],
                "Ratio": ["1.5", "2", "3", "x"],
                "Lot": ["007", "8", "9", "10"],
                "Ship Zip": ["02134", "1", "2", "90210"],
            }
        ),
    )
    assert table.column("pick_bin").to_pylist() == [9, 10]
    assert table.column("ratio").to_pylist() == ["x", "1.5"]
    assert table.column("lot").to_pylist() == ["10", "007"]
    assert table.column("ship_zip").to_pylist() == ["90210", "02134"]


def test_a_source_column_never_hides_a_result_column() -> None:
    table = with_source(
        RESULTS, source(State=["TX", "CA", "NY", "WA"], source_state=["1", "2", "3", "4"])
    )
    assert table.column("state").to_pylist() == ["shipped", "failed"]
    assert table.column("source_state").to_pylist() == ["WA", "TX"]
