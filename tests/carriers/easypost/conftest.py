"""The EasyPost server, the recordings, and jobs to buy."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from shipkit.carriers.easypost import EasyPost
from shipkit.carriers.pace import Pacer
from shipkit.models import Address, LabelSpec, Parcel, Shipment
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobDraft, JobStore
from shipkit.schema import QUOTES, SHIPMENTS, problems_table
from shipkit.state import JobStatus

HERE = Path(__file__).parent
RECORDED = HERE.parents[3] / "shared" / "easypost" / "exchanges.jsonl.gz"
SHOP = Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
KEY = SecretStr("EZTK_key_of_the_tests")
QUOTED = 625
"""Ground Advantage at 2 lb: 5.93, and 1 cent an ounce at the tests' server."""


@pytest.fixture(scope="session")
def server_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("easypost_tests_server", HERE / "server.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def server(server_module: ModuleType) -> Any:
    running = server_module.EasyPostServer().start()
    yield running
    running.stop()
    assert running.objections == []


@pytest.fixture(scope="session")
def exchanges() -> list[dict[str, Any]]:
    """What EasyPost's own libraries recorded."""
    if not RECORDED.exists():
        pytest.skip("the folder `shared/easypost` is not beside the project")
    with gzip.open(RECORDED) as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture
def shipment() -> Shipment:
    return Shipment(
        order_id="4412",
        ship_to=Address(
            name="Jo Ng",
            address_line1="179 N Harbor Dr",
            city="Redondo Beach",
            state="CA",
            postal_code="90277",
        ),
        service="usps:ground_advantage",
        parcels=(Parcel(weight_lb=2.0, length_in=10, width_in=8, height_in=4),),
        references={"po": "PO-77"},
    )


@pytest.fixture
def easypost(server: Any) -> Any:
    """Return a way to make accounts at the server, closed in their own loop by `asked`."""

    def make(**options: Any) -> EasyPost:
        given = {"timeout_s": 5.0, "processing_s": 0.2, **options}
        return EasyPost(given.pop("key", KEY), base_url=server.url, **given)

    return make


def asked(carrier: EasyPost, call: Any) -> Any:
    """Return the awaited ``call(carrier)``."""

    async def main() -> Any:
        try:
            return await call(carrier)
        finally:
            await carrier.aclose()

    return asyncio.run(main())


def plan_of(count: int, **fields: Any) -> pa.Table:
    rows = [
        {
            "row_number": i + 1,
            "row_numbers": [i + 1],
            "order_id": f"ORDER{i:05}",
            "name": f"Person {i}",
            "address_line1": f"{i + 1} Main St",
            "city": "Austin",
            "state": "TX",
            "postal_code": "73301",
            "country": "US",
            "service": "usps:ground_advantage",
            "parcels": [{"weight_lb": 2.0, "packaging": "package"}],
            "signature": "none",
            "currency": "USD",
            **fields,
        }
        for i in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=SHIPMENTS)


def job_of(
    home: Path,
    count: int,
    carrier: EasyPost,
    *,
    resend: str = "proven",
    label: str = "zpl",
    cents: int = QUOTED,
    **fields: Any,
) -> JobStore:
    plan = plan_of(count, **fields)
    line = {"cost_cents": cents, "currency": "USD", "cost_basis": "quoted", "warnings": ""}
    line["service"] = plan.column("service")[0].as_py()
    draft = JobDraft(
        plan=plan,
        quotes=pa.Table.from_pylist([line] * count, schema=QUOTES),
        problems=problems_table(),
        fingerprint=hashlib.sha256(f"{home} {count} {resend} {fields}".encode()).hexdigest(),
        shipper=SHOP,
        identity=carrier.identity,
        resend=resend,
        label=LabelSpec(format=label),
    )
    return JobStore.publish(home, draft)


def run(store: JobStore, carrier: EasyPost, **options: Any) -> JobStatus:
    given = {"pacer": Pacer(concurrency=4), "grace_s": 0.4, **options}
    return asked(carrier, lambda one: execute(store, one, **given))
