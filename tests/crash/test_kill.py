"""A real process is killed at random moments, the carrier lives on, and the books of both sides are compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.timeout(280)
def test_twenty_five_kills_buy_nothing_twice_lose_nothing_and_leave_nothing_unknown():
    run = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "kill_harness.py"), "--kills", "25", "--sizes", "60,150", "--seed", "7"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr[-3000:] + run.stdout
    found = json.loads(run.stdout)
    assert found["kills"] == sum(found["fell"].values()) == 25
    assert (found["duplicates"], found["never_shipped"], found["unknown_to_us"]) == (0, 0, 0)
    assert len(found["fell"]) >= 3, "the kills fell at different places"
