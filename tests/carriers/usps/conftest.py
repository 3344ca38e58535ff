"""The USPS server, the contract, and jobs to buy."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from shipkit.carriers.host_steps import SHIP_FROM as SHOP
from shipkit.carriers.pace import Pacer
from shipkit.carriers.usps import USPS
from shipkit.carriers.usps.usps_client import Payer
from shipkit.models import Address, LabelSpec, Parcel, Shipment
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobDraft, JobStore
from shipkit.schema import QUOTES, SHIPMENTS, problems_table
from shipkit.state import JobStatus

HERE = Path(__file__).parent
PAYER = Payer("1000012345", "987654321", "903456789", "903456789")
BOX = {"length_in": 10.0, "width_in": 8.0, "height_in": 4.0}
QUOTED = 868
"""Ground Advantage at 2 lb from 782 to 733: 5.10, 55 cents a pound, 31 a zone (8)."""


def _loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"usps_tests_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def server_module() -> ModuleType:
    return _loaded("server")


@pytest.fixture(scope="session")
def contract() -> Any:
    """USPS's own OpenAPI files; None where they are not next to the project."""
    module = _loaded("usps_contract")
    return module.Contract(module.FILES) if module.FILES.exists() else None


@pytest.fixture
def server(server_module: ModuleType, contract: Any) -> Any:
    """A server whose requests are all checked against USPS's files afterwards."""
    running = server_module.UspsServer().start()
    yield running
    running.stop()
    assert running.objections == []
    if contract is not None:
        unlisted = ("/oauth2/", "/service-standards/")  # no public file was found of these
        asked = [one for one in running.seen if not one[1].startswith(unlisted)]
        assert [wrong for one in asked for wrong in contract.request(*one)] == []
        given = [one for one in running.answered if not one[1].startswith(unlisted)]
        found = [
            wrong
            for method, path, status, body in given
            if status < 300
            for wrong in contract.answer(method, path, status, body, _kind(path))
        ]
        assert found == [], "the server answers what is documented"


def _kind(path: str) -> str:
    return (
        "vnd.usps.labels+json"
        if path.endswith(("/label", "international-label", "reprint", "scan-form"))
        else "json"
    )


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
        service="ground_advantage",
        parcels=(Parcel(weight_lb=2.0, **BOX),),
        references={"po": "PO-77"},
    )


@pytest.fixture
def usps(server: Any) -> Any:
    """Return a way to make accounts at the server, closed in their own loop by `asked`."""

    def make(**options: Any) -> USPS:
        given = {"timeout_s": 5.0, "processing_s": 0.2, "quota_per_hour": 100_000, **options}
        secret = SecretStr(given.pop("secret", "s3cret-of-the-tests"))
        payer = given.pop("payer", PAYER)
        return USPS("client-of-the-tests", secret, payer, base_url=server.url, **given)

    return make


def asked(carrier: USPS, call: Any) -> Any:
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
            "service": "ground_advantage",
            "parcels": [{"weight_lb": 2.0, "packaging": "package", **BOX}],
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
    carrier: USPS,
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


def run(store: JobStore, carrier: USPS, **options: Any) -> JobStatus:
    given = {"pacer": Pacer(concurrency=4), "grace_s": 0.4, **options}
    return asked(carrier, lambda one: execute(store, one, **given))
