"""A real process is killed at random moments; then both sides' books are compared."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).parent.parent.parent / "benchmarks" / "kill_harness.py"


@pytest.mark.timeout(280)
@pytest.mark.parametrize(
    ("carrier", "kills"),
    [
        ("sandbox", 10),
        ("ups", 6),
        ("easypost", 6),
        ("usps", 6),
        ("sandbox+easypost", 6),
        pytest.param("sandbox", 300, marks=[pytest.mark.slow, pytest.mark.timeout(1500)]),
        pytest.param("ups", 300, marks=[pytest.mark.slow, pytest.mark.timeout(1500)]),
        pytest.param("easypost", 300, marks=[pytest.mark.slow, pytest.mark.timeout(1500)]),
        pytest.param("usps", 300, marks=[pytest.mark.slow, pytest.mark.timeout(1500)]),
        pytest.param("sandbox+easypost", 300, marks=[pytest.mark.slow, pytest.mark.timeout(1500)]),
    ],
)
def test_kills_buy_nothing_twice_lose_nothing_and_leave_nothing_unknown(tmp_path, carrier, kills):
    totals = tmp_path / "kills.json"
    run = subprocess.run(
        [
            sys.executable,
            str(HARNESS),
            "--carrier",
            carrier,
            "--kills",
            str(kills),
            "--sizes",
            "60,250,400",
            "--seed",
            "7",
            "--json",
            str(totals),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=HARNESS.parent.parent,
    )
    assert run.returncode == 0, run.stderr[-3000:] + run.stdout
    found = json.loads(totals.read_text())
    fell = {place for places in found["fell"].values() for place in places}
    assert found["kills"] == sum(sum(places.values()) for places in found["fell"].values()) == kills
    assert (
        found["duplicates"],
        found["never_shipped"],
        found["unknown_to_us"],
        found["labels_missing"],
        found["misplaced"],
    ) == (0, 0, 0, 0, 0)
    if kills >= 100:  # where so few fall is luck
        assert len(fell) >= 3, "the kills fell at different places"
        assert found["numbers"].get("rows_left_on_their_way", 0) > 0, (
            "and some while rows were on their way"
        )


def test_the_harness_sees_a_duplicate_a_missing_a_lost_and_an_unknown_shipment(home, tmp_path):
    """The figures that must be 0 are not 0 when something is wrong."""
    import asyncio

    from corekit import BookCarrier, job_of

    from shipkit.carriers.pace import Pacer
    from shipkit.purchasing.run import execute

    spec = importlib.util.spec_from_file_location("kill_harness", HARNESS)
    harness = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(harness)
    carrier, job = BookCarrier(tmp_path / "books.db"), job_of(home, 4)
    asyncio.run(execute(job, carrier, pacer=Pacer(concurrency=2)))
    sold = [
        (reference, [tracking], False)
        for reference, tracking in carrier.books.execute("select reference, tracking from sold")
    ]
    assert not any(harness.audit(job, sold)[name] for name in harness.MUST_BE_0)
    twice = [*sold, (sold[0][0][:-1] + "2", ["SANDBOXTWICE"], False)]
    assert (
        harness.audit(job, twice)["duplicates"],
        harness.audit(job, twice)["unknown_to_us"],
    ) == (1, 1)
    assert harness.audit(job, sold[1:])["never_shipped"] == 1


def test_totals_of_a_run_that_was_stopped_are_gone_on_from(tmp_path):
    spec = importlib.util.spec_from_file_location("kill_harness", HARNESS)
    harness = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(harness)
    first = harness.Totals(10, tmp_path / "totals.json")
    assert first.take(4) == 4
    for _ in range(4):
        first.killed("between commits", aimed=False, resuming=True, alive_s=0.5, rows=3)
    first.audited(harness.Counter({"shipments": 60}))
    then = harness.Totals(10, tmp_path / "totals.json")
    assert (then.left, then.numbers["shipments"], then.fell["at random"]["between commits"]) == (
        6,
        60,
        4,
    )
