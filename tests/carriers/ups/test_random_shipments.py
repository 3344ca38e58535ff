"""Every request of random shipments from thirty countries is valid, closed, and Rate is as Ship."""

from __future__ import annotations

from typing import Any

import pytest


def test_a_shipment_of_each_of_thirty_origins_is_valid_in_rate_and_ship(
    shipments_module: Any, contract: Any, ups_module: Any
) -> None:
    found, kinds = shipments_module.faults(contract, ups_module, 30, seed=29)
    assert (found, kinds["built"]) == ([], 30)


@pytest.mark.slow
def test_two_thousand_shipments_of_thirty_origins_are_valid_in_rate_and_ship(
    shipments_module: Any, contract: Any, ups_module: Any
) -> None:
    found, kinds = shipments_module.faults(contract, ups_module, 2_000, seed=1)
    assert (found, kinds["built"]) == ([], 2_000)
