"""UPS, USPS and EasyPost in one batch, each at its own server, from the orders to voided labels."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shipkit as sk

HERE = Path(__file__).parent.parent / "carriers"
SERVERS = {"ups": "UpsServer", "usps": "UspsServer", "easypost": "EasyPostServer"}
SETTINGS = {
    "ups": {
        "CLIENT_ID": "client-of-the-tests",
        "CLIENT_SECRET": "s3cret-of-the-tests",
        "ACCOUNT": "A1B2C3",
    },
    "usps": {
        "CLIENT_ID": "client-of-the-tests",
        "CLIENT_SECRET": "s3cret-of-the-tests",
        "ACCOUNT": "1000012345",
        "CRID": "987654321",
        "MID": "903456789",
        "QUOTA_PER_HOUR": "10000",
    },
    "easypost": {
        "API_KEY": "EZTK_key_of_the_tests",
        "ACCOUNT": "user_0e95f038c18f432fbc50f84855dc20c6",
    },
}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The three servers, by the name of their carrier."""
    running = {}
    for name, kind in SERVERS.items():
        spec = importlib.util.spec_from_file_location(
            f"three_carriers_{name}", HERE / name / "server.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        running[name] = getattr(module, kind)().start()
        for key, value in {**SETTINGS[name], "BASE_URL": running[name].url}.items():
            monkeypatch.setenv(f"SHIPKIT_{name.upper()}_{key}", value)
    yield running
    for server in running.values():
        server.stop()
        assert server.objections == []


def orders(*asked: dict[str, Any]) -> list[dict[str, Any]]:
    plain = {
        "Name": "Ana Ruiz",
        "Address": "12 Oak Street",
        "City": "Austin",
        "State": "TX",
        "Zip": "73301",
        "Weight (lb)": 2,
        "Length (in)": 10,
        "Width (in)": 8,
        "Height (in)": 4,
    }
    return [{"Order ID": f"A-{i}", **plain, **more} for i, more in enumerate(asked, start=1)]


def test_each_row_is_bought_where_it_is_cheapest_and_can_be_had(
    served: dict[str, Any], shop: sk.Address, tmp_path: Path
) -> None:
    rows = orders(
        {},  # EasyPost is the cheapest
        {"Declared Value": "900"},  # EasyPost's insurance makes it dearer than UPS
        {"Saturday Delivery": "Y"},  # nothing to ask for at USPS, and no option of the others
        {"COD Amount": "20"},  # UPS only
        {"Address": "PO Box 12"},
    )
    with sk.BatchSession(
        rows, shipper=shop, carriers=[*SERVERS], home=tmp_path, label_format="zpl"
    ) as session:
        session.map(service="cheapest")
        frame = session.preview()
        sellers = ["easypost", "ups", "usps", "ups", "easypost"]
        assert list(frame["seller"]) == sellers
        assert "it does not offer cod_amount" in frame["warnings"][3]
        session.approve()
        result = session.execute(progress=False)
        assert (result.status, result.shipped) == ("completed", 5)
        assert result.total_charged == session.summary.total
        assert list(session.results()["seller"]) == sellers
        assert set(session.track()["status"]) <= {"label_created", "in_transit", "not_found"}
        assert set(session.void(all=True)["state"]) == {"voided"}
    bought = {
        "ups": len(served["ups"].shipments),
        "usps": len(served["usps"].sold()),
        "easypost": len(served["easypost"].sold()),
    }
    assert bought == {name: sellers.count(name) for name in SERVERS}
    assert served["ups"].alive == []
