"""Ten times the rows, as many statements: nothing that prices or plans goes row by row."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shipkit as sk
from shipkit.carriers.ratecard import price_tables
from shipkit.rates.whatif import read_orders

SHOP = sk.Address(
    name="Dana Ortiz",
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
BENCH = Path(__file__).parents[2] / "benchmarks" / "bench_millions.py"


def orders(n: int) -> pd.DataFrame:
    """A mixed lot of n orders: some cannot ship, some need a second look."""
    kind = np.arange(n) % 10
    return pd.DataFrame(
        {
            "order_id": np.arange(n).astype(str),
            "name": "Ada Lee",
            "address1": np.where(kind == 1, None, "1 Main St"),
            "city": "Boston",
            "state": np.where(kind == 2, "TX", "MA"),
            "zip": np.where(kind == 3, "2134", "02134"),
            "weight_lb": np.where(kind == 4, "heavy", "3"),
            "service": np.where(kind == 5, "pigeon", "ground"),
            "paid": "20.00",
        }
    )


def planned(n: int, tmp_path: Path, service: str | None = None) -> tuple[int, int]:
    """Return how many statements a preview of n orders ran, and how many rows have a price."""
    with sk.BatchSession(shipper=SHOP, home=tmp_path / str(n)) as session:
        con = session._planner.con
        con.execute("CALL enable_logging('QueryLog')")
        frame = session.load(orders(n)).map(service=service).preview()
        [(count,)] = con.execute(
            "SELECT count(*) FROM duckdb_logs WHERE type = 'QueryLog'"
        ).fetchall()
        return count, int(frame.problem.isna().sum())


@pytest.mark.parametrize("service", [None, "cheapest within 3 days"])
def test_a_preview_of_ten_times_the_rows_runs_as_many_statements(tmp_path, service):
    few, some = planned(100, tmp_path, service)
    many, more = planned(1_000, tmp_path, service)
    assert many == few
    assert more == 10 * some > 0


def test_rating_ten_times_the_rows_asks_the_card_as_often(monkeypatch):
    asked = []
    priced = price_tables._priced
    monkeypatch.setattr(
        price_tables,
        "_priced",
        lambda *given, **how: asked.append(given[-1].num_rows) or priced(*given, **how),
    )
    card = sk.RateCard.synthetic()
    everything = len(card.services)
    for n in (100, 1_000):
        asked.clear()
        read = read_orders(orders(n))
        sk.compare("paid", card, read, origin="78205").by("state")
        sk.rate(read, card, origins=["78205", "94103"])
        sk.rate(read, card, origin="78205", service="cheapest")
        card.shop_table(read.table, SHOP)
        assert asked == [n, n, n, everything * n, n, everything * n]


def test_chunks_change_no_price(monkeypatch):
    table = read_orders(orders(300)).table
    whole = sk.RateCard.synthetic().itemise(table, SHOP)
    offers = sk.RateCard.synthetic().shop_table(table, SHOP)
    monkeypatch.setattr(price_tables, "_CHUNK", 97)
    assert sk.RateCard.synthetic().itemise(table, SHOP).equals(whole)
    assert sk.RateCard.synthetic().shop_table(table, SHOP).equals(offers)


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_millions", BENCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_ways_of_rating_agree(bench, tmp_path):
    """All steps of the benchmark, here in one process: as command it starts one for each."""
    path = tmp_path / "orders.parquet"
    bench.make(200, path, None)
    laps = [lap for step in bench.STEPS for lap in bench.measure(step, 200, path)]
    outcome = {lap["step"]: lap["outcome"] for lap in laps}
    assert len(outcome) == len(laps)
    assert (
        outcome["rate, already mapped"]
        == outcome["rate one by one"]
        == outcome["load to preview, in all"]
        == outcome["stream, raw orders to a file of prices"]
    )
    assert outcome["pandas (base, residential, handling, fuel)"] == pytest.approx(
        outcome["rate, already mapped"], rel=0.02
    )


def test_the_benchmark_prints_a_table_and_writes_its_figures(tmp_path):
    out = subprocess.run(
        [sys.executable, BENCH, "200", "--steps", "rate", "--json", tmp_path / "out.json"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    results = pd.read_json(tmp_path / "out.json").set_index("step")
    assert results.rows["rate, already mapped"] == 200
    assert out.count("\n") == len(results) + 2
