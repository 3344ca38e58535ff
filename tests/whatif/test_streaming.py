"""Orders that stream past in parts cost what they cost whole."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import shipkit as sk
from shipkit.errors import SourceError
from shipkit.plan.preview import to_frame
from shipkit.rates import reading, whatif

CARD = sk.RateCard.synthetic()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(reading, "ROWS_AT_A_TIME", 7)


def one_line_orders(n: int) -> pd.DataFrame:
    """Clean and dirty lines; what decides on a column stands far down."""
    kind = np.arange(n) % 10
    return pd.DataFrame(
        {
            "order_id": [f"A-{i}" for i in range(n)],
            "zip": np.where(kind == 3, "2134", np.where(kind == 4, " 10001 ", "60601")),
            "weight": np.where(
                np.arange(n) == n - 2,
                "12 oz",
                np.where(kind == 5, "heavy", np.where(kind == 6, "1,5", "3 lb")),
            ),
            "service": np.where(kind == 7, "pigeon", "Ground"),
            "ship_date": ["2026-11-05"] * (n - 1) + ["2026-12-24"],
            "residential": np.where(kind % 2, "yes", "no"),
            "paid": 12.5,
        }
    )


def many_line_orders() -> pd.DataFrame:
    """Orders of one to three lines: a part of seven lines ends in the middle of one."""
    lines = [(f"B-{i}", k) for i in range(12) for k in range(i % 3 + 1)]
    return pd.DataFrame(
        {
            "order_id": [order for order, _ in lines],
            "zip": [None if k else "10001" for _, k in lines],
            "item weight (lb)": 1.5,
            "quantity": [k + 1 for _, k in lines],
            "sku": [f"S{k}" for _, k in lines],
            "service": [None if k else "Ground" for _, k in lines],
        }
    )


def saved(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path, row_group_size=5) if path.suffix == ".parquet" else frame.to_csv(
        path, index=False
    )
    return path


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
@pytest.mark.parametrize(
    "frame", [one_line_orders(40), many_line_orders()], ids=["one line", "many lines"]
)
def test_parts_cost_to_the_cent_what_the_whole_does(tmp_path, frame, ending):
    path = saved(frame, tmp_path / f"orders{ending}")
    whole = sk.rate(path, CARD, origin="78205")
    totals = sk.rate(path, CARD, origin="78205", to=tmp_path / "rated.parquet")
    rated = to_frame(pq.read_table(tmp_path / "rated.parquet"))
    assert len(whole) > 7
    assert whole.cost_cents.notna().any()
    pd.testing.assert_frame_equal(rated, whole)
    assert totals.orders.sum() == len(whole)
    assert totals.unrated.sum() == whole.cost_cents.isna().sum()
    assert totals.cost_cents.sum() == whole.cost_cents.sum()


def test_types_that_a_file_has_stay_in_its_parts(tmp_path):
    frame = one_line_orders(20).assign(
        weight=2.5,
        ship_date=pd.Timestamp("2026-11-05"),
        residential=True,
        zip=pd.Categorical(["02134"] * 20),
    )
    path = saved(frame, tmp_path / "orders.parquet")
    sk.rate(path, CARD, origin="78205", to=tmp_path / "rated.parquet")
    pd.testing.assert_frame_equal(
        to_frame(pq.read_table(tmp_path / "rated.parquet")), sk.rate(path, CARD, origin="78205")
    )


def test_a_file_that_changes_while_it_is_read_is_refused_and_nothing_is_written(
    tmp_path, monkeypatch
):
    path = saved(one_line_orders(20), tmp_path / "orders.parquet")
    rated = whatif.rated

    def touching(*given, **named):
        os.utime(path, (1, 1))
        return rated(*given, **named)

    monkeypatch.setattr(whatif, "rated", touching)
    with pytest.raises(SourceError, match="changed while it was read"):
        sk.rate(path, CARD, origin="78205", to=tmp_path / "rated.parquet")
    assert [found.name for found in tmp_path.iterdir()] == ["orders.parquet"]
