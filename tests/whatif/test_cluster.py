"""Files priced by Dask, also with killed workers, and by processes: as one process does it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks" / "bench_cluster.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("default"),  # Dask's own
]


def test_every_way_prices_what_one_process_does(tmp_path):
    pytest.importorskip("distributed")
    spec = importlib.util.spec_from_file_location("bench_cluster", BENCH)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    folder, work = tmp_path / "shipments", tmp_path / "rated"
    folder.mkdir()
    bench.write_files(folder, rows=400_000, files=8)
    results = bench.measure(folder, work, kills=3)
    assert [result["way"] for result in results] == list(bench.ways(work, 3))
    assert {result["files_equal"] for result in results} == {8}
    assert {result["orders"] for result in results} == {400_000}
    assert len({result["cents"] for result in results}) == 1
