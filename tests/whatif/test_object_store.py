"""Files of an object store, read and written through pyarrow."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

import shipkit as sk
from shipkit.errors import InputError
from shipkit.plan.preview import to_frame

sys.path.insert(0, str(Path(__file__).parent.parent / "core_kit"))
CARD = sk.RateCard.synthetic()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    from s3_server import serving

    with serving() as running:
        yield running.url


@pytest.fixture
def bucket(server, monkeypatch) -> str:
    from s3_server import environment, make_bucket

    for name, value in environment(server).items():
        monkeypatch.setenv(name, value)
    return make_bucket(server, "lake")


def shipments(*weights: float) -> pa.Table:
    return pa.table(
        {
            "postal_code": ["10001"] * len(weights),
            "service": ["ground"] * len(weights),
            "parcels": [[{"weight_lb": weight}] for weight in weights],
        }
    )


def test_objects_are_priced_into_objects(bucket, server, tmp_path):
    store = fs.S3FileSystem(endpoint_override=server)
    local = tmp_path / "in"
    for name, table in (("mon/a", shipments(1.0, 2.0)), ("tue/b", shipments(3.0))):
        (local / name).parent.mkdir(parents=True)
        pq.write_table(table, local / f"{name}.parquet")
        pq.write_table(table, f"lake/in/{name}.parquet", filesystem=store)
    whole = sk.rate(local, CARD, origin="78205")
    for given in ("s3://lake/in/", "s3://lake/in/*/*.parquet", "s3://lake/in/**/*.parquet"):
        pd.testing.assert_frame_equal(sk.rate(given, CARD, origin="78205"), whole)
    for _ in range(2):  # the second run finds the parts
        totals = sk.rate("s3://lake/in", CARD, origin="78205", to="s3://lake/rated/")
    assert totals.cost_cents.sum() == whole.cost_cents.sum()
    written = [pq.read_table(f"lake/rated/{name}.parquet", filesystem=store) for name in "ab"]
    pd.testing.assert_frame_equal(to_frame(pa.concat_tables(written)), whole)
    with store.open_input_file("lake/rated/_totals.json") as file:
        assert json.loads(file.read())["orders"] == 3
    sk.Pricer(CARD, origin="78205").file("s3://lake/in/tue/b.parquet", "s3://lake/one.parquet")
    assert pq.read_metadata("lake/one.parquet", filesystem=store).num_rows == 1


def test_orders_of_a_store_are_read_once(bucket, server, tmp_path):
    store = fs.S3FileSystem(endpoint_override=server)
    for name, rows in (("a", "10001,3 lb\n"), ("b", "94103,8 oz\n60601,2 lb\n")):
        text = f"zip,weight\n{rows}"
        (tmp_path / f"{name}.csv").write_text(text)
        with store.open_output_stream(f"lake/orders/{name}.csv") as file:
            file.write(text.encode())
    options = {"origin": "78205", "service": "ground"}
    whole = sk.rate(tmp_path, CARD, **options)
    assert whole.billable_weight_lb.tolist() == [3, 1, 2]
    sk.rate("s3://lake/orders/*.csv", CARD, **options, to="s3://lake/out/")
    parts = [pq.read_table(f"lake/out/{name}.parquet", filesystem=store) for name in "ab"]
    pd.testing.assert_frame_equal(to_frame(pa.concat_tables(parts)), whole)


def test_what_is_not_there_is_said_without_a_secret(bucket, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2hunter2")
    for given, match in (
        ("s3://lake/none.parquet", "s3://lake/none.parquet does not exist"),
        ("s3://lake/none/*.parquet", "No file matches"),
        ("s3://no-such-bucket/x/*.parquet", "s3://no-such-bucket/x"),
    ):
        with pytest.raises(InputError, match=match) as caught:
            sk.rate(given, CARD, origin="78205")
        assert "hunter2" not in str(caught.value)
