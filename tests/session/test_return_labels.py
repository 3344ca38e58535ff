"""``map(returns="with_each")``: a return label in the same batch for every parcel."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import shipkit as sk
from shipkit.cli import main
from shipkit.plan.plan import Edit
from shipkit.plan.return_labels import edits_of_both

BACK = "return_tracking_number"
LINES = """order_id,name,address,city,state,zip,weight_lb,signature
A1,Ada Byron,1 Main St,Seattle,WA,98101,2,adult
A2,Bob Hill,2 Main St,,WA,98101,3,
A3,Cy Long,3 Main St,Seattle,WA,98101,4,
"""


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(LINES)
    return path


@pytest.fixture
def batch(orders: Path, make: Callable[..., sk.BatchSession]) -> sk.BatchSession:
    return make(orders).map(service="ground", returns="with_each")


def by_row(frame: pd.DataFrame) -> dict[int, dict[str, Any]]:
    return {line["row_number"]: line for line in frame.to_dict("records")}


def test_each_parcel_has_a_return_label_of_its_own_row_and_price(batch: sk.BatchSession) -> None:
    shown = by_row(batch.preview())
    assert list(shown) == [1, 2, 3, 11, 12, 13]
    assert [shown[row]["order_id"] for row in (11, 13)] == ["A1", "A3"]
    assert shown[11]["row_numbers"] == ()
    assert shown[11]["return_of"] == 1
    assert pd.isna(shown[1]["return_of"])
    signed = shown[1]["cost"] - shown[11]["cost"]
    assert signed > 0, "the signature is of the way to the recipient"
    assert shown[3]["cost"] == shown[13]["cost"] > 0
    mapped = by_row(batch.mapped()) if hasattr(batch, "mapped") else {}
    assert set(mapped) <= set(shown)


def test_parcel_and_return_label_wait_together(batch: sk.BatchSession) -> None:
    problems = batch.problems
    assert problems[["row_number", "code"]].to_numpy().tolist() == [
        [2, "missing"],
        [12, "return_waits"],
    ]
    assert "its parcel, row 2" in problems.problem[1]
    batch.edit("row_number = 13", weight_lb=500)
    shown = by_row(batch.preview())
    assert "its return label, row 13, cannot be bought" in shown[3]["problem"]
    batch.skip("row_number = 13")
    shown = by_row(batch.preview())
    assert shown[3]["cost"] > 0, "a return label that was set aside holds nothing up"
    batch.skip("order_id = 'A1' AND row_number < 10", reason="pick-up")
    shown = by_row(batch.preview())
    assert shown[1]["problem"] == shown[11]["problem"] == "pick-up"


def test_an_edit_of_the_order_is_of_both_and_the_cells_are_there(batch: sk.BatchSession) -> None:
    batch.edit("zip = '98101' AND order_id = 'A2'", city="Seattle")
    assert batch.summary.shipments == 6
    assert not len(batch.problems)


def test_an_edit_of_a_parcel_is_of_its_return_label_but_not_the_way_out() -> None:
    edits = (
        Edit("edit", "", (3, 14), (("city", "Kent"), ("service", "ups_air"), ("cod_amount", 5))),
        Edit("edit", "", (4, 14), (("weight_lb", 9.0), ("signature", "adult"))),
        Edit("edit", "", (5,), (("signature", "adult"),)),
        Edit("edit", "", (16,), (("service", "ups_air"),)),
        Edit("skip", "", (6, 16)),
    )
    way, weight = edits[0].fields, edits[1].fields
    assert [(each.row_numbers, each.fields) for each in edits_of_both(edits, 10)] == [
        ((3, 14), way),
        ((13,), way[:1]),
        ((4,), weight),
        ((14,), weight[:1]),
        ((5,), edits[2].fields),
        ((16,), edits[3].fields),
        ((6, 16), ()),
    ]


def test_return_labels_have_the_references_and_the_corrections_of_their_parcels(
    orders: Path, make: Callable[..., sk.BatchSession]
) -> None:
    rows = pd.read_csv(orders, dtype=str).assign(reference_1="PO 7")
    session = make(rows).map(service="ground", returns="with_each")
    session.edit("row_number = 2", city="Seattle", weight_lb=9, reference_2="RMA 2")
    shown = by_row(session.mapped())
    for name in ("city", "weight_lb", "reference_1", "reference_2"):
        assert shown[12][name] == shown[2][name]
    assert not len(session.problems)


def test_numbers_and_charges_are_written_behind_the_order(
    batch: sk.BatchSession, tmp_path: Path
) -> None:
    batch.preview()
    batch.approve()
    assert batch.execute().shipped == 4
    results = by_row(batch.results())
    assert results[11]["return_of"] == 1
    assert pd.isna(results[1]["return_of"])
    with Path(batch.write_back(tmp_path / "out.csv")).open() as file:
        lines = {line["order_id"]: line for line in csv.DictReader(file)}
    for order, row in (("A1", 1), ("A3", 3)):
        assert lines[order]["tracking_number"] == results[row]["tracking_number"]
        assert lines[order][BACK] == results[row + 10]["tracking_number"]
        assert float(lines[order]["return_charge"]) == results[row + 10]["charged"]
    assert lines["A2"][BACK] == lines["A2"]["tracking_number"] == ""
    alone, both = by_row(batch.void("row_number = 1")), by_row(batch.void("order_id = 'A3'"))
    assert alone[1]["error_message"] == (
        f"Its return label, row 11 ({results[11]['tracking_number']}), is still paid for."
    )
    assert "row_number = 11" in alone[1]["fix"]
    assert {line["state"] for line in both.values()} == {"voided"}
    assert pd.isna(both[3]["error_code"])


def test_a_job_without_return_labels_has_no_columns_for_them(
    orders: Path, make: Callable[..., sk.BatchSession], tmp_path: Path
) -> None:
    session = make(orders).map(service="ground")
    session.preview()
    session.approve()
    session.execute()
    assert BACK not in Path(session.write_back(tmp_path / "out.csv")).read_text()


def test_a_return_of_the_file_gets_no_second_one(
    orders: Path, make: Callable[..., sk.BatchSession]
) -> None:
    rows = pd.read_csv(orders, dtype=str).assign(is_return=["", "", "yes"])
    session = make(rows).map(service="ground", returns="with_each")
    assert list(by_row(session.preview())) == [1, 2, 3, 11, 12]


def test_other_words_are_refused(batch: sk.BatchSession) -> None:
    with pytest.raises(sk.ShipkitError, match="with_each"):
        batch.map(returns="all")


def test_by_the_command_line(
    orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipper = tmp_path / "shop.toml"
    shipper.write_text(
        'name = "Shop"\naddress_line1 = "300 Alamo Plaza"\ncity = "San Antonio"\nstate = "TX"\n'
        'postal_code = "78205"\nphone = "2105550100"\n'
    )
    words = ["--service", "ground", "--returns", "with_each", "--shipper", str(shipper)]
    main(["preview", str(orders), *words])
    assert "Shipments      4" in capsys.readouterr().out


def test_return_labels_are_bought_alone_for_parcels_of_an_earlier_job(
    orders: Path, make: Callable[..., sk.BatchSession]
) -> None:
    def bought(returns: str | None) -> dict[int, dict[str, Any]]:
        with make(orders) as session:
            session.map(service="ground", returns=returns)
            session.edit("order_id = 'A2'", city="Seattle")
            if returns:
                session.skip("row_number = 13")
            session.preview()
            session.approve()
            session.execute()
            return by_row(session.results())

    first = bought(None)
    second = bought("with_each")
    assert {row: line["state"] for row, line in second.items()} == {
        **dict.fromkeys((1, 2, 3, 13), "skipped"),
        **dict.fromkeys((11, 12), "shipped"),
    }
    assert str(first[1]["tracking_number"]) in second[1]["error_message"]
    with make(orders) as third:
        third.map(service="ground", returns="with_each").edit("order_id = 'A2'", city="Seattle")
        shown = by_row(third.preview())
    assert shown[13]["cost"] > 0
    assert str(second[11]["tracking_number"]) in shown[11]["problem"]


def test_a_ship_date_of_last_week_holds_no_return_label_of_a_bought_parcel(
    orders: Path, make: Callable[..., sk.BatchSession]
) -> None:
    with make(orders) as session:
        session.map(service="ground").edit("order_id = 'A2'", city="Seattle")
        session.skip("order_id = 'A3'")
        session.preview()
        session.approve()
        session.execute()
    with make(orders) as later:
        later.map(service="ground", returns="with_each").edit("order_id = 'A2'", city="Seattle")
        later.edit("order_id IN ('A1', 'A3')", ship_date="2026-01-05")
        later.edit("order_id = 'A2'", weight_lb=1)
        shown = by_row(later.preview())
    assert "in the past" in shown[1]["problem"]
    assert shown[11]["cost"] > 0  # its parcel is bought
    assert "its parcel, row 3" in shown[13]["problem"]  # this one is not


@pytest.mark.parametrize("returns", [None, "with_each"])
def test_rows_that_were_dropped_between_orders_keep_the_cells_of_each_order(
    tmp_path: Path, make: Callable[..., sk.BatchSession], returns: str | None
) -> None:
    """Six orders, the last in row 14: its cells are not those of row 4."""
    blank = "\n,,,,,,,\n,,,,,,,"
    rows = [f"A{n},Ada {n},{n} Main St,Austin,TX,78701,2,note{n}" for n in range(1, 7)]
    path = tmp_path / "gaps.csv"
    path.write_text(
        "order_id,name,address,city,state,zip,weight_lb,Tag\n"
        + "\n".join(row + (blank if n < 4 else "") for n, row in enumerate(rows))
    )
    session = make(path).map(service="ground", returns=returns)
    shown = session.preview(include=["Tag"])
    assert len(shown) == (12 if returns else 6)
    assert shown.row_number.is_unique
    assert shown.row_number.max() == (114 if returns else 14)
    assert (shown.order_id.str[1:] == shown.tag.str[4:]).all()
    session.skip("Tag = 'note6'")
    left = by_row(session.preview())
    assert {line["order_id"] for line in left.values() if isinstance(line["problem"], str)} == {
        "A6"
    }


def test_an_edit_by_order_leaves_the_options_of_the_way_out_to_the_parcel(
    orders: Path, make: Callable[..., sk.BatchSession]
) -> None:
    session = make(orders).map(service="ground", returns="with_each")
    before = by_row(session.preview())
    session.edit("order_id = 'A1'", signature="adult", service="2nd_day_air", weight_lb=2)
    after = by_row(session.preview())
    assert after[1]["cost"] > before[1]["cost"]
    assert after[11]["cost"] == before[11]["cost"]
    session.edit("row_number > 10", service="2nd_day_air")
    assert by_row(session.preview())[11]["cost"] > before[11]["cost"]
