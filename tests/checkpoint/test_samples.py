"""A job of every released schema version opens, lists, has its results and labels, goes on."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from corekit import BookCarrier

import shipkit as sk
from shipkit.errors import CheckpointVersion
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.manifest import JOINT_SCHEMA_VERSION, SCHEMA_VERSION
from shipkit.state import JobStatus

SAMPLES = Path(__file__).parent / "samples"
VERSIONS = sorted(int(path.name.removeprefix("job-v")) for path in SAMPLES.glob("job-v*"))

STATES = ["shipped", "shipped", "failed", "shipped", "review", "voided", "pending", "skipped"]


def test_there_is_a_sample_of_this_version():
    assert VERSIONS[-1] == SCHEMA_VERSION


@pytest.fixture(params=VERSIONS)
def kept(home, request) -> JobStore:
    """A copy, because opening for writing changes it."""
    shutil.copytree(SAMPLES / f"job-v{request.param}", home)
    return JobStore.list(home)[0]


def test_it_is_listed_and_stands_as_it_stood(kept):
    assert kept.status is JobStatus.PAUSED
    assert kept.reason == "the carrier refused the credentials (The key expired.)"
    assert sk.jobs().to_dict("records")[0] | {"created_at": None} == {
        "job_id": kept.job_id,
        "name": "sample",
        "created_at": None,
        "status": "paused",
        "mode": "confirm",
        "carrier": "books",
        "live": False,
        "shipments": 8,
        "shipped": 3,
        "failed": 1,
        "in_doubt": 1,
        "remaining": 1,
        "total_charged_cents": 2550,
        "currency": "USD",
    }
    assert len(sk.check_interrupted_jobs()) == 1


def test_its_results_are_all_there(kept):
    results = kept.results().to_pylist()
    assert [line["state"] for line in results] == STATES
    assert [line["charge_basis"] for line in results] == [
        "billed",
        "billed",
        None,
        "estimated",
        None,
        "billed",
        None,
        None,
    ]
    assert (results[2]["error_code"], results[2]["fix"]) == ("120100", "Correct the street.")
    assert results[7]["error_message"] == "set aside"
    assert all(
        line["tracking_number"].startswith("SANDBOX")
        for line in results
        if line["state"] in ("shipped", "voided")
    )


def test_its_labels_are_all_there(kept):
    numbers = kept.results().column("tracking_number").to_pylist()
    assert {label.row: label.data for label in kept.labels()} == {
        row: b"%PDF-label" + numbers[row].encode() for row in (0, 1, 3, 5)
    }


def test_it_goes_on(kept, tmp_path):
    carrier = BookCarrier(tmp_path / "books.db")
    assert asyncio.run(execute(kept, carrier, grace_s=0.05)) is JobStatus.COMPLETED_WITH_ERRORS
    assert list(carrier.sales()) == ["A0000006"]
    assert [line["state"] for line in kept.results().to_pylist()] == [
        *STATES[:6],
        "shipped",
        "skipped",
    ]


def test_a_sample_of_a_newer_version_is_refused_and_not_listed(kept):
    path = kept.path / "manifest.json"
    path.write_text(
        json.dumps(
            {
                **json.loads(path.read_text()),
                "schema_version": JOINT_SCHEMA_VERSION + 1,
                "shipkit_version": "99.1",
                "what_nobody_knows": 1,
            }
        )
    )
    with pytest.raises(
        CheckpointVersion, match=r"written by shipkit 99\.1 .*Upgrade shipkit to that version"
    ):
        JobStore(kept.path)
    assert len(sk.jobs()) == 0
