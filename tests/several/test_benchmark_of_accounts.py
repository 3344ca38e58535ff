"""The benchmark of several accounts: a run that does not show what it claims says so."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

SHOWN = {
    "status_with_a_breaker_open": "paused",
    "status": "completed",
    "by_account": {"ups": 3, "usps": 2},
    "sold_by_account": {"ups": 3, "usps": 2},
}


@pytest.fixture
def benchmark_of_accounts(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import several_accounts

    return several_accounts


def test_the_first_orders_are_taken_with_a_weight_of_a_pound_a_piece(
    benchmark_of_accounts: Any, tmp_path: Path
) -> None:
    orders = tmp_path / "given.csv"
    orders.write_text("id,qty\n1,7\n2,3\n3,1\n", encoding="utf-8")
    made = benchmark_of_accounts.weighed(orders, tmp_path, 2)
    assert made.read_text(encoding="utf-8") == "id,qty,Weight (lb)\n1,7,7\n2,3,3\n"


def test_the_servers_of_usps_and_ups_price_by_distance_and_weight_where_they_are_asked_to() -> None:
    usps = _server("usps").UspsServer()
    near, far = ("78205", "75201"), ("78205", "10001")
    assert [usps._days_of("USPS_GROUND_ADVANTAGE", *both) for both in (near, far)] == [3, 3]
    usps.by_distance = True
    assert [usps._days_of("USPS_GROUND_ADVANTAGE", *both) for both in (near, far)] == [2, 5]
    assert [usps._zone_of(*both) for both in (near, far)] == ["01", "07"]
    ups = _server("ups").UpsServer()
    ups.base_cents, ups.pound_cents = 1130, 15
    package = {"PackageWeight": {"Weight": "10"}}
    there = {"ShipTo": {"Address": {"PostalCode": "10001"}}}
    assert ups._price(package, "03", there)["base"] == 1280


def _server(name: str) -> Any:
    path = BENCHMARKS.parent / "tests" / "carriers" / name / "server.py"
    spec = importlib.util.spec_from_file_location(f"{name}_server_of_benchmarks", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        (
            {"status_with_a_breaker_open": "completed"},
            ["no breaker opened: the first run was completed, not paused"],
        ),
        ({"status": "paused"}, ["the resumed job is paused, not completed"]),
        ({"by_account": {"ups": 5}}, ["usps is the cheapest of no row"]),
        ({"sold_by_account": {"ups": 5, "usps": 0}}, ["usps sold nothing"]),
    ],
)
def test_what_a_run_does_not_show_is_said(
    change: dict, said: list[str], benchmark_of_accounts: Any
) -> None:
    assert benchmark_of_accounts.not_shown(SHOWN | change, ("ups", "usps")) == said
