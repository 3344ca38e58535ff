"""Sums of groups, added up over files, are those of all orders together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shipkit as sk
from shipkit.errors import InputError

CARD = sk.RateCard.synthetic()
KEYS = ("state", "service", "weight_band")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("shipments")
    rng = np.random.default_rng(3)
    for number, n in enumerate((30, 0, 50)):
        table = pa.table(
            {
                "postal_code": pa.array(rng.choice(["10001", "94103", "34001"], n), pa.string()),
                "service": pa.array(rng.choice(["ground", "2nd_day_air"], n), pa.string()),
                "parcels": pa.array(
                    [[{"weight_lb": float(w), "length_in": 30.0}] for w in rng.integers(1, 80, n)],
                    pa.list_(pa.struct([("weight_lb", pa.float64()), ("length_in", pa.float64())])),
                ),
                "paid": pa.array(
                    [None if k % 7 == 0 else 10.25 + k for k in range(n)], pa.float64()
                ),
            }
        )
        pq.write_table(table, made / f"{number}.parquet", row_group_size=20)
    return made


@pytest.mark.parametrize("baseline", ["paid", replace(CARD, name="old", dim_divisor=100)])
def test_groups_of_parts_add_up_exactly(folder, baseline):
    whole = sk.compare(baseline, CARD, folder, origin="78205")
    with ThreadPoolExecutor(2) as pool:
        parts = sk.compare(baseline, CARD, folder, origin="78205", by=KEYS, executor=pool)
    for keys in (KEYS, ("service",), ("weight_band", "state")):
        pd.testing.assert_frame_equal(parts.by(*keys), whole.by(*keys))
    assert parts.total == whole.total
    assert parts.total.baseline.cents > 0
    assert parts.unrated == {
        side: int((whole.unrated.side == side).sum()) for side in ("baseline", "candidate", "both")
    }
    assert str(parts).splitlines()[0] == str(whole).splitlines()[0]
    assert "more without a price" in str(parts)
    assert "<table" in parts._repr_html_()


def test_orders_are_compared_in_groups_too(tmp_path):
    rows = [
        {"zip": "10001", "weight": "8 oz", "service": "Ground", "paid": "25.00"},
        {"zip": "94103", "weight": "3", "service": "Ground", "paid": "1,030.50"},
        {"zip": "94103", "weight": "2 lb", "service": "Ground", "paid": ""},
    ]
    for name, some in (("a", rows[:1]), ("b", rows[1:])):
        pd.DataFrame(some).to_csv(tmp_path / f"{name}.csv", index=False)
    whole = sk.compare("paid", CARD, rows, origin="78205", by="state")
    parts = sk.compare("paid", CARD, tmp_path, origin="78205", by="state")
    pd.testing.assert_frame_equal(parts.by(), whole.by())
    assert parts.total.baseline.cents == 2500 + 103050 - 103050 * 1
    assert parts.unrated == whole.unrated


def test_what_is_not_grouped_by_is_refused(folder):
    result = sk.compare("paid", CARD, folder, origin="78205", by="service")
    with pytest.raises(InputError, match="not compared by 'state'"):
        result.by("state")
    for by, match in (("change_cents", "not a column to group by"), ((), "by is empty")):
        with pytest.raises(InputError, match=match):
            sk.compare("paid", CARD, folder, origin="78205", by=by)
    with pytest.raises(InputError, match="compared in groups"):
        sk.compare("paid", CARD, folder, origin="78205", executor="processes")
    with pytest.raises(InputError, match="have no column 'pade'"):
        sk.compare("pade", CARD, folder, origin="78205", by="service")
