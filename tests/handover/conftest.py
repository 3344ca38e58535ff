"""Jobs that bought labels at an embedded sandbox."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import shipkit as sk
from shipkit.carriers import pace
from shipkit.carriers.sandbox import SandboxCarrier
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobDraft, JobStore
from shipkit.schema import QUOTES, SHIPMENTS, problems_table

SHOP = sk.Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)


def order(number: int, **more: Any) -> dict[str, Any]:
    """Return a row of a plan."""
    return {
        "row_number": number,
        "row_numbers": [number],
        "order_id": f"SO-{number}",
        "name": f"Person {number}",
        "address_line1": f"{number} Main St",
        "city": "Austin",
        "state": "TX",
        "postal_code": "78701",
        "country": "US",
        "service": "ground",
        "parcels": [{"weight_lb": 2.0, "packaging": "package"}],
        "signature": "none",
        "currency": "USD",
        **more,
    }


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_BACKOFF_S", 0.001)


@pytest.fixture
def sandbox(tmp_path: Path) -> SandboxCarrier:
    return SandboxCarrier(tmp_path / "books.sqlite", seed=1, label_bytes=64)


@pytest.fixture
def bought(tmp_path: Path, sandbox: SandboxCarrier) -> Iterator[Callable[..., sk.Job]]:
    """Return a way to buy labels for rows; jobs are closed at the end."""
    opened: list[sk.Job] = []

    def buy(*rows: dict[str, Any], **terms: Any) -> sk.Job:
        store = published(tmp_path, sandbox, *rows, **terms)
        assert asyncio.run(execute(store, sandbox)) == "completed"
        job = sk.Job.open(store.job_id, home=tmp_path, carrier=sandbox)
        opened.append(job)
        return job

    yield buy
    for job in opened:
        job.close()


def published(home: Path, carrier: SandboxCarrier, *rows: dict[str, Any], **terms: Any) -> JobStore:
    line = {"cost_cents": 1000, "currency": "USD", "cost_basis": "quoted", "warnings": ""}
    line["service"] = "ground"
    draft = JobDraft(
        plan=pa.Table.from_pylist(list(rows), schema=SHIPMENTS),
        quotes=pa.Table.from_pylist([line] * len(rows), schema=QUOTES),
        problems=problems_table(),
        fingerprint=hashlib.sha256(repr(rows).encode()).hexdigest(),
        shipper=SHOP,
        identity=carrier.identity,
        resend="proven",
        **terms,
    )
    return JobStore.publish(home, draft)
