"""Orders in many files are read as all of them are, wherever a file is priced."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shipkit as sk
from shipkit.errors import InputError
from shipkit.plan.preview import to_frame

CARD = sk.RateCard.synthetic()
BASE = {"zip": "10001", "service": "Ground", "order": "A"}


@pytest.fixture(scope="module")
def dated(tmp_path_factory) -> sk.RateCard:
    """A card whose fuel is 10 % from 1 March and 20 % from 2 April."""
    folder = tmp_path_factory.mktemp("card")
    (folder / "zones.csv").write_text("origin,destination,zone\n277,010-999,5\n")
    (folder / "ground.csv").write_text("Weight,5\n1,11.00\n")
    (folder / "fuel.csv").write_text(
        "name,percent,of,since\nfuel,10,base,2026-03-01\nfuel,20,base,2026-04-02\n"
    )
    return sk.RateCard.from_files(folder / "zones.csv", folder / "ground.csv", folder / "fuel.csv")


def saved(folder: Path, files: dict[str, list[dict]], ending: str = "csv") -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in files.items():
        frame = pd.DataFrame([BASE | row for row in rows or [line(0)]]).iloc[: len(rows)]
        if ending == "csv":
            frame.to_csv(folder / f"{name}.csv", index=False)
        else:
            frame.to_parquet(folder / f"{name}.parquet")
    return folder


def by_parts(folder: Path, card: sk.RateCard = CARD, **options) -> pd.DataFrame:
    with ThreadPoolExecutor(2) as pool:
        return sk.rate(folder, card, origin="27701", executor=pool, **options)


DATES = {
    "a": [{"order": n, "weight": 1, "ship date": f"0{n}/03/2026"} for n in (4, 5)],
    "b": [{"order": n, "weight": 1, "ship date": f"{n}/03/2026"} for n in (25, 26)],
}


def test_a_date_means_in_each_file_what_it_means_in_all(tmp_path, dated):
    folder = saved(tmp_path / "orders", DATES)
    parts = by_parts(folder, dated)
    assert parts.cost_cents.tolist() == [1210] * 4
    assert parts.row_number.tolist() == [1, 2, 3, 4]
    pd.testing.assert_frame_equal(parts, sk.rate(folder, dated, origin="27701"))
    alone = sk.rate(folder / "a.csv", dated, origin="27701")
    assert alone.cost_cents.tolist() == [1320] * 2, "which is why a file is not read alone"


def line(order: int, **cells: object) -> dict:
    """An order whose columns are decided by cells of both files."""
    plain = {"weight": "3", "length": "10", "width": "9", "ship date": "04/03/2026", "zip": 2134}
    return {"order": order, **plain, "height": "4", **cells}


MIXED = {
    "one line": {
        # Units, a decimal mark, the order of day and month, and a word in a column of numbers:
        # each is seen in one of the files only.
        "a": [line(1), line(2, weight="5", length="1,250"), line(3, height="tall")],
        "b": [
            line(4, weight="8 oz", length="12,5", **{"ship date": "25/03/2026"}),
            line(5, weight="2 lb", zip=501, extra="only here"),
        ],
        "c": [],
    },
    "lines of orders": {
        "a": [
            {"order": 1, "item weight (lb)": 2, "quantity": 2},
            {"order": 1, "zip": None, "service": None, "item weight (lb)": 1, "quantity": 3},
        ],
        "b": [{"order": n, "item weight (lb)": n, "quantity": 1} for n in (2, 3)],
    },
}


@pytest.mark.parametrize(
    ("kind", "ending"), [("one line", "csv"), ("one line", "parquet"), ("lines of orders", "csv")]
)
def test_parts_are_row_by_row_what_all_files_are(tmp_path, kind, ending):
    folder = saved(tmp_path / "orders", MIXED[kind], ending)
    whole = sk.rate(folder, CARD, origin="27701")
    assert whole.cost_cents.notna().any()
    sk.rate(folder, CARD, origin="27701", to=tmp_path / "rated")
    files = [tmp_path / "rated" / f"{name}.parquet" for name in MIXED[kind]]
    written = pa.concat_tables(map(pq.read_table, files))
    pd.testing.assert_frame_equal(to_frame(written), whole)


def test_an_order_in_two_files_is_refused_with_its_files(tmp_path):
    lines = {
        "a": [{"order": "A-1", "weight_lb": 1}, {"order": "A-2", "weight_lb": 1}],
        "b": [{"order": "A-2", "weight_lb": 4}, {"order": "A-3", "weight_lb": 1}],
    }
    folder = saved(tmp_path / "orders", lines)
    with pytest.raises(InputError, match=r"order 'A-2' is in a\.csv and in b\.csv") as caught:
        by_parts(folder)
    assert "Write the lines of an order into one file" in caught.value.fix


def test_a_reading_travels_and_says_what_it_is_of(tmp_path, dated):
    folder = saved(tmp_path / "orders", DATES)
    reading = sk.read_once(folder)
    copy = pickle.loads(pickle.dumps(reading))
    assert copy.fingerprint == reading.fingerprint
    assert repr(copy).startswith("Reading(2 files, 4 rows, ")
    pricer = pickle.loads(pickle.dumps(sk.Pricer(dated, origin="27701", reading=copy)))
    pricer.file(folder / "b.csv", tmp_path / "b.parquet")
    rated = pq.read_table(tmp_path / "b.parquet").to_pydict()
    assert (rated["cost_cents"], rated["row_number"]) == ([1210, 1210], [3, 4])
    table = pa.table(
        {
            name: ["04/03/2026"] if "date" in name else [value]
            for name, value in {
                "order": 9,
                "weight": 1,
                "ship date": "",
                "zip": "10001",
                "service": "Ground",
            }.items()
        }
    )
    assert pricer(table).column("cost_cents").to_pylist() == [1210]
    with pytest.raises(InputError, match="an order of several lines, and there was none"):
        pricer(pa.concat_tables([table, table]))
    frame = pricer.frame(table.to_pandas())
    pd.testing.assert_series_equal(frame.dtypes, pricer.meta.dtypes)
    assert frame.cost_cents.tolist() == [1210]


def test_a_file_that_is_not_as_the_others_were_is_refused(tmp_path, dated):
    folder = saved(tmp_path / "orders", DATES)
    pricer = sk.Pricer(dated, origin="27701", reading=sk.read_once(folder))

    def refused(rows: list[dict], match: str, name: str = "new") -> None:
        saved(folder, {name: rows})
        with pytest.raises(InputError, match=match):
            pricer.file(folder / f"{name}.csv", tmp_path / "out.parquet")

    row = DATES["a"][0]
    refused([row | {"gift": "yes"}], "new.csv has the column 'gift'")
    refused([row, row], "a.csv changed since the files were read", name="a")
    table = pa.table({"order": [1], "weight": [1], "ship date": [True]})
    assert "is not a date" in pricer(table).column("problem")[0].as_py()
    object.__setattr__(pricer.reading, "version", "0.0.1")
    refused([row], r"made by shipkit 0\.0\.1")


def test_lines_of_one_order_are_priced_by_files_and_not_by_tables(tmp_path):
    folder = saved(tmp_path / "orders", MIXED["lines of orders"], "parquet")
    pricer = sk.Pricer(CARD, origin="27701", reading=sk.read_once(folder))
    with pytest.raises(InputError, match="a table may end in the middle of one"):
        pricer(pq.read_table(folder / "a.parquet"))
    assert pricer.file(folder / "a.parquet", tmp_path / "a.parquet").orders.tolist() == [1]


CERTAIN = {"order": ["1", "2"], "zip": ["10001", "02134"], "service": ["Ground"] * 2}


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"weight_lb": [1.5, 2.0], "ship date": ["2026-03-04", "2026-03-25"]}, None),
        ({"weight_lb": ["1.5", "2"]}, None),
        ({"weight_lb": [1.0, 2.0], "ship date": ["04/03/2026", "2026-03-25"]}, "'ship date'"),
        ({"weight_lb": ["1,250", "2"]}, "'weight_lb'"),
        ({"weight_lb": ["1.250", "2"]}, "'weight_lb'"),
        ({"weight": ["1", "2"]}, "'weight'"),
        ({"weight_lb": [1, 2], "zip": ["2134.0", "10001"]}, "'zip'"),
        ({"weight_lb": [1, 2], "order": ["1", "1"]}, "several lines"),
        ({"weight_lb": [1, 2], "item weight": [1, 2]}, "Two columns of weights"),
        ({"weight_lb": [1, 2], "length": ["10 in", "5"]}, "'length'"),
        ({"item weight (lb)": [1, 2], "quantity": ["1,000", "2"]}, "'quantity'"),
    ],
)
def test_without_a_reading_only_what_is_certain_is_priced(columns, reason):
    pricer = sk.Pricer(CARD, origin="27701")
    table = pa.table(CERTAIN | columns)
    if reason is None:
        priced = to_frame(pricer(table))
        pd.testing.assert_frame_equal(priced, sk.rate(table, CARD, origin="27701"))
        assert priced.cost_cents.notna().all()
    else:
        with pytest.raises(InputError, match=reason) as caught:
            pricer(table)
        assert "read_once" in caught.value.fix


def test_only_files_of_orders_are_read_once(tmp_path):
    shipments = pa.table({"postal_code": ["10001"], "parcels": [[{"weight_lb": 1.0}]]})
    pq.write_table(shipments, tmp_path / "s.parquet")
    for given in (tmp_path / "s.parquet", [{"zip": "10001"}], tmp_path / "missing.csv"):
        with pytest.raises(InputError):
            sk.read_once(given)


def test_files_are_read_with_columns_set_aside_and_warehouses(tmp_path):
    rows = [{"order": f"A-{n}", "weight_lb": n, "Warehouse": "Reno"} for n in range(1, 5)]
    folder = saved(tmp_path / "in", {"a": rows[:2], "b": rows[2:]})
    aside, placed = {"ignore": ["Warehouse"]}, {"warehouses": {"Reno": "89501"}}
    for options in (aside, placed):
        whole = sk.rate(folder, CARD, origin="27701", **options)
        assert whole.cost_cents.notna().tolist() == [True] * 4
        assert by_parts(folder, **options).cost_cents.tolist() == whole.cost_cents.tolist()
    readings = [sk.read_once(folder, **options) for options in ({}, aside, placed)]
    assert len({reading.fingerprint for reading in readings}) == 3
    assert pickle.loads(pickle.dumps(readings[2])).fingerprint == readings[2].fingerprint
