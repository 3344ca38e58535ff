"""Hosts die or fall asleep while they buy, others continue; both books are compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).parent.parent.parent / "benchmarks" / "host_deaths.py"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("carrier", "deaths", "sleepers"),
    [
        ("sandbox", 10, 4),
        pytest.param("sandbox", 1000, 100, marks=[pytest.mark.slow, pytest.mark.timeout(7200)]),
        pytest.param("ups", 300, 30, marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
def test_lost_hosts_buy_nothing_twice_and_lose_nothing(tmp_path, carrier, deaths, sleepers):
    totals = tmp_path / "hosts.json"
    command = [sys.executable, str(HARNESS), "--carrier", carrier, "--sizes", "60,120"]
    command += ["--deaths", str(deaths), "--sleepers", str(sleepers), "--seed", "7", "--lease", "3"]
    command += ["--minutes", "100", "--json", str(totals)]
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=HARNESS.parent.parent
    )
    assert run.returncode == 0, run.stderr[-3000:] + run.stdout
    found = json.loads(totals.read_text())
    assert {name: found[name] for name in ("deaths", "sleepers")} == {
        "deaths": deaths,
        "sleepers": sleepers,
    }
    wrong = ("duplicates", "never_shipped", "unknown_to_us", "labels_missing")
    assert [found[name] for name in wrong] == [0, 0, 0, 0]
    assert found["sleepers_that_stopped"] > 0  # fenced, or their lease was over
