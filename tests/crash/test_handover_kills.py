"""Processes that book pickups and make manifests are killed; then the books are compared."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).parent.parent.parent / "benchmarks" / "handover_kills.py"
MUST_BE_0 = ("twice", "never", "unknown_to_us", "unknown_to_the_carrier", "not_in_doubt", "papers")


@pytest.mark.timeout(280)
@pytest.mark.parametrize(
    ("what", "kills"),
    [
        ("pickup,manifest", 5),
        pytest.param(
            "pickup,manifest,cancel", 100, marks=[pytest.mark.slow, pytest.mark.timeout(3000)]
        ),
    ],
)
def test_kills_book_each_pickup_once_and_put_each_label_on_one_form(tmp_path, what, kills):
    figures = tmp_path / "kills.json"
    words = ["--what", what, "--kills", str(kills), "--seed", "7", "--json", str(figures)]
    run = subprocess.run(
        [sys.executable, str(HARNESS), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=HARNESS.parent.parent,
    )
    assert run.returncode == 0, run.stderr[-3000:] + run.stdout
    found = json.loads(figures.read_text())
    assert set(found) == set(what.split(","))
    for kind, counts in found.items():
        assert counts["kills"] == kills
        assert {name: counts[name] for name in MUST_BE_0} == dict.fromkeys(MUST_BE_0, 0), kind
        if kills >= 100:  # where so few fall is luck
            assert len([name for name in counts if name.startswith("fell: ")]) >= 4


class Books:
    """What a sandbox says that it has."""

    def __init__(self, pickups, forms):
        self._pickups, self._forms = pickups, forms

    def pickups(self):
        return self._pickups

    def forms(self):
        return self._forms


def test_the_harness_sees_what_is_twice_missing_and_unknown(tmp_path):
    """The figures that must be 0 are not 0 when something is wrong."""
    import asyncio
    from collections import Counter

    from shipkit.carriers.accounts import Accounts
    from shipkit.carriers.sandbox import SandboxCarrier
    from shipkit.purchasing.run import execute

    spec = importlib.util.spec_from_file_location("handover_kills", HARNESS)
    harness = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(harness)
    carrier = SandboxCarrier(tmp_path / "books.sqlite", label_bytes=64)

    async def work():
        job = harness.corekit.job_of(tmp_path, 2, identity=carrier.identity)
        await execute(job, carrier)
        accounts = Accounts.of(carrier)
        assert await harness.WORK["manifest"](job, accounts, [0, 1])
        assert await harness.WORK["pickup"](job, accounts, [0, 1])
        await carrier.aclose()
        return job

    job = asyncio.run(work())
    [(reference, entry)] = harness.pickup_book(job).items()
    [form] = harness.ManifestBook.of(job).made
    labels = job.results().column("tracking_number").to_pylist()
    pickups = {reference: [(entry.booked.number, False)]}
    forms = dict.fromkeys(labels, form.number)

    def wrong(pickups, forms, size=2):
        books = Books(pickups, forms)
        asked = Counter({"asked: pickup": 1, "asked: manifest": 1})
        found = harness.audit(job, books, asked, size)
        hidden = harness.hidden(job, books)
        return {name for name in MUST_BE_0 if found[name]} | ({"hidden"} if hidden else set())

    assert wrong(pickups, forms) == set()
    assert "twice" in wrong({reference: [*pickups[reference], ("X", False)]}, forms)
    assert "unknown_to_us" in wrong(pickups | {"OTHER": [("X", False)]}, forms)
    assert "hidden" in wrong(pickups | {"OTHER": [("X", False)]}, forms)
    assert "hidden" in wrong({reference: [(entry.booked.number, True)]}, forms)
    assert "unknown_to_the_carrier" in wrong({}, forms)
    assert "unknown_to_the_carrier" in wrong(pickups, {})
    assert "unknown_to_us" in wrong(pickups, dict.fromkeys(labels, "ANOTHER"))
    assert "never" in wrong(pickups, forms, size=3)
