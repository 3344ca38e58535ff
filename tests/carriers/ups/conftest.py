"""The UPS server, the contract, and a shipment to change."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shipkit.models import Address, Customs, CustomsItem, Money, Parcel, Shipment

HERE = Path(__file__).parent


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ups_tests_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def ups_module() -> ModuleType:
    return _module("server")


@pytest.fixture(scope="session")
def shipments_module() -> ModuleType:
    return _module("random_shipments")


@pytest.fixture(scope="session")
def shared_ups() -> Path:
    path = HERE.parents[3] / "shared" / "ups"
    if not path.is_dir():
        pytest.skip("the folder `shared/ups` is not beside the project")
    return path


@pytest.fixture(scope="session")
def specs() -> Path:
    """UPS's own OpenAPI files: a clone of UPS-API/api-documentation named by SHIPKIT_UPS_SPECS
    (YAML: needs PyYAML), or the bundle beside the project.
    """
    named = os.environ.get("SHIPKIT_UPS_SPECS")
    if named:
        pytest.importorskip("yaml", reason="UPS's own files are YAML")
        return Path(named)
    path = HERE.parents[3] / "shared" / "ups" / "specs"
    if not path.is_dir():
        pytest.skip(
            "no UPS OpenAPI files: set SHIPKIT_UPS_SPECS to a clone of "
            "github.com/UPS-API/api-documentation"
        )
    return path


@pytest.fixture(scope="session")
def contract(ups_module: ModuleType, specs: Path) -> Any:
    """What judges every request, closed: unknown fields are errors."""
    return ups_module.load_contract(specs)


@pytest.fixture
def server(ups_module: ModuleType, contract: Any) -> Any:
    running = ups_module.UpsServer(contract).start()
    yield running
    running.stop()


@pytest.fixture
def shipment() -> Shipment:
    """Within the US, one parcel."""
    return Shipment(
        order_id="4412",
        ship_to=Address(
            name="Jo Ng",
            address_line1="1 Main Street",
            city="Timonium",
            state="MD",
            postal_code="21093",
            residential=True,
        ),
        service="ground",
        parcels=(Parcel(weight_lb=2.3, length_in=10, width_in=8, height_in=4),),
        references={"po": "PO-77"},
    )


@pytest.fixture
def abroad() -> Shipment:
    """To Germany, with an invoice of two lines."""
    return Shipment(
        ship_to=Address(
            name="Jürgen Groß",
            address_line1="Schönhauser Allee 6",
            city="Berlin",
            postal_code="10119",
            country="DE",
            phone="+49 30 123456",
        ),
        service="worldwide_saver",
        parcels=(Parcel(weight_lb=3),),
        customs=Customs(
            items=(
                CustomsItem(
                    description="Cotton T-shirt",
                    quantity=2,
                    unit_value=Money.of("15"),
                    hs_code="6109.10",
                    origin_country="US",
                    sku="TS-1",
                ),
                CustomsItem(
                    description="Mug", quantity=1, unit_value=Money.of("9.50"), origin_country="MX"
                ),
            )
        ),
    )
