"""preview() and results() as people use frames: saved, joined, grouped, filled, styled."""

from __future__ import annotations

import pickle
from typing import Any

import pandas as pd
import pytest

import shipkit as sk
from shipkit.carriers.sandbox import Faults

TEMPLATE = """{
  "order_id": {{ row.order_id | tojson }},
  "ship_to": {"name": {{ row.name | tojson }}, "address_line1": {{ row.address1 | tojson }},
              "city": "Austin", "state": "TX", "postal_code": {{ row.zip | tojson }},
              "country": "US"},
  "service": "ground",
  "parcels": [{% for n in range(row.boxes | int) %}{"weight_lb": 2.5}
              {%- if not loop.last %},{% endif %}{% endfor %}],
  "references": {"PO": {{ row.order_id | tojson }}}
}"""
ROWS = [
    {"order_id": f"SO-{n}", "name": name, "address1": f"{n} Main St", "zip": code, "boxes": boxes}
    for n, (name, code, boxes) in enumerate(
        [("Ada", "78701", 1), ("Ben", "78701", 2), ("Cy Reject", "78701", 1), ("Dee", "7", 1)],
        start=1,
    )
]
SHOP = {
    "name": "Dana Ortiz",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "country": "US",
    "phone": "2105550100",
}


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Frames of a job: a voided row, one of two parcels, one that was refused, a skipped one."""
    carrier = sk.SandboxCarrier(faults=Faults(reject=1.0, match="Cy Reject"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHIPKIT_HOME", str(tmp_path_factory.mktemp("home")))
        with sk.BatchSession(ROWS, shipper=sk.Address(**SHOP), carrier=carrier) as session:
            session.map(TEMPLATE)
            preview = session.preview()
            session.approve()
            session.execute(progress=False)
            session.void("order_id = 'SO-1'")
            return {
                "preview": preview,
                "results": session.results(),
                "reopened": sk.Job.open(str(session.job_id)).results(),
                "none": session.results(state="in_doubt"),
            }


@pytest.fixture(params=["preview", "results", "reopened", "none"])
def frame(request: pytest.FixtureRequest, frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return frames[request.param]


def test_the_states_that_the_frames_are_tried_with(frames):
    assert frames["results"]["state"].tolist() == ["voided", "shipped", "failed", "skipped"]


def test_lists_are_tuples_and_money_and_numbers_keep_their_types(frames):
    results, preview = frames["results"], frames["preview"]
    numbers = results["tracking_numbers"]
    assert [None if n is None else len(n) for n in numbers] == [1, 2, None, None]
    assert numbers[1][0] == results["tracking_number"][1]
    assert preview["row_numbers"].tolist() == [(1,), (2,), (3,), (4,)]
    assert str(results["charged_cents"].dtype) == str(preview["cost_cents"].dtype) == "Int64"
    assert str(results["shipped_at"].dtype) == "datetime64[us]"
    empty = frames["none"]
    assert len(empty) == 0
    assert empty.dtypes.equals(results.dtypes)


def test_times_are_utc(frames):
    late = pd.Timestamp.now("UTC").tz_localize(None) - frames["results"]["shipped_at"][1]
    assert pd.Timedelta(0) <= late < pd.Timedelta(minutes=5)


def test_pandas_reads_back_what_it_wrote_to_parquet(frame, tmp_path):
    frame.to_parquet(tmp_path / "frame.parquet")
    back = pd.read_parquet(tmp_path / "frame.parquet")
    lists = [n for n in frame if any(isinstance(cell, tuple) for cell in frame[n])]
    plain = frame.columns.drop(lists)
    assert back[plain].dtypes.equals(frame[plain].dtypes)
    pd.testing.assert_frame_equal(back[plain], frame[plain])
    for name in set(lists) - {"user_references"}:
        assert [cell if cell is None else tuple(cell) for cell in back[name]] == list(frame[name])


@pytest.mark.parametrize("ending", ["xlsx", "csv", "json", "pickle"])
def test_other_formats_have_the_order_numbers(frame, tmp_path, ending):
    path = tmp_path / f"frame.{ending}"
    if ending == "pickle":
        pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(frame)), frame)
        return
    writer = {"xlsx": frame.to_excel, "csv": frame.to_csv, "json": frame.to_json}[ending]
    json = {"orient": "records", "date_format": "iso"}
    writer(path, **(json if ending == "json" else {"index": False}))
    reader: Any = {"xlsx": pd.read_excel, "csv": pd.read_csv, "json": pd.read_json}[ending]
    back = reader(path, **({"engine": "openpyxl"} if ending == "xlsx" else {}))
    assert list(back.get("order_id", [])) == list(frame["order_id"])


def test_duplicates_joins_and_groups(frame):
    twice = pd.concat([frame, frame])
    assert twice.dtypes.equals(frame.dtypes)
    pd.testing.assert_frame_equal(twice.drop_duplicates(), frame)
    mine = pd.DataFrame({"order_id": ["SO-2", "SO-3"], "channel": ["web", "phone"]})
    joined = frame.merge(mine, on="order_id", how="left")
    assert list(joined["order_id"]) == list(frame["order_id"])
    assert joined["channel"].count() == frame["order_id"].isin(["SO-2", "SO-3"]).sum()
    money = "cost_cents" if "cost_cents" in frame else "charged_cents"
    assert frame.groupby("currency", dropna=False)[money].sum().sum() == frame[money].sum()
    assert frame.set_index("order_id").join(mine.set_index("order_id")).shape[0] == len(frame)
    assert frame.nunique()["order_id"] == len(frame)


def test_filled_styled_and_sorted(frame):
    days = list(frame.select_dtypes("datetime"))
    blanks = {n: "" if frame[n].dtype in ("str", "object") else 0 for n in frame.columns.drop(days)}
    assert not frame.fillna(blanks).drop(columns=days).isna().to_numpy().any()
    assert not frame.astype(object).fillna("").isna().to_numpy().any()
    assert frame.style.hide(axis="index").to_html().count("<tr") == len(frame) + 1
    assert len(frame.sort_values(list(frame.columns))) == len(frame)
    assert frame.describe(include="all").shape[1] == frame.shape[1] if len(frame) else True


def test_frames_are_read_as_orders_again(frames, shop):
    again = frames["results"].merge(
        pd.DataFrame({"order_id": ["SO-3"], "name": ["Cy"], "address1": ["3 Main St"]})
    )
    with sk.BatchSession(again, shipper=shop, carrier="sandbox") as other:
        assert len(other.sample(1)) == 1


ORDERS = pd.DataFrame(
    [[f"SO-{n}", "Ada", f"{n} Main St", "Austin", "TX", "78701", 2] for n in (1, 2)],
    columns=["order_id", "name", "address1", "city", "state", "zip", "weight_lb"],
)


@pytest.mark.parametrize(
    ("orders", "columns", "key"),
    [
        (ORDERS.set_index("order_id").rename_axis(None), ["index", "name"], "index"),
        (
            ORDERS.set_index(["order_id", "zip"]).rename_axis([None, None]),
            ["level_0", "level_1"],
            "level_0",
        ),
        (ORDERS.iloc[[1, 0]], ["order_id", "name"], "order_id"),
    ],
    ids=["texts", "levels", "places of rows"],
)
def test_an_index_without_a_name_is_read_unless_it_holds_places(shop, orders, columns, key):
    with sk.BatchSession(shipper=shop, carrier="sandbox") as session:
        session.load(orders, order_key=key)
        assert session.columns[:2] == columns
        assert sorted(session.sample(2)[key]) == ["SO-1", "SO-2"]
